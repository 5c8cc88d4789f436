//! Pairs of requests through key and forwarding: what tells keys apart reaches the origin, and nothing else does.

use std::net::{IpAddr, Ipv4Addr};

use edge_cache::{
    CacheKey, arrival,
    choice::{Carry, Going},
    coding::Accepted,
    forwarding::{Outgoing, origin_target},
    head, key,
    proxies::TrustedProxies,
    query,
};
use edge_contract::{Behavior, Choice, Forward, Forwarded, HostHeader, Key, Origin, OriginHeader, Site};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version, request};
use proptest::{collection::vec, prelude::*, sample::select};

fn site(host_header: HostHeader, behavior: Behavior) -> Site {
    Site {
        origins: vec![Origin {
            host_header,
            headers: vec![OriginHeader::plain("x-owner", "1")],
            ..Origin::plain("app", "app")
        }],
        behaviors: vec![behavior],
        trusted_proxies: vec!["127.0.0.0/8".to_owned()],
        ..Site::plain("uid", "default/shop")
    }
}

/// What an edge writes for each request anew, whoever asks: who asked it, by which protocol, after which networks.
const WRITTEN: [&str; 3] = ["via", "cdn-loop", "x-forwarded-for"];

/// What an origin is sent: target and head.
#[derive(Debug, PartialEq)]
struct Sent {
    target: String,
    fields: Vec<(String, Vec<u8>)>,
}

/// The key of a request, and what an origin is sent for it, apart from what the edge writes.
fn pass(site: &Site, viewer: &request::Parts) -> Option<(CacheKey, Sent)> {
    let mut viewer = viewer.clone();
    let behavior = &site.behaviors[0];
    let asked = head::examine(&viewer).ok()?;
    let trusted = TrustedProxies::new(&site.trusted_proxies);
    arrival::settle(&mut viewer, IpAddr::V4(Ipv4Addr::LOCALHOST), &trusted);
    let (key, keyed) = key::of_request(site, behavior, &viewer, &asked, &asked.path);
    let accepted = if behavior.compress { Accepted::by(&viewer) } else { Accepted::Identity };
    let key = key.accepting(accepted);
    let (authority, origin) = (asked.authority.as_deref(), &site.origins[0]);
    let outgoing = Outgoing { viewer: &viewer, authority, keyed: &keyed, behavior, site: &site.id, origin, accepted };
    let headers = outgoing.headers(Carry::KeyedOnly, None);
    let sent = headers.iter().filter(|(name, _)| !WRITTEN.contains(&name.as_str()));
    let fields = sent.map(|(name, value)| (name.to_string(), value.as_bytes().to_owned())).collect();
    let (key_rule, forward) = (&behavior.key.query_strings, &behavior.forward.query_strings);
    let going = Going { key: key_rule, forward, carry: Carry::KeyedOnly };
    let query = query::forwarded(asked.query.as_deref(), &going);
    Some((key, Sent { target: origin_target(origin, &asked.path, query.as_deref()), fields }))
}

const NAMES: [&str; 14] = [
    "x-a",
    "x-b",
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "cookie",
    "cdn-loop",
    "expect",
    "if-none-match",
    "range",
    "via",
    "x-forwarded-for",
    "x-forwarded-proto",
];

/// Lines whose pieces look like the ends of others, and name others.
fn lines() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let pieces =
        vec!["a", "b", "=", "; ", ", ", "1", " ", "x-a", "cookie", "x-a:1:1", "127.0.0.1", "\t", "/", "br", "gzip"];
    let text = vec(select(pieces), 0..4).prop_map(|pieces| pieces.concat().into_bytes());
    vec((select(&NAMES[..]), prop_oneof![6 => text, 1 => vec(128_u8..=255, 1..3)]), 0..5)
}

#[derive(Clone, Debug)]
struct Asked {
    host: &'static str,
    path: &'static str,
    query: String,
    version: Version,
    lines: Vec<(&'static str, Vec<u8>)>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let host = select(vec!["a", "A", "b", "a:80"]);
    let path = select(vec!["/", "/a", "/%61", "/a/"]);
    let version = select(vec![Version::HTTP_11, Version::HTTP_2]);
    (host, path, "(\\?[ab=&%1]{0,5})?", version, lines()).prop_map(|(host, path, query, version, lines)| Asked {
        host,
        path,
        query,
        version,
        lines,
    })
}

fn parts(asked: &Asked) -> Option<request::Parts> {
    let target = format!("{}{}", asked.path, asked.query);
    let mut parts = Request::get(target).version(asked.version).body(()).ok()?.into_parts().0;
    parts.headers = HeaderMap::from_iter([("host".parse().ok()?, asked.host.parse().ok()?)]);
    for (name, value) in &asked.lines {
        parts.headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?);
    }
    Some(parts)
}

