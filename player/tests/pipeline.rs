//! The pipeline against content that ffmpeg makes: every frame once, in order, at its exact time and with
//! the picture that ffmpeg decodes; seeks, holds, switches of rendition and codec, both containers.
#![cfg(feature = "media")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use abr::error::{Code, Error, Severity};
use abr::presentation::{Container, ContentType};
use abr::time::MediaTime;
use player::decode::AudioOutput;
use player::pipeline::{PipelineCommand, PipelineEvent};
use std::time::{Duration, Instant};
use support::{Player, check_paced, check_times, pictures, pictures_and_sound, pts_ms, title};

#[test]
fn every_frame_once_across_renditions() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name, size| pictures(dir.path(), name, size, 6);
    let (Some(a), Some(b), Some(c)) = (make("a", "320x180"), make("b", "640x360"), make("c", "480x270"))
    else {
        return;
    };
    let lines = Player::check_unpaced(&[&a, &b, &c]);
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line.representation, ["a", "b", "c"][index / 48]);
        assert_eq!(line.width, [320, 640, 480][index / 48]);
    }
}

#[test]
fn transport_streams_with_sound() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name, size| pictures_and_sound(dir.path(), name, size, 6);
    let (Some(a), Some(b)) = (make("a", "320x180"), make("b", "640x360")) else { return };
    Player::check_unpaced(&[&a, &b, &a]);
}

#[test]
fn a_change_of_codec_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let hevc = "-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=2:open-gop=0 -pix_fmt yuv420p10le -tag:v hvc1";
    let Some(a) = pictures(dir.path(), "a", "320x180", 6) else { return };
    let Some(b) = title(dir.path(), "b", "320x180", 6, hevc, Container::Mp4) else { return };
    Player::check_unpaced(&[&a, &b, &a]);
}

#[test]
fn paced_frames_come_on_time() {
    let dir = tempfile::tempdir().unwrap();
    let Some(a) = pictures(dir.path(), "a", "320x180", 4) else { return };
    let mut player = Player::new(true);
    player.tracks(true, false);
    player.append(&a, 0);
    assert_eq!(player.wait_ready(), MediaTime::ZERO);
    assert_eq!(player.log.lines().len(), 1, "the first frame is shown while the clock stands");
    player.run(true);
    // The second segment comes too late: the clock waits at the end of the first.
    player.wait("the end of the queue", |event| {
        matches!(event, PipelineEvent::Playback { position, .. } if *position == MediaTime::from_millis(2_000))
    });
    std::thread::sleep(Duration::from_millis(300));
    player.append(&a, 1);
    player.end(false);
    player.wait_drained();
    let lines = player.log.lines();
    check_paced(&player, &lines, 96);
    let (first, last) = (&lines[1], &lines[lines.len() - 1]);
    let stall = (last.t_ms - first.t_ms) - (last.pts_ms - first.pts_ms);
    assert!((250.0..800.0).contains(&stall), "{stall}");
}

/// A sink that paces itself on the system clock stands for a device.
#[test]
fn pictures_follow_the_sound_device() {
    let dir = tempfile::tempdir().unwrap();
    let Some(a) = pictures_and_sound(dir.path(), "a", "320x180", 6) else { return };
    let mut player = Player::with_sound(true, AudioOutput::Element("fakesink".into()));
    player.append_all(&[&a; 3]);
    player.wait_ready();
    player.run(true);
    let leads =
        |event: &PipelineEvent| matches!(event, PipelineEvent::Playback { av_offset_ms: Some(_), .. });
    player.wait("sound that leads", leads);
    player.wait("playback", |event| {
        matches!(event, PipelineEvent::Playback { position, .. } if *position > MediaTime::from_millis(1_000))
    });
    player.run(false);
    std::thread::sleep(Duration::from_millis(300));
    player.run(true);
    player.wait("playback", |event| {
        matches!(event, PipelineEvent::Playback { position, .. } if *position > MediaTime::from_millis(1_500))
    });
    player.send(PipelineCommand::Seek { to: MediaTime::from_millis(4_000), buffered: true });
    player.wait_ready();
    player.wait_drained();
    let offsets: Vec<f64> = player
        .seen
        .iter()
        .filter_map(|event| match event {
            PipelineEvent::Playback { av_offset_ms, .. } => *av_offset_ms,
            _ => None,
        })
        .collect();
    println!("A/V offsets in ms: {offsets:?}");
    assert!(offsets.len() > 10);
    let mean = offsets.iter().sum::<f64>() / offsets.len() as f64;
    assert!(mean.abs() < 45.0, "{mean}");
}

#[test]
fn without_a_sound_device_time_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let Some(a) = pictures_and_sound(dir.path(), "a", "320x180", 2) else { return };
    let mut player = Player::with_sound(true, AudioOutput::Element("nosuchsink".into()));
    player.append_all(&[&a]);
    let trouble = |event: &PipelineEvent| matches!(event, PipelineEvent::Trouble(error) if error.code == Code::NoAudioDevice);
    player.wait("notice", trouble);
    player.run(true);
    player.wait_drained();
    let lines = player.log.lines();
    check_paced(&player, &lines, 48);
}

