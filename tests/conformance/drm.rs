//! Protected files against other people's clear ones: samples, segments, initialization data, licences.

use crate::harness::Case;
use abr::presentation::{Container, ContentType};
use bytes::Bytes;
use drm_stub::clearkey::{ClearKey, parse_licence, request};
use drm_stub::hls_aes::{SegmentKey, decrypt_cbc, sequence_vector};
use drm_stub::key::{ContentKey, KeyId};
use drm_stub::pssh;
use md5::{Digest, Md5};
use player::media::decrypt::decrypt;
use player::media::demux::{Demuxer, RawTrack, Wanted};
use serde_json::Value;
use std::collections::BTreeMap;

fn hex_bytes(text: &str) -> Vec<u8> {
    let digit = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).filter_map(digit).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is wrong with a case.
pub(crate) fn check(case: &Case) -> Vec<String> {
    let result = match case.text("kind") {
        "decrypt" => check_decrypt(case),
        "segment-aes" => check_segment(case),
        "init-data" => check_init_data(case),
        "clearkey" => check_clearkey(&case.json),
        "vector" if case.text("fn") == "getPsshForKeySystem" => check_header_of_system(&case.json),
        kind => Err(format!("the kind {kind} is not implemented")),
    };
    result.err().into_iter().collect()
}

fn check_decrypt(case: &Case) -> Result<(), String> {
    let init = case.inputs("init")?.into_iter().next().map(Bytes::from);
    let mut demuxer = Demuxer::new();
    let (mut video, mut audio) = (RawTrack::default(), RawTrack::default());
    for media in case.inputs("media")?.into_iter().map(Bytes::from) {
        let part = demuxer.read(Container::Mp4, init.as_ref(), &media, Wanted::ALL);
        let part = part.map_err(|error| error.to_string())?;
        for (all, part) in [(&mut video, part.video), (&mut audio, part.audio)] {
            all.timescale = part.timescale;
            all.samples.extend(part.samples);
        }
    }
    let cdm = ClearKey::new();
    let keys = case.json["keys"].as_object().ok_or("no keys")?;
    let kids =
        video.samples.iter().chain(&audio.samples).filter_map(|sample| Some(sample.protection.as_ref()?.kid));
    let kids: std::collections::BTreeSet<[u8; 16]> = kids.collect();
    for kid in kids {
        let named = keys.get(&hex(&kid)).or_else(|| keys.get("*"));
        if let Some(key) = named.and_then(Value::as_str).and_then(ContentKey::from_hex) {
            cdm.give(KeyId(kid), key);
        }
    }
    for track in case.json["tracks"].as_array().ok_or("no tracks")? {
        let codec = track["codec"].as_str().unwrap_or_default();
        let content_type = match codec {
            "avc1" | "hvc1" => ContentType::Video,
            "c608" => continue,
            _ => ContentType::Audio,
        };
        let ours = if content_type == ContentType::Video { &mut video } else { &mut audio };
        let encrypted = ours.samples.iter().filter(|sample| sample.protection.is_some()).count();
        if let Some(theirs) = track["encrypted_samples"].as_u64()
            && theirs != encrypted as u64
        {
            return Err(format!("{codec}: {encrypted} encrypted samples, expected {theirs}"));
        }
        decrypt(ours, &cdm).map_err(|error| error.to_string())?;
        if track["sample_count"].as_u64() != Some(ours.samples.len() as u64) {
            return Err(format!(
                "{codec}: {} samples, expected {}",
                ours.samples.len(),
                track["sample_count"]
            ));
        }
        let digests: Vec<String> =
            ours.samples.iter().map(|sample| hex(&Md5::digest(&sample.data))).collect();
        for (place, (digest, row)) in
            digests.iter().zip(track["samples"].as_array().into_iter().flatten()).enumerate()
        {
            if row[3].as_str() != Some(digest) {
                return Err(format!("{codec}: sample {place} is not clear"));
            }
        }
        if let Some(all) = track["md5_of_md5s"].as_str()
            && all != hex(&Md5::digest(digests.join("\n")))
        {
            return Err(format!("{codec}: not all samples are clear"));
        }
    }
    Ok(())
}

