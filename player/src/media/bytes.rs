//! Bounded readers of bytes and bits: every read is checked, none allocates.

use super::error::MediaError;

/// Reads big-endian fields one after the other.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
    origin: usize,
    container: &'static str,
}

impl<'a> Cursor<'a> {
    /// A reader over `data`, which starts `origin` bytes into a `container`.
    pub(super) fn new(data: &'a [u8], origin: usize, container: &'static str) -> Self {
        Self { data, at: 0, origin, container }
    }

    /// An error about the current position.
    pub(super) fn malformed(&self, what: &'static str) -> MediaError {
        MediaError::Malformed { container: self.container, at: self.origin + self.at, what }
    }

    pub(super) fn remaining(&self) -> usize {
        self.data.len() - self.at
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], MediaError> {
        if count > self.remaining() {
            return Err(self.malformed("a field reaches beyond its box"));
        }
        let taken = &self.data[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), MediaError> {
        self.take(count).map(|_| ())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MediaError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, MediaError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, MediaError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u24(&mut self) -> Result<u32, MediaError> {
        self.array().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    pub(super) fn u32(&mut self) -> Result<u32, MediaError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, MediaError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, MediaError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn fourcc(&mut self) -> Result<[u8; 4], MediaError> {
        self.array()
    }

    pub(super) fn kid(&mut self) -> Result<[u8; 16], MediaError> {
        self.array()
    }
}

/// Reads bit fields, most significant bit first. Reading past the end yields `None` for good.
#[derive(Clone)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    pub(super) fn bit(&mut self) -> Option<bool> {
        let byte = self.data.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// `count` bits, at most 32.
    pub(super) fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0u32;
        for _ in 0..count.min(32) {
            value = value << 1 | u32::from(self.bit()?);
        }
        Some(value)
    }

    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count)?;
        (self.at <= self.data.len() * 8).then_some(())
    }

    /// Unsigned Exp-Golomb code, ue(v) of H.264 9.1.
    pub(super) fn unsigned_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let suffix = self.bits(zeros)?;
        (1u32 << zeros).checked_sub(1)?.checked_add(suffix)
    }

    /// Signed Exp-Golomb code, se(v) of H.264 9.1.1.
    pub(super) fn signed_golomb(&mut self) -> Option<i32> {
        let code = i64::from(self.unsigned_golomb()?);
        let magnitude = (code + 1) / 2;
        i32::try_from(if code % 2 == 1 { magnitude } else { -magnitude }).ok()
    }
}
