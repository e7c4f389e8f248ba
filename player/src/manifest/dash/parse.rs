//! The document to [`Mpd`]. One value that cannot be understood costs that attribute or element, with a
//! warning; only broken XML and exceeded limits cost the document.

use super::mpd::{
    AdaptationSet, BaseUrl, Common, ContentProtection, Descriptor, EventItem, EventStream, Levels, Mpd,
    Period, Representation, SegmentInfo, SegmentUrl, ServiceDescription, UrlQueryInfo, UrlRange,
};
use super::timeline::{Entry, Timeline};
use super::xml::{Attributes, Element, Reader};
use crate::limits;
use crate::manifest::iso8601::{date_time, duration};
use crate::manifest::policy::shown;
use crate::manifest::{ByteRange, ManifestError};
use std::sync::Arc;
use std::time::Duration;

type Outcome<T> = Result<T, ManifestError>;

/// Reads an MPD.
///
/// # Errors
///
/// [`ManifestError`] for text that is not XML, another root element than `MPD`, and exceeded limits.
pub fn parse(text: &str) -> Outcome<Mpd> {
    let mut reader = Reader::new(text);
    let root = reader.root()?;
    if root.name() != "MPD" {
        return Err(match root.name() {
            "Patch" => ManifestError::Unsupported {
                place: root.place(),
                what: "an MPD patch instead of an MPD".to_owned(),
            },
            other => ManifestError::NotAManifest(format!("the root element is {}", shown(other))),
        });
    }
    let attributes = root.attributes()?;
    let mut mpd = Mpd {
        kind: attributes.owned("type").unwrap_or_default(),
        dynamic: attributes.text("type") == Some("dynamic"),
        id: attributes.owned("id"),
        profiles: attributes.text("profiles").map(profiles).unwrap_or_default(),
        media_presentation_duration: attributes.parsed(&mut reader, "mediaPresentationDuration", duration),
        min_buffer_time: attributes.parsed(&mut reader, "minBufferTime", duration),
        minimum_update_period: attributes.parsed(&mut reader, "minimumUpdatePeriod", duration),
        time_shift_buffer_depth: attributes.parsed(&mut reader, "timeShiftBufferDepth", duration),
        suggested_presentation_delay: attributes.parsed(&mut reader, "suggestedPresentationDelay", duration),
        max_segment_duration: attributes.parsed(&mut reader, "maxSegmentDuration", duration),
        availability_start_time: attributes.parsed(&mut reader, "availabilityStartTime", date_time),
        availability_end_time: attributes.parsed(&mut reader, "availabilityEndTime", date_time),
        publish_time: attributes.parsed(&mut reader, "publishTime", date_time),
        ..Mpd::default()
    };
    let mut representations = 0usize;
    while let Some(child) = reader.child()? {
        let attributes = child.attributes()?;
        match child.name() {
            "Period" => {
                if mpd.periods.len() >= limits::PERIODS {
                    return Err(ManifestError::TooMany { what: "periods", max: limits::PERIODS });
                }
                let period = period(&mut reader, &attributes, &mut representations)?;
                mpd.periods.push(period);
            }
            "BaseURL" => bounded(&mut mpd.base_urls, base_url(&mut reader, &attributes)?),
            "Location" => bounded(&mut mpd.locations, reader.text()?),
            "PatchLocation" => {
                let ttl = attributes.parsed(&mut reader, "ttl", finite);
                bounded(&mut mpd.patch_locations, (reader.text()?, ttl));
            }
            "UTCTiming" => bounded(&mut mpd.utc_timings, descriptor(&mut reader, &attributes)?),
            "EssentialProperty" => {
                bounded(&mut mpd.essential_properties, descriptor(&mut reader, &attributes)?)
            }
            "ServiceDescription" => {
                let service = service_description(&mut reader)?;
                mpd.service_description.get_or_insert(service);
            }
            "ContentSteering" => {
                let default = attributes.owned("defaultServiceLocation");
                mpd.steering_before_start = attributes.text("queryBeforeStart") == Some("true");
                mpd.content_steering = Some((reader.text()?, default));
            }
            _ => reader.skip()?,
        }
    }
    mpd.warnings = reader.warnings;
    Ok(mpd)
}

