//! An experiment from its arguments to its rows: what `compare`, `sweep` and `rerun` perform.

use super::Failure;
use super::experiment::{Arguments, Prepared, Running};
use super::manifest::{Manifest, VERSION};
use super::outputs::{Opened, Outputs, RowFormat};
use super::playing::{interruptible, play};
use super::progress::Progress;
use super::table;
use crate::sim::experiment::hash_file;
use crate::sim::report::summary::{Baseline, Difference, Line, differences, lines, pairs};
use crate::sim::report::{Row, csv, statistics::RESAMPLES};
use rayon::prelude::*;
use serde_json::json;
use std::io;
use std::path::Path;

/// Seed of every resample.
const SEED: u64 = 1;

/// What is to be done.
pub(super) struct Job {
    /// Whether figures over all rows are wanted; a sweep holds no rows.
    pub(super) summarised: bool,
    pub(super) arguments: Arguments,
    /// Which shard of how many, from 1.
    pub(super) shard: (usize, usize),
    pub(super) formats: Vec<RowFormat>,
    /// A controller's name or a folder of earlier results.
    pub(super) baseline: Option<String>,
}

/// What was done.
pub(super) struct Performed {
    /// All rows, when they are summarised.
    pub(super) rows: Vec<Row>,
    /// Whether nothing interrupted it.
    pub(super) complete: bool,
    /// What lies in the folder, when there is one.
    pub(super) manifest: Option<Manifest>,
    /// Sessions that were played now.
    pub(super) played: usize,
    pub(super) summary: Option<Summary>,
    pub(super) wall_s: f64,
}

/// Figures over all rows.
pub(super) struct Summary {
    pub(super) lines: Vec<Line>,
    pub(super) baseline: Option<Against>,
    pub(super) differences: Vec<Difference>,
}

/// What rows are compared with.
pub(super) enum Against {
    Controller(String),
    Earlier(String, Vec<Row>),
}

impl Against {
    pub(super) fn baseline(&self) -> Baseline<'_> {
        match self {
            Self::Controller(name) => Baseline::Controller(name),
            Self::Earlier(_, rows) => Baseline::Earlier(rows),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Controller(name) | Self::Earlier(name, _) => name,
        }
    }
}

impl Job {
    /// The job that a manifest describes.
    pub(super) fn of(manifest: &Manifest) -> Self {
        Self {
            summarised: manifest.command == "compare",
            arguments: manifest.arguments.clone(),
            shard: manifest.shard,
            formats: manifest.formats.clone(),
            baseline: manifest.baseline.clone(),
        }
    }

