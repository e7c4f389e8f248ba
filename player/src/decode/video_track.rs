//! The video track: its sample queue and the decoders that empty it.
//!
//! There is one decoder at a time. When the codec changes, the old one drains while the next one already
//! starts; the frame queue keeps their frames in order. A decoder that fails is replaced, and decoding goes
//! on at the next keyframe.

use super::frames::FrameQueue;
use super::message::{DecoderId, DecoderNotice, Message};
use super::teardown::Teardown;
use super::video::{Purpose, VideoDecoder, VideoError};
use super::watchdog::Progress;
use crate::media::queue::{Appended, SampleQueue};
use crate::media::sample::Sample;
use abr::error::{Code, Error, Severity};
use abr::time::MediaTime;
use drm_stub::error::CdmError;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// Failures in a row before the track is given up.
const FAILURES: u32 = 3;
/// A decoder that took so many samples is well; failures before are forgotten.
const SAMPLES_OF_A_WELL_DECODER: u32 = 250;

/// See the module.
pub(super) struct VideoTrack {
    /// The samples.
    queue: SampleQueue,
    /// End of the last queued sample.
    end: Option<MediaTime>,
    /// End of what decoders were given since the last seek.
    fed_to: Option<MediaTime>,
    frames: Arc<FrameQueue>,
    mailbox: Sender<Message>,
    decoder: Option<VideoDecoder>,
    draining: Vec<VideoDecoder>,
    leaving: Vec<Teardown>,
    decoders_started: u64,
    /// Samples are skipped until one at which decoding can start.
    at_keyframe_only: bool,
    /// The decoder was drained because nothing was queued.
    ran_dry: bool,
    ended: bool,
    drain_ordered: bool,
    failures: u32,
    fed_since_failure: u32,
    fed: u64,
    given_up: bool,
}

impl VideoTrack {
    /// A track whose frames go to `frames` and whose samples take at most `limit_bytes`.
    pub(super) fn new(limit_bytes: usize, frames: Arc<FrameQueue>, mailbox: Sender<Message>) -> Self {
        Self {
            queue: SampleQueue::new(limit_bytes),
            end: None,
            fed_to: None,
            frames,
            mailbox,
            decoder: None,
            draining: Vec::new(),
            leaving: Vec::new(),
            decoders_started: 0,
            at_keyframe_only: true,
            ran_dry: false,
            ended: false,
            drain_ordered: false,
            failures: 0,
            fed_since_failure: 0,
            fed: 0,
            given_up: false,
        }
    }

    /// Whether no more samples follow those in the queue.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether everything has been shown.
    pub(super) fn is_drained(&self) -> bool {
        self.ended && self.drain_ordered && self.frames.is_drained()
    }

    /// Whether the track cannot be decoded.
    pub(super) fn has_given_up(&self) -> bool {
        self.given_up
    }

    /// End of the last queued sample.
    pub(super) fn end(&self) -> Option<MediaTime> {
        self.end
    }

    /// Queues the samples of a segment; they come back when there is no room.
    pub(super) fn append(&mut self, samples: Vec<Sample>) -> Appended {
        let appended = self.queue.append(samples);
        if matches!(appended, Appended::Queued { .. }) {
            self.ended = false;
            self.end = self.queue.buffered_end();
        }
        appended
    }

    /// Gives room behind `position`.
    pub(super) fn evict(&mut self, position: MediaTime) {
        self.queue.evict_behind(position);
    }

    /// No more samples follow those in the queue.
    pub(super) fn end_of_track(&mut self) {
        self.ended = true;
    }

    /// Drops queued samples from `from` on. What a decoder has been given beyond that stays, and so does
    /// then everything queued: appended samples replace it where they can.
    pub(super) fn flush(&mut self, from: MediaTime) {
        if self.fed_to.is_none_or(|fed_to| fed_to <= from) {
            self.queue.flush(from);
            self.end = self.queue.buffered_end();
        }
        self.ended = false;
    }

