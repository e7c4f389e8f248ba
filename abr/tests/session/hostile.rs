//! Inputs that no honest driver would send: never a panic, never an endless conversation.

use crate::support::*;
use abr::error::Code;
use abr::presentation::{ContentType, Presentation, RepresentationKey};
use abr::protocol::{
    AppendFailure, Command, Failure, FailureKind, FetchId, Input, KeyStatus, LicenceId, Output, Transfer,
};
use abr::segments::{Run, SegmentIndex, SegmentRuns};
use abr::session::{Config, Session};
use abr::time::{MediaTime, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

fn time() -> impl Strategy<Value = MediaTime> {
    prop_oneof![
        (-5_000i64..70_000).prop_map(MediaTime::from_millis),
        Just(MediaTime::MIN),
        Just(MediaTime::MAX),
    ]
}

fn transfer() -> impl Strategy<Value = Transfer> {
    let span = || (0u64..20_000).prop_map(Duration::from_millis);
    (prop_oneof![0u64..5_000_000, Just(u64::MAX)], span(), span(), span(), any::<bool>()).prop_map(
        |(bytes, first_byte, total, waited, cached)| Transfer { bytes, first_byte, total, waited, cached },
    )
}

fn runs() -> impl Strategy<Value = SegmentRuns> {
    let run = (
        prop_oneof![0u64..100, Just(u64::MAX)],
        prop_oneof![0i64..100_000, Just(i64::MIN), Just(i64::MAX)],
        prop_oneof![0u64..8000, Just(u64::MAX)],
        prop_oneof![0u64..50, Just(u64::MAX)],
        any::<bool>(),
    );
    let run = run.prop_map(|(number, start, duration, count, gap)| Run {
        number,
        start,
        duration,
        count,
        discontinuity: 0,
        init: Some(0),
        gap,
        part: None,
    });
    (prop_oneof![Just(0u32), Just(1000), any::<u32>()], any::<i64>(), prop::collection::vec(run, 0..4))
        .prop_map(|(timescale, offset, runs)| SegmentRuns {
            timescale,
            offset_ticks: if timescale == 1000 { 0 } else { offset },
            runs,
            sizes: vec![1, u64::MAX],
            complete: true,
            availability: Default::default(),
        })
}

fn presentation() -> impl Strategy<Value = Presentation> {
    let kinds = prop_oneof![Just(ContentType::Video), Just(ContentType::Audio), Just(ContentType::Text)];
    let index = prop_oneof![
        3 => Just(index(0, 60, 4000)),
        1 => Just(SegmentIndex::Pending),
        1 => runs().prop_map(SegmentIndex::Known),
    ];
    let representation = (prop_oneof![1u64..10_000_000, Just(u64::MAX), Just(0)], 0u32..2000, index)
        .prop_map(|(bps, height, index)| representation(bps, height, index));
    let set = (kinds, prop::collection::vec(representation, 0..4), any::<bool>())
        .prop_map(|(kind, r, muxed)| abr::presentation::AdaptationSet { muxed_audio: muxed, ..set(kind, r) });
    let period = (time(), prop::option::of(0u64..40), prop::collection::vec(set, 0..3)).prop_map(
        |(start, duration, adaptation_sets)| abr::presentation::Period {
            id: String::new(),
            start,
            duration: duration.map(Duration::from_secs),
            adaptation_sets,
        },
    );
    (prop::collection::vec(period, 0..4), prop::option::of(0u64..100)).prop_map(|(periods, duration)| {
        Presentation { duration: duration.map(Duration::from_secs), periods, ..Presentation::default() }
    })
}

fn key() -> impl Strategy<Value = RepresentationKey> {
    (0u32..3, 0u32..3, 0u32..4).prop_map(|(period, adaptation_set, representation)| RepresentationKey {
        period,
        adaptation_set,
        representation,
    })
}

fn command() -> impl Strategy<Value = Command> {
    let track = prop_oneof![Just(ContentType::Video), Just(ContentType::Audio), Just(ContentType::Text)];
    prop_oneof![
        Just(Command::Play),
        Just(Command::Pause),
        time().prop_map(Command::Seek),
        any::<f64>().prop_map(Command::Rate),
        prop::option::of(0u32..2000).prop_map(Command::LockHeight),
        (any::<u32>(), any::<u32>()).prop_map(|(min, max)| Command::LimitHeight { min, max }),
        (track, prop::option::of(0u32..4))
            .prop_map(|(track, adaptation_set)| Command::SelectSet { track, adaptation_set }),
    ]
}

fn failure_kind() -> impl Strategy<Value = FailureKind> {
    prop_oneof![
        Just(FailureKind::Connect),
        Just(FailureKind::Timeout),
        Just(FailureKind::Malformed),
        Just(FailureKind::Unsupported),
        any::<u16>().prop_map(FailureKind::Status),
    ]
}

fn key_status() -> impl Strategy<Value = KeyStatus> {
    prop_oneof![
        Just(KeyStatus::Pending),
        Just(KeyStatus::Usable),
        Just(KeyStatus::Unusable { code: Code::MissingKey, detail: String::new() }),
    ]
}

/// Which open request or append an answer is for, or any number.
#[derive(Clone, Debug)]
enum Step {
    Plain(Input),
    Fetched(usize, Transfer),
    Failed(usize, FailureKind),
    Progress(usize, Transfer),
    Cancelled(usize),
    Appended(usize, MediaTime, MediaTime),
    Growing(usize, MediaTime, MediaTime),
    Refused(usize, bool),
    Index(RepresentationKey, SegmentRuns),
}

fn step() -> impl Strategy<Value = Step> {
    let any_id = any::<usize>();
    prop_oneof![
        2 => Just(Step::Plain(Input::Tick)),
        2 => command().prop_map(|command| Step::Plain(Input::Command(command))),
        3 => (time(), any::<bool>()).prop_map(|(position, running)| Step::Plain(Input::Playback {
            position, running, presented: 0, dropped: 0,
        })),
        1 => time().prop_map(|position| Step::Plain(Input::Ready { position })),
        1 => Just(Step::Plain(Input::Drained)),
        1 => (any::<u32>(), any::<u32>()).prop_map(|(width, height)| Step::Plain(Input::Surface { width, height })),
        1 => (0u32..3).prop_map(|id| Step::Plain(Input::LicenceWanted(LicenceId(id)))),
        2 => (key(), key_status()).prop_map(|(representation, status)| Step::Plain(Input::KeyStatus {
            representation, status,
        })),
        8 => (any_id, transfer()).prop_map(|(id, transfer)| Step::Fetched(id, transfer)),
        3 => (any::<usize>(), failure_kind()).prop_map(|(id, kind)| Step::Failed(id, kind)),
        3 => (any::<usize>(), transfer()).prop_map(|(id, transfer)| Step::Progress(id, transfer)),
        2 => any::<usize>().prop_map(Step::Cancelled),
        6 => (any::<usize>(), time(), time()).prop_map(|(id, start, end)| Step::Appended(id, start, end)),
        3 => (any::<usize>(), time(), time()).prop_map(|(id, start, end)| Step::Growing(id, start, end)),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(id, malformed)| Step::Refused(id, malformed)),
        1 => (key(), runs()).prop_map(|(key, runs)| Step::Index(key, runs)),
    ]
}

