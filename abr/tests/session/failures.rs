//! What happens when the world fails: every scenario ends in recovery or one typed error.

use crate::support::*;
use abr::presentation::{AdaptationSet, ContentType, Presentation, RepresentationKey};
use abr::protocol::{Event, FailureKind, Fetch, Input, Output, Resource};
use abr::segments::Segment;
use abr::session::Config;
use abr::sim::origin::{Answer, Fate, failing, whole};
use std::time::Duration;

/// The segment that a request is for.
fn segment(fetch: &Fetch) -> Option<(RepresentationKey, Segment)> {
    match fetch.resource {
        Resource::Segment { representation, segment } => Some((representation, segment)),
        _ => None,
    }
}

fn is_video(fetch: &Fetch, number: u64) -> bool {
    segment(fetch).is_some_and(|(key, segment)| key.adaptation_set == 0 && segment.number == number)
}

/// Answers as usual, except where `fate` says otherwise.
fn but(fate: impl Fn(&Fetch) -> Option<Fate>) -> impl FnMut(&Presentation, &Fetch) -> Answer {
    move |presentation, fetch| {
        let answer = whole(presentation, fetch);
        match fate(fetch) {
            Some(fate) => Answer { fate, ..answer },
            None => answer,
        }
    }
}

/// One minute over 6 Mbit/s from an origin that fails as `fate` says.
fn play_but(fate: impl Fn(&Fetch) -> Option<Fate>) -> Play {
    play_against(plain(), constant(6000), but(fate))
}

fn gaps(play: &Play) -> usize {
    play.count(|event| matches!(event, Event::Gap { .. }))
}

#[test]
fn a_segment_missing_in_one_rung_comes_from_another() {
    for kind in [
        FailureKind::Status(404),
        FailureKind::Status(403),
        FailureKind::WrongContent,
        FailureKind::Redirects,
    ] {
        let play = play_but(|fetch| {
            let (key, _) = segment(fetch).filter(|_| is_video(fetch, 6))?;
            (key.representation >= 3).then_some(Fate::Fails(kind, 0))
        });
        play.assert_ended();
        assert_eq!((gaps(&play), play.summary.stalls), (0, 0), "{kind:?}");
        assert_eq!(play.appends(ContentType::Video).len(), 15);
        let most = if kind == FailureKind::WrongContent { 7 } else { 4 };
        assert!(play.fetches().filter(|(_, f)| is_video(f, 6)).count() <= most, "{kind:?}");
    }
}

#[test]
fn a_segment_missing_everywhere_is_skipped() {
    for kind in [
        FailureKind::Status(404),
        FailureKind::Status(500),
        FailureKind::WrongContent,
        FailureKind::Malformed,
        FailureKind::Truncated,
    ] {
        let play = play_against(
            plain(),
            constant(20_000),
            but(|fetch| is_video(fetch, 6).then_some(Fate::Fails(kind, 0))),
        );
        play.assert_ended();
        assert_eq!(gaps(&play), 1, "{kind:?}");
        assert_eq!(play.appends(ContentType::Video).len(), 14);
        assert_eq!(play.summary.stalls, 0, "{kind:?}");
        let attempts = play.fetches().filter(|(_, f)| is_video(f, 6)).count();
        assert!(attempts <= 18, "{kind:?}: {attempts}");
        assert_eq!(play.rungs().last(), Some(&5), "{kind:?}: excluded rungs come back");
    }
}

/// The last video segment before the hole is still on its way to the queue when the next one fails.
#[test]
fn one_bad_segment_condemns_no_representation() {
    for kind in [
        FailureKind::Status(404),
        FailureKind::Status(403),
        FailureKind::Redirects,
        FailureKind::Forbidden,
        FailureKind::WrongContent,
    ] {
        for (kbps, number) in [(1_000_000, 4), (1_000_000, 1), (2_000, 4), (2_000, 1), (6_000, 15)] {
            let play = play_against(
                plain(),
                constant(kbps),
                but(|fetch| is_video(fetch, number).then_some(Fate::Fails(kind, 0))),
            );
            play.assert_ended();
            assert_eq!(gaps(&play), 1, "{kind:?} {kbps} {number}");
            assert_eq!(play.appends(ContentType::Video).len(), 14, "{kind:?} {kbps} {number}");
            let most = if kind == FailureKind::WrongContent { 12 } else { 6 };
            assert_eq!(play.fetches().filter(|(_, f)| is_video(f, number)).count(), most, "{kind:?}");
            let failed = play.inputs.iter().filter(|(_, i)| matches!(i, Input::FetchFailed { .. })).count();
            assert_eq!(failed, most, "{kind:?} {kbps} {number}");
        }
    }
}