fn choice() -> impl Strategy<Value = Choice> {
    let names = || vec(select(vec!["a".to_owned(), "b".to_owned()]), 0..2);
    prop_oneof![
        Just(Choice::All),
        Just(Choice::None),
        names().prop_map(Choice::Include),
        names().prop_map(Choice::Exclude)
    ]
}

fn keyed_headers() -> impl Strategy<Value = Vec<String>> {
    let legal = vec!["x-a", "accept", "accept-encoding", "authorization", "host", "x-forwarded-proto"];
    proptest::sample::subsequence(legal, 0..4).prop_map(|names| names.into_iter().map(ToOwned::to_owned).collect())
}

fn key_rule() -> impl Strategy<Value = Key> {
    (choice(), keyed_headers(), choice()).prop_map(|(query_strings, headers, cookies)| Key {
        query_strings,
        headers,
        cookies,
    })
}

/// What forwards no more than is keyed.
fn strict() -> impl Strategy<Value = Forwarded> {
    select(vec![Forwarded::Auto, Forwarded::None])
}

fn sites() -> impl Strategy<Value = Site> {
    let host = select(vec![HostHeader::Viewer, HostHeader::Fixed("app".to_owned())]);
    let parts = (key_rule(), strict(), strict(), strict(), host, any::<bool>());
    parts.prop_map(|(key, headers, cookies, query_strings, host, compress)| {
        let forward = Forward { headers, cookies, query_strings };
        // Where codings are told apart, the field itself is not keyed.
        let compress = compress && !key.headers.iter().any(|name| name == "accept-encoding");
        site(host, Behavior { key, forward, compress, ..Behavior::plain("*", "app") })
    })
}

/// Two requests that share most of what they say.
fn two() -> impl Strategy<Value = (Asked, Asked)> {
    prop_oneof![
        (asked(), asked()),
        (asked(), lines()).prop_map(|(one, lines)| {
            let other = Asked { lines, ..one.clone() };
            (one, other)
        }),
        (asked(), lines(), any::<prop::sample::Index>()).prop_map(|(one, more, at)| {
            let mut other = one.clone();
            let at = at.index(other.lines.len() + 1);
            other.lines.splice(at..at, more);
            (one, other)
        }),
        (asked(), asked()).prop_map(|(one, other)| {
            let other = Asked { lines: one.lines.clone(), ..other };
            (one, other)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn two_requests_have_one_key_exactly_when_the_origin_is_sent_the_same(site in sites(), (one, other) in two()) {
        let (Some(one), Some(other)) = (parts(&one), parts(&other)) else { return Ok(()) };
        let (Some((one_key, one_sent)), Some((other_key, other_sent))) = (pass(&site, &one), pass(&site, &other)) else { return Ok(()) };
        // A viewer that names no coding and one that names `identity` are sent on alike, though the key tells them apart.
        let coding = |viewer: &request::Parts| viewer.headers.get("accept-encoding").cloned();
        if one_key == other_key || coding(&one) == coding(&other) {
            prop_assert_eq!(one_key == other_key, one_sent == other_sent, "{:?}\n{:?}", one_sent, other_sent);
        }
    }

    #[test]
    fn what_is_forwarded_beside_the_key_changes_no_key(
        site in sites(),
        headers in select(vec![Forwarded::All, Forwarded::Include(vec!["x-b".to_owned()]), Forwarded::Exclude(vec!["x-a".to_owned()])]),
        names in select(vec![Forwarded::All, Forwarded::Include(vec!["a".to_owned()]), Forwarded::Exclude(vec!["b".to_owned()])]),
        one in asked(),
    ) {
        let Some(viewer) = parts(&one) else { return Ok(()) };
        let Some((key, strict)) = pass(&site, &viewer) else { return Ok(()) };
        let mut wide = site.clone();
        wide.behaviors[0].forward = Forward { headers, cookies: names.clone(), query_strings: names };
        let Some((same, sent)) = pass(&wide, &viewer) else { panic!("the same head") };
        prop_assert_eq!(key, same);
        // And nothing of what is keyed is lost, aside from cookies among others.
        for (name, value) in strict.fields.iter().filter(|(name, _)| name != "cookie" && name != "accept-encoding") {
            prop_assert!(sent.fields.contains(&(name.clone(), value.clone())), "{name} of {sent:?}");
        }
    }
}
