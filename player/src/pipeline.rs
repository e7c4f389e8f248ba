//! The seam between the driver (control) and the pipeline (bytes, decoders, clock): a pair of channels.
//!
//! The driver sends [`PipelineCommand`]s and receives [`PipelineEvent`]s; neither side ever waits for the
//! other. A pipeline without decoders serves tests.

use abr::error::Error;
use abr::presentation::{Container, ContentType, RepresentationKey};
use abr::protocol::{AppendFailure, FetchId};
use abr::segments::Segment;
use abr::time::MediaTime;
use bytes::Bytes;
use drm_stub::hls_aes::SegmentKey;
use drm_stub::key::ContentKey;

/// How the time stamps of appended bytes map onto the presentation timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Presentation time = media time + `ticks / timescale` seconds (DASH).
    Offset {
        /// May be negative.
        ticks: i64,
        /// Ticks per second.
        timescale: u32,
    },
    /// All segments of this discontinuity share one offset, the one that puts the first sample of the
    /// first of them that is appended at its [`Segment::start`] (HLS). Video defines it; audio and text
    /// follow, and wait for it when a video track exists.
    Discontinuity(u64),
}

/// The key of a segment whose manifest names it; all other keys are those of the content decryption module.
#[derive(Clone, Debug)]
pub enum Cipher {
    /// All bytes are encrypted.
    Bytes {
        /// With this key.
        key: SegmentKey,
        /// From this vector on.
        iv: [u8; 16],
    },
    /// Samples are encrypted as their container describes.
    Samples {
        /// With this key, whatever their key identifiers.
        key: ContentKey,
        /// The vector of samples that carry none.
        iv: Option<[u8; 16]>,
    },
}

/// A segment to demultiplex and queue.
#[derive(Clone, Debug)]
pub struct Append {
    /// Names the append in its answer.
    pub id: FetchId,
    /// For which track; a muxed video segment feeds the audio track as well.
    pub track: ContentType,
    /// Whether audio is to be taken from the same bytes.
    pub muxed_audio: bool,
    /// Of which representation.
    pub representation: RepresentationKey,
    /// RFC 6381 codecs as the manifest states them, possibly empty.
    pub codecs: String,
    /// Byte layout as far as the manifest knows it.
    pub container: Container,
    /// Which segment.
    pub segment: Segment,
    /// Mapping of time stamps.
    pub timing: Timing,
    /// Initialization segment, when there is one.
    pub init: Option<Bytes>,
    /// The segment.
    pub data: Bytes,
    /// Its key, when the manifest names that. The initialization segment is clear already.
    pub cipher: Option<Cipher>,
}

/// What the driver asks of the pipeline. Semantics as in [`abr::protocol::Output`].
#[derive(Clone, Debug)]
pub enum PipelineCommand {
    /// Queue a segment. Answered by [`PipelineEvent::Appended`] or [`PipelineEvent::AppendFailed`].
    Append(Box<Append>),
    /// Which tracks will be fed, told before the first append and when it changes. A track that is not
    /// listed is never waited for.
    Tracks {
        /// Pictures are expected.
        video: bool,
        /// Sound is expected.
        audio: bool,
    },
    /// Drop queued samples of a track from a time on.
    Flush {
        /// Which track.
        track: ContentType,
        /// First time to drop.
        from: MediaTime,
    },
    /// Drain a track.
    EndOfTrack(ContentType),
    /// Continue at another time.
    Seek {
        /// Target.
        to: MediaTime,
        /// Whether the queues hold it.
        buffered: bool,
    },
    /// Run or hold the clock.
    Clock {
        /// Run or hold.
        run: bool,
        /// Playback rate.
        rate: f64,
    },
    /// Linear loudness, 0.0 to 1.0 (1.0 leaves samples unchanged).
    Volume(f64),
    /// Silence without changing the volume.
    Mute(bool),
    /// End all threads. The event channel closes when that is done.
    Stop,
}

/// What the pipeline tells the driver. Semantics as in [`abr::protocol::Input`].
#[derive(Clone, Debug, PartialEq)]
pub enum PipelineEvent {
    /// A segment is queued.
    Appended {
        /// Which.
        id: FetchId,
        /// First sample.
        start: MediaTime,
        /// End of the last sample.
        end: MediaTime,
    },
    /// A segment is unusable.
    AppendFailed {
        /// Which.
        id: FetchId,
        /// Why.
        failure: AppendFailure,
    },
    /// Where playback is: on every change of course and every 100 ms while it runs.
    Playback {
        /// Presentation time shown.
        position: MediaTime,
        /// Whether the clock runs.
        running: bool,
        /// Frames shown so far.
        presented: u64,
        /// Frames that came too late so far.
        dropped: u64,
        /// Audio minus video presentation time, in milliseconds, when both run.
        av_offset_ms: Option<f64>,
    },
    /// The first picture (or, without video, sound) after a start or seek is out.
    Ready {
        /// Its time.
        position: MediaTime,
    },
    /// All tracks ended and everything is presented.
    Drained,
    /// A part failed or degraded.
    Trouble(Error),
}
