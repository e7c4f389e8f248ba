//! The shape of the workspace, as tests: who may use whom, what the core may touch, the order of the
//! modules, headers, file sizes and the top level. A convention that nobody checks is a wish.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tests::workspace::{self, code_lines, rust_sources, text_files};

/// Who may use whom. A new arrow is a design decision: change this table in a commit of its own.
const ARROWS: &[(&str, &[&str])] = &[
    ("abr", &[]),
    ("drm-stub", &[]),
    ("player", &["abr", "drm-stub"]),
    ("tests", &["abr", "drm-stub", "player"]),
];

/// The core library may pull in nothing that can touch the world: serialisation and derive macros only.
const ABR_MAY_USE: &[&str] = &[
    "abr",
    "itoa",
    "memchr",
    "proc-macro2",
    "quote",
    "serde",
    "serde_core",
    "serde_derive",
    "serde_json",
    "syn",
    "thiserror",
    "thiserror-impl",
    "unicode-ident",
    "zmij",
];

/// What a visitor sees first. Everything else lives in one of the four folders or under a dot.
const TOP_LEVEL: &[&str] =
    &["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "abr", "drm-stub", "player", "tests"];

/// Lines of code that one file may have; about 200 is the aim. Unit tests below the code do not count.
const FILE_LINES_MAX: usize = 600;

/// Files that may hold `unsafe` code. Each entry needs a safety comment at the place.
const UNSAFE_ALLOWED_IN: &[&str] = &["player/src/allocator.rs", "drm-stub/tests/allocation.rs"];

#[test]
fn crates_depend_only_downwards() {
    for (package, allowed) in ARROWS {
        for used in workspace::tree(package, &["--depth", "1", "--edges", "normal,build,dev"]) {
            let ours = ARROWS.iter().any(|(name, _)| *name == used.name) && used.name != *package;
            assert!(!ours || allowed.contains(&used.name.as_str()), "{package} must not use {}", used.name);
        }
    }
}

#[test]
fn the_core_touches_nothing() {
    for used in workspace::tree("abr", &["--no-default-features", "--edges", "normal,build"]) {
        assert!(ABR_MAY_USE.contains(&used.name.as_str()), "abr pulls in {}", used.name);
    }
}

/// The bans of `abr/clippy.toml` are what keeps clocks, threads and random order out of the core.
#[test]
fn the_core_keeps_its_bans() {
    let text = fs::read_to_string(workspace::root().join("abr/clippy.toml")).expect("abr/clippy.toml");
    for banned in [
        "std::time::Instant::now",
        "std::time::SystemTime::now",
        "std::thread::spawn",
        "std::thread::sleep",
        "std::collections::HashMap",
        "std::collections::HashSet",
    ] {
        assert!(text.contains(&format!("\"{banned}\"")), "abr/clippy.toml no longer bans {banned}");
    }
}

#[test]
fn modules_of_the_core_look_only_down() {
    check_layers("abr");
}

#[test]
fn modules_of_the_player_look_only_down() {
    check_layers("player");
}

#[test]
fn modules_of_the_keys_look_only_down() {
    check_layers("drm-stub");
}

/// The order of the `mod` lines in `lib.rs` is the order of the layers.
fn check_layers(package: &str) {
    let src = workspace::root().join(package).join("src");
    let layers = layers(&fs::read_to_string(src.join("lib.rs")).expect("lib.rs"));
    for (height, layer) in layers.iter().enumerate() {
        for file in rust_sources(&src).iter().filter(|file| belongs_to(file, &src, layer)) {
            let depth = depth_below(file, &src);
            for used in roots_used(&code_lines(file), depth) {
                let Some(place) = layers.iter().position(|l| *l == used) else { continue };
                assert!(
                    place <= height,
                    "{}: `{layer}` must not use `{used}`, which stands below it in lib.rs",
                    file.display()
                );
            }
        }
    }
}

/// Names of the modules declared in a `lib.rs`, in order.
fn layers(text: &str) -> Vec<String> {
    let name = |line: &str| {
        let line = line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    };
    text.lines().filter_map(name).collect()
}

/// Whether `file` is the module `layer` or one inside it.
fn belongs_to(file: &Path, src: &Path, layer: &str) -> bool {
    let inside = file.strip_prefix(src).expect("sources lie below src");
    inside == Path::new(&format!("{layer}.rs")) || inside.starts_with(layer)
}

/// How many `super::` lead from the file's module to the crate root.
fn depth_below(file: &Path, src: &Path) -> usize {
    let inside = file.strip_prefix(src).expect("sources lie below src");
    inside.components().count() - usize::from(file.ends_with("mod.rs"))
}

/// The top-level modules that the code names, through `crate::` or enough `super::`.
fn roots_used(code: &[String], depth: usize) -> BTreeSet<String> {
    let text = code.join("\n");
    let climb = "super::".repeat(depth);
    let mut used = BTreeSet::new();
    for root in ["crate::", climb.as_str()] {
        for after in text.split(root).skip(1) {
            let word = |text: &str| text.trim_start().chars().take_while(|c| is_word(*c)).collect::<String>();
            match after.strip_prefix('{') {
                None => drop(used.insert(word(after))),
                Some(group) => used.extend(group_heads(group).iter().map(|head| word(head))),
            }
        }
    }
    used
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The beginnings of the entries of a `{a::b, c::{d, e}}` group whose opening brace was consumed.
fn group_heads(text: &str) -> Vec<&str> {
    let (mut heads, mut level, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '{' => level += 1,
            '}' if level == 0 => {
                heads.push(&text[start..at]);
                return heads;
            }
            '}' => level -= 1,
            ',' if level == 0 => {
                heads.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    heads
}

#[test]
fn the_layer_check_reads_code() {
    let code = |text: &str, depth| roots_used(&[text.to_owned()], depth).into_iter().collect::<Vec<_>>();
    assert_eq!(code("use crate::time::{A, B};", 1), ["time"]);
    assert_eq!(code("use crate::{time::A, units::{B, C}, x};", 1), ["time", "units", "x"]);
    assert_eq!(code("use super::buffer::Level;", 1), ["buffer"]);
    assert_eq!(code("use super::super::buffer::Level;", 2), ["buffer"]);
    assert_eq!(code("use super::sibling::Level;", 2), Vec::<String>::new());
    assert_eq!(layers("pub mod a;\n#[cfg(x)]\nmod b;\npub(crate) mod c;\npub use d;"), ["a", "b", "c"]);
}

#[test]
fn every_file_says_what_it_is() {
    for file in all_rust() {
        let text = fs::read_to_string(&file).expect("a source file");
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("//! ") && first.len() > 8,
            "{}: must begin with a //! header",
            file.display()
        );
    }
}

#[test]
fn files_stay_readable() {
    for file in all_rust() {
        let lines = fs::read_to_string(&file).expect("a source file").lines().count();
        let code = lines - workspace::unit_test_lines(&file);
        assert!(code <= FILE_LINES_MAX, "{}: {code} lines, {FILE_LINES_MAX} are the limit", file.display());
    }
}

#[test]
fn the_top_level_is_fixed() {
    let root = workspace::root();
    let ignored = fs::read_to_string(root.join(".gitignore")).expect(".gitignore");
    let visible: BTreeSet<String> = fs::read_dir(&root)
        .expect("the workspace")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !ignored.lines().any(|line| line == format!("/{name}")))
        .collect();
    let wanted: BTreeSet<String> = TOP_LEVEL.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(visible, wanted);
}

#[test]
fn nothing_is_left_for_later() {
    for file in all_rust() {
        let code = workspace::all_code_lines(&file).join("\n");
        for (open, what) in [
            (concat!("to", "do!("), "unfinished code"),
            (concat!("unimpl", "emented!("), "unfinished code"),
            (concat!("db", "g!("), "debugging output"),
            (concat!("#[ign", "ore]"), "a test that does not run (a measurement says so in its reason)"),
        ] {
            assert!(!code.contains(open), "{}: `{open}` is {what}", file.display());
        }
    }
}

#[test]
fn unsafe_code_is_where_it_may_be() {
    for file in all_rust() {
        let code = workspace::all_code_lines(&file).join("\n");
        if code.contains(concat!("(unsafe", "_code")) || code.contains(concat!("unsafe", " {")) {
            let name = workspace::relative(&file);
            assert!(UNSAFE_ALLOWED_IN.contains(&name.as_str()), "{name} holds unsafe code");
        }
    }
}

/// No path of the machine it was written on, so that a clone works anywhere.
#[test]
fn no_file_knows_a_machine() {
    for file in text_files(&workspace::root()) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for path in [concat!("/wo", "rk/"), concat!("/ro", "ot/")] {
            if let Some((number, _)) = text.lines().enumerate().find(|(_, line)| line.contains(path)) {
                panic!("{}:{}: names `{path}`", workspace::relative(&file), number + 1);
            }
        }
    }
}

fn all_rust() -> Vec<PathBuf> {
    ["abr", "drm-stub", "player", "tests"]
        .iter()
        .flat_map(|package| rust_sources(&workspace::root().join(package)))
        .collect()
}
