//! The path of a request target into its one normal form, or the reason to refuse it.
//!
//! The same normal form is matched against behaviors, put into the cache key and sent to the origin, so that no two of them can
//! disagree about what was asked for.

use std::fmt;

/// A path in normal form: unreserved characters decoded, hex in upper case, what is not a URI character as `%XX`, no dot segments.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NormalPath(Box<str>);

/// Why a path is refused, always with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// It does not start with `/`.
    NotAbsolute,
    /// `%00` ends names early in much of what serves files.
    Nul,
    /// `\` is a separator to some origins and a character to others.
    Backslash,
    /// `..` beyond the first segment.
    AboveRoot,
    /// `%2F` or `%5C`, once an origin decodes it, or a `;` with which a parameter begins, makes a `.` or `..` segment.
    HiddenDotSegment,
}

impl PathError {
    /// The word for `Cache-Status` and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotAbsolute => "path-not-absolute",
            Self::Nul => "path-nul",
            Self::Backslash => "path-backslash",
            Self::AboveRoot => "path-above-root",
            Self::HiddenDotSegment => "path-hidden-dot-segment",
        }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl std::error::Error for PathError {}

impl NormalPath {
    /// Normalises once (RFC 3986 §6.2.2, §5.2.4). Doing it again changes nothing.
    pub fn parse(raw: &str) -> Result<Self, PathError> {
        let Some(rest) = raw.strip_prefix('/') else { return Err(PathError::NotAbsolute) };
        if rest.contains('\\') {
            return Err(PathError::Backslash);
        }
        let encoded = normalise_characters(rest);
        if encoded.contains("%00") {
            return Err(PathError::Nul);
        }
        remove_dot_segments(&encoded).map(|path| Self(path.into()))
    }

    /// The path as it is matched, keyed and sent. It starts with `/` and holds no `?`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// RFC 3986 §5.2.4, except that climbing above the root is refused instead of ignored. `//` stays: it is an empty segment.
fn remove_dot_segments(encoded: &str) -> Result<String, PathError> {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_directory = false;
    for segment in encoded.split('/') {
        ends_in_directory = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                if kept.pop().is_none() {
                    return Err(PathError::AboveRoot);
                }
            }
            _ if hides_dot_segment(segment) => return Err(PathError::HiddenDotSegment),
            _ => kept.push(segment),
        }
    }
    if ends_in_directory {
        kept.push("");
    }
    let mut path = String::with_capacity(encoded.len() + 1);
    for segment in kept {
        path.push('/');
        path.push_str(segment);
    }
    Ok(path)
}

/// Whether a part of a segment is a dot segment to somebody: to those who decode the separators inside it, and to those who take the
/// parameters off it that begin with a `;` (RFC 3986 §3.3), as many servers of Java do.
fn hides_dot_segment(segment: &str) -> bool {
    let mut parts = segment.split("%2F").flat_map(|part| part.split("%5C"));
    parts.any(|part| matches!(without_parameters(part), "." | ".."))
}

fn without_parameters(segment: &str) -> &str {
    let mut parts = segment.split(';').take(1).flat_map(|part| part.split("%3B"));
    parts.next().unwrap_or_default()
}

/// RFC 3986 §6.2.2.1 and §6.2.2.2. A `%` without two hex digits is a character of its own, so it becomes `%25`.
pub(crate) fn normalise_characters(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut bytes = raw.as_bytes();
    while let Some((&byte, rest)) = bytes.split_first() {
        bytes = rest;
        let Some((high, low)) = escape_digits(byte, rest) else {
            push_path_byte(&mut out, byte);
            continue;
        };
        bytes = rest.get(2..).unwrap_or_default();
        let decoded = high << 4 | low;
        if is_unreserved(decoded) {
            out.push(char::from(decoded));
        } else {
            push_escaped(&mut out, decoded);
        }
    }
    out
}

