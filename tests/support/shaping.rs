//! A link of limited rate that all connections of an origin share.
//!
//! Every piece of a body asks the link when its last bit has gone out. The link keeps one departure time
//! and adds up exactly, so rounding by timers does not accumulate: over any second the rate is right.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How fast the link is, from when on.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// `(from, bits per second)`, ascending, the first from zero; the last one stays.
    steps: Vec<(Duration, u64)>,
    /// Before the first byte of every answer.
    latency: Duration,
}

impl Link {
    /// Always `bps` bits per second.
    pub fn constant(bps: u64) -> Self {
        Self::steps(&[(0.0, bps)])
    }

    /// `(seconds from the first request, bits per second)`, ascending from zero.
    pub fn steps(steps: &[(f64, u64)]) -> Self {
        let steps = steps.iter().map(|(at, bps)| (Duration::from_secs_f64(*at), (*bps).max(1))).collect();
        Self { steps, latency: Duration::ZERO }
    }

    /// Reads lines of `seconds megabits-per-second`, the form of the Pensieve traces.
    ///
    /// # Panics
    ///
    /// When the file is not of this form: a test cannot go on without its network.
    pub fn trace(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<f64>().ok());
        let steps: Vec<(f64, u64)> = text
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
            .map(|line| {
                let mut words = line.split_whitespace();
                let pair = (number(words.next()), number(words.next()));
                let (Some(at), Some(mbps)) = pair else { panic!("{}: `{line}`", file.display()) };
                (at, (mbps * 1e6) as u64)
            })
            .collect();
        let origin = steps.first().map_or(0.0, |(at, _)| *at);
        Self::steps(&steps.iter().map(|(at, bps)| (at - origin, *bps)).collect::<Vec<_>>())
    }

    /// With this much time before the first byte of every answer.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// When `bytes` that start to leave at `start` have left, both since the first request.
    fn departure(&self, start: Duration, bytes: usize) -> Duration {
        let mut left = bytes as f64 * 8.0;
        let mut at = start;
        loop {
            let place = self.steps.partition_point(|(from, _)| *from <= at).max(1) - 1;
            let (_, bps) = self.steps[place];
            let next = self.steps.get(place + 1).map(|(from, _)| *from);
            let needed = Duration::from_secs_f64(left / bps as f64);
            match next {
                Some(next) if at + needed > next => {
                    left -= (next - at).as_secs_f64() * bps as f64;
                    at = next;
                }
                _ => return at + needed,
            }
        }
    }
}

/// A running [`Link`].
#[derive(Debug)]
pub(crate) struct Shaper {
    link: Link,
    /// The first request, and when everything that was sent since has left.
    clock: Mutex<Option<(Instant, Duration)>>,
}

impl Shaper {
    pub(crate) fn new(link: Link) -> Self {
        Self { link, clock: Mutex::new(None) }
    }

    /// Waits until `bytes` more have left.
    pub(crate) async fn send(&self, bytes: usize) {
        tokio::time::sleep_until(self.reserve(bytes).into()).await;
    }

    /// Waits for the latency of one answer.
    pub(crate) async fn answer(&self) {
        let _started = self.reserve(0);
        tokio::time::sleep(self.link.latency).await;
    }

    fn reserve(&self, bytes: usize) -> Instant {
        let now = Instant::now();
        let mut clock = self.clock.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (origin, free) = clock.get_or_insert((now, Duration::ZERO));
        *free = self.link.departure((*free).max(now - *origin), bytes);
        *origin + *free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_leave_at_the_rate_of_their_step() {
        let link = Link::steps(&[(0.0, 8_000), (1.0, 80_000)]);
        let at = |seconds| Duration::from_secs_f64(seconds);
        assert_eq!(link.departure(at(0.0), 500), at(0.5));
        assert_eq!(link.departure(at(0.5), 1_000), at(1.05));
        assert_eq!(link.departure(at(7.0), 10_000), at(8.0));
    }
}
