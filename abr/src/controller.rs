//! Rules that choose a representation.

/// The names that [`Config::controller`](crate::session::Config::controller) may hold.
pub const NAMES: [&str; 3] = ["hybrid", "throughput", "bola-e"];
