//! How fast the network is: a [`Meter`] that turns overlapping transfers into samples, and a
//! [`Predictor`] that turns samples into a distribution.
//!
//! Works in the logarithm of the rate, where the errors of network forecasts are nearly symmetric
//! (the idea of Fugu, Yan et al., NSDI 2020, with statistics instead of a network).

use crate::protocol::{FetchId, Transfer};
use crate::table::Table;
use crate::time::{Timestamp, nanos};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Windows with fewer bytes say nothing about the network.
const SMALLEST_SAMPLE: u64 = 16_000;
/// A window with this many bytes becomes a sample as soon as one of its transfers ends.
const CLEAR_SAMPLE: u64 = 64_000;
/// A running transfer is sampled once the window is this long.
const LONGEST_WINDOW: u64 = 2_000_000_000;
/// Samples of fewer bytes are dominated by the slow start of the connection and weigh less.
const FULL_WEIGHT_BYTES: f64 = 128_000.0;
/// Half-life of the mean, in seconds of transfer.
const HALF_LIFE_S: f64 = 6.0;
/// Least weight of a sample above and below the mean.
const FLOOR: (f64, f64) = (0.30, 0.40);
/// Weight of the second surprise in a row: the network has changed.
const REGIME_CHANGE: f64 = 0.9;
/// Spread assumed before anything is known.
const FIRST_SIGMA: f64 = 0.35;
/// Smoothing of the time to first byte (a half-life of three requests).
const FIRST_BYTE_SMOOTHING: f64 = 0.206;

/// What a [`Meter`] measured: so much in so much time during which the link was busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Bytes of all transfers together.
    pub bytes: u64,
    /// Time during which at least one of them received its body.
    pub busy: Duration,
}

/// Measures the link, not the transfer: the bytes of all transfers over the union of their times, so that
/// audio and video that share the link do not halve the estimate.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    flows: Table<FetchId, Flow>,
    bytes: u64,
    /// Disjoint busy spans in nanoseconds, ascending.
    busy: Vec<(u64, u64)>,
    /// Whether the transfers are pieces of segments, too small to say something one by one.
    pieces: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    bytes: u64,
    until: u64,
    /// Time in which its body came, and in which its server had nothing to send.
    body: u64,
    waited: u64,
}

impl Meter {
    /// Tells of a new transfer, and whether it is one of many small ones ([`Segment::part`], a body that comes
    /// as it is produced).
    ///
    /// [`Segment::part`]: crate::segments::Segment::part
    pub fn started(&mut self, id: FetchId, piece: bool) {
        self.pieces = piece || self.pieces && !self.flows.is_empty();
        self.flows.insert(id, Flow::default());
    }

    /// Tells how far a transfer is; returns a sample when there is one.
    pub fn progress(&mut self, now: Timestamp, id: FetchId, transfer: Transfer) -> Option<Sample> {
        self.add(now, id, transfer);
        // Bursts are few and far between.
        let clear = !transfer.waited.is_zero() && self.bytes >= CLEAR_SAMPLE;
        if clear || self.busy_nanos() >= LONGEST_WINDOW { self.take() } else { None }
    }

    /// Tells that a transfer ended, however it ended; returns a sample when there is one.
    pub fn ended(&mut self, now: Timestamp, id: FetchId, transfer: Transfer) -> Option<Sample> {
        self.add(now, id, transfer);
        self.flows.remove(&id);
        if self.flows.is_empty() || self.bytes >= CLEAR_SAMPLE { self.take() } else { None }
    }

    /// When a sample of a running transfer is due at the earliest, if bytes come in all the time. `started` is
    /// when it began; all others have ended.
    pub(crate) fn next_sample(&self, id: FetchId, started: Timestamp) -> Timestamp {
        let until = self.flows.get(&id).map_or(0, |flow| flow.until).max(started.as_nanos());
        let left = LONGEST_WINDOW.saturating_sub(self.busy_nanos());
        Timestamp::from_nanos(until.saturating_add(left))
    }

