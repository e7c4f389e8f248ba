//! What we build on: licences, sources, refused crates and how much of it there is.
//!
//! The same questions as `cargo deny`, asked of `cargo metadata`, so that a bare machine can answer them.

use serde::Deserialize;
use std::process::Command;
use tests::workspace;

/// Licences that ask for no more than attribution (MPL-2.0 additionally: changes to its own files stay
/// open; symphonia has it, we do not change it).
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "OFL-1.1",
    "Ubuntu-font-1.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Who may bring MPL-2.0.
const MPL_FROM: &str = "symphonia";

/// Unmaintained, unsound, or a second way to do what is done already.
const REFUSED: &[(&str, &str)] = &[
    ("atty", "unmaintained; the standard library asks whether a stream is a terminal"),
    ("async-std", "unmaintained; one runtime is enough"),
    ("backoff", "unmaintained (RUSTSEC-2025-0012); retry policy is ours"),
    ("bincode", "unmaintained (RUSTSEC-2025-0141)"),
    ("instant", "unmaintained"),
    ("native-tls", "rustls is the one TLS"),
    ("openssl", "rustls is the one TLS"),
    ("openssl-sys", "rustls is the one TLS"),
    ("paste", "unmaintained (RUSTSEC-2024-0436)"),
    ("rustybuzz", "unmaintained"),
    ("serde_yaml", "unmaintained"),
    ("serde_yml", "unsound"),
    ("ttf-parser", "unmaintained (RUSTSEC-2026-0192)"),
];

/// The lowest version that is not vulnerable, for crates that we use at run time.
const NOT_BELOW: &[(&str, &str, &[u64])] = &[
    ("h2", "RUSTSEC-2026-0258", &[0, 4, 16]),
    ("lru", "RUSTSEC-2026-0253", &[0, 17]),
    ("quick-xml", "RUSTSEC-2026-0194", &[0, 41]),
    ("tracing-subscriber", "RUSTSEC-2025-0055", &[0, 3, 20]),
];

/// How many packages each way to build us may need, itself included.
const BUDGETS: &[(&str, &[&str], usize)] = &[
    ("abr", &["--no-default-features"], 20),
    ("abr", &[], 60),
    ("drm-stub", &[], 40),
    ("player", &["--no-default-features"], 200),
    ("player", &["--no-default-features", "--features", "media"], 300),
    ("player", &[], 400),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

/// Every package of the lock file that a Linux build can use.
fn packages() -> Vec<Package> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace::root())
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    metadata.packages
}

#[test]
fn licences_are_permissive() {
    for package in packages() {
        let expression = package.license.unwrap_or_default();
        assert!(permitted(&expression), "{} {}: licence `{expression}`", package.name, package.version);
        let copyleft = expression.contains("MPL") && !expression.contains("OR");
        assert!(!copyleft || package.name.starts_with(MPL_FROM), "{}: `{expression}`", package.name);
    }
}

/// Whether an SPDX expression can be met with licences of [`LICENCES`].
fn permitted(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let expression = expression.trim();
    if let Some(inside) = expression.strip_prefix('(').and_then(|e| e.strip_suffix(')'))
        && !inside.contains('(')
    {
        return permitted(inside);
    }
    // `AND` binds closer than `OR`, so a split at the loosest operator outside parentheses comes first.
    if let Some(parts) = split(expression, " OR ") {
        return parts.iter().any(|part| permitted(part));
    }
    if let Some(parts) = split(expression, " AND ") {
        return parts.iter().all(|part| permitted(part));
    }
    LICENCES.contains(&expression)
}

/// The parts of `text` between `operator`s that stand outside parentheses, if there are several.
fn split<'a>(text: &'a str, operator: &str) -> Option<Vec<&'a str>> {
    let (mut parts, mut level, mut start) = (Vec::new(), 0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => level += 1,
            ')' => level -= 1,
            _ if level == 0 && at >= start && text[at..].starts_with(operator) => {
                parts.push(&text[start..at]);
                start = at + operator.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (parts.len() > 1).then_some(parts)
}

#[test]
fn licence_expressions_are_understood() {
    assert!(permitted("MIT"));
    assert!(permitted("MIT/Apache-2.0"));
    assert!(permitted("Apache-2.0 OR GPL-2.0-only"));
    assert!(permitted("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(permitted("ISC AND (Apache-2.0 OR GPL-3.0) AND BSD-3-Clause"));
    assert!(!permitted("MIT AND GPL-2.0-only"));
    assert!(!permitted("(MIT OR Apache-2.0) AND GPL-3.0"));
    assert!(!permitted(""));
}

#[test]
fn everything_comes_from_the_public_registry() {
    for package in packages() {
        let Some(source) = package.source else { continue };
        let registry = "registry+https://github.com/rust-lang/crates.io-index";
        assert_eq!(source, registry, "{} comes from elsewhere", package.name);
    }
}

#[test]
fn refused_crates_stay_out() {
    for package in packages() {
        if let Some((name, why)) = REFUSED.iter().find(|(name, _)| *name == package.name) {
            panic!("{name} is refused: {why}");
        }
    }
}

#[test]
fn known_holes_are_patched() {
    for used in workspace::tree("player", &["--edges", "normal"]) {
        for (_, advisory, lowest) in NOT_BELOW.iter().filter(|(name, ..)| *name == used.name) {
            let version = numbers(&used.version);
            assert!(version.as_slice() >= *lowest, "{} {}: {advisory}", used.name, used.version);
        }
    }
}

fn numbers(version: &str) -> Vec<u64> {
    version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
}

#[test]
fn the_tree_stays_small() {
    for (package, options, most) in BUDGETS {
        let mut options = options.to_vec();
        options.extend(["--edges", "normal,build"]);
        let count = workspace::tree(package, &options).len();
        println!("{package} {}: {count} packages, {most} allowed", options.join(" "));
        assert!(count <= *most, "{package} {options:?}: {count} packages, {most} allowed");
    }
}