    fn command(&self) -> &'static str {
        if self.summarised { "compare" } else { "sweep" }
    }

    /// The manifest of this job as things are now.
    pub(super) fn manifest(&self, prepared: &Prepared) -> Result<Manifest, Failure> {
        let grid = &prepared.grid;
        let program = std::env::current_exe().and_then(|program| hash_file(&program));
        Ok(Manifest {
            manifest: VERSION,
            program: concat!("abr-sim ", env!("CARGO_PKG_VERSION")).to_owned(),
            executable_sha256: program.unwrap_or_default(),
            command: self.command().to_owned(),
            directory: std::env::current_dir()?.display().to_string(),
            arguments: self.arguments.clone(),
            shard: self.shard,
            baseline: self.baseline.clone(),
            formats: self.formats.clone(),
            sets: prepared.sets.clone(),
            inputs: prepared.inputs.clone(),
            skipped: prepared.skipped.clone(),
            rows_planned: grid.shard(self.shard.0, self.shard.1).len() * grid.sessions().len(),
            rows: 0,
            complete: false,
            outputs: Vec::new(),
        })
    }

    /// What differences are taken against: as asked for, else `bba-0` or the first of several controllers.
    fn against(&self, grid: &crate::sim::experiment::Grid) -> Result<Option<Against>, Failure> {
        let by_default = || {
            let names = &grid.controllers;
            let name = names.iter().find(|name| **name == "bba-0").or(names.first())?;
            (names.len() > 1).then(|| Against::Controller((*name).to_owned()))
        };
        let Some(wanted) = &self.baseline else { return Ok(by_default()) };
        if grid.controllers.contains(&wanted.as_str()) {
            return Ok(Some(Against::Controller(wanted.clone())));
        }
        let path = Path::new(wanted);
        let file = if path.is_dir() { path.join(RowFormat::Csv.file()) } else { path.to_owned() };
        if !file.is_file() {
            let said =
                format!("--baseline {wanted}: neither one of the controllers nor results of an experiment");
            return Err(Failure::Usage(said));
        }
        Ok(Some(Against::Earlier(wanted.clone(), csv::read(&file)?)))
    }

    /// Plays everything; rows go to `out` if there is one.
    pub(super) fn perform(
        &self,
        prepared: &Prepared,
        out: Option<&Path>,
        running: &Running,
    ) -> Result<Performed, Failure> {
        let interrupted = interruptible()?;
        let grid = &prepared.grid;
        let against = if self.summarised { self.against(grid)? } else { None };
        let manifest = self.manifest(prepared)?;
        let planned = manifest.rows_planned;
        let mut outputs = match out {
            None => None,
            Some(folder) => match Outputs::open(folder, manifest, running.force)? {
                Opened::Begun(outputs) => Some(outputs),
                Opened::Complete if self.summarised => {
                    let said =
                        format!("{} holds these results already; --force replaces them", folder.display());
                    return Err(Failure::Usage(said));
                }
                Opened::Complete => {
                    let manifest = Some(Manifest::read(&folder.join(super::manifest::FILE))?);
                    let (rows, summary) = (Vec::new(), None);
                    return Ok(Performed { rows, complete: true, manifest, played: 0, summary, wall_s: 0.0 });
                }
            },
        };
        let before = outputs.as_ref().map_or(0, |outputs| outputs.rows);
        let mut rows = match &mut outputs {
            Some(outputs) if self.summarised && before > 0 => csv::read(&outputs.flushed()?)?,
            _ => Vec::new(),
        };
        let progress = Progress::new("sessions", planned, before, running.quiet);
        let mut played = 0;
        let cells = grid.shard(self.shard.0, self.shard.1);
        let complete = play(grid, cells, before, &interrupted, &progress, |row| {
            played += 1;
            if let Some(outputs) = &mut outputs {
                outputs.write(&row)?;
            }
            if self.summarised {
                rows.push(row);
            }
            Ok(())
        });
        progress.clear();
        let complete = complete?;
        let summary = self.summarised.then(|| summarise(&rows, against));
        let text = summary.as_ref().map(table::summary_text).transpose()?;
        let manifest = outputs.map(|outputs| outputs.close(text.as_deref())).transpose()?;
        Ok(Performed { rows, complete, manifest, played, summary, wall_s: progress.elapsed_s() })
    }
}

fn summarise(rows: &[Row], baseline: Option<Against>) -> Summary {
    let mut found = Vec::new();
    if let Some(against) = &baseline {
        let pairs = pairs(rows, against.baseline());
        let controllers = crate::sim::report::summary::controllers(pairs.iter().map(|(row, _)| *row));
        found = controllers
            .par_iter()
            .flat_map_iter(|controller| differences(&pairs, controller, SEED, RESAMPLES))
            .collect();
    }
    Summary { lines: lines(rows), baseline, differences: found }
}

impl Summary {
    /// As a document, without times.
    pub(super) fn json(&self) -> serde_json::Value {
        json!({
            "rows": self.lines,
            "baseline": self.baseline.as_ref().map(Against::name),
            "differences": self.differences,
        })
    }
}

/// Says what was passed over.
pub(super) fn say_skipped(prepared: &Prepared) {
    for skipped in &prepared.skipped {
        eprintln!("skipped: {}: {}", skipped.what, skipped.why);
    }
}

/// The text of a document as a file.
pub(super) fn document(value: &serde_json::Value) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value).map_err(io::Error::from)? + "\n")
}
