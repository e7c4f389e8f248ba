//! `SegmentTimeline`, kept run-length: neither 50,000 equal `S` elements nor `r="2147483647"` cost more than
//! one run.

/// A `SegmentTimeline` (ISO/IEC 23009-1, 5.3.9.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Runs in ascending start.
    pub runs: Vec<TimelineRun>,
    /// `S@k` where it is more than one: segments of one sequence.
    pub sequence: u64,
    /// Number of `S` elements that were left out as contradictory.
    pub refused: u64,
}

/// Segments of equal duration, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelineRun {
    /// Start of the first in ticks.
    pub start: u64,
    /// Ticks, more than zero.
    pub duration: u64,
    /// How many; `None` until the end of the period (`r="-1"`).
    pub count: Option<u64>,
    /// Number of the first, from `S@n`, or counted from the last `S@n`.
    pub number: Number,
}

/// How a run is numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// So many segments after `@startNumber`.
    After(u64),
    /// `S@n`, or counted from it.
    Exactly(u64),
}

impl Number {
    /// The number of a segment `count` later.
    fn plus(self, count: u64) -> Self {
        match self {
            Self::After(number) => Self::After(number.saturating_add(count)),
            Self::Exactly(number) => Self::Exactly(number.saturating_add(count)),
        }
    }

    /// The number, given `@startNumber`.
    pub fn resolve(self, start_number: u64) -> u64 {
        match self {
            Self::After(number) => start_number.saturating_add(number),
            Self::Exactly(number) => number,
        }
    }
}

/// One `S` element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// `@t`.
    pub start: Option<u64>,
    /// `@n`.
    pub number: Option<u64>,
    /// `@d`.
    pub duration: u64,
    /// `@r`.
    pub repeat: i64,
    /// `@k`.
    pub sequence: Option<u64>,
}

impl Timeline {
    /// Takes in the next `S`. One that contradicts the specification or what stands before it is left out and
    /// counted in [`refused`](Self::refused).
    pub fn push(&mut self, entry: Entry) {
        if self.add(entry).is_none() {
            self.refused += 1;
        }
    }

    fn add(&mut self, entry: Entry) -> Option<()> {
        // Media times beyond i64 cannot be placed on a timeline.
        const LAST: u64 = i64::MAX as u64;
        if entry.duration == 0 || entry.duration > LAST || entry.repeat < -1 {
            return None;
        }
        let sequence = entry.sequence.unwrap_or(1).max(1);
        if self.runs.is_empty() {
            self.sequence = sequence;
        } else if self.sequence != sequence {
            return None;
        }
        let (mut start, mut number) = (0, Number::After(0));
        if let Some(last) = self.runs.last_mut() {
            let end = match (last.count, entry.start) {
                (Some(count), _) => last.duration.checked_mul(count)?.checked_add(last.start)?,
                // An open run ends where the next element says it starts.
                (None, Some(next)) if next > last.start => {
                    last.count = Some((next - last.start).div_ceil(last.duration));
                    next
                }
                (None, _) => return None,
            };
            let count = last.count?;
            if entry.start.is_some_and(|start| start <= last.start + last.duration * (count - 1)) {
                return None;
            }
            (start, number) = (end, last.number.plus(count));
        }
        let start = entry.start.unwrap_or(start);
        if let Some(explicit) = entry.number {
            number = Number::Exactly(explicit);
        }
        let room = LAST.checked_sub(start)? / entry.duration;
        if room == 0 {
            return None;
        }
        let count = match entry.repeat {
            -1 => None,
            repeat => Some(u64::try_from(repeat).ok()?.saturating_add(1).min(room)),
        };
        match self.runs.last_mut() {
            Some(last)
                if last.duration == entry.duration
                    && count.is_some()
                    && last.count.is_some_and(|known| {
                        last.start + last.duration * known == start && last.number.plus(known) == number
                    }) =>
            {
                last.count = last.count.zip(count).map(|(known, more)| known.saturating_add(more));
            }
            _ => self.runs.push(TimelineRun { start, duration: entry.duration, count, number }),
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(start: Option<u64>, duration: u64, repeat: i64) -> Entry {
        Entry { start, duration, repeat, ..Entry::default() }
    }

    #[test]
    fn equal_elements_share_a_run() {
        let mut timeline = Timeline::default();
        for entry in [s(Some(5), 10, 0), s(None, 10, 2), s(Some(45), 10, 0), s(None, 4, 0), s(Some(70), 4, 0)]
        {
            timeline.push(entry);
        }
        let runs: Vec<_> = timeline.runs.iter().map(|run| (run.start, run.duration, run.count)).collect();
        assert_eq!(runs, [(5, 10, Some(5)), (55, 4, Some(1)), (70, 4, Some(1))]);
        assert_eq!(timeline.runs[2].number.resolve(100), 106);
    }

    #[test]
    fn an_open_run_ends_at_the_next() {
        let mut timeline = Timeline::default();
        timeline.push(s(Some(0), 10, -1));
        timeline.push(s(Some(95), 10, -1));
        assert_eq!(timeline.runs[0].count, Some(10));
        assert_eq!(timeline.runs[1].count, None);
        timeline.push(s(None, 10, 0));
        assert_eq!(timeline.refused, 1, "nothing can follow an open run without saying where");
    }

    #[test]
    fn contradictions_are_left_out() {
        let mut timeline = Timeline::default();
        timeline.push(s(Some(0), 10, 3));
        for bad in [s(Some(20), 10, 0), s(None, 0, 0), s(None, 10, -5), s(Some(u64::MAX), 10, 0)] {
            timeline.push(bad);
        }
        assert_eq!((timeline.runs.len(), timeline.refused), (1, 4));
        timeline.push(s(Some(50), 10, i64::MAX));
        assert!(timeline.runs[1].count.unwrap() <= i64::MAX as u64 / 10);
    }

    proptest::proptest! {
        #[test]
        fn runs_never_overflow(entries in proptest::collection::vec(
            (proptest::option::of(0u64..), proptest::option::of(0u64..), 0u64.., -3i64..), 0..20)) {
            let mut timeline = Timeline::default();
            for (start, number, duration, repeat) in entries {
                timeline.push(Entry { start, number, duration, repeat, sequence: None });
            }
            for run in &timeline.runs {
                let span = run.duration.checked_mul(run.count.unwrap_or(1)).and_then(|span| span.checked_add(run.start));
                proptest::prop_assert!(span.is_some_and(|end| end <= i64::MAX as u64));
            }
        }
    }
}
