//! Both decoders against ffmpeg: the same sound, at its time, without encoder delay.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use super::*;
use crate::media::demux::{Demuxer, Wanted};
use crate::media::sample::{Codec, StreamLayout};
use abr::presentation::{Container, RepresentationKey};
use bytes::Bytes;
use std::process::Command;

fn ffmpeg(arguments: &str, dir: &std::path::Path) -> Option<Vec<u8>> {
    let all = ["-v", "error", "-y"].into_iter().chain(arguments.split(' '));
    let Ok(output) = Command::new("ffmpeg").args(all).current_dir(dir).output() else {
        println!("skipped: ffmpeg is not installed");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

/// Encodes two seconds with `codec`, decodes the fragmented file with our decoders and with ffmpeg.
fn check(codec: &str, layout: &str, tolerance: f64) {
    check_in(Container::Mp4, codec, layout, tolerance);
}

/// As [`check`], in `container`.
fn check_in(container: Container, codec: &str, layout: &str, tolerance: f64) {
    gstreamer::init().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let source = format!(
        "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=2,aformat=channel_layouts={layout}"
    );
    let format = match container {
        Container::Webm => "-f webm -cluster_time_limit 3000",
        _ => "-f mp4 -movflags frag_keyframe+empty_moov+delay_moov+default_base_moof -frag_duration 3000000",
    };
    let Some(_) = ffmpeg(&format!("{source} {codec} {format} sound"), dir.path()) else { return };
    let expected = ffmpeg("-i sound -f f32le -c:a pcm_f32le -", dir.path()).unwrap();
    let expected: Vec<f32> = expected
        .chunks_exact(4)
        .map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        .collect();

    let whole = Bytes::from(std::fs::read(dir.path().join("sound")).unwrap());
    let find = |mark: &[u8; 4]| whole.windows(4).position(|word| word == mark).unwrap();
    let head = match container {
        Container::Webm => find(b"\x1f\x43\xb6\x75"),
        _ => find(b"moof") - 4,
    };
    let (init, data) = (whole.slice(..head), whole.slice(head..));
    let demuxed = Demuxer::new().read(container, Some(&init), &data, Wanted::ALL).unwrap();
    let track = demuxed.audio;
    let time = |ticks| MediaTime::from_ticks(ticks, track.timescale);
    let mut decoder: Option<Box<dyn AudioDecoder>> = None;
    let mut out = Vec::new();
    for raw in &track.samples {
        let pts = time(raw.pts);
        let sample = Sample {
            pts,
            dts: None,
            duration: time(raw.pts + raw.duration as i64).since(pts),
            keyframe: raw.keyframe,
            trim_start: time(raw.pts + raw.trim_start as i64).since(pts),
            data: raw.data.clone(),
            format: raw.format.clone(),
            protection: None,
            representation: RepresentationKey { period: 0, adaptation_set: 0, representation: 0 },
        };
        let decoder = decoder.get_or_insert_with(|| super::decoder(&sample.format).unwrap());
        decoder.decode(&sample, &mut out).unwrap();
    }
    decoder.unwrap().drain(&mut out);
    for pair in out.windows(2) {
        let gap = pair[1].pts.since(pair[0].end()).max(pair[0].end().since(pair[1].pts));
        assert!(gap <= Duration::from_millis(1), "{codec}: {:?} {:?}", pair[0].end(), pair[1].pts);
    }
    let start = out[0].pts;
    // A first packet without anything to overlap with brings out nothing.
    let silent = if container == Container::Webm { 3 } else { 0 };
    assert!((start.as_nanos() - silent * 1_000_000).abs() < 1_000_000, "{codec} starts at {start:?}");
    let got: Vec<f32> = out.into_iter().flat_map(|pcm| pcm.samples).collect();
    // ffmpeg does not apply the edit lists of most codecs in fragmented files: its delay comes in addition.
    let delay: Duration = track.samples.iter().map(|raw| span(raw.trim_start, track.timescale)).sum();
    let channels = if layout == "5.1" { 6 } else { 2 };
    let extra = expected.len().saturating_sub(got.len());
    let trimmed = (delay.as_secs_f64() * 48_000.0).round() as usize * channels;
    assert!(extra == 0 || extra == trimmed, "{codec}: {} {}, delay {trimmed}", got.len(), expected.len());
    let expected = &expected[extra..];
    assert_eq!(got.len(), expected.len(), "{codec}");
    let squares: f64 = got.iter().zip(expected).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    let rms = (squares / got.len() as f64).sqrt();
    println!("{codec}: {} samples, RMS difference {rms:e}", got.len());
    assert!(rms < tolerance, "{codec}: {rms}");
}

#[test]
fn aac_sounds_as_in_ffmpeg() {
    check("-c:a aac -b:a 128k", "stereo", 1e-4);
}

#[test]
fn surround_aac_sounds_as_in_ffmpeg() {
    check("-c:a aac -b:a 256k", "5.1", 1e-4);
}

#[test]
fn flac_sounds_as_in_ffmpeg() {
    check("-c:a flac -strict -2", "stereo", 1e-4);
}

#[test]
fn opus_sounds_as_in_ffmpeg() {
    check("-c:a libopus -b:a 96k", "stereo", 2e-2);
}

#[test]
fn ac3_sounds_as_in_ffmpeg() {
    check("-c:a ac3 -b:a 192k", "stereo", 1e-3);
}

#[test]
fn mp3_sounds_as_in_ffmpeg() {
    check("-c:a libmp3lame -b:a 128k", "stereo", 1e-3);
}

#[test]
fn vorbis_sounds_as_in_ffmpeg() {
    check_in(Container::Webm, "-c:a libvorbis -b:a 128k", "stereo", 1e-4);
}

#[test]
fn surround_vorbis_sounds_as_in_ffmpeg() {
    check_in(Container::Webm, "-c:a libvorbis -b:a 256k", "5.1", 1e-4);
}

#[test]
fn vorbis_needs_no_element() {
    let with_headers = SampleFormat {
        extra: Bytes::from_static(&[2]),
        ..SampleFormat::new(Codec::Vorbis, StreamLayout::Raw)
    };
    assert!(symphonia::can_decode(&with_headers));
    assert!(!symphonia::can_decode(&SampleFormat::new(Codec::Vorbis, StreamLayout::Raw)));
}
