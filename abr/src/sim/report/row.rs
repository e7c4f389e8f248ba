//! The schema of results: one row per session, the same columns in every format.
//!
//! Each column is defined once, below, with its unit and meaning; the row type, the writers, the readers and
//! `abr-sim schema` follow from that. Columns may be added at the end; none changes its meaning.

use std::borrow::Cow;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// A whole number from 0.
    Count,
    /// A finite number.
    Number,
    /// A finite number, or nothing where it has no meaning.
    MaybeNumber,
}

impl Kind {
    /// Its name in `abr-sim schema`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Count => "count",
            Self::Number => "number",
            Self::MaybeNumber => "number or missing",
        }
    }
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Of a [`Kind::Text`] column.
    Text(Cow<'a, str>),
    /// Of a [`Kind::Count`] column.
    Count(u64),
    /// Of a number column.
    Number(f64),
    /// Nothing, in a [`Kind::MaybeNumber`] column.
    Missing,
}

/// A type that a column may have.
trait Cell: Sized {
    const KIND: Kind;
    fn value(&self) -> Value<'_>;
    fn from_value(value: Value<'_>) -> Option<Self>;
}

impl Cell for String {
    const KIND: Kind = Kind::Text;
    fn value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
    fn from_value(value: Value<'_>) -> Option<Self> {
        if let Value::Text(text) = value { Some(text.into_owned()) } else { None }
    }
}

impl Cell for u64 {
    const KIND: Kind = Kind::Count;
    fn value(&self) -> Value<'_> {
        Value::Count(*self)
    }
    fn from_value(value: Value<'_>) -> Option<Self> {
        if let Value::Count(count) = value { Some(count) } else { None }
    }
}

impl Cell for f64 {
    const KIND: Kind = Kind::Number;
    fn value(&self) -> Value<'_> {
        Value::Number(*self)
    }
    fn from_value(value: Value<'_>) -> Option<Self> {
        if let Value::Number(number) = value { Some(number) } else { None }
    }
}

impl Cell for Option<f64> {
    const KIND: Kind = Kind::MaybeNumber;
    fn value(&self) -> Value<'_> {
        self.map_or(Value::Missing, Value::Number)
    }
    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Number(number) => Some(Some(number)),
            Value::Missing => Some(None),
            _ => None,
        }
    }
}

/// A column of the schema.
#[derive(Clone, Copy)]
pub struct Column {
    /// Its name in every format.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Its unit; empty where it has none.
    pub unit: &'static str,
    meaning: &'static str,
    get: fn(&Row) -> Value<'_>,
    set: fn(&mut Row, Value<'_>) -> bool,
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Column({})", self.name)
    }
}

impl Column {
    /// The column of that name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        COLUMNS.iter().find(|column| column.name == name)
    }

    /// What the column means, in words.
    pub fn meaning(&self) -> &'static str {
        self.meaning.trim()
    }

    /// Its value in a row.
    pub fn get<'a>(&self, row: &'a Row) -> Value<'a> {
        (self.get)(row)
    }

    /// Puts a value into a row; false when the column cannot hold such a value.
    #[must_use]
    pub fn set(&self, row: &mut Row, value: Value<'_>) -> bool {
        (self.set)(row, value)
    }

    /// The value that `text` stands for in a table of text.
    pub fn parse<'a>(&self, text: &'a str) -> Option<Value<'a>> {
        let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite()).map(Value::Number);
        match self.kind {
            Kind::Text => Some(Value::Text(Cow::Borrowed(text))),
            Kind::Count => text.parse().ok().map(Value::Count),
            Kind::MaybeNumber if text.is_empty() => Some(Value::Missing),
            Kind::Number | Kind::MaybeNumber => number(text),
        }
    }
}

