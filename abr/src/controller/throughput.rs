//! The throughput rule of dash.js and Sabre, a baseline: the highest rung within 90 % of the smaller of two
//! exponential means over transfer time with half-lives of 3 s and 8 s (Spiteri et al., MMSys 2018).

use super::history::{EwmaPair, or_known};
use super::{Choice, Controller, Situation};
use crate::protocol::Reason;
use crate::throughput::Sample;

/// Half-lives in seconds of transfer.
const HALF_LIVES: (f64, f64) = (3.0, 8.0);
/// Share of the estimate that is used.
const SHARE: f64 = 0.9;

/// See the module.
#[derive(Clone, Debug)]
pub struct ThroughputRule {
    pair: EwmaPair,
}

impl Default for ThroughputRule {
    fn default() -> Self {
        Self { pair: EwmaPair::new(HALF_LIVES.0, HALF_LIVES.1) }
    }
}

impl ThroughputRule {
    /// Takes in what was received since the last choice, and says what may be used, in bit/s.
    pub(super) fn usable(&mut self, situation: &Situation<'_>) -> f64 {
        self.pair.close();
        or_known(self.pair.bps(), situation, 0.0) * SHARE
    }
}

impl Controller for ThroughputRule {
    fn name(&self) -> &'static str {
        "throughput"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        let usable = self.usable(situation);
        let values = situation.rungs.iter().map(|rate| usable - *rate as f64).collect();
        let rung = situation.rung_below(usable as u64);
        Choice { rung, reason: Reason::Controller, values, wait: None }
    }

    fn observe(&mut self, sample: Sample) {
        self.pair.observe(sample);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fixture, second_at};
    use super::*;

    #[test]
    fn nine_tenths_of_the_smaller_mean_are_used() {
        let fixture = Fixture::new(Some(50_000_000));
        let mut rule = ThroughputRule::default();
        assert_eq!(rule.choose(&fixture.situation(3, Some(0))).rung, 5, "what is known from before");
        rule.observe(second_at(2_000_000));
        assert_eq!(rule.choose(&fixture.situation(20, Some(5))).rung, 2, "1.8 Mbit/s");
        rule.observe(second_at(2_200_000));
        // Slow mean: weights 0.917 and 1, so 2.104 Mbit/s; nine tenths are 1.894.
        assert_eq!(rule.choose(&fixture.situation(20, Some(2))).rung, 3);
    }
}
