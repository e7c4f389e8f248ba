//! Colours, siting, scaling and robustness of both paths; the reference is zimg through ffmpeg.
#![allow(clippy::unwrap_used, reason = "tests may")]

use super::cpu::{Converter, Order};
use super::image::RgbaImage;
use super::offscreen::Renderer;
use crate::frame::{ChromaSite, Color, Matrix, Picture, PixelFormat, Planes};
use std::io::Write;
use std::process::{Command, Stdio};

/// Planes with padded rows.
struct Padded {
    planes: Vec<(Vec<u8>, usize)>,
}

impl Planes for Padded {
    fn plane(&self, index: usize) -> &[u8] {
        self.planes.get(index).map_or(&[], |(data, _)| data)
    }
    fn stride(&self, index: usize) -> usize {
        self.planes.get(index).map_or(0, |(_, stride)| *stride)
    }
}

const LIMITED_709: Color = Color { matrix: Matrix::Bt709, full_range: false, chroma_site: ChromaSite::Left };

/// A picture from packed planes, with 32 bytes of padding after each row.
fn picture(format: PixelFormat, size: (u32, u32), color: Color, packed: &[u8]) -> Picture {
    let mut rest = packed;
    let planes = (0..format.planes())
        .map(|plane| {
            let (bytes, rows) = format.plane_size(plane, size.0, size.1);
            let (data, after) = rest.split_at(bytes * rows);
            rest = after;
            let padded = data.chunks(bytes).flat_map(|row| [row, &[0xA5; 32]].concat()).collect();
            (padded, bytes + 32)
        })
        .collect();
    let (width, height) = size;
    Picture { format, width, height, pixel_aspect: (1, 1), color, planes: Box::new(Padded { planes }) }
}

/// A grey picture with a one-step ramp.
fn grey(format: PixelFormat, size: (u32, u32)) -> Picture {
    let total: usize = (0..format.planes())
        .map(|plane| format.plane_size(plane, size.0, size.1))
        .map(|(bytes, rows)| bytes * rows)
        .sum();
    let packed: Vec<u8> = match format {
        PixelFormat::P010 => [0x00, 0x80].repeat(total / 2),
        PixelFormat::I420P10 => [0x00, 0x02].repeat(total / 2),
        _ => vec![128; total],
    };
    picture(format, size, LIMITED_709, &packed)
}

fn ffmpeg(arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let (mut stdin, input) = (child.stdin.take()?, input.to_vec());
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().ok()?;
    let _ = writer.join();
    output.status.success().then_some(output.stdout)
}

/// One frame of a busy synthetic picture as packed planes.
fn content(pixel_format: &str, (width, height): (u32, u32)) -> Option<Vec<u8>> {
    let source = format!("testsrc2=s={width}x{height}:r=1:d=1,noise=alls=6:all_seed=7");
    ffmpeg(
        &["-f", "lavfi", "-i", &source, "-frames:v", "1", "-pix_fmt", pixel_format, "-f", "rawvideo", "-"],
        &[],
    )
}

/// What zimg makes of it, as packed RGB.
fn zimg(pixel_format: &str, size: (u32, u32), color: Color, packed: &[u8]) -> Option<Vec<u8>> {
    let matrix = match color.matrix {
        Matrix::Bt601 => "170m",
        Matrix::Bt709 => "709",
        Matrix::Bt2020 => "2020_ncl",
    };
    let site = match color.chroma_site {
        ChromaSite::Left => "left",
        ChromaSite::TopLeft => "topleft",
        ChromaSite::Center => "center",
    };
    let range = if color.full_range { "full" } else { "limited" };
    let filter =
        format!("zscale=min={matrix}:rin={range}:cin={site}:r=full:filter=bilinear:dither=none,format=gbrp");
    let size = format!("{}x{}", size.0, size.1);
    let input = ["-f", "rawvideo", "-pix_fmt", pixel_format, "-s", &size, "-i", "-", "-vf", &filter];
    ffmpeg(&[&input[..], &["-pix_fmt", "rgb24", "-f", "rawvideo", "-"]].concat(), packed)
}

