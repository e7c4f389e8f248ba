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

/// So many pictures are judged together.
const TOGETHER: usize = 6;
/// So many patched ones among them are noise.
const NOISE: u64 = 3;
/// So many pictures that were shown prove the key of a representation.
const PROVEN: usize = 24;
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
    /// Pictures patched up before those that are held.
    heard: u64,
    held: Vec<(Lane, Frame)>,
    shown: usize,
    of: Option<RepresentationKey>,
    over: bool,
}

impl Judge {
    /// Of a decoder that has shown nothing.
    pub(super) fn new() -> Self {
        Self { heard: PATCHED.load(Ordering::Relaxed), ..Self::default() }
    }

    /// Takes a picture of protected media.
    pub(super) fn take(&mut self, lane: Lane, frame: Frame) -> Verdict {
        if self.over {
            return Verdict::Wait;
        }
        if self.of != Some(frame.representation) {
            (self.of, self.shown) = (Some(frame.representation), 0);
        }
        self.held.push((lane, frame));
        if self.shown < PROVEN && self.held.len() < TOGETHER {
            return Verdict::Wait;
        }
        self.judge(NOISE)
    }

    /// What is to become of the pictures that are held when nothing more comes.
    pub(super) fn rest(&mut self) -> Verdict {
        let half = (self.held.len() as u64).div_ceil(2);
        if self.held.is_empty() { Verdict::Wait } else { self.judge(half.min(NOISE)) }
    }

    /// Playback goes on elsewhere: what is held is not wanted any more. What was proven stays so.
    pub(super) fn forget(&mut self) {
        self.held.clear();
        self.heard = PATCHED.load(Ordering::Relaxed);
    }

    fn judge(&mut self, noise: u64) -> Verdict {
        let patched = PATCHED.load(Ordering::Relaxed);
        let is_noise = self.shown < PROVEN && patched.saturating_sub(self.heard) >= noise;
        self.heard = patched;
        let held = std::mem::take(&mut self.held);
        if is_noise {
            self.over = true;
            return Verdict::Noise;
        }
        self.shown = self.shown.saturating_add(held.len());
        Verdict::Show(held)
    }
}
