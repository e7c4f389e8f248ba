//! The machine-readable log: one JSON object per line, flushed as written.
//!
//! The schema is `player/EVENTS.md`; a test holds the two together. Times are whole milliseconds:
//! `t_ms` since the process was started, `*_ms` positions on the presentation timeline.

use crate::timed::id3::Frame;
use crate::timed::scte35::Section;
use crate::timed::{self, Message, Origin, TimedEvent};
use abr::error::{Category, Severity};
use abr::protocol::Reason;
use serde::Serialize;
use std::io::{self, Write};
use std::time::Duration;

/// One line.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Line {
    /// The program is up.
    Start {
        /// Program version.
        version: &'static str,
        /// What is played: host and path, never a query string.
        title: String,
        /// Name of the controller.
        controller: String,
    },
    /// The manifest was read.
    Manifest {
        /// `DASH` or `HLS`.
        protocol: &'static str,
        /// Live or on demand.
        dynamic: bool,
        /// Length of the timeline when known.
        duration_ms: Option<u64>,
        /// How many representations are on offer.
        representations: u32,
    },
    /// A request ended.
    Fetch {
        /// Host and path.
        what: String,
        /// Body bytes received.
        bytes: u64,
        /// From request to first body byte.
        first_byte_ms: u64,
        /// From request to last body byte.
        total_ms: u64,
        /// What went wrong, if anything; `cancelled` when it was given up on purpose.
        failure: Option<String>,
    },
    /// The first picture is on the screen.
    FirstFrame {
        /// Its presentation time.
        position_ms: i64,
    },
    /// The clock runs for the first time.
    Playing {
        /// Where.
        position_ms: i64,
    },
    /// Held by the user.
    Paused {
        /// Where.
        position_ms: i64,
    },
    /// Running again after a pause.
    Resumed {
        /// Where.
        position_ms: i64,
    },
    /// Segments of another representation follow on this track.
    Switch {
        /// `video` or `audio`.
        track: &'static str,
        /// Before, `null` for the first choice.
        from: Option<String>,
        /// After.
        to: String,
        /// Why.
        reason: Reason,
        /// Presentation time of the first segment of `to`.
        position_ms: i64,
    },
    /// A download was given up for another representation.
    Abandoned {
        /// What it was.
        from: String,
        /// What comes instead.
        to: String,
        /// Bytes received in vain.
        wasted_bytes: u64,
    },
    /// Queued segments are fetched again in better quality.
    Replaced {
        /// From where on.
        position_ms: i64,
        /// Bytes thrown away.
        wasted_bytes: u64,
    },
    /// Playback ran out of samples.
    StallStart {
        /// Where.
        position_ms: i64,
    },
    /// Playback goes on.
    StallEnd {
        /// Where.
        position_ms: i64,
        /// How long it stood.
        stalled_ms: u64,
    },
    /// A seek began.
    SeekStart {
        /// Where from.
        from_ms: i64,
        /// Where to.
        to_ms: i64,
        /// Whether the target was in the buffer.
        buffered: bool,
    },
    /// The picture at the target is on the screen.
    SeekEnd {
        /// Its presentation time.
        position_ms: i64,
        /// How long it took.
        took_ms: u64,
    },
    /// Frames came too late and were left out.
    Dropped {
        /// How many since the last such line.
        count: u64,
        /// How many in all.
        total: u64,
    },
    /// A segment could not be had and was skipped.
    Gap {
        /// `video`, `audio` or `text`.
        track: &'static str,
        /// First missing point.
        from_ms: i64,
        /// End of the hole.
        to_ms: i64,
    },
    /// Other subtitles are shown, or none.
    Text {
        /// Whether any are.
        on: bool,
        /// BCP 47 tag.
        language: Option<String>,
        /// The manifest's name for them.
        label: Option<String>,
        /// Whether they are those that every viewer must read.
        forced: bool,
    },
    /// A cue appeared.
    Cue {
        /// When by its times.
        start_ms: i64,
        /// When it will go.
        end_ms: i64,
        /// Without markup.
        text: String,
    },
    /// The title's steering server prefers other hosts.
    Steered {
        /// Its pathway or service location.
        pathway: String,
    },
    /// Playback has reached an event of the title.
    TimedEvent {
        /// Where the title says so.
        origin: Origin,
        /// What defines its meaning.
        scheme: String,
        /// The scheme's own value.
        value: String,
        /// Identifies it within scheme and value, possibly empty.
        id: String,
        /// When it begins.
        start_ms: i64,
        /// How long it lasts, when that is said.
        duration_ms: Option<u64>,
        /// Its message, when that is text.
        text: Option<String>,
        /// Its message in hexadecimal digits, when it is not.
        hex: Option<String>,
        /// The frames of its message, when that is an ID3 tag.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        id3: Vec<Frame>,
        /// Its message, when that is a SCTE-35 section.
        #[serde(skip_serializing_if = "Option::is_none")]
        scte35: Option<Box<Section>>,
    },
    /// Something failed.
    Error {
        /// Who acts.
        severity: Severity,
        /// Which part.
        category: Category,
        /// Stable number.
        code: u16,
        /// What happened and what to do next.
        message: String,
    },
    /// Once a second.
    Position {
        /// On the screen.
        position_ms: i64,
        /// Queued ahead of it.
        buffer_ms: u64,
        /// On the screen.
        representation: Option<String>,
        /// Estimate.
        throughput_bps: Option<u64>,
        /// Frames that came too late so far.
        dropped: u64,
        /// Audio minus video presentation time, when both run.
        av_offset_ms: Option<f64>,
        /// How a broadcast is followed; its fields stand among these, and are absent on demand.
        #[serde(flatten)]
        live: Option<LiveFigures>,
    },
    /// Playback of a broadcast is about to start.
    Joined {
        /// Where.
        position_ms: i64,
        /// The live edge.
        edge_ms: i64,
        /// Distance from it to hold.
        target_latency_ms: u64,
    },
    /// Playback was too far behind the live edge and goes on nearer to it.
    Jumped {
        /// From where.
        from_ms: i64,
        /// To where.
        to_ms: i64,
    },
    /// The clock that the live edge follows was corrected.
    ClockDrift {
        /// By so much.
        by_ms: i64,
    },
    /// The end, whatever the reason.
    End {
        /// The figures of the session.
        summary: Summary,
    },
}

