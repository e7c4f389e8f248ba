//! Keys from the manifest to the admission of a segment, with licences that expire and are renewed.

use super::*;
use abr::error::Code;
use drm_stub::cdm::{Message, MessageKind, OutputRestriction};
use drm_stub::cenc::SampleCipher;
use drm_stub::clearkey::ClearKey;
use std::sync::Mutex;

const MPD: &str = r#"<MPD xmlns:cenc="urn:mpeg:cenc:2013" mediaPresentationDuration="PT20S"><Period>
    <AdaptationSet contentType="video" mimeType="video/mp4">
    <ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc" cenc:default_KID="00000000-0000-0000-0000-000000000001"/>
    PROTECTION
    <SegmentTemplate timescale="1" duration="4" media="$RepresentationID$/$Number$.m4s" initialization="i.mp4"/>
    <Representation id="v" bandwidth="100000" width="640" height="360" codecs="avc1.4d401e"/>
    <Representation id="w" bandwidth="200000" width="1280" height="720" codecs="avc1.4d401e">
    <ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc" cenc:default_KID="00000000-0000-0000-0000-000000000002"/>
    </Representation></AdaptationSet></Period></MPD>"#;
const LAURL: &str = r#"<ContentProtection schemeIdUri="urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e">
    <dashif:Laurl xmlns:dashif="https://dashif.org/CPS">https://keys.example/l?s=1</dashif:Laurl></ContentProtection>"#;
const WIDEVINE: &str = r#"<ContentProtection schemeIdUri="urn:uuid:EDEF8BA9-79D6-4ACE-A3C8-27DCD51D21ED">
    <dashif:Laurl xmlns:dashif="https://dashif.org/CPS">https://wv.example/l</dashif:Laurl></ContentProtection>"#;
const FIRST: RepresentationKey = RepresentationKey { period: 0, adaptation_set: 0, representation: 0 };
const SECOND: RepresentationKey = RepresentationKey { representation: 1, ..FIRST };

fn kid(number: u8) -> KeyId {
    let mut id = [0; 16];
    id[15] = number;
    KeyId(id)
}

fn keyring(cdm: impl Cdm + 'static, protection: &str) -> Keyring {
    let mut keyring = Keyring::new(Config { cdm: Arc::new(cdm), licence_url: None, given: false });
    let url = Url::parse("https://media.example/t.mpd").unwrap();
    let title = crate::manifest::read(&url, MPD.replace("PROTECTION", protection).as_bytes()).unwrap();
    keyring.manifest(&title.presentation, &title.addresses);
    keyring
}

fn wanted(facts: &[Input]) -> Vec<LicenceId> {
    let wanted = facts.iter().filter_map(|fact| match fact {
        Input::LicenceWanted(id) => Some(*id),
        _ => None,
    });
    wanted.collect()
}

/// The last status told of each representation, as a code: 0 pending, 1 usable, otherwise what users see.
fn told(facts: &[Input]) -> BTreeMap<RepresentationKey, u16> {
    let statuses = facts.iter().filter_map(|fact| match fact {
        Input::KeyStatus { representation, status } => Some((
            *representation,
            match status {
                KeyStatus::Pending => 0,
                KeyStatus::Usable => 1,
                KeyStatus::Unusable { code, .. } => code.number(),
            },
        )),
        _ => None,
    });
    statuses.collect()
}

const ANSWER: &[u8] =
    br#"{"keys":[{"kty":"oct","kid":"AAAAAAAAAAAAAAAAAAAAAQ","k":"vn34o2Z6ao_VZNDtgTOalQ"}]}"#;

#[test]
fn one_question_for_all_keys_and_each_answered_for_itself() {
    let mut keyring = keyring(ClearKey::new(), LAURL);
    let facts = keyring.facts();
    assert_eq!(wanted(&facts), [LicenceId(0)]);
    assert_eq!(told(&facts), BTreeMap::from([(FIRST, 0), (SECOND, 0)]));
    let ask = keyring.request(LicenceId(0)).unwrap();
    assert_eq!(ask.url.as_str(), "https://keys.example/l?s=1");
    let (body, kind) = ask.post.unwrap();
    assert_eq!(kind, "application/json");
    assert_eq!(
        &body[..],
        br#"{"kids":["AAAAAAAAAAAAAAAAAAAAAQ","AAAAAAAAAAAAAAAAAAAAAg"],"type":"temporary"}"#
    );
    let both = BTreeSet::from([kid(1), kid(2)]);
    assert!(matches!(keyring.admit(&both), Admission::Wait));
    keyring.answer(LicenceId(0), ANSWER).unwrap();
    assert_eq!(told(&keyring.facts()), BTreeMap::from([(FIRST, 1), (SECOND, 6004)]));
    assert!(matches!(keyring.admit(&BTreeSet::from([kid(1)])), Admission::Ready(None)));
    let Admission::Refused(failure) = keyring.admit(&both) else { panic!("a key is missing") };
    assert_eq!(failure.code, Some(Code::MissingKey));
    assert!(failure.detail.contains("00000000-0000-0000-0000-000000000002"), "{}", failure.detail);
}

#[test]
fn nonsense_is_a_failure_and_giving_up_names_the_key() {
    let mut keyring = keyring(ClearKey::new(), LAURL);
    keyring.facts();
    let failure = keyring.answer(LicenceId(0), b"<html>").unwrap_err();
    assert_eq!(failure.kind, FailureKind::Malformed);
    assert!(keyring.facts().is_empty(), "it may be asked for again");
    keyring.given_up(LicenceId(0), &failure);
    assert_eq!(told(&keyring.facts()), BTreeMap::from([(FIRST, 6003), (SECOND, 6003)]));
}

