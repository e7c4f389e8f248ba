//! The CPU path: picture to RGB pixels of the target's size, for machines whose graphics adapter is a
//! program anyway (there a shader costs ten times as much).
//!
//! Each output row is made of one vertical pass per plane, one horizontal pass per component and one
//! matrix pass, all in 16-bit integers over rows that stay in the first-level cache, written so that the
//! compiler turns every loop into vector code. Samples are held as 15-bit numbers ([`ONE`] per 8-bit
//! step), products as the high half of a 16 × 16 multiplication.

use super::color::{chroma_shift, depth, subsampling, to_rgb};
use super::filter::{Filter, Kernel};
use super::layout::{Rect, letterbox};
use crate::frame::{Color, Picture, PixelFormat};

/// One 8-bit step in a row of 15-bit samples.
const ONE: i16 = 128;

/// The order of the four bytes of an output pixel; the fourth is opaque.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Red first.
    Rgba,
    /// Blue first.
    Bgra,
}

/// Everything that a picture's shape and the target's size decide.
#[derive(Clone, Copy, PartialEq)]
struct Key {
    format: PixelFormat,
    size: (u32, u32),
    aspect: (u32, u32),
    color: Color,
    target: (u32, u32),
    order: Order,
}

struct Plan {
    key: Key,
    rect: Rect,
    luma: (Filter, Filter),
    chroma: (Filter, Filter),
    matrix: Coefficients,
}

/// Fixed-point [`to_rgb`].
struct Coefficients {
    black: i16,
    neutral: i16,
    luma: i16,
    red_cr: i16,
    green_cb: i16,
    green_cr: i16,
    blue_cb: i16,
}

impl Coefficients {
    fn new(color: Color, format: PixelFormat) -> Self {
        let bits = depth(format);
        let map = to_rgb(color, bits);
        let max = f64::from((1u32 << bits) - 1) * f64::from(ONE >> (bits - 8));
        // Results have 32 units per 8-bit step; chroma is doubled before the multiplication.
        let scale = |factor: f32| (255.0 * 32.0 * 65_536.0 * f64::from(factor) / max).round();
        let [red, green, blue] = map.rows;
        Self {
            black: (f64::from(map.offset[0]) * max).round() as i16,
            neutral: (f64::from(map.offset[1]) * max).round() as i16,
            luma: scale(red[0]) as i16,
            red_cr: (scale(red[2]) / 2.0) as i16,
            green_cb: (scale(green[1]) / 2.0) as i16,
            green_cr: (scale(green[2]) / 2.0) as i16,
            blue_cb: (scale(blue[1]) / 2.0) as i16,
        }
    }
}

/// Rows of samples on their way.
#[derive(Default)]
struct Lines {
    vertical: Vec<i16>,
    split: [Vec<i16>; 2],
    components: [Vec<i16>; 3],
}

/// Converts pictures. Keeps its tables and buffers from one picture to the next.
#[derive(Default)]
pub struct Converter {
    plan: Option<Plan>,
    lines: Lines,
    pixels: Vec<u8>,
}

impl Converter {
    /// A converter without any tables yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// `picture` letterboxed on a black target of `target` pixels, as rows of four-byte pixels without
    /// padding. Planes that are shorter than the picture's size leave their part as it was.
    pub fn convert(&mut self, picture: &Picture, target: (u32, u32), order: Order) -> &[u8] {
        let key = Key {
            format: picture.format,
            size: (picture.width, picture.height),
            aspect: picture.pixel_aspect,
            color: picture.color,
            target,
            order,
        };
        if self.plan.as_ref().is_none_or(|plan| plan.key != key) {
            self.plan = Some(Plan::new(key));
            self.pixels.clear();
            self.pixels.resize(target.0 as usize * target.1 as usize * 4, 0);
            self.pixels.chunks_exact_mut(4).for_each(|pixel| pixel[3] = 255);
        }
        if let Some(plan) = &self.plan {
            let (stride, rect) = (target.0 as usize * 4, plan.rect);
            let rows = self.pixels.chunks_exact_mut(stride.max(4)).skip(rect.y as usize);
            for (y, row) in rows.take(rect.height as usize).enumerate() {
                let from = rect.x as usize * 4;
                plan.row(picture, y, &mut self.lines, &mut row[from..from + rect.width as usize * 4]);
            }
        }
        &self.pixels
    }

    /// The pixels of the last conversion, empty before the first.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }
}

