//! A behavior's path pattern and a normal path into whether they match.

use crate::NormalPath;

/// A pattern: `*` is any run of characters, `/` among them, `?` exactly one. Case-sensitive; the query is never considered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern(Box<[u8]>);

impl PathPattern {
    /// A pattern without a leading `/` is the same pattern with it; a leading `*` already covers it.
    pub fn new(pattern: &str) -> Self {
        let slash = if pattern.starts_with(['/', '*']) { "" } else { "/" };
        Self(format!("{slash}{pattern}").into_bytes().into())
    }

    /// Whether this behavior serves this path.
    ///
    /// A `*` that fails further on takes one more character and tries again; only the last one passed can ever need to, so the
    /// work is at most pattern × path, and one pass for a single `*`.
    pub fn matches(&self, path: &NormalPath) -> bool {
        let (mut pattern, mut text) = (&*self.0, path.as_str().as_bytes());
        let mut last_star: Option<(&[u8], &[u8])> = None;
        loop {
            match (pattern.split_first(), text.split_first()) {
                (Some((b'*', after)), _) => {
                    last_star = Some((after, text));
                    pattern = after;
                }
                (Some((want, after)), Some((have, rest))) if want == have || *want == b'?' => {
                    (pattern, text) = (after, rest);
                }
                (None, None) => return true,
                _ => {
                    let Some((after, taken)) = last_star else { return false };
                    let Some((_, rest)) = taken.split_first() else { return false };
                    last_star = Some((after, rest));
                    (pattern, text) = (after, rest);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        check(&"*a".repeat(60), &format!("/{}b", "a".repeat(4_000)), false);
    }

    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|n| naive(rest, &text[n..])),
            Some((c, rest)) => text.split_first().is_some_and(|(t, more)| (*c == b'?' || c == t) && naive(rest, more)),
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_definition(pattern in "/[ab?*]{0,8}", path in "/[ab]{0,10}") {
            let normal = NormalPath::parse(&path).expect("legal");
            prop_assert_eq!(PathPattern::new(&pattern).matches(&normal), naive(pattern.as_bytes(), path.as_bytes()));
        }
    }
}
