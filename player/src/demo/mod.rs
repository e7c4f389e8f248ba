//! The built-in demo: a small title and an origin that serves it over a line like a train's.
//!
//! The title (made by `player/demo/make`) is part of the program. The origin listens on loopback only and
//! lets bytes through as `player/demo/trace.json` says, so that the choice of renditions can be watched.

mod link;
mod title;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, RANGE,
};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use link::Link;
use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use title::Title;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

/// What is put on the line at once: about a packet.
const PIECE: usize = 1400;

/// Why the demo cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No socket on loopback.
    #[error("the demo cannot listen on loopback: {0}")]
    Listen(#[from] io::Error),
    /// The program was built with a title or trace that cannot be served.
    #[error("the built-in title is damaged: {0}")]
    Title(String),
}

/// A running origin with the demo title. Dropping it ends it and all its connections.
#[derive(Debug)]
pub struct Origin {
    /// Address of the MPD.
    pub url_dash: Url,
    /// Address of the multivariant playlist.
    pub url_hls: Url,
    server: JoinHandle<()>,
}

impl Origin {
    /// Starts serving on a free port of loopback, on the current tokio runtime. The line's trace begins
    /// with the first request.
    ///
    /// # Errors
    ///
    /// [`DemoError`] when there is no loopback to listen on.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start() -> Result<Self, DemoError> {
        let title = Title::built_in().map_err(DemoError::Title)?;
        let link = Link::built_in().map_err(DemoError::Title)?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let url = |name: &str| {
            Url::parse(&format!("http://{address}/{name}"))
                .map_err(|error| DemoError::Title(error.to_string()))
        };
        let (url_dash, url_hls) = (url("title.mpd")?, url("title.m3u8")?);
        let server = tokio::spawn(serve(listener, Arc::new(title), Arc::new(link)));
        Ok(Self { url_dash, url_hls, server })
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Accepts connections; they end with this future, because the set owns them.
async fn serve(listener: TcpListener, title: Arc<Title>, link: Arc<Link>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // Out of descriptors or a client that left at once; the next one may do better.
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(connection(stream, Arc::clone(&title), Arc::clone(&link)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, title: Arc<Title>, link: Arc<Link>) {
    // Without this the pieces of a slow line would be collected into lumps. Nothing is lost if it fails.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (title, link) = (Arc::clone(&title), Arc::clone(&link));
        async move {
            link.latency().await;
            Ok::<_, Infallible>(answer(&title, &request).map(|body| shaped(body, link)))
        }
    });
    // An error here is the client's going away, which is how players end requests.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The response to one request, all of its body at hand.
fn answer<B>(title: &Title, request: &Request<B>) -> Response<Bytes> {
    let empty = |status| {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        response
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    let Some((whole, content_type)) = title.resource(request.uri().path()) else {
        return empty(StatusCode::NOT_FOUND);
    };
    let length = whole.len();
    let asked = request.headers().get(RANGE).and_then(|value| value.to_str().ok());
    let mut response = match asked.and_then(|value| range(value, length)) {
        None => Response::new(whole),
        Some(None) => {
            let mut response = empty(StatusCode::RANGE_NOT_SATISFIABLE);
            insert(&mut response, CONTENT_RANGE, &format!("bytes */{length}"));
            return response;
        }
        Some(Some((first, last))) => {
            let mut response = Response::new(whole.slice(first..=last));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            insert(&mut response, CONTENT_RANGE, &format!("bytes {first}-{last}/{length}"));
            response
        }
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let sent = response.body().len().to_string();
    insert(&mut response, CONTENT_LENGTH, &sent);
    if request.method() == Method::HEAD {
        response.body_mut().clear();
    }
    response
}

fn insert(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}

/// First and last byte of a `Range` with one range (RFC 9110, 14.1.2). `None`: not such a header, the
/// whole is sent; `Some(None)`: nothing of the whole is inside.
fn range(value: &str, length: usize) -> Option<Option<(usize, usize)>> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let end = length.checked_sub(1);
    if first.is_empty() {
        let suffix: usize = last.parse().ok()?;
        return Some(end.filter(|_| suffix > 0).map(|end| (length.saturating_sub(suffix), end)));
    }
    let first: usize = first.parse().ok()?;
    let last: usize = if last.is_empty() { usize::MAX } else { last.parse().ok()? };
    if last < first {
        return None;
    }
    Some(end.filter(|end| first <= *end).map(|end| (first, last.min(end))))
}

/// A body that goes out piece by piece, each when the line has carried it.
fn shaped(body: Bytes, link: Arc<Link>) -> impl Body<Data = Bytes, Error = Infallible> {
    StreamBody::new(stream::unfold((body, link), |(mut body, link)| async move {
        if body.is_empty() {
            return None;
        }
        let piece = body.split_to(body.len().min(PIECE));
        link.carry(piece.len()).await;
        Some((Ok(Frame::data(piece)), (body, link)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{self, BodyKind, Client, NetEvent};
    use abr::presentation::Container;
    use abr::protocol::{FailureKind, FetchId, Timeouts};
    use std::time::Duration;
    use tokio::sync::mpsc;

    fn get(title: &Title, path: &str, asked: Option<&str>) -> Response<Bytes> {
        let mut request = Request::builder().uri(path);
        if let Some(asked) = asked {
            request = request.header(RANGE, asked);
        }
        answer(title, &request.body(()).unwrap())
    }

    #[test]
    fn numbered_segments_and_byte_ranges_are_the_same_bytes() {
        let title = Title::built_in().unwrap();
        let playlist = get(&title, "/1080p.m3u8", None).into_body();
        let playlist = std::str::from_utf8(&playlist).unwrap().to_owned();
        let mut number = 0;
        for line in playlist.lines() {
            let Some(range) = line.strip_prefix("#EXT-X-BYTERANGE:") else { continue };
            number += 1;
            let (length, start) = range.split_once('@').unwrap();
            let (length, start): (usize, usize) = (length.parse().unwrap(), start.parse().unwrap());
            let asked = format!("bytes={start}-{}", start + length - 1);
            let part = get(&title, "/1080p.mp4", Some(&asked));
            assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
            let segment = get(&title, &format!("/1080p/{number}.m4s"), None);
            assert_eq!(segment.status(), StatusCode::OK);
            assert_eq!(part.body(), segment.body());
            assert_eq!(&part.body()[4..8], b"moof");
        }
        assert_eq!(number, 32);
        assert_eq!(get(&title, "/1080p/33.m4s", None).status(), StatusCode::NOT_FOUND);
        assert_eq!(get(&title, "/1080p/0.m4s", None).status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn every_address_of_the_manifests_is_served() {
        let title = Title::built_in().unwrap();
        let master = get(&title, "/title.m3u8", None).into_body();
        let master = std::str::from_utf8(&master).unwrap().to_owned();
        let playlists: Vec<&str> = master.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(playlists.len(), 5);
        for name in playlists.iter().map(|name| name.trim_end_matches(".m3u8")).chain(["audio"]) {
            for path in [format!("/{name}.m3u8"), format!("/{name}/init.mp4"), format!("/{name}/32.m4s")] {
                let response = get(&title, &path, None);
                assert_eq!(response.status(), StatusCode::OK, "{path}");
                assert!(!response.body().is_empty(), "{path}");
            }
        }
        assert_eq!(get(&title, "/title.mpd", None).headers()[CONTENT_TYPE], "application/dash+xml");
        assert_eq!(get(&title, "/../etc/passwd", None).status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn ranges_follow_http() {
        assert_eq!(range("bytes=0-9", 100), Some(Some((0, 9))));
        assert_eq!(range("bytes=90-", 100), Some(Some((90, 99))));
        assert_eq!(range("bytes=90-200", 100), Some(Some((90, 99))));
        assert_eq!(range("bytes=-10", 100), Some(Some((90, 99))));
        assert_eq!(range("bytes=-1000", 100), Some(Some((0, 99))));
        assert_eq!(range("bytes=100-", 100), Some(None));
        assert_eq!(range("bytes=-0", 100), Some(None));
        for ignored in ["bytes=9-0", "bytes=0-1,5-6", "lines=0-1", "bytes=x-"] {
            assert_eq!(range(ignored, 100), None, "{ignored}");
        }
    }

    /// The body of one request, or why there is none.
    async fn fetch(
        client: &Client,
        url: Url,
        range: Option<(u64, Option<u64>)>,
    ) -> Result<Bytes, FailureKind> {
        let long = Duration::from_secs(20);
        let request = net::Request {
            id: FetchId(1),
            url,
            range,
            timeouts: Timeouts { first_byte: long, idle: long, total: long },
            limit_bytes: u64::MAX,
            kind: BodyKind::Segment(Container::Unknown),
            post: None,
            chunked: false,
        };
        let (sender, mut events) = mpsc::unbounded_channel();
        let _task = client.start(request, sender);
        loop {
            match events.recv().await.expect("each request is answered") {
                NetEvent::Progress { .. } | NetEvent::Chunk { .. } => {}
                NetEvent::Done { body, .. } => return Ok(body),
                NetEvent::Failed { failure, .. } => return Err(failure.kind),
                NetEvent::Cancelled { .. } => unreachable!("nobody cancels"),
            }
        }
    }

    #[tokio::test]
    async fn the_title_is_served_over_loopback_until_the_origin_is_dropped() {
        let title = Title::built_in().unwrap();
        let origin = Origin::start().unwrap();
        let (mpd, hls) = (origin.url_dash.clone(), origin.url_hls.clone());
        let client = Client::new(net::Config::new(mpd.clone())).unwrap();
        let file = |name: &str| title.resource(name).unwrap().0;
        assert_eq!(fetch(&client, mpd.clone(), None).await, Ok(file("/title.mpd")));
        assert_eq!(fetch(&client, hls.clone(), None).await, Ok(file("/title.m3u8")));
        let init = mpd.join("240p/init.mp4").unwrap();
        assert_eq!(fetch(&client, init, None).await, Ok(file("/240p/init.mp4")));
        let first = file("/240p/1.m4s");
        let start = file("/240p/init.mp4").len() as u64;
        let range = Some((start, Some(start + first.len() as u64 - 1)));
        assert_eq!(fetch(&client, hls.join("240p.mp4").unwrap(), range).await, Ok(first));
        let nothing = fetch(&client, mpd.join("no").unwrap(), None).await;
        assert_eq!(nothing, Err(FailureKind::Status(404)));
        drop(origin);
        assert!(fetch(&client, mpd, None).await.is_err());
    }
}
