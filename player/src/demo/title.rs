//! The demo title: its files, and its segments by number.

use bytes::Bytes;
use std::collections::BTreeMap;

/// One track: a name and a fragmented MP4.
const TRACKS: [(&str, &[u8]); 6] = [
    ("240p", include_bytes!("../../demo/media/240p.mp4")),
    ("360p", include_bytes!("../../demo/media/360p.mp4")),
    ("480p", include_bytes!("../../demo/media/480p.mp4")),
    ("720p", include_bytes!("../../demo/media/720p.mp4")),
    ("1080p", include_bytes!("../../demo/media/1080p.mp4")),
    ("audio", include_bytes!("../../demo/media/audio.mp4")),
];
/// The manifests.
const TEXTS: [(&str, &str); 8] = [
    ("/title.mpd", include_str!("../../demo/media/title.mpd")),
    ("/title.m3u8", include_str!("../../demo/media/title.m3u8")),
    ("/240p.m3u8", include_str!("../../demo/media/240p.m3u8")),
    ("/360p.m3u8", include_str!("../../demo/media/360p.m3u8")),
    ("/480p.m3u8", include_str!("../../demo/media/480p.m3u8")),
    ("/720p.m3u8", include_str!("../../demo/media/720p.m3u8")),
    ("/1080p.m3u8", include_str!("../../demo/media/1080p.m3u8")),
    ("/audio.m3u8", include_str!("../../demo/media/audio.m3u8")),
];

/// Everything that the origin serves, by path. The bytes are those of the program file, never copied.
#[derive(Debug)]
pub(super) struct Title {
    resources: BTreeMap<String, Bytes>,
}

impl Title {
    /// The title inside the program.
    ///
    /// # Errors
    ///
    /// Words, when a track is not a sequence of fragments.
    pub(super) fn built_in() -> Result<Self, String> {
        let mut resources: BTreeMap<String, Bytes> = TEXTS
            .iter()
            .map(|(path, text)| ((*path).to_owned(), Bytes::from_static(text.as_bytes())))
            .collect();
        for (name, file) in TRACKS {
            let whole = Bytes::from_static(file);
            let fragments = fragments(file).ok_or_else(|| format!("{name}.mp4 does not consist of boxes"))?;
            let first = *fragments.first().ok_or_else(|| format!("{name}.mp4 has no fragment"))?;
            resources.insert(format!("/{name}/init.mp4"), whole.slice(..first));
            let ends = fragments.iter().skip(1).copied().chain([file.len()]);
            for (number, (start, end)) in fragments.iter().copied().zip(ends).enumerate() {
                resources.insert(format!("/{name}/{}.m4s", number + 1), whole.slice(start..end));
            }
            resources.insert(format!("/{name}.mp4"), whole);
        }
        Ok(Self { resources })
    }

    /// The bytes at `path` and their media type.
    pub(super) fn resource(&self, path: &str) -> Option<(Bytes, &'static str)> {
        let content_type = match path.rsplit_once('.')?.1 {
            "mpd" => "application/dash+xml",
            "m3u8" => "application/vnd.apple.mpegurl",
            _ if path.contains("audio") => "audio/mp4",
            _ => "video/mp4",
        };
        Some((self.resources.get(path)?.clone(), content_type))
    }
}

/// Where the fragments of an MP4 file start; `None` when its boxes do not tile it.
fn fragments(file: &[u8]) -> Option<Vec<usize>> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at < file.len() {
        let header: &[u8; 8] = file.get(at..)?.first_chunk()?;
        let size = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if &header[4..] == b"moof" {
            starts.push(at);
        }
        at = at.checked_add(size).filter(|end| size >= 8 && *end <= file.len())?;
    }
    Some(starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_files_are_noticed() {
        let file = TRACKS[0].1;
        assert_eq!(fragments(file).unwrap().len(), 32);
        assert_eq!(fragments(&file[..file.len() - 1]), None);
        assert_eq!(fragments(b"\0\0\0\0moof"), None);
        assert_eq!(fragments(b""), Some(Vec::new()));
    }
}
