//! Network traces: one form in memory, several on disk.
//!
//! | format | content | unit checks |
//! |---|---|---|
//! | [`Format::Sabre`] | JSON list of `{duration_ms, bandwidth_kbps, latency_ms}` | keys name the units |
//! | [`Format::Cooked`] | lines `time_s mbit_per_s` (Pensieve) | ascending times, mean below 1 Gbit/s |
//! | [`Format::Mahimahi`] | one integer per line: the millisecond of a 1500-byte delivery opportunity | ascending |
//! | [`Format::Csv`] | header line that names columns with their units | unknown columns are errors |
//! | [`Format::Sessions`] | a log of chunks as a player saw them | recognised, never replayed |
//!
//! A trace is replayed cyclically.

mod cooked;
mod csv;
mod mahimahi;
mod sabre;
mod sessions;

use super::input::{Problem, ReadError, read_text, shorten};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Largest trace file that is read, in bytes.
pub const MAX_BYTES: u64 = 256 << 20;
/// Most periods a trace may have (a Mahimahi file has up to one per millisecond).
pub const MAX_PERIODS: usize = 16_000_000;
/// Fastest link that is believed, in kbit/s (100 Gbit/s).
pub const MAX_KBPS: f64 = 1e8;
/// Longest latency that is believed, in milliseconds.
pub const MAX_LATENCY_MS: f64 = 60_000.0;
/// Longest period that is believed, in milliseconds (a year).
pub const MAX_PERIOD_MS: f64 = 3.2e10;

/// A span of time with a constant link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    /// Length in milliseconds, not negative.
    pub duration_ms: f64,
    /// Bandwidth in kbit/s (bits per millisecond), not negative.
    pub bandwidth_kbps: f64,
    /// Time from a request to its first byte in milliseconds; zero where [`Trace::latency_stated`] is false.
    pub latency_ms: f64,
}

/// A line of a cooked trace as written: the bandwidth that held until `time_s`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CookedRow {
    /// End of the span that the value holds for, in seconds.
    pub time_s: f64,
    /// Mbit/s.
    pub mbps: f64,
}

/// A network over time, replayed cyclically.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The file's name without a `.json`, `.csv` or `.txt` ending.
    pub name: String,
    /// At least one, together longer than zero and able to carry at least one bit.
    pub periods: Vec<Period>,
    /// Whether the file states latencies.
    pub latency_stated: bool,
    /// The rows of a cooked file at the precision of the file: Pensieve's arithmetic works on these.
    pub cooked: Option<Vec<CookedRow>>,
}

/// How a trace is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Sabre's network JSON.
    #[value(name = "sabre", alias = "sabre-json")]
    Sabre,
    /// Pensieve's cooked traces.
    #[value(name = "cooked", alias = "pensieve")]
    Cooked,
    /// Mahimahi's packet delivery traces.
    #[value(name = "mahimahi")]
    Mahimahi,
    /// A table with named columns.
    #[value(name = "csv")]
    Csv,
    /// A log of player sessions: recognised, but not a network trace.
    #[value(name = "session-csv")]
    Sessions,
}

/// A text in another format, and what that format could not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The file's content.
    pub text: String,
    /// What was lost, in words for people.
    pub losses: Vec<&'static str>,
}

impl Format {
    /// The format of `text` by its content.
    pub fn detect(text: &str) -> Result<Self, Problem> {
        let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
        if first.starts_with('[') {
            return Ok(Self::Sabre);
        }
        if first.starts_with('{') {
            return Err(Problem::Unrecognised(
                "is a JSON object, not a list of network periods (a movie goes to --title or --movies)"
                    .into(),
            ));
        }
        if first.contains(',') && first.chars().any(char::is_alphabetic) {
            return Ok(if sessions::is_header(first) { Self::Sessions } else { Self::Csv });
        }
        let fields: Vec<&str> = first.split_whitespace().take(3).collect();
        match fields[..] {
            [only] if only.bytes().all(|b| b.is_ascii_digit()) => Ok(Self::Mahimahi),
            [time, rate] if time.parse::<f64>().is_ok() && rate.parse::<f64>().is_ok() => Ok(Self::Cooked),
            _ => Err(Problem::Unrecognised(format!(
                "no known trace format begins with {:?} (known: Sabre JSON, Pensieve cooked, Mahimahi, CSV \
                 with a header)",
                shorten(first)
            ))),
        }
    }

    /// The usual ending of a file in this format, without the dot; empty where there is none.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Sabre => "json",
            Self::Cooked => "",
            Self::Mahimahi => "txt",
            Self::Csv | Self::Sessions => "csv",
        }
    }
}

impl Trace {
    /// Reads a file; the format is found by looking unless it is forced.
    pub fn read(path: &Path, format: Option<Format>) -> Result<Self, ReadError> {
        let text = read_text(path, MAX_BYTES)?;
        Self::parse(path, &text, format)
    }

