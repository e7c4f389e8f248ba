//! The bottleneck: a rate and a latency over time, shared by all transfers under way.
//!
//! Two models: every transfer at once at the link's rate, or, with [`Link::with_slow_start`] (`product` on command
//! lines), through the congestion window of a connection (`window`).
//!
//! Work is counted in bit-nanoseconds (rate in bit/s × nanoseconds), so that nothing is rounded away.

mod window;

use crate::protocol::FetchId;
use crate::time::{Timestamp, nanos};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use window::Window;

const BIT: u128 = 1_000_000_000;

/// A network over time, replayed cyclically. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Link {
    /// End of each period within the cycle in nanoseconds, rate in bit/s, latency.
    periods: Arc<[(u64, u64, Duration)]>,
    cycle: u64,
    slow_start: bool,
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
        Self { periods: kept.into(), cycle: end.max(1), slow_start: false }
    }

    /// A link that never changes.
    pub fn constant(bps: u64, latency: Duration) -> Self {
        Self::new(vec![(Duration::from_secs(3600), bps, latency)])
    }

    /// The same link seen through the congestion window of one connection, with a handshake, slow start and
    /// restarts after idle time; the latency is the round trip.
    #[must_use]
    pub fn with_slow_start(self) -> Self {
        Self { slow_start: true, ..self }
    }

    /// The period at `now`.
    fn at(&self, now: Timestamp) -> Stretch {
        let phase = now.as_nanos() % self.cycle;
        let place = self.periods.partition_point(|(end, ..)| *end <= phase);
        match self.periods.get(place) {
            Some((end, bps, latency)) => Stretch {
                place,
                until: now + Duration::from_nanos(end - phase),
                bps: *bps,
                latency: *latency,
            },
            None => Stretch { place: 0, until: Timestamp::MAX, bps: 0, latency: Duration::ZERO },
        }
    }

    /// The period after one.
    fn after(&self, stretch: Stretch) -> Stretch {
        let (place, start) = match stretch.place + 1 {
            next if next < self.periods.len() => (next, self.periods[stretch.place].0),
            _ => (0, 0),
        };
        match self.periods.get(place) {
            Some((end, bps, latency)) => Stretch {
                place,
                until: stretch.until + Duration::from_nanos(end - start),
                bps: *bps,
                latency: *latency,
            },
            None => stretch,
        }
    }
}

/// A span during which a link does not change.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Which period of the link.
    place: usize,
    /// When it ends.
    until: Timestamp,
    /// Bit/s.
    bps: u64,
    /// Time from a request to the first byte of its answer.
    latency: Duration,
}

#[derive(Clone, Debug)]
struct Flow {
    id: FetchId,
    /// When its body may begin to arrive.
    ready: Timestamp,
    /// Bit-nanoseconds in all and left.
    size: u128,
    left: u128,
    /// Never complete.
    stands: bool,
    /// Work that the server has only from these times on, beside what is left.
    later: VecDeque<(Timestamp, u128)>,
    /// How long it had nothing to send, and since when that is so.
    waited: Duration,
    dry: Option<Timestamp>,
}

impl Flow {
    /// Takes what the server has by now, and notes whether it has something.
    fn refill(&mut self, now: Timestamp) {
        while let Some((_, work)) = self.later.front().filter(|(at, _)| *at <= now) {
            self.left += work;
            self.later.pop_front();
        }
        let dry = self.left == 0 && !self.later.is_empty() && self.ready <= now;
        match (self.dry, dry) {
            (None, true) => self.dry = Some(now),
            (Some(since), false) => {
                self.waited += now.since(since);
                self.dry = None;
            }
            _ => {}
        }
    }
}

/// The transfers under way on a link; each gets the same share of the rate.
#[derive(Clone, Debug)]
pub struct Transfers {
    link: Link,
    now: Timestamp,
    here: Stretch,
    flows: Vec<Flow>,
    window: Option<Window>,
}

impl Transfers {
    /// No transfers yet.
    pub fn new(link: Link) -> Self {
        let here = link.at(Timestamp::ZERO);
        let window = link.slow_start.then(Window::default);
        Self { link, now: Timestamp::ZERO, here, flows: Vec::new(), window }
    }

    /// Starts a transfer now; its body begins after the link's latency and `delay`.
    pub fn start(&mut self, id: FetchId, bytes: u64, delay: Duration) {
        let (now, round_trip, busy) = (self.now, self.here.latency, !self.flows.is_empty());
        let handshake = self.window.as_mut().map(|window| window.request(now, round_trip, busy));
        let ready = now + handshake.unwrap_or_default() + round_trip + delay;
        let size = u128::from(bytes) * 8 * BIT;
        self.flows.push(Flow {
            id,
            ready,
            size,
            left: size,
            stands: false,
            later: VecDeque::new(),
            waited: Duration::ZERO,
            dry: None,
        });
    }

