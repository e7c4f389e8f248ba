//! Broadcasts: joined at the target, held there without a stall, played to their end.

use crate::check::FRAME_MS;
use serde_json::Value;
use tests::channel::{Channel, Settings};
use tests::content::{Film, Packaging};
use tests::live::Broadcast;
use tests::origin::Origin;
use tests::sluice::{Outcome, Sluice};

fn number(event: &Value, field: &str) -> i64 {
    event[field].as_i64().unwrap_or_else(|| panic!("{event} has no {field}"))
}

/// Plays a broadcast of forty seconds, the first sixteen of which are over, to its end.
fn watch(packaging: Packaging) -> (Outcome, Origin) {
    let title = Film::ladder(20).package(packaging);
    let origin = Origin::start(Broadcast::site(&title, packaging));
    let outcome = Sluice::paced(&origin.url(title.entry)).args(&["--max-height", "360"]).run();
    (outcome.expect_success(), origin)
}

/// The distance from the target in milliseconds, once a second, from three seconds after the start on.
fn errors(outcome: &Outcome) -> Vec<i64> {
    let started = number(outcome.named("playing")[0], "t_ms");
    let positions = outcome.named("position");
    let live = positions.iter().filter(|event| event["latency_ms"].is_i64());
    let late = live.filter(|event| number(event, "t_ms") > started + 3000);
    late.map(|event| number(event, "latency_ms") - number(event, "target_latency_ms")).collect()
}

fn check(packaging: Packaging, target_ms: i64) {
    let (outcome, origin) = watch(packaging);
    let joined = outcome.named("joined");
    assert_eq!(joined.len(), 1, "{outcome}");
    assert_eq!(number(joined[0], "target_latency_ms"), target_ms, "{outcome}");
    assert_eq!(outcome.sum("stalls"), 0, "{outcome}");
    assert_eq!(outcome.summary["outcome"], "ended", "{outcome}");

    let errors = errors(&outcome);
    assert!(errors.len() > 12, "{outcome}");
    let mean = errors.iter().map(|error| error.abs()).sum::<i64>() / errors.len() as i64;
    assert!(mean < 100, "{mean} ms off the target on average, {errors:?}: {outcome}");
    assert!(errors.iter().all(|error| error.abs() < 400), "{errors:?}: {outcome}");

    // From about the target on to the last picture, each once.
    let shown: Vec<i64> =
        outcome.frames.iter().map(|frame| (frame.pts_ms / FRAME_MS).round() as i64).collect();
    let lost = shown.windows(2).filter(|pair| pair[1] != pair[0] + 1).count() as u64;
    assert!(shown.is_sorted_by(|a, b| a < b), "out of order or twice: {outcome}");
    assert!(lost <= outcome.sum("frames_dropped") + 1, "{lost} holes: {outcome}");
    assert!(shown.len() > 20 * 25, "{} frames: {outcome}", shown.len());

    // Nothing is hammered: a segment is asked for once, manifests and playlists about once a second.
    let log = origin.log();
    let failed = log.iter().filter(|asked| asked.status >= 400).count();
    assert!(failed <= 2, "{failed} requests for what is not there: {outcome}");
    let manifests = log.iter().filter(|a| a.target.contains(".mpd") || a.target.contains(".m3u8")).count();
    assert!(manifests < 110, "{manifests} manifests: {outcome}");
}

#[test]
fn hls_is_followed_to_its_end() {
    check(Packaging::HlsFmp4, 6000);
}

#[test]
fn hls_with_muxed_sound_is_followed_to_its_end() {
    check(Packaging::HlsTs, 6000);
}

#[test]
fn dash_by_numbers_is_followed_to_its_end() {
    check(Packaging::DashNumber, 4000);
}

#[test]
fn dash_by_timeline_is_followed_to_its_end() {
    check(Packaging::DashTimeline, 4000);
}

/// Watches the endless channel in one of its forms for twelve seconds, and checks how its latency is held.
fn check_low(entry: &str, target_ms: i64) -> (Outcome, Origin) {
    let origin = Origin::start(Channel::site(Settings::default()));
    let outcome = Sluice::paced(&origin.url(entry)).args(&["--stop-after", "12"]).run().expect_success();
    assert_eq!(number(outcome.named("joined")[0], "target_latency_ms"), target_ms, "{outcome}");
    assert_eq!(outcome.sum("stalls"), 0, "{outcome}");
    let errors = errors(&outcome);
    assert!(errors.len() > 6, "{outcome}");
    let mean = errors.iter().map(|error| error.abs()).sum::<i64>() / errors.len() as i64;
    assert!(mean < 100, "{mean} ms off the target on average, {errors:?}: {outcome}");
    assert!(errors.iter().all(|error| error.abs() < 400), "{errors:?}: {outcome}");
    (outcome, origin)
}

#[test]
fn hls_parts_are_asked_for_before_they_are_there() {
    let (outcome, origin) = check_low("ll.m3u8", 660);
    let log = origin.log();
    assert!(log.iter().all(|asked| asked.status < 400), "{outcome}");
    let reloads = log.iter().filter(|asked| asked.target.contains("_HLS_part="));
    assert!(reloads.count() > 40, "{outcome}");
    // What is shown was produced less than the target and a part before.
    let parts = log.iter().filter(|asked| asked.target.starts_with("v") && asked.target.ends_with(".m4s"));
    assert!(parts.count() > 40, "{outcome}");
}

#[test]
fn dash_segments_are_played_while_they_come() {
    let (outcome, origin) = check_low("ll.mpd", 1500);
    let log = origin.log();
    assert!(log.iter().all(|asked| asked.status < 400), "{outcome}");
    // Segments of two seconds and less than two seconds behind: a whole one would have come too late.
    let pictures = log.iter().filter(|asked| asked.target.starts_with("v") && asked.target.ends_with(".m4s"));
    assert!((5..12).contains(&pictures.count()), "{outcome}");
}
