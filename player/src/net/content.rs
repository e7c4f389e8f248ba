//! Recognises the pages that stand in for media: empty answers, sign-in pages, error objects.

use super::BodyKind;
use abr::presentation::Container;

/// Says what is wrong when `body` cannot be what `kind` asks for, judged by its first bytes.
pub(super) fn not_media(kind: BodyKind, body: &[u8]) -> Option<&'static str> {
    if body.is_empty() {
        return Some("the answer is empty");
    }
    if matches!(kind, BodyKind::Other | BodyKind::Date) {
        return None;
    }
    let text = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii_start();
    if is_html(text) {
        return Some("a web page came instead; a sign-in or error page?");
    }
    let may_be_text = kind == BodyKind::Segment(Container::Webvtt);
    if !may_be_text && is_json(text) {
        return Some("a JSON text came instead");
    }
    None
}

/// An HTML document, also with an XML declaration or comments before it.
fn is_html(mut text: &[u8]) -> bool {
    // Three pieces may stand before the root element; more are not looked at.
    for _ in 0..3 {
        let end: &[u8] = if text.starts_with(b"<!--") {
            b"-->"
        } else if text.starts_with(b"<?") {
            b"?>"
        } else {
            break;
        };
        let head = &text[..text.len().min(1024)];
        let Some(at) = head.windows(end.len()).position(|window| window == end) else { return false };
        text = text[at + end.len()..].trim_ascii_start();
    }
    ["<!doctype html", "<html", "<head", "<body"].iter().any(|start| {
        text.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start.as_bytes()))
    })
}

/// A JSON object or list. A box whose size begins with `{` would have 2 GB.
fn is_json(text: &[u8]) -> bool {
    match text {
        [b'{', rest @ ..] => matches!(rest.trim_ascii_start(), [b'"' | b'}', ..]),
        [b'[', rest @ ..] => matches!(rest.trim_ascii_start(), [b'{' | b'"' | b'[' | b']', ..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_from_manifests_and_media() {
        let page = |body: &[u8]| not_media(BodyKind::Manifest, body).is_some();
        for bad in [
            b"".as_slice(),
            b"<!DOCTYPE html><title>Sign in</title>",
            b"\xEF\xBB\xBF \n<HTML>",
            b"<?xml version='1.0'?><!-- x --><html xmlns='http://www.w3.org/1999/xhtml'>",
            b"{\"error\": 404}",
            b"[ {}]",
        ] {
            assert!(page(bad), "{}", String::from_utf8_lossy(bad));
        }
        for good in [
            b"#EXTM3U\n".as_slice(),
            b"<?xml version=\"1.0\"?>\n<!-- <html> -->\n<MPD>",
            b"<MPD>",
            b"\0\0\0\x18ftyp",
            b"G@\0\x10",
            b"ID3\x04",
        ] {
            assert!(!page(good), "{}", String::from_utf8_lossy(good));
        }
        assert_eq!(not_media(BodyKind::Other, b"{\"keys\":[]}"), None);
    }
}