impl From<TimedEvent> for Line {
    fn from(event: TimedEvent) -> Self {
        let (id3, scte35) = (event.frames(), event.splice().map(Box::new));
        let (text, hex) = match event.message {
            Message::Empty => (None, None),
            Message::Text(text) => (Some(text), None),
            Message::Binary(bytes) => (None, Some(timed::hex(&bytes))),
        };
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self::TimedEvent {
            origin: event.origin,
            scheme: event.scheme,
            value: event.value,
            id: event.id,
            start_ms: event.start.as_millis(),
            duration_ms: event.duration.map(millis),
            text,
            hex,
            id3,
            scte35,
        }
    }
}

/// How a broadcast is followed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LiveFigures {
    /// How far the position is behind the live edge.
    pub latency_ms: i64,
    /// How far it should be.
    pub target_latency_ms: i64,
    /// Playback rate, 1.0 is normal.
    pub rate: f64,
    /// Wall-clock time of what is on the screen, since 1970, where the manifest dates it.
    pub wall_ms: Option<i64>,
}

/// The figures of a session, as `--json` prints them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Process start to first picture (or sound); `null` when none came.
    pub startup_ms: Option<u64>,
    /// Times that playback ran out of samples after it had begun.
    pub stalls: u32,
    /// Time spent so.
    pub stall_ms: u64,
    /// Video bandwidth as stated by the manifest, weighted by time played; 0 without video.
    pub mean_bitrate_bps: u64,
    /// Changes of the video representation.
    pub switches: u32,
    /// Video frames shown.
    pub frames_presented: u64,
    /// Video frames that came too late.
    pub frames_dropped: u64,
    /// Body bytes received.
    pub bytes: u64,
    /// Bytes received in vain (abandoned or replaced).
    pub wasted_bytes: u64,
    /// Media that could not be had and was skipped, all tracks.
    pub gap_ms: u64,
    /// Presentation time reached.
    pub position_ms: i64,
    /// Length of the timeline when known.
    pub duration_ms: Option<u64>,
    /// Why it ended: `ended`, `stopped`, `interrupted` or `failed`.
    pub outcome: &'static str,
    /// Code of the error that ended it.
    pub error: Option<u16>,
    /// What showing the pictures in a window cost; only in what `--json` prints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowCost>,
    /// The most memory that the process had in use, in bytes; only in what `--json` prints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
}

/// Mean cost of a frame between the decoder and the screen, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct WindowCost {
    /// Frames that were drawn.
    pub frames: u64,
    /// Copying planes to the device, or converting them where the CPU draws.
    pub upload_ms: f64,
    /// Recording and submitting, or copying converted pixels to the window's texture.
    pub draw_ms: f64,
    /// Handing over to the screen.
    pub present_ms: f64,
    /// The dearest frame, all three together.
    pub longest_ms: f64,
}

/// Writes [`Line`]s.
pub struct Log {
    output: Option<Box<dyn Write + Send>>,
}

impl Log {
    /// Writes to `output`; `None` writes nowhere.
    pub fn new(output: Option<Box<dyn Write + Send>>) -> Self {
        Self { output }
    }

    /// Writes one line, `at` after the start of the process, and flushes it.
    ///
    /// # Errors
    /// Those of the output; afterwards nothing more is written.
    pub fn write(&mut self, at: Duration, line: &Line) -> io::Result<()> {
        #[derive(Serialize)]
        struct Stamped<'a> {
            #[serde(flatten)]
            line: &'a Line,
            t_ms: u64,
        }
        let Some(output) = &mut self.output else { return Ok(()) };
        let stamped = Stamped { line, t_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX) };
        let mut bytes = serde_json::to_vec(&stamped)?;
        bytes.push(b'\n');
        let written = output.write_all(&bytes).and_then(|()| output.flush());
        if written.is_err() {
            self.output = None;
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic holds it").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_carries_its_name_and_time() {
        let shared = Shared::default();
        let mut log = Log::new(Some(Box::new(shared.clone())));
        log.write(Duration::from_micros(12_999), &Line::Dropped { count: 1, total: 3 }).expect("written");
        let bytes = shared.0.lock().expect("no panic holds it").clone();
        let value: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(value, serde_json::json!({"event": "dropped", "t_ms": 12, "count": 1, "total": 3}));
        assert_eq!(bytes.last(), Some(&b'\n'));
    }
}
