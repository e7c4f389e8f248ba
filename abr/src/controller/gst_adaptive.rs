//! The rule of GStreamer's adaptivedemux2 (LGPL; read, not copied): 80 % of the smaller of the last download and the
//! mean of the last three. The queue is not looked at.

use super::history::{History, or_known};
use super::{Choice, Controller, Situation, Values};
use crate::protocol::Reason;
use crate::throughput::Sample;

/// Share of the estimate that is used.
const SHARE: f64 = 0.8;
/// Downloads that are averaged.
const WINDOW: usize = 3;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct GstAdaptive {
    history: History,
}

impl Controller for GstAdaptive {
    fn name(&self) -> &'static str {
        "gst-adaptive"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        self.history.close();
        let estimate = self.history.mean(WINDOW).zip(self.history.last()).map(|(mean, last)| mean.min(last));
        let bps = or_known(estimate, situation, 0.0) * SHARE;
        let rung = situation.rung_below(bps as u64);
        Choice { rung, reason: Reason::Controller, values: Values::NONE, wait: None }
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
    fn the_smaller_of_last_and_mean_counts() {
        let fixture = Fixture::new(None);
        let mut rule = GstAdaptive::default();
        let mut after = |bps| {
            rule.observe(second_at(bps));
            rule.choose(&fixture.situation(20, Some(2))).rung
        };
        assert_eq!(after(4_000_000), 4, "3.2 Mbit/s");
        assert_eq!(after(1_000_000), 1, "the last: 0.8 Mbit/s");
        assert_eq!(after(4_000_000), 3, "the mean: 2.4 of 3 Mbit/s");
    }
}
