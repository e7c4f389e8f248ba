//! The workspace as files and as crates, for tests that check its shape.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder that holds the four crates.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests crate lies in the workspace").to_path_buf()
}

/// Where cargo puts what it builds: the folder that the running executable was built into.
pub fn target() -> PathBuf {
    let exe = std::env::current_exe().expect("a test has a path");
    let folder = exe.parent().expect("a program lies in a folder");
    // Test executables lie in <target>/<profile>/deps, programs in <target>/<profile>.
    let profile = folder.parent().filter(|_| folder.ends_with("deps")).unwrap_or(folder);
    profile.parent().expect("profiles lie in the target folder").to_path_buf()
}

/// Data shared between projects, beside the workspace: `$SLUICE_SHARED_DIR`, else `../shared`.
///
/// Says so and returns `None` when it is not there, because a clone alone has none.
pub fn shared(inside: &str) -> Option<PathBuf> {
    let shared =
        std::env::var_os("SLUICE_SHARED_DIR").map_or_else(|| root().join("../shared"), PathBuf::from);
    let path = shared.join(inside);
    if !path.exists() {
        println!("skipped: {} is not here (set SLUICE_SHARED_DIR)", path.display());
        return None;
    }
    Some(path)
}

/// `path` as seen from the root, for messages.
pub fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// A package in a dependency tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Used {
    /// Its name.
    pub name: String,
    /// Its version, without the `v`.
    pub version: String,
}

/// The packages that `package` uses on Linux, itself included, each once, as `cargo tree` sees them with
/// `options`.
pub fn tree(package: &str, options: &[&str]) -> Vec<Used> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["tree", "--offline", "--locked", "--prefix", "none", "--format", "{p}"])
        .args(["--target", "x86_64-unknown-linux-gnu", "--package", package])
        .args(options)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let mut used: Vec<Used> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?.to_owned();
            Some(Used { name, version: words.next()?.trim_start_matches('v').to_owned() })
        })
        .collect();
    used.sort();
    used.dedup();
    used
}

/// Every Rust source below `folder`, sorted.
pub fn rust_sources(folder: &Path) -> Vec<PathBuf> {
    text_files(folder).into_iter().filter(|file| file.extension().is_some_and(|e| e == "rs")).collect()
}

/// Every file below `folder` that is not built, hidden as git's own, or media, sorted.
pub fn text_files(folder: &Path) -> Vec<PathBuf> {
    const SKIPPED: &[&str] = &["target", ".git", "content"];
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match path.is_dir() {
                // In a linked work tree `.git` is a file.
                _ if SKIPPED.contains(&name.as_str()) => {}
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    files.sort();
    files
}

/// The lines of a file that are code and not its unit tests.
pub fn code_lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("a source file");
    let kept = text.lines().count() - unit_test_lines(file);
    text.lines().take(kept).filter(|line| !is_comment(line)).map(str::to_owned).collect()
}

/// The lines of a file that are code, its unit tests included.
pub fn all_code_lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("a source file");
    text.lines().filter(|line| !is_comment(line)).map(str::to_owned).collect()
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// How many lines the unit tests at the end of a file take.
pub fn unit_test_lines(file: &Path) -> usize {
    let text = fs::read_to_string(file).expect("a source file");
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.windows(2).position(|pair| {
        pair[0].trim() == "#[cfg(test)]" && pair[1].trim_start().starts_with("mod ") && pair[1].contains('{')
    });
    start.map_or(0, |start| lines.len() - start)
}
