//! Which segment each track fetches next.

use super::Session;
use super::blame::Fault;
use super::choice::Chosen;
use super::requests::{Job, Owner};
use crate::buffer::Entry;
use crate::presentation::{ContentType, RepresentationKey};
use crate::protocol::{Decision, Event, Failure, FetchId, Output, Reason, Resource, Transfer};
use crate::retry::{self};
use crate::segments::Segment;
use crate::track::{Cursor, Fetching, Loaded, Lookup, lookup, period_end};
use std::time::Duration;

/// Most holes and periods that one decision crosses; the rest follows at the next.
const STEPS: usize = 64;
/// Indexes of other representations are fetched when at least this much is queued.
const INDEX_AHEAD: Duration = Duration::from_secs(8);

impl Session {
    pub(super) fn schedule(&mut self) {
        if self.ending.is_some() {
            for track in &mut self.tracks {
                track.complete = true;
            }
            return;
        }
        if self.presentation.is_none() {
            let now = self.now;
            self.jobs.insert_new(Owner::Presentation, || Job::new(Resource::Presentation, 0, now));
            return;
        }
        // The track with less goes first.
        let mut order = self.active_places();
        let count = order.count;
        order.all[..count].sort_by_key(|place| self.tracks[*place].loaded_end());
        for &place in order.iter() {
            self.schedule_track(place);
        }
        self.fetch_other_indexes();
    }

    fn schedule_track(&mut self, place: usize) {
        for _ in 0..STEPS {
            let track = &self.tracks[place];
            let busy = track.fetching.is_some() || track.cut.is_some() || track.loaded.len() > 1;
            if self.over.is_some() || track.dropped || track.complete || busy {
                return;
            }
            if track.hold_until > self.now {
                let until = track.hold_until;
                return self.wake(until);
            }
            let period = track.cursor.period;
            if track.set(period).is_none() {
                if !self.cross_period(place) {
                    return;
                }
                continue;
            }
            // While its index is on the way, the choice stands.
            let awaited = track.awaited.is_some_and(|key| self.jobs.contains_key(&Owner::Index(key)));
            let awaited = awaited && !self.is_pressed(place);
            if awaited || !self.is_within_reach(place) || !self.has_room(place) {
                return;
            }
            let (key, reason, values) = match self.choose(place) {
                Chosen::Nothing => {
                    if !self.nothing_left(place) {
                        return;
                    }
                    continue;
                }
                Chosen::Later(at) => {
                    self.tracks[place].hold_until = at;
                    continue;
                }
                Chosen::Take { key, reason, values } => (key, reason, values),
            };
            let Some(presentation) = self.presentation.as_ref() else { return };
            match self.segment_at(presentation, place, key) {
                Lookup::Pending => {
                    self.want_index(key, 0);
                    match self.stand_in(place, key).filter(|_| !self.can_wait_for_index(place, key)) {
                        Some((key, segment)) => self.fetch(place, key, segment, reason, values),
                        None => self.tracks[place].awaited = Some(key),
                    }
                    return;
                }
                // Its index is older than that of the representation in use.
                Lookup::End if self.grows(key) && self.peek(place).is_some() => {
                    let waits = self.can_wait_for_index(place, key);
                    self.want_newer_index(key);
                    let last = self.tracks[place].last.filter(|_| !waits);
                    match self.peek(place).filter(|(other, _)| last == Some(*other)) {
                        Some((other, segment)) => self.fetch(place, other, segment, reason, values),
                        None => self.tracks[place].awaited = Some(key),
                    }
                    return;
                }
                Lookup::End => {
                    if !self.cross_period(place) {
                        return;
                    }
                }
                Lookup::Segment(segment) if segment.gap => {
                    if !self.skip(place, key, &segment) {
                        return;
                    }
                }
                // A part that needs those before it is no place to switch at.
                Lookup::Segment(segment) if self.must_stay(place, key, &segment) => {
                    let Some((last, segment)) = self.peek(place) else { return };
                    self.fetch(place, last, segment, reason, Vec::new());
                    return;
                }
                Lookup::Segment(segment) => {
                    if self.replace_worse(place, key) {
                        continue;
                    }
                    if !self.has_room_for(place, key, &segment) {
                        self.note_oversize(place, key, &segment);
                        return;
                    }
                    self.fetch(place, key, segment, reason, values);
                    return;
                }
            }
        }
        self.wake_or_any_fact(self.now + Duration::from_millis(10));
    }

