//! Timed events from every source on one bus, and hosts in the order of a steering server.

use serde_json::Value;
use std::time::Duration;
use tests::content::{Film, Packaging};
use tests::fault::{Effect, Fault};
use tests::origin::Origin;
use tests::sluice::{Outcome, Sluice};

fn replace(from: &str, to: &str) -> Effect {
    Effect::Replace(from.to_owned(), to.to_owned())
}

/// Scheme, identifier, begin and length of each event that was told.
fn told(outcome: &Outcome) -> Vec<(String, String, i64, Option<u64>)> {
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let events = outcome.named("timed_event").into_iter();
    let row = |event: &Value| {
        let start = event["start_ms"].as_i64().expect("a time");
        (text(event, "scheme"), text(event, "id"), start, event["duration_ms"].as_u64())
    };
    events.map(row).collect()
}

#[test]
fn event_streams_are_told_in_their_time() {
    let title = Film::small(6).package(Packaging::DashTimeline);
    let streams = "<EventStream schemeIdUri=\"urn:x\" value=\"7\" timescale=\"1000\" \
        presentationTimeOffset=\"500\"><Event presentationTime=\"2500\" duration=\"1500\" id=\"b\">hello</Event>\
        <Event presentationTime=\"1500\" id=\"a\" messageData=\"m\"/><Event presentationTime=\"90000\" id=\"late\"/>\
        </EventStream><EventStream schemeIdUri=\"urn:scte:scte35:2014:xml+bin\"><Event presentationTime=\"3\" id=\"s\">\
        <Signal xmlns=\"http://www.scte.org/schemas/35/2016\"><Binary>\
        /DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=</Binary></Signal></Event></EventStream></Period>";
    let origin = Origin::start(title.site().fault(Fault::all("title.mpd", replace("</Period>", streams))));
    let outcome = Sluice::paced(&origin.url(title.entry)).run().expect_success();
    let found = told(&outcome);
    let wanted = [
        ("urn:x", "a", 1000, None),
        ("urn:x", "b", 2000, Some(1500)),
        ("urn:scte:scte35:2014:xml+bin", "s", 3000, None),
    ];
    let wanted = wanted.map(|(scheme, id, start, length)| (scheme.to_owned(), id.to_owned(), start, length));
    assert_eq!(found, wanted, "{outcome}");
    let events = outcome.named("timed_event");
    assert_eq!((&events[0]["text"], &events[1]["text"]), (&"m".into(), &"hello".into()));
    assert_eq!(events[2]["scte35"]["command"]["type"], "splice_insert", "{}", events[2]);
    assert_eq!(events[2]["scte35"]["command"]["break_duration"], 5_426_421, "{}", events[2]);
    // Each is told when playback is there: between the lines of that second.
    let playing = outcome.named("playing")[0]["t_ms"].as_i64().expect("a time");
    for event in events {
        let late =
            event["t_ms"].as_i64().expect("a time") - playing - event["start_ms"].as_i64().expect("ms");
        assert!((-100..1000).contains(&late), "{late} ms: {event}");
    }
}

#[test]
fn date_ranges_are_told_in_their_time() {
    let title = Film::small(6).package(Packaging::HlsFmp4);
    let ranges = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z\n#EXT-X-DATERANGE:ID=\"r\",CLASS=\"c\",\
        START-DATE=\"2026-01-01T00:00:04.500Z\",DURATION=2,X-COM-KEY=\"v\"\n#EXT-X-PLAYLIST-TYPE:VOD";
    let origin =
        Origin::start(title.site().fault(Fault::all("v*.m3u8", replace("#EXT-X-PLAYLIST-TYPE:VOD", ranges))));
    let outcome = Sluice::unpaced(&origin.url(title.entry)).run().expect_success();
    let row = ("com.apple.hls.daterange".to_owned(), "r".to_owned(), 4500, Some(2000));
    assert_eq!(told(&outcome), [row], "once, though every playlist says so: {outcome}");
    let event = outcome.named("timed_event")[0];
    assert_eq!((&event["value"], &event["text"]), (&"c".into(), &"{\"X-COM-KEY\":\"v\"}".into()));
}

/// Two hosts with the same title, its variants on both, and a steering server on the first.
fn steered(answer: &str, second: Option<Effect>) -> (Origin, Origin, &'static str) {
    let title = Film::small(8).package(Packaging::HlsFmp4);
    let mut site = title.site();
    if let Some(effect) = second {
        site = site.fault(Fault::all("*.m4s", effect));
    }
    let other = Origin::start(site);
    let mut master = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n\
        #EXT-X-CONTENT-STEERING:SERVER-URI=\"steer.json\",PATHWAY-ID=\"one\"\n"
        .to_owned();
    for (pathway, base) in [("one", String::new()), ("two", other.url(""))] {
        master.push_str(&format!(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{pathway}\",NAME=\"Tone\",DEFAULT=YES,URI=\"{base}a.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=440000,RESOLUTION=320x180,CODECS=\"avc1.64000c,mp4a.40.2\",\
             AUDIO=\"{pathway}\",PATHWAY-ID=\"{pathway}\"\n{base}v180.m3u8\n"
        ));
    }
    let site = title.site().file("title.m3u8", master).file("steer.json", answer.to_owned());
    (Origin::start(site), other, title.entry)
}

#[test]
fn a_steering_server_chooses_the_host() {
    let answer = "{\"VERSION\":1,\"TTL\":300,\"PATHWAY-PRIORITY\":[\"two\",\"one\"]}";
    let (origin, other, entry) = steered(answer, None);
    let outcome = Sluice::paced(&origin.url(entry)).run().expect_success();
    assert_eq!(outcome.named("steered")[0]["pathway"], "two", "{outcome}");
    let asked = origin.log().into_iter().find(|asked| asked.target.contains("steer.json")).expect("asked");
    assert!(asked.target.contains("_HLS_pathway=one"), "{}", asked.target);
    assert!(other.count(".m4s") > origin.count(".m4s"), "{} {}", other.count(".m4s"), origin.count(".m4s"));
}

#[test]
fn a_host_that_fails_is_left_whatever_the_steering_server_says() {
    let answer = "{\"VERSION\":1,\"TTL\":300,\"PATHWAY-PRIORITY\":[\"two\",\"one\"]}";
    let (origin, _other, entry) = steered(answer, Some(Effect::Status(503)));
    let outcome = Sluice::unpaced(&origin.url(entry)).timeout(Duration::from_secs(40)).run().expect_success();
    assert_eq!(outcome.summary["gap_ms"], 0, "{outcome}");
}
