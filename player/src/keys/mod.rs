//! Keys between network and pipeline: finds out which keys content needs, asks for them ahead and off the
//! way of the media, tells the session what can be decrypted, and holds segments back until their keys are
//! here.
//!
//! Key identifiers come from the manifest, from initialization segments and from the samples and `pssh`
//! boxes of media segments, each as soon as it is seen. Licences are requests of the session
//! ([`Resource::Licence`](abr::protocol::Resource::Licence)), which decides about attempts; their contents
//! go to the content decryption module and nowhere else. Keys that a playlist names (HLS `AES-128`,
//! identity keys) are kept here and travel with the segments that they open.

mod sealed;
mod source;
#[cfg(test)]
mod tests;

use crate::limits;
use crate::manifest::Addresses;
use crate::media::decrypt::{self, InitKeys};
use crate::media::demux::{Demuxer, sniff};
use abr::error::Code;
use abr::presentation::{Container, Presentation, RepresentationKey};
use abr::protocol::{AppendFailure, Failure, FailureKind, Input, KeyStatus, LicenceId};
use abr::retry::licence_code;
use bytes::Bytes;
use drm_stub::cdm::{self, Cdm, InitDataType, SessionId};
use drm_stub::clearkey::{ClearKey, keyids_init_data};
use drm_stub::error::CdmError;
use drm_stub::key::KeyId;
use drm_stub::pssh;
use sealed::Sealed;
use source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

pub use sealed::Sealing;

/// How often the module is asked whether keys have expired or licences are to be renewed.
const LOOK: Duration = Duration::from_millis(250);

/// Where keys come from.
#[derive(Clone)]
pub struct Config {
    /// Holds keys and decrypts; shared with the pipeline.
    pub cdm: Arc<dyn Cdm>,
    /// Licence server to ask instead of what manifests name.
    pub licence_url: Option<Url>,
    /// Whether the user gave keys: those go before keys that playlists name.
    pub given: bool,
}

impl Default for Config {
    /// No keys, and nobody to ask but whom manifests name.
    fn default() -> Self {
        Self { cdm: Arc::new(ClearKey::new()), licence_url: None, given: false }
    }
}

