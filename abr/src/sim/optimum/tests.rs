//! Tests of the optimum: against every plan there is, and against the tables of published figures.

use super::*;
use crate::sim::trace::{Format, Trace};
use proptest::prelude::*;
use std::path::Path;

fn exhaustive(problem: &Problem<'_>) -> f64 {
    let (segments, qualities) = (problem.title.segments(), problem.title.qualities());
    (0..qualities.pow(segments as u32))
        .map(|mut code| {
            let plan: Vec<usize> = (0..segments)
                .map(|_| {
                    let quality = code % qualities;
                    code /= qualities;
                    quality
                })
                .collect();
            play(problem, &plan).score
        })
        .fold(f64::NEG_INFINITY, f64::max)
}

fn trace(rows: &[(u32, u32)]) -> Trace {
    let text: String = rows.iter().map(|(ms, kbps)| format!("{ms},{kbps},{}\n", ms % 90)).collect();
    let text = format!("duration_ms,kbps,latency_ms\n{text}");
    Trace::parse(Path::new("t"), &text, Some(Format::Csv)).unwrap()
}

proptest! {
    #[test]
    fn the_optimum_lies_in_the_bracket(
        rows in prop::collection::vec((100u32..9000, prop_oneof![Just(0u32), 100..6000u32]), 1..12),
        sizes in prop::collection::vec(0.5..2.0f64, 6),
        log in any::<bool>(), sabre in any::<bool>(), admit_s in 1.0..12.0f64, cell in 0.05..1.0f64,
    ) {
        prop_assume!(rows.iter().any(|row| row.1 > 0));
        let trace = trace(&rows);
        let rates = [400.0, 1000.0, 2500.0];
        let bits = sizes.iter().flat_map(|f| rates.map(|r| (r * 2000.0 * f) as u64)).collect();
        let title = Title::new("t", vec![2000.0; 6], rates.to_vec(), bits).unwrap();
        let weights = if log { Weights::log(&rates) } else { Weights::lin(&rates) };
        let link = if sabre { Link::sabre(&trace) } else { Link::pensieve(&trace) };
        let problem = Problem { title: &title, link: &link, weights: &weights, admit_s };
        let found = optimum(&problem, cell);
        let best = exhaustive(&problem);
        prop_assert!(found.lower() <= best + 1e-9, "{} {best}", found.lower());
        prop_assert!(found.upper >= best - 1e-9, "{} {best}", found.upper);
        let fine = optimum(&problem, 1e-6);
        prop_assert!((fine.lower() - best).abs() < 1e-6 && (fine.upper - best).abs() < 1e-6);
    }

    #[test]
    fn no_request_overtakes(rows in prop::collection::vec((1u32..3000, 0..6000u32), 1..20),
        starts in (0.0..100.0f64, 0.0..50.0f64), bits in 1.0..1e7f64) {
        prop_assume!(rows.iter().any(|row| row.1 > 0));
        let trace = trace(&rows);
        for link in [Link::sabre(&trace), Link::pensieve(&trace)] {
            let first = link.fetch(3, starts.0 + 1.0, bits);
            prop_assert!(first >= starts.0 + 1.0);
            prop_assert!(link.fetch(3, starts.0 + 1.0 + starts.1, bits) >= first - 1e-9);
            prop_assert!(link.fetch(3, starts.0 + 1.0, bits + 1000.0) >= first - 1e-9);
        }
    }
}
