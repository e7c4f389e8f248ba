//! Reads a multivariant playlist. Each tag is read by `m3u8-rs`, by itself: one tag that it refuses costs
//! that tag or one of its attributes, with a warning that names the line, and nothing else.

use super::attributes::Attributes;
use super::tags;
use super::types::{Key, Start};
use super::variables::Variables;
use crate::limits;
use crate::manifest::policy::shown;
use crate::manifest::{ManifestError, Place};
use m3u8_rs::{AlternativeMedia, MasterPlaylist, QuotedOrUnquoted, SessionDataField, VariantStream};
use std::collections::{BTreeMap, HashMap};

/// A multivariant playlist.
#[derive(Clone, Debug, Default)]
pub struct Multivariant {
    /// `EXT-X-VERSION`.
    pub version: Option<u64>,
    /// `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent_segments: bool,
    /// `EXT-X-START`.
    pub start: Option<Start>,
    /// `EXT-X-DEFINE`, by name.
    pub variables: BTreeMap<String, String>,
    /// `EXT-X-STREAM-INF`.
    pub variants: Vec<Variant>,
    /// `EXT-X-I-FRAME-STREAM-INF`.
    pub iframe_variants: Vec<Variant>,
    /// `EXT-X-MEDIA`.
    pub renditions: Vec<Rendition>,
    /// `EXT-X-SESSION-DATA`.
    pub session_data: Vec<SessionData>,
    /// `EXT-X-SESSION-KEY`.
    pub session_keys: Vec<Key>,
    /// `EXT-X-CONTENT-STEERING`: server and first pathway.
    pub content_steering: Option<(String, Option<String>)>,
    /// What was wrong but could be lived with, with line numbers.
    pub warnings: Vec<String>,
}

/// A variant stream; text as written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variant {
    /// Its media playlist.
    pub uri: String,
    /// `BANDWIDTH`, bit/s; zero when it is missing.
    pub bandwidth: u64,
    /// `AVERAGE-BANDWIDTH`, bit/s.
    pub average_bandwidth: Option<u64>,
    /// `CODECS`.
    pub codecs: Option<String>,
    /// `RESOLUTION`, width and height.
    pub resolution: Option<(u64, u64)>,
    /// `FRAME-RATE`.
    pub frame_rate: Option<f64>,
    /// `HDCP-LEVEL`.
    pub hdcp_level: Option<String>,
    /// `AUDIO` group.
    pub audio: Option<String>,
    /// `VIDEO` group.
    pub video: Option<String>,
    /// `SUBTITLES` group.
    pub subtitles: Option<String>,
    /// `CLOSED-CAPTIONS` group, or `NONE`.
    pub closed_captions: Option<String>,
    /// Every other attribute (`SCORE`, `VIDEO-RANGE`, `SUPPLEMENTAL-CODECS`, `PATHWAY-ID`, `X-…`).
    pub other: BTreeMap<String, String>,
}

/// A rendition; text as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendition {
    /// `TYPE`.
    pub kind: String,
    /// `GROUP-ID`.
    pub group_id: String,
    /// `NAME`.
    pub name: String,
    /// `LANGUAGE`.
    pub language: Option<String>,
    /// `ASSOC-LANGUAGE`.
    pub assoc_language: Option<String>,
    /// `DEFAULT`.
    pub default: bool,
    /// `AUTOSELECT`.
    pub autoselect: bool,
    /// `FORCED`.
    pub forced: bool,
    /// `INSTREAM-ID`.
    pub instream_id: Option<String>,
    /// `CHARACTERISTICS`.
    pub characteristics: Option<String>,
    /// `CHANNELS`.
    pub channels: Option<String>,
    /// Its media playlist; `None` when it is part of the variant.
    pub uri: Option<String>,
    /// Every other attribute.
    pub other: BTreeMap<String, String>,
}

/// `EXT-X-SESSION-DATA`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionData {
    /// `DATA-ID`.
    pub data_id: String,
    /// `VALUE`.
    pub value: Option<String>,
    /// `URI`.
    pub uri: Option<String>,
    /// `LANGUAGE`.
    pub language: Option<String>,
}

/// Whether `name` (after `#EXT`) is a tag of multivariant playlists only.
pub(super) fn is_tag(name: &str) -> bool {
    matches!(
        name,
        "-X-STREAM-INF"
            | "-X-I-FRAME-STREAM-INF"
            | "-X-MEDIA"
            | "-X-SESSION-DATA"
            | "-X-SESSION-KEY"
            | "-X-CONTENT-STEERING"
    )
}

