//! What a session promises, whatever network, server and user do: every request is answered once, nothing is
//! fetched beyond the timeline or the live edge, the queue stays within its budgets, playback comes to an end,
//! and the same facts give the same orders.
//!
//! `PROPTEST_CASES=100000 cargo test -p abr --test properties` plays as many cases of each kind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/titles.rs"]
mod titles;
mod witness;

use abr::presentation::{AdaptationSet, ContentType, Period, Presentation};
use abr::protocol::{Command, FailureKind, Fetch, Input, Output, Phase, Resource};
use abr::segments::SegmentIndex;
use abr::session::{Config, Session};
use abr::sim::link::Link;
use abr::sim::live::{Broadcast, LiveOrigin, Style};
use abr::sim::origin::{Answer, Fate, Origin, whole};
use abr::sim::playback::{World, reasonable_end};
use abr::time::{MediaTime, Timestamp, WallClock};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::time::Duration;
use titles::{index, representation, set};
use witness::Witness;

const CONTROLLERS: [&str; 8] =
    ["hybrid", "bola-e", "throughput", "robust-mpc", "hlsjs", "bba-0", "soda", "lol-plus"];
/// Media is this long, so the last segment of some representations reaches beyond it.
const LENGTH: Duration = Duration::from_secs(50);
/// The user's last command comes then: in the end it is let play.
const LAST_COMMAND: u64 = 61_000;

/// What is played.
#[derive(Clone, Debug)]
enum Title {
    Stored(Presentation),
    Live(Broadcast),
}

#[derive(Clone, Debug)]
struct Case {
    title: Title,
    pending_indexes: bool,
    /// Real sizes of segments in hundredths of what is stated, one after the other.
    sizes: Vec<u64>,
    steps: Vec<(u64, u64)>,
    latency_ms: u64,
    fates: Vec<(Fate, u64)>,
    /// How long an answer to a cancellation is late.
    late_ms: u64,
    script: Vec<(u64, Input)>,
    config: Config,
}

fn stored() -> impl Strategy<Value = Title> {
    let length = prop_oneof![Just(500u64), Just(2000), Just(3000), Just(4000), Just(6000), Just(11_000)];
    let sizes = prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec(1_000u64..4_000_000, 100)];
    let split = prop::option::of((1u64..50, any::<bool>()));
    (length, 1usize..5, any::<bool>(), any::<bool>(), sizes, split).prop_map(
        |(length_ms, rungs, with_audio, with_text, sizes, split)| {
            let period = |start: u64, seconds: u64, with_audio: bool| {
                let index = |place: u64| {
                    let SegmentIndex::Known(mut runs) = index(start, seconds, length_ms) else {
                        return SegmentIndex::Pending;
                    };
                    runs.sizes = sizes.iter().map(|size| size * (place + 1) / 5).collect();
                    SegmentIndex::Known(runs)
                };
                let ladder = [(300_000, 240), (900_000, 360), (2_000_000, 720), (4_300_000, 1080)];
                let video = ladder[..rungs].iter().zip(0..);
                let video = video.map(|((bps, height), place)| representation(*bps, *height, index(place)));
                let mut sets = vec![set(ContentType::Video, video.collect())];
                let audio = || [64_000, 128_000].map(|bps| representation(bps, 0, index(0))).to_vec();
                if with_audio {
                    sets.extend([set(ContentType::Audio, audio()), set(ContentType::Audio, audio())]);
                }
                if with_text {
                    sets.push(AdaptationSet {
                        is_default: true,
                        ..set(ContentType::Text, vec![representation(2_000, 0, index(0))])
                    });
                }
                Period {
                    id: format!("{start}"),
                    start: MediaTime::from_millis(start as i64 * 1000),
                    duration: Some(Duration::from_secs(seconds)),
                    adaptation_sets: sets,
                }
            };
            let whole = LENGTH.as_secs();
            let periods = match split {
                None => vec![period(0, whole, with_audio)],
                Some((at, too)) => vec![period(0, at, with_audio), period(at, whole - at, with_audio && too)],
            };
            Title::Stored(Presentation { duration: Some(LENGTH), periods, ..Presentation::default() })
        },
    )
}

