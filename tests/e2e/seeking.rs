//! Seeking, pausing, beginning and stopping somewhere: the frame asked for, and nothing fetched twice.

use crate::check::{FRAME_MS, first_frame_after, frames_shown, grid};
use serde_json::Value;
use std::collections::BTreeMap;
use tests::content::{Film, Packaging, Title};
use tests::origin::Origin;
use tests::sluice::{Outcome, Sluice};

fn title(packaging: Packaging) -> Title {
    Film::ladder(20).package(packaging)
}

fn ms(event: &Value, field: &str) -> f64 {
    event[field].as_f64().unwrap_or_else(|| panic!("{event} has no {field}"))
}

/// Files that were fetched more than once.
fn fetched_twice(origin: &Origin) -> Vec<String> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for asked in origin.log() {
        *counts.entry(format!("{} {:?}", asked.target, asked.range)).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(target, _)| target).collect()
}

/// The only seek of a session ended on the frame whose interval contains `position_ms`.
fn check_seek(outcome: &Outcome, title: &Title, position_ms: f64) {
    let shown = frames_shown(outcome, title);
    let grid = grid(outcome, title);
    let wanted = ((position_ms - grid) / FRAME_MS).floor() as usize;
    let jump = shown.windows(2).position(|pair| pair[1] != pair[0] + 1).map(|at| at + 1);
    let jump = jump.unwrap_or_else(|| panic!("nothing was skipped: {outcome}"));
    assert_eq!(shown[jump], wanted, "the first frame after the seek: {outcome}");
    assert!(
        shown[jump..].windows(2).all(|pair| pair[1] == pair[0] + 1),
        "lost frames after the seek: {outcome}"
    );
    assert_eq!(shown.last(), Some(&(title.frames() - 1)), "did not play on to the end: {outcome}");
    let (start, end) = (outcome.named("seek_start"), outcome.named("seek_end"));
    assert_eq!((start.len(), end.len()), (1, 1), "{outcome}");
    assert_eq!(ms(start[0], "to_ms"), position_ms.floor(), "{outcome}");
    assert!((ms(end[0], "position_ms") - grid - wanted as f64 * FRAME_MS).abs() < 2.0, "{outcome}");
}

/// Far ahead of the buffer.
#[test]
fn an_unbuffered_seek_lands_on_the_frame() {
    for packaging in [Packaging::DashTimeline, Packaging::DashBase, Packaging::HlsTs, Packaging::HlsFmp4] {
        let title = title(packaging);
        let origin = Origin::start(title.site());
        // 33.33 s lies inside frame 833 and inside a segment, so a decoder has to begin before the target.
        let outcome = Sluice::unpaced(&origin.url(title.entry))
            .args(&["--lock", "180", "--seek-at", "1:33.33"])
            .run()
            .expect_success();
        println!("{packaging:?}");
        check_seek(&outcome, &title, 33_330.0);
    }
}

/// A little ahead, where everything is queued already.
#[test]
fn a_buffered_seek_fetches_nothing_again() {
    for packaging in [Packaging::DashNumber, Packaging::HlsTs, Packaging::HlsFmp4] {
        let title = title(packaging);
        let origin = Origin::start(title.site());
        let outcome = Sluice::paced(&origin.url(title.entry))
            .args(&["--lock", "180", "--seek-at", "3:9.5", "--stop-after", "6"])
            .run()
            .expect_success();
        println!("{packaging:?}");
        let start = outcome.named("seek_start");
        assert_eq!(start.len(), 1, "{outcome}");
        assert_eq!(start[0]["buffered"], true, "{outcome}");
        let end = outcome.named("seek_end");
        assert_eq!(end.len(), 1, "{outcome}");
        let wanted = ((9_500.0 - grid(&outcome, &title)) / FRAME_MS).floor();
        let landed = (ms(end[0], "position_ms") - grid(&outcome, &title)) / FRAME_MS;
        assert!((landed - wanted).abs() < 0.05, "frame {wanted} covers 9.5 s, not {landed}: {outcome}");
        assert!(ms(end[0], "took_ms") < 1_000.0, "{outcome}");
        let shown = frames_shown(&outcome, &title);
        assert!(shown.contains(&(wanted as usize)), "{outcome}");
        assert_eq!(fetched_twice(&origin), Vec::<String>::new(), "{outcome}");
    }
}