    /// Feeds what the decoder has room for.
    ///
    /// # Errors
    ///
    /// A fatal error when the track cannot be decoded.
    pub(super) fn feed(&mut self) -> Result<(), Error> {
        while !self.given_up {
            let Some(sample) = self.queue.peek().cloned() else {
                self.drain_when_dry();
                break;
            };
            if std::mem::take(&mut self.ran_dry) && !sample.keyframe {
                // What the drained decoder knew is needed again; repeated frames are not shown twice.
                if let Some(fed_to) = self.fed_to {
                    self.queue.seek(fed_to - sample.duration);
                }
                continue;
            }
            if self.at_keyframe_only && !sample.keyframe {
                self.queue.next();
                self.frames.lost(1);
                continue;
            }
            let fed = match &mut self.decoder {
                None => {
                    self.drain_ordered = false;
                    self.hasten(&sample);
                    self.start(&sample, Purpose::Playback).map(|decoder| self.decoder = Some(decoder))
                }
                Some(decoder) if !decoder.takes(&sample.format) => {
                    if !self.draining.is_empty() {
                        // One decoder beside another is enough.
                        break;
                    }
                    let drained = decoder.drain();
                    self.draining.extend(self.decoder.take());
                    drained
                }
                Some(decoder) if !decoder.has_room() => break,
                Some(decoder) => decoder.feed(&sample).map(|()| {
                    self.at_keyframe_only = false;
                    self.fed_since_failure = self.fed_since_failure.saturating_add(1);
                    self.fed += 1;
                    self.fed_to = self.fed_to.max(Some(sample.end()));
                    self.queue.next();
                }),
            };
            if let Err(error) = fed {
                self.fail(&error)?;
            }
        }
        Ok(())
    }

    fn start(&mut self, sample: &Sample, purpose: Purpose) -> Result<VideoDecoder, VideoError> {
        let id = DecoderId(self.decoders_started);
        self.decoders_started += 1;
        VideoDecoder::start(id, purpose, &sample.format, &self.frames, self.mailbox.clone())
    }

    /// Shows the first picture at once: a decoder holds frames back until it knows their order, so one of
    /// its own decodes the keyframe alone and is drained. The picture comes out of the decoder that follows
    /// as well, where the queue drops it as a repetition.
    fn hasten(&mut self, sample: &Sample) {
        let shown = !sample.is_trimmed_away() && self.frames.would_show_first(sample.end());
        if !(sample.keyframe && shown && VideoDecoder::would_be_software(&sample.format)) {
            return;
        }
        // When it fails, the decoder that follows says why.
        let Ok(mut decoder) = self.start(sample, Purpose::FirstPicture) else { return };
        if decoder.feed(sample).is_ok() && decoder.drain().is_ok() {
            self.draining.push(decoder);
        } else {
            self.leaving.push(decoder.end());
        }
    }

    /// A decoder holds back its last frames until it gets more samples or is drained. At the end of the
    /// track it is drained, and also when the queue is dry and these frames will soon be due: they are not
    /// to come too late because the network is.
    fn drain_when_dry(&mut self) {
        if self.ended && !self.drain_ordered {
            self.drain_ordered = true;
            self.drain();
            self.frames.end();
        } else if !self.ended
            && self.decoder.as_ref().is_some_and(VideoDecoder::is_empty)
            && !self.frames.is_full()
        {
            self.drain();
            self.ran_dry = true;
        }
    }

    fn drain(&mut self) {
        if let Some(decoder) = self.decoder.take() {
            // If it refuses, its notice of failure is on the way.
            let _ = decoder.drain();
            self.draining.push(decoder);
        }
    }

    /// Whether the queue is dry before the track's end, so that [`feed`](Self::feed) wants to be called
    /// soon again.
    pub(super) fn is_dry(&self) -> bool {
        !self.ended && !self.given_up && self.decoder.is_some() && self.queue.peek().is_none()
    }

    /// How far the decoders have come, when they have work and there is room for what comes of it.
    pub(super) fn progress(&self) -> Option<Progress> {
        let waiting = self.decoder.as_ref().map_or(0, VideoDecoder::waiting);
        let works = !self.given_up && (waiting > 0 || !self.draining.is_empty());
        (works && !self.frames.is_full())
            .then(|| Progress { taken: self.fed.saturating_sub(waiting), frames: self.frames.arrived() })
    }

