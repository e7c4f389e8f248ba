//! Pictures of noise. A key that does not fit leaves the headers of a picture readable, so that a decoder
//! takes the rest for damage, hides it as well as it can and goes on; it says so in its log and nowhere else.
//! Here that log is listened to while a key is new: pictures that were patched up are held back, and a few
//! of them in a row are noise.

use super::frames::Lane;
use crate::frame::Frame;
use abr::presentation::RepresentationKey;
use gstreamer as gst;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// So many patched pictures in a row are noise.
const NOISE: usize = 3;
/// So many whole pictures prove the key of a representation.
const PROVEN: u32 = 25;
/// The log of the decoders of FFmpeg.
const CATEGORY: &str = "libav";

/// How often any decoder of this process has patched a picture up.
static PATCHED: AtomicU64 = AtomicU64::new(0);

/// Begins to listen. Costs decoders that do not complain nothing.
pub(super) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if std::env::var_os("GST_DEBUG").is_none() {
            // Nobody asked for GStreamer's log: what is listened to must not be printed.
            gst::log::remove_default_log_function();
        }
        gst::log::add_log_function(|category, _, _, _, _, _, message| {
            let is_complaint =
                |text: &str| text.contains("concealing") || text.contains("error while decoding");
            if category.name() == CATEGORY && message.get().is_some_and(|text| is_complaint(&text)) {
                PATCHED.fetch_add(1, Ordering::Relaxed);
            }
        });
        gst::log::set_threshold_for_name(CATEGORY, gst::DebugLevel::Info);
    });
}

/// What to do with a picture.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Show these, in order.
    Show(Vec<(Lane, Frame)>),
    /// Nothing yet.
    Wait,
    /// The last ones were noise.
    Noise,
}

/// Judges the pictures of one decoder.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// Complaints until the last picture.
    heard: u64,
    /// Patched pictures in a row.
    held: Vec<(Lane, Frame)>,
    whole: u32,
    of: Option<RepresentationKey>,
    over: bool,
}

impl Judge {
    /// From now on.
    pub(super) fn new() -> Self {
        Self { heard: PATCHED.load(Ordering::Relaxed), ..Self::default() }
    }

    /// Takes a picture of protected media.
    pub(super) fn take(&mut self, lane: Lane, frame: Frame) -> Verdict {
        self.hear(PATCHED.load(Ordering::Relaxed), lane, frame)
    }

    fn hear(&mut self, complaints: u64, lane: Lane, frame: Frame) -> Verdict {
        let patched = complaints != self.heard;
        self.heard = complaints;
        if self.over {
            return Verdict::Wait;
        }
        if self.of != Some(frame.representation) {
            (self.of, self.whole) = (Some(frame.representation), 0);
        }
        self.held.push((lane, frame));
        if !patched || self.whole >= PROVEN {
            self.whole = self.whole.saturating_add(1);
            return Verdict::Show(std::mem::take(&mut self.held));
        }
        if self.held.len() < NOISE {
            return Verdict::Wait;
        }
        self.held.clear();
        self.over = true;
        Verdict::Noise
    }

    /// Pictures that are held back when the decoder has nothing more.
    pub(super) fn rest(&mut self) -> Vec<(Lane, Frame)> {
        std::mem::take(&mut self.held)
    }
}
