//! What the proofs share: the workspace as files and crates, a content network with faults, titles made
//! by ffmpeg, and the built player as a child process.

pub mod workspace;
pub mod fault;
pub mod shaping;
pub mod source;
mod wire;
pub mod origin;
pub mod content;
pub mod live;
mod fragments;
pub mod channel;
pub mod protected;
pub mod licence;
pub mod sluice;
pub mod nginx;
pub mod proxy;
pub mod tls;
