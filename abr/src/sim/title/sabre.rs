//! Sabre's movie JSON: `segment_duration_ms`, `bitrates_kbps`, `segment_sizes_bits[segment][quality]`.

use super::{MAX_QUALITIES, MAX_SEGMENTS, Title, title_name};
use crate::sim::input::{Problem, ReadError, parse_json};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::fmt::Write as _;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Movie {
    segment_duration_ms: f64,
    bitrates_kbps: Vec<f64>,
    segment_sizes_bits: Vec<Row>,
}

/// The sizes of one segment; bounded while reading so that an error names its line.
struct Row(Vec<u64>);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let sizes = Vec::<u64>::deserialize(from)?;
        if sizes.len() > MAX_QUALITIES {
            return Err(D::Error::custom(Problem::TooMany { limit: MAX_QUALITIES, what: "qualities" }));
        }
        Ok(Self(sizes))
    }
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Title, ReadError> {
    let movie: Movie = parse_json(path, text)?;
    let wrong = |problem: Problem| problem.in_file(path);
    let segments = movie.segment_sizes_bits.len();
    if segments > MAX_SEGMENTS {
        return Err(wrong(Problem::TooMany { limit: MAX_SEGMENTS, what: "segments" }));
    }
    let qualities = movie.bitrates_kbps.len();
    let mut sizes = Vec::with_capacity(segments * qualities);
    for (place, row) in movie.segment_sizes_bits.iter().enumerate() {
        if row.0.len() != qualities {
            let said = format!("segment {place} has {} sizes for {qualities} bitrates", row.0.len());
            return Err(wrong(Problem::Value(said)));
        }
        sizes.extend_from_slice(&row.0);
    }
    Title::new(title_name(path), vec![movie.segment_duration_ms; segments], movie.bitrates_kbps, sizes)
        .map_err(wrong)
}

pub(super) fn write(title: &Title) -> Result<String, Problem> {
    let Some(duration) = title.uniform_duration_ms() else {
        return Err(Problem::Value(
            "has segments of different durations, which a Sabre movie cannot say".into(),
        ));
    };
    let rates: Vec<String> = title.bitrates_kbps.iter().map(f64::to_string).collect();
    let mut text = format!(
        "{{\n    \"segment_duration_ms\": {duration},\n    \"bitrates_kbps\": [{}],\n    \"segment_sizes_bits\": [\n",
        rates.join(", ")
    );
    for segment in 0..title.segments() {
        let sizes: Vec<String> = title.sizes_of(segment).iter().map(u64::to_string).collect();
        let comma = if segment + 1 < title.segments() { "," } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "        [{}]{comma}", sizes.join(", "));
    }
    text.push_str("    ]\n}\n");
    Ok(text)
}
