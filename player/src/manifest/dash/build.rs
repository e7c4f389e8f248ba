//! From a resolved MPD to a [`Title`]: what can be played, in the words of the model. What cannot is left out
//! with a warning.

use super::layout::clip;
use super::live;
use super::mpd::{
    AdaptationSet as Set, Common, Descriptor, EventItem, Mpd, Period as MpdPeriod, Representation as Rep,
};
use super::resolve::{ResolvedPeriod, ResolvedRepresentation, resolve};
use crate::limits;
use crate::manifest::address::PatchAddress;
use crate::manifest::address::Source;
use crate::manifest::codecs::{self, Kind};
use crate::manifest::policy::{Policy, shown};
use crate::manifest::{Addresses, ManifestError, Place, Protocol, SteeringStart, Title};
use crate::timed::{Message, Origin, TimedEvent};
use abr::presentation::{AdaptationSet, Container, ContentType, Period, Presentation, Representation};
use abr::segments::SegmentIndex;
use abr::time::MediaTime;
use std::time::{Duration, Instant};
use url::Url;

/// Most warnings kept of one title.
const WARNINGS: usize = 200;
/// Essential properties that can be honoured, or that change nothing for a player that plays one set of a kind.
const KNOWN_PROPERTIES: &[&str] = &[
    "urn:mpeg:mpegb:cicp:colourprimaries",
    "urn:mpeg:mpegb:cicp:transfercharacteristics",
    "urn:mpeg:mpegb:cicp:matrixcoefficients",
    "urn:mpeg:mpegb:cicp:videofullrangeflag",
    "urn:mpeg:dash:adaptation-set-switching:2016",
    "http://dashif.org/guidelines/thumbnail_tile",
    "http://dashif.org/thumbnail_tile",
    "urn:mpeg:dash:urlparam:2014",
    "urn:mpeg:dash:urlparam:2016",
];
/// Marks sets of single pictures for fast searching, which are not for playback.
const TRICK_MODE: &str = "http://dashif.org/guidelines/trickmode";
/// An element that is to be taken out, with all that stands in it.
const RESOLVE_TO_ZERO: &str = "urn:mpeg:dash:resolve-to-zero:2013";
/// Beginnings of profiles that are followed; others are followed as far as they go.
const PROFILES: &[&str] = &[
    "urn:mpeg:dash:profile:",
    "urn:dvb:dash:profile:",
    "urn:hbbtv:dash:profile:",
    "http://dashif.org/guidelines/",
    "https://dashif.org/guidelines/",
    "urn:com:dashif:dash264",
    "urn:webm:dash:profile:",
    "urn:scte:dash:",
    "urn:3GPP:PSS:profile:",
    "urn:dolby:",
];

