//! One track: which adaptation sets it uses, how far it has been fetched, what is queued.

use crate::buffer::Buffer;
use crate::error::Code;
use crate::presentation::{AdaptationSet, ContentType, Period, Presentation, RepresentationKey};
use crate::protocol::{FetchId, Reason};
use crate::segments::{Segment, SegmentRuns};
use crate::time::{MediaTime, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Two representations may disagree by so much about where a segment starts (rounded `EXTINF`s).
const BOUNDARY_TOLERANCE: Duration = Duration::from_millis(250);
/// A period is over when less than this is left of it.
const PERIOD_TOLERANCE: Duration = Duration::from_millis(5);

/// Where the next segment of a track starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cursor {
    /// Position in the presentation's periods.
    pub(crate) period: u32,
    /// First time still missing.
    pub(crate) time: MediaTime,
    /// Whether the segment must contain `time` (after a seek), rather than start about there.
    pub(crate) exact: bool,
    /// The segment before, when it is known.
    pub(crate) after: Option<(RepresentationKey, u64)>,
}

/// A segment being fetched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fetching {
    pub(crate) key: RepresentationKey,
    pub(crate) segment: Segment,
    pub(crate) reason: Reason,
    /// Where the cursor stood before, to go back to.
    pub(crate) before: Cursor,
    /// Bytes of the budget that it takes until it is complete, and the most that it may have.
    pub(crate) reserved: u64,
    pub(crate) limit: Option<u64>,
}

/// A fetched segment that is not queued yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Loaded {
    pub(crate) id: FetchId,
    pub(crate) bytes: u64,
    pub(crate) what: Fetching,
}

/// What has gone wrong at one place of the timeline.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble {
    /// Representations that failed here.
    pub(crate) failed: Vec<RepresentationKey>,
    /// Those of them that failed with this segment, rather than with what all of their segments need.
    pub(crate) suspects: Vec<RepresentationKey>,
    /// Representations whose bytes were malformed once.
    pub(crate) malformed: Vec<RepresentationKey>,
    /// How often everything was tried in vain because nothing could be reached.
    pub(crate) rounds: u32,
    /// Whether something else than an outage happened.
    pub(crate) missing: bool,
}

/// What to look for in each period.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wish {
    language: Option<String>,
    label: Option<String>,
    roles: Vec<String>,
    codec: String,
}

/// A segment that was found too large for what was left of the byte budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Oversize {
    /// Where it begins.
    pub(crate) time: MediaTime,
    /// How much room it needs.
    pub(crate) bytes: u64,
}

/// One track of the session.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) kind: ContentType,
    pub(crate) wish: Wish,
    /// The adaptation set to use, per period.
    pub(crate) sets: Vec<Option<u32>>,
    pub(crate) cursor: Cursor,
    /// Representation of the last segment ordered.
    pub(crate) last: Option<RepresentationKey>,
    pub(crate) fetching: Option<Fetching>,
    pub(crate) loaded: VecDeque<Loaded>,
    pub(crate) appending: Option<Loaded>,
    pub(crate) buffer: Buffer,
    /// Cut the queue here as soon as no append is unanswered.
    pub(crate) cut: Option<MediaTime>,
    /// Nothing is left to fetch.
    pub(crate) complete: bool,
    /// [`Output::EndOfTrack`](crate::protocol::Output::EndOfTrack) was ordered.
    pub(crate) ended: bool,
    /// Given up or deselected.
    pub(crate) dropped: bool,
    /// Segments skipped in a row.
    pub(crate) gaps: u32,
    /// Whether any segment could be queued so far.
    pub(crate) appended_any: bool,
    /// Segments chosen since the start or the last seek.
    pub(crate) since_start: u32,
    /// By the start of the segment that is concerned. The next segment may fail while the one before it is
    /// still on its way to the queue, so there may be a few.
    pub(crate) troubles: BTreeMap<MediaTime, Trouble>,
    /// When the failures began that no success has followed.
    pub(crate) failing_since: Option<Timestamp>,
    /// The last failure that no success has followed.
    pub(crate) failure: Option<(Code, String)>,
    /// Do not fetch before.
    pub(crate) hold_until: Timestamp,
    /// Representation of the last append.
    pub(crate) appended: Option<RepresentationKey>,
    /// Why the next change of representation will have happened, when not by the controller.
    pub(crate) because: Option<Reason>,
    /// Start of the segment whose download was given up last; that happens once per segment.
    pub(crate) abandoned: Option<MediaTime>,
    /// What to fetch next instead of asking the controller.
    pub(crate) forced: Option<RepresentationKey>,
    /// Chosen, but its index is not known yet.
    pub(crate) awaited: Option<RepresentationKey>,
    /// Actual over stated size of segments, in thousandths.
    pub(crate) size_ratio: u64,
    /// The next segment, when there was no room for it.
    pub(crate) oversize: Option<Oversize>,
}