#[test]
fn a_seek_shows_the_frame_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let Some(a) = pictures(dir.path(), "a", "320x180", 6) else { return };
    let mut player = Player::new(true);
    player.append_all(&[&a; 3]);
    player.wait_ready();
    let digests = a.digests();
    // Forward, backward, on a frame's start, inside a frame, to the last frame, behind the end.
    for (to_ms, frame) in [(3_700, 88), (1_000, 24), (5_990, 143), (0, 0), (2_010, 48), (6_000, 143)] {
        let started = Instant::now();
        player.send(PipelineCommand::Seek { to: MediaTime::from_millis(to_ms), buffered: to_ms < 6_000 });
        if to_ms == 6_000 {
            player.append(&a, 2);
            player.end(false);
        }
        let position = player.wait_ready();
        assert!((position.as_nanos() as f64 / 1e6 - pts_ms(frame)).abs() < 1e-4, "{to_ms}: {position:?}");
        assert_eq!(player.log.lines().last().unwrap().md5, digests[frame]);
        println!("seek to {to_ms} ms: {:?}", started.elapsed());
    }
    // From a seek on, all frames follow.
    player.send(PipelineCommand::Seek { to: MediaTime::from_millis(5_000), buffered: false });
    player.append(&a, 2);
    player.end(false);
    player.wait_ready();
    let before = player.log.lines().len() - 1;
    player.run(true);
    player.wait_drained();
    let lines = player.log.lines();
    assert!((lines[before].pts_ms - 5_000.0).abs() < 1e-4, "{:?}", lines[before]);
    assert!(lines[before..].is_sorted_by(|a, b| a.pts_ms < b.pts_ms));
    assert!(lines.len() - before <= 24);
}

#[test]
fn a_flush_replaces_what_was_not_decoded_yet() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name, size| pictures(dir.path(), name, size, 6);
    let (Some(a), Some(b)) = (make("a", "320x180"), make("b", "640x360")) else { return };
    let mut player = Player::new(false);
    player.tracks(true, false);
    (0..3).for_each(|number| player.append(&a, number));
    player.wait_ready();
    player.send(PipelineCommand::Flush { track: ContentType::Video, from: MediaTime::from_millis(4_000) });
    player.append(&b, 2);
    // This comes too late: a decoder has been given samples behind it.
    player.send(PipelineCommand::Flush { track: ContentType::Video, from: MediaTime::ZERO });
    player.end(false);
    player.run(true);
    player.wait_drained();
    let lines = player.log.lines();
    check_times(&lines, 0);
    assert_eq!(lines.len(), 144);
    assert!(
        lines.iter().enumerate().all(|(at, line)| line.representation == if at < 96 { "a" } else { "b" })
    );
}

#[test]
fn corrupt_samples_cost_only_their_group() {
    let dir = tempfile::tempdir().unwrap();
    let Some(a) = pictures(dir.path(), "a", "320x180", 6) else { return };
    let digests = a.digests();
    let path = a.dir.join("2.mp4");
    let mut bytes = std::fs::read(&path).unwrap();
    let data = bytes.windows(4).position(|word| word == b"mdat").unwrap() + 3_000;
    bytes[data..data + 400].iter_mut().for_each(|byte| *byte ^= 0x5a);
    std::fs::write(&path, bytes).unwrap();
    let mut player = Player::new(false);
    player.append_all(&[&a; 3]);
    let lines = player.play_out();
    let (presented, dropped) = player.counts();
    assert_eq!(presented + dropped, 144);
    let damaged: Vec<usize> =
        (0..144).filter(|index| !lines.iter().any(|line| line.md5 == digests[*index])).collect();
    assert!(damaged.iter().all(|index| (48..96).contains(index)), "{damaged:?}");
    assert!(lines.is_sorted_by(|a, b| a.pts_ms < b.pts_ms));
    println!("{dropped} of 48 corrupt frames were dropped");
}

/// Nothing comes out of the decoder, so nothing is ever ready: the track ends all the same, and says why.
#[test]
fn a_track_without_one_decodable_picture_ends_in_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let Some(a) = pictures(dir.path(), "a", "320x180", 4) else { return };
    for number in [1, 2] {
        let path = a.dir.join(format!("{number}.mp4"));
        let mut bytes = std::fs::read(&path).unwrap();
        let mut at = bytes.windows(4).position(|word| word == b"mdat").unwrap() + 4;
        while let Some(length) = bytes.get(at..at + 4) {
            let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
            // Filler data, which decoders take and ignore (ISO/IEC 14496-10, 7.4.1).
            bytes[at + 4] = 12;
            at += 4 + length;
        }
        std::fs::write(&path, bytes).unwrap();
    }
    let mut player = Player::new(false);
    player.append_all(&[&a; 2]);
    player.run(true);
    let fatal = |error: &Error| error.severity == Severity::Fatal;
    let event = player
        .await_event("an error", |event| matches!(event, PipelineEvent::Trouble(error) if fatal(error)));
    let PipelineEvent::Trouble(error) = event else { unreachable!() };
    assert_eq!(
        (error.code, error.message.as_str()),
        (Code::Stuck, "none of the 96 pictures could be decoded")
    );
    player.await_event("drained", |event| matches!(event, PipelineEvent::Drained));
}

#[test]
fn unusable_segments_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let Some(a) = pictures(dir.path(), "a", "320x180", 2) else { return };
    let mut player = Player::new(true);
    player.tracks(true, false);
    std::fs::write(a.dir.join("1.mp4"), "<html>404</html>").unwrap();
    player.append(&a, 0);
    let event = player.wait("refusal", |event| matches!(event, PipelineEvent::AppendFailed { .. }));
    assert!(matches!(event, PipelineEvent::AppendFailed { failure, .. } if failure.malformed));
}

#[test]
fn a_stopped_pipeline_ends_its_events() {
    let player = Player::new(true);
    player.send(PipelineCommand::Stop);
    let started = Instant::now();
    let Player { mut events, handle, .. } = player;
    while !events.is_closed() {
        assert!(started.elapsed() < Duration::from_secs(5));
        let _ = events.try_recv();
        std::thread::sleep(Duration::from_millis(2));
    }
    drop(handle);
}
