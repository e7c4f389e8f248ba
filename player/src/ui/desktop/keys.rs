//! From winit's key events to the chords of the key table.

use crate::ui::keys::{Chord, Key};
use winit::keyboard::{Key as Pressed, ModifiersState, NamedKey};

/// The chord that was pressed; `None` for keys that mean nothing to the player, and whatever the window
/// manager owns (Alt, Super).
pub(super) fn chord(pressed: &Pressed, modifiers: ModifiersState) -> Option<Chord> {
    if modifiers.alt_key() || modifiers.super_key() {
        return None;
    }
    let key = match pressed {
        Pressed::Named(named) => match named {
            NamedKey::Space => Key::Space,
            NamedKey::ArrowLeft => Key::Left,
            NamedKey::ArrowRight => Key::Right,
            NamedKey::ArrowUp => Key::Up,
            NamedKey::ArrowDown => Key::Down,
            NamedKey::Home => Key::Home,
            NamedKey::End => Key::End,
            NamedKey::Enter => Key::Enter,
            NamedKey::Escape => Key::Escape,
            NamedKey::Backspace => Key::Backspace,
            NamedKey::MediaPlayPause | NamedKey::MediaPlay | NamedKey::MediaPause => Key::PlayPause,
            NamedKey::F1 => Key::F(1),
            NamedKey::F5 => Key::F(5),
            NamedKey::F11 => Key::F(11),
            _ => return None,
        },
        Pressed::Character(text) if text == " " => Key::Space,
        Pressed::Character(text) => {
            let mut letters = text.chars().flat_map(char::to_lowercase);
            match (letters.next(), letters.next()) {
                (Some(letter), None) => Key::Char(letter),
                _ => return None,
            }
        }
        Pressed::Unidentified(_) | Pressed::Dead(_) => return None,
    };
    let typed = matches!(key, Key::Char(_));
    Some(Chord { key, ctrl: modifiers.control_key(), shift: modifiers.shift_key() && !typed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::action::Action;
    use crate::ui::keys::{Context, resolve};

    fn action(pressed: &Pressed, modifiers: ModifiersState) -> Option<Action> {
        resolve(chord(pressed, modifiers)?, Context::Player)
    }

    #[test]
    fn presses_become_actions() {
        let none = ModifiersState::empty();
        let typed = |text: &str| Pressed::Character(text.into());
        assert_eq!(action(&Pressed::Named(NamedKey::Space), none), Some(Action::TogglePause));
        assert_eq!(action(&typed("K"), ModifiersState::SHIFT), Some(Action::TogglePause));
        assert_eq!(action(&typed("?"), ModifiersState::SHIFT), Some(Action::Help));
        assert_eq!(action(&typed("q"), none), Some(Action::QualityMenu));
        assert_eq!(action(&typed("q"), ModifiersState::CONTROL), Some(Action::Quit));
        assert_eq!(
            action(&Pressed::Named(NamedKey::ArrowLeft), ModifiersState::CONTROL),
            Some(Action::Skip(-60))
        );
        assert_eq!(
            action(&Pressed::Named(NamedKey::ArrowUp), ModifiersState::SHIFT),
            Some(Action::QualityStep(1))
        );
        assert_eq!(action(&typed("f"), ModifiersState::ALT), None);
        assert_eq!(action(&typed("ß"), none), None);
    }
}
