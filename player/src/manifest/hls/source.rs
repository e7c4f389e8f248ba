//! Where the segments of one HLS representation are: its media playlists on one or more hosts, and the one
//! that has been read.

use super::media;
use super::refresh::Placed;
use super::types::{Map, MediaPlaylist, MediaSegment, RenditionReport};
use super::variables::Variables;
use crate::manifest::policy::Policy;
use crate::manifest::{Address, ByteRange, ManifestError, Protection};
use abr::segments::{Segment, SegmentIndex};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use url::Url;

/// Ticks per second of every HLS index: nanoseconds, so that decimal durations add up exactly.
pub(super) const TIMESCALE: u32 = 1_000_000_000;

/// The sources of one representation.
#[derive(Clone, Debug)]
pub(crate) struct HlsSource {
    /// Addresses of the same playlist on interchangeable hosts.
    pub(crate) playlists: Vec<Url>,
    /// Pathways of these, one by one.
    pub(crate) pathways: Vec<String>,
    /// `STABLE-VARIANT-ID` or `STABLE-RENDITION-ID`.
    pub(crate) stable: Option<String>,
    /// What its `EXT-X-DEFINE` may import.
    pub(super) variables: Arc<BTreeMap<String, String>>,
    pub(super) loaded: Option<Loaded>,
    /// Every initialization section that a playlist has named, in the order of their appearance.
    pub(super) maps: Vec<Map>,
}

/// A playlist that has been read.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    /// Where it was found, after redirects.
    url: Url,
    /// Which of the hosts that was.
    location: usize,
    /// Start of its first segment on the timeline, nanoseconds.
    pub(super) origin: i64,
    pub(super) playlist: MediaPlaylist,
    /// How often the media sequence was reset before.
    pub(super) epoch: u64,
    /// How often in a row the server gave an older state.
    pub(super) older: u32,
    /// Whether it was ever read while it grew.
    pub(super) grew: bool,
    /// Its bytes, to know them again; empty when it is complete.
    pub(super) body: Vec<u8>,
    pub(super) read: Instant,
}

impl HlsSource {
    pub(super) fn new(playlists: Vec<Url>, variables: Arc<BTreeMap<String, String>>) -> Self {
        Self { playlists, pathways: Vec::new(), stable: None, variables, loaded: None, maps: Vec::new() }
    }

    fn host(&self, location: u32) -> usize {
        location as usize % self.playlists.len().max(1)
    }

    pub(crate) fn playlist(&self) -> Option<&MediaPlaylist> {
        self.loaded.as_ref().map(|loaded| &loaded.playlist)
    }

    /// Where the playlist that was read was found.
    pub(super) fn base(&self) -> Option<&Url> {
        self.loaded.as_ref().map(|loaded| &loaded.url)
    }

    /// Where the playlist is, asked for what another one reports of it.
    pub(crate) fn index(&self, location: u32, reported: Option<&RenditionReport>) -> Option<Address> {
        let mut url = self.playlists.get(self.host(location)).cloned()?;
        for (name, value) in self.directives(reported) {
            url.query_pairs_mut().append_pair(name, &value);
        }
        Some(Address::whole(url))
    }

    /// `reference` of the read playlist, on another host relative to that host's playlist.
    fn address(
        &self,
        policy: &Policy,
        reference: &str,
        range: Option<ByteRange>,
        location: u32,
    ) -> Option<Address> {
        let loaded = self.loaded.as_ref()?;
        let place = self.host(location);
        let base = if place == loaded.location { &loaded.url } else { self.playlists.get(place)? };
        Some(Address { url: policy.resolve(base, reference).ok()?, range })
    }

    pub(crate) fn init(&self, policy: &Policy, init: u32, location: u32) -> Option<Address> {
        let map = self.maps.get(init as usize)?;
        self.address(policy, &map.uri, map.byte_range, location)
    }

    pub(crate) fn segment(&self, policy: &Policy, segment: &Segment, location: u32) -> Option<Address> {
        let playlist = self.playlist()?;
        let at = usize::try_from(segment.number.checked_sub(playlist.first_number())?).ok()?;
        if let Some(place) = segment.part {
            let mut parts = playlist.parts.iter().filter(|part| part.segment == at);
            let Some(part) = parts.nth(place.index as usize) else {
                let open = at == playlist.segments.len() && place.index as usize == playlist.open_parts();
                let hint = playlist.hint().filter(|_| open)?;
                let end = hint.byte_range_length.map(|length| hint.byte_range_start.saturating_add(length));
                let range = ByteRange { start: hint.byte_range_start, end };
                let partial = range.start > 0 || range.end.is_some();
                return self.address(policy, &hint.uri, partial.then_some(range), location);
            };
            return self.address(policy, &part.uri, part.byte_range, location);
        }
        let listed = playlist.segments.get(at)?;
        self.address(policy, playlist.uri(listed), listed.byte_range, location)
    }

