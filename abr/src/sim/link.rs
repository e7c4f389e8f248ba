//! The bottleneck: a rate and a latency over time, shared by all transfers under way.
//!
//! Work is counted in bit-nanoseconds (rate in bit/s × nanoseconds), so that nothing is rounded away.

use crate::protocol::FetchId;
use crate::time::{Timestamp, nanos};
use std::time::Duration;

const BIT: u128 = 1_000_000_000;

/// A network over time, replayed cyclically.
#[derive(Clone, Debug)]
pub struct Link {
    /// End of each period within the cycle in nanoseconds, rate in bit/s, latency.
    periods: Vec<(u64, u64, Duration)>,
    cycle: u64,
}

impl Link {
    /// A link of periods (length, bit/s, time from a request to the first byte of its answer). Without any
    /// period that carries something, nothing ever arrives.
    pub fn new(periods: Vec<(Duration, u64, Duration)>) -> Self {
        let mut end = 0u64;
        let mut kept = Vec::with_capacity(periods.len());
        for (length, bps, latency) in periods.into_iter().filter(|(length, ..)| !length.is_zero()) {
            end = end.saturating_add(nanos(length));
            kept.push((end, bps, latency));
        }
        Self { periods: kept, cycle: end.max(1) }
    }

    /// A link that never changes.
    pub fn constant(bps: u64, latency: Duration) -> Self {
        Self::new(vec![(Duration::from_secs(3600), bps, latency)])
    }

    /// Rate in bit/s, latency and end of the period at `now`.
    fn at(&self, now: Timestamp) -> (u64, Duration, Timestamp) {
        let phase = now.as_nanos() % self.cycle;
        let place = self.periods.partition_point(|(end, ..)| *end <= phase);
        match self.periods.get(place) {
            Some((end, bps, latency)) => (*bps, *latency, now + Duration::from_nanos(end - phase)),
            None => (0, Duration::ZERO, Timestamp::MAX),
        }
    }

    /// Time from a request at `now` to the first byte of its answer.
    pub fn latency(&self, now: Timestamp) -> Duration {
        self.at(now).1
    }
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    id: FetchId,
    /// When its body may begin to arrive.
    ready: Timestamp,
    /// Bit-nanoseconds in all and left.
    size: u128,
    left: u128,
    /// Never complete.
    stands: bool,
}

/// The transfers under way on a link; each gets the same share of the rate.
#[derive(Clone, Debug)]
pub struct Transfers {
    link: Link,
    now: Timestamp,
    flows: Vec<Flow>,
}

impl Transfers {
    /// No transfers yet.
    pub fn new(link: Link) -> Self {
        Self { link, now: Timestamp::ZERO, flows: Vec::new() }
    }

    /// Starts a transfer now; its body begins after the link's latency and `delay`.
    pub fn start(&mut self, id: FetchId, bytes: u64, delay: Duration) {
        let ready = self.now + self.link.latency(self.now) + delay;
        let size = u128::from(bytes) * 8 * BIT;
        self.flows.push(Flow { id, ready, size, left: size, stands: false });
    }

    /// Makes a transfer stand still when all its bytes have arrived, instead of being complete.
    pub fn never_complete(&mut self, id: FetchId) {
        for flow in self.flows.iter_mut().filter(|flow| flow.id == id) {
            flow.stands = true;
        }
    }

    /// Ends a transfer.
    pub fn stop(&mut self, id: FetchId) {
        self.flows.retain(|flow| flow.id != id);
    }

    /// Bytes of a transfer that have arrived, and when its body could begin.
    pub fn received(&self, id: FetchId) -> Option<(u64, Timestamp)> {
        let flow = self.flows.iter().find(|flow| flow.id == id)?;
        let bytes = (flow.size - flow.left) / (8 * BIT);
        Some((u64::try_from(bytes).unwrap_or(u64::MAX), flow.ready))
    }

    /// Transfers whose body has arrived in full.
    pub fn complete(&self) -> impl Iterator<Item = FetchId> + '_ {
        let done = |flow: &&Flow| flow.left == 0 && flow.ready <= self.now && !flow.stands;
        self.flows.iter().filter(done).map(|flow| flow.id)
    }

    /// When the next transfer is complete if nothing else happens, or an earlier time at which the link
    /// changes; `None` without transfers.
    pub fn next(&self) -> Option<Timestamp> {
        if self.flows.is_empty() {
            return None;
        }
        let (bps, _, change) = self.link.at(self.now);
        let starts = self.flows.iter().map(|flow| flow.ready).filter(|ready| *ready > self.now);
        let stands = |flow: &&Flow| flow.stands && flow.left == 0;
        let active = || self.flows.iter().filter(|flow| flow.ready <= self.now && !stands(flow));
        let share = u128::from(bps) / (active().count().max(1) as u128);
        let least = active().map(|flow| flow.left).min();
        let done = least.filter(|left| *left == 0 || share > 0).map(|left| {
            let span = if left == 0 { 0 } else { left.div_ceil(share) };
            self.now + Duration::from_nanos(u64::try_from(span).unwrap_or(u64::MAX))
        });
        starts.chain(done).chain([change]).min()
    }

    /// Lets time pass until `to`.
    pub fn advance(&mut self, to: Timestamp) {
        while self.now < to {
            let (bps, _, change) = self.link.at(self.now);
            let starts = self.flows.iter().map(|flow| flow.ready).filter(|ready| *ready > self.now);
            let dones = self.next().into_iter();
            let until = starts.chain(dones).chain([change, to]).min().unwrap_or(to).max(self.now);
            let until = if until == self.now { (self.now + Duration::from_nanos(1)).min(to) } else { until };
            let span = u128::from(until.as_nanos() - self.now.as_nanos());
            let now = self.now;
            let active = self.flows.iter().filter(|flow| flow.ready <= now && flow.left > 0).count().max(1);
            let work = u128::from(bps) / active as u128 * span;
            for flow in self.flows.iter_mut().filter(|flow| flow.ready <= now) {
                flow.left = flow.left.saturating_sub(work);
            }
            self.now = until;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(transfers: &mut Transfers) -> Vec<(u64, u64)> {
        let mut done = Vec::new();
        while let Some(next) = transfers.next() {
            transfers.advance(next);
            let ids: Vec<FetchId> = transfers.complete().collect();
            for id in ids {
                transfers.stop(id);
                done.push((id.0, transfers.now.as_millis()));
            }
        }
        done
    }

    #[test]
    fn transfers_share_the_rate() {
        let mut transfers = Transfers::new(Link::constant(8_000_000, Duration::from_millis(100)));
        transfers.start(FetchId(1), 1_000_000, Duration::ZERO);
        transfers.start(FetchId(2), 500_000, Duration::ZERO);
        // Both at 4 Mbit/s for 1 s, then the first alone for 0.5 s.
        assert_eq!(run(&mut transfers), [(2, 1100), (1, 1600)]);
    }

    #[test]
    fn the_rate_changes_with_the_trace() {
        let second = Duration::from_secs(1);
        let link = Link::new(vec![(second, 8_000_000, Duration::ZERO), (second, 0, Duration::ZERO)]);
        let mut transfers = Transfers::new(link);
        transfers.start(FetchId(1), 1_500_000, Duration::ZERO);
        assert_eq!(run(&mut transfers), [(1, 2500)]);
    }
}
