//! Sabre's estimates of throughput and latency.

use super::options::Average;
use std::collections::VecDeque;
use std::hint::black_box;

/// Samples that a sliding window may look back on.
const KEPT_SAMPLES: usize = 20;

/// Kbit/s and milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) throughput: f64,
    pub(super) latency: f64,
}

pub(super) enum Estimator {
    Ewma { lines: Vec<Ewma>, transfer_ms: f64, samples: f64 },
    Sliding { windows: Vec<usize>, samples: VecDeque<Estimate> },
}

/// The averages of one half-life.
pub(super) struct Ewma {
    /// In milliseconds of transfer.
    half_life: f64,
    /// In samples.
    latency_half_life: f64,
    throughput: f64,
    latency: f64,
}

/// `0.5^x` by `pow` itself: compilers like to make `exp2(−x)` of it, which rounds differently.
fn half_to_the(x: f64) -> f64 {
    black_box(0.5_f64).powf(x)
}

impl Estimator {
    pub(super) fn new(average: &Average, segment_ms: f64) -> Self {
        match average {
            Average::Ewma(half_lives) => {
                let line = |seconds: &f64| {
                    let half_life = seconds * 1000.0;
                    Ewma {
                        half_life,
                        latency_half_life: half_life / segment_ms,
                        throughput: 0.0,
                        latency: 0.0,
                    }
                };
                let lines = half_lives.iter().map(line).collect();
                Self::Ewma { lines, transfer_ms: 0.0, samples: 0.0 }
            }
            Average::Sliding(windows) => {
                Self::Sliding { windows: windows.clone(), samples: VecDeque::with_capacity(KEPT_SAMPLES) }
            }
        }
    }

    /// Takes a sample in and gives the estimate after it.
    pub(super) fn push(&mut self, transfer: f64, sample: Estimate) -> Estimate {
        let mut estimate = Estimate { throughput: f64::INFINITY, latency: 0.0 };
        let mut take = |throughput, latency| {
            estimate.throughput = estimate.throughput.min(throughput);
            estimate.latency = estimate.latency.max(latency);
        };
        match self {
            Self::Ewma { lines, transfer_ms, samples } => {
                *transfer_ms += transfer;
                *samples += 1.0;
                for line in lines {
                    let old = half_to_the(transfer / line.half_life);
                    line.throughput = old * line.throughput + (1.0 - old) * sample.throughput;
                    let old = half_to_the(1.0 / line.latency_half_life);
                    line.latency = old * line.latency + (1.0 - old) * sample.latency;
                    take(
                        line.throughput / (1.0 - half_to_the(*transfer_ms / line.half_life)),
                        line.latency / (1.0 - half_to_the(*samples / line.latency_half_life)),
                    );
                }
            }
            Self::Sliding { windows, samples } => {
                if samples.len() == KEPT_SAMPLES {
                    samples.pop_front();
                }
                samples.push_back(sample);
                for &window in windows.iter() {
                    let recent = || samples.iter().skip(samples.len().saturating_sub(window));
                    let count = window.min(samples.len()) as f64;
                    take(
                        recent().map(|s| s.throughput).sum::<f64>() / count,
                        recent().map(|s| s.latency).sum::<f64>() / count,
                    );
                }
            }
        }
        estimate
    }
}
