//! What a face shows besides the picture, and what actions do to it.
//!
//! Time is an argument: a span since the face started, never read from a clock here.

use super::action::{Action, UiCommand};
use super::format;
use super::keys::Context;
use crate::status::{Rendition, Status};
use abr::error::{Error, Severity};
use abr::presentation::{ContentType, RepresentationKey};
use abr::protocol::{Command, Phase};
use abr::time::MediaTime;
use std::time::Duration;

/// How long the controls stay after the last movement.
pub const CONTROLS_STAY: Duration = Duration::from_secs(3);
/// How long the feedback of an action stays.
pub const TOAST_STAYS: Duration = Duration::from_millis(1_000);
/// How long a warning stays.
pub const NOTICE_STAYS: Duration = Duration::from_secs(5);
/// Waiting shorter than this is not shown.
pub const SPINNER_AFTER: Duration = Duration::from_millis(400);
/// Waiting longer than this is explained.
pub const EXPLAIN_AFTER: Duration = Duration::from_secs(3);
/// How long the face believes itself rather than a status that may be older than its last command.
const STATUS_LAG: Duration = Duration::from_millis(700);
/// Pages of the statistics.
pub const PAGES: u8 = 3;

/// What the face itself has to do, or to pass on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// Pass this on.
    Send(UiCommand),
    /// Fill the screen, or stop doing so.
    Fullscreen(bool),
    /// Save the picture that is on the screen.
    Screenshot,
}

/// Everything that is open, shown for a while, or said but not yet confirmed.
#[derive(Clone, Debug, Default)]
pub struct View {
    fullscreen: bool,
    menu: Option<usize>,
    page: Option<u8>,
    help: bool,
    toast: Option<(String, Duration)>,
    controls_until: Duration,
    rate: Option<f64>,
    seek: Option<(MediaTime, Duration)>,
    volume: Option<(f64, Duration)>,
    muted: Option<(bool, Duration)>,
    paused: Option<(bool, Duration)>,
    text: Option<(Option<u32>, Duration)>,
    /// What is shown when subtitles are switched on again.
    last_text: Option<u32>,
    waiting_since: Option<Duration>,
    shown: Option<RepresentationKey>,
    noticed: Option<Duration>,
    error: Option<Error>,
}

/// How waiting is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// With a turning ring.
    Spinner,
    /// With a ring and words.
    Explained(String),
}

impl View {
    /// Goes to the live edge of a broadcast.
    fn go_live(&mut self, now: Duration) -> Vec<Effect> {
        self.say("Live".into(), now);
        vec![Effect::Send(UiCommand::Session(Command::GoLive))]
    }

