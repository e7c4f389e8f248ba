//! `sluice inspect`: every packaging of one film is the same presentation.

use serde_json::Value;
use std::process::Command;
use tests::content::{Film, LADDER, Packaging};
use tests::origin::Origin;
use tests::sluice::program;

fn inspect(url: &str, json: bool) -> String {
    let mut command = Command::new(program("sluice"));
    command.arg("inspect").args(json.then_some("--json")).arg(url);
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Every number found under `name`, anywhere in the document.
fn numbers(value: &Value, name: &str, found: &mut Vec<u64>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                if field == name {
                    found.extend(value.as_u64());
                }
                numbers(value, name, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| numbers(value, name, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_packaging_is_read() {
    let film = Film::ladder(6);
    for packaging in Packaging::ALL {
        let title = film.package(packaging);
        let origin = Origin::start(title.site());
        let text = inspect(&origin.url(title.entry), true);
        let json: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{packaging:?}: {error}: {text}"));
        let mut heights = Vec::new();
        numbers(&json, "height", &mut heights);
        for (_, height, _) in LADDER {
            assert!(heights.contains(&u64::from(height)), "{packaging:?} lacks {height}: {text}");
        }
        let plain = inspect(&origin.url(title.entry), false);
        assert!(plain.contains("720"), "{packaging:?}: {plain}");
        let media = origin.log().iter().filter(|asked| asked.target.contains("seg-")).count();
        assert_eq!(media, 0, "{packaging:?}: inspecting fetched segments");
    }
}
