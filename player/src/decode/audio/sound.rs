//! The device that the audio track is heard from, and its hold on the presentation clock.
//!
//! A device starts late and jumps at first, so pictures wait for it to move, and then follow it. One that
//! is absent, fails or stands still leaves time to the monotonic clock.

use super::Pcm;
use super::tempo::{self, Tempo};
use crate::decode::AudioOutput;
use crate::decode::audio_out::{AudioOut, OutError};
use crate::decode::clock::PresentationClock;
use crate::decode::message::{Message, SoundNotice};
use crate::decode::teardown::Teardown;
use abr::error::{Code, Error, Severity};
use abr::time::MediaTime;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

/// How long a device may stand still although it should run.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a failed device is replaced.
const REOPENINGS: u32 = 3;
/// Sound that ends within this is not waited for: its device may never say that it is out.
const TAIL: Duration = Duration::from_millis(120);

/// See the module.
pub(super) struct Sound {
    wanted: AudioOutput,
    state: State,
    mailbox: Sender<Message>,
    reopenings: u32,
    /// Whether the clock runs, about at normal speed.
    running: bool,
    /// Follows small changes of speed.
    tempo: Tempo,
    volume: f64,
    mute: bool,
    /// Where the device was when it last moved.
    moved: Option<(MediaTime, Instant)>,
    /// The clock waits for the device.
    awaited: bool,
    offset_ms: Option<f64>,
    leaving: Vec<Teardown>,
}

enum State {
    /// Not asked for, or given up.
    Silent,
    /// Being opened on a thread of its own, since when.
    Opening(Instant),
    Open(Box<AudioOut>),
}

impl Sound {
    /// Nothing is opened before [`open`](Self::open).
    pub(super) fn new(wanted: AudioOutput, mailbox: Sender<Message>) -> Self {
        Self {
            wanted,
            state: State::Silent,
            mailbox,
            reopenings: 0,
            running: false,
            tempo: Tempo::default(),
            volume: 1.0,
            mute: false,
            moved: None,
            awaited: false,
            offset_ms: None,
            leaving: Vec::new(),
        }
    }

    /// Opens the device, if one is wanted; [`SoundNotice`] tells the outcome.
    pub(super) fn open(&mut self) {
        let sink = match &self.wanted {
            AudioOutput::Silent => return,
            AudioOutput::Device => None,
            AudioOutput::Element(name) => Some(name.clone()),
        };
        let mailbox = self.mailbox.clone();
        let open = move || {
            let notice = match AudioOut::open(sink.as_deref(), mailbox.clone()) {
                Ok(out) => SoundNotice::Opened(Box::new(out)),
                Err(error @ (OutError::NoDevice(_) | OutError::Build(_))) => {
                    SoundNotice::Absent(error.to_string())
                }
            };
            // Without a receiver the engine has ended, and the device is closed again.
            let _ = mailbox.send(Message::Sound(notice));
        };
        match thread::Builder::new().name("sluice-sound".into()).spawn(open) {
            Ok(_) => self.state = State::Opening(Instant::now()),
            Err(error) => self.tell(Severity::Warning, Code::NoAudioDevice, &error.to_string()),
        }
    }

