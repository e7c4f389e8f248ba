//! An XML document as a tree over its own text, made to be changed in a few places and written again: every
//! node is a span, what is not changed is never copied piece by piece.

use crate::limits;
use crate::manifest::policy::shown;
use crate::manifest::{ManifestError, Place};

/// No node.
const NONE: u32 = u32::MAX;
/// Most nodes: each element may have text before and after it.
const NODES: usize = 3 * limits::XML_ELEMENTS;

/// A node of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(u32);

/// The document itself, above the root element.
const DOCUMENT: Id = Id(0);

/// A document.
#[derive(Debug)]
pub(super) struct Tree {
    text: String,
    nodes: Vec<Node>,
}

type Span = (u32, u32);

#[derive(Clone, Debug)]
struct Node {
    /// The start tag of an element, otherwise the whole node.
    open: Span,
    /// The end tag; empty where the start tag closes itself.
    close: Span,
    /// The name without its prefix; empty for everything that is not an element.
    name: Span,
    /// The start tag, where it was changed.
    changed: Option<Box<str>>,
    first: u32,
    last: u32,
    next: u32,
}

/// The bytes `open..close` as a span.
fn span(from: usize, to: usize) -> Span {
    (u32::try_from(from).unwrap_or(NONE), u32::try_from(to).unwrap_or(NONE))
}

fn malformed(what: impl Into<String>) -> ManifestError {
    ManifestError::malformed(Place::default(), what)
}

impl Tree {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// [`ManifestError`] for tags that do not match, document type declarations and exceeded limits. Attributes
    /// are not looked at.
    pub(super) fn read(text: &str) -> Result<Self, ManifestError> {
        let root = Node { open: (0, 0), close: (0, 0), name: (0, 0), ..EMPTY };
        let mut tree = Self { text: text.to_owned(), nodes: vec![root] };
        tree.parse(0, DOCUMENT)?;
        if tree.root().is_none() {
            return Err(malformed("it has no root element"));
        }
        Ok(tree)
    }

    /// The root element.
    pub(super) fn root(&self) -> Option<Id> {
        self.children(DOCUMENT).next()
    }

    fn node(&self, id: Id) -> Option<&Node> {
        self.nodes.get(id.0 as usize)
    }

    fn at(&self, (from, to): Span) -> &str {
        self.text.get(from as usize..to as usize).unwrap_or_default()
    }

    /// All children of `id` in order.
    fn nodes_of(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        let mut next = self.node(id).map_or(NONE, |node| node.first);
        std::iter::from_fn(move || {
            let here = Id(next);
            next = self.node(here)?.next;
            Some(here)
        })
    }

    /// The child elements of `id` in order.
    pub(super) fn children(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        self.nodes_of(id).filter(|child| !self.name(*child).is_empty())
    }

    /// The name of an element without its prefix.
    pub(super) fn name(&self, id: Id) -> &str {
        self.node(id).map_or("", |node| self.at(node.name))
    }

    fn tag(&self, id: Id) -> &str {
        self.node(id).map_or("", |node| node.changed.as_deref().unwrap_or_else(|| self.at(node.open)))
    }

    /// What stands between the tags of an element that was not changed.
    pub(super) fn inner(&self, id: Id) -> &str {
        let Some(node) = self.node(id).filter(|node| node.close.1 > node.close.0) else { return "" };
        self.at((node.open.1, node.close.0))
    }

    /// The value of an attribute as written, escapes included.
    pub(super) fn attribute(&self, id: Id, name: &str) -> Option<&str> {
        let tag = self.tag(id);
        let (from, to) = find_attribute(tag, name)?.value;
        tag.get(from..to)
    }

    /// Sets an attribute to a value with its escapes.
    pub(super) fn set_attribute(&mut self, id: Id, name: &str, value: &str) {
        let value = value.replace('"', "&quot;").replace('<', "&lt;");
        let tag = self.tag(id);
        let changed = match find_attribute(tag, name) {
            Some(found) => {
                let (from, to) = found.whole;
                let written = tag.get(from..found.name_end).unwrap_or(name);
                [tag.get(..from), Some(written), Some("=\""), Some(value.as_str()), Some("\""), tag.get(to..)]
                    .map(Option::unwrap_or_default)
                    .concat()
            }
            None => {
                let end = tag.len() - if tag.ends_with("/>") { 2 } else { 1 };
                let (head, tail) = tag.split_at_checked(end).unwrap_or((tag, ""));
                format!("{} {name}=\"{value}\"{tail}", head.trim_end())
            }
        };
        self.change(id, changed);
    }

