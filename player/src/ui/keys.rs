//! The keys: one table of what they do, from which the help screen is made too.

use super::action::{Action, RateChange};

/// A key, named by what it types, so that letters follow the keyboard's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// What it types, letters in lower case.
    Char(char),
    /// The space bar.
    Space,
    /// Cursor left.
    Left,
    /// Cursor right.
    Right,
    /// Cursor up.
    Up,
    /// Cursor down.
    Down,
    /// Home.
    Home,
    /// End.
    End,
    /// Enter or Select.
    Enter,
    /// Escape or Back.
    Escape,
    /// Backspace.
    Backspace,
    /// A function key.
    F(u8),
    /// The play/pause key of media keyboards.
    PlayPause,
}

/// A key with what is held beside it. Characters carry their shift in themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chord {
    /// The key.
    pub key: Key,
    /// Control is held.
    pub ctrl: bool,
    /// Shift is held; always false with [`Key::Char`].
    pub shift: bool,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// What it does.
    pub action: Action,
    /// Any of these keys.
    pub chords: &'static [Chord],
    /// What it does, in words; lines that follow each other with the same words are one line of the help.
    pub help: &'static str,
    /// Where it holds.
    pub context: Context,
}

/// What is open and so decides what a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Nothing special.
    Player,
    /// A menu; keys that it does not use act as in [`Context::Player`].
    Menu,
    /// The statistics; as above.
    Statistics,
    /// The message about what ended playback; as above.
    Error,
}

const fn plain(key: Key) -> Chord {
    Chord { key, ctrl: false, shift: false }
}

const fn typed(c: char) -> Chord {
    plain(Key::Char(c))
}

const fn ctrl(key: Key) -> Chord {
    Chord { key, ctrl: true, shift: false }
}

const fn shift(key: Key) -> Chord {
    Chord { key, ctrl: false, shift: true }
}

macro_rules! bindings {
    ($($context:ident: $action:expr, [$($chord:expr),+], $help:literal;)+) => {
        /// Every binding.
        pub const BINDINGS: &[Binding] = &[$(Binding {
            action: $action,
            chords: const { &[$($chord),+] },
            help: $help,
            context: Context::$context,
        },)+];
    };
}

