//! The TV face as a television runs it: alone under a kiosk compositor, watched by a service manager.

use crate::tv::{changed, is_blank};
use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tests::sluice::program;

/// How long to wait for what is to happen.
const PATIENCE: Duration = Duration::from_secs(30);
const SOCKET: &str = "sluice-kiosk";

fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < until, "{what} does not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A child that does not outlive the test.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A service manager: what the program tells it, by kind.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn start(folder: &Path) -> Self {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a time limit");
        Self { socket, path }
    }

    /// The next thing that is told, if anything is within a moment.
    fn hear(&self) -> Option<String> {
        let mut buffer = [0; 256];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    fn waits_for(&self, state: &str) {
        wait_for(state, || self.hear().as_deref() == Some(state));
    }

    /// How often it is told that the program is alive within `span`.
    fn beats(&self, span: Duration) -> usize {
        let until = Instant::now() + span;
        let mut count = 0;
        while Instant::now() < until {
            count += usize::from(self.hear().as_deref() == Some("WATCHDOG=1"));
        }
        count
    }
}

/// The folder that holds sockets of the session, its owner's alone as compositors want it.
fn runtime() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(folder.path(), private).expect("permissions");
    folder
}

/// Weston without a screen. Its kiosk shell shows nothing where there is nobody to look, so that the face has
/// the whole screen of the other shell.
fn weston(runtime: &Path) -> Option<Guard> {
    let log = File::create(runtime.join("weston.log")).expect("a log");
    let started = Command::new("weston")
        .args([
            "--backend=headless-backend.so",
            "--use-pixman",
            "--width=1280",
            "--height=720",
            "--no-config",
        ])
        .args(["--shell=desktop-shell.so", "--debug", &format!("--socket={SOCKET}")])
        .env("XDG_RUNTIME_DIR", runtime)
        .env_remove("WAYLAND_DISPLAY")
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn();
    let Ok(child) = started else {
        println!("skipped: weston is not installed (tests/packages.txt)");
        return None;
    };
    let guard = Guard(child);
    wait_for("a compositor", || runtime.join(SOCKET).exists());
    Some(guard)
}

/// What the compositor shows, in grey; also kept as `NAME.png` where `SLUICE_SHOTS` says.
fn shot(runtime: &Path, name: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let taken = Command::new("weston-screenshooter")
        .current_dir(folder.path())
        .env("XDG_RUNTIME_DIR", runtime)
        .env("WAYLAND_DISPLAY", SOCKET)
        .output()
        .expect("Weston's package brings it");
    let file = fs::read_dir(folder.path()).expect("a folder").flatten().next();
    let file = file.unwrap_or_else(|| panic!("no screenshot: {taken:?}")).path();
    if let Ok(kept) = std::env::var("SLUICE_SHOTS") {
        fs::copy(&file, format!("{kept}/{name}.png")).expect("the folder of SLUICE_SHOTS");
    }
    let grey = ["-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-"];
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-loglevel", "error", "-i"]).arg(&file).args(grey);
    command.output().expect("ffmpeg runs").stdout
}

/// Under Weston: the shelf and the demo are on the screen, the manager hears that the face is ready, that it
/// lives, that it hangs, that it lives again, and that it ends.
#[test]
fn the_face_alone_on_the_screen_and_watched() {
    let runtime = runtime();
    let Some(_compositor) = weston(runtime.path()) else { return };
    let manager = Manager::start(runtime.path());
    let child = Command::new(program("sluice-tv"))
        .args(["--silent", "--open", "1"])
        .env("XDG_RUNTIME_DIR", runtime.path())
        .env("XDG_STATE_HOME", runtime.path())
        .env("WAYLAND_DISPLAY", SOCKET)
        .env_remove("DISPLAY")
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "1500000")
        .stdin(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut face = Guard(child);
    manager.waits_for("READY=1");
    // The demo moves; what else could be on the screen does not.
    let mut before = shot(runtime.path(), "tv-weston");
    wait_for("a picture", || {
        let picture = shot(runtime.path(), "tv-weston");
        let moves = !is_blank(&picture) && changed(&before, &picture) > 2_000;
        before = picture;
        moves
    });
    let second = Duration::from_secs(1);
    assert!(manager.beats(3 * second) >= 3, "it tells twice a second that it lives");
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &face.0.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    };
    signal("-STOP");
    // What was sent before.
    manager.beats(second);
    assert_eq!(manager.beats(2 * second), 0, "a face that hangs is noticed");
    signal("-CONT");
    manager.waits_for("WATCHDOG=1");
    signal("-TERM");
    manager.waits_for("STOPPING=1");
    let status = face.0.wait().expect("it is a child");
    assert!(status.success(), "{status}");
}
