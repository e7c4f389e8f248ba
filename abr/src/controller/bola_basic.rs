//! BOLA as in its paper, without placeholder or safety rules (Spiteri et al., INFOCOM 2016).
//!
//! `v = ln(R/R₀)`, `γp = 5`, `V = (B_max − L)/(v_top + γp)`; the rung with the highest `(V·(v + γp) − B)/R`. Above
//! `V·(v_top + γp)` waiting is better. `bola-finite` takes `min(B_max, max(t/2, 3)·L)` for the capacity, with `t` the
//! segments to the nearer end of the title; after a seek its beginning is where playback went on.

use super::{Choice, Controller, Situation, Values};
use crate::protocol::Reason;
use std::time::Duration;

/// Weight of continuous playback, as a utility.
const GAMMA_P: f64 = 5.0;
/// Fewest segments of capacity in the finite variant.
const FEWEST: f64 = 3.0;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct BolaBasic {
    finite: bool,
}

impl BolaBasic {
    /// For titles without end.
    pub fn basic() -> Self {
        Self { finite: false }
    }

    /// With the capacity adapted to the ends of the title.
    pub fn finite() -> Self {
        Self { finite: true }
    }

    fn capacity(&self, situation: &Situation<'_>, length: f64) -> f64 {
        let full = situation.buffer_max.as_secs_f64();
        if !self.finite {
            return full;
        }
        let nearer = u64::from(situation.since_start).min(situation.remaining) as f64;
        full.min((nearer / 2.0).max(FEWEST) * length)
    }
}

impl Controller for BolaBasic {
    fn name(&self) -> &'static str {
        if self.finite { "bola-finite" } else { "bola-basic" }
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        let lowest = situation.rungs[0].max(1) as f64;
        let utility = |rate: u64| (rate.max(1) as f64 / lowest).ln();
        let length = situation.seconds(0);
        let top = situation.rungs.last().map_or(0.0, |rate| utility(*rate));
        let v = (self.capacity(situation, length) - length).max(length) / (top + GAMMA_P);
        let level = situation.buffer.as_secs_f64();
        let score = |rate: &u64| (v * (utility(*rate) + GAMMA_P) - level) / ((*rate).max(1) as f64 / 1e6);
        let mut rung = (0, f64::NEG_INFINITY);
        let mut values = Values::NONE;
        for (candidate, rate) in situation.rungs.iter().enumerate() {
            let value = score(rate);
            values.push(value);
            if value > rung.1 {
                rung = (candidate, value);
            }
        }
        let rung = rung.0;
        let excess = level - v * (top + GAMMA_P);
        let wait = (excess > 0.001).then(|| {
            Duration::from_millis((excess * 1e3) as u64)
                .clamp(Duration::from_millis(10), Duration::from_secs(10))
        });
        Choice { rung, reason: Reason::Controller, values, wait }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fixture;
    use super::*;

    #[test]
    fn the_highest_score_decides() {
        // V = 26/7.663 = 3.393. At 16 s rung 0 has 0.97/0.3, rung 1 4.07/0.75, rung 2 5.67/1.2, rung 3 7.14/1.85.
        let fixture = Fixture::new(None);
        let choice = |buffer| BolaBasic::basic().choose(&fixture.situation(buffer, Some(2)));
        assert_eq!(choice(16).rung, 1);
        assert_eq!(choice(5).rung, 0);
        assert_eq!(choice(25).rung, 5);
        assert_eq!(choice(25).wait, None);
        assert_eq!(choice(28).wait, Some(Duration::from_secs(2)), "V(v_top + γp) is 26 s");
    }

    #[test]
    fn near_an_end_the_capacity_is_smaller() {
        // Ten segments from the start: 20 s, so that 14 s mean what 22.75 s mean to the basic rule.
        let fixture = Fixture::new(None);
        let basic = BolaBasic::basic().choose(&fixture.situation(14, Some(2)));
        let finite = BolaBasic::finite().choose(&fixture.situation(14, Some(2)));
        assert_eq!(basic.rung, 0);
        assert!(finite.rung > 2, "{finite:?}");
        assert_eq!(finite.wait, None);
    }
}
