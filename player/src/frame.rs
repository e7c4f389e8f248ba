//! Decoded pictures on their way from a decoder to a screen or a log.

use abr::presentation::RepresentationKey;
use abr::time::MediaTime;
use std::sync::Arc;

/// One decoded picture with its place on the timeline. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When it is to be shown.
    pub pts: MediaTime,
    /// When the next one is due.
    pub end: MediaTime,
    /// Which representation it was decoded from.
    pub representation: RepresentationKey,
    /// The picture.
    pub picture: Arc<Picture>,
}

/// How the samples of a picture lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// 8 bit 4:2:0, three planes Y, U, V.
    I420,
    /// 8 bit 4:2:0, two planes Y and interleaved UV.
    Nv12,
    /// 10 bit 4:2:0, three planes of little-endian 16-bit words, value in the low bits.
    I420P10,
    /// 10 bit 4:2:0, two planes of little-endian 16-bit words, value in the high bits.
    P010,
    /// 8 bit 4:2:2, three planes.
    I422,
    /// 8 bit 4:4:4, three planes.
    I444,
}

impl PixelFormat {
    /// Bytes per sample of one component.
    pub const fn sample_bytes(self) -> usize {
        match self {
            Self::I420P10 | Self::P010 => 2,
            _ => 1,
        }
    }

    /// Visible width in bytes and height in rows of plane `plane` for a picture of `width` × `height`
    /// pixels; odd sizes round chroma up.
    pub const fn plane_size(self, plane: usize, width: u32, height: u32) -> (usize, usize) {
        let (w, h) = (width as usize, height as usize);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        match (self, plane) {
            (Self::I420 | Self::Nv12 | Self::I422 | Self::I444, 0) => (w, h),
            (Self::I420P10 | Self::P010, 0) => (w * 2, h),
            (Self::I420, _) => (cw, ch),
            (Self::Nv12, _) => (cw * 2, ch),
            (Self::I420P10, _) => (cw * 2, ch),
            (Self::P010, _) => (cw * 4, ch),
            (Self::I422, _) => (cw, h),
            (Self::I444, _) => (w, h),
        }
    }

    /// How many planes.
    pub const fn planes(self) -> usize {
        match self {
            Self::Nv12 | Self::P010 => 2,
            _ => 3,
        }
    }
}

/// Coefficients from R'G'B' to Y'CbCr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601.
    Bt601,
    /// ITU-R BT.709.
    Bt709,
    /// ITU-R BT.2020, non-constant luminance.
    Bt2020,
}

/// Where a chroma sample lies among its luma samples (4:2:0 and 4:2:2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChromaSite {
    /// At the left column, between the rows (MPEG-2, H.264 default).
    Left,
    /// At the left column, on the upper row (HDR10, BT.2020).
    TopLeft,
    /// In the middle (JPEG, MPEG-1).
    Center,
}

/// What the sample values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color {
    /// Matrix coefficients.
    pub matrix: Matrix,
    /// Full range (0–255) rather than limited (16–235/240).
    pub full_range: bool,
    /// Chroma siting.
    pub chroma_site: ChromaSite,
}

/// The samples of a decoded picture, wherever they lie.
pub trait Planes: Send + Sync {
    /// All rows of plane `index`, each [`stride`](Self::stride) bytes long (the last may be shorter).
    fn plane(&self, index: usize) -> &[u8];
    /// Bytes from one row to the next.
    fn stride(&self, index: usize) -> usize;
}

/// A picture.
pub struct Picture {
    /// Memory layout.
    pub format: PixelFormat,
    /// Visible width in pixels.
    pub width: u32,
    /// Visible height in pixels.
    pub height: u32,
    /// Width ÷ height of one pixel, as a fraction.
    pub pixel_aspect: (u32, u32),
    /// Meaning of the values.
    pub color: Color,
    /// The samples.
    pub planes: Box<dyn Planes>,
}

impl Picture {
    /// The visible bytes of plane `index`, row by row, without padding.
    pub fn rows(&self, index: usize) -> impl Iterator<Item = &[u8]> {
        let (bytes, rows) = self.format.plane_size(index, self.width, self.height);
        let (data, stride) = (self.planes.plane(index), self.planes.stride(index));
        (0..rows).filter_map(move |row| data.get(row * stride..row * stride + bytes))
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{} {:?} {:?})", self.width, self.height, self.format, self.color)
    }
}

/// Where a face gets its pictures from: decoded frames in order, chosen by the presentation clock.
pub trait FrameSource: Send + Sync {
    /// The frame to show now, when it is another one than at the last call. Frames whose time has passed
    /// are dropped and counted by the source.
    fn due(&self) -> Option<Frame>;

    /// When the next frame becomes due; `None` while that is not known (nothing is decoded, or the clock
    /// is held). Waking the face covers that case.
    fn next_due(&self) -> Option<std::time::Instant>;
}
