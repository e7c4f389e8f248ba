//! The loop between the session and the world: facts from network, pipeline and user go in, orders come
//! out and are carried out. It decides nothing.
//!
//! It runs on one thread of its own with all fetch tasks. Everybody may wait for the driver; the driver
//! waits for nobody.

mod fetches;
mod growth;
mod interrupts;
mod journal;
mod locks;
mod report;
mod script;
mod steering;
mod streams;
mod words;

#[cfg(feature = "desktop")]
pub(crate) use fetches::inclusive;
#[cfg(feature = "tv")]
pub(crate) use interrupts::interrupted;
pub use script::Script;

use crate::events::{Log, Summary};
use crate::keys;
use crate::manifest;
use crate::net;
use crate::pipeline::{Append, PipelineCommand, PipelineEvent};
use crate::process::ProcessClock;
use crate::resume::Keeper;
use crate::status::Status;
use crate::text::queue::CueQueue;
use abr::error::{Code, Error, Severity};
use abr::presentation::{ContentType, Presentation};
use abr::protocol::{Command, Input, Output};
use abr::session::{Config, Session};
use abr::time::{MediaTime, Timestamp};
use fetches::{Delivery, Fetches};
use interrupts::Interrupts;
use journal::JournalWriter;
use report::Reporter;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

/// How long the pipeline may take to end its threads before it is left behind.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// The driver wakes up once a second at least; who waits longer than this was stopped meanwhile (SIGSTOP, a
/// frozen container).
const STOPPED: Duration = Duration::from_secs(3);

/// What the driver waits for.
enum News {
    User(Option<UserCommand>),
    Pipeline(Option<PipelineEvent>),
    Net(net::NetEvent),
    Interrupted,
    Deadline,
}

/// Everything that a session needs from outside.
pub struct Options {
    /// The manifest.
    pub url: Url,
    /// Of the session.
    pub session: Config,
    /// Of the network.
    pub net: net::Config,
    /// Where keys come from; decrypts in the pipeline as well.
    pub keys: keys::Config,
    /// Where events go.
    pub events: Log,
    /// Where the journal goes.
    pub journal: Option<Box<dyn Write + Send>>,
    /// Commands given in advance.
    pub script: Script,
    /// Called when the [`Status`] may have changed, and when the session is over.
    pub notify: Box<dyn Fn() + Send>,
    /// Gives names of representations to the frame log.
    pub names: Names,
    /// The subtitles that the pipeline queues, to log what appears.
    pub cues: CueQueue,
    /// Keeps the place in the title.
    pub resume: Option<Keeper>,
    /// Stay after the end or a failure until told to quit, so that a person can go back or retry.
    pub keep_open: bool,
}

/// Representation identifiers by key, shared with whoever prints them.
pub type Names =
    Arc<std::sync::RwLock<std::collections::BTreeMap<abr::presentation::RepresentationKey, String>>>;

