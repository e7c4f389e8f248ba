//! The CPU path: picture to RGB pixels of the target's size, for machines whose graphics adapter is a
//! program anyway (there a shader costs ten times as much).
//!
//! Each output row is made of one vertical pass per plane, one horizontal pass per component and one
//! matrix pass, all in 16-bit integers over rows that stay in the first-level cache, written so that the
//! compiler turns every loop into vector code. Samples are held as 15-bit numbers (128 per 8-bit
//! step), products as the high half of a 16 × 16 multiplication.

use super::color::{chroma_shift, depth, subsampling};
use super::filter::{Filter, GROUP, Kernel};
use super::layout::{Rect, letterbox};
use super::matrix::{self, Apply, high};
use crate::frame::{Color, Picture, PixelFormat};

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
    matrix: Apply,
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
            matrix: matrix::select(key.color, depth(key.format), key.order),
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
        (self.matrix)(luma, cb, cr, out);
    }
}

/// A sum of [`high`] products with weights that sum up to one, back to 15 bits.
#[inline(always)]
fn finish(sum: i16) -> i16 {
    sum.clamp(0, 16_383) << 1
}

/// Samples of output row `y` of a plane, before the horizontal pass.
fn vertical(picture: &Picture, plane: usize, filter: &Filter, y: usize, line: &mut Vec<i16>) {
    let bytes = picture.format.plane_size(plane, picture.width, picture.height).0;
    let samples = bytes / picture.format.sample_bytes();
    line.resize(samples + GROUP, 0);
    let line = &mut line[..samples];
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
    let pairs = &line[..line.len().saturating_sub(GROUP)].as_chunks::<2>().0;
    first.resize(pairs.len() + GROUP, 0);
    second.resize(pairs.len() + GROUP, 0);
    for ((pair, a), b) in pairs.iter().zip(first).zip(second) {
        (*a, *b) = (pair[0], pair[1]);
    }
}

/// The outputs of a row, which ends with [`GROUP`] samples that do not count. There may be more of them
/// than asked for, so that the matrix can go in whole groups.
fn horizontal(line: &[i16], filter: &Filter, out: &mut Vec<i16>) {
    out.resize(filter.outputs().next_multiple_of(matrix::GROUP), 0);
    let samples = &line[..line.len().saturating_sub(GROUP)];
    if filter.is_identity() {
        out.iter_mut().zip(samples).for_each(|(out, sample)| *out = *sample);
        return;
    }
    match doubling(filter, samples.len()) {
        Some(Doubling::Halves) => {
            // Even outputs are samples, odd ones lie between two of them.
            double(samples, out, |_, same, next| [same, ((i32::from(same) + i32::from(next)) >> 1) as i16]);
        }
        Some(Doubling::Quarters) => {
            let near = |same: i16, other: i16| ((3 * i32::from(same) + i32::from(other) + 2) >> 2) as i16;
            double(samples, out, |previous, same, next| [near(same, previous), near(same, next)]);
        }
        None => weigh_row(line, filter, out),
    }
}

/// Any filter. Weights are summed up by groups: rows are padded for that.
fn weigh_row(line: &[i16], filter: &Filter, out: &mut [i16]) {
    // Products of 15-bit samples and weights that sum up to one stay within 31 bits.
    let dot = |samples: &[i16; GROUP], weights: &[i16; GROUP]| {
        let product = |at: usize| i32::from(samples[at]) * i32::from(weights[at]);
        (0..GROUP).fold(0i32, |sum, at| sum.wrapping_add(product(at)))
    };
    let finish = |sum: i32| (sum.wrapping_add(1 << 14) >> 15).clamp(0, i32::from(i16::MAX)) as i16;
    if let Some(single) = filter.single_groups() {
        // Scaling up, or down a little: the case that has to be fast.
        for (out, (start, weights)) in out.iter_mut().zip(single) {
            if let Some(samples) = line.get(start..).and_then(|rest| rest.first_chunk()) {
                *out = finish(dot(samples, weights));
            }
        }
        return;
    }
    for (out, (start, weights)) in out.iter_mut().zip(filter.iter()) {
        let samples = line.get(start..).unwrap_or(&[]).as_chunks().0;
        let groups = samples.iter().zip(weights.as_chunks().0);
        *out = finish(groups.fold(0i32, |sum, (samples, weights)| sum.wrapping_add(dot(samples, weights))));
    }
}

/// Filters that make two outputs of each sample with weights that repeat: unscaled chroma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubling {
    /// Sited on a luma sample.
    Halves,
    /// Sited in the middle.
    Quarters,
}

fn doubling(filter: &Filter, samples: usize) -> Option<Doubling> {
    if samples < 4 || filter.outputs() != 2 * samples {
        return None;
    }
    let middle = samples / 2;
    // The weights of the previous, the same and the next sample in the even and the odd output.
    let [even, odd] = [2 * middle, 2 * middle + 1].map(|output| {
        let (start, weights) = filter.output(output);
        [middle - 1, middle, middle + 1]
            .map(|sample| sample.checked_sub(start).and_then(|tap| weights.get(tap)).copied().unwrap_or(0))
    });
    let near =
        |weights: [i16; 3], wanted: [i16; 3]| weights.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 1);
    if near(even, [0, i16::MAX, 0]) && near(odd, [0, 16_384, 16_383]) {
        Some(Doubling::Halves)
    } else if near(even, [8_192, 24_575, 0]) && near(odd, [0, 24_575, 8_192]) {
        Some(Doubling::Quarters)
    } else {
        None
    }
}

/// Two outputs for each sample, made of it and its neighbours.
fn double(samples: &[i16], out: &mut [i16], make: impl Fn(i16, i16, i16) -> [i16; 2]) {
    let pairs = out.as_chunks_mut::<2>().0;
    let neighbours = samples.iter().zip(&samples[1..]).zip(&samples[2..]);
    for (pair, ((previous, same), next)) in pairs[1..].iter_mut().zip(neighbours) {
        *pair = make(*previous, *same, *next);
    }
    if let ([first, second, ..], [.., before, last]) = (samples, samples) {
        pairs[0] = make(*first, *first, *second);
        pairs[samples.len() - 1] = make(*before, *last, *last);
    }
}
