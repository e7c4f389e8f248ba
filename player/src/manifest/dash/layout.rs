//! Where the segments of a representation lie in time, and which way their addresses are found.

use super::inherit::Effective;
use super::mpd::{SegmentInfo, UrlRange};
use super::source::{Init, Media};
use crate::manifest::ByteRange;
use abr::segments::{Run, SegmentIndex, SegmentRuns};

/// A period as one representation sees it, in nanoseconds.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: Option<u64>,
    pub(super) dynamic: bool,
}

/// Where the segments of a representation lie and how they are found.
pub(super) struct Layout {
    pub(super) init: Init,
    pub(super) media: Media,
    pub(super) index: SegmentIndex,
    pub(super) offset_ticks: i64,
    pub(super) period_ticks: i64,
    pub(super) timescale: u32,
}

impl Layout {
    /// The layout that `effective` segment information describes.
    ///
    /// # Errors
    ///
    /// A text for people when it is contradictory or tells too little.
    pub(super) fn of(effective: Effective, span: Span) -> Result<Self, String> {
        match effective {
            Effective::Template(info) => Self::template(&info, span),
            Effective::List(info) => Self::list(&info, span),
            Effective::Base(info) => Self::base(&info, span),
            Effective::Nothing => Self::base(&SegmentInfo::default(), span),
        }
    }

    fn template(info: &SegmentInfo, span: Span) -> Result<Self, String> {
        let media = info.media.clone().ok_or("SegmentTemplate@media is missing")?;
        let init = match (&info.initialization_template, &info.initialization) {
            (Some(template), _) => Init::Template(template.clone()),
            (None, Some(range)) => Init::Range(range.clone()),
            (None, None) => Init::Nothing,
        };
        let scale = Scale::of(info, span)?;
        let sequence = info.timeline.as_ref().map_or(1, |timeline| timeline.sequence.max(1));
        let runs = scale.runs(info, &init, None)?;
        Ok(Self {
            init,
            media: Media::Template { media, sequence },
            offset_ticks: scale.offset,
            period_ticks: scale.start,
            timescale: scale.timescale,
            index: SegmentIndex::Known(runs),
        })
    }

    fn list(info: &SegmentInfo, span: Span) -> Result<Self, String> {
        let urls = info.segment_urls.clone().ok_or("SegmentList has no SegmentURL")?;
        let init = info.initialization.clone().map_or(Init::Nothing, Init::Range);
        let scale = Scale::of(info, span)?;
        let first_number = info.start_number.unwrap_or(1);
        let mut runs = scale.runs(info, &init, Some(urls.len() as u64))?;
        if urls.iter().all(|url| url.range.is_some()) {
            runs.sizes = urls.iter().filter_map(|url| url.range?.len()).collect();
        }
        Ok(Self {
            init,
            media: Media::List { urls, first_number },
            offset_ticks: scale.offset,
            period_ticks: scale.start,
            timescale: scale.timescale,
            index: SegmentIndex::Known(runs),
        })
    }

