//! Path patterns and a normal path into whether they match, and which of many does first.

mod gate;

use std::borrow::Cow;

use crate::NormalPath;
use gate::{Approach, Gate};

/// What paths are made of, the most frequent first; what is not here is rarer still.
const FREQUENT: &str = "/eatsionrlcdpmu-g.hbyfvwk_xjqz0123456789";
/// So many times a rare character may mislead a search.
const TRIES: usize = 16;

/// A pattern: `*` is any run of characters, `/` among them, `?` exactly one. Case-sensitive; the query is never considered.
///
/// It is kept as what stands between its stars. Where each piece is looked for behind the one before, the first place is as good
/// as any later one, so nothing is tried twice: a match costs at most one pass over the path, whatever the pattern repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    start: Piece,
    /// What lies between stars, and the end. None: there is no star.
    after: Option<(Box<[Piece]>, Piece)>,
}

/// The patterns of a site, in their order, each behind a [`Gate`]: most of many need not be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patterns {
    gates: Box<[Gate]>,
    patterns: Box<[PathPattern]>,
}

/// Text without a star.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Plain(Plain),
    Gapped(Gapped),
}

/// Text as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plain {
    text: Box<str>,
    /// The character of it that paths hold least often, and where it is.
    rarest: (usize, char),
}

/// Text in which a `?` stands for any one character.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Gapped {
    text: Box<[u8]>,
    /// For each ASCII character, the places at which it may stand: a row of bits, in words of 64.
    places: Box<[u64]>,
}

impl Patterns {
    /// The patterns of behaviors, in their order.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        let both = patterns.into_iter().map(|pattern| (Gate::new(&with_slash(pattern)), PathPattern::new(pattern)));
        let (gates, patterns): (Vec<_>, Vec<_>) = both.unzip();
        Self { gates: gates.into(), patterns: patterns.into() }
    }

    /// The place of the first one that matches.
    pub fn first(&self, path: &NormalPath) -> Option<usize> {
        let mut approach = Approach::new(path.as_str());
        let mut all = self.gates.iter().zip(&self.patterns);
        all.position(|(gate, pattern)| gate.lets_through(&mut approach) && pattern.matches(path))
    }
}

impl PathPattern {
    /// A pattern without a leading `/` is the same pattern with it; a leading `*` already covers it.
    pub fn new(pattern: &str) -> Self {
        let whole = with_slash(pattern);
        let mut pieces: Vec<&str> = whole.split('*').collect();
        let end = pieces.pop().unwrap_or_default();
        let Some((start, between)) = pieces.split_first() else { return Self { start: Piece::new(end), after: None } };
        // Two stars in a row are one.
        let between = between.iter().filter(|piece| !piece.is_empty()).map(|piece| Piece::new(piece)).collect();
        Self { start: Piece::new(start), after: Some((between, Piece::new(end))) }
    }

    /// Whether this behavior serves this path.
    pub fn matches(&self, path: &NormalPath) -> bool {
        self.matches_in(path.as_str(), &mut 0)
    }

    /// The same, and how many characters, or words of bits, were looked at for it.
    fn matches_in(&self, path: &str, steps: &mut usize) -> bool {
        let Some(rest) = self.start.strip_from_start(path) else { return false };
        let Some((between, end)) = &self.after else { return rest.is_empty() };
        let Some(mut rest) = end.strip_from_end(rest) else { return false };
        for piece in between {
            let Some(behind) = piece.find(rest, steps) else { return false };
            rest = behind;
        }
        true
    }
}

fn with_slash(pattern: &str) -> Cow<'_, str> {
    if pattern.starts_with(['/', '*']) { pattern.into() } else { format!("/{pattern}").into() }
}

impl Piece {
    fn new(text: &str) -> Self {
        if text.contains('?') { Self::Gapped(Gapped::new(text)) } else { Self::Plain(Plain::new(text)) }
    }

    /// What follows it, where the text begins with it.
    fn strip_from_start<'a>(&self, text: &'a str) -> Option<&'a str> {
        match self {
            Self::Plain(plain) => text.strip_prefix(&*plain.text),
            Self::Gapped(gapped) => {
                text.split_at_checked(gapped.text.len()).filter(|(start, _)| gapped.is(start)).map(|(_, rest)| rest)
            }
        }
    }

    /// What precedes it, where the text ends with it.
    fn strip_from_end<'a>(&self, text: &'a str) -> Option<&'a str> {
        match self {
            Self::Plain(plain) => text.strip_suffix(&*plain.text),
            Self::Gapped(gapped) => {
                let at = text.len().checked_sub(gapped.text.len())?;
                text.split_at_checked(at).filter(|(_, end)| gapped.is(end)).map(|(rest, _)| rest)
            }
        }
    }

    /// What follows the first place at which it stands.
    fn find<'a>(&self, text: &'a str, steps: &mut usize) -> Option<&'a str> {
        let end = match self {
            Self::Plain(plain) => plain.end_in(text, steps)?,
            Self::Gapped(gapped) => gapped.end_in(text, steps)?,
        };
        text.get(end..)
    }
}

