//! Tables of expected figures: every row is played and compared, digit by digit.
//!
//! | table | recognised by the columns | a row is |
//! |---|---|---|
//! | Sabre sessions | `movie`, `flags`, `trace` | a session |
//! | Sabre requests | `flags`, `trace`, `step` | a request; rows of a session follow one another |
//! | Pensieve sessions | `algorithm`, `trace` | a session |
//! | Pensieve chunks | `trace`, `chunk` | a chunk; the algorithm is the end of the file's name |
//!
//! Columns that are neither these nor a figure's name are ignored.

mod compare;
mod locate;
mod table;

pub use compare::{Difference, FigureError, Outcome, TOLERANCE};
pub use table::Table;

use super::input::{Problem, ReadError};
use super::trace::name_of;
use super::{pensieve, sabre};
use compare::{Row, Tally};
use locate::Library;
use rayon::prelude::*;
use std::ops::Range;
use std::path::Path;

/// The title of Pensieve's tables, which name none.
const PENSIEVE_TITLE: &str = "envivio-dash3";

/// The titles of tables of requests, which name none: by set.
const SABRE_TITLES: [(&str, &str); 4] = [
    ("hsdpa-3g", "sabre-bbb"),
    ("fcc-sd", "sabre-bbb"),
    ("ghent-4g", "sabre-bbb4k"),
    ("fcc-hd", "sabre-bbb4k"),
];

/// What a table's rows are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    SabreSessions,
    SabreRequests,
    PensieveSessions,
    PensieveChunks,
}

impl Kind {
    fn of(table: &Table) -> Option<Self> {
        let has = |columns: &[&str]| columns.iter().all(|column| table.has(column));
        if has(&["flags", "trace", "step"]) {
            Some(Self::SabreRequests)
        } else if has(&["movie", "flags", "trace"]) {
            Some(Self::SabreSessions)
        } else if has(&["trace", "chunk"]) {
            Some(Self::PensieveChunks)
        } else if has(&["algorithm", "trace"]) {
            Some(Self::PensieveSessions)
        } else {
            None
        }
    }

    /// The columns in which rows of one session agree, and the one that counts within it.
    fn session(self) -> (&'static [&'static str], Option<&'static str>) {
        match self {
            Self::SabreSessions | Self::PensieveSessions => (&[], None),
            Self::SabreRequests => (&["set", "flags", "movie", "trace"], Some("step")),
            Self::PensieveChunks => (&["algorithm", "movie", "trace"], Some("chunk")),
        }
    }
}

/// Figures by name.
type Figures = Vec<(&'static str, f64)>;

/// Plays every row of `expected` with the traces under `traces` and the titles under `movies`.
///
/// Sessions are played in parallel on rayon's current pool; the outcome does not depend on its size.
pub fn reproduce(expected: &Path, traces: &Path, movies: &Path) -> Result<Outcome, ReadError> {
    let table = Table::read(expected)?;
    let Some(kind) = Kind::of(&table) else {
        return Err(Problem::Unrecognised(
            "is no table of sessions: needs columns movie, flags, trace (Sabre) or algorithm, trace (Pensieve)"
                .into(),
        )
        .on_line(expected, 1));
    };
    let library = Library::open(expected, traces, movies)?;
    let player = Player { kind, table: &table, library: &library, file: name_of(expected) };
    let rows: Vec<Vec<Row>> =
        sessions(kind, &table).into_par_iter().map(|session| player.compare(session)).collect();
    let mut tally = Tally::default();
    for row in rows.into_iter().flatten() {
        tally.add(row);
    }
    Ok(tally.outcome())
}

/// The rows of every session.
fn sessions(kind: Kind, table: &Table) -> Vec<Range<usize>> {
    let (same, counted) = kind.session();
    let mut sessions: Vec<Range<usize>> = Vec::new();
    for row in 0..table.len() {
        match sessions.last_mut() {
            Some(last)
                if counted.is_some()
                    && same.iter().all(|column| table.get(row, column) == table.get(last.start, column)) =>
            {
                last.end = row + 1;
            }
            _ => sessions.push(row..row + 1),
        }
    }
    sessions
}

/// Plays the sessions of a table.
struct Player<'a> {
    kind: Kind,
    table: &'a Table,
    library: &'a Library,
    /// The table's name.
    file: String,
}

