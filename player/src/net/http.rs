//! Connections, request headers, redirects and response heads.

use super::body::{Opened, Window};
use super::cookies::Cookies;
use super::policy::{self, Policy};
use super::resolve::Resolver;
use super::{BodyKind, Config, NetError, Request, failure};
use crate::limits;
use abr::protocol::{Failure, FailureKind};
use reqwest::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, IF_RANGE, LOCATION, RANGE, RETRY_AFTER,
};
use reqwest::{Certificate, Response, StatusCode};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;
use tokio::sync::OnceCell;
use url::{Host, Url};

/// Room for one stream's and one connection's data on the way, in HTTP/2. The library's 2 MB and 5 MB hold
/// back a line of 500 Mbit/s with 100 ms delay; these do not.
const H2_STREAM_WINDOW: u32 = 8 << 20;
const H2_CONNECTION_WINDOW: u32 = 16 << 20;

/// What all requests of a session share.
pub(super) struct Shared {
    policy: Arc<Policy>,
    headers: Vec<(HeaderName, HeaderValue)>,
    user_agent: String,
    authorities: Option<PathBuf>,
    cookies: Arc<Cookies>,
    /// Made when first needed: without and with TLS, each past and through the proxies of the environment.
    /// Reading the machine's certificates takes tens of milliseconds that a clear connection need not wait
    /// for.
    clients: [OnceCell<reqwest::Client>; 4],
    /// Whether any request was answered, so that a kept connection may have gone stale.
    answered: AtomicBool,
}

