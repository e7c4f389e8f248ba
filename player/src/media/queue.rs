//! The samples of one track between demultiplexer and decoder, in decoding order.
//!
//! Appended segments may come again in another rendition: the newer one replaces the older, exact to the
//! sample, but never what the reader was given. Behind the reader samples stay for a while, so that a seek
//! back inside of them fetches nothing.

use super::sample::Sample;
use abr::time::MediaTime;
use std::collections::VecDeque;
use std::time::Duration;

/// How much is kept behind the position for seeking back.
pub const BACK_BUFFER: Duration = Duration::from_secs(30);
/// A hole that does not part what is buffered: rounding in manifests, a lost frame.
pub const GAP: Duration = Duration::from_millis(300);

/// What became of an append.
#[derive(Clone, Debug)]
pub enum Appended {
    /// The samples are queued.
    Queued {
        /// Earliest presentation time of the segment.
        start: MediaTime,
        /// Latest end.
        end: MediaTime,
    },
    /// There is no room; the samples come back. Room comes with [`SampleQueue::evict_behind`].
    Full(Vec<Sample>),
}

/// See the [module](self).
#[derive(Debug)]
pub struct SampleQueue {
    samples: VecDeque<Sample>,
    /// Position of the next sample for the reader.
    cursor: usize,
    bytes: usize,
    limit: usize,
    ended: bool,
    /// Where the reader is: the latest end of what it was given, or where a seek put it.
    read_to: Option<MediaTime>,
}

impl SampleQueue {
    /// An empty queue that holds at most `limit` bytes of samples; a single segment may exceed it when the
    /// queue is empty, since otherwise playback could never go on.
    pub fn new(limit: usize) -> Self {
        Self { samples: VecDeque::new(), cursor: 0, bytes: 0, limit, ended: false, read_to: None }
    }

    /// Queues the samples of one segment, given in decoding order, at their place in time. Older samples
    /// there are replaced. What the reader was given stays: new samples that lie behind the reader are
    /// dropped, or only decoded ([`Sample::trim_start`]) where later ones need them.
    pub fn append(&mut self, mut new: Vec<Sample>) -> Appended {
        let (Some(start), Some(end)) = (earliest(&new), latest_end(&new)) else {
            let end = self.buffered_end().unwrap_or(MediaTime::ZERO);
            return Appended::Queued { start: end, end };
        };
        let size: usize = new.iter().map(|sample| sample.data.len()).sum();
        if !self.samples.is_empty() && self.bytes.saturating_add(size) > self.limit {
            return Appended::Full(new);
        }
        self.ended = false;
        let mut first = start;
        if let Some(read_to) = self.read_to.filter(|read_to| overlaps(start, *read_to, &new)) {
            if !hide_before(&mut new, read_to) {
                return Appended::Queued { start, end };
            }
            first = read_to;
        }
        self.replace(first, end, new);
        Appended::Queued { start, end }
    }

    /// Puts `new` (not empty) where `first..end` was.
    fn replace(&mut self, first: MediaTime, end: MediaTime, new: Vec<Sample>) {
        // From the first replaced sample on everything in decoding order depends on it, up to the next
        // keyframe behind the new samples.
        let place = (self.cursor..self.samples.len())
            .find(|at| reaches_into(&self.samples[*at], first))
            .unwrap_or(self.samples.len());
        let resume = (place..self.samples.len())
            .find(|at| self.samples[*at].keyframe && begins_behind(&self.samples[*at], end))
            .unwrap_or(self.samples.len());
        let behind = self.samples.split_off(resume);
        let replaced = self.samples.split_off(place);
        self.bytes -= replaced.iter().map(|sample| sample.data.len()).sum::<usize>();
        self.bytes += new.iter().map(|sample| sample.data.len()).sum::<usize>();
        self.samples.extend(new);
        self.samples.extend(behind);
    }

    /// The sample that the reader gets next.
    pub fn peek(&self) -> Option<&Sample> {
        self.samples.get(self.cursor)
    }

    /// No more samples will be appended behind the present ones, until an append or a flush says otherwise.
    pub fn end_of_track(&mut self) {
        self.ended = true;
    }

    /// Whether the track ended and the reader was given everything.
    pub fn is_drained(&self) -> bool {
        self.ended && self.cursor == self.samples.len()
    }

    /// Drops samples that begin at or after `from`, and those which cannot be decoded without them.
    pub fn flush(&mut self, from: MediaTime) {
        let Some(place) = (0..self.samples.len()).find(|at| reaches_into(&self.samples[*at], from)) else {
            self.ended = false;
            return;
        };
        let dropped = self.samples.split_off(place);
        self.bytes -= dropped.iter().map(|sample| sample.data.len()).sum::<usize>();
        self.cursor = self.cursor.min(place);
        self.read_to = self.read_to.map(|read_to| read_to.min(from));
        self.ended = false;
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.samples.clear();
        (self.cursor, self.bytes, self.ended, self.read_to) = (0, 0, false, None);
    }

