//! Requests and their attempts: one [`Job`] per wanted resource, one [`Request`] per attempt.

use super::Session;
use crate::error::{Code, Error, Severity};
use crate::presentation::{Container, ContentType, RepresentationKey};
use crate::protocol::{
    Event, Failure, FailureKind, Fetch, FetchId, LicenceId, Output, Resource, Timeouts, Transfer,
};
use crate::retry::{self, Class};
use crate::segments::{Availability, Segment, SegmentIndex};
use crate::time::Timestamp;
use std::time::Duration;

/// The rate of a running download is that of its last two seconds, as reported.
pub(super) const RATE_WINDOW: Duration = Duration::from_secs(2);
const FIRST_BYTE: Duration = Duration::from_secs(8);
const IDLE: Duration = Duration::from_secs(4);
const SHORTEST_TOTAL: Duration = Duration::from_secs(10);
const LONGEST_TOTAL: Duration = Duration::from_secs(120);
/// Longest silence that is borne, with much in the queue.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);
/// A licence server may think for a while; twice in vain is enough.
const LICENCE_FIRST_BYTE: Duration = Duration::from_secs(5);
const LICENCE_BYTES: u64 = 1 << 20;
const MANIFEST_BYTES: u64 = 16 << 20;
const CLOCK_BYTES: u64 = 4 << 10;
const CLOCK_TIMEOUT: Duration = Duration::from_secs(3);
const INIT_BYTES: u64 = 4 << 20;
const SEGMENT_BYTES: u64 = 64 << 20;
const LEAST_SEGMENT_LIMIT: u64 = 4 << 20;
/// How long a representation that failed is not chosen.
pub(super) const EXCLUSION: Duration = Duration::from_secs(60);

/// Whom a request serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Presentation,
    Index(RepresentationKey),
    Init(RepresentationKey, u32),
    Segment(ContentType),
    Clock,
    Licence(LicenceId),
}

impl Owner {
    /// Whether it is served by the interchangeable hosts of the title.
    fn is_located(self) -> bool {
        !matches!(self, Self::Licence(_) | Self::Clock)
    }
}

/// A resource that is wanted.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) resource: Resource,
    pub(super) priority: u8,
    attempts: u32,
    /// Locations that failed since all were tried.
    tried: Vec<u32>,
    /// How often all locations were tried.
    rounds: u32,
    /// Whether an empty body or a page came, and the same location was asked again.
    doubted: bool,
    pub(super) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// To be requested at this time.
    Due(Timestamp),
    /// Under way.
    Running(FetchId),
}

/// An attempt under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) owner: Owner,
    location: u32,
    pub(super) started: Timestamp,
    pub(super) transfer: Transfer,
    pub(super) expected: Option<u64>,
    /// When bytes last came in, and the transfer about a second before that.
    pub(super) moved: Timestamp,
    pub(super) earlier: (Timestamp, u64),
    /// [`Transfer::waited`] at that time.
    pub(super) earlier_waited: Duration,
    /// See [`Fetch::chunked`].
    pub(super) chunked: bool,
    /// Whether it is for what does not exist yet, so that its first byte says nothing about the network.
    early: bool,
    cancelled: bool,
}

impl Job {
    pub(super) fn new(resource: Resource, priority: u8, due: Timestamp) -> Self {
        Self {
            resource,
            priority,
            attempts: 0,
            tried: Vec::new(),
            rounds: 0,
            doubted: false,
            state: State::Due(due),
        }
    }

    /// Whether nothing was tried yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.attempts == 0
    }
}

impl Session {
    /// Makes the requests whose time has come.
    pub(super) fn make_due_requests(&mut self) {
        let mut due = std::mem::take(&mut self.due_jobs);
        let mut next: Option<Timestamp> = None;
        for (owner, job) in self.jobs.iter() {
            match job.state {
                State::Due(at) if at <= self.now => due.push((job.priority, *owner)),
                State::Due(at) => next = Some(next.map_or(at, |next| next.min(at))),
                State::Running(_) => {}
            }
        }
        if let Some(at) = next {
            self.wake(at);
        }
        due.sort_unstable();
        for (_, owner) in due.drain(..) {
            self.request(owner);
        }
        self.due_jobs = due;
    }

