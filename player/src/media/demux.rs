//! One entrance for all containers: the bytes of a segment in, samples with the container's own time
//! stamps out.

use super::error::MediaError;
use super::isobmff::{self, Movie};
use super::sample::{SampleFormat, SampleProtection};
use super::{packed_audio, ts, webm};
use crate::pipeline::Append;
use abr::presentation::{Container, ContentType};
use bytes::Bytes;
use std::sync::Arc;

/// How many initialization segments are kept parsed: a few renditions of each track.
const INITS: usize = 16;

/// A sample with the time stamps of its container, in ticks of [`RawTrack::timescale`]. Edit lists are
/// applied.
#[derive(Clone, Debug)]
pub struct RawSample {
    /// When it is to be presented.
    pub pts: i64,
    /// When it is to be decoded.
    pub dts: Option<i64>,
    /// How long it lasts; zero when the container does not say.
    pub duration: u64,
    /// Whether decoding can start here.
    pub keyframe: bool,
    /// How much of its beginning is not to be presented.
    pub trim_start: u64,
    /// The bytes, a slice of the segment where it stores them in one piece.
    pub data: Bytes,
    /// What they are.
    pub format: Arc<SampleFormat>,
    /// How they are encrypted; `None` for clear bytes.
    pub protection: Option<Arc<SampleProtection>>,
}

/// Samples of one track in decoding order.
#[derive(Clone, Debug)]
pub struct RawTrack {
    /// Ticks per second, not zero.
    pub timescale: u32,
    /// The samples.
    pub samples: Vec<RawSample>,
}

impl Default for RawTrack {
    fn default() -> Self {
        Self { timescale: 1, samples: Vec::new() }
    }
}

impl RawTrack {
    /// The earliest presentation time, in ticks.
    pub fn start(&self) -> Option<i64> {
        self.samples.iter().map(|sample| sample.pts).min()
    }

    /// The earliest time that is presented, in ticks: without encoder delay and what an edit cuts off.
    pub fn presented_start(&self) -> Option<i64> {
        let presented = self.samples.iter().filter(|s| s.trim_start == 0 || s.trim_start < s.duration);
        let begin = |s: &RawSample| s.pts.saturating_add_unsigned(s.trim_start);
        presented.map(begin).min().or_else(|| self.start())
    }
}

/// What a segment holds of the tracks that were wanted.
#[derive(Clone, Debug, Default)]
pub struct Demuxed {
    /// Pictures.
    pub video: RawTrack,
    /// Sound.
    pub audio: RawTrack,
    /// Subtitles.
    pub text: RawTrack,
    /// What its time stamps count.
    pub time_base: TimeBase,
}

/// What the time stamps of a segment count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeBase {
    /// Time since the start of the media.
    #[default]
    Media,
    /// The same modulo 2^33 / 90,000 seconds (MPEG-2 systems, HLS packed audio).
    Wrapping,
    /// Time since the start of the segment (packed audio without a time stamp).
    Untimed,
}

impl Demuxed {
    /// The track that carries `content_type`; images count as text.
    pub fn track(&self, content_type: ContentType) -> &RawTrack {
        match content_type {
            ContentType::Video => &self.video,
            ContentType::Audio => &self.audio,
            ContentType::Text | ContentType::Image => &self.text,
        }
    }

    /// See [`track`](Self::track).
    pub(super) fn track_mut(&mut self, content_type: ContentType) -> &mut RawTrack {
        match content_type {
            ContentType::Video => &mut self.video,
            ContentType::Audio => &mut self.audio,
            ContentType::Text | ContentType::Image => &mut self.text,
        }
    }
}

/// Which tracks to take from a segment. Of several of a kind the first is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Pictures.
    pub video: bool,
    /// Sound.
    pub audio: bool,
    /// Subtitles.
    pub text: bool,
}

impl Wanted {
    /// Everything.
    pub const ALL: Self = Self { video: true, audio: true, text: true };

    /// What an append asks for.
    pub fn of(append: &Append) -> Self {
        Self {
            video: append.track == ContentType::Video,
            audio: append.track == ContentType::Audio || append.muxed_audio,
            text: matches!(append.track, ContentType::Text | ContentType::Image),
        }
    }
}

