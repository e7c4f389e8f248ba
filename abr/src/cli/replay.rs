//! `abr-sim replay`: plays a journal again.

use super::{Failure, print_json};
use crate::controller;
use crate::journal::Journal;
use crate::protocol::{Event, Output};
use crate::qoe::{Meter, Summary};
use crate::sim::input::{Problem, read_text};
use crate::time::Timestamp;
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Largest journal that is read, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// Plays a journal again and compares every order with the recorded one.
///
/// Exit code 8 when an order differs. With another controller, shows what it would have chosen at the same
/// facts; orders are then not compared, because the world would have gone another way.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    sluice --headless https://example.org/title.mpd --journal session.jsonl\n  \
    abr-sim replay session.jsonl\n  \
    abr-sim replay session.jsonl --controller bola-e")]
pub(super) struct Replay {
    /// The journal.
    journal: PathBuf,
    /// Choose with this controller instead of the recorded one.
    #[arg(long, value_parser = PossibleValuesParser::new(controller::NAMES))]
    controller: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let text = read_text(&self.journal, MAX_BYTES)?;
        let journal = Journal::parse(&text)
            .map_err(|error| Problem::Value(error.to_string()).in_file(&self.journal))?;
        let mut config = journal.header.config.clone();
        let other = self.controller.as_ref().filter(|name| **name != config.controller);
        if let Some(name) = other {
            config.controller.clone_from(name);
        }
        let mut meter = Meter::default();
        let (mut orders, mut choices) = (0u64, Vec::new());
        let session = journal.replay(config, |now, output| {
            meter.tell(now, &output);
            orders += 1;
            if let Output::Report(Event::Decided(decision)) = &output {
                choices.push((decision.track, decision.segment.start, decision.chosen));
            }
        });
        let now = journal.records.last().map_or(Timestamp::ZERO, |record| record.t);
        let summary = meter.summary(now, session.position(now), session.presentation(), session.traffic());
        if other.is_some() {
            return self.show_choices(&journal, &summary, &choices);
        }
        let difference = journal.verify().err();
        if self.json {
            let difference = difference
                .as_ref()
                .map(|d| json!({ "order": d.place, "recorded": d.recorded, "replayed": d.replayed }));
            print_json(&json!({
                "orders": orders, "identical": difference.is_none(), "difference": difference, "summary": summary,
            }))?;
        } else {
            let mut out = io::stdout().lock();
            match &difference {
                None => writeln!(out, "all {orders} orders are as recorded")?,
                Some(d) => {
                    writeln!(out, "order {} differs", d.place)?;
                    for (name, order) in [("recorded", &d.recorded), ("replayed", &d.replayed)] {
                        let line = serde_json::to_string(order).map_err(io::Error::from)?;
                        writeln!(out, "  {name}: {line}")?;
                    }
                }
            }
            super::run::print_summary_lines(&mut out, &summary)?;
        }
        Ok(ExitCode::from(if difference.is_some() { 8 } else { 0 }))
    }

    fn show_choices(
        &self,
        journal: &Journal,
        summary: &Summary,
        choices: &[(
            crate::presentation::ContentType,
            crate::time::MediaTime,
            crate::presentation::RepresentationKey,
        )],
    ) -> Result<ExitCode, Failure> {
        let recorded: std::collections::BTreeMap<_, _> = journal
            .orders()
            .filter_map(|(_, output)| match output {
                Output::Report(Event::Decided(d)) => Some(((d.track, d.segment.start), d.chosen)),
                _ => None,
            })
            .collect();
        let compared = choices.iter().map(|(track, start, chosen)| {
            (*track, *start, recorded.get(&(*track, *start)).copied(), *chosen)
        });
        if self.json {
            let choices: Vec<serde_json::Value> = compared
                .map(|(track, start, recorded, chosen)| {
                    json!({ "track": track, "start_ms": start.as_millis(), "recorded": recorded, "chosen": chosen })
                })
                .collect();
            print_json(&json!({ "controller": self.controller, "choices": choices, "summary": summary }))?;
        } else {
            let mut out = io::stdout().lock();
            for (track, start, recorded, chosen) in compared {
                let recorded = recorded.map_or("-".to_owned(), |key| key.to_string());
                let mark = if recorded == chosen.to_string() { "" } else { "  *" };
                let track = format!("{track:?}").to_lowercase();
                writeln!(
                    out,
                    "{track:<6} {:>9.3} s  recorded {recorded:<8} now {chosen}{mark}",
                    start.as_secs_f64()
                )?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
