//! Rules that choose a representation: one trait, one file per rule.
//!
//! A controller sees a [`Situation`] and answers a [`Choice`]. Filters (locks, limits, viewport,
//! exclusions) have been applied before, so every rung it sees may be chosen.

mod values;
mod history;
mod fixed;
mod throughput;
mod bba0;
mod bba2;
mod bola_basic;
mod bola;
mod dynamic;
mod mpc;
mod soda;
mod hybrid;
mod l2a_ll;
mod lol_plus;
mod media3;
mod shaka;
mod dashjs;
mod hlsjs;
mod rx_player;
mod gst_adaptive;

pub use bba0::Bba0;
pub use bba2::Bba2;
pub use bola::Bola;
pub use bola_basic::BolaBasic;
pub use dashjs::DashJs;
pub use dynamic::Dynamic;
pub use fixed::Fixed;
pub use gst_adaptive::GstAdaptive;
pub use hlsjs::HlsJs;
pub use hybrid::{HORIZON, Hybrid, Knob, Tuning};
pub use l2a_ll::L2aLl;
pub use lol_plus::LolPlus;
pub use media3::Media3;
pub use mpc::Mpc;
pub use rx_player::RxPlayer;
pub use shaka::Shaka;
pub use soda::Soda;
pub use throughput::ThroughputRule;
pub use values::{MOST_VALUES, Values};

use crate::protocol::Reason;
use crate::throughput::{Predictor, Sample};
use std::fmt::Debug;
use std::time::Duration;

/// The names that [`Config::controller`](crate::session::Config::controller) may hold.
pub const NAMES: [&str; 20] = [
    "fixed",
    "throughput",
    "bba-0",
    "bba-2",
    "bola-basic",
    "bola-finite",
    "bola-e",
    "dynamic",
    "mpc",
    "robust-mpc",
    "soda",
    "hybrid",
    "l2a-ll",
    "lol-plus",
    "media3",
    "shaka",
    "dashjs",
    "hlsjs",
    "rx-player",
    "gst-adaptive",
];

/// The controller of that name; `hybrid:name=value,…` is `hybrid` with other numbers, see [`Tuning`].
pub fn by_name(name: &str) -> Option<Box<dyn Controller>> {
    Some(match name {
        "fixed" => Box::new(Fixed),
        "throughput" => Box::new(ThroughputRule::default()),
        "bba-0" => Box::new(Bba0),
        "bba-2" => Box::new(Bba2::default()),
        "bola-basic" => Box::new(BolaBasic::basic()),
        "bola-finite" => Box::new(BolaBasic::finite()),
        "bola-e" => Box::new(Bola::default()),
        "dynamic" => Box::new(Dynamic::default()),
        "mpc" => Box::new(Mpc::plain()),
        "robust-mpc" => Box::new(Mpc::robust()),
        "soda" => Box::new(Soda::default()),
        "hybrid" => Box::new(Hybrid::default()),
        "l2a-ll" => Box::new(L2aLl::default()),
        "lol-plus" => Box::new(LolPlus::default()),
        other if other.starts_with("hybrid:") => {
            Box::new(Hybrid::new(Tuning::parse(other.strip_prefix("hybrid:")?)?))
        }
        "media3" => Box::new(Media3::default()),
        "shaka" => Box::new(Shaka::default()),
        "dashjs" => Box::new(DashJs::default()),
        "hlsjs" => Box::new(HlsJs::default()),
        "rx-player" => Box::new(RxPlayer::default()),
        "gst-adaptive" => Box::new(GstAdaptive::default()),
        _ => return None,
    })
}

