//! Conformance: other people's test cases, checked by the schemas of their READMEs.
//!
//! `SLUICE_CONFORMANCE_DIR` names the root folder (default: `conformance` in the shared folder beside the
//! workspace). One line per source says how many cases passed, failed and were excluded; an exclusion is a row
//! of [`exclusions::ROWS`].

mod dash;
mod dash_model;
mod drm;
mod exclusions;
mod harness;
mod hls;
mod hls_model;
mod media;
mod model;
mod scte35;
mod subtitles;

#[test]
fn dash() {
    harness::run("dash", dash::check);
}

#[test]
fn subtitles() {
    harness::run("subtitles", subtitles::check);
}

#[test]
fn hls() {
    harness::run("hls", hls::check);
}

#[test]
fn scte35() {
    harness::run("scte35", scte35::check);
}

#[test]
fn drm() {
    harness::run("drm", drm::check);
}
