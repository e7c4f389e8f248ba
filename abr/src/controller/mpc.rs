//! MPC and RobustMPC (Yin et al., SIGCOMM 2015): the plan over five segments that earns most if the network
//! stays as forecast; its first step is taken.
//!
//! Earned is `Σ q − |Δq| − μ·stall` with `q` the bitrate in Mbit/s and `μ` that of the highest rung (QoE_lin; 4.3 on
//! Pensieve's ladder). The forecast is the harmonic mean of the last five downloads; RobustMPC divides it by 1 + the
//! largest relative error of its last five forecasts. All plans count; those that cannot win any more are cut.

use super::history::{History, or_known};
use super::{Choice, Controller, Situation};
use crate::protocol::Reason;
use crate::throughput::Sample;
use std::collections::VecDeque;

/// Segments that are planned; samples and errors that are looked back.
const WINDOW: usize = 5;
/// Throughput before anything is known, in bit/s.
const UNKNOWN_BPS: f64 = 500_000.0;

/// Sums that differ by less are equal.
const ROUNDING: f64 = 1e-9;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Mpc {
    robust: bool,
    history: History,
    errors: VecDeque<f64>,
    forecast: Option<f64>,
    scratch: Scratch,
}

/// What a search needs; kept between choices to spare allocations.
#[derive(Clone, Debug, Default)]
struct Scratch {
    quality: Vec<f64>,
    seconds: Vec<f64>,
    values: Vec<f64>,
}

impl Mpc {
    /// MPC as it is.
    pub fn plain() -> Self {
        Self::default()
    }

    /// RobustMPC.
    pub fn robust() -> Self {
        Self { robust: true, ..Self::default() }
    }

    /// Learns from the last download, and forecasts in bit/s.
    fn forecast(&mut self, situation: &Situation<'_>) -> f64 {
        if let (Some(received), Some(forecast)) = (self.history.close(), self.forecast) {
            if self.errors.len() == WINDOW {
                self.errors.pop_front();
            }
            self.errors.push_back((forecast - received.bps()).abs() / received.bps());
        }
        let forecast = or_known(self.history.harmonic(WINDOW), situation, UNKNOWN_BPS);
        self.forecast = Some(forecast);
        let worst = self.errors.iter().copied().fold(0.0, f64::max);
        if self.robust { forecast / (1.0 + worst) } else { forecast }
    }
}

/// All plans with a common beginning.
struct Search<'a> {
    situation: &'a Situation<'a>,
    /// Worth of each rung, in Mbit/s.
    quality: &'a [f64],
    /// Seconds to fetch each segment in each rung, row by row.
    seconds: &'a [f64],
    most: f64,
    steps: usize,
    /// What the best plan so far earns.
    best: f64,
    /// What the best plan that begins with each rung earns, unless it was cut.
    values: &'a mut [f64],
}

impl Search<'_> {
    /// What a segment earns, and the level after it.
    fn step(&self, step: usize, level: f64, last: Option<usize>, rung: usize) -> (f64, f64) {
        let top = self.quality.len() - 1;
        let seconds = self.seconds[step * (top + 1) + rung];
        let stall = (seconds - level).max(0.0);
        let change = last.map_or(0.0, |last| (self.quality[rung] - self.quality[last]).abs());
        let after = ((level - seconds).max(0.0) + self.situation.seconds(step)).min(self.most);
        (self.quality[rung] - change - self.quality[top] * stall, after)
    }

    /// What a plan of one rung earns.
    fn constant(&self, mut level: f64, mut last: Option<usize>, rung: usize) -> f64 {
        let mut earned = 0.0;
        for step in 0..self.steps {
            let (worth, after) = self.step(step, level, last, rung);
            (earned, level, last) = (earned + worth, after, Some(rung));
        }
        earned
    }

    fn extend(&mut self, step: usize, level: f64, last: Option<usize>, earned: f64, begins: Option<usize>) {
        if step == self.steps {
            if let Some(first) = begins {
                self.values[first] = self.values[first].max(earned);
            }
            self.best = self.best.max(earned);
            return;
        }
        let top = self.quality.len() - 1;
        // Whatever is better than the rung before earns no more than that in the step that goes there.
        let at_once = last.map_or(self.quality[top], |last| self.quality[last]);
        let at_most = at_once + (self.steps - step - 1) as f64 * self.quality[top];
        if earned + at_most < self.best - ROUNDING {
            return;
        }
        for rung in (0..=top).rev() {
            let (worth, after) = self.step(step, level, last, rung);
            self.extend(step + 1, after, Some(rung), earned + worth, begins.or(Some(rung)));
        }
    }
}

