//! A session over time: what was asked for, what the network gave, and what was queued; stalls across both.

use super::axis::{Panel, Scale};
use super::record::Record;
use super::style::{COLOURS, OTHER, STALL};
use super::svg::{Anchor, Svg};
use crate::sim::report::statistics::quantile;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 132.0;

/// Draws a session.
pub fn draw(record: &Record, title: &str) -> String {
    let stalled: f64 = record.stalls.iter().map(|(from, to)| to - from).sum();
    let startup =
        record.startup.map_or("never started".to_owned(), |s| format!("first picture after {s:.2} s"));
    let stalls = match record.stalls.len() {
        0 => "no stall".to_owned(),
        1 => format!("1 stall of {stalled:.1} s"),
        n => format!("{n} stalls, {stalled:.1} s in all"),
    };
    let mut svg =
        Svg::new(WIDTH, 470.0, title, &format!("controller {}; {startup}; {stalls}", record.controller));
    let x = Scale::exact(0.0, record.end.max(1.0), 8);
    let width = WIDTH - LEFT - RIGHT;
    let highest = record.chosen.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let usual = quantile(record.transfers.iter().map(|t| t.2).collect(), 0.9).unwrap_or(0.0);
    // A burst may be ten times faster than any rung: the top is cut there.
    let top = highest.max(usual.min(2.0 * highest.max(record.rungs.last().copied().unwrap_or(0.0)))) / 1e6;
    let rates =
        Panel { left: LEFT, top: 64.0, width, height: 210.0, x, y: Scale::over([0.0, top].into_iter(), 5) };
    let levels = record.buffer.iter().map(|(_, level)| *level);
    let buffer =
        Panel { left: LEFT, top: 306.0, width, height: 110.0, x, y: Scale::over(levels.chain([0.0]), 3) };
    for panel in [&rates, &buffer] {
        bands(&mut svg, panel, record);
    }
    rates.draw(&mut svg, "", "Mbit/s");
    buffer.draw(&mut svg, "time since the start, s", "queued, s");
    draw_rates(&mut svg, &rates, record);
    draw_buffer(&mut svg, &buffer, record);
    svg.finish()
}

fn bands(svg: &mut Svg, panel: &Panel, record: &Record) {
    let mut band = |from: f64, to: f64, colour: &str, opacity: f64| {
        let (left, _) = panel.at(from, panel.y.from);
        let (right, _) = panel.at(to, panel.y.from);
        let style = format!("fill=\"{colour}\" fill-opacity=\"{opacity}\"");
        svg.rect((left, panel.top), ((right - left).max(1.0), panel.height), &style);
    };
    band(0.0, record.startup.unwrap_or(record.end), OTHER, 0.28);
    for (from, to) in &record.stalls {
        band(*from, *to, STALL, 0.3);
    }
}

fn draw_rates(svg: &mut Svg, panel: &Panel, record: &Record) {
    for (from, to, bps) in &record.transfers {
        let style = format!("stroke=\"{OTHER}\" stroke-width=\"3\" stroke-opacity=\".75\"");
        svg.path(&[panel.at(*from, bps / 1e6), panel.at(*to, bps / 1e6)], &style);
    }
    let mut steps = Vec::new();
    for (place, (t, bps)) in record.chosen.iter().enumerate() {
        if place > 0 && record.chosen[place - 1].1 == *bps {
            continue;
        }
        if let Some(before) = place.checked_sub(1) {
            steps.push(panel.at(*t, record.chosen[before].1 / 1e6));
        }
        steps.push(panel.at(*t, bps / 1e6));
    }
    if let Some((t, bps)) = record.chosen.last() {
        steps.push(panel.at(*t, bps / 1e6));
        let end = panel.at(*t, bps / 1e6);
        svg.line(end, (panel.right() + 4.0, end.1), "leader");
        svg.coloured((panel.right() + 8.0, end.1 + 4.0), Anchor::Start, COLOURS[0], "bitrate chosen");
    }
    svg.path(&steps, &format!("fill=\"none\" stroke=\"{}\" stroke-width=\"2.2\"", COLOURS[0]));
    let last = record.transfers.last().map(|t| panel.at(t.1, t.2 / 1e6).1);
    let chosen = record.chosen.last().map_or(panel.top, |(t, bps)| panel.at(*t, bps / 1e6).1);
    if let Some(y) = last {
        let y = if (y - chosen).abs() < 16.0 { chosen + if y < chosen { -16.0 } else { 16.0 } } else { y };
        svg.coloured((panel.right() + 8.0, y + 4.0), Anchor::Start, OTHER, "throughput");
    }
}

fn draw_buffer(svg: &mut Svg, panel: &Panel, record: &Record) {
    // Levels change slowly: what lies within a third of a pixel of the point before adds nothing.
    let mut line: Vec<(f64, f64)> = Vec::new();
    for (t, level) in &record.buffer {
        let point = panel.at(*t, *level);
        let near = line.last().is_some_and(|(x, y)| (point.0 - x).abs() + (point.1 - y).abs() < 1.2);
        if !near {
            line.push(point);
        }
    }
    let (Some(first), Some(last)) = (line.first().copied(), line.last().copied()) else { return };
    let mut area = line.clone();
    area.extend([(last.0, panel.bottom()), (first.0, panel.bottom())]);
    svg.path(&area, &format!("fill=\"{}\" fill-opacity=\".16\"", COLOURS[1]));
    svg.path(&line, &format!("fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\"", COLOURS[1]));
    svg.coloured((panel.right() + 8.0, panel.top + 14.0), Anchor::Start, COLOURS[1], "buffer");
    let y = panel.top + 36.0;
    let bands = [(OTHER, 0.28, "start-up"), (STALL, 0.3, "stall")];
    let shown = if record.stalls.is_empty() { &bands[..1] } else { &bands };
    for (place, (colour, opacity, name)) in shown.iter().enumerate() {
        let y = y + place as f64 * 20.0;
        let style = format!("fill=\"{colour}\" fill-opacity=\"{opacity}\"");
        svg.rect((panel.right() + 8.0, y), (14.0, 12.0), &style);
        svg.text(panel.right() + 28.0, y + 10.0, Anchor::Start, "", name);
    }
}
