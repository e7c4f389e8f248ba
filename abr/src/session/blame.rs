//! What happens when a segment, or what it needs, cannot be had: another representation, a pause, a hole, or
//! the end.

use super::Session;
use super::requests::{EXCLUSION, Owner};
use crate::buffer::Entry;
use crate::error::{Code, Error, Severity};
use crate::presentation::{ContentType, RepresentationKey};
use crate::protocol::{Event, Failure, Reason};
use crate::retry::{self, Class};
use crate::segments::Segment;
use crate::time::{MediaTime, Timestamp};
use crate::track::{Trouble, period_end};
use std::time::Duration;

/// So many segments in a row that fail in every representation are no holes: the track is given up.
const MOST_GAPS: u32 = 5;
/// Most rounds in vain when nothing can be reached, and longest time with nothing but failures, before
/// playback began.
const FIRST_ROUNDS: u32 = 8;
const FIRST_PATIENCE: Duration = Duration::from_secs(10);
/// Longest pause between rounds during an outage, so that playback resumes soon after it.
const OUTAGE_DELAY: Duration = Duration::from_secs(2);

/// What a failure says about its representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Perhaps nothing: one segment could not be had.
    Segment,
    /// What all of its segments need could not be had.
    Representation,
}

impl Session {
    pub(super) fn representation_failed(&mut self, key: RepresentationKey, failure: Failure) {
        let place = self.tracks.iter().position(|track| track.set(key.period) == Some(key.adaptation_set));
        match place {
            Some(place) => {
                self.blame(place, key, retry::code(failure.kind, false), failure, Fault::Representation)
            }
            None => self.exclude(key, EXCLUSION),
        }
    }

    /// Notes that a representation cannot be had here, so that another is tried. `code` is what users see if
    /// nothing helps.
    pub(super) fn blame(
        &mut self,
        place: usize,
        key: RepresentationKey,
        code: Code,
        failure: Failure,
        fault: Fault,
    ) {
        let outage = retry::is_outage(failure.kind);
        if !outage {
            if retry::class(failure.kind) == Class::Final {
                self.excluded.insert(key, Timestamp::MAX);
            } else {
                self.exclude(key, EXCLUSION);
            }
        }
        let now = self.now;
        let track = &mut self.tracks[place];
        let trouble = track.troubles.entry(track.loaded_end()).or_default();
        trouble.missing |= !outage;
        if !trouble.failed.contains(&key) {
            trouble.failed.push(key);
        }
        if fault == Fault::Segment && !outage && !trouble.suspects.contains(&key) {
            trouble.suspects.push(key);
            let strikes = self.strikes.entry(key).or_default();
            *strikes = strikes.saturating_add(1);
        }
        track.because = Some(Reason::Failure);
        track.forced = None;
        track.awaited = None;
        track.failing_since.get_or_insert(now);
        let message = format!("{}; trying another representation", failure.detail);
        track.failure = Some((code, failure.detail));
        self.report(Event::Error(Error::new(Severity::Recoverable, code, message)));
    }

    /// The segment of a track that starts at `time` is in the queue, from `key`.
    pub(super) fn segment_had(&mut self, place: usize, key: RepresentationKey, time: MediaTime) {
        let track = &mut self.tracks[place];
        let later = track.troubles.split_off(&time);
        let settled = std::mem::replace(&mut track.troubles, later);
        let here = track.troubles.remove(&time);
        if track.troubles.is_empty() {
            track.forget_troubles();
        }
        self.strikes.remove(&key);
        for trouble in settled.into_values().chain(here) {
            // What failed in several representations is the segment's fault, unless they go on like that.
            if trouble.suspects.len() > 1 {
                let first = |key: &RepresentationKey| self.strikes.get(key).is_none_or(|n| *n < 2);
                let cleared: Vec<RepresentationKey> = trouble.suspects.into_iter().filter(first).collect();
                self.clear(&cleared);
            }
        }
    }

    /// Lifts the exclusions of representations whose failure was not their own.
    pub(super) fn clear(&mut self, keys: &[RepresentationKey]) {
        self.excluded.retain(|key, until| *until == Timestamp::MAX || !keys.contains(key));
        self.strikes.retain(|key, _| !keys.contains(key));
    }

    pub(super) fn exclude(&mut self, key: RepresentationKey, span: Duration) {
        let until = self.now + span;
        let entry = self.excluded.entry(key).or_insert(until);
        *entry = (*entry).max(until);
    }

