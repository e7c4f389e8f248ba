//! LoL+: a self-organising map for low-latency live (Bentaleb et al., MMSys 2020 and IEEE TMM 2022; dash.js's
//! `LearningAbrController`, BSD licence, is the reference; read, not copied).
//!
//! Each rung has a neuron with a state of four: throughput (at first its own rate), latency, stalling and switching;
//! rates are divided by the ladder's Euclidean norm, latency by 100 s. The neuron nearest (throughput, 0, 0, 0) wins.
//! Distances are weighted; the weight of throughput is 100 for rungs that the throughput does not carry or that leave
//! less than 0.3 s queued. Then the neurons around the rung of before learn what was seen, and those around the winner
//! what is wanted (rate 0.01, neighbourhood σ = 0.1). When the rung of before cannot be kept with 0.3 s left, the
//! highest that the throughput carries is taken without asking the map.
//!
//! The weights are those of 0.2, 0.4 … 1 with which the best rung is expected to earn most, where the latency is at most
//! the target and its last change; a penalty is divided by its weight, so the answer is 1 for each penalty that there is
//! and the least for what the reward does not know. What is earned is `R·L − R_max·stall − p·latency` with
//! `p = 0.05·R_min` up to 1.1 s and `0.1·R_max` above. The reference begins with random weights; here all begin at 0.4,
//! its manual setting. Without a live edge, the queue stands in for the latency and the target is not enforced.

use super::history::{History, or_known};
use super::{Choice, Controller, Notice, Situation, Values};
use crate::protocol::Reason;
use crate::throughput::Sample;

/// What must be queued after a download, in seconds.
const LEAST_QUEUE: f64 = 0.3;
/// Latencies are divided by this, in seconds.
const LATENCY_UNIT: f64 = 100.0;
/// How much of the throughput a rung must leave, in bit/s.
const MARGIN: f64 = 10_000.0;
/// Weight of the throughput for rungs that must not win.
const REPELLED: f64 = 100.0;
/// Least and greatest weight, and the one to begin with.
const WEIGHTS: (f64, f64, f64) = (0.2, 1.0, 0.4);
/// Rate of learning, and the width of a neighbourhood.
const RATE: f64 = 0.01;
const SIGMA: f64 = 0.1;
/// Latency above which it costs more, in units of [`LATENCY_UNIT`] as the reference compares it.
const LATE: f64 = 1.1;
/// Throughput before anything is known, in bit/s.
const UNKNOWN_BPS: f64 = 500_000.0;

/// Throughput, latency, stalling, switching.
type State = [f64; 4];

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct LolPlus {
    history: History,
    rungs: Vec<u64>,
    neurons: Vec<State>,
    norm: f64,
    weights: State,
    latency: f64,
}

/// Squared weighted distance.
fn distance(a: &State, b: &State, weights: &State) -> f64 {
    (0..4).map(|i| weights[i] * (a[i] - b[i]).powi(2)).sum()
}

/// The queue after a download of `seconds`, as the reference has it.
fn queue_after(queue: f64, seconds: f64, length: f64) -> f64 {
    if seconds > length { queue - length } else { queue + length - seconds }
}

impl LolPlus {
    /// Adapts to the ladder where it differs from that of before.
    fn adapt(&mut self, rungs: &[u64]) {
        if self.rungs == rungs {
            return;
        }
        self.rungs.clear();
        self.rungs.extend_from_slice(rungs);
        self.norm = rungs.iter().map(|rate| (*rate as f64).powi(2)).sum::<f64>().sqrt().max(1.0);
        self.neurons.clear();
        self.neurons.extend(rungs.iter().map(|rate| [*rate as f64 / self.norm, 0.0, 0.0, 0.0]));
        self.weights = [WEIGHTS.2; 4];
    }

    /// Draws the neurons around `center` towards what was seen.
    fn learn(&mut self, center: usize, seen: &State) {
        let middle = self.neurons[center];
        for neuron in &mut self.neurons {
            let near = (-distance(neuron, &middle, &[1.0; 4]) / (2.0 * SIGMA * SIGMA)).exp();
            for (own, seen) in neuron.iter_mut().zip(seen) {
                *own += (seen - *own) * RATE * near;
            }
        }
    }

    /// Finds the weights, see the module; keeps those of before when no rung meets the constraints.
    fn weigh(&mut self, queue: f64, length: f64, bps: f64) {
        let highest = self.rungs.last().map_or(0.0, |rate| *rate as f64);
        let lowest = self.rungs.first().map_or(0.0, |rate| *rate as f64);
        let mut best = (f64::NEG_INFINITY, 0.0);
        for (rate, neuron) in self.rungs.iter().zip(&self.neurons) {
            let rate = *rate as f64;
            let seconds = rate * length / bps;
            let after = queue_after(queue, seconds, length);
            if after < LEAST_QUEUE {
                continue;
            }
            let penalty = if neuron[1] <= LATE { 0.05 * lowest } else { 0.1 * highest };
            let earned = rate * length - highest * (seconds - after).max(0.0) - penalty * neuron[1];
            if earned > best.0 {
                best = (earned, neuron[1]);
            }
        }
        if best.0 > f64::NEG_INFINITY {
            let latency = if best.1 > 0.0 { WEIGHTS.1 } else { WEIGHTS.0 };
            self.weights = [WEIGHTS.0, latency, WEIGHTS.1, WEIGHTS.0];
        }
    }
}

