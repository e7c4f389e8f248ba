//! Reading input files within limits, and saying where one is wrong.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A file that cannot be used: which, where and why.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {problem}", .path.display(), .line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct ReadError {
    /// The file, or the name that was given for a text.
    pub path: PathBuf,
    /// Line, counted from 1, when the problem lies on one.
    pub line: Option<usize>,
    /// What is wrong.
    #[source]
    pub problem: Problem,
}

/// What is wrong with an input file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The operating system refused.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// More bytes than an input of this kind may have.
    #[error("is larger than {0} bytes, the limit for such a file")]
    TooLarge(u64),
    /// More items (periods, segments, qualities) than an input of this kind may have.
    #[error("has more than {limit} {what}")]
    TooMany {
        /// How many are allowed.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
    /// Not UTF-8.
    #[error("is not text")]
    NotText,
    /// No known format fits.
    #[error("{0}")]
    Unrecognised(String),
    /// The format's grammar is broken.
    #[error("{0}")]
    Syntax(String),
    /// Well-formed, but the value makes no sense in the unit that the format prescribes.
    #[error("{0}")]
    Value(String),
    /// A recording that cannot be replayed as a network.
    #[error(
        "is a log of player sessions: its throughput is known only while a chunk was in flight and the times \
         between chunks are not recorded, so it cannot be replayed as a network trace"
    )]
    NotReplayable,
}

impl Problem {
    /// The problem, placed in `path` as a whole.
    pub fn in_file(self, path: impl Into<PathBuf>) -> ReadError {
        ReadError { path: path.into(), line: None, problem: self }
    }

    /// The problem, placed on a line of `path`, counted from 1.
    pub fn on_line(self, path: impl Into<PathBuf>, line: usize) -> ReadError {
        ReadError { path: path.into(), line: Some(line), problem: self }
    }
}

/// The whole of a text file of at most `limit` bytes.
pub fn read_text(path: &Path, limit: u64) -> Result<String, ReadError> {
    let bytes = read(path, limit).map_err(|problem| problem.in_file(path))?;
    String::from_utf8(bytes).map_err(|_| Problem::NotText.in_file(path))
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(Problem::TooLarge(limit));
    }
    Ok(bytes)
}

/// A JSON document as `T`; errors carry the line.
pub fn parse_json<'a, T: serde::Deserialize<'a>>(path: &Path, text: &'a str) -> Result<T, ReadError> {
    serde_json::from_str(text).map_err(|error| {
        let line = error.line().max(1);
        let said = error.to_string();
        let said = said.split(" at line ").next().unwrap_or(&said).to_owned();
        let problem = match error.classify() {
            serde_json::error::Category::Data => Problem::Value(said),
            _ => Problem::Syntax(format!("not valid JSON: {said}")),
        };
        problem.on_line(path, line)
    })
}

/// `text` as a finite number, or what is wrong with it.
pub fn number(text: &str) -> Result<f64, Problem> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(Problem::Syntax(format!("{:?} is not a number", shorten(text)))),
    }
}

/// The first 40 characters, so that an error about a hostile line stays readable.
pub fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The folder of shared traces, for tests; says so and gives none when it is missing.
#[cfg(test)]
pub(crate) fn shared_traces() -> Option<PathBuf> {
    let shared = std::env::var_os("SLUICE_SHARED_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let traces = shared.join("traces");
    if !traces.is_dir() {
        println!("skipped: no {}", traces.display());
        return None;
    }
    Some(traces)
}
