//! Protected titles: packaged by Shaka Packager in `cenc` and `cbcs`, or sealed segment by segment with
//! `openssl` as HLS `AES-128` and DASH segment encryption want it. The pictures are those of the clear film.

use crate::content::{Film, Packaging, Title, made};
use crate::workspace;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A key identifier and its key, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Key identifier.
    pub kid: String,
    /// Key.
    pub key: String,
}

impl Key {
    /// A pair made up from one number; the bytes of both are found in no other test data.
    pub fn number(number: u8) -> Self {
        let bytes = |base: u8| -> String {
            (0..16u8)
                .map(|at| format!("{:02x}", base.wrapping_mul(31) ^ at.wrapping_mul(17) ^ number))
                .collect()
        };
        Self { kid: bytes(0x5a), key: bytes(0xc3) }
    }

    /// As `--clearkey` wants it.
    pub fn pair(&self) -> String {
        format!("{}:{}", self.kid, self.key)
    }

    /// What becomes of it in the `n`th crypto period: the packager rotates the bytes to the left.
    pub fn rotated(&self, n: usize) -> Self {
        let rotate = |text: &str| {
            let at = n % 16 * 2;
            format!("{}{}", &text[at..], &text[..at])
        };
        Self { kid: rotate(&self.kid), key: rotate(&self.key) }
    }
}

/// How a film is protected by the packager.
#[derive(Clone, Debug)]
pub struct Protection {
    /// `cenc` or `cbcs`.
    pub scheme: &'static str,
    /// One key for everything, or one for each picture height and one for sound.
    pub one_key: bool,
    /// Seconds after which the keys change, by sample groups and `pssh` boxes in the media.
    pub rotation: Option<u32>,
    /// `KEYFORMAT`s and `ContentProtection`s, as the packager calls them.
    pub systems: &'static str,
    /// Added to the numbers of all keys.
    pub keys_from: u8,
    /// What stands as `dashif:Laurl` in the MPD; `{licence}` is replaced when the title is served.
    pub laurl: bool,
}

impl Protection {
    /// One scheme with a key for each rendition, ClearKey, a licence address in the MPD.
    pub fn of(scheme: &'static str) -> Self {
        Self { scheme, one_key: false, rotation: None, systems: "CommonSystem", keys_from: 0, laurl: true }
    }

    /// The key of the rendition of this height; height 0 is sound.
    pub fn key(&self, height: u32) -> Key {
        let number = if self.one_key { 1 } else { (height / 4 % 251) as u8 + 2 };
        Key::number(self.keys_from.wrapping_add(number))
    }

    /// All keys for a film of some crypto periods.
    pub fn keys(&self, film: &Film, periods: usize) -> Vec<Key> {
        let heights = film.ladder.iter().map(|(_, height, _)| *height).chain([0]);
        let mut keys: Vec<Key> = heights.map(|height| self.key(height)).collect();
        keys.dedup();
        if self.rotation.is_some() {
            keys = keys.iter().flat_map(|key| (0..periods).map(|n| key.rotated(n))).collect();
        }
        keys
    }

    /// The film, protected so, as DASH (`title.mpd`) and HLS (`title.m3u8`); `None` (with a line that says
    /// so) where the packager cannot be had.
    pub fn package(&self, film: &Film) -> Option<Protected> {
        if !packager(&[]) {
            println!("skipped: no packager (tests/support/packager needs python3, pip and a package index)");
            return None;
        }
        let name = format!(
            "protected-{}-{}-{}-{}-{}-{}-{}",
            film.name(),
            self.scheme,
            self.one_key,
            self.rotation.unwrap_or_default(),
            self.systems.replace(',', "+").to_lowercase(),
            self.keys_from,
            self.laurl,
        );
        let folder = made(&name, |folder| self.write(film, folder));
        let of = |entry| Title::new(&folder, entry, film);
        Some(Protected { dash: of("title.mpd"), hls: of("title.m3u8"), protection: self.clone() })
    }

