//! Runs of styled text to lines: breaking at a width, and the visual order of what runs from right to left
//! (Unicode Standard Annex #9).
//!
//! Lines break at spaces and between ideographs. Shaping is left to whoever draws: each [`Piece`] runs in
//! one direction and has one look.

use super::style::{Run, Style};
use unicode_bidi::{BidiInfo, Level};

/// Text of one look and direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// In logical order.
    pub text: String,
    /// Its look.
    pub style: Style,
    /// Its width, as measured.
    pub width: f32,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// From left to right as they are to be seen.
    pub pieces: Vec<Piece>,
    /// Their sum.
    pub width: f32,
}

/// Breaks `runs` into lines of at most `width`; words that are wider stand alone on a line. `measure` gives
/// the width of text that runs in one direction.
pub fn lines(runs: &[Run], width: f32, mut measure: impl FnMut(&str, &Style) -> f32) -> Vec<Line> {
    let mut out = Vec::new();
    for paragraph in paragraphs(runs) {
        let backwards = {
            let text: String = paragraph.iter().map(|(text, _)| text.as_str()).collect();
            super::layout::is_right_to_left(&text)
        };
        let mut line: Vec<(String, Style)> = Vec::new();
        let mut used = 0.0;
        for (word, style) in paragraph.iter().flat_map(|(text, style)| words(text).map(move |w| (w, style))) {
            let visible = measure(word.trim_end(), style);
            if used > 0.0 && used + visible > width {
                out.push(arrange(std::mem::take(&mut line), backwards, &mut measure));
                used = 0.0;
            }
            used += measure(word, style);
            match line.last_mut() {
                Some((text, last)) if last == style => text.push_str(word),
                _ => line.push((word.to_owned(), *style)),
            }
        }
        out.push(arrange(line, backwards, &mut measure));
    }
    out
}

/// Splits at line feeds.
fn paragraphs(runs: &[Run]) -> Vec<Vec<(String, Style)>> {
    let mut paragraphs = vec![Vec::new()];
    for run in runs {
        for (at, part) in run.text.split('\n').enumerate() {
            if at > 0 {
                paragraphs.push(Vec::new());
            }
            if let Some(paragraph) = paragraphs.last_mut().filter(|_| !part.is_empty()) {
                paragraph.push((part.to_owned(), run.style));
            }
        }
    }
    paragraphs
}

/// The smallest parts between which a line may break.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut before = None;
        let end = rest.char_indices().find(|(_, c)| {
            let breaks = match before {
                Some(' ') => *c != ' ',
                Some(last) => (is_ideograph(last) || is_ideograph(*c)) && !clings(*c) && *c != ' ',
                None => false,
            };
            before = Some(*c);
            breaks
        });
        let (word, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ff60}' | '\u{20000}'..='\u{3ffff}')
}

/// What does not begin a line: closing signs and small kana.
fn clings(c: char) -> bool {
    const CLINGS: &str =
        "、。，．）」』】〉》！？：；・ーぁぃぅぇぉっゃゅょァィゥェォッャュョ)]}!?:;,.…\u{200d}\u{fe0f}";
    CLINGS.contains(c) || ('\u{300}'..='\u{36f}').contains(&c)
}

/// Puts a line into visual order.
fn arrange(
    mut line: Vec<(String, Style)>,
    backwards: bool,
    measure: &mut impl FnMut(&str, &Style) -> f32,
) -> Line {
    // Spaces at the end of a line are not seen.
    while let Some((text, _)) = line.last_mut() {
        text.truncate(text.trim_end().len());
        if !text.is_empty() {
            break;
        }
        line.pop();
    }
    let text: String = line.iter().map(|(text, _)| text.as_str()).collect();
    let mut ends = Vec::with_capacity(line.len());
    let mut end = 0;
    for (part, style) in &line {
        end += part.len();
        ends.push((end, *style));
    }
    let mut out = Line::default();
    let mut put = |text: &str, style: Style| {
        let width = measure(text, &style);
        out.width += width;
        out.pieces.push(Piece { text: text.to_owned(), style, width });
    };
    let level = if backwards { Level::rtl() } else { Level::ltr() };
    let info = BidiInfo::new(&text, Some(level));
    let Some(paragraph) = info.paragraphs.first() else { return out };
    let (levels, runs) = info.visual_runs(paragraph, 0..text.len().min(paragraph.range.end));
    for run in runs {
        // The parts of one look in this run; from right to left the last is seen first.
        let mut parts = Vec::new();
        let mut from = run.start;
        for (end, style) in &ends {
            let to = (*end).min(run.end);
            if to > from {
                parts.push((from..to, *style));
                from = to;
            }
        }
        if levels.get(run.start).is_some_and(Level::is_rtl) {
            parts.reverse();
        }
        for (range, style) in parts {
            put(text.get(range).unwrap_or_default(), style);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(text: &str, bold: bool) -> Run {
        Run { text: text.to_owned(), style: Style { bold, ..Style::default() }, from: None }
    }

    /// Every character is one wide.
    fn broken(runs: &[Run], width: f32) -> Vec<Vec<String>> {
        let lines = lines(runs, width, |text, _| text.chars().count() as f32);
        lines.into_iter().map(|line| line.pieces.into_iter().map(|piece| piece.text).collect()).collect()
    }

    #[test]
    fn lines_break_at_spaces_and_between_ideographs() {
        assert_eq!(broken(&[run("one two three\nfour", false)], 8.0), [["one two"], ["three"], ["four"]]);
        assert_eq!(broken(&[run("今日は、晴れ。", false)], 3.0), [["今日"], ["は、晴"], ["れ。"]]);
        assert_eq!(broken(&[run("incomprehensible", false)], 4.0), [["incomprehensible"]]);
        assert_eq!(broken(&[run("", false)], 4.0), [Vec::<String>::new()]);
    }

    #[test]
    fn looks_are_kept_apart() {
        assert_eq!(broken(&[run("a ", false), run("b", true), run(" c", false)], 9.0), [["a ", "b", " c"]]);
    }

    #[test]
    fn right_to_left_text_is_seen_in_its_order() {
        let hebrew = "\u{5d0}\u{5d1} \u{5d2}";
        let line = &broken(&[run(&format!("{hebrew} ab"), false)], 99.0)[0];
        assert_eq!(line, &["ab".to_owned(), format!("{hebrew} ")]);
        let two = [run("\u{5d0}\u{5d1} ", false), run("\u{5d2}", true)];
        assert_eq!(broken(&two, 99.0), [["\u{5d2}", "\u{5d0}\u{5d1} "]]);
        assert_eq!(broken(&[run("ab \u{5d0} cd", false)], 99.0), [["ab ", "\u{5d0}", " cd"]]);
    }

    proptest! {
        #[test]
        fn no_visible_character_is_lost(text in "[a-zא-ו今日 \n]{0,60}", width in 1.0f32..30.0) {
            let mut seen: Vec<char> = broken(&[run(&text, false)], width).concat().concat().chars().collect();
            let mut wanted: Vec<char> = text.chars().collect();
            for list in [&mut seen, &mut wanted] {
                list.retain(|c| !c.is_whitespace());
                list.sort_unstable();
            }
            prop_assert_eq!(seen, wanted);
        }
    }
}
