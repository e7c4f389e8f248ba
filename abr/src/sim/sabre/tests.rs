//! Tests of Sabre's flags and of sessions without an end; its figures are tested in `expected`.

use super::*;
use crate::sim::title::Title;
use crate::sim::trace::Trace;
use std::path::Path;

fn options(flags: &str) -> Options {
    flags.parse().unwrap()
}

fn said(flags: &str) -> String {
    flags.parse::<Options>().unwrap_err().to_string()
}

#[test]
fn flags_are_read_as_on_the_command_line() {
    assert_eq!(options(""), Options::default());
    let all = options(
        "-ao -r left -a dynamic -ab -b 10 -gp 1.5 -noibr -ma sliding -ws 5 20 -noa -s 120 180 -rmp 4 -nm 0.5 -ml 180",
    );
    assert_eq!(all.algorithm, Algorithm::Dynamic);
    assert_eq!(all.average, Average::Sliding(vec![5, 20]));
    assert_eq!((all.buffer_s, all.gamma_p, all.network_multiplier), (10.0, 1.5, 0.5));
    assert_eq!((all.seek_s, all.ramp_up_quality), (Some((120.0, 180.0)), Some(4)));
    assert_eq!((all.replacement, all.movie_length_s), (Replacement::Left, Some(180.0)));
    assert!(all.basic && all.oscillation_averse && all.no_insufficient_buffer_rule && all.no_abandonment);
    assert_eq!(options("-hl 2 5 -a bola").average, Average::Ewma(vec![2.0, 5.0]));
    assert_eq!(options("-ws 7").average, Average::Ewma(vec![3.0, 8.0]), "windows matter only when sliding");
    assert_eq!(options("-gp -1").gamma_p, -1.0);
}

#[test]
fn wrong_flags_are_named() {
    assert!(said("-a bba").contains("not implemented"));
    assert!(said("-x").contains("\"-x\" is not one of them"));
    assert!(said("-b -ao").contains("-b needs a value"));
    assert!(said("-b 0").contains("out of range"));
    assert!(said("-nm inf").contains("needs a number"));
    assert!(said("-ma sliding -ws 0").contains("no samples"));
    assert!(said("-s 5 -5").contains("before the start"));
}

#[test]
fn sessions_without_an_end_are_given_up() {
    let title = Title::new("t", vec![3000.0; 2], vec![1000.0], vec![3_000_000; 2]).unwrap();
    let slow = "duration_ms,kbps,latency_ms\n1,1,0\n0,0,0\n100000,0.000001,0\n";
    let trace = Trace::parse(Path::new("slow"), slow, None).unwrap();
    let played = play(&title, &trace, &options("-a bola"), &mut |_| {});
    assert!(played.is_ok(), "slow, but it ends");
    let uneven = Title::new("t", vec![3000.0, 2000.0], vec![1000.0], vec![3_000_000, 2_000_000]).unwrap();
    let refused = play(&uneven, &trace, &options("-a bola"), &mut |_| {}).unwrap_err();
    assert_eq!(refused, Refused::UnequalSegments("t".into()));
    let long = play(&title, &trace, &options("-ml 99999999"), &mut |_| {}).unwrap_err();
    assert_eq!(long, Refused::TooLong);
}

#[test]
fn a_tiny_buffer_still_plays() {
    let title =
        Title::new("t", vec![3000.0; 9], vec![500.0, 1000.0], [1_500_000, 3_000_000].repeat(9)).unwrap();
    let trace = Trace::parse(Path::new("t"), "duration_ms,kbps,latency_ms\n1000,2000,50\n", None).unwrap();
    for algorithm in ["throughput", "bola", "bolae", "dynamic", "dynamicdash"] {
        for flags in ["-b 1", "-b 1 -r left", "-b 1 -r right -noa", "-s 3 100", "-s 6 0"] {
            let mut requests = 0;
            let flags = options(&format!("-a {algorithm} {flags}"));
            let figures = play(&title, &trace, &flags, &mut |_| requests += 1).unwrap();
            assert!(requests >= 2 && figures.iter().all(|(_, figure)| figure.value().is_finite()));
        }
    }
}
