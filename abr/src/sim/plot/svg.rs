//! Writing SVG: shapes with classes, texts escaped, coordinates with one decimal.

use super::style::STYLE;
use std::fmt::Write as _;

/// Where a text's point lies in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture being drawn. Writing to a string cannot fail.
pub(super) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

impl Svg {
    /// An empty picture with a title, drawn as its first line and told to screen readers.
    pub(super) fn new(width: f64, height: f64, title: &str, subtitle: &str) -> Self {
        let mut svg = Self { width, height, body: String::new() };
        let _ = write!(svg.body, "<title>{}</title>", escape(title));
        svg.text(16.0, 24.0, Anchor::Start, "title", title);
        svg.text(16.0, 42.0, Anchor::Start, "soft", subtitle);
        svg
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = write!(
            self.body,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    pub(super) fn rect(&mut self, at: (f64, f64), size: (f64, f64), style: &str) {
        let ((x, y), (width, height)) = (at, size);
        let _ = write!(
            self.body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" {style}/>",
            width.max(0.0),
            height.max(0.0)
        );
    }

    /// A shape with a tooltip.
    pub(super) fn circle(&mut self, at: (f64, f64), radius: f64, style: &str, tip: &str) {
        let (x, y) = at;
        let _ = write!(
            self.body,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" {style}><title>{}</title></circle>",
            escape(tip)
        );
    }

    /// A line through points; `style` holds its attributes.
    pub(super) fn path(&mut self, points: &[(f64, f64)], style: &str) {
        let mut data = String::new();
        for (place, (x, y)) in points.iter().enumerate() {
            let _ = write!(data, "{}{x:.1} {y:.1}", if place == 0 { 'M' } else { 'L' });
        }
        let _ = write!(self.body, "<path d=\"{data}\" {style}/>");
    }

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let _ = write!(
            self.body,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\"{}>{}</text>",
            attribute(anchor),
            escape(text)
        );
    }

    /// A text in a colour of its own.
    pub(super) fn coloured(&mut self, at: (f64, f64), anchor: Anchor, colour: &str, text: &str) {
        let _ = write!(
            self.body,
            "<text class=\"label\" style=\"fill:{colour}\" x=\"{:.1}\" y=\"{:.1}\"{}>{}</text>",
            at.0,
            at.1,
            attribute(anchor),
            escape(text)
        );
    }

    /// A text that reads upwards.
    pub(super) fn upwards(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let _ = write!(
            self.body,
            "<text class=\"{class}\" transform=\"translate({x:.1} {y:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escape(text)
        );
    }

    /// The whole picture.
    pub(super) fn finish(self) -> String {
        let Self { width, height, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\" font-family=\"system-ui, 'Segoe UI', 'Helvetica Neue', Arial, \
             sans-serif\"><style>{STYLE}</style><rect class=\"paper\" width=\"100%\" height=\"100%\"/>{body}</svg>\n"
        )
    }
}

fn attribute(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    }
}

/// Text for XML and HTML; control characters, which neither may hold, become spaces.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push(' '),
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(escape("<a b=\"&\">\n\0"), "&lt;a b=&quot;&amp;&quot;&gt;  ");
    }
}
