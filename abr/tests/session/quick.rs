//! A quick simulation leaves out reports that no rule waits for: the orders stay the same.

use crate::support::*;
use abr::controller::NAMES;
use abr::presentation::Presentation;
use abr::protocol::{Event, Fetch, Output, Resource};
use abr::session::Config;
use abr::sim::link::Link;
use abr::sim::origin::{Answer, Fate, whole};
use abr::sim::playback::{Outcome, Seen, Setup, reasonable_end, run, run_quickly};
use abr::sim::staging;
use abr::sim::title::Title;
use abr::sim::trace::{Trace, sets};
use abr::time::Timestamp;
use proptest::prelude::*;
use std::path::PathBuf;
use std::time::Duration;

type Orders = Vec<(Timestamp, Output)>;

/// Orders without the explanations that a quick simulation leaves out, and how many facts were told.
fn orders(
    presentation: &Presentation,
    link: &Link,
    config: &Config,
    quick: bool,
) -> (Orders, Outcome, usize) {
    let mut origin = |presentation: &Presentation, fetch: &Fetch| -> Answer {
        let answer = whole(presentation, fetch);
        match fetch.resource {
            Resource::Presentation => Answer { fate: Fate::Cached, ..answer },
            _ => answer,
        }
    };
    let setup = Setup {
        presentation,
        pending_indexes: false,
        link: link.clone(),
        config: config.clone(),
        origin: &mut origin,
        script: Vec::new(),
        until: reasonable_end(presentation),
    };
    let (mut orders, mut facts) = (Vec::new(), 0);
    let observe = |now, seen: Seen<'_>| match seen {
        Seen::In(_) => facts += 1,
        Seen::Out(Output::Wait(_)) => {}
        Seen::Out(output) => {
            let mut output = output.clone();
            if let Output::Report(Event::Decided(decision)) = &mut output {
                decision.candidates.clear();
            }
            orders.push((now, output));
        }
    };
    let outcome = if quick { run_quickly(setup, observe) } else { run(setup, observe) };
    assert_eq!(outcome.violations, Vec::<String>::new());
    (orders, outcome, facts)
}

fn assert_same(presentation: &Presentation, link: &Link, config: &Config, what: &str) -> (usize, usize) {
    let (full, full_outcome, full_facts) = orders(presentation, link, config, false);
    let (quick, quick_outcome, quick_facts) = orders(presentation, link, config, true);
    for (place, (full, quick)) in full.iter().zip(&quick).enumerate() {
        assert_eq!(full, quick, "{what}: order {place}");
    }
    assert_eq!(full.len(), quick.len(), "{what}");
    assert_eq!(full_outcome.summary, quick_outcome.summary, "{what}");
    assert_eq!(full_outcome.now, quick_outcome.now, "{what}");
    (full_facts, quick_facts)
}

fn config(controller: &str, ahead_s: u64, bytes: u64) -> Config {
    Config {
        controller: controller.to_owned(),
        buffer_ahead: Duration::from_secs(ahead_s),
        buffer_bytes: bytes,
        ..Config::default()
    }
}

fn shared() -> Option<PathBuf> {
    let shared = std::env::var_os("SLUICE_SHARED_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let traces = shared.join("traces");
    if !traces.is_dir() {
        println!("skipped: {} is not here (set SLUICE_SHARED_DIR)", traces.display());
        return None;
    }
    Some(traces)
}

#[test]
fn on_recorded_networks_nothing_changes() {
    let Some(traces) = shared() else { return };
    let title = |name: &str| {
        staging::presentation(&Title::load(traces.join("movies").join(name).to_str().unwrap()).unwrap())
    };
    let titles = [title("sabre-bbb.json"), title("envivio-dash3")];
    let every: usize = std::env::var("SLUICE_QUICK_EVERY").ok().and_then(|n| n.parse().ok()).unwrap_or(31);
    let (mut full, mut quick, mut played) = (0, 0, 0);
    for (set, files) in sets(&traces).unwrap() {
        for file in files.iter().step_by(every) {
            let Ok(trace) = Trace::read(file, None) else { continue };
            let link = staging::link(&trace, 80.0);
            for (place, controller) in ["bola-e", "throughput", "robust-mpc", "bba-2"].into_iter().enumerate()
            {
                let (title, ahead) = (&titles[place % 2], [20, 60][place / 2]);
                let what = format!("{set} {} {controller}", trace.name);
                let facts = assert_same(title, &link, &config(controller, ahead, u64::MAX), &what);
                (full, quick, played) = (full + facts.0, quick + facts.1, played + 1);
            }
        }
    }
    println!("{played} sessions: {full} facts in full, {quick} quickly");
    assert!(quick * 3 < full, "{quick} of {full} facts");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn on_any_network_nothing_changes(
        steps in prop::collection::vec((1u64..20, prop_oneof![Just(0u64), 5..400u64, 400..9000u64]), 1..12),
        latency_ms in prop_oneof![Just(0u64), 1..400u64, 1900..2500u64],
        controller in 0..NAMES.len(), ahead in 8u64..40, with_audio in any::<bool>(), tight in any::<bool>(),
    ) {
        prop_assume!(steps.iter().any(|step| step.1 > 300));
        let latency = Duration::from_millis(latency_ms);
        let link = Link::new(
            steps.iter().map(|(s, kbps)| (Duration::from_millis(s * 700), kbps * 1000, latency)).collect(),
        );
        let mut sets = vec![video(0, 90)];
        if with_audio {
            sets.push(audio(0, 90));
        }
        let presentation = title(vec![period(0, 90, sets)]);
        let bytes = if tight { 3_000_000 } else { u64::MAX };
        assert_same(&presentation, &link, &config(NAMES[controller], ahead, bytes), NAMES[controller]);
    }
}
