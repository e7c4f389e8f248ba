//! Decoded frames on their way to the screen: a short queue with places for decoders (lanes) at one end
//! and a presenter at the other.
//!
//! A decoder that follows another (codec change, new rendition that needs a new element) may start early:
//! its frames wait until the lane before it is closed. When the queue is full, decoders wait; when it is
//! empty, the presenter does. A seek resets everything at once.

use crate::frame::Frame;
use abr::time::MediaTime;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Decoded frames that may wait, beside the one that a decoder holds in its hand. Decoders have few surfaces
/// and frames are large, so this is small.
const CAPACITY: usize = 2;
/// After so many late frames in a row one is shown nevertheless, so that a slow machine shows something.
const DROPPED_IN_A_ROW: u32 = 10;

/// A decoder's place in the order of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane(u64);

/// The lane is gone: the queue was reset, or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frames of this decoder are no longer wanted")]
pub(super) struct Closed;

/// What happened at the presenter's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// The first frame since the start or a seek is shown.
    First(MediaTime),
    /// The last frame of the ended track is shown.
    Last,
}

/// Notices that wait until a frame is on the screen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Notices {
    first: Option<MediaTime>,
    last: bool,
}

/// What a presenter is to do now.
#[derive(Clone, Debug, Default)]
pub struct Due {
    /// The frame to show from now on; `None` leaves the picture as it is.
    pub frame: Option<Frame>,
    /// How many frames were given up because their time had passed.
    pub dropped: u64,
    /// When the next frame is due, if one waits.
    pub next: Option<MediaTime>,
    /// For `FrameQueue::wait`.
    pub news: u64,
}

/// Sees every frame that is to be shown, in order, also those that will come too late.
pub type Watch = Box<dyn FnMut(&Frame) + Send>;

/// The queue.
pub struct FrameQueue {
    state: Mutex<State>,
    watch: Mutex<Option<Watch>>,
    room: Condvar,
    news: Condvar,
    pacing: bool,
    wake: Box<dyn Fn() + Send + Sync>,
    notice: Box<dyn Fn(Notice) + Send + Sync>,
}

impl std::fmt::Debug for FrameQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameQueue").field("state", &*self.lock()).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Frame>,
    /// Decoders in the order of their frames; only the first may add.
    lanes: VecDeque<Lane>,
    lanes_opened: u64,
    /// Frames that end at or before this are not shown.
    skip_until: Option<MediaTime>,
    /// The last frame that was skipped, for the case that none follows.
    skipped: Option<Frame>,
    /// Presentation time of the newest frame taken; an older one is a repetition.
    newest: Option<MediaTime>,
    /// Whether no lane will be opened any more.
    ending: bool,
    last_told: bool,
    /// Whether the next frame is the first since the start or a seek.
    first_is_due: bool,
    dropped_in_a_row: u32,
    presented: u64,
    dropped: u64,
    /// Frames that decoders have brought, shown or not.
    arrived: u64,
    news: u64,
    closed: bool,
}

impl State {
    fn ended(&self) -> bool {
        self.ending && self.lanes.is_empty()
    }

    /// A seek behind the last frame shows the last frame.
    fn show_skipped(&mut self) {
        if self.ended() && self.waiting.is_empty() {
            self.waiting.extend(self.skipped.take());
        }
    }
}

impl FrameQueue {
    /// An empty queue. `wake` is called, from any thread and without locks, when a waiting presenter
    /// should look again; `notice` when a presenter has made something happen. Without `pacing` every
    /// frame is due at once.
    pub(super) fn new(
        pacing: bool,
        wake: Box<dyn Fn() + Send + Sync>,
        notice: Box<dyn Fn(Notice) + Send + Sync>,
    ) -> Self {
        let state = State { first_is_due: true, ..State::default() };
        let (room, news) = (Condvar::new(), Condvar::new());
        Self { state: Mutex::new(state), watch: Mutex::new(None), room, news, pacing, wake, notice }
    }

    /// Shows `watch` every frame from now on.
    pub(super) fn set_watch(&self, watch: Option<Watch>) {
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = watch;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frames shown and frames given up so far.
    pub fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (state.presented, state.dropped)
    }

    /// Frames that decoders have brought so far.
    pub(super) fn arrived(&self) -> u64 {
        self.lock().arrived
    }

    /// When the frame that waits next is due, if one does.
    pub fn next(&self) -> Option<MediaTime> {
        self.lock().waiting.front().map(|frame| frame.pts)
    }

    /// Whether every frame of the ended track has been shown.
    pub(super) fn is_drained(&self) -> bool {
        let state = self.lock();
        state.last_told && state.ended() && state.waiting.is_empty()
    }

    /// Whether a frame that ends at `end` would be the first since the start or a seek.
    pub(super) fn would_show_first(&self, end: MediaTime) -> bool {
        let state = self.lock();
        state.first_is_due && state.newest.is_none() && state.skip_until.is_none_or(|target| end > target)
    }

    /// Whether decoders have to wait.
    pub(super) fn is_full(&self) -> bool {
        self.lock().waiting.len() >= CAPACITY
    }

    /// Takes what is due at `position` out of the queue; the caller shows it at once. The first frame after
    /// the start or a seek is due without delay; `running` says whether others may be taken when frames are
    /// not paced.
    pub fn due(&self, position: MediaTime, running: bool) -> Due {
        let (due, notices) = self.look(position, running);
        self.tell(notices);
        due
    }

