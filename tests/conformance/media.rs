//! Containers against other people's files: what is cut from them equals what ffprobe and a peer's
//! extractor cut, and damaged ones end in errors.

use crate::harness::{Case, run_some, sources};
use abr::presentation::{Container, ContentType};
use bytes::Bytes;
use md5::{Digest, Md5};

use player::media::demux::{Demuxed, Demuxer, RawTrack, TimeBase, Wanted};
use player::media::error::MediaError;
use player::media::sample::{Codec, StreamLayout};
use player::net::complete::check;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn media(case: &Case) -> Result<Bytes, String> {
    case.input("media").map(Bytes::from)
}

fn demux(case: &Case) -> Result<Demuxed, String> {
    let init = case.inputs("init")?.into_iter().next().map(Bytes::from);
    let demuxed = Demuxer::new().read(Container::Unknown, init.as_ref(), &media(case)?, Wanted::ALL);
    demuxed.map_err(|error| error.to_string())
}

fn wrong(result: Result<(), String>) -> Vec<String> {
    result.err().into_iter().collect()
}

/// What both sides can say about a track.
fn compare_stream(track: &RawTrack, stream: &Value, time_base: TimeBase) -> Result<(), String> {
    let samples = &track.samples;
    let expect = |what: &str, ours: i64, theirs: &Value| match theirs.as_i64() {
        Some(theirs) if theirs != ours => Err(format!("{what}: {ours}, ffprobe says {theirs}")),
        _ => Ok(()),
    };
    expect("samples", samples.len() as i64, &stream["packet_count"])?;
    let Some(first) = samples.first() else { return Ok(()) };
    let seconds = |ticks: i64| ticks as f64 / f64::from(track.timescale);
    let expect_time = |what: &str, ours: f64, theirs: &Value| match theirs.as_f64() {
        Some(theirs) if (theirs - ours).abs() > 1e-3 => Err(format!("{what}: {ours}, ffprobe says {theirs}")),
        _ => Ok(()),
    };
    // ffprobe prints times before the wrap of the clock as negative ones.
    let wrap = if time_base == TimeBase::Wrapping { (1u64 << 33) as f64 / 90_000.0 } else { 0.0 };
    let begins_before_wrap = stream["first_pts"].as_f64().is_some_and(|first| first < 0.0);
    let seconds = |ticks: i64| seconds(ticks) - if begins_before_wrap { wrap } else { 0.0 };
    let start = track.start().unwrap_or(0);
    expect_time("first pts", seconds(start), &stream["first_pts"])?;
    // A tag or an ADTS header is part of a packet for ffprobe and not for a decoder.
    let framed = first.format.codec == Codec::Aac && time_base != TimeBase::Media;
    if !framed {
        let bytes: usize = samples.iter().map(|sample| sample.data.len()).sum();
        expect("bytes", bytes as i64, &stream["total_bytes"])?;
        let digests: Vec<String> = samples.iter().map(|sample| hex(&Md5::digest(&sample.data))).collect();
        let all = hex(&Md5::digest(digests.join("\n")));
        if stream["md5_of_md5s"].as_str().is_some_and(|theirs| theirs != all) {
            return Err("the bytes of samples differ".into());
        }
    }
    expect("keyframes", samples.iter().filter(|s| s.keyframe).count() as i64, &stream["key_count"])?;
    for (place, (sample, packet)) in
        samples.iter().zip(stream["packets"].as_array().into_iter().flatten()).enumerate()
    {
        expect_time(&format!("pts of sample {place}"), seconds(sample.pts), &packet[0])?;
        if let Some(dts) = sample.dts {
            expect_time(&format!("dts of sample {place}"), seconds(dts), &packet[1])?;
        }
    }
    Ok(())
}

