//! GStreamer video buffers as [`Picture`]s, without copying where the pixel format is one of ours.

use crate::frame::{ChromaSite, Color, Matrix, Picture, PixelFormat, Planes};
use crate::limits;
use gst_video::prelude::*;
use gst_video::{VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrame, VideoInfo};
use gstreamer as gst;
use gstreamer_video as gst_video;

/// Why a buffer could not become a picture.
#[derive(Debug, thiserror::Error)]
pub(super) enum PictureError {
    /// The decoder delivered something that is no picture.
    #[error("the decoder delivered a picture that cannot be read: {0}")]
    Unreadable(#[from] gst::glib::BoolError),
    /// Larger than [`limits::PICTURE_SIDE`].
    #[error("a picture of {width}x{height} pixels is beyond the limit")]
    TooLarge {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
}

/// Turns buffers of one format into pictures.
pub(super) struct Reader {
    /// What the decoder delivers.
    info: VideoInfo,
    format: PixelFormat,
    /// To `format`, when the decoder's own is not one of ours.
    converter: Option<(gst_video::VideoConverter, VideoInfo)>,
    color: Color,
}

struct Mapped(VideoFrame<gst_video::video_frame::Readable>);

impl Planes for Mapped {
    fn plane(&self, index: usize) -> &[u8] {
        u32::try_from(index).ok().and_then(|index| self.0.plane_data(index).ok()).unwrap_or_default()
    }

    fn stride(&self, index: usize) -> usize {
        self.0.plane_stride().get(index).and_then(|stride| usize::try_from(*stride).ok()).unwrap_or(0)
    }
}

impl Reader {
    /// For buffers of `caps`.
    pub(super) fn new(caps: &gst::CapsRef) -> Result<Self, PictureError> {
        let info = VideoInfo::from_caps(caps)?;
        let (width, height) = (info.width(), info.height());
        if width > limits::PICTURE_SIDE || height > limits::PICTURE_SIDE {
            return Err(PictureError::TooLarge { width, height });
        }
        let color = color(&info);
        let (format, converter) = match native(info.format()) {
            Some(format) => (format, None),
            None => {
                let ten_bit = (0..info.format_info().n_components())
                    .any(|part| u8::try_from(part).is_ok_and(|part| info.comp_depth(part) > 8));
                let (to, format) = if ten_bit {
                    (VideoFormat::I42010le, PixelFormat::I420P10)
                } else {
                    (VideoFormat::I420, PixelFormat::I420)
                };
                let out = VideoInfo::builder(to, width, height).par(info.par()).build()?;
                (format, Some((gst_video::VideoConverter::new(&info, &out, None)?, out)))
            }
        };
        Ok(Self { info, format, converter, color })
    }

    /// The picture in `buffer`.
    pub(super) fn read(&self, buffer: gst::Buffer) -> Result<Picture, PictureError> {
        let unreadable = || gst::glib::bool_error!("its memory cannot be mapped");
        let mut frame = VideoFrame::from_buffer_readable(buffer, &self.info).map_err(|_| unreadable())?;
        let mut color = self.color;
        if let Some((converter, out)) = &self.converter {
            let buffer = gst::Buffer::with_size(out.size())?;
            let mut target = VideoFrame::from_buffer_writable(buffer, out).map_err(|_| unreadable())?;
            converter.frame(&frame, &mut target);
            color = self::color(out);
            frame = VideoFrame::from_buffer_readable(target.into_buffer(), out).map_err(|_| unreadable())?;
        }
        let par = self.info.par();
        let part = |value: i32| u32::try_from(value).ok().filter(|value| *value > 0);
        Ok(Picture {
            format: self.format,
            width: self.info.width(),
            height: self.info.height(),
            pixel_aspect: part(par.numer()).zip(part(par.denom())).unwrap_or((1, 1)),
            color,
            planes: Box::new(Mapped(frame)),
        })
    }
}

const fn native(format: VideoFormat) -> Option<PixelFormat> {
    match format {
        VideoFormat::I420 => Some(PixelFormat::I420),
        VideoFormat::Nv12 => Some(PixelFormat::Nv12),
        VideoFormat::I42010le => Some(PixelFormat::I420P10),
        VideoFormat::P01010le => Some(PixelFormat::P010),
        VideoFormat::Y42b => Some(PixelFormat::I422),
        VideoFormat::Y444 => Some(PixelFormat::I444),
        _ => None,
    }
}

fn color(info: &VideoInfo) -> Color {
    let colorimetry = info.colorimetry();
    let matrix = match colorimetry.matrix() {
        VideoColorMatrix::Bt709 => Matrix::Bt709,
        VideoColorMatrix::Bt2020 => Matrix::Bt2020,
        VideoColorMatrix::Bt601 | VideoColorMatrix::Fcc | VideoColorMatrix::Smpte240m => Matrix::Bt601,
        // Unsaid: high definition is BT.709 by custom.
        _ if info.height() >= 720 => Matrix::Bt709,
        _ => Matrix::Bt601,
    };
    let site = info.chroma_site();
    let chroma_site = if site == gst_video::VideoChromaSite::COSITED {
        ChromaSite::TopLeft
    } else if site == gst_video::VideoChromaSite::JPEG {
        ChromaSite::Center
    } else {
        ChromaSite::Left
    };
    Color { matrix, full_range: colorimetry.range() == VideoColorRange::Range0_255, chroma_site }
}
