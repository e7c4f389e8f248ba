//! Where cues stand: the processing model of W3C WebVTT, section 7, on boxes that somebody else measures.
//!
//! Lines run horizontally here; vertical cues are placed in the picture laid on its side, so that their
//! columns are lines.

use super::cue::{Align, Cue, LineAlign, PositionAlign, Writing};
use std::sync::Arc;

/// A rectangle in the unit of the caller, `y` downwards.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Area {
    /// Left.
    pub x: f32,
    /// Top.
    pub y: f32,
    /// Width, not negative.
    pub width: f32,
    /// Height, not negative.
    pub height: f32,
}

impl Area {
    fn bottom(&self) -> f32 {
        self.y + self.height
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.bottom()
            && other.y < self.bottom()
    }

    /// Itself laid on its side, for cues that are written so: columns become lines, the first one on top.
    fn turned(&self, picture: &Self, writing: Writing) -> Self {
        let first = match writing {
            Writing::Horizontal => return *self,
            Writing::VerticalGrowingLeft => picture.x + picture.width - self.x - self.width,
            Writing::VerticalGrowingRight => self.x - picture.x,
        };
        Self { x: self.y, y: first, width: self.height, height: self.width }
    }

    /// The other way.
    fn turned_back(&self, picture: &Self, writing: Writing) -> Self {
        let x = match writing {
            Writing::Horizontal => return *self,
            Writing::VerticalGrowingLeft => picture.x + picture.width - self.y - self.height,
            Writing::VerticalGrowingRight => picture.x + self.y,
        };
        Self { x, y: self.x, width: self.height, height: self.width }
    }

    fn contains_rows_of(&self, other: &Self) -> bool {
        // Sums of line heights need not be exact.
        other.y >= self.y - 0.5 && other.bottom() <= self.bottom() + 0.5
    }
}

/// On which side the lines of a box lie; of columns, left is the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Left.
    Left,
    /// Middle.
    Center,
    /// Right.
    Right,
}

/// A cue with its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// Position in the list of cues.
    pub cue: usize,
    /// The box; the text is wrapped to its width.
    pub area: Area,
    /// How lines lie in it.
    pub side: Side,
}

/// Places `cues`, the earliest first, on a picture that is `width` × `height` and leaves `margin` free on
/// all sides. `line` is the height of a line. `measure` gives the height of a cue that is wrapped to a
/// width; of a vertical cue, how far its columns reach when they have that height. Cues of one direction of
/// writing avoid each other where the settings let them; what finds no free place is left out, and so are
/// the oldest lines of a region that is full.
pub fn place(
    cues: &[Arc<Cue>],
    picture: Area,
    margin: (f32, f32),
    line: f32,
    mut measure: impl FnMut(&Cue, f32) -> f32,
) -> Vec<Placed> {
    let safe = Area {
        x: picture.x + margin.0,
        y: picture.y + margin.1,
        width: (picture.width - 2.0 * margin.0).max(1.0),
        height: (picture.height - 2.0 * margin.1).max(1.0),
    };
    let line = line.max(1.0);
    let mut all: Vec<Placed> = Vec::new();
    for writing in [Writing::Horizontal, Writing::VerticalGrowingLeft, Writing::VerticalGrowingRight] {
        let safe = safe.turned(&picture, writing);
        let mut placed: Vec<Placed> = Vec::new();
        for (place, cue) in cues.iter().enumerate() {
            if cue.settings.writing != writing || region_of(cue).is_some() {
                continue;
            }
            let (x, width, side) = columns(cue, safe);
            let height = measure(cue, width);
            let area = Area { x, y: safe.y, width, height };
            let area = match cue.settings.line {
                Some(percent) if !cue.settings.snap_to_lines => at_percent(cue, percent, area, safe, &placed),
                number => at_line(cue, number.unwrap_or(-1.0), area, safe, line, &placed),
            };
            placed.extend(area.map(|area| Placed { cue: place, area, side }));
        }
        if writing == Writing::Horizontal {
            regions(cues, safe, line, &mut measure, &mut placed);
        }
        all.extend(
            placed.into_iter().map(|one| Placed { area: one.area.turned_back(&picture, writing), ..one }),
        );
    }
    all
}

