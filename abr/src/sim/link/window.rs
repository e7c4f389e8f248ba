//! The congestion window of the connection to the server, in the `product` model.
//!
//! | what | how | source |
//! |---|---|---|
//! | first request | after a round trip for TCP and one for TLS | RFC 9293, 3.5; RFC 8446, 2 |
//! | initial window | 10 segments of 1460 bytes | RFC 6928, 2 |
//! | slow start | doubles with each round trip in which it limits the rate | RFC 5681, 3.1 |
//! | its end | at twice what the full link has under way: the queue holds one such product, as the rule of thumb says | Villamizar and Song, CCR 1994 |
//! | after idle time | halves with each retransmission timeout, not below the initial window | RFC 2861, 3.1; RFC 5681, 4.1 |
//! | retransmission timeout | 1 s, its lower bound | RFC 6298, 2.4 |
//! | requests | one does not wait for another; bodies share the window | RFC 9113, 5 |
//!
//! Not modelled: loss, and with it CUBIC (RFC 9438) and BBR; acknowledgements that are delayed; the growth of the
//! round trip by the queue.

use crate::time::{Timestamp, nanos};
use std::time::Duration;

const INITIAL_BYTES: u64 = 10 * 1460;
const TIMEOUT: Duration = Duration::from_secs(1);
/// Round trips before the first request.
const HANDSHAKE: u32 = 2;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Window {
    bytes: u64,
    round_end: Timestamp,
    /// When a body last came in.
    active: Timestamp,
    connected: bool,
}

impl Default for Window {
    fn default() -> Self {
        let zero = Timestamp::ZERO;
        Self { bytes: INITIAL_BYTES, round_end: zero, active: zero, connected: false }
    }
}

impl Window {
    /// A request is made; returns how long it has to wait for the connection. `busy` says that others run.
    pub(super) fn request(&mut self, now: Timestamp, round_trip: Duration, busy: bool) -> Duration {
        if !self.connected {
            self.connected = true;
            self.active = now;
            return round_trip * HANDSHAKE;
        }
        if !busy {
            let timeouts = nanos(now.since(self.active)) / nanos(TIMEOUT);
            let halved = self.bytes.checked_shr(u32::try_from(timeouts).unwrap_or(u32::MAX)).unwrap_or(0);
            self.bytes = halved.max(INITIAL_BYTES.min(self.bytes));
            self.active = now;
        }
        Duration::ZERO
    }

    /// The most bit/s that the window allows.
    pub(super) fn bps(&self, round_trip: Duration) -> u64 {
        let bits = u128::from(self.bytes) * 8 * 1_000_000_000;
        bits.checked_div(round_trip.as_nanos()).map_or(u64::MAX, |bps| u64::try_from(bps).unwrap_or(u64::MAX))
    }

    /// When the rate that the window allows changes next, while it is below the link's.
    pub(super) fn change(&self, now: Timestamp, round_trip: Duration) -> Timestamp {
        if self.round_end > now { self.round_end } else { now + round_trip }
    }

    /// Bodies came in until `now`, by the window's rate where `limited`; `link_bps` is the link's.
    pub(super) fn passed(
        &mut self,
        from: Timestamp,
        now: Timestamp,
        round_trip: Duration,
        link_bps: u64,
        limited: bool,
    ) {
        self.active = now;
        if !limited {
            return;
        }
        let round_end = self.change(from, round_trip);
        if now < round_end {
            self.round_end = round_end;
            return;
        }
        let path = u128::from(link_bps) * round_trip.as_nanos() / 8_000_000_000;
        let most = u64::try_from(2 * path).unwrap_or(u64::MAX).max(INITIAL_BYTES);
        self.bytes = self.bytes.saturating_mul(2).min(most).max(self.bytes);
        self.round_end = now + round_trip;
    }
}
