//! Pensieve's link and buffer.

use crate::sim::trace::CookedRow;

/// Length of a chunk in milliseconds.
pub(super) const CHUNK_MS: f64 = 4000.0;
const BUFFER_CAP_MS: f64 = 60_000.0;
/// A full buffer is drained in steps of this many milliseconds.
const DRAIN_MS: f64 = 500.0;
const PAYLOAD: f64 = 0.95;
const RTT_MS: f64 = 80.0;
/// After this many rows a session is taken to never end.
const MAX_ROWS_PASSED: u64 = 200_000_000;

pub(super) struct Environment<'a> {
    rows: &'a [CookedRow],
    pointer: usize,
    clock: f64,
    buffer_ms: f64,
    passed: u64,
}

pub(super) struct Fetched {
    pub(super) delay_ms: f64,
    pub(super) rebuffer_s: f64,
    pub(super) buffer_s: f64,
}

impl<'a> Environment<'a> {
    /// `rows` has at least two; the first gives only the start.
    pub(super) fn new(rows: &'a [CookedRow]) -> Self {
        Self { rows, pointer: 1, clock: rows[0].time_s, buffer_ms: 0.0, passed: 0 }
    }

    fn next_row(&mut self) {
        self.clock = self.rows[self.pointer].time_s;
        self.pointer += 1;
        self.passed += 1;
        if self.pointer >= self.rows.len() {
            // As if the trace began at zero, whatever its first row says.
            self.pointer = 1;
            self.clock = 0.0;
        }
    }

    /// Fetches a chunk of `size` bytes; none when that has no end.
    pub(super) fn fetch(&mut self, size: f64) -> Option<Fetched> {
        let (mut delay, mut sent) = (0.0, 0.0);
        loop {
            let row = self.rows[self.pointer];
            let rate = row.mbps * 1_000_000.0 / 8.0;
            let left = row.time_s - self.clock;
            let payload = rate * left * PAYLOAD;
            if sent + payload > size {
                let time = (size - sent) / rate / PAYLOAD;
                delay += time;
                self.clock += time;
                break;
            }
            sent += payload;
            delay += left;
            self.next_row();
            if self.passed > MAX_ROWS_PASSED {
                return None;
            }
        }
        let delay_ms = delay * 1000.0 + RTT_MS;
        let rebuffer_ms = f64::max(delay_ms - self.buffer_ms, 0.0);
        self.buffer_ms = f64::max(self.buffer_ms - delay_ms, 0.0) + CHUNK_MS;
        self.drain();
        Some(Fetched { delay_ms, rebuffer_s: rebuffer_ms / 1000.0, buffer_s: self.buffer_ms / 1000.0 })
    }

    /// Waits in whole steps until the buffer is below its cap.
    fn drain(&mut self) {
        if self.buffer_ms <= BUFFER_CAP_MS {
            return;
        }
        let mut wait = ((self.buffer_ms - BUFFER_CAP_MS) / DRAIN_MS).ceil() * DRAIN_MS;
        self.buffer_ms -= wait;
        loop {
            let left = self.rows[self.pointer].time_s - self.clock;
            if left > wait / 1000.0 {
                self.clock += wait / 1000.0;
                break;
            }
            wait -= left * 1000.0;
            self.next_row();
        }
    }
}
