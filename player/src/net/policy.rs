//! Which addresses may be asked, and what may be told to them.
//!
//! What may be asked depends on where the title came from, not on how an address looks: a manifest from
//! the network names only `http` and `https`; a manifest from a file also names files below its own
//! folder. When the title's own host is public, nothing that it names or redirects to may reach loopback,
//! private or link-local addresses. That is decided on the addresses a name resolved to, each time it
//! resolves, so that a changing answer does not help an attacker.

use super::{Config, NetError};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use url::{Host, Url};

/// Headers that are no secrets and go to every host.
const OPEN_HEADERS: [&str; 5] = ["user-agent", "referer", "origin", "accept", "accept-language"];
/// Variables that name proxies.
const PROXY_VARIABLES: [&str; 6] =
    ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// Why an address is not asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Neither `http` nor `https`, nor a permitted file.
    #[error("{0}: addresses are not allowed here")]
    Scheme(String),
    /// A file outside the manifest's folder.
    #[error("files outside the manifest's folder are not allowed")]
    Outside,
    /// Inside the user's machine or network, named from outside.
    #[error("{0} is in a private network; a public title may not reach it")]
    Private(String),
    /// From `https` to `http`.
    #[error("a redirect from https to http is not allowed")]
    Cleartext,
}

/// Whether the title is public, once that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Trust {
    /// Its host has not resolved yet; treated as public.
    Unknown,
    /// Only public addresses may be asked.
    Public,
    /// Every address may be asked.
    Private,
}

/// The rules of one session.
#[derive(Debug)]
pub(super) struct Policy {
    top: Url,
    /// Folder below which files may be read, for a title from a file.
    folder: Option<PathBuf>,
    allow_cleartext: bool,
    /// A [`Trust`]; changes once, when the title's host resolves for the first time.
    trust: AtomicU8,
    /// Host names of the proxies in the environment.
    proxies: Vec<String>,
    /// Whether a proxy is itself spoken to through TLS.
    pub(super) tls_proxy: bool,
}

impl Policy {
    /// The rules for a title at `config.top`.
    pub(super) fn new(config: &Config) -> Result<Self, NetError> {
        let top = config.top.clone();
        let mut folder = None;
        let trust = match top.scheme() {
            "http" | "https" => match top.host() {
                _ if config.allow_private => Trust::Private,
                Some(Host::Domain(name)) if is_localhost(name) => Trust::Private,
                Some(Host::Ipv4(ip)) if is_private(IpAddr::V4(ip)) => Trust::Private,
                Some(Host::Ipv6(ip)) if is_private(IpAddr::V6(ip)) => Trust::Private,
                Some(Host::Ipv4(_) | Host::Ipv6(_)) => Trust::Public,
                Some(Host::Domain(_)) | None => Trust::Unknown,
            },
            "file" => {
                folder = top
                    .to_file_path()
                    .ok()
                    .and_then(|file| file.canonicalize().ok())
                    .and_then(|file| file.parent().map(Path::to_owned));
                Trust::Private
            }
            scheme => return Err(NetError::Scheme { scheme: scheme.to_owned() }),
        };
        let proxies: Vec<Url> = PROXY_VARIABLES
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .filter_map(|value| {
                Url::parse(&value)
                    .ok()
                    .filter(Url::has_host)
                    .or_else(|| Url::parse(&format!("http://{value}")).ok())
            })
            .collect();
        Ok(Self {
            top,
            folder,
            allow_cleartext: config.allow_cleartext,
            trust: AtomicU8::new(trust as u8),
            tls_proxy: proxies.iter().any(|proxy| proxy.scheme() == "https"),
            proxies: proxies.iter().filter_map(|proxy| proxy.host_str().map(str::to_lowercase)).collect(),
        })
    }

