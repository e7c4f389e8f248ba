//! The area `dash`: MPDs.

use crate::dash_model;
use crate::harness::Case;
use crate::model::{differences, failed_checks};
use abr::segments::SegmentIndex;
use abr::time::MediaTime;
use player::manifest::dash::mpd::Mpd;
use player::manifest::dash::patch;
use player::manifest::dash::template::{Values, expand};
use player::manifest::dash::{ResolvedRepresentation, frame_rate, parse, resolve};
use player::manifest::{Address, ManifestError, decode, iso8601, read};
use serde_json::{Value, json};
use url::Url;

/// What is wrong with a case.
pub(crate) fn check(case: &Case) -> Vec<String> {
    match case.text("kind") {
        "vector" => vector(case),
        "patch" => patched(case),
        "note" => vec![format!("the kind {} is not implemented", case.text("kind"))],
        _ => document(case),
    }
}

/// A patch applied to its MPD: the same elements, attributes and text as the result, and the expected model.
fn patched(case: &Case) -> Vec<String> {
    let base = Url::parse(case.json["base_url"].as_str().unwrap_or("https://example.com/dir/manifest.mpd"));
    let text = |role: &str| case.input(role).map(|body| String::from_utf8_lossy(&body).into_owned());
    let (Ok(base), Ok(mpd), Ok(orders), Ok(result)) = (base, text("base"), text("patch"), text("result"))
    else {
        return vec!["the input is not readable".to_owned()];
    };
    let applied = match patch::apply(&mpd, &orders) {
        Ok(applied) => applied,
        Err(error) => return vec![format!("refused: {error}")],
    };
    let mut wrong = Vec::new();
    let (found, wanted) = (parts(&applied), parts(&result));
    if let Some(at) = (0..found.len().max(wanted.len())).find(|at| found.get(*at) != wanted.get(*at)) {
        wrong.push(format!("expected {:?}, found {:?}", wanted.get(at), found.get(at)));
    }
    match document_of(&applied) {
        Ok(mpd) => wrong.extend(differences(&case.json["expect"], &dash_model::mpd(&mpd, &base))),
        Err(error) => wrong.push(format!("the result is refused: {error}")),
    }
    wrong
}

/// A document as a list of its tags, each with sorted attributes, and its trimmed texts.
fn parts(text: &str) -> Vec<String> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut parts = Vec::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                let mut attributes: Vec<String> = start
                    .attributes()
                    .flatten()
                    .map(|attribute| format!("{}={}", attribute.key.into_inner(), attribute.value))
                    .collect();
                attributes.sort();
                parts.push(format!("<{} {}>", start.name().into_inner(), attributes.join(" ")));
            }
            Ok(Event::End(_)) => parts.push("</>".to_owned()),
            Ok(Event::Text(text)) if !text.trim().is_empty() => parts.push(text.trim().to_owned()),
            Ok(Event::GeneralRef(name)) => parts.push(format!("&{};", &*name)),
            Ok(Event::Eof) | Err(_) => return parts,
            Ok(_) => {}
        }
    }
}

fn document(case: &Case) -> Vec<String> {
    let base = case.json["base_url"].as_str().unwrap_or("https://example.com/dir/manifest.mpd");
    let (Ok(base), Ok(body)) = (Url::parse(base), case.input("mpd")) else {
        return vec!["the input is not readable".to_owned()];
    };
    // The whole way into the model must stand any input as well.
    let title = read(&base, &body);
    let flagged = title.as_ref().map_or(true, |title| !title.presentation.warnings.is_empty());
    let mut wrong = Vec::new();
    match (case.text("verdict"), &title) {
        ("reject", Ok(_)) => wrong.push("not refused".to_owned()),
        ("strict-reject" | "flag-error" | "peer-reports-error", Ok(_)) if !flagged => {
            wrong.push("not reported".to_owned());
        }
        _ => {}
    }
    let mpd = match decode(&body).and_then(document_of) {
        Ok(mpd) => mpd,
        Err(error) if case.text("verdict") == "accept" => return vec![format!("refused: {error}")],
        Err(_) => return wrong,
    };
    let model = dash_model::mpd(&mpd, &base);
    wrong.extend(failed_checks(&case.json["checks"], &model));
    if case.json["expect"].is_object() {
        wrong.extend(differences(&case.json["expect"], &model));
    }
    if case.json["references"].is_array() {
        wrong.extend(references(&case.json["references"], &mpd, &base));
    }
    if case.json["peer_tracks"].is_array() {
        wrong.extend(peer_tracks(&case.json["peer_tracks"], &mpd, &base));
    }
    if case.json["peer_periods"].is_array() {
        wrong.extend(peer_periods(&case.json["peer_periods"], &mpd, &base));
    }
    wrong
}