/// The hash of the corpus: Java's `Arrays.hashCode` of a sample with start codes in place of lengths.
fn java_hash(sample: &[u8], layout: StreamLayout) -> u32 {
    let step = |hash: u32, byte: &u8| {
        hash.wrapping_mul(31).wrapping_add(i32::from(byte.cast_signed()).cast_unsigned())
    };
    if layout != StreamLayout::LengthPrefixed {
        return sample.iter().fold(1, step);
    }
    let (mut hash, mut rest) = (1, sample);
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let unit = &tail[..(u32::from_be_bytes(*length) as usize).min(tail.len())];
        hash = [0, 0, 0, 1].iter().chain(unit).fold(hash, step);
        rest = &tail[unit.len()..];
    }
    hash
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn streams_are_those_that_ffprobe_sees() {
    run_some("media", |case| {
        let streams = case.json["ffprobe"].as_array()?;
        (case.text("verdict") == "accept").then(|| wrong(compare_case(case, streams)))
    });
}

fn compare_case(case: &Case, streams: &[Value]) -> Result<(), String> {
    let demuxed = demux(case)?;
    for (kind, content_type) in [("video", ContentType::Video), ("audio", ContentType::Audio)] {
        let track = demuxed.track(content_type);
        let Some(stream) = streams.iter().find(|stream| stream["codec_type"] == kind) else { continue };
        compare_stream(track, stream, demuxed.time_base).map_err(|what| format!("{kind}: {what}"))?;
        if let Some(sample) = track.samples.first() {
            let format = &sample.format;
            for (what, ours) in [
                ("width", format.width),
                ("height", format.height),
                ("channels", format.channels),
                ("sample_rate", format.sampling_rate),
            ] {
                if let Some(theirs) = stream[what].as_u64()
                    && ours != 0
                    && u64::from(ours) != theirs
                {
                    return Err(format!("{what}: {ours}, ffprobe says {theirs}"));
                }
            }
        }
    }
    Ok(())
}

#[test]
fn samples_of_mp4_files_are_those_of_a_peer() {
    run_some("media", |case| {
        let is_mp4 = case.list("tags").iter().any(|tag| tag == "mp4");
        let compared = case.text("kind") == "samples" && case.text("verdict") == "accept" && is_mp4;
        compared.then(|| wrong(compare_samples(case)))
    });
}

fn compare_samples(case: &Case) -> Result<(), String> {
    let demuxed = demux(case)?;
    let expected = case.json["expect"]["tracks"].as_array().ok_or("no tracks")?;
    for (prefix, track) in [("video/", &demuxed.video), ("audio/", &demuxed.audio)] {
        let kind = |track: &&Value| {
            track["format"]["sample_mime_type"].as_str().is_some_and(|mime| mime.starts_with(prefix))
        };
        let Some(theirs) = expected.iter().find(kind) else { continue };
        let Some(sample) = track.samples.first() else { return Err(format!("no {prefix} track")) };
        if matches!(sample.format.codec, Codec::Unknown(_)) {
            continue;
        }
        let rows = theirs["samples"].as_array().ok_or("no samples")?;
        // The peer lists what is presented at least in part.
        let ours: Vec<_> = track.samples.iter().filter(|s| s.trim_start < s.duration.max(1)).collect();
        if Some(ours.len() as u64) != theirs["sample_count"].as_u64() {
            return Err(format!("{prefix} {} samples, the peer has {}", ours.len(), theirs["sample_count"]));
        }
        for (place, (sample, row)) in ours.iter().zip(rows).enumerate() {
            let micros = i128::from(sample.pts) * 1_000_000 / i128::from(track.timescale);
            let time = i128::from(row[0].as_i64().unwrap_or_default());
            if (micros - time).abs() > 1_000 {
                return Err(format!("{prefix} sample {place} at {micros} us, the peer has {time}"));
            }
            if row[1].as_u64() != Some(u64::from(sample.keyframe)) {
                return Err(format!("{prefix} sample {place} is a keyframe or not"));
            }
            let hash = format!("{:X}", java_hash(&sample.data, sample.format.layout));
            if row[3].as_str().is_some_and(|theirs| theirs != hash) && sample.protection.is_none() {
                return Err(format!("{prefix} sample {place} has other bytes"));
            }
        }
    }
    Ok(())
}

