//! Timed events: what a title says about a moment of itself, wherever it says it, on one bus.
//!
//! Sources are `EventStream` in an MPD, `emsg` boxes in segments, `EXT-X-DATERANGE`, and ID3 tags and SCTE-35
//! sections in transport streams and packed audio. Each becomes a [`TimedEvent`]; the [`Bus`] keeps them,
//! knows repeated ones again and hands each out when playback reaches it.

mod bus;
pub mod emsg;
pub mod id3;
pub mod scte35;

pub use bus::Bus;

use crate::limits;
use abr::time::MediaTime;
use serde::Serialize;
use std::time::Duration;

/// Scheme of ID3 tags, wherever they come from (AOM, Carriage of ID3 Timed Metadata in CMAF).
pub const ID3_SCHEME: &str = "https://aomedia.org/emsg/ID3";
/// Scheme of binary SCTE-35 sections (ANSI/SCTE 214-3).
pub const SCTE35_SCHEME: &str = "urn:scte:scte35:2013:bin";
/// Scheme under which date ranges of playlists appear.
pub const DATERANGE_SCHEME: &str = "com.apple.hls.daterange";

/// Where an event was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// `EventStream` (ISO/IEC 23009-1, 5.10.2).
    Mpd,
    /// An `emsg` box (ISO/IEC 23009-1, 5.10.3.3).
    Emsg,
    /// `EXT-X-DATERANGE` (RFC 8216bis, 4.4.5.1).
    Daterange,
    /// An ID3 tag in a transport stream or before packed audio.
    Id3,
    /// A SCTE-35 section in a transport stream.
    Scte35,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedEvent {
    /// Where it was found.
    pub origin: Origin,
    /// What defines its meaning (`@schemeIdUri`), or one of the schemes of this module.
    pub scheme: String,
    /// The scheme's own value, possibly empty (`@value`, `CLASS`).
    pub value: String,
    /// Unique among the events of its scheme and value; events that have none are told apart by their time.
    pub id: String,
    /// When it applies, on the presentation timeline.
    pub start: MediaTime,
    /// For how long; `None` when that is not said.
    pub duration: Option<Duration>,
    /// Its message.
    pub message: Message,
}

/// What an event says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Message {
    /// Nothing beside its identity.
    #[default]
    Empty,
    /// Text, also XML and JSON.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl Message {
    /// Text where `bytes` are text, otherwise the bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let bytes = bytes.get(..bytes.len().min(limits::TIMED_EVENT_BYTES)).unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).ok().map(|text| text.trim_end_matches('\0'));
        match text.filter(|text| !text.chars().any(|c| c.is_control() && !c.is_whitespace())) {
            Some("") => Self::Empty,
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Binary(bytes.to_vec()),
        }
    }
}

impl TimedEvent {
    /// The SCTE-35 section that it carries, when it carries one that can be read.
    pub fn splice(&self) -> Option<scte35::Section> {
        let scte = self.scheme.starts_with("urn:scte:scte35:");
        match &self.message {
            Message::Binary(bytes) if scte => scte35::read(bytes).ok(),
            Message::Text(text) if scte => scte35::read(&scte35::bytes_of(text)?).ok(),
            _ => None,
        }
    }

    /// The frames of the ID3 tag that it carries.
    pub fn frames(&self) -> Vec<id3::Frame> {
        match &self.message {
            Message::Binary(bytes) if self.scheme == ID3_SCHEME => id3::frames(bytes),
            _ => Vec::new(),
        }
    }

    /// When it is over; one without a duration is over at once.
    pub fn end(&self) -> MediaTime {
        self.start + self.duration.unwrap_or_default()
    }
}

/// Big-endian fields off the front of a slice; `None` where it is too short.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(crate) fn number(&mut self, bytes: usize) -> Option<u64> {
        Some(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        u32::try_from(self.number(4)?).ok()
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        u16::try_from(self.number(2)?).ok()
    }

    /// Text up to a zero byte.
    pub(crate) fn text(&mut self) -> Option<String> {
        let length = self.0.iter().position(|byte| *byte == 0)?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.take(1)?;
        Some(text)
    }
}

/// Bytes as hexadecimal digits in lower case.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Bytes from hexadecimal digits, with or without `0x`.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_text_where_they_can_be() {
        assert_eq!(Message::of(b""), Message::Empty);
        assert_eq!(Message::of("<a>ü</a>\0".as_bytes()), Message::Text("<a>ü</a>".to_owned()));
        assert_eq!(Message::of(&[0xfc, 0x30]), Message::Binary(vec![0xfc, 0x30]));
        assert_eq!(Message::of(&[1, 2]), Message::Binary(vec![1, 2]));
    }

    #[test]
    fn digits_become_bytes_and_back() {
        assert_eq!(from_hex("0xFC30"), Some(vec![0xfc, 0x30]));
        assert_eq!(hex(&[0xfc, 0x30]), "fc30");
        assert_eq!(from_hex("0xF"), None);
        assert_eq!(from_hex("gg"), None);
    }
}
