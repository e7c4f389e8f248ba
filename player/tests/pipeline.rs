//! The pipeline against content that ffmpeg makes: every frame once, in order, at its exact time and with
//! the picture that ffmpeg decodes; seeks, holds, switches of rendition and codec, both containers.
#![cfg(feature = "media")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use abr::presentation::{Container, ContentType, RepresentationKey};
use abr::protocol::FetchId;
use abr::segments::Segment;
use abr::time::MediaTime;
use bytes::Bytes;
use player::decode::{AudioOutput, FrameLog, FrameOutput, Options, PipelineHandle, start};
use player::pipeline::{Append, PipelineCommand, PipelineEvent, Timing};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const SEGMENT: i64 = 2_000;
const FPS: i64 = 24;

/// A title of 2 s segments at 24 frames per second.
struct Title {
    dir: PathBuf,
    container: Container,
    name: &'static str,
    audio: bool,
}

/// One line of a frame log.
#[derive(Clone, Debug, serde::Deserialize)]
struct Line {
    pts_ms: f64,
    t_ms: f64,
    representation: String,
    width: u32,
    md5: String,
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self) -> Vec<Line> {
        let bytes = self.0.lock().unwrap();
        bytes
            .split(|byte| *byte == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| serde_json::from_slice(l).unwrap())
            .collect()
    }
}

struct Player {
    handle: PipelineHandle,
    events: UnboundedReceiver<PipelineEvent>,
    seen: Vec<PipelineEvent>,
    log: Log,
    appended: u64,
}

fn ffmpeg(arguments: &[&str], dir: &Path) -> Option<Vec<u8>> {
    let output = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(arguments).current_dir(dir).output();
    let Ok(output) = output else {
        println!("skipped: ffmpeg is not installed");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

/// Video of `size` and `codec` (ffmpeg's options), optionally with sound, cut into `container`.
fn title(
    dir: &Path,
    name: &'static str,
    size: &str,
    seconds: u32,
    codec: &str,
    container: Container,
) -> Option<Title> {
    let dir = dir.join(name);
    std::fs::create_dir_all(&dir).unwrap();
    let source = format!("testsrc2=size={size}:rate={FPS}");
    let (seconds, group) = (seconds.to_string(), (SEGMENT * FPS / 1000).to_string());
    let mut arguments = vec!["-f", "lavfi", "-i", &source];
    let audio = codec.contains("-c:a");
    if audio {
        arguments.extend(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]);
    }
    arguments.extend(["-t", &seconds, "-g", &group, "-keyint_min", &group, "-sc_threshold", "0"]);
    arguments.extend(codec.split(' '));
    match container {
        Container::Ts => {
            arguments.extend(["-f", "hls", "-hls_time", "2", "-hls_segment_filename", "%d.ts", "o.m3u8"])
        }
        _ => arguments.extend([
            "-f",
            "dash",
            "-seg_duration",
            "2",
            "-use_timeline",
            "0",
            "-init_seg_name",
            "init.mp4",
            "-media_seg_name",
            "$Number$.mp4",
            "out.mpd",
        ]),
    }
    ffmpeg(&arguments, &dir)?;
    Some(Title { dir, container, name, audio })
}

impl Title {
    fn segment(&self, number: i64) -> Option<Bytes> {
        let name = match self.container {
            Container::Ts => format!("{number}.ts"),
            _ => format!("{}.mp4", number + 1),
        };
        std::fs::read(self.dir.join(name)).ok().map(Bytes::from)
    }

    fn init(&self) -> Option<Bytes> {
        std::fs::read(self.dir.join("init.mp4")).ok().map(Bytes::from)
    }

    /// The MD5 that ffmpeg gives for each frame.
    fn digests(&self) -> Vec<String> {
        let mut whole = self.init().map(|init| init.to_vec()).unwrap_or_default();
        (0..).map_while(|number| self.segment(number)).for_each(|segment| whole.extend_from_slice(&segment));
        std::fs::write(self.dir.join("whole"), whole).unwrap();
        let text = ffmpeg(&["-i", "whole", "-map", "0:v", "-f", "framemd5", "-"], &self.dir).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.rsplit(", ").next().unwrap().trim().to_owned()).collect()
    }
}

impl Player {
    fn new(pacing: bool) -> Self {
        Self::with_sound(pacing, AudioOutput::Silent)
    }

    fn with_sound(pacing: bool, audio: AudioOutput) -> Self {
        let log = Log::default();
        let names = ["a", "b", "c", "d"];
        let name = move |key: RepresentationKey| names[key.representation as usize].to_owned();
        let frame_log = Some(FrameLog::new(Box::new(log.clone()), Instant::now(), Box::new(name)));
        let options = Options { pacing, ..Options::new(audio, FrameOutput::Headless { frame_log }) };
        let (sender, events) = unbounded_channel();
        let handle = start(options, sender).unwrap();
        Self { handle, events, seen: Vec::new(), log, appended: 0 }
    }

