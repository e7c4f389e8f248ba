//! HLS: playlists to the one model. The words of HLS stay in here.

pub mod attributes;
mod build;
mod encryption;
mod lint;
pub mod media;
pub mod multivariant;
mod ranges;
mod refresh;
mod source;
mod tags;
mod types;
pub mod variables;

pub use types::{
    DateRange, Key, Map, MediaPlaylist, MediaSegment, Part, PreloadHint, RenditionReport, ServerControl,
    Skip, Start,
};

pub(crate) use refresh::Placed;
pub(crate) use source::HlsSource;

use super::policy::Policy;
use super::{ManifestError, Title};
use url::Url;
use variables::Variables;

/// The first line of every playlist.
const HEADER: &str = "#EXTM3U";
/// Most warnings kept of one playlist.
const WARNINGS: usize = 100;
/// Most keys in force for one segment, and hints in one playlist.
const KEYS_TOGETHER: usize = 32;
/// Most date ranges of one playlist.
const DATE_RANGES: usize = 2_000;

/// One line with its number, or that it is too long.
type Line<'a> = Result<(u64, &'a str), ManifestError>;

/// The lines of a playlist that say something, without the header. Blank lines and comments may stand before
/// the header; a playlist that starts with a tag of multivariant playlists may lack it (`false`).
///
/// # Errors
///
/// [`ManifestError::NotAManifest`] when there is no header.
fn lines(text: &str) -> Result<(impl Iterator<Item = Line<'_>>, bool), ManifestError> {
    let lines = || {
        let numbered = text.lines().zip(1u64..).map(|(line, number)| (number, line.trim_start()));
        numbered.filter(|(_, line)| !line.is_empty() && (!line.starts_with('#') || line.starts_with("#EXT")))
    };
    let (_, first) = lines().next().unwrap_or_default();
    let header = first.starts_with(HEADER);
    let name = first.strip_prefix("#EXT").map_or("", |tag| tag.split(':').next().unwrap_or_default());
    if !header && (!multivariant::is_tag(name) || lines().any(|(_, line)| line.starts_with(HEADER))) {
        return Err(ManifestError::NotAManifest(format!("the first line is not {HEADER}")));
    }
    let limit = crate::limits::PLAYLIST_LINE_BYTES;
    let checked = lines().skip(usize::from(header)).map(move |(number, line)| {
        if line.len() > limit {
            return Err(ManifestError::TooMany { what: "bytes in a line of the playlist", max: limit });
        }
        Ok((number, line))
    });
    Ok((checked, header))
}

/// Reads a playlist of either kind found at `url`.
///
/// # Errors
///
/// [`ManifestError`] when it cannot be read or offers nothing that could be played.
pub(super) fn read(url: &Url, text: &str) -> Result<Title, ManifestError> {
    let policy = Policy::of(url);
    if multivariant::is_multivariant(text) {
        let playlist = multivariant::read(text, Variables::new(url, Default::default()))?;
        build::multivariant(url, policy, playlist)
    } else {
        let playlist = media::read(text, Variables::new(url, Default::default()))?;
        build::media(url, policy, playlist)
    }
}

#[cfg(test)]
mod differential;
