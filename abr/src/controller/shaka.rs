//! The default of Shaka Player 5.2 (`SimpleAbrManager`; Apache licence; read, not copied): throughput alone.
//!
//! The smaller of two exponential means (half-lives of 2 s and 5 s of transfer), 1 Mbit/s before 128 kB; the rung stays
//! while `R/0.95 ≤ C ≤ R⁺/0.85` and otherwise becomes the highest with `R/0.95 ≤ C`, at most once in 8 s. Those seconds
//! are counted in media here, which is the same in steady playback: a rule has no clock.

use super::history::{EwmaPair, or_known};
use super::{Choice, Controller, Notice, Situation, Values};
use crate::protocol::Reason;
use crate::throughput::Sample;

/// Half-lives in seconds of transfer.
const HALF_LIVES: (f64, f64) = (2.0, 5.0);
/// Received bytes before which the estimate does not count.
const ENOUGH: u64 = 128_000;
/// Throughput before anything is known, in bit/s.
const UNKNOWN_BPS: f64 = 1e6;
/// Shares of the estimate that a rung may need to be kept, and the next one to be taken.
const KEEP: f64 = 0.95;
const RISE: f64 = 0.85;
/// Seconds between two switches.
const INTERVAL: f64 = 8.0;

/// See the module.
#[derive(Clone, Debug)]
pub struct Shaka {
    pair: EwmaPair,
    bytes: u64,
    /// Seconds of media since the last switch.
    since_switch: f64,
}

impl Default for Shaka {
    fn default() -> Self {
        Self { pair: EwmaPair::new(HALF_LIVES.0, HALF_LIVES.1), bytes: 0, since_switch: INTERVAL }
    }
}

impl Controller for Shaka {
    fn name(&self) -> &'static str {
        "shaka"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        if let Some(received) = self.pair.close() {
            self.bytes = self.bytes.saturating_add(received.bytes);
        }
        let known = self.pair.bps().filter(|_| self.bytes >= ENOUGH);
        let bps = or_known(known, situation, UNKNOWN_BPS);
        let top = situation.rungs.len() - 1;
        let wanted = situation.rung_below((bps * KEEP) as u64);
        let rung = match situation.previous.map(|last| last.min(top)) {
            None => wanted,
            Some(last) => {
                let rate = |rung: usize| situation.rungs[rung] as f64;
                let fits = rate(last) / KEEP <= bps;
                let rises = last < top && bps > rate(last + 1) / RISE;
                if (fits && !rises) || self.since_switch < INTERVAL { last } else { wanted }
            }
        };
        if situation.previous.is_some_and(|last| last != rung) {
            self.since_switch = 0.0;
        }
        self.since_switch += situation.seconds(0);
        Choice { rung, reason: Reason::Controller, values: Values::NONE, wait: None }
    }

    fn observe(&mut self, sample: Sample) {
        self.pair.observe(sample);
    }

    fn notice(&mut self, notice: Notice) {
        if notice == Notice::Seek {
            self.since_switch = INTERVAL;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fixture;
    use super::*;

    fn rung(bps: u64, last: usize) -> usize {
        Shaka::default().choose(&Fixture::new(Some(bps)).situation(20, Some(last))).rung
    }

    #[test]
    fn there_is_a_dead_zone_between_up_and_down() {
        // 1.85 Mbit/s needs 1.947 to be kept and 2.176 to be taken.
        assert_eq!(rung(2_000_000, 2), 2);
        assert_eq!(rung(2_000_000, 3), 3);
        assert_eq!(rung(2_200_000, 2), 3);
        assert_eq!(rung(1_900_000, 3), 2);
    }

    #[test]
    fn a_switch_waits_for_eight_seconds_after_another() {
        let (fast, slow) = (Fixture::new(Some(5_000_000)), Fixture::new(Some(1_000_000)));
        let mut rule = Shaka::default();
        assert_eq!(rule.choose(&fast.situation(9, Some(1))).rung, 5);
        assert_eq!(rule.choose(&slow.situation(9, Some(5))).rung, 5, "4 s");
        assert_eq!(rule.choose(&slow.situation(9, Some(5))).rung, 1, "8 s");
    }
}
