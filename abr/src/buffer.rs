//! What one track has queued in the pipeline, segment by segment.

use crate::presentation::RepresentationKey;
use crate::segments::Segment;
use crate::time::MediaTime;
use std::collections::VecDeque;
use std::time::Duration;

/// One queued segment, or a hole that playback crosses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// First presentation time.
    pub start: MediaTime,
    /// End of the last sample.
    pub end: MediaTime,
    /// What fills it; `None` for a hole.
    pub content: Option<Content>,
}

/// What fills an [`Entry`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Content {
    /// Of which representation.
    pub key: RepresentationKey,
    /// Which segment.
    pub segment: Segment,
    /// Its size as received.
    pub bytes: u64,
}

/// The queue of a track: one contiguous range (holes are entries too).
#[derive(Clone, Debug, Default)]
pub struct Buffer {
    entries: VecDeque<Entry>,
    /// Bytes of all entries.
    bytes: u64,
    /// How many of them are holes.
    holes: usize,
    /// Whether the last one is a segment that is still coming, or of which no more came.
    partial: bool,
}

impl Buffer {
    /// Adds an entry after all others. It takes the place of what had come of the same segment.
    pub fn push(&mut self, mut entry: Entry) {
        if std::mem::take(&mut self.partial)
            && let Some(partial) = self.entries.pop_back()
        {
            if entry.content.is_some() && entry.start < partial.end {
                self.forget(&partial);
                entry.start = entry.start.min(partial.start);
                entry.end = entry.end.max(partial.end);
            } else {
                entry.start = entry.start.max(partial.end);
                entry.end = entry.end.max(entry.start);
                self.entries.push_back(partial);
            }
        }
        self.bytes = self.bytes.saturating_add(entry.content.map_or(0, |content| content.bytes));
        self.holes += usize::from(entry.content.is_none());
        self.entries.push_back(entry);
    }

    /// Adds what has come of a segment, in place of what had come of it before.
    pub fn grow(&mut self, entry: Entry) {
        self.push(entry);
        self.partial = true;
    }

    /// Whether the last entry is a part of a segment.
    pub fn is_partial(&self) -> bool {
        self.partial
    }

    /// Accounts for an entry that was taken out.
    fn forget(&mut self, entry: &Entry) {
        self.bytes = self.bytes.saturating_sub(entry.content.map_or(0, |content| content.bytes));
        self.holes -= usize::from(entry.content.is_none());
    }

    /// How many bytes there are, behind the position and ahead of it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether some entry is a hole.
    pub fn has_holes(&self) -> bool {
        self.holes > 0
    }

    /// All entries in ascending time.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Until where there is something; `None` when empty.
    pub fn end(&self) -> Option<MediaTime> {
        self.entries.back().map(|entry| entry.end)
    }

    /// Whether playback could go on at `time` with what is queued.
    pub fn contains(&self, time: MediaTime) -> bool {
        match (self.entries.front(), self.entries.back()) {
            (Some(first), Some(last)) => first.start <= time && time < last.end,
            _ => false,
        }
    }

