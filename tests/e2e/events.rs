//! The event stream, the summary and the frame log, against `player/EVENTS.md`.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use tests::content::{Film, Packaging};
use tests::fault::{Effect, Fault};
use tests::origin::Origin;
use tests::sluice::{Outcome, Sluice};
use tests::workspace;

/// Fields and their types, per event; the empty name holds the fields of the summary.
type Schema = BTreeMap<String, BTreeMap<String, String>>;

/// Reads the tables of the document: rows `| event | field | type | meaning |`, an empty event continuing
/// the one above, and the summary's rows `| field | type | meaning |`.
fn schema() -> (Schema, BTreeMap<String, String>, BTreeMap<String, String>) {
    let text = fs::read_to_string(workspace::root().join("player/EVENTS.md")).expect("the document");
    let (mut events, mut summary, mut frames) = (Schema::new(), BTreeMap::new(), BTreeMap::new());
    let (mut event, mut chapter) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            chapter = title.to_owned();
        }
        let Some(row) = line.strip_prefix('|') else { continue };
        let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
        let code = |cell: &str| cell.strip_prefix('`')?.strip_suffix('`').map(str::to_owned);
        match (chapter.as_str(), cells.as_slice()) {
            ("", [name, field, kind, _]) => {
                event = code(name).unwrap_or(event);
                if let Some(field) = code(field) {
                    events.entry(event.clone()).or_default().insert(field, (*kind).to_owned());
                }
            }
            (_, [field, kind, _]) => {
                let table = if chapter == "Summary" { &mut summary } else { &mut frames };
                table.extend(code(field).map(|field| (field, (*kind).to_owned())));
            }
            _ => {}
        }
    }
    assert!(
        events.len() > 15 && summary.len() > 10 && frames.len() > 4,
        "EVENTS.md has other tables than it had"
    );
    (events, summary, frames)
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind.strip_suffix('?') {
        Some(kind) => value.is_null() || is_of(kind, value),
        None => match kind {
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "object" => value.is_object(),
            "array" => value.is_array(),
            _ => false,
        },
    }
}

/// Every field of the table that is not optional is there, all are of their type, and no other field is.
fn check_object(what: &str, object: &Value, fields: &BTreeMap<String, String>, besides: &[&str]) {
    for (field, kind) in fields {
        let optional = kind.strip_prefix("optional ");
        let Some(value) = object.get(field) else {
            assert!(optional.is_some(), "{what} lacks `{field}`: {object}");
            continue;
        };
        assert!(is_of(optional.unwrap_or(kind), value), "{what}: `{field}` is no {kind}: {object}");
    }
    let found: BTreeSet<&str> = object.as_object().expect("an object").keys().map(String::as_str).collect();
    let unknown: Vec<&&str> =
        found.iter().filter(|name| !fields.contains_key(**name) && !besides.contains(*name)).collect();
    assert!(unknown.is_empty(), "{what} has fields that EVENTS.md does not know: {unknown:?}");
}

fn check_outcome(outcome: &Outcome) {
    let (events, summary, frames) = schema();
    let mut last = 0;
    for event in &outcome.events {
        let name = event["event"].as_str().unwrap_or_else(|| panic!("no name: {event}"));
        let fields = events.get(name).unwrap_or_else(|| panic!("EVENTS.md does not know {event}"));
        check_object(name, event, fields, &["event", "t_ms"]);
        let t_ms = event["t_ms"].as_u64().unwrap_or_else(|| panic!("no time: {event}"));
        assert!(t_ms >= last, "time goes back: {event}");
        last = t_ms;
    }
    assert_eq!(outcome.events.first().map(|event| &event["event"]), Some(&"start".into()), "{outcome}");
    let end = outcome.events.last().expect("events");
    assert_eq!(end["event"], "end", "{outcome}");
    check_object("summary", &outcome.summary, &summary, &[]);
    let mut told = outcome.summary.clone();
    assert!(told["peak_memory_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{outcome}");
    told.as_object_mut().expect("an object").remove("peak_memory_bytes");
    assert_eq!(end["summary"], told, "`end` and `--json` agree");
    let shown = serde_json::to_value(outcome.frames.len()).expect("a number");
    assert_eq!(outcome.summary["frames_presented"], shown, "{outcome}");
    assert_eq!(frames.len(), 6, "the frame log has the fields that tests::sluice::Shown reads");
}

fn names(outcome: &Outcome) -> BTreeSet<String> {
    outcome.events.iter().filter_map(|event| event["event"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_session_speaks_by_the_book() {
    let title = Film::ladder(6).package(Packaging::DashTimeline);
    let origin = Origin::start(title.site().fault(Fault::first(1, "seg-*-004", Effect::Status(503))));
    let outcome = Sluice::paced(&origin.url(title.entry))
        .args(&["--max-height", "360", "--pause-at", "1:0.5", "--seek-at", "3:8"])
        .run()
        .expect_success();
    check_outcome(&outcome);
    let said = names(&outcome);
    for name in [
        "start",
        "manifest",
        "fetch",
        "first_frame",
        "playing",
        "paused",
        "resumed",
        "switch",
        "seek_start",
        "seek_end",
        "position",
        "end",
    ] {
        assert!(said.contains(name), "no `{name}`: {outcome}");
    }
    let first = outcome.named("first_frame")[0]["t_ms"].as_u64().expect("a time");
    let startup = outcome.sum("startup_ms");
    assert!(first.abs_diff(startup) <= 20, "startup {startup} ms, first frame at {first} ms");
    assert_eq!(outcome.named("manifest")[0]["protocol"], "DASH");
    assert_eq!(outcome.named("manifest")[0]["duration_ms"], 12_000);
}

#[test]
fn failures_speak_by_the_book() {
    let title = Film::ladder(6).package(Packaging::HlsTs);
    let origin = Origin::start(title.site().fault(Fault::all("v*-003", Effect::Status(404))));
    let lossy = Sluice::unpaced(&origin.url(title.entry)).args(&["--max-height", "360"]).run();
    check_outcome(&lossy);
    assert_eq!(lossy.code, Some(5), "{lossy}");
    assert!(names(&lossy).contains("gap"), "{lossy}");
    assert!(lossy.sum("gap_ms") > 0, "{lossy}");

    let missing = Sluice::unpaced(&origin.url("nothing.m3u8")).run();
    check_outcome(&missing);
    assert_eq!(missing.code, Some(3), "{missing}");
    assert_eq!(missing.summary["outcome"], "failed", "{missing}");
    assert_eq!(missing.summary["error"], 2004, "{missing}");
}

/// Queries hold tokens; neither events nor messages show them.
#[test]
fn no_query_is_told() {
    let title = Film::ladder(6).package(Packaging::HlsTs);
    let origin = Origin::start(title.site().fault(Fault::all("v*-003", Effect::Status(404))));
    let outcome =
        Sluice::unpaced(&origin.url("title.m3u8?token=planted-secret")).args(&["--lock", "180"]).run();
    let all =
        outcome.events.iter().map(Value::to_string).collect::<String>() + &outcome.stderr + &outcome.stdout;
    assert!(!all.contains("planted-secret"), "{outcome}");
}
