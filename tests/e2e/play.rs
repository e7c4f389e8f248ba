//! Whole titles: every frame once, in order, as ffmpeg decodes it, in every packaging and codec.

use crate::check::{every_frame_accounted_for, every_frame_once};
use tests::content::{Codec, Film, LADDER, Packaging};
use tests::origin::Origin;
use tests::sluice::Sluice;

/// Six segments of two seconds: enough for a switch up, short enough to decode in a second.
const SEGMENTS: u32 = 6;

fn plays_whole(packaging: Packaging) {
    let title = Film::ladder(SEGMENTS).package(packaging);
    let origin = Origin::start(title.site());
    let outcome = Sluice::unpaced(&origin.url(title.entry)).run().expect_success();
    every_frame_once(&outcome, &title);
    assert_eq!(outcome.summary["outcome"], "ended", "{outcome}");
    assert_eq!(outcome.sum("frames_presented"), title.frames() as u64, "{outcome}");
    assert_eq!(outcome.sum("gap_ms"), 0, "{outcome}");
    assert_eq!(outcome.error_codes(), Vec::<u64>::new(), "{outcome}");
}

#[test]
fn dash_with_numbers() {
    plays_whole(Packaging::DashNumber);
}

#[test]
fn dash_with_a_timeline() {
    plays_whole(Packaging::DashTimeline);
}

#[test]
fn dash_with_a_list() {
    plays_whole(Packaging::DashList);
}

#[test]
fn dash_with_an_index() {
    plays_whole(Packaging::DashBase);
}

#[test]
fn dash_with_two_periods() {
    plays_whole(Packaging::DashPeriods);
}

#[test]
fn hls_with_transport_streams() {
    plays_whole(Packaging::HlsTs);
}

#[test]
fn hls_with_fragmented_mp4_and_separate_sound() {
    plays_whole(Packaging::HlsFmp4);
}

#[test]
fn hls_with_byte_ranges() {
    plays_whole(Packaging::HlsByteRange);
}

#[test]
fn hls_with_a_discontinuity() {
    plays_whole(Packaging::HlsDiscontinuity);
}

/// A lock means this rendition from the first frame to the last, and nothing else is fetched.
#[test]
fn each_rendition_alone() {
    for packaging in [Packaging::DashNumber, Packaging::HlsTs] {
        let title = Film::ladder(SEGMENTS).package(packaging);
        for (_, height, _) in LADDER {
            let origin = Origin::start(title.site());
            let outcome = Sluice::unpaced(&origin.url(title.entry))
                .args(&["--lock", &height.to_string()])
                .run()
                .expect_success();
            every_frame_once(&outcome, &title);
            assert_eq!(outcome.heights(), [height], "{packaging:?}: {outcome}");
            assert_eq!(outcome.sum("switches"), 0, "{packaging:?}: {outcome}");
        }
    }
}

#[test]
fn limits_of_height_hold() {
    let title = Film::ladder(SEGMENTS).package(Packaging::DashNumber);
    let origin = Origin::start(title.site());
    let outcome = Sluice::unpaced(&origin.url(title.entry))
        .args(&["--min-height", "300", "--max-height", "600"])
        .run()
        .expect_success();
    every_frame_once(&outcome, &title);
    assert!(outcome.heights().iter().all(|height| (300..=600).contains(height)), "{outcome}");
}

fn plays_codec(codec: Codec) {
    let title = Film::of(codec, 2).package(Packaging::DashNumber);
    let origin = Origin::start(title.site());
    let outcome = Sluice::unpaced(&origin.url(title.entry)).run().expect_success();
    every_frame_once(&outcome, &title);
}

#[test]
fn hevc() {
    plays_codec(Codec::Hevc);
}

#[test]
fn hevc_with_ten_bits() {
    plays_codec(Codec::Hevc10);
}

#[test]
fn vp9() {
    plays_codec(Codec::Vp9);
}

#[test]
fn av1() {
    plays_codec(Codec::Av1);
}

/// Against the clock: as long as the title, and no frame unaccounted for.
#[test]
fn the_clock_keeps_time() {
    let title = Film::ladder(SEGMENTS).package(Packaging::HlsFmp4);
    let origin = Origin::start(title.site());
    let outcome =
        Sluice::paced(&origin.url(title.entry)).args(&["--max-height", "360"]).run().expect_success();
    every_frame_accounted_for(&outcome, &title);
    let seconds = outcome.wall.as_secs_f64();
    assert!((12.0..16.0).contains(&seconds), "a title of 12 s took {seconds} s: {outcome}");
    let pace = |frame: &tests::sluice::Shown| frame.t_ms - frame.pts_ms;
    let (first, last) = (&outcome.frames[0], &outcome.frames[outcome.frames.len() - 1]);
    assert!((pace(last) - pace(first)).abs() < 250.0, "the clock drifts: {first:?} {last:?}");
}

#[test]
fn every_controller_plays() {
    let title = Film::ladder(SEGMENTS).package(Packaging::DashTimeline);
    for controller in ["hybrid", "throughput", "bola-e"] {
        let origin = Origin::start(title.site());
        let outcome = Sluice::unpaced(&origin.url(title.entry))
            .args(&["--controller", controller])
            .run()
            .expect_success();
        every_frame_once(&outcome, &title);
        assert_eq!(outcome.events[0]["controller"], controller, "{outcome}");
    }
}

/// Headers of the user go with every request; a `Referer` with none.
#[test]
fn own_headers_are_sent() {
    let title = Film::ladder(SEGMENTS).package(Packaging::HlsTs);
    let origin = Origin::start(title.site());
    Sluice::unpaced(&origin.url(title.entry))
        .args(&["--header", "X-Token: abc", "--lock", "180"])
        .run()
        .expect_success();
    for asked in origin.log() {
        assert_eq!(asked.header("x-token"), Some("abc"), "{asked:?}");
        assert_eq!(asked.header("referer"), None, "{asked:?}");
    }
}

/// One connection serves many requests.
#[test]
fn connections_are_reused() {
    let title = Film::ladder(SEGMENTS).package(Packaging::DashNumber);
    let origin = Origin::start(title.site());
    Sluice::unpaced(&origin.url(title.entry)).args(&["--lock", "180"]).run().expect_success();
    let log = origin.log();
    let connections = log.iter().map(|asked| asked.connection).max().map_or(0, |last| last + 1);
    assert!(connections <= 6, "{connections} connections for {} requests", log.len());
}
