//! Is a segment whole? Answered from its own framing, before anything downstream sees it: a short body is
//! a fault of the network, and must never look like a fault of the media.

use crate::limits;
use abr::presentation::Container;

/// Length of a transport stream packet (ISO/IEC 13818-1, 2.4.3.2).
const TS_PACKET: usize = 188;
/// First byte of every transport stream packet.
const TS_SYNC: u8 = 0x47;
/// Box types that an MP4 file, segment or initialization segment may start with.
const MP4_FIRST: [&[u8; 4]; 11] =
    [b"ftyp", b"styp", b"moof", b"moov", b"sidx", b"ssix", b"emsg", b"prft", b"mdat", b"free", b"skip"];

/// How a body falls short of what its framing promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// A box goes on after the end of the body.
    #[error("the box at byte {at} needs {needed} bytes, {left} are left")]
    Box {
        /// Where the box starts.
        at: usize,
        /// Bytes that its header announces.
        needed: u64,
        /// Bytes from its start to the end of the body.
        left: usize,
    },
    /// A box is smaller than its own header, so that what follows cannot be found.
    #[error("the box at byte {at} has the impossible size {size}")]
    Size {
        /// Where the box starts.
        at: usize,
        /// The size found.
        size: u64,
    },
    /// More boxes than a segment may have.
    #[error("more than {} boxes", limits::BOXES)]
    Boxes,
    /// The last transport stream packet is cut.
    #[error("{over} bytes are left after the last whole packet")]
    Packet {
        /// Bytes after the last whole packet.
        over: usize,
    },
    /// A transport stream packet does not start where it should.
    #[error("no packet starts at byte {at}")]
    Sync {
        /// Where one should.
        at: usize,
    },
}

/// Checks that `body` ends where its framing says.
///
/// MP4: the top-level boxes tile the body exactly; a last box of size 0 ("to the end of the file") is
/// accepted. Transport streams: whole packets of 188 bytes, each with its sync byte. [`Container::Unknown`]
/// is looked at first. The other layouts carry no total length and are accepted as they are.
///
/// # Errors
///
/// [`Incomplete`], naming the place.
///
/// # Specification
///
/// ISO/IEC 14496-12, 4.2 (boxes); ISO/IEC 13818-1, 2.4.3 (packets).
pub fn check(container: Container, body: &[u8]) -> Result<(), Incomplete> {
    match container {
        Container::Mp4 => boxes(body),
        Container::Ts => packets(body),
        Container::Unknown => match looks_like(body) {
            Container::Mp4 => boxes(body),
            Container::Ts => packets(body),
            Container::Webm | Container::PackedAudio | Container::Webvtt | Container::Unknown => Ok(()),
        },
        Container::Webm | Container::PackedAudio | Container::Webvtt => Ok(()),
    }
}

/// MP4 or transport stream, by their first bytes; else unknown.
fn looks_like(body: &[u8]) -> Container {
    if body.get(4..8).is_some_and(|kind| MP4_FIRST.iter().any(|first| first.as_slice() == kind)) {
        Container::Mp4
    } else if body.first() == Some(&TS_SYNC) && body.get(TS_PACKET).is_none_or(|byte| *byte == TS_SYNC) {
        Container::Ts
    } else {
        Container::Unknown
    }
}

fn boxes(body: &[u8]) -> Result<(), Incomplete> {
    let mut at = 0;
    let mut count = 0;
    while at < body.len() {
        count += 1;
        if count > limits::BOXES {
            return Err(Incomplete::Boxes);
        }
        let rest = &body[at..];
        let (size, header) = match (array::<4>(rest, 0), array::<8>(rest, 8)) {
            (Some([0, 0, 0, 0]), _) if rest.len() >= 8 => return Ok(()),
            (Some([0, 0, 0, 1]), Some(large)) => (u64::from_be_bytes(large), 16),
            (Some([0, 0, 0, 1]), None) => (16, 16),
            (Some(small), _) => (u64::from(u32::from_be_bytes(small)), 8),
            (None, _) => (8, 8),
        };
        if size < header {
            return Err(Incomplete::Size { at, size });
        }
        match usize::try_from(size) {
            Ok(size) if size <= rest.len() => at += size,
            _ => return Err(Incomplete::Box { at, needed: size, left: rest.len() }),
        }
    }
    Ok(())
}

/// Packets out of step here and there are for the demultiplexer to find its way through; a body that is
/// mostly out of step is no transport stream.
fn packets(body: &[u8]) -> Result<(), Incomplete> {
    let packets = body.chunks_exact(TS_PACKET);
    let over = packets.remainder().len();
    let total = packets.len();
    let mut stray = packets.enumerate().filter(|(_, packet)| packet[0] != TS_SYNC).map(|(place, _)| place);
    match stray.next() {
        Some(first) if (stray.count() + 1) * 10 > total => Err(Incomplete::Sync { at: first * TS_PACKET }),
        Some(_) => Ok(()),
        None if over > 0 => Err(Incomplete::Packet { over }),
        None => Ok(()),
    }
}

/// `N` bytes of `bytes` from `at`, when there are as many.
fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mp4_box(kind: &[u8; 4], payload: usize) -> Vec<u8> {
        let mut out = u32::try_from(payload + 8).unwrap().to_be_bytes().to_vec();
        out.extend_from_slice(kind);
        out.resize(payload + 8, 7);
        out
    }

    fn segment() -> Vec<u8> {
        [mp4_box(b"styp", 16), mp4_box(b"moof", 100), mp4_box(b"mdat", 1000)].concat()
    }

    #[test]
    fn every_cut_of_an_mp4_segment_is_noticed_except_between_boxes() {
        let whole = segment();
        for cut in 1..=whole.len() {
            let between = cut == whole.len() || cut == 24 || cut == 24 + 108;
            assert_eq!(check(Container::Mp4, &whole[..cut]).is_ok(), between, "{cut}");
        }
        assert!(check(Container::Unknown, &whole[..whole.len() - 1]).is_err());
    }

    #[test]
    fn large_and_open_boxes_are_understood() {
        let mut large = vec![0, 0, 0, 1];
        large.extend_from_slice(b"mdat");
        large.extend_from_slice(&20_u64.to_be_bytes());
        assert!(check(Container::Mp4, &large).is_err());
        large.extend_from_slice(&[0; 4]);
        assert_eq!(check(Container::Mp4, &large), Ok(()));
        assert_eq!(check(Container::Mp4, b"\0\0\0\0mdat1234"), Ok(()));
        assert_eq!(check(Container::Mp4, b"\0\0\0\x04mdat"), Err(Incomplete::Size { at: 0, size: 4 }));
    }

    #[test]
    fn a_transport_stream_is_whole_packets_in_step() {
        let mut stream = vec![0; TS_PACKET * 3];
        for packet in stream.chunks_mut(TS_PACKET) {
            packet[0] = TS_SYNC;
        }
        assert_eq!(check(Container::Ts, &stream), Ok(()));
        assert_eq!(check(Container::Ts, &stream[..400]), Err(Incomplete::Packet { over: 24 }));
        stream[TS_PACKET] = 0;
        assert_eq!(check(Container::Ts, &stream), Err(Incomplete::Sync { at: TS_PACKET }));
    }

    proptest! {
        #[test]
        fn no_input_panics(body: Vec<u8>) {
            for container in [Container::Mp4, Container::Ts, Container::Unknown] {
                let _ = check(container, &body);
            }
        }
    }
}
