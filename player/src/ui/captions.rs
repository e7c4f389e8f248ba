//! Subtitles over the picture, at the resolution of the display.
//!
//! Letters are shaped by egui's text engine one run at a time: runs in different directions and of different
//! looks are put next to each other in their visual order, so that joining scripts and combining marks are
//! right within a run. What it does not do: annotations above their base (they follow it in small type).

mod vertical;

use super::fonts::{READING, READING_BOLD};
use crate::text::cue::{Cue, Writing};
use crate::text::layout::{self, Area, Placed, Side};
use crate::text::lines::{self, Line};
use crate::text::style::{self, Rgba, Run, Style};
use abr::time::MediaTime;
use egui::epaint::TextShape;
use egui::{Color32, FontFamily, FontId, Painter, Pos2, Rect, Stroke, Vec2, pos2, vec2};
use std::sync::Arc;

/// Height of a line of text beside the height of the picture at 100 %.
const LINE: f32 = 0.0666;
/// Height of letters beside the height of a line.
const LETTERS: f32 = 0.75;
/// What stays free at the edges of the picture.
const MARGIN: Vec2 = vec2(0.05, 0.04);
/// Size of annotations.
const RUBY: f32 = 0.6;

/// What sets the letters off from the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Edge {
    /// A dark line around them.
    #[default]
    Outline,
    /// A dark shadow below and to the right.
    Shadow,
    /// A dark box behind every line.
    Box,
    /// Nothing.
    None,
}

/// How a person wants subtitles to look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CaptionStyle {
    /// Size beside the usual one, 0.5 to 2.
    pub size: f32,
    /// What sets them off.
    pub edge: Edge,
}

impl Default for CaptionStyle {
    fn default() -> Self {
        Self { size: 1.0, edge: Edge::default() }
    }
}

/// What is to be drawn: changes exactly when the drawing does.
#[derive(Clone, Debug, Default)]
pub struct Captions {
    cues: Vec<Arc<Cue>>,
    /// How many runs of each cue have appeared.
    revealed: Vec<usize>,
    position: MediaTime,
}

impl Captions {
    /// The captions of `cues` at `position`.
    pub fn new(cues: Vec<Arc<Cue>>, position: MediaTime) -> Self {
        let count = |cue: &Arc<Cue>| style::runs(cue).iter().filter(|run| is_revealed(run, position)).count();
        let revealed = cues.iter().map(count).collect();
        Self { cues, revealed, position }
    }

    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.cues.is_empty()
    }

    /// Whether `other` looks the same.
    pub fn looks_like(&self, other: &Self) -> bool {
        self.revealed == other.revealed
            && self.cues.len() == other.cues.len()
            && self.cues.iter().zip(&other.cues).all(|(a, b)| Arc::ptr_eq(a, b) || a == b)
    }

    /// All characters, to have fonts for them.
    pub fn text(&self) -> String {
        self.cues.iter().map(|cue| cue.payload.as_str()).collect()
    }
}

fn is_revealed(run: &Run, position: MediaTime) -> bool {
    run.from.is_none_or(|from| from <= position)
}

/// Draws `captions` over `picture`, above `free`, the height at its lower end that something else takes.
pub fn draw(painter: &Painter, picture: Rect, free: f32, captions: &Captions, look: CaptionStyle) {
    if picture.height() < 1.0 || captions.is_empty() {
        return;
    }
    let line = picture.height() * LINE * look.size.clamp(0.5, 2.0);
    let bold = FontFamily::Name(READING_BOLD.into());
    let bold = painter.fonts(|fonts| fonts.families().contains(&bold)).then_some(bold);
    let pen = Pen { painter, line, edge: look.edge, position: captions.position, bold };
    let margin = MARGIN * picture.size();
    let lower = (free - margin.y).clamp(0.0, picture.height() / 2.0);
    let area = Area {
        x: picture.left(),
        y: picture.top(),
        width: picture.width(),
        height: picture.height() - lower,
    };
    let measure = |cue: &Cue, length: f32| match cue.settings.writing {
        Writing::Horizontal => pen.height(&pen.lines(cue, length)),
        Writing::VerticalGrowingLeft | Writing::VerticalGrowingRight => pen.height(&pen.columns(cue, length)),
    };
    let placed = layout::place(&captions.cues, area, (margin.x, margin.y), line, measure);
    for place in &placed {
        if let Some(cue) = captions.cues.get(place.cue) {
            match cue.settings.writing {
                Writing::Horizontal => pen.cue(cue, place),
                Writing::VerticalGrowingLeft | Writing::VerticalGrowingRight => pen.vertical_cue(cue, place),
            }
        }
    }
}

struct Pen<'a> {
    painter: &'a Painter,
    line: f32,
    edge: Edge,
    position: MediaTime,
    /// The heavier fonts, where the system has them.
    bold: Option<FontFamily>,
}

