//! Rows of 15-bit Y, Cb and Cr to rows of pixels, for the CPU path.
//!
//! Every combination of matrix, range, depth and byte order is a function of its own whose factors are
//! constants: only then do compilers see that a product needs no more than a 16 × 16 multiplication.

use super::color::to_rgb;
use super::cpu::Order;
use crate::frame::{ChromaSite, Color, Matrix};

/// Pixels that are made at a time. Rows of samples are padded to a multiple of it.
pub(super) const GROUP: usize = 16;

/// Makes a row of pixels from rows of Y, Cb and Cr.
pub(super) type Apply = fn(&[i16], &[i16], &[i16], &mut [u8]);

/// Fixed-point factors: results have 32 units per 8-bit step, chroma is doubled before it is multiplied.
struct Factors {
    black: i16,
    neutral: i16,
    luma: i16,
    red_cr: i16,
    green_cb: i16,
    green_cr: i16,
    blue_cb: i16,
}

impl Factors {
    const fn new(matrix: Matrix, full_range: bool, bits: u32) -> Self {
        let color = Color { matrix, full_range, chroma_site: ChromaSite::Left };
        let map = to_rgb(color, bits);
        // The largest sample as a 15-bit number: 128 units per 8-bit step.
        let max = ((1u32 << bits) - 1) as f64 * (1u32 << (15 - bits)) as f64;
        let scale = 255.0 * 32.0 * 65_536.0 / max;
        let chroma = scale / 2.0;
        let [red, green, blue] = map.rows;
        Self {
            black: (map.offset[0] as f64 * max).round() as i16,
            neutral: (map.offset[1] as f64 * max).round() as i16,
            luma: (red[0] as f64 * scale).round() as i16,
            red_cr: (red[2] as f64 * chroma).round() as i16,
            green_cb: (green[1] as f64 * chroma).round() as i16,
            green_cr: (green[2] as f64 * chroma).round() as i16,
            blue_cb: (blue[1] as f64 * chroma).round() as i16,
        }
    }
}

const MATRICES: [Matrix; 3] = [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020];

/// The function for samples of `bits` bits, 8 or 10.
pub(super) fn select(color: Color, bits: u32, order: Order) -> Apply {
    match color.matrix {
        Matrix::Bt601 => range::<0>(color, bits, order),
        Matrix::Bt709 => range::<1>(color, bits, order),
        Matrix::Bt2020 => range::<2>(color, bits, order),
    }
}

fn range<const MATRIX: usize>(color: Color, bits: u32, order: Order) -> Apply {
    match (color.full_range, bits > 8) {
        (false, false) => ordered::<MATRIX, false, 8>(order),
        (true, false) => ordered::<MATRIX, true, 8>(order),
        (false, true) => ordered::<MATRIX, false, 10>(order),
        (true, true) => ordered::<MATRIX, true, 10>(order),
    }
}

fn ordered<const MATRIX: usize, const FULL: bool, const BITS: u32>(order: Order) -> Apply {
    match order {
        Order::Rgba => apply::<MATRIX, FULL, BITS, false>,
        Order::Bgra => apply::<MATRIX, FULL, BITS, true>,
    }
}

/// The high half of a product.
#[inline(always)]
pub(super) fn high(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 16) as i16
}

fn apply<const MATRIX: usize, const FULL: bool, const BITS: u32, const BLUE_FIRST: bool>(
    luma: &[i16],
    cb: &[i16],
    cr: &[i16],
    out: &mut [u8],
) {
    let mut rows = luma.as_chunks().0.iter().zip(cb.as_chunks().0).zip(cr.as_chunks().0);
    let (whole, rest) = out.as_chunks_mut::<{ GROUP * 4 }>();
    let count = whole.len();
    for (out, ((y, cb), cr)) in whole.iter_mut().zip(rows.clone()) {
        group::<MATRIX, FULL, BITS, BLUE_FIRST>(y, cb, cr, out);
    }
    if let Some(((y, cb), cr)) = rows.nth(count).filter(|_| !rest.is_empty()) {
        let mut last = [0; GROUP * 4];
        group::<MATRIX, FULL, BITS, BLUE_FIRST>(y, cb, cr, &mut last);
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

#[inline(always)]
fn group<const MATRIX: usize, const FULL: bool, const BITS: u32, const BLUE_FIRST: bool>(
    y: &[i16; GROUP],
    cb: &[i16; GROUP],
    cr: &[i16; GROUP],
    out: &mut [u8; GROUP * 4],
) {
    let by = const { Factors::new(MATRICES[MATRIX], FULL, BITS) };
    let byte = |sum: i16| (sum >> 5).clamp(0, 255) as u16;
    // First and second, third and fourth byte of each pixel.
    let (mut front, mut back) = ([0u16; GROUP], [0u16; GROUP]);
    for i in 0..GROUP {
        // 16 rounds to the nearest step, 1 makes up for products rounded down.
        let y = high(y[i].wrapping_sub(by.black), by.luma).wrapping_add(17);
        let cb = cb[i].wrapping_sub(by.neutral).wrapping_shl(1);
        let cr = cr[i].wrapping_sub(by.neutral).wrapping_shl(1);
        let red = byte(y.wrapping_add(high(cr, by.red_cr)));
        let green = byte(y.wrapping_add(high(cb, by.green_cb)).wrapping_add(high(cr, by.green_cr)));
        let blue = byte(y.wrapping_add(high(cb, by.blue_cb)));
        let (first, third) = if BLUE_FIRST { (blue, red) } else { (red, blue) };
        front[i] = first | (green << 8);
        back[i] = third | 0xff00;
    }
    for ((pixel, front), back) in out.as_chunks_mut::<4>().0.iter_mut().zip(front).zip(back) {
        pixel[..2].copy_from_slice(&front.to_le_bytes());
        pixel[2..].copy_from_slice(&back.to_le_bytes());
    }
}
