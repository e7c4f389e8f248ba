//! Subtitles: chosen by language, on time in DASH and HLS, and over the picture in a window.

use std::path::Path;
use std::process::Command;
use tests::content::{Film, Packaging, Title};
use tests::origin::{Origin, Site};
use tests::sluice::{Outcome, Sluice};

/// One cue in every second segment of two seconds, with its text.
const CUES: [(u64, u64, &str); 3] = [
    (500, 1_800, "Good evening"),
    (2_200, 4_700, "<i>Across</i> two segments"),
    (5_000, 5_900, "مرحبا بالعالم"),
];

fn stamp(ms: u64) -> String {
    format!("00:00:{:02}.{:03}", ms / 1000, ms % 1000)
}

/// The cues that touch `from..to`, shifted by `shift` ms, below `header`.
fn webvtt(header: &str, from: u64, to: u64, shift: u64) -> String {
    let touching = CUES.iter().filter(|(start, end, _)| *start < to && from < *end);
    let cue = |(start, end, text): &(u64, u64, &str)| {
        format!("{} --> {}\n{text}\n\n", stamp(start + shift), stamp(end + shift))
    };
    format!("WEBVTT\n{header}\n{}", touching.map(cue).collect::<String>())
}

fn manifest(title: &Title) -> String {
    std::fs::read_to_string(title.folder.join(title.entry)).expect("a manifest")
}

/// One file for the whole title in English, segments in German.
fn dash() -> Site {
    let title = Film::ladder(6).package(Packaging::DashNumber);
    let sets = "<AdaptationSet contentType=\"text\" mimeType=\"text/vtt\" lang=\"en\">\
        <Representation id=\"sidecar\" bandwidth=\"200\"><BaseURL>en.vtt</BaseURL></Representation>\
        </AdaptationSet>\
        <AdaptationSet contentType=\"text\" mimeType=\"text/vtt\" lang=\"de\">\
        <SegmentTemplate media=\"de-$Number$.vtt\" duration=\"2\" timescale=\"1\" startNumber=\"1\"/>\
        <Representation id=\"segmented\" bandwidth=\"200\"/></AdaptationSet></Period>";
    let text = manifest(&title).replacen("</Period>", sets, 1);
    let site = title.site().file(title.entry, text).file("en.vtt", webvtt("", 0, u64::MAX, 0));
    (0..6u64).fold(site, |site, number| {
        let segment = webvtt("", number * 2_000, number * 2_000 + 2_000, 0).replace("evening", "abend");
        site.file(&format!("de-{}.vtt", number + 1), segment)
    })
}

/// Segments whose cues count on a clock of their own, tied to that of the pictures.
fn hls(packaging: Packaging) -> Site {
    let title = Film::ladder(6).package(packaging);
    let first = title.folder.join(first_segment(&title.folder));
    // Two B frames put the first picture of the MP4 files two frames behind their zero.
    let mpegts = if packaging == Packaging::HlsTs { first_stamp(&first) } else { 2 * 90_000 / 25 };
    let media = "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs\",NAME=\"English\",LANGUAGE=\"en\",\
        AUTOSELECT=YES,URI=\"en.m3u8\"\n#EXT-X-STREAM-INF:";
    let text = manifest(&title).replacen("#EXT-X-STREAM-INF:", media, 1);
    let text = text.replace("#EXT-X-STREAM-INF:", "#EXT-X-STREAM-INF:SUBTITLES=\"subs\",");
    let playlist: String = (0..6).map(|number| format!("#EXTINF:2,\nen-{number}.vtt\n")).collect();
    let playlist = format!("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n{playlist}#EXT-X-ENDLIST\n");
    let site = title.site().file(title.entry, text).file("en.m3u8", playlist);
    let header = format!("X-TIMESTAMP-MAP=LOCAL:00:00:10.000,MPEGTS:{mpegts}\n");
    (0..6u64).fold(site, |site, number| {
        let segment = webvtt(&header, number * 2_000, number * 2_000 + 2_000, 10_000);
        site.file(&format!("en-{number}.vtt"), segment)
    })
}

fn first_segment(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("v180.m3u8")).expect("a media playlist");
    let line = text.lines().find(|line| !line.starts_with('#') && !line.is_empty());
    line.expect("a segment").to_owned()
}

