//! Damaged, hostile and missing manifests: a named error within its time and bounded memory, or playback of
//! what can be played.

use crate::faults::{Row, Wanted, check};
use std::time::Duration;
use tests::content::{Film, Packaging};
use tests::fault::{Effect, Fault};
use tests::origin::{Origin, Site};
use tests::sluice::Sluice;

/// Unreadable or unplayable.
const PARSING: &[u64] = &[3001, 3002, 3003];

fn mpd(id: &'static str, effect: Effect, wanted: Wanted) -> Row {
    Row::new(id, Packaging::DashTimeline, Fault::all("title.mpd", effect), wanted)
}

fn m3u8(id: &'static str, effect: Effect, wanted: Wanted) -> Row {
    Row::new(id, Packaging::HlsFmp4, Fault::all("title.m3u8", effect), wanted)
}

fn replace(from: &str, to: &str) -> Effect {
    Effect::Replace(from.to_owned(), to.to_owned())
}

fn text(text: impl Into<String>) -> Effect {
    Effect::Text(text.into())
}

#[test]
fn manifests_that_do_not_come() {
    let rows = vec![
        mpd("N1", Effect::Status(404), Wanted::Error(&[2004])),
        m3u8("N1", Effect::Status(404), Wanted::Error(&[2004])),
        mpd("N4", Effect::Status(403), Wanted::Error(&[2004])),
        Row::new("N5", Packaging::DashNumber, Fault::first(2, "title", Effect::Status(503)), Wanted::Whole),
        Row::new("N5", Packaging::HlsTs, Fault::first(2, "title", Effect::Status(503)), Wanted::Whole),
        Row::new(
            "N13",
            Packaging::HlsTs,
            Fault::first(1, "title", Effect::ResetBeforeHeaders),
            Wanted::Whole,
        ),
        Row::new("N15", Packaging::DashNumber, Fault::total(1, "title", Effect::StallBefore), Wanted::Whole),
        mpd("N21", Effect::Redirect(302, "{self}".to_owned()), Wanted::Error(&[2009])),
        mpd("N25", Effect::Redirect(302, "file:///etc/passwd".to_owned()), Wanted::Error(&[2006])),
        mpd("N19", Effect::HugeHeader(2_000_000), Wanted::Error(&[2001, 2003, 2007])),
        mpd("N20", Effect::ManyHeaders(200), Wanted::Error(&[2001, 2003, 2007])),
        mpd("N27", Effect::ContentType("text/plain".to_owned()), Wanted::Whole),
        m3u8("N27", Effect::ContentType("text/plain".to_owned()), Wanted::Whole),
        mpd("N28", Effect::Html, Wanted::Error(&[2008, 3001])),
        m3u8("N28", Effect::Html, Wanted::Error(&[2008, 3001])),
        mpd("N29", Effect::Empty, Wanted::Error(&[2008, 3001])),
        m3u8("N29", Effect::Empty, Wanted::Error(&[2008, 3001])),
        Row::new("M22", Packaging::HlsTs, Fault::all("v360.m3u8", Effect::Status(404)), Wanted::Whole),
        Row::new("M22", Packaging::HlsFmp4, Fault::all("v360.m3u8", text("garbage")), Wanted::Whole),
        Row::new("M22", Packaging::HlsTs, Fault::all("v*.m3u8", Effect::Status(404)), Wanted::Error(&[2004])),
    ];
    check(rows);
}

