//! What the link may do next: a level that follows the samples, a long-term mean, and a chain of throughput
//! classes around them, from an outage to a good moment.

use super::tuning::Tuning;
use crate::throughput::Sample;

/// Throughput classes: an outage, a fall, quantiles around the level, a leap.
pub(super) const CLASSES: usize = 7;
/// Where the classes around the level lie, in spreads from it.
const PLACES: [f64; CLASSES - 3] = [-1.4, -0.5, 0.3, 1.2];
/// Where a fall lies on the way to an outage.
const FALL: f64 = 0.45;
/// How far a leap goes.
const LEAP: f64 = 0.9;
/// The classes beside those around the level lie at least so far apart.
const GAP: f64 = 0.5;
/// Samples of fewer bytes are dominated by the slow start of the connection and weigh less.
const FULL_WEIGHT_BYTES: f64 = 128_000.0;
/// The spread that is believed at least and at most.
const SPREAD: (f64, f64) = (0.08, 1.5);
/// A sample so many outage depths below the long-term mean was an outage.
const OUTAGE_SEEN: f64 = 0.7;

/// What was learnt of the link; logarithms of bit/s.
#[derive(Clone, Debug)]
pub(super) struct Forecast {
    level: f64,
    variance: f64,
    long: f64,
    long_variance: f64,
    /// Seconds of transfer seen.
    seconds: f64,
    samples: f64,
    outages: f64,
    jumps: f64,
    surprise: i8,
    known: bool,
}

/// The classes and how likely one follows another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    /// Throughput of each class in bit/s.
    pub(super) bps: [f64; CLASSES],
    /// Long-term mean in bit/s.
    pub(super) long_bps: f64,
    /// Chances of the classes of the next segment.
    pub(super) next: [f32; CLASSES],
    /// Chances of the class that follows each class.
    pub(super) after: [[f32; CLASSES]; CLASSES],
}

impl Forecast {
    pub(super) fn new(tuning: &Tuning) -> Self {
        let variance = tuning.spread_prior().powi(2);
        Self {
            level: 0.0,
            variance,
            long: 0.0,
            long_variance: variance,
            seconds: 0.0,
            samples: 0.0,
            outages: 0.0,
            jumps: 0.0,
            surprise: 0,
            known: false,
        }
    }

    /// Whether anything was learnt here.
    pub(super) fn has_samples(&self) -> bool {
        self.samples > 0.0
    }

    /// Begins with what was known from before, in bit/s and as the spread of the logarithm.
    pub(super) fn begin(&mut self, bps: f64, sigma: f64) {
        self.level = bps.max(1.0).ln();
        self.long = self.level;
        self.variance = sigma * sigma;
        self.known = true;
    }

    /// Learns from a sample.
    pub(super) fn observe(&mut self, sample: Sample, tuning: &Tuning) {
        let seconds = sample.busy.as_secs_f64().max(1e-6);
        let x = (sample.bytes.max(1) as f64 * 8.0 / seconds).ln();
        self.samples += 1.0;
        self.seconds += seconds;
        if !self.known {
            (self.level, self.long, self.known) = (x, x, true);
            return;
        }
        let error = x - self.level;
        let surprised = error.abs() > tuning.surprise() * self.variance.sqrt();
        let side = if surprised { error.signum() as i8 } else { 0 };
        let full = (sample.bytes as f64 / FULL_WEIGHT_BYTES).min(1.0);
        let floor = full * if error > 0.0 { tuning.floor_up() } else { tuning.floor_down() };
        let most = tuning.clip() * self.variance.sqrt();
        let jumped = error.abs() > most;
        let weight = if side != 0 && side == self.surprise && full >= 1.0 {
            tuning.regime()
        } else {
            let by_time = 1.0 - (-seconds / tuning.half_life()).exp2();
            let leap = if jumped { full * tuning.leap() } else { 0.0 };
            by_time.max(full / (self.samples + 1.0)).max(floor).max(leap)
        };
        let heavy = if error < 0.0 { tuning.spread_down() } else { 2.0 - tuning.spread_down() };
        // A jump is counted as one; it says little about the spread between jumps.
        let within = error.clamp(-most, most);
        self.variance += full * tuning.spread_rate() * (heavy * within * within - self.variance);
        if jumped {
            self.jumps += full;
        }
        self.level += weight * error;
        self.surprise = side;
        let slow =
            (1.0 - (-seconds / tuning.long_half_life()).exp2()).max(full * seconds.min(4.0) / self.seconds);
        let off = x - self.long;
        self.long += slow * off;
        self.long_variance += slow * (off * off - self.long_variance);
        if off < -OUTAGE_SEEN * tuning.outage_depth() {
            self.outages += 1.0;
        }
    }

