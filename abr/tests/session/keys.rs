//! Protected titles: licences are asked for ahead, and only what can be decrypted is chosen.

use crate::support::*;
use abr::error::Code;
use abr::presentation::{ContentType, Presentation, RepresentationKey};
use abr::protocol::{Event, FailureKind, Fetch, Input, KeyStatus, LicenceId, Output, Reason, Resource};
use abr::sim::origin::{Answer, Fate, failing, whole};
use std::time::Duration;

fn video_key(representation: u32) -> RepresentationKey {
    RepresentationKey { period: 0, adaptation_set: 0, representation }
}

fn told(representation: u32, status: KeyStatus) -> Input {
    Input::KeyStatus { representation: video_key(representation), status }
}

fn unusable() -> KeyStatus {
    KeyStatus::Unusable { code: Code::MissingKey, detail: "no key for 0f0f".into() }
}

/// Everything is protected; each place in the sets has its own licence.
fn protected() -> Vec<(u64, Input)> {
    let pending = plain().representations().map(|(key, _)| key).collect::<Vec<_>>();
    let pending = pending
        .into_iter()
        .map(|representation| Input::KeyStatus { representation, status: KeyStatus::Pending });
    let wanted = (0..6).map(|id| Input::LicenceWanted(LicenceId(id)));
    pending.chain(wanted).map(|fact| (0, fact)).collect()
}

fn playing(facts: Vec<(u64, Input)>, origin: &mut dyn FnMut(&Presentation, &Fetch) -> Answer) -> Play {
    let mut origin = |presentation: &Presentation, fetch: &Fetch| origin(presentation, fetch);
    scenario(Scenario { facts, origin: &mut origin, ..scenario_of(plain(), constant(20_000)) })
}

fn licence_requests(play: &Play, id: u32) -> usize {
    play.fetches().filter(|(_, fetch)| fetch.resource == Resource::Licence(LicenceId(id))).count()
}

#[test]
fn licences_are_asked_for_at_once_and_again() {
    let mut origin = |presentation: &Presentation, fetch: &Fetch| match fetch.resource {
        Resource::Licence(_) if fetch.attempt < 2 => failing(FailureKind::Status(503)),
        _ => whole(presentation, fetch),
    };
    let play = playing(protected(), &mut origin);
    play.assert_ended();
    assert_eq!((licence_requests(&play, 0), licence_requests(&play, 5)), (3, 3));
    assert_eq!(play.summary.stalls, 0);
    assert_eq!(play.appends(ContentType::Video).len(), 15);
}

#[test]
fn a_dead_licence_server_ends_playback_soon_and_with_its_own_code() {
    for fate in
        [Fate::Fails(FailureKind::Status(500), 0), Fate::Stands(0), Fate::Fails(FailureKind::Connect, 0)]
    {
        let mut origin = |presentation: &Presentation, fetch: &Fetch| match fetch.resource {
            Resource::Licence(_) => {
                Answer { bytes: 0, delay: Duration::ZERO, fate: fate.clone(), chunks: vec![] }
            }
            _ => whole(presentation, fetch),
        };
        let play = playing(protected(), &mut origin);
        assert_eq!(play.fatal(), 6002, "{fate:?}");
        let last = play.outputs.iter().rfind(|(_, o)| matches!(o, Output::LicenceFailed { .. }));
        assert!(last.is_some_and(|(t, _)| *t <= at(11_500)), "{fate:?}: {last:?}");
        assert!(licence_requests(&play, 0) <= 3, "{fate:?}");
        let failed = play.outputs.iter().filter(|(_, o)| matches!(o, Output::LicenceFailed { .. })).count();
        assert_eq!(failed, 6, "{fate:?}");
    }
}

#[test]
fn nonsense_and_refusals_have_codes_of_their_own() {
    for (kind, code, most) in [
        (FailureKind::Malformed, 6003, 2),
        (FailureKind::WrongContent, 6003, 2),
        (FailureKind::Status(403), 6002, 1),
        (FailureKind::Forbidden, 2006, 1),
    ] {
        let mut origin = |presentation: &Presentation, fetch: &Fetch| match fetch.resource {
            Resource::Licence(_) => failing(kind),
            _ => whole(presentation, fetch),
        };
        let play = playing(protected(), &mut origin);
        assert_eq!(play.fatal(), code, "{kind:?}");
        assert!(licence_requests(&play, 0) <= most, "{kind:?}");
    }
}