/// What a controller may know when a segment is to be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Queued media ahead of the position.
    pub buffer: Duration,
    /// The most that may be queued ahead.
    pub buffer_max: Duration,
    /// Stated bandwidths of the rungs in bit/s, ascending, at least one.
    pub rungs: &'a [u64],
    /// Rung of the segment before, if there was one.
    pub previous: Option<usize>,
    /// The segments to come, the one to choose for first; at least one.
    pub upcoming: &'a [Upcoming],
    /// Expected sizes in bits, `upcoming × rungs`, row by row, including what other tracks need in the
    /// same time.
    pub bits: &'a [u64],
    /// Segments left until the end of the title, [`upcoming`](Self::upcoming) included.
    pub remaining: u64,
    /// Segments chosen since the start or the last seek.
    pub since_start: u32,
    /// The network.
    pub network: &'a Predictor,
    /// Where playback is on a live timeline; `None` when nothing is being produced any more.
    pub live: Option<Live>,
}

/// The distance of playback from the moment of production.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// How far the position is behind the live edge's wall clock.
    pub latency: Duration,
    /// How far it should be.
    pub target: Duration,
    /// Playback speed now, in thousandths of the normal speed.
    pub rate_permille: u32,
}

/// One segment to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// Its length.
    pub duration: Duration,
}

impl Situation<'_> {
    /// Expected size in bits of a segment to come.
    pub fn bits(&self, step: usize, rung: usize) -> u64 {
        self.bits.get(step * self.rungs.len() + rung).copied().unwrap_or(u64::MAX)
    }

    /// Length of a segment to come, in seconds.
    pub fn seconds(&self, step: usize) -> f64 {
        self.upcoming.get(step).map_or(1.0, |segment| segment.duration.as_secs_f64()).max(0.001)
    }

    /// Highest rung whose bandwidth is at most `bps`, else the lowest.
    pub fn rung_below(&self, bps: u64) -> usize {
        self.rungs.iter().rposition(|rate| *rate <= bps).unwrap_or(0)
    }
}

/// A controller's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Position in [`Situation::rungs`].
    pub rung: usize,
    /// Why.
    pub reason: Reason,
    /// The value of each rung, higher is better; may be empty.
    pub values: Values,
    /// Choose again after this time instead of fetching now.
    pub wait: Option<Duration>,
}

/// What happened to the queue without a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Playback continues elsewhere with an empty queue.
    Seek,
    /// A running download was given up for this rung.
    Abandoned {
        /// Position in the rungs of the last [`Situation`].
        rung: usize,
    },
    /// So much queued media was dropped to be fetched again.
    Replaced(Duration),
}

