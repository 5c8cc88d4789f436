//! Requests that carry what is not keyed: nothing of it reaches an origin whose answer others get.

use std::net::SocketAddr;

use bytes::Bytes;
use edge_contract::{Behavior, Choice, EdgeConfig, Key};
use http::{HeaderName, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::edge::{Edge, config, open, read, request};
use crate::origin::Origin;

/// Names by which origins, frameworks and other networks are known to let a request change what they answer.
const NAMES: [&str; 242] = [
    // Who is asked, and for what.
    "forwarded",
    "x-forwarded",
    "x-forwarded-host",
    "x-forwarded-server",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-protocol",
    "x-forwarded-scheme",
    "x-forwarded-ssl",
    "x-forwarded-path",
    "x-forwarded-prefix",
    "x-forwarded-uri",
    "x-forwarded-url",
    "x-forwarded-method",
    "x-forwarded-by",
    "x-forwarded-client-cert",
    "x-forwarded-email",
    "x-forwarded-user",
    "x-forwarded-groups",
    "x-forwarded-access-token",
    "x-forwarded-tls-client-cert",
    "x-forward-for",
    "x-forward-host",
    "x-forward-proto",
    "x-forwarder-for",
    "x-host",
    "x-http-host",
    "x-http-host-override",
    "x-host-override",
    "x-original-host",
    "x-original-url",
    "x-original-uri",
    "x-original-method",
    "x-original-path",
    "x-original-forwarded-for",
    "x-original-proto",
    "x-original-scheme",
    "x-original-to",
    "x-real-host",
    "x-real-url",
    "x-rewrite-url",
    "x-rewrite-uri",
    "x-rewrite-path",
    "x-request-uri",
    "x-request-url",
    "x-request-path",
    "x-override-url",
    "x-proxy-url",
    "x-proxy-host",
    "x-backend",
    "x-backend-host",
    "x-backend-server",
    "x-upstream",
    "x-upstream-host",
    "x-origin",
    "x-origin-host",
    "x-destination",
    "x-dest",
    "x-route",
    "x-router",
    "x-server-name",
    "x-vhost",
    "x-domain",
    "x-site",
    "x-tenant",
    "x-tenant-id",
    "x-base-url",
    "x-base-path",
    "x-script-name",
    "x-context-path",
    "x-ingress-path",
    "x-envoy-original-path",
    "x-envoy-original-host",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-decorator-operation",
    "x-replaced-path",
    "base-url",
    "http-url",
    "http-host",
    "host-override",
    "proxy-host",
    "request-uri",
    "uri",
    "url",
    "destination",
    "overwrite",
    "depth",
    "if",
    "lock-token",
    "timeout",
    // By which method, scheme and port.
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-http-scheme",
    "x-scheme",
    "x-url-scheme",
    "x-protocol",
    "x-proto",
    "x-ssl",
    "x-https",
    "x-port",
    "x-http-version",
    "front-end-https",
    "cloudfront-forwarded-proto",
    "cf-visitor",
    "upgrade-insecure-requests",
    "ssl-client-cert",
    "ssl-client-verify",
    "x-ssl-client-cert",
    "x-ssl-client-verify",
    "x-client-cert",
    "client-cert",
    "client-cert-chain",
    // Who asks, and from where.
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-remote-ip",
    "x-remote-addr",
    "x-remote-user",
    "x-originating-ip",
    "x-proxyuser-ip",
    "x-true-ip",
    "x-true-client-ip",
    "true-client-ip",
    "client-ip",
    "fastly-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-ipcountry",
    "cf-ray",
    "cf-worker",
    "cloudfront-viewer-address",
    "cloudfront-viewer-country",
    "cloudfront-is-mobile-viewer",
    "cloudfront-is-desktop-viewer",
    "akamai-origin-hop",
    "x-akamai-edgescape",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-azure-fdid",
    "x-appengine-country",
    "x-appengine-user-ip",
    "x-country",
    "x-country-code",
    "x-geo-country",
    "x-geoip-country",
    "x-region",
    "x-device",
    "x-device-type",
    "x-mobile",
    "x-wap-profile",
    "x-ua-device",
    "x-user",
    "x-user-id",
    "x-username",
    "x-auth-user",
    "x-auth-token",
    "x-authenticated-user",
    "x-webauth-user",
    "x-api-key",
    "x-api-version",
    "x-access-token",
    "x-csrf-token",
    "x-xsrf-token",
    "x-session-id",
    "x-amz-security-token",
    "x-amz-date",
    "x-amz-content-sha256",
    "x-amz-website-redirect-location",
    "x-amzn-trace-id",
    "x-ms-version",
    "x-goog-api-key",
    "authorization",
    "cookie",
    "cookie2",
    "from",
    "referer",
    "origin",
    "user-agent",
    "x-requested-with",
    "x-requested-by",
    "x-client-data",
    "x-app-version",
    "x-debug",
    "x-debug-token",
    "x-trace",
    "x-request-id",
    "x-correlation-id",
    "x-b3-traceid",
    "traceparent",
    "tracestate",
    "baggage",
    "sentry-trace",
    "uber-trace-id",
    // Which of several answers, in which form.
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-datetime",
    "accept-patch",
    "a-im",
    "prefer",
    "priority",
    "dnt",
    "sec-gpc",
    "save-data",
    "viewport-width",
    "width",
    "dpr",
    "device-memory",
    "downlink",
    "ect",
    "rtt",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-websocket-key",
    "x-pjax",
    "hx-request",
    "turbo-frame",
    "x-inertia",
    "next-action",
    "rsc",
    "next-router-state-tree",
    "x-middleware-subrequest",
    "x-middleware-prefetch",
    "x-nextjs-data",
    "x-invoke-status",
    "x-prerender",
    "access-control-request-method",
    "access-control-request-headers",
    // Of the message itself.
    "content-type",
    "content-encoding",
    "cache-control",
    "pragma",
    "warning",
    "date",
    "max-forwards",
];

/// Fields that mean something to the edge itself, with values that do.
const MEANT_FOR_THE_EDGE: [(&str, &str); 22] = [
    ("range", "bytes=3-7"),
    ("range", "poison=3-7"),
    ("if-range", "\"poison\""),
    ("if-match", "\"poison\""),
    ("if-none-match", "\"poison\""),
    ("if-modified-since", "Sun, 22 Nov 2026 16:00:00 GMT"),
    ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("cache-control", "no-cache, no-store, max-age=0"),
    ("cache-control", "only-if-cached, poison"),
    ("pragma", "no-cache"),
    ("content-length", "0"),
    ("expect", "100-continue"),
    ("surrogate-capability", "poison=\"ESI/1.0\""),
    ("surrogate-key", "poison"),
    ("cdn-cache-control", "poison"),
    ("vary", "poison"),
    ("x-forwarded-for", "203.0.113.66"),
    ("accept-encoding", "gzip, br, poison"),
    ("te", "trailers"),
    ("trailer", "poison"),
    ("proxy-authorization", "poison"),
    ("keep-alive", "poison"),
];

/// What an edge writes itself for each request anew.
const WRITTEN: [&str; 5] = ["via", "cdn-loop", "x-forwarded-for", "range", "if-range"];

/// Answers with the whole head that it received.
async fn reflecting() -> Origin {
    Origin::start(|seen, exchange| async move {
        let lines: Vec<String> = seen.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let body = format!("{} {}\n{}", seen.method, seen.target, lines.concat());
        exchange.respond("200 OK", "cache-control: max-age=60\r\n", &body).await
    })
    .await
}

/// The origin's view of a request, aside from what the edge writes; nothing of that may be the viewer's either.
fn seen(body: &str) -> Vec<String> {
    let written = |line: &&str| WRITTEN.iter().any(|name| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
    let (written, rest): (Vec<&str>, Vec<&str>) = body.lines().partition(|line| written(line));
    for line in written {
        assert!(!["poison", "3-7", "203.0.113.66"].iter().any(|theirs| line.contains(theirs)), "{line}");
    }
    rest.into_iter().map(ToOwned::to_owned).collect()
}

async fn over_http2(address: SocketAddr, mut request: Request<Empty<Bytes>>) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.expect("accepts");
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("speaks HTTP/2");
    tokio::spawn(connection);
    *request.uri_mut() = format!("http://shop.test{}", request.uri()).parse().expect("is one");
    sender.send_request(request).await.expect("there is a response")
}

/// Sends these fields over either protocol; returns what a viewer got to see.
async fn send(edge: &Edge, version: Version, target: &str, fields: &[(&str, &str)]) -> crate::edge::Reply {
    let mut head = request(Method::GET, target).map(drop);
    for (name, value) in fields {
        head.headers_mut().append(HeaderName::try_from(*name).expect("a name"), value.parse().expect("a value"));
    }
    let response = if version == Version::HTTP_2 {
        head.headers_mut().remove("host");
        over_http2(edge.running.viewers, head.map(|()| Empty::new())).await
    } else {
        let head = head.map(|()| Empty::new().map_err(|never| match never {}).boxed());
        open(edge.running.viewers, head).await.expect("there is a response")
    };
    read(response).await.expect("the body is complete")
}

fn keying(origin: SocketAddr, key: Key) -> EdgeConfig {
    let mut config = config(origin);
    let behavior = &mut config.sites[0].behaviors[0];
    *behavior = Behavior { key, ..behavior.clone() };
    config
}

/// The key of everything, and what a viewer sends of it.
fn keyed() -> (Key, [(&'static str, &'static str); 3]) {
    let names = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let key = Key {
        query_strings: Choice::Include(names(&["page"])),
        headers: names(&["x-kept"]),
        cookies: Choice::Include(names(&["kept"])),
    };
    (key, [("x-kept", "1"), ("x-kept", "2"), ("cookie", "theme=poison; kept=3; kept=4")])
}

/// Some viewer asks with these fields, first of all; whoever asks next gets what they would have got without it.
async fn check(edge: &Edge, origin: &Origin, target: (Version, &str), fields: &[(&str, &str)]) {
    let (version, target) = target;
    let (_, kept) = keyed();
    let before = origin.reads();
    let poisoned = send(edge, version, target, &[&kept[..], fields].concat()).await;
    let clean = send(edge, Version::HTTP_11, target, &kept).await;
    let expect = send(edge, Version::HTTP_11, &target.replace("/poisoned/", "/unharmed/"), &kept).await;
    let expect: Vec<String> = seen(&expect.body).iter().map(|line| line.replace("/unharmed/", "/poisoned/")).collect();
    assert!(expect.len() >= 3, "the origin tells what it was sent: {expect:?}");
    assert_eq!(seen(&clean.body), expect, "{version:?} {fields:?}, answered {poisoned:?}");
    // And the one that was sent first is the one that was kept.
    let first: Vec<String> = origin
        .seen(before + 1)
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .filter(|line| !WRITTEN.iter().any(|name| line.to_ascii_lowercase().starts_with(name)))
        .collect();
    assert_eq!(first, expect[1..], "{version:?} {fields:?}");
}

#[tokio::test]
async fn no_field_that_is_not_keyed_reaches_an_origin_whose_answer_is_shared() {
    let mut names = NAMES.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), NAMES.len(), "each name once");
    for key in [Key::default(), keyed().0] {
        let origin = reflecting().await;
        let edge = Edge::start(keying(origin.address, key)).await;
        for version in [Version::HTTP_11, Version::HTTP_2] {
            for (number, some) in NAMES.chunks(30).enumerate() {
                let fields: Vec<(&str, &str)> = some.iter().map(|name| (*name, "poison")).collect();
                check(&edge, &origin, (version, &format!("/poisoned/{version:?}/{number}?page=1")), &fields).await;
            }
        }
    }
}

