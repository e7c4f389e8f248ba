//! W3C ClearKey (Encrypted Media Extensions, 9.1): keys in the clear, in a JSON licence.

use crate::cdm::{Cdm, InitDataType, KeyStatus, Message, MessageKind, OutputRestriction, SessionId};
use crate::cenc::{self, SampleCipher};
use crate::error::CdmError;
use crate::key::{ContentKey, KeyId};
use crate::pssh::{self, KeySystem};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use zeroize::Zeroize;

/// Largest licence.
pub const LICENCE_BYTES: usize = 1 << 20;
/// Most keys of one licence or request.
const KEYS: usize = 1_000;

/// The built-in content decryption module.
#[derive(Debug, Default)]
pub struct ClearKey {
    /// Locked for no longer than a look at a map takes.
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Keys that a person gave; they outlive every session.
    given: BTreeMap<KeyId, ContentKey>,
    sessions: BTreeMap<SessionId, Session>,
    next: u64,
}

#[derive(Debug)]
struct Session {
    asked: Vec<KeyId>,
    answered: bool,
    keys: BTreeMap<KeyId, ContentKey>,
}

/// A licence request (9.1.3) or `keyids` initialization data.
#[derive(Serialize, Deserialize)]
struct Kids {
    kids: Vec<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    session_type: Option<String>,
}

/// A licence (9.1.4): a set of JSON Web Keys.
#[derive(Deserialize)]
struct Licence {
    keys: Vec<WebKey>,
}

#[derive(Deserialize)]
struct WebKey {
    kty: Option<String>,
    kid: Option<String>,
    k: Option<String>,
}

impl Drop for WebKey {
    fn drop(&mut self) {
        self.k.zeroize();
    }
}

impl ClearKey {
    /// A module without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key from elsewhere than a licence.
    pub fn give(&self, kid: KeyId, key: ContentKey) {
        self.write().given.insert(kid, key);
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // Every change of the maps is one call, so that a panic elsewhere leaves them whole.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn key(&self, kid: KeyId) -> Option<&ContentKey> {
        self.given.get(&kid).or_else(|| self.sessions.values().find_map(|session| session.keys.get(&kid)))
    }
}

/// Initialization data for key identifiers that are known from elsewhere (`cenc:default_KID`, `tenc`).
pub fn keyids_init_data(kids: &[KeyId]) -> Vec<u8> {
    document(kids, None)
}

/// The body of a licence request.
pub fn request(kids: &[KeyId]) -> Vec<u8> {
    document(kids, Some("temporary".into()))
}

fn document(kids: &[KeyId], session_type: Option<String>) -> Vec<u8> {
    let kids = kids.iter().map(|kid| kid.to_base64url()).collect();
    // Two fields of plain text always become JSON.
    serde_json::to_vec(&Kids { kids, session_type }).unwrap_or_default()
}

/// The keys of a licence.
///
/// # Errors
/// [`CdmError::Licence`]; its text says what is wrong and repeats nothing of the licence.
pub fn parse_licence(answer: &[u8]) -> Result<BTreeMap<KeyId, ContentKey>, CdmError> {
    if answer.len() > LICENCE_BYTES {
        return Err(CdmError::Licence("it is longer than a mebibyte"));
    }
    let licence: Licence =
        serde_json::from_slice(answer).map_err(|_| CdmError::Licence("it is no JSON Web Key set"))?;
    if licence.keys.len() > KEYS {
        return Err(CdmError::Licence("it holds too many keys"));
    }
    let mut keys = BTreeMap::new();
    for key in &licence.keys {
        // Keys for other algorithms are allowed in a set and of no use here.
        if key.kty.as_deref() != Some("oct") {
            continue;
        }
        let kid = key.kid.as_deref().and_then(KeyId::from_base64url);
        let kid = kid.ok_or(CdmError::Licence("a key identifier is not 16 bytes in base64url"))?;
        let value = key.k.as_deref().and_then(ContentKey::from_base64url);
        keys.insert(kid, value.ok_or(CdmError::Licence("a key is not 16 bytes in base64url"))?);
    }
    if keys.is_empty() {
        return Err(CdmError::Licence("it holds no key"));
    }
    Ok(keys)
}