    fn base(info: &SegmentInfo, span: Span) -> Result<Self, String> {
        let scale = Scale::of(info, span)?;
        let index = match (&info.representation_index, info.index_range) {
            (Some(index), range) => Some(UrlRange { range: index.range.or(range), ..index.clone() }),
            (None, Some(range)) => Some(UrlRange { source_url: None, range: Some(range) }),
            (None, None) => None,
        };
        if let Some(index) = index {
            // Without an Initialization element everything before the index initializes.
            let before = info.index_range.filter(|range| range.start > 0).map(|range| UrlRange {
                source_url: None,
                range: Some(ByteRange { start: 0, end: Some(range.start) }),
            });
            let init = info.initialization.clone().or(before).map_or(Init::Nothing, Init::Range);
            let end_nanos = span.end.and_then(|end| i64::try_from(end).ok());
            return Ok(Self {
                init,
                media: Media::Indexed { index, bounds: Vec::new(), end_nanos },
                index: SegmentIndex::Pending,
                offset_ticks: scale.offset,
                period_ticks: scale.start,
                timescale: scale.timescale,
            });
        }
        let init =
            info.initialization.clone().filter(|init| init.range.is_some() || init.source_url.is_some());
        let init = init.map_or(Init::Nothing, Init::Range);
        let end = scale.end.ok_or("it has neither segments nor a duration")?;
        let duration =
            u64::try_from(end - scale.start).ok().filter(|d| *d > 0).ok_or("it has no duration")?;
        let run = Run {
            number: 1,
            start: scale.start,
            duration,
            count: 1,
            discontinuity: 0,
            init: has(&init),
            gap: false,
        };
        let runs = SegmentRuns {
            timescale: scale.timescale,
            offset_ticks: scale.offset,
            runs: vec![run],
            sizes: vec![],
            complete: true,
        };
        Ok(Self {
            init,
            media: Media::File,
            index: SegmentIndex::Known(runs),
            offset_ticks: scale.offset,
            period_ticks: scale.start,
            timescale: scale.timescale,
        })
    }
}

fn has(init: &Init) -> Option<u32> {
    match init {
        Init::Nothing => None,
        Init::Template(_) | Init::Range(_) => Some(0),
    }
}

/// A period in ticks of one representation.
struct Scale {
    timescale: u32,
    /// Presentation time less media time.
    offset: i64,
    /// Media time of the period's start (`@presentationTimeOffset`).
    start: i64,
    /// Media time of the period's end.
    end: Option<i64>,
    dynamic: bool,
}

impl Scale {
    fn of(info: &SegmentInfo, span: Span) -> Result<Self, String> {
        if let Some(invalid) = &info.invalid {
            return Err(invalid.clone());
        }
        let timescale = u32::try_from(info.timescale.unwrap_or(1)).ok().filter(|timescale| *timescale > 0);
        let timescale = timescale.ok_or("@timescale is zero or too large")?;
        let large = || "a time is beyond 2^63 ticks".to_owned();
        let start = i64::try_from(info.presentation_time_offset.unwrap_or(0)).map_err(|_| large())?;
        let ticks = |nanos: u64| {
            let ticks = (u128::from(nanos) * u128::from(timescale) + 500_000_000) / 1_000_000_000;
            i64::try_from(ticks).map_err(|_| large())
        };
        let offset = ticks(span.start)?.checked_sub(start).ok_or_else(large)?;
        let end = match span.end {
            Some(end) => Some(ticks(end)?.checked_sub(offset).ok_or_else(large)?),
            None => None,
        };
        Ok(Self { timescale, offset, start, end, dynamic: span.dynamic })
    }

    /// The runs of a template or a list of `listed` segments, cut at the end of the period.
    fn runs(&self, info: &SegmentInfo, init: &Init, listed: Option<u64>) -> Result<SegmentRuns, String> {
        let start_number = info.start_number.unwrap_or(1);
        let numbered = info
            .end_number
            .map(|end| end.checked_sub(start_number).map_or(0, |count| count.saturating_add(1)));
        let most = match (numbered, listed) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let mut runs = match (&info.timeline, info.duration) {
            (Some(timeline), _) => {
                let sequence = timeline.sequence.max(1);
                let mut runs = Vec::with_capacity(timeline.runs.len());
                for run in &timeline.runs {
                    self.timeline_run(run, start_number, sequence, init, &mut runs)?;
                }
                runs
            }
            (None, Some(0)) => return Err("@duration is zero".to_owned()),
            (None, Some(duration)) => {
                vec![self.run(start_number, self.start, duration, self.room(self.start, duration), init)]
            }
            // One listed segment lasts as long as the period.
            (None, None) => match (self.end.map(|end| u64::try_from(end - self.start)), most) {
                (Some(Ok(duration)), _) if duration > 0 && (most == Some(1) || listed.is_none()) => {
                    vec![self.run(start_number, self.start, duration, 1, init)]
                }
                _ => return Err("the duration of its segments is not known".to_owned()),
            },
        };
        if runs.iter().any(|run| run.count == u64::MAX) && most.is_none() && !self.dynamic {
            return Err("the number of its segments is not known".to_owned());
        }
        let mut left = most.unwrap_or(u64::MAX);
        for run in &mut runs {
            let room = (i64::MAX as u64).saturating_sub(u64::try_from(run.start).unwrap_or(0)) / run.duration;
            run.count = run.count.min(left).min(room.max(1));
            left -= run.count;
        }
        runs.retain(|run| run.count > 0);
        let mut runs = SegmentRuns {
            timescale: self.timescale,
            offset_ticks: self.offset,
            runs,
            sizes: Vec::new(),
            complete: !self.dynamic,
        };
        if let Some(end) = self.end {
            cut(&mut runs, end);
        }
        if runs.is_empty() && !self.dynamic {
            return Err("it has no segment inside its period".to_owned());
        }
        Ok(runs)
    }

