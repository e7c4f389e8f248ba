//! Faces: what a person sees and presses. Each only reads a [`Status`](crate::status::Status) and sends
//! commands.
//!
//! What faces have in common stands beside them: what can be done ([`action`]), with which keys
//! ([`keys`]), what it does ([`view`]), the past minute ([`history`]), how numbers are written
//! ([`format`](mod@format)), and the subtitles ([`captions`]) with their [`fonts`]. None of it knows a window or a clock, so all of it is tested without either.

pub mod action;
pub mod captions;
pub mod desktop;
pub mod fonts;
pub mod format;
mod gui;
pub mod history;
mod host;
pub mod keys;
#[cfg(feature = "tv")]
pub mod tv;
pub mod view;
