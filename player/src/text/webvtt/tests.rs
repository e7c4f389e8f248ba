//! Properties of the parser: whatever comes in, it ends, keeps its limits and does not panic.

use super::*;
use proptest::prelude::*;

/// Text made of what means something in WebVTT.
fn fragments() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("\n".to_owned()),
        Just("\n\n".to_owned()),
        Just("STYLE\n::cue(b){color:red}".to_owned()),
        Just("REGION\nid:a lines:2".to_owned()),
        Just("NOTE x".to_owned()),
        Just("00:01.000 --> 00:02.000".to_owned()),
        Just(" region:a line:-1 position:50%,center size:200% align:end vertical:rl".to_owned()),
        Just("-->".to_owned()),
        Just("<c.x><ruby><rt><v Ann>".to_owned()),
        Just("</ruby></c><00:01.500>&amp;&#x1F600;&".to_owned()),
        Just("X-TIMESTAMP-MAP=MPEGTS:1,LOCAL:00:00.000".to_owned()),
        "\\PC{0,8}",
    ];
    proptest::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_text_is_read(text in fragments()) {
        let document = parse(format!("WEBVTT\n{text}").as_bytes()).unwrap();
        for cue in &document.cues {
            let runs = crate::text::style::runs(cue);
            let visible: String =
                runs.iter().filter(|run| !run.style.ruby).map(|run| run.text.as_str()).collect();
            prop_assert_eq!(visible, cue.text());
            prop_assert!((0.0..=100.0).contains(&cue.settings.size));
            prop_assert!(cue.settings.line.is_none_or(f64::is_finite));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
        let _ = parse(&[b"WEBVTT\n\n", &bytes[..]].concat());
    }
}

#[test]
fn bad_cues_are_skipped_and_counted() {
    let text = "WEBVTT\n\n00:00.000 --> oops\nbad\n\n00:01.000 --> 00:02.000\ngood\n\n1 --> 2\nworse";
    let document = parse(text.as_bytes()).unwrap();
    assert_eq!(document.cues.len(), 1);
    assert_eq!(document.skipped, 2);
}

#[test]
fn deep_nesting_is_cut_off_without_recursion() {
    let text =
        format!("WEBVTT\n\n00:00.000 --> 00:01.000\n{}x{}y", "<b>".repeat(50_000), "</b>".repeat(50_000));
    let document = parse(text.as_bytes()).unwrap();
    assert_eq!(document.cues[0].text(), "xy");
}

#[test]
fn size_is_limited() {
    let large = vec![b' '; limits::TEXT_BYTES + 1];
    assert_eq!(parse(&large), Err(TextError::TooLarge(large.len())));
}