    /// Makes the body of a transfer that was just started one of equal chunks, each there so long after now.
    pub fn produce(&mut self, id: FetchId, chunks: &[Duration]) {
        let now = self.now;
        for flow in self.flows.iter_mut().filter(|flow| flow.id == id) {
            let count = chunks.len().max(1) as u128;
            for (after, place) in chunks.iter().zip(0u128..).filter(|(after, _)| !after.is_zero()) {
                let work = flow.size * (place + 1) / count - flow.size * place / count;
                flow.left -= work;
                flow.later.push_back((now + *after, work));
            }
        }
    }

    /// How long the server had nothing to send between first and last byte.
    pub fn waited(&self, id: FetchId) -> Duration {
        let flow = self.flows.iter().find(|flow| flow.id == id);
        flow.map_or(Duration::ZERO, |flow| {
            let begun = flow.left + flow.later.iter().map(|(_, work)| work).sum::<u128>() < flow.size;
            let dry = flow.dry.filter(|_| begun).map_or(Duration::ZERO, |since| self.now.since(since));
            flow.waited + dry
        })
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
        let work = flow.size - flow.left - flow.later.iter().map(|(_, work)| work).sum::<u128>();
        let bytes = match u64::try_from(work) {
            Ok(work) => work / (8 * BIT as u64),
            Err(_) => u64::try_from(work / (8 * BIT)).unwrap_or(u64::MAX),
        };
        Some((bytes, flow.ready))
    }

    /// Whether the body of a transfer has arrived in full.
    pub fn is_complete(&self, id: FetchId) -> bool {
        let done =
            |flow: &Flow| flow.left == 0 && flow.later.is_empty() && flow.ready <= self.now && !flow.stands;
        self.flows.iter().any(|flow| flow.id == id && done(flow))
    }

    /// When the next transfer is complete if nothing else happens, or an earlier time at which the link
    /// changes; `None` without transfers.
    pub fn next(&self) -> Option<Timestamp> {
        if self.flows.is_empty() {
            return None;
        }
        let starts = self.flows.iter().map(|flow| flow.ready).filter(|ready| *ready > self.now);
        let stands = |flow: &&Flow| (flow.stands || !flow.later.is_empty()) && flow.left == 0;
        let refills = self.flows.iter().filter_map(|flow| Some(flow.later.front()?.0.max(self.now)));
        let active = || self.flows.iter().filter(|flow| flow.ready <= self.now && !stands(flow));
        let share = self.bps() / active().count().max(1) as u64;
        let least = active().map(|flow| flow.left).min();
        let done = least.filter(|left| *left == 0 || share > 0).map(|left| self.now + time_for(left, share));
        starts.chain(done).chain(refills).chain([self.here.until]).chain(self.window_change()).min()
    }

    /// The rate of all transfers together in bit/s.
    fn bps(&self) -> u64 {
        let window = self.window.as_ref().map_or(u64::MAX, |window| window.bps(self.here.latency));
        self.here.bps.min(window)
    }

    /// When the window lets more through, if it limits the rate.
    fn window_change(&self) -> Option<Timestamp> {
        let window = self.window.as_ref()?;
        let limits = window.bps(self.here.latency) < self.here.bps;
        limits.then(|| window.change(self.now, self.here.latency))
    }

    /// The end of the only transfer if no other begins, and the least rate in bit/s until then; `None` when
    /// there are others, or it never ends.
    pub fn end_of_only(&self) -> Option<(Timestamp, u64)> {
        let [flow] = self.flows.as_slice() else { return None };
        if self.window.is_some() || !flow.later.is_empty() {
            return None;
        }
        let (mut now, mut left, mut here, mut least) =
            (self.now.max(flow.ready), flow.left, self.here, u64::MAX);
        // A link without any rate would be gone round for ever.
        let mut changes = 2 * self.link.periods.len() + 2;
        while left > 0 {
            while here.until <= now {
                here = self.link.after(here);
            }
            least = least.min(here.bps);
            let work = u128::from(here.bps) * u128::from(here.until.as_nanos() - now.as_nanos());
            if work >= left {
                now = now + time_for(left, here.bps);
                break;
            }
            if here.until == Timestamp::MAX {
                return None;
            }
            left -= work;
            now = here.until;
            changes -= usize::from(here.bps == 0);
            if changes == 0 || flow.stands {
                return None;
            }
        }
        (!flow.stands).then_some((now, least))
    }

    /// How long the body of the youngest transfer has to wait for its beginning.
    pub fn ready_in(&self) -> Option<Duration> {
        self.flows.last().map(|flow| flow.ready.since(self.now))
    }

