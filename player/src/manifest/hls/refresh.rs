//! A media playlist that is fetched again and again: what stays, what is new, and where it lies in time.
//!
//! Segments keep their place on the timeline by their media sequence number; a playlist that was not read
//! before, or not for long, is placed by the dates or numbers of the other playlists of its title.

use super::source::{HlsSource, Loaded, TIMESCALE, length};
use super::types::{MediaPlaylist, MediaSegment, PreloadHint, RenditionReport};
use crate::manifest::{ManifestError, Place};
use abr::presentation::{Edge, Live};
use abr::segments::{Availability, Part, Run, SegmentRuns};
use abr::time::WallClock;
use std::time::{Duration, Instant};

/// Two ways to place a playlist that disagree by more than this: the dates count.
const DISAGREEMENT: i64 = 1_000_000_000;
/// So many times in a row a playlist may be older than the one before, then it counts as new.
const OLDER: u32 = 5;
/// So many of the last complete segments are listed in parts, where the playlist lists their parts.
const PARTED: usize = 2;
/// Discontinuities are counted anew after a reset of the media sequence.
const EPOCH: u32 = 40;

/// Where a playlist goes, as seen from another of the same title.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    /// Start of its first segment, nanoseconds.
    pub(super) origin: i64,
    /// How often the media sequence was reset before.
    pub(crate) epoch: u64,
}

impl Loaded {
    fn end_number(&self) -> u64 {
        self.playlist.first_number().saturating_add(self.playlist.segments.len() as u64)
    }

    fn end(&self) -> i64 {
        self.origin.saturating_add(span(&self.playlist.segments))
    }

    /// Wall-clock time of presentation time zero, ms.
    pub(super) fn zero(&self) -> Option<i64> {
        let first = self.playlist.program_date_times().next()??;
        Some(first.as_millis().saturating_sub(self.origin.div_euclid(1_000_000)))
    }

    /// The same as [`zero`](Self::zero), by the last date in the playlist.
    fn latest_zero(&self) -> Option<WallClock> {
        let (mut start, mut zero) = (self.origin, None);
        for (segment, date) in self.playlist.segments.iter().zip(self.playlist.program_date_times()) {
            zero = date.map(|date| date.as_millis().saturating_sub(start.div_euclid(1_000_000))).or(zero);
            start = start.saturating_add(signed(length(segment)));
        }
        zero.map(WallClock::from_millis)
    }

    /// Where `other` begins on the timeline, by numbers and dates that both have.
    pub(super) fn place(&self, other: &MediaPlaylist) -> Option<i64> {
        let first = other.first_number();
        let by_number = match self.playlist.first_number().checked_sub(first) {
            Some(ahead) if ahead <= other.segments.len() as u64 => {
                let before = other.segments.get(..usize::try_from(ahead).ok()?)?;
                Some(self.origin.saturating_sub(span(before)))
            }
            Some(_) => None,
            None => self.start_of(first),
        };
        let date = other.program_date_times().next().flatten();
        let by_date = date.zip(self.zero()).map(|(date, zero)| {
            date.as_millis().saturating_sub(zero).saturating_mul(i64::from(TIMESCALE / 1000))
        });
        match (by_number, by_date) {
            (Some(number), Some(date)) if number.saturating_sub(date).saturating_abs() > DISAGREEMENT => {
                Some(date)
            }
            (number, date) => number.or(date),
        }
    }

    /// Where `other` goes that shares nothing with this playlist: their ends are at about the same time.
    fn align_ends(&self, other: &MediaPlaylist) -> i64 {
        self.end().saturating_sub(span(&other.segments))
    }
}

impl HlsSource {
    /// Where a playlist of the same title would go.
    pub(crate) fn place(&self, other: &MediaPlaylist) -> Option<Placed> {
        let loaded = self.loaded.as_ref().filter(|loaded| loaded.grew)?;
        let origin = loaded.place(other).unwrap_or_else(|| loaded.align_ends(other));
        Some(Placed { origin, epoch: loaded.epoch })
    }

    /// What the playlist that was read says about the one at `other`, where requests for it may wait.
    pub(crate) fn report(&self, other: &HlsSource) -> Option<(Instant, &RenditionReport)> {
        let loaded = self.loaded.as_ref().filter(|loaded| !loaded.playlist.is_complete())?;
        loaded.playlist.server_control.filter(|control| control.can_block_reload)?;
        let base = self.base()?;
        let names = |report: &&RenditionReport| {
            let url = base.join(&report.uri).ok();
            url.is_some_and(|url| other.playlists.contains(&url))
        };
        Some((loaded.read, loaded.playlist.rendition_reports.iter().find(names)?))
    }

