//! Template-based addresses (ISO/IEC 23009-1, 5.3.9.4.4).

use crate::manifest::policy::shown;

/// Longest number that a width may ask for.
const WIDTH: usize = 32;

/// The values that a template may ask for. `None` leaves the identifier without a value, which is an error
/// where it is used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Values<'a> {
    /// `$RepresentationID$`, inserted verbatim.
    pub representation: Option<&'a str>,
    /// `$Bandwidth$`, bit/s.
    pub bandwidth: Option<u64>,
    /// `$Number$`.
    pub number: Option<u64>,
    /// `$SubNumber$`.
    pub sub_number: Option<u64>,
    /// `$Time$`, ticks.
    pub time: Option<u64>,
}

/// Fills in a template. `$$` yields a dollar sign; `%0<width>d` pads a number with zeros to at least `width`
/// digits. What is no identifier, or has no value, stays as it is written: see [`problem`].
///
/// ```
/// # use player::manifest::dash::template::{expand, Values};
/// let values = Values { representation: Some("v1"), number: Some(42), ..Values::default() };
/// assert_eq!(expand("$RepresentationID$/$Number%05d$.m4s", values), "v1/00042.m4s");
/// ```
pub fn expand(template: &str, values: Values<'_>) -> String {
    let mut result = String::with_capacity(template.len() + 16);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        let Some((identifier, after)) = after.split_once('$') else {
            result.push('$');
            result.push_str(after);
            return result;
        };
        rest = after;
        let number = match Identifier::read(identifier) {
            Some(Identifier::Dollar) => {
                result.push('$');
                continue;
            }
            Some(Identifier::Representation) => {
                if let Some(id) = values.representation {
                    result.push_str(id);
                    continue;
                }
                None
            }
            Some(Identifier::Bandwidth(width)) => values.bandwidth.zip(Some(width)),
            Some(Identifier::Number(width)) => values.number.zip(Some(width)),
            Some(Identifier::SubNumber(width)) => values.sub_number.zip(Some(width)),
            Some(Identifier::Time(width)) => values.time.zip(Some(width)),
            None => None,
        };
        match number {
            Some((number, width)) => result.push_str(&format!("{number:0width$}")),
            None => result.extend(["$", identifier, "$"]),
        }
    }
    result.push_str(rest);
    result
}

/// What makes a template unusable, in words: an unknown identifier, a broken width or a `$` without a partner.
pub fn problem(template: &str) -> Option<String> {
    let mut rest = template;
    while let Some((_, after)) = rest.split_once('$') {
        let Some((identifier, after)) = after.split_once('$') else {
            return Some(format!("{} has a $ without a partner", shown(template)));
        };
        if Identifier::read(identifier).is_none() {
            return Some(format!("{} is no template identifier", shown(identifier)));
        }
        rest = after;
    }
    None
}

/// What stands between two dollar signs, with the width of a number.
enum Identifier {
    Dollar,
    Representation,
    Bandwidth(usize),
    Number(usize),
    SubNumber(usize),
    Time(usize),
}

impl Identifier {
    fn read(text: &str) -> Option<Self> {
        let (name, width) = match text.split_once('%') {
            None => (text, 1),
            Some((name, format)) => {
                let digits = format.strip_prefix('0')?.strip_suffix('d')?;
                let width = if digits.is_empty() { 1 } else { digits.parse().ok()? };
                (name, if width <= WIDTH { width } else { return None })
            }
        };
        Some(match name {
            "" if text.is_empty() => Self::Dollar,
            // A width means nothing for a text; peers pass over it.
            "RepresentationID" => Self::Representation,
            "Bandwidth" => Self::Bandwidth(width),
            "Number" => Self::Number(width),
            "SubNumber" => Self::SubNumber(width),
            "Time" => Self::Time(width),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, expected: &str) {
        let values = Values {
            representation: Some("a$b"),
            bandwidth: Some(800),
            number: Some(7),
            sub_number: Some(2),
            time: Some(90_000),
        };
        assert_eq!(expand(template, values), expected, "{template}");
    }

    #[test]
    fn identifiers_are_filled_in() {
        check("$RepresentationID$_$Bandwidth$_$Number$_$SubNumber$_$Time$.m4s", "a$b_800_7_2_90000.m4s");
        check("$Number%03d$ $Time%02d$ $$", "007 90000 $");
        check("plain", "plain");
        assert_eq!(expand("$Time$", Values::default()), "$Time$");
    }

    #[test]
    fn nonsense_stays_and_is_reported() {
        for bad in ["$Numbr$", "$Number", "$Number%0999999999d$", "$Number%d$", "$Number%05x$"] {
            check(bad, bad);
            assert!(problem(bad).is_some(), "{bad}");
        }
        assert_eq!(problem("$Number%05d$$$"), None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(template in "[$%0d5NumberTiéx]{0,40}") {
            let _ = (expand(&template, Values::default()), problem(&template));
        }
    }
}
