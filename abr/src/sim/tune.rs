//! What tuning a controller needs: many sessions on many traces, scored against the best that was possible, and a
//! seeded search that is the same on every machine.

use super::link::Link;
use super::optimum::{self, CELL_S, Problem, Weights, optimum};
use super::origin::{Answer, Fate, whole};
use super::playback::{self, Setup};
use super::staging;
use super::title::Title;
use super::trace::Trace;
use crate::presentation::Presentation;
use crate::protocol::{Fetch, Phase, Resource};
use crate::random::Random;
use crate::session::Config;
use rayon::prelude::*;
use std::time::Duration;

/// Time from a request to its first byte and share of payload, as in Pensieve's environment.
const LATENCY_MS: f64 = 80.0;
const PAYLOAD: f64 = 0.95;
/// Sessions whose optimum is at most this share of the top quality are not scored in percent.
const LEAST_OPTIMUM: f64 = 0.05;

/// Where a trace belongs in the halves of a seed: `true` for training.
pub fn is_training(seed: u64, name: &str) -> bool {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64 ^ seed, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    Random::new(hash).number() & 1 == 0
}

/// What is asked of a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// Capacity of the buffer in seconds.
    pub cap_s: f64,
    /// Whether quality is ln(R/R_min) instead of the bitrate.
    pub log: bool,
}

/// A session to be played.
#[derive(Debug)]
pub struct Case<'a> {
    /// The set that the trace belongs to.
    pub set: String,
    /// Position of its title in `titles`.
    pub title: &'a Staged,
    /// The network.
    pub link: Link,
    /// What is asked.
    pub terms: Terms,
    /// The optimum's score per segment.
    pub best: f64,
}

/// A title, ready to be played.
#[derive(Debug)]
pub struct Staged {
    /// As it was read.
    pub title: Title,
    /// As the session sees it.
    pub presentation: Presentation,
}

impl Staged {
    /// Makes a title ready.
    pub fn new(title: Title) -> Self {
        Self { presentation: staging::presentation(&title), title }
    }
}

/// The trace as the `pensieve` link has it.
pub fn prepared(mut trace: Trace) -> Trace {
    trace.set_latency(LATENCY_MS);
    for period in &mut trace.periods {
        period.bandwidth_kbps *= PAYLOAD;
    }
    trace
}

/// The optimum's score per segment on a [`prepared`] trace.
pub fn best(title: &Title, trace: &Trace, terms: Terms) -> f64 {
    let weights = weights(title, terms);
    let link = optimum::Link::sabre(trace);
    optimum(&Problem { title, link: &link, weights: &weights, admit_s: terms.cap_s }, CELL_S).lower()
}

fn weights(title: &Title, terms: Terms) -> Weights {
    if terms.log { Weights::log(&title.bitrates_kbps) } else { Weights::lin(&title.bitrates_kbps) }
}

impl<'a> Case<'a> {
    /// A session on a [`prepared`] trace; `None` when its optimum is too low to be compared with.
    pub fn new(set: String, title: &'a Staged, trace: &Trace, terms: Terms, best: f64) -> Option<Self> {
        let top = weights(&title.title, terms).quality.last().copied().unwrap_or(0.0);
        let link = staging::link(trace, LATENCY_MS);
        (best > LEAST_OPTIMUM * top).then_some(Self { set, title, link, terms, best })
    }

    /// Plays it; percent of the optimum and rebuffer ratio.
    fn play(&self, controller: &str) -> (f64, f64) {
        let longest = self.title.title.durations_ms.iter().copied().fold(0.0, f64::max) / 1e3;
        let config = Config {
            controller: controller.to_owned(),
            buffer_ahead: Duration::from_millis(((self.terms.cap_s + longest) * 1e3) as u64),
            buffer_bytes: u64::MAX,
            ..Config::default()
        };
        let setup = Setup {
            presentation: &self.title.presentation,
            pending_indexes: false,
            link: self.link.clone(),
            config,
            origin: &mut segments_only,
            script: Vec::new(),
            until: playback::reasonable_end(&self.title.presentation),
        };
        let outcome = playback::run_quickly(setup, |_, _| {});
        let score = if self.terms.log { outcome.summary.qoe_log } else { outcome.summary.qoe_lin };
        let whole = outcome.session.phase() == Phase::Ended;
        let score = if whole { score } else { score.min(0.0) };
        (score / self.best * 100.0, outcome.summary.rebuffer_ratio)
    }
}