#[test]
fn manifests_that_are_damaged() {
    let nested = format!("<MPD>{}", "<Period>".repeat(100_000));
    let laughs = "<!DOCTYPE MPD [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\
                  &b;&b;&b;&b;\">]><MPD><Period id=\"&c;&c;&c;&c;&c;&c;&c;&c;\"/></MPD>";
    let outside =
        "<!DOCTYPE MPD [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><MPD><BaseURL>&x;</BaseURL></MPD>";
    let attributes: String = (0..80_000).map(|number| format!(" a{number}=\"1\"")).collect();
    let rows = vec![
        mpd("M1", Effect::Shortened(500), Wanted::Error(PARSING)),
        mpd("M1", text("<MPD"), Wanted::Error(PARSING)),
        m3u8("M1", text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1"), Wanted::Error(PARSING)),
        mpd("M2", text("\u{feff}<?xml version=\"1.0\"?><MPD>\0</MPD>"), Wanted::Error(PARSING)),
        mpd("M3", text(laughs), Wanted::Error(PARSING)),
        mpd("M4", text(outside), Wanted::Error(PARSING)),
        mpd("M5", text(nested), Wanted::Error(PARSING)),
        mpd("M6", text(format!("<MPD{attributes}/>")), Wanted::Error(PARSING)),
        mpd("M7", replace(" r=\"5\"", " r=\"2147483647\""), Wanted::Whole),
        mpd("M7", replace(" r=\"5\"", " r=\"-1\""), Wanted::Whole),
        mpd("M8", replace(" r=\"5\"", " r=\"-5\""), Wanted::WholeOr(PARSING)),
        mpd("M9", replace("PT12.0S", "P999999999999Y"), Wanted::WholeOr(PARSING)),
        mpd(
            "M9",
            replace("<S t=\"0\"", "<S t=\"18446744073709551615\""),
            Wanted::WholeOr(&[3001, 3002, 3003, 2004]),
        ),
        mpd("M10", replace("timescale=\"", "timescale=\"0\" x=\""), Wanted::Error(PARSING)),
        mpd("M11", replace(" d=\"", " d=\"0\" x=\""), Wanted::WholeOr(&[3001, 3002, 3003, 2004])),
        mpd("M23", replace("avc1.", "what.").clone(), Wanted::WholeOr(&[3003, 4005])),
        Row::new(
            "M11",
            Packaging::HlsTs,
            Fault::all("v*.m3u8", replace("#EXTINF:2.000000", "#EXTINF:0")),
            Wanted::WholeOr(&[3001, 3002, 3003]),
        ),
        Row::new(
            "M12",
            Packaging::HlsTs,
            Fault::all("v*.m3u8", replace("#EXTINF:2.000000", "#EXTINF:inf")),
            Wanted::WholeOr(&[3001, 3002, 3003, 3004]),
        ),
        Row::new(
            "M13",
            Packaging::HlsTs,
            Fault::all("v*.m3u8", replace("TARGETDURATION:2", "TARGETDURATION:-4")),
            Wanted::WholeOr(PARSING),
        ),
    ];
    check(rows);
}

/// A small answer that unpacks into a huge one stops at the limit, and so does the memory.
#[test]
fn a_bomb_does_not_go_off() {
    let site = Site::default().file("a.mpd", "<MPD/>");
    let plain = Origin::start(site.clone());
    let calm = Sluice::unpaced(&plain.url("a.mpd")).run();
    let origin = Origin::start(site.fault(Fault::all("a.mpd", Effect::GzipBomb(1 << 30))));
    let outcome = Sluice::unpaced(&origin.url("a.mpd")).timeout(Duration::from_secs(20)).run();
    assert!(!outcome.hung, "{outcome}");
    assert_eq!(outcome.code, Some(3), "{outcome}");
    assert!(outcome.error_codes().contains(&2007), "{outcome}");
    let grown = outcome.peak_kib.saturating_sub(calm.peak_kib);
    assert!(grown < 48 << 10, "{grown} KiB more than without the bomb: {outcome}");
}

/// A manifest that never ends is cut off.
#[test]
fn an_endless_manifest_is_refused() {
    let body = "<MPD>".to_owned() + &"<!-- padding -->".repeat(1 << 20);
    let origin = Origin::start(Site::default().file("a.mpd", body));
    let outcome = Sluice::unpaced(&origin.url("a.mpd")).timeout(Duration::from_secs(20)).run();
    assert_eq!(outcome.code, Some(3), "{outcome}");
    assert!(outcome.error_codes().contains(&2007), "{outcome}");
}

/// A title of the right form with nothing in it that this machine can decode.
#[test]
fn an_unknown_codec_is_named() {
    let title = Film::ladder(6).package(Packaging::DashNumber);
    let fault = Fault::all("title.mpd", replace("avc1.", "xyz9."));
    let fault_of_sound = Fault::all("never", Effect::Empty);
    let origin = Origin::start(title.site().fault(fault).fault(fault_of_sound));
    let outcome = Sluice::unpaced(&origin.url(title.entry)).run();
    assert!(!outcome.hung, "{outcome}");
    assert!(!outcome.error_codes().is_empty() || outcome.code == Some(0), "a silent failure: {outcome}");
}
