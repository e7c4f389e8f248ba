//! Rows as Parquet: text as dictionaries, numbers plain, no compression.
//!
//! Written here because the common implementation takes longer to build than the whole of this program; the tests
//! read the files with it. Source: Apache Parquet, `README.md`, `Encodings.md` and `parquet.thrift`, version 2.10.

use super::thrift::{self, I32, STRUCT, Struct, TEXT, varint};
use super::{COLUMNS, Column, Kind, Row, Value};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Rows per row group; bounds what is held in memory.
pub const GROUP_ROWS: usize = 8192;

const MAGIC: &[u8; 4] = b"PAR1";

/// Physical types, encodings and page types by their numbers in `parquet.thrift`.
mod number {
    pub(super) const INT64: i32 = 2;
    pub(super) const DOUBLE: i32 = 5;
    pub(super) const BYTE_ARRAY: i32 = 6;
    pub(super) const REQUIRED: i32 = 0;
    pub(super) const OPTIONAL: i32 = 1;
    pub(super) const UTF8: i32 = 0;
    pub(super) const UNCOMPRESSED: i32 = 0;
    pub(super) const PLAIN: i32 = 0;
    pub(super) const RLE: i32 = 3;
    pub(super) const RLE_DICTIONARY: i32 = 8;
    pub(super) const DATA_PAGE: i32 = 0;
    pub(super) const DICTIONARY_PAGE: i32 = 2;
}

/// Where a column of a row group lies.
struct Chunk {
    dictionary: Option<u64>,
    data: u64,
    end: u64,
}

impl Chunk {
    fn start(&self) -> u64 {
        self.dictionary.unwrap_or(self.data)
    }
}

struct Group {
    rows: usize,
    chunks: Vec<Chunk>,
}

/// Writes rows; the file can be read after [`Writer::finish`].
pub struct Writer<W> {
    out: W,
    offset: u64,
    waiting: Vec<Row>,
    groups: Vec<Group>,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    pub fn new(out: W) -> io::Result<Self> {
        let mut this = Self { out, offset: 0, waiting: Vec::new(), groups: Vec::new() };
        this.put(MAGIC)?;
        Ok(this)
    }

    /// Adds a row.
    pub fn write(&mut self, row: Row) -> io::Result<()> {
        self.waiting.push(row);
        if self.waiting.len() >= GROUP_ROWS { self.group() } else { Ok(()) }
    }

    /// Writes what tells readers where everything is, and gives back the output.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.waiting.is_empty() {
            self.group()?;
        }
        let footer = footer(&self.groups);
        self.put(&footer)?;
        self.put(&u32::try_from(footer.len()).map_err(io::Error::other)?.to_le_bytes())?;
        self.put(MAGIC)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.offset += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn group(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.waiting);
        let chunks = COLUMNS.iter().map(|column| self.chunk(column, &rows)).collect::<io::Result<_>>()?;
        self.groups.push(Group { rows: rows.len(), chunks });
        self.waiting = rows;
        self.waiting.clear();
        Ok(())
    }

    fn chunk(&mut self, column: &Column, rows: &[Row]) -> io::Result<Chunk> {
        let (mut body, mut dictionary) = (Vec::new(), None);
        match column.kind {
            Kind::Text => {
                let (entries, page) = texts(column, rows, &mut body);
                dictionary = Some(self.offset);
                self.page(number::DICTIONARY_PAGE, entries, &page)?;
            }
            Kind::Count | Kind::Number => plain(column, rows, &mut body),
            Kind::MaybeNumber => {
                let mut levels = Vec::new();
                hybrid(&mut levels, 1, rows.iter().map(|row| u32::from(column.get(row) != Value::Missing)));
                body.extend_from_slice(&(levels.len() as u32).to_le_bytes());
                body.append(&mut levels);
                plain(column, rows, &mut body);
            }
        }
        let data = self.offset;
        let encoding = if dictionary.is_some() { number::RLE_DICTIONARY } else { number::PLAIN };
        self.data_page(rows.len(), encoding, &body)?;
        Ok(Chunk { dictionary, data, end: self.offset })
    }

    fn data_page(&mut self, values: usize, encoding: i32, body: &[u8]) -> io::Result<()> {
        self.headed(number::DATA_PAGE, body, |header| {
            header.structure(5, |page| {
                page.i32(1, values as i32);
                page.i32(2, encoding);
                page.i32(3, number::RLE);
                page.i32(4, number::RLE);
            });
        })
    }

    fn page(&mut self, kind: i32, entries: usize, body: &[u8]) -> io::Result<()> {
        self.headed(kind, body, |header| {
            header.structure(7, |page| {
                page.i32(1, entries as i32);
                page.i32(2, number::PLAIN);
            });
        })
    }

    fn headed(&mut self, kind: i32, body: &[u8], more: impl FnOnce(&mut Struct<'_>)) -> io::Result<()> {
        let length = i32::try_from(body.len()).map_err(io::Error::other)?;
        let mut header = Vec::new();
        Struct::write(&mut header, |page| {
            page.i32(1, kind);
            page.i32(2, length);
            page.i32(3, length);
            more(page);
        });
        self.put(&header)?;
        self.put(body)
    }
}

