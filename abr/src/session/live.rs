//! A timeline that grows: where its live edge is, where playback joins it, and how it stays with it.
//!
//! The live edge is known from wall-clock time where the manifest dates its timeline (DASH), else from when
//! the indexes listed what (HLS): between two indexes it moves on as time does.

use super::Session;
use super::latency::{Latency, Verdict};
use crate::error::{Code, Error, Severity};
use crate::presentation::{ContentType, Edge, Live, RepresentationKey};
use crate::protocol::{ClockSource, Event, Failure, FailureKind, Output};
use crate::segments::{Availability, Segment, SegmentIndex, SegmentRuns};
use crate::time::{MediaTime, Timestamp, WallClock, nanos};
use crate::track::{Cursor, Fetching, Track, period_at};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How often the latency is looked at while playback runs.
const LOOK: Duration = Duration::from_millis(200);
/// So many observations of the live edge are kept per track; the most advanced counts.
const OBSERVATIONS: usize = 16;
/// A clock and an index that disagree by more than this about the live edge: the index is believed.
const DISAGREEMENT: Duration = Duration::from_secs(20);
/// What is queued is trimmed at the start when playback would begin more than this too far behind.
const TRIM_MS: i64 = 40;
/// Playback does not begin before it can begin at the target, but does not wait for that longer than this.
const START_PATIENCE: Duration = Duration::from_secs(1);
/// Playback that has fallen out of the window goes on until less than this is queued.
const LAST_MOMENT: Duration = Duration::from_secs(1);
/// How often a segment at the live edge that is not there yet is asked for again.
const EARLY_TRIES: u32 = 4;
/// An answer from a clock service that has not come by then is not waited for.
const CLOCK_PATIENCE: Duration = Duration::from_secs(2);
const NORMAL: u32 = 1000;

/// What is known about the growth of the timeline.
#[derive(Clone, Debug, Default)]
pub(super) struct Growth {
    wall: Option<Wall>,
    /// Per track, by how many nanoseconds the end of the index was ahead of the session's time.
    leads: BTreeMap<ContentType, VecDeque<i64>>,
    latency: Option<Latency>,
    joined: bool,
    /// Playback is to be at the target; otherwise the viewer is elsewhere in the window.
    following: bool,
    /// The segment at the live edge that was not there yet, and how often it was asked for.
    early: BTreeMap<ContentType, (MediaTime, u32)>,
    /// When the manifest came.
    since: Timestamp,
    /// The clock service to ask next, and when one was asked last.
    pub(super) clock: (u32, Option<Timestamp>),
    pub(super) refresh: super::refresh::Refresh,
}

#[derive(Clone, Copy, Debug)]
struct Wall {
    at: Timestamp,
    time: WallClock,
    source: ClockSource,
}

/// Where playback is on a growing timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LivePosition {
    /// The live edge.
    pub edge: MediaTime,
    /// The earliest time that can be played.
    pub window_start: MediaTime,
    /// Distance of the position from the live edge in milliseconds; negative when a clock is wrong.
    pub latency_ms: i64,
    /// The distance to hold.
    pub target_ms: i64,
    /// Playback rate in thousandths.
    pub rate_permille: u32,
    /// Whether the target is being held; otherwise the viewer has gone elsewhere.
    pub following: bool,
}

impl Session {
    /// How the timeline grows, while it does.
    pub(super) fn live_facts(&self) -> Option<&Live> {
        self.presentation.as_ref().filter(|p| p.dynamic)?.live.as_ref()
    }

    pub(super) fn is_live(&self) -> bool {
        self.live_facts().is_some()
    }

    /// Where playback is on a growing timeline; `None` on one that is complete, and before playback joined.
    pub fn live_position(&self, now: Timestamp) -> Option<LivePosition> {
        let latency = self.growth.latency.as_ref().filter(|_| self.is_live() && self.growth.joined)?;
        let now = now.max(self.now);
        let edge = self.edge_at(now)?;
        Some(LivePosition {
            edge,
            window_start: self.window_start().unwrap_or(MediaTime::ZERO),
            latency_ms: signed_millis(edge, self.position(now)),
            target_ms: latency.target_ms(),
            rate_permille: self.clock.rate(),
            following: self.growth.following,
        })
    }

    /// Wall-clock time of a point of the timeline, where the manifest dates it.
    pub fn wall_clock_of(&self, time: MediaTime) -> Option<WallClock> {
        let zero = self.presentation.as_ref()?.availability_start?;
        Some(WallClock::from_millis(zero.as_millis().saturating_add(time.as_millis())))
    }

