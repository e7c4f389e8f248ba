//! Traces as a table whose header names every column with its unit.
//!
//! | column | meaning |
//! |---|---|
//! | `duration_ms` or `duration_s` | length of the row |
//! | `time_s` or `time_ms` | or: start of the row; it lasts until the next row, the last as long as the one before |
//! | `bps`, `kbps`, `mbps` (also as `bandwidth_kbps`, …) | bandwidth in bit/s, kbit/s, Mbit/s |
//! | `latency_ms`, `rtt_ms` | optional: request to first byte |
//! | `loss` | optional and must be 0: no link model here loses packets |
//!
//! Written files have `duration_ms,bandwidth_kbps,latency_ms`.

use super::{Period, Trace, Written, period, room};
use crate::sim::input::{Problem, ReadError, number, shorten};
use std::fmt::Write as _;
use std::path::Path;

/// A column, with the factor to milliseconds or kbit/s.
#[derive(Clone, Copy, PartialEq)]
enum Column {
    Duration(f64),
    Time(f64),
    Bandwidth(f64),
    Latency,
    Loss,
}

/// Most columns that are looked at.
const MAX_COLUMNS: usize = 16;

fn column(name: &str) -> Result<Column, Problem> {
    let name = name.trim().trim_matches('"');
    Ok(match name.strip_prefix("bandwidth_").unwrap_or(name) {
        "duration_ms" => Column::Duration(1.0),
        "duration_s" => Column::Duration(1000.0),
        "time_ms" => Column::Time(1.0),
        "time_s" => Column::Time(1000.0),
        "bps" => Column::Bandwidth(0.001),
        "kbps" => Column::Bandwidth(1.0),
        "mbps" => Column::Bandwidth(1000.0),
        "latency_ms" | "rtt_ms" => Column::Latency,
        "loss" => Column::Loss,
        _ => {
            return Err(Problem::Syntax(format!(
                "unknown column {:?}; known are duration_ms, duration_s, time_ms, time_s, bps, kbps, mbps \
                 (bits, with or without bandwidth_), latency_ms, rtt_ms, loss",
                shorten(name)
            )));
        }
    })
}

/// Which fields of a line hold what.
struct Header {
    columns: Vec<Column>,
    by_start: bool,
}

fn header(content: &str) -> Result<Header, Problem> {
    let names: Vec<&str> = content.split(',').take(MAX_COLUMNS + 1).collect();
    if names.len() > MAX_COLUMNS {
        return Err(Problem::TooMany { limit: MAX_COLUMNS, what: "columns" });
    }
    let columns = names.into_iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let count = |is: fn(&Column) -> bool| columns.iter().filter(|&c| is(c)).count();
    let times = count(|c| matches!(c, Column::Duration(_) | Column::Time(_)));
    let rates = count(|c| matches!(c, Column::Bandwidth(_)));
    let rest = count(|c| matches!(c, Column::Latency)).max(count(|c| matches!(c, Column::Loss)));
    if times != 1 || rates != 1 || rest > 1 {
        return Err(Problem::Syntax(
            "needs exactly one column of time or duration, exactly one of bandwidth, at most one of latency"
                .into(),
        ));
    }
    let by_start = columns.iter().any(|c| matches!(c, Column::Time(_)));
    Ok(Header { columns, by_start })
}

/// A line: its start or duration in ms, bandwidth in kbit/s, latency in ms.
fn row(header: &Header, content: &str) -> Result<Period, Problem> {
    let fields: Vec<&str> = content.split(',').take(MAX_COLUMNS + 1).collect();
    if fields.len() != header.columns.len() {
        return Err(Problem::Syntax(format!(
            "has {} fields where the header has {}",
            fields.len(),
            header.columns.len()
        )));
    }
    let mut row = Period { duration_ms: 0.0, bandwidth_kbps: 0.0, latency_ms: 0.0 };
    for (column, field) in header.columns.iter().zip(fields) {
        let value = number(field.trim().trim_matches('"'))?;
        match column {
            Column::Duration(factor) | Column::Time(factor) => row.duration_ms = value * factor,
            // Division keeps kbit/s exact where a product with 0.001 would not.
            Column::Bandwidth(factor) if *factor < 1.0 => row.bandwidth_kbps = value / 1000.0,
            Column::Bandwidth(factor) => row.bandwidth_kbps = value * factor,
            Column::Latency => row.latency_ms = value,
            Column::Loss if value == 0.0 => {}
            Column::Loss => {
                return Err(Problem::Value(format!("a loss of {value}: lossy links are not modelled")));
            }
        }
    }
    period(row.duration_ms, row.bandwidth_kbps, row.latency_ms)
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Trace, ReadError> {
    let mut lines = text.lines().enumerate().filter(|(_, content)| !content.trim().is_empty());
    let Some((line, content)) = lines.next() else {
        return Err(Problem::Syntax("has no header".into()).in_file(path));
    };
    let header = header(content).map_err(|problem| problem.on_line(path, line + 1))?;
    let mut periods: Vec<Period> = Vec::new();
    for (line, content) in lines {
        let wrong = |problem: Problem| problem.on_line(path, line + 1);
        let row = row(&header, content).map_err(wrong)?;
        room(&periods).map_err(wrong)?;
        if header.by_start
            && let Some(before) = periods.last_mut()
        {
            let lasted = row.duration_ms - before.duration_ms;
            if lasted <= 0.0 {
                return Err(wrong(Problem::Value("times must ascend from row to row".into())));
            }
            before.duration_ms = lasted;
            // The new row carries its own start until the row after it is read.
        }
        periods.push(row);
    }
    if header.by_start {
        let [.., before, last] = &mut periods[..] else {
            return Err(Problem::Value("needs two rows: a row lasts until the next".into()).in_file(path));
        };
        last.duration_ms = before.duration_ms;
    }
    let latency_stated = header.columns.contains(&Column::Latency);
    Ok(Trace { name: String::new(), periods, latency_stated, cooked: None })
}

pub(super) fn write(trace: &Trace) -> Written {
    let latency = trace.latency_stated;
    let mut text = String::from("duration_ms,bandwidth_kbps");
    text.push_str(if latency { ",latency_ms\n" } else { "\n" });
    for p in &trace.periods {
        // Writing to a string cannot fail.
        let _ = match latency {
            true => writeln!(text, "{},{},{}", p.duration_ms, p.bandwidth_kbps, p.latency_ms),
            false => writeln!(text, "{},{}", p.duration_ms, p.bandwidth_kbps),
        };
    }
    Written { text, losses: Vec::new() }
}
