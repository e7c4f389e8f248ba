//! Presentations for tests.

use abr::presentation::{AdaptationSet, Container, ContentType, Representation};
use abr::segments::{Run, SegmentIndex, SegmentRuns};

/// An index of segments of one length, whose timeline begins after some seconds.
pub(crate) fn index(start_s: u64, seconds: u64, length_ms: u64) -> SegmentIndex {
    let count = (seconds * 1000).div_ceil(length_ms);
    let run = Run {
        number: 1,
        start: 0,
        duration: length_ms,
        count,
        discontinuity: 0,
        init: Some(0),
        gap: false,
        part: None,
    };
    SegmentIndex::Known(SegmentRuns {
        timescale: 1000,
        offset_ticks: start_s as i64 * 1000,
        runs: vec![run],
        sizes: vec![],
        complete: true,
        availability: Default::default(),
    })
}

/// A representation of video, or with a height of zero of sound.
pub(crate) fn representation(bandwidth_bps: u64, height: u32, index: SegmentIndex) -> Representation {
    Representation {
        id: format!("{bandwidth_bps}"),
        bandwidth_bps,
        codecs: if height > 0 { format!("avc1.{height}") } else { "mp4a.40.2".to_owned() },
        container: Container::Mp4,
        width: height * 16 / 9,
        height,
        frame_rate: (25, 1),
        channels: 0,
        sampling_rate: 0,
        locations: 1,
        index,
    }
}

/// An adaptation set without anything special.
pub(crate) fn set(content_type: ContentType, representations: Vec<Representation>) -> AdaptationSet {
    AdaptationSet {
        id: String::new(),
        content_type,
        muxed_audio: false,
        language: None,
        label: None,
        roles: vec![],
        is_default: false,
        representations,
    }
}