/// Most entries of a list that a player only looks through.
const LISTED: usize = 1_000;

/// Adds to a list that has no limit of its own; what is beyond a thousand entries is not looked at.
fn bounded<T>(list: &mut Vec<T>, item: T) {
    if list.len() < LISTED {
        list.push(item);
    }
}

fn profiles(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|p| !p.is_empty()).take(LISTED).map(str::to_owned).collect()
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        // A number of the segment-alignment group.
        _ => text.parse::<u64>().ok().map(|_| true),
    }
}

/// `first-last`, both inclusive; the last may be absent.
fn byte_range(text: &str) -> Option<ByteRange> {
    let (first, last) = text.split_once('-')?;
    let start = first.trim().parse().ok()?;
    let end = match last.trim() {
        "" => None,
        last => Some(last.parse::<u64>().ok()?.checked_add(1)?),
    };
    end.is_none_or(|end| end > start).then_some(ByteRange { start, end })
}

/// Numerator and denominator of a `@frameRate` such as `25` or `30000/1001`; decimal numbers are taken too.
pub fn frame_rate(text: &str) -> Option<(u64, u64)> {
    let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
    if let (Ok(numerator), Ok(denominator)) =
        (numerator.trim().parse::<u64>(), denominator.trim().parse::<u64>())
    {
        return (denominator > 0).then_some((numerator, denominator));
    }
    // Not to the specification, but common: a decimal number.
    let rate = finite(text).filter(|rate| (0.0..=1000.0).contains(rate))?;
    let (numerator, denominator) = crate::manifest::codecs::frame_rate(rate);
    Some((numerator.into(), denominator.into()))
}

fn period(
    reader: &mut Reader<'_>,
    attributes: &Attributes<'_>,
    representations: &mut usize,
) -> Outcome<Period> {
    let mut period = Period {
        id: attributes.owned("id"),
        start: attributes.parsed(reader, "start", duration),
        duration: attributes.parsed(reader, "duration", duration),
        href: attributes.owned("href"),
        ..Period::default()
    };
    while let Some(child) = reader.child()? {
        let attributes = child.attributes()?;
        match child.name() {
            "AdaptationSet" => {
                let set = adaptation_set(reader, &attributes, representations)?;
                if period.adaptation_sets.len() >= limits::REPRESENTATIONS {
                    return Err(ManifestError::TooMany {
                        what: "adaptation sets",
                        max: limits::REPRESENTATIONS,
                    });
                }
                period.adaptation_sets.push(set);
            }
            "BaseURL" => bounded(&mut period.base_urls, base_url(reader, &attributes)?),
            "AssetIdentifier" => period.asset_identifier = Some(descriptor(reader, &attributes)?),
            "EventStream" => bounded(&mut period.event_streams, event_stream(reader, &attributes)?),
            _ => segments(reader, &child, &attributes, &mut period.segments)?,
        }
    }
    Ok(period)
}

fn adaptation_set(
    reader: &mut Reader<'_>,
    attributes: &Attributes<'_>,
    representations: &mut usize,
) -> Outcome<AdaptationSet> {
    let mut set = AdaptationSet {
        id: attributes.owned("id"),
        content_type: attributes.owned("contentType"),
        lang: attributes.owned("lang"),
        segment_alignment: attributes.parsed(reader, "segmentAlignment", boolean),
        selection_priority: attributes.number(reader, "selectionPriority"),
        common: common(reader, attributes),
        ..AdaptationSet::default()
    };
    while let Some(child) = reader.child()? {
        let attributes = child.attributes()?;
        match child.name() {
            "Representation" => {
                *representations += 1;
                if *representations > limits::REPRESENTATIONS {
                    return Err(ManifestError::TooMany {
                        what: "representations",
                        max: limits::REPRESENTATIONS,
                    });
                }
                let representation = representation(reader, &attributes)?;
                set.representations.push(representation);
            }
            "BaseURL" => bounded(&mut set.base_urls, base_url(reader, &attributes)?),
            "Role" => bounded(&mut set.roles, descriptor(reader, &attributes)?),
            "Accessibility" => bounded(&mut set.accessibilities, descriptor(reader, &attributes)?),
            "Label" => bounded(&mut set.labels, reader.text()?),
            "ContentComponent" => {
                if let Some(kind) = attributes.owned("contentType") {
                    bounded(&mut set.components, kind);
                }
                if set.lang.is_none() {
                    set.lang = attributes.owned("lang");
                }
                reader.skip()?;
            }
            _ if common_child(reader, &child, &attributes, &mut set.common)? => {}
            _ => segments(reader, &child, &attributes, &mut set.segments)?,
        }
    }
    Ok(set)
}

