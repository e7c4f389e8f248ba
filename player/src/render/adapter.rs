//! The graphics adapter and device: found once, told apart by what they can do, watched for loss.

use abr::error::{Code, Error, Severity};
use std::sync::{Arc, OnceLock};

/// An opened graphics device.
pub struct Gpu {
    pub(super) instance: wgpu::Instance,
    pub(super) adapter: wgpu::Adapter,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    lost: Arc<OnceLock<String>>,
}

impl Gpu {
    /// Opens the best adapter, without a screen.
    ///
    /// # Errors
    /// [`Code::NoAdapter`] when there is none or it cannot be opened.
    pub fn headless() -> Result<Self, Error> {
        let none: Result<(Self, Option<wgpu::Surface<'static>>), Error> =
            Self::open(wgpu::InstanceDescriptor::new_without_display_handle, |_| Ok(None));
        none.map(|(gpu, _)| gpu)
    }

    /// Opens the best adapter that can show on the surface that `attach` makes, if it makes one.
    ///
    /// Vulkan is asked first; OpenGL only when Vulkan has no adapter or one that is a program. The
    /// environment's `WGPU_BACKEND` and `WGPU_POWER_PREF` are honoured.
    pub(super) fn open<S>(
        describe: impl Fn() -> wgpu::InstanceDescriptor,
        attach: impl Fn(&wgpu::Instance) -> Result<Option<S>, wgpu::CreateSurfaceError>,
    ) -> Result<(Self, Option<S>), Error>
    where
        S: std::borrow::Borrow<wgpu::Surface<'static>>,
    {
        let asked = wgpu::Backends::from_env();
        let mut found: Option<(wgpu::Instance, wgpu::Adapter, Option<S>)> = None;
        let mut why = String::from("there is no driver");
        for backends in asked.map_or(vec![wgpu::Backends::VULKAN, wgpu::Backends::GL], |asked| vec![asked]) {
            let instance = wgpu::Instance::new(wgpu::InstanceDescriptor { backends, ..describe() });
            let surface = match attach(&instance) {
                Ok(surface) => surface,
                Err(error) => {
                    why = error.to_string();
                    continue;
                }
            };
            // A discrete GPU would cost battery for work that any adapter does without effort.
            let options = wgpu::RequestAdapterOptions {
                power_preference: wgpu::PowerPreference::from_env()
                    .unwrap_or(wgpu::PowerPreference::LowPower),
                compatible_surface: surface.as_ref().map(std::borrow::Borrow::borrow),
                ..Default::default()
            };
            match pollster::block_on(instance.request_adapter(&options)) {
                Ok(adapter) if adapter.get_info().device_type != wgpu::DeviceType::Cpu => {
                    found = Some((instance, adapter, surface));
                    break;
                }
                Ok(adapter) if found.is_none() => found = Some((instance, adapter, surface)),
                Ok(_) => {}
                Err(error) => why = error.to_string(),
            }
        }
        let fail = |why: String| {
            let text = format!("No graphics adapter can be used ({why}). Install a Vulkan or OpenGL driver.");
            Error::new(Severity::Fatal, Code::NoAdapter, text)
        };
        let (instance, adapter, surface) = found.ok_or_else(|| fail(why))?;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("sluice"),
            required_features: adapter.features() & wgpu::Features::TEXTURE_FORMAT_16BIT_NORM,
            // What the adapter has, so that pictures may be as large as it allows.
            required_limits: adapter.limits(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) =
            pollster::block_on(adapter.request_device(&descriptor)).map_err(|e| fail(e.to_string()))?;
        let lost = Arc::new(OnceLock::new());
        let flag = Arc::clone(&lost);
        device.set_device_lost_callback(move |_, why| {
            flag.get_or_init(|| why);
        });
        // Without a handler wgpu would panic. Whatever goes wrong ends the device, and a new one is made.
        let flag = Arc::clone(&lost);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            flag.get_or_init(|| error.to_string());
        }));
        Ok((Self { instance, adapter, device, queue, lost }, surface))
    }

    /// Why the device is gone or out of order, when it is. All that was made from it is useless then.
    pub fn lost(&self) -> Option<&str> {
        self.lost.get().map(String::as_str)
    }

    /// [`lost`](Self::lost) as an error.
    ///
    /// # Errors
    /// [`Code::DeviceLost`], recoverable: a new device may work.
    pub fn check(&self) -> Result<(), Error> {
        self.lost().map_or(Ok(()), |why| {
            let text = format!("The graphics device was lost ({why}).");
            Err(Error::new(Severity::Recoverable, Code::DeviceLost, text))
        })
    }

    /// Whether the adapter is a program on the CPU.
    pub fn is_software(&self) -> bool {
        self.adapter.get_info().device_type == wgpu::DeviceType::Cpu
    }

    /// Whether 16-bit planes can be uploaded as they are.
    pub(super) fn has_16_bit(&self) -> bool {
        self.device.features().contains(wgpu::Features::TEXTURE_FORMAT_16BIT_NORM)
    }

    /// The longest side of a texture, in pixels.
    pub(super) fn max_side(&self) -> u32 {
        self.device.limits().max_texture_dimension_2d
    }

    /// Name, driver and kind of the adapter, for people.
    pub fn description(&self) -> String {
        let info = self.adapter.get_info();
        format!("{} ({:?}, {:?})", info.name, info.backend, info.device_type)
    }

    /// The device, for drawing over the picture.
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// The queue, for drawing over the picture.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }
}
