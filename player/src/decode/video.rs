//! One video decoder: `appsrc ! [parser !] decoder ! appsink`, fed a few samples ahead, its frames going
//! straight into the frame queue from the streaming thread.
//!
//! Presentation times pass through unchanged but for a constant that keeps them positive, so a frame has
//! exactly the time of its sample. A new rendition of the same codec is announced in band.

use super::caps;
use super::frames::{FrameQueue, Lane};
use super::message::{DecoderId, DecoderNotice, Message};
use super::noise::{self, Judge, Verdict};
use super::picture::Reader;
use super::registry::{self, Chain, Missing};
use super::teardown::Teardown;
use crate::frame::Frame;
use crate::media::sample::{Sample, SampleFormat};
use abr::presentation::RepresentationKey;
use abr::time::MediaTime;
use drm_stub::key::KeyId;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Encoded samples that wait in front of the decoder.
const AHEAD: u64 = 8;
/// The share of [`AHEAD`], in percent, below which the decoder asks for more.
const HUNGRY_PERCENT: u32 = 40;
/// Added to presentation times, which may be negative, to get GStreamer's, which may not: 73 years.
const BASE: i64 = 1 << 61;
/// Largest distance of a presentation time from zero.
const RANGE: i64 = 1 << 61;

/// Why a decoder could not be started or fed.
#[derive(Debug, thiserror::Error)]
pub(super) enum VideoError {
    /// No element for the codec.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// GStreamer refused.
    #[error("the decoder {element} could not be started: {reason}")]
    Start {
        /// Factory name.
        element: String,
        /// GStreamer's words.
        reason: String,
    },
    /// It gave up.
    #[error("{element} failed: {reason}")]
    Failed {
        /// Factory name.
        element: &'static str,
        /// GStreamer's words.
        reason: String,
    },
    /// The decoder takes no more samples.
    #[error("the decoder {0} takes no more samples")]
    Stopped(&'static str),
}

/// What a decoder is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Everything from here on.
    Playback,
    /// One keyframe, which a decoder for [`Playback`](Self::Playback) gets as well and answers for: what
    /// is lost here is not lost.
    FirstPicture,
}

/// What is known of a sample inside the decoder.
#[derive(Clone, Copy, Debug)]
struct Fed {
    end: MediaTime,
    representation: RepresentationKey,
    hidden: bool,
    /// The key that it was decrypted with.
    key: Option<KeyId>,
}

/// What the feeding and the streaming thread share.
struct Shared {
    id: DecoderId,
    frames: Arc<FrameQueue>,
    mailbox: Sender<Message>,
    purpose: Purpose,
    inside: Mutex<Inside>,
}

struct Inside {
    lane: Lane,
    fed: BTreeMap<MediaTime, Fed>,
    judge: Judge,
}

impl Shared {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, notice: DecoderNotice) {
        // Without a receiver the engine has ended, and this decoder is about to.
        let _ = self.mailbox.send(Message::Video(self.id, notice));
    }

    /// Finds the sample a frame comes from; those before it will not come out any more.
    fn claim(&self, pts: MediaTime) -> Option<(Lane, Fed)> {
        let mut inside = self.inside();
        let later = inside.fed.split_off(&pts);
        let lost = std::mem::replace(&mut inside.fed, later);
        let fed = inside.fed.remove(&pts);
        let lane = inside.lane;
        drop(inside);
        self.count_lost(&lost);
        fed.map(|fed| (lane, fed))
    }

    fn count_lost(&self, lost: &BTreeMap<MediaTime, Fed>) {
        let lost = lost.values().filter(|fed| !fed.hidden).count();
        if lost > 0 && self.purpose == Purpose::Playback {
            self.frames.lost(lost as u64);
        }
    }
}

/// A running decoder.
pub(super) struct VideoDecoder {
    pipeline: gst::Pipeline,
    src: gst_app::AppSrc,
    shared: Arc<Shared>,
    chain: Chain,
    format: Arc<SampleFormat>,
}

