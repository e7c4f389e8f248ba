//! From the bytes of a manifest to the addresses of its segments.

use super::*;
use crate::pipeline::Timing;
use abr::error::Code;
use abr::presentation::{Container, ContentType, RepresentationKey};
use abr::protocol::Resource;
use abr::segments::SegmentIndex;
use std::time::{Duration, Instant};

const MPD: &str = r#"<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT20S">
 <BaseURL>https://a.example/t/</BaseURL><BaseURL>https://b.example/t/</BaseURL>
 <Period id="one" duration="PT10S">
  <AdaptationSet contentType="video" mimeType="video/mp4" codecs="avc1.4d401e">
   <SegmentTemplate timescale="1000" presentationTimeOffset="500" initialization="$RepresentationID$/i.mp4" media="$RepresentationID$/$Time$.m4s">
    <SegmentTimeline><S t="500" d="4000" r="-1"/></SegmentTimeline>
   </SegmentTemplate>
   <Representation id="hi" bandwidth="900" width="-1" height="720"/>
   <Representation id="lo" bandwidth="300" height="360"/>
   <Representation id="bad" bandwidth="100"><SegmentTemplate timescale="0"/></Representation>
  </AdaptationSet>
  <AdaptationSet contentType="audio" lang="de" mimeType="audio/mp4" codecs="mp4a.40.2">
   <Representation id="a" bandwidth="128000"><BaseURL>a.mp4</BaseURL><SegmentBase indexRange="700-999" timescale="48000" presentationTimeOffset="48000"/></Representation>
  </AdaptationSet>
  <AdaptationSet contentType="video"><EssentialProperty schemeIdUri="urn:x"/><Representation id="x" bandwidth="1"/></AdaptationSet>
 </Period>
 <Period><AdaptationSet mimeType="video/mp4"><SegmentList duration="5"><Initialization sourceURL="l/i.mp4" range="0-99"/>
   <SegmentURL media="l/1.mp4"/><SegmentURL mediaRange="5-9"/></SegmentList>
   <Representation id="l" bandwidth="5"/></AdaptationSet></Period>
</MPD>"#;

const MULTIVARIANT: &str = "#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aud\",NAME=\"Deutsch\",LANGUAGE=\"de\",DEFAULT=YES,CHANNELS=\"2\",URI=\"a/de.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aud\",NAME=\"English\",LANGUAGE=\"en\",URI=\"a/en.m3u8\"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"sub\",NAME=\"English\",LANGUAGE=\"en\",URI=\"s/en.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=900,CODECS=\"avc1.4d401f,mp4a.40.2\",RESOLUTION=1280x720,AUDIO=\"aud\",SUBTITLES=\"sub\",FRAME-RATE=29.97
v/720.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=300,CODECS=\"avc1.4d401e,mp4a.40.2\",RESOLUTION=640x360,AUDIO=\"aud\",SUBTITLES=\"sub\",X-UNKNOWN=1
v/360.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=300,CODECS=\"avc1.4d401e,mp4a.40.2\",RESOLUTION=640x360,AUDIO=\"aud\",SUBTITLES=\"sub\"
https://backup.example/v/360.m3u8
#EXT-X-STREAM-INF:RESOLUTION=abc
v/odd.m3u8
";

const MEDIA: &str = "#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI=\"all.mp4\",BYTERANGE=\"100@0\"
#EXTINF:4.000000001,
#EXT-X-BYTERANGE:10@100
all.mp4
#EXTINF:4.000000001,first
#EXT-X-BYTERANGE:20
all.mp4
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI=\"other.mp4\"
#EXT-X-GAP
#EXTINF:2.5,
x/3.m4s
#EXT-X-ENDLIST
";

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn key(period: u32, adaptation_set: u32, representation: u32) -> RepresentationKey {
    RepresentationKey { period, adaptation_set, representation }
}

fn shown(address: Option<Address>) -> String {
    address.map_or("nothing".to_owned(), |address| match address.range {
        None => address.url.to_string(),
        Some(range) => format!("{} {}-{:?}", address.url, range.start, range.end),
    })
}

