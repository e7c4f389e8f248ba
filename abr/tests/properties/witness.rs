//! Watches what passes between a session and its world, and checks what a session promises.

use abr::presentation::{ContentType, Presentation, RepresentationKey};
use abr::protocol::{Event, Fetch, FetchId, Input, Output, Resource};
use abr::segments::Segment;
use abr::session::{Config, Session};
use abr::sim::live::{Broadcast, Style};
use abr::time::{MediaTime, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// With less than this queued playback may not go on, and the budgets do not count.
const NEED: Duration = Duration::from_secs(2);

/// A queued or fetched segment.
#[derive(Clone, Copy, Debug)]
struct Had {
    start: MediaTime,
    end: MediaTime,
    bytes: u64,
    /// Fetched because playback could not go on without it.
    needed: bool,
}

/// A request that awaits its answer.
#[derive(Clone, Copy, Debug)]
struct Open {
    fetch: Fetch,
    needed: bool,
}

/// What has been seen of a session.
pub(crate) struct Witness {
    presentation: Presentation,
    broadcast: Option<Broadcast>,
    config: Config,
    open: BTreeMap<FetchId, Open>,
    next_id: u64,
    /// Fetched and queued segments by track.
    had: BTreeMap<ContentType, BTreeMap<FetchId, Had>>,
    /// End of the last hole of each track.
    holes: BTreeMap<ContentType, MediaTime>,
    /// Whether there was any.
    pub(crate) saw_holes: bool,
    /// Furthest position since the queues were last emptied.
    furthest: MediaTime,
    /// Every order, as text.
    pub(crate) lines: Vec<String>,
}

impl Witness {
    /// Nothing has been seen yet.
    pub(crate) fn new(presentation: Presentation, broadcast: Option<Broadcast>, config: Config) -> Self {
        Self {
            presentation,
            broadcast,
            config,
            open: BTreeMap::new(),
            next_id: 0,
            had: BTreeMap::new(),
            holes: BTreeMap::new(),
            saw_holes: false,
            furthest: MediaTime::MIN,
            lines: Vec::new(),
        }
    }

    /// Whether every request has been answered.
    pub(crate) fn is_quiet(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether segments come in parts or chunks while they are new.
    pub(crate) fn comes_in_parts(&self) -> bool {
        let broadcast = self.broadcast.as_ref();
        broadcast.is_some_and(|live| live.style != Style::Timeline && live.part.is_some())
    }

    fn kind(&self, key: RepresentationKey) -> ContentType {
        self.presentation.adaptation_set(key).expect("a set of the presentation").content_type
    }

    /// A fact is about to be told.
    pub(crate) fn fact(&mut self, session: &Session, now: Timestamp, fact: &Input) {
        self.furthest = self.furthest.max(session.position(now));
        if let Input::AppendFailed { id, .. } = fact {
            self.had.values_mut().for_each(|had| {
                had.remove(id);
            });
        }
        let (Input::Fetched { id, .. } | Input::FetchFailed { id, .. } | Input::FetchCancelled { id, .. }) =
            fact
        else {
            return;
        };
        let Open { fetch, needed } = self.open.remove(id).expect("an answer to an open request");
        if let (Resource::Segment { representation, segment }, Input::Fetched { id, transfer }) =
            (fetch.resource, fact)
        {
            assert!(transfer.bytes <= fetch.limit_bytes, "the world keeps to the limit");
            let had = Had { start: segment.start, end: segment.end, bytes: transfer.bytes, needed };
            self.had.entry(self.kind(representation)).or_default().insert(*id, had);
            let held = self.held(self.furthest, |had| !had.needed);
            assert!(
                held <= self.config.buffer_bytes,
                "{held} bytes of {}: {:?}",
                self.config.buffer_bytes,
                self.had
            );
        }
    }

    /// An order is about to be carried out.
    pub(crate) fn order(&mut self, session: &Session, now: Timestamp, order: &Output) {
        if !matches!(order, Output::Wait(_)) {
            self.lines.push(format!("{now:?} {order:?}"));
        }
        match order {
            Output::Fetch(fetch) => {
                assert_eq!(fetch.id.0, self.next_id, "each request has a new name");
                self.next_id += 1;
                let mut needed = false;
                if let Resource::Segment { representation, segment } = fetch.resource {
                    match &self.broadcast {
                        None => self.check_place(representation, &segment),
                        Some(broadcast) => check_edge(broadcast, now, &segment),
                    }
                    let kind = self.kind(representation);
                    needed = fetch.attempt > 0 || self.is_needed(session, now, kind, &segment);
                    if !needed {
                        self.check_budgets(session, now, fetch, &segment);
                    }
                }
                self.open.insert(fetch.id, Open { fetch: *fetch, needed });
            }
            Output::Cancel(id) => {
                // What had come of it counts no more, although its answer is still to come.
                self.open.get_mut(id).expect("an open request").needed = true;
            }
            Output::Discard(id) => self.had.values_mut().for_each(|had| {
                had.remove(id);
            }),
            Output::Flush { track, from } => {
                self.had.entry(*track).or_default().retain(|_, had| had.start < *from);
                self.holes.retain(|kind, to| kind != track || *to <= *from);
            }
            Output::Report(Event::Gap { track, to, .. }) => {
                self.holes.insert(*track, *to);
                self.saw_holes = true;
            }
            Output::Seek { to, buffered } => {
                if !buffered {
                    self.had.clear();
                    self.holes.clear();
                    self.furthest = MediaTime::MIN;
                }
                // Before it joins, a session may not know that the title is live.
                let joined = session.live_position(now).is_some();
                if let Some(broadcast) = self.broadcast.as_ref().filter(|_| joined) {
                    let edge = clocked(broadcast, now);
                    assert!(*to <= edge, "a seek to {to:?}, beyond {edge:?}");
                }
            }
            _ => {}
        }
    }

    /// It is a segment of the title.
    fn check_place(&self, key: RepresentationKey, segment: &Segment) {
        let runs = self.presentation.representation(key).unwrap().index.known().unwrap();
        assert_eq!(runs.get(segment.position).map(|s| s.start), Some(segment.start));
        let end = self.presentation.duration.unwrap();
        assert!(segment.start < MediaTime::ZERO + end, "beyond the timeline");
    }

    /// Whether playback cannot go on without it: little is queued, or a hole comes last.
    fn is_needed(&self, session: &Session, now: Timestamp, kind: ContentType, segment: &Segment) -> bool {
        let had = self.had.get(&kind).into_iter().flat_map(BTreeMap::values);
        let last = had.map(|had| had.end).max().unwrap_or(MediaTime::MIN);
        let hole = self.holes.get(&kind).is_some_and(|to| *to >= last && segment.start <= *to);
        hole || last <= session.position(now) + NEED
    }

    /// It fits into the budgets.
    fn check_budgets(&self, session: &Session, now: Timestamp, fetch: &Fetch, segment: &Segment) {
        let position = session.position(now);
        let most = self.config.buffer_ahead.max(segment.duration() * 2);
        let ahead = segment.end.since(position);
        assert!(ahead <= most, "{segment:?} at {position:?}, most {most:?}, holes {:?}", self.holes);
        if self.config.buffer_bytes == u64::MAX {
            return;
        }
        let open = self.open.values().filter(|open| !open.needed);
        let segments = open.filter(|open| matches!(open.fetch.resource, Resource::Segment { .. }));
        let coming = segments.fold(fetch.limit_bytes, |sum, open| sum.saturating_add(open.fetch.limit_bytes));
        let all = self.held(position, |_| true).saturating_add(coming);
        assert!(
            all <= self.config.buffer_bytes,
            "{all} bytes of {} at {position:?}: {:?}, {:?}, {fetch:?}",
            self.config.buffer_bytes,
            self.had,
            self.open
        );
    }

    /// Bytes ahead of a position.
    fn held(&self, position: MediaTime, counts: impl Fn(&Had) -> bool) -> u64 {
        let had = self.had.values().flat_map(BTreeMap::values);
        had.filter(|had| had.end > position && counts(had)).map(|had| had.bytes).sum()
    }
}

/// What was produced until now, if the encoder never stood still nor ended, by the player's clock: it cannot
/// know better from a manifest that states a duration, and learns late of it from one that lists segments.
fn clocked(broadcast: &Broadcast, now: Timestamp) -> MediaTime {
    let astray = broadcast.style != Style::Playlists && broadcast.skew_ms > 0;
    let skew = Duration::from_millis(if astray { broadcast.skew_ms.unsigned_abs() } else { 0 });
    MediaTime::ZERO + broadcast.running + now.since(Timestamp::ZERO) + skew
}

/// It exists as far as the player can know. A part that was announced is asked for while it is produced
/// (`EXT-X-PRELOAD-HINT`), but not before.
fn check_edge(broadcast: &Broadcast, now: Timestamp, segment: &Segment) {
    let edge = match (broadcast.style, broadcast.part) {
        (Style::Numbers, Some(part)) => clocked(broadcast, now) + (broadcast.segment - part),
        (Style::Numbers, None) => clocked(broadcast, now),
        (Style::Timeline | Style::Playlists, _) => MediaTime::ZERO + broadcast.produced(now),
    };
    let announced = segment.part.is_some_and(|part| part.hint);
    let bound = if announced { segment.start } else { segment.end };
    assert!(bound <= edge, "{segment:?} is beyond the live edge {edge:?}");
}
