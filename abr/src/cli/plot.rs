//! `abr-sim plot`: pictures of results.

use super::manifest::{FILE, Manifest};
use super::outputs::{RowFormat, write_whole};
use super::{Failure, print_json};
use crate::journal::Journal;
use crate::sim::input::{Problem, read_text};
use crate::sim::plot::{cdf, matrix, page, pareto, record, timeline};
use crate::sim::report::summary::{Figure, controllers, lines};
use crate::sim::report::{Row, csv};
use crate::sim::trace::name_of;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Largest journal that is read, in bytes.
const MAX_BYTES: u64 = 1 << 30;
/// Controllers in colour when none are named.
const MARKED: usize = 6;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PictureFormat {
    /// One file per picture.
    Svg,
    /// One page with everything, report.html.
    Html,
}

/// Draws the results of `compare` or `sweep`, or the session that a journal records.
///
/// Of results: the comparison matrix, stalls against quality with the front that none beats, and the distributions of
/// score, stalls, bitrate and switches per set. Of a journal (`abr-sim run --journal`, `sluice --journal`): bitrate,
/// throughput and buffer over time with the stalls.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    abr-sim compare --traces traces/ --controllers all --out out/ && abr-sim plot out/\n  \
    abr-sim plot out/ --controllers hybrid,bba-0,mpc --out pictures/ --format svg\n  \
    abr-sim run --title movie.json --trace trace.json --journal session.jsonl && abr-sim plot session.jsonl")]
pub(super) struct Plot {
    /// A folder of results, a rows.csv, or a journal.
    input: PathBuf,
    /// Where pictures go: beside the input if not given.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What is written.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "svg,html")]
    format: Vec<PictureFormat>,
    /// Controllers that distributions show in colour, instead of hybrid and the best ones; at most seven.
    #[arg(long, value_delimiter = ',')]
    controllers: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Plot {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let input = &self.input;
        let is_rows = input.is_dir() || input.extension().is_some_and(|ending| ending == "csv");
        let files = if is_rows { self.results()? } else { self.session()? };
        if self.json {
            let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            print_json(&json!({"files": files}))?;
        } else {
            let mut out = io::stdout().lock();
            for file in files {
                writeln!(out, "{}", file.display())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn results(&self) -> Result<Vec<PathBuf>, Failure> {
        let file =
            if self.input.is_dir() { self.input.join(RowFormat::Csv.file()) } else { self.input.clone() };
        let rows = csv::read(&file)?;
        let lines = lines(&rows);
        if lines.is_empty() {
            return Err(Problem::Value("has no row".to_owned()).in_file(&file).into());
        }
        let marked = self.marked(&rows);
        let marked: Vec<&str> = marked.iter().map(String::as_str).collect();
        let mut pictures = Vec::new();
        let mut add =
            |name: &str, svg: Option<String>| pictures.extend(svg.map(|svg| (name.to_owned(), svg)));
        add("matrix", matrix::draw(&lines));
        add("pareto", pareto::draw(&lines));
        for (name, shown) in distributions(&rows) {
            add(name, cdf::draw(&rows, &shown, &marked));
        }
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        let partly = Manifest::read(&folder.join(FILE)).is_ok_and(|manifest| !manifest.complete);
        let said = format!(
            "{} sessions with {} controllers{}.",
            rows.len(),
            controllers(rows.iter()).len(),
            if partly { "; the experiment was interrupted" } else { "" }
        );
        let page = page::page("Comparison of controllers", &said, &pictures, &lines);
        self.write(&folder, pictures, "report", &page)
    }

    fn session(&self) -> Result<Vec<PathBuf>, Failure> {
        let text = read_text(&self.input, MAX_BYTES)?;
        let journal = Journal::parse(&text)
            .map_err(|error| Problem::Value(format!("is no journal: {error}")).in_file(&self.input))?;
        let name = name_of(&self.input).trim_end_matches(".jsonl").to_owned();
        let svg = timeline::draw(&record::of(&journal), &name);
        let pictures = vec![(name.clone(), svg)];
        let page = page::page(&name, &format!("recorded by {}", journal.header.program), &pictures, &[]);
        let folder = self.input.parent().unwrap_or(Path::new("")).to_owned();
        self.write(&folder, pictures, &name, &page)
    }

    /// Who stands out: as asked for, else hybrid and the best by the mean over all sessions.
    fn marked(&self, rows: &[Row]) -> Vec<String> {
        if !self.controllers.is_empty() {
            return self.controllers.iter().take(7).cloned().collect();
        }
        let figure = |name: &str| Figure::parse(name);
        let worth = |controller: &str| {
            let of = |name: &str| figure(name)?.of(rows.iter().filter(|row| row.controller == controller));
            of("percent_of_optimum").or_else(|| of("qoe_log")).unwrap_or(f64::NEG_INFINITY)
        };
        let mut names: Vec<(bool, f64, &str)> =
            controllers(rows.iter()).into_iter().map(|name| (name == "hybrid", worth(name), name)).collect();
        names.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)));
        names.into_iter().take(MARKED).map(|(.., name)| name.to_owned()).collect()
    }

    fn write(
        &self,
        beside: &Path,
        pictures: Vec<(String, String)>,
        page_name: &str,
        page: &str,
    ) -> Result<Vec<PathBuf>, Failure> {
        let folder = self.out.clone().unwrap_or_else(|| beside.to_owned());
        std::fs::create_dir_all(if folder.as_os_str().is_empty() { Path::new(".") } else { &folder })?;
        let mut written = Vec::new();
        let mut write = |name: String, text: &str| -> io::Result<()> {
            let place = folder.join(name);
            write_whole(&place, text)?;
            written.push(place);
            Ok(())
        };
        if self.format.contains(&PictureFormat::Svg) {
            for (name, svg) in &pictures {
                write(format!("{name}.svg"), svg)?;
            }
        }
        if self.format.contains(&PictureFormat::Html) {
            write(format!("{page_name}.html"), page)?;
        }
        Ok(written)
    }
}

/// The distributions that are drawn, by file name.
fn distributions(rows: &[Row]) -> [(&'static str, cdf::Shown<'static>); 4] {
    let with_optimum = rows.iter().any(|row| row.percent_of_optimum.is_some());
    let score = match with_optimum {
        true => cdf::Shown {
            figure: "percent_of_optimum",
            axis: "% of the optimum",
            factor: 1.0,
            range: Some((0.0, 100.0)),
            title: "How near sessions came to the optimum",
        },
        false => cdf::Shown {
            figure: "score",
            axis: "score",
            factor: 1.0,
            range: None,
            title: "Scores of sessions",
        },
    };
    let shown = |figure, axis, factor, title| cdf::Shown { figure, axis, factor, range: None, title };
    [
        ("cdf-score", score),
        ("cdf-stalls", shown("rebuffer_ratio", "time stalled, %", 100.0, "Time stalled")),
        ("cdf-bitrate", shown("mean_bitrate_bps", "mean bitrate, Mbit/s", 1e-6, "Bitrate played")),
        (
            "cdf-switches",
            shown("switches_per_minute", "changes of quality per minute", 1.0, "Changes of quality"),
        ),
    ]
}
