//! What `compare` and `sweep` have in common: their arguments, and the grid that these mean.

use super::Failure;
use super::manifest::{Hashed, SetTitles};
use crate::controller;
use crate::sim::experiment::{
    Conditions, Found, Grid, LinkModel, Qoe, Skipped, Subject, TraceSet, default_title, find, hash_title,
    points,
};
use crate::sim::title::Title;
use crate::sim::trace::Format;
use clap::Args;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// What is played.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Arguments {
    /// A folder of sets, a folder of traces (one set), or one trace.
    #[arg(long)]
    pub(super) traces: PathBuf,
    /// Title: a Sabre movie, a Pensieve folder, the output of `sluice inspect --json`, or `synthetic:…`; may be repeated.
    ///
    /// Without it, each set gets one by the median of its traces' mean bandwidths: up to 8 Mbit/s the 48 segments of
    /// `movies/envivio-dash3` below --traces, above 100 segments of `movies/sabre-bbb4k.json`; where there is no such
    /// file, a synthetic title with the same ladder.
    #[arg(long = "title", value_name = "TITLE")]
    pub(super) titles: Vec<String>,
    /// Who chooses the quality: names separated by commas, or `all`.
    #[arg(long, value_delimiter = ',', required = true)]
    pub(super) controllers: Vec<String>,
    /// Cut or repeat the title to this many segments.
    #[arg(long)]
    pub(super) segments: Option<usize>,
    /// Do not compute the optimum: much quicker, no percentages.
    #[arg(long)]
    pub(super) no_optimum: bool,
    /// How the link behaves; several separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "pensieve")]
    pub(super) link: Vec<LinkModel>,
    /// Capacity of the buffer in seconds; several separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "60")]
    pub(super) cap_s: Vec<f64>,
    /// The score; several separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "lin")]
    pub(super) qoe: Vec<Qoe>,
    /// Vary a setting: NAME=VALUE,VALUE…; may be repeated for a grid (`abr-sim schema` lists the names).
    #[arg(long, value_name = "NAME=VALUES")]
    pub(super) set: Vec<String>,
    /// Read traces as this format instead of looking.
    #[arg(long, value_enum)]
    pub(super) format: Option<Format>,
}

/// How it is played; changes no row.
#[derive(Args, Clone, Debug)]
pub(super) struct Running {
    /// How many threads to use, instead of one per processor.
    #[arg(long)]
    pub(super) threads: Option<usize>,
    /// Replace results that are in the folder.
    #[arg(long)]
    pub(super) force: bool,
    /// Do not say how far the work is.
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

impl Running {
    /// Runs `work` on the wanted number of threads.
    pub(super) fn on_threads<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        let Some(threads) = self.threads else { return work() };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.clamp(1, 1024)).build();
        pool.map_err(|error| Failure::Output(io::Error::other(error)))?.install(work)
    }
}

/// What arguments mean on this machine.
pub(super) struct Prepared {
    pub(super) grid: Grid,
    pub(super) sets: Vec<SetTitles>,
    pub(super) inputs: Vec<Hashed>,
    pub(super) skipped: Vec<Skipped>,
}

