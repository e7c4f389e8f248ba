//! When playback runs: start, stalls, pauses, seeks and the end.

use super::{Config, Session};
use crate::controller::Notice;
use crate::presentation::ContentType;
use crate::protocol::{Event, Output, Phase};
use crate::time::{MediaTime, Timestamp, nanos};
use crate::track::{Cursor, period_at};
use std::time::Duration;

/// Least to have queued before playback starts.
const START_AHEAD: Duration = Duration::from_millis(500);
/// Least to have queued before playback resumes after a stall.
const RESUME_AHEAD: Duration = Duration::from_secs(2);
/// A seek ends without word from the pipeline when its data has been there for so long; a seek that waits
/// for it begins earlier.
const READY_PATIENCE: Duration = Duration::from_secs(2);
const QUEUED_PATIENCE: Duration = Duration::from_millis(500);
/// How far from a seek's target its first picture may be.
const READY_TOLERANCE: Duration = Duration::from_secs(2);
/// The last moment of the timeline to which one can seek lies this far before its end.
const END_MARGIN: Duration = Duration::from_millis(100);
/// A timeline begins with its first segment when that starts by more than this later.
const LATE_START: Duration = Duration::from_secs(2);
/// Shorter holes are not worth a leap.
const LEAST_LEAP: Duration = Duration::from_millis(250);
/// Rates are kept in thousandths.
const NORMAL: u32 = 1000;

/// The presentation clock as ordered and as reported.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// Position at `at`.
    position: MediaTime,
    at: Timestamp,
    /// What was ordered.
    pub(super) run: bool,
    /// What the pipeline says.
    running: bool,
    rate: u32,
    /// The rate that the user wishes.
    wished: u32,
    paused: bool,
    started: bool,
    /// Resumed by the user, but not running yet.
    resuming: bool,
    stalled: Option<Timestamp>,
    seeking: Option<Seeking>,
    queued: Option<MediaTime>,
    ended: bool,
    /// When the position last changed.
    pub(super) moved: Timestamp,
    pub(super) nudged: bool,
}

#[derive(Clone, Copy, Debug)]
struct Seeking {
    to: MediaTime,
    began: Timestamp,
    /// Since when everything for the target has been queued.
    satisfied: Option<Timestamp>,
}

impl Clock {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            position: config.start_at,
            at: Timestamp::ZERO,
            run: false,
            running: false,
            rate: NORMAL,
            wished: NORMAL,
            paused: !config.autoplay,
            started: false,
            resuming: false,
            stalled: None,
            seeking: None,
            queued: None,
            ended: false,
            moved: Timestamp::ZERO,
            nudged: false,
        }
    }

    pub(super) fn start_at(&mut self, position: MediaTime) {
        self.position = position;
    }

    /// Playback rate in thousandths, as ordered.
    pub(super) fn rate(&self) -> u32 {
        self.rate
    }

    /// Playback rate in thousandths, as wished by the user.
    pub(super) fn wished_rate(&self) -> u32 {
        self.wished
    }

    /// Where the pipeline last said it was.
    pub(super) fn told(&self) -> MediaTime {
        self.position
    }

    pub(super) fn position(&self, now: Timestamp) -> MediaTime {
        if !(self.run && self.running) {
            return self.position;
        }
        if self.rate == NORMAL {
            return self.position + now.since(self.at);
        }
        let elapsed = u128::from(nanos(now.since(self.at))) * u128::from(self.rate) / u128::from(NORMAL);
        self.position + Duration::from_nanos(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// How long until the position has moved by `span`; `None` while it stands.
    pub(super) fn time_until(&self, span: Duration) -> Option<Duration> {
        if self.rate == NORMAL {
            return (self.run && self.running).then_some(span);
        }
        let scaled = u128::from(nanos(span)) * u128::from(NORMAL) / u128::from(self.rate.max(1));
        (self.run && self.running).then(|| Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX)))
    }

    pub(super) fn has_started(&self) -> bool {
        self.started
    }

    pub(super) fn is_seeking(&self) -> bool {
        self.seeking.is_some()
    }

    /// Whether it runs at the normal rate as ordered, or stands, and nothing else is wished for.
    pub(super) fn is_plain(&self) -> bool {
        let obeys = self.run == self.running || !self.run;
        obeys && self.rate == NORMAL && self.seeking.is_none() && !self.nudged && !self.paused
    }

    fn is_paused_midway(&self) -> bool {
        self.paused && self.started
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// How long playback has been waiting for samples.
    pub(super) fn dry_for(&self, now: Timestamp) -> Duration {
        let since = self.stalled.or_else(|| self.seeking.map(|seeking| seeking.began));
        since.map_or(Duration::ZERO, |since| now.since(since))
    }

    pub(super) fn phase(&self) -> Phase {
        if self.ended {
            Phase::Ended
        } else if self.seeking.is_some() {
            Phase::Seeking
        } else if self.paused {
            Phase::Paused
        } else if !self.started {
            Phase::Starting
        } else if self.run {
            Phase::Playing
        } else {
            Phase::Stalled
        }
    }

    fn anchor(&mut self, position: MediaTime, now: Timestamp) {
        self.position = position;
        self.at = now;
    }
}