    pub(super) fn on_wall_clock(&mut self, time: WallClock, source: ClockSource) {
        let before = self.growth.wall;
        if before.is_some_and(|before| before.source > source) {
            return;
        }
        if let Some(before) = before {
            let predicted = before.time.as_millis().saturating_add(millis(self.now.since(before.at)));
            let by_ms = time.as_millis().saturating_sub(predicted);
            self.report(Event::ClockDrift { by_ms });
        }
        self.growth.wall = Some(Wall { at: self.now, time, source });
        self.join();
    }

    /// What an index, or a manifest that came, says about how the timeline grows.
    pub(super) fn on_live(&mut self, live: Live, zero: Option<WallClock>) {
        let Some(presentation) = self.presentation.as_mut() else { return };
        presentation.dynamic = true;
        presentation.duration = None;
        presentation.availability_start = zero.or(presentation.availability_start);
        presentation.live = Some(live);
        self.adopt_live();
    }

    /// Follows what the presentation says about growing.
    pub(super) fn adopt_live(&mut self) {
        let Some(live) = self.live_facts().cloned() else { return };
        let (user, rates) = (self.config.live_latency, self.config.catch_up);
        match &mut self.growth.latency {
            Some(latency) => latency.adopt(&live, user, rates),
            None => {
                self.growth.latency = Some(Latency::new(&live, user, rates));
                self.growth.following = true;
                self.growth.since = self.now;
            }
        }
    }

    /// Notes the live edge that a new index shows.
    pub(super) fn observe_edge(&mut self, key: RepresentationKey) {
        let Some(presentation) = self.presentation.as_ref().filter(|p| p.dynamic) else { return };
        let Some(kind) = presentation.adaptation_set(key).map(|set| set.content_type) else { return };
        let Some(runs) = presentation.representation(key).and_then(|r| r.index.known()) else { return };
        if runs.availability != Availability::Listed || runs.complete {
            return;
        }
        let Some(end) = runs.listed_end() else { return };
        let lead = i128::from(end.as_nanos()) - i128::from(self.now.as_nanos());
        let leads = self.growth.leads.entry(kind).or_default();
        if leads.len() == OBSERVATIONS {
            leads.pop_front();
        }
        leads.push_back(i64::try_from(lead).unwrap_or(i64::MIN));
    }

    pub(super) fn edge(&self) -> Option<MediaTime> {
        self.edge_at(self.now)
    }

    fn edge_at(&self, now: Timestamp) -> Option<MediaTime> {
        let live = self.live_facts()?;
        let listed = self.listed_edge(now);
        if live.edge == Edge::Listed {
            return listed;
        }
        let zero = self.presentation.as_ref()?.availability_start?.as_millis();
        let clocked = self.growth.wall.map(|wall| {
            let start = MediaTime::from_millis(wall.time.as_millis().saturating_sub(zero));
            start + now.since(wall.at)
        });
        match (clocked, listed) {
            // A clock that is minutes wrong would ask for what does not exist, or for nothing at all.
            (Some(clocked), Some(listed)) => {
                let tolerance = DISAGREEMENT.max(live.segment.saturating_mul(4));
                let apart = clocked.since(listed).max(listed.since(clocked));
                Some(if apart > tolerance { listed } else { clocked })
            }
            (clocked, listed) => clocked.or(listed),
        }
    }

    /// The live edge as the indexes show it: the least advanced of the tracks counts.
    fn listed_edge(&self, now: Timestamp) -> Option<MediaTime> {
        let active = self.tracks.iter().filter(|track| !track.dropped);
        let leads = active.filter_map(|track| self.growth.leads.get(&track.kind)?.iter().max());
        let lead = leads.min()?;
        let at = i128::from(*lead) + i128::from(now.as_nanos());
        Some(MediaTime::from_nanos(i64::try_from(at).ok()?))
    }

    /// The index that a track uses, or would begin with.
    pub(super) fn index_in_use(&self, track: &Track) -> Option<(RepresentationKey, &SegmentRuns)> {
        let presentation = self.presentation.as_ref()?;
        let adaptation_set = track.set(track.cursor.period)?;
        let key = |representation| RepresentationKey {
            period: track.cursor.period,
            adaptation_set,
            representation,
        };
        let count = u32::try_from(presentation.adaptation_set(key(0))?.representations.len()).ok()?;
        let own = |last: &RepresentationKey| {
            (last.period, last.adaptation_set) == (track.cursor.period, adaptation_set)
        };
        let first = track.awaited.filter(own).into_iter().chain(track.last.filter(own));
        first
            .chain((0..count).map(key))
            .find_map(|key| Some((key, presentation.representation(key)?.index.known()?)))
    }

