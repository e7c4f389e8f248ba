//! What is on the screen of the TV face and what keys do to it, without a window or a clock.

use super::focus::{Direction, Focus, Node};
use super::remote::{Press, RemoteKey};
use super::shelf::Title;
use crate::status::Status;
use crate::ui::action::{Action, UiCommand};
use crate::ui::view::{self, View};
use abr::error::Error;
use abr::protocol::{Command, Phase};
use abr::time::MediaTime;
use std::time::Duration;

/// Titles beside each other on the shelf.
pub const COLUMNS: usize = 4;
/// How long the controls stay without a key.
const CONTROLS_STAY: Duration = Duration::from_secs(6);
/// After letting go, a held seek goes there by itself after this.
const COMMIT_AFTER: Duration = Duration::from_millis(1_500);
/// A key that is held this long seeks twice as fast.
const DOUBLES: Duration = Duration::from_secs(1);
/// How far a short press steps, in seconds.
const STEP: i32 = 10;
/// Fastest held seek, beside playing.
const FASTEST: u32 = 64;

/// Everything that can have the focus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Item {
    /// On the shelf.
    Title(usize),
    /// The picture without anything over it.
    Picture,
    SeekBar,
    PlayPause,
    Back10,
    Forward10,
    Quality,
    Audio,
    Text,
    Statistics,
    StartOver,
    /// A line of the open menu.
    Line(usize),
    CloseStatistics,
    Retry,
    ToShelf,
    Stay,
    Leave,
}

/// A menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Menu {
    Quality,
    Audio,
    Text,
}

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// Titles to choose from.
    Shelf,
    /// The picture alone.
    Picture,
    /// Seek bar and buttons over the picture.
    Controls,
    /// A menu over the picture.
    Menu(Menu),
    /// The statistics over the picture.
    Statistics,
    /// What ended playback.
    Failed,
    /// Whether to leave.
    Leaving,
}

/// What is to be done outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// Pass this on to the session.
    Send(UiCommand),
    /// Play this title of the shelf.
    Open(usize),
    /// Stop playing.
    Close,
    /// End the program.
    Quit,
}

/// A key that is held to seek.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hold {
    /// Where playback would go on.
    pub target: MediaTime,
    forwards: bool,
    since: Duration,
    last: Duration,
    /// When the key was let go.
    released: Option<Duration>,
}

impl Hold {
    /// How many times faster than playing it goes.
    pub fn speed(&self, now: Duration) -> u32 {
        let doubled = now.saturating_sub(self.since).as_millis() / DOUBLES.as_millis();
        (2u32 << doubled.min(5)).min(FASTEST)
    }

    /// Whether it goes forwards.
    pub fn is_forwards(&self) -> bool {
        self.forwards
    }

