//! Arbitrary bytes from viewers and origins through every verdict: none of them may panic, and what is sent on stays legal.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use edge_cache::{
    Controls, Ledger, Moment, Policy, Received, arrival,
    cache_status::CacheStatus,
    choice::{Carry, Going},
    coding::Accepted,
    date::Date,
    forwarding::{Outgoing, origin_target, to_viewer},
    freshening, head,
    invalidation::{NormalScopes, Stamp},
    key, overwriting, partial,
    proxies::TrustedProxies,
    query,
    range::{self, Verdict},
    reuse::{self, Failure},
    storing::{self, Exchange, Storing},
    upgrade, validation,
};
use edge_contract::{
    Behavior, Choice, Forward, Forwarded, HostHeader, Key, Methods, Origin, Scope, Site, Ttl, ViewerControls,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header};
use proptest::{collection::vec, prelude::*};

fn site(ttl: Ttl, host_header: HostHeader) -> Site {
    let names = vec!["a".to_owned()];
    let behavior = |pattern: &str, query_key| Behavior {
        methods: Methods::All,
        ttl,
        key: Key {
            query_strings: query_key,
            headers: ["accept", "authorization", "x-forwarded-proto"].map(ToOwned::to_owned).into(),
            cookies: Choice::Exclude(names.clone()),
        },
        forward: Forward { cookies: Forwarded::Exclude(names.clone()), ..Forward::default() },
        ..Behavior::plain(pattern, "app")
    };
    Site {
        default_root_object: Some("/index.html".to_owned()),
        origins: vec![Origin { host_header, ..Origin::plain("app", "app") }],
        behaviors: vec![
            behavior("/*a*", Choice::Include(names.clone())),
            behavior("*", Choice::Exclude(names.clone())),
        ],
        trusted_proxies: vec!["127.0.0.0/8".to_owned()],
        ..Site::plain("uid", "default/shop")
    }
}

/// The fields whose values this crate reads.
const READ: [&str; 27] = [
    "cache-control",
    "cdn-cache-control",
    "expires",
    "date",
    "age",
    "vary",
    "etag",
    "last-modified",
    "connection",
    "content-length",
    "transfer-encoding",
    "host",
    "cdn-loop",
    "if-none-match",
    "if-modified-since",
    "location",
    "content-location",
    "range",
    "if-range",
    "accept-ranges",
    "content-type",
    "authorization",
    "set-cookie",
    "accept",
    "cookie",
    "x-forwarded-for",
    "x-forwarded-proto",
];

/// Lines of them: pieces of what they may hold, in any order, or any bytes at all.
fn fields() -> impl Strategy<Value = HeaderMap> {
    let piece = prop_oneof![
        "[ -~\\t]{0,6}",
        Just("max-age=".to_owned()),
        Just("s-maxage=99999999999".to_owned()),
        Just("no-cache=\"".to_owned()),
        Just("private".to_owned()),
        Just("public".to_owned()),
        Just("must-understand".to_owned()),
        Just("stale-while-revalidate=9".to_owned()),
        Just("60".to_owned()),
        Just("Sun, 22 Nov 2026 16:00:00 GMT".to_owned()),
        Just("Sunday, 06-Nov-94 08:49:37 GMT".to_owned()),
        Just("W/\"".to_owned()),
        Just("\"".to_owned()),
        Just(", ".to_owned()),
        Just("*".to_owned()),
        Just("accept".to_owned()),
        Just("http://a/%2e".to_owned()),
        Just("a".to_owned()),
        Just(":80".to_owned()),
        Just("[::1]".to_owned()),
        Just("chunked".to_owned()),
        Just("bytes=".to_owned()),
        Just("0-9,".to_owned()),
        Just("-".to_owned()),
    ];
    let text = prop_oneof![4 => vec(piece, 0..5).prop_map(|pieces| pieces.concat().into_bytes()), 1 => vec(any::<u8>(), 0..12)];
    vec((prop::sample::select(&READ[..]), text), 0..8).prop_map(|lines| {
        let legal = lines
            .into_iter()
            .filter_map(|(name, text)| Some((HeaderName::from_static(name), HeaderValue::from_bytes(&text).ok()?)));
        let mut headers = HeaderMap::new();
        for (name, value) in legal {
            headers.append(name, value);
        }
        headers
    })
}

