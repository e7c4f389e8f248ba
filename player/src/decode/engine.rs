//! The engine: one thread that owns the sample queues and decoders, obeys the driver and reports to it.

use super::audio::AudioTrack;
use super::clock::PresentationClock;
use super::frames::{FrameQueue, Notice};
use super::intake::{Intake, Tracks};
use super::message::Message;
use super::video_track::VideoTrack;
use super::watchdog::Watchdog;
use crate::pipeline::{Append, PipelineCommand, PipelineEvent};
use crate::text::queue::CueQueue;
use abr::error::{Code, Error, Severity};
use abr::presentation::ContentType;
use abr::protocol::BACK_BUFFER;
use abr::time::MediaTime;
use drm_stub::cdm::Cdm;
use gstreamer as gst;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// How often the position is reported while the clock runs.
const REPORT: Duration = Duration::from_millis(100);
/// How often tracks are looked after while a queue is dry or a sound device is to start.
const SOON: Duration = Duration::from_millis(20);
/// A running clock is looked at every [`REPORT`]; who looks again only after this was stopped meanwhile
/// (SIGSTOP, a frozen container), and its clock was not.
const STOPPED: Duration = Duration::from_secs(3);
/// Most messages taken before the decoders are looked after again.
const BATCH: usize = 32;

/// Which tracks the driver feeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Active {
    video: bool,
    audio: bool,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    Stop,
}

/// See the module.
pub(super) struct Engine {
    mailbox: Receiver<Message>,
    events: UnboundedSender<PipelineEvent>,
    clock: Arc<PresentationClock>,
    frames: Arc<FrameQueue>,
    video: VideoTrack,
    audio: AudioTrack,
    pacing: bool,
    intake: Intake,
    cues: CueQueue,
    active: Active,
    /// Whether a seek or the first append has said where playback starts.
    placed: bool,
    /// Whether the first picture or sound is still to be announced.
    ready_is_due: bool,
    drained_told: bool,
    /// What the driver ordered of the clock: whether to run, and at which rate.
    ordered: (bool, f64),
    /// What the clock and the sound were told.
    applied: (bool, f64),
    reported: Instant,
    /// When the clock was last looked at, and what it said.
    looked: (Instant, MediaTime),
    watchdog: Watchdog,
}

/// What an engine is made of.
pub(super) struct Parts {
    pub(super) mailbox: Receiver<Message>,
    pub(super) events: UnboundedSender<PipelineEvent>,
    pub(super) clock: Arc<PresentationClock>,
    pub(super) frames: Arc<FrameQueue>,
    pub(super) video: VideoTrack,
    pub(super) audio: AudioTrack,
    pub(super) pacing: bool,
    pub(super) cdm: Arc<dyn Cdm>,
    pub(super) cues: CueQueue,
}

