//! Rows as CSV (RFC 4180, line feeds only): a header of column names, missing values empty.
//!
//! Numbers are written with the fewest digits that read back to the same value.

use super::{COLUMNS, Row, Value};
use crate::sim::input::{Problem, ReadError, shorten};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// Longest record that is read, in bytes.
pub const MAX_RECORD: usize = 1 << 20;

/// Writes the names of the columns.
pub fn header(out: &mut impl Write) -> io::Result<()> {
    let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    writeln!(out, "{}", names.join(","))
}

/// Writes a row.
pub fn write(out: &mut impl Write, row: &Row) -> io::Result<()> {
    for (place, column) in COLUMNS.iter().enumerate() {
        if place > 0 {
            out.write_all(b",")?;
        }
        match column.get(row) {
            Value::Text(text) if text.contains([',', '"', '\n', '\r']) => {
                write!(out, "\"{}\"", text.replace('"', "\"\""))?;
            }
            Value::Text(text) => out.write_all(text.as_bytes())?,
            Value::Count(count) => write!(out, "{count}")?,
            Value::Number(number) => write!(out, "{number}")?,
            Value::Missing => {}
        }
    }
    out.write_all(b"\n")
}

/// The rows of a file, one after the other.
#[derive(Debug)]
pub struct Reader<R> {
    records: Records<R>,
    /// The first record, when it is a row: only the first of several shards has a header.
    first: Option<Vec<String>>,
    path: PathBuf,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header, if there is one.
    pub fn new(path: &Path, input: R) -> Result<Self, ReadError> {
        let mut records = Records::new(input);
        let first = records.read().map_err(|problem| problem.in_file(path))?;
        let is_header = |names: &Vec<String>| names.iter().eq(COLUMNS.iter().map(|column| column.name));
        let first = first.filter(|record| !is_header(record));
        if first.as_ref().is_some_and(|record| record.len() != COLUMNS.len()) {
            let said = "is no table of results of this version: it must begin with the columns that `abr-sim schema` lists";
            return Err(Problem::Syntax(said.to_owned()).on_line(path, 1));
        }
        Ok(Self { records, first, path: path.to_owned() })
    }

    /// The next row; a last one that was cut off is left out.
    pub fn read_row(&mut self) -> Result<Option<Row>, ReadError> {
        let wrong = |problem: Problem, line| problem.on_line(&self.path, line);
        let fields = match self.first.take() {
            Some(fields) => Some(fields),
            None => self.records.read().map_err(|problem| wrong(problem, self.records.line))?,
        };
        let Some(fields) = fields else { return Ok(None) };
        let mut row = Row::default();
        if fields.len() != COLUMNS.len() {
            let said = format!("has {} fields instead of {}", fields.len(), COLUMNS.len());
            return Err(wrong(Problem::Syntax(said), self.records.line));
        }
        for (column, field) in COLUMNS.iter().zip(&fields) {
            if !column.parse(field).is_some_and(|value| column.set(&mut row, value)) {
                let said = format!("{:?} is no {}", shorten(field), column.name);
                return Err(wrong(Problem::Value(said), self.records.line));
            }
        }
        Ok(Some(row))
    }

    /// Bytes up to the end of the last row that was read.
    pub fn offset(&self) -> u64 {
        self.records.offset
    }
}

/// All rows of a file.
pub fn read(path: &Path) -> Result<Vec<Row>, ReadError> {
    let file = File::open(path).map_err(|error| Problem::Io(error).in_file(path))?;
    let mut reader = Reader::new(path, BufReader::new(file))?;
    let mut rows = Vec::new();
    while let Some(row) = reader.read_row()? {
        rows.push(row);
    }
    Ok(rows)
}

/// Records of a CSV text.
#[derive(Debug)]
struct Records<R> {
    input: R,
    /// Bytes up to the end of the last record.
    offset: u64,
    /// Lines up to the end of the last record.
    line: usize,
}

impl<R: BufRead> Records<R> {
    fn new(input: R) -> Self {
        Self { input, offset: 0, line: 0 }
    }

    /// The fields of the next complete record.
    fn read(&mut self) -> Result<Option<Vec<String>>, Problem> {
        let mut bytes = Vec::new();
        loop {
            let left = (MAX_RECORD - bytes.len()) as u64;
            let read = io::Read::take(&mut self.input, left).read_until(b'\n', &mut bytes)?;
            if bytes.len() >= MAX_RECORD {
                return Err(Problem::TooLarge(MAX_RECORD as u64));
            }
            if read == 0 || bytes.last() != Some(&b'\n') {
                return Ok(None);
            }
            self.line += 1;
            // A line break between quotes belongs to a field.
            if bytes.iter().filter(|byte| **byte == b'"').count() % 2 == 0 {
                break;
            }
        }
        self.offset += bytes.len() as u64;
        bytes.pop();
        let text = String::from_utf8(bytes).map_err(|_| Problem::NotText)?;
        Ok(Some(fields(&text)))
    }
}

fn fields(record: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let (mut quoted, mut characters) = (false, record.chars().peekable());
    while let Some(character) = characters.next() {
        let Some(field) = fields.last_mut() else { continue };
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            character => field.push(character),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strange() -> Row {
        Row {
            set: "a,b".into(),
            trace: "a \"quoted\"\nname".into(),
            score: -0.1 - 0.2,
            stall_s: 1e-9,
            bytes: u64::MAX,
            startup_s: None,
            optimum: Some(1.0 / 3.0),
            ..Row::default()
        }
    }

    #[test]
    fn rows_read_back_to_the_last_bit_and_a_torn_end_is_left_out() {
        let mut text = Vec::new();
        header(&mut text).unwrap();
        write(&mut text, &strange()).unwrap();
        write(&mut text, &Row::default()).unwrap();
        let whole = text.len();
        text.extend_from_slice(b"a,b,\"c");
        let mut reader = Reader::new(Path::new("t.csv"), text.as_slice()).unwrap();
        assert_eq!(reader.read_row().unwrap(), Some(strange()));
        assert_eq!(reader.read_row().unwrap(), Some(Row::default()));
        assert_eq!(reader.read_row().unwrap(), None);
        let rest = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let mut shard = Reader::new(Path::new("t.csv"), &text[rest..]).unwrap();
        assert_eq!(shard.read_row().unwrap(), Some(strange()), "later shards have no header");
        assert_eq!(reader.offset(), whole as u64);
    }

    #[test]
    fn what_is_no_table_of_results_is_refused_with_its_line() {
        let refused = |text: &str| {
            let error = match Reader::new(Path::new("t.csv"), text.as_bytes()) {
                Ok(mut reader) => reader.read_row().unwrap_err(),
                Err(error) => error,
            };
            error.to_string()
        };
        assert!(refused("a,b\n").starts_with("t.csv:1: is no table of results"));
        let mut text = Vec::new();
        header(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(refused(&format!("{text}1,2\n")).starts_with("t.csv:2: has 2 fields"));
        assert!(refused("[{}]\n").starts_with("t.csv:1: is no table"));
        let commas = ",".repeat(COLUMNS.len() - 1);
        assert_eq!(refused(&format!("{text}{commas}\n")), "t.csv:2: \"\" is no segments");
    }
}