/// A rule that chooses a rung for the next segment. Deterministic: the same calls give the same answers.
pub trait Controller: Debug + Send {
    /// Its name in [`NAMES`].
    fn name(&self) -> &'static str;
    /// Chooses.
    fn choose(&mut self, situation: &Situation<'_>) -> Choice;
    /// Tells what was measured of the network, for rules with an estimator of their own.
    fn observe(&mut self, _sample: Sample) {}
    /// Tells what happened to the queue.
    fn notice(&mut self, _notice: Notice) {}
}

/// The choice before anything was transferred: the highest rung whose first segment is expected within
/// `target` at the 20th percentile of what is known from before; without such knowledge the lowest, which
/// costs little quality for a segment or two and saves the wait on a slow network.
pub fn first_rung(situation: &Situation<'_>, target: Duration) -> usize {
    const P20: f64 = -0.84;
    if situation.network.bps().is_none() {
        return 0;
    }
    let bps = situation.network.quantile_bps(P20, 0);
    let budget = target.saturating_sub(situation.network.first_byte()).as_millis() as u64;
    let affordable = u128::from(bps) * u128::from(budget) / 1000;
    (0..situation.rungs.len()).rfind(|rung| u128::from(situation.bits(0, *rung)) <= affordable).unwrap_or(0)
}

/// Which audio rung to use: the highest that takes at most 15 % of the throughput (12 % to go up, 20 % to
/// stay), so that sound never starves the picture and does not flap. Without knowledge, the highest of at
/// most 128 kbit/s.
pub fn audio_rung(rungs: &[u64], previous: Option<usize>, bps: Option<u64>) -> usize {
    let Some(bps) = bps else {
        return previous.unwrap_or_else(|| rungs.iter().rposition(|rate| *rate <= 128_000).unwrap_or(0));
    };
    let within = |percent: u64| {
        let limit = bps.saturating_mul(percent) / 100;
        rungs.iter().rposition(|rate| *rate <= limit).unwrap_or(0)
    };
    match previous {
        None => within(15),
        Some(previous) if within(12) > previous => within(12),
        Some(previous) => previous.min(within(20)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::throughput::Prior;

    /// A situation with constant bitrate and 4 s segments.
    pub(crate) struct Fixture {
        pub(crate) rungs: Vec<u64>,
        pub(crate) network: Predictor,
        upcoming: Vec<Upcoming>,
        bits: Vec<u64>,
    }

    impl Fixture {
        pub(crate) fn new(bps: Option<u64>) -> Self {
            let rungs = vec![300_000, 750_000, 1_200_000, 1_850_000, 2_850_000, 4_300_000];
            let upcoming = vec![Upcoming { duration: Duration::from_secs(4) }; 10];
            let bits = (0..10).flat_map(|_| rungs.iter().map(|rate| rate * 4)).collect();
            let prior = bps.map(|bps| Prior { bps, sigma: 0.2 });
            Self { rungs, network: Predictor::new(prior), upcoming, bits }
        }

        pub(crate) fn situation(&self, buffer_s: u64, previous: Option<usize>) -> Situation<'_> {
            Situation {
                buffer: Duration::from_secs(buffer_s),
                buffer_max: Duration::from_secs(30),
                rungs: &self.rungs,
                previous,
                upcoming: &self.upcoming,
                bits: &self.bits,
                remaining: 50,
                since_start: 10,
                network: &self.network,
                live: None,
            }
        }
    }

    /// A second of transfer at a rate.
    pub(crate) fn second_at(bps: u64) -> Sample {
        Sample { bytes: bps / 8, busy: Duration::from_secs(1) }
    }

    #[test]
    fn the_first_rung_fits_the_startup_target() {
        let second = Duration::from_secs(1);
        assert_eq!(first_rung(&Fixture::new(None).situation(0, None), second), 0);
        assert_eq!(first_rung(&Fixture::new(Some(100_000)).situation(0, None), second), 0);
        // 20 Mbit/s at the 20th percentile are 16.9 Mbit/s; the top rung has 17.2 Mbit.
        assert_eq!(first_rung(&Fixture::new(Some(20_000_000)).situation(0, None), second), 4);
    }

    #[test]
    fn audio_does_not_flap() {
        let rungs = [64_000, 128_000, 256_000];
        assert_eq!(audio_rung(&rungs, None, None), 1);
        assert_eq!(audio_rung(&rungs, Some(1), Some(1_800_000)), 1, "14 % is not enough to go up");
        assert_eq!(audio_rung(&rungs, Some(1), Some(2_200_000)), 2);
        assert_eq!(audio_rung(&rungs, Some(2), Some(1_400_000)), 2, "18 % is enough to stay");
        assert_eq!(audio_rung(&rungs, Some(2), Some(600_000)), 0);
    }

    #[test]
    fn every_name_is_known() {
        for name in NAMES {
            assert_eq!(by_name(name).unwrap().name(), name);
        }
        assert!(by_name("x").is_none());
    }

    #[test]
    fn every_controller_uses_a_fast_link_and_respects_a_slow_one() {
        for name in NAMES.into_iter().filter(|name| *name != "fixed") {
            let fast = Fixture::new(Some(20_000_000));
            let slow = Fixture::new(Some(350_000));
            let mut controller = by_name(name).unwrap();
            assert_eq!(controller.choose(&fast.situation(26, Some(5))).rung, 5, "{name}");
            assert_eq!(controller.choose(&slow.situation(1, Some(3))).rung, 0, "{name}");
        }
    }
}
