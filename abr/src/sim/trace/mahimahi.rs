//! Mahimahi's packet delivery traces: each line is the millisecond at which 1500 bytes may pass.
//!
//! A line `t` is read as capacity of 12 000 bits spread over the millisecond that ends at `t`; the last line
//! ends the cycle. A line 0 counts for the first millisecond. Source: Netravali et al., USENIX ATC 2015.

use super::{Period, Trace, Written, room};
use crate::sim::input::{Problem, ReadError, shorten};
use std::fmt::Write as _;
use std::path::Path;

/// Bits of one delivery opportunity; per millisecond this is also its bandwidth in kbit/s.
const BITS: f64 = 12_000.0;
/// Longest trace, in milliseconds (eleven days).
const MAX_MS: u64 = 1_000_000_000;
/// Most opportunities in one millisecond (12 Gbit/s).
const MAX_PER_MS: u64 = 1000;
/// Most opportunities that are written.
const MAX_LINES: f64 = 50e6;

pub(super) fn parse(path: &Path, text: &str) -> Result<Trace, ReadError> {
    let mut periods: Vec<Period> = Vec::new();
    let (mut now, mut count) = (0u64, 0u64);
    for (line, content) in text.lines().enumerate() {
        let content = content.trim();
        if content.is_empty() {
            continue;
        }
        let wrong = |problem: Problem| problem.on_line(path, line + 1);
        let at = content.parse::<u64>().map_err(|_| {
            wrong(Problem::Syntax(format!("{:?} is not a whole number of milliseconds", shorten(content))))
        })?;
        let at = at.max(1);
        if at > MAX_MS {
            return Err(wrong(Problem::Value(format!(
                "{at} ms is beyond eleven days; is it in microseconds?"
            ))));
        }
        if at < now {
            return Err(wrong(Problem::Value(format!("{at} ms comes after {now} ms; lines must ascend"))));
        }
        if at > now {
            settle(&mut periods, now, count).map_err(wrong)?;
            push(&mut periods, at - now - 1, 0).map_err(wrong)?;
            (now, count) = (at, 0);
        }
        count += 1;
        if count > MAX_PER_MS {
            return Err(wrong(Problem::Value(format!("more than {MAX_PER_MS} packets in millisecond {at}"))));
        }
    }
    settle(&mut periods, now, count).map_err(|problem| problem.in_file(path))?;
    Ok(Trace { name: String::new(), periods, latency_stated: false, cooked: None })
}

fn settle(periods: &mut Vec<Period>, now: u64, count: u64) -> Result<(), Problem> {
    push(periods, u64::from(now > 0), count)
}

/// Adds `millis` milliseconds of `count` opportunities each, lengthening the last period when it is equal.
fn push(periods: &mut Vec<Period>, millis: u64, count: u64) -> Result<(), Problem> {
    if millis == 0 {
        return Ok(());
    }
    let bandwidth_kbps = count as f64 * BITS;
    match periods.last_mut() {
        Some(last) if last.bandwidth_kbps == bandwidth_kbps => last.duration_ms += millis as f64,
        _ => {
            room(periods)?;
            periods.push(Period { duration_ms: millis as f64, bandwidth_kbps, latency_ms: 0.0 });
        }
    }
    Ok(())
}

pub(super) fn write(trace: &Trace) -> Result<Written, Problem> {
    let lines = trace.mean_kbps() * trace.duration_ms() / BITS;
    if lines > MAX_LINES {
        return Err(Problem::TooMany { limit: MAX_LINES as usize, what: "packets to write" });
    }
    let mut text = String::new();
    let (mut clock, mut bits) = (0.0f64, 0.0f64);
    let mut sent = 0u64;
    for p in &trace.periods {
        let start_bits = bits;
        bits += p.duration_ms * p.bandwidth_kbps;
        // A packet counts for the millisecond in which its last bit passes; the tolerance keeps a packet
        // that ends on a boundary, but for rounding, before it.
        while (sent + 1) as f64 * BITS <= bits + 1e-3 {
            sent += 1;
            let at = clock + (sent as f64 * BITS - start_bits) / p.bandwidth_kbps;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", (at - 1e-6).ceil().max(1.0));
        }
        clock += p.duration_ms;
    }
    if sent == 0 {
        return Err(Problem::Value("carries less than one packet per cycle".into()));
    }
    let mut losses = vec!["bandwidth is quantised to packets of 1500 bytes per millisecond"];
    if trace.latency_stated {
        losses.push("latency is not part of a Mahimahi trace");
    }
    if trace.periods.last().is_some_and(|p| p.bandwidth_kbps < BITS) {
        losses.push("a Mahimahi trace ends with its last packet; time after it is cut");
    }
    Ok(Written { text, losses })
}