    /// Whether these are the bytes that were read last.
    pub(crate) fn is_unchanged(&self, body: &[u8]) -> bool {
        self.loaded.as_ref().is_some_and(|loaded| loaded.body == body)
    }

    /// What the playlist says about playing it while it grows.
    pub(crate) fn live(&self) -> Option<(Live, Option<WallClock>)> {
        let loaded = self.loaded.as_ref()?;
        let playlist = &loaded.playlist;
        if playlist.is_complete() {
            return None;
        }
        let control = playlist.server_control.unwrap_or_default();
        let part = playlist.part_target.filter(|part| *part > 0 && !playlist.parts.is_empty());
        let nanos = Duration::from_nanos;
        let live = Live {
            edge: Edge::Listed,
            target: part.and(control.part_hold_back).or(control.hold_back).map(nanos),
            segment: nanos(playlist.target_duration.unwrap_or(0)),
            part: part.map(nanos),
            blocking: control.can_block_reload,
            ..Live::default()
        };
        Some((live, loaded.latest_zero()))
    }

    /// What to add to the address of the playlist for the server to answer when there is something new:
    /// `_HLS_msn`, `_HLS_part` and `_HLS_skip` (rfc8216bis, 6.2.5).
    ///
    /// `reported` is what another playlist says that this one has; where that is more than was read of it, it
    /// is asked for (rfc8216bis, 4.4.5.4).
    pub(super) fn directives(&self, reported: Option<&RenditionReport>) -> Vec<(&'static str, String)> {
        let newer = |report: &&RenditionReport| {
            let known =
                self.loaded.as_ref().map(|loaded| (loaded.end_number(), loaded.playlist.open_parts() as u64));
            let told = report.last_msn.map(|number| (number, report.last_part.map_or(0, |part| part + 1)));
            told.is_some() && known < told
        };
        if let Some(report) = reported.filter(newer) {
            let number = report.last_msn.map(|number| ("_HLS_msn", number.to_string()));
            let part = report.last_part.map(|part| ("_HLS_part", part.to_string()));
            return number.into_iter().chain(part).collect();
        }
        let Some(loaded) = self.loaded.as_ref().filter(|loaded| !loaded.playlist.is_complete()) else {
            return Vec::new();
        };
        let playlist = &loaded.playlist;
        let control = playlist.server_control.unwrap_or_default();
        let mut directives = Vec::new();
        if control.can_block_reload {
            directives.push(("_HLS_msn", loaded.end_number().to_string()));
            if playlist.part_target.is_some() {
                directives.push(("_HLS_part", playlist.open_parts().to_string()));
            }
        }
        let age = Duration::from_nanos(control.can_skip_until.unwrap_or(0));
        // A delta counts from the playlist that was read last, if that is not old.
        if !age.is_zero() && loaded.read.elapsed() < age / 2 {
            directives.push(("_HLS_skip", "YES".to_owned()));
        }
        directives
    }

    /// The playlist that `next`, read after the loaded one, amounts to: a delta update gets what it leaves
    /// out.
    ///
    /// # Errors
    ///
    /// When it leaves out what was never read.
    pub(super) fn complete_delta(&self, next: MediaPlaylist) -> Result<MediaPlaylist, ManifestError> {
        let Some(skip) = &next.skip else { return Ok(next) };
        let missing = || {
            let what = "the delta update leaves out segments that were never listed";
            ManifestError::malformed(Place::default(), what)
        };
        let before = &self.loaded.as_ref().ok_or_else(missing)?.playlist;
        let from = next.media_sequence.checked_sub(before.first_number()).ok_or_else(missing)?;
        let count = usize::try_from(skip.skipped_segments).map_err(|_| missing())?;
        let from = usize::try_from(from).map_err(|_| missing())?;
        let end = from.checked_add(count).ok_or_else(missing)?;
        let kept = before.segments.get(from..end).ok_or_else(missing)?;
        next.after(before, kept)
    }

