//! The presentation clock: which point of the timeline is on the screen now.
//!
//! It runs on the monotonic clock and can be disciplined by a sound device. It never passes its horizon,
//! the end of what is queued: after a stall it goes on where the queue ended, so that no frame is late.

use abr::time::MediaTime;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An error of the position larger than this is jumped over; a smaller one is slewed away.
const JUMP: Duration = Duration::from_millis(150);
/// Most that the clock is slewed to follow a sound device, as a part of its rate.
const SLEW_MAX: f64 = 0.02;
/// How long the clock takes to close a small gap to the sound device.
const SLEW_SPAN: Duration = Duration::from_secs(1);

/// Runs, holds and seeks; shared by engine, presenter and window.
#[derive(Debug)]
pub struct PresentationClock {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Whether time moves the position; otherwise only [`PresentationClock::follow`] does.
    pacing: bool,
    /// The position at `anchor`.
    media: MediaTime,
    anchor: Instant,
    running: bool,
    rate: f64,
    /// Correction from the sound device, around 1.
    slew: f64,
    horizon: MediaTime,
    /// Held at `media` until the sound device moves.
    awaiting_sound: bool,
}

impl State {
    fn position(&self, now: Instant) -> MediaTime {
        if !self.pacing || !self.running || self.awaiting_sound {
            return self.media;
        }
        let elapsed = now.saturating_duration_since(self.anchor);
        let span = Duration::try_from_secs_f64(elapsed.as_secs_f64() * self.speed()).unwrap_or(Duration::MAX);
        // A horizon behind the position (its samples were flushed) holds the clock, it does not turn it back.
        (self.media + span).min(self.horizon.max(self.media))
    }

    fn speed(&self) -> f64 {
        self.rate * self.slew
    }

    /// Makes the position at `now` the new anchor.
    fn settle(&mut self, now: Instant) {
        self.media = self.position(now);
        self.anchor = now;
    }
}