impl VideoDecoder {
    /// Starts a decoder for `format` whose frames go into `frames` behind those of all others.
    pub(super) fn start(
        id: DecoderId,
        purpose: Purpose,
        format: &Arc<SampleFormat>,
        frames: &Arc<FrameQueue>,
        mailbox: Sender<Message>,
    ) -> Result<Self, VideoError> {
        let chain = registry::chain(format)?;
        let caps = caps::caps(format, chain.parser.is_none())
            .ok_or_else(|| Missing::Unknown { codec: registry::name(format.codec) })?;
        let shared = Arc::new(Shared {
            id,
            frames: Arc::clone(frames),
            mailbox,
            purpose,
            inside: Mutex::new(Inside { lane: frames.open(), fed: BTreeMap::new(), judge: Judge::new() }),
        });
        let built = build(chain, format, &caps, &shared);
        let (pipeline, src) = built.inspect_err(|_| frames.close(shared.inside().lane))?;
        let decoder = Self { pipeline, src, shared, chain, format: Arc::clone(format) };
        if decoder.pipeline.set_state(gst::State::Playing).is_err() {
            let reason = "it does not run".to_owned();
            decoder.end();
            return Err(VideoError::Start { element: chain.decoder.to_owned(), reason });
        }
        Ok(decoder)
    }

    /// Whether a decoder for `format` would run on the CPU.
    pub(super) fn would_be_software(format: &SampleFormat) -> bool {
        registry::chain(format).is_ok_and(|chain| chain.software)
    }

    /// Its name.
    pub(super) fn id(&self) -> DecoderId {
        self.shared.id
    }

