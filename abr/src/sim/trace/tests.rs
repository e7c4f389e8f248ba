//! Tests of the trace formats.

use super::*;
use crate::sim::input::shared_traces;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Trace, ReadError> {
    Trace::parse(Path::new("folder/some.json"), text, None)
}

fn said(text: &str) -> String {
    parse(text).expect_err("must be refused").to_string()
}

#[test]
fn formats_are_detected_by_content() {
    let sabre = r#"[{"duration_ms": 1000, "bandwidth_kbps": 500.5, "latency_ms": 20}]"#;
    assert_eq!(Format::detect(sabre).unwrap(), Format::Sabre);
    assert_eq!(Format::detect("\n0.0\t1.5\n1 2").unwrap(), Format::Cooked);
    assert_eq!(Format::detect("1\n1\n5\n").unwrap(), Format::Mahimahi);
    assert_eq!(Format::detect("time_s,mbps\n").unwrap(), Format::Csv);
    let log = "connection_type,bitrate,chunk_size,app_throughput,delivery_time,player_state\n";
    assert_eq!(Format::detect(log).unwrap(), Format::Sessions);
    assert!(parse(log).unwrap_err().to_string().contains("cannot be replayed"));
    assert!(Format::detect("hello there world").is_err());
    let trace = parse(sabre).unwrap();
    assert_eq!(trace.name, "some");
    assert_eq!(trace.periods, [Period { duration_ms: 1000.0, bandwidth_kbps: 500.5, latency_ms: 20.0 }]);
}

