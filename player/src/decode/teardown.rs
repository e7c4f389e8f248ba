//! Ending GStreamer pipelines without ever waiting for one: a `set_state(Null)` can hang in a broken
//! element, so each runs on a thread of its own.

use gstreamer as gst;
use gstreamer::prelude::*;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long the end of the program waits for a pipeline.
const PATIENCE: Duration = Duration::from_secs(2);

/// A pipeline on its way out.
#[derive(Debug)]
pub(super) struct Teardown(mpsc::Receiver<()>);

impl Teardown {
    /// Starts to end `pipeline` and drops it when that is done.
    pub(super) fn of(pipeline: gst::Pipeline) -> Self {
        let (done, wait) = mpsc::channel();
        let end = move || {
            if let Some(bus) = pipeline.bus() {
                bus.unset_sync_handler();
            }
            // Nothing can be done about a failure here; the pipeline is dropped in any case.
            let _ = pipeline.set_state(gst::State::Null);
            drop(pipeline);
            let _ = done.send(());
        };
        if thread::Builder::new().name("sluice-teardown".into()).spawn(end).is_err() {
            // Without threads the process is at its end; leaking the pipeline is the lesser evil.
            return Self(mpsc::channel().1);
        }
        Self(wait)
    }

    /// Waits for the end, but not for long. Whether it came.
    pub(super) fn join(self) -> bool {
        self.0.recv_timeout(PATIENCE).is_ok()
    }

    /// Whether it is done.
    pub(super) fn is_done(&self) -> bool {
        !matches!(self.0.try_recv(), Err(mpsc::TryRecvError::Empty))
    }
}
