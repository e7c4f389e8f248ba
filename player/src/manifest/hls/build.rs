//! From playlists to a [`Title`]: variants become representations of video sets, renditions become sets of
//! their own, redundant streams become locations.

use super::encryption;
use super::multivariant::{Multivariant, Rendition, Variant};
use super::source::HlsSource;
use super::types::MediaPlaylist;
use crate::manifest::address::Source;
use crate::manifest::codecs::{self, Kind};
use crate::manifest::policy::Policy;
use crate::manifest::{Addresses, ManifestError, Protocol, SteeringStart, Title};
use abr::presentation::{AdaptationSet, Container, ContentType, Period, Presentation, Representation};
use abr::segments::SegmentIndex;
use abr::time::MediaTime;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// What two channels of sound are taken to need when no playlist says it, in bit/s.
const STEREO_BPS: u64 = 128_000;
/// Most hosts for one representation.
const LOCATIONS: usize = 16;

/// A title of one representation, from a media playlist.
pub(super) fn media(url: &Url, policy: Policy, mut playlist: MediaPlaylist) -> Result<Title, ManifestError> {
    let warnings = std::mem::take(&mut playlist.warnings);
    let complete = playlist.is_complete();
    let container = container(&playlist);
    let mut source = HlsSource::new(vec![url.clone()], Arc::default());
    let index = source.accept(url.clone(), playlist, None, &[])?;
    let (live, events) = (source.live(), source.events());
    let span = index.known().and_then(|runs| runs.span());
    let content_type = match container {
        Container::PackedAudio => ContentType::Audio,
        Container::Webvtt => ContentType::Text,
        _ => ContentType::Video,
    };
    let bandwidth_bps = index.known().and_then(bandwidth).unwrap_or(1);
    let representation = Representation {
        id: "0".to_owned(),
        bandwidth_bps,
        codecs: String::new(),
        container,
        width: 0,
        height: 0,
        frame_rate: (0, 1),
        channels: 0,
        sampling_rate: 0,
        locations: 1,
        index,
    };
    let set = Draft {
        set: empty_set("0", content_type, content_type == ContentType::Video),
        representations: vec![(representation, source)],
    };
    let duration = span.filter(|_| complete).map(|(start, end)| end.since(start));
    let mut title = title(url, policy, vec![set], !complete, duration, warnings);
    title.events = events;
    if let Some((live, zero)) = live {
        title.presentation.live = Some(live);
        title.presentation.availability_start = zero;
    }
    Ok(title)
}

/// Mean bit rate of the segments whose sizes are known.
fn bandwidth(runs: &abr::segments::SegmentRuns) -> Option<u64> {
    let (mut bytes, mut nanos) = (0u128, 0u128);
    for segment in runs.iter().take(runs.sizes.len()) {
        bytes += u128::from(segment.size?);
        nanos += segment.duration().as_nanos();
    }
    u64::try_from((bytes * 8_000_000_000).checked_div(nanos)?).ok().filter(|bps| *bps > 0)
}

/// What the segments of a media playlist are, by their initialization and the ends of their names.
fn container(playlist: &MediaPlaylist) -> Container {
    let Some(first) = playlist.segments.first() else { return Container::Unknown };
    if first.map.is_some() {
        return Container::Mp4;
    }
    let path = playlist.uri(first).split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    match path.rsplit('.').next().unwrap_or_default() {
        "ts" | "m2ts" | "mts" | "tsv" | "tsa" => Container::Ts,
        "mp4" | "m4s" | "m4v" | "m4a" | "m4f" | "cmfv" | "cmfa" => Container::Mp4,
        "aac" | "ac3" | "ec3" | "mp3" => Container::PackedAudio,
        "vtt" | "webvtt" => Container::Webvtt,
        _ => Container::Unknown,
    }
}

/// A set on its way into the model, its representations beside their sources.
struct Draft {
    set: AdaptationSet,
    representations: Vec<(Representation, HlsSource)>,
}

fn empty_set(id: &str, content_type: ContentType, muxed_audio: bool) -> AdaptationSet {
    AdaptationSet {
        id: id.to_owned(),
        content_type,
        muxed_audio,
        language: None,
        label: None,
        roles: Vec::new(),
        is_default: false,
        representations: Vec::new(),
    }
}

