//! The shader path: uploads a picture's planes and draws them on a target of any size.
//!
//! One pass makes R'G'B' of the planes. Where the target has another size than the picture, it goes
//! through half-float textures, one axis at a time. Textures and bind groups live until the format, the
//! picture's size or the target's size changes.

use super::adapter::Gpu;
use super::color::{chroma_shift, subsampling, to_rgb};
use super::layout::{Rect, letterbox};
use super::planes::PlaneTextures;
use crate::frame::{Color, Picture};
use abr::error::{Code, Error, Severity};

/// Between two passes: enough for 10 bits and for the overshoot of the kernel.
const BETWEEN: wgpu::TextureFormat = wgpu::TextureFormat::Rgba16Float;

/// Draws pictures on targets of one format.
pub struct Video {
    convert_layout: wgpu::BindGroupLayout,
    resample_layout: wgpu::BindGroupLayout,
    // Each for the target and for a texture in between.
    convert: [wgpu::RenderPipeline; 2],
    resample: [wgpu::RenderPipeline; 2],
    planes: Option<PlaneTextures>,
    plan: Option<Plan>,
}

#[derive(Clone, Copy, PartialEq)]
struct Key {
    size: (u32, u32),
    aspect: (u32, u32),
    color: Color,
    target: (u32, u32),
}

struct Plan {
    key: Key,
    steps: Vec<Step>,
}

/// One render pass.
struct Step {
    converts: bool,
    group: wgpu::BindGroup,
    /// The texture in between, or the target.
    output: Option<wgpu::TextureView>,
    viewport: Rect,
}

impl Video {
    /// Pipelines for targets of `format`, which must not be an sRGB one: the picture's values are
    /// gamma-encoded already.
    pub fn new(gpu: &Gpu, format: wgpu::TextureFormat) -> Self {
        let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("video"),
            source: wgpu::ShaderSource::Wgsl(include_str!("video.wgsl").into()),
        });
        let convert_layout = bind_group_layout(gpu, 3);
        let resample_layout = bind_group_layout(gpu, 1);
        let pipelines = |entry: &str, layout: &wgpu::BindGroupLayout| {
            [format, BETWEEN].map(|format| pipeline(gpu, &module, entry, layout, format))
        };
        Self {
            convert: pipelines("convert", &convert_layout),
            resample: pipelines("resample", &resample_layout),
            convert_layout,
            resample_layout,
            planes: None,
            plan: None,
        }
    }

    /// Copies `picture` to the device; the next [`draw`](Self::draw) shows it.
    ///
    /// # Errors
    /// [`Code::Format`] when it is empty or larger than the device can hold.
    pub fn upload(&mut self, gpu: &Gpu, picture: &Picture) -> Result<(), Error> {
        let limit = gpu.max_side();
        if !(1..=limit).contains(&picture.width) || !(1..=limit).contains(&picture.height) {
            let text = format!(
                "A picture of {} x {} pixels cannot be shown: the graphics adapter takes at most {limit}.",
                picture.width, picture.height
            );
            return Err(Error::new(Severity::Fatal, Code::Format, text));
        }
        if self.planes.as_ref().is_none_or(|planes| !planes.fit(picture)) {
            self.planes = None;
            self.plan = None;
        }
        self.planes.get_or_insert_with(|| PlaneTextures::new(gpu, picture)).upload(gpu, picture);
        Ok(())
    }

    /// Draws `picture`, which was [uploaded](Self::upload), letterboxed on `view` of `target` pixels,
    /// black elsewhere.
    pub fn draw(
        &mut self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        view: &wgpu::TextureView,
        target: (u32, u32),
        picture: &Picture,
    ) {
        let key = Key {
            size: (picture.width, picture.height),
            aspect: picture.pixel_aspect,
            color: picture.color,
            target,
        };
        if self.plan.as_ref().is_none_or(|plan| plan.key != key) {
            self.plan = self.planes.as_ref().map(|planes| self.plan(gpu, planes, picture, key));
        }
        for step in self.plan.iter().flat_map(|plan| &plan.steps) {
            let between = usize::from(step.output.is_some());
            let mut pass = clear(encoder, step.output.as_ref().unwrap_or(view));
            let pipelines = if step.converts { &self.convert } else { &self.resample };
            let Rect { x, y, width, height } = step.viewport;
            if width == 0 || height == 0 {
                continue;
            }
            pass.set_viewport(x as f32, y as f32, width as f32, height as f32, 0.0, 1.0);
            pass.set_pipeline(&pipelines[between]);
            pass.set_bind_group(0, &step.group, &[]);
            pass.draw(0..3, 0..1);
        }
    }

    fn plan(&self, gpu: &Gpu, planes: &PlaneTextures, picture: &Picture, key: Key) -> Plan {
        let (width, height) = key.size;
        let rect = letterbox(width, height, key.aspect, key.target);
        // Sizes after each pass.
        let mut sizes = vec![(width, height)];
        if rect.width != width {
            sizes.push((rect.width, height));
        }
        if rect.height != height {
            sizes.push((rect.width, rect.height));
        }
        let mut steps: Vec<Step> = Vec::with_capacity(sizes.len());
        for (number, size) in sizes.iter().enumerate() {
            let last = number + 1 == sizes.len();
            let viewport = if last { rect } else { Rect { x: 0, y: 0, width: size.0, height: size.1 } };
            let group = match (number.checked_sub(1), steps.last().and_then(|step| step.output.as_ref())) {
                (Some(before), Some(input)) => {
                    self.resample_group(gpu, input, sizes[before], *size, viewport)
                }
                _ => self.convert_group(gpu, planes, picture, viewport),
            };
            let output = (!last).then(|| texture_between(gpu, *size));
            steps.push(Step { converts: number == 0, group, output, viewport });
        }
        Plan { key, steps }
    }

    fn convert_group(
        &self,
        gpu: &Gpu,
        planes: &PlaneTextures,
        picture: &Picture,
        viewport: Rect,
    ) -> wgpu::BindGroup {
        let map = to_rgb(picture.color, planes.depth());
        let (sub_x, sub_y) = subsampling(picture.format);
        let (shift_x, shift_y) = chroma_shift(picture.format, picture.color.chroma_site);
        let density = |sub: u32| 1.0 / f32::from(1u8 << sub);
        let mut bytes = Vec::with_capacity(80);
        for (row, offset) in map.rows.iter().zip(map.offset) {
            bytes.extend(row.iter().chain([&offset]).flat_map(|value| value.to_le_bytes()));
        }
        let rest = [
            viewport.x as f32,
            viewport.y as f32,
            density(sub_x),
            density(sub_y),
            shift_x as f32,
            shift_y as f32,
            planes.scale(),
        ];
        bytes.extend(rest.iter().flat_map(|value| value.to_le_bytes()));
        bytes.extend((picture.format.planes() as u32).to_le_bytes());
        let views = [planes.view(0), planes.view(1), planes.view(2)];
        group(gpu, &self.convert_layout, &bytes, &[&views[0], &views[1], &views[2]])
    }

    fn resample_group(
        &self,
        gpu: &Gpu,
        input: &wgpu::TextureView,
        from: (u32, u32),
        to: (u32, u32),
        viewport: Rect,
    ) -> wgpu::BindGroup {
        let horizontal = from.0 != to.0;
        let ratio = if horizontal { from.0 as f32 / to.0 as f32 } else { from.1 as f32 / to.1 as f32 };
        let widen = ratio.max(1.0);
        let mut bytes = Vec::with_capacity(32);
        let origin = [viewport.x as f32, viewport.y as f32];
        let axis = [i32::from(horizontal), i32::from(!horizontal)];
        bytes.extend(origin.iter().flat_map(|value| value.to_le_bytes()));
        bytes.extend(axis.iter().flat_map(|value| value.to_le_bytes()));
        bytes.extend([ratio, widen].iter().flat_map(|value| value.to_le_bytes()));
        bytes.extend([(2.0 * widen).ceil() as i32, 0].iter().flat_map(|value| value.to_le_bytes()));
        group(gpu, &self.resample_layout, &bytes, &[input])
    }
}

