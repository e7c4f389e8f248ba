//! From appended segments to cues on the presentation timeline.

use super::cue::Cue;
use super::mp4::{self, Header};
use super::webvtt::{self, Document};
use crate::media::demux::sniff;
use crate::media::sample::{Codec, Sample};
use crate::media::timing::TimeMapper;
use crate::pipeline::{Append, Timing};
use abr::error::Code;
use abr::presentation::Container;
use abr::protocol::AppendFailure;
use abr::time::MediaTime;
use bytes::Bytes;

/// Nanoseconds of a tick of the MPEG-2 clock, as a fraction.
const TICK: (i128, i128) = (100_000, 9);

/// Whether a segment is a WebVTT file rather than a container.
pub fn is_text(append: &Append) -> bool {
    append.container == Container::Webvtt || sniff(&append.data) == Some(Container::Webvtt)
}

/// Reads a segment that is a WebVTT file.
///
/// # Errors
/// When it is something else.
pub fn read(append: &Append) -> Result<Document, AppendFailure> {
    webvtt::parse(&append.data).map_err(|error| AppendFailure {
        malformed: true,
        code: None,
        detail: error.to_string(),
    })
}

/// Puts the cues of a file on the presentation timeline; `None` while the pictures of its discontinuity have
/// not said where that lies.
///
/// In DASH cue times count from where the manifest says. In HLS `X-TIMESTAMP-MAP` ties them to the time
/// stamps of the media; without it they count on the presentation timeline, as authors who leave it out
/// mean it and other players read it.
pub fn place(append: &Append, document: &Document, mapper: &TimeMapper) -> Option<Vec<Cue>> {
    let offset = match (append.timing, document.timestamp_map) {
        (Timing::Offset { ticks, timescale }, _) => {
            i128::from(ticks) * 1_000_000_000 / i128::from(timescale.max(1))
        }
        (Timing::Discontinuity(_), None) => 0,
        (Timing::Discontinuity(_), Some(map)) => {
            let Some(first) = document.cues.iter().map(|cue| cue.start).min() else {
                return Some(Vec::new());
            };
            let base = i128::from(map.mpegts) * TICK.0 / TICK.1 - i128::from(map.local.as_nanos());
            base + mapper.stamp_offset(append, base + i128::from(first.as_nanos()))?
        }
    };
    let offset = offset.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
    let moved = |time: MediaTime| MediaTime::from_nanos(time.as_nanos().saturating_add(offset));
    let place = |cue: &Cue| Cue { start: moved(cue.start), end: moved(cue.end), offset, ..cue.clone() };
    Some(document.cues.iter().map(place).collect())
}

/// The cues of samples that have their place already, and how many could not be read.
///
/// # Errors
/// When the samples are in another format than WebVTT.
pub fn from_samples(samples: &[Sample]) -> Result<(Vec<Cue>, u32), AppendFailure> {
    let mut header: Option<(Bytes, Header)> = None;
    let (mut cues, mut skipped) = (Vec::new(), 0u32);
    for sample in samples {
        if sample.format.codec != Codec::Webvtt {
            let name = match sample.format.codec {
                Codec::Ttml => "TTML".to_owned(),
                codec => format!("{codec:?}"),
            };
            let detail = format!("subtitles in {name} cannot be shown");
            return Err(AppendFailure { malformed: false, code: Some(Code::Unsupported), detail });
        }
        let config = &sample.format.extra;
        if header.as_ref().is_none_or(|(known, _)| known != config) {
            header = Some((config.clone(), Header::parse(config)));
        }
        let Some((_, header)) = &header else { continue };
        let (found, bad) = mp4::cues(&sample.data, sample.pts, sample.end(), header);
        cues.extend(found);
        skipped = skipped.saturating_add(bad);
    }
    Ok((cues, skipped))
}