    /// The entry that covers `time`.
    pub fn at(&self, time: MediaTime) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.start <= time && time < entry.end)
    }

    /// End of the hole that covers `time`; `None` when something else does or nothing.
    pub fn hole_end(&self, time: MediaTime) -> Option<MediaTime> {
        let ahead = self.entries.iter().skip_while(|entry| entry.end <= time);
        ahead
            .take_while(|entry| entry.start <= time || entry.content.is_none())
            .try_fold(None, |_, entry| entry.content.is_none().then_some(Some(entry.end)))?
    }

    /// How much lies ahead of `position`.
    pub fn ahead(&self, position: MediaTime) -> Duration {
        self.end().map_or(Duration::ZERO, |end| end.since(position))
    }

    /// How many bytes end after `position`.
    pub fn bytes_ahead(&self, position: MediaTime) -> u64 {
        self.ahead_of(position).filter_map(|e| e.content).fold(0, |sum: u64, c| sum.saturating_add(c.bytes))
    }

    /// How many segments end after `position`.
    pub fn segments_ahead(&self, position: MediaTime) -> usize {
        self.ahead_of(position).filter(|entry| entry.content.is_some()).count()
    }

    fn ahead_of(&self, position: MediaTime) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev().take_while(move |entry| entry.end > position)
    }

    /// Forgets entries that start before `time`, as the pipeline does behind the position.
    pub fn evict(&mut self, time: MediaTime) {
        while self.entries.len() > 1 && self.entries.front().is_some_and(|entry| entry.start < time) {
            if let Some(entry) = self.entries.pop_front() {
                self.forget(&entry);
            }
        }
    }

    /// Forgets entries that start at `from` or later; returns their bytes.
    pub fn flush(&mut self, from: MediaTime) -> u64 {
        let mut bytes = 0u64;
        while let Some(entry) = self.entries.back().filter(|entry| entry.start >= from).copied() {
            bytes = bytes.saturating_add(entry.content.map_or(0, |content| content.bytes));
            self.entries.pop_back();
            self.forget(&entry);
            self.partial = false;
        }
        bytes
    }

    /// Whether a hole comes last.
    pub fn ends_in_hole(&self) -> bool {
        self.entries.back().is_some_and(|entry| entry.content.is_none())
    }

    /// Forgets the holes after the last segment.
    pub fn trim(&mut self) {
        while self.ends_in_hole() {
            self.entries.pop_back();
            self.holes -= 1;
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self { entries: std::mem::take(&mut self.entries), ..Self::default() };
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer() -> Buffer {
        let mut buffer = Buffer::default();
        for n in 0..5 {
            let (start, end) = (MediaTime::from_millis(n * 2000), MediaTime::from_millis(n * 2000 + 2000));
            let segment = Segment {
                position: 0,
                number: 0,
                time: 0,
                start,
                end,
                size: None,
                discontinuity: 0,
                init: None,
                gap: false,
                part: None,
            };
            let key = RepresentationKey { period: 0, adaptation_set: 0, representation: 0 };
            let content = (n != 2).then_some(Content { key, segment, bytes: 100 });
            buffer.push(Entry { start, end, content });
        }
        buffer
    }

    #[test]
    fn a_hole_is_part_of_the_range() {
        let buffer = buffer();
        assert!(buffer.contains(MediaTime::from_millis(5000)));
        assert_eq!(buffer.ahead(MediaTime::from_millis(3000)), Duration::from_secs(7));
        assert_eq!(buffer.bytes_ahead(MediaTime::from_millis(3000)), 300);
        assert_eq!(buffer.segments_ahead(MediaTime::from_millis(6000)), 2);
        assert!(!buffer.contains(MediaTime::from_millis(10_000)));
    }

    #[test]
    fn what_comes_of_a_segment_counts_once_and_stays_when_no_more_comes() {
        let mut buffer = buffer();
        let last = *buffer.iter().next_back().unwrap();
        let grown = |end: i64, bytes: u64| {
            let content = last.content.map(|content| Content { bytes, ..content });
            Entry { start: last.end, end: MediaTime::from_millis(end), content }
        };
        buffer.grow(grown(10_200, 10));
        buffer.grow(grown(10_400, 20));
        assert_eq!((buffer.end(), buffer.bytes()), (Some(MediaTime::from_millis(10_400)), 420));
        // The download broke; the segment comes again from its beginning, and less of it so far.
        buffer.grow(grown(10_200, 5));
        assert_eq!(buffer.end(), Some(MediaTime::from_millis(10_400)));
        buffer.push(grown(12_000, 100));
        assert!(!buffer.is_partial());
        assert_eq!((buffer.end(), buffer.bytes()), (Some(MediaTime::from_millis(12_000)), 500));
        // One of which no more comes is followed by a hole.
        let part = Entry { start: ms(12_000), end: ms(12_600), ..grown(0, 7) };
        buffer.grow(part);
        buffer.push(Entry { start: ms(12_000), end: ms(14_000), content: None });
        let ends: Vec<_> = buffer.iter().rev().take(2).map(|entry| (entry.start, entry.end)).collect();
        assert_eq!(ends, [(ms(12_600), ms(14_000)), (ms(12_000), ms(12_600))]);
    }

    fn ms(ms: i64) -> MediaTime {
        MediaTime::from_millis(ms)
    }

    #[test]
    fn evicting_and_flushing_keep_whole_segments() {
        let mut buffer = buffer();
        buffer.evict(MediaTime::from_millis(2001));
        assert!(
            !buffer.contains(MediaTime::from_millis(3999)) && buffer.contains(MediaTime::from_millis(4000))
        );
        assert_eq!(buffer.flush(MediaTime::from_millis(6000)), 200);
        assert_eq!(buffer.end(), Some(MediaTime::from_millis(6000)));
    }
}
