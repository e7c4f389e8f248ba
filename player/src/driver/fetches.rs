//! The fetch table: from orders to requests, from answers to facts, and the bytes between.

use super::growth::{self, Growth};
use super::locks::Locks;
use super::report::Reporter;
use super::steering::Steerer;
use super::streams::{Answer, Streams};
use super::title;
use crate::events::{Line, Log};
use crate::keys::{self, Admission};
use crate::manifest::{self, Addresses, ManifestError};
use crate::media::inband;
use crate::net::{self, BodyKind, NetEvent};
use crate::pipeline::{Cipher, PipelineCommand, Timing};
use crate::status::RequestRecord;
use crate::timed::TimedEvent;
use abr::error::Code;
use abr::presentation::{Container, ContentType, Presentation, RepresentationKey};
use abr::protocol::{AppendFailure, Failure, FailureKind, Fetch, FetchId, Input, Resource, Transfer};
use abr::segments::Segment;
use abr::time::MediaTime;
use bytes::Bytes;
use std::collections::BTreeMap;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use url::Url;

/// What a pipeline needs beside the segment's identity.
pub(super) struct SegmentBytes {
    pub(super) data: Bytes,
    pub(super) init: Option<Bytes>,
    pub(super) container: Container,
    pub(super) timing: Timing,
    pub(super) cipher: Option<Cipher>,
}

/// A fetched segment on its way to the pipeline.
pub(super) enum Delivery {
    /// Here it is.
    Ready(Box<SegmentBytes>),
    /// What goes with its bytes, which are handed over as they come.
    Coming(Box<SegmentBytes>),
    /// A key is on its way.
    Waits,
    /// It cannot be decrypted.
    Refused(AppendFailure),
}

struct Flight {
    resource: Resource,
    what: String,
    /// Taken when the request is cancelled; its answer is still awaited.
    task: Option<net::Task>,
}

/// Requests under way, bodies waiting for their append, and addresses.
pub(super) struct Fetches {
    url: Url,
    config: net::Config,
    client: Option<net::Client>,
    events: UnboundedSender<NetEvent>,
    addresses: Option<Addresses>,
    growth: Growth,
    /// What the manifest says about each representation that matters to bytes.
    representations: BTreeMap<RepresentationKey, (Container, ContentType)>,
    flights: BTreeMap<FetchId, Flight>,
    bodies: BTreeMap<FetchId, Bytes>,
    inits: BTreeMap<(RepresentationKey, u32), Bytes>,
    appending: BTreeMap<FetchId, RepresentationKey>,
    pub(super) locks: Locks,
    pub(super) streams: Streams,
    /// Timed events that were found and not handed on yet.
    timed: Vec<TimedEvent>,
    steerer: Steerer,
}

impl Fetches {
    pub(super) fn new(
        url: Url,
        config: net::Config,
        keys: keys::Config,
        events: UnboundedSender<NetEvent>,
    ) -> Self {
        Self {
            locks: Locks::new(keys),
            url,
            config,
            client: None,
            events,
            addresses: None,
            growth: Growth::default(),
            representations: BTreeMap::new(),
            flights: BTreeMap::new(),
            bodies: BTreeMap::new(),
            inits: BTreeMap::new(),
            appending: BTreeMap::new(),
            streams: Streams::default(),
            timed: Vec::new(),
            steerer: Steerer::default(),
        }
    }

    /// Asks the steering server when it is time to.
    pub(super) fn steer(&mut self, throughput_bps: Option<u64>) {
        let protocol = self.protocol();
        if let Some(client) = &self.client {
            self.steerer.ask(client, &self.events, protocol, throughput_bps);
        }
    }

    /// When [`steer`](Self::steer) has something to do.
    pub(super) fn next_steering(&self) -> Option<Instant> {
        self.steerer.wake()
    }

    /// The timed events found since the last call.
    pub(super) fn timed(&mut self) -> Vec<TimedEvent> {
        std::mem::take(&mut self.timed)
    }

    /// Makes all requests through `client`.
    pub(super) fn use_client(&mut self, client: net::Client) {
        self.client = Some(client);
    }

