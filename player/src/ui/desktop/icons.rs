//! The signs on the buttons, drawn as shapes: sharp at every scale, and no font to miss.

use super::style::TEXT;
use egui::{Painter, Pos2, Rect, Shape, Stroke, Vec2, vec2};
use std::f32::consts::{FRAC_PI_4, TAU};

/// A sign.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Icon {
    Play,
    Pause,
    Again,
    /// Jump by ten seconds: forwards or backwards.
    Jump(bool),
    /// Loudspeaker with as many waves, or crossed out.
    Sound(Option<u8>),
    Statistics,
    Keys,
    /// Corners outwards (fill the screen) or inwards.
    Fullscreen(bool),
}

fn arc(centre: Pos2, radius: f32, from: f32, to: f32) -> Vec<Pos2> {
    (0..=24)
        .map(|step| from + (to - from) * step as f32 / 24.0)
        .map(|angle| centre + radius * vec2(angle.cos(), angle.sin()))
        .collect()
}

/// Draws `icon` in the middle of `rect`, about 20 points large.
pub(super) fn draw(painter: &Painter, rect: Rect, icon: Icon) {
    let c = rect.center();
    let at = |x: f32, y: f32| c + vec2(x, y);
    let thin = Stroke::new(1.8, TEXT);
    let bar = |x: f32, y0: f32, y1: f32, w: f32| {
        painter.rect_filled(Rect::from_min_max(at(x - w / 2.0, y0), at(x + w / 2.0, y1)), 1.2, TEXT);
    };
    match icon {
        Icon::Play => {
            let corners = vec![at(-6.0, -9.0), at(9.0, 0.0), at(-6.0, 9.0)];
            painter.add(Shape::convex_polygon(corners, TEXT, Stroke::new(1.5, TEXT)));
        }
        Icon::Pause => {
            bar(-4.5, -9.0, 9.0, 4.6);
            bar(4.5, -9.0, 9.0, 4.6);
        }
        Icon::Again => {
            turn(painter, c, false, 8.5);
        }
        Icon::Jump(forwards) => {
            turn(painter, c, forwards, 9.5);
            painter.text(
                at(0.0, 0.5),
                egui::Align2::CENTER_CENTER,
                "10",
                egui::FontId::proportional(9.5),
                TEXT,
            );
        }
        Icon::Sound(waves) => {
            let body = vec![at(-9.0, -3.0), at(-5.5, -3.0), at(-5.5, 3.0), at(-9.0, 3.0)];
            painter.add(Shape::convex_polygon(body, TEXT, Stroke::NONE));
            let horn = vec![at(-6.0, -3.0), at(-0.5, -8.0), at(-0.5, 8.0), at(-6.0, 3.0)];
            painter.add(Shape::convex_polygon(horn, TEXT, Stroke::NONE));
            match waves {
                Some(waves) => {
                    for wave in 0..waves {
                        let ring = arc(at(0.0, 0.0), 4.5 + 4.0 * f32::from(wave), -FRAC_PI_4, FRAC_PI_4);
                        painter.add(Shape::line(ring, thin));
                    }
                }
                None => {
                    painter.line_segment([at(3.0, -4.0), at(10.0, 4.0)], thin);
                    painter.line_segment([at(3.0, 4.0), at(10.0, -4.0)], thin);
                }
            }
        }
        Icon::Statistics => {
            bar(-6.5, 1.0, 8.0, 3.4);
            bar(0.0, -4.0, 8.0, 3.4);
            bar(6.5, -8.0, 8.0, 3.4);
        }
        Icon::Keys => {
            painter.text(c, egui::Align2::CENTER_CENTER, "?", egui::FontId::proportional(19.0), TEXT);
        }
        Icon::Fullscreen(outwards) => {
            for (x, y) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
                let (corner, leg) = if outwards { (8.0, -5.0) } else { (3.5, 5.0) };
                let point = at(x * corner, y * corner);
                let legs = vec![point + vec2(x * leg, 0.0), point, point + vec2(0.0, y * leg)];
                painter.add(Shape::line(legs, Stroke::new(2.0, TEXT)));
            }
        }
    }
}

/// An open circle with an arrow head at its end, which points the way that time goes.
fn turn(painter: &Painter, c: Pos2, forwards: bool, radius: f32) {
    let way = if forwards { 1.0 } else { -1.0 };
    // From a little past the top, the long way round, to a little before it.
    let (from, to) = (-TAU / 4.0 + way * 0.55, -TAU / 4.0 + way * (TAU - 0.25));
    painter.add(Shape::line(arc(c, radius, from, to), Stroke::new(1.7, TEXT)));
    let tip = c + vec2(way * 3.6, -radius);
    let head = [vec2(0.0, 0.0), vec2(-5.2 * way, -3.8), vec2(-5.2 * way, 3.8)];
    painter.add(Shape::convex_polygon(head.map(|v: Vec2| tip + v).to_vec(), TEXT, Stroke::NONE));
}
