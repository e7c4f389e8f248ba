//! Manifests and indexes that are fetched again and again: what was known before, and what is told of it.

use crate::manifest::dash::patch;
use crate::manifest::{self, Addresses, ClockFormat, ManifestError, Title};
use crate::net;
use abr::presentation::{Live, Presentation, RepresentationKey};
use abr::protocol::{ClockSource, Input, Transfer};
use abr::time::WallClock;
use bytes::Bytes;
use std::time::{SystemTime, UNIX_EPOCH};
use url::Url;

/// What the manifest and the indexes said last.
#[derive(Default)]
pub(super) struct Growth {
    /// The manifest's bytes, to know them again.
    body: Bytes,
    presentation: Option<Presentation>,
    live: Option<(Live, Option<WallClock>)>,
}

impl Growth {
    /// Reads a manifest, or a patch for the one that was read last; `None` when it is what was read last. With
    /// it come the facts to tell before it.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub(super) fn manifest(
        &mut self,
        known: Option<&Addresses>,
        url: &Url,
        body: &Bytes,
    ) -> Result<Option<(Title, Vec<Input>)>, ManifestError> {
        if known.is_some() && self.body == *body {
            return Ok(None);
        }
        let patched = match (known, manifest::decode(body)) {
            (Some(known), Ok(text)) if patch::is_patch(text) => {
                let whole = patch::apply(manifest::decode(&self.body)?, text)?;
                Some((known.manifest().clone(), Bytes::from(whole)))
            }
            _ => None,
        };
        let (url, body) = patched.as_ref().map_or((url, body), |(url, body)| (url, body));
        let read = manifest::read(url, body)?;
        let read = match (&self.presentation, known) {
            (Some(presentation), Some(addresses)) => read.following(presentation, addresses),
            _ => read,
        };
        if read.presentation.live.is_some() {
            self.presentation = Some(read.presentation.clone());
            self.body = body.clone();
        }
        let time = read.now.map(|time| Input::WallClock { time, source: ClockSource::Manifest });
        Ok(Some((read, time.into_iter().collect())))
    }

    /// What is to be told before the index that `addresses` has just read.
    pub(super) fn index(&mut self, addresses: &Addresses, key: RepresentationKey) -> Vec<Input> {
        let live = addresses.live(key);
        if live.is_none() || live == self.live {
            return Vec::new();
        }
        self.live.clone_from(&live);
        let told = live.map(|(live, zero)| Input::Live { live: Box::new(live), zero });
        told.into_iter().collect()
    }
}

/// The time by this machine's clock.
pub(super) fn system_time() -> Input {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = WallClock::from_millis(i64::try_from(now.as_millis()).unwrap_or(0));
    Input::WallClock { time, source: ClockSource::System }
}

/// The time that a service answered with; it was that halfway through the exchange.
pub(super) fn time(format: ClockFormat, transfer: Transfer, body: &[u8]) -> Option<Input> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let told = match format {
        ClockFormat::Date => manifest::iso8601::date_time(text)?,
        // Whole seconds, cut off: on average half of one has passed since.
        ClockFormat::Header => {
            let seconds = i64::try_from(net::http_date(text)?).ok()?;
            WallClock::from_millis(seconds.checked_mul(1000)?.checked_add(500)?)
        }
    };
    let age = i64::try_from((transfer.total / 2).as_millis()).unwrap_or(0);
    let time = WallClock::from_millis(told.as_millis().saturating_add(age));
    Some(Input::WallClock { time, source: ClockSource::Manifest })
}
