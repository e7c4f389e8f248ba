//! How many sessions a core simulates: whole sessions of the 199-segment title through the shipping `Session`.
//!
//! `cargo bench -p abr --bench simulation`. One iteration is one session, told only the reports that it waits
//! for, as `abr-sim compare` does. With the traces that the project shares at hand (`SLUICE_SHARED_DIR`, else
//! `../shared`) the title is `movies/sabre-bbb.json` on a recorded 3G trace; without, one of the same shape. The
//! trace is read and turned into a link once, as in a sweep of many sessions over it.

use abr::controller::NAMES;
use abr::presentation::Presentation;
use abr::protocol::{Fetch, Resource};
use abr::session::Config;
use abr::sim::link::Link;
use abr::sim::origin::{Answer, Fate, whole};
use abr::sim::playback::{Setup, reasonable_end, run, run_quickly};
use abr::sim::staging;
use abr::sim::title::Title;
use abr::sim::trace::{Trace, sets};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

fn title_and_link() -> (Presentation, Link) {
    let shared = std::env::var_os("SLUICE_SHARED_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let traces = shared.join("traces");
    let title = Title::read(&traces.join("movies/sabre-bbb.json"));
    let title = title.or_else(|_| Title::load("synthetic:segments=199"));
    let presentation = title.map(|title| staging::presentation(&title)).unwrap_or_default();
    let trace = sets(&traces.join("hsdpa-3g")).ok().and_then(|sets| {
        let file = sets.first()?.1.first()?.clone();
        Trace::read(&file, None).ok()
    });
    let span = |s: u64, kbps: u64| (Duration::from_secs(s), kbps * 1000, Duration::from_millis(80));
    let link = trace.map_or_else(
        || Link::new(vec![span(30, 4000), span(20, 900), span(40, 2500)]),
        |trace| staging::link(&trace, 80.0),
    );
    (presentation, link)
}

/// The presentation is known but for a round trip, as in the published evaluations.
fn segments_only(presentation: &Presentation, fetch: &Fetch) -> Answer {
    let answer = whole(presentation, fetch);
    match fetch.resource {
        Resource::Presentation => Answer { fate: Fate::Cached, ..answer },
        _ => answer,
    }
}

fn session(c: &mut Criterion) {
    let (presentation, link) = title_and_link();
    let play = |name: &str, quick: bool| {
        let setup = Setup {
            presentation: &presentation,
            pending_indexes: false,
            link: link.clone(),
            config: Config {
                controller: name.to_owned(),
                buffer_ahead: Duration::from_secs(60),
                buffer_bytes: u64::MAX,
                ..Config::default()
            },
            origin: &mut segments_only,
            script: Vec::new(),
            until: reasonable_end(&presentation),
        };
        if quick { run_quickly(setup, |_, _| {}).summary } else { run(setup, |_, _| {}).summary }
    };
    let mut group = c.benchmark_group("session");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for name in NAMES {
        group.bench_function(name, |b| b.iter(|| black_box(play(name, true))));
    }
    group.bench_function("bola-e/every-report", |b| b.iter(|| black_box(play("bola-e", false))));
    group.finish();
}

criterion_group!(benches, session);
criterion_main!(benches);
