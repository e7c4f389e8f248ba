//! `TrackEntry` elements: codecs and formats (RFC 9559, 5.1.4 and the codec mappings of Matroska).

use super::ebml::{CONTAINER, Element, id};
use crate::limits;
use crate::media::elementary::aac;
use crate::media::error::MediaError;
use crate::media::sample::{Codec, FourCc, SampleFormat, StreamLayout};
use abr::presentation::ContentType;
use bytes::Bytes;
use std::sync::Arc;

/// One track.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub number: u64,
    pub content_type: ContentType,
    pub format: Arc<SampleFormat>,
    /// Nanoseconds per sample when the track says so, else zero.
    pub default_duration: u64,
    /// Nanoseconds at the beginning that the decoder puts out but nobody is to hear.
    pub codec_delay: u64,
    /// Samples are compressed or encrypted beneath the codec.
    pub encoded: bool,
}

impl Track {
    /// Reads a `TrackEntry`; `None` for a track of no interest.
    pub(super) fn parse(entry: &Element<'_>) -> Result<Option<Self>, MediaError> {
        let mut number = 0;
        let mut content_type = None;
        let mut codec_id: &[u8] = b"";
        let mut private: &[u8] = b"";
        let (mut default_duration, mut codec_delay, mut encoded) = (0, 0, false);
        let mut picture = Picture::default();
        let (mut channels, mut sampling_rate) = (1, 8_000);
        for field in entry.children() {
            let field = field?;
            match field.id {
                id::TRACK_NUMBER => number = field.unsigned(),
                id::TRACK_TYPE => {
                    content_type = match field.unsigned() {
                        1 => Some(ContentType::Video),
                        2 => Some(ContentType::Audio),
                        17 => Some(ContentType::Text),
                        _ => None,
                    }
                }
                id::CODEC_ID => codec_id = field.body,
                id::CODEC_PRIVATE => private = field.body,
                id::DEFAULT_DURATION => default_duration = field.unsigned(),
                id::CODEC_DELAY => codec_delay = field.unsigned(),
                id::CONTENT_ENCODINGS => encoded = true,
                id::VIDEO => picture = Picture::parse(&field)?,
                id::AUDIO => {
                    for field in field.children() {
                        let field = field?;
                        match field.id {
                            id::CHANNELS => channels = field.unsigned32(),
                            // Between 1 Hz and 1 MHz, else the default.
                            id::SAMPLING_FREQUENCY if (1.0..=1e6).contains(&field.float()) => {
                                sampling_rate = field.float() as u32;
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        let Some(content_type) = content_type.filter(|_| number != 0) else { return Ok(None) };
        let (codec, layout) = codec(codec_id);
        let mut format = SampleFormat { extra: extra(codec, private), ..SampleFormat::new(codec, layout) };
        match content_type {
            ContentType::Video => picture.describe(&mut format)?,
            ContentType::Audio => {
                let told = aac::Config::parse(&format.extra).filter(|_| codec == Codec::Aac);
                (format.channels, format.sampling_rate) =
                    told.map_or((channels, sampling_rate), |told| (told.channels, told.sampling_rate));
            }
            ContentType::Text | ContentType::Image => {}
        }
        let format = Arc::new(format);
        Ok(Some(Self { number, content_type, format, default_duration, codec_delay, encoded }))
    }
}

/// The `Video` element.
#[derive(Clone, Copy, Default)]
struct Picture {
    pixels: (u32, u32),
    display: (u32, u32),
    unit: u64,
}

impl Picture {
    fn parse(video: &Element<'_>) -> Result<Self, MediaError> {
        let mut picture = Self::default();
        for field in video.children() {
            let field = field?;
            match field.id {
                id::PIXEL_WIDTH => picture.pixels.0 = field.unsigned32(),
                id::PIXEL_HEIGHT => picture.pixels.1 = field.unsigned32(),
                id::DISPLAY_WIDTH => picture.display.0 = field.unsigned32(),
                id::DISPLAY_HEIGHT => picture.display.1 = field.unsigned32(),
                id::DISPLAY_UNIT => picture.unit = field.unsigned(),
                _ => {}
            }
        }
        Ok(picture)
    }

    fn describe(self, format: &mut SampleFormat) -> Result<(), MediaError> {
        let (width, height) = self.pixels;
        if width > limits::PICTURE_SIDE || height > limits::PICTURE_SIDE {
            return Err(MediaError::Picture { width, height });
        }
        (format.width, format.height) = self.pixels;
        // Display size in pixels (0) or as an aspect ratio (3), over the size in pixels.
        let ratio =
            (u64::from(self.display.0) * u64::from(height), u64::from(self.display.1) * u64::from(width));
        if matches!(self.unit, 0 | 3) && ratio.0 != 0 && ratio.1 != 0 {
            let divisor = greatest_common_divisor(ratio.0, ratio.1);
            if let (Ok(across), Ok(down)) =
                (u32::try_from(ratio.0 / divisor), u32::try_from(ratio.1 / divisor))
            {
                format.pixel_aspect = (across, down);
            }
        }
        Ok(())
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

fn codec(codec_id: &[u8]) -> (Codec, StreamLayout) {
    let codec = match codec_id {
        b"V_VP8" => Codec::Vp8,
        b"V_VP9" => Codec::Vp9,
        b"V_AV1" => Codec::Av1,
        b"V_MPEG4/ISO/AVC" => return (Codec::H264, StreamLayout::LengthPrefixed),
        b"V_MPEGH/ISO/HEVC" => return (Codec::Hevc, StreamLayout::LengthPrefixed),
        b"V_MPEG2" => return (Codec::Mpeg2, StreamLayout::ByteStream),
        b"V_MPEG4/ISO/ASP" | b"V_MPEG4/ISO/SP" => Codec::Mpeg4,
        b"A_OPUS" => Codec::Opus,
        b"A_VORBIS" => Codec::Vorbis,
        b"A_FLAC" => Codec::Flac,
        b"A_MPEG/L3" => Codec::Mp3,
        b"A_MPEG/L2" | b"A_MPEG/L1" => Codec::Mp2,
        b"A_AC3" => Codec::Ac3,
        b"A_EAC3" => Codec::Eac3,
        b"A_DTS" => Codec::Dts,
        b"A_ALAC" => Codec::Alac,
        b"S_TEXT/WEBVTT" => Codec::Webvtt,
        aac if aac.starts_with(b"A_AAC") => Codec::Aac,
        other => Codec::Unknown(short_name(other)),
    };
    (codec, StreamLayout::Raw)
}

/// The first characters behind the kind (`V_`), for messages.
fn short_name(codec_id: &[u8]) -> FourCc {
    let mut name = *b"????";
    for (to, from) in name.iter_mut().zip(codec_id.get(2..).unwrap_or_default()) {
        *to = *from;
    }
    FourCc(name)
}

/// `CodecPrivate` as [`SampleFormat::extra`] wants it.
fn extra(codec: Codec, private: &[u8]) -> Bytes {
    let private = match codec {
        Codec::Flac => private.strip_prefix(b"fLaC").unwrap_or(private),
        _ => private,
    };
    Bytes::copy_from_slice(private)
}

/// Reads the entries of `Tracks`.
pub(super) fn parse_all(tracks: &Element<'_>) -> Result<Vec<Track>, MediaError> {
    let mut list = Vec::new();
    for entry in tracks.children() {
        let entry = entry?;
        if entry.id == id::TRACK_ENTRY {
            list.extend(Track::parse(&entry)?);
        }
        if list.len() > 1_000 {
            let what = "too many tracks";
            return Err(MediaError::Malformed { container: CONTAINER, at: entry.at, what });
        }
    }
    Ok(list)
}
