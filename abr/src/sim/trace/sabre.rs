//! Sabre's network JSON: `[{"duration_ms": 1013, "bandwidth_kbps": 1285, "latency_ms": 100}, …]`.
//!
//! Source: UMass-LIDS/sabre, Spiteri et al., MMSys 2018.

use super::{MAX_PERIODS, Period, Trace, Written, period};
use crate::sim::input::{Problem, ReadError, parse_json};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use std::fmt::Write as _;
use std::path::Path;

/// Below this bandwidth throughout, `bandwidth_kbps` holds something else.
const LEAST_PEAK_KBPS: f64 = 10.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(deserialize_with = "duration")]
    duration_ms: f64,
    #[serde(deserialize_with = "bandwidth")]
    bandwidth_kbps: f64,
    #[serde(deserialize_with = "latency")]
    latency_ms: f64,
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    from.deserialize_f64(Within(|value| period(value, 0.0, 0.0)))
}

fn bandwidth<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    from.deserialize_f64(Within(|value| period(0.0, value, 0.0)))
}

fn latency<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    from.deserialize_f64(Within(|value| period(0.0, 0.0, value)))
}

/// A number that passes a check. Checked inside the number, so that the parser knows the line of a bad one.
struct Within(fn(f64) -> Result<Period, Problem>);

impl Visitor<'_> for Within {
    type Value = f64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<f64, E> {
        (self.0)(value).map(|_| value).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<f64, E> {
        self.visit_f64(value as f64)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<f64, E> {
        self.visit_f64(value as f64)
    }
}

struct Rows(Vec<Period>);

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(RowsVisitor)
    }
}

struct RowsVisitor;

impl<'de> Visitor<'de> for RowsVisitor {
    type Value = Rows;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of {duration_ms, bandwidth_kbps, latency_ms}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Rows, A::Error> {
        let mut periods = Vec::new();
        while let Some(row) = rows.next_element::<Row>()? {
            if periods.len() >= MAX_PERIODS {
                return Err(A::Error::custom(Problem::TooMany { limit: MAX_PERIODS, what: "periods" }));
            }
            periods.push(Period {
                duration_ms: row.duration_ms,
                bandwidth_kbps: row.bandwidth_kbps,
                latency_ms: row.latency_ms,
            });
        }
        Ok(Rows(periods))
    }
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Trace, ReadError> {
    let Rows(periods) = parse_json(path, text)?;
    let peak = periods.iter().map(|p| p.bandwidth_kbps).fold(0.0, f64::max);
    if peak > 0.0 && peak < LEAST_PEAK_KBPS {
        return Err(Problem::Value(format!(
            "bandwidth_kbps never exceeds {peak}; is it in Mbit/s instead of kbit/s?"
        ))
        .in_file(path));
    }
    Ok(Trace { name: String::new(), periods, latency_stated: true, cooked: None })
}

pub(super) fn write(trace: &Trace) -> Written {
    let mut text = String::from("[\n");
    for (place, p) in trace.periods.iter().enumerate() {
        let comma = if place + 1 < trace.periods.len() { "," } else { "" };
        let Period { duration_ms, bandwidth_kbps, latency_ms } = p;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            r#"    {{"duration_ms": {duration_ms}, "bandwidth_kbps": {bandwidth_kbps}, "latency_ms": {latency_ms}}}{comma}"#
        );
    }
    text.push_str("]\n");
    Written { text, losses: Vec::new() }
}
