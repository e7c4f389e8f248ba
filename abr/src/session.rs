//! The brain: told facts, asked for orders.
//!
//! ```text
//! loop { session.handle(now, fact); while let order != Wait = session.poll() { carry out } }
//! ```
//!
//! One file per concern: [`Config`] · `requests` (attempts and failures) · `choice` (which representation)
//! · `keys` (what can be decrypted) · `schedule` (which segment next) · `room` (how
//! much may be queued) · `blame` (what cannot be had) · `appends` (queue and its
//! replacement) · `clock` (start, stall, seek, end) · `live` (the live edge and the window) · `latency`
//! (playback rate) · `refresh` (manifests and indexes that grow) · `watch` (hopeless downloads, stuck
//! playback).

mod appends;
mod attention;
mod blame;
mod choice;
mod clock;
mod config;
mod keys;
mod ladder;
mod latency;
mod live;
mod refresh;
mod requests;
mod room;
mod schedule;
mod startup;
mod watch;

use crate::controller::{self, Controller};
use crate::error::{Error, Severity};
use crate::locations::Locations;
use crate::presentation::{ContentType, Presentation, RepresentationKey};
use crate::protocol::{Command, Event, FetchId, Input, KeyStatus, Output, Phase};
use crate::retry::Backoff;
use crate::table::Table;
use crate::throughput::{Meter, Predictor, Prior};
use crate::time::{MediaTime, Timestamp};
use crate::track::Track;
use choice::Scratch;
use clock::Clock;
use ladder::Ladders;
use requests::{Job, Owner, Request};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Deref;
use std::time::Duration;

pub use attention::Attention;
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

/// Positions in the list of tracks, of which there is one per content type.
#[derive(Clone, Copy, Debug, Default)]
struct Places {
    all: [usize; 4],
    count: usize,
}

impl Places {
    fn push(&mut self, place: usize) {
        if let Some(free) = self.all.get_mut(self.count) {
            *free = place;
            self.count += 1;
        }
    }
}

