//! The tables that `compare` prints.

use super::Failure;
use super::job::{Summary, document};
use crate::sim::report::statistics::Interval;
use crate::sim::report::summary::{Difference, Line};
use std::io::{self, Write};

/// The content of `summary.json`.
pub(super) fn summary_text(summary: &Summary) -> Result<String, Failure> {
    document(&summary.json())
}

/// Prints a table per group, and the differences over all.
pub(super) fn print(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let key = |line: &Line| {
        (
            line.set.clone(),
            line.title.clone(),
            line.link.clone(),
            line.cap_s,
            line.qoe.clone(),
            line.parameters.clone(),
        )
    };
    let with_optimum = summary.lines.iter().any(|line| line.percent_of_optimum_mean.is_some());
    for (place, group) in summary.lines.chunk_by(|a, b| key(a) == key(b)).enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        print_group(out, summary, group, with_optimum)?;
    }
    print_overall(out, summary, with_optimum)
}

fn print_group(
    out: &mut impl Write,
    summary: &Summary,
    group: &[Line],
    with_optimum: bool,
) -> io::Result<()> {
    let first = &group[0];
    write!(
        out,
        "{}: {}, link {}, cap {} s, QoE_{}",
        first.set, first.title, first.link, first.cap_s, first.qoe
    )?;
    if !first.parameters.is_empty() {
        write!(out, ", {}", first.parameters)?;
    }
    writeln!(out, ", {} sessions each", first.sessions)?;
    let figure = if with_optimum { "percent_of_optimum" } else { "score" };
    let against = summary.baseline.as_ref().map(|baseline| match with_optimum {
        true => format!("points over {}", baseline.name()),
        false => format!("score over {}", baseline.name()),
    });
    writeln!(
        out,
        "  {:<12} {:>9} {:>6} {:>9} {:>6} {:>7} {:>12} {:>7}  {}",
        "controller",
        "% of best",
        "p10",
        "stalled %",
        "p90",
        "start s",
        "switches/min",
        "kbit/s",
        against.unwrap_or_default()
    )?;
    let percent = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
    for line in group {
        let is_here = |d: &&Difference| {
            d.controller == line.controller
                && d.figure == figure
                && d.set.as_deref() == Some(line.set.as_str())
                && d.title.as_deref() == Some(line.title.as_str())
                && d.link.as_deref() == Some(line.link.as_str())
                && d.cap_s == Some(line.cap_s)
                && d.qoe.as_deref() == Some(line.qoe.as_str())
                && d.parameters.as_deref().unwrap_or("") == line.parameters
        };
        let difference = summary.differences.iter().find(is_here);
        let digits = if with_optimum { 1 } else { 3 };
        writeln!(
            out,
            "  {:<12} {:>9} {:>6} {:>9.2} {:>6.2} {:>7.2} {:>12.2} {:>7.0}  {}",
            line.controller,
            percent(line.percent_of_optimum_mean),
            percent(line.percent_of_optimum_p10),
            line.rebuffer_ratio_mean * 100.0,
            line.rebuffer_ratio_p90 * 100.0,
            line.startup_s_mean,
            line.switches_per_minute,
            line.mean_bitrate_bps / 1000.0,
            difference.map_or(String::new(), |d| interval(&d.difference, 1.0, digits))
        )?;
    }
    Ok(())
}

/// Figures of the differences over all sets: name, heading, factor, digits.
const OVERALL: [(&str, &str, f64, usize); 4] = [
    ("percent_of_optimum", "% of best", 1.0, 1),
    ("rebuffer_ratio", "stalled %", 100.0, 2),
    ("startup_s", "start s", 1.0, 2),
    ("switches_per_minute", "switches/min", 1.0, 2),
];

fn print_overall(out: &mut impl Write, summary: &Summary, with_optimum: bool) -> io::Result<()> {
    let overall = || summary.differences.iter().filter(|d| d.set.is_none());
    let Some(baseline) = summary.baseline.as_ref().filter(|_| overall().next().is_some()) else {
        return Ok(());
    };
    writeln!(
        out,
        "\nall sets, each counting the same, less {} (95 % interval over traces; * excludes 0):",
        baseline.name()
    )?;
    let figures = || OVERALL.iter().filter(|figure| with_optimum || figure.0 != "percent_of_optimum");
    write!(out, "  {:<12}", "controller")?;
    for (_, heading, ..) in figures() {
        write!(out, " {heading:<25}")?;
    }
    writeln!(out)?;
    for group in overall().collect::<Vec<_>>().chunk_by(|a, b| a.controller == b.controller) {
        let mut line = format!("  {:<12}", group[0].controller);
        for (name, _, factor, digits) in figures() {
            let cell = group.iter().find(|d| d.figure == *name);
            let cell = cell.map_or(String::new(), |d| interval(&d.difference, *factor, *digits));
            line += &format!(" {cell:<25}");
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// `+1.2 [+0.8, +1.6] *`.
fn interval(interval: &Interval, factor: f64, digits: usize) -> String {
    let Interval { mean, low, high, .. } = *interval;
    let mark = if interval.excludes_zero() { " *" } else { "" };
    // Adding zero makes a negative zero positive.
    let number = |value: f64| {
        let shift = 10f64.powi(digits as i32);
        format!("{:+.digits$}", (value * factor * shift).round() / shift + 0.0)
    };
    format!("{} [{}, {}]{mark}", number(mean), number(low), number(high))
}
