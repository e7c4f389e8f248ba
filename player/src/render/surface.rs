//! A window's surface: shows pictures, draws over them, survives what windows go through.

use super::adapter::Gpu;
use super::cpu::{Converter, Order};
use super::timings::Timings;
use super::video::{Video, clear};
use crate::frame::Picture;
use abr::error::{Code, Error, Severity};
use std::sync::Arc;
use std::time::Instant;

/// What a window offers.
pub trait Host {
    /// A new surface on the window.
    ///
    /// # Errors
    /// What the instance says.
    fn attach(&self, instance: &wgpu::Instance) -> Result<wgpu::Surface<'static>, wgpu::CreateSurfaceError>;
    /// How to make an instance for the window's display.
    fn describe(&self) -> wgpu::InstanceDescriptor;
}

/// What became of a request to show something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It is on its way to the screen.
    Presented,
    /// The window was not ready; ask again soon.
    Later,
    /// The window cannot be seen; ask again when it can.
    Hidden,
}

/// What the window system answered when asked for the next texture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Good,
    Suboptimal,
    Timeout,
    Occluded,
    Outdated,
    Lost,
    Invalid,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reaction {
    Draw,
    DrawThenConfigure,
    Give(Shown),
    ConfigureAndAsk,
    AttachAndAsk,
    Fail,
}

/// Attempts in a row, over several calls, before the device is taken for lost.
const ATTEMPTS: u32 = 8;

/// `before` counts bad answers in a row before this one.
fn react(answer: Answer, before: u32) -> Reaction {
    match answer {
        Answer::Good => Reaction::Draw,
        Answer::Suboptimal => Reaction::DrawThenConfigure,
        Answer::Timeout => Reaction::Give(Shown::Later),
        Answer::Occluded => Reaction::Give(Shown::Hidden),
        _ if before >= ATTEMPTS => Reaction::Fail,
        // The second bad answer in a call waits for the next call, so that no call takes long.
        _ if before % 2 == 1 => Reaction::Give(Shown::Later),
        Answer::Outdated | Answer::Invalid => Reaction::ConfigureAndAsk,
        Answer::Lost => Reaction::AttachAndAsk,
    }
}

/// Which way pictures take.
enum Path {
    Shader(Box<Video>),
    Cpu(Box<Converter>, Order),
}

/// A window's surface with all that draws on it.
pub struct Screen {
    gpu: Gpu,
    /// Gone between losing one and attaching the next.
    surface: Option<wgpu::Surface<'static>>,
    config: wgpu::SurfaceConfiguration,
    visible: bool,
    path: Path,
    loaded: Option<(Arc<Picture>, (u32, u32))>,
    bad_answers: u32,
    timings: Timings,
}

impl Screen {
    /// Opens the best adapter that can show on `host`, whose size in pixels is `size`. A size of zero is a
    /// hidden window.
    ///
    /// # Errors
    /// [`Code::NoAdapter`].
    pub fn open(host: &dyn Host, size: (u32, u32)) -> Result<Self, Error> {
        let (gpu, surface) =
            Gpu::open(|| host.describe().with_env(), |instance| host.attach(instance).map(Some))?;
        let unusable = || {
            let text = "The graphics adapter cannot show pictures in this window.";
            Error::new(Severity::Fatal, Code::NoAdapter, text)
        };
        let surface = surface.ok_or_else(unusable)?;
        let offers = surface.get_capabilities(&gpu.adapter);
        // Values are gamma-encoded already: an sRGB format would encode them twice.
        let plain = |format: &&wgpu::TextureFormat| {
            matches!(format, wgpu::TextureFormat::Bgra8Unorm | wgpu::TextureFormat::Rgba8Unorm)
        };
        let format = *offers.formats.iter().find(plain).or(offers.formats.first()).ok_or_else(unusable)?;
        let mut usage = wgpu::TextureUsages::RENDER_ATTACHMENT;
        let converts = gpu.is_software() && offers.usages.contains(wgpu::TextureUsages::COPY_DST);
        let path = match format {
            wgpu::TextureFormat::Bgra8Unorm if converts => Path::Cpu(Box::default(), Order::Bgra),
            wgpu::TextureFormat::Rgba8Unorm if converts => Path::Cpu(Box::default(), Order::Rgba),
            _ => Path::Shader(Box::new(Video::new(&gpu, format))),
        };
        if matches!(path, Path::Cpu(..)) {
            usage |= wgpu::TextureUsages::COPY_DST;
        }
        let config = wgpu::SurfaceConfiguration {
            usage,
            format,
            color_space: wgpu::SurfaceColorSpace::Auto,
            width: 1,
            height: 1,
            present_mode: wgpu::PresentMode::AutoVsync,
            desired_maximum_frame_latency: 2,
            alpha_mode: wgpu::CompositeAlphaMode::Auto,
            view_formats: Vec::new(),
        };
        let mut screen = Self {
            gpu,
            surface: Some(surface),
            config,
            visible: false,
            path,
            loaded: None,
            bad_answers: 0,
            timings: Timings::default(),
        };
        screen.resize(size);
        Ok(screen)
    }