    /// Whether the key is still down.
    pub fn is_down(&self) -> bool {
        self.released.is_none()
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Model {
    titles: Vec<Title>,
    screen: Screen,
    /// One focus per kind of screen.
    focus: [Focus<Item>; 7],
    /// What actions do to playback, and what they say.
    pub view: View,
    hold: Option<Hold>,
    touched: Duration,
}

impl Model {
    /// A shelf with at least one title.
    pub fn new(titles: Vec<Title>) -> Self {
        let titles = if titles.is_empty() { vec![Title::demo()] } else { titles };
        Self {
            titles,
            screen: Screen::Shelf,
            focus: Default::default(),
            view: View::default(),
            hold: None,
            touched: Duration::ZERO,
        }
    }

    /// What is shown.
    pub fn screen(&self) -> Screen {
        self.screen
    }

    /// The titles of the shelf, at least one.
    pub fn titles(&self) -> &[Title] {
        &self.titles
    }

    /// A held seek.
    pub fn hold(&self) -> Option<Hold> {
        self.hold
    }

    /// What has the focus: exactly one thing, always.
    pub fn focus(&mut self, status: &Status) -> Item {
        let tree = self.tree(status);
        self.focus[place(self.screen)].item(&tree).unwrap_or(Item::Picture)
    }

    /// Everything on the screen that can have the focus.
    pub fn tree(&self, status: &Status) -> Node<Item> {
        let column = |items: Vec<Item>| Node::Column(items.into_iter().map(Node::Item).collect());
        let row = |items: Vec<Item>| Node::Row(items.into_iter().map(Node::Item).collect());
        match self.screen {
            Screen::Shelf => {
                let items: Vec<Item> = (0..self.titles.len()).map(Item::Title).collect();
                Node::Column(items.chunks(COLUMNS).map(|chunk| row(chunk.to_vec())).collect())
            }
            Screen::Picture => Node::Item(Item::Picture),
            Screen::Controls => {
                let mut buttons = vec![Item::PlayPause, Item::Back10, Item::Forward10, Item::StartOver];
                if !status.renditions.is_empty() {
                    buttons.push(Item::Quality);
                }
                if status.tracks.audios.len() > 1 {
                    buttons.push(Item::Audio);
                }
                if !status.tracks.texts.is_empty() {
                    buttons.push(Item::Text);
                }
                buttons.push(Item::Statistics);
                Node::Column(vec![Node::Item(Item::SeekBar), row(buttons)])
            }
            Screen::Menu(menu) => column((0..lines(menu, status).max(1)).map(Item::Line).collect()),
            Screen::Statistics => Node::Item(Item::CloseStatistics),
            Screen::Failed => row(vec![Item::Retry, Item::ToShelf]),
            Screen::Leaving => row(vec![Item::Stay, Item::Leave]),
        }
    }

    /// Does what a key asks for.
    pub fn press(&mut self, key: RemoteKey, press: Press, status: &Status, now: Duration) -> Vec<Effect> {
        if press == Press::Up {
            if let Some(hold) = self.hold.as_mut().filter(|_| is_seek(key)) {
                hold.released.get_or_insert(now);
            }
            return Vec::new();
        }
        self.touched = now;
        let repeat = press == Press::Repeat;
        match key {
            RemoteKey::Up | RemoteKey::Down | RemoteKey::Left | RemoteKey::Right => {
                self.cursor(key, repeat, status, now)
            }
            RemoteKey::FastForward | RemoteKey::Rewind if self.is_playing() => {
                self.seek(key == RemoteKey::FastForward, repeat, status, now)
            }
            _ if repeat => Vec::new(),
            RemoteKey::Select => self.select(status, now),
            RemoteKey::Back => self.back(),
            _ if !self.is_playing() => Vec::new(),
            RemoteKey::PlayPause => self.act(Action::TogglePause, status, now),
            RemoteKey::Play if self.view.is_paused(status, now) => self.act(Action::TogglePause, status, now),
            RemoteKey::Pause if !self.view.is_paused(status, now) => {
                self.act(Action::TogglePause, status, now)
            }
            RemoteKey::Stop => self.close(),
            RemoteKey::Info => {
                self.screen =
                    if self.screen == Screen::Controls { Screen::Picture } else { Screen::Controls };
                Vec::new()
            }
            RemoteKey::Subtitle | RemoteKey::Red => self.act(Action::Subtitles, status, now),
            RemoteKey::Audio | RemoteKey::Green => self.open_menu(Menu::Audio, status),
            RemoteKey::Yellow => self.open_menu(Menu::Quality, status),
            RemoteKey::Blue => {
                let open = self.screen == Screen::Statistics;
                self.screen = if open { Screen::Picture } else { Screen::Statistics };
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Whether a title is open and fine.
    fn is_playing(&self) -> bool {
        !matches!(self.screen, Screen::Shelf | Screen::Failed | Screen::Leaving)
    }

    fn cursor(&mut self, key: RemoteKey, repeat: bool, status: &Status, now: Duration) -> Vec<Effect> {
        let focus = self.focus(status);
        let sideways = matches!(key, RemoteKey::Left | RemoteKey::Right);
        if sideways && matches!(focus, Item::Picture | Item::SeekBar) {
            return self.seek(key == RemoteKey::Right, repeat, status, now);
        }
        if self.hold.is_some() {
            return Vec::new();
        }
        if focus == Item::Picture {
            self.screen = Screen::Controls;
            let to = if key == RemoteKey::Up { Item::SeekBar } else { Item::PlayPause };
            self.point(to, status);
            return Vec::new();
        }
        let direction = match key {
            RemoteKey::Up => Direction::Up,
            RemoteKey::Down => Direction::Down,
            RemoteKey::Left => Direction::Left,
            _ => Direction::Right,
        };
        let tree = self.tree(status);
        self.focus[place(self.screen)].press(&tree, direction);
        Vec::new()
    }

    /// A short press steps; a held key runs ahead, ever faster, until it is let go.
    fn seek(&mut self, forwards: bool, repeat: bool, status: &Status, now: Duration) -> Vec<Effect> {
        if !repeat {
            if let Some(hold) = &mut self.hold {
                // Held again, before what was found was taken.
                *hold = Hold { forwards, since: now, last: now, released: None, ..*hold };
                return Vec::new();
            }
            return self.act(Action::Skip(if forwards { STEP } else { -STEP }), status, now);
        }
        let target = self.view.position(status, now);
        let start = Hold { target, forwards, since: now, last: now, released: None };
        let hold = self.hold.get_or_insert(start);
        let span = now.saturating_sub(hold.last).min(Duration::from_millis(500)) * hold.speed(now);
        let end = status.duration.map_or(MediaTime::MAX, |length| MediaTime::ZERO + length);
        let to = if hold.forwards { hold.target + span } else { hold.target - span };
        hold.target = to.clamp(MediaTime::ZERO, end);
        hold.last = now;
        Vec::new()
    }

    fn select(&mut self, status: &Status, now: Duration) -> Vec<Effect> {
        if self.hold.is_some() {
            return self.commit(status, now);
        }
        match self.focus(status) {
            Item::Title(place) => {
                self.screen = Screen::Picture;
                self.view = View::default();
                vec![Effect::Open(place)]
            }
            Item::Picture => {
                self.screen = Screen::Controls;
                self.point(Item::PlayPause, status);
                Vec::new()
            }
            Item::SeekBar | Item::PlayPause => self.act(Action::TogglePause, status, now),
            Item::Back10 => self.act(Action::Skip(-STEP), status, now),
            Item::Forward10 => self.act(Action::Skip(STEP), status, now),
            Item::StartOver => self.act(Action::Start, status, now),
            Item::Quality => self.open_menu(Menu::Quality, status),
            Item::Audio => self.open_menu(Menu::Audio, status),
            Item::Text => self.open_menu(Menu::Text, status),
            Item::Statistics => {
                self.screen = Screen::Statistics;
                Vec::new()
            }
            Item::CloseStatistics => {
                self.screen = Screen::Picture;
                Vec::new()
            }
            Item::Line(line) => self.choose(line, status, now),
            Item::Retry => {
                self.screen = Screen::Picture;
                self.act(Action::Retry, status, now)
            }
            Item::ToShelf => self.close(),
            Item::Stay => {
                self.screen = Screen::Shelf;
                Vec::new()
            }
            Item::Leave => vec![Effect::Quit],
        }
    }

    fn choose(&mut self, line: usize, status: &Status, now: Duration) -> Vec<Effect> {
        let Screen::Menu(menu) = self.screen else { return Vec::new() };
        self.screen = Screen::Controls;
        let action = match menu {
            Menu::Quality => {
                let height =
                    line.checked_sub(1).and_then(|at| view::qualities(status).get(at).map(|r| r.height));
                Some(Action::Quality(height))
            }
            Menu::Audio => status.tracks.audios.get(line).map(|choice| Action::ChooseAudio(choice.set)),
            Menu::Text => {
                let choice =
                    line.checked_sub(1).map(|at| status.tracks.texts.get(at).map(|choice| choice.set));
                match choice {
                    None => Some(Action::ChooseText(None)),
                    Some(set) => set.map(|set| Action::ChooseText(Some(set))),
                }
            }
        };
        action.map_or_else(Vec::new, |action| self.act(action, status, now))
    }

    /// Out, one step: a held seek, a menu, the controls, the title, the program.
    fn back(&mut self) -> Vec<Effect> {
        if self.hold.take().is_some() {
            return Vec::new();
        }
        self.screen = match self.screen {
            Screen::Menu(_) => Screen::Controls,
            Screen::Controls | Screen::Statistics => Screen::Picture,
            Screen::Picture | Screen::Failed => return self.close(),
            Screen::Shelf => {
                self.focus[place(Screen::Leaving)] = Focus::default();
                Screen::Leaving
            }
            Screen::Leaving => return vec![Effect::Quit],
        };
        Vec::new()
    }

    fn close(&mut self) -> Vec<Effect> {
        self.screen = Screen::Shelf;
        self.hold = None;
        vec![Effect::Close]
    }

    fn open_menu(&mut self, menu: Menu, status: &Status) -> Vec<Effect> {
        self.screen = Screen::Menu(menu);
        let marked = marked(menu, status);
        self.point(Item::Line(marked), status);
        Vec::new()
    }

    fn point(&mut self, item: Item, status: &Status) {
        let tree = self.tree(status);
        self.focus[place(self.screen)].set(&tree, item);
    }

    fn act(&mut self, action: Action, status: &Status, now: Duration) -> Vec<Effect> {
        let effects = self.view.apply(action, status, now);
        effects
            .into_iter()
            .filter_map(|effect| match effect {
                view::Effect::Send(command) => Some(Effect::Send(command)),
                // The TV face always fills the screen.
                view::Effect::Fullscreen(_) | view::Effect::Screenshot => None,
            })
            .collect()
    }

    fn commit(&mut self, status: &Status, now: Duration) -> Vec<Effect> {
        let Some(hold) = self.hold.take() else { return Vec::new() };
        self.act(Action::SeekTo(hold.target), status, now)
    }

    /// What happens by itself: controls go, a seek that was let go is taken, a title that ended leads back
    /// to the shelf.
    pub fn tick(&mut self, status: &Status, now: Duration) -> Vec<Effect> {
        if !matches!(self.screen, Screen::Shelf | Screen::Leaving) {
            self.view.observe(status, now);
            if self.view.error().is_some() && self.is_playing() {
                self.screen = Screen::Failed;
                self.hold = None;
            }
        }
        let let_go = self.hold.and_then(|hold| hold.released);
        if let_go.is_some_and(|at| now >= at + COMMIT_AFTER) {
            return self.commit(status, now);
        }
        let idle = now >= self.touched + CONTROLS_STAY;
        if self.screen == Screen::Controls && idle && status.phase == Phase::Playing {
            self.screen = Screen::Picture;
        }
        if self.is_playing() && status.phase == Phase::Ended {
            return self.close();
        }
        Vec::new()
    }

    /// Notes that playback ended with an error.
    pub fn fail(&mut self, error: Error) {
        if self.is_playing() {
            self.view.fail(error);
            self.screen = Screen::Failed;
            self.hold = None;
            self.focus[place(Screen::Failed)] = Focus::default();
        }
    }

    /// Notes that playback is under way again.
    pub fn recover(&mut self) {
        if self.view.recover() && self.screen == Screen::Failed {
            self.screen = Screen::Picture;
        }
    }

    /// Suspended: holds playback, so that the place is kept.
    pub fn suspend(&mut self) -> Vec<Effect> {
        if self.is_playing() { vec![Effect::Send(UiCommand::Session(Command::Pause))] } else { Vec::new() }
    }

    /// When [`tick`](Self::tick) has something to do again.
    pub fn next_change(&self, now: Duration) -> Option<Duration> {
        let controls = (self.screen == Screen::Controls).then(|| self.touched + CONTROLS_STAY);
        let hold = self.hold.map(|hold| hold.released.map_or(now, |at| at + COMMIT_AFTER));
        let later = |at: &Duration| *at > now;
        [controls, hold, self.view.next_change(now)].into_iter().flatten().filter(later).min()
    }
}

fn is_seek(key: RemoteKey) -> bool {
    matches!(key, RemoteKey::Left | RemoteKey::Right | RemoteKey::FastForward | RemoteKey::Rewind)
}

/// Where the focus of a screen is kept.
fn place(screen: Screen) -> usize {
    match screen {
        Screen::Shelf => 0,
        Screen::Picture => 1,
        Screen::Controls => 2,
        Screen::Menu(_) => 3,
        Screen::Statistics => 4,
        Screen::Failed => 5,
        Screen::Leaving => 6,
    }
}

/// Lines of a menu.
pub fn lines(menu: Menu, status: &Status) -> usize {
    match menu {
        Menu::Quality => 1 + view::qualities(status).len(),
        Menu::Audio => status.tracks.audios.len(),
        Menu::Text => 1 + status.tracks.texts.len(),
    }
}

/// The line that is in force.
pub fn marked(menu: Menu, status: &Status) -> usize {
    let of = |choices: &[crate::status::Choice], set: Option<u32>| {
        set.and_then(|set| choices.iter().position(|choice| choice.set == set))
    };
    match menu {
        Menu::Quality => {
            let locked = status.locked_height;
            let place = view::qualities(status).iter().position(|r| Some(r.height) == locked);
            place.map_or(0, |place| place + 1)
        }
        Menu::Audio => of(&status.tracks.audios, status.tracks.audio).unwrap_or(0),
        Menu::Text => of(&status.tracks.texts, status.tracks.text).map_or(0, |place| place + 1),
    }
}