impl Arguments {
    /// Looks at every input.
    pub(super) fn prepare(&self) -> Result<Prepared, Failure> {
        if self.cap_s.iter().any(|cap_s| !(*cap_s > 0.0 && *cap_s <= 3600.0)) {
            return Err(Failure::Usage("--cap-s must be above 0 and at most 3600".into()));
        }
        let controllers = names(&self.controllers)?;
        let (network, session) = points(&self.set).map_err(Failure::Usage)?;
        let (sets, mut skipped) = find(&self.traces)?;
        let mut prepared = Prepared {
            grid: Grid {
                sets: Vec::new(),
                subjects: Vec::new(),
                conditions: self.conditions(),
                network,
                session,
                controllers,
                format: self.format,
            },
            sets: Vec::new(),
            inputs: Vec::new(),
            skipped: Vec::new(),
        };
        let mut sources: Vec<(String, usize)> = Vec::new();
        for set in sets {
            let (files, mean_kbps) = self.look(&set, &mut prepared.inputs, &mut skipped)?;
            if files.is_empty() {
                continue;
            }
            let titles = match self.titles.is_empty() {
                true => vec![default_title(&self.traces, mean_kbps)],
                false => self.titles.iter().map(|title| (title.clone(), 0)).collect(),
            };
            let mut places = Vec::new();
            for (source, segments) in titles {
                let known = sources.iter().position(|(known, _)| *known == source);
                if known.is_none() {
                    let mut title = Title::load(&source)?;
                    if let Some(segments) = self.segments.or((segments > 0).then_some(segments)) {
                        title = title.resized(segments);
                    }
                    sources.push((source, title.segments()));
                    prepared.grid.subjects.push(Subject::new(title));
                }
                places.push(known.unwrap_or(sources.len() - 1));
            }
            prepared.sets.push(SetTitles {
                set: set.name.clone(),
                traces: files.len(),
                titles: places.iter().map(|place| sources[*place].clone()).collect(),
            });
            prepared.grid.sets.push((TraceSet { name: set.name, files }, places));
        }
        for (source, _) in &sources {
            let files = hash_title(source)?.into_iter();
            prepared.inputs.extend(files.map(|(file, sha256)| Hashed { file, sha256 }));
        }
        prepared.skipped = skipped;
        if prepared.grid.sets.is_empty() {
            return Err(Failure::Usage(format!("there is no trace in {}", self.traces.display())));
        }
        Ok(prepared)
    }

    fn conditions(&self) -> Vec<Conditions> {
        let mut all = Vec::new();
        for &link in &self.link {
            for &cap_s in &self.cap_s {
                for &qoe in &self.qoe {
                    all.push(Conditions { link, cap_s, qoe, with_optimum: !self.no_optimum });
                }
            }
        }
        all
    }

    /// The traces of a set, and their mean bandwidths.
    fn look(
        &self,
        set: &TraceSet,
        inputs: &mut Vec<Hashed>,
        skipped: &mut Vec<Skipped>,
    ) -> Result<(Vec<PathBuf>, Vec<f64>), Failure> {
        let found: Vec<Found> =
            set.files.par_iter().map(|file| Found::look(file, self.format)).collect::<Result<_, _>>()?;
        let (mut files, mut means) = (Vec::new(), Vec::new());
        let mut refused: Vec<(&str, Vec<&PathBuf>)> = Vec::new();
        for (file, found) in set.files.iter().zip(found) {
            match found {
                Found::Trace { sha256, mean_kbps } => {
                    inputs.push(Hashed { file: file.display().to_string(), sha256 });
                    files.push(file.clone());
                    means.push(mean_kbps);
                }
                Found::No(why) => match refused.iter_mut().find(|(known, _)| *known == why) {
                    Some((_, files)) => files.push(file),
                    None => refused.push((why, vec![file])),
                },
            }
        }
        for (why, files) in refused {
            let what = match files.as_slice() {
                [only] => only.display().to_string(),
                _ => format!("{}/ ({} files)", set.name, files.len()),
            };
            skipped.push(Skipped { what, why: why.to_owned() });
        }
        Ok((files, means))
    }
}

/// The controllers of that name, `all` for all of them.
fn names(wanted: &[String]) -> Result<Vec<&'static str>, Failure> {
    if wanted.iter().any(|name| name == "all") {
        return Ok(controller::NAMES.to_vec());
    }
    let mut names = Vec::new();
    for name in wanted {
        let known = controller::NAMES.into_iter().find(|known| known == name).ok_or_else(|| {
            let all = controller::NAMES.join(", ");
            Failure::Usage(format!("there is no controller {name:?}; there are {all}, or all"))
        })?;
        if !names.contains(&known) {
            names.push(known);
        }
    }
    Ok(names)
}