#[test]
fn strange_answers_are_asked_for_once_more_at_the_same_place() {
    let play = play_against(
        two_hosts(),
        constant(6000),
        but(|fetch| {
            (is_video(fetch, 6) && fetch.attempt == 0).then_some(Fate::Fails(FailureKind::WrongContent, 0))
        }),
    );
    play.assert_ended();
    assert_eq!(gaps(&play), 0);
    let asked: Vec<u32> = play.fetches().filter(|(_, f)| is_video(f, 6)).map(|(_, f)| f.location).collect();
    assert_eq!(asked, [0, 0]);
}

#[test]
fn a_title_without_segments_ends_with_the_reason() {
    let cases = [
        (FailureKind::Status(404), 2004),
        (FailureKind::Redirects, 2009),
        (FailureKind::WrongContent, 2008),
        (FailureKind::Forbidden, 2006),
    ];
    for (kind, code) in cases {
        let play = play_but(|fetch| segment(fetch).is_some().then_some(Fate::Fails(kind, 0)));
        assert_eq!(play.fatal(), code);
        assert!(play.now < at(15_000), "{kind:?}: {:?}", play.now);
        let video =
            play.fetches().filter(|(_, f)| segment(f).is_some_and(|(key, _)| key.adaptation_set == 0));
        assert!(video.count() <= 5 * 6 * 2, "{kind:?}");
    }
}

#[test]
fn what_is_queued_is_played_before_a_fatal_error() {
    let play = play_against(
        plain(),
        constant(20_000),
        but(|fetch| {
            let (_, segment) = segment(fetch)?;
            (segment.number > 5).then_some(Fate::Fails(FailureKind::Status(404), 0))
        }),
    );
    assert_eq!(play.fatal(), 2004);
    assert_eq!(play.appends(ContentType::Video).len(), 5);
    assert!(play.now >= at(19_900) && play.now < at(25_000), "{:?}", play.now);
    assert_eq!(play.summary.stalls, 0);
}

#[test]
fn wishes_hold_after_failures() {
    let heights = |config: Config, fate: &dyn Fn(&Fetch) -> Option<Fate>| {
        let mut origin = but(fate);
        let play = scenario(Scenario { config, origin: &mut origin, ..scenario_of(plain(), constant(9000)) });
        play.assert_ended();
        assert_eq!(gaps(&play), 0);
        play.rungs().into_iter().map(|rung| LADDER[rung as usize].1).collect::<Vec<u32>>()
    };
    let missing = |fetch: &Fetch, heights: &[u32], numbers: &[u64]| {
        let (key, segment) = segment(fetch).filter(|(key, _)| key.adaptation_set == 0)?;
        let height = LADDER[key.representation as usize].1;
        (heights.contains(&height) && numbers.contains(&segment.number))
            .then_some(Fate::Fails(FailureKind::Status(404), 0))
    };
    let between = Config { min_height: 360, max_height: 480, ..Config::default() };
    let shown = heights(between.clone(), &|fetch| missing(fetch, &[480], &[4]));
    assert!(shown.iter().all(|height| [360, 480].contains(height)), "{shown:?}");
    // Neither is there for segment 4, and each of them fails once more.
    let shown = heights(between, &|fetch| {
        missing(fetch, &[360, 480], &[4])
            .or_else(|| missing(fetch, &[480], &[6]))
            .or_else(|| missing(fetch, &[360], &[7]))
    });
    assert_eq!(shown[3], 240, "{shown:?}");
    let others = shown.iter().enumerate().filter(|(place, _)| *place != 3);
    assert!(others.clone().all(|(_, height)| [360, 480].contains(height)), "{shown:?}");
    let locked = Config { lock_height: Some(720), ..Config::default() };
    let shown = heights(locked, &|fetch| missing(fetch, &[720], &[4]));
    assert_eq!(shown[3], 540, "{shown:?}");
    assert!(shown.iter().enumerate().all(|(place, height)| place == 3 || *height == 720), "{shown:?}");
}