    /// Lets time pass until `to`.
    pub fn advance(&mut self, to: Timestamp) {
        if let ([flow], None) = (self.flows.as_mut_slice(), &self.window)
            && flow.later.is_empty()
            && flow.dry.is_none()
        {
            // Nobody to share with: no end of a transfer changes the rate of another.
            let mut now = self.now.max(flow.ready);
            while now < to {
                while self.here.until <= now {
                    self.here = self.link.after(self.here);
                }
                let until = self.here.until.min(to);
                let work = u128::from(self.here.bps) * u128::from(until.as_nanos() - now.as_nanos());
                flow.left = flow.left.saturating_sub(work);
                now = until;
            }
            self.now = self.now.max(to);
        }
        while self.now < to && !self.flows.is_empty() {
            let now = self.now;
            self.flows.iter_mut().for_each(|flow| flow.refill(now));
            let refills = self.flows.iter().filter_map(|flow| Some(flow.later.front()?.0));
            let starts = self.flows.iter().map(|flow| flow.ready).filter(|ready| *ready > now);
            let active = || self.flows.iter().filter(|flow| flow.ready <= now && flow.left > 0);
            let (count, window_change) = (active().count(), self.window_change());
            let share = self.bps() / count.max(1) as u64;
            let least = active().map(|flow| flow.left).min().filter(|_| share > 0);
            let done = least.map(|left| now + time_for(left, share));
            let ends = [self.here.until, to].into_iter().chain(window_change);
            let until = starts.chain(done).chain(refills).chain(ends).min().unwrap_or(to);
            let work = u128::from(share) * u128::from(until.as_nanos() - now.as_nanos());
            for flow in self.flows.iter_mut().filter(|flow| flow.ready <= now) {
                flow.left = flow.left.saturating_sub(work);
            }
            if let Some(window) = self.window.as_mut().filter(|_| count > 0) {
                let Stretch { latency, bps, .. } = self.here;
                window.passed(now, until, latency, bps, window_change.is_some());
            }
            self.reach(until);
        }
        self.reach(self.now.max(to));
        let now = self.now;
        self.flows.iter_mut().for_each(|flow| flow.refill(now));
    }

    /// Moves on to a time.
    fn reach(&mut self, to: Timestamp) {
        self.now = to;
        while self.here.until <= to && self.here.until < Timestamp::MAX {
            self.here = self.link.after(self.here);
        }
    }
}

/// How long so many bit-nanoseconds take at a rate in bit/s, rounded up to a nanosecond.
fn time_for(work: u128, bps: u64) -> Duration {
    if work == 0 {
        return Duration::ZERO;
    }
    let span = match u64::try_from(work) {
        Ok(work) => work.div_ceil(bps.max(1)),
        Err(_) => u64::try_from(work.div_ceil(u128::from(bps.max(1)))).unwrap_or(u64::MAX),
    };
    Duration::from_nanos(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(transfers: &mut Transfers) -> Vec<(u64, u64)> {
        let mut done = Vec::new();
        while let Some(next) = transfers.next() {
            transfers.advance(next);
            let ids: Vec<FetchId> = transfers.flows.iter().map(|flow| flow.id).collect();
            for id in ids.into_iter().filter(|id| transfers.is_complete(*id)).collect::<Vec<_>>() {
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
    fn a_connection_starts_slowly_and_again_after_idle_time() {
        let link = Link::constant(80_000_000, Duration::from_millis(100)).with_slow_start();
        let mut transfers = Transfers::new(link);
        // Handshakes until 300 ms; then 14.6, 29.2, 58.4 kB in a round trip each, and 7.8 kB of the next 116.8.
        transfers.start(FetchId(1), 110_000, Duration::ZERO);
        assert_eq!(run(&mut transfers), [(1, 606)]);
        // At once: the rest of the round at the same rate, and on with twice that.
        transfers.start(FetchId(2), 116_800, Duration::ZERO);
        let (_, soon) = run(&mut transfers)[0];
        assert!((706..=806).contains(&soon), "{soon}");
        let later = Timestamp::from_millis(60_000);
        transfers.advance(later);
        transfers.start(FetchId(3), 14_600, Duration::ZERO);
        assert_eq!(run(&mut transfers), [(3, 60_200)], "from the initial window again");
    }

    #[test]
    fn a_window_as_large_as_the_path_changes_nothing() {
        let link = Link::constant(400_000, Duration::from_millis(100));
        let mut plain = Transfers::new(link.clone());
        plain.start(FetchId(1), 500_000, Duration::from_millis(200));
        let mut windowed = Transfers::new(link.with_slow_start());
        windowed.start(FetchId(1), 500_000, Duration::ZERO);
        assert_eq!(run(&mut plain), run(&mut windowed));
    }

    #[test]
    fn a_body_comes_as_it_is_produced() {
        let mut transfers = Transfers::new(Link::constant(8_000_000, Duration::from_millis(100)));
        transfers.start(FetchId(1), 400_000, Duration::ZERO);
        transfers.produce(FetchId(1), &[0, 200, 400, 600].map(Duration::from_millis));
        transfers.advance(Timestamp::from_millis(450));
        // Chunks of 100 ms each: from 100, 200 and 400 ms on.
        assert_eq!(transfers.received(FetchId(1)).unwrap().0, 250_000);
        assert_eq!(transfers.waited(FetchId(1)), Duration::from_millis(100));
        assert_eq!(run(&mut transfers), [(1, 700)]);
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
