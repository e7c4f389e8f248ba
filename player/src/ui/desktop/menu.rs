//! The quality menu.

use super::overlay::Scene;
use super::{controls, style};
use crate::status::Rendition;
use crate::ui::action::Action;
use crate::ui::format;
use crate::ui::view;
use egui::{Align2, CornerRadius, Id, Rect, Sense, Ui, pos2, vec2};

const LINE: f32 = 32.0;

pub(super) fn draw(ui: &mut Ui, screen: Rect, marked: usize, scene: &Scene<'_>, actions: &mut Vec<Action>) {
    let qualities = view::qualities(scene.status);
    let why = why(scene);
    let width = 340.0f32.min(screen.width() - 16.0);
    let room = (screen.height() - controls::HEIGHT - 24.0).max(LINE * 3.0);
    let lines = qualities.len() + 1;
    // More renditions than the window has room for: show those around the marked one.
    let visible = (((room - 74.0) / LINE) as usize).clamp(1, lines);
    let first = marked.saturating_sub(visible / 2).min(lines - visible);
    let height = visible as f32 * LINE + if why.is_some() { 74.0 } else { 50.0 };
    let corner = pos2(screen.right() - 12.0, screen.bottom() - controls::HEIGHT - 8.0);
    let panel = Rect::from_min_max(corner - vec2(width, height), corner);
    ui.interact(panel, Id::unique("quality panel"), Sense::click());
    let painter = ui.painter().clone();
    style::plate(&painter, panel);
    let title = panel.min + vec2(16.0, 12.0);
    style::line(&painter, title, Align2::LEFT_TOP, "Quality", style::heading(), style::TEXT, width);

    let locked = scene.status.locked_height;
    let in_force =
        locked.and_then(|locked| qualities.iter().position(|r| r.height <= locked)).map_or(0, |at| at + 1);
    for (row, line) in (first..first + visible).enumerate() {
        let top = panel.top() + 42.0 + row as f32 * LINE;
        let rect = Rect::from_min_size(pos2(panel.left() + 8.0, top), vec2(width - 16.0, LINE));
        let rendition = line.checked_sub(1).and_then(|at| qualities.get(at)).copied();
        let response = ui.interact(rect, Id::unique(("quality", line)), Sense::click());
        if line == marked || response.hovered() {
            painter.rect_filled(rect, CornerRadius::same(6), style::MARK);
        }
        if line == marked {
            let stroke = egui::Stroke::new(1.5, style::ACCENT);
            painter.rect_stroke(rect, CornerRadius::same(6), stroke, egui::StrokeKind::Inside);
        }
        let (name, detail) = texts(rendition, scene);
        let left = rect.left_center() + vec2(12.0, 0.0);
        if line == in_force {
            tick(&painter, left + vec2(4.0, 0.0));
        }
        let colour = if line == in_force { style::ACCENT } else { style::TEXT };
        style::line(
            &painter,
            left + vec2(20.0, 0.0),
            Align2::LEFT_CENTER,
            &name,
            style::body(),
            colour,
            width * 0.4,
        );
        let right = rect.right_center() - vec2(10.0, 0.0);
        style::line(
            &painter,
            right,
            Align2::RIGHT_CENTER,
            &detail,
            style::small(),
            style::FAINT,
            width * 0.52,
        );
        if response.clicked() {
            actions.push(Action::Quality(rendition.map(|rendition| rendition.height)));
        }
    }
    if let Some(why) = why {
        let at = pos2(panel.left() + 16.0, panel.bottom() - 10.0);
        style::line(&painter, at, Align2::LEFT_BOTTOM, &why, style::small(), style::FAINT, width - 32.0);
    }
}

/// Name and details of a line.
fn texts(rendition: Option<&Rendition>, scene: &Scene<'_>) -> (String, String) {
    match rendition {
        None => {
            let current = view::current(scene.status).filter(|_| scene.status.locked_height.is_none());
            (current.map_or("Auto".into(), |r| format!("Auto ({}p)", r.height)), String::new())
        }
        Some(rendition) => {
            let mut details = Vec::new();
            if rendition.frame_rate > 0.0 {
                details.push(format!("{} fps", (rendition.frame_rate * 100.0).round() / 100.0));
            }
            details.push(format::codecs(&rendition.codecs));
            details.push(format::bitrate(rendition.bandwidth_bps));
            details.retain(|detail| !detail.is_empty());
            (format!("{}p", rendition.height), details.join("  ·  "))
        }
    }
}

/// Why automatic choice took what is on the screen.
fn why(scene: &Scene<'_>) -> Option<String> {
    let decision = scene.status.decision.as_ref().filter(|_| scene.status.locked_height.is_none())?;
    let height = scene.status.renditions.iter().find(|r| r.key == decision.chosen)?.height;
    Some(format!("Next: {height}p, {}", format::reason(decision.reason)))
}

fn tick(painter: &egui::Painter, centre: egui::Pos2) {
    let points = [vec2(-5.0, 0.0), vec2(-1.5, 4.0), vec2(5.5, -4.5)].map(|v| centre + v).to_vec();
    painter.add(egui::Shape::line(points, egui::Stroke::new(2.0, style::ACCENT)));
}
