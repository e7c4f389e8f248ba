//! The words that a [`Session`](crate::session::Session) speaks: facts in ([`Input`]), orders out
//! ([`Output`]), and the log ([`Event`]).
//!
//! Rules of the conversation:
//! 1. After [`handle`](crate::session::Session::handle), drain
//!    [`poll`](crate::session::Session::poll) until [`Output::Wait`].
//! 2. `now` never decreases.
//! 3. Every [`Output::Fetch`] is answered exactly once, by [`Input::Fetched`], [`Input::FetchFailed`] or
//!    [`Input::FetchCancelled`]; every [`Output::Append`] by [`Input::Appended`] or
//!    [`Input::AppendFailed`], unless an [`Output::Seek`] or [`Output::Flush`] of its track overtakes it.
//! 4. An append may be ordered while its fetch is under way ([`Fetch::chunked`]). What has come is then
//!    queued chunk by chunk, each answered by [`Input::AppendProgress`]; [`Input::Appended`] follows
//!    [`Input::Fetched`]. If the fetch fails or is cancelled, the append is over without an answer, and what
//!    was queued stays.
//! 5. Failures of the world are facts. What to do about them is decided here.

mod keys;
mod transfer;

pub use keys::{KeyStatus, LicenceId};
pub use transfer::{Timeouts, Transfer};

use crate::error::{Code, Error};
use crate::presentation::{ContentType, Live, Presentation, RepresentationKey};
use crate::segments::{Segment, SegmentIndex};
use crate::time::{MediaTime, Timestamp, WallClock};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// How often the progress of a request is told at most.
pub const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// How often the position is told at least while the clock runs.
pub const POSITION_INTERVAL: Duration = Duration::from_millis(250);

/// How much of what has been presented the pipeline keeps queued behind the position. Older samples are
/// dropped by it without an order.
pub const BACK_BUFFER: Duration = Duration::from_secs(30);

/// Names one request; never used twice in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FetchId(pub u64);

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// The MPD or multivariant playlist. Answered by [`Input::Presentation`] before [`Input::Fetched`].
    Presentation,
    /// A representation's media playlist or `sidx`. Answered by [`Input::Index`] before
    /// [`Input::Fetched`].
    Index(RepresentationKey),
    /// An initialization segment; whoever fetches keeps the bytes for the appends that need them.
    Init {
        /// Whose.
        representation: RepresentationKey,
        /// Which ([`Run::init`](crate::segments::Run::init)).
        init: u32,
    },
    /// A media segment; the bytes are kept until [`Output::Append`] or [`Output::Discard`].
    Segment {
        /// Whose.
        representation: RepresentationKey,
        /// Which.
        segment: Segment,
    },
    /// The time from a service that the manifest names, below
    /// [`Live::clocks`](crate::presentation::Live::clocks). Answered by [`Input::WallClock`] before
    /// [`Input::Fetched`].
    Clock(u32),
    /// A licence, or a key that a playlist names ([`Input::LicenceWanted`]); the keys stay with whoever
    /// fetches.
    Licence(LicenceId),
}

/// A request to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// Its name in the answers.
    pub id: FetchId,
    /// What to get.
    pub resource: Resource,
    /// Which of the interchangeable hosts to ask, below
    /// [`Representation::locations`](crate::presentation::Representation::locations).
    pub location: u32,
    /// Smaller is more urgent.
    pub priority: u8,
    /// Counts attempts at the same resource, from zero.
    pub attempt: u32,
    /// More bytes than this are a failure ([`FailureKind::TooLarge`]).
    pub limit_bytes: u64,
    /// How long each step may take.
    pub timeouts: Timeouts,
    /// Whether the body may come as it is produced, and its append be ordered before it is complete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chunked: bool,
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The name did not resolve, or no connection could be made.
    Connect,
    /// The certificate is not trusted.
    Certificate,
    /// A step took longer than its [`Timeouts`].
    Timeout,
    /// The connection was reset or closed before the end of the body, or the body is shorter than its
    /// boxes or packets say.
    Truncated,
    /// An HTTP status that is not a success.
    Status(u16),
    /// Redirected too often or in a circle.
    Redirects,
    /// An address that policy refuses.
    Forbidden,
    /// More bytes than the limit.
    TooLarge,
    /// An empty body, or a page instead of media.
    WrongContent,
    /// Complete, but not readable as what it should be.
    Malformed,
    /// Readable, but uses what is not supported.
    Unsupported,
}

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Why.
    pub kind: FailureKind,
    /// How long the server asked to wait (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// What a person should read: which host or file, and what was wrong. Never a query string.
    pub detail: String,
}

