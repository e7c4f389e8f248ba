//! When the manifest and the indexes of a growing timeline are fetched again, and what a new state of them
//! changes.
//!
//! Playlists: RFC 8216bis, 6.3.4 (a target duration after the last request when it brought something new,
//! half of one when not, at once when the server holds the answer back). Manifests: every
//! `@minimumUpdatePeriod`, sooner when a track waits for segments.

use super::Session;
use super::ladder::Ladders;
use super::requests::{EXCLUSION, Job, Owner, State};
use crate::error::{Code, Error, Severity};
use crate::presentation::{ContentType, Edge, Presentation, RepresentationKey};
use crate::protocol::{Event, Failure, Resource};
use crate::segments::{Availability, SegmentIndex};
use crate::time::{MediaTime, Timestamp};
use crate::track::{matching_set, period_end};
use std::collections::BTreeMap;
use std::time::Duration;

/// Shortest time between two requests for the same thing that brought nothing new.
const LEAST: Duration = Duration::from_millis(250);
/// Shortest time between two requests for the manifest, whatever it says.
const LEAST_MANIFEST: Duration = Duration::from_millis(500);
/// Assumed target duration where none is stated.
const SEGMENT: Duration = Duration::from_secs(4);
/// An index that has not grown for so many tenths of a target duration is stuck.
const STUCK_TENTHS: u32 = 35;
/// So many times the patience of [`Config::reconnect`](super::Config::reconnect) a broadcast may stand.
const PAUSE_FACTOR: u32 = 4;
/// A period is over when less than this is left of it.
const PERIOD_TOLERANCE: Duration = Duration::from_millis(100);
/// How often the clock is set again, and how often at most.
const CLOCK_EVERY: Duration = Duration::from_secs(600);
const CLOCK_LEAST: Duration = Duration::from_secs(30);

/// When things were fetched last.
#[derive(Clone, Debug, Default)]
pub(super) struct Refresh {
    manifest: Freshness,
    indexes: BTreeMap<RepresentationKey, Freshness>,
    /// A track waits for segments that the manifest or an index has still to name.
    waiting: bool,
    /// The broadcast was said to stand.
    standing: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Freshness {
    /// When the last answer was asked for.
    asked: Timestamp,
    /// When it last brought something new.
    grew: Timestamp,
    /// Whether the last answer did.
    changed: bool,
    /// Failures in a row.
    failures: u32,
}

impl Session {
    /// Arranges the next requests for what the growing timeline is known from.
    pub(super) fn keep_fresh(&mut self) {
        let Some(live) = self.live_facts().cloned() else { return };
        let segment = if live.segment.is_zero() { SEGMENT } else { live.segment };
        if live.edge == Edge::Clock && self.growth.clock.0 < live.clocks {
            self.ask_for_clock();
        }
        if let Some(every) = live.refresh {
            let fresh = self.growth.refresh.manifest;
            let patient = every.max(LEAST_MANIFEST);
            let wait = if self.growth.refresh.waiting {
                patient.min((segment / 2).max(LEAST_MANIFEST))
            } else {
                patient
            };
            let wait = wait.max(LEAST_MANIFEST.saturating_mul(1 << fresh.failures.min(4)));
            self.due(Owner::Presentation, Resource::Presentation, 1, fresh.asked + wait);
            return;
        }
        if live.edge == Edge::Clock {
            return;
        }
        let mut keys = Vec::new();
        for track in self.tracks.iter().filter(|track| !track.dropped && !track.complete) {
            let grows = |(key, _): &(RepresentationKey, _)| self.grows(*key);
            keys.extend(self.index_in_use(track).filter(grows).map(|(key, _)| key));
        }
        // What is no longer in use need not be fresh.
        let idle: Vec<Owner> = self
            .jobs
            .iter()
            .filter_map(|(owner, job)| match (owner, job.state) {
                (Owner::Index(key), State::Due(_)) if self.grows(*key) && !keys.contains(key) => Some(*owner),
                _ => None,
            })
            .filter(|owner| !self.tracks.iter().any(|t| t.awaited.map(Owner::Index) == Some(*owner)))
            .collect();
        for owner in idle {
            self.jobs.remove(&owner);
        }
        for key in keys {
            let at = self.due_again(key, segment, live.part, live.blocking);
            self.due(Owner::Index(key), Resource::Index(key), 1, at);
        }
    }

