//! The brain: told facts, asked for orders.
//!
//! ```text
//! loop { session.handle(now, fact); while let order != Wait = session.poll() { carry out } }
//! ```
//!
//! One file per concern: [`Config`] · `requests` (attempts and failures) · `choice` (which representation)
//! · `schedule` (which segment next) · `appends` (queue and its replacement) · `clock` (start, stall, seek,
//! end) · `live` (the live edge and the window) · `latency` (playback rate) · `refresh` (manifests and indexes
//! that grow) · `watch` (hopeless downloads, stuck playback).

mod appends;
mod choice;
mod clock;
mod config;
mod latency;
mod live;
mod refresh;
mod requests;
mod schedule;
mod startup;
mod watch;

use crate::controller::{self, Controller};
use crate::error::{Error, Severity};
use crate::locations::Locations;
use crate::presentation::{ContentType, Presentation, RepresentationKey};
use crate::protocol::{Command, Event, FetchId, Input, Output, Phase};
use crate::retry::Backoff;
use crate::throughput::{Meter, Predictor, Prior};
use crate::time::{MediaTime, Timestamp};
use crate::track::Track;
use clock::Clock;
use requests::{Job, Owner, Request};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub use config::Config;
pub use live::LivePosition;

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Failed,
    Stopped,
}

/// Nothing that is fetched has more bytes: 1 TiB. Sums of what is believed cannot overflow.
const MOST_BYTES: u64 = 1 << 40;

/// Limits the numbers in a fact to what can be true.
fn believable(mut fact: Input) -> Input {
    match &mut fact {
        Input::FetchProgress { transfer, .. }
        | Input::Fetched { transfer, .. }
        | Input::FetchFailed { transfer, .. }
        | Input::FetchCancelled { transfer, .. } => transfer.bytes = transfer.bytes.min(MOST_BYTES),
        _ => {}
    }
    fact
}

/// One playback from start to end. See the rules in [`protocol`](crate::protocol).
#[derive(Debug)]
pub struct Session {
    config: Config,
    now: Timestamp,
    outputs: VecDeque<Output>,
    /// Whether a fact came in since the last decision.
    undecided: bool,
    deadline: Option<Timestamp>,
    over: Option<Over>,
    presentation: Option<Presentation>,
    tracks: Vec<Track>,
    jobs: BTreeMap<Owner, Job>,
    requests: BTreeMap<FetchId, Request>,
    next_id: u64,
    inits: BTreeSet<(RepresentationKey, u32)>,
    /// Representations that are not to be chosen, and until when.
    excluded: BTreeMap<RepresentationKey, Timestamp>,
    /// Segments in a row that failed in a representation and not in all.
    strikes: BTreeMap<RepresentationKey, u32>,
    /// The error that ends the session when what is queued has been played.
    ending: Option<Error>,
    locations: Locations,
    backoff: Backoff,
    meter: Meter,
    network: Predictor,
    controller: Box<dyn Controller>,
    clock: Clock,
    growth: live::Growth,
    /// Size at which the picture is shown, once told; `None` also while it is hidden.
    surface: Option<(u32, u32)>,
    bytes: u64,
    wasted: u64,
    /// Bytes of queued segments that were dropped for better ones.
    replaced: u64,
}

impl Session {
    /// A session that will first ask for the presentation.
    pub fn new(config: Config) -> Self {
        let controller = controller::by_name(&config.controller)
            .unwrap_or_else(|| Box::new(controller::Hybrid::default()));
        Self {
            now: Timestamp::ZERO,
            outputs: VecDeque::new(),
            undecided: true,
            deadline: None,
            over: None,
            presentation: None,
            tracks: Vec::new(),
            jobs: BTreeMap::new(),
            requests: BTreeMap::new(),
            next_id: 0,
            inits: BTreeSet::new(),
            excluded: BTreeMap::new(),
            strikes: BTreeMap::new(),
            ending: None,
            locations: Locations::default(),
            backoff: Backoff::new(config.seed),
            meter: Meter::default(),
            network: Predictor::new(config.prior),
            controller,
            clock: Clock::new(&config),
            growth: live::Growth::default(),
            surface: None,
            bytes: 0,
            wasted: 0,
            replaced: 0,
            config,
        }
    }

    /// Tells one fact that became known at `now`. Records it; what follows from it is decided by
    /// [`poll`](Self::poll), or by the next call if that comes first, so that the orders do not depend on
    /// when they are asked for. A `now` before the last one is read as the last one.
    pub fn handle(&mut self, now: Timestamp, fact: Input) {
        if self.undecided {
            self.undecided = false;
            self.decide();
        }
        self.now = self.now.max(now);
        self.undecided = true;
        match believable(fact) {
            Input::Tick => {}
            Input::Presentation(presentation) => self.on_presentation(*presentation),
            Input::Live { live, zero } => self.on_live(*live, zero),
            Input::WallClock { time, source } => self.on_wall_clock(time, source),
            Input::Index { representation, index } => self.on_index(representation, index),
            Input::FetchProgress { id, transfer, expected_bytes } => {
                self.on_progress(id, transfer, expected_bytes);
            }
            Input::Fetched { id, transfer } => self.on_fetched(id, transfer),
            Input::FetchFailed { id, transfer, failure } => self.on_fetch_failed(id, transfer, failure),
            Input::FetchCancelled { id, transfer } => self.on_cancelled(id, transfer),
            Input::Appended { id, start, end } => self.on_appended(id, start, end),
            Input::AppendFailed { id, failure } => self.on_append_failed(id, failure),
            Input::Playback { position, running, .. } => self.on_playback(position, running),
            Input::Ready { position } => self.on_ready(position),
            Input::Drained => self.on_drained(),
            Input::Surface { width, height } => {
                self.surface = (width > 0 && height > 0).then_some((width, height));
            }
            Input::Trouble(error) => self.on_trouble(error),
            Input::Command(command) => self.on_command(command),
        }
    }

