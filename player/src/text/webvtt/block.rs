//! Blocks of a WebVTT file: the header, cues, regions and style sheets (6.1 and 6.2).

use super::{Document, TimestampMap, markup, settings, timestamp};
use crate::limits;
use crate::text::cue::{Cue, Settings};
use crate::text::style;
use abr::time::MediaTime;
use std::sync::Arc;

/// What is read of a file whose signature line is gone.
pub(super) fn read(body: &str) -> Document {
    let mut reader = Reader { rest: body, document: Document::default(), rules: Vec::new(), seen_cue: false };
    reader.header();
    while !reader.rest.is_empty() && reader.document.cues.len() < limits::TEXT_CUES {
        reader.block(false);
        reader.rest = reader.rest.trim_start_matches('\n');
    }
    let Reader { mut document, rules, .. } = reader;
    document.rules = rules.into();
    for cue in &mut document.cues {
        cue.rules = Arc::clone(&document.rules);
    }
    document
}

struct Reader<'a> {
    rest: &'a str,
    document: Document,
    rules: Vec<style::Rule>,
    /// Style sheets and regions stand before the first cue.
    seen_cue: bool,
}

/// What a block turned out to be.
#[derive(PartialEq, Eq)]
enum Kind {
    Unknown,
    Style,
    Region,
}

impl<'a> Reader<'a> {
    /// The block right below the signature, if there is one: it holds no cues, only metadata.
    fn header(&mut self) {
        if self.rest.is_empty() || self.rest.starts_with('\n') {
            self.rest = self.rest.trim_start_matches('\n');
            return;
        }
        for line in self.block(true).split('\n') {
            if let Some(map) = line.strip_prefix("X-TIMESTAMP-MAP=") {
                self.document.timestamp_map = timestamp_map(map);
                self.document.skipped += u32::from(self.document.timestamp_map.is_none());
            }
        }
        self.rest = self.rest.trim_start_matches('\n');
    }

    /// The next line and what follows its end.
    fn line(&self) -> (&'a str, &'a str) {
        self.rest.split_once('\n').unwrap_or((self.rest, ""))
    }

    /// Collects one block (6.2). Returns its text when it is none of the known kinds.
    fn block(&mut self, in_header: bool) -> String {
        let mut buffer = String::new();
        let mut lines = 0u32;
        let mut seen_arrow = false;
        let mut kind = Kind::Unknown;
        let mut cue: Option<Cue> = None;
        while !self.rest.is_empty() {
            let (line, after) = self.line();
            lines = lines.saturating_add(1);
            if line.contains("-->") {
                let begins = !in_header && (lines == 1 || (lines == 2 && !seen_arrow));
                if !begins {
                    // It begins the next block.
                    break;
                }
                seen_arrow = true;
                cue = self.timings(line, &buffer);
                if cue.is_some() {
                    buffer.clear();
                    self.seen_cue = true;
                } else {
                    self.document.skipped = self.document.skipped.saturating_add(1);
                }
                self.rest = after;
                continue;
            }
            self.rest = after;
            if line.is_empty() {
                break;
            }
            if !in_header && lines == 2 && !self.seen_cue && cue.is_none() {
                let named = |name: &str| buffer.strip_prefix(name).is_some_and(|rest| rest.trim().is_empty());
                kind = if named("STYLE") {
                    Kind::Style
                } else if named("REGION") {
                    Kind::Region
                } else {
                    Kind::Unknown
                };
                if kind != Kind::Unknown {
                    buffer.clear();
                }
            }
            if !buffer.is_empty() {
                buffer.push('\n');
            }
            buffer.push_str(line);
        }
        match (cue, kind) {
            (Some(mut cue), _) => {
                cue.nodes = markup::parse(&buffer).into();
                cue.payload = buffer;
                self.document.cues.push(cue);
                String::new()
            }
            (None, Kind::Style) => {
                style::parse(&buffer, &mut self.rules);
                String::new()
            }
            (None, Kind::Region) => {
                if self.document.regions.len() < limits::TEXT_REGIONS {
                    self.document.regions.push(Arc::new(settings::region(&buffer)));
                }
                String::new()
            }
            (None, Kind::Unknown) => buffer,
        }
    }

    /// "Collect WebVTT cue timings and settings" (6.3).
    fn timings(&self, line: &str, id: &str) -> Option<Cue> {
        let (start, rest) = timestamp::take(line.trim_start_matches(settings::is_space))?;
        let rest = rest.trim_start_matches(settings::is_space).strip_prefix("-->")?;
        let (end, rest) = timestamp::take(rest.trim_start_matches(settings::is_space))?;
        let mut cue = Cue {
            id: id.to_owned(),
            start,
            end,
            settings: Settings::default(),
            region: None,
            payload: String::new(),
            nodes: Arc::default(),
            offset: 0,
            rules: Arc::default(),
        };
        settings::apply(rest, &self.document.regions, &mut cue);
        Some(cue)
    }
}

/// `MPEGTS:…,LOCAL:…` in either order.
fn timestamp_map(text: &str) -> Option<TimestampMap> {
    let mut mpegts = None;
    let mut local: Option<MediaTime> = None;
    for part in text.split(',') {
        match part.trim().split_once(':')? {
            ("MPEGTS", value) => mpegts = Some(value.trim().parse::<u64>().ok()?),
            ("LOCAL", value) => local = Some(timestamp::whole(value.trim())?),
            _ => {}
        }
    }
    // Time stamps have 33 bits; more is read modulo that, as they wrap.
    Some(TimestampMap { mpegts: mpegts? % (1 << 33), local: local? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::cue::Region;

    #[test]
    fn time_maps_are_read_in_either_order() {
        let map = Some(TimestampMap { mpegts: 900_000, local: MediaTime::from_millis(2_500) });
        assert_eq!(timestamp_map("MPEGTS:900000,LOCAL:00:00:02.500"), map);
        assert_eq!(timestamp_map("LOCAL:00:02.500,MPEGTS:900000"), map);
        assert_eq!(timestamp_map("MPEGTS:900000"), None);
        assert_eq!(timestamp_map("MPEGTS:x,LOCAL:00:02.500"), None);
    }

    #[test]
    fn regions_that_repeat_an_identifier_replace_the_one_before() {
        let region = |lines: f64| Region { id: "a".into(), lines, ..Region::default() };
        let read =
            read("\nREGION\nid:a\nlines:2\n\nREGION\nid:a\nlines:4\n\n00:00.000 --> 00:01.000 region:a\nx\n");
        assert_eq!(read.cues[0].region.as_deref(), Some(&region(4.0)));
    }
}