fn representation(reader: &mut Reader<'_>, attributes: &Attributes<'_>) -> Outcome<Representation> {
    let mut representation = Representation {
        id: attributes.owned("id"),
        bandwidth: attributes.number(reader, "bandwidth"),
        dependency_id: attributes.owned("dependencyId").filter(|id| !id.trim().is_empty()),
        common: common(reader, attributes),
        ..Representation::default()
    };
    while let Some(child) = reader.child()? {
        let attributes = child.attributes()?;
        match child.name() {
            "BaseURL" => bounded(&mut representation.base_urls, base_url(reader, &attributes)?),
            _ if common_child(reader, &child, &attributes, &mut representation.common)? => {}
            _ => segments(reader, &child, &attributes, &mut representation.segments)?,
        }
    }
    Ok(representation)
}

fn common(reader: &mut Reader<'_>, attributes: &Attributes<'_>) -> Common {
    Common {
        mime_type: attributes.owned("mimeType"),
        codecs: attributes.owned("codecs"),
        width: attributes.number(reader, "width"),
        height: attributes.number(reader, "height"),
        frame_rate: attributes.parsed(reader, "frameRate", frame_rate),
        sar: attributes.owned("sar"),
        audio_sampling_rate: attributes
            .parsed(reader, "audioSamplingRate", |text| text.split_whitespace().next()?.parse().ok()),
        scan_type: attributes.owned("scanType"),
        ..Common::default()
    }
}

