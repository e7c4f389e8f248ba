//! `sluice [URL]`: sets up pipeline, driver and face, and waits for the end.

use super::args::{Play, Protocol};
use super::progress::Progress;
use super::{Exit, address, complain, fatal, inspect};
use crate::decode::{self, AudioOutput, FrameLog, FrameOutput, FrameQueue, PresentationClock, Watch};
use crate::demo;
use crate::driver::{self, Handle, Names, Pipeline, Script, UserCommand};
use crate::events::{Log, Summary};
use crate::frame::{Frame, FrameSource};
use crate::process::ProcessClock;
use crate::render::image::RgbaImage;
use crate::status::Status;
use crate::ui::action::UiCommand;
use crate::ui::desktop::{Desktop, Handles, WindowOptions};
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
type Ending = (Summary, Option<Error>);
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
        Ok((summary, failure)) => report(&play, &summary, failure),
        Err(error) => complain(&error.to_string(), Exit::of(&error, false)),
    }
}

/// Plays to the end, in a window when there is a display and none of the options forbids it.
fn session(play: &Play) -> Result<Ending, Error> {
    let (url, _demo) = source(play)?;
    let names = Names::default();
    if play.headless || play.no_pacing || play.frame_log.is_some() {
        return without_window(play, options(play, url, names)?);
    }
    let shown = Desktop::open()
        .and_then(|desktop| in_window(play, desktop, options(play, url.clone(), names.clone())?));
    match shown {
        Err(error) if matches!(error.code, Code::NoDisplay | Code::NoAdapter) => {
            complain(&format!("{error} Playing without window and sound."), Exit::Ok);
            without_window(play, options(play, url, names)?)
        }
        shown => shown,
    }
}

/// What the driver needs, except for who is told of changes.
fn options(play: &Play, url: Url, names: Names) -> Result<driver::Options, Error> {
    let log = match &play.events {
        None => Log::new(None),
        Some(path) => Log::new(Some(output(path)?)),
    };
    Ok(driver::Options {
        session: settings(play),
        net: inspect::network(&url, &play.network),
        events: log,
        journal: play.journal.as_deref().map(output).transpose()?,
        script: Script::new(&play.seek_at, &play.pause_at, &play.lock_at, play.stop_after, play.no_pacing),
        notify: Box::new(|| {}),
        keep_open: false,
        names,
        url,
    })
}

fn without_window(play: &Play, options: driver::Options) -> Result<Ending, Error> {
    let frame_log =
        play.frame_log.as_deref().map(|path| frame_log(path, options.names.clone())).transpose()?;
    let (pipeline, _) = pipeline(play, AudioOutput::Silent, FrameOutput::Headless { frame_log })?;
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
        ..WindowOptions::default()
    };
    let (frame_wake, status_wake) = (desktop.wake_handle(), desktop.wake_handle());
    options.keep_open = true;
    options.notify = Box::new(move || status_wake.wake());
    let output = FrameOutput::Window { wake: Box::new(move || frame_wake.wake()) };
    let (pipeline, frames) = pipeline(play, AudioOutput::Device, output)?;
    let handle = driver::start(options, pipeline)?;
    let (commands, status, over) = (handle.commands.clone(), handle.status.clone(), handle.status.clone());
    let handles = Handles {
        commands: Box::new(move |command| forward(&commands, command)),
        status: Box::new(move || status.borrow().clone()),
        frames: Arc::new(frames),
        finished: Box::new(move || finished(&over)),
    };
    let shown = desktop.run(window, handles);
    // Closing the window is how a person stops; a session that is already over ignores it.
    let _ = handle.commands.send(UserCommand::Quit);
    let ending = ending(handle)?;
    match shown {
        Err(error) if matches!(error.code, Code::NoDisplay | Code::NoAdapter | Code::DeviceLost) => {
            Err(error)
        }
        _ => Ok(ending),
    }
}

/// Waits for the end of the session.
fn ending(handle: Handle) -> Result<Ending, Error> {
    let status = handle.status.clone();
    let summary = handle.join()?;
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
fn forward(to: &UnboundedSender<UserCommand>, command: UiCommand) {
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
fn finished(status: &watch::Receiver<Arc<Status>>) -> Option<Result<(), Error>> {
    let latest = status.borrow();
    match latest.phase {
        Phase::Ended => Some(Ok(())),
        Phase::Failed => failure(&latest).map(Err),
        _ => status.has_changed().is_err().then_some(Ok(())),
    }
}

/// The pictures of a pipeline, chosen by its clock.
struct Pictures {
    frames: Arc<FrameQueue>,
    clock: Arc<PresentationClock>,
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
struct Demo {
    _origin: demo::Origin,
    _runtime: Runtime,
}

/// What to play: the user's address, or the demo with its server.
fn source(play: &Play) -> Result<(Url, Option<Demo>), Error> {
    if let Some(text) = &play.url {
        return Ok((address(text)?, None));
    }
    let internal =
        |e: &dyn std::fmt::Display| fatal(Code::Internal, format!("The demo cannot be served: {e}."));
    let runtime =
        Builder::new_multi_thread().worker_threads(1).thread_name("demo origin").enable_all().build();
    let runtime = runtime.map_err(|e| internal(&e))?;
    let origin = runtime.block_on(async { demo::Origin::start() }).map_err(|e| internal(&e))?;
    let url = match play.demo {
        Protocol::Dash => origin.url_dash.clone(),
        Protocol::Hls => origin.url_hls.clone(),
    };
    Ok((url, Some(Demo { _origin: origin, _runtime: runtime })))
}

fn settings(play: &Play) -> Config {
    Config {
        controller: play.controller.clone(),
        start_at: play.start_at.map_or(MediaTime::ZERO, |at| MediaTime::ZERO + at),
        lock_height: play.lock,
        min_height: play.min_height,
        max_height: play.max_height,
        audio_language: play.audio.clone(),
        seed: u64::from(std::process::id()),
        ..Config::default()
    }
}

/// Starts a pipeline and gives its two ends.
fn pipeline(play: &Play, audio: AudioOutput, output: FrameOutput) -> Result<(Pipeline, Pictures), Error> {
    let options = decode::Options {
        pacing: !play.no_pacing,
        watch: play.screenshot.as_deref().map(|path| screenshot(path, MediaTime::ZERO + play.screenshot_at)),
        cdm: cdm(play)?,
        ..decode::Options::new(audio, output)
    };
    let (sender, events) = unbounded_channel();
    let handle = decode::start(options, sender)?;
    let pictures = Pictures { frames: Arc::clone(&handle.frames), clock: Arc::clone(&handle.clock) };
    Ok((Pipeline { send: Box::new(move |command| handle.send(command)), events }, pictures))
}

/// The built-in content decryption module with the keys that the user gave.
fn cdm(play: &Play) -> Result<Box<dyn Cdm>, Error> {
    let mut cdm = ClearKey::new();
    for text in &play.clearkey {
        // The text holds a key and is never repeated.
        let (kid, key) =
            parse_pair(text).map_err(|error| fatal(Code::Licence, format!("--clearkey: {error}.")))?;
        cdm.give(kid, key);
    }
    Ok(Box::new(cdm))
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

/// Prints the figures and picks the exit code.
fn report(play: &Play, summary: &Summary, failure: Option<Error>) -> Exit {
    if play.json {
        match serde_json::to_string(summary) {
            Ok(json) => println!("{json}"),
            Err(error) => {
                return complain(&format!("The figures cannot be printed: {error}."), Exit::Internal);
            }
        }
    } else if !play.quiet {
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
