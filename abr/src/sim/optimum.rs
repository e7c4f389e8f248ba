//! The best that was possible: the offline optimum of a session, with full knowledge of the trace.
//!
//! A plan is a quality for every segment; requests follow one another as early as the buffer allows. What
//! matters after some segments is (t, S, U): the time, the stall so far (the start-up is one) and the quality
//! earned. Fetching segment n, which begins at content time Pₙ, until t′ gives S′ = max(S, t′ − Pₙ). A label
//! that is earlier, with less stall and more quality than another, dominates it, because on a link that never
//! overtakes everything later can be done as early from it.
//!
//! Labels are merged on a grid of (t, S) cells. Keeping a *real* label of each cell gives a plan that can be
//! played: a **lower** bound. Keeping the *best of each component* gives a label at least as good as each that
//! it stands for: an **upper** bound. The optimum lies between; finer cells bring the two together.

mod bound;
mod frontier;
mod link;
mod search;

pub use link::Link;

use super::title::Title;
use bound::Bound;
use search::{Keep, Limits, search};

/// Cell size in seconds that keeps the bracket well below one percent on mobile links.
pub const CELL_S: f64 = 0.1;

/// Cells of the quick search.
const QUICK_CELL_S: f64 = 1.0;
/// Stall beyond the least that the quick search considers.
const QUICK_MORE_STALL_S: f64 = 3.0;

/// What a session is worth: the sum over segments of quality, less switches and stalls.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Worth of a segment in each quality.
    pub quality: Vec<f64>,
    /// Cost of a switch per unit of difference in worth.
    pub switch: f64,
    /// Cost of a second of stall, the start-up included.
    pub stall: f64,
}

impl Weights {
    /// QoE_lin: worth is the bitrate in Mbit/s, and a second of stall costs the worth of the top quality
    /// (4.3 on Pensieve's ladder; Mao et al., SIGCOMM 2017).
    pub fn lin(bitrates_kbps: &[f64]) -> Self {
        Self::new(bitrates_kbps.iter().map(|rate| rate / 1000.0).collect())
    }

    /// QoE_log: worth is ln(R/R_min), and a second of stall costs the worth of the top quality (2.66 on Pensieve's ladder).
    pub fn log(bitrates_kbps: &[f64]) -> Self {
        let least = bitrates_kbps.first().copied().unwrap_or(1.0);
        Self::new(bitrates_kbps.iter().map(|rate| (rate / least).ln()).collect())
    }

    fn new(quality: Vec<f64>) -> Self {
        let top = quality.last().copied().unwrap_or(0.0);
        Self { quality, switch: 1.0, stall: top }
    }
}

/// A session to be played as well as possible.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a> {
    /// What is fetched.
    pub title: &'a Title,
    /// Over what.
    pub link: &'a Link,
    /// What it is worth.
    pub weights: &'a Weights,
    /// Buffer level in seconds at or below which a request may start.
    pub admit_s: f64,
}

/// A plan that can be played.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Quality of every segment.
    pub qualities: Vec<usize>,
    /// Worth per segment.
    pub score: f64,
    /// Seconds until the first segment is there.
    pub startup_s: f64,
    /// Seconds of stall after that.
    pub rebuffer_s: f64,
}

/// Between these lies the optimum.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimum {
    /// The best plan found; its score is the lower bound.
    pub plan: Plan,
    /// No plan has a higher score per segment than this.
    pub upper: f64,
}

impl Optimum {
    /// Lower bound of the optimum's score per segment.
    pub fn lower(&self) -> f64 {
        self.plan.score
    }
}

/// Brackets the optimum with cells of `cell_s` seconds.
///
/// A quick search finds a good plan; the searches proper then look only where that plan can be exceeded, which
/// a bound on what the remaining bits can earn tells.
pub fn optimum(problem: &Problem<'_>, cell_s: f64) -> Optimum {
    let bound = Bound::new(problem);
    let segments = problem.title.segments();
    let quick =
        Limits { cell_s: QUICK_CELL_S, keep: Keep::Real, more_stall_s: QUICK_MORE_STALL_S, known: None };
    let lowest = || vec![0; segments];
    let mut plan = play(problem, &search(problem, quick).map_or_else(lowest, |found| found.qualities));
    // A search in between pays only where the cells are much finer than its own.
    let between = (cell_s < QUICK_CELL_S / 6.0).then_some(QUICK_CELL_S / 3.0);
    for cell_s in between.into_iter().chain([cell_s]) {
        let worth = plan.score * segments as f64;
        let exact =
            Limits { cell_s, keep: Keep::Real, more_stall_s: f64::INFINITY, known: Some((&bound, worth)) };
        if let Some(found) = search(problem, exact) {
            let better = play(problem, &found.qualities);
            if better.score > plan.score {
                plan = better;
            }
        }
    }
    // A hair below, so that rounding drops no plan that is as good.
    let worth = plan.score * segments as f64 - 1e-9;
    let exact =
        Limits { cell_s, keep: Keep::Best, more_stall_s: f64::INFINITY, known: Some((&bound, worth)) };
    let upper = search(problem, exact).map_or(plan.score, |found| found.worth / segments as f64);
    Optimum { upper: upper.max(plan.score), plan }
}

/// Plays a plan.
pub fn play(problem: &Problem<'_>, qualities: &[usize]) -> Plan {
    let Problem { title, link, weights, admit_s } = *problem;
    let (mut clock, mut stall, mut worth, mut content) = (0.0f64, 0.0f64, 0.0, 0.0);
    let mut startup_s = 0.0;
    for (segment, &quality) in qualities.iter().enumerate() {
        let start = f64::max(clock, content + stall - admit_s);
        clock = link.fetch(segment, start, title.size_bits(segment, quality) as f64);
        stall = f64::max(stall, clock - content);
        worth += weights.quality[quality];
        match segment {
            0 => startup_s = stall,
            _ => {
                let before = weights.quality[qualities[segment - 1]];
                worth -= weights.switch * (weights.quality[quality] - before).abs();
            }
        }
        content += title.durations_ms[segment] / 1000.0;
    }
    Plan {
        qualities: qualities.to_vec(),
        score: (worth - weights.stall * stall) / qualities.len().max(1) as f64,
        startup_s,
        rebuffer_s: stall - startup_s,
    }
}

#[cfg(test)]
mod tests;
