//! The text of a cue as a tree: spans in spans, and when the later parts of it are to appear.

use abr::time::MediaTime;

/// What a span is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// `c`: for its classes alone.
    Class,
    /// `i`.
    Italic,
    /// `b`.
    Bold,
    /// `u`.
    Underline,
    /// `ruby`: text with annotations.
    Ruby,
    /// `rt`: the annotation.
    RubyText,
    /// `v`: who speaks.
    Voice(String),
    /// `lang`: in which language.
    Language(String),
}

/// A part of a cue's text.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Characters, line feeds among them.
    Text(String),
    /// What follows is to appear (or to be marked) at this time, on the cue's own timeline.
    Timestamp(MediaTime),
    /// Nodes that share something.
    Span {
        /// What.
        kind: SpanKind,
        /// Classes, none empty.
        classes: Vec<String>,
        /// What is in it.
        children: Vec<Node>,
    },
}

/// The characters without the annotations of ruby.
pub fn plain(nodes: &[Node]) -> String {
    let mut text = String::new();
    collect(nodes, &mut text);
    text
}

fn collect(nodes: &[Node], text: &mut String) {
    for node in nodes {
        match node {
            Node::Text(part) => text.push_str(part),
            Node::Span { kind: SpanKind::RubyText, .. } | Node::Timestamp(_) => {}
            Node::Span { children, .. } => collect(children, text),
        }
    }
}
