//! Which GStreamer elements decode what: our own list of elements known to behave, the best-ranked one
//! that is installed.
//!
//! Not on the list, although they exist: `openh264dec` (loses frames where the rendition changes, repeats
//! time stamps after corrupt data), `libde265dec`, `a52dec`, `faad` (inferior to libav's), and everything
//! whose rank is "none", which is how GStreamer marks elements that are not to be chosen by themselves.

use crate::media::sample::{Codec, SampleFormat, StreamLayout};
use gstreamer as gst;
use gstreamer::prelude::*;

/// One element and how it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    element: &'static str,
    /// Debian package that brings it.
    package: &'static str,
    /// Whether it needs the parser in front of it even for samples that are whole access units.
    parsed: bool,
}

const LIBAV: &str = "gstreamer1.0-libav";
const GOOD: &str = "gstreamer1.0-plugins-good";
const BAD: &str = "gstreamer1.0-plugins-bad";
const BASE: &str = "gstreamer1.0-plugins-base";

const fn soft(element: &'static str, package: &'static str) -> Entry {
    Entry { element, package, parsed: false }
}

const fn hard(element: &'static str) -> Entry {
    Entry { element, package: BAD, parsed: true }
}

/// Decoders of a codec, preferred first where ranks are equal. The last one is the one to recommend.
const fn decoders(codec: Codec) -> &'static [Entry] {
    match codec {
        Codec::H264 => const { &[hard("vah264dec"), hard("v4l2slh264dec"), soft("avdec_h264", LIBAV)] },
        Codec::Hevc => const { &[hard("vah265dec"), hard("v4l2slh265dec"), soft("avdec_h265", LIBAV)] },
        Codec::Vp8 => {
            const { &[hard("vavp8dec"), hard("v4l2slvp8dec"), soft("avdec_vp8", LIBAV), soft("vp8dec", GOOD)] }
        }
        Codec::Vp9 => {
            const { &[hard("vavp9dec"), hard("v4l2slvp9dec"), soft("avdec_vp9", LIBAV), soft("vp9dec", GOOD)] }
        }
        Codec::Av1 => {
            const { &[hard("vaav1dec"), hard("v4l2slav1dec"), soft("dav1ddec", BAD), soft("av1dec", BAD)] }
        }
        Codec::H263 => const { &[soft("avdec_h263", LIBAV)] },
        Codec::Mpeg1 => const { &[soft("avdec_mpegvideo", LIBAV), soft("avdec_mpeg2video", LIBAV)] },
        Codec::Mpeg2 => const { &[hard("vampeg2dec"), soft("avdec_mpeg2video", LIBAV)] },
        Codec::Mpeg4 => const { &[soft("avdec_mpeg4", LIBAV)] },
        Codec::Vc1 => const { &[soft("avdec_vc1", LIBAV)] },
        Codec::Aac => const { &[soft("avdec_aac", LIBAV)] },
        Codec::Mp3 => const { &[soft("avdec_mp3", LIBAV)] },
        Codec::Mp2 => const { &[soft("avdec_mp2float", LIBAV)] },
        Codec::Flac => const { &[soft("avdec_flac", LIBAV), soft("flacdec", GOOD)] },
        Codec::Vorbis => const { &[soft("vorbisdec", BASE)] },
        Codec::Opus => const { &[soft("opusdec", BASE)] },
        Codec::Alac => const { &[soft("avdec_alac", LIBAV)] },
        Codec::Ac3 => const { &[soft("avdec_ac3", LIBAV)] },
        Codec::Eac3 => const { &[soft("avdec_eac3", LIBAV)] },
        Codec::Dts => const { &[soft("avdec_dca", LIBAV)] },
        Codec::Webvtt | Codec::Ttml | Codec::Unknown(_) => &[],
    }
}

/// The parser of a codec, where one is useful.
const fn parser(codec: Codec) -> Option<&'static str> {
    match codec {
        Codec::H264 => Some("h264parse"),
        Codec::Hevc => Some("h265parse"),
        Codec::Vp9 => Some("vp9parse"),
        Codec::Av1 => Some("av1parse"),
        Codec::H263 => Some("h263parse"),
        Codec::Mpeg1 | Codec::Mpeg2 => Some("mpegvideoparse"),
        Codec::Mpeg4 => Some("mpeg4videoparse"),
        Codec::Vc1 => Some("vc1parse"),
        Codec::Aac => Some("aacparse"),
        Codec::Mp3 | Codec::Mp2 => Some("mpegaudioparse"),
        Codec::Flac => Some("flacparse"),
        Codec::Ac3 | Codec::Eac3 => Some("ac3parse"),
        Codec::Dts => Some("dcaparse"),
        Codec::Vp8
        | Codec::Vorbis
        | Codec::Opus
        | Codec::Alac
        | Codec::Webvtt
        | Codec::Ttml
        | Codec::Unknown(_) => None,
    }
}

