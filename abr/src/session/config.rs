//! What a session is told before it starts.

use crate::throughput::Prior;
use crate::time::MediaTime;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The settings of a [`Session`](crate::session::Session).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Name of the controller, one of [`controller::NAMES`](crate::controller::NAMES); an unknown name
    /// means `hybrid`.
    pub controller: String,
    /// Run the clock as soon as there is enough to play; otherwise wait for
    /// [`Command::Play`](crate::protocol::Command::Play).
    pub autoplay: bool,
    /// Where playback starts.
    pub start_at: MediaTime,
    /// As [`Command::LockHeight`](crate::protocol::Command::LockHeight) from the start.
    pub lock_height: Option<u32>,
    /// Lowest height to choose, 0 for none.
    pub min_height: u32,
    /// Highest height to choose, `u32::MAX` for none.
    pub max_height: u32,
    /// BCP 47 language of the audio to prefer; a primary subtag (`de`) matches its variants.
    pub audio_language: Option<String>,
    /// Show subtitles from the start. Those that every viewer must read are shown in any case.
    pub text: bool,
    /// BCP 47 languages of subtitles, the best first; without a set in one of them it is the manifest's
    /// default, else its first.
    pub text_languages: Vec<String>,
    /// How much to queue ahead of the position, though never less than two segments, nor less than playback
    /// needs to go on.
    pub buffer_ahead: Duration,
    /// How many bytes to queue ahead of the position over all tracks, those on their way included, though never
    /// less than playback needs to go on: a segment of each track, or two seconds.
    pub buffer_bytes: u64,
    /// Longest expected download of the first video segment.
    pub startup_target: Duration,
    /// Throughput known from before.
    pub prior: Option<Prior>,
    /// How long to keep trying while the network is unreachable and nothing is left to play.
    pub reconnect: Duration,
    /// Distance from the live edge to hold; `None` for what the manifest asks for.
    pub live_latency: Option<Duration>,
    /// Slowest and fastest playback rate to hold it with, in thousandths; both 1000 for none.
    pub catch_up: (u32, u32),
    /// Seed of the jitter of retry delays.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            controller: "hybrid".to_owned(),
            autoplay: true,
            start_at: MediaTime::ZERO,
            lock_height: None,
            min_height: 0,
            max_height: u32::MAX,
            audio_language: None,
            text: false,
            text_languages: Vec::new(),
            buffer_ahead: Duration::from_secs(30),
            buffer_bytes: 128 << 20,
            startup_target: Duration::from_secs(1),
            prior: None,
            reconnect: Duration::from_secs(30),
            live_latency: None,
            catch_up: (950, 1050),
            seed: 0,
        }
    }
}
