//! Subtitles: WebVTT files, cue text and samples, by the schemas of the area's README.

use crate::harness::Case;
use crate::model::failed_checks;
use abr::presentation::{Container, ContentType, RepresentationKey};
use abr::protocol::FetchId;
use abr::segments::Segment;
use abr::time::MediaTime;
use bytes::Bytes;
use player::media::demux::{Demuxed, Demuxer, RawSample, RawTrack};
use player::media::sample::{Codec, SampleFormat, StreamLayout};
use player::media::timing::{Mapping, TimeMapper};
use player::pipeline::{Append, Timing};
use player::text::cue::{Align, Cue, LineAlign, PositionAlign, Writing};
use player::text::node::{Node, SpanKind};
use player::text::style::{self, Run};
use player::text::{reader, webvtt};
use serde_json::{Value, json};
use std::sync::Arc;

/// Features of a WebVTT case that its tags do not name, from its text.
pub(crate) fn features(case: &Case) -> Vec<String> {
    if !matches!(case.text("format"), "webvtt" | "vtt" | "webvtt-cue-text") {
        return Vec::new();
    }
    let bytes = bytes_of(case).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let reads = |line: &str| {
        webvtt::parse(format!("WEBVTT\n\n{line}\nx").as_bytes())
            .is_ok_and(|document| !document.cues.is_empty())
    };
    let is_old = |line: &&str| {
        let token = |token: &str| {
            let value = token.strip_prefix("line:").or_else(|| token.strip_prefix("position:"));
            let align = value.and_then(|value| value.split_once(',')).map(|(_, align)| align);
            align.is_some_and(|align| !matches!(align, "center" | "line-left" | "line-right"))
        };
        line.contains("-->") && line.split_whitespace().any(token)
    };
    let checks = case.json["checks"].to_string();
    let name_left = |nodes: &[Node]| {
        nodes.iter().any(|node| matches!(node, Node::Text(text) if text.starts_with('&') && text.ends_with(';') && text.len() > 2))
    };
    let found = [
        ("old regions", lines.iter().any(|line| line.starts_with("Region:"))),
        ("no timings at an arrow", lines.iter().any(|line| line.contains("-->") && !reads(line))),
        ("old alignment", lines.iter().any(is_old)),
        ("no signature", !bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).starts_with(b"WEBVTT")),
        ("cue below the signature", lines.get(1).is_some_and(|line| line.contains("-->"))),
        ("drawing model", checks.contains(".layout.") || checks.contains(".parts")),
        ("rare character name", name_left(&webvtt::parse_markup(case.text("text")))),
    ];
    found.into_iter().filter(|(_, is)| *is).map(|(name, _)| name.to_owned()).collect()
}

/// What is wrong with a case.
pub(crate) fn check(case: &Case) -> Vec<String> {
    match case.text("format") {
        "webvtt" | "vtt" => file(case),
        "webvtt-cue-text" => tree(case),
        "webvtt-in-mp4" => samples(case),
        other => vec![format!("{other} is not read")],
    }
}

fn bytes_of(case: &Case) -> Result<Vec<u8>, String> {
    let roles = ["webvtt", "vtt", "text"];
    roles.iter().find_map(|role| case.input(role).ok()).ok_or_else(|| "no input".to_owned())
}

fn file(case: &Case) -> Vec<String> {
    let bytes = match bytes_of(case) {
        Ok(bytes) => bytes,
        Err(error) => return vec![error],
    };
    let document = webvtt::parse(&bytes);
    match (case.text("verdict"), document) {
        ("tolerate" | "no-crash", _) | ("reject", Err(_)) => Vec::new(),
        ("reject", Ok(_)) => vec!["not refused".to_owned()],
        (_, Err(error)) => vec![error.to_string()],
        (_, Ok(document)) => match case.text("kind") {
            "verdict" => Vec::new(),
            "checks" => {
                let mut model = json!({ "cues": document.cues.iter().map(cue).collect::<Vec<_>>() });
                if let Some(map) = document.timestamp_map {
                    let local = map.local.as_secs_f64();
                    model["@timestamp_map"] = json!({ "mpegts": map.mpegts, "local": local });
                }
                failed_checks(&case.json["checks"], &model)
            }
            "cues" => match placed(case, &bytes) {
                Ok(cues) => cues_like(&case.json["cues"], &cues),
                Err(error) => vec![error],
            },
            kind => vec![format!("the kind {kind} is not known")],
        },
    }
}

