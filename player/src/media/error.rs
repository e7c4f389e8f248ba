//! What can be wrong with the bytes of a segment.

use abr::error::Code;
use abr::protocol::AppendFailure;

/// Why a segment cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// The bytes are no media container at all (a web page, an empty body, random bytes).
    #[error("not media: {0}")]
    NotMedia(&'static str),
    /// The container breaks its format.
    #[error("malformed {container} at byte {at}: {what}")]
    Malformed {
        /// Which format.
        container: &'static str,
        /// Where, as precisely as known, from the start of the segment or initialization segment.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// The segment ends before its contents do.
    #[error("{container} ends early: {missing} bytes are missing")]
    Truncated {
        /// Which format.
        container: &'static str,
        /// How many bytes at least.
        missing: u64,
    },
    /// A limit of [`crate::limits`] is exceeded.
    #[error("too many {what}: the limit is {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// A picture larger than [`crate::limits::PICTURE_SIDE`].
    #[error("a picture of {width}x{height} pixels is beyond the limit")]
    Picture {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// A fragment came without the initialization segment that describes it.
    #[error("no initialization segment describes this segment")]
    NoInit,
    /// A well-formed segment that uses something that is not read here.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// Samples are encrypted in a way for which there are no keys here.
    #[error("{0} is encrypted, and there is no key for it")]
    Encrypted(&'static str),
    /// The segment holds no sample of the wanted track.
    #[error("the segment holds no sample of the wanted track")]
    Empty,
}

impl From<MediaError> for AppendFailure {
    fn from(error: MediaError) -> Self {
        let code = match error {
            MediaError::Encrypted(_) => Some(Code::MissingKey),
            MediaError::Unsupported(_) => Some(Code::Unsupported),
            MediaError::Picture { .. } => Some(Code::Format),
            _ => None,
        };
        Self { malformed: code.is_none(), code, detail: error.to_string() }
    }
}