fn title(
    url: &Url,
    policy: Policy,
    sets: Vec<Draft>,
    dynamic: bool,
    duration: Option<Duration>,
    warnings: Vec<String>,
) -> Title {
    let (mut adaptation_sets, mut sources) = (Vec::new(), Vec::new());
    for mut draft in sets {
        draft.representations.sort_by_key(|(representation, _)| representation.bandwidth_bps);
        let (representations, set_sources): (Vec<_>, Vec<_>) = draft
            .representations
            .into_iter()
            .map(|(mut representation, source)| {
                representation.locations = u32::try_from(source.playlists.len()).unwrap_or(1).max(1);
                (representation, Source::Hls(Box::new(source)))
            })
            .unzip();
        adaptation_sets.push(AdaptationSet { representations, ..draft.set });
        sources.push(set_sources);
    }
    let period = Period { id: "0".to_owned(), start: MediaTime::ZERO, duration, adaptation_sets };
    Title {
        presentation: Presentation {
            dynamic,
            duration,
            availability_start: None,
            live: None,
            periods: vec![period],
            warnings,
        },
        addresses: Addresses {
            protocol: Protocol::Hls,
            manifest: url.clone(),
            policy,
            sources: vec![sources],
            refresh: url.clone(),
            clocks: Vec::new(),
            patch: None,
            steering: None,
            pathways: Vec::new(),
            session_keys: Vec::new(),
        },
        events: Vec::new(),
        now: None,
    }
}

/// A title from a multivariant playlist. Its media playlists are all still to be fetched.
pub(super) fn multivariant(
    url: &Url,
    policy: Policy,
    playlist: Multivariant,
) -> Result<Title, ManifestError> {
    let mut builder = Builder {
        url,
        policy: &policy,
        variables: Arc::new(playlist.variables.clone()),
        warnings: playlist.warnings.clone(),
        sets: Vec::new(),
        families: BTreeMap::new(),
    };
    let fit = |variant: &Variant| unfit(variant).is_none();
    let any_fit = playlist.variants.iter().any(fit);
    for (at, variant) in playlist.variants.iter().enumerate() {
        match unfit(variant).filter(|_| any_fit) {
            Some(why) => builder.warn(format!("variant {at}: left out, {why}")),
            None => builder.variant(at, variant, &playlist),
        }
    }
    for rendition in &playlist.renditions {
        builder.rendition(rendition, &playlist);
    }
    let (sets, warnings) = (builder.sets, builder.warnings);
    if !sets.iter().any(|draft| matches!(draft.set.content_type, ContentType::Video | ContentType::Audio)) {
        let what = match warnings.first() {
            Some(first) => format!("no variant can be used ({first})"),
            None => "the playlist lists no variant".to_owned(),
        };
        return Err(ManifestError::malformed(Default::default(), what));
    }
    let session_keys = encryption::session_keys(url, &policy, &playlist.session_keys);
    let steering = playlist.content_steering.as_ref().and_then(|(server, first)| {
        Some(SteeringStart { url: policy.resolve(url, server).ok()?, first: first.clone() })
    });
    let mut title = title(url, policy, sets, false, None, warnings);
    title.addresses.steering = steering;
    title.addresses.session_keys = session_keys;
    title.number_pathways();
    Ok(title)
}

struct Builder<'a> {
    url: &'a Url,
    policy: &'a Policy,
    variables: Arc<BTreeMap<String, String>>,
    warnings: Vec<String>,
    sets: Vec<Draft>,
    /// What keeps sets apart, to their position in `sets`.
    families: BTreeMap<(ContentType, bool, String), usize>,
}

/// Why a variant is not for this player: it needs more than the player can promise of the way to the screen
/// (RFC 8216bis, 4.4.6.2: HDCP-LEVEL, ALLOWED-CPC, REQ-VIDEO-LAYOUT). When all are so, all are tried.
fn unfit(variant: &Variant) -> Option<&'static str> {
    let other = |name: &str| variant.other.get(name).map(String::as_str).unwrap_or_default();
    if matches!(variant.hdcp_level.as_deref(), Some("TYPE-0" | "TYPE-1")) {
        return Some("it needs a protected way to the screen (HDCP-LEVEL)");
    }
    if other("ALLOWED-CPC").split(',').any(|entry| !entry.trim().is_empty()) {
        return Some("it is for certain decryption modules only (ALLOWED-CPC)");
    }
    let stereo = other("REQ-VIDEO-LAYOUT").split(',').next().unwrap_or_default();
    if stereo.split('/').any(|layout| layout.trim() == "CH-STEREO") {
        return Some("its pictures are for two eyes (REQ-VIDEO-LAYOUT)");
    }
    None
}