    fn write(&self, film: &Film, folder: &Path) {
        let mut arguments: Vec<String> = Vec::new();
        let mut keys = Vec::new();
        let mut stream = |input: String, kind: &str, name: String, label: String, key: Key| {
            let at = |file: String| folder.join(file).display().to_string();
            arguments.push(format!(
                "in={input},stream={kind},drm_label={label},playlist_name={name}.m3u8,init_segment={},segment_template={}",
                at(format!("{name}-init.mp4")),
                at(format!("{name}-$Number%03d$.m4s")),
            ));
            let entry = format!("label={label}:key_id={}:key={}", key.kid, key.key);
            if !keys.contains(&entry) {
                keys.push(entry);
            }
        };
        for (_, height, _) in &film.ladder {
            let (label, name) = (format!("V{height}"), format!("v{height}"));
            stream(film.video(*height), "video", name, label, self.key(*height));
        }
        stream(film.sound(), "audio", "a".to_owned(), "SOUND".to_owned(), self.key(0));
        let more = [
            "--segment_duration=2",
            "--generate_static_live_mpd",
            "--enable_raw_key_encryption",
            "--clear_lead=0",
        ];
        arguments.extend(more.map(str::to_owned));
        arguments.push(format!("--keys={}", keys.join(",")));
        arguments.push(format!("--protection_scheme={}", self.scheme));
        arguments.push(format!("--protection_systems={}", self.systems));
        arguments.push(format!("--mpd_output={}", folder.join("title.mpd").display()));
        arguments.push(format!("--hls_master_playlist_output={}", folder.join("title.m3u8").display()));
        if let Some(seconds) = self.rotation {
            arguments.push(format!("--crypto_period_duration={seconds}"));
        }
        if self.scheme == "cbcs" && self.one_key {
            arguments.push("--hls_key_uri=identity.key".to_owned());
            fs::write(folder.join("identity.key"), bytes(&self.key(0).key))
                .expect("the cache can be written");
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert!(packager(&arguments), "the packager fails: {arguments:?}");
        if self.laurl {
            let mpd = folder.join("title.mpd");
            let text = fs::read_to_string(&mpd).expect("the packager wrote it");
            let laurl = format!(
                "<ContentProtection schemeIdUri=\"urn:uuid:{CLEAR_KEY}\"><dashif:Laurl \
                 xmlns:dashif=\"https://dashif.org/CPS\">{LICENCE}</dashif:Laurl></ContentProtection>"
            );
            let with = |line: &str| match line.contains("<AdaptationSet") {
                true => format!("{line}\n{laurl}\n"),
                false => format!("{line}\n"),
            };
            let text: String = text.lines().map(with).collect();
            fs::write(&mpd, text).expect("the cache can be written");
        }
    }
}

/// ClearKey as DASH-IF signals it.
const CLEAR_KEY: &str = "e2719d58-a985-b3c9-781a-b030af78d30e";
/// Stands for the address of the licence server in a packaged MPD.
pub const LICENCE: &str = "http://licence.invalid/";

/// A protected film.
#[derive(Clone, Debug)]
pub struct Protected {
    /// As DASH.
    pub dash: Title,
    /// As HLS.
    pub hls: Title,
    /// How.
    pub protection: Protection,
}

/// The first half of a film under the keys of one protection and the second half under those of another, as
/// HLS: the keys change with a new initialization segment.
pub fn changing_hls(film: &Film, first: &Protection, second: &Protection) -> Option<Title> {
    let (before, after) = (first.package(film)?.hls, second.package(film)?.hls);
    let name = format!("changing-{}-{}-{}", film.name(), first.scheme, second.keys_from);
    let folder = made(&name, |folder| {
        let copy = |from: &Path, file: &str, to: String| {
            fs::copy(from.join(file), folder.join(to)).expect("the cache can be written");
        };
        copy(&before.folder, before.entry, before.entry.to_owned());
        let playlists: Vec<String> =
            film.ladder.iter().map(|(_, height, _)| format!("v{height}")).chain(["a".to_owned()]).collect();
        for playlist in playlists {
            let mut out = String::new();
            for (place, title) in [&before, &after].into_iter().enumerate() {
                let text = fs::read_to_string(title.folder.join(format!("{playlist}.m3u8")));
                let text = text.expect("the packager wrote it");
                let segments = text.lines().filter(|line| line.starts_with("#EXTINF")).count();
                let (mut number, mut head) = (0, place == 0);
                // The packager's placeholders of keys are of no use to anybody.
                let useful =
                    |line: &&str| !line.starts_with("#EXT-X-ENDLIST") && !line.starts_with("#EXT-X-KEY");
                for line in text.lines().filter(useful) {
                    head &= !line.starts_with("#EXTINF");
                    let ours = (number < segments / 2) == (place == 0);
                    let map = line.starts_with("#EXT-X-MAP");
                    if map || line.starts_with('#') && (head || ours && line.starts_with("#EXTINF")) {
                        out += &line.replace("URI=\"", &format!("URI=\"{place}-"));
                        out.push('\n');
                    } else if !line.starts_with('#') && !line.is_empty() {
                        if ours {
                            copy(&title.folder, line, format!("{place}-{line}"));
                            out += &format!("{place}-{line}\n");
                        }
                        number += 1;
                    }
                }
                copy(&title.folder, &format!("{playlist}-init.mp4"), format!("{place}-{playlist}-init.mp4"));
            }
            out += "#EXT-X-ENDLIST\n";
            fs::write(folder.join(format!("{playlist}.m3u8")), out).expect("the cache can be written");
        }
    });
    Some(Title::new(&folder, "title.m3u8", film))
}

/// A film as HLS with every segment sealed under `AES-128`, the key changing every `every` segments, the
/// vector explicit or the media sequence number.
pub fn sealed_hls(film: &Film, packaging: Packaging, every: usize, explicit: bool) -> Title {
    let clear = film.package(packaging);
    let name = format!("sealed-{}-{packaging:?}-{every}-{explicit}", film.name()).to_lowercase();
    let folder = made(&name, |folder| {
        for entry in fs::read_dir(&clear.folder).expect("the title is packaged").flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            if !file.ends_with(".m3u8") || text.contains("#EXT-X-STREAM-INF") {
                fs::copy(entry.path(), folder.join(&file)).expect("the cache can be written");
            }
        }
        for entry in fs::read_dir(&clear.folder).expect("the title is packaged").flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            if file.ends_with(".m3u8") && !text.contains("#EXT-X-STREAM-INF") {
                fs::write(folder.join(&file), seal_playlist(folder, &text, every, explicit))
                    .expect("the cache can be written");
            }
        }
    });
    Title::new(&folder, "title.m3u8", film)
}

