//! A decoder that hangs: it is replaced once, and named when the next one hangs as well.
//!
//! The decoder is an element of this test, registered under the name of a hardware decoder that the player
//! prefers where it is installed. In a process of its own, so that no other test meets it.
#![cfg(feature = "media")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use abr::error::{Code, Severity};
use gstreamer as gst;
use gstreamer::prelude::*;
use player::pipeline::PipelineEvent;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex};
use support::{Player, pictures};

/// The name under which it is found.
const ELEMENT: &str = "v4l2slh264dec";
/// Samples that an instance decodes before it hangs.
const WELL: u32 = 20;

/// Instances that are still to hang.
static TO_HANG: AtomicU32 = AtomicU32::new(0);
/// Lets all that hang go.
static RELEASE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

mod imp {
    use super::*;
    use gst::glib;
    use gst::subclass::prelude::*;

    /// libav's decoder behind a pad at which it can hang.
    #[derive(Default)]
    pub struct Hanging;

    #[glib::object_subclass]
    impl ObjectSubclass for Hanging {
        const NAME: &'static str = "HangingDecoder";
        type Type = super::Hanging;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for Hanging {
        fn constructed(&self) {
            self.parent_constructed();
            let bin = self.obj();
            let decoder = gst::ElementFactory::make("avdec_h264").build().unwrap();
            bin.add(&decoder).unwrap();
            let hangs =
                TO_HANG.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            let pad = |name| decoder.static_pad(name).unwrap();
            if hangs {
                let seen = AtomicU32::new(0);
                pad("sink").add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                    if seen.fetch_add(1, Ordering::SeqCst) == WELL {
                        let released = RELEASE.0.lock().unwrap();
                        drop(RELEASE.1.wait_while(released, |released| !*released).unwrap());
                    }
                    gst::PadProbeReturn::Ok
                });
            }
            for name in ["sink", "src"] {
                bin.add_pad(&gst::GhostPad::with_target(&pad(name)).unwrap()).unwrap();
            }
        }
    }

    impl GstObjectImpl for Hanging {}
    impl ElementImpl for Hanging {}
    impl BinImpl for Hanging {}
}

gst::glib::wrapper! {
    /// See `imp`.
    pub struct Hanging(ObjectSubclass<imp::Hanging>) @extends gst::Bin, gst::Element, gst::Object;
}

/// An error as it was told: how bad, which, and in which words.
type Told = (Severity, Code, String);

/// What the pipeline says, from the start to its end or a fatal error, when so many decoders hang.
fn play(hanging: u32) -> Option<(Vec<Told>, Player)> {
    gst::init().unwrap();
    if gst::ElementFactory::find("avdec_h264").is_none() {
        println!("skipped: no H.264 decoder is installed");
        return None;
    }
    gst::Element::register(None, ELEMENT, gst::Rank::PRIMARY + 1000, Hanging::static_type()).unwrap();
    TO_HANG.store(hanging, Ordering::SeqCst);
    let dir = tempfile::tempdir().unwrap();
    let title = pictures(dir.path(), "a", "320x180", 6)?;
    let mut player = Player::new(true);
    player.append_all(&[&title; 3]);
    player.run(true);
    player.await_event("the end", |event| match event {
        PipelineEvent::Drained => true,
        PipelineEvent::Trouble(error) => error.severity == Severity::Fatal,
        _ => false,
    });
    let troubles = player.seen.iter().filter_map(|event| match event {
        PipelineEvent::Trouble(error) => Some((error.severity, error.code, error.message.clone())),
        _ => None,
    });
    Some((troubles.collect(), player))
}

fn release() {
    *RELEASE.0.lock().unwrap() = true;
    RELEASE.1.notify_all();
}

#[test]
fn a_decoder_that_hangs_is_replaced_once_and_then_named() {
    let Some((troubles, player)) = play(1) else { return };
    let message = format!("{ELEMENT} failed: it hangs; decoding goes on at the next keyframe");
    assert_eq!(troubles, [(Severity::Recoverable, Code::Decoder, message.clone())]);
    let (presented, dropped) = player.counts();
    assert_eq!(presented + dropped, 144, "every frame is accounted for");
    assert!(presented >= u64::from(WELL) / 2, "{presented} frames were shown");
    let lines = player.log.lines();
    assert!(lines.is_sorted_by(|a, b| a.pts_ms < b.pts_ms));

    let Some((troubles, player)) = play(2) else { return };
    let (severity, code, last) = troubles.last().unwrap();
    assert_eq!((troubles.len(), *severity, *code), (2, Severity::Fatal, Code::Decoder), "{troubles:?}");
    assert_eq!(last, &format!("{ELEMENT} failed: it hangs"));
    drop(player);
    release();
}
