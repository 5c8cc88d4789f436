//! A query string and a behavior's rules into the query that is keyed, and into the one that is forwarded.

use std::borrow::Cow;

use edge_contract::Choice;
use percent_encoding::percent_decode_str;

use crate::{
    choice::{Going, keeps},
    path::{is_path_character, push_escaped},
};

/// What of a query tells responses apart. Mode `Auto` forwards exactly this, so nothing unkeyed can reach an origin through a cache.
///
/// Order and repetition count. `None` and an empty query (`/a?`) differ, as URIs do.
pub fn keyed(query: Option<&str>, rule: &Choice) -> Option<String> {
    let query = query?;
    match rule {
        Choice::All => Some(normalise(query)),
        Choice::None => None,
        Choice::Include(_) | Choice::Exclude(_) => select(query, |name| keeps(rule, name.as_bytes())),
    }
}

/// What of a query an origin is sent, that which is keyed included.
pub fn forwarded(query: Option<&str>, going: &Going<'_>) -> Option<String> {
    let query = query?;
    if going.takes_all() { Some(normalise(query)) } else { select(query, |name| going.takes(name.as_bytes())) }
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
    use edge_contract::Forwarded;

    use super::*;
    use crate::choice::Carry;

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

    #[test]
    fn what_is_keyed_is_forwarded_with_what_the_owner_forwards_beside_it() {
        let check = |forward: Forwarded, carry: Carry, expect: Option<&str>| {
            let key = Choice::Include(names(&["a"]));
            let found = forwarded(Some("c=3&b=2&&a=1"), &Going { key: &key, forward: &forward, carry });
            assert_eq!(found.as_deref(), expect, "{forward:?} {carry:?}");
        };
        check(Forwarded::Auto, Carry::KeyedOnly, Some("a=1"));
        check(Forwarded::Auto, Carry::Everything, Some("c=3&b=2&&a=1"));
        check(Forwarded::None, Carry::Everything, Some("a=1"));
        check(Forwarded::All, Carry::KeyedOnly, Some("c=3&b=2&&a=1"));
        check(Forwarded::Include(names(&["b"])), Carry::KeyedOnly, Some("b=2&a=1"));
        check(Forwarded::Exclude(names(&["a", "b"])), Carry::KeyedOnly, Some("c=3&&a=1"));
        let nothing = Going { key: &Choice::None, forward: &Forwarded::Auto, carry: Carry::KeyedOnly };
        assert_eq!(forwarded(Some("a=1"), &nothing), None);
        assert_eq!(forwarded(None, &Going { key: &Choice::All, ..nothing }), None);
    }
}
