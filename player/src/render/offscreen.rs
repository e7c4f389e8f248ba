//! Pictures without a window: for screenshots, tests and measurements.

use super::adapter::Gpu;
use super::image::RgbaImage;
use super::timings::Timings;
use super::video::Video;
use crate::frame::Picture;
use abr::error::{Code, Error, Severity};
use std::time::Instant;

const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// Renders through the shader path and reads the result back.
pub struct Renderer {
    gpu: Gpu,
    video: Video,
    target: Option<wgpu::Texture>,
    timings: Timings,
}

impl Renderer {
    /// Opens the graphics adapter.
    ///
    /// # Errors
    /// [`Code::NoAdapter`]. [`RgbaImage::from_picture`] works without one.
    pub fn new() -> Result<Self, Error> {
        let gpu = Gpu::headless()?;
        let video = Video::new(&gpu, FORMAT);
        Ok(Self { gpu, video, target: None, timings: Timings::default() })
    }

    /// `picture` letterboxed on a black image of `width` × `height` pixels.
    ///
    /// # Errors
    /// [`Code::Format`] when the picture or the image is empty or larger than the device can hold,
    /// [`Code::DeviceLost`] when the device fails.
    pub fn render(&mut self, picture: &Picture, width: u32, height: u32) -> Result<RgbaImage, Error> {
        let limit = self.gpu.max_side();
        if !(1..=limit).contains(&width) || !(1..=limit).contains(&height) {
            let text =
                format!("An image of {width} x {height} pixels cannot be made here (at most {limit}).");
            return Err(Error::new(Severity::Fatal, Code::Format, text));
        }
        let started = Instant::now();
        self.video.upload(&self.gpu, picture)?;
        let uploaded = Instant::now();
        let target = match self.target.take() {
            Some(target) if (target.width(), target.height()) == (width, height) => target,
            _ => self.gpu.device.create_texture(&wgpu::TextureDescriptor {
                label: Some("off-screen target"),
                size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: FORMAT,
                usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
                view_formats: &[],
            }),
        };
        let view = target.create_view(&wgpu::TextureViewDescriptor::default());
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.video.draw(&self.gpu, &mut encoder, &view, (width, height), picture);
        self.gpu.queue.submit([encoder.finish()]);
        let _ = self.gpu.device.poll(wgpu::PollType::wait_indefinitely());
        let drawn = Instant::now();
        self.timings.add(uploaded - started, drawn - uploaded, std::time::Duration::ZERO);
        let pixels = self.read(&target, width, height);
        self.target = Some(target);
        self.gpu.check()?;
        Ok(RgbaImage { width, height, pixels: pixels? })
    }

    /// What uploading and drawing took so far; reading back is not counted.
    pub fn timings(&self) -> Timings {
        self.timings
    }

    /// The adapter in use.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    fn read(&self, target: &wgpu::Texture, width: u32, height: u32) -> Result<Vec<u8>, Error> {
        let row = width * 4;
        let padded = row.next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let buffer = self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read back"),
            size: u64::from(padded) * u64::from(height),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let layout =
            wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(padded), rows_per_image: None };
        encoder.copy_texture_to_buffer(
            target.as_image_copy(),
            wgpu::TexelCopyBufferInfo { buffer: &buffer, layout },
            target.size(),
        );
        self.gpu.queue.submit([encoder.finish()]);
        buffer.map_async(wgpu::MapMode::Read, .., |_| ());
        let lost = |why: String| {
            let text = format!("The rendered picture could not be read from the graphics device ({why}).");
            Error::new(Severity::Recoverable, Code::DeviceLost, text)
        };
        self.gpu.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|e| lost(e.to_string()))?;
        let mapped = buffer.get_mapped_range(..).map_err(|e| lost(e.to_string()))?;
        let rows = mapped.chunks_exact(padded as usize).map(|line| &line[..row as usize]);
        Ok(rows.collect::<Vec<_>>().concat())
    }
}
