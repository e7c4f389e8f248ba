//! egui on the window's own surface: input in, triangles out.

use crate::render::adapter::Gpu;
use crate::ui::fonts::Fonts;
use std::time::{Duration, Instant};
use winit::event::WindowEvent;
use winit::window::Window;

/// The overlay's machinery, made anew with every device.
pub(in crate::ui) struct Gui {
    fonts: Fonts,
    context: egui::Context,
    state: egui_winit::State,
    renderer: egui_wgpu::Renderer,
    primitives: Vec<egui::ClippedPrimitive>,
    textures: egui::TexturesDelta,
    pixels_per_point: f32,
    /// When egui wants to run again by itself.
    wanted: Option<Instant>,
}

impl Gui {
    pub(in crate::ui) fn new(window: &Window, gpu: &Gpu, format: wgpu::TextureFormat) -> Self {
        let context = egui::Context::default();
        let fonts = Fonts::new(&context);
        context.set_theme(egui::Theme::Dark);
        let state = egui_winit::State::new(
            context.clone(),
            egui::ViewportId::ROOT,
            window,
            Some(window.scale_factor() as f32),
            None,
            usize::try_from(gpu.device().limits().max_texture_dimension_2d).ok(),
        );
        let options = egui_wgpu::RendererOptions { dithering: false, ..Default::default() };
        let renderer = egui_wgpu::Renderer::new(gpu.device(), format, options);
        Self {
            fonts,
            context,
            state,
            renderer,
            primitives: Vec::new(),
            textures: egui::TexturesDelta::default(),
            pixels_per_point: 1.0,
            wanted: None,
        }
    }

    /// Passes on a pointer, touch or window event; says whether the overlay has to be drawn again.
    pub(in crate::ui) fn event(&mut self, window: &Window, event: &WindowEvent) -> bool {
        self.state.on_window_event(window, event).repaint
    }

    /// Sees to it that there are fonts for `text`.
    pub(in crate::ui) fn prepare(&mut self, text: &str) {
        self.fonts.prepare(&self.context, text);
    }

    /// Lays out the overlay with `draw`.
    pub(in crate::ui) fn run(&mut self, window: &Window, draw: impl FnMut(&mut egui::Ui)) {
        let input = self.state.take_egui_input(window);
        let mut output = self.context.run_ui(input, draw);
        self.state.handle_platform_output(window, std::mem::take(&mut output.platform_output));
        self.pixels_per_point = output.pixels_per_point;
        self.primitives =
            self.context.tessellate(std::mem::take(&mut output.shapes), output.pixels_per_point);
        self.textures.append(std::mem::take(&mut output.textures_delta));
        let delay =
            output.viewport_output.get(&egui::ViewportId::ROOT).map(|viewport| viewport.repaint_delay);
        self.wanted =
            delay.filter(|delay| *delay < Duration::from_secs(3_600)).map(|delay| Instant::now() + delay);
    }

    /// Whether egui wants to run again by now.
    #[cfg(feature = "tv")]
    pub(in crate::ui) fn is_due(&self) -> bool {
        self.wanted.is_some_and(|at| at <= Instant::now())
    }

    /// Forgets what was laid out: nothing is to be drawn.
    pub(in crate::ui) fn rest(&mut self) {
        self.primitives.clear();
        self.wanted = None;
    }

    /// When egui wants to run again without any input.
    pub(in crate::ui) fn wanted(&self) -> Option<Instant> {
        self.wanted
    }

    /// Draws what was laid out last.
    pub(in crate::ui) fn paint(
        &mut self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        view: &wgpu::TextureView,
        size: (u32, u32),
    ) {
        for (id, deltas) in self.textures.set.drain() {
            for delta in deltas {
                self.renderer.update_texture(gpu.device(), gpu.queue(), id, &delta);
            }
        }
        if !self.primitives.is_empty() {
            let screen = egui_wgpu::ScreenDescriptor {
                size_in_pixels: [size.0, size.1],
                pixels_per_point: self.pixels_per_point,
            };
            // The overlay has no drawing callbacks, so there are no command buffers to submit.
            self.renderer.update_buffers(gpu.device(), gpu.queue(), encoder, &self.primitives, &screen);
            let pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: Some("overlay"),
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations { load: wgpu::LoadOp::Load, store: wgpu::StoreOp::Store },
                })],
                ..Default::default()
            });
            self.renderer.render(&mut pass.forget_lifetime(), &self.primitives, &screen);
        }
        for id in self.textures.free.drain() {
            self.renderer.free_texture(&id);
        }
    }
}

impl Drop for Gui {
    fn drop(&mut self) {
        // Changes that were never drawn need no device any more; egui insists on being told.
        self.textures.clear();
    }
}