    fn send(&self, command: PipelineCommand) {
        self.handle.send(command);
    }

    fn tracks(&self, video: bool, audio: bool) {
        self.send(PipelineCommand::Tracks { video, audio });
    }

    fn run(&self, run: bool) {
        self.send(PipelineCommand::Clock { run, rate: 1.0 });
    }

    fn append(&mut self, title: &Title, number: i64) {
        let start = MediaTime::from_millis(number * SEGMENT);
        let end = MediaTime::from_millis((number + 1) * SEGMENT);
        self.appended += 1;
        let representation = u32::from(title.name.as_bytes()[0] - b'a');
        self.send(PipelineCommand::Append(Box::new(Append {
            id: FetchId(self.appended),
            track: ContentType::Video,
            muxed_audio: title.audio,
            representation: RepresentationKey { period: 0, adaptation_set: 0, representation },
            codecs: String::new(),
            container: title.container,
            segment: Segment {
                position: number as u64,
                number: number as u64,
                time: 0,
                start,
                end,
                size: None,
                discontinuity: 0,
                init: None,
                gap: false,
                part: None,
            },
            timing: match title.container {
                Container::Ts => Timing::Discontinuity(0),
                _ => Timing::Offset { ticks: 0, timescale: 1 },
            },
            init: title.init(),
            data: title.segment(number).unwrap(),
        })));
    }

    /// Waits for an event; panics after 20 s or on trouble.
    fn wait(&mut self, what: &str, wanted: impl Fn(&PipelineEvent) -> bool) -> PipelineEvent {
        let started = Instant::now();
        loop {
            match self.events.try_recv() {
                Ok(event) => {
                    self.seen.push(event.clone());
                    if wanted(&event) {
                        return event;
                    }
                    let recovers =
                        |error: &abr::error::Error| error.severity == abr::error::Severity::Recoverable;
                    assert!(
                        !matches!(&event, PipelineEvent::Trouble(error) if !recovers(error)),
                        "{event:?}"
                    );
                }
                Err(_) => {
                    assert!(
                        started.elapsed() < Duration::from_secs(20),
                        "no {what}: {:?}",
                        self.seen.iter().rev().take(5).collect::<Vec<_>>()
                    );
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
    }

    fn wait_ready(&mut self) -> MediaTime {
        match self.wait("ready", |event| matches!(event, PipelineEvent::Ready { .. })) {
            PipelineEvent::Ready { position } => position,
            _ => unreachable!(),
        }
    }

    fn wait_drained(&mut self) {
        self.wait("drained", |event| matches!(event, PipelineEvent::Drained));
    }

    fn end(&self, audio: bool) {
        self.send(PipelineCommand::EndOfTrack(ContentType::Video));
        if audio {
            self.send(PipelineCommand::EndOfTrack(ContentType::Audio));
        }
    }

    fn counts(&self) -> (u64, u64) {
        let last = self.seen.iter().rev().find_map(|event| match event {
            PipelineEvent::Playback { presented, dropped, .. } => Some((*presented, *dropped)),
            _ => None,
        });
        last.unwrap()
    }
}

/// Milliseconds of frame `index`.
fn pts_ms(index: usize) -> f64 {
    MediaTime::from_ticks(index as i64, FPS as u32).as_nanos() as f64 / 1e6
}

fn check_times(lines: &[Line], first: usize) {
    for (index, line) in lines.iter().enumerate() {
        assert!((line.pts_ms - pts_ms(first + index)).abs() < 1e-4, "frame {index}: {line:?}");
    }
}

/// On a busy machine frames may be late, but none is lost, repeated or out of order.
fn check_paced(player: &Player, lines: &[Line], frames: u64) {
    let (presented, dropped) = player.counts();
    assert_eq!(presented + dropped, frames);
    assert_eq!(presented, lines.len() as u64);
    assert!(lines.is_sorted_by(|a, b| a.pts_ms < b.pts_ms));
    let known = |line: &Line| (0..frames as usize).any(|index| (line.pts_ms - pts_ms(index)).abs() < 1e-4);
    assert!(lines.iter().all(known));
    println!("{dropped} of {frames} frames were late");
}

const X264: &str = "-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p";

#[test]
fn every_frame_once_across_renditions() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name, size| title(dir.path(), name, size, 6, X264, Container::Mp4);
    let (Some(a), Some(b), Some(c)) = (make("a", "320x180"), make("b", "640x360"), make("c", "480x270"))
    else {
        return;
    };
    let mut player = Player::new(false);
    player.tracks(true, false);
    for (number, title) in [&a, &b, &c].into_iter().enumerate() {
        player.append(title, number as i64);
    }
    player.end(false);
    player.wait_ready();
    player.run(true);
    player.wait_drained();
    let lines = player.log.lines();
    check_times(&lines, 0);
    assert_eq!(lines.len(), 144);
    assert_eq!(player.counts(), (144, 0));
    let expected = [a.digests(), b.digests(), c.digests()];
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line.representation, ["a", "b", "c"][index / 48]);
        assert_eq!(line.width, [320, 640, 480][index / 48]);
        assert_eq!(line.md5, expected[index / 48][index], "frame {index}");
    }
}

