//! What may be varied in an experiment besides controller, link, cap and score: `--set name=value,value`.

use crate::controller;
use crate::session::Config;
use crate::throughput::Prior;
use std::time::Duration;

/// What a point of the grid changes.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The session's own.
    pub config: Config,
    /// Time from a request to its first byte, in place of the link model's, in milliseconds.
    pub latency_ms: Option<f64>,
    /// Share of the bandwidth that arrives as payload, in place of the link model's.
    pub payload: Option<f64>,
    /// Factor on the bandwidth of the trace.
    pub bandwidth: Option<f64>,
}

/// A setting that experiments may vary.
#[derive(Clone, Copy)]
pub struct Setting {
    /// Its name in `--set`.
    pub name: &'static str,
    /// What it does, with its unit.
    pub meaning: &'static str,
    /// Least and greatest value.
    pub range: (f64, f64),
    /// Whether it changes what is possible at best, not only what the session does.
    pub changes_link: bool,
    apply: fn(&mut Settings, f64),
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Setting({})", self.name)
    }
}

fn prior(settings: &mut Settings) -> &mut Prior {
    settings.config.prior.get_or_insert(Prior { bps: 1_000_000, sigma: 0.5 })
}

/// All that can be set.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "latency_ms",
        meaning: "milliseconds from a request to its first byte, instead of the link model's",
        range: (0.0, 60_000.0),
        changes_link: true,
        apply: |settings, value| settings.latency_ms = Some(value),
    },
    Setting {
        name: "payload",
        meaning: "share of the trace's bandwidth that is payload, instead of the link model's",
        range: (0.01, 1.0),
        changes_link: true,
        apply: |settings, value| settings.payload = Some(value),
    },
    Setting {
        name: "bandwidth",
        meaning: "factor on the bandwidth of every trace",
        range: (0.001, 1000.0),
        changes_link: true,
        apply: |settings, value| settings.bandwidth = Some(value),
    },
    Setting {
        name: "startup_target_s",
        meaning: "longest expected download of the first segment, in seconds",
        range: (0.0, 60.0),
        changes_link: false,
        apply: |settings, value| settings.config.startup_target = Duration::from_secs_f64(value),
    },
    Setting {
        name: "prior_kbps",
        meaning: "mean throughput known from earlier sessions, in kbit/s",
        range: (1.0, 1e8),
        changes_link: false,
        apply: |settings, value| prior(settings).bps = (value * 1e3) as u64,
    },
    Setting {
        name: "prior_sigma",
        meaning: "standard deviation of its natural logarithm",
        range: (0.0, 3.0),
        changes_link: false,
        apply: |settings, value| prior(settings).sigma = value,
    },
    Setting {
        name: "buffer_mib",
        meaning: "most that is queued ahead, in MiB; unlimited otherwise",
        range: (1.0, 65_536.0),
        changes_link: false,
        apply: |settings, value| settings.config.buffer_bytes = (value * 1_048_576.0) as u64,
    },
    Setting {
        name: "seed",
        meaning: "seed of the jitter of retry delays",
        range: (0.0, 9e15),
        changes_link: false,
        apply: |settings, value| settings.config.seed = value as u64,
    },
];

/// Most points of each part of a grid.
const MAX_POINTS: usize = 1_000_000;

/// What a value of a point is of.
#[derive(Clone, Debug)]
pub enum Axis {
    /// The session or the link.
    Setting(&'static Setting),
    /// A number inside a controller: `hybrid.fade` is `fade` of `hybrid`.
    Knob {
        /// Whose.
        controller: String,
        /// Which.
        knob: String,
    },
}

impl Axis {
    /// Its name in `--set`.
    pub fn name(&self) -> String {
        match self {
            Self::Setting(setting) => setting.name.to_owned(),
            Self::Knob { controller, knob } => format!("{controller}.{knob}"),
        }
    }

