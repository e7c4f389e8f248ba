//! The whole of the shared tables, and what is wrong with others.

use super::*;
use crate::sim::input::shared_traces;

fn all_equal(files: &[&str], rows: usize) {
    let Some(dir) = shared_traces() else { return };
    let mut played = 0;
    for file in files {
        let outcome = reproduce(&dir.join("expected").join(file), &dir, &dir.join("movies")).unwrap();
        assert_eq!(outcome.differing, 0, "{file}: {:#?}", outcome.differences);
        println!("{file}: {} rows, {} identical", outcome.rows, outcome.identical);
        played += outcome.rows;
    }
    assert_eq!(played, rows);
}

#[test]
fn every_sabre_row_is_reproduced() {
    all_equal(
        &["sabre_hsdpa-3g.csv", "sabre_ghent-4g.csv", "sabre_fcc-sd.csv", "sabre_fcc-hd.csv"],
        2520 + 1032 + 2232 + 2232,
    );
}

#[test]
fn every_pensieve_row_is_reproduced() {
    all_equal(&["pensieve_sessions.csv"], 255);
}
