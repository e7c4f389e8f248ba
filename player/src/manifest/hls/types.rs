//! What a media playlist says, as typed values (draft-pantos-hls-rfc8216bis).
//!
//! Durations are whole nanoseconds read from the decimal text. Text of segments lies in one buffer, so that a
//! segment costs a fixed small number of bytes.

use crate::manifest::ByteRange;
use abr::time::WallClock;
use std::collections::BTreeMap;

/// A media playlist.
#[derive(Clone, Debug, Default)]
pub struct MediaPlaylist {
    /// `EXT-X-VERSION`.
    pub version: Option<u64>,
    /// `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent_segments: bool,
    /// `EXT-X-START`.
    pub start: Option<Start>,
    /// `EXT-X-DEFINE`, by name.
    pub variables: BTreeMap<String, String>,
    /// `EXT-X-TARGETDURATION` in nanoseconds.
    pub target_duration: Option<u64>,
    /// `EXT-X-MEDIA-SEQUENCE`.
    pub media_sequence: u64,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`.
    pub discontinuity_sequence: u64,
    /// `EXT-X-PLAYLIST-TYPE` as written: `VOD`, `EVENT`, or something unknown.
    pub playlist_type: Option<String>,
    /// `EXT-X-ENDLIST`.
    pub end_list: bool,
    /// `EXT-X-I-FRAMES-ONLY`.
    pub i_frames_only: bool,
    /// `EXT-X-PART-INF` `PART-TARGET` in nanoseconds.
    pub part_target: Option<u64>,
    /// `EXT-X-SERVER-CONTROL`.
    pub server_control: Option<ServerControl>,
    /// `EXT-X-SKIP`.
    pub skip: Option<Skip>,
    /// The listed segments.
    pub segments: Vec<MediaSegment>,
    /// `EXT-X-MAP`, each different one once.
    pub maps: Vec<Map>,
    /// Sets of `EXT-X-KEY` that are in force together, each different one once.
    pub keys: Vec<Vec<Key>>,
    /// `EXT-X-PART`, in order.
    pub parts: Vec<Part>,
    /// `EXT-X-PRELOAD-HINT`.
    pub preload_hints: Vec<PreloadHint>,
    /// `EXT-X-RENDITION-REPORT`.
    pub rendition_reports: Vec<RenditionReport>,
    /// `EXT-X-DATERANGE`, line by line; several lines may tell about one `ID`.
    pub date_ranges: Vec<DateRange>,
    /// What was wrong but could be lived with, with line numbers.
    pub warnings: Vec<String>,
    pub(super) text: String,
}

/// A piece of a playlist's text buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSegment {
    pub(super) uri: Span,
    pub(super) title: Span,
    /// `EXTINF`, nanoseconds.
    pub duration: u64,
    /// `EXT-X-BYTERANGE` with its offset filled in.
    pub byte_range: Option<ByteRange>,
    /// Whether `EXT-X-DISCONTINUITY` stands before it.
    pub discontinuity: bool,
    /// Its discontinuity sequence number.
    pub discontinuity_sequence: u64,
    /// Position in [`MediaPlaylist::maps`].
    pub map: Option<u32>,
    /// Position in [`MediaPlaylist::keys`].
    pub keys: Option<u32>,
    /// `EXT-X-PROGRAM-DATE-TIME`, where the tag stands.
    pub program_date_time: Option<WallClock>,
    /// `EXT-X-GAP`.
    pub gap: bool,
    /// `EXT-X-BITRATE` in force, kbit/s.
    pub bitrate_kbps: Option<u64>,
}

/// `EXT-X-START`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Start {
    /// Seconds from the start, or from the end when negative.
    pub time_offset: f64,
    /// `PRECISE`.
    pub precise: bool,
}

/// `EXT-X-MAP`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// As written.
    pub uri: String,
    /// `BYTERANGE`.
    pub byte_range: Option<ByteRange>,
}

/// `EXT-X-KEY` or `EXT-X-SESSION-KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// `METHOD`.
    pub method: String,
    /// `URI`, as written.
    pub uri: Option<String>,
    /// `IV` as 32 lower-case hexadecimal digits.
    pub iv: Option<String>,
    /// `KEYFORMAT`.
    pub keyformat: Option<String>,
    /// `KEYFORMATVERSIONS`.
    pub keyformatversions: Option<String>,
}

