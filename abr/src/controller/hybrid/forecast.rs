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
/// Chances of a step of the level that are too small to matter.
const NEAR: f64 = 0.004;
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
    /// Its logarithm.
    pub(super) logs: [f64; CLASSES],
    /// Long-term mean in bit/s.
    pub(super) long_bps: f64,
    /// Chances of the classes of the next segment.
    pub(super) next: [f32; CLASSES],
    /// Chances of the class that follows after a jump to anywhere the link has been, or after an outage.
    pub(super) anywhere: [f32; CLASSES],
    /// What follows each class.
    pub(super) after: [After; CLASSES],
}

/// What follows a class: chances that add up to one. Kept apart because a plan mixes `anywhere` once for all classes,
/// and hardly any class is near another.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct After {
    /// Of the classes around the one that the level wanders to; zero where too small to matter.
    pub(super) near: [f32; CLASSES],
    /// Of a jump to anywhere.
    pub(super) far: f32,
    /// Of an outage.
    pub(super) outage: f32,
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
        let rate = tuning.spread_rate().max(1.0 / (tuning.spread_weight() + self.samples));
        self.variance += full * rate * (heavy * within * within - self.variance);
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
        let far = (1.0 - outage) * jump;
        let stay = 1.0 - outage - far;
        let walk = tuning.wander() * spread;
        let mut after = [After::default(); CLASSES];
        for (after, place) in after.iter_mut().zip(places) {
            let middle = place + tuning.reversion() * (long - place);
            let mut near = cells(&edges, middle, walk);
            near.iter_mut().filter(|chance| **chance < NEAR).for_each(|chance| *chance = 0.0);
            let scale = stay / near.iter().sum::<f64>();
            let near = near.map(|chance| (chance * scale) as f32);
            *after = After { near, far: far as f32, outage: outage as f32 };
        }
        // An outage ends where the link usually is.
        let lasts = tuning.outage_stay() as f32;
        after[0] = After { near: [0.0; CLASSES], far: 1.0 - lasts, outage: lasts };
        let around = cells(&edges, tuning.reversion() * long, tuning.first() * spread);
        let mut next: [f32; CLASSES] = std::array::from_fn(|i| (stay * around[i] + far * anywhere[i]) as f32);
        next[0] += outage as f32;
        Chain {
            bps: places.map(|place| (self.level + place).exp().max(1000.0)),
            logs: places.map(|place| self.level + place),
            long_bps: self.long.exp().max(1000.0),
            next,
            anywhere: anywhere.map(|chance| chance as f32),
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
        for row in [chain.next, chain.anywhere] {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4, "{row:?}");
            assert!(row.iter().all(|chance| *chance >= 0.0));
        }
        for After { near, far, outage } in chain.after {
            assert!((near.iter().sum::<f32>() + far + outage - 1.0).abs() < 1e-4);
            assert!(near.iter().chain([&far, &outage]).all(|chance| *chance >= 0.0));
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
