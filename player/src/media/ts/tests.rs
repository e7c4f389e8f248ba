//! Transport streams built by hand, packet by packet, and what is read from them.

use super::*;
use proptest::prelude::*;

/// Puts `payload` into packets of `pid`, stuffed with adaptation fields.
fn packets(pid: u16, random_access: bool, payload: &[u8], counter: &mut u8) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = payload;
    let mut first = true;
    while first || !rest.is_empty() {
        let flags = if first && random_access { 0x40 } else { 0 };
        let room = if first { 182 } else { 184 };
        let taken = rest.len().min(room);
        let stuffing = 184 - taken;
        out.extend_from_slice(&[0x47, (pid >> 8) as u8 | if first { 0x40 } else { 0 }, pid as u8]);
        if stuffing == 0 {
            out.push(0x10 | *counter);
        } else {
            out.push(0x30 | *counter);
            out.push((stuffing - 1) as u8);
            if stuffing > 1 {
                out.push(flags);
                out.resize(out.len() + stuffing - 2, 0xff);
            }
        }
        out.extend_from_slice(&rest[..taken]);
        rest = &rest[taken..];
        *counter = (*counter + 1) % 16;
        first = false;
    }
    out
}

/// A section with its checksum, behind a pointer field.
fn section(bytes: &[u8]) -> Vec<u8> {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            crc = if crc & 0x8000_0000 != 0 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
        }
    }
    [&[0], bytes, &crc.to_be_bytes()].concat()
}

fn tables() -> Vec<u8> {
    let pat = [0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe1, 0];
    let pmt =
        [2, 0xb0, 23, 0, 1, 0xc1, 0, 0, 0xe1, 1, 0xf0, 0, 0x1b, 0xe1, 1, 0xf0, 0, 0x0f, 0xe1, 2, 0xf0, 0];
    [packets(0, false, &section(&pat), &mut 0), packets(0x100, false, &section(&pmt), &mut 0)].concat()
}

fn stamp(prefix: u8, ticks: i64) -> [u8; 5] {
    let part = |shift: i64, bits: i64| ((ticks >> shift) & ((1 << bits) - 1)) as u8;
    [prefix << 4 | part(30, 3) << 1 | 1, part(22, 8), part(15, 7) << 1 | 1, part(7, 8), part(0, 7) << 1 | 1]
}

fn pes(id: u8, pts: i64, dts: Option<i64>, payload: &[u8]) -> Vec<u8> {
    let stamps = match dts {
        Some(dts) => [stamp(3, pts), stamp(1, dts)].concat(),
        None => stamp(2, pts).to_vec(),
    };
    let flags = if dts.is_some() { 0xc0 } else { 0x80 };
    [&[0, 0, 1, id, 0, 0, 0x80, flags, stamps.len() as u8], &stamps[..], payload].concat()
}

/// A picture: delimiter and one slice of `size` bytes.
fn picture(key: bool, size: usize) -> Vec<u8> {
    let mut unit = vec![0, 0, 0, 1, 9, 0xf0, 0, 0, 1, if key { 0x65 } else { 0x41 }];
    unit.resize(unit.len() + size, 0x55);
    unit
}

/// Two frames of sound of 20 bytes.
fn sound() -> Vec<u8> {
    let frame: Vec<u8> = [&[0xff, 0xf1, 0x4c, 0x80, 0x03, 0x7f, 0xfc][..], &[0x21; 20]].concat();
    [frame.clone(), frame].concat()
}

/// Three pictures in the order I P B and two packets of sound, from `start` in 90 kHz ticks on.
fn segment(start: i64) -> Vec<u8> {
    let (mut video, mut audio) = (0, 0);
    let wrap = |ticks: i64| (start + ticks).rem_euclid(1 << 33);
    let mut out = tables();
    for (pts, dts, key) in [(3_600, 0, true), (10_800, 3_600, false), (7_200, 7_200, false)] {
        let unit = pes(0xe0, wrap(pts), Some(wrap(dts)), &picture(key, 300));
        out.extend(packets(0x101, key, &unit, &mut video));
    }
    for ticks in [0, 3_840] {
        out.extend(packets(0x102, true, &pes(0xc0, wrap(ticks), None, &sound()), &mut audio));
    }
    out
}

