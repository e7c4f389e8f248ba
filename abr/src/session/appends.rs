//! From fetched segments to the pipeline's queues, and back when something better or elsewhere is wanted.

use super::Session;
use super::blame::Fault;
use super::requests::Owner;
use crate::buffer::{Content, Entry};
use crate::error::{Category, Code, Error, Severity};
use crate::presentation::{ContentType, RepresentationKey};
use crate::protocol::{AppendFailure, BACK_BUFFER, Event, Failure, FailureKind, FetchId, Output, Reason};
use crate::segments::Segment;
use crate::time::{MediaTime, Timestamp};
use crate::track::{Cursor, Loaded, period_at};
use std::time::Duration;

/// What the pipeline says about a segment's times is believed within this distance of the index.
const BELIEVABLE: Duration = Duration::from_secs(1);

impl Session {
    /// Hands over the next fetched segment of each track whose last append is answered.
    pub(super) fn order_appends(&mut self) {
        for place in 0..self.tracks.len() {
            let track = &self.tracks[place];
            if track.appending.is_some() || track.cut.is_some() || self.over.is_some() {
                continue;
            }
            let Some(loaded) = track.loaded.front().copied().or_else(|| self.coming(place)) else { continue };
            let (key, segment) = (loaded.what.key, loaded.what.segment);
            if segment.init.is_some_and(|init| !self.inits.contains(&(key, init))) {
                continue;
            }
            let track = &mut self.tracks[place];
            track.loaded.pop_front();
            track.appending = Some(loaded);
            let kind = track.kind;
            let from = track.appended.replace(key);
            if from != Some(key) {
                let reason = if from.is_none() { Reason::Start } else { loaded.what.reason };
                self.report(Event::Switched { track: kind, from, to: key, at: segment.start, reason });
            }
            self.order(Output::Append { id: loaded.id, track: kind, representation: key, segment });
        }
    }

    /// The segment of a track that is coming chunk by chunk, once bytes of it are here.
    fn coming(&self, place: usize) -> Option<Loaded> {
        let track = &self.tracks[place];
        let (id, request) = self.segment_request(track.kind)?;
        let begun = request.chunked && request.transfer.bytes > 0 && track.paces();
        Some(Loaded { id, bytes: 0, what: track.fetching.filter(|_| begun)? })
    }

    /// Whether the append of a track that is not answered yet is of a segment that is still coming.
    fn is_coming(&self, place: usize) -> bool {
        let track = &self.tracks[place];
        let running = self.segment_request(track.kind).map(|(id, _)| id);
        running.is_some() && track.appending.map(|loaded| loaded.id) == running
    }

    /// The request of an append has ended without success: what was queued of it stays.
    pub(super) fn stop_append(&mut self, id: FetchId) {
        if let Some(place) = self.place_of_append(id) {
            self.tracks[place].appending = None;
        }
    }

    pub(super) fn on_append_progress(&mut self, id: FetchId, start: MediaTime, end: MediaTime) {
        let Some(place) = self.place_of_append(id) else { return };
        let Some(loaded) = self.tracks[place].appending else { return };
        let segment = loaded.what.segment;
        let (start, _) = believed(&segment, start, segment.end);
        if end <= segment.start || end > segment.end + BELIEVABLE {
            return;
        }
        let received = self.requests.get(&id).map_or(loaded.bytes, |request| request.transfer.bytes);
        let content = Content { key: loaded.what.key, segment, bytes: received };
        let track = &mut self.tracks[place];
        track.buffer.grow(Entry { start, end, content: Some(content) });
        track.appended_any = true;
    }

    pub(super) fn on_appended(&mut self, id: FetchId, start: MediaTime, end: MediaTime) {
        let Some(place) = self.place_of_append(id) else { return };
        if self.is_coming(place) {
            return self.on_append_progress(id, start, end);
        }
        let track = &mut self.tracks[place];
        let Some(loaded) = track.appending.take() else { return };
        let segment = loaded.what.segment;
        let (start, end) = believed(&segment, start, end);
        let content = Content { key: loaded.what.key, segment, bytes: loaded.bytes };
        track.buffer.push(Entry { start, end, content: Some(content) });
        track.gaps = 0;
        track.appended_any = true;
        self.segment_had(place, loaded.what.key, loaded.what.before.time);
        self.cut_if_asked(place);
    }

