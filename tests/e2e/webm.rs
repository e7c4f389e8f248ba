//! A WebM title as ffmpeg makes it: one file for each representation, with an index at its end that the
//! manifest names by its bytes. (`presentations` has one with the index at the beginning.)

use std::fs;
use std::path::Path;
use std::process::Command;
use tests::origin::{Origin, Site};
use tests::sluice::Sluice;

/// Pictures and seconds of the title.
const PICTURES: usize = 192;
const SECONDS: &str = "8";

fn ffmpeg(folder: &Path, arguments: &str) -> String {
    let words = ["-nostdin", "-v", "error", "-y"].into_iter().chain(arguments.split_whitespace());
    let output = Command::new("ffmpeg").args(words).current_dir(folder).output().expect("ffmpeg runs");
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_webm_title_with_indexes_plays() {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let folder = folder.path();
    ffmpeg(
        folder,
        &format!(
            "-f lavfi -i testsrc2=size=320x180:rate=24 -t {SECONDS} -c:v libvpx-vp9 -deadline realtime \
             -cpu-used 8 -g 48 -keyint_min 48 -f webm -dash 1 v.webm"
        ),
    );
    ffmpeg(
        folder,
        &format!(
            "-f lavfi -i sine=frequency=440:sample_rate=48000 -t {SECONDS} -c:a libvorbis -f webm -dash 1 \
             a.webm"
        ),
    );
    let sets = "id=0,streams=0 id=1,streams=1";
    let inputs = ["-f", "webm_dash_manifest", "-i", "v.webm", "-f", "webm_dash_manifest", "-i", "a.webm"];
    let output = ["-c", "copy", "-map", "0", "-map", "1", "-f", "webm_dash_manifest"];
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(inputs)
        .args(output)
        .args(["-adaptation_sets", sets, "title.mpd"])
        .current_dir(folder)
        .output()
        .expect("ffmpeg runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let reference = ffmpeg(folder, "-i v.webm -f framemd5 -");
    let reference: Vec<&str> = reference
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|l| l.rsplit(", ").next())
        .collect();
    assert_eq!(reference.len(), PICTURES);

    let origin = Origin::start(Site::folder(folder));
    let outcome = Sluice::unpaced(&origin.url("title.mpd")).run().expect_success();
    let shown: Vec<&str> = outcome.frames.iter().map(|frame| frame.md5.as_str()).collect();
    assert_eq!(shown, reference, "{outcome}");
    assert!(outcome.error_codes().is_empty(), "{outcome}");
    let media = origin.log();
    let whole = |name: &str| fs::metadata(folder.join(name)).expect("a file").len();
    for name in ["v.webm", "a.webm"] {
        let asked: Vec<_> = media.iter().filter(|asked| asked.target == name).collect();
        assert!(asked.iter().all(|asked| asked.range.is_some()), "{asked:?}");
        assert!(asked.len() > 3, "an index, an initialization and segments: {asked:?}");
        assert!(asked.iter().all(|asked| asked.sent <= whole(name)), "{asked:?}");
    }
}