#[tokio::test]
async fn what_a_viewer_tells_the_edge_is_not_told_the_origin() {
    for key in [Key::default(), keyed().0] {
        let origin = reflecting().await;
        let edge = Edge::start(keying(origin.address, key)).await;
        for version in [Version::HTTP_11, Version::HTTP_2] {
            for (number, field) in MEANT_FOR_THE_EDGE.iter().enumerate() {
                check(&edge, &origin, (version, &format!("/poisoned/{version:?}/{number}?page=1")), &[*field]).await;
            }
        }
    }
}

#[tokio::test]
async fn a_wish_for_another_protocol_changes_nothing_for_others() {
    let origin = reflecting().await;
    let edge = Edge::start(keying(origin.address, Key::default())).await;
    // One that may be wished for is asked of the origin by itself, and never shared: see `upgrades`.
    for (number, protocol) in ["h2c", "TLS/1.0", "poi son"].iter().enumerate() {
        let fields = [("connection", "upgrade, http2-settings"), ("upgrade", protocol), ("http2-settings", "poison")];
        check(&edge, &origin, (Version::HTTP_11, &format!("/poisoned/{number}")), &fields).await;
    }
}

#[tokio::test]
async fn parameters_and_cookies_that_are_not_keyed_reach_no_origin() {
    let origin = reflecting().await;
    let (key, kept) = keyed();
    let edge = Edge::start(keying(origin.address, key)).await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        for (number, query) in
            ["utm=poison&page=1", "page=1&callback=poison", "_method=POST&&page=1", "page=1&p%61ge_=poison&Page=2"]
                .into_iter()
                .enumerate()
        {
            let target = format!("/{version:?}/{number}");
            let fields = [&kept[..], &[("cookie", "poison=1; KEPT=2"), ("cookie", "poison; =kept=")]].concat();
            send(&edge, version, &format!("{target}?{query}"), &fields).await;
            let read = origin.seen(origin.reads());
            assert_eq!(read.target, format!("{target}?page=1"), "{query}");
            let cookies: Vec<&str> =
                read.headers.iter().filter(|(name, _)| name == "cookie").map(|(_, value)| value.as_str()).collect();
            assert_eq!((cookies, read.header("x-kept")), (vec!["kept=3; kept=4"], Some("1, 2")), "{query}");
            let clean = send(&edge, version, &format!("{target}?page=1"), &kept).await;
            assert!(clean.cache_status().starts_with("kubefront; hit"), "{}", clean.cache_status());
        }
    }
}