    /// Makes a request.
    ///
    /// # Errors
    /// A failure to answer with when nothing can be requested.
    pub(super) fn start(&mut self, fetch: &Fetch) -> Result<(), Failure> {
        let failure = |kind, detail: String| Failure { kind, retry_after: None, detail };
        let opaque = self.locks.expect(fetch, self.addresses.as_ref());
        let (mut limit_bytes, mut post) = (fetch.limit_bytes, None);
        let (url, range) = match &fetch.resource {
            Resource::Licence(id) => {
                let ask = self.locks.request(*id);
                let ask =
                    ask.ok_or_else(|| failure(FailureKind::Malformed, "This licence is not wanted.".into()))?;
                limit_bytes = limit_bytes.min(ask.limit_bytes);
                post = ask.post.map(|(body, content_type)| net::Post { body, content_type });
                (ask.url, None)
            }
            Resource::Presentation if self.addresses.is_none() => (self.url.clone(), None),
            resource => {
                let address = self.addresses.as_ref().and_then(|a| a.resolve(resource, fetch.location));
                let address = address.ok_or_else(|| {
                    failure(FailureKind::Malformed, "The manifest names no address for this segment.".into())
                })?;
                (address.url, address.range.map(inclusive))
            }
        };
        let kind = match fetch.resource {
            // In ciphertext nothing can be recognised.
            _ if opaque => BodyKind::Other,
            Resource::Licence(_) => BodyKind::Other,
            Resource::Presentation => BodyKind::Manifest,
            Resource::Index(_) => BodyKind::Index,
            Resource::Init { .. } => BodyKind::Init,
            Resource::Clock(service) => match self.addresses.as_ref().and_then(|a| a.clock(service)) {
                Some(manifest::ClockFormat::Header) => BodyKind::Date,
                _ => BodyKind::Other,
            },
            Resource::Segment { representation, .. } => {
                let container = self.representations.get(&representation).map(|(container, _)| *container);
                BodyKind::Segment(container.unwrap_or(Container::Unknown))
            }
        };
        let client = match &self.client {
            Some(client) => client,
            None => {
                let client = net::Client::new(self.config.clone());
                let client = client.map_err(|e| failure(FailureKind::Connect, e.to_string()))?;
                self.client.insert(client)
            }
        };
        let what = title(&url);
        let timeouts = fetch.timeouts;
        let chunked = fetch.chunked && !opaque;
        if chunked {
            self.streams.expect(fetch.id);
        }
        let request = net::Request { id: fetch.id, url, range, timeouts, limit_bytes, kind, post, chunked };
        let task = client.start(request, self.events.clone());
        self.flights.insert(fetch.id, Flight { resource: fetch.resource, what, task: Some(task) });
        Ok(())
    }

    pub(super) fn cancel(&mut self, id: FetchId) {
        self.streams.forget(id);
        if let Some(task) = self.flights.get_mut(&id).and_then(|flight| flight.task.take()) {
            task.cancel();
        }
    }

    pub(super) fn cancel_all(&mut self) {
        self.steerer.stop();
        for task in self.flights.values_mut().filter_map(|flight| flight.task.take()) {
            task.cancel();
        }
    }

    /// Forgets everything; answers to requests under way are ignored.
    pub(super) fn reset(&mut self) {
        self.flights.clear();
        self.bodies.clear();
        self.inits.clear();
        self.appending.clear();
        self.addresses = None;
        self.growth = Growth::default();
        self.streams = Streams::default();
        self.steerer.stop();
        self.steerer = Steerer::default();
        self.locks.reset();
    }

    pub(super) fn discard(&mut self, id: FetchId) {
        self.locks.forget(id);
        self.bodies.remove(&id);
    }

    /// The bytes of a fetched segment, for its append, as soon as they can be decrypted; `None` when they
    /// were discarded.
    pub(super) fn take(
        &mut self,
        id: FetchId,
        key: RepresentationKey,
        segment: &Segment,
    ) -> Option<Delivery> {
        let coming = self.streams.first(id);
        let data = match coming.unwrap_or_else(|| self.bodies.get(&id)) {
            Some(data) => data,
            // Its first chunk, or the rest of what cannot be handed over in chunks.
            None if self.flights.contains_key(&id) => return Some(Delivery::Waits),
            None => return None,
        };
        let init = segment.init.and_then(|init| self.inits.get_mut(&(key, init)));
        let cipher = match self.locks.admit(id, key, segment, init, data) {
            Admission::Ready(cipher) => cipher,
            Admission::Wait => return Some(Delivery::Waits),
            Admission::Refused(failure) => {
                self.discard(id);
                return Some(Delivery::Refused(failure));
            }
        };
        let is_coming = coming.is_some();
        let data = if is_coming { Bytes::new() } else { self.bodies.remove(&id)? };
        let init = segment.init.and_then(|init| self.inits.get(&(key, init)).cloned());
        let timing = self.addresses.as_ref()?.timing(key, segment);
        let container =
            self.representations.get(&key).map_or(Container::Unknown, |(container, _)| *container);
        if !matches!(cipher, Some(Cipher::Bytes { .. })) {
            self.timed.extend(inband::events(&data, init.as_deref(), segment, timing));
        }
        let bytes = Box::new(SegmentBytes { data, init, container, timing, cipher });
        if is_coming {
            return Some(Delivery::Coming(bytes));
        }
        self.appending.insert(id, key);
        Some(Delivery::Ready(bytes))
    }