/// Whether `text` is a multivariant playlist rather than a media playlist. Tags that lead to other playlists
/// decide; a playlist with neither those nor segments is told by its session tags.
pub fn is_multivariant(text: &str) -> bool {
    let (mut session, mut media) = (false, false);
    for line in text.lines() {
        let Some(tag) = line.trim_start().strip_prefix("#EXT") else { continue };
        match tag.split_once(':').map_or(tag.trim_end(), |(name, _)| name) {
            "-X-STREAM-INF" | "-X-I-FRAME-STREAM-INF" | "-X-MEDIA" => return true,
            "INF" | "-X-TARGETDURATION" => media = true,
            name => session |= is_tag(name),
        }
    }
    session && !media
}

/// Reads `text`, which starts with `#EXTM3U`.
///
/// # Errors
///
/// [`ManifestError`] for a missing header, and lines and lists beyond the limits.
pub fn read(text: &str, variables: Variables) -> Result<Multivariant, ManifestError> {
    let (lines, header) = super::lines(text)?;
    let mut reader =
        Reader { playlist: Multivariant::default(), variables, line: 1, expecting: None, independent: 0 };
    if !header {
        reader.warn("", "the first line is not #EXTM3U");
    }
    for line in lines {
        let (number, line) = line?;
        reader.line = number;
        let line = line.trim_end();
        let (line, unknown) = reader.variables.substitute(line)?;
        if let Some(name) = unknown {
            reader.warn("", format!("the variable {} is not defined", shown(name)));
        }
        match line.strip_prefix("#EXT") {
            Some(tag) => reader.tag(tag),
            None => reader.uri(&line),
        }
        let playlist = &reader.playlist;
        if playlist.variants.len() + playlist.renditions.len() + playlist.iframe_variants.len()
            > limits::REPRESENTATIONS
        {
            return Err(ManifestError::TooMany {
                what: "variants and renditions",
                max: limits::REPRESENTATIONS,
            });
        }
    }
    if reader.expecting.is_some() {
        reader.warn("-X-STREAM-INF", "the last variant has no address");
    }
    reader.playlist.variables = reader.variables.into_map();
    let found = super::lint::multivariant(&reader.playlist);
    let room = super::WARNINGS.saturating_sub(reader.playlist.warnings.len());
    reader.playlist.warnings.extend(found.into_iter().take(room));
    Ok(reader.playlist)
}

struct Reader {
    playlist: Multivariant,
    variables: Variables,
    line: u64,
    /// The variant whose address comes next; `Some(None)` when that variant was refused.
    expecting: Option<Option<Variant>>,
    /// How often `EXT-X-INDEPENDENT-SEGMENTS` stands there.
    independent: u32,
}

impl Reader {
    fn warn(&mut self, tag: &str, what: impl std::fmt::Display) {
        if self.playlist.warnings.len() < super::WARNINGS {
            let name = if tag.is_empty() { String::new() } else { format!("#EXT{tag}") };
            self.playlist.warnings.push(format!("{}: {what}", Place::line(self.line, name)));
        }
    }

    fn uri(&mut self, uri: &str) {
        match self.expecting.take() {
            Some(Some(variant)) => self.playlist.variants.push(Variant { uri: uri.to_owned(), ..variant }),
            Some(None) => {}
            None => self.warn("", format!("{} has no #EXT-X-STREAM-INF and is left out", shown(uri))),
        }
    }

