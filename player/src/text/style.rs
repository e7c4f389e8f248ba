//! The look of cues: style blocks (a part of CSS), the classes that every WebVTT player knows, and the runs
//! of equally styled text that come of it.
//!
//! Understood are `::cue` and `::cue(…)` with an element, classes, an identifier or a voice, and `color`,
//! `background-color`, `background`, `font-weight`, `font-style`, `text-decoration`, `font-size` in `%` and
//! `em`, and `visibility`. The rest is passed over.

use super::cue::Cue;
use super::node::{Node, SpanKind};
use crate::limits;
use abr::time::MediaTime;

/// Red, green, blue and opacity.
pub type Rgba = [u8; 4];

/// Which spans a rule is about.
#[derive(Clone, Debug, Default, PartialEq)]
struct Selector {
    /// Tag name.
    element: Option<String>,
    classes: Vec<String>,
    /// Cue identifier.
    id: Option<String>,
    /// Annotation of a voice span.
    voice: Option<String>,
}

/// A rule of a style block.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    selector: Selector,
    change: Change,
}

/// What a rule says; `None` where it is silent.
#[derive(Clone, Debug, Default, PartialEq)]
struct Change {
    color: Option<Rgba>,
    background: Option<Rgba>,
    bold: Option<bool>,
    italic: Option<bool>,
    underline: Option<bool>,
    scale: Option<f32>,
    hidden: Option<bool>,
}

/// How a run of text looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// Of the letters.
    pub color: Rgba,
    /// Behind the letters; `None` for what the face does by default.
    pub background: Option<Rgba>,
    /// Heavier.
    pub bold: bool,
    /// Slanted.
    pub italic: bool,
    /// With a line below.
    pub underline: bool,
    /// Size of the letters beside the face's own, 0.5 to 2.
    pub scale: f32,
    /// Takes its place but is not seen.
    pub hidden: bool,
    /// Annotation of the text before.
    pub ruby: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            color: [255, 255, 255, 255],
            background: None,
            bold: false,
            italic: false,
            underline: false,
            scale: 1.0,
            hidden: false,
            ruby: false,
        }
    }
}

/// Text of one look.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Characters, line feeds among them.
    pub text: String,
    /// Their look.
    pub style: Style,
    /// When it appears, if that is later than its cue.
    pub from: Option<MediaTime>,
}

/// The text of a cue as runs.
pub fn runs(cue: &Cue) -> Vec<Run> {
    let mut base = Style::default();
    for rule in cue.rules.iter().filter(|rule| rule.selector.is_whole_cue(&cue.id)) {
        rule.change.apply(&mut base);
    }
    let mut out = Vec::new();
    let mut from = None;
    collect(&cue.nodes, base, cue, &mut from, &mut out);
    out
}

fn collect(nodes: &[Node], style: Style, cue: &Cue, from: &mut Option<MediaTime>, out: &mut Vec<Run>) {
    for node in nodes {
        match node {
            Node::Text(text) => out.push(Run { text: text.clone(), style, from: *from }),
            Node::Timestamp(time) => {
                let time = MediaTime::from_nanos(time.as_nanos().saturating_add(cue.offset));
                *from = Some(time).filter(|time| *time > cue.start);
            }
            Node::Span { kind, classes, children } => {
                let mut style = style;
                match kind {
                    SpanKind::Bold => style.bold = true,
                    SpanKind::Italic => style.italic = true,
                    SpanKind::Underline => style.underline = true,
                    SpanKind::RubyText => style.ruby = true,
                    _ => {}
                }
                for class in classes {
                    match class.strip_prefix("bg_") {
                        Some(name) => style.background = default_color(name).or(style.background),
                        None => style.color = default_color(class).unwrap_or(style.color),
                    }
                }
                for rule in cue.rules.iter().filter(|rule| rule.selector.is_about(kind, classes)) {
                    rule.change.apply(&mut style);
                }
                collect(children, style, cue, from, out);
            }
        }
    }
}

impl Selector {
    /// Whether it is about the cue as a whole.
    fn is_whole_cue(&self, id: &str) -> bool {
        let anything = self.element.is_none() && self.classes.is_empty() && self.voice.is_none();
        anything && self.id.as_deref().is_none_or(|wanted| wanted == id)
    }

    fn is_about(&self, kind: &SpanKind, classes: &[String]) -> bool {
        let (name, voice) = match kind {
            SpanKind::Class => ("c", None),
            SpanKind::Italic => ("i", None),
            SpanKind::Bold => ("b", None),
            SpanKind::Underline => ("u", None),
            SpanKind::Ruby => ("ruby", None),
            SpanKind::RubyText => ("rt", None),
            SpanKind::Voice(who) => ("v", Some(who.as_str())),
            SpanKind::Language(_) => ("lang", None),
        };
        let narrow = self.element.is_some() || !self.classes.is_empty() || self.voice.is_some();
        narrow
            && self.id.is_none()
            && self.element.as_deref().is_none_or(|element| element == name)
            && self.classes.iter().all(|class| classes.contains(class))
            && self.voice.as_deref().is_none_or(|wanted| voice == Some(wanted))
    }
}

