//! Whether decrypted bytes can be media at all. A wrong key turns everything encrypted into noise; most
//! formats have places where noise cannot stand.

use crate::media::sample::{Codec, SampleFormat, StreamLayout};

/// Macroblocks of the largest picture (H.264, level 6.2).
const MACROBLOCKS: u32 = 139_264;

/// Whether a sample can be of its format; `None` where nothing in it tells.
pub(super) fn is_media(format: &SampleFormat, sample: &[u8]) -> Option<bool> {
    let first = *sample.first()?;
    let second = sample.get(1).copied().unwrap_or_default();
    match format.codec {
        Codec::H264 | Codec::Hevc if format.layout == StreamLayout::LengthPrefixed => {
            Some(is_picture(format, sample))
        }
        Codec::Aac => is_plain_aac(&format.extra).then(|| is_aac(sample)),
        Codec::Ac3 | Codec::Eac3 => Some((first, second) == (0x0b, 0x77)),
        Codec::Flac => Some(first == 0xff && second & 0xfc == 0xf8),
        Codec::Mp3 | Codec::Mp2 => Some(first == 0xff && second & 0xe0 == 0xe0),
        Codec::Vp9 => Some(first >> 6 == 0b10),
        Codec::Av1 => Some(first & 0x81 == 0),
        _ => None,
    }
}

/// NAL units that tile the sample, with headers and slice headers that can be, without bytes that cannot
/// stand in a unit (H.264, 7.3 and 7.4.1; H.265 likewise).
fn is_picture(format: &SampleFormat, mut sample: &[u8]) -> bool {
    let at = if format.codec == Codec::H264 { 4 } else { 21 };
    let size = format.extra.get(at).map_or(4, |byte| usize::from(byte & 3) + 1);
    while !sample.is_empty() {
        let Some((length, rest)) = sample.split_at_checked(size) else { return false };
        let length = length.iter().fold(0usize, |length, byte| length << 8 | usize::from(*byte));
        let Some((unit, rest)) = rest.split_at_checked(length) else { return false };
        sample = rest;
        if unit.is_empty() {
            continue;
        }
        let fits = if format.codec == Codec::H264 { is_h264_unit(unit) } else { is_hevc_unit(unit) };
        if !fits || holds_start_code(unit) {
            return false;
        }
    }
    true
}

fn is_h264_unit(unit: &[u8]) -> bool {
    let Some((header, rest)) = unit.split_first() else { return false };
    let kind = header & 0x1f;
    if header & 0x80 != 0 || kind == 0 || kind >= 24 {
        return false;
    }
    if !matches!(kind, 1 | 5) {
        return true;
    }
    let mut bits = Bits { bytes: rest, at: 0 };
    let (Some(macroblock), Some(slice), Some(parameters)) = (bits.ue(), bits.ue(), bits.ue()) else {
        return false;
    };
    macroblock < MACROBLOCKS && slice < 10 && parameters < 256
}

fn is_hevc_unit(unit: &[u8]) -> bool {
    let header = [unit[0], unit.get(1).copied().unwrap_or_default()];
    header[0] & 0x80 == 0 && header[1] & 7 != 0
}

/// Whether a unit holds what would end it in a byte stream. Zeros at its end are padding.
fn holds_start_code(unit: &[u8]) -> bool {
    let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let unit = &unit[..end];
    let mut at = 2;
    while let Some(third) = unit.get(at) {
        if *third > 2 {
            at += 3;
        } else if unit[at - 1] == 0 && unit[at - 2] == 0 {
            return true;
        } else {
            at += 1;
        }
    }
    false
}

/// Whether an AudioSpecificConfig is of an object type whose frames are `raw_data_block`s (ISO/IEC 14496-3).
fn is_plain_aac(config: &[u8]) -> bool {
    config.first().is_some_and(|byte| matches!(byte >> 3, 1..=5 | 29))
}

/// Whether a `raw_data_block` begins with an element that can come first, with its reserved bit clear.
fn is_aac(sample: &[u8]) -> bool {
    let mut bits = Bits { bytes: sample, at: 0 };
    match bits.read(3) {
        // A channel element: its tag, global gain, then the reserved bit.
        Some(0) => bits.read(12).is_some() && bits.read(1) != Some(1),
        // A pair: its tag, whether the window is common, then the reserved bit of that.
        Some(1) => bits.read(4).is_some() && !(bits.read(1) == Some(1) && bits.read(1) == Some(1)),
        // Effects and the end cannot come first.
        Some(3 | 7) | None => false,
        Some(_) => true,
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn read(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// An Exp-Golomb code (H.264, 9.1) of at most 32 bits.
    fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.read(1)? == 0 {
            zeros += 1;
            if zeros > 20 {
                return None;
            }
        }
        Some((1u32 << zeros) - 1 + self.read(zeros)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn format(codec: Codec, extra: &[u8]) -> SampleFormat {
        let layout = if codec == Codec::H264 { StreamLayout::LengthPrefixed } else { StreamLayout::Raw };
        SampleFormat { extra: extra.to_vec().into(), ..SampleFormat::new(codec, layout) }
    }

    #[test]
    fn pictures_are_told_from_noise() {
        let h264 = format(Codec::H264, &[1, 0x64, 0, 31, 0xff]);
        // An IDR slice: first macroblock 0, slice type 7, parameter set 0.
        let slice = [0, 0, 0, 6, 0x65, 0x88, 0x84, 0x21, 0x43, 0x80];
        assert_eq!(is_media(&h264, &slice), Some(true));
        assert_eq!(is_media(&h264, &[&slice[..], &slice].concat()), Some(true));
        assert_eq!(is_media(&h264, &slice[..9]), Some(false), "cut");
        let code = [0, 0, 0, 8, 0x65, 0x88, 0x84, 0, 0, 1, 0x43, 0x80];
        assert_eq!(is_media(&h264, &code), Some(false), "a start code inside");
        assert_eq!(is_media(&h264, &[0, 0, 0, 2, 0x80, 1]), Some(false), "the forbidden bit");
    }

    #[test]
    fn sound_is_told_from_noise() {
        let aac = format(Codec::Aac, &[0x12, 0x10]);
        assert_eq!(is_media(&aac, &[0x21, 0x10, 0x05]), Some(true));
        assert_eq!(is_media(&aac, &[0xe0, 0x10]), Some(false));
        assert_eq!(is_media(&format(Codec::Aac, &[0xf9, 0x40]), &[0xe0]), None, "another syntax");
        assert_eq!(is_media(&format(Codec::Opus, &[]), &[0xe0]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..60), extra in proptest::collection::vec(any::<u8>(), 0..30)) {
            for codec in [Codec::H264, Codec::Hevc, Codec::Aac, Codec::Av1, Codec::Vp9, Codec::Flac] {
                let _ = is_media(&format(codec, &extra), &bytes);
                let layout = SampleFormat { layout: StreamLayout::LengthPrefixed, ..format(codec, &extra) };
                let _ = is_media(&layout, &bytes);
            }
        }
    }
}
