//! Common encryption (ISO/IEC 23001-7): one sample, decrypted in place, without allocation.

use crate::error::CdmError;
use crate::key::ContentKey;
use aes::Aes128;
use aes::cipher::array::Array;
use aes::cipher::consts::U16;
use aes::cipher::{BlockModeDecrypt, KeyIvInit, StreamCipher};

type Counter = ctr::Ctr64BE<Aes128>;
type Chain = cbc::Decryptor<Aes128>;

/// Bytes of an AES block.
const BLOCK: usize = 16;

/// Protection schemes (clause 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// AES-CTR over whole subsamples.
    Cenc,
    /// AES-CBC over whole subsamples, one chain per sample.
    Cbc1,
    /// AES-CTR over a pattern of blocks.
    Cens,
    /// AES-CBC over a pattern of blocks, one chain per subsample.
    Cbcs,
}

impl Scheme {
    /// The scheme with a four-character code; `piff` is `cenc` before it was named so.
    pub const fn from_fourcc(code: [u8; 4]) -> Option<Self> {
        match &code {
            b"cenc" | b"piff" => Some(Self::Cenc),
            b"cbc1" => Some(Self::Cbc1),
            b"cens" => Some(Self::Cens),
            b"cbcs" => Some(Self::Cbcs),
            _ => None,
        }
    }
}

/// How one sample is encrypted.
#[derive(Clone, Copy, Debug)]
pub struct SampleCipher<'a> {
    /// Which scheme.
    pub scheme: Scheme,
    /// Initialization vector of 8 or 16 bytes.
    pub iv: &'a [u8],
    /// Bytes of clear and encrypted data, alternating; empty: all is encrypted.
    pub subsamples: &'a [(u16, u32)],
    /// Encrypted and clear blocks of the pattern; (0, 0): every block is encrypted.
    pub pattern: (u8, u8),
}

/// Decrypts `sample` in place.
///
/// # Errors
/// [`CdmError::Data`] when the vector has an impossible size or subsamples reach beyond the sample; what
/// was decrypted until then is undefined.
pub fn decrypt(key: &ContentKey, cipher: &SampleCipher<'_>, sample: &mut [u8]) -> Result<(), CdmError> {
    let mut vector = [0; BLOCK];
    match cipher.iv.len() {
        8 | 16 => vector[..cipher.iv.len()].copy_from_slice(cipher.iv),
        _ => return Err(CdmError::Data("an initialization vector has neither 8 nor 16 bytes")),
    }
    let pattern = match (cipher.scheme, cipher.pattern) {
        (Scheme::Cenc | Scheme::Cbc1, _) | (_, (0, _) | (_, 0)) => None,
        (_, (crypt, skip)) => Some((usize::from(crypt) * BLOCK, usize::from(skip) * BLOCK)),
    };
    let mut mode = Mode::new(cipher.scheme, key, &vector);
    if cipher.subsamples.is_empty() {
        mode.range(sample, pattern);
        return Ok(());
    }
    let mut rest = sample;
    for (clear, encrypted) in cipher.subsamples {
        let beyond = CdmError::Data("subsamples reach beyond their sample");
        let (_, behind) = rest.split_at_mut_checked(usize::from(*clear)).ok_or_else(|| beyond.clone())?;
        let (range, behind) = behind.split_at_mut_checked(*encrypted as usize).ok_or(beyond)?;
        if cipher.scheme == Scheme::Cbcs {
            mode = Mode::new(cipher.scheme, key, &vector);
        }
        mode.range(range, pattern);
        rest = behind;
    }
    Ok(())
}

enum Mode {
    Counter(Counter),
    Chain(Chain),
}

impl Mode {
    fn new(scheme: Scheme, key: &ContentKey, vector: &[u8; BLOCK]) -> Self {
        let (key, vector) = (key.bytes().into(), vector.into());
        match scheme {
            Scheme::Cenc | Scheme::Cens => Self::Counter(Counter::new(key, vector)),
            Scheme::Cbc1 | Scheme::Cbcs => Self::Chain(Chain::new(key, vector)),
        }
    }

    /// Decrypts an encrypted range, or the blocks of it that the pattern names.
    fn range(&mut self, range: &mut [u8], pattern: Option<(usize, usize)>) {
        let Some((crypt, skip)) = pattern else { return self.bytes(range) };
        for stretch in range.chunks_mut(crypt + skip) {
            let encrypted = stretch.len().min(crypt);
            // With a pattern only whole blocks are encrypted (9.6).
            let encrypted = encrypted - encrypted % BLOCK;
            self.bytes(&mut stretch[..encrypted]);
        }
    }