fn document_of(text: &str) -> Result<Mpd, ManifestError> {
    parse(text)
}

/// All segments of the first video representation, in order.
fn references(expected: &Value, mpd: &Mpd, base: &Url) -> Vec<String> {
    let resolved = resolve(base, mpd);
    let mut found = Vec::new();
    for (period, resolved) in mpd.periods.iter().zip(&resolved.periods) {
        let mut sets = period.adaptation_sets.iter().zip(&resolved.sets);
        let video = sets.find(|(set, representations)| dash_model::kind(set, representations) == "video");
        let first = video.and_then(|(_, representations)| representations.first());
        for (segment, address) in first.map(dash_model::segments).unwrap_or_default() {
            found.push((address, segment.start.as_secs_f64(), segment.end.as_secs_f64()));
        }
    }
    let expected = expected.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut wrong = Vec::new();
    if expected.len() != found.len() {
        wrong.push(format!("references: {} expected, {} found", expected.len(), found.len()));
    }
    for (expected, (address, start, end)) in expected.iter().zip(found) {
        let suffix = expected["url_suffix"].as_str().unwrap_or_default();
        let url = address.map(|address| address.url.to_string()).unwrap_or_default();
        let near =
            |name: &str, value: f64| (expected[name].as_f64().unwrap_or(f64::NAN) - value).abs() < 1e-3;
        if !url.ends_with(suffix) || !near("start", start) || !near("end", end) {
            wrong.push(format!("references: expected {expected}, found {url} {start} {end}"));
        }
    }
    wrong
}

/// A representation with what identifies it across periods.
struct Track<'a> {
    kind: Value,
    language: Option<String>,
    id: String,
    own: &'a player::manifest::dash::mpd::Representation,
    resolved: &'a ResolvedRepresentation,
}

fn tracks<'a>(
    period: &'a player::manifest::dash::mpd::Period,
    resolved: &'a player::manifest::dash::ResolvedPeriod,
) -> Vec<Track<'a>> {
    let sets = period.adaptation_sets.iter().zip(&resolved.sets);
    sets.flat_map(|(set, representations)| {
        let kind = dash_model::kind(set, representations);
        set.representations.iter().zip(representations).map(move |(own, resolved)| Track {
            kind: kind.clone(),
            language: set.lang.clone(),
            id: own.id.clone().unwrap_or_default(),
            own,
            resolved,
        })
    })
    .collect()
}

