//! The session in virtual time: one scenario per behaviour.

mod failures;
mod hostile;
mod live;
mod periods;
mod playback;
mod support;
