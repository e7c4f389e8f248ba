//! The shape of a content decryption module: what the player asks of any key system. Follows the sessions
//! and messages of W3C Encrypted Media Extensions, so that a vendor's module fits behind it.

use crate::cenc::SampleCipher;
use crate::error::CdmError;
use crate::key::KeyId;
use std::time::Duration;

/// Names a key session; never used twice by one module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// How initialization data is written (EME initialization data registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitDataType {
    /// `pssh` boxes, one after the other.
    Cenc,
    /// A JSON document with base64url key identifiers.
    KeyIds,
    /// One key identifier as it stands in a WebM track.
    Webm,
}

/// Why a message is to be sent to the licence server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// Keys are asked for.
    Request,
    /// A licence is to be renewed before it expires.
    Renewal,
}

/// Something to be sent to the licence server; its answer goes to [`Cdm::update`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// For which session.
    pub session: SessionId,
    /// Why.
    pub kind: MessageKind,
    /// Body of the request.
    pub body: Vec<u8>,
    /// Media type of the body.
    pub content_type: &'static str,
}

/// Whether a key can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// Asked for, not here yet.
    Pending,
    /// Ready.
    Usable,
    /// Its licence ran out.
    Expired,
    /// The picture may not be shown on the present output.
    OutputRestricted,
    /// Unknown.
    Missing,
}

/// What a licence demands of the way to the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputRestriction {
    /// Lowest HDCP version as `major × 10 + minor`, `None` without demand.
    pub hdcp: Option<u8>,
    /// Largest picture height without it, `None` without limit.
    pub unprotected_height: Option<u32>,
}

/// A content decryption module. Time is given to it, it has no clock. It is shared: licences come in on one
/// thread while samples are decrypted on others, and no call waits longer than it takes to look a key up.
pub trait Cdm: Send + Sync {
    /// Name of its key system, for people.
    fn name(&self) -> &str;

    /// Opens a session for the keys that initialization data names and tells what to send.
    /// `None`: all of its keys are known already.
    ///
    /// # Errors
    /// [`CdmError::InitData`] and [`CdmError::KeySystem`].
    fn open(
        &self,
        init_data_type: InitDataType,
        init_data: &[u8],
    ) -> Result<(SessionId, Option<Message>), CdmError>;

    /// Takes the licence server's answer, received at `now`.
    ///
    /// # Errors
    /// [`CdmError::Licence`] and [`CdmError::Session`].
    fn update(&self, session: SessionId, answer: &[u8], now: Duration) -> Result<(), CdmError>;

    /// Forgets a session and its keys.
    fn close(&self, session: SessionId);

    /// The next message that is due at `now` without being asked for (a renewal), if any.
    fn poll(&self, now: Duration) -> Option<Message>;

    /// Whether the key `kid` can be used at `now`.
    fn status(&self, kid: KeyId, now: Duration) -> KeyStatus;

    /// What the licence of `kid` demands of outputs.
    fn restriction(&self, kid: KeyId) -> OutputRestriction;

    /// Decrypts one sample in place.
    ///
    /// # Errors
    /// [`CdmError::MissingKey`] and [`CdmError::Data`].
    fn decrypt(&self, kid: KeyId, cipher: &SampleCipher<'_>, sample: &mut [u8]) -> Result<(), CdmError>;
}
