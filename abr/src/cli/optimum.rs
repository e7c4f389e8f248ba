//! `abr-sim optimum`: the best that was possible on every trace.

use super::{Failure, print_json};
use crate::sim::input::{Problem as InputProblem, ReadError};
use crate::sim::optimum::{CELL_S, Link, Optimum, Problem, Weights, optimum};
use crate::sim::title::Title;
use crate::sim::trace::{Trace, sets};
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Computes the offline optimum: what a player that knows the whole trace could have earned.
///
/// Prints a lower bound (a plan that can be played) and an upper bound (no plan earns more), per segment. The start-up
/// is charged as a stall.
#[derive(Args)]
pub(super) struct OptimumOf {
    /// A trace, a folder of traces (one set), or a folder of sets.
    #[arg(long)]
    traces: PathBuf,
    /// Title: a Sabre movie, a Pensieve folder, the output of `sluice inspect --json`, or `synthetic:…`.
    #[arg(long)]
    title: String,
    /// Capacity of the buffer in seconds.
    #[arg(long, default_value_t = 60.0)]
    cap_s: f64,
    /// What is maximised.
    #[arg(long, value_enum, default_value_t = Qoe::Lin)]
    qoe: Qoe,
    /// How the link behaves.
    #[arg(long, value_enum, default_value_t = LinkModel::Pensieve)]
    link: LinkModel,
    /// Cut or repeat the title to this many segments.
    #[arg(long)]
    segments: Option<usize>,
    /// Size of the cells in which plans are merged, in seconds: smaller is closer and slower.
    #[arg(long, default_value_t = CELL_S)]
    cell_s: f64,
    /// Print the plans too (with --json).
    #[arg(long)]
    plans: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Qoe {
    /// Bitrate in Mbit/s.
    Lin,
    /// ln(R/R_min).
    Log,
}

#[derive(Clone, Copy, ValueEnum)]
enum LinkModel {
    /// Latency as the trace states it, on the link's clock; a request starts when its segment fits the buffer.
    Sabre,
    /// 80 ms beside the trace, 95 % payload; a request starts when the buffer is not above its cap.
    Pensieve,
}

/// A trace's result.
struct Solved {
    set: String,
    trace: String,
    optimum: Optimum,
}

impl OptimumOf {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if !(self.cap_s > 0.0 && self.cap_s <= 3600.0) {
            return Err(Failure::Usage("--cap-s must be above 0 and at most 3600".into()));
        }
        if !(self.cell_s >= 0.001 && self.cell_s <= 10.0) {
            return Err(Failure::Usage("--cell-s must be within 0.001 to 10".into()));
        }
        let mut title = Title::load(&self.title)?;
        if let Some(segments) = self.segments {
            title = title.resized(segments);
        }
        let solved = self
            .files()?
            .into_par_iter()
            .filter_map(|(set, path)| match Trace::read(&path, None) {
                Ok(trace) => Some(Ok(self.solve(set, &trace, &title))),
                // Logs of sessions lie beside traces in shared folders; they are no traces.
                Err(ReadError { problem: InputProblem::NotReplayable, .. }) => None,
                Err(error) => Some(Err(error)),
            })
            .collect::<Result<Vec<_>, _>>()?;
        if self.json {
            self.print_json(&solved, &title)?
        } else {
            self.print(&solved)?
        }
        Ok(ExitCode::SUCCESS)
    }

    fn files(&self) -> Result<Vec<(String, PathBuf)>, Failure> {
        if self.traces.is_file() {
            return Ok(vec![(String::new(), self.traces.clone())]);
        }
        // Titles and tables lie beside the sets in a folder of shared data.
        let no_traces = ["movies", "expected"];
        let sets = sets(&self.traces)?.into_iter().filter(|(set, _)| !no_traces.contains(&set.as_str()));
        Ok(sets.flat_map(|(set, files)| files.into_iter().map(move |file| (set.clone(), file))).collect())
    }

    fn solve(&self, set: String, trace: &Trace, title: &Title) -> Solved {
        let longest = title.durations_ms.iter().copied().fold(0.0, f64::max) / 1000.0;
        let (link, admit_s) = match self.link {
            LinkModel::Sabre => (Link::sabre(trace), f64::max(0.0, self.cap_s - longest)),
            LinkModel::Pensieve => (Link::pensieve(trace), self.cap_s),
        };
        let weights = match self.qoe {
            Qoe::Lin => Weights::lin(&title.bitrates_kbps),
            Qoe::Log => Weights::log(&title.bitrates_kbps),
        };
        let problem = Problem { title, link: &link, weights: &weights, admit_s };
        Solved { set, trace: trace.name.clone(), optimum: optimum(&problem, self.cell_s) }
    }

    fn print_json(&self, solved: &[Solved], title: &Title) -> Result<(), Failure> {
        let name = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
            value().map(|value| value.get_name().to_owned())
        };
        let qoe = name(&|| self.qoe.to_possible_value());
        let link = name(&|| self.link.to_possible_value());
        let play_s = title.duration_ms() / 1000.0;
        let rows: Vec<_> = solved
            .iter()
            .map(|s| {
                let plan = &s.optimum.plan;
                let rates = plan.qualities.iter().map(|&quality| title.bitrates_kbps[quality]);
                let mut row = json!({
                    "set": s.set,
                    "trace": s.trace,
                    "title": title.name,
                    "link": link,
                    "cap_s": self.cap_s,
                    "qoe": qoe,
                    "segments": title.segments(),
                    "lower": s.optimum.lower(),
                    "upper": s.optimum.upper,
                    "gap_percent": gap_percent(&s.optimum),
                    "startup_s": plan.startup_s,
                    "rebuffer_s": plan.rebuffer_s,
                    "rebuffer_ratio": plan.rebuffer_s / (play_s + plan.rebuffer_s),
                    "mean_bitrate_bps": rates.sum::<f64>() * 1000.0 / plan.qualities.len() as f64,
                    "switches": plan.qualities.windows(2).filter(|pair| pair[0] != pair[1]).count(),
                });
                if self.plans
                    && let Some(row) = row.as_object_mut()
                {
                    row.insert("qualities".into(), json!(plan.qualities));
                }
                row
            })
            .collect();
        print_json(&json!({"cell_s": self.cell_s, "rows": rows}))
    }

    fn print(&self, solved: &[Solved]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "{:<18} {:<40} {:>8} {:>8} {:>7} {:>9} {:>9}",
            "set", "trace", "lower", "upper", "gap %", "startup s", "stall s"
        )?;
        for s in solved {
            let plan = &s.optimum.plan;
            writeln!(
                out,
                "{:<18} {:<40} {:>8.4} {:>8.4} {:>7.2} {:>9.2} {:>9.2}",
                s.set,
                s.trace,
                s.optimum.lower(),
                s.optimum.upper,
                gap_percent(&s.optimum),
                plan.startup_s,
                plan.rebuffer_s
            )?;
        }
        let mut gaps: Vec<f64> = solved.iter().map(|s| gap_percent(&s.optimum)).collect();
        gaps.sort_by(f64::total_cmp);
        if let Some(median) = gaps.get(gaps.len() / 2) {
            let largest = gaps.last().unwrap_or(median);
            writeln!(out, "\n{} sessions; gap: median {median:.2} %, largest {largest:.2} %", gaps.len())?;
        }
        Ok(())
    }
}

/// How far the bounds are apart, in percent of the upper one.
fn gap_percent(optimum: &Optimum) -> f64 {
    let gap = optimum.upper - optimum.lower();
    if gap > 0.0 { gap / optimum.upper.abs() * 100.0 } else { 0.0 }
}
