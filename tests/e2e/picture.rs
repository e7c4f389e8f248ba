//! The picture in a window: under a display (Xvfb does) with whatever Vulkan there is (software does), a
//! screenshot has the colours that zimg gives, and the window really shows the title.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use tests::content::{Film, Packaging};
use tests::origin::Origin;
use tests::sluice::Sluice;

/// The frame that a screenshot at 1.5 s shows.
const FRAME: u32 = 37;

fn display() -> Option<String> {
    let display = std::env::var("DISPLAY").ok().filter(|name| !name.is_empty());
    if display.is_none() {
        println!("skipped: no display (tests/run starts Xvfb)");
    }
    display
}

/// Width, height and packed RGB of a PNG file.
fn read_png(file: &Path) -> (u32, u32, Vec<u8>) {
    let file = File::open(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().expect("a PNG file");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a picture that fits in memory")];
    let info = reader.next_frame(&mut pixels).expect("a whole picture");
    let channels = info.color_type.samples();
    let rgb = pixels[..info.buffer_size()].chunks(channels).flat_map(|pixel| pixel[..3].to_vec()).collect();
    (info.width, info.height, rgb)
}

fn ffmpeg(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("ffmpeg").args(["-nostdin", "-loglevel", "error"]).args(arguments).output();
    let output = output.expect("ffmpeg runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Peak signal-to-noise ratio in dB.
fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len(), "pictures of the same size");
    let squares: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 / (squares / a.len() as f64).max(1e-9)).log10()
}

fn colours_are_right(matrix: &str) {
    if display().is_none() {
        return;
    }
    let film = Film::coloured(matrix);
    let title = film.package(Packaging::DashNumber);
    let origin = Origin::start(title.site());
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let shot = folder.path().join("shot.png");
    let outcome = Sluice::windowed(&origin.url(title.entry))
        .args(&["--screenshot", &shot.display().to_string(), "--screenshot-at", "1.5", "--stop-after", "3"])
        .run()
        .expect_success();
    let (width, height, rgb) = read_png(&shot);
    assert_eq!((width, height), (320, 180), "{outcome}");
    let filter = format!(
        "select=eq(n\\,{FRAME}),zscale=min={}:rin=limited:cin=left:r=full:filter=bilinear:dither=none,format=gbrp",
        if matrix == "bt709" { "709" } else { "170m" }
    );
    let reference = ffmpeg(&[
        "-i",
        &film.video(180),
        "-vf",
        &filter,
        "-frames:v",
        "1",
        "-pix_fmt",
        "rgb24",
        "-f",
        "rawvideo",
        "-",
    ]);
    let decibels = psnr(&rgb, &reference);
    println!("{matrix}: {decibels:.1} dB");
    assert!(decibels >= 50.0, "{matrix}: {decibels:.1} dB: {outcome}");
}

#[test]
fn bt709_has_its_colours() {
    colours_are_right("bt709");
}

#[test]
fn bt601_has_its_colours() {
    colours_are_right("smpte170m");
}

/// What is on the display while the title plays: not black, not one colour, and changing.
#[test]
fn the_window_shows_the_title() {
    let Some(display) = display() else { return };
    let title = Film::ladder(6).package(Packaging::DashNumber);
    let origin = Origin::start(title.site());
    let url = origin.url(title.entry);
    let grab = || {
        let size = ["-f", "x11grab", "-video_size", "640x360", "-i"];
        let format = ["-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-"];
        ffmpeg(&[&size[..], &[display.as_str()], &format].concat())
    };
    let mut player = Sluice::windowed(&url).args(&["--lock", "360", "--stop-after", "8"]).start();
    let [first, second] = [2_000, 4_000].map(|position| player.reaches(position).then(&grab));
    let outcome = player.finish().expect_success();
    let (Some(first), Some(second)) = (first, second) else { panic!("it did not play: {outcome}") };
    let levels = |picture: &[u8]| {
        let mut seen = [false; 256];
        picture.iter().for_each(|level| seen[usize::from(*level)] = true);
        seen.iter().filter(|seen| **seen).count()
    };
    assert!(levels(&first) > 64, "the display shows {} levels of grey: {outcome}", levels(&first));
    let changed = first.iter().zip(&second).filter(|(a, b)| a.abs_diff(**b) > 8).count();
    assert!(changed > first.len() / 100, "{changed} pixels changed in two seconds: {outcome}");
    assert!(outcome.sum("frames_presented") > 50, "{outcome}");
}
