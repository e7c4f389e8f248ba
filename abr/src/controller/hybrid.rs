//! The default rule: value iteration over the queue with a *chain of throughput classes*.
//!
//! - `forecast`: a level of the throughput that follows the samples (quickly after two surprises on the same side or
//!   a jump), its spread between jumps, a long-term mean, and how often the link jumped or broke down in this session.
//!   From these follow seven classes (an outage, a fall, four quantiles around the level, a leap) and the chances that
//!   one follows another: the level wanders and reverts, jumps to anywhere it has been, breaks down and stays so.
//! - `plan`: for each of the next segments, level of the queue, rung before and class, the best continuation is
//!   computed backwards: `V_k(B, q′, c) = max_q [u_q − λ|u_q − u_q′| + Σ_c′ P(c′|c)·(−μ·stall + V_{k+1}(B⁺, q, c′))]`,
//!   with true segment sizes where the index states them. It is Fugu's plan (Yan et al., NSDI 2020) with a Markov
//!   chain in the place of independent draws: what is bad stays bad for a while, which is what a queue is for.
//! - The worth `u` of a rung is `ln(R/R₀)` in parts of that of the highest rung; a second of stalling costs as much as
//!   the highest rung is worth in a segment (QoE_log). On Pensieve's ladder QoE_lin is served as well by it as by a worth
//!   of its own, while QoE_log suffers from the bitrate as worth; on a 4K ladder with a short queue QoE_lin suffers.
//! - Near a live edge the queue ends at the latency target, and a stall costs the latency that it adds until that is
//!   won back.
//! - Safety: slow rise after a start, and with an empty queue only what is likely to arrive in time.
//!
//! Nothing is trained at run time. The numbers in [`Tuning`] were found with `abr-sim tune`: of each set of traces (3G,
//! 4G, broadband, a television site's viewers) a half was drawn by a seed for training, of that up to 20 traces; the
//! title was Pensieve's, for 4G and fast broadband 100 segments of a 4K film; capacities 20 s and 60 s; QoE_lin and
//! QoE_log; the objective four fifths of the mean and one fifth of the 10th percentile of the percentages of the offline
//! optimum. A seeded search changed one to three numbers at a time; the other halves were only scored.

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

    #[test]
    fn near_the_live_edge_a_stall_costs_more() {
        let fixture = Fixture::new(Some(2_600_000));
        let mut situation = fixture.situation(3, Some(3));
        let anywhere = Hybrid::default().choose(&situation);
        let (latency, target) = (Duration::from_secs(4), Duration::from_secs(4));
        situation.live = Some(crate::controller::Live { latency, target, rate_permille: 1000 });
        let live = Hybrid::default().choose(&situation);
        assert!(live.rung <= anywhere.rung, "{live:?} {anywhere:?}");
        assert!(live.values[5] - live.values[0] < anywhere.values[5] - anywhere.values[0]);
    }

    #[test]
    fn nothing_is_allocated_once_the_tables_are_there() {
        let fixture = Fixture::new(Some(2_600_000));
        let mut hybrid = Hybrid::default();
        hybrid.choose(&fixture.situation(8, Some(3)));
        let tables = hybrid.plan.tables();
        hybrid.choose(&fixture.situation(20, Some(1)));
        assert_eq!(tables, hybrid.plan.tables());
    }
}
