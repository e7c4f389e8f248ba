//! Event message boxes (ISO/IEC 23009-1, 5.10.3.3), versions 0 and 1.

use super::Fields;
use crate::limits;

/// An event message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventMessage {
    /// `scheme_id_uri`.
    pub scheme: String,
    /// `value`.
    pub value: String,
    /// Ticks per second; never zero.
    pub timescale: u32,
    /// When it applies.
    pub time: Time,
    /// Ticks; `None` when it is not known (0xFFFFFFFF).
    pub duration: Option<u32>,
    /// `id`.
    pub id: u32,
    /// `message_data`, at most [`limits::TIMED_EVENT_BYTES`].
    pub data: Vec<u8>,
}

/// When an event message applies, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// After the earliest presentation time of the segment (version 0).
    Delta(u32),
    /// On the media timeline (version 1).
    At(u64),
}

/// Reads the contents of an `emsg` box behind its header; `None` when they are cut off or of another version.
pub fn read(body: &[u8]) -> Option<EventMessage> {
    let mut fields = Fields(body);
    let version = fields.u32()? >> 24;
    let (scheme, value, timescale, time, duration, id);
    match version {
        0 => {
            scheme = fields.text()?;
            value = fields.text()?;
            timescale = fields.u32()?;
            time = Time::Delta(fields.u32()?);
            duration = fields.u32()?;
            id = fields.u32()?;
        }
        1 => {
            timescale = fields.u32()?;
            time = Time::At(fields.number(8)?);
            duration = fields.u32()?;
            id = fields.u32()?;
            scheme = fields.text()?;
            value = fields.text()?;
        }
        _ => return None,
    }
    let duration = (duration != u32::MAX).then_some(duration);
    let data = fields.0.get(..fields.0.len().min(limits::TIMED_EVENT_BYTES))?.to_vec();
    (timescale > 0).then_some(EventMessage { scheme, value, timescale, time, duration, id, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version_0() -> Vec<u8> {
        let numbers = [1000u32, 250, u32::MAX, 7].map(u32::to_be_bytes).concat();
        [&[0, 0, 0, 0][..], b"urn:a\0v\0", &numbers, b"hello"].concat()
    }

    fn version_1() -> Vec<u8> {
        let numbers = [[1u32, 0, 250, 500], [9, 0, 0, 0]].concat();
        let numbers: Vec<u8> = numbers.iter().take(5).flat_map(|number| number.to_be_bytes()).collect();
        [&[1, 0, 0, 0][..], &numbers, b"urn:b\0\0", b""].concat()
    }

    #[test]
    fn both_versions_are_read() {
        let zero = read(&version_0()).unwrap();
        assert_eq!((zero.scheme.as_str(), zero.value.as_str(), zero.id), ("urn:a", "v", 7));
        assert_eq!((zero.timescale, zero.time, zero.duration), (1000, Time::Delta(250), None));
        assert_eq!(zero.data, b"hello");
        let one = read(&version_1()).unwrap();
        assert_eq!((one.scheme.as_str(), one.time, one.duration), ("urn:b", Time::At(250), Some(500)));
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let whole = version_1();
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(read(&[2, 0, 0, 0]), None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(body in proptest::collection::vec(0u8.., 0..120)) {
            let _ = read(&body);
        }
    }
}
