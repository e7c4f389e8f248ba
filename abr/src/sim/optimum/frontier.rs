//! Labels, and which of them can be dropped.

/// A plan so far, as far as the future is concerned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Label {
    /// When its last segment was there, in seconds.
    pub(super) time: f64,
    /// Stall so far in seconds, the start-up included.
    pub(super) stall: f64,
    /// Quality earned, less switches.
    pub(super) worth: f64,
    /// Quality of the last segment.
    pub(super) quality: u32,
    /// Where the plan is written down.
    pub(super) node: u32,
}

/// The undominated among labels met in ascending time: worth grows with stall.
#[derive(Default)]
pub(super) struct Staircase {
    steps: Vec<(f64, f64)>,
}

impl Staircase {
    pub(super) fn clear(&mut self) {
        self.steps.clear();
    }

    /// Adds a label unless one that came before has as little stall and as much worth; whether it was added.
    pub(super) fn add(&mut self, stall: f64, worth: f64) -> bool {
        let after = self.steps.partition_point(|step| step.0 <= stall);
        if after > 0 && self.steps[after - 1].1 >= worth {
            return false;
        }
        // What has more stall and no more worth is dominated now, as is a step of equal stall.
        let from = if after > 0 && self.steps[after - 1].0 == stall { after - 1 } else { after };
        let beaten = self.steps[from..].iter().take_while(|step| step.1 <= worth).count();
        self.steps.splice(from..from + beaten, [(stall, worth)]);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_staircase_keeps_what_nothing_dominates(labels in prop::collection::vec((0u8..8, 0u8..8), 0..60)) {
            let mut stairs = Staircase::default();
            let mut seen: Vec<(f64, f64)> = Vec::new();
            for (stall, worth) in labels {
                let (stall, worth) = (f64::from(stall), f64::from(worth));
                let dominated = seen.iter().any(|other| other.0 <= stall && other.1 >= worth);
                prop_assert_eq!(stairs.add(stall, worth), !dominated);
                seen.push((stall, worth));
                prop_assert!(stairs.steps.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
            }
        }
    }
}
