//! `abr-sim compare`: controllers side by side, per set of traces, against the best that was possible.

use super::{Failure, print_json};
use crate::controller;
use crate::presentation::Presentation;
use crate::protocol::{Fetch, Phase, Resource};
use crate::qoe::Summary;
use crate::session::Config;
use crate::sim::input::{Problem as InputProblem, ReadError};
use crate::sim::optimum::{CELL_S, Link, Problem, Weights, optimum};
use crate::sim::origin::{Answer, Fate, whole};
use crate::sim::playback::{self, Setup};
use crate::sim::staging;
use crate::sim::title::Title;
use crate::sim::trace::{Trace, sets};
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Time from a request to its first byte and share of payload of the `pensieve` link.
const PENSIEVE_LATENCY_MS: f64 = 80.0;
const PENSIEVE_PAYLOAD: f64 = 0.95;
/// Sessions whose optimum is at most this share of the top quality say little in percent and are left out of it.
const LEAST_OPTIMUM: f64 = 0.05;

/// Plays a title over sets of traces with several controllers, and says how near each came to the optimum.
///
/// The session that the player uses decides everything. The presentation is known from the start but for one
/// round trip, which counts as start-up.
/// Percentages are score ÷ offline optimum (its playable lower bound) on the same link, over sessions whose
/// optimum is above 5 % of the top quality: the mean of those clipped to 0..100, the 10th percentile of those not.
#[derive(Args)]
#[command(after_help = "Example:\n  \
    abr-sim compare --traces traces/ --title movie.json --controllers hybrid,bola-e --cap-s 60")]
pub(super) struct Compare {
    /// A folder of traces (one set), or a folder of sets.
    #[arg(long)]
    traces: PathBuf,
    /// Title: a Sabre movie, a Pensieve folder, the output of `sluice inspect --json`, or `synthetic:…`.
    #[arg(long)]
    title: String,
    /// Who chooses the quality: names separated by commas, or `all`.
    #[arg(long, value_delimiter = ',', required = true)]
    controllers: Vec<String>,
    /// Cut or repeat the title to this many segments.
    #[arg(long)]
    segments: Option<usize>,
    /// Do not compute the optimum: much quicker, no percentages.
    #[arg(long)]
    no_optimum: bool,
    /// How the link behaves.
    #[arg(long, value_enum, default_value_t = LinkModel::Pensieve)]
    link: LinkModel,
    /// Capacity of the buffer in seconds.
    #[arg(long, default_value_t = 60.0)]
    cap_s: f64,
    /// What is compared.
    #[arg(long, value_enum, default_value_t = Qoe::Lin)]
    qoe: Qoe,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum LinkModel {
    /// Latency as the trace states it, else 80 ms; a request starts when its segment fits the buffer.
    Sabre,
    /// 80 ms, 95 % payload; a request starts when the buffer is not above its cap.
    Pensieve,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Qoe {
    /// Bitrate in Mbit/s.
    Lin,
    /// ln(R/R_min).
    Log,
}

/// What is the same for all sessions.
struct Ground<'a> {
    title: &'a Title,
    presentation: Presentation,
    weights: Weights,
    controllers: Vec<&'static str>,
}

/// A trace's results.
struct Played {
    set: String,
    /// Score of the optimum per segment.
    best: Option<f64>,
    /// Numbers of each controller, in order, and the score per segment of the title.
    sessions: Vec<(Summary, f64)>,
}

/// One controller on one set.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Row {
    set: String,
    title: String,
    link: LinkModel,
    cap_s: f64,
    qoe: Qoe,
    controller: &'static str,
    sessions: usize,
    percent_of_optimum_mean: Option<f64>,
    percent_of_optimum_p10: Option<f64>,
    rebuffer_ratio_mean: f64,
    rebuffer_ratio_p90: f64,
    startup_s_mean: f64,
    switches_per_minute: f64,
    mean_bitrate_bps: f64,
}