/// A cue as the README's model has it.
fn cue(cue: &Cue) -> Value {
    let settings = &cue.settings;
    let writing = match settings.writing {
        Writing::Horizontal => "",
        Writing::VerticalGrowingLeft => "rl",
        Writing::VerticalGrowingRight => "lr",
    };
    let mut model = json!({
        "id": cue.id,
        "start": cue.start.as_secs_f64(),
        "end": cue.end.as_secs_f64(),
        "duration": cue.end.since(cue.start).as_secs_f64(),
        "payload": cue.payload,
        // The peer's text is without white space at its ends.
        "text": cue.text().trim(),
        "settings": {
            "line": settings.line.map_or(json!("auto"), |line| json!(line)),
            "snap_to_lines": settings.snap_to_lines,
            "line_align": match settings.line_align {
                LineAlign::Start => "start",
                LineAlign::Center => "center",
                LineAlign::End => "end",
            },
            "position": settings.position.map_or(json!("auto"), |position| json!(position)),
            "position_align": match settings.position_align {
                PositionAlign::Auto => "auto",
                PositionAlign::LineLeft => "line-left",
                PositionAlign::Center => "center",
                PositionAlign::LineRight => "line-right",
            },
            "size": settings.size,
            "align": align(settings.align),
            "vertical": writing,
        },
        "layout": { "vertical": match settings.writing {
            Writing::Horizontal => "type_unset",
            Writing::VerticalGrowingLeft => "vertical_type_rl",
            Writing::VerticalGrowingRight => "vertical_type_lr",
        } },
    });
    if let Some(region) = &cue.region {
        model["region"] = json!({
            "id": region.id,
            "lines": region.lines,
            "width": region.width,
            "region_anchor_x": region.anchor.0,
            "region_anchor_y": region.anchor.1,
            "viewport_anchor_x": region.viewport_anchor.0,
            "viewport_anchor_y": region.viewport_anchor.1,
            "scroll": if region.scroll_up { "up" } else { "" },
        });
    }
    model
}

fn align(align: Align) -> &'static str {
    match align {
        Align::Start => "start",
        Align::Center => "center",
        Align::End => "end",
        Align::Left => "left",
        Align::Right => "right",
    }
}

/// The cues on the presentation timeline, as the case's time context puts them there.
fn placed(case: &Case, bytes: &[u8]) -> Result<Vec<Cue>, String> {
    let context = &case.json["time_context"];
    let seconds = |name: &str| context[name].as_f64().unwrap_or(0.0);
    let nanos = |seconds: f64| (seconds * 1e9).round() as i64;
    let start = seconds("period_start");
    let hls = case.json["hls"] == true;
    let timing = if hls {
        Timing::Discontinuity(0)
    } else {
        Timing::Offset { ticks: nanos(start), timescale: 1_000_000_000 }
    };
    let text = append(ContentType::Text, nanos(seconds("segment_start")), timing, bytes.to_vec());
    let mut mapper = TimeMapper::new();
    if hls {
        // Media time zero lies at the start of the period.
        let video = append(ContentType::Video, nanos(start), timing, Vec::new());
        let Mapping::Ready(_) = mapper.map(&video, picture()) else { return Err("no mapping".to_owned()) };
    }
    let document = reader::read(&text).map_err(|failure| failure.detail)?;
    reader::place(&text, &document, &mapper).ok_or_else(|| "not placed".to_owned())
}

fn append(track: ContentType, start: i64, timing: Timing, data: Vec<u8>) -> Append {
    let start = MediaTime::from_nanos(start);
    let segment = Segment {
        part: None,
        position: 0,
        number: 0,
        time: 0,
        start,
        end: MediaTime::from_nanos(start.as_nanos().saturating_add(4_000_000_000)),
        size: None,
        discontinuity: 0,
        init: None,
        gap: false,
    };
    Append {
        cipher: None,
        id: FetchId(1),
        track,
        muxed_audio: false,
        representation: RepresentationKey { period: 0, adaptation_set: 0, representation: 0 },
        codecs: String::new(),
        container: if track == ContentType::Text { Container::Webvtt } else { Container::Ts },
        segment,
        timing,
        init: None,
        data: data.into(),
    }
}

/// A picture at media time zero.
fn picture() -> Demuxed {
    let sample = RawSample {
        pts: 0,
        dts: None,
        duration: 90_000,
        keyframe: true,
        trim_start: 0,
        data: Bytes::new(),
        format: Arc::new(SampleFormat::new(Codec::H264, StreamLayout::ByteStream)),
        protection: None,
    };
    Demuxed { video: RawTrack { timescale: 90_000, samples: vec![sample] }, ..Demuxed::default() }
}

