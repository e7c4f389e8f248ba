//! The area `scte35`: splice information sections.

use crate::harness::Case;
use crate::model::differences;
use player::timed::from_hex;
use player::timed::scte35::{Command, Content, Descriptor, Section, bytes_of, read};
use serde_json::{Value, json};

/// What is wrong with a case.
pub(crate) fn check(case: &Case) -> Vec<String> {
    let text = bytes_of(case.text("text")).or_else(|| from_hex(case.text("hex")));
    let section = text.as_deref().map(read);
    match (case.text("verdict"), section) {
        ("accept" | "flag-crc", Some(Ok(section))) => differences(&case.json["expect"], &model(&section)),
        ("accept" | "flag-crc", other) => vec![format!("refused: {other:?}")],
        // A wrong checksum is an error to that peer.
        ("reject", Some(Ok(section))) if section.crc_ok => vec!["not refused".to_owned()],
        _ => Vec::new(),
    }
}

fn model(section: &Section) -> Value {
    json!({
        "table_id": 0xfc,
        "sap_type": section.sap_type,
        "protocol_version": 0,
        "encrypted": section.encrypted,
        "encryption_algorithm": section.encryption_algorithm,
        "pts_adjustment": section.pts_adjustment,
        "cw_index": section.cw_index,
        "tier": section.tier,
        "crc_ok": section.crc_ok,
        "command": command(&section.command),
        "descriptors": section.descriptors.iter().map(descriptor).collect::<Vec<_>>(),
    })
}

fn command(command: &Command) -> Value {
    match command {
        Command::SpliceNull => json!({ "type": 0 }),
        Command::SpliceSchedule => json!({ "type": 4 }),
        Command::SpliceInsert(insert) => json!({
            "type": 5,
            "event_id": insert.event_id,
            "cancel": insert.cancel,
            "out_of_network": insert.out_of_network,
            "program_splice": insert.program_splice,
            "immediate": insert.immediate,
            "pts_time": insert.pts_time,
            "break_duration": insert.break_duration,
            "auto_return": insert.auto_return,
            "unique_program_id": insert.unique_program_id,
            "avail_num": insert.avail_num,
            "avails_expected": insert.avails_expected,
        }),
        Command::TimeSignal { pts_time } => json!({ "type": 6, "pts_time": pts_time }),
        Command::BandwidthReservation => json!({ "type": 7 }),
        Command::Private { identifier, hex } => {
            json!({ "type": 255, "identifier": identifier, "private_hex": hex })
        }
        Command::Unknown { number } => json!({ "type": number }),
        Command::Encrypted => json!({}),
    }
}

fn descriptor(descriptor: &Descriptor) -> Value {
    let mut value = match &descriptor.content {
        Content::Avail { provider_avail_id } => json!({ "provider_avail_id": provider_avail_id }),
        Content::Dtmf { preroll, digits } => json!({ "preroll": preroll, "dtmf": digits }),
        Content::Segmentation(segmentation) => {
            let mut value = json!({
                "event_id": segmentation.event_id,
                "cancel": segmentation.cancel,
                "duration": segmentation.duration,
                "upid_type": segmentation.upid_type,
                "upid_hex": segmentation.upid_hex,
                "type_id": segmentation.type_id,
                "segment_num": segmentation.segment_num,
                "segments_expected": segmentation.segments_expected,
                "sub_segment_num": segmentation.sub_segments.map(|(number, _)| number),
                "sub_segments_expected": segmentation.sub_segments.map(|(_, expected)| expected),
                "delivery_not_restricted": segmentation.restrictions.is_none(),
            });
            if let Some((web, blackout, archive, devices)) = segmentation.restrictions {
                value["web_delivery_allowed"] = web.into();
                value["no_regional_blackout"] = blackout.into();
                value["archive_allowed"] = archive.into();
                value["device_restrictions"] = devices.into();
            }
            value
        }
        Content::Time { tai_seconds, tai_ns, utc_offset } => {
            json!({ "tai_seconds": tai_seconds, "tai_ns": tai_ns, "utc_offset": utc_offset })
        }
        Content::Other { .. } => json!({}),
    };
    value["tag"] = descriptor.tag.into();
    value["identifier"] = format!("{:08x}", descriptor.identifier).into();
    value
}
