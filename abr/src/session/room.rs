//! How much may be queued: so many seconds and so many bytes ahead of the position, and tracks in step.
//!
//! What is on its way counts like what is queued. A request takes its share of the byte budget with it as the
//! limit of its body, so that a segment that turns out larger than expected ends at its limit, and is fetched
//! again when there is room for it.

use super::Session;
use super::requests::Request;
use crate::presentation::{ContentType, RepresentationKey};
use crate::segments::Segment;
use crate::time::MediaTime;
use crate::track::{Fetching, Oversize, Track};
use std::time::Duration;

/// How far video may get ahead of audio: so many segments, at least so long.
const VIDEO_LEAD: (u32, Duration) = (2, Duration::from_secs(6));
/// How soon to look again when the byte budget is full.
const BUDGET_CHECK: Duration = Duration::from_millis(500);

impl Session {
    /// Whether another segment of a track fits into the time and byte budgets and in step with the other
    /// track; arranges to be woken otherwise.
    pub(super) fn has_room(&mut self, place: usize) -> bool {
        // Subtitles must not delay the first picture.
        let begun = |t: &Track| t.dropped || t.complete || !t.paces() || t.buffer.end().is_some();
        if !self.tracks[place].paces() && !self.tracks.iter().all(begun) {
            return false;
        }
        let noted = self.noted_here(place);
        let Some((key, segment)) = noted.or_else(|| self.peek(place)) else { return true };
        if noted.is_none() {
            self.note_here(place, (key, segment));
        }
        let track = &self.tracks[place];
        // What follows a hole is queued early: the pipeline takes an empty queue for a stall.
        if track.has_none_coming() && track.buffer.ends_in_hole() {
            return true;
        }
        let length = segment.duration();
        let other = |t: &&Track| t.kind != track.kind && t.paces() && !t.dropped && !t.complete;
        if let Some(other) = self.tracks.iter().filter(|_| track.paces()).find(other) {
            let lead = match track.kind {
                ContentType::Video => length.saturating_mul(VIDEO_LEAD.0).max(VIDEO_LEAD.1),
                _ => Duration::ZERO,
            };
            if track.cursor.time > other.loaded_end() + lead {
                return false;
            }
        }
        self.has_room_for(place, key, &segment)
    }

    /// Whether a segment fits into the time and byte budgets; arranges to be woken otherwise.
    pub(super) fn has_room_for(&mut self, place: usize, key: RepresentationKey, segment: &Segment) -> bool {
        let track = &self.tracks[place];
        let position = self.position(self.now);
        let most = self.config.buffer_ahead.max(segment.duration().saturating_mul(2));
        let ahead = segment.end.since(position);
        if ahead > most && !self.starves(track, position) {
            let until = self.clock.time_until(ahead - most);
            if let Some(until) = until {
                self.wake(self.now + until);
            }
            return false;
        }
        if self.config.buffer_bytes == u64::MAX {
            return true;
        }
        let needed = self.needed_bytes(track, key, segment);
        // What is behind the position is counted only where it could matter.
        let all = |t: &Track| t.buffer.bytes();
        let fits = self.taken(all).saturating_add(needed) <= self.config.buffer_bytes
            || self.taken(|t| t.buffer.bytes_ahead(position)).saturating_add(needed)
                <= self.config.buffer_bytes
            || self.starves(track, position);
        if !fits {
            self.wake_or_any_fact(self.now + BUDGET_CHECK);
        }
        fits
    }

    /// Whether playback cannot go on without the next segment of a track, whatever the budgets say.
    pub(super) fn starves(&self, track: &Track, position: MediaTime) -> bool {
        track.has_none_coming() && (track.buffer.ends_in_hole() || !track.is_ready(position, self.need()))
    }

    /// Bytes queued, as `queued` counts them, and on their way.
    fn taken(&self, queued: impl Fn(&Track) -> u64) -> u64 {
        let track = |t: &Track| {
            let coming = t.fetching.map_or(0, |fetching| fetching.reserved);
            let loaded = t.loaded.iter().chain(&t.appending).map(|loaded| loaded.bytes);
            loaded.fold(queued(t).saturating_add(coming), u64::saturating_add)
        };
        self.tracks.iter().map(track).fold(0, u64::saturating_add)
    }

    /// How many bytes must be free for a segment: a quarter more than expected where the index does not say.
    fn needed_bytes(&self, track: &Track, key: RepresentationKey, segment: &Segment) -> u64 {
        let expected = self.expected_bytes(track, key, segment);
        let expected = if segment.size.is_some() { expected } else { expected.saturating_add(expected / 4) };
        let found = track.oversize.filter(|found| found.time == track.cursor.time);
        found.map_or(expected, |found| found.bytes.max(expected))
    }

    /// The bytes that a segment, which is to be fetched, takes from the budget, and the most that it may have;
    /// `None` when there is no such limit.
    pub(super) fn reserve(
        &self,
        place: usize,
        key: RepresentationKey,
        segment: &Segment,
    ) -> (u64, Option<u64>) {
        let track = &self.tracks[place];
        let (budget, position) = (self.config.buffer_bytes, self.position(self.now));
        let needed = self.needed_bytes(track, key, segment);
        if budget == u64::MAX || self.starves(track, position) {
            return (needed, None);
        }
        let free = budget.saturating_sub(self.taken(|t| t.buffer.bytes_ahead(position)));
        // With much room, what is expected to be large may be larger.
        let reserved = needed.max(self.usual_limit(key, segment).min(free / 2));
        (reserved, Some(reserved))
    }

    /// A segment was larger than what was left for it: it is fetched when there is more. `true` when that was
    /// the reason for the failure.
    pub(super) fn was_oversize(&mut self, kind: ContentType, request: &Request) -> bool {
        let Some(place) = self.place_of(kind) else { return false };
        let Some(fetching) = self.tracks[place].fetching else { return false };
        let Fetching { key, segment, before, limit, .. } = fetching;
        let Some(limit) = limit.filter(|limit| *limit < self.usual_limit(key, &segment)) else {
            return false;
        };
        let bytes = request.expected.unwrap_or(0).max(limit.saturating_add(limit / 2)).max(limit + 1);
        let track = &mut self.tracks[place];
        track.fetching = None;
        track.cursor = before;
        track.oversize = Some(Oversize { time: before.time, bytes });
        true
    }

    /// Notes that a segment does not fit into what is left of the byte budget: what is chosen instead of the
    /// one before may be larger.
    pub(super) fn note_oversize(&mut self, place: usize, key: RepresentationKey, segment: &Segment) {
        let track = &self.tracks[place];
        let (time, bytes) = (track.cursor.time, self.needed_bytes(track, key, segment));
        self.tracks[place].oversize = Some(Oversize { time, bytes });
    }
}
