//! What a session is told about keys: names and states, never the keys themselves.

use crate::error::Code;
use serde::{Deserialize, Serialize};

/// Names a licence, or a key that a playlist names; given by whoever reads how content is protected, and
/// never used twice in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LicenceId(pub u32);

/// Whether the samples of a representation can be decrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// A key is still on its way: chosen only where no representation is [`Usable`](Self::Usable).
    Pending,
    /// Every key is here.
    Usable,
    /// A key is not to be had, has expired, or may not be used here: never chosen.
    Unusable {
        /// What users see when nothing else can be played.
        code: Code,
        /// For people: which key, and why. Never the key.
        detail: String,
    },
}
