//! Asks the steering server of a title, again and again, which of its hosts to prefer (RFC 8216bis, 7; for DASH
//! ETSI TS 103 998).

use crate::limits;
use crate::manifest::steering::Steering;
use crate::manifest::{Addresses, Protocol};
use crate::net::{self, BodyKind, NetEvent};
use abr::protocol::{FailureKind, FetchId, Input, Timeouts};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use url::Url;

/// Requests for steering have identifiers of their own, which the session never gives.
const FIRST_ID: u64 = 1 << 62;
/// After a failure it is asked again so much later, when nothing else is known.
const RETRY: Duration = Duration::from_secs(300);
/// However long the server asks to wait.
const LONGEST: Duration = Duration::from_secs(3600);
/// Longest answer.
const BODY_BYTES: u64 = limits::LICENCE_BYTES;
const TIMEOUTS: Timeouts = Timeouts {
    first_byte: Duration::from_secs(8),
    idle: Duration::from_secs(4),
    total: Duration::from_secs(10),
};

/// See the module.
#[derive(Default)]
pub(super) struct Steerer {
    /// Where to ask next.
    url: Option<Url>,
    due: Option<Instant>,
    ttl: Option<Duration>,
    next_id: u64,
    flight: Option<net::Task>,
    /// The pathway that is preferred now.
    pathway: Option<String>,
}

/// What an answer changes.
pub(super) struct Turn {
    /// For the session.
    pub(super) order: Input,
    /// What is preferred from now on.
    pub(super) pathway: String,
}

impl Steerer {
    /// Takes in the addresses of a title that was read; gives the order of hosts to begin with.
    pub(super) fn begin(&mut self, addresses: &Addresses) -> Option<Input> {
        let start = addresses.steering()?;
        if self.url.is_some() {
            return None;
        }
        self.url = Some(start.url.clone());
        self.due = Some(Instant::now());
        self.pathway = start.first.clone().or_else(|| addresses.pathways().first().cloned());
        let first = start.first.clone()?;
        Some(Input::Locations { order: addresses.order(&[first]) })
    }

    /// When [`ask`](Self::ask) has something to do.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.due.filter(|_| self.flight.is_none() && self.url.is_some())
    }

    /// Makes the request that is due.
    pub(super) fn ask(
        &mut self,
        client: &net::Client,
        events: &UnboundedSender<NetEvent>,
        protocol: Option<Protocol>,
        throughput_bps: Option<u64>,
    ) {
        if self.wake().is_none_or(|due| due > Instant::now()) {
            return;
        }
        let Some(mut url) = self.url.clone() else { return };
        let prefix = match protocol {
            Some(Protocol::Dash) => "_DASH_",
            Some(Protocol::Hls) | None => "_HLS_",
        };
        if matches!(url.scheme(), "http" | "https") {
            let mut query = url.query_pairs_mut();
            if let Some(pathway) = &self.pathway {
                let quoted = if prefix == "_DASH_" { format!("\"{pathway}\"") } else { pathway.clone() };
                query.append_pair(&format!("{prefix}pathway"), &quoted);
            }
            if let Some(bps) = throughput_bps {
                query.append_pair(&format!("{prefix}throughput"), &bps.to_string());
            }
        }
        let id = FetchId(FIRST_ID + self.next_id);
        self.next_id += 1;
        let (range, post, kind) = (None, None, BodyKind::Other);
        let request = net::Request {
            id,
            url,
            range,
            timeouts: TIMEOUTS,
            limit_bytes: BODY_BYTES,
            kind,
            post,
            chunked: false,
        };
        self.flight = Some(client.start(request, events.clone()));
    }

    /// Whether an answer is to its own request.
    pub(super) fn owns(&self, event: &NetEvent) -> bool {
        let (NetEvent::Progress { id, .. }
        | NetEvent::Chunk { id, .. }
        | NetEvent::Done { id, .. }
        | NetEvent::Failed { id, .. }
        | NetEvent::Cancelled { id, .. }) = event;
        id.0 >= FIRST_ID
    }

    /// Takes an answer to its own request.
    pub(super) fn event(&mut self, event: NetEvent, addresses: Option<&mut Addresses>) -> Option<Turn> {
        match event {
            NetEvent::Progress { .. } | NetEvent::Chunk { .. } => None,
            NetEvent::Done { body, url, .. } => {
                self.flight = None;
                self.answered(&body, &url, addresses)
            }
            NetEvent::Failed { failure, .. } => {
                self.flight = None;
                let wait = failure.retry_after.or(self.ttl).unwrap_or(RETRY).min(LONGEST);
                // Gone for good (RFC 8216bis, 7.4): what was said last holds.
                let gone = failure.kind == FailureKind::Status(410);
                self.due = (!gone).then(|| Instant::now() + wait);
                None
            }
            NetEvent::Cancelled { .. } => {
                self.flight = None;
                None
            }
        }
    }

    fn answered(&mut self, body: &[u8], url: &Url, addresses: Option<&mut Addresses>) -> Option<Turn> {
        let now = Instant::now();
        let (Ok(answer), Some(addresses)) = (Steering::read(body), addresses) else {
            self.due = Some(now + self.ttl.unwrap_or(RETRY));
            return None;
        };
        self.ttl = Some(answer.ttl());
        self.due = Some(now + answer.ttl());
        let reload = answer.reload_uri.as_ref().and_then(|reload| addresses.reference_from(url, reload));
        self.url = reload.or_else(|| self.url.take());
        for clone in &answer.pathway_clones {
            addresses.clone_pathway(clone);
        }
        let known = addresses.pathways();
        let pathway = answer.pathway_priority.iter().find(|wanted| known.contains(wanted)).cloned()?;
        let order = Input::Locations { order: addresses.order(&answer.pathway_priority) };
        let changed = self.pathway.as_ref() != Some(&pathway);
        self.pathway = Some(pathway.clone());
        changed.then_some(Turn { order, pathway })
    }

    /// Gives up what is under way.
    pub(super) fn stop(&mut self) {
        self.due = None;
        if let Some(task) = self.flight.take() {
            task.cancel();
        }
    }
}