    /// The earliest time that can be played on all tracks.
    pub(super) fn window_start(&self) -> Option<MediaTime> {
        let live = self.live_facts()?;
        let start = self.presentation.as_ref()?.periods.first()?.start;
        let kept = live.window.zip(self.edge()).map(|(window, edge)| edge - window);
        let first = |track: &Track| {
            let presentation = self.presentation.as_ref()?;
            let (key, runs) = self.index_in_use(track)?;
            // In a later period, the periods before it are still there.
            let earliest = key.period == 0 || presentation.periods.len() == 1;
            (earliest && runs.availability == Availability::Listed).then(|| Some(runs.get(0)?.start))?
        };
        let listed = self.tracks.iter().filter(|track| !track.dropped).filter_map(first).max();
        Some(listed.or(kept).map_or(start, |at| at.max(start)))
    }

    /// Where playback should be now.
    pub(super) fn aim(&self) -> Option<MediaTime> {
        let target = self.growth.latency.as_ref()?.target_ms();
        let aim = self.edge()? - Duration::from_millis(u64::try_from(target).unwrap_or(0));
        Some(self.window_start().map_or(aim, |start| aim.max(start)))
    }

    /// Chooses where playback begins, once the live edge is known.
    pub(super) fn join(&mut self) {
        if self.growth.joined || !self.is_live() || self.tracks.is_empty() || self.awaits_clock() {
            return;
        }
        let (Some(aim), Some(edge), Some(start)) = (self.aim(), self.edge(), self.window_start()) else {
            return;
        };
        self.growth.joined = true;
        let wished = self.config.start_at;
        let to = if wished > MediaTime::ZERO && wished >= start && wished <= aim { wished } else { aim };
        self.growth.following = to == aim || signed_millis(edge, to) <= self.jump_ms();
        self.clock.start_at(to);
        let period = self.presentation.as_ref().map_or(0, |p| period_at(p, to));
        for place in 0..self.tracks.len() {
            self.empty_track(place);
            self.tracks[place].cursor = Cursor { period, time: to, exact: true, after: None };
        }
        let target_ms = self.growth.latency.as_ref().map_or(0, Latency::target_ms);
        let target = Duration::from_millis(u64::try_from(target_ms).unwrap_or(0));
        self.report(Event::Joined { position: to, edge, target });
        self.order(Output::Seek { to, buffered: false });
    }

    pub(super) fn has_joined(&self) -> bool {
        self.growth.joined
    }

    fn jump_ms(&self) -> i64 {
        self.growth.latency.as_ref().map_or(i64::MAX, Latency::jump_ms)
    }

    /// Whether a service that tells the time has still to answer.
    fn awaits_clock(&mut self) -> bool {
        let Some(live) = self.live_facts() else { return false };
        let disciplined = self.growth.wall.is_some_and(|wall| wall.source == ClockSource::Manifest);
        if live.edge == Edge::Listed || disciplined || self.growth.clock.0 >= live.clocks {
            return false;
        }
        let until = self.growth.since + CLOCK_PATIENCE;
        if self.now < until {
            self.wake(until);
        }
        self.now < until
    }

    /// What must be queued for playback to begin or go on: no more than there can be.
    pub(super) fn least_ahead(&self, usual: Duration) -> Duration {
        let Some(latency) = self.growth.latency.as_ref().filter(|_| self.is_live()) else { return usual };
        let target = Duration::from_millis(u64::try_from(latency.target_ms()).unwrap_or(0));
        usual.min(target / 3)
    }

    /// When a segment can be had; `None` when that is now.
    fn available_at(&self, runs: &SegmentRuns, segment: &Segment) -> Option<Timestamp> {
        let Availability::Early(early) = runs.availability else { return None };
        let ready = (segment.end - early).max(segment.start);
        let wait = ready.since(self.edge()?);
        (!wait.is_zero()).then(|| self.now + wait)
    }

    /// Whether the next segment of a track exists, as far as that can be known; otherwise it is waited for.
    pub(super) fn is_within_reach(&mut self, place: usize) -> bool {
        if !self.is_live() {
            return true;
        }
        if let Some(found) = self.peek(place) {
            return self.has_joined() && self.is_due(place, found);
        }
        let Some((key, _)) = self.index_in_use(&self.tracks[place]) else { return true };
        // Without a place on the timeline there is no next segment.
        self.has_joined() && !self.awaits_growth(place, key)
    }

