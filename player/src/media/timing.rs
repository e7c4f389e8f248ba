//! From time stamps of containers to the presentation timeline: one mapping per discontinuity, shared by
//! the tracks.

use super::demux::{Demuxed, RawSample, RawTrack, TimeBase};
use super::elementary::frames::{PER_90K, TIMESCALE};
use super::sample::Sample;
use crate::pipeline::{Append, Timing};
use abr::presentation::ContentType;
use abr::time::{MediaTime, nanos};
use std::time::Duration;

/// The clock of MPEG-2 systems in ticks of [`TIMESCALE`] until it starts again from zero.
const WRAP: i64 = (1 << 33) * PER_90K;
/// How far a segment may lie from where the manifest puts it before its time stamps count as jumped; twice
/// the segment's duration when that is longer. Rounded durations in playlists add up to seconds over a
/// title, hence not less.
const TOLERANCE: Duration = Duration::from_secs(10);
/// Jumps remembered per discontinuity; the oldest is forgotten.
const ANCHORS: usize = 64;

/// Samples on the presentation timeline, in decoding order.
#[derive(Clone, Debug, Default)]
pub struct Mapped {
    /// Pictures.
    pub video: Vec<Sample>,
    /// Sound.
    pub audio: Vec<Sample>,
    /// Subtitles.
    pub text: Vec<Sample>,
}

/// What became of an attempt to map a segment.
#[derive(Clone, Debug)]
pub enum Mapping {
    /// Samples with their places.
    Ready(Mapped),
    /// The video segment that defines the mapping of this discontinuity has not been mapped yet: try
    /// again after it.
    NotYet(Demuxed),
}

/// The mappings of a presentation.
#[derive(Debug, Default)]
pub struct TimeMapper {
    video_expected: bool,
    lines: Vec<Line>,
}

/// Nanoseconds to add to media time, for the segments of one discontinuity or track.
#[derive(Debug)]
struct Line {
    key: Key,
    /// Every offset that was ever needed, newest last: more than one when time stamps jump without being
    /// announced.
    anchors: Vec<i128>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// Shared by all tracks.
    Discontinuity(u64),
    /// Offsets of the manifest are exact; what is kept is a correction per period and track.
    Offset(u32, ContentType),
}

impl TimeMapper {
    /// A mapper that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells whether a video track is fed: sound and text then wait for its mapping.
    pub fn expect_video(&mut self, expected: bool) {
        self.video_expected = expected;
    }

    /// Forgets all mappings found so far; right after a seek that emptied the queues, so that rounding in
    /// playlists does not add up.
    pub fn reset(&mut self) {
        self.lines.clear();
    }

    /// Puts a segment on the presentation timeline.
    pub fn map(&mut self, append: &Append, demuxed: Demuxed) -> Mapping {
        let first = match append.track {
            // Sound alone must not define a mapping that a picture will contradict.
            ContentType::Video if !demuxed.video.samples.is_empty() => &demuxed.video,
            ContentType::Video | ContentType::Audio => &demuxed.audio,
            ContentType::Text | ContentType::Image => &demuxed.text,
        };
        let Some(start) = first.start() else { return Mapping::Ready(Mapped::default()) };
        let timescale = first.timescale;
        let expected = i128::from(append.segment.start.as_nanos());
        let defines = append.track == ContentType::Video || !self.video_expected;
        let (key, offset) = match append.timing {
            Timing::Offset { ticks, timescale } => (
                Key::Offset(append.representation.period, append.track),
                Offset { ticks, timescale, nanos: 0 },
            ),
            Timing::Discontinuity(number) => (Key::Discontinuity(number), Offset::default()),
        };
        if demuxed.time_base == TimeBase::Untimed {
            let nanos = expected - Offset::default().apply(start, timescale);
            return Mapping::Ready(shift(append, demuxed, Offset { nanos, ..Offset::default() }));
        }
        // Time stamps that wrap are read as those nearest to where the segment is expected.
        let wraps = demuxed.time_base == TimeBase::Wrapping;
        let distance = |candidate: i128| {
            let place = offset.apply(start, timescale) + candidate;
            let turns = if wraps { nearest_turn(expected - place) } else { 0 };
            (place + turns - expected, turns)
        };
        let span = nanos(append.segment.duration()).saturating_mul(2);
        let tolerance = i128::from(span.max(nanos(TOLERANCE)));
        let line = self.lines.iter().position(|line| line.key == key);
        let known = line.map(|place| &self.lines[place].anchors[..]).unwrap_or_default();
        let exact = matches!(append.timing, Timing::Offset { .. });
        let candidates = exact.then_some(0).into_iter().chain(known.iter().rev().copied());
        let best = candidates.min_by_key(|candidate| distance(*candidate).0.abs());
        let chosen = match best {
            Some(candidate) if distance(candidate).0.abs() <= tolerance => candidate + distance(candidate).1,
            None if !defines => return Mapping::NotYet(demuxed),
            _ => {
                let anchor = expected - offset.apply(start, timescale);
                if defines || exact {
                    self.remember(key, anchor);
                }
                anchor
            }
        };
        Mapping::Ready(shift(append, demuxed, Offset { nanos: chosen, ..offset }))
    }

