//! Titles made by ffmpeg, once, into a cache below the target folder, each with the MD5 of every decoded
//! frame of every rendition as ffmpeg computes it.
//!
//! A [`Film`] is encoded once; a [`Title`] is one way to package it, by stream copy, so the pictures of all
//! packagings are the same and one reference serves them all.

use crate::origin::Site;
use crate::workspace;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Frames per second of every film.
pub const FPS: u32 = 25;
/// Frames of one segment and of one closed group of pictures.
pub const SEGMENT_FRAMES: u32 = 50;
/// Width, height and bit rate (kbit/s) of the ladder, lowest first.
pub const LADDER: [(u32, u32, u32); 4] =
    [(320, 180, 300), (640, 360, 800), (960, 540, 1_800), (1_280, 720, 3_500)];

/// Pictures and sound, encoded but not packaged.
#[derive(Clone, Debug)]
pub struct Film {
    folder: PathBuf,
    /// Width, height and bit rate (kbit/s), lowest first.
    pub ladder: Vec<(u32, u32, u32)>,
    /// Frames of each rendition.
    pub frames: u32,
}

/// One rung of a [`Film`]'s encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// H.264 with two B frames.
    H264,
    /// HEVC, 8 bit.
    Hevc,
    /// HEVC, 10 bit.
    Hevc10,
    /// VP9.
    Vp9,
    /// AV1.
    Av1,
}

impl Codec {
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::H264 => &["-c:v", "libx264", "-preset", "superfast", "-bf", "2", "-sc_threshold", "0"],
            Self::Hevc => {
                &["-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1", "-x265-params", X265]
            }
            Self::Hevc10 => &[
                "-c:v",
                "libx265",
                "-preset",
                "ultrafast",
                "-pix_fmt",
                "yuv420p10le",
                "-tag:v",
                "hvc1",
                "-x265-params",
                X265,
            ],
            Self::Vp9 => &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
            Self::Av1 => &["-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8"],
        }
    }
}

const X265: &str = "log-level=error:open-gop=0:scenecut=0:keyint=50:min-keyint=50";

impl Film {
    /// `segments` segments of two seconds in four H.264 renditions with AAC sound.
    pub fn ladder(segments: u32) -> Self {
        Self::encode(&format!("ladder-{segments}"), Codec::H264, segments, &LADDER)
    }

    /// `segments` segments of two seconds in the two lowest H.264 renditions with AAC sound.
    pub fn small(segments: u32) -> Self {
        Self::encode(&format!("small-{segments}"), Codec::H264, segments, &LADDER[..2])
    }

    /// `segments` segments of two seconds in the lowest rendition of another codec, with AAC sound.
    pub fn of(codec: Codec, segments: u32) -> Self {
        Self::encode(&format!("{codec:?}-{segments}").to_lowercase(), codec, segments, &LADDER[..1])
    }

    /// Forty seconds in three small H.264 renditions without B frames, to be broadcast again and again.
    pub fn channel() -> Self {
        let ladder = [(320, 180, 300), (480, 270, 700), (640, 360, 1_500)];
        Self::make("channel", (Codec::H264, &["-bf", "0"]), 20, &ladder)
    }

    /// One segment in the lowest H.264 rendition, tagged with this colour matrix (as ffmpeg names it).
    pub fn coloured(matrix: &str) -> Self {
        let tags =
            ["-colorspace", matrix, "-color_primaries", matrix, "-color_trc", matrix, "-color_range", "tv"];
        Self::make(&format!("colour-{matrix}"), (Codec::H264, &tags), 2, &LADDER[..1])
    }

    fn encode(name: &str, codec: Codec, segments: u32, ladder: &[(u32, u32, u32)]) -> Self {
        Self::make(name, (codec, &[]), segments, ladder)
    }