    fn tag(&mut self, tag: &str) {
        let (name, value) = match tag.split_once(':') {
            Some((name, value)) => (name.trim(), value.trim()),
            None => (tag.trim(), ""),
        };
        match name {
            "-X-STREAM-INF" => {
                if self.expecting.is_some() {
                    self.warn(name, "the variant before has no address");
                }
                let known = self.ask(name, value, &["BANDWIDTH=0"], |read| read.variants.pop());
                self.expecting = Some(known.map(Variant::from));
            }
            "-X-I-FRAME-STREAM-INF" => {
                if let Some(known) = self.ask(name, value, &["BANDWIDTH=0"], |read| read.variants.pop()) {
                    self.playlist.iframe_variants.push(known.into());
                }
            }
            "-X-MEDIA" => {
                let list = Attributes::read(value);
                let kind = list.text("TYPE").unwrap_or_default();
                let required = [format!("TYPE={kind}"), "GROUP-ID=\" \"".into(), "NAME=\" \"".into()];
                let mut required: Vec<&str> = required.iter().map(String::as_str).collect();
                if kind == "CLOSED-CAPTIONS" {
                    required.push("INSTREAM-ID=\"CC1\"");
                }
                if let Some(known) = self.ask(name, value, &required, |read| read.alternatives.pop()) {
                    self.playlist.renditions.push(known.into());
                }
            }
            "-X-SESSION-DATA" => {
                let value_of = if value.contains("URI=") { "URI=\" \"" } else { "VALUE=\" \"" };
                let required = ["DATA-ID=\" \"", value_of];
                if let Some(known) = self.ask(name, value, &required, |read| read.session_data.pop()) {
                    let (value, uri) = match known.field {
                        SessionDataField::Value(value) => (Some(value), None),
                        SessionDataField::Uri(uri) => (None, Some(uri)),
                    };
                    let language = known.language;
                    self.playlist.session_data.push(SessionData {
                        data_id: known.data_id,
                        value,
                        uri,
                        language,
                    });
                }
            }
            "-X-SESSION-KEY" => match tags::key(&Attributes::read(value)) {
                Some(key) if key.method != "NONE" => self.playlist.session_keys.push(key),
                _ => self.warn(name, "METHOD is missing or NONE"),
            },
            "-X-CONTENT-STEERING" => {
                let list = Attributes::read(value);
                match list.owned("SERVER-URI") {
                    Some(server) => self.playlist.content_steering = Some((server, list.owned("PATHWAY-ID"))),
                    None => self.warn(name, "SERVER-URI is missing"),
                }
            }
            "-X-VERSION" => match value.parse() {
                Ok(version) => self.playlist.version = Some(version),
                Err(_) => self.warn(name, format!("{} is no version", shown(value))),
            },
            "-X-INDEPENDENT-SEGMENTS" => {
                self.playlist.independent_segments = true;
                self.independent += 1;
                if self.independent > 1 {
                    self.warn(name, "the tag may not stand twice");
                }
            }
            "-X-START" => {
                let list = Attributes::read(value);
                match list.number("TIME-OFFSET") {
                    Some(time_offset) => {
                        self.playlist.start = Some(Start { time_offset, precise: list.yes("PRECISE") });
                    }
                    None => self.warn(name, "TIME-OFFSET is missing or no number"),
                }
            }
            "-X-DEFINE" => {
                if let Err(what) = self.variables.define(&Attributes::read(value)) {
                    self.warn(name, what);
                }
            }
            "INF"
            | "-X-TARGETDURATION"
            | "-X-MEDIA-SEQUENCE"
            | "-X-ENDLIST"
            | "-X-BYTERANGE"
            | "-X-KEY"
            | "-X-MAP"
            | "-X-DISCONTINUITY"
            | "-X-DISCONTINUITY-SEQUENCE"
            | "-X-PLAYLIST-TYPE"
            | "-X-GAP"
            | "-X-PROGRAM-DATE-TIME"
            | "-X-DATERANGE"
            | "-X-I-FRAMES-ONLY"
            | "-X-PART"
            | "-X-SKIP" => {
                self.warn(name, "this tag belongs in a media playlist");
            }
            _ => {}
        }
    }

