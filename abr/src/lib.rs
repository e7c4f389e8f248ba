//! # abr: the brain of Sluice
//!
//! Decides what to fetch, when, from where and in which quality; when playback may run and when it must
//! wait. It is told facts with a time and gives orders; it has no sockets, clocks, threads or randomness,
//! so the player and the simulator drive the very same type.
//!
//! Modules from low to high; each uses only those above it.

pub mod time;
pub mod random;
mod table;
pub mod segments;
pub mod presentation;
pub mod error;
pub mod protocol;
pub mod throughput;
pub mod controller;
pub mod buffer;
pub mod retry;
pub mod locations;
mod track;
pub mod session;
pub mod journal;
pub mod qoe;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "sim")]
pub mod cli;