    fn make(name: &str, (codec, more): (Codec, &[&str]), segments: u32, ladder: &[(u32, u32, u32)]) -> Self {
        let frames = segments * SEGMENT_FRAMES;
        let folder = made(name, |folder| {
            let seconds = (frames / FPS).to_string();
            let mut sound = ffmpeg(folder);
            sound.args(["-f", "lavfi", "-i", "sine=frequency=440:beep_factor=4:sample_rate=48000"]);
            run(sound.args(["-t", &seconds, "-c:a", "aac", "-b:a", "96k", "-ac", "2", "a.mp4"]));
            for (width, height, kbps) in ladder {
                let source =
                    format!("testsrc2=size={width}x{height}:rate={FPS},noise=alls=14:allf=t,format=yuv420p");
                let (rate, buffer) = (format!("{kbps}k"), format!("{}k", kbps * 2));
                let mut video = ffmpeg(folder);
                video.args(["-f", "lavfi", "-i", &source, "-frames:v", &frames.to_string()]);
                video.args(codec.options()).args(more).args(["-g", "50", "-keyint_min", "50"]);
                video.args(["-b:v", &rate, "-maxrate", &rate, "-bufsize", &buffer]);
                run(video.arg(format!("v{height}.mp4")));
                let input = format!("v{height}.mp4");
                run(ffmpeg(folder).args(["-i", &input, "-f", "framemd5", &format!("v{height}.md5")]));
            }
        });
        Self { folder, ladder: ladder.to_vec(), frames }
    }

    /// MD5 of each decoded frame of the rendition of this height, in display order.
    pub fn reference(&self, height: u32) -> Vec<String> {
        let file = self.folder.join(format!("v{height}.md5"));
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let md5 = |line: &str| line.rsplit(',').next().unwrap_or_default().trim().to_owned();
        text.lines().filter(|line| !line.starts_with('#')).map(md5).collect()
    }

    /// The film as this presentation.
    pub fn package(&self, packaging: Packaging) -> Title {
        let name = format!("{}-{packaging:?}", self.name()).to_lowercase();
        let folder = made(&name, |folder| packaging.write(self, folder));
        let entry = if packaging.is_dash() { "title.mpd" } else { "title.m3u8" };
        Title { folder, entry, film: self.clone(), packaging }
    }

    /// What it is called in the cache.
    pub(crate) fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The encoded file of a rendition.
    pub fn video(&self, height: u32) -> String {
        self.folder.join(format!("v{height}.mp4")).display().to_string()
    }

    /// The encoded sound.
    pub(crate) fn sound(&self) -> String {
        self.folder.join("a.mp4").display().to_string()
    }
}

/// A film that can be served.
#[derive(Clone, Debug)]
pub struct Title {
    /// What to serve.
    pub folder: PathBuf,
    /// The manifest in it.
    pub entry: &'static str,
    /// What it shows.
    pub film: Film,
    packaging: Packaging,
}

impl Title {
    /// A film that was packaged elsewhere, with every frame once.
    pub(crate) fn new(folder: &Path, entry: &'static str, film: &Film) -> Self {
        Self { folder: folder.to_path_buf(), entry, film: film.clone(), packaging: Packaging::DashNumber }
    }

    /// MD5 of each frame that a player of the rendition of this height shows, in order.
    pub fn reference(&self, height: u32) -> Vec<String> {
        let mut frames = self.film.reference(height);
        if self.packaging == Packaging::HlsDiscontinuity {
            frames.truncate((self.film.frames / SEGMENT_FRAMES / 2 * SEGMENT_FRAMES) as usize);
            frames.extend(frames.clone());
        }
        frames
    }

    /// Frames that a player shows.
    pub fn frames(&self) -> usize {
        self.reference(self.film.ladder[0].1).len()
    }

    /// Served without faults, as fast as loopback goes.
    pub fn site(&self) -> Site {
        Site::folder(&self.folder)
    }
}

/// How a film is cut into files and described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packaging {
    /// `SegmentTemplate` with `$Number$` and `@duration`.
    DashNumber,
    /// `SegmentTemplate` with `SegmentTimeline`.
    DashTimeline,
    /// `SegmentList`.
    DashList,
    /// One file for each representation, `SegmentBase` with `sidx`.
    DashBase,
    /// Two periods over the segments of [`Packaging::DashNumber`].
    DashPeriods,
    /// Transport stream segments with muxed sound.
    HlsTs,
    /// Fragmented MP4 segments with `EXT-X-MAP`, sound as an alternate rendition.
    HlsFmp4,
    /// As [`Packaging::HlsFmp4`] in one file for each rendition, `EXT-X-BYTERANGE`.
    HlsByteRange,
    /// Transport stream segments whose second half follows a discontinuity, with its own clock.
    HlsDiscontinuity,
}

