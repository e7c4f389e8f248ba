//! The journal: every fact and order of a session as JSON lines, from which it can be played again.
//!
//! ```text
//! {"journal":1,"program":"sluice 0.1.0","config":{…}}
//! {"t":0,"out":{"fetch":{…}}}
//! {"t":1520000,"in":{"presentation":{…}}}
//! ```
//! `t` is nanoseconds since the start of the session. Pure text: whoever uses it reads and writes files.

use crate::protocol::{Input, Output};
use crate::session::{Config, Session};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The layout written by this version.
pub const VERSION: u32 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Layout, [`VERSION`].
    pub journal: u32,
    /// Who wrote it.
    pub program: String,
    /// The session's settings.
    pub config: Config,
}

/// What one line after the first holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Word {
    /// Something the session was told.
    #[serde(rename = "in")]
    In(Input),
    /// Something the session ordered; [`Output::Wait`] is not recorded.
    #[serde(rename = "out")]
    Out(Output),
}

/// One line after the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub t: Timestamp,
    /// What.
    #[serde(flatten)]
    pub word: Word,
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A line is not what it should be.
    #[error("line {line} of the journal: {source}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Another layout.
    #[error("the journal has layout {0}, this program reads layout {VERSION}")]
    Version(u32),
    /// Nothing in it.
    #[error("the journal is empty")]
    Empty,
}

impl Header {
    /// A header of this version.
    pub fn new(program: impl Into<String>, config: Config) -> Self {
        Self { journal: VERSION, program: program.into(), config }
    }

    /// As a line without its end.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

impl Record {
    /// As a line without its end.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// The line for a fact, without its end; spares a copy of the fact.
pub fn input_line(t: Timestamp, input: &Input) -> Result<String, serde_json::Error> {
    Ok(format!("{{\"t\":{},\"in\":{}}}", t.as_nanos(), serde_json::to_string(input)?))
}

/// The line for an order, without its end; spares a copy of the order.
pub fn output_line(t: Timestamp, output: &Output) -> Result<String, serde_json::Error> {
    Ok(format!("{{\"t\":{},\"out\":{}}}", t.as_nanos(), serde_json::to_string(output)?))
}

/// A whole journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Journal {
    /// Its first line.
    pub header: Header,
    /// The others, in order.
    pub records: Vec<Record>,
}

impl Journal {
    /// Reads the text of a journal. A last line that was cut off (the program died) is left out.
    pub fn parse(text: &str) -> Result<Self, JournalError> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let (_, first) = lines.next().ok_or(JournalError::Empty)?;
        let error = |line: usize, source| JournalError::Line { line: line + 1, source };
        let header: Header = serde_json::from_str(first).map_err(|source| error(0, source))?;
        if header.journal != VERSION {
            return Err(JournalError::Version(header.journal));
        }
        let mut records = Vec::new();
        for (number, line) in lines {
            match serde_json::from_str(line) {
                Ok(record) => records.push(record),
                Err(source) if source.is_eof() && !text.ends_with('\n') => break,
                Err(source) => return Err(error(number, source)),
            }
        }
        Ok(Self { header, records })
    }

    /// Tells a new session every fact of the journal and hands each of its orders to `order`, except
    /// [`Output::Wait`]; returns the session. With the settings of the header the orders are those of the
    /// journal; with others they are what would have been ordered at the same facts.
    pub fn replay(&self, config: Config, mut order: impl FnMut(Timestamp, Output)) -> Session {
        let mut session = Session::new(config);
        let mut drain = |session: &mut Session, now| {
            loop {
                match session.poll() {
                    Output::Wait(_) => break,
                    output => order(now, output),
                }
            }
        };
        drain(&mut session, Timestamp::ZERO);
        for record in &self.records {
            if let Word::In(input) = &record.word {
                session.handle(record.t, input.clone());
                drain(&mut session, record.t);
            }
        }
        session
    }

    /// The recorded orders.
    pub fn orders(&self) -> impl Iterator<Item = (Timestamp, &Output)> {
        self.records.iter().filter_map(|record| match &record.word {
            Word::Out(output) => Some((record.t, output)),
            Word::In(_) => None,
        })
    }

    /// Plays the journal again with its own settings; the first order that differs, if any. Orders that
    /// follow from the last fact may be missing: the program ended before it asked for them.
    pub fn verify(&self) -> Result<(), Box<Difference>> {
        let mut recorded = self.orders();
        let mut place = 0;
        let mut difference = None;
        let last = self.records.iter().rev().find(|record| matches!(record.word, Word::In(_)));
        let last = last.map_or(Timestamp::ZERO, |record| record.t);
        self.replay(self.header.config.clone(), |t, output| {
            if difference.is_some() {
                return;
            }
            let next = recorded.next();
            if next.is_none() && t >= last {
                return;
            }
            if next.map(|(_, recorded)| recorded) != Some(&output) {
                let expected = next.map(|(t, output)| (t, output.clone()));
                difference = Some(Difference { place, recorded: expected, replayed: Some((t, output)) });
            }
            place += 1;
        });
        if let Some((t, output)) = recorded.next().filter(|_| difference.is_none()) {
            let recorded = Some((t, output.clone()));
            difference = Some(Difference { place, recorded, replayed: None });
        }
        difference.map_or(Ok(()), |difference| Err(Box::new(difference)))
    }
}

/// The first order at which a replay and its journal differ.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("order {place} differs: recorded {recorded:?}, replayed {replayed:?}")]
pub struct Difference {
    /// Position among the orders, from zero.
    pub place: usize,
    /// What the journal says; `None` when it has no more.
    pub recorded: Option<(Timestamp, Output)>,
    /// What was ordered now; `None` when nothing was.
    pub replayed: Option<(Timestamp, Output)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_can_be_read_back() {
        let header = Header::new("test", Config::default());
        let input = Input::Command(crate::protocol::Command::LockHeight(Some(720)));
        let line = input_line(Timestamp::from_millis(5), &input).unwrap();
        let text = format!("{}\n{line}\n{}", header.to_line().unwrap(), &line[..line.len() - 4]);
        let journal = Journal::parse(&text).unwrap();
        assert_eq!(journal.records, [Record { t: Timestamp::from_millis(5), word: Word::In(input) }]);
        assert!(Journal::parse(&format!("{text}\n")).is_err(), "only the last line may be cut off");
        assert!(Journal::parse("").is_err());
    }
}
