//! Faults of a server and its network, as data: which requests are hit, and what happens to them.
//!
//! One [`Fault`] is one row of a fault catalogue. Rows are plain values (and JSON), so a test is a table
//! of rows with the outcome that is wanted.
//!
//! In the pattern of a path `*` stands for any text; a pattern matches anywhere in path and query.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One rule: requests that match `path` are hit when `requests` says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Pattern of path and query; empty matches everything.
    pub path: String,
    /// Which of the matching requests.
    pub requests: Requests,
    /// What happens to them.
    pub effect: Effect,
}

/// Which of the requests that a [`Fault`] matches are hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requests {
    /// Every one.
    All,
    /// The first so many for each file.
    First(u32),
    /// The first so many of all that the rule matches.
    Total(u32),
    /// Every one after the first so many for each file.
    After(u32),
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// This status instead of the file.
    Status(u16),
    /// This status with `Retry-After` in seconds.
    RetryAfter(u16, u32),
    /// The full `Content-Length`, but only this share of the body (per mille), then the connection closes.
    Truncate(u16),
    /// As [`Effect::Truncate`], in a chunked body that is never ended.
    TruncateChunked(u16),
    /// The connection is reset after this share of the body (per mille).
    Reset(u16),
    /// The connection is reset before any header.
    ResetBeforeHeaders,
    /// No header for so many milliseconds, then the answer.
    Delay(u64),
    /// No header, ever.
    StallBefore,
    /// This share of the body (per mille), then silence.
    StallMid(u16),
    /// The body at this many bytes per second.
    Drip(u32),
    /// A redirect with this status to this address; `{self}` is the address that was asked for.
    Redirect(u16, String),
    /// This `Content-Type`.
    ContentType(String),
    /// A sign-in page with status 200.
    Html,
    /// An empty body with status 200.
    Empty,
    /// As many bytes as the file has, none of them its own.
    Random,
    /// The size of the last top-level MP4 box becomes this (0 to 7 are illegal or "to the end of the file").
    BoxSize(u32),
    /// This share of the file (per mille) as if it were all of it.
    Shortened(u16),
    /// `Content-Length` says so many bytes less than the body has; the rest is not sent.
    LengthShort(u64),
    /// A partial answer whose `Content-Range` names other bytes.
    WrongRange,
    /// Status 200 and the whole file where a range was asked for.
    IgnoreRange,
    /// One header of this many bytes.
    HugeHeader(u32),
    /// So many headers of 1,000 bytes.
    ManyHeaders(u32),
    /// A gzip-coded body that becomes this many zero bytes.
    GzipBomb(u64),
    /// This text instead of the file.
    Text(String),
    /// The file with every occurrence of the first text replaced by the second.
    Replace(String, String),
}

impl Fault {
    /// Hits every request that matches `path`.
    pub fn all(path: &str, effect: Effect) -> Self {
        Self { path: path.to_owned(), requests: Requests::All, effect }
    }

    /// Hits the first `count` requests that match `path`, whatever their files.
    pub fn total(count: u32, path: &str, effect: Effect) -> Self {
        Self { path: path.to_owned(), requests: Requests::Total(count), effect }
    }

    /// Hits the first `count` requests for each file that matches `path`.
    pub fn first(count: u32, path: &str, effect: Effect) -> Self {
        Self { path: path.to_owned(), requests: Requests::First(count), effect }
    }

    /// Whether it hits a request for `target` (path and query), given the targets asked for before.
    pub fn hits<'a>(&self, target: &str, before: impl Iterator<Item = &'a str>) -> bool {
        let number = |matched: &dyn Fn(&str) -> bool| {
            before.filter(|earlier| matched(earlier)).fold(0_u32, |count, _| count.saturating_add(1))
        };
        self.matches(target)
            && match self.requests {
                Requests::All => true,
                Requests::First(count) => number(&|earlier| earlier == target) < count,
                Requests::After(count) => number(&|earlier| earlier == target) >= count,
                Requests::Total(count) => number(&|earlier| self.matches(earlier)) < count,
            }
    }

    fn matches(&self, target: &str) -> bool {
        let mut rest = target;
        self.path.split('*').all(|part| match rest.split_once(part) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    }
}

