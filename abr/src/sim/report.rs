//! What comes out of experiments: one documented row per session, files of rows, figures over many rows.

mod row;
pub mod csv;
pub mod ndjson;
mod thrift;
pub mod parquet;
pub mod statistics;
pub mod summary;
pub mod condition;

pub use row::{COLUMNS, Column, Kind, Row, Value};