/// Reads `child` if it is one of the common elements.
fn common_child(
    reader: &mut Reader<'_>,
    child: &Element<'_>,
    attributes: &Attributes<'_>,
    common: &mut Common,
) -> Outcome<bool> {
    match child.name() {
        "AudioChannelConfiguration" => {
            let configuration = descriptor(reader, attributes)?;
            common.audio_channel_configuration.get_or_insert(configuration);
        }
        "ContentProtection" => {
            bounded(&mut common.content_protections, content_protection(reader, attributes)?)
        }
        "EssentialProperty" => bounded(&mut common.essential_properties, descriptor(reader, attributes)?),
        "SupplementalProperty" => {
            bounded(&mut common.supplemental_properties, descriptor(reader, attributes)?)
        }
        "InbandEventStream" => bounded(&mut common.inband_event_streams, descriptor(reader, attributes)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn descriptor(reader: &mut Reader<'_>, attributes: &Attributes<'_>) -> Outcome<Descriptor> {
    let mut descriptor = Descriptor {
        scheme_id_uri: attributes.owned("schemeIdUri").unwrap_or_default(),
        value: attributes.owned("value"),
        url_query: None,
    };
    while let Some(child) = reader.child()? {
        if matches!(child.name(), "UrlQueryInfo" | "ExtUrlQueryInfo") && descriptor.url_query.is_none() {
            let attributes = child.attributes()?;
            descriptor.url_query = Some(Box::new(UrlQueryInfo {
                template: attributes.owned("queryTemplate").unwrap_or_default(),
                use_mpd_query: attributes.text("useMPDUrlQuery") == Some("true"),
                query: attributes.owned("queryString"),
            }));
        }
        reader.skip()?;
    }
    Ok(descriptor)
}

fn base_url(reader: &mut Reader<'_>, attributes: &Attributes<'_>) -> Outcome<BaseUrl> {
    Ok(BaseUrl {
        service_location: attributes.owned("serviceLocation"),
        priority: attributes.number(reader, "priority"),
        weight: attributes.number(reader, "weight"),
        availability_time_offset: attributes.parsed(reader, "availabilityTimeOffset", offset),
        url: reader.text()?,
    })
}

/// A span in decimal seconds, or `INF`.
fn offset(text: &str) -> Option<Duration> {
    match text.trim() {
        "INF" => Some(Duration::MAX),
        seconds => crate::manifest::iso8601::decimal_nanos(seconds).map(Duration::from_nanos),
    }
}

fn content_protection(reader: &mut Reader<'_>, attributes: &Attributes<'_>) -> Outcome<ContentProtection> {
    let mut protection = ContentProtection {
        scheme_id_uri: attributes.text("schemeIdUri").unwrap_or_default().to_ascii_lowercase(),
        value: attributes.owned("value"),
        default_kid: attributes.parsed(reader, "default_KID", |text| {
            let first = text.split_whitespace().next()?;
            let digits = first.chars().filter(|c| *c != '-');
            Some(digits.map(|c| c.to_ascii_lowercase()).collect())
        }),
        ..ContentProtection::default()
    };
    while let Some(child) = reader.child()? {
        match child.name() {
            "pssh" => {
                let text = reader.text()?;
                protection.pssh = Some(text.split_whitespace().collect());
            }
            name if name.eq_ignore_ascii_case("laurl") => {
                let attribute = child.attributes()?.owned("licenseUrl");
                let text = reader.text()?;
                protection.license_url = attribute.or(Some(text)).filter(|url| !url.is_empty());
            }
            "SegmentEncryption" => {
                protection.segment_encryption = child.attributes()?.owned("schemeIdUri");
                reader.skip()?;
            }
            "CryptoPeriod" => {
                let attributes = child.attributes()?;
                let digits = attributes.text("IV").unwrap_or_default().trim();
                let digits =
                    digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).unwrap_or(digits);
                let key = attributes.owned("keyUriTemplate");
                if protection.crypto_period.is_none() {
                    protection.crypto_period = key.map(|key| (key, digits.to_owned()));
                }
                reader.skip()?;
            }
            _ => reader.skip()?,
        }
    }
    Ok(protection)
}

fn event_stream(reader: &mut Reader<'_>, attributes: &Attributes<'_>) -> Outcome<EventStream> {
    let mut stream = EventStream {
        descriptor: Descriptor {
            scheme_id_uri: attributes.owned("schemeIdUri").unwrap_or_default(),
            value: attributes.owned("value"),
            url_query: None,
        },
        timescale: attributes.number(reader, "timescale").unwrap_or(1).max(1),
        presentation_time_offset: attributes.number(reader, "presentationTimeOffset").unwrap_or(0),
        events: Vec::new(),
    };
    while let Some(child) = reader.child()? {
        if child.name() != "Event" {
            reader.skip()?;
            continue;
        }
        let attributes = child.attributes()?;
        let mut event = EventItem {
            presentation_time: attributes.number(reader, "presentationTime").unwrap_or(0),
            duration: attributes.number(reader, "duration"),
            id: attributes.owned("id"),
            message_data: attributes.owned("messageData"),
            binary: None,
            is_base64: attributes.text("contentEncoding") == Some("base64"),
        };
        let (text, binary) = reader.texts("Binary")?;
        event.binary = binary;
        if event.message_data.is_none() && !text.is_empty() {
            event.message_data = Some(text);
        }
        bounded(&mut stream.events, event);
    }
    Ok(stream)
}

fn service_description(reader: &mut Reader<'_>) -> Outcome<ServiceDescription> {
    let mut service = ServiceDescription::default();
    while let Some(child) = reader.child()? {
        let attributes = child.attributes()?;
        match child.name() {
            "Latency" => {
                service.target_latency_ms = attributes.number(reader, "target");
                service.min_latency_ms = attributes.number(reader, "min");
                service.max_latency_ms = attributes.number(reader, "max");
            }
            "PlaybackRate" => {
                service.min_rate = attributes.parsed(reader, "min", finite);
                service.max_rate = attributes.parsed(reader, "max", finite);
            }
            _ => {}
        }
        reader.skip()?;
    }
    Ok(service)
}

/// Reads `child` if it is segment information, else passes over it.
fn segments(
    reader: &mut Reader<'_>,
    child: &Element<'_>,
    attributes: &Attributes<'_>,
    levels: &mut Levels,
) -> Outcome<()> {
    let target = match child.name() {
        "SegmentBase" => &mut levels.base,
        "SegmentList" => &mut levels.list,
        "SegmentTemplate" => &mut levels.template,
        _ => return reader.skip(),
    };
    *target = Some(segment_info(reader, child, attributes)?);
    Ok(())
}

fn segment_info(
    reader: &mut Reader<'_>,
    element: &Element<'_>,
    attributes: &Attributes<'_>,
) -> Outcome<SegmentInfo> {
    let mut info = SegmentInfo {
        index_range: attributes.parsed(reader, "indexRange", byte_range),
        media: attributes.owned("media"),
        initialization_template: attributes.owned("initialization"),
        availability_time_offset: attributes.parsed(reader, "availabilityTimeOffset", offset),
        ..SegmentInfo::default()
    };
    // Wrong numbers here would put segments in wrong places: they cost the representations that use them.
    let mut invalid = None;
    info.ept_delta = attributes.parsed(reader, "eptDelta", |text| text.parse().ok());
    info.presentation_time_offset = attributes.text("presentationTimeOffset").and_then(|text| {
        let value = text.trim().parse().ok();
        if value.is_none() {
            invalid = Some(format!("@presentationTimeOffset {} is no number", shown(text)));
        }
        value
    });
    let mut count = |name: &'static str| {
        let text = attributes.text(name)?;
        let value = text.trim().parse().ok();
        if value.is_none() {
            invalid = Some(format!("@{name} {} is no number", shown(text)));
        }
        value
    };
    info.timescale = count("timescale");
    info.duration = count("duration");
    info.start_number = count("startNumber");
    info.end_number = count("endNumber");
    info.invalid = invalid.map(|what| format!("{}: {what}", element.place()));
    let mut urls = Vec::new();
    while let Some(child) = reader.child()? {
        match child.name() {
            "Initialization" | "RepresentationIndex" => {
                let attributes = child.attributes()?;
                let range = UrlRange {
                    source_url: attributes.owned("sourceURL"),
                    range: attributes.parsed(reader, "range", byte_range),
                };
                if child.name() == "Initialization" {
                    info.initialization = Some(range);
                } else {
                    info.representation_index = Some(range);
                }
                reader.skip()?;
            }
            "SegmentTimeline" => info.timeline = Some(Arc::new(timeline(reader, &child)?)),
            "SegmentURL" => {
                if urls.len() >= limits::SEGMENTS_EXPANDED {
                    return Err(ManifestError::TooMany { what: "segments", max: limits::SEGMENTS_EXPANDED });
                }
                let attributes = child.attributes()?;
                urls.push(SegmentUrl {
                    media: attributes.owned("media"),
                    range: attributes.parsed(reader, "mediaRange", byte_range),
                });
                reader.skip()?;
            }
            _ => reader.skip()?,
        }
    }
    if !urls.is_empty() {
        info.segment_urls = Some(Arc::new(urls));
    }
    Ok(info)
}

fn timeline(reader: &mut Reader<'_>, element: &Element<'_>) -> Outcome<Timeline> {
    let mut timeline = Timeline::default();
    while let Some(child) = reader.child()? {
        if child.name() == "S" {
            match entry(&child.attributes()?) {
                Some(entry) => timeline.push(entry),
                None => timeline.refused += 1,
            }
        }
        reader.skip()?;
    }
    if timeline.refused > 0 {
        let refused = timeline.refused;
        reader.warn(|| element.place(), format!("{refused} S elements are contradictory and left out"));
    }
    Ok(timeline)
}

/// One `S`; `None` when a number is malformed.
fn entry(attributes: &Attributes<'_>) -> Option<Entry> {
    let number = |name: &str| attributes.text(name).map(|text| text.trim().parse().ok());
    Some(Entry {
        start: number("t").map_or(Some(None), |value| value.map(Some))?,
        number: number("n").map_or(Some(None), |value| value.map(Some))?,
        duration: number("d")??,
        repeat: attributes.text("r").map_or(Some(0), |text| text.trim().parse().ok())?,
        sequence: number("k").map_or(Some(None), |value| value.map(Some))?,
    })
}
