//! A rendered picture in memory, and as a PNG file.

use super::cpu::{Converter, Order};
use super::layout::display_size;
use crate::frame::Picture;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Rows of 8-bit R, G, B, A without padding; A is opaque.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbaImage {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// `width × height × 4` bytes.
    pub pixels: Vec<u8>,
}

impl RgbaImage {
    /// `picture` at its own size in square pixels, converted on the CPU.
    pub fn from_picture(picture: &Picture) -> Self {
        let (width, height) = display_size(picture.width, picture.height, picture.pixel_aspect);
        let pixels = Converter::new().convert(picture, (width, height), Order::Rgba).to_vec();
        Self { width, height, pixels }
    }

    /// Writes a PNG file (8-bit RGB), replacing what was there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write_png(&self, path: &Path) -> std::io::Result<()> {
        let mut file = BufWriter::new(std::fs::File::create(path)?);
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let rgb: Vec<u8> =
            self.pixels.as_chunks::<4>().0.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect();
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&rgb)?;
        writer.finish()?;
        file.flush()
    }
}

impl std::fmt::Debug for RgbaImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RgbaImage({}x{})", self.width, self.height)
    }
}
