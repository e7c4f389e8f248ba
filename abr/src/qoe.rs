//! What a viewer got, in numbers: each defined once, for the player and the simulator alike.
//!
//! With the bitrate `R_n` of the n-th played video segment of N, the time to the first picture `S₀` and the
//! stalled time `S` in seconds, the score of a session is
//! `(1/N)·[Σ q(R_n) − λ·Σ|q(R_{n+1}) − q(R_n)| − μ·(S + S₀)]`
//! (Yin et al., SIGCOMM 2015; Mao et al., SIGCOMM 2017) with λ = 1 and
//!
//! | score | q(R) | μ |
//! |---|---|---|
//! | [`Summary::qoe_lin`] | R in Mbit/s | the highest rung in Mbit/s (4.3 for Pensieve's ladder) |
//! | [`Summary::qoe_log`] | ln(R/R_min) | ln(R_max/R_min) (2.66 for Pensieve's ladder) |
//!
//! | figure | formula | source |
//! |---|---|---|
//! | [`Summary::rebuffer_ratio`] | S ÷ (played + S); S₀ and seeks are reported apart | Dobrian et al., SIGCOMM 2011 |
//! | [`Summary::mean_bitrate_bps`] | Σ R_n·L_n ÷ Σ L_n over the played seconds L_n | Dobrian et al., SIGCOMM 2011 |
//! | [`Summary::switches`], [`Summary::switch_bps`] | changes of representation; mean \|R_{n+1} − R_n\| of those | Yin et al. |
//! | [`Summary::latency_ms`] | Σ latency·time ÷ Σ time, while playing | Bentaleb et al., MMSys 2020 |
//! | [`Summary::wasted_bytes`] | received and never played: given up, replaced or failed | Sabre's abandonment and replacement, MMSys 2018 |

use crate::presentation::{ContentType, Presentation, RepresentationKey};
use crate::protocol::{Event, Output, Reason};
use crate::time::{MediaTime, Timestamp, nanos};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Collects what a session ordered and reported.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    /// Video segments in the queue or played, by start: representation and length.
    played: BTreeMap<i64, (RepresentationKey, Duration)>,
    startup: Option<Timestamp>,
    stalls: u32,
    stalled: Duration,
    stall_since: Option<Timestamp>,
    seeks: u32,
    seeking: Duration,
    switches: u32,
    abandoned: u32,
    gaps: u32,
    end: Option<MediaTime>,
    /// Latency × time and time in nanoseconds, and what was told last.
    latency: (u128, u128, Option<(Timestamp, Duration)>),
}

/// The numbers of one session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Start of the session to the first running clock, in milliseconds; `None` when it never ran.
    pub startup_ms: Option<u64>,
    /// Interruptions, start and seeks excluded.
    pub stalls: u32,
    /// Their total length in milliseconds.
    pub stall_ms: u64,
    /// Stalled ÷ (played + stalled), start and seeks excluded.
    pub rebuffer_ratio: f64,
    /// Media played, in milliseconds.
    pub played_ms: u64,
    /// Stated bitrate of the played video, weighted by time, in bit/s.
    pub mean_bitrate_bps: u64,
    /// Changes of video representation, those at the start and at period borders excluded.
    pub switches: u32,
    /// Mean size of a change of stated bitrate between one played video segment and the next, over those that
    /// differ, in bit/s; 0 when none does.
    #[serde(default)]
    pub switch_bps: u64,
    /// Downloads given up.
    pub abandoned: u32,
    /// Segments skipped.
    pub gaps: u32,
    /// Seeks.
    pub seeks: u32,
    /// Total time from seeks to their pictures, in milliseconds.
    pub seek_ms: u64,
    /// Mean distance behind the live edge while playing, weighted by time, in milliseconds; `None` on demand.
    #[serde(default)]
    pub latency_ms: Option<u64>,
    /// Body bytes received.
    pub bytes: u64,
    /// How many of them were never played: given up, replaced or failed.
    pub wasted_bytes: u64,
    /// See the module.
    pub qoe_lin: f64,
    /// See the module.
    pub qoe_log: f64,
}

impl Meter {
    /// Tells of an order or report of the session.
    pub fn tell(&mut self, now: Timestamp, output: &Output) {
        match output {
            Output::Append { track: ContentType::Video, representation, segment, .. } => {
                self.played.insert(segment.start.as_nanos(), (*representation, segment.duration()));
            }
            Output::Flush { track: ContentType::Video, from } => {
                self.played.split_off(&from.as_nanos());
            }
            Output::Report(event) => self.tell_event(now, event),
            _ => {}
        }
    }

    /// Tells how far playback is behind the live edge from now on; `None` while it does not play.
    pub fn tell_latency(&mut self, now: Timestamp, latency: Option<Duration>) {
        let (sum, time, last) = &mut self.latency;
        if let Some((since, was)) = last.take() {
            let span = u128::from(nanos(now.since(since)));
            *sum += u128::from(nanos(was)) * span;
            *time += span;
        }
        *last = latency.map(|latency| (now, latency));
    }

