//! The screens of the TV face: large light letters on dark, everything that matters inside the safe area,
//! the focus visible by shape, size and contrast at once.

use super::model::{COLUMNS, Item, Menu, Model, Screen, lines, marked};
use crate::process;
use crate::status::Status;
use crate::ui::captions::{self, CaptionStyle, Captions};
use crate::ui::format;
use crate::ui::view::{self, Waiting};
use abr::protocol::Phase;
use abr::time::MediaTime;
use egui::{
    Align2, Color32, CornerRadius, FontId, Painter, Pos2, Rect, Stroke, StrokeKind, Ui, Vec2, pos2, vec2,
};
use std::time::Duration;

/// Memory that the program stays within on a television: the smallest sets leave so much to one program.
const MEMORY_BYTES: u64 = 256 << 20;
/// Kept free at every edge.
const SAFE: f32 = 0.05;
/// Width of a menu, and height of what lies below the controls, in pixels of a 1080-line screen.
const MENU: f32 = 640.0;
const SCRIM: f32 = 430.0;
const BACK: Color32 = Color32::from_rgb(0x10, 0x14, 0x1A);
const PANEL: Color32 = Color32::from_rgba_premultiplied(0x0D, 0x10, 0x14, 0xEE);
const CARD: Color32 = Color32::from_rgb(0x22, 0x2A, 0x34);
const TEXT: Color32 = Color32::from_rgb(0xF4, 0xF6, 0xF8);
const FAINT: Color32 = Color32::from_rgb(0xBF, 0xC7, 0xCF);
const ACCENT: Color32 = Color32::from_rgb(0x4C, 0xC9, 0xE8);
const DARK: Color32 = Color32::from_rgb(0x0A, 0x0D, 0x10);

/// What is drawn.
pub(super) struct Scene<'a> {
    pub(super) model: &'a Model,
    /// What has the focus.
    pub(super) focus: Item,
    pub(super) status: &'a Status,
    pub(super) captions: &'a Captions,
    pub(super) caption_style: CaptionStyle,
    /// Where the picture lies, in points.
    pub(super) picture: Rect,
    /// Most bytes that may be queued.
    pub(super) budget: u64,
    pub(super) now: Duration,
}

/// Whether anything is over the picture.
pub(super) fn is_visible(model: &Model, status: &Status, now: Duration) -> bool {
    model.screen() != Screen::Picture
        || model.hold().is_some()
        || model.view.toast(now).is_some()
        || model.view.waiting(status, now).is_some()
}

/// Draws the screen.
pub(super) fn draw(ui: &mut Ui, scene: &Scene<'_>) {
    let screen = ui.max_rect();
    let painter = ui.painter().clone();
    let pen = Pen {
        painter: &painter,
        screen,
        safe: screen.shrink2(SAFE * screen.size()),
        unit: screen.height() / 1080.0,
        focus: scene.focus,
    };
    let playing = !matches!(scene.model.screen(), Screen::Shelf | Screen::Leaving);
    if playing {
        let covered = matches!(scene.model.screen(), Screen::Controls) || scene.model.hold().is_some();
        let free = if covered { SCRIM * pen.unit } else { 0.0 };
        let mut picture = scene.picture;
        if let Screen::Menu(_) = scene.model.screen() {
            picture.max.x = picture.max.x.min(pen.safe.right() - MENU * pen.unit);
        }
        captions::draw(&painter, picture, free, scene.captions, scene.caption_style);
        if let Some(waiting) = scene.model.view.waiting(scene.status, scene.now) {
            pen.wait(&waiting, scene.now);
            ui.ctx().request_repaint_after(Duration::from_millis(100));
        }
    }
    match scene.model.screen() {
        Screen::Shelf => pen.shelf(scene),
        Screen::Leaving => pen.question("Leave Sluice?", "", &[(Item::Stay, "Stay"), (Item::Leave, "Leave")]),
        Screen::Picture if scene.model.hold().is_some() => pen.controls(scene, false),
        Screen::Picture => {}
        Screen::Controls => pen.controls(scene, true),
        Screen::Menu(menu) => pen.menu(menu, scene),
        Screen::Statistics => pen.statistics(scene),
        Screen::Failed => {
            let error = scene.model.view.error();
            let (text, code) =
                error.map_or((String::new(), 0), |error| (error.message.clone(), error.code.number()));
            let text = format!("{text}\n\nError {code}");
            pen.question(
                "This title cannot be played",
                &text,
                &[(Item::Retry, "Try again"), (Item::ToShelf, "Back")],
            );
        }
    }
    if playing && let Some(text) = scene.model.view.toast(scene.now) {
        let galley = painter.layout(text.to_owned(), pen.font(32.0), TEXT, pen.safe.width() * 0.7);
        let centre = pos2(screen.center().x, pen.safe.top() + 40.0 * pen.unit);
        let rect = Rect::from_center_size(centre, galley.size() + Vec2::new(60.0, 32.0) * pen.unit);
        painter.rect_filled(rect, pen.round(24.0), PANEL);
        painter.galley(rect.center() - galley.size() / 2.0, galley, TEXT);
    }
}

