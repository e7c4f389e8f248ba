//! Whole segments under AES (HLS `METHOD=AES-128`, RFC 8216 5.2; DASH segment encryption, ISO/IEC 23009-4).

use crate::error::CdmError;
use crate::key::ContentKey;
use aes::cipher::array::Array;
use aes::cipher::consts::U16;
use aes::cipher::{Block, BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit, StreamCipher};
use aes::{Aes128, Aes256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of an AES block.
const BLOCK: usize = 16;

/// A segment key of 128 or 256 bits. Wiped when dropped; prints as `SegmentKey(…)`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SegmentKey(Vec<u8>);

impl SegmentKey {
    /// Takes the body of a key request.
    ///
    /// # Errors
    /// [`CdmError::Licence`] unless it is 16 or 32 bytes long.
    pub fn new(mut bytes: Vec<u8>) -> Result<Self, CdmError> {
        if matches!(bytes.len(), 16 | 32) {
            return Ok(Self(bytes));
        }
        bytes.zeroize();
        Err(CdmError::Licence("a segment key has neither 16 nor 32 bytes"))
    }

    /// The same key for samples; `None` unless it has 16 bytes.
    pub fn content_key(&self) -> Option<ContentKey> {
        self.0[..].try_into().ok().map(ContentKey::new)
    }
}

impl std::fmt::Debug for SegmentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SegmentKey(…)")
    }
}

/// The vector of a segment without `IV` attribute: its media sequence number as 128 bits, big-endian.
pub fn sequence_vector(media_sequence: u64) -> [u8; 16] {
    u128::from(media_sequence).to_be_bytes()
}

/// Decrypts a segment in AES-CBC and takes its PKCS#7 padding off.
///
/// # Errors
/// [`CdmError::Data`] when it is not whole blocks or its padding is wrong (a wrong key, most likely).
pub fn decrypt_cbc(key: &SegmentKey, vector: &[u8; 16], segment: &mut Vec<u8>) -> Result<(), CdmError> {
    if segment.is_empty() || !segment.len().is_multiple_of(BLOCK) {
        return Err(CdmError::Data("an encrypted segment is not whole blocks"));
    }
    if key.0.len() == 16 {
        blocks::<Aes128>(&key.0, vector, segment)?;
    } else {
        blocks::<Aes256>(&key.0, vector, segment)?;
    }
    let wrong = CdmError::Data("the padding of a segment is wrong, hence most likely the key");
    let padding = segment.last().map_or(0, |byte| usize::from(*byte));
    let clear = segment.len().checked_sub(padding).filter(|_| (1..=BLOCK).contains(&padding));
    let clear = clear.ok_or_else(|| wrong.clone())?;
    if segment[clear..].iter().any(|byte| usize::from(*byte) != padding) {
        return Err(wrong);
    }
    segment.truncate(clear);
    Ok(())
}

/// Decrypts a segment in AES-CTR, which has no padding; the counter is the whole vector.
///
/// # Errors
/// [`CdmError::Data`] when the cipher refuses the key.
pub fn decrypt_ctr(key: &SegmentKey, vector: &[u8; 16], segment: &mut [u8]) -> Result<(), CdmError> {
    let refused = |_| CdmError::Data("the cipher refuses the key");
    if key.0.len() == 16 {
        ctr::Ctr128BE::<Aes128>::new_from_slices(&key.0, vector).map_err(refused)?.apply_keystream(segment);
    } else {
        ctr::Ctr128BE::<Aes256>::new_from_slices(&key.0, vector).map_err(refused)?.apply_keystream(segment);
    }
    Ok(())
}

fn blocks<C>(key: &[u8], vector: &[u8; 16], segment: &mut [u8]) -> Result<(), CdmError>
where
    C: BlockCipherDecrypt<BlockSize = U16> + KeyInit,
{
    let chain = cbc::Decryptor::<C>::new_from_slices(key, vector);
    let mut chain = chain.map_err(|_| CdmError::Data("the cipher refuses the key"))?;
    let (blocks, _): (&mut [Block<C>], _) = Array::slice_as_chunks_mut(segment);
    chain.decrypt_blocks(blocks);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::cipher::BlockModeEncrypt;
    use proptest::prelude::*;

    fn encrypt(key: &[u8], vector: &[u8; 16], clear: &[u8]) -> Vec<u8> {
        let padding = 16 - clear.len() % 16;
        let mut data = clear.to_vec();
        data.resize(clear.len() + padding, padding as u8);
        let (blocks, _) = Array::<u8, U16>::slice_as_chunks_mut(&mut data);
        match key.len() {
            16 => cbc::Encryptor::<Aes128>::new_from_slices(key, vector).unwrap().encrypt_blocks(blocks),
            _ => cbc::Encryptor::<Aes256>::new_from_slices(key, vector).unwrap().encrypt_blocks(blocks),
        }
        data
    }

    #[test]
    fn vectors_are_sequence_numbers() {
        assert_eq!(sequence_vector(0x0102), *b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x02");
    }

    #[test]
    fn broken_segments_are_refused() {
        let key = SegmentKey::new(vec![3; 16]).unwrap();
        assert!(decrypt_cbc(&key, &[0; 16], &mut vec![]).is_err());
        assert!(decrypt_cbc(&key, &[0; 16], &mut vec![0; 17]).is_err());
        assert!(SegmentKey::new(vec![0; 24]).is_err());
        assert_eq!(format!("{key:?}"), "SegmentKey(…)");
    }

    #[test]
    fn a_wrong_key_shows_in_the_padding() {
        let mut data = encrypt(&[1; 16], &[0; 16], &[9; 100]);
        let wrong = SegmentKey::new(vec![2; 16]).unwrap();
        assert!(decrypt_cbc(&wrong, &[0; 16], &mut data).is_err());
    }

    proptest! {
        #[test]
        fn segments_come_back(clear in proptest::collection::vec(any::<u8>(), 0..300), key: [u8; 32], vector: [u8; 16], long: bool) {
            let bytes = if long { &key[..] } else { &key[..16] };
            let mut data = encrypt(bytes, &vector, &clear);
            let key = SegmentKey::new(bytes.to_vec()).unwrap();
            decrypt_cbc(&key, &vector, &mut data).unwrap();
            prop_assert_eq!(&data, &clear);
            decrypt_ctr(&key, &vector, &mut data).unwrap();
            decrypt_ctr(&key, &vector, &mut data).unwrap();
            prop_assert_eq!(data, clear);
        }
    }
}