/// The region of a cue; vertical ones have none (6.1).
fn region_of(cue: &Cue) -> Option<&super::cue::Region> {
    cue.region.as_deref().filter(|_| cue.settings.writing == Writing::Horizontal)
}

/// Left side, width and alignment of a cue's box.
fn columns(cue: &Cue, within: Area) -> (f32, f32, Side) {
    let settings = &cue.settings;
    let backwards = is_right_to_left(&cue.text());
    let side = match (settings.align, backwards) {
        (Align::Center, _) => Side::Center,
        (Align::Left, _) | (Align::Start, false) | (Align::End, true) => Side::Left,
        (Align::Right, _) | (Align::End, false) | (Align::Start, true) => Side::Right,
    };
    let position = match (settings.position, side) {
        (Some(position), _) => position as f32 / 100.0,
        (_, Side::Left) => 0.0,
        (_, Side::Center) => 0.5,
        (_, Side::Right) => 1.0,
    };
    let anchor = match (settings.position_align, side) {
        (PositionAlign::LineLeft, _) | (PositionAlign::Auto, Side::Left) => 0.0,
        (PositionAlign::Center, _) | (PositionAlign::Auto, Side::Center) => 0.5,
        (PositionAlign::LineRight, _) | (PositionAlign::Auto, Side::Right) => 1.0,
    };
    let most: f32 = if anchor == 0.0 {
        1.0 - position
    } else if anchor == 0.5 {
        2.0 * position.min(1.0 - position)
    } else {
        position
    };
    let size = (settings.size as f32 / 100.0).min(most);
    let x = within.x + within.width * (position - size * anchor);
    (x, within.width * size, side)
}

/// How much of a box lies above the point that its line names.
fn raised(cue: &Cue) -> f32 {
    match cue.settings.line_align {
        LineAlign::Start => 0.0,
        LineAlign::Center => 0.5,
        LineAlign::End => 1.0,
    }
}

/// 7.2, "snap-to-lines": lines count from the top, or from the bottom when negative; a box that has no room
/// moves line by line, at first away from its edge, then the other way.
fn at_line(cue: &Cue, number: f64, area: Area, within: Area, line: f32, taken: &[Placed]) -> Option<Area> {
    let most = f64::from(within.height / line).floor().max(1.0);
    let number = number.round().clamp(-most, most - 1.0) as f32;
    let from_bottom = number < 0.0;
    let start = if from_bottom { within.bottom() + number * line } else { within.y + number * line };
    let start = start - raised(cue) * area.height;
    // What is higher than the picture begins at its top.
    if area.height > within.height {
        return taken.is_empty().then_some(Area { y: within.y, ..area });
    }
    let steps = most as usize + 1;
    let first = if from_bottom { -line } else { line };
    for step in [first, -first] {
        for count in 0..=steps {
            let candidate = Area { y: start + step * count as f32, ..area };
            if within.contains_rows_of(&candidate) && is_free(&candidate, taken) {
                return Some(candidate);
            }
        }
    }
    // Between the lines, right at the edges.
    let edges = [within.bottom() - area.height, within.y];
    edges.into_iter().map(|y| Area { y, ..area }).find(|candidate| is_free(candidate, taken))
}

/// 7.2 without "snap-to-lines": where it says, or the nearest free place.
fn at_percent(cue: &Cue, percent: f64, area: Area, within: Area, taken: &[Placed]) -> Option<Area> {
    let y = within.y + within.height * (percent as f32 / 100.0) - raised(cue) * area.height;
    let y = y.clamp(within.y, (within.bottom() - area.height).max(within.y));
    let wanted = Area { y, ..area };
    let beside = taken.iter().flat_map(|other| [other.area.y - area.height, other.area.bottom()]);
    let candidates = std::iter::once(y).chain(beside).map(|y| Area { y, ..area });
    let free = candidates.filter(|candidate| {
        is_free(candidate, taken) && (within.contains_rows_of(candidate) || *candidate == wanted)
    });
    free.min_by(|a, b| (a.y - y).abs().total_cmp(&(b.y - y).abs()))
}

