//! A channel that never ends: a film again and again, produced as it is watched, in every form in which live
//! media is delivered.
//!
//! | address | is |
//! |---|---|
//! | `ll.m3u8` | HLS with parts, preload hints, blocking reloads and delta updates |
//! | `live.m3u8` | HLS |
//! | `ll.mpd` | DASH with segments that can be had chunk by chunk while they are produced |
//! | `number.mpd`, `timeline.mpd` | DASH |
//! | `time` | the time |
//!
//! The channel has been on air for [`BEFORE`] when it is made.

use crate::content::{Film, made};
use crate::fragments::Stream;
use crate::live::iso;
use crate::origin::Site;
use crate::source::{Served, Source};
use bytes::Bytes;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long it has been on air when somebody asks for the first time.
pub const BEFORE: Duration = Duration::from_secs(120);
/// Segments that can be had.
const WINDOW: u64 = 30;
/// Complete segments whose parts are listed.
const PARTED: u64 = 3;
/// Delta updates leave out what is older than so many segments.
const SKIP: u64 = 6;
const SEGMENT_MS: u64 = 2000;

/// What a channel tells of itself.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Length of parts and chunks in milliseconds; two seconds are a multiple of it.
    pub part_ms: u64,
    /// `PART-HOLD-BACK` in milliseconds.
    pub hold_back_ms: u64,
    /// `Latency@target` in milliseconds.
    pub latency_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { part_ms: 200, hold_back_ms: 660, latency_ms: 1500 }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Channel {
    settings: Settings,
    renditions: Vec<Rendition>,
    started: Instant,
    /// Seconds since 1970 at the beginning of the media.
    zero: f64,
}

#[derive(Debug)]
struct Rendition {
    name: String,
    /// Zero for sound.
    size: (u32, u32),
    bps: u32,
    codecs: String,
    stream: Stream,
}

impl Rendition {
    fn ticks(&self, ms: u64) -> u64 {
        ms * u64::from(self.stream.timescale) / 1000
    }

    /// Length in seconds of what begins in a span of milliseconds.
    fn seconds(&self, from_ms: u64, to_ms: u64) -> f64 {
        self.stream.span(self.ticks(from_ms), self.ticks(to_ms)).1 as f64 / f64::from(self.stream.timescale)
    }
}

impl Channel {
    /// A site that is this channel.
    pub fn site(settings: Settings) -> Site {
        Site::default().source(Arc::new(Self::new(settings)))
    }

    fn new(settings: Settings) -> Self {
        assert!(settings.part_ms > 0 && SEGMENT_MS.is_multiple_of(settings.part_ms), "{settings:?}");
        let film = Film::channel();
        let folder = made(&format!("{}-chunks", film.name()), |folder| {
            Stream::prepare(&film.sound(), folder);
            film.ladder.iter().for_each(|(_, height, _)| Stream::prepare(&film.video(*height), folder));
        });
        let seconds = film.frames / crate::content::FPS;
        let sound = Rendition {
            name: "a".to_owned(),
            size: (0, 0),
            bps: 96_000,
            codecs: "mp4a.40.2".to_owned(),
            stream: Stream::of(&folder.join("a.mp4"), seconds),
        };
        let pictures = film.ladder.iter().map(|(width, height, kbps)| Rendition {
            name: format!("v{height}"),
            size: (*width, *height),
            bps: kbps * 1000,
            codecs: crate::content::avc_codecs(&film, *height),
            stream: Stream::of(&folder.join(format!("v{height}.mp4")), seconds),
        });
        let renditions = pictures.chain([sound]).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Self { settings, renditions, started: Instant::now(), zero: now - BEFORE.as_secs_f64() }
    }

