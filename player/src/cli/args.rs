//! The command line of `sluice`, from which help, man page and completions are made.

use crate::ui::captions::Edge;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  sluice                                  play the built-in demo title
  sluice https://cdn.example/title.mpd    play a DASH title in a window
  sluice --lock 720 URL                   always the 720-line rendition
  sluice --headless --json URL            play without window and sound, print the figures
  sluice --headless --no-pacing --frame-log frames.jsonl URL
                                          decode as fast as possible, one line per frame
  sluice --header 'Authorization: Bearer …' URL
  sluice inspect --json URL               print the presentation for machines
  sluice --journal j.jsonl URL && abr-sim replay j.jsonl
                                          record a session and replay its decisions

Exit codes: 0 played to the end or stopped by the user, 1 internal error, 2 usage, 3 could not be opened,
4 interrupted by a signal, 5 played with losses, 6 keys missing, 7 refused by policy.";

/// Adaptive DASH and HLS player.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, about, after_help = EXAMPLES, after_long_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Cli {
    /// What to do instead of playing.
    #[command(subcommand)]
    pub command: Option<Sub>,
    /// What to play, and how.
    #[command(flatten)]
    pub play: Play,
}

/// Everything but playing.
#[derive(Debug, Subcommand)]
pub enum Sub {
    /// Print what a manifest offers.
    Inspect(Inspect),
    /// Tell what an error code means and what to do about it.
    Explain {
        /// The number, as in `[2004]`; all codes when left out.
        code: Option<u16>,
    },
    /// Print a completion script.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Print the man page (roff).
    Man,
}

/// Options of every request.
#[derive(Clone, Debug, Args)]
pub struct Network {
    /// Header sent with every request to the manifest's host, as 'Name: value' (repeatable).
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,
    /// Trust the authorities whose certificates (PEM) are in FILE, and no others.
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Let a public manifest name hosts in private networks.
    #[arg(long)]
    pub allow_private: bool,
}

/// `sluice inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// Manifest: http(s) URL or file.
    pub url: String,
    /// Print JSON: the presentation with every index that the manifest needs.
    #[arg(long)]
    pub json: bool,
    /// Options of every request.
    #[command(flatten)]
    pub network: Network,
}

/// Which demo manifest to play without a URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// MPEG-DASH.
    #[default]
    Dash,
    /// HTTP Live Streaming.
    Hls,
}

