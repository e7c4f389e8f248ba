//! One trace under given conditions: what the sessions on it share, and playing them.

use super::settings::Settings;
use crate::presentation::Presentation;
use crate::protocol::{Fetch, Phase, Resource};
use crate::session::Config;
use crate::sim::link::Link;
use crate::sim::optimum::{self, CELL_S, Problem, Weights, optimum};
use crate::sim::origin::{Answer, Fate, whole};
use crate::sim::playback::{self, Setup};
use crate::sim::report::Row;
use crate::sim::staging;
use crate::sim::title::Title;
use crate::sim::trace::Trace;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Time from a request to its first byte and share of payload of the `pensieve` link.
const PENSIEVE_LATENCY_MS: f64 = 80.0;
const PENSIEVE_PAYLOAD: f64 = 0.95;
/// Sessions whose optimum is at most this share of the top quality say little in percent and are left out of it.
const LEAST_OPTIMUM: f64 = 0.05;

/// How the link behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkModel {
    /// Latency as the trace states it, else 80 ms; a request starts when its segment fits the buffer.
    Sabre,
    /// 80 ms, 95 % payload; a request starts when the buffer is not above its cap.
    Pensieve,
    /// Latency as the trace states it, else 80 ms, 95 % payload, through the congestion window of one connection
    /// (handshake, slow start, restart after idle time); a request starts when its segment fits the buffer. The
    /// optimum is that of the link without the window, so no session reaches it.
    Product,
}

/// Which score sessions are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Qoe {
    /// Bitrate in Mbit/s.
    Lin,
    /// ln(R/R_min).
    Log,
}

/// Under which sessions are played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// The link.
    pub link: LinkModel,
    /// Capacity of the buffer in seconds.
    pub cap_s: f64,
    /// What sessions are judged by.
    pub qoe: Qoe,
    /// Whether the optimum is computed.
    pub with_optimum: bool,
}

/// A title, ready to be played.
#[derive(Debug)]
pub struct Subject {
    /// The title.
    pub title: Title,
    presentation: Presentation,
}

impl Subject {
    /// Prepares a title.
    pub fn new(title: Title) -> Self {
        Self { presentation: staging::presentation(&title), title }
    }
}

/// A title on a trace under conditions.
#[derive(Debug)]
pub struct Stage<'a> {
    subject: &'a Subject,
    conditions: Conditions,
    link: Link,
    holds_s: f64,
    top: f64,
    /// Bounds of the optimum per segment.
    optimum: Option<(f64, f64)>,
    base: Row,
}

impl<'a> Stage<'a> {
    /// Prepares the link and, if wanted, computes the optimum; `settings` may change the link.
    pub fn new(
        set: &str,
        subject: &'a Subject,
        mut trace: Trace,
        conditions: Conditions,
        settings: &Settings,
    ) -> Self {
        let Subject { title, .. } = subject;
        let longest = title.durations_ms.iter().copied().fold(0.0, f64::max) / 1000.0;
        let Conditions { link, cap_s, qoe, with_optimum } = conditions;
        let (admit_s, holds_s, latency, payload) = match link {
            LinkModel::Sabre => {
                let latency = (!trace.latency_stated).then_some(PENSIEVE_LATENCY_MS);
                ((cap_s - longest).max(0.0), cap_s, latency, 1.0)
            }
            LinkModel::Pensieve => (cap_s, cap_s + longest, Some(PENSIEVE_LATENCY_MS), PENSIEVE_PAYLOAD),
            LinkModel::Product => {
                let latency = (!trace.latency_stated).then_some(PENSIEVE_LATENCY_MS);
                ((cap_s - longest).max(0.0), cap_s, latency, PENSIEVE_PAYLOAD)
            }
        };
        if let Some(latency_ms) = settings.latency_ms.or(latency) {
            trace.set_latency(latency_ms);
        }
        let factor = settings.payload.unwrap_or(payload) * settings.bandwidth.unwrap_or(1.0);
        if factor != 1.0 {
            trace.periods.iter_mut().for_each(|period| period.bandwidth_kbps *= factor);
        }
        let weights = match qoe {
            Qoe::Lin => Weights::lin(&title.bitrates_kbps),
            Qoe::Log => Weights::log(&title.bitrates_kbps),
        };
        let optimum = with_optimum.then(|| {
            // The very link that the sessions see, with the latency on its clock.
            let link = optimum::Link::sabre(&trace);
            let found = optimum(&Problem { title, link: &link, weights: &weights, admit_s }, CELL_S);
            (found.lower(), found.upper)
        });
        let base = Row {
            set: set.to_owned(),
            title: title.name.clone(),
            segments: title.segments() as u64,
            link: name(link),
            cap_s,
            qoe: name(qoe),
            optimum: optimum.map(|(lower, _)| lower),
            optimum_upper: optimum.map(|(_, upper)| upper),
            trace: trace.name.clone(),
            ..Row::default()
        };
        let shared = staging::link(&trace, 0.0);
        let shared = if link == LinkModel::Product { shared.with_slow_start() } else { shared };
        let top = weights.quality.last().copied().unwrap_or(0.0);
        Self { subject, conditions, link: shared, holds_s, top, optimum, base }
    }

