//! `run.json`: everything that made the results beside it, so that they can be made again.
//!
//! It holds no times and no number of threads: the same experiment writes the same manifest.

use super::experiment::Arguments;
use crate::sim::experiment::Skipped;
use crate::sim::input::{Problem, ReadError, parse_json, read_text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The layout written by this version.
pub(super) const VERSION: u32 = 1;
/// Its name in a folder of results.
pub(super) const FILE: &str = "run.json";
/// Largest manifest that is read, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// A file and its SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hashed {
    /// As given on the command line, or below what was given.
    pub(super) file: String,
    /// In hexadecimal.
    pub(super) sha256: String,
}

/// Which titles a set was played with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SetTitles {
    pub(super) set: String,
    pub(super) traces: usize,
    /// Sources, each with the number of segments played.
    pub(super) titles: Vec<(String, usize)>,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Layout, [`VERSION`].
    pub(super) manifest: u32,
    /// Name and version.
    pub(super) program: String,
    /// SHA-256 of the program itself: rows of two builds are not mixed.
    pub(super) executable_sha256: String,
    /// `compare` or `sweep`.
    pub(super) command: String,
    /// Where the command ran; relative paths are meant from there.
    pub(super) directory: String,
    /// What was asked for, defaults included.
    pub(super) arguments: Arguments,
    /// Shard and number of shards.
    pub(super) shard: (usize, usize),
    /// What differences are taken against.
    pub(super) baseline: Option<String>,
    /// The files of rows.
    pub(super) formats: Vec<super::outputs::RowFormat>,
    /// What was played with what.
    pub(super) sets: Vec<SetTitles>,
    /// Every file that was read.
    pub(super) inputs: Vec<Hashed>,
    /// What lay there and was not played.
    pub(super) skipped: Vec<Skipped>,
    /// Rows that the experiment has.
    pub(super) rows_planned: usize,
    /// Rows that there are.
    pub(super) rows: usize,
    /// Whether that is all.
    pub(super) complete: bool,
    /// The files beside this one; none while the experiment runs.
    pub(super) outputs: Vec<Hashed>,
}

impl Manifest {
    /// Reads `run.json` or one of another name.
    pub(super) fn read(path: &Path) -> Result<Self, ReadError> {
        let text = read_text(path, MAX_BYTES)?;
        let manifest: Self = parse_json(path, &text)?;
        if manifest.manifest != VERSION {
            let said = format!("has layout {}, this program reads layout {VERSION}", manifest.manifest);
            return Err(Problem::Value(said).in_file(path));
        }
        Ok(manifest)
    }

    /// The first thing that makes `other` another experiment, if it is one.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let parts: [(&str, bool); 6] = [
            ("its command", self.command != other.command),
            ("its arguments", self.arguments != other.arguments || self.shard != other.shard),
            ("its formats", self.formats != other.formats),
            ("where it ran", self.directory != other.directory),
            ("the program", self.executable_sha256 != other.executable_sha256),
            ("its titles or sets", self.sets != other.sets),
        ];
        let part = parts.into_iter().find_map(|(what, differs)| differs.then(|| format!("{what} differ")));
        part.or_else(|| self.changed_input(other))
    }

    /// The first input that is not as it was for `self`, in words.
    pub(super) fn changed_input(&self, now: &Self) -> Option<String> {
        fn by_file(inputs: &[Hashed]) -> BTreeMap<&str, &str> {
            inputs.iter().map(|input| (input.file.as_str(), input.sha256.as_str())).collect()
        }
        let (before, after) = (by_file(&self.inputs), by_file(&now.inputs));
        for (file, was) in &before {
            match after.get(file) {
                None => return Some(format!("the input {file} is no longer there or no trace")),
                Some(is) if is != was => {
                    return Some(format!("the input {file} has changed: its SHA-256 was {was} and is {is}"));
                }
                Some(_) => {}
            }
        }
        let added = after.keys().find(|file| !before.contains_key(*file));
        added.map(|file| format!("the input {file} is new"))
    }
}
