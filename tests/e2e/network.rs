//! Real servers and proxies: HTTP/2, certificates, broken bodies, and the ways past and through a proxy.

use crate::faults::{Wanted, judge, player, segment};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tests::content::{Film, Packaging, Title};
use tests::fault::{Effect, Fault};
use tests::nginx::{Nginx, free_ports};
use tests::origin::Origin;
use tests::proxy::Proxy;
use tests::sluice::Outcome;
use tests::tls::{Authority, Identity};

/// A certificate that is not trusted is told within this time.
const SOON: Duration = Duration::from_secs(5);

fn title() -> Title {
    Film::ladder(6).package(Packaging::DashNumber)
}

/// A `server` block that speaks HTTP/2 on `port` and does `what`.
fn server(port: u16, identity: &Identity, what: &str) -> String {
    let (certificate, key) = (identity.certificate.display(), identity.key.display());
    format!(
        "  server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {certificate}; \
         ssl_certificate_key {key}; {what} }}\n"
    )
}

fn root(title: &Title) -> String {
    format!("root {};", title.folder.display())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_title_comes_over_http_2() {
    let Some(authority) = Authority::new() else { return };
    let (title, [port]) = (title(), free_ports());
    let servers = server(port, &authority.issue("localhost", 2), &root(&title));
    let Some(nginx) = Nginx::start(&servers, port) else { return };
    let url = format!("https://localhost:{port}/{}", title.entry);
    let trusted = text(&authority.certificate());
    for outcome in
        [player(&url).args(&["--cacert", &trusted]).run(), player(&url).env("SSL_CERT_FILE", &trusted).run()]
    {
        assert_eq!(judge(&outcome, &title, Wanted::Whole), Ok("whole"), "{outcome}");
    }
    let log = nginx.log();
    assert!(log.iter().all(|[protocol, ..]| protocol == "HTTP/2.0"), "{log:?}");
    let connections: BTreeSet<&String> = log.iter().map(|[_, connection, ..]| connection).collect();
    // One for each run: requests share it.
    assert_eq!(connections.len(), 2, "{log:?}");
}

#[test]
fn certificates_that_are_not_trusted_are_told_apart() {
    let Some(authority) = Authority::new() else { return };
    let (title, ports) = (title(), free_ports());
    let [good, old, other, own] = ports;
    let identities = [
        (good, authority.issue("localhost", 2)),
        (old, authority.issue("localhost", -1)),
        (other, authority.issue("elsewhere.example", 2)),
        (own, authority.unsigned("localhost")),
    ];
    let servers: String =
        identities.iter().map(|(port, identity)| server(*port, identity, &root(&title))).collect();
    let Some(_nginx) = Nginx::start(&servers, own) else { return };
    let trusted = text(&authority.certificate());
    let trusting = ["--cacert", trusted.as_str()];
    let empty = text(&title.folder.join(title.entry));
    let cases: [(u16, &[&str], &str); 6] = [
        (good, &[], "no authority that is trusted here"),
        (old, &trusting, "has expired"),
        (other, &trusting, "is for another host"),
        (own, &trusting, "signed by itself"),
        (good, &["--cacert", "/nonexistent.pem"], "the certificates of /nonexistent.pem"),
        (good, &["--cacert", &empty], "there is none in PEM form"),
    ];
    for (port, arguments, words) in cases {
        let outcome = player(&format!("https://localhost:{port}/{}", title.entry)).args(arguments).run();
        assert_eq!(judge(&outcome, &title, Wanted::Error(&[2005])), Ok("error"), "{words}: {outcome}");
        let said = |words: &str| {
            let events = outcome.named("error");
            events.iter().any(|event| event["message"].as_str().is_some_and(|text| text.contains(words)))
        };
        assert!(said(words), "{words}: {outcome}");
        assert!(outcome.wall < SOON, "{words}: {outcome}");
    }
}

/// A title behind nginx, which speaks HTTP/2 to the player and passes on what an origin with this fault
/// sends: a body that breaks ends its stream, not the connection.
fn behind_http_2(title: &Title, fault: Fault, tag: Option<&str>) -> Option<(Outcome, Origin)> {
    let authority = Authority::new()?;
    let [port] = free_ports();
    let mut site = title.site().fault(fault);
    if let Some(tag) = tag {
        site = site.header("ETag", tag);
    }
    let origin = Origin::start(site);
    let pass = format!(
        "location / {{ proxy_pass http://{}; proxy_http_version 1.1; proxy_buffering off; }}",
        origin.authority()
    );
    let _nginx = Nginx::start(&server(port, &authority.issue("localhost", 2), &pass), port)?;
    let url = format!("https://localhost:{port}/{}", title.entry);
    Some((player(&url).args(&["--cacert", &text(&authority.certificate())]).run(), origin))
}

#[test]
fn bodies_that_break_over_http_2_are_noticed() {
    let title = title();
    let path = segment(Packaging::DashNumber);
    let cut = Effect::Truncate(500);
    for (fault, wanted) in
        [(Fault::first(1, path, cut.clone()), Wanted::Whole), (Fault::all(path, cut), Wanted::WithoutSegment)]
    {
        let Some((outcome, _)) = behind_http_2(&title, fault, None) else { return };
        let verdict = judge(&outcome, &title, wanted);
        assert!(verdict.is_ok(), "{verdict:?} {wanted:?}: {outcome}");
    }
}

#[test]
fn a_body_that_breaks_is_not_begun_again() {
    let title = title();
    let fault = Fault::total(1, segment(Packaging::DashNumber), Effect::Truncate(500));
    let Some((outcome, origin)) = behind_http_2(&title, fault, Some("\"v1\"")) else { return };
    assert_eq!(judge(&outcome, &title, Wanted::Whole), Ok("whole"), "{outcome}");
    assert!(outcome.error_codes().is_empty(), "nothing failed: {outcome}");
    let log = origin.log();
    let broken = log.iter().find(|asked| asked.status == 200 && !asked.complete).expect("a broken body");
    let rest: Vec<_> = log.iter().filter(|asked| asked.range.is_some()).collect();
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(rest[0].target, broken.target);
    assert_eq!(rest[0].header("if-range"), Some("\"v1\""));
    let whole = std::fs::metadata(title.folder.join(&broken.target)).expect("a file").len();
    assert!(rest[0].sent < whole && rest[0].sent + broken.sent >= whole, "{broken:?} {rest:?}");
}

/// The scripted origin is a proxy that has everything itself.
#[test]
fn the_proxy_of_the_environment_is_asked() {
    let title = title();
    let proxy = Origin::start(title.site());
    let address = format!("http://me:secret@{}", proxy.authority());
    let url = format!("http://media.invalid/{}", title.entry);
    let outcome = player(&url).env("http_proxy", &address).run();
    assert_eq!(judge(&outcome, &title, Wanted::Whole), Ok("whole"), "{outcome}");
    let log = proxy.log();
    let told = |name: &str, value: &str| log.iter().all(|asked| asked.header(name) == Some(value));
    assert!(told("host", "media.invalid"), "{log:?}");
    assert!(told("proxy-authorization", "Basic bWU6c2VjcmV0"), "{log:?}");
    assert!(!format!("{outcome}").contains("secret"), "{outcome}");

    let before = proxy.log().len();
    let outcome = player(&url).env("http_proxy", &address).env("no_proxy", "media.invalid").run();
    assert_eq!(judge(&outcome, &title, Wanted::Error(&[2001])), Ok("error"), "{outcome}");
    assert_eq!(proxy.log().len(), before, "the way past the proxy");
}

#[test]
fn tls_goes_through_a_proxy_unopened() {
    let Some(authority) = Authority::new() else { return };
    let (title, [port]) = (title(), free_ports());
    let servers = server(port, &authority.issue("media.invalid", 2), &root(&title));
    let Some(nginx) = Nginx::start(&servers, port) else { return };
    let proxy = Proxy::start(port);
    let outcome = player(&format!("https://media.invalid/{}", title.entry))
        .args(&["--cacert", &text(&authority.certificate())])
        .env("https_proxy", &proxy.url())
        .run();
    assert_eq!(judge(&outcome, &title, Wanted::Whole), Ok("whole"), "{outcome}");
    assert!(proxy.asked().iter().all(|host| host == "media.invalid:443"), "{:?}", proxy.asked());
    assert!(nginx.log().iter().all(|[protocol, ..]| protocol == "HTTP/2.0"));
}
