//! A web server on loopback that serves a folder or bytes, keeps a log of every request, sends over a
//! shaped link, and fails as its fault plan says.
//!
//! Thread: one of its own, named `origin`, with a single-threaded runtime; dropping the [`Origin`] ends it.

use crate::fault::{self, Effect, Fault};
use crate::shaping::{Link, Shaper};
use crate::source::{self, Served, Source};
use crate::wire::Wire;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// A body leaves in pieces of this size, so that connections share the link fairly.
const PIECE_BYTES: usize = 4 << 10;

/// What an origin serves and how it fails.
#[derive(Clone, Debug, Default)]
pub struct Site {
    folder: Option<PathBuf>,
    files: BTreeMap<String, Bytes>,
    faults: Vec<Fault>,
    link: Option<Link>,
    source: Option<Arc<dyn Source>>,
    headers: Vec<(String, String)>,
}

impl Site {
    /// Serves the files of a folder.
    pub fn folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..Self::default() }
    }

    /// Serves these bytes at `path` (without leading slash), before any file of the folder.
    pub fn file(mut self, path: &str, bytes: impl Into<Bytes>) -> Self {
        self.files.insert(path.to_owned(), bytes.into());
        self
    }

    /// Adds a rule; the first rule that hits a request decides.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Sends over this link; without one, as fast as loopback goes.
    pub fn link(mut self, link: Link) -> Self {
        self.link = Some(link);
        self
    }

    /// Asks this first.
    pub fn source(mut self, source: Arc<dyn Source>) -> Self {
        self.source = Some(source);
        self
    }

    /// Adds a header to every answer.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn read(&self, path: &str) -> Option<Bytes> {
        if let Some(bytes) = self.files.get(path) {
            return Some(bytes.clone());
        }
        let inside = Path::new(path);
        let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
        let folder = self.folder.as_ref().filter(|_| plain)?;
        std::fs::read(folder.join(inside)).ok().map(Bytes::from)
    }
}

/// One request as the origin saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `GET`, `HEAD` or what else came.
    pub method: String,
    /// Path and query, without the leading slash.
    pub target: String,
    /// The `Range` header.
    pub range: Option<String>,
    /// Every header, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Since the origin started.
    pub at: Duration,
    /// The status that was answered; zero when there was no answer.
    pub status: u16,
    /// Body bytes handed to the network.
    pub sent: u64,
    /// Whether the whole planned body was handed to the network.
    pub complete: bool,
    /// Which connection, counted from zero.
    pub connection: u32,
}

impl Asked {
    /// The value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// A running server.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Origin {
    /// Starts serving on a free port of loopback.
    ///
    /// # Panics
    ///
    /// When the machine gives no port or no thread: nothing can be tested then.
    pub fn start(site: Site) -> Self {
        Self::start_at(0, site).expect("loopback has a free port")
    }

    /// Starts serving on a port of loopback, 0 for any.
    ///
    /// # Errors
    ///
    /// When the port is taken.
    ///
    /// # Panics
    ///
    /// When the machine gives no thread.
    pub fn start_at(port: u16, site: Site) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
        listener.set_nonblocking(true).expect("a listener can be non-blocking");
        let address = listener.local_addr().expect("a listener has an address");
        let shaper = site.link.clone().map(Shaper::new);
        let state = Arc::new(State { site, shaper, started: Instant::now(), seen: Mutex::default() });
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("origin".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime can be made").block_on(async {
                    tokio::select! { () = accept(listener, shared) => {}, _ = stopped => {} }
                });
            })
            .expect("a thread can be started");
        Ok(Self { address, state, stop: Some(stop), thread: Some(thread) })
    }

    /// The address of a file.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The host and port.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Every request so far, in order of arrival.
    pub fn log(&self) -> Vec<Asked> {
        self.state.seen().clone()
    }

    /// How many requests so far had `part` in their target.
    pub fn count(&self, part: &str) -> usize {
        self.state.seen().iter().filter(|asked| asked.target.contains(part)).count()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[derive(Debug)]
struct State {
    site: Site,
    shaper: Option<Shaper>,
    started: Instant,
    /// Shared by the server's thread and the test's.
    seen: Mutex<Vec<Asked>>,
}

impl State {
    fn seen(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn note(&self, number: usize, change: impl FnOnce(&mut Asked)) {
        if let Some(asked) = self.seen().get_mut(number) {
            change(asked);
        }
    }
}

async fn accept(listener: std::net::TcpListener, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).expect("a listener can be polled");
    let mut connections = 0;
    while let Ok((stream, _)) = listener.accept().await {
        let number = connections;
        connections += 1;
        drop(stream.set_nodelay(true));
        let reset = Arc::new(AtomicBool::new(false));
        let wire = Wire { stream, reset: Arc::clone(&reset) };
        let state = Arc::clone(&state);
        let service =
            service_fn(move |request| answer(Arc::clone(&state), Arc::clone(&reset), number, request));
        tokio::spawn(async move {
            // A client that hangs up, and a fault that breaks the body, both end here as errors.
            let _hung_up = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(wire), service)
                .await;
        });
    }
}

