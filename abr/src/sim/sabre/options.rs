//! Sabre's command-line flags.

use std::str::FromStr;

/// Which controller plays (`-a`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Throughput rule with safety factor 0.9.
    Throughput,
    /// BOLA, finite unless [`Options::basic`].
    Bola,
    /// BOLA-E: enhanced with a placeholder buffer.
    Bolae,
    /// BOLA and throughput, both asked every time.
    Dynamic,
    /// BOLA-E and throughput as dash.js combines them.
    DynamicDash,
}

/// How throughput is averaged (`-ma`).
#[derive(Clone, Debug, PartialEq)]
pub enum Average {
    /// Exponentially weighted with these half-lives in seconds (`-hl`).
    Ewma(Vec<f64>),
    /// Arithmetic mean of the last samples, for each of these window lengths (`-ws`).
    Sliding(Vec<usize>),
}

/// Whether buffered segments are fetched again in better quality (`-r`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// Never.
    None,
    /// The one played soonest first.
    Left,
    /// The one played last first.
    Right,
}

/// All that can be chosen about a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// `-a`
    pub algorithm: Algorithm,
    /// `-ab`: BOLA without the shorter horizon at both ends of the title; no abandonment by it.
    pub basic: bool,
    /// `-ao`: averse to oscillation: BOLA-O instead of BOLA-U.
    pub oscillation_averse: bool,
    /// `-b`: capacity of the buffer in seconds.
    pub buffer_s: f64,
    /// `-gp`: weight γp of stalls.
    pub gamma_p: f64,
    /// `-noibr`: without the insufficient-buffer rule.
    pub no_insufficient_buffer_rule: bool,
    /// `-ma`, `-hl`, `-ws`
    pub average: Average,
    /// `-r`
    pub replacement: Replacement,
    /// `-noa`: no request is abandoned.
    pub no_abandonment: bool,
    /// `-s`: when the content reaches the first, seek to the second, in seconds.
    pub seek_s: Option<(f64, f64)>,
    /// `-rmp`: the quality that ends the ramp-up; without it, what the link can sustain.
    pub ramp_up_quality: Option<usize>,
    /// `-nm`: factor on every bandwidth.
    pub network_multiplier: f64,
    /// `-ml`: length to which the title is cut or repeated, in seconds.
    pub movie_length_s: Option<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::Bolae,
            basic: false,
            oscillation_averse: false,
            buffer_s: 25.0,
            gamma_p: 5.0,
            no_insufficient_buffer_rule: false,
            average: Average::Ewma(vec![3.0, 8.0]),
            replacement: Replacement::None,
            no_abandonment: false,
            seek_s: None,
            ramp_up_quality: None,
            network_multiplier: 1.0,
            movie_length_s: None,
        }
    }
}

/// Flags that Sabre has not, or values that it could not play.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Sabre flags {flags:?}: {problem}")]
pub struct OptionsError {
    flags: String,
    problem: String,
}

impl FromStr for Options {
    type Err = OptionsError;

    /// Reads flags as on Sabre's command line, such as `-ao -a bola -ab -b 10`.
    fn from_str(flags: &str) -> Result<Self, OptionsError> {
        parse(flags).map_err(|problem| OptionsError { flags: flags.chars().take(200).collect(), problem })
    }
}

/// The words after a flag that are not flags themselves; a negative number is a value.
struct Words<'a>(std::iter::Peekable<std::str::SplitWhitespace<'a>>);

impl<'a> Words<'a> {
    fn is_flag(word: &str) -> bool {
        word.starts_with('-') && word.parse::<f64>().is_err()
    }

    fn value(&mut self, flag: &str) -> Result<&'a str, String> {
        self.0.next_if(|word| !Self::is_flag(word)).ok_or_else(|| format!("{flag} needs a value"))
    }

    fn number(&mut self, flag: &str) -> Result<f64, String> {
        let word = self.value(flag)?;
        match word.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(format!("{flag} needs a number, not {word:?}")),
        }
    }

    fn above_zero(&mut self, flag: &str) -> Result<f64, String> {
        let number = self.number(flag)?;
        if number > 0.0 && number < 1e9 {
            Ok(number)
        } else {
            Err(format!("{flag} {number} is out of range"))
        }
    }

    fn whole(&mut self, flag: &str) -> Result<usize, String> {
        let word = self.value(flag)?;
        word.parse().map_err(|_| format!("{flag} needs a whole number, not {word:?}"))
    }

    /// One value or more.
    fn several<T>(
        &mut self,
        flag: &str,
        one: impl Fn(&mut Self, &str) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut all = vec![one(self, flag)?];
        while self.0.peek().is_some_and(|word| !Self::is_flag(word)) {
            all.push(one(self, flag)?);
        }
        Ok(all)
    }
}

fn parse(flags: &str) -> Result<Options, String> {
    let mut options = Options::default();
    let (mut half_lives, mut windows, mut sliding) = (vec![3.0, 8.0], vec![3], false);
    let mut words = Words(flags.split_whitespace().peekable());
    while let Some(flag) = words.0.next() {
        match flag {
            "-a" | "--abr" => options.algorithm = algorithm(words.value(flag)?)?,
            "-ab" | "--abr-basic" => options.basic = true,
            "-ao" | "--abr-osc" => options.oscillation_averse = true,
            "-b" | "--max-buffer" => options.buffer_s = words.above_zero(flag)?,
            "-gp" | "--gamma-p" => options.gamma_p = words.number(flag)?,
            "-noibr" | "--no-insufficient-buffer-rule" => options.no_insufficient_buffer_rule = true,
            "-ma" | "--moving-average" => {
                sliding = match words.value(flag)? {
                    "ewma" => false,
                    "sliding" => true,
                    other => return Err(format!("unknown average {other:?}")),
                }
            }
            "-hl" | "--half-life" => half_lives = words.several(flag, Words::above_zero)?,
            "-ws" | "--window-size" => windows = words.several(flag, Words::whole)?,
            "-r" | "--replace" => {
                options.replacement = match words.value(flag)? {
                    "none" => Replacement::None,
                    "left" => Replacement::Left,
                    "right" => Replacement::Right,
                    other => return Err(format!("unknown replacement {other:?}")),
                }
            }
            "-noa" | "--no-abandon" => options.no_abandonment = true,
            "-s" | "--seek" => options.seek_s = Some((words.number(flag)?, words.number(flag)?)),
            "-rmp" | "--rampup-threshold" => options.ramp_up_quality = Some(words.whole(flag)?),
            "-nm" | "--network-multiplier" => options.network_multiplier = words.above_zero(flag)?,
            "-ml" | "--movie-length" => options.movie_length_s = Some(words.above_zero(flag)?),
            _ => return Err(format!("{flag:?} is not one of them")),
        }
    }
    if windows.contains(&0) {
        return Err("a window of no samples".into());
    }
    if options.seek_s.is_some_and(|(when, to)| when < 0.0 || to < 0.0) {
        return Err("seeks before the start".into());
    }
    options.average = if sliding { Average::Sliding(windows) } else { Average::Ewma(half_lives) };
    Ok(options)
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    Ok(match name {
        "throughput" => Algorithm::Throughput,
        "bola" => Algorithm::Bola,
        "bolae" => Algorithm::Bolae,
        "dynamic" => Algorithm::Dynamic,
        "dynamicdash" => Algorithm::DynamicDash,
        "bba" => return Err("\"bba\" is listed by Sabre, but not implemented there".into()),
        other => return Err(format!("unknown algorithm {other:?}")),
    })
}
