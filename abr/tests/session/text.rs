//! Subtitles: fetched beside pictures and sound, and never in their way.

use crate::support::*;
use abr::presentation::{AdaptationSet, Container, ContentType, Presentation};
use abr::protocol::{Command, Event, FailureKind, Output, Resource};
use abr::session::Config;
use abr::sim::origin::{failing, whole};
use abr::time::Timestamp;

fn text(language: &str, length_ms: u64, roles: &[&str]) -> AdaptationSet {
    let mut only = representation(1_000, 0, index(0, 60, length_ms));
    only.container = Container::Webvtt;
    only.codecs = String::new();
    AdaptationSet {
        language: Some(language.to_owned()),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..set(ContentType::Text, vec![only])
    }
}

/// Sets 2 and 3 are subtitles of 6 s segments, 4 is one file, 5 is forced.
fn subtitled() -> Presentation {
    let sets = vec![
        video(0, 60),
        audio(0, 60),
        text("en", 6_000, &["subtitle"]),
        text("de-DE", 6_000, &["subtitle"]),
        text("ja", 60_000, &["subtitle"]),
        text("en", 6_000, &["forced-subtitle"]),
    ];
    title(vec![period(0, 60, sets)])
}

fn wishing(languages: &[&str]) -> Config {
    let text_languages = languages.iter().map(|language| (*language).to_owned()).collect();
    Config { text: true, text_languages, ..Config::default() }
}

fn sets(play: &Play) -> Vec<u32> {
    let mut sets: Vec<u32> =
        play.appends(ContentType::Text).iter().map(|(key, _)| key.adaptation_set).collect();
    sets.dedup();
    sets
}

#[test]
fn subtitles_are_fetched_once_each_and_after_the_first_picture() {
    let play = play_with(subtitled(), constant(6000), wishing(&["fr", "de"]), vec![]);
    play.assert_ended();
    let starts: Vec<i64> = play.appends(ContentType::Text).iter().map(|(_, at)| at.as_millis()).collect();
    assert_eq!(starts, (0..10).map(|n| n * 6000).collect::<Vec<_>>());
    assert_eq!(sets(&play), [3], "the second language on the list is there");
    let first = |kind: ContentType| {
        let append = |o: &Output| matches!(o, Output::Append { track, .. } if *track == kind);
        play.outputs.iter().find(|(_, output)| append(output)).map(|(t, _)| *t).unwrap()
    };
    assert!(first(ContentType::Text) > first(ContentType::Video));
    assert_eq!(play.summary.stalls, 0);
}

#[test]
fn without_a_wish_only_what_must_be_read_is_shown() {
    let mut presentation = subtitled();
    presentation.periods[0].adaptation_sets[1].language = Some("en".to_owned());
    let play = play(presentation.clone(), constant(6000));
    play.assert_ended();
    assert_eq!(sets(&play), [5]);
    presentation.periods[0].adaptation_sets[1].language = Some("de".to_owned());
    let play = crate::support::play(presentation, constant(6000));
    assert_eq!(sets(&play), Vec::<u32>::new(), "forced subtitles are for the sound's own language");
}

#[test]
fn subtitles_change_and_go_at_once() {
    let select = |set| Command::SelectSet { track: ContentType::Text, adaptation_set: set };
    let script = vec![(5_000, select(Some(2))), (15_000, select(Some(4))), (30_000, select(None))];
    let mut presentation = subtitled();
    presentation.periods[0].adaptation_sets.truncate(5);
    let play = play_with(presentation, constant(6000), Config::default(), script);
    play.assert_ended();
    assert_eq!(sets(&play), [2, 4]);
    let flushes = |at_ms: u64| {
        let flush = |o: &Output| matches!(o, Output::Flush { track: ContentType::Text, .. });
        play.outputs.iter().any(|(t, output)| *t == at(at_ms) && flush(output))
    };
    assert!(flushes(15_000) && flushes(30_000));
    assert_eq!(play.session.selected_set(ContentType::Text), None);
    // One file of a minute is one segment, whenever it is asked for.
    let whole = play.appends(ContentType::Text).iter().filter(|(key, _)| key.adaptation_set == 4).count();
    assert_eq!(whole, 1);
}

#[test]
fn subtitles_that_cannot_be_had_cost_a_warning_and_nothing_else() {
    let link = constant(6000);
    let mut origin = |presentation: &Presentation, fetch: &abr::protocol::Fetch| match fetch.resource {
        Resource::Segment { representation, .. }
            if presentation.adaptation_set(representation).unwrap().content_type == ContentType::Text =>
        {
            failing(FailureKind::Status(404))
        }
        _ => whole(presentation, fetch),
    };
    let play = scenario(Scenario {
        config: wishing(&["en"]),
        origin: &mut origin,
        ..scenario_of(subtitled(), link)
    });
    play.assert_ended();
    assert_eq!(play.summary.stalls, 0);
    assert!(play.appends(ContentType::Text).is_empty());
}

#[test]
fn a_buffered_seek_back_fetches_the_subtitles_that_were_not_wanted_then() {
    let select = Command::SelectSet { track: ContentType::Text, adaptation_set: Some(2) };
    let script = vec![(20_000, select), (26_000, Command::Seek(ms(8_000)))];
    let play = play_with(subtitled(), constant(6000), Config::default(), script);
    play.assert_ended();
    let buffered = play.count(|event| matches!(event, Event::SeekStart { buffered: true, .. }));
    assert_eq!(buffered, 1);
    let sought: Timestamp = at(26_000);
    let after: Vec<i64> = play
        .outputs
        .iter()
        .filter(|(t, _)| *t >= sought)
        .filter_map(|(_, output)| match output {
            Output::Append { track: ContentType::Text, segment, .. } => Some(segment.start.as_millis()),
            _ => None,
        })
        .collect();
    assert_eq!(after.first(), Some(&6_000), "{after:?}");
}