    fn bytes(&mut self, bytes: &mut [u8]) {
        match self {
            Self::Counter(counter) => counter.apply_keystream(bytes),
            Self::Chain(chain) => {
                // A rest of less than a block is clear.
                let (blocks, _) = Array::<u8, U16>::slice_as_chunks_mut(bytes);
                chain.decrypt_blocks(blocks);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::cipher::BlockModeEncrypt;
    use proptest::prelude::*;

    const KEY: ContentKey = ContentKey::new([0x2b; 16]);

    /// Encrypts as the standard says, by the shortest way there is.
    fn encrypt(cipher: &SampleCipher<'_>, sample: &mut [u8]) {
        let mut vector = [0; 16];
        vector[..cipher.iv.len()].copy_from_slice(cipher.iv);
        let whole = [(0, sample.len() as u32)];
        let subsamples = if cipher.subsamples.is_empty() { &whole[..] } else { cipher.subsamples };
        let (crypt, skip) = match (cipher.scheme, cipher.pattern) {
            (Scheme::Cenc | Scheme::Cbc1, _) | (_, (0, _) | (_, 0)) => (usize::MAX, 0),
            (_, (crypt, skip)) => (usize::from(crypt), usize::from(skip)),
        };
        let mut counter = Counter::new(KEY.bytes().into(), &vector.into());
        let mut chain = cbc::Encryptor::<Aes128>::new(KEY.bytes().into(), &vector.into());
        let mut at = 0;
        for (clear, encrypted) in subsamples {
            at += usize::from(*clear);
            if cipher.scheme == Scheme::Cbcs {
                chain = cbc::Encryptor::new(KEY.bytes().into(), &vector.into());
            }
            let end = at + *encrypted as usize;
            for (number, block) in sample[at..end].chunks_mut(16).enumerate() {
                let covered = crypt == usize::MAX || number % (crypt + skip) < crypt;
                let partial = block.len() < 16;
                match cipher.scheme {
                    Scheme::Cenc => counter.apply_keystream(block),
                    Scheme::Cens if covered && (!partial || crypt == usize::MAX) => {
                        counter.apply_keystream(block)
                    }
                    Scheme::Cbc1 | Scheme::Cbcs if covered && !partial => {
                        let (blocks, _) = Array::<u8, U16>::slice_as_chunks_mut(block);
                        chain.encrypt_blocks(blocks);
                    }
                    _ => {}
                }
            }
            at = end;
        }
    }

    #[test]
    fn subsamples_beyond_the_sample_are_refused() {
        let cipher = SampleCipher {
            scheme: Scheme::Cenc,
            iv: &[0; 8],
            subsamples: &[(4, 20), (5, 1)],
            pattern: (0, 0),
        };
        assert!(decrypt(&KEY, &cipher, &mut [0; 29]).is_err());
        assert!(decrypt(&KEY, &cipher, &mut [0; 30]).is_ok());
        let cipher = SampleCipher { iv: &[0; 4], ..cipher };
        assert!(decrypt(&KEY, &cipher, &mut [0; 30]).is_err());
    }

    #[test]
    fn the_counter_wraps_in_its_low_half_alone() {
        // A vector whose low half is about to wrap: the high half must not change.
        let mut vector = [0xff; 16];
        vector[..8].copy_from_slice(&[1; 8]);
        let mut sample = [0; 32];
        let cipher = SampleCipher { scheme: Scheme::Cenc, iv: &vector, subsamples: &[], pattern: (0, 0) };
        decrypt(&KEY, &cipher, &mut sample).unwrap();
        let mut second = [0; 16];
        let wrapped = [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let cipher = SampleCipher { iv: &wrapped, ..cipher };
        decrypt(&KEY, &cipher, &mut second).unwrap();
        assert_eq!(sample[16..], second);
    }

    proptest! {
        #[test]
        fn what_was_encrypted_is_clear_again(
            data in proptest::collection::vec(any::<u8>(), 0..600),
            cuts in proptest::collection::vec((0u16..40, 0u32..200), 0..5),
            scheme in 0usize..4,
            pattern in prop_oneof![Just((0u8, 0u8)), Just((1, 9)), Just((2, 3))],
            long: bool,
        ) {
            let scheme = [Scheme::Cenc, Scheme::Cbc1, Scheme::Cens, Scheme::Cbcs][scheme];
            let mut left = data.len();
            let mut subsamples = Vec::new();
            for (clear, encrypted) in cuts {
                let clear = usize::from(clear).min(left);
                let encrypted = (encrypted as usize).min(left - clear);
                left -= clear + encrypted;
                subsamples.push((clear as u16, encrypted as u32));
            }
            let iv = [9; 16];
            let iv = if long { &iv[..] } else { &iv[..8] };
            let cipher = SampleCipher { scheme, iv, subsamples: &subsamples, pattern };
            let mut sample = data.clone();
            encrypt(&cipher, &mut sample);
            decrypt(&KEY, &cipher, &mut sample).unwrap();
            prop_assert_eq!(sample, data);
        }
    }
}
