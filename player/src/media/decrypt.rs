//! From encrypted samples to clear ones: the seam to `drm-stub`, which does all of it.

mod plausible;

use super::demux::{Demuxed, Demuxer, RawTrack, Wanted};
use super::isobmff::{self, encryption};
use super::sample::Codec;
use crate::pipeline::{Append, Cipher};
use abr::presentation::Container;
use bytes::{Bytes, BytesMut};
use drm_stub::cdm::Cdm;
use drm_stub::cenc::{self, SampleCipher, Scheme};
use drm_stub::error::CdmError;
use drm_stub::hls_aes;
use drm_stub::key::KeyId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// So many samples that are no media prove a key wrong, so many that are media prove it right.
const WRONG: u32 = 3;
const RIGHT: u32 = 64;

/// What an initialization segment says about keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InitKeys {
    /// Whether samples may be encrypted.
    pub protected: bool,
    /// Default key identifiers of its tracks; never zero.
    pub kids: BTreeSet<KeyId>,
    /// Its `pssh` boxes.
    pub pssh: Vec<u8>,
}

/// Reads what an initialization segment says about keys; nothing for other containers and damaged ones.
pub fn init_keys(init: &[u8]) -> InitKeys {
    let Ok(movie) = isobmff::parse_init(init) else { return InitKeys::default() };
    let formats = movie.tracks.iter().flat_map(|track| &track.formats);
    let protections: Vec<_> = formats.filter_map(|format| format.protection.as_ref()).collect();
    let kids = protections.iter().filter(|p| p.protected).map(|p| KeyId(p.default_kid));
    InitKeys {
        protected: !protections.is_empty(),
        kids: kids.filter(|kid| kid.0 != [0; 16]).collect(),
        pssh: encryption::pssh_boxes(init).unwrap_or_default(),
    }
}

/// The `pssh` boxes of a media segment; nothing for other containers and damaged ones.
pub fn segment_pssh(data: &[u8]) -> Vec<u8> {
    encryption::pssh_boxes(data).unwrap_or_default()
}

/// The key identifiers of the encrypted samples of a segment; nothing for a segment that cannot be read.
pub fn key_ids(demuxer: &mut Demuxer, init: Option<&Bytes>, data: &Bytes) -> BTreeSet<KeyId> {
    let Ok(demuxed) = demuxer.read(Container::Mp4, init, data, Wanted::ALL) else { return BTreeSet::new() };
    let tracks = [&demuxed.video, &demuxed.audio, &demuxed.text];
    let samples = tracks.into_iter().flat_map(|track| &track.samples);
    samples.filter_map(|sample| Some(KeyId(sample.protection.as_ref()?.kid))).collect()
}

/// Makes the bytes of an append clear that are encrypted as a whole.
///
/// # Errors
/// [`CdmError`]; the bytes are then as they were.
pub fn unseal(append: &mut Append) -> Result<(), CdmError> {
    let Some(Cipher::Bytes { key, iv }) = &append.cipher else { return Ok(()) };
    let mut data = append.data.to_vec();
    hls_aes::decrypt_cbc(key, iv, &mut data)?;
    append.data = data.into();
    Ok(())
}

/// Decrypts the samples of a track with the keys of `cdm`. Clear samples stay as they are; encrypted ones
/// move into one new allocation per segment, as the bytes of a segment are shared.
///
/// # Errors
/// [`CdmError`]; samples are then as they were.
pub fn decrypt(track: &mut RawTrack, cdm: &dyn Cdm) -> Result<(), CdmError> {
    each(track, |kid, cipher, sample| cdm.decrypt(kid, cipher, sample))
}

fn each(
    track: &mut RawTrack,
    mut decrypt: impl FnMut(KeyId, &SampleCipher<'_>, &mut [u8]) -> Result<(), CdmError>,
) -> Result<(), CdmError> {
    let encrypted = track.samples.iter().filter(|sample| sample.protection.is_some());
    let (count, bytes) =
        encrypted.fold((0, 0), |(count, bytes), sample| (count + 1, bytes + sample.data.len()));
    let mut memory = BytesMut::with_capacity(bytes);
    let mut clear: Vec<(usize, Bytes)> = Vec::with_capacity(count);
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
        decrypt(KeyId(protection.kid), &cipher, &mut memory)?;
        clear.push((place, memory.split().freeze()));
    }
    for (place, data) in clear {
        let sample = &mut track.samples[place];
        (sample.data, sample.protection) = (data, None);
    }
    Ok(())
}

/// Decrypts segment after segment, and notices keys that do not fit.
pub struct Decryptor {
    cdm: Arc<dyn Cdm>,
    /// Samples that were media so far, by key identifier and codec, until there are [`RIGHT`].
    proofs: HashMap<(KeyId, Codec), u32>,
}

impl Decryptor {
    /// With the keys of `cdm`.
    pub fn new(cdm: Arc<dyn Cdm>) -> Self {
        Self { cdm, proofs: HashMap::new() }
    }

    /// Makes the encrypted samples of a segment clear, with the key of `cipher` where it has one for samples.
    ///
    /// # Errors
    /// [`CdmError`]; [`CdmError::WrongKey`] when what comes out is no media. The samples are then not to be
    /// used.
    pub fn decrypt(&mut self, demuxed: &mut Demuxed, cipher: Option<&Cipher>) -> Result<(), CdmError> {
        for track in [&mut demuxed.video, &mut demuxed.audio, &mut demuxed.text] {
            let kids: Vec<Option<KeyId>> =
                track.samples.iter().map(|s| s.protection.as_ref().map(|p| KeyId(p.kid))).collect();
            match cipher {
                Some(Cipher::Samples { key, iv }) => each(track, |_, cipher, sample| {
                    let iv =
                        if cipher.iv.is_empty() { iv.as_ref().map_or(&[][..], |iv| iv) } else { cipher.iv };
                    cenc::decrypt(key, &SampleCipher { iv, ..*cipher }, sample)
                })?,
                _ => decrypt(track, &*self.cdm)?,
            }
            self.judge(track, &kids)?;
        }
        Ok(())
    }

