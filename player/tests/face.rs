//! The desktop face in a real window: Xvfb, software Vulkan, keys by xdotool, the screen by ImageMagick.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A virtual screen of 800 × 600 and a player on it; both end with it.
struct Stage {
    server: Child,
    player: Child,
    display: String,
    _runtime: tempfile::TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        for child in [&mut self.player, &mut self.server] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Stage {
    /// `None`, with a word, when something that is needed is not installed.
    fn open(arguments: &[&str]) -> Option<Self> {
        let skip = |why: &str| {
            println!("skipped: {why}");
            None
        };
        let example: PathBuf = std::env::current_exe().ok()?.parent()?.parent()?.join("examples/face");
        if !example.exists() {
            return skip("the example `face` is not built");
        }
        for tool in ["xdotool", "import"] {
            if Command::new(tool)
                .arg("-version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_err()
            {
                return skip(&format!("{tool} is not installed"));
            }
        }
        // The server picks a free display and prints its number when it is ready.
        let server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "800x600x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut server) = server else { return skip("Xvfb is not installed") };
        let mut number = String::new();
        BufReader::new(server.stdout.take()?).read_line(&mut number).ok()?;
        let display = format!(":{}", number.trim());
        let runtime = tempfile::tempdir().ok()?;
        let player = Command::new(example)
            .args(arguments)
            .env("DISPLAY", &display)
            .env_remove("WAYLAND_DISPLAY")
            .env("XDG_RUNTIME_DIR", runtime.path())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        Some(Self { server, player, display, _runtime: runtime })
    }

    fn tool(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        Command::new(program)
            .args(arguments)
            .env("DISPLAY", &self.display)
            .output()
            .map(|o| o.stdout)
            .unwrap_or_default()
    }

    fn key(&self, keys: &[&str]) {
        self.tool("xdotool", &["search", "--name", "Sluice", "windowfocus", "--sync"]);
        self.tool("xdotool", &[&["key", "--clearmodifiers"], keys].concat());
    }

    /// The colour at a point of the screen.
    fn pixel(&self, x: usize, y: usize) -> Option<[u8; 3]> {
        let ppm = self.tool("import", &["-window", "root", "-depth", "8", "ppm:-"]);
        // P6, width, height, maximum, one white space, samples.
        let pixels = ppm.get(ppm.len().checked_sub(800 * 600 * 3)?..)?;
        pixels.get((y * 800 + x) * 3..)?.first_chunk().copied()
    }

    /// Waits until the colour at a point is about this one.
    fn wait_for(&self, what: &str, x: usize, y: usize, wanted: [u8; 3]) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut last = None;
        while Instant::now() < deadline {
            last = self.pixel(x, y);
            if last.is_some_and(|seen| seen.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 3)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{what}: {last:?} instead of {wanted:?} at {x}, {y}");
    }

    /// Clock ticks (hundredths of a second) that the player has used.
    fn ticks(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.player.id())).unwrap_or_default();
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        number(11) + number(12)
    }
}

/// Three quarters of white, and yellow of the same, in BT.709.
const GREY: [u8; 3] = [191, 191, 191];
const YELLOW: [u8; 3] = [191, 191, 0];
const BLACK: [u8; 3] = [0, 0, 0];

#[test]
fn a_window_plays_obeys_keys_follows_its_size_and_rests() {
    let Some(mut stage) = Stage::open(&["playing"]) else { return };
    // The window is 960 wide on a screen of 800: still, its left and middle can be seen.
    stage.wait_for("grey bar", 60, 20, GREY);
    stage.wait_for("yellow bar", 200, 20, YELLOW);

    // Half as wide: bars above and below.
    stage.tool("xdotool", &["search", "--name", "Sluice", "windowsize", "480", "540"]);
    stage.wait_for("bar above", 30, 60, BLACK);
    stage.wait_for("grey bar in the small window", 30, 150, GREY);
    // A storm of sizes, the last of which counts.
    for (width, height) in [("700", "100"), ("161", "500"), ("1200", "900"), ("640", "360")] {
        stage.tool("xdotool", &["search", "--name", "Sluice", "windowsize", width, height]);
    }
    stage.wait_for("grey bar after the storm", 20, 20, GREY);
    stage.wait_for("nothing beside the window", 700, 20, BLACK);

    // Held, it costs nothing once the controls are gone.
    stage.key(&["space"]);
    let quiet = (0..12).any(|_| {
        std::thread::sleep(Duration::from_secs(4));
        let before = stage.ticks();
        std::thread::sleep(Duration::from_secs(2));
        stage.ticks() - before <= 2
    });
    assert!(quiet, "a paused player keeps the processor busy");

    // The statistics cover the upper left corner; Escape takes them away.
    stage.key(&["i"]);
    let covered = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        stage.pixel(40, 200).is_some_and(|[r, g, b]| r < 60 && g < 60 && b < 60)
    });
    assert!(covered, "no statistics");
    stage.key(&["Escape"]);
    stage.wait_for("grey bar again", 40, 200, GREY);

    stage.key(&["ctrl+q"]);
    let deadline = Instant::now() + Duration::from_secs(30);
    let ended = loop {
        match stage.player.try_wait() {
            Ok(Some(status)) => break status,
            _ if Instant::now() > deadline => panic!("Ctrl+Q does not end it"),
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    assert!(ended.success(), "{ended:?}");
}

#[test]
fn a_screenshot_is_saved_and_the_end_closes_the_window() {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let path = folder.path().join("shot.png");
    let Some(mut stage) = Stage::open(&["playing", "12", &path.to_string_lossy()]) else { return };
    let ended = stage.player.wait().expect("it was started");
    assert!(ended.success(), "{ended:?}");
    let file = std::fs::File::open(&path).expect("the picture was saved");
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().expect("it is a PNG file");
    let mut pixels = vec![0; reader.output_buffer_size().expect("it is small")];
    let info = reader.next_frame(&mut pixels).expect("it is whole");
    assert_eq!((info.width, info.height), (640, 360));
    for (x, wanted) in [(40usize, GREY), (130, YELLOW)] {
        let seen = &pixels[(10 * 640 + x) * 3..][..3];
        assert!(seen.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 2), "{seen:?}");
    }
}

#[test]
fn without_a_display_there_is_a_typed_error() {
    let Some(example) =
        std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.parent()?.join("examples/face")))
    else {
        return;
    };
    if !example.exists() {
        println!("skipped: the example `face` is not built");
        return;
    }
    for display in ["", ":4711"] {
        let output = Command::new(&example).env("DISPLAY", display).env_remove("WAYLAND_DISPLAY").output();
        let output = output.expect("the example was just seen to exist");
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("NoDisplay"), "{text}");
    }
}
