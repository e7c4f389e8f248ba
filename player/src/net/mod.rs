//! HTTP (and local files): requests, each checked to be whole and answered by exactly one event.
//!
//! A [`Client`] belongs to one playback session: it keeps connections and cookies, and it knows where the
//! title came from, which decides what other addresses may be asked (`policy`). Whether to ask again,
//! elsewhere or not at all is not decided here.
//!
//! | file | job |
//! |---|---|
//! | `policy` | which addresses may be asked, and what may be told to them |
//! | `resolve` | names to addresses, filtered by the policy |
//! | `http` | connections, request headers, redirects, response heads |
//! | `body` | collecting a body within its limits and timeouts, telling progress |
//! | `chunks` | bodies that come as they are produced, chunk by chunk |
//! | `resume` | going on where a connection broke |
//! | `complete`, `content` | is it whole, is it media at all |
//! | `failure` | from errors of the libraries to [`FailureKind`] |
//! | `cookies`, `file` | the session's cookies; `file:` addresses |

mod body;
mod chunks;
pub mod complete;
mod content;
mod cookies;
mod failure;
mod file;
mod http;
mod policy;
mod resolve;
mod resume;
#[cfg(test)]
mod tests;

pub(crate) use failure::http_date;

use abr::presentation::Container;
use abr::protocol::{Failure, FailureKind, FetchId, Timeouts, Transfer};
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use url::Url;

/// What a [`Client`] is told about its session.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address that the user asked for. It decides who else may be asked (see
    /// [`allow_private`](Self::allow_private)) and who gets the user's [`headers`](Self::headers).
    pub top: Url,
    /// Headers to add to requests. `User-Agent`, `Referer`, `Origin`, `Accept` and `Accept-Language` go
    /// everywhere; all others may be secrets and go to the origin of [`top`](Self::top) only.
    pub headers: Vec<(String, String)>,
    /// Allows private, loopback and link-local addresses although [`top`](Self::top) is public. Without it
    /// they are allowed only when `top` is itself such an address, or a file.
    pub allow_private: bool,
    /// Allows a redirect from `https` to `http`.
    pub allow_cleartext: bool,
    /// Certificates (PEM) of the authorities to trust instead of those of the machine (`SSL_CERT_FILE` and
    /// `SSL_CERT_DIR` name others for that). Read when TLS is first needed.
    pub authorities: Option<PathBuf>,
    /// Value of the `User-Agent` header.
    pub user_agent: String,
}

impl Config {
    /// The defaults for a title at `top`: no extra headers, nothing allowed.
    pub fn new(top: Url) -> Self {
        Self {
            top,
            headers: Vec::new(),
            allow_private: false,
            allow_cleartext: false,
            authorities: None,
            user_agent: concat!("Sluice/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Why a [`Client`] cannot be made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// Only `http`, `https` and `file` addresses can be played.
    #[error("cannot open {scheme}: addresses; use http, https or a file")]
    Scheme {
        /// The scheme found.
        scheme: String,
    },
    /// A header of the user's that HTTP does not allow.
    #[error("{name:?} is not a valid header")]
    Header {
        /// Its name; the value may be a secret.
        name: String,
    },
}

/// What a body should be; decides the checks that it must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// An MPD or a multivariant playlist. May be compressed on the way.
    Manifest,
    /// An initialization segment.
    Init,
    /// A media segment of this layout; checked by [`complete::check`].
    Segment(Container),
    /// A media playlist or `sidx`.
    Index,
    /// Anything else.
    Other,
    /// The `Date` header of an answer to `HEAD`, in place of a body.
    Date,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its name in the events.
    pub id: FetchId,
    /// What to get.
    pub url: Url,
    /// First byte and last byte (inclusive, as in HTTP; `None`: to the end) when not everything is wanted.
    pub range: Option<(u64, Option<u64>)>,
    /// How long the steps may take.
    pub timeouts: Timeouts,
    /// More body bytes than this are a failure; never more than [`limits`](crate::limits) allow for `kind`.
    pub limit_bytes: u64,
    /// What is expected.
    pub kind: BodyKind,
    /// What to send along with `POST`; `None` for `GET`. Redirects are then followed within the origin that
    /// was asked, and only those that keep method and body (307, 308).
    pub post: Option<Post>,
    /// Tell each [chunk](NetEvent::Chunk) of the body as it comes.
    pub chunked: bool,
}

/// What a request brings along: the question for a licence server.
#[derive(Clone, Debug)]
pub struct Post {
    /// The body.
    pub body: Bytes,
    /// Its `Content-Type`.
    pub content_type: &'static str,
}

/// How a request goes on. Each request ends with exactly one event that is neither `Progress` nor `Chunk`.
#[derive(Clone, Debug)]
pub enum NetEvent {
    /// Body bytes came in; told at the first ones and then at most every 100 ms.
    Progress {
        /// Which request.
        id: FetchId,
        /// So far.
        transfer: Transfer,
        /// Length of the whole body, when the server said it.
        expected_bytes: Option<u64>,
    },
    /// A whole chunk of the body came in: the bytes up to and with an `mdat` box.
    Chunk {
        /// Which request.
        id: FetchId,
        /// The chunk; together with the ones before it the beginning of the body.
        bytes: Bytes,
    },
    /// The body is here and whole.
    Done {
        /// Which request.
        id: FetchId,
        /// How it went.
        transfer: Transfer,
        /// The bytes asked for.
        body: Bytes,
        /// Where they came from, after redirects: the base of relative addresses in a manifest.
        url: Url,
        /// The `Content-Type`, as sent.
        content_type: Option<String>,
    },
    /// It failed.
    Failed {
        /// Which request.
        id: FetchId,
        /// Until then.
        transfer: Transfer,
        /// Why.
        failure: Failure,
    },
    /// It was ended by [`Task::cancel`].
    Cancelled {
        /// Which request.
        id: FetchId,
        /// Until then.
        transfer: Transfer,
    },
}

/// Makes the requests of one session. Clones share connections and cookies.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
}

/// What carries out the requests of a [`Client`]: the network, or what a test puts in its place.
pub trait Transport: Send + Sync {
    /// Starts a request. It is answered by exactly one event that is neither [`NetEvent::Progress`] nor
    /// [`NetEvent::Chunk`], also when its [`Task`] is cancelled or dropped.
    fn start(&self, request: Request, events: UnboundedSender<NetEvent>) -> Task;
}

impl Client {
    /// A client for one session. Cheap: no connection is made and no certificate is read before they are
    /// needed.
    ///
    /// # Errors
    ///
    /// [`NetError`] for an address that cannot be played or an impossible header.
    pub fn new(config: Config) -> Result<Self, NetError> {
        Ok(Self { transport: Arc::new(Network(Arc::new(http::Shared::new(config)?))) })
    }

