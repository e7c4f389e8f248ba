//! Drives a [`Session`] in virtual time over a [`Link`]: the player without sockets and decoders.

use super::link::{Link, Transfers};
use super::origin::{Answer, Fate, Origin};
use super::pipeline::NullPipeline;
use crate::error::Code;
use crate::presentation::{ContentType, Presentation, RepresentationKey};
use crate::protocol::{
    AppendFailure, ClockSource, Failure, FailureKind, Fetch, FetchId, Input, KeyStatus, LicenceId, Output,
    POSITION_INTERVAL, PROGRESS_INTERVAL, Phase, Resource, Transfer,
};
use crate::qoe::{Meter, Summary};
use crate::retry::licence_code;
use crate::segments::{Segment, SegmentIndex};
use crate::session::{Config, Session};
use crate::table::Table;
use crate::time::{MediaTime, Timestamp, WallClock, nanos};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A transfer that never gets slower than this (bit/s) has news at every report.
const STEADY_BPS: u64 = 16_000;
/// A first byte after this is near its timeout.
const LONGEST_LATENCY: Duration = Duration::from_secs(2);
/// More orders than this for one fact mean that the session runs in a circle.
const ORDERS: usize = 10_000;

/// What is to be simulated.
pub struct Setup<'a> {
    /// The title.
    pub presentation: &'a Presentation,
    /// Representations with a known index whose index is nevertheless to be fetched first, as HLS does.
    pub pending_indexes: bool,
    /// The network.
    pub link: Link,
    /// The settings.
    pub config: Config,
    /// The server.
    pub origin: &'a mut dyn Origin,
    /// Facts to be told at given times, ascending.
    pub script: Vec<(Timestamp, Input)>,
    /// When to stop at the latest.
    pub until: Timestamp,
}

/// Something seen on the wire between session and world.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// A fact.
    In(&'a Input),
    /// An order, [`Output::Wait`] included.
    Out(&'a Output),
}

/// How a simulation ended.
#[derive(Debug)]
pub struct Outcome {
    /// The session at the end.
    pub session: Session,
    /// Its numbers.
    pub summary: Summary,
    /// When it ended.
    pub now: Timestamp,
    /// Rules of the protocol that were broken.
    pub violations: Vec<String>,
}

struct Active {
    fetch: Fetch,
    answer: Answer,
    started: Timestamp,
    told: Timestamp,
    told_bytes: u64,
    moved: Timestamp,
    /// When it will be complete, while it is alone; `None` when it may stand still on the way.
    steady_until: Option<Timestamp>,
    /// Chunks that have come, and where they go, once that was ordered.
    chunks: u64,
    appends: Option<(ContentType, Segment)>,
}

impl Active {
    /// End of the chunks that have come.
    fn end_of(&self, segment: &Segment) -> MediaTime {
        let span = u128::from(nanos(segment.duration())) * u128::from(self.chunks);
        let part = span / (self.answer.chunks.len().max(1) as u128);
        segment.start + Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
    }
}

/// What surrounds a session: server, network and pipeline in virtual time. Carries out orders and tells facts;
/// it can surround a driver under test as well as the simulator's own loop.
pub struct World<'a> {
    now: Timestamp,
    presentation: Cow<'a, Presentation>,
    pending_indexes: bool,
    origin: &'a mut dyn Origin,
    transfers: Transfers,
    active: Table<FetchId, Active>,
    /// From when on reports of progress and position are wanted; none may be left out when `None`.
    reports_from: Option<Timestamp>,
    ids: Vec<FetchId>,
    /// Whether what the pipeline will refuse is malformed, and with which code.
    refused: BTreeMap<FetchId, (bool, Option<Code>)>,
    /// Segments held for an append.
    held: Table<FetchId, ()>,
    pipeline: NullPipeline,
    told_position: Timestamp,
    facts: VecDeque<Input>,
    violations: Vec<String>,
    done: bool,
}

