//! The presenter without a window: waits until a frame is due, counts it, logs it.

use super::clock::PresentationClock;
use super::frame_log::FrameLog;
use super::frames::FrameQueue;
use crate::frame::Frame;
use std::time::Instant;

/// Presents frames until the queue is closed. `failed` is told once when the log cannot be written; frames
/// are presented all the same. Frames move the clock when they are not paced.
pub(super) fn present(
    frames: &FrameQueue,
    clock: &PresentationClock,
    pacing: bool,
    mut log: Option<FrameLog>,
    failed: impl Fn(std::io::Error),
) {
    loop {
        let (due, notices) = frames.look(clock.position(), clock.is_running());
        if let Some(frame) = &due.frame {
            if !pacing {
                clock.follow(frame.pts);
            }
            if let Err(error) = write(&mut log, frame) {
                log = None;
                failed(error);
            }
        }
        frames.tell(notices);
        let wait = match due.next {
            // More may be due already.
            Some(_) if due.frame.is_some() => continue,
            Some(next) if pacing => clock.until(next),
            Some(_) | None => None,
        };
        if frames.wait(due.news, wait).is_none() {
            return;
        }
    }
}

fn write(log: &mut Option<FrameLog>, frame: &Frame) -> std::io::Result<()> {
    log.as_mut().map_or(Ok(()), |log| log.write(frame, Instant::now()))
}
