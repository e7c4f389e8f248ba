//! Undisturbed playback: start, switching, stalls, seeks, periods, locks, the end.

use crate::support::*;
use abr::presentation::{AdaptationSet, ContentType};
use abr::protocol::{Command, Event, Input, Output, Phase, Reason, Resource};
use abr::session::Config;
use abr::throughput::Prior;
use std::time::Duration;

#[test]
fn a_title_plays_to_its_end_with_every_segment_once() {
    let play = play(plain(), constant(6000));
    play.assert_ended();
    for kind in [ContentType::Video, ContentType::Audio] {
        let starts: Vec<i64> = play.appends(kind).iter().map(|(_, start)| start.as_millis()).collect();
        assert_eq!(starts, (0..15).map(|n| n * 4000).collect::<Vec<_>>(), "{kind:?}");
    }
    assert_eq!(play.summary.stalls, 0);
    let ends = play.outputs.iter().filter(|(_, output)| matches!(output, Output::EndOfTrack(_))).count();
    assert_eq!(ends, 2);
    assert_eq!(play.rungs().last(), Some(&5), "{:?}", play.rungs());
}

#[test]
fn the_start_fetches_everything_at_once() {
    let play = play(plain(), constant(6000));
    let manifest = play.inputs.iter().find(|(_, input)| matches!(input, Input::Presentation(_))).unwrap().0;
    let at_once: Vec<Resource> =
        play.fetches().filter(|(t, _)| *t == manifest).map(|(_, fetch)| fetch.resource).collect();
    assert_eq!(at_once.len(), 4, "{at_once:?}");
    let inits = play.fetches().filter(|(_, f)| matches!(f.resource, Resource::Init { .. })).count();
    let used: std::collections::BTreeSet<_> = play
        .appends(ContentType::Video)
        .iter()
        .chain(&play.appends(ContentType::Audio))
        .map(|(key, _)| *key)
        .collect();
    assert_eq!(inits, used.len(), "one initialization segment per representation");
    // 750 kbit/s for 4 s at 6 Mbit/s, and audio beside it.
    assert!(play.summary.startup_ms.unwrap() < 800, "{:?}", play.summary);
}

#[test]
fn indexes_that_are_not_known_are_fetched_first_and_only_where_needed() {
    let play = scenario(Scenario { pending_indexes: true, ..scenario_of(plain(), constant(6000)) });
    play.assert_ended();
    let before_playing: Vec<_> = play
        .outputs
        .iter()
        .take_while(|(_, output)| !matches!(output, Output::Append { .. }))
        .filter(|(_, output)| matches!(output, Output::Fetch(f) if matches!(f.resource, Resource::Index(_))))
        .collect();
    assert_eq!(before_playing.len(), 2, "one for video, one for audio");
    assert_eq!(play.rungs().last(), Some(&5));
}

#[test]
fn quality_follows_the_network_down_and_up() {
    let presentation = title(vec![period(0, 180, vec![video(0, 180), audio(0, 180)])]);
    let play = play(presentation, steps(&[(45, 6000), (45, 1000), (3600, 6000)]));
    play.assert_ended();
    let rungs = play.rungs();
    assert!(rungs[8..].iter().any(|rung| *rung <= 1), "{rungs:?}");
    assert_eq!(rungs.last(), Some(&5), "{rungs:?}");
    assert!(play.summary.stalls <= 1, "{:?}", play.summary);
}

#[test]
fn a_dead_network_stalls_and_resumes() {
    let play = play(plain(), steps(&[(8, 3000), (60, 0), (3600, 3000)]));
    // The requests time out before the network is back, and playback waits for it.
    assert!(play.count(|event| matches!(event, Event::StallStart { .. })) >= 1);
}

#[test]
fn a_known_network_starts_at_its_rung() {
    let config = Config { prior: Some(Prior { bps: 30_000_000, sigma: 0.2 }), ..Config::default() };
    let play = play_with(plain(), constant(30_000), config, vec![]);
    assert_eq!(play.rungs()[0], 5);
    assert!(play.summary.startup_ms.unwrap() < 1000);
}

