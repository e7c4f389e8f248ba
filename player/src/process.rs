//! What Linux tells of this process: the time since it was started, counted from `exec`, so that start-up
//! figures leave nothing out, and its memory.

use rustix::time::{ClockId, clock_gettime};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Kernel clock ticks per second in `/proc/[pid]/stat`; fixed at 100 on Linux (proc(5), `USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;
/// Loading a program takes less. The kernel counts from the `fork`: a process that is older was another
/// program before, such as the shell script that built this one and became it with `exec`.
const LOADING_MAX: Duration = Duration::from_secs(10);

/// A monotonic clock with its origin at the start of the process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessClock {
    created: Instant,
    age: Duration,
}

impl ProcessClock {
    /// The clock of this process; every call gives the same one. Resolution of the origin: 10 ms.
    pub fn get() -> Self {
        static CLOCK: OnceLock<ProcessClock> = OnceLock::new();
        *CLOCK.get_or_init(|| Self { created: Instant::now(), age: loading(age()) })
    }

    /// Time since `exec`.
    pub fn now(self) -> Duration {
        self.at(Instant::now())
    }

    /// The instant of `exec`, or of the first use of the clock where that cannot be told.
    pub fn origin(self) -> Instant {
        self.created.checked_sub(self.age).unwrap_or(self.created)
    }

    /// Time from `exec` to `instant`.
    pub fn at(self, instant: Instant) -> Duration {
        self.age + instant.saturating_duration_since(self.created)
    }
}

/// The part of a process's age that belongs to this program.
fn loading(age: Option<Duration>) -> Duration {
    age.filter(|age| *age < LOADING_MAX).unwrap_or_default()
}

/// How long ago the kernel started this process.
fn age() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the file name in brackets and may hold anything; count from behind it.
    let started = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse::<u64>().ok()?;
    let started = Duration::from_millis(started * (1000 / TICKS_PER_SECOND));
    let now = clock_gettime(ClockId::Boottime);
    let now = Duration::new(u64::try_from(now.tv_sec).ok()?, u32::try_from(now.tv_nsec).ok()?);
    now.checked_sub(started)
}

/// Bytes of memory that the process has in use.
pub fn memory() -> Option<u64> {
    status("VmRSS:")
}

/// The most bytes of memory that the process has had in use.
pub fn peak_memory() -> Option<u64> {
    status("VmHWM:")
}

/// A figure of `/proc/self/status` in bytes; it stands there in KiB (proc(5)).
fn status(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told() {
        let (now, most) = (memory().unwrap_or_default(), peak_memory().unwrap_or_default());
        assert!(now > 1 << 20 && most >= now / 2, "{now} of {most}");
    }

    #[test]
    fn the_process_is_older_than_the_test() {
        let clock = ProcessClock::get();
        assert!(clock.now() >= clock.age);
        assert!(age().is_some_and(|age| age < Duration::from_secs(3600)));
        assert_eq!(ProcessClock::get().created, clock.created);
    }

    #[test]
    fn the_life_of_a_shell_before_is_not_ours() {
        assert_eq!(loading(Some(Duration::from_millis(40))), Duration::from_millis(40));
        assert_eq!(loading(Some(Duration::from_secs(200))), Duration::ZERO);
        assert_eq!(loading(None), Duration::ZERO);
    }
}
