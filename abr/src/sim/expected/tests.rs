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

#[test]
fn every_recorded_request_and_chunk_is_reproduced() {
    all_equal(&["sabre_steps.csv"], 9356);
    let chunks = ["bba", "robustmpc_aligned", "robustmpc_upstream"];
    let files = chunks.map(|algorithm| format!("pensieve_chunks_{algorithm}.csv"));
    all_equal(&files.each_ref().map(String::as_str), 3 * 4080);
}

#[test]
fn other_tables_and_rows_are_refused_with_a_reason() {
    let Some(dir) = shared_traces() else { return };
    let folder = std::env::temp_dir().join(format!("abr-expected-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let reproduce_text = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        reproduce(&file, &dir, &dir.join("movies"))
    };
    assert!(reproduce_text("x.csv", "a,b\n1,2\n").is_err());
    let head = "movie,flags,trace,buffer_size\n";
    for (row, reason) in [
        ("sabre-bbb,-a bba,report_bus_0001,25000", "not implemented"),
        ("sabre-bbb,-a bola,report_bus_0001,26000", "expected 26000, played 25000"),
        ("sabre-bbb,-a bola,nowhere,25000", "no such trace"),
        ("sabre-bbb,-a bola,trace0003,25000", "more than one set"),
        ("../../x,-a bola,report_bus_0001,25000", "not the plain name"),
    ] {
        let outcome = reproduce_text("y.csv", &format!("{head}{row}\n")).unwrap();
        assert_eq!((outcome.rows, outcome.equal, outcome.differing), (1, 0, 1));
        assert!(outcome.differences[0].what.contains(reason), "{:?}", outcome.differences);
    }
    let named =
        reproduce_text("other_fcc-hd.csv", &format!("{head}sabre-bbb,-a bola,trace0003,25000\n")).unwrap();
    assert_eq!(named.equal, 1, "the file's name tells the set");
    std::fs::remove_dir_all(folder).unwrap();
}
