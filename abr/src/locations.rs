//! Which of the interchangeable hosts to ask: a circuit breaker per location.

use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a location is left alone after it failed; doubles with each failed probe.
const EXCLUSION: Duration = Duration::from_secs(60);
/// Longest exclusion.
const LONGEST_EXCLUSION: Duration = Duration::from_secs(300);
/// Failures in a row that exclude a location which can be reached but misbehaves.
const FAILURES: u32 = 2;

/// The health of every location, counted over all requests of a session.
#[derive(Clone, Debug, Default)]
pub struct Locations {
    breakers: BTreeMap<u32, Breaker>,
    /// Locations in the order of preference; those that are not listed come after them.
    order: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Breaker {
    failures: u32,
    /// Exclusions since the last success.
    exclusions: u32,
    until: Timestamp,
    /// A first request after an exclusion is running.
    probing: bool,
}

impl Breaker {
    fn is_open(&self, now: Timestamp) -> bool {
        now < self.until || self.probing
    }
}

impl Locations {
    /// Prefers locations in this order from now on.
    pub fn prefer(&mut self, order: Vec<u32>) {
        self.order = order;
    }

    /// The first `count` locations in the order of preference.
    fn ordered(&self, count: u32) -> impl Iterator<Item = u32> + Clone + '_ {
        let listed = self.order.iter().copied().filter(move |l| *l < count);
        listed.chain((0..count).filter(|l| !self.order.contains(l)))
    }

    /// The location to ask among `count`, without those in `tried` unless nothing else is left: the first
    /// in the order of preference (that of the manifest, unless told otherwise) that is not excluded, else the one whose exclusion ends first. After an
    /// exclusion a location gets one request as a probe.
    pub fn choose(&mut self, now: Timestamp, count: u32, tried: &[u32]) -> u32 {
        let count = count.clamp(1, 64);
        let open = |l: &u32| self.breakers.get(l).is_some_and(|breaker| breaker.is_open(now));
        let closed = self.ordered(count).find(|l| !tried.contains(l) && !open(l));
        let any = closed.or_else(|| self.ordered(count).find(|l| !open(l)));
        let location = any.unwrap_or_else(|| {
            self.ordered(count).min_by_key(|l| self.breakers.get(l).map(|breaker| breaker.until)).unwrap_or(0)
        });
        if let Some(breaker) = self.breakers.get_mut(&location) {
            breaker.probing = breaker.exclusions > 0;
        }
        location
    }

    /// Whether some location is neither in `tried` nor excluded.
    pub fn has_other(&self, now: Timestamp, count: u32, tried: &[u32]) -> bool {
        let open = |l: &u32| self.breakers.get(l).is_some_and(|breaker| breaker.is_open(now));
        (0..count.clamp(1, 64)).any(|l| !tried.contains(&l) && !open(&l))
    }

    /// A request to `location` succeeded.
    pub fn succeeded(&mut self, location: u32) {
        self.breakers.remove(&location);
    }

    /// A request to `location` failed; `hard` when the host could not be reached or did not answer.
    pub fn failed(&mut self, now: Timestamp, location: u32, hard: bool) {
        let breaker = self.breakers.entry(location).or_default();
        breaker.failures += 1;
        breaker.probing = false;
        if hard || breaker.exclusions > 0 || breaker.failures >= FAILURES {
            let span = EXCLUSION.saturating_mul(1 << breaker.exclusions.min(3)).min(LONGEST_EXCLUSION);
            breaker.until = now + span;
            breaker.exclusions = breaker.exclusions.saturating_add(1);
            breaker.failures = 0;
        }
    }

    /// A request to `location` ended without saying anything about it.
    pub fn cancelled(&mut self, location: u32) {
        if let Some(breaker) = self.breakers.get_mut(&location) {
            breaker.probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_host_is_left_alone_then_probed_once() {
        let mut locations = Locations::default();
        let start = Timestamp::from_millis(1000);
        assert_eq!(locations.choose(start, 2, &[]), 0);
        locations.failed(start, 0, true);
        assert_eq!(locations.choose(start, 2, &[]), 1);
        let later = start + Duration::from_secs(61);
        assert_eq!(locations.choose(later, 2, &[]), 0, "a probe");
        assert_eq!(locations.choose(later, 2, &[]), 1, "only one at a time");
        locations.failed(later, 0, false);
        assert_eq!(locations.choose(later + Duration::from_secs(100), 2, &[]), 1, "twice as long");
        assert_eq!(locations.choose(later + Duration::from_secs(121), 2, &[]), 0);
        locations.succeeded(0);
        assert_eq!(locations.choose(later + Duration::from_secs(121), 2, &[]), 0);
    }

    #[test]
    fn the_order_can_be_told() {
        let mut locations = Locations::default();
        let now = Timestamp::from_millis(1000);
        locations.prefer(vec![2, 0, 2, 9]);
        assert_eq!(locations.choose(now, 3, &[]), 2);
        assert_eq!(locations.choose(now, 3, &[2]), 0);
        assert_eq!(locations.choose(now, 3, &[2, 0]), 1);
        assert_eq!(locations.choose(now, 2, &[]), 0);
        locations.failed(now, 2, true);
        assert_eq!(locations.choose(now, 3, &[]), 0, "a dead host is left alone, whatever was told");
    }

    #[test]
    fn with_one_location_there_is_always_an_answer() {
        let mut locations = Locations::default();
        locations.failed(Timestamp::ZERO, 0, true);
        assert_eq!(locations.choose(Timestamp::ZERO, 1, &[0]), 0);
        assert!(!locations.has_other(Timestamp::ZERO, 1, &[0]));
    }
}
