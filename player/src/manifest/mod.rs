//! MPD and playlists to one presentation and the addresses of its parts.
//!
//! [`read`] looks at the bytes, not at the name: an MPD and a playlist both become a [`Title`]. Nothing here
//! fetches; an index that lies in another resource comes in through [`Addresses::read_index`].

mod address;
mod align;
mod codecs;
pub mod dash;
mod error;
pub mod iso8601;
pub mod hls;
mod pathways;
mod policy;
pub mod steering;

pub(crate) use address::ClockFormat;
pub use address::{Address, Addresses, ByteRange, Encrypted, NoKey, Protection, Protocol, SegmentEncryption};
pub use error::{ManifestError, Place};
pub use pathways::SteeringStart;

use crate::timed::TimedEvent;
use abr::presentation::Presentation;
use abr::time::WallClock;
use url::Url;

/// A manifest, read.
#[derive(Clone, Debug)]
pub struct Title {
    /// What can be played, and when.
    pub presentation: Presentation,
    /// Where it is.
    pub addresses: Addresses,
    /// What happens when, as far as the manifest itself says.
    pub events: Vec<TimedEvent>,
    /// What time it is, where the manifest says that itself.
    pub now: Option<WallClock>,
}

impl Title {
    /// Numbers the hosts by pathway, where there is steering, so that a location is the same one everywhere.
    fn number_pathways(&mut self) {
        self.addresses.number_pathways();
        let pathways = u32::try_from(self.addresses.pathways().len()).unwrap_or(1);
        if pathways > 0 {
            let sets = self.presentation.periods.iter_mut().flat_map(|period| &mut period.adaptation_sets);
            sets.flat_map(|set| &mut set.representations).for_each(|one| one.locations = pathways);
        }
    }

    /// This title, read after `known` from the same address: every position that had a meaning keeps it.
    pub fn following(self, known: &Presentation, addresses: &Addresses) -> Self {
        align::align(known, addresses, self)
    }
}

/// Reads a manifest found at `url` (after redirects).
///
/// # Errors
///
/// [`ManifestError::NotAManifest`] when `body` is neither an MPD nor a playlist, otherwise what is wrong
/// with it.
pub fn read(url: &Url, body: &[u8]) -> Result<Title, ManifestError> {
    let limit = crate::limits::MANIFEST_DECODED_BYTES;
    if u64::try_from(body.len()).unwrap_or(u64::MAX) > limit {
        return Err(ManifestError::TooMany {
            what: "bytes in a manifest",
            max: usize::try_from(limit).unwrap_or(usize::MAX),
        });
    }
    if !matches!(url.scheme(), "http" | "https" | "file") {
        return Err(ManifestError::Forbidden {
            place: Place::default(),
            what: format!(
                "a manifest is not read from an address with the scheme {}",
                policy::shown(url.scheme())
            ),
        });
    }
    let text = decode(body)?;
    let start = text.trim_start();
    if start.starts_with('#') {
        hls::read(url, text)
    } else if start.starts_with('<') && !is_html(start) {
        dash::read(url, text)
    } else {
        Err(ManifestError::NotAManifest(guess(start)))
    }
}

/// The text of a manifest: UTF-8 with or without a byte order mark.
///
/// # Errors
///
/// [`ManifestError`] that names what it is instead.
pub fn decode(body: &[u8]) -> Result<&str, ManifestError> {
    if body.starts_with(&[0xff, 0xfe]) || body.starts_with(&[0xfe, 0xff]) {
        return Err(ManifestError::NotAManifest("it is encoded in UTF-16, not UTF-8".to_owned()));
    }
    let body = body.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(body);
    std::str::from_utf8(body).map_err(|error| {
        let valid = body.get(..error.valid_up_to()).unwrap_or_default();
        let start = valid.iter().position(|byte| !byte.is_ascii_whitespace()).and_then(|at| body.get(at..));
        if start.is_some_and(|text| text.starts_with(b"#EXTM3U") || text.starts_with(b"<")) {
            let line = valid.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            ManifestError::malformed(Place::line(line, ""), "the text is not valid UTF-8")
        } else {
            ManifestError::NotAManifest("it is not text".to_owned())
        }
    })
}

fn is_html(start: &str) -> bool {
    let head: String = start.chars().take(15).collect::<String>().to_ascii_lowercase();
    ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| head.starts_with(tag))
}

/// What a document that is no manifest seems to be.
fn guess(start: &str) -> String {
    if start.is_empty() {
        "it is empty".to_owned()
    } else if is_html(start) {
        "it is a web page; perhaps the address needs a login, or leads to a player's page".to_owned()
    } else if start.starts_with('{') || start.starts_with('[') {
        "it is a JSON document".to_owned()
    } else {
        format!("it starts with {}", policy::shown(start.lines().next().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests;
