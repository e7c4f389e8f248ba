//! Protected titles as a person meets them: keys by option and from a licence server, and every way in which
//! keys fail.

use crate::check::{every_frame_accounted_for, every_frame_once};
use std::time::Duration;
use tests::content::{Film, Packaging, Title};
use tests::fault::{Effect, Fault};
use tests::licence::{LicenceServer, Manner, base64url};
use tests::origin::{Origin, Site};
use tests::protected::{Key, LICENCE, Protected, Protection, bytes, changing_hls, sealed_dash, sealed_hls};
use tests::sluice::{Outcome, Sluice};

/// Six segments of two seconds in two renditions.
const SEGMENTS: u32 = 6;

fn film() -> Film {
    Film::small(SEGMENTS)
}

/// A protected title whose MPD names this licence server.
fn site(title: &Title, licences: Option<&LicenceServer>) -> Site {
    let text = std::fs::read_to_string(title.folder.join(title.entry)).expect("the title is packaged");
    let url = licences.map_or_else(String::new, LicenceServer::url);
    title.site().file(title.entry, text.replace(LICENCE, &url))
}

fn pairs(keys: &[Key]) -> Vec<String> {
    keys.iter().flat_map(|key| ["--clearkey".to_owned(), key.pair()]).collect()
}

/// No key stands in anything that the program said or wrote, in any spelling.
fn keeps_secrets(outcome: &Outcome, journal: &str, keys: &[Key]) {
    let events: String = outcome.events.iter().map(ToString::to_string).collect();
    for key in keys {
        let raw: Vec<String> = bytes(&key.key).iter().map(ToString::to_string).collect();
        for secret in
            [key.key.clone(), key.key.to_uppercase(), base64url(&key.key), raw.join(","), raw.join(", ")]
        {
            for text in [&events, &outcome.stderr, &outcome.stdout, &outcome.summary.to_string(), journal] {
                assert!(!text.contains(&secret), "a key was told: {outcome}");
            }
        }
    }
}

fn plays_with_keys_by_option(title: &Title, keys: &[Key]) {
    let origin = Origin::start(site(title, None));
    let arguments = pairs(keys);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = Sluice::unpaced(&origin.url(title.entry)).args(&arguments).run().expect_success();
    every_frame_once(&outcome, title);
    assert_eq!(outcome.error_codes(), Vec::<u64>::new(), "{outcome}");
    keeps_secrets(&outcome, "", keys);
}

/// Plays with a licence server that the MPD names, or that is named beside a playlist.
fn plays_with_licences(title: &Title, keys: &[Key], named: bool) -> (Outcome, LicenceServer) {
    let licences = LicenceServer::start(keys.to_vec(), Manner::Well);
    let origin = Origin::start(site(title, Some(&licences)));
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let journal = folder.path().join("journal.jsonl").display().to_string();
    let mut sluice = Sluice::unpaced(&origin.url(title.entry)).args(&["--journal", &journal]);
    if named {
        sluice = sluice.args(&["--licence-url", &licences.url()]);
    }
    let outcome = sluice.run().expect_success();
    every_frame_once(&outcome, title);
    assert_eq!(outcome.error_codes(), Vec::<u64>::new(), "{outcome}");
    let journal = std::fs::read_to_string(&journal).expect("a journal");
    keeps_secrets(&outcome, &journal, keys);
    let replayed = abr::journal::Journal::parse(&journal).expect("a whole journal").verify();
    assert!(replayed.is_ok(), "{replayed:?}");
    (outcome, licences)
}

fn each_way(protection: &Protection) {
    let film = film();
    let Some(Protected { dash, hls, .. }) = protection.package(&film) else { return };
    let keys = protection.keys(&film, 1);
    plays_with_keys_by_option(&dash, &keys);
    plays_with_keys_by_option(&hls, &keys);
    let (_, licences) = plays_with_licences(&dash, &keys, false);
    let asked = licences.asked();
    assert_eq!(asked.len(), 1, "one question for all keys of the manifest: {asked:?}");
    assert_eq!(asked[0].kids.len(), keys.len());
    assert!(asked[0].head.starts_with("POST /licence?session=private "), "{}", asked[0].head);
    plays_with_licences(&hls, &keys, true);
}

#[test]
fn cenc_plays_each_way() {
    each_way(&Protection::of("cenc"));
}

#[test]
fn cbcs_plays_each_way() {
    each_way(&Protection::of("cbcs"));
}

