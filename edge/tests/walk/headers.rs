//! What is changed in the heads that viewers are shown, and whose scripts may read them.

use edge_contract::{Behavior, Cors, Header, Methods, ResponseHeaders};
use http::{Method, Request, StatusCode};

use crate::edge::{Edge, config, request};
use crate::origin::Origin;

fn ruled(origin: std::net::SocketAddr, methods: Methods, rules: ResponseHeaders) -> edge_contract::EdgeConfig {
    let mut config = config(origin);
    let plain = config.sites[0].behaviors[0].clone();
    config.sites[0].behaviors[0] = Behavior { methods, response_headers: rules, ..plain };
    config
}

fn security() -> ResponseHeaders {
    ResponseHeaders {
        remove: vec!["server".into(), "x-powered-by".into()],
        set: vec![Header { name: "x-frame-options".into(), value: "DENY".into() }],
        cors: None,
    }
}

fn cors() -> ResponseHeaders {
    ResponseHeaders {
        cors: Some(Cors {
            origins: vec!["https://*.shop.example".into()],
            methods: vec!["GET".into(), "DELETE".into()],
            headers: vec!["x-token".into()],
            expose_headers: vec!["etag".into()],
            max_age: Some(60),
            credentials: true,
        }),
        ..security()
    }
}

type Sent = Request<http_body_util::combinators::BoxBody<bytes::Bytes, hyper::Error>>;