/// Why a body ends early; hyper closes the connection on it.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the fault plan ends the connection here")
    }
}

impl std::error::Error for Broken {}

async fn answer(
    state: Arc<State>,
    reset: Arc<AtomicBool>,
    connection: u32,
    request: Request<Incoming>,
) -> Result<Response<Pieces>, Broken> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).trim_start_matches('/');
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let range = request.headers().get(header::RANGE).map(text);
    let (number, effect) = {
        let mut seen = state.seen();
        let hits = |fault: &&Fault| fault.hits(target, seen.iter().map(|asked| asked.target.as_str()));
        let effect = state.site.faults.iter().find(hits).map(|fault| fault.effect.clone());
        seen.push(Asked {
            method: request.method().to_string(),
            target: target.to_owned(),
            range: range.clone(),
            headers: request.headers().iter().map(|(n, v)| (n.to_string(), text(v))).collect(),
            at: state.started.elapsed(),
            status: 0,
            sent: 0,
            complete: false,
            connection,
        });
        (seen.len() - 1, effect)
    };
    match &effect {
        Some(Effect::ResetBeforeHeaders) => {
            reset.store(true, Ordering::Relaxed);
            return Err(Broken);
        }
        Some(Effect::StallBefore) => std::future::pending().await,
        Some(Effect::Delay(ms)) => tokio::time::sleep(Duration::from_millis(*ms)).await,
        _ => {}
    }
    if let Some(shaper) = &state.shaper {
        shaper.answer().await;
    }
    let path = target.split('?').next().unwrap_or_default();
    let mut later = Vec::new();
    let file = match source::answer(state.site.source.as_deref(), target).await {
        Served::Bytes(bytes) => Some(bytes),
        Served::Pieces(pieces) => {
            later = pieces;
            Some(Bytes::new())
        }
        Served::Missing => None,
        Served::File | Served::Wait(_) => state.site.read(path),
    };
    let range = range.filter(|_| later.is_empty());
    let mut plan = Plan::new(file, path, &format!("/{target}"), range.as_deref(), effect.as_ref());
    if !later.is_empty() && plan.status == StatusCode::OK {
        plan.headers.remove(header::CONTENT_LENGTH);
        plan.later = later;
    }
    state.note(number, |asked| asked.status = plan.status.as_u16());

    let mut response = Response::new(Pieces::none());
    *response.status_mut() = plan.status;
    *response.headers_mut() = plan.headers.clone();
    for (name, value) in &state.site.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    if request.method() != Method::HEAD {
        let (sender, pieces) = mpsc::channel(1);
        *response.body_mut() = Pieces(Some(pieces));
        tokio::spawn(async move { send(state, reset, number, plan, sender).await });
    }
    Ok(response)
}

