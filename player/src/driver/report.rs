//! What the driver tells people and machines: event lines, the status record and the summary.

use super::words::Words;
use super::{Names, process_time, title};
use crate::events::{Line, LiveFigures, Log, Summary};
use crate::pipeline::PipelineEvent;
use crate::status::{Rendition, RequestRecord, Status};
use crate::text::queue::CueQueue;
use crate::timed::{Bus, TimedEvent};
use abr::error::{Error, Severity};
use abr::presentation::{ContentType, Presentation, RepresentationKey};
use abr::protocol::{Command, Event, Phase};
use abr::session::Session;
use abr::time::{MediaTime, Timestamp, WallClock};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

/// Between two `position` lines.
const POSITION_INTERVAL: Duration = Duration::from_secs(1);
/// Between two published states.
const STATUS_INTERVAL: Duration = Duration::from_millis(50);
/// Requests kept for the statistics.
const REQUESTS: usize = 20;

/// Collects what happens and writes it down.
pub(super) struct Reporter {
    status: Status,
    names: Names,
    unpaced: bool,
    /// What lies in the video queue: start → (end, representation).
    queued: BTreeMap<MediaTime, (MediaTime, RepresentationKey)>,
    bandwidths: BTreeMap<RepresentationKey, u64>,
    playing_since: Option<Instant>,
    created: Instant,
    last_position: Option<MediaTime>,
    played: Duration,
    bits: u128,
    weighed: Duration,
    wasted_bytes: u64,
    gap: Duration,
    dropped_told: u64,
    failure: Option<Error>,
    next_position: Instant,
    published: Option<(Instant, Phase)>,
    words: Words,
    timed: Bus,
}

impl Reporter {
    pub(super) fn new(url: &Url, controller: &str, names: Names, cues: CueQueue) -> Self {
        let status = Status { title: title(url), controller: controller.to_owned(), ..Status::empty() };
        Self {
            status,
            names,
            unpaced: false,
            queued: BTreeMap::new(),
            bandwidths: BTreeMap::new(),
            playing_since: None,
            created: Instant::now(),
            last_position: None,
            played: Duration::ZERO,
            bits: 0,
            weighed: Duration::ZERO,
            wasted_bytes: 0,
            gap: Duration::ZERO,
            dropped_told: 0,
            failure: None,
            next_position: Instant::now() + POSITION_INTERVAL,
            published: None,
            words: Words::new(cues),
            timed: Bus::default(),
        }
    }

    pub(super) fn start(&mut self, log: &mut Log, unpaced: bool) {
        self.unpaced = unpaced;
        let line = Line::Start {
            version: env!("CARGO_PKG_VERSION"),
            title: self.status.title.clone(),
            controller: self.status.controller.clone(),
        };
        self.line(log, &line);
    }

    pub(super) fn line(&self, log: &mut Log, line: &Line) {
        // A reader that went away must not end playback; the log stops writing by itself.
        let _ = log.write(process_time(), line);
    }

    /// The manifest was read.
    pub(super) fn manifest(&mut self, protocol: &'static str, presentation: &Presentation) {
        self.status.protocol = protocol;
        self.bandwidths = presentation.representations().map(|(key, r)| (key, r.bandwidth_bps)).collect();
        let names = presentation.representations().map(|(key, r)| (key, r.id.clone())).collect();
        *self.names.write().unwrap_or_else(std::sync::PoisonError::into_inner) = names;
    }

