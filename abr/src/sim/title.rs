//! Titles: the sizes of every segment in every quality, one form in memory, several on disk.
//!
//! | source | content |
//! |---|---|
//! | Sabre movie JSON | `segment_duration_ms`, `bitrates_kbps[]`, `segment_sizes_bits[segment][quality]` |
//! | Pensieve folder | files `video_size_0`, `video_size_1`, …: bytes per 4 s chunk, one per line |
//! | `sluice inspect --json` | the first video set of `presentation` |
//! | `synthetic:…` | a seeded model of variable bitrate, see [`Synthetic`] |

mod pensieve;
mod presentation;
mod sabre;
mod synthetic;

pub use synthetic::Synthetic;

use super::input::{Problem, ReadError, read_text};
use super::trace::name_of;
use std::path::Path;

/// Largest title file that is read, in bytes.
pub const MAX_BYTES: u64 = 64 << 20;
/// Most segments of a title.
pub const MAX_SEGMENTS: usize = 100_000;
/// Most qualities of a title.
pub const MAX_QUALITIES: usize = 64;
/// Largest segment that is believed, in bits (a gigabyte).
pub const MAX_SEGMENT_BITS: u64 = 8 << 30;

/// What can be fetched of a title.
#[derive(Clone, Debug, PartialEq)]
pub struct Title {
    /// The file's or folder's name, or the synthetic description.
    pub name: String,
    /// Length of every segment in milliseconds, each above zero.
    pub durations_ms: Vec<f64>,
    /// Nominal bitrate of every quality in kbit/s, ascending, each above zero.
    pub bitrates_kbps: Vec<f64>,
    /// Bits of every segment, row after row: the qualities of segment 0, then of segment 1, …
    sizes_bits: Vec<u64>,
}

