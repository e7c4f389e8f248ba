//! An MPD with everything inherited and every address resolved, representation by representation. Nothing is
//! left out here: what cannot be used says why.

use super::inherit::{bases, common, segments, spans};
use super::layout::{Layout, Span};
use super::mpd::{BaseUrl, Common, Mpd, Period};
use super::source::{DashSource, Init};
use crate::manifest::policy::{Policy, shown};
use crate::manifest::{Address, Protection};
use abr::segments::{Availability, Segment, SegmentIndex};
use std::time::Duration;
use url::Url;

/// Most warnings kept.
const WARNINGS: usize = 100;

/// An MPD, resolved.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// In document order.
    pub periods: Vec<ResolvedPeriod>,
    /// Addresses that were refused, and why.
    pub warnings: Vec<String>,
}

/// A period.
#[derive(Clone, Debug)]
pub struct ResolvedPeriod {
    /// Start and end in nanoseconds from the start of the presentation; the end is `None` where nothing tells
    /// it, the whole for an early-available period that has no start yet.
    pub span: Option<(u64, Option<u64>)>,
    /// Per adaptation set, in document order, its representations.
    pub sets: Vec<Vec<ResolvedRepresentation>>,
}

/// A representation with all that it inherits.
#[derive(Clone, Debug)]
pub struct ResolvedRepresentation {
    /// Common attributes and elements.
    pub common: Common,
    /// Base addresses, first choice first.
    pub locations: Vec<BaseUrl>,
    /// Where its parts are.
    pub source: DashSource,
    /// Its segments as the manifest has them, or why they cannot be used. They may reach beyond the period.
    pub index: Result<SegmentIndex, String>,
    pub(super) span: Option<Span>,
    policy: Policy,
}

impl ResolvedRepresentation {
    /// Where the initialization segment is.
    pub fn init(&self) -> Option<Address> {
        self.source.init(&self.policy, 0)
    }

    /// Where the index is, when it lies in another resource.
    pub fn index(&self) -> Option<Address> {
        self.source.index(&self.policy, 0)
    }

    /// Where a segment is.
    pub fn segment(&self, segment: &Segment) -> Option<Address> {
        self.source.segment(&self.policy, segment, 0)
    }
}

/// Resolves an MPD that was found at `url`.
pub fn resolve(url: &Url, mpd: &Mpd) -> Resolved {
    let mut resolver =
        Resolver { policy: Policy::of(url), url: url.clone(), dynamic: mpd.dynamic, warnings: Vec::new() };
    let root = vec![BaseUrl { url: url.as_str().to_owned(), ..BaseUrl::default() }];
    let root = resolver.bases(&root, &mpd.base_urls);
    let spans = spans(&mpd.periods, mpd.media_presentation_duration, mpd.dynamic);
    let periods = mpd.periods.iter().zip(spans).map(|(period, span)| resolver.period(period, &root, span));
    let periods = periods.collect();
    Resolved { periods, warnings: resolver.warnings }
}

struct Resolver {
    policy: Policy,
    url: Url,
    dynamic: bool,
    warnings: Vec<String>,
}

impl Resolver {
    fn bases(&mut self, above: &[BaseUrl], level: &[BaseUrl]) -> Vec<BaseUrl> {
        let warnings = &mut self.warnings;
        bases(&self.policy, above, level, &mut |what| {
            if warnings.len() < WARNINGS {
                warnings.push(format!("BaseURL: {what}"));
            }
        })
    }

    fn period(
        &mut self,
        period: &Period,
        root: &[BaseUrl],
        span: Option<(u64, Option<u64>)>,
    ) -> ResolvedPeriod {
        let period_bases = self.bases(root, &period.base_urls);
        let mut sets = Vec::with_capacity(period.adaptation_sets.len());
        for set in &period.adaptation_sets {
            let set_bases = self.bases(&period_bases, &set.base_urls);
            let mut representations = Vec::with_capacity(set.representations.len());
            for (number, representation) in set.representations.iter().enumerate() {
                let locations = self.bases(&set_bases, &representation.base_urls);
                let common = common(set, representation);
                let effective = segments(&period.segments, &set.segments, &representation.segments);
                // Segments end with the period's own duration where the next period starts later.
                let own = period.duration.map(abr::time::nanos);
                let span = span.map(|(start, end)| {
                    let own = own.and_then(|own| start.checked_add(own));
                    let end = [own, end].into_iter().flatten().min();
                    Span { start, end, dynamic: self.dynamic }
                });
                let layout =
                    Layout::of(effective, span.unwrap_or(Span { start: 0, end: None, dynamic: true }));
                let mut source = DashSource {
                    services: locations
                        .iter()
                        .filter(|base| Url::parse(&base.url).is_ok())
                        .map(|base| base.service_location.clone().unwrap_or_default())
                        .collect(),
                    bases: locations.iter().filter_map(|base| Url::parse(&base.url).ok()).collect(),
                    id: representation.id.clone().unwrap_or_else(|| number.to_string()),
                    bandwidth: representation.bandwidth.unwrap_or(0),
                    init: layout.init,
                    media: layout.media,
                    scale: layout.scale,
                    standalone_text: is_standalone_text(&common),
                    protection: protection(&common),
                    sealed: sealed(&common),
                    query: super::query::of(&common, &self.url),
                    tiles: tiles(&common),
                };
                if is_webm(&common) {
                    source.expect_webm();
                }
                let index = match span {
                    Some(_) => {
                        let early = locations.first().and_then(|base| base.availability_time_offset);
                        let index = layout.index.map(|index| earlier(index, early));
                        index.and_then(|index| self.usable(&source, index))
                    }
                    None => Err("the start of its period is not known yet".to_owned()),
                };
                let policy = self.policy.clone();
                representations.push(ResolvedRepresentation {
                    common,
                    locations,
                    source,
                    index,
                    span,
                    policy,
                });
            }
            sets.push(representations);
        }
        ResolvedPeriod { span, sets }
    }