fn is_free(area: &Area, taken: &[Placed]) -> bool {
    // Touching is not overlapping, whatever rounding says.
    let shrunk = Area { y: area.y + 0.5, height: (area.height - 1.0).max(0.0), ..*area };
    !taken.iter().any(|other| other.area.overlaps(&shrunk))
}

/// 7.3: the cues of a region stand one below the other at its lower end.
fn regions(
    cues: &[Arc<Cue>],
    within: Area,
    line: f32,
    measure: &mut impl FnMut(&Cue, f32) -> f32,
    placed: &mut Vec<Placed>,
) {
    let mut done: Vec<&super::cue::Region> = Vec::new();
    for region in cues.iter().filter_map(|cue| region_of(cue)) {
        if done.contains(&region) {
            continue;
        }
        done.push(region);
        let share = |percent: f64| percent as f32 / 100.0;
        let width = within.width * share(region.width);
        let height = (region.lines.min(1e4) as f32 * line).min(within.height);
        let x = within.x + within.width * share(region.viewport_anchor.0) - width * share(region.anchor.0);
        let y = within.y + within.height * share(region.viewport_anchor.1) - height * share(region.anchor.1);
        let area = Area {
            x: x.clamp(within.x, within.x + within.width - width),
            y: y.clamp(within.y, within.bottom() - height),
            width,
            height,
        };
        let mut bottom = area.bottom();
        let of_region = |cue: &Cue| region_of(cue) == Some(region);
        for (place, cue) in cues.iter().enumerate().rev().filter(|(_, cue)| of_region(cue)) {
            let (x, width, side) = columns(cue, area);
            let height = measure(cue, width);
            if bottom - height < area.y - 0.5 && bottom < area.bottom() {
                break;
            }
            bottom -= height;
            placed.push(Placed { cue: place, area: Area { x, y: bottom, width, height }, side });
        }
    }
}

