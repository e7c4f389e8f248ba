//! The one model behind DASH and HLS: [`Presentation`] → [`Period`] → [`AdaptationSet`] →
//! [`Representation`] → [`SegmentIndex`].
//!
//! Words are those of ISO/IEC 23009-1. The model holds identities, times and sizes; addresses (URLs,
//! byte ranges) stay with whoever fetches, keyed by [`RepresentationKey`] and segment number.

use crate::segments::SegmentIndex;
use crate::time::{MediaTime, WallClock};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A whole title: everything that can be played, on one timeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Presentation {
    /// Whether the timeline still grows.
    pub dynamic: bool,
    /// Length of the timeline; `None` while it is not known (live, or a playlist not fetched yet).
    pub duration: Option<Duration>,
    /// Wall-clock time of presentation time zero, when the manifest says so.
    pub availability_start: Option<WallClock>,
    /// What the manifest says about playing it while it grows; `None` when it does not grow, or when only the
    /// indexes tell (HLS: [`Input::Live`](crate::protocol::Input::Live)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Live>,
    /// Periods in timeline order, at least one in a playable presentation.
    pub periods: Vec<Period>,
    /// Problems that did not prevent reading, for people.
    pub warnings: Vec<String>,
}

/// How a growing timeline wants to be played.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Live {
    /// What the live edge follows from.
    pub edge: Edge,
    /// Distance from the live edge to hold (`Latency@target`, `@suggestedPresentationDelay`, `HOLD-BACK`,
    /// `PART-HOLD-BACK`).
    pub target: Option<Duration>,
    /// Longest distance that is acceptable (`Latency@max`).
    pub max: Option<Duration>,
    /// Slowest and fastest rate to approach the target with, in thousandths (`PlaybackRate`).
    pub rates: Option<(u32, u32)>,
    /// How far behind the live edge segments are kept (`@timeShiftBufferDepth`); `None`: all that is listed.
    pub window: Option<Duration>,
    /// Longest segment (`EXT-X-TARGETDURATION`, `@maxSegmentDuration`); zero when not stated.
    pub segment: Duration,
    /// Length of the parts in which segments appear (`PART-TARGET`, CMAF chunks).
    pub part: Option<Duration>,
    /// How often the manifest is to be fetched again (`@minimumUpdatePeriod`); `None`: the indexes are
    /// (HLS), or nothing is.
    pub refresh: Option<Duration>,
    /// Whether a request for an index waits at the server until there is something new
    /// (`CAN-BLOCK-RELOAD`).
    pub blocking: bool,
    /// How many services tell the time (`UTCTiming` with an address), to be asked in this order.
    pub clocks: u32,
}

/// What the live edge follows from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Edge {
    /// From wall-clock time and [`Presentation::availability_start`] (DASH).
    Clock,
    /// From what the indexes list, and when they did (HLS).
    #[default]
    Listed,
}

/// A span of the timeline with one set of tracks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Period {
    /// The manifest's identifier, or its position as text.
    pub id: String,
    /// Where the period starts on the presentation timeline.
    pub start: MediaTime,
    /// Length; `None` when only the segments tell.
    pub duration: Option<Duration>,
    /// The tracks on offer.
    pub adaptation_sets: Vec<AdaptationSet>,
}

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentType {
    /// Pictures; in a muxed representation the audio comes with it ([`AdaptationSet::muxed_audio`]).
    Video,
    /// Sound.
    Audio,
    /// Subtitles and captions.
    Text,
    /// Thumbnails.
    Image,
}

/// Representations of the same content between which a player may switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaptationSet {
    /// The manifest's identifier, or its position as text.
    pub id: String,
    /// What it carries.
    pub content_type: ContentType,
    /// Whether a video set carries audio in the same segments, so that no audio track is fetched.
    pub muxed_audio: bool,
    /// BCP 47 language tag, as written.
    pub language: Option<String>,
    /// Human-readable name.
    pub label: Option<String>,
    /// Roles (`main`, `alternate`, `description`, `forced-subtitle`, …).
    pub roles: Vec<String>,
    /// Whether the manifest asks for it to be the default choice.
    pub is_default: bool,
    /// The switchable alternatives, in ascending bandwidth.
    pub representations: Vec<Representation>,
}

/// The byte layout of a representation's segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Container {
    /// ISO base media file format, fragmented (CMAF included).
    Mp4,
    /// MPEG-2 transport stream.
    Ts,
    /// WebM or Matroska.
    Webm,
    /// Bare AAC/MP3/AC-3 frames with an ID3 time stamp (HLS packed audio).
    PackedAudio,
    /// WebVTT text.
    Webvtt,
    /// Not said by the manifest: found by looking at the bytes.
    Unknown,
}

/// One encoding of an adaptation set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Representation {
    /// The manifest's identifier, unique in its period.
    pub id: String,
    /// Bits per second that the manifest states; at least 1.
    pub bandwidth_bps: u64,
    /// RFC 6381 codec strings, comma separated; empty when not stated.
    pub codecs: String,
    /// Byte layout.
    pub container: Container,
    /// Width and height in pixels, zero when not stated.
    pub width: u32,
    /// See [`width`](Self::width).
    pub height: u32,
    /// Frames per second as a fraction, `(0, 1)` when not stated.
    pub frame_rate: (u32, u32),
    /// Audio channels, zero when not stated.
    pub channels: u32,
    /// Audio sampling rate in hertz, zero when not stated.
    pub sampling_rate: u32,
    /// How many interchangeable hosts serve it; at least 1.
    pub locations: u32,
    /// Where its segments lie in time.
    pub index: SegmentIndex,
}

/// The position of a representation in a [`Presentation`]; stable for as long as its period lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RepresentationKey {
    /// Position in [`Presentation::periods`].
    pub period: u32,
    /// Position in [`Period::adaptation_sets`].
    pub adaptation_set: u32,
    /// Position in [`AdaptationSet::representations`].
    pub representation: u32,
}

impl std::fmt::Display for RepresentationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.period, self.adaptation_set, self.representation)
    }
}

impl Presentation {
    /// The adaptation set that `key` lies in.
    pub fn adaptation_set(&self, key: RepresentationKey) -> Option<&AdaptationSet> {
        self.periods.get(key.period as usize)?.adaptation_sets.get(key.adaptation_set as usize)
    }

    /// The representation that `key` names.
    pub fn representation(&self, key: RepresentationKey) -> Option<&Representation> {
        self.adaptation_set(key)?.representations.get(key.representation as usize)
    }

    /// See [`representation`](Self::representation).
    pub fn representation_mut(&mut self, key: RepresentationKey) -> Option<&mut Representation> {
        self.periods
            .get_mut(key.period as usize)?
            .adaptation_sets
            .get_mut(key.adaptation_set as usize)?
            .representations
            .get_mut(key.representation as usize)
    }

    /// Every representation with its key, in manifest order.
    pub fn representations(&self) -> impl Iterator<Item = (RepresentationKey, &Representation)> {
        self.periods.iter().zip(0u32..).flat_map(|(period, p)| {
            period.adaptation_sets.iter().zip(0u32..).flat_map(move |(set, a)| {
                set.representations.iter().zip(0u32..).map(move |(representation, r)| {
                    let key = RepresentationKey { period: p, adaptation_set: a, representation: r };
                    (key, representation)
                })
            })
        })
    }
}
