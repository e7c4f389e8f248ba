//! The built player as a child process: how to run it, and what it said while it ran.

use serde::Deserialize;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything may take; a run that reaches it hung.
const TIMEOUT: Duration = Duration::from_secs(90);

/// The program under test: `$SLUICE_BIN`, else the one beside the running test executable.
///
/// # Panics
///
/// When it was not built; `tests/run` builds it, and so does `cargo build -p player`.
pub fn program(name: &str) -> PathBuf {
    let variable = format!("{}_BIN", name.to_uppercase().replace('-', "_"));
    let path = std::env::var_os(variable).map_or_else(
        || {
            let test = std::env::current_exe().expect("a test has a path");
            let profile = test.parent().expect("a program lies in a folder");
            // Test executables lie in <target>/<profile>/deps.
            let profile = profile.parent().filter(|_| profile.ends_with("deps")).unwrap_or(profile);
            profile.join(name)
        },
        PathBuf::from,
    );
    assert!(path.exists(), "{} is not built: cargo build --workspace", path.display());
    path
}

/// A run to be started.
#[derive(Debug)]
pub struct Sluice {
    command: Command,
    folder: tempfile::TempDir,
    timeout: Duration,
}

impl Sluice {
    /// `sluice --headless URL` with events, frame log and summary, as fast as it decodes.
    pub fn unpaced(url: &str) -> Self {
        Self::paced(url).arg("--no-pacing")
    }

    /// `sluice --headless URL` with events, frame log and summary, against the clock.
    pub fn paced(url: &str) -> Self {
        Self::within(Command::new(program("sluice")), url)
    }

    /// As [`Sluice::paced`], started by another program (whose last argument is ours).
    pub fn within(command: Command, url: &str) -> Self {
        let mut run = Self::reporting(command);
        run.command.args(["--headless", "--frame-log"]).arg(run.folder.path().join("frames.jsonl")).arg(url);
        run
    }

    /// `sluice --headless` with the built-in demo title, against the clock.
    pub fn demo() -> Self {
        let run = Self::reporting(Command::new(program("sluice"))).arg("--headless");
        let log = run.folder.path().join("frames.jsonl").display().to_string();
        run.args(&["--frame-log", &log])
    }

    /// `sluice URL` in a window, with events and summary.
    pub fn windowed(url: &str) -> Self {
        Self::reporting(Command::new(program("sluice"))).arg(url)
    }

    fn reporting(mut command: Command) -> Self {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        command.args(["--json", "--events"]).arg(folder.path().join("events.jsonl"));
        Self { command, folder, timeout: TIMEOUT }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Counts as hung after this long.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Outcome {
        self.start().finish()
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// When the program does not start.
    pub fn start(mut self) -> Running {
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = self.command.spawn().expect("the player can be started");
        let stdout = reader(child.stdout.take());
        let stderr = reader(child.stderr.take());
        Running { child, stdout, stderr, folder: self.folder, started, timeout: self.timeout }
    }
}

/// A run that has been started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: std::thread::JoinHandle<String>,
    stderr: std::thread::JoinHandle<String>,
    folder: tempfile::TempDir,
    started: Instant,
    timeout: Duration,
}

impl Running {
    /// Waits until it has told that playback is at `position_ms` or behind. `false` when it ends before, or
    /// takes too long.
    pub fn reaches(&mut self, position_ms: u64) -> bool {
        self.tells(|event| {
            event["event"] == "position" && event["position_ms"].as_u64().is_some_and(|at| at >= position_ms)
        })
    }