    /// The segment at a track's cursor in the representation used last, or any whose index is known.
    pub(super) fn peek(&self, place: usize) -> Option<(RepresentationKey, Segment)> {
        let presentation = self.presentation.as_ref()?;
        let track = &self.tracks[place];
        let adaptation_set = track.set(track.cursor.period)?;
        let key = |representation| RepresentationKey {
            period: track.cursor.period,
            adaptation_set,
            representation,
        };
        let count = u32::try_from(presentation.adaptation_set(key(0))?.representations.len()).ok()?;
        let last = track
            .last
            .filter(|last| (last.period, last.adaptation_set) == (track.cursor.period, adaptation_set));
        last.into_iter().chain((0..count).map(key)).find_map(|key| {
            match lookup(presentation, key, &track.cursor) {
                Lookup::Segment(segment) => Some((key, segment)),
                Lookup::Pending | Lookup::End => None,
            }
        })
    }

    /// What to fetch while the index of a better representation is on its way: the next segment of the one
    /// in use. Nothing when the wanted one is worse, because then time is short.
    fn stand_in(&self, place: usize, wanted: RepresentationKey) -> Option<(RepresentationKey, Segment)> {
        let presentation = self.presentation.as_ref()?;
        let track = &self.tracks[place];
        let last = track.last.filter(|last| self.usable(track, track.cursor.period).contains(last))?;
        let better = presentation.representation(wanted)?.bandwidth_bps
            > presentation.representation(last)?.bandwidth_bps;
        match lookup(presentation, last, &track.cursor) {
            Lookup::Segment(segment) if better && !segment.gap => Some((last, segment)),
            _ => None,
        }
    }

    fn fetch(
        &mut self,
        place: usize,
        key: RepresentationKey,
        segment: Segment,
        reason: Reason,
        values: Vec<(RepresentationKey, f64)>,
    ) {
        let end = self.presentation.as_ref().and_then(|p| period_end(p, key.period));
        let buffer_ms = self.ahead(&self.tracks[place]).as_millis() as u64;
        let now = self.now;
        let (reserved, limit) = self.reserve(place, key, &segment);
        let track = &mut self.tracks[place];
        let kind = track.kind;
        let reason = match track.last {
            Some(last) if last.period != key.period => Reason::Period,
            _ => reason,
        };
        track.fetching = Some(Fetching { key, segment, reason, before: track.cursor, reserved, limit });
        track.advance(key, &segment, end);
        track.last = Some(key);
        track.because = None;
        track.forced = None;
        track.awaited = None;
        track.since_start = track.since_start.saturating_add(1);
        let priority = if kind == ContentType::Text {
            3
        } else if buffer_ms < 2_000 {
            1
        } else if buffer_ms < 10_000 {
            2
        } else {
            3
        };
        let resource = Resource::Segment { representation: key, segment };
        self.jobs.insert(Owner::Segment(kind), Job::new(resource, priority, now));
        if let Some(init) = segment.init {
            self.want_init(key, init);
        }
        self.report(Event::Decided(Decision {
            track: kind,
            segment,
            chosen: key,
            reason,
            controller: self.controller.name().into(),
            buffer_ms,
            throughput_bps: self.network.bps(),
            candidates: values,
        }));
    }

    fn want_init(&mut self, key: RepresentationKey, init: u32) {
        if !self.inits.contains(&(key, init)) {
            let (resource, now) = (Resource::Init { representation: key, init }, self.now);
            self.jobs.insert_new(Owner::Init(key, init), || Job::new(resource, 0, now));
        }
    }

    fn want_index(&mut self, key: RepresentationKey, priority: u8) {
        let now = self.now;
        self.jobs.insert_new(Owner::Index(key), || Job::new(Resource::Index(key), priority, now));
    }