/// Whether text runs from right to left: whether the first letter with a direction does (the paragraph
/// level of UAX #9, P2).
pub fn is_right_to_left(text: &str) -> bool {
    let is_backwards = |c: char| {
        matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}' | '\u{200f}')
    };
    let directed = |c: &char| is_backwards(*c) || c.is_alphabetic() || *c == '\u{200e}';
    text.chars().find(directed).is_some_and(is_backwards)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::webvtt;
    use proptest::prelude::*;

    const PICTURE: Area = Area { x: 0.0, y: 0.0, width: 1000.0, height: 500.0 };

    /// Places cues whose lines are 20 high.
    fn laid(text: &str) -> Vec<Placed> {
        let cues = webvtt::parse(format!("WEBVTT\n\n{text}").as_bytes()).unwrap().cues;
        let cues: Vec<Arc<Cue>> = cues.into_iter().map(Arc::new).collect();
        place(&cues, PICTURE, (0.0, 0.0), 20.0, |cue, _| 20.0 * cue.text().lines().count() as f32)
    }

    fn tops(text: &str) -> Vec<f32> {
        laid(text).iter().map(|placed| placed.area.y).collect()
    }

    #[test]
    fn cues_stack_from_the_bottom() {
        let text = "00:00.000 --> 00:01.000\none\n\n00:00.000 --> 00:01.000\ntwo\nlines\n\n\
                    00:00.000 --> 00:01.000 line:0\ntop\n\n00:00.000 --> 00:01.000 line:0\nsecond\n";
        assert_eq!(tops(text), [480.0, 440.0, 0.0, 20.0]);
    }

    #[test]
    fn positions_and_sizes_are_those_of_the_settings() {
        let text = "00:00.000 --> 00:01.000 position:25% size:30% align:start\na\n\n\
                    00:00.000 --> 00:01.000 position:10%\nb\n\n\
                    00:00.000 --> 00:01.000 align:end\nc\n\n\
                    00:00.000 --> 00:01.000 align:start\n\u{627}\n";
        let boxes: Vec<_> =
            laid(text).iter().map(|p| (p.area.x.round(), p.area.width.round(), p.side)).collect();
        let expected = [
            (250.0, 300.0, Side::Left),
            (0.0, 200.0, Side::Center),
            (0.0, 1000.0, Side::Right),
            (0.0, 1000.0, Side::Right),
        ];
        assert_eq!(boxes, expected);
    }

    #[test]
    fn percentages_and_their_alignment() {
        let text = "00:00.000 --> 00:01.000 line:50%\na\n\n00:00.000 --> 00:01.000 line:50%,end\nb\n\n\
                    00:00.000 --> 00:01.000 line:100%\nc\n";
        assert_eq!(tops(text), [250.0, 230.0, 480.0]);
    }

    #[test]
    fn regions_hold_their_cues_at_their_lower_end() {
        let text = "REGION\nid:a\nwidth:40%\nlines:2\nregionanchor:0%,0%\nviewportanchor:10%,10%\n\n\
                    00:00.000 --> 00:01.000 region:a\nold\n\n00:00.000 --> 00:01.000 region:a\nnewer\n\n\
                    00:00.000 --> 00:01.000 region:a\nnewest\n";
        let boxes: Vec<_> = laid(text).iter().map(|p| (p.cue, p.area.x, p.area.y, p.area.width)).collect();
        assert_eq!(boxes, [(2, 100.0, 70.0, 400.0), (1, 100.0, 50.0, 400.0)]);
    }

    #[test]
    fn columns_begin_at_the_side_that_is_asked_for() {
        let text = "00:00.000 --> 00:01.000 vertical:rl line:0\na\n\n\
                    00:00.000 --> 00:01.000 vertical:rl line:0 align:start\nb\n\n\
                    00:00.000 --> 00:01.000 vertical:lr line:0 position:50% size:40%\nc\n\n\
                    00:00.000 --> 00:01.000 vertical:rl\nd\n";
        let boxes: Vec<_> = laid(text).iter().map(|p| (p.cue, p.area, p.side)).collect();
        let column = |x, y, height| Area { x, y, width: 20.0, height };
        let expected = [
            (0, column(980.0, 0.0, 500.0), Side::Center),
            (1, column(960.0, 0.0, 500.0), Side::Left),
            (3, column(0.0, 0.0, 500.0), Side::Center),
            (2, column(0.0, 150.0, 200.0), Side::Center),
        ];
        assert_eq!(boxes, expected);
    }

    #[test]
    fn the_direction_is_that_of_the_first_letter() {
        assert!(is_right_to_left("123 \u{5d0}bc"));
        assert!(!is_right_to_left("a\u{5d0}"));
        assert!(!is_right_to_left("?! 12"));
    }

    proptest! {
        #[test]
        fn boxes_never_overlap(
            lines in proptest::collection::vec((-30i32..30, 0u32..=100, 1u32..=100, 1usize..4, any::<bool>()), 1..12)
        ) {
            let text: String = lines.iter().map(|(line, position, size, rows, snap)| {
                let line = if *snap { line.to_string() } else { format!("{}%", line.unsigned_abs()) };
                format!(
                    "00:00.000 --> 00:01.000 line:{line} position:{position}% size:{size}%\n{}\n\n",
                    vec!["x"; *rows].join("\n")
                )
            }).collect();
            let placed = laid(&text);
            for (at, one) in placed.iter().enumerate() {
                prop_assert!(PICTURE.contains_rows_of(&one.area), "{one:?}");
                for other in &placed[..at] {
                    let shrunk = Area { y: one.area.y + 0.5, height: one.area.height - 1.0, ..one.area };
                    prop_assert!(!shrunk.overlaps(&other.area), "{one:?} {other:?}");
                }
            }
        }
    }
}