#[test]
fn segments_begin_and_end_where_a_peer_says() {
    run_some("media", |case| (case.text("kind") == "segments").then(|| wrong(compare_segments(case))));
}

fn compare_segments(case: &Case) -> Result<(), String> {
    let file = media(case)?;
    let range = |part: &Value| {
        let field = |name: &str| part[name].as_u64().unwrap_or_default() as usize;
        file.slice(field("offset")..field("offset") + field("size"))
    };
    let segments = &case.json["segments"];
    let init = range(&segments["init"]);
    let mut demuxer = Demuxer::new();
    for (number, part) in segments["media"].as_array().ok_or("no segments")?.iter().enumerate() {
        let data = range(part);
        check(Container::Mp4, &data).map_err(|error| error.to_string())?;
        let demuxed = demuxer
            .read(Container::Mp4, Some(&init), &data, Wanted::ALL)
            .map_err(|error| error.to_string())?;
        for (key, track) in [("timev", &demuxed.video), ("timea", &demuxed.audio)] {
            let Some(start) = track.start() else { continue };
            let ours = start as f64 / f64::from(track.timescale);
            let theirs = part[key].as_f64().ok_or("no time")?;
            if (ours - theirs).abs() > 1e-3 {
                return Err(format!("segment {number}: {key} {ours}, the peer says {theirs}"));
            }
        }
    }
    Ok(())
}

#[test]
fn damaged_inputs_end_quickly() {
    let cases: Vec<Case> = sources("media").into_iter().flat_map(|(_, cases)| cases).collect();
    let valid = cases.iter().find(|case| case.text("id") == "h264-aac-sidx.fmp4");
    let valid = valid.and_then(|case| media(case).ok());
    let mut slowest = (Duration::ZERO, String::new());
    for case in &cases {
        let roles: BTreeSet<&str> =
            case.list("inputs").iter().filter_map(|input| input["role"].as_str()).collect();
        let inputs = roles.into_iter().flat_map(|role| case.inputs(role).unwrap_or_default());
        for data in inputs.map(Bytes::from) {
            let begin = Instant::now();
            let mut demuxer = Demuxer::new();
            let containers =
                [Container::Unknown, Container::Mp4, Container::Ts, Container::PackedAudio, Container::Webm];
            for container in containers {
                let _ = check(container, &data);
                // By itself, behind a valid initialization segment, and as one for a valid segment.
                for (init, media) in
                    [(None, &data), (valid.as_ref(), &data), (Some(&data), valid.as_ref().unwrap_or(&data))]
                {
                    bounded(&demuxer.read(container, init, media, Wanted::ALL), media);
                }
            }
            for cut in [1, 7, 188, data.len() / 2, data.len().saturating_sub(1)] {
                let piece = data.slice(..cut.min(data.len()));
                bounded(&demuxer.read(Container::Unknown, None, &piece, Wanted::ALL), &piece);
            }
            let took = begin.elapsed();
            if took > slowest.0 {
                slowest = (took, case.text("id").to_owned());
            }
            assert!(took < Duration::from_secs(5), "{} took {took:?}", case.text("id"));
        }
    }
    println!("{} cases, slowest {} in {:?}", cases.len(), slowest.1, slowest.0);
}

/// Sample bytes are slices: together no more than the segment holds.
fn bounded(result: &Result<Demuxed, MediaError>, data: &Bytes) {
    if let Ok(demuxed) = result {
        let bytes = |track: &RawTrack| track.samples.iter().map(|sample| sample.data.len()).sum::<usize>();
        let total = bytes(&demuxed.video) + bytes(&demuxed.audio) + bytes(&demuxed.text);
        assert!(total <= data.len(), "{total} bytes of samples from {}", data.len());
    }
}
