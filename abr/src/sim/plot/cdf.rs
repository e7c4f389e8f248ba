//! Cumulative distributions: the share of sessions at or below a value, one panel per set.

use super::axis::{Panel, Scale};
use super::style::{OTHER, colour};
use super::svg::{Anchor, Svg};
use crate::sim::report::Row;
use crate::sim::report::statistics::quantile;
use crate::sim::report::summary::{Figure, controllers};

/// Points per curve.
const POINTS: usize = 50;
const PANEL: (f64, f64) = (236.0, 150.0);
const COLUMNS: usize = 3;

/// What is drawn.
pub struct Shown<'a> {
    /// A column's name.
    pub figure: &'a str,
    /// Name and unit of the axis.
    pub axis: &'a str,
    /// Factor from the column's unit to the axis's.
    pub factor: f64,
    /// First and last value of the axis, if it is to be cut there.
    pub range: Option<(f64, f64)>,
    /// Heading.
    pub title: &'a str,
}

/// Draws the distributions of all controllers, with those in `marked` in colour and named; `None` when no row has such
/// a figure.
pub fn draw(rows: &[Row], shown: &Shown<'_>, marked: &[&str]) -> Option<String> {
    let figure = Figure::parse(shown.figure)?;
    let mut sets: Vec<&str> = Vec::new();
    for row in rows {
        if !sets.contains(&row.set.as_str()) {
            sets.push(&row.set);
        }
    }
    let values = |set: &str, controller: Option<&str>| -> Vec<f64> {
        let of =
            rows.iter().filter(|row| row.set == set && controller.is_none_or(|name| name == row.controller));
        of.filter_map(|row| figure.number(row)).map(|value| value * shown.factor).collect()
    };
    if sets.iter().all(|set| values(set, None).is_empty()) {
        return None;
    }
    let across = sets.len().clamp(1, COLUMNS);
    let down = sets.len().div_ceil(across);
    let cell = (PANEL.0 + 66.0, PANEL.1 + 72.0);
    let (width, height) = (across as f64 * cell.0 + 24.0, down as f64 * cell.1 + 88.0);
    let width = width.max(640.0);
    let mut svg =
        Svg::new(width, height, shown.title, "share of sessions at or below the value, per set of traces");
    legend(&mut svg, marked, controllers(rows.iter()).len() > marked.len());
    for (place, set) in sets.iter().enumerate() {
        let all = values(set, None);
        let x = match shown.range {
            Some((from, to)) => Scale::exact(from, to, 5),
            None => Scale::over([0.0, quantile(all, 0.95).unwrap_or(1.0)].into_iter(), 4),
        };
        let panel = Panel {
            left: 60.0 + (place % across) as f64 * cell.0,
            top: 96.0 + (place / across) as f64 * cell.1,
            width: PANEL.0,
            height: PANEL.1,
            x,
            y: Scale::exact(0.0, 100.0, 4),
        };
        panel.draw(&mut svg, shown.axis, if place % across == 0 { "% of sessions" } else { "" });
        svg.text(panel.left, panel.top - 8.0, Anchor::Start, "label", set);
        let names = controllers(rows.iter());
        let (front, back): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| marked.contains(name));
        for name in back {
            let curve = curve(&panel, values(set, Some(name)));
            svg.path(&curve, &format!("fill=\"none\" stroke=\"{OTHER}\" stroke-opacity=\".45\""));
        }
        // The most important one lies on top.
        for (place, name) in marked.iter().enumerate().rev().filter(|(_, name)| front.contains(name)) {
            let curve = curve(&panel, values(set, Some(name)));
            svg.path(&curve, &format!("fill=\"none\" stroke-width=\"2\" stroke=\"{}\"", colour(place)));
        }
    }
    Some(svg.finish())
}

fn legend(svg: &mut Svg, marked: &[&str], others: bool) {
    let mut x = 16.0;
    let entries = marked.iter().enumerate().map(|(place, name)| (*name, colour(place)));
    for (name, colour) in entries.chain(others.then_some(("others", OTHER))) {
        svg.rect((x, 58.0), (18.0, 3.0), &format!("fill=\"{colour}\""));
        svg.text(x + 24.0, 64.0, Anchor::Start, "", name);
        x += 40.0 + name.len() as f64 * 7.0;
    }
}

fn curve(panel: &Panel, mut values: Vec<f64>) -> Vec<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    let points = POINTS.min(values.len().max(1));
    (0..=points)
        .filter_map(|point| {
            let share = point as f64 / points as f64;
            Some(panel.at(quantile(values.clone(), share)?, share * 100.0))
        })
        .collect()
}
