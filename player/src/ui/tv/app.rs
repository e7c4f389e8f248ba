//! The event loop's side of the TV face: one window for as long as the program runs, one session at a time.

use super::draw::{self, Scene};
use super::model::{Effect, Model, Screen as Shown};
use super::remote::{Press, RemoteKey, of_window};
use super::{Call, Playing, Stage as Sessions, TvOptions, WakeHandle, no_display};
use crate::frame::Frame;
use crate::render::layout;
use crate::render::surface::{Screen, Shown as Drawn};
use crate::service::Notifier;
use crate::status::Status;
use crate::ui::action::UiCommand;
use crate::ui::captions::Captions;
use crate::ui::gui::Gui;
use crate::ui::host::WindowHost;
use abr::error::{Code, Error};
use abr::protocol::Phase;
use std::sync::Arc;
use std::time::{Duration, Instant};
use winit::application::ApplicationHandler;
use winit::dpi::LogicalSize;
use winit::event::{ElementState, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow};
use winit::window::{Fullscreen, Window, WindowId};

/// A window that was not ready is asked again after this.
const AGAIN: Duration = Duration::from_millis(16);
/// A frame that nobody asked for after this long is taken without being drawn.
const OVERDUE: Duration = Duration::from_millis(100);
/// Without an event for this long although some were due, the machine was asleep.
const ASLEEP: Duration = Duration::from_secs(10);
/// How long a session may take to begin another attempt before its old error is shown again.
const RETRY_PATIENCE: Duration = Duration::from_secs(1);

struct Stage {
    // Dropped in this order: what uses the surface before the window.
    gui: Gui,
    screen: Screen,
    host: WindowHost,
}

pub(super) struct App {
    options: TvOptions,
    sessions: Box<dyn Sessions>,
    wake: WakeHandle,
    started: Instant,
    stage: Option<Stage>,
    model: Model,
    playing: Option<Playing>,
    status: Arc<Status>,
    frame: Option<Frame>,
    fresh: bool,
    captions: Captions,
    /// Whether anything is laid out over the picture.
    overlaid: bool,
    dirty: bool,
    again: Option<Instant>,
    retried: Option<Duration>,
    /// When the loop last turned, by the wall clock, which goes on in sleep.
    turned: std::time::SystemTime,
    failure: Option<Error>,
}

impl App {
    pub(super) fn new(options: TvOptions, sessions: Box<dyn Sessions>, wake: WakeHandle) -> Self {
        let model = Model::new(options.titles.clone());
        Self {
            options,
            sessions,
            wake,
            started: Instant::now(),
            stage: None,
            model,
            playing: None,
            status: Arc::new(Status::empty()),
            frame: None,
            fresh: false,
            captions: Captions::default(),
            overlaid: false,
            dirty: true,
            again: None,
            retried: None,
            turned: std::time::SystemTime::now(),
            failure: None,
        }
    }