impl Controller for Mpc {
    fn name(&self) -> &'static str {
        if self.robust { "robust-mpc" } else { "mpc" }
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        let bps = self.forecast(situation);
        let rungs = situation.rungs.len();
        let steps = situation.upcoming.len().min(WINDOW);
        let first_byte = situation.network.first_byte().as_secs_f64();
        let Scratch { quality, seconds, values } = &mut self.scratch;
        quality.clear();
        quality.extend(situation.rungs.iter().map(|rate| *rate as f64 / 1e6));
        seconds.clear();
        let places = (0..steps).flat_map(|step| (0..rungs).map(move |rung| (step, rung)));
        seconds.extend(places.map(|(step, rung)| first_byte + situation.bits(step, rung) as f64 / bps));
        values.clear();
        values.resize(rungs, f64::NEG_INFINITY);
        let most = situation.buffer_max.as_secs_f64();
        let mut search = Search { situation, quality, seconds, most, steps, best: f64::NEG_INFINITY, values };
        let previous = situation.previous.filter(|last| *last < rungs);
        let level = situation.buffer.as_secs_f64();
        // A good plan to begin with cuts many others.
        search.best = (0..rungs).map(|rung| search.constant(level, previous, rung)).fold(f64::MIN, f64::max);
        search.extend(0, level, previous, 0.0, None);
        let best = search.best;
        let rung = values.iter().rposition(|value| *value >= best).unwrap_or(0);
        // A rung whose plans were all cut has no value to show.
        let values = values.iter().map(|value| value.max(-1e9)).collect();
        Choice { rung, reason: Reason::Controller, values, wait: None }
    }

    fn observe(&mut self, sample: Sample) {
        self.history.observe(sample);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fixture, second_at};
    use super::*;

    #[test]
    fn the_last_segment_takes_what_the_queue_pays_for() {
        // 2 Mbit/s and 8 s: 2.85 Mbit/s take 5.7 s, 4.3 take 8.6 s and stall 0.6 s, which costs 2.58.
        let fixture = Fixture::new(Some(2_000_000));
        let mut situation = fixture.situation(8, Some(3));
        situation.upcoming = &situation.upcoming[..1];
        // 2.85 − 1.0 = 1.85 ties with staying at 1.85; the higher one is taken.
        assert_eq!(Mpc::plain().choose(&situation).rung, 4);
        situation.previous = Some(5);
        // 4.3 − 2.58 = 1.72 beats 2.85 − 1.45 = 1.4.
        assert_eq!(Mpc::plain().choose(&situation).rung, 5);
    }

    #[test]
    fn robust_divides_by_the_worst_error() {
        let fixture = Fixture::new(None);
        let situation = fixture.situation(10, Some(2));
        let mut rule = Mpc::robust();
        rule.observe(second_at(4_000_000));
        assert!((rule.forecast(&situation) - 4e6).abs() < 1.0, "no forecast, no error");
        rule.observe(second_at(2_000_000));
        // Forecast 4, came 2: an error of 1. Harmonic mean of 4 and 2: 2.667.
        assert!((rule.forecast(&situation) - 2_666_667.0 / 2.0).abs() < 1.0);
    }

    #[test]
    fn cutting_does_not_change_the_plan() {
        let fixture = Fixture::new(Some(1_700_000));
        for buffer in [0, 3, 7, 12, 20, 28] {
            for previous in 0..6 {
                let situation = fixture.situation(buffer, Some(previous));
                let choice = Mpc::plain().choose(&situation);
                let best = choice.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let all = whole(&situation, 1.7e6, 0, buffer as f64, previous);
                assert!((best - all).abs() < 1e-9, "{buffer} s, rung {previous}: {best} and {all}");
            }
        }
    }

    /// The worth of the best plan, by trying each.
    fn whole(situation: &Situation<'_>, bps: f64, step: usize, level: f64, last: usize) -> f64 {
        if step == WINDOW {
            return 0.0;
        }
        let quality = |rung: usize| situation.rungs[rung] as f64 / 1e6;
        (0..situation.rungs.len())
            .map(|rung| {
                let seconds = situation.bits(step, rung) as f64 / bps;
                let worth =
                    quality(rung) - (quality(rung) - quality(last)).abs() - 4.3 * (seconds - level).max(0.0);
                let after = ((level - seconds).max(0.0) + 4.0).min(30.0);
                worth + whole(situation, bps, step + 1, after, rung)
            })
            .fold(f64::NEG_INFINITY, f64::max)
    }
}