/// Why appended bytes could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendFailure {
    /// Whether the bytes were malformed (another attempt or representation may help) rather than of a
    /// codec that cannot be decoded here (only another representation can help).
    pub malformed: bool,
    /// What users see if nothing else can be played, when it is known better than from `malformed`:
    /// a code of [`Category::Keys`](crate::error::Category::Keys) concerns keys, not a codec.
    #[serde(default)]
    pub code: Option<Code>,
    /// For people.
    pub detail: String,
}

/// What the user (or the program around) asks for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Run the clock when there is enough to play.
    Play,
    /// Hold the clock; fetching goes on until the buffer is full.
    Pause,
    /// Go to a point of the timeline; clamped to it.
    Seek(MediaTime),
    /// Play faster or slower; 1.0 is normal.
    Rate(f64),
    /// Use this representation height only (the nearest at or below, else the lowest); `None` returns to
    /// automatic choice.
    LockHeight(Option<u32>),
    /// Never choose above or below these heights.
    LimitHeight {
        /// Lowest height, 0 for none.
        min: u32,
        /// Highest height, `u32::MAX` for none.
        max: u32,
    },
    /// Use this adaptation set for its content type from now on (`None`: none at all).
    SelectSet {
        /// The track.
        track: ContentType,
        /// Position in the current period's sets.
        adaptation_set: Option<u32>,
    },
    /// Go to the live edge, less the latency to hold.
    GoLive,
    /// Stop everything.
    Stop,
}

/// A fact told to the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Time passed.
    Tick,
    /// The manifest was read, or read again and found changed. Positions that had a meaning before keep it:
    /// what is gone stays in its place without segments, what is new comes after.
    Presentation(Box<Presentation>),
    /// An index says how its title wants to be played while it grows (HLS); told before [`Input::Index`],
    /// when it is new.
    Live {
        /// In place of [`Presentation::live`].
        live: Box<Live>,
        /// Wall-clock time of presentation time zero, as the index dates its segments.
        zero: Option<WallClock>,
    },
    /// What time it is.
    WallClock {
        /// Coordinated universal time now.
        time: WallClock,
        /// Where that is known from.
        source: ClockSource,
    },
    /// A representation's index was read.
    Index {
        /// Whose.
        representation: RepresentationKey,
        /// Its segments.
        index: SegmentIndex,
    },
    /// Which of the interchangeable hosts to prefer, first choice first (content steering). There are at least
    /// so many of each representation.
    Locations {
        /// Numbers below [`Representation::locations`](crate::presentation::Representation::locations).
        order: Vec<u32>,
    },
    /// Body bytes came in, told at most every 100 ms per request.
    FetchProgress {
        /// Which request.
        id: FetchId,
        /// What has been received so far; `total` is the time so far.
        transfer: Transfer,
        /// The whole length, when the server said it.
        expected_bytes: Option<u64>,
    },
    /// Content asks for a licence or key. Requested at once; answered by [`Input::KeyStatus`] of the
    /// representations concerned, before [`Input::Fetched`] or after [`Output::LicenceFailed`].
    LicenceWanted(LicenceId),
    /// What is known of the keys of a representation has changed. A representation of which nothing was
    /// told is taken to be clear.
    KeyStatus {
        /// Whose.
        representation: RepresentationKey,
        /// What.
        status: KeyStatus,
    },
    /// A request is complete and its body has been checked to be whole.
    Fetched {
        /// Which request.
        id: FetchId,
        /// How it went.
        transfer: Transfer,
    },
    /// A request failed.
    FetchFailed {
        /// Which request.
        id: FetchId,
        /// What had been received.
        transfer: Transfer,
        /// Why.
        failure: Failure,
    },
    /// A request ended because of [`Output::Cancel`].
    FetchCancelled {
        /// Which request.
        id: FetchId,
        /// What had been received.
        transfer: Transfer,
    },
    /// Appended bytes are in the sample queue.
    Appended {
        /// Which request brought them.
        id: FetchId,
        /// Presentation time of the first sample in the queue, per track that the bytes carried.
        start: MediaTime,
        /// Presentation time of the end of the last sample; in a muxed segment the earlier of its tracks.
        end: MediaTime,
    },
    /// Chunks of a segment that is still coming are in the sample queue.
    AppendProgress {
        /// Which request brings them.
        id: FetchId,
        /// Presentation time of the first sample of the segment.
        start: MediaTime,
        /// End of the last sample so far; in a muxed segment the earlier of its tracks.
        end: MediaTime,
    },
    /// Appended bytes were not usable.
    AppendFailed {
        /// Which request brought them.
        id: FetchId,
        /// Why.
        failure: AppendFailure,
    },
    /// Where playback is; told whenever it changes course and at least every 250 ms while it runs.
    Playback {
        /// What is on the screen and in the loudspeakers.
        position: MediaTime,
        /// Whether the clock runs.
        running: bool,
        /// Video frames shown so far.
        presented: u64,
        /// Video frames that came too late so far.
        dropped: u64,
    },
    /// The first picture after the start or a seek is on the screen (or the first sound out, without video).
    Ready {
        /// Its presentation time.
        position: MediaTime,
    },
    /// Everything appended up to the end of the tracks has been presented.
    Drained,
    /// The picture is shown at this size, in pixels; zero when hidden.
    Surface {
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
    /// A part outside the session failed or degraded; the session decides whether playback can go on.
    Trouble(Error),
    /// The user wants something.
    Command(Command),
}

