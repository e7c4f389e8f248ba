//! `abr-sim rerun`: makes the results of a manifest again.

use super::experiment::Running;
use super::job::Job;
use super::manifest::{FILE, Manifest};
use super::{Failure, print_json};
use crate::sim::input::Problem;
use clap::Args;
use serde_json::json;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Makes the results again that a run.json describes, and compares them byte by byte.
///
/// The number of threads does not matter. An input that is not as it was is an error (code 3); a file that comes out
/// otherwise is a failed comparison (code 8).
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    abr-sim rerun out/run.json                  # compares; writes what is missing in out/\n  \
    abr-sim rerun out/run.json --out again/     # and keeps the new files\n  \
    abr-sim rerun out/run.json --threads 1")]
pub(super) struct Rerun {
    /// The manifest.
    manifest: PathBuf,
    /// Keep the new files here.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where relative paths of the manifest are meant from, instead of where it was made.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    running: Running,
}

impl Rerun {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        self.running.on_threads(|| self.rerun())
    }

    fn rerun(&self) -> Result<ExitCode, Failure> {
        let file = if self.manifest.is_dir() { self.manifest.join(FILE) } else { self.manifest.clone() };
        let was = Manifest::read(&file)?;
        if !was.complete {
            let said = format!(
                "has {} of {} rows: run the command again to complete it",
                was.rows, was.rows_planned
            );
            return Err(Problem::Value(said).in_file(&file).into());
        }
        let folder = fs::canonicalize(&file)?.parent().unwrap_or(Path::new("/")).to_owned();
        let out = self.out.as_ref().map(std::path::absolute).transpose()?;
        let directory = self.directory.clone().unwrap_or_else(|| PathBuf::from(&was.directory));
        std::env::set_current_dir(&directory).map_err(|error| Problem::Io(error).in_file(&directory))?;
        let job = Job::of(&was);
        let prepared = job.arguments.prepare()?;
        let now = job.manifest(&prepared)?;
        if let Some(change) = was.changed_input(&now) {
            return Err(Problem::Value(change).in_file(&file).into());
        }
        if now.executable_sha256 != was.executable_sha256 {
            eprintln!("note: the results were made by another build of {}", was.program);
        }
        let place = out.clone().unwrap_or_else(|| folder.join(format!(".rerun-{}", std::process::id())));
        let done = job.perform(&prepared, Some(&place), &self.running)?;
        let Some(made) = done.manifest.filter(|_| done.complete) else {
            if out.is_none() {
                fs::remove_dir_all(&place)?;
            }
            return Ok(ExitCode::from(4));
        };
        let same = |file: &str| {
            let of = |manifest: &Manifest| {
                manifest.outputs.iter().find(|o| o.file == file).map(|o| o.sha256.clone())
            };
            of(&was) == of(&made)
        };
        let files: Vec<(&str, bool)> = was.outputs.iter().map(|o| (o.file.as_str(), same(&o.file))).collect();
        if out.is_none() {
            restore(&files, &place, &folder)?;
        }
        self.report(&files)?;
        Ok(ExitCode::from(if files.iter().all(|(_, same)| *same) { 0 } else { 8 }))
    }

    fn report(&self, files: &[(&str, bool)]) -> Result<(), Failure> {
        if self.running.json {
            let files: Vec<_> =
                files.iter().map(|(file, same)| json!({"file": file, "identical": same})).collect();
            let all = files.iter().all(|file| file["identical"] == true);
            return print_json(&json!({"identical": all, "files": files}));
        }
        let mut out = io::stdout().lock();
        for (file, same) in files {
            writeln!(out, "{file}: {}", if *same { "identical" } else { "DIFFERS" })?;
        }
        Ok(())
    }
}

/// Puts files that came out the same where they are missing, and removes the rest.
fn restore(files: &[(&str, bool)], from: &Path, to: &Path) -> io::Result<()> {
    for (file, same) in files {
        // Names come from a file: none may lead elsewhere.
        let plain = Path::new(file).file_name().is_some_and(|name| name == *file);
        if *same && plain && !to.join(file).exists() {
            fs::rename(from.join(file), to.join(file))?;
        }
    }
    fs::remove_dir_all(from)
}
