//! Sample formats as GStreamer caps.

use crate::media::sample::{Codec, SampleFormat, StreamLayout};
use bytes::Bytes;
use gstreamer as gst;

/// The caps under which samples of `format` are fed, to a parser or (`parsed`) straight to a decoder;
/// `None` for what GStreamer has no name for.
///
/// The form of every entry was found by decoding real files (see the tests of the decoders).
pub(super) fn caps(format: &SampleFormat, parsed: bool) -> Option<gst::Caps> {
    let media = match format.codec {
        Codec::H264 => "video/x-h264",
        Codec::Hevc => "video/x-h265",
        Codec::Vp8 => "video/x-vp8",
        Codec::Vp9 => "video/x-vp9",
        Codec::Av1 => "video/x-av1",
        Codec::H263 => "video/x-h263",
        Codec::Mpeg1 | Codec::Mpeg2 | Codec::Mpeg4 => "video/mpeg",
        Codec::Vc1 => "video/x-wmv",
        Codec::Aac | Codec::Mp3 | Codec::Mp2 => "audio/mpeg",
        Codec::Flac => "audio/x-flac",
        Codec::Vorbis => "audio/x-vorbis",
        Codec::Opus => "audio/x-opus",
        Codec::Alac => "audio/x-alac",
        Codec::Ac3 => "audio/x-ac3",
        Codec::Eac3 => "audio/x-eac3",
        Codec::Dts => "audio/x-dts",
        Codec::Webvtt | Codec::Ttml | Codec::Unknown(_) => return None,
    };
    let mut caps = gst::Caps::new_empty_simple(media);
    let fields = caps.make_mut().structure_mut(0)?;
    match (format.codec, format.layout) {
        (Codec::H264, StreamLayout::LengthPrefixed) => fields.set("stream-format", "avc"),
        (Codec::Hevc, StreamLayout::LengthPrefixed) => fields.set("stream-format", "hvc1"),
        (Codec::H264 | Codec::Hevc, _) => fields.set("stream-format", "byte-stream"),
        (Codec::Av1, _) => fields.set("stream-format", "obu-stream"),
        (Codec::Aac, _) => {
            fields.set("mpegversion", 4i32);
            fields.set("stream-format", "raw");
        }
        (Codec::H263, _) => fields.set("variant", "itu"),
        (Codec::Mpeg1, _) => fields.set("mpegversion", 1i32),
        (Codec::Mpeg2, _) => fields.set("mpegversion", 2i32),
        (Codec::Mpeg4, _) => fields.set("mpegversion", 4i32),
        (Codec::Mp3, _) => {
            fields.set("mpegversion", 1i32);
            fields.set("layer", 3i32);
        }
        (Codec::Mp2, _) => {
            fields.set("mpegversion", 1i32);
            fields.set("layer", 2i32);
        }
        (Codec::Vc1, _) => {
            fields.set("wmvversion", 3i32);
            fields.set("format", "WVC1");
        }
        (Codec::Opus, _) => fields.set("channel-mapping-family", opus_mapping_family(&format.extra)),
        _ => {}
    }
    match format.codec {
        Codec::H264 | Codec::Hevc => fields.set("alignment", "au"),
        Codec::Av1 => fields.set("alignment", "tu"),
        Codec::Mpeg1 | Codec::Mpeg2 | Codec::Mpeg4 => fields.set("systemstream", false),
        _ => {}
    }
    if is_audio(format.codec) {
        fields.set("framed", true);
        if format.channels > 0 {
            fields.set("channels", i32::try_from(format.channels).ok()?);
        }
        if format.sampling_rate > 0 {
            fields.set("rate", i32::try_from(format.sampling_rate).ok()?);
        }
    } else {
        fields.set("parsed", parsed);
        // Other bitstreams tell their size themselves, and more reliably.
        if format.codec == Codec::Vc1 && format.width > 0 && format.height > 0 {
            fields.set("width", i32::try_from(format.width).ok()?);
            fields.set("height", i32::try_from(format.height).ok()?);
        }
    }
    match format.codec {
        Codec::Flac => {
            let header = [b"\x7fFLAC\x01\x00\x00\x00fLaC".as_slice(), &format.extra].concat();
            fields.set("streamheader", gst::Array::new([gst::Buffer::from_slice(header)]));
        }
        Codec::Opus => {
            fields.set("streamheader", gst::Array::new([gst::Buffer::from_slice(format.extra.clone())]));
        }
        Codec::Vorbis => {
            let headers = xiph_headers(&format.extra)?.map(gst::Buffer::from_slice);
            fields.set("streamheader", gst::Array::new(headers));
        }
        _ if !format.extra.is_empty() => {
            fields.set("codec_data", gst::Buffer::from_slice(format.extra.clone()));
        }
        _ => {}
    }
    Some(caps)
}

/// Whether it is sound.
pub(super) const fn is_audio(codec: Codec) -> bool {
    matches!(
        codec,
        Codec::Aac
            | Codec::Mp3
            | Codec::Mp2
            | Codec::Flac
            | Codec::Vorbis
            | Codec::Opus
            | Codec::Alac
            | Codec::Ac3
            | Codec::Eac3
            | Codec::Dts
    )
}

/// The channel mapping family of an `OpusHead` packet (RFC 7845, 5.1).
fn opus_mapping_family(head: &[u8]) -> i32 {
    head.get(18).copied().unwrap_or(0).into()
}

/// The three packets of Xiph lacing: a count, two lengths as runs of bytes, then the packets.
fn xiph_headers(extra: &Bytes) -> Option<[Bytes; 3]> {
    let mut rest = extra.clone();
    if rest.first() != Some(&2) {
        return None;
    }
    rest = rest.slice(1..);
    let mut length = || -> Option<usize> {
        let mut sum = 0usize;
        loop {
            let byte = *rest.first()?;
            rest = rest.slice(1..);
            sum = sum.checked_add(byte.into())?;
            if byte != 255 {
                return Some(sum);
            }
        }
    };
    let (first, second) = (length()?, length()?);
    let end = first.checked_add(second)?;
    if end > rest.len() {
        return None;
    }
    Some([rest.slice(..first), rest.slice(first..end), rest.slice(end..)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xiph_lacing_is_undone() {
        let mut packed = vec![2, 2, 255, 1];
        packed.extend_from_slice(&[7, 7]);
        packed.extend_from_slice(&[8; 256]);
        packed.extend_from_slice(&[9; 3]);
        let [first, second, third] = xiph_headers(&Bytes::from(packed)).unwrap();
        assert_eq!((first.len(), second.len(), third.len()), (2, 256, 3));
        for broken in [vec![], vec![2], vec![2, 255, 255], vec![2, 9, 9, 1]] {
            assert_eq!(xiph_headers(&Bytes::from(broken)), None);
        }
    }
}