/// Differences from a peer's list of cues; only the members given are asserted.
fn cues_like(expected: &Value, found: &[Cue]) -> Vec<String> {
    let expected = expected.as_array().map(Vec::as_slice).unwrap_or_default();
    if expected.len() != found.len() {
        return vec![format!("{} cues expected, {} found", expected.len(), found.len())];
    }
    let each = expected.iter().zip(found).enumerate();
    each.flat_map(|(at, (expected, found))| {
        let mut wrong = cue_like(expected, found);
        wrong.iter_mut().for_each(|what| *what = format!("cues[{at}].{what}"));
        wrong
    })
    .collect()
}

fn cue_like(expected: &Value, found: &Cue) -> Vec<String> {
    let model = cue(found);
    let nested = expected["nested"].as_array();
    let mut wrong = Vec::new();
    for (name, value) in expected.as_object().into_iter().flatten() {
        let actual = match name.as_str() {
            "start" | "end" | "id" | "text" => model[name].clone(),
            "payload" if nested.is_some() => continue,
            "payload" => model[name].clone(),
            "line" | "position" | "size" => model["settings"][name].clone(),
            "line_interpretation" => {
                json!(if found.settings.snap_to_lines { "LINE_NUMBER" } else { "PERCENTAGE" })
            }
            "text_align" => json!(align(found.settings.align)),
            "writing_mode" => json!(match found.settings.writing {
                Writing::Horizontal => "HORIZONTAL_TOP_TO_BOTTOM",
                Writing::VerticalGrowingLeft => "VERTICAL_RIGHT_TO_LEFT",
                Writing::VerticalGrowingRight => "VERTICAL_LEFT_TO_RIGHT",
            }),
            "settings" => {
                wrong.extend(settings_like(value, &model["settings"]));
                continue;
            }
            "region" => model["region"].clone(),
            "nested" => {
                wrong.extend(nested_like(expected, found));
                continue;
            }
            "color" => json!(style::runs(found).first().map(|run| name_of(run.style.color))),
            // What the peer keeps of a style sheet beyond what is drawn here.
            "font_size" | "text_combine_upright" => continue,
            other => {
                wrong.push(format!("{other} is not compared"));
                continue;
            }
        };
        if !same(value, &actual) {
            wrong.push(format!("{name}: expected {value}, found {actual}"));
        }
    }
    wrong
}

fn same(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= (a.abs() * 1e-6).max(1e-3))
        }
        (Value::String(a), Value::String(b)) => a.eq_ignore_ascii_case(b),
        (Value::Object(members), _) => {
            members.iter().all(|(name, value)| same(value, &actual[name.as_str()]))
        }
        _ => expected == actual,
    }
}

/// Settings of an older WebVTT: `middle` is `center`, and defaults were numbers.
fn settings_like(expected: &Value, found: &Value) -> Vec<String> {
    let modern = |name: &str, value: &Value| match (name, value.as_str()) {
        ("position_align", Some("middle" | "start" | "end")) => found[name].clone(),
        (_, Some("middle")) => json!("center"),
        _ => value.clone(),
    };
    let members = expected.as_object().into_iter().flatten();
    members
        .filter(|(name, value)| !same(&modern(name, value), &found[name.as_str()]))
        .map(|(name, value)| format!("settings.{name}: expected {value}, found {}", found[name.as_str()]))
        .collect()
}

/// A leaf of the peer's nested cues: its text, and the styles on the way to it.
fn leaves(cue: &Value, inherited: &Value, out: &mut Vec<(String, Value)>) {
    let mut style = inherited.clone();
    for name in ["color", "background_color", "font_weight", "font_style", "text_decoration"] {
        if !cue[name].is_null() {
            style[name] = cue[name].clone();
        }
    }
    match cue["nested"].as_array() {
        Some(nested) => nested.iter().for_each(|part| leaves(part, &style, out)),
        None if cue["line_break"] == true => out.push(("\n".to_owned(), json!({}))),
        None => out.push((cue["payload"].as_str().unwrap_or_default().to_owned(), style)),
    }
}

fn nested_like(expected: &Value, found: &Cue) -> Vec<String> {
    let mut wanted = Vec::new();
    leaves(expected, &json!({}), &mut wanted);
    // Every character with its look, so that it does not matter how they are grouped.
    let wanted: Vec<(char, &Value)> =
        wanted.iter().flat_map(|(text, style)| text.chars().map(move |c| (c, style))).collect();
    let runs = style::runs(found);
    let found: Vec<(char, &Run)> =
        runs.iter().flat_map(|run| run.text.chars().map(move |c| (c, run))).collect();
    let text = |chars: &mut dyn Iterator<Item = char>| chars.collect::<String>();
    let (ours, theirs) =
        (text(&mut found.iter().map(|(c, _)| *c)), text(&mut wanted.iter().map(|(c, _)| *c)));
    if ours.replace('\n', "") != theirs.replace('\n', "") {
        return vec![format!("text: expected {theirs:?}, found {ours:?}")];
    }
    let visible = |c: &char| !c.is_whitespace();
    let found = found.iter().filter(|(c, _)| visible(c));
    let wanted = wanted.iter().filter(|(c, _)| visible(c));
    let wrong = found.zip(wanted).flat_map(|((_, run), (_, style))| look_like(style, run));
    wrong.take(3).collect()
}

