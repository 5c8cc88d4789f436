//! Requests whose every word is marked, through key and forwarding: which marks reach the origin, and which tell keys apart, is what
//! docs/caching.md says of the behavior's rules, no more and no less.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use edge_cache::{
    CacheKey, Policy, arrival,
    choice::{Carry, Going},
    coding::Accepted,
    forwarding::{Outgoing, origin_target},
    head, key,
    proxies::TrustedProxies,
    query,
};
use edge_contract::{Behavior, Choice, Forward, Forwarded, HostHeader, Key, Origin, Site, Ttl};
use http::{HeaderName, HeaderValue, Request, Version, request};
use proptest::{collection::vec, prelude::*, sample::select, sample::subsequence};

/// A word of a request, which its mark tells from all others.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Host,
    Header(&'static str),
    Cookie(&'static str),
    Parameter(&'static str),
}

#[derive(Clone, Debug)]
struct Asked {
    method: &'static str,
    parts: Vec<Part>,
    /// What `Connection` names.
    nominated: Vec<&'static str>,
}

/// Fields of a request for which nothing but the rules counts.
const PLAIN: [&str; 7] = ["x-a", "x-b", "accept", "authorization", "user-agent", "x-forwarded-host", "via"];
/// What the content of a request is, and under which conditions it holds.
const OF_THE_REQUEST: [&str; 8] = [
    "content-type",
    "content-encoding",
    "content-language",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-range",
    "range",
];
/// Fields that end at every hop.
const OF_ONE_CONNECTION: [&str; 5] = ["keep-alive", "proxy-authorization", "proxy-connection", "te", "upgrade"];
/// Fields that edges read or write themselves.
const THE_EDGES_OWN: [&str; 3] = ["cdn-loop", "x-forwarded-for", "x-forwarded-proto"];
/// What rules can name.
const NAMES: [&str; 3] = ["a", "b", "c"];

fn mark(at: usize) -> String {
    format!("m{at}q")
}

/// The word at each place has its place for a mark; `changed` has another.
fn request(asked: &Asked, changed: Option<usize>) -> request::Parts {
    let text = |at: usize| if changed == Some(at) { format!("{}x", mark(at)) } else { mark(at) };
    let all = || asked.parts.iter().enumerate();
    let query: Vec<_> = all()
        .filter_map(
            |(at, part)| if let Part::Parameter(name) = part { Some(format!("{name}={}", text(at))) } else { None },
        )
        .collect();
    let cookie: Vec<_> = all()
        .filter_map(
            |(at, part)| if let Part::Cookie(name) = part { Some(format!("{name}={}", text(at))) } else { None },
        )
        .collect();
    let target = if query.is_empty() { "/a".to_owned() } else { format!("/a?{}", query.join("&")) };
    let request = Request::builder().method(asked.method).uri(target).version(Version::HTTP_11);
    let mut parts = request.body(()).expect("is a request").into_parts().0;
    let mut add = |name: &'static str, value: String| {
        parts.headers.append(HeaderName::from_static(name), HeaderValue::try_from(value).expect("is a value"))
    };
    let host = all().find(|(_, part)| **part == Part::Host);
    add("host", host.map_or_else(|| "shop.test".to_owned(), |(at, _)| format!("{}.test", text(at))));
    for (at, part) in all() {
        if let Part::Header(name) = part {
            add(name, text(at));
        }
    }
    if !cookie.is_empty() {
        add("cookie", cookie.join("; "));
    }
    if !asked.nominated.is_empty() {
        add("connection", asked.nominated.join(", "));
    }
    parts
}

/// Everything that an origin is sent, in one text, and the key where there is one.
fn pass(site: &Site, mut viewer: request::Parts) -> (CacheKey, String) {
    let behavior = &site.behaviors[0];
    let asked = head::examine(&viewer).expect("is a sound request");
    arrival::settle(&mut viewer, IpAddr::V4(Ipv4Addr::LOCALHOST), &TrustedProxies::new(&site.trusted_proxies));
    let (key, keyed) = key::of_request(site, behavior, &viewer, &asked, &asked.path);
    let (authority, origin, accepted) = (asked.authority.as_deref(), &site.origins[0], Accepted::Identity);
    let carry = Carry::of(&viewer, &Policy::of(behavior));
    let outgoing = Outgoing { viewer: &viewer, authority, keyed: &keyed, behavior, site: &site.id, origin, accepted };
    let going = Going { key: &behavior.key.query_strings, forward: &behavior.forward.query_strings, carry };
    let query = query::forwarded(asked.query.as_deref(), &going);
    let mut sent = origin_target(origin, &asked.path, query.as_deref());
    for (name, value) in &outgoing.headers(carry, None) {
        writeln!(sent, "\n{name}: {}", String::from_utf8_lossy(value.as_bytes())).expect("is text");
    }
    (key, sent)
}

/// `cache.key`: whether it tells responses apart.
fn is_keyed(part: &Part, asked: &Asked, site: &Site) -> bool {
    let key = &site.behaviors[0].key;
    let named = |name: &str| key.headers.iter().any(|keyed| keyed == name);
    match part {
        Part::Host => named("host") || site.origins[0].host_header == HostHeader::Viewer,
        Part::Header(name) => named(name) && counts(name, asked, site),
        Part::Cookie(name) => chosen(&key.cookies, name),
        Part::Parameter(name) => chosen(&key.query_strings, name),
    }
}

/// Whether a field is there at all for whoever reads it: not if it is for this connection, nor if nobody vouches for it.
fn counts(name: &str, asked: &Asked, site: &Site) -> bool {
    let vouched = !site.trusted_proxies.is_empty();
    !asked.nominated.contains(&name) && (name != "x-forwarded-proto" || vouched)
}

fn chosen(rule: &Choice, name: &str) -> bool {
    match rule {
        Choice::All => true,
        Choice::None => false,
        Choice::Include(names) => names.iter().any(|known| known == name),
        Choice::Exclude(names) => names.iter().all(|known| known != name),
    }
}

/// `forward`: whether its mode lets it go along beside the key.
fn allowed(rule: &Forwarded, name: &str, passed_on: bool) -> bool {
    match rule {
        Forwarded::Auto => passed_on,
        Forwarded::None => false,
        Forwarded::All => true,
        Forwarded::Include(names) => names.iter().any(|known| known == name),
        Forwarded::Exclude(names) => names.iter().all(|known| known != name),
    }
}

fn reaches(part: &Part, asked: &Asked, site: &Site) -> bool {
    let behavior = &site.behaviors[0];
    let passed_on = behavior.ttl.max == 0 || !matches!(asked.method, "GET" | "HEAD");
    let forward = &behavior.forward;
    is_keyed(part, asked, site)
        || match part {
            // Nor do addresses that nobody vouches for.
            Part::Host | Part::Header("x-forwarded-for") => false,
            Part::Cookie(name) => allowed(&forward.cookies, name, passed_on),
            Part::Parameter(name) => allowed(&forward.query_strings, name, passed_on),
            Part::Header(name) if !counts(name, asked, site) => false,
            Part::Header(name) if OF_ONE_CONNECTION.contains(name) => false,
            // The chain of networks goes on whatever is forwarded.
            Part::Header("cdn-loop") => true,
            Part::Header(name) => {
                let of_the_request = OF_THE_REQUEST.contains(name);
                let conditional = name.starts_with("if-") || *name == "range";
                let kept = of_the_request && passed_on && !matches!(forward.headers, Forwarded::Exclude(_));
                kept || (allowed(&forward.headers, name, passed_on) && (passed_on || !conditional))
            }
        }
}

fn part() -> impl Strategy<Value = Part> {
    let headers = [&PLAIN[..], &PLAIN[..], &OF_THE_REQUEST[..], &OF_ONE_CONNECTION[..], &THE_EDGES_OWN[..]].concat();
    prop_oneof![
        6 => select(headers).prop_map(Part::Header),
        2 => select(&NAMES[..]).prop_map(Part::Cookie),
        2 => select(&NAMES[..]).prop_map(Part::Parameter),
    ]
}

fn asked() -> impl Strategy<Value = Asked> {
    let parts = (vec(part(), 0..8), any::<bool>()).prop_map(|(mut parts, host)| {
        parts.extend(host.then_some(Part::Host));
        parts
    });
    let nominated = prop_oneof![4 => Just(vec![]), 1 => subsequence(PLAIN.to_vec(), 1..3)];
    let method = select(vec!["GET", "GET", "GET", "HEAD", "POST", "OPTIONS"]);
    (method, parts, nominated).prop_map(|(method, parts, nominated)| Asked { method, parts, nominated })
}

fn owned(names: Vec<&'static str>) -> Vec<String> {
    names.into_iter().map(ToOwned::to_owned).collect()
}

fn choice() -> impl Strategy<Value = Choice> {
    let names = || subsequence(NAMES.to_vec(), 0..3).prop_map(owned);
    prop_oneof![
        Just(Choice::All),
        Just(Choice::None),
        names().prop_map(Choice::Include),
        names().prop_map(Choice::Exclude)
    ]
}

fn forwarded(names: Vec<&'static str>) -> impl Strategy<Value = Forwarded> {
    let names = move || subsequence(names.clone(), 0..names.len()).prop_map(owned);
    prop_oneof![
        Just(Forwarded::Auto),
        Just(Forwarded::None),
        Just(Forwarded::All),
        names().prop_map(Forwarded::Include),
        names().prop_map(Forwarded::Exclude)
    ]
}

fn site() -> impl Strategy<Value = Site> {
    let keyed = vec!["x-a", "accept", "authorization", "host", "x-forwarded-proto"];
    let headers = subsequence(keyed, 0..4).prop_map(owned);
    let key = (choice(), headers, choice()).prop_map(|(query_strings, headers, cookies)| Key {
        query_strings,
        headers,
        cookies,
    });
    let fields = [&PLAIN[..], &OF_THE_REQUEST[..3]].concat();
    let forward = (forwarded(fields), forwarded(NAMES.to_vec()), forwarded(NAMES.to_vec()));
    let host = select(vec![HostHeader::Viewer, HostHeader::Fixed("app.test".to_owned())]);
    (key, forward, host, any::<bool>(), any::<bool>()).prop_map(|(key, forward, host_header, caches, trusted)| {
        let forward = Forward { headers: forward.0, cookies: forward.1, query_strings: forward.2 };
        let ttl = Ttl { max: if caches { 60 } else { 0 }, min: 0, default: 0, ..Ttl::default() };
        let behavior = Behavior { key, forward, ttl, compress: false, ..Behavior::plain("*", "app") };
        Site {
            origins: vec![Origin { host_header, ..Origin::plain("app", "app.test") }],
            behaviors: vec![behavior],
            trusted_proxies: if trusted { vec!["127.0.0.0/8".to_owned()] } else { vec![] },
            ..Site::plain("uid", "default/shop")
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn what_is_neither_keyed_nor_let_through_by_its_mode_never_reaches_the_origin_and_all_else_does(site in site(), asked in asked()) {
        let (_, sent) = pass(&site, request(&asked, None));
        for (at, part) in asked.parts.iter().enumerate() {
            let expect = reaches(part, &asked, &site);
            prop_assert_eq!(sent.contains(&mark(at)), expect, "{:?} of {:?}\n{}\n{:?}", part, asked, sent, site.behaviors);
        }
    }

    #[test]
    fn what_differs_in_a_keyed_part_has_another_key_and_what_differs_elsewhere_the_same(site in site(), asked in asked(), at in any::<prop::sample::Index>()) {
        if asked.parts.is_empty() {
            return Ok(());
        }
        let at = at.index(asked.parts.len());
        let without = Asked { parts: asked.parts.iter().take(at).cloned().collect(), ..asked.clone() };
        let with = Asked { parts: asked.parts.iter().take(at + 1).cloned().collect(), ..asked.clone() };
        let key = |request| pass(&site, request).0;
        let expect = is_keyed(&asked.parts[at], &asked, &site);
        let (one, other) = (key(request(&asked, None)), key(request(&asked, Some(at))));
        prop_assert_eq!(one != other, expect, "another {:?} of {:?}", asked.parts[at], asked);
        let (one, other) = (key(request(&with, None)), key(request(&without, None)));
        prop_assert_eq!(one != other, expect, "{:?} of {:?}, or none", asked.parts[at], asked);
    }
}
