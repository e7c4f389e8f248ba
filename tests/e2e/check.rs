//! What the viewer saw, against what there was to see.

use std::collections::BTreeMap;
use tests::content::{FPS, Title};
use tests::sluice::Outcome;

/// Milliseconds of one frame.
pub(crate) const FRAME_MS: f64 = 1_000.0 / FPS as f64;

/// Which frames of the title were shown, in order of showing.
///
/// Every one of them is compared with the picture that ffmpeg decodes from the same rendition.
///
/// # Panics
///
/// When a frame is not of the title, is another frame than its time says, or is not on the frame grid.
pub(crate) fn frames_shown(outcome: &Outcome, title: &Title) -> Vec<usize> {
    let mut references: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let grid = grid(outcome, title);
    outcome
        .frames
        .iter()
        .map(|frame| {
            let reference = references.entry(frame.height).or_insert_with(|| title.reference(frame.height));
            let place = (frame.pts_ms - grid) / FRAME_MS;
            assert!((place - place.round()).abs() < 0.05, "{frame:?} is off the grid: {outcome}");
            let place = place.round() as usize;
            let wanted =
                reference.get(place).unwrap_or_else(|| panic!("{frame:?} is behind the end: {outcome}"));
            if *wanted != frame.md5 {
                let instead = reference.iter().position(|md5| *md5 == frame.md5);
                panic!("at {place} another picture is shown ({instead:?}): {frame:?}\n{outcome}");
            }
            place
        })
        .collect()
}

/// Presentation time of frame zero: the first sound may begin a little before the first picture.
pub(crate) fn grid(outcome: &Outcome, title: &Title) -> f64 {
    let Some(first) = outcome.frames.first() else { return 0.0 };
    if title.reference(first.height).first() == Some(&first.md5) {
        return first.pts_ms;
    }
    first.pts_ms.rem_euclid(FRAME_MS)
}

/// Every frame of the title was shown once, in order, as ffmpeg decodes it.
pub(crate) fn every_frame_once(outcome: &Outcome, title: &Title) {
    let shown = frames_shown(outcome, title);
    let total = title.frames();
    let missing: Vec<usize> = (0..total).filter(|frame| shown.binary_search(frame).is_err()).collect();
    assert!(shown.is_sorted_by(|a, b| a < b), "out of order or twice: {outcome}");
    assert!(
        missing.is_empty(),
        "{} of {total} frames missing, first {:?}: {outcome}",
        missing.len(),
        missing.first()
    );
}

/// What was shown is of the title, in order; together with the frames that came too late it is all of it.
pub(crate) fn every_frame_accounted_for(outcome: &Outcome, title: &Title) {
    let shown = frames_shown(outcome, title);
    assert!(shown.is_sorted_by(|a, b| a < b), "out of order or twice: {outcome}");
    let (presented, dropped) = (outcome.sum("frames_presented"), outcome.sum("frames_dropped"));
    assert_eq!(presented, shown.len() as u64, "{outcome}");
    assert_eq!(presented + dropped, title.frames() as u64, "{outcome}");
}

/// The first frame shown at or after a moment (milliseconds since the process started).
pub(crate) fn first_frame_after(outcome: &Outcome, title: &Title, t_ms: f64) -> usize {
    let frame = outcome.frames.iter().find(|frame| frame.t_ms >= t_ms).unwrap_or_else(|| {
        panic!("no frame after {t_ms} ms: {outcome}");
    });
    ((frame.pts_ms - grid(outcome, title)) / FRAME_MS).round() as usize
}