/// Sends the body of a plan piece by piece.
async fn send(
    state: Arc<State>,
    reset: Arc<AtomicBool>,
    number: usize,
    plan: Plan,
    sender: mpsc::Sender<Result<Bytes, Broken>>,
) {
    let mut rest = plan.body;
    let mut later = plan.later.into_iter();
    loop {
        if rest.is_empty() {
            let Some((at, piece)) = later.next() else { break };
            tokio::time::sleep_until(at.into()).await;
            rest = piece;
            continue;
        }
        let size = plan.drip.map_or(PIECE_BYTES, |bps| (bps as usize / 4).max(1));
        let piece = rest.split_to(size.min(rest.len()));
        let length = piece.len();
        if let Some(bps) = plan.drip {
            tokio::time::sleep(Duration::from_secs_f64(length as f64 / f64::from(bps))).await;
        }
        if let Some(shaper) = &state.shaper {
            shaper.send(length).await;
        }
        if sender.send(Ok(piece)).await.is_err() {
            return;
        }
        state.note(number, |asked| asked.sent += length as u64);
    }
    match plan.ending {
        Ending::Complete => state.note(number, |asked| asked.complete = true),
        // The receiver learns of the end of the body only when the sender goes.
        Ending::Silence => sender.closed().await,
        Ending::Close => drop(sender.send(Err(Broken)).await),
        Ending::Reset => {
            reset.store(true, Ordering::Relaxed);
            drop(sender.send(Err(Broken)).await);
        }
    }
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Complete,
    Silence,
    Close,
    Reset,
}

/// What is going to be answered.
struct Plan {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// What comes behind it, and when it is there.
    later: Vec<(Instant, Bytes)>,
    drip: Option<u32>,
    ending: Ending,
}

impl Plan {
    fn new(
        file: Option<Bytes>,
        path: &str,
        target: &str,
        range: Option<&str>,
        effect: Option<&Effect>,
    ) -> Self {
        let Some(file) = file else { return Self::status(StatusCode::NOT_FOUND) };
        let range = range.filter(|_| effect != Some(&Effect::IgnoreRange));
        let mut plan = Self::file(path, file, range);
        if let Some(effect) = effect {
            plan.spoil(target, effect);
        }
        plan
    }