/// Where the time is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockSource {
    /// The clock of this machine: the last resort.
    System,
    /// The manifest itself, or a service that it names.
    Manifest,
}

/// An order to carry out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Make a request.
    Fetch(Fetch),
    /// End a request early; still answered once.
    Cancel(FetchId),
    /// Hand the bytes of a fetched segment to the pipeline, with the initialization segment that
    /// [`Segment::init`] names before them; of one that is still coming each chunk as it comes.
    Append {
        /// Which request brought them.
        id: FetchId,
        /// For which track.
        track: ContentType,
        /// Of which representation.
        representation: RepresentationKey,
        /// Which segment.
        segment: Segment,
    },
    /// Forget the bytes of a fetched segment.
    Discard(FetchId),
    /// A licence or key is given up: what waits for it fails.
    LicenceFailed {
        /// Which.
        id: LicenceId,
        /// Why, after the last attempt.
        failure: Failure,
    },
    /// Drop the queued samples of a track from a time on; later appends replace them.
    Flush {
        /// Which track.
        track: ContentType,
        /// Presentation time of the first sample to drop.
        from: MediaTime,
    },
    /// No more samples follow on this track: drain its decoder. A later [`Output::Seek`] or
    /// [`Output::Flush`] revokes it; it is ordered again when it is true again.
    EndOfTrack(ContentType),
    /// Continue at another time. The next frame shown is the one whose interval contains `to`.
    Seek {
        /// Where.
        to: MediaTime,
        /// Whether the target is queued on all tracks; otherwise all queues are emptied first.
        buffered: bool,
    },
    /// Run or hold the presentation clock. A held clock still shows the picture at its position.
    Clock {
        /// Run (`true`) or hold.
        run: bool,
        /// Playback rate, 1.0 is normal.
        rate: f64,
    },
    /// The log.
    Report(Event),
    /// Nothing more to order until a fact arrives or this time comes.
    Wait(Option<Timestamp>),
}

/// Why a representation was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The first choice of a session or after a seek.
    Start,
    /// The controller's plan.
    Controller,
    /// Too little buffer for anything else.
    Safety,
    /// The user's lock or limits.
    User,
    /// The picture is shown smaller than the representation.
    Viewport,
    /// A running download would have come too late.
    Abandon,
    /// The representation failed.
    Failure,
    /// The period changed.
    Period,
    /// The keys of better representations are not usable.
    Keys,
}

