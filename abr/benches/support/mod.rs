//! The situation in which the cost of a choice is measured: six rungs, ten segments of 4 s of lookahead.

use abr::controller::{Situation, Upcoming};
use abr::throughput::{Predictor, Prior};
use std::time::Duration;

/// Bit/s of the rungs.
pub(crate) const RUNGS: [u64; 6] = [300_000, 750_000, 1_200_000, 1_850_000, 2_850_000, 4_300_000];

/// What a situation refers to.
pub(crate) struct Scene {
    upcoming: [Upcoming; 10],
    bits: Vec<u64>,
    network: Predictor,
}

impl Scene {
    /// With constant bitrate and a network of about 2.5 Mbit/s.
    pub(crate) fn new() -> Self {
        let upcoming = [Upcoming { duration: Duration::from_secs(4) }; 10];
        let bits = upcoming.iter().flat_map(|_| RUNGS.map(|rate| rate * 4)).collect();
        Self { upcoming, bits, network: Predictor::new(Some(Prior { bps: 2_500_000, sigma: 0.3 })) }
    }

    /// With so much in the queue.
    pub(crate) fn situation(&self, buffer: Duration) -> Situation<'_> {
        Situation {
            buffer,
            buffer_max: Duration::from_secs(30),
            rungs: &RUNGS,
            previous: Some(3),
            upcoming: &self.upcoming,
            bits: &self.bits,
            remaining: 100,
            since_start: 10,
            network: &self.network,
            live: None,
        }
    }
}
