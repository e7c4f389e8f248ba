//! BBA-2: the map of BBA-1 over segment *sizes*, and a start-up that looks at downloads (Huang et al.,
//! SIGCOMM 2014, sections 5 and 6).
//!
//! - The map goes from the mean segment size of the lowest rung to that of the highest; true sizes of the next
//!   segment are compared with it. It is full at 90 % of the capacity.
//! - Reservoir: what the next segments of the lowest rung need beyond its nominal rate, 8 to 140 s at the
//!   paper's capacity of 240 s and in proportion at others. At most ten segments ahead are known here.
//! - Start-up: one rung up after a download that filled the queue by more than 0.875 of a segment with an empty
//!   queue, falling to 0.5 with a full cushion; it ends when the queue shrinks or the map asks for more.

use super::bba0::{cushion, sticky};
use super::history::History;
use super::{Choice, Controller, Notice, Situation, Values};
use crate::protocol::Reason;
use crate::throughput::Sample;

/// The paper's capacity and its bounds of the reservoir, in seconds.
const CAPACITY: f64 = 240.0;
const RESERVOIR: (f64, f64) = (8.0, 140.0);
/// Where the cushion ends, as a share of the capacity.
const FULL: f64 = 0.9;
/// What a download must add to the queue for a step up, in segments: with an empty queue, with a full one.
const STEP_UP: (f64, f64) = (0.875, 0.5);

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Bba2 {
    history: History,
    settled: bool,
    level: f64,
}

/// The reservoir in seconds.
fn reservoir(situation: &Situation<'_>) -> f64 {
    let lowest = situation.rungs[0].max(1) as f64;
    let need: f64 = (0..situation.upcoming.len())
        .map(|step| situation.bits(step, 0) as f64 / lowest - situation.seconds(step))
        .sum();
    let scale = situation.buffer_max.as_secs_f64() / CAPACITY;
    need.clamp(RESERVOIR.0 * scale, RESERVOIR.1 * scale)
}

impl Controller for Bba2 {
    fn name(&self) -> &'static str {
        "bba-2"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        let top = situation.rungs.len() - 1;
        let (level, length) = (situation.buffer.as_secs_f64(), situation.seconds(0));
        let reservoir = reservoir(situation);
        let place = cushion(level, reservoir, situation.buffer_max.as_secs_f64() * FULL - reservoir);
        let mean = |rung: usize| situation.rungs[rung] as f64 * length;
        let allowed = mean(0) + place * (mean(top) - mean(0));
        let by_map = match place {
            p if p <= 0.0 => 0,
            p if p >= 1.0 => top,
            _ => sticky(|rung| situation.bits(0, rung) as f64, top, allowed, situation.previous),
        };
        let received = self.history.close();
        let last = situation.previous.unwrap_or(0).min(top);
        self.settled |= level < self.level || by_map > last;
        self.level = level;
        let rung = if self.settled {
            by_map
        } else {
            let needed = (STEP_UP.0 + place * (STEP_UP.1 - STEP_UP.0)) * length;
            let first_byte = situation.network.first_byte().as_secs_f64();
            let fast = received.is_some_and(|r| length - (r.seconds + first_byte) > needed);
            if fast { (last + 1).min(top) } else { last }
        };
        Choice { rung, reason: Reason::Controller, values: Values::NONE, wait: None }
    }

    fn observe(&mut self, sample: Sample) {
        self.history.observe(sample);
    }

    fn notice(&mut self, notice: Notice) {
        if notice == Notice::Seek {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fixture;
    use super::*;
    use std::time::Duration;

    fn received(ms: u64) -> Sample {
        Sample { bytes: 100_000, busy: Duration::from_millis(ms) }
    }

    #[test]
    fn the_start_steps_up_after_quick_downloads_only() {
        let fixture = Fixture::new(None);
        let mut rule = Bba2::default();
        // Reservoir 1 s, full at 27 s; at 1 s a download must take less than 0.125 · 4 s.
        rule.observe(received(400));
        assert_eq!(rule.choose(&fixture.situation(1, Some(2))).rung, 3);
        rule.observe(received(600));
        assert_eq!(rule.choose(&fixture.situation(1, Some(3))).rung, 3);
    }

    #[test]
    fn the_map_decides_once_the_queue_has_shrunk() {
        let fixture = Fixture::new(None);
        let mut rule = Bba2::default();
        rule.choose(&fixture.situation(10, Some(5)));
        // 9 s: 300 + 4000 · 8/26 = 1531 kbit/s, below the neighbour: the lowest above it.
        assert_eq!(rule.choose(&fixture.situation(9, Some(5))).rung, 3);
        assert_eq!(rule.choose(&fixture.situation(27, Some(3))).rung, 5);
    }
}
