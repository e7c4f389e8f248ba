//! DASH: an MPD to the one model (ISO/IEC 23009-1).

mod build;
mod inherit;
pub mod mpd;
mod parse;
mod sidx;
mod source;
pub mod template;
pub mod timeline;
mod xml;

pub use parse::parse;
pub(crate) use source::DashSource;

use super::policy::Policy;
use super::{ManifestError, Title};
use url::Url;

/// Reads an MPD found at `url`.
///
/// # Errors
///
/// [`ManifestError`] when it cannot be read or offers nothing that could be played.
pub(super) fn read(url: &Url, text: &str) -> Result<Title, ManifestError> {
    build::build(url, Policy::of(url), parse(text)?)
}
