//! The session in virtual time: one scenario per behaviour.

mod failures;
mod hostile;
mod live;
mod keys;
mod periods;
mod playback;
mod quick;
mod support;
#[path = "../support/titles.rs"]
mod titles;
mod text;
