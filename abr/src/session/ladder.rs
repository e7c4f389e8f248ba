//! What a choice needs and seldom changes, kept between choices: which representations may be chosen, their
//! bandwidths, and the lengths and sizes of all segments.
//!
//! Kept only where it cannot become wrong unnoticed: on titles that do not grow and are indexed completely,
//! while nothing has failed. Everywhere else it is found anew for each choice.

use super::Session;
use super::choice::{Eligible, bandwidth};
use crate::controller::Upcoming;
use crate::presentation::{Presentation, RepresentationKey};
use crate::segments::{Segment, SegmentRuns};
use crate::track::{Cursor, Lookup, Track, lookup};

/// Sizes are tabled for at most this many segments.
const MOST_TABLED: u64 = 10_000;

/// The ladders of the tracks, by their place.
#[derive(Debug, Default)]
pub(super) struct Ladders {
    places: [Option<Box<Ladder>>; 2],
    /// Whether some index is still to be fetched; not looked at yet when `None`.
    pub(super) some_pending: Option<bool>,
}

impl Ladders {
    /// What can be decrypted has changed.
    pub(super) fn forget(&mut self) {
        self.places = Default::default();
    }
}

/// The user's wishes and what else filters representations.
type Filters = (Option<u32>, u32, u32, u64, Option<(u32, u32)>);

/// See the module.
#[derive(Debug)]
pub(super) struct Ladder {
    period: u32,
    adaptation_set: u32,
    filters: Filters,
    pub(super) eligible: Eligible,
    pub(super) rungs: Vec<u64>,
    pub(super) table: Option<SizeTable>,
    /// The segment at a cursor in the representation used last.
    here: Option<(Cursor, RepresentationKey, Segment)>,
}

/// Segments of representations that are cut at the same times.
#[derive(Debug)]
pub(super) struct SizeTable {
    pub(super) upcoming: Vec<Upcoming>,
    /// Bits of each segment in each eligible representation, row after row, each at least 1.
    pub(super) bits: Vec<u64>,
}

impl Session {
    fn filters(&self) -> Filters {
        let config = &self.config;
        (config.lock_height, config.min_height, config.max_height, config.buffer_bytes, self.surface)
    }

    /// Whether what is known of a track's representations can only change by facts of which
    /// [`handle`](Session::handle) takes notice here.
    fn is_settled(&self, track: &Track) -> bool {
        let settled = |presentation: &Presentation| !presentation.dynamic;
        self.excluded.is_empty()
            && track.troubles.is_empty()
            && self.presentation.as_ref().is_some_and(settled)
    }

    /// The ladder of a track, if it is kept and right.
    pub(super) fn kept_ladder(&self, place: usize) -> Option<&Ladder> {
        let ladder = self.ladders.places.get(place)?.as_deref()?;
        let track = &self.tracks[place];
        let valid = (ladder.period, Some(ladder.adaptation_set))
            == (track.cursor.period, track.set(track.cursor.period))
            && self.is_settled(track)
            && ladder.filters == self.filters();
        valid.then_some(ladder)
    }

    /// Makes the ladder of a track if it may be kept and is not.
    pub(super) fn keep_ladder(&mut self, place: usize) {
        if place < self.ladders.places.len() && self.kept_ladder(place).is_none() {
            self.ladders.places[place] = self.make_ladder(&self.tracks[place]).map(Box::new);
        }
    }

    /// Takes out the ladder of a track; it must have been made right before.
    pub(super) fn take_ladder(&mut self, place: usize) -> Option<Box<Ladder>> {
        self.ladders.places.get_mut(place)?.take()
    }

    /// Puts the ladder of a track back.
    pub(super) fn put_ladder(&mut self, place: usize, ladder: Option<Box<Ladder>>) {
        if let Some(free) = self.ladders.places.get_mut(place) {
            *free = ladder;
        }
    }

