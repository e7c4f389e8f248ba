//! Our reading of an MPD as the neutral model of the area `dash`.

use abr::segments::{Segment, SegmentIndex};
use player::manifest::dash::mpd::{
    AdaptationSet, Common, ContentProtection, Descriptor, EventStream, Mpd, Period, Representation,
};
use player::manifest::dash::{
    Resolved, ResolvedPeriod, ResolvedRepresentation, content_type, kind_of, kind_of_codecs, resolve,
};
use player::manifest::{Address, ByteRange};
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;

/// Segments listed from the front and, beyond those, from the end.
const FIRST: u64 = 6;
const LAST: u64 = 3;

fn seconds(span: Option<Duration>) -> Value {
    span.map_or(Value::Null, |span| json!(span.as_secs_f64()))
}

fn range(range: ByteRange) -> Value {
    json!({ "offset": range.start, "length": range.len() })
}

fn address(address: Option<Address>) -> Value {
    address.map_or(
        Value::Null,
        |address| json!({ "url": address.url.as_str(), "range": address.range.map(range) }),
    )
}

fn descriptor(one: &Descriptor) -> Value {
    json!({ "scheme_id_uri": one.scheme_id_uri, "value": one.value })
}

fn descriptors(list: &[Descriptor]) -> Value {
    list.iter().map(descriptor).collect()
}

fn protections(list: &[ContentProtection]) -> Value {
    let one = |one: &ContentProtection| {
        json!({
            "scheme_id_uri": one.scheme_id_uri,
            "value": one.value,
            "default_kid": one.default_kid,
            "pssh": one.pssh,
            "license_url": one.license_url,
        })
    };
    list.iter().map(one).collect()
}

/// An MPD that was found at `url`.
pub(crate) fn mpd(mpd: &Mpd, url: &Url) -> Value {
    let resolved: Resolved = resolve(url, mpd);
    let join = |reference: &String| url.join(reference).map_or(Value::Null, |url| url.as_str().into());
    let periods: Vec<Value> =
        mpd.periods.iter().zip(&resolved.periods).map(|(one, resolved)| period(one, resolved)).collect();
    json!({
        "type": if mpd.kind.is_empty() { "static" } else { &mpd.kind },
        "id": mpd.id,
        "profiles": mpd.profiles,
        "media_presentation_duration": seconds(mpd.media_presentation_duration),
        "min_buffer_time": seconds(mpd.min_buffer_time),
        "minimum_update_period": seconds(mpd.minimum_update_period),
        "time_shift_buffer_depth": seconds(mpd.time_shift_buffer_depth),
        "suggested_presentation_delay": seconds(mpd.suggested_presentation_delay),
        "max_segment_duration": seconds(mpd.max_segment_duration),
        "availability_start_time_ms": mpd.availability_start_time.map(|date| date.as_millis()),
        "availability_end_time_ms": mpd.availability_end_time.map(|date| date.as_millis()),
        "publish_time_ms": mpd.publish_time.map(|date| date.as_millis()),
        "locations": mpd.locations.iter().map(join).collect::<Vec<_>>(),
        "patch_locations": mpd.patch_locations.iter().map(|(reference, ttl)| json!({
            "url": join(reference), "ttl": ttl,
        })).collect::<Vec<_>>(),
        "base_urls": mpd.base_urls.iter().map(|base| base.url.as_str()).collect::<Vec<_>>(),
        "utc_timings": descriptors(&mpd.utc_timings),
        "service_description": mpd.service_description.map(|service| json!({
            "target_latency_ms": service.target_latency_ms,
            "min_latency_ms": service.min_latency_ms,
            "max_latency_ms": service.max_latency_ms,
            "min_rate": service.min_rate,
            "max_rate": service.max_rate,
        })),
        "content_steering": mpd.content_steering.as_ref().map(|(server, default)| json!({
            "server_url": server, "default_service_location": default,
        })),
        "periods": periods,
    })
}

fn period(period: &Period, resolved: &ResolvedPeriod) -> Value {
    let nanos = |nanos: u64| json!(nanos as f64 / 1e9);
    let (start, end) = resolved.span.map_or((None, None), |(start, end)| (Some(start), end));
    let duration = end.zip(start).map(|(end, start)| end - start);
    let sets = period.adaptation_sets.iter().zip(&resolved.sets);
    json!({
        "id": period.id,
        "start": start.map(nanos),
        "duration": duration.map(nanos),
        "asset_identifier": period.asset_identifier.as_ref().map(descriptor),
        "event_streams": period.event_streams.iter().map(event_stream).collect::<Vec<_>>(),
        "adaptation_sets": sets.map(|(set, resolved)| adaptation_set(set, resolved)).collect::<Vec<_>>(),
    })
}

fn event_stream(stream: &EventStream) -> Value {
    let ticks = |ticks: i128| json!(ticks as f64 / stream.timescale as f64);
    let events = stream.events.iter().map(|event| {
        json!({
            "time": ticks(i128::from(event.presentation_time) - i128::from(stream.presentation_time_offset)),
            "duration": event.duration.map(|duration| ticks(duration.into())),
            // Numbers in the schema, text in the model: an identifier need not be a number.
            "id": event.id.as_deref().map(|id| id.parse::<u64>().map_or(json!(id), |id| json!(id))),
            "message_data": event.message_data,
        })
    });
    json!({
        "scheme_id_uri": stream.descriptor.scheme_id_uri,
        "value": stream.descriptor.value,
        "events": events.collect::<Vec<_>>(),
    })
}

