//! From an [`Mpd`] to a [`Title`]: what is inherited is filled in, addresses are resolved, segments are laid
//! on the timeline. What cannot be played is left out with a warning.

use super::inherit::{Effective, bases, common, segments, spans};
use super::mpd::{
    AdaptationSet as Set, BaseUrl, Common, Mpd, Period as MpdPeriod, Representation as Rep, SegmentInfo,
    UrlRange,
};
use super::source::{DashSource, Init, Media};
use crate::manifest::address::Source;
use crate::manifest::codecs::{self, Kind};
use crate::manifest::policy::{Policy, shown};
use crate::manifest::{Addresses, ByteRange, ManifestError, Protection, Protocol, Title};
use abr::presentation::{AdaptationSet, Container, ContentType, Period, Presentation, Representation};
use abr::segments::{Run, SegmentIndex, SegmentRuns};
use abr::time::MediaTime;
use std::time::Duration;
use url::Url;

/// Most warnings kept of one title.
const WARNINGS: usize = 200;
/// Essential properties that can be honoured or change nothing for a player that plays one set at a time.
const KNOWN_PROPERTIES: &[&str] = &[
    "urn:mpeg:mpegb:cicp:colourprimaries",
    "urn:mpeg:mpegb:cicp:transfercharacteristics",
    "urn:mpeg:mpegb:cicp:matrixcoefficients",
    "urn:mpeg:mpegb:cicp:videofullrangeflag",
    "urn:mpeg:dash:adaptation-set-switching:2016",
    "http://dashif.org/guidelines/thumbnail_tile",
    "http://dashif.org/thumbnail_tile",
];

/// Builds the title.
pub(super) fn build(url: &Url, policy: Policy, mut mpd: Mpd) -> Result<Title, ManifestError> {
    let warnings = std::mem::take(&mut mpd.warnings);
    let mut builder = Builder { policy, dynamic: mpd.dynamic, warnings };
    let root = vec![BaseUrl { url: url.as_str().to_owned(), ..BaseUrl::default() }];
    let root = builder.bases(&root, &mpd.base_urls);
    let spans = spans(&mpd.periods, mpd.media_presentation_duration, mpd.dynamic);
    let (mut periods, mut sources) = (Vec::new(), Vec::new());
    for ((at, period), span) in mpd.periods.iter().enumerate().zip(&spans) {
        let id = period.id.clone().unwrap_or_else(|| at.to_string());
        let Some((start, end)) = *span else {
            builder.warn(format!("Period {}: its start is not known yet; left out", shown(&id)));
            continue;
        };
        if period.href.is_some() && period.adaptation_sets.is_empty() {
            builder.warn(format!(
                "Period {}: it lies in another document (xlink), which is not supported; left out",
                shown(&id)
            ));
            continue;
        }
        let (sets, set_sources) = builder.period(period, &root, start, end);
        periods.push(Period {
            id,
            start: time(start),
            duration: end.map(|end| Duration::from_nanos(end - start)),
            adaptation_sets: sets,
        });
        sources.push(set_sources);
    }
    if !periods.iter().any(|period| !period.adaptation_sets.is_empty()) && !mpd.dynamic {
        let what = match builder.warnings.first() {
            Some(first) => format!("nothing in it can be played ({first})"),
            None => "it lists nothing that could be played".to_owned(),
        };
        return Err(ManifestError::malformed(Default::default(), what));
    }
    let end = spans.iter().flatten().filter_map(|(_, end)| *end).max().map(Duration::from_nanos);
    let duration = mpd.media_presentation_duration.or(end.filter(|_| !mpd.dynamic));
    Ok(Title {
        presentation: Presentation {
            dynamic: mpd.dynamic,
            duration,
            availability_start: mpd.availability_start_time,
            periods,
            warnings: builder.warnings,
        },
        addresses: Addresses {
            protocol: Protocol::Dash,
            manifest: url.clone(),
            policy: builder.policy,
            sources,
        },
    })
}

