//! What a choice and a whole simulated session cost.
//!
//! `cargo bench -p abr --bench decision`. One iteration of `decision/…` is one choice among six rungs with
//! ten segments of lookahead; of `session/…`, one simulated session of 200 s.

mod support;

use abr::controller::{NAMES, by_name};
use abr::presentation::Presentation;
use abr::session::Config;
use abr::sim::link::Link;
use abr::sim::origin::Faultless;
use abr::sim::playback::{Setup, reasonable_end, run};
use abr::sim::staging;
use abr::sim::title::Title;
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use support::{RUNGS, Scene};

fn decision(c: &mut Criterion) {
    let scene = Scene::new();
    let situation = scene.situation(Duration::from_secs(14));
    for name in NAMES {
        let Some(mut controller) = by_name(name) else { continue };
        c.bench_function(&format!("decision/{name}"), |b| {
            b.iter(|| controller.choose(black_box(&situation)))
        });
    }
}

fn title() -> Presentation {
    let sizes: Vec<u64> = (0..50).flat_map(|_| RUNGS.map(|rate| rate * 4)).collect();
    let rates = RUNGS.iter().map(|rate| *rate as f64 / 1e3).collect();
    match Title::new("bench", vec![4000.0; 50], rates, sizes) {
        Ok(title) => staging::presentation(&title),
        Err(_) => Presentation::default(),
    }
}

fn session(c: &mut Criterion) {
    let presentation = title();
    for name in NAMES {
        c.bench_function(&format!("session/{name}"), |b| {
            b.iter(|| {
                let span =
                    |s: u64, kbps: u64| (Duration::from_secs(s), kbps * 1000, Duration::from_millis(80));
                let setup = Setup {
                    presentation: &presentation,
                    pending_indexes: false,
                    link: Link::new(vec![span(30, 4000), span(20, 900), span(40, 2500)]),
                    config: Config { controller: name.to_owned(), ..Config::default() },
                    origin: &mut Faultless,
                    script: Vec::new(),
                    until: reasonable_end(&presentation),
                };
                black_box(run(setup, |_, _| {}).summary)
            });
        });
    }
}

criterion_group!(benches, decision, session);
criterion_main!(benches);