/// Runs a simulation to the end of the title, a fatal error or `until`. Everything that passes between the
/// session and its world is shown to `observe`.
pub fn run(setup: Setup<'_>, observe: impl FnMut(Timestamp, Seen<'_>)) -> Outcome {
    simulate(setup, Pace { sparse: false, grid: None }, observe)
}

/// As [`run`], with the same orders at the same times and the same figures, but several times as fast: reports
/// of progress and position are told only when the session's [`Attention`](crate::session::Attention) is on
/// them, and values of candidates are left out of the log. A setup with a script is simulated in full.
pub fn run_quickly(setup: Setup<'_>, observe: impl FnMut(Timestamp, Seen<'_>)) -> Outcome {
    let sparse = setup.script.is_empty();
    simulate(setup, Pace { sparse, grid: None }, observe)
}

/// As [`run`], but everything happens at multiples of `grid` (above zero), rounded up, and a tick comes before
/// the facts of the same moment: as for a player whose timers are no finer.
pub fn run_on_grid(setup: Setup<'_>, grid: Duration, observe: impl FnMut(Timestamp, Seen<'_>)) -> Outcome {
    simulate(setup, Pace { sparse: false, grid: Some(grid) }, observe)
}

/// How a simulation is carried out.
#[derive(Clone, Copy)]
struct Pace {
    sparse: bool,
    grid: Option<Duration>,
}

fn simulate(setup: Setup<'_>, pace: Pace, mut observe: impl FnMut(Timestamp, Seen<'_>)) -> Outcome {
    let mut session = Session::new(setup.config);
    if pace.sparse {
        session.omit_explanations();
    }
    let start = session.config().start_at;
    let mut world = World::new(setup.presentation, setup.pending_indexes, setup.link, setup.origin, start);
    let mut meter = Meter::default();
    let mut script = setup.script.into_iter().peekable();
    let mut deadline = world.drain(&mut session, &mut meter, &mut observe);
    while !world.done && world.now < setup.until {
        if pace.sparse {
            deadline = world.attend(&session, deadline);
        }
        let next = world.next().into_iter().chain(deadline).chain(script.peek().map(|(at, _)| *at)).min();
        let Some(next) = next else { break };
        let next = next.clamp(world.now, setup.until);
        let next = pace.grid.map_or(next, |grid| first_report(Timestamp::ZERO, grid, next));
        world.advance(next);
        while let Some((_, fact)) = script.next_if(|(at, _)| *at <= next) {
            world.facts.push_back(fact);
        }
        if (pace.grid.is_some() || world.facts.is_empty()) && deadline.is_some_and(|at| at <= next) {
            world.facts.push_front(Input::Tick);
        }
        while let Some(fact) = world.facts.pop_front() {
            observe(world.now, Seen::In(&fact));
            session.handle(world.now, fact);
            deadline = world.drain(&mut session, &mut meter, &mut observe);
        }
        world.done |= matches!(session.phase(), Phase::Ended | Phase::Failed);
        // A seek may bring an ended session back.
        world.done &= script.peek().is_none();
    }
    let position = session.position(world.now);
    let summary = meter.summary(world.now, position, session.presentation(), session.traffic());
    let mut violations = world.violations;
    violations.append(&mut world.pipeline.violations);
    Outcome { session, summary, now: world.now, violations }
}

impl<'a> World<'a> {
    /// A world at the beginning of time. See [`Setup`]; playback starts at `start`.
    pub fn new(
        presentation: &'a Presentation,
        pending_indexes: bool,
        link: Link,
        origin: &'a mut dyn Origin,
        start: MediaTime,
    ) -> Self {
        Self {
            now: Timestamp::ZERO,
            presentation: Cow::Borrowed(presentation),
            pending_indexes,
            origin,
            transfers: Transfers::new(link),
            active: Table::new(),
            reports_from: None,
            ids: Vec::new(),
            refused: BTreeMap::new(),
            held: Table::new(),
            pipeline: NullPipeline::new(start),
            told_position: Timestamp::ZERO,
            facts: VecDeque::new(),
            violations: Vec::new(),
            done: false,
        }
    }
}

