//! Synthetic titles: a seeded model of variable bitrate.
//!
//! The complexity of the content is a log-normal AR(1) process with scene cuts; every quality of a segment has
//! the same complexity with a little noise of its own, and all are scaled so that a quality's mean is its nominal
//! bitrate. Same description, same title, on every machine.

use super::Title;
use crate::random::Random;
use crate::sim::input::{Problem, number, shorten};
use std::str::FromStr;

/// A description such as `segments=199,seconds=3,ladder=230-331-477,cv=0.4,seed=1`; every part may be left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Synthetic {
    /// How many segments (199).
    pub segments: usize,
    /// Length of a segment in seconds (4).
    pub seconds: f64,
    /// Bitrates in kbit/s, ascending (Pensieve's six).
    pub ladder_kbps: Vec<f64>,
    /// Coefficient of variation of the segment sizes, 0 to 1.5 (0.35).
    pub cv: f64,
    /// Seed (1).
    pub seed: u64,
}

impl Default for Synthetic {
    fn default() -> Self {
        Self {
            segments: 199,
            seconds: 4.0,
            ladder_kbps: vec![300.0, 750.0, 1200.0, 1850.0, 2850.0, 4300.0],
            cv: 0.35,
            seed: 1,
        }
    }
}

impl FromStr for Synthetic {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let mut model = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((key, value)) = part.split_once('=') else {
                return Err(Problem::Syntax(format!("{:?} is not key=value", shorten(part))));
            };
            let whole =
                || value.parse::<u64>().map_err(|_| Problem::Syntax(format!("{part:?} is not whole")));
            match key {
                "segments" => model.segments = usize::try_from(whole()?).unwrap_or(usize::MAX),
                "seconds" => model.seconds = number(value)?,
                "ladder" => model.ladder_kbps = value.split('-').map(number).collect::<Result<_, _>>()?,
                "cv" => model.cv = number(value)?,
                "seed" => model.seed = whole()?,
                _ => {
                    return Err(Problem::Syntax(format!(
                        "unknown {:?}; known are segments, seconds, ladder, cv, seed",
                        shorten(key)
                    )));
                }
            }
        }
        if !(0.0..=1.5).contains(&model.cv) {
            return Err(Problem::Value(format!("cv={} is not within 0 to 1.5", model.cv)));
        }
        Ok(model)
    }
}

impl Synthetic {
    /// The title of this description.
    pub fn title(&self, name: &str) -> Result<Title, Problem> {
        if self.segments > super::MAX_SEGMENTS || self.ladder_kbps.len() > super::MAX_QUALITIES {
            return Err(Problem::Value("has too many segments or qualities".into()));
        }
        let mut random = Random::new(self.seed);
        // A log-normal variable with this sigma has the wanted coefficient of variation.
        let sigma = (1.0 + self.cv * self.cv).ln().sqrt();
        let mut state = random.bell();
        let mut shape = Vec::with_capacity(self.segments * self.ladder_kbps.len());
        for _ in 0..self.segments {
            // One segment in twelve begins a new scene.
            let keep: f64 = if random.unit() < 1.0 / 12.0 { 0.0 } else { 0.8 };
            state = keep * state + (1.0 - keep * keep).sqrt() * random.bell();
            for _ in &self.ladder_kbps {
                shape.push((sigma * (0.97 * state + 0.243 * random.bell())).exp());
            }
        }
        let qualities = self.ladder_kbps.len();
        let mut sizes = vec![0u64; shape.len()];
        for (quality, nominal) in self.ladder_kbps.iter().enumerate() {
            let sum: f64 = shape.iter().skip(quality).step_by(qualities).sum();
            let scale = nominal * 1000.0 * self.seconds * self.segments as f64 / sum;
            for place in (quality..shape.len()).step_by(qualities) {
                // Whole bytes, as media files have.
                sizes[place] = ((shape[place] * scale / 8.0).round().max(1.0) as u64).saturating_mul(8);
            }
        }
        Title::new(name, vec![self.seconds * 1000.0; self.segments], self.ladder_kbps.clone(), sizes)
    }
}