#[test]
fn transport_streams_with_sound() {
    let dir = tempfile::tempdir().unwrap();
    let codec = "-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p -c:a aac";
    let make = |name, size| title(dir.path(), name, size, 6, codec, Container::Ts);
    let (Some(a), Some(b)) = (make("a", "320x180"), make("b", "640x360")) else { return };
    let mut player = Player::new(false);
    player.tracks(true, true);
    for (number, title) in [&a, &b, &a].into_iter().enumerate() {
        player.append(title, number as i64);
    }
    player.end(true);
    player.wait_ready();
    player.run(true);
    player.wait_drained();
    let lines = player.log.lines();
    check_times(&lines, 0);
    let expected = [a.digests(), b.digests(), a.digests()];
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line.md5, expected[index / 48][index], "frame {index}");
    }
    assert_eq!(player.counts(), (144, 0));
}

#[test]
fn a_change_of_codec_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let hevc = "-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=2:open-gop=0 -pix_fmt yuv420p10le -tag:v hvc1";
    let Some(a) = title(dir.path(), "a", "320x180", 6, X264, Container::Mp4) else { return };
    let Some(b) = title(dir.path(), "b", "320x180", 6, hevc, Container::Mp4) else { return };
    let mut player = Player::new(false);
    player.tracks(true, false);
    for (number, title) in [&a, &b, &a].into_iter().enumerate() {
        player.append(title, number as i64);
    }
    player.end(false);
    player.wait_ready();
    player.run(true);
    player.wait_drained();
    let lines = player.log.lines();
    check_times(&lines, 0);
    let expected = [a.digests(), b.digests(), a.digests()];
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line.md5, expected[index / 48][index], "frame {index}");
    }
    assert_eq!(player.counts(), (144, 0));
}

#[test]
fn paced_frames_come_on_time() {
    let dir = tempfile::tempdir().unwrap();
    let Some(a) = title(dir.path(), "a", "320x180", 4, X264, Container::Mp4) else { return };
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
    let codec = "-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p -c:a aac";
    let Some(a) = title(dir.path(), "a", "320x180", 6, codec, Container::Ts) else { return };
    let mut player = Player::with_sound(true, AudioOutput::Element("fakesink".into()));
    player.tracks(true, true);
    (0..3).for_each(|number| player.append(&a, number));
    player.end(true);
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
    let codec = "-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p -c:a aac";
    let Some(a) = title(dir.path(), "a", "320x180", 2, codec, Container::Ts) else { return };
    let mut player = Player::with_sound(true, AudioOutput::Element("nosuchsink".into()));
    player.tracks(true, true);
    player.append(&a, 0);
    player.end(true);
    let trouble = |event: &PipelineEvent| matches!(event, PipelineEvent::Trouble(error) if error.code == abr::error::Code::NoAudioDevice);
    player.wait("notice", trouble);
    player.run(true);
    player.wait_drained();
    let lines = player.log.lines();
    check_paced(&player, &lines, 48);
}

#[test]
fn a_seek_shows_the_frame_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let Some(a) = title(dir.path(), "a", "320x180", 6, X264, Container::Mp4) else { return };
    let mut player = Player::new(true);
    player.tracks(true, false);
    for number in 0..3 {
        player.append(&a, number);
    }
    player.end(false);
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
    let make = |name, size| title(dir.path(), name, size, 6, X264, Container::Mp4);
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
    let Some(a) = title(dir.path(), "a", "320x180", 6, X264, Container::Mp4) else { return };
    let digests = a.digests();
    let path = a.dir.join("2.mp4");
    let mut bytes = std::fs::read(&path).unwrap();
    let data = bytes.windows(4).position(|word| word == b"mdat").unwrap() + 3_000;
    bytes[data..data + 400].iter_mut().for_each(|byte| *byte ^= 0x5a);
    std::fs::write(&path, bytes).unwrap();
    let mut player = Player::new(false);
    player.tracks(true, false);
    (0..3).for_each(|number| player.append(&a, number));
    player.end(false);
    player.wait_ready();
    player.run(true);
    player.wait("drained", |event| matches!(event, PipelineEvent::Drained));
    let lines = player.log.lines();
    let (presented, dropped) = player.counts();
    assert_eq!(presented + dropped, 144);
    let damaged: Vec<usize> =
        (0..144).filter(|index| !lines.iter().any(|line| line.md5 == digests[*index])).collect();
    assert!(damaged.iter().all(|index| (48..96).contains(index)), "{damaged:?}");
    assert!(lines.is_sorted_by(|a, b| a.pts_ms < b.pts_ms));
    println!("{dropped} of 48 corrupt frames were dropped");
}

#[test]
fn unusable_segments_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let Some(a) = title(dir.path(), "a", "320x180", 2, X264, Container::Mp4) else { return };
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
