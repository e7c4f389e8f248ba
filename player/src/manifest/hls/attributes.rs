//! Attribute lists of playlist tags (RFC 8216, 4.2).

use crate::manifest::ByteRange;
use crate::manifest::iso8601::decimal_nanos;

/// The attributes of one tag, in file order, borrowed from its line.
#[derive(Clone, Debug, Default)]
pub struct Attributes<'a> {
    list: Vec<Attribute<'a>>,
    /// Whether a part of the list could not be read.
    pub damaged: bool,
    /// Whether a name appears twice.
    pub repeated: bool,
}

#[derive(Clone, Copy, Debug)]
struct Attribute<'a> {
    name: &'a str,
    value: &'a str,
    quoted: bool,
}

impl<'a> Attributes<'a> {
    /// Reads `NAME=value,NAME="value",…`. What cannot be read is left out and noted in
    /// [`damaged`](Self::damaged); of a repeated name the first counts.
    pub fn read(text: &'a str) -> Self {
        let mut attributes = Self::default();
        let mut rest = text.trim();
        while !rest.is_empty() && attributes.list.len() < crate::limits::XML_ATTRIBUTES {
            let Some((name, after)) = rest.split_once('=') else {
                attributes.damaged = true;
                break;
            };
            let (value, quoted, after) = match after.strip_prefix('"') {
                Some(inner) => match inner.split_once('"') {
                    Some((value, after)) => (value, true, after),
                    None => {
                        attributes.damaged = true;
                        (inner, true, "")
                    }
                },
                None => match after.split_once(',') {
                    Some((value, after)) => (value.trim(), false, after),
                    None => (after.trim(), false, ""),
                },
            };
            let name = name.trim();
            if name.is_empty() || name.contains(',') {
                attributes.damaged = true;
            }
            let name = name.rsplit(',').next().unwrap_or(name).trim();
            if attributes.find(name).is_some() {
                attributes.repeated = true;
            } else {
                attributes.list.push(Attribute { name, value, quoted });
            }
            rest = if quoted { after.trim_start().strip_prefix(',').unwrap_or(after) } else { after };
            rest = rest.trim_start();
        }
        attributes
    }

    fn find(&self, name: &str) -> Option<&Attribute<'a>> {
        self.list.iter().find(|attribute| attribute.name == name)
    }

    /// The value of `name`, without quotes.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.find(name).map(|attribute| attribute.value)
    }

    /// The value of `name` where the tag wants a quoted string; unquoted values are taken as well.
    pub fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// Whether `name` stands there with quotes.
    pub fn is_quoted(&self, name: &str) -> bool {
        self.find(name).is_some_and(|attribute| attribute.quoted)
    }

    /// A decimal integer.
    pub fn integer(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// A decimal number of seconds, in nanoseconds.
    pub fn nanos(&self, name: &str) -> Option<u64> {
        decimal_nanos(self.text(name)?)
    }

    /// `YES`.
    pub fn yes(&self, name: &str) -> bool {
        self.text(name) == Some("YES")
    }

    /// A finite decimal number, possibly negative.
    pub fn number(&self, name: &str) -> Option<f64> {
        // What follows the number is not a part of it (tags that lost their line break).
        let text = self.text(name)?;
        let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')));
        let number = text.get(..end.unwrap_or(text.len()))?;
        number.parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// Every name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        self.list.iter().map(|attribute| (attribute.name, attribute.value))
    }
}

/// `length[@offset]`; the offset may be absent.
pub fn byte_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (length, offset) = match text.trim().split_once('@') {
        Some((length, "")) => (length, None),
        Some((length, offset)) => (length, Some(offset.trim().parse().ok()?)),
        None => (text.trim(), None),
    };
    let length: u64 = length.trim().parse().ok()?;
    offset.unwrap_or(0u64).checked_add(length)?;
    Some((length, offset))
}

/// A range from where it starts and how long it is; `None` on overflow.
pub fn range(start: u64, length: u64) -> Option<ByteRange> {
    Some(ByteRange { start, end: Some(start.checked_add(length)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_commas_belong_to_the_value() {
        let list = Attributes::read("A=1,B=\"x,y=z\", C=YES ,D=2.5");
        assert_eq!((list.integer("A"), list.text("B"), list.yes("C")), (Some(1), Some("x,y=z"), true));
        assert_eq!(list.nanos("D"), Some(2_500_000_000));
        assert!(!list.damaged && list.is_quoted("B") && !list.is_quoted("A"));
        let list = Attributes::read("A=1,junk,B=2,C=\"open");
        assert_eq!((list.integer("A"), list.integer("B"), list.text("C")), (Some(1), Some(2), Some("open")));
        assert!(list.damaged);
        assert!(Attributes::read("A=1,A=2").repeated);
    }

    #[test]
    fn ranges_do_not_overflow() {
        assert_eq!(byte_range("10@5"), Some((10, Some(5))));
        assert_eq!(byte_range("10"), Some((10, None)));
        assert_eq!(byte_range("18446744073709551615@1"), None);
        assert_eq!(byte_range("-1"), None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "[A-Z=\",é ]{0,60}") {
            let _ = (Attributes::read(&text), byte_range(&text));
        }
    }
}
