//! Turns titles and traces into what [`playback`](super::playback) needs.

use super::input::{Problem, ReadError, parse_json, read_text};
use super::link::Link;
use super::title::{self, Title};
use super::trace::Trace;
use crate::presentation::{AdaptationSet, Container, ContentType, Period, Presentation, Representation};
use crate::segments::{Run, SegmentIndex, SegmentRuns};
use crate::time::MediaTime;
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

/// Ticks per second of the presentations made here.
const TIMESCALE: u32 = 1_000_000;

#[derive(Deserialize)]
struct Inspected {
    presentation: Presentation,
}

/// Reads what is to be played: the whole presentation from the output of `sluice inspect --json` (all its
/// tracks), or any other title as one video track.
pub fn load_presentation(source: &str) -> Result<Presentation, ReadError> {
    let path = Path::new(source);
    if !source.starts_with("synthetic:") && path.is_file() {
        let text = read_text(path, title::MAX_BYTES)?;
        if text.contains("\"presentation\"") && !text.contains("\"segment_sizes_bits\"") {
            let inspected: Inspected = parse_json(path, &text)?;
            if inspected.presentation.representations().all(|(_, r)| r.index.known().is_none()) {
                let problem = "the segments of no representation are in the file".to_owned();
                return Err(Problem::Value(problem).in_file(path));
            }
            return Ok(inspected.presentation);
        }
    }
    Ok(presentation(&Title::load(source)?))
}

/// A title as a presentation with one video track.
pub fn presentation(title: &Title) -> Presentation {
    let ticks = |ms: f64| (ms * f64::from(TIMESCALE) / 1e3).round().max(1.0) as u64;
    let mut runs: Vec<Run> = Vec::new();
    let (mut start, mut number) = (0i64, 1u64);
    for duration in title.durations_ms.iter().map(|ms| ticks(*ms)) {
        match runs.last_mut() {
            Some(run) if run.duration == duration => run.count += 1,
            _ => runs.push(Run {
                number,
                start,
                duration,
                count: 1,
                discontinuity: 0,
                init: None,
                gap: false,
                part: None,
            }),
        }
        number += 1;
        start = start.saturating_add_unsigned(duration);
    }
    let representation = |quality: usize, kbps: f64| Representation {
        id: quality.to_string(),
        bandwidth_bps: ((kbps * 1e3).round() as u64).max(1),
        codecs: String::new(),
        container: Container::Unknown,
        width: 0,
        height: 0,
        frame_rate: (0, 1),
        channels: 0,
        sampling_rate: 0,
        locations: 1,
        index: SegmentIndex::Known(SegmentRuns {
            timescale: TIMESCALE,
            offset_ticks: 0,
            runs: runs.clone(),
            sizes: (0..title.segments()).map(|s| title.size_bits(s, quality).div_ceil(8)).collect(),
            complete: true,
            availability: Default::default(),
        }),
    };
    let representations = title.bitrates_kbps.iter().enumerate().map(|(q, kbps)| representation(q, *kbps));
    let video = AdaptationSet {
        id: "0".to_owned(),
        content_type: ContentType::Video,
        muxed_audio: false,
        language: None,
        label: None,
        roles: Vec::new(),
        is_default: true,
        representations: representations.collect(),
    };
    let duration = MediaTime::from_ticks(start, TIMESCALE).since(MediaTime::ZERO);
    let period = Period {
        id: "0".to_owned(),
        start: MediaTime::ZERO,
        duration: Some(duration),
        adaptation_sets: vec![video],
    };
    Presentation { duration: Some(duration), periods: vec![period], ..Presentation::default() }
}

/// A trace as a link; `latency_ms` where the trace states none.
pub fn link(trace: &Trace, latency_ms: f64) -> Link {
    let span = |ms: f64| Duration::from_nanos((ms * 1e6).round() as u64);
    let periods = trace.periods.iter().map(|period| {
        let latency = if trace.latency_stated { period.latency_ms } else { latency_ms };
        (span(period.duration_ms), (period.bandwidth_kbps * 1e3).round() as u64, span(latency))
    });
    Link::new(periods.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_becomes_one_video_track() {
        let title = Title::new(
            "t",
            vec![3000.0, 3000.0, 1500.0],
            vec![100.0, 200.0],
            vec![300_000, 600_001, 300_000, 600_000, 150_000, 300_000],
        );
        let presentation = presentation(&title.unwrap());
        assert_eq!(presentation.duration, Some(Duration::from_millis(7500)));
        let best = &presentation.periods[0].adaptation_sets[0].representations[1];
        let runs = best.index.known().unwrap();
        assert_eq!((runs.runs.len(), runs.len()), (2, 3));
        assert_eq!(runs.get(0).unwrap().size, Some(75_001), "bits are rounded up to bytes");
    }
}
