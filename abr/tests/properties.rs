//! What a session promises, whatever network, server and user do: every request is answered once, nothing is
//! fetched beyond the timeline, the queue stays within its budgets, playback comes to an end, and the same facts
//! give the same orders.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use abr::presentation::{
    AdaptationSet, Container, ContentType, Period, Presentation, Representation, RepresentationKey,
};
use abr::protocol::{Command, Event, FailureKind, Fetch, FetchId, Input, Output, Phase, Resource};
use abr::segments::{Run, SegmentIndex, SegmentRuns};
use abr::session::{Config, Session};
use abr::sim::link::Link;
use abr::sim::origin::{Answer, Fate, whole};
use abr::sim::playback::{World, reasonable_end};
use abr::time::{MediaTime, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const CONTROLLERS: [&str; 6] = ["hybrid", "bola-e", "throughput", "robust-mpc", "hlsjs", "bba-0"];
/// Media is this long, so the last segment of some representations reaches beyond it.
const LENGTH: Duration = Duration::from_secs(50);

#[derive(Clone, Debug)]
struct Case {
    presentation: Presentation,
    pending_indexes: bool,
    steps: Vec<(u64, u64)>,
    latency_ms: u64,
    fates: Vec<(Fate, u64)>,
    script: Vec<(u64, Command)>,
    config: Config,
}

fn representation(bps: u64, height: u32, length_ms: u64) -> Representation {
    let count = (LENGTH.as_millis() as u64).div_ceil(length_ms);
    let run = Run {
        number: 1,
        start: 0,
        duration: length_ms,
        count,
        discontinuity: 0,
        init: Some(0),
        gap: false,
        part: None,
    };
    let index = SegmentRuns { timescale: 1000, runs: vec![run], complete: true, ..SegmentRuns::default() };
    Representation {
        id: format!("{bps}"),
        bandwidth_bps: bps,
        codecs: if height > 0 { "avc1.64001f".to_owned() } else { "mp4a.40.2".to_owned() },
        container: Container::Mp4,
        width: height * 16 / 9,
        height,
        frame_rate: (25, 1),
        channels: 0,
        sampling_rate: 0,
        locations: 2,
        index: SegmentIndex::Known(index),
    }
}

fn set(content_type: ContentType, representations: Vec<Representation>) -> AdaptationSet {
    AdaptationSet {
        id: String::new(),
        content_type,
        muxed_audio: false,
        language: None,
        label: None,
        roles: vec![],
        is_default: false,
        representations,
    }
}

fn presentation() -> impl Strategy<Value = Presentation> {
    let length = prop_oneof![Just(2000u64), Just(3000), Just(4000), Just(6000)];
    (length, 1usize..5, any::<bool>()).prop_map(|(length_ms, rungs, with_audio)| {
        let ladder = [(300_000, 240), (900_000, 360), (2_000_000, 720), (4_300_000, 1080)];
        let video = ladder[..rungs].iter().map(|(bps, height)| representation(*bps, *height, length_ms));
        let mut adaptation_sets = vec![set(ContentType::Video, video.collect())];
        if with_audio {
            let audio = [64_000, 128_000].map(|bps| representation(bps, 0, length_ms));
            adaptation_sets.push(set(ContentType::Audio, audio.to_vec()));
        }
        let period =
            Period { id: "0".into(), start: MediaTime::ZERO, duration: Some(LENGTH), adaptation_sets };
        Presentation { duration: Some(LENGTH), periods: vec![period], ..Presentation::default() }
    })
}

fn fate() -> impl Strategy<Value = (Fate, u64)> {
    let kind = prop_oneof![
        Just(FailureKind::Connect),
        Just(FailureKind::Truncated),
        Just(FailureKind::Status(404)),
        Just(FailureKind::Status(503)),
        Just(FailureKind::Malformed),
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

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::Play),
        Just(Command::Pause),
        (-3_000i64..60_000).prop_map(|ms| Command::Seek(MediaTime::from_millis(ms))),
        (0.25..4.0f64).prop_map(Command::Rate),
        prop::option::of(0u32..1200).prop_map(Command::LockHeight),
        (0u32..800, 0u32..1200).prop_map(|(min, max)| Command::LimitHeight { min, max }),
        prop::option::of(0u32..3)
            .prop_map(|adaptation_set| Command::SelectSet { track: ContentType::Audio, adaptation_set }),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let steps =
        prop::collection::vec((200u64..15_000, prop_oneof![Just(0u64), 50..400u64, 400..9000u64]), 1..8);
    let config = (0..CONTROLLERS.len(), 5u64..40, prop_oneof![Just(u64::MAX), 800_000..6_000_000u64]);
    let config = config.prop_map(|(controller, ahead, buffer_bytes)| Config {
        controller: CONTROLLERS[controller].to_owned(),
        buffer_ahead: Duration::from_secs(ahead),
        buffer_bytes,
        ..Config::default()
    });
    let script = prop::collection::vec((0u64..60_000, command()), 0..8);
    let fates = prop::collection::vec(fate(), 0..60);
    (presentation(), any::<bool>(), steps, 0u64..600, fates, script, config)
        .prop_filter("a link that carries something", |case| case.2.iter().any(|step| step.1 >= 400))
        .prop_map(|(presentation, pending_indexes, steps, latency_ms, fates, mut script, config)| {
            script.sort_by_key(|(at, _)| *at);
            Case { presentation, pending_indexes, steps, latency_ms, fates, script, config }
        })
}

/// A queued or fetched segment.
#[derive(Clone, Copy)]
struct Had {
    start: MediaTime,
    end: MediaTime,
    bytes: u64,
}

/// What has been seen of a session.
#[derive(Default)]
struct Witness {
    /// Requests that await their answer.
    open: BTreeMap<FetchId, Fetch>,
    next_id: u64,
    /// Fetched and queued segments by track.
    had: BTreeMap<ContentType, BTreeMap<FetchId, Had>>,
    /// End of the last hole of each track.
    holes: BTreeMap<ContentType, MediaTime>,
    /// End of the last segment of each track that could not be had.
    failed: BTreeMap<ContentType, MediaTime>,
    lines: Vec<String>,
}

impl Witness {
    fn kind(presentation: &Presentation, key: RepresentationKey) -> ContentType {
        presentation.adaptation_set(key).expect("a set of the presentation").content_type
    }

    fn fact(&mut self, presentation: &Presentation, fact: &Input) {
        if let Input::AppendFailed { id, .. } = fact {
            for (kind, had) in &self.had {
                if let Some(had) = had.get(id) {
                    self.failed.insert(*kind, had.end);
                }
            }
        }
        if let Input::FetchFailed { id, .. } = fact
            && let Some(Fetch { resource: Resource::Segment { representation, segment }, .. }) =
                self.open.get(id)
        {
            self.failed.insert(Self::kind(presentation, *representation), segment.end);
        }
        let ended = match fact {
            Input::Fetched { id, .. } | Input::FetchFailed { id, .. } | Input::FetchCancelled { id, .. } => {
                *id
            }
            _ => return,
        };
        let fetch = self.open.remove(&ended).expect("an answer to an open request");
        if let (Resource::Segment { representation, segment }, Input::Fetched { id, transfer }) =
            (fetch.resource, fact)
        {
            let had = Had { start: segment.start, end: segment.end, bytes: transfer.bytes };
            let kind = Self::kind(presentation, representation);
            self.had.entry(kind).or_default().insert(*id, had);
        }
    }

    fn order(&mut self, session: &Session, presentation: &Presentation, now: Timestamp, order: &Output) {
        if !matches!(order, Output::Wait(_)) {
            self.lines.push(format!("{now:?} {order:?}"));
        }
        match order {
            Output::Fetch(fetch) => {
                assert_eq!(fetch.id.0, self.next_id, "each request has a new name");
                self.next_id += 1;
                if let Resource::Segment { representation, segment } = fetch.resource {
                    let runs = presentation.representation(representation).unwrap().index.known().unwrap();
                    assert_eq!(runs.get(segment.position).map(|s| s.start), Some(segment.start));
                    assert!(segment.start < MediaTime::ZERO + LENGTH, "beyond the timeline");
                    self.check_budgets(session, Self::kind(presentation, representation), now, fetch);
                }
                self.open.insert(fetch.id, *fetch);
            }
            Output::Cancel(id) => assert!(self.open.contains_key(id), "{id:?} is not open"),
            Output::Discard(id) => {
                for had in self.had.values_mut() {
                    had.remove(id);
                }
            }
            Output::Flush { track, from } => {
                self.had.entry(*track).or_default().retain(|_, had| had.start < *from);
            }
            Output::Report(Event::Gap { track, to, .. }) => {
                self.holes.insert(*track, *to);
            }
            Output::Seek { buffered: false, .. } => self.had.clear(),
            _ => {}
        }
    }

    /// A first attempt at a segment is made only when there is room for it.
    fn check_budgets(&self, session: &Session, kind: ContentType, now: Timestamp, fetch: &Fetch) {
        let Resource::Segment { segment, .. } = fetch.resource else { return };
        // What follows a hole is queued early: the pipeline takes an empty queue for a stall.
        if fetch.attempt > 0 || self.holes.get(&kind).is_some_and(|to| segment.start <= *to) {
            return;
        }
        let config = session.config();
        let position = session.position(now);
        let most = config.buffer_ahead.max(segment.duration() * 2);
        assert!(
            segment.end.since(position) <= most,
            "{segment:?} at {position:?}, most {most:?}, holes {:?} failed {:?}",
            self.holes,
            self.failed
        );
        let ahead = |kind: &ContentType| {
            let had = self.had.get(kind).into_iter().flat_map(BTreeMap::values);
            had.filter(|had| had.end > position).map(|had| had.bytes).sum::<u64>()
        };
        let queued: u64 = [ContentType::Video, ContentType::Audio].iter().map(ahead).sum();
        assert!(ahead(&kind) == 0 || queued <= config.buffer_bytes, "{queued} of {}", config.buffer_bytes);
    }
}

/// Plays a case to its end and returns every order.
fn play(case: &Case) -> Vec<String> {
    let mut fates = case.fates.iter();
    let mut origin = move |presentation: &Presentation, fetch: &Fetch| -> Answer {
        let answer = whole(presentation, fetch);
        match (fetch.resource, fates.next()) {
            // What a session cannot do without may fail now and then, but not be spoilt for good.
            (Resource::Segment { .. }, Some((fate, delay))) => {
                Answer { fate: fate.clone(), delay: Duration::from_millis(*delay), ..answer }
            }
            _ => answer,
        }
    };
    let latency = Duration::from_millis(case.latency_ms);
    let steps = case.steps.iter().map(|(ms, kbps)| (Duration::from_millis(*ms), kbps * 1000, latency));
    let mut session = Session::new(case.config.clone());
    let link = Link::new(steps.collect());
    let mut world = World::new(&case.presentation, case.pending_indexes, link, &mut origin, MediaTime::ZERO);
    // In the end the user lets it play.
    let ends =
        [Command::LockHeight(None), Command::Rate(1.0), Command::Play].map(|command| (61_000, command));
    let mut script = case.script.iter().copied().chain(ends).peekable();
    let mut witness = Witness::default();
    let until = reasonable_end(&case.presentation);
    let mut now = Timestamp::ZERO;
    let mut deadline = drain(&mut session, &mut world, &mut witness, case, now);
    while !(script.peek().is_none() && matches!(session.phase(), Phase::Ended | Phase::Failed)) {
        let commanded = script.peek().map(|(at, _)| Timestamp::from_millis(*at));
        let next = world.next().into_iter().chain(deadline).chain(commanded).min();
        now = next.expect("something happens until the end").max(now);
        assert!(now < until, "it plays for ever: {:?}", session.phase());
        world.advance(now);
        let mut told = false;
        while let Some(fact) = world.take_fact() {
            told = true;
            witness.fact(&case.presentation, &fact);
            session.handle(now, fact);
            deadline = drain(&mut session, &mut world, &mut witness, case, now);
        }
        while let Some((_, command)) = script.next_if(|(at, _)| Timestamp::from_millis(*at) <= now) {
            told = true;
            session.handle(now, Input::Command(command));
            deadline = drain(&mut session, &mut world, &mut witness, case, now);
        }
        if !told && deadline.is_some_and(|at| at <= now) {
            session.handle(now, Input::Tick);
            deadline = drain(&mut session, &mut world, &mut witness, case, now);
        }
    }
    // What is still open is answered when the world goes on.
    while let Some(fact) = world.take_fact() {
        witness.fact(&case.presentation, &fact);
    }
    assert_eq!(world.violations().collect::<Vec<_>>(), Vec::<&String>::new());
    if session.phase() == Phase::Failed {
        assert!(witness.open.is_empty(), "a failed session leaves no request behind");
    }
    witness.lines
}

/// Carries out orders until the session waits.
fn drain(
    session: &mut Session,
    world: &mut World<'_>,
    witness: &mut Witness,
    case: &Case,
    now: Timestamp,
) -> Option<Timestamp> {
    for _ in 0..1000 {
        let order = session.poll();
        witness.order(session, &case.presentation, now, &order);
        if let Output::Wait(deadline) = order {
            assert!(deadline.is_none_or(|at| at > now), "it would wake at once, again and again");
            return deadline;
        }
        world.carry_out(order);
    }
    panic!("a thousand orders for one fact");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn a_session_keeps_its_promises(case in case()) {
        let first = play(&case);
        prop_assert_eq!(first, play(&case));
    }
}
