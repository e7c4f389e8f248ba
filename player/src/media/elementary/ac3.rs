//! AC-3 and E-AC-3: sync frames (ETSI TS 102 366, 4.3, 4.4 and E.1) and the `dac3` and `dec3` boxes (annex F).

use crate::media::bytes::Bits;

const RATES: [u32; 3] = [48_000, 44_100, 32_000];
const CHANNELS: [u32; 8] = [2, 1, 2, 3, 3, 4, 4, 5];
/// Nominal kbit/s by `frmsizecod / 2`.
const BIT_RATES: [u32; 19] =
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];

/// A sync frame of either codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncFrame {
    /// E-AC-3 rather than AC-3.
    pub enhanced: bool,
    /// Bytes.
    pub length: usize,
    /// Samples per channel.
    pub samples: u32,
    /// Hertz.
    pub sampling_rate: u32,
    /// Channels with the low-frequency one.
    pub channels: u32,
    /// Belongs to the frame before it (E-AC-3 substreams).
    pub dependent: bool,
}

impl SyncFrame {
    /// Reads the header at the start of `data`.
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        if data.get(..2)? != [0x0b, 0x77] {
            return None;
        }
        match data.get(5)? >> 3 {
            0..=10 => Self::parse_ac3(data),
            11..=16 => Self::parse_eac3(data),
            _ => None,
        }
    }

    fn parse_ac3(data: &[u8]) -> Option<Self> {
        let rate_code = usize::from(data.get(4)? >> 6);
        let size_code = u32::from(data[4] & 0x3f);
        let sampling_rate = *RATES.get(rate_code)?;
        let bit_rate = *BIT_RATES.get(size_code as usize / 2)?;
        // 16-bit words: 1536 samples at the bit rate; at 44.1 kHz odd codes take one more.
        let words = match sampling_rate {
            48_000 => bit_rate * 2,
            32_000 => bit_rate * 3,
            _ => bit_rate * 1_000 * 1536 / 44_100 / 16 + size_code % 2,
        };
        let mut bits = Bits::new(data.get(6..)?);
        let mode = bits.bits(3)?;
        if mode & 1 != 0 && mode != 1 {
            bits.skip(2)?;
        }
        if mode & 4 != 0 {
            bits.skip(2)?;
        }
        if mode == 2 {
            bits.skip(2)?;
        }
        let low = u32::from(bits.bit()?);
        Some(Self {
            enhanced: false,
            length: words as usize * 2,
            samples: 1536,
            sampling_rate,
            channels: CHANNELS[mode as usize] + low,
            dependent: false,
        })
    }

    fn parse_eac3(data: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(data.get(2..)?);
        let stream_type = bits.bits(2)?;
        bits.skip(3)?;
        let length = (bits.bits(11)? as usize + 1) * 2;
        let rate_code = bits.bits(2)?;
        let (sampling_rate, blocks) = if rate_code == 3 {
            (RATES.get(bits.bits(2)? as usize)? / 2, 6)
        } else {
            (RATES[rate_code as usize], [1, 2, 3, 6][bits.bits(2)? as usize])
        };
        let mode = bits.bits(3)?;
        let low = u32::from(bits.bit()?);
        Some(Self {
            enhanced: true,
            length,
            samples: blocks * 256,
            sampling_rate,
            channels: CHANNELS[mode as usize] + low,
            dependent: stream_type == 1,
        })
    }
}

/// Channels and rate of a `dac3` box.
pub(crate) fn parse_dac3(record: &[u8]) -> Option<(u32, u32)> {
    let mut bits = Bits::new(record);
    let rate = *RATES.get(bits.bits(2)? as usize)?;
    bits.skip(8)?;
    let mode = bits.bits(3)?;
    Some((CHANNELS[mode as usize] + bits.bits(1)?, rate))
}

/// Channels and rate of the first independent substream of a `dec3` box.
pub(crate) fn parse_dec3(record: &[u8]) -> Option<(u32, u32)> {
    let mut bits = Bits::new(record);
    bits.skip(16)?;
    let rate = *RATES.get(bits.bits(2)? as usize)?;
    bits.skip(10)?;
    let mode = bits.bits(3)?;
    Some((CHANNELS[mode as usize] + bits.bits(1)?, rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ac3_frame_is_measured() {
        // 48 kHz, 192 kbit/s, stereo.
        let frame = SyncFrame::parse(&[0x0b, 0x77, 0, 0, 0x14, 0x40, 0x43, 0xe1]).unwrap();
        assert_eq!((frame.length, frame.samples, frame.sampling_rate), (768, 1536, 48_000));
        assert_eq!((frame.channels, frame.enhanced), (2, false));
    }

    #[test]
    fn an_eac3_frame_is_measured() {
        // Independent, 768 bytes, 48 kHz, six blocks, 3/2 with low-frequency channel, bsid 16.
        let frame = SyncFrame::parse(&[0x0b, 0x77, 0x01, 0x7f, 0x3f, 0x80, 0, 0]).unwrap();
        assert_eq!((frame.length, frame.samples, frame.channels), (768, 1536, 6));
        assert!(frame.enhanced && !frame.dependent);
    }
}
