//! Comparing played figures with printed ones.

use super::table::Table;
use std::collections::BTreeMap;

/// Largest relative error of a printed figure that still counts as equal.
pub const TOLERANCE: f64 = 1e-6;
/// Differences that an outcome lists.
const LISTED: usize = 50;

/// What came of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Rows in the table.
    pub rows: usize,
    /// Rows of which every figure is within [`TOLERANCE`].
    pub equal: usize,
    /// The others, those that could not be played included.
    pub differing: usize,
    /// Rows of which every figure prints the same digits.
    pub identical: usize,
    /// Per figure, in the table's order of the program's output.
    pub figures: Vec<FigureError>,
    /// The first differences.
    pub differences: Vec<Difference>,
}

/// How far a figure is off at worst.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureError {
    /// The figure's column.
    pub name: &'static str,
    /// |played − printed| / |printed|, at the printed digits; infinite where zero was printed and another value played.
    pub largest_relative_error: f64,
    /// Where, as a line of the table.
    pub line: usize,
}

/// A row that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Line in the table.
    pub line: usize,
    /// Which figure and how, or why the row could not be played.
    pub what: String,
}

/// A played and compared row.
pub(super) struct Row {
    line: usize,
    /// Figure, relative error, whether the digits agree.
    errors: Vec<(&'static str, f64, bool)>,
    differences: Vec<String>,
}

impl Row {
    pub(super) fn failed(table: &Table, row: usize, problem: String) -> Self {
        Self { line: table.line(row), errors: Vec::new(), differences: vec![problem] }
    }

    pub(super) fn compared(table: &Table, row: usize, figures: &[(&'static str, f64)]) -> Self {
        let mut this = Self { line: table.line(row), errors: Vec::new(), differences: Vec::new() };
        for &(name, played) in figures {
            let Some(printed) = table.get(row, name) else { continue };
            if printed.is_empty() && played.is_nan() {
                // Both say that there is no such figure.
                this.errors.push((name, 0.0, true));
                continue;
            }
            match error(printed, played) {
                Some((relative, same)) => {
                    this.errors.push((name, relative, same));
                    if relative > TOLERANCE {
                        this.differences.push(format!("{name}: expected {printed}, played {played}"));
                    }
                }
                None => this.differences.push(format!("{name}: {printed:?} is not a number")),
            }
        }
        if this.errors.is_empty() && this.differences.is_empty() {
            this.differences.push("the table has no figure to compare".into());
        }
        this
    }
}

/// Relative error of `played` when printed with the decimals of `printed`, and whether the digits are the same.
fn error(printed: &str, played: f64) -> Option<(f64, bool)> {
    let expected: f64 = printed.parse().ok()?;
    let played = match printed.split_once('.') {
        // More decimals than a double has digits: compare the doubles.
        Some((_, decimals)) if decimals.len() > 12 || decimals.contains(['e', 'E']) => played,
        Some((_, decimals)) => format!("{played:.*}", decimals.len()).parse().ok()?,
        None if printed.contains(['e', 'E']) => played,
        None => played.round(),
    };
    if played == expected {
        return Some((0.0, true));
    }
    let relative = (played - expected).abs() / expected.abs();
    Some((if relative.is_nan() { f64::INFINITY } else { relative }, false))
}

#[derive(Default)]
pub(super) struct Tally {
    rows: usize,
    equal: usize,
    identical: usize,
    order: Vec<&'static str>,
    worst: BTreeMap<&'static str, (f64, usize)>,
    differences: Vec<Difference>,
}

impl Tally {
    pub(super) fn add(&mut self, row: Row) {
        self.rows += 1;
        self.equal += usize::from(row.differences.is_empty());
        self.identical += usize::from(row.differences.is_empty() && row.errors.iter().all(|error| error.2));
        for (name, error, _) in row.errors {
            let worst = self.worst.entry(name).or_insert_with(|| {
                self.order.push(name);
                (0.0, row.line)
            });
            if error > worst.0 {
                *worst = (error, row.line);
            }
        }
        for what in row.differences {
            if self.differences.len() < LISTED {
                self.differences.push(Difference { line: row.line, what });
            }
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        let figure = |name: &'static str| {
            let (largest_relative_error, line) = self.worst.get(name).copied().unwrap_or_default();
            FigureError { name, largest_relative_error, line }
        };
        Outcome {
            rows: self.rows,
            equal: self.equal,
            differing: self.rows - self.equal,
            identical: self.identical,
            figures: self.order.iter().copied().map(figure).collect(),
            differences: self.differences,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::error;

    #[test]
    fn printed_digits_decide() {
        assert_eq!(error("1.234568", 1.234_567_8), Some((0.0, true)));
        assert_eq!(error("25000", 25_000.2), Some((0.0, true)));
        assert_eq!(error("-0.000000", 0.0), Some((0.0, true)));
        assert_eq!(error("0.000000", 0.000_001).unwrap().0, f64::INFINITY);
        assert!(error("2.000000", 2.000_003).unwrap().0 > 1e-6);
        assert!(error("2.000000", 2.000_001).unwrap().0 < 1e-6);
        assert!(error("0.7344667409640658", 0.734_466_740_964_065_7).unwrap().0 < 1e-12);
        assert_eq!(error("1e-05", 1e-5), Some((0.0, true)));
        assert_eq!(error("x", 1.0), None);
    }
}