/// What a person asks for.
#[derive(Clone, Debug)]
pub enum UserCommand {
    /// For the session.
    Session(Command),
    /// Linear volume.
    Volume(f64),
    /// Silence.
    Mute(bool),
    /// The picture is shown in this many pixels; zero when hidden.
    Surface {
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
    /// Open the title again where it stands, after a failure.
    Retry,
    /// Leave, as the user wishes.
    Quit,
}

/// The two ends of a pipeline.
pub struct Pipeline {
    /// To it; never waits.
    pub send: Box<dyn Fn(PipelineCommand) + Send>,
    /// From it; closes when all its threads have ended.
    pub events: UnboundedReceiver<PipelineEvent>,
}

/// A running driver.
pub struct Handle {
    /// To it.
    pub commands: UnboundedSender<UserCommand>,
    /// The latest state; changes at most every 50 ms.
    pub status: watch::Receiver<Arc<Status>>,
    thread: std::thread::JoinHandle<Summary>,
}

impl Handle {
    /// Whether the session is over.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end and returns the figures.
    ///
    /// # Errors
    /// An internal error when the driver thread panicked.
    pub fn join(self) -> Result<Summary, Error> {
        let crashed =
            |_| Error::new(Severity::Fatal, Code::Internal, "The driver crashed; please report this.");
        self.thread.join().map_err(crashed)
    }
}

/// Starts a driver on a thread of its own.
///
/// # Errors
/// [`Code::Internal`] when the thread or its I/O cannot be set up.
pub fn start(options: Options, pipeline: Pipeline) -> Result<Handle, Error> {
    let internal =
        |e: std::io::Error| Error::new(Severity::Fatal, Code::Internal, format!("No driver: {e}."));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(internal)?;
    let (commands, user) = unbounded_channel();
    let reporter =
        Reporter::new(&options.url, &options.session.controller, options.names.clone(), options.cues.clone());
    let (publish, status) = watch::channel(reporter.status());
    let thread = std::thread::Builder::new()
        .name("driver".into())
        .spawn(move || {
            let summary = runtime.block_on(Driver::new(options, pipeline, user, reporter, publish).run());
            runtime.shutdown_background();
            summary
        })
        .map_err(internal)?;
    Ok(Handle { commands, status, thread })
}

/// Drives a session on the present runtime, by its clock, with the requests made through `client`; returns
/// the figures at the end. For tests: with a paused clock a session takes no time and is always the same.
pub async fn drive(options: Options, pipeline: Pipeline, client: net::Client) -> Summary {
    // Nobody gives commands, and nobody looks.
    let (_commands, user) = unbounded_channel();
    let reporter =
        Reporter::new(&options.url, &options.session.controller, options.names.clone(), options.cues.clone());
    let (publish, _status) = watch::channel(reporter.status());
    let mut driver = Driver::new(options, pipeline, user, reporter, publish);
    driver.fetches.use_client(client);
    driver.run().await
}

struct Driver {
    session: Session,
    origin: Instant,
    fetches: Fetches,
    net_events: UnboundedReceiver<net::NetEvent>,
    pipeline: Pipeline,
    user: UnboundedReceiver<UserCommand>,
    script: Script,
    journal: JournalWriter,
    log: Log,
    reporter: Reporter,
    publish: watch::Sender<Arc<Status>>,
    notify: Box<dyn Fn() + Send>,
    keep_open: bool,
    resume: Option<Keeper>,
    outcome: &'static str,
    over: bool,
    /// Appends that wait for keys, in order.
    locked: Vec<Output>,
}

impl Driver {
    fn new(
        options: Options,
        pipeline: Pipeline,
        user: UnboundedReceiver<UserCommand>,
        reporter: Reporter,
        publish: watch::Sender<Arc<Status>>,
    ) -> Self {
        let (net_tx, net_events) = unbounded_channel();
        let journal = JournalWriter::new(options.journal, &options.session);
        Self {
            session: Session::new(options.session),
            origin: Instant::now(),
            fetches: Fetches::new(options.url, options.net, options.keys, net_tx),
            net_events,
            pipeline,
            user,
            script: options.script,
            journal,
            log: options.events,
            reporter,
            publish,
            notify: options.notify,
            keep_open: options.keep_open,
            resume: options.resume,
            outcome: "stopped",
            over: false,
            locked: Vec::new(),
        }
    }