/// The elements between source and sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// Factory name of the parser, if one is needed.
    pub(super) parser: Option<&'static str>,
    /// Factory name of the decoder.
    pub(super) decoder: &'static str,
    /// Whether it runs on the CPU, so that another one beside it is a matter of memory only.
    pub(super) software: bool,
}

/// No installed element decodes this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Missing {
    /// It could be installed.
    #[error("no decoder for {codec} is installed here; the package {package} brings one")]
    Package {
        /// The codec, for people.
        codec: String,
        /// Debian's name.
        package: &'static str,
    },
    /// We know of none.
    #[error("{codec} cannot be decoded")]
    Unknown {
        /// The codec, for people.
        codec: String,
    },
}

/// What people call a codec.
pub(super) fn name(codec: Codec) -> String {
    match codec {
        Codec::H264 => "H.264".into(),
        Codec::Hevc => "HEVC (H.265)".into(),
        Codec::Vp8 => "VP8".into(),
        Codec::Vp9 => "VP9".into(),
        Codec::Av1 => "AV1".into(),
        Codec::H263 => "H.263".into(),
        Codec::Mpeg1 => "MPEG-1 video".into(),
        Codec::Mpeg2 => "MPEG-2 video".into(),
        Codec::Mpeg4 => "MPEG-4 part 2 video".into(),
        Codec::Vc1 => "VC-1".into(),
        Codec::Aac => "AAC".into(),
        Codec::Mp3 => "MP3".into(),
        Codec::Mp2 => "MPEG audio layer II".into(),
        Codec::Flac => "FLAC".into(),
        Codec::Vorbis => "Vorbis".into(),
        Codec::Opus => "Opus".into(),
        Codec::Alac => "ALAC".into(),
        Codec::Ac3 => "AC-3".into(),
        Codec::Eac3 => "E-AC-3".into(),
        Codec::Dts => "DTS".into(),
        Codec::Webvtt => "WebVTT".into(),
        Codec::Ttml => "TTML".into(),
        Codec::Unknown(code) => format!("the codec “{code}”"),
    }
}

/// The elements for `format`.
///
/// # Errors
///
/// [`Missing`] when none of the known decoders is installed.
pub(super) fn chain(format: &SampleFormat) -> Result<Chain, Missing> {
    let known = decoders(format.codec);
    let mut best: Option<(gst::Rank, Entry)> = None;
    for entry in known {
        let Some(factory) = gst::ElementFactory::find(entry.element) else { continue };
        let rank = factory.rank();
        if rank > gst::Rank::NONE && best.is_none_or(|(other, _)| rank > other) {
            best = Some((rank, *entry));
        }
    }
    let codec = name(format.codec);
    let Some((_, entry)) = best else {
        return Err(match known.last() {
            Some(entry) => Missing::Package { codec, package: entry.package },
            None => Missing::Unknown { codec },
        });
    };
    // Containers with sample tables deliver whole access units with a configuration record, which libav
    // takes as they are; a parser would only cost time.
    let parsed = entry.parsed || format.layout == StreamLayout::ByteStream;
    let parser = parser(format.codec).filter(|_| parsed);
    Ok(Chain { parser, decoder: entry.element, software: !entry.parsed })
}

/// Loads what nearly every title needs, while the network is still busy: elements live in shared libraries
/// that GStreamer opens at first use.
pub(super) fn preload() {
    for element in ["appsrc", "appsink", "avdec_h264"] {
        if let Some(factory) = gst::ElementFactory::find(element) {
            // What cannot be loaded says so when it is needed.
            let _ = factory.load();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sample::FourCc;

    #[test]
    fn unknown_codecs_are_named() {
        gst::init().unwrap();
        let format = SampleFormat::new(Codec::Unknown(FourCc(*b"dvhe")), StreamLayout::Raw);
        assert_eq!(chain(&format).unwrap_err().to_string(), "the codec “dvhe” cannot be decoded");
    }

    #[test]
    fn libav_needs_no_parser_for_whole_access_units() {
        gst::init().unwrap();
        let chain = |layout| chain(&SampleFormat::new(Codec::H264, layout));
        let Ok(prefixed) = chain(StreamLayout::LengthPrefixed) else {
            println!("skipped: no H.264 decoder is installed");
            return;
        };
        if prefixed.decoder == "avdec_h264" {
            assert_eq!(prefixed.parser, None);
        }
        assert_eq!(chain(StreamLayout::ByteStream).unwrap().parser, Some("h264parse"));
    }
}