/// Where the clock stands and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Waiting for the manifest or the first samples.
    Starting,
    /// The clock runs.
    Playing,
    /// Held by the user.
    Paused,
    /// Held because a queue ran dry.
    Stalled,
    /// Held until the seek target can be shown.
    Seeking,
    /// Everything has been presented.
    Ended,
    /// Given up.
    Failed,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The manifest is known; playback can be planned.
    Manifest {
        /// Live or on demand.
        dynamic: bool,
        /// Length of the timeline when known.
        duration: Option<Duration>,
        /// Number of representations on offer.
        representations: u32,
    },
    /// A segment's representation was chosen.
    Decided(Decision),
    /// The representation of a track changed with this segment.
    Switched {
        /// Which track.
        track: ContentType,
        /// Before; `None` at the start.
        from: Option<RepresentationKey>,
        /// After.
        to: RepresentationKey,
        /// Presentation time of the first segment of `to`.
        at: MediaTime,
        /// Why.
        reason: Reason,
    },
    /// A running download was given up for another representation.
    Abandoned {
        /// Which request.
        id: FetchId,
        /// What it was.
        from: RepresentationKey,
        /// What comes instead.
        to: RepresentationKey,
        /// Bytes received in vain.
        wasted_bytes: u64,
    },
    /// Queued segments are fetched again in better quality.
    Replaced {
        /// Which track.
        track: ContentType,
        /// From where on.
        from: MediaTime,
        /// Bytes thrown away.
        wasted_bytes: u64,
    },
    /// Playback ran out of samples.
    StallStart {
        /// Where.
        position: MediaTime,
    },
    /// Playback goes on after a stall.
    StallEnd {
        /// Where.
        position: MediaTime,
        /// How long it stood.
        stalled: Duration,
    },
    /// The clock runs for the first time.
    Playing {
        /// Where.
        position: MediaTime,
    },
    /// Held by the user.
    Paused {
        /// Where.
        position: MediaTime,
    },
    /// Running again after a pause.
    Resumed {
        /// Where.
        position: MediaTime,
    },
    /// A seek began.
    SeekStart {
        /// Where from.
        from: MediaTime,
        /// Where to.
        to: MediaTime,
        /// Whether the target was queued.
        buffered: bool,
    },
    /// The picture at the seek target is on the screen.
    SeekEnd {
        /// Where.
        position: MediaTime,
        /// How long it took.
        took: Duration,
    },
    /// A segment could not be had and was skipped.
    Gap {
        /// Which track.
        track: ContentType,
        /// First missing point.
        from: MediaTime,
        /// End of the hole.
        to: MediaTime,
    },
    /// Something failed; see its severity.
    Error(Error),
    /// Everything has been presented.
    Ended {
        /// Where.
        position: MediaTime,
    },
    /// Playback of a growing timeline is about to start.
    Joined {
        /// Where.
        position: MediaTime,
        /// The live edge.
        edge: MediaTime,
        /// Distance from it to hold.
        target: Duration,
    },
    /// Playback was too far behind the live edge, or behind all that is kept, and goes on nearer to it.
    Jumped {
        /// Where from.
        from: MediaTime,
        /// Where to.
        to: MediaTime,
    },
    /// The clock that the live edge follows was corrected.
    ClockDrift {
        /// By so much, in milliseconds.
        by_ms: i64,
    },
}

/// How a choice was made, for "explain why".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Which track.
    pub track: ContentType,
    /// For which segment.
    pub segment: Segment,
    /// The choice.
    pub chosen: RepresentationKey,
    /// What decided.
    pub reason: Reason,
    /// Name of the controller.
    pub controller: Cow<'static, str>,
    /// Queued media ahead of the position, in milliseconds.
    pub buffer_ms: u64,
    /// Throughput estimate in bit/s; `None` before the first transfer.
    pub throughput_bps: Option<u64>,
    /// Every eligible representation with the controller's value for it, higher is better, in the unit of
    /// the controller; empty when the choice was not the controller's.
    pub candidates: Vec<(RepresentationKey, f64)>,
}