/// Peak signal-to-noise ratio of RGBA against RGB, in dB.
fn psnr(image: &[u8], reference: &[u8]) -> f64 {
    assert_eq!(image.len() / 4, reference.len() / 3);
    let squares: f64 = image
        .chunks(4)
        .zip(reference.chunks(3))
        .flat_map(|(ours, theirs)| ours.iter().zip(theirs))
        .map(|(a, b)| f64::from(i16::from(*a) - i16::from(*b)).powi(2))
        .sum();
    10.0 * (255.0 * 255.0 / (squares / reference.len() as f64).max(1e-9)).log10()
}

/// Interleaves the second and third plane; `shift` moves 10-bit values to the high bits.
fn interleave(packed: &[u8], luma: usize, sample: usize, shift: u32) -> Vec<u8> {
    let chroma = (packed.len() - luma) / 2;
    let (cb, cr) = packed[luma..].split_at(chroma);
    let pairs = cb.chunks(sample).zip(cr.chunks(sample)).flat_map(|(a, b)| [a, b].concat());
    let mut bytes: Vec<u8> = packed[..luma].iter().copied().chain(pairs).collect();
    if sample == 2 {
        for word in bytes.as_chunks_mut::<2>().0 {
            *word = (u16::from_le_bytes(*word) << shift).to_le_bytes();
        }
    }
    bytes
}

/// Every colour that is tested.
fn colors() -> impl Iterator<Item = Color> {
    [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020].into_iter().flat_map(|matrix| {
        [false, true].into_iter().flat_map(move |full_range| {
            [ChromaSite::Left, ChromaSite::TopLeft, ChromaSite::Center].map(|chroma_site| Color {
                matrix,
                full_range,
                chroma_site,
            })
        })
    })
}

fn renderer() -> Option<Renderer> {
    Renderer::new().inspect_err(|error| println!("skipped: shader path ({error})")).ok()
}

#[test]
fn both_paths_agree_with_zimg() {
    let size = (320, 180);
    let luma = 320 * 180;
    let mut gpu = renderer();
    let mut cpu = Converter::new();
    for (name, planar) in [
        ("yuv420p", PixelFormat::I420),
        ("yuv420p10le", PixelFormat::I420P10),
        ("yuv422p", PixelFormat::I422),
        ("yuv444p", PixelFormat::I444),
    ] {
        let Some(packed) = content(name, size) else {
            println!("skipped: ffmpeg is not installed");
            return;
        };
        for color in colors() {
            let Some(reference) = zimg(name, size, color, &packed) else {
                println!("skipped: ffmpeg has no zscale");
                return;
            };
            let mut variants = vec![(planar, packed.clone())];
            match planar {
                PixelFormat::I420 => variants.push((PixelFormat::Nv12, interleave(&packed, luma, 1, 0))),
                PixelFormat::I420P10 => {
                    variants.push((PixelFormat::P010, interleave(&packed, luma * 2, 2, 6)));
                }
                _ => {}
            }
            for (format, packed) in variants {
                let picture = picture(format, size, color, &packed);
                let on_cpu = psnr(cpu.convert(&picture, size, Order::Rgba), &reference);
                assert!(on_cpu >= 50.0, "CPU path, {format:?} {color:?}: {on_cpu:.1} dB");
                if let Some(gpu) = &mut gpu {
                    let image = gpu.render(&picture, size.0, size.1).unwrap();
                    let on_gpu = psnr(&image.pixels, &reference);
                    assert!(on_gpu >= 50.0, "shader path, {format:?} {color:?}: {on_gpu:.1} dB");
                    println!("{format:?} {color:?}: shader {on_gpu:.1} dB, CPU {on_cpu:.1} dB");
                }
            }
        }
    }
}

