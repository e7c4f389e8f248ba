//! Program specific information (ISO/IEC 13818-1, 2.4.4): which packet identifiers carry what.

use super::packet::{Packet, Packets};
use crate::media::elementary::nal::NalCodec;
use crate::media::sample::{Codec, FourCc};

/// Sections are at most 1024 bytes behind a three-byte header.
const SECTION_BYTES: usize = 1024 + 3;
/// More programs than any stream has.
const PROGRAMS: usize = 64;

/// How the payload of an elementary stream is to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Pictures in NAL units.
    Nal(NalCodec),
    /// Pictures, one to a PES packet.
    Picture(Codec),
    /// ADTS frames.
    Adts,
    /// MPEG audio frames.
    MpegAudio,
    /// AC-3 or E-AC-3 frames.
    Ac3,
    /// Opus with control headers, for a channel configuration code.
    Opus(u8),
    /// Sound of a codec that is not cut.
    UnknownAudio(FourCc),
}

impl Cut {
    pub(super) fn is_video(self) -> bool {
        matches!(self, Self::Nal(_) | Self::Picture(_))
    }
}

/// The elementary streams of the first program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Streams {
    pub video: Vec<(u16, Cut)>,
    pub audio: Vec<(u16, Cut)>,
    /// ID3 tags in PES packets (stream type 0x15).
    pub tags: Vec<u16>,
    /// SCTE-35 sections (stream type 0x86).
    pub splices: Vec<u16>,
}

/// Finds the program map wherever it stands in the segment. Of every version of the map the first video
/// and the first readable audio stream count; sections with a wrong checksum only when there is no other.
pub(super) fn find_streams(data: &[u8]) -> Streams {
    let mut pass = Pass::default();
    for packet in Packets::new(data) {
        pass.take(&packet);
    }
    if pass.good.video.is_empty() && pass.good.audio.is_empty() { pass.doubtful } else { pass.good }
}

#[derive(Default)]
struct Pass {
    /// PIDs of program maps.
    maps: Vec<u16>,
    /// Sections under way, by PID.
    sections: Vec<(u16, Vec<u8>)>,
    good: Streams,
    doubtful: Streams,
}

impl Pass {
    fn take(&mut self, packet: &Packet<'_>) {
        if packet.pid != 0 && !self.maps.contains(&packet.pid) {
            return;
        }
        let place = match self.sections.iter().position(|(pid, _)| *pid == packet.pid) {
            Some(place) => place,
            None => {
                self.sections.push((packet.pid, Vec::new()));
                self.sections.len() - 1
            }
        };
        let mut payload = packet.payload;
        if packet.starts_unit {
            let Some((pointer, rest)) = payload.split_first() else { return };
            let Some(begin) = rest.get(usize::from(*pointer)..) else { return };
            self.sections[place].1.clear();
            payload = begin;
        } else if self.sections[place].1.is_empty() {
            return;
        }
        let section = &mut self.sections[place].1;
        section.extend_from_slice(&payload[..payload.len().min(SECTION_BYTES - section.len())]);
        let Some(length) = section_length(section) else { return };
        if section.len() < length {
            return;
        }
        let section = std::mem::take(section);
        self.section(packet.pid, &section[..length]);
    }

    fn section(&mut self, pid: u16, section: &[u8]) {
        let intact = crc(section) == 0;
        if pid == 0 {
            if section[0] != 0 {
                return;
            }
            for entry in section.get(8..section.len() - 4).unwrap_or_default().chunks_exact(4) {
                let (program, pid) = (u16::from_be_bytes([entry[0], entry[1]]), pid_of(entry[2], entry[3]));
                // Only the first program is played; a new table may move its map.
                if program != 0 {
                    if !self.maps.contains(&pid) && self.maps.len() < PROGRAMS {
                        self.maps.push(pid);
                    }
                    break;
                }
            }
        } else if section[0] == 2 {
            let found = parse_map(section);
            let streams = if intact { &mut self.good } else { &mut self.doubtful };
            for (kept, new) in [(&mut streams.video, found.video), (&mut streams.audio, found.audio)] {
                for stream in new {
                    if !kept.contains(&stream) && kept.len() < PROGRAMS {
                        kept.push(stream);
                    }
                }
            }
            for (kept, new) in [(&mut streams.tags, found.tags), (&mut streams.splices, found.splices)] {
                for pid in new {
                    if !kept.contains(&pid) && kept.len() < PROGRAMS {
                        kept.push(pid);
                    }
                }
            }
        }
    }
}

