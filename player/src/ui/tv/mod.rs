//! The TV face: full screen, driven by Up, Down, Left, Right, Select and Back.
//!
//! [`model`] says what is on the screen and what keys do, [`focus`] where the focus is; `draw` shows it and
//! `app` joins it to a window and to the sessions that [`Stage::open`] starts.

mod app;
mod draw;
pub mod focus;
pub mod model;
pub mod remote;
pub mod shelf;
#[cfg(test)]
mod tests;

use super::captions::CaptionStyle;
use super::desktop::Handles;
use crate::service::Notifier;
use abr::error::{Code, Error, Severity};
use remote::{Press, RemoteKey};
use shelf::Title;
use winit::event_loop::{EventLoop, EventLoopProxy};

/// How the face begins.
pub struct TvOptions {
    /// The shelf.
    pub titles: Vec<Title>,
    /// Title to open at once.
    pub open: Option<usize>,
    /// Window size in logical pixels instead of the full screen.
    pub windowed: Option<(u32, u32)>,
    /// How subtitles look.
    pub captions: CaptionStyle,
    /// Most bytes that may be queued, to be shown.
    pub budget: u64,
    /// Who is told that the face is ready, alive and gone.
    pub service: Option<Notifier>,
}

/// A title that is being played.
pub struct Playing {
    /// To the session.
    pub handles: Handles,
    /// Ends it and waits for that.
    pub stop: Box<dyn FnOnce()>,
}

/// Starts sessions for the face.
pub trait Stage {
    /// Plays a title.
    ///
    /// # Errors
    /// Why it cannot.
    fn open(&mut self, title: &Title, wake: WakeHandle) -> Result<Playing, Error>;
}

/// What comes from outside of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Look at the session: it has something new.
    Wake,
    /// A key of a remote control.
    Key(RemoteKey, Press),
    /// End the program.
    Quit,
}

/// Reaches the face from any thread.
#[derive(Clone)]
pub struct WakeHandle(EventLoopProxy<Call>);

impl WakeHandle {
    /// Makes the face look at its session.
    pub fn wake(&self) {
        self.call(Call::Wake);
    }

    /// Tells of a key; `false` when the face is gone.
    pub fn key(&self, key: RemoteKey, press: Press) -> bool {
        self.call(Call::Key(key, press))
    }

    /// Ends the program as a person would.
    pub fn quit(&self) {
        self.call(Call::Quit);
    }

    fn call(&self, call: Call) -> bool {
        self.0.send_event(call).is_ok()
    }
}

/// A connection to the window system, before there is a window.
pub struct Tv {
    events: EventLoop<Call>,
}

impl Tv {
    /// Connects to the window system. Once per process.
    ///
    /// # Errors
    /// [`Code::NoDisplay`] when there is none.
    pub fn open() -> Result<Self, Error> {
        let events = EventLoop::with_user_event().build().map_err(|_| no_display())?;
        Ok(Self { events })
    }

    /// Reaches the face that [`run`](Self::run) shows.
    pub fn wake_handle(&self) -> WakeHandle {
        WakeHandle(self.events.create_proxy())
    }

    /// Shows the face until a person leaves.
    ///
    /// # Errors
    /// [`Code::NoDisplay`] and [`Code::NoAdapter`] when there is no window or nothing to draw with.
    pub fn run(self, options: TvOptions, stage: Box<dyn Stage>) -> Result<(), Error> {
        let wake = self.wake_handle();
        let mut app = app::App::new(options, stage, wake);
        let ran = self.events.run_app(&mut app);
        app.end()?;
        ran.map_err(|_| no_display())
    }
}

fn no_display() -> Error {
    Error::new(Severity::Fatal, Code::NoDisplay, "No window can be opened: there is no display.")
}
