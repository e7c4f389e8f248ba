//! When a failed request is made again, and when it is given up.

use crate::error::Code;
use crate::protocol::FailureKind;
use crate::random::Random;
use std::time::Duration;

/// Most requests for one resource.
pub const ATTEMPTS: u32 = 8;
/// Most requests for the manifest.
pub const MANIFEST_ATTEMPTS: u32 = 3;
/// Most requests for one segment of one representation at one location, when there are alternatives.
pub const ATTEMPTS_PER_LOCATION: u32 = 3;
/// Longest `Retry-After` that is obeyed.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);
/// First step of the back-off.
const FIRST_DELAY_MS: u64 = 250;
/// Longest step of the back-off.
const LONGEST_DELAY_MS: u64 = 5_000;

/// What a failure says about asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It may work at the same place in a moment.
    Transient,
    /// It will not work at this place, but perhaps at another.
    Place,
    /// The bytes arrived but are broken: once more, then elsewhere.
    Broken,
    /// It will not work for this representation.
    Final,
}

/// Sorts a failure.
pub fn class(kind: FailureKind) -> Class {
    match kind {
        FailureKind::Connect | FailureKind::Timeout | FailureKind::Truncated => Class::Transient,
        FailureKind::Status(408 | 425 | 429 | 500..) => Class::Transient,
        FailureKind::Status(_)
        | FailureKind::Certificate
        | FailureKind::Redirects
        | FailureKind::Forbidden
        | FailureKind::TooLarge
        | FailureKind::WrongContent => Class::Place,
        FailureKind::Malformed => Class::Broken,
        FailureKind::Unsupported => Class::Final,
    }
}

/// Whether a failure means that nothing can be reached, rather than that one thing is missing.
pub fn is_outage(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Connect | FailureKind::Timeout)
}

/// The number that users see for a failure of a media request; of a manifest with `manifest`.
pub fn code(kind: FailureKind, manifest: bool) -> Code {
    match kind {
        FailureKind::Connect => Code::Unreachable,
        FailureKind::Certificate => Code::Certificate,
        FailureKind::Timeout => Code::Timeout,
        FailureKind::Truncated => Code::Truncated,
        FailureKind::Status(_) => Code::Status,
        FailureKind::Redirects => Code::Redirects,
        FailureKind::Forbidden => Code::Forbidden,
        FailureKind::TooLarge => Code::TooLarge,
        FailureKind::WrongContent => Code::WrongContent,
        FailureKind::Malformed if manifest => Code::Manifest,
        FailureKind::Malformed => Code::Container,
        FailureKind::Unsupported => Code::Unsupported,
    }
}

/// The number that users see for a failed request of a licence or key.
pub fn licence_code(kind: FailureKind) -> Code {
    match kind {
        FailureKind::Malformed | FailureKind::WrongContent | FailureKind::TooLarge => Code::Licence,
        FailureKind::Unsupported => Code::KeySystem,
        FailureKind::Forbidden => Code::Forbidden,
        _ => Code::LicenceServer,
    }
}

/// Delays with full jitter from a seeded generator, so that clients do not march in step and
/// a session can be repeated.
#[derive(Clone, Debug)]
pub struct Backoff {
    random: Random,
}

impl Backoff {
    /// Starts the sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed) }
    }

    /// How long to wait before attempt `attempt` (1 is the first repetition). At least what the server
    /// asked for, up to [`LONGEST_RETRY_AFTER`].
    pub fn delay(&mut self, attempt: u32, retry_after: Option<Duration>) -> Duration {
        let ceiling = FIRST_DELAY_MS
            .checked_shl(attempt.saturating_sub(1))
            .filter(|ms| *ms <= LONGEST_DELAY_MS && attempt < 32)
            .unwrap_or(LONGEST_DELAY_MS);
        let jittered = Duration::from_millis(self.random.number() % (ceiling + 1));
        jittered.max(retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_sorted_as_the_policy_says() {
        for status in [408, 425, 429, 500, 503, 599] {
            assert_eq!(class(FailureKind::Status(status)), Class::Transient, "{status}");
        }
        for status in [400, 401, 403, 404, 410, 416, 451] {
            assert_eq!(class(FailureKind::Status(status)), Class::Place, "{status}");
        }
    }

    #[test]
    fn delays_grow_stay_bounded_and_repeat_with_the_seed() {
        let (mut a, mut b) = (Backoff::new(7), Backoff::new(7));
        for attempt in 1..100 {
            let delay = a.delay(attempt, None);
            assert_eq!(delay, b.delay(attempt, None));
            assert!(delay <= Duration::from_millis(LONGEST_DELAY_MS));
            assert!(attempt > 1 || delay <= Duration::from_millis(FIRST_DELAY_MS));
        }
        assert_eq!(a.delay(1, Some(Duration::from_secs(90))), LONGEST_RETRY_AFTER);
    }
}