fn input(step: &Step, fetches: &BTreeSet<FetchId>, appends: &BTreeSet<FetchId>) -> Input {
    let pick = |set: &BTreeSet<FetchId>, at: usize| {
        let at = if set.is_empty() { 0 } else { at % set.len() };
        set.iter().nth(at).copied().unwrap_or(FetchId(at as u64))
    };
    let failure = |kind| Failure { kind, retry_after: None, detail: "x".to_owned() };
    match step {
        Step::Plain(input) => input.clone(),
        Step::Fetched(at, transfer) => Input::Fetched { id: pick(fetches, *at), transfer: *transfer },
        Step::Failed(at, kind) => Input::FetchFailed {
            id: pick(fetches, *at),
            transfer: Transfer::default(),
            failure: failure(*kind),
        },
        Step::Progress(at, transfer) => Input::FetchProgress {
            id: pick(fetches, *at),
            transfer: *transfer,
            expected_bytes: Some(transfer.bytes),
        },
        Step::Cancelled(at) => {
            Input::FetchCancelled { id: pick(fetches, *at), transfer: Transfer::default() }
        }
        Step::Appended(at, start, end) => {
            Input::Appended { id: pick(appends, *at), start: *start, end: *end }
        }
        Step::Growing(at, start, end) => {
            Input::AppendProgress { id: pick(appends, *at), start: *start, end: *end }
        }
        Step::Refused(at, malformed) => {
            let failure = AppendFailure { malformed: *malformed, code: None, detail: "x".to_owned() };
            Input::AppendFailed { id: pick(appends, *at), failure }
        }
        Step::Index(key, runs) => {
            Input::Index { representation: *key, index: SegmentIndex::Known(runs.clone()) }
        }
    }
}

