//! Pictures to pixels on a screen or in a file.
//!
//! *In*: a decoded [`Picture`](crate::frame::Picture) and a size. *Out*: pixels, letterboxed and in the
//! right colours. *Where it runs*: the thread that owns the window; off screen, any thread.
//!
//! Two paths lead there with the same result: shaders ([`video`]), or, where the graphics adapter is a
//! program on the CPU, a converter that writes into the window's texture ([`cpu`]).

pub mod adapter;
mod color;
pub mod cpu;
mod filter;
pub mod image;
pub mod layout;
pub mod offscreen;
mod matrix;
mod planes;
pub mod surface;
pub mod timings;
pub mod video;

#[cfg(test)]
mod tests;
