//! BOLA-E as Sabre plays it: a placeholder buffer makes up for starts, waits and replacements.

use super::controller::{Choice, Controller, InsufficientBuffer, Ladder, Report, View, first_maximum};
use super::network::Progress;
use super::options::Options;

/// Level below which only the lowest quality is chosen, in milliseconds.
const LOW_MS: f64 = 10_000.0;
/// The virtual buffer grows by this much per quality, in milliseconds.
const PER_QUALITY_MS: f64 = 2_000.0;

pub(super) struct Bolae {
    bitrates: Vec<f64>,
    utilities: Vec<f64>,
    segment_ms: f64,
    gamma_p: f64,
    vp: f64,
    oscillation_averse: bool,
    insufficient_buffer: Option<InsufficientBuffer>,
    /// Milliseconds that are treated as buffered.
    placeholder: f64,
    first: bool,
    last: usize,
}

impl Bolae {
    pub(super) fn new(options: &Options, ladder: &Ladder) -> Self {
        let offset = 1.0 - ladder.bitrates[0].ln();
        let utilities: Vec<f64> = ladder.bitrates.iter().map(|b| b.ln() + offset).collect();
        let top = utilities[utilities.len() - 1];
        let capacity = options.buffer_s * 1000.0;
        let (gamma_p, vp) = if options.no_insufficient_buffer_rule {
            let gamma_p = options.gamma_p - 1.0;
            (gamma_p, (capacity - ladder.segment_ms) / (top + gamma_p))
        } else {
            let target = f64::max(LOW_MS + PER_QUALITY_MS * utilities.len() as f64, capacity);
            let gamma_p = (top - 1.0) / (target / LOW_MS - 1.0);
            (gamma_p, LOW_MS / gamma_p)
        };
        Self {
            bitrates: ladder.bitrates.clone(),
            utilities,
            segment_ms: ladder.segment_ms,
            gamma_p,
            vp,
            oscillation_averse: options.oscillation_averse,
            insufficient_buffer: (!options.no_insufficient_buffer_rule).then(InsufficientBuffer::new),
            placeholder: 0.0,
            first: true,
            last: 0,
        }
    }

    /// Least level at which `quality` is preferred to all below it.
    fn least_level(&self, quality: usize) -> f64 {
        let (bitrate, utility) = (self.bitrates[quality], self.utilities[quality]);
        let mut level = 0.0;
        for (b, u) in self.bitrates.iter().zip(&self.utilities).take(quality) {
            if *u < utility {
                let slope = (bitrate * u - b * utility) / (bitrate - b);
                level = f64::max(level, self.vp * (self.gamma_p + slope));
            }
        }
        level
    }

    /// Level from which on it is better to wait than to fetch `quality`.
    fn most_level(&self, quality: usize) -> f64 {
        self.vp * (self.utilities[quality] + self.gamma_p)
    }

    fn shrink_placeholder(&mut self, most: f64) {
        self.placeholder = f64::min(self.placeholder, f64::max(0.0, most));
    }

    fn first_choice(&mut self, view: View<'_>) -> Choice {
        self.first = false;
        if let Some(rule) = &mut self.insufficient_buffer {
            *rule = InsufficientBuffer::new();
        }
        let quality = view.fitting(view.estimate.throughput);
        self.placeholder = f64::max(0.0, self.least_level(quality) - view.level);
        Choice { quality, wait: 0.0 }
    }
}

impl Controller for Bolae {
    fn decide(&mut self, _segment: usize, view: View<'_>) -> Choice {
        if self.first {
            return self.first_choice(view);
        }
        let level = view.level + self.placeholder;
        let score = |(utility, bitrate): (&f64, &f64)| (self.vp * (utility + self.gamma_p) - level) / bitrate;
        let mut quality = first_maximum(self.utilities.iter().zip(&self.bitrates).map(score));
        let fitting = view.fitting(view.estimate.throughput);
        if quality > self.last && quality > fitting {
            quality = self.last.max(fitting) + usize::from(!self.oscillation_averse);
        }
        let mut wait = f64::max(0.0, view.level + self.placeholder - self.most_level(quality));
        let from_placeholder = f64::min(self.placeholder, wait);
        self.placeholder -= from_placeholder;
        wait -= from_placeholder;
        if quality == view.top() {
            wait = 0.0;
        }
        if let Some(rule) = &mut self.insufficient_buffer {
            let limited = rule.limit(quality, view);
            if limited < quality {
                (quality, wait) = (limited, 0.0);
                self.shrink_placeholder(self.least_level(quality) - view.level);
            }
        }
        Choice { quality, wait }
    }

    fn abandon(&mut self, progress: &Progress, view: View<'_>) -> Option<usize> {
        let left = progress.size - progress.received;
        if left <= 0.0 || progress.received <= 0.0 {
            return None;
        }
        let level = f64::max(0.0, view.level + self.placeholder - progress.ttfb);
        let throughput = progress.received / (progress.time - progress.ttfb);
        // What a new request would still have to load when this one's first bit could have come.
        let left = left - progress.ttfb * throughput;
        if left <= 0.0 {
            return None;
        }
        let gain = |quality: usize| self.vp * (self.gamma_p + self.utilities[quality]) - level;
        let mut best = gain(progress.quality) / left;
        let mut taken = None;
        for quality in 0..progress.quality {
            let size = progress.size * self.bitrates[quality] / self.bitrates[progress.quality];
            let score = gain(quality) / size;
            if size < left && score > best {
                best = score;
                taken = Some(quality);
            }
        }
        taken
    }

    fn report(&mut self, report: Report, view: View<'_>) {
        self.last = report.quality;
        let level = view.level;
        match (report.replacement, report.abandoned) {
            (true, false) => self.placeholder += self.segment_ms,
            (true, true) => {}
            (false, false) => {
                let before = level + report.time;
                self.shrink_placeholder(self.most_level(report.quality) - before);
                if level > 0.0 {
                    self.placeholder = f64::max(self.placeholder, self.least_level(report.quality) - before);
                }
            }
            (false, true) => {
                let to = report.abandoned_to;
                let wanted = if to > 0 { self.least_level(to) } else { LOW_MS };
                self.shrink_placeholder(wanted - level);
            }
        }
    }

    fn waited(&mut self, time: f64) {
        self.placeholder += time;
    }

    fn seek(&mut self, _segment: usize) {
        self.first = true;
    }
}