#[tokio::test]
async fn what_connection_names_is_neither_keyed_nor_forwarded() {
    let origin = reflecting().await;
    let (key, kept) = keyed();
    let edge = Edge::start(keying(origin.address, key)).await;
    let named = [&kept[..], &[("connection", "x-kept, Cookie, host, accept-encoding, via")]].concat();
    let without = send(&edge, Version::HTTP_11, "/a", &named).await;
    assert!(!without.body.contains("kept"), "{}", without.body);
    assert!(without.body.contains("host: app.test\n"), "{}", without.body);
    // It is the answer for whoever sends neither, and for nobody else.
    let neither = send(&edge, Version::HTTP_11, "/a", &[]).await;
    assert_eq!((neither.body.as_str(), origin.reads()), (without.body.as_str(), 1));
    let both = send(&edge, Version::HTTP_11, "/a", &kept).await;
    assert!(both.body.contains("x-kept: 1, 2\n") && both.body.contains("cookie: kept=3; kept=4\n"), "{}", both.body);
}

#[tokio::test]
async fn a_viewers_host_is_sent_where_it_is_keyed_and_nowhere_else() {
    let origin = reflecting().await;
    let by_name = Key { headers: vec!["host".into(), "x-forwarded-host".into()], ..Key::default() };
    for (key, mine, theirs) in [(by_name, "shop.test", "evil.test"), (Key::default(), "app.test", "app.test")] {
        let edge = Edge::start(keying(origin.address, key)).await;
        for (host, expect) in [("evil.test", theirs), ("shop.test", mine)] {
            let head = Request::get("/a").header("host", host).header("x-forwarded-host", host);
            let body = Empty::new().map_err(|never| match never {}).boxed();
            let reply = edge.send(head.body(body).expect("is one")).await;
            assert!(reply.body.contains(&format!("\nhost: {expect}\n")), "{}", reply.body);
            let forwarded = reply.body.contains(&format!("\nx-forwarded-host: {host}\n"));
            assert_eq!(forwarded, mine == "shop.test", "{}", reply.body);
        }
    }
}

#[tokio::test]
async fn a_head_that_a_cache_could_not_answer_for_is_not_sent_on() {
    let origin = reflecting().await;
    let edge = Edge::start(config(origin.address)).await;
    for lines in ["transfer-encoding: chunked\r\n\r\n0\r\n", "content-length: 1\r\n\r\nx"] {
        let answer = edge.raw(&format!("GET /a HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n{lines}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{lines:?}: {answer}");
    }
    // A chain of networks that is longer than any goes round in circles, or is there to burst an origin's head.
    let mut long = request(Method::GET, "/a");
    long.headers_mut().insert("cdn-loop", "x".repeat(2_000).parse().expect("a value"));
    assert_eq!(edge.send(long).await.status, StatusCode::LOOP_DETECTED);
    assert_eq!(origin.reads(), 0);
}
