//! Timelines that grow: joining, holding the latency, waiting, jumping, ending.

use crate::support::*;
use abr::presentation::ContentType;
use abr::protocol::{Command, Event, Fetch, Output, Phase, Resource};
use abr::session::{Config, LivePosition};
use abr::sim::link::Link;
use abr::sim::live::{Broadcast, Style};
use abr::sim::playback::{Seen, Setup, run};
use abr::time::{MediaTime, Timestamp};
use std::time::Duration;

/// What became of a broadcast.
struct Watched {
    play: Play,
    /// Requests for segments that were not there yet.
    early: u32,
    /// Where playback was, four times a second while it ran.
    places: Vec<(Timestamp, LivePosition)>,
}

impl Watched {
    /// Distances from the target in milliseconds from a time on.
    fn errors(&self, from_ms: u64) -> Vec<i64> {
        let late = self.places.iter().filter(|(t, _)| t.as_millis() >= from_ms);
        late.map(|(_, live)| live.latency_ms - live.target_ms).collect()
    }

    fn rates(&self) -> Vec<f64> {
        let clocks = self.play.outputs.iter().filter_map(|(_, output)| match output {
            Output::Clock { run: true, rate } => Some(*rate),
            _ => None,
        });
        clocks.collect()
    }

    fn requests(&self, wanted: impl Fn(&Resource) -> bool) -> Vec<Timestamp> {
        let fetches = self.play.fetches().filter(|(_, Fetch { resource, .. })| wanted(resource));
        fetches.map(|(t, _)| t).collect()
    }

    fn errors_told(&self, code: u16) -> usize {
        self.play.count(|event| matches!(event, Event::Error(error) if error.code.number() == code))
    }
}

fn watch(broadcast: Broadcast, link: Link, seconds: u64, script: Vec<(u64, Command)>) -> Watched {
    watch_with(broadcast, link, seconds, script, Config::default())
}

fn watch_with(
    broadcast: Broadcast,
    link: Link,
    seconds: u64,
    script: Vec<(u64, Command)>,
    config: Config,
) -> Watched {
    let presentation = broadcast.presentation(Timestamp::ZERO);
    let pending_indexes = broadcast.style == Style::Playlists;
    let mut origin = broadcast.origin();
    let (mut inputs, mut outputs) = (vec![], vec![]);
    let setup = Setup {
        presentation: &presentation,
        pending_indexes,
        link,
        config,
        origin: &mut origin,
        script: script.into_iter().map(|(t, c)| (at(t), abr::protocol::Input::Command(c))).collect(),
        until: at(seconds * 1000),
    };
    let mut session = abr::session::Session::new(setup.config.clone());
    let mut places = vec![];
    let outcome = run(setup, |now, seen| match seen {
        Seen::In(input) => {
            inputs.push((now, input.clone()));
            // The same facts to a second session: the orders are a function of them.
            session.handle(now, input.clone());
            while !matches!(session.poll(), Output::Wait(_)) {}
            if session.phase() == Phase::Playing
                && let Some(live) = session.live_position(now)
            {
                places.push((now, live));
            }
        }
        Seen::Out(Output::Wait(_)) => {}
        Seen::Out(output) => outputs.push((now, output.clone())),
    });
    assert_eq!(outcome.violations, Vec::<String>::new());
    let play = Play { session: outcome.session, summary: outcome.summary, now: outcome.now, inputs, outputs };
    Watched { play, early: origin.early, places }
}

fn broadcast(style: Style) -> Broadcast {
    Broadcast { style, ..Broadcast::default() }
}

const STYLES: [Style; 3] = [Style::Numbers, Style::Timeline, Style::Playlists];

#[test]
fn a_broadcast_is_joined_at_the_target_and_held_there() {
    for style in STYLES {
        let watched = watch(broadcast(style), constant(20_000), 120, vec![]);
        assert_eq!(watched.play.session.phase(), Phase::Playing, "{style:?}");
        assert_eq!(watched.play.summary.stalls, 0, "{style:?}");
        assert!(watched.play.summary.startup_ms.unwrap() < 2000, "{style:?} {:?}", watched.play.summary);
        let errors = watched.errors(20_000);
        assert!(errors.len() > 100, "{style:?}");
        assert!(errors.iter().all(|error| error.abs() < 150), "{style:?} {errors:?}");
        assert_eq!(watched.early, 0, "{style:?}");
        assert_eq!(watched.play.rungs().last(), Some(&5), "{style:?} {:?}", watched.play.rungs());
        assert!(watched.rates().len() < 20, "{style:?} {:?}", watched.rates());
        let appends = watched.play.appends(ContentType::Video);
        let starts: Vec<i64> = appends.iter().map(|(_, start)| start.as_millis()).collect();
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == 2000), "{style:?} {starts:?}");
    }
}