    fn request(&mut self, owner: Owner) {
        let locations = self.location_count(owner);
        let (now, id) = (self.now, FetchId(self.next_id));
        let Some(job) = self.jobs.get(&owner) else { return };
        let resource = job.resource;
        let reserved = match owner {
            Owner::Segment(kind) => self.track(kind).and_then(|track| track.fetching?.limit),
            _ => None,
        };
        let (limit_bytes, timeouts) = self.limits(resource, reserved);
        let (chunked, piece) = (self.is_chunked(resource), self.is_piece(resource));
        let Some(job) = self.jobs.get_mut(&owner) else { return };
        self.next_id += 1;
        let located = owner.is_located();
        let location = if located { self.locations.choose(now, locations, &job.tried) } else { 0 };
        let fetch = Fetch {
            id,
            resource,
            location,
            priority: job.priority,
            attempt: job.attempts,
            limit_bytes,
            timeouts,
            chunked,
        };
        job.attempts += 1;
        job.state = State::Running(id);
        let request = Request {
            owner,
            location,
            started: now,
            transfer: Transfer::default(),
            expected: None,
            moved: now,
            earlier: (now, 0),
            earlier_waited: Duration::ZERO,
            chunked,
            early: matches!(resource, Resource::Segment { segment, .. } if segment.part.is_some_and(|part| part.hint)),
            cancelled: false,
        };
        self.requests.insert(id, request);
        if matches!(owner, Owner::Segment(_) | Owner::Init(..) | Owner::Index(_)) {
            self.meter.started(id, piece);
        }
        self.order(Output::Fetch(fetch));
    }

    /// Whether a resource may come as it is produced: a segment that can be had before it is complete
    /// (`@availabilityTimeOffset`), in a container that is cut into chunks.
    fn is_chunked(&self, resource: Resource) -> bool {
        let Resource::Segment { representation, .. } = resource else { return false };
        let Some(presentation) = self.presentation.as_ref().filter(|_| self.is_live()) else { return false };
        let kind = presentation.adaptation_set(representation).map(|set| set.content_type);
        let paced = matches!(kind, Some(ContentType::Video | ContentType::Audio));
        presentation.representation(representation).filter(|_| paced).is_some_and(|r| {
            let early = r.index.known().map(|runs| runs.availability);
            let early = matches!(early, Some(Availability::Early(early)) if !early.is_zero());
            early && matches!(r.container, Container::Mp4 | Container::Unknown)
        })
    }

    /// Whether a resource is one of many small pieces.
    fn is_piece(&self, resource: Resource) -> bool {
        matches!(resource, Resource::Segment { segment, .. } if segment.part.is_some())
            || self.is_chunked(resource)
    }

    fn location_count(&self, owner: Owner) -> u32 {
        let key = match owner {
            Owner::Presentation | Owner::Clock | Owner::Licence(_) => None,
            Owner::Index(key) | Owner::Init(key, _) => Some(key),
            Owner::Segment(kind) => self.track(kind).and_then(|track| track.fetching).map(|f| f.key),
        };
        let representation = key.and_then(|key| self.presentation.as_ref()?.representation(key));
        representation.map_or(1, |representation| representation.locations.max(1))
    }

