//! Cases that are not expected to pass, by feature and never by case, each with its reason.

/// One exclusion.
pub(crate) struct Row {
    /// The folder of the collection.
    area: &'static str,
    /// A tag of the case, `kind:`, `fn:`, `peer_error:` or `format:` with that member's value, the ending of a
    /// media file with its dot, `elst` for one with an edit list, a feature found in a file of subtitles, or
    /// several of these with `+` between them.
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
    row("dash", "kind:note", "", "situations in words are not scripted yet"),
    row("dash", "fn:encodeIso8601Duration", "", "durations are read, never written"),
    row(
        "dash",
        "SegmentBase",
        "not reported",
        "the peer fails at the index that it fetches, which the case does not carry",
    ),
    row("dash", "UrlQueryInfo", "url", "the independent readings leave the parameters of annex I out"),
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
    row(
        "hls",
        "EXT-X-SKIP",
        "segments",
        "what is skipped stands in the playlist before, which the case does not carry",
    ),
    row(
        "hls",
        "EXT-X-SKIP",
        "total_duration",
        "what is skipped stands in the playlist before, which the case does not carry",
    ),
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
    row("drm", "fn:extractContentId", "", "FairPlay: named in the error, not built in"),
    row("drm", "fn:getId", "", "FairPlay: named in the error, not built in"),
    row("drm", "fn:getLicenseServerUrl", "", "FairPlay: named in the error, not built in"),
    row("drm", "fn:getLicenseRequestFromMessage", "", "PlayReady: named in the error, not built in"),
    row("drm", "fn:getRequestHeadersFromMessage", "", "PlayReady: named in the error, not built in"),
    row(
        "drm",
        "fn:findCencContentProtection",
        "",
        "looks for the name of a constant of that library, not for what stands in manifests",
    ),
    row(
        "drm",
        "fn:getLicenseServerUrlFromContentProtection",
        "",
        "a search in the peer's own objects; reading manifests is tested with manifests",
    ),
    row("media", ".flac", "no known format", "bare FLAC files are no streaming container"),
    row("media", "ogg", "no known format", "Ogg is no streaming container"),
    row("media", ".png", "no known format", "a picture"),
    row("media", ".mp3", "no known format", "begins with zeros, which no segment does"),
    row("media", "damaged", "ends", "cut off, hence refused: a segment is whole or fetched again"),
    row("media", "fragmented", "initialization", "its track is described outside of the file"),
    row("media", "pcm_s16le", "samples", "PCM, which ffprobe gathers into larger packets"),
    row("media", "amr_nb", "channels", "ffprobe asks the AMR decoder for channels"),
    row("media", "mp3", "channels", "ffprobe asks the MP3 decoder for channels; the sample entry says two"),
    row("media", "ac3", "audio: samples", "ffprobe counts the parts of frames at both ends"),
    row("media", "eac3", "audio: samples", "ffprobe counts the part of a frame at the end"),
    row("media", "bin_data", "", "AC-4 is not played"),
    row("media", "dts", "", "DTS in transport streams is not played"),
    row("media", "aac_latm", "", "LATM is reported as unsupported, not cut"),
    row("media", "mjpeg", "", "ffprobe takes the picture in the tag for a video stream"),
    row("media", "mkv", "encrypted WebM", "encrypted WebM is reported as unsupported"),
    row(
        "media",
        "hevc+ts",
        "video: the bytes",
        "ffprobe counts the zero byte before a start code to the unit before it",
    ),
    row(
        "media",
        "h264+aac+ts",
        "video: the bytes",
        "ffprobe counts the zero byte before a start code to the unit before it",
    ),
    row("media", "mp3+ts", "audio: the bytes", "DTS, which ffprobe takes for MP3, is not played"),
    row("media", "ctts", "dts", "ffprobe moves decoding times by the composition offset"),
    row("media", "vvc1", "pts", "ffprobe moves time stamps by the largest negative composition offset"),
    row("media", "elst", "audio", "ffprobe drops sound behind the end of the edit"),
    row("media", "elst", "video", "ffprobe rounds an edit that begins between two pictures"),
    row("media", "fmp4", "pts", "ffprobe moves time stamps by the largest negative composition offset"),
    row("media", ".aac", "first pts", "ffprobe ignores the time stamp in the tag"),
];

/// The row that covers a case with `features`, whose differences are `wrong`, if one does.
pub(crate) fn covering(area: &str, features: &[String], wrong: &[String]) -> Option<&'static Row> {
    ROWS.iter().find(|row| {
        row.area == area
            && row.feature.split('+').all(|wanted| features.iter().any(|feature| feature == wanted))
            && wrong.iter().all(|what| what.contains(row.about))
    })
}
