//! The default rule: value iteration over the queue level with a *distribution* of the throughput.
//!
//! HEADER

mod forecast;
mod plan;
mod tuning;

pub use tuning::{Knob, Tuning};

use super::{Choice, Controller, Notice, Situation};
use crate::protocol::Reason;
use crate::throughput::Sample;
use forecast::{CLASSES, Chain, Forecast};
use plan::{Plan, Prices};
use std::time::Duration;

/// Segments whose sizes the rule looks at.
pub const HORIZON: usize = 10;
/// The present rung is kept when its value is within this share of the best.
const TIE: f32 = 0.002;
/// Segments after the start or a seek during which the rung rises slowly, and by how much at most.
const RAMP: (u32, usize) = (3, 2);
/// The chance of arriving late that is accepted when the queue is nearly empty.
const CAREFUL: f32 = 0.2;

/// See the module.
#[derive(Clone, Debug)]
pub struct Hybrid {
    tuning: Tuning,
    forecast: Forecast,
    plan: Plan,
}

impl Default for Hybrid {
    fn default() -> Self {
        Self::new(Tuning::default())
    }
}

impl Hybrid {
    /// With other numbers than those that ship.
    pub fn new(tuning: Tuning) -> Self {
        Self { tuning, forecast: Forecast::new(&tuning), plan: Plan::default() }
    }

    /// The worth of each rung, relative to that of the highest.
    fn weigh(&mut self, rungs: &[u64]) {
        let rate = |rung: usize| rungs.get(rung).map_or(1.0, |rate| (*rate).max(1) as f64);
        let (lowest, highest) = (rate(0), rate(rungs.len() - 1));
        let span = (highest / lowest).ln();
        let share = if span > 1e-6 { self.tuning.log_share() } else { 0.0 };
        self.plan.worth.clear();
        let worth = |rung: usize| {
            let log = if share > 0.0 { (rate(rung) / lowest).ln() / span } else { 0.0 };
            (share * log + (1.0 - share) * rate(rung) / highest) as f32
        };
        self.plan.worth.extend((0..rungs.len()).map(worth));
    }
}

impl Controller for Hybrid {
    fn name(&self) -> &'static str {
        "hybrid"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        if !self.forecast.has_samples()
            && let Some(bps) = situation.network.bps()
        {
            self.forecast.begin(bps as f64, situation.network.sigma());
        }
        let tuning = self.tuning;
        let chain = self.forecast.chain(&tuning);
        self.weigh(situation.rungs);
        let previous = situation.previous.filter(|last| *last < situation.rungs.len());
        let steps = (situation.remaining.min(tuning.horizon().round() as u64) as usize).max(1);
        let prices = Prices {
            stall: tuning.stall() as f32,
            change: tuning.change() as f32,
            lasting: tuning.lasting(),
        };
        self.plan.solve(situation, &chain, prices, steps, previous);
        let values = &self.plan.values;
        let mut rung = 0;
        for candidate in 1..values.len() {
            if values[candidate] >= values[rung] {
                rung = candidate;
            }
        }
        if let Some(last) = previous.filter(|last| values[rung] - values[*last] <= TIE) {
            rung = last;
        }
        let mut reason = Reason::Controller;
        if let Some(last) = previous.filter(|_| situation.since_start < RAMP.0) {
            rung = rung.min(last + RAMP.1);
        }
        if situation.buffer < (2 * situation.network.first_byte()).max(Duration::from_secs(1)) {
            let safe = (0..=rung).rfind(|rung| late(situation, &chain, *rung) <= CAREFUL).unwrap_or(0);
            if safe < rung {
                (rung, reason) = (safe, Reason::Safety);
            }
        }
        let values = values.iter().map(|value| f64::from(*value)).collect();
        Choice { rung, reason, values, wait: None }
    }

    fn observe(&mut self, sample: Sample) {
        self.forecast.observe(sample, &self.tuning);
    }

    fn notice(&mut self, _notice: Notice) {}
}

/// The chance that the next segment at `rung` arrives after the queue is empty.
fn late(situation: &Situation<'_>, chain: &Chain, rung: usize) -> f32 {
    let left = (situation.buffer.saturating_sub(situation.network.first_byte())).as_secs_f64();
    let bits = situation.bits(0, rung) as f64;
    (0..CLASSES).filter(|class| bits > left * chain.bps[*class]).map(|class| chain.next[class]).sum()
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fixture;
    use super::*;

    #[test]
    fn a_rung_that_the_link_carries_is_kept() {
        let fixture = Fixture::new(Some(2_600_000));
        let mut hybrid = Hybrid::default();
        for buffer in [8, 12, 20, 28] {
            let choice = hybrid.choose(&fixture.situation(buffer, Some(3)));
            assert!((3..=4).contains(&choice.rung), "{buffer}: {choice:?}");
        }
    }

    #[test]
    fn an_empty_queue_takes_what_arrives_in_time() {
        let fixture = Fixture::new(Some(1_000_000));
        assert_eq!(Hybrid::default().choose(&fixture.situation(0, Some(4))).rung, 0);
        let rich = Fixture::new(Some(9_000_000));
        let choice = Hybrid::default().choose(&rich.situation(0, Some(5)));
        assert_eq!((choice.rung, choice.reason), (0, Reason::Safety), "nothing arrives before now");
    }

    #[test]
    fn the_rung_rises_slowly_after_the_start() {
        let fixture = Fixture::new(Some(100_000_000));
        let mut situation = fixture.situation(4, Some(1));
        situation.since_start = 1;
        assert_eq!(Hybrid::default().choose(&situation).rung, 3);
    }

    #[test]
    fn the_queue_is_spent_at_the_end() {
        let fixture = Fixture::new(Some(2_000_000));
        let middle = Hybrid::default().choose(&fixture.situation(12, Some(3)));
        let mut situation = fixture.situation(12, Some(3));
        situation.upcoming = &situation.upcoming[..1];
        situation.remaining = 1;
        let last = Hybrid::default().choose(&situation);
        assert!(last.rung >= middle.rung);
    }
}
