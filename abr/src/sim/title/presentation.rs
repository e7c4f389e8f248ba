//! The first video set of a presentation as `sluice inspect --json` prints it.
//!
//! Sizes are those that the index states; where it states none, bandwidth × duration. Periods follow one
//! another with the qualities that the first of them has.

use super::{MAX_QUALITIES, MAX_SEGMENTS, Title, title_name};
use crate::presentation::{AdaptationSet, ContentType, Presentation, Representation};
use crate::segments::SegmentRuns;
use crate::sim::input::{Problem, ReadError, parse_json};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Inspected {
    presentation: Presentation,
}

/// Whether a JSON object is the output of `sluice inspect --json`.
pub(super) fn is_one(text: &str) -> bool {
    text.contains("\"presentation\"") && !text.contains("\"segment_sizes_bits\"")
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Title, ReadError> {
    let inspected: Inspected = parse_json(path, text)?;
    title(&title_name(path), &inspected.presentation).map_err(|problem| problem.in_file(path))
}

/// The first video set of every period, one after the other.
fn title(name: &str, presentation: &Presentation) -> Result<Title, Problem> {
    let (mut durations, mut sizes) = (Vec::new(), Vec::new());
    let mut bitrates: Vec<f64> = Vec::new();
    for period in &presentation.periods {
        let video =
            |set: &&AdaptationSet| set.content_type == ContentType::Video && !set.representations.is_empty();
        let Some(set) = period.adaptation_sets.iter().find(video) else { continue };
        let ladder = ladder(set)?;
        if bitrates.is_empty() {
            bitrates = ladder.iter().map(|(r, _)| r.bandwidth_bps as f64 / 1000.0).collect();
        } else if bitrates.len() != ladder.len() {
            return Err(Problem::Value(format!("period {:?} has another number of qualities", period.id)));
        }
        append(&ladder, &mut durations, &mut sizes)?;
    }
    if durations.is_empty() {
        return Err(Problem::Value("has no video segments".into()));
    }
    Title::new(name, durations, bitrates, sizes)
}

/// The representations with their segments, of two with the same bandwidth the first.
fn ladder(set: &AdaptationSet) -> Result<Vec<(&Representation, &SegmentRuns)>, Problem> {
    let mut ladder = Vec::new();
    let mut least = 0;
    for representation in &set.representations {
        let Some(runs) = representation.index.known() else {
            return Err(Problem::Value(format!(
                "the segments of representation {:?} are not in the file",
                representation.id
            )));
        };
        if representation.bandwidth_bps > least {
            least = representation.bandwidth_bps;
            ladder.push((representation, runs));
        }
    }
    if ladder.len() > MAX_QUALITIES {
        return Err(Problem::TooMany { limit: MAX_QUALITIES, what: "qualities" });
    }
    Ok(ladder)
}

fn append(
    ladder: &[(&Representation, &SegmentRuns)],
    durations: &mut Vec<f64>,
    sizes: &mut Vec<u64>,
) -> Result<(), Problem> {
    let count = ladder.iter().map(|(_, runs)| runs.len()).min().unwrap_or(0);
    if count.saturating_add(durations.len() as u64) > MAX_SEGMENTS as u64 {
        return Err(Problem::TooMany { limit: MAX_SEGMENTS, what: "segments" });
    }
    for position in 0..count {
        for (quality, (representation, runs)) in ladder.iter().enumerate() {
            let Some(segment) = runs.get(position) else { continue };
            let seconds = segment.duration().as_secs_f64();
            if quality == 0 {
                durations.push(seconds * 1000.0);
            }
            let bits = match segment.size {
                Some(bytes) => bytes.saturating_mul(8),
                None => (representation.bandwidth_bps as f64 * seconds).round().max(1.0) as u64,
            };
            sizes.push(bits);
        }
    }
    Ok(())
}
