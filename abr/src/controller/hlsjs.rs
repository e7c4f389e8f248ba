//! The default of hls.js (`AbrController`; Apache licence; read, not copied): the smaller of two exponential means
//! (half-lives of 3 s and 9 s of transfer; 500 kbit/s before anything is known), and loading time against the queue.
//!
//! The highest level counts that fits 95 % of the estimate (70 % to go up) and whose segment loads within its own
//! length; if none does, the highest that loads within the queue, and then with up to 4 s of starving, with looser
//! factors (80 % and 90 %, at most). Its abandon rule is not used: giving up downloads is the session's part.

use super::history::{EwmaPair, or_known};
use super::{Choice, Controller, Situation, Values};
use crate::protocol::Reason;
use crate::throughput::Sample;

/// Half-lives in seconds of transfer.
const HALF_LIVES: (f64, f64) = (3.0, 9.0);
/// Throughput before anything is known, in bit/s.
const UNKNOWN_BPS: f64 = 500_000.0;
/// Shares of the estimate that a level may need, to stay or fall and to rise.
const SHARE: f64 = 0.95;
const SHARE_UP: f64 = 0.7;
/// Longest starving that is accepted, in seconds.
const STARVING: f64 = 4.0;

/// See the module.
#[derive(Clone, Debug)]
pub struct HlsJs {
    pair: EwmaPair,
}

impl Default for HlsJs {
    fn default() -> Self {
        Self { pair: EwmaPair::new(HALF_LIVES.0, HALF_LIVES.1) }
    }
}

/// The highest level within the shares (to stay, to rise) of `bps` that loads within `seconds`.
fn level(situation: &Situation<'_>, bps: f64, shares: (f64, f64), seconds: f64) -> Option<usize> {
    let first_byte = situation.network.first_byte().as_secs_f64();
    let last = situation.previous.unwrap_or(0);
    (0..situation.rungs.len()).rev().find(|rung| {
        let usable = bps * if *rung <= last { shares.0 } else { shares.1 };
        let rate = situation.rungs[*rung] as f64;
        rate <= usable && first_byte + rate * situation.seconds(0) / usable <= seconds
    })
}

impl Controller for HlsJs {
    fn name(&self) -> &'static str {
        "hlsjs"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        self.pair.close();
        let bps = or_known(self.pair.bps(), situation, UNKNOWN_BPS);
        let (queued, length) = (situation.buffer.as_secs_f64(), situation.seconds(0));
        let loose = if queued > 0.0 { (SHARE, SHARE_UP) } else { (0.8, 0.9) };
        let starving = STARVING.min(length);
        let rung = level(situation, bps, (SHARE, SHARE_UP), length)
            .or_else(|| level(situation, bps, (SHARE, SHARE_UP), queued))
            .or_else(|| level(situation, bps, loose, queued + starving))
            .unwrap_or(0);
        Choice { rung, reason: Reason::Controller, values: Values::NONE, wait: None }
    }

    fn observe(&mut self, sample: Sample) {
        self.pair.observe(sample);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fixture;
    use super::*;

    #[test]
    fn rising_needs_more_than_staying() {
        // 0.95 · 2 Mbit/s keep 1.85, 0.7 · 2 do not reach it.
        let fixture = Fixture::new(Some(2_000_000));
        let rung = |last| HlsJs::default().choose(&fixture.situation(10, Some(last))).rung;
        assert_eq!((rung(3), rung(2), rung(1)), (3, 2, 2));
        assert_eq!(HlsJs::default().choose(&Fixture::new(Some(2_700_000)).situation(0, Some(2))).rung, 3);
    }

    #[test]
    fn the_first_byte_counts_as_loading() {
        // 1.85 Mbit/s load 3.9 s at 0.95 · 2 Mbit/s; with 0.5 s before the first byte that is more than 4 s.
        let mut fixture = Fixture::new(Some(2_000_000));
        fixture.network.observe_first_byte(std::time::Duration::from_millis(500));
        assert_eq!(HlsJs::default().choose(&fixture.situation(1, Some(3))).rung, 2);
        assert_eq!(HlsJs::default().choose(&fixture.situation(9, Some(3))).rung, 2);
    }
}
