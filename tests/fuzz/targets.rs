//! What each fuzz target does with its bytes: everything that a player does with such bytes from the network,
//! without panicking, hanging or swelling. Used by the targets of `cargo fuzz` and by the replay of the corpora
//! in the normal test run.

use abr::presentation::RepresentationKey;
use abr::protocol::Resource;
use abr::segments::{Segment, SegmentIndex, SegmentRuns};
use abr::time::MediaTime;
use player::manifest::{Title, dash, read};
use player::media::inband;
use player::pipeline::Timing;
use player::timed::{emsg, scte35};
use url::Url;

/// One target: its name, which is that of its corpus, and what it does.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All targets.
pub(crate) const TARGETS: &[Target] = &[
    ("m3u8", manifest),
    ("mpd", manifest),
    ("patch", patch),
    ("sidx", sidx),
    ("emsg", emsg),
    ("scte35", splice),
    ("steering", steering),
];

const KEY: RepresentationKey = RepresentationKey { period: 0, adaptation_set: 0, representation: 0 };

fn url() -> Url {
    Url::parse("https://example.com/title/manifest").expect("an address")
}

/// A manifest of either kind, read, shown, resolved, and read again as its own successor.
pub(crate) fn manifest(data: &[u8]) {
    let Ok(title) = read(&url(), data) else { return };
    walk(&title);
    if let Ok(next) = read(&url(), data) {
        walk(&next.following(&title.presentation, &title.addresses));
    }
    let mut title = title;
    let _ = title.addresses.read_index(KEY, &url(), data);
    let _ = title.addresses.read_index(KEY, &url(), data);
    walk(&title);
}

fn walk(title: &Title) {
    let _ = player::inspect::text(title);
    let _ = player::inspect::json(title);
    for (key, representation) in title.presentation.representations().take(20) {
        let SegmentIndex::Known(runs) = &representation.index else { continue };
        for segment in runs.iter().take(50) {
            let resource = Resource::Segment { representation: key, segment };
            let _ = (title.addresses.resolve(&resource, 1), title.addresses.encryption(&resource));
            let _ = runs.at(segment.start);
        }
        let _ = runs.at(MediaTime::from_millis(i64::MAX / 2_000_000));
    }
}

/// A patch for an MPD of all the parts that patches name.
pub(crate) fn patch(data: &[u8]) {
    const MPD: &str = "<MPD id='base' publishTime='1' type='dynamic' availabilityStartTime='2026-01-01T00:00:00Z'>\
        <PatchLocation ttl='60'>p</PatchLocation><Period id='P0' start='PT0S'><AdaptationSet id='1' \
        mimeType='video/mp4'><SegmentTemplate timescale='1' media='$Time$' startNumber='1'><SegmentTimeline>\
        <S t='0' d='2' r='9'/><S d='3'/></SegmentTimeline></SegmentTemplate><Representation id='v' bandwidth='1'/>\
        </AdaptationSet></Period></MPD>";
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(whole) = dash::patch::apply(MPD, text) {
        manifest(whole.as_bytes());
    }
}

/// The index of an on-demand representation.
pub(crate) fn sidx(data: &[u8]) {
    const MPD: &str = "<MPD mediaPresentationDuration='PT60S'><Period><AdaptationSet mimeType='video/mp4'>\
        <Representation id='v' bandwidth='1'><BaseURL>v.mp4</BaseURL><SegmentBase timescale='1000' \
        presentationTimeOffset='7' indexRange='100-900'/></Representation></AdaptationSet></Period></MPD>";
    let mut title = read(&url(), MPD.as_bytes()).expect("an MPD");
    if let Ok(index) = title.addresses.read_index(KEY, &url(), data) {
        if let Some(representation) = title.presentation.representation_mut(KEY) {
            representation.index = index;
        }
        walk(&title);
    }
}

fn segment() -> Segment {
    let run = abr::segments::Run {
        number: 1,
        start: 0,
        duration: 2,
        count: 9,
        discontinuity: 0,
        init: None,
        gap: false,
        part: None,
    };
    SegmentRuns { timescale: 1, runs: vec![run], ..SegmentRuns::default() }.get(3).expect("a segment")
}

/// An event message box, alone and in a segment.
pub(crate) fn emsg(data: &[u8]) {
    let _ = emsg::read(data);
    for timing in [Timing::Offset { ticks: -3, timescale: 2 }, Timing::Discontinuity(0)] {
        for event in inband::events(data, Some(data), &segment(), timing) {
            let _ = (event.splice(), event.frames(), event.end());
        }
    }
}

/// A splice information section.
pub(crate) fn splice(data: &[u8]) {
    if let Ok(section) = scte35::read(data) {
        let _ = section.moment();
    }
}

/// The answer of a steering server.
pub(crate) fn steering(data: &[u8]) {
    if let Ok(answer) = player::manifest::steering::Steering::read(data) {
        for clone in &answer.pathway_clones {
            let _ = clone.replaced(&url(), Some("v"));
        }
    }
}
