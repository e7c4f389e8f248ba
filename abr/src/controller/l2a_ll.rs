//! L2A-LL: online learning for low-latency live (Karagkioules et al., MMSys 2020; dash.js's `L2ARule`, BSD licence, is
//! the reference; read, not copied).
//!
//! Weights `w` over the rungs lie on the simplex and follow the gradient of a Lagrangian whose multiplier `Q` counts by
//! how much downloads have taken longer than they play: with the horizon `H = 4`, `V = H^0.99`, the step
//! `α = max(H, V·√H)`, the playback speed ρ and the last download's rate C,
//! `w ← proj(w ± L/2α · (Q + V)·ρR/C)` (up where ρR ≤ C, down elsewhere) and `Q ← max(0, Q − L + L·ρ·⟨R, w⟩/C)` with
//! the `w` before projection. The rung nearest `⟨R, w⟩` is chosen, at most one up and only if C carries it; a rung that
//! C does not carry doubles `max(V, Q)`. Until 1.5 s are queued, 90 % of the throughput decide.
//!
//! The rule sees latency only as the queue: near the live edge there is never more queued than that.

use super::history::{History, or_known};
use super::{Choice, Controller, Notice, Situation, ThroughputRule, Values};
use crate::protocol::Reason;
use crate::throughput::Sample;
use std::time::Duration;

/// Segments within which the learning is to converge.
const HORIZON: f64 = 4.0;
/// The queue from which on it decides.
const PRIMED: Duration = Duration::from_millis(1500);
/// How strongly a rung that the link does not carry is answered.
const REACT: f64 = 2.0;
/// Throughput before anything is known, in bit/s.
const UNKNOWN_BPS: f64 = 500_000.0;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct L2aLl {
    throughput: ThroughputRule,
    history: History,
    /// One weight per rung; empty until the queue is primed.
    weights: Vec<f64>,
    /// Kept between choices to spare allocations.
    moved: Vec<f64>,
    multiplier: f64,
}

impl L2aLl {
    /// How cautious it is.
    fn caution() -> f64 {
        HORIZON.powf(0.99)
    }

    /// Starts learning from `rung`.
    fn prime(&mut self, rungs: usize, rung: usize) {
        self.weights.clear();
        self.weights.resize(rungs, 0.0);
        if let Some(weight) = self.weights.get_mut(rung) {
            *weight = 1.0;
        }
        self.multiplier = Self::caution();
    }

    /// A step of learning from a download at `bps`; the rung nearest the weighted mean rate.
    fn learn(&mut self, rungs: &[u64], length: f64, speed: f64, bps: f64) -> usize {
        let step = length / (2.0 * HORIZON.max(Self::caution() * HORIZON.sqrt()));
        let pull = self.multiplier + Self::caution();
        self.moved.clear();
        self.moved.extend(self.weights.iter().zip(rungs).map(|(weight, rate)| {
            let load = speed * *rate as f64 / bps;
            weight + if load > 1.0 { -step } else { step } * pull * load
        }));
        let mean = |weights: &[f64]| weights.iter().zip(rungs).map(|(w, rate)| w * *rate as f64).sum::<f64>();
        self.multiplier = (self.multiplier - length + length * speed * mean(&self.moved) / bps).max(0.0);
        project(&self.moved, &mut self.weights);
        let wanted = mean(&self.weights);
        let off = |rung: &usize| (rungs[*rung] as f64 - wanted).abs();
        (0..rungs.len()).min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or(0)
    }
}

/// The point of the simplex that is nearest to `from`: all are lowered by the same amount, negative ones are zero.
fn project(from: &[f64], onto: &mut Vec<f64>) {
    onto.clear();
    onto.extend_from_slice(from);
    onto.sort_unstable_by(|a, b| b.total_cmp(a));
    let (mut sum, mut lowered) = (0.0, 0.0);
    for (place, value) in onto.iter().enumerate() {
        sum += value;
        let by = (sum - 1.0) / (place + 1) as f64;
        if by < *value {
            lowered = by;
        }
    }
    onto.clear();
    onto.extend(from.iter().map(|value| (value - lowered).max(0.0)));
}

impl Controller for L2aLl {
    fn name(&self) -> &'static str {
        "l2a-ll"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        let starting = self.throughput.choose(situation);
        self.history.close();
        let rungs = situation.rungs;
        if self.weights.len() != rungs.len() {
            if situation.buffer >= PRIMED {
                self.prime(rungs.len(), starting.rung);
            } else {
                self.weights.clear();
            }
            return starting;
        }
        let bps = or_known(self.history.last(), situation, UNKNOWN_BPS);
        let speed = situation.live.map_or(1.0, |live| f64::from(live.rate_permille) / 1e3).max(0.1);
        let mut rung = self.learn(rungs, situation.seconds(0), speed, bps);
        let last = situation.previous.unwrap_or(rung).min(rungs.len() - 1);
        if rung > last {
            rung = if rungs[last + 1] as f64 <= bps { last + 1 } else { last };
        }
        if rungs[rung] as f64 >= bps {
            self.multiplier = REACT * Self::caution().max(self.multiplier);
        }
        let values: Values = self.weights.iter().copied().collect();
        Choice { rung, reason: Reason::Controller, values, wait: None }
    }

    fn observe(&mut self, sample: Sample) {
        self.throughput.observe(sample);
        self.history.observe(sample);
    }

    fn notice(&mut self, notice: Notice) {
        if notice == Notice::Seek {
            self.weights.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fixture, second_at};
    use super::*;

    #[test]
    fn projection_lowers_all_alike() {
        let mut onto = Vec::new();
        project(&[0.9, 0.5, -1.0], &mut onto);
        assert!((onto[0] - 0.7).abs() < 1e-12 && (onto[1] - 0.3).abs() < 1e-12 && onto[2] == 0.0, "{onto:?}");
        project(&[0.25; 4], &mut onto);
        assert_eq!(onto, [0.25; 4]);
    }

    #[test]
    fn it_climbs_one_rung_at_a_time_to_what_the_link_carries() {
        let fixture = Fixture::new(Some(1_000_000));
        let mut rule = L2aLl::default();
        let mut last = rule.choose(&fixture.situation(2, Some(0))).rung;
        for _ in 0..30 {
            rule.observe(second_at(2_000_000));
            let rung = rule.choose(&fixture.situation(2, Some(last))).rung;
            assert!(rung <= last + 1);
            last = rung;
        }
        assert_eq!(last, 3, "1.85 of 2 Mbit/s");
    }

    #[test]
    fn it_falls_at_once() {
        let fixture = Fixture::new(Some(4_000_000));
        let mut rule = L2aLl::default();
        rule.choose(&fixture.situation(3, Some(4)));
        rule.observe(second_at(400_000));
        assert!(rule.choose(&fixture.situation(3, Some(4))).rung <= 1);
    }
}