impl Plain {
    fn new(text: &str) -> Self {
        let rarity = |character: char| FREQUENT.find(character).unwrap_or(FREQUENT.len());
        let rarest = text.char_indices().max_by_key(|(_, character)| rarity(*character)).unwrap_or_default();
        Self { text: text.into(), rarest }
    }

    /// Where the first place ends at which it stands. Most paths lack its rarest character, and are done with once they were looked
    /// through for that; where it is all over, the library's search takes as long as path and piece are, whatever they hold.
    fn end_in(&self, text: &str, steps: &mut usize) -> Option<usize> {
        let (before, rarest) = self.rarest;
        let mut from = before;
        for _ in 0..TRIES {
            let rest = text.get(from..)?;
            let found = rest.find(rarest);
            *steps += found.unwrap_or(rest.len()) + self.text.len();
            from += found?;
            let start = from.checked_sub(before)?;
            if text.get(start..).is_some_and(|place| place.starts_with(&*self.text)) {
                return Some(start + self.text.len());
            }
            from += rarest.len_utf8();
        }
        let found = text.find(&*self.text);
        *steps += found.unwrap_or(text.len()) + self.text.len();
        Some(found? + self.text.len())
    }
}

impl Gapped {
    fn new(text: &str) -> Self {
        let words = text.len().div_ceil(64);
        let mut places = vec![0; 128 * words];
        for (row, character) in places.chunks_mut(words).zip(0_u8..) {
            for (at, _) in text.bytes().enumerate().filter(|(_, want)| *want == character || *want == b'?') {
                row.get_mut(at / 64).into_iter().for_each(|word| *word |= 1 << (at % 64));
            }
        }
        Self { text: text.as_bytes().into(), places: places.into() }
    }

    fn is(&self, text: &str) -> bool {
        text.len() == self.text.len() && self.text.iter().zip(text.bytes()).all(|(w, h)| *w == b'?' || *w == h)
    }

