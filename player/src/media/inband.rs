//! Timed events in the bytes of a segment: `emsg` boxes, ID3 tags, SCTE-35 sections.

use super::isobmff::boxes::{self, Mp4Box};
use super::ts;
use crate::pipeline::Timing;
use crate::timed::emsg::{self, EventMessage, Time};
use crate::timed::{ID3_SCHEME, Message, Origin, SCTE35_SCHEME, TimedEvent, id3, scte35};
use abr::segments::Segment;
use abr::time::MediaTime;
use std::time::Duration;

/// Most events of one segment.
const EVENTS: usize = 1_000;
/// Nanoseconds per second.
const SECOND: i128 = 1_000_000_000;
/// Ticks of the MPEG-2 clock before it begins anew.
const TURN: i64 = 1 << 33;

/// The events in the clear bytes of a segment, on the presentation timeline. What cannot be read is left out:
/// whether the segment can be played is found out elsewhere.
pub fn events(data: &[u8], init: Option<&[u8]>, segment: &Segment, timing: Timing) -> Vec<TimedEvent> {
    if ts::is_transport_stream(data) {
        transport(data, segment)
    } else if data.starts_with(b"ID3") {
        packed(data, segment)
    } else if data.get(4..8).is_some_and(|kind| kind.iter().all(u8::is_ascii_alphanumeric)) {
        boxed(data, init, segment, timing)
    } else {
        Vec::new()
    }
}

/// `emsg` boxes at the top level.
fn boxed(data: &[u8], init: Option<&[u8]>, segment: &Segment, timing: Timing) -> Vec<TimedEvent> {
    let budget = boxes::budget();
    let found = boxes::top_level(data, &budget).map_while(Result::ok);
    let messages: Vec<EventMessage> = found
        .filter(|found| found.kind == *b"emsg")
        .filter_map(|found| emsg::read(found.body))
        .take(EVENTS)
        .collect();
    if messages.is_empty() {
        return Vec::new();
    }
    // Presentation time less media time, in nanoseconds.
    let offset = match timing {
        Timing::Offset { ticks, timescale } => {
            Some(i128::from(ticks) * SECOND / i128::from(timescale.max(1)))
        }
        Timing::Discontinuity(_) => {
            let first = first_time(data, init);
            first.map(|first| i128::from(segment.start.as_nanos()) - first)
        }
    };
    messages.into_iter().filter_map(|message| placed(message, segment, offset)).collect()
}

fn placed(message: EventMessage, segment: &Segment, offset: Option<i128>) -> Option<TimedEvent> {
    let nanos = |ticks: u64| i128::from(ticks) * SECOND / i128::from(message.timescale);
    let start = match message.time {
        Time::Delta(delta) => i128::from(segment.start.as_nanos()) + nanos(delta.into()),
        Time::At(time) => nanos(time) + offset?,
    };
    let duration = message.duration.map(|ticks| nanos(ticks.into()));
    Some(TimedEvent {
        origin: Origin::Emsg,
        start: MediaTime::from_nanos(i64::try_from(start).ok()?),
        duration: duration.and_then(|nanos| u64::try_from(nanos).ok()).map(Duration::from_nanos),
        id: message.id.to_string(),
        message: match message.scheme.as_str() {
            ID3_SCHEME | SCTE35_SCHEME if !message.data.is_empty() => Message::Binary(message.data),
            _ => Message::of(&message.data),
        },
        scheme: message.scheme,
        value: message.value,
    })
}

/// Decoding time of the first sample of the first track, in nanoseconds of media time.
fn first_time(data: &[u8], init: Option<&[u8]>) -> Option<i128> {
    let budget = boxes::budget();
    let fragment = boxes::top_level(data, &budget).first(b"moof").ok()??;
    let track = fragment.child(b"traf").ok()??;
    let (_, _, mut header) = track.child(b"tfhd").ok()??.full().ok()?;
    let id = header.u32().ok()?;
    let (version, _, mut time) = track.child(b"tfdt").ok()??.full().ok()?;
    let ticks = if version == 0 { u64::from(time.u32().ok()?) } else { time.u64().ok()? };
    let scale = timescale(data, id).or_else(|| timescale(init?, id))?;
    Some(i128::from(ticks) * SECOND / i128::from(scale))
}

/// Ticks per second of track `id` in the movie box of `file`.
fn timescale(file: &[u8], id: u32) -> Option<u32> {
    let budget = boxes::budget();
    let movie = boxes::top_level(file, &budget).first(b"moov").ok()??;
    let tracks = movie.children(0).map_while(Result::ok).filter(|found| found.kind == *b"trak");
    let of = |track: Mp4Box<'_>| {
        let (version, _, mut header) = track.child(b"tkhd").ok()??.full().ok()?;
        header.skip(if version == 0 { 8 } else { 16 }).ok()?;
        let own = header.u32().ok()?;
        let media = track.child(b"mdia").ok()??.child(b"mdhd").ok()??;
        let (version, _, mut fields) = media.full().ok()?;
        fields.skip(if version == 0 { 8 } else { 16 }).ok()?;
        let scale = fields.u32().ok()?;
        (own == id && scale > 0).then_some(scale)
    };
    tracks.filter_map(of).next()
}

/// ID3 tags before the frames of packed audio, without those that hold nothing but its time stamp.
fn packed(data: &[u8], segment: &Segment) -> Vec<TimedEvent> {
    let mut rest = data;
    let mut found = Vec::new();
    while let Some((tag, after)) = id3::length(rest).and_then(|length| rest.split_at_checked(length)) {
        if id3::is_metadata(tag) && found.len() < EVENTS {
            found.push(tagged(tag, segment.start));
        }
        rest = after;
    }
    found
}