    /// Does `action`. Returns what has to be done outside.
    pub fn apply(&mut self, action: Action, status: &Status, now: Duration) -> Vec<Effect> {
        match action {
            Action::TogglePause => self.toggle_pause(status, now),
            Action::Skip(seconds) => {
                let by = Duration::from_secs(u64::from(seconds.unsigned_abs()));
                let from = self.position(status, now);
                let to = if seconds < 0 { from - by } else { from + by };
                self.seek(to, status, now, Some(format!("{seconds:+} s")))
            }
            Action::Jump(tenths) => match status.duration {
                Some(length) => {
                    let to = MediaTime::ZERO + length / 10 * u32::from(tenths.min(10));
                    self.seek(to, status, now, None)
                }
                None => Vec::new(),
            },
            Action::SeekTo(to) => self.seek(to, status, now, None),
            Action::Start => self.seek(MediaTime::ZERO, status, now, None),
            Action::End => match status.duration {
                // A second before, so that something is left to be shown.
                Some(length) => {
                    let to = MediaTime::ZERO + length.saturating_sub(Duration::from_secs(1));
                    self.seek(to, status, now, None)
                }
                None => self.go_live(now),
            },
            Action::Live if status.duration.is_none() => self.go_live(now),
            Action::Live => Vec::new(),
            Action::Volume(percent) => {
                let volume = self.volume(status, now) + f64::from(percent) / 100.0;
                self.set_volume(volume, status, now)
            }
            Action::SetVolume(volume) => self.set_volume(volume, status, now),
            Action::Mute => {
                let muted = !self.muted(status, now);
                self.muted = Some((muted, now));
                self.say(if muted { "Muted".into() } else { "Sound on".into() }, now);
                vec![Effect::Send(UiCommand::Mute(muted))]
            }
            Action::Fullscreen => {
                self.fullscreen = !self.fullscreen;
                vec![Effect::Fullscreen(self.fullscreen)]
            }
            Action::Back => self.back(),
            Action::QualityMenu => {
                self.help = false;
                self.menu = match self.menu {
                    Some(_) => None,
                    None => Some(marked_quality(status)),
                };
                Vec::new()
            }
            Action::Move(by) => {
                if let Some(marked) = &mut self.menu {
                    let last = qualities(status).len();
                    *marked = marked.saturating_add_signed(isize::from(by)).min(last);
                }
                Vec::new()
            }
            Action::Choose => match self.menu.take() {
                Some(marked) => {
                    let height =
                        marked.checked_sub(1).and_then(|at| qualities(status).get(at).map(|r| r.height));
                    self.quality(height, now)
                }
                None => Vec::new(),
            },
            Action::Quality(height) => self.quality(height, now),
            Action::QualityStep(by) => self.quality_step(by, status, now),
            Action::Subtitles => {
                let shown = self.text(status, now);
                let first = self.last_text.or(status.tracks.text_preferred);
                let there = |set: &u32| status.tracks.texts.iter().any(|choice| choice.set == *set);
                let first = first.filter(there).or(status.tracks.texts.first().map(|choice| choice.set));
                match (shown, first) {
                    (None, None) => self.say("There are no subtitles".into(), now),
                    (shown, first) => return self.show_text(first.filter(|_| shown.is_none()), status, now),
                }
                Vec::new()
            }
            Action::NextSubtitles => {
                let sets: Vec<u32> = status.tracks.texts.iter().map(|choice| choice.set).collect();
                if sets.is_empty() {
                    self.say("There are no subtitles".into(), now);
                    return Vec::new();
                }
                let place =
                    self.text(status, now).and_then(|shown| sets.iter().position(|set| *set == shown));
                let next = sets.get(place.map_or(0, |place| place + 1)).copied();
                self.show_text(next, status, now)
            }
            Action::NextAudio => {
                let sets: Vec<u32> = status.tracks.audios.iter().map(|choice| choice.set).collect();
                let place = status.tracks.audio.and_then(|heard| sets.iter().position(|set| *set == heard));
                let next = place.map_or(0, |place| (place + 1) % sets.len().max(1));
                match sets.get(next) {
                    Some(set) => self.hear(*set, status, now),
                    None => Vec::new(),
                }
            }
            Action::ChooseText(set) => self.show_text(set, status, now),
            Action::ChooseAudio(set) => self.hear(set, status, now),
            Action::Rate(change) => {
                let rate = change.apply(self.rate());
                self.rate = Some(rate);
                self.say(format!("Speed {}", format::rate(rate)), now);
                vec![Effect::Send(UiCommand::Session(Command::Rate(rate)))]
            }
            Action::Statistics => {
                self.page = if self.page.is_some() { None } else { Some(1) };
                Vec::new()
            }
            Action::Page(page) => {
                self.page = Some(page.clamp(1, PAGES));
                Vec::new()
            }
            Action::Screenshot => vec![Effect::Screenshot],
            Action::Position => {
                self.touch(now);
                let length = status.duration.map_or(String::new(), |d| format!(" / {}", format::duration(d)));
                self.say(format!("{}{length}", format::time(self.position(status, now))), now);
                Vec::new()
            }
            Action::Help => {
                self.menu = None;
                self.help = !self.help;
                Vec::new()
            }
            Action::Retry => {
                self.error = None;
                vec![Effect::Send(UiCommand::Retry)]
            }
            Action::Quit => vec![Effect::Send(UiCommand::Quit)],
        }
    }

    fn toggle_pause(&mut self, status: &Status, now: Duration) -> Vec<Effect> {
        self.touch(now);
        if status.phase == Phase::Ended {
            self.seek = Some((MediaTime::ZERO, now));
            self.say("From the start".into(), now);
            let again = [Command::Seek(MediaTime::ZERO), Command::Play];
            return again.map(|command| Effect::Send(UiCommand::Session(command))).to_vec();
        }
        let paused = !self.is_paused(status, now);
        self.paused = Some((paused, now));
        self.say(if paused { "Paused".into() } else { "Playing".into() }, now);
        let command = if paused { Command::Pause } else { Command::Play };
        vec![Effect::Send(UiCommand::Session(command))]
    }

    fn seek(&mut self, to: MediaTime, status: &Status, now: Duration, said: Option<String>) -> Vec<Effect> {
        let end = status.duration.map_or(MediaTime::MAX, |length| MediaTime::ZERO + length);
        let to = to.clamp(MediaTime::ZERO, end);
        self.seek = Some((to, now));
        let place = format::time(to);
        self.say(said.map_or(place.clone(), |said| format!("{said}   {place}")), now);
        vec![Effect::Send(UiCommand::Session(Command::Seek(to)))]
    }

