//! Status text for people while a headless session runs.

use crate::status::Status;
use abr::protocol::Phase;
use abr::time::MediaTime;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// Between two lines on a terminal (rewritten in place) and elsewhere.
const TERMINAL_INTERVAL: Duration = Duration::from_millis(500);
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// A thread that prints; ends when dropped.
pub(super) struct Progress {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Prints `status` on standard error until dropped. Without a thread to spare nothing is printed.
    pub(super) fn start(status: watch::Receiver<Arc<Status>>) -> Self {
        let (stop, stopped) = channel();
        let terminal =
            std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let interval = if terminal { TERMINAL_INTERVAL } else { LINE_INTERVAL };
        let print = move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                write(&line(&status.borrow()), terminal);
            }
            if terminal {
                write(&line(&status.borrow()), true);
                let _ = writeln!(std::io::stderr());
            }
        };
        let thread = std::thread::Builder::new().name("status text".into()).spawn(print).ok();
        Self { stop: Some(stop), thread }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic while printing has been printed; the session does not depend on it.
            let _ = thread.join();
        }
    }
}

fn write(line: &str, in_place: bool) {
    let (before, after) = if in_place { ("\r\x1b[K", "") } else { ("", "\n") };
    let mut output = std::io::stderr().lock();
    let _ = write!(output, "{before}{line}{after}").and_then(|()| output.flush());
}

/// One line: where, how far ahead, which rendition, how fast.
fn line(status: &Status) -> String {
    let mut text = format!("{} {}", phase(status.phase), clock(status.position));
    if let Some(duration) = status.duration {
        text += &format!(" / {}", clock(MediaTime::ZERO + duration));
    }
    let ahead = status.buffered_to.since(status.position);
    text += &format!("  buffer {:.1} s", ahead.as_secs_f64());
    if let Some(rendition) = status.renditions.iter().find(|r| Some(r.key) == status.current) {
        text += &format!("  {}p {:.2} Mbit/s", rendition.height, rendition.bandwidth_bps as f64 / 1e6);
    }
    if let Some(bps) = status.throughput_bps {
        text += &format!("  network {:.2} Mbit/s", bps as f64 / 1e6);
    }
    text += &format!("  switches {}  stalls {}  dropped {}", status.switches, status.stalls, status.dropped);
    if let Some(waiting) = &status.waiting {
        text += &format!("  ({waiting})");
    }
    text
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Playing => "playing ",
        Phase::Paused => "paused  ",
        Phase::Stalled => "stalled ",
        Phase::Seeking => "seeking ",
        Phase::Ended => "ended   ",
        Phase::Failed => "failed  ",
    }
}

fn clock(time: MediaTime) -> String {
    let seconds = time.as_millis().max(0) / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_show_hours_only_when_needed() {
        assert_eq!(clock(MediaTime::from_millis(59_999)), "0:59");
        assert_eq!(clock(MediaTime::from_millis(3_600_000)), "1:00:00");
        assert_eq!(clock(MediaTime::from_millis(-500)), "0:00");
    }
}