fn live() -> impl Strategy<Value = Title> {
    let style = prop_oneof![Just(Style::Numbers), Just(Style::Timeline), Just(Style::Playlists)];
    let segment = prop_oneof![Just(1000u64), Just(2000), Just(4000)];
    let ends = prop::option::of(0u64..90_000);
    let stand = prop::option::of((0u64..60_000, 1u64..40_000));
    let target = prop::option::of(500u64..20_000);
    let skew = prop_oneof![2 => Just(0i64), 1 => -3000..3000i64];
    (style, segment, any::<bool>(), ends, stand, target, skew, 12u64..90).prop_map(
        |(style, segment, parts, ends, stand, target, skew_ms, window)| {
            Title::Live(Broadcast {
                style,
                ladder: vec![300_000, 900_000, 2_000_000, 4_300_000],
                segment: Duration::from_millis(segment),
                part: parts.then(|| Duration::from_millis(segment / 5)),
                window: Duration::from_secs(window),
                ends: ends.map(Timestamp::from_millis),
                standstill: stand
                    .map(|(from, span)| (Timestamp::from_millis(from), Timestamp::from_millis(from + span))),
                target: target.map(Duration::from_millis),
                skew_ms,
                ..Broadcast::default()
            })
        },
    )
}

fn fate() -> impl Strategy<Value = (Fate, u64)> {
    let kind = prop_oneof![
        Just(FailureKind::Connect),
        Just(FailureKind::Truncated),
        Just(FailureKind::Status(404)),
        Just(FailureKind::Status(503)),
        Just(FailureKind::Malformed),
        Just(FailureKind::TooLarge),
        Just(FailureKind::WrongContent),
    ];
    let fate = prop_oneof![
        12 => Just(Fate::Whole),
        1 => (kind, 0u64..60_000).prop_map(|(kind, after)| Fate::Fails(kind, after)),
        1 => (0u64..60_000).prop_map(Fate::Stands),
        1 => Just(Fate::Cached),
        1 => Just(Fate::Refused { malformed: true }),
    ];
    (fate, prop_oneof![6 => Just(0u64), 1 => 0u64..3000])
}

fn command() -> impl Strategy<Value = Input> {
    let text = prop::option::of(0u32..4)
        .prop_map(|adaptation_set| Command::SelectSet { track: ContentType::Text, adaptation_set });
    let command = prop_oneof![
        Just(Command::Play),
        Just(Command::Pause),
        Just(Command::GoLive),
        // On a broadcast, which has been running for an hour.
        (-3_000i64..60_000, any::<bool>()).prop_map(|(ms, late)| {
            Command::Seek(MediaTime::from_millis(ms + if late { 3_590_000 } else { 0 }))
        }),
        (-3_000i64..60_000).prop_map(|ms| Command::Seek(MediaTime::from_millis(ms))),
        (0.25..4.0f64).prop_map(Command::Rate),
        prop::option::of(0u32..1200).prop_map(Command::LockHeight),
        (0u32..800, 0u32..1200).prop_map(|(min, max)| Command::LimitHeight { min, max }),
        prop::option::of(0u32..3)
            .prop_map(|adaptation_set| Command::SelectSet { track: ContentType::Audio, adaptation_set }),
        text,
    ];
    prop_oneof![
        9 => command.prop_map(Input::Command),
        1 => (0u32..2000, 0u32..1200).prop_map(|(width, height)| Input::Surface { width, height }),
    ]
}

