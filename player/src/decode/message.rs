//! What reaches the engine: orders from the driver and notices from decoders, presenter and sound.

use super::audio_out::AudioOut;
use super::frames::Notice;
use crate::pipeline::PipelineCommand;
use abr::error::Error;
use drm_stub::key::KeyId;

/// Names one decoder instance; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DecoderId(pub(super) u64);

/// What a decoder tells.
#[derive(Clone, Debug)]
pub(super) enum DecoderNotice {
    /// It wants more samples.
    Hungry,
    /// Everything fed has come out.
    Drained,
    /// What comes out is noise: this key does not fit.
    Noise(KeyId),
    /// It stopped.
    Failed(String),
}

/// What the sound device tells.
#[derive(Debug)]
pub(super) enum SoundNotice {
    /// It is open.
    Opened(Box<AudioOut>),
    /// None works.
    Absent(String),
    /// It stopped.
    Failed(String),
}

/// One entry of the engine's mailbox.
#[derive(Debug)]
pub(super) enum Message {
    /// From the driver.
    Command(PipelineCommand),
    /// From a video decoder.
    Video(DecoderId, DecoderNotice),
    /// From the sound device.
    Sound(SoundNotice),
    /// From the presenter's end of the frame queue.
    Frames(Notice),
    /// From anywhere: to be passed on to the driver.
    Trouble(Error),
}
