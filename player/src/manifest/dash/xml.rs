//! XML as a stream of elements, bounded: depth, number of elements, attributes. Entities are never defined
//! nor expanded beyond the five of XML itself, and document type declarations are refused.

use crate::limits;
use crate::manifest::policy::shown;
use crate::manifest::{ManifestError, Place};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use std::borrow::Cow;

/// Most warnings kept of one document.
const WARNINGS: usize = 100;

/// Pulls elements out of a document.
pub(super) struct Reader<'a> {
    inner: quick_xml::Reader<&'a [u8]>,
    text: &'a str,
    depth: usize,
    elements: usize,
    /// What was wrong but could be lived with.
    pub(super) warnings: Vec<String>,
}

/// A start tag.
pub(super) struct Element<'a> {
    start: BytesStart<'a>,
    text: &'a str,
    offset: usize,
}

/// The attributes of one element, by local name.
pub(super) struct Attributes<'e> {
    list: Vec<(&'e str, Cow<'e, str>)>,
    place: (&'e str, usize, &'e str),
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut inner = quick_xml::Reader::from_str(text);
        inner.config_mut().expand_empty_elements = true;
        Self { inner, text, depth: 0, elements: 0, warnings: Vec::new() }
    }

    /// Notes something. Finding the place costs a walk over the text, so it is done for kept warnings only.
    pub(super) fn warn(&mut self, place: impl FnOnce() -> Place, what: impl std::fmt::Display) {
        if self.warnings.len() < WARNINGS {
            self.warnings.push(format!("{}: {what}", place()));
        }
    }

    fn offset(&self) -> usize {
        usize::try_from(self.inner.buffer_position()).unwrap_or(usize::MAX)
    }

    fn malformed(&self, what: impl Into<String>) -> ManifestError {
        let offset = usize::try_from(self.inner.error_position()).unwrap_or(0).max(self.offset());
        ManifestError::malformed(place_of(self.text, offset, ""), what)
    }

    /// The next event with everything that is refused turned into an error.
    fn event(&mut self) -> Result<Event<'a>, ManifestError> {
        let event = self.inner.read_event().map_err(|error| self.malformed(error.to_string()))?;
        match &event {
            Event::Start(_) => {
                self.depth += 1;
                self.elements += 1;
                if self.depth > limits::XML_DEPTH {
                    return Err(ManifestError::TooMany {
                        what: "nested XML elements",
                        max: limits::XML_DEPTH,
                    });
                }
                if self.elements > limits::XML_ELEMENTS {
                    return Err(ManifestError::TooMany { what: "XML elements", max: limits::XML_ELEMENTS });
                }
            }
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::DocType(_) => return Err(self.malformed("a document type declaration is refused")),
            Event::Eof if self.depth > 0 => return Err(self.malformed("the document ends inside an element")),
            _ => {}
        }
        Ok(event)
    }

    /// The root element.
    pub(super) fn root(&mut self) -> Result<Element<'a>, ManifestError> {
        loop {
            let offset = self.offset();
            match self.event()? {
                Event::Start(start) => return Ok(Element { start, text: self.text, offset }),
                Event::Eof => return Err(ManifestError::NotAManifest("it has no root element".to_owned())),
                Event::Text(text) if text.trim().is_empty() => {}
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                    return Err(self.malformed("text stands before the root element"));
                }
                _ => {}
            }
        }
    }

    /// The next child of the open element; `None` when that element ends.
    pub(super) fn child(&mut self) -> Result<Option<Element<'a>>, ManifestError> {
        loop {
            let offset = self.offset();
            match self.event()? {
                Event::Start(start) => return Ok(Some(Element { start, text: self.text, offset })),
                Event::End(_) | Event::Eof => return Ok(None),
                Event::GeneralRef(name) => {
                    self.entity(&name)?;
                }
                _ => {}
            }
        }
    }

    /// Passes over the rest of the open element.
    pub(super) fn skip(&mut self) -> Result<(), ManifestError> {
        let mut open = 1usize;
        while open > 0 {
            match self.child()? {
                Some(_) => open += 1,
                None => open -= 1,
            }
        }
        Ok(())
    }

    /// The text of the open element, trimmed; elements inside are passed over.
    pub(super) fn text(&mut self) -> Result<String, ManifestError> {
        Ok(self.texts("")?.0)
    }

    /// As [`text`](Self::text), and with it the text of the first element `inner` inside, at any depth.
    pub(super) fn texts(&mut self, inner: &str) -> Result<(String, Option<String>), ManifestError> {
        let (mut own, mut found) = (String::new(), None::<String>);
        // At which depth the inner element is open.
        let (mut open, mut inside) = (1usize, None);
        while open > 0 {
            let mut add = |text: &str, open: usize| match &mut found {
                _ if open == 1 => own.push_str(text),
                Some(found) if inside == Some(open) => found.push_str(text),
                _ => {}
            };
            match self.event()? {
                Event::Start(start) => {
                    open += 1;
                    if found.is_none() && start.local_name().into_inner() == inner {
                        (found, inside) = (Some(String::new()), Some(open));
                    }
                }
                Event::End(_) | Event::Eof => {
                    inside = inside.filter(|depth| *depth != open);
                    open -= 1;
                }
                Event::Text(text) => add(&text.xml10_content(), open),
                Event::CData(text) => add(&text.xml10_content(), open),
                Event::GeneralRef(name) => {
                    let character = self.entity(&name)?;
                    add(character.encode_utf8(&mut [0; 4]), open);
                }
                _ => {}
            }
        }
        Ok((own.trim().to_owned(), found.map(|text| text.trim().to_owned())))
    }

    fn entity(&self, name: &quick_xml::events::BytesRef<'_>) -> Result<char, ManifestError> {
        let known = match &**name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => name.resolve_char_ref().ok().flatten(),
        };
        known.ok_or_else(|| self.malformed("an entity that XML does not define is refused"))
    }
}

