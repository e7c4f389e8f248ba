//! From the errors of the HTTP libraries to [`Failure`]s that name the host and never a secret.

use super::policy::Refusal;
use abr::protocol::{Failure, FailureKind};
use std::error::Error;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use url::Url;

/// Longest `Retry-After` that is passed on.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);
/// Longest address that is quoted in a message.
const SHOWN_CHARS: usize = 200;

/// A failure of the request for `url`.
pub(super) fn new(kind: FailureKind, url: &Url, what: &str) -> Failure {
    Failure { kind, retry_after: None, detail: format!("{}: {what}", shown(url)) }
}

/// Host and path of an address, without user, password, query and control characters.
pub(super) fn shown(url: &Url) -> String {
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    };
    // `Url` percent-encodes control characters and everything outside ASCII.
    let mut text = format!("{host}{}", url.path());
    if text.len() > SHOWN_CHARS {
        text.truncate(SHOWN_CHARS);
        text.push('…');
    }
    text
}

/// Classifies an error before the response head.
pub(super) fn before_head(error: &reqwest::Error, url: &Url) -> Failure {
    if let Some(refusal) = find::<Refusal>(error) {
        return new(FailureKind::Forbidden, url, &refusal.to_string());
    }
    if error.is_connect() {
        return match certificate(error) {
            Some(why) => new(FailureKind::Certificate, url, &why),
            None if error.is_timeout() => new(FailureKind::Connect, url, "no connection in time"),
            None if error.is_dns() => new(FailureKind::Connect, url, "the host name is not known"),
            None => new(FailureKind::Connect, url, &format!("no connection: {}", root(error))),
        };
    }
    if let Some(hyper) = find::<hyper::Error>(error) {
        if hyper.is_parse_too_large() {
            return new(FailureKind::TooLarge, url, "the response header is too large");
        }
        if hyper.is_parse() {
            return new(FailureKind::Malformed, url, "the answer is not HTTP");
        }
    }
    if error.is_timeout() {
        return new(FailureKind::Timeout, url, "no answer in time");
    }
    if error.is_builder() {
        return new(FailureKind::Malformed, url, "not an address that HTTP can ask for");
    }
    new(FailureKind::Truncated, url, &format!("the connection broke before the answer: {}", root(error)))
}

/// Classifies an error inside the body.
pub(super) fn in_body(error: &reqwest::Error, url: &Url) -> Failure {
    if error.is_timeout() {
        return new(FailureKind::Timeout, url, "the body stopped coming");
    }
    let transport = find::<hyper::Error>(error).is_some()
        || find::<io::Error>(error).is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof);
    if error.is_decode() && !transport {
        return new(FailureKind::Malformed, url, "the body does not decompress");
    }
    new(FailureKind::Truncated, url, &format!("the connection broke inside the body: {}", root(error)))
}

/// Whether a kept connection may have been closed by the server just as the request went out, so that
/// asking once more on a new one is in order (RFC 9110, 9.2.2).
pub(super) fn stale_connection(error: &reqwest::Error) -> bool {
    let closed = find::<hyper::Error>(error).is_some_and(|e| e.is_incomplete_message() || e.is_canceled());
    let reset = find::<io::Error>(error)
        .is_some_and(|e| matches!(e.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe));
    !error.is_connect() && (closed || reset)
}

/// Reads `Retry-After`: seconds, or a date in the preferred format (RFC 9110, 10.2.3 and 5.6.7).
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let then = UNIX_EPOCH.checked_add(Duration::from_secs(http_date(value)?))?;
            then.duration_since(now).unwrap_or(Duration::ZERO)
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(", ")?;
    let mut fields = rest.strip_suffix(" GMT")?.split([' ', ':']);
    let day: u64 = fields.next()?.parse().ok()?;
    let name = fields.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64 + 1;
    let year: u64 = fields.next()?.parse().ok()?;
    let mut clock = [0_u64; 3];
    for field in &mut clock {
        *field = fields.next()?.parse().ok()?;
    }
    if fields.next().is_some() || !(1970..=9999).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    // Days of the proleptic Gregorian calendar, counted in years that start in March.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    let [hours, minutes, seconds] = clock;
    (hours < 24 && minutes < 60 && seconds < 61)
        .then(|| days * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

/// The first error of type `T` in the chain of causes.
fn find<T: Error + 'static>(error: &reqwest::Error) -> Option<&T> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // `io::Error::source` skips the error that it wraps.
        if let Some(found) =
            error.downcast_ref::<io::Error>().and_then(|io| io.get_ref()).and_then(|e| e.downcast_ref::<T>())
        {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// What TLS says about a certificate that it refuses. Its error type belongs to a crate that only the HTTP
/// client uses, so its text is looked at.
fn certificate(error: &reqwest::Error) -> Option<String> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if let Some((_, why)) = text.split_once("invalid peer certificate: ") {
            return Some(distrust(why));
        }
        if text.contains("CA certificate") {
            return Some(text);
        }
        cause = error.source();
    }
    None
}

/// Why a certificate is not trusted, for people.
fn distrust(why: &str) -> String {
    const CAUSES: &[(&str, &str)] = &[
        (
            "UnknownIssuer",
            "its certificate comes from no authority that is trusted here (--cacert names others)",
        ),
        ("CaUsedAsEndEntity", "its certificate is signed by itself, not by an authority"),
        ("xpired", "its certificate has expired"),
        ("NotValidYet", "its certificate is not valid yet; is the clock of this machine right?"),
        ("not valid yet", "its certificate is not valid yet; is the clock of this machine right?"),
        ("NotValidForName", "its certificate is for another host"),
        ("not valid for name", "its certificate is for another host"),
        ("Revoked", "its certificate has been revoked"),
    ];
    let known = CAUSES.iter().find(|(word, _)| why.contains(word));
    let details = why.split_once("; certificate ").map(|(_, valid)| format!(": it {valid}"));
    match known {
        Some((_, cause)) => format!("{cause}{}", details.unwrap_or_default()),
        None => format!("its certificate is not in order: {why}"),
    }
}

/// What stands behind an error of the HTTP client's own making.
pub(super) fn cause(error: &reqwest::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// The innermost cause, which says most.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &(dyn Error + 'static) = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    // An error of the client itself would quote the address with its query.
    if cause.is::<reqwest::Error>() { "unknown cause".to_owned() } else { cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_seconds_are_read() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37"), None);
        assert_eq!(http_date("Sun, 00 Foo 99999999999999999999 08:49:37 GMT"), None);
        let now = UNIX_EPOCH + Duration::from_secs(784_111_700);
        let wait = |text| retry_after(text, now);
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(77)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("99999999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn certificates_are_refused_in_words() {
        let unknown = distrust("UnknownIssuer");
        assert!(unknown.contains("no authority that is trusted"), "{unknown}");
        let other = distrust(
            "certificate not valid for name \"a.example\"; certificate is only valid for DnsName(\"b.example\")",
        );
        assert_eq!(other, "its certificate is for another host: it is only valid for DnsName(\"b.example\")");
        let expired = distrust(
            "certificate expired: verification time 2 (UNIX), but certificate is not valid after 1 (UNIX) (1 seconds ago)",
        );
        assert_eq!(expired, "its certificate has expired");
        assert_eq!(distrust("Expired"), expired);
        assert_eq!(distrust("BadEncoding"), "its certificate is not in order: BadEncoding");
    }

    #[test]
    fn messages_hold_no_secrets() {
        let url = Url::parse("https://user:pass@host.example:8443/a/b?token=secret#x").unwrap();
        assert_eq!(shown(&url), "host.example:8443/a/b");
    }
}
