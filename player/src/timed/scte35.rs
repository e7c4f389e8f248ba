//! SCTE-35 splice information sections (ANSI/SCTE 35, 9): where a programme may be left for others, and what
//! begins and ends. Bounded: lengths are checked before anything is read, nothing is allocated beyond the
//! section.
//!
//! The crates for it either print to the terminal and overflow on damaged sections or need a transport stream
//! reader of their own, so that this small part of the standard is read here.

use super::Fields;
use serde::Serialize;
use std::time::Duration;

/// Longest section in bytes (12 bits of length behind three bytes).
const SECTION_BYTES: usize = 4096 + 3;
/// Most components and descriptors.
const LISTED: usize = 256;

/// Why a section cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Scte35Error {
    /// Not a splice information section.
    #[error("this is no splice information section")]
    Other,
    /// Shorter than its fields say.
    #[error("the section is cut off")]
    Cut,
    /// Of a protocol version that is not 0.
    #[error("the protocol version {0} is not known")]
    Version(u8),
}

/// A section. Times are in ticks of 90 kHz, before `pts_adjustment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Kind of stream access point.
    pub sap_type: u8,
    /// Whether the command is encrypted; it is [`Command::Encrypted`] then.
    pub encrypted: bool,
    /// How.
    pub encryption_algorithm: u8,
    /// To add to all times.
    pub pts_adjustment: u64,
    /// Which control word.
    pub cw_index: u8,
    /// Authorization tier, 12 bits.
    pub tier: u16,
    /// Whether the checksum is right.
    pub crc_ok: bool,
    /// What is to happen.
    pub command: Command,
    /// More about it.
    pub descriptors: Vec<Descriptor>,
}

/// What is to happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Nothing (type 0).
    SpliceNull,
    /// A list of splices by wall-clock time (type 4), which is not read further.
    SpliceSchedule,
    /// One splice (type 5).
    SpliceInsert(SpliceInsert),
    /// A time for the descriptors (type 6).
    TimeSignal {
        /// When; `None` means at once.
        pts_time: Option<u64>,
    },
    /// Nothing (type 7).
    BandwidthReservation,
    /// Of someone's own (type 255).
    Private {
        /// Whose.
        identifier: u32,
        /// What, in hexadecimal digits.
        hex: String,
    },
    /// Of a later standard.
    Unknown {
        /// Its type.
        number: u8,
    },
    /// Not readable without keys.
    Encrypted,
}

/// `splice_insert()`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SpliceInsert {
    /// Which event.
    pub event_id: u32,
    /// Takes back an event that was announced; nothing else counts then.
    pub cancel: bool,
    /// Out of the programme, or back into it.
    pub out_of_network: bool,
    /// All components together.
    pub program_splice: bool,
    /// At once.
    pub immediate: bool,
    /// When.
    pub pts_time: Option<u64>,
    /// Components with their times, when they do not splice together.
    pub components: Vec<(u8, Option<u64>)>,
    /// How long the break is.
    pub break_duration: Option<u64>,
    /// Whether it ends without another command.
    pub auto_return: bool,
    /// Identifies the programme.
    pub unique_program_id: u16,
    /// Which of the avails.
    pub avail_num: u8,
    /// How many avails.
    pub avails_expected: u8,
}

/// A splice descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Descriptor {
    /// Its tag.
    pub tag: u8,
    /// Whose it is, normally `CUEI`.
    pub identifier: u32,
    /// What it says.
    pub content: Content,
}

/// What a splice descriptor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Tag 0.
    Avail {
        /// Of the provider.
        provider_avail_id: u32,
    },
    /// Tag 1: tones for old equipment.
    Dtmf {
        /// Tenths of a second before the splice.
        preroll: u8,
        /// Digits.
        digits: String,
    },
    /// Tag 2.
    Segmentation(Segmentation),
    /// Tag 3: international atomic time.
    Time {
        /// Seconds.
        tai_seconds: u64,
        /// Nanoseconds.
        tai_ns: u32,
        /// Seconds to coordinated universal time.
        utc_offset: u16,
    },
    /// Of another kind, or not readable.
    Other {
        /// In hexadecimal digits.
        hex: String,
    },
}

