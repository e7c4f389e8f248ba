//! The default of dash.js 5.1 (BSD licence; read, not copied): DYNAMIC with BOLA-E from 18 s on and the throughput
//! rule again below 9 s, then the lowest that further rules allow.
//!
//! - Insufficient buffer: from the third segment on, the segment must arrive within 0.7 of the queue.
//! - Switch history: of the last eight requests, counted from the lowest rung up, when falls exceed 7.5 % of
//!   the others, stay below the rung that was fallen from.
//!
//! Its abandon rule is not used: giving up downloads is the session's part.

use super::dynamic::Rules;
use super::{Choice, Controller, Notice, Situation};
use crate::protocol::Reason;
use crate::throughput::Sample;
use std::collections::VecDeque;
use std::time::Duration;

/// Levels from which on, and until which, the queue decides.
const ENTER: Duration = Duration::from_secs(18);
const LEAVE: Duration = Duration::from_secs(9);
/// Share of the queue in which a segment must arrive, and segments that are free of it.
const SAFE: f64 = 0.7;
const FREE: u32 = 2;
/// Requests that are remembered, and how many falls there may be for each other one.
const REQUESTS: usize = 8;
const FALLS: f64 = 0.075;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct DashJs {
    rules: Rules,
    /// The rung before each of the last requests, and whether it was left for a lower one.
    requests: VecDeque<(usize, bool)>,
}

impl DashJs {
    fn remember(&mut self, from: usize, to: usize) {
        if self.requests.len() == REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back((from, to < from));
    }

    /// The highest rung that the history of switches allows.
    fn calm(&self, top: usize) -> usize {
        let (mut falls, mut others) = (0.0, 0.0);
        for rung in 0..=top {
            let here = |fell: bool| self.requests.iter().filter(|r| **r == (rung, fell)).count();
            falls += here(true) as f64;
            others += here(false) as f64;
            if falls + others >= REQUESTS as f64 && falls > FALLS * others {
                return if here(true) > 0 { rung.saturating_sub(1) } else { rung };
            }
        }
        top
    }
}

impl Controller for DashJs {
    fn name(&self) -> &'static str {
        "dashjs"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        let decide =
            |before: bool, _: &Choice, _: &Choice| situation.buffer >= if before { LEAVE } else { ENTER };
        let mut choice = self.rules.choose(situation, decide);
        if situation.since_start >= FREE {
            let first_byte = situation.network.first_byte();
            let usable = situation.buffer.saturating_sub(first_byte).as_secs_f64() * SAFE;
            let bps = situation.network.bps().unwrap_or(0) as f64;
            let safe = situation.rung_below((usable * bps / situation.seconds(0)) as u64);
            if safe < choice.rung {
                choice = Choice { rung: safe, reason: Reason::Safety, wait: None, ..choice };
            }
        }
        choice.rung = choice.rung.min(self.calm(situation.rungs.len() - 1));
        if choice.wait.is_none()
            && let Some(last) = situation.previous
        {
            self.remember(last, choice.rung);
        }
        choice
    }

    fn observe(&mut self, sample: Sample) {
        self.rules.observe(sample);
    }

    fn notice(&mut self, notice: Notice) {
        self.rules.notice(notice);
        if notice == Notice::Seek {
            self.requests.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fixture;
    use super::*;

    #[test]
    fn the_queue_decides_between_its_two_levels() {
        let fixture = Fixture::new(Some(2_500_000));
        let mut rule = DashJs::default();
        for (buffer, by_buffer) in [(12, false), (18, true), (12, true), (8, false), (12, false)] {
            rule.choose(&fixture.situation(buffer, Some(2)));
            assert_eq!(rule.rules.by_buffer, by_buffer, "{buffer} s");
        }
    }

    #[test]
    fn a_segment_must_arrive_from_seven_tenths_of_the_queue() {
        // 2 s · 0.7 · 2.5 Mbit/s / 4 s = 875 kbit/s.
        let fixture = Fixture::new(Some(2_500_000));
        let choice = DashJs::default().choose(&fixture.situation(2, Some(3)));
        assert_eq!((choice.rung, choice.reason), (1, Reason::Safety));
    }

    #[test]
    fn a_fall_keeps_the_rung_away_for_eight_requests() {
        let mut rule = DashJs::default();
        for _ in 0..7 {
            rule.remember(3, 3);
        }
        assert_eq!(rule.calm(5), 5);
        rule.remember(3, 2);
        assert_eq!(rule.calm(5), 2);
        for _ in 0..8 {
            rule.remember(2, 2);
        }
        assert_eq!(rule.calm(5), 5);
    }
}