    /// Takes an attribute away; `false` when there is none.
    pub(super) fn remove_attribute(&mut self, id: Id, name: &str) -> bool {
        let tag = self.tag(id);
        let Some(found) = find_attribute(tag, name) else { return false };
        let (from, to) = found.whole;
        let before = tag.get(..from).unwrap_or_default().trim_end();
        let changed = [before, tag.get(to..).unwrap_or_default()].concat();
        self.change(id, changed);
        true
    }

    fn change(&mut self, id: Id, tag: String) {
        if let Some(node) = self.nodes.get_mut(id.0 as usize) {
            node.changed = Some(tag.into());
        }
    }

    /// Puts a piece of XML among the children of `parent`, behind `after` or before all.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub(super) fn insert(&mut self, parent: Id, after: Option<Id>, xml: &str) -> Result<(), ManifestError> {
        let from = self.text.len();
        if from.checked_add(xml.len()).is_none_or(|end| end >= NONE as usize) {
            return Err(malformed("the document is too long"));
        }
        self.text.push_str(xml);
        // The new nodes hang below a node of their own first.
        let holder = self.push(EMPTY)?;
        self.parse(from, holder)?;
        let Some(Node { first, last, .. }) = self.node(holder).cloned() else { return Ok(()) };
        if first == NONE {
            return Ok(());
        }
        let follows = match after {
            Some(after) => self.node(after).map_or(NONE, |node| node.next),
            None => self.node(parent).map_or(NONE, |node| node.first),
        };
        if let Some(last) = self.nodes.get_mut(last as usize) {
            last.next = follows;
        }
        match after.and_then(|after| self.nodes.get_mut(after.0 as usize)) {
            Some(after) => after.next = first,
            None => {
                if let Some(parent) = self.nodes.get_mut(parent.0 as usize) {
                    parent.first = first;
                }
            }
        }
        if let Some(parent) = self.nodes.get_mut(parent.0 as usize)
            && follows == NONE
        {
            parent.last = last;
        }
        Ok(())
    }

    /// The node before `id` among the children of `parent`.
    pub(super) fn before(&self, parent: Id, id: Id) -> Option<Id> {
        let mut before = None;
        for child in self.nodes_of(parent) {
            if child == id {
                return before;
            }
            before = Some(child);
        }
        None
    }

    /// The last child of `id`.
    pub(super) fn last(&self, id: Id) -> Option<Id> {
        self.node(id).map(|node| Id(node.last)).filter(|last| last.0 != NONE)
    }

    /// Takes an element away from its parent.
    pub(super) fn remove(&mut self, parent: Id, id: Id) {
        let before = self.before(parent, id);
        let next = self.node(id).map_or(NONE, |node| node.next);
        let target = before.unwrap_or(parent).0 as usize;
        if let Some(node) = self.nodes.get_mut(target) {
            if before.is_some() { node.next = next } else { node.first = next }
        }
        if let Some(parent) = self.nodes.get_mut(parent.0 as usize)
            && parent.last == id.0
        {
            parent.last = before.map_or(NONE, |before| before.0);
        }
    }

    /// Takes all children away.
    pub(super) fn clear(&mut self, id: Id) {
        if let Some(node) = self.nodes.get_mut(id.0 as usize) {
            (node.first, node.last) = (NONE, NONE);
        }
    }

    /// The document as text.
    pub(super) fn write(&self) -> String {
        let mut out = String::with_capacity(self.text.len());
        // What closes an open element, and what comes behind it.
        let mut open: Vec<(String, u32)> = Vec::new();
        let mut next = self.node(DOCUMENT).map_or(NONE, |node| node.first);
        loop {
            let Some(node) = self.node(Id(next)) else {
                let Some((close, then)) = open.pop() else { return out };
                out.push_str(&close);
                next = then;
                continue;
            };
            let tag = self.tag(Id(next));
            if node.first == NONE {
                out.push_str(tag);
                out.push_str(self.at(node.close));
                next = node.next;
                continue;
            }
            match tag.strip_suffix("/>") {
                // It was empty and is not any more.
                Some(head) => {
                    out.push_str(head.trim_end());
                    out.push('>');
                    open.push((format!("</{}>", name_of(tag).0), node.next));
                }
                None => {
                    out.push_str(tag);
                    open.push((self.at(node.close).to_owned(), node.next));
                }
            }
            next = node.first;
        }
    }

    fn push(&mut self, node: Node) -> Result<Id, ManifestError> {
        if self.nodes.len() >= NODES {
            return Err(ManifestError::TooMany { what: "parts of an XML document", max: NODES });
        }
        self.nodes.push(node);
        Ok(Id(u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)))
    }

    fn append(&mut self, parent: Id, node: Node) -> Result<Id, ManifestError> {
        let id = self.push(node)?;
        let Some(above) = self.nodes.get_mut(parent.0 as usize) else { return Ok(id) };
        let last = std::mem::replace(&mut above.last, id.0);
        if above.first == NONE {
            above.first = id.0;
        }
        if let Some(last) = self.nodes.get_mut(last as usize) {
            last.next = id.0;
        }
        Ok(id)
    }

    /// Hangs what stands from byte `from` on below `parent`.
    fn parse(&mut self, from: usize, parent: Id) -> Result<(), ManifestError> {
        let mut at = from;
        let mut open: Vec<Id> = vec![parent];
        while at < self.text.len() {
            let rest = self.text.get(at..).unwrap_or_default();
            let above = open.last().copied().unwrap_or(parent);
            let ends = |mark: &str| rest.find(mark).map(|end| at + end + mark.len());
            if !rest.starts_with('<') {
                let end = at + rest.find('<').unwrap_or(rest.len());
                self.append(above, Node { open: span(at, end), ..EMPTY })?;
                at = end;
            } else if rest.starts_with("<!--") || rest.starts_with("<?") || rest.starts_with("<![CDATA[") {
                let mark = match rest.as_bytes().get(1..3) {
                    Some(b"!-") => "-->",
                    Some(b"![") => "]]>",
                    _ => "?>",
                };
                let end = ends(mark).ok_or_else(|| malformed("a comment or instruction does not end"))?;
                self.append(above, Node { open: span(at, end), ..EMPTY })?;
                at = end;
            } else if rest.starts_with("<!") {
                return Err(malformed("a document type declaration is refused"));
            } else if let Some(name) = rest.strip_prefix("</") {
                let end = ends(">").ok_or_else(|| malformed("a tag does not end"))?;
                let name = name.split(['>', ' ', '\t', '\r', '\n']).next().unwrap_or_default();
                let matches = open.len() > 1 && name_of(self.at_open(above)).0 == name;
                if !matches {
                    return Err(malformed(format!("the tag {} was not opened", shown(name))));
                }
                if let Some(node) = self.nodes.get_mut(above.0 as usize) {
                    node.close = span(at, end);
                }
                open.pop();
                at = end;
            } else {
                let end = at + tag_end(rest).ok_or_else(|| malformed("a tag does not end"))?;
                let tag = self.text.get(at..end).unwrap_or_default();
                let (qualified, local) = name_of(tag);
                if local.is_empty() {
                    return Err(malformed("a tag has no name"));
                }
                let name_end = at + 1 + qualified.len();
                let name = span(name_end - local.len(), name_end);
                let empty = tag.ends_with("/>");
                let id = self.append(above, Node { open: span(at, end), name, ..EMPTY })?;
                if !empty {
                    if open.len() > limits::XML_DEPTH {
                        return Err(ManifestError::TooMany {
                            what: "nested XML elements",
                            max: limits::XML_DEPTH,
                        });
                    }
                    open.push(id);
                }
                at = end;
            }
        }
        if open.len() > 1 { Err(malformed("the document ends inside an element")) } else { Ok(()) }
    }

    fn at_open(&self, id: Id) -> &str {
        self.node(id).map_or("", |node| self.at(node.open))
    }
}

