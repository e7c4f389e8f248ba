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
/// How far a segment may reach back behind the end of the one before it; a quarter of its duration when that
/// is longer. Time stamps that go back further have started again without saying so.
const OVERLAP: Duration = Duration::from_millis(300);
/// How far the end of a discontinuity may lie from where the manifest puts it for the next one to begin just
/// there, so that rounded durations neither cut pictures off nor leave holes.
const SLACK: Duration = Duration::from_secs(1);
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
    last: Option<Last>,
}

/// The end of the segment of a discontinuity that defined a mapping last.
#[derive(Debug)]
struct Last {
    discontinuity: u64,
    /// Where the manifest puts it.
    nominal: MediaTime,
    /// Where its samples end.
    mapped: MediaTime,
    /// Half-way between its first sample and there.
    middle: MediaTime,
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
        self.last = None;
    }

    /// Puts a segment on the presentation timeline.
    pub fn map(&mut self, append: &Append, demuxed: Demuxed) -> Mapping {
        let first = match append.track {
            // Sound alone must not define a mapping that a picture will contradict.
            ContentType::Video if !demuxed.video.samples.is_empty() => &demuxed.video,
            ContentType::Video | ContentType::Audio => &demuxed.audio,
            ContentType::Text | ContentType::Image => &demuxed.text,
        };
        let Some(start) = first.presented_start() else { return Mapping::Ready(Mapped::default()) };
        let timescale = first.timescale;
        let defines = append.track == ContentType::Video || !self.video_expected;
        let (expected, follows) = self.expectation(append, defines);
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
        let overlap = i128::from((span / 8).max(nanos(OVERLAP)));
        let fits = |distance: i128| {
            let goes_back =
                follows.is_some_and(|(middle, end)| expected + distance < middle.max(end - overlap));
            distance.abs() <= tolerance && !goes_back
        };
        let line = self.lines.iter().position(|line| line.key == key);
        let known = line.map(|place| &self.lines[place].anchors[..]).unwrap_or_default();
        let exact = matches!(append.timing, Timing::Offset { .. });
        let candidates = exact.then_some(0).into_iter().chain(known.iter().rev().copied());
        let fitting = candidates.filter(|candidate| fits(distance(*candidate).0));
        let chosen = match fitting.min_by_key(|candidate| distance(*candidate).0.abs()) {
            Some(candidate) => candidate + distance(candidate).1,
            None if !exact && known.is_empty() && !defines => return Mapping::NotYet(demuxed),
            None => {
                let anchor = expected - offset.apply(start, timescale);
                if defines || exact {
                    self.remember(key, anchor);
                }
                anchor
            }
        };
        let mapped = shift(append, demuxed, Offset { nanos: chosen, ..offset });
        if let Timing::Discontinuity(discontinuity) = append.timing
            && defines
        {
            let samples = if mapped.video.is_empty() { &mapped.audio } else { &mapped.video };
            let start = samples.iter().map(|sample| sample.pts).min();
            let end = samples.iter().map(Sample::end).max();
            self.last = start.zip(end).map(|(start, mapped)| Last {
                discontinuity,
                nominal: append.segment.end,
                mapped,
                middle: start + mapped.since(start) / 2,
            });
        }
        Mapping::Ready(mapped)
    }

    /// Nanoseconds to add to the MPEG-2 clock for the place of text on the timeline, of which something lies
    /// at `stamp` nanoseconds of that clock; `None` while the mapping of its discontinuity is not known.
    pub fn stamp_offset(&self, append: &Append, stamp: i128) -> Option<i128> {
        let Timing::Discontinuity(number) = append.timing else { return None };
        let line = self.lines.iter().find(|line| line.key == Key::Discontinuity(number))?;
        let anchor = *line.anchors.last()?;
        let expected = i128::from(append.segment.start.as_nanos());
        Some(anchor + nearest_turn(expected - (stamp + anchor)))
    }

    /// Where a segment is expected to begin, and middle and end of the one before it if both are of one
    /// discontinuity; in nanoseconds.
    fn expectation(&self, append: &Append, defines: bool) -> (i128, Option<(i128, i128)>) {
        let announced = matches!(append.timing, Timing::Discontinuity(_)) && defines;
        let last = self.last.as_ref().filter(|last| announced && last.nominal == append.segment.start);
        let slack = |last: &Last| last.mapped.since(last.nominal).max(last.nominal.since(last.mapped));
        let near = last.filter(|last| slack(last) <= SLACK);
        let expected = near.map_or(append.segment.start, |last| last.mapped);
        let same = last.filter(|last| append.timing == Timing::Discontinuity(last.discontinuity));
        let nanos = |time: MediaTime| i128::from(time.as_nanos());
        (nanos(expected), same.map(|last| (nanos(last.middle), nanos(last.mapped))))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sample::{Codec, SampleFormat, StreamLayout};
    use abr::presentation::{Container, RepresentationKey};
    use abr::protocol::FetchId;
    use abr::segments::Segment;
    use bytes::Bytes;
    use std::sync::Arc;

    fn append(track: ContentType, start_ms: i64, timing: Timing) -> Append {
        let segment = Segment {
            position: 0,
            number: 0,
            time: 0,
            start: MediaTime::from_millis(start_ms),
            end: MediaTime::from_millis(start_ms + 4_000),
            size: None,
            discontinuity: 0,
            init: None,
            gap: false,
            part: None,
        };
        Append {
            id: FetchId(1),
            track,
            muxed_audio: false,
            representation: RepresentationKey { period: 0, adaptation_set: 0, representation: 0 },
            codecs: String::new(),
            container: Container::Unknown,
            segment,
            timing,
            init: None,
            data: Bytes::new(),
            cipher: None,
        }
    }

    /// Two samples of 1/25 s from `ticks` on.
    fn track(ticks: i64, timescale: u32) -> RawTrack {
        let format = Arc::new(SampleFormat::new(Codec::H264, StreamLayout::ByteStream));
        let step = i64::from(timescale) / 25;
        let sample = |n: i64| RawSample {
            pts: ticks + n * step,
            dts: None,
            duration: step.unsigned_abs(),
            keyframe: n == 0,
            trim_start: 0,
            data: Bytes::new(),
            format: format.clone(),
            protection: None,
        };
        RawTrack { timescale, samples: vec![sample(0), sample(1)] }
    }

    fn video(ticks: i64, timescale: u32) -> Demuxed {
        Demuxed { video: track(ticks, timescale), ..Demuxed::default() }
    }

    fn audio(ticks: i64, timescale: u32) -> Demuxed {
        Demuxed { audio: track(ticks, timescale), ..Demuxed::default() }
    }

    fn first(mapping: Mapping) -> Option<i64> {
        match mapping {
            Mapping::Ready(mapped) => {
                mapped.video.first().or(mapped.audio.first()).map(|sample| sample.pts.as_nanos())
            }
            Mapping::NotYet(_) => None,
        }
    }

    #[test]
    fn offsets_of_the_manifest_are_exact() {
        let mut mapper = TimeMapper::new();
        let timing = Timing::Offset { ticks: -1, timescale: 3 };
        let mapped = mapper.map(&append(ContentType::Video, 0, timing), video(25, 75));
        // 25/75 s − 1/3 s.
        assert_eq!(first(mapped), Some(0));
        let timing = Timing::Offset { ticks: 0, timescale: 1 };
        let mapped = mapper.map(&append(ContentType::Video, 333, timing), video(30_030, 90_000));
        assert_eq!(first(mapped), Some(333_666_667));
    }

    #[test]
    fn neighbours_touch_in_spite_of_rounding() {
        let mut mapper = TimeMapper::new();
        let timing = Timing::Offset { ticks: 0, timescale: 1 };
        let Mapping::Ready(mapped) = mapper.map(&append(ContentType::Video, 0, timing), video(1, 30_003))
        else {
            panic!("nothing to wait for")
        };
        assert_eq!(mapped.video[0].end(), mapped.video[1].pts);
    }

    #[test]
    fn sound_follows_the_picture_of_its_discontinuity() {
        let mut mapper = TimeMapper::new();
        mapper.expect_video(true);
        let timing = Timing::Discontinuity(3);
        let waiting = mapper.map(&append(ContentType::Audio, 8_000, timing), audio(480_000, 48_000));
        let Mapping::NotYet(waiting) = waiting else { panic!("the picture is not known") };
        // The picture begins at media time 10.5 s and at 8 s of the presentation.
        let mapped = mapper.map(&append(ContentType::Video, 8_000, timing), video(945_000, 90_000));
        assert_eq!(first(mapped), Some(8_000_000_000));
        let mapped = mapper.map(&append(ContentType::Audio, 8_000, timing), waiting);
        assert_eq!(first(mapped), Some(7_500_000_000));
        // Without pictures sound defines its own mapping.
        mapper.expect_video(false);
        mapper.reset();
        let mapped = mapper.map(&append(ContentType::Audio, 8_000, timing), audio(480_000, 48_000));
        assert_eq!(first(mapped), Some(8_000_000_000));
    }

    #[test]
    fn encoder_delay_lies_before_the_start() {
        let mut mapper = TimeMapper::new();
        let mut demuxed = audio(-1_920, 48_000);
        demuxed.audio.samples[0].trim_start = 1_920;
        let mapped = mapper.map(&append(ContentType::Audio, 0, Timing::Discontinuity(0)), demuxed);
        assert_eq!(first(mapped), Some(-40_000_000));
    }

    #[test]
    fn the_33_bit_clock_goes_on_through_its_wrap() {
        let mut mapper = TimeMapper::new();
        let timing = Timing::Discontinuity(0);
        let wrapping = |ticks: i64| Demuxed {
            time_base: TimeBase::Wrapping,
            ..video(ticks.rem_euclid(1 << 33) * PER_90K, TIMESCALE)
        };
        let begin = (1 << 33) - 90_000;
        let place = |mapper: &mut TimeMapper, seconds: i64| {
            let append = append(ContentType::Video, seconds * 1_000, timing);
            first(mapper.map(&append, wrapping(begin + seconds * 90_000)))
        };
        assert_eq!(place(&mut mapper, 0), Some(0));
        for seconds in [4, 8, 90_000, 200_000, 4, 0] {
            let nanos = place(&mut mapper, seconds).unwrap();
            assert!((nanos - seconds * 1_000_000_000).abs() <= 1, "{nanos} at {seconds} s");
        }
    }

    #[test]
    fn an_unannounced_jump_is_bridged_and_remembered() {
        let mut mapper = TimeMapper::new();
        let timing = Timing::Discontinuity(0);
        let place = |mapper: &mut TimeMapper, start: i64, media: i64| {
            let append = append(ContentType::Video, start * 1_000, timing);
            first(mapper.map(&append, video(media * 1_000, 1_000))).map(|nanos| nanos / 1_000_000_000)
        };
        assert_eq!(place(&mut mapper, 0, 100), Some(0));
        assert_eq!(place(&mut mapper, 4, 9_000), Some(4));
        assert_eq!(place(&mut mapper, 8, 9_005), Some(9), "a second more is no jump");
        assert_eq!(place(&mut mapper, 0, 100), Some(0), "back before the jump");
    }

    #[test]
    fn time_stamps_that_start_again_go_on() {
        let mut mapper = TimeMapper::new();
        let timing = Timing::Discontinuity(0);
        let mut place = |start: i64, media: i64| {
            let append = append(ContentType::Video, start, timing);
            let mut demuxed = video(media, 1_000);
            demuxed.video.samples[1].duration = 3_960;
            first(mapper.map(&append, demuxed)).map(|nanos| nanos / 1_000_000)
        };
        assert_eq!(place(0, 1_400), Some(0));
        // The same file again.
        assert_eq!(place(4_000, 1_400), Some(4_000));
        assert_eq!(place(8_000, 5_400), Some(8_000));
    }

    #[test]
    fn even_a_short_segment_that_starts_again_is_seen() {
        let mut mapper = TimeMapper::new();
        for start in [0, 4_000] {
            // 80 ms of 4 s.
            let mapped =
                mapper.map(&append(ContentType::Video, start, Timing::Discontinuity(0)), video(1_400, 1_000));
            assert_eq!(first(mapped), Some(start * 1_000_000));
        }
    }

    #[test]
    fn rounded_durations_that_add_up_are_no_jump() {
        let mut mapper = TimeMapper::new();
        // Segments of 3.9 s in a playlist that says 4 s, for a minute.
        for number in 0..15 {
            let append = append(ContentType::Video, number * 4_000, Timing::Discontinuity(0));
            let mut demuxed = video(number * 3_900, 1_000);
            demuxed.video.samples[1].duration = 3_860;
            let start = first(mapper.map(&append, demuxed)).map(|nanos| nanos / 1_000_000);
            assert_eq!(start, Some(number * 3_900));
        }
    }

    #[test]
    fn a_discontinuity_begins_where_the_one_before_ends() {
        let mut mapper = TimeMapper::new();
        let mut place = |start: i64, media: i64, number: u64| {
            let append = append(ContentType::Video, start, Timing::Discontinuity(number));
            first(mapper.map(&append, video(media, 1_000))).map(|nanos| nanos / 1_000_000)
        };
        assert_eq!(place(0, 3_960, 0), Some(0));
        assert_eq!(place(4_000, 7_960, 0), Some(4_000), "ends 40 ms after 4 s");
        assert_eq!(place(8_000, 100, 1), Some(8_000), "too far from there to touch it");
    }

    #[test]
    fn wrong_decode_times_of_a_manifest_with_offsets_are_shifted() {
        let mut mapper = TimeMapper::new();
        let timing = Timing::Offset { ticks: 0, timescale: 1 };
        let mapped = mapper.map(&append(ContentType::Video, 4_000, timing), video(90_000 * 3_604, 90_000));
        assert_eq!(first(mapped), Some(4_000_000_000));
        let mapped = mapper.map(&append(ContentType::Video, 8_000, timing), video(90_000 * 3_608, 90_000));
        assert_eq!(first(mapped), Some(8_000_000_000));
    }

    #[test]
    fn absurd_time_stamps_do_not_overflow() {
        let mut mapper = TimeMapper::new();
        for ticks in [i64::MIN, i64::MAX - 1] {
            for timing in [Timing::Discontinuity(0), Timing::Offset { ticks: i64::MAX, timescale: u32::MAX }]
            {
                let mut demuxed = video(0, u32::MAX);
                demuxed.video.samples[0].pts = ticks;
                demuxed.video.samples[0].duration = u64::MAX;
                mapper.map(&append(ContentType::Video, 0, timing), demuxed);
            }
        }
    }
}
