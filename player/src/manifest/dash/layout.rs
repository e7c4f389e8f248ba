//! Where the segments of a representation lie in time, and which way their addresses are found.

use super::inherit::Effective;
use super::mpd::{SegmentInfo, UrlRange};
use super::source::{Init, Media};
use super::timeline::TimelineRun;
use crate::manifest::ByteRange;
use abr::segments::{Availability, Run, SegmentIndex, SegmentRuns};

/// Nanoseconds per second.
const SECOND: u128 = 1_000_000_000;

/// A period as one representation sees it, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: u64,
    /// Where its segments end.
    pub(super) end: Option<u64>,
    pub(super) dynamic: bool,
}

/// Where the segments of a representation lie and how they are found.
pub(super) struct Layout {
    pub(super) init: Init,
    pub(super) media: Media,
    pub(super) scale: Scale,
    /// The segments, or why they cannot be used.
    pub(super) index: Result<SegmentIndex, String>,
}

impl Layout {
    /// The layout that `effective` segment information describes.
    pub(super) fn of(effective: Effective, span: Span) -> Self {
        match effective {
            Effective::Template(info) => Self::template(&info, span),
            Effective::List(info) => Self::list(&info, span),
            Effective::Base(info) => Self::base(&info, span),
            Effective::Nothing => Self::base(&SegmentInfo::default(), span),
        }
    }

    fn template(info: &SegmentInfo, span: Span) -> Self {
        let init = match (&info.initialization_template, &info.initialization) {
            (Some(template), _) => Init::Template(template.clone()),
            (None, Some(range)) => Init::Range(range.clone()),
            (None, None) => Init::Nothing,
        };
        let scale = Scale::of(info, span);
        let sequence = info.timeline.as_ref().map_or(1, |timeline| timeline.sequence.max(1));
        let known = match (&scale, &info.media) {
            (Err(what), _) => Err(what.clone()),
            (Ok(_), None) => Err("SegmentTemplate@media is missing".to_owned()),
            (Ok(scale), Some(_)) => scale.runs(info, &init, None),
        };
        // What a template names exists when the clock says so; what a timeline lists does already.
        let open = info.timeline.as_ref().is_none_or(|t| t.runs.iter().any(|run| run.count.is_none()));
        let known = known.map(|mut runs| {
            if span.dynamic && open {
                runs.availability = Availability::Early(info.availability_time_offset.unwrap_or_default());
            }
            runs
        });
        let media = Media::Template { media: info.media.clone().unwrap_or_default(), sequence };
        Self { init, media, scale: scale.unwrap_or_default(), index: known.map(SegmentIndex::Known) }
    }

    fn list(info: &SegmentInfo, span: Span) -> Self {
        let init = info.initialization.clone().map_or(Init::Nothing, Init::Range);
        let scale = Scale::of(info, span);
        let urls = info.segment_urls.clone().unwrap_or_default();
        let known = match &scale {
            Err(what) => Err(what.clone()),
            Ok(_) if urls.is_empty() => Err("SegmentList has no SegmentURL".to_owned()),
            Ok(scale) => scale.runs(info, &init, Some(urls.len() as u64)),
        };
        let known = known.map(|mut runs| {
            if urls.iter().all(|url| url.range.is_some()) {
                runs.sizes = urls.iter().filter_map(|url| url.range?.len()).collect();
            }
            SegmentIndex::Known(runs)
        });
        let media = Media::List { urls, first_number: info.start_number.unwrap_or(1) };
        Self { init, media, scale: scale.unwrap_or_default(), index: known }
    }

    fn base(info: &SegmentInfo, span: Span) -> Self {
        let scale = Scale::of(info, span);
        let index = match (&info.representation_index, info.index_range) {
            (Some(index), range) => Some(UrlRange { range: index.range.or(range), ..index.clone() }),
            (None, Some(range)) => Some(UrlRange { source_url: None, range: Some(range) }),
            (None, None) => None,
        };
        let own =
            info.initialization.clone().filter(|init| init.range.is_some() || init.source_url.is_some());
        if let Some(index) = index {
            // Without an Initialization element everything before the index initializes.
            let before = info.index_range.filter(|range| range.start > 0).map(|range| UrlRange {
                source_url: None,
                range: Some(ByteRange { start: 0, end: Some(range.start) }),
            });
            return Self {
                init: own.or(before).map_or(Init::Nothing, Init::Range),
                media: Media::Indexed { index, ranges: Vec::new(), span },
                index: scale.as_ref().map(|_| SegmentIndex::Pending).map_err(Clone::clone),
                scale: scale.unwrap_or_default(),
            };
        }
        let init = own.map_or(Init::Nothing, Init::Range);
        let known = scale.as_ref().map_err(Clone::clone).and_then(|scale| {
            let end = scale.end.ok_or("it has neither segments nor a duration")?;
            let duration = u64::try_from(end - scale.start).ok().filter(|duration| *duration > 0);
            let duration = duration.ok_or("it has no duration")?;
            Ok(scale.index(vec![scale.run(1, scale.start, duration, 1, &init)]))
        });
        Self {
            init,
            media: Media::File,
            scale: scale.unwrap_or_default(),
            index: known.map(SegmentIndex::Known),
        }
    }
}