struct Pen<'a> {
    painter: &'a Painter,
    screen: Rect,
    safe: Rect,
    /// A pixel of a 1080-line screen.
    unit: f32,
    focus: Item,
}

impl Pen<'_> {
    fn font(&self, size: f32) -> FontId {
        FontId::new(size * self.unit, egui::FontFamily::Name(crate::ui::fonts::READING.into()))
    }

    fn round(&self, radius: f32) -> CornerRadius {
        CornerRadius::same((radius * self.unit).clamp(1.0, 100.0) as u8)
    }

    fn text(&self, at: Pos2, anchor: Align2, text: &str, size: f32, color: Color32, width: f32) -> Rect {
        let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), self.font(size), color);
        job.wrap = egui::text::TextWrapping::truncate_at_width(width.max(1.0));
        let galley = self.painter.layout_job(job);
        let rect = anchor.anchor_size(at, galley.size());
        self.painter.galley(rect.min, galley, color);
        rect
    }

    /// A plate that grows, turns light and gets a frame when it has the focus; returns its place and the
    /// colour of what stands on it.
    fn plate(&self, rect: Rect, item: Item) -> (Rect, Color32) {
        if item != self.focus {
            self.painter.rect_filled(rect, self.round(14.0), CARD);
            return (rect, TEXT);
        }
        let grow = (0.05 * rect.size()).min(Vec2::splat(18.0 * self.unit));
        let rect = rect.expand2(grow);
        self.painter.rect_filled(rect, self.round(18.0), TEXT);
        let frame = Stroke::new(5.0 * self.unit, ACCENT);
        self.painter.rect_stroke(rect, self.round(18.0), frame, StrokeKind::Outside);
        (rect, DARK)
    }

    fn button(&self, rect: Rect, item: Item, text: &str) {
        let (rect, color) = self.plate(rect, item);
        let width = rect.width() - 24.0 * self.unit;
        self.text(rect.center(), Align2::CENTER_CENTER, text, 30.0, color, width);
    }

    fn shelf(&self, scene: &Scene<'_>) {
        self.painter.rect_filled(self.screen, CornerRadius::ZERO, BACK);
        self.text(self.safe.min, Align2::LEFT_TOP, "Sluice", 56.0, TEXT, self.safe.width());
        let gap = 36.0 * self.unit;
        let columns = COLUMNS as f32;
        let top = self.safe.top() + 120.0 * self.unit;
        let size = vec2((self.safe.width() - gap * (columns - 1.0)) / columns, 230.0 * self.unit);
        let focused = match scene.focus {
            Item::Title(place) => place / COLUMNS,
            _ => 0,
        };
        // The row with the focus is always among the three that fit.
        let first = focused.saturating_sub(1);
        for (place, title) in scene.model.titles().iter().enumerate() {
            let Some(row) = (place / COLUMNS).checked_sub(first) else { continue };
            let at = pos2(
                self.safe.left() + (place % COLUMNS) as f32 * (size.x + gap),
                top + row as f32 * (size.y + gap),
            );
            if at.y + size.y > self.safe.bottom() {
                break;
            }
            let (rect, color) = self.plate(Rect::from_min_size(at, size), Item::Title(place));
            let inner = rect.shrink(24.0 * self.unit);
            let galley = self.painter.layout(title.title.clone(), self.font(36.0), color, inner.width());
            self.painter.with_clip_rect(inner).galley(inner.min, galley, color);
            let small = if color == TEXT { FAINT } else { DARK };
            self.text(inner.left_bottom(), Align2::LEFT_BOTTOM, &title.subtitle, 26.0, small, inner.width());
        }
        let hint = "OK plays   ·   Back leaves";
        self.text(self.safe.right_bottom(), Align2::RIGHT_BOTTOM, hint, 26.0, FAINT, self.safe.width());
    }

    fn question(&self, title: &str, text: &str, answers: &[(Item, &str)]) {
        self.painter.rect_filled(self.screen, CornerRadius::ZERO, Color32::from_black_alpha(215));
        let width = self.safe.width() * 0.7;
        let body = self.painter.layout(text.to_owned(), self.font(32.0), FAINT, width);
        let body_height = if text.is_empty() { 0.0 } else { body.size().y + 40.0 * self.unit };
        let mut y = self.screen.center().y - (body_height + 200.0 * self.unit) / 2.0;
        let x = self.screen.center().x - width / 2.0;
        y = self.text(pos2(x, y), Align2::LEFT_TOP, title, 48.0, TEXT, width).bottom() + 28.0 * self.unit;
        if !text.is_empty() {
            self.painter.galley(pos2(x, y), body, FAINT);
            y += body_height;
        }
        for (place, (item, text)) in answers.iter().enumerate() {
            let left = x + place as f32 * 340.0 * self.unit;
            let rect = Rect::from_min_size(pos2(left, y + 12.0 * self.unit), vec2(300.0, 84.0) * self.unit);
            self.button(rect, *item, text);
        }
    }

    fn wait(&self, waiting: &Waiting, now: Duration) {
        let centre = self.screen.center();
        self.painter.circle_filled(centre, 76.0 * self.unit, Color32::from_black_alpha(160));
        let step = (now.as_millis() / 100 % 12) as usize;
        for dot in 0..12usize {
            let angle = std::f32::consts::TAU * dot as f32 / 12.0;
            let age = (step + 12 - dot) % 12;
            let color = Color32::from_white_alpha(255 - 19 * age as u8);
            let at = centre + 48.0 * self.unit * vec2(angle.sin(), -angle.cos());
            self.painter.circle_filled(at, 7.0 * self.unit, color);
        }
        if let Waiting::Explained(text) = waiting {
            let at = centre + vec2(0.0, 120.0 * self.unit);
            self.text(at, Align2::CENTER_CENTER, text, 30.0, TEXT, self.safe.width());
        }
    }

    fn scrim(&self, height: f32) {
        let mut mesh = egui::Mesh::default();
        for (up, alpha) in [(height, 0u8), (height * 0.6, 170), (0.0, 235)] {
            for x in [self.screen.left(), self.screen.right()] {
                mesh.colored_vertex(pos2(x, self.screen.bottom() - up), Color32::from_black_alpha(alpha));
            }
        }
        for first in [0u32, 2] {
            mesh.add_triangle(first, first + 1, first + 2);
            mesh.add_triangle(first + 1, first + 3, first + 2);
        }
        self.painter.add(egui::Shape::mesh(mesh));
    }

    /// Seek bar, times and buttons; during a held seek without buttons.
    fn controls(&self, scene: &Scene<'_>, buttons: bool) {
        self.scrim(SCRIM * self.unit);
        let bar_y = self.safe.bottom() - if buttons { 150.0 } else { 60.0 } * self.unit;
        let title = scene.status.title.as_str();
        let y = bar_y - 96.0 * self.unit;
        self.text(
            pos2(self.safe.left(), y),
            Align2::LEFT_CENTER,
            title,
            30.0,
            FAINT,
            self.safe.width() * 0.6,
        );
        self.seek_bar(scene, bar_y);
        if !buttons {
            return;
        }
        let tree = scene.model.tree(scene.status).items();
        let row: Vec<Item> = tree.into_iter().filter(|item| *item != Item::SeekBar).collect();
        let gap = 22.0 * self.unit;
        let width = (self.safe.width() - gap * (row.len() as f32 - 1.0)) / row.len().max(1) as f32;
        let size = vec2(width.min(300.0 * self.unit), 84.0 * self.unit);
        for (place, item) in row.into_iter().enumerate() {
            let at = pos2(self.safe.left() + place as f32 * (size.x + gap), self.safe.bottom() - size.y);
            let text = name(item, scene);
            self.button(Rect::from_min_size(at, size), item, &text);
        }
    }

    fn seek_bar(&self, scene: &Scene<'_>, y: f32) {
        let focused = self.focus == Item::SeekBar || scene.model.hold().is_some();
        let height = if focused { 16.0 } else { 8.0 } * self.unit;
        let bar = |from: f32, to: f32| {
            Rect::from_min_max(pos2(from, y - height / 2.0), pos2(to.max(from), y + height / 2.0))
        };
        let (left, right) = (self.safe.left(), self.safe.right());
        let round = self.round(6.0);
        self.painter.rect_filled(bar(left, right), round, Color32::from_white_alpha(64));
        let position = scene
            .model
            .hold()
            .map_or_else(|| scene.model.view.position(scene.status, scene.now), |hold| hold.target);
        let length = scene.status.duration.filter(|length| !length.is_zero());
        let place = |at: MediaTime| {
            let part = length.map_or(0.0, |length| at.as_secs_f64() / length.as_secs_f64());
            left + part.clamp(0.0, 1.0) as f32 * (right - left)
        };
        let buffered = bar(place(scene.status.position), place(scene.status.buffered_to));
        self.painter.rect_filled(buffered, round, Color32::from_white_alpha(120));
        self.painter.rect_filled(bar(left, place(position)), round, ACCENT);
        if focused {
            let at = pos2(place(position), y);
            self.painter.circle_filled(at, 20.0 * self.unit, TEXT);
            self.painter.circle_stroke(at, 22.0 * self.unit, Stroke::new(5.0 * self.unit, ACCENT));
        }
        let length = length.map_or(String::new(), |length| format!(" / {}", format::duration(length)));
        let mut text = format!("{}{length}", format::time(position));
        if let Some(hold) = scene.model.hold() {
            let arrows = if hold.is_forwards() { "»" } else { "«" };
            let speed =
                if hold.is_down() { format!("{arrows} {}x", hold.speed(scene.now)) } else { "OK".into() };
            text = format!("{speed}   {text}");
        }
        self.text(
            pos2(right, y - 52.0 * self.unit),
            Align2::RIGHT_CENTER,
            &text,
            36.0,
            TEXT,
            self.safe.width(),
        );
    }

    fn menu(&self, menu: Menu, scene: &Scene<'_>) {
        let width = MENU * self.unit;
        let panel = Rect::from_min_max(pos2(self.safe.right() - width, self.screen.top()), self.screen.max);
        self.painter.rect_filled(panel, CornerRadius::ZERO, PANEL);
        let title = match menu {
            Menu::Quality => "Quality",
            Menu::Audio => "Audio",
            Menu::Text => "Subtitles",
        };
        let inner = width - 60.0 * self.unit;
        let x = panel.left() + 30.0 * self.unit;
        self.text(pos2(x, self.safe.top()), Align2::LEFT_TOP, title, 44.0, TEXT, inner);
        let step = 96.0 * self.unit;
        let top = self.safe.top() + 100.0 * self.unit;
        let fit = (((self.safe.bottom() - top) / step) as usize).max(1);
        let focused = match self.focus {
            Item::Line(line) => line,
            _ => 0,
        };
        let first = (focused + 1).saturating_sub(fit);
        let force = marked(menu, scene.status);
        for (row, line) in (first..lines(menu, scene.status)).take(fit).enumerate() {
            let at = pos2(x, top + row as f32 * step);
            let rect = Rect::from_min_size(at, vec2(inner, step - 18.0 * self.unit));
            let (rect, color) = self.plate(rect, Item::Line(line));
            // What is in force is marked by a sign, not by colour alone.
            let sign = if line == force { "✔ " } else { "" };
            let text = format!("{sign}{}", line_text(menu, line, scene.status));
            let at = pos2(rect.left() + 24.0 * self.unit, rect.center().y);
            self.text(at, Align2::LEFT_CENTER, &text, 32.0, color, rect.width() - 48.0 * self.unit);
        }
    }

    fn statistics(&self, scene: &Scene<'_>) {
        let status = scene.status;
        let rows = statistics(status, scene.budget);
        let step = 50.0 * self.unit;
        let size = vec2(1_150.0 * self.unit, (rows.len() as f32) * step + 220.0 * self.unit);
        let panel = Rect::from_min_size(self.safe.min, size);
        self.painter.rect_filled(panel, self.round(20.0), PANEL);
        let left = panel.left() + 36.0 * self.unit;
        let mut y = panel.top() + 44.0 * self.unit;
        for (name, value) in &rows {
            self.text(pos2(left, y), Align2::LEFT_CENTER, name, 28.0, FAINT, 280.0 * self.unit);
            let at = pos2(left + 300.0 * self.unit, y);
            self.text(at, Align2::LEFT_CENTER, value, 28.0, TEXT, panel.right() - at.x - 30.0 * self.unit);
            y += step;
        }
        let rect = Rect::from_min_size(pos2(left, y + 24.0 * self.unit), vec2(240.0, 84.0) * self.unit);
        self.button(rect, Item::CloseStatistics, "Close");
    }
}