    fn set_volume(&mut self, volume: f64, status: &Status, now: Duration) -> Vec<Effect> {
        let volume = if volume.is_finite() { (volume.clamp(0.0, 1.0) * 100.0).round() / 100.0 } else { 1.0 };
        let mut effects = vec![Effect::Send(UiCommand::Volume(volume))];
        if self.muted(status, now) && volume > 0.0 {
            self.muted = Some((false, now));
            effects.push(Effect::Send(UiCommand::Mute(false)));
        }
        self.volume = Some((volume, now));
        self.say(format!("Volume {:.0} %", volume * 100.0), now);
        effects
    }

    fn back(&mut self) -> Vec<Effect> {
        if self.help || self.menu.is_some() {
            self.help = false;
            self.menu = None;
        } else if self.page.is_some() {
            self.page = None;
        } else if self.fullscreen {
            self.fullscreen = false;
            return vec![Effect::Fullscreen(false)];
        }
        Vec::new()
    }

    fn show_text(&mut self, set: Option<u32>, status: &Status, now: Duration) -> Vec<Effect> {
        self.text = Some((set, now));
        self.last_text = set.or(self.last_text);
        let choice = status.tracks.texts.iter().find(|choice| Some(choice.set) == set);
        self.say(choice.map_or("Subtitles off".into(), |c| format!("Subtitles: {}", format::choice(c))), now);
        let command = Command::SelectSet { track: ContentType::Text, adaptation_set: set };
        vec![Effect::Send(UiCommand::Session(command))]
    }

    fn hear(&mut self, set: u32, status: &Status, now: Duration) -> Vec<Effect> {
        let choice = status.tracks.audios.iter().find(|choice| choice.set == set);
        self.say(choice.map_or("Audio".into(), |c| format!("Audio: {}", format::choice(c))), now);
        let command = Command::SelectSet { track: ContentType::Audio, adaptation_set: Some(set) };
        vec![Effect::Send(UiCommand::Session(command))]
    }

    fn quality(&mut self, height: Option<u32>, now: Duration) -> Vec<Effect> {
        self.menu = None;
        self.say(height.map_or("Quality: automatic".into(), |h| format!("Quality: {h}p")), now);
        vec![Effect::Send(UiCommand::Session(Command::LockHeight(height)))]
    }

    fn quality_step(&mut self, by: i8, status: &Status, now: Duration) -> Vec<Effect> {
        let heights: Vec<u32> = qualities(status).iter().rev().map(|rendition| rendition.height).collect();
        let from = status.locked_height.or_else(|| current(status).map(|rendition| rendition.height));
        let at = from.and_then(|from| heights.iter().rposition(|height| *height <= from)).unwrap_or(0);
        match heights.get(at.saturating_add_signed(isize::from(by)).min(heights.len().saturating_sub(1))) {
            Some(height) => self.quality(Some(*height), now),
            None => Vec::new(),
        }
    }

    /// Shows `text` for a moment.
    pub fn say(&mut self, text: String, now: Duration) {
        self.toast = Some((text, now + TOAST_STAYS));
    }

    /// Shows the controls for a while: the pointer moved.
    pub fn touch(&mut self, now: Duration) {
        self.controls_until = now + CONTROLS_STAY;
    }

    /// Hides the controls at once: the pointer left.
    pub fn leave(&mut self) {
        self.controls_until = Duration::ZERO;
    }

    /// Told whenever there may be a new status: notes since when it waits, and says what changed by
    /// itself.
    pub fn observe(&mut self, status: &Status, now: Duration) {
        let waits = matches!(status.phase, Phase::Starting | Phase::Stalled | Phase::Seeking);
        self.waiting_since = waits.then(|| self.waiting_since.unwrap_or(now));
        if status.current != self.shown {
            let height = |key| status.renditions.iter().find(|r| Some(r.key) == key).map(|r| r.height);
            if let (Some(from), Some(to)) = (height(self.shown), height(status.current))
                && from != to
            {
                self.say(format!("{from}p → {to}p"), now);
            }
            self.shown = status.current;
        }
        if let Some((at, error)) = &status.notice
            && self.noticed != Some(*at)
        {
            self.noticed = Some(*at);
            match error.severity {
                Severity::Warning => self.toast = Some((error.message.clone(), now + NOTICE_STAYS)),
                Severity::Recoverable => {}
                Severity::Fatal => self.error = Some(error.clone()),
            }
        }
    }

    /// Notes that playback ended with this error.
    pub fn fail(&mut self, error: Error) {
        self.error = Some(error);
    }

    /// Notes that playback is under way again; says whether there was an error before.
    pub fn recover(&mut self) -> bool {
        self.error.take().is_some()
    }

    /// What ended playback.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Whether there is anything to draw over the picture.
    pub fn is_visible(&self, status: &Status, now: Duration) -> bool {
        self.controls(status, now)
            || self.help
            || self.page.is_some()
            || self.error.is_some()
            || self.toast(now).is_some()
            || self.waiting(status, now).is_some()
    }