fn has(init: &Init) -> Option<u32> {
    match init {
        Init::Nothing => None,
        Init::Template(_) | Init::Range(_) => Some(0),
    }
}

/// A period in ticks of one representation.
///
/// The ticks are those of `@timescale`, or a whole fraction of them where the period's bounds fall between
/// two (a subtitle track with whole seconds in a period that starts at 101.5 s).
#[derive(Clone, Debug)]
pub(super) struct Scale {
    /// Ticks per second.
    pub(super) timescale: u32,
    /// Ticks per tick of the manifest.
    pub(super) factor: u64,
    /// Presentation time less media time.
    pub(super) offset: i64,
    /// Media time of the period's start (`@presentationTimeOffset`).
    pub(super) start: i64,
    /// Media time of the period's end.
    end: Option<i64>,
    dynamic: bool,
}

impl Default for Scale {
    fn default() -> Self {
        Self { timescale: 1, factor: 1, offset: 0, start: 0, end: None, dynamic: false }
    }
}

impl Scale {
    fn of(info: &SegmentInfo, span: Span) -> Result<Self, String> {
        if let Some(invalid) = &info.invalid {
            return Err(invalid.clone());
        }
        let stated = u32::try_from(info.timescale.unwrap_or(1)).ok().filter(|timescale| *timescale > 0);
        let stated = stated.ok_or("@timescale is zero or too large")?;
        let factor = [Some(span.start), span.end].into_iter().flatten().fold(1, |factor, nanos| {
            let rest = gcd(u128::from(nanos) * u128::from(stated), SECOND);
            let needed = SECOND / rest;
            factor / gcd(factor, needed) * needed
        });
        let factor = if factor * u128::from(stated) <= u128::from(u32::MAX) {
            factor
        } else {
            // Not exactly, then: to a nanosecond.
            (SECOND / u128::from(stated)).max(1)
        };
        let large = || "a time is beyond 2^63 ticks".to_owned();
        let factor = u32::try_from(factor).map_err(|_| large())?;
        let timescale = stated.checked_mul(factor).ok_or_else(large)?;
        let start = info.presentation_time_offset.unwrap_or(0);
        let start = start.checked_mul(i64::from(factor)).ok_or_else(large)?;
        let ticks = |nanos: u64| {
            let ticks = (u128::from(nanos) * u128::from(timescale) + SECOND / 2) / SECOND;
            i64::try_from(ticks).map_err(|_| large())
        };
        let offset = ticks(span.start)?.checked_sub(start).ok_or_else(large)?;
        let end = match span.end {
            Some(end) => Some(ticks(end)?.checked_sub(offset).ok_or_else(large)?),
            None => None,
        };
        Ok(Self { timescale, factor: factor.into(), offset, start, end, dynamic: span.dynamic })
    }

    /// Media time of the period's end in nanoseconds, where it is known.
    pub(super) fn end_nanos(&self) -> Option<i64> {
        let nanos = i128::from(self.end?) * 1_000_000_000 / i128::from(self.timescale.max(1));
        i64::try_from(nanos).ok()
    }

    fn index(&self, runs: Vec<Run>) -> SegmentRuns {
        SegmentRuns {
            timescale: self.timescale,
            offset_ticks: self.offset,
            runs,
            sizes: Vec::new(),
            complete: !self.dynamic,
            availability: Default::default(),
        }
    }

