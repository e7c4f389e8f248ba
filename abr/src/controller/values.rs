//! The values of the rungs that a controller shows with its choice, without an allocation.

use std::ops::Deref;

/// Most rungs whose values are kept; ladders of more show those of their lowest.
pub const MOST_VALUES: usize = 32;

/// One value per rung, in the order of the rungs, higher is better; empty when a controller has none.
#[derive(Clone, Copy, Debug)]
pub struct Values {
    held: [f64; MOST_VALUES],
    len: usize,
}

impl Values {
    /// No values.
    pub const NONE: Self = Self { held: [0.0; MOST_VALUES], len: 0 };

    /// Adds the value of the next rung; what is more than [`MOST_VALUES`] is dropped.
    pub fn push(&mut self, value: f64) {
        if let Some(place) = self.held.get_mut(self.len) {
            *place = value;
            self.len += 1;
        }
    }

    /// The rung with the highest value, the lowest of equals; 0 without values.
    pub fn best(&self) -> usize {
        (1..self.len).fold(0, |best, rung| if self.held[rung] > self.held[best] { rung } else { best })
    }
}

impl Default for Values {
    fn default() -> Self {
        Self::NONE
    }
}

impl Deref for Values {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        self.held.get(..self.len).unwrap_or_default()
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl FromIterator<f64> for Values {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut all = Self::NONE;
        values.into_iter().take(MOST_VALUES).for_each(|value| all.push(value));
        all
    }
}

impl IntoIterator for Values {
    type Item = f64;
    type IntoIter = std::iter::Take<std::array::IntoIter<f64, MOST_VALUES>>;

    fn into_iter(self) -> Self::IntoIter {
        self.held.into_iter().take(self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_values_is_the_best() {
        assert_eq!(Values::NONE.best(), 0);
        let values: Values = [1.0, 3.0, 3.0, 2.0].into_iter().collect();
        assert_eq!((values.best(), values.len()), (1, 4));
        assert_eq!(values.into_iter().sum::<f64>(), 9.0);
    }

    #[test]
    fn more_rungs_than_fit_are_cut() {
        let values: Values = (0..100).map(f64::from).collect();
        assert_eq!((values.len(), values.best()), (MOST_VALUES, MOST_VALUES - 1));
    }
}
