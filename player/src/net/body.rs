//! Collecting a body: within its limits and timeouts, telling progress, without copying twice.

use super::chunks::Chunks;
use super::{BodyKind, NetEvent, Request, failure};
use crate::limits;
use abr::protocol::{Failure, FailureKind, Transfer};
use bytes::{Bytes, BytesMut};
use reqwest::Response;
use reqwest::header::HeaderValue;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, timeout_at};
use url::Url;

/// Shortest time between two reports of progress.
const PROGRESS: Duration = Duration::from_millis(100);
/// Memory taken on the word of a `Content-Length` alone.
const TRUSTED_BYTES: u64 = 4 << 20;
/// Memory taken when the length is not known.
const UNKNOWN_BYTES: u64 = 64 << 10;

/// The clock and the byte counter of one request. Counted by the future that collects the body, read by
/// the one that cancels it, both on the same task.
pub(super) struct Meter {
    started: Instant,
    bytes: AtomicU64,
    /// Nanoseconds from the start to the first byte, plus one; zero before.
    first_byte: AtomicU64,
    /// Nanoseconds in which the server had nothing to send, and when that began last (plus one; zero while it
    /// sends), counted from the start.
    waited: AtomicU64,
    idle: AtomicU64,
    local: bool,
}

impl Meter {
    /// Starts the clock. `local` says that the answer does not cross a network.
    pub(super) fn start(local: bool) -> Self {
        Self {
            started: Instant::now(),
            bytes: AtomicU64::new(0),
            first_byte: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            idle: AtomicU64::new(0),
            local,
        }
    }

    /// Counts body bytes.
    pub(super) fn add(&self, bytes: u64) {
        let since = abr::time::nanos(self.started.elapsed()).saturating_add(1);
        // Only the first byte sets it.
        let _ = self.first_byte.compare_exchange(0, since, Ordering::Relaxed, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Everything that was produced is here: what follows is waited for.
    fn wait(&self) {
        let now = abr::time::nanos(self.started.elapsed()).saturating_add(1);
        self.idle.store(now, Ordering::Relaxed);
    }

    /// Something came, of which the first piece took so long.
    fn resume(&self, first: Duration) {
        let idle = self.idle.swap(0, Ordering::Relaxed);
        if idle > 0 {
            let since = abr::time::nanos(self.started.elapsed()).saturating_add(1).saturating_sub(idle);
            self.waited.fetch_add(since.saturating_sub(abr::time::nanos(first)), Ordering::Relaxed);
        }
    }

    fn waited(&self) -> Duration {
        let idle = self.idle.load(Ordering::Relaxed);
        let now = abr::time::nanos(self.started.elapsed()).saturating_add(1);
        let idle = if idle == 0 { 0 } else { now.saturating_sub(idle) };
        Duration::from_nanos(self.waited.load(Ordering::Relaxed).saturating_add(idle))
    }

    /// How it goes so far.
    pub(super) fn transfer(&self) -> Transfer {
        Transfer {
            bytes: self.bytes.load(Ordering::Relaxed),
            first_byte: Duration::from_nanos(self.first_byte.load(Ordering::Relaxed).saturating_sub(1)),
            total: self.started.elapsed(),
            waited: self.waited(),
            cached: self.local,
        }
    }
}

/// The most bytes that a request may bring.
pub(super) fn ceiling(request: &Request) -> u64 {
    let most = match request.kind {
        BodyKind::Manifest | BodyKind::Index => limits::MANIFEST_DECODED_BYTES,
        BodyKind::Init => limits::INIT_BYTES,
        BodyKind::Segment(_) | BodyKind::Other | BodyKind::Date => limits::SEGMENT_BYTES,
    };
    request.limit_bytes.min(most)
}

/// Which part of the coming bytes was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    /// Bytes before it.
    pub(super) skip: u64,
    /// Its length, when more may follow.
    pub(super) take: Option<u64>,
    /// The length that the response head promised for it.
    pub(super) exactly: Option<u64>,
}

/// A response whose head is in order.
pub(super) struct Opened {
    pub(super) response: Response,
    pub(super) url: Url,
    pub(super) window: Window,
    pub(super) content_type: Option<String>,
    /// The strong entity tag of what can also be asked for in parts.
    pub(super) tag: Option<HeaderValue>,
}

/// What has come of a body.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// The bytes asked for.
    pub(super) bytes: BytesMut,
    /// How many there should be, when the server said it.
    pub(super) expected: Option<u64>,
    bursts: Bursts,
}

/// The chunks of a body that comes as it is produced, and how fast each came. A pause between two chunks is
/// the encoder's, one within a chunk is the network's.
#[derive(Debug, Default)]
struct Bursts {
    chunks: Chunks,
    /// When the first piece of the present chunk came, and its bytes.
    first: Option<(Instant, usize)>,
    /// Bytes per second of the last chunk that came in more than one piece.
    rate: Option<f64>,
}

/// What a piece takes of which nothing is known.
const PIECE: Duration = Duration::from_millis(1);