    fn add(&mut self, now: Timestamp, id: FetchId, transfer: Transfer) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        if transfer.cached || transfer.bytes == 0 {
            return;
        }
        let end = now.as_nanos();
        let waited = nanos(transfer.waited).max(flow.waited);
        let body = nanos(transfer.total.saturating_sub(transfer.first_byte)).saturating_sub(waited);
        // Only the bursts count: since the last report, as long as the body has come since.
        let since = if waited == 0 { body } else { body.saturating_sub(flow.body) };
        let start = end.saturating_sub(since).max(flow.until);
        self.bytes = self.bytes.saturating_add(transfer.bytes.saturating_sub(flow.bytes));
        *flow = Flow { bytes: transfer.bytes.max(flow.bytes), until: end, body, waited };
        self.cover(start, end);
    }

    fn cover(&mut self, mut start: u64, mut end: u64) {
        if start >= end {
            return;
        }
        self.busy.retain(|&(s, e)| {
            let apart = e < start || end < s;
            if !apart {
                start = start.min(s);
                end = end.max(e);
            }
            apart
        });
        let place = self.busy.partition_point(|&(s, _)| s < start);
        self.busy.insert(place, (start, end));
    }

    fn busy_nanos(&self) -> u64 {
        self.busy.iter().fold(0, |sum: u64, (start, end)| sum.saturating_add(end - start))
    }

    fn take(&mut self) -> Option<Sample> {
        if self.pieces && self.bytes < SMALLEST_SAMPLE {
            return None;
        }
        let sample = Sample { bytes: self.bytes, busy: Duration::from_nanos(self.busy_nanos()) };
        self.bytes = 0;
        self.busy.clear();
        (sample.bytes >= SMALLEST_SAMPLE && !sample.busy.is_zero()).then_some(sample)
    }
}

/// What is known about the network from an earlier session.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prior {
    /// Mean throughput in bit/s.
    pub bps: u64,
    /// Standard deviation of the natural logarithm of the throughput.
    pub sigma: f64,
}

/// A distribution of the throughput to come: log-normal with a mean that follows changes of regime.
#[derive(Clone, Debug)]
pub struct Predictor {
    /// Natural logarithm of bit/s; meaningless before the first sample or prior.
    mean: f64,
    variance: f64,
    samples: u32,
    known: bool,
    /// Sign of the last surprise, 0 when the last sample was none.
    surprise: i8,
    first_byte_ms: Option<f64>,
}

impl Predictor {
    /// Starts from what is known from before, if anything.
    pub fn new(prior: Option<Prior>) -> Self {
        let prior = prior.filter(|p| p.bps > 0 && p.sigma.is_finite());
        let sigma = prior.map_or(FIRST_SIGMA, |p| p.sigma.clamp(0.05, 2.0));
        Self {
            mean: prior.map_or(0.0, |p| (p.bps as f64).ln()),
            variance: sigma * sigma,
            samples: 0,
            known: prior.is_some(),
            surprise: 0,
            first_byte_ms: None,
        }
    }

    /// Learns from a sample.
    pub fn observe(&mut self, sample: Sample) {
        let seconds = sample.busy.as_secs_f64().max(1e-6);
        let x = (sample.bytes.max(1) as f64 * 8.0 / seconds).ln();
        self.samples = self.samples.saturating_add(1);
        if !self.known {
            self.mean = x;
            self.known = true;
            return;
        }
        let error = x - self.mean;
        let side = if error.abs() > 1.2 * self.variance.sqrt() { error.signum() as i8 } else { 0 };
        let small = (sample.bytes as f64 / FULL_WEIGHT_BYTES).min(1.0);
        let floor = small * if error > 0.0 { FLOOR.0 } else { FLOOR.1 };
        let weight = if side != 0 && side == self.surprise && small >= 1.0 {
            REGIME_CHANGE
        } else {
            (1.0 - (-seconds / HALF_LIFE_S).exp2()).max(small / (f64::from(self.samples) + 1.0)).max(floor)
        };
        let heavy = if error < 0.0 { 1.3 } else { 0.7 };
        self.variance += 0.05 * (heavy * error * error - self.variance);
        self.mean += weight * error;
        self.surprise = side;
    }

    /// Learns how long a request took to its first byte.
    pub fn observe_first_byte(&mut self, first_byte: Duration) {
        let ms = first_byte.as_secs_f64() * 1e3;
        self.first_byte_ms = Some(match self.first_byte_ms {
            None => ms,
            Some(mean) => mean + FIRST_BYTE_SMOOTHING * (ms - mean),
        });
    }

    /// Median throughput in bit/s, whole kbit/s; `None` before anything is known.
    pub fn bps(&self) -> Option<u64> {
        self.known.then(|| self.quantile_bps(0.0, 0))
    }

    /// Throughput in bit/s that lies `z` standard deviations from the median, `step` segments ahead; whole
    /// kbit/s, at least 1. The spread fades with distance because later choices can correct earlier ones.
    pub fn quantile_bps(&self, z: f64, step: u32) -> u64 {
        let sigma = self.sigma() / (1.0 + 0.3 * f64::from(step));
        let kbps = (self.mean + z * sigma).exp() / 1000.0;
        (kbps.clamp(1.0, 1e9).round() as u64).saturating_mul(1000)
    }

    /// Standard deviation of the natural logarithm.
    pub fn sigma(&self) -> f64 {
        self.variance.sqrt()
    }

