//! `sluice-tv`: the shelf, and one session after the other.

use super::args::Network;
use super::play::{self, Demo, Protocol};
use super::{Exit, address, complain, fatal, inspect};
use crate::decode::{self, AudioOutput, FrameOutput};
use crate::driver::{self, Names, Pipeline, Script, UserCommand};
use crate::events::Log;
use crate::keys;
use crate::resume::{Keeper, Key, Store};
use crate::text::language;
use crate::text::queue::CueQueue;
use crate::ui::captions::{CaptionStyle, Edge};
use crate::ui::desktop::Handles;
use crate::ui::tv::remote::{KeyMap, listen};
use crate::ui::tv::shelf::{self, SHELF_BYTES, Title};
use crate::ui::tv::{Playing, Stage, Tv, TvOptions, WakeHandle};
use abr::error::{Code, Error};
use abr::session::Config;
use abr::time::MediaTime;
use clap::Parser;
use drm_stub::cdm::Cdm;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;
use url::Url;

/// Most bytes that a television queues ahead, over all tracks.
const BUFFER_BYTES: u64 = 48 << 20;
/// What the queues of the pipeline hold at most: what is ahead, and what is kept behind.
const VIDEO_BYTES: usize = 56 << 20;
const AUDIO_BYTES: usize = 8 << 20;
/// How long a shelf may take to come.
const SHELF_PATIENCE: Duration = Duration::from_secs(10);

/// Adaptive DASH and HLS player for a television: everything with Up, Down, Left, Right, Select and Back.
#[derive(Debug, Parser)]
#[command(name = "sluice-tv", version)]
struct Args {
    /// JSON list of titles: http(s) URL or file. Without one the demo title stands on the shelf.
    #[arg(long, value_name = "FILE|URL")]
    shelf: Option<String>,
    /// Play the title with this number on the shelf at once, counted from 1.
    #[arg(long, value_name = "N")]
    open: Option<usize>,
    /// A window of this size instead of the full screen.
    #[arg(long, value_name = "WxH", value_parser = size)]
    windowed: Option<(u32, u32)>,
    /// Take the keys of a remote control from this input device as well.
    #[arg(long, value_name = "DEVICE")]
    evdev: Option<PathBuf>,
    /// Which codes of the device are which keys: lines of `CODE NAME`.
    #[arg(long, value_name = "FILE", requires = "evdev")]
    keymap: Option<PathBuf>,
    /// Show subtitles in this language, `on` for that of the system, `off` for none.
    #[arg(long, value_name = "LANG", default_value = "off")]
    text: String,
    /// Size of subtitles in percent, 50 to 200.
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = clap::value_parser!(u16).range(50..=200))]
    text_size: u16,
    /// What sets subtitles off from the picture.
    #[arg(long, value_enum, default_value_t, value_name = "EDGE")]
    text_edge: Edge,
    /// Preferred audio language (BCP 47).
    #[arg(long, value_name = "LANG")]
    audio: Option<String>,
    /// How far behind the moment of production to play broadcasts, in milliseconds (100 to 600000), instead of
    /// what their manifests ask for.
    #[arg(long, value_name = "MS", value_parser = super::args::latency)]
    latency: Option<Duration>,
    /// Begin titles at the start and remember nothing.
    #[arg(long)]
    no_resume: bool,
    /// No sound.
    #[arg(long)]
    silent: bool,
    /// Options of every request.
    #[command(flatten)]
    network: Network,
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("'{text}' is not a size like 1280x720");
    let (width, height) = text.split_once('x').ok_or_else(wrong)?;
    let side = |text: &str| text.parse::<u32>().ok().filter(|side| (160..=8_192).contains(side));
    side(width).zip(side(height)).ok_or_else(wrong)
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    crate::process::ProcessClock::get();
    crate::allocator::set_up();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
        }
    };
    match run(args) {
        Ok(()) => Exit::Ok.into(),
        Err(error) => complain(&error.to_string(), Exit::of(&error, false)).into(),
    }
}

fn run(args: Args) -> Result<(), Error> {
    let titles = match &args.shelf {
        Some(text) => shelf::parse(&fetch(&address(text)?)?).map_err(|why| fatal(Code::NotAManifest, why))?,
        None => vec![Title::demo()],
    };
    let tv = Tv::open()?;
    if let Some(device) = &args.evdev {
        hear(device.clone(), args.keymap.as_deref(), tv.wake_handle())?;
    }
    obey_signals(tv.wake_handle())?;
    let options = TvOptions {
        open: args.open.map(|number| number.saturating_sub(1)).filter(|place| *place < titles.len()),
        titles,
        windowed: args.windowed,
        captions: CaptionStyle { size: f32::from(args.text_size) / 100.0, edge: args.text_edge },
        budget: BUFFER_BYTES,
    };
    tv.run(options, Box::new(Sessions { args, demo: None }))
}

/// Reads the shelf.
fn fetch(url: &Url) -> Result<Vec<u8>, Error> {
    let failed = |why: String| fatal(Code::Unreachable, format!("The shelf cannot be read: {why}."));
    if let Ok(path) = url.to_file_path() {
        let file = File::open(&path).map_err(|error| failed(error.to_string()))?;
        let mut bytes = Vec::new();
        file.take(SHELF_BYTES).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
        return Ok(bytes);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.to_string()))?;
    runtime.block_on(async {
        let whole = async {
            let client =
                reqwest::Client::builder().redirect(reqwest::redirect::Policy::limited(5)).build()?;
            let mut answer = client.get(url.clone()).send().await?.error_for_status()?;
            let mut bytes = Vec::new();
            while let Some(part) = answer.chunk().await? {
                bytes.extend_from_slice(&part);
                if bytes.len() as u64 > SHELF_BYTES {
                    break;
                }
            }
            Ok::<_, reqwest::Error>(bytes)
        };
        match tokio::time::timeout(SHELF_PATIENCE, whole).await {
            Ok(read) => read.map_err(|error| failed(error.without_url().to_string())),
            Err(_) => Err(failed("the server takes too long".into())),
        }
    })
}