    /// Decides what a playlist read now is compared with the one before: `None` when it is older and not to
    /// be believed.
    pub(super) fn succession(&mut self, next: &MediaPlaylist, elsewhere: Option<Placed>) -> Option<Placed> {
        let Some(loaded) = &mut self.loaded else {
            return Some(elsewhere.unwrap_or(Placed { origin: 0, epoch: 0 }));
        };
        let (first, end) = (next.first_number(), next.first_number() + next.segments.len() as u64);
        let epoch = loaded.epoch;
        let goes_back = end < loaded.end_number() && !next.is_complete();
        if goes_back && end >= loaded.playlist.first_number() && loaded.older < OLDER {
            loaded.older += 1;
            return None;
        }
        if !goes_back && let Some(origin) = loaded.place(next).filter(|_| first <= loaded.end_number()) {
            return Some(Placed { origin, epoch });
        }
        if goes_back {
            // The numbers begin anew: what comes follows what there was.
            return Some(match elsewhere.filter(|placed| placed.epoch > epoch) {
                Some(placed) => placed,
                None => Placed { origin: loaded.end(), epoch: epoch + 1 },
            });
        }
        // It was not read for so long that nothing of it is left.
        let gap = i64::try_from(first.saturating_sub(loaded.end_number())).unwrap_or(i64::MAX);
        let target = signed(next.target_duration.unwrap_or(0));
        let guess = loaded.end().saturating_add(gap.saturating_mul(target));
        let dated = loaded.place(next).map(|origin| Placed { origin, epoch });
        Some(elsewhere.or(dated).unwrap_or(Placed { origin: guess, epoch }))
    }

    /// The number under which the session knows an initialization section, the same for as long as the
    /// source lives.
    pub(super) fn number_maps(&mut self, playlist: &MediaPlaylist) -> Vec<u32> {
        let numbers = playlist.maps.iter().map(|map| {
            let known = self.maps.iter().rposition(|known| known == map);
            let at = known.unwrap_or_else(|| {
                self.maps.push(map.clone());
                self.maps.len() - 1
            });
            u32::try_from(at).unwrap_or(u32::MAX)
        });
        numbers.collect()
    }
}

impl MediaPlaylist {
    /// This playlist with `kept` segments of `before` in place of what it skips.
    fn after(mut self, before: &Self, kept: &[MediaSegment]) -> Result<Self, ManifestError> {
        let offset = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        let too_long = || ManifestError::TooMany { what: "bytes of addresses", max: u32::MAX as usize };
        offset.checked_add(u32::try_from(before.text.len()).map_err(|_| too_long())?).ok_or_else(too_long)?;
        // Only the text of the kept segments, which lies in one piece.
        let bounds = kept.iter().flat_map(|segment| [segment.uri, segment.title]).filter(|s| s.end > s.start);
        let from = bounds.clone().map(|span| span.start).min().unwrap_or(0);
        let to = bounds.map(|span| span.end).max().unwrap_or(0);
        self.text.push_str(before.text.get(from as usize..to as usize).unwrap_or_default());
        let maps: Vec<u32> = before.maps.iter().map(|map| position(&mut self.maps, map)).collect();
        let keys: Vec<u32> = before.keys.iter().map(|keys| position(&mut self.keys, keys)).collect();
        let moved = kept.iter().map(|segment| {
            let mut segment = segment.clone();
            for span in [&mut segment.uri, &mut segment.title].into_iter().filter(|s| s.end > s.start) {
                span.start = span.start - from + offset;
                span.end = span.end - from + offset;
            }
            segment.map = segment.map.and_then(|map| maps.get(map as usize).copied());
            segment.keys = segment.keys.and_then(|keys_of| keys.get(keys_of as usize).copied());
            segment
        });
        let moved: Vec<MediaSegment> = moved.collect();
        let crossed = kept.iter().skip(1).filter(|segment| segment.discontinuity).count() as u64;
        let first = kept.first().map_or(self.discontinuity_sequence, |s| s.discontinuity_sequence);
        let last = moved.last().cloned();
        for segment in &mut self.segments {
            segment.discontinuity_sequence =
                (segment.discontinuity_sequence - self.discontinuity_sequence) + first + crossed;
            // What was in force for the last segment left out is still.
            segment.map = segment.map.or(last.as_ref().and_then(|last| last.map));
            segment.keys = segment.keys.or(last.as_ref().and_then(|last| last.keys));
        }
        for part in &mut self.parts {
            part.segment += moved.len();
        }
        self.segments.splice(0..0, moved);
        self.skip = None;
        Ok(self)
    }

