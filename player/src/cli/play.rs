//! `sluice [URL]`: sets up pipeline, driver and face, and waits for the end.

use super::args::Play;
pub(super) use super::args::Protocol;
use super::progress::Progress;
use super::{Exit, address, complain, fatal, inspect};
use crate::decode::{
    self, AudioOutput, FrameLog, FrameOutput, FrameQueue, PipelineHandle, PresentationClock, Watch,
};
use crate::driver::{self, Handle, Names, Pipeline, Script, UserCommand};
use crate::events::{Log, Summary, WindowCost};
use crate::frame::{Frame, FrameSource};
use crate::keys;
use crate::process::ProcessClock;
use crate::render::image::RgbaImage;
use crate::render::timings::Timings;
use crate::resume::{Keeper, Key, Store};
use crate::status::Status;
use crate::text::language;
use crate::text::queue::CueQueue;
use crate::ui::action::UiCommand;
use crate::ui::captions::CaptionStyle;
use crate::ui::desktop::{Desktop, Handles, WindowOptions};
use crate::ui::format::time;
use abr::controller;
use abr::error::{Code, Error, Severity};
use abr::presentation::RepresentationKey;
use abr::protocol::Phase;
use abr::session::Config;
use abr::time::MediaTime;
use drm_stub::cdm::Cdm;
use drm_stub::clearkey::{ClearKey, parse_pair};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use url::Url;

/// The figures, and the error that ended the session if one did.
pub(super) type Ending = (Summary, Option<Error>);
type Output = Box<dyn Write + Send>;

/// How soon to look again for a frame whose time cannot be told while the clock is meant to run.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Plays and returns the exit code.
pub(super) fn run(play: Play) -> Exit {
    if !controller::NAMES.contains(&play.controller.as_str()) {
        let known = controller::NAMES.join(", ");
        return complain(&format!("'{}' is no controller; known are {known}.", play.controller), Exit::Usage);
    }
    decode::warm_up();
    match session(&play) {
        Ok((summary, failure)) => report(Report { json: play.json, quiet: play.quiet }, &summary, failure),
        Err(error) => complain(&error.to_string(), Exit::of(&error, false)),
    }
}

/// Plays to the end, in a window when there is a display and none of the options forbids it.
fn session(play: &Play) -> Result<Ending, Error> {
    let (url, _demo) = source(play)?;
    let names = Names::default();
    let keys = keys(play)?;
    if play.headless || play.no_pacing || play.frame_log.is_some() {
        return without_window(play, options(play, url, names, keys)?);
    }
    let shown = Desktop::open().and_then(|desktop| {
        in_window(play, desktop, options(play, url.clone(), names.clone(), keys.clone())?)
    });
    match shown {
        Err(error) if matches!(error.code, Code::NoDisplay | Code::NoAdapter) => {
            complain(&format!("{error} Playing without window and sound."), Exit::Ok);
            without_window(play, options(play, url, names, keys)?)
        }
        shown => shown,
    }
}

/// What the driver needs, except for who is told of changes.
fn options(play: &Play, url: Url, names: Names, keys: keys::Config) -> Result<driver::Options, Error> {
    let log = match &play.events {
        None => Log::new(None),
        Some(path) => Log::new(Some(output(path)?)),
    };
    Ok(driver::Options {
        session: settings(play, place(play, &url)),
        net: inspect::network(&url, &play.network),
        keys,
        events: log,
        journal: play.journal.as_deref().map(output).transpose()?,
        script: Script::new(&play.seek_at, &play.pause_at, &play.lock_at, play.stop_after, play.no_pacing),
        notify: Box::new(|| {}),
        resume: keeper(play, &url),
        keep_open: false,
        names,
        cues: CueQueue::default(),
        url,
    })
}

fn without_window(play: &Play, options: driver::Options) -> Result<Ending, Error> {
    let frame_log =
        play.frame_log.as_deref().map(|path| frame_log(path, options.names.clone())).transpose()?;
    let cues = options.cues.clone();
    let (pipeline, _) = pipeline(
        play,
        Arc::clone(&options.keys.cdm),
        AudioOutput::Silent,
        FrameOutput::Headless { frame_log },
        cues,
    )?;
    let handle = driver::start(options, pipeline)?;
    let progress = (!play.quiet && !play.json).then(|| Progress::start(handle.status.clone()));
    let ending = ending(handle);
    drop(progress);
    ending
}