    /// Expected time to the first byte, in whole milliseconds.
    pub fn first_byte(&self) -> Duration {
        Duration::from_millis(self.first_byte_ms.unwrap_or(0.0).clamp(0.0, 60_000.0).round() as u64)
    }

    /// How many samples were learnt from.
    pub fn samples(&self) -> u32 {
        self.samples
    }

    /// What to remember for the next session on this network.
    pub fn prior(&self) -> Option<Prior> {
        self.bps().map(|bps| Prior { bps, sigma: self.sigma() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn body(bytes: u64, first_byte_ms: u64, total_ms: u64) -> Transfer {
        Transfer {
            bytes,
            first_byte: Duration::from_millis(first_byte_ms),
            total: Duration::from_millis(total_ms),
            waited: Duration::ZERO,
            cached: false,
        }
    }

    #[test]
    fn two_transfers_that_share_the_link_count_as_one_link() {
        let mut meter = Meter::default();
        meter.started(FetchId(1), false);
        meter.started(FetchId(2), false);
        // 1 s at 8 Mbit/s, half each.
        assert_eq!(meter.ended(at(1050), FetchId(1), body(50_000, 50, 1050)), None);
        let sample = meter.ended(at(1050), FetchId(2), body(950_000, 50, 1050));
        assert_eq!(sample, Some(Sample { bytes: 1_000_000, busy: Duration::from_secs(1) }));
    }

    #[test]
    fn idle_time_and_cached_answers_do_not_count() {
        let mut meter = Meter::default();
        meter.started(FetchId(1), false);
        let sample = meter.ended(at(1000), FetchId(1), body(100_000, 0, 100));
        assert_eq!(sample, Some(Sample { bytes: 100_000, busy: Duration::from_millis(100) }));
        meter.started(FetchId(2), false);
        let cached = Transfer { cached: true, ..body(100_000, 0, 1) };
        assert_eq!(meter.ended(at(1001), FetchId(2), cached), None);
    }

    #[test]
    fn a_body_that_comes_as_it_is_produced_is_measured_in_its_bursts() {
        let mut meter = Meter::default();
        meter.started(FetchId(1), true);
        let chunk = |number: u64| Transfer {
            waited: Duration::from_millis(number * 160),
            ..body(20_000 * (number + 1), 10, 50 + number * 200)
        };
        // 20,000 bytes every 200 ms, 40 ms of which they take.
        let samples: Vec<_> =
            (0..5).filter_map(|n| meter.progress(at(50 + n * 200), FetchId(1), chunk(n))).collect();
        assert_eq!(samples, [Sample { bytes: 80_000, busy: Duration::from_millis(160) }]);
    }

    #[test]
    fn small_pieces_add_up() {
        let mut meter = Meter::default();
        for n in 1..=2 {
            meter.started(FetchId(n), true);
            let sample = meter.ended(at(n * 200), FetchId(n), body(9_000, 100, 118));
            let both = Sample { bytes: 18_000, busy: Duration::from_millis(36) };
            assert_eq!(sample, (n == 2).then_some(both));
        }
    }

    #[test]
    fn a_standing_transfer_still_makes_samples() {
        let mut meter = Meter::default();
        meter.started(FetchId(1), false);
        assert_eq!(meter.progress(at(1000), FetchId(1), body(50_000, 0, 1000)), None);
        let sample = meter.progress(at(2000), FetchId(1), body(50_000, 0, 2000));
        assert_eq!(sample, Some(Sample { bytes: 50_000, busy: Duration::from_secs(2) }));
    }

    #[test]
    fn the_mean_follows_a_change_of_regime_within_two_samples() {
        let mut predictor = Predictor::new(None);
        let sample = |bps: u64| Sample { bytes: bps / 4, busy: Duration::from_secs(2) };
        for _ in 0..10 {
            predictor.observe(sample(8_000_000));
        }
        assert_eq!(predictor.bps(), Some(8_000_000));
        predictor.observe(sample(1_000_000));
        predictor.observe(sample(1_000_000));
        assert!(predictor.bps().unwrap() < 1_300_000, "{:?}", predictor.bps());
        assert!(predictor.sigma() > 0.35);
    }

    #[test]
    fn tiny_samples_hardly_move_the_mean() {
        let mut predictor = Predictor::new(Some(Prior { bps: 50_000_000, sigma: 0.2 }));
        for _ in 0..5 {
            predictor.observe(Sample { bytes: 1_000_000, busy: Duration::from_millis(160) });
        }
        predictor.observe(Sample { bytes: 20_000, busy: Duration::from_millis(50) });
        assert!(predictor.bps().unwrap() > 35_000_000, "{:?}", predictor.bps());
    }
}