const EMPTY: Node =
    Node { open: (0, 0), close: (0, 0), name: (0, 0), changed: None, first: NONE, last: NONE, next: NONE };

/// The name in a start tag, and that without its prefix.
fn name_of(tag: &str) -> (&str, &str) {
    let rest = tag.strip_prefix('<').unwrap_or(tag);
    let name = rest.split(['>', '/', ' ', '\t', '\r', '\n']).next().unwrap_or_default();
    (name, name.rsplit(':').next().unwrap_or(name))
}

/// The length of the start tag that `text` begins with: up to the first `>` outside of quotes.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match quote {
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if byte == b'>' => return Some(at + 1),
            None if byte == b'"' || byte == b'\'' => quote = Some(byte),
            None => {}
        }
    }
    None
}

/// Where an attribute stands in a start tag.
struct Attribute {
    whole: (usize, usize),
    name_end: usize,
    value: (usize, usize),
}

/// The attribute `name`, by its whole name or else by that without a prefix.
fn find_attribute(tag: &str, name: &str) -> Option<Attribute> {
    let local = |name: &str| name.rsplit(':').next().map(str::to_owned);
    let mut second = None;
    let mut at = 1 + name_of(tag).0.len();
    loop {
        let rest = tag.get(at..)?;
        let from = at + rest.find(|c: char| !c.is_ascii_whitespace())?;
        let rest = tag.get(from..)?;
        let Some(equals) = rest.find('=') else { return second };
        let name_end = from + rest.get(..equals)?.trim_end().len();
        let found = tag.get(from..name_end)?;
        let after = tag.get(from + equals + 1..)?;
        let quote = from + equals + 1 + after.find(['"', '\''])?;
        let mark = tag.get(quote..)?.chars().next()?;
        let end = quote + 1 + tag.get(quote + 1..)?.find(mark)?;
        let attribute = Attribute { whole: (from, end + 1), name_end, value: (quote + 1, end) };
        if found == name {
            return Some(attribute);
        }
        if second.is_none() && !found.starts_with("xmlns") && local(found) == local(name) {
            second = Some(attribute);
        }
        at = end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "<?xml version=\"1.0\"?>\n<!-- > --><a x='1' y:z=\"a>b\">\n <b/> text <c>t</c><![CDATA[<]]>\n</a >\n";

    #[test]
    fn what_is_not_changed_is_written_as_it_was() {
        let tree = Tree::read(TEXT).unwrap();
        assert_eq!(tree.write(), TEXT);
        let root = tree.root().unwrap();
        assert_eq!((tree.name(root), tree.attribute(root, "z")), ("a", Some("a>b")));
        let names: Vec<&str> = tree.children(root).map(|child| tree.name(child)).collect();
        assert_eq!(names, ["b", "c"]);
    }

    #[test]
    fn changes_stand_where_they_belong() {
        let mut tree = Tree::read("<a x='1'><b/><c>t</c></a>").unwrap();
        let root = tree.root().unwrap();
        let children: Vec<Id> = tree.children(root).collect();
        tree.set_attribute(root, "x", "2&amp;\"");
        tree.set_attribute(children[0], "n", "v");
        tree.insert(children[0], None, "<d e='1'>in</d>").unwrap();
        tree.insert(root, Some(children[1]), "<last/>").unwrap();
        tree.insert(root, None, "<first/>").unwrap();
        tree.remove(root, children[1]);
        assert_eq!(tree.write(), "<a x=\"2&amp;&quot;\"><first/><b n=\"v\"><d e='1'>in</d></b><last/></a>");
        assert!(tree.remove_attribute(root, "x") && !tree.remove_attribute(root, "x"));
        assert!(tree.write().starts_with("<a><first/>"));
        let last = tree.last(root).unwrap();
        assert_eq!(tree.name(last), "last");
    }

    #[test]
    fn what_is_broken_is_refused() {
        for bad in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "</a>",
            "<a",
            "<a x='>",
            "<!DOCTYPE a><a/>",
            "<a><!-- </a>",
            "< a/>",
        ] {
            assert!(Tree::read(bad).is_err(), "{bad}");
        }
        assert!(Tree::read(&"<a>".repeat(100)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "[<>/a:=\"'! ?\\-\\[\\]]{0,60}") {
            if let Ok(mut tree) = Tree::read(&text) {
                let root = tree.root().unwrap();
                tree.set_attribute(root, "a", "b");
                tree.remove_attribute(root, "a");
                let _ = tree.insert(root, None, &text);
                let _ = tree.write();
            }
        }
    }
}
