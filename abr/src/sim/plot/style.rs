//! Colours and type.

/// Okabe and Ito's colours that stand out from white and from black, the first for what matters most.
pub(super) const COLOURS: [&str; 7] =
    ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c7a00"];

/// Series beyond those.
pub(super) const OTHER: &str = "#9aa0a6";

/// Stalls.
pub(super) const STALL: &str = "#c1272d";

/// The style sheet of every picture; the dark part is for screens that ask for it.
pub(super) const STYLE: &str = "\
.paper{fill:#fff}text{fill:#1f2328;font-size:12px}.title{font-size:15px;font-weight:600}.soft{fill:#59636e}\
.tick{fill:#59636e;font-size:11px}.label{font-size:12px;font-weight:600}.small{font-size:10px}\
.grid{stroke:#8b949e;stroke-opacity:.28}.axis{stroke:#59636e}.leader{stroke:#8b949e;stroke-width:.8}\
@media(prefers-color-scheme:dark){.paper{fill:#0d1117}text{fill:#e6edf3}.soft,.tick{fill:#9198a1}.axis{stroke:#9198a1}}";

/// The colour of a series by its place.
pub(super) fn colour(place: usize) -> &'static str {
    COLOURS.get(place).copied().unwrap_or(OTHER)
}

/// A sequential scale from 0 to 1 that gets darker evenly (a coarse cividis), as red, green, blue.
pub(super) fn scale(share: f64) -> (u8, u8, u8) {
    const STOPS: [(f64, f64, f64); 5] = [
        (253.0, 234.0, 69.0),
        (190.0, 175.0, 111.0),
        (124.0, 123.0, 120.0),
        (66.0, 78.0, 107.0),
        (0.0, 34.0, 78.0),
    ];
    let place = share.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let low = (place.floor() as usize).min(STOPS.len() - 2);
    let into = place - low as f64;
    let mix = |a: f64, b: f64| (a + (b - a) * into).round() as u8;
    let (a, b) = (STOPS[low], STOPS[low + 1]);
    (mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}
