//! `abr-sim compare`, `sweep` and `rerun` as a user meets them: files, exit codes, interruptions.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::Folder;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_abr-sim"));
    command.args(arguments);
    command
}

fn abr_sim(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn succeeded(arguments: &[&str]) -> String {
    let output = abr_sim(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", error(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

impl Folder {
    /// One with two sets of made-up traces and things beside them that are none.
    fn laboratory(name: &str) -> Self {
        let this = Self::new(&format!("lab-{name}"));
        for (set, scale) in [("slow", 1.0), ("fast", 12.0)] {
            for trace in 0..4 {
                // Up and down, differently in every trace.
                let rates = (0..30).map(|i| scale * (0.4 + f64::from((i * 7 + trace * 5) % 11) / 5.0));
                let lines: Vec<String> =
                    rates.enumerate().map(|(i, rate)| format!("{} {rate}", i * 5)).collect();
                this.file(&format!("traces/{set}/t{trace}"), &lines.join("\n"));
            }
        }
        this.file("traces/slow/README.md", "# not a trace\n");
        this.file("traces/logs/a.csv", "bitrate,chunk_size,app_throughput,delivery_time,state\n");
        this.file("traces/movies/video_size_0", "1\n2\n");
        this
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

const ROWS: [&str; 3] = ["rows.csv", "rows.ndjson", "rows.parquet"];

#[test]
fn compare_prints_the_promised_figures_and_says_what_it_skips() {
    let folder = Folder::laboratory("compare");
    let traces = folder.path("traces");
    let arguments =
        ["compare", "--traces", &traces, "--controllers", "hybrid,bba-0", "--segments", "12", "--json", "-q"];
    let output = abr_sim(&arguments);
    assert!(output.status.success(), "{}", error(&output));
    let said = error(&output);
    for part in ["skipped: movies/: titles, not traces", "README.md: in no known trace format"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let result = json(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(result["sessions"], 16);
    assert!(result["wall_s"].is_number() && result["cpu_s"].is_number());
    let rows = result["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    let keys: Vec<&str> = rows[0].as_object().unwrap().keys().map(String::as_str).collect();
    let mut promised = [
        "set",
        "title",
        "link",
        "cap_s",
        "qoe",
        "controller",
        "sessions",
        "percent_of_optimum_mean",
        "percent_of_optimum_p10",
        "rebuffer_ratio_mean",
        "rebuffer_ratio_p90",
        "startup_s_mean",
        "switches_per_minute",
        "mean_bitrate_bps",
    ];
    promised.sort_unstable();
    assert_eq!(keys, promised);
    let percent = |place: usize| rows[place]["percent_of_optimum_mean"].as_f64().unwrap();
    assert!(percent(0) > percent(1) && percent(2) > percent(3), "ramping up slowly costs much: {rows:?}");
    let sets: Vec<&str> = rows.iter().map(|row| row["set"].as_str().unwrap()).collect();
    assert_eq!(sets, ["fast", "fast", "slow", "slow"]);
    assert_ne!(rows[0]["title"], rows[2]["title"], "a fast set has another title by default");
    assert_eq!(result["baseline"], "bba-0");
    let differences = result["differences"].as_array().unwrap();
    assert!(
        differences.iter().all(|d| d["controller"] == "hybrid" && d["low"].as_f64() <= d["high"].as_f64())
    );
    let table = succeeded(&arguments[..8].iter().copied().filter(|a| *a != "--json").collect::<Vec<_>>());
    assert!(table.contains("points over bba-0") && table.contains("all sets"), "{table}");
}

#[test]
fn a_rerun_is_identical_on_any_number_of_threads_and_notices_changed_inputs() {
    let folder = Folder::laboratory("rerun");
    let [traces, out] = ["traces", "out"].map(|name| folder.path(name));
    succeeded(&[
        "compare",
        "--traces",
        &traces,
        "--controllers",
        "all",
        "--segments",
        "8",
        "--cap-s",
        "20,60",
        "--out",
        &out,
        "--threads",
        "1",
        "-q",
    ]);
    let manifest = folder.path("out/run.json");
    for threads in ["1", "2"] {
        let again = folder.path(&format!("again{threads}"));
        let said = succeeded(&["rerun", &manifest, "--out", &again, "--threads", threads, "-q"]);
        assert_eq!(said.matches(": identical").count(), 4, "{said}");
        for file in ROWS.into_iter().chain(["summary.json", "run.json"]) {
            let [first, second] =
                ["out", &format!("again{threads}")].map(|f| folder.bytes(&format!("{f}/{file}")));
            assert!(first == second, "{file} differs with {threads} threads");
        }
    }
    std::fs::remove_file(folder.path("out/rows.csv")).unwrap();
    let result = json(&succeeded(&["rerun", &manifest, "--json", "-q"]));
    assert_eq!(result["identical"], true);
    assert!(folder.read("out/rows.csv") == folder.read("again1/rows.csv"), "what was missing is there again");
    folder.file("traces/slow/t0", "0 1\n100 1\n");
    let changed = abr_sim(&["rerun", &manifest, "-q"]);
    assert_eq!(changed.status.code(), Some(3));
    assert!(error(&changed).contains("slow/t0 has changed"), "{}", error(&changed));
}

#[test]
fn shards_one_after_the_other_are_the_whole() {
    let folder = Folder::laboratory("shards");
    let traces = folder.path("traces");
    let sweep = |out: &str, more: &[&str]| {
        let out = folder.path(out);
        let grid = ["--set", "latency_ms=20,200", "--set", "prior_kbps=500,4000", "--cap-s", "10,30"];
        let base = [
            "sweep",
            "--traces",
            &traces,
            "--controllers",
            "bola-e,mpc",
            "--segments",
            "6",
            "-q",
            "--out",
            &out,
        ];
        succeeded(&[&base[..], &grid, &["--no-optimum"], more].concat())
    };
    sweep("whole", &["--json"]);
    let mut joined = [Vec::new(), Vec::new()];
    for shard in ["1/3", "2/3", "3/3"] {
        let out = format!("shard{}", &shard[..1]);
        sweep(&out, &["--shard", shard, "--threads", "2"]);
        for (file, joined) in ["rows.csv", "rows.ndjson"].iter().zip(&mut joined) {
            joined.extend(folder.bytes(&format!("{out}/{file}")));
        }
        let rows = parquet_rows(&folder.0.join(&out).join("rows.parquet"));
        assert_eq!(rows.len(), folder.read(&format!("{out}/rows.ndjson")).lines().count());
    }
    // Traces × caps × latencies × priors × controllers.
    assert_eq!(folder.read("whole/rows.ndjson").lines().count(), 8 * 2 * 2 * 2 * 2);
    assert!(joined[0] == folder.bytes("whole/rows.csv") && joined[1] == folder.bytes("whole/rows.ndjson"));
    assert!(folder.read("whole/rows.csv").contains("latency_ms=200 prior_kbps=4000"));
    let text = sweep("whole", &[]);
    assert!(text.contains("0 played now"), "a complete sweep is left alone: {text}");
}

/// The rows of a Parquet file as the Apache implementation reads them, values as text.
fn parquet_rows(path: &Path) -> Vec<Vec<(String, String)>> {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let row = |row: parquet::record::Row| {
        let columns = row.get_column_iter();
        columns.map(|(name, field)| (name.clone(), field.to_string())).collect()
    };
    reader.get_row_iter(None).unwrap().map(|next| row(next.unwrap())).collect()
}

#[test]
fn parquet_holds_what_ndjson_holds() {
    let folder = Folder::laboratory("parquet");
    let [traces, out] = ["traces", "out"].map(|name| folder.path(name));
    succeeded(&[
        "compare",
        "--traces",
        &traces,
        "--controllers",
        "all",
        "--segments",
        "6",
        "--out",
        &out,
        "-q",
    ]);
    let rows = parquet_rows(&folder.0.join("out/rows.parquet"));
    let lines: Vec<serde_json::Value> = folder.read("out/rows.ndjson").lines().map(json).collect();
    assert_eq!(rows.len(), lines.len());
    for (row, line) in rows.iter().zip(&lines) {
        assert_eq!(row.len(), line.as_object().unwrap().len());
        for (name, field) in row {
            let same = match &line[name] {
                serde_json::Value::Null => field == "null",
                serde_json::Value::String(text) => field.trim_matches('"') == text,
                number => field.parse::<f64>().unwrap() == number.as_f64().unwrap(),
            };
            assert!(same, "{name}: {field} is not {}", line[name]);
        }
    }
}

#[test]
fn an_interrupted_sweep_is_valid_and_goes_on_to_the_same_end() {
    let folder = Folder::laboratory("interrupted");
    let [traces, whole, part] = ["traces", "whole", "part"].map(|name| folder.path(name));
    let arguments = |out| {
        vec![
            "sweep",
            "--traces",
            &traces,
            "--controllers",
            "all",
            "--segments",
            "200",
            "--cap-s",
            "10,20,30,40,50,60",
            "--no-optimum",
            "--threads",
            "1",
            "-q",
            "--out",
            out,
        ]
    };
    succeeded(&arguments(&whole));
    let mut child = command(&arguments(&part)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let rows = folder.0.join("part/rows.csv");
    while std::fs::metadata(&rows).map_or(0, |file| file.len()) < 2000 {
        assert!(child.try_wait().unwrap().is_none(), "ended before it was interrupted");
        std::thread::yield_now();
    }
    let interrupt = ["-INT".to_owned(), child.id().to_string()];
    assert!(Command::new("kill").args(interrupt).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(4));
    let manifest = json(&folder.read("part/run.json"));
    let lines = folder.read("part/rows.csv").lines().count() - 1;
    assert_eq!((&manifest["complete"], &manifest["rows"]), (&false.into(), &lines.into()));
    assert!(lines > 0 && lines < folder.read("whole/rows.csv").lines().count() - 1);
    assert_eq!(parquet_rows(&folder.0.join("part/rows.parquet")).len(), lines);
    // As after a power cut: the last line is torn.
    let torn = folder.read("part/rows.csv");
    folder.file("part/rows.csv", &torn[..torn.len() - 5]);
    succeeded(&arguments(&part));
    for file in ROWS {
        assert!(folder.bytes(&format!("part/{file}")) == folder.bytes(&format!("whole/{file}")), "{file}");
    }
}

#[test]
fn conditions_decide_the_exit_code() {
    let folder = Folder::laboratory("conditions");
    let [traces, out] = ["traces", "out"].map(|name| folder.path(name));
    let compare = |controllers: &str, more: &[&str]| {
        let base = [
            "compare",
            "--traces",
            &traces,
            "--controllers",
            controllers,
            "--segments",
            "20",
            "--no-optimum",
            "-q",
        ];
        abr_sim(&[&base[..], more].concat())
    };
    assert!(compare("hybrid", &["--out", &out]).status.success());
    let same =
        compare("hybrid", &["--baseline", &out, "--fail-if", "rebuffer_ratio>+0%", "--fail-if", "score<-0"]);
    assert!(same.status.success(), "{}", error(&same));
    let worse = compare("hybrid,fixed", &["--baseline", "hybrid", "--fail-if", "mean_bitrate_bps<-10%"]);
    assert_eq!(worse.status.code(), Some(8), "{}", error(&worse));
    assert!(String::from_utf8_lossy(&worse.stdout).contains("failed: mean_bitrate_bps<-10%: "));
    assert_eq!(compare("hybrid", &["--fail-if", "startup_s>100"]).status.code(), Some(0));
    for (more, said) in [
        (["--fail-if", "score<-1%"], "needs --baseline"),
        (["--fail-if", "nonsense>1"], "is no figure"),
        (["--baseline", "nobody"], "neither one of the controllers"),
        (["--set", "speed=1"], "there is no setting"),
    ] {
        let output = compare("hybrid", &more);
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        assert!(error(&output).contains(said), "{}", error(&output));
    }
    let again = compare("hybrid", &["--out", &out]);
    assert_eq!(again.status.code(), Some(2));
    assert!(error(&again).contains("--force"), "{}", error(&again));
}

/// Asserts that a picture is one well-formed element that holds these texts and no invalid number.
fn is_picture(svg: &str, texts: &[&str]) {
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{}", &svg[..60]);
    for text in texts {
        assert!(svg.contains(text), "{text} is missing");
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "a number is missing");
    let opened = svg.matches('<').count() - svg.matches("</").count();
    assert_eq!(opened, svg.matches("</").count() + svg.matches("/>").count());
}

#[test]
fn results_and_sessions_are_drawn() {
    let folder = Folder::laboratory("plot");
    let [traces, out] = ["traces", "out"].map(|name| folder.path(name));
    folder.file("traces/<b>&/t", "0 1\n50 3\n");
    succeeded(&[
        "compare",
        "--traces",
        &traces,
        "--controllers",
        "all",
        "--segments",
        "8",
        "--out",
        &out,
        "-q",
    ]);
    let files = json(&succeeded(&["plot", &out, "--json"]));
    assert_eq!(files["files"].as_array().unwrap().len(), 7);
    is_picture(
        &folder.read("out/matrix.svg"),
        &["Percent of the offline optimum", "hybrid", "&lt;b&gt;&amp;"],
    );
    is_picture(&folder.read("out/pareto.svg"), &["Stalls against quality", "rx-player"]);
    for name in ["score", "stalls", "bitrate", "switches"] {
        is_picture(&folder.read(&format!("out/cdf-{name}.svg")), &["hybrid", "% of sessions", "slow"]);
    }
    let page = folder.read("out/report.html");
    assert!(page.matches("<svg").count() == 6 && page.contains("&lt;b&gt;&amp;") && !page.contains("<b>&"));
    // A session with an outage, from a journal and at once.
    let trace = folder.file("outage", "0 2\n40 2\n120 0.01\n200 3\n");
    let [journal, svg] = ["s.jsonl", "s.svg"].map(|name| folder.path(name));
    let run = ["run", "--title", "synthetic:segments=30", "--trace", &trace, "--cap-s", "10"];
    let said = succeeded(&[&run[..], &["--journal", &journal, "--plot", &svg, "--explain"]].concat());
    assert!(said.contains("STALL at") && said.contains("best by the controller's values"), "{said}");
    succeeded(&["plot", &journal, "--out", &folder.path("drawn")]);
    is_picture(&folder.read("drawn/s.svg"), &["bitrate chosen", "throughput", "buffer", "stall"]);
    is_picture(&folder.read("s.svg"), &["controller hybrid"]);
    let reasons = json(&succeeded(&[&run[..], &["--explain", "--json"]].concat()));
    assert!(reasons["reasons"].as_array().unwrap().iter().any(|reason| reason["why"].is_string()));
    let none = abr_sim(&["plot", &trace]);
    assert_eq!(none.status.code(), Some(3));
}

#[test]
fn the_program_documents_itself() {
    assert!(succeeded(&["schema"]).contains("percent_of_optimum"));
    assert!(json(&succeeded(&["schema", "--json"]))["columns"].as_array().unwrap().len() >= 30);
    assert!(succeeded(&["completions", "bash"]).contains("--fail-if"));
    assert!(succeeded(&["man"]).contains(".TH"));
    let folder = Folder::laboratory("man");
    succeeded(&["man", "--out", &folder.path("man")]);
    assert!(folder.read("man/abr-sim-compare.1").contains("bootstrap"));
}
