//! Figures over many sessions: quantiles, and intervals by the bootstrap.
//!
//! Intervals are percentile intervals of the mean (Efron and Tibshirani, 1993, chapter 13) over seeded resamples:
//! the same values and seed give the same interval on every machine.

use crate::random::Random;

/// Resamples that reports use.
pub const RESAMPLES: usize = 10_000;

/// The value below which `share` of the values lie, interpolated linearly between neighbours.
pub fn quantile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = share * values.len().checked_sub(1)? as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    let (low_value, high_value) = (*values.get(low)?, *values.get(high)?);
    Some(low_value + (high_value - low_value) * (place - low as f64))
}

/// The arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// A mean and the 95 % interval of it.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Interval {
    /// Of all values.
    pub mean: f64,
    /// 2.5 % of the resampled means lie below.
    pub low: f64,
    /// 2.5 % of the resampled means lie above.
    pub high: f64,
    /// How many values there are.
    pub n: usize,
}

impl Interval {
    /// Whether zero lies outside.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// The mean of the means of `strata` and its 95 % interval; every resample draws within each stratum. Empty strata are
/// left out; `None` when nothing is left.
pub fn bootstrap(strata: &[Vec<f64>], seed: u64, resamples: usize) -> Option<Interval> {
    let strata: Vec<&Vec<f64>> = strata.iter().filter(|stratum| !stratum.is_empty()).collect();
    let mean = mean(&strata.iter().filter_map(|stratum| mean(stratum)).collect::<Vec<_>>())?;
    let mut random = Random::new(seed);
    let mut resampled = |stratum: &Vec<f64>| {
        let sum: f64 = (0..stratum.len()).map(|_| stratum[random.below(stratum.len())]).sum();
        sum / stratum.len() as f64
    };
    let mut one = || strata.iter().map(|stratum| resampled(stratum)).sum::<f64>() / strata.len() as f64;
    let mut means: Vec<f64> = (0..resamples.max(1)).map(|_| one()).collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((share * means.len() as f64) as usize).min(means.len() - 1)];
    let n = strata.iter().map(|stratum| stratum.len()).sum();
    Some(Interval { mean, low: at(0.025), high: at(0.975), n })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_their_neighbours() {
        assert_eq!(quantile(vec![], 0.1), None);
        assert_eq!(quantile(vec![7.0], 0.9), Some(7.0));
        assert_eq!(quantile(vec![30.0, 10.0, 20.0], 0.25), Some(15.0));
    }

    #[test]
    fn the_bootstrap_is_repeatable_and_near_the_normal_interval() {
        let strata = [(0..100).map(f64::from).collect(), Vec::new()];
        let interval = bootstrap(&strata, 1, RESAMPLES).unwrap();
        assert_eq!(Some(interval), bootstrap(&strata, 1, RESAMPLES));
        assert_ne!(Some(interval), bootstrap(&strata, 2, RESAMPLES));
        // 49.5 ± 1.96 × 28.87 / 10.
        assert!((interval.low - 43.8).abs() < 0.3 && (interval.high - 55.2).abs() < 0.3, "{interval:?}");
        assert!(interval.excludes_zero());
        assert_eq!(bootstrap(&[vec![2.0]], 1, 10).map(|i| (i.low, i.high)), Some((2.0, 2.0)));
        assert_eq!(bootstrap(&[], 1, 10), None);
    }
}
