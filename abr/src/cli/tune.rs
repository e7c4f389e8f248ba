//! `abr-sim tune`: finds the numbers of `hybrid` on one half of the traces, or scores controllers on either half.

use super::Failure;
use crate::controller::{self, Tuning};
use crate::random::Random;
use crate::sim::title::Title;
use crate::sim::trace::{Trace, sets};
use crate::sim::tune::{Case, Score, Staged, Terms, best, evaluate, is_training, objective, prepared};
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Searches numbers for `hybrid`, seeded and repeatable, through the session that ships.
///
/// Half of the traces of each set, drawn by the seed, are for training; the other half is for checking. The search
/// changes a few numbers at a time and keeps what scores better. With --score, nothing is searched.
#[derive(Args)]
#[command(after_help = "Example:\n  \
    abr-sim tune --traces traces/ --ground hsdpa-3g,puffer=envivio/ --ground ghent-4g=bbb4k.json@100 --rounds 100")]
pub(super) struct Tune {
    /// A folder of sets.
    #[arg(long)]
    traces: PathBuf,
    /// Sets and the title to play on them, cut or repeated to SEGMENTS: `SET,SET=TITLE[@SEGMENTS]`.
    #[arg(long, required = true)]
    ground: Vec<String>,
    /// Capacities of the buffer in seconds.
    #[arg(long, value_delimiter = ',', default_value = "60,20")]
    caps_s: Vec<f64>,
    /// What sessions are scored by.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "lin,log")]
    qoe: Vec<Qoe>,
    /// Most traces of each set.
    #[arg(long, default_value_t = 20)]
    per_set: usize,
    /// Seed of the halves and of the search.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Steps of the search.
    #[arg(long, default_value_t = 100)]
    rounds: u32,
    /// Where the search begins, as `name=value,…`; what is not named is as it ships.
    #[arg(long, default_value = "")]
    from: String,
    /// Search these numbers only.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Score these controllers instead of searching, separated by spaces.
    #[arg(long, value_delimiter = ' ')]
    score: Vec<String>,
    /// Which traces to score on.
    #[arg(long, value_enum, default_value_t = Half::Train)]
    half: Half,
    /// A file that keeps optima between runs; they are most of the work.
    #[arg(long)]
    optima: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Qoe {
    /// Bitrate in Mbit/s.
    Lin,
    /// ln(R/R_min).
    Log,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Half {
    /// Those that the search sees.
    Train,
    /// The others.
    Check,
    /// Both.
    All,
}

/// A trace to be played with a title.
struct Place {
    set: String,
    key: String,
    trace: Trace,
    title: usize,
}

impl Tune {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let from = Tuning::parse(&self.from)
            .ok_or_else(|| Failure::Usage(format!("--from {:?} names no numbers of hybrid", self.from)))?;
        if let Some(name) = self.score.iter().find(|name| controller::by_name(name).is_none()) {
            return Err(Failure::Usage(format!("there is no controller {name:?}")));
        }
        let (titles, places) = self.places()?;
        let cases = self.cases(&titles, &places)?;
        if cases.is_empty() {
            return Err(Failure::Usage("no trace to play; check --traces and --ground".into()));
        }
        let mut out = io::stdout().lock();
        if self.score.is_empty() {
            self.search(&cases, from, &mut out)?;
        } else {
            for name in &self.score {
                let scores = evaluate(&cases, name);
                writeln!(out, "{name}: {:.3}\n{}", objective(&scores), table(&scores))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn search(&self, cases: &[Case<'_>], from: Tuning, out: &mut impl Write) -> Result<(), Failure> {
        let score = |tuning: &Tuning| {
            let scores = evaluate(cases, &format!("hybrid:{tuning}"));
            (objective(&scores), scores)
        };
        let knobs: Vec<usize> = (0..Tuning::KNOBS.len())
            .filter(|place| self.only.is_empty() || self.only.iter().any(|n| n == Tuning::KNOBS[*place].name))
            .collect();
        if knobs.is_empty() {
            return Err(Failure::Usage("--only names no number of hybrid".into()));
        }
        let mut random = Random::new(self.seed);
        let mut best = from;
        let (mut worth, mut scores) = score(&best);
        writeln!(out, "round 0: {worth:.3} {best}")?;
        for round in 1..=self.rounds {
            // Wide steps first, narrow ones towards the end.
            let width = 0.25 * (1.0 - f64::from(round) / f64::from(self.rounds)) + 0.04;
            let mut tried = best;
            for _ in 0..1 + random.number() % 3 {
                let place = knobs[(random.number() % knobs.len() as u64) as usize];
                let knob = Tuning::KNOBS[place];
                tried.set(place, tried.get(place) + random.bell() * width * (knob.most - knob.least));
            }
            let (value, new) = score(&tried);
            if value > worth {
                (best, worth, scores) = (tried, value, new);
                writeln!(out, "round {round}: {worth:.3} {best}")?;
                out.flush()?;
            }
        }
        writeln!(out, "best: {worth:.3}\n{}hybrid:{best}", table(&scores))?;
        Ok(())
    }

    /// The titles, and each trace with its title.
    fn places(&self) -> Result<(Vec<Staged>, Vec<Place>), Failure> {
        let mut titles = Vec::new();
        let mut places = Vec::new();
        let all = sets(&self.traces)?;
        for ground in &self.ground {
            let usage = || Failure::Usage(format!("--ground {ground:?} is not SET,SET=TITLE[@SEGMENTS]"));
            let (names, source) = ground.split_once('=').ok_or_else(usage)?;
            let (path, segments) = source.split_once('@').map_or((source, None), |(p, n)| (p, Some(n)));
            let mut title = Title::load(path)?;
            if let Some(segments) = segments {
                title = title.resized(segments.parse().map_err(|_| usage())?);
            }
            for name in names.split(',') {
                let known = all.iter().find(|(set, _)| set == name);
                let (set, files) =
                    known.ok_or_else(|| Failure::Usage(format!("there is no set {name:?}")))?;
                let mut drawn: Vec<(u64, String, &PathBuf)> = files
                    .iter()
                    .map(|path| {
                        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                        (Random::new(self.seed ^ file.len() as u64 ^ hash(&file)).number(), file, path)
                    })
                    .filter(|(_, file, _)| match self.half {
                        Half::Train => is_training(self.seed, file),
                        Half::Check => !is_training(self.seed, file),
                        Half::All => true,
                    })
                    .collect();
                drawn.sort();
                for (_, file, path) in drawn.into_iter().take(self.per_set) {
                    places.push(Place {
                        set: set.clone(),
                        key: format!("{set}/{file}|{source}"),
                        trace: prepared(Trace::read(path, None)?),
                        title: titles.len(),
                    });
                }
            }
            titles.push(Staged::new(title));
        }
        Ok((titles, places))
    }

    fn cases<'a>(&self, titles: &'a [Staged], places: &[Place]) -> Result<Vec<Case<'a>>, Failure> {
        let mut known = BTreeMap::new();
        if let Some(text) = self.optima.as_ref().and_then(|path| std::fs::read_to_string(path).ok()) {
            let line = |line: &str| {
                let (key, value) = line.rsplit_once('\t')?;
                Some((key.to_owned(), value.parse::<f64>().ok()?))
            };
            known.extend(text.lines().filter_map(line));
        }
        let terms = || {
            let each = |cap_s: &f64| self.qoe.iter().map(|q| (*cap_s, *q == Qoe::Log)).collect::<Vec<_>>();
            self.caps_s.iter().flat_map(each).map(|(cap_s, log)| Terms { cap_s, log })
        };
        let wanted: Vec<(Terms, &Place)> =
            terms().flat_map(|terms| places.iter().map(move |place| (terms, place))).collect();
        let key = |terms: &Terms, place: &Place| format!("{}|{}|{}", place.key, terms.cap_s, terms.log);
        let found: Vec<(String, f64)> = wanted
            .par_iter()
            .map(|(terms, place)| {
                let key = key(terms, place);
                let best = known
                    .get(&key)
                    .copied()
                    .unwrap_or_else(|| best(&titles[place.title].title, &place.trace, *terms));
                (key, best)
            })
            .collect();
        if let Some(path) = &self.optima {
            known.extend(found.iter().cloned());
            let text =
                known.iter().fold(String::new(), |text, (key, best)| text + &format!("{key}\t{best}\n"));
            std::fs::write(path, text)?;
        }
        let made = wanted.iter().zip(&found).filter_map(|((terms, place), (_, best))| {
            Case::new(place.set.clone(), &titles[place.title], &place.trace, *terms, *best)
        });
        Ok(made.collect())
    }
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// One line per set, one group of columns (mean, 10th percentile, percent stalled) per terms.
fn table(scores: &[Score]) -> String {
    let mut rows: BTreeMap<&str, String> = BTreeMap::new();
    let mut terms: Vec<Terms> = Vec::new();
    for score in scores {
        if !terms.contains(&score.terms) {
            terms.push(score.terms);
        }
        let row = rows.entry(&score.set).or_default();
        let _ = write!(row, "  {:5.1} {:6.1} {:5.2}", score.mean, score.p10, score.rebuffer * 100.0);
    }
    let mut text = format!("  {:14}", "");
    for terms in &terms {
        let name = format!("{} {} s", if terms.log { "log" } else { "lin" }, terms.cap_s);
        let _ = write!(text, "  {name:18}");
    }
    text.push('\n');
    for (set, row) in rows {
        let _ = writeln!(text, "  {set:14}{row}");
    }
    let means = terms.iter().fold(format!("  {:14}", "mean"), |text, terms| {
        let of = || scores.iter().filter(|score| score.terms == *terms);
        let mean = |value: &dyn Fn(&Score) -> f64| of().map(value).sum::<f64>() / of().count().max(1) as f64;
        let (mean, p10, stalled) = (mean(&|s| s.mean), mean(&|s| s.p10), mean(&|s| s.rebuffer * 100.0));
        text + &format!("  {mean:5.1} {p10:6.1} {stalled:5.2}")
    });
    text + &means + "\n"
}