    async fn run(mut self) -> Summary {
        self.reporter.start(&mut self.log, self.script.unpaced);
        let start = self.session.config().start_at;
        if start > MediaTime::ZERO {
            self.command(PipelineCommand::Seek { to: start, buffered: false });
        }
        let mut interrupts = Interrupts::listen();
        while !self.over {
            let deadline = self.carry_out_orders();
            if self.over {
                break;
            }
            let waits = Instant::now();
            let news = tokio::select! {
                biased;
                command = self.user.recv() => News::User(command),
                event = self.pipeline.events.recv() => News::Pipeline(event),
                Some(event) = self.net_events.recv() => News::Net(event),
                () = interrupts.next() => News::Interrupted,
                () = tokio::time::sleep_until(deadline) => News::Deadline,
            };
            if waits.elapsed() > STOPPED {
                // For the session the time in which the process stood still did not pass.
                self.origin += waits.elapsed();
            }
            match news {
                News::User(command) => self.user_command(command.unwrap_or(UserCommand::Quit)),
                News::Pipeline(event) => self.pipeline_event(event),
                News::Net(event) => self.net_event(event),
                News::Interrupted => self.finish("interrupted"),
                News::Deadline => self.tell(Input::Tick),
            }
        }
        self.stop().await
    }

    /// Drains the session and carries out what it orders. Returns when to wake up without news.
    fn carry_out_orders(&mut self) -> Instant {
        while let Some(command) = self.script.due(self.reporter.script_time()) {
            self.user_command(command);
        }
        self.fetches.locks.tick(self.origin.elapsed());
        self.key_news();
        let wake = loop {
            let order = self.session.poll();
            self.journal.output(self.now(), &order);
            match order {
                Output::Wait(wake) => break wake,
                order => self.carry_out(order),
            }
            self.key_news();
        };
        self.reporter.timed(self.fetches.timed());
        self.fetches.steer(self.session.throughput_bps());
        self.reporter.tick(&self.session, self.now(), &mut self.log);
        self.keep_place();
        if self.reporter.publish(&self.publish) {
            (self.notify)();
        }
        let session = wake
            .map_or(self.origin + Duration::from_secs(3600), |at| self.origin + at.since(Timestamp::ZERO));
        let script = self.script.next().and_then(|at| self.reporter.script_instant(at));
        let session = self.fetches.next_steering().map_or(session, |steering| session.min(steering));
        session.min(self.reporter.next_tick()).min(script.unwrap_or(session))
    }

    /// Notes where playback is, unless the title is live.
    fn keep_place(&mut self) {
        let Some(keeper) = &mut self.resume else { return };
        if self.session.presentation().is_some_and(|presentation| !presentation.dynamic) {
            let (position, duration, phase) = self.reporter.place();
            keeper.observe(position, duration, phase, std::time::Instant::now());
        }
    }

    fn carry_out(&mut self, order: Output) {
        match order {
            Output::Fetch(fetch) => {
                if let Err(failure) = self.fetches.start(&fetch) {
                    self.tell(Input::FetchFailed { id: fetch.id, transfer: Default::default(), failure });
                }
            }
            Output::Cancel(id) => self.fetches.cancel(id),
            Output::Append { id, track, representation, segment } => {
                let (bytes, coming) = match self.fetches.take(id, representation, &segment) {
                    Some(Delivery::Ready(bytes)) => (bytes, false),
                    Some(Delivery::Coming(bytes)) => (bytes, true),
                    Some(Delivery::Waits) => return self.locked.push(order),
                    Some(Delivery::Refused(failure)) => {
                        return self.tell(Input::AppendFailed { id, failure });
                    }
                    None => return,
                };
                let presentation = self.session.presentation();
                let codecs =
                    presentation.and_then(|p| p.representation(representation)).map(|r| r.codecs.clone());
                let set = presentation.and_then(|p| p.adaptation_set(representation));
                let append = Append {
                    id,
                    track,
                    muxed_audio: set.is_some_and(|set| set.muxed_audio),
                    representation,
                    codecs: codecs.unwrap_or_default(),
                    container: bytes.container,
                    segment,
                    timing: bytes.timing,
                    init: bytes.init,
                    data: bytes.data,
                    cipher: bytes.cipher,
                };
                if coming {
                    for command in self.fetches.streams.begin(Box::new(append)) {
                        self.command(command);
                    }
                } else {
                    self.command(PipelineCommand::Append(Box::new(append)));
                }
            }
            Output::Discard(id) => self.fetches.discard(id),
            Output::LicenceFailed { id, failure } => self.fetches.locks.given_up(id, &failure),
            Output::Flush { track, from } => {
                self.forget_locked(Some(track));
                self.fetches.streams.forget_complete(Some(track));
                self.reporter.flushed(track, from);
                self.command(PipelineCommand::Flush { track, from });
            }
            Output::EndOfTrack(track) => self.command(PipelineCommand::EndOfTrack(track)),
            Output::Seek { to, buffered } => {
                if !buffered {
                    self.forget_locked(None);
                    self.fetches.streams.forget_complete(None);
                    self.reporter.flushed(ContentType::Video, MediaTime::MIN);
                }
                self.command(PipelineCommand::Seek { to, buffered });
            }
            Output::Clock { run, rate } => self.command(PipelineCommand::Clock { run, rate }),
            Output::Report(event) => {
                if let Some(outcome) = self.reporter.event(event, &mut self.log) {
                    self.outcome = outcome;
                    self.over |= !self.keep_open;
                }
            }
            Output::Wait(_) => {}
        }
    }