/// Back to what was played already, and on to the end.
#[test]
fn seeking_back_shows_the_past_again() {
    let title = title(Packaging::DashNumber);
    let origin = Origin::start(title.site());
    let outcome = Sluice::unpaced(&origin.url(title.entry))
        .args(&["--lock", "180", "--seek-at", "12:2"])
        .run()
        .expect_success();
    let shown = frames_shown(&outcome, &title);
    let jump = shown.windows(2).position(|pair| pair[1] < pair[0]).map(|at| at + 1);
    let jump = jump.unwrap_or_else(|| panic!("never went back: {outcome}"));
    assert_eq!(shown[jump], 50, "{outcome}");
    assert_eq!(shown[jump..], (50..title.frames()).collect::<Vec<_>>(), "{outcome}");
}

/// Beyond the end is the end; before the start is the start.
#[test]
fn seeks_are_clamped() {
    let title = title(Packaging::DashNumber);
    let origin = Origin::start(title.site());
    let outcome = Sluice::unpaced(&origin.url(title.entry))
        .args(&["--lock", "180", "--seek-at", "1:100000"])
        .run()
        .expect_success();
    assert_eq!(outcome.summary["outcome"], "ended", "{outcome}");
}

#[test]
fn a_pause_holds_the_picture() {
    let title = Film::ladder(6).package(Packaging::DashNumber);
    let origin = Origin::start(title.site());
    let outcome = Sluice::paced(&origin.url(title.entry))
        .args(&["--lock", "180", "--pause-at", "2:2", "--stop-after", "7"])
        .run()
        .expect_success();
    let (paused, resumed) = (outcome.named("paused"), outcome.named("resumed"));
    assert_eq!((paused.len(), resumed.len()), (1, 1), "{outcome}");
    let (from, to) = (ms(paused[0], "t_ms"), ms(resumed[0], "t_ms"));
    assert!((1_900.0..2_300.0).contains(&(to - from)), "held for {} ms: {outcome}", to - from);
    let held = outcome.frames.iter().filter(|frame| frame.t_ms > from + 60.0 && frame.t_ms < to).count();
    assert_eq!(held, 0, "{held} frames were shown during the pause: {outcome}");
    let shown = frames_shown(&outcome, &title);
    assert!(shown.windows(2).all(|pair| pair[1] > pair[0]), "{outcome}");
    // The frame that ends the pause may be logged a moment before the event.
    let before = outcome.frames.iter().filter(|frame| frame.t_ms < to - 20.0).count();
    let (last, next) = (shown[before - 1], first_frame_after(&outcome, &title, to - 20.0));
    assert!((1..=3).contains(&(next - last)), "goes on at {next} after {last}: {outcome}");
}

#[test]
fn playback_begins_where_asked() {
    for packaging in [Packaging::DashTimeline, Packaging::HlsFmp4] {
        let title = title(packaging);
        let origin = Origin::start(title.site());
        let outcome = Sluice::unpaced(&origin.url(title.entry))
            .args(&["--lock", "180", "--start-at", "21.01"])
            .run()
            .expect_success();
        let shown = frames_shown(&outcome, &title);
        assert_eq!(shown, (525..title.frames()).collect::<Vec<_>>(), "{packaging:?}: {outcome}");
        let early = origin.count("-002.m4s");
        assert_eq!(early, 0, "{packaging:?}: fetched what comes before the start");
    }
}

#[test]
fn playback_stops_when_asked() {
    let title = title(Packaging::DashNumber);
    let origin = Origin::start(title.site());
    let outcome = Sluice::paced(&origin.url(title.entry))
        .args(&["--lock", "180", "--stop-after", "2"])
        .run()
        .expect_success();
    assert_eq!(outcome.summary["outcome"], "stopped", "{outcome}");
    let seconds = outcome.wall.as_secs_f64();
    assert!((2.0..5.0).contains(&seconds), "{seconds} s: {outcome}");
}