impl Engine {
    /// An engine that has done nothing yet.
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            mailbox: parts.mailbox,
            events: parts.events,
            clock: parts.clock,
            frames: parts.frames,
            video: parts.video,
            audio: parts.audio,
            pacing: parts.pacing,
            intake: Intake::new(parts.cdm, parts.cues.clone()),
            cues: parts.cues,
            active: Active::default(),
            placed: false,
            ready_is_due: true,
            drained_told: false,
            ordered: (false, 1.0),
            applied: (false, 1.0),
            reported: Instant::now(),
            looked: (Instant::now(), MediaTime::ZERO),
            watchdog: Watchdog::new(Instant::now()),
        }
    }

    /// Works until it is told to stop; all threads of the pipeline but the presenter have ended then.
    pub(super) fn run(mut self) {
        if let Err(error) = gst::init() {
            let message = format!("GStreamer does not start: {error}");
            self.tell(PipelineEvent::Trouble(Error::new(Severity::Fatal, Code::DecoderStart, message)));
        } else {
            self.audio.open();
        }
        while self.turn() == Flow::On {}
        self.frames.shut();
        let mut leaving = self.video.stop();
        leaving.extend(self.audio.stop());
        for teardown in leaving {
            // One that hangs must not keep the program from ending.
            let _ = teardown.join();
        }
    }

    /// Waits for something to happen and deals with it.
    fn turn(&mut self) -> Flow {
        let message = match self.until_next_look() {
            Some(wait) => match self.mailbox.recv_timeout(wait) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Flow::Stop,
            },
            None => match self.mailbox.recv() {
                Ok(message) => Some(message),
                Err(_) => return Flow::Stop,
            },
        };
        self.notice_stop();
        for message in message.into_iter().chain(self.mailbox.try_iter().take(BATCH).collect::<Vec<_>>()) {
            if self.handle(message) == Flow::Stop {
                return Flow::Stop;
            }
        }
        self.look();
        self.looked = (Instant::now(), self.clock.position());
        Flow::On
    }

    /// Goes back to where playback was when the process was stopped for a while.
    fn notice_stop(&mut self) {
        let (at, place) = self.looked;
        if self.pacing && self.clock.is_running() && !self.drained_told && at.elapsed() > STOPPED {
            self.seek(place, true);
        }
    }

    /// How long nothing needs to be done unless a message comes; `None`: for ever.
    fn until_next_look(&self) -> Option<Duration> {
        if self.drained_told {
            return None;
        }
        if !self.clock.is_running() {
            // The first picture may never come, and the watchdog has to see that.
            return self.ordered.0.then_some(REPORT);
        }
        let report = REPORT.saturating_sub(self.reported.elapsed());
        let soon = (self.active.video && self.video.is_dry()) || self.audio.is_awaited();
        let report = if soon { report.min(SOON) } else { report };
        Some(self.end().and_then(|end| self.clock.until(end)).map_or(report, |end| report.min(end)))
    }

    /// What is done after every message and now and then.
    fn look(&mut self) {
        if self.active.video
            && let Err(error) = self.video.feed()
        {
            self.tell(PipelineEvent::Trouble(error));
        }
        let work = self.video.progress().filter(|_| self.active.video && self.ordered.0);
        if self.watchdog.look(Instant::now(), work)
            && let Err(error) = self.video.replace_hung()
        {
            self.tell(PipelineEvent::Trouble(error));
        }
        self.run_clock();
        let awaited = self.audio.is_awaited();
        if self.active.audio {
            self.audio.feed(&self.clock);
            if !self.active.video && self.audio.has_started() {
                self.ready(self.clock.position());
                if !self.pacing && self.clock.is_running() {
                    // There are no pictures that would move the clock.
                    self.clock.follow(self.end().unwrap_or(MediaTime::ZERO));
                }
            }
        }
        if self.clock.set_horizon(self.horizon()) || awaited != self.audio.is_awaited() {
            self.frames.poke();
        }
        if self.is_drained() {
            self.drained_told = true;
            self.report();
            if let Some(error) = self.barren() {
                self.tell(PipelineEvent::Trouble(error));
            }
            self.tell(PipelineEvent::Drained);
        } else if self.clock.is_running() && self.reported.elapsed() >= REPORT {
            self.report();
            self.retry_appends();
        }
    }

    fn handle(&mut self, message: Message) -> Flow {
        match message {
            Message::Command(command) => return self.command(command),
            Message::Video(id, notice) => {
                if let Err(error) = self.video.notice(id, notice) {
                    self.tell(PipelineEvent::Trouble(error));
                }
            }
            Message::Sound(notice) => self.audio.notice(notice, &self.clock),
            Message::Frames(Notice::First(position)) => self.ready(position),
            Message::Frames(Notice::Last) => {}
            Message::Trouble(error) => self.tell(PipelineEvent::Trouble(error)),
        }
        Flow::On
    }

    fn command(&mut self, command: PipelineCommand) -> Flow {
        match command {
            PipelineCommand::Append(append) => self.append(append),
            PipelineCommand::Tracks { video, audio } => {
                self.active = Active { video, audio };
                self.intake.expect_video(video);
            }
            PipelineCommand::Flush { track, from } => {
                self.intake.forget(track);
                match track {
                    ContentType::Video => self.video.flush(from),
                    ContentType::Audio => self.audio.flush(from),
                    ContentType::Text => self.cues.flush(from),
                    ContentType::Image => {}
                }
            }
            PipelineCommand::EndOfTrack(track) => match track {
                ContentType::Video => self.video.end_of_track(),
                ContentType::Audio => self.audio.end_of_track(),
                ContentType::Text | ContentType::Image => {}
            },
            PipelineCommand::Seek { to, buffered } => self.seek(to, buffered),
            PipelineCommand::Clock { run, rate } => {
                self.ordered = (run, rate);
                self.run_clock();
                self.report();
            }
            PipelineCommand::Volume(volume) => self.audio.set_volume(volume),
            PipelineCommand::Mute(mute) => self.audio.set_mute(mute),
            PipelineCommand::Stop => return Flow::Stop,
        }
        Flow::On
    }

    fn append(&mut self, append: Box<Append>) {
        if !self.placed && append.track != ContentType::Text {
            self.placed = true;
            self.clock.seek(append.segment.start);
        }
        self.drained_told = false;
        let mut tracks =
            Tracks { video: &mut self.video, audio: &mut self.audio, audio_active: self.active.audio };
        let answers = self.intake.take(append, &mut tracks);
        if self.active.video && self.intake.has_sound_alone() && self.video.end().is_none() {
            self.active.video = false;
            self.intake.expect_video(false);
        }
        self.tell_all(answers);
    }

    /// Makes room in the queues for what waits.
    fn retry_appends(&mut self) {
        let position = self.clock.position();
        self.video.evict(position);
        self.audio.evict(position);
        self.cues.evict(position - BACK_BUFFER);
        let mut tracks =
            Tracks { video: &mut self.video, audio: &mut self.audio, audio_active: self.active.audio };
        let answers = self.intake.retry(&mut tracks);
        self.tell_all(answers);
    }

    fn seek(&mut self, to: MediaTime, buffered: bool) {
        self.placed = true;
        self.ready_is_due = true;
        self.drained_told = false;
        self.clock.seek(to);
        if !buffered {
            self.intake.forget(ContentType::Video);
            self.intake.forget(ContentType::Audio);
            self.intake.forget(ContentType::Text);
            self.intake.forget_timing();
            self.cues.flush(MediaTime::MIN);
        }
        self.video.seek(to, buffered, self.watchdog.doubts(Instant::now()));
        self.audio.seek(to, buffered, &self.clock);
        self.report();
    }

    /// Runs or holds the clock as ordered, though not before the first picture is shown: decoding it takes
    /// its time, and those behind it would be late already.
    fn run_clock(&mut self) {
        let (run, rate) = self.ordered;
        let now = (run && !self.awaits_picture(), rate);
        if now != self.applied {
            self.applied = now;
            self.clock.set(now.0, rate);
            self.audio.run(now.0, rate, &self.clock);
            self.frames.poke();
        }
    }

    /// Whether the first picture since the start or a seek is still to come, as far as can be told.
    fn awaits_picture(&self) -> bool {
        let may_come = !(self.video.has_given_up() || self.video.is_dry() || self.video.is_drained());
        self.pacing && self.active.video && self.ready_is_due && may_come
    }

    fn ready(&mut self, position: MediaTime) {
        if std::mem::take(&mut self.ready_is_due) {
            self.run_clock();
            self.tell(PipelineEvent::Ready { position });
            self.report();
        }
    }

    /// The end of what can be presented: of the active track that ends first, unless no more follows there.
    fn horizon(&self) -> MediaTime {
        let video = (self.active.video, self.video.is_ended(), self.video.end());
        let audio = (self.active.audio, self.audio.is_ended(), self.audio.end());
        let open = [video, audio]
            .into_iter()
            .filter(|(active, ended, _)| *active && !*ended)
            .map(|(_, _, end)| end.unwrap_or(MediaTime::MIN))
            .min();
        open.or_else(|| self.end()).unwrap_or(MediaTime::MIN)
    }

    /// The end of the last sample of the active tracks.
    fn end(&self) -> Option<MediaTime> {
        let video = self.video.end().filter(|_| self.active.video);
        let audio = self.audio.end().filter(|_| self.active.audio);
        video.max(audio)
    }

    fn is_drained(&mut self) -> bool {
        let Active { video, audio } = self.active;
        if self.drained_told || !(video || audio) {
            return false;
        }
        let position = self.clock.position();
        if (video && !self.video.is_drained()) || (audio && !self.audio.is_drained()) {
            return false;
        }
        let Some(end) = self.end() else { return true };
        if !self.pacing {
            self.clock.follow(end);
            return true;
        }
        position >= end
    }

    /// What to say at the end of a title of whose pictures not one came out of a decoder: that is no way to
    /// play to the end. With sound there was something to play.
    fn barren(&self) -> Option<Error> {
        let (presented, lost) = self.frames.counts();
        if !self.active.video || presented > 0 || lost == 0 {
            return None;
        }
        let heard = self.active.audio && self.audio.has_started();
        let severity = if heard { Severity::Warning } else { Severity::Fatal };
        let message = format!("none of the {lost} pictures could be decoded");
        Some(Error::new(severity, Code::Stuck, message))
    }

    fn report(&mut self) {
        self.reported = Instant::now();
        let (presented, dropped) = self.frames.counts();
        let position = self.clock.position();
        let running = self.clock.is_running();
        let av_offset_ms = self.audio.offset_ms();
        self.tell(PipelineEvent::Playback { position, running, presented, dropped, av_offset_ms });
    }

    fn tell_all(&self, events: Vec<PipelineEvent>) {
        for event in events {
            self.tell(event);
        }
    }

    fn tell(&self, event: PipelineEvent) {
        // A driver that does not listen any more has ended; its order to stop is on the way.
        let _ = self.events.send(event);
    }
}
