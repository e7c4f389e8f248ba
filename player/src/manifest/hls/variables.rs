//! `EXT-X-DEFINE`: named texts that are put into later lines, in one pass (no variable is looked for in the
//! value of another).

use super::attributes::Attributes;
use crate::manifest::ManifestError;
use crate::manifest::policy::shown;
use std::borrow::Cow;
use std::collections::BTreeMap;
use url::Url;

/// Most variables of one playlist.
const VARIABLES: usize = 1_000;
/// Longest line after substitution, in bytes.
const EXPANDED_BYTES: usize = 4 * crate::limits::PLAYLIST_LINE_BYTES;

/// The variables of a playlist, and what it may import.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    defined: BTreeMap<String, String>,
    importable: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
}

impl Variables {
    /// Nothing defined yet; `importable` comes from the multivariant playlist and `url` (after redirects)
    /// gives the query parameters.
    pub fn new(url: &Url, importable: BTreeMap<String, String>) -> Self {
        let query =
            url.query_pairs().take(VARIABLES).map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        Self { defined: BTreeMap::new(), importable, query }
    }

    /// Takes in one `EXT-X-DEFINE`.
    ///
    /// # Errors
    ///
    /// A text for people when the tag is malformed, names something that does not exist, or a name that is
    /// defined already.
    pub fn define(&mut self, list: &Attributes<'_>) -> Result<(), String> {
        let (name, value) = if let Some(name) = list.text("NAME") {
            (name, list.owned("VALUE").ok_or("VALUE is missing")?)
        } else if let Some(name) = list.text("IMPORT") {
            let value = self.importable.get(name).cloned();
            (
                name,
                value
                    .ok_or_else(|| format!("{} is not defined in the multivariant playlist", shown(name)))?,
            )
        } else if let Some(name) = list.text("QUERYPARAM") {
            let value = self.query.get(name).cloned();
            (name, value.ok_or_else(|| format!("the playlist's address has no parameter {}", shown(name)))?)
        } else {
            return Err("NAME, IMPORT and QUERYPARAM are missing".to_owned());
        };
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(format!("{} is no variable name", shown(name)));
        }
        if self.defined.contains_key(name) {
            return Err(format!("{} is defined twice", shown(name)));
        }
        if self.defined.len() >= VARIABLES {
            return Err("there are too many variables".to_owned());
        }
        self.defined.insert(name.to_owned(), value);
        Ok(())
    }

    /// `line` with every `{$name}` of a defined variable replaced; other references stay as they are, and the
    /// first of them is named in the second place.
    ///
    /// # Errors
    ///
    /// [`ManifestError::TooMany`] when the line would become too long.
    pub fn substitute<'a>(&self, line: &'a str) -> Result<(Cow<'a, str>, Option<&'a str>), ManifestError> {
        if !line.contains("{$") {
            return Ok((Cow::Borrowed(line), None));
        }
        let mut result = String::with_capacity(line.len());
        let mut unknown = None;
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{$") {
            result.push_str(before);
            rest = after;
            let reference =
                after.split_once('}').filter(|(name, _)| !name.is_empty() && name.bytes().all(is_name));
            match reference.map(|(name, after)| (name, after, self.defined.get(name))) {
                Some((_, after, Some(value))) => {
                    result.push_str(value);
                    rest = after;
                }
                Some((name, _, None)) => {
                    unknown = unknown.or(Some(name));
                    result.push_str("{$");
                }
                None => result.push_str("{$"),
            }
            if result.len() > EXPANDED_BYTES {
                return Err(ManifestError::TooMany {
                    what: "bytes in a line with its variables",
                    max: EXPANDED_BYTES,
                });
            }
        }
        result.push_str(rest);
        Ok((Cow::Owned(result), unknown))
    }

    /// The defined variables by name.
    pub fn into_map(self) -> BTreeMap<String, String> {
        self.defined
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_in_once() {
        let url = Url::parse("https://h/p.m3u8?token=%7B%24a%7D").unwrap();
        let mut variables = Variables::new(&url, BTreeMap::from([("i".to_owned(), "imported".to_owned())]));
        variables.define(&Attributes::read("NAME=\"a\",VALUE=\"{$b}\"")).unwrap();
        variables.define(&Attributes::read("NAME=\"b\",VALUE=\"x\"")).unwrap();
        variables.define(&Attributes::read("IMPORT=\"i\"")).unwrap();
        variables.define(&Attributes::read("QUERYPARAM=\"token\"")).unwrap();
        assert_eq!(variables.substitute("{$a}-{$b}-{$i}-{$token}").unwrap().0, "{$b}-x-imported-{$a}");
        assert_eq!(variables.substitute("{$ no}{$").unwrap(), ("{$ no}{$".into(), None));
        assert_eq!(variables.substitute("{$c}{$b}").unwrap(), ("{$c}x".into(), Some("c")));
        assert!(variables.define(&Attributes::read("NAME=\"a\",VALUE=\"again\"")).is_err());
        assert!(variables.define(&Attributes::read("IMPORT=\"none\"")).is_err());
    }
}
