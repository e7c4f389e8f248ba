//! How numbers are written for people.

use crate::status::Choice;
use crate::text::language;
use abr::protocol::Reason;
use abr::time::MediaTime;
use std::time::Duration;

/// `1:02:03` or `2:03`; negative times begin with a minus sign.
pub fn time(at: MediaTime) -> String {
    let seconds = at.as_nanos().unsigned_abs() / 1_000_000_000;
    let sign = if at.as_nanos() <= -1_000_000_000 { "-" } else { "" };
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{sign}{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{sign}{minutes}:{seconds:02}")
    }
}

/// As [`time`].
pub fn duration(span: Duration) -> String {
    time(MediaTime::ZERO + span)
}

/// `4.5 Mbit/s` or `640 kbit/s`.
pub fn bitrate(bps: u64) -> String {
    if bps >= 1_000_000 {
        format!("{:.1} Mbit/s", bps as f64 / 1e6)
    } else {
        format!("{:.0} kbit/s", bps as f64 / 1e3)
    }
}

/// `3.4 MB` or `12 kB`.
pub fn bytes(count: u64) -> String {
    if count >= 1_000_000 {
        format!("{:.1} MB", count as f64 / 1e6)
    } else {
        format!("{:.0} kB", count as f64 / 1e3)
    }
}

/// `1.25x`, without needless zeros.
pub fn rate(rate: f64) -> String {
    let text = format!("{rate:.2}");
    format!("{}x", text.trim_end_matches('0').trim_end_matches('.'))
}

/// An audio track or subtitles: the language in its own name, what is special about it, the channels.
pub fn choice(choice: &Choice) -> String {
    let language = choice.language.as_deref().filter(|tag| *tag != "und").map(language::own_name);
    let label = choice.label.clone().filter(|label| !label.is_empty());
    let mut parts = match (language, label) {
        (Some(language), Some(label)) if label.to_lowercase().contains(&language.to_lowercase()) => {
            vec![label]
        }
        (Some(language), label) => std::iter::once(language).chain(label).collect(),
        (None, label) => vec![label.unwrap_or_else(|| format!("Track {}", choice.set + 1))],
    };
    for role in &choice.roles {
        let special = match role.as_str() {
            "caption"
            | "public.accessibility.describes-music-and-sound"
            | "public.accessibility.transcribes-spoken-dialog" => "SDH",
            "description" | "public.accessibility.describes-video" => "audio description",
            "commentary" => "commentary",
            "dub" => "dubbed",
            _ => continue,
        };
        if !parts.iter().any(|part| part == special) {
            parts.push(special.to_owned());
        }
    }
    match choice.channels {
        0 => {}
        1 => parts.push("mono".into()),
        2 => parts.push("stereo".into()),
        6 => parts.push("5.1".into()),
        8 => parts.push("7.1".into()),
        count => parts.push(format!("{count} channels")),
    }
    parts.join(", ")
}

/// The family names of RFC 6381 codec strings; unknown ones stay as they are.
pub fn codecs(codecs: &str) -> String {
    let family = |codec: &str| {
        let entry = codec.split('.').next().unwrap_or(codec);
        match entry {
            "avc1" | "avc3" => "H.264".into(),
            "hvc1" | "hev1" | "dvh1" | "dvhe" => "HEVC".into(),
            "av01" => "AV1".into(),
            "vp09" | "vp9" => "VP9".into(),
            "vp08" | "vp8" => "VP8".into(),
            "mp4a" => "AAC".into(),
            "ac-3" => "AC-3".into(),
            "ec-3" => "E-AC-3".into(),
            "opus" | "Opus" => "Opus".into(),
            "fLaC" | "flac" => "FLAC".into(),
            // Foreign text: short and printable.
            other => other.chars().filter(|c| !c.is_control()).take(12).collect::<String>(),
        }
    };
    codecs
        .split(',')
        .map(str::trim)
        .filter(|codec| !codec.is_empty())
        .map(family)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Why a rendition was chosen, as the rest of a sentence.
pub fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Start => "first choice",
        Reason::Controller => "what network and buffer allow",
        Reason::Safety => "the buffer is nearly empty",
        Reason::User => "chosen by you",
        Reason::Viewport => "the window shows no more",
        Reason::Abandon => "a download would have come too late",
        Reason::Failure => "another rendition failed",
        Reason::Period => "a new part of the title",
        Reason::Keys => "no key for anything better",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_can_read_it() {
        assert_eq!(time(MediaTime::from_millis(-3_500)), "-0:03");
        assert_eq!(time(MediaTime::from_millis(-500)), "0:00");
        assert_eq!(time(MediaTime::from_millis(3_723_900)), "1:02:03");
        assert_eq!(time(MediaTime::MIN).chars().next(), Some('-'));
        assert_eq!(duration(Duration::from_secs(83)), "1:23");
        assert_eq!(bitrate(4_512_000), "4.5 Mbit/s");
        assert_eq!(bitrate(640_000), "640 kbit/s");
        assert_eq!(bytes(12_345), "12 kB");
        assert_eq!((rate(1.0), rate(1.25), rate(0.5)), ("1x".into(), "1.25x".into(), "0.5x".into()));
        assert_eq!(codecs("avc1.64001f, mp4a.40.2"), "H.264 AAC");
        assert_eq!(codecs("\u{7}weird.1"), "weird");
    }
}
