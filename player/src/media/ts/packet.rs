//! Transport packets (ISO/IEC 13818-1, 2.4.3): finding them, and finding them again after damage.

/// Bytes of a packet.
pub(super) const SIZE: usize = 188;
const SYNC: u8 = 0x47;

/// One packet with a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub pid: u16,
    /// `payload_unit_start_indicator`.
    pub starts_unit: bool,
    /// `random_access_indicator`.
    pub random_access: bool,
    /// Scrambled for a conditional access system.
    pub scrambled: bool,
    pub continuity: u8,
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` when it is damaged or has no payload.
    fn parse(packet: &'a [u8]) -> Option<Self> {
        let pid = u16::from_be_bytes([packet[1], packet[2]]) & 0x1fff;
        let control = packet[3];
        let damaged = packet[1] & 0x80 != 0;
        if damaged || control & 0x10 == 0 || pid == 0x1fff {
            return None;
        }
        let mut at = 4;
        let mut random_access = false;
        if control & 0x20 != 0 {
            let length = usize::from(packet[4]);
            random_access = length > 0 && packet[5] & 0x40 != 0;
            at += 1 + length;
        }
        Some(Self {
            pid,
            starts_unit: packet[1] & 0x40 != 0,
            random_access,
            scrambled: control & 0xc0 != 0,
            continuity: control & 15,
            payload: packet.get(at..)?,
        })
    }
}

/// The packets of a segment in order. Bytes between packets are skipped.
pub(super) struct Packets<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Packets<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        loop {
            let packet = self.data.get(self.at..self.at + SIZE)?;
            if packet[0] != SYNC {
                self.at += 1 + find_sync(&self.data[self.at + 1..])?;
                continue;
            }
            self.at += SIZE;
            if let Some(packet) = Packet::parse(packet) {
                return Some(packet);
            }
        }
    }
}

/// Where the first packet of `data` begins: a sync byte with another one packet further, or with the end
/// of the data exactly there.
pub(super) fn find_sync(data: &[u8]) -> Option<usize> {
    (0..data.len()).find(|at| {
        data[*at] == SYNC
            && match data.get(at + SIZE) {
                Some(byte) => *byte == SYNC,
                None => at + SIZE == data.len(),
            }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_found_again_after_damage() {
        let mut data = Vec::new();
        for pid in [1u8, 2, 3, 4] {
            let mut packet = [0xffu8; SIZE];
            packet[..4].copy_from_slice(&[SYNC, 0, pid, 0x10]);
            data.extend_from_slice(&packet);
            if pid == 2 {
                data.extend_from_slice(&[0, 1, 2, SYNC, 4]);
            }
        }
        let pids: Vec<_> = Packets::new(&data).map(|packet| packet.pid).collect();
        assert_eq!(pids, [1, 2, 3, 4]);
        assert_eq!(Packets::new(&[0; 4000]).count(), 0);
    }
}
