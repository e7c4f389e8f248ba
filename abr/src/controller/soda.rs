//! SODA: smooth and time-based (Chen et al., SIGCOMM 2024).
//!
//! Time is planned in five intervals of a segment's length Δt, each at one rung: the level becomes
//! `x⁺ = x + C·Δt/R − Δt` and the interval costs `v(R)·C/R + β·b(x⁺) + γ·(v(R) − v(R′))²` with `v = ln(R_max/R)` and
//! `b = ((x̄ − x)/x̄)²` below the target x̄, a fifth of that above it. Nearly best plans are monotone in the rung, so
//! only such are searched. Never more than one rung above the forecast.
//!
//! The structure is the paper's. Its weights are not public in a form that fits any ladder; x̄, β and γ here are ours.

use super::history::{History, or_known};
use super::{Choice, Controller, Situation, Values};
use crate::protocol::Reason;
use crate::throughput::Sample;

/// Intervals that are planned.
const INTERVALS: usize = 5;
/// Downloads whose harmonic mean is the forecast.
const WINDOW: usize = 5;
/// Target of the level, as a share of the capacity.
const TARGET: f64 = 0.6;
/// Weight of the level, and of a change.
const BETA: f64 = 10.0;
const GAMMA: f64 = 1.0;
/// What a level above the target costs, as a share of one below.
const ABOVE: f64 = 0.2;
/// Cost of an interval that would end with less than nothing.
const EMPTY: f64 = 1e3;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Soda {
    history: History,
    /// Kept between choices to spare allocations.
    plan: Plan,
}

#[derive(Clone, Debug, Default)]
struct Plan {
    distortion: Vec<f64>,
    /// Seconds of media that an interval brings, for each rung.
    brings: Vec<f64>,
    interval: f64,
    target: f64,
    most: f64,
    highest: usize,
}

impl Plan {
    /// The least cost of the intervals left. `up` is the direction: +1, −1, or 0 while no step was taken.
    fn cost(&self, left: usize, level: f64, last: usize, up: i8) -> f64 {
        if left == 0 {
            return 0.0;
        }
        (0..=self.highest)
            .filter(|rung| up == 0 || (up > 0 && *rung >= last) || (up < 0 && *rung <= last))
            .map(|rung| self.step(left, level, Some(last), rung, up))
            .fold(f64::INFINITY, f64::min)
    }

    /// Cost of an interval at `rung` and of the best monotone continuation.
    fn step(&self, left: usize, level: f64, last: Option<usize>, rung: usize, up: i8) -> f64 {
        let after = level + self.brings[rung] - self.interval;
        let change = last.map_or(0.0, |last| self.distortion[rung] - self.distortion[last]);
        let mut cost = self.distortion[rung] * self.brings[rung] / self.interval + GAMMA * change * change;
        if after < 0.0 {
            cost += EMPTY;
        }
        let after = after.clamp(0.0, self.most);
        let off = (self.target - after) / self.target;
        cost += BETA * off * off * if off > 0.0 { 1.0 } else { ABOVE };
        let up = match last {
            Some(last) if rung > last => 1,
            Some(last) if rung < last => -1,
            _ => up,
        };
        cost + self.cost(left - 1, after, rung, up)
    }
}

impl Controller for Soda {
    fn name(&self) -> &'static str {
        "soda"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        self.history.close();
        let bps = or_known(self.history.harmonic(WINDOW), situation, 500_000.0);
        let rates = || situation.rungs.iter().map(|rate| (*rate).max(1) as f64);
        let best = rates().fold(1.0, f64::max);
        let interval = situation.seconds(0);
        let most = situation.buffer_max.as_secs_f64().max(interval);
        let plan = &mut self.plan;
        plan.distortion.clear();
        plan.distortion.extend(rates().map(|rate| (best / rate).ln()));
        plan.brings.clear();
        plan.brings.extend(rates().map(|rate| bps * interval / rate));
        (plan.interval, plan.target, plan.most) = (interval, TARGET * most, most);
        plan.highest = (situation.rung_below(bps as u64) + 1).min(situation.rungs.len() - 1);
        let level = situation.buffer.as_secs_f64();
        let left = situation.remaining.min(INTERVALS as u64).max(1) as usize;
        let last = situation.previous.filter(|last| *last < situation.rungs.len());
        let mut values = Values::NONE;
        let mut best = (0, f64::INFINITY);
        for rung in 0..=plan.highest {
            let cost = plan.step(left, level, last, rung, 0);
            values.push(-cost);
            if cost < best.1 {
                best = (rung, cost);
            }
        }
        let rung = best.0;
        Choice { rung, reason: Reason::Controller, values, wait: None }
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
    fn never_more_than_one_rung_above_the_forecast() {
        let fixture = Fixture::new(Some(1_300_000));
        for buffer in 0..30 {
            for previous in 0..6 {
                assert!(Soda::default().choose(&fixture.situation(buffer, Some(previous))).rung <= 3);
            }
        }
    }

    #[test]
    fn an_interval_costs_what_the_paper_says() {
        // One rung of half the best rate, forecast the best rate: v = ln 2, C/R = 2, level 10 → 14 of 20.
        let plan = Plan {
            distortion: vec![2f64.ln()],
            brings: vec![8.0],
            interval: 4.0,
            target: 20.0,
            most: 30.0,
            highest: 0,
        };
        let cost = plan.step(1, 10.0, Some(0), 0, 0);
        assert!((cost - (2.0 * 2f64.ln() + 10.0 * 0.09)).abs() < 1e-9, "{cost}");
    }

    #[test]
    fn a_steady_link_keeps_its_rung() {
        let fixture = Fixture::new(Some(1_900_000));
        assert_eq!(Soda::default().choose(&fixture.situation(18, Some(3))).rung, 3);
    }
}