impl PresentationClock {
    /// A held clock at the start of the presentation with nothing queued. Without `pacing` time does not
    /// move it; the frames shown do.
    pub(super) fn new(pacing: bool) -> Self {
        Self {
            state: Mutex::new(State {
                pacing,
                media: MediaTime::ZERO,
                anchor: Instant::now(),
                running: false,
                rate: 1.0,
                slew: 1.0,
                horizon: MediaTime::MIN,
                awaiting_sound: false,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The position now.
    pub fn position(&self) -> MediaTime {
        self.position_at(Instant::now())
    }

    /// The position at `now`.
    pub fn position_at(&self, now: Instant) -> MediaTime {
        self.lock().position(now)
    }

    /// Whether the clock is meant to run (it still stands at its horizon).
    pub fn is_running(&self) -> bool {
        self.lock().running
    }

    /// How long until the clock reaches `target`: zero when it has, `None` when it will not before its
    /// course changes.
    pub fn until(&self, target: MediaTime) -> Option<Duration> {
        let now = Instant::now();
        let state = self.lock();
        let position = state.position(now);
        if position >= target {
            return Some(Duration::ZERO);
        }
        if !state.pacing || !state.running || state.awaiting_sound || target > state.horizon {
            return None;
        }
        Duration::try_from_secs_f64(target.since(position).as_secs_f64() / state.speed()).ok()
    }

    /// Runs the clock at `rate` (more than zero; anything else is read as 1.0) or holds it.
    pub(super) fn set(&self, run: bool, rate: f64) {
        let now = Instant::now();
        let mut state = self.lock();
        state.settle(now);
        state.running = run;
        state.rate = if rate.is_finite() && rate > 0.0 { rate } else { 1.0 };
        state.slew = 1.0;
    }

    /// Continues at `to`; nothing is queued there yet.
    pub(super) fn seek(&self, to: MediaTime) {
        let mut state = self.lock();
        state.media = to;
        state.anchor = Instant::now();
        state.horizon = MediaTime::MIN;
        state.slew = 1.0;
    }

    /// Moves the end of what can be presented. Whether it moved.
    pub(super) fn set_horizon(&self, horizon: MediaTime) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        let moves = state.horizon != horizon;
        if moves {
            state.settle(now);
            state.horizon = horizon;
        }
        moves
    }

    /// Moves the position on to `to` without pacing; never back.
    pub(super) fn follow(&self, to: MediaTime) {
        let now = Instant::now();
        let mut state = self.lock();
        state.media = state.media.max(to);
        state.anchor = now;
    }

    /// Holds the clock where it is until [`discipline`](Self::discipline) or
    /// [`release`](Self::release) is called.
    pub(super) fn await_sound(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        state.settle(now);
        state.awaiting_sound = true;
    }

    /// Ends the wait for a sound device and any correction by it.
    pub(super) fn release(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        state.settle(now);
        state.awaiting_sound = false;
        state.slew = 1.0;
    }

    /// Tells that `sound` is heard at `now`. Small errors are slewed away, large ones jumped over, but
    /// only forward: the clock waits for a sound that is behind. Returns sound minus clock in seconds.
    pub(super) fn discipline(&self, sound: MediaTime, now: Instant) -> f64 {
        let mut state = self.lock();
        state.settle(now);
        if state.awaiting_sound {
            state.awaiting_sound = false;
            state.anchor = now;
        }
        let error = (sound.as_nanos() as f64 - state.media.as_nanos() as f64) / 1e9;
        if error > JUMP.as_secs_f64() {
            state.media = sound.min(state.horizon.max(state.media));
            state.slew = 1.0;
        } else if error < -JUMP.as_secs_f64() {
            state.slew = 0.5;
        } else {
            state.slew = 1.0 + (error / SLEW_SPAN.as_secs_f64()).clamp(-SLEW_MAX, SLEW_MAX);
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: i64) -> MediaTime {
        MediaTime::from_millis(millis)
    }

    #[test]
    fn stands_until_it_runs() {
        let clock = PresentationClock::new(true);
        clock.seek(ms(500));
        clock.set_horizon(ms(2_000));
        assert_eq!(clock.position_at(Instant::now() + Duration::from_secs(1)), ms(500));
        assert_eq!(clock.until(ms(600)), None);
        clock.set(true, 2.0);
        let later = clock.position_at(Instant::now() + Duration::from_millis(100));
        assert!((ms(700)..ms(720)).contains(&later), "{later:?}");
        let wait = clock.until(ms(600)).unwrap();
        assert!(wait <= Duration::from_millis(50), "{wait:?}");
    }

    #[test]
    fn goes_on_from_the_horizon() {
        let clock = PresentationClock::new(true);
        clock.set_horizon(ms(0));
        clock.set(true, 1.0);
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(clock.position(), ms(0));
        assert_eq!(clock.until(ms(10)), None, "nothing is queued there");
        clock.set_horizon(ms(1_000));
        assert!(clock.position() < ms(10), "the stall is not made up for");
    }

    #[test]
    fn a_horizon_that_shrinks_holds() {
        let clock = PresentationClock::new(true);
        clock.seek(ms(400));
        clock.set(true, 1.0);
        clock.set_horizon(ms(100));
        assert_eq!(clock.position(), ms(400));
    }

    #[test]
    fn follows_the_sound() {
        let clock = PresentationClock::new(true);
        clock.set_horizon(ms(100_000));
        clock.await_sound();
        clock.set(true, 1.0);
        let now = Instant::now();
        assert_eq!(clock.position_at(now + Duration::from_secs(1)), ms(0));
        clock.discipline(ms(20), now);
        let second = clock.position_at(now + Duration::from_secs(1));
        assert!((ms(1_015)..=ms(1_021)).contains(&second), "{second:?}");
        clock.discipline(ms(5_000), now + Duration::from_secs(1));
        assert_eq!(clock.position_at(now + Duration::from_secs(1)), ms(5_000));
        clock.discipline(ms(4_000), now + Duration::from_secs(1));
        assert_eq!(clock.position_at(now + Duration::from_secs(2)), ms(5_500), "waits, never goes back");
    }
}
