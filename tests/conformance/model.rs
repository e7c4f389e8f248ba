//! Comparing a part of a neutral model, and checks by path, as the collection's README defines them.

use serde_json::Value;

/// Lists whose order says nothing.
const SETS: &[&str] = &["renditions", "session_data", "date_ranges"];
/// The smallest difference in times that came from text: 1 ms.
const MILLISECOND: f64 = 1e-3;

/// What of `expected` is not so in `actual`.
pub(crate) fn differences(expected: &Value, actual: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    compare("", expected, actual, &mut wrong);
    wrong
}

fn compare(path: &str, expected: &Value, actual: &Value, wrong: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Null, _) => {}
        (Value::Object(members), _) => {
            for (name, value) in members {
                compare(&format!("{path}.{name}"), value, &actual[name.as_str()], wrong);
            }
        }
        (Value::Array(wanted), Value::Array(found)) => {
            if wanted.len() != found.len() {
                wrong.push(format!("{path}: {} elements expected, {} found", wanted.len(), found.len()));
            } else if SETS.iter().any(|set| path.ends_with(set)) {
                set(path, wanted, found, wrong);
            } else {
                for (at, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                    compare(&format!("{path}[{at}]"), wanted, found, wrong);
                }
            }
        }
        _ if same(expected, actual) => {}
        _ => wrong.push(format!("{path}: expected {expected}, found {actual}")),
    }
}

fn set(path: &str, wanted: &[Value], found: &[Value], wrong: &mut Vec<String>) {
    let mut left: Vec<&Value> = found.iter().collect();
    for wanted in wanted {
        match left.iter().position(|found| differences(wanted, found).is_empty()) {
            Some(at) => drop(left.swap_remove(at)),
            None => wrong.push(format!("{path}: no element is like {wanted}; left are {left:?}")),
        }
    }
}

/// Equal, numbers within 1e-6 of their size or a millisecond, integers exactly.
fn same(expected: &Value, actual: &Value) -> bool {
    match (expected.as_f64(), actual.as_f64()) {
        (Some(a), Some(b)) if expected.is_f64() || actual.is_f64() => {
            (a - b).abs() <= (a.abs() * 1e-6).max(MILLISECOND)
        }
        _ => match (expected.as_str(), actual.as_str()) {
            (Some(a), Some(b)) => a == b || same_address(a, b),
            _ => expected == actual,
        },
    }
}

/// The same absolute URL in two spellings.
fn same_address(a: &str, b: &str) -> bool {
    let parsed = |text: &str| if text.contains("://") { url::Url::parse(text).ok() } else { None };
    parsed(a).is_some_and(|a| Some(a) == parsed(b))
}

/// Which of `checks` (`[path, op, value]`) do not hold over `model`.
pub(crate) fn failed_checks(checks: &Value, model: &Value) -> Vec<String> {
    let checks = checks.as_array().map(Vec::as_slice).unwrap_or_default();
    checks.iter().filter_map(|check| failed_check(check, model)).collect()
}

fn failed_check(check: &Value, model: &Value) -> Option<String> {
    let path = check[0].as_str()?;
    let found = at(model, path);
    let expected = &check[2];
    let falsy = match &found {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(true) | Value::Object(_) => false,
    };
    let holds = match check[1].as_str()? {
        "eq" => loosely(expected, &found),
        "ne" => !loosely(expected, &found),
        "ends_with" => found.as_str().zip(expected.as_str()).is_some_and(|(found, end)| found.ends_with(end)),
        "absent" => found.is_null(),
        "exists" => !found.is_null(),
        "truthy" => !falsy,
        "falsy" => falsy,
        op => return Some(format!("{path}: the operation {op} is not known")),
    };
    (!holds).then(|| format!("{path} {} {expected}: found {found}", check[1]))
}

/// As [`same`]; a number written as text counts as the number.
fn loosely(expected: &Value, found: &Value) -> bool {
    let number = |text: &Value| text.as_str().and_then(|text| text.parse::<f64>().ok()).map(Value::from);
    same(expected, found)
        || (found.is_number() && number(expected).is_some_and(|number| same(&number, found)))
}

/// The value at a path such as `a.b[3].c`; `@len` is a list's length, `@end` where a byte range ends,
/// `@parts[i]` the i-th part of the whole playlist, `@error` the error.
fn at(model: &Value, path: &str) -> Value {
    let mut current = model.clone();
    for step in path.split('.') {
        let (name, indexes) = step.split_once('[').unwrap_or((step, ""));
        current = match name {
            "@len" => current.as_array().map_or(Value::Null, |list| list.len().into()),
            "@end" => match (current["offset"].as_u64(), current["length"].as_u64()) {
                (Some(offset), Some(length)) => (offset + length).into(),
                _ => Value::Null,
            },
            name => current[name].clone(),
        };
        for index in indexes.split('[').filter_map(|index| index.trim_end_matches(']').parse::<usize>().ok())
        {
            current = current[index].clone();
        }
    }
    current
}