    /// Tells the session what has become of keys, and goes on with what waited for them.
    fn key_news(&mut self) {
        loop {
            let facts = self.fetches.locks.facts();
            if facts.is_empty() {
                return;
            }
            for fact in facts {
                self.tell(fact);
            }
            self.unlock();
        }
    }

    /// Tries again to hand over the appends that wait for keys.
    fn unlock(&mut self) {
        for order in std::mem::take(&mut self.locked) {
            self.carry_out(order);
        }
    }

    /// Forgets the appends of a track, or all, that wait for keys: a seek or flush has overtaken them.
    fn forget_locked(&mut self, of: Option<ContentType>) {
        for order in std::mem::take(&mut self.locked) {
            match order {
                Output::Append { id, track, .. } if of.is_none_or(|of| of == track) => {
                    self.fetches.discard(id)
                }
                order => self.locked.push(order),
            }
        }
    }

    /// Tells the session one fact and records it.
    fn tell(&mut self, input: Input) {
        let now = self.now();
        self.journal.input(now, &input);
        self.session.handle(now, input);
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.origin.elapsed()
    }

    fn command(&mut self, command: PipelineCommand) {
        (self.pipeline.send)(command);
    }

    fn user_command(&mut self, command: UserCommand) {
        match command {
            UserCommand::Session(command) => {
                self.reporter.command(command);
                self.tell(Input::Command(command));
            }
            UserCommand::Volume(volume) => {
                self.reporter.volume(volume);
                self.command(PipelineCommand::Volume(volume));
            }
            UserCommand::Mute(mute) => {
                self.reporter.mute(mute);
                self.command(PipelineCommand::Mute(mute));
            }
            UserCommand::Surface { width, height } => self.tell(Input::Surface { width, height }),
            UserCommand::Retry => self.retry(),
            // Quitting after the end is not stopping.
            UserCommand::Quit => self.over = true,
        }
    }

    fn finish(&mut self, outcome: &'static str) {
        self.outcome = outcome;
        self.over = true;
    }

    /// Begins a new session at the position of the failed one.
    fn retry(&mut self) {
        // A journal tells of one session; that of the failed one is complete.
        self.journal.end();
        let position = self.session.position(self.now());
        let config = Config { start_at: position, ..self.session.config().clone() };
        self.fetches.reset();
        self.locked.clear();
        self.command(PipelineCommand::Seek { to: position, buffered: false });
        self.outcome = "stopped";
        self.reporter.retry();
        self.session = Session::new(config);
    }

