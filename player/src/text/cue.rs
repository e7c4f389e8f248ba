//! Cues: what is to be read, from when to when, and where on the picture (W3C WebVTT, section 3).

use super::node::Node;
use abr::time::MediaTime;
use std::sync::Arc;

/// One piece of text with its interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Cue {
    /// Identifier, possibly empty.
    pub id: String,
    /// When it appears.
    pub start: MediaTime,
    /// When it is gone; a cue that ends before it starts is never shown.
    pub end: MediaTime,
    /// Where it stands.
    pub settings: Settings,
    /// The part of the picture that it shares with others, if it names one.
    pub region: Option<Arc<Region>>,
    /// Its text with markup, as written.
    pub payload: String,
    /// The same, read.
    pub nodes: Arc<[Node]>,
    /// Nanoseconds to add to the time stamps in its text for their place on the timeline of
    /// [`start`](Self::start).
    pub offset: i64,
    /// Rules for its look, shared by the cues of a document.
    pub rules: Arc<[super::style::Rule]>,
}

impl Cue {
    /// Whether it is to be shown at `time`.
    pub fn is_active(&self, time: MediaTime) -> bool {
        self.start <= time && time < self.end
    }

    /// Its text without markup and without the annotations of ruby.
    pub fn text(&self) -> String {
        super::node::plain(&self.nodes)
    }

    /// Whether `other` says the same in the same place, whenever that may be.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.payload == other.payload
            && self.id == other.id
            && self.settings == other.settings
            && self.region == other.region
    }
}

/// In which direction lines run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Writing {
    /// Lines from left to right or right to left, one below the other.
    #[default]
    Horizontal,
    /// Lines from top to bottom, the next one to the left (`vertical:rl`).
    VerticalGrowingLeft,
    /// Lines from top to bottom, the next one to the right (`vertical:lr`).
    VerticalGrowingRight,
}

/// Which point of a box lies where a setting says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineAlign {
    /// Its start.
    #[default]
    Start,
    /// Its middle.
    Center,
    /// Its end.
    End,
}

/// Which point of a box lies at [`Settings::position`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PositionAlign {
    /// As the text is aligned.
    #[default]
    Auto,
    /// Its left (or upper) side.
    LineLeft,
    /// Its middle.
    Center,
    /// Its right (or lower) side.
    LineRight,
}

/// How the lines of a cue lie in its box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Where the text begins.
    Start,
    /// In the middle.
    #[default]
    Center,
    /// Where the text ends.
    End,
    /// On the left.
    Left,
    /// On the right.
    Right,
}

/// Where a cue stands: its settings, with the defaults of the specification.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Direction of lines.
    pub writing: Writing,
    /// A line number (or, without [`snap_to_lines`](Self::snap_to_lines), percent of the picture); `None`
    /// for automatic. Finite, otherwise as large as the author liked.
    pub line: Option<f64>,
    /// Whether [`line`](Self::line) counts lines.
    pub snap_to_lines: bool,
    /// Which point of the box lies at the line.
    pub line_align: LineAlign,
    /// Percent of the picture, 0 to 100; `None` for automatic.
    pub position: Option<f64>,
    /// Which point of the box lies at the position.
    pub position_align: PositionAlign,
    /// Percent of the picture that the box takes, 0 to 100.
    pub size: f64,
    /// How lines lie in the box.
    pub align: Align,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            writing: Writing::default(),
            line: None,
            snap_to_lines: true,
            line_align: LineAlign::default(),
            position: None,
            position_align: PositionAlign::default(),
            size: 100.0,
            align: Align::default(),
        }
    }
}

/// A part of the picture in which cues stand one below the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Identifier.
    pub id: String,
    /// Percent of the picture's width.
    pub width: f64,
    /// Height in lines: a whole number, otherwise as large as the author liked.
    pub lines: f64,
    /// The point of the region, in percent, that lies at [`viewport_anchor`](Self::viewport_anchor).
    pub anchor: (f64, f64),
    /// Percent of the picture.
    pub viewport_anchor: (f64, f64),
    /// Whether a new line pushes the others up.
    pub scroll_up: bool,
}

impl Default for Region {
    fn default() -> Self {
        Self {
            id: String::new(),
            width: 100.0,
            lines: 3.0,
            anchor: (0.0, 100.0),
            viewport_anchor: (0.0, 100.0),
            scroll_up: false,
        }
    }
}