macro_rules! rows {
    ($($(#[doc = $meaning:literal])+ $name:ident: $type:ty, $unit:literal;)+) => {
        /// One session: what was played, and every figure of it.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Row {
            $($(#[doc = $meaning])+ pub $name: $type,)+
        }

        /// The columns of [`Row`], in the order in which every format has them.
        pub const COLUMNS: &[Column] = &[$(Column {
            name: stringify!($name),
            kind: <$type as Cell>::KIND,
            unit: $unit,
            meaning: concat!($($meaning),+),
            get: |row| row.$name.value(),
            set: |row, value| match Cell::from_value(value) {
                Some(value) => {
                    row.$name = value;
                    true
                }
                None => false,
            },
        }),+];
    };
}

rows! {
    /// The set that the trace belongs to.
    set: String, "";
    /// The title.
    title: String, "";
    /// Segments of the title that were to be played.
    segments: u64, "";
    /// The link model: `sabre` or `pensieve`.
    link: String, "";
    /// Capacity of the buffer.
    cap_s: f64, "s";
    /// Which score `score` and `optimum` are in: `lin` or `log`.
    qoe: String, "";
    /// Settings other than the default, `name=value` in the order of the grid, divided by spaces.
    parameters: String, "";
    /// The trace.
    trace: String, "";
    /// The controller.
    controller: String, "";
    /// Seed of the session's retry delays.
    seed: u64, "";
    /// How the session ended: `ended` when the whole title was played.
    phase: String, "";
    /// From the start to the first picture; missing when there was none.
    startup_s: Option<f64>, "s";
    /// Interruptions, start-up and seeks excluded.
    stalls: u64, "";
    /// Their total length.
    stall_s: f64, "s";
    /// Stalled ÷ (played + stalled), start-up excluded.
    rebuffer_ratio: f64, "";
    /// Media played.
    played_s: f64, "s";
    /// Stated bitrate of the played video, weighted by time.
    mean_bitrate_bps: f64, "bit/s";
    /// Changes of video representation.
    switches: u64, "";
    /// Changes of video representation per minute played.
    switches_per_minute: f64, "1/min";
    /// Mean size of a change of bitrate between played neighbours.
    switch_bps: f64, "bit/s";
    /// Downloads given up.
    abandoned: u64, "";
    /// Segments skipped.
    gaps: u64, "";
    /// Bytes received.
    bytes: u64, "byte";
    /// Bytes received that were never played.
    wasted_bytes: u64, "byte";
    /// QoE_lin per segment: bitrate in Mbit/s, less switches, less 1 × the top rate per second waited.
    qoe_lin: f64, "";
    /// QoE_log per segment: ln(R/R_min), less switches, less 1 × the top value per second waited.
    qoe_log: f64, "";
    /// The score that `qoe` names; at most 0 when the title was not played to its end.
    score: f64, "";
    /// The best possible score on the same link, of a plan that can be played; missing when not computed.
    optimum: Option<f64>, "";
    /// No plan has a higher score than this.
    optimum_upper: Option<f64>, "";
    /// score ÷ optimum, not clipped; missing where the optimum is at most 5 % of the top quality.
    percent_of_optimum: Option<f64>, "%";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_gives_back_what_it_was_given() {
        let mut row = Row::default();
        for (place, column) in COLUMNS.iter().enumerate() {
            let value = match column.kind {
                Kind::Text => Value::Text(Cow::Owned(format!("t{place}"))),
                Kind::Count => Value::Count(place as u64),
                Kind::Number | Kind::MaybeNumber => Value::Number(place as f64 + 0.1),
            };
            assert!(column.set(&mut row, value.clone()), "{column:?}");
            assert_eq!(column.get(&row), value);
            let wrong = if column.kind == Kind::Count { Value::Missing } else { Value::Count(1) };
            assert!(!column.set(&mut row, wrong), "{column:?}");
            assert!(!column.meaning().is_empty());
        }
        assert_eq!(Column::by_name("stall_s").unwrap().unit, "s");
    }
}
