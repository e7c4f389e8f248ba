//! Where the segments of a representation lie in time, kept run-length encoded.
//!
//! Arithmetic stays in timescale ticks and is converted to [`MediaTime`] once, at the edge. 50,000 equal
//! segments cost one [`Run`].

use crate::time::MediaTime;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The segments of one representation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SegmentIndex {
    /// Not fetched yet (an HLS media playlist, a `sidx` box): ask for it with
    /// [`Resource::Index`](crate::protocol::Resource::Index).
    #[default]
    Pending,
    /// Known.
    Known(SegmentRuns),
}

impl SegmentIndex {
    /// The runs, when known.
    pub fn known(&self) -> Option<&SegmentRuns> {
        match self {
            Self::Pending => None,
            Self::Known(runs) => Some(runs),
        }
    }
}

/// Segments as runs of equal duration, in ascending time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SegmentRuns {
    /// Ticks per second; never zero.
    pub timescale: u32,
    /// Added to a segment's start in ticks to get presentation time in ticks
    /// (`Period@start − presentationTimeOffset` in DASH, zero in HLS).
    pub offset_ticks: i64,
    /// Runs in ascending start and number.
    pub runs: Vec<Run>,
    /// Exact sizes in bytes of the first segments, in order, where the index states them; may be shorter
    /// than the list of segments or empty.
    pub sizes: Vec<u64>,
    /// Whether no further segment will ever be added.
    pub complete: bool,
    /// From when on segments can be had.
    #[serde(default)]
    pub availability: Availability,
}

/// From when on segments can be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// When they are in the index.
    #[default]
    Listed,
    /// So long before the live edge passes their end (`@availabilityTimeOffset`; ISO/IEC 23009-1, 5.3.9.5):
    /// the index follows from a template and names segments that do not exist yet.
    Early(Duration),
}

/// The place of a run in the segment that it belongs to, when it is made of parts (`EXT-X-PART`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Counts from zero in each segment.
    pub index: u32,
    /// Whether it can be decoded without the parts before it.
    pub independent: bool,
    /// Whether it does not exist yet (`EXT-X-PRELOAD-HINT`): a request for it waits at the server.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hint: bool,
}

/// `count` segments of `duration` ticks one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Number of the first segment (`$Number$`, media sequence number).
    pub number: u64,
    /// Start of the first segment in media ticks, before [`SegmentRuns::offset_ticks`].
    pub start: i64,
    /// Ticks per segment, more than zero.
    pub duration: u64,
    /// How many, more than zero.
    pub count: u64,
    /// Changes where media time is mapped anew onto the timeline (HLS discontinuity sequence; 0 in DASH).
    pub discontinuity: u64,
    /// Which initialization segment of the representation goes before these segments, if one does.
    pub init: Option<u32>,
    /// Whether these segments are known to be missing (`EXT-X-GAP`).
    pub gap: bool,
    /// Set where the run holds the parts of segment [`number`](Self::number) from this one on, rather than
    /// segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

/// One segment, looked up in a [`SegmentRuns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Position in the index, from zero.
    pub position: u64,
    /// Number as the manifest counts.
    pub number: u64,
    /// Start in media ticks (`$Time$`).
    pub time: i64,
    /// Start on the presentation timeline.
    pub start: MediaTime,
    /// End on the presentation timeline.
    pub end: MediaTime,
    /// Exact size in bytes when the index states it.
    pub size: Option<u64>,
    /// See [`Run::discontinuity`].
    pub discontinuity: u64,
    /// See [`Run::init`].
    pub init: Option<u32>,
    /// See [`Run::gap`].
    pub gap: bool,
    /// Which part of the segment it is, when it is not a whole one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

impl Segment {
    /// Length on the presentation timeline.
    pub fn duration(&self) -> Duration {
        self.end.since(self.start)
    }
}