    /// Asks for the next order; ends with [`Output::Wait`].
    pub fn poll(&mut self) -> Output {
        if self.undecided {
            self.undecided = false;
            self.decide();
        }
        self.outputs.pop_front().unwrap_or(Output::Wait(self.deadline))
    }

    fn decide(&mut self) {
        self.deadline = None;
        if self.over.is_some() {
            return;
        }
        self.evict();
        self.order_appends();
        self.join();
        self.run_clock();
        self.hold_latency();
        self.give_up_hopeless();
        self.schedule();
        self.keep_fresh();
        self.order_ends();
        self.watch_progress();
        self.make_due_requests();
        self.order_appends();
    }

    fn on_command(&mut self, command: Command) {
        if self.over.is_some() {
            return;
        }
        match command {
            Command::Play => self.play(),
            Command::Pause => self.pause(),
            Command::Seek(to) => self.seek(to),
            Command::Rate(rate) => self.set_rate(rate),
            Command::LockHeight(height) => {
                self.config.lock_height = height;
                if height.is_some() {
                    self.replace_unwanted();
                }
            }
            Command::LimitHeight { min, max } => {
                self.config.min_height = min;
                self.config.max_height = max.max(min);
                self.replace_unwanted();
            }
            Command::SelectSet { track, adaptation_set } => self.select_set(track, adaptation_set),
            Command::GoLive => self.go_live(),
            Command::Stop => self.stop(),
        }
    }

    fn on_trouble(&mut self, error: Error) {
        if error.severity == Severity::Fatal {
            self.fail(error);
        } else {
            self.report(Event::Error(error));
        }
    }

    fn stop(&mut self) {
        self.cancel_everything();
        self.order_clock(false);
        self.over = Some(Over::Stopped);
    }

    /// Ends the session with an error.
    fn fail(&mut self, error: Error) {
        if self.over.is_some() {
            return;
        }
        self.cancel_everything();
        self.end_stall();
        self.order_clock(false);
        self.over = Some(Over::Failed);
        self.report(Event::Error(error));
    }

    fn order(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    fn report(&mut self, event: Event) {
        self.outputs.push_back(Output::Report(event));
    }

    fn wake(&mut self, at: Timestamp) {
        // A deadline in the past would make the driver spin.
        let at = at.max(self.now + Duration::from_millis(1));
        self.deadline = Some(self.deadline.map_or(at, |deadline| deadline.min(at)));
    }

    fn track(&self, kind: ContentType) -> Option<&Track> {
        self.tracks.iter().find(|track| track.kind == kind && !track.dropped)
    }

    /// Where the clock stands and why.
    pub fn phase(&self) -> Phase {
        match self.over {
            Some(Over::Failed) => Phase::Failed,
            Some(Over::Stopped) => Phase::Ended,
            None => self.clock.phase(),
        }
    }

    /// Presentation time on the screen at `now`, extrapolated from what was last told.
    pub fn position(&self, now: Timestamp) -> MediaTime {
        self.clock.position(now.max(self.now)).min(self.queue_end())
    }

    /// Until where playback can go on: the earliest end of the tracks that are not complete.
    fn queue_end(&self) -> MediaTime {
        let open = self.tracks.iter().filter(|track| !track.dropped && !track.ended);
        open.filter_map(|track| track.buffer.end()).min().unwrap_or(MediaTime::MAX)
    }

    /// Until where a track is queued; `None` without such a track.
    pub fn buffered_to(&self, track: ContentType) -> Option<MediaTime> {
        self.track(track)?.buffer.end()
    }

    /// Length of the timeline when known.
    pub fn duration(&self) -> Option<Duration> {
        let presentation = self.presentation.as_ref().filter(|_| !self.is_live())?;
        presentation.duration.or_else(|| Some(self.timeline_end()?.since(MediaTime::ZERO)))
    }

    /// Throughput estimate in bit/s; `None` before anything was transferred.
    pub fn throughput_bps(&self) -> Option<u64> {
        self.network.bps()
    }

    /// What to remember about this network for the next session.
    pub fn prior(&self) -> Option<Prior> {
        self.network.prior()
    }

    /// The representation of a track at the position, or the next one when nothing is queued there.
    pub fn current(&self, track: ContentType) -> Option<RepresentationKey> {
        let track = self.track(track)?;
        let shown = track.buffer.at(self.position(self.now)).and_then(|entry| entry.content);
        shown.map(|content| content.key).or(track.appended)
    }

    /// Height that the user locked; `None` for automatic choice.
    pub fn locked_height(&self) -> Option<u32> {
        self.config.lock_height
    }

    /// Whether a track of this type is being played.
    pub fn has_track(&self, track: ContentType) -> bool {
        self.track(track).is_some()
    }

    /// The adaptation set that a track uses at the position.
    pub fn selected_set(&self, track: ContentType) -> Option<u32> {
        self.track(track)?.set(self.period_now())
    }

    /// The presentation with all indexes known so far; `None` before the manifest.
    pub fn presentation(&self) -> Option<&Presentation> {
        self.presentation.as_ref()
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Body bytes received, and how many of them in vain.
    pub fn traffic(&self) -> (u64, u64) {
        (self.bytes, self.wasted)
    }
}
