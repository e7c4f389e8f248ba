//! The segment index box (`sidx`, ISO/IEC 14496-12, 8.16.3) of an on-demand representation.

use crate::limits;
use crate::manifest::{ByteRange, ManifestError, Place};
use abr::segments::{Run, SegmentRuns};

/// Indexes of indexes are followed so deep.
const DEPTH: usize = 4;

/// The segments that an index lists: where in time and where in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Index {
    /// Times in the index's own timescale, sizes of all segments where they are known.
    pub(super) runs: SegmentRuns,
    /// Where each segment is.
    pub(super) ranges: Vec<ByteRange>,
}

/// Finds and reads the first `sidx` in `body`, which starts at byte `position` of the file. The indexes that
/// it refers to are followed where `body` holds them; elsewhere such an index and the media behind it count
/// as one segment.
///
/// # Errors
///
/// [`ManifestError`] when there is none, or it is malformed.
pub(super) fn read(body: &[u8], position: u64) -> Result<Index, ManifestError> {
    let mut at = 0usize;
    for _ in 0..limits::BOXES {
        let found = next_box(body, at)?.ok_or_else(missing)?;
        if found.kind == b"sidx" {
            return segments(body, position, at);
        }
        at = found.end;
    }
    Err(missing())
}

/// A box: its type, where its contents begin and where it ends.
struct FoundBox<'a> {
    kind: &'a [u8],
    content: usize,
    end: usize,
}

/// The box at `at`; `None` behind the last one.
fn next_box(body: &[u8], at: usize) -> Result<Option<FoundBox<'_>>, ManifestError> {
    let Some(rest) = body.get(at..) else { return Ok(None) };
    let mut header = Bytes(rest);
    let (Some(small), Some(kind)) = (header.u32(), header.take(4)) else { return Ok(None) };
    let size = match small {
        0 => rest.len() as u64,
        1 => header.u64().ok_or_else(missing)?,
        size => size.into(),
    };
    let head = rest.len() - header.0.len();
    let size =
        usize::try_from(size).ok().filter(|size| *size >= head).ok_or_else(|| broken("a box has no size"))?;
    let end = at.checked_add(size).ok_or_else(|| broken("a box is too large"))?;
    Ok(Some(FoundBox { kind, content: at + head, end }))
}

fn missing() -> ManifestError {
    ManifestError::malformed(Place::line(0, "sidx"), "there is no segment index where the manifest says so")
}

fn broken(what: &str) -> ManifestError {
    ManifestError::malformed(Place::line(0, "sidx"), what)
}

fn cut() -> ManifestError {
    broken("the box is cut off")
}

/// One index, on the way through its references.
struct Level<'a> {
    timescale: u32,
    earliest: u64,
    references: Bytes<'a>,
    left: u32,
    /// Where in the file the next reference leads.
    place: u64,
}

/// One reference.
struct Reference {
    is_index: bool,
    range: (u64, u64),
    duration: u32,
}

impl<'a> Level<'a> {
    /// The index box at `at`.
    fn open(body: &'a [u8], position: u64, at: usize) -> Result<Self, ManifestError> {
        let FoundBox { content, end, .. } = next_box(body, at)?.ok_or_else(cut)?;
        let mut bytes = Bytes(body.get(content..end).ok_or_else(cut)?);
        let after = u64::try_from(end).ok().and_then(|end| position.checked_add(end));
        let after = after.ok_or_else(|| broken("the box lies beyond 2^64 bytes"))?;
        let version = bytes.u32().ok_or_else(cut)? >> 24;
        let _reference = bytes.u32().ok_or_else(cut)?;
        let timescale = bytes.u32().ok_or_else(cut)?;
        if timescale == 0 {
            return Err(broken("the timescale is zero"));
        }
        let mut wide = || if version == 0 { bytes.u32().map(u64::from) } else { bytes.u64() };
        let (earliest, offset) = (wide().ok_or_else(cut)?, wide().ok_or_else(cut)?);
        let place = after.checked_add(offset).ok_or_else(|| broken("the offset is beyond 2^64 bytes"))?;
        let left = bytes.u32().ok_or_else(cut)? & 0xffff;
        Ok(Self { timescale, earliest, references: bytes, left, place })
    }

    fn next(&mut self) -> Result<Option<Reference>, ManifestError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let word = self.references.u32().ok_or_else(cut)?;
        let duration = self.references.u32().ok_or_else(cut)?;
        let _access_points = self.references.u32().ok_or_else(cut)?;
        let size = u64::from(word & 0x7fff_ffff);
        if duration == 0 || size == 0 {
            return Err(broken("a segment is empty"));
        }
        let start = self.place;
        self.place = start.checked_add(size).ok_or_else(|| broken("a segment lies beyond 2^64 bytes"))?;
        Ok(Some(Reference { is_index: word >> 31 == 1, range: (start, self.place), duration }))
    }
}