#[test]
fn passing_failures_lose_nothing() {
    for kind in [
        FailureKind::Status(503),
        FailureKind::Status(429),
        FailureKind::Truncated,
        FailureKind::Connect,
        FailureKind::Malformed,
    ] {
        let times = if kind == FailureKind::Malformed { 1 } else { 2 };
        let play = play_but(|fetch| {
            (is_video(fetch, 6) && fetch.attempt < times).then_some(Fate::Fails(kind, 1000))
        });
        play.assert_ended();
        assert_eq!((gaps(&play), play.summary.stalls), (0, 0), "{kind:?}");
    }
}

#[test]
fn the_first_segment_may_fail_too() {
    let play = play_but(|fetch| {
        (segment(fetch).is_some() && fetch.attempt == 0 && fetch.id.0 < 8)
            .then_some(Fate::Fails(FailureKind::Truncated, 100))
    });
    play.assert_ended();
    assert!(play.summary.startup_ms.unwrap() < 2000);
}

#[test]
fn a_body_that_stands_still_is_given_up_for_a_lower_rung() {
    let play = play_but(|fetch| {
        let (key, _) = segment(fetch).filter(|_| is_video(fetch, 3))?;
        (key.representation > 0).then_some(Fate::Stands(50_000))
    });
    play.assert_ended();
    assert_eq!(gaps(&play), 0);
    let stalled = play.summary.stall_ms;
    assert!(stalled < 6000, "{:?}", play.summary);
}

#[test]
fn headers_that_never_come_end_at_the_timeout() {
    let asked = std::cell::Cell::new(false);
    let play = play_but(|fetch| (is_video(fetch, 8) && !asked.replace(true)).then_some(Fate::Stands(0)));
    play.assert_ended();
    assert_eq!((gaps(&play), play.summary.stalls), (0, 0));
}

#[test]
fn an_unreachable_server_is_a_typed_error_within_seconds() {
    let play = play_but(|_| Some(Fate::Fails(FailureKind::Connect, 0)));
    assert_eq!(play.fatal(), 2001);
    assert_eq!(play.fetches().count(), 3, "three attempts at the manifest");
    assert!(play.now < at(10_000));

    let segments = play_but(|fetch| segment(fetch).is_some().then_some(Fate::Fails(FailureKind::Connect, 0)));
    assert_eq!(segments.fatal(), 2001);
    assert!(segments.now < at(15_000), "{:?}", segments.now);
}

#[test]
fn a_manifest_that_cannot_be_read_is_a_typed_error() {
    let cases = [
        (FailureKind::Status(404), 2004, 1),
        (FailureKind::Status(500), 2004, 3),
        (FailureKind::Timeout, 2002, 3),
        (FailureKind::Malformed, 3002, 2),
        (FailureKind::WrongContent, 2008, 1),
        (FailureKind::Certificate, 2005, 1),
        (FailureKind::Unsupported, 3003, 1),
    ];
    for (kind, code, attempts) in cases {
        let play = play_against(plain(), constant(6000), move |_: &Presentation, _: &Fetch| failing(kind));
        assert_eq!(play.fatal(), code);
        assert_eq!(play.fetches().count(), attempts, "{kind:?}");
        assert!(play.now < at(10_000));
    }
    let twice = play_but(|fetch| {
        (fetch.resource == Resource::Presentation && fetch.attempt < 2)
            .then_some(Fate::Fails(FailureKind::Status(503), 0))
    });
    twice.assert_ended();
}

#[test]
fn an_index_that_cannot_be_had_drops_its_rung() {
    let mut origin = but(|fetch| match fetch.resource {
        Resource::Index(key) if key.adaptation_set == 0 && matches!(key.representation, 1 | 5) => {
            Some(Fate::Fails(FailureKind::Status(404), 0))
        }
        _ => None,
    });
    let play = scenario(Scenario {
        pending_indexes: true,
        origin: &mut origin,
        ..scenario_of(plain(), constant(9000))
    });
    play.assert_ended();
    assert_eq!(gaps(&play), 0);
    assert!(play.rungs().iter().all(|rung| ![1, 5].contains(rung)), "{:?}", play.rungs());
    let mut origin = but(|fetch| {
        matches!(fetch.resource, Resource::Index(_)).then_some(Fate::Fails(FailureKind::Status(404), 0))
    });
    let play = scenario(Scenario {
        pending_indexes: true,
        origin: &mut origin,
        ..scenario_of(plain(), constant(9000))
    });
    assert_eq!(play.fatal(), 2004);
    assert!(play.now < at(10_000));
}

