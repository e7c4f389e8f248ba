//! No adaptation: always the same rung, a baseline that shows what adapting is worth.
//!
//! The rung is the highest of at most 1 Mbit/s, else the lowest: the one that a session starts with when nothing is
//! known of the network.

use super::{Choice, Controller, Situation, Values};
use crate::protocol::Reason;

/// The most that is asked of any network, in bit/s.
const MOST_BPS: u64 = 1_000_000;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed;

impl Controller for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        let rung = situation.rung_below(MOST_BPS);
        Choice { rung, reason: Reason::Controller, values: Values::NONE, wait: None }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fixture;
    use super::*;

    #[test]
    fn nothing_changes_the_rung() {
        for (bps, buffer, previous) in [(100_000, 0, None), (50_000_000, 28, Some(4))] {
            let fixture = Fixture::new(Some(bps));
            assert_eq!(Fixed.choose(&fixture.situation(buffer, previous)).rung, 1);
        }
    }
}
