//! What can go wrong, with stable numbers: severity × category × code.
//!
//! The families follow the field's habit (1xxx runtime, 2xxx network, 3xxx parsing, 4xxx decoding, 5xxx
//! audio output, 6xxx keys, 7xxx picture output), so that logs, texts, exit codes and metrics agree.

use serde::{Deserialize, Serialize};

/// Who acts on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Playback goes on; something is missing or was replaced.
    Warning,
    /// Being handled: another attempt, host or representation follows.
    Recoverable,
    /// Playback ends.
    Fatal,
}

/// Which part of the way from server to screen failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// The program itself.
    Runtime,
    /// Name resolution, connections, HTTP.
    Network,
    /// Manifests, playlists, containers.
    Parsing,
    /// Codecs.
    Decoding,
    /// Sound devices.
    Audio,
    /// Licences and keys.
    Keys,
    /// GPU and windows.
    Picture,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $category:ident;)+) => {
        /// A stable error number; the thousands digit is the [`Category`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "u16", try_from = "u16")]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The number that users see.
            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number,)+ }
            }

            /// Its family.
            pub const fn category(self) -> Category {
                match self { $(Self::$name => Category::$category,)+ }
            }

            /// What it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+),)+ }
            }
        }
    };
}

codes! {
    /// A fault inside the player.
    Internal = 1000, Runtime;
    /// Playback made no progress and could not be revived.
    Stuck = 1003, Runtime;
    /// The network could not be reached.
    Unreachable = 2001, Network;
    /// The server did not answer in time.
    Timeout = 2002, Network;
    /// The answer ended before it was complete.
    Truncated = 2003, Network;
    /// The server refused with an HTTP error status.
    Status = 2004, Network;
    /// The server was reached, but its certificate is not trusted.
    Certificate = 2005, Network;
    /// An address that a remote manifest may not name was refused.
    Forbidden = 2006, Network;
    /// The answer was larger than its limit.
    TooLarge = 2007, Network;
    /// The server answered with a page or an empty body instead of media.
    WrongContent = 2008, Network;
    /// Too many or circular redirects.
    Redirects = 2009, Network;
    /// What was fetched is neither a DASH nor an HLS manifest.
    NotAManifest = 3001, Parsing;
    /// The manifest is malformed.
    Manifest = 3002, Parsing;
    /// The manifest uses a feature that is not supported.
    Unsupported = 3003, Parsing;
    /// A media segment is malformed.
    Container = 3004, Parsing;
    /// A live broadcast has stopped growing.
    Standing = 3005, Parsing;
    /// What was to be played next has left the window that a live broadcast keeps.
    BehindWindow = 3006, Parsing;
    /// The decoder could not be started.
    DecoderStart = 4001, Decoding;
    /// The decoder failed while running.
    Decoder = 4002, Decoding;
    /// A picture or sound format is beyond the limits.
    Format = 4003, Decoding;
    /// No representation can be played with the decoders installed here.
    NothingPlayable = 4005, Decoding;
    /// No sound device is usable; a silent clock keeps time.
    NoAudioDevice = 5001, Audio;
    /// The sound device failed while playing.
    AudioDevice = 5002, Audio;
    /// A key system is asked for that is not supported.
    KeySystem = 6001, Keys;
    /// The licence server could not be reached, or refused.
    LicenceServer = 6002, Keys;
    /// A licence or key is malformed, has expired, or does not fit the content.
    Licence = 6003, Keys;
    /// No key is known for encrypted content.
    MissingKey = 6004, Keys;
    /// The licence does not allow the picture on this output.
    OutputRestricted = 6005, Keys;
    /// No display is available.
    NoDisplay = 7001, Picture;
    /// No graphics adapter is usable.
    NoAdapter = 7002, Picture;
    /// The graphics device was lost.
    DeviceLost = 7003, Picture;
}

impl From<Code> for u16 {
    fn from(code: Code) -> Self {
        code.number()
    }
}

impl TryFrom<u16> for Code {
    type Error = UnknownCode;
    fn try_from(number: u16) -> Result<Self, UnknownCode> {
        Self::ALL.iter().copied().find(|code| code.number() == number).ok_or(UnknownCode(number))
    }
}

/// A number that is no [`Code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an error code of Sluice")]
pub struct UnknownCode(pub u16);

/// One error as it is reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// Who acts.
    pub severity: Severity,
    /// Which part failed.
    pub category: Category,
    /// The stable number.
    pub code: Code,
    /// What happened, to what, why and what to do next, in one or two sentences.
    pub message: String,
}

impl Error {
    /// An error of `severity` with the category of `code`.
    pub fn new(severity: Severity, code: Code, message: impl Into<String>) -> Self {
        Self { severity, category: code.category(), code, message: message.into() }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}]", self.message, self.code.number())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_in_their_family() {
        for (place, code) in Code::ALL.iter().enumerate() {
            assert_eq!(Code::ALL.iter().position(|c| c.number() == code.number()), Some(place));
            assert_eq!(code.number() / 1000, code.category() as u16 + 1);
            assert_eq!(Code::try_from(code.number()), Ok(*code));
        }
    }
}
