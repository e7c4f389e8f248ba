//! Value iteration backwards over the segments to come: for each level of the queue, rung before and
//! throughput class, what the best continuation is worth.
//!
//! Values lie level by level in rows, one row per (rung, class), so that every inner loop runs over a row and
//! does the same for each level: a download of `d` seconds moves a whole row by `L − d`.

use super::forecast::{CLASSES, Chain};
use crate::controller::Situation;

/// Levels of the queue that are told apart.
pub(super) const LEVELS: usize = 48;
type Row = [f32; LEVELS];
/// Price of a segment that is played a second later than the latency target allows (as LoL+ has it, Bentaleb et al.,
/// TMM 2022), and seconds in which a second of latency is won back (at 1.04 times the speed).
const LATENCY: f64 = 0.1;
const CATCH_UP: f64 = 25.0;

/// What a plan weighs; worths are relative to that of the highest rung.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prices {
    /// A second of stalling.
    pub(super) stall: f32,
    /// A change of worth by one.
    pub(super) change: f32,
    /// Seconds of a download after which the long-term throughput is expected.
    pub(super) lasting: f64,
}

/// Tables, kept between choices to spare allocations.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Worth of the continuation after the step in work, by (rung before, class).
    next: Vec<Row>,
    /// The same before it.
    now: Vec<Row>,
    /// Worth of each rung.
    pub(super) worth: Vec<f32>,
    /// Worth of each rung at the real level: the answer.
    pub(super) values: Vec<f32>,
}

/// A download: how the level moves.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Its length in levels.
    takes: f32,
    /// Length of the segment in levels.
    brings: f32,
    /// Price of stalling for the time of one level.
    price: f32,
}

impl Step {
    /// What follows from each level: price of the stall and worth of the continuation.
    fn outcomes(&self, next: &Row, into: &mut Row) {
        const TOP: f32 = (LEVELS - 1) as f32;
        // With less than the download takes, a stall: what is left then is the new segment.
        let dry = (self.takes.ceil().max(0.0) as usize).min(LEVELS);
        let after_stall = at(next, self.brings);
        for (level, out) in into[..dry].iter_mut().enumerate() {
            *out = after_stall - self.price * (self.takes - level as f32);
        }
        let shift = (self.brings - self.takes).clamp(-TOP, TOP);
        let whole = shift.floor();
        let part = shift - whole;
        let whole = whole as isize;
        // Up to where both neighbours exist.
        let inside = (LEVELS as isize - 1 - whole).clamp(dry as isize, LEVELS as isize) as usize;
        let from = (dry as isize + whole).max(0) as usize;
        if let Some(source) = next.get(from..) {
            let pairs = source.iter().zip(source.iter().skip(1));
            for (out, (low, high)) in into[dry..inside].iter_mut().zip(pairs) {
                *out = low + part * (high - low);
            }
        }
        into[inside..].fill(next[LEVELS - 1]);
    }

    /// The same from one level.
    fn outcome(&self, next: &Row, level: f32) -> f32 {
        let stall = (self.takes - level).max(0.0);
        at(next, (level - self.takes).max(0.0) + self.brings) - self.price * stall
    }
}

/// The value at a level, between its neighbours.
fn at(row: &Row, level: f32) -> f32 {
    let level = level.clamp(0.0, (LEVELS - 1) as f32);
    let low = (level as usize).min(LEVELS - 2);
    let part = level - low as f32;
    row[low] + part * (row[low + 1] - row[low])
}

/// Seconds per level, and what downloads need.
struct Ground<'a> {
    situation: &'a Situation<'a>,
    chain: &'a Chain,
    prices: Prices,
    level_s: f64,
    first_byte: f64,
    /// Seconds of the queue that are played per second.
    speed: f64,
    /// Price of stalling for the time of one level.
    price: f32,
}

impl Ground<'_> {
    fn step(&self, step: usize, rung: usize, class: usize) -> Step {
        // Sizes beyond those known: as the last.
        let known = step.min(self.situation.upcoming.len() - 1);
        let bits = self.situation.bits(known, rung) as f64;
        let bps = self.chain.bps[class];
        let mut seconds = bits / bps;
        if seconds > self.prices.lasting && self.chain.long_bps > bps {
            seconds = self.prices.lasting + (bits - bps * self.prices.lasting) / self.chain.long_bps;
        }
        Step {
            takes: ((self.first_byte + seconds) * self.speed / self.level_s) as f32,
            brings: (self.situation.seconds(known) / self.level_s) as f32,
            price: self.price,
        }
    }
}

