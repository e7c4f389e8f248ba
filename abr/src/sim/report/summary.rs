//! Tables over rows: figures of each controller in each group, and paired differences against a baseline.
//!
//! A group is what was played under the same conditions: set, title, link, cap, score and settings. Differences are
//! taken session by session on the same trace, so that a hard trace is hard for both.

use super::statistics::{Interval, bootstrap, mean, quantile};
use super::{Column, Row, Value};
use serde::Serialize;
use std::collections::BTreeMap;

/// A figure of many sessions.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Of which column.
    pub column: &'static Column,
    /// `None` for the mean, else a share in 0..1.
    pub quantile: Option<f64>,
}

impl Figure {
    /// A column's name, with `_mean` (which may be left out) or a quantile such as `_p90`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |column: &&Column| column.kind != super::Kind::Text;
        let (name, share) = match text.rsplit_once("_p").and_then(|(name, p)| Some((name, p.parse().ok()?))) {
            Some((name, percent @ 0u8..=100)) => (name, Some(f64::from(percent) / 100.0)),
            _ => (text.strip_suffix("_mean").unwrap_or(text), None),
        };
        Column::by_name(name).filter(number).map(|column| Self { column, quantile: share })
    }

    /// Its name, as `parse` reads it.
    pub fn name(&self) -> String {
        let name = self.column.name;
        self.quantile.map_or(name.to_owned(), |share| format!("{name}_p{:.0}", share * 100.0))
    }

    /// The figure of these sessions. The mean of `percent_of_optimum` is of values clipped to 0..100; changes per minute
    /// are counted over all minutes played.
    pub fn of<'a>(&self, rows: impl Iterator<Item = &'a Row> + Clone) -> Option<f64> {
        if let Some(share) = self.quantile {
            return quantile(rows.filter_map(|row| number(self.column, row)).collect(), share);
        }
        if self.column.name == "switches_per_minute" {
            let minutes: f64 = rows.clone().map(|row| row.played_s / 60.0).sum();
            return rows
                .clone()
                .next()
                .map(|_| rows.map(|row| row.switches as f64).sum::<f64>() / minutes.max(1e-6));
        }
        mean(&rows.filter_map(|row| self.value(row)).collect::<Vec<_>>())
    }

    /// The column's value in a row, if it is a number.
    pub fn number(&self, row: &Row) -> Option<f64> {
        number(self.column, row)
    }

    /// What one session contributes to the mean.
    pub fn value(&self, row: &Row) -> Option<f64> {
        let value = self.number(row)?;
        Some(if self.column.name == "percent_of_optimum" { value.clamp(0.0, 100.0) } else { value })
    }
}

fn number(column: &Column, row: &Row) -> Option<f64> {
    match column.get(row) {
        Value::Count(count) => Some(count as f64),
        Value::Number(number) => Some(number),
        Value::Text(_) | Value::Missing => None,
    }
}

/// The conditions that a group shares.
pub type Conditions<'a> = (&'a str, &'a str, &'a str, u64, &'a str, &'a str);

/// What a row's group is told by.
pub fn conditions(row: &Row) -> Conditions<'_> {
    (&row.set, &row.title, &row.link, row.cap_s.to_bits(), &row.qoe, &row.parameters)
}

/// The rows of each group, groups in the order in which they first come.
pub fn groups(rows: &[Row]) -> Vec<Vec<&Row>> {
    let mut places = BTreeMap::new();
    let mut groups: Vec<Vec<&Row>> = Vec::new();
    for row in rows {
        let place = *places.entry(conditions(row)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[place].push(row);
    }
    groups
}

/// One controller in one group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// The set of traces.
    pub set: String,
    /// The title.
    pub title: String,
    /// The link model.
    pub link: String,
    /// Capacity of the buffer in seconds.
    pub cap_s: f64,
    /// Which score the percentages are of.
    pub qoe: String,
    /// Settings other than the default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub parameters: String,
    /// The controller.
    pub controller: String,
    /// How many sessions.
    pub sessions: usize,
    /// Mean of score ÷ optimum clipped to 0..100, over sessions whose optimum is above 5 % of the top quality.
    pub percent_of_optimum_mean: Option<f64>,
    /// 10th percentile of the same, not clipped.
    pub percent_of_optimum_p10: Option<f64>,
    /// Mean share of time stalled.
    pub rebuffer_ratio_mean: f64,
    /// 90th percentile of it.
    pub rebuffer_ratio_p90: f64,
    /// Mean time to the first picture, over sessions that had one.
    pub startup_s_mean: f64,
    /// Changes of representation per minute played.
    pub switches_per_minute: f64,
    /// Mean over sessions of the played bitrate.
    pub mean_bitrate_bps: f64,
}

