//! DYNAMIC: the throughput rule with little in the queue, BOLA-E with much (Spiteri et al., MMSys 2018).
//!
//! BOLA-E takes over above 10 s when it chooses at least what the throughput rule does, and hands back below
//! 10 s when it chooses less.

use super::{Bola, Choice, Controller, Notice, Situation, ThroughputRule};
use crate::throughput::Sample;
use std::time::Duration;

/// Level at which the rules change places.
const THRESHOLD: Duration = Duration::from_secs(10);

/// The two rules, of which one decides at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    throughput: ThroughputRule,
    bola: Bola,
    pub(super) by_buffer: bool,
}

impl Rules {
    /// Asks both rules; `decide` is told who decided last and both answers (throughput, queue), and says whether the
    /// queue decides now.
    pub(super) fn choose(
        &mut self,
        situation: &Situation<'_>,
        decide: impl FnOnce(bool, &Choice, &Choice) -> bool,
    ) -> Choice {
        let by_rate = self.throughput.choose(situation);
        let by_buffer = self.bola.choose(situation);
        self.by_buffer = decide(self.by_buffer, &by_rate, &by_buffer);
        if self.by_buffer { by_buffer } else { by_rate }
    }

    /// See [`Controller::observe`].
    pub(super) fn observe(&mut self, sample: Sample) {
        self.throughput.observe(sample);
    }

    /// See [`Controller::notice`].
    pub(super) fn notice(&mut self, notice: Notice) {
        self.bola.notice(notice);
        if notice == Notice::Seek {
            self.by_buffer = false;
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Dynamic {
    rules: Rules,
}

impl Controller for Dynamic {
    fn name(&self) -> &'static str {
        "dynamic"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        self.rules.choose(situation, |before, by_rate, by_buffer| {
            let enters = situation.buffer > THRESHOLD && by_buffer.rung >= by_rate.rung;
            let leaves = situation.buffer < THRESHOLD && by_buffer.rung < by_rate.rung;
            enters || (before && !leaves)
        })
    }

    fn observe(&mut self, sample: Sample) {
        self.rules.observe(sample);
    }

    fn notice(&mut self, notice: Notice) {
        self.rules.notice(notice);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fixture;
    use super::*;

    #[test]
    fn the_rules_change_places_at_ten_seconds() {
        let fixture = Fixture::new(Some(2_200_000));
        let mut rule = Dynamic::default();
        assert_eq!(rule.choose(&fixture.situation(5, Some(0))).rung, 3, "1.98 Mbit/s are usable");
        assert!(!rule.rules.by_buffer);
        let full = rule.choose(&fixture.situation(20, Some(3)));
        assert!(rule.rules.by_buffer && full.rung >= 3, "{full:?}");
        rule.choose(&fixture.situation(1, Some(3)));
        assert!(!rule.rules.by_buffer, "BOLA-E goes below what the link carries");
    }
}