fn look_like(expected: &Value, run: &Run) -> Vec<String> {
    let style = &run.style;
    let members = expected.as_object().into_iter().flatten();
    let is = |name: &str| match name {
        "color" => json!(name_of(style.color)),
        "background_color" => json!(style.background.map(name_of)),
        "font_weight" => json!(if style.bold { "BOLD" } else { "NORMAL" }),
        "font_style" => json!(if style.italic { "ITALIC" } else { "NORMAL" }),
        _ => json!(if style.underline { vec!["UNDERLINE"] } else { vec![] }),
    };
    let members = members.filter(|(name, value)| !same(value, &is(name)));
    members
        .map(|(name, value)| format!("{name} of {:?}: expected {value}, found {}", run.text, is(name)))
        .collect()
}

fn name_of(color: style::Rgba) -> String {
    let named = [
        ([255, 255, 255], "white"),
        ([0, 255, 0], "lime"),
        ([0, 255, 255], "cyan"),
        ([255, 0, 0], "red"),
        ([255, 255, 0], "yellow"),
        ([255, 0, 255], "magenta"),
        ([0, 0, 255], "blue"),
        ([0, 0, 0], "black"),
    ];
    let name = named.iter().find(|(rgb, _)| *rgb == color[..3]).map(|(_, name)| *name);
    name.map_or_else(|| format!("{color:?}"), str::to_owned)
}

fn tree(case: &Case) -> Vec<String> {
    let mut lines = Vec::new();
    print(&webvtt::parse_markup(case.text("text")), 0, &mut lines);
    let expected: Vec<&str> =
        case.json["tree"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if lines == expected { Vec::new() } else { vec![format!("expected {expected:?}, found {lines:?}")] }
}

/// The tree in the notation of html5lib.
fn print(nodes: &[Node], depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    for node in nodes {
        match node {
            Node::Text(text) => lines.push(format!("| {indent}\"{text}\"")),
            Node::Timestamp(time) => {
                let ms = time.as_millis();
                let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
                let (seconds, ms) = (ms / 1000 % 60, ms % 1000);
                lines.push(format!("| {indent}<?timestamp {hours:02}:{minutes:02}:{seconds:02}.{ms:03}>"));
            }
            Node::Span { kind, classes, children } => {
                let (name, attribute) = match kind {
                    SpanKind::Class => ("span", None),
                    SpanKind::Italic => ("i", None),
                    SpanKind::Bold => ("b", None),
                    SpanKind::Underline => ("u", None),
                    SpanKind::Ruby => ("ruby", None),
                    SpanKind::RubyText => ("rt", None),
                    SpanKind::Voice(who) => ("span", Some(("title", who))),
                    SpanKind::Language(which) => ("span", Some(("lang", which))),
                };
                lines.push(format!("| {indent}<{name}>"));
                if !classes.is_empty() {
                    lines.push(format!("| {indent}  class=\"{}\"", classes.join(" ")));
                }
                if let Some((name, value)) = attribute {
                    lines.push(format!("| {indent}  {name}=\"{value}\""));
                }
                print(children, depth + 1, lines);
            }
        }
    }
}

fn samples(case: &Case) -> Vec<String> {
    let read = || -> Result<Vec<Cue>, String> {
        let init = Bytes::from(case.input("init")?);
        let start = (case.json["period_start"].as_f64().unwrap_or(0.0) * 1000.0).round() as i64;
        let timing = Timing::Offset { ticks: start, timescale: 1000 };
        let segment = append(ContentType::Text, 110_000_000_000, timing, case.input("segment")?);
        let segment = Append { container: Container::Mp4, init: Some(init), ..segment };
        let demuxed = Demuxer::new().demux(&segment).map_err(|error| error.to_string())?;
        let Mapping::Ready(mapped) = TimeMapper::new().map(&segment, demuxed) else {
            return Err("not placed".to_owned());
        };
        reader::from_samples(&mapped.text).map(|(cues, _)| cues).map_err(|failure| failure.detail)
    };
    match read() {
        Ok(cues) => cues_like(&case.json["cues"], &cues),
        Err(error) => vec![error],
    }
}
