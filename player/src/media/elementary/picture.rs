//! Picture sizes from parameter sets: H.264 7.3.2.1, H.265 7.3.2.2, MPEG-2 sequence headers.

use crate::media::bytes::Bits;

/// Size and pixel shape of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dimensions {
    /// Visible pixels.
    pub width: u32,
    /// Visible pixels.
    pub height: u32,
    /// Width ÷ height of one pixel.
    pub pixel_aspect: (u32, u32),
}

/// Sample aspect ratios by `aspect_ratio_idc` (H.264 table E-1).
const ASPECTS: [(u32, u32); 17] = [
    (1, 1),
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

/// The unit without its emulation prevention bytes; a parameter set is short, the rest is not needed.
fn payload(unit: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(unit.len().min(512));
    let mut zeros = 0;
    for byte in unit.iter().take(512) {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        clean.push(*byte);
    }
    clean
}

/// Reads a sequence parameter set of H.264.
pub(crate) fn h264(unit: &[u8]) -> Option<Dimensions> {
    let data = payload(unit);
    let mut bits = Bits::new(data.get(1..)?);
    let profile = bits.bits(8)?;
    bits.skip(16)?;
    bits.unsigned_golomb()?;
    let mut chroma = 1;
    let mut separate = false;
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        chroma = bits.unsigned_golomb()?;
        if chroma == 3 {
            separate = bits.bit()?;
        }
        bits.unsigned_golomb()?;
        bits.unsigned_golomb()?;
        bits.skip(1)?;
        if bits.bit()? {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.bit()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.unsigned_golomb()?;
    match bits.unsigned_golomb()? {
        0 => {
            bits.unsigned_golomb()?;
        }
        1 => {
            bits.skip(1)?;
            bits.signed_golomb()?;
            bits.signed_golomb()?;
            let cycle = bits.unsigned_golomb()?;
            if cycle > 255 {
                return None;
            }
            for _ in 0..cycle {
                bits.signed_golomb()?;
            }
        }
        _ => {}
    }
    bits.unsigned_golomb()?;
    bits.skip(1)?;
    let width = bits.unsigned_golomb()?.checked_add(1)?.checked_mul(16)?;
    let map_units = bits.unsigned_golomb()?.checked_add(1)?;
    let frames_only = bits.bit()?;
    if !frames_only {
        bits.skip(1)?;
    }
    let field_factor = if frames_only { 1 } else { 2 };
    let height = map_units.checked_mul(16 * field_factor)?;
    bits.skip(1)?;
    let (mut crop_width, mut crop_height) = (0, 0);
    if bits.bit()? {
        let (unit_x, unit_y) = match chroma {
            1 if !separate => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let sides = [
            bits.unsigned_golomb()?,
            bits.unsigned_golomb()?,
            bits.unsigned_golomb()?,
            bits.unsigned_golomb()?,
        ];
        crop_width = sides[0].checked_add(sides[1])?.checked_mul(unit_x)?;
        crop_height = sides[2].checked_add(sides[3])?.checked_mul(unit_y * field_factor)?;
    }
    let pixel_aspect = if bits.bit()? { vui_aspect(&mut bits).unwrap_or((1, 1)) } else { (1, 1) };
    Some(Dimensions {
        width: width.checked_sub(crop_width)?,
        height: height.checked_sub(crop_height)?,
        pixel_aspect,
    })
}

fn skip_scaling_list(bits: &mut Bits<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.signed_golomb()? % 256 + 256) % 256;
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// The first field of video usability information, the same in H.264 and H.265.
fn vui_aspect(bits: &mut Bits<'_>) -> Option<(u32, u32)> {
    if !bits.bit()? {
        return None;
    }
    let aspect = match bits.bits(8)? {
        255 => (bits.bits(16)?, bits.bits(16)?),
        code => *ASPECTS.get(code as usize)?,
    };
    (aspect.0 != 0 && aspect.1 != 0).then_some(aspect)
}

/// Reads a sequence parameter set of H.265 up to its conformance window.
pub(crate) fn hevc(unit: &[u8]) -> Option<Dimensions> {
    let data = payload(unit);
    let mut bits = Bits::new(data.get(2..)?);
    bits.skip(4)?;
    let sub_layers = bits.bits(3)?;
    bits.skip(1)?;
    // General profile, tier and level, then presence flags and the same per sub-layer.
    bits.skip(96)?;
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((bits.bit()?, bits.bit()?));
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers as usize))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    bits.unsigned_golomb()?;
    let chroma = bits.unsigned_golomb()?;
    if chroma == 3 {
        bits.skip(1)?;
    }
    let width = bits.unsigned_golomb()?;
    let height = bits.unsigned_golomb()?;
    let (mut crop_width, mut crop_height) = (0, 0);
    if bits.bit()? {
        let (unit_x, unit_y) = match chroma {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let sides = [
            bits.unsigned_golomb()?,
            bits.unsigned_golomb()?,
            bits.unsigned_golomb()?,
            bits.unsigned_golomb()?,
        ];
        crop_width = sides[0].checked_add(sides[1])?.checked_mul(unit_x)?;
        crop_height = sides[2].checked_add(sides[3])?.checked_mul(unit_y)?;
    }
    Some(Dimensions {
        width: width.checked_sub(crop_width)?,
        height: height.checked_sub(crop_height)?,
        pixel_aspect: (1, 1),
    })
}

/// What a picture of MPEG-1 or MPEG-2 video says at its start: whether it is intra-coded, and its size when
/// a sequence header comes first.
pub(crate) fn mpeg2(data: &[u8]) -> (bool, Option<Dimensions>) {
    let mut dimensions = None;
    let mut at = 0;
    while let Some(window) = data.get(at..at + 6) {
        match window {
            [0, 0, 1, 0xb3, ..] => {
                if let Some([a, b, c]) = data.get(at + 4..at + 7) {
                    let width = u32::from(*a) << 4 | u32::from(*b) >> 4;
                    let height = u32::from(*b & 15) << 8 | u32::from(*c);
                    dimensions = Some(Dimensions { width, height, pixel_aspect: (1, 1) });
                }
            }
            [0, 0, 1, 0, _, code] => return (code >> 3 & 7 == 1, dimensions),
            _ => {}
        }
        at += 1;
    }
    (false, dimensions)
}

/// Whether the first video object plane of MPEG-4 visual is intra-coded.
pub(crate) fn mpeg4_is_intra(data: &[u8]) -> bool {
    data.windows(5).find_map(|w| (w[..4] == [0, 0, 1, 0xb6]).then(|| w[4] >> 6 == 0)).unwrap_or(false)
}