impl Pen<'_> {
    fn font(&self, text: &str, style: &Style) -> FontId {
        let scale = style.scale * if style.ruby { RUBY } else { 1.0 };
        let heavy = self.heavy(text, style).cloned();
        let family = heavy.unwrap_or_else(|| FontFamily::Name(READING.into()));
        FontId::new(self.line * LETTERS * scale, family)
    }

    /// The family of bold letters, for a text whose letters it has.
    fn heavy(&self, text: &str, style: &Style) -> Option<&FontFamily> {
        self.bold.as_ref().filter(|_| style.bold && text.chars().all(|c| u32::from(c) < 0x500))
    }

    fn galley(&self, text: &str, style: &Style, color: Color32) -> Arc<egui::Galley> {
        let mut format = egui::TextFormat::simple(self.font(text, style), color);
        format.italics = style.italic;
        if style.underline {
            format.underline = Stroke::new(self.line * 0.05, color);
        }
        let mut job = egui::text::LayoutJob { break_on_newline: false, ..Default::default() };
        job.append(text, 0.0, format);
        self.painter.layout_job(job)
    }

    fn lines(&self, cue: &Cue, width: f32) -> Vec<Line> {
        let mut runs = style::runs(cue);
        for run in &mut runs {
            run.style.hidden |= !is_revealed(run, self.position);
        }
        lines::lines(&runs, width.max(1.0), |text, style| self.galley(text, style, Color32::WHITE).size().x)
    }

    /// Height of a line whose largest letters are larger than usual.
    fn height_of(&self, line: &Line) -> f32 {
        let scale = line.pieces.iter().map(|piece| piece.style.scale).fold(1.0, f32::max);
        self.line * scale
    }

    fn height(&self, lines: &[Line]) -> f32 {
        lines.iter().map(|line| self.height_of(line)).sum()
    }

    fn cue(&self, cue: &Cue, place: &Placed) {
        let area = place.area;
        let mut y = area.y;
        for line in self.lines(cue, area.width) {
            let height = self.height_of(&line);
            let room = area.width - line.width;
            let x = match place.side {
                Side::Left => area.x,
                Side::Center => area.x + room / 2.0,
                Side::Right => area.x + room,
            };
            self.row(pos2(x, y), height, &line);
            y += height;
        }
    }

    fn row(&self, at: Pos2, height: f32, line: &Line) {
        let pad = vec2(self.line * 0.2, 0.0);
        let box_color = (self.edge == Edge::Box).then_some([0, 0, 0, 200]);
        // What has the same behind it has one plate, so that nothing is darkened twice.
        let mut plates: Vec<(Rgba, Rect)> = Vec::new();
        let mut x = at.x;
        for piece in &line.pieces {
            let rect = Rect::from_min_size(pos2(x, at.y), vec2(piece.width, height));
            x += piece.width;
            let background = piece.style.background.or(box_color).filter(|color| color[3] > 0);
            let Some(color) = background.filter(|_| !piece.style.hidden) else { continue };
            match plates.last_mut() {
                Some((before, plate)) if *before == color && plate.right() >= rect.left() - 0.5 => {
                    plate.max.x = rect.right();
                }
                _ => plates.push((color, rect)),
            }
        }
        for (color, plate) in plates {
            self.painter.rect_filled(plate.expand2(pad), 0.0, color32(color));
        }
        x = at.x;
        for piece in &line.pieces {
            if !piece.style.hidden {
                self.letters(pos2(x, at.y), height, &piece.text, &piece.style);
            }
            x += piece.width;
        }
    }

    fn letters(&self, at: Pos2, height: f32, text: &str, style: &Style) {
        let galley = self.galley(text, style, color32(style.color));
        let at = pos2(at.x, at.y + (height - galley.size().y) / 2.0);
        self.ink(galley, at, 0.0, text, style);
    }

    /// Draws letters with what sets them off, turned clockwise around their upper left corner.
    fn ink(&self, galley: Arc<egui::Galley>, at: Pos2, angle: f32, text: &str, style: &Style) {
        let dark = Color32::from_black_alpha(style.color[3]);
        let width = (self.line * 0.045).max(1.0);
        let put = |offset: Vec2, color: Color32| {
            let shape = TextShape::new(at + offset, Arc::clone(&galley), color);
            self.painter.add(shape.with_override_text_color(color).with_angle(angle));
        };
        match self.edge {
            Edge::Outline => {
                for step in 0..12u8 {
                    let angle = std::f32::consts::TAU * f32::from(step) / 12.0;
                    put(width * vec2(angle.cos(), angle.sin()), dark);
                }
            }
            Edge::Shadow => put(Vec2::splat(1.4 * width), dark),
            Edge::Box | Edge::None => {}
        }
        // Weight by drawing twice, where the system has one weight of the font.
        if style.bold && self.heavy(text, style).is_none() {
            put(vec2(self.line * 0.025, 0.0), color32(style.color));
        }
        put(Vec2::ZERO, color32(style.color));
    }
}

fn color32([red, green, blue, opacity]: Rgba) -> Color32 {
    Color32::from_rgba_unmultiplied(red, green, blue, opacity)
}
