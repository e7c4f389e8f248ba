//! Elements of EBML (RFC 8794): a bounded walk that always advances and never recurses.

use crate::limits;
use crate::media::error::MediaError;

/// Name of the format in errors.
pub(super) const CONTAINER: &str = "WebM";

/// Identifiers of the elements that are read (RFC 9559, 5.1).
pub(super) mod id {
    pub(crate) const SEGMENT: u32 = 0x1853_8067;
    pub(crate) const CLUSTER: u32 = 0x1f43_b675;
    pub(crate) const INFO: u32 = 0x1549_a966;
    pub(crate) const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
    pub(crate) const TRACKS: u32 = 0x1654_ae6b;
    pub(crate) const TRACK_ENTRY: u32 = 0xae;
    pub(crate) const TRACK_NUMBER: u32 = 0xd7;
    pub(crate) const TRACK_TYPE: u32 = 0x83;
    pub(crate) const CODEC_ID: u32 = 0x86;
    pub(crate) const CODEC_PRIVATE: u32 = 0x63a2;
    pub(crate) const CODEC_DELAY: u32 = 0x56aa;
    pub(crate) const DEFAULT_DURATION: u32 = 0x23_e383;
    pub(crate) const CONTENT_ENCODINGS: u32 = 0x6d80;
    pub(crate) const VIDEO: u32 = 0xe0;
    pub(crate) const PIXEL_WIDTH: u32 = 0xb0;
    pub(crate) const PIXEL_HEIGHT: u32 = 0xba;
    pub(crate) const DISPLAY_WIDTH: u32 = 0x54b0;
    pub(crate) const DISPLAY_HEIGHT: u32 = 0x54ba;
    pub(crate) const DISPLAY_UNIT: u32 = 0x54b2;
    pub(crate) const AUDIO: u32 = 0xe1;
    pub(crate) const SAMPLING_FREQUENCY: u32 = 0xb5;
    pub(crate) const CHANNELS: u32 = 0x9f;
    pub(crate) const CLUSTER_TIMESTAMP: u32 = 0xe7;
    pub(crate) const SIMPLE_BLOCK: u32 = 0xa3;
    pub(crate) const BLOCK_GROUP: u32 = 0xa0;
    pub(crate) const BLOCK: u32 = 0xa1;
    pub(crate) const BLOCK_DURATION: u32 = 0x9b;
    pub(crate) const REFERENCE_BLOCK: u32 = 0xfb;
}

/// One element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub id: u32,
    /// Where its contents begin in the file.
    pub at: usize,
    /// Contents; empty for a [`Elements::flat`] container.
    pub body: &'a [u8],
}

/// Sibling elements in order.
pub(super) struct Elements<'a> {
    data: &'a [u8],
    origin: usize,
    at: usize,
    left: usize,
    /// Segments and clusters are reported without contents, and what they hold follows as if it stood
    /// beside them: their sizes may be unknown, or that of the whole file in a piece of it.
    flat: bool,
}

impl<'a> Elements<'a> {
    /// The elements of a file, those of segments and clusters among them.
    pub(super) fn flat(data: &'a [u8]) -> Self {
        Self { data, origin: 0, at: 0, left: limits::BOXES, flat: true }
    }

    fn malformed(&self, what: &'static str) -> MediaError {
        MediaError::Malformed { container: CONTAINER, at: self.origin + self.at, what }
    }

