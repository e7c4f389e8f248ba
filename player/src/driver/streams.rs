//! Segments that are handed to the pipeline while they come, chunk by chunk.

use crate::pipeline::{Append, PipelineCommand};
use abr::presentation::{ContentType, RepresentationKey};
use abr::protocol::{FetchId, Input};
use abr::time::MediaTime;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Every request that may come in chunks, until its segment is queued.
#[derive(Default)]
pub(super) struct Streams(BTreeMap<FetchId, Stream>);

#[derive(Default)]
struct Stream {
    /// What has come before its append was ordered.
    come: Vec<Bytes>,
    /// The append, without bytes, once it was ordered.
    append: Option<Box<Append>>,
    sent: u32,
    answered: u32,
    /// Whether the body is complete.
    done: bool,
    /// What the pipeline says about where it lies.
    span: Option<(MediaTime, MediaTime)>,
}

/// What an answer of the pipeline means.
pub(super) struct Answer {
    pub(super) track: ContentType,
    pub(super) representation: RepresentationKey,
    /// The fact to tell.
    pub(super) fact: Input,
    /// Whether the whole segment is queued.
    pub(super) last: bool,
}

impl Streams {
    /// A request is made whose body may come in chunks.
    pub(super) fn expect(&mut self, id: FetchId) {
        self.0.insert(id, Stream::default());
    }

    /// Whether a body is still coming, and its first chunk, if that is here.
    pub(super) fn first(&self, id: FetchId) -> Option<Option<&Bytes>> {
        self.0.get(&id).filter(|stream| !stream.done).map(|stream| stream.come.first())
    }

    /// The append of a segment that is coming; the commands for what has come.
    pub(super) fn begin(&mut self, append: Box<Append>) -> Vec<PipelineCommand> {
        let Some(stream) = self.0.get_mut(&append.id) else { return Vec::new() };
        let come = std::mem::take(&mut stream.come);
        stream.append = Some(append);
        come.into_iter().filter_map(|bytes| stream.command(bytes)).collect()
    }

    /// A chunk has come; the command for it, if its append was ordered.
    pub(super) fn chunk(&mut self, id: FetchId, bytes: Bytes) -> Option<PipelineCommand> {
        let stream = self.0.get_mut(&id)?;
        if stream.append.is_none() {
            stream.come.push(bytes);
            return None;
        }
        stream.command(bytes)
    }

    /// A body is complete; whether it was handed over as it came. What came in no chunk is handed over now.
    pub(super) fn complete(&mut self, id: FetchId, body: &Bytes) -> Option<Option<PipelineCommand>> {
        if self.0.get(&id)?.append.is_none() {
            self.0.remove(&id);
            return None;
        }
        let stream = self.0.get_mut(&id)?;
        stream.done = true;
        Some(if stream.sent == 0 { stream.command(body.clone()) } else { None })
    }

    /// Whether a complete body was handed over.
    pub(super) fn is_handed_over(&self, id: FetchId) -> bool {
        self.0.contains_key(&id)
    }

    /// What is to be told about a complete body of which everything is queued already.
    pub(super) fn settled(&mut self, id: FetchId) -> Option<Answer> {
        let stream = self.0.get(&id)?;
        let settled = stream.done && stream.answered == stream.sent;
        let answer = settled.then(|| stream.answer(id)).flatten()?;
        self.0.remove(&id);
        Some(answer)
    }

    /// The pipeline has queued a chunk.
    pub(super) fn queued(&mut self, id: FetchId, start: MediaTime, end: MediaTime) -> Option<Answer> {
        let stream = self.0.get_mut(&id)?;
        stream.answered += 1;
        let (first, last) = stream.span.unwrap_or((start, end));
        stream.span = Some((first.min(start), last.max(end)));
        let answer = stream.answer(id);
        if stream.done && stream.answered == stream.sent {
            self.0.remove(&id);
        }
        answer
    }

    /// A request or its append is over.
    pub(super) fn forget(&mut self, id: FetchId) {
        self.0.remove(&id);
    }

    /// The queues of a track, or all, were emptied: what is under way of complete bodies is not answered.
    pub(super) fn forget_complete(&mut self, of: Option<ContentType>) {
        let concerned = |append: &Append| of.is_none_or(|of| of == append.track);
        self.0.retain(|_, stream| !(stream.done && stream.append.as_deref().is_some_and(concerned)));
    }
}

impl Stream {
    fn command(&mut self, data: Bytes) -> Option<PipelineCommand> {
        let append = self.append.as_deref()?;
        self.sent += 1;
        Some(PipelineCommand::Append(Box::new(Append { data, ..append.clone() })))
    }

    fn answer(&self, id: FetchId) -> Option<Answer> {
        let (append, (start, end)) = (self.append.as_deref()?, self.span?);
        let last = self.done && self.answered == self.sent;
        let fact =
            if last { Input::Appended { id, start, end } } else { Input::AppendProgress { id, start, end } };
        Some(Answer { track: append.track, representation: append.representation, fact, last })
    }
}
