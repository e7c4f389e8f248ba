//! MPEG audio frame headers (ISO/IEC 11172-3, 2.4.1.3 and 13818-3).

/// A frame of layer I, II or III.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AudioFrame {
    /// 1, 2 or 3.
    pub layer: u8,
    /// Bytes with the header.
    pub length: usize,
    /// Samples per channel.
    pub samples: u32,
    /// Hertz.
    pub sampling_rate: u32,
    /// 1 or 2.
    pub channels: u32,
}

/// kbit/s by index for version 1 layers I, II, III and version 2 layers I, II and III.
const BIT_RATES: [[u32; 15]; 5] = [
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

impl AudioFrame {
    /// Reads the header at the start of `data`. Free-format frames are not recognised.
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        let header = data.get(..4)?;
        if header[0] != 0xff || header[1] & 0xe0 != 0xe0 {
            return None;
        }
        let version_code = header[1] >> 3 & 3;
        let layer = 4 - (header[1] >> 1 & 3);
        if version_code == 1 || layer == 4 {
            return None;
        }
        let version_1 = version_code == 3;
        let row = match (version_1, layer) {
            (true, _) => usize::from(layer) - 1,
            (false, 1) => 3,
            (false, _) => 4,
        };
        let bit_rate = *BIT_RATES[row].get(usize::from(header[2] >> 4))? * 1_000;
        let rate = *[44_100, 48_000, 32_000].get(usize::from(header[2] >> 2 & 3))?;
        let sampling_rate = match version_code {
            3 => rate,
            2 => rate / 2,
            _ => rate / 4,
        };
        if bit_rate == 0 {
            return None;
        }
        let padding = u32::from(header[2] >> 1 & 1);
        let (samples, length) = match layer {
            1 => (384, (12 * bit_rate / sampling_rate + padding) * 4),
            3 if !version_1 => (576, 72 * bit_rate / sampling_rate + padding),
            _ => (1152, 144 * bit_rate / sampling_rate + padding),
        };
        let channels = if header[3] >> 6 == 3 { 1 } else { 2 };
        Some(Self { layer, length: length as usize, samples, sampling_rate, channels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_measured() {
        let frame = AudioFrame::parse(&[0xff, 0xfb, 0x90, 0x64]).unwrap();
        assert_eq!((frame.layer, frame.length, frame.samples, frame.sampling_rate), (3, 417, 1152, 44_100));
        assert_eq!(frame.channels, 2);
        let frame = AudioFrame::parse(&[0xff, 0xf3, 0x48, 0xc4]).unwrap();
        assert_eq!((frame.layer, frame.length, frame.samples, frame.sampling_rate), (3, 144, 576, 16_000));
        assert_eq!(AudioFrame::parse(&[0xff, 0xf1, 0x50, 0x80]), None, "ADTS has layer 0");
        assert_eq!(AudioFrame::parse(&[0xff, 0xfb, 0xf0, 0x64]), None, "bad bit rate");
    }
}