fn in_window(play: &Play, desktop: Desktop, mut options: driver::Options) -> Result<Ending, Error> {
    let window = WindowOptions {
        title: driver::title(&options.url),
        fullscreen: play.fullscreen,
        close_at_end: true,
        greeting: (play.start_at.is_none() && options.session.start_at > MediaTime::ZERO)
            .then(|| format!("Resumed at {}   Home starts over", time(options.session.start_at))),
        captions: CaptionStyle { size: f32::from(play.text_size) / 100.0, edge: play.text_edge },
        ..WindowOptions::default()
    };
    let (frame_wake, status_wake) = (desktop.wake_handle(), desktop.wake_handle());
    options.keep_open = true;
    let cues = options.cues.clone();
    options.notify = Box::new(move || status_wake.wake());
    let output = FrameOutput::Window { wake: Box::new(move || frame_wake.wake()) };
    let cdm = Arc::clone(&options.keys.cdm);
    let (pipeline, frames) = pipeline(play, cdm, AudioOutput::Device, output, options.cues.clone())?;
    let handle = driver::start(options, pipeline)?;
    let (commands, status, over) = (handle.commands.clone(), handle.status.clone(), handle.status.clone());
    let handles = Handles {
        commands: Box::new(move |command| forward(&commands, command)),
        status: Box::new(move || status.borrow().clone()),
        frames: Arc::new(frames),
        cues,
        finished: Box::new(move || finished(&over)),
    };
    let shown = desktop.run(window, handles);
    // Closing the window is how a person stops; a session that is already over ignores it.
    let _ = handle.commands.send(UserCommand::Quit);
    let (mut summary, failure) = ending(handle)?;
    match shown {
        Err(error) if matches!(error.code, Code::NoDisplay | Code::NoAdapter | Code::DeviceLost) => {
            return Err(error);
        }
        Ok(timings) => summary.window = Some(cost(timings)),
        // The session's own failure says more.
        Err(_) => {}
    }
    Ok((summary, failure))
}

fn cost(timings: Timings) -> WindowCost {
    let round = |ms: f64| (ms * 1000.0).round() / 1000.0;
    let [upload_ms, draw_ms, present_ms] = timings.mean_ms().map(round);
    let longest_ms = round(timings.longest.as_secs_f64() * 1e3);
    WindowCost { frames: timings.frames, upload_ms, draw_ms, present_ms, longest_ms }
}

/// Waits for the end of the session.
pub(super) fn ending(handle: Handle) -> Result<Ending, Error> {
    let status = handle.status.clone();
    let mut summary = handle.join()?;
    summary.peak_memory_bytes = crate::process::peak_memory();
    let failure = failure(&status.borrow());
    Ok((summary, failure))
}

/// Saves the first frame that ends after `at` as a PNG file.
fn screenshot(path: &Path, at: MediaTime) -> Watch {
    let mut path = Some(path.to_owned());
    Box::new(move |frame| {
        if frame.end > at
            && let Some(path) = path.take()
            && let Err(error) = RgbaImage::from_picture(&frame.picture).write_png(&path)
        {
            complain(&format!("'{}' cannot be written: {error}.", path.display()), Exit::Ok);
        }
    })
}

/// Passes on what the face asks for. A session that is over needs no commands.
pub(super) fn forward(to: &UnboundedSender<UserCommand>, command: UiCommand) {
    let command = match command {
        UiCommand::Session(command) => UserCommand::Session(command),
        UiCommand::Volume(volume) => UserCommand::Volume(volume),
        UiCommand::Mute(mute) => UserCommand::Mute(mute),
        UiCommand::Surface { width, height } => UserCommand::Surface { width, height },
        UiCommand::Retry => UserCommand::Retry,
        UiCommand::Quit => UserCommand::Quit,
    };
    let _ = to.send(command);
}