    /// With enough queued, fetches the indexes that a switch would need, one at a time.
    fn fetch_other_indexes(&mut self) {
        let Some(place) = self.place_of(ContentType::Video) else { return };
        let track = &self.tracks[place];
        let running = self.jobs.keys().any(|owner| matches!(owner, Owner::Index(_)));
        if running || self.ahead(track) < INDEX_AHEAD {
            return;
        }
        let Some(presentation) = self.presentation.as_ref() else { return };
        let is_pending = |key: &RepresentationKey| {
            presentation.representation(*key).is_some_and(|r| r.index.known().is_none())
        };
        let some = || presentation.representations().any(|(key, _)| is_pending(&key));
        let some = self.ladders.some_pending.unwrap_or_else(some);
        if !some {
            self.ladders.some_pending = Some(false);
            return;
        }
        let keys = self.eligible(track, track.cursor.period).keys;
        if let Some(key) = keys.into_iter().find(is_pending) {
            self.want_index(key, 4);
        }
    }

    /// Moves a track to the next period, over a hole if it has no set in this one. `false` when it has to
    /// wait or is complete.
    fn cross_period(&mut self, place: usize) -> bool {
        let Some(presentation) = self.presentation.as_ref() else { return false };
        let track = &self.tracks[place];
        let period = track.cursor.period;
        let end = period_end(presentation, period);
        let next = presentation.periods.get(period as usize + 1).map(|next| next.start);
        if !track.loaded.is_empty() || track.appending.is_some() {
            // A hole has its place after what is still on its way to the queue.
            return false;
        }
        let from = track.cursor.time;
        let empty = track.set(period).is_none();
        let kind = track.kind;
        // A period without sound may be meant so; one without pictures, or without anything, is a loss.
        let bare = presentation.periods.get(period as usize).is_none_or(|p| p.adaptation_sets.is_empty());
        let lost = empty && (kind == ContentType::Video || bare && kind != ContentType::Text);
        let track = &mut self.tracks[place];
        if let Some(end) = end.filter(|end| *end > from && (empty || next.is_some())) {
            track.buffer.push(Entry { start: from, end, content: None });
            if lost {
                self.report(Event::Gap { track: kind, from, to: end });
            }
        }
        let track = &mut self.tracks[place];
        match next {
            Some(start) => {
                let time = start.max(from);
                track.cursor = Cursor { period: period + 1, time, exact: false, after: None };
                true
            }
            None => {
                track.complete = true;
                false
            }
        }
    }

    pub(super) fn segment_loaded(&mut self, kind: ContentType, id: FetchId, transfer: Transfer) {
        let Some(place) = self.place_of(kind) else { return self.order(Output::Discard(id)) };
        let Some(what) = self.tracks[place].fetching.take() else { return self.order(Output::Discard(id)) };
        let bandwidth = self.presentation.as_ref().map_or(1, |p| super::choice::bandwidth(p, what.key));
        let nominal = u128::from(bandwidth) * what.segment.duration().as_millis() / 8000;
        let track = &mut self.tracks[place];
        if let Some(ratio) = (u128::from(transfer.bytes) * 1000).checked_div(nominal) {
            track.size_ratio = (track.size_ratio * 7 + ratio.clamp(50, 4000) as u64) / 8;
        }
        match &mut track.appending {
            // It was handed over as it came.
            Some(appending) if appending.id == id => appending.bytes = transfer.bytes,
            _ => track.loaded.push_back(Loaded { id, bytes: transfer.bytes, what }),
        }
    }

    pub(super) fn segment_failed(&mut self, kind: ContentType, failure: Failure) {
        let Some(place) = self.place_of(kind) else { return };
        let Some(fetching) = self.tracks[place].fetching.take() else { return };
        self.tracks[place].cursor = fetching.before;
        if self.came_too_early(place, &fetching, &failure) {
            return;
        }
        self.blame(place, fetching.key, retry::code(failure.kind, false), failure, Fault::Segment);
    }

    pub(super) fn init_failed(&mut self, key: RepresentationKey, failure: Failure) {
        let code = retry::code(failure.kind, false);
        for place in 0..self.tracks.len() {
            let track = &self.tracks[place];
            let first =
                track.loaded.iter().map(|loaded| &loaded.what).chain(&track.fetching).find(|f| f.key == key);
            if let Some(before) = first.map(|first| first.before) {
                self.rewind(place, before);
                self.blame(place, key, code, failure.clone(), Fault::Representation);
            }
        }
    }

    /// The period at the position, as a place in the presentation's periods.
    pub fn period_now(&self) -> u32 {
        let position = self.position(self.now);
        self.presentation.as_ref().map_or(0, |p| crate::track::period_at(p, position))
    }
}
