//! # player: the hands of Sluice
//!
//! Carries out what an [`abr::session`](abr) orders: fetches, reads manifests, demultiplexes, decodes,
//! keeps the clock and puts pictures on the screen. It never asks why a representation was chosen.
//!
//! Modules from low to high; each uses only those above it.

pub mod limits;
pub mod frame;
pub mod pipeline;
pub mod timed;
pub mod manifest;
pub mod inspect;
pub mod net;
pub mod media;
pub mod keys;
pub mod text;
#[cfg(feature = "media")]
pub mod decode;
#[cfg(feature = "media")]
pub mod render;
pub mod status;
pub mod demo;
pub mod allocator;
pub mod process;
#[cfg(feature = "tv")]
pub mod service;
pub mod resume;
pub mod events;
pub mod driver;
#[cfg(feature = "desktop")]
pub mod ui;
#[cfg(feature = "desktop")]
pub mod cli;