/// `sluice [URL]`.
#[derive(Debug, Args)]
pub struct Play {
    /// Manifest: http(s) URL or file. Without one the built-in demo title is played.
    pub url: Option<String>,
    /// Which manifest of the demo title.
    #[arg(long, value_enum, default_value_t, value_name = "PROTOCOL")]
    pub demo: Protocol,
    /// Play against the clock without window and sound.
    #[arg(long)]
    pub headless: bool,
    /// Decode and present as fast as possible (implies --headless).
    #[arg(long)]
    pub no_pacing: bool,
    /// Print the figures of the session as JSON on standard output at the end.
    #[arg(long)]
    pub json: bool,
    /// Write events as JSON lines (`-` for standard output); schema in player/EVENTS.md.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Write one JSON line per presented frame with its MD5 (implies --headless).
    #[arg(long, value_name = "FILE")]
    pub frame_log: Option<PathBuf>,
    /// Record the session's facts and orders for `abr-sim replay`.
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// Seek: T seconds after playback began go to POS seconds (repeatable). With --no-pacing T counts
    /// seconds of media played.
    #[arg(long, value_name = "T:POS", value_parser = pair)]
    pub seek_at: Vec<(Duration, Duration)>,
    /// Pause T seconds after playback began for S seconds (repeatable).
    #[arg(long, value_name = "T:S", value_parser = pair)]
    pub pause_at: Vec<(Duration, Duration)>,
    /// Change the quality lock T seconds after playback began to HEIGHT lines or `auto` (repeatable).
    #[arg(long, value_name = "T:HEIGHT", value_parser = lock_at)]
    pub lock_at: Vec<(Duration, Option<u32>)>,
    /// Stop S seconds after playback began.
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub stop_after: Option<Duration>,
    /// Begin at this position, in seconds.
    #[arg(long, value_name = "POS", value_parser = seconds)]
    pub start_at: Option<Duration>,
    /// Go on where the title was left, if that was neither at its beginning nor near its end, and remember
    /// the place from now on. The window does so by itself; --start-at comes before.
    #[arg(long, overrides_with = "no_resume")]
    pub resume: bool,
    /// Begin at the start and remember nothing.
    #[arg(long, overrides_with = "resume")]
    pub no_resume: bool,
    /// How far behind the moment of production to play a broadcast, in milliseconds (100 to 600000), instead
    /// of what its manifest asks for.
    #[arg(long, value_name = "MS", value_parser = latency)]
    pub latency: Option<Duration>,
    /// ABR controller.
    #[arg(long, value_name = "NAME", default_value = "hybrid")]
    pub controller: String,
    /// Always the rendition of this height (the nearest below it, else the lowest).
    #[arg(long, value_name = "HEIGHT")]
    pub lock: Option<u32>,
    /// Never a rendition lower than this.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
    pub min_height: u32,
    /// Never a rendition higher than this.
    #[arg(long, value_name = "HEIGHT", default_value_t = u32::MAX, hide_default_value = true)]
    pub max_height: u32,
    /// A key for encrypted media, as 32 and 32 hexadecimal digits (repeatable).
    #[arg(long, value_name = "KID:KEY")]
    pub clearkey: Vec<String>,
    /// Licence server (W3C ClearKey) to ask instead of the one that the manifest names.
    #[arg(long, value_name = "URL", alias = "license-url")]
    pub licence_url: Option<String>,
    /// Preferred audio language (BCP 47).
    #[arg(long, value_name = "LANG")]
    pub audio: Option<String>,
    /// Show subtitles in this language (BCP 47), `on` for that of the system, `off` for none but those that
    /// every viewer must read.
    #[arg(long, value_name = "LANG", default_value = "off")]
    pub text: String,
    /// Size of subtitles in percent, 50 to 200.
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = clap::value_parser!(u16).range(50..=200))]
    pub text_size: u16,
    /// What sets subtitles off from the picture.
    #[arg(long, value_enum, default_value_t, value_name = "EDGE")]
    pub text_edge: Edge,
    /// Start in full screen.
    #[arg(long)]
    pub fullscreen: bool,
    /// Write a PNG of the picture at --screenshot-at and go on.
    #[arg(long, value_name = "FILE")]
    pub screenshot: Option<PathBuf>,
    /// Position of the screenshot, in seconds.
    #[arg(long, value_name = "POS", value_parser = seconds, default_value = "0")]
    pub screenshot_at: Duration,
    /// No status text.
    #[arg(long, short)]
    pub quiet: bool,
    /// Options of every request.
    #[command(flatten)]
    pub network: Network,
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("'{text}' is not a number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("'{text}' is not a span of time"))
}

/// Reads `--latency`.
pub(super) fn latency(text: &str) -> Result<Duration, String> {
    let ms: u64 = text.parse().map_err(|_| format!("'{text}' is not a number of milliseconds"))?;
    let range = 100..=600_000;
    range
        .contains(&ms)
        .then(|| Duration::from_millis(ms))
        .ok_or_else(|| "100 to 600000 are possible".to_owned())
}

fn pair(text: &str) -> Result<(Duration, Duration), String> {
    let (first, second) =
        text.split_once(':').ok_or("two numbers of seconds with a colon between are needed")?;
    Ok((seconds(first)?, seconds(second)?))
}

fn lock_at(text: &str) -> Result<(Duration, Option<u32>), String> {
    let (at, height) = text.split_once(':').ok_or("seconds, a colon and a height (or 'auto') are needed")?;
    let height = match height {
        "auto" => None,
        lines => Some(lines.parse().map_err(|_| format!("'{lines}' is neither a height nor 'auto'"))?),
    };
    Ok((seconds(at)?, height))
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header looks like 'Name: value'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn timed_actions_are_read() {
        let cli = Cli::try_parse_from(["sluice", "--seek-at", "2.5:30", "--lock-at", "3:auto", "x.mpd"]);
        let play = cli.expect("valid").play;
        assert_eq!(play.seek_at, [(Duration::from_millis(2500), Duration::from_secs(30))]);
        assert_eq!(play.lock_at, [(Duration::from_secs(3), None)]);
        for bad in [["--seek-at", "5"], ["--seek-at", "-1:4"], ["--header", "x"], ["--stop-after", "NaN"]] {
            assert!(Cli::try_parse_from(["sluice", bad[0], bad[1], "x.mpd"]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn subcommands_stand_beside_a_url() {
        let cli = Cli::try_parse_from(["sluice", "inspect", "--json", "http://h/x.m3u8"]).expect("valid");
        assert!(matches!(cli.command, Some(Sub::Inspect(Inspect { json: true, .. }))));
        assert!(Cli::try_parse_from(["sluice"]).expect("valid").play.url.is_none());
    }
}