/// The key identifiers that initialization data names.
///
/// # Errors
/// [`CdmError::InitData`] for what cannot be read; [`CdmError::KeySystem`] with the names of the key
/// systems when it speaks to others only.
pub fn key_ids(init_data_type: InitDataType, init_data: &[u8]) -> Result<Vec<KeyId>, CdmError> {
    let kids = match init_data_type {
        InitDataType::Webm => {
            let kid =
                init_data.try_into().map_err(|_| CdmError::InitData("a key identifier is not 16 bytes"))?;
            vec![KeyId(kid)]
        }
        InitDataType::KeyIds => {
            let Kids { kids, .. } = serde_json::from_slice(init_data)
                .map_err(|_| CdmError::InitData("it is no list of key identifiers"))?;
            let kids: Option<Vec<KeyId>> = kids.iter().map(|kid| KeyId::from_base64url(kid)).collect();
            kids.ok_or(CdmError::InitData("a key identifier is not 16 bytes in base64url"))?
        }
        InitDataType::Cenc => {
            let headers = pssh::parse(init_data)?;
            let ours = |header: &&pssh::Pssh| {
                matches!(header.system(), KeySystem::ClearKey | KeySystem::DashClearKey)
            };
            let kids: Vec<KeyId> =
                headers.iter().filter(ours).flat_map(|header| header.key_ids.clone()).collect();
            if kids.is_empty() && !headers.is_empty() && !headers.iter().any(|header| ours(&header)) {
                let mut names: Vec<String> =
                    headers.iter().map(|header| header.system().to_string()).collect();
                names.dedup();
                return Err(CdmError::KeySystem(names.join(" and ")));
            }
            kids
        }
    };
    match kids.len() {
        0 => Err(CdmError::InitData("it names no key")),
        1..=KEYS => Ok(kids),
        _ => Err(CdmError::InitData("it names too many keys")),
    }
}

impl Cdm for ClearKey {
    fn name(&self) -> &str {
        "ClearKey"
    }

    fn open(
        &self,
        init_data_type: InitDataType,
        init_data: &[u8],
    ) -> Result<(SessionId, Option<Message>), CdmError> {
        let asked = key_ids(init_data_type, init_data)?;
        let mut state = self.write();
        let unknown: Vec<KeyId> = asked.iter().copied().filter(|kid| state.key(*kid).is_none()).collect();
        let session = SessionId(state.next);
        state.next += 1;
        let answered = unknown.is_empty();
        let message = (!answered).then(|| Message {
            session,
            kind: MessageKind::Request,
            body: request(&unknown),
            content_type: "application/json",
        });
        state.sessions.insert(session, Session { asked, answered, keys: BTreeMap::new() });
        Ok((session, message))
    }

    fn update(&self, session: SessionId, answer: &[u8], _now: Duration) -> Result<(), CdmError> {
        let keys = parse_licence(answer)?;
        let mut state = self.write();
        let session = state.sessions.get_mut(&session).ok_or(CdmError::Session)?;
        session.answered = true;
        session.keys.extend(keys);
        Ok(())
    }

    fn close(&self, session: SessionId) {
        self.write().sessions.remove(&session);
    }

    fn poll(&self, _now: Duration) -> Option<Message> {
        // ClearKey licences do not expire.
        None
    }

    fn status(&self, kid: KeyId, _now: Duration) -> KeyStatus {
        let asked = |session: &Session| !session.answered && session.asked.contains(&kid);
        let state = self.read();
        match state.key(kid) {
            Some(_) => KeyStatus::Usable,
            None if state.sessions.values().any(asked) => KeyStatus::Pending,
            None => KeyStatus::Missing,
        }
    }

    fn restriction(&self, _kid: KeyId) -> OutputRestriction {
        OutputRestriction::default()
    }

    fn decrypt(&self, kid: KeyId, cipher: &SampleCipher<'_>, sample: &mut [u8]) -> Result<(), CdmError> {
        // The copy wipes itself; the lock is not held while the cipher works.
        let key = self.read().key(kid).cloned().ok_or(CdmError::MissingKey(kid))?;
        cenc::decrypt(&key, cipher, sample)
    }
}

