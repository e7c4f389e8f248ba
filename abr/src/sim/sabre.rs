//! Sabre's player, quirks included: the same figures as the program of Spiteri et al., digit by digit.
//!
//! Sabre (UMass-LIDS/sabre; Spiteri, Sitaraman, Sparacio, MMSys 2018 and TOMM 2019) is what published BOLA and
//! DYNAMIC figures were made with. Its player differs from ours in many small ways; those live here and
//! nowhere else. Times are milliseconds, sizes bits, rates kbit/s, all `f64` and in the program's order of
//! operations, because the last printed digit depends on it.
//!
//! ```text
//! Options (flags) ─► session ─┬─ network   periods, latency, abandonable transfers
//!                             ├─ playback  buffer, stalls, metrics, reaction time
//!                             ├─ estimator EWMA or sliding window
//!                             └─ controller throughput · bola · bolae · dynamic · dynamicdash
//! ```

mod bola;
mod bolae;
mod controller;
mod dynamic;
mod estimator;
mod figures;
mod network;
mod options;
mod playback;
mod session;
mod throughput;

pub use figures::{Figure, Figures};
pub use options::{Algorithm, Average, Options, OptionsError, Replacement};
pub use session::{Refused, Step, play};

#[cfg(test)]
mod tests;
