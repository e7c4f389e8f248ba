//! End to end: the built player, a content network with faults, and what the viewer would see.

mod check;
mod content;
mod origin;
mod play;
mod switching;
mod seeking;
mod faults;
mod manifests;
mod events;
mod surroundings;
mod replay;
mod inspect;
mod keys;
mod picture;
mod demo;
mod presentations;
mod nginx;
mod live;
mod text;
mod resume;
mod tv;
mod kiosk;
mod network;
mod webm;
mod timed;
