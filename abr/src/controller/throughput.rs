//! The plain throughput rule, a baseline: the highest rung below 85 % of the estimate.

use super::{Choice, Controller, Situation};
use crate::protocol::Reason;

/// Share of the estimate that is used, in percent.
const SHARE: u64 = 85;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThroughputRule;

impl Controller for ThroughputRule {
    fn name(&self) -> &'static str {
        "throughput"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        let bps = situation.network.bps().unwrap_or(0).saturating_mul(SHARE) / 100;
        let values = situation.rungs.iter().map(|rate| bps as f64 - *rate as f64).collect();
        Choice { rung: situation.rung_below(bps), reason: Reason::Controller, values, wait: None }
    }
}
