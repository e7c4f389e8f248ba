//! The way in: from appended bytes to samples in the queues, and the appends that have to wait.
//!
//! An append waits for the video segment that defines its place on the timeline, or for room in a queue.

use super::audio::{self, AudioTrack};
use super::registry::{self, Missing};
use super::video_track::VideoTrack;
use crate::media::decrypt::{self, Decryptor};
use crate::media::demux::{Demuxed, Demuxer};
use crate::media::queue;
use crate::media::sample::Sample;
use crate::media::timing::{Mapped, Mapping, TimeMapper};
use crate::pipeline::{Append, PipelineEvent};
use crate::text::cue::Cue;
use crate::text::queue::CueQueue;
use crate::text::reader;
use crate::text::webvtt::Document;
use abr::error::Code;
use abr::presentation::ContentType;
use abr::protocol::AppendFailure;
use abr::time::MediaTime;
use bytes::Bytes;
use drm_stub::cdm::Cdm;
use drm_stub::error::CdmError;
use std::sync::Arc;

/// Appends that may wait at a time; a driver that orders more does not wait for answers.
const WAITING: usize = 64;

/// The queues that appends go to.
pub(super) struct Tracks<'a> {
    pub(super) video: &'a mut VideoTrack,
    pub(super) audio: &'a mut AudioTrack,
    /// Whether sound is wanted.
    pub(super) audio_active: bool,
}

/// See the module.
pub(super) struct Intake {
    demuxer: Demuxer,
    mapper: TimeMapper,
    waiting: Vec<Waiting>,
    sound_alone: bool,
    decryptor: Decryptor,
    cues: CueQueue,
}

struct Waiting {
    /// Without its bytes.
    append: Box<Append>,
    what: What,
    /// Spans of its tracks that are queued already.
    queued: Vec<(MediaTime, MediaTime)>,
}

enum What {
    /// For the mapping of its time stamps.
    Timing(Demuxed),
    /// For the mapping that its time map refers to.
    Words(Document),
    /// For room in a queue.
    Room(Mapped),
}

enum Outcome {
    Queued(MediaTime, MediaTime),
    Waits(Waiting),
    Failed(AppendFailure),
}

impl Intake {
    /// Decrypts with the keys of `cdm`; subtitles go to `cues`.
    pub(super) fn new(cdm: Arc<dyn Cdm>, cues: CueQueue) -> Self {
        Self {
            demuxer: Demuxer::new(),
            mapper: TimeMapper::new(),
            waiting: Vec::new(),
            sound_alone: false,
            decryptor: Decryptor::new(cdm),
            cues,
        }
    }

    /// Tells whether pictures are expected: sound then waits for the mapping of their time stamps.
    pub(super) fn expect_video(&mut self, expected: bool) {
        self.mapper.expect_video(expected);
    }

    /// Whether segments that should hold pictures and sound hold sound alone, so that no picture is to be
    /// expected.
    pub(super) fn has_sound_alone(&self) -> bool {
        self.sound_alone
    }

    /// Takes a segment; the answers to it and to others that waited for it.
    pub(super) fn take(&mut self, mut append: Box<Append>, tracks: &mut Tracks<'_>) -> Vec<PipelineEvent> {
        if append.track == ContentType::Text && reader::is_text(&append) {
            return self.take_words(append, tracks);
        }
        let demuxed = self.read(&mut append);
        if let Ok(demuxed) = &demuxed
            && append.track == ContentType::Video
        {
            self.sound_alone = demuxed.video.samples.is_empty();
        }
        // The samples hold on to the bytes they need.
        append.data = Bytes::new();
        let outcome = match demuxed {
            Ok(_) if self.waiting.len() >= WAITING => {
                let detail = "too many segments wait for their place on the timeline".to_owned();
                Outcome::Failed(AppendFailure { malformed: false, code: None, detail })
            }
            Ok(demuxed) => self.go_on(
                Waiting { append: append.clone(), what: What::Timing(demuxed), queued: Vec::new() },
                tracks,
            ),
            Err(failure) => Outcome::Failed(failure),
        };
        let mut answers = Vec::new();
        self.answer(&append, outcome, &mut answers);
        if append.track == ContentType::Video {
            answers.extend(self.retry(tracks));
        }
        answers
    }

    /// Clear samples out of the bytes of an append.
    fn read(&mut self, append: &mut Append) -> Result<Demuxed, AppendFailure> {
        decrypt::unseal(append).map_err(locked)?;
        let mut demuxed = self.demuxer.demux(append)?;
        self.decryptor.decrypt(&mut demuxed, append.cipher.as_ref()).map_err(locked)?;
        Ok(demuxed)
    }

    /// Takes a segment that is a file of subtitles.
    fn take_words(&mut self, mut append: Box<Append>, tracks: &mut Tracks<'_>) -> Vec<PipelineEvent> {
        let document = decrypt::unseal(&mut append).map_err(locked).and_then(|()| reader::read(&append));
        let outcome = match document {
            Ok(document) => {
                let what = What::Words(document);
                self.go_on(Waiting { append: append.clone(), what, queued: Vec::new() }, tracks)
            }
            Err(failure) => Outcome::Failed(failure),
        };
        let mut answers = Vec::new();
        self.answer(&append, outcome, &mut answers);
        answers
    }

