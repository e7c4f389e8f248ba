//! How fast to play so that the distance from the live edge stays what it should be.
//!
//! Proportional control of the playback rate with a dead band, as in dash.js and Shaka, with three
//! differences: a queue that is about to run dry slows playback down instead of speeding it up, the target
//! grows with every stall and shrinks again slowly, and what would take minutes to catch up is jumped over.

use crate::presentation::Live;
use crate::time::Timestamp;
use std::time::Duration;

/// Rates are kept in thousandths.
const NORMAL: u32 = 1000;
/// Change of rate per second of distance from the target.
const GAIN: f64 = 0.4;
/// Rates differ by at least so much, so that the sound is not retuned all the time.
const STEP: u32 = 5;
/// Shortest time between two rates, unless the second is the normal one.
const HOLD: Duration = Duration::from_millis(500);
/// A correction begins at this distance from the target, in milliseconds, and ends at this.
const BEGIN_MS: i64 = 50;
const END_MS: i64 = 15;
/// The distance that is caught up by a jump rather than by the rate, at least.
const LEAST_JUMP_MS: i64 = 1500;
/// Time between two jumps.
const JUMP_PAUSE: Duration = Duration::from_secs(10);
/// How much a stall adds to the target: a fifth of it within these bounds, in milliseconds.
const GROWTH_MS: (i64, i64) = (100, 500);
/// The target is left alone for so long after a stall, then shrinks by so many milliseconds per second.
const RELAX_AFTER: Duration = Duration::from_secs(30);
const RELAX_MS: i64 = 20;
/// The target when nothing states one: so many of the longest segments.
const SEGMENTS: u32 = 3;

/// What to do about the latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Go on.
    Keep,
    /// Play at this rate, in thousandths.
    Rate(u32),
    /// Go to the target at once.
    Jump,
}

/// The controller of the playback rate. Times in milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Latency {
    base_ms: i64,
    /// What stalls have added.
    grown_ms: i64,
    most_ms: i64,
    rates: (u32, u32),
    rate: u32,
    changed: Timestamp,
    /// The last stall, or the last time that the target shrank.
    eased: Timestamp,
    jumped: Option<Timestamp>,
}

impl Latency {
    /// Holds what the user wants, else what `live` asks for, else three segments.
    pub(super) fn new(live: &Live, user: Option<Duration>, rates: (u32, u32)) -> Self {
        let mut latency = Self {
            base_ms: 0,
            grown_ms: 0,
            most_ms: 0,
            rates,
            rate: NORMAL,
            changed: Timestamp::ZERO,
            eased: Timestamp::ZERO,
            jumped: None,
        };
        latency.adopt(live, user, rates);
        latency
    }

    /// Follows a change of what the manifest asks for; what stalls have taught stays.
    pub(super) fn adopt(&mut self, live: &Live, user: Option<Duration>, rates: (u32, u32)) {
        let segment = if live.segment.is_zero() { Duration::from_secs(4) } else { live.segment };
        let base = user.or(live.target).unwrap_or(segment.saturating_mul(SEGMENTS));
        self.base_ms = millis(base).max(100);
        let room = live.window.map_or(i64::MAX, |window| millis(window) / 2).max(self.base_ms);
        let most = live.max.map_or(self.base_ms.saturating_mul(3), millis);
        self.most_ms = most.min(room).max(self.base_ms);
        let (slow, fast) = live.rates.unwrap_or(rates);
        self.rates = (slow.clamp(500, NORMAL).max(rates.0), fast.clamp(NORMAL, 2000).min(rates.1));
    }

    /// The distance from the live edge to hold now.
    pub(super) fn target_ms(&self) -> i64 {
        (self.base_ms + self.grown_ms).min(self.most_ms)
    }

    /// Farther behind than this is not caught up by playing faster.
    pub(super) fn jump_ms(&self) -> i64 {
        self.target_ms() + LEAST_JUMP_MS.max(self.base_ms)
    }

    /// Playback ran dry.
    pub(super) fn stalled(&mut self, now: Timestamp) {
        let growth = (self.base_ms / 5).clamp(GROWTH_MS.0, GROWTH_MS.1);
        self.grown_ms = (self.grown_ms + growth).min(self.most_ms - self.base_ms);
        self.eased = now;
        self.rate = NORMAL;
    }

    /// Normal speed again, because playback is elsewhere or stands.
    pub(super) fn reset(&mut self) {
        self.rate = NORMAL;
    }

