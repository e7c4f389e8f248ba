//! `abr-sim compare`: controllers side by side, per set of traces, against the best that was possible.

use super::experiment::{Arguments, Running};
use super::job::{Job, Performed, say_skipped};
use super::outputs::RowFormat;
use super::progress::cpu_s;
use super::{Failure, print_json, table};
use crate::sim::report::condition::Condition;
use crate::sim::report::summary::Baseline;
use clap::Args;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Plays titles over sets of traces with several controllers, and says how near each came to the optimum.
///
/// The session that the player uses decides everything. The presentation is known from the start but for one
/// round trip, which counts as start-up.
/// Percentages are score ÷ offline optimum (its playable lower bound) on the same link, over sessions whose
/// optimum is above 5 % of the top quality: the mean of those clipped to 0..100, the 10th percentile of those not.
/// Differences are paired by trace; their 95 % intervals are by a seeded bootstrap over traces.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    abr-sim compare --traces traces/ --controllers all --out out/ && abr-sim plot out/\n  \
    abr-sim compare --traces traces/ --title movie.json --controllers hybrid,bola-e --cap-s 20,60 --qoe lin,log\n  \
    abr-sim compare --traces traces/ --controllers hybrid --baseline out-before/ \\\n    \
    --fail-if 'rebuffer_ratio>+1%' --fail-if 'percent_of_optimum<-1'\n\n\
    A failed condition ends with code 8, an interruption with 4 and what there is by then.")]
pub(super) struct Compare {
    #[command(flatten)]
    arguments: Arguments,
    #[command(flatten)]
    running: Running,
    /// Write rows (one per session), summary.json and run.json here.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What to write with --out; rows.csv is always written.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "csv,ndjson,parquet", requires = "out")]
    formats: Vec<RowFormat>,
    /// Compare with this controller, or with the rows that an earlier run wrote to this folder.
    ///
    /// By default with bba-0 if it takes part, else with the first controller.
    #[arg(long, value_name = "CONTROLLER|DIR")]
    baseline: Option<String>,
    /// Fail with code 8 when this holds anywhere; may be repeated.
    ///
    /// FIGURE, or CONTROLLER:FIGURE, then > >= < or <= then a value: 0.02 or 2% of the figure itself, +0.01 of its difference to the
    /// baseline, +1% of that difference as a share. Figures are columns of the rows, with _p10, _p90 and so on if wanted.
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<String>,
}

impl Compare {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        self.running.on_threads(|| self.compare())
    }

    fn compare(&self) -> Result<ExitCode, Failure> {
        let conditions: Vec<Condition> =
            self.fail_if.iter().map(|text| text.parse().map_err(Failure::Usage)).collect::<Result<_, _>>()?;
        let prepared = self.arguments.prepare()?;
        say_skipped(&prepared);
        let mut formats = self.formats.clone();
        formats.push(RowFormat::Csv);
        formats.sort();
        formats.dedup();
        let job = Job {
            summarised: true,
            arguments: self.arguments.clone(),
            shard: (1, 1),
            formats,
            baseline: self.baseline.clone(),
        };
        if conditions.iter().any(Condition::needs_baseline)
            && self.baseline.is_none()
            && prepared.grid.controllers.len() < 2
        {
            return Err(Failure::Usage(
                "a relative --fail-if needs --baseline or a second controller".into(),
            ));
        }
        let done = job.perform(&prepared, self.out.as_deref(), &self.running)?;
        let failed = failed(&conditions, &done);
        self.report(&done, &prepared, &failed)?;
        Ok(match (done.complete, failed.is_empty()) {
            (false, _) => ExitCode::from(4),
            (true, false) => ExitCode::from(8),
            (true, true) => ExitCode::SUCCESS,
        })
    }

    fn report(
        &self,
        done: &Performed,
        prepared: &super::experiment::Prepared,
        failed: &[String],
    ) -> Result<(), Failure> {
        let Some(summary) = &done.summary else { return Ok(()) };
        let (wall_s, cpu_s, sessions) = (done.wall_s, cpu_s(), done.rows.len());
        if self.running.json {
            let mut document = summary.json();
            let more = json!({
                "wall_s": wall_s, "cpu_s": cpu_s, "sessions": sessions, "complete": done.complete,
                "failed": failed, "skipped": prepared.skipped,
            });
            if let (Some(document), Some(more)) = (document.as_object_mut(), more.as_object()) {
                document.extend(more.clone());
            }
            return print_json(&document);
        }
        let mut out = io::stdout().lock();
        table::print(&mut out, summary)?;
        let cpu = cpu_s.map_or(String::new(), |cpu_s| format!(" ({cpu_s:.1} s of processor time)"));
        let partly = if done.complete { "" } else { ", interrupted: the tables are of what was played" };
        writeln!(out, "\n{sessions} sessions in {wall_s:.1} s{cpu}{partly}")?;
        if let Some(folder) = &self.out {
            writeln!(out, "written to {}; `abr-sim plot {0}` draws it", folder.display())?;
        }
        for line in failed {
            writeln!(out, "failed: {line}")?;
        }
        Ok(())
    }
}

fn failed(conditions: &[Condition], done: &Performed) -> Vec<String> {
    let against = done.summary.as_ref().and_then(|summary| summary.baseline.as_ref());
    let baseline = against.map_or(Baseline::Earlier(&[]), |against| against.baseline());
    conditions.iter().flat_map(|condition| condition.met(&done.rows, baseline)).collect()
}