impl Compare {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if !(self.cap_s > 0.0 && self.cap_s <= 3600.0) {
            return Err(Failure::Usage("--cap-s must be above 0 and at most 3600".into()));
        }
        let elapsed_s = stopwatch();
        let mut title = Title::load(&self.title)?;
        if let Some(segments) = self.segments {
            title = title.resized(segments);
        }
        let ground = Ground {
            presentation: staging::presentation(&title),
            weights: match self.qoe {
                Qoe::Lin => Weights::lin(&title.bitrates_kbps),
                Qoe::Log => Weights::log(&title.bitrates_kbps),
            },
            controllers: self.names()?,
            title: &title,
        };
        let played = self
            .files()?
            .into_par_iter()
            .filter_map(|(set, path)| match Trace::read(&path, None) {
                Ok(trace) => Some(Ok(self.play(set, trace, &ground))),
                // Logs of sessions lie beside traces in shared folders; they are no traces.
                Err(ReadError { problem: InputProblem::NotReplayable, .. }) => None,
                Err(error) => Some(Err(error)),
            })
            .collect::<Result<Vec<Played>, _>>()?;
        if played.is_empty() {
            return Err(Failure::Usage(format!("no trace could be read in {}", self.traces.display())));
        }
        let rows = self.rows(&played, &ground);
        let sessions = played.len() * ground.controllers.len();
        let (wall_s, cpu_s) = (elapsed_s(), cpu_s());
        if self.json {
            print_json(&json!({"rows": rows, "wall_s": wall_s, "cpu_s": cpu_s, "sessions": sessions}))?;
        } else {
            print(&rows)?;
            let cpu = cpu_s.map_or(String::new(), |cpu_s| format!(" ({cpu_s:.1} s of processor time)"));
            writeln!(io::stdout().lock(), "\n{sessions} sessions in {wall_s:.1} s{cpu}")?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn names(&self) -> Result<Vec<&'static str>, Failure> {
        if self.controllers.iter().any(|name| name == "all") {
            return Ok(controller::NAMES.to_vec());
        }
        let known = |name: &String| {
            controller::NAMES.into_iter().find(|known| known == name).ok_or_else(|| {
                let all = controller::NAMES.join(", ");
                Failure::Usage(format!("there is no controller {name:?}; there are {all}, or all"))
            })
        };
        self.controllers.iter().map(known).collect()
    }

    fn files(&self) -> Result<Vec<(String, PathBuf)>, Failure> {
        // Titles and tables lie beside the sets in a folder of shared data.
        let no_traces = ["movies", "expected"];
        let sets = sets(&self.traces)?.into_iter().filter(|(set, _)| !no_traces.contains(&set.as_str()));
        Ok(sets.flat_map(|(set, files)| files.into_iter().map(move |file| (set.clone(), file))).collect())
    }

    /// Plays a trace with every controller.
    fn play(&self, set: String, mut trace: Trace, ground: &Ground<'_>) -> Played {
        let title = ground.title;
        let longest = title.durations_ms.iter().copied().fold(0.0, f64::max) / 1000.0;
        let (admit_s, holds_s) = match self.link {
            LinkModel::Sabre => {
                if !trace.latency_stated {
                    trace.set_latency(PENSIEVE_LATENCY_MS);
                }
                ((self.cap_s - longest).max(0.0), self.cap_s)
            }
            LinkModel::Pensieve => {
                trace.set_latency(PENSIEVE_LATENCY_MS);
                for period in &mut trace.periods {
                    period.bandwidth_kbps *= PENSIEVE_PAYLOAD;
                }
                (self.cap_s, self.cap_s + longest)
            }
        };
        let best = (!self.no_optimum).then(|| {
            // The very link that the sessions see, with the latency on its clock.
            let link = Link::sabre(&trace);
            optimum(&Problem { title, link: &link, weights: &ground.weights, admit_s }, CELL_S).lower()
        });
        let session = |name: &&str| {
            let config = Config {
                controller: (*name).to_owned(),
                buffer_ahead: Duration::from_millis((holds_s * 1e3) as u64),
                // The capacity is what --cap-s says.
                buffer_bytes: u64::MAX,
                ..Config::default()
            };
            let setup = Setup {
                presentation: &ground.presentation,
                pending_indexes: false,
                link: staging::link(&trace, PENSIEVE_LATENCY_MS),
                config,
                origin: &mut segments_only,
                script: Vec::new(),
                until: playback::reasonable_end(&ground.presentation),
            };
            let outcome = playback::run_quickly(setup, |_, _| {});
            let score = match self.qoe {
                Qoe::Lin => outcome.summary.qoe_lin,
                Qoe::Log => outcome.summary.qoe_log,
            };
            // What was not played to the end earned nothing.
            let whole = outcome.session.phase() == Phase::Ended;
            (outcome.summary, if whole { score } else { score.min(0.0) })
        };
        let sessions = ground.controllers.iter().map(session).collect();
        Played { set, best, sessions }
    }

