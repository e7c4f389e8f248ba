//! `sluice-tv`: the shelf, and one session after the other.

mod sessions;
mod shelf;

use super::args::{Network, seconds};
use super::play::{self, Report};
use super::{Exit, complain, fatal};
use crate::decode;
use crate::driver;
use crate::service::Notifier;
use crate::ui::captions::{CaptionStyle, Edge};
use crate::ui::tv::remote::{KeyMap, listen};
use crate::ui::tv::shelf::Title;
use crate::ui::tv::{Tv, TvOptions, WakeHandle};
use abr::error::{Code, Error};
use clap::Parser;
use sessions::{BUFFER_BYTES, Sessions};
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

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
    /// Play the title that --open names, else the first one, without window and sound.
    #[arg(long)]
    headless: bool,
    /// Stop S seconds after playback began.
    #[arg(long, value_name = "S", value_parser = seconds, requires = "headless")]
    stop_after: Option<Duration>,
    /// Print the figures as JSON on standard output at the end.
    #[arg(long, requires = "headless")]
    json: bool,
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
        Ok(exit) => exit.into(),
        Err(error) => complain(&error.to_string(), Exit::of(&error, false)).into(),
    }
}

fn run(args: Args) -> Result<Exit, Error> {
    let titles = shelf::titles(args.shelf.as_deref())?;
    let open = args.open.map(|number| number.saturating_sub(1)).filter(|place| *place < titles.len());
    if args.headless {
        decode::warm_up();
        let report = Report { json: args.json, quiet: false };
        let title = titles.get(open.unwrap_or(0)).cloned().unwrap_or_else(Title::demo);
        let (summary, failure) = Sessions::new(args).without_window(&title)?;
        return Ok(play::report(report, &summary, failure));
    }
    let tv = Tv::open()?;
    if let Some(device) = &args.evdev {
        hear(device.clone(), args.keymap.as_deref(), tv.wake_handle())?;
    }
    obey_signals(tv.wake_handle())?;
    let options = TvOptions {
        open,
        titles,
        windowed: args.windowed,
        captions: CaptionStyle { size: f32::from(args.text_size) / 100.0, edge: args.text_edge },
        budget: BUFFER_BYTES,
        service: Notifier::of_environment(),
    };
    tv.run(options, Box::new(Sessions::new(args)))?;
    Ok(Exit::Ok)
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