    fn status(status: StatusCode) -> Self {
        let mut plan = Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::from(format!("{status}\n")),
            later: Vec::new(),
            drip: None,
            ending: Ending::Complete,
        };
        plan.set(header::CONTENT_TYPE, "text/plain");
        plan.whole();
        plan
    }

    fn file(path: &str, file: Bytes, range: Option<&str>) -> Self {
        let mut plan = Self::status(StatusCode::OK);
        plan.set(header::CONTENT_TYPE, mime(path));
        plan.set(header::ACCEPT_RANGES, "bytes");
        let length = file.len();
        match range.map(|range| parse_range(range, length)) {
            None => plan.body = file,
            Some(Some((first, last))) => {
                plan.status = StatusCode::PARTIAL_CONTENT;
                plan.set(header::CONTENT_RANGE, &format!("bytes {first}-{last}/{length}"));
                plan.body = file.slice(first..=last);
            }
            Some(None) => {
                plan = Self::status(StatusCode::RANGE_NOT_SATISFIABLE);
                plan.set(header::CONTENT_RANGE, &format!("bytes */{length}"));
            }
        }
        plan.whole();
        plan
    }

    fn set(&mut self, name: HeaderName, value: &str) {
        self.headers.insert(name, HeaderValue::try_from(value).expect("a header value of ours is legal"));
    }

    /// Announces the body as it is.
    fn whole(&mut self) {
        self.set(header::CONTENT_LENGTH, &self.body.len().to_string());
    }

    fn replace(&mut self, body: impl Into<Bytes>) {
        self.body = body.into();
        self.whole();
    }

    fn keep(&mut self, per_mille: u16) {
        self.body.truncate(self.body.len() * usize::from(per_mille) / 1000);
    }

    fn spoil(&mut self, target: &str, effect: &Effect) {
        match effect {
            Effect::Delay(_) | Effect::StallBefore | Effect::ResetBeforeHeaders | Effect::IgnoreRange => {}
            Effect::Status(code) => *self = Self::status(status(*code)),
            Effect::RetryAfter(code, seconds) => {
                *self = Self::status(status(*code));
                self.set(header::RETRY_AFTER, &seconds.to_string());
            }
            Effect::Truncate(kept) => {
                self.keep(*kept);
                self.ending = Ending::Close;
            }
            Effect::TruncateChunked(kept) => {
                self.headers.remove(header::CONTENT_LENGTH);
                self.keep(*kept);
                self.ending = Ending::Close;
            }
            Effect::Reset(kept) => {
                self.keep(*kept);
                self.ending = Ending::Reset;
            }
            Effect::StallMid(kept) => {
                self.keep(*kept);
                self.ending = Ending::Silence;
            }
            Effect::Drip(bytes_per_second) => self.drip = Some((*bytes_per_second).max(1)),
            Effect::Redirect(code, to) => {
                *self = Self::status(status(*code));
                self.set(header::LOCATION, &to.replace("{self}", target));
            }
            Effect::ContentType(mime) => self.set(header::CONTENT_TYPE, mime),
            Effect::Html => {
                self.set(header::CONTENT_TYPE, "text/html");
                self.replace("<!DOCTYPE html><html><body><h1>Welcome to our Wi-Fi</h1></body></html>");
            }
            Effect::Empty => self.replace(Bytes::new()),
            Effect::Random => self.replace(fault::random_bytes(self.body.len())),
            Effect::BoxSize(size) => self.replace(fault::with_box_size(&self.body, *size)),
            Effect::Shortened(kept) => {
                self.keep(*kept);
                self.whole();
            }
            Effect::LengthShort(less) => {
                self.body
                    .truncate(self.body.len().saturating_sub(usize::try_from(*less).unwrap_or(usize::MAX)));
                self.whole();
            }
            Effect::WrongRange => {
                self.status = StatusCode::PARTIAL_CONTENT;
                self.set(header::CONTENT_RANGE, "bytes 7-99/100000");
            }
            Effect::HugeHeader(bytes) => {
                self.set(HeaderName::from_static("x-padding"), &"x".repeat(*bytes as usize));
            }
            Effect::ManyHeaders(count) => {
                for number in 0..*count {
                    let name = HeaderName::try_from(format!("x-padding-{number}")).expect("a legal name");
                    self.set(name, &"x".repeat(1_000));
                }
            }
            Effect::GzipBomb(decoded) => {
                self.set(header::CONTENT_ENCODING, "gzip");
                self.replace(fault::gzip_bomb(*decoded));
            }
            Effect::Text(text) => self.replace(text.clone()),
            Effect::Replace(from, to) => {
                self.replace(String::from_utf8_lossy(&self.body).replace(from.as_str(), to));
            }
        }
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).expect("a fault plan names legal statuses")
}

/// First and last byte of a `Range` header over a file of `length` bytes (RFC 9110, 14.1.2); `None` when it
/// cannot be satisfied. One range only, as players ask.
fn parse_range(range: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let end = length.checked_sub(1)?;
    let (first, last) = match (first, last) {
        ("", suffix) => (length.saturating_sub(suffix.parse().ok()?), end),
        (first, "") => (first.parse().ok()?, end),
        (first, last) => (first.parse().ok()?, last.parse::<usize>().ok()?.min(end)),
    };
    (first <= last).then_some((first, last))
}

/// The registered media type for the ending of a path.
fn mime(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "mpd" => "application/dash+xml",
        "m3u8" => "application/vnd.apple.mpegurl",
        "mp4" | "m4s" | "m4v" | "cmfv" => "video/mp4",
        "m4a" | "cmfa" => "audio/mp4",
        "ts" => "video/mp2t",
        "webm" => "video/webm",
        "aac" => "audio/aac",
        "vtt" => "text/vtt",
        _ => "application/octet-stream",
    }
}

/// A body that another task feeds.
struct Pieces(Option<mpsc::Receiver<Result<Bytes, Broken>>>);

impl Pieces {
    fn none() -> Self {
        Self(None)
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut self.0 {
            None => Poll::Ready(None),
            Some(pieces) => pieces.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }
}
