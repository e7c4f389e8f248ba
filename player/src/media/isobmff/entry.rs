//! Sample entries: what a decoder must know, per codec (ISO/IEC 14496-12 8.5.2, 14496-15, 23001-7 and the
//! codecs' own bindings).

use super::boxes::Mp4Box;
use super::{encryption, esds};
use crate::limits;
use crate::media::elementary::{aac, ac3, opus};
use crate::media::error::MediaError;
use crate::media::sample::{Codec, FourCc, Protection, SampleFormat, StreamLayout};
use abr::presentation::ContentType;
use bytes::Bytes;
use std::sync::Arc;

/// Bytes of a VisualSampleEntry before its child boxes.
const VISUAL_FIELDS: usize = 78;
/// Bytes of a SampleEntry before the child boxes of a text track.
const TEXT_FIELDS: usize = 8;
/// Bytes of an AudioSampleEntry before its child boxes.
const AUDIO_FIELDS: usize = 28;

/// Reads the entries of `stsd`.
pub(crate) fn parse(
    stsd: &Mp4Box<'_>,
    content_type: ContentType,
) -> Result<Vec<Arc<SampleFormat>>, MediaError> {
    let mut formats = Vec::new();
    for entry in stsd.children(8) {
        let entry = entry?;
        let format = match content_type {
            ContentType::Video => video(&entry)?,
            ContentType::Audio => audio(&entry)?,
            ContentType::Text | ContentType::Image => text(&entry),
        };
        formats.push(Arc::new(format));
    }
    Ok(formats)
}

fn text(entry: &Mp4Box<'_>) -> SampleFormat {
    let codec = match &entry.kind {
        b"wvtt" => Codec::Webvtt,
        b"stpp" => Codec::Ttml,
        kind => Codec::Unknown(FourCc(*kind)),
    };
    let mut format = SampleFormat::new(codec, StreamLayout::Raw);
    // The head of the WebVTT file, if it is there: without it the cues can be shown all the same.
    if codec == Codec::Webvtt
        && let Ok(Some(config)) = entry.children(TEXT_FIELDS).first(b"vttC")
    {
        format.extra = Bytes::copy_from_slice(config.body);
    }
    format
}

fn video(entry: &Mp4Box<'_>) -> Result<SampleFormat, MediaError> {
    let mut fields = entry.fields();
    fields.skip(24)?;
    let (width, height) = (u32::from(fields.u16()?), u32::from(fields.u16()?));
    if width > limits::PICTURE_SIDE || height > limits::PICTURE_SIDE {
        return Err(MediaError::Picture { width, height });
    }
    fields.skip(VISUAL_FIELDS - 28)?;
    let (kind, protection) = protection(entry, VISUAL_FIELDS, b"encv")?;
    let (codec, layout, record): (_, _, Option<&[u8; 4]>) = match &kind {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" => (Codec::H264, StreamLayout::LengthPrefixed, Some(b"avcC")),
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => (Codec::Hevc, StreamLayout::LengthPrefixed, Some(b"hvcC")),
        b"dva1" | b"dvav" => (Codec::H264, StreamLayout::LengthPrefixed, Some(b"avcC")),
        b"vp08" => (Codec::Vp8, StreamLayout::Raw, Some(b"vpcC")),
        b"vp09" => (Codec::Vp9, StreamLayout::Raw, Some(b"vpcC")),
        b"av01" => (Codec::Av1, StreamLayout::Raw, Some(b"av1C")),
        b"s263" | b"h263" | b"H263" => (Codec::H263, StreamLayout::Raw, None),
        b"vc-1" => (Codec::Vc1, StreamLayout::Raw, Some(b"dvc1")),
        b"mp4v" => (Codec::Mpeg4, StreamLayout::Raw, None),
        kind => (Codec::Unknown(FourCc(*kind)), StreamLayout::Raw, None),
    };
    let mut format = SampleFormat { width, height, protection, ..SampleFormat::new(codec, layout) };
    for child in entry.children(VISUAL_FIELDS) {
        let child = child?;
        if Some(&child.kind) == record {
            format.extra = Bytes::copy_from_slice(child.body);
        } else if &child.kind == b"pasp" {
            let mut fields = child.fields();
            let aspect = (fields.u32()?, fields.u32()?);
            if aspect.0 != 0 && aspect.1 != 0 {
                format.pixel_aspect = aspect;
            }
        } else if &child.kind == b"esds" {
            let (codec, extra) = esds::parse(&child)?;
            (format.codec, format.extra) = (codec, extra);
        }
    }
    Ok(format)
}