/// What a set carries, as the schema names it.
pub(crate) fn kind(set: &AdaptationSet, representations: &[ResolvedRepresentation]) -> Value {
    let of = |common: &Common| {
        let mime = common.mime_type.as_deref().unwrap_or_default();
        kind_of(mime).or_else(|| kind_of_codecs(common.codecs.as_deref().unwrap_or_default()))
    };
    let kind = content_type(set).or_else(|| representations.iter().find_map(|one| of(&one.common)));
    kind.map_or(Value::Null, |kind| json!(kind))
}

fn adaptation_set(set: &AdaptationSet, resolved: &[ResolvedRepresentation]) -> Value {
    let representations = set.representations.iter().zip(resolved);
    json!({
        "id": set.id,
        "content_type": kind(set, resolved),
        "mime_type": set.common.mime_type,
        "lang": set.lang,
        "labels": set.labels,
        "segment_alignment": set.segment_alignment,
        "selection_priority": set.selection_priority,
        "roles": descriptors(&set.roles),
        "accessibilities": descriptors(&set.accessibilities),
        "essential_properties": descriptors(&set.common.essential_properties),
        "supplemental_properties": descriptors(&set.common.supplemental_properties),
        "inband_event_streams": descriptors(&set.common.inband_event_streams),
        "content_protections": protections(&set.common.content_protections),
        "representations": representations.map(|(one, resolved)| representation(one, resolved)).collect::<Vec<_>>(),
    })
}

/// All segments that a representation lists without another request.
pub(crate) fn segments(resolved: &ResolvedRepresentation) -> Vec<(Segment, Option<Address>)> {
    match &resolved.index {
        Ok(SegmentIndex::Known(runs)) => {
            runs.iter().take(10_000).map(|segment| (segment, resolved.segment(&segment))).collect()
        }
        _ => Vec::new(),
    }
}

/// One segment as the schema has it.
pub(crate) fn segment(segment: &Segment, at: Option<Address>) -> Value {
    let mut value = address(at);
    if value.is_null() {
        value = json!({});
    }
    value["number"] = segment.number.into();
    value["start"] = json!(segment.start.as_secs_f64());
    value["duration"] = json!(segment.duration().as_secs_f64());
    value
}

fn representation(own: &Representation, resolved: &ResolvedRepresentation) -> Value {
    let common = &resolved.common;
    let mut value = json!({
        "id": own.id,
        "bandwidth": own.bandwidth,
        "codecs": common.codecs,
        "mime_type": common.mime_type,
        "width": common.width,
        "height": common.height,
        "frame_rate": common.frame_rate.map(|(numerator, denominator)| numerator as f64 / denominator as f64),
        "sar": common.sar,
        "audio_sampling_rate": common.audio_sampling_rate,
        "audio_channel_configuration": common.audio_channel_configuration.as_ref().map(descriptor),
        "scan_type": common.scan_type,
        "dependency_id": own.dependency_id,
        "base_url": resolved.locations.first().map(|base| base.url.as_str()),
        "base_urls": resolved.locations.iter().map(|base| json!({
            "url": base.url,
            "service_location": base.service_location,
            "priority": base.priority,
            "weight": base.weight,
        })).collect::<Vec<_>>(),
        "init": address(resolved.init()),
        "index_range": resolved.index().and_then(|index| index.range).map(range),
        "content_protections": protections(&own.common.content_protections),
        "essential_properties": descriptors(&own.common.essential_properties),
        "supplemental_properties": descriptors(&own.common.supplemental_properties),
        "inband_event_streams": descriptors(&own.common.inband_event_streams),
    });
    let tiles = common.essential_properties.iter().find(|one| one.scheme_id_uri.ends_with("thumbnail_tile"));
    if let Some((columns, rows)) = tiles.and_then(|tiles| tiles.value.as_deref()?.split_once('x')) {
        value["tile_columns"] = json!(columns.parse::<u64>().ok());
        value["tile_rows"] = json!(rows.parse::<u64>().ok());
    }
    value["presentation_time_offset"] = json!(resolved.source.presentation_time_offset());
    match &resolved.index {
        Ok(SegmentIndex::Known(runs)) => {
            let count = runs.len();
            let list = |positions: std::ops::Range<u64>| -> Vec<Value> {
                let found = positions.filter_map(|at| runs.get(at));
                found.map(|one| segment(&one, resolved.segment(&one))).collect()
            };
            value["segment_count"] = count.into();
            value["first_segments"] = list(0..count.min(FIRST)).into();
            if count > FIRST {
                value["last_segments"] = list(count - LAST..count).into();
            }
        }
        Ok(SegmentIndex::Pending) => {}
        Err(why) => value["unusable"] = why.as_str().into(),
    }
    value
}
