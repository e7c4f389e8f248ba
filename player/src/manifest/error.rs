//! Why a manifest could not be used, where, and what to do about it.

use abr::error::{Code, Error, Severity};

/// A place in a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Line, counted from one; zero when unknown.
    pub line: u64,
    /// Column in characters, counted from one; zero when unknown.
    pub column: u64,
    /// The element or tag, empty when unknown.
    pub name: String,
}

impl Place {
    /// A line of a playlist, with the tag that stands there.
    pub fn line(line: u64, name: impl Into<String>) -> Self {
        Self { line, column: 0, name: name.into() }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}", if self.name.is_empty() { "manifest" } else { &self.name }),
            (line, 0) if self.name.is_empty() => write!(f, "line {line}"),
            (line, 0) => write!(f, "line {line}, {}", self.name),
            (line, column) if self.name.is_empty() => write!(f, "line {line}, column {column}"),
            (line, column) => write!(f, "line {line}, column {column}, {}", self.name),
        }
    }
}

/// Why a manifest could not be turned into a title.
///
/// Every variant blames the content and says where. A panic while reading would be our bug.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Neither an MPD nor a playlist.
    #[error("this is not a DASH or HLS manifest: {0}")]
    NotAManifest(String),
    /// The right kind of document, but broken or contradicting its specification.
    #[error("{place}: {what}")]
    Malformed {
        /// Where.
        place: Place,
        /// What is wrong.
        what: String,
    },
    /// Fine by the specification, not by us.
    #[error("{place}: {what} is not supported")]
    Unsupported {
        /// Where.
        place: Place,
        /// What.
        what: String,
    },
    /// More of something than a player is willing to hold.
    #[error("more than {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are accepted.
        max: usize,
    },
    /// An address that a manifest from this origin may not name.
    #[error("{place}: {what}")]
    Forbidden {
        /// Where.
        place: Place,
        /// What was refused and why.
        what: String,
    },
}

impl ManifestError {
    /// A malformed document.
    pub(crate) fn malformed(place: Place, what: impl Into<String>) -> Self {
        Self::Malformed { place, what: what.into() }
    }

    /// The stable number that users see.
    pub const fn code(&self) -> Code {
        match self {
            Self::NotAManifest(_) => Code::NotAManifest,
            Self::Malformed { .. } | Self::TooMany { .. } => Code::Manifest,
            Self::Unsupported { .. } => Code::Unsupported,
            Self::Forbidden { .. } => Code::Forbidden,
        }
    }

    /// What a person can do about it.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::NotAManifest(_) => "Give the address of an .mpd or .m3u8 document.",
            Self::Malformed { .. } => "Ask the publisher to repair the manifest.",
            Self::Unsupported { .. } => "Try another version of the title.",
            Self::TooMany { .. } => "The manifest is beyond what this player accepts.",
            Self::Forbidden { .. } => "The manifest names what it may not; do not trust it.",
        }
    }
}

impl From<ManifestError> for Error {
    fn from(error: ManifestError) -> Self {
        Self::new(Severity::Fatal, error.code(), format!("{error}. {}", error.advice()))
    }
}
