//! Sound: from samples to PCM, and on to a device.
//!
//! Two decoders share one trait: symphonia (pure Rust, synchronous) where it can, GStreamer for the rest.

mod gst;
mod sound;
mod symphonia;
mod tempo;
mod track;

pub(super) use track::AudioTrack;

use super::registry::{self, Missing};
use crate::media::sample::{Sample, SampleFormat};
use abr::time::MediaTime;
use std::time::Duration;

/// Decoded sound.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pcm {
    /// When its first frame is to be heard.
    pub(super) pts: MediaTime,
    /// Channels, interleaved in the order of the codec's default layout; at least 1.
    pub(super) channels: u32,
    /// Frames per second in hertz, at least 1.
    pub(super) sampling_rate: u32,
    /// Which loudspeakers the channels are for, as GStreamer numbers them; `None`: the usual ones.
    pub(super) channel_mask: Option<u64>,
    /// Samples between −1 and 1, channel by channel.
    pub(super) samples: Vec<f32>,
}

impl Pcm {
    /// How many samples per channel.
    pub(super) fn frames(&self) -> u64 {
        self.samples.len() as u64 / u64::from(self.channels.max(1))
    }

    /// When the sound after it is due.
    pub(super) fn end(&self) -> MediaTime {
        self.pts + span(self.frames(), self.sampling_rate)
    }

    /// Removes what is to be heard before `from`.
    fn cut_before(&mut self, from: MediaTime) {
        let nanos = u128::from(abr::time::nanos(from.since(self.pts)));
        let rate = u128::from(self.sampling_rate);
        let frames = u64::try_from((nanos * rate + 500_000_000) / 1_000_000_000).unwrap_or(u64::MAX);
        let frames = frames.min(self.frames());
        self.samples.drain(..frames as usize * self.channels as usize);
        self.pts = self.pts + span(frames, self.sampling_rate);
    }
}

/// The length of `frames` at `rate` hertz.
fn span(frames: u64, rate: u32) -> Duration {
    let nanos = u128::from(frames) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Why sound could not be decoded.
#[derive(Debug, thiserror::Error)]
pub(super) enum AudioError {
    /// No decoder for the codec.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The decoder could not be started.
    #[error("the decoder of {codec} could not be started: {reason}")]
    Start {
        /// For people.
        codec: String,
        /// The decoder's words.
        reason: String,
    },
    /// A sample could not be decoded; the next one may.
    #[error("a sample of {codec} could not be decoded: {reason}")]
    Sample {
        /// For people.
        codec: String,
        /// The decoder's words.
        reason: String,
    },
}

/// Turns samples of one format into sound.
pub(super) trait AudioDecoder: Send {
    /// Decodes `sample`; what comes out, now or of earlier samples, is added to `out` in order.
    fn decode(&mut self, sample: &Sample, out: &mut Vec<Pcm>) -> Result<(), AudioError>;

    /// Whether `format` can follow without a new decoder.
    fn takes(&self, format: &SampleFormat) -> bool;

    /// Brings out what is still inside. Samples may follow only after [`reset`](Self::reset).
    fn drain(&mut self, out: &mut Vec<Pcm>);

    /// Forgets all samples so far.
    fn reset(&mut self);
}

/// A decoder for `format`.
pub(super) fn decoder(format: &SampleFormat) -> Result<Box<dyn AudioDecoder>, AudioError> {
    if symphonia::can_decode(format)
        && let Ok(decoder) = symphonia::Decoder::start(format)
    {
        return Ok(Box::new(decoder));
    }
    Ok(Box::new(gst::Decoder::start(format)?))
}

/// Whether there is a decoder for `format`.
///
/// # Errors
///
/// [`Missing`] says what to install.
pub(super) fn check(format: &SampleFormat) -> Result<(), Missing> {
    if symphonia::can_decode(format) {
        return Ok(());
    }
    registry::chain(format).map(drop)
}

/// What an AudioSpecificConfig says (ISO/IEC 14496-3, 1.6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AacConfig {
    object_type: u32,
    sampling_rate: u32,
    channels: u32,
}

impl AacConfig {
    fn read(config: &[u8]) -> Option<Self> {
        const RATES: [u32; 13] = [
            96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
            7_350,
        ];
        let mut at = 0usize;
        let mut bits = |count: usize| {
            (0..count).try_fold(0u32, |value, _| {
                let byte = *config.get(at / 8)?;
                let bit = byte >> (7 - at % 8) & 1;
                at += 1;
                Some(value << 1 | u32::from(bit))
            })
        };
        let object_type = match bits(5)? {
            31 => 32 + bits(6)?,
            object_type => object_type,
        };
        let sampling_rate = match bits(4)? {
            15 => bits(24)?,
            index => *RATES.get(index as usize)?,
        };
        let channels = match bits(4)? {
            7 => 8,
            configuration => configuration,
        };
        Some(Self { object_type, sampling_rate, channels })
    }

    /// Low complexity without any extension, signalled or possible: parametric tools double the rate, so
    /// they are not used above 24 kHz.
    fn is_plain_low_complexity(&self) -> bool {
        self.object_type == 2 && self.sampling_rate > 24_000 && matches!(self.channels, 1 | 2)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod against_ffmpeg;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aac_is_told_apart() {
        let plain = |bytes: &[u8]| AacConfig::read(bytes).map(|config| config.is_plain_low_complexity());
        assert_eq!(plain(&[0x11, 0x90]), Some(true), "LC, 48 kHz, stereo");
        assert_eq!(plain(&[0x12, 0x08]), Some(true), "LC, 44.1 kHz, mono");
        assert_eq!(plain(&[0x11, 0xb0]), Some(false), "LC, 48 kHz, 5.1");
        assert_eq!(plain(&[0x13, 0x10]), Some(false), "LC, 24 kHz: may be HE-AAC");
        assert_eq!(plain(&[0x2b, 0x11, 0x88, 0x00]), Some(false), "HE-AAC");
        assert_eq!(plain(&[0x11]), None);
    }

    #[test]
    fn sound_is_cut_exactly() {
        let mut pcm = Pcm {
            pts: MediaTime::from_millis(-10),
            channels: 2,
            sampling_rate: 48_000,
            channel_mask: None,
            samples: vec![0.0; 2 * 1024],
        };
        let end = pcm.end();
        pcm.cut_before(MediaTime::ZERO);
        assert_eq!((pcm.pts, pcm.frames()), (MediaTime::ZERO, 1024 - 480));
        assert_eq!(pcm.end().as_millis(), end.as_millis());
        pcm.cut_before(MediaTime::from_millis(1000));
        assert_eq!(pcm.frames(), 0);
    }
}