    fn tell_event(&mut self, now: Timestamp, event: &Event) {
        match event {
            Event::Playing { .. } => {
                self.startup.get_or_insert(now);
            }
            Event::StallStart { .. } => {
                self.stalls += 1;
                self.stall_since = Some(now);
            }
            Event::StallEnd { stalled, .. } => {
                self.stalled += *stalled;
                self.stall_since = None;
            }
            Event::SeekStart { from, buffered, .. } => {
                self.seeks += 1;
                if !buffered {
                    // What lay ahead is not played.
                    self.played.split_off(&from.as_nanos());
                }
            }
            Event::SeekEnd { took, .. } => self.seeking += *took,
            Event::Switched { track: ContentType::Video, from: Some(_), reason, .. } => {
                self.switches += u32::from(!matches!(reason, Reason::Start | Reason::Period));
            }
            Event::Abandoned { .. } => self.abandoned += 1,
            Event::Gap { .. } => self.gaps += 1,
            Event::Ended { position } => self.end = Some(*position),
            _ => {}
        }
    }

    /// The numbers so far, at `now` with playback at `position` and this traffic (all bytes, wasted bytes).
    pub fn summary(
        &self,
        now: Timestamp,
        position: MediaTime,
        presentation: Option<&Presentation>,
        traffic: (u64, u64),
    ) -> Summary {
        let rate = |key: &RepresentationKey| {
            presentation.and_then(|p| p.representation(*key)).map_or(0, |r| r.bandwidth_bps) as f64
        };
        let until = self.end.unwrap_or(position);
        let mut played = Duration::ZERO;
        let mut bits = 0.0;
        let mut rates = Vec::new();
        for (start, (key, length)) in self.played.range(..until.as_nanos()) {
            let length = (*length).min(until.since(MediaTime::from_nanos(*start)));
            played += length;
            bits += rate(key) * length.as_secs_f64();
            rates.push(rate(key).max(1.0));
        }
        let stalled = self.stalled + self.stall_since.map_or(Duration::ZERO, |since| now.since(since));
        let startup = self.startup.map(|at| at.since(Timestamp::ZERO));
        let waited = (stalled + startup.unwrap_or(now.since(Timestamp::ZERO))).as_secs_f64();
        let (lowest, highest) = presentation.map_or((1.0, 1.0), ladder);
        let total = (played + stalled).as_secs_f64();
        let ms = |span: Duration| nanos(span) / 1_000_000;
        Summary {
            startup_ms: startup.map(ms),
            stalls: self.stalls,
            stall_ms: ms(stalled),
            rebuffer_ratio: if total > 0.0 { stalled.as_secs_f64() / total } else { 0.0 },
            played_ms: ms(played),
            mean_bitrate_bps: if played.is_zero() { 0 } else { (bits / played.as_secs_f64()).round() as u64 },
            switches: self.switches,
            switch_bps: mean_change(&rates).round() as u64,
            abandoned: self.abandoned,
            gaps: self.gaps,
            seeks: self.seeks,
            seek_ms: ms(self.seeking),
            latency_ms: (self.latency.0 / 1_000_000)
                .checked_div(self.latency.1)
                .and_then(|mean| u64::try_from(mean).ok()),
            bytes: traffic.0,
            wasted_bytes: traffic.1,
            qoe_lin: score(&rates, waited, |r| r / 1e6, highest / 1e6),
            qoe_log: score(&rates, waited, |r| (r / lowest).ln(), (highest / lowest).ln()),
        }
    }
}

/// The lowest and highest stated rate of the first video set (of the first set without video).
fn ladder(presentation: &Presentation) -> (f64, f64) {
    let sets = || presentation.periods.iter().flat_map(|period| &period.adaptation_sets);
    let set = sets().find(|set| set.content_type == ContentType::Video).or_else(|| sets().next());
    let rates =
        || set.into_iter().flat_map(|set| &set.representations).map(|r| r.bandwidth_bps.max(1) as f64);
    (rates().fold(f64::INFINITY, f64::min).min(1e15), rates().fold(1.0, f64::max))
}

/// Mean of the differences between neighbours that differ.
fn mean_change(rates: &[f64]) -> f64 {
    let changes = || rates.windows(2).map(|pair| (pair[1] - pair[0]).abs()).filter(|change| *change > 0.0);
    changes().sum::<f64>() / changes().count().max(1) as f64
}

fn score(rates: &[f64], waited: f64, quality: impl Fn(f64) -> f64, mu: f64) -> f64 {
    if rates.is_empty() {
        return 0.0;
    }
    let sum: f64 = rates.iter().map(|rate| quality(*rate)).sum();
    let changes: f64 = rates.windows(2).map(|pair| (quality(pair[1]) - quality(pair[0])).abs()).sum();
    (sum - changes - mu * waited) / rates.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_their_formulas() {
        let rates = [1e6, 2e6, 2e6];
        assert_eq!(score(&rates, 0.5, |r| r / 1e6, 4.3), (5.0 - 1.0 - 2.15) / 3.0);
        assert_eq!(score(&[], 0.5, |r| r, 1.0), 0.0);
        assert_eq!(mean_change(&[1e6, 4e6, 4e6, 2e6]), 2.5e6);
        assert_eq!(mean_change(&[1e6]), 0.0);
    }

    #[test]
    fn latency_is_weighted_by_time_and_only_while_playing() {
        let mut meter = Meter::default();
        let latency_ms =
            |meter: &Meter| meter.summary(Timestamp::ZERO, MediaTime::ZERO, None, (0, 0)).latency_ms;
        assert_eq!(latency_ms(&meter), None);
        let at = |ms| Timestamp::from_millis(ms);
        meter.tell_latency(at(1000), Some(Duration::from_millis(3000)));
        meter.tell_latency(at(4000), Some(Duration::from_millis(1000)));
        meter.tell_latency(at(5000), None);
        meter.tell_latency(at(90_000), Some(Duration::from_secs(50)));
        assert_eq!(latency_ms(&meter), Some(2500));
    }
}
