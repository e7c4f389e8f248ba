//! One body over more than one connection: what a broken one left is asked for from there on.
//!
//! Only where nothing can go wrong by it: the server serves parts, said how long the whole is, and gave it a
//! strong entity tag, so that a part of something else is not taken for the rest (RFC 9110, 13.1.5 and 14.2).
//! Everything else is a failed request, about which is decided elsewhere.

use super::body::{self, Collected, Meter};
use super::{BodyKind, Got, NetEvent, Request, failure, http};
use abr::protocol::{Failure, FailureKind};
use bytes::Bytes;
use tokio::sync::mpsc::UnboundedSender;

/// Connections that one body may take.
const CONNECTIONS: u32 = 3;

/// Reads the body of `request`, over up to [`CONNECTIONS`] of them while each brings it forward.
pub(super) async fn read(
    shared: &http::Shared,
    request: &Request,
    meter: &Meter,
    events: &UnboundedSender<NetEvent>,
) -> Result<Got, Failure> {
    let mut opened = http::open(shared, request).await?;
    if request.kind == BodyKind::Date {
        let date = opened.response.headers().get(reqwest::header::DATE);
        let body = date.map(|date| Bytes::copy_from_slice(date.as_bytes())).unwrap_or_default();
        meter.add(body.len() as u64);
        return Ok(Got { body, url: opened.url, content_type: None });
    }
    let (url, content_type, tag) = (opened.url.clone(), opened.content_type.take(), opened.tag.clone());
    // What was compressed on the way has no parts.
    let compressible =
        matches!(request.kind, BodyKind::Manifest | BodyKind::Index) && request.range.is_none();
    let tag = tag.filter(|_| !compressible && request.post.is_none());
    let (first, last) = request.range.unwrap_or((0, None));
    let mut collected = Collected::default();
    let mut whole = None;
    for connection in 1.. {
        let before = collected.bytes.len();
        let broken = match body::collect(opened, request, meter, events, &mut collected).await {
            Ok(()) => break,
            Err(failure) => failure,
        };
        whole = whole.or(collected.expected);
        let have = collected.bytes.len();
        let left = whole.is_some_and(|whole| whole > have as u64);
        let (Some(tag), FailureKind::Truncated) = (&tag, broken.kind) else { return Err(broken) };
        if !left || have == before || connection == CONNECTIONS {
            return Err(broken);
        }
        let from = first.saturating_add(have as u64);
        let rest = Request { url: url.clone(), range: Some((from, last)), ..request.clone() };
        opened = match http::open_rest(shared, &rest, tag).await {
            // Anything but the rest is of no use, and that the connection broke says more.
            Ok(rest) if rest.window.skip == 0 => rest,
            Ok(_) | Err(_) => return Err(broken),
        };
    }
    if whole.is_some_and(|whole| whole != collected.bytes.len() as u64) {
        return Err(failure::new(FailureKind::Truncated, &url, "the parts do not make up the whole"));
    }
    Ok(Got { body: collected.bytes.freeze(), url, content_type })
}
