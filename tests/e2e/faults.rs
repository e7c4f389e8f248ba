//! Faults of servers, networks and media, as a table: each row ends, within its time, in all frames, in all
//! frames but the damaged segment, or in a named error. Silence, hangs and lies are failures.
//!
//! The ids are those of the project's fault catalogue (N network, S segments, C content networks).

use crate::check::frames_shown;
use std::time::Duration;
use tests::content::{Film, Packaging, SEGMENT_FRAMES, Title};
use tests::fault::{Effect, Fault};
use tests::origin::{Origin, Site};
use tests::sluice::{Outcome, Sluice};

/// What has to come of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Every frame, exit code 0.
    Whole,
    /// Every frame but (some of) those of the damaged segment, exit code 5 and a `gap` event.
    WithoutSegment,
    /// Either of the above.
    Played,
    /// No playback: exit code 3 (7 for refused addresses) and a fatal error with one of these codes.
    Error(&'static [u64]),
    /// Whole, or an error with one of these codes: what a player may choose.
    WholeOr(&'static [u64]),
}

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) packaging: Packaging,
    pub(crate) faults: Vec<Fault>,
    pub(crate) wanted: Wanted,
}

impl Row {
    pub(crate) fn new(id: &'static str, packaging: Packaging, fault: Fault, wanted: Wanted) -> Self {
        Self { id, packaging, faults: vec![fault], wanted }
    }
}

/// A row's player gets at most this long; a title of 12 s decodes in about one.
const ROW_TIMEOUT: Duration = Duration::from_secs(40);
/// From the start to a fatal error that the manifest causes.
const ERROR_WITHIN: Duration = Duration::from_secs(11);
/// Rows side by side; most of them wait.
const LANES: usize = 3;

/// Plays every row, prints a line for each and fails with all that went wrong.
pub(crate) fn check(rows: Vec<Row>) {
    let film = Film::ladder(6);
    let count = rows.len();
    let rows = std::sync::Mutex::new(rows.into_iter());
    let wrong = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                loop {
                    let next = rows.lock().expect("no row panics while it holds the queue").next();
                    let Some(row) = next else { break };
                    let title = film.package(row.packaging);
                    if let Err(reason) = play(&row, &title) {
                        println!("{:<4} {:?}: FAILED", row.id, row.packaging);
                        wrong.lock().expect("nothing panics while it holds the list").push(reason);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("nothing panicked while it held the list");
    println!("fault catalogue: {} of {count} rows survived", count - wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn play(row: &Row, title: &Title) -> Result<(), String> {
    let site = row.faults.iter().fold(title.site(), |site, fault| site.fault(fault.clone()));
    let outcome = run(site, title);
    let told =
        format!("{} {:?} {:?} -> wanted {:?}\n{outcome}", row.id, row.packaging, row.faults, row.wanted);
    let verdict =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| judge(&outcome, title, row.wanted)));
    match verdict {
        Ok(Ok(what)) => {
            println!("{:<4} {:?}: {what} in {:.1} s", row.id, row.packaging, outcome.wall.as_secs_f64());
            Ok(())
        }
        Ok(Err(why)) => Err(format!("{why}: {told}")),
        Err(_) => Err(format!("wrong pictures: {told}")),
    }
}

fn run(site: Site, title: &Title) -> Outcome {
    let origin = Origin::start(site);
    player(&origin.url(title.entry)).run()
}

/// The player as every row runs it.
pub(crate) fn player(url: &str) -> Sluice {
    Sluice::unpaced(url).args(&["--max-height", "360"]).timeout(ROW_TIMEOUT)
}

/// What happened, in a word, or why it was wrong.
pub(crate) fn judge(outcome: &Outcome, title: &Title, wanted: Wanted) -> Result<&'static str, String> {
    if outcome.hung {
        return Err("hung".to_owned());
    }
    let Some(code) = outcome.code else { return Err("died by a signal".to_owned()) };
    if outcome.stderr.contains("panicked at") {
        return Err("panicked".to_owned());
    }
    let shown = frames_shown(outcome, title);
    if !shown.is_sorted_by(|a, b| a < b) {
        return Err("frames out of order or twice".to_owned());
    }
    let missing = title.frames() - shown.len();
    let whole = missing == 0 && code == 0;
    let gap =
        missing > 0 && missing <= SEGMENT_FRAMES as usize && code == 5 && !outcome.named("gap").is_empty();
    let error = |codes: &[u64]| {
        let fatal = outcome.named("error").into_iter().find(|event| event["severity"] == "fatal");
        let fatal = fatal.and_then(|event| event["code"].as_u64());
        if fatal.is_none_or(|code| !codes.contains(&code)) {
            return Err(format!("fatal error {fatal:?}"));
        }
        if code != 3 && code != 7 {
            return Err(format!("exit code {code} with error {fatal:?}"));
        }
        if outcome.wall > ERROR_WITHIN {
            return Err(format!("error only after {:?}", outcome.wall));
        }
        Ok("error")
    };
    match wanted {
        Wanted::Whole | Wanted::Played | Wanted::WholeOr(_) if whole => Ok("whole"),
        Wanted::WithoutSegment | Wanted::Played if gap => Ok("without the segment"),
        Wanted::Error(codes) | Wanted::WholeOr(codes) => error(codes),
        Wanted::Whole | Wanted::WithoutSegment | Wanted::Played => {
            Err(format!("exit {code}, {missing} frames missing"))
        }
    }
}

/// The fourth video segment of every rendition.
pub(crate) fn segment(packaging: Packaging) -> &'static str {
    match packaging {
        Packaging::HlsTs | Packaging::HlsFmp4 => "v*-003.",
        _ => "seg-*-004.m4s",
    }
}

