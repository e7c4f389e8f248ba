//! The statistics: what plays now, why it was chosen, what was fetched.

use super::overlay::Scene;
use super::style;
use crate::ui::action::Action;
use crate::ui::format;
use crate::ui::history::{SPAN, Sample};
use crate::ui::view::{self, PAGES};
use egui::{Align2, Color32, CornerRadius, Id, Painter, Pos2, Rect, Sense, Shape, Stroke, Ui, pos2, vec2};

const WIDTH: f32 = 470.0;
const STEP: f32 = 20.0;

pub(super) fn draw(ui: &mut Ui, screen: Rect, page: u8, scene: &Scene<'_>, actions: &mut Vec<Action>) {
    let width = WIDTH.min(screen.width() - 24.0);
    let height = match page {
        1 => 15.0 * STEP + 62.0,
        2 => 9.0 * STEP + 62.0 + 150.0,
        _ => 12.0 * STEP + 62.0,
    };
    let panel =
        Rect::from_min_size(screen.min + vec2(12.0, 12.0), vec2(width, height.min(screen.height() - 24.0)));
    ui.interact(panel, Id::unique("statistics panel"), Sense::click());
    style::plate(ui.painter(), panel);
    tabs(ui, panel, page, actions);
    let inner = Rect::from_min_max(panel.min + vec2(16.0, 46.0), panel.max - vec2(16.0, 12.0));
    let painter = ui.painter().with_clip_rect(inner);
    match page {
        1 => {
            table(&painter, inner, &now(scene));
        }
        2 => {
            let bottom = table(&painter, inner, &adaptation(scene));
            let chart = Rect::from_min_max(pos2(inner.left(), bottom + 8.0), inner.max);
            draw_chart(&painter, chart, scene);
        }
        _ => requests(&painter, inner, scene),
    }
}

fn tabs(ui: &mut Ui, panel: Rect, page: u8, actions: &mut Vec<Action>) {
    let mut left = panel.left() + 10.0;
    for (number, name) in (1..=PAGES).zip(["Now", "Adaptation", "Requests"]) {
        let text = format!("{number}  {name}");
        let colour = if number == page { style::TEXT } else { style::FAINT };
        let galley = ui.painter().layout_no_wrap(text, style::body(), colour);
        let rect = Rect::from_min_size(pos2(left, panel.top() + 8.0), galley.size() + vec2(16.0, 10.0));
        left = rect.right() + 4.0;
        if ui.interact(rect, Id::unique(("page", number)), Sense::click()).clicked() {
            actions.push(Action::Page(number));
        }
        ui.painter().galley(rect.min + vec2(8.0, 5.0), galley, colour);
        if number == page {
            let line = Rect::from_min_max(
                rect.left_bottom() + vec2(6.0, -1.0),
                rect.right_bottom() + vec2(-6.0, 1.0),
            );
            ui.painter().rect_filled(line, CornerRadius::same(1), style::ACCENT);
        }
    }
}

/// Draws names and values below each other; returns where it ended.
fn table(painter: &Painter, area: Rect, lines: &[(&str, String)]) -> f32 {
    let mut y = area.top();
    for (name, value) in lines {
        style::line(
            painter,
            pos2(area.left(), y),
            Align2::LEFT_TOP,
            name,
            style::small(),
            style::FAINT,
            110.0,
        );
        let at = pos2(area.left() + 116.0, y);
        style::line(painter, at, Align2::LEFT_TOP, value, style::small(), style::TEXT, area.right() - at.x);
        y += STEP;
    }
    y
}

