//! `abr-sim run --live`: a synthetic broadcast in virtual time, and how well its latency was held.

use super::run::print_summary_lines;
use super::{Failure, print_json};
use crate::protocol::{Event, Output, Phase};
use crate::qoe::Summary;
use crate::session::{Config, Session};
use crate::sim::live::{Broadcast, Style};
use crate::sim::playback::{self, Seen, Setup};
use crate::sim::staging;
use crate::sim::trace::Trace;
use crate::time::Timestamp;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How the broadcast is described.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LiveStyle {
    /// An MPD with numbered segments.
    Numbers,
    /// An MPD with a SegmentTimeline.
    Timeline,
    /// HLS media playlists.
    Playlists,
}

/// A broadcast instead of a title.
#[derive(Args, Clone, Debug)]
pub(super) struct LiveOptions {
    /// Play a synthetic broadcast instead of a title.
    #[arg(long, value_name = "STYLE")]
    live: Option<LiveStyle>,
    /// How long to watch the broadcast, in seconds.
    #[arg(long, default_value_t = 300, requires = "live")]
    seconds: u64,
    /// Length of its segments in milliseconds.
    #[arg(long, default_value_t = 2000, requires = "live")]
    segment_ms: u64,
    /// Length of the parts or chunks in which its segments appear, in milliseconds.
    #[arg(long, requires = "live")]
    part_ms: Option<u64>,
    /// Latency that its manifest asks for, in milliseconds.
    #[arg(long, requires = "live")]
    target_ms: Option<u64>,
    /// It ends after so many seconds.
    #[arg(long, requires = "live")]
    ends_s: Option<u64>,
}

/// How well the latency was held, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Held {
    /// Mean distance from the live edge.
    latency_ms: i64,
    /// The target at the end.
    target_ms: i64,
    /// Distance from the target: mean, median and 99th percentile.
    error_mean_ms: i64,
    error_p50_ms: i64,
    error_p99_ms: i64,
    /// How often the playback rate changed, and between which rates it lay, in thousandths.
    rate_changes: u32,
    slowest_permille: u32,
    fastest_permille: u32,
    /// How often playback jumped nearer to the live edge.
    jumps: u32,
    /// Requests for segments that did not exist yet.
    early_requests: u32,
}

impl LiveOptions {
    /// The broadcast that the options describe; `None` without `--live`.
    pub(super) fn broadcast(&self) -> Result<Option<Broadcast>, Failure> {
        let Some(style) = self.live else { return Ok(None) };
        let style = match style {
            LiveStyle::Numbers => Style::Numbers,
            LiveStyle::Timeline => Style::Timeline,
            LiveStyle::Playlists => Style::Playlists,
        };
        if !(100..=60_000).contains(&self.segment_ms) {
            return Err(Failure::Usage("--segment-ms must be within 100 to 60000".into()));
        }
        if self.part_ms.is_some_and(|part| !(20..=self.segment_ms).contains(&part)) {
            return Err(Failure::Usage("--part-ms must be at least 20 and at most --segment-ms".into()));
        }
        if !(1..=86_400).contains(&self.seconds) {
            return Err(Failure::Usage("--seconds must be within 1 to 86400".into()));
        }
        Ok(Some(Broadcast {
            style,
            segment: Duration::from_millis(self.segment_ms),
            part: self.part_ms.map(Duration::from_millis),
            target: self.target_ms.map(Duration::from_millis),
            ends: self.ends_s.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000))),
            ..Broadcast::default()
        }))
    }

    /// Plays it over a trace and prints the figures.
    pub(super) fn run(
        &self,
        broadcast: Broadcast,
        trace: &Path,
        latency_ms: f64,
        config: Config,
        as_json: bool,
    ) -> Result<ExitCode, Failure> {
        let trace = Trace::read(trace, None)?;
        let (phase, summary, held) = self.play(broadcast, &trace, latency_ms, config);
        if as_json {
            print_json(&json!({ "trace": trace.name, "phase": phase, "run": summary, "live": held }))?;
        } else {
            print_held(&mut io::stdout().lock(), &trace.name, phase, &summary, &held)?;
        }
        Ok(ExitCode::from(if phase == Phase::Failed { 3 } else { 0 }))
    }

    fn play(
        &self,
        broadcast: Broadcast,
        trace: &Trace,
        latency_ms: f64,
        config: Config,
    ) -> (Phase, Summary, Held) {
        let presentation = broadcast.presentation(Timestamp::ZERO);
        let pending_indexes = broadcast.style == Style::Playlists;
        let mut origin = broadcast.origin();
        // Sees the same facts as the one that is simulated, and can be asked in between.
        let mut shadow = Session::new(config.clone());
        let mut seen = Vec::new();
        let mut held = Held { slowest_permille: 1000, fastest_permille: 1000, ..Held::default() };
        let setup = Setup {
            presentation: &presentation,
            pending_indexes,
            link: staging::link(trace, latency_ms),
            config,
            origin: &mut origin,
            script: Vec::new(),
            until: Timestamp::from_millis(self.seconds.saturating_mul(1000)),
        };
        let mut rate = 1.0;
        let outcome = playback::run(setup, |now, event| match event {
            Seen::In(input) => {
                shadow.handle(now, input.clone());
                while !matches!(shadow.poll(), Output::Wait(_)) {}
                let playing = shadow.phase() == Phase::Playing;
                if let Some(live) = shadow.live_position(now).filter(|_| playing) {
                    seen.push((live.latency_ms, live.target_ms));
                }
            }
            Seen::Out(Output::Clock { run: true, rate: next }) => {
                held.rate_changes += u32::from(*next != rate);
                rate = *next;
                let permille = (rate * 1000.0).round() as u32;
                held.slowest_permille = held.slowest_permille.min(permille);
                held.fastest_permille = held.fastest_permille.max(permille);
            }
            Seen::Out(Output::Report(Event::Jumped { .. })) => held.jumps += 1,
            Seen::Out(_) => {}
        });
        let count = i64::try_from(seen.len()).unwrap_or(1).max(1);
        let mut errors: Vec<i64> = seen.iter().map(|(latency, target)| (latency - target).abs()).collect();
        errors.sort_unstable();
        let at = |percent: usize| errors.get(errors.len() * percent / 100).copied().unwrap_or(0);
        held.latency_ms = seen.iter().map(|(latency, _)| latency).sum::<i64>() / count;
        held.target_ms = seen.last().map_or(0, |(_, target)| *target);
        held.error_mean_ms = errors.iter().sum::<i64>() / count;
        held.error_p50_ms = at(50);
        held.error_p99_ms = at(99);
        held.early_requests = origin.early;
        (outcome.session.phase(), outcome.summary, held)
    }
}

fn print_held(
    out: &mut impl Write,
    trace: &str,
    phase: Phase,
    summary: &Summary,
    held: &Held,
) -> io::Result<()> {
    writeln!(out, "{} over {trace}:", format!("{phase:?}").to_lowercase())?;
    print_summary_lines(out, summary)?;
    writeln!(out, "  latency            {} ms, target {} ms", held.latency_ms, held.target_ms)?;
    writeln!(
        out,
        "  off the target     {} ms mean, {} ms median, {} ms p99",
        held.error_mean_ms, held.error_p50_ms, held.error_p99_ms
    )?;
    writeln!(
        out,
        "  rate               {} changes, {} to {} thousandths",
        held.rate_changes, held.slowest_permille, held.fastest_permille
    )?;
    writeln!(out, "  jumps, too early   {}, {}", held.jumps, held.early_requests)
}