impl Session {
    /// Starts, holds and resumes the clock as the queues allow, and carries seeks to their end.
    pub(super) fn run_clock(&mut self) {
        let active = self.paced_places();
        if active.is_empty() || self.clock.ended {
            return;
        }
        self.finish_seek();
        self.leap_holes(&active);
        let position = self.position(self.now);
        let need = self.need();
        if !self.clock.run {
            let tracks = || active.iter().map(|place| &self.tracks[*place]);
            // Holes alone are nothing to play.
            let from = self.start_from(position);
            let ready = tracks().all(|track| track.is_ready(from, need))
                && (tracks().any(|track| track.buffer.segments_ahead(position) > 0)
                    || tracks().all(|track| track.complete));
            if ready && !self.clock.paused {
                self.start_clock(position);
            } else if !self.clock.paused && self.clock.started && !self.clock.is_seeking() {
                self.begin_stall(position);
            }
        }
        if self.clock.run {
            let dry = active
                .iter()
                .map(|place| &self.tracks[*place])
                .filter(|track| !(track.ended || track.complete && track.is_drained()))
                .map(|track| track.buffer.end().unwrap_or(MediaTime::MIN))
                .min();
            let Some(dry) = dry else { return };
            if position >= dry {
                self.order_clock(false);
                self.begin_stall(position);
            } else if let Some(left) = self.clock.time_until(dry.since(position)) {
                self.wake(self.now + left);
            }
        }
    }

    /// What must be queued for playback to begin or go on.
    pub(super) fn need(&self) -> Duration {
        let need = if self.clock.started && !self.clock.is_seeking() { RESUME_AHEAD } else { START_AHEAD };
        self.least_ahead(need)
    }

    /// Leaps to the end of a hole that all tracks share, once all are queued there: before the clock starts,
    /// and over periods that have nothing to play.
    fn leap_holes(&mut self, active: &[usize]) {
        if self.clock.is_seeking() || self.clock.is_paused_midway() {
            return;
        }
        let position = self.position(self.now);
        let Some(presentation) = self.presentation.as_ref() else { return };
        let period = period_at(presentation, position);
        let open = || active.iter().map(|place| &self.tracks[*place]).filter(|track| !track.ended);
        if self.clock.run && open().any(|track| track.set(period).is_some()) {
            return;
        }
        if open().any(|track| !track.buffer.has_holes()) {
            return;
        }
        let ends: Option<Vec<MediaTime>> = open().map(|track| track.buffer.hole_end(position)).collect();
        let Some(to) = ends.and_then(|ends| ends.into_iter().min()) else { return };
        if to > position + LEAST_LEAP && open().all(|track| track.buffer.contains(to)) {
            self.begin_seek(to);
        }
    }

    fn start_clock(&mut self, position: MediaTime) {
        self.end_stall();
        let position = if self.clock.started { position } else { self.trim_start(position) };
        self.order_clock(true);
        if !self.clock.started {
            self.clock.started = true;
            self.report(Event::Playing { position });
        } else if self.clock.resuming {
            self.report(Event::Resumed { position });
        }
        self.clock.resuming = false;
        self.clock.moved = self.now;
    }

    fn begin_stall(&mut self, position: MediaTime) {
        if self.clock.stalled.is_none() {
            self.clock.stalled = Some(self.now);
            self.report(Event::StallStart { position });
            self.live_stalled();
        }
    }

    pub(super) fn end_stall(&mut self) {
        if let Some(since) = self.clock.stalled.take() {
            let (position, stalled) = (self.position(self.now), self.now.since(since));
            self.report(Event::StallEnd { position, stalled });
        }
    }

