//! Settings of cues and regions (W3C WebVTT, 6.3 and 6.2). A setting that breaks the rules is as if it were
//! not there.

use crate::text::cue::{Align, Cue, LineAlign, PositionAlign, Region, Writing};
use std::sync::Arc;

/// ASCII white space as the specification counts it.
pub(super) fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\x0c' | '\r')
}

/// Applies the settings in `text` to `cue`; regions are looked for among `regions`.
pub(in crate::text) fn apply(text: &str, regions: &[Arc<Region>], cue: &mut Cue) {
    for (name, value) in pairs(text) {
        match name {
            "region" => cue.region = regions.iter().rev().find(|region| region.id == value).cloned(),
            "vertical" => match value {
                "rl" => cue.settings.writing = Writing::VerticalGrowingLeft,
                "lr" => cue.settings.writing = Writing::VerticalGrowingRight,
                _ => {}
            },
            "line" => line(value, cue),
            "position" => position(value, cue),
            "size" => {
                if let Some(size) = percentage(value) {
                    cue.settings.size = size;
                }
            }
            "align" => match value {
                "start" => cue.settings.align = Align::Start,
                "center" => cue.settings.align = Align::Center,
                "end" => cue.settings.align = Align::End,
                "left" => cue.settings.align = Align::Left,
                "right" => cue.settings.align = Align::Right,
                _ => {}
            },
            _ => {}
        }
    }
    let settings = &cue.settings;
    if settings.line.is_some() || settings.size < 100.0 || settings.writing != Writing::Horizontal {
        cue.region = None;
    }
}

fn line(value: &str, cue: &mut Cue) {
    let (number, align) = match value.split_once(',') {
        Some((number, align)) => (number, Some(align)),
        None => (value, None),
    };
    let (line, snap) = if number.ends_with('%') {
        let Some(line) = percentage(number) else { return };
        (line, false)
    } else {
        let Some(line) = decimal(number.strip_prefix('-').unwrap_or(number)) else { return };
        (if number.starts_with('-') { -line } else { line }, true)
    };
    let align = match align {
        None => cue.settings.line_align,
        Some("start") => LineAlign::Start,
        Some("center") => LineAlign::Center,
        Some("end") => LineAlign::End,
        Some(_) => return,
    };
    cue.settings.line = Some(line);
    cue.settings.snap_to_lines = snap;
    cue.settings.line_align = align;
}

fn position(value: &str, cue: &mut Cue) {
    let (number, align) = match value.split_once(',') {
        Some((number, align)) => (number, Some(align)),
        None => (value, None),
    };
    let Some(position) = percentage(number) else { return };
    let align = match align {
        None => cue.settings.position_align,
        Some("line-left") => PositionAlign::LineLeft,
        Some("center") => PositionAlign::Center,
        Some("line-right") => PositionAlign::LineRight,
        Some(_) => return,
    };
    cue.settings.position = Some(position);
    cue.settings.position_align = align;
}

/// A region from the settings of its block.
pub(super) fn region(text: &str) -> Region {
    let mut region = Region::default();
    for (name, value) in pairs(text) {
        match name {
            "id" => value.clone_into(&mut region.id),
            "width" => region.width = percentage(value).unwrap_or(region.width),
            "lines" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                region.lines = decimal(value).unwrap_or(region.lines);
            }
            "regionanchor" => region.anchor = point(value).unwrap_or(region.anchor),
            "viewportanchor" => region.viewport_anchor = point(value).unwrap_or(region.viewport_anchor),
            "scroll" if value == "up" => region.scroll_up = true,
            _ => {}
        }
    }
    region
}

/// `name:value` tokens with something on both sides.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let tokens = text.split(is_space).filter_map(|token| token.split_once(':'));
    tokens.filter(|(name, value)| !name.is_empty() && !value.is_empty())
}

/// `x%,y%`.
fn point(text: &str) -> Option<(f64, f64)> {
    let (x, y) = text.split_once(',')?;
    Some((percentage(x)?, percentage(y)?))
}

/// A number from 0 to 100 with a percent sign (6.3, "parse a percentage string").
fn percentage(text: &str) -> Option<f64> {
    decimal(text.strip_suffix('%')?).filter(|number| *number <= 100.0)
}

/// Digits, perhaps with a dot that has digits on both sides; finite.
fn decimal(text: &str) -> Option<f64> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = match text.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(text),
    };
    text.parse::<f64>().ok().filter(|number| plain && number.is_finite())
}
