//! Character references in cue text: numbers, and the names that subtitles use.
//!
//! HTML knows some 2,200 names; those here are of the characters of Latin-1, of punctuation and of
//! directional marks. A name that is not known stays as written.

/// Names of U+00A0 to U+00FF in order; HTML reads these without a semicolon too.
const LATIN: [&str; 96] = [
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo",
    "not", "shy", "reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot",
    "cedil", "sup1", "ordm", "raquo", "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",
    "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute",
    "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash",
    "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN", "szlig", "agrave", "aacute", "acirc", "atilde",
    "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc",
    "iuml", "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash", "ugrave",
    "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
];
/// Other names that need no semicolon.
const SHORT: [(&str, char); 7] =
    [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("AMP", '&'), ("LT", '<'), ("GT", '>')];
/// Names that need their semicolon.
const LONG: [(&str, char); 43] = [
    ("apos", '\''),
    ("lrm", '\u{200e}'),
    ("rlm", '\u{200f}'),
    ("zwj", '\u{200d}'),
    ("zwnj", '\u{200c}'),
    ("ensp", '\u{2002}'),
    ("emsp", '\u{2003}'),
    ("thinsp", '\u{2009}'),
    ("hairsp", '\u{200a}'),
    ("ndash", '\u{2013}'),
    ("mdash", '\u{2014}'),
    ("horbar", '\u{2015}'),
    ("lsquo", '\u{2018}'),
    ("rsquo", '\u{2019}'),
    ("sbquo", '\u{201a}'),
    ("ldquo", '\u{201c}'),
    ("rdquo", '\u{201d}'),
    ("bdquo", '\u{201e}'),
    ("lsaquo", '\u{2039}'),
    ("rsaquo", '\u{203a}'),
    ("dagger", '\u{2020}'),
    ("Dagger", '\u{2021}'),
    ("bull", '\u{2022}'),
    ("hellip", '\u{2026}'),
    ("permil", '\u{2030}'),
    ("prime", '\u{2032}'),
    ("Prime", '\u{2033}'),
    ("euro", '\u{20ac}'),
    ("trade", '\u{2122}'),
    ("larr", '\u{2190}'),
    ("uarr", '\u{2191}'),
    ("rarr", '\u{2192}'),
    ("darr", '\u{2193}'),
    ("harr", '\u{2194}'),
    ("oelig", '\u{153}'),
    ("OElig", '\u{152}'),
    ("scaron", '\u{161}'),
    ("Scaron", '\u{160}'),
    ("Yuml", '\u{178}'),
    ("fnof", '\u{192}'),
    ("hearts", '\u{2665}'),
    ("sung", '\u{266a}'),
    ("check", '\u{2713}'),
];

/// `text` with its references replaced.
pub(super) fn resolve(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match reference(rest) {
            Some((character, after)) => {
                out.push(character);
                rest = after;
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    out
}

/// The character that a reference at the front of `text` means, and what follows it.
fn reference(text: &str) -> Option<(char, &str)> {
    if let Some(number) = text.strip_prefix('#') {
        return numeric(number);
    }
    let end = text.bytes().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let short = |name: &str| {
        let latin = LATIN.iter().zip('\u{a0}'..='\u{ff}').map(|(name, character)| (*name, character));
        latin.chain(SHORT).find(|(known, _)| *known == name).map(|(_, character)| character)
    };
    if let Some(after) = rest.strip_prefix(';') {
        let long = LONG.iter().find(|(known, _)| *known == name).map(|(_, character)| *character);
        if let Some(character) = long.or_else(|| short(name)) {
            return Some((character, after));
        }
    }
    // The longest known name that the letters begin with.
    (2..=name.len().min(6)).rev().find_map(|length| Some((short(&name[..length])?, &text[length..])))
}

fn numeric(text: &str) -> Option<(char, &str)> {
    let (digits, radix) = match text.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let end = digits.find(|digit: char| !digit.is_digit(radix)).unwrap_or(digits.len());
    let (number, rest) = digits.split_at(end);
    if number.is_empty() {
        return None;
    }
    let code = u32::from_str_radix(number, radix).ok().filter(|code| *code != 0);
    let character = code.and_then(char::from_u32).unwrap_or('\u{fffd}');
    Some((character, rest.strip_prefix(';').unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn names_and_numbers_are_replaced() {
        assert_eq!(resolve("a&lrm;b &amp&lt;&nbsp;&eacute;&yuml"), "a\u{200e}b &<\u{a0}éÿ");
        assert_eq!(resolve("&#32;&#x41;&#0;&#x110000;&#99999999999;"), " A\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(resolve("&;&1&&what; &#; &notit;"), "&;&1&&what; &#; ¬it;");
    }
}
