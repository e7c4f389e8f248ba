//! The way out: decoded sound to a device, through whichever GStreamer sink works here.
//!
//! `appsrc ! audioconvert ! audioresample ! one fixed format ! volume ! sink`. The sink paces itself on its
//! device; what is heard can be asked at any time and then leads the presentation clock.

use super::audio::Pcm;
use super::message::{Message, SoundNotice};
use super::teardown::Teardown;
use abr::time::{MediaTime, nanos};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_audio as gst_audio;
use std::sync::mpsc::Sender;

/// The format that sinks get, whatever the title has: changing it in the middle of playback clicks.
const SAMPLING_RATE: i32 = 48_000;

/// Why no sound comes out.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutError {
    /// No device works.
    #[error("no sound device works here ({0})")]
    NoDevice(String),
    /// GStreamer refused.
    #[error("sound output could not be built: {0}")]
    Build(#[from] gst::glib::BoolError),
}

/// A sound device that works.
pub(super) struct AudioOut {
    pipeline: gst::Pipeline,
    src: gst_app::AppSrc,
    volume: gst::Element,
    name: String,
    /// Presentation time at which the pipeline's own time is zero.
    origin: MediaTime,
    /// End of what was given out.
    end: Option<MediaTime>,
    caps: Option<gst::Caps>,
}

impl std::fmt::Debug for AudioOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioOut").field("name", &self.name).field("end", &self.end).finish_non_exhaustive()
    }
}

impl AudioOut {
    /// Opens the best device, or the sink element `wanted`. May take long: devices answer slowly.
    pub(super) fn open(wanted: Option<&str>, mailbox: Sender<Message>) -> Result<Self, OutError> {
        let sink = match wanted {
            Some(name) => gst::ElementFactory::make(name).build()?,
            None => best_sink()?,
        };
        if sink.has_property("sync") {
            // The default of real devices, but not of every sink.
            sink.set_property("sync", true);
        }
        let name = sink.factory().map_or_else(String::new, |factory| factory.name().to_string());
        let src = gst_app::AppSrc::builder().format(gst::Format::Time).max_bytes(0).build();
        let fixed = gst_audio::AudioCapsBuilder::new_interleaved()
            .format(gst_audio::AUDIO_FORMAT_F32)
            .rate(SAMPLING_RATE)
            .channels(2)
            .build();
        let filter = gst::ElementFactory::make("capsfilter").property("caps", fixed).build()?;
        let volume = gst::ElementFactory::make("volume").build()?;
        let elements = [
            src.clone().upcast(),
            gst::ElementFactory::make("audioconvert").build()?,
            gst::ElementFactory::make("audioresample").build()?,
            filter,
            volume.clone(),
            // The sink may want another sample format than ours.
            gst::ElementFactory::make("audioconvert").build()?,
            sink,
        ];
        let pipeline = gst::Pipeline::new();
        pipeline.add_many(&elements)?;
        gst::Element::link_many(&elements)?;
        if let Some(bus) = pipeline.bus() {
            bus.set_sync_handler(move |_, message| {
                if let gst::MessageView::Error(error) = message.view() {
                    // Without a receiver the engine has ended.
                    let _ = mailbox.send(Message::Sound(SoundNotice::Failed(error.error().to_string())));
                }
                gst::BusSyncReply::Drop
            });
        }
        if pipeline.set_state(gst::State::Paused).is_err() {
            drop(Teardown::of(pipeline));
            return Err(OutError::NoDevice(name));
        }
        Ok(Self { pipeline, src, volume, name, origin: MediaTime::ZERO, end: None, caps: None })
    }

    /// Factory name of the sink.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs or holds.
    pub(super) fn play(&self, run: bool) {
        let state = if run { gst::State::Playing } else { gst::State::Paused };
        // A device that does not follow is noticed by its position.
        let _ = self.pipeline.set_state(state);
    }