#[test]
fn an_mpd_becomes_a_title() {
    let title = read(&url("https://h.example/d/m.mpd"), MPD.as_bytes()).unwrap();
    let presentation = &title.presentation;
    assert_eq!(title.addresses.protocol(), Protocol::Dash);
    assert_eq!(presentation.duration, Some(Duration::from_secs(20)));
    assert_eq!(presentation.periods.len(), 2);
    let video = &presentation.periods[0].adaptation_sets[0];
    assert_eq!(presentation.periods[0].adaptation_sets.len(), 2, "an unknown essential property drops a set");
    let ids: Vec<&str> = video.representations.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["lo", "hi"], "ascending bandwidth, without the one that has no timescale");
    assert_eq!((video.representations[1].width, video.representations[1].height), (0, 720));
    assert_eq!(video.representations[0].locations, 2);
    let warnings = presentation.warnings.join("\n");
    assert!(
        warnings.contains("@width") && warnings.contains("@timescale") && warnings.contains("urn:x"),
        "{warnings}"
    );

    let lo = key(0, 0, 0);
    let runs = video.representations[0].index.known().unwrap();
    assert_eq!(runs.len(), 3);
    let last = runs.get(2).unwrap();
    assert_eq!((last.start.as_millis(), last.end.as_millis()), (8000, 10_000));
    let resolve = |resource: Resource, location| shown(title.addresses.resolve(&resource, location));
    assert_eq!(resolve(Resource::Init { representation: lo, init: 0 }, 0), "https://a.example/t/lo/i.mp4");
    let segment = Resource::Segment { representation: lo, segment: last };
    assert_eq!(resolve(segment, 0), "https://a.example/t/lo/8500.m4s");
    assert_eq!(resolve(segment, 1), "https://b.example/t/lo/8500.m4s");
    assert_eq!(title.addresses.timing(lo, &last), Timing::Offset { ticks: -500, timescale: 1000 });

    let listed = key(1, 0, 0);
    let runs = presentation.representation(listed).unwrap().index.known().unwrap();
    assert_eq!(runs.get(0).unwrap().start.as_millis(), 10_000);
    assert_eq!(
        resolve(Resource::Init { representation: listed, init: 0 }, 0),
        "https://a.example/t/l/i.mp4 0-Some(100)"
    );
    let second = Resource::Segment { representation: listed, segment: runs.get(1).unwrap() };
    assert_eq!(resolve(second, 0), "https://a.example/t/ 5-Some(10)");
}

#[test]
fn an_index_in_the_file_is_read() {
    let mut title = read(&url("https://h.example/d/m.mpd"), MPD.as_bytes()).unwrap();
    let audio = key(0, 1, 0);
    let at = title.addresses.resolve(&Resource::Index(audio), 0);
    assert_eq!(shown(at.clone()), "https://a.example/t/a.mp4 700-Some(1000)");
    let init = Resource::Init { representation: audio, init: 0 };
    assert_eq!(shown(title.addresses.resolve(&init, 0)), "https://a.example/t/a.mp4 0-Some(700)");
    let mut body = 68u32.to_be_bytes().to_vec();
    body.extend(b"sidx");
    for word in [0u32, 1, 48_000, 48_000, 0, 3, 100, 192_000, 0, 200, 192_000, 0, 50, 192_000, 0] {
        body.extend(word.to_be_bytes());
    }
    let index = title.addresses.read_index(audio, &at.unwrap().url, &body).unwrap();
    let runs = index.known().unwrap();
    assert_eq!(runs.sizes, [100, 200, 50]);
    let second = runs.get(1).unwrap();
    assert_eq!((second.start.as_millis(), second.end.as_millis(), second.size), (4000, 8000, Some(200)));
    let resource = Resource::Segment { representation: audio, segment: second };
    assert_eq!(shown(title.addresses.resolve(&resource, 0)), "https://a.example/t/a.mp4 868-Some(1068)");
    assert!(title.addresses.read_index(audio, &url("https://h/x"), &body[..30]).is_err());
}