    fn pipeline_event(&mut self, event: Option<PipelineEvent>) {
        let Some(event) = event else {
            let message = "The decoding pipeline ended unexpectedly; please report this.";
            self.tell(Input::Trouble(Error::new(Severity::Fatal, Code::Internal, message)));
            return;
        };
        self.reporter.pipeline(&event, &mut self.log);
        match event {
            PipelineEvent::Appended { id, start, end } => {
                if let Some(answer) = self.fetches.queued(id, start, end) {
                    self.reporter.appended(answer.track, answer.representation, start, end);
                    self.tell(answer.fact);
                }
            }
            PipelineEvent::AppendFailed { id, failure } => {
                let failure = self.fetches.append_failed(id, failure);
                self.tell(Input::AppendFailed { id, failure });
            }
            PipelineEvent::Playback { position, running, presented, dropped, .. } => {
                self.tell(Input::Playback { position, running, presented, dropped });
            }
            PipelineEvent::Ready { position } => self.tell(Input::Ready { position }),
            PipelineEvent::Drained => self.tell(Input::Drained),
            PipelineEvent::Trouble(error) => self.tell(Input::Trouble(error)),
        }
    }

    fn net_event(&mut self, event: net::NetEvent) {
        if let net::NetEvent::Chunk { id, bytes } = event {
            if let Some(command) = self.fetches.streams.chunk(id, bytes) {
                self.command(command);
            }
            return self.unlock();
        }
        let complete = match &event {
            net::NetEvent::Done { id, body, .. } => self.fetches.complete(*id, body),
            _ => None,
        };
        for fact in self.fetches.event(event, &mut self.reporter, &mut self.log) {
            if let Input::Presentation(presentation) = &fact {
                // A manifest that grows needs a clock, if only this machine's.
                if presentation.live.is_some() && self.session.presentation().is_none() {
                    self.tell(growth::system_time());
                }
                let protocol = self.fetches.protocol().map_or("", name_of);
                self.reporter.manifest(protocol, presentation);
                self.command(tracks(presentation));
            }
            self.tell(fact);
        }
        if let Some((id, command)) = complete {
            command.into_iter().for_each(|command| self.command(command));
            if let Some(answer) = self.fetches.streams.settled(id) {
                self.fetches.locks.used(id);
                self.tell(answer.fact);
            }
        }
        self.unlock();
    }

    async fn stop(mut self) -> Summary {
        self.tell(Input::Command(Command::Stop));
        self.fetches.cancel_all();
        self.command(PipelineCommand::Stop);
        let ended = async { while self.pipeline.events.recv().await.is_some() {} };
        let _ = tokio::time::timeout(STOP_PATIENCE, ended).await;
        self.journal.end();
        let summary = self.reporter.end(self.outcome, &mut self.log);
        if let Some(keeper) = self.resume.take() {
            let (position, duration, _) = self.reporter.place();
            keeper.finish(position, duration, self.outcome == "ended");
        }
        self.publish.send_replace(self.reporter.status());
        // Whoever is told now finds the channel closed.
        let Self { publish, notify, .. } = self;
        drop(publish);
        notify();
        summary
    }
}

fn name_of(protocol: manifest::Protocol) -> &'static str {
    match protocol {
        manifest::Protocol::Dash => "DASH",
        manifest::Protocol::Hls => "HLS",
    }
}

/// Which tracks the title has, so that the pipeline knows what to wait for.
fn tracks(presentation: &Presentation) -> PipelineCommand {
    let mut sets = presentation.periods.iter().flat_map(|period| &period.adaptation_sets);
    let video = sets.clone().any(|set| set.content_type == ContentType::Video);
    let audio = sets.any(|set| set.content_type == ContentType::Audio || set.muxed_audio);
    PipelineCommand::Tracks { video, audio }
}

/// Host and path of a URL, the part that may be shown and logged.
pub(crate) fn title(url: &Url) -> String {
    match url.host_str() {
        Some(host) => format!("{host}{}", url.path()),
        None => url.path().to_owned(),
    }
}

/// Time since `exec`, for every report.
pub(crate) fn process_time() -> Duration {
    ProcessClock::get().now()
}