    /// Factory name of the element that decodes.
    pub(super) fn element(&self) -> &'static str {
        self.chain.decoder
    }

    /// Whether samples of `format` can follow in band.
    pub(super) fn takes(&self, format: &SampleFormat) -> bool {
        self.format.codec == format.codec && self.format.layout == format.layout
    }

    /// Whether it wants more samples now.
    pub(super) fn has_room(&self) -> bool {
        self.src.current_level_buffers() < AHEAD
    }

    /// Samples that wait in front of it.
    pub(super) fn waiting(&self) -> u64 {
        self.src.current_level_buffers()
    }

    /// Whether no sample waits in front of it.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting() == 0
    }

    /// Feeds one sample in decoding order.
    pub(super) fn feed(&mut self, sample: &Sample) -> Result<(), VideoError> {
        let stopped = || VideoError::Stopped(self.chain.decoder);
        let Some(pts) = to_gst(sample.pts) else {
            self.shared.frames.lost(1);
            return Ok(());
        };
        let mut buffer = gst::Buffer::from_slice(sample.data.clone());
        {
            let buffer = buffer.get_mut().ok_or_else(stopped)?;
            buffer.set_pts(pts);
            buffer.set_dts(sample.dts.and_then(to_gst));
            buffer.set_duration(gst::ClockTime::from_nseconds(abr::time::nanos(sample.duration)));
            if !sample.keyframe {
                buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        let fed = Fed {
            end: sample.end(),
            representation: sample.representation,
            hidden: sample.is_trimmed_away(),
            key: sample.format.protection.as_ref().map(|protection| KeyId(protection.default_kid)),
        };
        if fed.key.is_some() {
            noise::listen();
        }
        self.shared.inside().fed.insert(sample.pts, fed);
        if Arc::ptr_eq(&self.format, &sample.format) || self.format == sample.format {
            self.src.push_buffer(buffer).map_err(|_| stopped())?;
        } else {
            let parsed = self.chain.parser.is_none();
            let caps = caps::caps(&sample.format, parsed).ok_or_else(stopped)?;
            let sample_with_caps = gst::Sample::builder().buffer(&buffer).caps(&caps).build();
            // The builder's reference must be gone before the buffer may be written to downstream.
            drop(buffer);
            self.src.push_sample(&sample_with_caps).map_err(|_| stopped())?;
            self.format = Arc::clone(&sample.format);
        }
        Ok(())
    }

    /// Lets everything fed come out; [`DecoderNotice::Drained`] follows, and nothing can be fed then.
    pub(super) fn drain(&self) -> Result<(), VideoError> {
        self.src.end_of_stream().map(drop).map_err(|_| VideoError::Stopped(self.chain.decoder))
    }

    /// Forgets everything fed, to go on elsewhere. The frame queue must have been reset before.
    pub(super) fn flush(&self) -> Result<(), VideoError> {
        let stopped = || VideoError::Stopped(self.chain.decoder);
        if !self.src.send_event(gst::event::FlushStart::new()) {
            return Err(stopped());
        }
        // Nothing of the old course comes out after the end of the flush.
        if !self.src.send_event(gst::event::FlushStop::new(true)) {
            return Err(stopped());
        }
        let mut inside = self.shared.inside();
        inside.fed.clear();
        inside.judge.forget();
        inside.lane = self.shared.frames.open();
        Ok(())
    }

    /// Ends the decoder after a failure: what is still inside is lost.
    pub(super) fn fail(self) -> Teardown {
        let rest = std::mem::take(&mut self.shared.inside().fed);
        self.shared.count_lost(&rest);
        self.end()
    }

    /// Ends the decoder; its frames that are in the queue stay.
    pub(super) fn end(self) -> Teardown {
        self.shared.frames.close(self.shared.inside().lane);
        Teardown::of(self.pipeline)
    }
}

fn to_gst(time: MediaTime) -> Option<gst::ClockTime> {
    let nanos = time.as_nanos();
    if !(-RANGE..=RANGE).contains(&nanos) {
        return None;
    }
    u64::try_from(nanos + BASE).ok().map(gst::ClockTime::from_nseconds)
}

fn from_gst(time: gst::ClockTime) -> Option<MediaTime> {
    i64::try_from(time.nseconds()).ok().map(|nanos| MediaTime::from_nanos(nanos - BASE))
}

fn build(
    chain: Chain,
    format: &SampleFormat,
    caps: &gst::Caps,
    shared: &Arc<Shared>,
) -> Result<(gst::Pipeline, gst_app::AppSrc), VideoError> {
    let failed = |element: &str, reason: &dyn std::fmt::Display| VideoError::Start {
        element: element.to_owned(),
        reason: reason.to_string(),
    };
    let make =
        |name: &'static str| gst::ElementFactory::make(name).build().map_err(|error| failed(name, &error));
    let hungry = Arc::clone(shared);
    let src = gst_app::AppSrc::builder()
        .caps(caps)
        .format(gst::Format::Time)
        .max_bytes(0)
        .max_buffers(AHEAD)
        .min_percent(HUNGRY_PERCENT)
        .callbacks(
            gst_app::AppSrcCallbacks::builder()
                .need_data(move |_, _| hungry.tell(DecoderNotice::Hungry))
                .build(),
        )
        .build();
    let (output, drained) = (Arc::clone(shared), Arc::clone(shared));
    let mut reader = None;
    // The sink offers no pool of buffers on purpose. libav would decode straight into it, but keeps reference
    // pictures mapped for writing, and GStreamer duplicates such memory before it sends it on: fresh memory
    // for every picture instead of a copy into memory that is used again.
    let sink = gst_app::AppSink::builder()
        .caps(&gst::Caps::new_empty_simple("video/x-raw"))
        .sync(false)
        .async_(false)
        .qos(false)
        .enable_last_sample(false)
        .max_buffers(1)
        .callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| take(sink, &output, &mut reader))
                .eos(move |_| {
                    let (lane, rest, held) = {
                        let mut inside = drained.inside();
                        (inside.lane, std::mem::take(&mut inside.fed), inside.judge.rest())
                    };
                    if let Verdict::Show(frames) = held {
                        for (lane, frame) in frames {
                            // A lane that is gone wants no frames.
                            let _ = drained.frames.push(lane, frame);
                        }
                    }
                    drained.count_lost(&rest);
                    drained.frames.close(lane);
                    drained.tell(DecoderNotice::Drained);
                })
                .build(),
        )
        .build();
    let decoder = make(chain.decoder)?;
    tune(&decoder, format, shared.purpose);
    let mut elements: Vec<gst::Element> = vec![src.clone().upcast()];
    if let Some(parser) = chain.parser {
        elements.push(make(parser)?);
    }
    elements.extend([decoder, sink.upcast()]);
    let pipeline = gst::Pipeline::new();
    pipeline.add_many(&elements).map_err(|error| failed(chain.decoder, &error))?;
    gst::Element::link_many(&elements).map_err(|error| failed(chain.decoder, &error))?;
    if let Some(bus) = pipeline.bus() {
        let failing = Arc::clone(shared);
        bus.set_sync_handler(move |_, message| {
            if let gst::MessageView::Error(error) = message.view() {
                failing.tell(DecoderNotice::Failed(error.error().to_string()));
            }
            gst::BusSyncReply::Drop
        });
    }
    Ok((pipeline, src))
}

