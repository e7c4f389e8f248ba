//! Opus identification headers (RFC 7845, 5.1) from what containers store instead, and the framing of Opus
//! in transport streams (ETSI TS 103 491 annex, `opus_control_header`).

use bytes::{BufMut, Bytes, BytesMut};

/// Builds an `OpusHead` packet and tells its channels from the contents of a `dOps` box, whose fields are
/// big-endian where `OpusHead` is little-endian ("Encapsulation of Opus in ISO Base Media File Format" 4.3.2).
pub(crate) fn head_from_dops(dops: &[u8]) -> Option<(Bytes, u32)> {
    let fixed = dops.get(..11)?;
    let channels = fixed[1];
    let mut head = BytesMut::with_capacity(19 + dops.len());
    head.put_slice(b"OpusHead\x01");
    head.put_u8(channels);
    head.put_u16_le(u16::from_be_bytes([fixed[2], fixed[3]]));
    head.put_u32_le(u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]));
    head.put_u16_le(u16::from_be_bytes([fixed[8], fixed[9]]));
    head.put_u8(fixed[10]);
    if fixed[10] != 0 {
        // Stream count, coupled count and one byte per channel.
        head.put_slice(dops.get(11..13 + usize::from(channels))?);
    }
    Some((head.freeze(), u32::from(channels)))
}

/// An `OpusHead` for a transport stream's `channel_config_code`: 1 to 8 channels in Vorbis order.
pub(crate) fn head_from_channels(code: u8) -> Option<(Bytes, u32)> {
    let (streams, coupled, mapping): (u8, u8, &[u8]) = match code {
        1 => (1, 0, &[0]),
        2 => (1, 1, &[0, 1]),
        3 => (2, 1, &[0, 2, 1]),
        4 => (2, 2, &[0, 1, 2, 3]),
        5 => (3, 2, &[0, 4, 1, 2, 3]),
        6 => (4, 2, &[0, 4, 1, 2, 3, 5]),
        7 => (4, 3, &[0, 4, 1, 2, 3, 5, 6]),
        8 => (5, 3, &[0, 6, 1, 2, 3, 4, 5, 7]),
        _ => return None,
    };
    let mut head = BytesMut::with_capacity(32);
    head.put_slice(b"OpusHead\x01");
    head.put_u8(code);
    head.put_u16_le(0);
    head.put_u32_le(48_000);
    head.put_u16_le(0);
    if code <= 2 {
        head.put_u8(0);
    } else {
        head.put_u8(1);
        head.put_u8(streams);
        head.put_u8(coupled);
        head.put_slice(mapping);
    }
    Some((head.freeze(), u32::from(code)))
}

/// Header and payload bytes of the access unit at the start of `data`.
pub(crate) fn transport_unit(data: &[u8]) -> Option<(usize, usize)> {
    let first = u16::from_be_bytes([*data.first()?, *data.get(1)?]);
    if first >> 5 != 0x3ff {
        return None;
    }
    let mut at = 2;
    let mut size = 0usize;
    loop {
        let byte = *data.get(at)?;
        at += 1;
        size += usize::from(byte);
        if byte != 255 {
            break;
        }
    }
    if first & 0x10 != 0 {
        at += 2;
    }
    if first & 0x08 != 0 {
        at += 2;
    }
    if first & 0x04 != 0 {
        at += 1 + usize::from(*data.get(at)?);
    }
    (size > 0).then_some((at, size))
}

/// Samples at 48 kHz of an Opus packet (RFC 6716, 3.1); zero for an empty one.
pub(crate) fn packet_samples(packet: &[u8]) -> u32 {
    let Some(toc) = packet.first() else { return 0 };
    let configuration = toc >> 3;
    let frame = match configuration {
        0..=11 => [480, 960, 1920, 2880][usize::from(configuration & 3)],
        12..=15 => [480, 960][usize::from(configuration & 1)],
        _ => [120, 240, 480, 960][usize::from(configuration & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1).copied().unwrap_or(0) & 0x3f),
    };
    frame * frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dops_becomes_an_identification_header() {
        let (head, channels) = head_from_dops(&[0, 2, 0x01, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0]).unwrap();
        assert_eq!(&head[..], b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0");
        assert_eq!(channels, 2);
        assert!(head_from_dops(&[0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4, 2]).is_none(), "the mapping is cut off");
    }

    #[test]
    fn transport_units_are_measured() {
        assert_eq!(transport_unit(&[0x7f, 0xe0, 255, 3]), Some((4, 258)));
        assert_eq!(transport_unit(&[0x7f, 0xf0, 9, 0, 1]), Some((5, 9)), "start trim");
        assert_eq!(transport_unit(&[0x7f, 0xe0, 255]), None);
    }

    #[test]
    fn packets_tell_their_length() {
        assert_eq!(packet_samples(&[0xfc]), 960, "20 ms CELT");
        assert_eq!(packet_samples(&[0x03, 0x06]), 2880, "6 frames of 10 ms");
        assert_eq!(packet_samples(&[]), 0);
    }
}
