//! One session of Sabre's player.

use super::controller::{Controller, Ladder, Report, View, controller};
use super::estimator::{Estimate, Estimator};
use super::figures::{Figure, Figures};
use super::network::{Abandon, Network, Progress, Rule};
use super::options::{Options, Replacement};
use super::playback::Playback;
use crate::sim::title::{MAX_SEGMENTS, Title};
use crate::sim::trace::Trace;

/// Most requests of a session.
const MAX_REQUESTS: usize = 2_000_000;

/// Why a session cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Sabre knows one duration for all segments.
    #[error("Sabre's player needs segments of equal duration; those of {0} differ")]
    UnequalSegments(String),
    /// `-ml` asks for too much.
    #[error("a title of more than {MAX_SEGMENTS} segments")]
    TooLong,
    /// The link is so slow, or the buffer so small, that the session has no end.
    #[error("the session does not end on trace {0}")]
    Endless(String),
}

/// One request, as it looked when it was over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Index of the segment.
    pub segment: usize,
    /// 0, or the position in the buffer that was replaced, counted from its end.
    pub replace_index: i64,
    /// Requested quality.
    pub quality: usize,
    /// Bits of the segment.
    pub size_bits: f64,
    /// Bits that came.
    pub downloaded_bits: f64,
    /// Milliseconds from the request to its end.
    pub time_ms: f64,
    /// Milliseconds of that until the first bit.
    pub ttfb_ms: f64,
    /// When it ended early: the quality wanted instead, −1 when a replacement came too late.
    pub abandon_to: Option<i64>,
    /// Milliseconds that a full buffer held it back.
    pub full_buffer_wait_ms: f64,
    /// Milliseconds that the controller held it back.
    pub abr_wait_ms: f64,
    /// Buffer level afterwards.
    pub buffer_after_ms: f64,
    /// Stalls so far.
    pub rebuffer_total_ms: f64,
    /// Play clock afterwards.
    pub play_clock_ms: f64,
    /// Estimates when it was decided: kbit/s and milliseconds; none for the first.
    pub estimate: Option<(f64, f64)>,
}

/// Plays `title` over `trace` and gives Sabre's figures; `each` hears of every request.
pub fn play(
    title: &Title,
    trace: &Trace,
    options: &Options,
    each: &mut dyn FnMut(&Step),
) -> Result<Figures, Refused> {
    let Some(segment_ms) = title.uniform_duration_ms() else {
        return Err(Refused::UnequalSegments(title.name.clone()));
    };
    let mut segments = title.segments();
    if let Some(length) = options.movie_length_s {
        let wanted = (1000.0 * length / segment_ms).ceil();
        if wanted > MAX_SEGMENTS as f64 {
            return Err(Refused::TooLong);
        }
        segments = wanted.max(1.0) as usize;
    }
    let ladder = Ladder { bitrates: title.bitrates_kbps.clone(), segment_ms, segments };
    let capacity = options.buffer_s * 1000.0;
    let mut session = Session {
        title,
        options,
        network: Network::new(trace, options.network_multiplier, &ladder.bitrates, segment_ms),
        playback: Playback::new(&ladder.bitrates, segment_ms, capacity, options.ramp_up_quality),
        estimator: Estimator::new(&options.average, segment_ms),
        estimate: Estimate { throughput: 0.0, latency: 0.0 },
        errors: Errors::default(),
        controller: controller(options, &ladder),
        ladder,
        too_late: 0,
    };
    session.run(each).ok_or_else(|| Refused::Endless(trace.name.clone()))?;
    Ok(session.figures())
}

/// Running means of how far estimates were off.
#[derive(Default)]
struct Errors {
    over: (f64, f64),
    under: (f64, f64),
    all: f64,
}

impl Errors {
    fn take(&mut self, estimate: f64, sample: f64) {
        let class = if estimate > sample { &mut self.over } else { &mut self.under };
        class.0 += 1.0;
        class.1 += ((estimate - sample).abs() - class.1) / class.0;
        self.all += (estimate - sample - self.all) / (self.over.0 + self.under.0);
    }
}

struct Session<'a> {
    title: &'a Title,
    options: &'a Options,
    ladder: Ladder,
    network: Network,
    playback: Playback,
    estimator: Estimator,
    estimate: Estimate,
    errors: Errors,
    controller: Box<dyn Controller>,
    too_late: u32,
}