    /// The chain from here.
    pub(super) fn chain(&self, tuning: &Tuning) -> Chain {
        let spread = self.variance.sqrt().clamp(SPREAD.0, SPREAD.1);
        let mut places = [0.0; CLASSES];
        for (place, z) in places[2..].iter_mut().zip(PLACES) {
            *place = z * spread;
        }
        places[1] = (-FALL * tuning.outage_depth()).min(places[2] - GAP);
        places[0] = (-tuning.outage_depth()).min(places[1] - GAP);
        places[CLASSES - 1] = LEAP.max(places[CLASSES - 2] + GAP);
        let edges: [f64; CLASSES - 1] = std::array::from_fn(|i| 0.5 * (places[i] + places[i + 1]));
        let long = self.long - self.level;
        let long_spread = self.long_variance.sqrt().clamp(spread, 2.0 * SPREAD.1);
        let anywhere = cells(&edges, long, long_spread);
        let weight = tuning.outage_weight();
        let outage = (tuning.outage() * weight + self.outages) / (weight + self.samples);
        let jump =
            (tuning.jump() * tuning.jump_weight() + self.jumps) / (tuning.jump_weight() + self.samples);
        let row = |middle: f64, spread: f64, outage: f64| {
            let near = cells(&edges, middle, spread);
            let stay = 1.0 - outage - (1.0 - outage) * jump;
            let mut row: [f64; CLASSES] =
                std::array::from_fn(|i| stay * near[i] + (1.0 - outage) * jump * anywhere[i]);
            row[0] += outage;
            row.map(|chance| chance as f32)
        };
        let walk = tuning.wander() * spread;
        let mut after = [[0.0; CLASSES]; CLASSES];
        for (class, row_after) in after.iter_mut().enumerate() {
            *row_after = if class == 0 {
                // An outage ends where the link usually is.
                let stay = tuning.outage_stay();
                let mut row = anywhere.map(|chance| ((1.0 - stay) * chance) as f32);
                row[0] += stay as f32;
                row
            } else {
                row(places[class] + tuning.reversion() * (long - places[class]), walk, outage)
            };
        }
        Chain {
            bps: places.map(|place| (self.level + place).exp().max(1000.0)),
            long_bps: self.long.exp().max(1000.0),
            next: row(tuning.reversion() * long, tuning.first() * spread, outage),
            after,
        }
    }
}

/// How a bell curve (the logistic approximation of the normal one) falls between the edges.
fn cells(edges: &[f64; CLASSES - 1], middle: f64, spread: f64) -> [f64; CLASSES] {
    let below = edges.map(|edge| 1.0 / (1.0 + (-1.702 * (edge - middle) / spread).exp()));
    std::array::from_fn(|i| {
        let low = if i == 0 { 0.0 } else { below[i - 1] };
        let high = if i == CLASSES - 1 { 1.0 } else { below[i] };
        high - low
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::tests::second_at;

    fn after(samples: impl IntoIterator<Item = u64>) -> Forecast {
        let tuning = Tuning::default();
        let mut forecast = Forecast::new(&tuning);
        samples.into_iter().for_each(|bps| forecast.observe(second_at(bps), &tuning));
        forecast
    }

    #[test]
    fn chances_add_up_and_classes_ascend() {
        let chain = after([2_000_000, 500_000, 4_000_000, 90_000, 3_000_000]).chain(&Tuning::default());
        for row in chain.after.iter().chain([&chain.next]) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4, "{row:?}");
            assert!(row.iter().all(|chance| *chance >= 0.0));
        }
        assert!(chain.bps.is_sorted());
    }

    #[test]
    fn a_change_of_regime_is_followed_and_is_no_spread() {
        let calm = [8_000_000; 12];
        let forecast = after(calm.into_iter().chain([1_500_000; 2]));
        assert!(forecast.level.exp() < 2_000_000.0, "{}", forecast.level.exp());
        assert!(forecast.variance.sqrt() < 0.6, "{}", forecast.variance.sqrt());
        assert!(forecast.jumps >= 1.0);
    }

    #[test]
    fn an_outage_that_was_seen_is_expected_again() {
        let tuning = Tuning::default();
        let calm = after([3_000_000; 20]).chain(&tuning).next[0];
        let broken = after([3_000_000; 18].into_iter().chain([20_000, 3_000_000])).chain(&tuning).next[0];
        assert!(broken > calm, "{broken} {calm}");
    }
}
