//! The server side of the simulator: what each request is answered with.

use crate::presentation::Presentation;
use crate::protocol::{FailureKind, Fetch, Resource};
use crate::time::{Timestamp, WallClock};
use std::time::Duration;

/// Bytes of a manifest, an index, an initialization segment and a licence.
const SMALL: (u64, u64, u64, u64) = (4_000, 2_000, 1_000, 300);

/// How a request is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Length of the whole body.
    pub bytes: u64,
    /// Extra time before the first byte.
    pub delay: Duration,
    /// What becomes of it.
    pub fate: Fate,
    /// When each of the equal chunks of the body has been produced, from the request on, ascending; empty for a
    /// body that is there as a whole.
    pub chunks: Vec<Duration>,
}

/// What becomes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Whole,
    /// It fails after so many bytes.
    Fails(FailureKind, u64),
    /// It stands still after so many bytes, until a timeout or a cancellation ends it.
    Stands(u64),
    /// It arrives from a cache, at once.
    Cached,
    /// It arrives, but the pipeline refuses it (malformed or, with `false`, of an unknown codec).
    Refused {
        /// See [`AppendFailure::malformed`](crate::protocol::AppendFailure::malformed).
        malformed: bool,
    },
    /// It arrives, but the pipeline has no key for it.
    Encrypted,
}

/// Answers requests.
pub trait Origin {
    /// Answers one request.
    fn answer(&mut self, presentation: &Presentation, fetch: &Fetch) -> Answer;

    /// The presentation and the wall-clock time now, when the title grows; `None` when it stays as it is.
    fn live(&mut self, _now: Timestamp) -> Option<(Presentation, WallClock)> {
        None
    }
}

/// Answers everything, with the sizes of the presentation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faultless;

impl Origin for Faultless {
    fn answer(&mut self, presentation: &Presentation, fetch: &Fetch) -> Answer {
        whole(presentation, fetch)
    }
}

impl<F: FnMut(&Presentation, &Fetch) -> Answer> Origin for F {
    fn answer(&mut self, presentation: &Presentation, fetch: &Fetch) -> Answer {
        self(presentation, fetch)
    }
}

/// The faultless answer to a request.
pub fn whole(presentation: &Presentation, fetch: &Fetch) -> Answer {
    let bytes = match fetch.resource {
        Resource::Presentation => SMALL.0,
        Resource::Index(_) => SMALL.1,
        Resource::Init { .. } | Resource::Clock(_) => SMALL.2,
        Resource::Licence(_) => SMALL.3,
        Resource::Segment { representation, segment } => segment.size.unwrap_or_else(|| {
            let bandwidth = presentation.representation(representation).map_or(0, |r| r.bandwidth_bps);
            let bits = u128::from(bandwidth) * segment.duration().as_millis() / 1000;
            u64::try_from(bits / 8).unwrap_or(u64::MAX)
        }),
    };
    Answer { bytes, delay: Duration::ZERO, fate: Fate::Whole, chunks: Vec::new() }
}

/// A failing answer without a body.
pub fn failing(kind: FailureKind) -> Answer {
    Answer { bytes: 0, delay: Duration::ZERO, fate: Fate::Fails(kind, 0), chunks: Vec::new() }
}
