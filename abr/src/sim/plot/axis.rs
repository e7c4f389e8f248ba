//! A panel with two axes: where a value lies, and round numbers beside it.

use super::svg::{Anchor, Svg};

/// Values along one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    /// First and last value; the first may be the greater one.
    pub(super) from: f64,
    pub(super) to: f64,
    step: f64,
}

impl Scale {
    /// A scale over these values with about `ticks` round steps; not empty, and from zero where that is near.
    pub(super) fn over(values: impl Iterator<Item = f64>, ticks: usize) -> Self {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            least = least.min(value);
            most = most.max(value);
        }
        if least > most {
            (least, most) = (0.0, 1.0);
        }
        if least > 0.0 && least < 0.7 * most {
            least = 0.0;
        }
        let step = round_step((most - least).max(most.abs() * 1e-3).max(1e-9) / ticks.max(1) as f64);
        let from = (least / step).floor() * step;
        let to = (most / step).ceil() * step;
        Self { from, to: if to > from { to } else { from + step }, step }
    }

    /// A scale over these values alone, for points that are compared with each other and not with zero.
    pub(super) fn tight(values: impl Iterator<Item = f64> + Clone, ticks: usize) -> Self {
        let (least, most) =
            values.clone().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let step = round_step((most - least).max(most.abs() * 1e-2).max(1e-9) / ticks.max(1) as f64);
        match least.is_finite() && most.is_finite() {
            true => Self { from: (least / step).floor() * step, to: (most / step + 0.2).ceil() * step, step },
            false => Self::over(values, ticks),
        }
    }

    /// A scale with exactly these ends.
    pub(super) fn exact(from: f64, to: f64, ticks: usize) -> Self {
        Self { from, to, step: round_step((to - from).abs().max(1e-9) / ticks.max(1) as f64) }
    }

    /// The same, ending at `most` at the latest.
    pub(super) fn until(self, most: f64) -> Self {
        Self { to: self.to.min(most.max(self.from + self.step)), ..self }
    }

    /// The same, the other way round.
    pub(super) fn reversed(self) -> Self {
        Self { from: self.to, to: self.from, step: self.step }
    }

    /// Where a value lies, 0 to 1 within the scale.
    pub(super) fn share(&self, value: f64) -> f64 {
        (value - self.from) / (self.to - self.from)
    }

    /// Round values with their texts.
    fn ticks(&self) -> Vec<(f64, String)> {
        let (low, high) = (self.from.min(self.to), self.from.max(self.to));
        let digits = (-self.step.log10().floor()).clamp(0.0, 6.0) as usize;
        let first = (low / self.step - 1e-6).ceil() as i64;
        let last = (high / self.step + 1e-6).floor() as i64;
        let text = |value: f64| format!("{value:.digits$}").replace('-', "−");
        (first..=last.min(first.saturating_add(50)))
            .map(|i| i as f64 * self.step + 0.0)
            .map(|v| (v, text(v)))
            .collect()
    }
}

/// 1, 2 or 5 times a power of ten, at least `wanted`.
fn round_step(wanted: f64) -> f64 {
    let power = 10f64.powf(wanted.log10().floor());
    let factor = wanted / power;
    power * [1.0, 2.0, 5.0].into_iter().find(|step| factor <= step * 1.0001).unwrap_or(10.0)
}

/// A rectangle with a horizontal and a vertical scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) x: Scale,
    pub(super) y: Scale,
}

impl Panel {
    /// The point of a pair of values, kept within the panel.
    pub(super) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let across = self.left + self.x.share(x).clamp(0.0, 1.0) * self.width;
        let up = self.top + (1.0 - self.y.share(y).clamp(0.0, 1.0)) * self.height;
        (across, up)
    }

    pub(super) fn right(&self) -> f64 {
        self.left + self.width
    }

    pub(super) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Grid, ticks and the names of the axes; an empty name leaves its axis without.
    pub(super) fn draw(&self, svg: &mut Svg, x_name: &str, y_name: &str) {
        for (value, text) in self.y.ticks() {
            let (_, y) = self.at(self.x.from, value);
            svg.line((self.left, y), (self.right(), y), "grid");
            svg.text(self.left - 6.0, y + 4.0, Anchor::End, "tick", &text);
        }
        for (value, text) in self.x.ticks() {
            let (x, _) = self.at(value, self.y.from);
            svg.line((x, self.bottom()), (x, self.bottom() + 4.0), "axis");
            svg.text(x, self.bottom() + 16.0, Anchor::Middle, "tick", &text);
        }
        svg.line((self.left, self.bottom()), (self.right(), self.bottom()), "axis");
        if !x_name.is_empty() {
            svg.text(self.left + self.width / 2.0, self.bottom() + 33.0, Anchor::Middle, "soft", x_name);
        }
        if !y_name.is_empty() {
            svg.upwards(self.left - 38.0, self.top + self.height / 2.0, "soft", y_name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        let scale = Scale::over([3.0, 97.0].into_iter(), 5);
        assert_eq!((scale.from, scale.to), (0.0, 100.0));
        let texts: Vec<String> = scale.ticks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["0", "20", "40", "60", "80", "100"]);
        let small = Scale::over([-0.02, 0.013].into_iter(), 4);
        assert_eq!(small.ticks().first().unwrap().1, "−0.02");
        let none = Scale::over(std::iter::empty(), 4);
        assert!(none.to > none.from && Scale::over([5.0].into_iter(), 4).share(5.0).is_finite());
        assert_eq!(scale.reversed().share(0.0), 1.0);
    }
}
