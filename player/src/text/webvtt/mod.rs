//! WebVTT files and segments, read by the parsing rules of the W3C (WebVTT: The Web Video Text Tracks
//! Format, section 6), and the `X-TIMESTAMP-MAP` of HLS (RFC 8216, 3.5).
//!
//! Whatever follows the signature is readable: cues that break the rules are left out and counted.

mod block;
mod entity;
mod markup;
mod settings;
mod timestamp;
#[cfg(test)]
mod tests;

pub use markup::parse as parse_markup;
pub(super) use settings::apply as apply_settings;

use super::cue::{Cue, Region};
use super::style::Rule;
use crate::limits;
use abr::time::MediaTime;
use std::sync::Arc;

/// Why a file is no WebVTT.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The first line is not the signature.
    #[error("not WebVTT: the file does not begin with \"WEBVTT\"")]
    Signature,
    /// More bytes than [`limits::TEXT_BYTES`].
    #[error("{0} bytes of subtitles are beyond the limit")]
    TooLarge(usize),
}

/// The point that cue times and MPEG-2 time stamps have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampMap {
    /// Ticks of 90 kHz, 33 bits.
    pub mpegts: u64,
    /// Cue time.
    pub local: MediaTime,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Cues in the order of the file.
    pub cues: Vec<Cue>,
    /// Regions in the order of the file.
    pub regions: Vec<Arc<Region>>,
    /// Rules of its style blocks.
    pub rules: Arc<[Rule]>,
    /// `X-TIMESTAMP-MAP` of its header.
    pub timestamp_map: Option<TimestampMap>,
    /// Cues and header lines that could not be read.
    pub skipped: u32,
}

/// Reads a file.
///
/// # Errors
/// [`TextError::Signature`] when it is something else, [`TextError::TooLarge`] when it is absurdly long.
pub fn parse(bytes: &[u8]) -> Result<Document, TextError> {
    if bytes.len() > limits::TEXT_BYTES {
        return Err(TextError::TooLarge(bytes.len()));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = normalize(&String::from_utf8_lossy(bytes));
    let after = text.strip_prefix("WEBVTT").ok_or(TextError::Signature)?;
    if !matches!(after.chars().next(), None | Some(' ' | '\t' | '\n')) {
        return Err(TextError::Signature);
    }
    let body = after.split_once('\n').map_or("", |(_, body)| body);
    Ok(block::read(body))
}

/// Line ends become line feeds, NUL the replacement character (6.1, step 1).
fn normalize(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{fffd}")
}
