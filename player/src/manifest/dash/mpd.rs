//! What an MPD says, as typed values (ISO/IEC 23009-1, 5.3), before anything is inherited or resolved.

use super::timeline::Timeline;
use crate::manifest::ByteRange;
use abr::time::WallClock;
use std::sync::Arc;
use std::time::Duration;

/// An MPD.
#[derive(Clone, Debug, Default)]
pub struct Mpd {
    /// `@type`, as written: `static`, `dynamic` or a later invention; empty when absent.
    pub kind: String,
    /// `@type="dynamic"`.
    pub dynamic: bool,
    /// `@id`.
    pub id: Option<String>,
    /// `@profiles`.
    pub profiles: Vec<String>,
    /// `@mediaPresentationDuration`.
    pub media_presentation_duration: Option<Duration>,
    /// `@minBufferTime`.
    pub min_buffer_time: Option<Duration>,
    /// `@minimumUpdatePeriod`.
    pub minimum_update_period: Option<Duration>,
    /// `@timeShiftBufferDepth`.
    pub time_shift_buffer_depth: Option<Duration>,
    /// `@suggestedPresentationDelay`.
    pub suggested_presentation_delay: Option<Duration>,
    /// `@maxSegmentDuration`.
    pub max_segment_duration: Option<Duration>,
    /// `@availabilityStartTime`.
    pub availability_start_time: Option<WallClock>,
    /// `@availabilityEndTime`.
    pub availability_end_time: Option<WallClock>,
    /// `@publishTime`.
    pub publish_time: Option<WallClock>,
    /// `Location`.
    pub locations: Vec<String>,
    /// `PatchLocation`: address and `@ttl` in seconds.
    pub patch_locations: Vec<(String, Option<f64>)>,
    /// `BaseURL`.
    pub base_urls: Vec<BaseUrl>,
    /// `UTCTiming`.
    pub utc_timings: Vec<Descriptor>,
    /// The first `ServiceDescription`.
    pub service_description: Option<ServiceDescription>,
    /// `ContentSteering`: server and `@defaultServiceLocation`.
    pub content_steering: Option<(String, Option<String>)>,
    /// `ContentSteering@queryBeforeStart`.
    pub steering_before_start: bool,
    /// `EssentialProperty`.
    pub essential_properties: Vec<Descriptor>,
    /// `Period`.
    pub periods: Vec<Period>,
    /// What was wrong but could be lived with.
    pub warnings: Vec<String>,
}

/// `Period`.
#[derive(Clone, Debug, Default)]
pub struct Period {
    /// `@id`.
    pub id: Option<String>,
    /// `@start`.
    pub start: Option<Duration>,
    /// `@duration`.
    pub duration: Option<Duration>,
    /// `@xlink:href`.
    pub href: Option<String>,
    /// `BaseURL`.
    pub base_urls: Vec<BaseUrl>,
    /// Segment information.
    pub segments: Levels,
    /// `AssetIdentifier`.
    pub asset_identifier: Option<Descriptor>,
    /// `EventStream`.
    pub event_streams: Vec<EventStream>,
    /// `AdaptationSet`.
    pub adaptation_sets: Vec<AdaptationSet>,
}

/// `AdaptationSet`.
#[derive(Clone, Debug, Default)]
pub struct AdaptationSet {
    /// `@id`.
    pub id: Option<String>,
    /// `@contentType`, or that of the first `ContentComponent`.
    pub content_type: Option<String>,
    /// Types of all `ContentComponent`s.
    pub components: Vec<String>,
    /// `@lang`.
    pub lang: Option<String>,
    /// `Label`.
    pub labels: Vec<String>,
    /// `@segmentAlignment` (a number counts as true).
    pub segment_alignment: Option<bool>,
    /// `@selectionPriority`.
    pub selection_priority: Option<u64>,
    /// `Role`.
    pub roles: Vec<Descriptor>,
    /// `Accessibility`.
    pub accessibilities: Vec<Descriptor>,
    /// What representations share.
    pub common: Common,
    /// `BaseURL`.
    pub base_urls: Vec<BaseUrl>,
    /// Segment information.
    pub segments: Levels,
    /// `Representation`.
    pub representations: Vec<Representation>,
}

/// `Representation`.
#[derive(Clone, Debug, Default)]
pub struct Representation {
    /// `@id`.
    pub id: Option<String>,
    /// `@bandwidth`, bit/s.
    pub bandwidth: Option<u64>,
    /// `@dependencyId`.
    pub dependency_id: Option<String>,
    /// Its own common attributes and elements.
    pub common: Common,
    /// `BaseURL`.
    pub base_urls: Vec<BaseUrl>,
    /// Segment information.
    pub segments: Levels,
}

/// What a representation may have itself or inherit from its set (5.3.7).
#[derive(Clone, Debug, Default)]
pub struct Common {
    /// `@mimeType`.
    pub mime_type: Option<String>,
    /// `@codecs`.
    pub codecs: Option<String>,
    /// `@width`.
    pub width: Option<u64>,
    /// `@height`.
    pub height: Option<u64>,
    /// `@frameRate` as numerator and denominator.
    pub frame_rate: Option<(u64, u64)>,
    /// `@sar`.
    pub sar: Option<String>,
    /// `@audioSamplingRate`, the first number.
    pub audio_sampling_rate: Option<u64>,
    /// `@scanType`.
    pub scan_type: Option<String>,
    /// The first `AudioChannelConfiguration`.
    pub audio_channel_configuration: Option<Descriptor>,
    /// `ContentProtection`.
    pub content_protections: Vec<ContentProtection>,
    /// `EssentialProperty`.
    pub essential_properties: Vec<Descriptor>,
    /// `SupplementalProperty`.
    pub supplemental_properties: Vec<Descriptor>,
    /// `InbandEventStream`.
    pub inband_event_streams: Vec<Descriptor>,
}