    /// When an index is to be fetched again.
    fn due_again(
        &self,
        key: RepresentationKey,
        segment: Duration,
        part: Option<Duration>,
        blocking: bool,
    ) -> Timestamp {
        let fresh = self.growth.refresh.indexes.get(&key).copied().unwrap_or_default();
        if fresh.failures > 0 {
            return fresh.asked + (segment / 2).max(LEAST).saturating_mul(1 << fresh.failures.min(3));
        }
        match (blocking, fresh.changed) {
            (true, true) => fresh.asked,
            (true, false) => fresh.asked + (part.unwrap_or(segment) / 2).max(Duration::from_millis(50)),
            (false, true) => fresh.asked + part.unwrap_or(segment).max(LEAST),
            (false, false) => fresh.asked + (part.unwrap_or(segment) / 2).max(LEAST),
        }
    }

    /// Fetches an index again because another of its set lists more.
    pub(super) fn want_newer_index(&mut self, key: RepresentationKey) {
        let asked = self.growth.refresh.indexes.get(&key).map(|fresh| fresh.asked);
        let at = asked.map_or(self.now, |asked| (asked + LEAST).max(self.now));
        self.due(Owner::Index(key), Resource::Index(key), 0, at);
    }

    /// Whether an index that is not known, or older than that of the representation in use, is worth waiting
    /// for, rather than going on without a switch: not when it has just been asked for in vain.
    pub(super) fn can_wait_for_index(&self, place: usize, key: RepresentationKey) -> bool {
        let Some(live) = self.live_facts() else { return false };
        let asked = self.growth.refresh.indexes.get(&key).map(|fresh| fresh.asked);
        let pause = (live.part.unwrap_or(live.segment) / 2).max(LEAST);
        let old = asked.is_none_or(|asked| asked + pause <= self.now);
        old && !self.is_pressed(place)
    }

    /// Whether so little of a track is queued on a growing timeline that nothing can be waited for.
    pub(super) fn is_pressed(&self, place: usize) -> bool {
        let track = &self.tracks[place];
        let known = track.last.is_some_and(|last| self.grows(last));
        known && self.ahead(track) < self.least_ahead(Duration::from_millis(500))
    }

    /// Makes a request due at `at`, or sooner when it already was.
    fn due(&mut self, owner: Owner, resource: Resource, priority: u8, at: Timestamp) {
        match self.jobs.get_mut(&owner) {
            Some(job) => {
                if let State::Due(known) = job.state
                    && job.is_fresh()
                {
                    job.state = State::Due(known.min(at));
                }
            }
            None => {
                self.jobs.insert(owner, Job::new(resource, priority, at));
            }
        }
    }

    fn ask_for_clock(&mut self) {
        let (service, asked) = self.growth.clock;
        let at = asked.map_or(self.now, |asked| asked + CLOCK_EVERY);
        self.due(Owner::Clock, Resource::Clock(service), 0, at);
    }

    /// Sets the clock again soon, because something was not where it should be.
    pub(super) fn want_clock(&mut self) {
        let (service, asked) = self.growth.clock;
        let known = self.live_facts().is_some_and(|live| service < live.clocks);
        if known && let Some(asked) = asked {
            self.due(Owner::Clock, Resource::Clock(service), 0, (asked + CLOCK_LEAST).max(self.now));
        }
    }

    /// Notes that an answer came to a request made at `asked`.
    pub(super) fn refreshed(&mut self, owner: Owner, asked: Timestamp) {
        let now = self.now;
        let fresh = match owner {
            Owner::Presentation => &mut self.growth.refresh.manifest,
            Owner::Index(key) => self.growth.refresh.indexes.entry(key).or_default(),
            Owner::Clock => {
                self.growth.clock.1 = Some(now);
                return;
            }
            Owner::Init(..) | Owner::Segment(_) | Owner::Licence(_) => return,
        };
        // A new state was told after the request for it.
        fresh.changed = fresh.grew >= asked;
        fresh.asked = asked;
        fresh.failures = 0;
    }