#[test]
fn the_buffer_stays_within_its_budgets() {
    let config = Config { buffer_bytes: 4_000_000, ..Config::default() };
    for (config, link) in [(Config::default(), constant(50_000)), (config, constant(50_000))] {
        let bytes = config.buffer_bytes;
        let play = play_with(plain(), link, config, vec![]);
        play.assert_ended();
        assert_eq!(play.summary.stalls, 0);
        for (t, output) in &play.outputs {
            let Output::Fetch(fetch) = output else { continue };
            let Resource::Segment { segment, .. } = fetch.resource else { continue };
            let played = t.as_millis().saturating_sub(play.summary.startup_ms.unwrap());
            assert!(segment.end.as_millis() <= played as i64 + 30_000 + 500, "{t:?} {segment:?}");
        }
        if bytes < 5_000_000 {
            let first = play.fetches().filter(|(t, _)| *t < at(3000)).count();
            assert!(first < 20, "{first}");
        }
    }
}

#[test]
fn a_seek_inside_the_buffer_fetches_nothing_again() {
    let play =
        play_with(plain(), constant(20_000), Config::default(), vec![(6000, Command::Seek(ms(20_500)))]);
    play.assert_ended();
    assert!(
        play.outputs.iter().any(|(_, output)| *output == Output::Seek { to: ms(20_500), buffered: true })
    );
    assert_eq!(play.segment_requests(ContentType::Audio), 15);
    let ends =
        play.count(|event| matches!(event, Event::SeekEnd { position, .. } if *position == ms(20_500)));
    assert_eq!(ends, 1);
    let back = play_with(
        plain(),
        constant(20_000),
        Config::default(),
        vec![(20_000, Command::Seek(ms(500))), (21_000, Command::Seek(ms(45_000)))],
    );
    back.assert_ended();
    assert_eq!(back.segment_requests(ContentType::Audio), 15, "the back buffer is used");
}

#[test]
fn a_seek_outside_the_buffer_starts_at_the_segment_of_its_target() {
    let play = play_with(plain(), constant(6000), Config::default(), vec![(1500, Command::Seek(ms(49_000)))]);
    play.assert_ended();
    let (t, _) =
        play.outputs.iter().find(|(_, o)| *o == Output::Seek { to: ms(49_000), buffered: false }).unwrap();
    let after: Vec<i64> = play
        .outputs
        .iter()
        .filter(|(when, _)| when > t)
        .filter_map(|(_, output)| match output {
            Output::Append { track: ContentType::Video, segment, .. } => Some(segment.start.as_millis()),
            _ => None,
        })
        .collect();
    assert_eq!(after, [48_000, 52_000, 56_000]);
    assert!(play.summary.seek_ms < 2000);
}

#[test]
fn seeks_beyond_the_timeline_are_clamped() {
    let script = vec![(3000, Command::Seek(ms(999_000))), (9000, Command::Seek(ms(-5)))];
    let play = play_with(plain(), constant(6000), Config::default(), script);
    assert_eq!(play.session.phase(), Phase::Ended);
    assert_eq!(play.count(|event| matches!(event, Event::Ended { .. })), 2, "after each seek");
    let targets: Vec<i64> = play
        .outputs
        .iter()
        .filter_map(|(_, output)| match output {
            Output::Seek { to, .. } => Some(to.as_millis()),
            _ => None,
        })
        .collect();
    assert_eq!(targets, [59_900, 0]);
}

#[test]
fn of_many_seeks_the_last_wins() {
    let script = (0..20).map(|n| (2000 + n * 10, Command::Seek(ms(2000 * n as i64)))).collect();
    let play = play_with(plain(), constant(3000), Config::default(), script);
    play.assert_ended();
    let last = play.events().filter_map(|(_, e)| match e {
        Event::SeekEnd { position, .. } => Some(position.as_millis()),
        _ => None,
    });
    assert_eq!(last.last(), Some(38_000));
}

