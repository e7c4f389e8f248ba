//! The journal on its way to a file; its format is [`abr::journal`].

use abr::journal::{Header, input_line, output_line};
use abr::protocol::{Input, Output};
use abr::session::Config;
use abr::time::Timestamp;
use std::io::Write;

/// Writes facts and orders as they come; stops at the first error of the output.
pub(super) struct JournalWriter {
    output: Option<Box<dyn Write + Send>>,
}

impl JournalWriter {
    pub(super) fn new(output: Option<Box<dyn Write + Send>>, config: &Config) -> Self {
        let mut writer = Self { output };
        if writer.output.is_some() {
            let program = concat!("sluice ", env!("CARGO_PKG_VERSION"));
            writer.line(Header::new(program, config.clone()).to_line());
        }
        writer
    }

    pub(super) fn input(&mut self, now: Timestamp, input: &Input) {
        if self.output.is_some() {
            self.line(input_line(now, input));
        }
    }

    pub(super) fn output(&mut self, now: Timestamp, output: &Output) {
        if self.output.is_some() && !matches!(output, Output::Wait(_)) {
            self.line(output_line(now, output));
        }
    }

    /// Hands what is buffered to the system and writes nothing more.
    pub(super) fn end(&mut self) {
        if let Some(mut output) = self.output.take() {
            // There is nobody left to tell; a journal that was cut off can still be read.
            let _ = output.flush();
        }
    }

    fn line(&mut self, line: Result<String, serde_json::Error>) {
        let Some(output) = &mut self.output else { return };
        let written = line.map_err(std::io::Error::from).and_then(|mut line| {
            line.push('\n');
            output.write_all(line.as_bytes())
        });
        if written.is_err() {
            self.output = None;
        }
    }
}
