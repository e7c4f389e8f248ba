//! `abr-sim convert`: traces and titles from one format to another.

use super::{Failure, print_json};
use crate::sim::input::Problem;
use crate::sim::title::Title;
use crate::sim::trace::{Format, Trace, name_of, sets};
use clap::Args;
use serde_json::json;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Converts a trace, a folder of traces, or a title into another format.
///
/// A title is converted between Sabre's movie JSON (`--to sabre`) and Pensieve's folder (`--to pensieve`); it may
/// also come from `sluice inspect --json` or from a `synthetic:` description.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    abr-sim convert trace.json trace.txt --to mahimahi\n  \
    abr-sim convert cooked/ sabre/ --to sabre --latency-ms 80\n  \
    abr-sim convert synthetic:segments=100,seconds=4,cv=0.4,seed=7 movie.json --to sabre\n  \
    abr-sim convert movie.json movie/ --to pensieve")]
pub(super) struct Convert {
    /// A file, a folder, or `synthetic:…`.
    input: PathBuf,
    /// Where the result goes: a file, or a folder when the input is one or the result is a Pensieve title.
    output: PathBuf,
    /// The format to write.
    #[arg(long, value_enum)]
    to: Format,
    /// Read traces as this format instead of looking.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Latency in milliseconds for traces that state none.
    #[arg(long)]
    latency_ms: Option<f64>,
    /// Replace files that exist.
    #[arg(long)]
    force: bool,
    /// Say what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// A file to be written.
struct Converted {
    path: PathBuf,
    text: String,
    summary: String,
    losses: Vec<&'static str>,
}

impl Convert {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if self.latency_ms.is_some_and(|ms| !(0.0..=crate::sim::trace::MAX_LATENCY_MS).contains(&ms)) {
            return Err(Failure::Usage("--latency-ms must be within 0 to 60000".into()));
        }
        let files = if self.is_title() {
            self.title()?
        } else if self.input.is_dir() {
            self.folder()?
        } else {
            vec![self.trace(&self.input, self.output.clone())?]
        };
        if !self.force
            && let Some(taken) = files.iter().find(|file| file.path.exists())
        {
            return Err(Failure::Usage(format!("{} exists; --force replaces it", taken.path.display())));
        }
        for file in &files {
            if !self.dry_run {
                write(&file.path, &file.text)?;
            }
        }
        self.report(&files)?;
        Ok(ExitCode::SUCCESS)
    }

    fn is_title(&self) -> bool {
        self.input.to_string_lossy().starts_with("synthetic:")
            || self.input.join("video_size_0").exists()
            || self.format.is_none() && begins_with_brace(&self.input)
    }

    fn title(&self) -> Result<Vec<Converted>, Failure> {
        let title = Title::load(&self.input.to_string_lossy())?;
        let summary = format!("{} segments, {} qualities", title.segments(), title.qualities());
        let wrong = |problem: Problem| problem.in_file(&self.input);
        match self.to {
            Format::Sabre => {
                let text = title.to_sabre().map_err(wrong)?;
                Ok(vec![Converted { path: self.output.clone(), text, summary, losses: Vec::new() }])
            }
            Format::Cooked => {
                let (texts, rounded) = title.to_pensieve();
                let mut losses = vec!["bitrates and segment duration are not part of a Pensieve title"];
                if rounded {
                    losses.push("sizes were rounded up to whole bytes");
                }
                let file = |(quality, text)| Converted {
                    path: self.output.join(format!("video_size_{quality}")),
                    text,
                    summary: summary.clone(),
                    losses: losses.clone(),
                };
                Ok(texts.into_iter().enumerate().map(file).collect())
            }
            Format::Mahimahi | Format::Csv | Format::Sessions => {
                Err(Failure::Usage("a title is written --to sabre or --to pensieve".into()))
            }
        }
    }

    fn trace(&self, input: &Path, output: PathBuf) -> Result<Converted, Failure> {
        let mut trace = Trace::read(input, self.format)?;
        let mut losses = Vec::new();
        if !trace.latency_stated && (self.latency_ms.is_some() || self.to == Format::Sabre) {
            if self.latency_ms.is_none() {
                losses.push("the source states no latency; 0 is written (--latency-ms sets another)");
            }
            trace.set_latency(self.latency_ms.unwrap_or(0.0));
        }
        let written = trace.write(self.to).map_err(|problem| problem.in_file(input))?;
        losses.extend(written.losses);
        let summary = format!(
            "{} periods, {:.1} s, mean {:.0} kbit/s",
            trace.periods.len(),
            trace.duration_ms() / 1000.0,
            trace.mean_kbps()
        );
        Ok(Converted { path: output, text: written.text, summary, losses })
    }

    /// Every trace under a folder, into the same sub-folders of the output.
    fn folder(&self) -> Result<Vec<Converted>, Failure> {
        let mut files = Vec::new();
        for input in sets(&self.input)?.into_iter().flat_map(|(_, files)| files) {
            let below = input.strip_prefix(&self.input).unwrap_or(&input);
            let mut name = name_of(&input);
            if !self.to.extension().is_empty() {
                name = format!("{name}.{}", self.to.extension());
            }
            match self.trace(&input, self.output.join(below).with_file_name(name)) {
                Ok(file) => files.push(file),
                Err(Failure::Input(error))
                    if matches!(error.problem, Problem::NotReplayable | Problem::Unrecognised(_)) =>
                {
                    eprintln!("skipped: {error}");
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(files)
    }

    fn report(&self, files: &[Converted]) -> Result<(), Failure> {
        if self.json {
            let files: Vec<_> = files
                .iter()
                .map(|file| {
                    json!({
                        "output": file.path.display().to_string(),
                        "bytes": file.text.len(),
                        "content": file.summary,
                        "losses": file.losses,
                    })
                })
                .collect();
            return print_json(&json!({"written": !self.dry_run, "files": files}));
        }
        let mut out = io::stdout().lock();
        for file in files {
            writeln!(out, "{}: {}", file.path.display(), file.summary)?;
            for loss in &file.losses {
                writeln!(out, "  note: {loss}")?;
            }
        }
        Ok(())
    }
}

/// Whether a file's first character beyond white space opens a JSON object.
fn begins_with_brace(path: &Path) -> bool {
    use io::Read as _;
    let mut start = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(256).read_to_end(&mut start));
    read.is_ok() && start.trim_ascii_start().starts_with(b"{")
}

/// Writes beside the place and moves it there, so that a reader never sees half a file.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    fs::write(&part, text)?;
    fs::rename(&part, path)
}