fn now(scene: &Scene<'_>) -> Vec<(&'static str, String)> {
    let (status, output) = (scene.status, scene.output);
    let dash = || String::from("–");
    let rendition = view::current(status).map_or_else(dash, |r| {
        let rate = if r.frame_rate > 0.0 {
            format!("@{}", (r.frame_rate * 100.0).round() / 100.0)
        } else {
            String::new()
        };
        let codecs = format::codecs(&r.codecs);
        format!("{}×{}{rate}  {codecs}  {}", r.width, r.height, format::bitrate(r.bandwidth_bps))
    });
    let [upload, draw, present] = output.timings.mean_ms();
    let loading = if output.converts_on_cpu { "convert" } else { "upload" };
    let stalls = format!("{} ({:.1} s)", status.stalls, status.stalled.as_secs_f64());
    vec![
        ("Title", status.title.clone()),
        ("Protocol", format!("{}   {} renditions", status.protocol, status.renditions.len())),
        ("Rendition", rendition),
        ("Picture", if output.picture.is_empty() { dash() } else { output.picture.clone() }),
        ("Window", format!("{}×{}", output.window.0, output.window.1)),
        ("Frames", format!("{} shown, {} dropped", status.presented, status.dropped)),
        ("A/V offset", status.av_offset_ms.map_or_else(dash, |ms| format!("{ms:+.0} ms"))),
        ("Buffer", format!("{:.1} s ahead", status.buffered_to.since(status.position).as_secs_f64())),
        ("Throughput", status.throughput_bps.map_or_else(dash, format::bitrate)),
        ("Received", format::bytes(status.bytes)),
        ("Stalls", stalls),
        ("Startup", status.startup.map_or_else(dash, |span| format!("{} ms", span.as_millis()))),
        (
            "Speed, volume",
            format!(
                "{}, {:.0} %{}",
                format::rate(scene.view.rate()),
                scene.view.volume(status, scene.now) * 100.0,
                if scene.view.muted(status, scene.now) { " (muted)" } else { "" }
            ),
        ),
        ("Graphics", output.adapter.clone()),
        ("Per frame", format!("{loading} {upload:.1} ms, draw {draw:.1} ms, present {present:.1} ms")),
    ]
}

fn adaptation(scene: &Scene<'_>) -> Vec<(&'static str, String)> {
    let status = scene.status;
    let height = |key| status.renditions.iter().find(|r| r.key == key).map(|r| format!("{}p", r.height));
    let dash = || String::from("–");
    let mut lines = vec![
        ("Controller", status.controller.clone()),
        ("Mode", status.locked_height.map_or("automatic".into(), |h| format!("locked to {h}p"))),
        ("On the screen", status.current.and_then(height).unwrap_or_else(dash)),
        ("Throughput", status.throughput_bps.map_or_else(dash, format::bitrate)),
        ("Switches", status.switches.to_string()),
    ];
    match &status.decision {
        Some(decision) => {
            let inputs = format!(
                "buffer {:.1} s, throughput {}",
                decision.buffer_ms as f64 / 1e3,
                decision.throughput_bps.map_or_else(dash, format::bitrate)
            );
            // The best few candidates, best first.
            let mut candidates = decision.candidates.clone();
            candidates.sort_by(|a, b| b.1.total_cmp(&a.1));
            let named = candidates
                .iter()
                .take(5)
                .filter_map(|(key, value)| Some(format!("{} {value:.2}", height(*key)?)));
            let values = named.collect::<Vec<_>>().join("   ");
            lines.extend([
                ("Decided", height(decision.chosen).unwrap_or_else(|| decision.chosen.to_string())),
                ("Because", format::reason(decision.reason).into()),
                ("From", inputs),
                ("Candidates", if values.is_empty() { dash() } else { values }),
            ]);
        }
        None => lines.push(("Decided", dash())),
    }
    lines
}

fn requests(painter: &Painter, area: Rect, scene: &Scene<'_>) {
    let columns = [(0.0, "What"), (0.5, "Size"), (0.66, "First byte"), (0.83, "Total")];
    let x = |part: f32| area.left() + part * area.width();
    for (part, name) in columns {
        style::line(
            painter,
            pos2(x(part), area.top()),
            Align2::LEFT_TOP,
            name,
            style::small(),
            style::FAINT,
            110.0,
        );
    }
    let room = ((area.height() - STEP - 4.0) / STEP).max(1.0) as usize;
    let newest_first = scene.status.requests.iter().rev().take(room);
    for (row, request) in newest_first.enumerate() {
        let y = area.top() + STEP * (row + 1) as f32 + 4.0;
        let cell = |from: f32, to: f32, text: &str, colour: Color32| {
            let width = x(to) - x(from) - 6.0;
            style::line(painter, pos2(x(from), y), Align2::LEFT_TOP, text, style::small(), colour, width);
        };
        let (host, path) = request.what.split_once('/').unwrap_or(("", &request.what));
        let file = path.rsplit('/').next().filter(|file| !file.is_empty()).unwrap_or(host);
        match &request.failure {
            Some(failure) => {
                cell(0.0, 0.36, file, style::ALARM);
                cell(0.36, 1.0, &format!("failed: {failure}"), style::ALARM);
            }
            None => {
                cell(0.0, 0.5, file, style::TEXT);
                cell(0.5, 0.66, &format::bytes(request.bytes), style::TEXT);
                cell(0.66, 0.83, &format!("{} ms", request.first_byte_ms), style::TEXT);
                cell(0.83, 1.0, &format!("{} ms", request.total_ms), style::TEXT);
            }
        }
    }
}

