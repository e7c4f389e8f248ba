//! HLS: playlists to the one model. The words of HLS stay in here.

pub mod attributes;
mod build;
pub mod media;
pub mod multivariant;
mod source;
mod types;
pub mod variables;

pub use types::{
    DateRange, Key, Map, MediaPlaylist, MediaSegment, Part, PreloadHint, RenditionReport, ServerControl,
    Skip, Start,
};

pub(crate) use source::HlsSource;

use super::policy::Policy;
use super::{ManifestError, Title};
use url::Url;
use variables::Variables;

/// Most warnings kept of one playlist.
const WARNINGS: usize = 100;
/// Most keys in force for one segment, and hints in one playlist.
const KEYS_TOGETHER: usize = 32;
/// Most date ranges of one playlist.
const DATE_RANGES: usize = 2_000;

/// Reads a playlist of either kind found at `url`.
///
/// # Errors
///
/// [`ManifestError`] when it cannot be read or offers nothing that could be played.
pub(super) fn read(url: &Url, text: &str) -> Result<Title, ManifestError> {
    let text = text.trim_start();
    let policy = Policy::of(url);
    if multivariant::is_multivariant(text) {
        let playlist = multivariant::read(text, Variables::new(url, Default::default()))?;
        build::multivariant(url, policy, playlist)
    } else {
        let playlist = media::read(text, Variables::new(url, Default::default()))?;
        build::media(url, policy, playlist)
    }
}
