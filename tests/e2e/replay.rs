//! A recorded session replays: the simulator gives every order again.

use std::fs;
use std::process::Command;
use tests::content::{Film, Packaging};
use tests::fault::{Effect, Fault};
use tests::origin::Origin;
use tests::shaping::Link;
use tests::sluice::{Sluice, program};

#[test]
fn a_journal_replays_exactly() {
    let title = Film::ladder(6).package(Packaging::HlsFmp4);
    let link = Link::steps(&[(0.0, 8_000_000), (3.0, 1_200_000), (9.0, 8_000_000)]);
    let site = title.site().link(link).fault(Fault::first(1, "v*-003", Effect::Status(503)));
    let origin = Origin::start(site);
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let journal = folder.path().join("session.jsonl");
    Sluice::paced(&origin.url(title.entry))
        .args(&["--journal", &journal.display().to_string(), "--pause-at", "2:0.5", "--seek-at", "5:9"])
        .run()
        .expect_success();
    assert!(
        fs::read_to_string(&journal).is_ok_and(|text| text.lines().count() > 20),
        "a journal was written"
    );

    let replay = |journal: &std::path::Path| {
        let output = Command::new(program("abr-sim")).arg("replay").arg(journal).output().expect("it runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (code, told) = replay(&journal);
    assert_eq!(code, Some(0), "{told}");

    // A journal that was tampered with must not pass.
    let text = fs::read_to_string(&journal).expect("just read");
    let forged = text.replacen("\"buffer_ms\":", "\"buffer_ms\":1", 1);
    assert_ne!(forged, text, "the journal records decisions");
    let file = folder.path().join("forged.jsonl");
    fs::write(&file, forged).expect("there is room for temporary files");
    let (code, told) = replay(&file);
    assert_ne!(code, Some(0), "a forged journal passed: {told}");
}