    pub(super) fn on_append_failed(&mut self, id: FetchId, failure: AppendFailure) {
        let Some(place) = self.place_of_append(id) else { return };
        let track = &mut self.tracks[place];
        let Some(loaded) = track.appending.take() else { return };
        if self.over.is_some() {
            return;
        }
        let key = loaded.what.key;
        self.wasted = self.wasted.saturating_add(loaded.bytes);
        self.rewind(place, loaded.what.before);
        let track = &mut self.tracks[place];
        let malformed = &mut track.troubles.entry(track.cursor.time).or_default().malformed;
        if !failure.malformed {
            let code = failure.code.unwrap_or(Code::NothingPlayable);
            if code.category() == Category::Keys {
                self.exclude_locked(key);
            } else {
                self.exclude_codec(key);
            }
            let failure =
                Failure { kind: FailureKind::Unsupported, retry_after: None, detail: failure.detail };
            self.blame(place, key, code, failure, Fault::Segment);
        } else if malformed.contains(&key) {
            let failure = Failure { kind: FailureKind::Malformed, retry_after: None, detail: failure.detail };
            self.blame(place, key, Code::Container, failure, Fault::Segment);
        } else {
            malformed.push(key);
            track.forced = Some(key);
            let message = format!("{}; fetching it again", failure.detail);
            self.report(Event::Error(Error::new(Severity::Recoverable, Code::Container, message)));
        }
        self.cut_if_asked(place);
    }

    fn place_of_append(&self, id: FetchId) -> Option<usize> {
        self.tracks.iter().position(|track| track.appending.is_some_and(|loaded| loaded.id == id))
    }

    /// A codec that cannot be decoded once cannot be decoded in any other representation.
    fn exclude_codec(&mut self, key: RepresentationKey) {
        self.excluded.insert(key, Timestamp::MAX);
        let Some(presentation) = self.presentation.as_ref() else { return };
        let Some(codecs) = presentation.representation(key).map(|r| &r.codecs).filter(|c| !c.is_empty())
        else {
            return;
        };
        let same = presentation.representations().filter(|(_, other)| other.codecs == *codecs);
        self.excluded.extend(same.map(|(key, _)| (key, Timestamp::MAX)));
    }

    /// Goes back to `cursor`: ends the download and forgets fetched segments from there on.
    pub(super) fn rewind(&mut self, place: usize, cursor: Cursor) {
        let kind = self.tracks[place].kind;
        if self.tracks[place].fetching.is_some_and(|fetching| fetching.before.time >= cursor.time) {
            self.tracks[place].fetching = None;
            self.cancel(Owner::Segment(kind));
        }
        while let Some(loaded) = self.tracks[place].loaded.back().copied() {
            if loaded.what.before.time < cursor.time {
                break;
            }
            self.tracks[place].loaded.pop_back();
            self.wasted = self.wasted.saturating_add(loaded.bytes);
            self.order(Output::Discard(loaded.id));
        }
        let track = &mut self.tracks[place];
        track.cursor = cursor;
        track.complete = false;
        track.ended = false;
        track.awaited = None;
    }

    /// Forgets everything a track has and does, for playback to continue elsewhere.
    pub(super) fn empty_track(&mut self, place: usize) {
        let start = Cursor { period: 0, time: MediaTime::MIN, exact: true, after: None };
        self.rewind(place, start);
        let track = &mut self.tracks[place];
        track.appending = None;
        track.cut = None;
        track.buffer.clear();
        track.forget_troubles();
        track.hold_until = Timestamp::ZERO;
        track.forced = None;
        track.gaps = 0;
    }