impl Packaging {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::DashNumber,
        Self::DashTimeline,
        Self::DashList,
        Self::DashBase,
        Self::DashPeriods,
        Self::HlsTs,
        Self::HlsFmp4,
        Self::HlsByteRange,
        Self::HlsDiscontinuity,
    ];

    /// Whether the manifest is an MPD.
    pub fn is_dash(self) -> bool {
        matches!(
            self,
            Self::DashNumber | Self::DashTimeline | Self::DashList | Self::DashBase | Self::DashPeriods
        )
    }

    fn write(self, film: &Film, folder: &Path) {
        match self {
            Self::DashNumber => dash(film, folder, &["-use_timeline", "0"]),
            Self::DashTimeline => dash(film, folder, &["-use_timeline", "1"]),
            Self::DashList => dash(film, folder, &["-use_timeline", "0", "-use_template", "0"]),
            Self::DashBase => dash_base(film, folder),
            Self::DashPeriods => dash_periods(film, folder),
            Self::HlsTs => hls(film, folder, Hls { fmp4: false, single: false }),
            Self::HlsFmp4 => hls(film, folder, Hls { fmp4: true, single: false }),
            Self::HlsByteRange => hls(film, folder, Hls { fmp4: true, single: true }),
            Self::HlsDiscontinuity => hls_discontinuity(film, folder),
        }
    }
}

fn dash(film: &Film, folder: &Path, options: &[&str]) {
    let mut command = ffmpeg(folder);
    for (_, height, _) in &film.ladder {
        command.args(["-i", &film.video(*height)]);
    }
    command.args(["-i", &film.sound()]);
    for input in 0..=film.ladder.len() {
        command.args(["-map", &input.to_string()]);
    }
    command.args(["-c", "copy", "-f", "dash", "-dash_segment_type", "mp4", "-seg_duration", "2"]);
    command.arg("-adaptation_sets");
    command.args(["id=0,streams=v id=1,streams=a", "-init_seg_name", "init-$RepresentationID$.mp4"]);
    command.args(["-media_seg_name", "seg-$RepresentationID$-$Number%03d$.m4s"]);
    run(command.args(options).arg("title.mpd"));
}

/// Period one is the first half; period two continues with the same files under an offset.
fn dash_periods(film: &Film, folder: &Path) {
    dash(film, folder, &["-use_timeline", "0"]);
    let segments = film.frames / SEGMENT_FRAMES;
    let half = segments / 2;
    let sound = film.ladder.len();
    let mut periods = String::new();
    for (start, count, first) in [(0, half, 1), (half, segments - half, half + 1)] {
        let template = |timescale: u32| {
            format!(
                "<SegmentTemplate timescale=\"{timescale}\" duration=\"{}\" startNumber=\"{first}\" \
                 presentationTimeOffset=\"{}\" initialization=\"init-$RepresentationID$.mp4\" \
                 media=\"seg-$RepresentationID$-$Number%03d$.m4s\"/>",
                timescale * 2,
                timescale * 2 * start
            )
        };
        let video: String = film
            .ladder
            .iter()
            .enumerate()
            .map(|(id, (width, height, kbps))| {
                format!(
                    "<Representation id=\"{id}\" codecs=\"{}\" width=\"{width}\" height=\"{height}\" \
                     bandwidth=\"{}\"/>",
                    avc_codecs(film, *height),
                    kbps * 1_000
                )
            })
            .collect();
        periods += &format!(
            "<Period id=\"p{start}\" duration=\"PT{}S\">\
             <AdaptationSet contentType=\"video\" mimeType=\"video/mp4\" segmentAlignment=\"true\">{}{video}\
             </AdaptationSet><AdaptationSet contentType=\"audio\" mimeType=\"audio/mp4\">{}\
             <Representation id=\"{sound}\" codecs=\"mp4a.40.2\" bandwidth=\"96000\" \
             audioSamplingRate=\"48000\"/></AdaptationSet></Period>\n",
            count * 2,
            template(VIDEO_TIMESCALE),
            template(SOUND_TIMESCALE),
        );
    }
    write_mpd(folder, film, &periods);
}

