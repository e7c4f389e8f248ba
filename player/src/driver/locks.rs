//! What stands between a fetched segment and the pipeline: its keys.

use crate::keys::{Admission, Ask, Config, Keyring, Sealing};
use crate::manifest::Addresses;
use crate::pipeline::Cipher;
use abr::error::Code;
use abr::presentation::{Presentation, RepresentationKey};
use abr::protocol::{AppendFailure, Failure, FailureKind, Fetch, FetchId, Input, LicenceId, Resource};
use abr::segments::Segment;
use bytes::Bytes;
use drm_stub::hls_aes;
use drm_stub::key::{KeyId, wipe};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How something is opened whose manifest names the key, or why it cannot be.
type Seal = Result<Sealing, AppendFailure>;

/// What is known of a segment on its way.
#[derive(Default)]
struct Parcel {
    seal: Option<Seal>,
    /// Of its samples, once they could be looked at.
    kids: Option<BTreeSet<KeyId>>,
}

/// See the module.
pub(super) struct Locks {
    keyring: Keyring,
    parcels: BTreeMap<FetchId, Parcel>,
    /// Initialization segments that are ciphertext still.
    inits: BTreeMap<(RepresentationKey, u32), Seal>,
}

impl Locks {
    pub(super) fn new(config: Config) -> Self {
        Self { keyring: Keyring::new(config), parcels: BTreeMap::new(), inits: BTreeMap::new() }
    }

    pub(super) fn reset(&mut self) {
        self.keyring.reset();
        self.parcels.clear();
        self.inits.clear();
    }

    pub(super) fn tick(&mut self, now: Duration) {
        self.keyring.tick(now);
    }

    /// What the session is to be told.
    pub(super) fn facts(&mut self) -> Vec<Input> {
        self.keyring.facts()
    }

    pub(super) fn manifest(&mut self, presentation: &Presentation, addresses: &Addresses) {
        self.keyring.manifest(presentation, addresses);
    }

    pub(super) fn index(&mut self, key: RepresentationKey, addresses: &Addresses) {
        self.keyring.index(key, addresses);
    }

    pub(super) fn request(&self, id: LicenceId) -> Option<Ask> {
        self.keyring.request(id)
    }

    /// A licence or key arrived; its bytes are wiped.
    pub(super) fn answer(&mut self, id: LicenceId, body: Bytes) -> Result<(), Failure> {
        let answered = self.keyring.answer(id, &body);
        if let Ok(mut body) = body.try_into_mut() {
            wipe(&mut body);
        }
        answered
    }

    pub(super) fn given_up(&mut self, id: LicenceId, failure: &Failure) {
        self.keyring.given_up(id, failure);
    }

    /// Something is about to be fetched; whether it will be ciphertext.
    pub(super) fn expect(&mut self, fetch: &Fetch, addresses: Option<&Addresses>) -> bool {
        let encryption = addresses.and_then(|addresses| addresses.encryption(&fetch.resource));
        let (key, init) = match fetch.resource {
            Resource::Init { representation, init } => (representation, Some(init)),
            Resource::Segment { representation, .. } => (representation, None),
            Resource::Presentation | Resource::Index(_) | Resource::Clock(_) | Resource::Licence(_) => {
                return false;
            }
        };
        let seal = self.keyring.expect(key, encryption);
        let opaque = matches!(&seal, Some(Ok(sealing)) if sealing.is_opaque());
        match init {
            Some(init) if opaque || matches!(seal, Some(Err(_))) => {
                self.inits.extend(seal.map(|seal| ((key, init), seal)));
            }
            Some(_) => {}
            None => {
                self.parcels.insert(fetch.id, Parcel { seal, kids: None });
            }
        }
        opaque
    }

    /// An initialization segment arrived.
    pub(super) fn init(&mut self, key: RepresentationKey, init: u32, body: &[u8]) {
        if !self.inits.contains_key(&(key, init)) {
            self.keyring.init(key, init, body);
        }
    }