    fn rows(&self, played: &[Played], ground: &Ground<'_>) -> Vec<Row> {
        let top = ground.weights.quality.last().copied().unwrap_or(0.0);
        let mut rows = Vec::new();
        for set in played.chunk_by(|a, b| a.set == b.set) {
            for (place, controller) in ground.controllers.iter().enumerate() {
                let summaries = || set.iter().map(|played| &played.sessions[place].0);
                let mean = |of: &dyn Fn(&Summary) -> f64| summaries().map(of).sum::<f64>() / set.len() as f64;
                let percents: Vec<f64> = set
                    .iter()
                    .filter_map(|played| Some((played.best?, played.sessions[place].1)))
                    .filter(|(best, _)| *best > LEAST_OPTIMUM * top)
                    .map(|(best, score)| score / best * 100.0)
                    .collect();
                let clipped: f64 = percents.iter().map(|percent| percent.clamp(0.0, 100.0)).sum();
                let minutes = mean(&|s| s.played_ms as f64) / 60_000.0;
                rows.push(Row {
                    set: set[0].set.clone(),
                    title: ground.title.name.clone(),
                    link: self.link,
                    cap_s: self.cap_s,
                    qoe: self.qoe,
                    controller,
                    sessions: set.len(),
                    percent_of_optimum_mean: (!percents.is_empty()).then(|| clipped / percents.len() as f64),
                    percent_of_optimum_p10: quantile(percents, 0.1),
                    rebuffer_ratio_mean: mean(&|s| s.rebuffer_ratio),
                    rebuffer_ratio_p90: quantile(summaries().map(|s| s.rebuffer_ratio).collect(), 0.9)
                        .unwrap_or(0.0),
                    startup_s_mean: mean(&|s| s.startup_ms.unwrap_or(0) as f64 / 1e3),
                    switches_per_minute: mean(&|s| f64::from(s.switches)) / minutes.max(1e-6),
                    mean_bitrate_bps: mean(&|s| s.mean_bitrate_bps as f64),
                });
            }
        }
        rows
    }
}

/// Answers from the title; the presentation is known already, as in the published evaluations.
fn segments_only(presentation: &Presentation, fetch: &Fetch) -> Answer {
    let answer = whole(presentation, fetch);
    match fetch.resource {
        Resource::Presentation => Answer { fate: Fate::Cached, ..answer },
        _ => answer,
    }
}

/// Starts measuring how long the command takes, in seconds.
#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "times the command, not a session")]
fn stopwatch() -> impl Fn() -> f64 {
    let started = std::time::Instant::now();
    move || started.elapsed().as_secs_f64()
}

/// Processor seconds of this process so far, where the system tells (Linux counts them in hundredths, proc(5)).
fn cpu_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in brackets may hold anything; the times of user and system are the 12th and 13th after it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut seconds = || Some(fields.next()?.parse::<f64>().ok()? / 100.0);
    Some(seconds()? + seconds()?)
}

/// The value below which `share` of the values lie, interpolated linearly between neighbours.
fn quantile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = share * values.len().checked_sub(1)? as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    let (low_value, high_value) = (*values.get(low)?, *values.get(high)?);
    Some(low_value + (high_value - low_value) * (place - low as f64))
}

fn print(rows: &[Row]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let percent = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
    let mut set = None;
    for row in rows {
        if set != Some(&row.set) {
            if set.is_some() {
                writeln!(out)?;
            }
            writeln!(out, "{}: {} sessions each", row.set, row.sessions)?;
            writeln!(
                out,
                "  {:<14} {:>9} {:>7} {:>9} {:>7} {:>8} {:>12} {:>8}",
                "controller", "% of best", "p10", "stalled %", "p90", "start s", "switches/min", "kbit/s"
            )?;
            set = Some(&row.set);
        }
        writeln!(
            out,
            "  {:<14} {:>9} {:>7} {:>9.2} {:>7.2} {:>8.2} {:>12.2} {:>8.0}",
            row.controller,
            percent(row.percent_of_optimum_mean),
            percent(row.percent_of_optimum_p10),
            row.rebuffer_ratio_mean * 100.0,
            row.rebuffer_ratio_p90 * 100.0,
            row.startup_s_mean,
            row.switches_per_minute,
            row.mean_bitrate_bps / 1000.0
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_their_neighbours() {
        assert_eq!(quantile(vec![], 0.1), None);
        assert_eq!(quantile(vec![7.0], 0.9), Some(7.0));
        assert_eq!(quantile(vec![30.0, 10.0, 20.0], 0.25), Some(15.0));
    }

    #[test]
    fn percentages_are_clipped_in_the_mean_only() {
        let title = Title::load("synthetic:segments=5").unwrap();
        let ground = Ground {
            presentation: staging::presentation(&title),
            weights: Weights::lin(&title.bitrates_kbps),
            controllers: vec!["hybrid"],
            title: &title,
        };
        let compare = Compare {
            traces: PathBuf::new(),
            title: String::new(),
            controllers: Vec::new(),
            segments: None,
            no_optimum: false,
            link: LinkModel::Pensieve,
            cap_s: 60.0,
            qoe: Qoe::Lin,
            json: true,
        };
        let one = |best: f64, score: f64| Played {
            set: "s".to_owned(),
            best: Some(best),
            sessions: vec![(Summary { played_ms: 60_000, switches: 3, ..Summary::default() }, score)],
        };
        // The last one's optimum is too low to count.
        let rows = compare.rows(&[one(2.0, 1.0), one(1.0, -1.0), one(0.01, 0.0)], &ground);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].percent_of_optimum_mean, Some(25.0));
        assert_eq!(rows[0].percent_of_optimum_p10, Some(-85.0));
        assert_eq!((rows[0].sessions, rows[0].switches_per_minute), (3, 3.0));
    }
}
