//! `abr-sim reproduce`: do we get the figures that Sabre and Pensieve print?

use super::{Failure, print_json};
use crate::sim::expected::{Outcome, TOLERANCE, reproduce};
use clap::Args;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Differences that are printed for people.
const SHOWN: usize = 10;

/// Plays every row of a table of Sabre or Pensieve results and compares the figures, digit by digit.
///
/// Exit code 8 when a figure differs by more than 1e-6 of its value at the printed digits.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    abr-sim reproduce expected/sabre_hsdpa-3g.csv --traces traces/ --movies traces/movies\n  \
    abr-sim reproduce expected/pensieve_sessions.csv --traces traces/ --movies traces/movies --json")]
pub(super) struct Reproduce {
    /// The table: columns movie, flags, trace (Sabre) or algorithm, trace (Pensieve), and figures.
    expected: PathBuf,
    /// Folder of traces: one set, or a sub-folder for each.
    #[arg(long)]
    traces: PathBuf,
    /// Folder of titles.
    #[arg(long)]
    movies: PathBuf,
    /// Print one JSON object; an error that is infinite (zero expected, another value played) is null.
    #[arg(long)]
    json: bool,
}

impl Reproduce {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let outcome = reproduce(&self.expected, &self.traces, &self.movies)?;
        if self.json {
            print_json(&as_json(&outcome))?;
        } else {
            print(&outcome)?;
        }
        Ok(if outcome.differing == 0 { ExitCode::SUCCESS } else { ExitCode::from(8) })
    }
}

fn as_json(outcome: &Outcome) -> serde_json::Value {
    let figures: Vec<_> = outcome
        .figures
        .iter()
        .map(|f| json!({"name": f.name, "largest_relative_error": f.largest_relative_error, "line": f.line}))
        .collect();
    let differences: Vec<_> =
        outcome.differences.iter().map(|d| json!({"line": d.line, "what": d.what})).collect();
    json!({
        "rows": outcome.rows,
        "equal": outcome.equal,
        "differing": outcome.differing,
        "identical": outcome.identical,
        "tolerance": TOLERANCE,
        "figures": figures,
        "differences": differences,
    })
}

fn print(outcome: &Outcome) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "rows       {}", outcome.rows)?;
    writeln!(out, "equal      {} (of these {} in every digit)", outcome.equal, outcome.identical)?;
    writeln!(out, "differing  {}", outcome.differing)?;
    writeln!(out, "\n{:<34} largest relative error", "figure")?;
    for figure in &outcome.figures {
        write!(out, "{:<34} {:.1e}", figure.name, figure.largest_relative_error)?;
        match figure.largest_relative_error > 0.0 {
            true => writeln!(out, " (line {})", figure.line)?,
            false => writeln!(out)?,
        }
    }
    if !outcome.differences.is_empty() {
        writeln!(out)?;
    }
    for difference in outcome.differences.iter().take(SHOWN) {
        writeln!(out, "line {}: {}", difference.line, difference.what)?;
    }
    Ok(())
}