/// Presentation time of the first picture, in ticks of 90 kHz.
fn first_stamp(file: &Path) -> u64 {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts", "-of", "csv=p=0"])
        .args(["-read_intervals", "%+#1"])
        .arg(file)
        .output()
        .expect("ffprobe runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text.lines().next().unwrap_or_default().trim_end_matches(',').to_owned();
    first.parse().unwrap_or_else(|_| panic!("{}: {text}", file.display()))
}

fn play(site: Site, entry: &str, language: &str) -> Outcome {
    let origin = Origin::start(site);
    Sluice::paced(&origin.url(entry)).args(&["--text", language, "--stop-after", "7"]).run().expect_success()
}

/// Every cue once, where it belongs.
fn on_time(outcome: &Outcome, first: &str) {
    let cues: Vec<(i64, i64, String)> = outcome
        .named("cue")
        .iter()
        .map(|line| {
            let at = |name: &str| line[name].as_i64().unwrap_or(-1);
            (at("start_ms"), at("end_ms"), line["text"].as_str().unwrap_or_default().to_owned())
        })
        .collect();
    assert_eq!(cues.len(), CUES.len(), "{cues:?} {outcome}");
    for ((start, end, _), cue) in CUES.iter().zip(&cues) {
        let near = |at: u64, told: i64| (told - i64::try_from(at).unwrap_or(0)).abs() <= 2;
        assert!(near(*start, cue.0) && near(*end, cue.1), "{cues:?} {outcome}");
    }
    assert_eq!(cues[0].2, first, "{outcome}");
    assert_eq!(cues[1].2, "Across two segments", "{outcome}");
    assert_eq!(outcome.sum("stalls"), 0, "{outcome}");
    assert_eq!(outcome.error_codes(), Vec::<u64>::new(), "{outcome}");
}

#[test]
fn dash_in_one_file() {
    on_time(&play(dash(), "title.mpd", "en"), "Good evening");
}

#[test]
fn dash_in_segments() {
    on_time(&play(dash(), "title.mpd", "de-AT"), "Good abend");
}

#[test]
fn hls_tied_to_transport_streams() {
    on_time(&play(hls(Packaging::HlsTs), "title.m3u8", "en"), "Good evening");
}

#[test]
fn hls_tied_to_fragmented_mp4() {
    on_time(&play(hls(Packaging::HlsFmp4), "title.m3u8", "en"), "Good evening");
}

/// Nobody asked for them: none is fetched. The system's language decides when one is.
#[test]
fn subtitles_are_a_matter_of_choice() {
    let origin = Origin::start(dash());
    let outcome = Sluice::unpaced(&origin.url("title.mpd")).run().expect_success();
    assert!(outcome.named("text").is_empty(), "{outcome}");
    assert_eq!(origin.count(".vtt"), 0, "{outcome}");
    let outcome = Sluice::unpaced(&origin.url("title.mpd"))
        .args(&["--text", "on"])
        .env_remove("LC_ALL")
        .env_remove("LC_MESSAGES")
        .env_remove("LANGUAGE")
        .env("LANG", "de_CH.UTF-8")
        .run()
        .expect_success();
    let told = outcome.named("text");
    assert_eq!(told.first().map(|line| line["language"].clone()), Some("de".into()), "{outcome}");
}

/// Bright letters stand in the lower part of the window while a cue is shown.
#[test]
fn subtitles_stand_over_the_picture() {
    let Ok(display) = std::env::var("DISPLAY") else {
        return println!("skipped: no display (tests/run starts Xvfb)");
    };
    let origin = Origin::start(dash());
    let url = origin.url("title.mpd");
    let grab = |name: &str| {
        let file = std::env::var("SLUICE_SHOTS").ok().map(|folder| format!("{folder}/{name}.png"));
        let size =
            ["-nostdin", "-loglevel", "error", "-f", "x11grab", "-video_size", "960x540", "-i", &display];
        let grey = ["-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-"];
        if let Some(file) = file {
            let saved = Command::new("ffmpeg").args(size).args(["-frames:v", "1", "-y", &file]).status();
            assert!(saved.is_ok_and(|status| status.success()));
        }
        Command::new("ffmpeg").args(size).args(grey).output().expect("ffmpeg runs").stdout
    };
    let whites = |language: &str| {
        let arguments = ["--text", language, "--lock", "180", "--pause-at", "3:4", "--stop-after", "8"];
        let mut player = Sluice::windowed(&url).args(&arguments).start();
        // What stands still has been drawn.
        let paused = player.tells(|event| event["event"] == "paused");
        let picture = grab(&format!("text-{language}"));
        let outcome = player.finish().expect_success();
        assert!(paused, "{outcome}");
        let lower = picture.get(960 * 440..960 * 530).unwrap_or_default();
        lower.iter().filter(|level| **level > 250).count()
    };
    let (with, without) = (whites("en"), whites("off"));
    assert!(with > without + 500, "{with} white pixels with subtitles, {without} without");
}
