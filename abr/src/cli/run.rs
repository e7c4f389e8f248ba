//! `abr-sim run`: plays a title over a trace with the session that the player uses.

use super::explain::{Explained, explained};
use super::outputs::write_whole;
use super::{Failure, print_json};
use crate::controller;
use crate::journal::{Header, input_line, output_line};
use crate::presentation::Presentation;
use crate::protocol::{Output, Phase};
use crate::qoe::Summary;
use crate::session::Config;
use crate::sim::origin::Faultless;
use crate::sim::playback::{self, Seen, Setup};
use crate::sim::plot::{page, record::Recorder, timeline};
use crate::sim::staging;
use crate::sim::trace::{Format, Trace, sets};
use crate::time::Timestamp;
use clap::Args;
use clap::builder::PossibleValuesParser;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Plays a title over a network trace, or over each trace of a folder, in virtual time.
///
/// The same session as in the player decides everything; the link is shared by all requests under way, the
/// decoder is perfect. The same inputs always give the same output.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    abr-sim run --title synthetic:segments=60 --trace trace.json\n  \
    abr-sim run --live numbers --seconds 300 --trace trace.json\n  \
    sluice inspect https://example.org/title.mpd --json > title.json\n  \
    abr-sim run --title title.json --trace trace.json --explain\n  \
    abr-sim run --title title.json --trace trace.json --plot session.svg\n  \
    abr-sim run --title movie.json --trace traces/ --controller bola-e --json")]
pub(super) struct Run {
    /// Title: the output of `sluice inspect --json`, a Sabre movie, a Pensieve folder, or `synthetic:…`.
    #[arg(long, required_unless_present = "live", conflicts_with = "live", default_value = "")]
    title: String,
    #[command(flatten)]
    live: super::live::LiveOptions,
    /// A trace in any known format, or a folder of traces.
    #[arg(long)]
    trace: PathBuf,
    /// Read traces as this format instead of looking.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Who chooses the quality.
    #[arg(long, default_value = "hybrid", value_parser = PossibleValuesParser::new(controller::NAMES))]
    controller: String,
    /// How many seconds to queue ahead at most.
    #[arg(long, default_value_t = 30.0)]
    cap_s: f64,
    /// Milliseconds from a request to its first byte, for traces that state none.
    #[arg(long, default_value_t = 80.0)]
    latency_ms: f64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Say for every segment why its quality was chosen, and what a viewer noticed (one trace only).
    #[arg(long)]
    explain: bool,
    /// Draw bitrate, throughput and buffer over time, as SVG or (.html) a page (one trace only).
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Write everything that happened, for `abr-sim replay` (one trace only).
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

/// One trace's result.
#[derive(Serialize)]
struct Played {
    trace: String,
    /// How it ended: `ended`, or `failed` or `playing` when it did not.
    phase: Phase,
    #[serde(flatten)]
    summary: Summary,
}

impl Run {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if !(self.cap_s > 0.0 && self.cap_s <= 3600.0) {
            return Err(Failure::Usage("--cap-s must be above 0 and at most 3600".into()));
        }
        if !(0.0..=60_000.0).contains(&self.latency_ms) {
            return Err(Failure::Usage("--latency-ms must be within 0 to 60000".into()));
        }
        if let Some(broadcast) = self.live.broadcast()? {
            return self.live.run(broadcast, &self.trace, self.latency_ms, self.config(), self.json);
        }
        let presentation = staging::load_presentation(&self.title)?;
        if self.trace.is_dir() {
            if self.explain || self.journal.is_some() || self.plot.is_some() {
                let said = "--explain, --journal and --plot need one trace, not a folder";
                return Err(Failure::Usage(said.into()));
            }
            return self.run_all(&presentation);
        }
        let trace = Trace::read(&self.trace, self.format)?;
        let mut journal = match &self.journal {
            Some(path) => Some(io::BufWriter::new(std::fs::File::create(path)?)),
            None => None,
        };
        if let Some(journal) = &mut journal {
            let header = Header::new(concat!("abr-sim ", env!("CARGO_PKG_VERSION")), self.config());
            writeln!(journal, "{}", header.to_line().map_err(io::Error::from)?)?;
        }
        let mut trouble: Option<io::Error> = None;
        let mut out = io::stdout().lock();
        let (mut recorder, mut reasons) = (Recorder::default(), Vec::new());
        let played = self.play(&presentation, &trace, |now, seen| {
            let written = match &mut journal {
                Some(journal) => record(journal, now, seen),
                None => Ok(()),
            };
            match seen {
                Seen::In(input) => recorder.input(now, input),
                Seen::Out(output) => recorder.output(now, output),
            }
            let line = match seen {
                Seen::Out(Output::Report(event)) if self.explain => explained(&presentation, now, event),
                _ => None,
            };
            let said = match line {
                Some(line) if self.json => {
                    reasons.push(line);
                    Ok(())
                }
                Some(line) => writeln!(out, "{line}"),
                None => Ok(()),
            };
            trouble = trouble.take().or(written.and(said).err());
        });
        if let Some(error) = trouble {
            return Err(error.into());
        }
        if let Some(mut journal) = journal {
            journal.flush()?;
        }
        if let Some(place) = &self.plot {
            draw(place, &trace.name, recorder)?;
        }
        if self.json {
            drop(out);
            let mut document = json!({ "title": self.title, "controller": self.controller, "run": played });
            if self.explain {
                document["reasons"] = reasons.iter().map(Explained::json).collect();
            }
            print_json(&document)?;
        } else {
            print_summary(&mut out, &played)?;
        }
        Ok(ExitCode::from(if played.phase == Phase::Failed { 3 } else { 0 }))
    }

