//! Weights of a one-dimensional resampling filter, for the CPU path.

/// Which curve the weights follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    /// Linear interpolation: what the reference (zimg) uses for chroma.
    Triangle,
    /// Catmull-Rom cubic: sharp, reproduces the samples where nothing is scaled.
    CatmullRom,
}

impl Kernel {
    /// Half of its width, in samples.
    const fn radius(self) -> f64 {
        match self {
            Self::Triangle => 1.0,
            Self::CatmullRom => 2.0,
        }
    }

    fn at(self, x: f64) -> f64 {
        let x = x.abs();
        match self {
            Self::Triangle => (1.0 - x).max(0.0),
            Self::CatmullRom if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::CatmullRom if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::CatmullRom => 0.0,
        }
    }
}

/// Weights come in groups of this many, so that products are summed up by whole vectors.
pub(super) const GROUP: usize = 8;

/// What every output sample is made of. Weights are in units of 1/32767 and sum up to exactly that.
#[derive(Debug)]
pub(super) struct Filter {
    /// Weights per output: a multiple of [`GROUP`], the last ones zero.
    stride: usize,
    starts: Vec<usize>,
    weights: Vec<i16>,
    identity: bool,
}

impl Filter {
    /// A filter from `samples` samples, which cover `extent` samples' width from the left edge (not a
    /// whole number for the chroma of odd sizes), to `outputs`. The samples lie `shift` left of where
    /// the middle of their cells would be. Scaling down widens the kernel so that nothing aliases; edges
    /// repeat the outermost sample.
    pub(super) fn new(kernel: Kernel, samples: usize, extent: f64, outputs: usize, shift: f64) -> Self {
        let ratio = extent / outputs.max(1) as f64;
        let widen = ratio.max(1.0);
        let radius = kernel.radius() * widen;
        // At the ends of the kernel the weight is zero.
        let taps = ((2.0 * radius).ceil() as usize).min(samples.max(1));
        let last = samples.saturating_sub(1);
        let stride = taps.next_multiple_of(GROUP);
        let mut filter =
            Self { stride, starts: Vec::with_capacity(outputs), weights: Vec::new(), identity: false };
        filter.weights.reserve(outputs * stride);
        filter.identity = samples == outputs;
        let mut row = vec![0.0; taps];
        for output in 0..outputs {
            let centre = (output as f64 + 0.5) * ratio - 0.5 + shift;
            let first = (centre - radius).floor() as i64 + 1;
            let start = usize::try_from(first).unwrap_or(0).min(samples.saturating_sub(taps));
            row.fill(0.0);
            let mut sum = 0.0;
            for position in first..=(centre + radius).floor() as i64 {
                let weight = kernel.at((position as f64 - centre) / widen);
                let sample = usize::try_from(position).unwrap_or(0).min(last);
                if let Some(slot) = row.get_mut(sample.saturating_sub(start)) {
                    *slot += weight;
                    sum += weight;
                }
            }
            filter.push(start, output, &row, sum);
        }
        filter
    }

    fn push(&mut self, start: usize, output: usize, row: &[f64], sum: f64) {
        let first = self.weights.len();
        let mut rest = i32::from(i16::MAX);
        let mut heaviest = (first, f64::MIN);
        for (tap, weight) in row.iter().enumerate() {
            let whole = (weight / sum * f64::from(i16::MAX)).round().clamp(-32_768.0, 32_767.0) as i16;
            rest -= i32::from(whole);
            self.weights.push(whole);
            if *weight > heaviest.1 {
                heaviest = (first + tap, *weight);
            }
        }
        match i16::try_from(i32::from(self.weights[heaviest.0]) + rest) {
            Ok(whole) => self.weights[heaviest.0] = whole,
            // More than one, at an edge: the rest is negative and next to nothing.
            Err(_) => {
                self.weights[first..].fill(0);
                self.weights[heaviest.0] = i16::MAX;
            }
        }
        self.identity &= heaviest.0 - first + start == output && self.weights[heaviest.0] == i16::MAX;
        self.weights.resize(first + self.stride, 0);
        self.starts.push(start);
    }

    /// Whether every output is the input at the same place.
    pub(super) fn is_identity(&self) -> bool {
        self.identity
    }

    /// How many outputs there are.
    pub(super) fn outputs(&self) -> usize {
        self.starts.len()
    }

    /// First sample and weights of one output; nothing beyond the last. Weights beyond the samples are
    /// zero.
    pub(super) fn output(&self, index: usize) -> (usize, &[i16]) {
        let start = self.starts.get(index).copied().unwrap_or(0);
        (start, self.weights.get(index * self.stride..(index + 1) * self.stride).unwrap_or(&[]))
    }

    /// All outputs in order, when each has one group of weights.
    pub(super) fn single_groups(&self) -> Option<impl Iterator<Item = (usize, &[i16; GROUP])>> {
        (self.stride == GROUP).then(|| self.starts.iter().copied().zip(self.weights.as_chunks().0))
    }

    /// All outputs in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &[i16])> {
        self.starts.iter().copied().zip(self.weights.chunks_exact(self.stride))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn unscaled_luma_is_the_identity_and_chroma_is_sited() {
        assert!(Filter::new(Kernel::CatmullRom, 8, 8.0, 8, 0.0).is_identity());
        assert!(!Filter::new(Kernel::Triangle, 8, 8.0, 16, 0.0).is_identity());
        let sum = |filter: &Filter, output: usize, sample: usize| {
            let (start, weights) = filter.output(output);
            sample.checked_sub(start).and_then(|tap| weights.get(tap)).copied().unwrap_or(0)
        };
        // Left: even columns are samples, odd ones lie half-way.
        let left = Filter::new(Kernel::Triangle, 8, 8.0, 16, 0.25);
        assert_eq!(sum(&left, 4, 2), i16::MAX);
        assert!((sum(&left, 5, 2) - 16_384).abs() <= 1 && (sum(&left, 5, 3) - 16_384).abs() <= 1);
        // Between the rows: a quarter and three quarters.
        let middle = Filter::new(Kernel::Triangle, 8, 8.0, 16, 0.0);
        assert!((sum(&middle, 4, 1) - 8_192).abs() <= 1 && (sum(&middle, 4, 2) - 24_576).abs() <= 1);
        assert_eq!(sum(&middle, 0, 0), i16::MAX);
    }

    proptest! {
        #[test]
        fn weights_are_whole_and_inside(samples in 1usize..300, outputs in 1usize..300, cubic: bool,
                                        shift in 0.0f64..0.25) {
            let kernel = if cubic { Kernel::CatmullRom } else { Kernel::Triangle };
            let filter = Filter::new(kernel, samples, samples as f64, outputs, shift);
            prop_assert_eq!(filter.outputs(), outputs);
            for (start, weights) in filter.iter() {
                let used = weights.iter().rposition(|weight| *weight != 0).unwrap_or(0);
                prop_assert!(start + used < samples && weights.len() % GROUP == 0);
                prop_assert_eq!(weights.iter().map(|w| i32::from(*w)).sum::<i32>(), 32_767);
            }
        }
    }
}
