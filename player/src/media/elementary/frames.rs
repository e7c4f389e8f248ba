//! Sound as a row of self-describing frames: where each begins, how long it lasts, what it is.

use super::{aac, ac3, mpeg_audio, opus};
use crate::limits;
use crate::media::demux::RawSample;
use crate::media::error::MediaError;
use crate::media::sample::{Codec, SampleFormat, StreamLayout};
use bytes::Bytes;
use std::sync::Arc;

/// Ticks per second in which every frame of every sampling rate in use, and every tick of the 90 kHz clock,
/// is a whole number.
pub(crate) const TIMESCALE: u32 = 705_600_000;
/// Ticks of [`TIMESCALE`] per tick of the 90 kHz clock of MPEG-2 systems.
pub(crate) const PER_90K: i64 = 7_840;

/// Which frames to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// AAC behind ADTS headers, which are taken off.
    Adts,
    /// MPEG audio.
    MpegAudio,
    /// AC-3 and E-AC-3.
    Ac3,
    /// Opus behind the control headers of transport streams, for a channel configuration code.
    Opus(u8),
}

/// A frame as its header tells.
struct Frame {
    header: usize,
    length: usize,
    samples: u32,
    sampling_rate: u32,
    channels: u32,
    codec: Codec,
    extra: Bytes,
    /// Continues the frame before it.
    dependent: bool,
}

impl FrameKind {
    fn parse(self, data: &[u8]) -> Option<Frame> {
        let frame = |header, length, samples, sampling_rate, channels, codec| Frame {
            header,
            length,
            samples,
            sampling_rate,
            channels,
            codec,
            extra: Bytes::new(),
            dependent: false,
        };
        Some(match self {
            Self::Adts => {
                let adts = aac::AdtsHeader::parse(data)?;
                let samples = aac::FRAME_SAMPLES * adts.blocks;
                let extra = adts.config();
                let (rate, channels) = (adts.sampling_rate, adts.channels);
                Frame { extra, ..frame(adts.header, adts.length, samples, rate, channels, Codec::Aac) }
            }
            Self::MpegAudio => {
                let audio = mpeg_audio::AudioFrame::parse(data)?;
                let codec = if audio.layer == 3 { Codec::Mp3 } else { Codec::Mp2 };
                frame(0, audio.length, audio.samples, audio.sampling_rate, audio.channels, codec)
            }
            Self::Ac3 => {
                let sync = ac3::SyncFrame::parse(data)?;
                let codec = if sync.enhanced { Codec::Eac3 } else { Codec::Ac3 };
                let frame = frame(0, sync.length, sync.samples, sync.sampling_rate, sync.channels, codec);
                Frame { dependent: sync.dependent, ..frame }
            }
            Self::Opus(code) => {
                let (header, size) = opus::transport_unit(data)?;
                let samples = opus::packet_samples(data.get(header..)?);
                let (extra, channels) = opus::head_from_channels(code)?;
                let frame = frame(header, header + size, samples, 48_000, channels, Codec::Opus);
                Frame { extra, ..frame }
            }
        })
    }
}

/// Whether `data` begins with a frame of a kind that is followed by another of it or by its end.
pub(crate) fn begins_with(kind: FrameKind, data: &[u8]) -> bool {
    kind.parse(data).is_some_and(|frame| match data.get(frame.length..) {
        Some([]) => true,
        Some(rest) => kind.parse(rest).is_some(),
        None => false,
    })
}