/// Appends the indexes of a column's texts to `body`; the number of different texts, and these one after the other.
fn texts(column: &Column, rows: &[Row], body: &mut Vec<u8>) -> (usize, Vec<u8>) {
    let (mut places, mut page) = (BTreeMap::new(), Vec::new());
    let mut indexes = Vec::with_capacity(rows.len());
    for row in rows {
        let Value::Text(text) = column.get(row) else { continue };
        let next = places.len() as u32;
        let index = *places.entry(text).or_insert_with_key(|text| {
            page.extend_from_slice(&(text.len() as u32).to_le_bytes());
            page.extend_from_slice(text.as_bytes());
            next
        });
        indexes.push(index);
    }
    let width = (u32::BITS - (places.len() as u32).saturating_sub(1).leading_zeros()).max(1);
    body.push(width as u8);
    hybrid(body, width, indexes.into_iter());
    (places.len(), page)
}

fn plain(column: &Column, rows: &[Row], body: &mut Vec<u8>) {
    for row in rows {
        match column.get(row) {
            Value::Count(count) => {
                body.extend_from_slice(&i64::try_from(count).unwrap_or(i64::MAX).to_le_bytes());
            }
            Value::Number(number) => body.extend_from_slice(&number.to_le_bytes()),
            Value::Text(_) | Value::Missing => {}
        }
    }
}

/// Numbers of `width` bits: long runs of the same as one, the rest packed in groups of eight.
fn hybrid(out: &mut Vec<u8>, width: u32, values: impl Iterator<Item = u32>) {
    let values: Vec<u32> = values.collect();
    let run = |from: usize| values[from..].iter().take_while(|value| **value == values[from]).count();
    let mut at = 0;
    while at < values.len() {
        let same = run(at);
        if same >= 8 {
            varint(out, (same as u64) << 1);
            out.extend_from_slice(&values[at].to_le_bytes()[..width.div_ceil(8) as usize]);
            at += same;
            continue;
        }
        let start = at;
        while at < values.len() && (at == start || run(at) < 8) {
            at += 8;
        }
        varint(out, ((at - start) / 8) as u64 * 2 + 1);
        let (mut bits, mut held) = (0u64, 0);
        for place in start..at {
            bits |= u64::from(values.get(place).copied().unwrap_or(0)) << held;
            held += width;
            while held >= 8 {
                out.push(bits as u8);
                bits >>= 8;
                held -= 8;
            }
        }
    }
}

fn footer(groups: &[Group]) -> Vec<u8> {
    let mut out = Vec::new();
    Struct::write(&mut out, |file| {
        file.i32(1, 2);
        file.list(2, STRUCT, COLUMNS.len() + 1, schema);
        file.i64(3, groups.iter().map(|group| group.rows as u64).sum());
        file.list(4, STRUCT, groups.len(), |out| {
            for group in groups {
                Struct::write(out, |to| group_metadata(to, group));
            }
        });
        file.text(6, concat!("abr-sim version ", env!("CARGO_PKG_VERSION")));
    });
    out
}

fn physical(column: &Column) -> i32 {
    match column.kind {
        Kind::Text => number::BYTE_ARRAY,
        Kind::Count => number::INT64,
        Kind::Number | Kind::MaybeNumber => number::DOUBLE,
    }
}

fn schema(out: &mut Vec<u8>) {
    Struct::write(out, |root| {
        root.text(4, "session");
        root.i32(5, COLUMNS.len() as i32);
    });
    for column in COLUMNS {
        let optional = column.kind == Kind::MaybeNumber;
        Struct::write(out, |element| {
            element.i32(1, physical(column));
            element.i32(3, if optional { number::OPTIONAL } else { number::REQUIRED });
            element.text(4, column.name);
            if column.kind == Kind::Text {
                element.i32(6, number::UTF8);
                element.structure(10, |logical| logical.structure(1, |_| {}));
            }
        });
    }
}

fn group_metadata(to: &mut Struct<'_>, group: &Group) {
    to.list(1, STRUCT, COLUMNS.len(), |out| {
        for (column, chunk) in COLUMNS.iter().zip(&group.chunks) {
            Struct::write(out, |to| {
                to.i64(2, 0);
                to.structure(3, |to| chunk_metadata(to, column, chunk, group.rows));
            });
        }
    });
    let bytes = |chunk: &Chunk| chunk.end - chunk.start();
    to.i64(2, group.chunks.iter().map(bytes).sum());
    to.i64(3, group.rows as u64);
}

fn chunk_metadata(to: &mut Struct<'_>, column: &Column, chunk: &Chunk, rows: usize) {
    let encodings: &[i32] = match column.kind {
        Kind::Text => &[number::PLAIN, number::RLE, number::RLE_DICTIONARY],
        Kind::Count | Kind::Number | Kind::MaybeNumber => &[number::PLAIN, number::RLE],
    };
    to.i32(1, physical(column));
    to.list(2, I32, encodings.len(), |out| encodings.iter().for_each(|e| thrift::i32(out, *e)));
    to.list(3, TEXT, 1, |out| thrift::string(out, column.name));
    to.i32(4, number::UNCOMPRESSED);
    to.i64(5, rows as u64);
    let bytes = chunk.end - chunk.start();
    to.i64(6, bytes);
    to.i64(7, bytes);
    to.i64(9, chunk.data);
    if let Some(dictionary) = chunk.dictionary {
        to.i64(11, dictionary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_runs_and_the_rest_is_packed() {
        let mut out = Vec::new();
        // Eight times 1, then 0..8 in three bits: the example of the format's own description.
        hybrid(&mut out, 3, [1; 8].into_iter().chain(0..8));
        assert_eq!(out, [16, 1, 3, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
        out.clear();
        hybrid(&mut out, 1, [1, 0, 1].into_iter());
        assert_eq!(out, [3, 0b101], "the last group is filled up");
    }
}