    /// Waits until it has told an event that `is_it` says yes to. `false` when it ends before, or takes too
    /// long.
    pub fn tells(&mut self, is_it: impl Fn(&Value) -> bool) -> bool {
        let there = |line: &str| serde_json::from_str(line).is_ok_and(|event: Value| is_it(&event));
        while self.started.elapsed() < self.timeout {
            let ended = !matches!(self.child.try_wait(), Ok(None));
            let text = fs::read_to_string(self.folder.path().join("events.jsonl")).unwrap_or_default();
            if text.lines().any(there) {
                return true;
            }
            if ended {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// Sends it a signal, as `kill` names it.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{name} could not be sent");
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Outcome {
        let (status, peak_kib) = wait(&mut self.child, self.started + self.timeout);
        let wall = self.started.elapsed();
        let stdout = self.stdout.join().unwrap_or_default();
        let stderr = self.stderr.join().unwrap_or_default();
        let lines = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        Outcome {
            code: status.and_then(|status| status.code()),
            hung: status.is_none(),
            wall,
            peak_kib,
            events: json_lines(&lines("events.jsonl")),
            frames: lines("frames.jsonl")
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect(),
            summary: serde_json::from_str(stdout.trim()).unwrap_or(Value::Null),
            stdout,
            stderr,
        }
    }
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // Ends when the last holder of the pipe is gone; what came until then counts.
            let _cut = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits for the end and watches the peak of resident memory (KiB) on the way.
fn wait(child: &mut Child, deadline: Instant) -> (Option<ExitStatus>, u64) {
    let mut peak = 0;
    loop {
        if let Some(now) = peak_kib(child.id()) {
            peak = now;
        }
        match child.try_wait() {
            Ok(Some(status)) => return (Some(status), peak),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            Ok(None) | Err(_) => {
                drop(child.kill());
                drop(child.wait());
                return (None, peak);
            }
        }
    }
}

fn peak_kib(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn json_lines<T: serde::de::DeserializeOwned>(text: &str) -> Vec<T> {
    text.lines()
        .map(|line| {
            serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("not a line as it should be ({error}): {line}"))
        })
        .collect()
}

/// One line of the frame log.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Shown {
    /// Presentation time in milliseconds.
    pub pts_ms: f64,
    /// When, in milliseconds since the process started.
    pub t_ms: f64,
    /// What it was decoded from.
    pub representation: String,
    /// Visible pixels.
    pub width: u32,
    /// Visible pixels.
    pub height: u32,
    /// Checksum of the picture.
    pub md5: String,
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Exit code; `None` when it hung or died by a signal.
    pub code: Option<i32>,
    /// It had to be killed.
    pub hung: bool,
    /// How long it ran.
    pub wall: Duration,
    /// Peak of resident memory, in KiB.
    pub peak_kib: u64,
    /// Every event, in order.
    pub events: Vec<Value>,
    /// Every frame shown, in order.
    pub frames: Vec<Shown>,
    /// The summary that `--json` prints.
    pub summary: Value,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// The events of this name.
    pub fn named(&self, name: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["event"] == name).collect()
    }

    /// A whole number of the summary.
    pub fn sum(&self, field: &str) -> u64 {
        self.summary[field].as_u64().unwrap_or_else(|| panic!("no `{field}` in the summary: {self}"))
    }

    /// Codes of all errors, in order.
    pub fn error_codes(&self) -> Vec<u64> {
        self.named("error").iter().filter_map(|event| event["code"].as_u64()).collect()
    }

    /// Ids of the representations on the screen, in order, each time one begins.
    pub fn heights(&self) -> Vec<u32> {
        let mut heights: Vec<u32> = self.frames.iter().map(|frame| frame.height).collect();
        heights.dedup();
        heights
    }

    /// It ended by itself with exit code zero.
    ///
    /// # Panics
    ///
    /// When it did not.
    pub fn expect_success(self) -> Self {
        assert!(!self.hung, "hung: {self}");
        assert_eq!(self.code, Some(0), "{self}");
        self
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "exit {:?} after {:?}, {} frames", self.code, self.wall, self.frames.len())?;
        writeln!(f, "summary {}", self.summary)?;
        let dull = |event: &&Value| event["event"] != "position" && event["event"] != "fetch";
        for event in self.events.iter().filter(dull).take(40) {
            writeln!(f, "  {event}")?;
        }
        let errors = self.stderr.lines().rev().take(20).collect::<Vec<_>>();
        errors.iter().rev().try_for_each(|line| writeln!(f, "  | {line}"))
    }
}
