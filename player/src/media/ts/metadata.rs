//! What a transport stream carries beside pictures and sound: ID3 tags and SCTE-35 sections.

use super::packet::Packets;
use super::pes::{self, Elementary};
use super::psi::{self, Cut};
use crate::limits;
use crate::media::sample::FourCc;

/// Metadata of a segment; times in ticks of 90 kHz.
#[derive(Debug, Default)]
pub(in crate::media) struct Metadata {
    /// The earliest presentation time of pictures, or else of sound.
    pub first: Option<i64>,
    /// Contents of metadata packets with their times.
    pub tags: Vec<(i64, Vec<u8>)>,
    /// Splice information sections.
    pub splices: Vec<Vec<u8>>,
}

/// Most sections of one segment.
const SECTIONS: usize = 256;

/// Finds the metadata of a segment.
pub(in crate::media) fn metadata(data: &[u8]) -> Metadata {
    let streams = psi::find_streams(data);
    let mut found = Metadata::default();
    if streams.tags.is_empty() && streams.splices.is_empty() {
        return found;
    }
    let timed = streams.video.first().or(streams.audio.first()).map(|(pid, _)| *pid);
    let mut tags: Vec<Elementary> =
        streams.tags.iter().map(|pid| Elementary::new(*pid, Cut::UnknownAudio(FourCc(*b"id3 ")))).collect();
    let mut section = Vec::new();
    for packet in Packets::new(data) {
        if Some(packet.pid) == timed && packet.starts_unit {
            let pts = pes::parse_header(packet.payload).and_then(|(_, pts, _)| pts);
            found.first = [found.first, pts].into_iter().flatten().min();
        } else if let Some(stream) = tags.iter_mut().find(|stream| stream.pid == packet.pid) {
            stream.take(&packet);
        } else if streams.splices.contains(&packet.pid) {
            let payload = match packet.payload.split_first() {
                Some((pointer, rest)) if packet.starts_unit => {
                    section.clear();
                    rest.get(usize::from(*pointer)..).unwrap_or_default()
                }
                _ if section.is_empty() => continue,
                _ => packet.payload,
            };
            if section.len() < 4096 + 3 {
                section.extend_from_slice(payload);
            }
            let length = section
                .get(1..3)
                .map(|field| usize::from(u16::from_be_bytes([field[0], field[1]]) & 0xfff) + 3);
            if let Some(whole) = length.and_then(|length| section.get(..length))
                && found.splices.len() < SECTIONS
            {
                found.splices.push(whole.to_vec());
                section.clear();
            }
        }
    }
    for stream in tags {
        let (data, units) = stream.finish();
        for unit in units.iter().take(SECTIONS) {
            let end = unit.end.min(unit.begin + limits::TIMED_EVENT_BYTES);
            if let (Some(pts), Some(payload)) = (unit.pts, data.get(unit.begin..end)) {
                found.tags.push((pts, payload.to_vec()));
            }
        }
    }
    found
}
