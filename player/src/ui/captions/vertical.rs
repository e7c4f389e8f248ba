//! Columns of vertical cues (`vertical:rl` and `vertical:lr`).
//!
//! Ideographs, kana and syllables stand upright one below the other, brackets and long signs are turned, full
//! stops and commas go to the upper right of their cell; everything else lies on its side (Unicode Standard
//! Annex #50, in short). Positions are told by whoever lays cues out, with rows and columns exchanged.

use super::{Edge, Pen, color32};
use crate::text::cue::{Cue, Writing};
use crate::text::layout::{Placed, Side};
use crate::text::lines::{self, Line};
use crate::text::style::{self, Style};
use egui::{Pos2, Rect, pos2, vec2};
use std::f32::consts::FRAC_PI_2;

/// How a part of a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// One character in a cell of its own.
    Upright,
    /// As upright, at the upper right of the cell.
    Corner,
    /// On its side, the top to the right.
    Aside,
}

fn stand(c: char) -> Stand {
    const TURNED: &str = "ー〜～…‥—―「」『』（）【】〔〕〈〉《》［］｛｝：；＝｜";
    const CORNER: &str = "、。，．ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ";
    match c {
        c if TURNED.contains(c) => Stand::Aside,
        c if CORNER.contains(c) => Stand::Corner,
        '\u{1100}'..='\u{11ff}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{20000}'..='\u{3ffff}' => Stand::Upright,
        _ => Stand::Aside,
    }
}

/// The parts of a text that are drawn by themselves: single characters that stand, and what lies between.
fn parts(text: &str) -> Vec<(&str, Stand)> {
    let mut parts: Vec<(usize, Stand)> = Vec::new();
    for (at, c) in text.char_indices() {
        let stand = stand(c);
        let goes_on = stand == Stand::Aside && parts.last().is_some_and(|(_, last)| *last == Stand::Aside);
        if !goes_on {
            parts.push((at, stand));
        }
    }
    let ends = parts.iter().skip(1).map(|(at, _)| *at).chain([text.len()]);
    parts.iter().zip(ends).map(|((at, stand), end)| (&text[*at..end], *stand)).collect()
}

impl Pen<'_> {
    /// Breaks a cue into columns of this height.
    pub(super) fn columns(&self, cue: &Cue, height: f32) -> Vec<Line> {
        let mut runs = style::runs(cue);
        for run in &mut runs {
            run.style.hidden |= !super::is_revealed(run, self.position);
        }
        lines::lines(&runs, height.max(1.0), |text, style| {
            parts(text).into_iter().map(|(part, stand)| self.advance(part, stand, style)).sum()
        })
    }

    /// How far down a part reaches.
    fn advance(&self, part: &str, stand: Stand, style: &Style) -> f32 {
        match stand {
            Stand::Upright | Stand::Corner => self.font(part, style).size,
            Stand::Aside => self.galley(part, style, color32(style.color)).size().x,
        }
    }

    /// Draws a vertical cue: the first column at the side where its text begins.
    pub(super) fn vertical_cue(&self, cue: &Cue, place: &Placed) {
        let area = place.area;
        let leftwards = cue.settings.writing == Writing::VerticalGrowingLeft;
        let mut used = 0.0;
        for line in self.columns(cue, area.height) {
            let width = self.height_of(&line);
            let x = if leftwards { area.x + area.width - used - width } else { area.x + used };
            let room = area.height - line.width;
            let y = match place.side {
                Side::Left => area.y,
                Side::Center => area.y + room / 2.0,
                Side::Right => area.y + room,
            };
            self.column(pos2(x, y), width, &line);
            used += width;
        }
    }

    fn column(&self, at: Pos2, width: f32, line: &Line) {
        let box_color = (self.edge == Edge::Box).then_some([0, 0, 0, 200]);
        let mut y = at.y;
        for piece in &line.pieces {
            let plate = Rect::from_min_size(pos2(at.x, y), vec2(width, piece.width));
            let background = piece.style.background.or(box_color).filter(|color| color[3] > 0);
            if let Some(color) = background.filter(|_| !piece.style.hidden) {
                self.painter.rect_filled(plate, 0.0, color32(color));
            }
            for (part, stand) in parts(&piece.text) {
                let height = self.advance(part, stand, &piece.style);
                if !piece.style.hidden {
                    let cell = Rect::from_min_size(pos2(at.x, y), vec2(width, height));
                    self.part(cell, part, stand, &piece.style);
                }
                y += height;
            }
        }
    }

    fn part(&self, cell: Rect, part: &str, stand: Stand, style: &Style) {
        let galley = self.galley(part, style, color32(style.color));
        let size = galley.size();
        let (at, angle) = match stand {
            Stand::Aside => (pos2(cell.center().x + size.y / 2.0, cell.top()), FRAC_PI_2),
            Stand::Upright => (cell.center() - size / 2.0, 0.0),
            Stand::Corner => {
                // Small kana move a little, full stops from one corner to the other.
                let share = if "、。，．".contains(part) { 0.55 } else { 0.12 };
                (cell.center() - size / 2.0 + share * cell.height() * vec2(1.0, -1.0), 0.0)
            }
        };
        self.ink(galley, at, angle, part, style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ideographs_stand_and_words_lie() {
        let expected =
            [("東", Stand::Upright), ("京", Stand::Upright), ("ーA la", Stand::Aside), ("。", Stand::Corner)];
        assert_eq!(parts("東京ーA la。"), expected);
        assert_eq!(parts(""), []);
    }
}
