//! Where the segments of one DASH representation are.

use super::cues::{self, Known};
use super::layout::{Scale, Span};
use super::mpd::{SegmentUrl, UrlRange};
use super::sidx::{self, Index};
use super::template::{self, Values, expand};
use crate::manifest::policy::Policy;
use crate::manifest::{Address, ByteRange, Encrypted, ManifestError, NoKey, Protection, SegmentEncryption};
use crate::pipeline::Timing;
use abr::error::Code;
use abr::segments::{Run, Segment, SegmentIndex, SegmentRuns};
use std::sync::Arc;
use url::Url;

/// The index of a WebM file is fetched with everything before it when that is not more than so much.
const WEBM_HEAD_BYTES: u64 = 256 << 10;

/// The sources of one representation.
#[derive(Clone, Debug)]
pub struct DashSource {
    /// Base addresses on interchangeable hosts.
    pub(crate) bases: Vec<Url>,
    /// Service locations of these, one by one.
    pub(crate) services: Vec<String>,
    pub(crate) id: String,
    pub(super) bandwidth: u64,
    pub(super) init: Init,
    pub(super) media: Media,
    pub(super) scale: Scale,
    /// Text that is not in a container: its time stamps count from the start of the period, the presentation
    /// time offset says only where its segments lie (DASH-IF timing model, standalone text timing).
    pub(super) standalone_text: bool,
    pub(crate) protection: Vec<Protection>,
    /// What annex I adds to the query of media segments and initialization.
    pub(super) query: Option<String>,
    /// Columns and rows of thumbnails in one picture.
    pub(crate) tiles: Option<(u32, u32)>,
    /// Segment encryption (ISO/IEC 23009-4): address and vector of the key of all segments, as written, or
    /// what of it is not supported.
    pub(super) sealed: Option<Result<(String, [u8; 16]), String>>,
}

/// The initialization segment.
#[derive(Clone, Debug)]
pub(super) enum Init {
    /// None: media segments initialize themselves.
    Nothing,
    Template(String),
    Range(UrlRange),
}

/// The media segments.
#[derive(Clone, Debug)]
pub(super) enum Media {
    /// One address per segment from a template; so many segments share a `$Number$` (`S@k`).
    Template { media: String, sequence: u64 },
    /// Listed, from this number on.
    List { urls: Arc<Vec<SegmentUrl>>, first_number: u64 },
    /// One file with an index in it.
    Indexed {
        index: UrlRange,
        /// Where each segment is, once the index has been read.
        ranges: Vec<ByteRange>,
        /// The period; segments outside of it are not wanted.
        span: Span,
    },
    /// One file that is one segment.
    File,
}

impl DashSource {
    /// Media time of the start of the period in its time stamps, in seconds; an estimate for people and tests.
    pub fn presentation_time_offset(&self) -> f64 {
        if self.standalone_text {
            return 0.0;
        }
        self.scale.start as f64 / f64::from(self.scale.timescale.max(1))
    }

    fn base(&self, location: u32) -> Option<&Url> {
        self.bases.get(location as usize % self.bases.len().max(1))
    }

    fn address(
        &self,
        policy: &Policy,
        reference: Option<&str>,
        range: Option<ByteRange>,
        location: u32,
    ) -> Option<Address> {
        let base = self.base(location)?;
        let url = match reference {
            Some(reference) => policy.resolve(base, reference).ok()?,
            None => base.clone(),
        };
        let url = match &self.query {
            Some(query) => super::query::add(url, query),
            None => url,
        };
        Some(Address { url, range })
    }

    fn expand(&self, template: &str, segment: Option<(&Segment, u64)>) -> String {
        let segment_values = segment.map(|(segment, sequence)| {
            // Numbers of a sequence are kept spread out, one per segment: see `layout`.
            let number = segment.number.checked_div(sequence);
            let sub_number = segment.number.checked_rem(sequence).map(|rest| rest + 1);
            (
                number,
                sub_number,
                u64::try_from(segment.time).ok().and_then(|time| time.checked_div(self.scale.factor)),
            )
        });
        let (number, sub_number, time) = segment_values.unwrap_or_default();
        let values = Values {
            representation: Some(&self.id),
            bandwidth: Some(self.bandwidth),
            number,
            sub_number,
            time,
        };
        expand(template, values)
    }

    /// What is wrong with its templates.
    pub(super) fn problem(&self) -> Option<String> {
        let media = match &self.media {
            Media::Template { media, .. } => template::problem(media),
            Media::List { .. } | Media::Indexed { .. } | Media::File => None,
        };
        media.or_else(|| match &self.init {
            Init::Template(init) => template::problem(init),
            Init::Range(_) | Init::Nothing => None,
        })
    }

