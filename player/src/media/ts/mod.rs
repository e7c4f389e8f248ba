//! MPEG-2 transport streams (ISO/IEC 13818-1): packets to PES packets to access units. Each segment is
//! read by itself, as HLS demands that it carries its own tables.

mod metadata;
mod packet;
mod pes;
mod psi;
#[cfg(test)]
mod tests;

use super::demux::{Demuxed, RawSample, RawTrack, TimeBase, Wanted};
use super::elementary::frames::{self, FrameKind, PER_90K, TIMESCALE};
use super::elementary::nal::{self, NalCodec};
use super::elementary::picture::{self, Dimensions};
use super::error::MediaError;
use super::sample::{Codec, SampleFormat, StreamLayout};
use crate::limits;
use bytes::Bytes;
use pes::Elementary;
use psi::Cut;
use std::sync::Arc;

pub(super) use metadata::metadata;

/// Name of the format in errors.
const CONTAINER: &str = "MPEG-2 TS";

/// Whether packets begin within the first few packets' worth of bytes.
pub(super) fn is_transport_stream(data: &[u8]) -> bool {
    let window = &data[..data.len().min(packet::SIZE * 6)];
    packet::find_sync(window).is_some_and(|at| at < packet::SIZE * 5 && at + packet::SIZE <= data.len())
}

/// Cuts a segment into samples.
pub(super) fn demux(data: &Bytes, wanted: Wanted) -> Result<Demuxed, MediaError> {
    let malformed = |what| MediaError::Malformed { container: CONTAINER, at: 0, what };
    if !is_transport_stream(data) {
        return Err(MediaError::NotMedia("no transport packets"));
    }
    let streams = psi::find_streams(data);
    if streams.video.is_empty() && streams.audio.is_empty() {
        return Err(malformed("no program map with a stream that can be played"));
    }
    let chosen = |wanted: bool, list: Vec<(u16, Cut)>| if wanted { list } else { Vec::new() };
    let (video, audio) = (chosen(wanted.video, streams.video), chosen(wanted.audio, streams.audio));
    let mut streams: Vec<_> =
        video.iter().chain(&audio).map(|(pid, cut)| Elementary::new(*pid, *cut)).collect();
    for packet in packet::Packets::new(data) {
        if let Some(stream) = streams.iter_mut().find(|stream| stream.pid == packet.pid) {
            if packet.scrambled {
                return Err(MediaError::Encrypted("the transport stream"));
            }
            stream.take(&packet);
        }
    }
    let mut demuxed = Demuxed { time_base: TimeBase::Wrapping, ..Demuxed::default() };
    for stream in streams {
        let is_video = stream.cut.is_video();
        let samples = cut(stream)?;
        let track = if is_video { &mut demuxed.video } else { &mut demuxed.audio };
        track.timescale = TIMESCALE;
        track.samples.extend(samples);
        if track.samples.len() > limits::SAMPLES {
            return Err(MediaError::TooMany { what: "samples of a segment", limit: limits::SAMPLES });
        }
    }
    unwrap_jumps(&mut demuxed);
    Ok(demuxed)
}

/// The samples of one elementary stream.
fn cut(stream: Elementary) -> Result<Vec<RawSample>, MediaError> {
    let cut = stream.cut;
    let (data, units) = stream.finish();
    let frames = |kind| {
        let marks: Vec<_> = units.iter().filter_map(|unit| Some((unit.begin, unit.pts? * PER_90K))).collect();
        frames::split(kind, &data, &marks)
    };
    match cut {
        Cut::Adts => frames(FrameKind::Adts),
        Cut::MpegAudio => frames(FrameKind::MpegAudio),
        Cut::Ac3 => frames(FrameKind::Ac3),
        Cut::Opus(code) => frames(FrameKind::Opus(code)),
        Cut::Nal(codec) => pictures(&data, &nal_pictures(codec, &data, &units), nal_format(codec)),
        Cut::Picture(codec) => pictures(&data, &plain_pictures(codec, &data, &units), codec),
        Cut::UnknownAudio(name) => {
            pictures(&data, &plain_pictures(Codec::Unknown(name), &data, &units), Codec::Unknown(name))
        }
    }
}

fn nal_format(codec: NalCodec) -> Codec {
    match codec {
        NalCodec::H264 => Codec::H264,
        NalCodec::Hevc => Codec::Hevc,
    }
}

/// One access unit in the bytes of an elementary stream.
#[derive(Clone, Copy, Debug)]
struct Unit {
    begin: usize,
    end: usize,
    pts: Option<i64>,
    dts: Option<i64>,
    keyframe: bool,
    picture: bool,
    dimensions: Option<Dimensions>,
}

/// Access units of H.264 or H.265: normally a PES packet holds one; delimiters part several, and a packet
/// without a time stamp that begins in the middle of a unit continues the one before.
fn nal_pictures(codec: NalCodec, data: &Bytes, packets: &[pes::PesUnit]) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for packet in packets {
        let payload = &data[packet.begin..packet.end];
        let mut starts = nal::access_units(codec, payload);
        let continues = packet.pts.is_none() && !nal::begins_with_delimiter(codec, payload);
        if continues && let Some(last) = units.last_mut() {
            starts.remove(0);
            last.end = packet.begin + starts.first().copied().unwrap_or(payload.len());
        }
        for (place, start) in starts.iter().enumerate() {
            let end = starts.get(place + 1).copied().unwrap_or(payload.len());
            let first = *start == 0;
            units.push(Unit {
                begin: packet.begin + start,
                end: packet.begin + end,
                pts: packet.pts.filter(|_| first),
                dts: packet.dts.filter(|_| first),
                keyframe: false,
                picture: false,
                dimensions: None,
            });
        }
    }
    for unit in &mut units {
        let facts = nal::look(codec, &data[unit.begin..unit.end]);
        (unit.keyframe, unit.picture, unit.dimensions) = (facts.keyframe, facts.picture, facts.dimensions);
    }
    // Parameter sets in a packet of their own go with the picture behind them.
    let mut merged: Vec<Unit> = Vec::with_capacity(units.len());
    for unit in units {
        match merged.last_mut().filter(|last| !last.picture && last.end == unit.begin) {
            Some(last) => {
                *last = Unit {
                    begin: last.begin,
                    pts: unit.pts.or(last.pts),
                    dts: unit.dts.or(last.dts),
                    dimensions: unit.dimensions.or(last.dimensions),
                    ..unit
                }
            }
            None => merged.push(unit),
        }
    }
    merged.retain(|unit| unit.picture);
    merged
}