impl World<'_> {
    /// The next fact to tell at the present time.
    pub fn take_fact(&mut self) -> Option<Input> {
        self.facts.pop_front()
    }

    /// Rules of the protocol that were broken so far.
    pub fn violations(&self) -> impl Iterator<Item = &String> {
        self.violations.iter().chain(&self.pipeline.violations)
    }

    /// Carries out orders until the session waits; returns its deadline.
    fn drain(
        &mut self,
        session: &mut Session,
        meter: &mut Meter,
        observe: &mut impl FnMut(Timestamp, Seen<'_>),
    ) -> Option<Timestamp> {
        for _ in 0..ORDERS {
            let output = session.poll();
            observe(self.now, Seen::Out(&output));
            meter.tell(self.now, &output);
            if let Output::Wait(deadline) = output {
                return deadline;
            }
            self.carry_out(output);
        }
        self.violations.push(format!("more than {ORDERS} orders for one fact"));
        self.done = true;
        None
    }

    /// Carries out an order of the session.
    pub fn carry_out(&mut self, output: Output) {
        let now = self.now;
        match output {
            Output::Fetch(fetch) => self.fetch(fetch),
            Output::Cancel(id) => {
                if let Some(active) = self.active.remove(&id) {
                    let transfer = self.transfer(id, &active);
                    self.transfers.stop(id);
                    self.facts.push_back(Input::FetchCancelled { id, transfer });
                }
            }
            Output::Append { id, track, segment, .. } if self.active.get(&id).is_some() => {
                if let Some(active) = self.active.get_mut(&id) {
                    active.appends = Some((track, segment));
                    if !active.fetch.chunked {
                        self.violations.push(format!("append of {id:?}, which comes as a whole"));
                    }
                }
                self.tell_chunks(id);
            }
            Output::Append { id, track, segment, .. } => {
                if self.held.remove(&id).is_none() {
                    self.violations.push(format!("append of {id:?}, which is not held"));
                }
                if let Some((malformed, code)) = self.refused.remove(&id) {
                    let detail = "refused by the origin's plan".to_owned();
                    let failure = AppendFailure { malformed, code, detail };
                    self.facts.push_back(Input::AppendFailed { id, failure });
                } else {
                    self.pipeline.append(now, track, segment.start, segment.end);
                    let (start, end) = (segment.start, segment.end);
                    self.facts.push_back(Input::Appended { id, start, end });
                }
            }
            Output::Discard(id) => {
                if self.held.remove(&id).is_none() {
                    self.violations.push(format!("discard of {id:?}, which is not held"));
                }
            }
            Output::LicenceFailed { id, failure } => {
                let (code, detail) = (licence_code(failure.kind), failure.detail);
                for representation in self.locked_by(id) {
                    let status = KeyStatus::Unusable { code, detail: detail.clone() };
                    self.facts.push_back(Input::KeyStatus { representation, status });
                }
            }
            Output::Flush { track, from } => self.pipeline.flush(now, track, from),
            Output::EndOfTrack(track) => self.pipeline.end_track(now, track),
            Output::Seek { to, buffered } => {
                self.pipeline.seek(now, to, buffered);
                self.tell_position();
            }
            Output::Clock { run, rate } => {
                self.pipeline.clock(now, run, rate);
                self.tell_position();
            }
            Output::Report(_) | Output::Wait(_) => {}
        }
        if self.pipeline.take_ready() {
            self.facts.push_back(Input::Ready { position: self.pipeline.position(now) });
        }
    }

    /// Brings the title up to date, when it grows.
    fn grow(&mut self) -> Option<WallClock> {
        let (presentation, time) = self.origin.live(self.now)?;
        *self.presentation.to_mut() = presentation;
        Some(time)
    }

    fn fetch(&mut self, fetch: Fetch) {
        self.grow();
        let mut answer = self.origin.answer(&self.presentation, &fetch);
        if answer.bytes > fetch.limit_bytes {
            // The length is said before the body.
            answer.fate = Fate::Fails(FailureKind::TooLarge, 0);
        }
        let (id, now) = (fetch.id, self.now);
        let bytes = match answer.fate {
            Fate::Fails(_, after) | Fate::Stands(after) => after,
            Fate::Cached => 0,
            Fate::Whole | Fate::Refused { .. } | Fate::Encrypted => answer.bytes,
        };
        self.transfers.start(id, bytes, answer.delay);
        if !answer.chunks.is_empty() {
            self.transfers.produce(id, &answer.chunks);
        }
        if matches!(answer.fate, Fate::Stands(_)) {
            self.transfers.never_complete(id);
        }
        let steady_until = self.steady_until();
        let active = Active {
            fetch,
            answer,
            started: now,
            told: now,
            told_bytes: 0,
            moved: now,
            steady_until,
            chunks: 0,
            appends: None,
        };
        if self.active.insert(id, active).is_some() {
            self.violations.push(format!("{id:?} was used twice"));
        }
    }

    /// What a licence unlocks in a simulation: the licence with a number is that of the representations with
    /// this place in their set.
    fn locked_by(&self, id: LicenceId) -> Vec<RepresentationKey> {
        let all = self.presentation.representations().map(|(key, _)| key);
        all.filter(|key| key.representation == id.0).collect()
    }

    fn tell_position(&mut self) {
        self.told_position = self.now;
        let (position, running) = (self.pipeline.position(self.now), self.pipeline.is_running());
        self.facts.push_back(Input::Playback { position, running, presented: 0, dropped: 0 });
    }

    fn transfer(&self, id: FetchId, active: &Active) -> Transfer {
        let (bytes, ready) = self.transfers.received(id).unwrap_or((0, self.now));
        let cached = active.answer.fate == Fate::Cached;
        Transfer {
            bytes: if cached { active.answer.bytes } else { bytes },
            first_byte: ready.min(self.now).since(active.started),
            total: self.now.since(active.started),
            waited: self.transfers.waited(id),
            cached,
        }
    }

    /// When something happens next in the world.
    pub fn next(&self) -> Option<Timestamp> {
        if let Some(from) = self.reports_from {
            return self.next_wanted(from);
        }
        let requests = self.active.iter().map(|(_, active)| {
            let timeouts = active.fetch.timeouts;
            let progress = active.told + PROGRESS_INTERVAL;
            let silence = if active.told_bytes == 0 { timeouts.first_byte } else { timeouts.idle };
            progress.min(active.moved + silence).min(active.started + timeouts.total)
        });
        let position = self.pipeline.is_running().then(|| self.told_position + POSITION_INTERVAL);
        let drains = self.pipeline.drains_at();
        requests.chain(self.transfers.next()).chain(position).chain(drains).min()
    }

    /// When something happens next that is not a report told in vain.
    fn next_wanted(&self, from: Timestamp) -> Option<Timestamp> {
        let requests = self.active.iter().flat_map(|(_, active)| {
            let progress = first_report(active.told, PROGRESS_INTERVAL, from);
            let total = active.started + active.fetch.timeouts.total;
            [Some(progress.min(total)), active.steady_until].into_iter().flatten()
        });
        let running = self.pipeline.is_running();
        let position = running.then(|| first_report(self.told_position, POSITION_INTERVAL, from));
        requests.chain(position).chain(self.pipeline.drains_at()).min()
    }

    /// Finds out which reports may be left out, and returns when the session is to be woken.
    fn attend(&mut self, session: &Session, deadline: Option<Timestamp>) -> Option<Timestamp> {
        let steady = self.active.iter().all(|(_, active)| active.steady_until.is_some());
        let attention = session.attention();
        self.reports_from = (steady && attention.reports_from > self.now).then_some(attention.reports_from);
        if self.reports_from.is_some() {
            return attention.tick;
        }
        // From here on every report is told, at the times at which it would have been.
        let now = self.now;
        for active in self.active.values_mut() {
            active.told = last_report(active.told, PROGRESS_INTERVAL, now);
        }
        self.told_position = last_report(self.told_position, POSITION_INTERVAL, now);
        deadline
    }

    /// Whether a report that was last told at `told` and is told in steps of `interval` is to be told now.
    fn is_wanted(&self, told: Timestamp, interval: Duration) -> bool {
        match self.reports_from {
            None => self.now >= told + interval,
            Some(from) => {
                self.now > told
                    && self.now >= from
                    && nanos(self.now.since(told)).is_multiple_of(nanos(interval))
            }
        }
    }

    /// When the transfer that was just started will be complete, if nothing can happen to it on the way.
    fn steady_until(&mut self) -> Option<Timestamp> {
        let alone = self.transfers.end_of_only();
        if alone.is_none() {
            self.active.values_mut().for_each(|active| active.steady_until = None);
        }
        let (until, least) = alone?;
        let ready = self.transfers.ready_in()?;
        (least >= STEADY_BPS && ready <= LONGEST_LATENCY).then_some(until)
    }

    /// Lets time pass until `to`.
    pub fn advance(&mut self, to: Timestamp) {
        self.now = to;
        self.transfers.advance(to);
        let mut ids = std::mem::take(&mut self.ids);
        ids.extend(self.active.keys());
        for id in ids.drain(..) {
            let is_complete = self.transfers.is_complete(id);
            self.progress(id, is_complete);
        }
        self.ids = ids;
        if self.pipeline.is_running() && self.is_wanted(self.told_position, POSITION_INTERVAL) {
            self.tell_position();
        }
        if self.pipeline.take_drained(to) {
            self.facts.push_back(Input::Drained);
        }
    }

    fn progress(&mut self, id: FetchId, is_complete: bool) {
        let Some(active) = self.active.get(&id) else { return };
        let transfer = self.transfer(id, active);
        let timeouts = active.fetch.timeouts;
        if is_complete {
            return self.finish(id, transfer);
        }
        let count = active.answer.chunks.len() as u64;
        let chunks = (transfer.bytes * count).checked_div(active.answer.bytes).unwrap_or(0);
        let news = chunks > active.chunks;
        let wanted = news || self.is_wanted(active.told, PROGRESS_INTERVAL);
        let Some(active) = self.active.get_mut(&id) else { return };
        active.chunks = chunks;
        if transfer.bytes > active.told_bytes {
            active.moved = self.now;
            active.told_bytes = transfer.bytes;
        }
        let silence = if transfer.bytes == 0 { timeouts.first_byte } else { timeouts.idle };
        // Not every growth of a steady transfer is seen.
        let silent = active.steady_until.is_none() && self.now >= active.moved + silence;
        let late = silent || self.now >= active.started + timeouts.total;
        if late {
            self.transfers.stop(id);
            self.active.remove(&id);
            self.facts.push_back(failed(id, transfer, FailureKind::Timeout));
        } else if wanted {
            active.told = self.now;
            let expected_bytes = Some(active.answer.bytes).filter(|_| active.answer.chunks.is_empty());
            self.facts.push_back(Input::FetchProgress { id, transfer, expected_bytes });
        }
        if news {
            self.tell_chunks(id);
        }
    }

    /// Hands the chunks of a transfer that have come to the pipeline, if that was ordered.
    fn tell_chunks(&mut self, id: FetchId) {
        let Some(active) = self.active.get(&id).filter(|active| active.chunks > 0) else { return };
        let Some((track, segment)) = active.appends else { return };
        let (start, end) = (segment.start, active.end_of(&segment));
        self.pipeline.grow(self.now, track, start, end);
        self.facts.push_back(Input::AppendProgress { id, start, end });
    }

    fn finish(&mut self, id: FetchId, transfer: Transfer) {
        self.transfers.stop(id);
        let Some(active) = self.active.remove(&id) else { return };
        match active.answer.fate {
            Fate::Fails(kind, _) => return self.facts.push_back(failed(id, transfer, kind)),
            Fate::Refused { malformed } => {
                self.refused.insert(id, (malformed, None));
            }
            Fate::Encrypted => {
                self.refused.insert(id, (false, Some(Code::MissingKey)));
            }
            Fate::Whole | Fate::Stands(_) | Fate::Cached => {}
        }
        let time = self.grow();
        match active.fetch.resource {
            Resource::Presentation => {
                let mut presentation = self.presentation.clone().into_owned();
                if let Some(time) = time {
                    self.facts.push_back(Input::WallClock { time, source: ClockSource::System });
                    if self.pending_indexes {
                        presentation.dynamic = false;
                        presentation.live = None;
                    }
                }
                if self.pending_indexes {
                    let sets = presentation.periods.iter_mut().flat_map(|p| &mut p.adaptation_sets);
                    for representation in sets.flat_map(|set| &mut set.representations) {
                        representation.index = SegmentIndex::Pending;
                    }
                }
                self.facts.push_back(Input::Presentation(Box::new(presentation)));
            }
            Resource::Index(key) => {
                if let Some(live) = self.presentation.live.clone().filter(|_| self.pending_indexes) {
                    let zero = self.presentation.availability_start;
                    self.facts.push_back(Input::Live { live: Box::new(live), zero });
                }
                let index =
                    self.presentation.representation(key).map(|r| r.index.clone()).unwrap_or_default();
                self.facts.push_back(Input::Index { representation: key, index });
            }
            Resource::Init { .. } => {}
            Resource::Clock(_) => {
                let time = time.unwrap_or_default();
                self.facts.push_back(Input::WallClock { time, source: ClockSource::Manifest });
            }
            Resource::Licence(id) => {
                for representation in self.locked_by(id) {
                    self.facts.push_back(Input::KeyStatus { representation, status: KeyStatus::Usable });
                }
            }
            Resource::Segment { .. } => {
                if active.appends.is_none() {
                    self.held.insert(id, ());
                }
            }
        }
        self.facts.push_back(Input::Fetched { id, transfer });
        if let Some((track, segment)) = active.appends {
            self.pipeline.append(self.now, track, segment.start, segment.end);
            let (start, end) = (segment.start, segment.end);
            self.facts.push_back(Input::Appended { id, start, end });
        }
    }
}