fn case(title: impl Strategy<Value = Title>) -> impl Strategy<Value = Case> {
    let steps =
        prop::collection::vec((200u64..15_000, prop_oneof![Just(0u64), 50..400u64, 400..9000u64]), 0..8);
    // Some time comes at which something is carried.
    let steps = (steps, (200u64..15_000, 400..9000u64)).prop_map(|(mut steps, last)| {
        steps.push(last);
        steps
    });
    let budget = prop_oneof![1 => Just(u64::MAX), 2 => 800_000..6_000_000u64, 1 => 1000..800_000u64];
    let config = (0..CONTROLLERS.len(), 0u64..40, budget, any::<bool>());
    let config = config.prop_map(|(controller, ahead, buffer_bytes, text)| Config {
        controller: CONTROLLERS[controller].to_owned(),
        buffer_ahead: Duration::from_secs(ahead),
        buffer_bytes,
        text,
        ..Config::default()
    });
    let script = prop::collection::vec((0u64..60_000, command()), 0..8);
    let fates = prop::collection::vec(fate(), 0..60);
    let sizes = prop_oneof![1 => Just(vec![100u64]), 1 => prop::collection::vec(20u64..400, 1..40)];
    let late = prop_oneof![3 => Just(0u64), 1 => 1u64..2000];
    let world = (title, any::<bool>(), sizes, steps, 0u64..600, fates, late);
    (world, script, config).prop_map(
        |((title, pending_indexes, sizes, steps, latency_ms, fates, late_ms), mut script, config)| {
            script.sort_by_key(|(at, _)| *at);
            let is_live = matches!(title, Title::Live(_));
            let by_playlists = matches!(&title, Title::Live(live) if live.style == Style::Playlists);
            let pending_indexes = if is_live { by_playlists } else { pending_indexes };
            Case { title, pending_indexes, sizes, steps, latency_ms, fates, late_ms, script, config }
        },
    )
}

/// Answers as a case says.
struct Server<'a> {
    case: &'a Case,
    live: Option<LiveOrigin>,
    asked: usize,
}

impl Origin for Server<'_> {
    fn answer(&mut self, presentation: &Presentation, fetch: &Fetch) -> Answer {
        let answer = match &mut self.live {
            Some(live) => live.answer(presentation, fetch),
            None => whole(presentation, fetch),
        };
        // What a session cannot do without may fail now and then, but not be spoilt for good.
        let Resource::Segment { segment, .. } = fetch.resource else { return answer };
        if answer.fate != Fate::Whole {
            return answer;
        }
        let share = self.case.sizes[segment.position as usize % self.case.sizes.len()];
        let answer = Answer { bytes: answer.bytes * share / 100, ..answer };
        let fate = self.case.fates.get(self.asked);
        self.asked += 1;
        match fate {
            Some((fate, delay)) => {
                Answer { fate: fate.clone(), delay: answer.delay + Duration::from_millis(*delay), ..answer }
            }
            None => answer,
        }
    }

    fn live(&mut self, now: Timestamp) -> Option<(Presentation, WallClock)> {
        self.live.as_mut()?.live(now)
    }
}

/// Plays a case to its end, or for some minutes where it has none, and returns every order.
fn play(case: &Case) -> Vec<String> {
    let (presentation, broadcast) = match &case.title {
        Title::Stored(presentation) => (presentation.clone(), None),
        Title::Live(live) => (live.presentation(Timestamp::ZERO), Some(live.clone())),
    };
    let mut server = Server { case, live: broadcast.clone().map(Broadcast::origin), asked: 0 };
    let latency = Duration::from_millis(case.latency_ms);
    let steps = case.steps.iter().map(|(ms, kbps)| (Duration::from_millis(*ms), kbps * 1000, latency));
    let link = Link::new(steps.collect());
    let world = World::new(&presentation, case.pending_indexes, link, &mut server, MediaTime::ZERO);
    let ends = [Command::LockHeight(None), Command::Rate(1.0), Command::Play, Command::GoLive];
    let ends = ends.map(|command| (LAST_COMMAND, Input::Command(command)));
    let endless = broadcast.as_ref().is_some_and(|live| live.ends.is_none());
    // On the slowest links it takes a while.
    let patience = reasonable_end(&presentation) + Duration::from_secs(7200);
    let until = if endless { Timestamp::from_millis(150_000) } else { patience };
    let mut stage = Stage {
        session: Session::new(case.config.clone()),
        world,
        witness: Witness::new(presentation.clone(), broadcast, case.config.clone()),
        now: Timestamp::ZERO,
        deadline: None,
        late: VecDeque::new(),
        late_ms: case.late_ms,
    };
    stage.play(case.script.iter().cloned().chain(ends), until, endless);
    stage.witness.lines
}

/// Everything there is while a case is played.
struct Stage<'a> {
    session: Session,
    world: World<'a>,
    witness: Witness,
    now: Timestamp,
    deadline: Option<Timestamp>,
    /// Answers to cancellations that are to come.
    late: VecDeque<(Timestamp, Input)>,
    late_ms: u64,
}