    /// A manifest or an index that is known could not be fetched again: `true` when playback goes on with
    /// what is known and it is tried again later.
    pub(super) fn refresh_failed(&mut self, owner: Owner, failure: &Failure) -> bool {
        let known = match owner {
            Owner::Presentation => self.presentation.is_some(),
            Owner::Index(key) => self.grows(key),
            Owner::Clock => {
                self.growth.clock = (self.growth.clock.0 + 1, Some(self.now));
                self.join();
                return true;
            }
            Owner::Init(..) | Owner::Segment(_) | Owner::Licence(_) => false,
        };
        if !known || !self.is_live() {
            return false;
        }
        let now = self.now;
        let fresh = match owner {
            Owner::Index(key) => self.growth.refresh.indexes.entry(key).or_default(),
            _ => &mut self.growth.refresh.manifest,
        };
        fresh.asked = now;
        fresh.changed = false;
        fresh.failures = fresh.failures.saturating_add(1);
        let message = format!("{}; playing on with what is known", failure.detail);
        self.report(Event::Error(Error::new(Severity::Recoverable, Code::Manifest, message)));
        true
    }

    /// Whether an index is known and may still be added to.
    pub(super) fn grows(&self, key: RepresentationKey) -> bool {
        let index = self.presentation.as_ref().and_then(|p| p.representation(key)).map(|r| &r.index);
        self.is_live() && matches!(index, Some(SegmentIndex::Known(runs)) if !runs.complete)
    }

    /// Notes that the manifest says something new.
    pub(super) fn manifest_grew(&mut self) {
        self.growth.refresh.manifest.grew = self.now;
        self.growth.refresh.waiting = false;
        self.growth.refresh.standing = false;
    }

    /// Notes that an index has new segments.
    pub(super) fn index_grew(&mut self, key: RepresentationKey) {
        let now = self.now;
        self.growth.refresh.indexes.entry(key).or_default().grew = now;
        self.growth.refresh.standing = false;
        self.growth.refresh.waiting = false;
    }

    /// A track has fetched all that is listed in its period. `true` when more may come and is waited for.
    pub(super) fn awaits_growth(&mut self, place: usize, key: RepresentationKey) -> bool {
        let Some(live) = self.live_facts().cloned() else { return false };
        let Some(presentation) = self.presentation.as_ref() else { return false };
        let cursor = self.tracks[place].cursor;
        let over =
            period_end(presentation, cursor.period).is_some_and(|end| cursor.time + PERIOD_TOLERANCE >= end);
        let next = presentation.periods.get(cursor.period as usize + 1).map(|next| next.start);
        match next {
            // The next period has begun: what is not listed by now never will be.
            Some(start) if over || self.edge().is_none_or(|edge| edge >= start) => return false,
            None if over && live.refresh.is_none() => return false,
            _ if !self.grows(key) && !over => return false,
            _ => {}
        }
        self.growth.refresh.waiting = true;
        let segment = if live.segment.is_zero() { SEGMENT } else { live.segment };
        self.watch_growth(place, key, segment.saturating_mul(STUCK_TENTHS) / 10);
        true
    }

    /// An index that stands is given up for another; when all stand, the broadcast does.
    fn watch_growth(&mut self, place: usize, key: RepresentationKey, patience: Duration) {
        let (now, live) = (self.now, self.live_facts());
        let by_manifest = live.is_some_and(|live| live.refresh.is_some());
        let refresh = &self.growth.refresh;
        let fresh = if by_manifest { Some(&refresh.manifest) } else { refresh.indexes.get(&key) };
        let Some(grew) = fresh.map(|fresh| fresh.grew) else { return };
        let until = grew + patience;
        if now < until {
            return self.wake(until);
        }
        let period = self.tracks[place].cursor.period;
        let others = self.usable(&self.tracks[place], period).iter().any(|other| *other != key);
        if !by_manifest && others {
            self.excluded.insert(key, now + EXCLUSION);
            let message = "the playlist has stopped growing; trying another one";
            self.report(Event::Error(Error::new(Severity::Recoverable, Code::Standing, message)));
            let track = &mut self.tracks[place];
            track.last = None;
            track.awaited = None;
            track.cursor.after = None;
            return;
        }
        if !self.growth.refresh.standing {
            self.growth.refresh.standing = true;
            let message = "the broadcast is paused; waiting for it to go on";
            self.report(Event::Error(Error::new(Severity::Warning, Code::Standing, message)));
        }
        let longest = self.config.reconnect.saturating_mul(PAUSE_FACTOR);
        let dry = self.clock.dry_for(now);
        if dry >= longest {
            let message = format!("the broadcast has stood for {} s", dry.as_secs());
            return self.fail(Error::new(Severity::Fatal, Code::Standing, message));
        }
        self.wake(now + Duration::from_secs(1));
    }