fn read(data: Vec<u8>) -> Result<Demuxed, MediaError> {
    demux(&Bytes::from(data), Wanted::ALL)
}

#[test]
fn pictures_and_sounds_are_cut() {
    let demuxed = read(segment(90_000)).unwrap();
    let seen: Vec<_> = demuxed
        .video
        .samples
        .iter()
        .map(|s| (s.pts / PER_90K, s.dts.map(|dts| dts / PER_90K), s.duration, s.keyframe, s.data.len()))
        .collect();
    let step = 3_600 * PER_90K.unsigned_abs();
    assert_eq!(
        seen,
        [
            (93_600, Some(90_000), step, true, 310),
            (100_800, Some(93_600), step, false, 310),
            (97_200, Some(97_200), step, false, 310),
        ]
    );
    let seen: Vec<_> = demuxed.audio.samples.iter().map(|s| (s.pts / PER_90K, s.data.len())).collect();
    assert_eq!(seen, [(90_000, 20), (91_920, 20), (93_840, 20), (95_760, 20)]);
}

#[test]
fn time_goes_on_where_the_clock_wraps() {
    let demuxed = read(segment((1 << 33) - 5_000)).unwrap();
    let times: Vec<_> = demuxed.video.samples.iter().map(|s| s.pts / PER_90K - (1 << 33)).collect();
    assert_eq!(times, [-1_400, 5_800, 2_200]);
    assert!(demuxed.audio.samples.windows(2).all(|pair| pair[0].pts < pair[1].pts));
}

#[test]
fn several_pictures_in_one_packet_are_parted() {
    let mut data = tables();
    let unit = pes(0xe0, 90_000, None, &[picture(true, 100), picture(false, 50)].concat());
    data.extend(packets(0x101, true, &unit, &mut 0));
    let mut counter = 3;
    data.extend(packets(0x101, false, &pes(0xe0, 97_200, None, &picture(false, 60)), &mut counter));
    let demuxed = read(data).unwrap();
    let seen: Vec<_> =
        demuxed.video.samples.iter().map(|s| (s.pts / PER_90K, s.keyframe, s.data.len())).collect();
    assert_eq!(seen, [(90_000, true, 110), (93_600, false, 60), (97_200, false, 70)]);
}

#[test]
fn lost_synchronisation_is_found_again() {
    let mut data = segment(0);
    data.splice(0..0, [1, 2, 3, 0x47]);
    let at = 188 * 6;
    data.splice(at..at, [9; 100]);
    let demuxed = read(data).unwrap();
    assert_eq!(demuxed.video.samples.len(), 3);
    assert_eq!(demuxed.audio.samples.len(), 4);
}

#[test]
fn a_table_with_a_wrong_checksum_serves_when_there_is_no_other() {
    let mut data = segment(0);
    // The checksum of the program map is in the last bytes of the second packet.
    data[188 * 2 - 1] ^= 1;
    assert_eq!(read(data).unwrap().video.samples.len(), 3);
}

#[test]
fn a_page_is_no_stream() {
    assert!(matches!(read(vec![b'<'; 2_000]), Err(MediaError::NotMedia(_))));
    let mut packets = vec![0u8; 188 * 8];
    packets.iter_mut().step_by(188).for_each(|byte| *byte = 0x47);
    assert!(matches!(read(packets), Err(MediaError::Malformed { .. })));
}

proptest! {
    #[test]
    fn damage_never_panics(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut data = segment((1 << 33) - 5_000);
        for (place, value) in &changes {
            let at = place.index(data.len());
            data[at] = *value;
        }
        data.truncate(cut.index(data.len() + 1).max(1_500));
        if let Ok(demuxed) = read(data.clone()) {
            let bytes: usize = demuxed.video.samples.iter().chain(&demuxed.audio.samples).map(|s| s.data.len()).sum();
            prop_assert!(bytes <= data.len());
        }
    }
}