bindings! {
    Player: Action::TogglePause, [plain(Key::Space), typed('k'), typed('p'), plain(Key::PlayPause)], "Play or pause";
    Player: Action::Skip(-5), [plain(Key::Left)], "Back or forward 5 s";
    Player: Action::Skip(5), [plain(Key::Right)], "Back or forward 5 s";
    Player: Action::Skip(-10), [typed('j')], "Back or forward 10 s";
    Player: Action::Skip(10), [typed('l')], "Back or forward 10 s";
    Player: Action::Skip(-60), [ctrl(Key::Left)], "Back or forward 60 s";
    Player: Action::Skip(60), [ctrl(Key::Right)], "Back or forward 60 s";
    Player: Action::Skip(-1), [shift(Key::Left)], "Back or forward 1 s";
    Player: Action::Skip(1), [shift(Key::Right)], "Back or forward 1 s";
    Player: Action::Jump(0), [typed('0')], "Jump to a tenth of the title";
    Player: Action::Jump(1), [typed('1')], "Jump to a tenth of the title";
    Player: Action::Jump(2), [typed('2')], "Jump to a tenth of the title";
    Player: Action::Jump(3), [typed('3')], "Jump to a tenth of the title";
    Player: Action::Jump(4), [typed('4')], "Jump to a tenth of the title";
    Player: Action::Jump(5), [typed('5')], "Jump to a tenth of the title";
    Player: Action::Jump(6), [typed('6')], "Jump to a tenth of the title";
    Player: Action::Jump(7), [typed('7')], "Jump to a tenth of the title";
    Player: Action::Jump(8), [typed('8')], "Jump to a tenth of the title";
    Player: Action::Jump(9), [typed('9')], "Jump to a tenth of the title";
    Player: Action::Start, [plain(Key::Home)], "Go to the start or the end";
    Player: Action::End, [plain(Key::End)], "Go to the start or the end";
    Player: Action::Live, [typed('g')], "Go live (in a broadcast)";
    Player: Action::Position, [typed('o')], "Show the position";
    Player: Action::Volume(5), [plain(Key::Up)], "Louder or quieter (or the wheel)";
    Player: Action::Volume(-5), [plain(Key::Down)], "Louder or quieter (or the wheel)";
    Player: Action::Mute, [typed('m')], "Mute";
    Player: Action::Fullscreen, [typed('f'), plain(Key::F(11))], "Full screen (or a double click)";
    Player: Action::Back, [plain(Key::Escape)], "Close what is open, leave full screen";
    Player: Action::QualityMenu, [typed('q')], "Quality menu";
    Player: Action::QualityStep(1), [shift(Key::Up)], "Better or worse quality";
    Player: Action::QualityStep(-1), [shift(Key::Down)], "Better or worse quality";
    Player: Action::Quality(None), [typed('a')], "Automatic quality";
    Player: Action::Subtitles, [typed('c')], "Subtitles on or off";
    Player: Action::NextSubtitles, [typed('v')], "Next subtitles";
    Player: Action::NextAudio, [typed('b'), typed('#')], "Next audio track";
    Player: Action::Rate(RateChange::Slower), [typed('<')], "Slower or faster";
    Player: Action::Rate(RateChange::Faster), [typed('>')], "Slower or faster";
    Player: Action::Rate(RateChange::FineSlower), [typed('[')], "A little slower or faster";
    Player: Action::Rate(RateChange::FineFaster), [typed(']')], "A little slower or faster";
    Player: Action::Rate(RateChange::Normal), [plain(Key::Backspace)], "Normal speed";
    Player: Action::Statistics, [typed('i')], "Statistics";
    Statistics: Action::Page(1), [typed('1')], "Page of the open statistics";
    Statistics: Action::Page(2), [typed('2')], "Page of the open statistics";
    Statistics: Action::Page(3), [typed('3')], "Page of the open statistics";
    Player: Action::Screenshot, [typed('s')], "Save the picture";
    Player: Action::Retry, [ctrl(Key::Char('r')), plain(Key::F(5))], "Open the title again";
    Player: Action::Help, [typed('?'), plain(Key::F(1))], "This list";
    Player: Action::Quit, [ctrl(Key::Char('q'))], "Quit";
    Menu: Action::Move(-1), [plain(Key::Up)], "Move in the open menu";
    Menu: Action::Move(1), [plain(Key::Down)], "Move in the open menu";
    Error: Action::Retry, [plain(Key::Enter)], "Try again after an error";
    Menu: Action::Choose, [plain(Key::Enter), plain(Key::Space)], "Choose in the open menu";
}

/// What `chord` means in `context`.
pub fn resolve(chord: Chord, context: Context) -> Option<Action> {
    let find = |context: Context| {
        BINDINGS.iter().find(|binding| binding.context == context && binding.chords.contains(&chord))
    };
    find(context).or_else(|| find(Context::Player)).map(|binding| binding.action)
}

