//! The default rule: value iteration over the queue level with a *distribution* of the throughput.
//!
//! For each of the next segments and each level of the queue, the best continuation is computed backwards
//! (Fugu's plan, Yan et al., NSDI 2020), with six quantiles of the log-normal [`Predictor`] in place of a
//! network: `V_k(B, q′) = max_q [q − λ|q − q′| + Σ_z p_z (−μ·stall_z + V_{k+1}(B⁺_z, q))]`.
//! Quality is `ln(R/R₀)`, `λ = 1`, `μ` is the quality of the highest rung (QoE_log).
//!
//! [`Predictor`]: crate::throughput::Predictor

use super::{Choice, Controller, Situation};
use crate::protocol::Reason;
use std::time::Duration;

/// Segments planned ahead.
pub const HORIZON: usize = 10;
/// Step of the queue level, in seconds.
const BIN: f64 = 0.5;
/// Most levels; longer queues get coarser steps.
const BINS: usize = 121;
/// Quantiles of the throughput (in standard deviations) and their probabilities.
const SCENARIOS: [(f64, f64); 6] =
    [(-1.9, 0.06), (-1.15, 0.14), (-0.5, 0.25), (0.0, 0.20), (0.5, 0.25), (1.3, 0.10)];
/// The scenario that a segment must survive when the queue is nearly empty.
const CAREFUL: f64 = -1.15;
/// Price of a change of quality.
const LAMBDA: f64 = 1.0;
/// Least price of a second of stalling.
const LEAST_MU: f64 = 1.0;
/// The present rung is kept when its value is within this share of the best.
const TIE: f64 = 0.01;
/// Segments after the start or a seek during which the rung rises slowly, and by how much at most.
const RAMP: (u32, usize) = (3, 2);

/// See the module. Keeps its tables between choices to spare allocations.
#[derive(Clone, Debug, Default)]
pub struct Hybrid {
    /// Value of each (level, last rung) after the step in work.
    next: Vec<f64>,
    /// The same for the step in work.
    now: Vec<f64>,
    quality: Vec<f64>,
}

/// The constants of one plan.
struct Plan<'a> {
    situation: &'a Situation<'a>,
    bin: f64,
    bins: usize,
    most: f64,
    mu: f64,
    first_byte: f64,
}

impl Plan<'_> {
    /// Expected seconds to fetch a segment in a scenario.
    fn seconds(&self, step: usize, rung: usize, z: f64) -> f64 {
        let bps = self.situation.network.quantile_bps(z, step as u32) as f64;
        self.first_byte + self.situation.bits(step, rung) as f64 / bps
    }

    /// Value of fetching `rung` at `step` from queue level `level`, the quality itself excluded.
    fn outcome(&self, step: usize, rung: usize, level: f64, seconds: &[f64; 6], next: &[f64]) -> f64 {
        let rungs = self.situation.rungs.len();
        let length = self.situation.seconds(step);
        SCENARIOS.iter().zip(seconds).fold(0.0, |sum, ((_, p), d)| {
            let stall = (d - level).max(0.0);
            let after = ((level - d).max(0.0) + length).min(self.most);
            let place = (after / self.bin).min((self.bins - 1) as f64);
            let low = place as usize;
            let high = (low + 1).min(self.bins - 1);
            let part = place - low as f64;
            let value = next[low * rungs + rung] * (1.0 - part) + next[high * rungs + rung] * part;
            sum + p * (value - self.mu * stall)
        })
    }
}

impl Hybrid {
    fn values(&mut self, plan: &Plan<'_>, level: f64, previous: Option<usize>) -> super::Values {
        let rungs = plan.situation.rungs.len();
        let steps = plan.situation.upcoming.len().min(HORIZON);
        self.next.clear();
        self.next.resize(plan.bins * rungs, 0.0);
        self.now.clear();
        self.now.resize(plan.bins * rungs, 0.0);
        let quality = &self.quality;
        for step in (1..steps).rev() {
            let seconds: Vec<[f64; 6]> = (0..rungs)
                .map(|rung| std::array::from_fn(|z| plan.seconds(step, rung, SCENARIOS[z].0)))
                .collect();
            let mut outcomes = vec![0.0; rungs];
            for bin in 0..plan.bins {
                let level = bin as f64 * plan.bin;
                for (rung, outcome) in outcomes.iter_mut().enumerate() {
                    *outcome = quality[rung] + plan.outcome(step, rung, level, &seconds[rung], &self.next);
                }
                for last in 0..rungs {
                    let best = (0..rungs)
                        .map(|rung| outcomes[rung] - LAMBDA * (quality[rung] - quality[last]).abs())
                        .fold(f64::NEG_INFINITY, f64::max);
                    self.now[bin * rungs + last] = best;
                }
            }
            std::mem::swap(&mut self.now, &mut self.next);
        }
        (0..rungs)
            .map(|rung| {
                let seconds = std::array::from_fn(|z| plan.seconds(0, rung, SCENARIOS[z].0));
                let change = previous.map_or(0.0, |last| (quality[rung] - quality[last]).abs());
                let value =
                    quality[rung] - LAMBDA * change + plan.outcome(0, rung, level, &seconds, &self.next);
                (value * 1e4).round() / 1e4
            })
            .collect()
    }
}

impl Controller for Hybrid {
    fn name(&self) -> &'static str {
        "hybrid"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        let lowest = situation.rungs.first().copied().unwrap_or(1).max(1) as f64;
        self.quality.clear();
        self.quality.extend(situation.rungs.iter().map(|rate| ((*rate).max(1) as f64 / lowest).ln()));
        let most = situation.buffer_max.as_secs_f64().max(situation.seconds(0));
        let bin = BIN.max(most / (BINS - 1) as f64);
        let plan = Plan {
            situation,
            bin,
            bins: (most / bin).ceil() as usize + 1,
            most,
            mu: self.quality.last().copied().unwrap_or(0.0).max(LEAST_MU),
            first_byte: situation.network.first_byte().as_secs_f64(),
        };
        let level = situation.buffer.as_millis() as f64 / 1e3;
        let previous = situation.previous.filter(|last| *last < situation.rungs.len());
        let values = self.values(&plan, level, previous);

        let mut rung = 0;
        for candidate in 1..values.len() {
            if values[candidate] >= values[rung] {
                rung = candidate;
            }
        }
        if let Some(last) = previous.filter(|last| values[rung] - values[*last] <= TIE * values[rung].abs()) {
            rung = last;
        }
        let mut reason = Reason::Controller;
        if let Some(last) = previous.filter(|_| situation.since_start < RAMP.0) {
            rung = rung.min(last + RAMP.1);
        }
        if situation.buffer < (2 * situation.network.first_byte()).max(Duration::from_secs(1)) {
            let safe = (0..=rung).rfind(|q| plan.seconds(0, *q, CAREFUL) <= level).unwrap_or(0);
            if safe < rung {
                rung = safe;
                reason = Reason::Safety;
            }
        }
        Choice { rung, reason, values, wait: None }
    }
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
