//! The bus: events wait here until playback reaches them, each for one appearance.

use super::TimedEvent;
use crate::limits;
use abr::time::MediaTime;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An event that turns up behind the position still counts when it is not older than this: segments and
/// manifests may announce an event in its own moment.
const LATE: Duration = Duration::from_secs(2);

type Identity = (String, String, String);

/// Keeps events and hands them out in the order of their times.
#[derive(Debug, Default)]
pub struct Bus {
    /// Events that have not appeared, by time and arrival.
    waiting: BTreeMap<(MediaTime, u64), TimedEvent>,
    /// Where an event waits, by what identifies it.
    places: BTreeMap<Identity, (MediaTime, u64)>,
    /// Events that have appeared.
    told: BTreeSet<Identity>,
    arrivals: u64,
}

fn identity(event: &TimedEvent) -> Identity {
    let id = if event.id.is_empty() { format!("@{}", event.start.as_nanos()) } else { event.id.clone() };
    (event.scheme.clone(), event.value.clone(), id)
}

impl Bus {
    /// Takes in an event. One that has appeared already is a repetition and changes nothing
    /// (ISO/IEC 23009-1, 5.10.3.3.4); one that still waits is brought up to date. Beyond
    /// [`limits::TIMED_EVENTS`] the earliest are forgotten.
    pub fn add(&mut self, event: TimedEvent) {
        let identity = identity(&event);
        if self.told.contains(&identity) {
            return;
        }
        if let Some(place) = self.places.remove(&identity) {
            self.waiting.remove(&place);
        }
        let place = (event.start, self.arrivals);
        self.arrivals += 1;
        self.places.insert(identity, place);
        self.waiting.insert(place, event);
        while self.waiting.len() > limits::TIMED_EVENTS
            && let Some((_, oldest)) = self.waiting.pop_first()
        {
            self.places.remove(&self::identity(&oldest));
        }
    }

    /// The events that begin after `before` and up to `now`, those that turned up too late by little, and those
    /// that have begun and are not over. `before` is `None` at the start and after a seek.
    pub fn due(&mut self, before: Option<MediaTime>, now: MediaTime) -> Vec<TimedEvent> {
        let since = before.map_or(now, |before| before.min(now)) - LATE;
        let begun = self.waiting.range(..=(now, u64::MAX));
        let due = begun.filter(|((start, _), event)| *start >= since || event.end() > now);
        let due: Vec<(MediaTime, u64)> = due.map(|(place, _)| *place).collect();
        let mut events = Vec::with_capacity(due.len());
        for place in due {
            if let Some(event) = self.waiting.remove(&place) {
                let identity = identity(&event);
                self.places.remove(&identity);
                if self.told.len() >= limits::TIMED_EVENTS {
                    self.told.pop_first();
                }
                self.told.insert(identity);
                events.push(event);
            }
        }
        events
    }

    /// When the next event begins that is still ahead of `now`.
    pub fn next(&self, now: MediaTime) -> Option<MediaTime> {
        self.waiting.range((now, u64::MAX)..).next().map(|((start, _), _)| *start)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Message, Origin};
    use super::*;

    fn event(id: &str, start_ms: i64, duration_ms: u64) -> TimedEvent {
        TimedEvent {
            origin: Origin::Emsg,
            scheme: "urn:x".to_owned(),
            value: "1".to_owned(),
            id: id.to_owned(),
            start: MediaTime::from_millis(start_ms),
            duration: (duration_ms > 0).then(|| Duration::from_millis(duration_ms)),
            message: Message::Empty,
        }
    }

    fn ids(events: &[TimedEvent]) -> Vec<&str> {
        events.iter().map(|event| event.id.as_str()).collect()
    }

    #[test]
    fn each_event_appears_once_in_its_time() {
        let at = MediaTime::from_millis;
        let mut bus = Bus::default();
        for new in [event("b", 2000, 0), event("a", 1000, 0), event("c", 90_000, 0), event("b", 2100, 0)] {
            bus.add(new);
        }
        assert_eq!(bus.next(at(0)), Some(at(1000)));
        assert!(bus.due(None, at(999)).is_empty());
        assert_eq!(ids(&bus.due(Some(at(999)), at(2050))), ["a"]);
        assert_eq!(ids(&bus.due(Some(at(2050)), at(2100))), ["b"], "its later time counts");
        bus.add(event("a", 1000, 0));
        assert!(bus.due(Some(at(2100)), at(3000)).is_empty(), "a repetition");
    }

    #[test]
    fn a_seek_finds_what_goes_on_and_not_what_is_over() {
        let at = MediaTime::from_millis;
        let mut bus = Bus::default();
        bus.add(event("over", 10_000, 1000));
        bus.add(event("on", 10_000, 60_000));
        assert_eq!(ids(&bus.due(None, at(30_000))), ["on"]);
        assert_eq!(ids(&bus.due(None, at(10_500))), ["over"], "back to where it has its time");
    }

    #[test]
    fn without_identifiers_the_time_tells_apart() {
        let mut bus = Bus::default();
        bus.add(event("", 1000, 0));
        bus.add(event("", 1000, 0));
        bus.add(event("", 1500, 0));
        assert_eq!(bus.due(None, MediaTime::from_millis(1600)).len(), 2);
    }
}
