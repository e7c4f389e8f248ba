//! The place in a title outlives the program, however that ends.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tests::sluice::{Sluice, program};

/// The positions that were told so far, a second apart.
fn positions(events: &Path) -> Vec<i64> {
    let text = std::fs::read_to_string(events).unwrap_or_default();
    let position = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        (line["event"] == "position").then(|| line["position_ms"].as_i64())?
    };
    text.lines().filter_map(position).collect()
}

/// The demo title from `from` s on, with what it remembers in `state`; killed when it has told so many
/// positions. Returns the last of them.
fn killed(state: &Path, from: &str, told: usize) -> i64 {
    let events = state.join("events.jsonl");
    // What the run before told is not of this one.
    std::fs::write(&events, "").expect("a file can be written");
    let mut child: Child = Command::new(program("sluice"))
        .args(["--headless", "--resume", "--quiet", "--lock", "240", "--start-at", from, "--events"])
        .arg(&events)
        .env("XDG_STATE_HOME", state)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the player can be started");
    let patience = Instant::now() + Duration::from_secs(60);
    while positions(&events).len() < told {
        assert!(Instant::now() < patience, "it does not play");
        std::thread::sleep(Duration::from_millis(20));
    }
    // SIGKILL: nothing can be tidied up.
    child.kill().expect("it still runs");
    child.wait().expect("it is gone");
    positions(&events).pop().expect("it played")
}

fn first_frame(state: &Path, arguments: &[&str]) -> i64 {
    let outcome = Sluice::demo()
        .args(arguments)
        .args(&["--lock", "240", "--stop-after", "0.5"])
        .env("XDG_STATE_HOME", &state.display().to_string())
        .run()
        .expect_success();
    outcome.named("first_frame")[0]["position_ms"].as_i64().expect("a number")
}

#[test]
fn a_killed_program_goes_on_within_five_seconds() {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let state = folder.path();
    for (from, told) in [("40", 3), ("45", 5), ("50", 8)] {
        let told = killed(state, from, told);
        let resumed = first_frame(state, &["--resume"]);
        // A position is told once a second.
        assert!(resumed > told - 5_000 && resumed <= told + 1_500, "killed at {told}, resumed at {resumed}");
    }
    assert_eq!(first_frame(state, &["--resume", "--no-resume"]), 0, "the last one holds");
    assert!(first_frame(state, &["--resume", "--start-at", "10"]) >= 10_000);
    assert!(first_frame(state, &["--resume", "--start-at", "10"]) < 12_000, "what is asked for comes first");
}

#[test]
fn without_being_asked_a_headless_run_remembers_nothing() {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    first_frame(folder.path(), &["--start-at", "40"]);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
}