#[test]
fn scaling_agrees_between_the_paths_and_keeps_flat_areas_flat() {
    let Some(mut gpu) = renderer() else { return };
    let mut cpu = Converter::new();
    let source = (320, 180);
    let busy = content("yuv420p", source).map(|p| picture(PixelFormat::I420, source, LIMITED_709, &p));
    for target in [(640, 360), (160, 90), (501, 333), (100, 300), (1, 1), (320, 200), (33, 18)] {
        let flat = grey(PixelFormat::Nv12, source);
        let rect = super::layout::letterbox(320, 180, (1, 1), target);
        let image = gpu.render(&flat, target.0, target.1).unwrap();
        let converted = cpu.convert(&flat, target, Order::Rgba);
        for (place, (a, b)) in image.pixels.chunks(4).zip(converted.chunks(4)).enumerate() {
            let (x, y) = (place as u32 % target.0, place as u32 / target.0);
            let inside =
                (rect.x..rect.x + rect.width).contains(&x) && (rect.y..rect.y + rect.height).contains(&y);
            // (128 - 16) / 219 × 255 = 130.4
            let expected = if inside { 130u8 } else { 0 };
            assert!(
                a[..3].iter().chain(&b[..3]).all(|v| v.abs_diff(expected) <= 1),
                "{x},{y} {a:?} {b:?} {target:?}"
            );
            assert_eq!((a[3], b[3]), (255, 255));
        }
        if let Some(busy) = &busy {
            // The shader scales R'G'B', the converter Y'CbCr: alike, not equal.
            let rgb: Vec<u8> =
                cpu.convert(busy, target, Order::Rgba).chunks(4).flat_map(|p| p[..3].to_vec()).collect();
            let alike = psnr(&gpu.render(busy, target.0, target.1).unwrap().pixels, &rgb);
            assert!(alike > 25.0, "{target:?}: {alike:.1} dB");
        }
    }
}

#[test]
fn odd_sizes_and_formats_one_after_the_other() {
    let mut gpu = renderer();
    let mut cpu = Converter::new();
    for size in [(1, 1), (3, 5), (17, 9), (321, 181)] {
        for format in [
            PixelFormat::I420,
            PixelFormat::Nv12,
            PixelFormat::I420P10,
            PixelFormat::P010,
            PixelFormat::I422,
            PixelFormat::I444,
        ] {
            let picture = grey(format, size);
            let mut images = vec![cpu.convert(&picture, size, Order::Bgra).to_vec()];
            images.extend(gpu.as_mut().map(|gpu| gpu.render(&picture, size.0, size.1).unwrap().pixels));
            for image in images {
                let wrong = image.chunks(4).find(|pixel| pixel[..3].iter().any(|v| v.abs_diff(130) > 1));
                assert_eq!(wrong, None, "{format:?} {size:?}");
            }
        }
    }
}

#[test]
fn short_planes_and_impossible_sizes_do_no_harm() {
    let mut short = grey(PixelFormat::I420, (64, 64));
    short.planes = Box::new(Padded { planes: vec![(vec![1; 100], 64), (vec![], 0), (vec![2; 5000], 3)] });
    let mut cpu = Converter::new();
    assert_eq!(cpu.convert(&short, (100, 50), Order::Rgba).len(), 100 * 50 * 4);
    assert_eq!(cpu.convert(&short, (0, 50), Order::Rgba).len(), 0);
    let Some(mut gpu) = renderer() else { return };
    gpu.render(&short, 100, 50).unwrap();
    let code = gpu.render(&short, 0, 50).unwrap_err().code;
    assert_eq!(code, abr::error::Code::Format);
    let mut huge = grey(PixelFormat::I420, (64, 64));
    huge.width = 1_000_000;
    assert_eq!(gpu.render(&huge, 64, 64).unwrap_err().code, abr::error::Code::Format);
    gpu.render(&grey(PixelFormat::I420, (64, 64)), 64, 64).unwrap();
}

#[test]
fn a_lost_device_is_reported_and_another_one_works() {
    let Some(mut gpu) = renderer() else { return };
    let picture = grey(PixelFormat::I420, (64, 64));
    gpu.render(&picture, 64, 64).unwrap();
    gpu.gpu().device().destroy();
    let error = gpu.render(&picture, 64, 64).unwrap_err();
    assert_eq!(
        (error.code, error.severity),
        (abr::error::Code::DeviceLost, abr::error::Severity::Recoverable)
    );
    drop(gpu);
    Renderer::new().unwrap().render(&picture, 64, 64).unwrap();
}

#[test]
fn a_screenshot_is_a_png_of_the_picture_in_square_pixels() {
    let mut wide = grey(PixelFormat::I420, (90, 60));
    wide.pixel_aspect = (4, 3);
    let image = RgbaImage::from_picture(&wide);
    assert_eq!((image.width, image.height), (120, 60));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shot.png");
    image.write_png(&path).unwrap();
    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&path).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (120, 60));
    assert!(pixels.iter().all(|v| v.abs_diff(130) <= 1));
}
