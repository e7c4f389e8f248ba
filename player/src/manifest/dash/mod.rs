//! DASH: an MPD to the one model (ISO/IEC 23009-1).

mod build;
mod cues;
mod inherit;
mod layout;
mod live;
pub mod mpd;
mod parse;
pub mod patch;
mod query;
mod resolve;
mod sidx;
mod source;
pub mod template;
pub mod timeline;
mod tree;
mod xml;

pub use build::{content_type, kind_of, kind_of_codecs};
pub use parse::{frame_rate, parse};
pub use resolve::{Resolved, ResolvedPeriod, ResolvedRepresentation, resolve};
pub use source::DashSource;

use super::{ManifestError, Title};
use url::Url;

/// Reads an MPD found at `url`.
///
/// # Errors
///
/// [`ManifestError`] when it cannot be read or offers nothing that could be played.
pub(super) fn read(url: &Url, text: &str) -> Result<Title, ManifestError> {
    build::build(url, parse(text)?)
}
