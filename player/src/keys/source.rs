//! What a manifest says about the keys of a representation: which, where from, and for whom else.

use crate::manifest::{Addresses, Protection};
use abr::presentation::RepresentationKey;
use drm_stub::key::KeyId;
use drm_stub::pssh::{self, KeySystem};
use std::collections::BTreeSet;
use url::Url;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    /// Key identifiers of its samples, never zero.
    pub(super) kids: BTreeSet<KeyId>,
    /// Key identifiers that come with them in `pssh` boxes: those of other representations, or to come.
    pub(super) listed: BTreeSet<KeyId>,
    /// Where licences are.
    pub(super) licence_url: Option<Url>,
    /// Key systems that are not built in, for people.
    pub(super) foreign: Vec<String>,
}

impl Source {
    /// Reads what the manifest says about `key`.
    pub(super) fn of(addresses: &Addresses, key: RepresentationKey) -> Self {
        let mut source = Self::default();
        let mut elsewhere = None;
        for protection in addresses.protection(key) {
            let system = KeySystem::from_uri(&protection.scheme);
            let is_ours = system.is_some_and(KeySystem::is_clear_key);
            let default = protection.default_kid.as_deref().and_then(KeyId::from_hex);
            source.kids.extend(default.filter(|kid| kid.0 != [0; 16]));
            if is_ours {
                source.listed.extend(listed(&protection));
            }
            let url = protection.url.as_deref().filter(|_| is_address(&protection));
            let url = url.and_then(|url| addresses.reference(url));
            match system {
                Some(system) if !is_ours => {
                    let name = system.to_string();
                    if !source.foreign.contains(&name) {
                        source.foreign.push(name);
                    }
                }
                Some(_) => source.licence_url = source.licence_url.or(url),
                // A licence address without a key system is for whoever can use it.
                None => elsewhere = elsewhere.or(url),
            }
        }
        source.licence_url = source.licence_url.or(elsewhere);
        source
    }

    /// Why there is no key for `kid` when nobody can be asked.
    pub(super) fn refusal(&self, kid: KeyId) -> (abr::error::Code, String) {
        use abr::error::Code;
        if self.foreign.is_empty() {
            let how = "give it with --clearkey, or name a licence server with --licence-url";
            return (
                Code::MissingKey,
                format!("no key for {kid}, and the manifest names no licence server; {how}"),
            );
        }
        let names = self.foreign.join(" and ");
        (Code::KeySystem, format!("protected with {names}, which is not supported here (key {kid})"))
    }
}

/// Whether the address in a protection is that of a licence server, not that of a key.
fn is_address(protection: &Protection) -> bool {
    let is_hls_key = protection.value.starts_with("AES-") || protection.value.starts_with("SAMPLE-AES");
    !is_hls_key || protection.scheme != "identity"
}

fn listed(protection: &Protection) -> Vec<KeyId> {
    let boxes = protection.pssh.as_deref().and_then(pssh::from_base64);
    let kids = boxes.into_iter().flatten().flat_map(|header| header.key_ids);
    kids.filter(|kid| kid.0 != [0; 16]).collect()
}
