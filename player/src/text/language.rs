//! Languages: which ones a person reads, and what those call themselves.

/// The languages of the system, the best first, as BCP 47 tags: `LANGUAGE`, else the first of `LC_ALL`,
/// `LC_MESSAGES` and `LANG` that is set (gettext's order). Empty in the `C` locale.
pub fn of_system(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| set(name)).unwrap_or_default();
    let Some(own) = tag(&locale) else { return Vec::new() };
    let list = set("LANGUAGE").unwrap_or_default();
    let mut tags: Vec<String> = list.split(':').filter_map(tag).collect();
    if !tags.contains(&own) {
        tags.push(own);
    }
    tags
}

/// `de_AT.UTF-8@euro` as `de-AT`.
fn tag(locale: &str) -> Option<String> {
    let name = locale.split(['.', '@']).next().unwrap_or_default();
    let is_tag = !name.is_empty()
        && name.len() <= 35
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    (is_tag && name != "C" && name != "POSIX").then(|| name.replace('_', "-"))
}

/// What a language calls itself; the tag where that is not known here.
pub fn own_name(tag: &str) -> String {
    const NAMES: [(&str, &str); 48] = [
        ("ar", "العربية"),
        ("bg", "Български"),
        ("bn", "বাংলা"),
        ("ca", "Català"),
        ("cs", "Čeština"),
        ("da", "Dansk"),
        ("de", "Deutsch"),
        ("el", "Ελληνικά"),
        ("en", "English"),
        ("es", "Español"),
        ("et", "Eesti"),
        ("eu", "Euskara"),
        ("fa", "فارسی"),
        ("fi", "Suomi"),
        ("fr", "Français"),
        ("ga", "Gaeilge"),
        ("gl", "Galego"),
        ("he", "עברית"),
        ("hi", "हिन्दी"),
        ("hr", "Hrvatski"),
        ("hu", "Magyar"),
        ("id", "Bahasa Indonesia"),
        ("is", "Íslenska"),
        ("it", "Italiano"),
        ("ja", "日本語"),
        ("ko", "한국어"),
        ("lt", "Lietuvių"),
        ("lv", "Latviešu"),
        ("ms", "Bahasa Melayu"),
        ("nb", "Norsk bokmål"),
        ("nl", "Nederlands"),
        ("no", "Norsk"),
        ("pl", "Polski"),
        ("pt", "Português"),
        ("ro", "Română"),
        ("ru", "Русский"),
        ("sk", "Slovenčina"),
        ("sl", "Slovenščina"),
        ("sr", "Српски"),
        ("sv", "Svenska"),
        ("ta", "தமிழ்"),
        ("te", "తెలుగు"),
        ("th", "ไทย"),
        ("tr", "Türkçe"),
        ("uk", "Українська"),
        ("ur", "اردو"),
        ("vi", "Tiếng Việt"),
        ("zh", "中文"),
    ];
    // The three-letter codes that packagers write most.
    const LONG: [(&str, &str); 24] = [
        ("ara", "ar"),
        ("chi", "zh"),
        ("zho", "zh"),
        ("dan", "da"),
        ("deu", "de"),
        ("dut", "nl"),
        ("eng", "en"),
        ("fin", "fi"),
        ("fra", "fr"),
        ("fre", "fr"),
        ("ger", "de"),
        ("gre", "el"),
        ("heb", "he"),
        ("hin", "hi"),
        ("ita", "it"),
        ("jpn", "ja"),
        ("kor", "ko"),
        ("nld", "nl"),
        ("nor", "no"),
        ("pol", "pl"),
        ("por", "pt"),
        ("rus", "ru"),
        ("spa", "es"),
        ("swe", "sv"),
    ];
    let (primary, region) = tag.split_once('-').map_or((tag, None), |(primary, rest)| (primary, Some(rest)));
    let primary = primary.to_ascii_lowercase();
    let short = LONG.iter().find(|(long, _)| *long == primary).map_or(primary.as_str(), |(_, short)| short);
    match (NAMES.iter().find(|(code, _)| *code == short), region) {
        (Some((_, name)), None) => (*name).to_owned(),
        (Some((_, name)), Some(region)) => format!("{name} ({region})"),
        (None, _) => tag.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(variables: &[(&str, &str)]) -> Vec<String> {
        of_system(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into()))
    }

    #[test]
    fn the_system_names_its_languages() {
        assert_eq!(system(&[("LANG", "de_AT.UTF-8@euro")]), ["de-AT"]);
        assert_eq!(
            system(&[("LANG", "en_US.UTF-8"), ("LANGUAGE", "sv:nb_NO:en_US")]),
            ["sv", "nb-NO", "en-US"]
        );
        assert_eq!(
            system(&[("LC_ALL", "C.UTF-8"), ("LANG", "de"), ("LANGUAGE", "de")]),
            Vec::<String>::new()
        );
        assert_eq!(system(&[]), Vec::<String>::new());
    }

    #[test]
    fn languages_call_themselves() {
        assert_eq!(own_name("ja"), "日本語");
        assert_eq!(own_name("pt-BR"), "Português (BR)");
        assert_eq!(own_name("GER"), "Deutsch");
        assert_eq!(own_name("tlh"), "tlh");
    }
}
