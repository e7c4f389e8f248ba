//! What rules with an estimator of their own remember: one sample per choice, averaged in the ways that
//! papers and players use. The session's [`Predictor`](crate::throughput::Predictor) stands in until the first.

use super::Situation;
use crate::throughput::Sample;
use std::collections::VecDeque;

/// Most samples that are kept.
const KEPT: usize = 20;

/// What was received between two choices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Received {
    /// Body bytes.
    pub(super) bytes: u64,
    /// Seconds during which they came in.
    pub(super) seconds: f64,
}

impl Received {
    /// Throughput in bit/s.
    pub(super) fn bps(self) -> f64 {
        self.bytes as f64 * 8.0 / self.seconds
    }
}

/// What came in since the last choice.
#[derive(Clone, Copy, Debug, Default)]
struct Pending {
    bytes: u64,
    seconds: f64,
}

impl Pending {
    fn add(&mut self, sample: Sample) {
        self.bytes = self.bytes.saturating_add(sample.bytes);
        self.seconds += sample.busy.as_secs_f64();
    }

    /// All of it as one; `None` when nothing was received.
    fn take(&mut self) -> Option<Received> {
        let Self { bytes, seconds } = std::mem::take(self);
        (bytes > 0 && seconds > 0.0).then_some(Received { bytes, seconds })
    }
}

/// The last samples, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pending: Pending,
    bps: VecDeque<f64>,
}

impl History {
    /// Takes a sample in; samples until the next [`close`](Self::close) are one.
    pub(super) fn observe(&mut self, sample: Sample) {
        self.pending.add(sample);
    }

    /// Ends the sample in work; `None` when nothing was received.
    pub(super) fn close(&mut self) -> Option<Received> {
        let received = self.pending.take()?;
        if self.bps.len() == KEPT {
            self.bps.pop_front();
        }
        self.bps.push_back(received.bps());
        Some(received)
    }

    /// The last sample in bit/s.
    pub(super) fn last(&self) -> Option<f64> {
        self.bps.back().copied()
    }

    /// Harmonic mean of the last `count` samples in bit/s.
    pub(super) fn harmonic(&self, count: usize) -> Option<f64> {
        let (taken, sum) = self.recent(count, |bps| 1.0 / bps.max(1.0));
        (taken > 0.0).then(|| taken / sum)
    }

    /// Arithmetic mean of the last `count` samples in bit/s.
    pub(super) fn mean(&self, count: usize) -> Option<f64> {
        let (taken, sum) = self.recent(count, |bps| bps);
        (taken > 0.0).then(|| sum / taken)
    }

    fn recent(&self, count: usize, of: impl Fn(f64) -> f64) -> (f64, f64) {
        self.bps.iter().rev().take(count).fold((0.0, 0.0), |(n, sum), bps| (n + 1.0, sum + of(*bps)))
    }
}

/// Two exponentially weighted means over transfer time, of which the smaller counts; zero bias is corrected.
#[derive(Clone, Debug)]
pub(super) struct EwmaPair {
    pending: Pending,
    half_lives: [f64; 2],
    values: [f64; 2],
    seconds: f64,
}

impl EwmaPair {
    /// Means with these half-lives in seconds of transfer.
    pub(super) fn new(fast: f64, slow: f64) -> Self {
        Self { pending: Pending::default(), half_lives: [fast, slow], values: [0.0; 2], seconds: 0.0 }
    }

    /// Takes a sample in; samples until the next [`close`](Self::close) are one.
    pub(super) fn observe(&mut self, sample: Sample) {
        self.pending.add(sample);
    }

    /// Ends the sample in work; `None` when nothing was received.
    pub(super) fn close(&mut self) -> Option<Received> {
        let received = self.pending.take()?;
        self.learn(received);
        Some(received)
    }

    fn learn(&mut self, received: Received) {
        for (value, half_life) in self.values.iter_mut().zip(self.half_lives) {
            let kept = (-received.seconds / half_life).exp2();
            *value = kept * *value + (1.0 - kept) * received.bps();
        }
        self.seconds += received.seconds;
    }

    /// The smaller mean in bit/s; `None` before the first sample.
    pub(super) fn bps(&self) -> Option<f64> {
        let mean = |(value, half_life): (f64, f64)| value / (1.0 - (-self.seconds / half_life).exp2());
        let [fast, slow] = [0, 1].map(|i| mean((self.values[i], self.half_lives[i])));
        (self.seconds > 0.0).then(|| fast.min(slow))
    }
}

/// An estimate, or what the session knows, or `default`, in bit/s.
pub(super) fn or_known(estimate: Option<f64>, situation: &Situation<'_>, default: f64) -> f64 {
    estimate.unwrap_or_else(|| situation.network.bps().map_or(default, |bps| bps as f64)).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::second_at;
    use super::*;

    #[test]
    fn samples_between_two_choices_are_one() {
        let mut history = History::default();
        history.observe(second_at(1_000_000));
        history.observe(second_at(3_000_000));
        assert_eq!(history.close(), Some(Received { bytes: 500_000, seconds: 2.0 }));
        assert_eq!(history.close(), None);
        history.observe(second_at(6_000_000));
        history.close();
        assert_eq!(history.harmonic(5), Some(3_000_000.0));
        assert_eq!(history.mean(5), Some(4_000_000.0));
        assert_eq!(history.mean(1), history.last());
    }

    #[test]
    fn the_smaller_mean_counts_and_starts_without_bias() {
        let mut pair = EwmaPair::new(1.0, 100.0);
        assert_eq!(pair.bps(), None);
        pair.learn(Received { bytes: 1_000_000, seconds: 1.0 });
        assert!((pair.bps().unwrap() - 8e6).abs() < 1.0);
        pair.learn(Received { bytes: 125_000, seconds: 1.0 });
        // Fast: (0.5 · 4 + 0.5 · 1) / 0.75 Mbit/s; the slow one is near 4.5.
        assert!((pair.bps().unwrap() - 2.5e6 / 0.75).abs() < 1.0);
    }
}