    pub(super) fn order_clock(&mut self, run: bool) {
        if self.clock.run != run {
            let position = self.position(self.now);
            self.clock.anchor(position, self.now);
            self.clock.run = run;
            self.clock.running = false;
            let rate = f64::from(self.clock.rate) / f64::from(NORMAL);
            self.order(Output::Clock { run, rate });
        }
    }

    pub(super) fn play(&mut self) {
        if self.clock.ended {
            self.clock.paused = false;
            let start = self.presentation.as_ref().and_then(|p| p.periods.first()).map(|p| p.start);
            self.seek(start.unwrap_or(MediaTime::ZERO));
        } else if self.clock.paused {
            self.clock.paused = false;
            self.clock.resuming = self.clock.started;
            if self.clock.started {
                self.follow_from(self.position(self.now));
            }
        }
    }

    pub(super) fn pause(&mut self) {
        if self.clock.paused || self.clock.ended {
            return;
        }
        self.end_stall();
        self.clock.paused = true;
        self.order_clock(false);
        if self.clock.started {
            let position = self.position(self.now);
            self.report(Event::Paused { position });
        }
    }

    pub(super) fn set_rate(&mut self, rate: f64) {
        if !rate.is_finite() || rate <= 0.0 {
            return;
        }
        let rate = (rate.clamp(0.1, 16.0) * f64::from(NORMAL)).round() as u32;
        self.clock.wished = rate;
        self.apply_rate(rate);
    }

    /// Plays at a rate in thousandths.
    pub(super) fn apply_rate(&mut self, rate: u32) {
        if rate != self.clock.rate {
            let position = self.position(self.now);
            self.clock.anchor(position, self.now);
            self.clock.rate = rate;
            if self.clock.run {
                self.order(Output::Clock { run: true, rate: f64::from(rate) / f64::from(NORMAL) });
            }
        }
    }

    pub(super) fn on_playback(&mut self, position: MediaTime, running: bool) {
        // Until a seek has arrived, the pipeline may still be speaking about the place before it.
        if self.clock.is_seeking() {
            self.clock.running = running;
            return;
        }
        if position != self.clock.position {
            self.clock.moved = self.now;
            self.clock.nudged = false;
        }
        self.clock.anchor(position, self.now);
        self.clock.running = running;
    }

    pub(super) fn on_drained(&mut self) {
        let done = self.tracks.iter().all(|track| track.ended || track.dropped || !track.paces());
        if done && !self.tracks.is_empty() && !self.clock.ended && self.over.is_none() {
            self.end_playback();
        }
    }

    pub(super) fn end_playback(&mut self) {
        if let Some(error) = self.ending.take() {
            return self.fail(error);
        }
        self.end_stall();
        let position = self.position(self.now);
        self.order_clock(false);
        self.clock.ended = true;
        self.report(Event::Ended { position });
    }

    pub(super) fn clamp_to_timeline(&self, time: MediaTime) -> MediaTime {
        if let Some((start, end)) = self.seekable() {
            return time.clamp(start, end);
        }
        let start =
            self.presentation.as_ref().and_then(|p| p.periods.first()).map_or(MediaTime::ZERO, |p| p.start);
        let start = start.max(self.first_kept().unwrap_or(start));
        let end = self.timeline_end().map_or(MediaTime::MAX, |end| (end - END_MARGIN).max(start));
        time.clamp(start, end)
    }

    /// Where the segments of the first period begin, when that is well after its start: what is left of a
    /// broadcast that has ended.
    fn first_kept(&self) -> Option<MediaTime> {
        let period = self.presentation.as_ref()?.periods.first()?;
        let all = period.adaptation_sets.iter().flat_map(|set| &set.representations);
        let first = all.filter_map(|r| Some(r.index.known()?.get(0)?.start)).min()?;
        let end = self.timeline_end().unwrap_or(MediaTime::MAX);
        (first > period.start + LATE_START && first < end).then_some(first)
    }

    /// `time`, or the next start of a period in which something is played, if any follows.
    fn playable_from(&self, time: MediaTime) -> MediaTime {
        let Some(presentation) = self.presentation.as_ref() else { return time };
        let tracks = || self.tracks.iter().filter(|track| track.paces() && !track.dropped);
        let has_some = |period: &u32| tracks().any(|track| track.set(*period).is_some());
        let count = u32::try_from(presentation.periods.len()).unwrap_or(u32::MAX);
        let next = (period_at(presentation, time)..count).find(has_some);
        let start = next.and_then(|next| presentation.periods.get(next as usize)).map(|period| period.start);
        start.map_or(time, |start| start.max(time))
    }

