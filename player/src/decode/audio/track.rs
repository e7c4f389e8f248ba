//! The audio track: its sample queue, the decoder that empties it and the device it is heard from.

use super::sound::Sound;
use super::tempo;
use super::{AudioDecoder, AudioError, Pcm};
use crate::decode::AudioOutput;
use crate::decode::clock::PresentationClock;
use crate::decode::message::{Message, SoundNotice};
use crate::decode::teardown::Teardown;
use crate::media::queue::{Appended, SampleQueue};
use crate::media::sample::Sample;
use abr::error::{Code, Error, Severity};
use abr::time::MediaTime;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// How far sound is decoded ahead of the position.
const AHEAD: Duration = Duration::from_millis(800);
/// Samples in a row that cannot be decoded before the track is given up.
const FAILURES: u32 = 50;

/// See the module.
pub(in crate::decode) struct AudioTrack {
    /// The samples.
    queue: SampleQueue,
    /// End of the last queued sample.
    end: Option<MediaTime>,
    mailbox: Sender<Message>,
    decoder: Option<Box<dyn AudioDecoder>>,
    decoded: Vec<Pcm>,
    started: bool,
    ended: bool,
    failures: u32,
    given_up: bool,
    pacing: bool,
    sound: Sound,
    /// Sound before this is not to be heard.
    from: MediaTime,
    rate: f64,
}

impl AudioTrack {
    /// A track whose samples take at most `limit_bytes`.
    pub(in crate::decode) fn new(
        limit_bytes: usize,
        pacing: bool,
        output: AudioOutput,
        mailbox: Sender<Message>,
    ) -> Self {
        Self {
            queue: SampleQueue::new(limit_bytes),
            end: None,
            sound: Sound::new(output, mailbox.clone()),
            from: MediaTime::MIN,
            rate: 1.0,
            mailbox,
            decoder: None,
            decoded: Vec::new(),
            started: false,
            ended: false,
            failures: 0,
            given_up: false,
            pacing,
        }
    }

    /// Whether no more samples follow those in the queue.
    pub(in crate::decode) fn is_ended(&self) -> bool {
        self.ended
    }

    /// End of the last queued sample.
    pub(in crate::decode) fn end(&self) -> Option<MediaTime> {
        self.end
    }

    /// Queues the samples of a segment; they come back when there is no room.
    pub(in crate::decode) fn append(&mut self, samples: Vec<Sample>) -> Appended {
        let appended = self.queue.append(samples);
        if matches!(appended, Appended::Queued { .. }) {
            self.ended = false;
            self.end = self.queue.buffered_end();
        }
        appended
    }

    /// Gives room behind `position`.
    pub(in crate::decode) fn evict(&mut self, position: MediaTime) {
        self.queue.evict_behind(position);
    }

    /// No more samples follow those in the queue.
    pub(in crate::decode) fn end_of_track(&mut self) {
        self.ended = true;
    }

    /// Whether all samples have been decoded.
    pub(in crate::decode) fn is_drained(&self) -> bool {
        self.ended && (self.given_up || self.queue.peek().is_none())
    }

    /// Whether sound of the present course has been decoded.
    pub(in crate::decode) fn has_started(&self) -> bool {
        self.started
    }

    /// Opens the sound device.
    pub(in crate::decode) fn open(&mut self) {
        self.sound.open();
    }

    /// Decodes what will be heard soon, and lets the clock follow what is heard.
    pub(in crate::decode) fn feed(&mut self, clock: &PresentationClock) {
        let until = clock.position() + AHEAD;
        while !self.given_up
            && !self.sound.is_opening()
            && let Some(sample) = self.queue.peek()
            && (!self.pacing || sample.pts <= until)
        {
            let result = decode(&mut self.decoder, sample, &mut self.decoded);
            self.queue.next();
            match result {
                Ok(()) => {
                    self.failures = 0;
                    self.started = true;
                }
                Err(error) => self.fail(&error),
            }
            self.give(clock);
        }
        if self.ended
            && self.queue.peek().is_none()
            && let Some(mut decoder) = self.decoder.take()
        {
            decoder.drain(&mut self.decoded);
            self.give(clock);
            self.sound.finish();
        }
        self.sound.lead(clock, Instant::now());
    }

