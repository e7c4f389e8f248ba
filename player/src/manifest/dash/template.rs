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
/// digits.
///
/// ```
/// # use player::manifest::dash::template::{expand, Values};
/// let values = Values { representation: Some("v1"), number: Some(42), ..Values::default() };
/// assert_eq!(expand("$RepresentationID$/$Number%05d$.m4s", values), Ok("v1/00042.m4s".to_owned()));
/// ```
///
/// # Errors
///
/// A text for people: an unknown identifier, one without a value, a broken width or a `$` without a partner.
pub fn expand(template: &str, values: Values<'_>) -> Result<String, String> {
    let mut result = String::with_capacity(template.len() + 16);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        let Some((identifier, after)) = after.split_once('$') else {
            return Err(format!("{} has a $ without a partner", shown(template)));
        };
        rest = after;
        let (name, width) = match identifier.split_once('%') {
            Some((name, format)) => (name, Some(format)),
            None => (identifier, None),
        };
        let number = match name {
            "" if width.is_none() => {
                result.push('$');
                continue;
            }
            "RepresentationID" if width.is_none() => {
                result.push_str(values.representation.ok_or("$RepresentationID$ has no value here")?);
                continue;
            }
            "Bandwidth" => values.bandwidth,
            "Number" => values.number,
            "SubNumber" => values.sub_number,
            "Time" => values.time,
            _ => return Err(format!("{} is no template identifier", shown(identifier))),
        };
        let number = number.ok_or_else(|| format!("${name}$ has no value here"))?;
        let width = match width {
            None => 1,
            Some(format) => {
                let digits = format.strip_prefix('0').and_then(|rest| rest.strip_suffix('d'));
                let width =
                    digits.and_then(|digits| if digits.is_empty() { Some(1) } else { digits.parse().ok() });
                width
                    .filter(|width| *width <= WIDTH)
                    .ok_or_else(|| format!("{} is no width", shown(format)))?
            }
        };
        result.push_str(&format!("{number:0width$}"));
    }
    result.push_str(rest);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, expected: Option<&str>) {
        let values = Values {
            representation: Some("a$b"),
            bandwidth: Some(800),
            number: Some(7),
            sub_number: Some(2),
            time: Some(90_000),
        };
        assert_eq!(expand(template, values).ok().as_deref(), expected, "{template}");
    }

    #[test]
    fn identifiers_are_filled_in() {
        check(
            "$RepresentationID$_$Bandwidth$_$Number$_$SubNumber$_$Time$.m4s",
            Some("a$b_800_7_2_90000.m4s"),
        );
        check("$Number%03d$ $Time%02d$ $$", Some("007 90000 $"));
        check("plain", Some("plain"));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "$Numbr$",
            "$Number",
            "$Number%0999999999d$",
            "$Number%d$",
            "$Number%05x$",
            "$RepresentationID%02d$",
        ] {
            check(bad, None);
        }
        assert!(expand("$Time$", Values::default()).is_err());
    }
}