impl Plan {
    fn new(key: Key) -> Self {
        let (width, height) = key.size;
        let rect = letterbox(width, height, key.aspect, key.target);
        let (outputs_x, outputs_y) = (rect.width as usize, rect.height as usize);
        let (sub_x, sub_y) = subsampling(key.format);
        let (shift_x, shift_y) = chroma_shift(key.format, key.color.chroma_site);
        let chroma = |side: u32, sub: u32, outputs: usize, shift: f64| {
            let samples = side.div_ceil(1 << sub) as usize;
            Filter::new(Kernel::Triangle, samples, f64::from(side) / f64::from(1u32 << sub), outputs, shift)
        };
        let luma = |side: u32, outputs: usize| {
            Filter::new(Kernel::CatmullRom, side as usize, f64::from(side), outputs, 0.0)
        };
        Self {
            key,
            rect,
            luma: (luma(width, outputs_x), luma(height, outputs_y)),
            chroma: (chroma(width, sub_x, outputs_x, shift_x), chroma(height, sub_y, outputs_y, shift_y)),
            matrix: Coefficients::new(key.color, key.format),
        }
    }

    /// One output row.
    fn row(&self, picture: &Picture, y: usize, lines: &mut Lines, out: &mut [u8]) {
        let [luma, cb, cr] = &mut lines.components;
        vertical(picture, 0, &self.luma.1, y, &mut lines.vertical);
        horizontal(&lines.vertical, &self.luma.0, luma);
        match self.key.format {
            PixelFormat::Nv12 | PixelFormat::P010 => {
                vertical(picture, 1, &self.chroma.1, y, &mut lines.vertical);
                let [first, second] = &mut lines.split;
                split(&lines.vertical, first, second);
                horizontal(first, &self.chroma.0, cb);
                horizontal(second, &self.chroma.0, cr);
            }
            PixelFormat::I420 | PixelFormat::I420P10 | PixelFormat::I422 | PixelFormat::I444 => {
                vertical(picture, 1, &self.chroma.1, y, &mut lines.vertical);
                horizontal(&lines.vertical, &self.chroma.0, cb);
                vertical(picture, 2, &self.chroma.1, y, &mut lines.vertical);
                horizontal(&lines.vertical, &self.chroma.0, cr);
            }
        }
        match self.key.order {
            Order::Rgba => self.matrix.apply::<false>(luma, cb, cr, out),
            Order::Bgra => self.matrix.apply::<true>(luma, cb, cr, out),
        }
    }
}

/// The high half of a product.
#[inline(always)]
fn high(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 16) as i16
}

/// A sum of [`high`] products with weights that sum up to one, back to 15 bits.
#[inline(always)]
fn finish(sum: i16) -> i16 {
    sum.clamp(0, 16_383) << 1
}

/// Samples of output row `y` of a plane, before the horizontal pass.
fn vertical(picture: &Picture, plane: usize, filter: &Filter, y: usize, line: &mut Vec<i16>) {
    let bytes = picture.format.plane_size(plane, picture.width, picture.height).0;
    line.resize(bytes / picture.format.sample_bytes(), 0);
    match picture.format {
        PixelFormat::I420 | PixelFormat::Nv12 | PixelFormat::I422 | PixelFormat::I444 => {
            weigh(picture, plane, filter, y, line, |[byte]: &[u8; 1]| i16::from(*byte) << 7);
        }
        PixelFormat::I420P10 => {
            weigh(picture, plane, filter, y, line, |word| ((u16::from_le_bytes(*word) & 0x3ff) << 5) as i16);
        }
        PixelFormat::P010 => {
            weigh(picture, plane, filter, y, line, |word| ((u16::from_le_bytes(*word) >> 6) << 5) as i16);
        }
    }
}

fn weigh<const BYTES: usize>(
    picture: &Picture,
    plane: usize,
    filter: &Filter,
    y: usize,
    line: &mut [i16],
    sample: impl Fn(&[u8; BYTES]) -> i16,
) {
    let (bytes, _) = picture.format.plane_size(plane, picture.width, picture.height);
    let (data, stride) = (picture.planes.plane(plane), picture.planes.stride(plane));
    let row = |row: usize| {
        let start = row.saturating_mul(stride);
        data.get(start..start.saturating_add(bytes)).unwrap_or(&[]).as_chunks::<BYTES>().0
    };
    if filter.is_identity() {
        line.iter_mut().zip(row(y)).for_each(|(out, raw)| *out = sample(raw));
        return;
    }
    let (start, weights) = filter.output(y);
    let used = weights.iter().filter(|weight| **weight != 0).count();
    if used == 1 {
        let only = weights.iter().position(|weight| *weight != 0).unwrap_or(0);
        line.iter_mut().zip(row(start + only)).for_each(|(out, raw)| *out = sample(raw));
        return;
    }
    // Every product is rounded down: by half a unit on the average.
    line.fill((used / 2) as i16);
    for (weight, tap) in weights.iter().zip(0..).filter(|(weight, _)| **weight != 0) {
        line.iter_mut().zip(row(start + tap)).for_each(|(out, raw)| {
            *out = out.wrapping_add(high(sample(raw), *weight));
        });
    }
    line.iter_mut().for_each(|out| *out = finish(*out));
}