    fn limits(&self, resource: Resource, reserved: Option<u64>) -> (u64, Timeouts) {
        let timeouts = |first_byte, total| Timeouts { first_byte, idle: IDLE, total };
        match resource {
            Resource::Index(_) if self.live_facts().is_some_and(|live| live.blocking) => {
                // The server may hold its answer back for as long as three segments take.
                let segment = self.live_facts().map_or(Duration::ZERO, |live| live.segment);
                let patience = SHORTEST_TOTAL.max(segment.saturating_mul(3)).min(LONGEST_TOTAL);
                (MANIFEST_BYTES, timeouts(patience, patience + SHORTEST_TOTAL))
            }
            Resource::Presentation | Resource::Index(_) => {
                (MANIFEST_BYTES, timeouts(SHORTEST_TOTAL, SHORTEST_TOTAL))
            }
            Resource::Clock(_) => (CLOCK_BYTES, timeouts(CLOCK_TIMEOUT, CLOCK_TIMEOUT)),
            Resource::Init { .. } => (INIT_BYTES, timeouts(FIRST_BYTE, SHORTEST_TOTAL)),
            Resource::Licence(_) => (LICENCE_BYTES, timeouts(LICENCE_FIRST_BYTE, LICENCE_FIRST_BYTE)),
            Resource::Segment { representation, segment } => {
                let length = segment.duration();
                let limit = self.usual_limit(representation, &segment);
                let limit = reserved.map_or(limit, |reserved| reserved.min(limit));
                // While there is something to play, a slow answer is better than another that starts anew.
                let paced = self.tracks.iter().filter(|track| !track.dropped && track.paces());
                let ahead = paced.map(|track| self.ahead(track));
                let ahead = ahead.min().unwrap_or_default();
                let locations = self.presentation.as_ref().and_then(|p| p.representation(representation));
                let has_others = locations.is_some_and(|r| r.locations > 1);
                let total = length.saturating_mul(6).saturating_add(ahead);
                let total = if has_others { total } else { LONGEST_TOTAL };
                let timeouts = Timeouts {
                    first_byte: (ahead / 2).clamp(FIRST_BYTE, LONGEST_SILENCE),
                    idle: (ahead / 2).clamp(IDLE, LONGEST_SILENCE),
                    total: total.clamp(SHORTEST_TOTAL, LONGEST_TOTAL),
                };
                (limit, timeouts)
            }
        }
    }

    /// More bytes than this are no segment of a representation, whatever room there is.
    pub(super) fn usual_limit(&self, key: RepresentationKey, segment: &Segment) -> u64 {
        let representation = self.presentation.as_ref().and_then(|p| p.representation(key));
        let bandwidth = representation.map_or(1, |r| r.bandwidth_bps);
        let nominal = u128::from(bandwidth) * segment.duration().as_millis() / 8000;
        let limit = u64::try_from(4 * nominal).unwrap_or(u64::MAX).max(LEAST_SEGMENT_LIMIT);
        limit.max(segment.size.unwrap_or(0)).min(SEGMENT_BYTES)
    }

    pub(super) fn on_progress(&mut self, id: FetchId, transfer: Transfer, expected: Option<u64>) {
        let now = self.now;
        let Some(request) = self.requests.get_mut(&id) else { return };
        if transfer.bytes > request.transfer.bytes {
            if now.since(request.earlier.0) >= RATE_WINDOW {
                request.earlier = (request.moved, request.transfer.bytes);
                request.earlier_waited = request.transfer.waited;
            }
            request.moved = now;
        }
        request.transfer = transfer;
        request.expected = expected.or(request.expected);
        if let Some(sample) = self.meter.progress(now, id, transfer) {
            self.network.observe(sample);
            self.controller.observe(sample);
        }
    }

    /// Takes the request that an answer ends; `None` for an answer to nothing.
    fn answer(&mut self, id: FetchId, transfer: Transfer) -> Option<Request> {
        let request = self.requests.remove(&id)?;
        self.bytes = self.bytes.saturating_add(transfer.bytes);
        if let Some(sample) = self.meter.ended(self.now, id, transfer) {
            self.network.observe(sample);
            self.controller.observe(sample);
        }
        Some(request)
    }