#[test]
fn pause_holds_and_play_resumes() {
    let script = vec![(5000, Command::Pause), (25_000, Command::Play)];
    let play = play_with(plain(), constant(6000), Config::default(), script);
    play.assert_ended();
    assert_eq!(play.count(|event| matches!(event, Event::Paused { .. })), 1);
    assert_eq!(play.count(|event| matches!(event, Event::Resumed { .. })), 1);
    assert_eq!(play.summary.stalls, 0);
    assert!(play.now > at(80_000));
}

#[test]
fn without_autoplay_nothing_runs_until_play() {
    let config = Config { autoplay: false, ..Config::default() };
    let play = play_with(plain(), constant(6000), config, vec![(10_000, Command::Play)]);
    play.assert_ended();
    let playing = play.events().find(|(_, event)| matches!(event, Event::Playing { .. })).unwrap().0;
    assert_eq!(playing, at(10_000));
}

#[test]
fn the_rate_scales_the_end() {
    let play = play_with(plain(), constant(20_000), Config::default(), vec![(0, Command::Rate(2.0))]);
    play.assert_ended();
    assert!(play.now < at(33_000), "{:?}", play.now);
}

#[test]
fn playback_starts_where_it_is_told() {
    let config = Config { start_at: ms(33_000), ..Config::default() };
    let play = play_with(plain(), constant(6000), config, vec![]);
    play.assert_ended();
    assert_eq!(play.appends(ContentType::Video)[0].1, ms(32_000));
}

#[test]
fn periods_follow_each_other() {
    let presentation = title(vec![
        period(0, 20, vec![video(0, 20), audio(0, 20)]),
        period(20, 10, vec![audio(20, 10), video(20, 10)]),
        period(30, 30, vec![video(30, 30)]),
    ]);
    let play = play(presentation, constant(6000));
    play.assert_ended();
    let keys = play.appends(ContentType::Video);
    let starts: Vec<i64> = keys.iter().map(|(_, start)| start.as_millis()).collect();
    assert_eq!(
        starts,
        [
            0, 4000, 8000, 12_000, 16_000, 20_000, 24_000, 28_000, 30_000, 34_000, 38_000, 42_000, 46_000,
            50_000, 54_000, 58_000
        ]
    );
    assert!(keys.iter().all(|(key, _)| key.adaptation_set == u32::from(key.period == 1)));
    assert_eq!(play.appends(ContentType::Audio).len(), 8);
    assert_eq!(play.summary.stalls, 0);
    assert_eq!(play.count(|e| matches!(e, Event::Switched { reason: Reason::Period, .. })), 3);
}

#[test]
fn muxed_and_single_track_titles_play() {
    let muxed = AdaptationSet { muxed_audio: true, ..video(0, 60) };
    let play_muxed = play(title(vec![period(0, 60, vec![muxed, audio(0, 60)])]), constant(6000));
    play_muxed.assert_ended();
    assert!(play_muxed.appends(ContentType::Audio).is_empty());
    for sets in [vec![video(0, 60)], vec![audio(0, 60)]] {
        play(title(vec![period(0, 60, sets)]), constant(6000)).assert_ended();
    }
}

#[test]
fn the_wanted_language_is_chosen_and_kept() {
    let spoken = |language: &str, start, seconds| AdaptationSet {
        language: Some(language.to_owned()),
        ..audio(start, seconds)
    };
    let presentation = title(vec![
        period(0, 20, vec![video(0, 20), spoken("en", 0, 20), spoken("de-AT", 0, 20)]),
        period(20, 20, vec![video(20, 20), spoken("de-AT", 20, 20), spoken("en", 20, 20)]),
    ]);
    let config = Config { audio_language: Some("de".to_owned()), ..Config::default() };
    let play = play_with(presentation, constant(6000), config, vec![]);
    play.assert_ended();
    let sets: Vec<(u32, u32)> =
        play.appends(ContentType::Audio).iter().map(|(key, _)| (key.period, key.adaptation_set)).collect();
    assert!(sets.iter().all(|set| matches!(set, (0, 2) | (1, 1))), "{sets:?}");
}