impl Bursts {
    /// Notes a piece that was added to `body`, and tells the chunks that it completes.
    fn add(
        &mut self,
        body: &[u8],
        piece: usize,
        request: &Request,
        meter: &Meter,
        events: &UnboundedSender<NetEvent>,
    ) {
        let now = Instant::now();
        let (begun, bytes) = *self.first.get_or_insert_with(|| {
            let seconds = self.rate.map_or(PIECE.as_secs_f64(), |rate| piece as f64 / rate.max(1.0));
            meter.resume(Duration::try_from_secs_f64(seconds).unwrap_or(PIECE));
            (now, piece)
        });
        while let Some(chunk) = self.chunks.take(body) {
            let rest = chunk.len().saturating_sub(bytes);
            let span = now.duration_since(begun);
            if rest > 0 && !span.is_zero() {
                self.rate = Some(rest as f64 / span.as_secs_f64());
            }
            // A session that is gone needs no chunk.
            let bytes = Bytes::copy_from_slice(&body[chunk]);
            let _ = events.send(NetEvent::Chunk { id: request.id, bytes });
            if self.chunks.begin() == body.len() {
                self.first = None;
                meter.wait();
            } else {
                self.first = Some((now, body.len() - self.chunks.begin()));
            }
        }
    }
}

/// Collects the body behind what has come of it before.
pub(super) async fn collect(
    opened: Opened,
    request: &Request,
    meter: &Meter,
    events: &UnboundedSender<NetEvent>,
    collected: &mut Collected,
) -> Result<(), Failure> {
    let Opened { mut response, url, window, .. } = opened;
    let before = collected.bytes.len() as u64;
    let fail = |kind, what: &str| failure::new(kind, &url, what);
    let limit = ceiling(request);
    let too_large = || fail(FailureKind::TooLarge, &format!("more than {limit} bytes"));

    let length = response.content_length();
    let expected = match (length.map(|length| length.saturating_sub(window.skip)), window.take) {
        (Some(left), Some(take)) => Some(left.min(take)),
        (left, take) => left.or(take),
    };
    let expected = expected.map(|expected| expected.saturating_add(before));
    collected.expected = expected;
    // What is skipped is paid for as well: a server without ranges may not make us read a whole title.
    if expected.is_some_and(|expected| expected > limit) || window.skip > limits::SEGMENT_BYTES {
        return Err(too_large());
    }
    let capacity = expected.unwrap_or(UNKNOWN_BYTES).min(TRUSTED_BYTES).min(limit).saturating_sub(before);
    let body = &mut collected.bytes;
    body.reserve(usize::try_from(capacity).unwrap_or_default());
    let mut skip = window.skip;
    let mut progress = Progress { events, request, meter, expected, due: Instant::now(), news: false };
    loop {
        let chunk = progress.chunk(&mut response, &url).await?;
        let Some(mut chunk) = chunk else { break };
        progress.count(chunk.len());
        let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
        let _ = chunk.split_to(skipped);
        skip -= skipped as u64;
        let mut last = false;
        if let Some(take) = window.take {
            let left = usize::try_from(take).unwrap_or(usize::MAX).saturating_sub(body.len());
            last = chunk.len() >= left;
            chunk.truncate(left);
        }
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
        if request.chunked {
            collected.bursts.add(body, chunk.len(), request, meter, events);
        }
        if last {
            break;
        }
    }
    let got = body.len() as u64 - before;
    if got == 0 && window.skip > 0 {
        return Err(fail(FailureKind::Truncated, "the whole ends before the range"));
    }
    if window.exactly.is_some_and(|promised| promised != got) {
        return Err(fail(FailureKind::Truncated, "the range is not as long as its header says"));
    }
    Ok(())
}

/// Waits for chunks and tells what came.
struct Progress<'a> {
    events: &'a UnboundedSender<NetEvent>,
    request: &'a Request,
    meter: &'a Meter,
    expected: Option<u64>,
    /// When progress may be told next.
    due: Instant,
    /// Whether there is something to tell.
    news: bool,
}

impl Progress<'_> {
    /// The next piece of the body; `None` at its end.
    async fn chunk(&mut self, response: &mut Response, url: &Url) -> Result<Option<Bytes>, Failure> {
        let idle = Instant::now() + self.request.timeouts.idle;
        loop {
            // Bytes that came just after a report are told when the next one is due, even if nothing follows.
            let until = if self.news { idle.min(self.due) } else { idle };
            match timeout_at(until, response.chunk()).await {
                Ok(chunk) => return chunk.map_err(|error| failure::in_body(&error, url)),
                Err(_) if self.news && Instant::now() < idle => self.tell(),
                Err(_) => return Err(failure::new(FailureKind::Timeout, url, "the body stopped coming")),
            }
        }
    }

    fn count(&mut self, bytes: usize) {
        self.meter.add(bytes as u64);
        self.news = true;
        if Instant::now() >= self.due {
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.news = false;
        self.due = Instant::now() + PROGRESS;
        let (id, transfer) = (self.request.id, self.meter.transfer());
        // A session that is gone needs no report.
        let _ = self.events.send(NetEvent::Progress { id, transfer, expected_bytes: self.expected });
    }
}
