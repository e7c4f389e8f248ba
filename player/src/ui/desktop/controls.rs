//! The bar at the bottom: seek bar, buttons, times.

use super::icons::{self, Icon};
use super::overlay::Scene;
use super::style;
use crate::ui::action::Action;
use crate::ui::format;
use crate::ui::keys;
use crate::ui::view;
use abr::protocol::Phase;
use abr::time::MediaTime;
use egui::{Align2, Color32, CornerRadius, Id, Pos2, Rect, Response, Sense, Shape, Ui, pos2, vec2};
use std::time::Duration;

const MARGIN: f32 = 18.0;
const BUTTON: f32 = 38.0;
/// Space at the bottom that the bar takes.
pub(super) const HEIGHT: f32 = 84.0;

pub(super) fn draw(ui: &mut Ui, screen: Rect, scene: &Scene<'_>, actions: &mut Vec<Action>) {
    scrim(ui, screen);
    // The bar itself is not the picture: clicks between buttons do nothing.
    let bar = Rect::from_min_max(pos2(screen.left(), screen.bottom() - HEIGHT), screen.max);
    ui.interact(bar, Id::unique("bar"), Sense::click());
    seek_bar(ui, screen, scene, actions);

    let y = screen.bottom() - 28.0;
    let mut row = Row { left: screen.left() + MARGIN - 8.0, right: screen.right() - MARGIN + 8.0, y };
    let (status, view, now) = (scene.status, scene.view, scene.now);
    let play = match status.phase {
        Phase::Ended => Icon::Again,
        _ if view.is_paused(status, now) => Icon::Play,
        _ => Icon::Pause,
    };
    row.button(ui, play, "Play or pause", Action::TogglePause, actions);
    row.button(ui, Icon::Jump(false), "Back 10 s", Action::Skip(-10), actions);
    row.button(ui, Icon::Jump(true), "Forward 10 s", Action::Skip(10), actions);
    volume(ui, &mut row, scene, actions);
    times(ui, &mut row, screen, scene);

    // From the right.
    let fullscreen = Icon::Fullscreen(!view.is_fullscreen());
    row.button_right(ui, fullscreen, "Full screen", Action::Fullscreen, actions);
    row.button_right(ui, Icon::Keys, "Keys", Action::Help, actions);
    row.button_right(ui, Icon::Statistics, "Statistics", Action::Statistics, actions);
    if !status.tracks.texts.is_empty() {
        let shown = view.text(status, now);
        let choice = status.tracks.texts.iter().find(|choice| Some(choice.set) == shown);
        let label = choice.map_or("CC off".into(), |choice| format!("CC {}", format::choice(choice)));
        row.label_right(ui, &label, "Subtitles", Action::Subtitles, actions);
    }
    if !status.renditions.is_empty() {
        row.label_right(ui, &quality(scene), "Quality", Action::QualityMenu, actions);
    }
    if (view.rate() - 1.0).abs() > 1e-6 {
        row.label_right(
            ui,
            &format::rate(view.rate()),
            "Normal speed",
            Action::Rate(crate::ui::action::RateChange::Normal),
            actions,
        );
    }
}

/// Darkens the picture under the bar, softly at its upper edge.
fn scrim(ui: &Ui, screen: Rect) {
    let mut mesh = egui::Mesh::default();
    let levels = [(HEIGHT + 56.0, 0u8), (HEIGHT, 150), (0.0, 225)];
    for (up, alpha) in levels {
        for x in [screen.left(), screen.right()] {
            mesh.colored_vertex(pos2(x, screen.bottom() - up), Color32::from_black_alpha(alpha));
        }
    }
    for first in [0u32, 2] {
        mesh.add_triangle(first, first + 1, first + 2);
        mesh.add_triangle(first + 1, first + 3, first + 2);
    }
    ui.painter().add(Shape::mesh(mesh));
}

