//! Which host belongs to which pathway (HLS) or service location (DASH), so that hosts can be put in the order
//! that a steering server asks for.
//!
//! In a title with content steering, host number `n` of every representation is that of pathway number `n`.

use super::Addresses;
use super::address::Source;
use super::steering::PathwayClone;
use url::Url;

/// Most pathways of one title.
const PATHWAYS: usize = 16;

/// Where content steering begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SteeringStart {
    /// The server.
    pub url: Url,
    /// The pathway to prefer until it has answered.
    pub first: Option<String>,
}

impl Addresses {
    /// Where to ask for the order of hosts.
    pub fn steering(&self) -> Option<&SteeringStart> {
        self.steering.as_ref()
    }

    /// The pathways or service locations; their positions are the numbers of hosts.
    pub fn pathways(&self) -> &[String] {
        &self.pathways
    }

    /// The numbers of the hosts in the order of `priority`; those that it does not name come last.
    pub fn order(&self, priority: &[String]) -> Vec<u32> {
        let numbered = || self.pathways.iter().zip(0u32..);
        let named = priority.iter().filter_map(|wanted| numbered().find(|(own, _)| *own == wanted));
        let rest = numbered().filter(|(own, _)| !priority.contains(own));
        let mut order: Vec<u32> = named.chain(rest).map(|(_, number)| number).collect();
        let mut seen = Vec::new();
        order.retain(|number| {
            !seen.contains(number) && {
                seen.push(*number);
                true
            }
        });
        order
    }

    /// `reference` resolved against `base`; `None` when it is not permitted.
    pub(crate) fn reference_from(&self, base: &Url, reference: &str) -> Option<Url> {
        self.policy.resolve(base, reference).ok()
    }

    /// Numbers the hosts of all representations by pathway. Without steering they stay as they are.
    pub(super) fn number_pathways(&mut self) {
        if self.steering.is_none() {
            return;
        }
        let mut names: Vec<String> = Vec::new();
        for source in self.sources.iter().flatten().flatten() {
            for name in source.pathways() {
                if !names.contains(name) && names.len() < PATHWAYS {
                    names.push(name.clone());
                }
            }
        }
        for source in self.sources.iter_mut().flatten().flatten() {
            source.arrange(&names);
        }
        self.pathways = names;
    }

    /// Adds a pathway that is made of another one; nothing happens when it is known, or its base is not.
    pub(crate) fn clone_pathway(&mut self, clone: &PathwayClone) {
        let known = self.pathways.contains(&clone.id) || self.pathways.len() >= PATHWAYS;
        let Some(base) = self.pathways.iter().position(|name| *name == clone.base_id) else { return };
        if known {
            return;
        }
        let policy = self.policy.clone();
        for source in self.sources.iter_mut().flatten().flatten() {
            source.add_clone(base, clone, |url| policy.check(url).is_ok());
        }
        self.pathways.push(clone.id.clone());
    }
}

impl Source {
    /// The pathway of each host.
    fn pathways(&self) -> &[String] {
        match self {
            Self::Dash(source) => &source.services,
            Self::Hls(source) => &source.pathways,
        }
    }

    fn hosts(&mut self) -> (&mut Vec<Url>, &mut Vec<String>) {
        match self {
            Self::Dash(source) => (&mut source.bases, &mut source.services),
            Self::Hls(source) => (&mut source.playlists, &mut source.pathways),
        }
    }

    /// Puts host number `n` on pathway `names[n]`; where there is none of that pathway, the first host stands
    /// in for it.
    fn arrange(&mut self, names: &[String]) {
        let (urls, own) = self.hosts();
        let Some(first) = urls.first().cloned() else { return };
        let placed = names.iter().map(|name| {
            let at = own.iter().position(|own| own == name);
            at.and_then(|at| urls.get(at)).unwrap_or(&first).clone()
        });
        (*urls, *own) = (placed.collect(), names.to_vec());
    }

    fn add_clone(&mut self, base: usize, clone: &PathwayClone, permitted: impl Fn(&Url) -> bool) {
        let stable = match self {
            Self::Dash(source) => Some(source.id.clone()),
            Self::Hls(source) => source.stable.clone(),
        };
        let (urls, own) = self.hosts();
        let Some(url) = urls.get(base) else { return };
        let made = clone.replaced(url, stable.as_deref()).filter(|made| permitted(made));
        let made = made.unwrap_or_else(|| url.clone());
        urls.push(made);
        own.push(clone.id.clone());
    }
}