    /// Plays a session with the controller that is made by the name `tuned`. The same arguments always give the same row.
    pub fn play(&self, controller: &str, tuned: &str, parameters: &str, settings: &Settings) -> Row {
        let config = Config {
            controller: tuned.to_owned(),
            buffer_ahead: Duration::from_millis((self.holds_s * 1e3) as u64),
            ..settings.config.clone()
        };
        let seed = config.seed;
        let setup = Setup {
            presentation: &self.subject.presentation,
            pending_indexes: false,
            link: self.link.clone(),
            config,
            origin: &mut segments_only,
            script: Vec::new(),
            until: playback::reasonable_end(&self.subject.presentation),
        };
        let outcome = playback::run_quickly(setup, |_, _| {});
        let (phase, s) = (outcome.session.phase(), outcome.summary);
        let score = match self.conditions.qoe {
            Qoe::Lin => s.qoe_lin,
            Qoe::Log => s.qoe_log,
        };
        // What was not played to the end earned nothing.
        let score = if phase == Phase::Ended { score } else { score.min(0.0) };
        let counted = self.optimum.map(|(best, _)| best).filter(|best| *best > LEAST_OPTIMUM * self.top);
        let minutes = s.played_ms as f64 / 60_000.0;
        Row {
            parameters: parameters.to_owned(),
            controller: controller.to_owned(),
            seed,
            phase: format!("{phase:?}").to_lowercase(),
            startup_s: s.startup_ms.map(|ms| ms as f64 / 1e3),
            stalls: s.stalls.into(),
            stall_s: s.stall_ms as f64 / 1e3,
            rebuffer_ratio: s.rebuffer_ratio,
            played_s: s.played_ms as f64 / 1e3,
            mean_bitrate_bps: s.mean_bitrate_bps as f64,
            switches: s.switches.into(),
            switches_per_minute: if minutes > 0.0 { f64::from(s.switches) / minutes } else { 0.0 },
            switch_bps: s.switch_bps as f64,
            abandoned: s.abandoned.into(),
            gaps: s.gaps.into(),
            bytes: s.bytes,
            wasted_bytes: s.wasted_bytes,
            qoe_lin: s.qoe_lin,
            qoe_log: s.qoe_log,
            score,
            percent_of_optimum: counted.map(|best| score / best * 100.0),
            ..self.base.clone()
        }
    }
}

fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Answers from the title; the presentation is known already, as in the published evaluations.
fn segments_only(presentation: &Presentation, fetch: &Fetch) -> Answer {
    let answer = whole(presentation, fetch);
    match fetch.resource {
        Resource::Presentation => Answer { fate: Fate::Cached, ..answer },
        _ => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::trace::Period;

    fn trace(kbps: f64) -> Trace {
        let period = Period { duration_ms: 10_000.0, bandwidth_kbps: kbps, latency_ms: 0.0 };
        Trace { name: "t".into(), periods: vec![period], latency_stated: false, cooked: None }
    }

    #[test]
    fn a_fast_link_comes_near_the_optimum_and_settings_change_the_link() {
        let subject = Subject::new(Title::load("synthetic:segments=20").unwrap());
        let conditions =
            Conditions { link: LinkModel::Pensieve, cap_s: 20.0, qoe: Qoe::Lin, with_optimum: true };
        let plain = Settings::at(&Vec::new());
        let stage = Stage::new("s", &subject, trace(30_000.0), conditions, &plain);
        let row = stage.play("hybrid", "hybrid", "", &plain);
        assert_eq!((row.phase.as_str(), row.link.as_str(), row.segments), ("ended", "pensieve", 20));
        assert!(row.percent_of_optimum.unwrap() > 80.0 && row.optimum <= row.optimum_upper, "{row:?}");
        let slow = Settings { bandwidth: Some(0.01), ..Settings::default() };
        let stage = Stage::new("s", &subject, trace(30_000.0), conditions, &slow);
        assert!(stage.play("hybrid", "hybrid", "", &plain).mean_bitrate_bps < row.mean_bitrate_bps);
    }

    #[test]
    fn a_session_that_cannot_be_good_is_not_counted_in_percent() {
        let subject = Subject::new(Title::load("synthetic:segments=5").unwrap());
        let conditions =
            Conditions { link: LinkModel::Sabre, cap_s: 20.0, qoe: Qoe::Lin, with_optimum: true };
        let plain = Settings::at(&Vec::new());
        let row =
            Stage::new("s", &subject, trace(10.0), conditions, &plain).play("bba-0", "bba-0", "", &plain);
        assert_eq!(row.percent_of_optimum, None);
        assert!(row.optimum.is_some() && row.score <= 0.0);
    }
}