    fn run(&self, number: u64, start: i64, duration: u64, count: u64, init: &Init) -> Run {
        Run { number, start, duration, count, discontinuity: 0, init: has(init), gap: false }
    }

    /// How many segments fit from `start` to the end of the period; `u64::MAX` when it has none.
    fn room(&self, start: i64, duration: u64) -> u64 {
        self.end.map_or(u64::MAX, |end| {
            u64::try_from(i128::from(end) - i128::from(start)).unwrap_or(0).div_ceil(duration)
        })
    }

    fn timeline_run(
        &self,
        run: &super::timeline::TimelineRun,
        start_number: u64,
        sequence: u64,
        init: &Init,
        runs: &mut Vec<Run>,
    ) -> Result<(), String> {
        let start = i64::try_from(run.start).map_err(|_| "a time is beyond 2^63 ticks")?;
        let count = run.count.unwrap_or_else(|| self.room(start, run.duration));
        if count == 0 {
            return Ok(());
        }
        let number = run.number.resolve(start_number);
        if sequence == 1 {
            runs.push(self.run(number, start, run.duration, count, init));
            return Ok(());
        }
        // `S@k`: every segment is a sequence of k. They are kept one by one, with numbers spread by k.
        if !run.duration.is_multiple_of(sequence) {
            return Err("S@d is not a multiple of S@k".to_owned());
        }
        let spread = number.checked_mul(sequence).ok_or("a segment number is too large")?;
        runs.push(self.run(spread, start, run.duration / sequence, count.saturating_mul(sequence), init));
        Ok(())
    }
}

/// Cuts `runs` at presentation time `end_nanos`.
pub(super) fn clip(runs: &mut SegmentRuns, end_nanos: i64) {
    let ticks = (i128::from(end_nanos) * i128::from(runs.timescale) + 500_000_000) / 1_000_000_000;
    let end = ticks - i128::from(runs.offset_ticks);
    cut(runs, end.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64);
}

/// Drops the segments that start at or after media time `end` and shortens one that passes it.
fn cut(runs: &mut SegmentRuns, end: i64) {
    let mut kept = Vec::with_capacity(runs.runs.len());
    for mut run in std::mem::take(&mut runs.runs) {
        let span = i128::from(end) - i128::from(run.start);
        if span <= 0 {
            break;
        }
        let duration = i128::from(run.duration);
        let whole = u64::try_from(span / duration).unwrap_or(u64::MAX);
        let rest = u64::try_from(span % duration).unwrap_or(0);
        if run.count <= whole {
            kept.push(run);
            continue;
        }
        let step = i64::try_from(i128::from(run.start) + duration * i128::from(whole)).unwrap_or(i64::MAX);
        let tail =
            Run { number: run.number.saturating_add(whole), start: step, duration: rest, count: 1, ..run };
        run.count = whole;
        kept.extend([run, tail].into_iter().filter(|run| run.count > 0 && run.duration > 0));
        break;
    }
    runs.runs = kept;
}
