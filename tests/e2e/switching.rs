//! A link that falls from 6 to 1 Mbit/s and recovers, and a quality lock that comes and goes.

use crate::check::{every_frame_accounted_for, every_frame_once};
use tests::content::{Film, Packaging, Title};
use tests::origin::Origin;
use tests::shaping::Link;
use tests::sluice::{Outcome, Sluice};

/// Twenty segments of two seconds.
pub(crate) fn long_film() -> Film {
    Film::ladder(20)
}

/// Seconds from the first request, bits per second.
pub(crate) const FALL_AND_RISE: [(f64, u64); 3] = [(0.0, 6_000_000), (8.0, 1_000_000), (20.0, 6_000_000)];

/// Wanted of a session over [`FALL_AND_RISE`]: at most one stall, a way down, and the top at the end.
pub(crate) fn check_fall_and_rise(outcome: &Outcome, title: &Title) {
    every_frame_accounted_for(outcome, title);
    assert!(outcome.sum("stalls") <= 1, "{outcome}");
    let heights = outcome.heights();
    println!("heights {heights:?}, {} stalls, {} ms", outcome.sum("stalls"), outcome.sum("stall_ms"));
    assert!(heights.windows(2).any(|pair| pair[1] < pair[0]), "never went down: {outcome}");
    assert_eq!(heights.last(), Some(&720), "did not return to the top: {outcome}");
}

fn falls_and_rises(packaging: Packaging) {
    let title = long_film().package(packaging);
    let origin = Origin::start(title.site().link(Link::steps(&FALL_AND_RISE)));
    let outcome = Sluice::paced(&origin.url(title.entry)).run().expect_success();
    check_fall_and_rise(&outcome, &title);
}

#[test]
fn dash_survives_a_fall_of_the_link() {
    falls_and_rises(Packaging::DashTimeline);
}

#[test]
fn hls_survives_a_fall_of_the_link() {
    falls_and_rises(Packaging::HlsFmp4);
}

/// Switches by hand are exact: every frame once, whatever rendition it comes from.
#[test]
fn a_lock_comes_and_goes() {
    for packaging in [Packaging::DashNumber, Packaging::HlsTs] {
        let title = long_film().package(packaging);
        let origin = Origin::start(title.site());
        let outcome = Sluice::unpaced(&origin.url(title.entry))
            .args(&["--lock", "180", "--lock-at", "4:540", "--lock-at", "14:180", "--lock-at", "22:auto"])
            .run()
            .expect_success();
        every_frame_once(&outcome, &title);
        let heights = outcome.heights();
        assert_eq!(heights.first(), Some(&180), "{packaging:?} {heights:?}: {outcome}");
        assert!(heights.contains(&540), "{packaging:?} {heights:?}: {outcome}");
        let by_user = outcome.named("switch").iter().filter(|event| event["reason"] == "user").count();
        assert!(by_user >= 2, "{packaging:?}: {outcome}");
    }
}
