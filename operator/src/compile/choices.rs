//! Which parameters, cookies and header fields count and are sent on: a mode and names into what edges read.

use std::collections::BTreeSet;

use crds::distribution::{self, CacheKey, ChoiceMode, ForwardMode};
use edge_contract::{Choice, Forward, Forwarded, Key};

/// What tells one response from another.
pub(super) fn key(given: Option<&CacheKey>) -> Key {
    let plain = Key::default();
    let Some(given) = given else { return plain };
    let query_strings = given.query_strings.as_ref().map(|given| choice(given.mode, as_written(&given.names)));
    let cookies = given.cookies.as_ref().map(|given| choice(given.mode, as_written(&given.names)));
    Key {
        query_strings: query_strings.unwrap_or(plain.query_strings),
        headers: in_lower_case(&given.headers),
        cookies: cookies.unwrap_or(plain.cookies),
    }
}

/// What of a viewer's request an origin is sent.
pub(super) fn forward(given: Option<&distribution::Forward>) -> Forward {
    let Some(given) = given else { return Forward::default() };
    let headers = given.headers.as_ref().map(|given| forwarded(given.mode, in_lower_case(&given.names)));
    let cookies = given.cookies.as_ref().map(|given| forwarded(given.mode, as_written(&given.names)));
    let query_strings = given.query_strings.as_ref().map(|given| forwarded(given.mode, as_written(&given.names)));
    Forward {
        headers: headers.unwrap_or_default(),
        cookies: cookies.unwrap_or_default(),
        query_strings: query_strings.unwrap_or_default(),
    }
}

fn choice(mode: ChoiceMode, names: Vec<String>) -> Choice {
    match mode {
        ChoiceMode::All => Choice::All,
        ChoiceMode::None => Choice::None,
        ChoiceMode::Include => Choice::Include(names),
        ChoiceMode::Exclude => Choice::Exclude(names),
    }
}

fn forwarded(mode: ForwardMode, names: Vec<String>) -> Forwarded {
    match mode {
        ForwardMode::Auto => Forwarded::Auto,
        ForwardMode::None => Forwarded::None,
        ForwardMode::All => Forwarded::All,
        ForwardMode::Include => Forwarded::Include(names),
        ForwardMode::Exclude => Forwarded::Exclude(names),
    }
}

/// As a set: the order in which names are written means nothing.
fn as_written(names: &[String]) -> Vec<String> {
    sorted(names.iter().cloned())
}

/// Names of header fields, which are the same in any case (RFC 9110 §5.1).
pub(super) fn in_lower_case(names: &[String]) -> Vec<String> {
    sorted(names.iter().map(|name| name.to_ascii_lowercase()))
}

/// Each once, in an order that does not depend on how they are written.
pub(super) fn sorted(words: impl Iterator<Item = String>) -> Vec<String> {
    words.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_sets_and_those_of_header_fields_have_no_case() {
        let given = json!({
            "queryStrings": { "mode": "Include", "names": ["b", "B", "a"] },
            "headers": ["X-B", "accept-language"],
            "cookies": { "mode": "Exclude", "names": ["_ga", "SID"] },
        });
        let compiled = key(Some(&serde_json::from_value(given).expect("a key")));
        assert_eq!(compiled.query_strings, Choice::Include(vec!["B".into(), "a".into(), "b".into()]));
        assert_eq!(compiled.headers, ["accept-language", "x-b"]);
        assert_eq!(compiled.cookies, Choice::Exclude(vec!["SID".into(), "_ga".into()]));
    }

    #[test]
    fn every_mode_of_forwarding_is_told() {
        for (mode, expect) in [
            (ForwardMode::Auto, Forwarded::Auto),
            (ForwardMode::None, Forwarded::None),
            (ForwardMode::All, Forwarded::All),
            (ForwardMode::Include, Forwarded::Include(vec!["user-agent".into()])),
            (ForwardMode::Exclude, Forwarded::Exclude(vec!["user-agent".into()])),
        ] {
            let headers = distribution::ForwardedHeaders { mode, names: vec!["User-Agent".into()] };
            let given = distribution::Forward { headers: Some(headers), ..distribution::Forward::default() };
            assert_eq!(forward(Some(&given)), Forward { headers: expect, ..Forward::default() });
        }
    }
}
