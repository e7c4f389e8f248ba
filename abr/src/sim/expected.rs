//! Tables of expected figures: every row is played and compared, digit by digit.
//!
//! | table | recognised by the columns | played by |
//! |---|---|---|
//! | Sabre sessions | `movie`, `flags`, `trace` | [`sabre`](super::sabre) |
//! | Pensieve sessions | `algorithm`, `trace` | [`pensieve`](super::pensieve) |
//!
//! Columns that are neither these nor a figure's name are ignored.

mod compare;
mod locate;
mod table;

pub use compare::{Difference, FigureError, Outcome, TOLERANCE};
pub use table::Table;

use super::input::{Problem, ReadError};
use super::title::Title;
use super::trace::Trace;
use super::{pensieve, sabre};
use compare::{Row, Tally};
use locate::Library;
use rayon::prelude::*;
use std::path::Path;

/// The title of Pensieve's tables, which name none.
const PENSIEVE_TITLE: &str = "envivio-dash3";

/// Which program's table it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
    Sabre,
    Pensieve,
}

/// Plays every row of `expected` with the traces under `traces` and the titles under `movies`.
///
/// Rows are played in parallel on rayon's current pool; the outcome does not depend on its size.
pub fn reproduce(expected: &Path, traces: &Path, movies: &Path) -> Result<Outcome, ReadError> {
    let table = Table::read(expected)?;
    let program = match (table.has("flags"), table.has("algorithm"), table.has("trace")) {
        (true, _, true) if table.has("movie") => Program::Sabre,
        (_, true, true) => Program::Pensieve,
        _ => {
            return Err(Problem::Unrecognised(
                "is no table of sessions: needs columns movie, flags, trace (Sabre) or algorithm, trace (Pensieve)"
                    .into(),
            )
            .on_line(expected, 1));
        }
    };
    let library = Library::open(expected, traces, movies)?;
    let rows: Vec<Row> =
        (0..table.len()).into_par_iter().map(|row| play_row(program, &table, row, &library)).collect();
    let mut tally = Tally::default();
    for row in rows {
        tally.add(row);
    }
    Ok(tally.outcome())
}

/// One row, played and compared.
fn play_row(program: Program, table: &Table, row: usize, library: &Library) -> Row {
    let name = table.text(row, "trace");
    let played = library
        .trace(table.get(row, "set"), name)
        .map_err(|error| error.to_string())
        .and_then(|trace| match program {
            Program::Sabre => sabre_row(table, row, library, &trace),
            Program::Pensieve => pensieve_row(table, row, library, &trace),
        });
    match played {
        Ok(figures) => Row::compared(table, row, figures),
        Err(problem) => Row::failed(table, row, problem),
    }
}

fn sabre_row(
    table: &Table,
    row: usize,
    library: &Library,
    trace: &Trace,
) -> Result<Vec<(&'static str, f64)>, String> {
    let title = title(library, table.text(row, "movie"))?;
    let options: sabre::Options = table.text(row, "flags").parse().map_err(|e| format!("{e}"))?;
    let figures = sabre::play(&title, trace, &options, &mut |_| {}).map_err(|e| e.to_string())?;
    Ok(figures.into_iter().map(|(name, figure)| (name, figure.value())).collect())
}

fn pensieve_row(
    table: &Table,
    row: usize,
    library: &Library,
    trace: &Trace,
) -> Result<Vec<(&'static str, f64)>, String> {
    let title = title(library, table.get(row, "movie").unwrap_or(PENSIEVE_TITLE))?;
    let algorithm = table.text(row, "algorithm").parse().map_err(|e: pensieve::Refused| e.to_string())?;
    let chunks = pensieve::play(&title, trace, algorithm).map_err(|e| e.to_string())?;
    Ok(pensieve::figures(&chunks))
}

fn title(library: &Library, name: &str) -> Result<std::sync::Arc<Title>, String> {
    library.title(name).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