#[test]
fn sample_aes_with_an_identity_key() {
    let protection = Protection { one_key: true, systems: "", laurl: false, ..Protection::of("cbcs") };
    let Some(Protected { hls, .. }) = protection.package(&film()) else { return };
    let playlist = std::fs::read_to_string(hls.folder.join("v180.m3u8")).expect("a playlist");
    assert!(playlist.contains("METHOD=SAMPLE-AES,URI=\"identity.key\""), "{playlist}");
    let origin = Origin::start(hls.site());
    let outcome = Sluice::unpaced(&origin.url(hls.entry)).run().expect_success();
    every_frame_once(&outcome, &hls);
    assert_eq!(origin.count("identity.key"), 1, "a key is fetched once");
}

/// The keys change every ten seconds, by `pssh` boxes and sample groups in the media.
#[test]
fn keys_rotate_without_a_stall() {
    let film = Film::small(20);
    let protection = Protection { rotation: Some(10), ..Protection::of("cenc") };
    let Some(Protected { dash, hls, .. }) = protection.package(&film) else { return };
    let keys = protection.keys(&film, 16);
    for (title, named) in [(&dash, false), (&hls, true)] {
        let licences = LicenceServer::start(keys.clone(), Manner::Slowly(Duration::from_millis(800)));
        let origin = Origin::start(site(title, Some(&licences)));
        let mut sluice = Sluice::paced(&origin.url(title.entry));
        if named {
            sluice = sluice.args(&["--licence-url", &licences.url()]);
        }
        let outcome = sluice.run().expect_success();
        every_frame_accounted_for(&outcome, title);
        assert_eq!((outcome.sum("stalls"), outcome.sum("gap_ms")), (0, 0), "{outcome}");
        assert!(licences.asked().len() >= 4, "{:?}", licences.asked());
        keeps_secrets(&outcome, "", &keys);
    }
}

/// The keys change with a new initialization segment in the middle.
#[test]
fn keys_change_at_a_new_initialization_segment() {
    let film = film();
    let first = Protection::of("cenc");
    let second = Protection { keys_from: 120, ..first.clone() };
    let Some(title) = changing_hls(&film, &first, &second) else { return };
    let keys = [first.keys(&film, 1), second.keys(&film, 1)].concat();
    plays_with_keys_by_option(&title, &keys);
    let (_, licences) = plays_with_licences(&title, &keys, true);
    assert!(licences.asked().len() >= 2, "the second keys are found later: {:?}", licences.asked());
}

#[test]
fn hls_segments_are_unsealed() {
    for packaging in [Packaging::HlsTs, Packaging::HlsFmp4] {
        for explicit in [false, true] {
            let title = sealed_hls(&film(), packaging, 2, explicit);
            let origin = Origin::start(title.site());
            let outcome = Sluice::unpaced(&origin.url(title.entry)).run().expect_success();
            every_frame_once(&outcome, &title);
            assert_eq!(outcome.error_codes(), Vec::<u64>::new(), "{outcome}");
            for at in 0..SEGMENTS / 2 {
                assert_eq!(origin.count(&format!("key-{at}.bin")), 1, "{packaging:?}: a key is fetched once");
            }
        }
    }
}

/// One segment arrives damaged, although its key has fitted before: it is fetched again.
#[test]
fn a_damaged_sealed_segment_is_not_taken_for_a_wrong_key() {
    let title = sealed_hls(&film(), Packaging::HlsTs, 6, false);
    let file = "v180-003.ts";
    let site = title.site().fault(Fault::first(1, file, Effect::Random));
    let origin = Origin::start(site);
    let arguments = ["--lock", "180"];
    let outcome = Sluice::unpaced(&origin.url(title.entry)).args(&arguments).run().expect_success();
    every_frame_once(&outcome, &title);
    assert_eq!(origin.count(file), 2, "{outcome}");
}

#[test]
fn dash_segments_are_unsealed() {
    let title = sealed_dash(&film());
    let origin = Origin::start(title.site());
    let outcome = Sluice::unpaced(&origin.url(title.entry)).run().expect_success();
    every_frame_once(&outcome, &title);
}

/// What a person sees: exit code 6, one fatal error with this code whose text holds all of `says`, and not
/// one picture.
fn fails_with(outcome: &Outcome, code: u64, says: &[&str]) {
    assert!(!outcome.hung, "{outcome}");
    assert_eq!(outcome.code, Some(6), "{outcome}");
    assert_eq!(outcome.frames.len(), 0, "nothing is shown: {outcome}");
    let fatal: Vec<_> = outcome.named("error").into_iter().filter(|e| e["severity"] == "fatal").collect();
    assert_eq!(fatal.len(), 1, "{outcome}");
    assert_eq!(fatal[0]["code"], code, "{outcome}");
    for text in says {
        assert!(outcome.stderr.contains(text), "{text}: {outcome}");
    }
    assert!(!outcome.stderr.contains("session=private"), "{outcome}");
}

