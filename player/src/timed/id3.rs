//! ID3 tags of version 2 as timed metadata: their frames, and the time stamp of packed audio.

use super::Fields;
use crate::limits;
use serde::Serialize;

/// Owner of the private frame that carries the time stamp of packed audio (RFC 8216, 3.4).
const TIMESTAMP: &str = "com.apple.streaming.transportStreamTimestamp";
/// Most frames of one tag.
const FRAMES: usize = 64;

/// A frame of a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Frame {
    /// Four letters.
    pub id: String,
    /// Owner of a private frame, description of a text or link of the user; otherwise empty.
    pub owner: String,
    /// Its text, where it has one.
    pub text: Option<String>,
    /// Its bytes in hexadecimal digits, where it has no text.
    pub hex: Option<String>,
}

/// The length of the tag that `data` begins with, header and footer included.
pub fn length(data: &[u8]) -> Option<usize> {
    let mut fields = Fields(data);
    if fields.take(3)? != b"ID3" {
        return None;
    }
    let head = fields.take(3)?;
    let footer = if head.get(2)? & 0x10 != 0 { 10 } else { 0 };
    let length = 10 + syncsafe(fields.take(4)?)? + footer;
    (length <= data.len()).then_some(length)
}

/// The frames of a tag; those that cannot be read are left out.
pub fn frames(tag: &[u8]) -> Vec<Frame> {
    raw(tag).filter_map(|(id, body)| frame(id, body)).take(FRAMES).collect()
}

/// Whether a tag says more than the time stamp of packed audio.
pub fn is_metadata(tag: &[u8]) -> bool {
    raw(tag).any(|(id, body)| id != *b"PRIV" || !body.starts_with(TIMESTAMP.as_bytes()))
}

/// The frames of a tag as they are.
fn raw(tag: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let version = tag.get(3).copied().unwrap_or(0);
    let mut fields = Fields(tag.get(10..).unwrap_or_default());
    std::iter::from_fn(move || {
        let id: [u8; 4] = fields.take(4)?.try_into().ok()?;
        if !id.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let size = fields.take(4)?;
        let size = match version {
            4 => syncsafe(size)?,
            _ => size.iter().fold(0, |size, byte| size << 8 | usize::from(*byte)),
        };
        let _flags = fields.take(2)?;
        Some((id, fields.take(size)?))
    })
}

fn frame(id: [u8; 4], body: &[u8]) -> Option<Frame> {
    let name = String::from_utf8(id.to_vec()).ok()?;
    let mut fields = Fields(body);
    let mut made = Frame { id: name, owner: String::new(), text: None, hex: None };
    match &id {
        b"PRIV" => {
            made.owner = fields.text()?;
            match super::Message::of(fields.0) {
                super::Message::Text(text) => made.text = Some(text),
                _ => made.hex = Some(super::hex(short(fields.0))),
            }
        }
        b"TXXX" | b"WXXX" => {
            let encoding = fields.u8()?;
            let (owner, rest) = split(encoding, fields.0);
            made.owner = decoded(encoding, owner);
            made.text = Some(decoded(if id[0] == b'W' { 0 } else { encoding }, rest));
        }
        [b'T', ..] => {
            let encoding = fields.u8()?;
            made.text = Some(decoded(encoding, fields.0));
        }
        [b'W', ..] => made.text = Some(decoded(0, body)),
        _ => made.hex = Some(super::hex(short(body))),
    }
    Some(made)
}

fn short(bytes: &[u8]) -> &[u8] {
    bytes.get(..bytes.len().min(limits::TIMED_EVENT_BYTES)).unwrap_or(bytes)
}

/// What stands before and after the first terminator of an encoding.
fn split(encoding: u8, bytes: &[u8]) -> (&[u8], &[u8]) {
    let wide = matches!(encoding, 1 | 2);
    let step = if wide { 2 } else { 1 };
    let end = bytes.chunks(step).position(|unit| unit.iter().all(|byte| *byte == 0));
    let end = end.map_or(bytes.len(), |at| at * step);
    (bytes.get(..end).unwrap_or_default(), bytes.get(end + step..).unwrap_or_default())
}

fn decoded(encoding: u8, bytes: &[u8]) -> String {
    let (bytes, _) = split(encoding, short(bytes));
    let pairs = |bytes: &[u8], big: bool| {
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .map(|pair| {
                let pair = [pair[0], pair[1]];
                if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
            })
            .collect();
        String::from_utf16_lossy(&units)
    };
    match (encoding, bytes) {
        (0, bytes) => bytes.iter().map(|byte| char::from(*byte)).collect(),
        (1, [0xfe, 0xff, rest @ ..]) | (2, rest) => pairs(rest, true),
        (1, [0xff, 0xfe, rest @ ..]) | (1, rest) => pairs(rest, false),
        (_, bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Bytes of seven bits each.
fn syncsafe(field: &[u8]) -> Option<usize> {
    field.iter().try_fold(0, |value, byte| (*byte < 0x80).then(|| value << 7 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(frames: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (id, content) in frames {
            body.extend_from_slice(*id);
            body.extend([0, 0, 0, content.len() as u8, 0, 0]);
            body.extend_from_slice(content);
        }
        let mut tag = b"ID3\x04\0\0\0\0\0".to_vec();
        tag.push(body.len() as u8);
        tag.extend(body);
        tag
    }

    #[test]
    fn frames_are_read() {
        let tag = tag(&[
            (b"TIT2", b"\x03Title"),
            (b"TXXX", b"\x00key\0value"),
            (b"PRIV", b"com.example\0\x01\x02"),
            (b"TXXX", b"\x01\xff\xfek\0\0\0\xff\xfev\0"),
        ]);
        assert_eq!(length(&tag), Some(tag.len()));
        assert!(is_metadata(&tag));
        let found = frames(&tag);
        let list: Vec<_> =
            found.iter().map(|f| (f.id.as_str(), f.owner.as_str(), f.text.as_deref())).collect();
        assert_eq!(
            list,
            [
                ("TIT2", "", Some("Title")),
                ("TXXX", "key", Some("value")),
                ("PRIV", "com.example", None),
                ("TXXX", "k", Some("v"))
            ]
        );
        assert_eq!(found[2].hex.as_deref(), Some("0102"));
    }

    #[test]
    fn a_time_stamp_is_no_metadata() {
        let stamp = [TIMESTAMP.as_bytes(), &[0; 9]].concat();
        assert!(!is_metadata(&tag(&[(b"PRIV", &stamp)])));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(body in proptest::collection::vec(0u8.., 0..120), flip in 0usize..60) {
            let _ = (length(&body), frames(&body), is_metadata(&body));
            let mut damaged = tag(&[(b"TXXX", b"\x01\xff\xfek\0\0\0\xff\xfev\0"), (b"PRIV", b"a\0b")]);
            if let Some(byte) = damaged.get_mut(flip) {
                *byte ^= 0xff;
            }
            let _ = (length(&damaged), frames(&damaged), is_metadata(&damaged));
        }
    }
}