/// What stands on a button of the controls.
fn name(item: Item, scene: &Scene<'_>) -> String {
    let status = scene.status;
    match item {
        Item::PlayPause if scene.model.view.is_paused(status, scene.now) => "Play".into(),
        Item::PlayPause => "Pause".into(),
        Item::Back10 => "-10 s".into(),
        Item::Forward10 => "+10 s".into(),
        Item::StartOver => "Start over".into(),
        // Colour keys are told by a letter too.
        Item::Quality => "Quality (Y)".into(),
        Item::Audio => "Audio (G)".into(),
        Item::Text => "Subtitles (R)".into(),
        Item::Statistics => "Statistics (B)".into(),
        _ => String::new(),
    }
}

fn line_text(menu: Menu, line: usize, status: &Status) -> String {
    match menu {
        Menu::Quality => match line.checked_sub(1).and_then(|at| view::qualities(status).get(at).copied()) {
            Some(rendition) => {
                format!("{}p   {}", rendition.height, format::bitrate(rendition.bandwidth_bps))
            }
            None => {
                let current = view::current(status).filter(|_| status.locked_height.is_none());
                current.map_or("Auto".into(), |rendition| format!("Auto ({}p)", rendition.height))
            }
        },
        Menu::Audio => status.tracks.audios.get(line).map(format::choice).unwrap_or_default(),
        Menu::Text => match line.checked_sub(1) {
            None => "Off".into(),
            Some(at) => status.tracks.texts.get(at).map(format::choice).unwrap_or_default(),
        },
    }
}

