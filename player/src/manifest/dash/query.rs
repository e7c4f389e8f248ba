//! Parameters for the query of requests (ISO/IEC 23009-1, annex I).

use super::mpd::{Common, UrlQueryInfo};
use url::Url;

/// `urn:mpeg:dash:urlparam:2014` and its successor of 2016.
pub(super) const SCHEMES: [&str; 2] = ["urn:mpeg:dash:urlparam:2014", "urn:mpeg:dash:urlparam:2016"];
/// Longest query that is added, in bytes.
const LONGEST: usize = 8 << 10;

/// The query to add to the addresses of segments, where one of the descriptors of `common` asks for it; `mpd`
/// is the address of the MPD.
pub(super) fn of(common: &Common, mpd: &Url) -> Option<String> {
    let descriptors = common.essential_properties.iter().chain(&common.supplemental_properties);
    let mut infos = descriptors
        .filter(|descriptor| SCHEMES.contains(&descriptor.scheme_id_uri.as_str()))
        .filter_map(|descriptor| descriptor.url_query.as_deref());
    let query = build(infos.next()?, mpd);
    (!query.is_empty() && query.len() <= LONGEST).then_some(query)
}

/// The final query string (I.2.2): the template with parts of the initial query, which is that of the MPD's
/// address, or given.
fn build(info: &UrlQueryInfo, mpd: &Url) -> String {
    let mut initial = String::new();
    if info.use_mpd_query {
        initial.push_str(mpd.query().unwrap_or_default());
    }
    if let Some(own) = info.query.as_deref().filter(|own| !own.is_empty()) {
        if !initial.is_empty() {
            initial.push('&');
        }
        initial.push_str(own.trim_start_matches(['?', '&']));
    }
    let value = |name: &str| {
        let pair = initial.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name));
        pair.map(|(_, value)| value)
    };
    let mut result = String::new();
    let mut rest = info.template.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        let Some((identifier, after)) = after.split_once('$') else { return result };
        match identifier.strip_prefix("query:") {
            Some(name) => result.push_str(value(name).unwrap_or_default()),
            None if identifier == "querypart" => result.push_str(&initial),
            None if identifier.is_empty() => result.push('$'),
            None => {}
        }
        if result.len() > LONGEST {
            return result;
        }
        rest = after;
    }
    result.push_str(rest);
    result
}

/// `url` with `query` added to its own.
pub(super) fn add(mut url: Url, query: &str) -> Url {
    let whole = match url.query().filter(|own| !own.is_empty()) {
        Some(own) => format!("{own}&{query}"),
        None => query.to_owned(),
    };
    url.set_query(Some(&whole));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_take_parts_of_the_query() {
        let mpd = Url::parse("https://h.example/m.mpd?token=1&user=2").unwrap();
        let info = |template: &str, use_mpd_query, query: &str| UrlQueryInfo {
            template: template.to_owned(),
            use_mpd_query,
            query: Some(query.to_owned()),
        };
        assert_eq!(build(&info("$querypart$", true, ""), &mpd), "token=1&user=2");
        assert_eq!(build(&info("t=$query:token$&c=$query:c$", true, "c=d"), &mpd), "t=1&c=d");
        assert_eq!(build(&info("$querypart$", false, "?a=b"), &mpd), "a=b");
        assert_eq!(build(&info("a$", true, ""), &mpd), "a");
        let url = add(Url::parse("https://h.example/s.mp4?x").unwrap(), "token=1");
        assert_eq!(url.as_str(), "https://h.example/s.mp4?x&token=1");
    }
}