#[test]
fn errors_name_file_line_and_reason() {
    let two = |second: &str| {
        format!("[\n{{\"duration_ms\":1,\"bandwidth_kbps\":20,\"latency_ms\":0}},\n{second}\n]")
    };
    let wrong = said(&two(r#"{"duration_ms":1,"bandwidth_kbps":-5,"latency_ms":0}"#));
    assert_eq!(wrong, "folder/some.json:3: bandwidth of -5: must not be negative");
    let wrong = said(&two(r#"{"duration_ms":1,"bandwidth_bps":5,"latency_ms":0}"#));
    assert!(wrong.starts_with("folder/some.json:3: unknown field `bandwidth_bps`"), "{wrong}");
    let wrong = said(&two(r#"{"duration_ms":1,"bandwidth_kbps":5e9,"latency_ms":0}"#));
    assert!(wrong.contains(":3: ") && wrong.contains("bit/s instead of kbit/s"), "{wrong}");
    assert!(said("[").contains("not valid JSON"));
    assert!(said("[]").contains("no period"));
    assert!(said(r#"[{"duration_ms":1000,"bandwidth_kbps":1.5,"latency_ms":0}]"#).contains("Mbit/s"));
    assert!(said(r#"[{"duration_ms":1000,"bandwidth_kbps":0,"latency_ms":0}]"#).contains("zero throughout"));
    assert!(said("0 1\n2 x\n").contains(":2: \"x\" is not a number"));
    assert!(said("0 1\n2 1\n1 1\n").contains(":3: time 1 s comes after 2 s"));
    assert!(said("0 1\n1 2 3\n").contains(":2: "));
    assert!(said("0 1000\n1 2117\n2 3000\n").contains("kbit/s or kB/s"));
    assert!(said("0 1\n").contains("two lines"));
    assert!(said("5\n4\n").contains(":2: 4 ms comes after 5 ms"));
    assert!(said("5\nx\n").contains(":2: "));
    assert!(said("time_s,kBps\n0,1\n").contains("some.json:1: unknown column \"kBps\""));
    assert!(said("time_s,duration_ms,kbps\n").contains("exactly one"));
    assert!(said("time_s,kbps\n0,1\n0,1\n").contains(":3: times must ascend"));
    assert!(said("duration_s,kbps,loss\n1,100,0.1\n").contains(":2: a loss of 0.1"));
    assert!(said("duration_s,kbps\n1,100,0.1\n").contains(":2: has 3 fields"));
}

#[test]
fn cooked_rows_hold_until_their_time() {
    let trace = parse("0.5 9\n1.5 2\n\n4 1\n").unwrap();
    let shape: Vec<_> = trace.periods.iter().map(|p| (p.duration_ms, p.bandwidth_kbps)).collect();
    assert_eq!(shape, [(1000.0, 2000.0), (2500.0, 1000.0)]);
    assert_eq!(trace.cooked.as_ref().unwrap()[0], CookedRow { time_s: 0.5, mbps: 9.0 });
}

#[test]
fn csv_rows_start_or_last() {
    let starts = parse("time_s,mbps,rtt_ms\n0,1,10\n2,3,20\n3,1,30\n").unwrap();
    let shape: Vec<_> =
        starts.periods.iter().map(|p| (p.duration_ms, p.bandwidth_kbps, p.latency_ms)).collect();
    assert_eq!(shape, [(2000.0, 1000.0, 10.0), (1000.0, 3000.0, 20.0), (1000.0, 1000.0, 30.0)]);
    assert!(starts.latency_stated);
    let lasts = parse("bandwidth_bps,duration_ms\n1500,7\n").unwrap();
    assert_eq!(lasts.periods, [Period { duration_ms: 7.0, bandwidth_kbps: 1.5, latency_ms: 0.0 }]);
}

#[test]
fn mahimahi_opportunities_become_bandwidth() {
    let trace = parse("1\n1\n2\n2\n5\n").unwrap();
    let shape: Vec<_> = trace.periods.iter().map(|p| (p.duration_ms, p.bandwidth_kbps)).collect();
    assert_eq!(shape, [(2.0, 24_000.0), (2.0, 0.0), (1.0, 12_000.0)]);
    assert_eq!(trace.write(Format::Mahimahi).unwrap().text, "1\n1\n2\n2\n5\n");
}

#[test]
fn converting_says_what_is_lost() {
    let trace = parse(r#"[{"duration_ms":100,"bandwidth_kbps":12000,"latency_ms":20}]"#).unwrap();
    let cooked = trace.write(Format::Cooked).unwrap();
    assert_eq!(cooked.text, "0\t12\n0.1\t12\n");
    assert_eq!(cooked.losses, ["latency is not part of a cooked trace"]);
    let mahimahi = trace.write(Format::Mahimahi).unwrap();
    assert_eq!(mahimahi.text.lines().count(), 100);
    assert!(trace.write(Format::Sessions).is_err());
}

fn periods() -> impl Strategy<Value = Vec<Period>> {
    let period = (1.0..5000.0f64, prop_oneof![Just(0.0), 20.0..90_000.0f64], 0.0..300.0f64).prop_map(
        |(duration_ms, bandwidth_kbps, latency_ms)| Period { duration_ms, bandwidth_kbps, latency_ms },
    );
    prop::collection::vec(period, 1..40)
        .prop_filter("carries something", |all| all.iter().any(|p| p.bandwidth_kbps > 0.0))
}

proptest! {
    #[test]
    fn round_trips_keep_every_digit(periods in periods()) {
        let trace = Trace { name: "some".into(), periods, latency_stated: true, cooked: None };
        for format in [Format::Sabre, Format::Csv] {
            let text = trace.write(format).unwrap().text;
            prop_assert_eq!(&parse(&text).unwrap(), &trace);
        }
        let text = trace.write(Format::Cooked).unwrap().text;
        let cooked = parse(&text).unwrap();
        prop_assert_eq!(cooked.write(Format::Cooked).unwrap().text, text);
        for (a, b) in cooked.periods.iter().zip(&trace.periods) {
            prop_assert!((a.duration_ms - b.duration_ms).abs() < 1e-6);
            prop_assert!((a.bandwidth_kbps - b.bandwidth_kbps).abs() < 1e-6);
        }
    }

    #[test]
    fn packets_survive_a_round_trip(gaps in prop::collection::vec(0u64..30, 1..200)) {
        let mut at = 0;
        let lines: Vec<u64> = gaps.iter().map(|gap| { at += gap; at.max(1) }).collect();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let trace = Trace::parse(Path::new("x"), &text, Some(Format::Mahimahi)).unwrap();
        prop_assert_eq!(trace.write(Format::Mahimahi).unwrap().text, text);
    }

    #[test]
    fn hostile_texts_never_panic(text in "[\\[\\]{}\",:0-9a-z_. \n\t-]{0,200}") {
        for format in [None, Some(Format::Sabre), Some(Format::Cooked), Some(Format::Mahimahi), Some(Format::Csv)] {
            let _ = Trace::parse(Path::new("x"), &text, format);
        }
    }
}

#[test]
fn every_shared_trace_reads_and_round_trips() {
    let Some(dir) = shared_traces() else { return };
    let mut read = 0;
    for (set, files) in sets(&dir).unwrap() {
        if ["expected", "movies"].contains(&set.as_str()) {
            continue;
        }
        for file in files {
            let trace = Trace::read(&file, None);
            if set.starts_with("sessions") {
                assert!(matches!(trace.unwrap_err().problem, Problem::NotReplayable));
                continue;
            }
            let trace = trace.unwrap();
            let format = if trace.cooked.is_some() { Format::Cooked } else { Format::Sabre };
            let text = trace.write(format).unwrap().text;
            assert_eq!(Trace::parse(&file, &text, None).unwrap(), trace, "{}", file.display());
            read += 1;
        }
    }
    assert!(read > 500, "{read}");
}
