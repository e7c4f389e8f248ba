//! Date ranges as timed events: from dates to the timeline of the playlist.

use super::source::{HlsSource, Loaded, length};
use super::types::DateRange;
use crate::timed::{DATERANGE_SCHEME, Message, Origin, SCTE35_SCHEME, TimedEvent, from_hex};
use abr::time::MediaTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// Nanoseconds per millisecond.
const MILLI: i64 = 1_000_000;

impl HlsSource {
    /// The date ranges of the playlist that was read last, as events; none where no segment is dated.
    pub(crate) fn events(&self) -> Vec<TimedEvent> {
        let Some(loaded) = &self.loaded else { return Vec::new() };
        if loaded.playlist.date_ranges.is_empty() {
            return Vec::new();
        }
        let dates = loaded.dates();
        let merged = merged(&loaded.playlist.date_ranges);
        merged.iter().flat_map(|range| events(range, &merged, &dates)).collect()
    }
}

impl Loaded {
    /// Dates that the playlist states, in milliseconds, with their places on the timeline in nanoseconds.
    fn dates(&self) -> Vec<(i64, i64)> {
        let mut start = self.origin;
        let mut dates = Vec::new();
        for segment in &self.playlist.segments {
            dates.extend(segment.program_date_time.map(|date| (date.as_millis(), start)));
            start = start.saturating_add(i64::try_from(length(segment)).unwrap_or(i64::MAX));
        }
        dates
    }
}

/// What all lines about one `ID` say together; the first word counts.
fn merged(lines: &[DateRange]) -> Vec<DateRange> {
    let mut places = BTreeMap::new();
    let mut ranges: Vec<DateRange> = Vec::new();
    for line in lines {
        let at = *places.entry(line.id.as_str()).or_insert_with(|| {
            ranges.push(DateRange { id: line.id.clone(), ..DateRange::default() });
            ranges.len() - 1
        });
        let Some(range) = ranges.get_mut(at) else { continue };
        range.class = range.class.take().or_else(|| line.class.clone());
        range.start = range.start.or(line.start);
        range.end = range.end.or(line.end);
        range.duration = range.duration.or(line.duration);
        range.planned_duration = range.planned_duration.or(line.planned_duration);
        range.end_on_next |= line.end_on_next;
        for (own, its) in [(&mut range.scte35, &line.scte35), (&mut range.client, &line.client)] {
            for (name, value) in its {
                own.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
    }
    ranges
}

/// The event of a range, and one for each splice that it carries.
fn events(range: &DateRange, all: &[DateRange], dates: &[(i64, i64)]) -> Vec<TimedEvent> {
    let Some(date) = range.start.map(|start| start.as_millis()) else { return Vec::new() };
    // By the last stated date that is not later; before the first, by that.
    let after = dates.iter().rposition(|(stated, _)| *stated <= date).unwrap_or(0);
    let Some((stated, place)) = dates.get(after) else { return Vec::new() };
    let start = place.saturating_add(date.saturating_sub(*stated).saturating_mul(MILLI));
    let until = |end: i64| u64::try_from(end.saturating_sub(date)).ok().map(Duration::from_millis);
    let next = || {
        let same = all.iter().filter(|other| other.class == range.class);
        same.filter_map(|other| Some(other.start?.as_millis())).filter(|start| *start > date).min()
    };
    let duration = match range.end {
        Some(end) => until(end.as_millis()),
        None if range.end_on_next => next().and_then(until),
        None => range.duration.or(range.planned_duration).map(Duration::from_nanos),
    };
    let whole = TimedEvent {
        origin: Origin::Daterange,
        scheme: DATERANGE_SCHEME.to_owned(),
        value: range.class.clone().unwrap_or_default(),
        id: range.id.clone(),
        start: MediaTime::from_nanos(start),
        duration,
        message: if range.client.is_empty() {
            Message::Empty
        } else {
            // A map of texts is always JSON.
            Message::Text(serde_json::to_string(&range.client).unwrap_or_default())
        },
    };
    let splices = range.scte35.iter().filter_map(|(name, digits)| {
        Some(TimedEvent {
            scheme: SCTE35_SCHEME.to_owned(),
            value: name.clone(),
            message: Message::Binary(from_hex(digits)?),
            // What ends a range applies at its end.
            start: match duration {
                Some(duration) if name == "SCTE35-IN" => whole.start + duration,
                _ => whole.start,
            },
            ..whole.clone()
        })
    });
    std::iter::once(whole.clone()).chain(splices).collect()
}

#[cfg(test)]
mod tests {
    use crate::manifest::read;
    use abr::presentation::RepresentationKey;
    use url::Url;

    #[test]
    fn ranges_lie_where_their_dates_are() {
        let text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n\
            #EXT-X-DATERANGE:ID=\"a\",CLASS=\"c\",START-DATE=\"2026-01-01T00:00:05.5Z\",END-ON-NEXT=YES,X-COM=\"x\"\n\
            #EXT-X-DATERANGE:ID=\"b\",CLASS=\"c\",START-DATE=\"2026-01-01T00:00:07Z\",DURATION=1.5,SCTE35-OUT=0xFC30\n\
            #EXTINF:4,\n0.ts\n#EXTINF:4,\n1.ts\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:01:00Z\n#EXTINF:4,\n2.ts\n\
            #EXT-X-DATERANGE:ID=\"d\",START-DATE=\"2026-01-01T00:01:01Z\"\n#EXT-X-DATERANGE:ID=\"d\",X-LATE=\"1\"\n\
            #EXT-X-ENDLIST\n";
        let title = read(&Url::parse("https://h.example/a.m3u8").unwrap(), text.as_bytes()).unwrap();
        let key = RepresentationKey { period: 0, adaptation_set: 0, representation: 0 };
        let events = title.addresses.events(key);
        let found: Vec<_> = events
            .iter()
            .map(|e| {
                (e.id.as_str(), e.value.as_str(), e.start.as_millis(), e.duration.map(|d| d.as_millis()))
            })
            .collect();
        assert_eq!(
            found,
            [
                ("a", "c", 5500, Some(1500)),
                ("b", "c", 7000, Some(1500)),
                ("b", "SCTE35-OUT", 7000, Some(1500)),
                ("d", "", 9000, None)
            ]
        );
        assert_eq!(title.events, events);
    }
}
