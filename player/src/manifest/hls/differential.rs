//! Our media playlist reader against `m3u8-rs`, on playlists that both can express.

use super::media;
use super::variables::Variables;
use proptest::prelude::*;

/// One segment of a generated playlist.
#[derive(Clone, Debug)]
struct Part {
    millis: u32,
    title: String,
    discontinuity: bool,
    range: Option<(u32, Option<u32>)>,
    map: bool,
}

fn part() -> impl Strategy<Value = Part> {
    let range = proptest::option::of((1u32..100_000, proptest::option::of(0u32..100_000)));
    (0u32..20_000, "[a-z ]{0,8}", any::<bool>(), range, any::<bool>()).prop_map(
        |(millis, title, discontinuity, range, map)| Part { millis, title, discontinuity, range, map },
    )
}

fn written(first: u64, end: bool, parts: &[Part]) -> String {
    let mut text =
        format!("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:20\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    for (at, part) in parts.iter().enumerate() {
        if part.discontinuity {
            text += "#EXT-X-DISCONTINUITY\n";
        }
        if part.map {
            text += &format!("#EXT-X-MAP:URI=\"init{at}.mp4\"\n");
        }
        if let Some((length, offset)) = part.range {
            let offset = offset.map(|offset| format!("@{offset}")).unwrap_or_default();
            text += &format!("#EXT-X-BYTERANGE:{length}{offset}\n");
        }
        text += &format!(
            "#EXTINF:{}.{:03},{}\nseg{at}.m4s\n",
            part.millis / 1000,
            part.millis % 1000,
            part.title.trim()
        );
    }
    if end {
        text += "#EXT-X-ENDLIST\n";
    }
    text
}

proptest! {
    #[test]
    fn both_read_the_same(first in 0u64..1 << 40, end: bool, parts in proptest::collection::vec(part(), 1..20)) {
        let text = written(first, end, &parts);
        let ours = media::read(&text, Variables::default()).unwrap();
        let theirs = m3u8_rs::parse_media_playlist_res(text.as_bytes()).unwrap();
        prop_assert_eq!(ours.media_sequence, theirs.media_sequence);
        prop_assert_eq!(ours.end_list, theirs.end_list);
        prop_assert_eq!(ours.target_duration, Some(theirs.target_duration * 1_000_000_000));
        prop_assert_eq!(ours.segments.len(), theirs.segments.len());
        for (one, other) in ours.segments.iter().zip(&theirs.segments) {
            prop_assert_eq!(ours.uri(one), other.uri.as_str());
            prop_assert_eq!(ours.title(one), other.title.as_deref().unwrap_or_default());
            // They keep 24 bits of a duration.
            prop_assert!((one.duration as f64 / 1e9 - f64::from(other.duration)).abs() < 1e-5);
            prop_assert_eq!(one.discontinuity, other.discontinuity);
            prop_assert_eq!(one.byte_range.and_then(|range| range.len()), other.byte_range.as_ref().map(|range| range.length));
            if let Some(offset) = other.byte_range.as_ref().and_then(|range| range.offset) {
                prop_assert_eq!(one.byte_range.map(|range| range.start), Some(offset));
            }
            // They attach a map to the segment after the tag only; for us it holds on.
            if let Some(map) = &other.map {
                let known = one.map.and_then(|at| ours.maps.get(at as usize));
                prop_assert_eq!(known.map(|map| map.uri.as_str()), Some(map.uri.as_str()));
            }
        }
    }
}
