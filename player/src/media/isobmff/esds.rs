//! Elementary stream descriptors (ISO/IEC 14496-1, 7.2.6): which codec hides behind `mp4a` and `mp4v`.

use super::boxes::Mp4Box;
use crate::media::bytes::Cursor;
use crate::media::error::MediaError;
use crate::media::sample::{Codec, FourCc};
use bytes::Bytes;

/// Codec and DecoderSpecificInfo (possibly empty) of an `esds` box.
pub(super) fn parse(esds: &Mp4Box<'_>) -> Result<(Codec, Bytes), MediaError> {
    let (_, _, mut fields) = esds.full()?;
    let (tag, _) = descriptor(&mut fields)?;
    if tag != 3 {
        return Err(fields.malformed("an esds box holds no elementary stream descriptor"));
    }
    fields.skip(2)?;
    let flags = fields.u8()?;
    if flags & 0x80 != 0 {
        fields.skip(2)?;
    }
    if flags & 0x40 != 0 {
        let length = usize::from(fields.u8()?);
        fields.skip(length)?;
    }
    if flags & 0x20 != 0 {
        fields.skip(2)?;
    }
    let (tag, _) = descriptor(&mut fields)?;
    if tag != 4 {
        return Err(fields.malformed("an elementary stream has no decoder configuration"));
    }
    let object_type = fields.u8()?;
    fields.skip(12)?;
    let mut extra = Bytes::new();
    if fields.remaining() > 2 {
        let (tag, length) = descriptor(&mut fields)?;
        if tag == 5 {
            // Some writers state too long a descriptor; what the box holds is what there is.
            let length = length.min(fields.remaining());
            extra = Bytes::copy_from_slice(fields.take(length)?);
        }
    }
    Ok((codec(object_type), extra))
}

/// Tag and length; the length takes at most four bytes of seven bits.
fn descriptor(fields: &mut Cursor<'_>) -> Result<(u8, usize), MediaError> {
    let tag = fields.u8()?;
    let mut length = 0usize;
    for _ in 0..4 {
        let byte = fields.u8()?;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok((tag, length))
}

/// Codecs by object type indication (mp4ra.org).
fn codec(object_type: u8) -> Codec {
    match object_type {
        0x20 => Codec::Mpeg4,
        0x21 => Codec::H264,
        0x23 => Codec::Hevc,
        0x40 | 0x66..=0x68 => Codec::Aac,
        0x60..=0x65 => Codec::Mpeg2,
        0x6a => Codec::Mpeg1,
        0x69 | 0x6b => Codec::Mp3,
        0xa5 => Codec::Ac3,
        0xa6 => Codec::Eac3,
        0xa9..=0xac => Codec::Dts,
        0xad => Codec::Opus,
        0xdd => Codec::Vorbis,
        other => Codec::Unknown(FourCc([b'o', b't', hex(other >> 4), hex(other & 15)])),
    }
}

fn hex(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble & 15)]
}
