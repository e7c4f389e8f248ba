//! What a person can ask for, and what a face asks of the program.

use abr::protocol::Command;
use abr::time::MediaTime;

/// Something to do, whatever key, button or gesture asked for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Play or hold.
    TogglePause,
    /// Go this many seconds forwards, or backwards when negative.
    Skip(i32),
    /// Go to this many tenths of the title.
    Jump(u8),
    /// Go to a point of the timeline.
    SeekTo(MediaTime),
    /// Go to the start.
    Start,
    /// Go to the end.
    End,
    /// Go to where a broadcast is now.
    Live,
    /// Louder, or quieter when negative, in percent of full volume.
    Volume(i8),
    /// Exactly this loud, 0.0 to 1.0.
    SetVolume(f64),
    /// Silence, or sound again.
    Mute,
    /// Fill the screen, or stop doing so.
    Fullscreen,
    /// Close what is open; leave full screen when nothing is.
    Back,
    /// Open or close the quality menu.
    QualityMenu,
    /// Up or down in the open menu.
    Move(i8),
    /// Take what is marked in the open menu.
    Choose,
    /// Use renditions of this height only; `None` leaves the choice to the controller.
    Quality(Option<u32>),
    /// One rendition better, or worse when negative.
    QualityStep(i8),
    /// Show subtitles, or stop doing so.
    Subtitles,
    /// The next subtitles; after the last none.
    NextSubtitles,
    /// The next audio track.
    NextAudio,
    /// These subtitles, by their set, or none.
    ChooseText(Option<u32>),
    /// This audio track, by its set.
    ChooseAudio(u32),
    /// Another playback rate.
    Rate(RateChange),
    /// Show or hide the statistics.
    Statistics,
    /// Show this page of the statistics, from 1.
    Page(u8),
    /// Save the picture as a file.
    Screenshot,
    /// Show position and controls.
    Position,
    /// Show or hide the list of keys.
    Help,
    /// Try again after an error.
    Retry,
    /// End the program.
    Quit,
}

/// A change of the playback rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateChange {
    /// To the next lower of [`RATES`].
    Slower,
    /// To the next higher of [`RATES`].
    Faster,
    /// By five hundredths down.
    FineSlower,
    /// By five hundredths up.
    FineFaster,
    /// To 1.
    Normal,
}

/// The usual playback rates, ascending.
pub const RATES: &[f64] = &[0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0];

impl RateChange {
    /// The rate that comes after `rate`; stays within [`RATES`].
    pub fn apply(self, rate: f64) -> f64 {
        let (lowest, highest) = (RATES[0], RATES[RATES.len() - 1]);
        let hundredths = |rate: f64| (rate * 100.0).round() / 100.0;
        match self {
            Self::Slower => RATES.iter().rev().copied().find(|r| *r < rate - 1e-6).unwrap_or(lowest),
            Self::Faster => RATES.iter().copied().find(|r| *r > rate + 1e-6).unwrap_or(highest),
            Self::FineSlower => hundredths(rate - 0.05).max(lowest),
            Self::FineFaster => hundredths(rate + 0.05).min(highest),
            Self::Normal => 1.0,
        }
    }
}

/// What a face asks of the program around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum UiCommand {
    /// Something for the session.
    Session(Command),
    /// Linear loudness, 0.0 to 1.0.
    Volume(f64),
    /// Silence without changing the volume.
    Mute(bool),
    /// The picture is drawn this large, in pixels; zero when hidden.
    Surface {
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
    /// Open the title again, at the position where it failed.
    Retry,
    /// End the program.
    Quit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_stay_in_range() {
        assert_eq!(RateChange::Faster.apply(1.0), 1.25);
        assert_eq!(RateChange::Faster.apply(1.3), 1.5);
        assert_eq!(RateChange::Faster.apply(2.0), 2.0);
        assert_eq!(RateChange::Slower.apply(0.25), 0.25);
        assert_eq!(RateChange::Slower.apply(1.3), 1.25);
        assert_eq!(RateChange::FineFaster.apply(1.0), 1.05);
        assert_eq!(RateChange::FineSlower.apply(0.25), 0.25);
        assert_eq!(RateChange::Normal.apply(1.7), 1.0);
    }
}
