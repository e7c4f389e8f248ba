//! Keys that playlists and MPDs name by address: for whole segments, and identity keys for samples.

use super::{Admission, Ask, Keyring, Want};
use crate::limits;
use crate::manifest::{Encrypted, SegmentEncryption};
use crate::media::demux::sniff;
use crate::pipeline::Cipher;
use abr::error::Code;
use abr::presentation::{Container, RepresentationKey};
use abr::protocol::{AppendFailure, Input, KeyStatus, LicenceId};
use drm_stub::error::CdmError;
use drm_stub::hls_aes::SegmentKey;
use std::collections::{BTreeMap, BTreeSet};
use url::Url;

/// How a segment is to be opened.
#[derive(Clone, Debug)]
pub struct Sealing {
    what: Encrypted,
    url: Url,
    iv: Option<[u8; 16]>,
}

impl Sealing {
    /// Whether the bytes on the way are ciphertext, in which nothing can be recognised.
    pub fn is_opaque(&self) -> bool {
        self.what == Encrypted::Bytes
    }
}

/// The key at an address.
enum Slot {
    Asked(LicenceId),
    Here(SegmentKey),
    Failed(Code, String),
}

/// All keys by address, and who uses them.
#[derive(Default)]
pub(super) struct Sealed {
    slots: BTreeMap<Url, Slot>,
    /// The last address that each representation needed.
    latest: BTreeMap<RepresentationKey, Url>,
    /// Addresses of keys with which something was opened.
    proven: BTreeSet<Url>,
    /// Representations whose samples are opened with keys from here.
    identity: BTreeSet<RepresentationKey>,
}

impl Sealed {
    /// Takes the body of a key.
    pub(super) fn answer(&mut self, id: LicenceId, body: &[u8]) -> Result<(), CdmError> {
        // Wrong lengths are noticed now, while the request can be repeated.
        let key = SegmentKey::new(body.to_vec())?;
        let slot = self.slots.values_mut().find(|slot| matches!(slot, Slot::Asked(asked) if *asked == id));
        if let Some(slot) = slot {
            *slot = Slot::Here(key);
        }
        Ok(())
    }

    /// A key is not to be had; who needs it.
    pub(super) fn given_up(&mut self, id: LicenceId, code: Code, detail: &str) -> Vec<RepresentationKey> {
        let asked = |slot: &Slot| matches!(slot, Slot::Asked(asked) if *asked == id);
        let Some((url, slot)) = self.slots.iter_mut().find(|(_, slot)| asked(slot)) else {
            return Vec::new();
        };
        *slot = Slot::Failed(code, detail.to_owned());
        self.latest.iter().filter(|(_, latest)| *latest == url).map(|(key, _)| *key).collect()
    }

    /// What is known of the key that a representation needed last.
    pub(super) fn status(&self, key: RepresentationKey) -> KeyStatus {
        match self.latest.get(&key).and_then(|url| self.slots.get(url)) {
            Some(Slot::Here(_)) | None => KeyStatus::Usable,
            Some(Slot::Asked(_)) => KeyStatus::Pending,
            Some(Slot::Failed(code, detail)) => KeyStatus::Unusable { code: *code, detail: detail.clone() },
        }
    }
}

impl Keyring {
    /// Whether the samples of a representation are opened with keys that its playlist names.
    pub(super) fn is_identity(&self, key: RepresentationKey) -> bool {
        self.sealed.identity.contains(&key)
    }

    /// A segment or initialization segment of `key` is about to be fetched: asks for the key that the manifest
    /// names for it. `None` when it is opened in another way, or not at all.
    ///
    /// Keys of samples that a playlist names are passed over when the user gave keys or a licence server:
    /// packagers write placeholders there.
    pub fn expect(
        &mut self,
        key: RepresentationKey,
        encryption: Option<SegmentEncryption>,
    ) -> Option<Result<Sealing, AppendFailure>> {
        let SegmentEncryption { what, key: address, iv } = encryption?;
        if what == Encrypted::Samples && (self.comes_from_elsewhere() || address.is_err()) {
            return None;
        }
        let url = match address {
            Ok(url) => url,
            Err(why) => {
                let rendition = self.renditions.entry(key).or_default();
                rendition.locked = Some((why.code, why.detail.clone()));
                self.refresh();
                let failure = AppendFailure { malformed: false, code: Some(why.code), detail: why.detail };
                return Some(Err(failure));
            }
        };
        if what == Encrypted::Samples {
            self.sealed.identity.insert(key);
        }
        self.renditions.entry(key).or_default();
        self.sealed.latest.insert(key, url.clone());
        if !self.sealed.slots.contains_key(&url) {
            self.ask_key(&url);
        }
        self.refresh();
        Some(Ok(Sealing { what, url, iv }))
    }

