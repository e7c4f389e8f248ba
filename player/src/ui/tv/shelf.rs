//! The shelf: titles to choose from, as a JSON list.
//!
//! ```json
//! [{"title": "Spring", "url": "https://cdn.example/spring.mpd", "subtitle": "2026, 12 min"}]
//! ```

use serde::Deserialize;

/// Most titles shown.
const TITLES: usize = 500;
/// Longest list, in bytes.
pub const SHELF_BYTES: u64 = 1 << 20;
/// Most characters of a name that are kept.
const NAME: usize = 120;

/// Something to play.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Title {
    /// Its name.
    pub title: String,
    /// Manifest: http(s) URL or file; `None` for the built-in demo title.
    pub url: Option<String>,
    /// A line of small print.
    #[serde(default)]
    pub subtitle: String,
}

impl Title {
    /// The built-in title.
    pub fn demo() -> Self {
        Self { title: "Demo".into(), url: None, subtitle: "Built in: test pictures, 64 s".into() }
    }
}

/// Reads a list of titles. One that cannot be read is left out.
///
/// # Errors
/// What is wrong, for people, when the text is no list or nothing in it can be played.
pub fn parse(text: &[u8]) -> Result<Vec<Title>, String> {
    let list: Vec<serde_json::Value> =
        serde_json::from_slice(text).map_err(|error| format!("the shelf is no JSON list: {error}"))?;
    let titles =
        list.into_iter().take(TITLES).filter_map(|entry| serde_json::from_value::<Title>(entry).ok());
    let titles: Vec<Title> = titles
        .filter(|title| title.url.is_some() && !title.title.trim().is_empty())
        .map(|mut title| {
            title.title = title.title.chars().take(NAME).collect();
            title.subtitle = title.subtitle.chars().take(NAME).collect();
            title
        })
        .collect();
    if titles.is_empty() {
        Err("the shelf lists no title with a name and an address".into())
    } else {
        Ok(titles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_entries_are_left_out() {
        let text = br#"[{"title": "A", "url": "http://h/a.mpd", "more": 1}, {"title": 3}, {"url": "http://h/b"}, "x",
            {"title": " ", "url": "http://h/c"}]"#;
        let titles = parse(text).unwrap();
        assert_eq!(
            titles,
            [Title { title: "A".into(), url: Some("http://h/a.mpd".into()), subtitle: String::new() }]
        );
        assert!(parse(b"[]").is_err());
        assert!(parse(b"{}").is_err());
        assert!(parse(b"nonsense").unwrap_err().contains("JSON"));
    }
}
