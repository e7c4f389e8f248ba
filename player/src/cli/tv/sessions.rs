//! Sessions with the budgets of a television, with and without a window.

use super::super::play::{self, Demo, Ending, Protocol};
use super::super::progress::Progress;
use super::super::{address, inspect};
use super::Args;
use crate::decode::{self, AudioOutput, FrameOutput};
use crate::driver::{self, Names, Pipeline, Script, UserCommand};
use crate::events::Log;
use crate::keys;
use crate::resume::{Keeper, Key, Store};
use crate::text::language;
use crate::text::queue::CueQueue;
use crate::ui::desktop::Handles;
use crate::ui::tv::shelf::Title;
use crate::ui::tv::{Playing, Stage, WakeHandle};
use abr::error::Error;
use abr::session::Config;
use abr::time::MediaTime;
use drm_stub::cdm::Cdm;
use std::sync::Arc;
use tokio::sync::mpsc::unbounded_channel;
use url::Url;

/// Most bytes that a television queues ahead, over all tracks.
pub(super) const BUFFER_BYTES: u64 = 48 << 20;
/// What the queues of the pipeline hold at most: what is ahead, and what is kept behind.
const VIDEO_BYTES: usize = 56 << 20;
const AUDIO_BYTES: usize = 8 << 20;

/// Starts sessions.
pub(super) struct Sessions {
    args: Args,
    /// The demo's server, once it was needed.
    demo: Option<(Url, Demo)>,
}

impl Stage for Sessions {
    fn open(&mut self, title: &Title, wake: WakeHandle) -> Result<Playing, Error> {
        let (cues, frame_wake) = (CueQueue::default(), wake.clone());
        let mut options = self.options(title, cues.clone())?;
        options.notify = Box::new(move || wake.wake());
        options.keep_open = true;
        let output = FrameOutput::Window { wake: Box::new(move || frame_wake.wake()) };
        let audio = if self.args.silent { AudioOutput::Silent } else { AudioOutput::Device };
        let (pipeline, pictures) = pipeline(audio, output, Arc::clone(&options.keys.cdm), cues.clone())?;
        let handle = driver::start(options, pipeline)?;
        let (commands, status, over) =
            (handle.commands.clone(), handle.status.clone(), handle.status.clone());
        let handles = Handles {
            commands: Box::new(move |command| play::forward(&commands, command)),
            status: Box::new(move || status.borrow().clone()),
            frames: Arc::new(pictures),
            cues,
            finished: Box::new(move || play::finished(&over)),
        };
        let stop = move || {
            // A session that is over already ignores it.
            let _ = handle.commands.send(UserCommand::Quit);
            let _ = handle.join();
        };
        Ok(Playing { handles, stop: Box::new(stop) })
    }
}

impl Sessions {
    pub(super) fn new(args: Args) -> Self {
        Self { args, demo: None }
    }

    /// Plays a title without window and sound, and returns the figures.
    ///
    /// # Errors
    /// Why it cannot be begun.
    pub(super) fn without_window(mut self, title: &Title) -> Result<Ending, Error> {
        let cues = CueQueue::default();
        let mut options = self.options(title, cues.clone())?;
        options.script = Script::new(&[], &[], &[], self.args.stop_after, false);
        let output = FrameOutput::Headless { frame_log: None };
        let (pipeline, _) = pipeline(AudioOutput::Silent, output, Arc::clone(&options.keys.cdm), cues)?;
        let handle = driver::start(options, pipeline)?;
        let progress = (!self.args.json).then(|| Progress::start(handle.status.clone()));
        let ending = play::ending(handle);
        drop(progress);
        ending
    }

    /// What the driver of a title needs, except for who is told of changes.
    fn options(&mut self, title: &Title, cues: CueQueue) -> Result<driver::Options, Error> {
        let (url, key) = match &title.url {
            Some(text) => {
                let url = address(text)?;
                let key = Key::of_url(&url);
                (url, key)
            }
            None => {
                let demo = match self.demo.take() {
                    Some(demo) => demo,
                    None => play::demo(Protocol::Dash)?,
                };
                let url = demo.0.clone();
                self.demo = Some(demo);
                (url, Key::of_name("demo"))
            }
        };
        let store = Store::of_user().filter(|_| !self.args.no_resume);
        let start_at = store.as_ref().and_then(|store| store.position(&key)).unwrap_or(MediaTime::ZERO);
        Ok(driver::Options {
            session: Config {
                start_at,
                buffer_bytes: BUFFER_BYTES,
                audio_language: self.args.audio.clone(),
                text: self.args.text != "off",
                text_languages: languages(&self.args.text),
                live_latency: self.args.latency,
                seed: u64::from(std::process::id()),
                ..Config::default()
            },
            net: inspect::network(&url, &self.args.network),
            events: Log::new(None),
            journal: None,
            script: Script::default(),
            notify: Box::new(|| {}),
            names: Names::default(),
            cues,
            // Licences come from whom the manifest names.
            keys: keys::Config::default(),
            resume: store.and_then(|store| Keeper::start(store, key).ok()),
            keep_open: false,
            url,
        })
    }
}

/// Starts a pipeline with the budgets of a television and gives its two ends.
fn pipeline(
    audio: AudioOutput,
    output: FrameOutput,
    cdm: Arc<dyn Cdm>,
    cues: CueQueue,
) -> Result<(Pipeline, play::Pictures), Error> {
    let options = decode::Options {
        video_bytes: VIDEO_BYTES,
        audio_bytes: AUDIO_BYTES,
        cdm,
        cues,
        ..decode::Options::new(audio, output)
    };
    let (sender, events) = unbounded_channel();
    let handle = decode::start(options, sender)?;
    let pictures = play::Pictures::new(&handle);
    Ok((Pipeline { send: Box::new(move |command| handle.send(command)), events }, pictures))
}

fn languages(asked: &str) -> Vec<String> {
    let system = language::of_system(|name| std::env::var(name).ok());
    let asked = (!matches!(asked, "on" | "off")).then(|| asked.to_owned());
    asked.into_iter().chain(system).collect()
}