fn converse(presentation: &Presentation, controller: &str, steps: &[(u64, Step)]) -> Vec<Output> {
    let config = Config { controller: controller.to_owned(), ..Config::default() };
    let mut session = Session::new(config);
    let (mut fetches, mut appends) = (BTreeSet::new(), BTreeSet::new());
    let mut used = BTreeSet::new();
    let mut all = vec![];
    let mut now = 0u64;
    let mut tell = |session: &mut Session,
                    now: u64,
                    input: Option<Input>,
                    fetches: &mut BTreeSet<FetchId>,
                    appends: &mut BTreeSet<FetchId>| {
        if let Some(input) = input {
            match &input {
                Input::Fetched { id, .. }
                | Input::FetchFailed { id, .. }
                | Input::FetchCancelled { id, .. } => {
                    fetches.remove(id);
                }
                Input::Appended { id, .. } | Input::AppendFailed { id, .. } => {
                    appends.remove(id);
                }
                _ => {}
            }
            session.handle(Timestamp::from_millis(now), input);
        }
        for count in 0.. {
            assert!(count < 1000, "the conversation does not end");
            match session.poll() {
                Output::Wait(deadline) => {
                    assert!(
                        deadline.is_none_or(|at| at > Timestamp::from_millis(now)),
                        "a deadline in the past"
                    );
                    break;
                }
                output => {
                    match &output {
                        Output::Fetch(fetch) => {
                            assert!(used.insert(fetch.id), "an id was used twice");
                            fetches.insert(fetch.id);
                        }
                        Output::Append { id, .. } => {
                            appends.insert(*id);
                        }
                        _ => {}
                    }
                    all.push(output);
                }
            }
        }
    };
    tell(&mut session, 0, None, &mut fetches, &mut appends);
    tell(
        &mut session,
        1,
        Some(Input::Presentation(Box::new(presentation.clone()))),
        &mut fetches,
        &mut appends,
    );
    for (pause, step) in steps {
        now += pause + 1;
        let input = input(step, &fetches, &appends);
        tell(&mut session, now, Some(input), &mut fetches, &mut appends);
        assert!(fetches.len() < 100, "{} requests at once", fetches.len());
        let _ = (session.phase(), session.position(Timestamp::from_millis(now)), session.duration());
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_makes_the_session_panic_or_talk_forever(
        presentation in presentation(),
        controller in prop_oneof![Just("hybrid"), Just("throughput"), Just("bola-e")],
        steps in prop::collection::vec((0u64..3000, step()), 0..120),
    ) {
        let once = converse(&presentation, controller, &steps);
        let twice = converse(&presentation, controller, &steps);
        prop_assert_eq!(format!("{once:?}"), format!("{twice:?}"));
    }

    #[test]
    fn a_good_title_survives_a_rude_driver(steps in prop::collection::vec((0u64..3000, step()), 0..200)) {
        converse(&plain(), "hybrid", &steps);
    }
}
