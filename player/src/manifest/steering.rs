//! Content steering: the answer of a steering server (RFC 8216bis, 7.2; ETSI TS 103 998 for DASH).

use super::{ManifestError, Place};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Asked for again after so long, when the server does not say.
const TTL: Duration = Duration::from_secs(300);
/// Shortest time between two requests, whatever the server says.
const LEAST: Duration = Duration::from_secs(5);
/// Longest.
const MOST: Duration = Duration::from_secs(86_400);
/// Most pathways in a list, and most clones.
const PATHWAYS: usize = 64;

/// What a steering server says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub struct Steering {
    /// Version of the format; 1.
    pub version: u64,
    /// Seconds until it is to be asked again.
    #[serde(default)]
    pub ttl: Option<u64>,
    /// Where to ask then.
    #[serde(default)]
    pub reload_uri: Option<String>,
    /// Pathways or service locations, first choice first.
    #[serde(default, alias = "SERVICE-LOCATION-PRIORITY")]
    pub pathway_priority: Vec<String>,
    /// Pathways made of others.
    #[serde(default)]
    pub pathway_clones: Vec<PathwayClone>,
}

/// A pathway that is another one with other hosts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub struct PathwayClone {
    /// The pathway that it is made of.
    pub base_id: String,
    /// Its own identifier.
    pub id: String,
    /// How addresses change.
    pub uri_replacement: UriReplacement,
}

/// How the addresses of a clone differ from those of its base.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub struct UriReplacement {
    /// The host, with a port perhaps.
    #[serde(default)]
    pub host: Option<String>,
    /// Parameters of the query, set or replaced.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// Whole addresses by `STABLE-VARIANT-ID`.
    #[serde(default)]
    pub per_variant_uris: BTreeMap<String, String>,
    /// Whole addresses by `STABLE-RENDITION-ID`.
    #[serde(default)]
    pub per_rendition_uris: BTreeMap<String, String>,
}

impl Steering {
    /// Reads the answer of a server.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Malformed`] when it is not JSON of the form of version 1, or names no pathway.
    pub fn read(body: &[u8]) -> Result<Self, ManifestError> {
        let wrong = |what: String| ManifestError::malformed(Place::line(0, "steering"), what);
        let mut read: Self = serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))?;
        if read.version != 1 {
            return Err(wrong(format!("version {} is not known", read.version)));
        }
        if read.pathway_priority.is_empty() {
            return Err(wrong("it names no pathway".to_owned()));
        }
        read.pathway_priority.truncate(PATHWAYS);
        read.pathway_clones.truncate(PATHWAYS);
        Ok(read)
    }

    /// When to ask again, counted from the answer.
    pub fn ttl(&self) -> Duration {
        self.ttl.map_or(TTL, Duration::from_secs).clamp(LEAST, MOST)
    }
}

impl PathwayClone {
    /// `url` of the base pathway as it is in the clone; `stable` identifies the variant or rendition.
    pub fn replaced(&self, url: &url::Url, stable: Option<&str>) -> Option<url::Url> {
        let rules = &self.uri_replacement;
        let whole =
            stable.and_then(|id| rules.per_variant_uris.get(id).or_else(|| rules.per_rendition_uris.get(id)));
        let mut made = match whole {
            Some(whole) => url.join(whole).ok()?,
            None => url.clone(),
        };
        if whole.is_none()
            && let Some(host) = &rules.host
        {
            let (name, port) = match host.rsplit_once(':') {
                Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                    (name, Some(port.parse::<u16>().ok()?))
                }
                _ => (host.as_str(), None),
            };
            made.set_host(Some(name)).ok()?;
            made.set_port(port).ok()?;
        }
        if !rules.params.is_empty() {
            let kept: Vec<(String, String)> = made
                .query_pairs()
                .filter(|(name, _)| !rules.params.contains_key(name.as_ref()))
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect();
            made.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(&rules.params);
        }
        Some(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    #[test]
    fn answers_are_read() {
        let text = r#"{"VERSION":1,"TTL":2,"RELOAD-URI":"r","PATHWAY-PRIORITY":["b","a"],
            "PATHWAY-CLONES":[{"BASE-ID":"a","ID":"c","URI-REPLACEMENT":{"HOST":"c.example:8443","PARAMS":{"t":"2"},
            "PER-VARIANT-URIS":{"v1":"https://x.example/v.m3u8"}}}]}"#;
        let read = Steering::read(text.as_bytes()).unwrap();
        assert_eq!((read.ttl(), read.pathway_priority.len()), (LEAST, 2));
        let clone = &read.pathway_clones[0];
        let url = Url::parse("https://a.example/p/v.m3u8?t=1&u=3").unwrap();
        let made = |stable| clone.replaced(&url, stable).unwrap().to_string();
        assert_eq!(made(None), "https://c.example:8443/p/v.m3u8?u=3&t=2");
        assert_eq!(made(Some("v1")), "https://x.example/v.m3u8?t=2");
        for bad in ["", "{}", r#"{"VERSION":2,"PATHWAY-PRIORITY":["a"]}"#, r#"{"VERSION":1}"#] {
            assert!(Steering::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
