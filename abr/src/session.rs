//! The brain: told facts, asked for orders.
//!
//! ```text
//! loop { session.handle(now, fact); while let order != Wait = session.poll() { carry out } }
//! ```

mod config;

use crate::presentation::{ContentType, Presentation, RepresentationKey};
use crate::protocol::{Input, Output, Phase};
use crate::time::{MediaTime, Timestamp};
use std::collections::VecDeque;

pub use config::{Config, Prior};

/// One playback from start to end. See the rules in [`protocol`](crate::protocol).
#[derive(Debug)]
pub struct Session {
    config: Config,
    now: Timestamp,
    phase: Phase,
    outputs: VecDeque<Output>,
    presentation: Option<Presentation>,
}

impl Session {
    /// A session that will first ask for the presentation.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            now: Timestamp::ZERO,
            phase: Phase::Starting,
            outputs: VecDeque::new(),
            presentation: None,
        }
    }

    /// Tells one fact that became known at `now`.
    pub fn handle(&mut self, now: Timestamp, fact: Input) {
        self.now = self.now.max(now);
        if let Input::Presentation(presentation) = fact {
            self.presentation = Some(*presentation);
        }
    }

    /// Asks for the next order; ends with [`Output::Wait`].
    pub fn poll(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Wait(None))
    }

    /// Where the clock stands and why.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Presentation time on the screen at `now`.
    pub fn position(&self, _now: Timestamp) -> MediaTime {
        self.config.start_at
    }

    /// Until where a track is queued, seen from the position; `None` without such a track.
    pub fn buffered_to(&self, _track: ContentType) -> Option<MediaTime> {
        None
    }

    /// Length of the timeline when known.
    pub fn duration(&self) -> Option<std::time::Duration> {
        self.presentation.as_ref()?.duration
    }

    /// Throughput estimate in bit/s.
    pub fn throughput_bps(&self) -> Option<u64> {
        None
    }

    /// Which representation of a track is at the position.
    pub fn current(&self, _track: ContentType) -> Option<RepresentationKey> {
        None
    }

    /// Height that the user locked; `None` for automatic choice.
    pub fn locked_height(&self) -> Option<u32> {
        self.config.lock_height
    }

    /// The presentation, once known.
    pub fn presentation(&self) -> Option<&Presentation> {
        self.presentation.as_ref()
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.config
    }
}