/// `segmentation_descriptor()`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Segmentation {
    /// Which event.
    pub event_id: u32,
    /// Takes back an event that was announced; nothing else counts then.
    pub cancel: bool,
    /// How long.
    pub duration: Option<u64>,
    /// Kind of [`upid`](Self::upid_hex).
    pub upid_type: u8,
    /// Identifies the content, in hexadecimal digits.
    pub upid_hex: String,
    /// What begins or ends (`segmentation_type_id`).
    pub type_id: u8,
    /// Which of the segments.
    pub segment_num: u8,
    /// How many.
    pub segments_expected: u8,
    /// Which of the segments inside, and how many.
    pub sub_segments: Option<(u8, u8)>,
    /// `None`: not restricted. Otherwise whether delivery on the web, regional blackout and archiving are
    /// free, and the group of devices.
    pub restrictions: Option<(bool, bool, bool, u8)>,
    /// Components with the offset of their times.
    pub components: Vec<(u8, u64)>,
}

impl Section {
    /// When it applies in ticks of 90 kHz, adjusted, what identifies it, and for how long.
    pub fn moment(&self) -> (Option<i64>, String, Option<Duration>) {
        let adjusted = |time: u64| {
            let time = time.wrapping_add(self.pts_adjustment) & 0x1_ffff_ffff;
            i64::try_from(time).unwrap_or(0)
        };
        let lasting = |ticks: u64| Duration::from_nanos(ticks.saturating_mul(100_000) / 9);
        let segmentation = self.descriptors.iter().find_map(|descriptor| match &descriptor.content {
            Content::Segmentation(found) => Some(found),
            _ => None,
        });
        match &self.command {
            Command::SpliceInsert(insert) => {
                let direction = if insert.out_of_network { "out" } else { "in" };
                let id = format!("{}:{direction}:{}", insert.event_id, u8::from(insert.cancel));
                (insert.pts_time.map(adjusted), id, insert.break_duration.map(lasting))
            }
            Command::TimeSignal { pts_time } => {
                let id = segmentation.map_or(String::new(), |s| format!("{}:{}", s.event_id, s.type_id));
                let duration = segmentation.and_then(|segmentation| segmentation.duration).map(lasting);
                (pts_time.map(adjusted), id, duration)
            }
            _ => (None, String::new(), None),
        }
    }
}

/// The bytes of a section written as text: base64 or hexadecimal digits after `0x`.
pub fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    if text.starts_with("0x") || text.starts_with("0X") || text.get(..4)?.eq_ignore_ascii_case("fc30") {
        return super::from_hex(text);
    }
    let compact: String = text.split_whitespace().collect();
    drm_stub::pssh::base64(&compact)
}

/// Reads a section.
///
/// # Errors
///
/// [`Scte35Error`] when it is none, cut off, or of another version.
pub fn read(bytes: &[u8]) -> Result<Section, Scte35Error> {
    let bytes = bytes.get(..bytes.len().min(SECTION_BYTES)).unwrap_or(bytes);
    if bytes.first() != Some(&0xfc) {
        return Err(Scte35Error::Other);
    }
    section(bytes).unwrap_or(Err(Scte35Error::Cut))
}

