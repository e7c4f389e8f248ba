//! From `EXT-X-KEY` to the encryption of a segment (RFC 8216, 4.3.2.4 and 5.2).

use super::source::HlsSource;
use super::types::{Key, MediaSegment};
use crate::manifest::policy::{Policy, shown};
use crate::manifest::{Encrypted, NoKey, SegmentEncryption};
use abr::error::Code;
use abr::segments::Segment;
use drm_stub::hls_aes::sequence_vector;
use drm_stub::pssh::KeySystem;
use url::Url;

/// Ways of encryption that are played.
const METHODS: [&str; 4] = ["AES-128", "AES-256", "SAMPLE-AES", "SAMPLE-AES-CTR"];

impl HlsSource {
    /// How a media segment is encrypted.
    pub(crate) fn encryption(&self, policy: &Policy, segment: &Segment) -> Option<SegmentEncryption> {
        let playlist = self.playlist()?;
        let at = usize::try_from(segment.number.checked_sub(playlist.first_number())?).ok()?;
        self.encryption_of(policy, playlist.segments.get(at)?, segment.number)
    }

    /// How an initialization segment is encrypted: as the first media segment that it serves.
    pub(crate) fn init_encryption(&self, policy: &Policy, init: u32) -> Option<SegmentEncryption> {
        let playlist = self.playlist()?;
        let at = playlist.segments.iter().position(|segment| segment.map == Some(init))?;
        let number = playlist.first_number().saturating_add(at as u64);
        self.encryption_of(policy, playlist.segments.get(at)?, number)
    }

    fn encryption_of(
        &self,
        policy: &Policy,
        segment: &MediaSegment,
        number: u64,
    ) -> Option<SegmentEncryption> {
        let keys = self.playlist()?.keys_of(segment);
        let key = keys.iter().find(|key| is_identity(key)).or_else(|| keys.first())?;
        let explicit = key.iv.as_deref().and_then(vector);
        let what = encrypted(key);
        let iv = match what {
            Encrypted::Bytes => Some(explicit.unwrap_or(sequence_vector(number))),
            Encrypted::Samples => explicit,
        };
        Some(SegmentEncryption { what, key: self.address_of(policy, keys, key), iv })
    }

    fn address_of(&self, policy: &Policy, keys: &[Key], key: &Key) -> Result<Url, NoKey> {
        let refuse = |code, detail| Err(NoKey { code, detail });
        if !is_identity(key) {
            let mut names: Vec<String> = keys.iter().map(system).collect();
            names.dedup();
            let detail = format!("protected with {}, which is not supported here", names.join(" and "));
            return refuse(Code::KeySystem, detail);
        }
        if !METHODS.contains(&key.method.as_str()) {
            let detail = format!("the encryption method {} is not supported", shown(&key.method));
            return refuse(Code::Unsupported, detail);
        }
        let Some(uri) = &key.uri else {
            return refuse(Code::MissingKey, "the playlist names no address of the key".to_owned());
        };
        match self.base().map(|base| policy.resolve(base, uri)) {
            Some(Ok(url)) => Ok(url),
            Some(Err(detail)) => refuse(Code::Forbidden, detail),
            None => refuse(Code::MissingKey, "the playlist of the key is not known".to_owned()),
        }
    }
}

/// The keys of a multivariant playlist that can be asked for at once (RFC 8216, 4.3.4.5).
pub(super) fn session_keys(url: &Url, policy: &Policy, keys: &[Key]) -> Vec<(Encrypted, Url)> {
    let known = keys.iter().filter(|key| is_identity(key) && METHODS.contains(&key.method.as_str()));
    let addresses =
        known.filter_map(|key| Some((encrypted(key), policy.resolve(url, key.uri.as_deref()?).ok()?)));
    addresses.take(super::KEYS_TOGETHER).collect()
}

fn encrypted(key: &Key) -> Encrypted {
    if matches!(key.method.as_str(), "AES-128" | "AES-256") { Encrypted::Bytes } else { Encrypted::Samples }
}

fn is_identity(key: &Key) -> bool {
    key.keyformat.as_deref().is_none_or(|format| format.eq_ignore_ascii_case("identity"))
}

/// The key system of a key, for people.
fn system(key: &Key) -> String {
    let format = key.keyformat.as_deref().unwrap_or_default();
    KeySystem::from_uri(format).map_or_else(|| shown(format), |system| system.to_string())
}

/// An `IV`, 32 hexadecimal digits.
fn vector(digits: &str) -> Option<[u8; 16]> {
    u128::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 32).map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use abr::presentation::RepresentationKey;
    use abr::protocol::Resource;

    const KEY: RepresentationKey = RepresentationKey { period: 0, adaptation_set: 0, representation: 0 };

    fn encryptions(playlist: &str) -> Vec<Option<SegmentEncryption>> {
        let url = Url::parse("https://h.example/t/v.m3u8").unwrap();
        let title = crate::manifest::read(&url, playlist.as_bytes()).unwrap();
        let runs = title.presentation.representation(KEY).unwrap().index.known().unwrap().clone();
        let resource = |segment| Resource::Segment { representation: KEY, segment };
        runs.iter().map(|segment| title.addresses.encryption(&resource(segment))).collect()
    }

    #[test]
    fn vectors_are_explicit_or_the_sequence_number() {
        let list = encryptions(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7794\n\
             #EXTINF:2,\n0.ts\n#EXT-X-KEY:METHOD=AES-128,URI=\"../k?n=1\"\n#EXTINF:2,\n1.ts\n\
             #EXT-X-KEY:METHOD=AES-128,URI=\"k2\",IV=0x000102030405060708090a0b0c0d0e0f\n#EXTINF:2,\n2.ts\n\
             #EXT-X-KEY:METHOD=NONE\n#EXTINF:2,\n3.ts\n#EXT-X-ENDLIST\n",
        );
        assert_eq!((list[0].clone(), list[3].clone()), (None, None));
        let first = list[1].clone().unwrap();
        assert_eq!(first.key.unwrap().as_str(), "https://h.example/k?n=1");
        assert_eq!((first.what, first.iv), (Encrypted::Bytes, Some(sequence_vector(7795))));
        let second = list[2].clone().unwrap();
        assert_eq!(second.iv, Some([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]));
        assert_eq!(second.key.unwrap().as_str(), "https://h.example/t/k2");
    }

    #[test]
    fn other_key_formats_are_named_and_identity_is_taken() {
        let playlist = |keys: &str| {
            let head = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"i.mp4\"\n";
            encryptions(&format!("{head}{keys}#EXTINF:2,\n0.m4s\n#EXT-X-ENDLIST\n"))[0].clone().unwrap()
        };
        let apple =
            "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n";
        let widevine = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"data:x\",KEYFORMAT=\"urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\"\n";
        let none = playlist(&format!("{apple}{widevine}")).key.unwrap_err();
        assert_eq!(none.code, Code::KeySystem);
        assert_eq!(none.detail, "protected with FairPlay and Widevine, which is not supported here");
        let identity = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\",KEYFORMAT=\"identity\"\n";
        let taken = playlist(&format!("{apple}{identity}"));
        assert_eq!((taken.what, taken.iv), (Encrypted::Samples, None));
        assert!(taken.key.is_ok());
        let file = "#EXT-X-KEY:METHOD=AES-128,URI=\"file:///etc/passwd\"\n";
        assert_eq!(playlist(file).key.unwrap_err().code, Code::Forbidden);
    }
}