    /// How it went; ends what still plays.
    pub(super) fn end(mut self) -> Result<(), Error> {
        if let Some(service) = &self.options.service {
            service.stopping();
        }
        self.close();
        self.failure.take().map_or(Ok(()), Err)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn open_window(&mut self, events: &ActiveEventLoop) -> Result<(), Error> {
        let size = self.options.windowed;
        let (width, height) = size.unwrap_or((1_280, 720));
        let attributes = Window::default_attributes()
            .with_title("Sluice")
            .with_inner_size(LogicalSize::new(width, height))
            .with_fullscreen(size.is_none().then_some(Fullscreen::Borderless(None)));
        let attributes =
            winit::platform::wayland::WindowAttributesExtWayland::with_name(attributes, "sluice-tv", "");
        let window = events.create_window(attributes).map_err(|_| no_display())?;
        window.set_cursor_visible(false);
        let host = WindowHost::new(window, events);
        let screen = Screen::open(&host, host.size())?;
        let gui = Gui::new(host.window(), screen.gpu(), screen.format());
        self.stage = Some(Stage { gui, screen, host });
        if let Some(place) = self.options.open.take() {
            // As if it had been chosen on the shelf.
            let (status, now) = (Arc::clone(&self.status), self.now());
            for _ in 0..place {
                self.model.press(RemoteKey::Right, Press::Down, &status, now);
            }
            let effects = self.model.press(RemoteKey::Select, Press::Down, &status, now);
            self.carry_out(events, effects);
        }
        Ok(())
    }

    fn press(&mut self, events: &ActiveEventLoop, key: RemoteKey, press: Press) {
        let status = Arc::clone(&self.status);
        let effects = self.model.press(key, press, &status, self.now());
        self.carry_out(events, effects);
        self.dirty = true;
    }

    fn carry_out(&mut self, events: &ActiveEventLoop, effects: Vec<Effect>) {
        self.dirty |= !effects.is_empty();
        for effect in effects {
            match effect {
                Effect::Send(UiCommand::Quit) | Effect::Quit => {
                    self.close();
                    events.exit();
                }
                Effect::Send(command) => {
                    if command == UiCommand::Retry {
                        self.retried = Some(self.now());
                    }
                    match &self.playing {
                        Some(playing) => (playing.handles.commands)(command),
                        // It could not even be opened.
                        None if command == UiCommand::Retry => self.reopen(),
                        None => {}
                    }
                }
                Effect::Open(place) => self.open_title(place),
                Effect::Close => self.close(),
            }
        }
    }

    fn open_title(&mut self, place: usize) {
        self.close();
        self.options.open = Some(place);
        let Some(title) = self.model.titles().get(place).cloned() else { return };
        match self.sessions.open(&title, self.wake.clone()) {
            Ok(playing) => {
                if let Some(stage) = &self.stage {
                    let (width, height) = stage.screen.size();
                    (playing.handles.commands)(UiCommand::Surface { width, height });
                }
                self.playing = Some(playing);
            }
            Err(error) => self.model.fail(error),
        }
    }

    fn reopen(&mut self) {
        if let Some(place) = self.options.open {
            self.open_title(place);
        }
    }

    fn close(&mut self) {
        if let Some(playing) = self.playing.take() {
            (playing.stop)();
        }
        self.status = Arc::new(Status::empty());
        (self.frame, self.fresh, self.retried) = (None, false, None);
        self.captions = Captions::default();
    }

    /// Looks at everything that may have changed.
    fn look(&mut self, events: &ActiveEventLoop) {
        let now = self.now();
        let slept =
            self.turned.elapsed().is_ok_and(|span| span > ASLEEP) && self.status.phase == Phase::Playing;
        self.turned = std::time::SystemTime::now();
        if slept {
            let effects = self.model.suspend();
            self.carry_out(events, effects);
        }
        if let Some(playing) = &self.playing {
            let before = (self.status.phase, self.status.current, self.status.waiting.is_some());
            self.status = (playing.handles.status)();
            let over = matches!(self.status.phase, Phase::Ended | Phase::Failed);
            if !over {
                self.retried = None;
                self.model.recover();
            }
            let trying = self.retried.is_some_and(|at| now < at + RETRY_PATIENCE);
            if !trying && let Some(Err(error)) = (playing.handles.finished)() {
                self.model.fail(error);
            }
            let after = (self.status.phase, self.status.current, self.status.waiting.is_some());
            self.dirty |= before != after;
        }
        let status = Arc::clone(&self.status);
        let effects = self.model.tick(&status, now);
        self.carry_out(events, effects);
        self.dirty |= !self.wanted_captions().looks_like(&self.captions);
    }

    fn wanted_captions(&self) -> Captions {
        let position = self.frame.as_ref().map_or(self.status.position, |frame| frame.pts);
        let cues = self.playing.as_ref().map(|playing| playing.handles.cues.active(position));
        Captions::new(cues.unwrap_or_default(), position)
    }

    fn take(&mut self) -> bool {
        let Some(frame) = self.playing.as_ref().and_then(|playing| playing.handles.frames.due()) else {
            return false;
        };
        self.frame = Some(frame);
        self.fresh = true;
        true
    }

    fn draw(&mut self, events: &ActiveEventLoop) {
        self.look(events);
        if !self.fresh {
            self.take();
        }
        let was_dirty = std::mem::take(&mut self.dirty);
        self.again = None;
        let now = self.now();
        let captions = self.wanted_captions();
        let visible = draw::is_visible(&self.model, &self.status, now);
        let focus = self.model.focus(&self.status);
        let Some(stage) = &mut self.stage else { return };
        let size = stage.screen.size();
        let stale = !captions.looks_like(&self.captions) || (self.overlaid && !visible);
        if (visible && (was_dirty || !self.overlaid)) || (stale && !captions.is_empty()) || stage.gui.is_due()
        {
            let mut text = captions.text();
            text.extend(self.model.titles().iter().map(|title| title.title.as_str()));
            stage.gui.prepare(&text);
            let scale = stage.host.window().scale_factor() as f32;
            let shape = self.frame.as_ref().map(|frame| &frame.picture);
            let place = shape.map_or_else(
                || layout::letterbox(size.0, size.1, (1, 1), size),
                |picture| layout::letterbox(picture.width, picture.height, picture.pixel_aspect, size),
            );
            let points = |pixels: u32| pixels as f32 / scale;
            let picture = egui::Rect::from_min_size(
                egui::pos2(points(place.x), points(place.y)),
                egui::vec2(points(place.width), points(place.height)),
            );
            let scene = Scene {
                model: &self.model,
                focus,
                status: &self.status,
                captions: &captions,
                caption_style: self.options.captions,
                picture,
                budget: self.options.budget,
                now,
            };
            stage.gui.run(stage.host.window(), |ui| draw::draw(ui, &scene));
        } else if !visible && captions.is_empty() {
            stage.gui.rest();
        }
        self.overlaid = visible;
        self.captions = captions;
        let over_picture = !matches!(self.model.screen(), Shown::Shelf | Shown::Leaving);
        let (gui, picture) = (&mut stage.gui, self.frame.as_ref().map(|frame| &frame.picture));
        let drawn = stage.screen.show(&stage.host, picture.filter(|_| over_picture), |gpu, encoder, view| {
            gui.paint(gpu, encoder, view, size);
        });
        match drawn {
            Ok(Drawn::Presented) => {
                self.fresh = false;
                if let Some(service) = &mut self.options.service {
                    service.ready();
                }
            }
            Ok(Drawn::Later) => self.again = Some(Instant::now() + AGAIN),
            Ok(Drawn::Hidden) => self.again = Some(Instant::now() + OVERDUE),
            Err(error) if error.code == Code::DeviceLost => {
                // Everything of the device is made anew; what plays goes on meanwhile.
                self.stage = None;
                self.dirty = true;
                if let Err(error) = self.open_window(events) {
                    self.give_up(events, error);
                }
            }
            Err(error) => self.give_up(events, error),
        }
    }

    fn give_up(&mut self, events: &ActiveEventLoop, error: Error) {
        self.failure = Some(error);
        events.exit();
    }

    /// When to draw without any event.
    fn next_alarm(&self) -> Option<Instant> {
        let now = self.now();
        let model = self.model.next_change(now).map(|at| self.started + at);
        let visible = draw::is_visible(&self.model, &self.status, now) && self.playing.is_some();
        let tick = visible.then(|| Instant::now() + Duration::from_millis(250));
        let gui = self.stage.as_ref().and_then(|stage| stage.gui.wanted());
        let beat = self.options.service.as_ref().and_then(Notifier::next_beat);
        [model, tick, gui, beat, self.again].into_iter().flatten().min()
    }
}

impl ApplicationHandler<Call> for App {
    fn resumed(&mut self, events: &ActiveEventLoop) {
        if self.stage.is_none()
            && let Err(error) = self.open_window(events)
        {
            self.give_up(events, error);
        }
    }

