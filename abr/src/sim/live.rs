//! A synthetic broadcast: an encoder that never stops, and a server that has what was produced so far.
//!
//! Wall-clock time and the session's time run together; the broadcast began [`Broadcast::running`] before
//! the session did.

use super::origin::{Answer, Origin, failing, whole};
use crate::presentation::{
    AdaptationSet, Container, ContentType, Edge, Live, Period, Presentation, Representation,
    RepresentationKey,
};
use crate::protocol::{FailureKind, Fetch, Resource};
use crate::segments::{Availability, Part, Run, SegmentIndex, SegmentRuns};
use crate::time::{MediaTime, Timestamp, WallClock, nanos};
use std::collections::BTreeMap;
use std::time::Duration;

/// Wall-clock time at which the session starts: 2024-01-01T00:00:00Z.
const START: i64 = 1_704_067_200_000;
/// Ticks per second.
const TIMESCALE: u32 = 1000;
/// So many segments before the live edge are listed as parts.
const PART_SEGMENTS: u64 = 2;

/// How a broadcast is described to the player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// An MPD with `$Number$` and a fixed duration: segments exist when the clock says so.
    Numbers,
    /// An MPD with a `SegmentTimeline`.
    Timeline,
    /// Media playlists.
    Playlists,
}

/// A broadcast.
#[derive(Clone, Debug)]
pub struct Broadcast {
    /// See [`Style`].
    pub style: Style,
    /// Bitrates of the video ladder in bit/s, ascending; there is one of sound beside it.
    pub ladder: Vec<u64>,
    /// Length of every segment.
    pub segment: Duration,
    /// Length of the parts in which a segment appears; `None` for whole segments.
    pub part: Option<Duration>,
    /// How far back the server keeps segments.
    pub window: Duration,
    /// How long it has been running when the session starts.
    pub running: Duration,
    /// From the end of a segment to its appearance on the server.
    pub delay: Duration,
    /// Latency that the manifest asks for.
    pub target: Option<Duration>,
    /// When it ends, in the session's time.
    pub ends: Option<Timestamp>,
    /// The encoder stands still for such a while, in the session's time.
    pub standstill: Option<(Timestamp, Timestamp)>,
    /// How far the player's own clock is ahead of the server's, in milliseconds.
    pub skew_ms: i64,
}

impl Default for Broadcast {
    fn default() -> Self {
        Self {
            style: Style::Numbers,
            ladder: vec![300_000, 750_000, 1_200_000, 1_850_000, 2_850_000, 4_300_000],
            segment: Duration::from_secs(2),
            part: None,
            window: Duration::from_secs(60),
            running: Duration::from_secs(3600),
            delay: Duration::from_millis(100),
            target: None,
            ends: None,
            standstill: None,
            skew_ms: 0,
        }
    }
}

impl Broadcast {
    /// How much has been produced at `now`.
    pub fn produced(&self, now: Timestamp) -> Duration {
        let until = self.ends.map_or(now, |ends| ends.min(now));
        let stood = self.standstill.map_or(Duration::ZERO, |(from, to)| until.min(to).since(from));
        (self.running + until.since(Timestamp::ZERO)).saturating_sub(stood)
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.ends.is_some_and(|ends| ends + self.delay <= now)
    }

    /// How much of it is on the server at `now`.
    fn published(&self, now: Timestamp) -> Duration {
        if self.is_over(now) { self.produced(now) } else { self.produced(now).saturating_sub(self.delay) }
    }

    /// What the manifest says at `now`.
    pub fn presentation(&self, now: Timestamp) -> Presentation {
        let index = self.index(now);
        let video =
            self.ladder.iter().zip(0u32..).map(|(bps, at)| representation(*bps, 240 + 120 * at, &index));
        let sets = vec![
            set(ContentType::Video, video.collect()),
            set(ContentType::Audio, vec![representation(96_000, 0, &index)]),
        ];
        let over = self.is_over(now);
        let period = Period {
            id: "0".to_owned(),
            start: MediaTime::ZERO,
            duration: over.then(|| self.produced(now)),
            adaptation_sets: sets,
        };
        // A manifest with a clock dates the timeline so that segments are there when it says.
        let late = if self.style == Style::Playlists { Duration::ZERO } else { self.delay };
        let running = i64::try_from(self.running.saturating_sub(late).as_millis()).unwrap_or(0);
        let live = Live {
            edge: if self.style == Style::Playlists { Edge::Listed } else { Edge::Clock },
            target: self.target,
            window: (self.style != Style::Playlists).then_some(self.window),
            segment: self.segment,
            part: self.part,
            blocking: self.style == Style::Playlists && self.part.is_some(),
            refresh: (self.style != Style::Playlists).then_some(self.segment),
            ..Live::default()
        };
        Presentation {
            dynamic: !over,
            duration: over.then(|| self.produced(now)),
            availability_start: Some(WallClock::from_millis(START.saturating_sub(running))),
            live: (!over).then_some(live),
            periods: vec![period],
            warnings: Vec::new(),
        }
    }