/// How the session ended, for the face; also when the driver was told to end by a signal or the script.
pub(super) fn finished(status: &watch::Receiver<Arc<Status>>) -> Option<Result<(), Error>> {
    let latest = status.borrow();
    match latest.phase {
        Phase::Ended => Some(Ok(())),
        Phase::Failed => failure(&latest).map(Err),
        _ => status.has_changed().is_err().then_some(Ok(())),
    }
}

/// The pictures of a pipeline, chosen by its clock.
pub(super) struct Pictures {
    frames: Arc<FrameQueue>,
    clock: Arc<PresentationClock>,
}

impl Pictures {
    pub(super) fn new(handle: &PipelineHandle) -> Self {
        Self { frames: Arc::clone(&handle.frames), clock: Arc::clone(&handle.clock) }
    }
}

impl FrameSource for Pictures {
    fn due(&self) -> Option<Frame> {
        self.frames.due(self.clock.position(), self.clock.is_running()).frame
    }

    fn next_due(&self) -> Option<Instant> {
        let next = self.frames.next()?;
        // A clock that stands at the end of what is queued goes on without a word when more comes.
        let wait = self.clock.until(next).or_else(|| self.clock.is_running().then_some(LOOK_AGAIN))?;
        Instant::now().checked_add(wait)
    }
}

/// The error that ended the session.
fn failure(status: &Status) -> Option<Error> {
    let (_, error) = status.notice.as_ref()?;
    (error.severity == Severity::Fatal).then(|| error.clone())
}

/// The demo's server with the thread that runs it.
pub(super) struct Demo {
    _origin: crate::demo::Origin,
    _runtime: Runtime,
}

/// What to play: the user's address, or the demo with its server.
fn source(play: &Play) -> Result<(Url, Option<Demo>), Error> {
    if let Some(text) = &play.url {
        return Ok((address(text)?, None));
    }
    demo(play.demo).map(|(url, demo)| (url, Some(demo)))
}

/// Serves the demo title; its address is good for as long as the server lives.
pub(super) fn demo(protocol: Protocol) -> Result<(Url, Demo), Error> {
    let internal =
        |e: &dyn std::fmt::Display| fatal(Code::Internal, format!("The demo cannot be served: {e}."));
    let runtime =
        Builder::new_multi_thread().worker_threads(1).thread_name("demo origin").enable_all().build();
    let runtime = runtime.map_err(|e| internal(&e))?;
    let origin = runtime.block_on(async { crate::demo::Origin::start() }).map_err(|e| internal(&e))?;
    let url = match protocol {
        Protocol::Dash => origin.url_dash.clone(),
        Protocol::Hls => origin.url_hls.clone(),
    };
    Ok((url, Demo { _origin: origin, _runtime: runtime }))
}

fn settings(play: &Play, start_at: MediaTime) -> Config {
    Config {
        controller: play.controller.clone(),
        start_at,
        lock_height: play.lock,
        min_height: play.min_height,
        max_height: play.max_height,
        audio_language: play.audio.clone(),
        text: play.text != "off",
        text_languages: text_languages(&play.text),
        live_latency: play.latency,
        seed: u64::from(std::process::id()),
        ..Config::default()
    }
}

/// Whether places are remembered: as asked, and otherwise in the window alone.
fn remembers(play: &Play) -> bool {
    let shown = !(play.headless || play.no_pacing || play.frame_log.is_some());
    play.resume || (shown && !play.no_resume)
}

/// What the place in the title is remembered by; the port of the demo's server differs every time.
fn title_key(play: &Play, url: &Url) -> Key {
    if play.url.is_some() { Key::of_url(url) } else { Key::of_name("demo") }
}

/// Where to begin.
fn place(play: &Play, url: &Url) -> MediaTime {
    let remembered = || Store::of_user()?.position(&title_key(play, url));
    match play.start_at {
        Some(at) => MediaTime::ZERO + at,
        None if remembers(play) => remembered().unwrap_or(MediaTime::ZERO),
        None => MediaTime::ZERO,
    }
}

/// What writes the place down; without a home or a thread it is not.
fn keeper(play: &Play, url: &Url) -> Option<Keeper> {
    let store = Store::of_user().filter(|_| remembers(play))?;
    Keeper::start(store, title_key(play, url)).ok()
}

