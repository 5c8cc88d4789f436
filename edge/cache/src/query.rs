//! A query string and a behavior's rule into the query that is keyed, which is also the one that is forwarded.

use std::borrow::Cow;

use edge_contract::Choice;
use percent_encoding::percent_decode_str;

use crate::path::{is_path_character, push_escaped};

/// What of a query tells responses apart. Mode `Auto` forwards exactly this, so nothing unkeyed can reach an origin through a cache.
///
/// Order and repetition count. `None` and an empty query (`/a?`) differ, as URIs do.
pub fn keyed(query: Option<&str>, rule: &Choice) -> Option<String> {
    let query = query?;
    match rule {
        Choice::All => Some(normalise(query)),
        Choice::None => None,
        Choice::Include(names) => select(query, |name| names.iter().any(|kept| kept == name)),
        Choice::Exclude(names) => select(query, |name| !names.iter().any(|dropped| dropped == name)),
    }
}

/// What a query is sent as where nothing is cached: as it came, made of URI characters.
pub fn normalise(query: &str) -> String {
    let mut out = String::with_capacity(query.len());
    for byte in query.bytes() {
        if is_query_character(byte) { out.push(char::from(byte)) } else { push_escaped(&mut out, byte) }
    }
    out
}

fn select(query: &str, keep: impl Fn(&str) -> bool) -> Option<String> {
    let kept: Vec<String> = query.split('&').filter(|pair| keep(&name(pair))).map(normalise).collect();
    if kept.is_empty() { None } else { Some(kept.join("&")) }
}

/// The name of a parameter as an origin reads it: `p%61ge` and `page` are one.
fn name(pair: &str) -> Cow<'_, str> {
    let raw = pair.split_once('=').map_or(pair, |(name, _)| name);
    if raw.contains('+') {
        return percent_decode_str(&raw.replace('+', " ")).decode_utf8_lossy().into_owned().into();
    }
    percent_decode_str(raw).decode_utf8_lossy()
}

/// RFC 3986 §3.4, and `%`: an escape is left as it came, since decoding in a query can change its meaning.
fn is_query_character(byte: u8) -> bool {
    is_path_character(byte) || matches!(byte, b'?' | b'%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: Option<&str>, rule: &Choice, expect: Option<&str>) {
        assert_eq!(keyed(query, rule).as_deref(), expect, "{query:?} {rule:?}");
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_keeps_a_query_as_it_came() {
        check(Some("b=2&a=1&b=2&&c"), &Choice::All, Some("b=2&a=1&b=2&&c"));
        check(Some("x=ü|%7e"), &Choice::All, Some("x=%C3%BC%7C%7e"));
        check(Some(""), &Choice::All, Some(""));
        check(None, &Choice::All, None);
    }

    #[test]
    fn none_drops_every_query() {
        check(Some("page=2"), &Choice::None, None);
    }

    #[test]
    fn include_keeps_the_named_in_their_order() {
        let rule = Choice::Include(names(&["page", "a b"]));
        check(Some("x=1&page=2&y&page=1"), &rule, Some("page=2&page=1"));
        check(Some("p%61ge=2&a+b=1&a%20b=2"), &rule, Some("p%61ge=2&a+b=1&a%20b=2"));
        check(Some("x=1"), &rule, None);
        check(Some("Page=1&pages=2"), &rule, None);
        check(Some("page=ü|"), &rule, Some("page=%C3%BC%7C"));
    }

    #[test]
    fn exclude_drops_the_named() {
        let rule = Choice::Exclude(names(&["utm"]));
        check(Some("utm=1&page=2&utm&x"), &rule, Some("page=2&x"));
        check(Some("utm=1"), &rule, None);
        check(Some(""), &rule, Some(""));
    }
}
