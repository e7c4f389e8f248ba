//! The demo's line: bytes pass one after another, as fast as a trace says.

use serde::Deserialize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The trace that is part of the program.
const TRACE: &str = include_str!("../../demo/trace.json");

/// A span of time with a constant line.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Span {
    duration_ms: f64,
    bandwidth_kbps: f64,
    latency_ms: f64,
}

/// A shared line. Whoever sends next waits for those before, so parallel requests share it piece by piece.
#[derive(Debug)]
pub(super) struct Link {
    trace: Vec<Span>,
    /// Locked briefly by the tasks of all connections; never across a wait.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the first request came: the beginning of the trace.
    began: Option<Instant>,
    /// When the line has carried everything that was given to it, in milliseconds of the trace.
    free_ms: f64,
}

impl Link {
    /// A line with the trace inside the program.
    ///
    /// # Errors
    ///
    /// Words, when the trace cannot be read or never carries anything.
    pub(super) fn built_in() -> Result<Self, String> {
        Self::new(serde_json::from_str(TRACE).map_err(|error| format!("trace.json: {error}"))?)
    }

    fn new(trace: Vec<Span>) -> Result<Self, String> {
        let good = |span: &Span| {
            span.duration_ms >= 1.0
                && span.duration_ms < 1e9
                && span.bandwidth_kbps >= 1.0
                && span.latency_ms >= 0.0
        };
        if trace.is_empty() || !trace.iter().all(good) {
            return Err("trace.json: every span needs a length and a bandwidth".to_owned());
        }
        Ok(Self { trace, state: Mutex::default() })
    }

    /// Waits as long as a request takes to reach the origin and its answer to begin to come back.
    pub(super) async fn latency(&self) {
        let latency = self.with_state(|_, now_ms| self.span_at(now_ms).0.latency_ms);
        tokio::time::sleep(Duration::from_secs_f64(latency / 1000.0)).await;
    }

    /// Waits until `bytes` more have been carried.
    pub(super) async fn carry(&self, bytes: usize) {
        let until = self.with_state(|state, now_ms| {
            state.free_ms = self.carried_at(state.free_ms.max(now_ms), bytes);
            Duration::from_secs_f64((state.free_ms - now_ms) / 1000.0)
        });
        sleep_until(Instant::now() + until).await;
    }

    /// When `bytes` that start at `from_ms` have been carried.
    fn carried_at(&self, from_ms: f64, bytes: usize) -> f64 {
        let mut bits = bytes as f64 * 8.0;
        let mut at_ms = from_ms;
        loop {
            let (span, left_ms) = self.span_at(at_ms);
            // Kilobits per second are bits per millisecond.
            let needed_ms = bits / span.bandwidth_kbps;
            if needed_ms <= left_ms {
                return at_ms + needed_ms;
            }
            bits -= left_ms * span.bandwidth_kbps;
            at_ms += left_ms;
        }
    }

    /// The span at a time and how much of it is left; the trace repeats.
    fn span_at(&self, at_ms: f64) -> (Span, f64) {
        let whole: f64 = self.trace.iter().map(|span| span.duration_ms).sum();
        let mut inside = at_ms % whole;
        for span in &self.trace {
            if inside < span.duration_ms {
                // Rounding may leave a remainder too small to move the clock.
                return (*span, (span.duration_ms - inside).max(1e-3));
            }
            inside -= span.duration_ms;
        }
        (self.trace[0], self.trace[0].duration_ms)
    }

    fn with_state<T>(&self, act: impl FnOnce(&mut State, f64) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = state.began.get_or_insert_with(Instant::now).elapsed().as_secs_f64() * 1000.0;
        act(&mut state, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(spans: &[(f64, f64)]) -> Link {
        let span = |&(duration_ms, bandwidth_kbps)| Span { duration_ms, bandwidth_kbps, latency_ms: 0.0 };
        Link::new(spans.iter().map(span).collect()).unwrap()
    }

    #[test]
    fn bytes_take_their_time_across_spans_and_repetitions() {
        let link = link(&[(1000.0, 800.0), (1000.0, 80.0)]);
        let at = |from, bytes| link.carried_at(from, bytes).round();
        assert_eq!(at(0.0, 10_000), 100.0);
        assert_eq!(at(900.0, 10_000), 1000.0);
        assert_eq!(at(900.0, 11_000), 1100.0);
        assert_eq!(at(0.0, 110_000), 2000.0);
        assert_eq!(at(0.0, 120_000), 2100.0);
        assert_eq!(at(1_000_000.0, 10_000), 1_000_100.0);
    }

    #[test]
    fn the_built_in_trace_is_sound_and_others_are_refused() {
        let built_in = Link::built_in().unwrap();
        assert!(built_in.trace.iter().map(|span| span.duration_ms).sum::<f64>() >= 60_000.0);
        assert!(Link::new(Vec::new()).is_err());
        let dead = Span { duration_ms: 1000.0, bandwidth_kbps: 0.0, latency_ms: 0.0 };
        assert!(Link::new(vec![dead]).is_err());
    }
}