/// `EXT-X-SERVER-CONTROL`; times in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerControl {
    /// `CAN-BLOCK-RELOAD`.
    pub can_block_reload: bool,
    /// `HOLD-BACK`.
    pub hold_back: Option<u64>,
    /// `PART-HOLD-BACK`.
    pub part_hold_back: Option<u64>,
    /// `CAN-SKIP-UNTIL`.
    pub can_skip_until: Option<u64>,
    /// `CAN-SKIP-DATERANGES`.
    pub can_skip_dateranges: bool,
}

/// `EXT-X-SKIP`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// `SKIPPED-SEGMENTS`.
    pub skipped_segments: u64,
    /// `RECENTLY-REMOVED-DATERANGES`.
    pub recently_removed_dateranges: Vec<String>,
}

/// `EXT-X-PART`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Position in [`MediaPlaylist::segments`] of the segment that it is a part of; one past the last for
    /// parts of a segment that is not complete yet.
    pub segment: usize,
    /// As written.
    pub uri: String,
    /// Nanoseconds.
    pub duration: u64,
    /// `INDEPENDENT`.
    pub independent: bool,
    /// `GAP`.
    pub gap: bool,
    /// `BYTERANGE` with its offset filled in.
    pub byte_range: Option<ByteRange>,
}

/// `EXT-X-PRELOAD-HINT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreloadHint {
    /// `TYPE`: `PART` or `MAP`.
    pub kind: String,
    /// As written.
    pub uri: String,
    /// `BYTERANGE-START`, zero when absent.
    pub byte_range_start: u64,
    /// `BYTERANGE-LENGTH`.
    pub byte_range_length: Option<u64>,
}

/// `EXT-X-RENDITION-REPORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenditionReport {
    /// As written.
    pub uri: String,
    /// `LAST-MSN`.
    pub last_msn: Option<u64>,
    /// `LAST-PART`.
    pub last_part: Option<u64>,
}

/// `EXT-X-DATERANGE`; durations in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DateRange {
    /// `ID`.
    pub id: String,
    /// `CLASS`.
    pub class: Option<String>,
    /// `START-DATE`.
    pub start: Option<WallClock>,
    /// `END-DATE`.
    pub end: Option<WallClock>,
    /// `DURATION`.
    pub duration: Option<u64>,
    /// `PLANNED-DURATION`.
    pub planned_duration: Option<u64>,
    /// `END-ON-NEXT`.
    pub end_on_next: bool,
    /// `SCTE35-CMD`, `SCTE35-OUT` and `SCTE35-IN`, by name, as hexadecimal digits in lower case.
    pub scte35: BTreeMap<String, String>,
    /// `X-…`, by name.
    pub client: BTreeMap<String, String>,
}

impl MediaPlaylist {
    fn at(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// The address of a segment, as written.
    pub fn uri(&self, segment: &MediaSegment) -> &str {
        self.at(segment.uri)
    }

    /// The title of a segment, possibly empty.
    pub fn title(&self, segment: &MediaSegment) -> &str {
        self.at(segment.title)
    }

    /// The keys in force for a segment.
    pub fn keys_of(&self, segment: &MediaSegment) -> &[Key] {
        segment.keys.and_then(|at| self.keys.get(at as usize)).map_or(&[], Vec::as_slice)
    }

    /// Each segment's program date and time: its own tag's, or that of the tag before plus the durations
    /// between; before the first tag, that tag's less the durations.
    pub fn program_date_times(&self) -> impl Iterator<Item = Option<WallClock>> + '_ {
        let first = self.segments.iter().position(|segment| segment.program_date_time.is_some());
        let lead = self.segments.get(..first.unwrap_or(0)).unwrap_or_default();
        let lead = lead.iter().fold(0i64, |sum, segment| sum.saturating_add(signed(segment.duration)));
        let date = first.and_then(|at| self.segments.get(at)?.program_date_time);
        // Milliseconds of the last tag, and nanoseconds since.
        let mut next = date.map(|date| (date.as_millis(), lead.saturating_neg()));
        self.segments.iter().map(move |segment| {
            if let Some(written) = segment.program_date_time {
                next = Some((written.as_millis(), 0));
            }
            let now = next.map(|(millis, nanos)| {
                let after = nanos.saturating_add(500_000).div_euclid(1_000_000);
                WallClock::from_millis(millis.saturating_add(after))
            });
            next = next.map(|(millis, nanos)| (millis, nanos.saturating_add(signed(segment.duration))));
            now
        })
    }
}

fn signed(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}
