//! What lies in a folder of traces: sets, and what is no trace.

use crate::sim::input::{Problem, ReadError, read_text};
use crate::sim::report::statistics::quantile;
use crate::sim::title;
use crate::sim::trace::{self, Format, Trace, sets};
use sha2::{Digest, Sha256};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A set of traces.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSet {
    /// The folder's name.
    pub name: String,
    /// Its files, in ascending order.
    pub files: Vec<PathBuf>,
}

/// What was found in one file.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// A trace.
    Trace {
        /// SHA-256 of the file, in hexadecimal.
        sha256: String,
        /// Mean bandwidth.
        mean_kbps: f64,
    },
    /// No trace: why.
    No(&'static str),
}

/// Something that is not played, and why.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Skipped {
    /// A folder or file.
    pub what: String,
    /// Why.
    pub why: String,
}

/// Folders that hold titles and tables beside the sets in a folder of shared data.
const NO_TRACES: [(&str, &str); 2] = [("movies", "titles, not traces"), ("expected", "tables, not traces")];

/// The sets in `traces`: each sub-folder is one, a folder of files is one of its own name, a file is one of its
/// folder's name. Beside them what was passed over.
pub fn find(traces: &Path) -> Result<(Vec<TraceSet>, Vec<Skipped>), ReadError> {
    if traces.is_file() {
        let folder = traces.canonicalize().ok().and_then(|full| Some(full.parent()?.file_name()?.to_owned()));
        let name = folder.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        return Ok((vec![TraceSet { name, files: vec![traces.to_owned()] }], Vec::new()));
    }
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    for (name, files) in sets(traces)? {
        match NO_TRACES.iter().find(|(no, _)| *no == name) {
            Some((_, why)) => skipped.push(Skipped { what: format!("{name}/"), why: (*why).to_owned() }),
            None => found.push(TraceSet { name, files }),
        }
    }
    Ok((found, skipped))
}

impl Found {
    /// Looks into a file. A file that is meant to be a trace and is broken is an error.
    pub fn look(path: &Path, format: Option<Format>) -> Result<Self, ReadError> {
        let text = match read_text(path, trace::MAX_BYTES) {
            Ok(text) => text,
            Err(ReadError { problem: Problem::NotText, .. }) => return Ok(Self::No("not text")),
            Err(error) => return Err(error),
        };
        match Trace::parse(path, &text, format) {
            Ok(trace) => Ok(Self::Trace { sha256: hash(text.as_bytes()), mean_kbps: trace.mean_kbps() }),
            Err(ReadError { problem: Problem::NotReplayable, .. }) => {
                Ok(Self::No("logs of player sessions, which say nothing of the link between two chunks"))
            }
            Err(ReadError { problem: Problem::Unrecognised(_), .. }) if format.is_none() => {
                Ok(Self::No("in no known trace format"))
            }
            Err(error) => Err(error),
        }
    }
}

/// SHA-256 in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// SHA-256 of a file of any size, in hexadecimal.
pub fn hash_file(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hexadecimal(&hasher.finalize())),
            length => hasher.update(&buffer[..length]),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files of a title and their hashes; none for a synthetic one.
pub fn hash_title(source: &str) -> Result<Vec<(String, String)>, ReadError> {
    if source.starts_with("synthetic:") {
        return Ok(Vec::new());
    }
    let path = Path::new(source);
    let of = |path: &Path| {
        let text = read_text(path, title::MAX_BYTES)?;
        Ok((path.display().to_string(), hash(text.as_bytes())))
    };
    if !path.is_dir() {
        return Ok(vec![of(path)?]);
    }
    let sizes = (0..title::MAX_QUALITIES).map(|quality| path.join(format!("video_size_{quality}")));
    sizes.take_while(|file| file.is_file()).map(|file| of(&file)).collect()
}

/// Above this median of its traces' means a set gets the title in high resolution.
const FAST_KBPS: f64 = 8000.0;

/// The titles that sets get when none is given: (file below `movies/` of the traces, synthetic title with the same
/// ladder where there is no such file, segments), for slow sets and for fast ones.
pub const TITLES: [(&str, &str, usize); 2] = [
    ("envivio-dash3", "synthetic:segments=48,seconds=4,ladder=300-750-1200-1850-2850-4300", 48),
    ("sabre-bbb4k.json", "synthetic:segments=100,seconds=3,ladder=1000-2500-5000-8000-16000-35000", 100),
];

/// The title for a set when none is given, and how many segments of it: by the median of its traces' mean bandwidths.
pub fn default_title(traces: &Path, mean_kbps: Vec<f64>) -> (String, usize) {
    let fast = quantile(mean_kbps, 0.5).is_some_and(|median| median > FAST_KBPS);
    let (file, synthetic, segments) = TITLES[usize::from(fast)];
    let movie = traces.join("movies").join(file);
    (if movie.exists() { movie.display().to_string() } else { synthetic.to_owned() }, segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_and_fast_sets_get_titles_that_fit() {
        let none = Path::new("/nowhere");
        assert_eq!(default_title(none, vec![500.0, 1000.0, 90_000.0]).1, 48);
        let (source, segments) = default_title(none, vec![20_000.0]);
        assert!(source.starts_with("synthetic:") && segments == 100);
        for (_, synthetic, segments) in TITLES {
            assert_eq!(title::Title::load(synthetic).unwrap().segments(), segments);
        }
    }

    #[test]
    fn hashes_are_those_of_sha256sum() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hash(b""), empty);
    }
}
