//! Sound at a little more or less than its speed, with its pitch kept: waveform-similarity overlap-add
//! (Verhelst and Roelands, ICASSP 1993) on decoded samples.
//!
//! At normal speed samples pass unchanged. Sound that was stretched is due at other times than the timeline
//! says; [`Tempo::heard`] leads back.

use super::{Pcm, span};
use abr::time::{MediaTime, nanos};
use std::collections::VecDeque;
use std::time::Duration;

/// Rates within which sound is stretched; beyond them there is none.
const AUDIBLE: std::ops::RangeInclusive<f64> = 0.8..=1.25;
/// Length of a block, and how far its best place is looked for, in milliseconds.
const BLOCK_MS: usize = 12;
const SEARCH_MS: usize = 6;
/// Places and samples that are compared: one in so many.
const STRIDE: usize = 4;
/// Changes of rate that are remembered; what is heard is never older.
const CHANGES: usize = 32;
/// Sound whose time is off by more than this does not continue what came before.
const GAP: Duration = Duration::from_millis(5);

/// Whether sound is given out at this rate.
pub(super) fn is_audible(rate: f64) -> bool {
    AUDIBLE.contains(&rate)
}

/// From when on sound is due as the timeline says times a rate.
#[derive(Clone, Copy, Debug)]
struct Change {
    due: MediaTime,
    media: MediaTime,
    rate: f64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Tempo {
    rate: f64,
    changes: VecDeque<Change>,
    /// Samples that are not given out yet.
    held: Option<Held>,
    /// When the next sound is due.
    next: Option<MediaTime>,
}

#[derive(Debug)]
struct Held {
    /// The format, and the time of the first sample.
    pcm: Pcm,
    /// Where the sound given out last would go on by itself, in frames.
    cont: usize,
    /// Where it should go on at this rate, in frames.
    place: f64,
}

impl Default for Tempo {
    fn default() -> Self {
        Self { rate: 1.0, changes: VecDeque::new(), held: None, next: None }
    }
}

impl Tempo {
    /// Forgets everything but the rate: what comes is due when the timeline says.
    pub(super) fn reset(&mut self) {
        let rate = self.rate;
        *self = Self { rate, ..Self::default() };
    }

    /// Stretches what comes from now on.
    pub(super) fn set_rate(&mut self, rate: f64) {
        if rate == self.rate || !is_audible(rate) {
            return;
        }
        self.rate = rate;
        if let (Some(held), Some(due)) = (&self.held, self.next) {
            let frames = if rate == 1.0 { held.cont as f64 } else { held.place };
            let media = held.pcm.pts + frames_span(frames, held.pcm.sampling_rate);
            self.changed(due, media);
        }
    }

    /// What is to be given out now, with the times at which it is due.
    pub(super) fn take(&mut self, pcm: Pcm, out: &mut Vec<Pcm>) {
        if self.continues(&pcm) {
            if let Some(held) = &mut self.held {
                held.pcm.samples.extend_from_slice(&pcm.samples);
            }
        } else {
            self.flush(out);
            if self.rate == 1.0 && self.changes.is_empty() {
                self.next = Some(pcm.end());
                return out.push(pcm);
            }
            let due = self.next.map_or(pcm.pts, |_| self.due(pcm.pts));
            self.next = Some(due);
            self.changed(due, pcm.pts);
            self.held = Some(Held { pcm, cont: 0, place: 0.0 });
        }
        if self.rate == 1.0 {
            self.flush(out);
        } else {
            self.stretch(out);
        }
    }

    /// Gives out what is held back as it is.
    pub(super) fn flush(&mut self, out: &mut Vec<Pcm>) {
        let Some(mut held) = self.held.take() else { return };
        let Some(due) = self.next else { return };
        let channels = held.pcm.channels.max(1) as usize;
        let cont = held.cont.saturating_mul(channels).min(held.pcm.samples.len());
        let rest = held.pcm.samples.split_off(cont);
        let rest = Pcm { pts: due, samples: rest, ..held.pcm };
        self.next = Some(rest.end());
        if rest.frames() > 0 {
            out.push(rest);
        }
    }