    /// Whether decoded sound would be lost now, since the device is being opened. One that takes long is
    /// not waited for.
    pub(super) fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening(since) if since.elapsed() < PATIENCE)
    }

    /// Deals with a device's notice. Whether a device was opened, which wants sound from the position on.
    pub(super) fn notice(&mut self, notice: SoundNotice, clock: &PresentationClock) -> bool {
        self.leaving.retain(|teardown| !teardown.is_done());
        match notice {
            SoundNotice::Opened(out) => {
                out.set_volume(self.volume, self.mute);
                self.state = State::Open(out);
                return true;
            }
            SoundNotice::Absent(reason) => {
                self.state = State::Silent;
                let message = format!("{reason}; playback goes on without sound");
                self.tell(Severity::Warning, Code::NoAudioDevice, &message);
            }
            SoundNotice::Failed(reason) => self.fail(&reason, clock),
        }
        false
    }

    fn fail(&mut self, reason: &str, clock: &PresentationClock) {
        let State::Open(out) = std::mem::replace(&mut self.state, State::Silent) else { return };
        let message = format!("the sound device ({}) failed: {reason}; time goes on without it", out.name());
        self.leaving.push(out.close());
        self.let_go(clock);
        if self.reopenings < REOPENINGS {
            self.reopenings += 1;
            self.tell(Severity::Recoverable, Code::AudioDevice, &message);
            self.open();
        } else {
            self.tell(Severity::Warning, Code::AudioDevice, &message);
        }
    }

    /// Lets the monotonic clock keep time.
    fn let_go(&mut self, clock: &PresentationClock) {
        clock.release();
        self.moved = None;
        self.awaited = false;
        self.offset_ms = None;
    }

    /// Starts anew at `from`, without what was given out.
    pub(super) fn restart(&mut self, from: MediaTime, clock: &PresentationClock) {
        self.tempo.reset();
        if let State::Open(out) = &mut self.state {
            out.restart(from);
        }
        self.let_go(clock);
        self.expect(clock);
    }

    /// Runs at `rate` or holds. Rates far from 1 are silent.
    pub(super) fn run(&mut self, run: bool, rate: f64, clock: &PresentationClock) {
        let running = run && tempo::is_audible(rate);
        self.tempo.set_rate(rate);
        if running && self.running {
            // The device goes on; what is given out from now on is longer or shorter.
            return;
        }
        self.running = running;
        if let State::Open(out) = &self.state {
            out.play(self.running);
        }
        self.let_go(clock);
        self.expect(clock);
    }

    /// Makes the clock wait for the device when there is something to be heard.
    fn expect(&mut self, clock: &PresentationClock) {
        if let State::Open(out) = &self.state
            && self.running
            && out.end().is_some()
        {
            self.moved = Some((out.position().unwrap_or(MediaTime::MIN), Instant::now()));
            self.awaited = true;
            clock.await_sound();
        }
    }

    /// Gives out `pcm`.
    pub(super) fn give(&mut self, pcm: Pcm, clock: &PresentationClock) {
        let State::Open(out) = &mut self.state else { return };
        let first = out.end().is_none();
        let mut due = Vec::new();
        self.tempo.take(pcm, &mut due);
        due.into_iter().for_each(|pcm| out.push(pcm));
        if first && out.end().is_some() {
            out.play(self.running);
            self.expect(clock);
        }
    }

    /// Lets the last sound out: none follows.
    pub(super) fn finish(&mut self) {
        if let State::Open(out) = &mut self.state {
            let mut due = Vec::new();
            self.tempo.flush(&mut due);
            due.into_iter().for_each(|pcm| out.push(pcm));
            out.finish();
        }
    }

    /// Lets the clock follow what is heard.
    pub(super) fn lead(&mut self, clock: &PresentationClock, now: Instant) {
        let (State::Open(out), Some((before, since))) = (&self.state, self.moved) else { return };
        let heard = out.position().unwrap_or(before);
        let dry = out.end().is_none_or(|end| heard + TAIL >= end);
        if dry {
            // Nothing more is being heard; what is not there cannot lead.
            self.let_go(clock);
            self.moved = Some((before, now));
        } else if heard > before {
            self.moved = Some((heard, now));
            self.awaited = false;
            self.offset_ms = Some(clock.discipline(self.tempo.heard(heard), now) * 1e3);
        } else if now.saturating_duration_since(since) > PATIENCE {
            self.fail("it stands still", clock);
        }
    }

    /// Sound minus clock in milliseconds, when both run.
    pub(super) fn offset_ms(&self) -> Option<f64> {
        self.offset_ms.filter(|_| self.running)
    }

    /// Whether the clock waits for the device, so that [`lead`](Self::lead) should be called soon.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited
    }

    /// Sets linear loudness.
    pub(super) fn set_volume(&mut self, volume: f64) {
        self.volume = if volume.is_finite() { volume.clamp(0.0, 1.0) } else { 1.0 };
        self.apply_volume();
    }

    /// Sets silence.
    pub(super) fn set_mute(&mut self, mute: bool) {
        self.mute = mute;
        self.apply_volume();
    }

    fn apply_volume(&self) {
        if let State::Open(out) = &self.state {
            out.set_volume(self.volume, self.mute);
        }
    }

    /// Closes the device; the pipelines still to be waited for.
    pub(super) fn stop(self) -> Vec<Teardown> {
        let mut leaving = self.leaving;
        if let State::Open(out) = self.state {
            leaving.push(out.close());
        }
        leaving
    }

    fn tell(&self, severity: Severity, code: Code, message: &str) {
        // Without a receiver the engine has ended.
        let _ = self.mailbox.send(Message::Trouble(Error::new(severity, code, message)));
    }
}
