//! The index of a WebM file (`Cues`, RFC 9559, 5.1.5) of an on-demand representation.
//!
//! Cues count from the beginning of the file's `Segment` element, in ticks that its `Info` states. Both
//! stand at the beginning of the file: where the cues do so too, everything from there to them is read.
//! Cues at the end of the file are read alone, with the tick that RFC 9559 prefers and with the first
//! cluster where the initialization range ends.

use super::sidx::Index;
use crate::limits;
use crate::manifest::{ByteRange, ManifestError, Place};
use abr::segments::{Run, SegmentRuns};

/// Identifiers of the elements that are read (RFC 9559, 5.1).
mod id {
    pub(super) const EBML: u32 = 0x1a45_dfa3;
    pub(super) const SEGMENT: u32 = 0x1853_8067;
    pub(super) const INFO: u32 = 0x1549_a966;
    pub(super) const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
    pub(super) const DURATION: u32 = 0x4489;
    pub(super) const CUES: u32 = 0x1c53_bb6b;
    pub(super) const CUE_POINT: u32 = 0xbb;
    pub(super) const CUE_TIME: u32 = 0xb3;
    pub(super) const CUE_TRACK_POSITIONS: u32 = 0xb7;
    pub(super) const CUE_CLUSTER_POSITION: u32 = 0xf1;
}

/// Nanoseconds per tick where nothing else is said (RFC 9559, 5.1.2.9).
const TIMESTAMP_SCALE: u64 = 1_000_000;
/// The times of the index are nanoseconds.
const TIMESCALE: u32 = 1_000_000_000;

/// What the manifest knows that the index may not say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// First byte behind the initialization range.
    pub(super) init_end: Option<u64>,
    /// Media time at which the period ends, in nanoseconds.
    pub(super) media_end: Option<i64>,
}

/// Whether `body` is WebM, from its beginning or from its cues on.
pub(super) fn is_webm(body: &[u8]) -> bool {
    matches!(header(body), Some((id::EBML | id::CUES, ..)))
}

/// Reads the cues in `body`, which starts at byte `position` of the file: with the file's header, or with
/// the cues.
///
/// # Errors
///
/// [`ManifestError`] when there are none, or they are malformed.
pub(super) fn read(body: &[u8], position: u64, known: Known) -> Result<Index, ManifestError> {
    let mut file = File { scale: TIMESTAMP_SCALE, ..File::default() };
    let mut at = 0usize;
    for _ in 0..limits::BOXES {
        let rest = body.get(at..).ok_or_else(missing)?;
        let (kind, size, head) = header(rest).ok_or_else(missing)?;
        let start = u64::try_from(at).ok().and_then(|at| position.checked_add(at)).ok_or_else(beyond)?;
        if kind == id::SEGMENT {
            let origin = start.checked_add(head as u64).ok_or_else(beyond)?;
            file.origin = Some(origin);
            file.end = size.and_then(|size| origin.checked_add(size));
            at += head;
            continue;
        }
        let size = size
            .and_then(|size| usize::try_from(size).ok())
            .ok_or_else(|| broken("an element has no size"))?;
        let end = at.checked_add(head).and_then(|at| at.checked_add(size)).ok_or_else(beyond)?;
        let content = body.get(at + head..end);
        match kind {
            id::INFO => file.info(content.ok_or_else(cut)?)?,
            id::CUES => {
                let points = points(content.ok_or_else(cut)?)?;
                if file.origin.is_none() {
                    // The first cue is the first cluster, which follows the initialization range.
                    let first = points.first().map_or(0, |point| point.cluster);
                    file.origin = known.init_end.and_then(|end| end.checked_sub(first));
                }
                file.cues = start;
                return file.index(&points, known);
            }
            _ => {}
        }
        at = end;
    }
    Err(missing())
}

fn missing() -> ManifestError {
    ManifestError::malformed(Place::line(0, "Cues"), "there are no cues where the manifest says so")
}

fn broken(what: &str) -> ManifestError {
    ManifestError::malformed(Place::line(0, "Cues"), what)
}

fn cut() -> ManifestError {
    broken("the element is cut off")
}

fn beyond() -> ManifestError {
    broken("a position is beyond 2^64 bytes")
}

/// What the head of the file says.
#[derive(Default)]
struct File {
    /// Nanoseconds per tick.
    scale: u64,
    /// Length in ticks, zero when not said.
    duration: f64,
    /// What positions count from.
    origin: Option<u64>,
    /// Where the segment element ends, and with it the clusters.
    end: Option<u64>,
    /// Where the cues are.
    cues: u64,
}

