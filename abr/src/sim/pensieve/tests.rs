//! Tests of what Pensieve's environment refuses, and that no baseline exceeds the optimum; its figures are
//! tested in `expected`.

use super::*;
use crate::sim::input::shared_traces;
use crate::sim::optimum::{Link, Problem, Weights, optimum};
use crate::sim::trace::sets;
use std::path::Path;

#[test]
fn what_is_not_pensieves_is_refused() {
    assert!("bola".parse::<Algorithm>().is_err());
    let csv = Trace::parse(Path::new("c"), "duration_s,kbps\n10,1000\n", None).unwrap();
    let title = Title::load("synthetic:segments=49").unwrap();
    assert_eq!(play(&title, &csv, Algorithm::Bba), Err(Refused::NotCooked("c".into())));
    let cooked = Trace::parse(Path::new("c"), "0 1\n10 1\n", None).unwrap();
    assert!(play(&title, &cooked, Algorithm::Bba).is_ok());
    let short = Title::load("synthetic:segments=48").unwrap();
    assert!(matches!(play(&short, &cooked, Algorithm::Bba), Err(Refused::OtherTitle(_))));
}

#[test]
fn no_baseline_exceeds_the_optimum() {
    let Some(dir) = shared_traces() else { return };
    let title = Title::read(&dir.join("movies/envivio-dash3")).unwrap().resized(CHUNKS + 1);
    let played = title.resized(CHUNKS);
    let (_, files) = sets(&dir).unwrap().into_iter().find(|(set, _)| set == "pensieve-test").unwrap();
    let weights = Weights::lin(&title.bitrates_kbps);
    for file in files.iter().step_by(9) {
        let trace = Trace::read(file, None).unwrap();
        let link = Link::pensieve(&trace);
        let problem = Problem { title: &played, link: &link, weights: &weights, admit_s: 60.0 };
        let best = optimum(&problem, 0.25);
        for algorithm in ["bba", "robustmpc_aligned", "robustmpc_upstream"] {
            let chunks = play(&title, &trace, algorithm.parse().unwrap()).unwrap();
            let earned = chunks.iter().map(|chunk| chunk.qoe_lin).sum::<f64>() / CHUNKS as f64;
            assert!(earned <= best.upper + 1e-9, "{}: {earned} {}", trace.name, best.upper);
            let plan: Vec<usize> = chunks
                .iter()
                .filter_map(|c| title.bitrates_kbps.iter().position(|rate| *rate == c.bitrate_kbps))
                .collect();
            let replayed = crate::sim::optimum::play(&problem, &plan).score;
            // The environment drains a full buffer in steps of half a second; a plan need not.
            assert!((replayed - earned).abs() < 0.2 && replayed >= earned - 1e-6, "{replayed} {earned}");
        }
    }
}