    /// Logs an event of the session; says how the session ended when it did.
    pub(super) fn event(&mut self, event: Event, log: &mut Log) -> Option<&'static str> {
        let mut outcome = None;
        let line = match event {
            Event::Manifest { dynamic, duration, representations } => {
                self.status.duration = duration;
                let protocol = self.status.protocol;
                Line::Manifest { protocol, dynamic, duration_ms: duration.map(millis), representations }
            }
            Event::Decided(decision) => {
                if decision.track == ContentType::Video || self.status.renditions.is_empty() {
                    self.status.decision = Some(decision);
                }
                return None;
            }
            Event::Switched { track, from, to, at, reason } => {
                if track == ContentType::Video && from.is_some() {
                    self.status.switches += 1;
                }
                let (from, to) = (from.map(|key| self.name(key)), self.name(to));
                Line::Switch { track: track_name(track), from, to, reason, position_ms: at.as_millis() }
            }
            Event::Abandoned { from, to, wasted_bytes, .. } => {
                self.wasted_bytes += wasted_bytes;
                Line::Abandoned { from: self.name(from), to: self.name(to), wasted_bytes }
            }
            Event::Replaced { from, wasted_bytes, .. } => {
                self.wasted_bytes += wasted_bytes;
                Line::Replaced { position_ms: from.as_millis(), wasted_bytes }
            }
            Event::StallStart { position } => {
                self.status.stalls += 1;
                Line::StallStart { position_ms: position.as_millis() }
            }
            Event::StallEnd { position, stalled } => {
                self.status.stalled += stalled;
                Line::StallEnd { position_ms: position.as_millis(), stalled_ms: millis(stalled) }
            }
            Event::Playing { position } => {
                self.playing_since.get_or_insert_with(Instant::now);
                Line::Playing { position_ms: position.as_millis() }
            }
            Event::Paused { position } => Line::Paused { position_ms: position.as_millis() },
            Event::Resumed { position } => Line::Resumed { position_ms: position.as_millis() },
            Event::SeekStart { from, to, buffered } => {
                self.last_position = None;
                Line::SeekStart { from_ms: from.as_millis(), to_ms: to.as_millis(), buffered }
            }
            Event::SeekEnd { position, took } => {
                Line::SeekEnd { position_ms: position.as_millis(), took_ms: millis(took) }
            }
            Event::Gap { track, from, to } => {
                if track != ContentType::Text {
                    self.gap += to.since(from);
                }
                Line::Gap { track: track_name(track), from_ms: from.as_millis(), to_ms: to.as_millis() }
            }
            Event::Error(error) => {
                if error.severity == Severity::Fatal {
                    self.failure = Some(error.clone());
                    outcome = Some("failed");
                }
                let line = Line::Error {
                    severity: error.severity,
                    category: error.category,
                    code: error.code.number(),
                    message: error.message.clone(),
                };
                self.status.notice = Some((process_time(), error));
                line
            }
            Event::Joined { position, edge, target } => Line::Joined {
                position_ms: position.as_millis(),
                edge_ms: edge.as_millis(),
                target_latency_ms: millis(target),
            },
            Event::Jumped { from, to } => Line::Jumped { from_ms: from.as_millis(), to_ms: to.as_millis() },
            Event::ClockDrift { by_ms } => Line::ClockDrift { by_ms },
            Event::Ended { position } => {
                self.status.position = position;
                return Some("ended");
            }
        };
        self.line(log, &line);
        outcome
    }

    /// A fact of the pipeline, before the session hears it.
    pub(super) fn pipeline(&mut self, event: &PipelineEvent, log: &mut Log) {
        match *event {
            PipelineEvent::Playback { position, running, presented, dropped, av_offset_ms } => {
                for line in self.words.appeared(self.last_position, position) {
                    self.line(log, &line);
                }
                for event in self.timed.due(self.last_position, position) {
                    self.line(log, &event.into());
                }
                self.moved(position, running);
                self.status.presented = presented;
                self.status.dropped = dropped;
                self.status.av_offset_ms = av_offset_ms;
                if dropped > self.dropped_told {
                    self.line(log, &Line::Dropped { count: dropped - self.dropped_told, total: dropped });
                    self.dropped_told = dropped;
                }
            }
            PipelineEvent::Ready { position } if self.status.startup.is_none() => {
                self.status.startup = Some(process_time());
                self.line(log, &Line::FirstFrame { position_ms: position.as_millis() });
            }
            _ => {}
        }
    }

    /// Accounts for what was played since the last report.
    fn moved(&mut self, position: MediaTime, running: bool) {
        let queued = self.queued.range(..=position).next_back();
        let current = queued.filter(|(_, (end, _))| position <= *end).map(|(_, (_, key))| *key);
        if let Some(last) = self.last_position
            && position > last
        {
            let span = position.since(last);
            self.played += span;
            let key = current.or(self.status.current);
            if let Some(bandwidth) = key.and_then(|key| self.bandwidths.get(&key)) {
                self.bits += u128::from(*bandwidth) * span.as_millis();
                self.weighed += span;
            }
        }
        self.last_position = Some(position);
        self.status.position = position;
        self.status.current = current.or(self.status.current);
        if running {
            self.playing_since.get_or_insert_with(Instant::now);
        }
    }

    pub(super) fn appended(
        &mut self,
        track: ContentType,
        key: RepresentationKey,
        start: MediaTime,
        end: MediaTime,
    ) {
        if track == ContentType::Video {
            self.queued.insert(start, (end, key));
            let behind = self.status.position - abr::protocol::BACK_BUFFER;
            self.queued.retain(|_, (end, _)| *end >= behind);
        }
    }

    pub(super) fn flushed(&mut self, track: ContentType, from: MediaTime) {
        if track == ContentType::Video {
            self.queued.retain(|start, _| *start < from);
        }
    }

    /// Events that were found in the title.
    pub(super) fn timed(&mut self, events: Vec<TimedEvent>) {
        for event in events {
            self.timed.add(event);
        }
    }

    pub(super) fn request(&mut self, record: RequestRecord) {
        self.status.bytes += record.bytes;
        if self.status.requests.len() == REQUESTS {
            self.status.requests.remove(0);
        }
        self.status.requests.push(record);
    }

    pub(super) fn command(&mut self, command: Command) {
        if let Command::LockHeight(height) = command {
            self.status.locked_height = height;
        }
    }

    /// A new session follows the failed one.
    pub(super) fn retry(&mut self) {
        self.failure = None;
        self.status.notice = None;
    }

    pub(super) fn volume(&mut self, volume: f64) {
        self.status.volume = volume;
    }

    pub(super) fn mute(&mut self, mute: bool) {
        self.status.muted = mute;
    }

    /// Brings the state up to date and writes the `position` line when a second has passed.
    pub(super) fn tick(&mut self, session: &Session, now: Timestamp, log: &mut Log) {
        self.status.phase = session.phase();
        self.status.duration = session.duration().or(self.status.duration);
        self.status.buffered_to = buffered_to(session).unwrap_or(self.status.position);
        self.status.throughput_bps = session.throughput_bps();
        if self.status.renditions.is_empty()
            && let Some(presentation) = session.presentation()
        {
            self.status.renditions = renditions(presentation, session.current(ContentType::Video));
        }
        if let Some(line) = self.words.update(session, &mut self.status.tracks) {
            self.line(log, &line);
        }
        self.status.waiting = self.waiting();
        if Instant::now() < self.next_position {
            return;
        }
        // What was missed while the process stood still is not made up for.
        self.next_position = (self.next_position + POSITION_INTERVAL).max(Instant::now());
        let position = session.position(now);
        let line = Line::Position {
            position_ms: position.as_millis(),
            buffer_ms: millis(self.status.buffered_to.since(position)),
            representation: self.status.current.map(|key| self.name(key)),
            throughput_bps: self.status.throughput_bps,
            dropped: self.status.dropped,
            av_offset_ms: self.status.av_offset_ms,
            live: session.live_position(now).map(|live| LiveFigures {
                latency_ms: live.latency_ms,
                target_latency_ms: live.target_ms,
                rate: f64::from(live.rate_permille) / 1e3,
                wall_ms: session.wall_clock_of(position).map(WallClock::as_millis),
            }),
        };
        self.line(log, &line);
    }

    /// When [`tick`](Self::tick) has something to write again.
    pub(super) fn next_tick(&self) -> Instant {
        self.next_position
    }

    fn waiting(&self) -> Option<String> {
        let host = self.status.title.split('/').next().unwrap_or_default();
        let speed = self
            .status
            .throughput_bps
            .map_or_else(String::new, |bps| format!(" … {:.1} Mbit/s", bps as f64 / 1e6));
        match self.status.phase {
            Phase::Starting if self.status.protocol.is_empty() => Some(format!("Opening {host}")),
            Phase::Starting | Phase::Seeking | Phase::Stalled => Some(format!("Waiting for {host}{speed}")),
            Phase::Playing | Phase::Paused | Phase::Ended | Phase::Failed => None,
        }
    }

    /// Hands the state to whoever looks, at most every 50 ms unless the phase changed; says whether it did.
    pub(super) fn publish(&mut self, to: &watch::Sender<Arc<Status>>) -> bool {
        let now = Instant::now();
        let due = self
            .published
            .is_none_or(|(at, phase)| now - at >= STATUS_INTERVAL || phase != self.status.phase);
        if due {
            self.published = Some((now, self.status.phase));
            to.send_replace(self.status());
        }
        due
    }

    /// Position, length and phase as known last.
    pub(super) fn place(&self) -> (MediaTime, Option<Duration>, Phase) {
        (self.status.position, self.status.duration, self.status.phase)
    }

    pub(super) fn status(&self) -> Arc<Status> {
        Arc::new(self.status.clone())
    }

    /// Time on the base of the script: since playback began, or since the start while it has not; media
    /// played when nothing is paced.
    pub(super) fn script_time(&self) -> Duration {
        if self.unpaced { self.played } else { self.playing_since.unwrap_or(self.created).elapsed() }
    }

    /// When the script time will be `at`, if that can be told.
    pub(super) fn script_instant(&self, at: Duration) -> Option<Instant> {
        (!self.unpaced).then(|| self.playing_since.unwrap_or(self.created) + at)
    }

    /// Writes the last line and returns the figures.
    pub(super) fn end(&mut self, outcome: &'static str, log: &mut Log) -> Summary {
        let weighed = self.weighed.as_millis().max(1);
        let summary = Summary {
            startup_ms: self.status.startup.map(millis),
            stalls: self.status.stalls,
            stall_ms: millis(self.status.stalled),
            mean_bitrate_bps: u64::try_from(self.bits / weighed).unwrap_or(u64::MAX),
            switches: self.status.switches,
            frames_presented: self.status.presented,
            frames_dropped: self.status.dropped,
            bytes: self.status.bytes,
            wasted_bytes: self.wasted_bytes,
            gap_ms: millis(self.gap),
            position_ms: self.status.position.as_millis(),
            duration_ms: self.status.duration.map(millis),
            outcome,
            error: self.failure.as_ref().map(|error| error.code.number()),
            window: None,
            peak_memory_bytes: None,
        };
        self.line(log, &Line::End { summary: summary.clone() });
        summary
    }

    fn name(&self, key: RepresentationKey) -> String {
        let names = self.names.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        names.get(&key).cloned().unwrap_or_else(|| key.to_string())
    }
}

