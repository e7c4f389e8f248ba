//! Containers to samples with presentation times, and the queue they wait in.
//!
//! The way of a segment, which the network layer found to be whole: [`demux`] cuts it into samples with
//! the time stamps of the container, [`timing`] maps those onto the presentation timeline, [`queue`] keeps
//! them until a decoder asks. Sample bytes are slices of the segment wherever the container stores them in
//! one piece.

pub mod error;
pub mod sample;
mod bytes;
mod elementary;
mod isobmff;
mod ts;
mod webm;
mod packed_audio;
pub mod demux;
pub mod inband;
pub mod decrypt;
pub mod timing;
pub mod queue;
