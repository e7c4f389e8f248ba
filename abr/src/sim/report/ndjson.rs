//! Rows as JSON, one object per line, with the columns as keys and `null` for what is missing.

use super::{COLUMNS, Row, Value};
use std::io::{self, Write};

/// Writes a row.
pub fn write(out: &mut impl Write, row: &Row) -> io::Result<()> {
    let mut opening = '{';
    for column in COLUMNS {
        write!(out, "{opening}\"{}\":", column.name)?;
        opening = ',';
        match column.get(row) {
            Value::Text(text) => serde_json::to_writer(&mut *out, text.as_ref()).map_err(io::Error::from)?,
            Value::Count(count) => write!(out, "{count}")?,
            Value::Number(number) => serde_json::to_writer(&mut *out, &number).map_err(io::Error::from)?,
            Value::Missing => out.write_all(b"null")?,
        }
    }
    out.write_all(b"}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_json_object() {
        let row = Row { set: "a\"b".into(), score: 0.1, stalls: 2, ..Row::default() };
        let mut text = Vec::new();
        write(&mut text, &row).unwrap();
        let object: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(object.as_object().unwrap().len(), COLUMNS.len());
        assert_eq!((&object["set"], &object["score"]), (&"a\"b".into(), &0.1.into()));
        assert_eq!((&object["stalls"], &object["optimum"]), (&2.into(), &serde_json::Value::Null));
    }
}
