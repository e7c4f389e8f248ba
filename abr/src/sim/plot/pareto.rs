//! Stalls against quality: which controllers are beaten by none in both.

use super::axis::{Panel, Scale};
use super::style::{COLOURS, OTHER};
use super::svg::{Anchor, Svg};
use crate::sim::report::summary::Line;
use std::collections::BTreeMap;

/// A controller's point: time stalled in percent, bitrate in percent of the highest.
#[derive(Clone, Debug, PartialEq)]
struct Spot<'a> {
    controller: &'a str,
    stalled: f64,
    quality: f64,
}

/// Means over groups, where a group's bitrates are in percent of the highest that any controller reached in it.
fn spots(lines: &[Line]) -> Vec<Spot<'_>> {
    let key = |line: &Line| {
        (
            line.set.clone(),
            line.title.clone(),
            line.link.clone(),
            line.cap_s.to_bits(),
            line.parameters.clone(),
        )
    };
    let mut highest: BTreeMap<_, f64> = BTreeMap::new();
    for line in lines {
        let most = highest.entry(key(line)).or_insert(1.0);
        *most = most.max(line.mean_bitrate_bps);
    }
    let mut sums: BTreeMap<&str, (f64, f64, f64)> = BTreeMap::new();
    for line in lines {
        let most = highest.get(&key(line)).copied().unwrap_or(1.0);
        let sum = sums.entry(&line.controller).or_default();
        sum.0 += 1.0;
        sum.1 += line.rebuffer_ratio_mean * 100.0;
        sum.2 += line.mean_bitrate_bps / most * 100.0;
    }
    sums.into_iter()
        .map(|(controller, (n, stalled, quality))| Spot {
            controller,
            stalled: stalled / n,
            quality: quality / n,
        })
        .collect()
}

/// The spots that none beats in both, the least stalls first.
fn front<'a, 'b>(spots: &'b [Spot<'a>]) -> Vec<&'b Spot<'a>> {
    let beaten = |spot: &Spot<'_>| {
        spots.iter().any(|other| {
            other.stalled <= spot.stalled
                && other.quality >= spot.quality
                && (other.stalled < spot.stalled || other.quality > spot.quality)
        })
    };
    let mut front: Vec<&Spot<'_>> = spots.iter().filter(|spot| !beaten(spot)).collect();
    front.sort_by(|a, b| a.stalled.total_cmp(&b.stalled));
    front
}

/// Draws all controllers, the front joined. `None` without lines.
pub fn draw(lines: &[Line]) -> Option<String> {
    let spots = spots(lines);
    if spots.is_empty() {
        return None;
    }
    let subtitle = "means over sets; up and right is better; the line joins those that none beats in both";
    let mut svg = Svg::new(760.0, 480.0, "Stalls against quality", subtitle);
    let panel = Panel {
        left: 72.0,
        top: 64.0,
        width: 640.0,
        height: 360.0,
        x: Scale::over(spots.iter().map(|spot| spot.stalled), 6).reversed(),
        y: Scale::tight(spots.iter().map(|spot| spot.quality), 6).until(100.0),
    };
    panel.draw(
        &mut svg,
        "time stalled, % (mean of sessions) — less to the right",
        "bitrate, % of the highest in each set",
    );
    let front = front(&spots);
    let line: Vec<(f64, f64)> = front.iter().map(|spot| panel.at(spot.stalled, spot.quality)).collect();
    svg.path(
        &line,
        &format!("fill=\"none\" stroke=\"{}\" stroke-opacity=\".5\" stroke-width=\"2\"", COLOURS[1]),
    );
    let points: Vec<(f64, f64)> = spots.iter().map(|spot| panel.at(spot.stalled, spot.quality)).collect();
    // Covering a point is worse than covering a name: its box counts several times.
    let around = points.iter().map(|(x, y)| (x - 6.0, y - 6.0, x + 6.0, y + 6.0));
    let mut taken: Vec<Box4> = around.flat_map(|area| [area; 8]).collect();
    for (spot, point) in spots.iter().zip(&points) {
        let colour = match spot.controller {
            "hybrid" => COLOURS[0],
            _ if front.contains(&spot) => COLOURS[1],
            _ => OTHER,
        };
        let tip =
            format!("{}: stalled {:.2} %, bitrate {:.1} %", spot.controller, spot.stalled, spot.quality);
        svg.circle(*point, 5.0, &format!("fill=\"{colour}\""), &tip);
        label(&mut svg, &panel, spot.controller, *point, &mut taken);
    }
    Some(svg.finish())
}

/// Left, top, right, bottom.
type Box4 = (f64, f64, f64, f64);

/// Writes a name near its point where it covers least of what is there already.
fn label(svg: &mut Svg, panel: &Panel, text: &str, (x, y): (f64, f64), taken: &mut Vec<Box4>) {
    let (width, height) = (text.len() as f64 * 7.0, 13.0);
    let places = [10.0, 20.0, 34.0, 50.0].into_iter().flat_map(|reach| {
        [(1.0, 0.0), (-1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (0.8, -0.8), (-0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)]
            .map(|(right, down)| (right, down, reach))
    });
    let area = |(right, down, reach): (f64, f64, f64)| {
        let (cx, cy) = (x + right * (reach + width / 2.0), y + down * (reach + height / 2.0));
        (cx - width / 2.0, cy - height / 2.0, cx + width / 2.0, cy + height / 2.0)
    };
    let cost = |place: (f64, f64, f64)| {
        let a = area(place);
        let over = |b: &Box4| (a.2.min(b.2) - a.0.max(b.0)).max(0.0) * (a.3.min(b.3) - a.1.max(b.1)).max(0.0);
        let outside =
            a.0 < panel.left || a.2 > panel.right() + 40.0 || a.1 < panel.top || a.3 > panel.bottom();
        taken.iter().map(over).sum::<f64>() + place.2 * 0.5 + if outside { 1e4 } else { 0.0 }
    };
    let Some(best) = places.min_by(|a, b| cost(*a).total_cmp(&cost(*b))) else { return };
    let a = area(best);
    if best.2 > 10.0 {
        svg.line((x, y), ((a.0 + a.2) / 2.0, (a.1 + a.3) / 2.0), "leader");
    }
    svg.text((a.0 + a.2) / 2.0, a.3 - 2.5, Anchor::Middle, "", text);
    taken.push(a);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_is_what_none_beats_in_both() {
        let spot = |controller, stalled, quality| Spot { controller, stalled, quality };
        let spots = [spot("a", 1.0, 50.0), spot("b", 0.5, 40.0), spot("c", 1.0, 45.0), spot("d", 2.0, 50.0)];
        let names: Vec<&str> = front(&spots).iter().map(|spot| spot.controller).collect();
        assert_eq!(names, ["b", "a"]);
    }
}
