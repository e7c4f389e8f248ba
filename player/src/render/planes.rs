//! The planes of a picture as textures, kept from one picture to the next.

use super::adapter::Gpu;
use crate::frame::{Picture, PixelFormat};

/// Textures for pictures of one format and size.
pub(super) struct PlaneTextures {
    format: PixelFormat,
    size: (u32, u32),
    textures: Vec<wgpu::Texture>,
    narrowed: bool,
    scratch: Vec<u8>,
}

impl PlaneTextures {
    /// Textures for pictures like `picture`.
    pub(super) fn new(gpu: &Gpu, picture: &Picture) -> Self {
        let format = picture.format;
        let narrowed = format.sample_bytes() == 2 && !gpu.has_16_bit();
        let textures = (0..format.planes())
            .map(|plane| {
                let (bytes, rows) = format.plane_size(plane, picture.width, picture.height);
                let texel = texel(format, plane, narrowed);
                let samples = bytes / format.sample_bytes();
                let columns = if is_pair(format, plane) { samples / 2 } else { samples };
                gpu.device.create_texture(&wgpu::TextureDescriptor {
                    label: Some("plane"),
                    size: wgpu::Extent3d {
                        width: u32::try_from(columns).unwrap_or(u32::MAX),
                        height: u32::try_from(rows).unwrap_or(u32::MAX),
                        depth_or_array_layers: 1,
                    },
                    mip_level_count: 1,
                    sample_count: 1,
                    dimension: wgpu::TextureDimension::D2,
                    format: texel,
                    usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
                    view_formats: &[],
                })
            })
            .collect();
        let size = (picture.width, picture.height);
        Self { format, size, textures, narrowed, scratch: Vec::new() }
    }

    /// Whether `picture` fits these textures.
    pub(super) fn fit(&self, picture: &Picture) -> bool {
        self.format == picture.format && self.size == (picture.width, picture.height)
    }

    /// Bits of a texture's samples that carry the picture.
    pub(super) fn depth(&self) -> u32 {
        if self.narrowed { 8 } else { super::color::depth(self.format) }
    }

    /// From texture values to sample values of which 1.0 is the largest.
    pub(super) fn scale(&self) -> f32 {
        match self.format {
            PixelFormat::I420P10 if !self.narrowed => 65_535.0 / 1_023.0,
            PixelFormat::P010 if !self.narrowed => 65_535.0 / (1_023.0 * 64.0),
            _ => 1.0,
        }
    }

    /// A view of plane `index`; the last one again for the third plane of two.
    pub(super) fn view(&self, index: usize) -> wgpu::TextureView {
        let index = index.min(self.textures.len() - 1);
        self.textures[index].create_view(&wgpu::TextureViewDescriptor::default())
    }

    /// Copies the samples of `picture`, which must [`fit`](Self::fit). A plane that is shorter than the
    /// picture's size is left out.
    pub(super) fn upload(&mut self, gpu: &Gpu, picture: &Picture) {
        for (plane, texture) in self.textures.iter().enumerate() {
            let (bytes, rows) = picture.format.plane_size(plane, picture.width, picture.height);
            let (data, stride) = (picture.planes.plane(plane), picture.planes.stride(plane));
            let block = texture.format().block_copy_size(None).unwrap_or(1) as usize;
            let (data, stride, bytes) = if self.narrowed {
                narrow(picture, plane, &mut self.scratch);
                (self.scratch.as_slice(), bytes / 2, bytes / 2)
            } else if stride.is_multiple_of(block) {
                (data, stride, bytes)
            } else {
                self.scratch.clear();
                picture.rows(plane).for_each(|row| self.scratch.extend_from_slice(row));
                (self.scratch.as_slice(), bytes, bytes)
            };
            let needed = rows.saturating_sub(1).saturating_mul(stride).saturating_add(bytes);
            if data.len() < needed || stride < bytes {
                continue;
            }
            gpu.queue.write_texture(
                texture.as_image_copy(),
                data,
                wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: u32::try_from(stride).ok(),
                    rows_per_image: None,
                },
                texture.size(),
            );
        }
    }
}

/// Whether the plane holds Cb and Cr side by side.
fn is_pair(format: PixelFormat, plane: usize) -> bool {
    plane == 1 && format.planes() == 2
}

fn texel(format: PixelFormat, plane: usize, narrowed: bool) -> wgpu::TextureFormat {
    match (is_pair(format, plane), format.sample_bytes() == 2 && !narrowed) {
        (false, false) => wgpu::TextureFormat::R8Unorm,
        (true, false) => wgpu::TextureFormat::Rg8Unorm,
        (false, true) => wgpu::TextureFormat::R16Unorm,
        (true, true) => wgpu::TextureFormat::Rg16Unorm,
    }
}

/// The upper eight bits of ten, for devices without 16-bit textures.
fn narrow(picture: &Picture, plane: usize, out: &mut Vec<u8>) {
    let shift = if picture.format == PixelFormat::P010 { 8 } else { 2 };
    out.clear();
    for row in picture.rows(plane) {
        out.extend(row.as_chunks::<2>().0.iter().map(|word| (u16::from_le_bytes(*word) >> shift) as u8));
    }
}
