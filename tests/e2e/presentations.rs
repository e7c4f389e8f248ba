//! Whole small presentations from other players' test suites: each plays through, every frame once, the
//! first pictures as ffmpeg decodes them.
//!
//! Cases: `../shared/conformance/e2e/<source>/cases.json` (`$SLUICE_CONFORMANCE_DIR` names another
//! `conformance` folder). Prints one line for each source.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::origin::{Origin, Site};
use tests::sluice::{Outcome, Sluice};
use tests::workspace;

/// What may keep a case from passing, by what is in it, and why.
const EXCLUDED: &[(&str, &str)] = &[
    ("encrypted", "keys that neither the case nor the manifest gives"),
    ("no pictures, no sound", "image tracks: there is nothing else in it"),
];

/// What is in a case.
fn features(case: &Value) -> Vec<&'static str> {
    let expect = case["expect"].to_string();
    let mut found = Vec::new();
    if expect.contains("\"encrypted\":true") {
        found.push("encrypted");
    }
    if !expect.contains("\"codec\"") {
        found.push("no pictures, no sound");
    }
    found
}

/// What a rendition has to show.
#[derive(Clone, Debug)]
struct Rendition {
    height: u64,
    /// Packets; a decoder may also leave out some near the start that refer to what comes before.
    packets: usize,
    undecodable: usize,
    first: Vec<(f64, String)>,
}

fn folder() -> Option<PathBuf> {
    match std::env::var_os("SLUICE_CONFORMANCE_DIR") {
        Some(folder) => Some(PathBuf::from(folder).join("e2e")).filter(|folder| folder.is_dir()),
        None => workspace::shared("conformance/e2e"),
    }
}

