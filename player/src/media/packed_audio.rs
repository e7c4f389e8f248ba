//! HLS packed audio (RFC 8216, 3.4): bare frames behind an ID3 tag with their time.

use super::demux::{Demuxed, TimeBase};
use super::elementary::frames::{self, FrameKind, PER_90K, TIMESCALE};
use super::elementary::mpeg_audio;
use super::error::MediaError;
use bytes::Bytes;

/// Owner of the private frame that carries the time stamp.
const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";
/// Kinds of frames, in the order in which they are tried: the strictest first.
const KINDS: [FrameKind; 3] = [FrameKind::Ac3, FrameKind::Adts, FrameKind::MpegAudio];

/// Whether frames begin at the start of `data` or behind its tags.
pub(super) fn is_packed_audio(data: &[u8]) -> bool {
    data.starts_with(b"ID3") || KINDS.iter().any(|kind| frames::begins_with(*kind, data))
}

/// Cuts a segment into samples.
pub(super) fn demux(data: &Bytes) -> Result<Demuxed, MediaError> {
    let mut begin = 0;
    let mut time = None;
    while let Some(tag) = tag(&data[begin..]) {
        time = time.or_else(|| timestamp(tag));
        begin += tag.len();
    }
    let frames = data.slice(begin..);
    let kind = (0..frames.len().min(4096))
        .find_map(|at| KINDS.into_iter().find(|kind| frames::begins_with(*kind, &frames[at..])));
    let Some(kind) = kind else { return Err(MediaError::NotMedia("no sound frames")) };
    let mut demuxed = Demuxed {
        time_base: if time.is_some() { TimeBase::Wrapping } else { TimeBase::Untimed },
        ..Demuxed::default()
    };
    demuxed.audio.timescale = TIMESCALE;
    let frames = skip_index(kind, frames);
    demuxed.audio.samples = frames::split(kind, &frames, &[(0, time.unwrap_or(0) * PER_90K)])?;
    Ok(demuxed)
}

/// `data` without a first frame of silence in which MP3 encoders keep a seek index.
fn skip_index(kind: FrameKind, data: Bytes) -> Bytes {
    if kind != FrameKind::MpegAudio {
        return data;
    }
    let Some(frame) = mpeg_audio::AudioFrame::parse(&data) else { return data };
    let head = &data[..frame.length.min(data.len()).min(64)];
    let is_index = |name: &[u8]| head.windows(name.len()).any(|window| window == name);
    if [&b"Xing"[..], b"Info", b"VBRI"].into_iter().any(is_index) {
        return data.slice(frame.length.min(data.len())..);
    }
    data
}

/// A whole ID3v2 tag at the start of `data`.
fn tag(data: &[u8]) -> Option<&[u8]> {
    let header = data.get(..10)?;
    if !header.starts_with(b"ID3") {
        return None;
    }
    let footer = if header[5] & 0x10 != 0 { 10 } else { 0 };
    data.get(..10 + syncsafe(&header[6..10])? + footer)
}

/// Four bytes of seven bits.
fn syncsafe(field: &[u8]) -> Option<usize> {
    field.get(..4)?.iter().try_fold(0, |value, byte| (*byte < 0x80).then(|| value << 7 | usize::from(*byte)))
}

/// The time stamp in a tag, in 90 kHz ticks.
fn timestamp(tag: &[u8]) -> Option<i64> {
    let version = tag[3];
    let mut at = 10;
    while let Some(header) = tag.get(at..at + 10) {
        let size = match version {
            4 => syncsafe(&header[4..8])?,
            _ => u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize,
        };
        let body = tag.get(at + 10..(at + 10).checked_add(size)?)?;
        if header.starts_with(b"PRIV")
            && let Some([_, _, _, high, a, b, c, d, ..]) = body.strip_prefix(OWNER)
        {
            return Some(i64::from(high & 1) << 32 | i64::from(u32::from_be_bytes([*a, *b, *c, *d])));
        }
        at += 10 + size;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(ticks: u64) -> Bytes {
        let mut frame = b"PRIV\0\0\0\x35\0\0".to_vec();
        frame.extend_from_slice(OWNER);
        frame.extend_from_slice(&ticks.to_be_bytes());
        let mut data = b"ID3\x04\0\0\0\0\0".to_vec();
        data.push(frame.len() as u8);
        data.extend_from_slice(&frame);
        for _ in 0..3 {
            data.extend_from_slice(&[0xff, 0xf1, 0x4c, 0x80, 0x01, 0x3f, 0xfc, 0x21, 0x22]);
        }
        data.into()
    }

    #[test]
    fn frames_begin_at_the_time_of_the_tag() {
        let demuxed = demux(&segment(900_000)).unwrap();
        assert_eq!(demuxed.time_base, TimeBase::Wrapping);
        let samples = &demuxed.audio.samples;
        assert_eq!(samples.len(), 3);
        assert_eq!(samples[0].pts, 900_000 * PER_90K);
        assert_eq!(&samples[0].data[..], &[0x21, 0x22]);
    }

    #[test]
    fn a_tag_without_frames_is_no_media() {
        assert!(matches!(demux(&segment(0).slice(..73)), Err(MediaError::NotMedia(_))));
    }
}