fn section(bytes: &[u8]) -> Option<Result<Section, Scte35Error>> {
    let mut head = Fields(bytes);
    head.u8()?;
    let flags = head.u16()?;
    let length = usize::from(flags & 0xfff);
    let whole = bytes.get(..length + 3)?;
    let crc_ok = crc(whole) == 0;
    let mut fields = Fields(head.take(length)?.split_last_chunk::<4>()?.0);
    let version = fields.u8()?;
    if version != 0 {
        return Some(Err(Scte35Error::Version(version)));
    }
    let word = fields.number(5)?;
    let encrypted = word >> 39 == 1;
    let cw_index = fields.u8()?;
    let packed = fields.number(3)?;
    let (tier, command_length) = (packed >> 12, usize::try_from(packed & 0xfff).ok()?);
    let number = fields.u8()?;
    let (command, descriptors) = if encrypted {
        (Command::Encrypted, Vec::new())
    } else {
        // Old encoders did not count and wrote ones.
        let known = command_length != 0xfff;
        let mut own = if known { Fields(fields.take(command_length)?) } else { fields };
        let command = command(number, &mut own)?;
        if !known {
            fields = own;
        }
        let list =
            fields.u16().map_or(&[][..], |length| fields.take(usize::from(length)).unwrap_or(fields.0));
        (command, descriptors(list))
    };
    Some(Ok(Section {
        sap_type: u8::try_from(flags >> 12 & 3).ok()?,
        encrypted,
        encryption_algorithm: u8::try_from(word >> 33 & 0x3f).ok()?,
        pts_adjustment: word & 0x1_ffff_ffff,
        cw_index,
        tier: u16::try_from(tier).ok()?,
        crc_ok,
        command,
        descriptors,
    }))
}

fn command(number: u8, fields: &mut Fields<'_>) -> Option<Command> {
    Some(match number {
        0 => Command::SpliceNull,
        4 => Command::SpliceSchedule,
        5 => Command::SpliceInsert(insert(fields)?),
        6 => Command::TimeSignal { pts_time: splice_time(fields)? },
        7 => Command::BandwidthReservation,
        0xff => Command::Private { identifier: fields.u32()?, hex: super::hex(fields.0) },
        number => Command::Unknown { number },
    })
}

/// `splice_time()`.
fn splice_time(fields: &mut Fields<'_>) -> Option<Option<u64>> {
    let first = fields.u8()?;
    if first & 0x80 == 0 {
        return Some(None);
    }
    Some(Some(u64::from(first & 1) << 32 | fields.number(4)?))
}

fn insert(fields: &mut Fields<'_>) -> Option<SpliceInsert> {
    let mut insert =
        SpliceInsert { event_id: fields.u32()?, cancel: fields.u8()? & 0x80 != 0, ..Default::default() };
    if insert.cancel {
        return Some(insert);
    }
    let flags = fields.u8()?;
    insert.out_of_network = flags & 0x80 != 0;
    insert.program_splice = flags & 0x40 != 0;
    insert.immediate = flags & 0x10 != 0;
    if insert.program_splice {
        if !insert.immediate {
            insert.pts_time = splice_time(fields)?;
        }
    } else {
        let count = fields.u8()?;
        for _ in 0..count {
            let tag = fields.u8()?;
            let time = if insert.immediate { None } else { splice_time(fields)? };
            insert.components.push((tag, time));
        }
    }
    if flags & 0x20 != 0 {
        let word = fields.number(5)?;
        insert.auto_return = word >> 39 == 1;
        insert.break_duration = Some(word & 0x1_ffff_ffff);
    }
    insert.unique_program_id = fields.u16()?;
    insert.avail_num = fields.u8()?;
    insert.avails_expected = fields.u8()?;
    Some(insert)
}

/// Identifier and number of an avail descriptor (ANSI/SCTE 35, 10.3.1).
const AVAIL_BYTES: usize = 8;

fn descriptors(list: &[u8]) -> Vec<Descriptor> {
    let mut fields = Fields(list);
    let next = std::iter::from_fn(|| {
        let (tag, length) = (fields.u8()?, fields.u8()?);
        let rest = fields.0;
        let mut body = Fields(fields.take(usize::from(length))?);
        if tag == 0 {
            // It has one length, whatever is stated.
            body = Fields(rest.get(..AVAIL_BYTES).unwrap_or(body.0));
        }
        let identifier = body.u32()?;
        // The avail descriptor is old enough that others have put their own identifier in it.
        let own = identifier == u32::from_be_bytes(*b"CUEI") || tag == 0;
        let content = if own { content(tag, body) } else { None };
        let content = content.unwrap_or_else(|| Content::Other { hex: super::hex(body.0) });
        Some(Descriptor { tag, identifier, content })
    });
    next.take(LISTED).collect()
}