fn tagged(tag: &[u8], start: MediaTime) -> TimedEvent {
    let end = tag.len().min(crate::limits::TIMED_EVENT_BYTES);
    TimedEvent {
        origin: Origin::Id3,
        scheme: ID3_SCHEME.to_owned(),
        value: String::new(),
        id: String::new(),
        start,
        duration: None,
        message: Message::Binary(tag.get(..end).unwrap_or(tag).to_vec()),
    }
}

/// Metadata and splice information of a transport stream.
fn transport(data: &[u8], segment: &Segment) -> Vec<TimedEvent> {
    let metadata = ts::metadata(data);
    let Some(first) = metadata.first else { return Vec::new() };
    // Time stamps begin anew every 26.5 hours; the one nearest to the first is meant.
    let at = |pts: i64| {
        let after = (pts - first + TURN / 2).rem_euclid(TURN) - TURN / 2;
        let nanos = i128::from(after) * SECOND / 90_000;
        MediaTime::from_nanos(segment.start.as_nanos().saturating_add(i64::try_from(nanos).unwrap_or(0)))
    };
    let tags = metadata.tags.iter().flat_map(|(pts, payload)| {
        let mut rest = &payload[..];
        let tags = std::iter::from_fn(move || {
            let (tag, after) = rest.split_at_checked(id3::length(rest)?)?;
            rest = after;
            Some(tag)
        });
        tags.map(move |tag| tagged(tag, at(*pts)))
    });
    let splices = metadata.splices.iter().filter_map(|bytes| {
        let section = scte35::read(bytes).ok().filter(|section| section.crc_ok)?;
        let (time, id, duration) = section.moment();
        Some(TimedEvent {
            origin: Origin::Scte35,
            scheme: SCTE35_SCHEME.to_owned(),
            value: String::new(),
            id,
            start: time.map_or(segment.start, at),
            duration,
            message: Message::Binary(bytes.clone()),
        })
    });
    tags.chain(splices).take(EVENTS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use abr::segments::{Run, SegmentRuns};

    fn segment() -> Segment {
        let run = Run {
            number: 1,
            start: 0,
            duration: 2,
            count: 9,
            discontinuity: 0,
            init: None,
            gap: false,
            part: None,
        };
        let runs = SegmentRuns { timescale: 1, runs: vec![run], ..SegmentRuns::default() };
        runs.get(5).unwrap()
    }

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
    }

    fn message(version: u8, time: u64) -> Vec<u8> {
        let names = b"urn:x\0v\0";
        let mut body = vec![version, 0, 0, 0];
        if version == 0 {
            body.extend(names);
            body.extend([1000, time as u32, 500, 3].map(u32::to_be_bytes).concat());
        } else {
            body.extend(1000u32.to_be_bytes());
            body.extend(time.to_be_bytes());
            body.extend([500u32, 3].map(u32::to_be_bytes).concat());
            body.extend(names);
        }
        body.extend(b"data");
        boxed(b"emsg", &body)
    }

    #[test]
    fn messages_are_placed_by_segment_or_by_media_time() {
        let data = [message(0, 250), message(1, 11_500)].concat();
        let timing = Timing::Offset { ticks: -1, timescale: 2 };
        let found = events(&data, None, &segment(), timing);
        let starts: Vec<i64> = found.iter().map(|event| event.start.as_millis()).collect();
        assert_eq!(starts, [10_250, 11_000]);
        assert_eq!(found[0].duration, Some(Duration::from_millis(500)));
        assert_eq!((found[1].id.as_str(), &found[1].message), ("3", &Message::Text("data".to_owned())));
    }

    #[test]
    fn in_playlists_media_time_counts_from_the_first_sample() {
        let header = |id: u32| boxed(b"tfhd", &[&[0; 4][..], &id.to_be_bytes()].concat());
        let time = boxed(b"tfdt", &[&[0; 4][..], &5000u32.to_be_bytes()].concat());
        let fragment = boxed(b"moof", &boxed(b"traf", &[header(7), time].concat()));
        let track = boxed(b"tkhd", &[&[0; 12][..], &7u32.to_be_bytes()].concat());
        let media = boxed(b"mdia", &boxed(b"mdhd", &[&[0; 12][..], &1000u32.to_be_bytes()].concat()));
        let init = boxed(b"moov", &boxed(b"trak", &[track, media].concat()));
        let data = [message(1, 5250), fragment].concat();
        let found = events(&data, Some(&init), &segment(), Timing::Discontinuity(0));
        assert_eq!(found[0].start.as_millis(), 10_250);
        assert!(events(&data, None, &segment(), Timing::Discontinuity(0)).is_empty());
    }

    #[test]
    fn tags_before_packed_audio_are_found() {
        let tag = b"ID3\x04\0\0\0\0\0\x0cTIT2\0\0\0\x02\0\0\x03A";
        let found = events(&[&tag[..], b"\xff\xf1"].concat(), None, &segment(), Timing::Discontinuity(0));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].frames()[0].text.as_deref(), Some("A"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(head in 0usize..3, body in proptest::collection::vec(0u8.., 0..400)) {
            let data = [[&b"ID3"[..], b"\0\0\0\x20emsg", b"\x47"][head], &body[..]].concat();
            let _ = events(&data, Some(&data), &segment(), Timing::Discontinuity(0));
        }
    }
}
