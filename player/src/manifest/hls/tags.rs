//! Single tags whose attribute lists become a value of their own.

use super::attributes::Attributes;
use super::types::{DateRange, Key, PreloadHint, RenditionReport, ServerControl, Skip};
use crate::manifest::iso8601::{date_time, decimal_nanos};

/// `EXT-X-KEY` or `EXT-X-SESSION-KEY`; `None` without `METHOD`.
pub(super) fn key(list: &Attributes<'_>) -> Option<Key> {
    Some(Key {
        method: list.owned("METHOD")?,
        uri: list.owned("URI"),
        iv: list.text("IV").and_then(|iv| {
            let digits = iv.strip_prefix("0x").or_else(|| iv.strip_prefix("0X")).unwrap_or(iv);
            let hex = digits.len() <= 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            hex.then(|| format!("{:0>32}", digits.to_ascii_lowercase()))
        }),
        keyformat: list.owned("KEYFORMAT"),
        keyformatversions: list.owned("KEYFORMATVERSIONS"),
    })
}

/// `EXT-X-SERVER-CONTROL`.
pub(super) fn server_control(list: &Attributes<'_>) -> ServerControl {
    ServerControl {
        can_block_reload: list.yes("CAN-BLOCK-RELOAD"),
        hold_back: list.nanos("HOLD-BACK"),
        part_hold_back: list.nanos("PART-HOLD-BACK"),
        can_skip_until: list.nanos("CAN-SKIP-UNTIL"),
        can_skip_dateranges: list.yes("CAN-SKIP-DATERANGES"),
    }
}

/// `EXT-X-SKIP`; `None` without a readable `SKIPPED-SEGMENTS`.
pub(super) fn skip(list: &Attributes<'_>) -> Option<Skip> {
    let removed = list.text("RECENTLY-REMOVED-DATERANGES").unwrap_or_default();
    Some(Skip {
        skipped_segments: list.integer("SKIPPED-SEGMENTS")?,
        recently_removed_dateranges: removed
            .split('\t')
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

/// `EXT-X-PRELOAD-HINT`; `None` without `TYPE` or `URI`.
pub(super) fn preload_hint(list: &Attributes<'_>) -> Option<PreloadHint> {
    Some(PreloadHint {
        kind: list.owned("TYPE")?,
        uri: list.owned("URI")?,
        byte_range_start: list.integer("BYTERANGE-START").unwrap_or(0),
        byte_range_length: list.integer("BYTERANGE-LENGTH"),
    })
}

/// `EXT-X-RENDITION-REPORT`; `None` without `URI`.
pub(super) fn rendition_report(list: &Attributes<'_>) -> Option<RenditionReport> {
    Some(RenditionReport {
        uri: list.owned("URI")?,
        last_msn: list.integer("LAST-MSN"),
        last_part: list.integer("LAST-PART"),
    })
}

/// `EXT-X-DATERANGE` and the name of an attribute that cannot be read, if there is one; `None` without `ID`.
pub(super) fn date_range(list: &Attributes<'_>) -> Option<(DateRange, Option<String>)> {
    let mut range = DateRange { id: list.owned("ID")?, ..DateRange::default() };
    let mut bad = None;
    for (name, value) in list.iter() {
        let mut seconds = |target: &mut Option<u64>| match decimal_nanos(value) {
            Some(nanos) => *target = Some(nanos),
            None => bad = Some(name.to_owned()),
        };
        match name {
            "CLASS" => range.class = Some(value.to_owned()),
            "START-DATE" | "END-DATE" => {
                let date = date_time(value);
                if date.is_none() {
                    bad = Some(name.to_owned());
                }
                *(if name == "START-DATE" { &mut range.start } else { &mut range.end }) = date;
            }
            "DURATION" => seconds(&mut range.duration),
            "PLANNED-DURATION" => seconds(&mut range.planned_duration),
            "END-ON-NEXT" => range.end_on_next = value == "YES",
            "SCTE35-CMD" | "SCTE35-OUT" | "SCTE35-IN" => {
                let hex = value.trim_start_matches("0x").trim_start_matches("0X").to_ascii_lowercase();
                range.scte35.insert(name.to_owned(), hex);
            }
            _ if name.starts_with("X-") => {
                range.client.insert(name.to_owned(), value.to_owned());
            }
            _ => {}
        }
    }
    Some((range, bad))
}