impl Title {
    /// A title of `bitrates_kbps.len()` qualities; `sizes_bits` lists the qualities of one segment after the other.
    pub fn new(
        name: impl Into<String>,
        durations_ms: Vec<f64>,
        bitrates_kbps: Vec<f64>,
        sizes_bits: Vec<u64>,
    ) -> Result<Self, Problem> {
        let (segments, qualities) = (durations_ms.len(), bitrates_kbps.len());
        if segments == 0 || qualities == 0 {
            return Err(Problem::Value("needs at least one segment and one quality".into()));
        }
        if segments > MAX_SEGMENTS {
            return Err(Problem::TooMany { limit: MAX_SEGMENTS, what: "segments" });
        }
        if qualities > MAX_QUALITIES {
            return Err(Problem::TooMany { limit: MAX_QUALITIES, what: "qualities" });
        }
        if sizes_bits.len() != segments * qualities {
            return Err(Problem::Value(format!(
                "needs {segments} × {qualities} sizes, has {}",
                sizes_bits.len()
            )));
        }
        if let Some(bad) = durations_ms.iter().find(|d| !(1.0..=3.6e6).contains(*d)) {
            return Err(Problem::Value(format!("a segment of {bad} ms; is its duration in milliseconds?")));
        }
        if let Some(bad) = bitrates_kbps.iter().find(|r| !(1.0..=1e7).contains(*r)) {
            return Err(Problem::Value(format!("a bitrate of {bad} kbit/s; is it in kbit/s?")));
        }
        if bitrates_kbps.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(Problem::Value("bitrates must ascend".into()));
        }
        if let Some(bad) = sizes_bits.iter().find(|&&bits| bits == 0 || bits > MAX_SEGMENT_BITS) {
            return Err(Problem::Value(format!("a segment of {bad} bits; sizes are in bits, above zero")));
        }
        let title = Self { name: name.into(), durations_ms, bitrates_kbps, sizes_bits };
        title.check_units()?;
        Ok(title)
    }

    /// Reads a file or folder, or makes a title from a `synthetic:` description.
    pub fn load(source: &str) -> Result<Self, ReadError> {
        match source.strip_prefix("synthetic:") {
            Some(model) => model
                .parse::<Synthetic>()
                .and_then(|model| model.title(source))
                .map_err(|problem| problem.in_file(source)),
            None => Self::read(Path::new(source)),
        }
    }

    /// Reads a file or a Pensieve folder.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        if path.is_dir() {
            return pensieve::read(path);
        }
        let text = read_text(path, MAX_BYTES)?;
        Self::parse(path, &text)
    }

    /// Reads `text` as if it were the content of `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ReadError> {
        if !text.trim_start().starts_with('{') {
            return Err(Problem::Unrecognised(
                "is not a title: a Sabre movie or the output of `sluice inspect --json` is a JSON object, a \
                 Pensieve title is a folder of video_size_N"
                    .into(),
            )
            .in_file(path));
        }
        if presentation::is_one(text) { presentation::parse(path, text) } else { sabre::parse(path, text) }
    }

    /// How many segments there are.
    pub fn segments(&self) -> usize {
        self.durations_ms.len()
    }

    /// How many qualities there are.
    pub fn qualities(&self) -> usize {
        self.bitrates_kbps.len()
    }

    /// Bits of segment `segment` in quality `quality`.
    ///
    /// # Panics
    /// When either is out of range.
    pub fn size_bits(&self, segment: usize, quality: usize) -> u64 {
        self.sizes_of(segment)[quality]
    }

    /// Bits of segment `segment` in every quality, in ascending quality.
    ///
    /// # Panics
    /// When `segment` is out of range.
    pub fn sizes_of(&self, segment: usize) -> &[u64] {
        let qualities = self.qualities();
        &self.sizes_bits[segment * qualities..][..qualities]
    }

    /// Length of the whole in milliseconds.
    pub fn duration_ms(&self) -> f64 {
        self.durations_ms.iter().sum()
    }

    /// The common segment duration in milliseconds, when all segments have the same.
    pub fn uniform_duration_ms(&self) -> Option<f64> {
        let (first, rest) = self.durations_ms.split_first()?;
        rest.iter().all(|other| other == first).then_some(*first)
    }

    /// The same title with `segments` segments (1 to [`MAX_SEGMENTS`]): cut short, or repeated from its beginning.
    #[must_use]
    pub fn resized(&self, segments: usize) -> Self {
        let (segments, qualities) = (segments.clamp(1, MAX_SEGMENTS), self.qualities());
        Self {
            name: self.name.clone(),
            durations_ms: self.durations_ms.iter().copied().cycle().take(segments).collect(),
            bitrates_kbps: self.bitrates_kbps.clone(),
            sizes_bits: self.sizes_bits.iter().copied().cycle().take(segments * qualities).collect(),
        }
    }

    /// The title as Sabre's movie JSON; the inverse of reading one. Needs segments of equal duration.
    pub fn to_sabre(&self) -> Result<String, Problem> {
        sabre::write(self)
    }

    /// The content of Pensieve's `video_size_N` files, in ascending quality, and whether bits were rounded up to bytes.
    pub fn to_pensieve(&self) -> (Vec<String>, bool) {
        pensieve::write(self)
    }

    /// Sizes must fit the bitrates within a factor of four over the whole title: bytes for bits, or bit/s for
    /// kbit/s, are a factor of eight and more away.
    fn check_units(&self) -> Result<(), Problem> {
        let duration = self.duration_ms();
        for (quality, &nominal) in self.bitrates_kbps.iter().enumerate() {
            let bits: u64 = self.sizes_bits.iter().skip(quality).step_by(self.qualities()).sum();
            let ratio = bits as f64 / duration / nominal;
            if !(0.25..=4.0).contains(&ratio) {
                return Err(Problem::Value(format!(
                    "quality {quality} is said to have {nominal} kbit/s, but its segments have {:.0} kbit/s on \
                     average; are sizes in bits, bitrates in kbit/s and durations in ms?",
                    bits as f64 / duration
                )));
            }
        }
        Ok(())
    }
}

/// The name of the title in `path`, with no ending.
fn title_name(path: &Path) -> String {
    match path.canonicalize() {
        Ok(full) if path.is_dir() => name_of(&full),
        _ => name_of(path),
    }
}

#[cfg(test)]
mod tests;
