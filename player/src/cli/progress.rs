//! Status text for people while a headless session runs.

use crate::status::Status;
use abr::protocol::Phase;
use abr::time::MediaTime;
use rustix::termios::tcgetwinsize;
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
                write(&line(&status.borrow(), columns(terminal)), terminal);
            }
            if terminal {
                write(&line(&status.borrow(), columns(true)), true);
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

/// Columns to write in: all but the last of a terminal, where some would begin a new line.
fn columns(terminal: bool) -> usize {
    let size = terminal.then(|| tcgetwinsize(std::io::stderr()).ok()).flatten();
    size.map_or(usize::MAX, |size| usize::from(size.ws_col).checked_sub(1).unwrap_or(usize::MAX))
}

/// One line: where, how far ahead, which rendition, how fast; as much of it as `columns` hold, the first
/// thing in any case.
fn line(status: &Status, columns: usize) -> String {
    let mut text = format!("{} {}", phase(status.phase), clock(status.position));
    if let Some(duration) = status.duration {
        text += &format!(" / {}", clock(MediaTime::ZERO + duration));
    }
    let ahead = status.buffered_to.since(status.position);
    let rendition = status.renditions.iter().find(|r| Some(r.key) == status.current);
    let parts = [
        status.waiting.as_ref().map(|waiting| format!("({waiting})")),
        Some(format!("buffer {:.1} s", ahead.as_secs_f64())),
        rendition.map(|r| format!("{}p {:.2} Mbit/s", r.height, r.bandwidth_bps as f64 / 1e6)),
        status.throughput_bps.map(|bps| format!("network {:.2} Mbit/s", bps as f64 / 1e6)),
        Some(format!("stalls {}", status.stalls)),
        Some(format!("dropped {}", status.dropped)),
        Some(format!("switches {}", status.switches)),
    ];
    for part in parts.into_iter().flatten() {
        if text.chars().count() + 2 + part.chars().count() <= columns {
            text += "  ";
            text += &part;
        }
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
    fn a_line_fits_its_terminal() {
        let status = Status { waiting: Some("Waiting for a.example".into()), ..Status::empty() };
        assert!(line(&status, 79).chars().count() <= 79);
        assert_eq!(line(&status, 0), "starting 0:00", "the first thing in any case");
        assert!(line(&status, usize::MAX).ends_with("switches 0"));
    }

    #[test]
    fn clocks_show_hours_only_when_needed() {
        assert_eq!(clock(MediaTime::from_millis(59_999)), "0:59");
        assert_eq!(clock(MediaTime::from_millis(3_600_000)), "1:00:00");
        assert_eq!(clock(MediaTime::from_millis(-500)), "0:00");
    }
}
