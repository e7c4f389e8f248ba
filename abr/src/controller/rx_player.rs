//! The default of rx-player 4.2 (Apache licence; read, not copied): 72 % of the smaller of two exponential means
//! (half-lives of 2 s and 10 s), or what the queue allows if that is more, between 10 s (enter) and 5 s (leave).
//!
//! The queue's part has BOLA's levels: `u = 1 + ln(R/R₀)`, `gp = (u_top − 1)/(2Q + 10)`, and a rung needs the level at
//! which its score equals that of the rung below, plus 4 s. It rises when the last segment came faster than it plays,
//! and falls when it came less than 1.15 times as fast.

use super::history::{EwmaPair, or_known};
use super::{Choice, Controller, Notice, Situation, Values};
use crate::protocol::Reason;
use crate::throughput::Sample;
use std::time::Duration;

/// Half-lives in seconds of transfer.
const HALF_LIVES: (f64, f64) = (2.0, 10.0);
/// Share of the estimate that is used.
const SHARE: f64 = 0.72;
/// Levels from which on, and until which, the queue has a say.
const ENTER: Duration = Duration::from_secs(10);
const LEAVE: Duration = Duration::from_secs(5);
/// Seconds that a rung needs beyond BOLA's level.
const MARGIN: f64 = 4.0;
/// Speeds of the last download, in seconds of media per second, above which to rise and below which to fall.
const RISE: f64 = 1.0;
const FALL: f64 = 1.15;

/// See the module.
#[derive(Clone, Debug)]
pub struct RxPlayer {
    pair: EwmaPair,
    by_buffer: bool,
    /// The rung that the queue allows.
    allowed: Option<usize>,
}

impl Default for RxPlayer {
    fn default() -> Self {
        Self { pair: EwmaPair::new(HALF_LIVES.0, HALF_LIVES.1), by_buffer: false, allowed: None }
    }
}

/// The level in seconds that each rung needs, ascending in the rung.
fn levels(rungs: &[u64]) -> impl Iterator<Item = f64> + '_ {
    let rate = |rung: usize| rungs[rung].max(1) as f64;
    let utility = move |rung: usize| 1.0 + (rate(rung) / rate(0)).ln();
    let gp = (utility(rungs.len() - 1) - 1.0) / (2.0 * rungs.len() as f64 + 10.0);
    let mut needed = 0.0;
    (0..rungs.len()).map(move |rung| {
        if rung > 0 && rate(rung) > rate(rung - 1) {
            let (rate, below) = (rate(rung), rate(rung - 1));
            let crossing = (rate * utility(rung - 1) - below * utility(rung)) / (rate - below);
            needed = (gp + crossing) / gp + MARGIN;
        }
        needed
    })
}

impl RxPlayer {
    /// What the queue allows after a download at `speed`.
    fn by_level(&self, situation: &Situation<'_>, last: usize, speed: Option<f64>) -> usize {
        let level = situation.buffer.as_secs_f64();
        let mut reached = 0;
        for (rung, needed) in levels(situation.rungs).enumerate() {
            if level >= needed {
                reached = rung;
            }
        }
        let now = self.allowed.unwrap_or(last).min(situation.rungs.len() - 1);
        match speed {
            Some(speed) if reached > now && speed > RISE => reached,
            Some(speed) if reached < now && speed < FALL => reached,
            _ => now,
        }
    }
}

impl Controller for RxPlayer {
    fn name(&self) -> &'static str {
        "rx-player"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        let received = self.pair.close();
        let by_rate = situation.rung_below((or_known(self.pair.bps(), situation, 0.0) * SHARE) as u64);
        let last = situation.previous.unwrap_or(by_rate);
        self.by_buffer = situation.buffer > if self.by_buffer { LEAVE } else { ENTER };
        self.allowed = self.by_buffer.then(|| {
            let first_byte = situation.network.first_byte().as_secs_f64();
            let speed = received.map(|r| situation.seconds(0) / (r.seconds + first_byte));
            self.by_level(situation, last, speed)
        });
        let rung = by_rate.max(self.allowed.unwrap_or(0));
        Choice { rung, reason: Reason::Controller, values: Values::NONE, wait: None }
    }

    fn observe(&mut self, sample: Sample) {
        self.pair.observe(sample);
    }

    fn notice(&mut self, notice: Notice) {
        if notice == Notice::Seek {
            self.by_buffer = false;
            self.allowed = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fixture;
    use super::*;

    #[test]
    fn levels_are_those_of_bola() {
        // Two rungs of ratio e: gp = 1/14; crossing (e·1 − 2)/(e − 1) = 0.418.
        let levels: Vec<f64> = levels(&[1_000_000, 2_718_282]).collect();
        assert_eq!(levels[0], 0.0);
        assert!((levels[1] - (1.0 + 0.41802 * 14.0 + 4.0)).abs() < 1e-3, "{levels:?}");
    }

    #[test]
    fn the_queue_has_a_say_between_its_two_levels() {
        let fixture = Fixture::new(Some(1_100_000));
        let mut rule = RxPlayer::default();
        let mut rung = |buffer, last, ms| {
            rule.observe(Sample { bytes: 1_100_000 * ms / 8000, busy: Duration::from_millis(ms) });
            rule.choose(&fixture.situation(buffer, Some(last))).rung
        };
        assert_eq!(rung(8, 3, 3000), 1, "792 kbit/s");
        assert_eq!(rung(12, 2, 3400), 2, "the queue keeps what its level allows");
        assert_eq!(rung(4, 2, 5000), 1, "back to the rate");
    }
}