    /// Milliseconds of media that have been produced.
    fn produced_ms(&self) -> u64 {
        let since = BEFORE + self.started.elapsed();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// Parts that have been produced.
    fn parts(&self) -> u64 {
        self.produced_ms() / self.settings.part_ms
    }

    fn per_segment(&self) -> u64 {
        SEGMENT_MS / self.settings.part_ms
    }

    /// When so many parts have been produced.
    fn due(&self, parts: u64) -> Instant {
        let from_now = Duration::from_millis(parts * self.settings.part_ms).saturating_sub(BEFORE);
        self.started + from_now
    }

    /// Until when to wait for so many parts; `None` when they are there.
    fn wait(&self, parts: u64) -> Option<Duration> {
        let wait = self.due(parts).saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }

    fn date(&self, ms: u64) -> String {
        iso(self.zero + ms as f64 / 1e3)
    }

    fn rendition(&self, name: &str) -> Option<&Rendition> {
        self.renditions.iter().find(|rendition| rendition.name == name)
    }

    fn chunk(&self, rendition: &Rendition, part: u64) -> Bytes {
        let ticks = |part: u64| rendition.ticks(part * self.settings.part_ms);
        rendition.stream.chunk(ticks(part), ticks(part + 1), u32::try_from(part % 1_000_000).unwrap_or(0))
    }

    /// A segment, whose chunks leave as they are produced.
    fn segment(&self, rendition: &Rendition, number: u64) -> Served {
        let per = self.per_segment();
        let there = self.parts();
        // Asked for a little early it waits for its first chunk.
        if number * per > there || (number + WINDOW + 5) * per < there {
            return Served::Missing;
        }
        let chunks = number * per..(number + 1) * per;
        if chunks.end <= there {
            let whole: Vec<u8> = chunks.flat_map(|part| self.chunk(rendition, part)).collect();
            return Served::Bytes(whole.into());
        }
        Served::Pieces(chunks.map(|part| (self.due(part + 1), self.chunk(rendition, part))).collect())
    }

    fn multivariant(&self, prefix: &str) -> String {
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",\
             NAME=\"Tone\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,URI=\"{prefix}a.m3u8\"\n"
        );
        for rendition in self.renditions.iter().filter(|rendition| rendition.size.0 > 0) {
            let (width, height) = rendition.size;
            let _ = write!(
                text,
                "#EXT-X-STREAM-INF:BANDWIDTH={},RESOLUTION={width}x{height},FRAME-RATE=25.000,\
                 CODECS=\"{},mp4a.40.2\",AUDIO=\"a\"\n{prefix}{}.m3u8\n",
                rendition.bps + 110_000,
                rendition.codecs,
                rendition.name
            );
        }
        text
    }

    /// A media playlist of complete segments.
    fn playlist(&self, rendition: &Rendition) -> String {
        let count = self.parts() / self.per_segment();
        let first = count.saturating_sub(WINDOW);
        let mut text = head(first, "#EXT-X-SERVER-CONTROL:HOLD-BACK=6.0\n", rendition);
        for number in first..count {
            self.whole(&mut text, rendition, number);
        }
        text
    }

    fn whole(&self, text: &mut String, rendition: &Rendition, number: u64) {
        let from = number * SEGMENT_MS;
        let (begin, _) = rendition.stream.span(rendition.ticks(from), rendition.ticks(from + SEGMENT_MS));
        let begin_ms = begin * 1000 / u64::from(rendition.stream.timescale);
        let _ = write!(
            text,
            "#EXT-X-PROGRAM-DATE-TIME:{}\n#EXTINF:{:.6},\n{}-{number}.m4s\n",
            self.date(begin_ms),
            rendition.seconds(from, from + SEGMENT_MS),
            rendition.name
        );
    }