    pub(crate) fn index(&self, policy: &Policy, location: u32) -> Option<Address> {
        match &self.media {
            Media::Indexed { index, .. } => {
                self.address(policy, index.source_url.as_deref(), index.range, location)
            }
            Media::Template { .. } | Media::List { .. } | Media::File => None,
        }
    }

    pub(crate) fn init(&self, policy: &Policy, location: u32) -> Option<Address> {
        match &self.init {
            Init::Nothing => None,
            Init::Template(template) => {
                self.address(policy, Some(&self.expand(template, None)), None, location)
            }
            Init::Range(range) => self.address(policy, range.source_url.as_deref(), range.range, location),
        }
    }

    pub(crate) fn segment(&self, policy: &Policy, segment: &Segment, location: u32) -> Option<Address> {
        match &self.media {
            Media::Template { media, sequence } => {
                self.address(policy, Some(&self.expand(media, Some((segment, *sequence)))), None, location)
            }
            Media::List { urls, first_number } => {
                let at = usize::try_from(segment.number.checked_sub(*first_number)?).ok()?;
                let listed = urls.get(at)?;
                self.address(policy, listed.media.as_deref(), listed.range, location)
            }
            Media::Indexed { ranges, .. } => {
                let at = usize::try_from(segment.number.checked_sub(1)?).ok()?;
                self.address(policy, None, Some(*ranges.get(at)?), location)
            }
            Media::File => self.address(policy, None, None, location),
        }
    }

    /// How all of its segments are encrypted.
    pub(crate) fn encryption(&self, policy: &Policy) -> Option<SegmentEncryption> {
        let no = |code, detail: &str| NoKey { code, detail: detail.to_owned() };
        let (key, iv) = match self.sealed.as_ref()? {
            Ok((reference, iv)) => {
                let base = self.base(0)?;
                let url = policy.resolve(base, reference).map_err(|detail| no(Code::Forbidden, &detail));
                (url, Some(*iv))
            }
            Err(what) => (Err(no(Code::Unsupported, what)), None),
        };
        Some(SegmentEncryption { what: Encrypted::Bytes, key, iv })
    }

    pub(crate) fn timing(&self) -> Timing {
        let stamps = if self.standalone_text { self.scale.start } else { 0 };
        Timing::Offset { ticks: self.scale.offset.saturating_add(stamps), timescale: self.scale.timescale }
    }

    /// Makes the address of an index inside of a WebM file begin with the file, where that is near: what its
    /// positions and times count in stands there.
    pub(super) fn expect_webm(&mut self) {
        if let Media::Indexed { index: UrlRange { source_url: None, range: Some(range) }, .. } =
            &mut self.media
            && range.start <= WEBM_HEAD_BYTES
        {
            range.start = 0;
        }
    }

    /// Reads the `sidx` or the cues out of `body`, the bytes that [`index`](Self::index) names.
    pub(crate) fn read_index(&mut self, body: &[u8]) -> Result<SegmentIndex, ManifestError> {
        let (offset_ticks, timescale) = (self.scale.offset, self.scale.timescale);
        let known = Known {
            init_end: match &self.init {
                Init::Range(UrlRange { source_url: None, range }) => range.and_then(|range| range.end),
                Init::Range(_) | Init::Template(_) | Init::Nothing => None,
            },
            media_end: self.scale.end_nanos(),
        };
        let Media::Indexed { index, ranges, span } = &mut self.media else {
            return Err(ManifestError::malformed(
                Default::default(),
                "this representation has no separate index",
            ));
        };
        let position = index.range.map_or(0, |range| range.start);
        let Index { mut runs, ranges: found } =
            if cues::is_webm(body) { cues::read(body, position, known) } else { sidx::read(body, position) }?;
        refine(&mut runs);
        // The offset was stated in ticks of the manifest; the index counts in its own.
        let scaled = i128::from(offset_ticks) * i128::from(runs.timescale);
        let timescale = i128::from(timescale.max(1));
        let half = if scaled < 0 { -(timescale / 2) } else { timescale / 2 };
        runs.offset_ticks = i64::try_from((scaled + half) / timescale).map_err(|_| {
            ManifestError::malformed(Default::default(), "the presentation time offset is too large")
        })?;
        *ranges = found;
        super::layout::clip(&mut runs, *span);
        Ok(SegmentIndex::Known(runs))
    }
}

/// Counts in smaller ticks, so that a period's offset can be expressed to about a nanosecond.
fn refine(runs: &mut SegmentRuns) {
    let factor = (1_000_000_000 / runs.timescale).max(1);
    let fits = |run: &Run| {
        let end = i128::from(run.start) + i128::from(run.duration) * i128::from(run.count);
        end * i128::from(factor) < i128::from(i64::MAX)
    };
    if runs.runs.iter().all(fits) {
        runs.timescale *= factor;
        for run in &mut runs.runs {
            run.start *= i64::from(factor);
            run.duration *= u64::from(factor);
        }
    }
}