impl SegmentRuns {
    /// How many segments there are.
    pub fn len(&self) -> u64 {
        self.runs.iter().fold(0u64, |sum, run| sum.saturating_add(run.count))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The segment at `position`, counted from zero.
    pub fn get(&self, position: u64) -> Option<Segment> {
        let mut before = 0u64;
        for run in &self.runs {
            let after = before.saturating_add(run.count);
            if position < after {
                return Some(self.segment(run, position, position - before));
            }
            before = after;
        }
        None
    }

    /// The segment that covers `time`; the next one when `time` lies in a hole or before the first; `None`
    /// after the last.
    pub fn at(&self, time: MediaTime) -> Option<Segment> {
        let mut before = 0u64;
        for run in &self.runs {
            let last = self.segment(run, before.saturating_add(run.count - 1), run.count - 1);
            if time < last.end {
                let first = self.segment(run, before, 0);
                if time <= first.start || run.duration == 0 {
                    return Some(first);
                }
                let ticks = i128::from(time.as_nanos()) * i128::from(self.timescale) / 1_000_000_000
                    - i128::from(self.offset_ticks)
                    - i128::from(run.start);
                let guess = (ticks / i128::from(run.duration)).clamp(0, i128::from(run.count - 1)) as u64;
                // Rounding of ticks to nanoseconds can put the guess one off, in either direction.
                for step in guess.saturating_sub(1)..=(guess + 1).min(run.count - 1) {
                    let segment = self.segment(run, before + step, step);
                    if time < segment.end {
                        return Some(segment);
                    }
                }
                return Some(last);
            }
            before = before.saturating_add(run.count);
        }
        None
    }

    /// The first and last segments' outer bounds.
    pub fn span(&self) -> Option<(MediaTime, MediaTime)> {
        let first = self.get(0)?;
        let last = self.get(self.len() - 1)?;
        Some((first.start, last.end))
    }

    /// End of the last segment or part that exists.
    pub fn listed_end(&self) -> Option<MediaTime> {
        let last = self.get(self.len().checked_sub(1)?)?;
        Some(if last.part.is_some_and(|part| part.hint) { last.start } else { last.end })
    }

    /// All segments in order. Lazy: a run is never expanded.
    pub fn iter(&self) -> impl Iterator<Item = Segment> + '_ {
        let mut before = 0u64;
        self.runs.iter().flat_map(move |run| {
            let base = before;
            before = before.saturating_add(run.count);
            (0..run.count).map(move |step| self.segment(run, base + step, step))
        })
    }

    fn segment(&self, run: &Run, position: u64, step: u64) -> Segment {
        let start =
            i128::from(run.start).saturating_add(i128::from(run.duration).saturating_mul(i128::from(step)));
        let at = |ticks: i128| {
            let ticks = ticks.saturating_add(i128::from(self.offset_ticks));
            let ticks = ticks.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
            MediaTime::from_ticks(ticks, self.timescale)
        };
        Segment {
            position,
            number: if run.part.is_some() { run.number } else { run.number.saturating_add(step) },
            time: start.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64,
            start: at(start),
            end: at(start.saturating_add(i128::from(run.duration))),
            size: usize::try_from(position).ok().and_then(|p| self.sizes.get(p).copied()),
            discontinuity: run.discontinuity,
            init: run.init,
            gap: run.gap,
            part: run.part.map(|part| Part {
                index: part.index.saturating_add(u32::try_from(step).unwrap_or(u32::MAX)),
                independent: part.independent,
                hint: part.hint,
            }),
        }
    }

    /// Where `segment` of an earlier state of this index is now; `None` when it has left the index.
    pub fn position_of(&self, segment: &Segment) -> Option<u64> {
        let half = segment.duration() / 2;
        let found = self.at(segment.start + half)?;
        let apart = found.start.since(segment.start).max(segment.start.since(found.start));
        (apart <= half / 2 && found.part.is_some() == segment.part.is_some()).then_some(found.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> SegmentRuns {
        let run = |number, start, duration, count| Run {
            number,
            start,
            duration,
            count,
            discontinuity: 0,
            init: None,
            gap: false,
            part: None,
        };
        SegmentRuns {
            timescale: 3,
            offset_ticks: -30,
            runs: vec![run(1, 30, 6, 2), run(3, 42, 4, 3), run(6, 60, 3, 1)],
            sizes: vec![100, 200],
            complete: true,
            availability: Availability::Listed,
        }
    }

    #[test]
    fn segments_are_found_by_position_and_time() {
        let index = index();
        assert_eq!(index.len(), 6);
        let third = index.get(2).unwrap();
        assert_eq!((third.number, third.time, third.start), (3, 42, MediaTime::from_millis(4000)));
        assert_eq!(index.get(1).unwrap().size, Some(200));
        assert_eq!(third.size, None);
        for segment in index.iter() {
            assert_eq!(index.at(segment.start), Some(segment));
            assert_eq!(index.at(segment.end - Duration::from_nanos(1)), Some(segment));
        }
        assert_eq!(index.at(MediaTime::from_millis(-5)).unwrap().number, 1);
        assert_eq!(index.at(MediaTime::from_millis(9000)).unwrap().number, 6, "a hole leads to the next");
        assert_eq!(index.at(MediaTime::from_millis(11_000)), None);
        assert_eq!(index.iter().count(), 6);
    }

    #[test]
    fn absurd_runs_do_not_overflow() {
        let index = SegmentRuns {
            timescale: 1,
            offset_ticks: i64::MAX,
            runs: vec![Run {
                number: u64::MAX,
                start: i64::MAX,
                duration: u64::MAX,
                count: u64::MAX,
                discontinuity: 0,
                init: None,
                gap: false,
                part: None,
            }],
            sizes: vec![],
            complete: true,
            availability: Availability::Listed,
        };
        assert!(index.get(u64::MAX - 1).is_some());
        assert!(index.at(MediaTime::ZERO).is_some());
    }
}
