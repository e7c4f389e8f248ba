//! A window as the renderer wants it: something that surfaces can be attached to, again and again.

use crate::render::surface::Host;
use std::sync::Arc;
use winit::event_loop::{ActiveEventLoop, OwnedDisplayHandle};
use winit::window::Window;

/// A window and its connection to the window system.
pub(in crate::ui) struct WindowHost {
    window: Arc<Window>,
    display: OwnedDisplayHandle,
}

impl WindowHost {
    pub(in crate::ui) fn new(window: Window, events: &ActiveEventLoop) -> Self {
        Self { window: Arc::new(window), display: events.owned_display_handle() }
    }

    pub(in crate::ui) fn window(&self) -> &Window {
        &self.window
    }

    /// In pixels.
    pub(in crate::ui) fn size(&self) -> (u32, u32) {
        self.window.inner_size().into()
    }
}

impl Host for WindowHost {
    fn attach(&self, instance: &wgpu::Instance) -> Result<wgpu::Surface<'static>, wgpu::CreateSurfaceError> {
        instance.create_surface(Arc::clone(&self.window))
    }

    fn describe(&self) -> wgpu::InstanceDescriptor {
        wgpu::InstanceDescriptor::new_with_display_handle(Box::new(self.display.clone()))
    }
}
