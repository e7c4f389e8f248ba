//! RFC 6381 codec strings, as far as a manifest needs them: which kind of track, and which family.

/// What a codec encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Video,
    Audio,
    Text,
}

/// The kind of one codec string; `None` for an unknown one.
pub(crate) fn kind(codec: &str) -> Option<Kind> {
    let name = codec.trim().split('.').next().unwrap_or_default();
    Some(match name.to_ascii_lowercase().as_str() {
        "avc1" | "avc2" | "avc3" | "avc4" | "hvc1" | "hev1" | "hvc2" | "hev2" | "dvh1" | "dvhe" | "dva1"
        | "dvav" | "dav1" | "av01" | "vp08" | "vp09" | "vp8" | "vp9" | "mp4v" | "vvc1" | "vvi1" | "evc1"
        | "lvc1" | "theora" | "mp2v" | "h264" | "h265" | "s263" | "mjpg" => Kind::Video,
        "mp4a" | "ac-3" | "ec-3" | "ac-4" | "opus" | "vorbis" | "flac" | "alac" | "mp3" | "dtsc" | "dtse"
        | "dtsh" | "dtsl" | "dtsx" | "dts-" | "dts+" | "mhm1" | "mhm2" | "mha1" | "mha2" | "iamf"
        | "samr" | "sawb" | "aac" | "speex" | "pcm" | "ipcm" | "fpcm" => Kind::Audio,
        "stpp" | "wvtt" | "tx3g" | "ttml" | "webvtt" | "sbtt" | "stxt" | "c608" | "c708" => Kind::Text,
        _ => return None,
    })
}

/// The codecs of one kind out of a comma-separated list; unknown ones count as nothing.
pub(crate) fn of_kind(list: &str, wanted: Kind) -> Vec<&str> {
    list.split(',').map(str::trim).filter(|codec| kind(codec) == Some(wanted)).collect()
}

/// A name for codecs that one decoder takes without a new start (`avc1` and `avc3` are the same).
pub(crate) fn family(codec: &str) -> &str {
    match codec.trim().split('.').next().unwrap_or_default() {
        "avc1" | "avc2" | "avc3" | "avc4" => "avc",
        "hvc1" | "hev1" | "hvc2" | "hev2" => "hevc",
        "dvh1" | "dvhe" | "dva1" | "dvav" | "dav1" => "dolby-vision",
        "vp09" | "vp9" => "vp9",
        "vp08" | "vp8" => "vp8",
        other => other,
    }
}

/// A decimal frame rate as a fraction: the NTSC family by name, everything else in thousandths.
pub(crate) fn frame_rate(rate: f64) -> (u32, u32) {
    if !(rate > 0.0 && rate <= 1000.0) {
        return (0, 1);
    }
    for whole in [24u32, 30, 48, 60, 120] {
        let ntsc = f64::from(whole) * 1000.0 / 1001.0;
        if (rate - ntsc).abs() < 0.005 {
            return (whole * 1000, 1001);
        }
    }
    // In range by the check above: at most 1,000,000.
    let thousandths = (rate * 1000.0).round() as u32;
    if thousandths.is_multiple_of(1000) { (thousandths / 1000, 1) } else { (thousandths.max(1), 1000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_by_kind() {
        let list = "avc1.64001f, mp4a.40.2,stpp.ttml.im1t,xyz1";
        assert_eq!(of_kind(list, Kind::Video), ["avc1.64001f"]);
        assert_eq!(of_kind(list, Kind::Audio), ["mp4a.40.2"]);
        assert_eq!(of_kind(list, Kind::Text), ["stpp.ttml.im1t"]);
    }

    #[test]
    fn frame_rates_become_fractions() {
        assert_eq!(frame_rate(29.97), (30_000, 1001));
        assert_eq!(frame_rate(23.976), (24_000, 1001));
        assert_eq!(frame_rate(25.0), (25, 1));
        assert_eq!(frame_rate(12.5), (12_500, 1000));
        assert_eq!(frame_rate(f64::NAN), (0, 1));
        assert_eq!(frame_rate(-1.0), (0, 1));
    }
}
