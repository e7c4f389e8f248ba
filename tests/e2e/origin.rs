//! The content network itself: what it promises to the tests that build on it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tests::fault::{Effect, Fault};
use tests::origin::{Origin, Site};
use tests::shaping::Link;

/// One request on a connection of its own; everything the origin sent, and whether it ended in an error.
fn get(origin: &Origin, path: &str, extra: &str) -> (String, Option<std::io::ErrorKind>) {
    let mut stream = TcpStream::connect(origin.authority()).expect("the origin listens");
    stream.set_read_timeout(Some(Duration::from_millis(700))).expect("a timeout can be set");
    let request =
        format!("GET /{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{extra}\r\n", origin.authority());
    stream.write_all(request.as_bytes()).expect("the origin reads");
    let mut bytes = Vec::new();
    let error = stream.read_to_end(&mut bytes).err().map(|error| error.kind());
    (String::from_utf8_lossy(&bytes).into_owned(), error)
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn site() -> Site {
    Site::default().file("a.txt", "0123456789")
}

#[test]
fn serves_files_and_ranges() {
    let origin = Origin::start(site());
    assert_eq!(body(&get(&origin, "a.txt?x=1", "").0), "0123456789");
    let (part, _) = get(&origin, "a.txt", "Range: bytes=2-4\r\n");
    assert!(part.starts_with("HTTP/1.1 206") && part.contains("content-range: bytes 2-4/10"), "{part}");
    assert_eq!(body(&part), "234");
    assert!(get(&origin, "a.txt", "Range: bytes=10-\r\n").0.starts_with("HTTP/1.1 416"));
    assert!(get(&origin, "b.txt", "").0.starts_with("HTTP/1.1 404"));
    assert!(get(&origin, "../a.txt", "").0.starts_with("HTTP/1.1 404"));
    let log = origin.log();
    assert_eq!(log[1].range.as_deref(), Some("bytes=2-4"));
    assert_eq!((log[0].target.as_str(), log[0].sent, log[0].complete), ("a.txt?x=1", 10, true));
}

#[test]
fn fails_as_planned() {
    let plan = |effect| Origin::start(site().fault(Fault::first(1, "a.txt", effect)));
    let first = |effect| get(&plan(effect), "a.txt", "");

    assert!(first(Effect::Status(503)).0.starts_with("HTTP/1.1 503"));
    assert!(first(Effect::RetryAfter(429, 3)).0.contains("retry-after: 3"));
    let (cut, error) = first(Effect::Truncate(500));
    assert!(
        cut.contains("content-length: 10") && body(&cut) == "01234" && error.is_none(),
        "{cut} {error:?}"
    );
    assert_eq!(first(Effect::ResetBeforeHeaders).1, Some(std::io::ErrorKind::ConnectionReset));
    assert_eq!(first(Effect::Reset(500)).1, Some(std::io::ErrorKind::ConnectionReset));
    assert_eq!(first(Effect::StallBefore), (String::new(), Some(std::io::ErrorKind::WouldBlock)));
    let (stalled, error) = first(Effect::StallMid(300));
    assert_eq!((body(&stalled), error), ("012", Some(std::io::ErrorKind::WouldBlock)));
    let (endless, _) = first(Effect::TruncateChunked(500));
    assert!(endless.contains("transfer-encoding: chunked") && !endless.ends_with("0\r\n\r\n"), "{endless}");
    let to = "/{self}?again".replace("/{self}", "{self}");
    assert!(first(Effect::Redirect(302, to)).0.contains("location: /a.txt?again"));
    assert!(first(Effect::Html).0.contains("<html>"));
    assert!(first(Effect::Empty).0.contains("content-length: 0"));
    assert_eq!(body(&first(Effect::LengthShort(4)).0), "012345");
    assert_eq!(body(&first(Effect::Replace("345".to_owned(), "x".to_owned())).0), "012x6789");
    assert!(first(Effect::HugeHeader(100_000)).0.len() > 100_000);

    let origin = plan(Effect::Status(500));
    assert!(get(&origin, "a.txt", "").0.starts_with("HTTP/1.1 500"));
    assert_eq!(body(&get(&origin, "a.txt", "").0), "0123456789");
    assert_eq!(origin.count("a.txt"), 2);
}

#[test]
fn the_link_has_its_rate() {
    let link = Link::constant(4_000_000).latency(Duration::from_millis(50));
    let origin = Origin::start(Site::default().file("big", vec![b'x'; 200_000]).link(link));
    let start = Instant::now();
    assert_eq!(body(&get(&origin, "big", "").0).len(), 200_000);
    let took = start.elapsed();
    assert!((0.4..0.7).contains(&took.as_secs_f64()), "400 ms of bits after 50 ms of latency took {took:?}");
}
