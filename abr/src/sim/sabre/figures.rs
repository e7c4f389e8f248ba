//! The figures that Sabre prints, under its names.

/// One printed figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// Printed with six decimals.
    Real(f64),
    /// Printed as a whole number.
    Count(f64),
}

impl Figure {
    /// The value.
    pub fn value(self) -> f64 {
        match self {
            Self::Real(value) | Self::Count(value) => value,
        }
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Real(value) => write!(f, "{value:.6}"),
            Self::Count(value) => write!(f, "{value:.0}"),
        }
    }
}

/// All figures of a session, in the order of Sabre's output.
pub type Figures = Vec<(&'static str, Figure)>;
