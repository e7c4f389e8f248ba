//! Titles that ffmpeg makes, and a pipeline that plays them segment by segment without a session.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "no test file uses all of it")]

use abr::error::{Error, Severity};
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

pub(crate) const SEGMENT: i64 = 2_000;
pub(crate) const FPS: i64 = 24;

/// A title of 2 s segments at 24 frames per second.
pub(crate) struct Title {
    pub(crate) dir: PathBuf,
    container: Container,
    name: &'static str,
    audio: bool,
}

/// One line of a frame log.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Line {
    pub(crate) pts_ms: f64,
    pub(crate) t_ms: f64,
    pub(crate) representation: String,
    pub(crate) width: u32,
    pub(crate) md5: String,
}

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(crate) fn lines(&self) -> Vec<Line> {
        let bytes = self.0.lock().unwrap();
        bytes
            .split(|byte| *byte == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| serde_json::from_slice(l).unwrap())
            .collect()
    }
}

pub(crate) struct Player {
    pub(crate) handle: PipelineHandle,
    pub(crate) events: UnboundedReceiver<PipelineEvent>,
    pub(crate) seen: Vec<PipelineEvent>,
    pub(crate) log: Log,
    appended: u64,
}

pub(crate) fn ffmpeg(arguments: &[&str], dir: &Path) -> Option<Vec<u8>> {
    let output = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(arguments).current_dir(dir).output();
    let Ok(output) = output else {
        println!("skipped: ffmpeg is not installed");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

/// Video of `size` and `codec` (ffmpeg's options), optionally with sound, cut into `container`.
pub(crate) fn title(
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
    pub(crate) fn segment(&self, number: i64) -> Option<Bytes> {
        let name = match self.container {
            Container::Ts => format!("{number}.ts"),
            _ => format!("{}.mp4", number + 1),
        };
        std::fs::read(self.dir.join(name)).ok().map(Bytes::from)
    }

    pub(crate) fn init(&self) -> Option<Bytes> {
        std::fs::read(self.dir.join("init.mp4")).ok().map(Bytes::from)
    }

    /// The MD5 that ffmpeg gives for each frame.
    pub(crate) fn digests(&self) -> Vec<String> {
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
    pub(crate) fn new(pacing: bool) -> Self {
        Self::with_sound(pacing, AudioOutput::Silent)
    }

    pub(crate) fn with_sound(pacing: bool, audio: AudioOutput) -> Self {
        let log = Log::default();
        let names = ["a", "b", "c", "d"];
        let name = move |key: RepresentationKey| names[key.representation as usize].to_owned();
        let frame_log = Some(FrameLog::new(Box::new(log.clone()), Instant::now(), Box::new(name)));
        let options = Options { pacing, ..Options::new(audio, FrameOutput::Headless { frame_log }) };
        let (sender, events) = unbounded_channel();
        let handle = start(options, sender).unwrap();
        Self { handle, events, seen: Vec::new(), log, appended: 0 }
    }

    pub(crate) fn send(&self, command: PipelineCommand) {
        self.handle.send(command);
    }

    pub(crate) fn tracks(&self, video: bool, audio: bool) {
        self.send(PipelineCommand::Tracks { video, audio });
    }

    pub(crate) fn run(&self, run: bool) {
        self.send(PipelineCommand::Clock { run, rate: 1.0 });
    }

    pub(crate) fn append(&mut self, title: &Title, number: i64) {
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
            cipher: None,
        })));
    }

    /// Waits for an event; panics after 20 s or on trouble.
    pub(crate) fn wait(&mut self, what: &str, wanted: impl Fn(&PipelineEvent) -> bool) -> PipelineEvent {
        self.await_event(what, |event| {
            let recovers = |error: &Error| error.severity == Severity::Recoverable;
            let trouble = matches!(event, PipelineEvent::Trouble(error) if !recovers(error));
            assert!(wanted(event) || !trouble, "{event:?}");
            wanted(event)
        })
    }

    /// Waits for an event; panics after 20 s.
    pub(crate) fn await_event(
        &mut self,
        what: &str,
        wanted: impl Fn(&PipelineEvent) -> bool,
    ) -> PipelineEvent {
        let started = Instant::now();
        loop {
            match self.events.try_recv() {
                Ok(event) => {
                    self.seen.push(event.clone());
                    if wanted(&event) {
                        return event;
                    }
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

    pub(crate) fn wait_ready(&mut self) -> MediaTime {
        match self.wait("ready", |event| matches!(event, PipelineEvent::Ready { .. })) {
            PipelineEvent::Ready { position } => position,
            _ => unreachable!(),
        }
    }

    pub(crate) fn wait_drained(&mut self) {
        self.wait("drained", |event| matches!(event, PipelineEvent::Drained));
    }

    pub(crate) fn end(&self, audio: bool) {
        self.send(PipelineCommand::EndOfTrack(ContentType::Video));
        if audio {
            self.send(PipelineCommand::EndOfTrack(ContentType::Audio));
        }
    }

    pub(crate) fn counts(&self) -> (u64, u64) {
        let last = self.seen.iter().rev().find_map(|event| match event {
            PipelineEvent::Playback { presented, dropped, .. } => Some((*presented, *dropped)),
            _ => None,
        });
        last.unwrap()
    }
}

/// Milliseconds of frame `index`.
pub(crate) fn pts_ms(index: usize) -> f64 {
    MediaTime::from_ticks(index as i64, FPS as u32).as_nanos() as f64 / 1e6
}

pub(crate) fn check_times(lines: &[Line], first: usize) {
    for (index, line) in lines.iter().enumerate() {
        assert!((line.pts_ms - pts_ms(first + index)).abs() < 1e-4, "frame {index}: {line:?}");
    }
}

/// On a busy machine frames may be late, but none is lost, repeated or out of order.
pub(crate) fn check_paced(player: &Player, lines: &[Line], frames: u64) {
    let (presented, dropped) = player.counts();
    assert_eq!(presented + dropped, frames);
    assert_eq!(presented, lines.len() as u64);
    assert!(lines.is_sorted_by(|a, b| a.pts_ms < b.pts_ms));
    let known = |line: &Line| (0..frames as usize).any(|index| (line.pts_ms - pts_ms(index)).abs() < 1e-4);
    assert!(lines.iter().all(known));
    println!("{dropped} of {frames} frames were late");
}

pub(crate) const X264: &str = "-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p";

/// As [`X264`], with sound.
pub(crate) const X264_AAC: &str = "-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p -c:a aac";

/// A title of pictures alone, encoded with [`X264`] in MP4 segments.
pub(crate) fn pictures(dir: &Path, name: &'static str, size: &str, seconds: u32) -> Option<Title> {
    title(dir, name, size, seconds, X264, Container::Mp4)
}

/// A title of pictures and sound, encoded with [`X264_AAC`] in transport streams.
pub(crate) fn pictures_and_sound(dir: &Path, name: &'static str, size: &str, seconds: u32) -> Option<Title> {
    title(dir, name, size, seconds, X264_AAC, Container::Ts)
}

impl Player {
    /// Appends segment by segment, one of each title in turn, and says that no more come.
    pub(crate) fn append_all(&mut self, titles: &[&Title]) {
        let audio = titles.iter().any(|title| title.audio);
        self.tracks(true, audio);
        for (number, title) in titles.iter().enumerate() {
            self.append(title, number as i64);
        }
        self.end(audio);
    }

    /// Plays everything appended to its end.
    pub(crate) fn play_out(&mut self) -> Vec<Line> {
        self.wait_ready();
        self.run(true);
        self.wait_drained();
        self.log.lines()
    }

    /// Plays titles as fast as they decode, a segment of each in turn: every frame once, in order, at its
    /// time, with the picture that ffmpeg decodes.
    pub(crate) fn check_unpaced(titles: &[&Title]) -> Vec<Line> {
        let mut player = Self::new(false);
        player.append_all(titles);
        let lines = player.play_out();
        check_times(&lines, 0);
        let frames = (SEGMENT * FPS / 1000) as usize;
        assert_eq!(lines.len(), titles.len() * frames);
        assert_eq!(player.counts(), (lines.len() as u64, 0));
        for (at, title) in titles.iter().enumerate() {
            let expected = title.digests();
            for index in at * frames..(at + 1) * frames {
                assert_eq!(lines[index].md5, expected[index], "frame {index}");
            }
        }
        lines
    }
}