    pub(super) fn on_fetched(&mut self, id: FetchId, transfer: Transfer) {
        let Some(request) = self.answer(id, transfer) else { return };
        if !transfer.cached && request.owner.is_located() {
            self.locations.succeeded(request.location);
            if matches!(request.owner, Owner::Segment(_)) && !request.early {
                self.network.observe_first_byte(transfer.first_byte);
            }
        }
        let is_segment = matches!(request.owner, Owner::Segment(_));
        if request.cancelled || self.over.is_some() || !self.runs(request.owner, id) {
            if is_segment {
                self.wasted = self.wasted.saturating_add(transfer.bytes);
                self.order(Output::Discard(id));
            }
            return;
        }
        let is_known = match request.owner {
            Owner::Presentation => self.presentation.is_some(),
            Owner::Index(key) => self.index_is_known(key),
            Owner::Init(..) | Owner::Segment(_) | Owner::Clock | Owner::Licence(_) => true,
        };
        if !is_known {
            let detail = "the answer was complete but nothing could be read from it".to_owned();
            let failure = Failure { kind: FailureKind::Malformed, retry_after: None, detail };
            self.attempt_failed(request.owner, request.location, failure);
            return;
        }
        self.jobs.remove(&request.owner);
        self.refreshed(request.owner, request.started);
        match request.owner {
            Owner::Presentation | Owner::Index(_) | Owner::Clock | Owner::Licence(_) => {}
            Owner::Init(key, init) => {
                self.inits.insert((key, init));
            }
            Owner::Segment(kind) => self.segment_loaded(kind, id, transfer),
        }
    }

    pub(super) fn on_fetch_failed(&mut self, id: FetchId, transfer: Transfer, failure: Failure) {
        let Some(request) = self.answer(id, transfer) else { return };
        self.stop_append(id);
        self.wasted = self.wasted.saturating_add(transfer.bytes);
        if request.cancelled || self.over.is_some() || !self.runs(request.owner, id) {
            if request.owner.is_located() {
                self.locations.cancelled(request.location);
            }
            return;
        }
        if let Owner::Segment(kind) = request.owner
            && failure.kind == FailureKind::TooLarge
            && self.was_oversize(kind, &request)
        {
            self.jobs.remove(&request.owner);
            self.locations.cancelled(request.location);
            return;
        }
        self.attempt_failed(request.owner, request.location, failure);
    }

    pub(super) fn on_cancelled(&mut self, id: FetchId, transfer: Transfer) {
        let Some(request) = self.answer(id, transfer) else { return };
        self.stop_append(id);
        self.wasted = self.wasted.saturating_add(transfer.bytes);
        if request.owner.is_located() {
            self.locations.cancelled(request.location);
        }
        if self.over.is_none() && !request.cancelled && self.runs(request.owner, id) {
            // Not our order: the world ended it.
            let detail = "the request was cancelled from outside".to_owned();
            let failure = Failure { kind: FailureKind::Truncated, retry_after: None, detail };
            self.attempt_failed(request.owner, request.location, failure);
        }
    }

    fn runs(&self, owner: Owner, id: FetchId) -> bool {
        self.jobs.get(&owner).is_some_and(|job| job.state == State::Running(id))
    }

    fn index_is_known(&self, key: RepresentationKey) -> bool {
        let representation = self.presentation.as_ref().and_then(|p| p.representation(key));
        representation.is_some_and(|r| matches!(r.index, SegmentIndex::Known(_)))
    }

