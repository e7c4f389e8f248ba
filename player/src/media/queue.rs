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
    /// End of what the reader was given since the last seek or flush.
    read_to: Option<MediaTime>,
}

impl SampleQueue {
    /// An empty queue that holds at most `limit` bytes of samples; a single segment may exceed it when the
    /// queue is empty, since otherwise playback could never go on.
    pub fn new(limit: usize) -> Self {
        Self { samples: VecDeque::new(), cursor: 0, bytes: 0, limit, ended: false, read_to: None }
    }

    /// Queues the samples of one segment, given in decoding order, at their place in time. Older samples
    /// there are replaced; those which the reader was given stay, and the new ones then begin at their
    /// first keyframe behind them.
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
            // What is cut off here was shown, or is about to be, in the older rendition.
            let keep = new.iter().position(|sample| sample.keyframe && begins_behind(sample, read_to));
            new.drain(..keep.unwrap_or(new.len()));
            match earliest(&new) {
                Some(begin) => first = begin,
                None => return Appended::Queued { start, end },
            }
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

    /// The next sample for the decoder. A change of [`Sample::format`] or [`Sample::representation`] from
    /// one to the next is a switch.
    pub fn next(&mut self) -> Option<Sample> {
        let sample = self.samples.get(self.cursor)?.clone();
        self.cursor += 1;
        self.read_to = Some(self.read_to.map_or(sample.end(), |end| end.max(sample.end())));
        Some(sample)
    }

    /// The sample that [`next`](Self::next) would return.
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
        self.read_to = None;
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

/// Whether new samples that start at `start` reach into what was read up to `read_to`.
fn overlaps(start: MediaTime, read_to: MediaTime, new: &[Sample]) -> bool {
    let half = new.first().map_or(Duration::ZERO, |sample| sample.duration / 2);
    start + half < read_to
}
