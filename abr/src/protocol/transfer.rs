//! How long requests may take, and how they went.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long the steps of a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// From the request to the response headers (connecting included).
    pub first_byte: Duration,
    /// Between two pieces of the body.
    pub idle: Duration,
    /// From the request to the end of the body.
    pub total: Duration,
}

/// How a request went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Body bytes received.
    pub bytes: u64,
    /// From the request to the first body byte.
    pub first_byte: Duration,
    /// From the request to the last body byte.
    pub total: Duration,
    /// How much of the time between first and last body byte passed because the server had nothing to send
    /// yet (between the chunks of a body that comes as it is produced).
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub waited: Duration,
    /// Whether the answer came from a cache on this machine, so that it says nothing about the network.
    pub cached: bool,
}