/// Bytes of a section with header and checksum, once its header is there; sections too short for any use
/// are stretched so that fields can be read.
fn section_length(section: &[u8]) -> Option<usize> {
    let field = u16::from_be_bytes([*section.get(1)?, *section.get(2)?]);
    Some((usize::from(field & 0xfff) + 3).clamp(12, SECTION_BYTES))
}

fn pid_of(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high, low]) & 0x1fff
}

fn parse_map(section: &[u8]) -> Streams {
    let mut streams = Streams::default();
    let information =
        section.get(10..12).map_or(0, |f| usize::from(u16::from_be_bytes([f[0], f[1]]) & 0xfff));
    let end = section.len().saturating_sub(4);
    let mut at = 12usize.saturating_add(information);
    while let Some(entry) = section.get(at..end).and_then(|rest| rest.get(..5)) {
        let length = usize::from(u16::from_be_bytes([entry[3], entry[4]]) & 0xfff);
        let descriptors = section.get(at + 5..end).unwrap_or_default();
        let descriptors = &descriptors[..length.min(descriptors.len())];
        match entry[0] {
            0x15 => streams.tags.push(pid_of(entry[1], entry[2])),
            0x86 => streams.splices.push(pid_of(entry[1], entry[2])),
            _ => {}
        }
        if let Some(cut) = classify(entry[0], descriptors) {
            let list = if cut.is_video() { &mut streams.video } else { &mut streams.audio };
            let replaceable = matches!(list.first(), Some((_, Cut::UnknownAudio(_))));
            if list.is_empty() || (replaceable && !matches!(cut, Cut::UnknownAudio(_))) {
                *list = vec![(pid_of(entry[1], entry[2]), cut)];
            }
        }
        at += 5 + length;
    }
    streams
}

/// What a stream type means (table 2-34 and ATSC, DVB and Blu-ray habits).
fn classify(stream_type: u8, descriptors: &[u8]) -> Option<Cut> {
    Some(match stream_type {
        0x01 => Cut::Picture(Codec::Mpeg1),
        0x02 => Cut::Picture(Codec::Mpeg2),
        0x10 => Cut::Picture(Codec::Mpeg4),
        0xea => Cut::Picture(Codec::Vc1),
        0x1b => Cut::Nal(NalCodec::H264),
        0x24 => Cut::Nal(NalCodec::Hevc),
        0x03 | 0x04 => Cut::MpegAudio,
        0x0f => Cut::Adts,
        0x81 | 0x87 => Cut::Ac3,
        0x11 => Cut::UnknownAudio(FourCc(*b"latm")),
        0x82 | 0x8a => Cut::UnknownAudio(FourCc(*b"dts ")),
        // Streams with encrypted samples (HLS SAMPLE-AES).
        0xdb => Cut::Picture(Codec::Unknown(FourCc(*b"encV"))),
        0xc1 | 0xc2 | 0xcf => Cut::UnknownAudio(FourCc(*b"encA")),
        0x06 => private(descriptors)?,
        _ => return None,
    })
}

/// Private data is told by its descriptors.
fn private(descriptors: &[u8]) -> Option<Cut> {
    let mut registered = false;
    let mut at = 0;
    while let Some([tag, length]) = descriptors.get(at..at + 2) {
        let body = descriptors.get(at + 2..at + 2 + usize::from(*length)).unwrap_or_default();
        match (tag, body) {
            (0x6a | 0x7a, _) => return Some(Cut::Ac3),
            (0x05, b"AC-3" | b"EAC3") => return Some(Cut::Ac3),
            (0x05, b"HEVC") => return Some(Cut::Nal(NalCodec::Hevc)),
            (0x05, b"Opus") => registered = true,
            // Extension descriptor with the Opus channel configuration.
            (0x7f, [0x80, code, ..]) if registered => return Some(Cut::Opus(*code)),
            _ => {}
        }
        at += 2 + usize::from(*length);
    }
    registered.then_some(Cut::Opus(2))
}

/// CRC-32 of MPEG-2 systems (annex A): zero over a section with its checksum.
fn crc(section: &[u8]) -> u32 {
    section.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc & 0x8000_0000 != 0 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // A program association table as ffmpeg writes it.
        let section = [0, 0xb0, 0x0d, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 0x04, 0xb2];
        assert_eq!(crc(&section), 0);
    }

    #[test]
    fn private_streams_are_told_by_descriptors() {
        assert_eq!(private(&[5, 4, b'O', b'p', b'u', b's', 0x7f, 2, 0x80, 6]), Some(Cut::Opus(6)));
        assert_eq!(private(&[0x6a, 1, 0]), Some(Cut::Ac3));
        assert_eq!(private(&[0x0a, 4, 1]), None);
    }
}