/// The two digits that follow a `%`, if they are hex digits.
fn escape_digits(byte: u8, rest: &[u8]) -> Option<(u8, u8)> {
    let [high, low, ..] = rest else { return None };
    if byte == b'%' { Some((hex_value(*high)?, hex_value(*low)?)) } else { None }
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn push_path_byte(out: &mut String, byte: u8) {
    if is_path_character(byte) { out.push(char::from(byte)) } else { push_escaped(out, byte) }
}

pub(crate) fn push_escaped(out: &mut String, byte: u8) {
    out.push('%');
    for digit in [byte >> 4, byte & 15] {
        out.extend(char::from_digit(digit.into(), 16).map(|c| c.to_ascii_uppercase()));
    }
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// RFC 3986 §3.3: `pchar` without escapes, and `/`.
pub(crate) fn is_path_character(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@/".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(raw: &str, expect: Result<&str, PathError>) {
        assert_eq!(NormalPath::parse(raw).as_ref().map(NormalPath::as_str), expect.as_ref().map(|s| *s), "{raw}");
    }

    #[test]
    fn equivalent_spellings_have_one_form() {
        check("/", Ok("/"));
        check("/%7euser/%41", Ok("/~user/A"));
        check("/a%2fb%c3%bc", Ok("/a%2Fb%C3%BC"));
        check("/ü|\"", Ok("/%C3%BC%7C%22"));
        check("/100%", Ok("/100%25"));
        check("/%zz%4", Ok("/%25zz%254"));
    }

    #[test]
    fn dot_segments_are_removed_and_empty_segments_kept() {
        check("/a/./b/../c", Ok("/a/c"));
        check("/a/b/..", Ok("/a/"));
        check("/a/.", Ok("/a/"));
        check("/.", Ok("/"));
        check("/a//b/", Ok("/a//b/"));
        check("/a//../b", Ok("/a/b"));
        check("/a/%2E%2e/b", Ok("/b"));
        check("/...", Ok("/..."));
    }

    #[test]
    fn a_path_that_an_origin_could_read_otherwise_is_refused() {
        check("", Err(PathError::NotAbsolute));
        check("*", Err(PathError::NotAbsolute));
        check("/a\\b", Err(PathError::Backslash));
        check("/a%00.png", Err(PathError::Nul));
        check("/..", Err(PathError::AboveRoot));
        check("/a/../../b", Err(PathError::AboveRoot));
        check("/%2e%2E/a", Err(PathError::AboveRoot));
        check("/a/..%2fb", Err(PathError::HiddenDotSegment));
        check("/a%5c..%5Cb", Err(PathError::HiddenDotSegment));
        check("/x%2F.", Err(PathError::HiddenDotSegment));
        for hidden in
            ["/a/..;/b", "/..;x=y/", "/a/.;/b", "/.;", "/a/%2e%2e;/b", "/a/..%3b/b", "/a/%2E%3B..", "/x%2f..;%2fb"]
        {
            check(hidden, Err(PathError::HiddenDotSegment));
        }
        check("/a;/..x;/...;/;../b%3B..", Ok("/a;/..x;/...;/;../b%3B.."));
        check("/a%5Cb%2Fc", Ok("/a%5Cb%2Fc"));
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(raw in "/([%./a~;Zü\\PC]|%2[0-9eEfF]|%3[bB]|%[0-7][0-9a-fA-F]|\\.\\.|//){0,24}") {
            if let Ok(once) = NormalPath::parse(&raw) {
                prop_assert_eq!(NormalPath::parse(once.as_str()), Ok(once.clone()));
                prop_assert!(once.as_str().bytes().all(|b| is_path_character(b) || b == b'%'));
                let taken = ["%2F", "%5C"].iter().fold(once.as_str().to_owned(), |path, mark| path.replace(mark, "/"));
                let bare = |segment: &str| segment.replace("%3B", ";").split(';').next().unwrap_or_default().to_owned();
                prop_assert!(taken.split('/').all(|segment| ![".", ".."].contains(&bare(segment).as_str())));
            }
        }
    }
}