/// Ticks per second that ffmpeg's packager uses for video at 25 frames per second.
const VIDEO_TIMESCALE: u32 = 12_800;
/// Ticks per second of sound: its sampling rate.
const SOUND_TIMESCALE: u32 = 48_000;

fn dash_base(film: &Film, folder: &Path) {
    let mut sets = ["", ""].map(str::to_owned);
    let files = film.ladder.iter().map(|(_, height, _)| (film.video(*height), format!("v{height}.mp4")));
    for (number, (input, output)) in files.chain([(film.sound(), "a.mp4".to_owned())]).enumerate() {
        let flags = "+frag_keyframe+empty_moov+default_base_moof+global_sidx";
        let mut command = ffmpeg(folder);
        command.args(["-i", &input, "-c", "copy", "-movflags", flags, "-frag_duration", "2000000"]);
        run(command.arg(&output));
        let bytes = fs::read(folder.join(&output)).expect("ffmpeg wrote it");
        let boxes = top_level_boxes(&bytes);
        let place = |name: &[u8; 4]| {
            let found = boxes.iter().find(|(kind, ..)| kind == name);
            found
                .map(|(_, start, end)| (*start, *end))
                .unwrap_or_else(|| panic!("{output} has a {name:?} box"))
        };
        let ((_, init_end), (index_start, index_end)) = (place(b"moov"), place(b"sidx"));
        let what = match film.ladder.get(number) {
            Some((width, height, kbps)) => format!(
                "codecs=\"{}\" width=\"{width}\" height=\"{height}\" bandwidth=\"{}\"",
                avc_codecs(film, *height),
                kbps * 1_000
            ),
            None => "codecs=\"mp4a.40.2\" bandwidth=\"96000\" audioSamplingRate=\"48000\"".to_owned(),
        };
        sets[usize::from(number == film.ladder.len())] += &format!(
            "<Representation id=\"{number}\" {what}><BaseURL>{output}</BaseURL>\
             <SegmentBase indexRange=\"{index_start}-{}\"><Initialization range=\"0-{}\"/></SegmentBase>\
             </Representation>\n",
            index_end - 1,
            init_end - 1
        );
    }
    let [video, sound] = sets;
    let period = format!(
        "<Period><AdaptationSet contentType=\"video\" mimeType=\"video/mp4\" subsegmentAlignment=\"true\">\n\
         {video}</AdaptationSet>\n<AdaptationSet contentType=\"audio\" mimeType=\"audio/mp4\">\n{sound}\
         </AdaptationSet></Period>\n"
    );
    write_mpd(folder, film, &period);
}

fn write_mpd(folder: &Path, film: &Film, periods: &str) {
    let mpd = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" \
         type=\"static\" profiles=\"urn:mpeg:dash:profile:full:2011\" minBufferTime=\"PT2S\" \
         mediaPresentationDuration=\"PT{}S\">\n{periods}</MPD>\n",
        film.frames / FPS
    );
    fs::write(folder.join("title.mpd"), mpd).expect("the cache can be written");
}

/// RFC 6381 `codecs` of an H.264 rendition, from its `avcC` box (ISO/IEC 14496-15, 5.3.3.1).
pub(crate) fn avc_codecs(film: &Film, height: u32) -> String {
    let bytes = fs::read(film.video(height)).expect("the film is encoded");
    let at = bytes.windows(4).position(|name| name == b"avcC").expect("the film is H.264");
    format!("avc1.{:02x}{:02x}{:02x}", bytes[at + 5], bytes[at + 6], bytes[at + 7])
}

/// Name, start and end of each box of an MP4 file.
pub(crate) fn top_level_boxes(bytes: &[u8]) -> Vec<([u8; 4], usize, usize)> {
    let (mut boxes, mut at) = (Vec::new(), 0);
    while let Some(head) = bytes.get(at..at + 8) {
        let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        boxes.push(([head[4], head[5], head[6], head[7]], at, at + size));
        at += size.max(8);
    }
    boxes
}

#[derive(Clone, Copy)]
struct Hls {
    fmp4: bool,
    single: bool,
}

