//! Three clocks, three types, no conversions between them.
//!
//! | type | counts | origin |
//! |---|---|---|
//! | [`Timestamp`] | monotonic nanoseconds | start of the session (or of the simulation) |
//! | [`MediaTime`] | nanoseconds on the presentation timeline, may be negative | start of the presentation |
//! | [`WallClock`] | UTC milliseconds | 1970-01-01T00:00:00Z |
//!
//! Spans between two points of one clock are [`core::time::Duration`].

use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on the monotonic clock, in nanoseconds since the session started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The start of the session.
    pub const ZERO: Self = Self(0);
    /// The largest representable point: "never".
    pub const MAX: Self = Self(u64::MAX);

    /// `nanos` nanoseconds after the start of the session.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// `millis` milliseconds after the start of the session; saturates.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the start of the session.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the start of the session, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The span from `earlier` to `self`, zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(span)))
    }
}

/// A point on the presentation timeline, in nanoseconds; zero is the start of the presentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaTime(i64);

impl MediaTime {
    /// The start of the presentation.
    pub const ZERO: Self = Self(0);
    /// The largest representable point.
    pub const MAX: Self = Self(i64::MAX);
    /// The smallest representable point.
    pub const MIN: Self = Self(i64::MIN);

    /// `nanos` nanoseconds from the start of the presentation.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// `millis` milliseconds from the start of the presentation; saturates.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// `ticks / timescale` seconds, rounded to the nearest nanosecond (halves away from zero); saturates.
    ///
    /// A `timescale` of zero is read as 1, so that arithmetic on hostile input stays defined; parsers
    /// reject it before.
    pub const fn from_ticks(ticks: i64, timescale: u32) -> Self {
        let timescale = if timescale == 0 { 1 } else { timescale as u64 };
        let ticks_abs = ticks.unsigned_abs();
        // Whole seconds and the rest apart, so that everything fits 64 bits: the rest is below 2³² ticks.
        let (seconds, rest) = (ticks_abs / timescale, ticks_abs % timescale);
        let nanos = (rest * 1_000_000_000 + timescale / 2) / timescale;
        let nanos = seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        if ticks >= 0 {
            Self(if nanos > i64::MAX as u64 { i64::MAX } else { nanos as i64 })
        } else {
            Self(0i64.saturating_sub_unsigned(nanos))
        }
    }

    /// Nanoseconds from the start of the presentation.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whole milliseconds from the start of the presentation, rounded towards negative infinity.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Seconds from the start of the presentation. An estimate: do not count with it.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The span from `earlier` to `self`, zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        // The difference of two i64 fits u64 when it is not negative.
        Duration::from_nanos(if self.0 <= earlier.0 { 0 } else { self.0.wrapping_sub(earlier.0) as u64 })
    }
}

impl Add<Duration> for MediaTime {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(nanos(span)).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for MediaTime {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(nanos(span)).unwrap_or(i64::MAX)))
    }
}

/// A point in UTC, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallClock(i64);

impl WallClock {
    /// `millis` milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

/// Whole nanoseconds of a span; saturates at 584 years.
pub fn nanos(span: Duration) -> u64 {
    span.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(span.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_round_to_the_nearest_nanosecond() {
        assert_eq!(MediaTime::from_ticks(1, 3).as_nanos(), 333_333_333);
        assert_eq!(MediaTime::from_ticks(2, 3).as_nanos(), 666_666_667);
        assert_eq!(MediaTime::from_ticks(-2, 3).as_nanos(), -666_666_667);
        assert_eq!(MediaTime::from_ticks(i64::MAX, 1), MediaTime::MAX);
        assert_eq!(MediaTime::from_ticks(7, 0), MediaTime::from_ticks(7, 1));
    }

    #[test]
    fn ticks_become_nanoseconds_as_long_division_says() {
        let long = |ticks: i64, timescale: u32| {
            let (scaled, timescale) = (i128::from(ticks) * 1_000_000_000, i128::from(timescale.max(1)));
            let half = if scaled >= 0 { timescale / 2 } else { -(timescale / 2) };
            ((scaled + half) / timescale).clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
        };
        for ticks in [0, 1, 2, 7, 1 << 20, 3 << 31, i64::MAX / 3, i64::MAX, -1, -5, -(1 << 40), i64::MIN] {
            for timescale in [0, 1, 2, 3, 7, 1000, 44_100, 90_000, 10_000_000, u32::MAX - 1, u32::MAX] {
                let time = MediaTime::from_ticks(ticks, timescale);
                assert_eq!(time.as_nanos(), long(ticks, timescale), "{ticks}/{timescale}");
            }
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX + Duration::from_secs(1), Timestamp::MAX);
        assert_eq!(Timestamp::ZERO - Duration::from_secs(1), Timestamp::ZERO);
        assert_eq!(MediaTime::ZERO.since(MediaTime::from_millis(5)), Duration::ZERO);
        assert_eq!(MediaTime::MAX.since(MediaTime::MIN), Duration::from_nanos(u64::MAX));
        assert_eq!(nanos(Duration::MAX), u64::MAX);
        assert_eq!(MediaTime::from_millis(-1).as_millis(), -1);
    }
}