/// `@schemeIdUri` with `@value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// `@schemeIdUri`.
    pub scheme_id_uri: String,
    /// `@value`.
    pub value: Option<String>,
    /// `UrlQueryInfo` (annex I), where the descriptor has one.
    pub url_query: Option<Box<UrlQueryInfo>>,
}

/// `UrlQueryInfo` or `ExtUrlQueryInfo` (annex I).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlQueryInfo {
    /// `@queryTemplate`.
    pub template: String,
    /// `@useMPDUrlQuery`.
    pub use_mpd_query: bool,
    /// `@queryString`.
    pub query: Option<String>,
}

/// `ContentProtection`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentProtection {
    /// `@schemeIdUri` in lower case.
    pub scheme_id_uri: String,
    /// `@value`.
    pub value: Option<String>,
    /// `@cenc:default_KID` in lower case without dashes; 32 hexadecimal digits when it is valid.
    pub default_kid: Option<String>,
    /// `cenc:pssh`, base64.
    pub pssh: Option<String>,
    /// `dashif:Laurl`, `ms:laurl` or a like element.
    pub license_url: Option<String>,
    /// `sea:SegmentEncryption@schemeIdUri` (ISO/IEC 23009-4).
    pub segment_encryption: Option<String>,
    /// The first `sea:CryptoPeriod`: `@keyUriTemplate` and `@IV` as 32 hexadecimal digits.
    pub crypto_period: Option<(String, String)>,
}

/// `BaseURL`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaseUrl {
    /// As written.
    pub url: String,
    /// `@serviceLocation`.
    pub service_location: Option<String>,
    /// `@dvb:priority`; smaller first.
    pub priority: Option<u64>,
    /// `@dvb:weight`.
    pub weight: Option<u64>,
    /// `@availabilityTimeOffset`; `INF` is the longest there is.
    pub availability_time_offset: Option<Duration>,
}

/// `EventStream`; times in ticks.
#[derive(Clone, Debug, Default)]
pub struct EventStream {
    /// Scheme.
    pub descriptor: Descriptor,
    /// Ticks per second.
    pub timescale: u64,
    /// `@presentationTimeOffset`.
    pub presentation_time_offset: u64,
    /// `Event`.
    pub events: Vec<EventItem>,
}

/// `Event`.
#[derive(Clone, Debug, Default)]
pub struct EventItem {
    /// `@presentationTime`.
    pub presentation_time: u64,
    /// `@duration`.
    pub duration: Option<u64>,
    /// `@id`.
    pub id: Option<String>,
    /// `@messageData`, or the text of the element.
    pub message_data: Option<String>,
    /// The text of a `Binary` element inside.
    pub binary: Option<String>,
    /// `@contentEncoding="base64"`.
    pub is_base64: bool,
}

/// `ServiceDescription`, the parts that players follow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServiceDescription {
    /// `Latency@target`, ms.
    pub target_latency_ms: Option<u64>,
    /// `Latency@min`, ms.
    pub min_latency_ms: Option<u64>,
    /// `Latency@max`, ms.
    pub max_latency_ms: Option<u64>,
    /// `PlaybackRate@min`.
    pub min_rate: Option<f64>,
    /// `PlaybackRate@max`.
    pub max_rate: Option<f64>,
}

/// The segment information of one level, of each kind at most one.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    /// `SegmentBase`.
    pub base: Option<SegmentInfo>,
    /// `SegmentList`.
    pub list: Option<SegmentInfo>,
    /// `SegmentTemplate`.
    pub template: Option<SegmentInfo>,
}

/// An address with bytes of it, as `Initialization` or `RepresentationIndex` has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlRange {
    /// `@sourceURL`, as written; `None` means the base URL itself.
    pub source_url: Option<String>,
    /// `@range`.
    pub range: Option<ByteRange>,
}

/// `SegmentURL`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentUrl {
    /// `@media`, as written; `None` means the base URL itself.
    pub media: Option<String>,
    /// `@mediaRange`.
    pub range: Option<ByteRange>,
}

/// `SegmentBase`, `SegmentList` or `SegmentTemplate`; what is `None` is inherited (5.3.9.2).
#[derive(Clone, Debug, Default)]
pub struct SegmentInfo {
    /// `@timescale`, ticks per second; zero is kept so that it can be refused where it counts.
    pub timescale: Option<u64>,
    /// `@presentationTimeOffset`, ticks; packagers write negative ones as well.
    pub presentation_time_offset: Option<i64>,
    /// `@indexRange`.
    pub index_range: Option<ByteRange>,
    /// `Initialization`.
    pub initialization: Option<UrlRange>,
    /// `RepresentationIndex`.
    pub representation_index: Option<UrlRange>,
    /// `@duration`, ticks.
    pub duration: Option<u64>,
    /// `@eptDelta`, ticks: from the start of the period to that of the first segment.
    pub ept_delta: Option<i64>,
    /// `@startNumber`.
    pub start_number: Option<u64>,
    /// `@endNumber`.
    pub end_number: Option<u64>,
    /// `@availabilityTimeOffset`; `INF` is the longest there is.
    pub availability_time_offset: Option<Duration>,
    /// `SegmentTimeline`.
    pub timeline: Option<Arc<Timeline>>,
    /// `@media`.
    pub media: Option<String>,
    /// `@initialization`.
    pub initialization_template: Option<String>,
    /// `SegmentURL`.
    pub segment_urls: Option<Arc<Vec<SegmentUrl>>>,
    /// Why this level cannot be used, if it cannot.
    pub invalid: Option<String>,
}