impl Shared {
    pub(super) fn new(config: Config) -> Result<Self, NetError> {
        let policy = Arc::new(Policy::new(&config)?);
        let mut headers = Vec::with_capacity(config.headers.len());
        for (name, value) in &config.headers {
            let wrong = || NetError::Header { name: name.clone() };
            let parsed = HeaderName::try_from(name.as_str()).map_err(|_| wrong())?;
            let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.push((parsed, value));
        }
        Ok(Self {
            policy,
            headers,
            user_agent: config.user_agent,
            authorities: config.authorities,
            cookies: Arc::default(),
            clients: Default::default(),
            answered: AtomicBool::new(false),
        })
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The client for `url`. Built off the runtime's threads when it needs certificates.
    async fn client(&self, url: &Url) -> Result<&reqwest::Client, Failure> {
        let direct = match url.host() {
            Some(Host::Domain(name)) => policy::is_localhost(name),
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        let tls = url.scheme() == "https" || (!direct && self.policy.tls_proxy);
        let place = usize::from(tls) * 2 + usize::from(direct);
        let built = self.clients[place].get_or_try_init(|| async {
            let builder = self.builder(tls, direct);
            if !tls {
                return builder.build().map_err(|error| failure::cause(&error));
            }
            let authorities = self.authorities.clone();
            let build = move || {
                let builder = match authorities {
                    Some(file) => builder.tls_certs_only(certificates(&file)?),
                    None => builder,
                };
                builder.build().map_err(|error| failure::cause(&error))
            };
            tokio::task::spawn_blocking(build).await.map_err(|error| error.to_string())?
        });
        let kind = if tls { FailureKind::Certificate } else { FailureKind::Connect };
        built.await.map_err(|why| failure::new(kind, url, &why))
    }

    fn builder(&self, tls: bool, direct: bool) -> reqwest::ClientBuilder {
        let builder = reqwest::Client::builder()
            .user_agent(self.user_agent.as_str())
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .cookie_provider(Arc::clone(&self.cookies))
            .dns_resolver(Resolver { policy: Arc::clone(&self.policy) })
            .connect_timeout(limits::CONNECT)
            .http2_initial_stream_window_size(H2_STREAM_WINDOW)
            .http2_initial_connection_window_size(H2_CONNECTION_WINDOW)
            .http2_max_header_list_size(limits::HEADER_BYTES as u32);
        let builder = if direct { builder.no_proxy() } else { builder };
        if tls { builder.tls_version_min(reqwest::tls::Version::TLS_1_2) } else { builder.tls_certs_only([]) }
    }

    /// Sends one request and waits for the response head; asks twice when a kept connection was stale.
    async fn send(
        &self,
        url: &Url,
        request: &Request,
        if_range: Option<&HeaderValue>,
    ) -> Result<Response, Failure> {
        let client = self.client(url).await?;
        let mut headers = self.headers_for(url, request);
        if let Some(tag) = if_range {
            headers.insert(IF_RANGE, tag.clone());
        }
        let ask = || {
            let builder = match &request.post {
                None if request.kind == BodyKind::Date => client.head(url.clone()),
                None => client.get(url.clone()),
                Some(post) => client
                    .post(url.clone())
                    .header(CONTENT_TYPE, HeaderValue::from_static(post.content_type))
                    .body(post.body.clone()),
            };
            builder.headers(headers.clone()).send()
        };
        let answer = match ask().await {
            Err(error) if self.answered.load(Ordering::Relaxed) && failure::stale_connection(&error) => {
                ask().await
            }
            answer => answer,
        };
        let response = answer.map_err(|error| failure::before_head(&error, url))?;
        self.answered.store(true, Ordering::Relaxed);
        let size: usize =
            response.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if size > limits::HEADER_BYTES {
            return Err(failure::new(FailureKind::TooLarge, url, "the response header is too large"));
        }
        Ok(response)
    }

    fn headers_for(&self, url: &Url, request: &Request) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            if self.policy.may_tell(name.as_str(), url) {
                headers.append(name.clone(), value.clone());
            }
        }
        if let Some((first, last)) = request.range {
            let last = last.map(|last| last.to_string()).unwrap_or_default();
            if let Ok(value) = HeaderValue::try_from(format!("bytes={first}-{last}")) {
                headers.insert(RANGE, value);
            }
        }
        // Manifests shrink to a tenth; media does not, and its byte counts must be those of the line.
        let compressible = matches!(request.kind, BodyKind::Manifest | BodyKind::Index);
        if !compressible || request.range.is_some() {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        headers
    }
}

/// The certificates in `file`.
fn certificates(file: &Path) -> Result<Vec<Certificate>, String> {
    let problem = |what: &dyn std::fmt::Display| format!("the certificates of {}: {what}", file.display());
    let length = std::fs::metadata(file).map_err(|error| problem(&error))?.len();
    if length > limits::AUTHORITIES_BYTES {
        return Err(problem(&"the file is too large"));
    }
    let text = std::fs::read(file).map_err(|error| problem(&error))?;
    let list = Certificate::from_pem_bundle(&text).map_err(|error| problem(&failure::cause(&error)))?;
    if list.is_empty() { Err(problem(&"there is none in PEM form in it")) } else { Ok(list) }
}

/// Asks for `request` and follows redirects until there is a response with a usable body.
pub(super) async fn open(shared: &Shared, request: &Request) -> Result<Opened, Failure> {
    let head = follow(shared, request);
    let (response, url) = match tokio::time::timeout(request.timeouts.first_byte, head).await {
        Ok(followed) => followed?,
        Err(_) => return Err(failure::new(FailureKind::Timeout, &request.url, "no answer in time")),
    };
    examine(response, url, request)
}

/// Asks where `request` says for the rest of a body, if it still has this entity tag.
pub(super) async fn open_rest(
    shared: &Shared,
    request: &Request,
    tag: &HeaderValue,
) -> Result<Opened, Failure> {
    let url = request.url.clone();
    let head = shared.send(&url, request, Some(tag));
    match tokio::time::timeout(request.timeouts.first_byte, head).await {
        Ok(response) => examine(response?, url, request),
        Err(_) => Err(failure::new(FailureKind::Timeout, &url, "no answer in time")),
    }
}

/// Whether a response has a usable body.
fn examine(response: Response, url: Url, request: &Request) -> Result<Opened, Failure> {
    let refuse = |kind, what: &str| Err(failure::new(kind, &url, what));
    let status = response.status();
    let headers = response.headers();
    if !matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
        if status.is_success() {
            return refuse(FailureKind::WrongContent, &format!("status {status} has no content"));
        }
        let retry_after =
            text(headers, &RETRY_AFTER).and_then(|v| failure::retry_after(v, SystemTime::now()));
        let failure =
            failure::new(FailureKind::Status(status.as_u16()), &url, &format!("the server says {status}"));
        return Err(Failure { retry_after, ..failure });
    }
    // What the library could undo, it has undone and removed from the headers.
    if headers.get_all(CONTENT_ENCODING).iter().any(|coding| coding != "identity") {
        return refuse(FailureKind::WrongContent, "the body is in a coding that nobody asked for");
    }
    let window = match (status, request.range) {
        (StatusCode::PARTIAL_CONTENT, Some((first, last))) => {
            match text(headers, &CONTENT_RANGE).and_then(parse_content_range) {
                Some((from, to, total))
                    if from == first
                        && last
                            .is_none_or(|last| to == last || (to < last && total == to.checked_add(1))) =>
                {
                    Window { skip: 0, take: None, exactly: (to - from).checked_add(1) }
                }
                Some(_) | None => return refuse(FailureKind::Truncated, "the server sent another range"),
            }
        }
        (StatusCode::PARTIAL_CONTENT, None) => {
            return refuse(FailureKind::Truncated, "the server sent a part, not the whole");
        }
        (_, Some((first, last))) => Window {
            skip: first,
            take: last.map(|last| last.saturating_sub(first).saturating_add(1)),
            exactly: None,
        },
        (_, None) => Window::default(),
    };
    let content_type = text(headers, &CONTENT_TYPE).map(str::to_owned);
    let ranges = status == StatusCode::PARTIAL_CONTENT
        || request.range.is_none() && text(headers, &ACCEPT_RANGES).is_some_and(|unit| unit == "bytes");
    // A weak tag stays the same when bytes change (RFC 9110, 13.1.5).
    let tag = headers.get(ETAG).filter(|tag| ranges && tag.as_bytes().starts_with(b"\"")).cloned();
    Ok(Opened { response, url, window, content_type, tag })
}