    /// Moves the reader to the keyframe from which the sample that is presented at `to` can be decoded.
    /// Returns whether the queue holds that sample; if not, the reader stays where it is.
    pub fn seek(&mut self, to: MediaTime) -> bool {
        let Some(target) = self.sample_at(to) else { return false };
        let keyframe = (0..=target).rev().find(|at| self.samples[*at].keyframe);
        let Some(keyframe) = keyframe else { return false };
        self.cursor = keyframe;
        self.read_to = Some(self.samples[keyframe].pts);
        true
    }

    /// Position of the sample that is presented at `to`, or right after a small hole there.
    fn sample_at(&self, to: MediaTime) -> Option<usize> {
        let covers = |sample: &Sample| sample.pts <= to && to < sample.end();
        let near = |sample: &Sample| to < sample.pts && sample.pts <= to + GAP;
        let at = |found: &dyn Fn(&Sample) -> bool| self.samples.iter().position(found);
        at(&covers).or_else(|| {
            let after = (0..self.samples.len()).filter(|at| near(&self.samples[*at]));
            after.min_by_key(|at| self.samples[*at].pts)
        })
    }

    /// Drops what lies more than [`BACK_BUFFER`] behind `position`, up to a keyframe and never what the
    /// reader has yet to read. Returns the bytes set free.
    pub fn evict_behind(&mut self, position: MediaTime) -> usize {
        let threshold = position - BACK_BUFFER;
        let keep = (0..=self.cursor.min(self.samples.len().saturating_sub(1)))
            .rev()
            .find(|at| self.samples.get(*at).is_some_and(|s| s.keyframe && s.pts <= threshold))
            .unwrap_or(0);
        let freed = self.samples.drain(..keep).map(|sample| sample.data.len()).sum();
        self.cursor -= keep;
        self.bytes -= freed;
        freed
    }

    /// Bytes of all samples.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many samples the reader has yet to read.
    pub fn unread(&self) -> usize {
        self.samples.len() - self.cursor
    }

    /// Latest end of all samples.
    pub fn buffered_end(&self) -> Option<MediaTime> {
        self.samples.iter().map(Sample::end).max()
    }

    /// The span without a hole longer than [`GAP`] that contains `at`.
    pub fn buffered_around(&self, at: MediaTime) -> Option<(MediaTime, MediaTime)> {
        let mut spans: Vec<_> = self.samples.iter().map(|sample| (sample.pts, sample.end())).collect();
        spans.sort_unstable();
        let mut current: Option<(MediaTime, MediaTime)> = None;
        for (start, end) in spans {
            match &mut current {
                Some(span) if start <= span.1 + GAP => span.1 = span.1.max(end),
                Some(span) if span.0 <= at && at < span.1 => break,
                _ => current = Some((start, end)),
            }
        }
        current.filter(|(start, end)| *start <= at && at < *end)
    }
}

/// The reader: samples for the decoder, one after the other. A change of [`Sample::format`] or
/// [`Sample::representation`] from one to the next is a switch. After `None` more may come with an append.
impl Iterator for SampleQueue {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        let sample = self.samples.get(self.cursor)?.clone();
        self.cursor += 1;
        self.read_to = Some(self.read_to.map_or(sample.end(), |end| end.max(sample.end())));
        Some(sample)
    }
}

fn earliest(samples: &[Sample]) -> Option<MediaTime> {
    samples.iter().map(|sample| sample.pts).min()
}

fn latest_end(samples: &[Sample]) -> Option<MediaTime> {
    samples.iter().map(Sample::end).max()
}

/// Whether the larger part of a sample lies at or after `time`: time stamps of the same instant differ by
/// rounding between renditions, so that comparing them exactly would leave a picture twice or not at all.
fn reaches_into(sample: &Sample, time: MediaTime) -> bool {
    sample.pts + sample.duration / 2 >= time && (sample.duration > Duration::ZERO || sample.pts >= time)
}

/// Whether a sample begins at or after `time`, give or take half of it.
fn begins_behind(sample: &Sample, time: MediaTime) -> bool {
    sample.pts + sample.duration / 2 >= time
}

/// Cuts off what lies before `time`, except what is needed to decode the rest, which is marked not to be
/// presented. Returns whether anything is left to present.
fn hide_before(new: &mut Vec<Sample>, time: MediaTime) -> bool {
    let Some(shown) = new.iter().position(|sample| begins_behind(sample, time)) else { return false };
    let from = (0..=shown).rev().find(|at| new[*at].keyframe).unwrap_or(0);
    new.drain(..from);
    for sample in new.iter_mut().filter(|sample| !begins_behind(sample, time)) {
        sample.trim_start = sample.duration;
    }
    true
}