#[test]
fn what_is_not_there_yet_is_waited_for() {
    for style in STYLES {
        let watched = watch(broadcast(style), constant(20_000), 60, vec![]);
        let segments = watched.requests(|resource| matches!(resource, Resource::Segment { .. }));
        assert!(segments.len() <= 2 * 36, "{style:?} {}", segments.len());
        let manifests = watched.requests(|resource| matches!(resource, Resource::Presentation));
        assert!(manifests.len() <= 70, "{style:?} {}", manifests.len());
        let indexes = watched.requests(|resource| matches!(resource, Resource::Index(_)));
        // Two tracks, at most once a second each, and those of a few switches.
        assert!(indexes.len() <= 2 * 60 + 10, "{style:?} {}", indexes.len());
    }
}

#[test]
fn a_stall_moves_the_target_away_and_the_latency_is_caught_up_with() {
    for style in STYLES {
        let link = steps(&[(30, 8000), (14, 20), (3600, 8000)]);
        let watched = watch(broadcast(style), link, 150, vec![]);
        assert!(watched.play.summary.stalls >= 1, "{style:?}");
        let target = |t: u64| watched.places.iter().find(|(at, _)| at.as_millis() > t).unwrap().1.target_ms;
        assert!(target(60_000) > target(10_000), "{style:?}");
        let errors = watched.errors(140_000);
        assert!(errors.iter().all(|error| error.abs() < 300), "{style:?} {errors:?}");
        assert_eq!(watched.play.session.phase(), Phase::Playing, "{style:?}");
    }
}

#[test]
fn far_behind_playback_jumps() {
    for style in STYLES {
        let link = steps(&[(30, 8000), (25, 0), (3600, 8000)]);
        let watched = watch(broadcast(style), link, 120, vec![]);
        let jumps = watched.play.count(|event| matches!(event, Event::Jumped { .. }));
        assert!((1..=2).contains(&jumps), "{style:?} {jumps}");
        let errors = watched.errors(110_000);
        assert!(!errors.is_empty() && errors.iter().all(|error| error.abs() < 500), "{style:?} {errors:?}");
    }
}

#[test]
fn the_window_bounds_a_seek_and_go_live_returns() {
    for style in STYLES {
        let script = vec![(20_000, Command::Seek(MediaTime::ZERO)), (50_000, Command::GoLive)];
        let watched = watch(broadcast(style), constant(20_000), 90, script);
        let seek = watched.play.events().find_map(|(t, event)| match event {
            Event::SeekStart { to, .. } => Some((t, *to)),
            _ => None,
        });
        let (t, to) = seek.expect("a seek");
        let edge = 3_600_000 + t.as_millis() as i64;
        let behind = edge - to.as_millis();
        assert!((55_000..=63_000).contains(&behind), "{style:?} {behind}");
        let there = watched.places.iter().find(|(t, _)| *t > at(45_000)).unwrap().1;
        assert!(!there.following && there.rate_permille == 1000, "{style:?} {there:?}");
        assert!(there.latency_ms > 40_000, "{style:?} {there:?}");
        let errors = watched.errors(70_000);
        assert!(errors.iter().all(|error| error.abs() < 300), "{style:?} {errors:?}");
        let back = watched.places.last().unwrap().1;
        assert!(back.following, "{style:?}");
    }
}

#[test]
fn a_long_pause_falls_out_of_the_window_and_goes_on_at_the_edge() {
    for style in STYLES {
        let script = vec![(20_000, Command::Pause), (150_000, Command::Play)];
        let watched = watch(broadcast(style), constant(20_000), 200, script);
        assert_eq!(watched.errors_told(3006), 1, "{style:?}");
        let errors = watched.errors(190_000);
        assert!(!errors.is_empty() && errors.iter().all(|error| error.abs() < 500), "{style:?} {errors:?}");
    }
}

