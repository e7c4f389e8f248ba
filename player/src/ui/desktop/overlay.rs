//! Everything that is drawn over the picture, from the bottom up.

use super::{controls, menu, stats, style};
use crate::render::timings::Timings;
use crate::status::Status;
use crate::ui::action::Action;
use crate::ui::captions::{self, CaptionStyle, Captions};
use crate::ui::history::History;
use crate::ui::keys;
use crate::ui::view::{View, Waiting};
use abr::error::Error;
use egui::{Align2, Color32, Id, Rect, Sense, Ui, Vec2, pos2, vec2};
use std::time::Duration;

/// What the overlay shows.
pub(super) struct Scene<'a> {
    pub(super) status: &'a Status,
    pub(super) view: &'a View,
    pub(super) history: &'a History,
    pub(super) output: &'a Output,
    pub(super) captions: &'a Captions,
    pub(super) caption_style: CaptionStyle,
    /// Where the picture lies, in points.
    pub(super) picture: Rect,
    /// On the face's clock.
    pub(super) now: Duration,
}

/// How pictures get to the screen.
#[derive(Clone, Debug, Default)]
pub(super) struct Output {
    /// Size, format and colours of the decoded picture, empty before the first.
    pub(super) picture: String,
    /// Size of the window in pixels.
    pub(super) window: (u32, u32),
    pub(super) adapter: String,
    pub(super) converts_on_cpu: bool,
    pub(super) timings: Timings,
}

/// A click waits this long for a second one.
const DOUBLE_CLICK: Duration = Duration::from_millis(300);

/// Draws `scene`; returns what the pointer asked for.
pub(super) fn draw(ui: &mut Ui, scene: &Scene<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    let screen = ui.max_rect();
    click(ui, screen, scene, &mut actions);
    let controls = scene.view.controls(scene.status, scene.now);
    let free = if controls { controls::HEIGHT - (screen.bottom() - scene.picture.bottom()) } else { 0.0 };
    captions::draw(ui.painter(), scene.picture, free, scene.captions, scene.caption_style);
    if let Some(waiting) = scene.view.waiting(scene.status, scene.now) {
        wait(ui, screen, &waiting, scene.now);
    }
    if let Some(page) = scene.view.page() {
        stats::draw(ui, screen, page, scene, &mut actions);
    }
    if controls {
        controls::draw(ui, screen, scene, &mut actions);
    }
    if let Some(marked) = scene.view.menu() {
        menu::draw(ui, screen, marked, scene, &mut actions);
    }
    if scene.view.help() {
        help(ui, screen);
    }
    if let Some(text) = scene.view.toast(scene.now) {
        // Always at the same place, so that it does not jump when the controls come.
        let centre = pos2(screen.center().x, screen.bottom() - controls::HEIGHT - 36.0);
        style::pill(ui.painter(), centre, text, screen.width() * 0.7);
    }
    if let Some(error) = scene.view.error() {
        failed(ui, screen, error, &mut actions);
    }
    actions
}

/// Clicks on the picture itself. One click holds or plays, after the time in which a second one would
/// make it a double click.
fn click(ui: &mut Ui, screen: Rect, scene: &Scene<'_>, actions: &mut Vec<Action>) {
    let id = Id::unique("picture");
    let response = ui.interact(screen, id, Sense::click());
    let pending: Option<Duration> = ui.data(|data| data.get_temp(id));
    if response.double_clicked() {
        ui.data_mut(|data| data.remove::<Duration>(id));
        actions.push(Action::Fullscreen);
    } else if response.clicked() {
        if scene.view.menu().is_some() || scene.view.help() {
            actions.push(Action::Back);
        } else {
            ui.data_mut(|data| data.insert_temp(id, scene.now));
            ui.ctx().request_repaint_after(DOUBLE_CLICK);
        }
    } else if let Some(at) = pending {
        let rest = (at + DOUBLE_CLICK).saturating_sub(scene.now);
        if rest.is_zero() {
            ui.data_mut(|data| data.remove::<Duration>(id));
            actions.push(Action::TogglePause);
        } else {
            ui.ctx().request_repaint_after(rest);
        }
    }
}