/// The video renditions of the set that `current` lies in, or of the first video set.
fn renditions(presentation: &Presentation, current: Option<RepresentationKey>) -> Vec<Rendition> {
    let is_video = |key: &RepresentationKey| {
        presentation.adaptation_set(*key).is_some_and(|set| set.content_type == ContentType::Video)
    };
    let first = || presentation.representations().map(|(key, _)| key).find(is_video);
    let Some(set) = current.or_else(first) else { return Vec::new() };
    let in_set =
        |key: &RepresentationKey| (key.period, key.adaptation_set) == (set.period, set.adaptation_set);
    presentation
        .representations()
        .filter(|(key, _)| in_set(key))
        .map(|(key, r)| Rendition {
            key,
            id: r.id.clone(),
            width: r.width,
            height: r.height,
            bandwidth_bps: r.bandwidth_bps,
            codecs: r.codecs.clone(),
            frame_rate: f64::from(r.frame_rate.0) / f64::from(r.frame_rate.1.max(1)),
        })
        .collect()
}

/// The end of what all tracks have queued.
fn buffered_to(session: &Session) -> Option<MediaTime> {
    [ContentType::Video, ContentType::Audio].into_iter().filter_map(|track| session.buffered_to(track)).min()
}

fn track_name(track: ContentType) -> &'static str {
    match track {
        ContentType::Video => "video",
        ContentType::Audio => "audio",
        ContentType::Text => "text",
        ContentType::Image => "image",
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
