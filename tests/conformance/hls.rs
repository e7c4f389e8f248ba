//! The area `hls`: playlists.

use crate::harness::Case;
use crate::hls_model;
use crate::model::{differences, failed_checks};
use player::manifest::hls::variables::Variables;
use player::manifest::hls::{media, multivariant};
use player::manifest::steering::{PathwayClone, Steering};
use player::manifest::{ManifestError, read};
use serde_json::Value;
use url::Url;

/// A playlist as the collection wants to see it.
struct Reading {
    model: Value,
    error: Option<ManifestError>,
    warnings: Vec<String>,
}

/// What is wrong with a case.
pub(crate) fn check(case: &Case) -> Vec<String> {
    match case.text("kind") {
        "vector" => steering(case),
        "delta" => vec![format!("the kind {} is not implemented", case.text("kind"))],
        _ => playlist(case),
    }
}

/// Whether documents of content steering are valid.
fn steering(case: &Case) -> Vec<String> {
    let document = case.json["args"][0].to_string();
    let found = match case.text("fn") {
        "isValidSteeringManifest" => Steering::read(document.as_bytes()).is_ok(),
        "isValidPathwayClone" => serde_json::from_str::<PathwayClone>(&document).is_ok(),
        other => return vec![format!("the function {other} is not implemented")],
    };
    let same = case.json["expected"] == found;
    if same { Vec::new() } else { vec![format!("expected {}, found {found}", case.json["expected"])] }
}

fn playlist(case: &Case) -> Vec<String> {
    let base = case.json["base_url"].as_str().unwrap_or("https://example.com/dir/playlist.m3u8");
    let (Ok(base), Ok(body)) = (Url::parse(base), case.input("playlist")) else {
        return vec!["the input is not readable".to_owned()];
    };
    // The whole way into the model must stand any input as well.
    let title = read(&base, &body);
    let reading = reading(&base, &body, case.text("playlist_kind"));
    let mut wrong = Vec::new();
    let flagged = reading.error.is_some()
        || !reading.warnings.is_empty()
        || title.as_ref().map_or(true, |title| !title.presentation.warnings.is_empty());
    match case.text("verdict") {
        "accept" => {
            if let Some(error) = &reading.error
                && case.json["checks"]
                    .as_array()
                    .is_none_or(|checks| checks.iter().all(|check| check[0] != "@error"))
            {
                return vec![format!("refused: {error}")];
            }
        }
        "reject" if reading.error.is_none() => wrong.push("not refused".to_owned()),
        "strict-reject" | "flag-error" | "peer-reports-error" if !flagged => {
            wrong.push("not reported".to_owned())
        }
        "tolerate" | "no-crash" if reading.error.is_some() => return wrong,
        _ => {}
    }
    wrong.extend(failed_checks(&case.json["checks"], &reading.model));
    if case.json["expect"].is_object() {
        wrong.extend(differences(&case.json["expect"], &reading.model));
    }
    wrong
}

fn reading(base: &Url, body: &[u8], kind: &str) -> Reading {
    let text = match player::manifest::decode(body) {
        Ok(text) => text,
        Err(error) => return refused(error),
    };
    let variables = Variables::new(base, Default::default());
    let several = match kind {
        "multivariant" => true,
        "media" => false,
        _ => multivariant::is_multivariant(text),
    };
    if several {
        match multivariant::read(text, variables) {
            Ok(playlist) => Reading {
                model: hls_model::multivariant(&playlist, base),
                error: None,
                warnings: playlist.warnings,
            },
            Err(error) => refused(error),
        }
    } else {
        match media::read(text, variables) {
            Ok(playlist) => {
                Reading { model: hls_model::media(&playlist, base), error: None, warnings: playlist.warnings }
            }
            Err(error) => refused(error),
        }
    }
}

fn refused(error: ManifestError) -> Reading {
    Reading { model: hls_model::nothing(error.to_string()), error: Some(error), warnings: Vec::new() }
}