fn wait(ui: &mut Ui, screen: Rect, waiting: &Waiting, now: Duration) {
    let painter = ui.painter();
    let centre = screen.center();
    painter.circle_filled(centre, 34.0, Color32::from_black_alpha(150));
    // One turn a second, in twelve steps: a smooth one would draw every frame anew.
    let step = (now.as_millis() / 83) as usize;
    for dot in 0..12usize {
        let angle = std::f32::consts::TAU * dot as f32 / 12.0;
        let age = (step + 12 - dot) % 12;
        let alpha = 255 - 19 * age as u8;
        let colour =
            Color32::from_rgba_unmultiplied(style::TEXT.r(), style::TEXT.g(), style::TEXT.b(), alpha);
        painter.circle_filled(centre + 21.0 * vec2(angle.sin(), -angle.cos()), 3.0, colour);
    }
    if let Waiting::Explained(text) = waiting {
        style::pill(painter, centre + vec2(0.0, 66.0), text, screen.width() * 0.7);
    }
    ui.ctx().request_repaint_after(Duration::from_millis(83));
}

fn help(ui: &mut Ui, screen: Rect) {
    let lines = keys::help();
    let rows = lines.len().div_ceil(2);
    let height = (rows as f32 * 23.0 + 66.0).min(screen.height() - 16.0);
    let width = 860.0f32.min(screen.width() - 16.0);
    let panel = Rect::from_center_size(screen.center(), vec2(width, height));
    let painter = ui.painter().with_clip_rect(panel);
    style::plate(&painter, panel);
    style::line(
        &painter,
        panel.min + vec2(22.0, 16.0),
        Align2::LEFT_TOP,
        "Keys",
        style::heading(),
        style::TEXT,
        300.0,
    );
    let column = (width - 44.0) / 2.0;
    let step = ((height - 66.0) / rows as f32).min(23.0);
    for (place, (keys, text)) in lines.iter().enumerate() {
        let at = panel.min + vec2(22.0 + column * (place / rows) as f32, 50.0 + step * (place % rows) as f32);
        style::line(&painter, at, Align2::LEFT_TOP, keys, style::small(), style::ACCENT, column * 0.4 - 8.0);
        let text_at = at + vec2(column * 0.4, 0.0);
        style::line(
            &painter,
            text_at,
            Align2::LEFT_TOP,
            text,
            style::small(),
            style::TEXT,
            column * 0.6 - 10.0,
        );
    }
}

fn failed(ui: &mut Ui, screen: Rect, error: &Error, actions: &mut Vec<Action>) {
    let painter = ui.painter().clone();
    painter.rect_filled(screen, 0.0, Color32::from_black_alpha(120));
    let width = 520.0f32.min(screen.width() - 24.0);
    let text = painter.layout(error.message.clone(), style::body(), style::TEXT, width - 48.0);
    let height = (text.size().y + 148.0).min(screen.height() - 16.0);
    let panel = Rect::from_center_size(screen.center(), vec2(width, height));
    style::plate(&painter, panel);
    let left = panel.min + vec2(24.0, 20.0);
    painter.circle_filled(left + vec2(6.0, 11.0), 5.0, style::ALARM);
    style::line(
        &painter,
        left + vec2(22.0, 0.0),
        Align2::LEFT_TOP,
        "Playback stopped",
        style::heading(),
        style::TEXT,
        width - 80.0,
    );
    let clipped = painter.with_clip_rect(Rect::from_min_max(left, panel.max - vec2(24.0, 64.0)));
    clipped.galley(left + vec2(0.0, 36.0), text, style::TEXT);
    let code = format!("Error {} ({})", error.code.number(), category(error));
    style::line(
        &painter,
        pos2(left.x, panel.max.y - 37.0),
        Align2::LEFT_CENTER,
        &code,
        style::small(),
        style::FAINT,
        width * 0.45,
    );
    let size = Vec2::new(96.0, 34.0);
    let quit = Rect::from_min_size(panel.max - vec2(24.0, 20.0) - size, size);
    let retry = quit.translate(vec2(-size.x - 10.0, 0.0));
    for (rect, name, action, first) in
        [(retry, "Retry", Action::Retry, true), (quit, "Quit", Action::Quit, false)]
    {
        let response = ui.interact(rect, Id::unique(name), Sense::click());
        let (fill, ink) = if first {
            (style::ACCENT, Color32::BLACK)
        } else {
            (Color32::from_white_alpha(28), style::TEXT)
        };
        painter.rect_filled(rect.expand(if response.hovered() { 1.5 } else { 0.0 }), 8.0, fill);
        painter.text(rect.center(), Align2::CENTER_CENTER, name, style::body(), ink);
        if response.clicked() {
            actions.push(action);
        }
    }
}

fn category(error: &Error) -> &'static str {
    use abr::error::Category;
    match error.category {
        Category::Runtime => "the program",
        Category::Network => "network",
        Category::Parsing => "manifest or container",
        Category::Decoding => "decoder",
        Category::Audio => "sound",
        Category::Keys => "keys",
        Category::Picture => "picture output",
    }
}