    /// Forgets everything given out; what comes next is heard relative to `origin`.
    pub(super) fn restart(&mut self, origin: MediaTime) {
        // A failed flush shows itself by the position standing still.
        let _ = self.src.send_event(gst::event::FlushStart::new());
        let _ = self.src.send_event(gst::event::FlushStop::new(true));
        self.origin = origin;
        self.end = None;
    }

    /// Gives out sound.
    pub(super) fn push(&mut self, pcm: Pcm) {
        let caps = caps(&pcm);
        let (pts, end) = (pcm.pts, pcm.end());
        let mut bytes = Vec::with_capacity(pcm.samples.len() * 4);
        pcm.samples.iter().for_each(|sample| bytes.extend_from_slice(&sample.to_ne_bytes()));
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(nanos(pts.since(self.origin))));
            buffer.set_duration(gst::ClockTime::from_nseconds(nanos(end.since(pts))));
            if self.end.is_none_or(|before| before.since(pts).max(pts.since(before)).as_millis() > 2) {
                buffer.set_flags(gst::BufferFlags::DISCONT);
            }
        }
        self.end = Some(end);
        let sample = if self.caps.as_ref() == Some(&caps) {
            None
        } else {
            let sample = gst::Sample::builder().buffer(&buffer).caps(&caps).build();
            self.caps = Some(caps);
            Some(sample)
        };
        // A device that refuses is noticed by its error message.
        let _ = match sample {
            Some(sample) => self.src.push_sample(&sample),
            None => self.src.push_buffer(buffer),
        };
    }

    /// Lets the last sound out.
    pub(super) fn finish(&self) {
        let _ = self.src.end_of_stream();
    }

    /// End of what was given out.
    pub(super) fn end(&self) -> Option<MediaTime> {
        self.end
    }

    /// What is heard now.
    pub(super) fn position(&self) -> Option<MediaTime> {
        let position = self.pipeline.query_position::<gst::ClockTime>()?;
        Some(self.origin + std::time::Duration::from_nanos(position.nseconds()))
    }

    /// Sets linear loudness and silence.
    pub(super) fn set_volume(&self, volume: f64, mute: bool) {
        self.volume.set_property("volume", volume.clamp(0.0, 1.0));
        self.volume.set_property("mute", mute);
    }

    /// Closes the device.
    pub(super) fn close(self) -> Teardown {
        Teardown::of(self.pipeline)
    }
}

fn caps(pcm: &Pcm) -> gst::Caps {
    let mask =
        pcm.channel_mask.unwrap_or_else(|| gst_audio::AudioChannelPosition::fallback_mask(pcm.channels));
    gst_audio::AudioCapsBuilder::new_interleaved()
        .format(gst_audio::AUDIO_FORMAT_F32)
        .rate(i32::try_from(pcm.sampling_rate).unwrap_or(SAMPLING_RATE))
        .channels(i32::try_from(pcm.channels).unwrap_or(2))
        .channel_mask_if(mask, pcm.channels > 2)
        .build()
}

/// The best-ranked sink that can open its device.
fn best_sink() -> Result<gst::Element, OutError> {
    let kinds = gst::ElementFactoryType::SINK | gst::ElementFactoryType::MEDIA_AUDIO;
    let mut factories: Vec<_> =
        gst::ElementFactory::factories_with_type(kinds, gst::Rank::MARGINAL).into_iter().collect();
    factories.sort_by_key(|factory| std::cmp::Reverse(factory.rank()));
    let mut tried = Vec::new();
    for factory in factories {
        let Ok(sink) = factory.create().build() else { continue };
        if sink.set_state(gst::State::Ready).is_ok() {
            return Ok(sink);
        }
        // It may have opened in part.
        let _ = sink.set_state(gst::State::Null);
        tried.push(factory.name().to_string());
    }
    Err(OutError::NoDevice(match tried.as_slice() {
        [] => "no audio sink is installed".to_owned(),
        tried => format!("tried {}", tried.join(", ")),
    }))
}