impl<'a> Element<'a> {
    /// The name without its prefix.
    pub(super) fn name(&self) -> &str {
        self.start.local_name().into_inner()
    }

    pub(super) fn place(&self) -> Place {
        place_of(self.text, self.offset, self.name())
    }

    /// All attributes.
    pub(super) fn attributes(&self) -> Result<Attributes<'_>, ManifestError> {
        if !separated(self.start.attributes_raw()) {
            return Err(ManifestError::malformed(self.place(), "there is no space between two attributes"));
        }
        let mut list = Vec::new();
        for attribute in self.start.attributes() {
            let attribute =
                attribute.map_err(|error| ManifestError::malformed(self.place(), error.to_string()))?;
            if list.len() >= limits::XML_ATTRIBUTES {
                return Err(ManifestError::TooMany { what: "attributes", max: limits::XML_ATTRIBUTES });
            }
            let key = attribute.key.local_name().into_inner();
            let value = match attribute.value {
                // Nothing to unescape or to normalize: the usual case.
                Cow::Borrowed(raw) if !raw.contains(['&', '\t', '\n', '\r']) => Cow::Borrowed(raw),
                _ => Cow::Owned(
                    attribute
                        .normalized_value(XmlVersion::Implicit1_0)
                        .map_err(|error| ManifestError::malformed(self.place(), error.to_string()))?
                        .into_owned(),
                ),
            };
            list.push((key, value));
        }
        Ok(Attributes { list, place: (self.text, self.offset, self.name()) })
    }
}

impl Attributes<'_> {
    pub(super) fn place(&self) -> Place {
        let (text, offset, name) = self.place;
        place_of(text, offset, name)
    }

    /// The value of `name`.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.list.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_ref())
    }

    /// See [`text`](Self::text).
    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// The value of `name` as `read` understands it; a value that it does not is left out with a warning.
    pub(super) fn parsed<T>(
        &self,
        reader: &mut Reader<'_>,
        name: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = read(text.trim());
        if value.is_none() {
            reader.warn(|| self.place(), format!("@{name} {} is not understood and left out", shown(text)));
        }
        value
    }

    /// See [`parsed`](Self::parsed), for an unsigned number.
    pub(super) fn number(&self, reader: &mut Reader<'_>, name: &str) -> Option<u64> {
        self.parsed(reader, name, |text| text.parse().ok())
    }
}

/// Whether white space follows every attribute value (XML 1.0, 3.1), which the pull parser does not check.
fn separated(raw: &str) -> bool {
    let mut open = None;
    let mut closed = false;
    for byte in raw.bytes() {
        match open {
            Some(quote) if byte == quote => (open, closed) = (None, true),
            Some(_) => {}
            None if closed && !byte.is_ascii_whitespace() => return false,
            None => {
                closed = false;
                if byte == b'"' || byte == b'\'' {
                    open = Some(byte);
                }
            }
        }
    }
    true
}

fn place_of(text: &str, offset: usize, name: &str) -> Place {
    let bytes = text.as_bytes();
    let before = bytes.get(..offset.min(bytes.len())).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let tail = before.get(start..).unwrap_or_default();
    let column = tail.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64 + 1;
    Place { line, column, name: name.to_owned() }
}