    fn run_all(&self, presentation: &Presentation) -> Result<ExitCode, Failure> {
        let files: Vec<PathBuf> = sets(&self.trace)?.into_iter().flat_map(|(_, files)| files).collect();
        let read = |path: &PathBuf| match Trace::read(path, self.format) {
            Ok(trace) => Some(trace),
            Err(error) => {
                eprintln!("skipped: {error}");
                None
            }
        };
        let played: Vec<Played> = files
            .par_iter()
            .filter_map(read)
            .map(|trace| self.play(presentation, &trace, |_, _| {}))
            .collect();
        if played.is_empty() {
            return Err(Failure::Usage(format!("no trace could be read in {}", self.trace.display())));
        }
        let mean = |of: fn(&Summary) -> f64| {
            played.iter().map(|played| of(&played.summary)).sum::<f64>() / played.len() as f64
        };
        let means = [
            ("startup_ms", mean(|s| s.startup_ms.unwrap_or(0) as f64)),
            ("stalls", mean(|s| f64::from(s.stalls))),
            ("stall_ms", mean(|s| s.stall_ms as f64)),
            ("rebuffer_ratio", mean(|s| s.rebuffer_ratio)),
            ("mean_bitrate_bps", mean(|s| s.mean_bitrate_bps as f64)),
            ("switches", mean(|s| f64::from(s.switches))),
            ("wasted_bytes", mean(|s| s.wasted_bytes as f64)),
            ("qoe_lin", mean(|s| s.qoe_lin)),
            ("qoe_log", mean(|s| s.qoe_log)),
        ];
        if self.json {
            let mean: serde_json::Map<String, serde_json::Value> =
                means.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            print_json(&json!({
                "title": self.title, "controller": self.controller, "runs": played, "mean": mean,
            }))?;
        } else {
            let mut out = io::stdout().lock();
            writeln!(
                out,
                "{:<28} {:>7} {:>7} {:>9} {:>10} {:>8} {:>8} {:>8}",
                "trace", "start", "stalls", "stalled", "kbit/s", "switches", "qoe_lin", "qoe_log"
            )?;
            for played in &played {
                let s = &played.summary;
                writeln!(
                    out,
                    "{:<28} {:>7} {:>7} {:>9} {:>10} {:>8} {:>8.3} {:>8.3}",
                    played.trace,
                    s.startup_ms.unwrap_or(0),
                    s.stalls,
                    s.stall_ms,
                    s.mean_bitrate_bps / 1000,
                    s.switches,
                    s.qoe_lin,
                    s.qoe_log
                )?;
            }
            writeln!(out, "\nmean over {} traces with {}:", played.len(), self.controller)?;
            for (name, value) in means {
                writeln!(out, "  {name:<18} {value:.3}")?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn config(&self) -> Config {
        Config {
            controller: self.controller.clone(),
            buffer_ahead: Duration::from_millis((self.cap_s * 1e3) as u64),
            ..Config::default()
        }
    }

    fn play(
        &self,
        presentation: &Presentation,
        trace: &Trace,
        observe: impl FnMut(Timestamp, Seen<'_>),
    ) -> Played {
        let setup = Setup {
            presentation,
            pending_indexes: false,
            link: staging::link(trace, self.latency_ms),
            config: self.config(),
            origin: &mut Faultless,
            script: Vec::new(),
            until: playback::reasonable_end(presentation),
        };
        let outcome = playback::run(setup, observe);
        Played { trace: trace.name.clone(), phase: outcome.session.phase(), summary: outcome.summary }
    }
}

/// Writes the picture of a session.
fn draw(place: &Path, trace: &str, recorder: Recorder) -> Result<(), Failure> {
    let svg = timeline::draw(&recorder.finish(), trace);
    let text = match place.extension().is_some_and(|ending| ending == "html") {
        true => page::page(trace, "one session", &[(trace.to_owned(), svg)], &[]),
        false => svg,
    };
    Ok(write_whole(place, &text)?)
}

fn record(journal: &mut impl Write, now: Timestamp, seen: Seen<'_>) -> io::Result<()> {
    let line = match seen {
        Seen::In(input) => input_line(now, input),
        Seen::Out(Output::Wait(_)) => return Ok(()),
        Seen::Out(output) => output_line(now, output),
    };
    writeln!(journal, "{}", line.map_err(io::Error::from)?)
}

pub(super) fn print_summary_lines(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let s = summary;
    let startup = s.startup_ms.map_or("never".to_owned(), |ms| format!("{ms} ms"));
    writeln!(out, "  start              {startup}")?;
    writeln!(
        out,
        "  stalls             {} ({} ms, {:.2} %)",
        s.stalls,
        s.stall_ms,
        s.rebuffer_ratio * 100.0
    )?;
    writeln!(
        out,
        "  played             {:.1} s at {} kbit/s",
        s.played_ms as f64 / 1e3,
        s.mean_bitrate_bps / 1000
    )?;
    writeln!(out, "  switches           {}", s.switches)?;
    writeln!(out, "  abandoned, gaps    {}, {}", s.abandoned, s.gaps)?;
    writeln!(out, "  received           {} bytes, {} of them in vain", s.bytes, s.wasted_bytes)?;
    writeln!(out, "  QoE_lin, QoE_log   {:.3}, {:.3}", s.qoe_lin, s.qoe_log)
}

fn print_summary(out: &mut impl Write, played: &Played) -> io::Result<()> {
    writeln!(
        out,
        "{} over {}:",
        format!("{:?}", played.phase).to_lowercase(),
        Path::new(&played.trace).display()
    )?;
    print_summary_lines(out, &played.summary)
}
