//! The pipeline: samples to pictures and sound on one clock.
//!
//! [`start`] spawns the engine thread, which demultiplexes what is appended, keeps the sample queues and
//! feeds the decoders. Pictures go from GStreamer's streaming thread into the [`FrameQueue`], from where
//! a presenter (the window's renderer, or a thread without window) takes them when the
//! [`PresentationClock`] says so.

mod audio;
mod audio_out;
mod caps;
mod clock;
mod engine;
mod frame_log;
mod frames;
mod headless;
mod intake;
mod message;
mod noise;
mod picture;
mod registry;
mod teardown;
mod video;
mod video_track;
mod watchdog;

pub use clock::PresentationClock;
pub use frame_log::{FrameLog, digest};
pub use frames::{Due, FrameQueue, Watch};

use crate::pipeline::{PipelineCommand, PipelineEvent};
use crate::text::queue::CueQueue;
use abr::error::{Code, Error, Severity};
use audio::AudioTrack;
use drm_stub::cdm::Cdm;
use drm_stub::clearkey::ClearKey;
use engine::{Engine, Parts};
use gstreamer as gst;
use message::Message;
use std::sync::{Arc, Once, mpsc};
use std::thread;
use tokio::sync::mpsc::UnboundedSender;
use video_track::VideoTrack;

/// How a pipeline is to work.
pub struct Options {
    /// Whether pictures wait for their time. Without pacing they are presented as fast as they are decoded,
    /// none is dropped, and the clock follows them.
    pub pacing: bool,
    /// Where sound goes.
    pub audio: AudioOutput,
    /// Where pictures go.
    pub output: FrameOutput,
    /// Bytes that queued samples of the video track may take.
    pub video_bytes: usize,
    /// Bytes that queued samples of the audio track may take.
    pub audio_bytes: usize,
    /// Sees every frame that is to be shown.
    pub watch: Option<Watch>,
    /// Decrypts what is encrypted.
    pub cdm: Arc<dyn Cdm>,
    /// Where subtitles go.
    pub cues: CueQueue,
}

impl Options {
    /// With pacing, the usual budgets and no keys.
    pub fn new(audio: AudioOutput, output: FrameOutput) -> Self {
        Self {
            pacing: true,
            audio,
            output,
            video_bytes: 160 << 20,
            audio_bytes: 32 << 20,
            watch: None,
            cdm: Arc::new(ClearKey::new()),
            cues: CueQueue::default(),
        }
    }
}

/// Where sound goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioOutput {
    /// Decoded, but not heard; the monotonic clock keeps time.
    Silent,
    /// To the best sound device that works, which then keeps time.
    Device,
    /// To the GStreamer sink element of this name.
    Element(String),
}

/// Where pictures go.
pub enum FrameOutput {
    /// Presented by a thread of the pipeline.
    Headless {
        /// Where presented frames are written down.
        frame_log: Option<FrameLog>,
    },
    /// Taken from [`PipelineHandle::frames`] by a window.
    Window {
        /// Called from any thread when the window should look at [`FrameQueue::due`] again: a frame came
        /// into the empty queue, or the clock changed its course.
        wake: Box<dyn Fn() + Send + Sync>,
    },
}

impl std::fmt::Debug for FrameOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Headless { frame_log } => f.debug_struct("Headless").field("frame_log", frame_log).finish(),
            Self::Window { .. } => f.debug_struct("Window").finish_non_exhaustive(),
        }
    }
}

/// A running pipeline. Dropping it stops the pipeline.
#[derive(Debug)]
pub struct PipelineHandle {
    mailbox: mpsc::Sender<Message>,
    /// Decoded frames, for a window.
    pub frames: Arc<FrameQueue>,
    /// The position, for whoever shows it.
    pub clock: Arc<PresentationClock>,
}

impl PipelineHandle {
    /// Gives an order; never waits. Orders after [`PipelineCommand::Stop`] are ignored.
    pub fn send(&self, command: PipelineCommand) {
        // The engine is gone only when it was told to stop.
        let _ = self.mailbox.send(Message::Command(command));
    }
}

impl Drop for PipelineHandle {
    fn drop(&mut self) {
        self.send(PipelineCommand::Stop);
    }
}

/// Begins to load GStreamer and the decoders that nearly every title needs, on a thread of its own. The
/// earlier it is called the better: it takes longer than fetching the first segment from a near server.
pub fn warm_up() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Without a thread, what is needed is loaded when it is needed.
        let _ = spawn("sluice-warm-up", || {
            // Whoever needs GStreamer is told why it does not start.
            if gst::init().is_ok() {
                registry::preload();
            }
        });
    });
}

/// Starts a pipeline that tells `events`. Returns at once: GStreamer is initialised on the engine's thread.
///
/// # Errors
///
/// [`Code::Internal`] when the system gives no threads.
pub fn start(options: Options, events: UnboundedSender<PipelineEvent>) -> Result<PipelineHandle, Error> {
    warm_up();
    let Options { pacing, audio, output, video_bytes, audio_bytes, watch, cdm, cues } = options;
    let (mailbox, messages) = mpsc::channel();
    let (log, wake) = match output {
        FrameOutput::Headless { frame_log } => {
            (Some(frame_log), Box::new(|| {}) as Box<dyn Fn() + Send + Sync>)
        }
        FrameOutput::Window { wake } => (None, wake),
    };
    let notices = mailbox.clone();
    let notice = move |notice| {
        // Without a receiver the engine has ended.
        let _ = notices.send(Message::Frames(notice));
    };
    let frames = Arc::new(FrameQueue::new(pacing, wake, Box::new(notice)));
    frames.set_watch(watch);
    let clock = Arc::new(PresentationClock::new(pacing));
    let engine = Engine::new(Parts {
        mailbox: messages,
        events,
        clock: Arc::clone(&clock),
        frames: Arc::clone(&frames),
        video: VideoTrack::new(video_bytes, Arc::clone(&frames), mailbox.clone()),
        audio: AudioTrack::new(audio_bytes, pacing, audio, mailbox.clone()),
        pacing,
        cdm,
        cues,
    });
    spawn("sluice-engine", move || engine.run())?;
    if let Some(log) = log {
        let (frames, clock, troubles) = (Arc::clone(&frames), Arc::clone(&clock), mailbox.clone());
        let failed = move |error| {
            let message = format!("the frame log cannot be written: {error}");
            // Without a receiver the engine has ended.
            let _ = troubles.send(Message::Trouble(Error::new(Severity::Warning, Code::Internal, message)));
        };
        spawn("sluice-presenter", move || headless::present(&frames, &clock, pacing, log, failed))?;
    }
    Ok(PipelineHandle { mailbox, frames, clock })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map(drop).map_err(|error| {
        Error::new(Severity::Fatal, Code::Internal, format!("the thread {name} does not start: {error}"))
    })
}
