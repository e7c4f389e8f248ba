//! Experiments: a plan of sessions over traces and titles, and playing one of them.

mod settings;
mod grid;
mod inputs;
mod stage;

pub use grid::{Grid, Session};
pub use inputs::{Found, Skipped, TITLES, TraceSet, default_title, find, hash, hash_file, hash_title};
pub use settings::{Axis, Point, SETTINGS, Setting, Settings, points};
pub use stage::{Conditions, LinkModel, Qoe, Stage, Subject};
