//! Files built by hand, byte by byte, and what is read from them.

use super::*;
use crate::media::sample::{Codec, StreamLayout};
use proptest::prelude::*;

/// A box around parts.
pub(crate) fn mp4(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut bytes = ((body.len() + 8) as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(kind);
    bytes.extend(body);
    bytes
}

/// A full box.
fn full(kind: &[u8; 4], version: u8, flags: u32, parts: &[&[u8]]) -> Vec<u8> {
    let mut head = flags.to_be_bytes();
    head[0] = version;
    mp4(kind, &[&head[..], &parts.concat()])
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// An `avc1` entry of 64 × 36 pixels.
fn avc1() -> Vec<u8> {
    let mut fields = [0u8; 78];
    fields[7] = 1;
    fields[25] = 64;
    fields[27] = 36;
    mp4(b"avc1", &[&fields[..], &mp4(b"avcC", &[b"\x01\x64\x00\x0a"]), &mp4(b"pasp", &[&words(&[4, 3])])])
}

/// An `mp4a` entry, 48 kHz stereo AAC-LC.
fn mp4a() -> Vec<u8> {
    let mut fields = [0u8; 28];
    fields[7] = 1;
    fields[17] = 2;
    fields[24..26].copy_from_slice(&48_000u16.to_be_bytes());
    let esds = b"\x03\x19\0\0\0\x04\x11\x40\x15\0\0\0\0\0\0\0\0\0\0\0\x05\x02\x11\x90\x06\x01\x02";
    mp4(b"mp4a", &[&fields[..], &full(b"esds", 0, 0, &[esds])])
}

struct TrackParts {
    id: u32,
    handler: [u8; 4],
    timescale: u32,
    edits: Vec<u8>,
    entry: Vec<u8>,
    tables: Vec<u8>,
}

fn trak(parts: &TrackParts) -> Vec<u8> {
    let tkhd = full(b"tkhd", 0, 3, &[&words(&[0, 0, parts.id]), &[0; 68]]);
    let mdhd = full(b"mdhd", 0, 0, &[&words(&[0, 0, parts.timescale, 0, 0])]);
    let hdlr = full(b"hdlr", 0, 0, &[&[0; 4], &parts.handler, &[0; 13]]);
    let stsd = full(b"stsd", 0, 0, &[&words(&[1]), &parts.entry]);
    let stbl = mp4(b"stbl", &[&stsd, &parts.tables]);
    let mdia = mp4(b"mdia", &[&mdhd, &hdlr, &mp4(b"minf", &[&stbl])]);
    mp4(b"trak", &[&tkhd, &parts.edits, &mdia])
}

fn moov(tracks: &[TrackParts]) -> Vec<u8> {
    let mvhd = full(b"mvhd", 0, 0, &[&words(&[0, 0, 1_000, 0]), &[0; 80]]);
    let traks: Vec<u8> = tracks.iter().flat_map(trak).collect();
    let trex: Vec<u8> =
        tracks.iter().flat_map(|track| full(b"trex", 0, 0, &[&words(&[track.id, 1, 0, 0, 0])])).collect();
    mp4(b"moov", &[&mvhd, &traks, &mp4(b"mvex", &[&trex])])
}

fn elst(entries: &[(u32, i32)]) -> Vec<u8> {
    let rows: Vec<u8> = entries
        .iter()
        .flat_map(|(duration, time)| {
            [words(&[*duration]), time.to_be_bytes().to_vec(), words(&[0x1_0000])].concat()
        })
        .collect();
    mp4(b"edts", &[&full(b"elst", 0, 0, &[&words(&[entries.len() as u32]), &rows])])
}

/// Video with two ticks of decoder delay taken off, audio with 1024 ticks of priming.
pub(crate) fn init() -> Vec<u8> {
    let video = TrackParts {
        id: 1,
        handler: *b"vide",
        timescale: 25,
        edits: elst(&[(0, 2)]),
        entry: avc1(),
        tables: Vec::new(),
    };
    let audio = TrackParts {
        id: 2,
        handler: *b"soun",
        timescale: 48_000,
        edits: elst(&[(0, 1_024)]),
        entry: mp4a(),
        tables: Vec::new(),
    };
    [mp4(b"ftyp", &[b"iso6\0\0\0\0"]), moov(&[video, audio])].concat()
}

/// A fragment with three pictures and two sounds, muxed.
pub(crate) fn fragment(video_time: u64, audio_time: u64) -> Vec<u8> {
    let build = |video_offset: u32, audio_offset: u32| {
        let video = mp4(
            b"traf",
            &[
                &full(b"tfhd", 0, 0x2_0028, &[&words(&[1, 1, 0x101_0000])]),
                &full(b"tfdt", 1, 0, &[&video_time.to_be_bytes()]),
                &full(b"trun", 1, 0xa05, &[&words(&[3, video_offset, 0x200_0000, 5, 2, 3, 4, 1, 1])]),
            ],
        );
        let audio = mp4(
            b"traf",
            &[
                &full(b"tfhd", 0, 0x2_0008, &[&words(&[2, 1_024])]),
                &full(b"tfdt", 0, 0, &[&(audio_time as u32).to_be_bytes()]),
                &full(b"trun", 0, 0x201, &[&words(&[2, audio_offset, 6, 7])]),
            ],
        );
        mp4(b"moof", &[&full(b"mfhd", 0, 0, &[&words(&[1])]), &video, &audio])
    };
    let base = build(0, 0).len() as u32 + 8;
    let media: Vec<u8> = (0u8..22).collect();
    [mp4(b"styp", &[b"msdh\0\0\0\0"]), build(base, base + 9), mp4(b"mdat", &[&media])].concat()
}

fn read(init_bytes: &[u8], data: Vec<u8>) -> Result<Demuxed, MediaError> {
    demux(Some(&parse_init(init_bytes)?), &Bytes::from(data), Wanted::ALL)
}

#[test]
fn a_muxed_fragment_is_cut_without_copying() {
    let data = Bytes::from(fragment(100, 96_000));
    let demuxed = demux(Some(&parse_init(&init()).unwrap()), &data, Wanted::ALL).unwrap();
    let seen: Vec<_> =
        demuxed.video.samples.iter().map(|s| (s.pts, s.dts, s.keyframe, s.data.to_vec())).collect();
    assert_eq!(
        seen,
        [
            (100, Some(98), true, vec![0, 1, 2, 3, 4]),
            (103, Some(99), false, vec![5, 6, 7]),
            (101, Some(100), false, vec![8]),
        ]
    );
    let seen: Vec<_> = demuxed.audio.samples.iter().map(|s| (s.pts, s.duration, s.data.len())).collect();
    assert_eq!(seen, [(94_976, 1_024, 6), (96_000, 1_024, 7)]);
    let range = data.as_ptr_range();
    assert!(demuxed.video.samples.iter().all(|s| range.contains(&s.data.as_ptr())));
    let format = &demuxed.video.samples[0].format;
    assert_eq!((format.codec, format.layout), (Codec::H264, StreamLayout::LengthPrefixed));
    assert_eq!((format.width, format.height, format.pixel_aspect), (64, 36, (4, 3)));
    assert_eq!(&format.extra[..], b"\x01\x64\x00\x0a");
    let format = &demuxed.audio.samples[0].format;
    assert_eq!((format.codec, format.channels, format.sampling_rate), (Codec::Aac, 2, 48_000));
    assert_eq!(&format.extra[..], b"\x11\x90");
}

#[test]
fn priming_is_marked() {
    let demuxed = read(&init(), fragment(0, 0)).unwrap();
    let seen: Vec<_> = demuxed.audio.samples.iter().map(|s| (s.pts, s.trim_start)).collect();
    assert_eq!(seen, [(-1_024, 1_024), (0, 0)]);
    assert_eq!(demuxed.video.start(), Some(0));
}

#[test]
fn empty_edits_delay() {
    let track = TrackParts {
        id: 1,
        handler: *b"vide",
        timescale: 25,
        edits: elst(&[(2_000, -1), (0, 2)]),
        entry: avc1(),
        tables: Vec::new(),
    };
    let demuxed = read(&moov(&[track]), fragment(0, 0)).unwrap();
    assert_eq!(demuxed.video.start(), Some(50));
    assert!(demuxed.audio.samples.is_empty(), "an unknown track is passed over");
}

#[test]
fn fragments_follow_one_another() {
    let data = [fragment(0, 0), fragment(3, 2_048)].concat();
    let demuxed = read(&init(), data).unwrap();
    assert_eq!(
        demuxed.video.samples.iter().map(|s| s.dts).collect::<Vec<_>>(),
        (-2..4).map(Some).collect::<Vec<_>>()
    );
    assert_eq!(demuxed.audio.samples[3].pts, 2_048);
}

/// A file without fragments: three pictures in two chunks.
fn plain_file() -> Vec<u8> {
    let build = |offset: u32| {
        let tables = [
            full(b"stts", 0, 0, &[&words(&[1, 3, 5])]),
            full(b"ctts", 0, 0, &[&words(&[2, 1, 5, 2, 0])]),
            full(b"stss", 0, 0, &[&words(&[1, 1])]),
            full(b"stsz", 0, 0, &[&words(&[0, 3, 2, 3, 4])]),
            full(b"stsc", 0, 0, &[&words(&[1, 1, 2, 1])]),
            full(b"stco", 0, 0, &[&words(&[2, offset, offset + 10])]),
        ]
        .concat();
        let track =
            TrackParts { id: 1, handler: *b"vide", timescale: 25, edits: Vec::new(), entry: avc1(), tables };
        moov(&[track])
    };
    let offset = build(0).len() as u32 + 8;
    let media: Vec<u8> = (0u8..14).collect();
    [build(offset), mp4(b"mdat", &[&media])].concat()
}

#[test]
fn a_plain_file_is_read_by_its_tables() {
    let file = plain_file();
    let demuxed = demux(None, &Bytes::from(file), Wanted::ALL).unwrap();
    let seen: Vec<_> = demuxed.video.samples.iter().map(|s| (s.pts, s.keyframe, s.data.to_vec())).collect();
    assert_eq!(seen, [(5, true, vec![0, 1]), (5, false, vec![2, 3, 4]), (10, false, vec![10, 11, 12, 13]),]);
}

#[test]
fn samples_outside_of_the_media_data_are_refused() {
    let mut data = fragment(0, 0);
    data.truncate(data.len() - 22);
    let size = data.len();
    data[size - 5] -= 22;
    assert!(matches!(read(&init(), data), Err(MediaError::Malformed { .. })));
}

#[test]
fn overlapping_samples_are_refused() {
    let data = fragment(0, 0);
    // The audio run is put where the video run is.
    let place = data.windows(4).rposition(|window| window == b"trun").unwrap() + 12;
    let video = data.windows(4).position(|window| window == b"trun").unwrap() + 12;
    let mut damaged = data.clone();
    let offset: [u8; 4] = data[video..video + 4].try_into().unwrap();
    damaged[place..place + 4].copy_from_slice(&offset);
    assert!(matches!(
        read(&init(), damaged),
        Err(MediaError::Malformed { what: "two samples share bytes", .. })
    ));
}

/// `bytes` with the count in the first box of a kind set to the largest value.
fn with_huge_count(mut bytes: Vec<u8>, kind: &[u8; 4]) -> Vec<u8> {
    let place = bytes.windows(4).position(|window| window == kind).unwrap() + 8;
    bytes[place..place + 4].copy_from_slice(&[0xff; 4]);
    bytes
}

#[test]
fn huge_counts_are_refused() {
    let runs = read(&init(), with_huge_count(fragment(0, 0), b"trun"));
    assert!(matches!(runs, Err(MediaError::TooMany { .. })));
    // The first edit of the list is all that is read of it.
    assert!(read(&with_huge_count(init(), b"elst"), fragment(0, 0)).is_ok());
    let entries = read(&with_huge_count(plain_file(), b"stts"), Vec::new());
    assert!(matches!(entries, Err(MediaError::Malformed { .. })));
}

#[test]
fn impossible_sizes_are_refused() {
    for (size, rest) in [(0u32, 40u64), (1, 0), (1, 7), (1, u64::MAX), (7, 0), (u32::MAX, 0)] {
        let mut moof = size.to_be_bytes().to_vec();
        moof.extend_from_slice(b"moof");
        moof.extend_from_slice(&rest.to_be_bytes());
        moof.extend_from_slice(&[0; 32]);
        let _ = read(&init(), moof);
    }
    let cut = fragment(0, 0);
    assert!(matches!(
        read(&init(), cut[..cut.len() - 1].to_vec()),
        Err(MediaError::Truncated { missing: 1, .. })
    ));
}

/// The entry of an encrypted track.
fn encv() -> Vec<u8> {
    let tenc = full(b"tenc", 1, 0, &[&[0, 0x19, 1, 0], &[7; 16], &[16], &[9; 16]]);
    let schm = full(b"schm", 0, 0, &[b"cbcs\0\x01\0\0"]);
    let sinf = mp4(b"sinf", &[&mp4(b"frma", &[b"avc1"]), &schm, &mp4(b"schi", &[&tenc])]);
    let body = avc1().split_off(8);
    mp4(b"encv", &[&body, &sinf])
}

fn encrypted_init() -> Vec<u8> {
    moov(&[TrackParts {
        id: 1,
        handler: *b"vide",
        timescale: 25,
        edits: Vec::new(),
        entry: encv(),
        tables: Vec::new(),
    }])
}

#[test]
fn encryption_is_described() {
    let demuxed = read(&encrypted_init(), fragment(0, 0)).unwrap();
    let format = &demuxed.video.samples[0].format;
    assert_eq!(format.codec, Codec::H264);
    let protection = format.protection.as_ref().unwrap();
    assert_eq!(protection.scheme.0, *b"cbcs");
    assert_eq!((protection.crypt_blocks, protection.skip_blocks, protection.iv_size), (1, 9, 0));
    let sample = demuxed.video.samples[2].protection.as_ref().unwrap();
    assert_eq!((&sample.iv[..], sample.kid), (&[9; 16][..], [7; 16]));
    assert!(sample.subsamples.is_empty());
}

#[test]
fn groups_and_subsamples_say_otherwise() {
    // The second sample is clear, the third has its own key and vector.
    let groups =
        full(b"sgpd", 1, 0, &[b"seig", &words(&[20, 2]), &[0, 0, 0, 0], &[0; 16], &[0, 0, 1, 8], &[5; 16]]);
    let runs = full(b"sbgp", 0, 0, &[b"seig", &words(&[3, 1, 0, 1, 0x1_0001, 1, 0x1_0002])]);
    let sizes = full(b"saiz", 0, 0, &[&[0], &words(&[3]), &[8, 0, 22]]);
    let subsamples = [
        &[0, 1, 0, 1],
        &words(&[4])[..],
        &[4; 8],
        &[0, 2, 0, 0],
        &words(&[1])[..],
        &[0, 0],
        &words(&[0])[..],
    ]
    .concat();
    let senc = full(b"senc", 0, 2, &[&words(&[3]), &subsamples]);
    let build = |offset: u32| {
        let traf = mp4(
            b"traf",
            &[
                &full(b"tfhd", 0, 0x2_0018, &[&words(&[1, 1, 5])]),
                &full(b"trun", 0, 1, &[&words(&[3, offset])]),
                &groups,
                &runs,
                &sizes,
                &senc,
            ],
        );
        mp4(b"moof", &[&traf])
    };
    let data = [build(build(0).len() as u32 + 8), mp4(b"mdat", &[&[0; 15]])].concat();
    let demuxed = read(&encrypted_init(), data).unwrap();
    let protections: Vec<_> =
        demuxed.video.samples.iter().map(|sample| sample.protection.as_deref()).collect();
    assert_eq!(protections[0].unwrap().subsamples, [(1, 4)]);
    assert_eq!(&protections[0].unwrap().iv[..], &[9; 16]);
    assert_eq!(protections[1], None);
    let third = protections[2].unwrap();
    assert_eq!((third.kid, &third.iv[..], third.crypt_blocks), ([5; 16], &[4; 8][..], 0));
    assert_eq!(third.subsamples, [(0, 1), (0, 0)]);
}

#[test]
fn a_new_description_in_mid_file_holds_from_there_on() {
    let file = [init(), fragment(0, 0), encrypted_init(), fragment(3, 0)].concat();
    let demuxed = demux(None, &Bytes::from(file), Wanted::ALL).unwrap();
    let seen: Vec<_> = demuxed.video.samples.iter().map(|s| s.format.protection.is_some()).collect();
    assert_eq!(seen, [false, false, false, true, true, true]);
}

proptest! {
    #[test]
    fn damage_never_panics(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut head, mut body) = (init(), fragment(100, 96_000));
        for (place, value) in &changes {
            let all = head.len() + body.len();
            let at = place.index(all);
            if at < head.len() { head[at] = *value } else { body[at - head.len()] = *value }
        }
        let _ = read(&head, body.clone());
        let joined = Bytes::from([head, body].concat());
        let _ = demux(None, &joined, Wanted::ALL);
        let _ = demux(None, &joined.slice(..cut.index(joined.len())), Wanted::ALL);
    }

    #[test]
    fn any_boxes_end(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse_init(&bytes);
        let data = Bytes::from([mp4(b"moof", &[&bytes]), bytes].concat());
        let _ = demux(Some(&parse_init(&init()).unwrap()), &data, Wanted::ALL);
    }
}
