//! The TV face as a person on a sofa meets it: keys from an input device, a window, and what is in it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tests::content::{Film, Packaging};
use tests::origin::Origin;
use tests::sluice::Sluice;

const WIDTH: usize = 1280;
const HEIGHT: usize = 720;
/// Codes of `linux/input-event-codes.h`.
const UP: u16 = 103;
const LEFT: u16 = 105;
const RIGHT: u16 = 106;
const DOWN: u16 = 108;
const SELECT: u16 = 353;
const BACK: u16 = 158;
const YELLOW: u16 = 400;
const BLUE: u16 = 401;
/// How long to wait for what is to be seen.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pictures that stand still differ in fewer pixels.
const STILL: usize = 2_000;

/// The program, when it was built: `tests/run` builds it with all faces.
fn program() -> Option<PathBuf> {
    let test = std::env::current_exe().expect("a test has a path");
    let path = test.ancestors().nth(2).expect("<target>/<profile>/deps").join("sluice-tv");
    if !path.exists() {
        println!("skipped: sluice-tv is not built (cargo build -p player --features tv)");
        return None;
    }
    if std::env::var_os("DISPLAY").is_none() {
        println!("skipped: no display (tests/run starts Xvfb)");
        return None;
    }
    Some(path)
}

/// A running TV face with a remote control made of a pipe.
struct Sofa {
    child: Child,
    remote: File,
    _folder: tempfile::TempDir,
}

impl Sofa {
    fn sit(program: &Path, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let pipe = folder.path().join("remote");
        assert!(Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()));
        let child = Command::new(program)
            .args(["--windowed", "1280x720", "--silent", "--evdev"])
            .arg(&pipe)
            .args(arguments)
            .env("XDG_STATE_HOME", folder.path())
            .stdin(Stdio::null())
            .spawn()
            .expect("the program starts");
        // Opens when the program listens.
        let remote = OpenOptions::new().write(true).open(&pipe).expect("the remote is heard");
        Self { child, remote, _folder: folder }
    }

    /// `struct input_event` with a time that nobody looks at.
    fn send(&mut self, code: u16, value: i32) {
        let event = [&[0; 16][..], &1u16.to_ne_bytes(), &code.to_ne_bytes(), &value.to_ne_bytes()].concat();
        self.remote.write_all(&event).expect("the remote is heard");
    }

    fn press(&mut self, code: u16) {
        self.send(code, 1);
        self.send(code, 0);
    }

    /// Looks until what is to be seen is as `expected` says, and returns it.
    fn sees(&self, name: &str, expected: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let until = Instant::now() + PATIENCE;
        loop {
            let picture = self.look(name);
            if expected(&picture) {
                return picture;
            }
            assert!(Instant::now() < until, "{name} is not to be seen");
        }
    }

    /// Looks until something is to be seen that stands still, and returns it.
    fn settled(&self, name: &str) -> Vec<u8> {
        let until = Instant::now() + PATIENCE;
        let mut before = self.look(name);
        loop {
            let picture = self.look(name);
            if !is_blank(&picture) && changed(&before, &picture) < STILL {
                return picture;
            }
            assert!(Instant::now() < until, "{name} does not stand still");
            before = picture;
        }
    }

    /// What is on the display, in grey; also kept as `NAME.png` where `SLUICE_SHOTS` says.
    fn look(&self, name: &str) -> Vec<u8> {
        let display = std::env::var("DISPLAY").unwrap_or_default();
        let size = format!("{WIDTH}x{HEIGHT}");
        let grab = ["-nostdin", "-loglevel", "error", "-f", "x11grab", "-video_size", &size, "-i", &display];
        if let Ok(folder) = std::env::var("SLUICE_SHOTS") {
            let file = format!("{folder}/{name}.png");
            let saved = Command::new("ffmpeg").args(grab).args(["-frames:v", "1", "-y", &file]).status();
            assert!(saved.is_ok_and(|status| status.success()));
        }
        let grey = ["-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-"];
        Command::new("ffmpeg").args(grab).args(grey).output().expect("ffmpeg runs").stdout
    }

    fn resident_kib(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0)
    }

    /// Waits for the program to end by itself.
    fn leave(mut self) -> Option<ExitStatus> {
        let until = Instant::now() + Duration::from_secs(8);
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().expect("it is a child") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.child.kill().expect("it still runs");
        self.child.wait().expect("it is gone");
        None
    }
}

/// Whether nothing has been drawn.
pub(crate) fn is_blank(picture: &[u8]) -> bool {
    picture.iter().all(|level| *level < 16)
}

/// How many pixels differ clearly.
pub(crate) fn changed(a: &[u8], b: &[u8]) -> usize {
    assert_eq!((a.len(), b.len()), (WIDTH * HEIGHT, WIDTH * HEIGHT), "pictures of the display");
    a.iter().zip(b).filter(|(a, b)| a.abs_diff(**b) > 24).count()
}

