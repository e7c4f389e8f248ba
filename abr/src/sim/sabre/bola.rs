//! BOLA as Sabre plays it: basic or finite, U (one step above the throughput) or O (waiting instead).

use super::controller::{Choice, Controller, Ladder, View, first_maximum};
use super::network::Progress;
use super::options::Options;

pub(super) struct Bola {
    utilities: Vec<f64>,
    gamma_p: f64,
    capacity: f64,
    basic: bool,
    oscillation_averse: bool,
    /// The paper's V, in milliseconds per unit of utility.
    vp: f64,
    last: usize,
    seek: usize,
}

impl Bola {
    pub(super) fn new(options: &Options, ladder: &Ladder) -> Self {
        let offset = -ladder.bitrates[0].ln();
        let utilities = ladder.bitrates.iter().map(|b| b.ln() + offset).collect();
        let mut bola = Self {
            utilities,
            gamma_p: options.gamma_p,
            capacity: options.buffer_s * 1000.0,
            basic: options.basic,
            oscillation_averse: options.oscillation_averse,
            vp: 0.0,
            last: 0,
            seek: 0,
        };
        bola.scale(bola.capacity, ladder.segment_ms);
        bola
    }

    fn scale(&mut self, capacity: f64, segment_ms: f64) {
        let top = self.utilities[self.utilities.len() - 1];
        self.vp = (capacity - segment_ms) / (top + self.gamma_p);
    }
}

impl Controller for Bola {
    fn decide(&mut self, segment: usize, view: View<'_>) -> Choice {
        let Ladder { bitrates, segment_ms, segments } = view.ladder;
        if !self.basic {
            // After a seek backwards the distance from it is negative, as in the program.
            let near = f64::min(segment as f64 - self.seek as f64, *segments as f64 - segment as f64);
            let horizon = f64::max(near / 2.0, 3.0) * segment_ms;
            self.scale(f64::min(self.capacity, horizon), *segment_ms);
        }
        let score =
            |(utility, bitrate): (&f64, &f64)| (self.vp * (utility + self.gamma_p) - view.level) / bitrate;
        let mut choice =
            Choice { quality: first_maximum(self.utilities.iter().zip(bitrates).map(score)), wait: 0.0 };
        if choice.quality > self.last {
            let fitting = view.fitting(view.estimate.throughput);
            if choice.quality > fitting {
                if self.last > fitting {
                    choice.quality = self.last;
                } else if self.oscillation_averse {
                    choice.quality = fitting;
                    if fitting < view.top() {
                        let limit = self.vp * (self.gamma_p + self.utilities[fitting]);
                        choice.wait = f64::max(0.0, view.level - limit);
                    }
                } else {
                    choice.quality = fitting + 1;
                }
            }
        }
        self.last = choice.quality;
        choice
    }

    fn abandon(&mut self, progress: &Progress, view: View<'_>) -> Option<usize> {
        let left = progress.size - progress.received;
        if self.basic || left <= 0.0 || progress.received <= 0.0 {
            return None;
        }
        let gain = |quality: usize| self.vp * (self.gamma_p + self.utilities[quality]) - view.level;
        let mut best = gain(progress.quality) / left;
        if best < 0.0 {
            return None;
        }
        let mut taken = None;
        for quality in 0..progress.quality {
            let size = progress.size * view.ladder.bitrates[quality] / view.ladder.bitrates[progress.quality];
            let score = gain(quality) / size;
            if size < left && score > best {
                best = score;
                taken = Some(quality);
            }
        }
        self.last = taken.unwrap_or(self.last);
        taken
    }

    fn seek(&mut self, segment: usize) {
        self.seek = segment;
    }
}
