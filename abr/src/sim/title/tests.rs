//! Tests of the title formats.

use super::*;
use crate::presentation::{AdaptationSet, Container, ContentType, Period, Presentation, Representation};
use crate::segments::{Run, SegmentIndex, SegmentRuns};
use crate::sim::input::shared_traces;

const MOVIE: &str = r#"{"segment_duration_ms": 2000, "bitrates_kbps": [100, 200.5],
    "segment_sizes_bits": [[200001, 400000], [180000, 500000]]}"#;

fn parse(text: &str) -> Result<Title, ReadError> {
    Title::parse(Path::new("a/movie.json"), text)
}

#[test]
fn a_sabre_movie_reads_and_writes() {
    let title = parse(MOVIE).unwrap();
    assert_eq!((title.segments(), title.qualities(), title.name.as_str()), (2, 2, "movie"));
    assert_eq!(title.sizes_of(1), [180_000, 500_000]);
    assert_eq!(parse(&title.to_sabre().unwrap()).unwrap(), title);
    let (files, rounded) = title.to_pensieve();
    assert_eq!(files, ["25001\n22500\n", "50000\n62500\n"]);
    assert!(rounded);
    let long = title.resized(5);
    assert_eq!((long.segments(), long.size_bits(4, 1)), (5, 400_000));
}

#[test]
fn wrong_units_and_shapes_are_refused() {
    let refused = |text: &str| parse(text).expect_err("must be refused").to_string();
    let with = |from: &str, to: &str| MOVIE.replace(from, to);
    assert!(refused(&with("[100, 200.5]", "[100000, 200500]")).contains("are sizes in bits"));
    assert!(refused(&with("2000,", "2,")).contains("are sizes in bits"));
    assert!(refused(&with("[180000, 500000]", "[180000]")).contains("segment 1 has 1 sizes for 2"));
    assert!(refused(&with("200.5", "50")).contains("must ascend"));
    assert!(refused(&with("500000", "-1")).contains("movie.json:2: "));
    assert!(refused("[]").contains("not a title"));
    assert!(Title::load("synthetic:colour=red").is_err());
    assert!(Title::load("synthetic:segments=0").is_err());
    assert!(Title::load("synthetic:segments=99999999999").is_err());
}

#[test]
fn the_first_video_set_of_a_presentation_becomes_a_title() {
    let representation = |id: &str, bandwidth_bps, sizes: Vec<u64>| Representation {
        id: id.into(),
        bandwidth_bps,
        codecs: String::new(),
        container: Container::Mp4,
        width: 0,
        height: 0,
        frame_rate: (0, 1),
        channels: 0,
        sampling_rate: 0,
        locations: 1,
        index: SegmentIndex::Known(SegmentRuns {
            timescale: 1000,
            offset_ticks: 0,
            runs: vec![
                Run {
                    number: 1,
                    start: 0,
                    duration: 2000,
                    count: 2,
                    discontinuity: 0,
                    init: None,
                    gap: false,
                    part: None,
                },
                Run {
                    number: 3,
                    start: 4000,
                    duration: 1000,
                    count: 1,
                    discontinuity: 0,
                    init: None,
                    gap: false,
                    part: None,
                },
            ],
            sizes,
            complete: true,
            availability: Default::default(),
        }),
    };
    let set = |content_type, representations| AdaptationSet {
        id: "0".into(),
        content_type,
        muxed_audio: false,
        language: None,
        label: None,
        roles: vec![],
        is_default: false,
        representations,
    };
    let presentation = Presentation {
        periods: vec![Period {
            adaptation_sets: vec![
                set(ContentType::Audio, vec![representation("a", 64_000, vec![])]),
                set(
                    ContentType::Video,
                    vec![
                        representation("l", 100_000, vec![]),
                        representation("h", 300_000, vec![70_000, 80_000]),
                    ],
                ),
            ],
            ..Period::default()
        }],
        ..Presentation::default()
    };
    let text = serde_json::json!({ "url": "x", "presentation": presentation }).to_string();
    let title = parse(&text).unwrap();
    assert_eq!(title.bitrates_kbps, [100.0, 300.0]);
    assert_eq!(title.durations_ms, [2000.0, 2000.0, 1000.0]);
    assert_eq!(title.sizes_of(0), [200_000, 560_000]);
    assert_eq!(title.sizes_of(2), [100_000, 300_000]);
    assert!(title.to_sabre().is_err());
}

#[test]
fn synthetic_titles_are_repeatable_and_have_the_wanted_spread() {
    let source = "synthetic:segments=2000,seconds=2,ladder=500-1000-4000,cv=0.4,seed=7";
    let title = Title::load(source).unwrap();
    assert_eq!(title, Title::load(source).unwrap());
    assert_ne!(title, Title::load(&source.replace("seed=7", "seed=8")).unwrap());
    for (quality, nominal) in title.bitrates_kbps.iter().enumerate() {
        let sizes: Vec<f64> = (0..2000).map(|s| title.size_bits(s, quality) as f64).collect();
        let mean = sizes.iter().sum::<f64>() / 2000.0;
        let cv = (sizes.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / 2000.0).sqrt() / mean;
        assert!((mean / 2000.0 / nominal - 1.0).abs() < 1e-3, "{mean}");
        assert!((0.3..0.5).contains(&cv), "{cv}");
    }
}

#[test]
fn shared_titles_read() {
    let Some(dir) = shared_traces() else { return };
    let movies = dir.join("movies");
    let shape = |name: &str| {
        let title = Title::read(&movies.join(name)).unwrap();
        (title.segments(), title.qualities(), title.durations_ms[0])
    };
    assert_eq!(shape("sabre-bbb.json"), (199, 10, 3000.0));
    assert_eq!(shape("sabre-bbb4k.json"), (199, 6, 3000.0));
    assert_eq!(shape("envivio-dash3"), (49, 6, 4000.0));
    assert_eq!(shape("avengers"), (150, 6, 4000.0));
    assert_eq!(shape("sita-sings-the-blues"), (200, 6, 4000.0));
}