/// The tracks that mpd-parser makes: representations of one id, joined over the periods.
fn peer_tracks(expected: &Value, mpd: &Mpd, base: &Url) -> Vec<String> {
    let resolved = resolve(base, mpd);
    let all: Vec<Track<'_>> = mpd
        .periods
        .iter()
        .zip(&resolved.periods)
        .flat_map(|(period, resolved)| tracks(period, resolved))
        .collect();
    let mut wrong = Vec::new();
    for expected in expected.as_array().map(Vec::as_slice).unwrap_or_default() {
        let kind = match expected["kind"].as_str().unwrap_or_default() {
            "subtitles" => "text",
            // Captions inside of the video are tracks of that peer only.
            "closed-captions" => continue,
            kind => kind,
        };
        let id = expected["id"].as_str().unwrap_or_default();
        let language = expected["language"].as_str();
        let same = |track: &&Track<'_>| {
            track.kind == kind
                // That peer names subtitles by their language.
                && (track.id == id || kind == "text" && track.language.as_deref() == Some(id))
                && language.is_none_or(|language| track.language.as_deref() == Some(language))
        };
        let found: Vec<&Track<'_>> = all.iter().filter(same).collect();
        let listed = |name: &str, value: &dyn Fn(&Track<'_>) -> Value| {
            expected[name].is_null() || found.iter().any(|track| value(track) == expected[name])
        };
        if found.is_empty()
            || !listed("bandwidth", &|track| json!(track.own.bandwidth))
            || !listed("codecs", &|track| json!(track.resolved.common.codecs))
        {
            wrong.push(format!("peer_tracks: no {kind} {id} of that bandwidth and codec"));
            continue;
        }
        // What lies in an index that has to be fetched first is listed by neither.
        if found.iter().any(|track| matches!(track.resolved.index, Ok(SegmentIndex::Pending))) {
            continue;
        }
        let segments: Vec<_> = found.iter().flat_map(|track| dash_model::segments(track.resolved)).collect();
        let mut rates: Vec<_> = found.iter().map(|track| track.own.bandwidth).collect();
        rates.dedup();
        let count = expected["segment_count"].as_u64().unwrap_or(0) as usize;
        // Where one id changes its bit rate from period to period, that peer makes several tracks of it.
        if rates.len() == 1 && count != segments.len() {
            wrong.push(format!(
                "peer_tracks {kind} {id}: {count} segments expected, {} found",
                segments.len()
            ));
            continue;
        }
        let lists = ["first_segments", "last_segments"].iter().filter_map(|name| expected[*name].as_array());
        for expected in lists.flatten() {
            let mut wanted = expected.clone();
            // Numbers and missing initialization segments are that peer's own way of counting.
            wanted["number"] = Value::Null;
            wanted["init_url"] = Value::Null;
            let found = |(segment, address): &(abr::segments::Segment, Option<Address>)| {
                differences(&wanted, &dash_model::segment(segment, address.clone())).is_empty()
            };
            if !segments.iter().any(found) {
                wrong.push(format!("peer_tracks {kind} {id}: no segment {wanted}"));
            }
        }
    }
    wrong
}

/// The periods and tracks that rx-player makes; segment times are relative to the period.
fn peer_periods(expected: &Value, mpd: &Mpd, base: &Url) -> Vec<String> {
    let resolved = resolve(base, mpd);
    let mut wrong = Vec::new();
    let periods = expected.as_array().map(Vec::as_slice).unwrap_or_default();
    for (at, (expected, (period, resolved))) in
        periods.iter().zip(mpd.periods.iter().zip(&resolved.periods)).enumerate()
    {
        let (start, end) = resolved.span.map_or((0, None), |span| span);
        let found = json!({
            "start": start as f64 / 1e9,
            "duration": end.map(|end| (end - start) as f64 / 1e9),
        });
        // A period's own duration counts for that peer even where the next one starts later.
        let own = period.duration.map(|duration| duration.as_secs_f64());
        let own = own.is_some_and(|own| expected["duration"].as_f64() == Some(own));
        let duration = if own { Value::Null } else { expected["duration"].clone() };
        let wanted = json!({ "start": expected["start"], "duration": duration });
        wrong
            .extend(differences(&wanted, &found).into_iter().map(|what| format!("peer_periods[{at}]{what}")));
        let tracks = tracks(period, resolved);
        for expected in expected["tracks"].as_array().map(Vec::as_slice).unwrap_or_default() {
            if !tracks.iter().any(|track| peer_track(expected, track, start).is_empty()) {
                let near = tracks.iter().find(|track| json!(track.own.bandwidth) == expected["bandwidth"]);
                let why = near.map(|track| peer_track(expected, track, start).join("; ")).unwrap_or_default();
                wrong.push(format!(
                    "peer_periods[{at}]: no track like {} {}: {why}",
                    expected["kind"], expected["bandwidth"]
                ));
            }
        }
    }
    wrong
}

