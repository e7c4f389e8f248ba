//! What a session pays attention to: from when on reports of progress and position can change an order.
//!
//! A player reports ten times a second, because it cannot know what the session waits for. A simulator can
//! ask, and leave out what would be told in vain: most of the facts of a session, and most of its cost. The
//! orders stay the same to the nanosecond; that is tested.

use super::Session;
use super::requests::Request;
use crate::presentation::ContentType;
use crate::protocol::{FetchId, POSITION_INTERVAL, PROGRESS_INTERVAL};
use crate::time::{Timestamp, nanos};
use std::time::Duration;

/// When a session next has to be told something, provided that until then nothing ends or arrives, that every
/// running request goes on receiving bytes, and that playback goes on as ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attention {
    /// [`Input::FetchProgress`](crate::protocol::Input::FetchProgress) and
    /// [`Input::Playback`](crate::protocol::Input::Playback) that would be told before this time may be left
    /// out. In the past when none may.
    pub reports_from: Timestamp,
    /// When [`Input::Tick`](crate::protocol::Input::Tick) is due: as
    /// [`Output::Wait`](crate::protocol::Output::Wait) says, without the times at which the session would only
    /// look whether reports have come.
    pub tick: Option<Timestamp>,
}

/// A wish to be woken is rounded up by at most this, so a report that comes in this span before it matters.
pub(super) const WAKE_STEP: Duration = Duration::from_millis(1);
/// What the estimate of a hopeless download may be off, in milliseconds: rounding of its terms.
const MARGIN_MS: f64 = 5.0;

impl Session {
    /// What the session pays attention to now. To be asked when [`poll`](Self::poll) has said
    /// [`Output::Wait`](crate::protocol::Output::Wait).
    pub fn attention(&self) -> Attention {
        let mut from = self.alert;
        if self.needs_every_report() {
            from = self.now;
        } else if from > self.now {
            if let Some(stuck) = self.stuck_from() {
                from = from.min(stuck - POSITION_INTERVAL);
            }
            if let Some((id, request)) = self.requests.iter().next() {
                from = from.min(self.meter.next_sample(*id, request.started));
                from = from.min(self.hopeless_from(*id, request));
                // Another request may begin then, and soon end: what had come of this one by then counts.
                if let Some(due) = self.due.filter(|_| self.tracks.len() > 1) {
                    from = from.min(due - PROGRESS_INTERVAL);
                }
            }
        }
        Attention { reports_from: from, tick: self.due }
    }

    /// Whether something is under way of which this file knows no bounds.
    fn needs_every_report(&self) -> bool {
        let odd = |track: &crate::track::Track| {
            track.buffer.has_holes() || !track.troubles.is_empty() || !(track.paces() || track.dropped)
        };
        self.requests.len() > 1
            || self.presentation.as_ref().is_none_or(|presentation| presentation.dynamic)
            || self.ending.is_some()
            || !self.excluded.is_empty()
            || !self.clock.is_plain()
            || self.tracks.iter().any(odd)
    }

    /// When the only running request may look hopeless at the earliest, and the report before that.
    fn hopeless_from(&self, id: FetchId, request: &Request) -> Timestamp {
        let Some(place) = self.place_of(ContentType::Video) else { return Timestamp::MAX };
        let track = &self.tracks[place];
        let running = self.segment_request(ContentType::Video).is_some_and(|(running, _)| running == id);
        let Some(fetching) = track.fetching.filter(|_| running) else { return Timestamp::MAX };
        if track.abandoned == Some(fetching.segment.start) {
            return Timestamp::MAX;
        }
        let first_look = request.started + super::watch::FIRST_LOOK;
        if self.now < first_look {
            return first_look;
        }
        let (since, before) = request.earlier;
        let received = request.transfer.bytes.saturating_sub(before).saturating_mul(8) as f64;
        if request.transfer.bytes == 0 || received == 0.0 {
            return self.now;
        }
        // If no byte came in from now on, the download would be late when (in ms, bits and kbit/s)
        // left ÷ (received ÷ elapsed − 1) > ahead − (time from now), with elapsed = since then + time from now.
        // Both sides multiplied out give a quadratic inequality in elapsed; the smaller root is the moment.
        let body = request.started + request.transfer.first_byte;
        let elapsed = nanos(self.now.since(since.max(body))) as f64 / 1e6 + 1.0;
        let size =
            request.expected.unwrap_or_else(|| self.expected_bytes(track, fetching.key, &fetching.segment));
        let left = size.saturating_sub(request.transfer.bytes).saturating_mul(8) as f64;
        let span = self.ahead(track).as_millis() as f64 - 1.0 + elapsed;
        if span <= elapsed {
            return self.now;
        }
        let sum = span + received + left;
        let root = 2.0 * span * received / (sum + (sum * sum - 4.0 * span * received).max(0.0).sqrt());
        let spare = (root - elapsed - MARGIN_MS).clamp(0.0, 3.6e6);
        let late = self.now + Duration::from_nanos((spare * 1e6) as u64) - PROGRESS_INTERVAL;
        // The window of the rate moves on with the first report so long after its start, to the one before.
        late.min(since + super::requests::RATE_WINDOW - PROGRESS_INTERVAL)
    }
}
