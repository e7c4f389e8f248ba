//! `abr-sim reproduce`, `convert` and `optimum` as a user meets them.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::path::Path;
use std::process::{Command, Output};
use support::Folder;

fn abr_sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_abr-sim")).args(arguments).output().unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn traces_are_converted_and_nothing_is_overwritten() {
    let folder = Folder::new("traces");
    let cooked = folder.file("in/set/a.log", "0\t2.5\n1.5\t2.25\n4\t1.125\n");
    let to_json =
        ["convert", &cooked, &folder.path("a.json"), "--to", "sabre", "--latency-ms", "40", "--json"];
    let report = json(&abr_sim(&to_json));
    assert_eq!(report["files"][0]["losses"].as_array().unwrap().len(), 0);
    assert!(
        folder.read("a.json").contains(r#""duration_ms": 1500, "bandwidth_kbps": 2250, "latency_ms": 40"#)
    );
    let again = abr_sim(&to_json);
    assert_eq!(again.status.code(), Some(2), "{}", String::from_utf8_lossy(&again.stderr));
    assert!(
        abr_sim(&["convert", &folder.path("a.json"), &folder.path("b"), "--to", "cooked"]).status.success()
    );
    assert_eq!(folder.read("b"), "0\t2.25\n1.5\t2.25\n4\t1.125\n");
    let whole = ["convert", &folder.path("in"), &folder.path("out"), "--to", "csv"];
    assert!(abr_sim(&whole).status.success());
    assert_eq!(folder.read("out/set/a.log.csv"), "duration_ms,bandwidth_kbps\n1500,2250\n2500,1125\n");
    let dry = ["convert", &cooked, &folder.path("dry"), "--to", "mahimahi", "--dry-run"];
    assert!(abr_sim(&dry).status.success() && !Path::new(&folder.path("dry")).exists());
    let bad = folder.file("bad.json", "[{\"duration_ms\": 5}]");
    let wrong = abr_sim(&["convert", &bad, &folder.path("c"), "--to", "csv"]);
    assert_eq!(wrong.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("bad.json:1: missing field"));
}

#[test]
fn titles_are_converted_both_ways() {
    let folder = Folder::new("titles");
    let made = ["convert", "synthetic:segments=12,seconds=4", &folder.path("t.json"), "--to", "sabre"];
    assert!(abr_sim(&made).status.success());
    let split = ["convert", &folder.path("t.json"), &folder.path("t"), "--to", "pensieve"];
    assert!(abr_sim(&split).status.success());
    let joined = ["convert", &folder.path("t"), &folder.path("u.json"), "--to", "sabre"];
    assert!(abr_sim(&joined).status.success());
    assert_eq!(folder.read("t.json"), folder.read("u.json"));
}

#[test]
fn a_table_that_differs_fails_with_eight() {
    let folder = Folder::new("table");
    folder.file("traces/one/steady.csv", "duration_ms,kbps,latency_ms\n1000,2000,100\n");
    let title =
        ["convert", "synthetic:segments=20,seconds=3", &folder.path("movies/t.json"), "--to", "sabre"];
    assert!(abr_sim(&title).status.success());
    let table = folder.file("t.csv", "movie,flags,trace,buffer_size,remark\nt,-a bolae,steady,25000,x\n");
    let (traces, movies) = (folder.path("traces"), folder.path("movies"));
    let run =
        |table: &str| abr_sim(&["reproduce", table, "--traces", &traces, "--movies", &movies, "--json"]);
    let same = run(&table);
    assert!(same.status.success());
    assert_eq!((&json(&same)["rows"], &json(&same)["equal"]), (&1.into(), &1.into()));
    let table = folder.file("u.csv", "movie,flags,trace,total_play_time\nt,-a bolae,steady,1.000000\n");
    let other = run(&table);
    assert_eq!(other.status.code(), Some(8));
    assert_eq!(json(&other)["differing"], 1);
    assert!(json(&other)["figures"][0]["largest_relative_error"].as_f64().unwrap() > 1.0);
}

#[test]
fn the_optimum_is_bracketed_and_repeatable() {
    let folder = Folder::new("optimum");
    folder.file("sets/a/one", "0 1\n10 2.5\n20 0.7\n");
    folder.file("sets/b/two", "0 1\n5 0.4\n30 6\n");
    let sets = folder.path("sets");
    let run = || {
        abr_sim(&[
            "optimum",
            "--traces",
            &sets,
            "--title",
            "synthetic:segments=30",
            "--cap-s",
            "20",
            "--qoe",
            "log",
            "--plans",
            "--json",
        ])
    };
    let result = json(&run());
    assert_eq!(result, json(&run()));
    let rows = result["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[1]["set"], &rows[1]["trace"], &rows[1]["qoe"]),
        (&"b".into(), &"two".into(), &"log".into())
    );
    for row in rows {
        let (lower, upper) = (row["lower"].as_f64().unwrap(), row["upper"].as_f64().unwrap());
        assert!(lower <= upper && upper - lower < 0.02 * upper, "{lower} {upper}");
        assert_eq!(row["qualities"].as_array().unwrap().len(), 30);
    }
}
