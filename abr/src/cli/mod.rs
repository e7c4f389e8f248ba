//! The commands of `abr-sim`.
//!
//! Exit codes: 0 done, 1 output failed, 2 wrong usage, 3 an input could not be used, 4 interrupted, 8 a comparison
//! failed.

mod compare;
mod live;
mod convert;
mod documents;
mod experiment;
mod explain;
mod job;
mod manifest;
mod optimum;
mod outputs;
mod playing;
mod plot;
mod progress;
mod replay;
mod reproduce;
mod rerun;
mod run;
mod tune;
mod sweep;
mod table;

use crate::sim::input::ReadError;
use clap::{Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;

/// Simulates adaptive streaming sessions, reproduces published figures, and says what was possible at best.
#[derive(Parser)]
#[command(name = "abr-sim", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Run),
    Compare(compare::Compare),
    Sweep(sweep::Sweep),
    Rerun(rerun::Rerun),
    Plot(plot::Plot),
    Replay(replay::Replay),
    Reproduce(reproduce::Reproduce),
    Convert(convert::Convert),
    Optimum(optimum::OptimumOf),
    Tune(tune::Tune),
    Schema(documents::Schema),
    Completions(documents::Completions),
    Man(documents::Man),
}

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Input(#[from] ReadError),
    #[error("output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Input(_) => 3,
            Self::Output(_) => 1,
        }
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(command) => command.run(),
        Command::Compare(command) => command.run(),
        Command::Sweep(command) => command.run(),
        Command::Rerun(command) => command.run(),
        Command::Plot(command) => command.run(),
        Command::Replay(command) => command.run(),
        Command::Reproduce(command) => command.run(),
        Command::Convert(command) => command.run(),
        Command::Optimum(command) => command.run(),
        Command::Tune(command) => command.run(),
        Command::Schema(command) => command.run(),
        Command::Completions(command) => command.run(),
        Command::Man(command) => command.run(),
    };
    match result {
        Ok(code) => code,
        // Whoever reads us has seen enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("abr-sim: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Prints a document as JSON on one line.
fn print_json(document: &serde_json::Value) -> Result<(), Failure> {
    writeln!(io::stdout().lock(), "{document}")?;
    Ok(())
}