    /// Where the first place ends at which it stands. All beginnings that fit so far are followed at once, a bit for each.
    fn end_in(&self, text: &str, steps: &mut usize) -> Option<usize> {
        let words = self.text.len().div_ceil(64);
        let mut begun = vec![0_u64; words];
        for (at, character) in text.bytes().enumerate() {
            *steps += words;
            let row = self.places.chunks(words).nth(character.into())?;
            let mut carry = 1;
            for (word, places) in begun.iter_mut().zip(row) {
                let out = *word >> 63;
                *word = (*word << 1 | carry) & places;
                carry = out;
            }
            if begun.last()? >> ((self.text.len() - 1) % 64) & 1 == 1 {
                return Some(at + 1);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    #[track_caller]
    fn check(pattern: &str, path: &str, expect: bool) {
        let path = NormalPath::parse(path).expect("a legal path");
        assert_eq!(PathPattern::new(pattern).matches(&path), expect, "{pattern} on {}", path.as_str());
    }

    #[test]
    fn a_star_is_any_run_and_crosses_slashes() {
        check("*", "/", true);
        check("/img/*", "/img/a/b.png", true);
        check("/img/*", "/img/", true);
        check("/img/*", "/img", false);
        check("*.jpg", "/a/b.jpg", true);
        check("/a*b*c", "/a-b-b-c", true);
        check("/a*b*c", "/a-c-b", false);
    }

    #[test]
    fn a_question_mark_is_exactly_one() {
        check("/a?c", "/abc", true);
        check("/a?c", "/ac", false);
        check("/a?c", "/a/c", true);
    }

    #[test]
    fn a_missing_slash_is_there_and_case_counts() {
        check("img/*", "/img/a", true);
        check("?mg", "/img", true);
        check("/Img/*", "/img/a", false);
    }

    #[test]
    fn many_stars_do_not_explode() {
        let long = format!("/{}b", "a".repeat(8_000));
        check(&"*a".repeat(60), &long, false);
        check(&format!("{}*b", "*a".repeat(60)), &long, true);
        check(&format!("*{}b*c", "a".repeat(250)), &long, false);
        check(&format!("*{}?b*", "a".repeat(250)), &long, true);
        check(&format!("*?{}c*", "a".repeat(250)), &long, false);
    }

    /// Two looks at each character of the path, or one for each word of a gapped piece, and twenty at each of the pattern: whatever
    /// repeats, nothing is multiplied by the length of both.
    fn is_linear(pattern: &str, path: &str) -> bool {
        let mut steps = 0;
        PathPattern::new(pattern).matches_in(path, &mut steps);
        steps <= path.len() * pattern.len().div_ceil(64).max(2) + pattern.len() * 20
    }

    #[test]
    fn no_pattern_takes_more_than_a_few_looks_at_each_character() {
        let paths =
            ["a".repeat(8_190), "ab".repeat(4_095), "a".repeat(4_000) + &"b".repeat(4_190), "abc".repeat(2_730)];
        let patterns = [
            "*a".repeat(127),
            "*a".repeat(120) + "*b",
            "*a".repeat(120) + "*c*",
            "*ab".repeat(80) + "*bb*",
            format!("*{}b*", "a".repeat(250)),
            format!("*{}b*", "ab".repeat(125)),
            format!("*{}?b*", "a".repeat(250)),
            "*a?".repeat(80) + "*c*",
            format!("*{}c*", "?".repeat(250)),
        ];
        for path in paths.map(|path| format!("/{path}")) {
            for pattern in &patterns {
                assert!(is_linear(pattern, &path), "{pattern} on {}", &path[..10]);
            }
        }
    }

    #[test]
    fn a_question_mark_between_stars_is_found_wherever_it_fits() {
        check("*a?c*", "/xa/abc", true);
        check("*a?c*", "/xa/ab", false);
        check("*?*", "/", true);
        check("/*??*", "/a", false);
        let piece = format!("{}?{}", "a".repeat(63), "b".repeat(70));
        check(&format!("*{piece}*"), &format!("/aa{}/", piece.replace('?', "c")), true);
        check(&format!("*{piece}*"), &format!("/aa{}/", piece.replace("?b", "c")), false);
    }

    #[test]
    fn of_many_patterns_the_first_that_matches_counts() {
        let patterns = Patterns::new(["/img/*", "*.png", "*"]);
        let first = |path: &str| patterns.first(&NormalPath::parse(path).expect("a legal path"));
        assert_eq!((first("/img/a.png"), first("/a.png"), first("/a")), (Some(0), Some(1), Some(2)));
        assert_eq!(Patterns::new(["/a"]).first(&NormalPath::parse("/b").expect("a legal path")), None);
    }

    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|n| naive(rest, &text[n..])),
            Some((c, rest)) => text.split_first().is_some_and(|(t, more)| (*c == b'?' || c == t) && naive(rest, more)),
        }
    }

    /// What patterns and paths are made of, so that they often agree at their ends or in between.
    const PARTS: &[&str] = &["*", "?", "a", "b", "/", "ab", "static/", "12345678", ".min.js", "preview-1", "ca"];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn it_agrees_with_the_definition(pattern in "/[ab?*]{0,10}", path in "/[ab]{0,12}") {
            let normal = NormalPath::parse(&path).expect("legal");
            prop_assert_eq!(PathPattern::new(&pattern).matches(&normal), naive(pattern.as_bytes(), path.as_bytes()));
        }

        #[test]
        fn it_takes_a_few_looks_at_each_character(pattern in "/([ab*]{0,9}|[ab?*]{0,9}){0,9}", unit in "[ab]{1,5}", times in 1_usize..200) {
            let path = format!("/{}", unit.repeat(times));
            prop_assert!(is_linear(&pattern, &path), "{} on {}", pattern, path);
        }

        #[test]
        fn of_many_the_first_that_matches_by_the_definition_is_found(
            patterns in vec(vec(select(PARTS), 0..6), 0..12),
            path in vec(select(&PARTS[2..]), 0..6),
        ) {
            let patterns: Vec<String> = patterns.iter().map(|parts| format!("/{}", parts.concat())).collect();
            let path = format!("/{}", path.concat());
            let expect = patterns.iter().position(|pattern| naive(pattern.as_bytes(), path.as_bytes()));
            let normal = NormalPath::parse(&path).expect("legal");
            prop_assert_eq!(Patterns::new(patterns.iter().map(String::as_str)).first(&normal), expect, "{:?} on {}", patterns, path);
        }
    }
}
