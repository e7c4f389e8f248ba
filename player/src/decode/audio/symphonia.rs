//! Sound decoded by symphonia: AAC-LC in mono and stereo, MP3, FLAC, Vorbis.

use super::{AacConfig, AudioDecoder, AudioError, Pcm};
use crate::decode::registry;
use crate::media::sample::{Codec, Sample, SampleFormat};
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_FLAC, CODEC_ID_MP3, CODEC_ID_VORBIS,
};
use symphonia::core::codecs::audio::{
    AudioCodecId, AudioCodecParameters, AudioDecoder as Codecs, AudioDecoderOptions,
};
use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};

/// See the module.
pub(super) struct Decoder {
    codec: Box<dyn Codecs>,
    format: SampleFormat,
}

/// Whether symphonia decodes `format` completely.
pub(super) fn can_decode(format: &SampleFormat) -> bool {
    match format.codec {
        Codec::Aac => AacConfig::read(&format.extra).is_some_and(|config| config.is_plain_low_complexity()),
        // symphonia wants STREAMINFO alone.
        Codec::Flac => format.extra.len() >= 4 + STREAMINFO,
        Codec::Vorbis => !format.extra.is_empty(),
        Codec::Mp3 => true,
        _ => false,
    }
}

/// Bytes of the first FLAC metadata block (RFC 9639, 8.2).
const STREAMINFO: usize = 34;

impl Decoder {
    /// A decoder for `format`.
    pub(super) fn start(format: &SampleFormat) -> Result<Self, AudioError> {
        let (id, extra): (AudioCodecId, &[u8]) = match format.codec {
            Codec::Aac => (CODEC_ID_AAC, &format.extra),
            Codec::Flac => (CODEC_ID_FLAC, format.extra.get(4..4 + STREAMINFO).unwrap_or_default()),
            Codec::Vorbis => (CODEC_ID_VORBIS, &format.extra),
            _ => (CODEC_ID_MP3, &[]),
        };
        let mut parameters = AudioCodecParameters::new();
        parameters.for_codec(id);
        if format.sampling_rate > 0 {
            parameters.with_sample_rate(format.sampling_rate);
        }
        if !extra.is_empty() {
            parameters.with_extra_data(extra.into());
        }
        // What to leave out is said by the samples; only what a first Vorbis packet overlaps with nothing
        // (Vorbis I, 4.3.8) is for the decoder to know.
        let options = AudioDecoderOptions::default().gapless(format.codec == Codec::Vorbis);
        let codec =
            symphonia::default::get_codecs().make_audio_decoder(&parameters, &options).map_err(|error| {
                AudioError::Start { codec: registry::name(format.codec), reason: error.to_string() }
            })?;
        Ok(Self { codec, format: format.clone() })
    }
}

impl AudioDecoder for Decoder {
    fn decode(&mut self, sample: &Sample, out: &mut Vec<Pcm>) -> Result<(), AudioError> {
        let packet = PacketRef::new(0, Timestamp::ZERO, Duration::ZERO, &sample.data);
        let sound = self.codec.decode_ref(&packet).map_err(|error| AudioError::Sample {
            codec: registry::name(self.format.codec),
            reason: error.to_string(),
        })?;
        let channels = u32::try_from(sound.spec().channels().count()).unwrap_or(0);
        let sampling_rate = sound.spec().rate();
        if channels == 0 || sampling_rate == 0 || sound.is_empty() {
            return Ok(());
        }
        let mut samples = Vec::new();
        sound.copy_to_vec_interleaved(&mut samples);
        let mut pcm = Pcm { pts: sample.pts, channels, sampling_rate, channel_mask: None, samples };
        pcm.cut_before(sample.pts + sample.trim_start);
        if pcm.frames() > 0 {
            out.push(pcm);
        }
        Ok(())
    }

    fn takes(&self, format: &SampleFormat) -> bool {
        self.format == *format
    }

    fn drain(&mut self, _out: &mut Vec<Pcm>) {}

    fn reset(&mut self) {
        self.codec.reset();
    }
}
