//! The built-in title, as a newcomer meets it: to its end, with the quality going up and down, and no
//! frame lost.

use std::time::Duration;
use tests::sluice::{Outcome, Sluice};

/// Frames of the demo title: 64 s of 24 a second.
const FRAMES: u64 = 64 * 24;

fn in_order(outcome: &Outcome) {
    assert!(outcome.frames.windows(2).all(|pair| pair[1].pts_ms > pair[0].pts_ms), "out of order: {outcome}");
    assert_eq!(outcome.sum("frames_presented") + outcome.sum("frames_dropped"), FRAMES, "{outcome}");
    assert_eq!(outcome.summary["outcome"], "ended", "{outcome}");
}

/// Over the bundled trace.
#[test]
fn the_demo_plays_to_its_end() {
    let outcome = Sluice::demo().timeout(Duration::from_secs(120)).run().expect_success();
    in_order(&outcome);
    let heights = outcome.heights();
    println!(
        "heights {heights:?}, {} stalls, {} dropped",
        outcome.sum("stalls"),
        outcome.sum("frames_dropped")
    );
    assert!(heights.windows(2).any(|pair| pair[1] > pair[0]), "never went up: {outcome}");
    assert!(heights.windows(2).any(|pair| pair[1] < pair[0]), "never went down: {outcome}");
}

#[test]
fn the_demo_plays_as_hls() {
    let demo = Sluice::demo().args(&["--demo", "hls", "--no-pacing", "--lock", "240"]);
    let outcome = demo.timeout(Duration::from_secs(120)).run().expect_success();
    in_order(&outcome);
    assert_eq!(outcome.named("manifest")[0]["protocol"], "HLS", "{outcome}");
}
