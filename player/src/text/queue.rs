//! The cues of a session on the presentation timeline, shared by the pipeline, which fills it, and whoever
//! shows them.

use super::cue::Cue;
use crate::limits;
use abr::time::MediaTime;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many cues before it a cue is compared with.
const NEIGHBOURS: usize = 64;

/// Cues in the order of their start. Cheap to clone: all clones are the same queue.
#[derive(Clone, Debug, Default)]
pub struct CueQueue(Arc<Mutex<Vec<Arc<Cue>>>>);

impl CueQueue {
    /// Adds cues. One that says the same as a neighbour which it touches prolongs it: segments repeat the
    /// cues that reach into them, and samples of ISO files cut them at their ends.
    pub fn insert(&self, cues: Vec<Cue>) {
        let mut queue = self.lock();
        for cue in cues {
            if cue.end <= cue.start {
                continue;
            }
            let near = |known: &&mut Arc<Cue>| {
                known.start <= cue.end && cue.start <= known.end && known.says_the_same(&cue)
            };
            let later = queue.partition_point(|known| known.start <= cue.end);
            if let Some(known) = queue[..later].iter_mut().rev().take(NEIGHBOURS).find(near) {
                let known = Arc::make_mut(known);
                known.start = known.start.min(cue.start);
                known.end = known.end.max(cue.end);
                queue.sort_by_key(|cue| cue.start);
                continue;
            }
            let place = queue.partition_point(|known| known.start <= cue.start);
            queue.insert(place, Arc::new(cue));
        }
        let excess = queue.len().saturating_sub(limits::TEXT_CUES);
        queue.drain(..excess);
    }

    /// Forgets the cues that start at `from` or later.
    pub fn flush(&self, from: MediaTime) {
        self.lock().retain(|cue| cue.start < from);
    }

    /// Forgets the cues that ended before `time`.
    pub fn evict(&self, time: MediaTime) {
        self.lock().retain(|cue| cue.end >= time);
    }

    /// What is to be shown at `time`, the earliest first, at most [`limits::TEXT_ACTIVE`].
    pub fn active(&self, time: MediaTime) -> Vec<Arc<Cue>> {
        let queue = self.lock();
        let started = queue.partition_point(|cue| cue.start <= time);
        queue[..started].iter().filter(|cue| cue.is_active(time)).take(limits::TEXT_ACTIVE).cloned().collect()
    }

    /// What begins after `after` and not after `until`, the earliest first.
    pub fn begun(&self, after: MediaTime, until: MediaTime) -> Vec<Arc<Cue>> {
        let queue = self.lock();
        let from = queue.partition_point(|cue| cue.start <= after);
        let to = queue.partition_point(|cue| cue.start <= until);
        queue.get(from..to).unwrap_or_default().to_vec()
    }

    /// When after `time` something appears or goes.
    pub fn next_change(&self, time: MediaTime) -> Option<MediaTime> {
        let queue = self.lock();
        let changes = queue.iter().flat_map(|cue| [cue.start, cue.end]);
        changes.filter(|at| *at > time).min()
    }

    /// How many cues wait or were kept.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Cue>>> {
        // Every change of the list is complete before anything in it can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::webvtt;

    fn cues(text: &str) -> Vec<Cue> {
        webvtt::parse(format!("WEBVTT\n\n{text}").as_bytes()).unwrap().cues
    }

    fn at(millis: i64) -> MediaTime {
        MediaTime::from_millis(millis)
    }

    fn shown(queue: &CueQueue, millis: i64) -> Vec<String> {
        queue.active(at(millis)).iter().map(|cue| cue.text()).collect()
    }

    #[test]
    fn cues_are_found_by_time_in_their_order() {
        let queue = CueQueue::default();
        queue.insert(cues("00:03.000 --> 00:05.000\nc\n"));
        queue.insert(cues("00:00.000 --> 00:04.000\na\n\n00:01.000 --> 00:02.000\nb\n"));
        assert_eq!(shown(&queue, 1_500), ["a", "b"]);
        assert_eq!(shown(&queue, 2_000), ["a"], "the end is not part of a cue");
        assert_eq!(shown(&queue, 3_500), ["a", "c"]);
        assert_eq!(queue.next_change(at(1_000)), Some(at(2_000)));
        queue.flush(at(3_000));
        assert_eq!(shown(&queue, 3_500), ["a"]);
        queue.evict(at(2_500));
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn a_cue_repeated_by_the_next_segment_is_one_cue() {
        let queue = CueQueue::default();
        queue.insert(cues("00:04.000 --> 00:06.000\nsame\n"));
        queue.insert(cues("00:06.000 --> 00:08.000\nsame\n\n00:06.000 --> 00:08.000\nother\n"));
        queue.insert(cues("00:04.000 --> 00:08.000\nsame\n"));
        assert_eq!(queue.len(), 2);
        assert_eq!(shown(&queue, 6_500), ["same", "other"]);
        assert_eq!(queue.active(at(4_000))[0].end, at(8_000));
    }

    #[test]
    fn cues_that_end_before_they_start_are_left_out() {
        let queue = CueQueue::default();
        queue.insert(cues("00:04.000 --> 00:02.000\nx\n\n00:04.000 --> 00:04.000\ny\n"));
        assert!(queue.is_empty());
    }
}
