//! Pensieve's titles: a folder of `video_size_0` (lowest quality), `video_size_1`, …; bytes per chunk, one per line.
//!
//! The files state neither bitrates nor the chunk's length. Six qualities are Pensieve's ladder
//! (300 to 4300 kbit/s, Mao et al., SIGCOMM 2017); for any other number the measured mean rates are taken.

use super::{MAX_BYTES, MAX_QUALITIES, MAX_SEGMENT_BITS, MAX_SEGMENTS, Title, title_name};
use crate::sim::input::{Problem, ReadError, read_text, shorten};
use std::path::Path;

/// Pensieve's bitrates in kbit/s.
const LADDER_KBPS: [f64; 6] = [300.0, 750.0, 1200.0, 1850.0, 2850.0, 4300.0];
/// Length of a Pensieve chunk in milliseconds.
const CHUNK_MS: f64 = 4000.0;

pub(super) fn read(folder: &Path) -> Result<Title, ReadError> {
    let mut columns: Vec<Vec<u64>> = Vec::new();
    loop {
        let path = folder.join(format!("video_size_{}", columns.len()));
        if !path.exists() {
            break;
        }
        if columns.len() >= MAX_QUALITIES {
            return Err(Problem::TooMany { limit: MAX_QUALITIES, what: "qualities" }.in_file(folder));
        }
        let sizes = sizes(&path)?;
        if let Some(first) = columns.first()
            && first.len() != sizes.len()
        {
            let said = format!("has {} chunks where video_size_0 has {}", sizes.len(), first.len());
            return Err(Problem::Value(said).in_file(path));
        }
        columns.push(sizes);
    }
    let Some(segments) = columns.first().map(Vec::len) else {
        let said = "is a folder without video_size_0: not a Pensieve title";
        return Err(Problem::Unrecognised(said.into()).in_file(folder));
    };
    let bitrates = if columns.len() == LADDER_KBPS.len() {
        LADDER_KBPS.to_vec()
    } else {
        columns
            .iter()
            .map(|column| column.iter().sum::<u64>() as f64 / (segments as f64 * CHUNK_MS))
            .collect()
    };
    let sizes = (0..segments).flat_map(|chunk| columns.iter().map(move |column| column[chunk])).collect();
    Title::new(title_name(folder), vec![CHUNK_MS; segments], bitrates, sizes)
        .map_err(|problem| problem.in_file(folder))
}

/// The chunks of one file, in bits.
fn sizes(path: &Path) -> Result<Vec<u64>, ReadError> {
    let text = read_text(path, MAX_BYTES)?;
    let mut sizes = Vec::new();
    for (line, content) in text.lines().enumerate() {
        let content = content.trim();
        if content.is_empty() {
            continue;
        }
        let wrong = |problem: Problem| problem.on_line(path, line + 1);
        let bytes = content.parse::<u64>().ok().filter(|bytes| (1..=MAX_SEGMENT_BITS / 8).contains(bytes));
        let Some(bytes) = bytes else {
            let said = format!("{:?} is not a chunk's size in bytes", shorten(content));
            return Err(wrong(Problem::Syntax(said)));
        };
        if sizes.len() >= MAX_SEGMENTS {
            return Err(wrong(Problem::TooMany { limit: MAX_SEGMENTS, what: "segments" }));
        }
        sizes.push(bytes * 8);
    }
    Ok(sizes)
}

pub(super) fn write(title: &Title) -> (Vec<String>, bool) {
    let mut rounded = false;
    let files = (0..title.qualities())
        .map(|quality| {
            (0..title.segments())
                .map(|segment| {
                    let bits = title.size_bits(segment, quality);
                    rounded |= !bits.is_multiple_of(8);
                    format!("{}\n", bits.div_ceil(8))
                })
                .collect()
        })
        .collect();
    (files, rounded)
}