/// Access units of codecs whose PES packets hold one picture each.
fn plain_pictures(codec: Codec, data: &Bytes, packets: &[pes::PesUnit]) -> Vec<Unit> {
    let look = |payload: &[u8], random_access| match codec {
        Codec::Mpeg1 | Codec::Mpeg2 => picture::mpeg2(payload),
        Codec::Mpeg4 => (picture::mpeg4_is_intra(payload), None),
        Codec::Vc1 => (random_access, None),
        _ => (true, None),
    };
    let units = packets.iter().filter(|packet| packet.begin < packet.end).map(|packet| {
        let (keyframe, dimensions) = look(&data[packet.begin..packet.end], packet.random_access);
        Unit {
            begin: packet.begin,
            end: packet.end,
            pts: packet.pts,
            dts: packet.dts,
            keyframe,
            picture: true,
            dimensions,
        }
    });
    units.collect()
}

/// Access units to samples: missing time stamps are filled in, durations are the distances in decoding
/// order, the last one lasts as long as the one before.
fn pictures(data: &Bytes, units: &[Unit], codec: Codec) -> Result<Vec<RawSample>, MediaError> {
    let times = decode_times(units);
    let mut format: Option<Arc<SampleFormat>> = None;
    let layout = match codec {
        Codec::Unknown(_) => StreamLayout::Raw,
        _ => StreamLayout::ByteStream,
    };
    let first = units.iter().find_map(|unit| unit.dimensions);
    let mut samples: Vec<RawSample> = Vec::with_capacity(units.len());
    for (place, (unit, dts)) in units.iter().zip(&times).enumerate() {
        let Some(dts) = *dts else { continue };
        let pts = unit.pts.unwrap_or(dts);
        let duration = match times.get(place + 1).copied().flatten() {
            Some(next) if next > dts => (next - dts).unsigned_abs() * PER_90K.unsigned_abs(),
            _ => samples.last().map_or(0, |sample| sample.duration),
        };
        let dimensions = unit.dimensions.or(if format.is_none() { first } else { None });
        let format = match (&format, dimensions) {
            (Some(format), None) => Arc::clone(format),
            (_, dimensions) => {
                let new = described(codec, layout, dimensions)?;
                match &format {
                    Some(format) if **format == new => Arc::clone(format),
                    _ => Arc::clone(format.insert(Arc::new(new))),
                }
            }
        };
        samples.push(RawSample {
            pts: pts * PER_90K,
            dts: Some(dts * PER_90K),
            duration,
            keyframe: unit.keyframe,
            trim_start: 0,
            data: data.slice(unit.begin..unit.end),
            format,
            protection: None,
        });
    }
    Ok(samples)
}

fn described(
    codec: Codec,
    layout: StreamLayout,
    size: Option<Dimensions>,
) -> Result<SampleFormat, MediaError> {
    let Some(Dimensions { width, height, pixel_aspect }) = size else {
        return Ok(SampleFormat::new(codec, layout));
    };
    if width > limits::PICTURE_SIDE || height > limits::PICTURE_SIDE {
        return Err(MediaError::Picture { width, height });
    }
    Ok(SampleFormat { width, height, pixel_aspect, ..SampleFormat::new(codec, layout) })
}

/// Decoding times in 90 kHz ticks; units without one are spread evenly between their neighbours.
fn decode_times(units: &[Unit]) -> Vec<Option<i64>> {
    let mut times: Vec<Option<i64>> = units.iter().map(|unit| unit.dts.or(unit.pts)).collect();
    let known: Vec<usize> = (0..times.len()).filter(|place| times[*place].is_some()).collect();
    let mut step = 0;
    for (number, from) in known.iter().enumerate() {
        let Some(begin) = times[*from] else { continue };
        let next = known.get(number + 1).copied();
        if let Some((to, end)) = next.and_then(|to| Some((to, times[to]?))) {
            step = (end - begin) / (to - from) as i64;
        }
        for place in from + 1..next.unwrap_or(times.len()) {
            times[place] = Some(begin + step * (place - from) as i64);
        }
    }
    times
}

/// Inside of one segment time goes on: a step back by half the range of the 33-bit clock is a wrap.
fn unwrap_jumps(demuxed: &mut Demuxed) {
    let first = demuxed.video.samples.first().or(demuxed.audio.samples.first());
    let Some(reference) = first.map(|sample| sample.dts.unwrap_or(sample.pts)) else { return };
    let unwrap = |track: &mut RawTrack| {
        for sample in &mut track.samples {
            sample.pts = super::timing::nearest_wrap(sample.pts, reference);
            sample.dts = sample.dts.map(|dts| super::timing::nearest_wrap(dts, reference));
        }
    };
    unwrap(&mut demuxed.video);
    unwrap(&mut demuxed.audio);
}
