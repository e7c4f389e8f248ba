//! Where the parts of a presentation are: the side of a title that only a fetcher needs.

use super::dash::DashSource;
use super::error::ManifestError;
use super::hls::{HlsSource, MediaPlaylist, Placed};
use super::pathways::SteeringStart;
use super::policy::Policy;
use crate::pipeline::Timing;
use crate::timed::TimedEvent;
use abr::error::Code;
use abr::presentation::{Live, RepresentationKey};
use abr::protocol::Resource;
use abr::segments::{Segment, SegmentIndex};
use abr::time::WallClock;
use std::time::Instant;
use url::Url;

/// Bytes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// Byte after the last; `None` means to the end of the resource.
    pub end: Option<u64>,
}

impl ByteRange {
    /// How many bytes, when the end is known.
    pub fn len(&self) -> Option<u64> {
        self.end.map(|end| end.saturating_sub(self.start))
    }

    /// Whether it is known to hold nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

/// Where to get something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The resource.
    pub url: Url,
    /// Which bytes of it; `None` for all.
    pub range: Option<ByteRange>,
}

impl Address {
    /// All of `url`.
    pub fn whole(url: Url) -> Self {
        Self { url, range: None }
    }
}

/// The family of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Protocol {
    /// MPEG-DASH (ISO/IEC 23009-1).
    #[serde(rename = "DASH")]
    Dash,
    /// HTTP Live Streaming (RFC 8216 and its revision).
    #[serde(rename = "HLS")]
    Hls,
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Dash => "DASH",
            Self::Hls => "HLS",
        })
    }
}

/// How one representation is protected, as far as the manifest says.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Protection {
    /// Key system or scheme: `ContentProtection@schemeIdUri` in lower case, or `EXT-X-KEY` `KEYFORMAT`.
    pub scheme: String,
    /// `ContentProtection@value` (`cenc`, `cbcs`) or the `EXT-X-KEY` `METHOD`.
    pub value: String,
    /// `cenc:default_KID` as 32 hexadecimal digits.
    pub default_kid: Option<String>,
    /// The key system's `pssh` box in base64.
    pub pssh: Option<String>,
    /// Address of a key or a licence server, as written.
    pub url: Option<String>,
}

/// What of a segment is encrypted with a key that the manifest itself names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encrypted {
    /// All bytes: HLS `AES-128` (RFC 8216, 5.2), DASH segment encryption (ISO/IEC 23009-4).
    Bytes,
    /// The samples: HLS `SAMPLE-AES` with the encryption that the initialization segment describes.
    Samples,
}

/// How a segment is encrypted with a key that the manifest itself names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentEncryption {
    /// What is encrypted.
    pub what: Encrypted,
    /// Where the key is, or why there is none for us.
    pub key: Result<Url, NoKey>,
    /// Initialization vector; `None` where the media carries it.
    pub iv: Option<[u8; 16]>,
}

/// Why a key that a manifest names cannot be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoKey {
    /// What users see.
    pub code: Code,
    /// For people.
    pub detail: String,
}

/// The sources of one representation.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Dash(Box<DashSource>),
    Hls(Box<HlsSource>),
}

/// Where everything that a [`Presentation`](abr::presentation::Presentation) lists can be fetched.
#[derive(Clone, Debug)]
pub struct Addresses {
    pub(crate) protocol: Protocol,
    pub(crate) manifest: Url,
    pub(crate) policy: Policy,
    /// In the order of [`RepresentationKey`]: period, adaptation set, representation.
    pub(crate) sources: Vec<Vec<Vec<Source>>>,
    /// Where the manifest is to be fetched again (`Location`).
    pub(crate) refresh: Url,
    /// Services that tell the time, and what their answer looks like.
    pub(crate) clocks: Vec<(ClockFormat, Url)>,
    /// Keys that the manifest names ahead of need.
    pub(crate) session_keys: Vec<(Encrypted, Url)>,
    /// Where to ask for what has changed instead of the whole manifest.
    pub(crate) patch: Option<PatchAddress>,
    /// Where to ask for the order of hosts.
    pub(crate) steering: Option<SteeringStart>,
    /// Names of the hosts by number, where there is steering.
    pub(crate) pathways: Vec<String>,
}

