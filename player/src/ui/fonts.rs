//! The fonts of a face: egui's own for its controls, and the system's for what is read in any language.
//!
//! Files are found by name in the usual folders, without a font library: one per script, taken in when its
//! script first appears.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Family of subtitles and titles.
pub const READING: &str = "reading";
/// The same with heavier letters for Latin, Greek and Cyrillic; there only when the system has them.
pub const READING_BOLD: &str = "reading bold";
/// Folders below a font folder that are looked into, and most files that are looked at.
const DEPTH: usize = 5;
const FILES: usize = 20_000;
/// Larger files are left alone.
const BYTES: u64 = 64 << 20;

/// A script and the files that have it, the best first.
struct Script {
    ranges: &'static [(u32, u32)],
    files: &'static [&'static str],
}

/// Latin, Greek and Cyrillic.
const BASE: &[&str] =
    &["NotoSans-Regular", "DejaVuSans", "LiberationSans-Regular", "Roboto-Regular", "FreeSans"];
/// The same, heavier.
const BOLD: &[&str] =
    &["NotoSans-Bold", "DejaVuSans-Bold", "LiberationSans-Bold", "Roboto-Bold", "FreeSansBold"];
/// For everything else.
const LAST: &[&str] = &["unifont", "FreeSans", "DejaVuSans"];

const SCRIPTS: &[Script] = &[
    Script {
        ranges: &[(0x600, 0x6ff), (0x750, 0x77f), (0x8a0, 0x8ff), (0xfb50, 0xfdff), (0xfe70, 0xfefe)],
        files: &["NotoSansArabic-Regular", "NotoNaskhArabic-Regular", "DejaVuSans", "FreeSerif"],
    },
    Script {
        ranges: &[(0x590, 0x5ff), (0xfb1d, 0xfb4f)],
        files: &["NotoSansHebrew-Regular", "DejaVuSans", "FreeSans"],
    },
    Script {
        ranges: &[(0x2e80, 0x9fff), (0xf900, 0xfaff), (0xff00, 0xffef), (0x20000, 0x3ffff)],
        files: &[
            "NotoSansCJK-Regular",
            "NotoSansCJKjp-Regular",
            "NotoSansJP-Regular",
            "NotoSansSC-Regular",
            "ipaexg",
            "ipag",
            "VL-Gothic-Regular",
            "TakaoGothic",
            "wqy-microhei",
            "DroidSansFallbackFull",
            "DroidSansFallback",
        ],
    },
    Script {
        ranges: &[(0x1100, 0x11ff), (0xac00, 0xd7ff)],
        files: &["NotoSansCJK-Regular", "NotoSansKR-Regular", "NanumGothic", "UnDotum"],
    },
    Script {
        ranges: &[(0x900, 0x97f)],
        files: &["NotoSansDevanagari-Regular", "Lohit-Devanagari", "FreeSans"],
    },
    Script { ranges: &[(0x980, 0x9ff)], files: &["NotoSansBengali-Regular", "Lohit-Bengali", "FreeSans"] },
    Script { ranges: &[(0xb80, 0xbff)], files: &["NotoSansTamil-Regular", "Lohit-Tamil", "FreeSans"] },
    Script { ranges: &[(0xc00, 0xc7f)], files: &["NotoSansTelugu-Regular", "Lohit-Telugu"] },
    Script { ranges: &[(0xe00, 0xe7f)], files: &["NotoSansThai-Regular", "Garuda", "Loma", "FreeSerif"] },
    Script { ranges: &[(0x10a0, 0x10ff)], files: &["NotoSansGeorgian-Regular", "DejaVuSans"] },
    Script { ranges: &[(0x530, 0x58f)], files: &["NotoSansArmenian-Regular", "DejaVuSans"] },
];

/// Which files have been taken in.
#[derive(Default)]
pub struct Fonts {
    /// Font files by name without ending; filled at first need.
    found: Option<BTreeMap<String, PathBuf>>,
    /// Scripts that were looked for, by their place in the table.
    tried: BTreeSet<usize>,
    /// In the order of preference.
    taken: Vec<String>,
    definitions: egui::FontDefinitions,
}

impl Fonts {
    /// The fonts to begin with.
    pub fn new(context: &egui::Context) -> Self {
        let mut definitions = egui::FontDefinitions::default();
        // Signs (arrows) that the proportional font lacks come from the monospaced one.
        let mono = definitions.families.get(&egui::FontFamily::Monospace).cloned().unwrap_or_default();
        let proportional = definitions.families.entry(egui::FontFamily::Proportional).or_default();
        let missing: Vec<_> = mono.into_iter().filter(|name| !proportional.contains(name)).collect();
        proportional.extend(missing);
        let reading = egui::FontFamily::Name(READING.into());
        let all = proportional.clone();
        definitions.families.insert(reading, all);
        context.set_fonts(definitions.clone());
        Self { definitions, ..Self::default() }
    }