/// Cuts `data` into frames. `marks` are positions in ascending order from which on the next frame to begin
/// has a known time, in ticks of [`TIMESCALE`]; frames between follow one another. Frames before the first
/// mark and an incomplete frame at the end are left out.
///
/// # Errors
/// [`MediaError::TooMany`] when there are more frames than a segment may hold.
pub(crate) fn split(
    kind: FrameKind,
    data: &Bytes,
    marks: &[(usize, i64)],
) -> Result<Vec<RawSample>, MediaError> {
    let mut samples: Vec<RawSample> = Vec::new();
    let mut format: Option<Arc<SampleFormat>> = None;
    let mut marks = marks.iter().peekable();
    let mut time = None;
    let mut last_begin = 0;
    let mut in_step = true;
    let mut at = 0;
    while at < data.len() {
        // Out of step a header must be confirmed by what follows: its bits occur in data by chance.
        let frame = match kind.parse(&data[at..]) {
            Some(frame) if in_step || begins_with(kind, &data[at..]) => frame,
            _ => {
                in_step = false;
                at += 1;
                continue;
            }
        };
        in_step = true;
        let Some(end) = at.checked_add(frame.length).filter(|end| *end <= data.len()) else { break };
        while let Some((_, marked)) = marks.next_if(|(position, _)| *position <= at) {
            time = Some(*marked);
        }
        match (frame.dependent, samples.last_mut()) {
            (true, Some(last)) => last.data = data.slice(last_begin..end),
            (true, None) => {}
            (false, _) => {
                let ticks = u64::from(frame.samples) * u64::from(TIMESCALE / frame.sampling_rate.max(1));
                if let Some(pts) = time {
                    if samples.len() >= limits::SAMPLES {
                        return Err(MediaError::TooMany {
                            what: "samples of a segment",
                            limit: limits::SAMPLES,
                        });
                    }
                    last_begin = at + frame.header;
                    samples.push(RawSample {
                        pts,
                        dts: Some(pts),
                        duration: ticks,
                        keyframe: true,
                        trim_start: 0,
                        data: data.slice(last_begin..end),
                        format: shared(&mut format, frame),
                        protection: None,
                    });
                    time = Some(pts.saturating_add(ticks.cast_signed()));
                }
            }
        }
        at = end;
    }
    Ok(samples)
}

/// The format of a frame, the same allocation for as long as it does not change.
fn shared(current: &mut Option<Arc<SampleFormat>>, frame: Frame) -> Arc<SampleFormat> {
    if let Some(format) = current
        && (format.codec, format.channels, format.sampling_rate)
            == (frame.codec, frame.channels, frame.sampling_rate)
        && format.extra == frame.extra
    {
        return Arc::clone(format);
    }
    let format = Arc::new(SampleFormat {
        extra: frame.extra,
        channels: frame.channels,
        sampling_rate: frame.sampling_rate,
        ..SampleFormat::new(frame.codec, StreamLayout::Raw)
    });
    Arc::clone(current.insert(format))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ADTS frame of `payload` bytes, 48 kHz stereo.
    fn adts(payload: usize) -> Vec<u8> {
        let length = payload + 7;
        let mut frame = vec![
            0xff,
            0xf1,
            0x4c,
            0x80 | (length >> 11) as u8,
            (length >> 3) as u8,
            (length as u8) << 5 | 0x1f,
            0xfc,
        ];
        frame.resize(length, 0x21);
        frame
    }

    #[test]
    fn frames_are_cut_and_timed() {
        let data: Vec<u8> = [adts(10), adts(20), adts(30)].concat();
        let samples = split(FrameKind::Adts, &Bytes::from(data), &[(0, 0)]).unwrap();
        let seen: Vec<_> = samples.iter().map(|s| (s.pts, s.data.len())).collect();
        let step = 1024 * 14_700;
        assert_eq!(seen, [(0, 10), (step, 20), (2 * step, 30)]);
        assert_eq!(&samples[0].format.extra[..], &[0x11, 0x90]);
        assert!(Arc::ptr_eq(&samples[0].format, &samples[2].format));
    }

    #[test]
    fn a_time_belongs_to_the_first_frame_that_begins_behind_its_mark() {
        let data: Vec<u8> = [adts(10), adts(20), adts(30)].concat();
        // The second mark stands inside of the first frame.
        let samples = split(FrameKind::Adts, &Bytes::from(data), &[(0, 0), (5, 1_000)]).unwrap();
        assert_eq!(samples.iter().map(|s| s.pts).take(2).collect::<Vec<_>>(), [0, 1_000]);
    }

    #[test]
    fn damage_costs_only_the_frames_it_hits() {
        let mut data: Vec<u8> = [adts(10), adts(20), adts(30), adts(40)].concat();
        data[17] = 0;
        let samples = split(FrameKind::Adts, &Bytes::from(data), &[(0, 0)]).unwrap();
        assert_eq!(samples.iter().map(|s| s.data.len()).collect::<Vec<_>>(), [10, 30, 40]);
    }
}
