//! Our playlists as the neutral model of the area `hls`.

use player::manifest::ByteRange;
use player::manifest::hls::multivariant::{Multivariant, Rendition, Variant};
use player::manifest::hls::{Key, MediaPlaylist, Part, Start};
use serde_json::{Map, Value, json};
use url::Url;

fn seconds(nanos: u64) -> Value {
    json!(nanos as f64 / 1e9)
}

fn optional_seconds(nanos: Option<u64>) -> Value {
    nanos.map_or(Value::Null, seconds)
}

fn resolved(base: &Url, uri: &str) -> Value {
    base.join(uri).map_or(Value::Null, |url| url.as_str().into())
}

fn range(range: Option<ByteRange>) -> Value {
    range.map_or(Value::Null, |range| json!({ "offset": range.start, "length": range.len() }))
}

fn start(start: Option<Start>) -> Value {
    start.map_or(Value::Null, |start| json!({ "time_offset": start.time_offset, "precise": start.precise }))
}

fn key(key: &Key, base: &Url) -> Value {
    json!({
        "method": key.method,
        "uri": key.uri,
        "url": key.uri.as_deref().map_or(Value::Null, |uri| resolved(base, uri)),
        "iv": key.iv,
        "keyformat": key.keyformat,
        "keyformatversions": key.keyformatversions,
    })
}

fn part(part: &Part) -> Value {
    json!({
        "uri": part.uri,
        "duration": seconds(part.duration),
        "independent": part.independent,
        "gap": part.gap,
        "byte_range": range(part.byte_range),
    })
}

/// A media playlist.
pub(crate) fn media(playlist: &MediaPlaylist, base: &Url) -> Value {
    let mut start_nanos = 0u64;
    let dates: Vec<_> = playlist.program_date_times().collect();
    let segments: Vec<Value> = playlist
        .segments
        .iter()
        .enumerate()
        .map(|(at, segment)| {
            let map = segment.map.and_then(|map| playlist.maps.get(map as usize));
            let keys = playlist.keys_of(segment);
            let apple =
                keys.iter().find(|key| key.keyformat.as_deref() == Some("com.apple.streamingkeydelivery"));
            let title = playlist.title(segment);
            let parts = playlist.parts.iter().filter(|part| part.segment == at);
            let value = json!({
                "uri": playlist.uri(segment),
                "url": resolved(base, playlist.uri(segment)),
                "duration": seconds(segment.duration),
                "start": seconds(start_nanos),
                "title": if title.is_empty() { Value::Null } else { title.into() },
                "media_sequence": playlist.first_number() + at as u64,
                "discontinuity": segment.discontinuity,
                "discontinuity_sequence": segment.discontinuity_sequence,
                "byte_range": range(segment.byte_range),
                "map": map.map_or(Value::Null, |map| json!({
                    "uri": map.uri, "url": resolved(base, &map.uri), "byte_range": range(map.byte_range),
                })),
                // Of the same key in several formats any one is right; the collection names Apple's or the last.
                "key": apple.or(keys.last()).map_or(Value::Null, |last| key(last, base)),
                "program_date_time_ms": dates.get(at).copied().flatten().map(|date| date.as_millis()),
                "gap": segment.gap,
                "bitrate": segment.bitrate_kbps,
                "parts": parts.map(part).collect::<Vec<_>>(),
            });
            start_nanos = start_nanos.saturating_add(segment.duration);
            value
        })
        .collect();
    let trailing = playlist.parts.iter().filter(|part| part.segment >= playlist.segments.len());
    let date_ranges: Vec<Value> = playlist
        .date_ranges
        .iter()
        .map(|range| {
            json!({
                "id": range.id,
                "class": range.class,
                "start_ms": range.start.map(|date| date.as_millis()),
                "end_ms": range.end.map(|date| date.as_millis()),
                "duration": optional_seconds(range.duration),
                "planned_duration": optional_seconds(range.planned_duration),
                "end_on_next": range.end_on_next,
                "scte35_cmd": range.scte35.get("SCTE35-CMD"),
                "scte35_out": range.scte35.get("SCTE35-OUT"),
                "scte35_in": range.scte35.get("SCTE35-IN"),
                "client": range.client,
            })
        })
        .collect();
    json!({
        "kind": "media",
        "version": playlist.version,
        "independent_segments": playlist.independent_segments,
        "start": start(playlist.start),
        "variables": playlist.variables,
        "target_duration": optional_seconds(playlist.target_duration),
        "media_sequence": playlist.media_sequence,
        "discontinuity_sequence": playlist.discontinuity_sequence,
        "playlist_type": playlist.playlist_type,
        "end_list": playlist.end_list,
        "i_frames_only": playlist.i_frames_only,
        "part_target": optional_seconds(playlist.part_target),
        "server_control": playlist.server_control.map_or(Value::Null, |control| json!({
            "can_block_reload": control.can_block_reload,
            "hold_back": optional_seconds(control.hold_back),
            "part_hold_back": optional_seconds(control.part_hold_back),
            "can_skip_until": optional_seconds(control.can_skip_until),
            "can_skip_dateranges": control.can_skip_dateranges,
        })),
        "skip": playlist.skip.as_ref().map_or(Value::Null, |skip| json!({
            "skipped_segments": skip.skipped_segments,
            "recently_removed_dateranges": skip.recently_removed_dateranges,
        })),
        "segments": segments,
        "trailing_parts": trailing.map(part).collect::<Vec<_>>(),
        "@parts": playlist.parts.iter().map(part).collect::<Vec<_>>(),
        "preload_hints": playlist.preload_hints.iter().map(|hint| json!({
            "type": hint.kind,
            "uri": hint.uri,
            "byte_range_start": hint.byte_range_start,
            "byte_range_length": hint.byte_range_length,
        })).collect::<Vec<_>>(),
        "rendition_reports": playlist.rendition_reports.iter().map(|report| json!({
            "uri": report.uri, "last_msn": report.last_msn, "last_part": report.last_part,
        })).collect::<Vec<_>>(),
        "date_ranges": date_ranges,
        "total_duration": seconds(start_nanos),
    })
}

