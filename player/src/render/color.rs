//! From Y'CbCr sample values to R'G'B': the numbers that the shader and the CPU path share.

use crate::frame::{ChromaSite, Color, Matrix, PixelFormat};

/// Affine map from normalised samples (0.0 to 1.0 over the range of the sample type) to R'G'B'.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ToRgb {
    /// Subtracted from Y, Cb and Cr first.
    pub(super) offset: [f32; 3],
    /// Rows R, G, B; columns Y, Cb, Cr.
    pub(super) rows: [[f32; 3]; 3],
}

/// Luma weights of red and blue (ITU-R BT.601-7 2.5.1, BT.709-6 3.2, BT.2020-2 table 4).
const fn weights(matrix: Matrix) -> (f64, f64) {
    match matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
        Matrix::Bt2020 => (0.2627, 0.0593),
    }
}

/// Bits of one sample.
pub(super) const fn depth(format: PixelFormat) -> u32 {
    match format {
        PixelFormat::I420P10 | PixelFormat::P010 => 10,
        PixelFormat::I420 | PixelFormat::Nv12 | PixelFormat::I422 | PixelFormat::I444 => 8,
    }
}

/// How many times fewer chroma columns and rows there are, as powers of two.
pub(super) const fn subsampling(format: PixelFormat) -> (u32, u32) {
    match format {
        PixelFormat::I420 | PixelFormat::Nv12 | PixelFormat::I420P10 | PixelFormat::P010 => (1, 1),
        PixelFormat::I422 => (1, 0),
        PixelFormat::I444 => (0, 0),
    }
}

/// How far a chroma sample lies left of and above the middle of the luma samples that it covers, in
/// chroma samples. Zero in directions without subsampling.
pub(super) fn chroma_shift(format: PixelFormat, site: ChromaSite) -> (f64, f64) {
    let (x, y) = match site {
        ChromaSite::Left => (0.25, 0.0),
        ChromaSite::TopLeft => (0.25, 0.25),
        ChromaSite::Center => (0.0, 0.0),
    };
    let (sub_x, sub_y) = subsampling(format);
    (if sub_x == 1 { x } else { 0.0 }, if sub_y == 1 { y } else { 0.0 })
}

/// The map for samples of `bits` bits whose largest value is 1.0.
pub(super) const fn to_rgb(color: Color, bits: u32) -> ToRgb {
    let (kr, kb) = weights(color.matrix);
    let kg = 1.0 - kr - kb;
    let max = ((1u32 << bits) - 1) as f64;
    let unit = (1u32 << (bits - 8)) as f64;
    // Limited range: BT.709-6 3.4; luma spans 219 and chroma 224 units of an 8-bit step.
    let (black, luma, chroma) =
        if color.full_range { (0.0, max, max) } else { (16.0 * unit, 219.0 * unit, 224.0 * unit) };
    let neutral = (128.0 * unit / max) as f32;
    let (y, c) = ((max / luma) as f32, max / chroma);
    ToRgb {
        offset: [(black / max) as f32, neutral, neutral],
        rows: [
            [y, 0.0, (2.0 * (1.0 - kr) * c) as f32],
            [y, (-2.0 * (1.0 - kb) * kb / kg * c) as f32, (-2.0 * (1.0 - kr) * kr / kg * c) as f32],
            [y, (2.0 * (1.0 - kb) * c) as f32, 0.0],
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(map: ToRgb, ycc: [f32; 3]) -> [f32; 3] {
        map.rows.map(|row| (0..3).map(|i| row[i] * (ycc[i] - map.offset[i])).sum())
    }

    #[test]
    fn black_white_and_primaries() {
        for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020] {
            for full_range in [false, true] {
                for bits in [8u32, 10] {
                    let color = Color { matrix, full_range, chroma_site: ChromaSite::Left };
                    let map = to_rgb(color, bits);
                    let max = ((1u32 << bits) - 1) as f32;
                    let unit = (1u32 << (bits - 8)) as f32;
                    let (black, white) = if full_range { (0.0, max) } else { (16.0 * unit, 235.0 * unit) };
                    let grey = 128.0 * unit / max;
                    for (y, expected) in [(black, 0.0), (white, 1.0)] {
                        for part in apply(map, [y / max, grey, grey]) {
                            assert!((part - expected).abs() < 1e-5, "{matrix:?} {full_range} {bits}");
                        }
                    }
                }
            }
        }
        // Blue in BT.709, limited range: Y = 16 + 219 × 0.0722, Cb = 240.
        let color = Color { matrix: Matrix::Bt709, full_range: false, chroma_site: ChromaSite::Left };
        let cr = 128.0 - 224.0 * 0.0722 / (2.0 * (1.0 - 0.2126));
        let blue = apply(to_rgb(color, 8), [(16.0 + 219.0 * 0.0722) / 255.0, 240.0 / 255.0, cr / 255.0]);
        for (part, expected) in blue.into_iter().zip([0.0, 0.0, 1.0]) {
            assert!((part - expected).abs() < 1e-4, "{blue:?}");
        }
    }
}
