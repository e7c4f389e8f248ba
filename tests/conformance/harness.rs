//! Walks the cases of one area, catches panics and dawdling, and reports.

use crate::exclusions;
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest time for one case; hostile ones are meant to provoke more.
const PATIENCE: Duration = Duration::from_secs(5);

/// One case of a `cases.json`.
pub(crate) struct Case {
    /// The whole object.
    pub(crate) json: Value,
    folder: PathBuf,
}

impl Case {
    /// A text member, empty when absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_default()
    }

    /// The bytes of the input with this role.
    pub(crate) fn input(&self, role: &str) -> Result<Vec<u8>, String> {
        let inputs = self.json["inputs"].as_array().map(Vec::as_slice).unwrap_or_default();
        let input = inputs.iter().find(|input| input["role"] == role).ok_or(format!("no input {role}"))?;
        let file = self.folder.join(input["file"].as_str().unwrap_or_default());
        std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Its features: tags, and for vectors the function.
    pub(crate) fn features(&self) -> Vec<String> {
        let tags = self.json["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
        let tags = tags.iter().filter_map(Value::as_str).map(str::to_owned);
        let named = ["kind", "fn", "peer_error", "format"].map(|name| format!("{name}:{}", self.text(name)));
        tags.chain(named).chain(crate::subtitles::features(self)).collect()
    }
}

fn root() -> PathBuf {
    if let Some(root) = std::env::var_os("SLUICE_CONFORMANCE_DIR") {
        return root.into();
    }
    let shared = std::env::var_os("SLUICE_SHARED_DIR").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"));
    shared.join("conformance")
}

/// Checks every case of `area` with `check`, which returns what is wrong.
pub(crate) fn run(area: &str, check: fn(&Case) -> Vec<String>) {
    let folder = root().join(area);
    let Ok(sources) = std::fs::read_dir(&folder) else {
        println!("skipped: {} does not exist", folder.display());
        return;
    };
    let mut sources: Vec<PathBuf> = sources.flatten().map(|entry| entry.path()).collect();
    sources.sort();
    let mut all_failed = 0;
    for source in sources {
        let file = source.join("cases.json");
        if !file.is_file() {
            continue;
        }
        let text = std::fs::read(&file).expect("a case file is readable");
        let document: Value = serde_json::from_slice(&text).expect("a case file is JSON");
        let (mut passed, mut failed, mut excluded) = (0, 0, 0);
        let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for json in document["cases"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let case = Case { json: json.clone(), folder: source.clone() };
            let wrong = guarded(&case, check);
            let row = exclusions::covering(area, &case, &wrong);
            match (wrong.is_empty(), row) {
                (true, _) => passed += 1,
                (false, Some(row)) => {
                    excluded += 1;
                    println!(
                        "  excluded {area}/{name}/{}: {} ({})",
                        case.text("id"),
                        row.feature,
                        row.reason
                    );
                }
                (false, None) => {
                    failed += 1;
                    println!("  FAILED {area}/{name}/{}", case.text("id"));
                    wrong.iter().take(6).for_each(|what| println!("    {what}"));
                }
            }
        }
        println!("{area}/{name}: {passed} passed, {failed} failed, {excluded} excluded");
        all_failed += failed;
    }
    assert_eq!(all_failed, 0, "{area}: {all_failed} cases failed");
}

fn guarded(case: &Case, check: fn(&Case) -> Vec<String>) -> Vec<String> {
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| check(case)));
    let mut wrong = result.unwrap_or_else(|_| vec!["panicked".to_owned()]);
    if start.elapsed() > PATIENCE {
        wrong.push(format!("took {:?}", start.elapsed()));
    }
    wrong
}
