//! The event loop's side: when to draw, what to draw, and what to do with input.

use super::overlay::{self, Output, Scene};
use super::{Handles, WakeHandle, WindowOptions, keys, no_display};
use crate::frame::{Frame, Matrix};
use crate::render::image::RgbaImage;
use crate::render::layout;
use crate::render::surface::{Screen, Shown};
use crate::render::timings::Timings;
use crate::status::Status;
use crate::ui::action::{Action, UiCommand};
use crate::ui::captions::Captions;
use crate::ui::gui::Gui;
use crate::ui::history::{self, History};
use crate::ui::host::WindowHost;
use crate::ui::view::{Effect, View};
use abr::error::{Code, Error, Severity};
use abr::protocol::Phase;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use winit::application::ApplicationHandler;
use winit::dpi::LogicalSize;
use winit::event::{ElementState, KeyEvent, MouseScrollDelta, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow};
use winit::keyboard::ModifiersState;
use winit::window::{Fullscreen, Window, WindowId};

/// A window that was not ready is asked again after this.
const AGAIN: Duration = Duration::from_millis(16);
/// A frame that nobody asked for after this long is taken without being drawn: the window is hidden, and
/// the queue must go on.
const OVERDUE: Duration = Duration::from_millis(100);
/// How long a session may take to begin another attempt before its old error is shown again.
const RETRY_PATIENCE: Duration = Duration::from_secs(1);
/// A device may be lost this often within [`DEVICE_PATIENCE`].
const DEVICES: usize = 3;
const DEVICE_PATIENCE: Duration = Duration::from_secs(20);

/// The window and everything that belongs to its device.
struct Stage {
    // Dropped in this order: what uses the surface before the window.
    gui: Gui,
    screen: Screen,
    host: WindowHost,
}

/// Makes everything of a window's device.
fn stage(host: WindowHost) -> Result<Stage, Error> {
    let screen = Screen::open(&host, host.size())?;
    let gui = Gui::new(host.window(), screen.gpu(), screen.format());
    Ok(Stage { gui, screen, host })
}

pub(super) struct App {
    options: WindowOptions,
    handles: Handles,
    wake: WakeHandle,
    started: Instant,
    stage: Option<Stage>,
    status: Arc<Status>,
    view: View,
    history: History,
    output: Output,
    /// What is laid out.
    captions: Captions,
    /// The size changed since then.
    relay: bool,
    /// Whether anything else was laid out with them.
    overlaid: bool,
    frame: Option<Frame>,
    /// Whether `frame` has yet to be shown.
    fresh: bool,
    modifiers: ModifiersState,
    /// Hundredths of a notch of the wheel that did not make a whole one yet.
    wheel: (f64, f64),
    /// Something changed that is not on the screen.
    dirty: bool,
    again: Option<Instant>,
    /// When to draw without any event, as of the last look.
    alarm: Option<Instant>,
    hidden: bool,
    /// Whether the pointer is hidden with the controls.
    pointer_hidden: bool,
    /// The size that the session was told last.
    told: Option<(u32, u32)>,
    losses: Vec<Instant>,
    saved: (mpsc::Sender<String>, mpsc::Receiver<String>),
    saving: Vec<JoinHandle<()>>,
    finished: Option<Result<(), Error>>,
    /// When the user asked for another attempt that is not under way yet.
    retried: Option<Duration>,
    failure: Option<Error>,
}

impl App {
    pub(super) fn new(options: WindowOptions, handles: Handles, wake: WakeHandle) -> Self {
        let status = (handles.status)();
        let mut view = View::default();
        view.set_fullscreen(options.fullscreen);
        if let Some(greeting) = options.greeting.clone() {
            view.say(greeting, crate::ui::view::NOTICE_STAYS - crate::ui::view::TOAST_STAYS);
        }
        Self {
            options,
            handles,
            wake,
            started: Instant::now(),
            stage: None,
            status,
            view,
            history: History::default(),
            output: Output::default(),
            captions: Captions::default(),
            relay: true,
            overlaid: false,
            frame: None,
            fresh: false,
            modifiers: ModifiersState::empty(),
            wheel: (0.0, 0.0),
            dirty: true,
            again: None,
            alarm: None,
            hidden: false,
            pointer_hidden: false,
            told: None,
            losses: Vec::new(),
            saved: mpsc::channel(),
            saving: Vec::new(),
            finished: None,
            retried: None,
            failure: None,
        }
    }

