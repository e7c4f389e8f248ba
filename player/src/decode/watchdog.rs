//! Watches over decoders: one that has work, has room for what comes of it and brings out nothing hangs.

use std::time::{Duration, Instant};

/// A decoder without progress for so long hangs. Shorter than the session's patience with a position that
/// stands.
const PATIENCE: Duration = Duration::from_secs(3);
/// After so long it may.
const DOUBT: Duration = Duration::from_millis(500);
/// Whoever has not looked for so long (a process that was stopped, a machine under great load) has seen
/// nothing.
const BLINK: Duration = Duration::from_secs(1);

/// How far decoders have come; whatever changes is progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// Samples that have left the queue in front of a decoder.
    pub(super) taken: u64,
    /// Frames that have come out.
    pub(super) frames: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// The progress last seen, and since when it has been the same.
    seen: Option<(Progress, Instant)>,
    looked: Instant,
}

impl Watchdog {
    /// A watchdog that has seen nothing.
    pub(super) fn new(now: Instant) -> Self {
        Self { seen: None, looked: now }
    }

    /// Looks, at least every second; `work` is `None` while nothing is to be expected of a decoder. Whether
    /// it hangs, told once.
    pub(super) fn look(&mut self, now: Instant, work: Option<Progress>) -> bool {
        let blinked = now.saturating_duration_since(std::mem::replace(&mut self.looked, now)) > BLINK;
        match (self.seen, work) {
            (Some((before, since)), Some(progress)) if before == progress && !blinked => {
                let hangs = now.saturating_duration_since(since) >= PATIENCE;
                if hangs {
                    self.seen = None;
                }
                hangs
            }
            _ => {
                self.seen = work.map(|progress| (progress, now));
                false
            }
        }
    }

    /// Whether a decoder may hang, so that nothing should be asked of it that it would have to answer.
    pub(super) fn doubts(&self, now: Instant) -> bool {
        self.seen.is_some_and(|(_, since)| now.saturating_duration_since(since) > DOUBT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a watchdog says to progress reported every 100 ms.
    fn watch(reports: impl IntoIterator<Item = Option<u64>>) -> Vec<usize> {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(start);
        let mut bites = Vec::new();
        for (place, report) in reports.into_iter().enumerate() {
            let now = start + Duration::from_millis(100) * place as u32;
            if watchdog.look(now, report.map(|taken| Progress { taken, frames: 0 })) {
                bites.push(place);
            }
        }
        bites
    }

    #[test]
    fn progress_is_all_it_wants() {
        assert!(watch((0..1000).map(Some)).is_empty());
        assert!(watch((0..1000).map(|n| Some(n / 29))).is_empty());
        assert!(watch((0..1000).map(|n| (n % 29 > 0).then_some(7))).is_empty(), "pauses without work");
    }

    #[test]
    fn a_decoder_without_progress_hangs() {
        assert_eq!(watch((0..40).map(|_| Some(7))), [30]);
        assert_eq!(watch((0..90).map(|_| Some(7))), [30, 61], "the next one gets its time");
    }

    #[test]
    fn what_was_not_watched_does_not_count() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(start);
        let work = Some(Progress { taken: 1, frames: 1 });
        assert!(!watchdog.look(start, work));
        let later = start + Duration::from_secs(60);
        assert!(!watchdog.look(later, work));
        assert!(!watchdog.doubts(later));
        assert!(!watchdog.look(later + Duration::from_millis(900), work));
        assert!(watchdog.doubts(later + Duration::from_millis(900)));
    }
}
