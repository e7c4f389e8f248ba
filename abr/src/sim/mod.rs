//! The simulator: traces, titles, link and player models, and the best that was possible.

pub mod input;
pub mod trace;
pub mod title;
pub mod sabre;
pub mod pensieve;
pub mod expected;
pub mod link;
pub mod origin;
pub mod live;
pub mod pipeline;
pub mod playback;
pub mod staging;
pub mod optimum;
pub mod tune;
pub mod experiment;
pub mod report;
pub mod plot;
