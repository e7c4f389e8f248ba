//! Sabre's buffer and what is measured while it plays.

use std::collections::VecDeque;

/// A rise of what the link sustains, waiting for the player to answer it.
struct Reaction {
    start: f64,
    end: Option<f64>,
    quality: usize,
}

pub(super) struct Playback {
    bitrates: Vec<f64>,
    utilities: Vec<f64>,
    segment_ms: f64,
    capacity_ms: f64,
    ramp_up_quality: Option<usize>,
    /// Qualities in playing order.
    pub(super) buffer: VecDeque<usize>,
    /// Milliseconds of the head that are played.
    pub(super) played_of_head: f64,
    last_played: Option<usize>,
    reactions: VecDeque<Reaction>,
    pub(super) clock: f64,
    pub(super) rebuffer: f64,
    pub(super) rebuffer_events: u32,
    pub(super) utility: f64,
    pub(super) bitrate: f64,
    pub(super) bitrate_change: f64,
    pub(super) log_bitrate_change: f64,
    pub(super) ramp_up: Option<f64>,
    ramp_up_origin: f64,
    pub(super) reaction: f64,
}

impl Playback {
    pub(super) fn new(bitrates: &[f64], segment_ms: f64, capacity_ms: f64, ramp_up: Option<usize>) -> Self {
        let offset = 0.0 - bitrates[0].ln();
        Self {
            bitrates: bitrates.to_vec(),
            utilities: bitrates.iter().map(|b| b.ln() + offset).collect(),
            segment_ms,
            capacity_ms,
            ramp_up_quality: ramp_up,
            buffer: VecDeque::new(),
            played_of_head: 0.0,
            last_played: None,
            reactions: VecDeque::new(),
            clock: 0.0,
            rebuffer: 0.0,
            rebuffer_events: 0,
            utility: 0.0,
            bitrate: 0.0,
            bitrate_change: 0.0,
            log_bitrate_change: 0.0,
            ramp_up: None,
            ramp_up_origin: 0.0,
            reaction: 0.0,
        }
    }

    /// Milliseconds of content in the buffer.
    pub(super) fn level(&self) -> f64 {
        self.segment_ms * self.buffer.len() as f64 - self.played_of_head
    }

    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.played_of_head = 0.0;
    }

    pub(super) fn restart_ramp_up(&mut self) {
        self.ramp_up_origin = self.clock;
        self.ramp_up = None;
    }

    /// Plays for `time` milliseconds, or waits where there is nothing to play. A stall over several calls counts
    /// as one event unless something played in between.
    pub(super) fn play(&mut self, mut time: f64, sustained: usize) {
        if self.buffer.is_empty() {
            self.rebuffer += time;
            self.clock += time;
            return;
        }
        if self.played_of_head > 0.0 {
            if time + self.played_of_head < self.segment_ms {
                self.played_of_head += time;
                self.clock += time;
                return;
            }
            time -= self.segment_ms - self.played_of_head;
            self.clock += self.segment_ms - self.played_of_head;
            self.buffer.pop_front();
            self.played_of_head = 0.0;
        }
        while time > 0.0 {
            let Some(&quality) = self.buffer.front() else { break };
            self.start_segment(quality, sustained);
            if time >= self.segment_ms {
                self.buffer.pop_front();
                self.clock += self.segment_ms;
                time -= self.segment_ms;
            } else {
                self.played_of_head = time;
                self.clock += time;
                time = 0.0;
            }
        }
        if time > 0.0 {
            self.rebuffer += time;
            self.clock += time;
            self.rebuffer_events += 1;
        }
        self.settle_reactions(self.clock);
    }

    fn start_segment(&mut self, quality: usize, sustained: usize) {
        self.utility += self.utilities[quality];
        self.bitrate += self.bitrates[quality];
        if let Some(before) = self.last_played
            && before != quality
        {
            self.bitrate_change += (self.bitrates[quality] - self.bitrates[before]).abs();
            self.log_bitrate_change += (self.bitrates[quality] / self.bitrates[before]).ln().abs();
        }
        self.last_played = Some(quality);
        if self.ramp_up.is_none() && quality >= self.ramp_up_quality.unwrap_or(sustained) {
            self.ramp_up = Some(self.clock - self.ramp_up_origin);
        }
        for reaction in &mut self.reactions {
            if reaction.end.is_none() && reaction.quality <= quality {
                reaction.end = Some(self.clock);
            }
        }
    }

    /// Counts the reactions that are older than a full buffer at `now`.
    fn settle_reactions(&mut self, now: f64) {
        let cutoff = now - self.capacity_ms;
        while let Some(first) = self.reactions.front()
            && first.start < cutoff
        {
            self.reaction += match first.end {
                None => self.capacity_ms,
                Some(end) => f64::min(self.capacity_ms, end - first.start),
            };
            self.reactions.pop_front();
        }
    }

    /// The link now sustains `quality` instead of `before`.
    pub(super) fn network_changed(&mut self, now: f64, quality: usize, before: usize) {
        self.settle_reactions(now);
        for reaction in &mut self.reactions {
            if reaction.end.is_none() && reaction.quality > quality {
                reaction.end = Some(now);
            }
        }
        let better = quality > before
            && self.buffer.iter().all(|&buffered| buffered < quality)
            && self.reactions.iter().all(|reaction| reaction.quality < quality);
        if better {
            self.reactions.push_back(Reaction { start: now, end: None, quality });
        }
    }
}
