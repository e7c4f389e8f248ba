//! Pictures of results as SVG, and a page that holds several.
//!
//! Legible on paper and on light or dark screens: text follows the reader's colour scheme, series have the colours of
//! Okabe and Ito (2008), which people with colour blindness can tell apart, and are labelled where they end.

mod axis;
mod svg;
mod style;
pub mod cdf;
pub mod matrix;
pub mod pareto;
pub mod record;
pub mod timeline;
pub mod page;

pub use svg::escape;
