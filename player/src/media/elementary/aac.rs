//! AAC: AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1) and ADTS headers (1.A.2).

use crate::media::bytes::Bits;
use bytes::Bytes;

/// Samples of one frame of one raw data block.
pub(crate) const FRAME_SAMPLES: u32 = 1024;

const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// What an AudioSpecificConfig says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Channels, zero when described elsewhere.
    pub channels: u32,
    /// Hertz at the output: of the extension when one is signalled.
    pub sampling_rate: u32,
}

impl Config {
    /// Reads the beginning of an AudioSpecificConfig.
    pub(crate) fn parse(config: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(config);
        let mut object_type = object_type(&mut bits)?;
        let mut sampling_rate = rate(&mut bits)?;
        let mut channels = channels(bits.bits(4)?);
        // 5: spectral band replication, 29: parametric stereo; the true object type follows.
        if matches!(object_type, 5 | 29) {
            sampling_rate = rate(&mut bits)?;
            if object_type == 29 {
                channels = 2;
            }
            object_type = self::object_type(&mut bits)?;
        }
        let _ = object_type;
        Some(Self { channels, sampling_rate })
    }
}

fn object_type(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.bits(5)? {
        31 => Some(32 + bits.bits(6)?),
        object_type => Some(object_type),
    }
}

fn rate(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.bits(4)? {
        15 => bits.bits(24),
        index => RATES.get(index as usize).copied(),
    }
}

fn channels(configuration: u32) -> u32 {
    match configuration {
        1..=6 => configuration,
        7 | 12 | 14 => 8,
        11 => 7,
        13 => 24,
        _ => 0,
    }
}

/// An ADTS header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AdtsHeader {
    /// Bytes of the header.
    pub header: usize,
    /// Bytes of the frame with its header, more than [`header`](Self::header).
    pub length: usize,
    /// Hertz, as the AAC core runs.
    pub sampling_rate: u32,
    /// Channels, zero when described in the frame.
    pub channels: u32,
    /// Raw data blocks in the frame, 1 to 4.
    pub blocks: u32,
    config: [u8; 2],
}

impl AdtsHeader {
    /// Reads the header at the start of `data`.
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        let fixed = data.get(..7)?;
        if fixed[0] != 0xff || fixed[1] & 0xf6 != 0xf0 {
            return None;
        }
        let header = if fixed[1] & 1 == 1 { 7 } else { 9 };
        let profile = fixed[2] >> 6;
        let rate_index = fixed[2] >> 2 & 15;
        let channel_configuration = (fixed[2] & 1) << 2 | fixed[3] >> 6;
        let length =
            usize::from(fixed[3] & 3) << 11 | usize::from(fixed[4]) << 3 | usize::from(fixed[5] >> 5);
        if length <= header {
            return None;
        }
        let object_type = profile + 1;
        Some(Self {
            header,
            length,
            sampling_rate: *RATES.get(usize::from(rate_index))?,
            channels: channels(u32::from(channel_configuration)),
            blocks: u32::from(fixed[6] & 3) + 1,
            config: [object_type << 3 | rate_index >> 1, (rate_index & 1) << 7 | channel_configuration << 3],
        })
    }

    /// The AudioSpecificConfig of the frames without their headers.
    pub(crate) fn config(&self) -> Bytes {
        Bytes::copy_from_slice(&self.config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_read() {
        assert_eq!(Config::parse(&[0x12, 0x10]), Some(Config { channels: 2, sampling_rate: 44_100 }));
        assert_eq!(Config::parse(&[0x11, 0xb0]), Some(Config { channels: 6, sampling_rate: 48_000 }));
        // HE-AAC: object type 5, core 22050, mono, extension 44100.
        assert_eq!(Config::parse(&[0x2b, 0x8a, 0x08, 0x00]).map(|c| c.sampling_rate), Some(44_100));
        assert_eq!(Config::parse(&[0x12]), None);
    }

    #[test]
    fn adts_headers_become_configurations() {
        let header = AdtsHeader::parse(&[0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc, 0, 0]).unwrap();
        assert_eq!((header.header, header.length, header.sampling_rate), (7, 16, 44_100));
        assert_eq!((header.channels, header.blocks), (2, 1));
        assert_eq!(&header.config()[..], &[0x12, 0x10]);
        assert_eq!(AdtsHeader::parse(&[0xff, 0xf1, 0x50, 0x80, 0x00, 0x1f, 0xfc]), None, "an empty frame");
        assert_eq!(AdtsHeader::parse(&[0xff, 0xfb, 0x50, 0x80, 0x02, 0x1f, 0xfc]), None, "MPEG audio");
    }
}
