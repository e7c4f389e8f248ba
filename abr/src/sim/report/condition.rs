//! Conditions under which a comparison fails: `rebuffer_ratio>+1%`.
//!
//! `[CONTROLLER:]FIGURE OPERATOR VALUE`, where the figure is a column with `_mean` (which may be left out) or a quantile
//! (`_p10`, `_p90`), the operator one of `> >= < <=`, and the value
//!
//! | value | compared with it |
//! |---|---|
//! | `0.02`, `2%` | the figure itself |
//! | `+0.01`, `-0.01` | the figure less the baseline's |
//! | `+1%`, `-1%` | the figure less the baseline's, as a share of the baseline's |
//!
//! It is asked of every controller in every group.

use super::Row;
use super::summary::{Baseline, Figure, Pair, conditions, controllers, groups, pairs};
use std::str::FromStr;

/// What the value is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Against {
    /// Nothing.
    Absolute,
    /// The baseline, by difference.
    Difference,
    /// The baseline, by share of it.
    Share,
}

/// A condition; see the module.
#[derive(Clone, Debug)]
pub struct Condition {
    text: String,
    controller: Option<String>,
    figure: Figure,
    above: bool,
    or_equal: bool,
    against: Against,
    value: f64,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (subject, rest) = text
            .find(['<', '>'])
            .map(|place| text.split_at(place))
            .ok_or_else(|| format!("{text:?} has no > or <; write for example 'rebuffer_ratio>+1%'"))?;
        let (controller, figure) = match subject.trim().split_once(':') {
            Some((controller, figure)) => (Some(controller.trim().to_owned()), figure.trim()),
            None => (None, subject.trim()),
        };
        let figure = Figure::parse(figure).ok_or_else(|| {
            format!(
                "{figure:?} is no figure; `abr-sim schema` lists the columns, _p90 and the like may follow"
            )
        })?;
        let above = rest.starts_with('>');
        let or_equal = rest[1..].starts_with('=');
        let value = rest[1 + usize::from(or_equal)..].trim();
        let (number, percent) = match value.strip_suffix('%') {
            Some(number) => (number.trim(), true),
            None => (value, false),
        };
        let parsed = number.parse::<f64>().ok().filter(|number| number.is_finite());
        let parsed = parsed.ok_or_else(|| format!("{value:?} is no number"))?;
        let signed = number.starts_with(['+', '-']);
        let against = match (signed, percent) {
            (false, _) => Against::Absolute,
            (true, false) => Against::Difference,
            (true, true) => Against::Share,
        };
        // The column of percentages counts in percent already.
        let in_percent = figure.column.unit == "%" && against == Against::Absolute;
        let value = if percent && !in_percent { parsed / 100.0 } else { parsed };
        Ok(Self { text: text.to_owned(), controller, figure, above, or_equal, against, value })
    }
}

impl Condition {
    /// Where the condition is met, in words; empty when nowhere.
    pub fn met(&self, rows: &[Row], baseline: Baseline<'_>) -> Vec<String> {
        let pairs = pairs(rows, baseline);
        let mut met = Vec::new();
        for group in groups(rows) {
            for controller in controllers(group.iter().copied()) {
                if self.controller.as_deref().is_none_or(|name| name == controller) {
                    met.extend(self.met_by(&group, controller, &pairs));
                }
            }
        }
        met
    }

    /// Whether the condition needs a baseline.
    pub fn needs_baseline(&self) -> bool {
        self.against != Against::Absolute
    }

    fn met_by(&self, group: &[&Row], controller: &str, pairs: &[Pair<'_>]) -> Option<String> {
        let here = format!("{} / {} / {controller}", group[0].set, group[0].title);
        let is_here = |row: &Row| row.controller == controller && conditions(row) == conditions(group[0]);
        let (shown, compared) = if self.against == Against::Absolute {
            let value = self.figure.of(group.iter().copied().filter(|row| row.controller == controller))?;
            (format!("{value:.4}"), value)
        } else {
            let pairs = pairs.iter().filter(|(row, _)| is_here(row));
            let value = self.figure.of(pairs.clone().map(|(row, _)| *row))?;
            let base = self.figure.of(pairs.map(|(_, base)| *base))?;
            let difference = value - base;
            let compared = match self.against {
                Against::Share if difference == 0.0 => 0.0,
                Against::Share => difference / base.abs(),
                Against::Absolute | Against::Difference => difference,
            };
            (format!("{value:.4} after {base:.4}"), compared)
        };
        let equal = self.or_equal && compared == self.value;
        let met = equal || if self.above { compared > self.value } else { compared < self.value };
        met.then(|| format!("{}: {here}: {} is {shown}", self.text, self.figure.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |controller: &str, rebuffer_ratio, percent| Row {
            set: "s".into(),
            controller: controller.into(),
            rebuffer_ratio,
            percent_of_optimum: Some(percent),
            ..Row::default()
        };
        vec![row("old", 0.010, 80.0), row("new", 0.0102, 78.0)]
    }

    fn met(text: &str) -> usize {
        let condition: Condition = text.parse().unwrap();
        condition.met(&rows(), Baseline::Controller("old")).len()
    }

    #[test]
    fn absolute_relative_and_share() {
        assert_eq!(met("rebuffer_ratio>+1%"), 1, "2 % more");
        assert_eq!(met("rebuffer_ratio > +3%"), 0);
        assert_eq!(met("rebuffer_ratio>1%"), 1, "only the new one is above");
        assert_eq!(met("rebuffer_ratio>=1%"), 2);
        assert_eq!(met("percent_of_optimum_mean<-1"), 1, "two points less");
        assert_eq!(met("percent_of_optimum<-2.5%"), 0, "exactly 2.5 % less");
        assert_eq!(met("percent_of_optimum<=-2.5%"), 1);
        assert_eq!(met("percent_of_optimum<79"), 1);
        assert_eq!(met("old:percent_of_optimum<79%"), 0);
        assert_eq!(met("new:percent_of_optimum<79%"), 1);
    }

    #[test]
    fn what_cannot_be_meant_is_explained() {
        for (text, said) in
            [("rebuffer_ratio", "no > or <"), ("stupidity>1", "is no figure"), ("score>x", "is no number")]
        {
            let error = text.parse::<Condition>().unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