/// A request to make for a [`LicenceId`].
#[derive(Clone, Debug)]
pub struct Ask {
    /// Whom.
    pub url: Url,
    /// What to send, with its media type; nothing for a key that a playlist names.
    pub post: Option<(Bytes, &'static str)>,
    /// Most bytes of the answer.
    pub limit_bytes: u64,
}

/// Whether a segment can go to the pipeline.
#[derive(Clone, Debug)]
pub enum Admission {
    /// It can, with the key that its manifest names, if that is so.
    Ready(Option<crate::pipeline::Cipher>),
    /// A key is on its way.
    Wait,
    /// It can never be decrypted.
    Refused(AppendFailure),
}

/// A licence that was asked for.
struct Want {
    /// `None` for a key that a playlist names.
    session: Option<SessionId>,
    kids: BTreeSet<KeyId>,
    ask: Ask,
}

/// What is known of a representation's keys.
#[derive(Default)]
struct Rendition {
    source: Source,
    kids: BTreeSet<KeyId>,
    /// Lines of the picture, zero when not known.
    height: u32,
    /// Why a key that its playlist names is not to be had.
    locked: Option<(Code, String)>,
    told: Option<KeyStatus>,
}

/// See the module.
pub struct Keyring {
    config: Config,
    now: Duration,
    looked: Duration,
    renditions: BTreeMap<RepresentationKey, Rendition>,
    inits: BTreeMap<(RepresentationKey, u32), InitKeys>,
    next: u32,
    wants: BTreeMap<LicenceId, Want>,
    /// Key identifiers that are being asked for.
    asked: BTreeMap<KeyId, LicenceId>,
    /// Key identifiers that are not to be had, and why.
    refused: BTreeMap<KeyId, (Code, String)>,
    /// Whom to ask again when a licence is to be renewed.
    sessions: BTreeMap<SessionId, (Url, BTreeSet<KeyId>)>,
    sealed: Sealed,
    demuxer: Demuxer,
    facts: Vec<Input>,
}

impl Keyring {
    /// Knows nothing yet.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            now: Duration::ZERO,
            looked: Duration::ZERO,
            renditions: BTreeMap::new(),
            inits: BTreeMap::new(),
            next: 0,
            wants: BTreeMap::new(),
            asked: BTreeMap::new(),
            refused: BTreeMap::new(),
            sessions: BTreeMap::new(),
            sealed: Sealed::default(),
            demuxer: Demuxer::new(),
            facts: Vec::new(),
        }
    }

    /// Forgets what was found out, but not the keys: the title is opened again. Numbers of licences go on.
    pub fn reset(&mut self) {
        *self = Self { next: self.next, now: self.now, ..Self::new(self.config.clone()) };
    }

    /// What the session is to be told, in order.
    pub fn facts(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.facts)
    }

    /// A manifest was read, or a playlist in it: asks for every key that it names.
    pub fn manifest(&mut self, presentation: &Presentation, addresses: &Addresses) {
        for (key, representation) in presentation.representations() {
            self.describe(key, representation.height, addresses);
        }
        for (what, url) in addresses.session_keys() {
            self.expect_ahead(*what, url);
        }
        self.ask_for_renditions();
    }

    /// The playlist of a representation was read.
    pub fn index(&mut self, key: RepresentationKey, addresses: &Addresses) {
        let height = self.renditions.get(&key).map_or(0, |rendition| rendition.height);
        self.describe(key, height, addresses);
        self.ask_for_renditions();
    }

    fn describe(&mut self, key: RepresentationKey, height: u32, addresses: &Addresses) {
        let source = Source::of(addresses, key);
        if source == Source::default() && !self.renditions.contains_key(&key) {
            return;
        }
        let rendition = self.renditions.entry(key).or_default();
        rendition.height = height;
        rendition.kids.extend(&source.kids);
        rendition.source = source;
    }

    /// Asks for the keys of all representations, together where one licence server serves them.
    fn ask_for_renditions(&mut self) {
        let mut by_source: Vec<(Source, BTreeSet<KeyId>)> = Vec::new();
        for rendition in self.renditions.values() {
            let alike = |(source, _): &&mut (Source, BTreeSet<KeyId>)| {
                (&source.licence_url, &source.foreign)
                    == (&rendition.source.licence_url, &rendition.source.foreign)
            };
            match by_source.iter_mut().find(alike) {
                Some((_, kids)) => kids.extend(rendition.kids.union(&rendition.source.listed)),
                None => {
                    let kids = rendition.kids.union(&rendition.source.listed).copied().collect();
                    by_source.push((rendition.source.clone(), kids));
                }
            }
        }
        for (source, kids) in by_source {
            self.ask(&kids, &source, None);
        }
        self.refresh();
    }

    /// An initialization segment arrived, clear.
    pub fn init(&mut self, key: RepresentationKey, init: u32, body: &[u8]) {
        let keys = decrypt::init_keys(body);
        if keys.protected {
            let rendition = self.renditions.entry(key).or_default();
            rendition.kids.extend(&keys.kids);
            let source = rendition.source.clone();
            if !self.is_identity(key) {
                self.ask_boxes(&keys.pssh, &source);
                self.ask(&keys.kids, &source, None);
            }
        }
        self.inits.insert((key, init), keys);
        self.refresh();
    }

    /// A media segment arrived: asks for the keys that its `pssh` boxes and, where its initialization segment
    /// is known, its samples name.
    pub fn segment(
        &mut self,
        key: RepresentationKey,
        init: Option<(u32, &Bytes)>,
        data: &Bytes,
    ) -> BTreeSet<KeyId> {
        let number = init.map(|(number, _)| number);
        let known = number.and_then(|number| self.inits.get(&(key, number)));
        let whole_file = init.is_none() && sniff(data) == Some(Container::Mp4);
        let protected = known.map_or(whole_file, |keys| keys.protected);
        if !protected || self.is_identity(key) {
            return BTreeSet::new();
        }
        let source = self.renditions.get(&key).map(|rendition| rendition.source.clone()).unwrap_or_default();
        self.ask_boxes(&decrypt::segment_pssh(data), &source);
        let kids = decrypt::key_ids(&mut self.demuxer, init.map(|(_, bytes)| bytes), data);
        self.ask(&kids, &source, None);
        self.refresh();
        kids
    }

    /// Whether samples whose keys are `kids` can be decrypted.
    pub fn admit(&self, kids: &BTreeSet<KeyId>) -> Admission {
        let mut pending = false;
        for kid in kids {
            match self.status(*kid, 0) {
                KeyStatus::Usable => {}
                KeyStatus::Pending => pending = true,
                KeyStatus::Unusable { code, detail } => {
                    return Admission::Refused(AppendFailure { malformed: false, code: Some(code), detail });
                }
            }
        }
        if pending { Admission::Wait } else { Admission::Ready(None) }
    }

    /// The pipeline found that the key of `kids` does not fit.
    pub fn distrust(&mut self, kids: &BTreeSet<KeyId>, detail: &str) {
        for kid in kids {
            if detail.contains(&kid.to_string()) {
                self.refuse(*kid, Code::Licence, detail.to_owned());
            }
        }
        self.refresh();
    }

    /// The request for a licence.
    pub fn request(&self, id: LicenceId) -> Option<Ask> {
        self.wants.get(&id).map(|want| want.ask.clone())
    }

    /// An answer to [`request`](Self::request).
    ///
    /// # Errors
    /// A failure to tell the session when it cannot be used; the licence may be asked for again.
    pub fn answer(&mut self, id: LicenceId, body: &[u8]) -> Result<(), Failure> {
        let Some(want) = self.wants.get(&id) else { return Ok(()) };
        let host = want.ask.url.host_str().unwrap_or_default().to_owned();
        let unusable = |error: CdmError| Failure {
            kind: FailureKind::Malformed,
            retry_after: None,
            detail: format!("{host}: {error}"),
        };
        match want.session {
            Some(session) => self.config.cdm.update(session, body, self.now).map_err(unusable)?,
            None => self.sealed.answer(id, body).map_err(unusable)?,
        }
        let Some(want) = self.wants.remove(&id) else { return Ok(()) };
        for kid in &want.kids {
            self.asked.remove(kid);
            if self.config.cdm.status(*kid, self.now) == cdm::KeyStatus::Missing {
                self.refuse(
                    *kid,
                    Code::MissingKey,
                    format!("the licence from {host} holds no key for {kid}"),
                );
            } else {
                self.refused.remove(kid);
            }
        }
        self.refresh();
        Ok(())
    }

    /// A licence is not asked for any more.
    pub fn given_up(&mut self, id: LicenceId, failure: &Failure) {
        let Some(want) = self.wants.remove(&id) else { return };
        let code = licence_code(failure.kind);
        if want.session.is_none() {
            let detail = format!("no key: {}", failure.detail);
            for key in self.sealed.given_up(id, code, &detail) {
                self.renditions.entry(key).or_default().locked = Some((code, detail.clone()));
            }
        }
        for kid in &want.kids {
            self.asked.remove(kid);
            // A renewal that fails leaves the key for as long as it lives.
            if self.config.cdm.status(*kid, self.now) != cdm::KeyStatus::Usable {
                self.refuse(*kid, code, format!("no licence for {kid}: {}", failure.detail));
            }
        }
        self.refresh();
    }

    /// Time has passed: keys may have expired, licences may be due for renewal.
    pub fn tick(&mut self, now: Duration) {
        self.now = now;
        if now < self.looked + LOOK {
            return;
        }
        self.looked = now;
        while let Some(message) = self.config.cdm.poll(now) {
            let Some((url, kids)) = self.sessions.get(&message.session).cloned() else { continue };
            self.want(message, url, kids);
        }
        self.refresh();
    }

    /// Asks for the keys that `pssh` boxes name for key systems of ours.
    fn ask_boxes(&mut self, boxes: &[u8], source: &Source) {
        let Ok(headers) = pssh::parse(boxes) else { return };
        let ours = headers.iter().filter(|header| header.system().is_clear_key());
        let kids: BTreeSet<KeyId> = ours.flat_map(|header| header.key_ids.iter().copied()).collect();
        self.ask(&kids, source, Some(boxes));
    }

    /// Asks for those of `kids` that are neither known nor asked for nor refused.
    fn ask(&mut self, kids: &BTreeSet<KeyId>, source: &Source, boxes: Option<&[u8]>) {
        let unknown: BTreeSet<KeyId> = kids
            .iter()
            .copied()
            .filter(|kid| self.config.cdm.status(*kid, self.now) == cdm::KeyStatus::Missing)
            .filter(|kid| !self.asked.contains_key(kid) && !self.refused.contains_key(kid))
            .collect();
        if unknown.is_empty() {
            return;
        }
        let Some(url) = self.config.licence_url.clone().or_else(|| source.licence_url.clone()) else {
            for kid in unknown {
                let (code, detail) = source.refusal(kid);
                self.refuse(kid, code, detail);
            }
            return;
        };
        let list: Vec<KeyId> = unknown.iter().copied().take(limits::KEYS).collect();
        let opened = match boxes {
            Some(boxes) => self.config.cdm.open(InitDataType::Cenc, boxes),
            None => self.config.cdm.open(InitDataType::KeyIds, &keyids_init_data(&list)),
        };
        match opened {
            Ok((session, Some(message))) => {
                self.sessions.insert(session, (url.clone(), unknown.clone()));
                self.want(message, url, unknown);
            }
            Ok((_, None)) => {}
            Err(error) => {
                let code = Code::try_from(error.number()).unwrap_or(Code::MissingKey);
                for kid in unknown {
                    self.refuse(kid, code, format!("{error} (key {kid})"));
                }
            }
        }
    }

    fn want(&mut self, message: cdm::Message, url: Url, kids: BTreeSet<KeyId>) {
        let id = LicenceId(self.next);
        self.next += 1;
        self.asked.extend(kids.iter().map(|kid| (*kid, id)));
        let post = Some((message.body.into(), message.content_type));
        let ask = Ask { url, post, limit_bytes: limits::LICENCE_BYTES };
        self.wants.insert(id, Want { session: Some(message.session), kids, ask });
        self.facts.push(Input::LicenceWanted(id));
    }

    fn refuse(&mut self, kid: KeyId, code: Code, detail: String) {
        if self.refused.len() < limits::KEYS {
            self.refused.insert(kid, (code, detail));
        }
    }

    /// What is known of one key, for a picture of `height` lines.
    fn status(&self, kid: KeyId, height: u32) -> KeyStatus {
        let unusable = |code, detail| KeyStatus::Unusable { code, detail };
        if let Some((code, detail)) = self.refused.get(&kid) {
            return unusable(*code, detail.clone());
        }
        match self.config.cdm.status(kid, self.now) {
            cdm::KeyStatus::Usable => {
                let limit = self.config.cdm.restriction(kid).unprotected_height;
                match limit.filter(|limit| height > *limit) {
                    Some(limit) => unusable(
                        Code::OutputRestricted,
                        format!("the licence for {kid} allows {limit} lines on this output"),
                    ),
                    None => KeyStatus::Usable,
                }
            }
            cdm::KeyStatus::Expired if !self.asked.contains_key(&kid) => {
                unusable(Code::Licence, format!("the licence for {kid} has expired"))
            }
            cdm::KeyStatus::OutputRestricted => {
                unusable(Code::OutputRestricted, format!("the licence for {kid} does not allow this output"))
            }
            cdm::KeyStatus::Missing if !self.asked.contains_key(&kid) => {
                unusable(Code::MissingKey, format!("no key for {kid}"))
            }
            _ => KeyStatus::Pending,
        }
    }

    /// Tells what has changed since it was told last.
    fn refresh(&mut self) {
        let mut changes = Vec::new();
        for (key, rendition) in &self.renditions {
            let mut status = match &rendition.locked {
                Some((code, detail)) => KeyStatus::Unusable { code: *code, detail: detail.clone() },
                None if self.is_identity(*key) => self.sealed.status(*key),
                None => KeyStatus::Usable,
            };
            if status == KeyStatus::Usable && !self.is_identity(*key) {
                for kid in &rendition.kids {
                    match self.status(*kid, rendition.height) {
                        KeyStatus::Usable => {}
                        KeyStatus::Pending if status == KeyStatus::Usable => status = KeyStatus::Pending,
                        KeyStatus::Pending => {}
                        worse @ KeyStatus::Unusable { .. } => {
                            status = worse;
                            break;
                        }
                    }
                }
            }
            if rendition.told.as_ref() != Some(&status) {
                changes.push((*key, status));
            }
        }
        for (representation, status) in changes {
            if let Some(rendition) = self.renditions.get_mut(&representation) {
                rendition.told = Some(status.clone());
            }
            self.facts.push(Input::KeyStatus { representation, status });
        }
    }
}
