//! As much of Thrift's compact protocol as the metadata of a Parquet file needs.
//!
//! Source: Apache Thrift, `doc/specs/thrift-compact-protocol.md`.

/// Type numbers of list elements.
pub(super) const I32: u8 = 5;
pub(super) const TEXT: u8 = 8;
pub(super) const STRUCT: u8 = 12;

const I64: u8 = 6;
const LIST: u8 = 9;

/// Appends a number of seven bits per byte, the lowest first.
pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Small numbers of either sign become small numbers.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// A struct being written; fields must come in ascending order.
pub(super) struct Struct<'a> {
    out: &'a mut Vec<u8>,
    last: u8,
}

impl<'a> Struct<'a> {
    /// Writes a struct.
    pub(super) fn write(out: &'a mut Vec<u8>, fields: impl FnOnce(&mut Struct<'_>)) {
        let mut this = Struct { out, last: 0 };
        fields(&mut this);
        this.out.push(0);
    }

    fn field(&mut self, id: u8, kind: u8) {
        // Every id here is less than 15 above the one before.
        self.out.push((id - self.last) << 4 | kind);
        self.last = id;
    }

    pub(super) fn i32(&mut self, id: u8, value: i32) {
        self.field(id, I32);
        varint(self.out, zigzag(value.into()));
    }

    pub(super) fn i64(&mut self, id: u8, value: u64) {
        self.field(id, I64);
        varint(self.out, zigzag(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    pub(super) fn text(&mut self, id: u8, text: &str) {
        self.field(id, TEXT);
        string(self.out, text);
    }

    pub(super) fn structure(&mut self, id: u8, fields: impl FnOnce(&mut Struct<'_>)) {
        self.field(id, STRUCT);
        Struct::write(self.out, fields);
    }

    /// A list of `count` elements of type `kind`, which `elements` appends.
    pub(super) fn list(&mut self, id: u8, kind: u8, count: usize, elements: impl FnOnce(&mut Vec<u8>)) {
        self.field(id, LIST);
        match u8::try_from(count) {
            Ok(count @ 0..15) => self.out.push(count << 4 | kind),
            _ => {
                self.out.push(0xf0 | kind);
                varint(self.out, count as u64);
            }
        }
        elements(self.out);
    }
}

/// Appends a string as a list element.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends an `i32` as a list element.
pub(super) fn i32(out: &mut Vec<u8>, value: i32) {
    varint(out, zigzag(value.into()));
}