/// The presentation is known from the start, as in the published evaluations.
fn segments_only(presentation: &Presentation, fetch: &Fetch) -> Answer {
    let answer = whole(presentation, fetch);
    match fetch.resource {
        Resource::Presentation => Answer { fate: Fate::Cached, ..answer },
        _ => answer,
    }
}

/// How a controller did on one set under one set of terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The set.
    pub set: String,
    /// What was asked.
    pub terms: Terms,
    /// Sessions.
    pub sessions: usize,
    /// Mean percent of the optimum, each session within 0 and 100.
    pub mean: f64,
    /// 10th percentile of the percent of the optimum.
    pub p10: f64,
    /// Mean rebuffer ratio.
    pub rebuffer: f64,
}

/// Plays all cases with a controller; one score per run of cases with equal set and terms.
pub fn evaluate(cases: &[Case<'_>], controller: &str) -> Vec<Score> {
    let played: Vec<(f64, f64)> = cases.par_iter().map(|case| case.play(controller)).collect();
    let same = |a: &Case<'_>, b: &Case<'_>| a.set == b.set && a.terms == b.terms;
    let mut start = 0;
    let mut scores = Vec::new();
    for group in cases.chunk_by(same) {
        let played = &played[start..start + group.len()];
        start += group.len();
        let count = group.len() as f64;
        let mut percents: Vec<f64> = played.iter().map(|(percent, _)| *percent).collect();
        percents.sort_by(f64::total_cmp);
        let place = 0.1 * (count - 1.0);
        let (low, high) = (percents[place.floor() as usize], percents[place.ceil() as usize]);
        scores.push(Score {
            set: group[0].set.clone(),
            terms: group[0].terms,
            sessions: group.len(),
            mean: percents.iter().map(|percent| percent.clamp(0.0, 100.0)).sum::<f64>() / count,
            p10: low + (high - low) * place.fract(),
            rebuffer: played.iter().map(|(_, rebuffer)| rebuffer).sum::<f64>() / count,
        });
    }
    scores
}

/// What is maximised: four fifths the means, one fifth the 10th percentiles (from −50 up), over all scores.
pub fn objective(scores: &[Score]) -> f64 {
    let each = scores.iter().map(|score| 0.8 * score.mean + 0.2 * score.p10.clamp(-50.0, 100.0));
    each.sum::<f64>() / scores.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_halves_depend_on_seed_and_name_only() {
        let half = |seed| (0..1000).filter(|i| is_training(seed, &format!("trace_{i}"))).count();
        assert!((400..600).contains(&half(1)), "{}", half(1));
        assert_eq!(half(1), half(1));
        assert!((0..64).any(|i| is_training(1, &i.to_string()) != is_training(2, &i.to_string())));
    }

    #[test]
    fn a_steady_link_is_played_well_and_alike() {
        let staged = Staged::new(Title::load("synthetic:segments=20").unwrap());
        let trace = prepared(Trace::parse(Path::new("t"), "0 3.0\n100 3.0\n", None).unwrap());
        let terms = Terms { cap_s: 60.0, log: false };
        let best = best(&staged.title, &trace, terms);
        let cases = [Case::new("s".to_owned(), &staged, &trace, terms, best).unwrap()];
        let scores = evaluate(&cases, "hybrid");
        assert!(scores[0].mean > 70.0 && scores[0].mean <= 100.0, "{scores:?}");
        assert_eq!(scores, evaluate(&cases, "hybrid"));
        assert!(objective(&scores) > 70.0);
    }
}