fn peer_track(expected: &Value, track: &Track<'_>, period_start: u64) -> Vec<String> {
    let common = &track.resolved.common;
    let rate = common.frame_rate.map(|(numerator, denominator)| numerator as f64 / denominator as f64);
    let found = json!({
        "kind": track.kind,
        "id": track.id,
        "language": track.language,
        "bandwidth": track.own.bandwidth,
        "codecs": common.codecs,
        "mime_type": common.mime_type,
        "width": common.width,
        "height": common.height,
        "frame_rate": rate,
    });
    let mut wanted = expected.clone();
    for own in ["init_url_suffix", "first_segments", "audio_description"] {
        wanted[own] = Value::Null;
    }
    let mut wrong = differences(&wanted, &found);
    let ends = |url: Option<String>, suffix: &Value| {
        suffix.as_str().is_none_or(|suffix| url.is_some_and(|url| url.ends_with(suffix)))
    };
    if !ends(track.resolved.init().map(|init| init.url.to_string()), &expected["init_url_suffix"]) {
        wrong.push(format!("init: {} expected", expected["init_url_suffix"]));
    }
    let list = expected["first_segments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Ok(SegmentIndex::Known(runs)) = &track.resolved.index else { return wrong };
    for wanted in list {
        // That peer lists the segments around a time that its test chose, in a period that has no end for it.
        let start = wanted["start"].as_f64().unwrap_or(0.0);
        let middle = start + wanted["duration"].as_f64().unwrap_or(0.0) / 2.0 + period_start as f64 / 1e9;
        let Some(segment) = runs.at(MediaTime::from_nanos((middle * 1e9) as i64)) else { continue };
        let mut found = dash_model::segment(&segment, None);
        found["start"] = json!(segment.start.as_secs_f64() - period_start as f64 / 1e9);
        let mut rest = wanted.clone();
        rest["url_suffix"] = Value::Null;
        wrong.extend(differences(&rest, &found));
        if !ends(
            track.resolved.segment(&segment).map(|address| address.url.to_string()),
            &wanted["url_suffix"],
        ) {
            let found = track.resolved.segment(&segment).map(|address| address.url.to_string());
            wrong.push(format!("segment: {} expected, {found:?} found", wanted["url_suffix"]));
        }
    }
    wrong
}

fn vector(case: &Case) -> Vec<String> {
    let args = &case.json["args"];
    let expected = &case.json["expected"];
    let found = match case.text("fn") {
        "processUriTemplate" => {
            // Numbers beyond what JavaScript counts exactly are written as text.
            let number = |at: usize| args[at].as_u64().or_else(|| args[at].as_str()?.parse().ok());
            let values = Values {
                representation: args[1].as_str(),
                number: number(2),
                sub_number: number(3),
                bandwidth: number(4),
                time: number(5),
            };
            json!(expand(args[0].as_str().unwrap_or_default(), values))
        }
        "parseFrameRate" => match args[0].as_str().and_then(frame_rate) {
            Some((numerator, denominator)) => json!(numerator as f64 / denominator as f64),
            None => json!({ "@num": "NaN" }),
        },
        "decodeIso8601Duration" => {
            let text = args[0].as_str().unwrap_or_default();
            let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
            iso8601::duration(text).map_or(Value::Null, |span| json!(sign * span.as_secs_f64()))
        }
        other => return vec![format!("the function {other} is not implemented")],
    };
    let number = |value: &Value| value.as_f64();
    let same = match (number(expected), number(&found)) {
        (Some(a), Some(b)) => (a - b).abs() <= a.abs() * 1e-6,
        _ => *expected == found,
    };
    if same { Vec::new() } else { vec![format!("expected {expected}, found {found}")] }
}
