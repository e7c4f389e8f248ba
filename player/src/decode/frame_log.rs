//! The frame log: one JSON line per presented frame, with a digest of the picture.
//!
//! The digest is the MD5 of the visible planes in their native pixel format, row by row without padding:
//! what `ffmpeg -f framemd5` prints for the same stream.

use crate::frame::{Frame, Picture};
use abr::presentation::RepresentationKey;
use md5::{Digest, Md5};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write;
use std::time::Instant;

/// Where frames are logged to.
pub struct FrameLog {
    out: Box<dyn Write + Send>,
    started: Instant,
    name: Box<dyn Fn(RepresentationKey) -> String + Send>,
}

impl std::fmt::Debug for FrameLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameLog").field("started", &self.started).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Line<'a> {
    pts_ms: f64,
    t_ms: f64,
    representation: &'a str,
    width: u32,
    height: u32,
    md5: &'a str,
}

impl FrameLog {
    /// Logs to `out`, flushed line by line, with times since `started` (the start of the process). `name`
    /// gives the manifest's identifier of a representation.
    pub fn new(
        out: Box<dyn Write + Send>,
        started: Instant,
        name: Box<dyn Fn(RepresentationKey) -> String + Send>,
    ) -> Self {
        Self { out, started, name }
    }

    /// Logs that `frame` was presented at `at`.
    pub(super) fn write(&mut self, frame: &Frame, at: Instant) -> std::io::Result<()> {
        let line = Line {
            pts_ms: frame.pts.as_nanos() as f64 / 1e6,
            t_ms: micros(at.saturating_duration_since(self.started).as_secs_f64() * 1e3),
            representation: &(self.name)(frame.representation),
            width: frame.picture.width,
            height: frame.picture.height,
            md5: &digest(&frame.picture),
        };
        serde_json::to_writer(&mut self.out, &line)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}

/// Milliseconds rounded to whole microseconds.
fn micros(millis: f64) -> f64 {
    (millis * 1e3).round() / 1e3
}

/// The MD5 of the visible planes in hexadecimal.
pub fn digest(picture: &Picture) -> String {
    let mut md5 = Md5::new();
    for plane in 0..picture.format.planes() {
        for row in picture.rows(plane) {
            md5.update(row);
        }
    }
    md5.finalize().iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
