//! `abr-sim schema`, `completions` and `man`: what the program says of itself, from the definitions that it runs on.

use super::{Arguments, Failure, print_json};
use crate::sim::experiment::SETTINGS;
use crate::sim::report::COLUMNS;
use clap::{Args, CommandFactory as _};
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Lists the columns of rows, and the settings that --set knows.
#[derive(Args)]
#[command(after_help = "Examples:\n  abr-sim schema\n  abr-sim schema --json")]
pub(super) struct Schema {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Schema {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if self.json {
            let columns: Vec<_> = COLUMNS
                .iter()
                .map(|c| json!({"name": c.name, "type": c.kind.name(), "unit": c.unit, "meaning": c.meaning()}))
                .collect();
            let settings: Vec<_> = SETTINGS
                .iter()
                .map(|s| json!({"name": s.name, "least": s.range.0, "most": s.range.1, "meaning": s.meaning}))
                .collect();
            print_json(&json!({"columns": columns, "settings": settings}))?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut out = io::stdout().lock();
        writeln!(out, "{:<20} {:<18} {:<6} meaning", "column", "type", "unit")?;
        for column in COLUMNS {
            let (name, kind, unit) = (column.name, column.kind.name(), column.unit);
            writeln!(out, "{name:<20} {kind:<18} {unit:<6} {}", column.meaning())?;
        }
        writeln!(out, "\n{:<20} {:<25} meaning", "setting (--set)", "range")?;
        for setting in SETTINGS {
            let range = format!("{} to {}", setting.range.0, setting.range.1);
            writeln!(out, "{:<20} {range:<25} {}", setting.name, setting.meaning)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints completions for a shell.
#[derive(Args)]
#[command(after_help = "Example:\n  \
    abr-sim completions bash > ~/.local/share/bash-completion/completions/abr-sim")]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "abr-sim", &mut text);
        io::stdout().lock().write_all(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes the manual page, or with --out one page per command.
#[derive(Args)]
#[command(after_help = "Examples:\n  abr-sim man | man -l -\n  abr-sim man --out ~/.local/share/man/man1")]
pub(super) struct Man {
    /// The folder for the pages.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match self.out {
            Some(folder) => {
                std::fs::create_dir_all(&folder)?;
                clap_mangen::generate_to(Arguments::command(), folder)?;
            }
            None => clap_mangen::Man::new(Arguments::command()).render(&mut io::stdout().lock())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