    /// A media playlist with parts, as it is when everything asked for is there.
    fn low_latency(&self, rendition: &Rendition, query: &str) -> Result<String, Served> {
        let value = |name: &str| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            pair.and_then(|value| value.parse::<u64>().ok())
        };
        let (per, part_ms) = (self.per_segment(), self.settings.part_ms);
        if let Some(number) = value("_HLS_msn") {
            let wanted = value("_HLS_part").map_or((number + 1) * per, |part| number * per + part + 1);
            if wanted > self.parts() + 3 * per {
                return Err(Served::Missing);
            }
            if let Some(wait) = self.wait(wanted) {
                return Err(Served::Wait(wait));
            }
        }
        let there = self.parts();
        let count = there / per;
        let first = count.saturating_sub(WINDOW);
        let longest =
            if rendition.size.0 > 0 { part_ms as f64 / 1e3 } else { part_ms as f64 / 1e3 + 0.021334 };
        let control = format!(
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={},HOLD-BACK=6.0,PART-HOLD-BACK={}\n\
             #EXT-X-PART-INF:PART-TARGET={longest}\n",
            SKIP * SEGMENT_MS / 1000,
            self.settings.hold_back_ms as f64 / 1e3
        );
        let mut text = head(first, &control, rendition);
        let mut from = first;
        if query.contains("_HLS_skip=YES") && count > first + SKIP {
            from = count - SKIP;
            let _ = writeln!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={}", from - first);
        }
        for number in from..=count {
            let parts = number * per..((number + 1) * per).min(there);
            for part in parts.filter(|_| number + PARTED >= count) {
                let independent = if part.is_multiple_of(per) { ",INDEPENDENT=YES" } else { "" };
                let _ = writeln!(
                    text,
                    "#EXT-X-PART:DURATION={:.6},URI=\"{}-{number}.{}.m4s\"{independent}",
                    rendition.seconds(part * part_ms, (part + 1) * part_ms),
                    rendition.name,
                    part % per
                );
            }
            if number < count {
                self.whole(&mut text, rendition, number);
            }
        }
        let _ = writeln!(
            text,
            "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}-{}.{}.m4s\"",
            rendition.name,
            there / per,
            there % per
        );
        for other in self.renditions.iter().filter(|other| other.name != rendition.name) {
            let (number, part) = ((there - 1) / per, (there - 1) % per);
            let _ = writeln!(
                text,
                "#EXT-X-RENDITION-REPORT:URI=\"ll-{}.m3u8\",LAST-MSN={number},LAST-PART={part}",
                other.name
            );
        }
        Ok(text)
    }

    fn mpd(&self, form: &str) -> Option<String> {
        let seconds = SEGMENT_MS / 1000;
        let (service, early, refresh) = match form {
            "ll" => {
                let early = (SEGMENT_MS - self.settings.part_ms) as f64 / 1e3;
                let latency = self.settings.latency_ms;
                (
                    format!(
                        "<ServiceDescription id=\"0\"><Latency target=\"{latency}\" referenceId=\"0\"/>\
                         <PlaybackRate min=\"0.95\" max=\"1.05\"/></ServiceDescription>\n"
                    ),
                    format!(" availabilityTimeOffset=\"{early}\" availabilityTimeComplete=\"false\""),
                    "PT60S",
                )
            }
            "number" => (String::new(), String::new(), "PT60S"),
            "timeline" => (String::new(), String::new(), "PT1S"),
            _ => return None,
        };
        let mut sets = String::new();
        for sound in [false, true] {
            let kind = if sound { "audio" } else { "video" };
            let _ = writeln!(
                sets,
                "<AdaptationSet contentType=\"{kind}\" mimeType=\"{kind}/mp4\" segmentAlignment=\"true\" \
                 startWithSAP=\"1\">"
            );
            for rendition in self.renditions.iter().filter(|rendition| (rendition.size.0 == 0) == sound) {
                let (width, height) = rendition.size;
                let more = if sound {
                    "audioSamplingRate=\"48000\"".to_owned()
                } else {
                    format!("width=\"{width}\" height=\"{height}\" frameRate=\"25\"")
                };
                let _ = writeln!(
                    sets,
                    "<Representation id=\"{}\" codecs=\"{}\" bandwidth=\"{}\" {more}>{}</Representation>",
                    rendition.name,
                    rendition.codecs,
                    rendition.bps,
                    self.template(rendition, form, &early)
                );
            }
            sets += "</AdaptationSet>\n";
        }
        Some(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" \
             type=\"dynamic\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" availabilityStartTime=\"{}\" \
             publishTime=\"{}\" minimumUpdatePeriod=\"{refresh}\" minBufferTime=\"PT1S\" \
             timeShiftBufferDepth=\"PT{}S\" maxSegmentDuration=\"PT{seconds}S\" \
             suggestedPresentationDelay=\"PT4S\">\n{service}<Period id=\"0\" start=\"PT0S\">\n{sets}</Period>\n\
             <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"time\"/>\n</MPD>\n",
            self.date(0),
            self.date(self.produced_ms()),
            WINDOW * seconds,
        ))
    }

    fn template(&self, rendition: &Rendition, form: &str, early: &str) -> String {
        let files = format!(
            "timescale=\"{}\" initialization=\"$RepresentationID$-init.mp4\" \
             media=\"$RepresentationID$-$Number$.m4s\"",
            rendition.stream.timescale
        );
        if form != "timeline" {
            let duration = rendition.ticks(SEGMENT_MS);
            return format!("<SegmentTemplate {files} duration=\"{duration}\" startNumber=\"0\"{early}/>");
        }
        let count = self.parts() / self.per_segment();
        let first = count.saturating_sub(WINDOW);
        let mut timeline = String::new();
        for number in first..count {
            let from = rendition.ticks(number * SEGMENT_MS);
            let (start, duration) = rendition.stream.span(from, from + rendition.ticks(SEGMENT_MS));
            let _ = write!(timeline, "<S t=\"{start}\" d=\"{duration}\"/>");
        }
        format!(
            "<SegmentTemplate {files} startNumber=\"{first}\"><SegmentTimeline>{timeline}</SegmentTimeline>\
             </SegmentTemplate>"
        )
    }

    fn made(&self, name: &str, query: &str) -> Result<Option<String>, Served> {
        if let Some(form) = name.strip_suffix(".mpd") {
            return Ok(self.mpd(form));
        }
        let Some(list) = name.strip_suffix(".m3u8") else { return Ok(None) };
        match list {
            "ll" => return Ok(Some(self.multivariant("ll-"))),
            "live" => return Ok(Some(self.multivariant(""))),
            _ => {}
        }
        match list.strip_prefix("ll-") {
            Some(list) => match self.rendition(list) {
                Some(rendition) => self.low_latency(rendition, query).map(Some),
                None => Ok(None),
            },
            None => Ok(self.rendition(list).map(|rendition| self.playlist(rendition))),
        }
    }
}