impl File {
    fn info(&mut self, content: &[u8]) -> Result<(), ManifestError> {
        for element in Elements(content) {
            match element? {
                (id::TIMESTAMP_SCALE, value) => self.scale = unsigned(value).max(1),
                (id::DURATION, value) => {
                    self.duration = match *value {
                        [a, b, c, d] => f32::from_be_bytes([a, b, c, d]).into(),
                        [a, b, c, d, e, f, g, h] => f64::from_be_bytes([a, b, c, d, e, f, g, h]),
                        _ => 0.0,
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn nanos(&self, ticks: u64) -> Result<i64, ManifestError> {
        let nanos = ticks.checked_mul(self.scale).and_then(|nanos| i64::try_from(nanos).ok());
        nanos.ok_or_else(|| broken("a time is beyond 2^63 nanoseconds"))
    }

    /// One segment from each cue to the next.
    fn index(&self, points: &[Point], known: Known) -> Result<Index, ManifestError> {
        let origin = self.origin.ok_or_else(|| broken("what its positions count from is not known"))?;
        let mut starts = Vec::with_capacity(points.len());
        for point in points {
            let place = origin.checked_add(point.cluster).ok_or_else(beyond)?;
            starts.push((self.nanos(point.time)?, place));
        }
        let (last, last_place) = *starts.last().ok_or_else(|| broken("the index lists no cluster"))?;
        let longest = self.duration * self.scale as f64;
        // A conversion of a float saturates.
        let own = (longest.is_finite() && longest > 0.0).then_some(longest as i64);
        let before = starts.len().checked_sub(2).and_then(|at| starts.get(at)).map(|(time, _)| last - time);
        let end = own
            .filter(|end| *end > last)
            .or(known.media_end.filter(|end| *end > last))
            .or(before.and_then(|before| last.checked_add(before)))
            .ok_or_else(|| broken("nothing says how long its only cluster lasts"))?;
        let (mut runs, mut ranges) = (Vec::<Run>::new(), Vec::with_capacity(starts.len()));
        let next = starts.iter().skip(1).map(|(time, place)| (*time, Some(*place)));
        // Cues in front of the clusters end nothing.
        let ends = [self.end, Some(self.cues)].into_iter().flatten();
        let behind = ends.filter(|end| *end > last_place).min();
        for (number, ((start, place), (until, next))) in
            (1..).zip(starts.iter().zip(next.chain([(end, behind)])))
        {
            ranges.push(ByteRange { start: *place, end: next });
            let duration = start.abs_diff(until);
            match runs.last_mut() {
                Some(run) if run.duration == duration => run.count += 1,
                _ => runs.push(Run {
                    number,
                    start: *start,
                    duration,
                    count: 1,
                    discontinuity: 0,
                    init: Some(0),
                    gap: false,
                    part: None,
                }),
            }
        }
        let sizes: Option<Vec<u64>> = ranges.iter().map(ByteRange::len).collect();
        let sizes = sizes.unwrap_or_default();
        Ok(Index {
            runs: SegmentRuns { timescale: TIMESCALE, runs, sizes, complete: true, ..SegmentRuns::default() },
            ranges,
        })
    }
}

/// One cue.
struct Point {
    /// In ticks.
    time: u64,
    /// Where its cluster starts.
    cluster: u64,
}

/// The first cue of each cluster, in order; what does not go on in time and place is left out.
fn points(cues: &[u8]) -> Result<Vec<Point>, ManifestError> {
    let mut points = Vec::<Point>::new();
    for element in Elements(cues) {
        let (id::CUE_POINT, content) = element? else { continue };
        let (mut time, mut cluster) = (None, None);
        for field in Elements(content) {
            match field? {
                (id::CUE_TIME, value) => time = Some(unsigned(value)),
                (id::CUE_TRACK_POSITIONS, positions) => {
                    for field in Elements(positions) {
                        if let (id::CUE_CLUSTER_POSITION, value) = field? {
                            cluster = cluster.or(Some(unsigned(value)));
                        }
                    }
                }
                _ => {}
            }
        }
        let (Some(time), Some(cluster)) = (time, cluster) else { return Err(broken("a cue has no place")) };
        if points.last().is_some_and(|last| last.time >= time || last.cluster >= cluster) {
            continue;
        }
        if points.len() >= limits::SEGMENTS_EXPANDED {
            return Err(ManifestError::TooMany { what: "cues", max: limits::SEGMENTS_EXPANDED });
        }
        points.push(Point { time, cluster });
    }
    Ok(points)
}

/// Sibling elements, each whole: identifier and contents.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = Result<(u32, &'a [u8]), ManifestError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.0);
        let element = header(rest).and_then(|(kind, size, head)| {
            let size = usize::try_from(size?).ok()?;
            let (content, behind) = rest.get(head..)?.split_at_checked(size)?;
            self.0 = behind;
            Some((kind, content))
        });
        Some(element.ok_or_else(cut))
    }
}

/// Identifier, size (`None`: unknown) and length of an element's header (RFC 8794, 4 to 6).
fn header(data: &[u8]) -> Option<(u32, Option<u64>, usize)> {
    let kind = data.first()?.leading_zeros() as usize + 1;
    let length = data.get(kind)?.leading_zeros() as usize + 1;
    if kind > 4 || length > 8 {
        return None;
    }
    let big_endian = |bytes: &[u8]| bytes.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    let head = kind + length;
    let mask = (1u64 << (7 * length)) - 1;
    let size = big_endian(data.get(kind..head)?) & mask;
    let kind = u32::try_from(big_endian(data.get(..kind)?)).ok()?;
    Some((kind, (size != mask).then_some(size), head))
}

/// An unsigned integer of at most eight bytes; more saturate.
fn unsigned(value: &[u8]) -> u64 {
    if value.len() > 8 {
        return u64::MAX;
    }
    value.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(id: u32, content: &[u8]) -> Vec<u8> {
        let bytes = id.to_be_bytes();
        let mut out = bytes[bytes.iter().position(|byte| *byte != 0).unwrap()..].to_vec();
        out.extend((content.len() as u32 | 0x1000_0000).to_be_bytes());
        out.extend(content);
        out
    }

    fn cues(points: &[(u16, u32)]) -> Vec<u8> {
        let point = |(time, place): &(u16, u32)| {
            let place = element(id::CUE_CLUSTER_POSITION, &place.to_be_bytes());
            let content =
                [element(id::CUE_TIME, &time.to_be_bytes()), element(id::CUE_TRACK_POSITIONS, &place)];
            element(id::CUE_POINT, &content.concat())
        };
        element(id::CUES, &points.iter().flat_map(point).collect::<Vec<_>>())
    }

    /// Header, segment of 1,000 bytes, info with a length of 5 s.
    fn head() -> Vec<u8> {
        let info = [
            element(id::TIMESTAMP_SCALE, &[0x0f, 0x42, 0x40]),
            element(id::DURATION, &5000f32.to_be_bytes()),
        ];
        let mut head = element(id::EBML, b"webm");
        head.extend([0x18, 0x53, 0x80, 0x67, 0x43, 0xe8]);
        head.extend(element(id::INFO, &info.concat()));
        head
    }

    #[test]
    fn cues_behind_the_head_say_all() {
        let body = [head(), cues(&[(0, 200), (2000, 500), (2500, 500), (4000, 800)])].concat();
        let origin = 4 + 4 + 4 + 6;
        let index = read(&body, 0, Known::default()).unwrap();
        assert_eq!(index.runs.sizes, [300, 300, 200]);
        assert_eq!(index.ranges[0], ByteRange { start: origin + 200, end: Some(origin + 500) });
        assert_eq!(
            index.runs.runs.iter().map(|run| (run.count, run.duration)).collect::<Vec<_>>(),
            [(2, 2_000_000_000), (1, 1_000_000_000)]
        );
    }

    #[test]
    fn cues_behind_the_clusters_end_them() {
        let clusters = element(0x1f43_b675, &[0; 300]);
        let body = [head(), clusters, cues(&[(0, 50), (2000, 200)])].concat();
        let index = read(&body, 0, Known::default()).unwrap();
        assert_eq!(index.ranges[1].end, Some((head().len() + 308) as u64));
    }

    #[test]
    fn cues_at_the_end_count_from_the_initialization() {
        let known = Known { init_end: Some(240), media_end: Some(3_000_000_000) };
        let index = read(&cues(&[(0, 200), (2000, 500)]), 900, known).unwrap();
        assert_eq!(
            index.ranges,
            [ByteRange { start: 240, end: Some(540) }, ByteRange { start: 540, end: Some(900) }]
        );
        assert_eq!(index.runs.get(1).unwrap().end.as_millis(), 3000);
        assert!(read(&cues(&[(0, 200)]), 900, Known::default()).is_err());
    }

    #[test]
    fn what_is_broken_is_refused() {
        assert!(read(b"", 0, Known::default()).is_err());
        assert!(read(&[head(), cues(&[])].concat(), 0, Known::default()).is_err());
        let whole = [head(), cues(&[(0, 200), (2000, 500)])].concat();
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut], 0, Known::default()).is_err(), "{cut}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(
            body in proptest::collection::vec(0u8.., 0..200),
            position in 0u64..,
            changes in proptest::collection::vec((0usize..150, 0u8..), 0..8),
        ) {
            let known = Known { init_end: Some(position), media_end: Some(i64::MAX) };
            let _ = read(&body, position, known);
            let mut damaged = [head(), cues(&[(0, 200), (2000, 500), (4000, 800)])].concat();
            for (at, value) in changes {
                if let Some(byte) = damaged.get_mut(at) {
                    *byte = value;
                }
            }
            let _ = read(&damaged, position, known);
        }
    }
}