    /// A client whose requests something else than the network carries out.
    pub fn over(transport: impl Transport + 'static) -> Self {
        Self { transport: Arc::new(transport) }
    }

    /// Starts a request on the current tokio runtime and reports to `events`. The body is dropped, and
    /// with it the connection's wish for more, as soon as the returned [`Task`] is cancelled or dropped.
    pub fn start(&self, request: Request, events: UnboundedSender<NetEvent>) -> Task {
        self.transport.start(request, events)
    }
}

/// The real network.
struct Network(Arc<http::Shared>);

impl Transport for Network {
    fn start(&self, request: Request, events: UnboundedSender<NetEvent>) -> Task {
        let (task, cancelled) = Task::new();
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            let meter = body::Meter::start(request.url.scheme() == "file");
            let id = request.id;
            let event = tokio::select! {
                biased;
                _ = cancelled => NetEvent::Cancelled { id, transfer: meter.transfer() },
                outcome = fetch(&shared, &request, &meter, &events) => match outcome {
                    Ok(got) => NetEvent::Done {
                        id,
                        transfer: meter.transfer(),
                        body: got.body,
                        url: got.url,
                        content_type: got.content_type,
                    },
                    Err(failure) => NetEvent::Failed { id, transfer: meter.transfer(), failure },
                },
            };
            // A session that is gone needs no answer.
            let _ = events.send(event);
        });
        task
    }
}

/// A running request. Dropping it cancels it.
#[derive(Debug)]
#[must_use = "dropping a task cancels its request"]
pub struct Task {
    cancel: oneshot::Sender<()>,
}

impl Task {
    /// A task, and what resolves when it is cancelled or dropped.
    pub fn new() -> (Self, oneshot::Receiver<()>) {
        let (cancel, cancelled) = oneshot::channel();
        (Self { cancel }, cancelled)
    }

    /// Ends the request early. It is still answered, by [`NetEvent::Cancelled`] unless it ended before.
    pub fn cancel(self) {
        // An error means that the request has already ended.
        let _ = self.cancel.send(());
    }
}

/// A whole, checked body.
struct Got {
    body: Bytes,
    url: Url,
    content_type: Option<String>,
}

/// One request from beginning to end, within its total time.
async fn fetch(
    shared: &http::Shared,
    request: &Request,
    meter: &body::Meter,
    events: &UnboundedSender<NetEvent>,
) -> Result<Got, Failure> {
    let whole = async {
        let got = if request.url.scheme() == "file" {
            file::read(shared.policy(), request, meter).await?
        } else {
            resume::read(shared, request, meter, events).await?
        };
        check(request, &got)?;
        Ok(got)
    };
    match tokio::time::timeout(request.timeouts.total, whole).await {
        Ok(outcome) => outcome,
        Err(_) => Err(failure::new(
            FailureKind::Timeout,
            &request.url,
            &format!("not complete after {:.1} s", request.timeouts.total.as_secs_f64()),
        )),
    }
}

/// Whether the body is what was asked for, and all of it.
fn check(request: &Request, got: &Got) -> Result<(), Failure> {
    if let Some(what) = content::not_media(request.kind, &got.body) {
        return Err(failure::new(FailureKind::WrongContent, &got.url, what));
    }
    let container = match request.kind {
        BodyKind::Segment(container) => container,
        BodyKind::Init => Container::Unknown,
        BodyKind::Manifest | BodyKind::Index | BodyKind::Other | BodyKind::Date => return Ok(()),
    };
    complete::check(container, &got.body)
        .map_err(|why| failure::new(FailureKind::Truncated, &got.url, &why.to_string()))
}