/// The same effect on DASH and on HLS.
fn both(id: &'static str, fault: impl Fn(&str) -> Fault, wanted: Wanted) -> Vec<Row> {
    [Packaging::DashNumber, Packaging::HlsFmp4]
        .map(|packaging| Row::new(id, packaging, fault(segment(packaging)), wanted))
        .into()
}

#[test]
fn segments_that_do_not_come() {
    let once = |effect: Effect| move |path: &str| Fault::first(1, path, effect.clone());
    let always = |effect: Effect| move |path: &str| Fault::all(path, effect.clone());
    let mut rows = vec![
        Row::new(
            "N1",
            Packaging::DashNumber,
            Fault::all("seg-1-004.m4s", Effect::Status(404)),
            Wanted::Whole,
        ),
        Row::new("N1", Packaging::HlsTs, Fault::all("v360-003.ts", Effect::Status(404)), Wanted::Whole),
        Row::new("N1", Packaging::DashNumber, Fault::all("init-1.mp4", Effect::Status(404)), Wanted::Whole),
    ];
    rows.extend(both("N2", always(Effect::Status(404)), Wanted::WithoutSegment));
    rows.extend(both("N4", always(Effect::Status(403)), Wanted::WithoutSegment));
    rows.extend(both("N5", |path| Fault::first(2, path, Effect::Status(503)), Wanted::Whole));
    rows.extend(both("N5", always(Effect::Status(500)), Wanted::WithoutSegment));
    rows.extend(both("N6", |path| Fault::first(1, path, Effect::RetryAfter(429, 1)), Wanted::Whole));
    rows.extend(both("N13", once(Effect::ResetBeforeHeaders), Wanted::Whole));
    rows.extend(both("N15", |path| Fault::total(1, path, Effect::StallBefore), Wanted::Whole));
    check(rows);
}

