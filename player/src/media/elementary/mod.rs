//! What must be known of elementary streams to cut them into access units and to describe them.

pub(super) mod aac;
pub(super) mod ac3;
pub(super) mod frames;
pub(super) mod mpeg_audio;
pub(super) mod nal;
pub(super) mod opus;
pub(super) mod picture;
