//! WebM and what of Matroska occurs in streams (RFC 9559): clusters to samples, with the time stamps of
//! their blocks.

mod ebml;
mod track;

use super::demux::{Demuxed, RawSample, Wanted};
use super::elementary::opus;
use super::error::MediaError;
use super::sample::Codec;
use crate::limits;
use abr::presentation::ContentType;
use bytes::Bytes;
use ebml::{CONTAINER, Element, Elements, id, number};
use std::sync::Arc;
use track::Track;

/// Ticks per second of the samples: block times are nanoseconds once scaled.
const TIMESCALE: u32 = 1_000_000_000;

/// What stands before the clusters.
#[derive(Debug)]
struct Head {
    /// Nanoseconds per tick of clusters and blocks.
    scale: u64,
    tracks: Vec<Track>,
}

impl Default for Head {
    fn default() -> Self {
        Self { scale: 1_000_000, tracks: Vec::new() }
    }
}

impl Head {
    /// Takes `Info` and `Tracks`, leaves everything else.
    fn take(&mut self, element: &Element<'_>) -> Result<(), MediaError> {
        match element.id {
            id::INFO => {
                for field in element.children() {
                    let field = field?;
                    if field.id == id::TIMESTAMP_SCALE && field.unsigned() != 0 {
                        self.scale = field.unsigned();
                    }
                }
            }
            id::TRACKS => self.tracks = track::parse_all(element)?,
            _ => {}
        }
        Ok(())
    }
}

/// Cuts a segment (or a whole file) into samples.
pub(super) fn demux(init: Option<&Bytes>, data: &Bytes, wanted: Wanted) -> Result<Demuxed, MediaError> {
    let mut head = Head::default();
    for element in init.map(|init| Elements::flat(init)).into_iter().flatten() {
        head.take(&element?)?;
    }
    let mut blocks = Vec::new();
    let mut cluster = 0u64;
    let mut frames = 0;
    for element in Elements::flat(data) {
        let element = element?;
        let block = match element.id {
            id::SIMPLE_BLOCK => Some(Block::simple(&element, cluster)?),
            id::BLOCK_GROUP => Block::group(&element, cluster)?,
            id::CLUSTER => {
                cluster = 0;
                None
            }
            id::CLUSTER_TIMESTAMP => {
                cluster = element.unsigned();
                None
            }
            _ => {
                head.take(&element)?;
                None
            }
        };
        let Some(block) = block else { continue };
        // Even empty frames, of which a block may hold 256, count.
        frames += block.frames.len();
        if frames > limits::SAMPLES {
            return Err(MediaError::TooMany { what: "samples of a segment", limit: limits::SAMPLES });
        }
        blocks.push(block);
    }
    if head.tracks.is_empty() {
        return Err(MediaError::NoInit);
    }
    let mut demuxed = Demuxed::default();
    let kinds = [
        (ContentType::Video, wanted.video),
        (ContentType::Audio, wanted.audio),
        (ContentType::Text, wanted.text),
    ];
    for (content_type, _) in kinds.into_iter().filter(|(_, wanted)| *wanted) {
        let Some(track) = head.tracks.iter().find(|track| track.content_type == content_type) else {
            continue;
        };
        let samples = track_samples(track, head.scale, &blocks, data)?;
        let out = demuxed.track_mut(content_type);
        (out.timescale, out.samples) = (TIMESCALE, samples);
    }
    Ok(demuxed)
}

/// One block with the frames laced into it.
struct Block {
    track: u64,
    /// In ticks of the segment.
    time: i64,
    keyframe: bool,
    /// In ticks of the segment.
    duration: Option<u64>,
    /// Where its frames lie in the file.
    frames: Vec<(usize, usize)>,
}

impl Block {
    fn simple(element: &Element<'_>, cluster: u64) -> Result<Self, MediaError> {
        let (mut block, flags) = Self::parse(element, cluster)?;
        block.keyframe = flags & 0x80 != 0;
        Ok(block)
    }

