//! Sound decoded by GStreamer: what symphonia does not know.

use super::{AudioDecoder, AudioError, Pcm};
use crate::decode::teardown::Teardown;
use crate::decode::{caps, registry};
use crate::media::sample::{Sample, SampleFormat};
use abr::time::MediaTime;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_audio as gst_audio;
use std::collections::VecDeque;

/// How long a decoder may take to bring out its last sound.
const DRAIN: gst::ClockTime = gst::ClockTime::from_mseconds(500);

/// See the module.
pub(super) struct Decoder {
    pipeline: Option<gst::Pipeline>,
    src: gst_app::AppSrc,
    sink: gst_app::AppSink,
    format: SampleFormat,
    /// Time stamps inside count from this.
    origin: Option<MediaTime>,
    /// Where encoder delay ends.
    cuts: VecDeque<MediaTime>,
}

impl Decoder {
    /// A decoder for `format`.
    pub(super) fn start(format: &SampleFormat) -> Result<Self, AudioError> {
        let chain = registry::chain(format)?;
        let codec = || registry::name(format.codec);
        let failed =
            |reason: &dyn std::fmt::Display| AudioError::Start { codec: codec(), reason: reason.to_string() };
        let caps = caps::caps(format, chain.parser.is_none())
            .ok_or_else(|| registry::Missing::Unknown { codec: codec() })?;
        let src = gst_app::AppSrc::builder().caps(&caps).format(gst::Format::Time).max_bytes(0).build();
        let wanted =
            gst_audio::AudioCapsBuilder::new_interleaved().format(gst_audio::AUDIO_FORMAT_F32).build();
        let sink = gst_app::AppSink::builder()
            .caps(&wanted)
            .sync(false)
            .async_(false)
            .qos(false)
            .enable_last_sample(false)
            .build();
        let make =
            |name: &'static str| gst::ElementFactory::make(name).build().map_err(|error| failed(&error));
        let mut elements: Vec<gst::Element> = vec![src.clone().upcast()];
        if let Some(parser) = chain.parser {
            elements.push(make(parser)?);
        }
        elements.extend([make(chain.decoder)?, make("audioconvert")?, sink.clone().upcast()]);
        let pipeline = gst::Pipeline::new();
        pipeline.add_many(&elements).map_err(|error| failed(&error))?;
        gst::Element::link_many(&elements).map_err(|error| failed(&error))?;
        let decoder = Self {
            pipeline: Some(pipeline.clone()),
            src,
            sink,
            format: format.clone(),
            origin: None,
            cuts: VecDeque::new(),
        };
        pipeline.set_state(gst::State::Playing).map_err(|error| failed(&error))?;
        Ok(decoder)
    }

    fn failure(&self, reason: &dyn std::fmt::Display) -> AudioError {
        AudioError::Sample { codec: registry::name(self.format.codec), reason: reason.to_string() }
    }

    /// Takes what is ready; waits `wait` for each piece.
    fn take(&mut self, wait: gst::ClockTime, out: &mut Vec<Pcm>) {
        while let Some(sample) = self.sink.try_pull_sample(wait) {
            let Some(mut pcm) = self.read(&sample) else { continue };
            while self.cuts.front().is_some_and(|cut| *cut <= pcm.pts) {
                self.cuts.pop_front();
            }
            if let Some(cut) = self.cuts.front() {
                pcm.cut_before(*cut);
            }
            if pcm.frames() > 0 {
                out.push(pcm);
            }
        }
    }

    fn read(&self, sample: &gst::Sample) -> Option<Pcm> {
        let caps = sample.caps()?;
        let info = gst_audio::AudioInfo::from_caps(caps).ok()?;
        let mask = caps.structure(0)?.get::<gst::Bitmask>("channel-mask").ok();
        let buffer = sample.buffer()?;
        let pts = i64::try_from(buffer.pts()?.nseconds()).ok()?;
        let pts = MediaTime::from_nanos(self.origin?.as_nanos().checked_add(pts)?);
        let bytes = buffer.map_readable().ok()?;
        let samples =
            bytes.chunks_exact(4).map(|word| f32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
        Some(Pcm {
            pts,
            channels: info.channels().max(1),
            sampling_rate: info.rate().max(1),
            channel_mask: mask.map(|mask| mask.0),
            samples: samples.collect(),
        })
    }
}

impl AudioDecoder for Decoder {
    fn decode(&mut self, sample: &Sample, out: &mut Vec<Pcm>) -> Result<(), AudioError> {
        let origin = *self.origin.get_or_insert(sample.pts);
        let mut buffer = gst::Buffer::from_slice(sample.data.clone());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(abr::time::nanos(sample.pts.since(origin))));
            buffer.set_duration(gst::ClockTime::from_nseconds(abr::time::nanos(sample.duration)));
        }
        if !sample.trim_start.is_zero() {
            self.cuts.push_back(sample.pts + sample.trim_start);
        }
        self.src.push_buffer(buffer).map_err(|error| self.failure(&error))?;
        self.take(gst::ClockTime::ZERO, out);
        let bus = self.pipeline.as_ref().and_then(|pipeline| pipeline.bus());
        let message = bus.and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => Err(self.failure(&error.error())),
            _ => Ok(()),
        }
    }

    fn takes(&self, format: &SampleFormat) -> bool {
        self.format == *format
    }

    fn drain(&mut self, out: &mut Vec<Pcm>) {
        if self.src.end_of_stream().is_ok() {
            self.take(DRAIN, out);
        }
    }

    fn reset(&mut self) {
        // A failed flush shows itself with the next sample.
        let _ = self.src.send_event(gst::event::FlushStart::new());
        let _ = self.src.send_event(gst::event::FlushStop::new(true));
        self.origin = None;
        self.cuts.clear();
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        if let Some(pipeline) = self.pipeline.take() {
            drop(Teardown::of(pipeline));
        }
    }
}