#[test]
fn a_broadcast_that_ends_is_played_to_its_end() {
    for style in STYLES {
        let ends = Some(at(31_000));
        let broadcast = Broadcast { ends, ..broadcast(style) };
        let watched = watch(broadcast, constant(20_000), 120, vec![]);
        watched.play.assert_ended();
        let end = watched.play.events().find_map(|(_, event)| match event {
            Event::Ended { position } => Some(position.as_millis()),
            _ => None,
        });
        assert_eq!(end, Some(3_631_000), "{style:?}");
        assert_eq!(watched.play.summary.stalls, 0, "{style:?}");
        assert!(watched.play.session.live_position(at(0)).is_none());
    }
}

#[test]
fn a_standing_encoder_is_a_paused_broadcast_and_not_the_end() {
    for style in [Style::Timeline, Style::Playlists] {
        let standstill = Some((at(20_000), at(50_000)));
        let broadcast = Broadcast { standstill, ..broadcast(style) };
        let watched = watch(broadcast, constant(20_000), 120, vec![]);
        assert!(watched.errors_told(3005) >= 1, "{style:?}");
        assert_eq!(watched.play.session.phase(), Phase::Playing, "{style:?}");
        let indexes = watched.requests(|resource| !matches!(resource, Resource::Segment { .. }));
        assert!(indexes.len() < 400, "{style:?} {}", indexes.len());
    }
}

#[test]
fn a_wrong_clock_of_this_machine_does_not_ask_for_what_is_not_there() {
    // A second and a half ahead: segments are asked for too early, and the answer is to wait.
    let broadcast = Broadcast { skew_ms: 1500, ..broadcast(Style::Numbers) };
    let watched = watch(broadcast, constant(20_000), 60, vec![]);
    assert_eq!(watched.play.session.phase(), Phase::Playing);
    assert_eq!(watched.play.summary.stalls, 0);
    assert_eq!(watched.play.count(|event| matches!(event, Event::Gap { .. })), 0);
}

#[test]
fn the_user_decides_about_the_latency() {
    for style in STYLES {
        let config = Config { live_latency: Some(Duration::from_secs(15)), ..Config::default() };
        let watched = watch_with(broadcast(style), constant(20_000), 60, vec![], config);
        let last = watched.places.last().unwrap().1;
        assert_eq!(last.target_ms, 15_000, "{style:?}");
        assert!((last.latency_ms - 15_000).abs() < 200, "{style:?} {last:?}");
    }
}

#[test]
fn parts_hold_a_low_latency() {
    let target = Some(Duration::from_millis(660));
    let part = Some(Duration::from_millis(200));
    let delay = Duration::from_millis(20);
    let low = Broadcast { part, target, delay, ..broadcast(Style::Playlists) };
    let watched = watch(low, constant(20_000), 60, vec![]);
    assert_eq!(watched.play.session.phase(), Phase::Playing);
    let errors = watched.errors(15_000);
    let mean = errors.iter().map(|error| error.abs()).sum::<i64>() / errors.len() as i64;
    assert!(mean < 100, "{mean} {errors:?}");
    assert!(watched.play.summary.stalls <= 1, "{:?}", watched.play.summary);
}

#[test]
fn chunks_hold_a_low_latency_and_are_measured_in_their_bursts() {
    let target = Some(Duration::from_millis(1500));
    let part = Some(Duration::from_millis(200));
    let delay = Duration::from_millis(20);
    let low = Broadcast { part, target, delay, ..broadcast(Style::Numbers) };
    let watched = watch(low, constant(20_000), 60, vec![]);
    assert_eq!(watched.play.session.phase(), Phase::Playing);
    let errors = watched.errors(15_000);
    let mean = errors.iter().map(|error| error.abs()).sum::<i64>() / errors.len() as i64;
    assert!(mean < 100, "{mean} {errors:?}");
    assert_eq!(watched.play.summary.stalls, 0, "{:?}", watched.play.summary);
    let bps = watched.play.session.throughput_bps().unwrap();
    assert!((15_000_000..25_000_000).contains(&bps), "{bps}");
}