impl Deref for Places {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.all[..self.count]
    }
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
    /// The deadline without those at which only reports are looked at, and from when on reports matter for
    /// another reason: see [`Attention`].
    due: Option<Timestamp>,
    alert: Timestamp,
    /// Whether [`Decision::candidates`](crate::protocol::Decision::candidates) are reported.
    explains: bool,
    /// What choices need and seldom changes, of the first tracks.
    ladders: Ladders,
    /// Memory that is used again.
    due_jobs: Vec<(u8, Owner)>,
    scratch: Scratch,
    over: Option<Over>,
    presentation: Option<Presentation>,
    tracks: Vec<Track>,
    jobs: Table<Owner, Job>,
    requests: Table<FetchId, Request>,
    next_id: u64,
    inits: BTreeSet<(RepresentationKey, u32)>,
    /// Representations that are not to be chosen, and until when.
    excluded: BTreeMap<RepresentationKey, Timestamp>,
    /// Segments in a row that failed in a representation and not in all.
    strikes: BTreeMap<RepresentationKey, u32>,
    /// Whether representations can be decrypted, as far as was told.
    keys: BTreeMap<RepresentationKey, KeyStatus>,
    /// The error that ends the session when what is queued has been played.
    ending: Option<Error>,
    locations: Locations,
    backoff: Backoff,
    meter: Meter,
    network: Predictor,
    controller: Box<dyn Controller>,
    clock: Clock,
    growth: live::Growth,
    /// Where the pipeline begins unless it is told otherwise.
    begins_at: MediaTime,
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
            due: None,
            alert: Timestamp::MAX,
            explains: true,
            ladders: Ladders::default(),
            due_jobs: Vec::new(),
            scratch: Scratch::default(),
            over: None,
            presentation: None,
            tracks: Vec::new(),
            jobs: Table::new(),
            requests: Table::new(),
            next_id: 0,
            inits: BTreeSet::new(),
            excluded: BTreeMap::new(),
            strikes: BTreeMap::new(),
            keys: BTreeMap::new(),
            ending: None,
            locations: Locations::default(),
            backoff: Backoff::new(config.seed),
            meter: Meter::default(),
            network: Predictor::new(config.prior),
            controller,
            clock: Clock::new(&config),
            growth: live::Growth::default(),
            begins_at: config.start_at,
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
        if matches!(fact, Input::Presentation(_) | Input::Index { .. }) {
            self.ladders = Ladders::default();
        }
        match believable(fact) {
            Input::Tick => {}
            Input::Presentation(presentation) => self.on_presentation(*presentation),
            Input::Live { live, zero } => self.on_live(*live, zero),
            Input::WallClock { time, source } => self.on_wall_clock(time, source),
            Input::Index { representation, index } => self.on_index(representation, index),
            Input::Locations { order } => self.on_locations(order),
            Input::FetchProgress { id, transfer, expected_bytes } => {
                self.on_progress(id, transfer, expected_bytes);
            }
            Input::LicenceWanted(id) => self.on_licence_wanted(id),
            Input::KeyStatus { representation, status } => self.on_key_status(representation, status),
            Input::Fetched { id, transfer } => self.on_fetched(id, transfer),
            Input::FetchFailed { id, transfer, failure } => self.on_fetch_failed(id, transfer, failure),
            Input::FetchCancelled { id, transfer } => self.on_cancelled(id, transfer),
            Input::AppendProgress { id, start, end } => self.on_append_progress(id, start, end),
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

    fn on_locations(&mut self, order: Vec<u32>) {
        let count = u32::try_from(order.len()).unwrap_or(1).clamp(1, 64);
        let periods = self.presentation.iter_mut().flat_map(|presentation| &mut presentation.periods);
        let sets = periods.flat_map(|period| &mut period.adaptation_sets);
        for representation in sets.flat_map(|set| &mut set.representations) {
            representation.locations = representation.locations.max(count);
        }
        self.locations.prefer(order);
    }

    /// Asks for the next order; ends with [`Output::Wait`].
    pub fn poll(&mut self) -> Output {
        if self.undecided {
            self.undecided = false;
            self.decide();
        }
        self.outputs.pop_front().unwrap_or(Output::Wait(self.deadline))
    }

    /// Leaves out of the log what only people read: the value of every candidate at each decision. For
    /// simulations that nobody watches.
    pub fn omit_explanations(&mut self) {
        self.explains = false;
    }

    /// The tracks that are played, without those given up.
    fn active_places(&self) -> Places {
        let mut places = Places::default();
        for (place, track) in self.tracks.iter().enumerate() {
            if !track.dropped {
                places.push(place);
            }
        }
        places
    }

    /// Those of them that playback waits for.
    fn paced_places(&self) -> Places {
        let mut places = Places::default();
        for place in self.active_places().iter().filter(|place| self.tracks[**place].paces()) {
            places.push(*place);
        }
        places
    }

    fn decide(&mut self) {
        self.sleep();
        if self.over.is_none() {
            self.look_around();
        }
        // It may have ended on the way.
        if self.over.is_some() {
            self.sleep();
        } else {
            self.make_due_requests();
            self.order_appends();
        }
    }

    /// Wishes not to be woken.
    fn sleep(&mut self) {
        (self.deadline, self.due, self.alert) = (None, None, Timestamp::MAX);
    }

    fn look_around(&mut self) {
        self.evict();
        self.order_appends();
        self.join();
        self.run_clock();
        self.hold_latency();
        self.give_up_hopeless();
        self.end_unbegun();
        let awaited = self.awaited_tracks();
        self.schedule();
        self.keep_fresh();
        if self.over.is_none() {
            self.order_ends();
            if !self.clock.run && self.awaited_tracks() < awaited {
                // Nothing more comes to wait for.
                self.run_clock();
            }
            self.watch_progress();
        }
    }

    /// How many tracks playback may wait for.
    fn awaited_tracks(&self) -> usize {
        self.tracks.iter().filter(|track| track.paces() && !track.dropped && !track.complete).count()
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
        self.alert = self.alert.min(at - attention::WAKE_STEP);
        let at = self.look(at);
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Wakes like [`wake`](Self::wake), but any fact before may change something as well.
    fn wake_or_any_fact(&mut self, at: Timestamp) {
        self.wake(at);
        self.alert = Timestamp::ZERO;
    }

    /// Wakes for what reports may have told by then; [`attention`](Self::attention) knows when that can be.
    fn look(&mut self, at: Timestamp) -> Timestamp {
        // A deadline in the past would make the driver spin.
        let at = at.max(self.now + attention::WAKE_STEP);
        self.deadline = Some(self.deadline.map_or(at, |deadline| deadline.min(at)));
        at
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
        let open = self.tracks.iter().filter(|track| track.paces() && !track.dropped && !track.ended);
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

    /// Whether the subtitles that are shown are those that every viewer must read, not those of a wish.
    pub fn has_forced_text(&self) -> bool {
        self.selected_set(ContentType::Text).is_some() && !self.config.text
    }

    /// The adaptation set of the period at the position that shows subtitles as the settings wish, whether
    /// they are shown or not.
    pub fn preferred_text(&self) -> Option<u32> {
        let here = self.period_now();
        let period = self.presentation.as_ref()?.periods.get(here as usize)?;
        crate::track::readable_set(period, &self.config.text_languages, |_| true)
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
