//! What actions do, without a window.

use super::*;
use crate::ui::action::RateChange;
use crate::ui::keys::{BINDINGS, resolve};
use abr::error::{Code, Error};
use proptest::prelude::*;

/// A title of 100 s at 10 s, playing 720p of three renditions.
pub(crate) fn status() -> Status {
    let rendition = |representation: u32, height: u32, bandwidth_bps: u64| Rendition {
        key: RepresentationKey { period: 0, adaptation_set: 0, representation },
        id: height.to_string(),
        width: height * 16 / 9,
        height,
        bandwidth_bps,
        codecs: "avc1.64001f".into(),
        frame_rate: 30.0,
    };
    Status {
        title: "cdn.example/title.mpd".into(),
        protocol: "DASH",
        phase: Phase::Playing,
        position: MediaTime::from_millis(10_000),
        duration: Some(Duration::from_secs(100)),
        buffered_to: MediaTime::from_millis(22_000),
        current: Some(RepresentationKey { period: 0, adaptation_set: 0, representation: 1 }),
        renditions: vec![
            rendition(0, 360, 600_000),
            rendition(1, 720, 2_000_000),
            rendition(2, 1080, 4_500_000),
        ],
        locked_height: None,
        throughput_bps: Some(5_000_000),
        presented: 300,
        dropped: 0,
        switches: 1,
        stalls: 0,
        stalled: Duration::ZERO,
        startup: Some(Duration::from_millis(230)),
        bytes: 4_000_000,
        av_offset_ms: Some(-3.0),
        controller: "hybrid".into(),
        decision: None,
        requests: Vec::new(),
        waiting: None,
        notice: None,
        volume: 0.8,
        muted: false,
        tracks: crate::status::Tracks::default(),
    }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn sent(effects: &[Effect]) -> Vec<Command> {
    let session = |effect: &Effect| match effect {
        Effect::Send(UiCommand::Session(command)) => Some(*command),
        _ => None,
    };
    effects.iter().filter_map(session).collect()
}

#[test]
fn seeks_add_up_before_the_status_follows() {
    let (mut view, status) = (View::default(), status());
    assert_eq!(
        sent(&view.apply(Action::Skip(5), &status, ms(0))),
        [Command::Seek(MediaTime::from_millis(15_000))]
    );
    assert_eq!(
        sent(&view.apply(Action::Skip(5), &status, ms(100))),
        [Command::Seek(MediaTime::from_millis(20_000))]
    );
    assert_eq!(view.toast(ms(200)), Some("+5 s   0:20"));
    // Long after, the status is right.
    assert_eq!(sent(&view.apply(Action::Skip(-60), &status, ms(5_000))), [Command::Seek(MediaTime::ZERO)]);
    assert_eq!(
        sent(&view.apply(Action::Jump(3), &status, ms(9_000))),
        [Command::Seek(MediaTime::from_millis(30_000))]
    );
    assert_eq!(
        sent(&view.apply(Action::End, &status, ms(9_000))),
        [Command::Seek(MediaTime::from_millis(99_000))]
    );
    assert!(sent(&view.apply(Action::Live, &status, ms(9_000))).is_empty(), "not a broadcast");
    let broadcast = Status { duration: None, ..status };
    for action in [Action::Live, Action::End] {
        assert_eq!(sent(&view.apply(action, &broadcast, ms(9_000))), [Command::GoLive]);
    }
}

#[test]
fn pause_toggles_and_the_end_starts_over() {
    let (mut view, mut status) = (View::default(), status());
    assert_eq!(sent(&view.apply(Action::TogglePause, &status, ms(0))), [Command::Pause]);
    assert_eq!(sent(&view.apply(Action::TogglePause, &status, ms(50))), [Command::Play]);
    status.phase = Phase::Paused;
    assert_eq!(sent(&view.apply(Action::TogglePause, &status, ms(5_000))), [Command::Play]);
    status.phase = Phase::Ended;
    let again = sent(&view.apply(Action::TogglePause, &status, ms(9_000)));
    assert_eq!(again, [Command::Seek(MediaTime::ZERO), Command::Play]);
}

#[test]
fn volume_goes_in_steps_and_ends_muting() {
    let (mut view, mut status) = (View::default(), status());
    status.muted = true;
    let effects = view.apply(Action::Volume(5), &status, ms(0));
    assert_eq!(effects, [Effect::Send(UiCommand::Volume(0.85)), Effect::Send(UiCommand::Mute(false))]);
    assert_eq!(view.apply(Action::Volume(5), &status, ms(10)), [Effect::Send(UiCommand::Volume(0.9))]);
    view.apply(Action::SetVolume(f64::NAN), &status, ms(20));
    for step in 0..40 {
        view.apply(Action::Volume(-5), &status, ms(30 + step));
    }
    assert_eq!(view.volume(&status, ms(100)), 0.0);
    assert_eq!(view.apply(Action::Mute, &status, ms(5_000)), [Effect::Send(UiCommand::Mute(false))]);
}

#[test]
fn quality_by_menu_and_by_step() {
    let (mut view, mut status) = (View::default(), status());
    view.apply(Action::QualityMenu, &status, ms(0));
    assert_eq!((view.menu(), view.context()), (Some(0), Context::Menu));
    for _ in 0..9 {
        view.apply(Action::Move(1), &status, ms(0));
    }
    assert_eq!(view.menu(), Some(3));
    view.apply(Action::Move(-1), &status, ms(0));
    assert_eq!(sent(&view.apply(Action::Choose, &status, ms(0))), [Command::LockHeight(Some(720))]);
    assert_eq!(view.menu(), None);
    status.locked_height = Some(720);
    view.apply(Action::QualityMenu, &status, ms(0));
    assert_eq!(view.menu(), Some(2));
    assert_eq!(sent(&view.apply(Action::QualityStep(1), &status, ms(0))), [Command::LockHeight(Some(1080))]);
    assert_eq!(sent(&view.apply(Action::QualityStep(-1), &status, ms(0))), [Command::LockHeight(Some(360))]);
    assert_eq!(sent(&view.apply(Action::Quality(None), &status, ms(0))), [Command::LockHeight(None)]);
    status.renditions.clear();
    assert_eq!(view.apply(Action::QualityStep(1), &status, ms(0)), []);
}

#[test]
fn escape_closes_one_thing_at_a_time() {
    let (mut view, status) = (View::default(), status());
    for action in [Action::Fullscreen, Action::Statistics, Action::QualityMenu] {
        view.apply(action, &status, ms(0));
    }
    assert_eq!(view.apply(Action::Back, &status, ms(0)), []);
    assert_eq!((view.menu(), view.page()), (None, Some(1)));
    assert_eq!(view.apply(Action::Back, &status, ms(0)), []);
    assert_eq!(view.page(), None);
    assert_eq!(view.apply(Action::Back, &status, ms(0)), [Effect::Fullscreen(false)]);
    assert_eq!(view.apply(Action::Back, &status, ms(0)), []);
}

#[test]
fn waiting_is_shown_late_and_explained_later() {
    let (mut view, mut status) = (View::default(), status());
    status.phase = Phase::Stalled;
    status.waiting = Some("Waiting for cdn.example".into());
    view.observe(&status, ms(1_000));
    view.observe(&status, ms(1_100));
    assert_eq!(view.waiting(&status, ms(1_399)), None);
    assert_eq!(view.next_change(ms(1_100)), Some(ms(1_400)));
    assert_eq!(view.waiting(&status, ms(1_400)), Some(Waiting::Spinner));
    assert_eq!(view.waiting(&status, ms(4_000)), Some(Waiting::Explained("Waiting for cdn.example".into())));
    status.phase = Phase::Playing;
    view.observe(&status, ms(4_100));
    assert_eq!(view.waiting(&status, ms(9_000)), None);
}

#[test]
fn switches_and_warnings_are_said_once() {
    let (mut view, mut status) = (View::default(), status());
    view.observe(&status, ms(0));
    assert_eq!(view.toast(ms(1)), None);
    status.current = Some(status.renditions[2].key);
    view.observe(&status, ms(100));
    assert_eq!(view.toast(ms(200)), Some("720p → 1080p"));
    let silent = Error::new(Severity::Warning, Code::NoAudioDevice, "No sound device is usable.");
    status.notice = Some((ms(150), silent));
    view.observe(&status, ms(2_000));
    assert_eq!(view.toast(ms(6_900)), Some("No sound device is usable."));
    view.observe(&status, ms(8_000));
    assert_eq!(view.toast(ms(8_001)), None);
}

#[test]
fn controls_come_and_go() {
    let (mut view, mut status) = (View::default(), status());
    assert!(!view.controls(&status, ms(0)));
    view.touch(ms(100));
    assert!(view.controls(&status, ms(3_000)) && !view.controls(&status, ms(3_100)));
    view.touch(ms(4_000));
    view.leave();
    assert!(!view.controls(&status, ms(4_001)));
    status.phase = Phase::Ended;
    assert!(view.controls(&status, ms(9_000)));
    view.apply(Action::Rate(RateChange::Faster), &status, ms(0));
    assert_eq!(view.rate(), 1.25);
}

proptest! {
    /// Any keys in any order: nothing panics, and what is sent stays in range.
    #[test]
    fn any_keys_in_any_order(presses in proptest::collection::vec((0..BINDINGS.len(), 0u64..2_000), 0..80),
                             known: bool) {
        let (mut view, mut status) = (View::default(), status());
        if !known {
            status.duration = None;
            status.renditions.clear();
        }
        let mut now = Duration::ZERO;
        for (binding, pause) in presses {
            now += ms(pause);
            let Some(action) = resolve(BINDINGS[binding].chords[0], view.context()) else { continue };
            for effect in view.apply(action, &status, now) {
                match effect {
                    Effect::Send(UiCommand::Volume(v)) => prop_assert!((0.0..=1.0).contains(&v)),
                    Effect::Send(UiCommand::Session(Command::Rate(r))) => prop_assert!((0.25..=2.0).contains(&r)),
                    Effect::Send(UiCommand::Session(Command::Seek(to))) => {
                        prop_assert!(to >= MediaTime::ZERO);
                        prop_assert!(!known || to <= MediaTime::from_millis(100_000));
                    }
                    _ => {}
                }
            }
            prop_assert!(view.next_change(now).is_none_or(|at| at > now));
        }
    }
}