fn variant(variant: &Variant, base: &Url) -> Value {
    let other = |name: &str| variant.other.get(name).cloned();
    json!({
        "uri": variant.uri,
        "url": resolved(base, &variant.uri),
        "bandwidth": if variant.bandwidth == 0 { Value::Null } else { variant.bandwidth.into() },
        "average_bandwidth": variant.average_bandwidth,
        "codecs": variant.codecs,
        "supplemental_codecs": other("SUPPLEMENTAL-CODECS"),
        "resolution": variant.resolution.map(|(width, height)| json!({ "width": width, "height": height })),
        "frame_rate": variant.frame_rate,
        "hdcp_level": variant.hdcp_level,
        "video_range": other("VIDEO-RANGE"),
        "audio": variant.audio,
        "video": variant.video,
        "subtitles": variant.subtitles,
        "closed_captions": variant.closed_captions,
        "score": other("SCORE").and_then(|score| score.parse::<f64>().ok()),
        "stable_variant_id": other("STABLE-VARIANT-ID"),
        "pathway_id": other("PATHWAY-ID"),
        "name": other("NAME"),
    })
}

fn stated(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

fn rendition(rendition: &Rendition) -> Value {
    json!({
        "type": rendition.kind,
        "group_id": stated(&rendition.group_id),
        "name": stated(&rendition.name),
        "language": rendition.language,
        "assoc_language": rendition.assoc_language,
        "default": rendition.default,
        "autoselect": rendition.autoselect,
        "forced": rendition.forced,
        "instream_id": rendition.instream_id,
        "characteristics": rendition.characteristics,
        "channels": rendition.channels,
        "uri": rendition.uri,
        "stable_rendition_id": rendition.other.get("STABLE-RENDITION-ID"),
    })
}

/// A multivariant playlist.
pub(crate) fn multivariant(playlist: &Multivariant, base: &Url) -> Value {
    let variants = |list: &[Variant]| list.iter().map(|one| variant(one, base)).collect::<Vec<_>>();
    let steering = playlist.content_steering.as_ref().map(|(server, pathway)| {
        json!({ "server_uri": server, "server_url": resolved(base, server), "pathway_id": pathway })
    });
    json!({
        "kind": "multivariant",
        "version": playlist.version,
        "independent_segments": playlist.independent_segments,
        "start": start(playlist.start),
        "variables": playlist.variables,
        "variants": variants(&playlist.variants),
        "iframe_variants": variants(&playlist.iframe_variants),
        "renditions": playlist.renditions.iter().map(rendition).collect::<Vec<_>>(),
        "session_data": playlist.session_data.iter().map(|data| json!({
            "data_id": data.data_id, "value": data.value, "uri": data.uri, "language": data.language,
        })).collect::<Vec<_>>(),
        "session_keys": playlist.session_keys.iter().map(|one| key(one, base)).collect::<Vec<_>>(),
        "content_steering": steering,
    })
}

/// The model of a playlist that could not be read.
pub(crate) fn nothing(error: String) -> Value {
    let mut model = Map::new();
    model.insert("@error".to_owned(), error.into());
    for list in ["segments", "variants", "iframe_variants", "renditions"] {
        model.insert(list.to_owned(), Value::Array(Vec::new()));
    }
    model.insert("total_duration".to_owned(), 0.into());
    Value::Object(model)
}