/// A `cenc` title with one key and this server, played until it fails.
fn meets(manner: Manner, keys: Vec<Key>) -> Option<(Outcome, LicenceServer)> {
    let protection = Protection { one_key: true, ..Protection::of("cenc") };
    let Protected { dash, .. } = protection.package(&film())?;
    let licences = LicenceServer::start(keys, manner);
    let origin = Origin::start(site(&dash, Some(&licences)));
    let outcome = Sluice::unpaced(&origin.url(dash.entry)).run();
    keeps_secrets(&outcome, "", &[Key::number(1)]);
    Some((outcome, licences))
}

/// A key identifier as it is shown.
fn shown(kid: &str) -> String {
    format!("{}-{}-{}-{}-{}", &kid[..8], &kid[8..12], &kid[12..16], &kid[16..20], &kid[20..])
}

#[test]
fn licence_servers_that_fail_are_named_with_the_key() {
    let key = Key::number(1);
    let kid = shown(&key.kid);
    let cases = [
        (Manner::Refusing(500, 99), 6002, "500", 3),
        (Manner::Refusing(403, 99), 6002, "403", 1),
        (Manner::Silent, 6002, "no answer in time", 2),
        (Manner::Nonsense("<html>sign in</html>"), 6003, "unusable licence", 2),
        (Manner::Nonsense("{\"keys\":[{\"kty\":\"oct\"}]}"), 6003, "unusable licence", 2),
        (Manner::Elsewhere, 6002, "redirects", 1),
    ];
    for (manner, code, says, most) in cases {
        let Some((outcome, licences)) = meets(manner.clone(), vec![key.clone()]) else { return };
        fails_with(&outcome, code, &[&kid, says]);
        assert!(licences.asked().len() <= most, "{manner:?}: {:?}", licences.asked());
        assert!(outcome.wall < Duration::from_secs(15), "{manner:?}: {outcome}");
    }
}

#[test]
fn a_licence_without_the_key_is_named() {
    let Some((outcome, _)) = meets(Manner::Well, vec![]) else { return };
    fails_with(&outcome, 6003, &["it holds no key", &shown(&Key::number(1).kid)]);
}

#[test]
fn a_licence_server_that_recovers_is_asked_again() {
    for manner in [Manner::Refusing(503, 2), Manner::Slowly(Duration::from_millis(2_500))] {
        let Some((outcome, _)) = meets(manner, vec![Key::number(1)]) else { return };
        assert_eq!(outcome.code, Some(0), "{outcome}");
        assert_eq!(outcome.frames.len() as u32, SEGMENTS * 50, "{outcome}");
    }
}

#[test]
fn a_dead_licence_server_is_named() {
    let protection = Protection { one_key: true, ..Protection::of("cenc") };
    let Some(Protected { dash, .. }) = protection.package(&film()) else { return };
    let origin = Origin::start(site(&dash, None));
    let outcome =
        Sluice::unpaced(&origin.url(dash.entry)).args(&["--licence-url", "http://127.0.0.1:9/x"]).run();
    fails_with(&outcome, 6002, &["127.0.0.1:9", "no connection", &shown(&Key::number(1).kid)]);
}

#[test]
fn without_a_key_the_key_and_the_remedy_are_named() {
    let protection = Protection { laurl: false, ..Protection::of("cenc") };
    let film = film();
    let Some(Protected { dash, hls, .. }) = protection.package(&film) else { return };
    for title in [&dash, &hls] {
        let origin = Origin::start(title.site());
        let outcome = Sluice::unpaced(&origin.url(title.entry)).run();
        fails_with(&outcome, 6004, &["no key for", "--clearkey"]);
    }
    // A playlist with the key identifier in place of the key, as the packager writes it, is no help.
    let cbcs = Protection { laurl: false, ..Protection::of("cbcs") };
    let Some(Protected { hls, .. }) = cbcs.package(&film) else { return };
    let origin = Origin::start(hls.site());
    let outcome = Sluice::unpaced(&origin.url(hls.entry)).run();
    fails_with(&outcome, 6003, &["does not fit"]);
    // Sound alone is locked: the pictures go on.
    let keys = pairs(&[protection.key(180), protection.key(360)]);
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let origin = Origin::start(dash.site());
    let outcome = Sluice::unpaced(&origin.url(dash.entry)).args(&keys).run().expect_success();
    every_frame_once(&outcome, &dash);
    assert!(outcome.error_codes().contains(&6004), "{outcome}");
}

