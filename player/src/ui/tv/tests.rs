//! The TV face without a window: random walks, ways out, held seeks.

use super::focus::Node;
use super::model::{Effect, Item, Menu, Model, Screen};
use super::remote::{Press, RemoteKey};
use super::shelf::Title;
use crate::status::{Choice, Status};
use crate::ui::action::UiCommand;
use abr::error::{Code, Error, Severity};
use abr::protocol::{Command, Phase};
use abr::time::MediaTime;
use std::time::Duration;

const KEYS: [RemoteKey; 19] = [
    RemoteKey::Up,
    RemoteKey::Down,
    RemoteKey::Left,
    RemoteKey::Right,
    RemoteKey::Select,
    RemoteKey::Back,
    RemoteKey::PlayPause,
    RemoteKey::Play,
    RemoteKey::Pause,
    RemoteKey::Stop,
    RemoteKey::FastForward,
    RemoteKey::Rewind,
    RemoteKey::Info,
    RemoteKey::Subtitle,
    RemoteKey::Audio,
    RemoteKey::Red,
    RemoteKey::Green,
    RemoteKey::Yellow,
    RemoteKey::Blue,
];

fn titles(count: usize) -> Vec<Title> {
    (0..count).map(|n| Title { title: format!("T{n}"), ..Title::demo() }).collect()
}

fn status() -> Status {
    let mut status = crate::ui::view::tests::status();
    let choice = |set| Choice { set, language: Some("en".into()), label: None, roles: vec![], channels: 2 };
    status.tracks.audios = vec![choice(1), choice(2)];
    status.tracks.texts = vec![choice(3), choice(4), choice(5)];
    status
}

/// A generator of numbers that are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Changes what the session offers, as seeks, periods and failures do.
fn disturb(status: &mut Status, dice: &mut Dice) {
    let whole = self::status();
    match dice.roll(6) {
        0 => status.renditions.truncate(dice.roll(4) as usize),
        1 => status.tracks.texts.truncate(dice.roll(4) as usize),
        2 => status.tracks.audios.truncate(dice.roll(3) as usize),
        3 => {
            status.phase =
                [Phase::Playing, Phase::Paused, Phase::Stalled, Phase::Ended][dice.roll(4) as usize]
        }
        4 => status.duration = None,
        _ => *status = whole,
    }
}

#[test]
fn a_hundred_thousand_presses_never_lose_the_focus() {
    let mut dice = Dice(7);
    let mut model = Model::new(titles(11));
    let mut status = status();
    let mut now = Duration::ZERO;
    let mut seen = std::collections::BTreeMap::new();
    for press in 0..100_000u32 {
        now += Duration::from_millis(dice.roll(400));
        if dice.roll(10) == 0 {
            disturb(&mut status, &mut dice);
        }
        if dice.roll(500) == 0 {
            model.fail(Error::new(Severity::Fatal, Code::Status, "x"));
        }
        let how = [Press::Down, Press::Down, Press::Repeat, Press::Up][dice.roll(4) as usize];
        let key = KEYS[dice.roll(KEYS.len() as u64) as usize];
        if model.press(key, how, &status, now).contains(&Effect::Quit) {
            // The next person sits down.
            model = Model::new(titles(11));
        }
        model.tick(&status, now);
        let items = model.tree(&status).items();
        let focus = model.focus(&status);
        assert_eq!(
            items.iter().filter(|item| **item == focus).count(),
            1,
            "press {press}: {focus:?} of {items:?}"
        );
        *seen.entry(format!("{:?}", model.screen())).or_insert(0u32) += 1;
        if press % 500 == 0 {
            assert_leads_out(&mut model, &status, now);
        }
    }
    println!("screens seen: {seen:?}");
    assert!(seen.len() >= 8, "nearly every screen was reached");
}

/// Back, pressed again and again, ends the program.
fn assert_leads_out(model: &mut Model, status: &Status, now: Duration) {
    let out = (0..8).any(|_| model.press(RemoteKey::Back, Press::Down, status, now).contains(&Effect::Quit));
    assert!(out, "Back leads nowhere from {:?}", model.screen());
    // Stay after all.
    model.press(RemoteKey::Left, Press::Down, status, now);
    model.press(RemoteKey::Select, Press::Down, status, now);
    assert_eq!(model.screen(), Screen::Shelf);
}