    /// Replaces what is queued or on its way against the user's present wishes, from about one segment
    /// after the position on.
    pub(super) fn replace_unwanted(&mut self) {
        let position = self.position(self.now);
        for place in 0..self.tracks.len() {
            let track = &self.tracks[place];
            if track.dropped {
                continue;
            }
            let unwanted = |key: RepresentationKey| !self.eligible(track, key.period).keys.contains(&key);
            let queued = track.buffer.iter().filter_map(|entry| Some((entry.start, entry.content?)));
            let queued = queued
                .filter(|(start, content)| *start >= position + content.segment.duration())
                .map(|(start, content)| (start, content.key));
            let coming = track.loaded.iter().map(|loaded| &loaded.what).chain(&track.fetching);
            let coming = coming.map(|what| (what.before.time, what.key));
            let from = queued.chain(coming).find(|(_, key)| unwanted(*key)).map(|(start, _)| start);
            if let Some(from) = from {
                self.tracks[place].because = Some(Reason::User);
                self.cut(place, from);
            }
        }
    }

    /// Cuts a track's queue at `from`, the start of a segment, and fetches on from there; waits for an
    /// append that is under way.
    pub(super) fn cut(&mut self, place: usize, from: MediaTime) {
        if self.is_coming(place)
            && let Some(fetching) = self.tracks[place].fetching
        {
            self.rewind(place, fetching.before);
        }
        let track = &mut self.tracks[place];
        track.cut = Some(track.cut.map_or(from, |other| other.min(from)));
        self.cut_if_asked(place);
    }

    fn cut_if_asked(&mut self, place: usize) {
        if self.tracks[place].appending.is_some() {
            return;
        }
        let Some(from) = self.tracks[place].cut.take() else { return };
        let entry = self.tracks[place].buffer.iter().find(|entry| entry.start >= from).copied();
        let because = self.tracks[place].because;
        let Some(entry) = entry else {
            let track = &self.tracks[place];
            let coming = track.loaded.iter().map(|loaded| &loaded.what).chain(&track.fetching);
            let before = coming.map(|what| what.before).find(|before| before.time >= from);
            if let Some(before) = before {
                self.rewind(place, before);
            }
            return;
        };
        let time = entry.content.map_or(entry.start, |content| content.segment.start);
        let period = match (entry.content, self.presentation.as_ref()) {
            (Some(content), _) => content.key.period,
            (None, Some(presentation)) => period_at(presentation, time),
            (None, None) => 0,
        };
        let wasted = self.tracks[place].buffer.flush(entry.start);
        self.rewind(place, Cursor { period, time, exact: false, after: None });
        let track = &mut self.tracks[place];
        track.because = because;
        // The pipeline's queue ends with what is left in ours.
        track.appended = track.buffer.iter().rev().find_map(|entry| entry.content).map(|content| content.key);
        let kind = track.kind;
        self.wasted = self.wasted.saturating_add(wasted);
        self.order(Output::Flush { track: kind, from: entry.start });
        self.report(Event::Replaced { track: kind, from: entry.start, wasted_bytes: wasted });
    }

    /// Forgets what the pipeline no longer keeps.
    pub(super) fn evict(&mut self) {
        let position = self.position(self.now);
        for track in &mut self.tracks {
            track.buffer.evict(position - BACK_BUFFER);
        }
    }

    /// Tells the pipeline which tracks are fed completely.
    pub(super) fn order_ends(&mut self) {
        for place in 0..self.tracks.len() {
            let track = &mut self.tracks[place];
            // A seek revokes also the end of a track that was given up.
            let over = if track.dropped { track.paces() } else { track.complete && track.is_drained() };
            if over && !track.ended {
                track.ended = true;
                let kind: ContentType = track.kind;
                self.order(Output::EndOfTrack(kind));
            }
        }
    }
}

/// Start and end of a queued segment: what the pipeline says, where that is near to what the index says.
fn believed(segment: &Segment, start: MediaTime, end: MediaTime) -> (MediaTime, MediaTime) {
    let near = |told: MediaTime, stated: MediaTime| {
        let tolerance = BELIEVABLE.max(segment.duration() / 2);
        told + tolerance >= stated && told <= stated + tolerance
    };
    let end = if near(end, segment.end) && end > segment.start { end } else { segment.end };
    let start = if near(start, segment.start) { start.min(segment.start) } else { segment.start };
    (start, end)
}
