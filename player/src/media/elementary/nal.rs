//! NAL units in a byte stream (H.264 and H.265, Annex B): where they lie, where access units begin, which
//! of them decoding can start at.

use super::picture::{self, Dimensions};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NalCodec {
    /// ITU-T H.264.
    H264,
    /// ITU-T H.265.
    Hevc,
}

/// What a NAL unit is good for here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Delimiter,
    Slice,
    RandomAccessSlice,
    RecoveryPoint,
    Parameters,
    Other,
}

/// A NAL unit in a byte stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Nal<'a> {
    /// Where its start code begins, a leading zero byte included.
    start: usize,
    /// The unit with its header.
    unit: &'a [u8],
}

/// What a look at an access unit found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnitFacts {
    /// Holds a slice at which decoding can start.
    pub keyframe: bool,
    /// Holds any slice.
    pub picture: bool,
    /// From its sequence parameter set.
    pub dimensions: Option<Dimensions>,
}

/// The next start code at or after `from`: where it begins (with a leading zero byte) and where the unit
/// behind it begins.
fn start_code(data: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        let window = data.get(at..at + 3)?;
        // The third byte decides how far to jump, so most bytes are never looked at.
        match window[2] {
            0 => at += 1,
            1 if window[0] == 0 && window[1] == 0 => {
                let begin = if at > from && data[at - 1] == 0 { at - 1 } else { at };
                return Some((begin, at + 3));
            }
            _ => at += 3,
        }
    }
}

/// All NAL units in order.
fn units(data: &[u8]) -> impl Iterator<Item = Nal<'_>> {
    let mut next = start_code(data, 0);
    std::iter::from_fn(move || {
        let (start, unit) = next?;
        next = start_code(data, unit);
        let end = next.map_or(data.len(), |(begin, _)| begin);
        Some(Nal { start, unit: &data[unit..end] })
    })
}

fn role(codec: NalCodec, unit: &[u8]) -> Role {
    let Some(first) = unit.first() else { return Role::Other };
    match codec {
        NalCodec::H264 => match first & 0x1f {
            9 => Role::Delimiter,
            5 => Role::RandomAccessSlice,
            1 | 2 => Role::Slice,
            6 if is_recovery_point(unit) => Role::RecoveryPoint,
            7 => Role::Parameters,
            _ => Role::Other,
        },
        NalCodec::Hevc => match first >> 1 & 0x3f {
            35 => Role::Delimiter,
            16..=21 => Role::RandomAccessSlice,
            0..=15 => Role::Slice,
            33 => Role::Parameters,
            _ => Role::Other,
        },
    }
}

/// Whether an SEI unit of H.264 holds a recovery point message (D.1.8) among its first messages.
fn is_recovery_point(unit: &[u8]) -> bool {
    let mut at = 1;
    for _ in 0..8 {
        let mut values = [0usize; 2];
        for value in &mut values {
            loop {
                let Some(byte) = unit.get(at) else { return false };
                at += 1;
                *value += usize::from(*byte);
                if *byte != 255 {
                    break;
                }
            }
        }
        let [kind, size] = values;
        if kind == 6 {
            return true;
        }
        at += size;
        if unit.get(at).is_none_or(|byte| *byte == 0x80) {
            return false;
        }
    }
    false
}

/// Where access units begin: at every delimiter, and at the start when none stands there. A part without
/// a picture stays with the unit behind it.
pub(crate) fn access_units(codec: NalCodec, data: &[u8]) -> Vec<usize> {
    let mut starts = vec![0];
    let mut picture = false;
    for nal in units(data) {
        match role(codec, nal.unit) {
            Role::Delimiter if picture => {
                starts.push(nal.start);
                picture = false;
            }
            Role::Slice | Role::RandomAccessSlice => picture = true,
            _ => {}
        }
    }
    starts
}

/// Whether `data` begins with an access unit delimiter.
pub(crate) fn begins_with_delimiter(codec: NalCodec, data: &[u8]) -> bool {
    units(data).next().is_some_and(|nal| role(codec, nal.unit) == Role::Delimiter)
}

/// Looks at an access unit.
pub(crate) fn look(codec: NalCodec, data: &[u8]) -> UnitFacts {
    let mut facts = UnitFacts::default();
    for nal in units(data) {
        match role(codec, nal.unit) {
            Role::RandomAccessSlice => (facts.keyframe, facts.picture) = (true, true),
            Role::Slice => facts.picture = true,
            Role::RecoveryPoint => facts.keyframe = true,
            Role::Parameters if facts.dimensions.is_none() => {
                facts.dimensions = match codec {
                    NalCodec::H264 => picture::h264(nal.unit),
                    NalCodec::Hevc => picture::hevc(nal.unit),
                };
            }
            _ => {}
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_units_begin_at_delimiters() {
        let data = [
            0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 1, 2, 3, // key picture
            0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x41, 1, 2, // another
        ];
        assert_eq!(access_units(NalCodec::H264, &data), [0, 13]);
        assert!(begins_with_delimiter(NalCodec::H264, &data));
        assert!(look(NalCodec::H264, &data[..13]).keyframe);
        assert!(!look(NalCodec::H264, &data[13..]).keyframe);
    }

    #[test]
    fn recovery_points_count_as_keyframes() {
        let data = [0, 0, 1, 6, 5, 1, 0, 6, 1, 0xc0, 0x80, 0, 0, 1, 0x41, 9];
        let facts = look(NalCodec::H264, &data);
        assert!(facts.keyframe && facts.picture);
    }

    #[test]
    fn start_codes_in_zeros_are_found_once() {
        let data = [0, 0, 0, 0, 0, 1, 0x41, 0, 0, 1];
        let found: Vec<_> = units(&data).map(|nal| (nal.start, nal.unit.len())).collect();
        assert_eq!(found, [(2, 1), (7, 0)]);
    }
}