#[test]
fn other_key_systems_are_named() {
    let systems = Protection {
        systems: "Widevine,PlayReady,FairPlay",
        laurl: false,
        one_key: true,
        ..Protection::of("cbcs")
    };
    let Some(Protected { dash, hls, .. }) = systems.package(&film()) else { return };
    let origin = Origin::start(dash.site());
    let outcome = Sluice::unpaced(&origin.url(dash.entry)).run();
    fails_with(&outcome, 6001, &["Widevine", "PlayReady", &shown(&Key::number(1).kid)]);
    let fairplay =
        "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n";
    let mut site = hls.site();
    for name in ["v180.m3u8", "v360.m3u8", "a.m3u8"] {
        let text = std::fs::read_to_string(hls.folder.join(name)).expect("a playlist");
        let rest = text.lines().filter(|line| !line.starts_with("#EXT-X-KEY"));
        let text: String = rest.map(|line| format!("{line}\n")).collect();
        let text = text.replace("#EXT-X-MAP", &format!("{fairplay}#EXT-X-MAP"));
        site = site.file(name, text);
    }
    let origin = Origin::start(site);
    let outcome = Sluice::unpaced(&origin.url(hls.entry)).run();
    fails_with(&outcome, 6001, &["FairPlay", &shown(&Key::number(1).kid)]);
    // The user's own key opens it all the same.
    let outcome = Sluice::unpaced(&origin.url(hls.entry))
        .args(&["--clearkey", &Key::number(1).pair()])
        .run()
        .expect_success();
    every_frame_once(&outcome, &hls);
}

/// A key that does not fit makes noise of the media; noise is not shown.
#[test]
fn a_wrong_key_is_noticed() {
    for scheme in ["cenc", "cbcs"] {
        let protection = Protection { one_key: true, ..Protection::of(scheme) };
        let Some(Protected { dash, .. }) = protection.package(&film()) else { return };
        let wrong = Key { key: Key::number(77).key, ..Key::number(1) };
        let origin = Origin::start(site(&dash, None));
        let outcome = Sluice::unpaced(&origin.url(dash.entry)).args(&["--clearkey", &wrong.pair()]).run();
        fails_with(&outcome, 6003, &["does not fit", &shown(&wrong.kid)]);
    }
}

/// The rendition whose key is missing is left out, whatever the network can carry.
#[test]
fn a_rendition_without_its_key_is_not_chosen() {
    let film = film();
    let protection = Protection::of("cenc");
    let Some(Protected { dash, .. }) = protection.package(&film) else { return };
    let licences = LicenceServer::start(vec![protection.key(180), protection.key(0)], Manner::Well);
    let origin = Origin::start(site(&dash, Some(&licences)));
    let outcome = Sluice::unpaced(&origin.url(dash.entry)).run().expect_success();
    every_frame_once(&outcome, &dash);
    assert_eq!(outcome.heights(), [180], "{outcome}");
    assert_eq!(origin.count("v360-0"), 0, "no segment of it is fetched: {outcome}");
    let said = outcome.named("error");
    assert_eq!(said.len(), 1, "{outcome}");
    assert_eq!((said[0]["code"].as_u64(), said[0]["severity"].as_str()), (Some(6004), Some("recoverable")));
    assert!(
        said[0]["message"].as_str().is_some_and(|m| m.contains(&shown(&protection.key(360).kid))),
        "{outcome}"
    );
}

#[test]
fn a_sealed_segment_with_a_bad_key_ends_with_its_code() {
    let title = sealed_hls(&film(), Packaging::HlsTs, 6, false);
    let site = |effect| title.site().fault(Fault::all("key-0.bin", effect));
    let cases = [
        (site(Effect::Status(404)), 6002, "404"),
        (site(Effect::Text("short".to_owned())), 6003, "neither 16 nor 32 bytes"),
        (title.site().file("key-0.bin", bytes(&Key::number(7).key)), 6003, "padding"),
    ];
    for (site, code, says) in cases {
        let origin = Origin::start(site);
        let outcome = Sluice::unpaced(&origin.url(title.entry)).run();
        fails_with(&outcome, code, &[says]);
    }
}

/// Samples that are encrypted inside of transport streams are refused by name, before anything is shown.
#[test]
fn sample_aes_in_transport_streams_is_refused_by_name() {
    let title = film().package(Packaging::HlsTs);
    let key = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"sample.key\",IV=0x00000000000000000000000000000001\n";
    let mut site = title.site().file("sample.key", bytes(&Key::number(1).key));
    for entry in std::fs::read_dir(&title.folder).expect("the title is packaged").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".m3u8") && name != title.entry {
            let text = std::fs::read_to_string(entry.path()).expect("a playlist");
            site = site.file(&name, text.replacen("#EXTINF", &format!("{key}#EXTINF"), 1));
        }
    }
    let origin = Origin::start(site);
    let outcome = Sluice::unpaced(&origin.url(title.entry)).run();
    assert!(!outcome.hung && outcome.frames.is_empty(), "{outcome}");
    assert_eq!(outcome.code, Some(3), "{outcome}");
    assert!(outcome.stderr.contains("SAMPLE-AES"), "{outcome}");
}
