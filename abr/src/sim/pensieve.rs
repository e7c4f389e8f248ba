//! Pensieve's test environment and its baseline controllers, to the last bit.
//!
//! Source: hongzimao/pensieve (Mao, Netravali, Alizadeh, SIGCOMM 2017). 48 chunks of four seconds, a buffer of
//! a minute, 95 % payload and 80 ms of round trip that the trace does not notice. All `f64`, in the
//! program's order of operations.

mod environment;
mod robust_mpc;

pub use robust_mpc::{Lookahead, RobustMpc};

use self::environment::Environment;
use super::title::Title;
use super::trace::Trace;
use std::str::FromStr;

/// Chunks of a session.
pub const CHUNKS: usize = 48;
/// Penalty of a second of stall in QoE_lin.
pub const STALL_PENALTY: f64 = 4.3;
/// Quality of the first chunk.
const FIRST_QUALITY: usize = 1;

/// Which controller plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// Buffer-based, reservoir 5 s, cushion 10 s, no stickiness.
    Bba,
    /// RobustMPC with a choice of which sizes it looks at.
    RobustMpc(Lookahead),
}

impl FromStr for Algorithm {
    type Err = Refused;

    fn from_str(name: &str) -> Result<Self, Refused> {
        Ok(match name {
            "bba" => Self::Bba,
            "robustmpc_upstream" => Self::RobustMpc(Lookahead::Upstream),
            "robustmpc_aligned" => Self::RobustMpc(Lookahead::Aligned),
            other => return Err(Refused::UnknownAlgorithm(other.chars().take(60).collect())),
        })
    }
}

/// Why a session cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not one of Pensieve's baselines.
    #[error("{0:?} is no Pensieve baseline; known are bba, robustmpc_upstream, robustmpc_aligned")]
    UnknownAlgorithm(String),
    /// The environment reads cooked rows.
    #[error("Pensieve's environment plays cooked traces; {0} is none")]
    NotCooked(String),
    /// The title does not fit Pensieve's constants.
    #[error("Pensieve's environment needs six qualities and at least 49 chunks of 4 s; title {0} has not")]
    OtherTitle(String),
    /// The link carries too little.
    #[error("the session does not end on trace {0}")]
    Endless(String),
}

/// One chunk as the environment reports it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chunk {
    /// Nominal bitrate of the chosen quality.
    pub bitrate_kbps: f64,
    /// Buffer level after the chunk.
    pub buffer_s: f64,
    /// Stall while it was fetched; the start-up is one.
    pub rebuffer_s: f64,
    /// Its size.
    pub size_bytes: f64,
    /// Request to last bit, 80 ms included.
    pub delay_ms: f64,
    /// bitrate − 4.3 × stall − |change of bitrate|, in Mbit/s and seconds.
    pub qoe_lin: f64,
}

/// Plays 48 chunks of `title` over `trace`.
pub fn play(title: &Title, trace: &Trace, algorithm: Algorithm) -> Result<Vec<Chunk>, Refused> {
    let mut mpc = match algorithm {
        Algorithm::Bba => None,
        Algorithm::RobustMpc(lookahead) => Some(RobustMpc::new(lookahead)),
    };
    play_with(title, trace, mpc.as_mut())
}

/// As [`play`], with a RobustMPC that may have played other traces before, or BBA where there is none.
///
/// The published program keeps its errors and forecasts from one trace to the next.
pub fn play_with(
    title: &Title,
    trace: &Trace,
    mut mpc: Option<&mut RobustMpc>,
) -> Result<Vec<Chunk>, Refused> {
    let rows = trace.cooked.as_ref().ok_or_else(|| Refused::NotCooked(trace.name.clone()))?;
    let fits = title.qualities() == 6
        && title.segments() > CHUNKS
        && title.uniform_duration_ms() == Some(environment::CHUNK_MS);
    if !fits {
        return Err(Refused::OtherTitle(title.name.clone()));
    }
    let mut environment = Environment::new(rows);
    let mut chunks = Vec::with_capacity(CHUNKS);
    let (mut quality, mut before) = (FIRST_QUALITY, FIRST_QUALITY);
    for chunk in 0..CHUNKS {
        let size = title.size_bits(chunk, quality) as f64 / 8.0;
        let got = environment.fetch(size).ok_or_else(|| Refused::Endless(trace.name.clone()))?;
        let bitrate_kbps = title.bitrates_kbps[quality];
        let change = (bitrate_kbps - title.bitrates_kbps[before]).abs();
        chunks.push(Chunk {
            bitrate_kbps,
            buffer_s: got.buffer_s,
            rebuffer_s: got.rebuffer_s,
            size_bytes: size,
            delay_ms: got.delay_ms,
            qoe_lin: bitrate_kbps / 1000.0 - STALL_PENALTY * got.rebuffer_s - change / 1000.0,
        });
        before = quality;
        quality = match &mut mpc {
            None => bba(got.buffer_s),
            Some(mpc) => mpc.next(title, chunk, quality, size, got.delay_ms, got.buffer_s),
        };
    }
    Ok(chunks)
}

/// The quality for a buffer of `level` seconds.
fn bba(level: f64) -> usize {
    if level < 5.0 {
        0
    } else if level >= 15.0 {
        5
    } else {
        (5.0 * (level - 5.0) / 10.0) as usize
    }
}

/// The figures of a session under the names of the expected tables.
pub fn figures(chunks: &[Chunk]) -> Vec<(&'static str, f64)> {
    let rest = chunks.get(1..).unwrap_or_default();
    let mean = |chunks: &[Chunk], of: fn(&Chunk) -> f64| {
        chunks.iter().map(of).sum::<f64>() / chunks.len().max(1) as f64
    };
    let changes: Vec<f64> =
        chunks.windows(2).map(|pair| (pair[1].bitrate_kbps - pair[0].bitrate_kbps).abs()).collect();
    let switches = changes.iter().filter(|change| **change != 0.0).count();
    vec![
        ("mean_qoe_lin_48", mean(chunks, |c| c.qoe_lin)),
        ("mean_qoe_lin_excl_first", mean(rest, |c| c.qoe_lin)),
        ("mean_bitrate_kbps", mean(chunks, |c| c.bitrate_kbps)),
        ("rebuffer_s_total", chunks.iter().map(|c| c.rebuffer_s).sum()),
        ("rebuffer_s_excl_first", rest.iter().map(|c| c.rebuffer_s).sum()),
        ("mean_abs_switch_kbps", changes.iter().sum::<f64>() / changes.len().max(1) as f64),
        ("switches", switches as f64),
    ]
}

#[cfg(test)]
mod tests;
