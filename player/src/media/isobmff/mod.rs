//! ISO base media file format: initialization segments, fragments and plain files to samples.

pub(super) mod boxes;
pub(super) mod encryption;
mod entry;
mod esds;
mod fragment;
mod movie;
mod tables;
#[cfg(test)]
pub(super) mod tests;

use super::demux::{Demuxed, RawSample, Wanted};
use super::error::MediaError;
use crate::limits;
use abr::presentation::ContentType;
use bytes::Bytes;
use movie::{Edit, Track};
use std::ops::Range;
use std::sync::Arc;

pub(super) use movie::Movie;

/// Reads an initialization segment.
pub(super) fn parse_init(init: &[u8]) -> Result<Movie, MediaError> {
    let budget = boxes::budget();
    match boxes::top_level(init, &budget).first(b"moov")? {
        Some(moov) => Movie::parse(&moov),
        None => Err(MediaError::NoInit),
    }
}

/// Cuts a segment (or a whole file) into samples. `init` describes it unless it has its own `moov`.
pub(super) fn demux(init: Option<&Movie>, data: &Bytes, wanted: Wanted) -> Result<Demuxed, MediaError> {
    let budget = boxes::budget();
    let mut own = Vec::new();
    let mut fragments = Vec::new();
    let mut media = Vec::new();
    for found in boxes::top_level(data, &budget) {
        let found = found?;
        match &found.kind {
            b"moov" => own.push(Movie::parse(&found)?),
            b"moof" => fragments.push((own.len(), found)),
            b"mdat" => media.push(found.body_start as u64..found.end() as u64),
            _ => {}
        }
    }
    let mut collector = Collector { whole_file: !own.is_empty(), ..Collector::new(data, media, wanted) };
    // Tables point into the file that they stand in; those of a separate initialization segment are empty.
    for movie in own.iter().chain(init.filter(|_| own.is_empty() && fragments.is_empty())) {
        collector.choose(movie)?;
        for track in &movie.tracks {
            if collector.wants(track) {
                table_samples(track, &mut collector)?;
            }
        }
    }
    for (before, moof) in &fragments {
        // A file of several pieces joined describes itself anew in the middle: a fragment belongs to the
        // description before it.
        let described = before.checked_sub(1).and_then(|last| own.get(last));
        let movie = described.or(init).or(own.first()).ok_or(MediaError::NoInit)?;
        collector.choose(movie)?;
        fragment::parse(moof, movie, &mut collector)?;
    }
    if own.is_empty() && init.is_none() {
        return Err(MediaError::NoInit);
    }
    collector.finish()
}

/// The samples that the `moov` of a plain file describes.
fn table_samples(track: &Track, collector: &mut Collector<'_>) -> Result<(), MediaError> {
    for sample in track.table.samples()? {
        let composed = sample.dts.saturating_add(i64::from(sample.composition_offset));
        let raw = RawSample {
            pts: composed.saturating_add(track.edit.shift),
            dts: sample.dts.checked_add(track.edit.shift),
            duration: u64::from(sample.duration),
            keyframe: sample.keyframe,
            trim_start: track.edit.trim(composed, sample.duration),
            data: collector.slice(sample.offset, sample.offset.saturating_add(u64::from(sample.size)))?,
            format: Arc::clone(track.format(sample.description)?),
            protection: None,
        };
        collector.push(track, raw)?;
    }
    Ok(())
}

/// Whether sample flags (8.8.3.1) mark a sample that depends on no other.
fn is_keyframe(flags: u32) -> bool {
    const NON_SYNC: u32 = 0x1_0000;
    const DEPENDS_ON_OTHERS: u32 = 0x100_0000;
    flags & (NON_SYNC | DEPENDS_ON_OTHERS) == 0
}

impl Edit {
    /// How many ticks of a sample at `composed` (before the edit) lie before what is presented first.
    fn trim(&self, composed: i64, duration: u32) -> u64 {
        u64::try_from(self.media_time.saturating_sub(composed)).unwrap_or(0).min(u64::from(duration))
    }
}