impl Source for Channel {
    fn serve(&self, target: &str) -> Served {
        let (name, query) = target.split_once('?').unwrap_or((target, ""));
        if name == "time" {
            return Served::Bytes(self.date(self.produced_ms()).into());
        }
        match self.made(name, query) {
            Ok(Some(text)) => return Served::Bytes(text.into()),
            Err(served) => return served,
            Ok(None) => {}
        }
        let Some((rendition, rest)) = name.split_once('-') else { return Served::Missing };
        let Some(rendition) = self.rendition(rendition) else { return Served::Missing };
        if rest == "init.mp4" {
            return Served::Bytes(rendition.stream.init.clone());
        }
        let numbers = rest.strip_suffix(".m4s").unwrap_or_default();
        match numbers.split_once('.') {
            Some((number, part)) => {
                let (Ok(number), Ok(part)) = (number.parse::<u64>(), part.parse::<u64>()) else {
                    return Served::Missing;
                };
                let at = number.saturating_mul(self.per_segment()).saturating_add(part);
                if part >= self.per_segment() || at > self.parts() + self.per_segment() {
                    return Served::Missing;
                }
                self.wait(at + 1).map_or_else(|| Served::Bytes(self.chunk(rendition, at)), Served::Wait)
            }
            None => match numbers.parse() {
                Ok(number) => self.segment(rendition, number),
                Err(_) => Served::Missing,
            },
        }
    }
}

fn head(first: u64, control: &str, rendition: &Rendition) -> String {
    format!(
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:{}\n{control}#EXT-X-MEDIA-SEQUENCE:{first}\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"{}-init.mp4\"\n",
        SEGMENT_MS / 1000,
        rendition.name
    )
}