#[test]
fn segments_that_come_in_part() {
    let once = |effect: Effect| move |path: &str| Fault::first(1, path, effect.clone());
    let always = |effect: Effect| move |path: &str| Fault::all(path, effect.clone());
    let mut rows = Vec::new();
    rows.extend(both("N10", once(Effect::Truncate(500)), Wanted::Whole));
    rows.extend(both("N10", always(Effect::Truncate(500)), Wanted::WithoutSegment));
    rows.extend(both("N11", once(Effect::LengthShort(1_000)), Wanted::Whole));
    rows.extend(both("N11", always(Effect::LengthShort(1_000)), Wanted::WithoutSegment));
    rows.extend(both("N12", once(Effect::TruncateChunked(500)), Wanted::Whole));
    rows.extend(both("N14", once(Effect::Reset(500)), Wanted::Whole));
    rows.extend(both("N16", |path| Fault::total(1, path, Effect::StallMid(500)), Wanted::Whole));
    rows.push(Row::new(
        "N17",
        Packaging::DashNumber,
        Fault::all("seg-1-004.m4s", Effect::Drip(100)),
        Wanted::Whole,
    ));
    rows.push(Row::new("N8", Packaging::DashBase, Fault::all("v", Effect::IgnoreRange), Wanted::Whole));
    check(rows);
}

#[test]
fn segments_that_are_something_else() {
    let once = |effect: Effect| move |path: &str| Fault::first(1, path, effect.clone());
    let always = |effect: Effect| move |path: &str| Fault::all(path, effect.clone());
    let mut rows = Vec::new();
    rows.extend(both("N21", always(Effect::Redirect(302, "{self}".to_owned())), Wanted::WithoutSegment));
    rows.extend(both(
        "N25",
        always(Effect::Redirect(302, "file:///etc/hostname".to_owned())),
        Wanted::WithoutSegment,
    ));
    rows.extend(both("N27", always(Effect::ContentType("text/plain".to_owned())), Wanted::Whole));
    rows.extend(both("N28", once(Effect::Html), Wanted::Whole));
    rows.extend(both("N28", always(Effect::Html), Wanted::WithoutSegment));
    rows.extend(both("N29", once(Effect::Empty), Wanted::Whole));
    rows.extend(both("N29", always(Effect::Empty), Wanted::WithoutSegment));
    rows.extend(both("S1", once(Effect::Random), Wanted::Whole));
    rows.extend(both("S1", always(Effect::Random), Wanted::WithoutSegment));
    // A size of zero is legal for the last box: "to the end of the file".
    rows.extend(both("S2", always(Effect::BoxSize(0)), Wanted::Played));
    rows.extend(both("S2", always(Effect::BoxSize(7)), Wanted::WithoutSegment));
    rows.extend(both("S2", always(Effect::BoxSize(0xffff_fff0)), Wanted::WithoutSegment));
    rows.extend(both("S5", always(Effect::Shortened(20)), Wanted::WithoutSegment));
    rows.push(Row::new(
        "S22",
        Packaging::HlsTs,
        Fault::all("v*-003.", Effect::Random),
        Wanted::WithoutSegment,
    ));
    rows.push(Row::new("S22", Packaging::HlsTs, Fault::first(1, "v*-003.", Effect::Random), Wanted::Whole));
    check(rows);
}

/// No storm: an outage of one segment costs a bounded number of requests.
#[test]
fn failing_requests_are_few() {
    let title = Film::ladder(6).package(Packaging::DashNumber);
    let site = title.site().fault(Fault::all("seg-*-004.m4s", Effect::Status(500)));
    let origin = Origin::start(site);
    let outcome = Sluice::unpaced(&origin.url(title.entry)).args(&["--max-height", "360"]).run();
    assert!(!outcome.hung, "{outcome}");
    for target in ["seg-0-004.m4s", "seg-1-004.m4s", "seg-4-004.m4s"] {
        assert!(origin.count(target) <= 8, "{} requests for {target}: {outcome}", origin.count(target));
    }
}

/// A dead host costs at most a stall when the manifest names another.
#[test]
fn another_host_takes_over() {
    let title = Film::ladder(6).package(Packaging::DashNumber);
    // Nothing listens on port 9 of loopback.
    let bases = "<BaseURL>http://127.0.0.1:9/</BaseURL><BaseURL>./</BaseURL><Period ";
    let fault = Fault::all("title.mpd", Effect::Replace("<Period ".to_owned(), bases.to_owned()));
    let outcome = run(title.site().fault(fault), &title);
    let verdict = judge(&outcome, &title, Wanted::Whole);
    assert_eq!(verdict, Ok("whole"), "C1: {outcome}");
    assert!(outcome.wall < Duration::from_secs(10), "C1: {outcome}");
}