/// The first report at `from` or later, of those told in steps of `interval` since `told`.
fn first_report(told: Timestamp, interval: Duration, from: Timestamp) -> Timestamp {
    let steps = nanos(from.since(told)).div_ceil(nanos(interval)).max(1);
    told + Duration::from_nanos(steps.saturating_mul(nanos(interval)))
}

/// The last report until `now`, of those told in steps of `interval` since `told`.
fn last_report(told: Timestamp, interval: Duration, now: Timestamp) -> Timestamp {
    let since = nanos(now.since(told));
    told + Duration::from_nanos(since - since % nanos(interval))
}

fn failed(id: FetchId, transfer: Transfer, kind: FailureKind) -> Input {
    let detail = format!("the origin's plan: {kind:?}");
    Input::FetchFailed { id, transfer, failure: Failure { kind, retry_after: None, detail } }
}

/// Last moment of a simulation that is certainly over: ten times the title's length and ten minutes.
pub fn reasonable_end(presentation: &Presentation) -> Timestamp {
    let length = presentation.duration.unwrap_or(Duration::from_secs(3600));
    Timestamp::ZERO + length.saturating_mul(10) + Duration::from_secs(600)
}

/// Where a presentation starts.
pub fn start_of(presentation: &Presentation) -> MediaTime {
    presentation.periods.first().map_or(MediaTime::ZERO, |period| period.start)
}
