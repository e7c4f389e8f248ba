//! Reads a media playlist, line by line, in time and memory proportional to the input.
//!
//! A playing reader: what breaks the specification but can be lived with is noted in
//! [`MediaPlaylist::warnings`]. Unknown tags are ignored.

use super::attributes::{self, Attributes};
use super::tags;
use super::types::{Key, Map, MediaPlaylist, MediaSegment, Part, Span, Start};
use super::variables::Variables;
use crate::limits;
use crate::manifest::iso8601::{date_time, decimal_nanos};
use crate::manifest::policy::shown;
use crate::manifest::{ByteRange, ManifestError, Place};
use abr::time::WallClock;
use std::collections::BTreeSet;

/// Longest run of segments without any duration.
const ZERO_DURATIONS: u32 = 100;

/// Reads `text`, which starts with `#EXTM3U`. `variables` holds what `EXT-X-DEFINE` may import.
///
/// # Errors
///
/// [`ManifestError`] for a missing header, a line or a list beyond the limits, sequence numbers that
/// overflow, and more than 100 segments in a row without duration.
pub fn read(text: &str, variables: Variables) -> Result<MediaPlaylist, ManifestError> {
    let mut reader = Reader { variables, ..Reader::default() };
    let (lines, _) = super::lines(text)?;
    for line in lines {
        let (number, line) = line?;
        reader.number = number;
        let (line, unknown) = reader.variables.substitute(line)?;
        if let Some(name) = unknown {
            reader.warn("", format!("the variable {} is not defined", shown(name)));
        }
        match line.strip_prefix("#EXT") {
            Some(tag) => reader.tag(tag)?,
            None => reader.uri(line.trim_end())?,
        }
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    playlist: MediaPlaylist,
    variables: Variables,
    number: u64,
    /// Tags that may stand once and have.
    once: BTreeSet<&'static str>,
    pending: Pending,
    discontinuities: u64,
    map: Option<u32>,
    keys: Vec<Key>,
    key_set: Option<u32>,
    /// Whether the last tag that counted was a key, so that a further one joins it.
    keys_open: bool,
    bitrate: Option<u64>,
    zero_run: u32,
    /// Where the range of the last part ends.
    last_part_end: Option<u64>,
}

/// What the tags since the last segment say about the next.
#[derive(Default)]
struct Pending {
    duration: Option<u64>,
    /// `EXTINF` stood there, but its duration could not be read.
    unreadable: bool,
    title: String,
    byte_range: Option<(u64, Option<u64>)>,
    discontinuity: bool,
    program_date_time: Option<WallClock>,
    gap: bool,
}

impl Reader {
    fn place(&self, tag: &str) -> Place {
        let name = if tag.is_empty() { String::new() } else { format!("#EXT{tag}") };
        Place::line(self.number, name)
    }

    fn warn(&mut self, tag: &str, what: impl std::fmt::Display) {
        if self.playlist.warnings.len() < super::WARNINGS {
            let place = self.place(tag);
            self.playlist.warnings.push(format!("{place}: {what}"));
        }
    }

    fn tag(&mut self, tag: &str) -> Result<(), ManifestError> {
        let (name, whole) = tag.split_once(':').unwrap_or((tag, ""));
        let (name, value) = (name.trim(), whole.trim());
        let list = || Attributes::read(value);
        if name != "-X-KEY" {
            self.keys_open = false;
        }
        self.order(name);
        match name {
            "INF" => self.inf(whole),
            "-X-TARGETDURATION" => match decimal_nanos(value) {
                // A whole number by the specification; a broken one is rounded up.
                Some(target) => {
                    self.playlist.target_duration = Some(target.div_ceil(SECOND).saturating_mul(SECOND));
                    if !target.is_multiple_of(SECOND) {
                        self.warn(name, "the target duration is no whole number");
                    }
                }
                None => self.warn(name, format!("{} is no duration", shown(value))),
            },
            "-X-VERSION" => match value.parse() {
                Ok(version) => self.playlist.version = Some(version),
                Err(_) => self.warn(name, format!("{} is no version", shown(value))),
            },
            "-X-MEDIA-SEQUENCE" => self.playlist.media_sequence = self.sequence(name, value),
            "-X-DISCONTINUITY-SEQUENCE" => self.playlist.discontinuity_sequence = self.sequence(name, value),
            "-X-PLAYLIST-TYPE" => {
                if !matches!(value, "VOD" | "EVENT") {
                    self.warn(name, format!("{} is no playlist type", shown(value)));
                }
                self.playlist.playlist_type = Some(value.to_owned());
            }
            "-X-ENDLIST" => self.playlist.end_list = true,
            "-X-I-FRAMES-ONLY" => self.playlist.i_frames_only = true,
            "-X-INDEPENDENT-SEGMENTS" => self.playlist.independent_segments = true,
            "-X-DISCONTINUITY" => {
                self.pending.discontinuity = true;
                self.discontinuities += 1;
            }
            "-X-GAP" => self.pending.gap = true,
            "-X-BITRATE" => self.bitrate = value.parse().ok(),
            "-X-BYTERANGE" => {
                if self.playlist.version.is_some_and(|version| version < 4) {
                    self.warn(name, "the tag needs version 4");
                }
                match attributes::byte_range(value) {
                    Some(range) => self.pending.byte_range = Some(range),
                    None => self.warn(name, format!("{} is no byte range", shown(value))),
                }
            }
            "-X-PROGRAM-DATE-TIME" => match date_time(value) {
                Some(date) => self.pending.program_date_time = Some(date),
                None => self.warn(name, format!("{} is no date", shown(value))),
            },
            "-X-MAP" => self.map(&list()),
            "-X-KEY" => self.key(&list()),
            "-X-START" => {
                let list = list();
                match list.number("TIME-OFFSET") {
                    Some(time_offset) => {
                        self.playlist.start = Some(Start { time_offset, precise: list.yes("PRECISE") });
                    }
                    None => self.warn(name, "TIME-OFFSET is missing or no number"),
                }
            }
            "-X-DEFINE" => {
                if let Err(what) = self.variables.define(&list()) {
                    self.warn(name, what);
                }
            }
            "-X-PART-INF" => match list().nanos("PART-TARGET") {
                Some(target) => self.playlist.part_target = Some(target),
                None => self.warn(name, "PART-TARGET is missing or no number"),
            },
            "-X-SERVER-CONTROL" => self.playlist.server_control = Some(tags::server_control(&list())),
            "-X-SKIP" => {
                self.playlist.skip = tags::skip(&list());
                if self.playlist.skip.is_none() {
                    self.warn(name, "SKIPPED-SEGMENTS is missing or no number");
                }
            }
            "-X-PART" => self.part(&list())?,
            "-X-PRELOAD-HINT" => match tags::preload_hint(&list()) {
                Some(hint) if self.playlist.preload_hints.len() < super::KEYS_TOGETHER => {
                    self.playlist.preload_hints.push(hint);
                }
                _ => self.warn(name, "TYPE or URI is missing"),
            },
            "-X-RENDITION-REPORT" => match tags::rendition_report(&list()) {
                Some(report) if self.playlist.rendition_reports.len() < limits::REPRESENTATIONS => {
                    self.playlist.rendition_reports.push(report);
                }
                _ => self.warn(name, "URI is missing"),
            },
            "-X-DATERANGE" => self.date_range(&list())?,
            _ if super::multivariant::is_tag(name) => {
                self.warn(name, "this tag belongs in a multivariant playlist");
            }
            _ => {}
        }
        Ok(())
    }

    /// A sequence number; what cannot be read counts as zero, as if the tag were absent.
    fn sequence(&mut self, name: &str, value: &str) -> u64 {
        value.parse().unwrap_or_else(|_| {
            self.warn(name, format!("{} is no sequence number", shown(value)));
            0
        })
    }

    /// Notes tags that stand twice, or where they may not.
    fn order(&mut self, name: &str) {
        if let Some(once) = ONCE.iter().find(|once| **once == name)
            && !self.once.insert(once)
        {
            self.warn(name, "the tag may not stand twice");
        }
        let has_segments = !self.playlist.segments.is_empty();
        match name {
            "-X-MEDIA-SEQUENCE" | "-X-DISCONTINUITY-SEQUENCE" if has_segments => {
                self.warn(name, "the tag must stand before the first segment");
            }
            "-X-DISCONTINUITY-SEQUENCE" if self.discontinuities > 0 => {
                self.warn(name, "the tag must stand before the first #EXT-X-DISCONTINUITY");
            }
            "-X-KEY" | "-X-MAP" | "-X-DISCONTINUITY" => {
                let parts = self.playlist.parts.last();
                if parts.is_some_and(|part| part.segment == self.playlist.segments.len()) {
                    self.warn(name, "the tag must stand before the first part of its segment");
                }
            }
            _ => {}
        }
    }

    fn inf(&mut self, value: &str) {
        let (duration, title) = value.split_once(',').unwrap_or((value, ""));
        self.pending.title = title.trim_end().to_owned();
        let duration = duration.trim();
        if duration.contains('.') && self.playlist.version.is_some_and(|version| version < 3) {
            self.warn("INF", "fractions of a second need version 3");
        }
        self.pending.duration = decimal_nanos(duration);
        if self.pending.duration.is_none() {
            self.warn("INF", format!("{} is no duration", shown(duration)));
            let huge = duration.starts_with(|c: char| c.is_ascii_digit());
            let negative = duration.starts_with('-');
            self.pending.duration = if huge {
                Some(u64::MAX)
            } else if negative {
                Some(0)
            } else {
                None
            };
            self.pending.unreadable = true;
        }
    }

    fn map(&mut self, list: &Attributes<'_>) {
        let Some(uri) = list.owned("URI") else {
            return self.warn("-X-MAP", "URI is missing");
        };
        // Packagers of the first days wrote the range of the map as a tag of its own before it.
        let own = self.pending.byte_range.take_if(|_| self.pending.duration.is_none());
        let byte_range = list.text("BYTERANGE").and_then(attributes::byte_range).or(own);
        if byte_range.is_none() && list.text("BYTERANGE").is_some() {
            self.warn("-X-MAP", "BYTERANGE is no byte range");
        }
        let byte_range =
            byte_range.and_then(|(length, offset)| attributes::range(offset.unwrap_or(0), length));
        let map = Map { uri, byte_range };
        let at = self.playlist.maps.iter().rposition(|known| *known == map).unwrap_or_else(|| {
            self.playlist.maps.push(map);
            self.playlist.maps.len() - 1
        });
        self.map = u32::try_from(at).ok();
    }

    fn key(&mut self, list: &Attributes<'_>) {
        let Some(key) = tags::key(list) else {
            return self.warn("-X-KEY", "METHOD is missing");
        };
        if key.method == "NONE" {
            self.keys.clear();
        } else {
            if key.uri.is_none() {
                self.warn("-X-KEY", "URI is missing");
            }
            // Tags that stand together offer the same key in several formats; a later one replaces them.
            if !self.keys_open {
                self.keys.clear();
            }
            self.keys.retain(|known| known.keyformat != key.keyformat);
            if self.keys.len() < super::KEYS_TOGETHER {
                self.keys.push(key);
            }
        }
        self.keys_open = true;
        self.key_set = None;
    }

    fn key_set(&mut self) -> Option<u32> {
        if self.key_set.is_none() && !self.keys.is_empty() {
            if self.playlist.keys.last() != Some(&self.keys) {
                self.playlist.keys.push(self.keys.clone());
            }
            self.key_set = u32::try_from(self.playlist.keys.len() - 1).ok();
        }
        self.key_set
    }

    fn part(&mut self, list: &Attributes<'_>) -> Result<(), ManifestError> {
        let (Some(uri), Some(duration)) = (list.owned("URI"), list.nanos("DURATION")) else {
            self.warn("-X-PART", "URI or DURATION is missing");
            return Ok(());
        };
        if self.playlist.parts.len() >= limits::SEGMENTS_EXPANDED {
            return Err(ManifestError::TooMany { what: "parts", max: limits::SEGMENTS_EXPANDED });
        }
        let byte_range =
            list.text("BYTERANGE").and_then(attributes::byte_range).and_then(|(length, offset)| {
                attributes::range(offset.or(self.last_part_end).unwrap_or(0), length)
            });
        self.last_part_end = byte_range.and_then(|range| range.end);
        self.playlist.parts.push(Part {
            segment: self.playlist.segments.len(),
            uri,
            duration,
            independent: list.yes("INDEPENDENT"),
            gap: list.yes("GAP"),
            byte_range,
        });
        Ok(())
    }

    fn date_range(&mut self, list: &Attributes<'_>) -> Result<(), ManifestError> {
        if self.playlist.date_ranges.len() >= super::DATE_RANGES {
            return Err(ManifestError::TooMany { what: "date ranges", max: super::DATE_RANGES });
        }
        let Some((range, mut bad)) = tags::date_range(list) else {
            self.warn("-X-DATERANGE", "ID is missing");
            return Ok(());
        };
        // A further line about a known range need not say when it starts.
        if range.start.is_none() && !self.playlist.date_ranges.iter().any(|known| known.id == range.id) {
            bad = Some("START-DATE".to_owned());
        }
        self.playlist.date_ranges.push(range);
        if let Some(name) = bad {
            self.warn("-X-DATERANGE", format!("{} is missing or malformed", shown(&name)));
        }
        Ok(())
    }

    fn keep(&mut self, text: &str) -> Result<Span, ManifestError> {
        let buffer = &mut self.playlist.text;
        // Byte-range playlists name the same resource again and again.
        if let Some(last) = self.playlist.segments.last() {
            let span = last.uri;
            if buffer.get(span.start as usize..span.end as usize) == Some(text) {
                return Ok(span);
            }
        }
        let start = buffer.len();
        buffer.push_str(text);
        match (u32::try_from(start), u32::try_from(buffer.len())) {
            (Ok(start), Ok(end)) => Ok(Span { start, end }),
            _ => Err(ManifestError::TooMany { what: "bytes of addresses", max: u32::MAX as usize }),
        }
    }

    fn uri(&mut self, uri: &str) -> Result<(), ManifestError> {
        self.keys_open = false;
        let pending = std::mem::take(&mut self.pending);
        if pending.duration.is_none() && !pending.unreadable {
            self.warn("", format!("{} has no #EXTINF; it counts as long as the target duration", shown(uri)));
        }
        let target = self.playlist.target_duration;
        let mut duration = pending.duration.or(target).unwrap_or(UNSTATED);
        if self.playlist.segments.len() >= limits::SEGMENTS_EXPANDED {
            return Err(ManifestError::TooMany { what: "segments", max: limits::SEGMENTS_EXPANDED });
        }
        let longest = self
            .playlist
            .target_duration
            .filter(|target| *target > 0)
            .map_or(LONGEST, |target| target.saturating_mul(10).min(LONGEST));
        if duration > longest {
            self.warn("INF", "the duration is more than ten target durations and is cut to that");
            duration = longest;
        }
        self.zero_run = if duration == 0 { self.zero_run + 1 } else { 0 };
        if self.zero_run > ZERO_DURATIONS {
            return Err(ManifestError::malformed(
                self.place("INF"),
                format!("more than {ZERO_DURATIONS} segments in a row have no duration"),
            ));
        }
        if self.playlist.media_sequence.checked_add(self.playlist.segments.len() as u64).is_none() {
            return Err(ManifestError::malformed(self.place(""), "the media sequence number overflows"));
        }
        let discontinuity_sequence = self.playlist.discontinuity_sequence.checked_add(self.discontinuities);
        let Some(discontinuity_sequence) = discontinuity_sequence else {
            return Err(ManifestError::malformed(
                self.place(""),
                "the discontinuity sequence number overflows",
            ));
        };
        let byte_range = pending.byte_range.and_then(|range| self.chain(uri, range));
        let segment = MediaSegment {
            uri: self.keep(uri)?,
            title: if pending.title.is_empty() { Span::default() } else { self.keep(&pending.title)? },
            duration,
            byte_range,
            discontinuity: pending.discontinuity,
            discontinuity_sequence,
            map: self.map,
            keys: self.key_set(),
            program_date_time: pending.program_date_time,
            gap: pending.gap,
            bitrate_kbps: self.bitrate.filter(|_| byte_range.is_none()),
        };
        self.playlist.segments.push(segment);
        Ok(())
    }

    /// A byte range without offset starts where the one before ends, even if that is of another resource
    /// (which the specification does not allow): so do other players.
    fn chain(&mut self, uri: &str, (length, offset): (u64, Option<u64>)) -> Option<ByteRange> {
        let start = match offset {
            Some(offset) => offset,
            None => {
                let last = self.playlist.segments.last();
                let before = last.and_then(|last| Some((self.playlist.uri(last), last.byte_range?.end?)));
                let map = || {
                    let map = self.playlist.maps.get(self.map? as usize).filter(|_| last.is_none())?;
                    Some((map.uri.as_str(), map.byte_range?.end?))
                };
                let found = before.or_else(map);
                let (continued, end) =
                    (found.is_some_and(|(same, _)| same == uri), found.map(|(_, end)| end));
                if !continued {
                    self.warn("-X-BYTERANGE", "there is no range of the same resource before to continue");
                }
                end.unwrap_or(0)
            }
        };
        let range = attributes::range(start, length);
        if range.is_none() {
            self.warn("-X-BYTERANGE", "the range ends beyond 2^64 bytes");
        }
        range
    }

    fn finish(mut self) -> Result<MediaPlaylist, ManifestError> {
        if self.pending.duration.is_some() {
            self.warn("INF", "the last tag has no address");
        }
        if self.playlist.target_duration.is_none() && !self.playlist.segments.is_empty() {
            self.number = 0;
            self.warn("-X-TARGETDURATION", "the tag is missing");
        }
        self.playlist.variables = self.variables.into_map();
        let found = super::lint::media(&self.playlist);
        let room = super::WARNINGS.saturating_sub(self.playlist.warnings.len());
        self.playlist.warnings.extend(found.into_iter().take(room));
        Ok(self.playlist)
    }
}

/// Tags that may stand once in a playlist.
const ONCE: &[&str] = &[
    "-X-VERSION",
    "-X-TARGETDURATION",
    "-X-MEDIA-SEQUENCE",
    "-X-DISCONTINUITY-SEQUENCE",
    "-X-PLAYLIST-TYPE",
    "-X-ENDLIST",
    "-X-I-FRAMES-ONLY",
    "-X-INDEPENDENT-SEGMENTS",
    "-X-START",
    "-X-PART-INF",
    "-X-SERVER-CONTROL",
    "-X-SKIP",
];
/// Nanoseconds per second.
const SECOND: u64 = 1_000_000_000;
/// Taken for a segment whose duration is not stated in any way, in nanoseconds.
const UNSTATED: u64 = 10 * SECOND;
/// A day, in nanoseconds: no segment is longer.
const LONGEST: u64 = 86_400_000_000_000;