/// Begins a pass that makes all of `view` black first.
pub(super) fn clear<'a>(
    encoder: &'a mut wgpu::CommandEncoder,
    view: &wgpu::TextureView,
) -> wgpu::RenderPass<'a> {
    encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        label: Some("picture"),
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations {
                load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                store: wgpu::StoreOp::Store,
            },
        })],
        ..Default::default()
    })
}

fn texture_between(gpu: &Gpu, (width, height): (u32, u32)) -> wgpu::TextureView {
    gpu.device
        .create_texture(&wgpu::TextureDescriptor {
            label: Some("between passes"),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: BETWEEN,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        })
        .create_view(&wgpu::TextureViewDescriptor::default())
}

fn bind_group_layout(gpu: &Gpu, textures: u32) -> wgpu::BindGroupLayout {
    let uniform = wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Uniform,
        has_dynamic_offset: false,
        min_binding_size: None,
    };
    let texture = wgpu::BindingType::Texture {
        sample_type: wgpu::TextureSampleType::Float { filterable: false },
        view_dimension: wgpu::TextureViewDimension::D2,
        multisampled: false,
    };
    let entries: Vec<_> = (0..=textures)
        .map(|binding| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::FRAGMENT,
            ty: if binding == 0 { uniform } else { texture },
            count: None,
        })
        .collect();
    gpu.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries })
}

fn group(
    gpu: &Gpu,
    layout: &wgpu::BindGroupLayout,
    uniform: &[u8],
    textures: &[&wgpu::TextureView],
) -> wgpu::BindGroup {
    let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: uniform.len() as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue.write_buffer(&buffer, 0, uniform);
    let entries: Vec<_> = std::iter::once(buffer.as_entire_binding())
        .chain(textures.iter().map(|view| wgpu::BindingResource::TextureView(view)))
        .zip(0..)
        .map(|(resource, binding)| wgpu::BindGroupEntry { binding, resource })
        .collect();
    gpu.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
}

fn pipeline(
    gpu: &Gpu,
    module: &wgpu::ShaderModule,
    entry: &str,
    layout: &wgpu::BindGroupLayout,
    format: wgpu::TextureFormat,
) -> wgpu::RenderPipeline {
    let layout = gpu.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    });
    gpu.device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(entry),
        layout: Some(&layout),
        vertex: wgpu::VertexState {
            module,
            entry_point: Some("cover"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers: &[],
        },
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            targets: &[Some(format.into())],
        }),
        multiview_mask: None,
        cache: None,
    })
}
