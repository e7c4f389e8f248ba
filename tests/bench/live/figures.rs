//! What a run says about its latency, from the time at which each frame was shown.

use serde::Serialize;
use std::fmt;
use std::time::Duration;
use tests::sluice::Outcome;

/// The latency is not looked at in the first so many milliseconds of playback.
const SETTLING_MS: f64 = 5_000.0;
/// Pictures that follow each other later than this did not move.
const STILL_MS: f64 = 120.0;

/// Times in milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// What was to be held, at the end.
    target: f64,
    /// Distance of each frame from the moment of its production: on average.
    latency: f64,
    /// Mean of the distance from the target, with its sign and without; its 99th percentile and maximum.
    off_mean: f64,
    off_absolute: f64,
    off_p99: f64,
    off_max: f64,
    /// The same as the player's own figures say.
    told_absolute: f64,
    stalls: u64,
    /// How long the picture stood in all.
    frozen: f64,
    jumps: usize,
    /// From the first request to the first picture.
    first_frame: f64,
    rate_changes: usize,
    switches: usize,
    dropped: u64,
    heights: Vec<u32>,
    /// With a step of the rate: seconds from a step until the latency stays within 200 ms of the target.
    back_after: Vec<f64>,
}

impl Figures {
    /// Of a run that was started `began` after 1970.
    pub(crate) fn of(outcome: &Outcome, began: Duration, steps: bool) -> Option<Self> {
        let positions = outcome.named("position");
        let number = |event: &serde_json::Value, name: &str| event[name].as_f64();
        let zero =
            positions.iter().rev().find_map(|p| Some(number(p, "wall_ms")? - number(p, "position_ms")?))?;
        let targets: Vec<(f64, f64)> = positions
            .iter()
            .filter_map(|p| Some((number(p, "t_ms")?, number(p, "target_latency_ms")?)))
            .collect();
        let target_at = |t_ms: f64| {
            let place = targets.partition_point(|(at, _)| *at <= t_ms).max(1) - 1;
            targets.get(place).map_or(0.0, |(_, target)| *target)
        };
        let first = outcome.frames.first()?;
        let fetches = outcome.named("fetch");
        let asked = fetches.iter().filter_map(|f| Some(number(f, "t_ms")? - number(f, "total_ms")?));
        let asked = asked.fold(f64::INFINITY, f64::min);
        let began = began.as_secs_f64() * 1e3;
        let late = |frame: &tests::sluice::Shown| began + frame.t_ms - (zero + frame.pts_ms);
        let settled: Vec<(f64, f64)> = outcome
            .frames
            .iter()
            .filter(|frame| frame.t_ms > first.t_ms + SETTLING_MS)
            .map(|frame| (frame.t_ms, late(frame)))
            .collect();
        let off: Vec<f64> = settled.iter().map(|(t, latency)| latency - target_at(*t)).collect();
        let mut absolute: Vec<f64> = off.iter().map(|off| off.abs()).collect();
        absolute.sort_by(f64::total_cmp);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let told: Vec<f64> = positions
            .iter()
            .filter(|p| number(p, "t_ms").is_some_and(|t| t > first.t_ms + SETTLING_MS))
            .filter_map(|p| Some((number(p, "latency_ms")? - number(p, "target_latency_ms")?).abs()))
            .collect();
        let still = outcome.frames.windows(2).map(|pair| pair[1].t_ms - pair[0].t_ms);
        let rates: Vec<f64> = positions.iter().filter_map(|p| number(p, "rate")).collect();
        let step = |seconds: f64| {
            let from = asked + seconds * 1e3;
            let until = from + 40_000.0;
            let errors = settled.iter().zip(&off).filter(|((t, _), _)| (from..until).contains(t));
            let last = errors.filter(|(_, off)| off.abs() > 200.0).map(|((t, _), _)| *t).next_back();
            last.map_or(0.0, |t| (t - from) / 1e3)
        };
        Some(Self {
            target: targets.last()?.1,
            latency: mean(&settled.iter().map(|(_, latency)| *latency).collect::<Vec<_>>()),
            off_mean: mean(&off),
            off_absolute: mean(&absolute),
            off_p99: absolute.get(absolute.len() * 99 / 100).copied().unwrap_or(0.0),
            off_max: absolute.last().copied().unwrap_or(0.0),
            told_absolute: mean(&told),
            stalls: outcome.summary["stalls"].as_u64().unwrap_or(0),
            frozen: still.filter(|gap| *gap > STILL_MS).map(|gap| gap - 40.0).sum(),
            jumps: outcome.named("jumped").len(),
            first_frame: first.t_ms - asked,
            rate_changes: rates.windows(2).filter(|pair| pair[0] != pair[1]).count(),
            switches: outcome.named("switch").iter().filter(|s| s["track"] == "video").count(),
            dropped: outcome.summary["frames_dropped"].as_u64().unwrap_or(0),
            heights: outcome.heights(),
            back_after: if steps { vec![step(40.0), step(80.0)] } else { Vec::new() },
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  target        {:.0} ms, latency {:.0} ms", self.target, self.latency)?;
        writeln!(
            f,
            "  off it        {:.0} ms mean ({:+.0}), {:.0} ms p99, {:.0} ms at most; {:.0} ms as the player tells",
            self.off_absolute, self.off_mean, self.off_p99, self.off_max, self.told_absolute
        )?;
        writeln!(
            f,
            "  stalls        {}, picture stood {:.0} ms, {} jumps",
            self.stalls, self.frozen, self.jumps
        )?;
        writeln!(f, "  first frame   {:.0} ms after the first request", self.first_frame)?;
        writeln!(
            f,
            "  changes       {} of the rate, {} of the rendition {:?}, {} frames dropped",
            self.rate_changes, self.switches, self.heights, self.dropped
        )?;
        for (step, seconds) in ["to 1 Mbit/s", "to 3 Mbit/s"].iter().zip(&self.back_after) {
            writeln!(f, "  {step}   within 200 ms again after {seconds:.1} s")?;
        }
        Ok(())
    }
}
