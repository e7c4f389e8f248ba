//! What is going on, in one record: drawn by every face and printed for machines.

use abr::error::Error;
use abr::presentation::RepresentationKey;
use abr::protocol::{Decision, Phase};
use abr::time::MediaTime;
use serde::Serialize;
use std::time::Duration;

/// One entry of the quality menu.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rendition {
    /// Which.
    pub key: RepresentationKey,
    /// The manifest's identifier.
    pub id: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Bits per second.
    pub bandwidth_bps: u64,
    /// RFC 6381 codecs.
    pub codecs: String,
    /// Frames per second, zero when not stated.
    pub frame_rate: f64,
}

/// One entry of the audio or subtitle menu.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// Position in the current period's adaptation sets.
    pub set: u32,
    /// BCP 47 tag as the manifest writes it.
    pub language: Option<String>,
    /// The manifest's name for it.
    pub label: Option<String>,
    /// Roles as the manifest writes them.
    pub roles: Vec<String>,
    /// Audio channels, zero for subtitles and when not stated.
    pub channels: u32,
}

/// The audio tracks and subtitles of the current period.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tracks {
    /// Audio tracks in the order of the manifest.
    pub audios: Vec<Choice>,
    /// The set that is heard.
    pub audio: Option<u32>,
    /// Subtitles in the order of the manifest, without those that every viewer must read.
    pub texts: Vec<Choice>,
    /// The set that is shown by choice.
    pub text: Option<u32>,
    /// The set that would be shown first, by the viewer's languages.
    pub text_preferred: Option<u32>,
}

/// One finished or failed request, for the statistics.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestRecord {
    /// Host and path, never a query string.
    pub what: String,
    /// Body bytes.
    pub bytes: u64,
    /// From request to first byte.
    pub first_byte_ms: u64,
    /// From request to last byte.
    pub total_ms: u64,
    /// What went wrong, if anything.
    pub failure: Option<String>,
}

/// The state of a session as a person or a script wants to see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Host and path of the manifest, without query.
    pub title: String,
    /// `DASH` or `HLS`, empty before the manifest.
    pub protocol: &'static str,
    /// Where the clock stands and why.
    pub phase: Phase,
    /// Presentation time on the screen.
    pub position: MediaTime,
    /// Length of the timeline.
    pub duration: Option<Duration>,
    /// End of the contiguous buffer around the position.
    pub buffered_to: MediaTime,
    /// Video rendition on the screen.
    pub current: Option<RepresentationKey>,
    /// Video renditions of the current period, lowest first.
    pub renditions: Vec<Rendition>,
    /// Height that the user locked, `None` for automatic choice.
    pub locked_height: Option<u32>,
    /// Throughput estimate.
    pub throughput_bps: Option<u64>,
    /// Frames shown.
    pub presented: u64,
    /// Frames that came too late.
    pub dropped: u64,
    /// Renditions changed so far.
    pub switches: u32,
    /// Stalls so far.
    pub stalls: u32,
    /// Time stalled so far.
    pub stalled: Duration,
    /// Process start to first picture.
    pub startup: Option<Duration>,
    /// Body bytes received.
    pub bytes: u64,
    /// Audio minus video, milliseconds.
    pub av_offset_ms: Option<f64>,
    /// Name of the controller.
    pub controller: String,
    /// Why the last segment was chosen.
    pub decision: Option<Decision>,
    /// The last requests, newest last, at most 20.
    pub requests: Vec<RequestRecord>,
    /// What is being waited for, in words, while starting, stalled or seeking.
    pub waiting: Option<String>,
    /// The last error or notice and when it came (process time).
    pub notice: Option<(Duration, Error)>,
    /// Linear volume, 0.0 to 1.0.
    pub volume: f64,
    /// Muted.
    pub muted: bool,
    /// What there is to hear and to read.
    pub tracks: Tracks,
}

impl Status {
    /// Before anything is known.
    pub fn empty() -> Self {
        Self {
            title: String::new(),
            protocol: "",
            phase: Phase::Starting,
            position: MediaTime::ZERO,
            duration: None,
            buffered_to: MediaTime::ZERO,
            current: None,
            renditions: Vec::new(),
            locked_height: None,
            throughput_bps: None,
            presented: 0,
            dropped: 0,
            switches: 0,
            stalls: 0,
            stalled: Duration::ZERO,
            startup: None,
            bytes: 0,
            av_offset_ms: None,
            controller: String::new(),
            decision: None,
            requests: Vec::new(),
            waiting: None,
            notice: None,
            volume: 1.0,
            muted: false,
            tracks: Tracks::default(),
        }
    }
}
