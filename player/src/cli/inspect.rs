//! `sluice inspect`: fetches a manifest with the indexes it needs and prints the presentation.

use super::args::{Inspect, Network};
use super::{Exit, address, complain, fatal};
use crate::manifest::{self, Title};
use crate::net::{self, BodyKind, NetEvent};
use crate::{driver, inspect, limits};
use abr::error::{Code, Error};
use abr::presentation::RepresentationKey;
use abr::protocol::{FetchId, Resource, Timeouts};
use abr::retry::code;
use abr::segments::SegmentIndex;
use bytes::Bytes;
use std::io::Write;
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;
use url::Url;

/// Patience for each request; nobody waits for playback here.
const TIMEOUTS: Timeouts = Timeouts {
    first_byte: Duration::from_secs(8),
    idle: Duration::from_secs(4),
    total: Duration::from_secs(10),
};

pub(super) fn run(arguments: Inspect) -> Exit {
    let title = address(&arguments.url).and_then(|url| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| fatal(Code::Internal, format!("No runtime: {e}.")))?;
        runtime.block_on(load(url, &arguments.network))
    });
    let title = match title {
        Ok(title) => title,
        Err(error) => return complain(&error.to_string(), Exit::of(&error, false)),
    };
    let text = if arguments.json { inspect::json(&title).to_string() } else { inspect::text(&title) };
    // A reader that closes the pipe early has seen what it wanted.
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    Exit::Ok
}

/// Network settings for a title at `url`, from the options.
pub(super) fn network(url: &Url, options: &Network) -> net::Config {
    net::Config {
        headers: options.headers.clone(),
        allow_private: options.allow_private,
        authorities: options.cacert.clone(),
        ..net::Config::new(url.clone())
    }
}

async fn load(url: Url, options: &Network) -> Result<Title, Error> {
    let client = net::Client::new(network(&url, options));
    let client = client.map_err(|e| fatal(Code::Internal, format!("No network client: {e}.")))?;
    let (url, body) = get(&client, url, None, BodyKind::Manifest).await?;
    let mut title = manifest::read(&url, &body).map_err(|e| fatal(e.code(), e.to_string()))?;
    let pending = |(key, r): (RepresentationKey, &abr::presentation::Representation)| {
        matches!(r.index, SegmentIndex::Pending).then_some(key)
    };
    let pending: Vec<_> = title.presentation.representations().filter_map(pending).collect();
    for key in pending {
        let index = index(&client, &mut title, key).await;
        match (index, title.presentation.representation_mut(key)) {
            (Ok(index), Some(representation)) => representation.index = index,
            (Err(error), Some(representation)) => {
                let warning = format!("representation {}: {error}", representation.id);
                title.presentation.warnings.push(warning);
            }
            (_, None) => {}
        }
    }
    Ok(title)
}

async fn index(
    client: &net::Client,
    title: &mut Title,
    key: RepresentationKey,
) -> Result<SegmentIndex, Error> {
    let address = title.addresses.resolve(&Resource::Index(key), 0);
    let address = address.ok_or_else(|| fatal(Code::Manifest, "its index has no address"))?;
    let range = address.range.map(driver::inclusive);
    let (url, body) = get(client, address.url, range, BodyKind::Index).await?;
    title.addresses.read_index(key, &url, &body).map_err(|e| fatal(e.code(), e.to_string()))
}

/// One request, awaited.
async fn get(
    client: &net::Client,
    url: Url,
    range: Option<(u64, Option<u64>)>,
    kind: BodyKind,
) -> Result<(Url, Bytes), Error> {
    let (events, mut answers) = unbounded_channel();
    let limit_bytes = limits::MANIFEST_DECODED_BYTES;
    let request = net::Request {
        id: FetchId(0),
        url,
        range,
        timeouts: TIMEOUTS,
        limit_bytes,
        kind,
        post: None,
        chunked: false,
    };
    let _task = client.start(request, events);
    while let Some(answer) = answers.recv().await {
        match answer {
            NetEvent::Progress { .. } | NetEvent::Chunk { .. } => {}
            NetEvent::Done { body, url, .. } => return Ok((url, body)),
            NetEvent::Failed { failure, .. } => return Err(fatal(code(failure.kind, true), failure.detail)),
            NetEvent::Cancelled { .. } => break,
        }
    }
    Err(fatal(Code::Internal, "The request ended without an answer."))
}
