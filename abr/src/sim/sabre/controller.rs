//! What Sabre's controllers have in common.

use super::bola::Bola;
use super::bolae::Bolae;
use super::dynamic::{Dynamic, DynamicDash};
use super::estimator::Estimate;
use super::network::Progress;
use super::options::{Algorithm, Options};
use super::throughput::Throughput;

/// The title as controllers know it.
#[derive(Clone, Debug)]
pub(super) struct Ladder {
    pub(super) bitrates: Vec<f64>,
    pub(super) segment_ms: f64,
    pub(super) segments: usize,
}

/// What is known when a controller is asked.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) ladder: &'a Ladder,
    pub(super) estimate: Estimate,
    /// Buffer level in milliseconds.
    pub(super) level: f64,
}

impl View<'_> {
    /// The quality that loads in real time at `throughput`.
    pub(super) fn fitting(&self, throughput: f64) -> usize {
        let Ladder { bitrates, segment_ms, .. } = self.ladder;
        bitrates[1..]
            .iter()
            .take_while(|&&bitrate| self.estimate.latency + segment_ms * bitrate / throughput <= *segment_ms)
            .count()
    }

    pub(super) fn top(&self) -> usize {
        self.ladder.bitrates.len() - 1
    }
}

/// A quality, and how long to wait before asking for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Choice {
    pub(super) quality: usize,
    pub(super) wait: f64,
}

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    pub(super) quality: usize,
    pub(super) time: f64,
    /// Whether it was abandoned, and for which quality (none when a replacement came too late).
    pub(super) abandoned: bool,
    pub(super) abandoned_to: usize,
    pub(super) replacement: bool,
}

pub(super) trait Controller {
    fn decide(&mut self, segment: usize, view: View<'_>) -> Choice;

    /// Whether to ask for a lower quality instead; `view.level` is the buffer's at this moment.
    fn abandon(&mut self, progress: &Progress, view: View<'_>) -> Option<usize>;

    fn report(&mut self, _report: Report, _view: View<'_>) {}

    /// The full buffer held requests back for `time`.
    fn waited(&mut self, _time: f64) {}

    fn seek(&mut self, _segment: usize) {}
}

pub(super) fn controller(options: &Options, ladder: &Ladder) -> Box<dyn Controller> {
    match options.algorithm {
        Algorithm::Throughput => Box::new(Throughput::new(options)),
        Algorithm::Bola => Box::new(Bola::new(options, ladder)),
        Algorithm::Bolae => Box::new(Bolae::new(options, ladder)),
        Algorithm::Dynamic => Box::new(Dynamic::new(options, ladder)),
        Algorithm::DynamicDash => Box::new(DynamicDash::new(options, ladder)),
    }
}

/// The insufficient-buffer rule: what can be loaded with what is buffered, ever more carefully.
pub(super) struct InsufficientBuffer {
    safety: f64,
}

impl InsufficientBuffer {
    pub(super) fn new() -> Self {
        Self { safety: 0.9 }
    }

    /// `quality`, or a lower one that the buffer lasts for.
    pub(super) fn limit(&mut self, quality: usize, view: View<'_>) -> usize {
        let safe = self.safety * (view.level - view.estimate.latency) * view.estimate.throughput;
        self.safety = f64::max(self.safety * 0.9, 0.5);
        let next = &view.ladder.bitrates[1..];
        (0..quality).find(|&lower| next[lower] * view.ladder.segment_ms > safe).unwrap_or(quality)
    }
}

/// The first of `scores` that no other exceeds.
pub(super) fn first_maximum(scores: impl Iterator<Item = f64>) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (place, score) in scores.enumerate() {
        if place == 0 || score > best.1 {
            best = (place, score);
        }
    }
    best.0
}