    fn step(&mut self) -> Result<Option<Element<'a>>, MediaError> {
        let rest = &self.data[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        if self.left == 0 {
            return Err(MediaError::TooMany { what: "elements", limit: limits::BOXES });
        }
        self.left -= 1;
        let (id, id_bytes) = identifier(rest).ok_or_else(|| self.malformed("an identifier is damaged"))?;
        let (size, size_bytes) =
            number(&rest[id_bytes..]).ok_or_else(|| self.malformed("an element's size is damaged"))?;
        let header = id_bytes + size_bytes;
        let available = (rest.len() - header) as u64;
        let at = self.origin + self.at + header;
        if self.flat && matches!(id, id::SEGMENT | id::CLUSTER) {
            // The rest of a cluster must be here; that of a segment comes piece by piece.
            if let Some(size) = size.filter(|size| id == id::CLUSTER && *size > available) {
                return Err(MediaError::Truncated { container: CONTAINER, missing: size - available });
            }
            self.at += header;
            return Ok(Some(Element { id, at, body: &[] }));
        }
        let size = size.ok_or_else(|| self.malformed("an element has no size"))?;
        if size > available {
            return Err(match self.flat {
                true => MediaError::Truncated { container: CONTAINER, missing: size - available },
                false => self.malformed("an element is larger than its parent"),
            });
        }
        // At most the length of a slice.
        let end = header + size as usize;
        self.at += end;
        Ok(Some(Element { id, at, body: &rest[header..end] }))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, MediaError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().transpose();
        if matches!(step, Some(Err(_))) {
            self.at = self.data.len();
        }
        step
    }
}

impl<'a> Element<'a> {
    /// The elements inside.
    pub(super) fn children(&self) -> Elements<'a> {
        Elements { data: self.body, origin: self.at, at: 0, left: limits::BOXES, flat: false }
    }

    /// Contents as an unsigned integer of at most eight bytes; more saturate.
    pub(super) fn unsigned(&self) -> u64 {
        if self.body.len() > 8 {
            return u64::MAX;
        }
        self.body.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    /// [`unsigned`](Self::unsigned) in 32 bits, saturating.
    pub(super) fn unsigned32(&self) -> u32 {
        u32::try_from(self.unsigned()).unwrap_or(u32::MAX)
    }

    /// Contents as a floating-point number; zero when they are none.
    pub(super) fn float(&self) -> f64 {
        match *self.body {
            [a, b, c, d] => f64::from(f32::from_be_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => f64::from_be_bytes([a, b, c, d, e, f, g, h]),
            _ => 0.0,
        }
    }
}

/// An identifier with its marker bit, and its bytes.
fn identifier(data: &[u8]) -> Option<(u32, usize)> {
    let length = data.first()?.leading_zeros() as usize + 1;
    if length > 4 {
        return None;
    }
    Some((data.get(..length)?.iter().fold(0, |id, byte| id << 8 | u32::from(*byte)), length))
}

/// A number without its marker bit (`None` when all its bits are set: unknown), and its bytes.
pub(super) fn number(data: &[u8]) -> Option<(Option<u64>, usize)> {
    let length = data.first()?.leading_zeros() as usize + 1;
    if length > 8 {
        return None;
    }
    let value = data.get(..length)?.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    let mask = (1u64 << (7 * length)) - 1;
    Some(((value & mask != mask).then_some(value & mask), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_to_eight_bytes() {
        assert_eq!(number(&[0x82]), Some((Some(2), 1)));
        assert_eq!(number(&[0x40, 0x02]), Some((Some(2), 2)));
        assert_eq!(number(&[0xff]), Some((None, 1)));
        assert_eq!(number(&[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Some((None, 8)));
        assert_eq!(number(&[0x40]), None);
        assert_eq!(number(&[0x00; 9]), None);
    }

    #[test]
    fn clusters_of_unknown_size_are_walked() {
        let data = [0x1f, 0x43, 0xb6, 0x75, 0xff, 0xe7, 0x81, 5, 0xa3, 0x80];
        let ids: Vec<_> = Elements::flat(&data).map(|element| element.unwrap().id).collect();
        assert_eq!(ids, [id::CLUSTER, id::CLUSTER_TIMESTAMP, id::SIMPLE_BLOCK]);
        let cut = [0x1f, 0x43, 0xb6, 0x75, 0x88, 0xe7, 0x81, 5];
        let error = Elements::flat(&cut).next().unwrap().unwrap_err();
        assert_eq!(error, MediaError::Truncated { container: CONTAINER, missing: 5 });
    }
}