fn time(nanos: u64) -> MediaTime {
    MediaTime::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

struct Builder {
    policy: Policy,
    dynamic: bool,
    warnings: Vec<String>,
}

/// What holds for all representations of a period.
#[derive(Clone, Copy)]
struct Span {
    start: u64,
    end: Option<u64>,
    dynamic: bool,
}

impl Builder {
    fn warn(&mut self, what: String) {
        if self.warnings.len() < WARNINGS {
            self.warnings.push(what);
        }
    }

    fn bases(&mut self, above: &[BaseUrl], level: &[BaseUrl]) -> Vec<BaseUrl> {
        let warnings = &mut self.warnings;
        bases(&self.policy, above, level, &mut |what| {
            if warnings.len() < WARNINGS {
                warnings.push(format!("BaseURL: {what}"));
            }
        })
    }

    fn period(
        &mut self,
        period: &MpdPeriod,
        root: &[BaseUrl],
        start: u64,
        end: Option<u64>,
    ) -> (Vec<AdaptationSet>, Vec<Vec<Source>>) {
        let period_bases = self.bases(root, &period.base_urls);
        let span = Span { start, end, dynamic: self.dynamic };
        let (mut sets, mut sources) = (Vec::new(), Vec::new());
        for (at, set) in period.adaptation_sets.iter().enumerate() {
            let id = set.id.clone().unwrap_or_else(|| at.to_string());
            if let Some(property) =
                set.common.essential_properties.iter().find(|p| !is_known(&p.scheme_id_uri))
            {
                self.warn(format!(
                    "AdaptationSet {}: left out, it needs {}",
                    shown(&id),
                    shown(&property.scheme_id_uri)
                ));
                continue;
            }
            let set_bases = self.bases(&period_bases, &set.base_urls);
            let mut made: Vec<(Representation, DashSource, Option<ContentType>)> = Vec::new();
            for (number, representation) in set.representations.iter().enumerate() {
                match self.representation(period, set, representation, &set_bases, span, number) {
                    Ok(one) => made.push(one),
                    Err(what) => {
                        let name = representation.id.clone().unwrap_or_else(|| number.to_string());
                        self.warn(format!("Representation {}: left out, {what}", shown(&name)));
                    }
                }
            }
            let Some(content_type) = content_type(set).or(made.iter().find_map(|(_, _, kind)| *kind)) else {
                if !set.representations.is_empty() {
                    self.warn(format!(
                        "AdaptationSet {}: left out, what it carries is not known",
                        shown(&id)
                    ));
                }
                continue;
            };
            if made.is_empty() {
                continue;
            }
            made.sort_by_key(|(representation, _, _)| representation.bandwidth_bps);
            let audio = |list: &str| !codecs::of_kind(list, Kind::Audio).is_empty();
            let muxed_audio = content_type == ContentType::Video
                && (made.iter().any(|(representation, _, _)| audio(&representation.codecs))
                    || set.components.iter().any(|kind| kind == "audio"));
            let (representations, set_sources) =
                made.into_iter().map(|(r, source, _)| (r, Source::Dash(Box::new(source)))).unzip();
            let roles: Vec<String> = set.roles.iter().filter_map(|role| role.value.clone()).collect();
            sets.push(AdaptationSet {
                id,
                content_type,
                muxed_audio,
                language: set.lang.clone(),
                label: set.labels.first().cloned(),
                is_default: roles.iter().any(|role| role == "main"),
                roles,
                representations,
            });
            sources.push(set_sources);
        }
        (sets, sources)
    }

    fn representation(
        &mut self,
        period: &MpdPeriod,
        set: &Set,
        representation: &Rep,
        set_bases: &[BaseUrl],
        span: Span,
        number: usize,
    ) -> Result<(Representation, DashSource, Option<ContentType>), String> {
        let common = common(set, representation);
        if representation.dependency_id.is_some() {
            return Err("it needs another representation (@dependencyId)".to_owned());
        }
        let own = &representation.common.essential_properties;
        if let Some(property) = own.iter().find(|property| !is_known(&property.scheme_id_uri)) {
            return Err(format!("it needs {}", shown(&property.scheme_id_uri)));
        }
        let locations = self.bases(set_bases, &representation.base_urls);
        let locations: Vec<Url> = locations.iter().filter_map(|base| Url::parse(&base.url).ok()).collect();
        if locations.is_empty() {
            return Err("no address of it is permitted".to_owned());
        }
        let id = representation.id.clone().unwrap_or_else(|| number.to_string());
        let bandwidth = representation.bandwidth.unwrap_or(0);
        if bandwidth == 0 {
            self.warn(format!("Representation {}: @bandwidth is missing", shown(&id)));
        }
        let effective = segments(&period.segments, &set.segments, &representation.segments);
        let layout = Layout::of(effective, span)?;
        let mime = common.mime_type.clone().unwrap_or_default();
        let codecs = common.codecs.clone().unwrap_or_default();
        let kind = kind_of(&mime).or_else(|| kind_of_codecs(&codecs));
        let source = DashSource {
            bases: locations,
            id: id.clone(),
            bandwidth,
            init: layout.init,
            media: layout.media,
            offset_ticks: layout.offset_ticks,
            timescale: layout.timescale,
            protection: protection(&common),
        };
        // A template that cannot be filled in would fail at every segment: say so now.
        if let SegmentIndex::Known(runs) = &layout.index
            && let Some(first) = runs.get(0)
            && source.segment(&self.policy, &first, 0).is_none()
        {
            return Err("its segments have no usable address".to_owned());
        }
        if !matches!(source.init, Init::Nothing) && source.init(&self.policy, 0).is_none() {
            return Err("its initialization segment has no usable address".to_owned());
        }
        let model = Representation {
            id,
            bandwidth_bps: bandwidth.max(1),
            container: container(&mime),
            codecs,
            width: small(common.width),
            height: small(common.height),
            frame_rate: common.frame_rate.map_or((0, 1), |(n, d)| (small(Some(n)), small(Some(d)).max(1))),
            channels: channels(&common),
            sampling_rate: small(common.audio_sampling_rate),
            locations: u32::try_from(source.bases.len()).unwrap_or(1),
            index: layout.index,
        };
        Ok((model, source, kind))
    }
}

fn is_known(scheme: &str) -> bool {
    KNOWN_PROPERTIES.iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

fn small(number: Option<u64>) -> u32 {
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

fn channels(common: &Common) -> u32 {
    let Some(configuration) = &common.audio_channel_configuration else { return 0 };
    let value = configuration.value.as_deref().unwrap_or_default().trim();
    match configuration.scheme_id_uri.as_str() {
        "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"
        | "urn:mpeg:mpegB:cicp:ChannelConfiguration"
        | "urn:dts:dash:audio_channel_configuration:2012" => value.parse().unwrap_or(0),
        // Dolby: one bit per channel or pair; ETSI TS 102 366, E.1.3.1.8.
        "tag:dolby.com,2014:dash:audio_channel_configuration:2011"
        | "urn:dolby:dash:audio_channel_configuration:2011" => {
            let bits = u32::from_str_radix(value, 16).unwrap_or(0);
            (0..16u32)
                .filter(|bit| bits >> (15 - bit) & 1 == 1)
                .map(|bit| if matches!(bit, 5 | 6 | 9 | 10 | 11 | 13) { 2 } else { 1 })
                .sum()
        }
        _ => 0,
    }
}

fn protection(common: &Common) -> Vec<Protection> {
    common
        .content_protections
        .iter()
        .map(|element| Protection {
            scheme: element.scheme_id_uri.clone(),
            value: element.value.clone().unwrap_or_default(),
            default_kid: element.default_kid.clone(),
            pssh: element.pssh.clone(),
            url: element.license_url.clone(),
        })
        .collect()
}

/// What a set carries, from what stands on the set itself.
fn content_type(set: &Set) -> Option<ContentType> {
    let tiles = |scheme: &str| scheme.ends_with("thumbnail_tile");
    if set.common.essential_properties.iter().any(|property| tiles(&property.scheme_id_uri)) {
        return Some(ContentType::Image);
    }
    let named = |name: &str| match name {
        "video" => Some(ContentType::Video),
        "audio" => Some(ContentType::Audio),
        "text" => Some(ContentType::Text),
        "image" => Some(ContentType::Image),
        _ => None,
    };
    let components = || {
        let kinds = set.components.iter().filter_map(|name| named(name));
        kinds.min()
    };
    set.content_type
        .as_deref()
        .and_then(named)
        .or_else(|| set.common.mime_type.as_deref().and_then(kind_of))
        .or_else(components)
        .or_else(|| set.common.codecs.as_deref().and_then(kind_of_codecs))
}

fn kind_of(mime: &str) -> Option<ContentType> {
    let mime = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match mime.as_str() {
        "application/ttml+xml" | "application/x-sami" => return Some(ContentType::Text),
        _ => {}
    }
    match mime.split('/').next().unwrap_or_default() {
        "video" => Some(ContentType::Video),
        "audio" => Some(ContentType::Audio),
        "text" => Some(ContentType::Text),
        "image" => Some(ContentType::Image),
        _ => None,
    }
}

fn kind_of_codecs(list: &str) -> Option<ContentType> {
    let has = |kind| !codecs::of_kind(list, kind).is_empty();
    match () {
        () if has(Kind::Video) => Some(ContentType::Video),
        () if has(Kind::Audio) => Some(ContentType::Audio),
        () if has(Kind::Text) => Some(ContentType::Text),
        () => None,
    }
}

fn container(mime: &str) -> Container {
    let mime = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match mime.as_str() {
        "text/vtt" => Container::Webvtt,
        _ => match mime.split('/').nth(1).unwrap_or_default() {
            "mp4" | "iso.segment" | "quicktime" => Container::Mp4,
            "mp2t" => Container::Ts,
            "webm" | "x-matroska" => Container::Webm,
            "aac" | "mpeg" | "ac3" => Container::PackedAudio,
            _ => Container::Unknown,
        },
    }
}

/// Where the segments of a representation lie and how they are found.
struct Layout {
    init: Init,
    media: Media,
    index: SegmentIndex,
    offset_ticks: i64,
    timescale: u32,
}

impl Layout {
    fn of(effective: Effective, span: Span) -> Result<Self, String> {
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
