//! Movie fragments: `moof` boxes to samples (ISO/IEC 14496-12, 8.8) with their encryption (23001-7, 7).

use super::boxes::Mp4Box;
use super::movie::{FragmentDefaults, Movie, Track};
use super::{Collector, encryption, is_keyframe};
use crate::limits;
use crate::media::demux::RawSample;
use crate::media::error::MediaError;
use abr::presentation::ContentType;
use std::sync::Arc;

/// What a `tfhd` box says.
struct Header {
    track: u32,
    base: Option<u64>,
    base_is_moof: bool,
    defaults: FragmentDefaults,
}

/// Reads the samples of one `moof` into `collector`.
pub(super) fn parse(
    moof: &Mp4Box<'_>,
    movie: &Movie,
    collector: &mut Collector<'_>,
) -> Result<(), MediaError> {
    // Without any base, data follows the data of the track fragment before (8.8.7.1).
    let mut implicit = moof.start as u64;
    for traf in moof.children(0) {
        let traf = traf?;
        if &traf.kind != b"traf" {
            continue;
        }
        let header = Header::parse(&traf.need(b"tfhd", "a track fragment has no header")?, movie)?;
        let base = match header.base {
            // An absolute position in a file of which this is a piece: only its own `moof` can be meant.
            Some(base) if collector.holds(base) => base,
            Some(_) => moof.start as u64,
            None if header.base_is_moof => moof.start as u64,
            None => implicit,
        };
        implicit = match movie.track(header.track) {
            Some(track) => track_fragment(&traf, track, &header, base, collector)?,
            // A track of no interest: still counts for the place of those behind it.
            None => skip_fragment(&traf, &header, base)?,
        };
    }
    Ok(())
}

impl Header {
    fn parse(tfhd: &Mp4Box<'_>, movie: &Movie) -> Result<Self, MediaError> {
        let (_, flags, mut fields) = tfhd.full()?;
        let track = fields.u32()?;
        let mut defaults = movie.track(track).map(|track| track.defaults).unwrap_or_default();
        let base = if flags & 0x1 != 0 { Some(fields.u64()?) } else { None };
        for (flag, field) in [
            (0x2, &mut defaults.description),
            (0x8, &mut defaults.duration),
            (0x10, &mut defaults.size),
            (0x20, &mut defaults.flags),
        ] {
            if flags & flag != 0 {
                *field = fields.u32()?;
            }
        }
        Ok(Self { track, base, base_is_moof: flags & 0x2_0000 != 0, defaults })
    }
}

/// One `trun` box, its rows read one at a time.
struct Run<'a> {
    count: u32,
    data_offset: Option<i32>,
    first_flags: Option<u32>,
    flags: u32,
    rows: crate::media::bytes::Cursor<'a>,
}

struct Row {
    duration: u32,
    size: u32,
    flags: u32,
    composition_offset: i32,
}

impl<'a> Run<'a> {
    fn parse(trun: &Mp4Box<'a>) -> Result<Self, MediaError> {
        let (_, flags, mut rows) = trun.full()?;
        let count = rows.u32()?;
        let data_offset = if flags & 0x1 != 0 { Some(rows.i32()?) } else { None };
        let first_flags = if flags & 0x4 != 0 { Some(rows.u32()?) } else { None };
        // A row may take no bytes at all, so that the box does not bound the count.
        if count as usize > limits::SAMPLES {
            return Err(MediaError::TooMany { what: "samples of a fragment", limit: limits::SAMPLES });
        }
        Ok(Self { count, data_offset, first_flags, flags, rows })
    }

    fn row(&mut self, place: u32, defaults: &FragmentDefaults) -> Result<Row, MediaError> {
        let duration = if self.flags & 0x100 != 0 { self.rows.u32()? } else { defaults.duration };
        let size = if self.flags & 0x200 != 0 { self.rows.u32()? } else { defaults.size };
        let flags = if self.flags & 0x400 != 0 { self.rows.u32()? } else { defaults.flags };
        let flags = if place == 0 { self.first_flags.unwrap_or(flags) } else { flags };
        // Version 0 is unsigned on paper; writers put negative offsets there all the same.
        let composition_offset = if self.flags & 0x800 != 0 { self.rows.i32()? } else { 0 };
        Ok(Row { duration, size, flags, composition_offset })
    }

    /// Where its data begins.
    fn begin(&self, base: u64, following: u64) -> Result<u64, MediaError> {
        match self.data_offset {
            Some(offset) => base
                .checked_add_signed(i64::from(offset))
                .ok_or_else(|| self.rows.malformed("sample data lies before the file")),
            None => Ok(following),
        }
    }
}

fn track_fragment(
    traf: &Mp4Box<'_>,
    track: &Track,
    header: &Header,
    base: u64,
    collector: &mut Collector<'_>,
) -> Result<u64, MediaError> {
    let wanted = collector.wants(track);
    let format = track.format(header.defaults.description)?;
    let mut dts = match traf.child(b"tfdt")? {
        Some(tfdt) => {
            let (version, _, mut fields) = tfdt.full()?;
            let time = if version == 1 { fields.u64()? } else { u64::from(fields.u32()?) };
            i64::try_from(time).map_err(|_| fields.malformed("a decode time is absurdly large"))?
        }
        None => collector.next_dts(track.id),
    };
    let mut encryption = match &format.protection {
        Some(protection) => {
            Some(encryption::Samples::parse(traf, protection, &track.groups, collector.file(), base)?)
        }
        None => None,
    };
    let mut following = base;
    for trun in traf.children(0) {
        let trun = trun?;
        if &trun.kind != b"trun" {
            continue;
        }
        let mut run = Run::parse(&trun)?;
        let begin = run.begin(base, following)?;
        let mut at = begin;
        for place in 0..run.count {
            let row = run.row(place, &header.defaults)?;
            let end = at + u64::from(row.size);
            let protection = encryption.as_mut().map_or(Ok(None), encryption::Samples::next)?;
            if wanted {
                let data = collector.slice(at, end)?;
                let pts = dts
                    .checked_add(i64::from(row.composition_offset))
                    .and_then(|pts| pts.checked_add(track.edit.shift))
                    .ok_or_else(|| run.rows.malformed("a time stamp overflows"))?;
                let keyframe = track.content_type != ContentType::Video || is_keyframe(row.flags);
                let trim = track.edit.trim(dts + i64::from(row.composition_offset), row.duration);
                collector.push(
                    track,
                    RawSample {
                        pts,
                        dts: dts.checked_add(track.edit.shift),
                        duration: u64::from(row.duration),
                        keyframe,
                        trim_start: trim,
                        data,
                        format: Arc::clone(format),
                        protection,
                    },
                )?;
            }
            dts = dts
                .checked_add(i64::from(row.duration))
                .ok_or_else(|| run.rows.malformed("a time stamp overflows"))?;
            at = end;
        }
        if wanted {
            collector.occupy(begin, at);
        }
        following = at;
    }
    collector.set_next_dts(track.id, dts);
    Ok(following)
}

/// Where the data of a fragment ends whose track is not known.
fn skip_fragment(traf: &Mp4Box<'_>, header: &Header, base: u64) -> Result<u64, MediaError> {
    let mut following = base;
    for trun in traf.children(0) {
        let trun = trun?;
        if &trun.kind == b"trun" {
            let mut run = Run::parse(&trun)?;
            following = run.begin(base, following)?;
            for place in 0..run.count {
                following += u64::from(run.row(place, &header.defaults)?.size);
            }
        }
    }
    Ok(following)
}
