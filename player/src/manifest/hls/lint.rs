//! What a playlist says that the specification does not allow, and that costs a playing client nothing: told
//! as warnings (draft-pantos-hls-rfc8216bis; section numbers of RFC 8216 where it has them).

use super::multivariant::Multivariant;
use super::types::{DateRange, MediaPlaylist};
use std::collections::BTreeSet;

/// What is wrong with a media playlist as a whole.
pub(super) fn media(playlist: &MediaPlaylist) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |tag: &str, what: &str| found.push(format!("#EXT-X-{tag}: {what}"));
    // Section 7: what needs which version. A playlist without the tag is left alone, for most lack it.
    if let Some(version) = playlist.version {
        let keys = || playlist.keys.iter().flatten();
        if version < 2 && keys().any(|key| key.iv.is_some()) {
            say("KEY", "IV needs version 2");
        }
        if version < 5 && keys().any(|key| key.keyformat.is_some() || key.keyformatversions.is_some()) {
            say("KEY", "KEYFORMAT and KEYFORMATVERSIONS need version 5");
        }
        if version < 4 && playlist.i_frames_only {
            say("I-FRAMES-ONLY", "the tag needs version 4");
        }
        let needed = if playlist.i_frames_only { 5 } else { 6 };
        if version < needed && !playlist.maps.is_empty() {
            say("MAP", "the tag needs version 6, or 5 beside #EXT-X-I-FRAMES-ONLY");
        }
    }
    let sample_aes = playlist.keys.iter().flatten().any(|key| key.method.starts_with("SAMPLE-AES"));
    if sample_aes && playlist.maps.is_empty() {
        say("KEY", "SAMPLE-AES in transport streams is not supported");
    }
    let dated = playlist.segments.iter().any(|segment| segment.program_date_time.is_some());
    if !playlist.date_ranges.is_empty() && !dated {
        say("DATERANGE", "#EXT-X-PROGRAM-DATE-TIME is missing");
    }
    for what in playlist.date_ranges.iter().flat_map(date_range) {
        say("DATERANGE", what);
    }
    low_latency(playlist, &mut say);
    found
}

/// Section 4.3.2.7.
fn date_range(range: &DateRange) -> Vec<&'static str> {
    let mut found = Vec::new();
    if range.end.zip(range.start).is_some_and(|(end, start)| end < start) {
        found.push("END-DATE lies before START-DATE");
    }
    if range.end_on_next && range.class.is_none() {
        found.push("END-ON-NEXT needs CLASS");
    }
    if range.end_on_next && (range.duration.is_some() || range.end.is_some()) {
        found.push("END-ON-NEXT excludes DURATION and END-DATE");
    }
    if let (Some(start), Some(end), Some(duration)) = (range.start, range.end, range.duration) {
        let millis = i64::try_from(duration / 1_000_000).unwrap_or(i64::MAX);
        if start.as_millis().saturating_add(millis).abs_diff(end.as_millis()) > 1 {
            found.push("END-DATE is not START-DATE plus DURATION");
        }
    }
    found
}

/// Parts, hints and reports (8216bis, 4.4.3.7, 4.4.3.8 and 4.4.5).
fn low_latency(playlist: &MediaPlaylist, say: &mut impl FnMut(&str, &str)) {
    let hold_back = playlist.server_control.and_then(|control| control.part_hold_back);
    match playlist.part_target {
        Some(target) => {
            if playlist.server_control.is_some() && hold_back.is_none() {
                say("SERVER-CONTROL", "PART-HOLD-BACK is missing");
            }
            if hold_back.is_some_and(|hold_back| hold_back < target.saturating_mul(2)) {
                say("SERVER-CONTROL", "PART-HOLD-BACK is less than two part targets");
            }
            if playlist.parts.iter().any(|part| part.duration > target) {
                say("PART", "a part is longer than the part target");
            }
        }
        None if !playlist.parts.is_empty() => say("PART-INF", "the tag is missing"),
        None => {}
    }
    let kinds: BTreeSet<&str> = playlist.preload_hints.iter().map(|hint| hint.kind.as_str()).collect();
    if kinds.len() < playlist.preload_hints.len() {
        say("PRELOAD-HINT", "there may be one hint of a type");
    }
    let parts = playlist.part_target.is_some() || hold_back.is_some();
    if parts && playlist.rendition_reports.iter().any(|report| report.last_part.is_none()) {
        say("RENDITION-REPORT", "LAST-PART is missing");
    }
}

/// What is wrong with a multivariant playlist as a whole.
pub(super) fn multivariant(playlist: &Multivariant) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |tag: &str, what: String| found.push(format!("#EXT-X-{tag}: {what}"));
    // Section 4.3.4.1.1: names and defaults are unique in their group.
    let (mut names, mut defaults) = (BTreeSet::new(), BTreeSet::new());
    for rendition in &playlist.renditions {
        let group = (rendition.kind.as_str(), rendition.group_id.as_str());
        if !names.insert((group, rendition.name.as_str())) {
            say("MEDIA", format!("the name {:?} stands twice in a group", rendition.name));
        }
        if rendition.default && !defaults.insert(group) {
            say("MEDIA", format!("the group {:?} has two defaults", rendition.group_id));
        }
        let service = rendition.instream_id.as_deref().is_some_and(|id| id.starts_with("SERVICE"));
        if service && playlist.version.is_some_and(|version| version < 7) {
            say("MEDIA", "SERVICE in INSTREAM-ID needs version 7".to_owned());
        }
    }
    // Section 4.3.4.2: groups exist, and what one variant says all say.
    for variant in &playlist.variants {
        let captions = variant.closed_captions.as_ref().filter(|group| *group != "NONE");
        let groups = [
            ("AUDIO", variant.audio.as_ref()),
            ("VIDEO", variant.video.as_ref()),
            ("SUBTITLES", variant.subtitles.as_ref()),
            ("CLOSED-CAPTIONS", captions),
        ];
        for (kind, group) in groups {
            let known =
                |group: &String| playlist.renditions.iter().any(|r| r.kind == kind && r.group_id == *group);
            if let Some(group) = group.filter(|group| !known(group)) {
                say("STREAM-INF", format!("there is no {kind} group {group:?}"));
            }
        }
        let allowed = variant.other.get("ALLOWED-CPC");
        if allowed.is_some_and(|list| !list.split(',').all(|entry| entry.contains(':'))) {
            say("STREAM-INF", "ALLOWED-CPC is no list of key formats with their classes".to_owned());
        }
        let range = variant.other.get("VIDEO-RANGE").map(String::as_str);
        if !matches!(range, None | Some("SDR" | "HLG" | "PQ")) {
            say("STREAM-INF", "VIDEO-RANGE is none of SDR, HLG and PQ".to_owned());
        }
    }
    let count = |test: fn(&super::multivariant::Variant) -> bool| {
        playlist.variants.iter().filter(|v| test(v)).count()
    };
    let none = count(|variant| variant.closed_captions.as_deref() == Some("NONE"));
    if none > 0 && none < playlist.variants.len() {
        say("STREAM-INF", "CLOSED-CAPTIONS=NONE must stand on all variants or on none".to_owned());
    }
    let scored = count(|variant| variant.other.contains_key("SCORE"));
    if scored > 0 && scored < playlist.variants.len() {
        say("STREAM-INF", "SCORE must stand on all variants or on none".to_owned());
    }
    found
}
