//! How far a long command is, on the error stream: one line that moves on a terminal, else a line every ten seconds.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "times the command, not a session")]

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Counts steps of a known number.
pub(super) struct Progress {
    what: &'static str,
    total: usize,
    before: usize,
    done: AtomicUsize,
    started: Instant,
    /// When something was said last; `None` when nothing is to be said.
    said: Option<Mutex<Instant>>,
    terminal: bool,
}

impl Progress {
    /// Begins with `before` of `total` steps done earlier.
    pub(super) fn new(what: &'static str, total: usize, before: usize, quiet: bool) -> Self {
        let started = Instant::now();
        Self {
            what,
            total,
            before,
            done: AtomicUsize::new(before),
            started,
            said: (!quiet).then(|| Mutex::new(started)),
            terminal: io::stderr().is_terminal(),
        }
    }

    /// A step is done.
    pub(super) fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let every = if self.terminal { Duration::from_millis(200) } else { Duration::from_secs(10) };
        let Some(said) = &self.said else { return };
        // Whoever finds another thread speaking has nothing newer to say.
        let Ok(mut said) = said.try_lock() else { return };
        if said.elapsed() < every {
            return;
        }
        *said = Instant::now();
        self.say(done);
    }

    fn say(&self, done: usize) {
        let elapsed = self.started.elapsed().as_secs_f64();
        let rate = (done - self.before) as f64 / elapsed.max(1e-9);
        let left = (self.total.saturating_sub(done)) as f64 / rate.max(1e-9);
        let line = format!("{done} of {} {}, {rate:.0}/s, {} left", self.total, self.what, span(left));
        // A progress line that cannot be written is no reason to stop.
        let _ = if self.terminal {
            write!(io::stderr(), "\r\x1b[K{line}")
        } else {
            writeln!(io::stderr(), "{line}")
        };
    }

    /// Removes the moving line.
    pub(super) fn clear(&self) {
        if self.terminal && self.said.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    /// Seconds since the beginning.
    pub(super) fn elapsed_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// Seconds for people.
fn span(seconds: f64) -> String {
    let seconds = seconds.min(3.6e8) as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Processor seconds of this process so far, where the system tells (Linux counts them in hundredths, proc(5)).
pub(super) fn cpu_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in brackets may hold anything; the times of user and system are the 12th and 13th after it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut seconds = || Some(fields.next()?.parse::<f64>().ok()? / 100.0);
    Some(seconds()? + seconds()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        assert_eq!([0.5, 61.0, 7_290.0].map(span), ["0 s", "1 min 1 s", "2 h 1 min"]);
    }
}