    fn index(&self, now: Timestamp) -> SegmentIndex {
        let length = u64::try_from(self.segment.as_millis()).unwrap_or(1).max(1);
        let published = u64::try_from(self.published(now).as_millis()).unwrap_or(0);
        let whole = published / length;
        let kept = u64::try_from(self.window.as_millis()).unwrap_or(0) / length;
        let run = |number: u64, count: u64| Run {
            number,
            start: i64::try_from(number * length).unwrap_or(0),
            duration: length,
            count,
            discontinuity: 0,
            init: Some(0),
            gap: false,
            part: None,
        };
        let over = self.is_over(now);
        let first = whole.saturating_sub(kept);
        let mut runs = Vec::new();
        let mut availability = Availability::Listed;
        match (self.style, self.part) {
            (Style::Numbers, part) if !over => {
                runs.push(run(0, u64::MAX));
                availability = Availability::Early(part.map_or(Duration::ZERO, |part| self.segment - part));
            }
            (Style::Playlists, Some(part)) if !over => {
                let part = u64::try_from(part.as_millis()).unwrap_or(1).clamp(1, length);
                let split = whole.saturating_sub(PART_SEGMENTS).max(first);
                if split > first {
                    runs.push(run(first, split - first));
                }
                for number in split..=whole {
                    let there = (published - number * length).min(length) / part;
                    let parts = |index: u32, count: u64, independent, hint| Run {
                        duration: part,
                        start: i64::try_from(number * length + u64::from(index) * part).unwrap_or(0),
                        count,
                        part: Some(Part { index, independent, hint }),
                        ..run(number, 1)
                    };
                    runs.extend((there > 0).then(|| parts(0, 1, true, false)));
                    runs.extend((there > 1).then(|| parts(1, there - 1, false, false)));
                    let next = u32::try_from(there).unwrap_or(u32::MAX);
                    runs.extend((number == whole).then(|| parts(next, 1, next == 0, true)));
                }
            }
            _ => runs.extend((whole > first).then(|| run(first, whole - first))),
        }
        let rest = published % length;
        if over && rest > 0 {
            runs.push(Run { duration: rest, ..run(whole, 1) });
        }
        SegmentIndex::Known(SegmentRuns {
            timescale: TIMESCALE,
            offset_ticks: 0,
            runs,
            sizes: Vec::new(),
            complete: over,
            availability,
        })
    }
}

impl Broadcast {
    /// An origin that serves this broadcast.
    pub fn origin(self) -> LiveOrigin {
        LiveOrigin { broadcast: self, now: Timestamp::ZERO, early: 0, told: BTreeMap::new() }
    }
}

/// Serves a [`Broadcast`].
#[derive(Clone, Debug)]
pub struct LiveOrigin {
    /// What it serves.
    pub broadcast: Broadcast,
    now: Timestamp,
    /// Requests for segments that were not there.
    pub early: u32,
    /// What was there when an index was last answered.
    told: BTreeMap<RepresentationKey, Duration>,
}

impl LiveOrigin {
    /// The answer to a request for an index: where parts are listed it waits for the next one, but the first
    /// time.
    fn index(&mut self, key: RepresentationKey, answer: Answer) -> Answer {
        let there = self.broadcast.published(self.now);
        let Some(part) = self.broadcast.part.filter(|_| self.broadcast.style == Style::Playlists) else {
            return answer;
        };
        let whole = |span: Duration| nanos(span) / nanos(part).max(1) * nanos(part);
        let told =
            self.told.get(&key).map_or(Duration::ZERO, |told| Duration::from_nanos(whole(*told)) + part);
        let delay = told.saturating_sub(there);
        self.told.insert(key, there + delay);
        Answer { delay, ..answer }
    }
}

impl Origin for LiveOrigin {
    fn answer(&mut self, presentation: &Presentation, fetch: &Fetch) -> Answer {
        if let Resource::Index(key) = fetch.resource {
            return self.index(key, whole(presentation, fetch));
        }
        let Resource::Segment { segment, .. } = fetch.resource else { return whole(presentation, fetch) };
        let end = Duration::from_nanos(u64::try_from(segment.end.as_nanos()).unwrap_or(0));
        let there = self.broadcast.published(self.now);
        let answer = whole(presentation, fetch);
        if end <= there {
            return answer;
        }
        if segment.part.is_some_and(|part| part.hint)
            && segment.start <= MediaTime::ZERO + there + segment.duration()
        {
            return Answer { delay: end.saturating_sub(there), ..answer };
        }
        let chunked = self.broadcast.part.filter(|_| self.broadcast.style == Style::Numbers);
        let begun = chunked.is_some_and(|part| end + part <= there + self.broadcast.segment);
        if let Some(part) = chunked.filter(|_| begun) {
            // What is still being produced arrives as it is.
            let count = nanos(self.broadcast.segment).div_ceil(nanos(part).max(1)).max(1);
            let left = |chunk: u64| part.saturating_mul(u32::try_from(count - chunk - 1).unwrap_or(0));
            let chunks = (0..count).map(|chunk| end.saturating_sub(left(chunk)).saturating_sub(there));
            Answer { chunks: chunks.collect(), ..answer }
        } else {
            self.early += 1;
            failing(FailureKind::Status(404))
        }
    }

    fn live(&mut self, now: Timestamp) -> Option<(Presentation, WallClock)> {
        self.now = now;
        let time = i64::try_from(nanos(now.since(Timestamp::ZERO)) / 1_000_000).unwrap_or(0);
        let time = START.saturating_add(time).saturating_add(self.broadcast.skew_ms);
        Some((self.broadcast.presentation(now), WallClock::from_millis(time)))
    }
}

fn representation(bandwidth_bps: u64, height: u32, index: &SegmentIndex) -> Representation {
    Representation {
        id: bandwidth_bps.to_string(),
        bandwidth_bps,
        codecs: String::new(),
        container: Container::Mp4,
        width: height * 16 / 9,
        height,
        frame_rate: (0, 1),
        channels: 0,
        sampling_rate: 0,
        locations: 1,
        index: index.clone(),
    }
}

fn set(content_type: ContentType, representations: Vec<Representation>) -> AdaptationSet {
    AdaptationSet {
        id: String::new(),
        content_type,
        muxed_audio: false,
        language: None,
        label: None,
        roles: Vec::new(),
        is_default: true,
        representations,
    }
}
