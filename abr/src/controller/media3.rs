//! The default of Media3 1.11, once ExoPlayer (`AdaptiveTrackSelection`, `DefaultBandwidthMeter`; Apache licence;
//! read, not copied).
//!
//! The estimate is the median of the last downloads, weighted by √bytes, over a window of total weight 2000; 70 % of
//! it is used, less the share of a segment's time that passes before its first byte. Up only with 10 s in the queue,
//! down only with less than 25 s. 1 Mbit/s before anything is known.

use super::history::{History, Received, or_known};
use super::{Choice, Controller, Situation, Values};
use crate::protocol::Reason;
use crate::throughput::Sample;
use std::collections::VecDeque;
use std::time::Duration;

/// Share of the estimate that is used.
const SHARE: f64 = 0.7;
/// Total weight of the window, in √bytes.
const WINDOW: f64 = 2000.0;
/// The queue without which the rung does not rise, and with which it does not fall.
const UP_FROM: Duration = Duration::from_secs(10);
const DOWN_BELOW: Duration = Duration::from_secs(25);
/// Throughput before anything is known, in bit/s.
const UNKNOWN_BPS: f64 = 1e6;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Media3 {
    history: History,
    /// Weight and bit/s, oldest first.
    window: VecDeque<(f64, f64)>,
    /// The same ascending in bit/s; kept to spare allocations.
    sorted: Vec<(f64, f64)>,
}

impl Media3 {
    fn learn(&mut self, received: Received) {
        self.window.push_back(((received.bytes as f64).sqrt(), received.bps()));
        let mut excess = self.window.iter().map(|(weight, _)| weight).sum::<f64>() - WINDOW;
        while let Some(oldest) = self.window.front_mut().filter(|_| excess > 0.0) {
            if oldest.0 > excess {
                oldest.0 -= excess;
                break;
            }
            excess -= oldest.0;
            self.window.pop_front();
        }
    }

    fn median(&mut self) -> Option<f64> {
        self.sorted.clear();
        self.sorted.extend(&self.window);
        self.sorted.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
        let half = self.sorted.iter().map(|(weight, _)| weight).sum::<f64>() / 2.0;
        let mut sum = 0.0;
        self.sorted.iter().find_map(|&(weight, bps)| {
            sum += weight;
            (sum >= half).then_some(bps)
        })
    }
}

impl Controller for Media3 {
    fn name(&self) -> &'static str {
        "media3"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        if let Some(received) = self.history.close() {
            self.learn(received);
        }
        let length = situation.seconds(0);
        let carried = (length - situation.network.first_byte().as_secs_f64()).max(0.0) / length;
        let usable = or_known(self.median(), situation, UNKNOWN_BPS) * SHARE * carried;
        let ideal = situation.rung_below(usable as u64);
        let rung = match situation.previous {
            Some(last) if ideal > last && situation.buffer < UP_FROM => last,
            Some(last) if ideal < last && situation.buffer >= DOWN_BELOW => last,
            _ => ideal,
        };
        Choice { rung, reason: Reason::Controller, values: Values::NONE, wait: None }
    }

    fn observe(&mut self, sample: Sample) {
        self.history.observe(sample);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fixture;
    use super::*;

    #[test]
    fn the_queue_holds_back_both_ways() {
        // 0.7 · 3 Mbit/s carry 1.85.
        let fixture = Fixture::new(Some(3_000_000));
        let rung = |buffer, last| Media3::default().choose(&fixture.situation(buffer, Some(last))).rung;
        assert_eq!((rung(9, 1), rung(10, 1)), (1, 3));
        assert_eq!((rung(25, 5), rung(24, 5)), (5, 3));
    }

    #[test]
    fn the_estimate_is_a_weighted_median_of_a_window() {
        let mut rule = Media3::default();
        let learn = |rule: &mut Media3, bytes: u64, bps: f64| {
            rule.learn(Received { bytes, seconds: bytes as f64 * 8.0 / bps });
        };
        // Weights 1000, 500 and 400: half is 950.
        learn(&mut rule, 1_000_000, 5e6);
        learn(&mut rule, 250_000, 1e6);
        learn(&mut rule, 160_000, 9e6);
        assert!((rule.median().unwrap() - 5e6).abs() < 1.0);
        // 900 more: the oldest keeps 200. Half is 1000; 1 Mbit/s has 1400 of it.
        learn(&mut rule, 810_000, 1e6);
        assert!((rule.window[0].0 - 200.0).abs() < 1e-6);
        assert!((rule.median().unwrap() - 1e6).abs() < 1.0);
    }
}