#[test]
fn an_initialization_segment_that_cannot_be_had_drops_its_rung() {
    let play = play_but(|fetch| match fetch.resource {
        Resource::Init { representation, .. }
            if representation.adaptation_set == 0 && representation.representation < 3 =>
        {
            Some(Fate::Fails(FailureKind::Status(404), 0))
        }
        _ => None,
    });
    play.assert_ended();
    assert!(play.rungs().iter().all(|rung| *rung >= 3));
    assert_eq!(play.appends(ContentType::Video).len(), 15);
}

#[test]
fn malformed_bytes_are_fetched_once_more_then_elsewhere() {
    let play = play_but(|fetch| {
        let (key, _) = segment(fetch).filter(|_| is_video(fetch, 6))?;
        (key.representation == 5).then_some(Fate::Refused { malformed: true })
    });
    play.assert_ended();
    assert_eq!((gaps(&play), play.summary.stalls), (0, 0));
    assert_eq!(play.outputs.iter().filter(|(_, o)| matches!(o, Output::EndOfTrack(_))).count(), 2);
}

#[test]
fn garbage_everywhere_is_skipped_and_garbage_only_is_fatal() {
    let one = play_against(
        plain(),
        constant(20_000),
        but(|fetch| is_video(fetch, 6).then_some(Fate::Refused { malformed: true })),
    );
    one.assert_ended();
    assert_eq!(gaps(&one), 1);
    let all = play_against(
        plain(),
        constant(20_000),
        but(|fetch| {
            let (key, _) = segment(fetch)?;
            (key.adaptation_set == 0).then_some(Fate::Refused { malformed: true })
        }),
    );
    assert_eq!(all.fatal(), 3004);
    assert!(all.now < at(20_000), "{:?}", all.now);
}

#[test]
fn an_unknown_codec_is_avoided_for_good() {
    let play = play_but(|fetch| {
        let (key, _) = segment(fetch)?;
        (key.adaptation_set == 0 && key.representation >= 2).then_some(Fate::Refused { malformed: false })
    });
    play.assert_ended();
    assert_eq!(gaps(&play), 0);
    assert!(play.rungs().iter().filter(|rung| **rung >= 2).count() <= 4);
    let none = play_but(|fetch| {
        let (key, _) = segment(fetch)?;
        (key.adaptation_set == 0).then_some(Fate::Refused { malformed: false })
    });
    assert_eq!(none.fatal(), 4005);
    assert!(none.now < at(10_000), "{:?}", none.now);
}

#[test]
fn encrypted_samples_need_a_key() {
    let encrypted = |set: u32, from: u64| {
        but(move |fetch| {
            let (key, segment) = segment(fetch)?;
            (key.adaptation_set == set && segment.number >= from).then_some(Fate::Encrypted)
        })
    };
    let all = play_against(plain(), constant(6000), encrypted(0, 1));
    assert_eq!(all.fatal(), 6004);
    assert_eq!(all.segment_requests(ContentType::Video), 2, "one was asked for while one was refused");
    // A clear beginning is played.
    let later = play_against(plain(), constant(6000), encrypted(0, 4));
    assert_eq!(later.fatal(), 6004);
    assert!(later.now >= at(12_000), "{:?}", later.now);
    // The same codecs in the clear are used.
    let presentation = title(vec![period(0, 60, vec![video(0, 60), video(0, 60), audio(0, 60)])]);
    let other = play_against(presentation, constant(6000), encrypted(0, 1));
    other.assert_ended();
    assert!(other.appends(ContentType::Video).iter().skip(1).all(|(key, _)| key.adaptation_set == 1));
}

#[test]
fn another_set_is_used_when_one_cannot_be_decoded() {
    let mut first = video(0, 60);
    for representation in &mut first.representations {
        representation.codecs = "hvc1.1.6.L93.B0".to_owned();
    }
    let presentation = title(vec![period(0, 60, vec![first, video(0, 60), audio(0, 60)])]);
    let play = play_against(
        presentation,
        constant(6000),
        but(|fetch| {
            let (key, _) = segment(fetch)?;
            (key.adaptation_set == 0).then_some(Fate::Refused { malformed: false })
        }),
    );
    play.assert_ended();
    let keys = play.appends(ContentType::Video);
    assert_eq!(keys.iter().filter(|(key, _)| key.adaptation_set == 1).count(), 15, "{keys:?}");
}

