//! DYNAMIC, twice: as in the paper (BOLA and throughput) and as in dash.js (BOLA-E and throughput).

use super::bola::Bola;
use super::bolae::Bolae;
use super::controller::{Choice, Controller, Ladder, Report, View};
use super::network::Progress;
use super::options::Options;
use super::throughput::Throughput;

/// Level at which the buffer rule takes over, in milliseconds.
const HIGH_MS: f64 = 10_000.0;
/// Level at which dash.js gives it up.
const LOW_MS: f64 = 5_000.0;

pub(super) struct Dynamic {
    bola: Bola,
    throughput: Throughput,
    by_buffer: bool,
}

impl Dynamic {
    pub(super) fn new(options: &Options, ladder: &Ladder) -> Self {
        Self { bola: Bola::new(options, ladder), throughput: Throughput::new(options), by_buffer: false }
    }
}

impl Controller for Dynamic {
    fn decide(&mut self, segment: usize, view: View<'_>) -> Choice {
        let bola = self.bola.decide(segment, view);
        let throughput = self.throughput.decide(segment, view);
        if self.by_buffer {
            self.by_buffer = !(view.level < HIGH_MS && bola.quality < throughput.quality);
        } else {
            self.by_buffer = view.level > HIGH_MS && bola.quality >= throughput.quality;
        }
        if self.by_buffer { bola } else { throughput }
    }

    fn abandon(&mut self, progress: &Progress, view: View<'_>) -> Option<usize> {
        self.throughput.abandon(progress, view)
    }

    fn report(&mut self, report: Report, _view: View<'_>) {
        if report.replacement {
            self.by_buffer = false;
        }
    }
}

pub(super) struct DynamicDash {
    bolae: Bolae,
    throughput: Throughput,
    by_buffer: bool,
}

impl DynamicDash {
    pub(super) fn new(options: &Options, ladder: &Ladder) -> Self {
        Self { bolae: Bolae::new(options, ladder), throughput: Throughput::new(options), by_buffer: false }
    }

    fn active(&mut self) -> &mut dyn Controller {
        if self.by_buffer { &mut self.bolae } else { &mut self.throughput }
    }
}

impl Controller for DynamicDash {
    fn decide(&mut self, segment: usize, view: View<'_>) -> Choice {
        if self.by_buffer {
            self.by_buffer = view.level >= LOW_MS;
        } else {
            self.by_buffer = view.level > HIGH_MS;
        }
        self.active().decide(segment, view)
    }

    fn abandon(&mut self, progress: &Progress, view: View<'_>) -> Option<usize> {
        self.active().abandon(progress, view)
    }

    fn report(&mut self, report: Report, view: View<'_>) {
        self.bolae.report(report, view);
        self.throughput.report(report, view);
    }

    fn waited(&mut self, time: f64) {
        self.bolae.waited(time);
        self.throughput.waited(time);
    }
}
