//! The segment index box (`sidx`, ISO/IEC 14496-12, 8.16.3) of an on-demand representation.

use crate::limits;
use crate::manifest::{ManifestError, Place};
use abr::segments::{Run, SegmentRuns};

/// The segments that an index lists: where in time and where in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SegmentIndexBox {
    /// Times in the index's own timescale, sizes of all segments.
    pub(super) runs: SegmentRuns,
    /// First byte of the first segment in the file.
    pub(super) first_byte: u64,
}

/// Finds and reads the first `sidx` in `body`, which starts at byte `position` of the file.
///
/// # Errors
///
/// [`ManifestError`] when there is none, or it is malformed, or refers to further indexes.
pub(super) fn read(body: &[u8], position: u64) -> Result<SegmentIndexBox, ManifestError> {
    let mut at = 0usize;
    for _ in 0..limits::BOXES {
        let mut header = Bytes(body.get(at..).ok_or_else(missing)?);
        let start = header.0.len();
        let (small, kind) = (header.u32().ok_or_else(missing)?, header.take(4).ok_or_else(missing)?);
        let size = match small {
            0 => start as u64,
            1 => header.u64().ok_or_else(missing)?,
            size => size.into(),
        };
        let head = start - header.0.len();
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size >= head)
            .ok_or_else(|| broken("a box has no size"))?;
        let end = at.checked_add(size).ok_or_else(|| broken("a box is too large"))?;
        if kind == b"sidx" {
            let content = body.get(at + head..end).ok_or_else(|| broken("the box is cut off"))?;
            let after = u64::try_from(end).ok().and_then(|end| position.checked_add(end));
            let after = after.ok_or_else(|| broken("the box lies beyond 2^64 bytes"))?;
            return content_of(Bytes(content), after);
        }
        at = end;
    }
    Err(missing())
}

fn missing() -> ManifestError {
    ManifestError::malformed(Place::line(0, "sidx"), "there is no segment index where the manifest says so")
}

fn broken(what: &str) -> ManifestError {
    ManifestError::malformed(Place::line(0, "sidx"), what)
}

fn content_of(mut bytes: Bytes<'_>, anchor: u64) -> Result<SegmentIndexBox, ManifestError> {
    let cut = || broken("the box is cut off");
    let version = bytes.u32().ok_or_else(cut)? >> 24;
    let _reference = bytes.u32().ok_or_else(cut)?;
    let timescale = bytes.u32().ok_or_else(cut)?;
    if timescale == 0 {
        return Err(broken("the timescale is zero"));
    }
    let mut wide = || if version == 0 { bytes.u32().map(u64::from) } else { bytes.u64() };
    let (earliest, first_offset) = (wide().ok_or_else(cut)?, wide().ok_or_else(cut)?);
    let mut start = i64::try_from(earliest).map_err(|_| broken("the first time is beyond 2^63 ticks"))?;
    let first_byte =
        anchor.checked_add(first_offset).ok_or_else(|| broken("the offset is beyond 2^64 bytes"))?;
    let count = bytes.u32().ok_or_else(cut)? & 0xffff;
    let (mut runs, mut sizes, mut end) = (Vec::<Run>::new(), Vec::new(), first_byte);
    for number in 1..=u64::from(count) {
        let word = bytes.u32().ok_or_else(cut)?;
        if word >> 31 == 1 {
            return Err(ManifestError::Unsupported {
                place: Place::line(0, "sidx"),
                what: "an index of indexes".to_owned(),
            });
        }
        let duration = u64::from(bytes.u32().ok_or_else(cut)?);
        let _access_points = bytes.u32().ok_or_else(cut)?;
        let size = u64::from(word & 0x7fff_ffff);
        if duration == 0 || size == 0 {
            return Err(broken("a segment is empty"));
        }
        sizes.push(size);
        end = end.checked_add(size).ok_or_else(|| broken("a segment lies beyond 2^64 bytes"))?;
        match runs.last_mut() {
            Some(run) if run.duration == duration => run.count += 1,
            _ => {
                runs.push(Run {
                    number,
                    start,
                    duration,
                    count: 1,
                    discontinuity: 0,
                    init: Some(0),
                    gap: false,
                    part: None,
                });
            }
        }
        let step = i64::try_from(duration).ok().and_then(|duration| start.checked_add(duration));
        start = step.ok_or_else(|| broken("a time is beyond 2^63 ticks"))?;
    }
    if runs.is_empty() {
        return Err(broken("the index lists no segment"));
    }
    let runs = SegmentRuns { timescale, offset_ticks: 0, runs, sizes, complete: true, availability: Default::default() };
    Ok(SegmentIndexBox { runs, first_byte })
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
        let mut content = Vec::new();
        for word in [0u32, 1, 1000, 500, 8, references.len() as u32] {
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
        assert_eq!(index.first_byte, 1000 + body.len() as u64 + 8);
        assert_eq!(index.runs.sizes, [100, 50, 70]);
        assert_eq!(index.runs.runs.len(), 2);
        assert_eq!(index.runs.get(2).unwrap().time, 4500);
    }

    #[test]
    fn what_is_broken_is_refused() {
        assert!(read(b"", 0).is_err());
        assert!(read(&sidx(&[(0x8000_0001, 1)]), 0).is_err());
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