    /// The runs of a template, or of a list of `listed` segments, as the manifest has them: they may reach
    /// beyond the period.
    fn runs(&self, info: &SegmentInfo, init: &Init, listed: Option<u64>) -> Result<SegmentRuns, String> {
        let start_number = info.start_number.unwrap_or(1);
        let numbered =
            info.end_number.map(|end| end.checked_sub(start_number).map_or(0, |n| n.saturating_add(1)));
        let most = [numbered, listed].into_iter().flatten().min();
        let large = || "a time is beyond 2^63 ticks".to_owned();
        let mut runs = Vec::new();
        match (&info.timeline, info.duration) {
            (Some(timeline), _) => {
                runs.reserve_exact(timeline.runs.len());
                for run in &timeline.runs {
                    self.timeline_run(run, start_number, timeline.sequence.max(1), init, &mut runs)?;
                }
            }
            (None, Some(0)) => return Err("@duration is zero".to_owned()),
            (None, Some(duration)) => {
                let duration = duration.checked_mul(self.factor).ok_or_else(large)?;
                if self.end.is_none() && most.is_none() && !self.dynamic {
                    return Err("the number of its segments is not known".to_owned());
                }
                let early = info.ept_delta.unwrap_or(0).checked_mul(i64::try_from(self.factor).unwrap_or(1));
                let start = early.and_then(|early| self.start.checked_add(early)).ok_or_else(large)?;
                self.fill(start_number, start, duration, init, &mut runs);
            }
            // One segment lasts as long as the period.
            (None, None) => match self.end.map(|end| u64::try_from(end - self.start)) {
                Some(Ok(duration)) if duration > 0 && most.unwrap_or(1) == 1 => {
                    runs.push(self.run(start_number, self.start, duration, 1, init));
                }
                _ => return Err("the duration of its segments is not known".to_owned()),
            },
        }
        let mut left = most.unwrap_or(u64::MAX);
        for run in &mut runs {
            let room = (i64::MAX as u64).saturating_sub(u64::try_from(run.start).unwrap_or(0)) / run.duration;
            run.count = run.count.min(left).min(room.max(1));
            left -= run.count;
        }
        runs.retain(|run| run.count > 0);
        if runs.is_empty() && !self.dynamic {
            return Err("it has no segment".to_owned());
        }
        Ok(self.index(runs))
    }

    fn run(&self, number: u64, start: i64, duration: u64, count: u64, init: &Init) -> Run {
        Run { number, start, duration, count, discontinuity: 0, init: has(init), gap: false, part: None }
    }

    /// Segments of `duration` from `start` to the end of the period, the last one shorter if need be; without
    /// an end, as many as can be counted.
    fn fill(&self, number: u64, start: i64, duration: u64, init: &Init, runs: &mut Vec<Run>) {
        let Some(end) = self.end else {
            return runs.push(self.run(number, start, duration, u64::MAX, init));
        };
        let span = u64::try_from(i128::from(end) - i128::from(start)).unwrap_or(0);
        let (whole, rest) = (span / duration, span % duration);
        if whole > 0 {
            runs.push(self.run(number, start, duration, whole, init));
        }
        // A remainder below a tenth of a millisecond comes from rounding in the manifest.
        if rest > 0 && u128::from(rest) * 10_000 >= u128::from(self.timescale) {
            let start = i128::from(start) + i128::from(duration) * i128::from(whole);
            let start = i64::try_from(start).unwrap_or(i64::MAX);
            runs.push(self.run(number.saturating_add(whole), start, rest, 1, init));
        }
    }

