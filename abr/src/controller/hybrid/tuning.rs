//! The numbers that `hybrid` was tuned in, with the names that `hybrid:name=value,…` takes.

use std::fmt::{self, Display, Formatter};

/// The defaults are what ships; how they were found is told in the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    values: [f64; COUNT],
}

/// How many numbers there are.
const COUNT: usize = 25;

/// One number: its name, what ships, and the range that tuning searches and the name accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knob {
    /// As in `hybrid:name=value`.
    pub name: &'static str,
    /// What ships.
    pub default: f64,
    /// The least that is accepted.
    pub least: f64,
    /// The most that is accepted.
    pub most: f64,
}

const fn knob(name: &'static str, default: f64, least: f64, most: f64) -> Knob {
    Knob { name, default, least, most }
}

macro_rules! knobs {
    ($($index:literal $name:ident $default:literal $least:literal $most:literal $doc:literal)*) => {
        impl Tuning {
            /// All numbers, in order.
            pub const KNOBS: [Knob; COUNT] = [$(knob(stringify!($name), $default, $least, $most)),*];
            $(
                #[doc = $doc]
                pub(super) fn $name(&self) -> f64 {
                    self.values[$index]
                }
            )*
        }
    };
}

knobs! {
    0 half_life 6.0 2.0 20.0 "Half-life of the level of the throughput, in seconds of transfer."
    1 floor_up 0.30 0.05 0.8 "Least weight of a sample above the level."
    2 floor_down 0.446 0.05 0.8 "Least weight of a sample below the level."
    3 regime 0.9093 0.4 1.0 "Weight of the second surprise in a row on the same side."
    4 surprise 1.2 0.6 2.5 "How many standard deviations make a surprise."
    5 spread_rate 0.08 0.02 0.3 "Weight of a sample in the spread."
    6 spread_prior 0.4396 0.15 0.8 "Spread (of the logarithm) before anything is known."
    7 spread_down 1.136 0.7 2.0 "Weight of samples below the level in the spread; above it, 2 less this."
    8 long_half_life 60.0 15.0 300.0 "Half-life of the long-term mean, in seconds of transfer."
    9 reversion 0.02159 0.0 0.5 "Share of the way to the long-term mean that the level goes per segment."
    10 wander 0.5141 0.2 1.5 "Spread of the level's walk per segment, in units of the spread."
    11 first 0.8113 0.4 1.6 "Spread of the next segment around the level, in units of the spread."
    12 outage 0.02 0.0 0.06 "Chance per segment of an outage before anything was seen."
    13 outage_weight 9.226 4.0 100.0 "How many segments of experience that chance is worth."
    14 outage_stay 0.5654 0.2 0.95 "Chance that an outage lasts for one more segment."
    15 outage_depth 2.3 1.2 3.5 "How far below the level an outage lies, in the logarithm."
    16 jump 0.05 0.0 0.3 "Chance per segment of a jump to anywhere the link has been, before any was seen."
    17 horizon 14.0 6.0 24.0 "Segments planned ahead."
    18 stall 1.0 0.6 2.5 "Price of a second of stalling, in worths of the highest rung."
    19 change 1.3 0.6 2.0 "Price of a change of worth."
    20 log_share 1.0 0.0 1.0 "Share of ln(R/R0) in the worth of a rung; the rest is R itself."
    21 lasting 4.0 2.0 60.0 "Seconds of a download after which the long-term mean is expected."
    22 clip 2.5 1.0 6.0 "How many standard deviations make a jump."
    23 leap 0.5 0.1 1.0 "Least weight of a jump in the level."
    24 jump_weight 20.0 4.0 100.0 "How many segments of experience the chance of a jump is worth."
}

impl Default for Tuning {
    fn default() -> Self {
        Self { values: Self::KNOBS.map(|knob| knob.default) }
    }
}

impl Display for Tuning {
    /// As [`Tuning::parse`] reads it, with what ships left out.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let others = Self::KNOBS.iter().zip(self.values).filter(|(knob, value)| knob.default != *value);
        for (place, (knob, value)) in others.enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{}={value}", knob.name)?;
        }
        Ok(())
    }
}

impl Tuning {
    /// The number at `place` in [`KNOBS`](Self::KNOBS); 0 beyond them.
    pub fn get(&self, place: usize) -> f64 {
        self.values.get(place).copied().unwrap_or(0.0)
    }

    /// Sets the number at `place` in [`KNOBS`](Self::KNOBS), limited to its range and to four digits.
    pub fn set(&mut self, place: usize, value: f64) {
        if let (Some(held), Some(knob)) = (self.values.get_mut(place), Self::KNOBS.get(place)) {
            let value = value.clamp(knob.least, knob.most);
            let scale = 10f64.powi(3 - value.abs().max(1e-6).log10().floor() as i32);
            *held = (value * scale).round() / scale;
        }
    }

    /// Reads `name=value,…`; what is not named keeps its default. `None` when a name is unknown or a value is
    /// no number. Values are limited to their ranges.
    pub fn parse(text: &str) -> Option<Self> {
        let mut tuning = Self::default();
        for pair in text.split(',').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=')?;
            let place = Self::KNOBS.iter().position(|knob| knob.name == name)?;
            let value = value.parse::<f64>().ok().filter(|value| value.is_finite())?;
            let knob = Self::KNOBS[place];
            tuning.values[place] = value.clamp(knob.least, knob.most);
        }
        Some(tuning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut tuning = Tuning::default();
        assert_eq!(tuning.to_string(), "");
        tuning.set(0, 7.12345);
        tuning.set(17, 1000.0);
        assert_eq!(tuning.to_string(), "half_life=7.123,horizon=24");
        assert_eq!(Tuning::parse(&tuning.to_string()), Some(tuning));
    }

    #[test]
    fn only_known_numbers_are_read() {
        for text in ["x=1", "horizon", "horizon=x", "horizon=NaN"] {
            assert_eq!(Tuning::parse(text), None, "{text}");
        }
        assert_eq!(Tuning::parse(""), Some(Tuning::default()));
    }

    #[test]
    fn what_ships_is_within_its_range() {
        for knob in Tuning::KNOBS {
            assert!((knob.least..=knob.most).contains(&knob.default), "{knob:?}");
        }
    }
}