    /// Whether `segment` of `key` can only be decoded after others, and the representation in use can go on.
    pub(super) fn must_stay(&self, place: usize, key: RepresentationKey, segment: &Segment) -> bool {
        let dependent = segment.part.is_some_and(|part| !part.independent && part.index > 0);
        let last = self.tracks[place].last;
        let goes_on = self.peek(place).is_some_and(|(next, found)| Some(next) == last && !found.gap);
        dependent && last != Some(key) && goes_on && !self.tracks[place].cursor.exact
    }

    /// Whether the segment that `found` names for a track can be fetched now; arranges to be woken when it
    /// can be later, and mends what has fallen out of the window.
    pub(super) fn is_due(&mut self, place: usize, found: (RepresentationKey, Segment)) -> bool {
        let (key, segment) = found;
        let Some(runs) =
            self.presentation.as_ref().and_then(|p| p.representation(key)).and_then(|r| r.index.known())
        else {
            return true;
        };
        if let Some(at) = self.available_at(runs, &segment) {
            self.wake(at);
            return false;
        }
        let time = self.tracks[place].cursor.time;
        let lost = match runs.availability {
            Availability::Listed => segment.position == 0 && segment.start > time + segment.duration() / 2,
            Availability::Early(_) => {
                self.window_start().is_some_and(|start| segment.end + segment.duration() < start)
            }
        };
        !lost || self.fell_behind(place)
    }

    /// The window has moved past what a track needs next: on with the live edge, as soon as what is queued
    /// has been played. `false` always: there is nothing to fetch.
    fn fell_behind(&mut self, place: usize) -> bool {
        let position = self.position(self.now);
        let ahead = self.tracks[place].buffer.ahead(position);
        let idle = self.tracks[place].is_drained();
        if self.clock.is_seeking() && self.clock.run {
            return false;
        }
        if ahead > LAST_MOMENT || !idle {
            self.wake(self.now + ahead.saturating_sub(LAST_MOMENT).max(LOOK));
            return false;
        }
        let message = "what was to be played next is no longer kept by the server; going on nearer to live";
        self.report(Event::Error(Error::new(Severity::Recoverable, Code::BehindWindow, message)));
        self.jump();
        false
    }

    /// Goes to the target.
    pub(super) fn jump(&mut self) {
        let Some(to) = self.aim() else { return };
        let from = self.position(self.now);
        self.growth.following = true;
        self.report(Event::Jumped { from, to });
        self.begin_seek(to);
    }

    /// [`Command::GoLive`](crate::protocol::Command::GoLive).
    pub(super) fn go_live(&mut self) {
        if let Some(to) = self.aim().filter(|_| self.growth.joined) {
            self.growth.following = true;
            self.seek_now(to);
        }
    }

    /// The bounds that a seek keeps to on a growing timeline.
    pub(super) fn seekable(&self) -> Option<(MediaTime, MediaTime)> {
        let start = self.window_start()?;
        Some((start, self.aim()?.max(start)))
    }

    /// The user has gone to `to`, or goes on there: near the target it is held again.
    pub(super) fn follow_from(&mut self, to: MediaTime) {
        if let Some(edge) = self.edge() {
            self.growth.following = signed_millis(edge, to) <= self.jump_ms();
        }
    }

    /// Where playback would begin now: at the target, as long as it is not much farther than `position`.
    pub(super) fn start_from(&self, position: MediaTime) -> MediaTime {
        let following = self.growth.joined && self.growth.following && !self.clock.has_started();
        let aim = self.aim().filter(|aim| following && aim.since(position) < START_PATIENCE);
        aim.map_or(position, |aim| aim.max(position))
    }

    /// Before playback begins: leaves out what the start has cost, where that much is queued.
    pub(super) fn trim_start(&mut self, position: MediaTime) -> MediaTime {
        let Some(aim) = self.aim().filter(|_| self.growth.joined && self.growth.following) else {
            return position;
        };
        let need = self.least_ahead(Duration::from_millis(500));
        let active = self.tracks.iter().filter(|track| !track.dropped);
        let ends = active.map(|track| track.buffer.end().unwrap_or(MediaTime::MIN) - need);
        let Some(to) = ends.min().map(|end| end.min(aim)) else { return position };
        let holds = |track: &Track| track.buffer.at(to).is_some_and(|entry| entry.content.is_some());
        let held = self.tracks.iter().all(|track| track.dropped || holds(track));
        if signed_millis(to, position) < TRIM_MS || !held {
            return position;
        }
        self.clock.start_at(to);
        self.order(Output::Seek { to, buffered: true });
        to
    }