impl Builder<'_> {
    fn warn(&mut self, what: String) {
        if self.warnings.len() < super::WARNINGS {
            self.warnings.push(what);
        }
    }

    fn resolve(&mut self, reference: &str) -> Option<Url> {
        match self.policy.resolve(self.url, reference) {
            Ok(url) => Some(url),
            Err(what) => {
                if self.warnings.len() < super::WARNINGS {
                    self.warnings.push(format!("{what}; the stream is left out"));
                }
                None
            }
        }
    }

    fn variant(&mut self, at: usize, variant: &Variant, playlist: &Multivariant) {
        let Some(url) = self.resolve(&variant.uri) else { return };
        let all = variant.codecs.as_deref().unwrap_or_default();
        let video = codecs::of_kind(all, Kind::Video);
        let audio = codecs::of_kind(all, Kind::Audio);
        let audio_only = video.is_empty() && !audio.is_empty() && variant.resolution.is_none();
        let mut group = playlist
            .renditions
            .iter()
            .filter(|r| r.kind == "AUDIO" && Some(&r.group_id) == variant.audio.as_ref())
            .peekable();
        let outside = group.peek().is_some() && group.all(|rendition| rendition.uri.is_some());
        let muxed_audio = !audio_only && !outside && (!audio.is_empty() || all.is_empty());
        let content_type = if audio_only { ContentType::Audio } else { ContentType::Video };
        if audio_only
            && playlist
                .renditions
                .iter()
                .any(|r| r.kind == "AUDIO" && r.uri.as_deref() == Some(variant.uri.as_str()))
        {
            return; // The rendition says more about it, and takes its bit rate.
        }
        let (width, height) = variant.resolution.unwrap_or_default();
        let representation = Representation {
            id: variant.other.get("STABLE-VARIANT-ID").cloned().unwrap_or_else(|| at.to_string()),
            bandwidth_bps: variant.bandwidth.max(1),
            codecs: if muxed_audio || audio_only { all.to_owned() } else { video.join(",") },
            container: Container::Unknown,
            width: u32::try_from(width).unwrap_or(0),
            height: u32::try_from(height).unwrap_or(0),
            frame_rate: variant.frame_rate.map_or((0, 1), codecs::frame_rate),
            channels: 0,
            sampling_rate: 0,
            locations: 1,
            index: SegmentIndex::Pending,
        };
        let family =
            if audio_only { String::new() } else { self.family(content_type, muxed_audio, &video, variant) };
        let set = *self.families.entry((content_type, muxed_audio, family)).or_insert_with(|| {
            let id = self.sets.len().to_string();
            self.sets
                .push(Draft { set: empty_set(&id, content_type, muxed_audio), representations: Vec::new() });
            self.sets.len() - 1
        });
        let Some(draft) = self.sets.get_mut(set) else { return };
        // The same playlist once more is the same picture with another choice of sound; the same figures with
        // another playlist are a redundant stream (RFC 8216, 6.2.4).
        if draft.representations.iter().any(|(_, source)| source.playlists.contains(&url)) {
            return;
        }
        let stable = variant.other.get("STABLE-VARIANT-ID");
        let twin = draft.representations.iter_mut().find(|(known, source)| {
            stable.is_some() && stable == source.stable.as_ref()
                || known.bandwidth_bps == representation.bandwidth_bps
                    && known.codecs == representation.codecs
                    && (known.width, known.height) == (representation.width, representation.height)
                    && known.frame_rate == representation.frame_rate
        });
        match twin {
            Some((_, source)) if source.playlists.len() < LOCATIONS => {
                source.playlists.push(url);
                source.pathways.push(pathway(variant));
            }
            Some(_) => {}
            None => {
                let mut source = HlsSource::new(vec![url], self.variables.clone());
                source.pathways = vec![pathway(variant)];
                source.stable = stable.cloned();
                draft.representations.push((representation, source));
            }
        }
    }

    /// What a decoder cannot switch across without a new start: codec and dynamic range. A variant without
    /// codecs joins the first family there is.
    fn family(&self, content_type: ContentType, muxed: bool, video: &[&str], variant: &Variant) -> String {
        let Some(codec) = video.first() else {
            let known = self.families.keys().find(|(kind, m, _)| (*kind, *m) == (content_type, muxed));
            return known.map(|(_, _, family)| family.clone()).unwrap_or_default();
        };
        let range = variant.other.get("VIDEO-RANGE").map_or("SDR", String::as_str);
        let family = format!("{} {range}", codecs::family(codec));
        let unnamed = (content_type, muxed, String::new());
        if self.families.contains_key(&unnamed) { String::new() } else { family }
    }

    fn rendition(&mut self, rendition: &Rendition, playlist: &Multivariant) {
        let content_type = match rendition.kind.as_str() {
            "AUDIO" => ContentType::Audio,
            "SUBTITLES" => ContentType::Text,
            _ => return,
        };
        let Some(reference) = &rendition.uri else { return };
        let Some(url) = self.resolve(reference) else { return };
        let users = || {
            playlist.variants.iter().filter(|variant| {
                let group =
                    if content_type == ContentType::Audio { &variant.audio } else { &variant.subtitles };
                group.as_ref() == Some(&rendition.group_id)
            })
        };
        let codecs = match content_type {
            ContentType::Audio => {
                let user = users().find_map(|variant| variant.codecs.as_deref());
                codecs::of_kind(user.unwrap_or_default(), Kind::Audio).join(",")
            }
            _ => {
                let user = users().find_map(|variant| variant.codecs.as_deref());
                codecs::of_kind(user.unwrap_or_default(), Kind::Text).join(",")
            }
        };
        let channels =
            rendition.channels.as_deref().and_then(|text| text.split('/').next()?.parse::<u32>().ok());
        let alone = playlist.variants.iter().find(|variant| variant.uri == *reference).map(|v| v.bandwidth);
        let bandwidth_bps = match content_type {
            ContentType::Audio => {
                alone.unwrap_or(STEREO_BPS * u64::from(channels.unwrap_or(2).clamp(2, 64)) / 2)
            }
            _ => alone.unwrap_or(1),
        };
        let representation = Representation {
            id: match rendition.other.get("STABLE-RENDITION-ID") {
                Some(stable) => stable.clone(),
                None => format!("{}/{}", rendition.group_id, rendition.name),
            },
            bandwidth_bps: bandwidth_bps.max(1),
            codecs,
            container: Container::Unknown,
            width: 0,
            height: 0,
            frame_rate: (0, 1),
            channels: channels.unwrap_or(0),
            sampling_rate: 0,
            locations: 1,
            index: SegmentIndex::Pending,
        };
        let language = rendition.language.as_deref().unwrap_or_default();
        let codec = codecs::family(representation.codecs.split(',').next().unwrap_or_default());
        let family = format!("{language}\n{}\n{codec}\n{}", rendition.name, rendition.forced);
        let set = *self.families.entry((content_type, false, family)).or_insert_with(|| {
            let mut set = empty_set(&self.sets.len().to_string(), content_type, false);
            set.language = rendition.language.clone();
            set.label = Some(rendition.name.clone());
            set.roles = roles(rendition);
            set.is_default = rendition.default;
            self.sets.push(Draft { set, representations: Vec::new() });
            self.sets.len() - 1
        });
        let Some(draft) = self.sets.get_mut(set) else { return };
        draft.set.is_default |= rendition.default;
        if draft.representations.iter().any(|(_, source)| source.playlists.contains(&url)) {
            return;
        }
        let name = users().next().map_or_else(|| DEFAULT_PATHWAY.to_owned(), pathway);
        let stable = rendition.other.get("STABLE-RENDITION-ID");
        // The same rendition on another pathway.
        let twin = draft.representations.iter_mut().find(|(known, source)| {
            !source.pathways.contains(&name)
                && stable == source.stable.as_ref()
                && (known.channels, &known.codecs) == (representation.channels, &representation.codecs)
        });
        match twin {
            Some((_, source)) if source.playlists.len() < LOCATIONS => {
                source.playlists.push(url);
                source.pathways.push(name);
            }
            Some(_) => {}
            None => {
                let mut source = HlsSource::new(vec![url], self.variables.clone());
                source.pathways = vec![name];
                source.stable = stable.cloned();
                draft.representations.push((representation, source));
            }
        }
    }
}

/// The pathway of what names none.
const DEFAULT_PATHWAY: &str = ".";

fn pathway(variant: &Variant) -> String {
    variant.other.get("PATHWAY-ID").map_or_else(|| DEFAULT_PATHWAY.to_owned(), String::clone)
}

/// DASH roles for what HLS says in `DEFAULT`, `FORCED` and `CHARACTERISTICS`.
fn roles(rendition: &Rendition) -> Vec<String> {
    let mut roles = vec![if rendition.default { "main" } else { "alternate" }.to_owned()];
    if rendition.forced {
        roles.push("forced-subtitle".to_owned());
    }
    for characteristic in rendition.characteristics.as_deref().unwrap_or_default().split(',') {
        match characteristic.trim() {
            "public.accessibility.describes-video" => roles.push("description".to_owned()),
            "public.accessibility.transcribes-spoken-dialog"
            | "public.accessibility.describes-music-and-sound" => {
                roles.push("caption".to_owned());
            }
            "public.easy-to-read" => roles.push("easyreader".to_owned()),
            _ => {}
        }
    }
    roles.dedup();
    roles
}