#[test]
fn a_multivariant_playlist_becomes_a_title() {
    let mut title = read(&url("https://h.example/d/m.m3u8"), MULTIVARIANT.as_bytes()).unwrap();
    let sets = &title.presentation.periods[0].adaptation_sets;
    let kinds: Vec<_> =
        sets.iter().map(|set| (set.content_type, set.muxed_audio, set.language.as_deref())).collect();
    assert_eq!(
        kinds,
        [
            (ContentType::Video, false, None),
            (ContentType::Video, true, None),
            (ContentType::Audio, false, Some("de")),
            (ContentType::Audio, false, Some("en")),
            (ContentType::Text, false, Some("en")),
        ]
    );
    assert!(sets[2].is_default && !sets[3].is_default);
    let low = &sets[0].representations[0];
    assert_eq!(
        (low.bandwidth_bps, low.height, low.locations, low.codecs.as_str()),
        (300, 360, 2, "avc1.4d401e")
    );
    assert_eq!(sets[0].representations[1].frame_rate, (30_000, 1001));
    assert_eq!(sets[2].representations[0].codecs, "mp4a.40.2");
    assert!(
        title.presentation.warnings.iter().any(|warning| warning.contains("line 11")),
        "a bad tag costs itself"
    );

    let video = key(0, 0, 0);
    let index = Resource::Index(video);
    assert_eq!(shown(title.addresses.resolve(&index, 0)), "https://h.example/d/v/360.m3u8");
    assert_eq!(shown(title.addresses.resolve(&index, 1)), "https://backup.example/v/360.m3u8");
    let found = url("https://cdn.example/redirected/360.m3u8");
    let index = title.addresses.read_index(video, &found, MEDIA.as_bytes()).unwrap();
    let SegmentIndex::Known(runs) = index else { panic!("not known") };
    assert!(runs.complete);
    let shape: Vec<_> =
        runs.runs.iter().map(|run| (run.number, run.count, run.discontinuity, run.init, run.gap)).collect();
    assert_eq!(shape, [(7, 2, 0, Some(0), false), (9, 1, 1, Some(1), true)]);
    assert_eq!(runs.sizes, [10, 20]);
    assert_eq!(runs.get(2).unwrap().start.as_nanos(), 8_000_000_002, "durations add up exactly");
    let resolve = |resource, location| shown(title.addresses.resolve(&resource, location));
    let segment = |at| Resource::Segment { representation: video, segment: runs.get(at).unwrap() };
    assert_eq!(resolve(segment(1), 0), "https://cdn.example/redirected/all.mp4 110-Some(130)");
    assert_eq!(resolve(segment(2), 0), "https://cdn.example/redirected/x/3.m4s");
    assert_eq!(resolve(segment(2), 1), "https://backup.example/v/x/3.m4s");
    assert_eq!(
        resolve(Resource::Init { representation: video, init: 0 }, 0),
        "https://cdn.example/redirected/all.mp4 0-Some(100)"
    );
    assert_eq!(title.addresses.timing(video, &runs.get(2).unwrap()), Timing::Discontinuity(1));
}

#[test]
fn a_media_playlist_is_a_title_by_itself() {
    let title = read(&url("file:///home/u/t/p.m3u8"), MEDIA.as_bytes()).unwrap();
    let set = &title.presentation.periods[0].adaptation_sets[0];
    assert_eq!((set.content_type, set.muxed_audio), (ContentType::Video, true));
    assert_eq!(set.representations[0].container, Container::Mp4);
    assert_eq!(title.presentation.duration, Some(Duration::from_nanos(10_500_000_002)));
    assert!(!title.presentation.dynamic);
}

#[test]
fn a_refreshed_playlist_keeps_its_place() {
    let live = |first: u64| {
        format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXTINF:4,\na.ts\n#EXTINF:3,\nb.ts\n"
        )
    };
    let place = url("https://h/p.m3u8");
    let mut title = read(&place, live(5).as_bytes()).unwrap();
    assert!(title.presentation.dynamic);
    let index = title.addresses.read_index(key(0, 0, 0), &place, live(6).as_bytes()).unwrap();
    assert_eq!(index.known().unwrap().get(0).unwrap().start.as_millis(), 4000);
}

