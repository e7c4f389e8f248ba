//! What decryption costs on one core, beside `openssl speed` on the same machine.
//!
//! `cargo bench -p drm-stub`. Prints megabytes per second of each scheme over samples of 16 KiB with the
//! subsamples of a video sample, and their share of what OpenSSL reaches with plain AES-CTR and AES-CBC.

use drm_stub::cenc::{SampleCipher, Scheme, decrypt};
use drm_stub::hls_aes::{SegmentKey, decrypt_ctr};
use drm_stub::key::ContentKey;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

const BYTES: usize = 16 << 10;
const SPAN: Duration = Duration::from_secs(2);

/// Megabytes per second of `work` on a sample.
fn speed(mut work: impl FnMut(&mut [u8])) -> f64 {
    let mut sample = vec![7; BYTES];
    let (start, mut rounds) = (Instant::now(), 0u32);
    while start.elapsed() < SPAN {
        for _ in 0..64 {
            work(black_box(&mut sample));
        }
        rounds += 64;
    }
    f64::from(rounds) * BYTES as f64 / start.elapsed().as_secs_f64() / 1e6
}

/// What OpenSSL reaches with blocks of the same size, when it is installed.
fn openssl(cipher: &str, decrypting: bool) -> Option<f64> {
    let mut command = Command::new("openssl");
    command.args(["speed", "-mr", "-seconds", "2", "-bytes", "16384", "-evp", cipher]);
    if decrypting {
        command.arg("-decrypt");
    }
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("+F:"))?;
    line.rsplit(':').next()?.trim().parse::<f64>().ok().map(|bytes| bytes / 1e6)
}

fn main() {
    let key = ContentKey::new([3; 16]);
    let segment = SegmentKey::new(vec![3; 16]).expect("16 bytes are a key");
    let whole: [(u16, u32); 1] = [(96, (BYTES - 96) as u32)];
    let sample = |scheme, pattern| SampleCipher { scheme, iv: &[9; 16], subsamples: &whole, pattern };
    let scheme = |scheme, pattern| {
        let cipher = sample(scheme, pattern);
        speed(|bytes| decrypt(&key, &cipher, bytes).expect("the sample is as described"))
    };
    let (ctr, cbc) = (openssl("aes-128-ctr", false), openssl("aes-128-cbc", true));
    let rows = [
        ("cenc", scheme(Scheme::Cenc, (0, 0)), ctr),
        ("cens 1:9", scheme(Scheme::Cens, (1, 9)), ctr),
        ("cbc1", scheme(Scheme::Cbc1, (0, 0)), cbc),
        ("cbcs 1:9", scheme(Scheme::Cbcs, (1, 9)), cbc),
        (
            "whole segment, CTR",
            speed(|bytes| decrypt_ctr(&segment, &[9; 16], bytes).expect("any length fits")),
            ctr,
        ),
    ];
    for (name, ours, theirs) in rows {
        let beside = theirs.map_or_else(String::new, |theirs| {
            format!("  openssl {theirs:7.0} MB/s  ratio {:.2}", ours / theirs)
        });
        println!("{name:<20} {ours:7.0} MB/s{beside}");
    }
}
