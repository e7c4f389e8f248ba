//! Pensieve's cooked traces: lines `time_s mbit_per_s`, divided by tabs or spaces.
//!
//! The value of line i holds from the time of line i−1 to the time of line i; line 0 gives only the start.
//! Source: hongzimao/pensieve, Mao et al., SIGCOMM 2017.

use super::{CookedRow, Trace, Written, period, room};
use crate::sim::input::{Problem, ReadError, number, shorten};
use std::fmt::Write as _;
use std::path::Path;

/// Above this mean the second column is not in Mbit/s.
const MAX_MEAN_MBPS: f64 = 1000.0;

pub(super) fn parse(path: &Path, text: &str) -> Result<Trace, ReadError> {
    let mut rows: Vec<CookedRow> = Vec::new();
    let mut periods = Vec::new();
    for (line, content) in text.lines().enumerate() {
        if content.trim().is_empty() {
            continue;
        }
        let wrong = |problem: Problem| problem.on_line(path, line + 1);
        let row = row(content).map_err(wrong)?;
        if let Some(before) = rows.last() {
            let lasted = row.time_s - before.time_s;
            if lasted < 0.0 {
                let said =
                    format!("time {} s comes after {} s; times must ascend", row.time_s, before.time_s);
                return Err(wrong(Problem::Value(said)));
            }
            room(&periods).map_err(wrong)?;
            periods.push(period(lasted * 1000.0, row.mbps * 1000.0, 0.0).map_err(wrong)?);
        }
        rows.push(row);
    }
    if rows.len() < 2 {
        return Err(Problem::Value("needs two lines: the first gives only the start".into()).in_file(path));
    }
    let trace = Trace { name: String::new(), periods, latency_stated: false, cooked: Some(rows) };
    let mean = trace.mean_kbps() / 1000.0;
    if mean > MAX_MEAN_MBPS {
        let said = format!("a mean of {mean:.0} Mbit/s; is the second column in kbit/s or kB/s?");
        return Err(Problem::Value(said).in_file(path));
    }
    Ok(trace)
}

fn row(content: &str) -> Result<CookedRow, Problem> {
    let mut fields = content.split_whitespace();
    let (Some(time), Some(rate), None) = (fields.next(), fields.next(), fields.next()) else {
        let said = format!("{:?} is not `time_s mbit_per_s`", shorten(content));
        return Err(Problem::Syntax(said));
    };
    let row = CookedRow { time_s: number(time)?, mbps: number(rate)? };
    if row.time_s < 0.0 {
        return Err(Problem::Value(format!("time {} s is before the start", row.time_s)));
    }
    period(row.time_s * 1000.0, row.mbps * 1000.0, 0.0)?;
    Ok(row)
}

pub(super) fn write(trace: &Trace) -> Written {
    let mut text = String::new();
    let mut line = |row: CookedRow| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}\t{}", row.time_s, row.mbps);
    };
    match &trace.cooked {
        Some(rows) => rows.iter().copied().for_each(line),
        None => {
            let first = trace.periods.first().map_or(0.0, |p| p.bandwidth_kbps / 1000.0);
            line(CookedRow { time_s: 0.0, mbps: first });
            let mut clock_ms = 0.0;
            for p in &trace.periods {
                clock_ms += p.duration_ms;
                line(CookedRow { time_s: clock_ms / 1000.0, mbps: p.bandwidth_kbps / 1000.0 });
            }
        }
    }
    let losses =
        if trace.latency_stated { vec!["latency is not part of a cooked trace"] } else { Vec::new() };
    Written { text, losses }
}
