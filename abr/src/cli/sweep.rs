//! `abr-sim sweep`: every point of a grid, in pieces if wanted.

use super::experiment::{Arguments, Running};
use super::job::{Job, say_skipped};
use super::outputs::RowFormat;
use super::{Failure, print_json};
use crate::sim::input::Problem;
use crate::sim::report::csv;
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Grid points that are printed.
const SHOWN: usize = 20;

/// Plays every point of a grid of traces, titles, controllers, links, caps and settings, and writes a row for each.
///
/// Rows are written as they come, in the order of the grid, whatever the number of threads. Broken off (Ctrl-C), the
/// folder holds whole rows; the same command continues it. Shards of a grid are written to folders of their own, on as many
/// machines as you like; their rows.csv and rows.ndjson, one after the other, are byte for byte those of the whole.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    abr-sim sweep --traces traces/ --controllers hybrid,bola-e --cap-s 10,20,30,60 --out sweep/\n  \
    abr-sim sweep --traces traces/ --controllers all --set latency_ms=20,80,300 --set bandwidth=0.5,1,2 \\\n    \
    --no-optimum --formats csv,parquet --out sweep/\n  \
    abr-sim sweep … --shard 1/4 --out s1/    # and 2/4, 3/4, 4/4 elsewhere\n  \
    cat s1/rows.csv s2/rows.csv s3/rows.csv s4/rows.csv > rows.csv")]
pub(super) struct Sweep {
    #[command(flatten)]
    arguments: Arguments,
    #[command(flatten)]
    running: Running,
    /// Where rows and run.json go.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What to write; rows.csv is always written.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "csv,ndjson,parquet")]
    formats: Vec<RowFormat>,
    /// Play only this part of the grid: I/N, from 1/N to N/N.
    #[arg(long, value_name = "I/N", default_value = "1/1", value_parser = shard)]
    shard: (usize, usize),
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((index, count)) if 1 <= index && index <= count => Ok((index, count)),
        _ => Err("must be I/N with I from 1 to N".into()),
    }
}

impl Sweep {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        self.running.on_threads(|| self.sweep())
    }

    fn sweep(&self) -> Result<ExitCode, Failure> {
        let prepared = self.arguments.prepare()?;
        say_skipped(&prepared);
        let mut formats = self.formats.clone();
        formats.push(RowFormat::Csv);
        formats.sort();
        formats.dedup();
        let arguments = self.arguments.clone();
        let job = Job { summarised: false, arguments, shard: self.shard, formats, baseline: None };
        let done = job.perform(&prepared, Some(&self.out), &self.running)?;
        let points = points(&self.out.join(RowFormat::Csv.file()))?;
        let manifest = done.manifest.as_ref();
        let (rows, planned) = manifest.map_or((0, 0), |manifest| (manifest.rows, manifest.rows_planned));
        if self.running.json {
            print_json(&json!({
                "rows": rows, "rows_planned": planned, "played": done.played, "complete": done.complete,
                "wall_s": done.wall_s, "skipped": prepared.skipped,
                "points": points.iter().map(Point::json).collect::<Vec<_>>(),
            }))?;
        } else {
            print(&points, with_optimum(&self.arguments))?;
            let rate = done.played as f64 / done.wall_s.max(1e-9);
            let state = if done.complete { "complete" } else { "interrupted; the same command goes on" };
            let mut out = io::stdout().lock();
            writeln!(
                out,
                "\n{rows} of {planned} rows in {}, {} played now in {:.1} s ({rate:.0}/s): {state}",
                self.out.display(),
                done.played,
                done.wall_s
            )?;
        }
        Ok(ExitCode::from(if done.complete { 0 } else { 4 }))
    }
}

fn with_optimum(arguments: &Arguments) -> bool {
    !arguments.no_optimum
}

/// Sums over the sessions of a point of the grid, all traces and titles together.
#[derive(Default)]
struct Point {
    name: String,
    sessions: usize,
    percent: (f64, usize),
    score: f64,
    rebuffer_ratio: f64,
}

impl Point {
    fn percent(&self) -> Option<f64> {
        (self.percent.1 > 0).then(|| self.percent.0 / self.percent.1 as f64)
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / self.sessions.max(1) as f64
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "point": self.name, "sessions": self.sessions, "percent_of_optimum_mean": self.percent(),
            "score_mean": self.mean(self.score), "rebuffer_ratio_mean": self.mean(self.rebuffer_ratio),
        })
    }
}

/// The points of a file of rows, the best first.
fn points(path: &Path) -> Result<Vec<Point>, Failure> {
    let file = File::open(path).map_err(|error| Problem::Io(error).in_file(path))?;
    let mut reader = csv::Reader::new(path, BufReader::new(file))?;
    let mut points: BTreeMap<String, Point> = BTreeMap::new();
    while let Some(row) = reader.read_row()? {
        let name =
            format!("{} {} cap={} {} {}", row.controller, row.link, row.cap_s, row.qoe, row.parameters);
        let point = points.entry(name).or_default();
        point.sessions += 1;
        point.score += row.score;
        point.rebuffer_ratio += row.rebuffer_ratio;
        if let Some(percent) = row.percent_of_optimum {
            point.percent.0 += percent.clamp(0.0, 100.0);
            point.percent.1 += 1;
        }
    }
    let named = |(name, point): (String, Point)| Point { name: name.trim_end().to_owned(), ..point };
    let mut points: Vec<Point> = points.into_iter().map(named).collect();
    let worth = |point: &Point| point.percent().unwrap_or(point.mean(point.score));
    points.sort_by(|a, b| worth(b).total_cmp(&worth(a)));
    Ok(points)
}

fn print(points: &[Point], with_optimum: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let heading = if with_optimum { "% of best" } else { "score" };
    writeln!(out, "{heading:>9} {:>9} {:>9}  point", "stalled %", "sessions")?;
    for point in points.iter().take(SHOWN) {
        let worth = match point.percent() {
            Some(percent) => format!("{percent:.2}"),
            None => format!("{:.3}", point.mean(point.score)),
        };
        let stalled = point.mean(point.rebuffer_ratio) * 100.0;
        writeln!(out, "{worth:>9} {stalled:>9.2} {:>9}  {}", point.sessions, point.name)?;
    }
    if points.len() > SHOWN {
        writeln!(out, "… and {} more points", points.len() - SHOWN)?;
    }
    Ok(())
}