    /// Decides whether an attempt that failed is repeated, and where and when.
    fn attempt_failed(&mut self, owner: Owner, location: u32, failure: Failure) {
        let (now, count) = (self.now, self.location_count(owner));
        let class = retry::class(failure.kind);
        match class {
            _ if !owner.is_located() => {}
            Class::Transient => self.locations.failed(now, location, retry::is_outage(failure.kind)),
            Class::Place | Class::Broken | Class::Final => self.locations.cancelled(location),
        }
        // Where the least is too much, more is no way out.
        let is_lowest = matches!(owner, Owner::Segment(ContentType::Video) if self.fetches_lowest());
        let Some(job) = self.jobs.get_mut(&owner) else { return };
        let is_strange = failure.kind == FailureKind::WrongContent && owner != Owner::Presentation;
        if is_strange && !job.doubted {
            // A cache or proxy may have slipped: once more at the same place.
            job.doubted = true;
            job.state = State::Due(now);
            return self.warn_recoverable(code_for(owner, failure.kind), &failure.detail);
        }
        job.tried.push(location);
        let most = if owner == Owner::Presentation { retry::MANIFEST_ATTEMPTS } else { retry::ATTEMPTS };
        // A request that hangs costs seconds: go elsewhere at once.
        let rounds = match (class, failure.kind, owner) {
            (Class::Transient, FailureKind::Timeout, Owner::Segment(_)) if is_lowest => {
                retry::ATTEMPTS_PER_LOCATION
            }
            (Class::Transient, FailureKind::Timeout, Owner::Segment(_) | Owner::Init(..)) => 1,
            (Class::Transient, FailureKind::Timeout, Owner::Licence(_)) => 2,
            (Class::Transient, ..) => retry::ATTEMPTS_PER_LOCATION,
            (Class::Broken, ..) => 2,
            (Class::Place | Class::Final, ..) => 1,
        };
        let again = if class == Class::Final || job.attempts >= most {
            None
        } else if owner.is_located() && self.locations.has_other(now, count, &job.tried) {
            Some(now)
        } else {
            job.rounds += 1;
            job.tried.clear();
            let delay = match class {
                Class::Broken => Duration::ZERO,
                _ => self.backoff.delay(job.rounds, failure.retry_after),
            };
            (job.rounds < rounds).then_some(now + delay)
        };
        if let Some(at) = again {
            job.state = State::Due(at);
            self.warn_recoverable(code_for(owner, failure.kind), &failure.detail);
        } else {
            self.jobs.remove(&owner);
            self.given_up(owner, failure);
        }
    }

    /// Whether the video segment under way is of the lowest representation.
    fn fetches_lowest(&self) -> bool {
        let track = self.track(ContentType::Video);
        track.and_then(|track| Some((track, track.fetching?))).is_some_and(|(track, fetching)| {
            self.usable(track, fetching.key.period).first() == Some(&fetching.key)
        })
    }

    fn warn_recoverable(&mut self, code: Code, detail: &str) {
        self.report(Event::Error(Error::new(Severity::Recoverable, code, format!("{detail}; trying again"))));
    }

    fn given_up(&mut self, owner: Owner, failure: Failure) {
        if self.refresh_failed(owner, &failure) {
            return;
        }
        match owner {
            Owner::Clock => {}
            Owner::Presentation => {
                let code = retry::code(failure.kind, true);
                self.fail(Error::new(Severity::Fatal, code, failure.detail));
            }
            Owner::Index(key) => self.representation_failed(key, failure),
            Owner::Init(key, _) => self.init_failed(key, failure),
            Owner::Segment(kind) => self.segment_failed(kind, failure),
            Owner::Licence(id) => self.order(Output::LicenceFailed { id, failure }),
        }
    }

    /// Ends the job of `owner` and its request, if any; returns the bytes received in vain.
    pub(super) fn cancel(&mut self, owner: Owner) -> u64 {
        let Some(job) = self.jobs.remove(&owner) else { return 0 };
        let State::Running(id) = job.state else { return 0 };
        self.order(Output::Cancel(id));
        self.stop_append(id);
        self.requests.get_mut(&id).map_or(0, |request| {
            request.cancelled = true;
            request.transfer.bytes
        })
    }

    /// Ends all requests and forgets what was fetched and not queued.
    pub(super) fn cancel_everything(&mut self) {
        let owners: Vec<Owner> = self.jobs.keys().copied().collect();
        for owner in owners {
            self.cancel(owner);
        }
        for place in 0..self.tracks.len() {
            self.tracks[place].fetching = None;
            while let Some(loaded) = self.tracks[place].loaded.pop_front() {
                self.order(Output::Discard(loaded.id));
            }
        }
    }

    /// The request that fetches a track's segment, once it is under way.
    pub(super) fn segment_request(&self, kind: ContentType) -> Option<(FetchId, &Request)> {
        match self.jobs.get(&Owner::Segment(kind))?.state {
            State::Running(id) => Some((id, self.requests.get(&id)?)),
            State::Due(_) => None,
        }
    }
}

/// What users see of a failed request.
fn code_for(owner: Owner, kind: FailureKind) -> Code {
    match owner {
        Owner::Licence(_) => retry::licence_code(kind),
        _ => retry::code(kind, owner == Owner::Presentation),
    }
}