    /// A body is complete: when it was handed over as it came, what is to be handed over still.
    pub(super) fn complete(
        &mut self,
        id: FetchId,
        body: &Bytes,
    ) -> Option<(FetchId, Option<PipelineCommand>)> {
        self.streams.complete(id, body).map(|command| (id, command))
    }

    /// Bytes of an append are queued: what that was, and the fact to tell.
    pub(super) fn queued(&mut self, id: FetchId, start: MediaTime, end: MediaTime) -> Option<Answer> {
        let answer = self.streams.queued(id, start, end).or_else(|| {
            let representation = self.appending.remove(&id)?;
            let track = self.representations.get(&representation)?.1;
            let fact = Input::Appended { id, start, end };
            Some(Answer { track, representation, fact, last: true })
        })?;
        if answer.last {
            self.locks.used(id);
        }
        Some(answer)
    }

    /// An append failed; what the session is to be told.
    pub(super) fn append_failed(&mut self, id: FetchId, failure: AppendFailure) -> AppendFailure {
        self.appending.remove(&id);
        self.streams.forget(id);
        self.locks.failed(id, failure)
    }

    /// Turns an answer into the facts to tell, in order.
    pub(super) fn event(&mut self, event: NetEvent, reporter: &mut Reporter, log: &mut Log) -> Vec<Input> {
        if self.steerer.owns(&event) {
            let turn = self.steerer.event(event, self.addresses.as_mut());
            return turn.map_or_else(Vec::new, |turn| {
                reporter.line(log, &Line::Steered { pathway: turn.pathway });
                vec![turn.order]
            });
        }
        match event {
            NetEvent::Progress { id, transfer, expected_bytes } => {
                let known = self.flights.contains_key(&id);
                known.then_some(Input::FetchProgress { id, transfer, expected_bytes }).into_iter().collect()
            }
            NetEvent::Chunk { .. } => Vec::new(),
            NetEvent::Done { id, transfer, body, url, .. } => {
                let Some(flight) = self.flights.remove(&id) else { return Vec::new() };
                match self.done(id, flight.resource, transfer, body, &url) {
                    Ok(mut facts) => {
                        record(reporter, log, flight.what, transfer, None);
                        facts.extend(self.locks.facts());
                        facts.push(Input::Fetched { id, transfer });
                        facts
                    }
                    Err(failure) => {
                        self.locks.forget(id);
                        self.streams.forget(id);
                        self.give_up_patch(flight.resource);
                        record(reporter, log, flight.what, transfer, Some(failure.detail.clone()));
                        vec![Input::FetchFailed { id, transfer, failure }]
                    }
                }
            }
            NetEvent::Failed { id, transfer, failure } => {
                let Some(flight) = self.flights.remove(&id) else { return Vec::new() };
                self.locks.forget(id);
                self.streams.forget(id);
                self.give_up_patch(flight.resource);
                record(reporter, log, flight.what, transfer, Some(failure.detail.clone()));
                vec![Input::FetchFailed { id, transfer, failure }]
            }
            NetEvent::Cancelled { id, transfer } => {
                let Some(flight) = self.flights.remove(&id) else { return Vec::new() };
                self.locks.forget(id);
                record(reporter, log, flight.what, transfer, Some("cancelled".into()));
                vec![Input::FetchCancelled { id, transfer }]
            }
        }
    }

    /// After a patch that cannot be had or applied the whole manifest is asked for.
    fn give_up_patch(&mut self, resource: Resource) {
        if let (Resource::Presentation, Some(addresses)) = (resource, &mut self.addresses) {
            addresses.without_patch();
        }
    }

