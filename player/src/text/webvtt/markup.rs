//! Cue text: tags, time stamps and character references to a tree (W3C WebVTT, 6.4 and 6.5).

use super::{entity, settings::is_space, timestamp};
use crate::limits;
use crate::text::node::{Node, SpanKind};

/// Reads cue text. Every text is cue text: what is no markup by the rules is left out or taken as text, as
/// they say.
pub fn parse(text: &str) -> Vec<Node> {
    let mut tree = Tree::default();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first == '<' {
            let (tag, after) = tag(&rest[1..]);
            tree.tag(tag);
            rest = after;
        } else {
            let end = rest.find('<').unwrap_or(rest.len());
            tree.text(&entity::resolve(&rest[..end]));
            rest = &rest[end..];
        }
    }
    tree.finish()
}

/// A tag without its angle brackets, and what follows it; at the end of the text the bracket may be missing.
fn tag(text: &str) -> (&str, &str) {
    text.split_once('>').unwrap_or((text, ""))
}

#[derive(Default)]
struct Tree {
    root: Vec<Node>,
    open: Vec<(SpanKind, Vec<String>, Vec<Node>)>,
    /// Start tags left out because they were nested too deep, to leave out their end tags as well.
    ignored: usize,
}

impl Tree {
    fn tag(&mut self, tag: &str) {
        match tag.chars().next() {
            Some('/') => self.end(&tag[1..]),
            Some(digit) if digit.is_ascii_digit() => {
                if let Some(time) = timestamp::whole(tag) {
                    self.push(Node::Timestamp(time));
                }
            }
            _ => self.start(tag),
        }
    }

    fn start(&mut self, tag: &str) {
        let (names, annotation) = tag.find(is_space).map_or((tag, ""), |at| tag.split_at(at));
        let mut names = names.split('.');
        let name = names.next().unwrap_or_default();
        let classes = names.filter(|class| !class.is_empty()).map(str::to_owned).collect();
        let annotation = || {
            let text = entity::resolve(annotation);
            text.split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
        };
        let kind = match name {
            "c" => SpanKind::Class,
            "i" => SpanKind::Italic,
            "b" => SpanKind::Bold,
            "u" => SpanKind::Underline,
            "ruby" => SpanKind::Ruby,
            "rt" if self.open.last().is_some_and(|(kind, ..)| *kind == SpanKind::Ruby) => SpanKind::RubyText,
            "v" => SpanKind::Voice(annotation()),
            "lang" => SpanKind::Language(annotation()),
            _ => return,
        };
        if self.open.len() < limits::TEXT_DEPTH {
            self.open.push((kind, classes, Vec::new()));
        } else {
            self.ignored += 1;
        }
    }

    fn end(&mut self, name: &str) {
        if self.ignored > 0 {
            self.ignored -= 1;
            return;
        }
        let Some((current, ..)) = self.open.last() else { return };
        if name_of(current) == name {
            self.close();
        } else if name == "ruby" && *current == SpanKind::RubyText {
            self.close();
            self.close();
        }
    }

    fn close(&mut self) {
        if let Some((kind, classes, children)) = self.open.pop() {
            self.push(Node::Span { kind, classes, children });
        }
    }

    fn text(&mut self, text: &str) {
        self.push(Node::Text(text.to_owned()));
    }

    fn push(&mut self, node: Node) {
        self.open.last_mut().map_or(&mut self.root, |(.., children)| children).push(node);
    }

    fn finish(mut self) -> Vec<Node> {
        while !self.open.is_empty() {
            self.close();
        }
        self.root
    }
}

/// The tag name of a span.
fn name_of(kind: &SpanKind) -> &'static str {
    match kind {
        SpanKind::Class => "c",
        SpanKind::Italic => "i",
        SpanKind::Bold => "b",
        SpanKind::Underline => "u",
        SpanKind::Ruby => "ruby",
        SpanKind::RubyText => "rt",
        SpanKind::Voice(_) => "v",
        SpanKind::Language(_) => "lang",
    }
}