    /// Whether the user said where keys of samples come from.
    fn comes_from_elsewhere(&self) -> bool {
        self.config.given || self.config.licence_url.is_some()
    }

    /// The manifest names a key before any segment needs it: asks for it, so that it is here by then.
    pub(super) fn expect_ahead(&mut self, what: Encrypted, url: &Url) {
        let wanted = what == Encrypted::Bytes || !self.comes_from_elsewhere();
        if wanted && !self.sealed.slots.contains_key(url) {
            self.ask_key(url);
        }
    }

    fn ask_key(&mut self, url: &Url) {
        if self.sealed.slots.len() >= limits::KEYS {
            // A very long title with very many keys: those that are here can be asked for again.
            self.sealed.slots.retain(|_, slot| matches!(slot, Slot::Asked(_)));
        }
        if url.scheme() == "data" {
            let slot = match data(url) {
                Some(key) => Slot::Here(key),
                None => Slot::Failed(Code::Licence, "the key in the playlist has not 16 bytes".to_owned()),
            };
            self.sealed.slots.insert(url.clone(), slot);
            return;
        }
        let id = LicenceId(self.next);
        self.next += 1;
        let ask = Ask { url: url.clone(), post: None, limit_bytes: limits::KEY_BYTES };
        self.wants.insert(id, Want { session: None, kids: BTreeSet::new(), ask });
        self.sealed.slots.insert(url.clone(), Slot::Asked(id));
        self.facts.push(Input::LicenceWanted(id));
    }

    /// Something was opened with the key of a sealed segment.
    pub fn trust(&mut self, sealing: &Sealing) {
        if self.sealed.proven.len() < limits::KEYS && !self.sealed.proven.contains(&sealing.url) {
            self.sealed.proven.insert(sealing.url.clone());
        }
    }

    /// Whether anything was opened with it.
    pub fn trusts(&self, sealing: &Sealing) -> bool {
        self.sealed.proven.contains(&sealing.url)
    }

    /// The pipeline found that the key of a sealed segment does not fit: nobody is to use it again.
    pub fn distrust_sealed(&mut self, sealing: &Sealing, detail: &str) {
        let slot = Slot::Failed(Code::Licence, detail.to_owned());
        self.sealed.slots.insert(sealing.url.clone(), slot);
        self.refresh();
    }

    /// Whether a sealed segment whose bytes are `data` can be opened, and with what.
    pub fn open(&self, sealing: &Sealing, data: &[u8]) -> Admission {
        let refused = |code, detail: String| {
            Admission::Refused(AppendFailure { malformed: false, code: Some(code), detail })
        };
        if sealing.what == Encrypted::Samples && sniff(data) != Some(Container::Mp4) {
            return refused(Code::Unsupported, "SAMPLE-AES outside of MP4 is not supported".to_owned());
        }
        let key = match self.sealed.slots.get(&sealing.url) {
            Some(Slot::Here(key)) => key,
            Some(Slot::Asked(_)) => return Admission::Wait,
            Some(Slot::Failed(code, detail)) => return refused(*code, detail.clone()),
            None => return refused(Code::MissingKey, "the key of the segment was given up".to_owned()),
        };
        let cipher = match sealing.what {
            Encrypted::Samples => key.content_key().map(|key| Cipher::Samples { key, iv: sealing.iv }),
            Encrypted::Bytes => Some(Cipher::Bytes { key: key.clone(), iv: sealing.iv.unwrap_or_default() }),
        };
        match cipher {
            Some(cipher) => Admission::Ready(Some(cipher)),
            None => refused(Code::Licence, "the key has not 16 bytes".to_owned()),
        }
    }
}

/// The key in a `data:` address (RFC 2397), in base64.
fn data(url: &Url) -> Option<SegmentKey> {
    let (kind, text) = url.path().split_once(',')?;
    SegmentKey::new(kind.ends_with(";base64").then(|| drm_stub::pssh::base64(text))??).ok()
}