/// Cursor keys, Select and Back alone reach everything.
#[test]
fn six_keys_reach_everything() {
    let status = status();
    let mut failed = Model::new(titles(11));
    failed.press(RemoteKey::Select, Press::Down, &status, Duration::ZERO);
    failed.fail(Error::new(Severity::Fatal, Code::Status, "x"));
    let mut open = vec![Model::new(titles(11)), failed];
    let mut seen = Vec::new();
    let mut reached = Vec::new();
    while let Some(mut model) = open.pop() {
        let focus = model.focus(&status);
        if seen.contains(&(model.screen(), focus)) {
            continue;
        }
        seen.push((model.screen(), focus));
        reached.push(focus);
        for key in &KEYS[..6] {
            let mut next = model.clone();
            next.press(*key, Press::Down, &status, Duration::ZERO);
            open.push(next);
        }
    }
    let mut wanted: Vec<Item> = (0..11).map(Item::Title).collect();
    wanted.extend((0..4).map(Item::Line));
    wanted.extend([
        Item::Picture,
        Item::SeekBar,
        Item::PlayPause,
        Item::Back10,
        Item::Forward10,
        Item::Quality,
        Item::Audio,
        Item::Text,
        Item::Statistics,
        Item::StartOver,
        Item::CloseStatistics,
        Item::Retry,
        Item::ToShelf,
        Item::Stay,
        Item::Leave,
    ]);
    let missing: Vec<_> = wanted.iter().filter(|item| !reached.contains(item)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn seeks(effects: &[Effect]) -> Vec<i64> {
    let seek = |effect: &Effect| match effect {
        Effect::Send(UiCommand::Session(Command::Seek(to))) => Some(to.as_millis()),
        _ => None,
    };
    effects.iter().filter_map(seek).collect()
}

#[test]
fn a_held_key_seeks_ever_faster_and_select_takes_it() {
    let mut status = status();
    status.duration = Some(Duration::from_secs(3_600));
    let mut model = Model::new(titles(1));
    model.press(RemoteKey::Select, Press::Down, &status, Duration::ZERO);
    let ms = Duration::from_millis;
    let step = model.press(RemoteKey::Right, Press::Down, &status, ms(1_000));
    assert_eq!(seeks(&step), [20_000], "a short press steps at once");
    let mut targets = Vec::new();
    for at in (1_500..8_000).step_by(100) {
        assert!(seeks(&model.press(RemoteKey::Right, Press::Repeat, &status, ms(at))).is_empty());
        targets.push(model.hold().unwrap().target);
    }
    assert_eq!(model.hold().unwrap().speed(ms(1_600)), 2);
    assert_eq!(model.hold().unwrap().speed(ms(20_000)), 64);
    let steps: Vec<_> = targets.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert!(steps.windows(2).all(|pair| pair[0] <= pair[1]), "{steps:?}");
    model.press(RemoteKey::Right, Press::Up, &status, ms(8_000));
    let taken = model.press(RemoteKey::Select, Press::Down, &status, ms(8_100));
    assert_eq!(seeks(&taken), [targets.last().unwrap().as_millis()]);
}

#[test]
fn back_cancels_a_held_seek_and_letting_go_takes_it() {
    let status = status();
    let ms = Duration::from_millis;
    let mut model = Model::new(titles(1));
    model.press(RemoteKey::Select, Press::Down, &status, ms(0));
    model.press(RemoteKey::Left, Press::Repeat, &status, ms(100));
    assert!(model.press(RemoteKey::Back, Press::Down, &status, ms(200)).is_empty());
    assert_eq!((model.hold(), model.screen()), (None, Screen::Picture));
    model.press(RemoteKey::Left, Press::Repeat, &status, ms(300));
    model.press(RemoteKey::Left, Press::Up, &status, ms(400));
    assert!(model.tick(&status, ms(1_000)).is_empty());
    assert_eq!(seeks(&model.tick(&status, ms(1_900))), [MediaTime::from_millis(10_000).as_millis()]);
}

#[test]
fn menus_open_at_what_is_in_force() {
    let mut status = status();
    status.locked_height = Some(720);
    status.tracks.text = Some(4);
    let mut model = Model::new(titles(1));
    model.press(RemoteKey::Select, Press::Down, &status, Duration::ZERO);
    model.press(RemoteKey::Yellow, Press::Down, &status, Duration::ZERO);
    assert_eq!((model.screen(), model.focus(&status)), (Screen::Menu(Menu::Quality), Item::Line(2)));
    model.press(RemoteKey::Up, Press::Down, &status, Duration::ZERO);
    let effects = model.press(RemoteKey::Select, Press::Down, &status, Duration::ZERO);
    assert_eq!(effects, [Effect::Send(UiCommand::Session(Command::LockHeight(Some(1080))))]);
    assert!(matches!(model.tree(&status), Node::Column(_)), "back at the controls");
}