impl Controller for LolPlus {
    fn name(&self) -> &'static str {
        "lol-plus"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        self.history.close();
        self.adapt(situation.rungs);
        let bps = or_known(self.history.last(), situation, UNKNOWN_BPS);
        let (queue, length) = (situation.buffer.as_secs_f64(), situation.seconds(0));
        let rate = |rung: usize| situation.rungs[rung] as f64;
        let last = situation.previous.unwrap_or(0).min(situation.rungs.len() - 1);
        let seconds = rate(last) * length / bps;
        let stall = (seconds - queue).max(0.0);
        if queue - seconds < LEAST_QUEUE {
            let rung = (0..last).rfind(|rung| rate(*rung) < bps).unwrap_or(last);
            let rung = if rate(rung) < bps { rung } else { 0 };
            return Choice { rung, reason: Reason::Safety, values: Values::NONE, wait: None };
        }
        let latency = situation.live.map_or(queue, |live| live.latency.as_secs_f64());
        let target = situation.live.map_or(f64::INFINITY, |live| live.target.as_secs_f64());
        let drift = (latency - self.latency).abs();
        self.latency = latency;
        if latency <= target + drift {
            self.weigh(queue, length, bps);
        }
        let top = self.neurons.iter().map(|neuron| neuron[0]).fold(0.0, f64::max);
        let throughput = if bps > self.norm { top } else { bps / self.norm };
        let wanted = [throughput, 0.0, 0.0, 0.0];
        let mut values = Values::NONE;
        let mut winner = (0, f64::INFINITY);
        for (rung, neuron) in self.neurons.iter().enumerate() {
            let after = queue_after(queue, rate(rung) * length / bps, length);
            let mut weights = self.weights;
            if rung > 0 && (rate(rung) > bps - MARGIN || after < LEAST_QUEUE) {
                weights[0] = REPELLED;
            }
            let off = distance(neuron, &wanted, &weights).sqrt();
            values.push(-off);
            if off < winner.1 {
                winner = (rung, off);
            }
        }
        let rung = winner.0;
        let change = (rate(last) - rate(rung)).abs() / self.norm;
        self.learn(last, &[throughput, latency / LATENCY_UNIT, stall, change]);
        self.learn(rung, &[throughput, 0.0, 0.0, change]);
        Choice { rung, reason: Reason::Controller, values, wait: None }
    }

    fn observe(&mut self, sample: Sample) {
        self.history.observe(sample);
    }

    fn notice(&mut self, notice: Notice) {
        if notice == Notice::Seek {
            self.rungs.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fixture, second_at};
    use super::super::{Live, by_name};
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_nearest_neuron_below_the_throughput_wins() {
        let fixture = Fixture::new(None);
        let mut rule = LolPlus::default();
        rule.observe(second_at(2_000_000));
        assert_eq!(rule.choose(&fixture.situation(12, Some(2))).rung, 3, "1.85 of 2 Mbit/s");
        rule.observe(second_at(1_300_000));
        assert_eq!(rule.choose(&fixture.situation(12, Some(3))).rung, 2);
    }

    #[test]
    fn a_queue_that_would_run_dry_skips_the_map() {
        let fixture = Fixture::new(None);
        let mut rule = LolPlus::default();
        rule.observe(second_at(1_000_000));
        let choice = rule.choose(&fixture.situation(4, Some(3)));
        assert_eq!((choice.rung, choice.reason), (1, Reason::Safety));
    }

    #[test]
    fn a_rung_that_was_left_is_drawn_to_what_was_seen() {
        let fixture = Fixture::new(None);
        let mut rule = LolPlus::default();
        rule.observe(second_at(4_000_000));
        let mut situation = fixture.situation(12, Some(3));
        let (latency, target) = (Duration::from_secs(2), Duration::from_secs(3));
        situation.live = Some(Live { latency, target, rate_permille: 1000 });
        let rung = rule.choose(&situation).rung;
        assert_eq!(rung, 4);
        // Rate 0.01 towards 2 s of 100 at its own place; the winner forgets the same share.
        assert!((rule.neurons[3][1] - 0.0002).abs() < 2e-5, "{:?}", rule.neurons);
        assert!(rule.neurons[4][1] < rule.neurons[3][1]);
    }

    #[test]
    fn it_is_known_by_name() {
        assert_eq!(by_name("lol-plus").unwrap().name(), "lol-plus");
    }
}
