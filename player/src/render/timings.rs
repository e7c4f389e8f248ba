//! What a frame costs between the decoder and the screen.

use serde::Serialize;
use std::time::Duration;

/// Sums over the frames shown since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timings {
    /// How many frames.
    pub frames: u64,
    /// Copying planes (shader path) or converting on the CPU (CPU path).
    pub upload: Duration,
    /// Recording and submitting, or copying converted pixels to the window's texture. Only off screen
    /// does this include waiting for the device.
    pub draw: Duration,
    /// Handing over to the screen.
    pub present: Duration,
    /// The longest sum of the three for one frame.
    pub longest: Duration,
}

impl Timings {
    /// Counts one frame.
    pub(super) fn add(&mut self, upload: Duration, draw: Duration, present: Duration) {
        self.frames += 1;
        self.upload += upload;
        self.draw += draw;
        self.present += present;
        self.longest = self.longest.max(upload + draw + present);
    }

    /// Mean milliseconds per frame of upload, draw and present; zeros before the first frame.
    pub fn mean_ms(&self) -> [f64; 3] {
        let frames = self.frames.max(1) as f64;
        [self.upload, self.draw, self.present].map(|sum| sum.as_secs_f64() * 1e3 / frames)
    }
}