    fn timeline_run(
        &self,
        run: &TimelineRun,
        start_number: u64,
        sequence: u64,
        init: &Init,
        runs: &mut Vec<Run>,
    ) -> Result<(), String> {
        let large = || "a time is beyond 2^63 ticks".to_owned();
        let start = run.start.checked_mul(self.factor).and_then(|start| i64::try_from(start).ok());
        let start = start.ok_or_else(large)?;
        let duration = run.duration.checked_mul(self.factor).ok_or_else(large)?;
        let number = run.number.resolve(start_number);
        if sequence == 1 {
            match run.count {
                Some(count) => runs.push(self.run(number, start, duration, count, init)),
                None => self.fill(number, start, duration, init, runs),
            }
            return Ok(());
        }
        // `S@k`: every segment is a sequence of k. They are kept one by one, with numbers spread by k.
        if !duration.is_multiple_of(sequence) {
            return Err("S@d is not a multiple of S@k".to_owned());
        }
        let spread = number.checked_mul(sequence).ok_or("a segment number is too large")?;
        match run.count {
            Some(count) => {
                runs.push(self.run(spread, start, duration / sequence, count.saturating_mul(sequence), init));
            }
            None => self.fill(spread, start, duration / sequence, init, runs),
        }
        Ok(())
    }
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

/// Leaves out the segments that lie wholly before or after their period: those that end at or before
/// `span.start`, or start at or after `span.end`.
pub(super) fn clip(runs: &mut SegmentRuns, span: Span) {
    let ticks = |nanos: u64| {
        let ticks = (u128::from(nanos) * u128::from(runs.timescale) + SECOND / 2) / SECOND;
        i128::try_from(ticks).unwrap_or(i128::MAX) - i128::from(runs.offset_ticks)
    };
    let (start, end) = (ticks(span.start), span.end.map_or(i128::MAX, ticks));
    let mut early = 0u64;
    for run in &mut runs.runs {
        let duration = i128::from(run.duration);
        let inside = (end - i128::from(run.start)).max(0);
        let count = inside / duration + i128::from(inside % duration > 0);
        run.count = run.count.min(u64::try_from(count).unwrap_or(u64::MAX));
        let before = u64::try_from((start - i128::from(run.start)).max(0) / duration).unwrap_or(u64::MAX);
        let before = before.min(run.count);
        if before > 0 {
            let first = i128::from(run.start) + duration * i128::from(before);
            run.start = i64::try_from(first).unwrap_or(i64::MAX);
            run.number = run.number.saturating_add(before);
            run.count -= before;
            early = early.saturating_add(before);
        }
    }
    runs.runs.retain(|run| run.count > 0);
    let early = usize::try_from(early).unwrap_or(usize::MAX).min(runs.sizes.len());
    runs.sizes.drain(..early);
    let left = usize::try_from(runs.len()).unwrap_or(usize::MAX);
    runs.sizes.truncate(left);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(timescale: u64, duration: u64) -> SegmentInfo {
        SegmentInfo { timescale: Some(timescale), duration: Some(duration), ..SegmentInfo::default() }
    }

    fn span(start: u64, end: u64) -> Span {
        Span { start, end: Some(end), dynamic: false }
    }

    #[test]
    fn a_period_between_two_ticks_is_placed_exactly() {
        let scale = Scale::of(&info(1, 10), span(101_568_367_000, 201_568_367_000)).unwrap();
        assert_eq!((scale.timescale, scale.factor), (1_000_000, 1_000_000));
        let runs = scale.runs(&info(1, 10), &Init::Nothing, None).unwrap();
        let first = runs.get(0).unwrap();
        assert_eq!(first.start.as_nanos(), 101_568_367_000);
        assert_eq!((runs.len(), first.duration().as_secs()), (10, 10));
    }

    #[test]
    fn a_duration_fills_the_period() {
        let scale = Scale::of(&info(1000, 4000), span(0, 10_400_000_000)).unwrap();
        let runs = scale.runs(&info(1000, 4000), &Init::Nothing, None).unwrap();
        let lengths: Vec<u128> = runs.iter().map(|segment| segment.duration().as_millis()).collect();
        assert_eq!(lengths, [4000, 4000, 2400]);
        let numbered = SegmentInfo { start_number: Some(5), end_number: Some(6), ..info(1000, 4000) };
        assert_eq!(scale.runs(&numbered, &Init::Nothing, None).unwrap().len(), 2);
    }

    #[test]
    fn what_lies_outside_is_left_out() {
        let scale = Scale::of(&info(1, 4), span(0, 36_000_000_000)).unwrap();
        let mut runs = scale.runs(&info(1, 4), &Init::Nothing, None).unwrap();
        runs.sizes = (0..9).collect();
        clip(&mut runs, span(9_000_000_000, 16_000_000_000));
        let kept: Vec<_> = runs.iter().map(|segment| (segment.number, segment.time, segment.size)).collect();
        assert_eq!(kept, [(3, 8, Some(2)), (4, 12, Some(3))]);
    }

    #[test]
    fn absurd_numbers_are_refused() {
        assert!(Scale::of(&info(0, 1), span(0, 1)).is_err());
        assert!(Scale::of(&info(u64::MAX, 1), span(0, 1)).is_err());
        let far = SegmentInfo { presentation_time_offset: Some(i64::MIN), ..info(1, 1) };
        assert!(Scale::of(&far, span(1, u64::MAX)).is_err());
        let scale = Scale::of(&info(1, u64::MAX), span(0, u64::MAX)).unwrap();
        assert!(scale.runs(&info(1, 1), &Init::Nothing, None).is_ok());
    }
}
