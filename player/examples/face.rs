//! The desktop face without a session: moving colour bars, a made-up status that obeys the controls.
//!
//! `cargo run --example face [SCENE] [SECONDS] [PNG]` with SCENE one of `playing` (default), `white` (the
//! hardest background for text), `stalled`, `failed`, `hd`. Saves the picture at 2:32
//! in PNG. Prints what drawing cost when it ends.

use abr::error::{Code, Error, Severity};
use abr::presentation::{ContentType, RepresentationKey};
use abr::protocol::{Command, Decision, Phase, Reason};
use abr::segments::Segment;
use abr::time::MediaTime;
use player::frame::{ChromaSite, Color, Frame, FrameSource, Matrix, Picture, PixelFormat, Planes};
use player::status::{Rendition, RequestRecord, Status};
use player::ui::action::UiCommand;
use player::ui::desktop::{Desktop, Handles, WindowOptions};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const LENGTH: Duration = Duration::from_secs(634);
const FRAME: Duration = Duration::from_nanos(33_333_333);

struct Packed {
    planes: [Vec<u8>; 3],
    strides: [usize; 3],
}

impl Planes for Packed {
    fn plane(&self, index: usize) -> &[u8] {
        self.planes.get(index).map_or(&[], Vec::as_slice)
    }
    fn stride(&self, index: usize) -> usize {
        self.strides.get(index).copied().unwrap_or(0)
    }
}

/// Position, rate and what the user asked for.
struct World {
    scene: String,
    from: MediaTime,
    since: Instant,
    running: bool,
    rate: f64,
    shown: Option<u64>,
    volume: f64,
    muted: bool,
    locked: Option<u32>,
    over: bool,
    frames: u64,
    pictures: Vec<Arc<Picture>>,
}

impl World {
    fn position(&self) -> MediaTime {
        let played = if self.running { self.since.elapsed().mul_f64(self.rate) } else { Duration::ZERO };
        (self.from + played).min(MediaTime::ZERO + LENGTH)
    }

    fn set(&mut self, change: impl FnOnce(&mut Self)) {
        self.from = self.position();
        self.since = Instant::now();
        change(self);
    }
}

struct Source(Arc<Mutex<World>>);

