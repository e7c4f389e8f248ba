//! What can go wrong with keys.

use crate::key::KeyId;

/// Why a key cannot be had or used. None of its texts holds a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CdmError {
    /// The content asks for a key system that is not built in.
    #[error("protected with {0}, which is not supported here")]
    KeySystem(String),
    /// Initialization data that cannot be read.
    #[error("malformed initialization data: {0}")]
    InitData(&'static str),
    /// A licence that cannot be read or used.
    #[error("unusable licence: {0}")]
    Licence(&'static str),
    /// No key is known for a key identifier.
    #[error("no key for {0}")]
    MissingKey(KeyId),
    /// What a key makes of the content is no media.
    #[error("the key for {0} does not fit: what it decrypts is no media")]
    WrongKey(KeyId),
    /// A sample or segment that cannot be decrypted as described.
    #[error("cannot decrypt: {0}")]
    Data(&'static str),
    /// A session that was closed or never opened.
    #[error("no such key session")]
    Session,
}

impl CdmError {
    /// The stable number that users see: 6001 key system, 6003 licence, data or a key that does not fit, 6004 missing key, 1000 for
    /// a fault of the caller.
    pub const fn number(&self) -> u16 {
        match self {
            Self::KeySystem(_) => 6001,
            Self::InitData(_) | Self::Licence(_) | Self::Data(_) | Self::WrongKey(_) => 6003,
            Self::MissingKey(_) => 6004,
            Self::Session => 1000,
        }
    }
}
