//! Samples (access units) and the formats they are in.

use abr::presentation::RepresentationKey;
use abr::time::MediaTime;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Four characters that name a codec, box or scheme.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FourCc(pub [u8; 4]);

impl std::fmt::Display for FourCc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl std::fmt::Debug for FourCc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// How samples are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Codec {
    // Pictures.
    H264,
    Hevc,
    Vp8,
    Vp9,
    Av1,
    H263,
    Mpeg1,
    Mpeg2,
    Mpeg4,
    Vc1,
    // Sound.
    Aac,
    Mp3,
    /// MPEG audio layers I and II.
    Mp2,
    Flac,
    Vorbis,
    Opus,
    Alac,
    Ac3,
    Eac3,
    Dts,
    // Text.
    Webvtt,
    Ttml,
    /// Named by its sample entry; for a transport stream `ts` and the stream type in hexadecimal.
    Unknown(FourCc),
}

/// How a sample lies in its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamLayout {
    /// NAL units behind their lengths, parameter sets in [`SampleFormat::extra`] (`avcC`, `hvcC`) or in band.
    LengthPrefixed,
    /// NAL units or start codes as in Annex B of H.264 and H.265; parameter sets in band.
    ByteStream,
    /// The codec's own packets.
    Raw,
}

/// How the samples of a track are encrypted (ISO/IEC 23001-7).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Protection {
    /// `cenc`, `cbcs`, `cens`, `cbc1` or `piff`.
    pub scheme: FourCc,
    /// Whether samples are encrypted when no sample group says otherwise.
    pub protected: bool,
    /// Key identifier when a sample names no other.
    pub default_kid: [u8; 16],
    /// Bytes of initialization vector per sample: 0, 8 or 16.
    pub iv_size: u8,
    /// The initialization vector of all samples when they carry none.
    pub constant_iv: Option<Bytes>,
    /// Encrypted blocks of the pattern, 0 without pattern.
    pub crypt_blocks: u8,
    /// Clear blocks of the pattern.
    pub skip_blocks: u8,
}

/// How one sample is encrypted, with the defaults of its track filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleProtection {
    /// Key identifier.
    pub kid: [u8; 16],
    /// Initialization vector, 8 or 16 bytes; empty when the file lacks it.
    pub iv: Bytes,
    /// Bytes of clear and encrypted data, alternating; empty: all of the sample is encrypted.
    pub subsamples: Vec<(u16, u32)>,
    /// Encrypted blocks of the pattern, 0 without pattern.
    pub crypt_blocks: u8,
    /// Clear blocks of the pattern.
    pub skip_blocks: u8,
}

/// Everything a decoder must know before the first sample.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SampleFormat {
    /// How it is coded.
    pub codec: Codec,
    /// How it lies in its bytes.
    pub layout: StreamLayout,
    /// Configuration as the decoder wants it, possibly empty: the `avcC`, `hvcC`, `av1C` or `vpcC` record;
    /// for AAC the AudioSpecificConfig; for MPEG-4 video the DecoderSpecificInfo; for Opus an `OpusHead`
    /// packet (RFC 7845 5.1); for FLAC its metadata blocks beginning with STREAMINFO, without `fLaC`; for
    /// ALAC the magic cookie; for Vorbis the three Xiph-laced headers; for
    /// WebVTT the contents of `vttC`.
    pub extra: Bytes,
    /// Pixels, zero when the container does not say.
    pub width: u32,
    /// Pixels, zero when the container does not say.
    pub height: u32,
    /// Width ÷ height of one pixel, as a fraction; `(1, 1)` when the container does not say.
    pub pixel_aspect: (u32, u32),
    /// Audio channels, zero when the container does not say.
    pub channels: u32,
    /// Hertz, zero when the container does not say.
    pub sampling_rate: u32,
    /// Encryption, if any.
    pub protection: Option<Protection>,
}

impl SampleFormat {
    /// A format of which nothing but the codec is known.
    pub fn new(codec: Codec, layout: StreamLayout) -> Self {
        Self {
            codec,
            layout,
            extra: Bytes::new(),
            width: 0,
            height: 0,
            pixel_aspect: (1, 1),
            channels: 0,
            sampling_rate: 0,
            protection: None,
        }
    }
}

/// One access unit on the presentation timeline, ready for a decoder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When it is to be presented.
    pub pts: MediaTime,
    /// When it is to be decoded, on the same timeline; `None` where the container does not say.
    pub dts: Option<MediaTime>,
    /// How long it lasts.
    pub duration: Duration,
    /// Whether decoding can start here.
    pub keyframe: bool,
    /// How much of the beginning is to be decoded but not presented (encoder delay, frames before the
    /// start of an edit): all of the duration or a part of it.
    pub trim_start: Duration,
    /// The bytes.
    pub data: Bytes,
    /// What they are.
    pub format: Arc<SampleFormat>,
    /// How they are encrypted; `None` for clear bytes, also in a track with [`SampleFormat::protection`].
    pub protection: Option<Arc<SampleProtection>>,
    /// Where they come from.
    pub representation: RepresentationKey,
}

impl Sample {
    /// When the next one is due.
    pub fn end(&self) -> MediaTime {
        self.pts + self.duration
    }

    /// Whether nothing of it is to be presented.
    pub fn is_trimmed_away(&self) -> bool {
        !self.trim_start.is_zero() && self.trim_start >= self.duration
    }
}
