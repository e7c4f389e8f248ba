//! End to end: the built player, a content network with faults, and what the viewer would see.

mod content;
mod origin;