/// Where a patch for the manifest is (`PatchLocation`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PatchAddress {
    pub(crate) url: Url,
    /// Until when it is there (`@ttl`).
    pub(crate) until: Option<Instant>,
}

/// What a service that tells the time answers (`UTCTiming@schemeIdUri`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClockFormat {
    /// `urn:mpeg:dash:utc:http-xsdate` and `…:http-iso`: a date and time as the body.
    Date,
    /// `urn:mpeg:dash:utc:http-head`: the `Date` header.
    Header,
}

impl Addresses {
    /// The family of the manifest.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Where the manifest itself was found, after redirects.
    pub fn manifest(&self) -> &Url {
        &self.manifest
    }

    fn source(&self, key: RepresentationKey) -> Option<&Source> {
        self.sources
            .get(key.period as usize)?
            .get(key.adaptation_set as usize)?
            .get(key.representation as usize)
    }

    /// Where `resource` is on host number `location` (modulo the number of hosts). `None` when the resource
    /// does not exist, or its address is not permitted.
    pub fn resolve(&self, resource: &Resource, location: u32) -> Option<Address> {
        let address = match resource {
            Resource::Presentation => {
                let fresh = |patch: &&PatchAddress| patch.until.is_none_or(|until| Instant::now() < until);
                let patch = self.patch.as_ref().filter(fresh).map(|patch| patch.url.clone());
                Some(Address::whole(patch.unwrap_or_else(|| self.refresh.clone())))
            }
            Resource::Clock(service) => {
                self.clocks.get(*service as usize).cloned().map(|(_, url)| Address::whole(url))
            }
            Resource::Index(key) => match self.source(*key)? {
                Source::Dash(source) => source.index(&self.policy, location),
                Source::Hls(source) => source.index(location, self.reported(source)),
            },
            Resource::Init { representation, init } => match self.source(*representation)? {
                Source::Dash(source) => source.init(&self.policy, location),
                Source::Hls(source) => source.init(&self.policy, *init, location),
            },
            Resource::Segment { representation, segment } => match self.source(*representation)? {
                Source::Dash(source) => source.segment(&self.policy, segment, location),
                Source::Hls(source) => source.segment(&self.policy, segment, location),
            },
            Resource::Licence(_) => None,
        }?;
        self.policy.check(&address.url).ok()?;
        Some(address)
    }

    /// How the bytes or samples of `resource` are encrypted with a key that the manifest names.
    pub fn encryption(&self, resource: &Resource) -> Option<SegmentEncryption> {
        match resource {
            Resource::Init { representation, init } => match self.source(*representation)? {
                Source::Dash(source) => source.encryption(&self.policy),
                Source::Hls(source) => source.init_encryption(&self.policy, *init),
            },
            Resource::Segment { representation, segment } => match self.source(*representation)? {
                Source::Dash(source) => source.encryption(&self.policy),
                Source::Hls(source) => source.encryption(&self.policy, segment),
            },
            Resource::Presentation | Resource::Index(_) | Resource::Clock(_) | Resource::Licence(_) => None,
        }
    }

    /// Keys that the manifest names before any segment needs them (`EXT-X-SESSION-KEY`), at most 32.
    pub fn session_keys(&self) -> &[(Encrypted, Url)] {
        &self.session_keys
    }

    /// An address that the manifest names outside of any segment, such as that of a licence server; `None`
    /// when it is not permitted.
    pub fn reference(&self, reference: &str) -> Option<Url> {
        self.policy.resolve(&self.manifest, reference).ok()
    }

