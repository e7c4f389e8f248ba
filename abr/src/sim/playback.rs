//! Drives a [`Session`] in virtual time over a [`Link`]: the player without sockets and decoders.

use super::link::{Link, Transfers};
use super::origin::{Answer, Fate, Origin};
use super::pipeline::NullPipeline;
use crate::error::Code;
use crate::presentation::Presentation;
use crate::protocol::{
    AppendFailure, ClockSource, Failure, FailureKind, Fetch, FetchId, Input, Output, Phase, Resource,
    Transfer,
};
use crate::qoe::{Meter, Summary};
use crate::segments::SegmentIndex;
use crate::session::{Config, Session};
use crate::time::{MediaTime, Timestamp, WallClock};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// How often a running request is told about.
const PROGRESS: Duration = Duration::from_millis(100);
/// How often the position is told while the clock runs.
const POSITION: Duration = Duration::from_millis(250);
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
}

struct World<'a> {
    now: Timestamp,
    presentation: Cow<'a, Presentation>,
    pending_indexes: bool,
    origin: &'a mut dyn Origin,
    transfers: Transfers,
    active: BTreeMap<FetchId, Active>,
    /// Whether what the pipeline will refuse is malformed, and with which code.
    refused: BTreeMap<FetchId, (bool, Option<Code>)>,
    /// Segments held for an append.
    held: BTreeSet<FetchId>,
    pipeline: NullPipeline,
    told_position: Timestamp,
    facts: VecDeque<Input>,
    violations: Vec<String>,
    done: bool,
}

/// Runs a simulation to the end of the title, a fatal error or `until`. Everything that passes between the
/// session and its world is shown to `observe`.
pub fn run(setup: Setup<'_>, mut observe: impl FnMut(Timestamp, Seen<'_>)) -> Outcome {
    let mut session = Session::new(setup.config);
    let start = session.config().start_at;
    let mut world = World {
        now: Timestamp::ZERO,
        presentation: Cow::Borrowed(setup.presentation),
        pending_indexes: setup.pending_indexes,
        origin: setup.origin,
        transfers: Transfers::new(setup.link),
        active: BTreeMap::new(),
        refused: BTreeMap::new(),
        held: BTreeSet::new(),
        pipeline: NullPipeline::new(start),
        told_position: Timestamp::ZERO,
        facts: VecDeque::new(),
        violations: Vec::new(),
        done: false,
    };
    let mut meter = Meter::default();
    let mut script = setup.script.into_iter().peekable();
    let mut deadline = world.drain(&mut session, &mut meter, &mut observe);
    while !world.done && world.now < setup.until {
        let next = world.next().into_iter().chain(deadline).chain(script.peek().map(|(at, _)| *at)).min();
        let Some(next) = next else { break };
        let next = next.clamp(world.now, setup.until);
        world.advance(next);
        while let Some((_, fact)) = script.next_if(|(at, _)| *at <= next) {
            world.facts.push_back(fact);
        }
        if world.facts.is_empty() && deadline.is_some_and(|at| at <= next) {
            world.facts.push_back(Input::Tick);
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

impl World<'_> {
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

    fn carry_out(&mut self, output: Output) {
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
            Output::Append { id, track, segment, .. } => {
                if !self.held.remove(&id) {
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
                if !self.held.remove(&id) {
                    self.violations.push(format!("discard of {id:?}, which is not held"));
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
        let answer = self.origin.answer(&self.presentation, &fetch);
        let (id, now) = (fetch.id, self.now);
        let bytes = match answer.fate {
            Fate::Fails(_, after) | Fate::Stands(after) => after,
            Fate::Cached => 0,
            Fate::Whole | Fate::Refused { .. } | Fate::Encrypted => answer.bytes,
        };
        self.transfers.start(id, bytes, answer.delay);
        if matches!(answer.fate, Fate::Stands(_)) {
            self.transfers.never_complete(id);
        }
        let active = Active { fetch, answer, started: now, told: now, told_bytes: 0, moved: now };
        if self.active.insert(id, active).is_some() {
            self.violations.push(format!("{id:?} was used twice"));
        }
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
            cached,
        }
    }

    /// When something happens next in the world.
    fn next(&self) -> Option<Timestamp> {
        let requests = self.active.values().map(|active| {
            let timeouts = active.fetch.timeouts;
            let progress = active.told + PROGRESS;
            let silence = if active.told_bytes == 0 { timeouts.first_byte } else { timeouts.idle };
            progress.min(active.moved + silence).min(active.started + timeouts.total)
        });
        let position = self.pipeline.is_running().then(|| self.told_position + POSITION);
        let drains = self.pipeline.drains_at();
        requests.chain(self.transfers.next()).chain(position).chain(drains).min()
    }

    fn advance(&mut self, to: Timestamp) {
        self.now = to;
        self.transfers.advance(to);
        let complete: Vec<FetchId> = self.transfers.complete().collect();
        let ids: Vec<FetchId> = self.active.keys().copied().collect();
        for id in ids {
            let is_complete = complete.contains(&id);
            self.progress(id, is_complete);
        }
        if self.pipeline.is_running() && to >= self.told_position + POSITION {
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
        let Some(active) = self.active.get_mut(&id) else { return };
        if transfer.bytes > active.told_bytes {
            active.moved = self.now;
            active.told_bytes = transfer.bytes;
        }
        let silence = if transfer.bytes == 0 { timeouts.first_byte } else { timeouts.idle };
        let late = self.now >= active.moved + silence || self.now >= active.started + timeouts.total;
        if late {
            self.transfers.stop(id);
            self.active.remove(&id);
            self.facts.push_back(failed(id, transfer, FailureKind::Timeout));
        } else if self.now >= active.told + PROGRESS {
            active.told = self.now;
            let expected_bytes = Some(active.answer.bytes);
            self.facts.push_back(Input::FetchProgress { id, transfer, expected_bytes });
        }
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
            Resource::Segment { .. } => {
                self.held.insert(id);
            }
        }
        self.facts.push_back(Input::Fetched { id, transfer });
    }
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