/// Whether new samples that start at `start` reach into what was read up to `read_to`.
fn overlaps(start: MediaTime, read_to: MediaTime, new: &[Sample]) -> bool {
    let half = new.first().map_or(Duration::ZERO, |sample| sample.duration / 2);
    start + half < read_to
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sample::{Codec, SampleFormat, StreamLayout};
    use abr::presentation::RepresentationKey;
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::sync::Arc;

    const FRAME: i64 = 40;

    /// A segment of `frames` pictures from `start` milliseconds on, key pictures every ten, presented in
    /// an order with one picture decoded ahead (I P B P B …).
    fn segment(representation: u32, start: i64, frames: i64) -> Vec<Sample> {
        let format = Arc::new(SampleFormat::new(Codec::H264, StreamLayout::LengthPrefixed));
        let order = |n: i64| {
            if n == 0 || n == frames - 1 && frames % 2 == 0 {
                n
            } else if n % 2 == 1 {
                n + 1
            } else {
                n - 1
            }
        };
        let sample = |n: i64| {
            let pts = MediaTime::from_millis(start + order(n) * FRAME);
            Sample {
                pts,
                dts: None,
                duration: Duration::from_millis(FRAME.unsigned_abs()),
                keyframe: n == 0,
                trim_start: Duration::ZERO,
                data: Bytes::from_static(&[0; 100]),
                format: format.clone(),
                protection: None,
                representation: RepresentationKey { period: 0, adaptation_set: 0, representation },
            }
        };
        (0..frames).map(sample).collect()
    }

    fn read(queue: &mut SampleQueue) -> Vec<(i64, u32)> {
        let mut seen = Vec::new();
        for sample in queue.by_ref() {
            seen.push((sample.pts.as_millis(), sample.representation.representation));
        }
        seen
    }

    fn sorted(mut seen: Vec<(i64, u32)>) -> Vec<(i64, u32)> {
        seen.sort_unstable();
        seen
    }

    /// What is presented when the given segments are.
    fn all(segments: &[(u32, i64, i64)]) -> Vec<(i64, u32)> {
        let each =
            segments.iter().flat_map(|(r, start, frames)| (0..*frames).map(move |n| (start + n * FRAME, *r)));
        sorted(each.collect())
    }

    #[test]
    fn samples_come_out_in_decoding_order() {
        let mut queue = SampleQueue::new(1 << 20);
        queue.append(segment(1, 0, 5));
        assert_eq!(read(&mut queue), [(0, 1), (80, 1), (40, 1), (160, 1), (120, 1)]);
        assert!(!queue.is_drained());
        queue.end_of_track();
        assert!(queue.is_drained());
        queue.append(segment(1, 200, 5));
        assert!(!queue.is_drained(), "an append takes the end back");
    }

    #[test]
    fn a_replacement_is_exact() {
        let mut queue = SampleQueue::new(1 << 20);
        for start in [0, 400, 800] {
            queue.append(segment(1, start, 10));
        }
        let bytes = queue.bytes();
        queue.append(segment(2, 400, 10));
        assert_eq!(queue.bytes(), bytes);
        assert_eq!(sorted(read(&mut queue)), all(&[(1, 0, 10), (2, 400, 10), (1, 800, 10)]));
    }

    #[test]
    fn rounding_neither_doubles_nor_loses_a_sample() {
        for error in [-3, 3] {
            let mut queue = SampleQueue::new(1 << 20);
            for start in [0, 400, 800] {
                queue.append(segment(1, start, 10));
            }
            queue.append(segment(2, 400 + error, 10));
            assert_eq!(sorted(read(&mut queue)), all(&[(1, 0, 10), (2, 400 + error, 10), (1, 800, 10)]));
        }
    }

    #[test]
    fn what_was_read_is_not_presented_again() {
        let mut queue = SampleQueue::new(1 << 20);
        queue.append(segment(1, 0, 10));
        queue.append(segment(1, 400, 10));
        let mut shown: Vec<_> = (0..2).map_while(|_| queue.next()).collect();
        // I and P were read, the B between them was not.
        queue.append(segment(2, 0, 10));
        queue.append(segment(2, 400, 10));
        shown.extend(std::iter::from_fn(|| queue.next()));
        assert_eq!(shown.iter().filter(|sample| sample.is_trimmed_away()).count(), 3);
        shown.retain(|sample| !sample.is_trimmed_away());
        let seen = shown.iter().map(|s| (s.pts.as_millis(), s.representation.representation));
        let mut expected = all(&[(2, 0, 10), (2, 400, 10)]);
        for sample in &mut expected[..3] {
            sample.1 = 1;
        }
        assert_eq!(sorted(seen.collect()), expected);
    }

    #[test]
    fn an_overlap_loses_nothing() {
        let mut queue = SampleQueue::new(1 << 20);
        queue.append(segment(1, 0, 10));
        read(&mut queue);
        queue.append(segment(1, 200, 10));
        let shown: Vec<_> = std::iter::from_fn(|| queue.next()).filter(|s| !s.is_trimmed_away()).collect();
        assert_eq!(shown.iter().map(|s| s.pts.as_millis()).min(), Some(400));
        assert_eq!(shown.len(), 5);
    }

    #[test]
    fn segments_may_arrive_out_of_order() {
        let mut queue = SampleQueue::new(1 << 20);
        queue.append(segment(1, 400, 10));
        queue.append(segment(1, 0, 10));
        assert_eq!(sorted(read(&mut queue)), all(&[(1, 0, 10), (1, 400, 10)]));
    }

    #[test]
    fn seeking_inside_starts_at_the_keyframe() {
        let mut queue = SampleQueue::new(1 << 20);
        for start in [0, 400, 800] {
            queue.append(segment(1, start, 10));
        }
        read(&mut queue);
        assert!(queue.seek(MediaTime::from_millis(650)));
        assert_eq!(queue.peek().map(|s| s.pts.as_millis()), Some(400));
        assert!(!queue.seek(MediaTime::from_millis(1_200)));
        assert_eq!(queue.peek().map(|s| s.pts.as_millis()), Some(400), "an impossible seek moves nothing");
        assert_eq!(read(&mut queue).len(), 20);
    }

    #[test]
    fn a_flush_keeps_what_lies_before() {
        let mut queue = SampleQueue::new(1 << 20);
        for start in [0, 400, 800] {
            queue.append(segment(1, start, 10));
        }
        queue.flush(MediaTime::from_millis(400));
        queue.append(segment(2, 400, 10));
        assert_eq!(sorted(read(&mut queue)), all(&[(1, 0, 10), (2, 400, 10)]));
    }

    #[test]
    fn old_samples_make_room() {
        let mut queue = SampleQueue::new(200 * 100);
        for second in 0..8 {
            assert!(matches!(queue.append(segment(1, second * 1_000, 25)), Appended::Queued { .. }));
        }
        let more = segment(1, 8_000, 25);
        let Appended::Full(more) = queue.append(more) else { panic!("no room is left") };
        assert_eq!(more.len(), 25);
        assert_eq!(queue.evict_behind(MediaTime::from_millis(30_000)), 0, "nothing was read");
        read(&mut queue);
        assert_eq!(queue.evict_behind(MediaTime::from_millis(32_000)), 50 * 100);
        assert!(matches!(queue.append(more), Appended::Queued { .. }));
        assert!(queue.seek(MediaTime::from_millis(2_000)));
        assert!(!queue.seek(MediaTime::from_millis(1_600)));
    }

    #[test]
    fn spans_end_at_holes() {
        let mut queue = SampleQueue::new(1 << 20);
        queue.append(segment(1, 0, 10));
        queue.append(segment(1, 600, 10));
        queue.append(segment(1, 2_000, 10));
        let span = |from, to| Some((MediaTime::from_millis(from), MediaTime::from_millis(to)));
        assert_eq!(queue.buffered_around(MediaTime::from_millis(100)), span(0, 1_000));
        assert_eq!(queue.buffered_around(MediaTime::from_millis(2_399)), span(2_000, 2_400));
        assert_eq!(queue.buffered_around(MediaTime::from_millis(1_500)), None);
        assert_eq!(queue.buffered_end(), Some(MediaTime::from_millis(2_400)));
    }

    proptest! {
        #[test]
        fn any_course_keeps_the_books(steps in proptest::collection::vec((0u8..6, 0i64..20, 1u32..4), 1..60)) {
            let mut queue = SampleQueue::new(20_000);
            for (step, place, representation) in steps {
                let time = MediaTime::from_millis(place * 400);
                match step {
                    0 | 1 => drop(queue.append(segment(representation, place * 400, 10))),
                    2 => drop((0..place).map_while(|_| queue.next()).count()),
                    3 => drop(queue.seek(time)),
                    4 => queue.flush(time),
                    _ => drop(queue.evict_behind(time + BACK_BUFFER)),
                }
                let bytes: usize = queue.samples.iter().map(|sample| sample.data.len()).sum();
                prop_assert_eq!(queue.bytes(), bytes);
                prop_assert!(queue.cursor <= queue.samples.len());
                prop_assert!(queue.bytes() <= 20_000);
                let shown = queue.samples.iter().filter(|sample| !sample.is_trimmed_away());
                let mut times: Vec<_> = shown.map(|sample| sample.pts).collect();
                let count = times.len();
                times.sort_unstable();
                times.dedup();
                prop_assert_eq!(times.len(), count, "a picture is queued twice");
            }
        }
    }
}
