//! Subtitles: from bytes to cues, and from cues to places on the picture.
//!
//! [`webvtt`] reads files and segments, [`mp4`] samples of ISO files; [`reader`] puts their cues on the
//! timeline; [`queue`] keeps the cues of a session
//! on the presentation timeline; [`layout`] says where the lines of the active ones stand. Nothing here
//! draws.

pub mod node;
pub mod style;
pub mod language;
pub mod cue;
pub mod webvtt;
pub mod mp4;
pub mod reader;
pub mod queue;
pub mod layout;
pub mod lines;