    pub(super) fn seek(&mut self, to: MediaTime) {
        if self.presentation.is_none() {
            self.config.start_at = to;
            self.clock.start_at(to);
            return;
        }
        if self.is_live() {
            if !self.has_joined() {
                self.config.start_at = to;
                return;
            }
            self.follow_from(self.clamp_to_timeline(to));
        }
        self.seek_now(to);
    }

    /// Seeks, after the picture of a seek that is about to arrive.
    pub(super) fn seek_now(&mut self, to: MediaTime) {
        let waiting = self.clock.seeking.is_some_and(|seeking| seeking.satisfied.is_some());
        if waiting {
            // The picture of the running seek is about to appear: show it first. The last one wins.
            self.clock.queued = Some(to);
        } else {
            self.begin_seek(to);
        }
    }

    pub(super) fn begin_seek(&mut self, to: MediaTime) {
        let to = self.playable_from(self.clamp_to_timeline(to));
        let from = self.position(self.now);
        let holds =
            |track: &crate::track::Track| track.dropped || !track.paces() || track.buffer.contains(to);
        let buffered = !self.tracks.is_empty() && self.tracks.iter().all(holds);
        self.end_stall();
        self.reset_rate();
        self.report(Event::SeekStart { from, to, buffered });
        if !buffered {
            self.order_clock(false);
            // Elsewhere it may go on.
            self.ending = None;
            let period = self.presentation.as_ref().map_or(0, |p| period_at(p, to));
            for place in 0..self.tracks.len() {
                self.empty_track(place);
                let track = &mut self.tracks[place];
                track.cursor = Cursor { period, time: to, exact: true, after: None };
                track.since_start = 0;
            }
            self.controller.notice(Notice::Seek);
        } else {
            self.reread(to);
        }
        self.order(Output::Seek { to, buffered });
        let now = self.now;
        let clock = &mut self.clock;
        clock.anchor(to, now);
        clock.seeking = Some(Seeking { to, began: now, satisfied: buffered.then_some(now) });
        clock.queued = None;
        clock.ended = false;
        clock.moved = now;
        clock.nudged = false;
        for track in &mut self.tracks {
            track.ended = false;
        }
    }

    /// Fetches subtitles anew after a seek to where there are none queued, although pictures are.
    fn reread(&mut self, to: MediaTime) {
        let Some(place) = self.place_of(ContentType::Text) else { return };
        let covered = self.tracks[place].buffer.iter().next().is_some_and(|first| first.start <= to);
        if covered || self.tracks[place].cursor.time <= to {
            return;
        }
        let period = self.presentation.as_ref().map_or(0, |p| period_at(p, to));
        self.empty_track(place);
        self.tracks[place].cursor = Cursor { period, time: to, exact: true, after: None };
        self.order(Output::Flush { track: ContentType::Text, from: MediaTime::MIN });
    }

    pub(super) fn on_ready(&mut self, position: MediaTime) {
        let Some(seeking) = self.clock.seeking else { return };
        if position + READY_TOLERANCE >= seeking.to && position <= seeking.to + READY_TOLERANCE {
            self.end_seek(position);
        }
    }

    fn end_seek(&mut self, position: MediaTime) {
        let Some(seeking) = self.clock.seeking.take() else { return };
        let took = self.now.since(seeking.began);
        self.clock.moved = self.now;
        self.report(Event::SeekEnd { position, took });
        if let Some(to) = self.clock.queued.take() {
            self.begin_seek(to);
        }
    }

    /// Notes when a seek has its data; ends it when the pipeline keeps silent.
    fn finish_seek(&mut self) {
        let Some(seeking) = self.clock.seeking else { return };
        let need = self.least_ahead(START_AHEAD);
        let ready =
            |track: &crate::track::Track| track.dropped || !track.paces() || track.is_ready(seeking.to, need);
        if seeking.satisfied.is_none() && self.tracks.iter().all(ready) {
            self.clock.seeking = Some(Seeking { satisfied: Some(self.now), ..seeking });
        }
        let Some(satisfied) = self.clock.seeking.and_then(|seeking| seeking.satisfied) else { return };
        let queued = self.clock.queued.is_some();
        let until = satisfied + if queued { QUEUED_PATIENCE } else { READY_PATIENCE };
        if self.now < until {
            self.wake(until);
        } else {
            let position = self.position(self.now);
            self.end_seek(position);
        }
    }
}
