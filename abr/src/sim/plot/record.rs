//! What a picture of one session needs, from what passed between the session and its world.

use crate::journal::{Journal, Word};
use crate::presentation::{ContentType, Presentation, RepresentationKey};
use crate::protocol::{Event, FetchId, Input, Output, Resource};
use crate::time::{MediaTime, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Points of the buffer that are kept; what is longer is thinned out.
const MAX_POINTS: usize = 20_000;

/// A session over time; times in seconds since its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Who chose.
    pub controller: String,
    /// Choices: when, bit/s.
    pub chosen: Vec<(f64, f64)>,
    /// Transfers of segments: from the first byte to the last, bit/s.
    pub transfers: Vec<(f64, f64, f64)>,
    /// Seconds queued ahead.
    pub buffer: Vec<(f64, f64)>,
    /// When playback stood for want of samples.
    pub stalls: Vec<(f64, f64)>,
    /// When the first picture came.
    pub startup: Option<f64>,
    /// The last moment.
    pub end: f64,
    /// Stated bitrates of the video in bit/s, ascending.
    pub rungs: Vec<f64>,
}

/// Collects a [`Record`].
#[derive(Debug)]
pub struct Recorder {
    record: Record,
    track: ContentType,
    rates: BTreeMap<RepresentationKey, f64>,
    appends: BTreeMap<FetchId, ContentType>,
    segments: BTreeSet<FetchId>,
    /// Position, when it was so, and whether the clock ran.
    position: (MediaTime, Timestamp, bool),
    queued: Option<MediaTime>,
    stalled: Option<f64>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            record: Record::default(),
            track: ContentType::Video,
            rates: BTreeMap::new(),
            appends: BTreeMap::new(),
            segments: BTreeSet::new(),
            position: (MediaTime::ZERO, Timestamp::ZERO, false),
            queued: None,
            stalled: None,
        }
    }
}

fn seconds(t: Timestamp) -> f64 {
    t.as_nanos() as f64 / 1e9
}

impl Recorder {
    /// Tells of a fact.
    pub fn input(&mut self, t: Timestamp, input: &Input) {
        self.record.end = seconds(t);
        match input {
            Input::Presentation(presentation) => self.presentation(presentation),
            Input::Playback { position, running, .. } => {
                self.position = (*position, t, *running);
                self.buffer(t);
            }
            Input::Appended { id, end, .. } if self.appends.remove(id) == Some(self.track) => {
                // The level before and after: a step.
                self.buffer(t);
                self.queued = Some(self.queued.map_or(*end, |queued| queued.max(*end)));
                self.buffer(t);
            }
            Input::Fetched { id, transfer } if self.segments.remove(id) && !transfer.cached => {
                let body = transfer.total.saturating_sub(transfer.first_byte).as_secs_f64();
                if body > 0.0 {
                    let end = seconds(t);
                    self.record.transfers.push((end - body, end, transfer.bytes as f64 * 8.0 / body));
                }
            }
            _ => {}
        }
    }

    /// Tells of an order.
    pub fn output(&mut self, t: Timestamp, output: &Output) {
        match output {
            Output::Fetch(fetch) if matches!(fetch.resource, Resource::Segment { .. }) => {
                self.segments.insert(fetch.id);
            }
            Output::Append { id, track, .. } => drop(self.appends.insert(*id, *track)),
            Output::Flush { track, from } if *track == self.track => {
                self.buffer(t);
                self.queued = self.queued.map(|queued| queued.min(*from));
                self.buffer(t);
            }
            Output::Seek { buffered: false, .. } => self.queued = None,
            Output::Report(event) => self.event(seconds(t), event),
            _ => {}
        }
    }

    fn event(&mut self, t: f64, event: &Event) {
        match event {
            Event::Decided(decision) if decision.track == self.track => {
                self.record.controller = decision.controller.to_string();
                let rate = self.rates.get(&decision.chosen).copied().unwrap_or(0.0);
                self.record.chosen.push((t, rate));
            }
            Event::Playing { .. } => {
                self.record.startup.get_or_insert(t);
            }
            Event::StallStart { .. } => self.stalled = Some(t),
            Event::StallEnd { .. } => {
                self.record.stalls.extend(self.stalled.take().map(|from| (from, t)));
            }
            _ => {}
        }
    }

    fn presentation(&mut self, presentation: &Presentation) {
        let video = |key: &RepresentationKey| {
            presentation.adaptation_set(*key).is_some_and(|set| set.content_type == ContentType::Video)
        };
        let has_video = presentation.representations().any(|(key, _)| video(&key));
        self.track = if has_video { ContentType::Video } else { ContentType::Audio };
        self.rates = presentation.representations().map(|(key, r)| (key, r.bandwidth_bps as f64)).collect();
        let rungs = presentation.representations().filter(|(key, _)| video(key) == has_video);
        let mut rungs: Vec<f64> = rungs.map(|(_, r)| r.bandwidth_bps as f64).collect();
        rungs.sort_by(f64::total_cmp);
        rungs.dedup();
        self.record.rungs = rungs;
    }

    fn buffer(&mut self, t: Timestamp) {
        let (position, at, running) = self.position;
        let now = if running { position + t.since(at) } else { position };
        let level = self.queued.map_or(0.0, |queued| queued.since(now).as_secs_f64());
        if self.record.buffer.len() >= 2 * MAX_POINTS {
            let mut place = 0;
            self.record.buffer.retain(|_| {
                place += 1;
                place % 2 == 0
            });
        }
        self.record.buffer.push((seconds(t), level));
    }

    /// The session so far.
    pub fn finish(mut self) -> Record {
        let end = self.record.end;
        self.record.stalls.extend(self.stalled.map(|from| (from, end)));
        self.record
    }
}

/// The session that a journal records.
pub fn of(journal: &Journal) -> Record {
    let mut recorder = Recorder::default();
    for record in &journal.records {
        match &record.word {
            Word::In(input) => recorder.input(record.t, input),
            Word::Out(output) => recorder.output(record.t, output),
        }
    }
    recorder.finish()
}
