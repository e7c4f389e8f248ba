//! What an MPD says about playing it while it grows (ISO/IEC 23009-1, 5.3.1.2, 5.8.4.11, Annex K; DASH-IF
//! IOP, part 4).

use super::mpd::Mpd;
use crate::manifest::address::ClockFormat;
use crate::manifest::iso8601;
use crate::manifest::policy::Policy;
use abr::presentation::{Edge, Live, Period};
use abr::time::{MediaTime, WallClock};
use std::time::Duration;
use url::Url;

/// Most services that are asked for the time.
const CLOCKS: usize = 8;
/// An MPD without update period is looked at again so often where a `SegmentTimeline` must grow.
const UNSTATED_UPDATE: Duration = Duration::from_secs(2);

/// The facts for the session; `None` for an MPD that does not grow.
pub(super) fn live(mpd: &Mpd, periods: &[Period], clocks: usize) -> Option<Live> {
    if !mpd.dynamic {
        return None;
    }
    let service = mpd.service_description.unwrap_or_default();
    let millis = |ms: Option<u64>| ms.map(Duration::from_millis);
    let rate = |rate: Option<f64>, otherwise: u32| match rate {
        Some(rate) if (0.1..=10.0).contains(&rate) => (rate * 1000.0).round() as u32,
        _ => otherwise,
    };
    let rates = (service.min_rate.is_some() || service.max_rate.is_some())
        .then(|| (rate(service.min_rate, 1000), rate(service.max_rate, 1000)));
    let segment = mpd.max_segment_duration.filter(|longest| !longest.is_zero());
    let segment = segment.unwrap_or_else(|| longest_segment(periods));
    let listed = periods
        .iter()
        .flat_map(|period| &period.adaptation_sets)
        .flat_map(|set| &set.representations)
        .filter_map(|representation| representation.index.known())
        .any(|runs| runs.availability == abr::segments::Availability::Listed && !runs.complete);
    // A segment that can be had before it is complete comes in chunks; the first is there by then.
    let early = periods
        .iter()
        .flat_map(|period| &period.adaptation_sets)
        .flat_map(|set| &set.representations)
        .filter_map(|representation| match representation.index.known()?.availability {
            abr::segments::Availability::Early(early) if !early.is_zero() => Some(early),
            _ => None,
        })
        .max();
    let part = early.map(|early| segment.saturating_sub(early));
    let refresh = mpd.minimum_update_period.or(listed.then_some(UNSTATED_UPDATE));
    Some(Live {
        edge: Edge::Clock,
        target: millis(service.target_latency_ms).or(mpd.suggested_presentation_delay),
        max: millis(service.max_latency_ms),
        rates,
        window: mpd.time_shift_buffer_depth,
        segment,
        part: part.filter(|part| !part.is_zero() && *part < segment),
        refresh,
        blocking: false,
        clocks: u32::try_from(clocks).unwrap_or(0),
    })
}

/// The longest segment near the end of what is known.
fn longest_segment(periods: &[Period]) -> Duration {
    let last = periods.iter().rev().find(|period| !period.adaptation_sets.is_empty());
    let representations =
        last.into_iter().flat_map(|period| &period.adaptation_sets).flat_map(|set| &set.representations);
    let lengths = representations.filter_map(|representation| {
        let runs = representation.index.known()?;
        let run = runs.runs.last()?;
        let length = MediaTime::from_ticks(i64::try_from(run.duration).ok()?, runs.timescale);
        Some(length.since(MediaTime::ZERO))
    });
    lengths.max().unwrap_or_default()
}

/// The services that tell the time, in the order of the MPD.
pub(super) fn clocks(mpd: &Mpd, policy: &Policy, base: &Url) -> Vec<(ClockFormat, Url)> {
    let named = mpd.utc_timings.iter().filter_map(|timing| {
        let format = match scheme(&timing.scheme_id_uri)? {
            "http-xsdate" | "http-iso" => ClockFormat::Date,
            "http-head" => ClockFormat::Header,
            _ => return None,
        };
        // Several addresses may stand in one value.
        let addresses = timing.value.as_deref().unwrap_or_default().split_ascii_whitespace();
        Some(addresses.filter_map(move |address| Some((format, policy.resolve(base, address).ok()?))))
    });
    named.flatten().take(CLOCKS).collect()
}

/// The time that the MPD states itself.
pub(super) fn direct(mpd: &Mpd) -> Option<WallClock> {
    let timing = mpd.utc_timings.iter().find(|timing| scheme(&timing.scheme_id_uri) == Some("direct"))?;
    iso8601::date_time(timing.value.as_deref()?.trim())
}

/// The name of a `urn:mpeg:dash:utc:NAME:YEAR`.
fn scheme(urn: &str) -> Option<&str> {
    urn.strip_prefix("urn:mpeg:dash:utc:")?.split(':').next()
}
