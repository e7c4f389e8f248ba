//! Every limit on what comes from outside, in one place.
//!
//! Exceeding one is a typed error, never a panic, a hang or a truncation in silence.

use std::time::Duration;

/// Manifest body as it arrives.
pub const MANIFEST_ENCODED_BYTES: u64 = 8 << 20;
/// Manifest body after content decoding.
pub const MANIFEST_DECODED_BYTES: u64 = 16 << 20;
/// Nested XML elements.
pub const XML_DEPTH: usize = 64;
/// XML elements in one document.
pub const XML_ELEMENTS: usize = 500_000;
/// Attributes of one XML element.
pub const XML_ATTRIBUTES: usize = 256;
/// Representations of one presentation.
pub const REPRESENTATIONS: usize = 1_000;
/// Periods of one presentation.
pub const PERIODS: usize = 1_000;
/// Segments held one by one (explicit lists); run-length timelines do not count.
pub const SEGMENTS_EXPANDED: usize = 200_000;
/// One line of a playlist.
pub const PLAYLIST_LINE_BYTES: usize = 64 << 10;
/// One media segment, whatever its nominal size.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// One initialization segment.
pub const INIT_BYTES: u64 = 4 << 20;
/// Nested boxes of an MP4 file.
pub const BOX_DEPTH: usize = 16;
/// Boxes of one segment.
pub const BOXES: usize = 100_000;
/// Samples of one fragment.
pub const SAMPLES: usize = 100_000;
/// One licence.
pub const LICENCE_BYTES: u64 = 1 << 20;
/// One key that a playlist names.
pub const KEY_BYTES: u64 = 64;
/// Key identifiers, and keys of whole segments, that are kept at a time.
pub const KEYS: usize = 1_000;
/// Response headers.
pub const HEADER_BYTES: usize = 64 << 10;
/// A file of trusted certificates.
pub const AUTHORITIES_BYTES: u64 = 16 << 20;
/// Redirects followed for one request.
pub const REDIRECTS: usize = 5;
/// Picture side in pixels.
pub const PICTURE_SIDE: u32 = 8_192;
/// Establishing a connection.
pub const CONNECT: Duration = Duration::from_secs(5);
/// One file or segment of subtitles.
pub const TEXT_BYTES: usize = 4 << 20;
/// Cues of one file, one sample, or kept at a time.
pub const TEXT_CUES: usize = 50_000;
/// Regions of one file of subtitles.
pub const TEXT_REGIONS: usize = 256;
/// Style rules of one file of subtitles.
pub const TEXT_RULES: usize = 256;
/// Nested spans of a cue; deeper ones are left out, their text is not.
pub const TEXT_DEPTH: usize = 32;
/// Cues shown at a time.
pub const TEXT_ACTIVE: usize = 64;
/// Timed events that wait or are remembered at a time.
pub const TIMED_EVENTS: usize = 10_000;
/// Message of one timed event.
pub const TIMED_EVENT_BYTES: usize = 64 << 10;
/// Operations of one MPD Patch.
pub const PATCH_OPERATIONS: usize = 10_000;
