//! BBA-0: a rate map over the queue level alone (Huang et al., SIGCOMM 2014, section 4).
//!
//! `f(B)` is the lowest rate up to the reservoir, the highest above the cushion and linear between. The rung
//! changes only when `f` passes a neighbour's rate. The paper's player holds 240 s with a reservoir of 90 s
//! and an upper reservoir of 24 s; other capacities keep these proportions.

use super::{Choice, Controller, Situation, Values};
use crate::protocol::Reason;

/// Reservoir and upper end of the cushion as shares of the capacity.
const RESERVOIR: f64 = 90.0 / 240.0;
const FULL: f64 = 216.0 / 240.0;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bba0;

impl Controller for Bba0 {
    fn name(&self) -> &'static str {
        "bba-0"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        let rate = |rung: usize| situation.rungs[rung] as f64;
        let capacity = situation.buffer_max.as_secs_f64();
        let place =
            cushion(situation.buffer.as_secs_f64(), capacity * RESERVOIR, capacity * (FULL - RESERVOIR));
        let rung = mapped(rate, situation.rungs.len() - 1, place, situation.previous);
        Choice { rung, reason: Reason::Controller, values: Values::NONE, wait: None }
    }
}

/// Where in the cushion a level lies, from 0 (reservoir) to 1 (full).
pub(super) fn cushion(level: f64, reservoir: f64, cushion: f64) -> f64 {
    ((level - reservoir) / cushion.max(0.001)).clamp(0.0, 1.0)
}

/// The rung that the map gives at `place`, in units of `cost` (a rate or a size per rung up to `top`, ascending): that
/// of before unless the map has passed a neighbour.
fn mapped(cost: impl Fn(usize) -> f64, top: usize, place: f64, previous: Option<usize>) -> usize {
    if place <= 0.0 {
        return 0;
    }
    if place >= 1.0 {
        return top;
    }
    let allowed = cost(0) + place * (cost(top) - cost(0));
    sticky(cost, top, allowed, previous)
}

/// The rung for a map's value `allowed`, see [`mapped`].
pub(super) fn sticky(
    cost: impl Fn(usize) -> f64,
    top: usize,
    allowed: f64,
    previous: Option<usize>,
) -> usize {
    let below = || (0..=top).rfind(|rung| cost(*rung) < allowed).unwrap_or(0);
    let Some(last) = previous.map(|last| last.min(top)) else { return below() };
    if allowed >= cost((last + 1).min(top)) {
        below()
    } else if allowed <= cost(last.saturating_sub(1)) {
        (0..=top).find(|rung| cost(*rung) > allowed).unwrap_or(top)
    } else {
        last
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fixture;
    use super::*;

    #[test]
    fn the_map_is_flat_linear_flat() {
        // Capacity 30 s: reservoir 11.25 s, full at 27 s.
        let fixture = Fixture::new(None);
        let rung = |buffer, previous| Bba0.choose(&fixture.situation(buffer, previous)).rung;
        assert_eq!(rung(11, Some(4)), 0);
        assert_eq!(rung(27, Some(1)), 5);
        // 19 s: f = 300 + 4000 · 7.75 / 15.75 = 2268 kbit/s.
        assert_eq!(rung(19, None), 3);
        assert_eq!(rung(19, Some(1)), 3, "f is above the next rung: the highest below f");
        assert_eq!(rung(19, Some(4)), 4, "f lies above the rung below: stay");
        assert_eq!(rung(19, Some(5)), 4, "f is below the rung below: the lowest above f");
    }
}
