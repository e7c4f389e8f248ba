//! Cases that are not expected to pass, by feature and never by case, each with its reason.

use crate::harness::Case;

/// One exclusion.
pub(crate) struct Row {
    /// `dash` or `hls`.
    pub(crate) area: &'static str,
    /// A tag of the case, or `kind:`, `fn:`, `peer_error:` or `statement:` with that member's value.
    pub(crate) feature: &'static str,
    /// Why.
    pub(crate) reason: &'static str,
}

/// All of them.
pub(crate) const ROWS: &[Row] = &[
    Row { area: "dash", feature: "kind:patch", reason: "MPD patches are not applied yet" },
    Row { area: "dash", feature: "fn:encodeIso8601Duration", reason: "durations are read, never written" },
    Row { area: "hls", feature: "kind:vector", reason: "content steering is not followed yet" },
    Row { area: "hls", feature: "kind:delta", reason: "delta updates are not applied yet" },
];

/// The row that covers `case`, if one does.
pub(crate) fn row(area: &str, case: &Case) -> Option<&'static Row> {
    let features = case.features();
    ROWS.iter().find(|row| row.area == area && features.iter().any(|feature| feature == row.feature))
}