impl Track {
    /// A track that starts at `time`.
    pub(crate) fn new(
        kind: ContentType,
        wish: Wish,
        sets: Vec<Option<u32>>,
        period: u32,
        time: MediaTime,
    ) -> Self {
        Self {
            kind,
            wish,
            sets,
            cursor: Cursor { period, time, exact: true, after: None },
            last: None,
            fetching: None,
            loaded: VecDeque::new(),
            appending: None,
            buffer: Buffer::default(),
            cut: None,
            complete: false,
            ended: false,
            dropped: false,
            gaps: 0,
            appended_any: false,
            since_start: 0,
            troubles: BTreeMap::new(),
            failing_since: None,
            failure: None,
            hold_until: Timestamp::ZERO,
            appended: None,
            because: Some(Reason::Start),
            abandoned: None,
            forced: None,
            awaited: None,
            size_ratio: 1000,
            oversize: None,
        }
    }

    /// The adaptation set in a period.
    pub(crate) fn set(&self, period: u32) -> Option<u32> {
        self.sets.get(period as usize).copied().flatten()
    }

    /// Whether playback waits for it: for pictures and sound, never for subtitles.
    pub(crate) fn paces(&self) -> bool {
        self.kind != ContentType::Text
    }

    /// What has gone wrong with the segment that is being fetched or comes next.
    pub(crate) fn trouble(&self) -> Option<&Trouble> {
        self.troubles.get(&self.whole_end())
    }

    /// Forgets what has gone wrong.
    pub(crate) fn forget_troubles(&mut self) {
        self.troubles.clear();
        self.failing_since = None;
        self.failure = None;
    }

    /// End of everything fetched in order, queued or about to be.
    pub(crate) fn loaded_end(&self) -> MediaTime {
        let whole = self.whole_end();
        if self.buffer.is_partial() { self.buffer.end().map_or(whole, |end| end.max(whole)) } else { whole }
    }

    /// End of the segments fetched in order.
    fn whole_end(&self) -> MediaTime {
        match &self.fetching {
            Some(fetching) => fetching.before.time,
            None => self.cursor.time,
        }
    }

    /// Whether playback can start or go on at `position` with `need` ahead.
    pub(crate) fn is_ready(&self, position: MediaTime, need: Duration) -> bool {
        self.ended || (self.complete && self.is_drained()) || {
            let ahead = self.buffer.ahead(position);
            !ahead.is_zero() && ahead >= need
        }
    }

    /// Whether no segment is on its way to the queue that has been fetched.
    pub(crate) fn has_none_coming(&self) -> bool {
        self.loaded.is_empty() && self.appending.is_none()
    }

    /// Whether nothing waits to be queued.
    pub(crate) fn is_drained(&self) -> bool {
        self.fetching.is_none() && self.loaded.is_empty() && self.appending.is_none() && self.cut.is_none()
    }

    /// Moves past `segment`, at most to the end of its period.
    pub(crate) fn advance(
        &mut self,
        key: RepresentationKey,
        segment: &Segment,
        period_end: Option<MediaTime>,
    ) {
        let end = period_end.map_or(segment.end, |end| segment.end.min(end));
        self.cursor = Cursor {
            period: self.cursor.period,
            time: end.max(self.cursor.time),
            exact: false,
            after: Some((key, segment.position)),
        };
    }
}

