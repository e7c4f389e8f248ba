//! The command line, and machines that lack something: no display, no sound, no writable place.

use std::process::{Command, Stdio};
use tests::content::{Film, Packaging};
use tests::origin::Origin;
use tests::sluice::{Sluice, program};

fn sluice(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output =
        Command::new(program("sluice")).args(arguments).stdin(Stdio::null()).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn exit_codes_are_as_told() {
    assert_eq!(sluice(&["--version"]).0, Some(0));
    assert_eq!(sluice(&["--help"]).0, Some(0));
    assert_eq!(sluice(&["--no-such-option"]).0, Some(2));
    assert_eq!(sluice(&["--headless", "--seek-at", "nonsense", "http://127.0.0.1:9/a.mpd"]).0, Some(2));
    assert_eq!(sluice(&["--headless", "--controller", "oracle", "http://127.0.0.1:9/a.mpd"]).0, Some(2));
    assert_eq!(sluice(&["--headless", "http://127.0.0.1:9/a.mpd"]).0, Some(3), "nothing listens there");
    assert_eq!(sluice(&["--headless", "no-such-file.mpd"]).0, Some(3));
    assert_eq!(sluice(&["--headless", "av://lavfi"]).0, Some(7));
}

/// An error says what happened and has its number; the number is explained.
#[test]
fn errors_are_explained() {
    let (_, _, told) = sluice(&["--headless", "http://127.0.0.1:9/a.mpd"]);
    assert!(told.contains("[2001]") && told.contains("127.0.0.1"), "{told}");
    let (code, all, _) = sluice(&["explain"]);
    assert_eq!(code, Some(0));
    for error in abr::error::Code::ALL {
        let number = error.number().to_string();
        assert!(all.contains(&number), "`explain` does not list {number}");
        let (code, one, _) = sluice(&["explain", &number]);
        assert!(code == Some(0) && one.contains(&number), "`explain {number}`: {one}");
    }
    assert_eq!(sluice(&["explain", "9999"]).0, Some(2));
}

#[test]
fn help_shows_the_way() {
    let (_, help, _) = sluice(&["--help"]);
    for word in ["--headless", "--events", "--frame-log", "--json", "--no-pacing", "--seek-at", "inspect"] {
        assert!(help.contains(word), "--help does not name {word}");
    }
    assert!(sluice(&["completions", "bash"]).1.contains("sluice"));
    assert!(sluice(&["man"]).1.contains(".TH"));
}

/// Without a display the title plays all the same, and says so.
#[test]
fn no_display_is_no_obstacle() {
    let title = Film::ladder(6).package(Packaging::DashNumber);
    let origin = Origin::start(title.site());
    let output = Command::new(program("sluice"))
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .args(["--max-height", "180", "--json", "--stop-after", "2"])
        .arg(origin.url(title.entry))
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("[7001]") && !told.contains(".rs:"), "says what is missing, in words: {told}");
}

/// Places that cannot be written are named before anything is fetched.
#[test]
fn an_unwritable_log_is_an_error() {
    let (code, _, told) =
        sluice(&["--headless", "--events", "/proc/no/such/place", "http://127.0.0.1:9/a.mpd"]);
    assert_ne!(code, Some(0));
    assert!(told.contains("/proc/no/such/place"), "{told}");
}

/// An interrupted session ends orderly, with its summary.
#[test]
fn a_signal_ends_it_orderly() {
    let title = Film::ladder(6).package(Packaging::DashNumber);
    let origin = Origin::start(title.site());
    let mut interrupter = Command::new("timeout");
    interrupter.args(["--preserve-status", "--signal=INT", "3"]).arg(program("sluice"));
    let outcome = Sluice::within(interrupter, &origin.url(title.entry)).args(&["--lock", "180"]).run();
    assert_eq!(outcome.code, Some(4), "{outcome}");
    assert_eq!(outcome.summary["outcome"], "interrupted", "{outcome}");
    assert_eq!(outcome.events.last().map(|event| &event["event"]), Some(&"end".into()), "{outcome}");
}

/// A file on disk plays like one from a server.
#[test]
fn a_local_manifest_plays() {
    let title = Film::ladder(6).package(Packaging::DashNumber);
    let file = title.folder.join(title.entry);
    let outcome =
        Sluice::unpaced(&file.display().to_string()).args(&["--lock", "180"]).run().expect_success();
    crate::check::every_frame_once(&outcome, &title);
}
