//! A title as text for people and as JSON for programs: what `sluice inspect` prints.

use crate::manifest::{Address, Title};
use crate::timed::{Message, TimedEvent};
use abr::presentation::{AdaptationSet, Representation, RepresentationKey};
use abr::protocol::Resource;
use abr::segments::{Segment, SegmentIndex};
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// Segments listed from the front of each representation.
const FIRST: u64 = 6;
/// Segments listed from its end.
const LAST: u64 = 3;

/// Readable tables: the presentation, its periods, sets and representations, and its warnings. Addresses are
/// shown without their query.
pub fn text(title: &Title) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_text(title, &mut out);
    out
}

fn write_text(title: &Title, out: &mut String) -> std::fmt::Result {
    let presentation = &title.presentation;
    let kind = if presentation.dynamic { "live" } else { "on demand" };
    let length = presentation.duration.map_or("length not known yet".to_owned(), clock);
    writeln!(out, "{}  {kind}  {length}", title.addresses.protocol())?;
    writeln!(out, "{}", shown(title.addresses.manifest()))?;
    for (period, p) in presentation.periods.iter().zip(0u32..) {
        let length = period.duration.map_or(String::new(), |length| format!("  {}", clock(length)));
        writeln!(out)?;
        writeln!(out, "Period {}  from {}{length}", clean(&period.id), seconds(period.start.as_secs_f64()))?;
        for (set, a) in period.adaptation_sets.iter().zip(0u32..) {
            writeln!(out, "  {}", heading(set))?;
            for (representation, r) in set.representations.iter().zip(0u32..) {
                let key = RepresentationKey { period: p, adaptation_set: a, representation: r };
                writeln!(out, "    {key:<7} {}", row(title, key, representation))?;
            }
        }
    }
    if !presentation.warnings.is_empty() {
        writeln!(out)?;
        writeln!(out, "Warnings")?;
        for warning in &presentation.warnings {
            writeln!(out, "  {}", clean(warning))?;
        }
    }
    Ok(())
}

fn heading(set: &AdaptationSet) -> String {
    let mut parts = vec![format!("{:?}", set.content_type)];
    if set.muxed_audio {
        parts.push("with audio".to_owned());
    }
    parts.extend(set.language.as_deref().map(clean));
    parts.extend(set.label.as_deref().map(|label| format!("“{}”", clean(label))));
    if !set.roles.is_empty() {
        parts.push(format!("({})", clean(&set.roles.join(", "))));
    }
    if set.is_default {
        parts.push("default".to_owned());
    }
    parts.join("  ")
}

fn row(title: &Title, key: RepresentationKey, representation: &Representation) -> String {
    let rate = format!("{} kbit/s", representation.bandwidth_bps.div_ceil(1000));
    let size = match (representation.width, representation.height) {
        (0, 0) => String::new(),
        (width, height) => format!("{width}×{height}"),
    };
    let (numerator, denominator) = representation.frame_rate;
    let frames = match numerator {
        0 => String::new(),
        _ => format!("{} fps", trim(f64::from(numerator) / f64::from(denominator.max(1)))),
    };
    let sound = match (representation.channels, representation.sampling_rate) {
        (0, 0) => String::new(),
        (channels, 0) => format!("{channels} ch"),
        (0, rate) => format!("{rate} Hz"),
        (channels, rate) => format!("{channels} ch {rate} Hz"),
    };
    let segments = match &representation.index {
        SegmentIndex::Pending => "index in another resource".to_owned(),
        SegmentIndex::Known(runs) => format!("{} segments", runs.len()),
    };
    let mut parts = vec![format!("{rate:>14}"), format!("{:<10}", clean(&representation.id))];
    let container = format!("{:?}", representation.container).to_lowercase();
    parts.extend([size, frames, sound, container, clean(&representation.codecs), segments]);
    if representation.locations > 1 {
        parts.push(format!("{} hosts", representation.locations));
    }
    if !title.addresses.protection(key).is_empty() {
        parts.push("encrypted".to_owned());
    }
    parts.retain(|part| !part.is_empty());
    parts.join("  ")
}

/// The whole title for programs: `protocol`, `manifest`, `presentation` (the model as is) and `segments`, for
/// each representation its initialization, how many segments it has, and the addresses of the first six and
/// last three.
pub fn json(title: &Title) -> Value {
    let representations: Vec<Value> = title
        .presentation
        .representations()
        .map(|(key, representation)| segments(title, key, representation))
        .collect();
    json!({
        "protocol": title.addresses.protocol(),
        "manifest": title.addresses.manifest().as_str(),
        "presentation": title.presentation,
        "events": events(title),
        "segments": representations,
    })
}

/// What happens when, as far as manifest and indexes say.
fn events(title: &Title) -> Vec<Value> {
    let mut found = title.events.clone();
    for (key, _) in title.presentation.representations() {
        let known = |event: &TimedEvent| !found.contains(event);
        let new: Vec<TimedEvent> = title.addresses.events(key).into_iter().filter(known).collect();
        found.extend(new);
    }
    found.sort_by_key(|event| event.start);
    let line = |event: TimedEvent| {
        json!({
            "origin": event.origin,
            "scheme": event.scheme,
            "value": event.value,
            "id": event.id,
            "start_ns": event.start.as_nanos(),
            "duration_ns": event.duration.map(|span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)),
            "text": match &event.message { Message::Text(text) => Some(text), _ => None },
            "scte35": event.splice(),
        })
    };
    found.into_iter().map(line).collect()
}