    /// Looks at what was decrypted until its key is proven.
    fn judge(&mut self, track: &RawTrack, kids: &[Option<KeyId>]) -> Result<(), CdmError> {
        let mut wrong: BTreeMap<KeyId, u32> = BTreeMap::new();
        let mut seen: BTreeMap<KeyId, u32> = BTreeMap::new();
        for (sample, kid) in track.samples.iter().zip(kids) {
            let Some(kid) = *kid else { continue };
            // Sound and pictures may share a key identifier in a manifest and not in truth.
            let proof = self.proofs.entry((kid, sample.format.codec)).or_default();
            if *proof >= RIGHT {
                continue;
            }
            let Some(is_media) = plausible::is_media(&sample.format, &sample.data) else { continue };
            *seen.entry(kid).or_default() += 1;
            if is_media {
                *proof += 1;
            } else {
                *wrong.entry(kid).or_default() += 1;
            }
        }
        for (kid, count) in wrong {
            if count >= WRONG || seen.get(&kid) == Some(&count) {
                return Err(CdmError::WrongKey(kid));
            }
        }
        if self.proofs.len() > crate::limits::KEYS {
            self.proofs.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::demux::RawSample;
    use crate::media::sample::{FourCc, Protection, SampleFormat, SampleProtection, StreamLayout};
    use drm_stub::clearkey::ClearKey;
    use drm_stub::key::ContentKey;
    use std::sync::Arc;

    const KID: KeyId = KeyId([1; 16]);

    fn track(codec: Codec, data: impl Fn(u8) -> Vec<u8>) -> RawTrack {
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
            ..SampleFormat::new(codec, StreamLayout::Raw)
        });
        let sample = |n: u8, protected: bool| RawSample {
            pts: n.into(),
            dts: None,
            duration: 1,
            keyframe: true,
            trim_start: 0,
            data: data(n).into(),
            format: format.clone(),
            protection: protected.then(|| {
                Arc::new(SampleProtection {
                    kid: [1; 16],
                    iv: vec![n; 8].into(),
                    subsamples: Vec::new(),
                    crypt_blocks: 0,
                    skip_blocks: 0,
                })
            }),
        };
        RawTrack { timescale: 1, samples: vec![sample(0, true), sample(1, false), sample(2, true)] }
    }

    fn opus() -> RawTrack {
        track(Codec::Opus, |n| vec![n; 40])
    }

    #[test]
    fn a_missing_key_changes_nothing() {
        let mut track = opus();
        assert_eq!(decrypt(&mut track, &ClearKey::new()), Err(CdmError::MissingKey(KID)));
        assert_eq!(&track.samples[0].data[..], &[0; 40]);
        assert!(track.samples[0].protection.is_some());
    }

    #[test]
    fn only_encrypted_bytes_change_and_come_back() {
        let cdm = ClearKey::new();
        cdm.give(KID, ContentKey::new([5; 16]));
        let mut track = opus();
        let protections: Vec<_> = track.samples.iter().map(|sample| sample.protection.clone()).collect();
        decrypt(&mut track, &cdm).unwrap();
        assert_ne!(&track.samples[2].data[..], &[2; 40]);
        assert_eq!(&track.samples[1].data[..], &[1; 40]);
        // One allocation for all of them: each lies behind the one before.
        let (first, second) = (&track.samples[0].data, &track.samples[2].data);
        assert_eq!(first.as_ptr().wrapping_add(first.len()), second.as_ptr());
        // AES-CTR is its own inverse.
        for (sample, protection) in track.samples.iter_mut().zip(protections) {
            sample.protection = protection;
        }
        decrypt(&mut track, &cdm).unwrap();
        assert_eq!(&track.samples[2].data[..], &[2; 40]);
    }

    #[test]
    fn a_key_that_does_not_fit_is_noticed() {
        let given = |byte| {
            let cdm = ClearKey::new();
            cdm.give(KID, ContentKey::new([byte; 16]));
            Arc::new(cdm)
        };
        // Dolby frames begin with a known word: encrypted with one key, decrypted with another.
        let mut encrypted = track(Codec::Ac3, |n| [&[0x0b, 0x77][..], &[n; 38]].concat());
        let protections: Vec<_> = encrypted.samples.iter().map(|sample| sample.protection.clone()).collect();
        decrypt(&mut encrypted, &*given(7)).unwrap();
        for (sample, protection) in encrypted.samples.iter_mut().zip(protections) {
            sample.protection = protection;
        }
        let sound = |track: &RawTrack| Demuxed { audio: track.clone(), ..Demuxed::default() };
        assert_eq!(Decryptor::new(given(7)).decrypt(&mut sound(&encrypted), None), Ok(()));
        let wrong = Decryptor::new(given(8)).decrypt(&mut sound(&encrypted), None);
        assert_eq!(wrong, Err(CdmError::WrongKey(KID)));
        let cipher = Cipher::Samples { key: ContentKey::new([7; 16]), iv: None };
        let mut clear = sound(&encrypted);
        assert_eq!(Decryptor::new(given(8)).decrypt(&mut clear, Some(&cipher)), Ok(()));
        assert_eq!(&clear.audio.samples[0].data[..2], &[0x0b, 0x77]);
    }
}