    /// Sees to it that `text` can be drawn in the family [`READING`], as far as the system has the fonts.
    pub fn prepare(&mut self, context: &egui::Context, text: &str) {
        let mut changed = false;
        // The base comes first, so that the rest falls back from it.
        if self.tried.insert(usize::MAX) {
            changed |= self.take_first(BASE);
            self.take_bold();
        }
        for character in text.chars().filter(|c| u32::from(*c) >= 0x500) {
            let code = u32::from(character);
            let within =
                |script: &Script| script.ranges.iter().any(|(from, to)| (*from..=*to).contains(&code));
            match SCRIPTS.iter().position(within) {
                Some(place) if self.tried.insert(place) => changed |= self.take_first(SCRIPTS[place].files),
                Some(_) => {}
                None if self.tried.insert(SCRIPTS.len()) => changed |= self.take_first(LAST),
                None => {}
            }
        }
        if changed {
            context.set_fonts(self.definitions.clone());
        }
    }

    /// Makes the family of heavier letters, which falls back to the others.
    fn take_bold(&mut self) {
        let found = self.found.get_or_insert_with(|| files(&folders()));
        let read = BOLD.iter().find_map(|name| Some((*name, read(found.get(*name)?)?)));
        let Some((name, bytes)) = read else { return };
        self.definitions.font_data.insert(name.to_owned(), Arc::new(egui::FontData::from_owned(bytes)));
        let others = self.definitions.families.get(&egui::FontFamily::Name(READING.into()));
        let list = std::iter::once(name.to_owned()).chain(others.into_iter().flatten().cloned()).collect();
        self.definitions.families.insert(egui::FontFamily::Name(READING_BOLD.into()), list);
    }

    /// Takes the first of `names` that the system has and that can be read; says whether anything is new.
    fn take_first(&mut self, names: &[&str]) -> bool {
        let found = self.found.get_or_insert_with(|| files(&folders()));
        for name in names {
            if self.taken.iter().any(|taken| taken == name) {
                return false;
            }
            let Some(bytes) = found.get(*name).and_then(|path| read(path)) else { continue };
            let data = Arc::new(egui::FontData::from_owned(bytes));
            self.definitions.font_data.insert((*name).to_owned(), data);
            // Behind those taken before and before egui's own; the other families have it last.
            for (family, list) in &mut self.definitions.families {
                let is_reading = matches!(family, egui::FontFamily::Name(name) if &**name == READING);
                let place = if is_reading { self.taken.len() } else { list.len() };
                list.insert(place, (*name).to_owned());
            }
            self.taken.push((*name).to_owned());
            return true;
        }
        false
    }
}

/// A font file, if it is not too large.
fn read(path: &Path) -> Option<Vec<u8>> {
    std::fs::metadata(path).ok().filter(|meta| meta.len() <= BYTES)?;
    std::fs::read(path).ok()
}

/// Where fonts lie.
fn folders() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = variable("HOME");
    let data = variable("XDG_DATA_HOME").or_else(|| home.as_ref().map(|home| home.join(".local/share")));
    let own = data.map(|data| data.join("fonts")).into_iter().chain(home.map(|home| home.join(".fonts")));
    own.chain(["/usr/local/share/fonts", "/usr/share/fonts"].map(PathBuf::from)).collect()
}

/// Font files below `folders` by name, the first of equals.
fn files(folders: &[PathBuf]) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut looked = 0usize;
    let mut open: Vec<(PathBuf, usize)> = folders.iter().rev().map(|folder| (folder.clone(), 0)).collect();
    while let Some((folder, depth)) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            looked += 1;
            if looked > FILES {
                return found;
            }
            let path = entry.path();
            if path.is_dir() {
                if depth < DEPTH {
                    open.push((path, depth + 1));
                }
            } else if let Some(name) = font_name(&path) {
                found.entry(name).or_insert(path);
            }
        }
    }
    found
}

fn font_name(path: &Path) -> Option<String> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    matches!(ending.as_str(), "ttf" | "otf" | "ttc" | "otc").then_some(())?;
    path.file_stem()?.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn font_files_are_found_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("truetype/dejavu");
        std::fs::create_dir_all(&below).unwrap();
        for name in ["DejaVuSans.ttf", "readme.txt", "NotoSansCJK-Regular.ttc"] {
            std::fs::write(below.join(name), b"x").unwrap();
        }
        let found = files(&[folder.path().to_owned(), PathBuf::from("/nowhere")]);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["DejaVuSans", "NotoSansCJK-Regular"]);
    }
}
