//! A comma-separated table with a header.

use crate::sim::input::{Problem, ReadError, read_text};
use std::path::Path;

/// Largest table that is read, in bytes.
const MAX_BYTES: u64 = 512 << 20;

/// A table in memory; every row has as many fields as the header.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    header: Vec<String>,
    /// Line in the file and fields.
    rows: Vec<(usize, Vec<String>)>,
}

impl Table {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        Self::parse(path, &read_text(path, MAX_BYTES)?)
    }

    /// Reads `text` as if it were the content of `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ReadError> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let Some((_, first)) = lines.next() else {
            return Err(Problem::Syntax("is empty".into()).in_file(path));
        };
        let header: Vec<String> = fields(first).into_iter().map(|name| name.trim().to_owned()).collect();
        let mut rows = Vec::new();
        for (line, content) in lines {
            let fields = fields(content);
            if fields.len() != header.len() {
                let said = format!("has {} fields where the header has {}", fields.len(), header.len());
                return Err(Problem::Syntax(said).on_line(path, line + 1));
            }
            rows.push((line + 1, fields));
        }
        Ok(Self { header, rows })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether there is a column of that name.
    pub fn has(&self, column: &str) -> bool {
        self.header.iter().any(|name| name == column)
    }

    /// The field of a row, when there is such a column.
    pub fn get(&self, row: usize, column: &str) -> Option<&str> {
        let place = self.header.iter().position(|name| name == column)?;
        Some(self.rows.get(row)?.1.get(place)?.trim())
    }

    /// The field of a row, empty when there is no such column.
    pub fn text(&self, row: usize, column: &str) -> &str {
        self.get(row, column).unwrap_or_default()
    }

    /// The row's line in the file, counted from 1.
    pub fn line(&self, row: usize) -> usize {
        self.rows.get(row).map_or(0, |row| row.0)
    }
}

/// The fields of a line; quotes protect commas, doubled quotes stand for one (RFC 4180, without line breaks).
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let Some(field) = fields.last_mut() else { break };
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_may_be_quoted_and_must_be_complete() {
        let table = Table::parse(Path::new("t.csv"), "a,b\n1,\"x,\"\"y\"\n\n3, 4\n").unwrap();
        assert_eq!((table.len(), table.is_empty(), table.line(1)), (2, false, 4));
        assert_eq!(table.get(0, "b"), Some("x,\"y"));
        assert_eq!(table.text(1, "b"), "4");
        assert_eq!(table.get(1, "c"), None);
        let wrong = Table::parse(Path::new("t.csv"), "a,b\n1\n").unwrap_err();
        assert_eq!(wrong.to_string(), "t.csv:2: has 1 fields where the header has 2");
    }
}