/// The segments of the index at `at` and of those that it refers to. An index refers only to what lies
/// behind it, so that there are no circles.
fn segments(body: &[u8], position: u64, at: usize) -> Result<Index, ManifestError> {
    let mut levels = vec![Level::open(body, position, at)?];
    let (timescale, earliest) = levels.first().map_or((1, 0), |level| (level.timescale, level.earliest));
    let mut start = i64::try_from(earliest).map_err(|_| broken("the first time is beyond 2^63 ticks"))?;
    let (mut runs, mut ranges, mut number) = (Vec::<Run>::new(), Vec::new(), 0);
    let mut followed = 0;
    while let Some(level) = levels.last_mut() {
        let Some(Reference { is_index, range: (first, end), duration }) = level.next()? else {
            levels.pop();
            continue;
        };
        let here = first.checked_sub(position).and_then(|at| usize::try_from(at).ok());
        let here = here
            .filter(|at| is_index && matches!(next_box(body, *at), Ok(Some(FoundBox { kind: b"sidx", .. }))));
        if let Some(at) = here {
            let nested = Level::open(body, position, at)?;
            followed += 1;
            if levels.len() >= DEPTH || followed > limits::BOXES || nested.timescale != timescale {
                return Err(ManifestError::Unsupported {
                    place: Place::line(0, "sidx"),
                    what: "an index of indexes as intricate as this one".to_owned(),
                });
            }
            levels.push(nested);
            continue;
        }
        if ranges.len() >= limits::SEGMENTS_EXPANDED {
            return Err(ManifestError::TooMany { what: "segments", max: limits::SEGMENTS_EXPANDED });
        }
        ranges.push(ByteRange { start: first, end: Some(end) });
        number += 1;
        let duration = u64::from(duration);
        match runs.last_mut() {
            Some(run) if run.duration == duration => run.count += 1,
            _ => {
                let init = Some(0);
                runs.push(Run {
                    number,
                    start,
                    duration,
                    count: 1,
                    discontinuity: 0,
                    init,
                    gap: false,
                    part: None,
                });
            }
        }
        start = start.checked_add_unsigned(duration).ok_or_else(|| broken("a time is beyond 2^63 ticks"))?;
    }
    if runs.is_empty() {
        return Err(broken("the index lists no segment"));
    }
    let sizes = ranges.iter().filter_map(ByteRange::len).collect();
    Ok(Index {
        runs: SegmentRuns { timescale, runs, sizes, complete: true, ..SegmentRuns::default() },
        ranges,
    })
}

/// Big-endian values off the front of a slice.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sidx(references: &[(u32, u32)]) -> Vec<u8> {
        sidx_before(8, references)
    }

    /// An index with so many bytes between it and what it refers to.
    fn sidx_before(offset: u32, references: &[(u32, u32)]) -> Vec<u8> {
        let mut content = Vec::new();
        for word in [0u32, 1, 1000, 500, offset, references.len() as u32] {
            content.extend(word.to_be_bytes());
        }
        for (size, duration) in references {
            for word in [*size, *duration, 0x9000_0000] {
                content.extend(word.to_be_bytes());
            }
        }
        let mut body = (content.len() as u32 + 8).to_be_bytes().to_vec();
        body.extend(b"sidx");
        body.extend(content);
        body
    }

    #[test]
    fn segments_follow_the_box() {
        let mut body = vec![0, 0, 0, 8];
        body.extend(b"free");
        body.extend(sidx(&[(100, 2000), (50, 2000), (70, 900)]));
        let index = read(&body, 1000).unwrap();
        assert_eq!(index.ranges[0].start, 1000 + body.len() as u64 + 8);
        assert_eq!(index.runs.sizes, [100, 50, 70]);
        assert_eq!(index.runs.runs.len(), 2);
        assert_eq!(index.runs.get(2).unwrap().time, 4500);
    }

    #[test]
    fn indexes_of_indexes_are_followed() {
        const INDEX: u32 = 0x8000_0000;
        let (near, far) = (sidx_before(1000, &[(100, 2000), (50, 2000)]), sidx_before(2000, &[(70, 900)]));
        let (one, two) = (near.len() as u32, far.len() as u32);
        let top = sidx_before(0, &[(INDEX | one, 4000), (INDEX | two, 900), (INDEX | 400, 5000)]);
        let behind = u64::from(top.len() as u32 + one);
        let body = [top, near, far].concat();
        let index = read(&body, 0).unwrap();
        let starts: Vec<u64> = index.ranges.iter().map(|range| range.start).collect();
        let (first, second) = (behind + 1000, behind + u64::from(two) + 2000);
        // The third index is not here: it and its media are fetched as one segment.
        assert_eq!(starts, [first, first + 100, second, behind + u64::from(two)]);
        assert_eq!(index.runs.sizes, [100, 50, 70, 400]);
        assert_eq!(index.runs.get(2).unwrap().time, 4500);
        assert_eq!(index.runs.get(3).unwrap().time, 5400);
    }

    #[test]
    fn intricate_indexes_are_refused() {
        const INDEX: u32 = 0x8000_0000;
        let one = sidx_before(0, &[(INDEX | 44, 1)]);
        assert_eq!(one.len(), 44);
        let deep = [one.repeat(DEPTH), sidx_before(0, &[(9, 1)])].concat();
        assert!(matches!(read(&deep, 0), Err(ManifestError::Unsupported { .. })));
        assert!(read(&deep[44..], 0).is_ok());
    }

    #[test]
    fn what_is_broken_is_refused() {
        assert!(read(b"", 0).is_err());
        assert!(read(&sidx(&[(5, 0)]), 0).is_err());
        let whole = sidx(&[(5, 1)]);
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut], 0).is_err(), "{cut}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(body in proptest::collection::vec(0u8.., 0..200), position in 0u64.., flip in 0usize..60) {
            let _ = read(&body, position);
            let mut damaged = sidx(&[(100, 2000), (50, 2000)]);
            if let Some(byte) = damaged.get_mut(flip) {
                *byte ^= 0xff;
            }
            let _ = read(&damaged, position);
        }
    }
}
