//! `broadcast`: a live channel for people and for measurements.
//!
//! ```text
//! broadcast serve [PORT]                 serve every form of the channel until interrupted
//! broadcast measure FORM [OPTION...]     play it and print how well the latency was held
//! ```
//!
//! FORM is `ll-hls`, `ll-dash`, `hls`, `dash-number` or `dash-timeline`. Options of both: `--part MS` (length of
//! parts and chunks, 200), `--hold-back MS` (PART-HOLD-BACK, 660), `--latency MS` (of the ServiceDescription,
//! 1500), `--steps` (3 Mbit/s, after 40 s 1 Mbit/s, after 40 s 3 Mbit/s again), `--rate KBPS`. Options of `measure`:
//! `--seconds N` (60), `--wish MS` (the player's `--latency`), `--json`, `--log FILE` (events of the player).
//!
//! The player is the one beside this program, or `$SLUICE_BIN`.

mod figures;

use figures::Figures;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tests::channel::{Channel, Settings};
use tests::origin::{Origin, Site};
use tests::shaping::Link;
use tests::sluice::Sluice;

/// Where each form begins.
const FORMS: [(&str, &str); 5] = [
    ("ll-hls", "ll.m3u8"),
    ("ll-dash", "ll.mpd"),
    ("hls", "live.m3u8"),
    ("dash-number", "number.mpd"),
    ("dash-timeline", "timeline.mpd"),
];

/// The command line.
#[derive(Debug, Default)]
struct Options {
    settings: Settings,
    link: Option<Link>,
    seconds: u64,
    wish_ms: Option<u64>,
    json: bool,
    log: Option<String>,
    rest: Vec<String>,
}

impl Options {
    fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { seconds: 60, ..Self::default() };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let value = arguments.next().ok_or(format!("{argument} needs a number"))?;
                value.parse::<u64>().map_err(|_| format!("{argument} needs a number, not {value}"))
            };
            match argument.as_str() {
                "--part" => options.settings.part_ms = number()?,
                "--hold-back" => options.settings.hold_back_ms = number()?,
                "--latency" => options.settings.latency_ms = number()?,
                "--seconds" => options.seconds = number()?,
                "--wish" => options.wish_ms = Some(number()?),
                "--rate" => options.link = Some(Link::constant(number()? * 1000)),
                "--steps" => {
                    options.link =
                        Some(Link::steps(&[(0.0, 3_000_000), (40.0, 1_000_000), (80.0, 3_000_000)]));
                }
                "--json" => options.json = true,
                "--log" => options.log = arguments.next(),
                other if other.starts_with("--") => return Err(format!("unknown option {other}")),
                _ => options.rest.push(argument),
            }
        }
        Ok(options)
    }

    fn site(&self) -> Site {
        let site = Channel::site(self.settings);
        match &self.link {
            Some(link) => site.link(link.clone()),
            None => site,
        }
    }
}

fn main() -> ExitCode {
    let outcome = Options::read(std::env::args().skip(1)).and_then(|options| {
        match options.rest.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["serve"] => serve(&options, 8090),
            ["serve", port] => serve(&options, port.parse().map_err(|_| format!("{port} is no port"))?),
            ["measure", form] => measure(&options, form),
            _ => Err("broadcast serve [PORT] | broadcast measure FORM [OPTION...]".to_owned()),
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("broadcast: {what}");
            ExitCode::from(2)
        }
    }
}

fn serve(options: &Options, port: u16) -> Result<(), String> {
    let origin = Origin::start_at(port, options.site()).map_err(|error| format!("port {port}: {error}"))?;
    for (form, entry) in FORMS {
        println!("{form:<14} {}", origin.url(entry));
    }
    loop {
        std::thread::park();
    }
}

fn measure(options: &Options, form: &str) -> Result<(), String> {
    let known = FORMS.iter().find(|(name, _)| *name == form);
    let (_, entry) = known.ok_or_else(|| format!("there is no form {form}"))?;
    let origin = Origin::start(options.site());
    let mut run = Sluice::paced(&origin.url(entry)).args(&["--stop-after", &options.seconds.to_string()]);
    if let Some(wish) = options.wish_ms {
        run = run.args(&["--latency", &wish.to_string()]);
    }
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let outcome = run.timeout(Duration::from_secs(options.seconds + 60)).run();
    if let Some(file) = &options.log {
        let lines: Vec<String> = outcome.events.iter().map(ToString::to_string).collect();
        std::fs::write(file, lines.join("\n")).map_err(|error| format!("{file}: {error}"))?;
    }
    let figures = Figures::of(&outcome, began, options.link.is_some());
    let figures = figures.ok_or_else(|| format!("nothing was played: {outcome}"))?;
    if options.json {
        println!("{}", serde_json::to_string(&figures).map_err(|error| error.to_string())?);
    } else {
        println!("{form}\n{figures}");
    }
    Ok(())
}
