//! WebVTT in ISO base media files (ISO/IEC 14496-30, 7): each sample holds the cues of its interval.

use super::cue::{Cue, Region, Settings};
use super::style::Rule;
use super::webvtt;
use crate::limits;
use abr::time::MediaTime;
use std::sync::Arc;

/// What the sample entry says for all samples.
#[derive(Clone, Debug, Default)]
pub struct Header {
    regions: Vec<Arc<Region>>,
    rules: Arc<[Rule]>,
}

impl Header {
    /// Reads `vttC`, the head of a WebVTT file; without one that can be read there are no regions and no
    /// rules.
    pub fn parse(config: &[u8]) -> Self {
        let document = webvtt::parse(config).unwrap_or_default();
        Self { regions: document.regions, rules: document.rules }
    }
}

/// The cues of a sample that lasts from `start` to `end`, and how many boxes could not be read.
pub fn cues(sample: &[u8], start: MediaTime, end: MediaTime, header: &Header) -> (Vec<Cue>, u32) {
    let mut found = Vec::new();
    let mut skipped = 0u32;
    for part in Boxes(sample).take(limits::TEXT_CUES) {
        match part {
            Some((b"vttc", body)) => match cue(body, start, end, header) {
                Some(cue) => found.push(cue),
                None => skipped = skipped.saturating_add(1),
            },
            // `vtte` says that there is nothing, `vtta` is a note.
            Some(_) => {}
            None => skipped = skipped.saturating_add(1),
        }
    }
    (found, skipped)
}

fn cue(body: &[u8], start: MediaTime, end: MediaTime, header: &Header) -> Option<Cue> {
    let mut cue = Cue {
        id: String::new(),
        start,
        end,
        settings: Settings::default(),
        region: None,
        payload: String::new(),
        nodes: Arc::default(),
        offset: 0,
        rules: Arc::clone(&header.rules),
    };
    for part in Boxes(body).take(limits::TEXT_CUES) {
        let (kind, body) = part?;
        let text = || String::from_utf8_lossy(body.strip_suffix(b"\0").unwrap_or(body)).into_owned();
        match kind {
            b"iden" => cue.id = text(),
            b"sttg" => webvtt::apply_settings(&text(), &header.regions, &mut cue),
            b"payl" => cue.payload = text(),
            _ => {}
        }
    }
    cue.nodes = webvtt::parse_markup(cue.payload.trim_end_matches('\n')).into();
    Some(cue)
}

/// Boxes one after the other; `None` once for what is not one, and that is the end.
struct Boxes<'a>(&'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = Option<(&'a [u8; 4], &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let whole = std::mem::take(&mut self.0);
        let Some((head, body)) = whole.split_first_chunk::<8>() else { return Some(None) };
        let [a, b, c, d, ..] = *head;
        let size = u32::from_be_bytes([a, b, c, d]) as usize;
        let length = if size == 0 { Some(body.len()) } else { size.checked_sub(8) };
        let Some((body, rest)) = length.and_then(|length| body.split_at_checked(length)) else {
            return Some(None);
        };
        self.0 = rest;
        head.last_chunk::<4>().map(|kind| Some((kind, body)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len() + 8).unwrap();
        [&size.to_be_bytes()[..], kind, body].concat()
    }

    #[test]
    fn a_sample_holds_cues_with_settings() {
        let header = Header::parse(b"WEBVTT\n\nSTYLE\n::cue { color: red }");
        let parts =
            [boxed(b"iden", b"7"), boxed(b"sttg", b"line:0 align:start"), boxed(b"payl", b"<i>x</i>\n")];
        let sample = [boxed(b"vttc", &parts.concat()), boxed(b"vtta", b"note"), boxed(b"vtte", b"")];
        let (start, end) = (MediaTime::ZERO, MediaTime::from_millis(1_000));
        let (cues, skipped) = cues(&sample.concat(), start, end, &header);
        assert_eq!((cues.len(), skipped), (1, 0));
        assert_eq!(
            (cues[0].id.as_str(), cues[0].settings.line, cues[0].text().as_str()),
            ("7", Some(0.0), "x")
        );
        assert_eq!(super::super::style::runs(&cues[0])[0].style.color, [255, 0, 0, 255]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(sample in proptest::collection::vec(any::<u8>(), 0..200)) {
            let end = MediaTime::from_millis(1);
            let wrapped = boxed(b"vttc", &sample);
            for bytes in [&sample, &wrapped] {
                cues(bytes, MediaTime::ZERO, end, &Header::default());
            }
        }
    }
}