    /// Replaces decoders that hang; one that hangs again before it was well is given up.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed).
    pub(super) fn replace_hung(&mut self) -> Result<(), Error> {
        let hung = self.draining.first().or(self.decoder.as_ref());
        let element = hung.map_or("decoder", VideoDecoder::element);
        self.failures = self.failures.max(FAILURES - 1);
        self.leaving.extend(self.draining.drain(..).map(VideoDecoder::fail));
        self.fail(&VideoError::Failed { element, reason: "it hangs".to_owned() })
    }

    /// Deals with a decoder's notice.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed).
    pub(super) fn notice(&mut self, id: DecoderId, notice: DecoderNotice) -> Result<(), Error> {
        self.leaving.retain(|teardown| !teardown.is_done());
        match notice {
            DecoderNotice::Hungry => Ok(()),
            DecoderNotice::Drained => {
                self.leave(id);
                Ok(())
            }
            DecoderNotice::Noise(kid) => {
                Err(Error::new(Severity::Fatal, Code::Licence, CdmError::WrongKey(kid).to_string()))
            }
            DecoderNotice::Failed(reason) => {
                let current = self.decoder.as_ref().is_some_and(|decoder| decoder.id() == id);
                let element = self.decoder.as_ref().map_or("decoder", VideoDecoder::element);
                if current {
                    return self.fail(&VideoError::Failed { element, reason });
                }
                self.leave(id);
                Ok(())
            }
        }
    }

    fn leave(&mut self, id: DecoderId) {
        let (gone, staying) = std::mem::take(&mut self.draining)
            .into_iter()
            .partition(|decoder: &VideoDecoder| decoder.id() == id);
        self.draining = staying;
        self.leaving.extend(Vec::into_iter(gone).map(VideoDecoder::fail));
    }

    fn fail(&mut self, error: &VideoError) -> Result<(), Error> {
        if self.fed_since_failure >= SAMPLES_OF_A_WELL_DECODER {
            self.failures = 0;
        }
        self.fed_since_failure = 0;
        self.failures += 1;
        self.at_keyframe_only = true;
        if let Some(decoder) = self.decoder.take() {
            self.leaving.push(decoder.fail());
        }
        if matches!(error, VideoError::Missing(_)) || self.failures > FAILURES {
            self.given_up = true;
            let code = match error {
                VideoError::Missing(_) | VideoError::Start { .. } => Code::DecoderStart,
                VideoError::Failed { .. } | VideoError::Stopped(_) => Code::Decoder,
            };
            return Err(Error::new(Severity::Fatal, code, error.to_string()));
        }
        let message = format!("{error}; decoding goes on at the next keyframe");
        // Without a receiver the engine has ended.
        let _ =
            self.mailbox.send(Message::Trouble(Error::new(Severity::Recoverable, Code::Decoder, message)));
        Ok(())
    }

    /// Continues at `to`, from the samples in the queue where it holds them. `doubtful` says that the decoder
    /// may hang: it is not waited for then.
    pub(super) fn seek(&mut self, to: MediaTime, buffered: bool, doubtful: bool) {
        self.frames.reset(to);
        self.leaving.extend(self.draining.drain(..).map(VideoDecoder::end));
        if !buffered || !self.queue.seek(to) {
            self.queue.clear();
            self.end = None;
            self.ended = false;
        }
        self.fed_to = None;
        self.drain_ordered = false;
        self.at_keyframe_only = true;
        self.ran_dry = false;
        self.given_up = false;
        self.failures = 0;
        if let Some(decoder) = self.decoder.take() {
            if !doubtful && decoder.flush().is_ok() {
                self.decoder = Some(decoder);
            } else {
                self.leaving.push(decoder.end());
            }
        }
    }

    /// Ends all decoders; the pipelines still to be waited for.
    pub(super) fn stop(self) -> Vec<Teardown> {
        let decoders = self.draining.into_iter().chain(self.decoder).map(VideoDecoder::end);
        self.leaving.into_iter().chain(decoders).collect()
    }
}
