//! What is noticed when nothing happens: downloads that would come too late, queues worth replacing, and
//! playback that stands.

use super::Session;
use super::choice::bandwidth;
use super::requests::Owner;
use crate::controller::Notice;
use crate::error::{Code, Error, Severity};
use crate::presentation::{ContentType, RepresentationKey};
use crate::protocol::{Event, Output};
use crate::time::{Timestamp, nanos};
use crate::track::{Lookup, lookup};
use std::time::Duration;

/// A download is left alone for so long, and then looked at so often.
pub(super) const FIRST_LOOK: Duration = Duration::from_millis(500);
const NEXT_LOOK: Duration = Duration::from_millis(100);
/// The same for a segment that comes as it is produced, and the queue that it must not eat into.
const FIRST_LOOK_CHUNKED: Duration = Duration::from_millis(250);
const LEAST_CHUNKED: Duration = Duration::from_millis(200);
/// Price of a step of quality, and of giving up at all, beside the price of stalling.
const QUALITY_PRICE: f64 = 2.0;
const RESTART_PRICE: f64 = 0.1;
/// How long a download's present rate lasts if all goes well; then the link does what it usually does.
const SPELL: Duration = Duration::from_secs(3);
/// Queued segments are fetched again in better quality when more than this is queued, from this far ahead
/// on, when they are so many rungs worse, and while it costs at most this share of the traffic (percent).
const REPLACE_AHEAD: Duration = Duration::from_secs(15);
const REPLACE_FROM: Duration = Duration::from_secs(10);
const REPLACE_RUNGS: usize = 2;
const REPLACE_SHARE: u64 = 3;
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
        let first_look = if request.chunked { FIRST_LOOK_CHUNKED } else { FIRST_LOOK };
        let first_look = request.started + first_look;
        if self.now < first_look {
            self.look(first_look);
            return;
        }
        self.look(self.now + NEXT_LOOK);
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
        let elapsed = nanos(self.now.since(since.max(body)));
        let waited = nanos(request.transfer.waited.saturating_sub(request.earlier_waited));
        let elapsed = elapsed.saturating_sub(waited).max(1_000_000) / 1_000_000;
        let received = request.transfer.bytes.saturating_sub(bytes).saturating_mul(8);
        let kbps = (received / elapsed).max(1);
        let size =
            request.expected.unwrap_or_else(|| self.expected_bytes(track, fetching.key, &fetching.segment));
        let left = size.saturating_sub(request.transfer.bytes);
        let ahead = if request.chunked {
            // It plays while it comes, and what is left of it must not come later than it is played.
            let left = fetching.segment.end.since(self.position(self.now));
            left.saturating_sub(self.least_ahead(LEAST_CHUNKED))
        } else {
            self.ahead(track)
        };
        let ahead = u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX);
        let first_byte = self.network.first_byte().as_millis() as u64;
        // Giving up must pay even if the link soon does again what it usually does; a restart must pay as it is now.
        let usual = (self.network.bps().unwrap_or(0) / 1000).max(kbps);
        let spell = nanos(SPELL) / 1_000_000;
        let late = |ms: u64| ms.saturating_sub(ahead) as f64 / 1e3;
        let bits = left.saturating_mul(8);
        let rest = bits.saturating_sub(spell.saturating_mul(kbps)) / usual;
        if late((bits / kbps).min(spell.saturating_add(rest))) <= 0.0 {
            return None;
        }
        let finish = late(bits / kbps);
        let keys = self.eligible(track, fetching.key.period).keys;
        let lowest = keys.first().map_or(1, |key| bandwidth(presentation, *key)) as f64;
        let quality = |key: RepresentationKey| (bandwidth(presentation, key) as f64 / lowest).ln();
        let mu = keys.last().map_or(1.0, |key| quality(*key)).max(1.0);
        let own = bandwidth(presentation, fetching.key);
        let value = |key: &RepresentationKey| {
            let Lookup::Segment(segment) = lookup(presentation, *key, &fetching.before) else { return None };
            let bits = self.expected_bytes(track, *key, &segment).saturating_mul(8);
            let restart = late((bits / kbps).saturating_add(first_byte));
            let loss = quality(fetching.key) - quality(*key);
            let value = mu * (finish - restart) - QUALITY_PRICE * loss - RESTART_PRICE;
            Some(((value * 1e3).round() as i64, *key))
        };
        let lower = keys.iter().filter(|key| bandwidth(presentation, **key) < own);
        lower.filter_map(value).max().filter(|(value, _)| *value > 0).map(|(_, key)| key)
    }

    /// Cuts the end of the queue when it is much worse than `key`, the representation that comes next, and
    /// can be fetched again in good time. `true` when that was done.
    pub(super) fn replace_worse(&mut self, place: usize, key: RepresentationKey) -> bool {
        let track = &self.tracks[place];
        let idle = track.loaded.is_empty() && track.appending.is_none();
        if track.kind != ContentType::Video || !idle || self.ahead(track) <= REPLACE_AHEAD {
            return false;
        }
        let (Some(presentation), Some(bps)) = (self.presentation.as_ref(), self.network.bps()) else {
            return false;
        };
        let position = self.position(self.now);
        let keys = self.eligible(track, key.period).keys;
        let rung = |key: RepresentationKey| keys.iter().position(|other| *other == key);
        let Some(better) = rung(key) else { return false };
        let mut budget = (self.bytes.saturating_mul(REPLACE_SHARE) / 100).saturating_sub(self.replaced);
        let mut from = None;
        for entry in track.buffer.iter().rev().take_while(|entry| entry.start >= position + REPLACE_FROM) {
            let Some(content) = entry.content else { break };
            let worse = rung(content.key).is_some_and(|rung| rung + REPLACE_RUNGS <= better);
            if !worse || content.bytes > budget {
                break;
            }
            let bits =
                u128::from(bandwidth(presentation, key)) * content.segment.duration().as_millis() / 1000;
            let fetch_ms = bits * 1500 / u128::from(bps.max(1));
            if fetch_ms >= entry.start.since(position).as_millis() {
                break;
            }
            budget -= content.bytes;
            from = Some((entry.start, content.segment.duration()));
        }
        let Some((from, length)) = from else { return false };
        let before = self.wasted;
        self.cut(place, from);
        self.replaced = self.replaced.saturating_add(self.wasted.saturating_sub(before));
        self.controller.notice(Notice::Replaced(length));
        true
    }

    /// When playback will be taken for stuck unless a report of its position comes.
    pub(super) fn stuck_from(&self) -> Option<Timestamp> {
        let clock = &self.clock;
        let watched = clock.run && !clock.is_seeking() && !clock.has_ended() && clock.has_started();
        watched.then_some(clock.moved + STUCK)
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
            self.look(until);
            return;
        }
        let position = self.clock.told();
        let ends = self.tracks.iter().filter(|track| track.paces() && !track.dropped);
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