    /// Takes in a new state of the presentation.
    pub(super) fn on_refreshed_presentation(&mut self, mut next: Presentation) {
        let Some(before) = self.presentation.as_ref() else { return };
        let mut grown = Vec::new();
        let keys: Vec<RepresentationKey> = next.representations().map(|(key, _)| key).collect();
        for key in keys {
            let known = before.representation(key).map(|r| r.index.clone());
            let Some(representation) = next.representation_mut(key) else { continue };
            match (&mut representation.index, known) {
                // An index that was fetched apart from the manifest stays.
                (index @ SegmentIndex::Pending, Some(known)) => *index = known,
                (SegmentIndex::Known(runs), known) => {
                    super::startup::repair(runs);
                    if known.as_ref().and_then(SegmentIndex::known) != Some(runs) {
                        grown.push((key, runs.clone()));
                    }
                }
                _ => {}
            }
        }
        let news = !grown.is_empty() || next.periods.len() != before.periods.len();
        for (key, runs) in &grown {
            self.rebase(*key, runs);
        }
        let ended = !next.dynamic && self.presentation.as_ref().is_some_and(|p| p.dynamic);
        let periods = next.periods.len();
        self.presentation = Some(next);
        if news || ended {
            self.manifest_grew();
        }
        for (key, _) in &grown {
            self.observe_edge(*key);
        }
        self.extend_tracks(periods);
        if ended {
            self.end_growth();
        }
        self.adopt_live();
        self.join();
    }

    /// Finds the sets of periods that are new.
    fn extend_tracks(&mut self, periods: usize) {
        for place in 0..self.tracks.len() {
            let (kind, wish) = (self.tracks[place].kind, self.tracks[place].wish.clone());
            for at in self.tracks[place].sets.len()..periods {
                let period = u32::try_from(at).unwrap_or(u32::MAX);
                let carried = kind == ContentType::Audio && self.is_muxed(period);
                let set = self.presentation.as_ref().and_then(|p| p.periods.get(at)).and_then(|listed| {
                    matching_set(listed, kind, &wish, |set| !carried && self.is_usable(period, set))
                });
                let track = &mut self.tracks[place];
                track.sets.push(set);
                // What was the last period is not any more.
                track.complete &= track.ended;
            }
        }
    }

    /// Nothing more will be produced: what is left is played to its end.
    pub(super) fn end_growth(&mut self) {
        let end = self.listed_end();
        let Some(presentation) = self.presentation.as_mut() else { return };
        presentation.dynamic = false;
        presentation.live = None;
        self.ladders = Ladders::default();
        presentation.duration = presentation.duration.or_else(|| Some(end?.since(MediaTime::ZERO)));
        self.jobs.retain(|owner, job| {
            let again = matches!(owner, Owner::Presentation | Owner::Clock);
            !(again && matches!(job.state, State::Due(_)))
        });
        let (duration, dynamic) = (presentation.duration, false);
        let representations = u32::try_from(presentation.representations().count()).unwrap_or(u32::MAX);
        self.report(Event::Manifest { dynamic, duration, representations });
    }

    /// End of the timeline as far as it is known.
    pub(super) fn timeline_end(&self) -> Option<MediaTime> {
        let presentation = self.presentation.as_ref()?;
        let stated = presentation.duration.map(|duration| MediaTime::ZERO + duration);
        let last = presentation.periods.last()?;
        let periods = last.duration.map(|duration| last.start + duration);
        let sets = last.adaptation_sets.iter();
        let indexes =
            sets.flat_map(|set| &set.representations).filter_map(|r| Some(r.index.known()?.span()?.1));
        stated.or(periods).or_else(|| indexes.max())
    }

    /// End of what the indexes in use list.
    fn listed_end(&self) -> Option<MediaTime> {
        let active = self.tracks.iter().filter(|track| !track.dropped);
        let ends = active.filter_map(|track| {
            let (_, runs) = self.index_in_use(track)?;
            (runs.availability == Availability::Listed || runs.complete).then(|| Some(runs.span()?.1))?
        });
        ends.max()
    }
}
