//! Logs of player sessions, one row per downloaded chunk (GreenLv/Lumos, Lv et al., INFOCOM 2022).
//!
//! They serve to test throughput estimators. They are recognised so that they can be refused with a reason.

/// Whether a header line is that of a session log.
pub(super) fn is_header(line: &str) -> bool {
    ["chunk_size", "app_throughput", "delivery_time"]
        .iter()
        .all(|wanted| line.split(',').any(|column| column.trim() == *wanted))
}
