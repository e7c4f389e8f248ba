//! Key identifiers, which may be shown, and keys, which may not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Names a key (`KID`). Shown as a UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

impl KeyId {
    /// Reads 32 hexadecimal digits, dashes allowed between them.
    pub fn from_hex(text: &str) -> Option<Self> {
        hex(text).map(Self)
    }

    /// Reads base64url without padding, as in JSON Web Keys (RFC 7517).
    pub fn from_base64url(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// Base64url without padding.
    pub fn to_base64url(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let dash = if matches!(place, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// A key of 128 bits. Wiped when dropped; prints as `ContentKey(…)`.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ContentKey([u8; 16]);

impl ContentKey {
    /// Takes the bytes of a key.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads 32 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        hex(text).map(Self)
    }

    /// Reads base64url without padding.
    pub(crate) fn from_base64url(text: &str) -> Option<Self> {
        let mut bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
        let key = <[u8; 16]>::try_from(&bytes[..]).ok().map(Self);
        bytes.zeroize();
        key
    }

    /// The bytes, for ciphers only.
    pub(crate) const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl std::fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ContentKey(…)")
    }
}

/// Overwrites bytes that held keys, in a way that no compiler leaves out.
pub fn wipe(bytes: &mut [u8]) {
    bytes.zeroize();
}

fn hex(text: &str) -> Option<[u8; 16]> {
    let mut digits = text.bytes().filter(|byte| *byte != b'-');
    let mut bytes = [0; 16];
    let mut nibble = || (digits.next()? as char).to_digit(16).map(|digit| digit as u8);
    for byte in &mut bytes {
        *byte = nibble()? << 4 | nibble()?;
    }
    digits.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_read_and_shown() {
        let kid = KeyId::from_hex("ad13f9ea-2be6-98b8-75f5-04a8e3ccea64").unwrap();
        assert_eq!(kid.to_string(), "ad13f9ea-2be6-98b8-75f5-04a8e3ccea64");
        assert_eq!(kid.to_base64url(), "rRP56ivmmLh19QSo48zqZA");
        assert_eq!(KeyId::from_base64url("rRP56ivmmLh19QSo48zqZA"), Some(kid));
        assert_eq!(KeyId::from_hex("ad13"), None);
        assert_eq!(KeyId::from_hex("zz13f9ea2be698b875f504a8e3ccea64"), None);
    }

    #[test]
    fn keys_are_not_shown() {
        let key = ContentKey::from_hex("be7df8a3667a6a8fd564d0ed81339a95").unwrap();
        assert_eq!(format!("{key:?}"), "ContentKey(…)");
    }

    #[test]
    fn keys_are_wiped() {
        let mut key = ContentKey::new([7; 16]);
        key.zeroize();
        assert_eq!(key.bytes(), &[0; 16]);
    }
}