fn seek_bar(ui: &mut Ui, screen: Rect, scene: &Scene<'_>, actions: &mut Vec<Action>) {
    let y = screen.bottom() - 60.0;
    let track =
        Rect::from_min_max(pos2(screen.left() + MARGIN, y - 2.0), pos2(screen.right() - MARGIN, y + 2.0));
    let response = ui.interact(track.expand2(vec2(6.0, 10.0)), Id::unique("seek"), Sense::click_and_drag());
    let Some(length) = scene.status.duration.filter(|length| !length.is_zero() && track.width() > 1.0) else {
        ui.painter().rect_filled(track, CornerRadius::same(2), Color32::from_white_alpha(60));
        return;
    };
    let total = length.as_secs_f64();
    let place = |at: MediaTime| {
        let part = (at.as_secs_f64() / total).clamp(0.0, 1.0) as f32;
        track.left() + part * track.width()
    };
    let time_at = |x: f32| {
        let part = f64::from(((x - track.left()) / track.width()).clamp(0.0, 1.0));
        MediaTime::ZERO + Duration::try_from_secs_f64(part * total).unwrap_or(length)
    };
    let pointer = response.interact_pointer_pos().or(response.hover_pos());
    let active = response.hovered() || response.dragged();
    let position = match pointer {
        Some(at) if response.dragged() => time_at(at.x),
        _ => scene.view.position(scene.status, scene.now),
    };

    let painter = ui.painter();
    let thick = if active { track.expand2(vec2(0.0, 1.5)) } else { track };
    let part =
        |from: f32, to: f32| Rect::from_min_max(pos2(from, thick.top()), pos2(to.max(from), thick.bottom()));
    let round = CornerRadius::same(3);
    painter.rect_filled(thick, round, Color32::from_white_alpha(56));
    let here = place(position);
    if scene.status.buffered_to > scene.status.position {
        let from = place(scene.status.position);
        painter.rect_filled(
            part(from, place(scene.status.buffered_to)),
            round,
            Color32::from_white_alpha(125),
        );
    }
    painter.rect_filled(part(track.left(), here), round, style::ACCENT);
    painter.circle_filled(pos2(here, y), if active { 7.5 } else { 5.5 }, style::ACCENT);
    if let Some(at) = pointer.filter(|_| active) {
        let x = at.x.clamp(track.left(), track.right());
        painter.line_segment([pos2(x, y - 7.0), pos2(x, y + 7.0)], egui::Stroke::new(1.5, style::TEXT));
        let text = format::time(time_at(x));
        let centre =
            pos2(x.clamp(track.left() + 26.0, (track.right() - 26.0).max(track.left() + 26.0)), y - 28.0);
        style::pill(painter, centre, &text, 200.0);
    }
    if let Some(at) = pointer.filter(|_| response.clicked() || response.drag_stopped()) {
        actions.push(Action::SeekTo(time_at(at.x)));
    }
}

fn volume(ui: &mut Ui, row: &mut Row, scene: &Scene<'_>, actions: &mut Vec<Action>) {
    let (volume, muted) =
        (scene.view.volume(scene.status, scene.now), scene.view.muted(scene.status, scene.now));
    let waves = match volume {
        _ if muted => None,
        v if v <= 0.0 => None,
        v if v < 0.5 => Some(1),
        _ => Some(2),
    };
    row.button(ui, Icon::Sound(waves), "Mute", Action::Mute, actions);
    let track = Rect::from_min_size(pos2(row.left + 2.0, row.y - 2.0), vec2(66.0, 4.0));
    let response = ui.interact(track.expand2(vec2(6.0, 12.0)), Id::unique("volume"), Sense::click_and_drag());
    let level = if muted { 0.0 } else { volume as f32 };
    let here = track.left() + level * track.width();
    let painter = ui.painter();
    painter.rect_filled(track, CornerRadius::same(2), Color32::from_white_alpha(70));
    painter.rect_filled(
        Rect::from_min_max(track.min, pos2(here, track.bottom())),
        CornerRadius::same(2),
        style::TEXT,
    );
    painter.circle_filled(pos2(here, row.y), if response.hovered() { 6.5 } else { 5.0 }, style::TEXT);
    if let Some(at) = response.interact_pointer_pos() {
        let level = f64::from(((at.x - track.left()) / track.width()).clamp(0.0, 1.0));
        if (level - volume).abs() > 0.004 {
            actions.push(Action::SetVolume(level));
        }
    }
    row.left = track.right() + 16.0;
}

