//! What is noticed when nothing happens: downloads that would come too late, queues worth replacing, and
//! playback that stands.

use super::Session;
use super::choice::bandwidth;
use super::requests::Owner;
use crate::controller::Notice;
use crate::error::{Code, Error, Severity};
use crate::presentation::{ContentType, RepresentationKey};
use crate::protocol::{Event, Output};
use crate::time::nanos;
use crate::track::{Lookup, lookup};
use std::time::Duration;

/// A download is left alone for so long, and then looked at so often.
const FIRST_LOOK: Duration = Duration::from_millis(500);
const NEXT_LOOK: Duration = Duration::from_millis(100);
/// Price of a step of quality, and of giving up at all, beside the price of stalling.
const QUALITY_PRICE: f64 = 2.0;
const RESTART_PRICE: f64 = 0.1;
/// Playback that stands for so long although it should run is helped on; after twice as long it ends.
const STUCK: Duration = Duration::from_secs(5);
/// Close enough to the end to count as there.
const END_TOLERANCE: Duration = Duration::from_millis(500);

impl Session {
    /// Gives up a video download when another representation would spare more stalling than it costs
    /// quality; once per segment.
    pub(super) fn give_up_hopeless(&mut self) {
        let Some(place) = self.place_of(ContentType::Video) else { return };
        let Some(fetching) = self.tracks[place].fetching else { return };
        if self.tracks[place].abandoned == Some(fetching.segment.start) {
            return;
        }
        let Some((id, request)) = self.segment_request(ContentType::Video) else { return };
        let request = *request;
        let first_look = request.started + FIRST_LOOK;
        if self.now < first_look {
            return self.wake(first_look);
        }
        self.wake(self.now + NEXT_LOOK);
        if request.transfer.bytes == 0 {
            return;
        }
        let Some(to) = self.better_restart(place, &request) else { return };
        let wasted_bytes = self.cancel(Owner::Segment(ContentType::Video));
        let track = &mut self.tracks[place];
        track.fetching = None;
        track.cursor = fetching.before;
        track.abandoned = Some(fetching.segment.start);
        track.forced = Some(to);
        let keys = self.eligible(&self.tracks[place], fetching.key.period).keys;
        let rung = keys.iter().position(|key| *key == to).unwrap_or(0);
        self.controller.notice(Notice::Abandoned { rung });
        self.report(Event::Abandoned { id, from: fetching.key, to, wasted_bytes });
    }

    /// The representation to restart the running download at, if that is better than finishing it.
    fn better_restart(&self, place: usize, request: &super::requests::Request) -> Option<RepresentationKey> {
        let presentation = self.presentation.as_ref()?;
        let track = &self.tracks[place];
        let fetching = track.fetching?;
        // The rate of the last seconds; when nothing comes in, it falls with every look.
        let (since, bytes) = request.earlier;
        let body = request.started + request.transfer.first_byte;
        let elapsed = nanos(self.now.since(since.max(body))).max(1_000_000) / 1_000_000;
        let received = request.transfer.bytes.saturating_sub(bytes).saturating_mul(8);
        let kbps = (received / elapsed).max(1);
        let size =
            request.expected.unwrap_or_else(|| self.expected_bytes(track, fetching.key, &fetching.segment));
        let left = size.saturating_sub(request.transfer.bytes);
        let ahead = u64::try_from(self.ahead(track).as_millis()).unwrap_or(u64::MAX);
        let first_byte = self.network.first_byte().as_millis() as u64;
        let late = |bytes: u64, wait: u64| {
            let ms = (bytes.saturating_mul(8) / kbps).saturating_add(wait);
            ms.saturating_sub(ahead) as f64 / 1e3
        };
        let finish = late(left, 0);
        if finish <= 0.0 {
            return None;
        }
        let keys = self.eligible(track, fetching.key.period).keys;
        let lowest = keys.first().map_or(1, |key| bandwidth(presentation, *key)) as f64;
        let quality = |key: RepresentationKey| (bandwidth(presentation, key) as f64 / lowest).ln();
        let mu = keys.last().map_or(1.0, |key| quality(*key)).max(1.0);
        let own = bandwidth(presentation, fetching.key);
        let value = |key: &RepresentationKey| {
            let Lookup::Segment(segment) = lookup(presentation, *key, &fetching.before) else { return None };
            let restart = late(self.expected_bytes(track, *key, &segment), first_byte);
            let loss = quality(fetching.key) - quality(*key);
            let value = mu * (finish - restart) - QUALITY_PRICE * loss - RESTART_PRICE;
            Some(((value * 1e3).round() as i64, *key))
        };
        let lower = keys.iter().filter(|key| bandwidth(presentation, **key) < own);
        lower.filter_map(value).max().filter(|(value, _)| *value > 0).map(|(_, key)| key)
    }

    /// Helps on playback that stands although it should run, and ends it when that does not help.
    pub(super) fn watch_progress(&mut self) {
        let clock = &self.clock;
        if !clock.run || clock.is_seeking() || clock.has_ended() || !clock.has_started() {
            return;
        }
        let patience = if clock.nudged { 2 * STUCK } else { STUCK };
        let until = clock.moved + patience;
        if self.now < until {
            return self.wake(until);
        }
        let position = self.clock.told();
        let ends = self.tracks.iter().filter(|track| !track.dropped);
        let all_ended = ends.clone().all(|track| track.ended);
        let last = ends.filter_map(|track| track.buffer.end()).max();
        if all_ended && last.is_some_and(|last| position + END_TOLERANCE >= last) {
            return self.end_playback();
        }
        if self.clock.nudged {
            let message =
                format!("playback stands at {:.1} s and could not be revived", position.as_secs_f64());
            return self.fail(Error::new(Severity::Fatal, Code::Stuck, message));
        }
        self.clock.nudged = true;
        let message = "playback made no progress; trying to revive it";
        self.report(Event::Error(Error::new(Severity::Recoverable, Code::Stuck, message)));
        self.order(Output::Seek { to: position, buffered: true });
        for track in &mut self.tracks {
            track.ended = false;
        }
        self.order_ends();
        self.wake(self.clock.moved + 2 * STUCK);
    }
}
