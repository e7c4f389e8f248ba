//! Protection system specific headers (ISO/IEC 23001-7, 8.1): which key systems hold keys for a title, and
//! for which key identifiers.

use crate::error::CdmError;
use crate::key::KeyId;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Most headers or key identifiers that are read.
const LIMIT: usize = 1_000;

/// Key systems by their registered identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySystem {
    /// The common identifier of W3C ClearKey ("Common SystemID").
    ClearKey,
    /// ClearKey as DASH-IF signals it.
    DashClearKey,
    /// Google Widevine.
    Widevine,
    /// Microsoft PlayReady.
    PlayReady,
    /// Apple FairPlay Streaming.
    FairPlay,
    /// Marlin.
    Marlin,
    /// Any other.
    Unknown([u8; 16]),
}

impl KeySystem {
    /// The key system with identifier `id`.
    pub const fn from_id(id: [u8; 16]) -> Self {
        match u128::from_be_bytes(id) {
            0x1077efec_c0b2_4d02_ace3_3c1e52e2fb4b => Self::ClearKey,
            0xe2719d58_a985_b3c9_781a_b030af78d30e => Self::DashClearKey,
            0xedef8ba9_79d6_4ace_a3c8_27dcd51d21ed => Self::Widevine,
            0x9a04f079_9840_4286_ab92_e65be0885f95 => Self::PlayReady,
            0x94ce86fb_07ff_4f43_adb8_93d2fa968ca2 => Self::FairPlay,
            0x5e629af5_38da_4063_8977_97ffbd9902d4 => Self::Marlin,
            _ => Self::Unknown(id),
        }
    }

    /// The key system that a manifest names: a system identifier as `urn:uuid:…` (DASH `schemeIdUri`, HLS
    /// `KEYFORMAT`), or one of the names in use for HLS. `None` for anything else, `identity` included.
    pub fn from_uri(uri: &str) -> Option<Self> {
        let uri = uri.trim().to_ascii_lowercase();
        match uri.as_str() {
            "com.apple.streamingkeydelivery" => Some(Self::FairPlay),
            "com.microsoft.playready" => Some(Self::PlayReady),
            "com.widevine" => Some(Self::Widevine),
            "org.w3.clearkey" => Some(Self::ClearKey),
            _ => uri.strip_prefix("urn:uuid:").and_then(KeyId::from_hex).map(|id| Self::from_id(id.0)),
        }
    }

    /// Whether its licences are read here.
    pub const fn is_clear_key(self) -> bool {
        matches!(self, Self::ClearKey | Self::DashClearKey)
    }
}

impl std::fmt::Display for KeySystem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ClearKey | Self::DashClearKey => f.write_str("ClearKey"),
            Self::Widevine => f.write_str("Widevine"),
            Self::PlayReady => f.write_str("PlayReady"),
            Self::FairPlay => f.write_str("FairPlay"),
            Self::Marlin => f.write_str("Marlin"),
            Self::Unknown(id) => write!(f, "key system {}", KeyId(*id)),
        }
    }
}

/// One `pssh` box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pssh {
    /// Identifier of the key system.
    pub system_id: [u8; 16],
    /// Version of the box.
    pub version: u8,
    /// Key identifiers, empty in version 0.
    pub key_ids: Vec<KeyId>,
    /// What the key system reads; as much as the box holds.
    pub data: Vec<u8>,
    /// How much the box says it holds.
    pub data_length: u32,
}

impl Pssh {
    /// Its key system.
    pub const fn system(&self) -> KeySystem {
        KeySystem::from_id(self.system_id)
    }
}

/// Reads concatenated `pssh` boxes. Other boxes between them are passed over, and so are bytes behind the
/// first of them that are no box: manifests in use have such.
///
/// # Errors
/// [`CdmError::InitData`] when the first box is cut off, a header is damaged or too many come.
pub fn parse(mut data: &[u8]) -> Result<Vec<Pssh>, CdmError> {
    let cut = CdmError::InitData("a box is cut off");
    let mut list = Vec::new();
    while !data.is_empty() {
        let Some((kind, body, size)) = first_box(data) else {
            return if list.is_empty() { Err(cut) } else { Ok(list) };
        };
        if &kind == b"pssh" {
            list.push(parse_one(body).ok_or_else(|| cut.clone())?);
        }
        if list.len() > LIMIT {
            return Err(CdmError::InitData("too many boxes"));
        }
        data = &data[size..];
    }
    Ok(list)
}

/// Reads `pssh` boxes as manifests write them, in base64; `None` for what cannot be read.
pub fn from_base64(text: &str) -> Option<Vec<Pssh>> {
    base64(text).and_then(|bytes| parse(&bytes).ok())
}

/// Standard base64 with or without padding, as manifests use it.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.trim().trim_end_matches('=')).ok()
}

/// Type, contents and size of the box at the start of `data`.
fn first_box(data: &[u8]) -> Option<([u8; 4], &[u8], usize)> {
    let [a, b, c, d, kind @ ..] = *data.first_chunk::<8>()?;
    let size = match u32::from_be_bytes([a, b, c, d]) as usize {
        0 => data.len(),
        size => size,
    };
    Some((kind, data.get(8..size)?, size))
}

fn parse_one(body: &[u8]) -> Option<Pssh> {
    let (head, mut rest) = body.split_first_chunk::<4>()?;
    let version = head[0];
    let system_id = take(&mut rest)?;
    let mut key_ids = Vec::new();
    if version > 0 {
        let count = u32::from_be_bytes(take(&mut rest)?) as usize;
        if count > LIMIT {
            return None;
        }
        for _ in 0..count {
            key_ids.push(KeyId(take(&mut rest)?));
        }
    }
    let data_length = u32::from_be_bytes(take(&mut rest)?);
    let data = rest[..rest.len().min(data_length as usize)].to_vec();
    Some(Pssh { system_id, version, key_ids, data, data_length })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COMMON: &[u8] = b"\0\0\0\x34pssh\x01\0\0\0\x10\x77\xef\xec\xc0\xb2\x4d\x02\xac\xe3\x3c\x1e\x52\xe2\xfb\x4b\0\0\0\x010123456789012345\0\0\0\0";

    #[test]
    fn headers_are_read() {
        let list = parse(&[COMMON, COMMON].concat()).unwrap();
        assert_eq!(list.len(), 2);
        assert_eq!(list[0].system(), KeySystem::ClearKey);
        assert_eq!(list[0].key_ids, [KeyId(*b"0123456789012345")]);
        assert!(list[0].data.is_empty());
    }

    #[test]
    fn key_systems_are_known_by_name() {
        let known = |uri| KeySystem::from_uri(uri).map(|system| system.to_string());
        assert_eq!(known("urn:uuid:EDEF8BA9-79D6-4ACE-A3C8-27DCD51D21ED").as_deref(), Some("Widevine"));
        assert_eq!(known("com.apple.streamingkeydelivery").as_deref(), Some("FairPlay"));
        assert_eq!(known("urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95").as_deref(), Some("PlayReady"));
        assert!(KeySystem::from_uri("urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e").unwrap().is_clear_key());
        assert_eq!(known("identity"), None);
        assert_eq!(known("urn:mpeg:dash:mp4protection:2011"), None);
    }

    #[test]
    fn cut_headers_are_refused() {
        for length in 1..COMMON.len() {
            assert!(parse(&COMMON[..length]).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), place in 0usize..52, value: u8) {
            let _ = parse(&bytes);
            let mut damaged = COMMON.to_vec();
            damaged[place] = value;
            let _ = parse(&damaged);
        }
    }
}