fn hls(film: &Film, folder: &Path, kind: Hls) {
    let mut variants = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    let package = |inputs: &[String], name: &str| {
        let mut command = ffmpeg(folder);
        for input in inputs {
            command.args(["-i", input]);
        }
        for input in 0..inputs.len() {
            command.args(["-map", &input.to_string()]);
        }
        command.args(["-c", "copy", "-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod"]);
        let ending = if kind.fmp4 { "m4s" } else { "ts" };
        if kind.fmp4 {
            let init = format!("{name}-init.mp4");
            command.args(["-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", &init]);
        }
        if kind.single {
            command.args(["-hls_flags", "single_file"]);
            command.args(["-hls_segment_filename", &format!("{name}.{ending}")]);
        } else {
            command.args(["-hls_segment_filename", &format!("{name}-%03d.{ending}")]);
        }
        run(command.arg(format!("{name}.m3u8")));
    };
    if kind.fmp4 {
        package(&[film.sound()], "a");
        variants += "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Tone\",LANGUAGE=\"en\",DEFAULT=YES,\
                     AUTOSELECT=YES,URI=\"a.m3u8\"\n";
    }
    for (width, height, kbps) in &film.ladder {
        let inputs =
            if kind.fmp4 { vec![film.video(*height)] } else { vec![film.video(*height), film.sound()] };
        package(&inputs, &format!("v{height}"));
        let group = if kind.fmp4 { ",AUDIO=\"sound\"" } else { "" };
        variants += &format!(
            "#EXT-X-STREAM-INF:BANDWIDTH={},RESOLUTION={width}x{height},FRAME-RATE={FPS}.000,\
             CODECS=\"{},mp4a.40.2\"{group}\nv{height}.m3u8\n",
            kbps * 1_100 + 110_000,
            avc_codecs(film, *height)
        );
    }
    fs::write(folder.join("title.m3u8"), variants).expect("the cache can be written");
}

/// Both halves are the first half of the film: its files are named twice, so the clock really jumps back.
fn hls_discontinuity(film: &Film, folder: &Path) {
    hls(film, folder, Hls { fmp4: false, single: false });
    let half = film.frames / SEGMENT_FRAMES / 2;
    for (_, height, _) in &film.ladder {
        let file = folder.join(format!("v{height}.m3u8"));
        let text = fs::read_to_string(&file).expect("ffmpeg wrote it");
        let head: String =
            text.lines().take_while(|line| !line.starts_with("#EXTINF")).fold(String::new(), add);
        let part: String =
            (0..half).map(|number| format!("#EXTINF:2.0,\nv{height}-{number:03}.ts\n")).collect();
        let text = format!("{head}{part}#EXT-X-DISCONTINUITY\n{part}#EXT-X-ENDLIST\n");
        fs::write(&file, text).expect("the cache can be written");
    }
}

fn add(text: String, line: &str) -> String {
    text + line + "\n"
}

/// The folder `name` of the cache, filled by `fill` when it is not there yet.
///
/// Tests run side by side in many processes: one lock lets one of them fill and the others wait, and a
/// folder gets its name only when it is complete.
pub(crate) fn made(name: &str, fill: impl FnOnce(&Path)) -> PathBuf {
    /// Part of the folder's name: a change to a recipe above must change it.
    const RECIPE: u32 = 3;
    let cache = workspace::target().join(format!("test-content/{RECIPE}"));
    fs::create_dir_all(&cache).expect("the target folder can be written");
    let folder = cache.join(name);
    if folder.is_dir() {
        return folder;
    }
    let lock = fs::File::create(cache.join(format!("{name}.lock"))).expect("the cache can be written");
    lock.lock().expect("the cache can be locked");
    if !folder.is_dir() {
        let draft = cache.join(format!("{name}.draft"));
        drop(fs::remove_dir_all(&draft));
        fs::create_dir_all(&draft).expect("the cache can be written");
        fill(&draft);
        fs::rename(&draft, &folder).expect("the cache can be written");
    }
    folder
}

pub(crate) fn ffmpeg(folder: &Path) -> Command {
    let mut command = Command::new("ffmpeg");
    command.current_dir(folder).args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"]);
    command
}

pub(crate) fn run(command: &mut Command) {
    let output = command.output().expect("ffmpeg is installed (see tests/packages.txt)");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
