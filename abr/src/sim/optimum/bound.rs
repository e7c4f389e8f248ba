//! How much a plan can still earn, at most: what the bits that can arrive in time are worth.
//!
//! Lagrange's relaxation. For a price ν per bit, the segments from n on earn at most
//! Σ max_q (worth_q − ν·size_q) + ν·(bits that arrive before the last of them is due). Being later than due by x
//! costs μ·x, so the bits are worth at most sup_x (ν·bits(due + x) − μ·x). Switches, latency that passes on the link's clock and the
//! buffer's cap are left out, which only raises the bound. Every ν gives a bound; the least of a few is taken.

use super::Problem;
use super::frontier::Label;
use super::link::Link;

/// Prices that are tried for the labels of one segment.
const PRICES_PER_LAYER: usize = 3;

pub(super) struct Bound<'a> {
    link: &'a Link,
    stall_cost: f64,
    /// Content time at which the last segment begins.
    last_due: f64,
    segments: usize,
    prices: Vec<Price>,
}

struct Price {
    per_bit: f64,
    /// What the segments from n on earn beyond the price of their bits, for n = 0..=N.
    surplus: Vec<f64>,
    /// The greatest ν·bits − μ·time at the end of a period or any later one of the cycle.
    best_from: Vec<f64>,
    /// The same over a whole cycle, its start included.
    best_of_cycle: f64,
    /// By how much that falls from cycle to cycle; above zero.
    fall: f64,
}

impl<'a> Bound<'a> {
    pub(super) fn new(problem: &Problem<'a>) -> Self {
        let Problem { title, link, weights, .. } = *problem;
        let (segments, qualities) = (title.segments(), title.qualities());
        let mean = |quality: usize| {
            (0..segments).map(|s| title.size_bits(s, quality) as f64).sum::<f64>() / segments as f64
        };
        let mut candidates = vec![0.0];
        for quality in 1..qualities {
            let more = weights.quality[quality] - weights.quality[quality - 1];
            let slope = more / (mean(quality) - mean(quality - 1)).max(1.0);
            candidates.extend([slope * 0.8, slope]);
        }
        let price = |per_bit: f64| {
            let fall = weights.stall * link.cycle_s() - per_bit * link.cycle_bits();
            if fall <= 1e-9 {
                return None;
            }
            let mut surplus = vec![0.0; segments + 1];
            for segment in (0..segments).rev() {
                let sizes = title.sizes_of(segment).iter().zip(&weights.quality);
                let most = sizes.map(|(&bits, worth)| worth - per_bit * bits as f64);
                surplus[segment] = surplus[segment + 1] + most.fold(f64::NEG_INFINITY, f64::max);
            }
            let mut best = f64::NEG_INFINITY;
            let mut best_from: Vec<f64> = link
                .boundaries()
                .rev()
                .map(|(end, bits)| {
                    best = f64::max(best, per_bit * bits - weights.stall * end);
                    best
                })
                .collect();
            best_from.reverse();
            Some(Price { per_bit, surplus, best_from, best_of_cycle: best.max(0.0), fall })
        };
        let last_due = title.durations_ms[..segments - 1].iter().sum::<f64>() / 1000.0;
        let prices = candidates.into_iter().filter_map(price).collect();
        Self { link, stall_cost: weights.stall, last_due, segments, prices }
    }

    /// The bound after `fetched` segments, with the prices that suit a label like `sample`.
    pub(super) fn layer(&self, fetched: usize, sample: Option<&Label>) -> Layer<'_> {
        let mut layer = Layer { bound: self, fetched, prices: self.prices.iter().collect() };
        if let Some(sample) = sample {
            let (from, due) = layer.ends(sample);
            layer.prices.sort_by(|a, b| {
                layer.bound.earns(a, fetched, from, due).total_cmp(&layer.bound.earns(b, fetched, from, due))
            });
            layer.prices.truncate(PRICES_PER_LAYER);
        }
        layer
    }

    /// What the segments from `fetched` on earn at most with bits from one clock time on, the last being due at another.
    fn earns(&self, price: &Price, fetched: usize, from: Ends, due: Ends) -> f64 {
        let here = price.per_bit * due.bits - self.stall_cost * due.within;
        let this_cycle = f64::max(here, price.best_from[due.period]);
        let best = f64::max(this_cycle, price.best_of_cycle - price.fall);
        // Both clocks are counted from the start of the cycle in which the last segment is due.
        let gained = best + self.stall_cost * due.within - price.per_bit * (from.bits - due.cycle_bits);
        price.surplus[fetched] + gained
    }
}

/// A point on the link's clock, with the bits delivered by then.
#[derive(Clone, Copy)]
struct Ends {
    within: f64,
    period: usize,
    /// Since the start of its cycle for what is due; since the very start for where bits come from.
    bits: f64,
    /// Bits of the cycles before it.
    cycle_bits: f64,
}

pub(super) struct Layer<'a> {
    bound: &'a Bound<'a>,
    fetched: usize,
    prices: Vec<&'a Price>,
}

impl Layer<'_> {
    fn ends(&self, label: &Label) -> (Ends, Ends) {
        let link = self.bound.link;
        let point = |requests, wall| {
            let place = link.place(link.clock(requests, wall));
            let cycle_bits = place.cycles * link.cycle_bits();
            Ends { within: place.within, period: place.period, bits: link.delivered(&place), cycle_bits }
        };
        let mut from = point(self.fetched, label.time);
        from.bits += from.cycle_bits;
        (from, point(self.bound.segments, self.bound.last_due + label.stall))
    }

    /// The most that a plan through this label can be worth in the end.
    pub(super) fn most(&self, label: &Label) -> f64 {
        let now = label.worth - self.bound.stall_cost * label.stall;
        if self.fetched == self.bound.segments {
            return now;
        }
        let (from, due) = self.ends(label);
        let earns = |price: &&Price| self.bound.earns(price, self.fetched, from, due);
        now + self.prices.iter().map(earns).fold(f64::INFINITY, f64::min)
    }
}
