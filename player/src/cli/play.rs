//! `sluice [URL]`: sets up pipeline, driver and face, and waits for the end.

use super::args::{Play, Protocol};
use super::progress::Progress;
use super::{Exit, address, complain, fatal, inspect};
use crate::decode::{self, AudioOutput, FrameLog, FrameOutput, FrameQueue, PresentationClock};
use crate::demo;
use crate::driver::{self, Names, Pipeline, Script, UserCommand};
use crate::events::{Log, Summary};
use crate::frame::{Frame, FrameSource};
use crate::process::ProcessClock;
use crate::status::Status;
use crate::ui::action::UiCommand;
use crate::ui::desktop::{Desktop, Handles, WindowOptions};
use abr::controller;
use abr::error::{Code, Error, Severity};
use abr::presentation::RepresentationKey;
use abr::protocol::Phase;
use abr::session::Config;
use abr::time::MediaTime;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use url::Url;

/// The figures, and the error that ended the session if one did.
type Ending = (Summary, Option<Error>);
type Output = Box<dyn Write + Send>;

/// Plays and returns the exit code.
pub(super) fn run(play: Play) -> Exit {
    if !controller::NAMES.contains(&play.controller.as_str()) {
        let known = controller::NAMES.join(", ");
        return complain(&format!("'{}' is no controller; known are {known}.", play.controller), Exit::Usage);
    }
    match session(&play) {
        Ok((summary, failure)) => report(&play, &summary, failure),
        Err(error) => complain(&error.to_string(), Exit::of(&error, false)),
    }
}

/// Plays to the end, in a window when there is a display and none of the options forbids it.
fn session(play: &Play) -> Result<Ending, Error> {
    let (url, _demo) = source(play)?;
    let names = Names::default();
    let log = match &play.events {
        None => Log::new(None),
        Some(path) => Log::new(Some(output(path)?)),
    };
    let journal = play.journal.as_deref().map(output).transpose()?;
    let frame_log = play.frame_log.as_deref().map(|path| frame_log(path, names.clone())).transpose()?;
    let options = driver::Options {
        session: settings(play),
        net: inspect::network(&url, &play.network),
        events: log,
        journal,
        script: Script::new(&play.seek_at, &play.pause_at, &play.lock_at, play.stop_after, play.no_pacing),
        watched: true,
        keep_open: false,
        names,
        url,
    };
    if play.headless || play.no_pacing || frame_log.is_some() {
        return without_window(play, options, frame_log);
    }
    match Desktop::open() {
        Ok(desktop) => in_window(play, desktop, options),
        Err(error) if error.code == Code::NoDisplay => {
            complain(&error.to_string(), Exit::Ok);
            without_window(play, options, frame_log)
        }
        Err(error) => Err(error),
    }
}

fn without_window(
    play: &Play,
    options: driver::Options,
    frame_log: Option<FrameLog>,
) -> Result<Ending, Error> {
    let mut settings = decode::Options::new(AudioOutput::Silent, FrameOutput::Headless { frame_log });
    settings.pacing = !play.no_pacing;
    let (pipeline, _) = pipeline(settings)?;
    let handle = driver::start(options, pipeline)?;
    let progress = (!play.quiet && !play.json).then(|| Progress::start(handle.status.clone()));
    let status = handle.status.clone();
    let summary = handle.join()?;
    drop(progress);
    let failure = failure(&status.borrow());
    Ok((summary, failure))
}

fn in_window(play: &Play, desktop: Desktop, mut options: driver::Options) -> Result<Ending, Error> {
    let window = WindowOptions {
        title: driver::title(&options.url),
        fullscreen: play.fullscreen,
        screenshot: play.screenshot.clone().map(|path| (path, MediaTime::ZERO + play.screenshot_at)),
        ..WindowOptions::default()
    };
    options.keep_open = true;
    let wake = desktop.wake_handle();
    let frame_wake = wake.clone();
    let output = FrameOutput::Window { wake: Box::new(move || frame_wake.wake()) };
    let (pipeline, frames) = pipeline(decode::Options::new(AudioOutput::Device, output))?;
    let handle = driver::start(options, pipeline)?;
    let (commands, status, ended) = (handle.commands.clone(), handle.status.clone(), handle.status.clone());
    let handles = Handles {
        commands: Box::new(move |command| forward(&commands, command)),
        status: Box::new(move || status.borrow().clone()),
        frames: Arc::new(frames),
        finished: Box::new(move || ending(&ended.borrow())),
    };
    desktop.run(window, handles)?;
    // Closing the window is how a person stops; a session that is already over ignores it.
    let _ = handle.commands.send(UserCommand::Quit);
    let status = handle.status.clone();
    let summary = handle.join()?;
    let failure = failure(&status.borrow());
    Ok((summary, failure))
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

/// How the session ended, for the face.
fn ending(status: &Status) -> Option<Result<(), Error>> {
    match status.phase {
        Phase::Ended => Some(Ok(())),
        Phase::Failed => failure(status).map(Err),
        _ => None,
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
        Instant::now().checked_add(self.clock.until(self.frames.next()?)?)
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
fn pipeline(options: decode::Options) -> Result<(Pipeline, Pictures), Error> {
    let (sender, events) = unbounded_channel();
    let handle = decode::start(options, sender)?;
    let pictures = Pictures { frames: Arc::clone(&handle.frames), clock: Arc::clone(&handle.clock) };
    Ok((Pipeline { send: Box::new(move |command| handle.send(command)), events }, pictures))
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
