//! Whether the body of a segment is whole: a cheap look before it is handed on (a body that ends early
//! with a matching or missing length is only seen here).

use super::demux::sniff;
use super::error::MediaError;
use super::isobmff::boxes;
use super::{ts, webm};
use abr::presentation::Container;

/// Checks that `data`, said to be in `container`, is media of a known kind and ends where its structure
/// ends: the boxes of an MP4 segment fill it exactly and no fragment lacks its data, a transport stream is
/// whole packets, the elements of WebM are all there. For other containers only the kind is checked.
///
/// # Errors
/// [`MediaError::NotMedia`] for bytes of no known kind, [`MediaError::Truncated`] for a body that ends
/// early, [`MediaError::Malformed`] and [`MediaError::TooMany`] for a broken structure.
pub fn check_complete(data: &[u8], container: Container) -> Result<(), MediaError> {
    match sniff(data) {
        Some(Container::Mp4) => boxes_fill(data),
        Some(Container::Ts) => ts::check_complete(data),
        Some(Container::Webm) => webm::check_complete(data),
        Some(_) => Ok(()),
        // Subtitles may be any text.
        None if container == Container::Webvtt && !data.is_empty() => Ok(()),
        None => Err(MediaError::NotMedia(super::demux::describe(data))),
    }
}

fn boxes_fill(data: &[u8]) -> Result<(), MediaError> {
    let budget = boxes::budget();
    let mut waiting = false;
    for found in boxes::top_level(data, &budget) {
        match &found?.kind {
            b"moof" => waiting = true,
            b"mdat" => waiting = false,
            _ => {}
        }
    }
    if waiting {
        return Err(MediaError::Truncated { container: boxes::CONTAINER, missing: 8 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_boxes_are_seen() {
        let mut segment = b"\0\0\0\x10stypmsdh\0\0\0\0\0\0\0\x08moof\0\0\0\x0cmdatabcd".to_vec();
        assert_eq!(check_complete(&segment, Container::Mp4), Ok(()));
        segment.pop();
        let cut = MediaError::Truncated { container: "MP4", missing: 1 };
        assert_eq!(check_complete(&segment, Container::Mp4), Err(cut));
        // Cut exactly between two boxes.
        assert!(matches!(check_complete(&segment[..24], Container::Mp4), Err(MediaError::Truncated { .. })));
    }

    #[test]
    fn pages_are_no_media() {
        for page in
            ["<!DOCTYPE html><html>", " {\"error\": 404}", "", "#EXTM3U\n#EXTINF:4,\n", "nonsense nonsense"]
        {
            assert!(matches!(check_complete(page.as_bytes(), Container::Mp4), Err(MediaError::NotMedia(_))));
        }
    }

    #[test]
    fn cut_packets_are_seen() {
        let mut segment = vec![0u8; 188 * 3];
        for at in [0, 188, 376] {
            segment[at] = 0x47;
        }
        assert_eq!(check_complete(&segment, Container::Ts), Ok(()));
        segment.truncate(188 * 2 + 100);
        let cut = MediaError::Truncated { container: "MPEG-2 TS", missing: 88 };
        assert_eq!(check_complete(&segment, Container::Ts), Err(cut));
    }
}