/// The languages of subtitles: the one asked for, then those of the system.
fn text_languages(asked: &str) -> Vec<String> {
    let system = language::of_system(|name| std::env::var(name).ok());
    let asked = (!matches!(asked, "on" | "off")).then(|| asked.to_owned());
    asked.into_iter().chain(system).collect()
}

/// Starts a pipeline and gives its two ends.
fn pipeline(
    play: &Play,
    cdm: Arc<dyn Cdm>,
    audio: AudioOutput,
    output: FrameOutput,
    cues: CueQueue,
) -> Result<(Pipeline, Pictures), Error> {
    let options = decode::Options {
        pacing: !play.no_pacing,
        watch: play.screenshot.as_deref().map(|path| screenshot(path, MediaTime::ZERO + play.screenshot_at)),
        cdm,
        cues,
        ..decode::Options::new(audio, output)
    };
    let (sender, events) = unbounded_channel();
    let handle = decode::start(options, sender)?;
    let pictures = Pictures::new(&handle);
    Ok((Pipeline { send: Box::new(move |command| handle.send(command)), events }, pictures))
}

/// The built-in content decryption module with the keys that the user gave, and whom to ask for others.
fn keys(play: &Play) -> Result<keys::Config, Error> {
    let cdm = ClearKey::new();
    for text in &play.clearkey {
        // The text holds a key and is never repeated.
        let (kid, key) =
            parse_pair(text).map_err(|error| fatal(Code::Licence, format!("--clearkey: {error}.")))?;
        cdm.give(kid, key);
    }
    let licence_url = play.licence_url.as_deref().map(|text| {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        url.ok_or_else(|| fatal(Code::LicenceServer, "--licence-url: give an http(s) URL."))
    });
    Ok(keys::Config {
        cdm: Arc::new(cdm),
        licence_url: licence_url.transpose()?,
        given: !play.clearkey.is_empty(),
    })
}

/// A frame log that calls representations as the manifest does.
fn frame_log(path: &Path, names: Names) -> Result<FrameLog, Error> {
    let name = move |key: RepresentationKey| {
        let names = names.read().unwrap_or_else(PoisonError::into_inner);
        names.get(&key).cloned().unwrap_or_else(|| key.to_string())
    };
    Ok(FrameLog::new(output(path)?, ProcessClock::get().origin(), Box::new(name)))
}

/// Opens a file to write, or standard output for `-`.
fn output(path: &Path) -> Result<Output, Error> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdout()));
    }
    match File::create(path) {
        Ok(file) => Ok(Box::new(io::BufWriter::new(file))),
        Err(error) => Err(fatal(Code::Internal, format!("'{}' cannot be written: {error}.", path.display()))),
    }
}

/// How the figures are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    /// As JSON on standard output.
    pub(super) json: bool,
    /// Otherwise not at all.
    pub(super) quiet: bool,
}

/// Prints the figures and picks the exit code.
pub(super) fn report(how: Report, summary: &Summary, failure: Option<Error>) -> Exit {
    if how.json {
        match serde_json::to_string(summary) {
            Ok(json) => println!("{json}"),
            Err(error) => {
                return complain(&format!("The figures cannot be printed: {error}."), Exit::Internal);
            }
        }
    } else if !how.quiet {
        let startup = summary
            .startup_ms
            .map_or_else(|| "no picture".into(), |ms| format!("first picture after {ms} ms"));
        eprintln!(
            "{startup}, {} stalls ({} ms), {} switches, {} kbit/s on average, {} frames shown, {} dropped",
            summary.stalls,
            summary.stall_ms,
            summary.switches,
            summary.mean_bitrate_bps / 1000,
            summary.frames_presented,
            summary.frames_dropped,
        );
    }
    if let Some(error) = failure {
        return complain(&error.to_string(), Exit::of(&error, summary.startup_ms.is_some()));
    }
    match summary.outcome {
        "interrupted" => Exit::Interrupted,
        _ if summary.gap_ms > 0 => Exit::Losses,
        _ => Exit::Ok,
    }
}
