//! Sabre's link: periods of bandwidth and latency, replayed cyclically.

use super::playback::Playback;
use crate::sim::trace::Trace;

/// After this many periods a session is taken to never end.
const MAX_PERIODS_PASSED: u64 = 200_000_000;
/// Least bits and milliseconds between two questions whether to abandon.
const ROUND_BITS: f64 = 12_000.0;
const ROUND_MS: f64 = 50.0;

#[derive(Clone, Copy)]
struct Period {
    duration: f64,
    bandwidth: f64,
    latency: f64,
    /// The quality that the bandwidth, less the latency's share, sustains.
    sustains: usize,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) quality: usize,
    pub(super) size: f64,
    pub(super) received: f64,
    /// Milliseconds since the request, latency included.
    pub(super) time: f64,
    pub(super) ttfb: f64,
    /// Why the request ended early, if it did.
    pub(super) abandoned: Option<Abandon>,
}

/// The answer that ends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Abandon {
    /// The controller would rather have this quality.
    Restart(usize),
    /// The segment to replace is being played.
    TooLate,
}

/// Asked between rounds with the progress and the buffer level in milliseconds.
pub(super) type Rule<'a> = &'a mut dyn FnMut(&Progress, f64) -> Option<Abandon>;

pub(super) struct Network {
    periods: Vec<Period>,
    place: usize,
    /// Time left in the current period.
    left: f64,
    clock: f64,
    passed: u64,
}

impl Network {
    pub(super) fn new(trace: &Trace, multiplier: f64, bitrates: &[f64], segment_ms: f64) -> Self {
        let periods: Vec<Period> = trace
            .periods
            .iter()
            .map(|p| {
                let bandwidth = p.bandwidth_kbps * multiplier;
                let effective = bandwidth * (1.0 - p.latency_ms / segment_ms);
                let sustains = bitrates[1..].iter().take_while(|&&b| b <= effective).count();
                Period { duration: p.duration_ms, bandwidth, latency: p.latency_ms, sustains }
            })
            .collect();
        let left = periods[0].duration;
        Self { periods, place: 0, left, clock: 0.0, passed: 0 }
    }

    fn period(&self) -> Period {
        self.periods[self.place]
    }

    pub(super) fn sustains(&self) -> usize {
        self.period().sustains
    }

    /// Whether the session passed more of the trace than any that ends.
    pub(super) fn endless(&self) -> bool {
        self.passed > MAX_PERIODS_PASSED
    }

    fn enter_next(&mut self, playback: &mut Playback) {
        let before = self.sustains();
        self.place += 1;
        if self.place == self.periods.len() {
            self.place = 0;
        }
        self.passed += 1;
        self.left = self.period().duration;
        let now = self.sustains();
        if now != before {
            playback.network_changed(self.clock, now, before);
        }
    }

    /// Lets `time` pass without a request.
    pub(super) fn pause(&mut self, mut time: f64, playback: &mut Playback) {
        while time > self.left && !self.endless() {
            time -= self.left;
            self.clock += self.left;
            self.enter_next(playback);
        }
        self.left -= time;
        self.clock += time;
    }

    /// Milliseconds from request to first bit. A change of latency on the way counts for its share.
    fn latency(&mut self, playback: &mut Playback) -> f64 {
        let (mut units, mut total) = (1.0, 0.0);
        while units > 0.0 && !self.endless() {
            let latency = self.period().latency;
            let time = units * latency;
            if time <= self.left {
                total += time;
                self.clock += time;
                self.left -= time;
                break;
            }
            total += self.left;
            self.clock += self.left;
            units -= self.left / latency;
            self.enter_next(playback);
        }
        total
    }

    fn transfer(&mut self, mut size: f64, playback: &mut Playback) -> f64 {
        let mut total = 0.0;
        while size > 0.0 && !self.endless() {
            let bandwidth = self.period().bandwidth;
            if size <= self.left * bandwidth {
                let time = size / bandwidth;
                total += time;
                self.clock += time;
                self.left -= time;
                break;
            }
            total += self.left;
            self.clock += self.left;
            size -= self.left * bandwidth;
            self.enter_next(playback);
        }
        total
    }

    /// One request; `level` is the buffer's when it starts.
    pub(super) fn request(
        &mut self,
        size: f64,
        quality: usize,
        level: f64,
        rule: Option<Rule<'_>>,
        playback: &mut Playback,
    ) -> Progress {
        let ttfb = self.latency(playback);
        let Some(rule) = rule else {
            let time = ttfb + self.transfer(size, playback);
            return Progress { quality, size, received: size, time, ttfb, abandoned: None };
        };
        let mut progress = Progress { quality, size, received: 0.0, time: 0.0 + ttfb, ttfb, abandoned: None };
        let (mut least_bits, mut least_ms) = (ROUND_BITS, ROUND_MS - ttfb);
        while progress.received < size && !self.endless() {
            let (bits, time) = self.round(size - progress.received, least_bits, least_ms, playback);
            progress.time += time;
            progress.received += bits;
            if progress.received < size {
                progress.abandoned = rule(&progress, f64::max(0.0, level - progress.time));
                if progress.abandoned.is_some() {
                    break;
                }
            }
            (least_bits, least_ms) = (ROUND_BITS, ROUND_MS);
        }
        progress
    }

    /// Transfers until both minima are met or all is in; returns bits and milliseconds.
    fn round(&mut self, mut size: f64, mut bits: f64, mut ms: f64, playback: &mut Playback) -> (f64, f64) {
        let (mut total_bits, mut total_ms) = (0.0, 0.0);
        while size > 0.0 && (bits > 0.0 || ms > 0.0) && !self.endless() {
            let bandwidth = self.period().bandwidth;
            let (moved, time);
            if bandwidth > 0.0 {
                let wanted = f64::max(bits, ms * bandwidth);
                let available = self.left * bandwidth;
                if size <= wanted && size <= available {
                    (moved, time) = (size, size / bandwidth);
                    self.spend(time);
                } else if wanted <= available {
                    (moved, time) = (wanted, wanted / bandwidth);
                    (bits, ms) = (0.0, 0.0);
                    self.spend(time);
                } else {
                    (moved, time) = (available, self.left);
                    self.spend_period(playback);
                }
            } else {
                moved = 0.0;
                if bits > 0.0 || ms > self.left {
                    time = self.left;
                    self.spend_period(playback);
                } else {
                    time = ms;
                    self.spend(time);
                }
            }
            total_bits += moved;
            total_ms += time;
            size -= moved;
            bits -= moved;
            ms -= time;
        }
        (total_bits, total_ms)
    }

    fn spend(&mut self, time: f64) {
        self.left -= time;
        self.clock += time;
    }

    fn spend_period(&mut self, playback: &mut Playback) {
        self.clock += self.left;
        self.enter_next(playback);
    }
}
