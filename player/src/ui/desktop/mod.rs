//! The windowed face: winit's event loop on the main thread, pictures and an overlay on one surface.
//!
//! *In*: [`Handles`] to a running session. *Out*: commands, and how it ended. *Where it runs*: the main
//! thread, because some window systems allow nothing else.

mod app;
mod controls;
mod icons;
mod keys;
mod menu;
mod overlay;
mod stats;
mod style;

use super::action::UiCommand;
use crate::frame::FrameSource;
use crate::render::timings::Timings;
use crate::status::Status;
use crate::text::queue::CueQueue;
use crate::ui::captions::CaptionStyle;
use abr::error::{Code, Error, Severity};
use abr::time::MediaTime;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use winit::event_loop::{EventLoop, EventLoopProxy};

/// How the window begins and what it does by itself.
#[derive(Clone, Debug)]
pub struct WindowOptions {
    /// Title of the window.
    pub title: String,
    /// Whether to fill the screen at first.
    pub fullscreen: bool,
    /// Size in logical pixels when it does not.
    pub size: (u32, u32),
    /// Save the first frame that ends after this time in this file.
    pub screenshot: Option<(PathBuf, MediaTime)>,
    /// Where pictures go that are saved by key.
    pub screenshot_folder: PathBuf,
    /// Whether to end when the title ends.
    pub close_at_end: bool,
    /// Said at the beginning.
    pub greeting: Option<String>,
    /// How subtitles look.
    pub captions: CaptionStyle,
}

impl Default for WindowOptions {
    fn default() -> Self {
        Self {
            title: "Sluice".into(),
            fullscreen: false,
            size: (960, 540),
            screenshot: None,
            screenshot_folder: PathBuf::from("."),
            close_at_end: false,
            greeting: None,
            captions: CaptionStyle::default(),
        }
    }
}

/// What the face holds of the session.
pub struct Handles {
    /// Takes what the user wants.
    pub commands: Box<dyn Fn(UiCommand) + Send>,
    /// Gives the latest status.
    pub status: Box<dyn Fn() -> Arc<Status> + Send>,
    /// Gives the pictures.
    pub frames: Arc<dyn FrameSource>,
    /// Gives the subtitles.
    pub cues: CueQueue,
    /// Tells once how the session ended; `None` while it runs.
    pub finished: Box<dyn Fn() -> Option<Result<(), Error>> + Send>,
}

/// Makes the face look at its handles: to be called when a frame was queued while none was, when the
/// clock starts or jumps, and when the status changed. Cheap; calls before the face gets to it are one.
#[derive(Clone)]
pub struct WakeHandle {
    proxy: EventLoopProxy<()>,
    pending: Arc<AtomicBool>,
}

impl WakeHandle {
    /// Wakes the face. Does nothing when it is gone.
    pub fn wake(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            let _ = self.proxy.send_event(());
        }
    }

    /// Whether there was a wake since the last call.
    fn take(&self) -> bool {
        self.pending.swap(false, Ordering::AcqRel)
    }
}

/// A connection to the window system, before there is a window.
pub struct Desktop {
    events: EventLoop<()>,
    wake: WakeHandle,
}

impl Desktop {
    /// Connects to the window system. Once per process.
    ///
    /// # Errors
    /// [`Code::NoDisplay`] when there is none: play headless then.
    pub fn open() -> Result<Self, Error> {
        let events = EventLoop::with_user_event().build().map_err(|_| no_display())?;
        let wake = WakeHandle { proxy: events.create_proxy(), pending: Arc::default() };
        Ok(Self { events, wake })
    }

    /// Wakes the face that [`run`](Self::run) shows.
    pub fn wake_handle(&self) -> WakeHandle {
        self.wake.clone()
    }

    /// Shows the window until the user or the end of the title closes it. Returns what drawing cost.
    ///
    /// # Errors
    /// How the session failed; [`Code::NoDisplay`] and [`Code::NoAdapter`] when there is no window or
    /// nothing to draw with; [`Code::DeviceLost`] when the graphics device fails again and again.
    pub fn run(self, options: WindowOptions, handles: Handles) -> Result<Timings, Error> {
        let mut app = app::App::new(options, handles, self.wake);
        let ran = self.events.run_app(&mut app);
        let timings = app.end()?;
        ran.map(|()| timings).map_err(|error| {
            Error::new(
                Severity::Fatal,
                Code::NoDisplay,
                format!("The connection to the display broke ({error})."),
            )
        })
    }
}

/// [`Desktop::open`], then [`Desktop::run`] with the handles that `connect` makes. `connect` is called
/// before there is a window, so that the session gets going at once.
///
/// # Errors
/// As both; `connect` is not called when there is no display.
pub fn run(options: WindowOptions, connect: impl FnOnce(WakeHandle) -> Handles) -> Result<Timings, Error> {
    let desktop = Desktop::open()?;
    let handles = connect(desktop.wake_handle());
    desktop.run(options, handles)
}

/// The window system's own words name its source files, which help nobody.
fn no_display() -> Error {
    let named =
        ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    let why = if named { "the display does not answer" } else { "there is no display" };
    let text = format!("No window can be opened: {why}. Use --headless to play without one.");
    Error::new(Severity::Fatal, Code::NoDisplay, text)
}
