//! The signals that end a session as a person would.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask a program to end.
pub(super) struct Interrupts([Option<Signal>; 3]);

impl Interrupts {
    /// Starts to listen; a signal that cannot be listened to ends the process as usual.
    pub(super) fn listen() -> Self {
        Self(
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
                .map(|kind| signal(kind).ok()),
        )
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        let waits = self.0.iter_mut().flatten().map(|signal| Box::pin(signal.recv()));
        let waits: Vec<_> = waits.collect();
        if waits.is_empty() {
            std::future::pending::<()>().await;
        } else {
            futures_util::future::select_all(waits).await;
        }
    }
}

/// Waits until the system asks the program to end.
#[cfg(feature = "tv")]
pub(crate) async fn interrupted() {
    Interrupts::listen().next().await;
}