    /// Decides for a position `latency_ms` behind the live edge with `queued` ahead of it. Without `follow`
    /// the viewer is elsewhere in the window by their own wish.
    pub(super) fn decide(
        &mut self,
        now: Timestamp,
        latency_ms: i64,
        queued: Duration,
        follow: bool,
    ) -> Verdict {
        self.relax(now);
        if !follow {
            return self.change(now, NORMAL);
        }
        let target = self.target_ms();
        if latency_ms > self.jump_ms() && self.jumped.is_none_or(|at| now.since(at) >= JUMP_PAUSE) {
            self.jumped = Some(now);
            self.rate = NORMAL;
            return Verdict::Jump;
        }
        let error = latency_ms - target;
        let queued = millis(queued);
        let safe = (target / 4).clamp(50, 2000);
        let wanted = if queued < safe / 2 && error <= BEGIN_MS.max(target / 10) {
            // About to run dry: slower, whatever that does to the latency.
            self.rates.0
        } else if error.abs() < if self.rate == NORMAL { BEGIN_MS } else { END_MS } {
            NORMAL
        } else {
            let change = (error as f64 / 1e3 * GAIN * f64::from(NORMAL)).round() as i64;
            let step = i64::from(STEP);
            let change = (change / step * step).abs().max(step) * error.signum();
            let (slow, fast) = (i64::from(self.rates.0), i64::from(self.rates.1));
            let rate = (i64::from(NORMAL) + change).clamp(slow, fast);
            u32::try_from(rate).unwrap_or(NORMAL)
        };
        // Catching up eats the queue.
        let wanted = if queued < safe { wanted.min(NORMAL) } else { wanted };
        self.change(now, wanted)
    }

    fn change(&mut self, now: Timestamp, wanted: u32) -> Verdict {
        let soon = wanted != NORMAL && now.since(self.changed) < HOLD && self.changed != Timestamp::ZERO;
        if wanted == self.rate || soon {
            return Verdict::Keep;
        }
        self.rate = wanted;
        self.changed = now;
        Verdict::Rate(wanted)
    }

    fn relax(&mut self, now: Timestamp) {
        if self.grown_ms == 0 {
            return;
        }
        let since = millis(now.since(self.eased)) - millis(RELAX_AFTER);
        let shrinks = since / 1000 * RELAX_MS;
        if shrinks > 0 {
            self.grown_ms = (self.grown_ms - shrinks).max(0);
            self.eased = self.eased + Duration::from_millis(u64::try_from(since / 1000 * 1000).unwrap_or(0));
        }
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(target_ms: u64) -> Latency {
        let live = Live { target: Some(Duration::from_millis(target_ms)), ..Live::default() };
        Latency::new(&live, None, (950, 1050))
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    const PLENTY: Duration = Duration::from_secs(5);

    #[test]
    fn the_rate_follows_the_distance_and_returns_to_normal() {
        let mut latency = latency(3000);
        assert_eq!(latency.decide(at(1000), 3040, PLENTY, true), Verdict::Keep);
        assert_eq!(latency.decide(at(2000), 3100, PLENTY, true), Verdict::Rate(1040));
        assert_eq!(latency.decide(at(2100), 3900, PLENTY, true), Verdict::Keep, "not so soon");
        assert_eq!(latency.decide(at(3000), 3900, PLENTY, true), Verdict::Rate(1050));
        assert_eq!(latency.decide(at(4000), 3020, PLENTY, true), Verdict::Rate(1010));
        assert_eq!(latency.decide(at(4100), 3010, PLENTY, true), Verdict::Rate(1000));
        assert_eq!(latency.decide(at(5000), 2500, PLENTY, true), Verdict::Rate(950));
        assert_eq!(latency.decide(at(5100), 2500, PLENTY, false), Verdict::Rate(1000));
    }

    #[test]
    fn an_empty_queue_is_not_eaten() {
        let mut latency = latency(3000);
        assert_eq!(latency.decide(at(1000), 3500, Duration::from_millis(600), true), Verdict::Keep);
        assert_eq!(latency.decide(at(2000), 3010, Duration::from_millis(300), true), Verdict::Rate(950));
    }

    #[test]
    fn stalls_move_the_target_away_and_it_comes_back_slowly() {
        let mut latency = latency(2000);
        latency.stalled(at(1000));
        assert_eq!(latency.target_ms(), 2400);
        for _ in 0..20 {
            latency.stalled(at(2000));
        }
        assert_eq!(latency.target_ms(), 6000, "three times is enough");
        latency.decide(at(31_000), 6000, PLENTY, true);
        assert_eq!(latency.target_ms(), 6000);
        for second in 32..62 {
            latency.decide(at(second * 1000 + 100), 6000, PLENTY, true);
        }
        assert!((5400..5500).contains(&latency.target_ms()), "{}", latency.target_ms());
    }

    #[test]
    fn what_is_far_is_jumped_over_but_not_again_and_again() {
        let mut latency = latency(2000);
        assert_eq!(latency.decide(at(1000), 4100, PLENTY, true), Verdict::Jump);
        assert_eq!(latency.decide(at(2000), 4100, PLENTY, true), Verdict::Rate(1050));
        assert_eq!(latency.decide(at(11_000), 4100, PLENTY, true), Verdict::Jump);
        assert_eq!(latency.decide(at(30_000), 60_000, PLENTY, false), Verdict::Keep);
    }
}