/// Settings that differ from the element's own defaults, where it has them.
fn tune(decoder: &gst::Element, format: &SampleFormat, purpose: Purpose) {
    if decoder.has_property("discard-corrupted-frames") {
        decoder.set_property("discard-corrupted-frames", true);
    }
    if decoder.has_property("qos") {
        decoder.set_property("qos", false);
    }
    if decoder.has_property("max-threads") {
        // Every thread holds frames and adds one frame of delay; the default is one thread per core.
        let threads_max = match purpose {
            Purpose::FirstPicture => 1,
            Purpose::Playback if format.width > 1920 => 8,
            Purpose::Playback => 4,
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(threads_max);
        decoder.set_property("max-threads", i32::try_from(threads).unwrap_or(1));
    }
}

/// Takes one decoded buffer on to the frame queue; waits there when it is full.
fn take(
    sink: &gst_app::AppSink,
    shared: &Shared,
    reader: &mut Option<(gst::Caps, Reader)>,
) -> Result<gst::FlowSuccess, gst::FlowError> {
    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Flushing)?;
    let (Some(caps), Some(buffer)) = (sample.caps_owned(), sample.buffer_owned()) else {
        return Ok(gst::FlowSuccess::Ok);
    };
    let Some(pts) = buffer.pts().and_then(from_gst) else { return Ok(gst::FlowSuccess::Ok) };
    let Some((lane, fed)) = shared.claim(pts) else { return Ok(gst::FlowSuccess::Ok) };
    if fed.hidden {
        return Ok(gst::FlowSuccess::Ok);
    }
    drop(sample);
    let fail = |error: super::picture::PictureError| {
        shared.tell(DecoderNotice::Failed(error.to_string()));
        gst::FlowError::Error
    };
    if reader.as_ref().is_none_or(|(known, _)| *known != caps) {
        let new = Reader::new(&caps).map_err(fail)?;
        *reader = Some((caps, new));
    }
    let Some((_, reader)) = reader else { return Err(gst::FlowError::Error) };
    let picture = Arc::new(reader.read(buffer).map_err(fail)?);
    let frame = Frame { pts, end: fed.end, representation: fed.representation, picture };
    let push = |lane, frame| shared.frames.push(lane, frame).map_err(|_| gst::FlowError::Flushing);
    let Some(kid) = fed.key else {
        push(lane, frame)?;
        return Ok(gst::FlowSuccess::Ok);
    };
    let verdict = shared.inside().judge.take(lane, frame);
    match verdict {
        Verdict::Show(frames) => frames.into_iter().try_for_each(|(lane, frame)| push(lane, frame))?,
        Verdict::Wait => {}
        Verdict::Noise => shared.tell(DecoderNotice::Noise(kid)),
    }
    Ok(gst::FlowSuccess::Ok)
}