    /// Follows the window's size, in pixels. Zero hides; more than the device can is cut off.
    pub fn resize(&mut self, (width, height): (u32, u32)) {
        self.visible = width > 0 && height > 0;
        if self.visible {
            let limit = self.gpu.max_side();
            (self.config.width, self.config.height) = (width.min(limit), height.min(limit));
            self.configure();
        }
    }

    fn configure(&self) {
        if let Some(surface) = &self.surface {
            surface.configure(&self.gpu.device, &self.config);
        }
    }

    /// The size drawn at, in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.config.width, self.config.height)
    }

    /// The format of the target that overlays are drawn on.
    pub fn format(&self) -> wgpu::TextureFormat {
        self.config.format
    }

    /// The adapter in use.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Whether pictures are converted on the CPU.
    pub fn converts_on_cpu(&self) -> bool {
        matches!(self.path, Path::Cpu(..))
    }

    /// What showing cost so far; redrawing the same picture is not counted.
    pub fn timings(&self) -> Timings {
        self.timings
    }

    /// Shows `picture`, or black, and lets `overlay` draw over it in the same frame.
    ///
    /// # Errors
    /// [`Code::DeviceLost`], recoverable: drop this screen and everything made from its device and open
    /// another one. [`Code::Format`] when the device cannot hold the picture.
    pub fn show(
        &mut self,
        host: &dyn Host,
        picture: Option<&Arc<Picture>>,
        overlay: impl FnOnce(&Gpu, &mut wgpu::CommandEncoder, &wgpu::TextureView),
    ) -> Result<Shown, Error> {
        self.gpu.check()?;
        if !self.visible {
            return Ok(Shown::Hidden);
        }
        let started = Instant::now();
        let new = self.load(picture)?;
        let loaded = Instant::now();
        let (texture, configure) = match self.acquire(host)? {
            Ok(acquired) => acquired,
            Err(shown) => return Ok(shown),
        };
        let acquired = Instant::now();
        let view = texture.texture.create_view(&wgpu::TextureViewDescriptor::default());
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let target = self.size();
        match (&mut self.path, picture) {
            (Path::Shader(video), Some(picture)) => {
                video.draw(&self.gpu, &mut encoder, &view, target, picture);
            }
            (Path::Cpu(converter, _), Some(_)) => self.gpu.queue.write_texture(
                texture.texture.as_image_copy(),
                converter.pixels(),
                wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(target.0 * 4),
                    rows_per_image: None,
                },
                texture.texture.size(),
            ),
            (_, None) => drop(clear(&mut encoder, &view)),
        }
        overlay(&self.gpu, &mut encoder, &view);
        self.gpu.queue.submit([encoder.finish()]);
        let drawn = Instant::now();
        self.gpu.queue.present(texture);
        if new {
            self.timings.add(loaded - started, drawn - acquired, drawn.elapsed());
        }
        if configure {
            self.configure();
        }
        self.gpu.check().map(|()| Shown::Presented)
    }

    /// Brings the picture to where it is drawn from, unless it is there already.
    fn load(&mut self, picture: Option<&Arc<Picture>>) -> Result<bool, Error> {
        let Some(picture) = picture else { return Ok(false) };
        let size = self.size();
        if self.loaded.as_ref().is_some_and(|(last, at)| Arc::ptr_eq(last, picture) && *at == size) {
            return Ok(false);
        }
        match &mut self.path {
            Path::Shader(video) => video.upload(&self.gpu, picture)?,
            Path::Cpu(converter, order) => {
                converter.convert(picture, size, *order);
            }
        }
        self.loaded = Some((Arc::clone(picture), size));
        Ok(true)
    }

    /// The next texture of the window and whether to configure the surface after it, or why not now.
    fn acquire(&mut self, host: &dyn Host) -> Result<Result<(wgpu::SurfaceTexture, bool), Shown>, Error> {
        loop {
            let Some(surface) = &self.surface else {
                if self.bad_answers >= ATTEMPTS {
                    return Err(surface_lost());
                }
                self.bad_answers += 1;
                self.attach(host);
                return Ok(Err(Shown::Later));
            };
            let (answer, texture) = match surface.get_current_texture() {
                wgpu::CurrentSurfaceTexture::Success(texture) => (Answer::Good, Some(texture)),
                wgpu::CurrentSurfaceTexture::Suboptimal(texture) => (Answer::Suboptimal, Some(texture)),
                wgpu::CurrentSurfaceTexture::Timeout => (Answer::Timeout, None),
                wgpu::CurrentSurfaceTexture::Occluded => (Answer::Occluded, None),
                wgpu::CurrentSurfaceTexture::Outdated => (Answer::Outdated, None),
                wgpu::CurrentSurfaceTexture::Lost => (Answer::Lost, None),
                wgpu::CurrentSurfaceTexture::Validation => (Answer::Invalid, None),
            };
            self.gpu.check()?;
            let reaction = react(answer, self.bad_answers);
            if let Some(texture) = texture {
                self.bad_answers = 0;
                return Ok(Ok((texture, reaction == Reaction::DrawThenConfigure)));
            }
            match reaction {
                Reaction::Give(shown) => {
                    if !matches!(answer, Answer::Timeout | Answer::Occluded) {
                        self.bad_answers += 1;
                    }
                    return Ok(Err(shown));
                }
                Reaction::AttachAndAsk => {
                    self.bad_answers += 1;
                    self.attach(host);
                }
                Reaction::ConfigureAndAsk => {
                    self.bad_answers += 1;
                    self.configure();
                }
                Reaction::Draw | Reaction::DrawThenConfigure | Reaction::Fail => {
                    return Err(surface_lost());
                }
            }
        }
    }

    /// Replaces the surface. A window takes one at a time.
    fn attach(&mut self, host: &dyn Host) {
        self.surface = None;
        self.surface = host.attach(&self.gpu.instance).ok();
        self.configure();
    }
}

fn surface_lost() -> Error {
    let text = "The window's surface is lost and could not be made anew.";
    Error::new(Severity::Recoverable, Code::DeviceLost, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_a_reaction_and_none_repeats_for_ever() {
        assert_eq!(react(Answer::Good, 0), Reaction::Draw);
        assert_eq!(react(Answer::Suboptimal, ATTEMPTS), Reaction::DrawThenConfigure);
        assert_eq!(react(Answer::Timeout, ATTEMPTS), Reaction::Give(Shown::Later));
        assert_eq!(react(Answer::Occluded, 0), Reaction::Give(Shown::Hidden));
        for (answer, first) in [
            (Answer::Outdated, Reaction::ConfigureAndAsk),
            (Answer::Lost, Reaction::AttachAndAsk),
            (Answer::Invalid, Reaction::ConfigureAndAsk),
        ] {
            assert_eq!(react(answer, 0), first);
            assert_eq!(react(answer, 1), Reaction::Give(Shown::Later));
            assert_eq!(react(answer, ATTEMPTS), Reaction::Fail);
        }
    }
}
