//! The corpora of the fuzz targets, replayed: every file as it is, and damaged in a few hundred ways that are the
//! same each time.

#[path = "targets.rs"]
mod targets;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Damaged copies of each file.
const COPIES: u64 = 150;
/// Longest time for one input.
const PATIENCE: Duration = Duration::from_secs(2);

/// Numbers that look random and are the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// `data` with a few bytes changed, removed or repeated.
fn damaged(data: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut copy = data.to_vec();
    for _ in 0..=numbers.below(4) {
        let (at, length) = (numbers.below(copy.len()), numbers.below(24));
        let end = (at + length).min(copy.len());
        match numbers.below(5) {
            0 => copy.truncate(at),
            1 => drop(copy.drain(at..end)),
            2 => {
                let piece = copy[at..end].to_vec();
                copy.splice(at..at, piece);
            }
            3 if at < copy.len() => copy[at] = [0, 0x7f, 0xff, b'9', b'-', b'"'][numbers.below(6)],
            _ if at < copy.len() => copy[at] ^= 1 << numbers.below(8),
            _ => {}
        }
    }
    copy
}

#[test]
fn corpora_do_no_harm() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let folder = fs::read_dir(corpora.join(name)).unwrap_or_else(|_| panic!("there is no corpus {name}"));
        let mut files: Vec<_> = folder.flatten().map(|entry| entry.path()).collect();
        files.sort();
        assert!(!files.is_empty(), "the corpus {name} is empty");
        let mut inputs = 0;
        for file in files {
            let data = fs::read(&file).expect("a file");
            let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
            let copies = (0..COPIES).map(|_| damaged(&data, &mut numbers));
            for input in std::iter::once(data.clone()).chain(copies.collect::<Vec<_>>()) {
                let start = Instant::now();
                target(&input);
                assert!(start.elapsed() < PATIENCE, "{} took {:?}", file.display(), start.elapsed());
                inputs += 1;
            }
        }
        println!("{name}: {inputs} inputs");
    }
}