#[cfg(test)]
mod tests {
    use crate::manifest::steering::Steering;
    use crate::manifest::{Addresses, Title, read};
    use abr::presentation::RepresentationKey;
    use abr::protocol::Resource;
    use url::Url;

    const KEY: RepresentationKey = RepresentationKey { period: 0, adaptation_set: 0, representation: 0 };

    fn title(name: &str, text: &str) -> Title {
        read(&Url::parse("https://h.example/t/").unwrap().join(name).unwrap(), text.as_bytes()).unwrap()
    }

    fn host(addresses: &Addresses, key: RepresentationKey, location: u32) -> String {
        addresses.resolve(&Resource::Index(key), location).unwrap().url.to_string()
    }

    #[test]
    fn variants_of_all_pathways_are_hosts_of_one_representation() {
        let audio = |pathway: &str| {
            format!(
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a{pathway}\",NAME=\"n\",URI=\"https://{pathway}.example/a.m3u8\"\n"
            )
        };
        let variant = |pathway: &str, id: &str, bandwidth: u64| {
            format!(
                "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},CODECS=\"avc1.4d401e,mp4a.40.2\",STABLE-VARIANT-ID=\"{id}\",\
                 AUDIO=\"a{pathway}\",PATHWAY-ID=\"{pathway}\"\nhttps://{pathway}.example/{id}.m3u8\n"
            )
        };
        let text = format!(
            "#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"/steer\",PATHWAY-ID=\"y\"\n{}{}{}{}{}{}",
            audio("x"),
            audio("y"),
            variant("x", "v1", 100),
            variant("x", "v2", 200),
            variant("y", "v2", 200),
            variant("y", "v1", 100),
        );
        let mut title = title("m.m3u8", &text);
        let start = title.addresses.steering().unwrap();
        assert_eq!((start.url.as_str(), start.first.as_deref()), ("https://h.example/steer", Some("y")));
        assert_eq!(title.addresses.pathways(), ["x", "y"]);
        let sets = &title.presentation.periods[0].adaptation_sets;
        let counts: Vec<_> =
            sets.iter().map(|set| (set.representations.len(), set.representations[0].locations)).collect();
        assert_eq!(counts, [(2, 2), (1, 2)]);
        assert_eq!(host(&title.addresses, KEY, 1), "https://y.example/v1.m3u8");
        let sound = RepresentationKey { adaptation_set: 1, ..KEY };
        assert_eq!(host(&title.addresses, sound, 1), "https://y.example/a.m3u8");
        assert_eq!(title.addresses.order(&["z".to_owned(), "y".to_owned()]), [1, 0]);
        let answer = r#"{"VERSION":1,"PATHWAY-PRIORITY":["c"],"PATHWAY-CLONES":[{"BASE-ID":"x","ID":"c",
            "URI-REPLACEMENT":{"HOST":"c.example","PER-VARIANT-URIS":{"v2":"https://d.example/v.m3u8"}}}]}"#;
        let answer = Steering::read(answer.as_bytes()).unwrap();
        title.addresses.clone_pathway(&answer.pathway_clones[0]);
        assert_eq!(title.addresses.order(&answer.pathway_priority), [2, 0, 1]);
        assert_eq!(host(&title.addresses, KEY, 2), "https://c.example/v1.m3u8");
        let second = RepresentationKey { representation: 1, ..KEY };
        assert_eq!(host(&title.addresses, second, 2), "https://d.example/v.m3u8");
    }

    #[test]
    fn base_addresses_are_numbered_by_service_location() {
        let text = "<MPD mediaPresentationDuration='PT8S'><ContentSteering defaultServiceLocation='b'>https://s.example/\
            </ContentSteering><BaseURL serviceLocation='a'>https://a.example/</BaseURL>\
            <BaseURL serviceLocation='b'>https://b.example/</BaseURL><Period><AdaptationSet mimeType='video/mp4'>\
            <SegmentTemplate duration='4' media='$Number$.m4s'/><Representation id='v' bandwidth='1'/></AdaptationSet>\
            </Period></MPD>";
        let title = title("m.mpd", text);
        assert_eq!(title.addresses.pathways(), ["a", "b"]);
        let segment = title.presentation.representation(KEY).unwrap().index.known().unwrap().get(0).unwrap();
        let resource = Resource::Segment { representation: KEY, segment };
        let url = title.addresses.resolve(&resource, 1).unwrap().url;
        assert_eq!(url.as_str(), "https://b.example/1.m4s");
    }
}