    /// Holds the distance from the live edge by the playback rate.
    pub(super) fn hold_latency(&mut self) {
        if !self.growth.joined || !self.clock.run || self.clock.is_seeking() {
            return;
        }
        if !self.is_live() {
            // Complete now: it plays to its end as it is.
            if self.growth.latency.take().is_some() && self.clock.rate() != self.clock.wished_rate() {
                self.apply_rate(self.clock.wished_rate());
            }
            return;
        }
        let Some(edge) = self.edge() else { return };
        let position = self.position(self.now);
        let active = self.tracks.iter().filter(|track| !track.dropped && !track.complete);
        let queued = active.map(|track| track.buffer.ahead(position)).min().unwrap_or(Duration::MAX);
        let follow = self.growth.following && self.clock.wished_rate() == NORMAL;
        let Some(latency) = self.growth.latency.as_mut() else { return };
        match latency.decide(self.now, signed_millis(edge, position), queued, follow) {
            Verdict::Keep => {}
            Verdict::Rate(rate) if self.clock.wished_rate() == NORMAL => self.apply_rate(rate),
            Verdict::Rate(_) => {}
            Verdict::Jump => self.jump(),
        }
        self.wake(self.now + LOOK);
    }

    /// Playback ran dry on a growing timeline.
    pub(super) fn live_stalled(&mut self) {
        let now = self.now;
        if let Some(latency) = self.growth.latency.as_mut().filter(|_| self.growth.joined) {
            latency.stalled(now);
            self.apply_rate(self.clock.wished_rate());
        }
    }

    /// The rate is the wished one again, because playback is elsewhere.
    pub(super) fn reset_rate(&mut self) {
        if let Some(latency) = self.growth.latency.as_mut() {
            latency.reset();
            self.apply_rate(self.clock.wished_rate());
        }
    }

    /// What a controller may know about the live edge.
    pub(super) fn live_situation(&self) -> Option<crate::controller::Live> {
        let live = self.live_position(self.now)?;
        let span = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        Some(crate::controller::Live {
            latency: span(live.latency_ms),
            target: span(live.target_ms),
            rate_permille: live.rate_permille,
        })
    }

    /// The most that can be queued ahead of the position.
    pub(super) fn most_ahead(&self) -> Duration {
        let target = self.live_situation().filter(|_| self.growth.following).map(|live| live.target);
        target.map_or(self.config.buffer_ahead, |target| target.min(self.config.buffer_ahead))
    }

    /// A segment at the live edge that the server does not have yet is asked for again soon: `true` when that
    /// explains the failure.
    pub(super) fn came_too_early(&mut self, place: usize, fetching: &Fetching, failure: &Failure) -> bool {
        let missing = matches!(failure.kind, FailureKind::Status(403 | 404 | 410 | 425));
        let Some(edge) = self.edge().filter(|_| missing && self.growth.joined) else { return false };
        let (segment, kind) = (fetching.segment, self.tracks[place].kind);
        if segment.end + segment.duration().saturating_mul(2) < edge {
            return false;
        }
        let early = self.growth.early.entry(kind).or_default();
        if early.0 != segment.start {
            *early = (segment.start, 0);
        }
        early.1 += 1;
        if early.1 > EARLY_TRIES {
            return false;
        }
        self.want_clock();
        let message = format!("{}; it may not be there yet, asking again", failure.detail);
        self.report(Event::Error(Error::new(Severity::Recoverable, Code::Status, message)));
        let track = &mut self.tracks[place];
        track.forced = Some(fetching.key);
        track.hold_until = self.now + (segment.duration() / 2).max(Duration::from_millis(50));
        true
    }

    /// Keeps cursors in place when the index that they refer to is replaced by `next`.
    pub(super) fn rebase(&mut self, key: RepresentationKey, next: &SegmentRuns) {
        let Some(old) = self.presentation.as_ref().and_then(|p| p.representation(key)) else { return };
        let SegmentIndex::Known(old) = &old.index else { return };
        let moved = |cursor: &mut Cursor| {
            if let Some((of, position)) = cursor.after
                && of == key
            {
                let found = old.get(position).and_then(|segment| next.position_of(&segment));
                cursor.after = found.map(|position| (key, position));
            }
        };
        for track in &mut self.tracks {
            moved(&mut track.cursor);
            if let Some(fetching) = &mut track.fetching {
                moved(&mut fetching.before);
            }
            for loaded in track.loaded.iter_mut().chain(&mut track.appending) {
                moved(&mut loaded.what.before);
            }
        }
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(nanos(span) / 1_000_000).unwrap_or(i64::MAX)
}

/// `later` less `earlier`, in milliseconds.
fn signed_millis(later: MediaTime, earlier: MediaTime) -> i64 {
    later.as_nanos().saturating_sub(earlier.as_nanos()).div_euclid(1_000_000)
}