impl Plan {
    /// Finds the worth of each rung for the next segment, looking `steps` segments ahead.
    pub(super) fn solve(
        &mut self,
        situation: &Situation<'_>,
        chain: &Chain,
        prices: Prices,
        steps: usize,
        previous: Option<usize>,
    ) {
        let rungs = self.worth.len();
        let length = situation.seconds(0);
        // A request is made when its segment fits.
        let mut most = (situation.buffer_max.as_secs_f64() - length).max(length);
        let (mut stall, mut speed) = (f64::from(prices.stall), 1.0);
        if let Some(live) = situation.live {
            // No more can be queued than was produced since the position.
            most = most.min(live.target.as_secs_f64().max(length));
            speed = f64::from(live.rate_permille.clamp(100, 10_000)) / 1e3;
            // A stall adds to the latency until that is won back: half of it on average.
            let segments = (CATCH_UP / length).min(steps as f64);
            stall += LATENCY * segments / 2.0;
        }
        let level_s = most / (LEVELS - 1) as f64;
        let ground = Ground {
            situation,
            chain,
            prices,
            level_s,
            first_byte: situation.network.first_byte().as_secs_f64(),
            speed,
            price: (stall * level_s / speed) as f32,
        };
        self.next.clear();
        self.next.resize(rungs * CLASSES, [0.0; LEVELS]);
        self.now.resize(rungs * CLASSES, [0.0; LEVELS]);
        for step in (1..steps).rev() {
            self.back(&ground, step);
            std::mem::swap(&mut self.now, &mut self.next);
        }
        let level = (situation.buffer.as_secs_f64() / level_s) as f32;
        self.values.clear();
        for rung in 0..rungs {
            let outcomes = (0..CLASSES).map(|class| {
                let after = &self.next[rung * CLASSES + class];
                chain.next[class] * ground.step(0, rung, class).outcome(after, level)
            });
            let change = previous.map_or(0.0, |last| (self.worth[rung] - self.worth[last]).abs());
            self.values.push(self.worth[rung] - prices.change * change + outcomes.sum::<f32>());
        }
    }

    /// One step back: from the worths after it (`next`) to those before it (`now`).
    fn back(&mut self, ground: &Ground<'_>, step: usize) {
        let rungs = self.worth.len();
        for rung in 0..rungs {
            let mut outcomes = [[0.0; LEVELS]; CLASSES];
            for (class, outcome) in outcomes.iter_mut().enumerate() {
                ground.step(step, rung, class).outcomes(&self.next[rung * CLASSES + class], outcome);
            }
            for (class, chances) in ground.chain.after.iter().enumerate() {
                let mut sum = [self.worth[rung]; LEVELS];
                for (outcome, chance) in outcomes.iter().zip(chances) {
                    for (sum, outcome) in sum.iter_mut().zip(outcome) {
                        *sum += chance * outcome;
                    }
                }
                self.now[rung * CLASSES + class] = sum;
            }
        }
        // The best rung from each rung before. A change costs by distance, so two passes over neighbours do.
        let toll = |rung: usize| ground.prices.change * (self.worth[rung] - self.worth[rung - 1]).abs();
        for rung in 1..rungs {
            relax(&mut self.now, rung - 1, rung, toll(rung));
        }
        for rung in (1..rungs).rev() {
            relax(&mut self.now, rung, rung - 1, toll(rung));
        }
    }
}

/// Lets one rung's rows take the values of another where those are better after the toll.
fn relax(rows: &mut [Row], from: usize, to: usize, toll: f32) {
    let (low, high) = rows.split_at_mut(from.max(to) * CLASSES);
    let low = &mut low[from.min(to) * CLASSES..];
    let (from, to): (&[Row], &mut [Row]) = if from < to { (low, high) } else { (high, low) };
    for (from, to) in from.iter().zip(to.iter_mut()).take(CLASSES) {
        for (from, to) in from.iter().zip(to.iter_mut()) {
            *to = to.max(from - toll);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Plan {
        /// Sizes of the tables.
        pub(in crate::controller::hybrid) fn tables(&self) -> [usize; 4] {
            let mut rows = [self.next.capacity(), self.now.capacity()];
            rows.sort_unstable();
            [rows[0], rows[1], self.worth.capacity(), self.values.capacity()]
        }
    }

    #[test]
    fn a_row_at_once_is_each_level_alone() {
        let next: Row = std::array::from_fn(|level| (level as f32).sqrt() * 3.0);
        for takes in [0.0, 0.3, 1.0, 2.5, 7.0, 30.2, 46.9, 47.0, 200.0] {
            for brings in [0.2, 1.0, 3.1, 8.0, 47.0, 90.0] {
                let step = Step { takes, brings, price: 0.7 };
                let mut row = [f32::NAN; LEVELS];
                step.outcomes(&next, &mut row);
                for (level, value) in row.iter().enumerate() {
                    let alone = step.outcome(&next, level as f32);
                    assert!((value - alone).abs() < 1e-3, "{takes} {brings} {level}: {value} {alone}");
                }
            }
        }
    }

    #[test]
    fn a_rung_is_left_when_that_pays_its_toll() {
        let mut rows = vec![[0.0; LEVELS]; 2 * CLASSES];
        rows[..CLASSES].fill([5.0; LEVELS]);
        relax(&mut rows, 0, 1, 2.0);
        assert!(rows[CLASSES..].iter().flatten().all(|value| *value == 3.0));
        rows[CLASSES..].fill([9.0; LEVELS]);
        relax(&mut rows, 1, 0, 2.0);
        assert!(rows[..CLASSES].iter().flatten().all(|value| *value == 7.0));
    }
}