    fn make_ladder(&self, track: &Track) -> Option<Ladder> {
        let presentation = self.presentation.as_ref().filter(|_| self.is_settled(track))?;
        let period = track.cursor.period;
        let adaptation_set = track.set(period)?;
        let all = self.usable(track, period);
        let runs = |key: RepresentationKey| presentation.representation(key)?.index.known();
        if !all.iter().all(|key| runs(*key).is_some_and(|runs| runs.complete)) {
            return None;
        }
        let eligible = self.eligible(track, period);
        let rungs: Vec<u64> = eligible.keys.iter().map(|key| bandwidth(presentation, *key)).collect();
        // The byte budget filters by the length of a segment; here it must not matter.
        let lengths = presentation.representations().filter_map(|(_, r)| r.index.known());
        let lengths =
            lengths.flat_map(|runs| runs.runs.iter().map(|run| ceil_millis(run.duration, runs.timescale)));
        let longest = lengths.max()?.max(super::choice::USUAL_LENGTH.as_millis());
        let highest = all.iter().map(|key| bandwidth(presentation, *key)).max()?;
        if !super::choice::fits(highest, longest, self.config.buffer_bytes) {
            return None;
        }
        let table = SizeTable::new(presentation, &eligible.keys);
        let filters = self.filters();
        Some(Ladder { period, adaptation_set, filters, eligible, rungs, table, here: None })
    }

    /// Notes the segment at a track's cursor.
    pub(super) fn note_here(&mut self, place: usize, found: (RepresentationKey, Segment)) {
        let cursor = self.tracks[place].cursor;
        if let Some(ladder) = self.ladders.places.get_mut(place).and_then(Option::as_deref_mut) {
            ladder.here = Some((cursor, found.0, found.1));
        }
    }

    /// The segment at a track's cursor in the representation used last, if it was noted.
    pub(super) fn noted_here(&self, place: usize) -> Option<(RepresentationKey, Segment)> {
        let track = &self.tracks[place];
        let (cursor, key, segment) = self.ladders.places.get(place)?.as_deref()?.here?;
        (cursor == track.cursor && track.last == Some(key)).then_some((key, segment))
    }

    /// The segment of a representation at a track's cursor.
    pub(super) fn segment_at(
        &self,
        presentation: &Presentation,
        place: usize,
        key: RepresentationKey,
    ) -> Lookup {
        let cursor = &self.tracks[place].cursor;
        if let Some(ladder) = self.kept_ladder(place)
            && let Some(row) = ladder.place_of(cursor, self.tracks[place].last)
            && let Some((_, _, segment)) = ladder.here
            && ladder.eligible.keys.contains(&key)
        {
            let sizes =
                presentation.representation(key).and_then(|r| r.index.known()).map(|runs| &runs.sizes);
            return Lookup::Segment(Segment {
                size: sizes.and_then(|sizes| sizes.get(row).copied()),
                ..segment
            });
        }
        lookup(presentation, key, cursor)
    }
}

/// Whole milliseconds, rounded up.
fn ceil_millis(ticks: u64, timescale: u32) -> u128 {
    (u128::from(ticks) * 1000).div_ceil(u128::from(timescale.max(1)))
}

impl Ladder {
    /// The place in the table of the segment at a cursor, if it was noted and is the same in all
    /// representations: all are cut alike, so what begins at the cursor is.
    pub(super) fn place_of(&self, cursor: &Cursor, last: Option<RepresentationKey>) -> Option<usize> {
        let (noted, key, segment) = self.here.as_ref()?;
        let table = self.table.as_ref()?;
        let same = noted == cursor && last == Some(*key) && segment.start == cursor.time;
        usize::try_from(segment.position).ok().filter(|place| same && *place < table.upcoming.len())
    }
}

impl SizeTable {
    /// A table, if all representations are cut at the same times and state all sizes.
    fn new(presentation: &Presentation, keys: &[RepresentationKey]) -> Option<Self> {
        let all = keys.iter().map(|key| presentation.representation(*key)?.index.known());
        let all: Vec<&SegmentRuns> = all.collect::<Option<_>>()?;
        let first = *all.first()?;
        let count = Some(first.len()).filter(|count| *count <= MOST_TABLED)?;
        let alike = |runs: &&SegmentRuns| {
            runs.timescale == first.timescale
                && runs.offset_ticks == first.offset_ticks
                && runs.runs == first.runs
                && runs.sizes.len() as u64 >= count
        };
        if !all.iter().all(alike) {
            return None;
        }
        let count = usize::try_from(count).ok()?;
        let mut bits = Vec::with_capacity(count * keys.len());
        for place in 0..count {
            bits.extend(all.iter().map(|runs| runs.sizes[place].saturating_mul(8).max(1)));
        }
        let upcoming = first.iter().map(|segment| Upcoming { duration: segment.duration() }).collect();
        Some(Self { upcoming, bits })
    }
}