impl Session<'_> {
    /// The whole session; none when it does not end.
    fn run(&mut self, each: &mut dyn FnMut(&Step)) -> Option<()> {
        self.first(each);
        let mut next = 1;
        let mut seek = self.options.seek_s;
        for _ in 0..MAX_REQUESTS {
            if next >= self.ladder.segments {
                self.play(self.playback.level());
                self.playback.clear();
                return Some(());
            }
            if let Some((when, to)) = seek
                && next as f64 * self.ladder.segment_ms >= 1000.0 * when
            {
                next = (1000.0 * to / self.ladder.segment_ms) as usize;
                self.playback.clear();
                self.controller.seek(next);
                self.playback.restart_ramp_up();
                seek = None;
                // A seek beyond the end still asks for one segment in the program and fails there.
                next = next.min(self.ladder.segments - 1);
            }
            next += usize::from(self.step(next, each));
            if self.network.endless() {
                return None;
            }
        }
        None
    }

    fn play(&mut self, time: f64) {
        self.playback.play(time, self.network.sustains());
    }

    fn size(&self, segment: usize, quality: usize) -> f64 {
        // `-ml` repeats the title from its beginning.
        self.title.size_bits(segment % self.title.segments(), quality) as f64
    }

    /// The first segment: lowest quality, never abandoned, unknown to the controller.
    fn first(&mut self, each: &mut dyn FnMut(&Step)) {
        let size = self.size(0, 0);
        let progress = self.network.request(size, 0, 0.0, None, &mut self.playback);
        self.playback.buffer.push_back(0);
        self.learn(&progress);
        self.playback.clock += progress.time;
        each(&self.look(0, 0, &progress, None, (0.0, 0.0)));
    }

    fn learn(&mut self, progress: &Progress) {
        let transfer = progress.time - progress.ttfb;
        let sample = Estimate { throughput: progress.received / transfer, latency: progress.ttfb };
        self.estimate = self.estimator.push(transfer, sample);
    }

    /// One request; whether the next segment's turn has come.
    fn step(&mut self, next: usize, each: &mut dyn FnMut(&Step)) -> bool {
        let known = self.estimate;
        let mut full_wait = self.playback.level() + self.ladder.segment_ms - self.options.buffer_s * 1000.0;
        if full_wait > 0.0 {
            self.play(full_wait);
            self.network.pause(full_wait, &mut self.playback);
            self.controller.waited(full_wait);
        } else {
            full_wait = 0.0;
        }
        let view = View { ladder: &self.ladder, estimate: known, level: self.playback.level() };
        let choice = self.controller.decide(next, view);
        let replace = self.replaceable(choice.quality);
        let wait = if replace.is_none() { choice.wait } else { 0.0 };
        if wait > 0.0 {
            self.play(wait);
            self.network.pause(wait, &mut self.playback);
        }
        let segment = next - replace.unwrap_or(0);
        let progress = self.request(segment, choice.quality, replace);
        self.play(progress.time);
        let complete = progress.abandoned.is_none();
        match replace {
            None if complete => self.playback.buffer.push_back(choice.quality),
            None => {}
            Some(back) if complete => self.replace(back, choice.quality),
            Some(_) => {}
        }
        self.tell(&progress, replace.is_some());
        let transfer = progress.time - progress.ttfb;
        self.errors.take(known.throughput, progress.received / transfer);
        if complete {
            self.learn(&progress);
        }
        let back = replace.map_or(0, |back| -(back as i64));
        each(&self.look(segment, back, &progress, Some(known), (full_wait, wait)));
        complete && replace.is_none()
    }

    fn request(&mut self, segment: usize, quality: usize, replace: Option<usize>) -> Progress {
        let size = self.size(segment, quality);
        let level = self.playback.level();
        let (ladder, estimate, controller) = (&self.ladder, self.estimate, &mut self.controller);
        let mut by_controller = |progress: &Progress, level: f64| {
            controller.abandon(progress, View { ladder, estimate, level }).map(Abandon::Restart)
        };
        let mut by_replacement = |_: &Progress, level: f64| {
            let back = replace.unwrap_or(0) as f64;
            (level - ladder.segment_ms * back <= 0.0).then_some(Abandon::TooLate)
        };
        let rule: Option<Rule<'_>> = match (self.options.no_abandonment, replace) {
            (true, _) => None,
            (false, None) => Some(&mut by_controller),
            (false, Some(_)) => Some(&mut by_replacement),
        };
        self.network.request(size, quality, level, rule, &mut self.playback)
    }

    /// How far from the end of the buffer lies a segment worth replacing by `quality`.
    fn replaceable(&self, quality: usize) -> Option<usize> {
        let buffer = &self.playback.buffer;
        let skip = (1.5 + self.playback.played_of_head / self.ladder.segment_ms).ceil() as usize;
        let mut positions = skip..buffer.len();
        let worse = |&position: &usize| buffer[position] < quality;
        let found = match self.options.replacement {
            Replacement::None => None,
            Replacement::Left => positions.find(worse),
            Replacement::Right => positions.rev().find(worse),
        };
        found.map(|position| buffer.len() - position)
    }

    fn replace(&mut self, back: usize, quality: usize) {
        let place = self.playback.buffer.len().checked_sub(back);
        if self.playback.level() - self.ladder.segment_ms * back as f64 >= 0.0
            && let Some(entry) = place.and_then(|place| self.playback.buffer.get_mut(place))
        {
            *entry = quality;
        } else {
            self.too_late += 1;
        }
    }

    fn tell(&mut self, progress: &Progress, replacement: bool) {
        let report = Report {
            quality: progress.quality,
            time: progress.time,
            abandoned: progress.abandoned.is_some(),
            abandoned_to: match progress.abandoned {
                Some(Abandon::Restart(quality)) => quality,
                Some(Abandon::TooLate) | None => 0,
            },
            replacement,
        };
        let view = View { ladder: &self.ladder, estimate: self.estimate, level: self.playback.level() };
        self.controller.report(report, view);
    }

    fn look(
        &self,
        segment: usize,
        replace_index: i64,
        progress: &Progress,
        known: Option<Estimate>,
        (full_buffer_wait_ms, abr_wait_ms): (f64, f64),
    ) -> Step {
        Step {
            segment,
            replace_index,
            quality: progress.quality,
            size_bits: progress.size,
            downloaded_bits: progress.received,
            time_ms: progress.time,
            ttfb_ms: progress.ttfb,
            abandon_to: progress.abandoned.map(|abandon| match abandon {
                Abandon::Restart(quality) => quality as i64,
                Abandon::TooLate => -1,
            }),
            full_buffer_wait_ms,
            abr_wait_ms,
            buffer_after_ms: self.playback.level(),
            rebuffer_total_ms: self.playback.rebuffer,
            play_clock_ms: self.playback.clock,
            estimate: known.map(|estimate| (estimate.throughput, estimate.latency)),
        }
    }

    fn figures(&self) -> Figures {
        use Figure::{Count, Real};
        let p = &self.playback;
        let segment_ms = self.ladder.segment_ms;
        let chunks = p.clock / segment_ms;
        let average = 1.0 / chunks;
        let events = f64::from(p.rebuffer_events);
        let score = average * (p.utility - self.options.gamma_p * p.rebuffer / segment_ms);
        let ramp_up = p.ramp_up.unwrap_or(self.ladder.segments as f64 * segment_ms);
        vec![
            ("buffer_size", Count(self.options.buffer_s * 1000.0)),
            ("total_played_utility", Real(p.utility)),
            ("time_average_played_utility", Real(p.utility * average)),
            ("total_played_bitrate", Real(p.bitrate)),
            ("time_average_played_bitrate", Real(p.bitrate * average)),
            ("total_play_time", Real(p.clock / 1000.0)),
            ("total_play_time_chunks", Real(chunks)),
            ("total_rebuffer", Real(p.rebuffer / 1000.0)),
            ("rebuffer_ratio", Real(p.rebuffer / p.clock)),
            ("time_average_rebuffer", Real(p.rebuffer / 1000.0 * average)),
            ("total_rebuffer_events", Real(events)),
            ("time_average_rebuffer_events", Real(events * average)),
            ("total_bitrate_change", Real(p.bitrate_change)),
            ("time_average_bitrate_change", Real(p.bitrate_change * average)),
            ("total_log_bitrate_change", Real(p.log_bitrate_change)),
            ("time_average_log_bitrate_change", Real(p.log_bitrate_change * average)),
            ("time_average_score", Real(score)),
            ("over_estimate_count", Count(self.errors.over.0)),
            ("over_estimate", Real(self.errors.over.1)),
            ("leq_estimate_count", Count(self.errors.under.0)),
            ("leq_estimate", Real(self.errors.under.1)),
            ("estimate", Real(self.errors.all)),
            ("rampup_time", Real(ramp_up / 1000.0)),
            ("total_reaction_time", Real(p.reaction / 1000.0)),
            ("too_late_warnings", Count(f64::from(self.too_late))),
        ]
    }
}