/// The lines of every group, controllers in the order in which they first come.
pub fn lines(rows: &[Row]) -> Vec<Line> {
    let mut lines = Vec::new();
    for group in groups(rows) {
        for controller in controllers(group.iter().copied()) {
            let of = |name: &str| {
                let rows = group.iter().copied().filter(|row| row.controller == controller);
                Figure::parse(name).and_then(|figure| figure.of(rows))
            };
            let first = group[0];
            lines.push(Line {
                set: first.set.clone(),
                title: first.title.clone(),
                link: first.link.clone(),
                cap_s: first.cap_s,
                qoe: first.qoe.clone(),
                parameters: first.parameters.clone(),
                controller: controller.to_owned(),
                sessions: group.iter().filter(|row| row.controller == controller).count(),
                percent_of_optimum_mean: of("percent_of_optimum"),
                percent_of_optimum_p10: of("percent_of_optimum_p10"),
                rebuffer_ratio_mean: of("rebuffer_ratio").unwrap_or(0.0),
                rebuffer_ratio_p90: of("rebuffer_ratio_p90").unwrap_or(0.0),
                startup_s_mean: of("startup_s").unwrap_or(0.0),
                switches_per_minute: of("switches_per_minute").unwrap_or(0.0),
                mean_bitrate_bps: of("mean_bitrate_bps").unwrap_or(0.0),
            });
        }
    }
    lines
}

/// The controllers of `rows`, in the order in which they first come.
pub fn controllers<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !names.contains(&row.controller.as_str()) {
            names.push(&row.controller);
        }
    }
    names
}

/// What sessions are compared with.
#[derive(Clone, Copy, Debug)]
pub enum Baseline<'a> {
    /// This controller on the same trace under the same conditions.
    Controller(&'a str),
    /// The same controller on the same trace under the same conditions, of an earlier experiment.
    Earlier(&'a [Row]),
}

/// A session and the one that it is compared with.
pub type Pair<'a> = (&'a Row, &'a Row);

/// The pairs of all rows that have a partner, in order; rows of the baseline controller have none.
pub fn pairs<'a>(rows: &'a [Row], baseline: Baseline<'a>) -> Vec<Pair<'a>> {
    let (partners, controller) = match baseline {
        Baseline::Controller(name) => (rows, Some(name)),
        Baseline::Earlier(rows) => (rows, None),
    };
    let key = |row: &'a Row| {
        let by = if controller.is_some() { "" } else { row.controller.as_str() };
        (conditions(row), row.trace.as_str(), by, row.seed)
    };
    let of_baseline = |row: &&Row| controller.is_none_or(|name| row.controller == name);
    let partners: BTreeMap<_, _> = partners.iter().filter(of_baseline).map(|row| (key(row), row)).collect();
    let compared = rows.iter().filter(|row| Some(row.controller.as_str()) != controller);
    compared.filter_map(|row| Some((row, *partners.get(&key(row))?))).collect()
}

/// How far a controller is from the baseline in one figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The set; `None` for the mean over all sets, each counting the same. So are the others then.
    pub set: Option<String>,
    /// The title.
    pub title: Option<String>,
    /// The link model.
    pub link: Option<String>,
    /// Capacity of the buffer in seconds.
    pub cap_s: Option<f64>,
    /// Which score the percentages are of.
    pub qoe: Option<String>,
    /// Settings other than the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<String>,
    /// The controller.
    pub controller: String,
    /// The figure.
    pub figure: &'static str,
    /// This controller less the baseline, and the 95 % interval over traces.
    #[serde(flatten)]
    pub difference: Interval,
}

/// The figures that differences are reported of; the last per group only, because ladders differ between titles.
pub const DIFFERENCES: [&str; 5] =
    ["percent_of_optimum", "rebuffer_ratio", "startup_s", "switches_per_minute", "score"];