/// Builds the title.
///
/// # Errors
///
/// [`ManifestError::Malformed`] when nothing is left that could be played.
pub(super) fn build(url: &Url, mut mpd: Mpd) -> Result<Title, ManifestError> {
    let mut resolved = resolve(url, &mpd);
    let mut warnings = std::mem::take(&mut mpd.warnings);
    let refused = resolved.warnings.first().cloned();
    let read = warnings.len();
    warnings.append(&mut resolved.warnings);
    let mut builder = Builder { warnings, pictureless: None, events: Vec::new() };
    if mpd.periods.is_empty() {
        return Err(ManifestError::malformed(Place::default(), "the MPD has no Period"));
    }
    if let Some(property) =
        mpd.essential_properties.iter().find(|property| !is_known(&property.scheme_id_uri))
    {
        let what = format!("an MPD that needs {}", shown(&property.scheme_id_uri));
        return Err(ManifestError::Unsupported { place: Place::default(), what });
    }
    if !mpd.profiles.is_empty() && !mpd.profiles.iter().any(|p| PROFILES.iter().any(|own| p.starts_with(own)))
    {
        builder.warn(format!("MPD: none of its profiles is known ({})", shown(&mpd.profiles.join(", "))));
    }
    let spans: Vec<_> = resolved.periods.iter().map(|period| period.span).collect();
    let (mut periods, mut sources) = (Vec::new(), Vec::new());
    for (at, (period, resolved)) in mpd.periods.iter().zip(resolved.periods).enumerate() {
        let id = period.id.clone().unwrap_or_else(|| at.to_string());
        if period.href.as_deref() == Some(RESOLVE_TO_ZERO) {
            continue;
        }
        let Some((start, end)) = resolved.span else {
            builder.warn(format!("Period {}: left out, its start is not known yet", shown(&id)));
            continue;
        };
        if period.href.is_some() && period.adaptation_sets.is_empty() {
            builder
                .warn(format!("Period {}: left out, remote periods (xlink) are not supported", shown(&id)));
            continue;
        }
        let (sets, set_sources) = builder.period(period, resolved);
        if sets.is_empty() {
            builder.warn(format!("Period {}: nothing in it can be played", shown(&id)));
        }
        builder.events(period, start, end);
        periods.push(Period {
            id,
            start: MediaTime::from_nanos(i64::try_from(start).unwrap_or(i64::MAX)),
            duration: end.map(|end| Duration::from_nanos(end.saturating_sub(start))),
            adaptation_sets: sets,
        });
        sources.push(set_sources);
    }
    if !periods.iter().any(|period| !period.adaptation_sets.is_empty()) {
        if let Some(what) = refused {
            return Err(ManifestError::Forbidden { place: Place::default(), what });
        }
        // Why things were left out says more than how they were written.
        let why: Vec<&str> = builder.warnings.iter().skip(read).take(3).map(String::as_str).collect();
        let what = format!("nothing in it can be played: {}", why.join("; "));
        return Err(ManifestError::malformed(Place::default(), what));
    }
    if let Some(reason) = &builder.pictureless
        && !periods
            .iter()
            .flat_map(|period| &period.adaptation_sets)
            .any(|set| set.content_type == ContentType::Video)
    {
        // Sound alone would hide that the pictures were lost.
        let what = format!("no picture in it can be played: {reason}");
        return Err(ManifestError::malformed(Place::default(), what));
    }
    let end = spans.iter().flatten().filter_map(|(_, end)| *end).max().map(Duration::from_nanos);
    let duration = mpd.media_presentation_duration.or(end.filter(|_| !mpd.dynamic));
    let policy = Policy::of(url);
    let clocks = live::clocks(&mpd, &policy, url);
    let live = live::live(&mpd, &periods, clocks.len());
    let refresh = mpd.locations.iter().find_map(|location| policy.resolve(url, location).ok());
    let policy_of_patch = policy.clone();
    let mut title = Title {
        presentation: Presentation {
            dynamic: mpd.dynamic,
            duration,
            availability_start: mpd.availability_start_time,
            live,
            periods,
            warnings: builder.warnings,
        },
        addresses: Addresses {
            protocol: Protocol::Dash,
            manifest: url.clone(),
            policy,
            sources,
            refresh: refresh.unwrap_or_else(|| url.clone()),
            clocks,
            patch: patch(&mpd, &policy_of_patch, url),
            steering: mpd.content_steering.as_ref().and_then(|(server, first)| {
                Some(SteeringStart { url: policy_of_patch.resolve(url, server).ok()?, first: first.clone() })
            }),
            pathways: Vec::new(),
            session_keys: Vec::new(),
        },
        events: builder.events,
        now: live::direct(&mpd),
    };
    title.number_pathways();
    Ok(title)
}

struct Builder {
    warnings: Vec<String>,
    /// Why a set of pictures was left out, the first of them.
    pictureless: Option<String>,
    events: Vec<TimedEvent>,
}

impl Builder {
    fn warn(&mut self, what: String) {
        if self.warnings.len() < WARNINGS {
            self.warnings.push(what);
        }
    }

    /// The events that a period lists (ISO/IEC 23009-1, 5.10.2); those outside of it do not happen.
    fn events(&mut self, period: &MpdPeriod, start: u64, end: Option<u64>) {
        let nanos = |ticks: i128, timescale: u64| ticks * 1_000_000_000 / i128::from(timescale.max(1));
        for stream in &period.event_streams {
            for event in &stream.events {
                let ticks = i128::from(event.presentation_time) - i128::from(stream.presentation_time_offset);
                let at = i128::from(start) + nanos(ticks, stream.timescale);
                let lasting = event.duration.map(|ticks| nanos(ticks.into(), stream.timescale));
                let lasting = lasting.and_then(|nanos| u64::try_from(nanos).ok()).map(Duration::from_nanos);
                let Ok(at) = i64::try_from(at) else { continue };
                let over = end.is_some_and(|end| i128::from(at) >= i128::from(end));
                let early = i128::from(at) + lasting.map_or(1, |l| l.as_nanos() as i128) <= i128::from(start);
                if over || early || self.events.len() >= limits::TIMED_EVENTS {
                    continue;
                }
                self.events.push(TimedEvent {
                    origin: Origin::Mpd,
                    scheme: stream.descriptor.scheme_id_uri.clone(),
                    value: stream.descriptor.value.clone().unwrap_or_default(),
                    id: event.id.clone().unwrap_or_default(),
                    start: MediaTime::from_nanos(at),
                    duration: lasting,
                    message: message(event),
                });
            }
        }
    }