fn ttl() -> impl Strategy<Value = Ttl> {
    (0_u64..3, 0_u64..3, prop_oneof![0_u64..5, 5_u64..500, Just(u64::MAX)]).prop_map(|(min, default, max)| Ttl {
        min,
        default,
        max,
        ..Ttl::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_request_and_no_answer_makes_a_verdict_panic(
        method in prop::sample::select(vec!["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "PURGE", "CONNECT"]),
        target in prop_oneof!["/[a-c/.?&=ü|]{0,16}", "(/|http://a/|\\*)([/.?%&=a\\\\]|%2[eEfF]|%5[cC]|%00|\\PC){0,16}"],
        viewer in fields(),
        answer in fields(),
        later_answer in fields(),
        status in prop_oneof![Just(200_u16), Just(404), 100_u16..700],
        tame in prop::bool::weighted(0.8),
        ttl in ttl(),
        keyed_host in any::<bool>(),
        times in (any::<u32>(), any::<u32>(), any::<i64>()),
        length in any::<u64>(),
    ) {
        let Ok(uri) = target.parse::<Uri>() else { return Ok(()) };
        let mut request = Request::builder().method(method).uri(uri).body(()).expect("a request").into_parts().0;
        request.headers = viewer;
        // Most of what is refused or not stored is taken out of most cases, so that the later verdicts see much of the rest.
        let (mut answer, hindrances) = (answer, [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::SET_COOKIE]);
        for name in hindrances.iter().filter(|_| tame) {
            request.headers.remove(name);
            answer.remove(name);
        }
        request.headers.entry(header::HOST).or_insert(HeaderValue::from_static("a"));
        let Ok(asked) = head::examine(&request) else { return Ok(()) };

        let site = site(ttl, if keyed_host { HostHeader::Viewer } else { HostHeader::Fixed("app".to_owned()) });
        let behavior = &site.behaviors[0];
        let policy = Policy { viewer_controls: ViewerControls::Respect, ..Policy::of(behavior) };
        let _ = head::admit(&request, false, &site.id, behavior);
        let path = key::resolve_root(asked.path.clone(), &site);
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        arrival::settle(&mut request, peer, &TrustedProxies::new(&site.trusted_proxies));
        let (key, keyed) = key::of_request(&site, behavior, &request, &asked, &path);
        let carry = Carry::of(&request, &policy);
        let going = Going { key: &behavior.key.query_strings, forward: &behavior.forward.query_strings, carry };
        let sent = origin_target(&site.origins[0], &path, query::forwarded(asked.query.as_deref(), &going).as_deref());
        prop_assert!(carry == Carry::Everything || sent == key.target());
        prop_assert!(sent.parse::<Uri>().is_ok() && sent.bytes().all(|b| (0x21..0x7f).contains(&b)), "{}", sent);

        let outgoing = Outgoing { viewer: &request, authority: asked.authority.as_deref(), keyed: &keyed, behavior, site: &site.id, origin: &site.origins[0], accepted: Accepted::Identity };
        let forwarded = outgoing.headers(carry, None);

        let mut response = Response::builder().status(status).body(()).expect("a response").into_parts().0;
        response.headers = answer;
        let _ = edge_cache::answer::examine(&response);
        let mut ledger = Ledger::default();
        let moment = |seconds: u32| Moment(Duration::from_secs(seconds.into()));
        let received = Received { asked: moment(times.0), answered: moment(times.1), date: Date(times.2) };
        let exchange = Exchange { method: &request.method, forwarded: &forwarded, authorized: outgoing.authorized(carry), received, label: ledger.label() };
        let storing = storing::decide(&exchange, &response, &policy);
        for target in overwriting::targets(&request.method, &asked, &response, &site) {
            ledger.overwritten(&target);
        }
        let _ = NormalScopes::of(&[Scope::Prefix(target.clone()), Scope::Exact(target)], &site);
        let _ = to_viewer(&response.headers);
        let Storing::Store(stored) = storing else { return Ok(()) };

        prop_assert!(stored.headers.contains_key(header::DATE) && !stored.headers.contains_key(header::SET_COOKIE));
        let found = Some((&*stored, ledger.admits(stored.label, Stamp::default(), key.target())));
        let make_forwarded = || forwarded.clone();
        let request_now = reuse::Request {
            method: &request.method,
            forwarded: &make_forwarded,
            controls: Controls::of(&request.headers, &policy),
            upgrades: upgrade::wanted(&request).is_some(),
        };
        let verdict = reuse::decide(&request_now, found, &policy, moment(times.0.wrapping_add(times.1)));
        let mut told = HeaderMap::new();
        CacheStatus::of(&verdict).append_to(&mut told);
        prop_assert_eq!(told.len(), 1);
        for failure in [Failure::NoAnswer, Failure::Status(http::StatusCode::BAD_GATEWAY)] {
            let _ = reuse::on_failure(failure, &request_now, found, &policy, moment(u32::MAX));
        }
        let _ = validation::answer_condition(&request.method, &request.headers, &stored);
        let mut head = to_viewer(&stored.headers);
        range::advertise(&mut head, &stored, Some(length));
        if let Verdict::Parts(spans) = range::judge(&request.method, &request.headers, &stored, Some(length)) {
            let partial = partial::multiple(&head, &request.headers, &spans, "boundary");
            prop_assert_eq!(partial.headers.get(header::CONTENT_LENGTH), Some(&HeaderValue::from(partial.length)));
        }
        response.headers = later_answer;
        let _ = freshening::identify(&[&stored, &stored], &response.headers);
        let _ = freshening::confirms(&stored, &response);
        let _ = storing::for_one_viewer(&response.headers, &policy);
        let exchange = Exchange { label: ledger.label(), ..exchange };
        let _ = storing::may_stay(&freshening::update(&stored, &response, &exchange, &policy), &policy);
    }
}
