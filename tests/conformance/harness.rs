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

    /// A list member, empty when absent.
    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.json[name].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The bytes of the input with this role.
    pub(crate) fn input(&self, role: &str) -> Result<Vec<u8>, String> {
        self.inputs(role)?.into_iter().next().ok_or(format!("no input {role}"))
    }

    /// The bytes of all inputs with this role, in order.
    pub(crate) fn inputs(&self, role: &str) -> Result<Vec<Vec<u8>>, String> {
        let of_role = self.list("inputs").iter().filter(|input| input["role"] == role);
        let read = |input: &Value| {
            let file = self.folder.join(input["file"].as_str().unwrap_or_default());
            std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))
        };
        of_role.map(read).collect()
    }

    /// Its features: tags, what kind it is, for vectors the function, and for media how the file is named and
    /// whether it has an edit list; for MPDs whether they ask for parameters in queries.
    fn features(&self) -> Vec<String> {
        let tags = self.list("tags").iter().filter_map(Value::as_str).map(str::to_owned);
        let named = ["kind", "fn", "peer_error", "format"].map(|name| format!("{name}:{}", self.text(name)));
        let media = self.list("inputs").iter().find(|input| input["role"] == "media");
        let ending =
            media.and_then(|input| Some(format!(".{}", input["file"].as_str()?.rsplit_once('.')?.1)));
        let edited = media.is_some() && {
            let bytes = self.input("media").unwrap_or_default();
            bytes.windows(4).any(|kind| kind == b"elst")
        };
        let mpd = self.input("mpd").unwrap_or_default();
        let asks = mpd.windows(12).any(|name| name == b"UrlQueryInfo").then(|| "UrlQueryInfo".to_owned());
        let found = ending.into_iter().chain(edited.then(|| "elst".to_owned())).chain(asks);
        tags.chain(named).chain(found).chain(crate::subtitles::features(self)).collect()
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

/// The sources of `area`, each with its cases; none, said aloud, where the collection is not there.
pub(crate) fn sources(area: &str) -> Vec<(String, Vec<Case>)> {
    let folder = root().join(area);
    let Ok(sources) = std::fs::read_dir(&folder) else {
        println!("skipped: {} does not exist", folder.display());
        return Vec::new();
    };
    let mut sources: Vec<PathBuf> = sources.flatten().map(|entry| entry.path()).collect();
    sources.sort();
    let cases = |source: PathBuf| {
        let file = source.join("cases.json");
        if !file.is_file() {
            return None;
        }
        let text = std::fs::read(&file).expect("a case file is readable");
        let document: Value = serde_json::from_slice(&text).expect("a case file is JSON");
        let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let cases = document["cases"].as_array().map(Vec::as_slice).unwrap_or_default();
        Some((name, cases.iter().map(|json| Case { json: json.clone(), folder: source.clone() }).collect()))
    };
    sources.into_iter().filter_map(cases).collect()
}

/// Checks every case of `area` with `check`, which returns what is wrong.
pub(crate) fn run(area: &str, check: impl Fn(&Case) -> Vec<String>) {
    run_some(area, |case| Some(check(case)));
}

/// As [`run`], for the cases that `check` has something to say about.
pub(crate) fn run_some(area: &str, check: impl Fn(&Case) -> Option<Vec<String>>) {
    let mut all_failed = 0;
    for (name, cases) in sources(area) {
        let (mut passed, mut failed, mut excluded) = (0, 0, 0);
        for case in cases {
            let Some(wrong) = guarded(&case, &check) else { continue };
            if wrong.is_empty() {
                passed += 1;
                continue;
            }
            let id = case.text("id");
            match exclusions::covering(area, &case.features(), &wrong) {
                Some(row) => {
                    excluded += 1;
                    println!("  excluded {area}/{name}/{id}: {} ({})", row.feature, row.reason);
                }
                None => {
                    failed += 1;
                    println!("  FAILED {area}/{name}/{id}");
                    wrong.iter().take(6).for_each(|what| println!("    {what}"));
                }
            }
        }
        if passed + failed + excluded > 0 {
            println!("{area}/{name}: {passed} passed, {failed} failed, {excluded} excluded");
        }
        all_failed += failed;
    }
    assert_eq!(all_failed, 0, "{area}: {all_failed} cases failed");
}

/// What is wrong, dawdling and panics included.
fn guarded(case: &Case, check: impl Fn(&Case) -> Option<Vec<String>>) -> Option<Vec<String>> {
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| check(case)));
    let mut wrong = result.unwrap_or_else(|_| Some(vec!["panicked".to_owned()]));
    if let Some(wrong) = &mut wrong
        && start.elapsed() > PATIENCE
    {
        wrong.push(format!("took {:?}", start.elapsed()));
    }
    wrong
}