    fn remember(&mut self, key: Key, anchor: i128) {
        let place = match self.lines.iter().position(|line| line.key == key) {
            Some(place) => place,
            None => {
                self.lines.push(Line { key, anchors: Vec::new() });
                self.lines.len() - 1
            }
        };
        let anchors = &mut self.lines[place].anchors;
        if anchors.len() == ANCHORS {
            anchors.remove(0);
        }
        anchors.push(anchor);
    }
}

/// What is added to media time: a fraction of the manifest and whole nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Offset {
    ticks: i64,
    timescale: u32,
    nanos: i128,
}

impl Default for Offset {
    fn default() -> Self {
        Self { ticks: 0, timescale: 1, nanos: 0 }
    }
}

impl Offset {
    /// Presentation time in nanoseconds, rounded once.
    fn apply(self, ticks: i64, timescale: u32) -> i128 {
        let (own, theirs) = (i128::from(timescale.max(1)), i128::from(self.timescale.max(1)));
        let numerator = i128::from(ticks) * theirs + i128::from(self.ticks) * own;
        let denominator = own * theirs;
        // Seconds first, so that the multiplication by 10^9 stays in range.
        let (seconds, rest) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
        seconds * 1_000_000_000 + (rest * 1_000_000_000 + denominator / 2) / denominator + self.nanos
    }

    fn time(self, ticks: i64, timescale: u32) -> MediaTime {
        let nanos = self.apply(ticks, timescale).clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        MediaTime::from_nanos(nanos as i64)
    }
}

/// The multiple of the wrap period, in nanoseconds, that is nearest to `distance`.
fn nearest_turn(distance: i128) -> i128 {
    let period = i128::from(WRAP);
    let scaled = distance * i128::from(TIMESCALE) / 1_000_000_000;
    let turns = (scaled + period / 2).div_euclid(period);
    // 2^33 / 90,000 s is a whole number of nanoseconds only every 9 turns; rounding costs less than one.
    turns * period * 1_000_000_000 / i128::from(TIMESCALE)
}

/// `ticks` plus the multiple of [`WRAP`] that brings it nearest to `reference`.
pub(super) fn nearest_wrap(ticks: i64, reference: i64) -> i64 {
    let turns = (reference.saturating_sub(ticks).saturating_add(WRAP / 2)).div_euclid(WRAP);
    ticks.saturating_add(turns.saturating_mul(WRAP))
}

fn shift(append: &Append, demuxed: Demuxed, offset: Offset) -> Mapped {
    let end = append.segment.end;
    let track = |track: RawTrack| -> Vec<Sample> {
        let timescale = track.timescale;
        let place = |raw: RawSample| {
            let pts = offset.time(raw.pts, timescale);
            // Differences of rounded times, so that neighbours touch exactly.
            let until =
                |ticks: u64| offset.time(raw.pts.saturating_add_unsigned(ticks), timescale).since(pts);
            Sample {
                pts,
                dts: raw.dts.map(|dts| offset.time(dts, timescale)),
                // The container does not say: the segment ends where the manifest says.
                duration: if raw.duration == 0 { end.since(pts) } else { until(raw.duration) },
                keyframe: raw.keyframe,
                trim_start: until(raw.trim_start),
                data: raw.data.clone(),
                format: raw.format.clone(),
                protection: raw.protection.clone(),
                representation: append.representation,
            }
        };
        track.samples.into_iter().map(place).collect()
    };
    Mapped { video: track(demuxed.video), audio: track(demuxed.audio), text: track(demuxed.text) }
}