/// Buffer as an area, bitrate as steps, throughput as a line, over the past minute.
fn draw_chart(painter: &Painter, area: Rect, scene: &Scene<'_>) {
    if area.height() < 60.0 {
        return;
    }
    let plot = Rect::from_min_max(area.min + vec2(0.0, 20.0), area.max - vec2(0.0, 2.0));
    painter.rect_filled(plot, CornerRadius::same(4), Color32::from_white_alpha(12));
    let samples: Vec<&Sample> = scene.history.samples().collect();
    let most =
        |value: fn(&Sample) -> f64, least: f64| samples.iter().map(|s| value(s)).fold(least, f64::max) * 1.08;
    let most_bps = most(|s| (s.bitrate_bps.max(s.throughput_bps.unwrap_or(0))) as f64, 1e6);
    let most_buffer = most(|s| s.buffer_s, 10.0);
    let x = |sample: &Sample| {
        let age = scene.now.saturating_sub(sample.at).as_secs_f32() / SPAN.as_secs_f32();
        plot.right() - age.min(1.0) * plot.width()
    };
    let y = |value: f64, most: f64| plot.bottom() - (value / most).clamp(0.0, 1.0) as f32 * plot.height();

    // Each pair of samples closes a piece of the area, so that it need not be convex.
    let shade = style::ACCENT.gamma_multiply(0.28);
    for pair in samples.windows(2) {
        let corners = vec![
            pos2(x(pair[0]), plot.bottom()),
            pos2(x(pair[0]), y(pair[0].buffer_s, most_buffer)),
            pos2(x(pair[1]), y(pair[1].buffer_s, most_buffer)),
            pos2(x(pair[1]), plot.bottom()),
        ];
        painter.add(Shape::convex_polygon(corners, shade, Stroke::NONE));
    }
    let steps: Vec<Pos2> = samples
        .windows(2)
        .flat_map(|pair| {
            let level = y(pair[0].bitrate_bps as f64, most_bps);
            [pos2(x(pair[0]), level), pos2(x(pair[1]), level)]
        })
        .collect();
    painter.add(Shape::line(steps, Stroke::new(2.0, style::TEXT)));
    let throughput: Vec<Pos2> = samples
        .iter()
        .filter_map(|sample| Some(pos2(x(sample), y(sample.throughput_bps? as f64, most_bps))))
        .collect();
    painter.extend(Shape::dashed_line(&throughput, Stroke::new(1.6, style::WARM), 5.0, 3.0));

    let mut left = area.left();
    for (name, colour, dashed) in
        [("buffer", style::ACCENT, false), ("bitrate", style::TEXT, false), ("throughput", style::WARM, true)]
    {
        let key = [pos2(left, area.top() + 8.0), pos2(left + 18.0, area.top() + 8.0)];
        if dashed {
            painter.extend(Shape::dashed_line(&key, Stroke::new(2.0, colour), 5.0, 3.0));
        } else {
            painter.line_segment(key, Stroke::new(2.5, colour));
        }
        let at = pos2(left + 24.0, area.top() + 8.0);
        left = painter.text(at, Align2::LEFT_CENTER, name, style::small(), style::FAINT).right() + 16.0;
    }
    let scale = format!("0 – {:.0} s, {}", most_buffer, format::bitrate(most_bps as u64));
    let at = pos2(area.right(), area.top() + 8.0);
    style::line(painter, at, Align2::RIGHT_CENTER, &scale, style::figures(), style::FAINT, 220.0);
}