/// Differences of one controller: in every group, and over all sets. For the latter, what a trace gave under several
/// conditions is averaged before, so that traces, not sessions, are resampled.
pub fn differences(pairs: &[Pair<'_>], controller: &str, seed: u64, resamples: usize) -> Vec<Difference> {
    let mut found = Vec::new();
    for figure in DIFFERENCES.iter().filter_map(|name| Figure::parse(name)) {
        let mut groups: Vec<(&Row, Vec<f64>)> = Vec::new();
        let mut places = BTreeMap::new();
        let mut sets: BTreeMap<&str, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
        for (row, base) in pairs.iter().filter(|(row, _)| row.controller == controller) {
            let (Some(here), Some(there)) = (figure.value(row), figure.value(base)) else { continue };
            let place = *places.entry(conditions(row)).or_insert(groups.len());
            if place == groups.len() {
                groups.push((row, Vec::new()));
            }
            groups[place].1.push(here - there);
            sets.entry(&row.set).or_default().entry(&row.trace).or_default().push(here - there);
        }
        for (row, values) in &groups {
            if let Some(difference) = bootstrap(std::slice::from_ref(values), seed, resamples) {
                found.push(Difference {
                    set: Some(row.set.clone()),
                    title: Some(row.title.clone()),
                    link: Some(row.link.clone()),
                    cap_s: Some(row.cap_s),
                    qoe: Some(row.qoe.clone()),
                    parameters: (!row.parameters.is_empty()).then(|| row.parameters.clone()),
                    controller: controller.to_owned(),
                    figure: figure.column.name,
                    difference,
                });
            }
        }
        if groups.len() < 2 || figure.column.name == "score" {
            continue;
        }
        let per_trace = |traces: &BTreeMap<&str, Vec<f64>>| traces.values().filter_map(|v| mean(v)).collect();
        let strata: Vec<Vec<f64>> = sets.values().map(per_trace).collect();
        if let Some(difference) = bootstrap(&strata, seed, resamples) {
            let (controller, figure) = (controller.to_owned(), figure.column.name);
            let (set, title, link, cap_s, qoe, parameters) = (None, None, None, None, None, None);
            found.push(Difference {
                set,
                title,
                link,
                cap_s,
                qoe,
                parameters,
                controller,
                figure,
                difference,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(set: &str, trace: &str, controller: &str, percent: Option<f64>, rebuffer_ratio: f64) -> Row {
        Row {
            set: set.into(),
            trace: trace.into(),
            controller: controller.into(),
            percent_of_optimum: percent,
            rebuffer_ratio,
            played_s: 60.0,
            switches: 3,
            ..Row::default()
        }
    }

    #[test]
    fn percentages_are_clipped_in_the_mean_only() {
        let percents = [Some(50.0), Some(-100.0), None];
        let rows: Vec<Row> = percents.map(|percent| row("s", "t", "hybrid", percent, 0.0)).into();
        let lines = lines(&rows);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].percent_of_optimum_mean, Some(25.0));
        assert_eq!(lines[0].percent_of_optimum_p10, Some(-85.0));
        assert_eq!((lines[0].sessions, lines[0].switches_per_minute), (3, 3.0));
    }

    #[test]
    fn differences_pair_traces_and_weigh_sets_equally() {
        let mut rows = Vec::new();
        for (set, traces, gain) in [("a", 3, 4.0), ("b", 1, 8.0)] {
            for trace in 0..traces {
                let (trace, base) = (format!("t{trace}"), 10.0 * f64::from(trace));
                rows.push(row(set, &trace, "x", Some(base), 0.1));
                rows.push(row(set, &trace, "y", Some(base + gain), 0.1));
            }
        }
        let pairs = pairs(&rows, Baseline::Controller("x"));
        assert_eq!(pairs.len(), 4);
        let found = differences(&pairs, "y", 1, 100);
        let percent = |set: Option<&str>| {
            let is = |d: &&Difference| d.set.as_deref() == set && d.figure == "percent_of_optimum";
            found.iter().find(is).unwrap().difference
        };
        assert_eq!((percent(Some("a")).mean, percent(Some("a")).low, percent(Some("a")).n), (4.0, 4.0, 3));
        assert_eq!((percent(None).mean, percent(None).n), (6.0, 4));
        let earlier = rows.clone();
        assert_eq!(super::pairs(&rows, Baseline::Earlier(&earlier)).len(), 8);
    }

    #[test]
    fn figures_are_named_by_column_and_quantile() {
        let name = |text| Figure::parse(text).map(|figure| figure.name());
        assert_eq!(name("rebuffer_ratio_mean").as_deref(), Some("rebuffer_ratio"));
        assert_eq!(name("rebuffer_ratio_p90").as_deref(), Some("rebuffer_ratio_p90"));
        assert_eq!(name("switches_per_minute").as_deref(), Some("switches_per_minute"));
        assert_eq!(name("set"), None);
        assert_eq!(name("nothing"), None);
    }
}