/// Reads `KID:KEY` in hexadecimal, as a person gives it on the command line.
///
/// # Errors
/// [`CdmError::Licence`]; the text is never repeated, as it holds a key.
pub fn parse_pair(text: &str) -> Result<(KeyId, ContentKey), CdmError> {
    let (kid, key) = text.split_once(':').ok_or(CdmError::Licence("a key is given as KID:KEY"))?;
    let kid = KeyId::from_hex(kid).ok_or(CdmError::Licence("a KID has 32 hexadecimal digits"))?;
    let key = ContentKey::from_hex(key).ok_or(CdmError::Licence("a key has 32 hexadecimal digits"))?;
    Ok((kid, key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cenc::Scheme;
    use proptest::prelude::*;

    const KID: KeyId = KeyId([0xad; 16]);
    const ANSWER: &[u8] = br#"{"keys":[{"kty":"oct","kid":"ra2tra2tra2tra2tra2trQ","k":"vn34o2Z6ao_VZNDtgTOalQ"}],"type":"temporary"}"#;

    #[test]
    fn pairs_are_read_and_never_repeated() {
        let text = "ad13f9ea2be698b875f504a8e3ccea64:be7df8a3667a6a8fd564d0ed81339a95";
        let (kid, key) = parse_pair(text).unwrap();
        assert_eq!(kid.to_string(), "ad13f9ea-2be6-98b8-75f5-04a8e3ccea64");
        assert_eq!(key, ContentKey::from_hex("be7df8a3667a6a8fd564d0ed81339a95").unwrap());
        let error = parse_pair("ad13f9ea2be698b875f504a8e3ccea64:be7d").unwrap_err();
        assert!(!error.to_string().contains("be7d"));
    }

    #[test]
    fn a_session_goes_from_request_to_key() {
        let cdm = ClearKey::new();
        let (session, message) = cdm.open(InitDataType::KeyIds, &keyids_init_data(&[KID])).unwrap();
        let message = message.unwrap();
        assert_eq!(message.body, br#"{"kids":["ra2tra2tra2tra2tra2trQ"],"type":"temporary"}"#);
        assert_eq!(cdm.status(KID, Duration::ZERO), KeyStatus::Pending);
        cdm.update(session, ANSWER, Duration::ZERO).unwrap();
        assert_eq!(cdm.status(KID, Duration::ZERO), KeyStatus::Usable);
        let cipher = SampleCipher { scheme: Scheme::Cenc, iv: &[0; 8], subsamples: &[], pattern: (0, 0) };
        assert_eq!(cdm.decrypt(KID, &cipher, &mut [0; 5]), Ok(()));
        let (_, again) = cdm.open(InitDataType::Webm, &KID.0).unwrap();
        assert_eq!(again, None, "the key is known");
        cdm.close(session);
        assert_eq!(cdm.decrypt(KID, &cipher, &mut [0; 5]), Err(CdmError::MissingKey(KID)));
    }

    #[test]
    fn given_keys_need_no_licence() {
        let cdm = ClearKey::new();
        cdm.give(KID, ContentKey::new([1; 16]));
        assert_eq!(cdm.open(InitDataType::Webm, &KID.0).unwrap().1, None);
        assert_eq!(cdm.status(KID, Duration::ZERO), KeyStatus::Usable);
        assert!(!format!("{cdm:?}").contains("[1, 1"));
    }

    #[test]
    fn other_key_systems_are_named() {
        let widevine =
            b"\0\0\0\x20pssh\0\0\0\0\xed\xef\x8b\xa9\x79\xd6\x4a\xce\xa3\xc8\x27\xdc\xd5\x1d\x21\xed\0\0\0\0";
        let error = key_ids(InitDataType::Cenc, widevine).unwrap_err();
        assert_eq!(
            (error.number(), error.to_string()),
            (6001, "protected with Widevine, which is not supported here".into())
        );
    }

    #[test]
    fn nonsense_is_no_licence() {
        for answer in [
            &b""[..],
            b"<html>",
            b"{}",
            br#"{"keys":[]}"#,
            br#"{"keys":[{"kty":"oct","kid":"AA","k":"AA"}]}"#,
            br#"{"keys":[{"kty":"oct","kid":"ra2tra2tra2tra2tra2trQ","k":"c2VjcmV0"}]}"#,
        ] {
            let error = parse_licence(answer).unwrap_err();
            assert_eq!(error.number(), 6003);
            assert!(!error.to_string().contains("c2VjcmV0"));
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100), place in 0usize..90, value: u8) {
            let _ = parse_licence(&bytes);
            let _ = key_ids(InitDataType::KeyIds, &bytes);
            let _ = key_ids(InitDataType::Cenc, &bytes);
            let mut damaged = ANSWER.to_vec();
            damaged[place] = value;
            let _ = parse_licence(&damaged);
        }
    }
}