    /// What is heard when the sound due at `due` is.
    pub(super) fn heard(&self, due: MediaTime) -> MediaTime {
        let Some(change) = self.changes.iter().rev().find(|change| change.due <= due) else { return due };
        let nanos = nanos(due.since(change.due)) as f64 * change.rate;
        change.media + Duration::from_nanos(nanos as u64)
    }

    /// When the sound of a time is due.
    fn due(&self, media: MediaTime) -> MediaTime {
        let Some(change) = self.changes.back() else { return media };
        let nanos = nanos(media.since(change.media)) as f64 / change.rate;
        (change.due + Duration::from_nanos(nanos as u64)).max(self.next.unwrap_or(MediaTime::MIN))
    }

    fn changed(&mut self, due: MediaTime, media: MediaTime) {
        if self.changes.len() == CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(Change { due, media, rate: self.rate });
    }

    fn continues(&self, pcm: &Pcm) -> bool {
        self.held.as_ref().is_some_and(|held| {
            let (end, own) = (held.pcm.end(), &held.pcm);
            let same = (own.channels, own.sampling_rate, own.channel_mask)
                == (pcm.channels, pcm.sampling_rate, pcm.channel_mask);
            same && end.since(pcm.pts).max(pcm.pts.since(end)) <= GAP
        })
    }

    /// Gives out as many blocks as the samples suffice for.
    fn stretch(&mut self, out: &mut Vec<Pcm>) {
        let (Some(held), Some(due)) = (&mut self.held, self.next) else { return };
        let rate = held.pcm.sampling_rate as usize;
        let (block, search) = ((rate * BLOCK_MS / 1000).max(1), rate * SEARCH_MS / 1000);
        let mut samples = Vec::new();
        loop {
            let place = held.place as usize;
            let needed = held.cont.max(place + search) + block;
            if (held.pcm.frames() as usize) < needed {
                break;
            }
            let from = held.best(place, block, search);
            held.blend(from, block, &mut samples);
            held.cont = from + block;
            held.place += block as f64 * self.rate;
        }
        held.forget(search);
        let given = Pcm { pts: due, samples, ..held.pcm.without_samples() };
        if given.frames() > 0 {
            self.next = Some(given.end());
            out.push(given);
        }
    }
}

impl Held {
    /// The frame about `place` from which on the samples are most like those that would come by themselves.
    fn best(&self, place: usize, block: usize, search: usize) -> usize {
        if place == self.cont {
            return place;
        }
        let channels = self.pcm.channels.max(1) as usize;
        // One channel tells enough.
        let at = |frame: usize| self.pcm.samples.get(frame * channels).copied().unwrap_or(0.0);
        let likeness = |from: usize| {
            let (mut product, mut energy) = (0.0f64, 1e-9f64);
            for step in (0..block).step_by(STRIDE) {
                let (own, other) = (f64::from(at(self.cont + step)), f64::from(at(from + step)));
                product += own * other;
                energy += other * other;
            }
            product / energy.sqrt()
        };
        let places = (place.saturating_sub(search)..=place + search).step_by(STRIDE).chain([place]);
        let rated = places.map(|from| (likeness(from), from));
        rated.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(place, |(_, from)| from)
    }

    /// A block that begins as the sound before would go on and ends as the sound from `from` on does.
    fn blend(&self, from: usize, block: usize, out: &mut Vec<f32>) {
        let channels = self.pcm.channels.max(1) as usize;
        let sample = |at: usize| self.pcm.samples.get(at).copied().unwrap_or(0.0);
        for frame in 0..block {
            let part = frame as f32 / block as f32;
            for channel in 0..channels {
                let before = sample((self.cont + frame) * channels + channel);
                let after = sample((from + frame) * channels + channel);
                out.push(before + (after - before) * part);
            }
        }
    }