    fn period(
        &mut self,
        period: &MpdPeriod,
        resolved: ResolvedPeriod,
    ) -> (Vec<AdaptationSet>, Vec<Vec<Source>>) {
        let (mut sets, mut sources) = (Vec::new(), Vec::new());
        for (at, (set, resolved)) in period.adaptation_sets.iter().zip(resolved.sets).enumerate() {
            let id = set.id.clone().unwrap_or_else(|| at.to_string());
            if let Some(scheme) = unknown_property(&set.common) {
                self.warn(format!("AdaptationSet {}: left out, it needs {}", shown(&id), shown(scheme)));
                continue;
            }
            if set.common.supplemental_properties.iter().any(|own| own.scheme_id_uri == TRICK_MODE) {
                self.warn(format!("AdaptationSet {}: left out, it is for fast searching", shown(&id)));
                continue;
            }
            let mut left_out = None;
            let mut made = Vec::<(Representation, Source, Option<ContentType>)>::new();
            for (number, (representation, resolved)) in set.representations.iter().zip(resolved).enumerate() {
                let id = representation.id.clone().unwrap_or_else(|| number.to_string());
                match usable(&id, representation, resolved) {
                    Ok(one) => made.push(one),
                    Err(what) => {
                        let what = format!("Representation {}: left out, {what}", shown(&id));
                        left_out.get_or_insert(what.clone());
                        self.warn(what);
                    }
                }
                if representation.bandwidth.unwrap_or(0) == 0 {
                    self.warn(format!("Representation {}: @bandwidth is missing", shown(&id)));
                }
            }
            if made.iter().any(|(model, _, _)| model.index.known().is_some_and(|runs| runs.is_empty())) {
                self.warn(format!("AdaptationSet {}: it lists no segment yet", shown(&id)));
            }
            if made.is_empty() {
                if content_type(set) == Some(ContentType::Video) && self.pictureless.is_none() {
                    self.pictureless = left_out;
                }
                self.warn(format!("AdaptationSet {}: left out, it has no usable representation", shown(&id)));
                continue;
            }
            let Some(content_type) = content_type(set).or(made.iter().find_map(|(_, _, kind)| *kind)) else {
                self.warn(format!("AdaptationSet {}: left out, what it carries is not known", shown(&id)));
                continue;
            };
            made.sort_by_key(|(representation, _, _)| representation.bandwidth_bps);
            let audio = |list: &str| !codecs::of_kind(list, Kind::Audio).is_empty();
            let muxed_audio = content_type == ContentType::Video
                && (made.iter().any(|(representation, _, _)| audio(&representation.codecs))
                    || set.components.iter().any(|kind| kind == "audio"));
            let (representations, set_sources) =
                made.into_iter().map(|(model, source, _)| (model, source)).unzip();
            let mut roles: Vec<String> = set.roles.iter().filter_map(|role| role.value.clone()).collect();
            roles.extend(set.accessibilities.iter().filter_map(accessible).map(str::to_owned));
            roles.dedup();
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
}

/// What an event says: its text, or that of the `Binary` element inside (ANSI/SCTE 214-1), or bytes in base64.
fn message(event: &EventItem) -> Message {
    let short = |text: &String| text.len() <= limits::TIMED_EVENT_BYTES;
    match event.binary.as_ref().or(event.message_data.as_ref()).filter(|text| short(text)) {
        Some(text) if event.is_base64 => {
            let bytes = drm_stub::pssh::base64(&text.split_whitespace().collect::<String>());
            bytes.map_or(Message::Empty, |bytes| Message::of(&bytes))
        }
        Some(text) => Message::Text(text.clone()),
        None => Message::Empty,
    }
}

/// Where to ask for what has changed, the first place that may be asked.
fn patch(mpd: &Mpd, policy: &Policy, url: &Url) -> Option<PatchAddress> {
    mpd.patch_locations.iter().find_map(|(location, ttl)| {
        let ttl = ttl.and_then(|ttl| Duration::try_from_secs_f64(ttl).ok());
        Some(PatchAddress {
            url: policy.resolve(url, location).ok()?,
            until: ttl.and_then(|ttl| Instant::now().checked_add(ttl)),
        })
    })
}

/// A representation in the words of the model, or why it cannot be used.
fn usable(
    id: &str,
    representation: &Rep,
    resolved: ResolvedRepresentation,
) -> Result<(Representation, Source, Option<ContentType>), String> {
    if representation.dependency_id.is_some() {
        return Err("it needs another representation (@dependencyId)".to_owned());
    }
    if let Some(scheme) = unknown_property(&representation.common) {
        return Err(format!("it needs {}", shown(scheme)));
    }
    let mut index = resolved.index?;
    if let (SegmentIndex::Known(runs), Some(span)) = (&mut index, resolved.span) {
        clip(runs, span);
        if runs.is_empty() && !span.dynamic {
            return Err("it has no segment inside of its period".to_owned());
        }
    }
    let source = resolved.source;
    let common = resolved.common;
    let mime = common.mime_type.as_deref().unwrap_or_default();
    let codecs = common.codecs.clone().unwrap_or_default();
    let kind = kind_of(mime).or_else(|| kind_of_codecs(&codecs));
    let model = Representation {
        id: id.to_owned(),
        bandwidth_bps: representation.bandwidth.unwrap_or(0).max(1),
        container: container(mime),
        codecs,
        width: small(common.width),
        height: small(common.height),
        frame_rate: common.frame_rate.map_or((0, 1), |(n, d)| (small(Some(n)), small(Some(d)).max(1))),
        channels: channels(&common),
        sampling_rate: small(common.audio_sampling_rate),
        locations: u32::try_from(resolved.locations.len()).unwrap_or(1).max(1),
        index,
    };
    Ok((model, Source::Dash(Box::new(source)), kind))
}

/// The scheme of the first essential property that is not known: such an element shall be ignored
/// (ISO/IEC 23009-1, 5.8.4.8).
fn unknown_property(common: &Common) -> Option<&str> {
    let mut schemes = common.essential_properties.iter().map(|property| property.scheme_id_uri.as_str());
    schemes.find(|scheme| !is_known(scheme))
}

fn is_known(scheme: &str) -> bool {
    KNOWN_PROPERTIES.iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// The role that says the same as an `Accessibility` (ISO/IEC 23009-1, 5.8.5.5; ETSI TS 103 285, 4.4).
fn accessible(descriptor: &Descriptor) -> Option<&str> {
    let value = descriptor.value.as_deref()?;
    match (descriptor.scheme_id_uri.as_str(), value) {
        ("urn:mpeg:dash:role:2011", value) => Some(value),
        ("urn:tva:metadata:cs:AudioPurposeCS:2007", "1") => Some("description"),
        ("urn:tva:metadata:cs:AudioPurposeCS:2007", "2") => Some("enhanced-audio-intelligibility"),
        _ => None,
    }
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
        // Dolby: one bit per channel or pair of channels (ETSI TS 102 366, E.1.3.1.8).
        "tag:dolby.com,2014:dash:audio_channel_configuration:2011"
        | "urn:dolby:dash:audio_channel_configuration:2011" => {
            let bits = u32::from_str_radix(value, 16).unwrap_or(0);
            let present = (0..16u32).filter(|bit| bits >> (15 - bit) & 1 == 1);
            present.map(|bit| if matches!(bit, 5 | 6 | 9 | 10 | 11 | 13) { 2 } else { 1 }).sum()
        }
        _ => 0,
    }
}

/// What a set carries, from what stands on the set itself.
pub fn content_type(set: &Set) -> Option<ContentType> {
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
    // Of several components the first in the order video, audio, text names the set.
    let components = || set.components.iter().filter_map(|name| named(name)).min();
    set.content_type
        .as_deref()
        .and_then(named)
        .or_else(|| set.common.mime_type.as_deref().and_then(kind_of))
        .or_else(components)
        .or_else(|| set.common.codecs.as_deref().and_then(kind_of_codecs))
}

/// What a MIME type says about the content; `application/mp4` says nothing.
pub fn kind_of(mime: &str) -> Option<ContentType> {
    let mime = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if mime == "application/ttml+xml" {
        return Some(ContentType::Text);
    }
    match mime.split('/').next().unwrap_or_default() {
        "video" => Some(ContentType::Video),
        "audio" => Some(ContentType::Audio),
        "text" => Some(ContentType::Text),
        "image" => Some(ContentType::Image),
        _ => None,
    }
}

/// What a list of codecs says about the content.
pub fn kind_of_codecs(list: &str) -> Option<ContentType> {
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
    if mime == "text/vtt" {
        return Container::Webvtt;
    }
    match mime.split('/').nth(1).unwrap_or_default() {
        "mp4" | "iso.segment" | "quicktime" => Container::Mp4,
        "mp2t" => Container::Ts,
        "webm" | "x-matroska" => Container::Webm,
        "aac" | "mpeg" | "ac3" => Container::PackedAudio,
        _ => Container::Unknown,
    }
}