impl Change {
    fn apply(&self, style: &mut Style) {
        style.color = self.color.unwrap_or(style.color);
        style.background = self.background.or(style.background);
        style.bold = self.bold.unwrap_or(style.bold);
        style.italic = self.italic.unwrap_or(style.italic);
        style.underline = self.underline.unwrap_or(style.underline);
        style.scale = self.scale.map_or(style.scale, |scale| (style.scale * scale).clamp(0.5, 2.0));
        style.hidden = self.hidden.unwrap_or(style.hidden);
    }
}

/// Reads a style block and adds its rules, at most [`limits::TEXT_RULES`] in all.
pub(super) fn parse(sheet: &str, rules: &mut Vec<Rule>) {
    let sheet = without_comments(sheet);
    let mut rest = sheet.as_str();
    while let Some((selectors, after)) = rest.split_once('{') {
        let (body, after) = after.split_once('}').unwrap_or((after, ""));
        rest = after;
        let change = declarations(body);
        for selector in selectors.split(',').filter_map(|text| selector(text.trim())) {
            if rules.len() < limits::TEXT_RULES {
                rules.push(Rule { selector, change: change.clone() });
            }
        }
    }
}

fn without_comments(sheet: &str) -> String {
    let mut out = String::with_capacity(sheet.len());
    let mut rest = sheet;
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

/// `::cue` or `::cue(…)` with one compound selector.
fn selector(text: &str) -> Option<Selector> {
    let mut selector = Selector::default();
    let rest = text.strip_prefix("::cue")?;
    if rest.is_empty() {
        return Some(selector);
    }
    let mut rest = rest.strip_prefix('(')?.strip_suffix(')')?.trim();
    let name_end = |text: &str| {
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '\\') || !c.is_ascii();
        text.find(|c: char| !is_name(c)).unwrap_or(text.len())
    };
    let (element, after) = rest.split_at(name_end(rest));
    if !element.is_empty() {
        selector.element = Some(element.to_owned());
    }
    rest = after;
    while let Some(mark) = rest.chars().next() {
        let body = &rest[mark.len_utf8()..];
        match mark {
            '.' | '#' => {
                let (name, after) = body.split_at(name_end(body));
                if name.is_empty() {
                    return None;
                }
                let name = name.replace('\\', "");
                if mark == '.' {
                    selector.classes.push(name);
                } else {
                    selector.id = Some(name);
                }
                rest = after;
            }
            '[' => {
                let (attribute, after) = body.split_once(']')?;
                let (name, value) = attribute.split_once('=')?;
                if name.trim() != "voice" {
                    return None;
                }
                selector.voice = Some(value.trim().trim_matches(['"', '\'']).to_owned());
                rest = after;
            }
            _ => return None,
        }
    }
    Some(selector)
}

fn declarations(body: &str) -> Change {
    let mut change = Change::default();
    for (name, value) in body.split(';').filter_map(|declaration| declaration.split_once(':')) {
        let value = value.trim().trim_end_matches("!important").trim().to_ascii_lowercase();
        match name.trim().to_ascii_lowercase().as_str() {
            "color" => change.color = color(&value).or(change.color),
            "background-color" | "background" => change.background = color(&value).or(change.background),
            "font-weight" => change.bold = weight(&value).or(change.bold),
            "font-style" => change.italic = Some(value == "italic" || value.starts_with("oblique")),
            "text-decoration" | "text-decoration-line" => {
                change.underline = Some(value.split(' ').any(|word| word == "underline"));
            }
            "font-size" => change.scale = scale(&value).or(change.scale),
            "visibility" => change.hidden = Some(value == "hidden"),
            _ => {}
        }
    }
    change
}

fn weight(value: &str) -> Option<bool> {
    match value {
        "bold" | "bolder" => Some(true),
        "normal" | "lighter" => Some(false),
        number => number.parse::<u16>().ok().map(|weight| weight >= 600),
    }
}

fn scale(value: &str) -> Option<f32> {
    let number = match value.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f32>().ok()? / 100.0,
        None => value.strip_suffix("em")?.trim_end_matches('r').trim().parse::<f32>().ok()?,
    };
    number.is_finite().then_some(number.clamp(0.5, 2.0))
}

/// The colours that WebVTT gives to classes (5.1).
fn default_color(class: &str) -> Option<Rgba> {
    let known = ["white", "lime", "cyan", "red", "yellow", "magenta", "blue", "black"];
    color(class).filter(|_| known.contains(&class))
}

