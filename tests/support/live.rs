//! A broadcast made of a packaged title: its segments appear one after the other as if they were produced
//! now, with the manifests that a live server would give.
//!
//! The broadcast starts with the first request, [`HEAD`] into the title, and ends with the title.

use crate::content::{Packaging, Title};
use crate::origin::Site;
use crate::source::{Served, Source};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How much of the title has been produced when somebody asks for the first time.
pub const HEAD: Duration = Duration::from_secs(16);
/// Segments that are listed.
const WINDOW: usize = 6;
/// Segments and their packager's rounding: one that ends this much later is there.
const ROUNDING: f64 = 0.03;

/// See the module.
#[derive(Debug)]
pub struct Broadcast {
    folder: PathBuf,
    packaging: Packaging,
    length: f64,
    started: OnceLock<(Instant, f64)>,
}

impl Broadcast {
    /// A site that broadcasts `title`, packaged in files for each segment.
    ///
    /// # Panics
    ///
    /// For a packaging that is not one of those that broadcasts use.
    pub fn site(title: &Title, packaging: Packaging) -> Site {
        let known = [Packaging::DashNumber, Packaging::DashTimeline, Packaging::HlsTs, Packaging::HlsFmp4];
        assert!(known.contains(&packaging), "{packaging:?} is not broadcast");
        let length = title.frames() as f64 / f64::from(crate::content::FPS);
        let folder = title.folder.clone();
        let source = Self { folder, packaging, length, started: OnceLock::new() };
        title.site().source(Arc::new(source))
    }

    /// Seconds of the title that have been produced, and whether that is all.
    fn produced(&self) -> (f64, bool) {
        let (since, _) = self.start();
        let seconds = HEAD.as_secs_f64() + since.elapsed().as_secs_f64();
        (seconds, seconds >= self.length)
    }

    fn start(&self) -> (Instant, f64) {
        *self.started.get_or_init(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            (Instant::now(), now.as_secs_f64() - HEAD.as_secs_f64())
        })
    }

    /// Wall-clock time of a moment of the title.
    fn date(&self, seconds: f64) -> String {
        iso(self.start().1 + seconds)
    }

    fn read(&self, name: &str) -> Option<String> {
        let plain = Path::new(name).components().count() == 1;
        fs::read_to_string(self.folder.join(name)).ok().filter(|_| plain)
    }

    /// A media playlist as it is now.
    fn playlist(&self, text: &str) -> String {
        let (produced, over) = self.produced();
        let mut segments = Vec::new();
        let (mut head, mut duration, mut start) = (String::new(), 0.0, 0.0);
        for line in text.lines() {
            if let Some(value) = line.strip_prefix("#EXTINF:") {
                duration = value.split(',').next().and_then(|d| d.parse().ok()).unwrap_or(0.0);
            } else if line.starts_with("#EXT-X-MAP") {
                head = format!("{line}\n");
            } else if !line.starts_with('#') && !line.is_empty() {
                segments.push((start, duration, line));
                start += duration;
            }
        }
        let there =
            |(start, duration, _): &&(f64, f64, &str)| over || start + duration <= produced + ROUNDING;
        let count = segments.iter().take_while(there).count();
        let first = count.saturating_sub(WINDOW);
        let mut playlist = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n{head}"
        );
        for (start, duration, name) in &segments[first..count] {
            let date = self.date(*start);
            let _ = write!(playlist, "#EXT-X-PROGRAM-DATE-TIME:{date}\n#EXTINF:{duration:.6},\n{name}\n");
        }
        if over {
            playlist.push_str("#EXT-X-ENDLIST\n");
        }
        playlist
    }

    /// The MPD as it is now.
    fn mpd(&self, text: &str) -> String {
        let (produced, over) = self.produced();
        if over {
            return text.to_owned();
        }
        let live = format!(
            "type=\"dynamic\" availabilityStartTime=\"{}\" publishTime=\"{}\" minimumUpdatePeriod=\"PT1S\" \
             timeShiftBufferDepth=\"PT12S\" suggestedPresentationDelay=\"PT4S\"",
            self.date(0.0),
            self.date(produced)
        );
        let clock = "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"time\"/>\n</MPD>";
        let text = without_attribute(text, "mediaPresentationDuration");
        let text = text.replace("type=\"static\"", &live).replace("</MPD>", clock);
        if self.packaging == Packaging::DashTimeline { window(&text, produced) } else { text }
    }
}