/// What a representation has at a cursor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Lookup {
    /// Its index is not known.
    Pending,
    /// This segment.
    Segment(Segment),
    /// Nothing more in this period.
    End,
}

/// Finds the segment of `key` at `cursor`; what reaches beyond the period is not part of it
/// (ISO/IEC 23009-1, 5.3.2).
pub(crate) fn lookup(presentation: &Presentation, key: RepresentationKey, cursor: &Cursor) -> Lookup {
    let Some(representation) = presentation.representation(key) else { return Lookup::End };
    let Some(runs) = representation.index.known() else { return Lookup::Pending };
    let found = match cursor.after {
        Some((last, position)) if last == key => runs.get(position.saturating_add(1)),
        _ => runs.at(cursor.time).and_then(|segment| {
            let rest = segment.end.since(cursor.time);
            let sliver = !cursor.exact
                && segment.start < cursor.time
                && rest < (segment.duration() / 4).min(BOUNDARY_TOLERANCE);
            if sliver { runs.get(segment.position.saturating_add(1)) } else { Some(segment) }
        }),
    };
    let found = found.map(|segment| if cursor.exact { decodable(runs, segment) } else { segment });
    match (found, period_end(presentation, cursor.period)) {
        (None, _) => Lookup::End,
        (Some(segment), Some(end)) if segment.start + PERIOD_TOLERANCE >= end => Lookup::End,
        // The last segment reaches beyond the period, and was had.
        (Some(_), Some(end)) if !cursor.exact && cursor.time + PERIOD_TOLERANCE >= end => Lookup::End,
        (Some(segment), Some(end)) => Lookup::Segment(Segment { end: segment.end.min(end), ..segment }),
        (Some(segment), None) => Lookup::Segment(segment),
    }
}

/// The part to begin with so that `segment` can be decoded: itself, or an independent one before it.
fn decodable(runs: &SegmentRuns, segment: Segment) -> Segment {
    let mut first = segment;
    while first.part.is_some_and(|part| !part.independent && part.index > 0) {
        let before = first.position.checked_sub(1).and_then(|position| runs.get(position));
        match before.filter(|before| before.number == first.number && before.part.is_some()) {
            Some(before) => first = before,
            None => break,
        }
    }
    first
}

/// End of a period on the timeline; `None` when only the segments tell.
pub(crate) fn period_end(presentation: &Presentation, period: u32) -> Option<MediaTime> {
    let this = presentation.periods.get(period as usize)?;
    let next = presentation.periods.get(period as usize + 1).map(|next| next.start);
    let own = this.duration.map(|duration| this.start + duration);
    let whole = presentation.duration.map(|duration| MediaTime::ZERO + duration);
    let is_last = next.is_none();
    next.or(own).or(if is_last { whole } else { None })
}

/// The period that covers `time`: the last that starts at or before it, else the first.
pub(crate) fn period_at(presentation: &Presentation, time: MediaTime) -> u32 {
    let after = presentation.periods.partition_point(|period| period.start <= time);
    u32::try_from(after.saturating_sub(1)).unwrap_or(0)
}

/// Codec family of a set, such as `avc1`.
fn codec_family(set: &AdaptationSet) -> &str {
    let codecs = set.representations.first().map_or("", |representation| representation.codecs.as_str());
    codecs.split(['.', ',']).next().unwrap_or("")
}

fn primary_subtag(language: &str) -> &str {
    language.split('-').next().unwrap_or(language)
}

fn speaks(set: &AdaptationSet, language: &str) -> bool {
    let same = |a: &str, b: &str| primary_subtag(a).eq_ignore_ascii_case(primary_subtag(b));
    set.language.as_deref().is_some_and(|own| same(own, language))
}

fn is_playable(set: &AdaptationSet, kind: ContentType) -> bool {
    set.content_type == kind
        && !set.representations.is_empty()
        && !set.roles.iter().any(|role| role.contains("trick"))
}

/// The set to use in a period without having used one before: by language (audio), the manifest's default,
/// the `main` role, the order of the manifest.
pub(crate) fn first_set(
    period: &Period,
    kind: ContentType,
    language: Option<&str>,
    usable: impl Fn(u32) -> bool,
) -> Option<u32> {
    best_set(period, kind, usable, |set| {
        let spoken = language.is_some_and(|language| speaks(set, language));
        let special = set.roles.iter().any(|role| role != "main" && role != "subtitle");
        [spoken, set.is_default, set.roles.iter().any(|role| role == "main"), !special].map(u8::from)
    })
}