/// Gathers samples and checks that their bytes are media data of the segment, each used once.
struct Collector<'a> {
    data: &'a Bytes,
    media: Vec<Range<u64>>,
    wanted: Wanted,
    tracks: [Option<u32>; 3],
    samples: usize,
    next_dts: Vec<(u32, i64)>,
    occupied: Vec<Range<u64>>,
    /// Whether the bytes begin with the description of the movie rather than being a piece of a file.
    whole_file: bool,
    out: Demuxed,
}

impl<'a> Collector<'a> {
    fn new(data: &'a Bytes, media: Vec<Range<u64>>, wanted: Wanted) -> Self {
        Self {
            data,
            media,
            wanted,
            tracks: [None; 3],
            samples: 0,
            next_dts: Vec::new(),
            occupied: Vec::new(),
            whole_file: false,
            out: Demuxed::default(),
        }
    }

    /// Chooses the wanted tracks of a description, the first of each kind.
    fn choose(&mut self, movie: &Movie) -> Result<(), MediaError> {
        let kinds = [
            (ContentType::Video, self.wanted.video),
            (ContentType::Audio, self.wanted.audio),
            (ContentType::Text, self.wanted.text),
        ];
        for (chosen, (content_type, wanted)) in self.tracks.iter_mut().zip(kinds) {
            let track = movie.first(content_type).filter(|_| wanted);
            *chosen = track.map(|track| track.id);
            let Some(track) = track else { continue };
            let out = self.out.track_mut(content_type);
            if !out.samples.is_empty() && out.timescale != track.timescale {
                return Err(MediaError::Unsupported("a timescale that changes within a segment".into()));
            }
            out.timescale = track.timescale;
        }
        Ok(())
    }

    /// Whether the track was chosen.
    fn wants(&self, track: &Track) -> bool {
        self.tracks.contains(&Some(track.id))
    }

    /// All bytes of the segment.
    fn file(&self) -> &'a [u8] {
        self.data
    }

    /// Whether positions in the file are positions in these bytes, and this one lies in them.
    fn holds(&self, at: u64) -> bool {
        self.whole_file && at < self.data.len() as u64
    }

    /// The bytes of a sample, without copying.
    fn slice(&self, begin: u64, end: u64) -> Result<Bytes, MediaError> {
        // In file order, as they were found.
        let place = self.media.partition_point(|media| media.start <= begin);
        let inside = place > 0 && end <= self.media[place - 1].end;
        if begin > end || (!inside && begin != end) {
            let at = usize::try_from(begin).unwrap_or(usize::MAX);
            let what = "a sample lies outside of the media data";
            return Err(MediaError::Malformed { container: boxes::CONTAINER, at, what });
        }
        if begin == end {
            return Ok(Bytes::new());
        }
        // Inside of a box of the segment, hence both fit.
        Ok(self.data.slice(begin as usize..end as usize))
    }

    fn push(&mut self, track: &Track, sample: RawSample) -> Result<(), MediaError> {
        self.samples += 1;
        if self.samples > limits::SAMPLES {
            return Err(MediaError::TooMany { what: "samples of a segment", limit: limits::SAMPLES });
        }
        self.out.track_mut(track.content_type).samples.push(sample);
        Ok(())
    }

    /// Notes that samples lie in a range.
    fn occupy(&mut self, begin: u64, end: u64) {
        if begin < end {
            self.occupied.push(begin..end);
        }
    }

    /// Where a fragment without `tfdt` begins: behind the one before it in this segment.
    fn next_dts(&self, track: u32) -> i64 {
        self.next_dts.iter().find(|(id, _)| *id == track).map_or(0, |(_, dts)| *dts)
    }

    fn set_next_dts(&mut self, track: u32, dts: i64) {
        match self.next_dts.iter_mut().find(|(id, _)| *id == track) {
            Some((_, next)) => *next = dts,
            None => self.next_dts.push((track, dts)),
        }
    }

    fn finish(mut self) -> Result<Demuxed, MediaError> {
        self.occupied.sort_unstable_by_key(|range| range.start);
        if let Some(pair) = self.occupied.windows(2).find(|pair| pair[0].end > pair[1].start) {
            let at = usize::try_from(pair[1].start).unwrap_or(usize::MAX);
            let what = "two samples share bytes";
            return Err(MediaError::Malformed { container: boxes::CONTAINER, at, what });
        }
        Ok(self.out)
    }
}