    /// Reads `text` as if it were the content of `path`.
    pub fn parse(path: &Path, text: &str, format: Option<Format>) -> Result<Self, ReadError> {
        let format = match format {
            Some(format) => format,
            None => Format::detect(text).map_err(|problem| problem.in_file(path))?,
        };
        let mut trace = match format {
            Format::Sabre => sabre::parse(path, text),
            Format::Cooked => cooked::parse(path, text),
            Format::Mahimahi => mahimahi::parse(path, text),
            Format::Csv => csv::parse(path, text),
            Format::Sessions => Err(Problem::NotReplayable.in_file(path)),
        }?;
        trace.name = name_of(path);
        trace.check().map_err(|problem| problem.in_file(path))?;
        Ok(trace)
    }

    /// The trace in `format`. Reading it back gives the same values at the precision of that format.
    pub fn write(&self, format: Format) -> Result<Written, Problem> {
        match format {
            Format::Sabre => Ok(sabre::write(self)),
            Format::Cooked => Ok(cooked::write(self)),
            Format::Mahimahi => mahimahi::write(self),
            Format::Csv => Ok(csv::write(self)),
            Format::Sessions => Err(Problem::Unrecognised(
                "session logs are read only to be refused; nothing writes them".into(),
            )),
        }
    }

    /// Gives every period this latency in milliseconds, for a source that states none.
    pub fn set_latency(&mut self, latency_ms: f64) {
        for period in &mut self.periods {
            period.latency_ms = latency_ms;
        }
        self.latency_stated = true;
    }

    /// Length of one cycle in milliseconds.
    pub fn duration_ms(&self) -> f64 {
        self.periods.iter().map(|period| period.duration_ms).sum()
    }

    /// Time-weighted mean bandwidth in kbit/s.
    pub fn mean_kbps(&self) -> f64 {
        self.periods.iter().map(|period| period.duration_ms * period.bandwidth_kbps).sum::<f64>()
            / self.duration_ms()
    }

    /// What holds for every format: something to play, and a link that carries something.
    fn check(&self) -> Result<(), Problem> {
        if self.periods.is_empty() {
            return Err(Problem::Value("has no period of time in it".into()));
        }
        let duration = self.duration_ms();
        let bits: f64 = self.periods.iter().map(|p| p.duration_ms * p.bandwidth_kbps).sum();
        if duration.is_nan() || duration <= 0.0 {
            return Err(Problem::Value("all its periods are empty".into()));
        }
        if bits < 1.0 {
            return Err(Problem::Value("its bandwidth is zero throughout: nothing would ever arrive".into()));
        }
        Ok(())
    }
}

/// Checks one period's values; the problem says which is out of bounds.
fn period(duration_ms: f64, bandwidth_kbps: f64, latency_ms: f64) -> Result<Period, Problem> {
    let within = |what: &str, value: f64, max: f64, hint: &str| {
        if (0.0..=max).contains(&value) {
            return Ok(());
        }
        let why = if value > max { hint } else { "must not be negative" };
        Err(Problem::Value(format!("{what} {value}: {why}")))
    };
    within("duration of", duration_ms, MAX_PERIOD_MS, "longer than a year; is it in microseconds?")?;
    within("bandwidth of", bandwidth_kbps, MAX_KBPS, "above 100 Gbit/s; is it in bit/s instead of kbit/s?")?;
    within("latency of", latency_ms, MAX_LATENCY_MS, "above a minute; is it in microseconds?")?;
    Ok(Period { duration_ms, bandwidth_kbps, latency_ms })
}

/// Refuses further periods beyond [`MAX_PERIODS`].
fn room(periods: &[Period]) -> Result<(), Problem> {
    if periods.len() >= MAX_PERIODS {
        return Err(Problem::TooMany { limit: MAX_PERIODS, what: "periods" });
    }
    Ok(())
}

/// The name of a trace or title: the file's name without a well-known ending.
pub fn name_of(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    for ending in [".json", ".csv", ".txt"] {
        if let Some(stem) = name.strip_suffix(ending) {
            return stem.to_owned();
        }
    }
    name
}

/// The sets under `dir`: each sub-folder that holds files, in ascending order of names, or `dir` itself when it
/// has no sub-folder with files. Files are in ascending order too.
///
/// Hidden names are left out; sub-folders of a set belong to it.
pub fn sets(dir: &Path) -> Result<Vec<(String, Vec<PathBuf>)>, ReadError> {
    let (files, folders) = list(dir)?;
    let mut sets = Vec::new();
    for folder in folders {
        let mut inside = Vec::new();
        collect(&folder, 8, &mut inside)?;
        if !inside.is_empty() {
            sets.push((name_of(&folder), inside));
        }
    }
    if sets.is_empty() && !files.is_empty() {
        let name = dir.canonicalize().map(|full| name_of(&full)).unwrap_or_else(|_| name_of(dir));
        sets.push((name, files));
    }
    Ok(sets)
}

fn collect(dir: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), ReadError> {
    let (here, folders) = list(dir)?;
    files.extend(here);
    if depth > 0 {
        for folder in folders {
            collect(&folder, depth - 1, files)?;
        }
    }
    Ok(())
}

/// The files and the folders directly in `dir`, each in ascending order.
fn list(dir: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), ReadError> {
    let wrong = |error: std::io::Error| Problem::Io(error).in_file(dir);
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(dir).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        if path.is_dir() { folders.push(path) } else { files.push(path) }
    }
    files.sort();
    folders.sort();
    Ok((files, folders))
}

#[cfg(test)]
mod tests;