fn statistics(status: &Status, budget: u64) -> Vec<(&'static str, String)> {
    let current = view::current(status).map_or_else(
        || "none".to_owned(),
        |r| {
            format!(
                "{}×{}   {}   {}",
                r.width,
                r.height,
                format::bitrate(r.bandwidth_bps),
                format::codecs(&r.codecs)
            )
        },
    );
    let phase = match status.phase {
        Phase::Starting => "starting",
        Phase::Playing => "playing",
        Phase::Paused => "paused",
        Phase::Stalled => "waiting",
        Phase::Seeking => "seeking",
        Phase::Ended => "ended",
        Phase::Failed => "failed",
    };
    let ahead = status.buffered_to.since(status.position).as_secs_f64();
    let memory = process::memory().map_or_else(|| "not known".to_owned(), format::bytes);
    vec![
        ("Title", format!("{}   {}", status.protocol, status.title)),
        ("State", phase.to_owned()),
        ("Picture", current),
        ("Buffer", format!("{ahead:.1} s   at most {}", format::bytes(budget))),
        ("Memory", format!("{memory} of {}", format::bytes(MEMORY_BYTES))),
        ("Network", status.throughput_bps.map_or_else(|| "not known".into(), format::bitrate)),
        ("Frames", format!("{} shown, {} too late", status.presented, status.dropped)),
        ("Stalls", format!("{}, {:.1} s", status.stalls, status.stalled.as_secs_f64())),
        ("Received", format::bytes(status.bytes)),
        ("Controller", status.controller.clone()),
    ]
}