#[test]
fn what_cannot_be_decrypted_is_not_chosen() {
    let facts = (0..6).map(|r| (0, told(r, if r < 3 { KeyStatus::Usable } else { unusable() }))).collect();
    let play = playing(facts, &mut whole);
    play.assert_ended();
    assert!(play.rungs().iter().all(|rung| *rung < 3), "{:?}", play.rungs());
    assert!(play.rungs().contains(&2));
    let because = |event: &Event| matches!(event, Event::Decided(d) if d.reason == Reason::Keys);
    assert!(play.count(because) > 3, "the reason is told");
    assert_eq!(play.count(|event| matches!(event, Event::Error(_))), 1, "one key is missing, said once");
}

#[test]
fn a_key_that_comes_late_opens_its_representation() {
    let mut facts: Vec<_> =
        (0..6).map(|r| (0, told(r, if r < 2 { KeyStatus::Usable } else { KeyStatus::Pending }))).collect();
    facts.extend((2..6).map(|r| (20_000, told(r, KeyStatus::Usable))));
    let play = playing(facts, &mut whole);
    play.assert_ended();
    let early = play.fetches().take_while(|(t, _)| *t < at(20_000));
    let early = early.filter_map(|(_, fetch)| match fetch.resource {
        Resource::Segment { representation, .. } if representation.adaptation_set == 0 => {
            Some(representation)
        }
        _ => None,
    });
    assert!(
        early.map(|key| key.representation).all(|rung| rung < 2),
        "a usable key goes before a pending one"
    );
    assert_eq!(play.rungs().last(), Some(&5));
    assert_eq!(play.summary.stalls, 0);
}

#[test]
fn a_key_that_expires_closes_its_representation() {
    let mut facts: Vec<_> = (0..6).map(|r| (0, told(r, KeyStatus::Usable))).collect();
    facts.extend((2..6).map(|r| (15_000, told(r, unusable()))));
    let play = playing(facts, &mut whole);
    play.assert_ended();
    let late = play.fetches().skip_while(|(t, _)| *t <= at(15_000));
    let late = late.filter_map(|(_, fetch)| match fetch.resource {
        Resource::Segment { representation, .. } if representation.adaptation_set == 0 => {
            Some(representation)
        }
        _ => None,
    });
    assert!(late.map(|key| key.representation).all(|rung| rung < 2));
    assert_eq!((play.summary.stalls, play.count(|event| matches!(event, Event::Gap { .. }))), (0, 0));
}

#[test]
fn a_locked_set_gives_way_to_another() {
    let presentation = title(vec![period(0, 60, vec![video(0, 60), video(0, 60), audio(0, 60)])]);
    let facts = (0..6).map(|r| (0, told(r, unusable()))).collect();
    let play = scenario(Scenario { facts, ..scenario_of(presentation, constant(6_000)) });
    play.assert_ended();
    assert!(play.appends(ContentType::Video).iter().all(|(key, _)| key.adaptation_set == 1));
}

#[test]
fn keys_of_sound_alone_leave_the_picture() {
    let sound = |representation| RepresentationKey { period: 0, adaptation_set: 1, representation };
    let locked = |r| Input::KeyStatus { representation: sound(r), status: unusable() };
    for when in [0, 300, 20_000] {
        let play = playing((0..2).map(|r| (when, locked(r))).collect(), &mut whole);
        play.assert_ended();
        assert!(play.appends(ContentType::Audio).len() < 13, "{when}");
        assert_eq!(play.appends(ContentType::Video).len(), 15, "{when}");
    }
}

#[test]
fn locked_pictures_end_playback_whenever_that_is_told() {
    for when in [0, 300] {
        let play = playing((0..6).map(|r| (when, told(r, unusable()))).collect(), &mut whole);
        assert_eq!(play.fatal(), 6004, "{when}");
        assert!(play.appends(ContentType::Video).len() < 4, "what was decrypted is played, no more");
    }
}