#[test]
fn presentations_of_other_players_play() {
    let Some(folder) = folder() else { return };
    let mut sources: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.path())
        .filter(|p| p.is_dir())
        .collect();
    sources.sort();
    let mut wrong = Vec::new();
    for source in sources {
        let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(source.join("cases.json")).expect("cases.json");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let (mut passed, mut failed, mut excluded) = (0, 0, 0);
        for case in document["cases"].as_array().expect("a list of cases") {
            let id = case["id"].as_str().expect("an id");
            let features = features(case);
            let row = EXCLUDED.iter().find(|(feature, _)| features.contains(feature));
            match (check_case(&source, case), row) {
                (Ok(()), _) => {
                    println!("  {id}: passed");
                    passed += 1;
                }
                (Err(_), Some((_, why))) => {
                    println!("  {id}: excluded, {why}");
                    excluded += 1;
                }
                (Err(why), None) => {
                    println!("  {id}: FAILED");
                    wrong.push(format!("{name}/{id}: {why}"));
                    failed += 1;
                }
            }
        }
        println!("e2e/{name}: {passed} passed, {failed} failed, {excluded} excluded");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn check_case(source: &Path, case: &Value) -> Result<(), String> {
    let entry = case["entry"].as_str().expect("an entry");
    let mut parts = entry.splitn(3, '/');
    let (root, inside) = match (parts.next(), parts.next(), parts.next()) {
        (Some(files), Some(case), Some(inside)) => (source.join(files).join(case), inside),
        _ => return Err(format!("an entry of another form: {entry}")),
    };
    let expect = &case["expect"];
    let periods = periods(expect);
    let missing = text_holds(expect, "missing_segments");
    let heights: Vec<u64> = {
        let mut heights: Vec<u64> = periods.iter().flatten().map(|rendition| rendition.height).collect();
        heights.sort_unstable();
        heights.dedup();
        heights
    };
    let origin = Origin::start(Site::folder(root));
    let play = |lock: Option<u64>| {
        let mut player = Sluice::unpaced(&origin.url(inside)).timeout(Duration::from_secs(60));
        for (id, key) in case["keys"].as_object().into_iter().flatten() {
            player = player.args(&["--clearkey", &format!("{id}:{}", key.as_str().unwrap_or_default())]);
        }
        match lock {
            Some(height) => player.args(&["--lock", &height.to_string()]).run(),
            None => player.run(),
        }
    };
    if heights.is_empty() {
        let outcome = play(None);
        ended(&outcome, missing)?;
        return told(&outcome, &case["event_timeline"]);
    }
    for height in heights {
        let outcome = play(Some(height));
        ended(&outcome, missing)?;
        told(&outcome, &case["event_timeline"])?;
        shown(&outcome, &periods, height)?;
    }
    Ok(())
}

fn ended(outcome: &Outcome, missing: bool) -> Result<(), String> {
    let wanted = if missing { Some(5) } else { Some(0) };
    if outcome.hung
        || (outcome.code != Some(0) && outcome.code != wanted)
        || outcome.summary["outcome"] != "ended"
    {
        return Err(format!("did not play to the end: {outcome}"));
    }
    Ok(())
}

/// Compares the events that were told with those that another player put out.
fn told(outcome: &Outcome, timeline: &Value) -> Result<(), String> {
    let entries = timeline.as_array().map(Vec::as_slice).unwrap_or_default();
    // That player hands a repeated event out again; here it is told once.
    let mut wanted: Vec<(String, String, u64)> = Vec::new();
    for entry in entries.iter().flat_map(|moment| moment["entries"].as_array().into_iter().flatten()) {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let row = (text("scheme"), entry["id"].to_string(), entry["duration_ms"].as_u64().unwrap_or(0));
        if !wanted.contains(&row) {
            wanted.push(row);
        }
    }
    let told = outcome.named("timed_event");
    let found: Vec<(String, String, u64)> = told
        .iter()
        .map(|event| {
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            (text("scheme"), text("id"), event["duration_ms"].as_u64().unwrap_or(0))
        })
        .collect();
    let same =
        wanted.iter().all(|row| found.contains(row)) && (found.len() == wanted.len() || entries.is_empty());
    if same { Ok(()) } else { Err(format!("events {found:?}, wanted {wanted:?}: {outcome}")) }
}

/// Compares what was shown with the rendition of this height, period by period.
fn shown(outcome: &Outcome, periods: &[Vec<Rendition>], height: u64) -> Result<(), String> {
    let mut at = 0;
    for (number, renditions) in periods.iter().enumerate() {
        let of_height: Vec<&Rendition> = renditions.iter().filter(|r| r.height == height).collect();
        let candidates = if of_height.is_empty() { renditions.iter().collect() } else { of_height };
        let starts = |rendition: &&&Rendition| {
            let base = outcome.frames.get(at).map_or(0.0, |frame| frame.pts_ms);
            rendition.first.iter().enumerate().all(|(place, (pts, md5))| {
                outcome.frames.get(at + place).is_some_and(|frame| {
                    frame.md5 == *md5 && (frame.pts_ms - base - pts * 1_000.0).abs() < 2.0
                })
            })
        };
        let Some(found) = candidates.iter().find(starts) else {
            let next: Vec<_> = outcome.frames.iter().skip(at).take(3).collect();
            return Err(format!(
                "period {number} begins with other pictures: {next:?}, wanted {candidates:?}: {outcome}"
            ));
        };
        let rest = outcome.frames.len() - at;
        let last = number + 1 == periods.len();
        let without = found.packets - found.undecodable;
        at += if last && rest == without { without } else { found.packets };
    }
    if outcome.frames.len() != at {
        return Err(format!("{} frames shown, {at} wanted: {outcome}", outcome.frames.len()));
    }
    Ok(())
}

/// The video renditions of each period, in order of time.
fn periods(expect: &Value) -> Vec<Vec<Rendition>> {
    if let Some(representations) = expect["representations"].as_array() {
        let mut periods: BTreeMap<u64, Vec<Rendition>> = BTreeMap::new();
        for representation in representations {
            let start = representation["period_start"].as_f64().unwrap_or_default();
            periods.entry((start * 1e6) as u64).or_default().extend(rendition(representation));
        }
        return periods.into_values().filter(|period| !period.is_empty()).collect();
    }
    let playlists = expect.as_object().into_iter().flat_map(|playlists| playlists.values());
    let renditions: Vec<Rendition> = playlists.filter_map(rendition).collect();
    if renditions.is_empty() { Vec::new() } else { vec![renditions] }
}

/// What ffmpeg found in a representation or media playlist, when it has pictures.
fn rendition(value: &Value) -> Option<Rendition> {
    let first: Vec<(f64, String)> = value["first_frames"]
        .as_array()?
        .iter()
        .filter_map(|pair| Some((pair[0].as_f64()?, pair[1].as_str()?.to_owned())))
        .collect();
    let video = value["streams"].as_array()?.iter().find(|stream| stream["height"].is_u64())?;
    let packets = usize::try_from(video["packet_count"].as_u64()?).ok()?;
    Some(Rendition { height: video["height"].as_u64()?, packets, undecodable: undecodable(&first), first })
}

/// Packets near the start that ffmpeg decodes to no picture (they refer to what comes before), seen as
/// holes between its first pictures.
fn undecodable(first: &[(f64, String)]) -> usize {
    let steps: Vec<f64> = first.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    let shortest = steps.iter().copied().fold(f64::INFINITY, f64::min);
    steps.iter().map(|step| ((step / shortest).round() as usize).saturating_sub(1)).sum()
}

fn text_holds(value: &Value, field: &str) -> bool {
    value.to_string().contains(&format!("\"{field}\""))
}