    /// No representation of a track may be used. Waits, skips the segment, uses another set, or gives the
    /// track up. `true` when the track can go on at once.
    pub(super) fn nothing_left(&mut self, place: usize) -> bool {
        let trouble = self.tracks[place].trouble().cloned().unwrap_or_default();
        if !trouble.failed.is_empty() && !trouble.missing {
            return self.wait_for_network(place, &trouble);
        }
        // Another set, perhaps in another codec, when nothing of this one can ever be used.
        let (kind, wish) = (self.tracks[place].kind, self.tracks[place].wish.clone());
        if let Some((_, sets)) = self.resolve_sets(kind, Some(wish), None) {
            let period = self.tracks[place].cursor.period as usize;
            let other = sets.get(period).copied().flatten();
            if other.is_some() && other != self.tracks[place].set(period as u32) {
                let track = &mut self.tracks[place];
                track.sets = sets;
                track.forget_troubles();
                track.last = None;
                track.cursor.after = None;
                return true;
            }
        }
        let forever = |key: &RepresentationKey| self.excluded.get(key) == Some(&Timestamp::MAX);
        let hopeless = !trouble.failed.is_empty() && trouble.failed.iter().all(forever);
        match self.peek(place) {
            Some((key, segment)) if !trouble.failed.is_empty() && !hopeless => {
                self.skip(place, key, &segment)
            }
            _ => {
                self.give_up_track(place);
                false
            }
        }
    }

    pub(super) fn wait_for_network(&mut self, place: usize, trouble: &Trouble) -> bool {
        let rounds = trouble.rounds + 1;
        let waited = self.failing_for(place);
        let hopeless = if self.clock.has_started() {
            self.clock.dry_for(self.now) >= self.config.reconnect
        } else {
            rounds >= FIRST_ROUNDS || waited >= FIRST_PATIENCE
        };
        if hopeless {
            self.give_up_track(place);
            return false;
        }
        let delay = self.backoff.delay(rounds.saturating_add(1), None).min(OUTAGE_DELAY);
        let until = self.now + delay.max(Duration::from_millis(50));
        let track = &mut self.tracks[place];
        let trouble = track.troubles.entry(track.loaded_end()).or_default();
        trouble.rounds = rounds;
        trouble.failed.clear();
        track.hold_until = until;
        true
    }

    /// How long a track has had nothing but failures.
    pub(super) fn failing_for(&self, place: usize) -> Duration {
        self.tracks[place].failing_since.map_or(Duration::ZERO, |since| self.now.since(since))
    }

    /// Leaves out a segment that cannot be had. `true` when that was done.
    pub(super) fn skip(&mut self, place: usize, key: RepresentationKey, segment: &Segment) -> bool {
        let track = &self.tracks[place];
        if !track.loaded.is_empty() || track.appending.is_some() {
            return false;
        }
        let end = self.presentation.as_ref().and_then(|p| period_end(p, track.cursor.period));
        let waited = self.failing_for(place);
        let track = &mut self.tracks[place];
        if !segment.gap {
            track.gaps += 1;
            let in_vain = !track.appended_any && waited >= FIRST_PATIENCE;
            if track.gaps >= MOST_GAPS || in_vain {
                self.give_up_track(place);
                return false;
            }
        }
        let from = track.cursor.time;
        let trouble = track.troubles.remove(&from).unwrap_or_default();
        track.advance(key, segment, end);
        let to = track.cursor.time;
        track.buffer.push(Entry { start: from, end: to, content: None });
        let kind = track.kind;
        // What failed for this one segment may work for the next.
        self.clear(&trouble.suspects);
        self.report(Event::Gap { track: kind, from, to });
        true
    }

    /// Ends a track that cannot be played; without it, video or the only track, playback ends.
    pub(super) fn give_up_track(&mut self, place: usize) {
        let failure = self.tracks[place].failure.clone().or_else(|| self.key_failure(place));
        let (code, detail) =
            failure.unwrap_or_else(|| (Code::NothingPlayable, "no representation can be used".to_owned()));
        let kind = self.tracks[place].kind;
        let others = self.tracks.iter().any(|track| track.kind != kind && track.paces() && !track.dropped);
        if kind == ContentType::Text || kind == ContentType::Audio && others {
            let what = if kind == ContentType::Text { "subtitles" } else { "sound" };
            let message = format!("playing without {what}: {detail}");
            self.report(Event::Error(Error::new(Severity::Warning, code, message)));
            self.close_track(place);
        } else {
            self.end_with(place, Error::new(Severity::Fatal, code, detail));
        }
    }

    /// Ends the session because a track cannot go on, after what it has has been played.
    pub(super) fn end_with(&mut self, place: usize, error: Error) {
        let track = &self.tracks[place];
        let queued = track.buffer.segments_ahead(self.position(self.now)) > 0;
        if !queued && track.loaded.is_empty() && track.appending.is_none() {
            return self.fail(error);
        }
        self.ending = Some(error);
        for place in 0..self.tracks.len() {
            let kind = self.tracks[place].kind;
            self.cancel(Owner::Segment(kind));
            let track = &mut self.tracks[place];
            track.fetching = None;
            track.complete = true;
            track.buffer.trim();
        }
    }
}
