//! Sabre's throughput rule.

use super::controller::{Choice, Controller, InsufficientBuffer, View};
use super::network::Progress;
use super::options::Options;

const SAFETY: f64 = 0.9;
/// Requests younger than this are not abandoned, in milliseconds.
const GRACE_MS: f64 = 500.0;
/// Requests that take longer than this many segment durations are given up.
const PATIENCE: f64 = 1.8;

pub(super) struct Throughput {
    insufficient_buffer: Option<InsufficientBuffer>,
}

impl Throughput {
    pub(super) fn new(options: &Options) -> Self {
        Self { insufficient_buffer: (!options.no_insufficient_buffer_rule).then(InsufficientBuffer::new) }
    }
}

impl Controller for Throughput {
    fn decide(&mut self, _segment: usize, view: View<'_>) -> Choice {
        let mut quality = view.fitting(view.estimate.throughput * SAFETY);
        if let Some(rule) = &mut self.insufficient_buffer {
            quality = rule.limit(quality, view);
        }
        Choice { quality, wait: 0.0 }
    }

    fn abandon(&mut self, progress: &Progress, view: View<'_>) -> Option<usize> {
        let transfer = progress.time - progress.ttfb;
        if progress.time < GRACE_MS || transfer <= 0.0 {
            return None;
        }
        let throughput = progress.received / transfer;
        let left = progress.size - progress.received;
        if progress.time + left / throughput <= PATIENCE * view.ladder.segment_ms {
            return None;
        }
        let quality = view.fitting(throughput * SAFETY);
        let bitrates = &view.ladder.bitrates;
        let size = progress.size * bitrates[quality] / bitrates[progress.quality];
        (quality < progress.quality && size < left).then_some(quality)
    }
}