#[test]
fn audio_that_fails_leaves_the_picture() {
    for fate in [
        Fate::Fails(FailureKind::Status(404), 0),
        Fate::Refused { malformed: false },
        Fate::Refused { malformed: true },
    ] {
        let play = play_but(|fetch| {
            let (key, _) = segment(fetch)?;
            (key.adaptation_set == 1).then(|| fate.clone())
        });
        play.assert_ended();
        assert_eq!(play.appends(ContentType::Video).len(), 15, "{fate:?}");
        assert!(
            play.count(
                |e| matches!(e, Event::Error(error) if error.severity == abr::error::Severity::Warning)
            ) >= 1
        );
    }
}

fn two_hosts() -> Presentation {
    let mut presentation = plain();
    let sets: &mut [AdaptationSet] = &mut presentation.periods[0].adaptation_sets;
    for representation in sets.iter_mut().flat_map(|set| &mut set.representations) {
        representation.locations = 2;
    }
    presentation
}

#[test]
fn a_dead_host_is_left_for_another() {
    for kind in [FailureKind::Connect, FailureKind::Status(503), FailureKind::Status(404)] {
        let play = play_against(
            two_hosts(),
            constant(6000),
            but(|fetch| {
                (fetch.location == 0 && fetch.resource != Resource::Presentation)
                    .then_some(Fate::Fails(kind, 0))
            }),
        );
        play.assert_ended();
        assert_eq!((gaps(&play), play.summary.stalls), (0, 0), "{kind:?}");
        assert!(play.summary.startup_ms.unwrap() < 1500, "{kind:?} {:?}", play.summary);
        let failed = play.inputs.iter().filter(|(_, i)| matches!(i, Input::FetchFailed { .. })).count();
        assert!(kind == FailureKind::Status(404) || failed < 8, "{kind:?}: {failed}");
    }
}

#[test]
fn an_outage_in_the_middle_is_survived() {
    // Connections are refused for 20 s from the 10th second on.
    let mut clock = 0;
    let refused = |fetch: &Fetch| segment(fetch).is_some_and(|(_, s)| s.number == 8) && fetch.attempt < 3;
    let play = play_against(plain(), constant(3000), |presentation: &Presentation, fetch: &Fetch| {
        let answer = whole(presentation, fetch);
        clock += u32::from(refused(fetch));
        let fate =
            if refused(fetch) && clock < 40 { Fate::Fails(FailureKind::Connect, 0) } else { Fate::Whole };
        Answer { fate, ..answer }
    });
    play.assert_ended();
    assert_eq!(gaps(&play), 0, "nothing is skipped in an outage");
    assert_eq!(play.appends(ContentType::Video).len(), 15);
}

#[test]
fn a_server_that_dies_is_reported_and_in_the_end_fatal() {
    let play = play_but(|fetch| {
        segment(fetch).is_some_and(|(_, s)| s.number >= 3).then_some(Fate::Fails(FailureKind::Connect, 0))
    });
    assert_eq!(play.fatal(), 2001);
    let limit = Duration::from_secs(8) + Config::default().reconnect + Duration::from_secs(5);
    assert!(play.now < at(limit.as_millis() as u64), "{:?}", play.now);
    let seconds = play.now.as_millis() as usize / 1000;
    assert!(play.fetches().count() < 20 * seconds, "{} requests", play.fetches().count());
}

#[test]
fn gaps_in_the_index_are_crossed() {
    let mut presentation = plain();
    for representation in &mut presentation.periods[0].adaptation_sets[0].representations {
        if let abr::segments::SegmentIndex::Known(runs) = &mut representation.index {
            let run = runs.runs[0];
            let part = |number: u64, count, gap| abr::segments::Run {
                number,
                count,
                gap,
                start: (number as i64 - 1) * 4000,
                ..run
            };
            runs.runs = vec![part(1, 5, false), part(6, 2, true), part(8, 8, false)];
        }
    }
    let play = play(presentation, constant(6000));
    play.assert_ended();
    assert_eq!(play.appends(ContentType::Video).len(), 13);
    assert_eq!((gaps(&play), play.summary.stalls), (2, 0));
}

#[test]
fn a_manifest_without_tracks_is_a_typed_error() {
    let play = play(title(vec![period(0, 10, vec![])]), constant(6000));
    assert_eq!(play.fatal(), 4005);
}
