//! The `moov` box: tracks, their formats, edit lists and fragment defaults (ISO/IEC 14496-12, 8.2 to 8.8).

use super::boxes::{CONTAINER, Mp4Box};
use super::encryption::{self, Defaults};
use super::entry;
use super::tables::SampleTable;
use crate::media::error::MediaError;
use crate::media::sample::SampleFormat;
use abr::presentation::ContentType;
use std::sync::Arc;

/// What a `moov` box says.
#[derive(Debug, Default)]
pub(crate) struct Movie {
    pub tracks: Vec<Track>,
}

/// One track.
#[derive(Debug)]
pub(crate) struct Track {
    pub id: u32,
    pub content_type: ContentType,
    /// Ticks per second, not zero.
    pub timescale: u32,
    /// What [`Edit`] does to time stamps.
    pub edit: Edit,
    /// Sample entries in order; `sample_description_index` counts them from one.
    pub formats: Vec<Arc<SampleFormat>>,
    pub defaults: FragmentDefaults,
    /// Encryption of sample groups.
    pub groups: Vec<Defaults>,
    /// Samples described in the `moov` itself, none in a fragmented file.
    pub table: SampleTable,
}

/// The start of an edit list, reduced to what playback needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Media time that is presented first, in track ticks; the smallest value when nothing is cut off.
    pub media_time: i64,
    /// Added to time stamps: the length of empty edits before it minus `media_time`, in track ticks.
    pub shift: i64,
}

/// Defaults of a `trex` or `tfhd` box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FragmentDefaults {
    pub description: u32,
    pub duration: u32,
    pub size: u32,
    pub flags: u32,
}

impl Movie {
    /// Reads `moov`. Tracks of no interest (hints, time codes) and such without a usable sample entry are
    /// left out.
    pub(crate) fn parse(moov: &Mp4Box<'_>) -> Result<Self, MediaError> {
        let mut tracks = Vec::new();
        let mut extends = Vec::new();
        let movie_timescale = match moov.child(b"mvhd")? {
            Some(header) => header_timescale(&header)?,
            None => 1,
        };
        for child in moov.children(0) {
            let child = child?;
            match &child.kind {
                b"trak" => tracks.extend(Track::parse(&child, movie_timescale)?),
                b"mvex" => {
                    for trex in child.children(0) {
                        let trex = trex?;
                        if &trex.kind == b"trex" {
                            extends.push(parse_trex(&trex)?);
                        }
                    }
                }
                _ => {}
            }
        }
        for track in &mut tracks {
            if let Some((_, defaults)) = extends.iter().find(|(id, _)| *id == track.id) {
                track.defaults = *defaults;
            }
        }
        Ok(Self { tracks })
    }

    /// The track with identifier `id`.
    pub(crate) fn track(&self, id: u32) -> Option<&Track> {
        self.tracks.iter().find(|track| track.id == id)
    }

    /// The first track of a kind: the one that plays when a file holds several.
    pub(crate) fn first(&self, content_type: ContentType) -> Option<&Track> {
        self.tracks.iter().find(|track| track.content_type == content_type)
    }
}

impl Track {
    fn parse(trak: &Mp4Box<'_>, movie_timescale: u32) -> Result<Option<Self>, MediaError> {
        let (version, _, mut fields) = trak.need(b"tkhd", "a track has no header")?.full()?;
        fields.skip(if version == 1 { 16 } else { 8 })?;
        let id = fields.u32()?;
        let media = trak.need(b"mdia", "a track has no media")?;
        let timescale = header_timescale(&media.need(b"mdhd", "a track has no media header")?)?;
        let (_, _, mut handler) = media.need(b"hdlr", "a track has no handler")?.full()?;
        handler.skip(4)?;
        let content_type = match &handler.fourcc()? {
            b"vide" => ContentType::Video,
            b"soun" => ContentType::Audio,
            b"text" | b"subt" | b"sbtl" | b"subp" => ContentType::Text,
            _ => return Ok(None),
        };
        let table = media
            .need(b"minf", "a track has no media information")?
            .need(b"stbl", "a track has no sample table")?;
        let formats = entry::parse(&table.need(b"stsd", "a track has no sample entry")?, content_type)?;
        let edit = match trak.child(b"edts")? {
            Some(edits) => match edits.child(b"elst")? {
                Some(list) => Edit::parse(&list, movie_timescale, timescale)?,
                None => Edit::default(),
            },
            None => Edit::default(),
        };
        let groups = encryption::parse_groups(&table)?;
        let table = SampleTable::parse(&table)?;
        let defaults = FragmentDefaults { description: 1, ..FragmentDefaults::default() };
        Ok(Some(Self { id, content_type, timescale, edit, formats, defaults, groups, table }))
    }

    /// The format that `sample_description_index` names; the first when it names none.
    pub(crate) fn format(&self, description: u32) -> Result<&Arc<SampleFormat>, MediaError> {
        let place = (description as usize).saturating_sub(1);
        self.formats.get(place).or_else(|| self.formats.first()).ok_or(MediaError::NoInit)
    }
}

impl Default for Edit {
    fn default() -> Self {
        Self { media_time: i64::MIN, shift: 0 }
    }
}

impl Edit {
    /// Reads `elst`: empty edits delay the track, the first other edit says where it begins. Later edits
    /// (a cut or a loop in the middle) are not followed, as the media of a stream has none.
    fn parse(elst: &Mp4Box<'_>, movie_timescale: u32, timescale: u32) -> Result<Self, MediaError> {
        let (version, _, mut fields) = elst.full()?;
        let count = fields.u32()?;
        let mut empty = 0i128;
        for _ in 0..count {
            let (duration, media_time) = if version == 1 {
                (fields.u64()?, fields.u64()?.cast_signed())
            } else {
                (u64::from(fields.u32()?), i64::from(fields.i32()?))
            };
            fields.skip(4)?;
            if media_time >= 0 {
                let delay = empty * i128::from(timescale) / i128::from(movie_timescale);
                let shift = delay - i128::from(media_time);
                let shift = i64::try_from(shift).map_err(|_| fields.malformed("an edit is absurdly long"))?;
                return Ok(Self { media_time, shift });
            }
            empty += i128::from(duration);
        }
        Ok(Self::default())
    }
}

/// `timescale` of `mvhd` or `mdhd`.
fn header_timescale(header: &Mp4Box<'_>) -> Result<u32, MediaError> {
    let (version, _, mut fields) = header.full()?;
    fields.skip(if version == 1 { 16 } else { 8 })?;
    match fields.u32()? {
        0 => {
            Err(MediaError::Malformed { container: CONTAINER, at: header.start, what: "a timescale is zero" })
        }
        timescale => Ok(timescale),
    }
}

fn parse_trex(trex: &Mp4Box<'_>) -> Result<(u32, FragmentDefaults), MediaError> {
    let (_, _, mut fields) = trex.full()?;
    let id = fields.u32()?;
    let description = fields.u32()?;
    let duration = fields.u32()?;
    let size = fields.u32()?;
    let flags = fields.u32()?;
    Ok((id, FragmentDefaults { description, duration, size, flags }))
}