/// The help screen: keys and what they do, in the order of the table.
pub fn help() -> Vec<(String, &'static str)> {
    let mut lines: Vec<(Vec<String>, &'static str)> = Vec::new();
    for binding in BINDINGS {
        let names = binding.chords.iter().map(|chord| name(*chord));
        match lines.last_mut() {
            Some((keys, help)) if *help == binding.help => keys.extend(names),
            _ => lines.push((names.collect(), binding.help)),
        }
    }
    let join = |keys: Vec<String>| match keys.as_slice() {
        [first, .., last] if keys.len() > 4 => format!("{first} … {last}"),
        _ => keys.join("  "),
    };
    lines.into_iter().map(|(keys, help)| (join(keys), help)).collect()
}

/// A chord as people write it.
pub fn name(chord: Chord) -> String {
    let key = match chord.key {
        Key::Char(c) => c.to_uppercase().to_string(),
        Key::Space => "Space".into(),
        Key::Left => "←".into(),
        Key::Right => "→".into(),
        Key::Up => "↑".into(),
        Key::Down => "↓".into(),
        Key::Home => "Home".into(),
        Key::End => "End".into(),
        Key::Enter => "Enter".into(),
        Key::Escape => "Esc".into(),
        Key::Backspace => "Backspace".into(),
        Key::F(number) => format!("F{number}"),
        Key::PlayPause => "Play/Pause".into(),
    };
    let held = |yes: bool, name: &str| if yes { format!("{name}+") } else { String::new() };
    format!("{}{}{key}", held(chord.ctrl, "Ctrl"), held(chord.shift, "Shift"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every action that a key must reach. A new action does not compile until it is sorted here.
    fn needs_a_key(action: Action) -> bool {
        match action {
            // The pointer's: keys reach the same through Skip, Jump and Volume.
            Action::SeekTo(_) | Action::SetVolume(_) => false,
            // Keys go through them one by one.
            Action::ChooseText(_) | Action::ChooseAudio(_) => false,
            // Chosen in the menu, which keys reach, or None, which has a key of its own.
            Action::Quality(height) => height.is_none(),
            Action::TogglePause
            | Action::Skip(_)
            | Action::Jump(_)
            | Action::Start
            | Action::End
            | Action::Live
            | Action::Volume(_)
            | Action::Mute
            | Action::Fullscreen
            | Action::Back
            | Action::QualityMenu
            | Action::Move(_)
            | Action::Choose
            | Action::QualityStep(_)
            | Action::Rate(_)
            | Action::Subtitles
            | Action::NextSubtitles
            | Action::NextAudio
            | Action::Statistics
            | Action::Page(_)
            | Action::Screenshot
            | Action::Position
            | Action::Help
            | Action::Retry
            | Action::Quit => true,
        }
    }

    #[test]
    fn every_action_is_reachable_by_keyboard() {
        let signed = |f: fn(i8) -> Action| [f(-5), f(5)];
        let mut all = vec![
            Action::TogglePause,
            Action::SeekTo(abr::time::MediaTime::ZERO),
            Action::Start,
            Action::End,
            Action::Live,
            Action::SetVolume(1.0),
            Action::Mute,
            Action::Fullscreen,
            Action::Back,
            Action::QualityMenu,
            Action::Choose,
            Action::Quality(None),
            Action::Quality(Some(720)),
            Action::Subtitles,
            Action::NextSubtitles,
            Action::NextAudio,
            Action::Statistics,
            Action::Screenshot,
            Action::Position,
            Action::Help,
            Action::Retry,
            Action::Quit,
        ];
        all.extend(signed(Action::Volume));
        all.extend([Action::Move(-1), Action::Move(1), Action::QualityStep(-1), Action::QualityStep(1)]);
        all.extend([-60, -10, -5, -1, 1, 5, 10, 60].map(Action::Skip));
        all.extend((0..=9).map(Action::Jump));
        all.extend((1..=3).map(Action::Page));
        all.extend(
            [
                RateChange::Slower,
                RateChange::Faster,
                RateChange::FineSlower,
                RateChange::FineFaster,
                RateChange::Normal,
            ]
            .map(Action::Rate),
        );
        for action in all.into_iter().filter(|action| needs_a_key(*action)) {
            let binding = BINDINGS.iter().find(|binding| binding.action == action);
            let binding = binding.unwrap_or_else(|| panic!("no key for {action:?}"));
            for chord in binding.chords {
                assert_eq!(resolve(*chord, binding.context), Some(action), "{} is taken", name(*chord));
            }
        }
    }

    #[test]
    fn no_key_has_two_meanings_and_all_are_explained() {
        for (place, binding) in BINDINGS.iter().enumerate() {
            assert!(!binding.help.is_empty());
            for chord in binding.chords {
                let again = BINDINGS[place + 1..]
                    .iter()
                    .find(|other| other.context == binding.context && other.chords.contains(chord));
                assert!(again.is_none(), "{} has two meanings", name(*chord));
                assert!(!(matches!(chord.key, Key::Char(_)) && chord.shift));
            }
        }
        let help = help();
        assert_eq!(help[0].0, "Space  K  P  Play/Pause");
        assert!(help.iter().any(|(keys, text)| keys == "0 … 9" && text.starts_with("Jump")));
        assert!(help.iter().any(|(keys, _)| keys == "Ctrl+←  Ctrl+→"));
    }
}
