//! Cases that are not expected to pass, by feature and never by case, each with its reason.

use crate::harness::Case;

/// One exclusion.
pub(crate) struct Row {
    /// `dash`, `hls` or `subtitles`.
    area: &'static str,
    /// A tag of the case, a feature found in it, or `format:`, `kind:`, `fn:` or `peer_error:` with that
    /// member's value.
    pub(crate) feature: &'static str,
    /// What every difference of the case must be about for the row to cover it; empty for the whole case.
    about: &'static str,
    /// Why.
    pub(crate) reason: &'static str,
}

const fn row(area: &'static str, feature: &'static str, about: &'static str, reason: &'static str) -> Row {
    Row { area, feature, about, reason }
}

/// All of them.
const ROWS: &[Row] = &[
    row("dash", "kind:patch", "", "MPD patches are not applied yet"),
    row("dash", "kind:note", "", "situations in words are not scripted yet"),
    row("dash", "fn:encodeIso8601Duration", "", "durations are read, never written"),
    row(
        "dash",
        "multi-period",
        "peer_periods",
        "the peer's periods are those of another variant of the document",
    ),
    row(
        "dash",
        "SegmentTimeline",
        "peer_periods",
        "the peer's segments are those of another variant of the document",
    ),
    row("hls", "kind:vector", "", "content steering is not followed yet"),
    row("hls", "kind:delta", "", "delta updates are not applied yet"),
    row("hls", "EXT-X-SKIP", "segments", "skipped segments are not filled in yet"),
    row("hls", "EXT-X-SKIP", "total_duration", "skipped segments are not filled in yet"),
    row("hls", "EXT-X-PRELOAD-HINT", "trailing_parts", "a hint is no part; one peer lists it as such"),
    row(
        "hls",
        "EXT-X-PRELOAD-HINT",
        "byte_range",
        "absent, BYTERANGE-START is zero; one peer goes on from the last part",
    ),
    row(
        "hls",
        "EXT-X-I-FRAMES-ONLY",
        "map",
        "no initialization is guessed for pictures before the first range",
    ),
    row(
        "hls",
        "EXT-X-MAP",
        "independent_segments",
        "the case does not carry the multivariant playlist that says so",
    ),
    row("hls", "EXT-X-DEFINE", "{$", "the case does not carry the address whose query is meant"),
    row("hls", "EXT-X-SERVER-CONTROL", "hold_back", "absent is absent; one peer says zero"),
    row(
        "hls",
        "EXT-X-MEDIA-SEQUENCE",
        "media_sequence",
        "sequence numbers are not negative by the specification",
    ),
    row("hls", "EXTINF", "title", "a title that is not there is no title; one peer says \"undefined\""),
    row("hls", "EXTINF", "not #EXTM3U", "text before the header is refused"),
    row("subtitles", "format:ttml", "", "TTML and IMSC are not read yet"),
    row("subtitles", "format:subrip", "", "SubRip has no place in DASH and HLS"),
    row("subtitles", "format:srt", "", "SubRip has no place in DASH and HLS"),
    row("subtitles", "format:ssa", "", "SubStation Alpha has no place in DASH and HLS"),
    row("subtitles", "format:scc", "", "closed captions are not read yet"),
    row("subtitles", "format:cea-608", "", "closed captions are not read yet"),
    row("subtitles", "format:cea-608/708", "", "closed captions are not read yet"),
    row(
        "subtitles",
        "old regions",
        "region",
        "regions stand in blocks of their own since 2015; one peer reads the header",
    ),
    row(
        "subtitles",
        "no timings at an arrow",
        "cues",
        "times by the specification only; one peer reads others as well",
    ),
    row(
        "subtitles",
        "old alignment",
        "settings",
        "a setting with an unknown alignment is left out as a whole, as the specification says",
    ),
    row(
        "subtitles",
        "no signature",
        "not WebVTT",
        "what does not begin as WebVTT is refused; one peer reads it as nothing",
    ),
    row("subtitles", "cue below the signature", "1 found", "a cue may follow the signature at once"),
    row("subtitles", "drawing model", "cues", "the peer's model of what it draws, cut at every change"),
    row(
        "subtitles",
        "rare character name",
        "expected",
        "of the 2,200 names of HTML those are known that occur in text",
    ),
    row(
        "subtitles",
        "format:webvtt-in-mp4",
        "outside of the media data",
        "offsets of samples are believed; one peer passes over them",
    ),
];

/// The row that covers `case`, whose differences are `wrong`, if one does.
pub(crate) fn covering(area: &str, case: &Case, wrong: &[String]) -> Option<&'static Row> {
    let features = case.features();
    ROWS.iter().find(|row| {
        row.area == area
            && features.iter().any(|feature| feature == row.feature)
            && wrong.iter().all(|what| what.contains(row.about))
    })
}