    /// Has `m3u8-rs` read one tag. When it refuses, each attribute is tried together with the `required`
    /// ones, and only those that it accepts are kept.
    fn ask<T>(
        &mut self,
        name: &str,
        value: &str,
        required: &[&str],
        mut take: impl FnMut(&mut MasterPlaylist) -> Option<T>,
    ) -> Option<T> {
        let mut read = |list: &str| {
            let document = format!("#EXTM3U\n#EXT{name}:{list}\n");
            take(&mut m3u8_rs::parse_master_playlist_res(document.as_bytes()).ok()?)
        };
        let list = Attributes::read(value);
        // Spaces, empty values and missing or needless quotes are no reason to refuse: write the list anew.
        let written: Vec<String> = list
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| {
                let value = match key {
                    _ if WHOLE.contains(&key) => leading_digits(value).to_owned(),
                    "RESOLUTION" => value.replace(['×', 'X'], "x"),
                    _ => value.to_owned(),
                };
                let quoted = QUOTED.contains(&key) || list.is_quoted(key) && !UNQUOTED.contains(&key);
                if quoted { format!("{key}=\"{value}\"") } else { format!("{key}={value}") }
            })
            .collect();
        if let Some(known) = read(&written.join(",")) {
            if list.damaged {
                self.warn(name, "a part of the attribute list cannot be read");
            }
            return Some(known);
        }
        let key_of = |attribute: &str| attribute.split_once('=').map_or("", |(key, _)| key).to_owned();
        let (mut kept, mut refused) = (Vec::<String>::new(), Vec::new());
        for attribute in written {
            let key = key_of(&attribute);
            let others =
                required.iter().filter(|other| key_of(other) != key).map(|other| (*other).to_owned());
            let trial: Vec<String> = others.chain([attribute.clone()]).collect();
            if read(&trial.join(",")).is_some() { kept.push(attribute) } else { refused.push(key) }
        }
        for default in required {
            if !kept.iter().any(|attribute| key_of(attribute) == key_of(default)) {
                refused.push(key_of(default));
                kept.push((*default).to_owned());
            }
        }
        refused.dedup();
        let result = read(&kept.join(","));
        let left_out = if result.is_some() { "" } else { "left out, " };
        self.warn(name, format!("{left_out}missing or not readable: {}", refused.join(", ")));
        result
    }
}

/// Attributes whose values are whole numbers; what follows the digits is passed over.
const WHOLE: &[&str] = &["BANDWIDTH", "AVERAGE-BANDWIDTH"];
/// Attributes that `m3u8-rs` wants without quotes.
const UNQUOTED: &[&str] = &[
    "BANDWIDTH",
    "AVERAGE-BANDWIDTH",
    "RESOLUTION",
    "FRAME-RATE",
    "HDCP-LEVEL",
    "TYPE",
    "DEFAULT",
    "AUTOSELECT",
    "FORCED",
];
/// Attributes that `m3u8-rs` wants with quotes.
const QUOTED: &[&str] = &[
    "CODECS",
    "AUDIO",
    "VIDEO",
    "SUBTITLES",
    "URI",
    "GROUP-ID",
    "NAME",
    "LANGUAGE",
    "ASSOC-LANGUAGE",
    "CHANNELS",
    "CHARACTERISTICS",
    "INSTREAM-ID",
    "DATA-ID",
    "VALUE",
];

fn leading_digits(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    match text.get(..end) {
        Some(digits) if !digits.is_empty() => digits,
        _ => text,
    }
}

fn texts(other: Option<HashMap<String, QuotedOrUnquoted>>) -> BTreeMap<String, String> {
    other.into_iter().flatten().map(|(name, value)| (name, value.as_str().to_owned())).collect()
}

impl From<VariantStream> for Variant {
    fn from(read: VariantStream) -> Self {
        Self {
            uri: read.uri,
            bandwidth: read.bandwidth,
            average_bandwidth: read.average_bandwidth,
            codecs: read.codecs,
            resolution: read.resolution.map(|size| (size.width, size.height)),
            frame_rate: read.frame_rate.filter(|rate| rate.is_finite()),
            hdcp_level: read.hdcp_level.map(|level| level.to_string()),
            audio: read.audio,
            video: read.video,
            subtitles: read.subtitles,
            closed_captions: read.closed_captions.map(|group| match group {
                m3u8_rs::ClosedCaptionGroupId::None => "NONE".to_owned(),
                m3u8_rs::ClosedCaptionGroupId::GroupId(group) => group,
                m3u8_rs::ClosedCaptionGroupId::Other(group) => group,
            }),
            other: texts(read.other_attributes),
        }
    }
}

impl From<AlternativeMedia> for Rendition {
    fn from(read: AlternativeMedia) -> Self {
        Self {
            kind: read.media_type.to_string(),
            // A space stands for what is missing.
            group_id: if read.group_id == " " { String::new() } else { read.group_id },
            name: if read.name == " " { String::new() } else { read.name },
            language: read.language,
            assoc_language: read.assoc_language,
            default: read.default,
            autoselect: read.autoselect,
            forced: read.forced,
            instream_id: read.instream_id.map(|id| id.to_string()),
            characteristics: read.characteristics,
            channels: read.channels,
            uri: read.uri,
            other: texts(read.other_attributes),
        }
    }
}