    fn group(element: &Element<'_>, cluster: u64) -> Result<Option<Self>, MediaError> {
        let (mut block, mut duration, mut keyframe) = (None, None, true);
        for field in element.children() {
            let field = field?;
            match field.id {
                id::BLOCK => block = Some(Self::parse(&field, cluster)?.0),
                id::BLOCK_DURATION => duration = Some(field.unsigned()),
                id::REFERENCE_BLOCK => keyframe = false,
                _ => {}
            }
        }
        Ok(block.map(|block| Self { duration, keyframe, ..block }))
    }

    /// Reads track, time, flags and lacing (RFC 9559, 10).
    fn parse(element: &Element<'_>, cluster: u64) -> Result<(Self, u8), MediaError> {
        let malformed = |what| MediaError::Malformed { container: CONTAINER, at: element.at, what };
        let body = element.body;
        let (track, bytes) = number(body).ok_or_else(|| malformed("a block has no track"))?;
        let track = track.ok_or_else(|| malformed("a block has no track"))?;
        let Some([high, low, flags]) = body.get(bytes..bytes + 3) else {
            return Err(malformed("a block is cut off"));
        };
        let relative = i64::from(i16::from_be_bytes([*high, *low]));
        let time = i64::try_from(cluster).ok().and_then(|cluster| cluster.checked_add(relative));
        let time = time.ok_or_else(|| malformed("a time stamp overflows"))?;
        let sizes = lace(*flags, &body[bytes + 3..]).ok_or_else(|| malformed("a lace is damaged"))?;
        let mut at = element.at + body.len() - sizes.iter().sum::<usize>();
        let frames = sizes.into_iter().map(|size| {
            at += size;
            (at - size, at)
        });
        Ok((Self { track, time, keyframe: false, duration: None, frames: frames.collect() }, *flags))
    }
}

/// Sizes of the frames of a block, which are its last bytes.
fn lace(flags: u8, body: &[u8]) -> Option<Vec<usize>> {
    let kind = flags >> 1 & 3;
    if kind == 0 {
        return Some(vec![body.len()]);
    }
    let count = usize::from(*body.first()?) + 1;
    let mut at = 1;
    let mut sizes = Vec::with_capacity(count);
    let mut last = 0i64;
    while kind != 2 && sizes.len() + 1 < count {
        if kind == 1 {
            last = 0;
            loop {
                let byte = *body.get(at)?;
                at += 1;
                last += i64::from(byte);
                if byte != 255 {
                    break;
                }
            }
        } else {
            let (value, bytes) = number(body.get(at..)?)?;
            let value = i64::try_from(value?).ok()?;
            at += bytes;
            // Every size but the first is a difference, with half of the range for negative ones.
            let bias = (1i64 << (7 * bytes - 1)) - 1;
            last = if sizes.is_empty() { value } else { last.checked_add(value - bias)? };
        }
        sizes.push(usize::try_from(last).ok()?);
    }
    let rest = body.len().checked_sub(at)?;
    if kind == 2 {
        if rest % count != 0 {
            return None;
        }
        sizes.resize(count, rest / count);
    } else {
        let used = sizes.iter().try_fold(0usize, |sum, size| sum.checked_add(*size))?;
        sizes.push(rest.checked_sub(used)?);
    }
    Some(sizes)
}