#[test]
fn another_language_can_be_selected_while_playing() {
    let spoken = |language: &str| AdaptationSet { language: Some(language.to_owned()), ..audio(0, 60) };
    let presentation = title(vec![period(0, 60, vec![video(0, 60), spoken("en"), spoken("fr")])]);
    let select = Command::SelectSet { track: ContentType::Audio, adaptation_set: Some(2) };
    let play = play_with(presentation, constant(10_000), Config::default(), vec![(10_000, select)]);
    play.assert_ended();
    let first =
        play.appends(ContentType::Audio).into_iter().find(|(key, _)| key.adaptation_set == 2).unwrap();
    assert!(first.1 <= ms(20_000), "{first:?}");
    assert_eq!(play.summary.stalls, 0);
}

#[test]
fn a_lock_takes_effect_soon_and_can_be_undone() {
    let script = vec![(20_000, Command::LockHeight(Some(400))), (40_000, Command::LockHeight(None))];
    let presentation = title(vec![period(0, 120, vec![video(0, 120), audio(0, 120)])]);
    let play = play_with(presentation, constant(10_000), Config::default(), script);
    play.assert_ended();
    let flush = play.outputs.iter().find_map(|(t, output)| match output {
        Output::Flush { track: ContentType::Video, from } => Some((*t, *from)),
        _ => None,
    });
    let (when, from) = flush.unwrap();
    assert_eq!(when, at(20_000));
    assert!(from <= ms(28_000), "{from:?}");
    let locked: Vec<u32> = play
        .outputs
        .iter()
        .filter(|(t, _)| (at(20_100)..at(40_000)).contains(t))
        .filter_map(|(_, output)| match output {
            Output::Append { track: ContentType::Video, representation, .. } => {
                Some(representation.representation)
            }
            _ => None,
        })
        .collect();
    assert!(!locked.is_empty() && locked.iter().all(|rung| *rung == 1), "{locked:?}");
    assert_eq!(play.rungs().last(), Some(&5));
    assert_eq!(play.summary.stalls, 0);
    assert_eq!(play.session.locked_height(), None);
}

#[test]
fn limits_and_the_surface_keep_rungs_out() {
    let config = Config { min_height: 360, max_height: 720, ..Config::default() };
    let limited = play_with(plain(), constant(20_000), config.clone(), vec![]);
    assert!(limited.rungs().iter().all(|rung| (1..=4).contains(rung)), "{:?}", limited.rungs());
    let low = play_with(plain(), constant(400), config, vec![]);
    assert!(low.rungs().iter().all(|rung| (1..=4).contains(rung)), "{:?}", low.rungs());
}

#[test]
fn nothing_better_than_the_picture_is_fetched() {
    let mut small = scenario_of(plain(), constant(20_000));
    small.facts = vec![(0, Input::Surface { width: 640, height: 360 })];
    let play = scenario(small);
    play.assert_ended();
    assert!(play.rungs().iter().all(|rung| *rung <= 1), "{:?}", play.rungs());
    let mut between = scenario_of(plain(), constant(20_000));
    between.facts = vec![
        (0, Input::Surface { width: 1200, height: 700 }),
        (30_000, Input::Surface { width: 0, height: 0 }),
    ];
    let play = scenario(between);
    assert_eq!(play.rungs()[..8].iter().max(), Some(&4), "the next above what is shown: {:?}", play.rungs());
}

#[test]
fn a_queue_of_low_quality_is_replaced_when_the_network_is_better() {
    let presentation = title(vec![period(0, 180, vec![video(0, 180), audio(0, 180)])]);
    let play = play(presentation, steps(&[(100, 2500), (3600, 60_000)]));
    play.assert_ended();
    assert!(play.summary.stalls == 0 && play.rungs().last() == Some(&5));
    let wasted: u64 = play
        .events()
        .filter_map(|(_, event)| match event {
            Event::Replaced { wasted_bytes, .. } => Some(*wasted_bytes),
            _ => None,
        })
        .sum();
    assert!(wasted * 100 <= play.summary.bytes * 3, "{wasted} of {}", play.summary.bytes);
}