    /// Whether it is held by the user, as far as is known.
    pub fn is_paused(&self, status: &Status, now: Duration) -> bool {
        believed(self.paused, now).unwrap_or(status.phase == Phase::Paused)
    }

    /// Where playback is or is about to be.
    pub fn position(&self, status: &Status, now: Duration) -> MediaTime {
        match self.seek {
            Some((to, at)) if now < at + STATUS_LAG || status.phase == Phase::Seeking => to,
            _ => status.position,
        }
    }

    /// Linear volume, 0.0 to 1.0.
    pub fn volume(&self, status: &Status, now: Duration) -> f64 {
        believed(self.volume, now).unwrap_or(status.volume)
    }

    /// Whether it is silent.
    pub fn muted(&self, status: &Status, now: Duration) -> bool {
        believed(self.muted, now).unwrap_or(status.muted)
    }

    /// The set of the subtitles that are shown by choice.
    pub fn text(&self, status: &Status, now: Duration) -> Option<u32> {
        believed(self.text, now).unwrap_or(status.tracks.text)
    }

    /// Playback rate.
    pub fn rate(&self) -> f64 {
        self.rate.unwrap_or(1.0)
    }

    /// Whether the screen is filled.
    pub fn is_fullscreen(&self) -> bool {
        self.fullscreen
    }

    /// Notes that the window fills the screen or not, for whatever reason.
    pub fn set_fullscreen(&mut self, fullscreen: bool) {
        self.fullscreen = fullscreen;
    }

    /// The marked line of the open quality menu; line 0 is automatic choice, the others are
    /// [`qualities`].
    pub fn menu(&self) -> Option<usize> {
        self.menu
    }

    /// The open page of the statistics.
    pub fn page(&self) -> Option<u8> {
        self.page
    }

    /// Whether the list of keys is open.
    pub fn help(&self) -> bool {
        self.help
    }

    /// What is said at the moment.
    pub fn toast(&self, now: Duration) -> Option<&str> {
        self.toast.as_ref().filter(|(_, until)| now < *until).map(|(text, _)| text.as_str())
    }

    /// Whether the controls are to be seen.
    pub fn controls(&self, status: &Status, now: Duration) -> bool {
        now < self.controls_until || self.menu.is_some() || status.phase == Phase::Ended
    }

    /// How waiting is shown now.
    pub fn waiting(&self, status: &Status, now: Duration) -> Option<Waiting> {
        let waited = now.saturating_sub(self.waiting_since?);
        if waited < SPINNER_AFTER || self.error.is_some() {
            return None;
        }
        let words = status.waiting.clone().filter(|_| waited >= EXPLAIN_AFTER);
        Some(words.map_or(Waiting::Spinner, Waiting::Explained))
    }

    /// What keys mean at the moment.
    pub fn context(&self) -> Context {
        match (&self.error, self.menu, self.page) {
            (Some(_), ..) => Context::Error,
            (None, Some(_), _) => Context::Menu,
            (None, None, Some(_)) => Context::Statistics,
            (None, None, None) => Context::Player,
        }
    }

    /// When something on the screen changes without a new status or input: a toast ends, controls hide,
    /// a spinner appears.
    pub fn next_change(&self, now: Duration) -> Option<Duration> {
        let waiting = self.waiting_since.iter().flat_map(|at| [*at + SPINNER_AFTER, *at + EXPLAIN_AFTER]);
        let toast = self.toast.iter().map(|(_, until)| *until);
        waiting.chain(toast).chain([self.controls_until]).filter(|at| *at > now).min()
    }
}

/// A value said by the face itself, while the status may not know it yet.
fn believed<T: Copy>(said: Option<(T, Duration)>, now: Duration) -> Option<T> {
    said.filter(|(_, at)| now < *at + STATUS_LAG).map(|(value, _)| value)
}

/// The rendition on the screen.
pub fn current(status: &Status) -> Option<&Rendition> {
    status.renditions.iter().find(|rendition| Some(rendition.key) == status.current)
}

/// What the quality menu offers below automatic choice: one rendition for each height, the best of it,
/// tallest first.
pub fn qualities(status: &Status) -> Vec<&Rendition> {
    let mut best: Vec<&Rendition> = Vec::new();
    let mut sorted: Vec<&Rendition> = status.renditions.iter().collect();
    sorted.sort_by_key(|rendition| std::cmp::Reverse((rendition.height, rendition.bandwidth_bps)));
    for rendition in sorted {
        if best.last().is_none_or(|last| last.height != rendition.height) {
            best.push(rendition);
        }
    }
    best
}

/// The line of the quality menu that is in force.
fn marked_quality(status: &Status) -> usize {
    let locked = status.locked_height;
    locked
        .and_then(|locked| qualities(status).iter().position(|rendition| rendition.height <= locked))
        .map_or(0, |at| at + 1)
}

#[cfg(test)]
pub(super) mod tests;