    pub(crate) fn protection(&self) -> Vec<Protection> {
        let Some(playlist) = self.playlist() else { return Vec::new() };
        let keys = playlist.keys.iter().flatten().take(super::KEYS_TOGETHER);
        keys.map(|key| Protection {
            scheme: key.keyformat.clone().unwrap_or_else(|| "identity".to_owned()),
            value: key.method.clone(),
            default_kid: None,
            pssh: None,
            url: key.uri.clone(),
        })
        .collect()
    }

    /// Reads a playlist, which [`accept`](Self::accept) then takes in.
    pub(crate) fn read_playlist(
        &self,
        policy: &Policy,
        url: &Url,
        body: &[u8],
    ) -> Result<MediaPlaylist, ManifestError> {
        policy.check(url).map_err(|what| ManifestError::Forbidden { place: Default::default(), what })?;
        let text = crate::manifest::decode(body)?;
        if super::multivariant::is_multivariant(text) {
            return Err(ManifestError::malformed(
                Default::default(),
                "a media playlist was expected, this is a multivariant playlist",
            ));
        }
        let playlist = media::read(text, Variables::new(url, self.variables.as_ref().clone()))?;
        self.complete_delta(playlist)
    }

    /// Takes a media playlist in and gives its index. `elsewhere` is where the other playlists of the title
    /// put it.
    pub(crate) fn accept(
        &mut self,
        url: Url,
        playlist: MediaPlaylist,
        elsewhere: Option<Placed>,
        body: &[u8],
    ) -> Result<SegmentIndex, ManifestError> {
        if playlist.i_frames_only {
            return Err(ManifestError::Unsupported {
                place: Default::default(),
                what: "playing a playlist of single pictures (#EXT-X-I-FRAMES-ONLY)".to_owned(),
            });
        }
        if playlist.segments.is_empty() && playlist.is_complete() {
            return Err(ManifestError::malformed(
                Default::default(),
                "the playlist ends without any segment",
            ));
        }
        let Some(placed) = self.succession(&playlist, elsewhere) else {
            // Older than what is known: that stays.
            let maps = self.loaded.as_ref().map(|loaded| loaded.playlist.clone());
            let maps = maps.map(|playlist| self.number_maps(&playlist)).unwrap_or_default();
            let runs = self.loaded.as_ref().map(|loaded| loaded.playlist.runs(loaded.placed(), &maps));
            return Ok(runs.map_or(SegmentIndex::Pending, SegmentIndex::Known));
        };
        let location = self.playlists.iter().position(|known| is_same(known, &url)).unwrap_or(0);
        let maps = self.number_maps(&playlist);
        let runs = playlist.runs(placed, &maps);
        let grows = !playlist.is_complete();
        let grew = grows || self.loaded.as_ref().is_some_and(|loaded| loaded.grew);
        self.loaded = Some(Loaded {
            url,
            location,
            origin: placed.origin,
            playlist,
            epoch: placed.epoch,
            older: 0,
            grew,
            body: if grows { body.to_vec() } else { Vec::new() },
            read: Instant::now(),
        });
        Ok(SegmentIndex::Known(runs))
    }
}

impl Loaded {
    fn placed(&self) -> Placed {
        Placed { origin: self.origin, epoch: self.epoch }
    }

    /// Where the segment with this media sequence number starts, so that a refreshed playlist keeps its
    /// place on the timeline.
    pub(super) fn start_of(&self, number: u64) -> Option<i64> {
        let at = usize::try_from(number.checked_sub(self.playlist.first_number())?).ok()?;
        let before = self.playlist.segments.get(..at)?;
        let span = before.iter().fold(0u64, |sum, segment| sum.saturating_add(length(segment)));
        Some(self.origin.saturating_add(i64::try_from(span).unwrap_or(i64::MAX)))
    }
}

/// Whether `url` is `known`, perhaps with delivery directives after its query.
fn is_same(known: &Url, url: &Url) -> bool {
    let place = |url: &Url| (url.scheme().to_owned(), url.authority().to_owned(), url.path().to_owned());
    place(known) == place(url)
        && url.query().unwrap_or_default().starts_with(known.query().unwrap_or_default())
}

/// A segment's duration in the index, where nothing may be empty.
pub(super) fn length(segment: &MediaSegment) -> u64 {
    segment.duration.max(1)
}

impl MediaPlaylist {
    /// Media sequence number of the first listed segment; segments that a delta update leaves out count.
    pub fn first_number(&self) -> u64 {
        let skipped = self.skip.as_ref().map_or(0, |skip| skip.skipped_segments);
        self.media_sequence.saturating_add(skipped)
    }

    /// Whether no segment will ever be added.
    pub fn is_complete(&self) -> bool {
        self.end_list || self.playlist_type.as_deref() == Some("VOD")
    }
}