    /// Keeps or reads a complete body.
    fn done(
        &mut self,
        id: FetchId,
        resource: Resource,
        transfer: Transfer,
        body: Bytes,
        url: &Url,
    ) -> Result<Vec<Input>, Failure> {
        match resource {
            Resource::Presentation => {
                let known = self.addresses.as_ref();
                let facts = self.growth.manifest(known, url, &body).map_err(|e| unreadable(&e))?;
                let Some((read, mut facts)) = facts else { return Ok(Vec::new()) };
                self.timed.extend(read.events);
                self.representations = containers(&read.presentation);
                self.locks.manifest(&read.presentation, &read.addresses);
                self.addresses = Some(read.addresses);
                facts.push(Input::Presentation(Box::new(read.presentation)));
                facts.extend(self.addresses.as_ref().and_then(|addresses| self.steerer.begin(addresses)));
                Ok(facts)
            }
            Resource::Clock(service) => {
                let format = self.addresses.as_ref().and_then(|a| a.clock(service));
                let fact = format.and_then(|format| growth::time(format, transfer, &body));
                fact.map(|fact| vec![fact]).ok_or_else(|| Failure {
                    kind: FailureKind::Malformed,
                    retry_after: None,
                    detail: format!("{} does not tell the time.", title(url)),
                })
            }
            Resource::Index(representation) => {
                let missing = || Failure {
                    kind: FailureKind::Malformed,
                    retry_after: None,
                    detail: "An index arrived before its manifest.".into(),
                };
                let addresses = self.addresses.as_mut().ok_or_else(missing)?;
                if addresses.is_unchanged(representation, &body) {
                    return Ok(Vec::new());
                }
                let index = addresses.read_index(representation, url, &body).map_err(|e| unreadable(&e))?;
                self.locks.index(representation, addresses);
                self.timed.extend(addresses.events(representation));
                let mut facts = self.growth.index(addresses, representation);
                facts.push(Input::Index { representation, index });
                Ok(facts)
            }
            Resource::Licence(licence) => self.locks.answer(licence, body).map(|()| Vec::new()),
            Resource::Init { representation, init } => {
                self.locks.init(representation, init, &body);
                self.inits.insert((representation, init), body);
                Ok(Vec::new())
            }
            Resource::Segment { representation, segment } => {
                let init = segment.init.map(|init| (init, self.inits.get(&(representation, init))));
                self.locks.segment(id, representation, init, &body)?;
                if !self.streams.is_handed_over(id) {
                    self.bodies.insert(id, body);
                } else if let Some(addresses) = &self.addresses {
                    // Its bytes went to the pipeline as they came; its events are told now that all are here.
                    let timing = addresses.timing(representation, &segment);
                    let init = segment.init.and_then(|init| self.inits.get(&(representation, init)));
                    let init = init.map(|init| &init[..]);
                    self.timed.extend(inband::events(&body, init, &segment, timing));
                }
                Ok(Vec::new())
            }
        }
    }

    /// How the manifest describes itself, once it is there.
    pub(super) fn protocol(&self) -> Option<manifest::Protocol> {
        self.addresses.as_ref().map(Addresses::protocol)
    }
}

/// First and last byte, as HTTP counts.
pub(crate) fn inclusive(range: manifest::ByteRange) -> (u64, Option<u64>) {
    (range.start, range.end.map(|end| end.saturating_sub(1)))
}

fn containers(presentation: &Presentation) -> BTreeMap<RepresentationKey, (Container, ContentType)> {
    let kind = |key| presentation.adaptation_set(key).map_or(ContentType::Video, |set| set.content_type);
    presentation.representations().map(|(key, r)| (key, (r.container, kind(key)))).collect()
}

fn unreadable(error: &ManifestError) -> Failure {
    let kind = match error.code() {
        Code::NotAManifest => FailureKind::WrongContent,
        Code::Unsupported => FailureKind::Unsupported,
        Code::Forbidden => FailureKind::Forbidden,
        _ => FailureKind::Malformed,
    };
    Failure { kind, retry_after: None, detail: error.to_string() }
}

fn record(reporter: &mut Reporter, log: &mut Log, what: String, transfer: Transfer, failure: Option<String>) {
    let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let record = RequestRecord {
        what,
        bytes: transfer.bytes,
        first_byte_ms: millis(transfer.first_byte),
        total_ms: millis(transfer.total),
        failure,
    };
    let line = Line::Fetch {
        what: record.what.clone(),
        bytes: record.bytes,
        first_byte_ms: record.first_byte_ms,
        total_ms: record.total_ms,
        failure: record.failure.clone(),
    };
    reporter.request(record);
    reporter.line(log, &line);
}