fn check_segment(case: &Case) -> Result<(), String> {
    let mut data = case.input("ciphertext")?;
    let case = &case.json;
    let key = SegmentKey::new(hex_bytes(case["key"].as_str().unwrap_or_default()));
    let key = key.map_err(|error| error.to_string())?;
    let vector = match case["iv"].as_str() {
        Some(iv) => hex_bytes(iv).try_into().map_err(|_| "an odd vector")?,
        None => sequence_vector(case["media_sequence"].as_u64().ok_or("no sequence number")?),
    };
    match (decrypt_cbc(&key, &vector, &mut data), case["verdict"].as_str()) {
        (Err(_), Some("reject")) => Ok(()),
        (Ok(()), Some("reject")) => Err("not refused".into()),
        (Err(error), _) => Err(error.to_string()),
        (Ok(()), _) if case["plaintext_bytes"].as_u64() != Some(data.len() as u64) => {
            Err(format!("{} bytes", data.len()))
        }
        // An MP4 segment must also read as one; other plaintexts are told by their length and padding.
        (Ok(()), _) if case["starts_like_mp4"] == true => {
            player::net::complete::check(Container::Mp4, &data).map_err(|error| error.to_string())
        }
        (Ok(()), _) => Ok(()),
    }
}

fn check_init_data(case: &Case) -> Result<(), String> {
    let bytes = match case.json["init_data_base64"].as_str() {
        Some(text) => base64(text),
        None => case.input("pssh")?,
    };
    let case = &case.json;
    let list = pssh::parse(&bytes);
    if case["verdict"] != "accept" {
        return Ok(());
    }
    let list = list.map_err(|error| error.to_string())?;
    let expected = case["pssh"].as_array().ok_or("no expectation")?;
    if expected.len() != list.len() {
        return Err(format!("{} headers, expected {}", list.len(), expected.len()));
    }
    for (ours, theirs) in list.iter().zip(expected) {
        let kids: Vec<String> = ours.key_ids.iter().map(|kid| hex(&kid.0)).collect();
        let their_kids: Vec<&str> =
            theirs["kids"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if theirs["system_id"].as_str() != Some(&hex(&ours.system_id))
            || theirs["version"].as_u64() != Some(ours.version.into())
            || theirs["data_length"].as_u64() != Some(ours.data_length.into())
            || kids != their_kids
        {
            return Err(format!("{ours:?}"));
        }
    }
    Ok(())
}

/// The header of one key system among several.
fn check_header_of_system(case: &Value) -> Result<(), String> {
    let digits = |text: &str| text.replace('-', "");
    let wanted = case["args"][0].as_str().map(digits);
    let boxes = hex_bytes(case["args"][1]["@hex"].as_str().ok_or("no initialization data")?);
    let list = pssh::parse(&boxes).map_err(|error| error.to_string())?;
    let found = list.iter().find(|header| Some(hex(&header.system_id)) == wanted);
    match (found, case.get("expected").filter(|expected| !expected.is_null())) {
        (None, None) => Ok(()),
        (found, expected) => Err(format!("{found:?}, expected {expected:?}")),
    }
}

fn check_clearkey(case: &Value) -> Result<(), String> {
    let keys: BTreeMap<KeyId, ContentKey> = case["keys"]
        .as_object()
        .ok_or("no keys")?
        .iter()
        .filter_map(|(kid, key)| Some((KeyId::from_hex(kid)?, ContentKey::from_hex(key.as_str()?)?)))
        .collect();
    let kids: Vec<KeyId> = keys.keys().copied().collect();
    let ours: Value = serde_json::from_slice(&request(&kids)).map_err(|error| error.to_string())?;
    let sorted = |document: &Value| {
        let mut kids: Vec<String> =
            document["kids"].as_array().into_iter().flatten().map(Value::to_string).collect();
        kids.sort();
        (kids, document["type"].clone())
    };
    if sorted(&ours) != sorted(&case["request"]) {
        return Err(format!("request {ours}"));
    }
    let licence =
        parse_licence(case["response"].to_string().as_bytes()).map_err(|error| error.to_string())?;
    if licence == keys { Ok(()) } else { Err("the licence holds other keys".into()) }
}

/// Standard base64, as manifests write it.
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for digit in text.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte)) {
        bits = bits << 6 | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}
