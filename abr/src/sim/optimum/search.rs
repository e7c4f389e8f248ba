//! The dynamic program over labels.

use super::Problem;
use super::bound::Bound;
use super::frontier::{Label, Staircase};

/// What a cell of the grid keeps of its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// The one worth most: plans stay playable.
    Real,
    /// The best of each component: nothing is lost.
    Best,
}

/// The best of the last labels.
pub(super) struct Found {
    /// Worth of the whole session.
    pub(super) worth: f64,
    /// Its plan; means nothing unless labels are real.
    pub(super) qualities: Vec<usize>,
}

/// Plans as chains from their ends: the node before and the quality.
#[derive(Default)]
struct Chains(Vec<(u32, u32)>);

impl Chains {
    fn extend(&mut self, node: u32, quality: u32) -> u32 {
        // 2³² labels of 40 bytes would not fit in memory.
        let place = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.push((node, quality));
        place
    }

    fn plan(&self, mut node: u32, length: usize) -> Vec<usize> {
        let mut qualities = Vec::with_capacity(length);
        while let Some(&(before, quality)) = self.0.get(node as usize) {
            qualities.push(quality as usize);
            node = before;
        }
        qualities.reverse();
        qualities
    }
}

const ROOT: u32 = u32::MAX;

/// How a search is narrowed.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    /// Size of a cell in seconds.
    pub(super) cell_s: f64,
    /// What a cell keeps.
    pub(super) keep: Keep,
    /// Labels with this much more stall than the least are dropped: quick, and no longer exact.
    pub(super) more_stall_s: f64,
    /// Labels from which the worth of a plan already known cannot be exceeded are dropped.
    pub(super) known: Option<(&'a Bound<'a>, f64)>,
}

/// The best plan within `limits`; none when no plan exceeds the one that is known.
pub(super) fn search(problem: &Problem<'_>, limits: Limits<'_>) -> Option<Found> {
    let Limits { cell_s, keep, more_stall_s, known } = limits;
    let Problem { title, link, weights, admit_s } = *problem;
    let mut labels = vec![Label { time: 0.0, stall: 0.0, worth: 0.0, quality: 0, node: ROOT }];
    let mut chains = Chains::default();
    let (mut stairs, mut fetched, mut next) = (Staircase::default(), Vec::new(), Vec::new());
    let mut content = 0.0;
    for segment in 0..title.segments() {
        next.clear();
        for (quality, &bits) in title.sizes_of(segment).iter().enumerate() {
            let worth = weights.quality[quality];
            stairs.clear();
            fetched.clear();
            for label in &labels {
                let before = if segment == 0 { worth } else { weights.quality[label.quality as usize] };
                let earned = label.worth - weights.switch * (worth - before).abs();
                if !stairs.add(label.stall, earned) {
                    continue;
                }
                let start = f64::max(label.time, content + label.stall - admit_s);
                let time = link.fetch(segment, start, bits as f64);
                fetched.push(Label {
                    time,
                    stall: f64::max(label.stall, time - content),
                    worth: earned + worth,
                    quality: quality as u32,
                    node: label.node,
                });
            }
            merge(&mut fetched, cell_s, keep, weights.stall);
            if keep == Keep::Real {
                for label in &mut fetched {
                    label.node = chains.extend(label.node, label.quality);
                }
            }
            next.append(&mut fetched);
        }
        narrow(&mut next, segment, more_stall_s, known);
        next.sort_unstable_by(|a, b| a.time.total_cmp(&b.time).then(b.worth.total_cmp(&a.worth)));
        std::mem::swap(&mut labels, &mut next);
        content += title.durations_ms[segment] / 1000.0;
    }
    let value = |label: &Label| label.worth - weights.stall * label.stall;
    let best = labels.iter().max_by(|a, b| value(a).total_cmp(&value(b)))?;
    let segments = title.segments();
    Some(Found { worth: value(best), qualities: chains.plan(best.node, segments) })
}

/// Drops the labels that limits rule out after `segment`.
fn narrow(labels: &mut Vec<Label>, segment: usize, more_stall_s: f64, known: Option<(&Bound<'_>, f64)>) {
    let least = labels.iter().map(|label| label.stall).fold(f64::INFINITY, f64::min);
    labels.retain(|label| label.stall <= least + more_stall_s);
    if let Some((bound, worth)) = known {
        let layer = bound.layer(segment + 1, labels.first());
        labels.retain(|label| layer.most(label) >= worth);
    }
}

/// Leaves one label in each cell.
fn merge(labels: &mut Vec<Label>, cell_s: f64, keep: Keep, stall_cost: f64) {
    let cell = |label: &Label| ((label.time / cell_s) as u32, (label.stall / cell_s) as u32);
    labels.sort_unstable_by_key(cell);
    labels.dedup_by(|other, kept| {
        if cell(other) != cell(kept) {
            return false;
        }
        match keep {
            Keep::Real => {
                if other.worth - stall_cost * other.stall > kept.worth - stall_cost * kept.stall {
                    *kept = *other;
                }
            }
            Keep::Best => {
                kept.time = f64::min(kept.time, other.time);
                kept.stall = f64::min(kept.stall, other.stall);
                kept.worth = f64::max(kept.worth, other.worth);
            }
        }
        true
    });
}
