//! The comparison matrix: controllers against sets, a figure in every cell and the mean over sets at the end.

use super::style::scale;
use super::svg::{Anchor, Svg};
use crate::sim::report::summary::Line;

const CELL: (f64, f64) = (102.0, 30.0);
const LEFT: f64 = 112.0;
const TOP: f64 = 112.0;

/// A row of the matrix: a name, the figure and a second one per column.
struct Entry<'a> {
    controller: &'a str,
    cells: Vec<Option<(f64, f64)>>,
    mean: Option<f64>,
}

/// Draws percent of optimum (mean clipped, and p10), or where that was not computed the stalled share (mean and p90); the
/// best controller on top. `None` without lines.
pub fn draw(lines: &[Line]) -> Option<String> {
    let with_optimum = lines.iter().any(|line| line.percent_of_optimum_mean.is_some());
    let key = |line: &Line| (line.set.clone(), heading(line, lines));
    let mut columns: Vec<(String, String)> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for line in lines {
        if !columns.contains(&key(line)) {
            columns.push(key(line));
        }
        if !names.contains(&line.controller.as_str()) {
            names.push(&line.controller);
        }
    }
    if columns.is_empty() {
        return None;
    }
    let value = |line: &Line| match with_optimum {
        true => Some((line.percent_of_optimum_mean?, line.percent_of_optimum_p10?)),
        false => Some((line.rebuffer_ratio_mean * 100.0, line.rebuffer_ratio_p90 * 100.0)),
    };
    let mut entries: Vec<Entry<'_>> = names
        .into_iter()
        .map(|controller| {
            let of = |column: &(String, String)| {
                lines
                    .iter()
                    .find(|line| line.controller == controller && key(line) == *column)
                    .and_then(value)
            };
            let cells: Vec<_> = columns.iter().map(of).collect();
            let known: Vec<f64> = cells.iter().flatten().map(|cell| cell.0).collect();
            let mean = (known.len() == columns.len()).then(|| known.iter().sum::<f64>() / known.len() as f64);
            Entry { controller, cells, mean }
        })
        .collect();
    let worth = |entry: &Entry<'_>| match (entry.mean, with_optimum) {
        (Some(mean), true) => mean,
        (Some(mean), false) => -mean,
        (None, _) => f64::NEG_INFINITY,
    };
    entries.sort_by(|a, b| worth(b).total_cmp(&worth(a)));
    let width = LEFT + (columns.len() + 1) as f64 * CELL.0 + 24.0;
    let height = TOP + entries.len() as f64 * CELL.1 + 40.0;
    let (title, subtitle) = match with_optimum {
        true => (
            "Percent of the offline optimum",
            "mean of sessions clipped to 0…100; beside it the 10th percentile",
        ),
        false => ("Time stalled, in percent", "mean of sessions; beside it the 90th percentile"),
    };
    let mut svg = Svg::new(width.max(560.0), height, title, subtitle);
    for (place, (set, below)) in columns.iter().enumerate() {
        let x = LEFT + (place as f64 + 0.5) * CELL.0;
        svg.text(x, TOP - 26.0, Anchor::Middle, "label", &shortened(set, 14));
        svg.text(x, TOP - 12.0, Anchor::Middle, "small soft", &shortened(below, 17));
    }
    svg.text(LEFT + (columns.len() as f64 + 0.5) * CELL.0 + 4.0, TOP - 26.0, Anchor::Middle, "label", "mean");
    let most = entries.iter().flat_map(|e| e.cells.iter().flatten()).map(|c| c.0).fold(1e-9, f64::max);
    let shade = |value: f64| if with_optimum { value / 100.0 } else { value / most };
    for (row, entry) in entries.iter().enumerate() {
        let y = TOP + row as f64 * CELL.1;
        svg.text(LEFT - 10.0, y + 19.0, Anchor::End, "label", entry.controller);
        for (column, cell) in entry.cells.iter().enumerate() {
            let Some((value, second)) = cell else { continue };
            let text = (figure(*value, with_optimum), Some(figure(*second, with_optimum)));
            draw_cell(&mut svg, (LEFT + column as f64 * CELL.0, y), shade(*value), text);
        }
        if let Some(mean) = entry.mean {
            let x = LEFT + columns.len() as f64 * CELL.0 + 4.0;
            draw_cell(&mut svg, (x, y), shade(mean), (figure(mean, with_optimum), None));
        }
    }
    Some(svg.finish())
}

fn draw_cell(svg: &mut Svg, at: (f64, f64), share: f64, (value, second): (String, Option<String>)) {
    let (red, green, blue) = scale(share);
    svg.rect(at, (CELL.0 - 2.0, CELL.1 - 2.0), &format!("rx=\"2\" fill=\"rgb({red},{green},{blue})\""));
    let light = 0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue);
    let ink = if light > 125.0 { "#111" } else { "#fff" };
    let (x, y) = (at.0 + CELL.0 / 2.0, at.1 + 19.0);
    match second {
        Some(second) => {
            svg.coloured((x + 2.0, y), Anchor::End, ink, &value);
            svg.coloured(
                (x + 8.0, y),
                Anchor::Start,
                &format!("{ink};font-weight:400;font-size:10px"),
                &second,
            );
        }
        None => svg.coloured((x, y), Anchor::Middle, ink, &value),
    }
}

fn figure(value: f64, with_optimum: bool) -> String {
    let text = match with_optimum {
        // Far below zero the tenths say nothing and need room.
        true if value <= -100.0 => format!("{value:.0}"),
        true => format!("{value:.1}"),
        false => format!("{value:.2}"),
    };
    let text = if text.starts_with("-0.0") && text.trim_start_matches(['-', '0', '.']).is_empty() {
        text[1..].to_owned()
    } else {
        text
    };
    text.replace('-', "−")
}

/// What tells a column from others of its set: only what varies over the lines.
fn heading(line: &Line, lines: &[Line]) -> String {
    let varies = |of: &dyn Fn(&Line) -> String| lines.iter().any(|other| of(other) != of(line));
    let mut parts = Vec::new();
    if varies(&|line| line.title.clone()) {
        let title = line.title.strip_prefix("synthetic:").map_or(line.title.as_str(), |_| "synthetic");
        parts.push(title.to_owned());
    }
    if varies(&|line| line.link.clone()) {
        parts.push(line.link.clone());
    }
    if varies(&|line| line.cap_s.to_string()) {
        parts.push(format!("{} s", line.cap_s));
    }
    if varies(&|line| line.qoe.clone()) {
        parts.push(line.qoe.clone());
    }
    if !line.parameters.is_empty() {
        parts.push(line.parameters.clone());
    }
    parts.join(", ")
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}