    /// Whether `url` may be asked through HTTP, on the way from `from` when it is a redirect. Names are
    /// judged later, by [`admit`](Self::admit).
    pub(super) fn check(&self, url: &Url, from: Option<&Url>) -> Result<(), Refusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme(url.scheme().to_owned()));
        }
        if url.scheme() == "http"
            && from.is_some_and(|from| from.scheme() == "https")
            && !self.allow_cleartext
        {
            return Err(Refusal::Cleartext);
        }
        if self.is(Trust::Private) {
            return Ok(());
        }
        match url.host() {
            Some(Host::Ipv4(ip)) if is_private(IpAddr::V4(ip)) => Err(Refusal::Private(ip.to_string())),
            Some(Host::Ipv6(ip)) if is_private(IpAddr::V6(ip)) => Err(Refusal::Private(ip.to_string())),
            // The proxy's own name resolves freely (see `admit`), so nobody else may use it.
            Some(Host::Domain(name)) if is_localhost(name) || self.proxies.iter().any(|p| p == name) => {
                Err(Refusal::Private(name.to_owned()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The addresses of `host` that may be connected to.
    pub(super) fn admit(&self, host: &str, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, Refusal> {
        if self.proxies.iter().any(|proxy| proxy == host) {
            return Ok(addresses);
        }
        if self.top.host_str() == Some(host) && !addresses.is_empty() {
            let private = addresses.iter().all(|ip| is_private(*ip));
            let found = if private { Trust::Private } else { Trust::Public };
            // Only the first answer counts: a public host does not become private later. The error of a
            // second answer is of no interest.
            let _ = self.trust.compare_exchange(
                Trust::Unknown as u8,
                found as u8,
                Ordering::SeqCst,
                Ordering::SeqCst,
            );
        }
        if self.is(Trust::Private) {
            return Ok(addresses);
        }
        let found_any = !addresses.is_empty();
        let public: Vec<IpAddr> = addresses.into_iter().filter(|ip| !is_private(*ip)).collect();
        if found_any && public.is_empty() { Err(Refusal::Private(host.to_owned())) } else { Ok(public) }
    }

    /// The file behind `url`, when it may be read.
    pub(super) fn file(&self, url: &Url) -> Result<PathBuf, Refusal> {
        let folder = self.folder.as_ref().ok_or_else(|| Refusal::Scheme(url.scheme().to_owned()))?;
        let path = url.to_file_path().map_err(|()| Refusal::Outside)?;
        // Links are followed first, so that none leads outside. A file that does not exist is reported by
        // whoever opens it; its folder is looked at here.
        let path = path.canonicalize().or_else(|_| {
            let parent = path.parent().map_or(Err(Refusal::Outside), |parent| {
                parent.canonicalize().map_err(|_| Refusal::Outside)
            })?;
            path.file_name().map(|name| parent.join(name)).ok_or(Refusal::Outside)
        })?;
        if path.starts_with(folder) { Ok(path) } else { Err(Refusal::Outside) }
    }

    /// Whether the user's header `name` goes to `url`.
    pub(super) fn may_tell(&self, name: &str, url: &Url) -> bool {
        let upgraded = || {
            self.top.scheme() == "http"
                && url.scheme() == "https"
                && self.top.host() == url.host()
                && self.top.port().is_none()
                && url.port().is_none()
        };
        OPEN_HEADERS.contains(&name) || self.top.origin() == url.origin() || upgraded()
    }

    fn is(&self, trust: Trust) -> bool {
        self.trust.load(Ordering::SeqCst) == trust as u8
    }
}

/// The name of this machine (RFC 6761, 6.3).
pub(super) fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

/// Whether an address is inside this machine, this network or nowhere (RFC 6890 and its registries),
/// also when an IPv6 address hides an IPv4 one.
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_private_v4(ip),
        IpAddr::V6(ip) => is_private_v6(ip),
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    matches!(
        ip.octets(),
        [0 | 10 | 127 | 224..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 0, 0, _]
            | [192, 168, ..]
            | [198, 18..=19, ..]
    )
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_private_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // Unspecified, loopback, IPv4-compatible, IPv4-mapped and IPv4-translated.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => embedded(high, low),
        // NAT64, 6to4.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        // Local NAT64, Teredo, discard.
        [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] | [0x100, 0, 0, 0, ..] => true,
        // Unique local, link-local, site-local, multicast.
        [first, ..] => matches!(first >> 8, 0xfc | 0xfd | 0xff) || (0xfe80..=0xfeff).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn policy(top: &str) -> Policy {
        Policy::new(&Config::new(url(top))).unwrap()
    }

    #[test]
    fn a_public_title_reaches_no_private_address_in_any_spelling() {
        let policy = policy("http://93.184.216.34/a.mpd");
        for bad in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://0x7f.1/",
            "http://0/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:a00:1]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::10.0.0.1]/",
            "http://[2002:7f00:1::]/",
            "http://10.1.2.3/",
            "http://172.16.0.1/",
            "http://192.168.0.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://100.64.0.1/",
            "http://[fd00::1]/",
            "http://[fe80::1]/",
            "http://[ff02::1]/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://①②⑦.⓪.⓪.①/",
            "http://%31%32%37.0.0.1/",
        ] {
            assert!(matches!(policy.check(&url(bad), None), Err(Refusal::Private(_))), "{bad}");
        }
        for good in
            ["http://8.8.8.8/", "http://172.32.0.1/", "https://cdn.example/", "http://[2606:2800::1]/"]
        {
            assert_eq!(policy.check(&url(good), None), Ok(()), "{good}");
        }
        for bad in ["file:///etc/passwd", "data:,x", "ftp://cdn.example/", "gopher://cdn.example/"] {
            assert!(matches!(policy.check(&url(bad), None), Err(Refusal::Scheme(_))), "{bad}");
        }
    }

    #[test]
    fn the_first_answer_for_the_title_decides() {
        let public = IpAddr::from([93, 184, 216, 34]);
        let private = IpAddr::from([192, 168, 1, 7]);
        let outside = policy("http://media.example/a.mpd");
        assert!(outside.admit("elsewhere.example", vec![private]).is_err());
        assert_eq!(outside.admit("media.example", vec![private, public]), Ok(vec![public]));
        assert!(outside.admit("media.example", vec![private]).is_err(), "the name was bound anew");
        let inside = policy("http://nas.example/a.mpd");
        assert_eq!(inside.admit("nas.example", vec![private]), Ok(vec![private]));
        assert_eq!(inside.check(&url("http://127.0.0.1/"), None), Ok(()));
    }

    #[test]
    fn https_does_not_fall_back_to_http() {
        let policy = policy("https://media.example/a.mpd");
        let (secure, clear) = (url("https://media.example/"), url("http://media.example/"));
        assert_eq!(policy.check(&clear, Some(&secure)), Err(Refusal::Cleartext));
        assert_eq!(policy.check(&secure, Some(&clear)), Ok(()));
    }

    #[test]
    fn secrets_stay_with_the_titles_origin() {
        let policy = policy("http://media.example/a.mpd");
        assert!(policy.may_tell("x-token", &url("http://media.example/b")));
        assert!(policy.may_tell("authorization", &url("https://media.example/b")));
        assert!(!policy.may_tell("x-token", &url("http://media.example:8080/b")));
        assert!(!policy.may_tell("cookie", &url("http://cdn.example/b")));
        assert!(policy.may_tell("referer", &url("http://cdn.example/b")));
    }

    #[test]
    fn files_stay_below_the_manifest() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("title");
        std::fs::create_dir(&inner).unwrap();
        for file in ["title/a.mpd", "title/seg.mp4", "secret"] {
            std::fs::write(outer.path().join(file), b"x").unwrap();
        }
        std::os::unix::fs::symlink(outer.path().join("secret"), inner.join("link")).unwrap();
        let top = Url::from_file_path(inner.join("a.mpd")).unwrap();
        let rules = Policy::new(&Config::new(top.clone())).unwrap();
        let file = |name: &str| rules.file(&top.join(name).unwrap());
        assert!(file("seg.mp4").is_ok());
        assert!(file("missing.mp4").is_ok());
        assert_eq!(file("../secret"), Err(Refusal::Outside));
        assert_eq!(file("%2e%2e/secret"), Err(Refusal::Outside));
        assert_eq!(file("link"), Err(Refusal::Outside));
        assert_eq!(file("/etc/passwd"), Err(Refusal::Outside));
        assert!(policy("http://media.example/").file(&top).is_err());
    }
}