    /// Gives out what was decoded.
    fn give(&mut self, clock: &PresentationClock) {
        for mut pcm in self.decoded.drain(..) {
            pcm.cut_before(self.from);
            if pcm.frames() > 0 && tempo::is_audible(self.rate) {
                self.sound.give(pcm, clock);
            }
        }
    }

    /// Runs at `rate` or holds; the clock has been told.
    pub(in crate::decode) fn run(&mut self, run: bool, rate: f64, clock: &PresentationClock) {
        let resync = tempo::is_audible(rate) && !tempo::is_audible(self.rate);
        self.rate = rate;
        self.sound.run(run, rate, clock);
        if resync {
            self.restart(clock);
        }
    }

    /// Deals with the sound device's notice.
    pub(in crate::decode) fn notice(&mut self, notice: SoundNotice, clock: &PresentationClock) {
        if self.sound.notice(notice, clock) {
            self.restart(clock);
        }
    }

    /// Sound joins at the position.
    fn restart(&mut self, clock: &PresentationClock) {
        let position = clock.position();
        if self.queue.seek(position)
            && let Some(decoder) = &mut self.decoder
        {
            decoder.reset();
        }
        self.from = position;
        self.sound.restart(position, clock);
    }

    /// Sound minus clock in milliseconds, when a device leads.
    pub(in crate::decode) fn offset_ms(&self) -> Option<f64> {
        self.sound.offset_ms()
    }

    /// Whether the clock waits for the device, so that [`feed`](Self::feed) should be called soon.
    pub(in crate::decode) fn is_awaited(&self) -> bool {
        self.sound.is_awaited()
    }

    /// Sets linear loudness.
    pub(in crate::decode) fn set_volume(&mut self, volume: f64) {
        self.sound.set_volume(volume);
    }

    /// Sets silence.
    pub(in crate::decode) fn set_mute(&mut self, mute: bool) {
        self.sound.set_mute(mute);
    }

    fn fail(&mut self, error: &AudioError) {
        self.failures += 1;
        self.given_up = !matches!(error, AudioError::Sample { .. }) || self.failures >= FAILURES;
        if self.given_up || self.failures == 1 {
            let (severity, code) = match (self.given_up, error) {
                (false, _) => (Severity::Recoverable, Code::Decoder),
                (true, AudioError::Sample { .. }) => (Severity::Warning, Code::Decoder),
                (true, _) => (Severity::Warning, Code::DecoderStart),
            };
            let consequence = if self.given_up { "; playback goes on without sound" } else { "" };
            let message = format!("{error}{consequence}");
            // Without a receiver the engine has ended.
            let _ = self.mailbox.send(Message::Trouble(Error::new(severity, code, message)));
        }
    }

    /// Drops queued samples from `from` on.
    pub(in crate::decode) fn flush(&mut self, from: MediaTime) {
        self.queue.flush(from);
        self.end = self.queue.buffered_end();
        self.ended = false;
    }

    /// Continues at `to`, from the samples in the queue where it holds them.
    pub(in crate::decode) fn seek(&mut self, to: MediaTime, buffered: bool, clock: &PresentationClock) {
        if !buffered || !self.queue.seek(to) {
            self.queue.clear();
            self.end = None;
            self.ended = false;
        }
        if let Some(decoder) = &mut self.decoder {
            decoder.reset();
        }
        self.started = false;
        self.failures = 0;
        self.given_up = false;
        self.from = to;
        self.sound.restart(to, clock);
    }

    /// Ends everything; the pipelines still to be waited for.
    pub(in crate::decode) fn stop(self) -> Vec<Teardown> {
        self.sound.stop()
    }
}

fn decode(
    decoder: &mut Option<Box<dyn AudioDecoder>>,
    sample: &Sample,
    out: &mut Vec<Pcm>,
) -> Result<(), AudioError> {
    if let Some(old) = decoder.take_if(|decoder| !decoder.takes(&sample.format)).as_mut() {
        old.drain(out);
    }
    let decoder = match decoder {
        Some(decoder) => decoder,
        None => decoder.insert(super::decoder(&sample.format)?),
    };
    decoder.decode(sample, out)
}