impl Source for Broadcast {
    fn serve(&self, target: &str) -> Served {
        let (produced, over) = self.produced();
        let name = target.split('?').next().unwrap_or_default();
        if name == "time" {
            return Served::Bytes(self.date(produced).into_bytes().into());
        }
        let made = match self.read(name) {
            Some(text) if name.ends_with(".mpd") => self.mpd(&text),
            Some(text) if name.ends_with(".m3u8") && text.contains("#EXTINF") => self.playlist(&text),
            _ => {
                // Numbers count from 1 in DASH and from 0 in HLS; each is two seconds.
                let number = name.rsplit(['-', '.']).nth(1).and_then(|number| number.parse::<u32>().ok());
                let number = number.map(|number| number + u32::from(!self.packaging.is_dash()));
                let early = number.is_some_and(|number| f64::from(number) * 2.0 > produced + 2.0 * ROUNDING);
                return if early && !over { Served::Missing } else { Served::File };
            }
        };
        Served::Bytes(made.into_bytes().into())
    }
}

/// An MPD whose timelines list the last segments that have been produced.
fn window(text: &str, produced: f64) -> String {
    let (mut result, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("<SegmentTimeline>") {
        let Some((timeline, behind)) = after.split_once("</SegmentTimeline>") else { break };
        let head = before.rfind("<SegmentTemplate").map_or("", |at| &before[at..]);
        let timescale = number(head, "timescale").unwrap_or(1) as f64;
        let (mut start, mut segments) = (0u64, Vec::new());
        for element in timeline.split("<S ").skip(1) {
            start = number(element, "t").unwrap_or(start);
            let duration = number(element, "d").unwrap_or(1);
            for _ in 0..=number(element, "r").unwrap_or(0) {
                segments.push((start, duration));
                start += duration;
            }
        }
        let there =
            |(start, duration): &&(u64, u64)| (start + duration) as f64 / timescale <= produced + ROUNDING;
        let count = segments.iter().take_while(there).count();
        let first = count.saturating_sub(WINDOW);
        let listed: String =
            segments[first..count].iter().map(|(t, d)| format!("<S t=\"{t}\" d=\"{d}\"/>")).collect();
        let start_number = number(head, "startNumber").unwrap_or(1);
        let (old, new) = (
            format!("startNumber=\"{start_number}\""),
            format!("startNumber=\"{}\"", start_number + first as u64),
        );
        let at = before.len() - head.len();
        result += &before[..at];
        result += &head.replace(&old, &new);
        result += &format!("<SegmentTimeline>{listed}</SegmentTimeline>");
        rest = behind;
    }
    result + rest
}

/// The value of an attribute, the first of that name.
fn number(text: &str, name: &str) -> Option<u64> {
    let after = text.split(&format!("{name}=\"")).nth(1)?;
    after.split('"').next()?.parse().ok()
}

fn without_attribute(text: &str, name: &str) -> String {
    let Some((before, after)) = text.split_once(&format!("{name}=\"")) else { return text.to_owned() };
    format!("{before}{}", after.split_once('"').map_or("", |(_, rest)| rest))
}

/// `xs:dateTime` of seconds since 1970 (days to dates after Howard Hinnant's `civil_from_days`).
pub(crate) fn iso(seconds: f64) -> String {
    let millis = (seconds * 1e3).round() as i64;
    let (days, rest) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let z = days + 719_468;
    let (era, day_of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * shifted + 2) / 5 + 1, (shifted + 2) % 12 + 1);
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(iso(0.0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(1_709_210_096.789), "2024-02-29T12:34:56.789Z");
    }

    #[test]
    fn a_timeline_lists_what_was_produced() {
        let text = "<SegmentTemplate timescale=\"10\" startNumber=\"1\"><SegmentTimeline><S t=\"0\" d=\"20\" \
                    r=\"19\"/></SegmentTimeline></SegmentTemplate>";
        let now = window(text, 16.0);
        assert!(now.contains("startNumber=\"3\"") && now.contains("<S t=\"40\" d=\"20\"/>"), "{now}");
        assert_eq!(now.matches("<S ").count(), 6);
    }
}