    fn changes_link(&self) -> bool {
        matches!(self, Self::Setting(setting) if setting.changes_link)
    }
}

/// A point of the grid: settings with their values.
pub type Point = Vec<(Axis, f64)>;

/// The name by which `controller::by_name` makes a controller with the numbers of a point.
pub(super) fn tuned(controller: &str, point: &Point) -> String {
    let of = |(axis, value): &(Axis, f64)| match axis {
        Axis::Knob { controller: whose, knob } if whose == controller => Some(format!("{knob}={value}")),
        _ => None,
    };
    let knobs: Vec<String> = point.iter().filter_map(of).collect();
    if knobs.is_empty() { controller.to_owned() } else { format!("{controller}:{}", knobs.join(",")) }
}

impl Settings {
    /// The defaults with the values of a point.
    pub fn at(point: &Point) -> Self {
        let mut settings = Self::default();
        // What --cap-s says is the capacity.
        settings.config.buffer_bytes = u64::MAX;
        for (axis, value) in point {
            if let Axis::Setting(setting) = axis {
                (setting.apply)(&mut settings, *value);
            }
        }
        settings
    }
}

/// The grid that `--set` arguments (`name=value,value`) span: the points of settings that change the link, and those
/// of the others; the last argument varies fastest. Each has at least one point, the empty one.
pub fn points(arguments: &[String]) -> Result<(Vec<Point>, Vec<Point>), String> {
    let mut axes: Vec<(Axis, Vec<f64>)> = Vec::new();
    for argument in arguments {
        let axis = axis(argument)?;
        if axes.iter().any(|(taken, _)| taken.name() == axis.0.name()) {
            return Err(format!("{0} is set twice; write {0}=value,value", axis.0.name()));
        }
        axes.push(axis);
    }
    let product = |changes_link: bool| {
        let mut points: Vec<Point> = vec![Vec::new()];
        for (axis, values) in axes.iter().filter(|(axis, _)| axis.changes_link() == changes_link) {
            if points.len().saturating_mul(values.len()) > MAX_POINTS {
                return Err(format!("--set spans more than {MAX_POINTS} points"));
            }
            let extended = |point: &Point| {
                values
                    .iter()
                    .map(|value| [point.as_slice(), &[(axis.clone(), *value)]].concat())
                    .collect::<Vec<_>>()
            };
            points = points.iter().flat_map(extended).collect();
        }
        Ok(points)
    };
    Ok((product(true)?, product(false)?))
}

/// An axis of the grid and its values.
fn axis(argument: &str) -> Result<(Axis, Vec<f64>), String> {
    let (name, values) = argument
        .split_once('=')
        .ok_or_else(|| format!("{argument:?} is not name=value,value; names are {}", names()))?;
    let axis = match (SETTINGS.iter().find(|setting| setting.name == name), name.split_once('.')) {
        (Some(setting), _) => Axis::Setting(setting),
        (None, Some((controller, knob))) if controller::NAMES.contains(&controller) => {
            Axis::Knob { controller: controller.to_owned(), knob: knob.to_owned() }
        }
        _ => return Err(format!("there is no setting {name:?}; there are {}", names())),
    };
    let value = |text: &str| {
        let value = text.trim().parse::<f64>().map_err(|_| format!("{name}={text}: must be a number"))?;
        match &axis {
            Axis::Setting(setting) if !(setting.range.0..=setting.range.1).contains(&value) => {
                Err(format!("{name}={text}: must be within {} to {}", setting.range.0, setting.range.1))
            }
            Axis::Knob { controller, .. }
                if controller::by_name(&tuned(controller, &vec![(axis.clone(), value)])).is_none() =>
            {
                Err(format!("{name}={text}: {controller} has no such number, or not this value"))
            }
            _ => Ok(value),
        }
    };
    let values = values.split(',').map(value).collect::<Result<_, _>>()?;
    Ok((axis, values))
}

fn names() -> String {
    let names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    format!("{}, and CONTROLLER.NUMBER for controllers with numbers to tune", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_a_product() {
        let (network, session) =
            points(&["seed=1,2".into(), "payload=0.5".into(), "prior_sigma=0.1,0.2".into()]).unwrap();
        let values =
            |points: &[Point]| points.iter().map(|p| p.iter().map(|(_, value)| *value).collect()).collect();
        let (network_values, session_values): (Vec<Vec<f64>>, Vec<Vec<f64>>) =
            (values(&network), values(&session));
        assert_eq!(network_values, [[0.5]]);
        assert_eq!(session_values, [[1.0, 0.1], [1.0, 0.2], [2.0, 0.1], [2.0, 0.2]]);
        let settings = Settings::at(&session[3]);
        assert_eq!((settings.config.seed, settings.config.prior.map(|p| p.sigma)), (2, Some(0.2)));
    }

    #[test]
    fn what_cannot_be_set_is_refused() {
        for (argument, said) in [
            ("x=1", "no setting"),
            ("seed", "not name=value"),
            ("payload=2", "within 0.01 to 1"),
            ("bba-0.x=1", "no such number"),
        ] {
            let error = points(&[argument.into()]).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert!(points(&["seed=1".into(), "seed=2".into()]).unwrap_err().contains("twice"));
    }
}
