//! A bounded walk over boxes (ISO/IEC 14496-12, 4.2): always advances, never recurses, allocates nothing.

use crate::limits;
use crate::media::bytes::Cursor;
use crate::media::error::MediaError;
use std::cell::Cell;

/// Name of the format in errors.
pub(crate) const CONTAINER: &str = "MP4";

/// One box of a file.
#[derive(Clone)]
pub(crate) struct Mp4Box<'a> {
    /// Type.
    pub kind: [u8; 4],
    /// Where its header begins in the file.
    pub start: usize,
    /// Where its contents begin in the file.
    pub body_start: usize,
    /// Contents without header.
    pub body: &'a [u8],
    budget: &'a Cell<usize>,
    depth: usize,
}

/// Sibling boxes in order.
pub(crate) struct Boxes<'a> {
    data: &'a [u8],
    origin: usize,
    at: usize,
    budget: &'a Cell<usize>,
    depth: usize,
}

/// How many boxes one file may hold, to be shared by all walks over it.
pub(crate) fn budget() -> Cell<usize> {
    Cell::new(limits::BOXES)
}

/// The boxes at the top level of a file.
pub(crate) fn top_level<'a>(data: &'a [u8], budget: &'a Cell<usize>) -> Boxes<'a> {
    Boxes { data, origin: 0, at: 0, budget, depth: 1 }
}

impl<'a> Mp4Box<'a> {
    /// End of the contents in the file.
    pub(crate) fn end(&self) -> usize {
        self.body_start + self.body.len()
    }

    /// Its fields.
    pub(crate) fn fields(&self) -> Cursor<'a> {
        Cursor::new(self.body, self.body_start, CONTAINER)
    }

    /// The fields of a full box, with version and flags.
    pub(crate) fn full(&self) -> Result<(u8, u32, Cursor<'a>), MediaError> {
        let mut fields = self.fields();
        let version = fields.u8()?;
        let flags = fields.u24()?;
        Ok((version, flags, fields))
    }

    /// Child boxes that begin `skip` bytes into the contents.
    pub(crate) fn children(&self, skip: usize) -> Boxes<'a> {
        let skip = skip.min(self.body.len());
        Boxes {
            data: &self.body[skip..],
            origin: self.body_start + skip,
            at: 0,
            budget: self.budget,
            depth: self.depth + 1,
        }
    }

    /// The first child of type `kind`.
    pub(crate) fn child(&self, kind: &[u8; 4]) -> Result<Option<Mp4Box<'a>>, MediaError> {
        self.children(0).first(kind)
    }

    /// The first child of type `kind`, which must exist.
    pub(crate) fn need(&self, kind: &[u8; 4], what: &'static str) -> Result<Mp4Box<'a>, MediaError> {
        self.child(kind)?.ok_or(MediaError::Malformed { container: CONTAINER, at: self.start, what })
    }
}

impl<'a> Boxes<'a> {
    /// The first box of type `kind`.
    pub(crate) fn first(self, kind: &[u8; 4]) -> Result<Option<Mp4Box<'a>>, MediaError> {
        for found in self {
            let found = found?;
            if found.kind == *kind {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn step(&mut self) -> Result<Option<Mp4Box<'a>>, MediaError> {
        let rest = &self.data[self.at..];
        let start = self.origin + self.at;
        let malformed = |what| MediaError::Malformed { container: CONTAINER, at: start, what };
        if rest.is_empty() {
            return Ok(None);
        }
        // QuickTime closes some lists with four zero bytes, which are no box.
        if self.depth > 1 && rest.len() < 8 && rest.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if self.depth > limits::BOX_DEPTH {
            return Err(MediaError::TooMany { what: "nested boxes", limit: limits::BOX_DEPTH });
        }
        let left = self.budget.get();
        if left == 0 {
            return Err(MediaError::TooMany { what: "boxes", limit: limits::BOXES });
        }
        self.budget.set(left - 1);
        let mut fields = Cursor::new(rest, start, CONTAINER);
        let short = u64::from(fields.u32().map_err(|_| malformed("a box header is cut off"))?);
        let kind = fields.fourcc().map_err(|_| malformed("a box header is cut off"))?;
        let mut header = 8;
        let size = match short {
            0 => rest.len() as u64,
            1 => {
                header = 16;
                fields.u64().map_err(|_| malformed("a box header is cut off"))?
            }
            size => size,
        };
        if size < header {
            return Err(malformed("a box is smaller than its header"));
        }
        if size > rest.len() as u64 {
            let missing = size - rest.len() as u64;
            return Err(if self.depth == 1 {
                MediaError::Truncated { container: CONTAINER, missing }
            } else {
                malformed("a box is larger than its parent")
            });
        }
        // Both fit: `size` is at most the length of a slice.
        let (size, header) = (size as usize, header as usize);
        self.at += size;
        Ok(Some(Mp4Box {
            kind,
            start,
            body_start: start + header,
            body: &rest[header..size],
            budget: self.budget,
            depth: self.depth,
        }))
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = Result<Mp4Box<'a>, MediaError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().transpose();
        if matches!(step, Some(Err(_))) {
            self.at = self.data.len();
        }
        step
    }
}
