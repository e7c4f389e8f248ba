//! Reads a multivariant playlist. Each tag is read by `m3u8-rs`, by itself: one tag that it refuses costs
//! that tag or one of its attributes, with a warning that names the line, and nothing else.

use super::attributes::Attributes;
use super::media::read_key;
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
    /// `BANDWIDTH`, bit/s.
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

/// Whether `text` is a multivariant playlist rather than a media playlist.
pub fn is_multivariant(text: &str) -> bool {
    let mut tags = text.lines().filter_map(|line| {
        let tag = line.trim_start().strip_prefix("#EXT")?;
        Some(tag.split_once(':').map_or(tag.trim_end(), |(name, _)| name))
    });
    tags.any(is_tag)
}

/// Reads `text`, which starts with `#EXTM3U`.
///
/// # Errors
///
/// [`ManifestError`] for a missing header, and lines and lists beyond the limits.
pub fn read(text: &str, variables: Variables) -> Result<Multivariant, ManifestError> {
    let mut reader = Reader { playlist: Multivariant::default(), variables, line: 1, expecting: None };
    let mut lines = text.lines();
    if lines.next().is_none_or(|first| !first.trim_end().starts_with("#EXTM3U")) {
        return Err(ManifestError::NotAManifest("the first line is not #EXTM3U".to_owned()));
    }
    for line in lines {
        reader.line += 1;
        if line.len() > limits::PLAYLIST_LINE_BYTES {
            return Err(ManifestError::TooMany {
                what: "bytes in a line of the playlist",
                max: limits::PLAYLIST_LINE_BYTES,
            });
        }
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') && !line.starts_with("#EXT") {
            continue;
        }
        let line = match reader.variables.substitute(line) {
            Ok(line) => line,
            Err(name) => {
                reader.warn("", format!("the variable {} is not defined", shown(&name)));
                continue;
            }
        };
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
    Ok(reader.playlist)
}

struct Reader {
    playlist: Multivariant,
    variables: Variables,
    line: u64,
    /// The variant whose address comes next; `Some(None)` when that variant was refused.
    expecting: Option<Option<Variant>>,
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
                let known = self.ask(name, value, &["BANDWIDTH=1"], |read| read.variants.pop());
                self.expecting = Some(known.map(Variant::from));
            }
            "-X-I-FRAME-STREAM-INF" => {
                if let Some(known) = self.ask(name, value, &["BANDWIDTH=1"], |read| read.variants.pop()) {
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
                let required = ["DATA-ID=\" \"", "VALUE=\" \""];
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
            "-X-SESSION-KEY" => match read_key(&Attributes::read(value)) {
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
            "-X-INDEPENDENT-SEGMENTS" => self.playlist.independent_segments = true,
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
            "INF" | "-X-TARGETDURATION" | "-X-MEDIA-SEQUENCE" | "-X-ENDLIST" => {
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
        // Spaces after commas and empty values are no reason to refuse: write the list anew.
        let written: Vec<String> =
            list.iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(key, value)| {
                    if list.is_quoted(key) { format!("{key}=\"{value}\"") } else { format!("{key}={value}") }
                })
                .collect();
        if let Some(known) = read(&written.join(",")) {
            if list.damaged {
                self.warn(name, "a part of the attribute list cannot be read");
            }
            return Some(known);
        }
        let key_of = |attribute: &str| attribute.split_once('=').map_or("", |(key, _)| key).to_owned();
        let (mut kept, mut refused) = (Vec::new(), Vec::new());
        for attribute in written {
            let key = key_of(&attribute);
            let others =
                required.iter().filter(|other| key_of(other) != key).map(|other| (*other).to_owned());
            let trial: Vec<String> = others.chain([attribute.clone()]).collect();
            if read(&trial.join(",")).is_some() { kept.push(attribute) } else { refused.push(key) }
        }
        let result = read(&kept.join(","));
        let what = if refused.is_empty() {
            "an attribute is missing".to_owned()
        } else {
            format!("not readable: {}", refused.join(", "))
        };
        self.warn(name, if result.is_some() { what } else { format!("left out, {what}") });
        result
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
            group_id: read.group_id,
            name: read.name,
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