    /// What cannot be addressed at all would fail at every segment: say so now.
    fn usable(&self, source: &DashSource, index: SegmentIndex) -> Result<SegmentIndex, String> {
        if source.bases.is_empty() {
            return Err("no address of it is permitted".to_owned());
        }
        if let Some(what) = source.problem() {
            return Err(what);
        }
        match &index {
            SegmentIndex::Pending => {}
            SegmentIndex::Known(runs) => {
                let first = runs.get(0);
                if first.is_some_and(|first| source.segment(&self.policy, &first, 0).is_none()) {
                    return Err("the address of its first segment is not usable".to_owned());
                }
            }
        }
        if !matches!(source.init, Init::Nothing) && source.init(&self.policy, 0).is_none() {
            return Err("the address of its initialization segment is not usable".to_owned());
        }
        Ok(index)
    }
}

/// An index whose segments are there `early` before the segment information says so.
fn earlier(mut index: SegmentIndex, early: Option<Duration>) -> SegmentIndex {
    if let SegmentIndex::Known(runs) = &mut index
        && let (Availability::Early(own), Some(early)) = (&mut runs.availability, early)
    {
        *own = own.saturating_add(early);
    }
    index
}

/// Columns and rows of thumbnails in one picture (DASH-IF IOP, 6.2.6).
fn tiles(common: &Common) -> Option<(u32, u32)> {
    let mut properties = common.essential_properties.iter().chain(&common.supplemental_properties);
    let tile = properties.find(|property| property.scheme_id_uri.ends_with("thumbnail_tile"))?;
    let (columns, rows) = tile.value.as_deref()?.split_once('x')?;
    let number = |text: &str| text.trim().parse::<u32>().ok().filter(|number| *number > 0);
    Some((number(columns)?, number(rows)?))
}

/// Whether it is WebM.
fn is_webm(common: &Common) -> bool {
    let mime = common.mime_type.as_deref().unwrap_or_default();
    mime.split(';').next().unwrap_or_default().trim().ends_with("/webm")
}

/// Whether it is text that is not in a container.
fn is_standalone_text(common: &Common) -> bool {
    let mime = common.mime_type.as_deref().unwrap_or_default();
    matches!(mime.split(';').next().unwrap_or_default().trim(), "application/ttml+xml" | "text/vtt")
}

/// Segment encryption with one key for all segments; more than that is named as not supported.
fn sealed(common: &Common) -> Option<Result<(String, [u8; 16]), String>> {
    let element = common.content_protections.iter().find(|p| p.scheme_id_uri == "urn:mpeg:dash:sea:2012")?;
    let scheme = element.segment_encryption.as_deref().unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("urn:mpeg:dash:sea:aes128-cbc:2013") {
        return Some(Err(format!("segment encryption with {} is not supported", shown(scheme))));
    }
    let period = element.crypto_period.as_ref().filter(|(template, _)| !template.contains('$'));
    let Some((template, digits)) = period else {
        return Some(Err("segment encryption with several keys is not supported".to_owned()));
    };
    let iv = u128::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 32).map(u128::to_be_bytes);
    Some(iv.map(|iv| (template.clone(), iv)).ok_or_else(|| "segment encryption without a vector".to_owned()))
}

fn protection(common: &Common) -> Vec<Protection> {
    let elements = common.content_protections.iter();
    elements
        .map(|element| Protection {
            scheme: element.scheme_id_uri.clone(),
            value: element.value.clone().unwrap_or_default(),
            default_kid: element.default_kid.clone(),
            pssh: element.pssh.clone(),
            url: element.license_url.clone(),
        })
        .collect()
}