fn content(tag: u8, mut body: Fields<'_>) -> Option<Content> {
    Some(match tag {
        0 => Content::Avail { provider_avail_id: body.u32()? },
        1 => {
            let preroll = body.u8()?;
            let count = body.u8()? >> 5;
            let digits = body.take(usize::from(count))?;
            Content::Dtmf { preroll, digits: digits.iter().map(|digit| char::from(*digit)).collect() }
        }
        2 => Content::Segmentation(segmentation(&mut body)?),
        3 => Content::Time { tai_seconds: body.number(6)?, tai_ns: body.u32()?, utc_offset: body.u16()? },
        _ => return None,
    })
}

fn segmentation(fields: &mut Fields<'_>) -> Option<Segmentation> {
    let mut made =
        Segmentation { event_id: fields.u32()?, cancel: fields.u8()? & 0x80 != 0, ..Default::default() };
    if made.cancel {
        return Some(made);
    }
    let flags = fields.u8()?;
    if flags & 0x20 == 0 {
        made.restrictions = Some((flags & 0x10 != 0, flags & 8 != 0, flags & 4 != 0, flags & 3));
    }
    if flags & 0x80 == 0 {
        let count = fields.u8()?;
        for _ in 0..count {
            made.components.push((fields.u8()?, fields.number(5)? & 0x1_ffff_ffff));
        }
    }
    if flags & 0x40 != 0 {
        made.duration = Some(fields.number(5)?);
    }
    made.upid_type = fields.u8()?;
    let length = fields.u8()?;
    made.upid_hex = super::hex(fields.take(usize::from(length))?);
    made.type_id = fields.u8()?;
    made.segment_num = fields.u8()?;
    made.segments_expected = fields.u8()?;
    // Old encoders leave these out although the type has them.
    if matches!(made.type_id, 0x30 | 0x32 | 0x34 | 0x36 | 0x38 | 0x3a | 0x44 | 0x46) {
        made.sub_segments = fields.u8().zip(fields.u8());
    }
    Some(made)
}

/// CRC-32 of MPEG-2 systems (ISO/IEC 13818-1, annex A): zero over a section with its checksum.
fn crc(section: &[u8]) -> u32 {
    section.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc & 0x8000_0000 != 0 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A splice out of the network for 90 s, as ANSI/SCTE 35 prints it (14.2).
    const INSERT: &str = "/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=";

    #[test]
    fn a_splice_is_read() {
        let bytes = bytes_of(INSERT).unwrap();
        let section = read(&bytes).unwrap();
        assert!(section.crc_ok);
        let Command::SpliceInsert(insert) = section.command else { panic!("{:?}", section.command) };
        assert_eq!((insert.event_id, insert.out_of_network, insert.auto_return), (0x4800_008f, true, true));
        assert_eq!((insert.pts_time, insert.break_duration), (Some(0x0_7369_c02e), Some(0x52_ccf5)));
        assert_eq!(section.descriptors[0].content, Content::Avail { provider_avail_id: 0x135 });
        let again = bytes_of(&format!("0x{}", super::super::hex(&bytes))).unwrap();
        assert_eq!(again, bytes);
    }

    #[test]
    fn damage_is_noticed() {
        let whole = bytes_of(INSERT).unwrap();
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut]).is_err(), "{cut}");
        }
        let mut damaged = whole.clone();
        damaged[20] ^= 1;
        assert!(!read(&damaged).unwrap().crc_ok);
        assert_eq!(read(b"\x00"), Err(Scte35Error::Other));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(
            body in proptest::collection::vec(0u8.., 0..120),
            changes in proptest::collection::vec((1usize..60, 0u8..), 0..8),
        ) {
            let _ = read(&[&[0xfc][..], &body].concat());
            let mut damaged = bytes_of(INSERT).unwrap();
            for (at, value) in changes {
                if let Some(byte) = damaged.get_mut(at) {
                    *byte = value;
                }
            }
            let _ = read(&damaged);
        }
    }
}