fn times(ui: &Ui, row: &mut Row, screen: Rect, scene: &Scene<'_>) {
    let elapsed = format::time(scene.view.position(scene.status, scene.now));
    let text = match scene.status.duration {
        Some(length) => format!("{elapsed} / {}", format::duration(length)),
        None => elapsed,
    };
    // Narrow windows keep the buttons.
    if screen.width() > 460.0 {
        let at = pos2(row.left, row.y);
        row.left = ui.painter().text(at, Align2::LEFT_CENTER, text, style::body(), style::TEXT).right();
    }
}

/// "Auto 720p", or the height that is locked.
fn quality(scene: &Scene<'_>) -> String {
    let current = view::current(scene.status).map(|rendition| format!("{}p", rendition.height));
    match (scene.status.locked_height, current) {
        (Some(locked), _) => format!("{locked}p"),
        (None, Some(current)) => format!("Auto {current}"),
        (None, None) => "Auto".into(),
    }
}

/// Where the next button goes, from both ends.
struct Row {
    left: f32,
    right: f32,
    y: f32,
}

impl Row {
    fn button(&mut self, ui: &mut Ui, icon: Icon, name: &str, action: Action, actions: &mut Vec<Action>) {
        let centre = pos2(self.left + BUTTON / 2.0, self.y);
        self.left += BUTTON;
        icon_button(ui, centre, icon, name, action, actions);
    }

    fn button_right(
        &mut self,
        ui: &mut Ui,
        icon: Icon,
        name: &str,
        action: Action,
        actions: &mut Vec<Action>,
    ) {
        if self.right - BUTTON < self.left {
            return;
        }
        let centre = pos2(self.right - BUTTON / 2.0, self.y);
        self.right -= BUTTON;
        icon_button(ui, centre, icon, name, action, actions);
    }

    fn label_right(
        &mut self,
        ui: &mut Ui,
        text: &str,
        name: &str,
        action: Action,
        actions: &mut Vec<Action>,
    ) {
        let galley = ui.painter().layout_no_wrap(text.to_owned(), style::body(), style::TEXT);
        let width = galley.size().x + 22.0;
        if self.right - width < self.left {
            return;
        }
        let rect = Rect::from_center_size(pos2(self.right - width / 2.0, self.y), vec2(width, 30.0));
        self.right -= width;
        let response = ui.interact(rect, Id::unique(name), Sense::click());
        hover(ui, &response, rect);
        ui.painter().galley(rect.center() - galley.size() / 2.0, galley, style::TEXT);
        finish(response, name, action, actions);
    }
}

fn icon_button(ui: &mut Ui, centre: Pos2, icon: Icon, name: &str, action: Action, actions: &mut Vec<Action>) {
    let rect = Rect::from_center_size(centre, vec2(BUTTON - 2.0, BUTTON - 4.0));
    let response = ui.interact(rect, Id::unique(name), Sense::click());
    hover(ui, &response, rect);
    icons::draw(ui.painter(), rect, icon);
    finish(response, name, action, actions);
}

fn hover(ui: &Ui, response: &Response, rect: Rect) {
    if response.hovered() {
        ui.painter().rect_filled(rect, CornerRadius::same(8), Color32::from_white_alpha(36));
    }
}

/// Tells the action and, to whoever hovers, its name and key.
fn finish(response: Response, name: &str, action: Action, actions: &mut Vec<Action>) {
    if response.clicked() {
        actions.push(action);
    }
    let chord = keys::BINDINGS.iter().find(|binding| binding.action == action).and_then(|b| b.chords.first());
    response.on_hover_text(chord.map_or(name.into(), |chord| format!("{name} ({})", keys::name(*chord))));
}
