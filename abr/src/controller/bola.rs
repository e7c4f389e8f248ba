//! BOLA-E: the buffer decides (Spiteri et al., INFOCOM 2016 and MMSys 2018), a baseline.
//!
//! Utility `u = 1 + ln(R/R₀)`; the rung with the highest `(Vp·(u − 1 + gp) − B) / R` is chosen, where the
//! level `B` is the queue plus a placeholder that lets it start at the rung the throughput supports.

use super::{Choice, Controller, Notice, Situation};
use crate::protocol::Reason;
use std::time::Duration;

/// Level below which the lowest rung is chosen, in seconds.
const MINIMUM: f64 = 10.0;
/// Level at which the highest rung is chosen, in seconds, unless the ladder asks for more.
const TARGET: f64 = 18.0;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Bola {
    parameters: Parameters,
    placeholder: f64,
    started: bool,
    safety: f64,
}

/// What the ladder and the capacity give.
#[derive(Clone, Debug, Default)]
struct Parameters {
    /// The ladder and the capacity that the rest is for.
    rungs: Vec<u64>,
    capacity: Duration,
    utilities: Vec<f64>,
    gp: f64,
    vp: f64,
}

impl Parameters {
    /// Adapts to the ladder and the capacity where they differ from those of before.
    fn adapt(&mut self, situation: &Situation<'_>) {
        if self.rungs == situation.rungs && self.capacity == situation.buffer_max {
            return;
        }
        self.rungs.clear();
        self.rungs.extend_from_slice(situation.rungs);
        self.capacity = situation.buffer_max;
        let lowest = situation.rungs.first().copied().unwrap_or(1).max(1) as f64;
        self.utilities.clear();
        self.utilities.extend(situation.rungs.iter().map(|rate| 1.0 + ((*rate).max(1) as f64 / lowest).ln()));
        let wanted = TARGET.max(MINIMUM + 2.0 * self.utilities.len() as f64);
        let target = wanted.min(situation.buffer_max.as_secs_f64()).max(MINIMUM + 1.0);
        let top = self.utilities.last().copied().unwrap_or(1.0).max(1.01);
        self.gp = (top - 1.0) / (target / MINIMUM - 1.0);
        self.vp = MINIMUM / self.gp;
    }

    fn score(&self, situation: &Situation<'_>, rung: usize, level: f64) -> f64 {
        let rate = situation.rungs[rung].max(1) as f64 / 1e6;
        (self.vp * (self.utilities[rung] - 1.0 + self.gp) - level) / rate
    }

    fn best(&self, situation: &Situation<'_>, level: f64) -> usize {
        let mut best = 0;
        for rung in 1..situation.rungs.len() {
            if self.score(situation, rung, level) > self.score(situation, best, level) {
                best = rung;
            }
        }
        best
    }

    /// The lowest level at which `rung` would be chosen.
    fn level_for(&self, situation: &Situation<'_>, rung: usize) -> f64 {
        (0..rung)
            .map(|lower| {
                let (r, l) = (situation.rungs[rung] as f64, situation.rungs[lower] as f64);
                let value = |q: usize| self.vp * (self.utilities[q] - 1.0 + self.gp);
                if r > l { (value(lower) * r - value(rung) * l) / (r - l) } else { 0.0 }
            })
            .fold(0.0, f64::max)
    }

    /// Above this level waiting is better than fetching `rung`.
    fn ceiling(&self, rung: usize) -> f64 {
        self.vp * (self.utilities[rung] - 1.0 + self.gp)
    }
}

impl Controller for Bola {
    fn name(&self) -> &'static str {
        "bola-e"
    }

    fn choose(&mut self, situation: &Situation<'_>) -> Choice {
        self.parameters.adapt(situation);
        let parameters = &self.parameters;
        let buffer = situation.buffer.as_secs_f64();
        let bps = situation.network.bps().unwrap_or(0);
        let sustainable = situation.rung_below(bps.saturating_mul(9) / 10);
        if !self.started {
            self.started = true;
            self.safety = 0.9;
            // A little above, so that rounding does not decide.
            self.placeholder = (parameters.level_for(situation, sustainable) + 0.01 - buffer).max(0.0);
        }
        let mut rung = parameters.best(situation, buffer + self.placeholder);
        let previous = situation.previous.unwrap_or(sustainable);
        rung = rung.min(previous.max(sustainable));
        // Insufficient-buffer rule: the segment must arrive from a part of what is queued.
        self.safety = (self.safety * 0.9).max(0.5);
        let usable = (buffer - situation.network.first_byte().as_secs_f64()).max(0.0) * self.safety;
        let affordable = (usable * bps as f64 / situation.seconds(0)) as u64;
        let safe = situation.rung_below(affordable);
        let reason = if safe < rung { Reason::Safety } else { Reason::Controller };
        rung = rung.min(safe);

        let low = parameters.level_for(situation, rung);
        let excess = buffer + self.placeholder - parameters.ceiling(rung);
        let mut wait = None;
        if excess > 0.0 {
            let eaten = excess.min(self.placeholder);
            self.placeholder -= eaten;
            let rest = excess - eaten;
            if rest > 0.001 && reason == Reason::Controller {
                wait = Some(
                    Duration::from_millis((rest * 1e3) as u64)
                        .clamp(Duration::from_millis(10), Duration::from_secs(10)),
                );
            }
        }
        self.placeholder = self.placeholder.max(low - buffer).max(0.0);
        let level = buffer + self.placeholder;
        let values = (0..situation.rungs.len()).map(|q| parameters.score(situation, q, level)).collect();
        Choice { rung, reason, values, wait }
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Seek => *self = Self::default(),
            Notice::Abandoned { .. } => self.placeholder = 0.0,
            Notice::Replaced(span) => self.placeholder += span.as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fixture;
    use super::*;

    #[test]
    fn more_buffer_never_means_a_lower_rung() {
        let fixture = Fixture::new(Some(50_000_000));
        let mut last = 0;
        for buffer in 2..30 {
            let mut bola = Bola { started: true, safety: 0.9, ..Bola::default() };
            let choice = bola.choose(&fixture.situation(buffer, Some(5)));
            assert!(choice.rung >= last, "{buffer} s: {} after {last}", choice.rung);
            last = choice.rung;
        }
        assert_eq!(last, 5);
    }

    #[test]
    fn the_placeholder_starts_at_what_the_network_supports() {
        let fixture = Fixture::new(Some(2_500_000));
        let choice = Bola::default().choose(&fixture.situation(8, Some(1)));
        assert_eq!(choice.rung, 3);
    }
}