/// Whether a set holds only what every viewer must read, such as signs in a foreign language.
pub(crate) fn is_forced(set: &AdaptationSet) -> bool {
    set.roles.iter().any(|role| matches!(role.as_str(), "forced-subtitle" | "forced_subtitle"))
}

/// The set to read in a period: in the first of `languages` that one is in, else the manifest's default,
/// else its first.
pub(crate) fn readable_set(
    period: &Period,
    languages: &[String],
    usable: impl Fn(u32) -> bool,
) -> Option<u32> {
    let kind = ContentType::Text;
    let usable = |place: u32| {
        let set = period.adaptation_sets.get(place as usize);
        set.is_some_and(|set| !is_forced(set)) && usable(place)
    };
    best_set(period, kind, usable, |set| {
        let rank = languages.iter().position(|language| speaks(set, language));
        let rank = rank.map_or(0, |rank| u8::MAX.saturating_sub(u8::try_from(rank).unwrap_or(u8::MAX - 1)));
        let special = set.roles.iter().any(|role| role != "main" && role != "subtitle");
        [rank, u8::from(set.is_default), u8::from(!special), 0]
    })
}

/// The set of a period to be read along with sound in `language` whatever the viewer wishes.
pub(crate) fn forced_set(
    period: &Period,
    language: Option<&str>,
    usable: impl Fn(u32) -> bool,
) -> Option<u32> {
    let usable = |place: u32| {
        let set = period.adaptation_sets.get(place as usize);
        let fits = |set: &AdaptationSet| match (&set.language, language) {
            (Some(_), Some(language)) => speaks(set, language),
            _ => true,
        };
        set.is_some_and(|set| is_forced(set) && fits(set)) && usable(place)
    };
    best_set(period, ContentType::Text, usable, |set| [u8::from(set.is_default), 0, 0, 0])
}

/// Whether `set` says what was read before.
pub(crate) fn continues(wish: &Wish, set: &AdaptationSet) -> bool {
    let same = match (&wish.language, &set.language) {
        (Some(language), Some(_)) => speaks(set, language),
        (None, None) => true,
        _ => false,
    };
    let forced = wish.roles.iter().any(|role| matches!(role.as_str(), "forced-subtitle" | "forced_subtitle"));
    same && forced == is_forced(set)
}

/// The set of a period that continues what was played before.
pub(crate) fn matching_set(
    period: &Period,
    kind: ContentType,
    wish: &Wish,
    usable: impl Fn(u32) -> bool,
) -> Option<u32> {
    best_set(period, kind, usable, |set| {
        let language = match (&wish.language, &set.language) {
            (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => 2,
            (Some(a), Some(_)) if speaks(set, a) => 1,
            (None, None) => 2,
            _ => 0,
        };
        let roles = u8::from(set.roles == wish.roles);
        let codec = u8::from(codec_family(set) == wish.codec);
        let label = u8::from(set.label == wish.label);
        [language, roles, codec, 2 * label + u8::from(set.is_default)]
    })
}

fn best_set(
    period: &Period,
    kind: ContentType,
    usable: impl Fn(u32) -> bool,
    score: impl Fn(&AdaptationSet) -> [u8; 4],
) -> Option<u32> {
    let sets = period.adaptation_sets.iter().zip(0u32..);
    let able = sets.filter(|(set, place)| is_playable(set, kind) && usable(*place));
    // `max_by_key` keeps the last of equals; the reversed place makes the first win.
    able.max_by_key(|(set, place)| (score(set), std::cmp::Reverse(*place))).map(|(_, place)| place)
}

impl Wish {
    /// To go on with what `set` is.
    pub(crate) fn of(set: &AdaptationSet) -> Self {
        Self {
            language: set.language.clone(),
            label: set.label.clone(),
            roles: set.roles.clone(),
            codec: codec_family(set).to_owned(),
        }
    }
}
