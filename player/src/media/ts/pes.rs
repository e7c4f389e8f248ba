//! PES packets (ISO/IEC 13818-1, 2.4.3.6): the payload of an elementary stream in one piece, with the time
//! stamps that stand in it.

use super::packet::Packet;
use super::psi::Cut;
use bytes::{Bytes, BytesMut};

/// Where the payload of one PES packet lies, and its times in 90 kHz ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PesUnit {
    pub begin: usize,
    pub end: usize,
    pub pts: Option<i64>,
    pub dts: Option<i64>,
    pub random_access: bool,
}

/// One elementary stream under assembly.
pub(super) struct Elementary {
    pub pid: u16,
    pub cut: Cut,
    data: BytesMut,
    units: Vec<PesUnit>,
    packet: Vec<u8>,
    random_access: bool,
    last: Option<(u8, usize)>,
}

impl Elementary {
    pub(super) fn new(pid: u16, cut: Cut) -> Self {
        let (data, units, packet) = (BytesMut::new(), Vec::new(), Vec::new());
        Self { pid, cut, data, units, packet, random_access: false, last: None }
    }

    /// Takes the payload of the next transport packet.
    pub(super) fn take(&mut self, packet: &Packet<'_>) {
        // A packet may be sent twice (2.4.3.3): same counter, same contents.
        let repeated = self.last == Some((packet.continuity, packet.payload.len()))
            && self.packet.ends_with(packet.payload);
        self.last = Some((packet.continuity, packet.payload.len()));
        if repeated {
            return;
        }
        if packet.starts_unit {
            self.close();
            self.random_access = packet.random_access;
        } else if self.packet.is_empty() {
            // The rest of a unit that began before this segment.
            return;
        }
        self.packet.extend_from_slice(packet.payload);
    }

    fn close(&mut self) {
        let packet = std::mem::take(&mut self.packet);
        let Some((header, pts, dts)) = parse_header(&packet) else { return };
        let declared = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
        let end = if declared == 0 { packet.len() } else { packet.len().min(declared + 6) };
        let begin = self.data.len();
        self.data.extend_from_slice(packet.get(header..end).unwrap_or_default());
        let random_access = self.random_access;
        self.units.push(PesUnit { begin, end: self.data.len(), pts, dts, random_access });
    }

    /// All payload and where its packets lie.
    pub(super) fn finish(mut self) -> (Bytes, Vec<PesUnit>) {
        self.close();
        (self.data.freeze(), self.units)
    }
}

/// Bytes of the header, and its time stamps.
pub(super) fn parse_header(packet: &[u8]) -> Option<(usize, Option<i64>, Option<i64>)> {
    let fixed = packet.get(..9)?;
    if fixed[..3] != [0, 0, 1] || fixed[6] & 0xc0 != 0x80 {
        return None;
    }
    let optional = packet.get(9..9 + usize::from(fixed[8]))?;
    let pts = if fixed[7] & 0x80 != 0 { timestamp(optional) } else { None };
    let dts = if fixed[7] & 0xc0 == 0xc0 { timestamp(optional.get(5..)?) } else { None };
    Some((9 + optional.len(), pts, dts))
}

/// 33 bits in five bytes with marker bits between.
fn timestamp(field: &[u8]) -> Option<i64> {
    let field = field.get(..5)?;
    let bits = |byte: u8, shift: u32| i64::from(byte) << shift;
    Some(
        bits(field[0] >> 1 & 7, 30)
            | bits(field[1], 22)
            | bits(field[2] >> 1, 15)
            | bits(field[3], 7)
            | bits(field[4] >> 1, 0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_have_33_bits() {
        assert_eq!(timestamp(&[0x2f, 0xff, 0xff, 0xff, 0xff]), Some((1 << 33) - 1));
        assert_eq!(timestamp(&[0x21, 0x00, 0x07, 0xd8, 0x61]), Some(126_000));
        assert_eq!(timestamp(&[0x21, 0x00]), None);
    }

    #[test]
    fn headers_are_measured() {
        let packet = [0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, 0x21, 0x00, 0x07, 0xd8, 0x61, 7, 8];
        assert_eq!(parse_header(&packet), Some((14, Some(126_000), None)));
        assert_eq!(parse_header(&packet[..12]), None);
    }
}