/// A CSS colour: a basic name, `#` notation, `rgb()` or `rgba()` with numbers.
fn color(text: &str) -> Option<Rgba> {
    const NAMES: [(&str, u32); 23] = [
        ("white", 0xffffff),
        ("lime", 0x00ff00),
        ("cyan", 0x00ffff),
        ("aqua", 0x00ffff),
        ("red", 0xff0000),
        ("yellow", 0xffff00),
        ("magenta", 0xff00ff),
        ("fuchsia", 0xff00ff),
        ("blue", 0x0000ff),
        ("black", 0x000000),
        ("silver", 0xc0c0c0),
        ("gray", 0x808080),
        ("grey", 0x808080),
        ("maroon", 0x800000),
        ("purple", 0x800080),
        ("green", 0x008000),
        ("olive", 0x808000),
        ("navy", 0x000080),
        ("teal", 0x008080),
        ("orange", 0xffa500),
        ("pink", 0xffc0cb),
        ("gold", 0xffd700),
        ("papayawhip", 0xffefd5),
    ];
    if text == "transparent" {
        return Some([0; 4]);
    }
    if let Some((_, rgb)) = NAMES.iter().find(|(name, _)| *name == text) {
        let [_, r, g, b] = rgb.to_be_bytes();
        return Some([r, g, b, 255]);
    }
    if let Some(digits) = text.strip_prefix('#') {
        return hexadecimal(digits);
    }
    let arguments = text.strip_prefix("rgba").or_else(|| text.strip_prefix("rgb"))?;
    let arguments = arguments.trim().strip_prefix('(')?.strip_suffix(')')?;
    let parts: Vec<&str> =
        arguments.split([',', ' ', '/']).map(str::trim).filter(|part| !part.is_empty()).take(5).collect();
    let [red, green, blue, opacity @ ..] = parts.as_slice() else { return None };
    let channel = |text: &str| match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f32>().ok().map(|p| (p * 2.55).clamp(0.0, 255.0) as u8),
        None => text.parse::<f32>().ok().map(|n| n.clamp(0.0, 255.0) as u8),
    };
    let opacity = match opacity {
        [] => 255,
        [text] => match text.strip_suffix('%') {
            Some(_) => channel(text)?,
            None => (text.parse::<f32>().ok()?.clamp(0.0, 1.0) * 255.0).round() as u8,
        },
        _ => return None,
    };
    Some([channel(red)?, channel(green)?, channel(blue)?, opacity])
}

fn hexadecimal(digits: &str) -> Option<Rgba> {
    let digits: Vec<u8> =
        digits.chars().map(|c| c.to_digit(16).map(|d| d as u8)).take(9).collect::<Option<_>>()?;
    match digits[..] {
        [r, g, b] => Some([r * 17, g * 17, b * 17, 255]),
        [r, g, b, a] => Some([r * 17, g * 17, b * 17, a * 17]),
        [r, rr, g, gg, b, bb] => Some([r * 16 + rr, g * 16 + gg, b * 16 + bb, 255]),
        [r, rr, g, gg, b, bb, a, aa] => Some([r * 16 + rr, g * 16 + gg, b * 16 + bb, a * 16 + aa]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::webvtt;

    fn runs_of(body: &str) -> Vec<Run> {
        let text = format!("WEBVTT\n\n{body}");
        runs(&webvtt::parse(text.as_bytes()).unwrap().cues[0])
    }

    #[test]
    fn style_blocks_colour_what_they_select() {
        let sheet = "STYLE\n::cue { color: rgb(1, 2, 3); background-color: #0008 }\n\
                     ::cue(b), ::cue(.loud) { color: yellow; font-size: 150% /* large */ }\n\
                     ::cue(v[voice=\"Ann\"]) { color: #fe0 }\n::cue(#one) { font-style: italic }\n\n";
        let runs = runs_of(&format!(
            "{sheet}one\n00:00.000 --> 00:01.000\na<b>b</b><c.loud>c</c><v Ann>d</v><v Bob>e</v>\n"
        ));
        let colors: Vec<_> = runs.iter().map(|run| (run.text.as_str(), run.style.color)).collect();
        let base = [1, 2, 3, 255];
        let yellow = [255, 255, 0, 255];
        let expected = [("a", base), ("b", yellow), ("c", yellow), ("d", [255, 238, 0, 255]), ("e", base)];
        assert_eq!(colors, expected);
        assert!(runs.iter().all(|run| run.style.italic && run.style.background == Some([0, 0, 0, 136])));
        assert!((runs[1].style.scale - 1.5).abs() < 1e-6 && runs[1].style.bold);
    }

    #[test]
    fn classes_have_their_colours_and_time_stamps_delay() {
        let runs = runs_of("00:00.000 --> 00:09.000\n<c.cyan.bg_blue>x</c><00:00:05.000>y\n");
        assert_eq!(runs[0].style.color, [0, 255, 255, 255]);
        assert_eq!(runs[0].style.background, Some([0, 0, 255, 255]));
        assert_eq!(runs[1].from, Some(MediaTime::from_millis(5_000)));
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        let mut rules = Vec::new();
        parse("::cue(:past) { color: red } p { color: red } ::cue(b i) { x } ::cue( { } } {{", &mut rules);
        parse("::cue { color: nonsense; font-size: 3px", &mut rules);
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].change, Change::default());
    }
}
