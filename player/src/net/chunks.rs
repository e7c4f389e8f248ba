//! Cuts a body that comes as it is produced into CMAF chunks (ISO/IEC 23000-19, 7.3.2.3): everything up to and
//! with an `mdat` box, so that each can be decoded when it is here.

use std::ops::Range;

/// Finds the chunks of a body that grows at its end.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// Where the next box begins.
    next: usize,
    /// Where the chunk that it belongs to begins.
    begin: usize,
    /// A box was found whose end is not known: no chunk can follow.
    lost: bool,
}

impl Chunks {
    /// The next chunk that is complete in `body`, which begins as it did before.
    pub(super) fn take(&mut self, body: &[u8]) -> Option<Range<usize>> {
        while !self.lost {
            let rest = body.get(self.next..)?;
            let small = u32::from_be_bytes(*rest.first_chunk()?);
            let kind = rest.get(4..8)?;
            let (size, header) = match small {
                1 => (u64::from_be_bytes(*rest.get(8..)?.first_chunk()?), 16),
                size => (u64::from(size), 8),
            };
            self.lost = size < header;
            let size = usize::try_from(size).ok().filter(|size| *size <= rest.len() && !self.lost)?;
            let is_last = kind == b"mdat";
            self.next += size;
            if is_last {
                return Some(std::mem::replace(&mut self.begin, self.next)..self.next);
            }
        }
        None
    }

    /// Where the chunk begins that has not been taken yet.
    pub(super) fn begin(&self) -> usize {
        self.begin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mp4_box(kind: &[u8; 4], payload: usize) -> Vec<u8> {
        let mut out = u32::try_from(payload + 8).unwrap().to_be_bytes().to_vec();
        out.extend_from_slice(kind);
        out.resize(payload + 8, 7);
        out
    }

    fn body() -> Vec<u8> {
        let (moof, mdat) = (mp4_box(b"moof", 30), mp4_box(b"mdat", 100));
        [mp4_box(b"styp", 4), moof.clone(), mdat.clone(), mp4_box(b"prft", 12), moof, mdat].concat()
    }

    #[test]
    fn each_chunk_is_found_as_soon_as_it_is_complete() {
        let (body, mut chunks, mut found) = (body(), Chunks::default(), Vec::new());
        for length in 0..=body.len() {
            while let Some(chunk) = chunks.take(&body[..length]) {
                assert_eq!(chunk.end, length);
                found.push(chunk);
            }
        }
        assert_eq!(found, [0..158, 158..body.len()]);
        assert_eq!(chunks.begin(), body.len());
    }

    proptest! {
        #[test]
        fn no_input_panics_or_loops(body: Vec<u8>) {
            let mut chunks = Chunks::default();
            while let Some(chunk) = chunks.take(&body) {
                prop_assert!(chunk.start < chunk.end && chunk.end <= body.len());
            }
        }
    }
}
