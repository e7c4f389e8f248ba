//! The past minute of a session, for the chart.

use crate::status::Status;
use std::collections::VecDeque;
use std::time::Duration;

/// How far back it reaches.
pub const SPAN: Duration = Duration::from_secs(60);
/// How often a sample is taken.
pub const STEP: Duration = Duration::from_millis(250);

/// One moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When, on the face's clock.
    pub at: Duration,
    /// Seconds of media ahead of the position.
    pub buffer_s: f64,
    /// Bits per second of the rendition on the screen, zero when there is none.
    pub bitrate_bps: u64,
    /// Throughput estimate.
    pub throughput_bps: Option<u64>,
}

/// Samples of the past minute, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    samples: VecDeque<Sample>,
}

impl History {
    /// Takes a sample unless the last one is younger than [`STEP`]; says whether it did.
    pub fn record(&mut self, status: &Status, now: Duration) -> bool {
        if self.samples.back().is_some_and(|last| now < last.at + STEP) {
            return false;
        }
        let current = status.renditions.iter().find(|rendition| Some(rendition.key) == status.current);
        self.samples.push_back(Sample {
            at: now,
            buffer_s: status.buffered_to.since(status.position).as_secs_f64(),
            bitrate_bps: current.map_or(0, |rendition| rendition.bandwidth_bps),
            throughput_bps: status.throughput_bps,
        });
        while self.samples.front().is_some_and(|first| first.at + SPAN < now) {
            self.samples.pop_front();
        }
        true
    }

    /// All samples, oldest first.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_kept() {
        let status = super::super::view::tests::status();
        let mut history = History::default();
        let taken = (0..100_000).filter(|ms| history.record(&status, Duration::from_millis(*ms))).count();
        assert_eq!(taken, 400);
        let kept: Vec<_> = history.samples().collect();
        assert_eq!(kept.len(), 241);
        assert_eq!(kept[0].bitrate_bps, 2_000_000);
        assert!((kept[0].buffer_s - 12.0).abs() < 1e-9);
    }
}