#[test]
fn trouble_elsewhere_is_passed_on_or_ends_playback() {
    use abr::error::{Code, Error, Severity};
    let mut warned = scenario_of(plain(), constant(6000));
    let warning = Error::new(Severity::Warning, Code::NoAudioDevice, "silent");
    warned.facts = vec![(1000, Input::Trouble(warning.clone()))];
    let play = scenario(warned);
    play.assert_ended();
    assert_eq!(play.count(|event| *event == Event::Error(warning.clone())), 1);
    let mut broken = scenario_of(plain(), constant(6000));
    broken.facts = vec![(1000, Input::Trouble(Error::new(Severity::Fatal, Code::Decoder, "gone")))];
    assert_eq!(scenario(broken).fatal(), 4002);
}

#[test]
fn a_pipeline_that_stands_is_helped_once_then_given_up() {
    let mut session = abr::session::Session::new(Config::default());
    let drain = |session: &mut abr::session::Session| {
        let mut all = vec![];
        loop {
            match session.poll() {
                Output::Wait(deadline) => return (all, deadline),
                output => all.push(output),
            }
        }
    };
    let one = title(vec![period(
        0,
        4,
        vec![set(ContentType::Audio, vec![representation(64_000, 0, index(0, 4, 4000))])],
    )]);
    let (orders, _) = drain(&mut session);
    let mut open: Vec<Output> = orders;
    let mut deadline = None;
    let mut now = 0;
    session.handle(at(now), Input::Presentation(Box::new(one)));
    for _ in 0..10 {
        let (orders, wait) = drain(&mut session);
        deadline = wait;
        open.extend(orders);
        for output in std::mem::take(&mut open) {
            now += 1;
            match output {
                Output::Fetch(fetch) => {
                    session.handle(at(now), Input::Fetched { id: fetch.id, transfer: Default::default() })
                }
                Output::Append { id, segment, .. } => {
                    session.handle(at(now), Input::Appended { id, start: segment.start, end: segment.end });
                }
                _ => {}
            }
        }
    }
    assert_eq!(session.phase(), Phase::Playing);
    let mut seeks = 0;
    while let Some(next) = deadline {
        session.handle(next, Input::Tick);
        let (orders, wait) = drain(&mut session);
        seeks += orders.iter().filter(|o| matches!(o, Output::Seek { .. })).count();
        deadline = wait;
        now = next.as_millis();
    }
    assert_eq!((session.phase(), seeks), (Phase::Failed, 1));
    assert!(now < 11_000, "{now}");
}

#[test]
fn the_same_facts_give_the_same_orders() {
    let make = || play(plain(), steps(&[(10, 4000), (10, 500), (3600, 3000)]));
    assert_eq!(make().outputs, make().outputs);
}

#[test]
fn stop_ends_everything() {
    let play = scenario(Scenario {
        script: vec![(3000, Command::Stop)],
        until: Some(at(10_000)),
        ..scenario_of(plain(), constant(1000))
    });
    assert_eq!(play.session.phase(), Phase::Ended);
    assert!(play.fetches().all(|(t, _)| t < at(3000)));
}

#[test]
fn every_controller_plays_a_hard_trace() {
    for name in abr::controller::NAMES {
        let presentation = title(vec![period(0, 200, vec![video(0, 200), audio(0, 200)])]);
        let config = Config { controller: name.to_owned(), ..Config::default() };
        let link = steps(&[(20, 3000), (10, 600), (15, 5000), (5, 200), (30, 2000)]);
        let play = play_with(presentation, link, config, vec![]);
        play.assert_ended();
        assert!(play.summary.rebuffer_ratio < 0.1, "{name} {:?}", play.summary);
        assert!(play.summary.mean_bitrate_bps > 600_000, "{name} {:?}", play.summary);
        eprintln!("{name}: {:?}", play.summary);
    }
}

#[test]
fn a_short_title_starts_and_ends() {
    let presentation = title(vec![period(
        0,
        1,
        vec![set(ContentType::Video, vec![representation(300_000, 240, index(0, 1, 1000))])],
    )]);
    let play = play(presentation, constant(1000));
    play.assert_ended();
    assert_eq!(play.summary.played_ms, Duration::from_secs(1).as_millis() as u64);
}