impl Stage<'_> {
    fn play(&mut self, script: impl Iterator<Item = (u64, Input)>, until: Timestamp, endless: bool) {
        let mut script = script.peekable();
        self.drain();
        while script.peek().is_some() || !matches!(self.session.phase(), Phase::Ended | Phase::Failed) {
            let commanded = script.peek().map(|(at, _)| Timestamp::from_millis(*at));
            let late = self.late.front().map(|(at, _)| *at);
            let next = self.world.next().into_iter().chain(self.deadline).chain(commanded).chain(late).min();
            let next = next.unwrap_or_else(|| panic!("nothing happens any more: {}", self.state()));
            self.now = next.max(self.now);
            if endless && self.now >= until {
                break;
            }
            assert!(self.now < until, "it plays for ever: {}", self.state());
            self.world.advance(self.now);
            let mut told = false;
            while let Some(fact) = self.next_fact() {
                told = true;
                self.tell(fact);
            }
            while let Some((_, fact)) = script.next_if(|(at, _)| Timestamp::from_millis(*at) <= self.now) {
                told = true;
                self.tell(fact);
            }
            if !told && self.deadline.is_some_and(|at| at <= self.now) {
                self.tell(Input::Tick);
            }
        }
        // What is still open is answered when the world goes on.
        while let Some(fact) = self.world.take_fact() {
            self.witness.fact(&self.session, self.now, &fact);
        }
        while let Some((_, fact)) = self.late.pop_front() {
            self.witness.fact(&self.session, self.now, &fact);
        }
        let by_parts = self.witness.comes_in_parts();
        // What was had in parts may come again as a whole: when its parts are not listed any more, or the
        // request that brought them failed.
        let again = |said: &str| by_parts && said.contains("before");
        // Playback may begin in a hole of one track, of which the world knows nothing.
        let in_hole = |said: &str| self.witness.saw_holes && said.contains("does not hold");
        let violations = self.world.violations().filter(|said| !again(said) && !in_hole(said));
        assert_eq!(violations.collect::<Vec<_>>(), Vec::<&String>::new());
        if self.session.phase() == Phase::Failed {
            assert!(self.witness.is_quiet(), "a failed session leaves no request behind");
        }
    }

    /// Where the session stands, and what it ordered last.
    fn state(&self) -> String {
        let (phase, lines) = (self.session.phase(), &self.witness.lines);
        let last = lines[lines.len().saturating_sub(40)..].join("\n");
        format!("{phase:?} at {:?}\n{last}", self.session.position(self.now))
    }

    /// The next fact that is told now; answers to cancellations may be late.
    fn next_fact(&mut self) -> Option<Input> {
        loop {
            if self.late.front().is_some_and(|(at, _)| *at <= self.now) {
                return self.late.pop_front().map(|(_, fact)| fact);
            }
            let fact = self.world.take_fact()?;
            if self.late_ms == 0 || !matches!(fact, Input::FetchCancelled { .. }) {
                return Some(fact);
            }
            self.late.push_back((self.now + Duration::from_millis(self.late_ms), fact));
        }
    }

    fn tell(&mut self, fact: Input) {
        self.witness.fact(&self.session, self.now, &fact);
        self.session.handle(self.now, fact);
        self.drain();
    }

    /// Carries out orders until the session waits.
    fn drain(&mut self) {
        for _ in 0..1000 {
            let order = self.session.poll();
            self.witness.order(&self.session, self.now, &order);
            if let Output::Wait(deadline) = order {
                assert!(deadline.is_none_or(|at| at > self.now), "it would wake at once, again and again");
                self.deadline = deadline;
                return;
            }
            self.world.carry_out(order);
        }
        panic!("a thousand orders for one fact");
    }
}

/// So many cases as a few seconds allow, more when asked.
fn cases() -> ProptestConfig {
    let more = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(more.unwrap_or(256)) }
}

proptest! {
    #![proptest_config(cases())]
    #[test]
    fn a_session_keeps_its_promises(case in case(stored())) {
        let first = play(&case);
        prop_assert_eq!(first, play(&case));
    }

    #[test]
    fn a_broadcast_keeps_them_too(case in case(live())) {
        let first = play(&case);
        prop_assert_eq!(first, play(&case));
    }
}