/// `length` bytes that are no media and the same on every run.
pub fn random_bytes(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// `file` with the size field of its last top-level MP4 box set to `size`.
pub fn with_box_size(file: &[u8], size: u32) -> Bytes {
    let mut bytes = file.to_vec();
    let (mut at, mut last) = (0_usize, None);
    while let Some(field) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes([field[0], field[1], field[2], field[3]]) as usize;
        last = Some(at);
        if length < 8 {
            break;
        }
        at += length;
    }
    if let Some(field) = last.and_then(|at| bytes.get_mut(at..at + 4)) {
        field.copy_from_slice(&size.to_be_bytes());
    }
    bytes.into()
}

/// A gzip stream of `decoded` zero bytes, about 1/158 of their length.
///
/// One DEFLATE block with the fixed code (RFC 1951, 3.2.6): a literal zero, then copies of 258 bytes from
/// distance one. The checksum is left out: whoever reads that far has lost already.
pub fn gzip_bomb(decoded: u64) -> Bytes {
    let mut writer = BitWriter { bytes: vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], bit: 0 };
    writer.push(0b1, 1);
    writer.push(0b01, 2);
    writer.push(reversed(0b0011_0000, 8), 8);
    for _ in 0..decoded / 258 {
        writer.push(reversed(0b1100_0101, 8), 8);
        writer.push(0, 5);
    }
    writer.push(0, 7);
    writer.bytes.extend([0; 8]);
    writer.bytes.into()
}

/// The lowest `count` bits of `code` in opposite order: Huffman codes are packed from their top bit.
fn reversed(code: u32, count: u32) -> u32 {
    code.reverse_bits() >> (32 - count)
}

/// Bytes filled from their lowest bit, as DEFLATE wants it.
struct BitWriter {
    bytes: Vec<u8>,
    bit: u32,
}

impl BitWriter {
    fn push(&mut self, bits: u32, count: u32) {
        for place in 0..count {
            if self.bit == 0 {
                self.bytes.push(0);
            }
            let last = self.bytes.len() - 1;
            self.bytes[last] |= (((bits >> place) & 1) as u8) << self.bit;
            self.bit = (self.bit + 1) % 8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_requests_are_hit() {
        let before = ["1/seg-6.m4s", "2/seg-6.m4s"];
        let hits = |fault: Fault, target: &str| fault.hits(target, before.into_iter());
        assert!(hits(Fault::first(2, "seg-6", Effect::Empty), "1/seg-6.m4s"));
        assert!(!hits(Fault::first(1, "seg-6", Effect::Empty), "1/seg-6.m4s"));
        assert!(!hits(Fault::first(2, "seg-6", Effect::Empty), "1/seg-5.m4s"));
        assert!(hits(Fault::total(3, "*/seg-6", Effect::Empty), "3/seg-6.m4s"));
        assert!(!hits(Fault::total(2, "*/seg-6", Effect::Empty), "3/seg-6.m4s"));
        assert!(hits(Fault::all("", Effect::Empty), "anything"));
    }

    #[test]
    fn only_the_last_box_is_damaged() {
        let file = [0, 0, 0, 8, b'f', b'r', b'e', b'e', 0, 0, 0, 9, b'm', b'd', b'a', b't', 7];
        let damaged = with_box_size(&file, 0);
        assert_eq!(damaged[..8], file[..8]);
        assert_eq!(damaged[8..12], [0; 4]);
        assert_eq!(damaged[12..], file[12..]);
    }

    #[test]
    fn a_bomb_is_small() {
        assert!(gzip_bomb(1 << 20).len() < 8_000);
    }
}