    /// The index of the playlist whose first segment starts at `origin`.
    pub(super) fn runs(&self, placed: Placed, maps: &[u32]) -> SegmentRuns {
        let mut runs: Vec<Run> = Vec::new();
        let mut start = placed.origin;
        let mut push = |run: Run| match runs.last_mut() {
            Some(last)
                if last.part.is_none()
                    && run.part.is_none()
                    && last.duration == run.duration
                    && last.discontinuity == run.discontinuity
                    && last.init == run.init
                    && last.gap == run.gap =>
            {
                last.count += 1;
            }
            _ => runs.push(run),
        };
        let grows = !self.is_complete();
        let parted = self.segments.len().saturating_sub(PARTED);
        let mut parts = self.parts.iter().peekable();
        let number = |at: usize| self.first_number().saturating_add(at as u64);
        let epoch = placed.epoch << EPOCH;
        let open = self.segments.last();
        for (at, segment) in self.segments.iter().map(Some).chain([None]).enumerate() {
            while parts.next_if(|part| part.segment < at).is_some() {}
            let mut own = Vec::new();
            while let Some(part) = parts.next_if(|part| part.segment == at) {
                own.push(part);
            }
            let base = Run {
                number: number(at),
                start,
                duration: segment.map_or(1, length),
                count: 1,
                discontinuity: epoch
                    | segment.or(open).map_or(self.discontinuity_sequence, |s| s.discontinuity_sequence),
                init: segment.or(open).map_or_else(
                    || (!maps.is_empty()).then(|| maps.len() - 1).and_then(|last| maps.get(last).copied()),
                    |s| s.map.and_then(|map| maps.get(map as usize).copied()),
                ),
                gap: segment.is_some_and(|segment| segment.gap),
                part: None,
            };
            if grows && at >= parted && !own.is_empty() {
                let mut time = start;
                for (part, index) in own.into_iter().zip(0u32..) {
                    let independent = part.independent || index == 0 && self.independent_segments;
                    let place = Part { index, independent, hint: false };
                    let duration = part.duration.max(1);
                    push(Run { start: time, duration, gap: part.gap, part: Some(place), ..base });
                    time = time.saturating_add(signed(duration));
                }
            } else if segment.is_some() {
                push(base);
            }
            if let (None, true, Some(target), Some(_)) = (segment, grows, self.part_target, self.hint()) {
                // The part that comes next is asked for before it is there (rfc8216bis, 6.2.2).
                let index = u32::try_from(self.open_parts()).unwrap_or(u32::MAX);
                let independent = index == 0 && self.independent_segments;
                let listed = self.parts.iter().rev().take(self.open_parts());
                let before = listed.fold(0, |sum: u64, part| sum.saturating_add(part.duration.max(1)));
                let start = start.saturating_add(signed(before));
                let part = Some(Part { index, independent, hint: true });
                push(Run { start, duration: target.max(1), gap: false, part, ..base });
            }
            start = start.saturating_add(signed(segment.map_or(0, length)));
        }
        let sizes = if grows { Vec::new() } else { self.sizes() };
        SegmentRuns {
            timescale: TIMESCALE,
            offset_ticks: 0,
            runs,
            sizes,
            complete: self.is_complete(),
            availability: Availability::Listed,
        }
    }

    /// How many parts of the segment are listed that is not complete.
    pub(super) fn open_parts(&self) -> usize {
        let open = self.segments.len();
        self.parts.iter().rev().take_while(|part| part.segment == open).count()
    }

    /// Where the part will be that comes next.
    pub(super) fn hint(&self) -> Option<&PreloadHint> {
        self.preload_hints.iter().find(|hint| hint.kind == "PART")
    }

    fn sizes(&self) -> Vec<u64> {
        self.segments.iter().map_while(|segment| segment.byte_range?.len()).collect()
    }
}