fn segments(title: &Title, key: RepresentationKey, representation: &Representation) -> Value {
    let mut entry = json!({
        "representation": key,
        "id": representation.id,
        "protection": title.addresses.protection(key),
    });
    let Some(object) = entry.as_object_mut() else { return entry };
    if let Some((columns, rows)) = title.addresses.tiles(key) {
        object.insert("tiles".to_owned(), json!({ "columns": columns, "rows": rows }));
    }
    let resolve = |resource: &Resource| title.addresses.resolve(resource, 0).map(|address| place(&address));
    if let Some(index) = resolve(&Resource::Index(key)) {
        object.insert("index".to_owned(), index);
    }
    if let SegmentIndex::Known(runs) = &representation.index {
        let mut inits: Vec<u32> = runs.runs.iter().filter_map(|run| run.init).collect();
        inits.dedup();
        let init = |init| resolve(&Resource::Init { representation: key, init });
        object.insert("init".to_owned(), inits.into_iter().filter_map(init).collect());
        let count = runs.len();
        let list = |positions: std::ops::Range<u64>| -> Value {
            let segments = positions.filter_map(|position| runs.get(position));
            segments.map(|segment| line(title, key, &segment)).collect()
        };
        object.insert("count".to_owned(), count.into());
        object.insert("first".to_owned(), list(0..count.min(FIRST)));
        object.insert("last".to_owned(), list(count.saturating_sub(LAST).max(count.min(FIRST))..count));
    } else if let Some(init) = resolve(&Resource::Init { representation: key, init: 0 }) {
        object.insert("init".to_owned(), json!([init]));
    }
    entry
}

fn line(title: &Title, key: RepresentationKey, segment: &Segment) -> Value {
    let resource = Resource::Segment { representation: key, segment: *segment };
    json!({
        "number": segment.number,
        "time": segment.time,
        "start_ns": segment.start.as_nanos(),
        "end_ns": segment.end.as_nanos(),
        "address": title.addresses.resolve(&resource, 0).map(|address| place(&address)),
    })
}

fn place(address: &Address) -> Value {
    match address.range {
        None => json!({ "url": address.url.as_str() }),
        Some(range) => json!({ "url": address.url.as_str(), "range": range }),
    }
}

/// An address without user information, query and fragment, which may hold secrets.
fn shown(url: &url::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only for addresses that can have neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

/// Foreign text without control and direction characters, for a terminal.
fn clean(text: &str) -> String {
    let hostile = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().take(200).map(|c| if hostile(c) { '\u{fffd}' } else { c }).collect()
}

fn trim(number: f64) -> String {
    format!("{number:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn seconds(seconds: f64) -> String {
    format!("{} s", trim(seconds))
}

fn clock(span: Duration) -> String {
    let whole = span.as_secs();
    let millis = span.subsec_millis();
    let head = match whole / 3600 {
        0 => format!("{}:{:02}", whole / 60, whole % 60),
        hours => format!("{hours}:{:02}:{:02}", whole / 60 % 60, whole % 60),
    };
    if millis == 0 { head } else { format!("{head}.{millis:03}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    const MPD: &str = r#"<MPD mediaPresentationDuration="PT20S"><Period><AdaptationSet contentType="video" lang="en">
        <SegmentTemplate timescale="1" duration="4" media="$RepresentationID$/$Number$.m4s?k=1" initialization="i.mp4"/>
        <Representation id="v" bandwidth="100000" width="640" height="360" mimeType="video/mp4" codecs="avc1.4d401e"/>
        </AdaptationSet></Period></MPD>"#;

    #[test]
    fn a_title_is_shown_both_ways() {
        let url = Url::parse("https://user:pw@h.example/a/m.mpd?token=secret").unwrap();
        let title = crate::manifest::read(&url, MPD.as_bytes()).unwrap();
        let text = text(&title);
        assert!(text.contains("DASH  on demand  0:20"), "{text}");
        assert!(text.contains("640×360") && text.contains("5 segments"), "{text}");
        assert!(!text.contains("secret") && !text.contains("pw"), "{text}");
        let json = json(&title);
        assert_eq!(json["protocol"], "DASH");
        assert_eq!(json["presentation"]["periods"][0]["adaptation_sets"][0]["language"], "en");
        assert_eq!(json["segments"][0]["count"], 5);
        assert_eq!(json["segments"][0]["first"][4]["start_ns"], 16_000_000_000i64);
        assert!(
            json["segments"][0]["first"][0]["address"]["url"].as_str().unwrap().ends_with("/a/v/1.m4s?k=1")
        );
    }

    #[test]
    fn terminals_are_not_steered() {
        assert_eq!(clean("a\u{1b}[2J\u{202e}b"), "a\u{fffd}[2J\u{fffd}b");
    }
}
