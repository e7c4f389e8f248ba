//! Where the segments of one HLS representation are: its media playlists on one or more hosts, and the one
//! that has been read.

use super::media;
use super::types::{MediaPlaylist, MediaSegment};
use super::variables::Variables;
use crate::manifest::policy::Policy;
use crate::manifest::{Address, ByteRange, ManifestError, Protection};
use abr::segments::{Run, Segment, SegmentIndex, SegmentRuns};
use std::collections::BTreeMap;
use std::sync::Arc;
use url::Url;

/// Ticks per second of every HLS index: nanoseconds, so that decimal durations add up exactly.
pub(super) const TIMESCALE: u32 = 1_000_000_000;

/// The sources of one representation.
#[derive(Clone, Debug)]
pub(crate) struct HlsSource {
    /// Addresses of the same playlist on interchangeable hosts.
    pub(super) playlists: Vec<Url>,
    /// What its `EXT-X-DEFINE` may import.
    pub(super) variables: Arc<BTreeMap<String, String>>,
    pub(super) loaded: Option<Loaded>,
}

/// A playlist that has been read.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    /// Where it was found, after redirects.
    url: Url,
    /// Which of the hosts that was.
    location: usize,
    /// Start of its first segment on the timeline, nanoseconds.
    origin: i64,
    playlist: MediaPlaylist,
}

impl HlsSource {
    pub(super) fn new(playlists: Vec<Url>, variables: Arc<BTreeMap<String, String>>) -> Self {
        Self { playlists, variables, loaded: None }
    }

    fn place(&self, location: u32) -> usize {
        location as usize % self.playlists.len().max(1)
    }

    pub(crate) fn playlist(&self) -> Option<&MediaPlaylist> {
        self.loaded.as_ref().map(|loaded| &loaded.playlist)
    }

    pub(crate) fn index(&self, location: u32) -> Option<Address> {
        self.playlists.get(self.place(location)).cloned().map(Address::whole)
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
        let place = self.place(location);
        let base = if place == loaded.location { &loaded.url } else { self.playlists.get(place)? };
        Some(Address { url: policy.resolve(base, reference).ok()?, range })
    }

    pub(crate) fn init(&self, policy: &Policy, init: u32, location: u32) -> Option<Address> {
        let map = self.playlist()?.maps.get(init as usize)?;
        self.address(policy, &map.uri, map.byte_range, location)
    }

    pub(crate) fn segment(&self, policy: &Policy, segment: &Segment, location: u32) -> Option<Address> {
        let playlist = self.playlist()?;
        let at = usize::try_from(segment.number.checked_sub(playlist.first_number())?).ok()?;
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

    pub(crate) fn read_index(
        &mut self,
        policy: &Policy,
        url: &Url,
        body: &[u8],
    ) -> Result<SegmentIndex, ManifestError> {
        policy.check(url).map_err(|what| ManifestError::Forbidden { place: Default::default(), what })?;
        let text = crate::manifest::decode(body)?;
        if super::multivariant::is_multivariant(text) {
            return Err(ManifestError::malformed(
                Default::default(),
                "a media playlist was expected, this is a multivariant playlist",
            ));
        }
        let playlist = media::read(text, Variables::new(url, self.variables.as_ref().clone()))?;
        self.accept(url.clone(), playlist)
    }

    /// Takes a media playlist in and gives its index.
    pub(super) fn accept(
        &mut self,
        url: Url,
        playlist: MediaPlaylist,
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
        let origin =
            self.loaded.as_ref().and_then(|before| before.start_of(playlist.first_number())).unwrap_or(0);
        let location = self.playlists.iter().position(|known| *known == url).unwrap_or(0);
        let runs = runs(&playlist, origin);
        self.loaded = Some(Loaded { url, location, origin, playlist });
        Ok(SegmentIndex::Known(runs))
    }
}

impl Loaded {
    /// Where the segment with this media sequence number starts, so that a refreshed playlist keeps its
    /// place on the timeline.
    fn start_of(&self, number: u64) -> Option<i64> {
        let at = usize::try_from(number.checked_sub(self.playlist.first_number())?).ok()?;
        let before = self.playlist.segments.get(..at)?;
        let span = before.iter().fold(0u64, |sum, segment| sum.saturating_add(length(segment)));
        Some(self.origin.saturating_add(i64::try_from(span).unwrap_or(i64::MAX)))
    }
}

/// A segment's duration in the index, where nothing may be empty.
fn length(segment: &MediaSegment) -> u64 {
    segment.duration.max(1)
}

fn runs(playlist: &MediaPlaylist, origin: i64) -> SegmentRuns {
    let mut runs: Vec<Run> = Vec::new();
    let mut start = origin;
    for (at, segment) in playlist.segments.iter().enumerate() {
        let number = playlist.first_number().saturating_add(at as u64);
        let duration = length(segment);
        match runs.last_mut() {
            Some(run)
                if run.duration == duration
                    && run.discontinuity == segment.discontinuity_sequence
                    && run.init == segment.map
                    && run.gap == segment.gap =>
            {
                run.count += 1;
            }
            _ => runs.push(Run {
                number,
                start,
                duration,
                count: 1,
                discontinuity: segment.discontinuity_sequence,
                init: segment.map,
                gap: segment.gap,
                part: None,
            }),
        }
        start = start.saturating_add(i64::try_from(duration).unwrap_or(i64::MAX));
    }
    let sizes = playlist.segments.iter().map_while(|segment| segment.byte_range?.len()).collect();
    SegmentRuns {
        timescale: TIMESCALE,
        offset_ticks: 0,
        runs,
        sizes,
        complete: playlist.is_complete(),
        availability: Default::default(),
    }
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