    /// How it went. Waits for pictures that are being saved.
    pub(super) fn end(self) -> Result<Timings, Error> {
        for thread in self.saving {
            // A panic there has been reported by the thread itself.
            let _ = thread.join();
        }
        match (self.failure, self.finished) {
            (Some(failure), _) | (None, Some(Err(failure))) => Err(failure),
            (None, Some(Ok(())) | None) => Ok(self.output.timings),
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn open(&mut self, events: &ActiveEventLoop) -> Result<(), Error> {
        let (width, height) = self.options.size;
        let attributes = Window::default_attributes()
            .with_title(&self.options.title)
            .with_inner_size(LogicalSize::new(width, height))
            .with_min_inner_size(LogicalSize::new(160, 90))
            .with_fullscreen(self.options.fullscreen.then_some(Fullscreen::Borderless(None)));
        let attributes =
            winit::platform::wayland::WindowAttributesExtWayland::with_name(attributes, "sluice", "");
        let attributes =
            winit::platform::x11::WindowAttributesExtX11::with_name(attributes, "sluice", "sluice");
        let window = events.create_window(attributes).map_err(|_| no_display())?;
        self.stage = Some(stage(WindowHost::new(window, events))?);
        self.describe_output();
        self.tell_size();
        Ok(())
    }

    fn describe_output(&mut self) {
        if let Some(stage) = &self.stage {
            self.output.adapter = stage.screen.gpu().description();
            self.output.converts_on_cpu = stage.screen.converts_on_cpu();
            self.output.window = stage.screen.size();
        }
    }

    fn tell_size(&mut self) {
        let (width, height) = if self.hidden { (0, 0) } else { self.output.window };
        if self.told.replace((width, height)) != Some((width, height)) {
            (self.handles.commands)(UiCommand::Surface { width, height });
        }
    }

    /// Ends the loop with `error`.
    fn give_up(&mut self, events: &ActiveEventLoop, error: Error) {
        self.failure = Some(error);
        (self.handles.commands)(UiCommand::Quit);
        events.exit();
    }

    /// Looks at everything that may have changed outside.
    fn look(&mut self, events: &ActiveEventLoop) {
        let before = (self.status.phase, self.status.waiting.is_some(), self.status.current);
        self.status = (self.handles.status)();
        let now = self.now();
        self.view.observe(&self.status, now);
        if let Ok(text) = self.saved.1.try_recv() {
            self.view.say(text, now + crate::ui::view::TOAST_STAYS);
            self.dirty = true;
        }
        let over = matches!(self.status.phase, Phase::Ended | Phase::Failed);
        if !over {
            // Played again, or tried again with success.
            self.finished = None;
            self.retried = None;
            self.dirty |= self.view.recover();
        }
        let trying = self.retried.is_some_and(|at| now < at + RETRY_PATIENCE);
        if self.finished.is_none() && !trying {
            self.finished = (self.handles.finished)();
            match &self.finished {
                Some(Ok(())) if self.options.close_at_end => events.exit(),
                Some(Err(error)) => self.view.fail(error.clone()),
                Some(Ok(())) | None => {}
            }
            self.dirty |= self.finished.is_some();
        }
        let position = self.frame.as_ref().map_or(self.status.position, |frame| frame.pts);
        let captions = Captions::new(self.handles.cues.active(position), position);
        self.dirty |= !captions.looks_like(&self.captions);
        let sampled = self.history.record(&self.status, now);
        let visible = self.view.is_visible(&self.status, now);
        let after = (self.status.phase, self.status.waiting.is_some(), self.status.current);
        self.dirty |= before != after || (sampled && visible);
    }

    /// Takes the frame that is due, if it is a new one.
    fn take(&mut self) -> bool {
        let Some(frame) = self.handles.frames.due() else { return false };
        let picture = &frame.picture;
        let color = picture.color;
        let range = if color.full_range { "full" } else { "limited" };
        let matrix = match color.matrix {
            Matrix::Bt601 => "BT.601",
            Matrix::Bt709 => "BT.709",
            Matrix::Bt2020 => "BT.2020",
        };
        self.output.picture =
            format!("{}×{}  {:?}  {matrix} {range}", picture.width, picture.height, picture.format);
        if let Some((path, _)) = self.options.screenshot.take_if(|(_, at)| frame.end > *at) {
            self.save(&frame, path);
        }
        self.frame = Some(frame);
        self.fresh = true;
        true
    }

    fn act(&mut self, events: &ActiveEventLoop, action: Action) {
        let now = self.now();
        let effects = self.view.apply(action, &self.status, now);
        self.dirty = true;
        for effect in effects {
            match effect {
                Effect::Send(UiCommand::Quit) => {
                    (self.handles.commands)(UiCommand::Quit);
                    events.exit();
                }
                Effect::Send(UiCommand::Retry) => {
                    self.finished = None;
                    self.retried = Some(now);
                    (self.handles.commands)(UiCommand::Retry);
                }
                Effect::Send(command) => (self.handles.commands)(command),
                Effect::Fullscreen(on) => {
                    if let Some(stage) = &self.stage {
                        stage.host.window().set_fullscreen(on.then_some(Fullscreen::Borderless(None)));
                    }
                }
                Effect::Screenshot => match self.frame.clone() {
                    Some(frame) => {
                        let name = format!("sluice-{}.png", frame.pts.as_millis());
                        self.save(&frame, self.options.screenshot_folder.join(name));
                    }
                    None => self.view.say("There is no picture yet".into(), now),
                },
            }
        }
    }

    /// Writes a frame in the background and says so when it is done.
    fn save(&mut self, frame: &Frame, path: PathBuf) {
        let (picture, said, wake) = (Arc::clone(&frame.picture), self.saved.0.clone(), self.wake.clone());
        let work = move || {
            let text = match RgbaImage::from_picture(&picture).write_png(&path) {
                Ok(()) => format!("Saved {}", path.display()),
                Err(error) => format!("{} could not be written: {error}", path.display()),
            };
            let _ = said.send(text);
            wake.wake();
        };
        match std::thread::Builder::new().name("screenshot".into()).spawn(work) {
            Ok(thread) => {
                self.saving.retain(|thread| !thread.is_finished());
                self.saving.push(thread);
            }
            Err(error) => {
                self.view.say(format!("The picture could not be saved: {error}"), self.started.elapsed())
            }
        }
    }

    fn draw(&mut self, events: &ActiveEventLoop) {
        self.look(events);
        // A frame that was taken is shown, even if the next one is due by now.
        if !self.fresh {
            self.take();
        }
        self.dirty = false;
        self.again = None;
        let now = self.now();
        let Some(stage) = &mut self.stage else { return };
        self.output.timings = stage.screen.timings();
        let mut actions = Vec::new();
        let position = self.frame.as_ref().map_or(self.status.position, |frame| frame.pts);
        let captions = Captions::new(self.handles.cues.active(position), position);
        let visible = self.view.is_visible(&self.status, now);
        // What was laid out is drawn again with every frame until it changes.
        let changed = !self.captions.looks_like(&captions) || self.relay || (self.overlaid && !visible);
        // A pending click is egui's to finish even when nothing is to be seen any more.
        if visible || stage.gui.wanted().is_some() || (changed && !captions.is_empty()) {
            (self.relay, self.overlaid) = (false, visible);
            stage.gui.prepare(&captions.text());
            let scale = stage.host.window().scale_factor() as f32;
            let (width, height) = stage.screen.size();
            let picture = self.frame.as_ref().map(|frame| &frame.picture).map_or(
                layout::letterbox(width, height, (1, 1), (width, height)),
                |picture| {
                    layout::letterbox(picture.width, picture.height, picture.pixel_aspect, (width, height))
                },
            );
            let points = |pixels: u32| pixels as f32 / scale;
            let picture = egui::Rect::from_min_size(
                egui::pos2(points(picture.x), points(picture.y)),
                egui::vec2(points(picture.width), points(picture.height)),
            );
            let scene = Scene {
                status: &self.status,
                view: &self.view,
                history: &self.history,
                output: &self.output,
                captions: &captions,
                caption_style: self.options.captions,
                picture,
                now,
            };
            stage.gui.run(stage.host.window(), |ui| actions = overlay::draw(ui, &scene));
        } else if captions.is_empty() {
            self.overlaid = false;
            stage.gui.rest();
        }
        self.captions = captions;
        // After egui, which sets the pointer's shape.
        let hide = !self.view.controls(&self.status, now) && self.view.error().is_none();
        if hide != self.pointer_hidden {
            self.pointer_hidden = hide;
            stage.host.window().set_cursor_visible(!hide);
        }
        let size = stage.screen.size();
        let (gui, picture) = (&mut stage.gui, self.frame.as_ref().map(|frame| &frame.picture));
        let shown = stage.screen.show(&stage.host, picture, |gpu, encoder, view| {
            gui.paint(gpu, encoder, view, size);
        });
        match shown {
            Ok(Shown::Presented) => self.fresh = false,
            Ok(Shown::Later) => self.again = Some(Instant::now() + AGAIN),
            Ok(Shown::Hidden) => self.again = Some(Instant::now() + OVERDUE),
            Err(error) if error.code == Code::DeviceLost => self.rebuild(events, error),
            Err(error) => self.give_up(events, error),
        }
        for action in actions {
            self.act(events, action);
        }
    }

    /// Makes everything of the device anew.
    fn rebuild(&mut self, events: &ActiveEventLoop, error: Error) {
        let now = Instant::now();
        self.losses.retain(|loss| now.duration_since(*loss) < DEVICE_PATIENCE);
        self.losses.push(now);
        let Some(Stage { gui, screen, host }) = self.stage.take() else { return };
        drop((gui, screen));
        if self.losses.len() > DEVICES {
            return self.give_up(events, Error { severity: Severity::Fatal, ..error });
        }
        match stage(host) {
            Ok(stage) => {
                self.stage = Some(stage);
                self.describe_output();
                self.relay = true;
                self.dirty = true;
            }
            Err(error) => self.give_up(events, error),
        }
    }

    fn key(&mut self, events: &ActiveEventLoop, event: &KeyEvent) {
        if event.state != ElementState::Pressed {
            return;
        }
        let Some(chord) = keys::chord(&event.logical_key, self.modifiers) else { return };
        let Some(action) = crate::ui::keys::resolve(chord, self.view.context()) else { return };
        // Held keys repeat what is gradual, not what toggles.
        let gradual =
            matches!(action, Action::Skip(_) | Action::Volume(_) | Action::Move(_) | Action::Rate(_));
        if !event.repeat || gradual {
            self.act(events, action);
        }
    }

    fn scroll(&mut self, events: &ActiveEventLoop, delta: MouseScrollDelta) {
        let (x, y) = match delta {
            MouseScrollDelta::LineDelta(x, y) => (f64::from(x), f64::from(y)),
            // A notch is about as much as two lines of text.
            MouseScrollDelta::PixelDelta(by) => (by.x / 40.0, by.y / 40.0),
        };
        self.wheel.0 += x;
        self.wheel.1 += y;
        let (skips, steps) = (self.wheel.0.trunc(), self.wheel.1.trunc());
        self.wheel = (self.wheel.0 - skips, self.wheel.1 - steps);
        if skips != 0.0 {
            self.act(events, Action::Skip(10 * skips.clamp(-6.0, 6.0) as i32));
        }
        if steps != 0.0 {
            self.act(events, Action::Volume(5 * steps.clamp(-10.0, 10.0) as i8));
        }
    }

    /// When the overlay changes without any event.
    fn next_alarm(&self) -> Option<Instant> {
        let now = self.now();
        let view = self.view.next_change(now).map(|at| self.started + at);
        let tick = self.view.is_visible(&self.status, now).then(|| Instant::now() + history::STEP);
        let gui = self.stage.as_ref().and_then(|stage| stage.gui.wanted());
        [view, tick, gui, self.again].into_iter().flatten().min()
    }
}

impl ApplicationHandler<()> for App {
    fn resumed(&mut self, events: &ActiveEventLoop) {
        if self.stage.is_none()
            && let Err(error) = self.open(events)
        {
            self.give_up(events, error);
        }
    }

    fn user_event(&mut self, events: &ActiveEventLoop, (): ()) {
        if self.wake.take() {
            self.look(events);
            // The first frame after a start or seek is due while the clock is held, when nothing else
            // would ask for it.
            self.dirty |= !self.fresh && self.take();
        }
    }

    fn window_event(&mut self, events: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        let now = self.now();
        // Keys go by the key table alone: egui would take some of them for itself.
        if !matches!(event, WindowEvent::KeyboardInput { .. } | WindowEvent::RedrawRequested)
            && let Some(stage) = &mut self.stage
        {
            self.dirty |=
                stage.gui.event(stage.host.window(), &event) && self.view.is_visible(&self.status, now);
        }
        match event {
            WindowEvent::RedrawRequested => self.draw(events),
            WindowEvent::CloseRequested | WindowEvent::Destroyed => self.act(events, Action::Quit),
            WindowEvent::Resized(size) => {
                if let Some(stage) = &mut self.stage {
                    stage.screen.resize(size.into());
                    self.view.set_fullscreen(stage.host.window().fullscreen().is_some());
                }
                self.relay = true;
                self.describe_output();
                self.hidden = size.width == 0 || size.height == 0;
                self.tell_size();
                self.dirty = true;
            }
            WindowEvent::Occluded(hidden) => {
                self.hidden = hidden;
                self.tell_size();
                self.dirty |= !hidden;
            }
            WindowEvent::ModifiersChanged(modifiers) => self.modifiers = modifiers.state(),
            WindowEvent::KeyboardInput { event, is_synthetic: false, .. } => self.key(events, &event),
            WindowEvent::MouseWheel { delta, .. } => self.scroll(events, delta),
            WindowEvent::CursorMoved { .. } | WindowEvent::MouseInput { .. } | WindowEvent::Touch(_) => {
                self.view.touch(now);
                self.dirty = true;
            }
            WindowEvent::CursorLeft { .. } => {
                self.view.leave();
                self.dirty = true;
            }
            _ => {}
        }
    }

    fn about_to_wait(&mut self, events: &ActiveEventLoop) {
        if events.exiting() {
            return;
        }
        // In this order: a frame that is due at once is due before `now`.
        let due = self.handles.frames.next_due();
        let now = Instant::now();
        if due.is_some_and(|due| due + OVERDUE <= now) {
            self.dirty |= self.take();
        }
        self.dirty |= self.alarm.is_some_and(|at| at <= now) || due.is_some_and(|due| due <= now);
        if let Some(stage) = self.stage.as_ref().filter(|_| self.dirty && !self.hidden) {
            stage.host.window().request_redraw();
        }
        self.alarm = self.next_alarm().filter(|_| !self.hidden);
        let overdue = due.map(|due| if due <= now { due + OVERDUE } else { due });
        events.set_control_flow(match [self.alarm, overdue].into_iter().flatten().min() {
            // What is due already has just been asked for; the redraw comes by itself.
            Some(at) => ControlFlow::WaitUntil(at.max(now + Duration::from_millis(1))),
            None => ControlFlow::Wait,
        });
    }
}