/// Leaves when the system asks to, also from the shelf, where no session listens.
fn obey_signals(wake: WakeHandle) -> Result<(), Error> {
    let failed = |error: std::io::Error| fatal(Code::Internal, format!("No signals can be heard: {error}."));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let work = move || {
        runtime.block_on(driver::interrupted());
        wake.quit();
    };
    std::thread::Builder::new().name("signals".into()).spawn(work).map(drop).map_err(failed)
}

/// Listens to an input device on a thread of its own.
fn hear(device: PathBuf, keymap: Option<&std::path::Path>, wake: WakeHandle) -> Result<(), Error> {
    let name = device.display().to_string();
    let map = match keymap {
        None => KeyMap::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
            text.and_then(|text| KeyMap::read(&text))
                .map_err(|why| fatal(Code::Internal, format!("'{}': {why}.", path.display())))?
        }
    };
    let work = move || {
        let heard =
            File::open(&device).and_then(|file| listen(file, &map, |key, press| wake.key(key, press)));
        if let Err(error) = heard {
            complain(&format!("'{}' is not heard any more: {error}.", device.display()), Exit::Ok);
        }
    };
    let spawned = std::thread::Builder::new().name("remote".into()).spawn(work);
    spawned
        .map(drop)
        .map_err(|error| fatal(Code::Internal, format!("'{name}' cannot be listened to: {error}.")))
}

/// Starts sessions with the budgets of a television.
struct Sessions {
    args: Args,
    /// The demo's server, once it was needed.
    demo: Option<(Url, Demo)>,
}

impl Stage for Sessions {
    fn open(&mut self, title: &Title, wake: WakeHandle) -> Result<Playing, Error> {
        let (url, key) = match &title.url {
            Some(text) => {
                let url = address(text)?;
                let key = Key::of_url(&url);
                (url, key)
            }
            None => {
                let demo = match self.demo.take() {
                    Some(demo) => demo,
                    None => play::demo(Protocol::Dash)?,
                };
                let url = demo.0.clone();
                self.demo = Some(demo);
                (url, Key::of_name("demo"))
            }
        };
        let store = Store::of_user().filter(|_| !self.args.no_resume);
        let start_at = store.as_ref().and_then(|store| store.position(&key)).unwrap_or(MediaTime::ZERO);
        let cues = CueQueue::default();
        // Licences come from whom the manifest names.
        let keys = keys::Config::default();
        let (pipeline, pictures) = self.pipeline(&wake, Arc::clone(&keys.cdm), cues.clone())?;
        let options = driver::Options {
            session: Config {
                start_at,
                buffer_bytes: BUFFER_BYTES,
                audio_language: self.args.audio.clone(),
                text: self.args.text != "off",
                text_languages: languages(&self.args.text),
                live_latency: self.args.latency,
                seed: u64::from(std::process::id()),
                ..Config::default()
            },
            net: inspect::network(&url, &self.args.network),
            events: Log::new(None),
            journal: None,
            script: Script::new(&[], &[], &[], None, false),
            notify: Box::new(move || wake.wake()),
            names: Names::default(),
            cues: cues.clone(),
            keys,
            resume: store.and_then(|store| Keeper::start(store, key).ok()),
            keep_open: true,
            url,
        };
        let handle = driver::start(options, pipeline)?;
        let (commands, status, over) =
            (handle.commands.clone(), handle.status.clone(), handle.status.clone());
        let handles = Handles {
            commands: Box::new(move |command| play::forward(&commands, command)),
            status: Box::new(move || status.borrow().clone()),
            frames: Arc::new(pictures),
            cues,
            finished: Box::new(move || play::finished(&over)),
        };
        let stop = move || {
            // A session that is over already ignores it.
            let _ = handle.commands.send(UserCommand::Quit);
            let _ = handle.join();
        };
        Ok(Playing { handles, stop: Box::new(stop) })
    }
}

impl Sessions {
    fn pipeline(
        &self,
        wake: &WakeHandle,
        cdm: Arc<dyn Cdm>,
        cues: CueQueue,
    ) -> Result<(Pipeline, play::Pictures), Error> {
        let audio = if self.args.silent { AudioOutput::Silent } else { AudioOutput::Device };
        let frame_wake = wake.clone();
        let output = FrameOutput::Window { wake: Box::new(move || frame_wake.wake()) };
        let options = decode::Options {
            video_bytes: VIDEO_BYTES,
            audio_bytes: AUDIO_BYTES,
            cdm,
            cues,
            ..decode::Options::new(audio, output)
        };
        let (sender, events) = unbounded_channel();
        let handle = decode::start(options, sender)?;
        let pictures = play::Pictures::new(&handle);
        Ok((Pipeline { send: Box::new(move |command| handle.send(command)), events }, pictures))
    }
}

fn languages(asked: &str) -> Vec<String> {
    let system = language::of_system(|name| std::env::var(name).ok());
    let asked = (!matches!(asked, "on" | "off")).then(|| asked.to_owned());
    asked.into_iter().chain(system).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
        assert_eq!(size("1280x720"), Ok((1280, 720)));
        assert!(size("1x1").is_err() && size("big").is_err());
    }
}