    /// Tries again what waits; the answers.
    pub(super) fn retry(&mut self, tracks: &mut Tracks<'_>) -> Vec<PipelineEvent> {
        let mut answers = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            let append = waiting.append.clone();
            let outcome = self.go_on(waiting, tracks);
            self.answer(&append, outcome, &mut answers);
        }
        answers
    }

    /// Forgets the appends of `track` that wait: a seek or flush has overtaken them.
    pub(super) fn forget(&mut self, track: ContentType) {
        self.waiting.retain(|waiting| waiting.append.track != track);
    }

    /// Forgets the mappings of time stamps: playback goes on elsewhere, with empty queues.
    pub(super) fn forget_timing(&mut self) {
        self.mapper.reset();
    }

    fn answer(&mut self, append: &Append, outcome: Outcome, answers: &mut Vec<PipelineEvent>) {
        match outcome {
            Outcome::Queued(start, end) => {
                answers.push(PipelineEvent::Appended { id: append.id, start, end })
            }
            Outcome::Failed(failure) => answers.push(PipelineEvent::AppendFailed { id: append.id, failure }),
            Outcome::Waits(waiting) => self.waiting.push(waiting),
        }
    }

    fn go_on(&mut self, waiting: Waiting, tracks: &mut Tracks<'_>) -> Outcome {
        let Waiting { append, what, queued } = waiting;
        match what {
            What::Timing(demuxed) => match self.mapper.map(&append, demuxed) {
                Mapping::NotYet(demuxed) => {
                    Outcome::Waits(Waiting { append, what: What::Timing(demuxed), queued })
                }
                Mapping::Ready(mut mapped) => {
                    if !tracks.audio_active {
                        mapped.audio.clear();
                    }
                    if append.track == ContentType::Text {
                        return match reader::from_samples(&mapped.text) {
                            Ok((cues, _)) => self.show(&append, cues),
                            Err(failure) => Outcome::Failed(failure),
                        };
                    }
                    match check(&mapped) {
                        Ok(()) => queue_up(append, mapped, queued, tracks),
                        Err(failure) => Outcome::Failed(failure),
                    }
                }
            },
            What::Words(document) => match reader::place(&append, &document, &self.mapper) {
                Some(cues) => self.show(&append, cues),
                None => Outcome::Waits(Waiting { append, what: What::Words(document), queued }),
            },
            What::Room(mapped) => queue_up(append, mapped, queued, tracks),
        }
    }

    /// Queues cues. Where a segment of subtitles begins and ends is for the manifest to say.
    fn show(&self, append: &Append, cues: Vec<Cue>) -> Outcome {
        self.cues.insert(cues);
        Outcome::Queued(append.segment.start, append.segment.end)
    }
}

/// What cannot be decrypted.
fn locked(error: CdmError) -> AppendFailure {
    let code = Code::try_from(error.number()).ok();
    AppendFailure { malformed: false, code, detail: error.to_string() }
}

fn queue_up(
    append: Box<Append>,
    mapped: Mapped,
    mut queued: Vec<(MediaTime, MediaTime)>,
    tracks: &mut Tracks<'_>,
) -> Outcome {
    let mut rest = Mapped::default();
    if !mapped.video.is_empty() {
        match tracks.video.append(mapped.video) {
            queue::Appended::Queued { start, end } => queued.push((start, end)),
            queue::Appended::Full(samples) => rest.video = samples,
        }
    }
    if !mapped.audio.is_empty() {
        match tracks.audio.append(mapped.audio) {
            queue::Appended::Queued { start, end } => queued.push((start, end)),
            queue::Appended::Full(samples) => rest.audio = samples,
        }
    }
    if !rest.video.is_empty() || !rest.audio.is_empty() {
        return Outcome::Waits(Waiting { append, what: What::Room(rest), queued });
    }
    let start = queued.first().map(|(start, _)| *start);
    let end = queued.iter().map(|(_, end)| *end).min();
    match start.zip(end) {
        Some((start, end)) => Outcome::Queued(start, end),
        None => Outcome::Failed(AppendFailure {
            malformed: false,
            code: None,
            detail: "the segment holds nothing that is played here".to_owned(),
        }),
    }
}

/// Whether everything in `mapped` can be decoded here.
fn check(mapped: &Mapped) -> Result<(), AppendFailure> {
    check_track(&mapped.video, |sample| registry::chain(&sample.format).map(drop))?;
    check_track(&mapped.audio, |sample| audio::check(&sample.format))
}

fn check_track(
    samples: &[Sample],
    decodable: impl Fn(&Sample) -> Result<(), Missing>,
) -> Result<(), AppendFailure> {
    let mut before: Option<&Sample> = None;
    for sample in samples {
        if before.is_none_or(|before| !Arc::ptr_eq(&before.format, &sample.format)) {
            let unusable = |code: Code, detail: String| {
                Err(AppendFailure { malformed: false, code: Some(code), detail })
            };
            if let Err(missing) = decodable(sample) {
                return unusable(Code::NothingPlayable, missing.to_string());
            }
        }
        before = Some(sample);
    }
    Ok(())
}