impl Source {
    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FrameSource for Source {
    fn due(&self) -> Option<Frame> {
        let mut world = self.world();
        let number = world.position().as_nanos().unsigned_abs() / FRAME.as_nanos() as u64;
        if world.shown == Some(number) {
            return None;
        }
        world.shown = Some(number);
        world.frames += 1;
        let picture = Arc::clone(&world.pictures[number as usize % world.pictures.len()]);
        let pts = MediaTime::ZERO + FRAME * u32::try_from(number).unwrap_or(u32::MAX);
        Some(Frame { pts, end: pts + FRAME, representation: key(2), picture })
    }

    fn next_due(&self) -> Option<Instant> {
        let world = self.world();
        let number = world.shown? + 1;
        let at = MediaTime::ZERO + FRAME * u32::try_from(number).unwrap_or(u32::MAX);
        let ahead = at.since(world.from).div_f64(world.rate);
        world.running.then(|| world.since + ahead)
    }
}

fn key(representation: u32) -> RepresentationKey {
    RepresentationKey { period: 0, adaptation_set: 0, representation }
}

/// Colour bars with a bright block that moves, or all white.
fn picture(scene: &str, step: usize) -> Picture {
    let (width, height) = if scene == "hd" { (1920usize, 1080usize) } else { (640, 360) };
    let white = scene == "white";
    // BT.709 bars at three quarters: Y, Cb, Cr.
    let bars = [
        [180, 128, 128],
        [168, 44, 136],
        [145, 147, 44],
        [133, 63, 52],
        [63, 193, 204],
        [51, 109, 212],
        [28, 212, 120],
    ];
    let bar = |x: usize, width: usize| bars[(x * 7 / width).min(6)];
    let block = |x: usize, y: usize, w: usize, h: usize| {
        (step * w / 90..step * w / 90 + w / 12).contains(&x) && (h / 3..h / 2).contains(&y)
    };
    let plane = |w: usize, h: usize, component: usize| -> Vec<u8> {
        let value = |x: usize, y: usize| match component {
            0 if white || block(x, y, w, h) => 235,
            _ if white || block(x, y, w, h) => 128,
            0 if y > h * 4 / 5 => (16 + 219 * x / w) as u8,
            _ if y > h * 4 / 5 => 128,
            _ => bar(x, w)[component],
        };
        (0..h).flat_map(|y| (0..w).map(move |x| value(x, y))).collect()
    };
    let planes = [plane(width, height, 0), plane(width / 2, height / 2, 1), plane(width / 2, height / 2, 2)];
    Picture {
        format: PixelFormat::I420,
        width: width as u32,
        height: height as u32,
        pixel_aspect: (1, 1),
        color: Color { matrix: Matrix::Bt709, full_range: false, chroma_site: ChromaSite::Left },
        planes: Box::new(Packed { planes, strides: [width, width / 2, width / 2] }),
    }
}

fn status(world: &World, started: Instant) -> Status {
    let rendition = |at: u32, width: u32, height: u32, kbit: u64| Rendition {
        key: key(at),
        id: format!("v{height}"),
        width,
        height,
        bandwidth_bps: kbit * 1000,
        codecs: "avc1.64001f".into(),
        frame_rate: 30.0,
    };
    let renditions = vec![
        rendition(0, 426, 240, 320),
        rendition(1, 640, 360, 780),
        rendition(2, 1280, 720, 2400),
        rendition(3, 1920, 1080, 5200),
    ];
    let position = world.position();
    let seconds = started.elapsed().as_secs_f64();
    let phase = match world.scene.as_str() {
        "stalled" => Phase::Stalled,
        "failed" => Phase::Failed,
        _ if position >= MediaTime::ZERO + LENGTH => Phase::Ended,
        _ if world.running => Phase::Playing,
        _ => Phase::Paused,
    };
    let throughput = (6.0 + 2.5 * (seconds / 3.0).sin()) * 1e6;
    let request = |number: u64| RequestRecord {
        what: format!("cdn-b.example/titles/spring/v720/segment-{number:05}.m4s"),
        bytes: 1_180_000 + 31_000 * (number % 7),
        first_byte_ms: 38 + number % 11,
        total_ms: 1_310 + 17 * (number % 13),
        failure: (number % 9 == 4).then(|| "503 Service Unavailable".into()),
    };
    Status {
        title: "cdn-b.example/titles/spring/manifest.mpd".into(),
        protocol: "DASH",
        phase,
        position,
        duration: Some(LENGTH),
        buffered_to: position + Duration::from_secs_f64(22.0 + 9.0 * (seconds / 5.0).cos()),
        current: Some(
            world.locked.and_then(|h| renditions.iter().find(|r| r.height == h)).map_or(key(2), |r| r.key),
        ),
        locked_height: world.locked,
        renditions,
        throughput_bps: Some(throughput as u64),
        presented: world.frames,
        dropped: 2,
        switches: 3,
        stalls: 1,
        stalled: Duration::from_millis(740),
        startup: Some(Duration::from_millis(236)),
        bytes: 48_300_000,
        av_offset_ms: Some(-4.2),
        controller: "hybrid".into(),
        decision: Some(Decision {
            track: ContentType::Video,
            segment: Segment {
                position: 30,
                number: 31,
                time: 0,
                start: position,
                end: position + Duration::from_secs(4),
                size: None,
                discontinuity: 0,
                init: None,
                gap: false,
                part: None,
            },
            chosen: key(2),
            reason: Reason::Controller,
            controller: "hybrid".into(),
            buffer_ms: 24_800,
            throughput_bps: Some(throughput as u64),
            candidates: vec![(key(0), 0.41), (key(1), 0.83), (key(2), 1.92), (key(3), 1.13)],
        }),
        requests: (20..40).map(request).collect(),
        waiting: (phase == Phase::Stalled).then(|| "Waiting for cdn-b.example … 2.1 Mbit/s".into()),
        notice: None,
        volume: world.volume,
        muted: world.muted,
        tracks: Default::default(),
    }
}

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let scene = arguments.next().unwrap_or_else(|| "playing".into());
    let seconds: Option<u64> = arguments.next().and_then(|text| text.parse().ok());
    let screenshot = arguments.next().map(|path| (path.into(), MediaTime::from_millis(152_000)));
    let started = Instant::now();
    let world = Arc::new(Mutex::new(World {
        from: MediaTime::from_millis(151_000),
        since: started,
        running: scene != "stalled" && scene != "failed",
        rate: 1.0,
        shown: None,
        volume: 0.8,
        muted: false,
        locked: None,
        over: false,
        frames: 0,
        pictures: (0..if scene == "hd" { 12 } else { 90 })
            .map(|step| Arc::new(picture(&scene, step)))
            .collect(),
        scene,
    }));
    let desktop = Desktop::open()?;
    let wake = desktop.wake_handle();
    let lock = |world: &Arc<Mutex<World>>| Source(Arc::clone(world));
    let (for_commands, for_status, for_end) = (lock(&world), lock(&world), lock(&world));
    let waker = wake.clone();
    let handles = Handles {
        commands: Box::new(move |command| {
            let mut world = for_commands.world();
            match command {
                UiCommand::Session(Command::Play) => world.set(|w| w.running = true),
                UiCommand::Session(Command::Pause) => world.set(|w| w.running = false),
                UiCommand::Session(Command::Seek(to)) => world.set(|w| w.from = to),
                UiCommand::Session(Command::Rate(rate)) => world.set(|w| w.rate = rate),
                UiCommand::Session(Command::LockHeight(height)) => world.locked = height,
                UiCommand::Volume(volume) => world.volume = volume,
                UiCommand::Mute(muted) => world.muted = muted,
                UiCommand::Retry => world.scene = "playing".into(),
                other => println!("asked for {other:?}"),
            }
            waker.wake();
        }),
        status: Box::new(move || Arc::new(status(&for_status.world(), started))),
        frames: Arc::new(lock(&world)),
        cues: Default::default(),
        finished: Box::new(move || {
            let world = for_end.world();
            let why = "The server cdn-b.example refused segment 31 (403 Forbidden). The link has probably \
                       expired. Tried 3 times and 1 other server. Reload the page you got the link from.";
            match world.scene.as_str() {
                "failed" => Some(Err(Error::new(Severity::Fatal, Code::Status, why))),
                _ => world.over.then_some(Ok(())),
            }
        }),
    };
    if let Some(seconds) = seconds {
        let world = lock(&world);
        let ends = move || {
            std::thread::sleep(Duration::from_secs(seconds));
            world.world().over = true;
            wake.wake();
        };
        drop(std::thread::spawn(ends));
    }
    let options = WindowOptions { close_at_end: true, screenshot, ..WindowOptions::default() };
    let timings = desktop.run(options, handles)?;
    let [upload, draw, present] = timings.mean_ms();
    println!(
        "{} frames asked for, {} shown; mean ms per frame: upload {upload:.2}, draw {draw:.2}, present {present:.2}",
        lock(&world).world().frames,
        timings.frames
    );
    Ok(())
}