/// Takes interleaved samples apart.
fn split(line: &[i16], first: &mut Vec<i16>, second: &mut Vec<i16>) {
    first.resize(line.len() / 2, 0);
    second.resize(line.len() / 2, 0);
    for ((pair, a), b) in line.as_chunks::<2>().0.iter().zip(first).zip(second) {
        (*a, *b) = (pair[0], pair[1]);
    }
}

fn horizontal(line: &[i16], filter: &Filter, out: &mut Vec<i16>) {
    out.resize(filter.outputs(), 0);
    if filter.is_identity() {
        out.iter_mut().zip(line).for_each(|(out, sample)| *out = *sample);
    } else if let Some(weights) = doubling(filter, line.len()) {
        double(line, weights, out);
    } else {
        for (out, (start, weights)) in out.iter_mut().zip(filter.iter()) {
            let samples = line.get(start..).unwrap_or(&[]);
            let sum: i32 =
                samples.iter().zip(weights).map(|(sample, w)| i32::from(*sample) * i32::from(*w)).sum();
            *out = ((sum + (1 << 14)) >> 15).clamp(0, i32::from(i16::MAX)) as i16;
        }
    }
}

/// The weights of the previous, the same and the next sample in the even and the odd output, when the
/// filter makes two outputs of each sample from no more than these: the case of unscaled chroma.
fn doubling(filter: &Filter, samples: usize) -> Option<[[i16; 3]; 2]> {
    if samples < 4 || filter.outputs() != 2 * samples {
        return None;
    }
    let middle = samples / 2;
    let both = [2 * middle, 2 * middle + 1].map(|output| {
        let (start, weights) = filter.output(output);
        [middle - 1, middle, middle + 1]
            .map(|sample| sample.checked_sub(start).and_then(|tap| weights.get(tap)).copied().unwrap_or(0))
    });
    let whole = |weights: [i16; 3]| weights.iter().map(|w| i32::from(*w)).sum::<i32>() == i32::from(i16::MAX);
    both.into_iter().all(whole).then_some(both)
}

/// Unscaled chroma: the weights repeat with every second output, so that vectors can be used.
fn double(line: &[i16], [even, odd]: [[i16; 3]; 2], out: &mut [i16]) {
    let mix = |w: [i16; 3], previous: i16, same: i16, next: i16| {
        finish((1 + high(previous, w[0])).wrapping_add(high(same, w[1])).wrapping_add(high(next, w[2])))
    };
    let (first, last) = (line.first().copied().unwrap_or(0), line.last().copied().unwrap_or(0));
    let second = line.get(1).copied().unwrap_or(first);
    let before_last = line.get(line.len().saturating_sub(2)).copied().unwrap_or(last);
    let pairs = out.as_chunks_mut::<2>().0;
    let halved = even == [0, i16::MAX, 0] && odd[0] == 0 && odd[1].abs_diff(odd[2]) <= 1;
    let inner = pairs.get_mut(1..line.len() - 1).unwrap_or(&mut []);
    let neighbours = line.iter().zip(&line[1..]).zip(&line[2..]);
    if halved {
        for (pair, ((_, same), next)) in inner.iter_mut().zip(neighbours) {
            *pair = [*same, ((i32::from(*same) + i32::from(*next)) >> 1) as i16];
        }
    } else {
        for (pair, ((previous, same), next)) in inner.iter_mut().zip(neighbours) {
            *pair = [mix(even, *previous, *same, *next), mix(odd, *previous, *same, *next)];
        }
    }
    if let [head, .., tail] = pairs {
        *head = [mix(even, first, first, second), mix(odd, first, first, second)];
        *tail = [mix(even, before_last, last, last), mix(odd, before_last, last, last)];
    }
}

impl Coefficients {
    fn apply<const BLUE_FIRST: bool>(&self, luma: &[i16], cb: &[i16], cr: &[i16], out: &mut [u8]) {
        let byte = |sum: i16| (sum >> 5).clamp(0, 255) as u8;
        let samples = luma.iter().zip(cb).zip(cr);
        for (pixel, ((y, cb), cr)) in out.as_chunks_mut::<4>().0.iter_mut().zip(samples) {
            // 16 rounds to the nearest step, 1 makes up for products rounded down.
            let y = high(y.wrapping_sub(self.black), self.luma) + 17;
            let cb = cb.wrapping_sub(self.neutral).wrapping_shl(1);
            let cr = cr.wrapping_sub(self.neutral).wrapping_shl(1);
            let red = byte(y.wrapping_add(high(cr, self.red_cr)));
            let green = byte(y.wrapping_add(high(cb, self.green_cb)).wrapping_add(high(cr, self.green_cr)));
            let blue = byte(y.wrapping_add(high(cb, self.blue_cb)));
            *pixel = if BLUE_FIRST { [blue, green, red, 255] } else { [red, green, blue, 255] };
        }
    }
}