#[test]
fn other_systems_and_their_servers_are_not_asked() {
    let mut keyring = keyring(ClearKey::new(), WIDEVINE);
    let facts = keyring.facts();
    assert_eq!((wanted(&facts), told(&facts)), (vec![], BTreeMap::from([(FIRST, 6001), (SECOND, 6001)])));
    let says = |fact: &Input| matches!(fact, Input::KeyStatus { status: KeyStatus::Unusable { detail, .. }, .. } if detail.contains("Widevine"));
    assert!(facts.iter().any(says), "{facts:?}");
}

#[test]
fn given_keys_are_asked_for_nowhere() {
    let cdm = ClearKey::new();
    cdm.give(kid(1), drm_stub::key::ContentKey::new([1; 16]));
    cdm.give(kid(2), drm_stub::key::ContentKey::new([2; 16]));
    let facts = keyring(cdm, LAURL).facts();
    assert_eq!((wanted(&facts), told(&facts)), (vec![], BTreeMap::from([(FIRST, 1), (SECOND, 1)])));
}

/// A vendor's module: its keys live ten seconds, are renewed two seconds before, and may be shown without
/// protection up to 540 lines.
#[derive(Default)]
struct Vendor {
    /// When the keys expire, once a licence came, and whether their renewal was asked for.
    until: Mutex<Option<(Duration, bool)>>,
}

impl Cdm for Vendor {
    fn name(&self) -> &str {
        "Vendor"
    }

    fn open(&self, _: InitDataType, _: &[u8]) -> Result<(SessionId, Option<Message>), CdmError> {
        Ok((SessionId(5), Some(message(MessageKind::Request))))
    }

    fn update(&self, _: SessionId, _: &[u8], now: Duration) -> Result<(), CdmError> {
        *self.until.lock().unwrap() = Some((now + Duration::from_secs(10), false));
        Ok(())
    }

    fn close(&self, _: SessionId) {}

    fn poll(&self, now: Duration) -> Option<Message> {
        let mut until = self.until.lock().unwrap();
        match &mut *until {
            Some((end, asked)) if !*asked && now + Duration::from_secs(2) >= *end => {
                *asked = true;
                Some(message(MessageKind::Renewal))
            }
            _ => None,
        }
    }

    fn status(&self, _: KeyId, now: Duration) -> cdm::KeyStatus {
        match *self.until.lock().unwrap() {
            None => cdm::KeyStatus::Missing,
            Some((end, _)) if now >= end => cdm::KeyStatus::Expired,
            Some(_) => cdm::KeyStatus::Usable,
        }
    }

    fn restriction(&self, _: KeyId) -> OutputRestriction {
        OutputRestriction { hdcp: Some(14), unprotected_height: Some(540) }
    }

    fn decrypt(&self, _: KeyId, _: &SampleCipher<'_>, _: &mut [u8]) -> Result<(), CdmError> {
        Ok(())
    }
}

fn message(kind: MessageKind) -> Message {
    Message { session: SessionId(5), kind, body: vec![1], content_type: "application/octet-stream" }
}

#[test]
fn licences_are_renewed_and_what_expires_is_not_usable() {
    let mut keyring = keyring(Vendor::default(), LAURL);
    assert_eq!(wanted(&keyring.facts()), [LicenceId(0)]);
    keyring.answer(LicenceId(0), b"licence").unwrap();
    assert_eq!(
        told(&keyring.facts()),
        BTreeMap::from([(FIRST, 1), (SECOND, 6005)]),
        "720 lines are too many"
    );
    keyring.tick(Duration::from_secs(5));
    assert!(keyring.facts().is_empty());
    keyring.tick(Duration::from_secs(8));
    assert_eq!(wanted(&keyring.facts()), [LicenceId(1)], "a renewal is due");
    assert_eq!(keyring.request(LicenceId(1)).unwrap().url.as_str(), "https://keys.example/l?s=1");
    keyring.answer(LicenceId(1), b"licence").unwrap();
    keyring.tick(Duration::from_secs(15));
    assert!(keyring.facts().is_empty(), "renewed before it ran out");
    keyring.tick(Duration::from_secs(17));
    let failure = Failure { kind: FailureKind::Status(500), retry_after: None, detail: "no".into() };
    assert_eq!(wanted(&keyring.facts()), [LicenceId(2)]);
    keyring.given_up(LicenceId(2), &failure);
    assert!(keyring.facts().is_empty(), "a key lives as long as it lives");
    keyring.tick(Duration::from_secs(19));
    assert_eq!(told(&keyring.facts()).get(&FIRST), Some(&6003));
}

/// Keys of the session are asked for with the multivariant playlist, before any media playlist is here.
#[test]
fn session_keys_are_asked_for_ahead() {
    let playlist = "#EXTM3U\n\
        #EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"a.key\"\n\
        #EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n\
        #EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"b.key\",KEYFORMAT=\"identity\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=100000\nv.m3u8\n";
    let url = Url::parse("https://media.example/t/t.m3u8").unwrap();
    let title = crate::manifest::read(&url, playlist.as_bytes()).unwrap();
    for (given, expected) in [(false, &["a.key", "b.key"][..]), (true, &["a.key"])] {
        let mut keyring = Keyring::new(Config { cdm: Arc::new(ClearKey::new()), licence_url: None, given });
        keyring.manifest(&title.presentation, &title.addresses);
        // The playlist is read again.
        keyring.manifest(&title.presentation, &title.addresses);
        let asked: Vec<Url> =
            wanted(&keyring.facts()).iter().filter_map(|id| Some(keyring.request(*id)?.url)).collect();
        let expected: Vec<Url> = expected.iter().map(|name| url.join(name).unwrap()).collect();
        assert_eq!(asked, expected);
    }
}
