//! Which addresses a manifest may name, by where the manifest came from.
//!
//! A manifest from the network may name http and https only, plus short `data:` URLs for initialization;
//! one from a file may in addition name files below its own directory. Whether a host may be connected to
//! is decided later, on the connected address.

use url::Url;

/// The longest `data:` URL that is accepted, in bytes of its text.
const DATA_URL_BYTES: usize = 64 << 10;

/// Resolves references against bases and refuses what the manifest's origin does not permit.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    directory: Option<Url>,
}

impl Policy {
    /// The policy for what a manifest at `manifest` names.
    pub(crate) fn of(manifest: &Url) -> Self {
        Self { directory: if manifest.scheme() == "file" { manifest.join(".").ok() } else { None } }
    }

    /// `reference` resolved against `base`.
    ///
    /// # Errors
    ///
    /// A text for people when the reference is no URL or names what is not permitted.
    pub(crate) fn resolve(&self, base: &Url, reference: &str) -> Result<Url, String> {
        let reference = reference.trim();
        if reference.len() > DATA_URL_BYTES {
            return Err(format!("an address of {} bytes is too long", reference.len()));
        }
        let url =
            base.join(reference).map_err(|error| format!("{} is no address: {error}", shown(reference)))?;
        self.check(&url)?;
        Ok(url)
    }

    /// Whether `url` is permitted.
    ///
    /// # Errors
    ///
    /// A text for people when it is not.
    pub(crate) fn check(&self, url: &Url) -> Result<(), String> {
        match url.scheme() {
            "http" | "https" if url.has_host() => Ok(()),
            "data" if url.as_str().len() <= DATA_URL_BYTES => Ok(()),
            "file" => match &self.directory {
                Some(directory) if below(directory, url) => Ok(()),
                Some(_) => Err("a file outside the manifest's own directory may not be named".to_owned()),
                None => Err("a manifest from the network may not name a file".to_owned()),
            },
            scheme => Err(format!("addresses with the scheme {} are refused", shown(scheme))),
        }
    }
}

/// Whether `url` names something below `directory`, also after percent-decoding (`%2e%2e`, `%2f`).
fn below(directory: &Url, url: &Url) -> bool {
    let (Ok(root), Ok(path)) = (directory.to_file_path(), url.to_file_path()) else { return false };
    path.starts_with(&root)
        && path.components().all(|part| !matches!(part, std::path::Component::ParentDir))
        && url.host_str().unwrap_or_default() == directory.host_str().unwrap_or_default()
}

/// Foreign text made fit for a message: quoted, escaped and short.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(manifest: &str, reference: &str) -> bool {
        let base = Url::parse(manifest).unwrap();
        Policy::of(&base).resolve(&base, reference).is_ok()
    }

    #[test]
    fn the_network_names_only_the_network() {
        let check = |reference: &str| verdict("https://example.com/a/b.mpd", reference);
        for fine in [
            "seg.mp4",
            "../x.ts",
            "//other.example/x",
            "http://other.example/y?q",
            "data:video/mp4;base64,AAAA",
        ] {
            assert!(check(fine), "{fine}");
        }
        for bad in [
            "file:///etc/passwd",
            "FILE:///etc/passwd",
            "file:x",
            "ftp://h/x",
            "concat:a|b",
            "subfile:x",
            "gopher://x",
            "javascript:1",
            "unix:/tmp/s",
            "pipe:0",
            "http://",
            "\tfile:///etc/passwd",
        ] {
            assert!(!check(bad), "{bad}");
        }
        assert!(!check(&format!("data:,{}", "a".repeat(70_000))));
    }

    #[test]
    fn a_file_names_its_own_directory_and_the_network() {
        let check = |reference: &str| verdict("file:///home/u/title/m.mpd", reference);
        for fine in ["seg.mp4", "video/seg.mp4", "file:///home/u/title/x", "https://h/x"] {
            assert!(check(fine), "{fine}");
        }
        for bad in [
            "../other/x",
            "/etc/passwd",
            "file:///etc/passwd",
            "%2e%2e/%2e%2e/etc/passwd",
            "x/..%2f..%2f..%2fy",
            "file://host/home/u/title/x",
        ] {
            assert!(!check(bad), "{bad}");
        }
    }
}
