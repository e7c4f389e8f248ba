//! What an element has itself or takes from the levels above it (ISO/IEC 23009-1, 5.3.7 and 5.3.9.2).

use super::mpd::{AdaptationSet, BaseUrl, Common, Levels, Period, Representation, SegmentInfo};
use crate::manifest::policy::Policy;
use url::Url;

/// Most interchangeable base addresses of one representation.
pub(super) const LOCATIONS: usize = 16;

/// Which kind of segment information holds for a representation.
#[derive(Clone, Debug)]
pub(super) enum Effective {
    /// `SegmentTemplate`.
    Template(SegmentInfo),
    /// `SegmentList`.
    List(SegmentInfo),
    /// `SegmentBase`.
    Base(SegmentInfo),
    /// None at any level: one self-initializing segment.
    Nothing,
}

/// The kind that the lowest level with any has, its attributes completed from the levels above.
pub(super) fn segments(period: &Levels, set: &Levels, representation: &Levels) -> Effective {
    let levels = [representation, set, period];
    let merge = |pick: fn(&Levels) -> Option<&SegmentInfo>| {
        let mut found = levels.iter().filter_map(|level| pick(level));
        let mut info = found.next().cloned().unwrap_or_default();
        found.for_each(|above| info.complete_from(above));
        // SegmentBase above a list or template lends its attributes to them.
        levels.iter().filter_map(|level| level.base.as_ref()).for_each(|base| info.complete_from(base));
        info
    };
    for level in levels {
        if level.template.is_some() {
            return Effective::Template(merge(|level| level.template.as_ref()));
        }
        if level.list.is_some() {
            return Effective::List(merge(|level| level.list.as_ref()));
        }
        if level.base.is_some() {
            return Effective::Base(merge(|level| level.base.as_ref()));
        }
    }
    Effective::Nothing
}

impl SegmentInfo {
    fn complete_from(&mut self, above: &Self) {
        fn fill<T: Clone>(target: &mut Option<T>, above: &Option<T>) {
            if target.is_none() {
                target.clone_from(above);
            }
        }
        fill(&mut self.timescale, &above.timescale);
        fill(&mut self.presentation_time_offset, &above.presentation_time_offset);
        fill(&mut self.index_range, &above.index_range);
        fill(&mut self.initialization, &above.initialization);
        fill(&mut self.representation_index, &above.representation_index);
        // One way of timing shadows the other.
        if self.timeline.is_none() && self.duration.is_none() {
            fill(&mut self.duration, &above.duration);
            fill(&mut self.timeline, &above.timeline);
        }
        fill(&mut self.ept_delta, &above.ept_delta);
        fill(&mut self.start_number, &above.start_number);
        fill(&mut self.end_number, &above.end_number);
        fill(&mut self.availability_time_offset, &above.availability_time_offset);
        fill(&mut self.media, &above.media);
        fill(&mut self.initialization_template, &above.initialization_template);
        fill(&mut self.segment_urls, &above.segment_urls);
        fill(&mut self.invalid, &above.invalid);
    }
}

/// A representation's common attributes, completed from its set.
pub(super) fn common(set: &AdaptationSet, representation: &Representation) -> Common {
    let (own, above) = (&representation.common, &set.common);
    let both = |own: &[super::mpd::Descriptor], above: &[super::mpd::Descriptor]| [own, above].concat();
    Common {
        mime_type: own.mime_type.clone().or_else(|| above.mime_type.clone()),
        codecs: own.codecs.clone().or_else(|| above.codecs.clone()),
        width: own.width.or(above.width),
        height: own.height.or(above.height),
        frame_rate: own.frame_rate.or(above.frame_rate),
        sar: own.sar.clone().or_else(|| above.sar.clone()),
        audio_sampling_rate: own.audio_sampling_rate.or(above.audio_sampling_rate),
        scan_type: own.scan_type.clone().or_else(|| above.scan_type.clone()),
        audio_channel_configuration: own
            .audio_channel_configuration
            .clone()
            .or_else(|| above.audio_channel_configuration.clone()),
        content_protections: [own.content_protections.as_slice(), &above.content_protections].concat(),
        essential_properties: both(&own.essential_properties, &above.essential_properties),
        supplemental_properties: both(&own.supplemental_properties, &above.supplemental_properties),
        inband_event_streams: both(&own.inband_event_streams, &above.inband_event_streams),
    }
}

/// Resolves the `BaseURL`s of one level against each base of the level above (5.6.4): every combination is a
/// location. What may not be named is left out; `refused` is told why.
pub(super) fn bases(
    policy: &Policy,
    above: &[BaseUrl],
    level: &[BaseUrl],
    refused: &mut dyn FnMut(String),
) -> Vec<BaseUrl> {
    if level.is_empty() {
        return above.to_vec();
    }
    let mut result: Vec<BaseUrl> = Vec::new();
    for own in level {
        for parent in above {
            let Ok(base) = Url::parse(&parent.url) else { continue };
            match policy.resolve(&base, &own.url) {
                Ok(url) => {
                    let resolved = BaseUrl {
                        url: url.into(),
                        service_location: own
                            .service_location
                            .clone()
                            .or_else(|| parent.service_location.clone()),
                        priority: own.priority.or(parent.priority),
                        weight: own.weight.or(parent.weight),
                        // The offsets of the levels add up.
                        availability_time_offset: own
                            .availability_time_offset
                            .map(|own| {
                                own.saturating_add(parent.availability_time_offset.unwrap_or_default())
                            })
                            .or(parent.availability_time_offset),
                    };
                    if result.len() < LOCATIONS && !result.iter().any(|known| known.url == resolved.url) {
                        result.push(resolved);
                    }
                }
                Err(what) => refused(what),
            }
        }
    }
    // DVB: the smallest priority number first; otherwise document order.
    result.sort_by_key(|base| base.priority.unwrap_or(1));
    result
}

/// Start and end of every period in nanoseconds from the start of the presentation (5.3.2.1). The end is
/// `None` where nothing tells it; an early-available period without a start is `None` altogether.
pub(super) fn spans(
    periods: &[Period],
    total: Option<std::time::Duration>,
    dynamic: bool,
) -> Vec<Option<(u64, Option<u64>)>> {
    let nanos = abr::time::nanos;
    let mut starts: Vec<Option<u64>> = Vec::with_capacity(periods.len());
    for (at, period) in periods.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| {
            let end = starts.get(at).copied().flatten()?.checked_add(nanos(periods.get(at)?.duration?))?;
            Some(end)
        });
        let first = (at == 0 && !dynamic).then_some(0);
        // A live first period without a start begins with the presentation as well when it is the only hint.
        let lone = (at == 0 && dynamic && period.start.is_none()).then_some(0);
        starts.push(period.start.map(nanos).or(before).or(first).or(lone));
    }
    let mut spans = Vec::with_capacity(periods.len());
    for (at, period) in periods.iter().enumerate() {
        let next = starts.get(at + 1).copied().flatten();
        let last = at + 1 == periods.len();
        spans.push(starts.get(at).copied().flatten().map(|start| {
            // The next period ends this one, whatever its own duration says: that places the next (5.3.2.1).
            let own = period.duration.and_then(|duration| start.checked_add(nanos(duration)));
            let end = next.or(own).or(total.filter(|_| last).map(nanos)).filter(|end| *end >= start);
            (start, end)
        }));
    }
    spans
}
