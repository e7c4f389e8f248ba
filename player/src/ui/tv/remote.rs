//! The keys of a remote control, from a window or straight from an input device.

use std::collections::BTreeMap;
use std::io::Read;
use winit::keyboard::{Key, NamedKey};

/// A key of a remote control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum RemoteKey {
    Up,
    Down,
    Left,
    Right,
    /// OK, Enter.
    Select,
    /// Return, Escape.
    Back,
    PlayPause,
    Play,
    Pause,
    Stop,
    FastForward,
    Rewind,
    /// Title, position, length.
    Info,
    /// Subtitles on or off.
    Subtitle,
    /// Audio track.
    Audio,
    /// Colour keys; each is also reached through the controls.
    Red,
    Green,
    Yellow,
    Blue,
}

/// Names in map files.
const NAMES: [(&str, RemoteKey); 19] = [
    ("up", RemoteKey::Up),
    ("down", RemoteKey::Down),
    ("left", RemoteKey::Left),
    ("right", RemoteKey::Right),
    ("select", RemoteKey::Select),
    ("back", RemoteKey::Back),
    ("playpause", RemoteKey::PlayPause),
    ("play", RemoteKey::Play),
    ("pause", RemoteKey::Pause),
    ("stop", RemoteKey::Stop),
    ("fastforward", RemoteKey::FastForward),
    ("rewind", RemoteKey::Rewind),
    ("info", RemoteKey::Info),
    ("subtitle", RemoteKey::Subtitle),
    ("audio", RemoteKey::Audio),
    ("red", RemoteKey::Red),
    ("green", RemoteKey::Green),
    ("yellow", RemoteKey::Yellow),
    ("blue", RemoteKey::Blue),
];

/// What a window's key means.
pub fn of_window(key: &Key) -> Option<RemoteKey> {
    Some(match key {
        Key::Named(named) => match named {
            NamedKey::ArrowUp => RemoteKey::Up,
            NamedKey::ArrowDown => RemoteKey::Down,
            NamedKey::ArrowLeft => RemoteKey::Left,
            NamedKey::ArrowRight => RemoteKey::Right,
            NamedKey::Enter | NamedKey::Select => RemoteKey::Select,
            NamedKey::Escape | NamedKey::Backspace | NamedKey::BrowserBack | NamedKey::GoBack => {
                RemoteKey::Back
            }
            NamedKey::MediaPlayPause | NamedKey::Space => RemoteKey::PlayPause,
            NamedKey::MediaPlay => RemoteKey::Play,
            NamedKey::MediaPause => RemoteKey::Pause,
            NamedKey::MediaStop => RemoteKey::Stop,
            NamedKey::MediaFastForward => RemoteKey::FastForward,
            NamedKey::MediaRewind => RemoteKey::Rewind,
            NamedKey::Info => RemoteKey::Info,
            NamedKey::Subtitle | NamedKey::ClosedCaptionToggle => RemoteKey::Subtitle,
            NamedKey::MediaAudioTrack => RemoteKey::Audio,
            NamedKey::ColorF0Red | NamedKey::F1 => RemoteKey::Red,
            NamedKey::ColorF1Green | NamedKey::F2 => RemoteKey::Green,
            NamedKey::ColorF2Yellow | NamedKey::F3 => RemoteKey::Yellow,
            NamedKey::ColorF3Blue | NamedKey::F4 => RemoteKey::Blue,
            _ => return None,
        },
        _ => return None,
    })
}

/// Which codes of an input device (`linux/input-event-codes.h`) are which keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMap(BTreeMap<u16, RemoteKey>);

impl Default for KeyMap {
    fn default() -> Self {
        use RemoteKey::{
            Audio, Back, Blue, Down, FastForward, Green, Info, Left, Pause, Play, PlayPause, Red, Rewind,
            Right, Select, Stop, Subtitle, Up, Yellow,
        };
        let codes = [
            (103, Up),
            (108, Down),
            (105, Left),
            (106, Right),
            (28, Select),
            (96, Select),
            (352, Select),
            (353, Select),
            (1, Back),
            (158, Back),
            (174, Back),
            (164, PlayPause),
            (57, PlayPause),
            (207, Play),
            (200, Play),
            (119, Pause),
            (201, Pause),
            (128, Stop),
            (166, Stop),
            (208, FastForward),
            (159, FastForward),
            (168, Rewind),
            (358, Info),
            (370, Subtitle),
            (392, Audio),
            (398, Red),
            (399, Green),
            (400, Yellow),
            (401, Blue),
        ];
        Self(codes.into_iter().collect())
    }
}