/// Cuts segments into samples. Remembers parsed initialization segments, nothing else.
#[derive(Debug, Default)]
pub struct Demuxer {
    inits: Vec<(Bytes, Arc<Movie>)>,
}

impl Demuxer {
    /// A demultiplexer that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The samples of a segment.
    ///
    /// # Errors
    /// Anything of [`MediaError`]; [`MediaError::Empty`] when there is no sample of the append's own track
    /// (an absent muxed audio track is no error, nor is a text segment without text, nor is muxed audio
    /// alone: a playlist need not say that it has no pictures).
    pub fn demux(&mut self, append: &Append) -> Result<Demuxed, MediaError> {
        let demuxed = self.read(append.container, append.init.as_ref(), &append.data, Wanted::of(append))?;
        let sound_instead = append.muxed_audio && !demuxed.audio.samples.is_empty();
        // There need not be anything to read.
        let may_be_empty = append.track == ContentType::Text;
        if demuxed.track(append.track).samples.is_empty() && !sound_instead && !may_be_empty {
            return Err(MediaError::Empty);
        }
        Ok(demuxed)
    }

    /// The samples of `data`, a segment in `container` behind initialization segment `init`. The bytes are
    /// believed where they contradict `container`.
    ///
    /// # Errors
    /// Anything of [`MediaError`].
    pub fn read(
        &mut self,
        container: Container,
        init: Option<&Bytes>,
        data: &Bytes,
        wanted: Wanted,
    ) -> Result<Demuxed, MediaError> {
        match sniff(data).unwrap_or(container) {
            Container::Mp4 => {
                let movie = init.map(|init| self.movie(init)).transpose()?;
                isobmff::demux(movie.as_deref(), data, wanted)
            }
            Container::Ts => ts::demux(data, wanted),
            Container::PackedAudio => packed_audio::demux(data),
            Container::Webm => webm::demux(init, data, wanted),
            Container::Webvtt => Err(MediaError::Unsupported("WebVTT text as a media track".into())),
            Container::Unknown => Err(MediaError::NotMedia(describe(data))),
        }
    }

    fn movie(&mut self, init: &Bytes) -> Result<Arc<Movie>, MediaError> {
        // The cache keeps the bytes alive, so that an address stands for the same contents.
        let same = |kept: &Bytes| kept.as_ptr() == init.as_ptr() && kept.len() == init.len();
        if let Some((_, movie)) = self.inits.iter().find(|(kept, _)| same(kept)) {
            return Ok(Arc::clone(movie));
        }
        if sniff(init) != Some(Container::Mp4) {
            return Err(MediaError::NotMedia(describe(init)));
        }
        let movie = Arc::new(isobmff::parse_init(init)?);
        if self.inits.len() == INITS {
            self.inits.remove(0);
        }
        self.inits.push((init.clone(), Arc::clone(&movie)));
        Ok(movie)
    }
}

/// Tells a container by its first bytes.
pub fn sniff(data: &[u8]) -> Option<Container> {
    const BOXES: [&[u8; 4]; 19] = [
        b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"sidx", b"ssix", b"emsg", b"prft", b"free", b"skip",
        b"wide", b"uuid", b"pdin", b"meta", b"mfra", b"pssh", b"mvex", b"imda",
    ];
    if data.get(4..8).is_some_and(|kind| BOXES.iter().any(|known| kind == &known[..])) {
        return Some(Container::Mp4);
    }
    if data.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) || data.starts_with(&[0x1f, 0x43, 0xb6, 0x75]) {
        return Some(Container::Webm);
    }
    if data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data).starts_with(b"WEBVTT") {
        return Some(Container::Webvtt);
    }
    if ts::is_transport_stream(data) {
        return Some(Container::Ts);
    }
    packed_audio::is_packed_audio(data).then_some(Container::PackedAudio)
}

/// What bytes that are no container seem to be, for people.
pub(super) fn describe(data: &[u8]) -> &'static str {
    let text = data.iter().position(|byte| !byte.is_ascii_whitespace()).map_or(&[][..], |at| &data[at..]);
    match text.first() {
        None => "the body is empty",
        Some(b'<') => "a web page or XML document came instead",
        Some(b'{' | b'[') => "a JSON document came instead",
        Some(b'#') if text.starts_with(b"#EXTM3U") => "a playlist came instead",
        Some(_) => "the bytes are of no known format",
    }
}
