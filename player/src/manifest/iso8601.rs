//! Times as text: decimal seconds, `xs:duration` and `xs:dateTime`, read exactly with checked arithmetic.

use abr::time::WallClock;
use std::time::Duration;

/// Nanoseconds of a decimal number of seconds such as `9.009`; digits beyond the ninth are rounded. `None`
/// for anything else (signs, exponents, `NaN`) and beyond 584 years.
pub fn decimal_nanos(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanos = 0u64;
    let mut bytes = fraction.bytes();
    for _ in 0..9 {
        nanos = nanos * 10 + u64::from(bytes.next().map_or(0, |digit| digit - b'0'));
    }
    let up = u64::from(bytes.next().is_some_and(|digit| digit >= b'5'));
    whole.checked_mul(1_000_000_000)?.checked_add(nanos + up)
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An `xs:duration` such as `PT1H2M3.5S`; a year counts 365 days, a month 30. An empty one (`P`, `PT`) is
/// zero. `None` when it is malformed, negative or beyond 584 years.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim().strip_prefix('P')?;
    let mut nanos = 0u64;
    // Each unit at most once and in this order; the second half after the `T`.
    let mut units: &[(char, u64)] = &[('Y', 31_536_000), ('M', 2_592_000), ('W', 604_800), ('D', 86_400)];
    let mut in_time = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            if in_time {
                return None;
            }
            (rest, in_time) = (after, true);
            units = &[('H', 3600), ('M', 60), ('S', 1)];
            if rest.is_empty() {
                break;
            }
        }
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number = decimal_nanos(rest.get(..end)?)?;
        let unit = rest.get(end..)?.chars().next()?;
        let place = units.iter().position(|(name, _)| *name == unit)?;
        let (_, seconds) = units.get(place)?;
        nanos = nanos.checked_add(number.checked_mul(*seconds)?)?;
        units = units.get(place + 1..)?;
        rest = rest.get(end + unit.len_utf8()..)?;
    }
    Some(Duration::from_nanos(nanos))
}

/// An `xs:dateTime` such as `2024-02-29T12:00:00.25+01:00` in UTC; without a zone it is read as UTC. The
/// zone may lack its colon. `None` when it is malformed or no calendar date.
pub fn date_time(text: &str) -> Option<WallClock> {
    let text = text.trim();
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let mut parts = date.splitn(3, '-');
    let (year, month, day) =
        (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let (clock, zone) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => (time.get(..at)?, zone_minutes(time.get(at..)?)?),
        None => (time, 0),
    };
    let mut parts = clock.splitn(3, ':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let second = decimal_nanos(parts.next().unwrap_or("0"))?;
    if hour > 24 || minute > 59 || second >= 61_000_000_000 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    let millis = i64::try_from((second + 500_000) / 1_000_000).ok()?;
    Some(WallClock::from_millis(((days * 24 + hour) * 60 + minute - zone) * 60_000 + millis))
}

/// Exactly `width` digits.
fn number(text: &str, width: usize) -> Option<i64> {
    if text.len() == width && digits(text) { text.parse().ok() } else { None }
}

fn zone_minutes(zone: &str) -> Option<i64> {
    let sign = match zone.chars().next()? {
        'Z' | 'z' if zone.len() == 1 => return Some(0),
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let rest = zone.get(1..)?.replace(':', "");
    let (hours, minutes) = (rest.get(..2)?, rest.get(2..)?);
    let minutes = if minutes.is_empty() { 0 } else { number(minutes, 2)? };
    Some(sign * (number(hours, 2)? * 60 + minutes))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, by counting from March so that leap days
/// come last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        assert_eq!(decimal_nanos("9.009"), Some(9_009_000_000));
        assert_eq!(decimal_nanos("3.3333333333"), Some(3_333_333_333));
        assert_eq!(decimal_nanos("0.9999999999"), Some(1_000_000_000));
        assert_eq!(decimal_nanos("10."), Some(10_000_000_000));
        assert_eq!(decimal_nanos(".5"), Some(500_000_000));
        for bad in ["", ".", "-1", "1e3", "inf", "NaN", "99999999999999999999", "18446744074", "1.2.3", "+1"]
        {
            assert_eq!(decimal_nanos(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_follow_xml_schema() {
        assert_eq!(duration("PT1H2M3.5S"), Some(Duration::from_millis(3_723_500)));
        assert_eq!(duration("P1DT0S"), Some(Duration::from_secs(86_400)));
        assert_eq!(duration("P1Y2M3DT4H5M6S"), Some(Duration::from_secs(36_993_906)));
        assert_eq!(duration("PT0.000000001S"), Some(Duration::from_nanos(1)));
        assert_eq!((duration("P"), duration("PT")), (Some(Duration::ZERO), Some(Duration::ZERO)));
        for bad in ["", "1S", "-PT1S", "PT1", "PT1M1H", "PT1S1S", "P1S", "P999999999999Y", "PTXS", "PTT1S"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn dates_become_utc() {
        let millis = |text| date_time(text).map(WallClock::as_millis);
        assert_eq!(millis("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(millis("2024-02-29T12:00:00.250+01:00"), Some(1_709_204_400_250));
        assert_eq!(millis("2016-10-14T17:00:17"), Some(1_476_464_417_000));
        assert_eq!(millis("1969-12-31T23:59:59.999Z"), Some(-1));
        assert_eq!(millis("2000-01-01T00:00:00-0500"), Some(946_702_800_000));
        for bad in [
            "",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01",
            "x",
            "2024-01-01T25:00:00Z",
            "2024-01-01T00:00:00+1é",
        ] {
            assert_eq!(millis(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in ".{0,40}", zone in "[-+Z0-9:é]{0,8}") {
            let _ = (decimal_nanos(&text), duration(&text), date_time(&text), date_time(&format!("2024-01-01T00:00:00{zone}")));
        }
    }
}