    /// Reads a fetched index (a media playlist or a `sidx` box), remembers the addresses in it and returns
    /// the index for the session. `url` is where it was found, after redirects.
    ///
    /// # Errors
    ///
    /// [`ManifestError`] when `body` is not a readable index, or `key` names no representation.
    pub fn read_index(
        &mut self,
        key: RepresentationKey,
        url: &Url,
        body: &[u8],
    ) -> Result<SegmentIndex, ManifestError> {
        let missing =
            || ManifestError::malformed(Default::default(), format!("there is no representation {key}"));
        let (playlist, elsewhere) = match self.source(key).ok_or_else(missing)? {
            Source::Dash(_) => (None, None),
            Source::Hls(source) => {
                let playlist = source.read_playlist(&self.policy, url, body)?;
                let elsewhere = self.place_elsewhere(key, &playlist);
                (Some(playlist), elsewhere)
            }
        };
        let source = self
            .sources
            .get_mut(key.period as usize)
            .and_then(|sets| sets.get_mut(key.adaptation_set as usize))
            .and_then(|representations| representations.get_mut(key.representation as usize));
        match (source.ok_or_else(missing)?, playlist) {
            (Source::Hls(source), Some(playlist)) => source.accept(url.clone(), playlist, elsewhere, body),
            (Source::Dash(source), _) => source.read_index(body),
            (Source::Hls(_), None) => Err(missing()),
        }
    }

    /// What the playlist that was read last of those that say something about `source` says.
    fn reported(&self, source: &HlsSource) -> Option<&super::hls::RenditionReport> {
        let reports = self.sources.iter().flatten().flatten().filter_map(|other| match other {
            Source::Hls(other) => other.report(source),
            Source::Dash(_) => None,
        });
        reports.max_by_key(|(read, _)| *read).map(|(_, report)| report)
    }

    /// Where the other playlists of the title put `playlist`.
    fn place_elsewhere(&self, key: RepresentationKey, playlist: &MediaPlaylist) -> Option<Placed> {
        let own = self.source(key).map(std::ptr::from_ref);
        let others = self.sources.iter().flatten().flatten();
        let others = others.filter(|source| Some(std::ptr::from_ref(*source)) != own);
        let placed = others.filter_map(|source| match source {
            Source::Hls(source) => source.place(playlist),
            Source::Dash(_) => None,
        });
        placed.max_by_key(|placed| placed.epoch)
    }

    /// Whether `body` is the index that was read last.
    pub fn is_unchanged(&self, key: RepresentationKey, body: &[u8]) -> bool {
        matches!(self.source(key), Some(Source::Hls(source)) if source.is_unchanged(body))
    }

    /// What the index read last says about playing it while it grows; `None` for one that does not.
    pub fn live(&self, key: RepresentationKey) -> Option<(Live, Option<WallClock>)> {
        match self.source(key)? {
            Source::Hls(source) => source.live(),
            Source::Dash(_) => None,
        }
    }

    /// Asks for the whole manifest from now on, until it names a patch again.
    pub(crate) fn without_patch(&mut self) {
        self.patch = None;
    }

    /// What the index that was read last says about moments of the timeline (`EXT-X-DATERANGE`).
    pub fn events(&self, key: RepresentationKey) -> Vec<TimedEvent> {
        match self.source(key) {
            Some(Source::Hls(source)) => source.events(),
            Some(Source::Dash(_)) | None => Vec::new(),
        }
    }

    /// What a service that tells the time answers.
    pub(crate) fn clock(&self, service: u32) -> Option<ClockFormat> {
        self.clocks.get(service as usize).map(|(format, _)| *format)
    }

    /// How the time stamps of a segment map onto the timeline.
    pub fn timing(&self, key: RepresentationKey, segment: &Segment) -> Timing {
        match self.source(key) {
            Some(Source::Dash(source)) => source.timing(),
            Some(Source::Hls(_)) | None => Timing::Discontinuity(segment.discontinuity),
        }
    }

    /// Columns and rows of thumbnails in one picture of a representation of content type image.
    pub fn tiles(&self, key: RepresentationKey) -> Option<(u32, u32)> {
        match self.source(key)? {
            Source::Dash(source) => source.tiles,
            Source::Hls(_) => None,
        }
    }

    /// How a representation is protected; empty when it is clear or not known yet.
    pub fn protection(&self, key: RepresentationKey) -> Vec<Protection> {
        match self.source(key) {
            Some(Source::Dash(source)) => source.protection.clone(),
            Some(Source::Hls(source)) => source.protection(),
            None => Vec::new(),
        }
    }
}