    /// A media segment arrived, and perhaps its initialization segment before it.
    ///
    /// # Errors
    /// A failure when it is ciphertext and not all of it.
    pub(super) fn segment(
        &mut self,
        id: FetchId,
        key: RepresentationKey,
        init: Option<(u32, Option<&Bytes>)>,
        data: &Bytes,
    ) -> Result<(), Failure> {
        let Some(parcel) = self.parcels.get_mut(&id) else { return Ok(()) };
        match &parcel.seal {
            Some(Ok(sealing)) if sealing.is_opaque() && !data.len().is_multiple_of(16) => {
                let detail = "an encrypted segment is not whole blocks".to_owned();
                return Err(Failure { kind: FailureKind::Truncated, retry_after: None, detail });
            }
            Some(_) => return Ok(()),
            None => {}
        }
        let known = match init {
            None => Some(None),
            Some((number, bytes)) => bytes.map(|bytes| Some((number, bytes))),
        };
        if let Some(init) = known {
            parcel.kids = Some(self.keyring.segment(key, init, data));
        }
        Ok(())
    }

    /// Whether a segment can go to the pipeline. Opens its initialization segment on the way.
    pub(super) fn admit(
        &mut self,
        id: FetchId,
        key: RepresentationKey,
        segment: &Segment,
        init: Option<&mut Bytes>,
        data: &Bytes,
    ) -> Admission {
        let mut described = None;
        if let (Some(number), Some(bytes)) = (segment.init, init) {
            match self.open_init(key, number, bytes) {
                Admission::Ready(_) => described = Some((number, &*bytes)),
                other => return other,
            }
        }
        let parcel = self.parcels.entry(id).or_default();
        match &parcel.seal {
            Some(Ok(sealing)) => self.keyring.open(sealing, data),
            Some(Err(failure)) => Admission::Refused(failure.clone()),
            None => {
                let keyring = &mut self.keyring;
                let kids = parcel.kids.get_or_insert_with(|| keyring.segment(key, described, data));
                keyring.admit(kids)
            }
        }
    }

    fn open_init(&mut self, key: RepresentationKey, number: u32, bytes: &mut Bytes) -> Admission {
        let sealing = match self.inits.get(&(key, number)) {
            None => return Admission::Ready(None),
            Some(Err(failure)) => return Admission::Refused(failure.clone()),
            Some(Ok(sealing)) => sealing,
        };
        let cipher = match self.keyring.open(sealing, bytes) {
            Admission::Ready(Some(Cipher::Bytes { key, iv })) => (key, iv),
            other => return other,
        };
        let mut clear = bytes.to_vec();
        if let Err(error) = hls_aes::decrypt_cbc(&cipher.0, &cipher.1, &mut clear) {
            let (code, detail) = (Code::try_from(error.number()).ok(), error.to_string());
            return Admission::Refused(AppendFailure { malformed: false, code, detail });
        }
        *bytes = clear.into();
        self.inits.remove(&(key, number));
        self.keyring.init(key, number, bytes);
        Admission::Ready(None)
    }

    /// A segment is not wanted any more.
    pub(super) fn forget(&mut self, id: FetchId) {
        self.parcels.remove(&id);
    }

    /// The pipeline has used a segment: its key fits.
    pub(super) fn used(&mut self, id: FetchId) {
        if let Some(Parcel { seal: Some(Ok(sealing)), .. }) = self.parcels.remove(&id) {
            self.keyring.trust(&sealing);
        }
    }

    /// The pipeline could not use a segment; what the session is to be told. A key that has fitted before is
    /// not to blame: then the segment is damaged.
    pub(super) fn failed(&mut self, id: FetchId, failure: AppendFailure) -> AppendFailure {
        let parcel = self.parcels.remove(&id);
        if failure.code != Some(Code::Licence) {
            return failure;
        }
        match parcel {
            Some(Parcel { seal: Some(Ok(sealing)), .. }) if self.keyring.trusts(&sealing) => {
                AppendFailure { malformed: true, code: None, ..failure }
            }
            Some(Parcel { seal: Some(Ok(sealing)), .. }) => {
                self.keyring.distrust_sealed(&sealing, &failure.detail);
                failure
            }
            Some(Parcel { kids: Some(kids), .. }) => {
                self.keyring.distrust(&kids, &failure.detail);
                failure
            }
            _ => failure,
        }
    }
}