    fn user_event(&mut self, events: &ActiveEventLoop, call: Call) {
        match call {
            Call::Wake => {
                self.look(events);
                self.dirty |= !self.fresh && self.take();
            }
            Call::Key(key, press) => self.press(events, key, press),
            Call::Quit => self.carry_out(events, vec![Effect::Quit]),
        }
    }

    fn window_event(&mut self, events: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        match event {
            WindowEvent::RedrawRequested => self.draw(events),
            WindowEvent::CloseRequested | WindowEvent::Destroyed => {
                self.carry_out(events, vec![Effect::Quit]);
            }
            WindowEvent::Resized(size) => {
                if let Some(stage) = &mut self.stage {
                    stage.screen.resize(size.into());
                }
                if let Some(playing) = &self.playing {
                    let (width, height) = size.into();
                    (playing.handles.commands)(UiCommand::Surface { width, height });
                }
                self.overlaid = false;
                self.captions = Captions::default();
                self.dirty = true;
            }
            WindowEvent::KeyboardInput { event, is_synthetic: false, .. } => {
                if let Some(key) = of_window(&event.logical_key) {
                    let press = match event.state {
                        ElementState::Pressed if event.repeat => Press::Repeat,
                        ElementState::Pressed => Press::Down,
                        ElementState::Released => Press::Up,
                    };
                    self.press(events, key, press);
                }
            }
            _ => {}
        }
    }

    fn about_to_wait(&mut self, events: &ActiveEventLoop) {
        if events.exiting() {
            return;
        }
        let now = Instant::now();
        // Told by the loop that draws: when that hangs, the service manager begins anew.
        if let Some(service) = &mut self.options.service {
            service.beat(now);
        }
        let due = self.playing.as_ref().and_then(|playing| playing.handles.frames.next_due());
        if due.is_some_and(|due| due + OVERDUE <= now) {
            self.dirty |= self.take();
        }
        let alarm = self.next_alarm();
        let redraw = self.dirty || due.is_some_and(|due| due <= now);
        if let Some(stage) = self.stage.as_ref().filter(|_| redraw) {
            stage.host.window().request_redraw();
        }
        let overdue = due.map(|due| if due <= now { due + OVERDUE } else { due });
        events.set_control_flow(match [alarm, overdue].into_iter().flatten().min() {
            Some(at) => ControlFlow::WaitUntil(at.max(now + Duration::from_millis(1))),
            None => ControlFlow::Wait,
        });
    }

    fn new_events(&mut self, _: &ActiveEventLoop, cause: winit::event::StartCause) {
        // An alarm went off: what changes by itself is drawn.
        self.dirty |= matches!(cause, winit::event::StartCause::ResumeTimeReached { .. });
    }
}