fn seal_playlist(folder: &Path, text: &str, every: usize, explicit: bool) -> String {
    let (mut out, mut number) = (String::new(), 0usize);
    let key_line = |number: usize| {
        let at = number / every;
        let iv = if explicit { format!(",IV=0x{}", vector(at)) } else { String::new() };
        format!("#EXT-X-KEY:METHOD=AES-128,URI=\"key-{at}.bin\"{iv}\n")
    };
    for line in text.lines() {
        if let Some(map) = line.strip_prefix("#EXT-X-MAP:URI=\"") {
            // A key stands before the initialization segment that it seals.
            out += &key_line(0);
            let file = map.trim_end_matches('"');
            let iv = if explicit { vector(0) } else { format!("{:032x}", 0) };
            seal(folder, file, &Key::number(100), &iv);
        } else if line.starts_with("#EXTINF")
            && number.is_multiple_of(every)
            && (number > 0 || !out.contains("#EXT-X-KEY"))
        {
            out += &key_line(number);
        } else if !line.starts_with('#') && !line.is_empty() {
            let at = number / every;
            let key = Key::number(100 + at as u8);
            fs::write(folder.join(format!("key-{at}.bin")), bytes(&key.key))
                .expect("the cache can be written");
            let iv = if explicit { vector(at) } else { format!("{number:032x}") };
            seal(folder, line, &key, &iv);
            number += 1;
        }
        out += line;
        out.push('\n');
    }
    out
}

fn vector(at: usize) -> String {
    Key::number(200 + at as u8).kid
}

/// A film as DASH with every segment sealed under AES-128 (ISO/IEC 23009-4), one key, `key.bin` beside it.
pub fn sealed_dash(film: &Film) -> Title {
    let clear = film.package(Packaging::DashNumber);
    let folder = made(&format!("sealed-{}-dash", film.name()), |folder| {
        let (key, iv) = (Key::number(90), vector(0));
        fs::write(folder.join("key.bin"), bytes(&key.key)).expect("the cache can be written");
        for entry in fs::read_dir(&clear.folder).expect("the title is packaged").flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            fs::copy(entry.path(), folder.join(&file)).expect("the cache can be written");
            if !file.ends_with(".mpd") {
                seal(folder, &file, &key, &iv);
            }
        }
        let element = format!(
            "<ContentProtection schemeIdUri=\"urn:mpeg:dash:sea:2012\" \
             xmlns:sea=\"urn:mpeg:dash:schema:sea:2012\"><sea:SegmentEncryption \
             schemeIdUri=\"urn:mpeg:dash:sea:aes128-cbc:2013\"/><sea:CryptoPeriod IV=\"0x{iv}\" \
             keyUriTemplate=\"key.bin\"/></ContentProtection>"
        );
        let mpd = fs::read_to_string(folder.join("title.mpd")).expect("ffmpeg wrote it");
        let mpd = mpd.replace("<Representation", &format!("{element}<Representation"));
        fs::write(folder.join("title.mpd"), mpd).expect("the cache can be written");
    });
    Title::new(&folder, "title.mpd", film)
}

/// Encrypts a file in place: AES-128-CBC with PKCS#7 padding.
fn seal(folder: &Path, file: &str, key: &Key, iv: &str) {
    let sealed = folder.join(format!("{file}.sealed"));
    let mut command = Command::new("openssl");
    command.args(["enc", "-aes-128-cbc", "-K", &key.key, "-iv", iv, "-in"]);
    let output = command.arg(folder.join(file)).arg("-out").arg(&sealed).output();
    let output = output.expect("openssl is installed (see tests/packages.txt)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::rename(sealed, folder.join(file)).expect("the cache can be written");
}

/// The bytes of hexadecimal digits.
pub fn bytes(digits: &str) -> Vec<u8> {
    let byte = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..digits.len()).step_by(2).filter_map(byte).collect()
}

/// Runs the packager; whether it went well.
fn packager(arguments: &[&str]) -> bool {
    let script = workspace::root().join("tests/support/packager");
    let target = workspace::target();
    let output = Command::new(script).args(arguments).env("CARGO_TARGET_DIR", target).output();
    match output {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            println!("{}", String::from_utf8_lossy(&output.stderr));
            false
        }
        Err(error) => {
            println!("tests/support/packager: {error}");
            false
        }
    }
}
