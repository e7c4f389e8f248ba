//! The titles themselves: every packaging can be made and ffmpeg reads back the pictures it was made of.

use std::process::Command;
use tests::content::{Codec, Film, Packaging, SEGMENT_FRAMES, Title};

/// What ffmpeg opens to read the lowest rendition of a title.
fn readable(title: &Title, packaging: Packaging) -> String {
    let (_, height, _) = title.film.ladder[0];
    match packaging {
        Packaging::DashNumber | Packaging::DashTimeline => title.entry.to_owned(),
        // ffmpeg's DASH reader loses the last entry of a list and knows neither `indexRange` nor the later
        // periods of a static MPD; the segments in a row are the same bytes.
        Packaging::DashList | Packaging::DashPeriods => {
            let segments =
                (1..=title.film.frames / SEGMENT_FRAMES).map(|number| format!("|seg-0-{number:03}.m4s"));
            format!("concat:init-0.mp4{}", segments.collect::<String>())
        }
        Packaging::DashBase => format!("v{height}.mp4"),
        Packaging::HlsTs | Packaging::HlsFmp4 | Packaging::HlsByteRange | Packaging::HlsDiscontinuity => {
            format!("v{height}.m3u8")
        }
    }
}

/// A wrong title would blame the player; ffmpeg's own readers are the second opinion.
#[test]
fn ffmpeg_reads_every_packaging_back() {
    let film = Film::ladder(6);
    for packaging in Packaging::ALL {
        let title = film.package(packaging);
        let output = Command::new("ffmpeg")
            .current_dir(&title.folder)
            .args(["-nostdin", "-loglevel", "error", "-i", &readable(&title, packaging)])
            .args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"])
            .output()
            .expect("ffmpeg runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let md5: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.rsplit(',').next().unwrap_or_default().trim())
            .collect();
        let wanted = title.reference(film.ladder[0].1);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(md5.len(), wanted.len(), "{packaging:?}: {errors}");
        assert!(md5.iter().zip(&wanted).all(|(a, b)| a == b), "{packaging:?}: other pictures");
    }
}

#[test]
fn every_codec_can_be_made() {
    for codec in [Codec::H264, Codec::Hevc, Codec::Hevc10, Codec::Vp9, Codec::Av1] {
        let film = Film::of(codec, 2);
        assert_eq!(film.reference(180).len(), film.frames as usize, "{codec:?}");
        film.package(Packaging::DashNumber);
    }
}
