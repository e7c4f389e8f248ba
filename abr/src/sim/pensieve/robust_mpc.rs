//! RobustMPC as Pensieve's authors programmed it (after Yin et al., SIGCOMM 2015).

use super::{CHUNKS, STALL_PENALTY};
use crate::sim::title::Title;
use std::collections::VecDeque;

/// Chunks that are looked ahead, and samples that are looked back.
const HORIZON: usize = 5;
/// Seconds of a chunk.
const CHUNK_S: f64 = 4.0;

/// Which sizes the plan looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lookahead {
    /// One chunk too far, as the published program does.
    Upstream,
    /// The chunks that are planned, as the paper means.
    Aligned,
}

/// The controller with what it remembers.
#[derive(Clone, Debug)]
pub struct RobustMpc {
    lookahead: Lookahead,
    /// MB/s of the last chunks, oldest first.
    samples: VecDeque<f64>,
    /// Relative errors of the last forecasts.
    errors: VecDeque<f64>,
    forecast: Option<f64>,
}

/// A plan's state after some of its steps.
#[derive(Clone, Copy)]
struct Partial {
    level: f64,
    stall: f64,
    bitrates: f64,
    changes: f64,
    quality: usize,
}

impl RobustMpc {
    /// A controller that has seen nothing.
    pub fn new(lookahead: Lookahead) -> Self {
        Self { lookahead, samples: VecDeque::new(), errors: VecDeque::new(), forecast: None }
    }

    /// Forgets the samples of throughput, as the program does between traces; errors and the last forecast stay.
    pub fn next_trace(&mut self) {
        self.samples.clear();
    }

    /// The quality after `chunk`, which had `size` bytes in `quality` and took `delay_ms`; `level` is in seconds.
    pub(super) fn next(
        &mut self,
        title: &Title,
        chunk: usize,
        quality: usize,
        size: f64,
        delay_ms: f64,
        level: f64,
    ) -> usize {
        let bandwidth = self.bandwidth(size / delay_ms / 1000.0);
        let horizon = HORIZON.min(CHUNKS - (chunk + 1));
        let skipped = match self.lookahead {
            Lookahead::Upstream => 2,
            Lookahead::Aligned => 1,
        };
        let mut search = Search {
            title,
            bandwidth,
            first: chunk + skipped,
            horizon,
            best: f64::NEG_INFINITY,
            taken: quality,
        };
        let start = Partial { level, stall: 0.0, bitrates: 0.0, changes: 0.0, quality };
        if horizon > 0 {
            search.extend(start, 0, None);
        }
        search.taken
    }

    /// Takes a sample in and gives the bandwidth to plan with, both in MB/s.
    fn bandwidth(&mut self, sample: f64) -> f64 {
        let error = self.forecast.map_or(0.0, |forecast| (forecast - sample).abs() / sample);
        keep(&mut self.errors, error);
        keep(&mut self.samples, sample);
        let inverse: f64 = self.samples.iter().map(|sample| 1.0 / sample).sum();
        let forecast = 1.0 / (inverse / self.samples.len() as f64);
        self.forecast = Some(forecast);
        forecast / (1.0 + self.errors.iter().copied().fold(0.0, f64::max))
    }
}

fn keep(history: &mut VecDeque<f64>, value: f64) {
    if history.len() == HORIZON {
        history.pop_front();
    }
    history.push_back(value);
}

/// All plans in lexicographic order, sharing their common beginnings; the last of the best wins.
struct Search<'a> {
    title: &'a Title,
    bandwidth: f64,
    first: usize,
    horizon: usize,
    best: f64,
    taken: usize,
}

impl Search<'_> {
    fn extend(&mut self, plan: Partial, step: usize, begins: Option<usize>) {
        if step == self.horizon {
            let value = plan.bitrates / 1000.0 - STALL_PENALTY * plan.stall - plan.changes / 1000.0;
            if value >= self.best {
                self.best = value;
                self.taken = begins.unwrap_or(self.taken);
            }
            return;
        }
        let title = self.title;
        for quality in 0..title.qualities() {
            let mut next = plan;
            let size = title.size_bits(self.first + step, quality) as f64 / 8.0;
            let time = size / 1_000_000.0 / self.bandwidth;
            if next.level < time {
                next.stall += time - next.level;
                next.level = 0.0;
            } else {
                next.level -= time;
            }
            next.level += CHUNK_S;
            let bitrates = &title.bitrates_kbps;
            next.bitrates += bitrates[quality];
            next.changes += (bitrates[quality] - bitrates[plan.quality]).abs();
            next.quality = quality;
            self.extend(next, step + 1, begins.or(Some(quality)));
        }
    }
}
