//! Colours and sizes of the overlay.

use egui::{Align2, Color32, CornerRadius, FontId, Painter, Pos2, Rect, Vec2};

/// What is played, chosen or alive.
pub(super) const ACCENT: Color32 = Color32::from_rgb(0x4C, 0xC9, 0xE8);
/// Text and signs.
pub(super) const TEXT: Color32 = Color32::from_rgb(0xF4, 0xF6, 0xF8);
/// Text of second rank; still 4.5:1 on [`PANEL`] over white.
pub(super) const FAINT: Color32 = Color32::from_rgb(0xBF, 0xC7, 0xCF);
/// Throughput in the chart.
pub(super) const WARM: Color32 = Color32::from_rgb(0xFF, 0xB8, 0x4D);
/// Errors.
pub(super) const ALARM: Color32 = Color32::from_rgb(0xFF, 0x7A, 0x70);
/// Behind panels.
pub(super) const PANEL: Color32 = Color32::from_rgba_premultiplied(0x0D, 0x10, 0x14, 0xEE);
/// Behind what the pointer is on or what is marked.
pub(super) const MARK: Color32 = Color32::from_rgba_premultiplied(0x2A, 0x2C, 0x2E, 0x30);

/// Running text.
pub(super) fn body() -> FontId {
    FontId::proportional(14.0)
}

/// Headings.
pub(super) fn heading() -> FontId {
    FontId::proportional(17.0)
}

/// Small print.
pub(super) fn small() -> FontId {
    FontId::proportional(12.5)
}

/// Figures that stand below each other.
pub(super) fn figures() -> FontId {
    FontId::monospace(12.5)
}

/// A rounded dark plate with a hairline around it.
pub(super) fn plate(painter: &Painter, rect: Rect) {
    painter.rect_filled(rect, CornerRadius::same(10), PANEL);
    let hairline = egui::Stroke::new(1.0, Color32::from_white_alpha(26));
    painter.rect_stroke(rect, CornerRadius::same(10), hairline, egui::StrokeKind::Inside);
}

/// One line of text on its own plate, centred at `centre`; long text is wrapped.
pub(super) fn pill(painter: &Painter, centre: Pos2, text: &str, width: f32) -> Rect {
    let galley = painter.layout(text.to_owned(), body(), TEXT, width);
    let rect = Rect::from_center_size(centre, galley.size() + Vec2::new(28.0, 16.0));
    painter.rect_filled(rect, CornerRadius::same(16), PANEL);
    painter.galley(rect.shrink2(Vec2::new(14.0, 8.0)).min, galley, TEXT);
    rect
}

/// `text` cut with an ellipsis so that it is at most `width` wide.
pub(super) fn line(
    painter: &Painter,
    at: Pos2,
    anchor: Align2,
    text: &str,
    font: FontId,
    color: Color32,
    width: f32,
) {
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), font, color);
    job.wrap = egui::text::TextWrapping::truncate_at_width(width.max(1.0));
    let galley = painter.layout_job(job);
    let rect = anchor.anchor_size(at, galley.size());
    painter.galley(rect.min, galley, color);
}