async fn follow(shared: &Shared, request: &Request) -> Result<(Response, Url), Failure> {
    let mut url = request.url.clone();
    let mut from: Option<Url> = None;
    for _ in 0..=limits::REDIRECTS {
        let refused = |why: policy::Refusal| failure::new(FailureKind::Forbidden, &url, &why.to_string());
        shared.policy.check(&url, from.as_ref()).map_err(refused)?;
        let response = shared.send(&url, request, None).await?;
        let redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        let Some(location) = response.headers().get(LOCATION).filter(|_| redirect) else {
            return Ok((response, url));
        };
        let next = location.to_str().ok().and_then(|location| url.join(location).ok());
        let Some(next) = next else {
            return Err(failure::new(FailureKind::Redirects, &url, "redirects to what is not an address"));
        };
        let kept = matches!(response.status().as_u16(), 307 | 308) && next.origin() == url.origin();
        if request.post.is_some() && !kept {
            let what = "redirects the question elsewhere; only its own host may be asked, by 307 or 308";
            return Err(failure::new(FailureKind::Redirects, &url, what));
        }
        from = Some(std::mem::replace(&mut url, next));
    }
    let what = format!("redirects more than {} times", limits::REDIRECTS);
    Err(failure::new(FailureKind::Redirects, &request.url, &what))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// First byte, last byte and, when known, total length of `bytes 0-499/1234` (RFC 9110, 14.4).
fn parse_content_range(value: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    (first <= last && total.is_none_or(|total: u64| last < total)).then_some((first, last, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_strictly() {
        assert_eq!(parse_content_range("bytes 0-499/1234"), Some((0, 499, Some(1234))));
        assert_eq!(parse_content_range("bytes 5-5/*"), Some((5, 5, None)));
        for bad in ["bytes 5-4/10", "bytes 0-10/10", "bytes */10", "items 0-1/2", "", "bytes 0-x/2"] {
            assert_eq!(parse_content_range(bad), None, "{bad}");
        }
    }
}
