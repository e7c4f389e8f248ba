//! Times as written in WebVTT (6.3, "collect a WebVTT timestamp").

use abr::time::MediaTime;

/// Takes a time from the front of `text`; returns it and what follows.
pub(super) fn take(text: &str) -> Option<(MediaTime, &str)> {
    let (first, rest) = digits(text);
    if first.is_empty() {
        return None;
    }
    let value = |digits: &str| {
        digits.bytes().fold(0i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')))
    };
    let (second, rest) = field(rest, ':', 2)?;
    let hours_first = first.len() != 2 || value(first) > 59 || rest.starts_with(':');
    let (hours, minutes, seconds, rest) = if hours_first {
        let (third, rest) = field(rest, ':', 2)?;
        (value(first), value(second), value(third), rest)
    } else {
        (0, value(first), value(second), rest)
    };
    let (fraction, rest) = field(rest, '.', 3)?;
    if minutes > 59 || seconds > 59 {
        return None;
    }
    let seconds = hours.saturating_mul(3600).saturating_add(minutes * 60 + seconds);
    let millis = seconds.saturating_mul(1000).saturating_add(value(fraction));
    Some((MediaTime::from_millis(millis), rest))
}

/// The time that is all of `text`.
pub(super) fn whole(text: &str) -> Option<MediaTime> {
    take(text).filter(|(_, rest)| rest.is_empty()).map(|(time, _)| time)
}

/// A run of ASCII digits and what follows it.
fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// A mark followed by exactly `count` digits.
fn field(text: &str, mark: char, count: usize) -> Option<(&str, &str)> {
    let (digits, rest) = digits(text.strip_prefix(mark)?);
    (digits.len() == count).then_some((digits, rest))
}