fn track_samples(
    track: &Track,
    scale: u64,
    blocks: &[Block],
    data: &Bytes,
) -> Result<Vec<RawSample>, MediaError> {
    let own = || blocks.iter().filter(|block| block.track == track.number);
    if track.encoded && own().next().is_some() {
        return Err(MediaError::Unsupported("compressed or encrypted WebM blocks".into()));
    }
    let nanos = |ticks: i64| i64::try_from(i128::from(ticks) * i128::from(scale)).ok();
    let overflow = || MediaError::Malformed { container: CONTAINER, at: 0, what: "a time stamp overflows" };
    let mut samples: Vec<RawSample> = Vec::new();
    for block in own() {
        let delay = i64::try_from(track.codec_delay).ok();
        let begin = nanos(block.time).zip(delay).and_then(|(time, delay)| time.checked_sub(delay));
        let mut pts = begin.ok_or_else(overflow)?;
        let frames = block.frames.len().max(1) as u64;
        for (begin, end) in &block.frames {
            let bytes = data.slice(*begin..*end);
            let duration = match (track.format.codec, block.duration) {
                (Codec::Opus, _) => u64::from(opus::packet_samples(&bytes)) * 62_500 / 3,
                (_, Some(ticks)) => ticks.saturating_mul(scale) / frames,
                _ => track.default_duration,
            };
            if samples.len() >= limits::SAMPLES {
                return Err(MediaError::TooMany { what: "samples of a segment", limit: limits::SAMPLES });
            }
            samples.push(RawSample {
                pts,
                dts: None,
                duration,
                keyframe: block.keyframe || track.content_type != ContentType::Video,
                trim_start: 0,
                data: bytes,
                format: Arc::clone(&track.format),
                protection: None,
            });
            pts = pts.checked_add_unsigned(duration).ok_or_else(overflow)?;
        }
    }
    fill_durations(&mut samples);
    if track.codec_delay > 0 {
        for sample in &mut samples {
            sample.trim_start = sample.pts.min(0).unsigned_abs().min(sample.duration);
        }
    }
    Ok(samples)
}

/// A sample without a duration lasts until the next one is presented; the last one as long as the one
/// before.
fn fill_durations(samples: &mut [RawSample]) {
    let mut times: Vec<i64> = samples.iter().map(|sample| sample.pts).collect();
    times.sort_unstable();
    let mut last = 0;
    for sample in samples.iter_mut().filter(|sample| sample.duration == 0) {
        let next = times.get(times.partition_point(|time| *time <= sample.pts));
        if let Some(next) = next {
            last = next.abs_diff(sample.pts);
        }
        sample.duration = last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laces_are_undone() {
        assert_eq!(lace(0, &[1, 2, 3]), Some(vec![3]));
        assert_eq!(lace(2, &[1, 2, 9, 9, 8]), Some(vec![2, 1]), "Xiph");
        assert_eq!(lace(4, &[1, 9, 9, 8, 8]), Some(vec![2, 2]), "fixed");
        assert_eq!(lace(4, &[1, 9, 9, 8]), None);
        // EBML: 1, then one more, then the rest.
        assert_eq!(lace(6, &[2, 0x81, 0xc0, 7, 8, 8, 9]), Some(vec![1, 2, 1]));
        assert_eq!(lace(6, &[2, 0x81, 0x80, 7]), None, "a negative size");
    }

    use proptest::prelude::*;

    const INIT: &[u8] = b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff\x16\x54\xae\x6b\x97\xae\x95\xd7\x81\x01\x83\x81\x01\x86\x85V_VP9\xe0\x86\xb0\x81\x40\xba\x81\x24";
    const CLUSTER: &[u8] =
        b"\x1f\x43\xb6\x75\x94\xe7\x81\x64\xa3\x86\x81\x00\x00\x80ab\xa3\x87\x81\x00\x28\x00cde";

    #[test]
    fn a_cluster_is_cut() {
        let data = Bytes::from_static(CLUSTER);
        let demuxed = demux(Some(&Bytes::from_static(INIT)), &data, Wanted::ALL).unwrap();
        let seen: Vec<_> =
            demuxed.video.samples.iter().map(|s| (s.pts, s.duration, s.keyframe, &s.data[..])).collect();
        let (first, step) = (100_000_000, 40_000_000u64);
        assert_eq!(
            seen,
            [(first, step, true, &b"ab"[..]), (first + step.cast_signed(), step, false, &b"cde"[..]),]
        );
        let format = &demuxed.video.samples[0].format;
        assert_eq!((format.codec, format.width, format.height), (Codec::Vp9, 64, 36));
    }
    proptest! {
        #[test]
        fn damage_never_panics(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        ) {
            let mut file = [INIT, CLUSTER].concat();
            for (place, value) in &changes {
                let at = place.index(file.len());
                file[at] = *value;
            }
            let _ = demux(None, &Bytes::from(file), Wanted::ALL);
        }
    }
}