fn with(mut request: Sent, fields: &[(&'static str, &str)]) -> Sent {
    for (name, value) in fields {
        request.headers_mut().append(*name, value.parse().expect("a value"));
    }
    request
}

#[tokio::test]
async fn viewers_are_shown_what_the_owner_wants_and_the_store_keeps_what_the_origin_said() {
    let fields =
        "server: a\r\nx-powered-by: b\r\nx-frame-options: ALLOW\r\netag: \"v\"\r\ncache-control: max-age=60\r\n";
    let origin = Origin::numbered(fields).await;
    let edge = Edge::start(ruled(origin.address, Methods::All, security())).await;
    let not_modified = || with(request(Method::GET, "/a"), &[("if-none-match", "\"v\"")]);
    let replies = [
        edge.get("/a").await,
        edge.get("/a").await,
        edge.send(request(Method::HEAD, "/a")).await,
        edge.send(not_modified()).await,
        edge.send(request(Method::POST, "/b")).await,
    ];
    for reply in &replies {
        assert_eq!((reply.header("server"), reply.header("x-powered-by")), (None, None), "{reply:?}");
        assert_eq!(reply.headers.get_all("x-frame-options").iter().collect::<Vec<_>>(), ["DENY"], "{reply:?}");
    }
    assert_eq!(replies[3].status, StatusCode::NOT_MODIFIED);
    let mut plain = ruled(origin.address, Methods::All, ResponseHeaders::default());
    plain.revision = 2;
    edge.live().take_config(plain).expect("is sound");
    let hit = edge.get("/a").await;
    assert_eq!(
        (hit.header("server"), hit.header("x-frame-options"), hit.body.as_str()),
        (Some("a"), Some("ALLOW"), "read 1")
    );
}

#[tokio::test]
async fn errors_that_the_edge_makes_itself_are_shown_by_the_same_rules() {
    let edge = Edge::start(ruled(crate::origin::nobody(), Methods::ReadOnly, cors())).await;
    let origin = ("origin", "https://a.shop.example");
    let unreachable = edge.send(with(request(Method::GET, "/a"), &[origin])).await;
    let refused = edge.send(with(request(Method::POST, "/a"), &[origin])).await;
    assert_eq!((unreachable.status, refused.status), (StatusCode::BAD_GATEWAY, StatusCode::METHOD_NOT_ALLOWED));
    for reply in [unreachable, refused] {
        assert_eq!(reply.header("x-frame-options"), Some("DENY"));
        assert_eq!(reply.header("access-control-allow-origin"), Some("https://a.shop.example"));
    }
}

#[tokio::test]
async fn one_stored_response_is_shown_to_each_site_as_it_may_see_it() {
    let origin = Origin::numbered("access-control-allow-origin: *\r\ncache-control: max-age=60\r\n").await;
    let edge = Edge::start(ruled(origin.address, Methods::ReadOnly, cors())).await;
    let expect = [
        (Some("https://a.shop.example"), Some("https://a.shop.example")),
        (Some("https://b.shop.example"), Some("https://b.shop.example")),
        (Some("https://evil.example"), None),
        (None, None),
    ];
    for (asked, allowed) in expect {
        let fields: Vec<_> = asked.iter().map(|origin| ("origin", *origin)).collect();
        let reply = edge.send(with(request(Method::GET, "/a"), &fields)).await;
        assert_eq!(reply.header("access-control-allow-origin"), allowed, "{asked:?}");
        assert_eq!(reply.header("access-control-allow-credentials"), allowed.map(|_| "true"));
        assert_eq!(reply.header("access-control-expose-headers"), allowed.map(|_| "etag"));
        assert_eq!((reply.header("vary"), reply.body.as_str()), (Some("origin"), "read 1"));
    }
}

fn preflight(origin: &str, method: &str, headers: &str) -> Sent {
    let fields =
        [("origin", origin), ("access-control-request-method", method), ("access-control-request-headers", headers)];
    with(request(Method::OPTIONS, "/a"), &fields)
}

#[tokio::test]
async fn a_preflight_is_answered_by_the_edge_whatever_methods_pass() {
    for methods in [Methods::ReadOnly, Methods::ReadOptions, Methods::All] {
        let origin = Origin::numbered("").await;
        let edge = Edge::start(ruled(origin.address, methods, cors())).await;
        let granted = edge.send(preflight("https://a.shop.example", "DELETE", "x-token")).await;
        assert_eq!((granted.status, granted.body.as_str()), (StatusCode::NO_CONTENT, ""));
        assert_eq!(granted.header("access-control-allow-origin"), Some("https://a.shop.example"));
        assert_eq!(granted.header("access-control-allow-methods"), Some("GET, DELETE"));
        assert_eq!(granted.header("access-control-allow-headers"), Some("x-token"));
        assert_eq!(granted.header("access-control-max-age"), Some("60"));
        assert_eq!((granted.header("vary"), granted.header("content-length")), (Some("origin"), None));
        assert_eq!(
            (granted.cache_status(), granted.header("x-frame-options")),
            ("kubefront; detail=preflight", Some("DENY"))
        );
        for (site, method, headers) in [
            ("https://evil.example", "DELETE", "x-token"),
            ("https://a.shop.example", "PUT", "x-token"),
            ("https://a.shop.example", "DELETE", "x-other"),
        ] {
            let refused = edge.send(preflight(site, method, headers)).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN);
            assert_eq!(refused.cache_status(), "kubefront; detail=preflight-refused");
            assert!(!refused.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{refused:?}");
        }
        assert_eq!(origin.reads(), 0);
    }
}

#[tokio::test]
async fn options_that_are_no_preflight_go_on_as_before() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(ruled(origin.address, Methods::ReadOptions, cors())).await;
    let passed = edge.send(with(request(Method::OPTIONS, "/a"), &[("origin", "https://a.shop.example")])).await;
    assert_eq!((passed.status, passed.body.as_str()), (StatusCode::OK, "read 1"));
    let edge = Edge::start(ruled(origin.address, Methods::ReadOnly, cors())).await;
    let refused = edge.send(with(request(Method::OPTIONS, "/a"), &[("origin", "https://a.shop.example")])).await;
    assert_eq!((refused.status, origin.reads()), (StatusCode::METHOD_NOT_ALLOWED, 1));
    let edge = Edge::start(ruled(origin.address, Methods::ReadOptions, security())).await;
    let passed = edge.send(preflight("https://a.shop.example", "DELETE", "x-token")).await;
    assert_eq!((passed.status, passed.body.as_str()), (StatusCode::OK, "read 2"), "where the edge has no say");
}
