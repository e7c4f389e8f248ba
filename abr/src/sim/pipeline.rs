//! A pipeline without media: perfect, instantaneous, and suspicious of its orders.

use crate::presentation::ContentType;
use crate::protocol::BACK_BUFFER;
use crate::table::Table;
use crate::time::{MediaTime, Timestamp, nanos};
use std::collections::VecDeque;
use std::time::Duration;

/// Appended segments may overlap or leave holes of this size without remark.
const TOLERANCE: Duration = Duration::from_millis(260);

#[derive(Clone, Debug, Default)]
struct Queue {
    /// Start and end of each queued segment, ascending.
    spans: VecDeque<(MediaTime, MediaTime)>,
    ended: bool,
    /// The last one is a part of a segment, which may come again.
    partial: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct NullPipeline {
    queues: Table<ContentType, Queue>,
    position: MediaTime,
    at: Timestamp,
    run: bool,
    rate_milli: u64,
    awaiting_picture: bool,
    drained: bool,
    /// Orders that break the rules of the [`protocol`](crate::protocol).
    pub violations: Vec<String>,
}

impl NullPipeline {
    /// Starts at `position`.
    pub fn new(position: MediaTime) -> Self {
        Self { position, rate_milli: 1000, awaiting_picture: true, ..Self::default() }
    }

    /// Where playback is at `now`.
    pub fn position(&self, now: Timestamp) -> MediaTime {
        if !self.run {
            return self.position;
        }
        let passed = nanos(now.since(self.at));
        let elapsed = match self.rate_milli {
            1000 => passed,
            rate => u64::try_from(u128::from(passed) * u128::from(rate) / 1000).unwrap_or(u64::MAX),
        };
        let target = self.position + Duration::from_nanos(elapsed);
        target.min(self.end().unwrap_or(target)).max(self.position)
    }

    /// End of what can be played: of the open tracks the earliest, else of all the latest.
    fn end(&self) -> Option<MediaTime> {
        let last = |queue: &Queue| queue.spans.back().map(|span| span.1);
        let open = self.paced().filter(|queue| !queue.ended).filter_map(last).min();
        open.or_else(|| self.paced().filter_map(last).max())
    }

    /// The queues that playback waits for.
    fn paced(&self) -> impl Iterator<Item = &Queue> {
        self.queues.iter().filter(|(kind, _)| **kind != ContentType::Text).map(|(_, queue)| queue)
    }

    fn anchor(&mut self, now: Timestamp) {
        self.position = self.position(now);
        self.at = now;
    }

    /// Whether the clock runs.
    pub fn is_running(&self) -> bool {
        self.run
    }

    /// Queues what has come of a segment.
    pub fn grow(&mut self, now: Timestamp, track: ContentType, start: MediaTime, end: MediaTime) {
        self.anchor(now);
        let queue = self.queues.get_or_default(track);
        let queued = queue.spans.back().map_or(start, |last| last.1.max(start));
        if end > queued {
            queue.spans.push_back((queued, end));
        }
        queue.partial = true;
    }

    /// Queues a segment.
    pub fn append(&mut self, now: Timestamp, track: ContentType, start: MediaTime, end: MediaTime) {
        self.anchor(now);
        let position = self.position;
        let queue = self.queues.get_or_default(track);
        if queue.ended {
            self.violations.push(format!("{track:?} append at {start:?} after its end"));
        }
        let partial = std::mem::take(&mut queue.partial);
        let last = queue.spans.back().map_or(start, |last| last.1);
        if start + TOLERANCE < last && !partial {
            self.violations.push(format!("{track:?} append at {start:?} before {last:?}"));
        }
        let start = if partial { start.max(last) } else { start };
        if end > start {
            queue.spans.push_back((start, end));
        }
        while queue.spans.front().is_some_and(|span| span.1 + BACK_BUFFER <= position) {
            queue.spans.pop_front();
        }
    }

    /// Drops what starts at `from` or later.
    pub fn flush(&mut self, now: Timestamp, track: ContentType, from: MediaTime) {
        self.anchor(now);
        let shown = track != ContentType::Text;
        if shown && from > MediaTime::MIN && from <= self.position && self.run {
            self.violations
                .push(format!("{track:?} flush at {from:?} under the position {:?}", self.position));
        }
        let queue = self.queues.get_or_default(track);
        queue.spans.retain(|span| span.0 < from);
        queue.ended = false;
    }

    /// No more for a track.
    pub fn end_track(&mut self, now: Timestamp, track: ContentType) {
        self.anchor(now);
        self.queues.get_or_default(track).ended = true;
        // With what was known of before, everything may have been presented already.
        self.drained = false;
    }

    /// Continues elsewhere.
    pub fn seek(&mut self, now: Timestamp, to: MediaTime, buffered: bool) {
        if buffered {
            for (track, queue) in self.queues.iter().filter(|(track, _)| **track != ContentType::Text) {
                let held = queue.spans.iter().any(|span| span.0 <= to && to < span.1 + TOLERANCE);
                let holes = queue.spans.front().is_some_and(|span| span.0 <= to);
                if !held && !holes && !queue.spans.is_empty() {
                    self.violations.push(format!("{track:?} does not hold {to:?}"));
                }
            }
        }
        for queue in self.queues.values_mut() {
            queue.ended = false;
            if !buffered {
                queue.spans.clear();
            }
        }
        self.position = to;
        self.at = now;
        self.awaiting_picture = true;
        self.drained = false;
    }

    /// Runs or holds the clock.
    pub fn clock(&mut self, now: Timestamp, run: bool, rate: f64) {
        self.anchor(now);
        self.run = run;
        self.rate_milli = (rate * 1000.0).round().max(1.0) as u64;
        if run && self.end().is_none() && !self.paced().all(|queue| queue.ended) {
            self.violations.push("the clock runs without samples".to_owned());
        }
    }

    /// Whether the picture of the start or of a seek can be shown now; true once per start or seek.
    pub fn take_ready(&mut self) -> bool {
        let position = self.position;
        let held = |queue: &Queue| queue.spans.iter().any(|span| position < span.1);
        let ready = self.awaiting_picture && self.paced().any(held);
        self.awaiting_picture &= !ready;
        ready
    }

    /// Whether everything has been presented at `now`; true once.
    pub fn take_drained(&mut self, now: Timestamp) -> bool {
        let all_ended = self.paced().next().is_some() && self.paced().all(|queue| queue.ended);
        if !all_ended || self.drained {
            return false;
        }
        let drained = self.end().is_none_or(|end| self.position(now) >= end);
        self.drained |= drained;
        drained
    }

    /// When everything will have been presented, if the clock runs and nothing more comes.
    pub fn drains_at(&self) -> Option<Timestamp> {
        let all_ended = self.paced().all(|queue| queue.ended);
        let end = self.end().filter(|_| all_ended && self.run && !self.drained)?;
        let left = u128::from(nanos(end.since(self.position))) * 1000;
        let span = left.div_ceil(u128::from(self.rate_milli.max(1)));
        Some(self.at + Duration::from_nanos(u64::try_from(span).unwrap_or(u64::MAX)))
    }
}