    /// Drops the samples that nothing needs any more.
    fn forget(&mut self, search: usize) {
        let unused = self.cont.min((self.place as usize).saturating_sub(search));
        let channels = self.pcm.channels.max(1) as usize;
        self.pcm.samples.drain(..(unused * channels).min(self.pcm.samples.len()));
        self.pcm.pts = self.pcm.pts + span(unused as u64, self.pcm.sampling_rate);
        self.cont -= unused;
        self.place -= unused as f64;
    }
}

impl Pcm {
    fn without_samples(&self) -> Self {
        Self { samples: Vec::new(), ..*self }
    }
}

fn frames_span(frames: f64, rate: u32) -> Duration {
    Duration::from_nanos((frames * 1e9 / f64::from(rate.max(1))) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    /// `ms` milliseconds of a tone of 440 Hz in two channels, from `start_ms` on.
    fn tone(start_ms: i64, ms: u32) -> Pcm {
        let first = start_ms as f64 / 1e3;
        let samples = (0..RATE / 1000 * ms).flat_map(|frame| {
            let t = first + f64::from(frame) / f64::from(RATE);
            [(t * 440.0 * std::f64::consts::TAU).sin() as f32; 2]
        });
        Pcm {
            pts: MediaTime::from_millis(start_ms),
            channels: 2,
            sampling_rate: RATE,
            channel_mask: None,
            samples: samples.collect(),
        }
    }

    fn play(tempo: &mut Tempo, from_ms: i64, to_ms: i64) -> Vec<Pcm> {
        let mut out = Vec::new();
        for start in (from_ms..to_ms).step_by(20) {
            tempo.take(tone(start, 20), &mut out);
        }
        out
    }

    fn frames(out: &[Pcm]) -> u64 {
        out.iter().map(Pcm::frames).sum()
    }

    #[test]
    fn normal_speed_changes_nothing() {
        let mut tempo = Tempo::default();
        assert_eq!(play(&mut tempo, 0, 100), (0..5).map(|n| tone(n * 20, 20)).collect::<Vec<_>>());
        assert_eq!(tempo.heard(MediaTime::from_millis(70)), MediaTime::from_millis(70));
    }

    #[test]
    fn faster_is_shorter_and_as_high() {
        let mut tempo = Tempo::default();
        tempo.set_rate(1.05);
        let out = play(&mut tempo, 0, 4000);
        let seconds = frames(&out) as f64 / f64::from(RATE);
        assert!((3.75..3.82).contains(&seconds), "{seconds}");
        let left: Vec<f32> = out.iter().flat_map(|pcm| pcm.samples.chunks(2).map(|pair| pair[0])).collect();
        let crossings = left.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        let hertz = crossings as f64 / seconds;
        assert!((436.0..444.0).contains(&hertz), "{hertz}");
        let steps = left.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(steps < 0.08, "no clicks: {steps}");
        for pair in out.windows(2) {
            let (end, next) = (pair[0].end(), pair[1].pts);
            assert!(end.since(next).max(next.since(end)) < Duration::from_micros(100));
        }
        let heard = tempo.heard(MediaTime::from_millis(2000)).as_millis();
        assert!((2095..=2100).contains(&heard), "{heard}");
    }

    #[test]
    fn the_times_stay_true_over_changes() {
        let mut tempo = Tempo::default();
        play(&mut tempo, 0, 1000);
        tempo.set_rate(0.95);
        play(&mut tempo, 1000, 2000);
        tempo.set_rate(1.0);
        let out = play(&mut tempo, 2000, 3000);
        let last = out.last().unwrap();
        // One second took 1.053 s.
        let late = last.end().as_millis() - 3000;
        assert!((45..=70).contains(&late), "{late}");
        let heard = tempo.heard(last.end()).as_millis();
        assert!((2990..=3010).contains(&heard), "{heard}");
        tempo.reset();
        assert_eq!(tempo.heard(MediaTime::from_millis(5)), MediaTime::from_millis(5));
    }
}
