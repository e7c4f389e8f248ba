//! From encrypted samples to clear ones: the seam to `drm-stub`, which does all of it.

use super::demux::RawTrack;
use bytes::{Bytes, BytesMut};
use drm_stub::cdm::Cdm;
use drm_stub::cenc::{SampleCipher, Scheme};
use drm_stub::error::CdmError;
use drm_stub::key::KeyId;

/// Decrypts the samples of a track with the keys of `cdm`. Clear samples stay as they are; encrypted ones
/// move into one new allocation per segment, as the bytes of a segment are shared.
///
/// # Errors
/// [`CdmError`]; samples are then as they were.
pub fn decrypt(track: &mut RawTrack, cdm: &dyn Cdm) -> Result<(), CdmError> {
    let encrypted = track.samples.iter().filter(|sample| sample.protection.is_some());
    let mut memory = BytesMut::with_capacity(encrypted.map(|sample| sample.data.len()).sum());
    let mut clear: Vec<(usize, Bytes)> = Vec::new();
    for (place, sample) in track.samples.iter().enumerate() {
        let Some(protection) = &sample.protection else { continue };
        let scheme = sample.format.protection.as_ref().map(|protection| protection.scheme.0);
        let scheme = scheme.and_then(Scheme::from_fourcc);
        let scheme = scheme.ok_or(CdmError::Data("the protection scheme is not known"))?;
        let cipher = SampleCipher {
            scheme,
            iv: &protection.iv,
            subsamples: &protection.subsamples,
            pattern: (protection.crypt_blocks, protection.skip_blocks),
        };
        memory.extend_from_slice(&sample.data);
        cdm.decrypt(KeyId(protection.kid), &cipher, &mut memory)?;
        clear.push((place, memory.split().freeze()));
    }
    for (place, data) in clear {
        let sample = &mut track.samples[place];
        (sample.data, sample.protection) = (data, None);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::demux::RawSample;
    use crate::media::sample::{Codec, FourCc, Protection, SampleFormat, SampleProtection, StreamLayout};
    use drm_stub::clearkey::ClearKey;
    use drm_stub::key::ContentKey;
    use std::sync::Arc;

    fn track() -> RawTrack {
        let protection = Protection {
            scheme: FourCc(*b"cenc"),
            protected: true,
            default_kid: [1; 16],
            iv_size: 8,
            constant_iv: None,
            crypt_blocks: 0,
            skip_blocks: 0,
        };
        let format = Arc::new(SampleFormat {
            protection: Some(protection),
            ..SampleFormat::new(Codec::H264, StreamLayout::LengthPrefixed)
        });
        let sample = |n: u8, protected: bool| RawSample {
            pts: n.into(),
            dts: None,
            duration: 1,
            keyframe: true,
            trim_start: 0,
            data: vec![n; 40].into(),
            format: format.clone(),
            protection: protected.then(|| {
                Arc::new(SampleProtection {
                    kid: [1; 16],
                    iv: vec![n; 8].into(),
                    subsamples: vec![(10, 30)],
                    crypt_blocks: 0,
                    skip_blocks: 0,
                })
            }),
        };
        RawTrack { timescale: 1, samples: vec![sample(0, true), sample(1, false), sample(2, true)] }
    }

    #[test]
    fn a_missing_key_changes_nothing() {
        let mut track = track();
        assert_eq!(decrypt(&mut track, &ClearKey::new()), Err(CdmError::MissingKey(KeyId([1; 16]))));
        assert_eq!(&track.samples[0].data[..], &[0; 40]);
        assert!(track.samples[0].protection.is_some());
    }

    #[test]
    fn only_encrypted_bytes_change_and_come_back() {
        let mut cdm = ClearKey::new();
        cdm.give(KeyId([1; 16]), ContentKey::new([5; 16]));
        let mut track = track();
        let protections: Vec<_> = track.samples.iter().map(|sample| sample.protection.clone()).collect();
        decrypt(&mut track, &cdm).unwrap();
        assert_eq!(&track.samples[2].data[..10], &[2; 10]);
        assert_ne!(&track.samples[2].data[10..], &[2; 30]);
        assert_eq!(&track.samples[1].data[..], &[1; 40]);
        // AES-CTR is its own inverse.
        for (sample, protection) in track.samples.iter_mut().zip(protections) {
            sample.protection = protection;
        }
        decrypt(&mut track, &cdm).unwrap();
        assert_eq!(&track.samples[2].data[..], &[2; 40]);
    }
}