    /// As [`due`](Self::due), with what is to be [told](Self::tell) when the frame has been shown.
    pub(super) fn look(&self, position: MediaTime, running: bool) -> (Due, Notices) {
        let mut notices = Notices::default();
        let due = {
            let mut state = self.lock();
            let (mut due, first) = self.take(&mut state, position, running);
            due.next = state.waiting.front().map(|frame| frame.pts);
            due.news = state.news;
            notices.first = due.frame.as_ref().filter(|_| first).map(|frame| frame.pts);
            notices.last = state.waiting.is_empty() && state.ended() && !state.last_told;
            due
        };
        if due.frame.is_some() || due.dropped > 0 {
            self.room.notify_all();
        }
        (due, notices)
    }

    /// Tells what a frame that has been shown means.
    pub(super) fn tell(&self, notices: Notices) {
        if let Some(position) = notices.first {
            (self.notice)(Notice::First(position));
        }
        if notices.last {
            let mut state = self.lock();
            // A seek may have come between.
            let last = state.waiting.is_empty() && state.ended();
            state.last_told = last;
            drop(state);
            if last {
                (self.notice)(Notice::Last);
            }
        }
    }

    fn take(&self, state: &mut State, position: MediaTime, running: bool) -> (Due, bool) {
        let mut due = Due::default();
        let first = state.first_is_due;
        loop {
            let at_once = state.first_is_due || (!self.pacing && running);
            let is_due = |frame: &Frame| at_once || (self.pacing && frame.pts <= position);
            if !state.waiting.front().is_some_and(is_due) {
                break;
            }
            let Some(frame) = state.waiting.pop_front() else { break };
            let last = state.waiting.is_empty() && state.ended();
            let late = self.pacing && !state.first_is_due && frame.end <= position && !last;
            if late && state.dropped_in_a_row < DROPPED_IN_A_ROW {
                state.dropped_in_a_row += 1;
                state.dropped += 1;
                due.dropped += 1;
                continue;
            }
            state.first_is_due = false;
            state.dropped_in_a_row = 0;
            state.presented += 1;
            due.frame = Some(frame);
            break;
        }
        (due, first)
    }

    /// Waits until something has changed since `seen`, or `timeout` has passed. `None` when the queue is
    /// closed.
    pub(super) fn wait(&self, seen: u64, timeout: Option<Duration>) -> Option<()> {
        let state = self.lock();
        let unchanged = |state: &mut State| state.news == seen && !state.closed;
        let state = match timeout {
            Some(timeout) => {
                let waited = self.news.wait_timeout_while(state, timeout, unchanged);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.news.wait_while(state, unchanged).unwrap_or_else(PoisonError::into_inner),
        };
        (!state.closed).then_some(())
    }

    /// Makes a waiting presenter look again.
    pub(super) fn poke(&self) {
        self.lock().news += 1;
        self.news.notify_all();
        (self.wake)();
    }

    /// A place behind all other decoders.
    pub(super) fn open(&self) -> Lane {
        let mut state = self.lock();
        let lane = Lane(state.lanes_opened);
        state.lanes_opened += 1;
        state.lanes.push_back(lane);
        state.ending = false;
        lane
    }

    /// Gives up a place; the decoder behind it may go on.
    pub(super) fn close(&self, lane: Lane) {
        let mut state = self.lock();
        state.lanes.retain(|other| *other != lane);
        state.show_skipped();
        drop(state);
        self.room.notify_all();
        self.poke();
    }

    /// Adds a frame; waits until it is the lane's turn and there is room. Repeated frames and those before
    /// a seek target are dropped without a trace.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the lane is gone.
    pub(super) fn push(&self, lane: Lane, frame: Frame) -> Result<(), Closed> {
        let waiting = |state: &mut State| {
            state.lanes.contains(&lane)
                && (state.lanes.front() != Some(&lane) || state.waiting.len() >= CAPACITY)
        };
        let mut state = self.room.wait_while(self.lock(), waiting).unwrap_or_else(PoisonError::into_inner);
        if !state.lanes.contains(&lane) {
            return Err(Closed);
        }
        state.arrived += 1;
        if state.newest.is_some_and(|newest| frame.pts <= newest) {
            return Ok(());
        }
        state.newest = Some(frame.pts);
        if state.skip_until.is_some_and(|target| frame.end <= target) {
            state.skipped = Some(frame);
            return Ok(());
        }
        state.skip_until = None;
        state.skipped = None;
        let presenter_sleeps = state.waiting.is_empty();
        state.waiting.push_back(frame.clone());
        drop(state);
        if let Some(watch) = &mut *self.watch.lock().unwrap_or_else(PoisonError::into_inner) {
            watch(&frame);
        }
        if presenter_sleeps {
            self.poke();
        }
        Ok(())
    }

    /// Says that no frames follow those of the open lanes. When all frames were before the seek target,
    /// the last of them is shown.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ending = true;
        state.last_told = false;
        state.show_skipped();
        drop(state);
        self.poke();
    }

    /// Counts `frames` that a decoder swallowed.
    pub(super) fn lost(&self, frames: u64) {
        self.lock().dropped += frames;
    }

    /// Forgets all frames and lanes and starts again at `target`: frames that end at or before it are not
    /// shown, and the first other one is due at once.
    pub(super) fn reset(&self, target: MediaTime) {
        let mut state = self.lock();
        state.waiting.clear();
        state.lanes.clear();
        state.skip_until = Some(target);
        state.skipped = None;
        state.newest = None;
        state.ending = false;
        state.last_told = false;
        state.first_is_due = true;
        state.dropped_in_a_row = 0;
        drop(state);
        self.room.notify_all();
        self.poke();
    }

    /// Ends all waiting for good.
    pub(super) fn shut(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.lanes.clear();
        state.waiting.clear();
        drop(state);
        self.room.notify_all();
        self.poke();
    }
}