impl Player<'_> {
    fn compare(&self, rows: Range<usize>) -> Vec<Row> {
        let played = self.play(rows.start);
        let counted = self.kind.session().1;
        rows.map(|row| {
            let figures = match &played {
                Ok(played) => {
                    let place = counted.map_or(Some(0), |column| self.table.text(row, column).parse().ok());
                    let figures = place.and_then(|place: usize| played.get(place));
                    figures.ok_or_else(|| format!("the session has {} of these rows", played.len()))
                }
                Err(problem) => Err(problem.clone()),
            };
            match figures {
                Ok(figures) => Row::compared(self.table, row, figures),
                Err(problem) => Row::failed(self.table, row, problem),
            }
        })
        .collect()
    }

    /// The figures of the session's rows.
    fn play(&self, row: usize) -> Result<Vec<Figures>, String> {
        let field = |column| self.table.text(row, column);
        let set = self.table.get(row, "set");
        let trace = self.library.trace(set, field("trace")).map_err(|e| e.to_string())?;
        let title = self.table.get(row, "movie").or_else(|| self.title_of(set)).ok_or("names no title")?;
        let title = self.library.title(title).map_err(|e| e.to_string())?;
        match self.kind {
            Kind::SabreSessions | Kind::SabreRequests => {
                let options: sabre::Options = field("flags").parse().map_err(|e| format!("{e}"))?;
                let mut steps = Vec::new();
                let wanted = self.kind == Kind::SabreRequests;
                let mut each = |step: &sabre::Step| {
                    if wanted {
                        steps.push(step_figures(step));
                    }
                };
                let figures = sabre::play(&title, &trace, &options, &mut each).map_err(|e| e.to_string())?;
                let figures = figures.into_iter().map(|(name, figure)| (name, figure.value())).collect();
                Ok(if wanted { steps } else { vec![figures] })
            }
            Kind::PensieveSessions | Kind::PensieveChunks => {
                let name = self.table.get(row, "algorithm").unwrap_or_else(|| {
                    self.file.split_once("chunks_").map_or(self.file.as_str(), |(_, algorithm)| algorithm)
                });
                let algorithm = name.parse().map_err(|e: pensieve::Refused| e.to_string())?;
                let chunks = pensieve::play(&title, &trace, algorithm).map_err(|e| e.to_string())?;
                Ok(match self.kind {
                    Kind::PensieveChunks => chunks.iter().map(chunk_figures).collect(),
                    _ => vec![pensieve::figures(&chunks)],
                })
            }
        }
    }

    /// The title of a table that names none.
    fn title_of(&self, set: Option<&str>) -> Option<&'static str> {
        match self.kind {
            Kind::PensieveSessions | Kind::PensieveChunks => Some(PENSIEVE_TITLE),
            Kind::SabreSessions | Kind::SabreRequests => {
                SABRE_TITLES.iter().find(|(of, _)| Some(*of) == set).map(|(_, title)| *title)
            }
        }
    }
}

/// A request's figures; what there is none of is not a number.
fn step_figures(step: &sabre::Step) -> Figures {
    let (throughput, latency) = step.estimate.unwrap_or((f64::NAN, f64::NAN));
    vec![
        ("segment", step.segment as f64),
        ("replace_index", step.replace_index as f64),
        ("quality", step.quality as f64),
        ("size_bits", step.size_bits),
        ("downloaded_bits", step.downloaded_bits),
        ("time_ms", step.time_ms),
        ("ttfb_ms", step.ttfb_ms),
        ("abandon_to", step.abandon_to.map_or(f64::NAN, |to| to as f64)),
        ("full_buffer_wait_ms", step.full_buffer_wait_ms),
        ("abr_wait_ms", step.abr_wait_ms),
        ("buffer_after_ms", step.buffer_after_ms),
        ("rebuffer_total_ms", step.rebuffer_total_ms),
        ("play_clock_ms", step.play_clock_ms),
        ("throughput_est_kbps", throughput),
        ("latency_est_ms", latency),
    ]
}

fn chunk_figures(chunk: &pensieve::Chunk) -> Figures {
    vec![
        ("bitrate_kbps", chunk.bitrate_kbps),
        ("buffer_s", chunk.buffer_s),
        ("rebuffer_s", chunk.rebuffer_s),
        ("size_bytes", chunk.size_bytes),
        ("delay_ms", chunk.delay_ms),
        ("qoe_lin", chunk.qoe_lin),
    ]
}

#[cfg(test)]
mod tests;