impl KeyMap {
    /// The usual map with the lines of a file in its place: `CODE NAME`, `#` begins a comment, and the name
    /// `none` takes a code away.
    ///
    /// # Errors
    /// The number of the first line that cannot be read, and what is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut map = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let wrong = |what: &str| format!("line {number}: {what}");
            let (code, name) =
                line.split_once(char::is_whitespace).ok_or_else(|| wrong("a code and a name are needed"))?;
            let code: u16 = code.parse().map_err(|_| wrong("the code is no number"))?;
            let name = name.trim().to_ascii_lowercase();
            if name == "none" {
                map.0.remove(&code);
                continue;
            }
            let key = NAMES.iter().find(|(known, _)| *known == name);
            let (_, key) = key.ok_or_else(|| wrong(&format!("'{name}' is no key")))?;
            map.0.insert(code, *key);
        }
        Ok(map)
    }

    /// The key of a code.
    pub fn key(&self, code: u16) -> Option<RemoteKey> {
        self.0.get(&code).copied()
    }
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Press {
    /// It went down.
    Down,
    /// It is held.
    Repeat,
    /// It went up.
    Up,
}

/// `struct input_event` of 64-bit Linux: two words of time, type, code, value.
const EVENT: usize = 24;
const EV_KEY: u16 = 1;

/// Reads key events from a device until it ends, and hands them to `tell` until that says to stop.
///
/// # Errors
/// Those of reading.
pub fn listen(
    mut device: impl Read,
    map: &KeyMap,
    mut tell: impl FnMut(RemoteKey, Press) -> bool,
) -> std::io::Result<()> {
    let mut event = [0u8; EVENT];
    loop {
        match device.read_exact(&mut event) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        let [.., t0, t1, c0, c1, v0, v1, v2, v3] = event;
        let kind = u16::from_ne_bytes([t0, t1]);
        let press = match i32::from_ne_bytes([v0, v1, v2, v3]) {
            0 => Press::Up,
            1 => Press::Down,
            _ => Press::Repeat,
        };
        let key = map.key(u16::from_ne_bytes([c0, c1])).filter(|_| kind == EV_KEY);
        if key.is_some_and(|key| !tell(key, press)) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u16, code: u16, value: i32) -> Vec<u8> {
        [&[0; 16][..], &kind.to_ne_bytes(), &code.to_ne_bytes(), &value.to_ne_bytes()].concat()
    }

    #[test]
    fn a_device_is_heard_key_by_key() {
        let bytes = [
            event(1, 103, 1),
            event(0, 0, 0),
            event(4, 4, 99),
            event(1, 103, 2),
            event(1, 103, 0),
            event(1, 999, 1),
            event(1, 28, 1),
            vec![1, 2],
        ];
        let mut heard = Vec::new();
        listen(&bytes.concat()[..], &KeyMap::default(), |key, press| {
            heard.push((key, press));
            true
        })
        .unwrap();
        use RemoteKey::{Select, Up};
        assert_eq!(heard, [(Up, Press::Down), (Up, Press::Repeat), (Up, Press::Up), (Select, Press::Down)]);
    }

    #[test]
    fn map_files_change_what_they_name() {
        let map = KeyMap::read("# my remote\n2 red\n103 none\n28 Back # not select\n").unwrap();
        assert_eq!(map.key(2), Some(RemoteKey::Red));
        assert_eq!(map.key(103), None);
        assert_eq!(map.key(28), Some(RemoteKey::Back));
        assert_eq!(map.key(108), Some(RemoteKey::Down));
        assert_eq!(KeyMap::read("2 red\nx up").unwrap_err(), "line 2: the code is no number");
        assert_eq!(KeyMap::read("2 purple").unwrap_err(), "line 1: 'purple' is no key");
    }
}
