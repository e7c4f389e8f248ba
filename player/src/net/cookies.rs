//! The cookies of one session: in memory, bounded per host, gone with the session.

use reqwest::cookie::{CookieStore, Jar};
use reqwest::header::HeaderValue;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use url::Url;

/// Cookies remembered per host.
const PER_HOST: usize = 50;
/// Longest cookie, name and attributes included.
const BYTES: usize = 4096;
/// Hosts whose cookies are remembered.
const HOSTS: usize = 50;

/// A cookie jar with limits.
#[derive(Default)]
pub(super) struct Cookies {
    jar: Jar,
    /// Names per host. Locked briefly by whichever runtime thread reads a response head.
    names: Mutex<BTreeMap<String, BTreeSet<Vec<u8>>>>,
}

impl Cookies {
    /// Whether there is room for the cookie in `header`; takes the room.
    fn admit(&self, host: &str, header: &HeaderValue) -> bool {
        let bytes = header.as_bytes();
        if bytes.len() > BYTES {
            return false;
        }
        let name = bytes.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii().to_vec();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.contains_key(host) && names.len() >= HOSTS {
            return false;
        }
        let names = names.entry(host.to_owned()).or_default();
        names.contains(&name) || (names.len() < PER_HOST && names.insert(name))
    }
}

impl CookieStore for Cookies {
    fn set_cookies(&self, headers: &mut dyn Iterator<Item = &HeaderValue>, url: &Url) {
        let Some(host) = url.host_str() else { return };
        self.jar.set_cookies(&mut headers.filter(|header| self.admit(host, header)), url);
    }

    fn cookies(&self, url: &Url) -> Option<HeaderValue> {
        self.jar.cookies(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_cannot_flood_the_jar() {
        let cookies = Cookies::default();
        let url = Url::parse("http://a.example/").unwrap();
        let many: Vec<HeaderValue> =
            (0..200).map(|n| HeaderValue::from_str(&format!("c{n}=1")).unwrap()).collect();
        cookies.set_cookies(&mut many.iter(), &url);
        let sent = cookies.cookies(&url).unwrap();
        assert_eq!(sent.to_str().unwrap().split("; ").count(), PER_HOST);
        assert_eq!(cookies.cookies(&Url::parse("http://b.example/").unwrap()), None);
    }
}