#[test]
fn what_is_no_manifest_is_named() {
    let check = |body: &[u8], code: Code, words: &str| {
        let error = read(&url("https://h/x"), body).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    check(b"", Code::NotAManifest, "empty");
    check(b" <!DOCTYPE html><html>", Code::NotAManifest, "web page");
    check(b"{\"a\":1}", Code::NotAManifest, "JSON");
    check(b"\xff\xfe<\0", Code::NotAManifest, "UTF-16");
    check(b"\x00\x00\x00\x18ftyp\xff", Code::NotAManifest, "not text");
    check(b"<MPD>\n <Period>", Code::Manifest, "line 2");
    check(b"<MPD><Period></MPD>", Code::Manifest, "column");
    check(b"<Patch/>", Code::Unsupported, "patch");
    check(b"<SmoothStreamingMedia/>", Code::NotAManifest, "SmoothStreamingMedia");
    check(b"<MPD/>", Code::Manifest, "no Period");
    check(b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-ENDLIST\n", Code::Manifest, "without any segment");
    check(
        b"<!DOCTYPE a [<!ENTITY x \"y\"><!ENTITY z \"&x;&x;\">]><MPD>&z;</MPD>",
        Code::Manifest,
        "document type",
    );
    check(b"<MPD><Period><BaseURL>&x;</BaseURL></Period></MPD>", Code::Manifest, "entity");
    assert_eq!(read(&url("ftp://h/x"), b"#EXTM3U").unwrap_err().code(), Code::Forbidden);
}

#[test]
fn a_manifest_from_the_network_reaches_no_file() {
    let mpd =
        MPD.replace("https://a.example/t/", "file:///etc/").replace("https://b.example/t/", "file:///srv/");
    let error = read(&url("https://h/m.mpd"), mpd.as_bytes()).unwrap_err();
    assert_eq!(error.code(), Code::Forbidden);
    assert!(error.to_string().contains("may not name a file"), "{error}");
    let text = MEDIA.replace("x/3.m4s", "file:///etc/passwd").replace("other.mp4", "concat:a|b");
    let place = url("https://h/p.m3u8");
    let title = read(&place, text.as_bytes()).unwrap();
    let key = key(0, 0, 0);
    let third = title.presentation.representation(key).unwrap().index.known().unwrap().get(2).unwrap();
    assert_eq!(title.addresses.resolve(&Resource::Segment { representation: key, segment: third }, 0), None);
    assert_eq!(title.addresses.resolve(&Resource::Init { representation: key, init: 1 }, 0), None);
}

#[test]
fn limits_hold() {
    let place = url("https://h/x");
    let too_many = |body: String| matches!(read(&place, body.as_bytes()), Err(ManifestError::TooMany { .. }));
    let representations = |count| {
        let one = "<Representation bandwidth=\"1\" mimeType=\"video/mp4\"/>";
        format!(
            "<MPD mediaPresentationDuration=\"PT1S\"><Period><AdaptationSet>{}</AdaptationSet></Period></MPD>",
            one.repeat(count)
        )
    };
    assert!(!too_many(representations(crate::limits::REPRESENTATIONS)));
    assert!(too_many(representations(crate::limits::REPRESENTATIONS + 1)));
    assert!(too_many(format!("<MPD>{}", "<a>".repeat(100_000))));
    let segments = |count| format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{}", "#EXTINF:4,\na\n".repeat(count));
    assert!(!too_many(segments(crate::limits::SEGMENTS_EXPANDED)));
    assert!(too_many(segments(crate::limits::SEGMENTS_EXPANDED + 1)));
    assert!(too_many(format!("#EXTM3U\n#EXTINF:4,\n{}", "a".repeat(crate::limits::PLAYLIST_LINE_BYTES + 1))));
    assert!(too_many("x".repeat(17 << 20)));
    let zeros = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{}", "#EXTINF:0,\na\n".repeat(101));
    assert!(matches!(read(&place, zeros.as_bytes()), Err(ManifestError::Malformed { .. })));
}

/// Half a million contradictory elements: each costs a count, none a walk over the text.
#[test]
fn many_mistakes_are_cheap() {
    let start = Instant::now();
    let timeline = "<S t=\"5\" d=\"x\"/>".repeat(400_000);
    let body = format!(
        "<MPD><Period duration=\"PT9S\"><AdaptationSet mimeType=\"video/mp4\"><SegmentTemplate media=\"$Time$\"><SegmentTimeline>{timeline}</SegmentTimeline></SegmentTemplate><Representation bandwidth=\"1\"/></AdaptationSet></Period></MPD>"
    );
    assert!(read(&url("https://h/x"), body.as_bytes()).is_err());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// Pieces of manifests in any order, so that damage lands behind the header.
fn pieces() -> impl proptest::strategy::Strategy<Value = String> {
    let piece = proptest::sample::select(vec![
        "#EXTM3U\n",
        "#EXTINF:",
        "4.0,\n",
        "-1\n",
        "99999999999999999999,",
        "seg.ts\n",
        "#EXT-X-BYTERANGE:5@",
        "18446744073709551615\n",
        "#EXT-X-MAP:URI=\"i\"\n",
        "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n",
        "#EXT-X-DISCONTINUITY\n",
        "#EXT-X-MEDIA-SEQUENCE:",
        "#EXT-X-STREAM-INF:BANDWIDTH=1\n",
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",URI=\"u\"\n",
        "#EXT-X-DEFINE:NAME=\"v\",VALUE=\"{$v}\"\n",
        "{$v}",
        "#EXT-X-PART:DURATION=1,URI=\"p\"\n",
        "#EXT-X-SKIP:SKIPPED-SEGMENTS=",
        "#EXT-X-ENDLIST\n",
        "é\u{0}\n",
        "<MPD mediaPresentationDuration=\"",
        "<MPD>",
        "PT10S\">",
        "<Period>",
        "<Period start=\"PT5S\" duration=\"PT1S\">",
        "</Period>",
        "</MPD>",
        "<AdaptationSet mimeType=\"video/mp4\">",
        "</AdaptationSet>",
        "<Representation id=\"r\" bandwidth=\"1\">",
        "</Representation>",
        "<SegmentTemplate media=\"$Number%05d$\" duration=\"",
        "<SegmentTemplate media=\"$Time$\">",
        "1\"/>",
        "0\"/>",
        "</SegmentTemplate>",
        "<SegmentTimeline>",
        "</SegmentTimeline>",
        "<S t=\"9223372036854775807\" d=\"1\" r=\"2147483647\"/>",
        "<S d=\"1\" r=\"-1\"/>",
        "<SegmentBase indexRange=\"0-9\"/>",
        "<BaseURL>http://x/</BaseURL>",
        "&amp;",
        "&lt",
        "<",
    ]);
    use proptest::strategy::Strategy;
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_answered(body in proptest::collection::vec(0u8.., 0..300)) {
        let _ = read(&url("https://h/x"), &body);
    }

    #[test]
    fn any_order_of_pieces_is_answered(body in pieces(), hls in 0u8..3) {
        let head = ["", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n", "<MPD mediaPresentationDuration=\"PT10S\"><Period><AdaptationSet mimeType=\"video/mp4\">"];
        let body = format!("{}{body}", head[usize::from(hls)]);
        if let Ok(mut title) = read(&url("https://h/x"), body.as_bytes()) {
            for (key, representation) in title.presentation.representations() {
                if let Some(runs) = representation.index.known() {
                    for segment in runs.iter().take(3) {
                        let resource = Resource::Segment { representation: key, segment };
                        proptest::prop_assert!(segment.end >= segment.start);
                        let _ = (title.addresses.resolve(&resource, 3), title.addresses.timing(key, &segment));
                    }
                }
            }
            let _ = title.addresses.read_index(key(0, 0, 0), &url("https://h/y"), body.as_bytes());
        }
    }
}