/// Every screen, by the remote control alone, and out again with Back.
#[test]
fn every_screen_and_out_again() {
    let Some(program) = program() else { return };
    let title = Film::ladder(6).package(Packaging::HlsFmp4);
    let manifest = std::fs::read_to_string(title.folder.join(title.entry)).expect("a manifest");
    let media = "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs\",NAME=\"English\",LANGUAGE=\"en\",URI=\"en.m3u8\"\n\
        #EXT-X-STREAM-INF:";
    let manifest = manifest.replacen("#EXT-X-STREAM-INF:", media, 1);
    let manifest = manifest.replace("#EXT-X-STREAM-INF:", "#EXT-X-STREAM-INF:SUBTITLES=\"subs\",");
    let text = "WEBVTT\n\n00:00.000 --> 00:12.000\nSubtitles on a <i>television</i>\nمرحبا بالعالم\n";
    let origin = Origin::start(
        title
            .site()
            .file(title.entry, manifest)
            .file("en.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:12\n#EXTINF:12,\nen.vtt\n#EXT-X-ENDLIST\n")
            .file("en.vtt", text),
    );
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let shelf = folder.path().join("shelf.json");
    let list = serde_json::json!([
        {"title": "Test pictures", "url": origin.url(title.entry), "subtitle": "12 s, four renditions"},
        {"title": "A title that is gone", "url": origin.url("gone.mpd")},
        {"title": "السلام عليكم", "url": origin.url(title.entry), "subtitle": "The same by another name"},
    ]);
    std::fs::write(&shelf, list.to_string()).expect("a shelf");
    let shelf = shelf.display().to_string();
    let mut sofa = Sofa::sit(&program, &["--shelf", &shelf, "--text", "en"]);

    let first = sofa.settled("tv-shelf");
    sofa.press(RIGHT);
    sofa.sees("tv-shelf-right", |picture| changed(&first, picture) > 5_000);
    let second = sofa.settled("tv-shelf-right");
    sofa.press(SELECT);
    sofa.sees("tv-error", |picture| changed(&second, picture) > 20_000);
    sofa.settled("tv-error");
    sofa.press(BACK);
    // Back at the shelf, where it was.
    sofa.sees("tv-shelf-again", |picture| changed(&second, picture) < STILL);
    sofa.press(LEFT);
    sofa.press(SELECT);
    sofa.sees("tv-picture", |picture| changed(&first, picture) > 100_000);
    sofa.press(DOWN);
    sofa.press(SELECT);
    // Paused: nothing moves any more.
    let held = sofa.settled("tv-paused");
    for (code, name) in [(YELLOW, "tv-quality"), (BLUE, "tv-statistics")] {
        sofa.press(code);
        sofa.sees(name, |picture| changed(&held, picture) > 10_000);
    }
    sofa.press(BACK);
    // Controls, then the subtitle button: the last but one.
    sofa.press(DOWN);
    for _ in 0..8 {
        sofa.press(RIGHT);
    }
    sofa.press(LEFT);
    sofa.press(SELECT);
    sofa.look("tv-subtitles");
    sofa.press(BACK);
    sofa.press(UP);
    sofa.send(RIGHT, 1);
    for _ in 0..12 {
        sofa.send(RIGHT, 2);
    }
    sofa.look("tv-held-seek");
    sofa.send(RIGHT, 0);
    println!("sluice-tv uses {} MiB", sofa.resident_kib() / 1024);
    // The held seek, the controls, the title, the shelf, the question.
    for _ in 0..4 {
        sofa.press(BACK);
    }
    sofa.look("tv-leaving");
    sofa.send(BACK, 1);
    let status = sofa.leave();
    assert!(status.is_some_and(|status| status.success()), "Back leads out: {status:?}");
}

/// The system's request to end is obeyed at the shelf and in a title, and the place is kept.
#[test]
fn a_request_to_end_is_obeyed() {
    let Some(program) = program() else { return };
    for arguments in [&[][..], &["--open", "1"]] {
        let sofa = Sofa::sit(&program, arguments);
        sofa.sees("tv-begun", |picture| !is_blank(picture));
        let asked = Command::new("kill").args(["-TERM", &sofa.child.id().to_string()]).status();
        assert!(asked.is_ok_and(|status| status.success()));
        let status = sofa.leave();
        assert!(status.is_some_and(|status| status.success()), "{arguments:?}: {status:?}");
    }
}

/// A stopped process goes on where it was, although its clock went on.
#[test]
fn a_stopped_player_keeps_its_place() {
    let title = Film::ladder(6).package(Packaging::DashNumber);
    let origin = Origin::start(title.site());
    let url = origin.url(title.entry);
    let mut player = Sluice::paced(&url).args(&["--lock", "180"]).start();
    assert!(player.reaches(3_000), "it plays");
    player.signal("STOP");
    // So long the clock goes on without it.
    std::thread::sleep(Duration::from_secs(6));
    player.signal("CONT");
    let outcome = player.finish().expect_success();
    let positions: Vec<i64> =
        outcome.named("position").iter().filter_map(|line| line["position_ms"].as_i64()).collect();
    let leap = positions.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
    assert!(leap < 2_500, "{positions:?} {outcome}");
    assert_eq!(outcome.summary["outcome"], "ended", "{outcome}");
}