fn audio(entry: &Mp4Box<'_>) -> Result<SampleFormat, MediaError> {
    let mut fields = entry.fields();
    fields.skip(8)?;
    let version = fields.u16()?;
    fields.skip(6)?;
    let mut channels = u32::from(fields.u16()?);
    fields.skip(6)?;
    // 16.16 fixed point; the fraction is of no use.
    let mut sampling_rate = fields.u32()? >> 16;
    let skip = match version {
        1 if !begins_a_box(entry, AUDIO_FIELDS) => AUDIO_FIELDS + 16,
        2 => {
            fields.skip(4)?;
            let rate = f64::from_bits(fields.u64()?);
            sampling_rate = if (1.0..=1e6).contains(&rate) { rate as u32 } else { 0 };
            channels = fields.u32()?;
            AUDIO_FIELDS + 36
        }
        _ => AUDIO_FIELDS,
    };
    let (kind, protection) = protection(entry, skip, b"enca")?;
    let (codec, record): (_, Option<&[u8; 4]>) = match &kind {
        b"mp4a" => (Codec::Aac, None),
        b"ac-3" => (Codec::Ac3, Some(b"dac3")),
        b"ec-3" => (Codec::Eac3, Some(b"dec3")),
        b"Opus" => (Codec::Opus, Some(b"dOps")),
        b"fLaC" => (Codec::Flac, Some(b"dfLa")),
        b"alac" => (Codec::Alac, Some(b"alac")),
        b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" | b"dtsx" => (Codec::Dts, None),
        b".mp3" => (Codec::Mp3, None),
        kind => (Codec::Unknown(FourCc(*kind)), None),
    };
    let mut format = SampleFormat { protection, ..SampleFormat::new(codec, StreamLayout::Raw) };
    let mut record_body = None;
    for child in entry.children(skip) {
        let child = child?;
        let esds = match &child.kind {
            b"esds" => Some(child.clone()),
            b"wave" => child.child(b"esds")?,
            kind if Some(kind) == record => {
                record_body = Some(child.body);
                None
            }
            _ => None,
        };
        if let Some(esds) = esds {
            (format.codec, format.extra) = esds::parse(&esds)?;
        }
    }
    (format.channels, format.sampling_rate) = (channels, sampling_rate);
    describe(&mut format, record_body);
    Ok(format)
}

/// Takes channels, rate and configuration from the codec's own record, which is right more often than the
/// entry.
fn describe(format: &mut SampleFormat, record: Option<&[u8]>) {
    let told = match (format.codec, record) {
        (Codec::Aac, _) => aac::Config::parse(&format.extra).map(|c| (c.channels, c.sampling_rate)),
        (Codec::Ac3, Some(record)) => ac3::parse_dac3(record),
        (Codec::Eac3, Some(record)) => ac3::parse_dec3(record),
        (Codec::Opus, Some(record)) => opus::head_from_dops(record).map(|(head, channels)| {
            format.extra = head;
            (channels, 48_000)
        }),
        (Codec::Flac, Some(record)) => {
            format.extra = Bytes::copy_from_slice(record.get(4..).unwrap_or_default());
            flac_stream_info(&format.extra)
        }
        (Codec::Alac, Some(record)) => {
            format.extra = Bytes::copy_from_slice(record.get(4..).unwrap_or_default());
            alac_cookie(&format.extra)
        }
        _ => None,
    };
    if let Some((channels, rate)) = told {
        format.channels = if channels == 0 { format.channels } else { channels };
        format.sampling_rate = if rate == 0 { format.sampling_rate } else { rate };
    }
}

/// Channels and rate of a STREAMINFO block (RFC 9639, 8.2) behind its block header.
fn flac_stream_info(blocks: &[u8]) -> Option<(u32, u32)> {
    let field = blocks.get(14..18)?;
    let field = u32::from_be_bytes([field[0], field[1], field[2], field[3]]);
    Some(((field >> 9 & 7) + 1, field >> 12))
}

/// Channels and rate of an ALAC magic cookie.
fn alac_cookie(cookie: &[u8]) -> Option<(u32, u32)> {
    let channels = u32::from(*cookie.get(9)?);
    let rate = cookie.get(20..24)?;
    Some((channels, u32::from_be_bytes([rate[0], rate[1], rate[2], rate[3]])))
}

/// Whether a plausible box lies `skip` bytes into the entry: version 1 means 16 more fields in QuickTime
/// but not in ISO files.
fn begins_a_box(entry: &Mp4Box<'_>, skip: usize) -> bool {
    let Some([a, b, c, d, kind @ ..]) = entry.body.get(skip..skip + 8) else {
        return false;
    };
    let size = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
    size >= 8 && size <= entry.body.len() - skip && kind.iter().all(|byte| byte.is_ascii_graphic())
}

/// The type of an entry and its encryption: behind `encv` and `enca`, `sinf` names the original type.
fn protection(
    entry: &Mp4Box<'_>,
    skip: usize,
    encrypted: &[u8; 4],
) -> Result<([u8; 4], Option<Protection>), MediaError> {
    if entry.kind != *encrypted {
        return Ok((entry.kind, None));
    }
    let (kind, protection) = encryption::parse_scheme(entry, skip)?;
    Ok((kind, Some(protection)))
}