/// The position of `wanted` in `list`, to which it is added when it is not there.
fn position<T: Clone + PartialEq>(list: &mut Vec<T>, wanted: &T) -> u32 {
    let at = list.iter().position(|known| known == wanted).unwrap_or_else(|| {
        list.push(wanted.clone());
        list.len() - 1
    });
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn span(segments: &[MediaSegment]) -> i64 {
    segments.iter().fold(0, |sum: i64, segment| sum.saturating_add(signed(length(segment))))
}

fn signed(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use crate::manifest::{Title, read};
    use abr::presentation::RepresentationKey;
    use abr::segments::{SegmentIndex, SegmentRuns};
    use std::fmt::Write;
    use std::time::Duration;
    use url::Url;

    const KEY: RepresentationKey = RepresentationKey { period: 0, adaptation_set: 0, representation: 0 };
    const OTHER: RepresentationKey = RepresentationKey { representation: 1, ..KEY };

    fn title() -> Title {
        let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.4d401e\"\na.m3u8\n\
                    #EXT-X-STREAM-INF:BANDWIDTH=2,CODECS=\"avc1.4d401e\"\nb.m3u8\n";
        read(&url("m.m3u8"), text.as_bytes()).unwrap()
    }

    fn url(name: &str) -> Url {
        Url::parse("https://h.example/").unwrap().join(name).unwrap()
    }

    /// Segments of two seconds from a media sequence number on, with `head` before them.
    fn playlist(first: u64, count: u64, head: &str) -> String {
        let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n{head}");
        for number in first..first + count {
            let _ = write!(text, "#EXTINF:2,\n{number}.ts\n");
        }
        text
    }

    fn index(title: &mut Title, key: RepresentationKey, text: &str) -> SegmentRuns {
        let name = if key == KEY { "a.m3u8" } else { "b.m3u8" };
        match title.addresses.read_index(key, &url(name), text.as_bytes()).unwrap() {
            SegmentIndex::Known(runs) => runs,
            SegmentIndex::Pending => panic!("no index"),
        }
    }

    fn start(runs: &SegmentRuns) -> (u64, i64) {
        let first = runs.get(0).unwrap();
        (first.number, first.start.as_millis())
    }

    #[test]
    fn segments_keep_their_place_and_other_playlists_find_theirs() {
        let mut title = title();
        assert_eq!(start(&index(&mut title, KEY, &playlist(100, 5, ""))), (100, 0));
        let later = index(&mut title, KEY, &playlist(102, 5, ""));
        assert_eq!((start(&later), later.len()), ((102, 4000), 5));
        // The other one was never read; its numbers say where it is.
        assert_eq!(start(&index(&mut title, OTHER, &playlist(104, 4, ""))), (104, 8000));
        let (live, _) = title.addresses.live(KEY).unwrap();
        assert_eq!((live.segment, live.target), (Duration::from_secs(2), None));
    }

    #[test]
    fn an_older_state_is_not_believed_and_a_reset_goes_on_after_what_there_was() {
        let mut title = title();
        index(&mut title, KEY, &playlist(100, 5, ""));
        let older = index(&mut title, KEY, &playlist(99, 5, ""));
        assert_eq!((start(&older), older.len()), ((100, 0), 5));
        let anew = index(&mut title, KEY, &playlist(0, 2, ""));
        assert_eq!(start(&anew), (0, 10_000));
        assert_ne!(anew.get(0).unwrap().discontinuity, older.get(0).unwrap().discontinuity);
    }

    #[test]
    fn a_delta_update_is_completed_and_asked_for() {
        let mut title = title();
        let control = "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12,HOLD-BACK=6\n";
        index(&mut title, KEY, &playlist(100, 10, control));
        let address = title.addresses.resolve(&abr::protocol::Resource::Index(KEY), 0).unwrap();
        assert_eq!(address.url.query(), Some("_HLS_msn=110&_HLS_skip=YES"));
        let delta = format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:101\n{control}\
             #EXT-X-SKIP:SKIPPED-SEGMENTS=8\n#EXTINF:2,\n109.ts\n#EXTINF:2,\n110.ts\n"
        );
        let runs = index(&mut title, KEY, &delta);
        assert_eq!((start(&runs), runs.len()), ((101, 2000), 10));
        for (number, segment) in (101..).zip(runs.iter().collect::<Vec<_>>()) {
            let resource = abr::protocol::Resource::Segment { representation: KEY, segment };
            let address = title.addresses.resolve(&resource, 0).unwrap();
            assert_eq!(address.url.path(), format!("/{number}.ts"));
        }
        assert_eq!(title.addresses.live(KEY).unwrap().0.target, Some(Duration::from_secs(6)));
    }

    #[test]
    fn parts_stand_for_the_segments_at_the_live_edge() {
        let mut title = title();
        let head = "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5\n#EXT-X-PART-INF:PART-TARGET=0.5\n";
        let mut text = playlist(7, 1, head);
        for part in 0..4 {
            let _ = writeln!(
                text,
                "#EXT-X-PART:DURATION=0.5,URI=\"8.{part}.ts\"{}",
                [",INDEPENDENT=YES", ""][part.min(1)]
            );
        }
        text.push_str("#EXTINF:2,\n8.ts\n#EXT-X-PART:DURATION=0.5,URI=\"9.0.ts\",INDEPENDENT=YES\n");
        let runs = index(&mut title, KEY, &text);
        assert_eq!(runs.len(), 6);
        let last = runs.get(5).unwrap();
        assert_eq!((last.number, last.start.as_millis(), last.part.unwrap().index), (9, 4000, 0));
        let resource =
            abr::protocol::Resource::Segment { representation: KEY, segment: runs.get(3).unwrap() };
        assert_eq!(title.addresses.resolve(&resource, 0).unwrap().url.path(), "/8.2.ts");
        let address = title.addresses.resolve(&abr::protocol::Resource::Index(KEY), 0).unwrap();
        assert_eq!(address.url.query(), Some("_HLS_msn=9&_HLS_part=1"));
        let (live, _) = title.addresses.live(KEY).unwrap();
        assert_eq!(live.target, Some(Duration::from_millis(1500)));
        assert!(live.blocking);
    }

    #[test]
    fn the_part_that_comes_next_is_asked_for_before_it_is_there() {
        let head = "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-PART-INF:PART-TARGET=0.5\n";
        let part = "#EXT-X-PART:DURATION=0.5,URI=\"9.mp4\",BYTERANGE=\"100@0\"\n";
        let hint = |rest: &str| format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"9.mp4\"{rest}\n");
        let cases = [
            (String::new(), ",BYTERANGE-START=0", (0, 0, true), None),
            (part.to_owned(), ",BYTERANGE-START=100", (1, 500, false), Some((100, None))),
            (
                part.to_owned(),
                ",BYTERANGE-START=100,BYTERANGE-LENGTH=50",
                (1, 500, false),
                Some((100, Some(150))),
            ),
        ];
        for (parts, rest, (index, start_ms, independent), range) in cases {
            let mut title = title();
            let text = playlist(7, 2, head) + &parts + &hint(rest);
            let runs = index_of(&mut title, &text);
            let last = runs.get(runs.len() - 1).unwrap();
            assert_eq!(last.part.unwrap(), abr::segments::Part { index, independent, hint: true });
            assert_eq!((last.number, last.start.as_millis()), (9, 4000 + start_ms));
            assert_eq!(runs.listed_end().unwrap(), last.start);
            let resource = abr::protocol::Resource::Segment { representation: KEY, segment: last };
            let address = title.addresses.resolve(&resource, 0).unwrap();
            assert_eq!(address.url.path(), "/9.mp4");
            assert_eq!(address.range.map(|range| (range.start, range.end)), range);
        }
    }

    fn index_of(title: &mut Title, text: &str) -> SegmentRuns {
        index(title, KEY, text)
    }

    #[test]
    fn a_rendition_report_says_what_to_ask_another_playlist_for() {
        let mut title = title();
        let head = "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n#EXT-X-PART-INF:PART-TARGET=0.5\n";
        let report = "#EXT-X-RENDITION-REPORT:URI=\"b.m3u8\",LAST-MSN=42,LAST-PART=3\n";
        index(&mut title, KEY, &(playlist(40, 2, head) + report));
        let query = |title: &Title| {
            let address = title.addresses.resolve(&abr::protocol::Resource::Index(OTHER), 0).unwrap();
            address.url.query().map(str::to_owned)
        };
        assert_eq!(query(&title).as_deref(), Some("_HLS_msn=42&_HLS_part=3"));
        // It has been read since, and has more.
        index(&mut title, OTHER, &playlist(40, 3, head));
        assert_eq!(query(&title).as_deref(), Some("_HLS_msn=43&_HLS_part=0"));
    }

    #[test]
    fn the_same_bytes_are_known_again() {
        let mut title = title();
        let text = playlist(3, 4, "");
        index(&mut title, KEY, &text);
        assert!(title.addresses.is_unchanged(KEY, text.as_bytes()));
        assert!(!title.addresses.is_unchanged(KEY, playlist(4, 4, "").as_bytes()));
    }
}
