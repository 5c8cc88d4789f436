//! What viewers get in place of errors, and for how long errors are kept.

use std::net::SocketAddr;

use edge_contract::{Behavior, EdgeConfig, ErrorResponse, Methods, Origin as Source, Ttl, ViewerControls};
use http::{Method, StatusCode};

use crate::edge::{Edge, address, config, request, until, with_text};
use crate::origin::{Door, Origin, Then, nobody};

fn rule(code: u16, page: Option<(&str, Option<u16>)>, cache_ttl: Option<u64>) -> ErrorResponse {
    ErrorResponse {
        code,
        cache_ttl,
        path: page.map(|(path, _)| path.to_owned()),
        response_code: page.and_then(|(_, code)| code),
    }
}

fn ruled(origin: SocketAddr, rules: Vec<ErrorResponse>) -> EdgeConfig {
    let mut config = config(origin);
    config.sites[0].error_responses = rules;
    config
}

/// An origin with pages below `/pages/` and this error everywhere else.
async fn failing(status: &'static str, fields: &'static str) -> Origin {
    Origin::start(move |seen, exchange| async move {
        if seen.target.starts_with("/pages/missing") {
            return exchange.respond("404 Not Found", "", "no page").await;
        }
        if seen.target.starts_with("/pages/") {
            let fields = "content-type: text/html\r\netag: \"p\"\r\ncache-control: max-age=3600\r\nlast-modified: Sun, 22 Nov 2026 16:00:00 GMT\r\naccept-ranges: bytes\r\n";
            return exchange.respond("200 OK", fields, "a page").await;
        }
        exchange.respond(status, fields, &format!("error {}", seen.number)).await
    })
    .await
}

#[tokio::test]
async fn an_error_is_shown_as_its_page_which_comes_through_the_cache() {
    let origin = failing("404 Not Found", "cache-control: max-age=5\r\nx-error: 1\r\n").await;
    let edge = Edge::start(ruled(origin.address, vec![rule(404, Some(("/pages/404", Some(200))), None)])).await;
    let first = edge.get("/a").await;
    assert_eq!((first.status, first.body.as_str()), (StatusCode::OK, "a page"));
    assert_eq!((first.header("content-type"), first.header("cache-control")), (Some("text/html"), Some("max-age=5")));
    assert_eq!((first.header("etag"), first.header("accept-ranges"), first.header("x-error")), (None, None, None));
    assert_eq!(first.cache_status(), "kubefront; fwd=uri-miss; fwd-status=404; stored; detail=error-page");
    edge.skip(2);
    let again = edge.get("/a").await;
    assert_eq!((again.status, again.body.as_str(), again.header("age")), (StatusCode::OK, "a page", Some("2")));
    assert_eq!(again.cache_status(), "kubefront; hit; ttl=3; detail=error-page");
    assert_eq!(edge.get("/b").await.body, "a page");
    assert_eq!(origin.reads(), 3, "two errors, and one page for both");
    assert_eq!(edge.get("/pages/404").await.header("etag"), Some("\"p\""));
}

#[tokio::test]
async fn a_page_is_asked_for_by_the_behavior_that_matches_its_own_path() {
    let (app, pages) = (failing("503 Service Unavailable", "retry-after: 30\r\n").await, Origin::numbered("").await);
    let mut config = ruled(app.address, vec![rule(503, Some(("/pages/sorry", None)), None)]);
    let site = &mut config.sites[0];
    let plain = site.origins[0].clone();
    site.origins.push(Source { name: "pages".into(), target: Some(address(pages.address)), ..plain });
    site.behaviors.insert(0, Behavior { compress: false, ..Behavior::plain("/pages/*", "pages") });
    let edge = Edge::start(config).await;
    let reply = edge.get("/a").await;
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "read 1"));
    assert_eq!(reply.header("retry-after"), Some("30"));
    assert_eq!((pages.reads(), pages.seen(1).target.as_str(), app.reads()), (1, "/pages/sorry", 1));
}

#[tokio::test]
async fn an_origin_that_is_gone_is_shown_as_a_page_too() {
    let pages = Origin::numbered("").await;
    let mut config = ruled(nobody(), vec![rule(502, Some(("/pages/sorry", Some(503))), None)]);
    let site = &mut config.sites[0];
    let plain = site.origins[0].clone();
    site.origins.push(Source { name: "pages".into(), target: Some(address(pages.address)), ..plain });
    site.behaviors.insert(0, Behavior { compress: false, ..Behavior::plain("/pages/*", "pages") });
    let edge = Edge::start(config).await;
    let reply = edge.get("/a").await;
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "read 1"));
    assert_eq!(
        (reply.cache_status(), reply.header("cache-control")),
        ("kubefront; fwd=uri-miss; detail=error-page", Some("no-store"))
    );
}

#[tokio::test]
async fn a_page_that_fails_itself_leaves_the_error_as_it_is() {
    let origin = failing("404 Not Found", "").await;
    for page in ["/pages/missing", "/a", "/other"] {
        let edge = Edge::start(ruled(origin.address, vec![rule(404, Some((page, Some(200))), None)])).await;
        let before = origin.reads();
        let reply = edge.get("/a").await;
        assert_eq!((reply.status, &reply.body), (StatusCode::NOT_FOUND, &format!("error {}", before + 1)), "{page}");
        assert_eq!(reply.cache_status(), "kubefront; fwd=uri-miss; fwd-status=404; stored");
    }
}

#[tokio::test]
async fn heads_writes_ranges_and_conditions_get_the_page_whole() {
    let origin = failing("404 Not Found", "etag: \"e\"\r\n").await;
    let edge = Edge::start(ruled(origin.address, vec![rule(404, Some(("/pages/404", None)), None)])).await;
    edge.get("/pages/404").await;
    let head = edge.send(request(Method::HEAD, "/a")).await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::NOT_FOUND, ""));
    assert_eq!((head.header("content-length"), head.header("content-type")), (Some("6"), Some("text/html")));
    let posted = edge.send(with_text(Method::POST, "/a", "x")).await;
    assert_eq!((posted.status, posted.body.as_str()), (StatusCode::NOT_FOUND, "a page"));
    for (name, value) in [("range", "bytes=0-1"), ("if-none-match", "\"p\""), ("if-none-match", "\"e\"")] {
        let mut viewer = request(Method::GET, "/a");
        viewer.headers_mut().insert(name, value.parse().expect("a value"));
        let reply = edge.send(viewer).await;
        assert_eq!((reply.status, reply.body.as_str()), (StatusCode::NOT_FOUND, "a page"), "{name}");
    }
}

#[tokio::test]
async fn an_error_that_nobody_reads_is_stored_all_the_same() {
    let door = Door::closed();
    let origin = {
        let door = door.clone();
        Origin::start(move |seen, mut exchange| {
            let door = door.clone();
            async move {
                if seen.target == "/pages/404" {
                    return exchange.respond("200 OK", "", "a page").await;
                }
                exchange.write("HTTP/1.1 404 Not Found\r\ncontent-length: 10\r\n\r\n").await;
                door.pass().await;
                exchange.write("0123456789").await;
                Then::KeepAlive(exchange)
            }
        })
        .await
    };
    let edge = Edge::start(ruled(origin.address, vec![rule(404, Some(("/pages/404", None)), None)])).await;
    assert_eq!(edge.get("/a").await.body, "a page", "while the error's own body is on its way");
    door.open();
    until("both are stored", || edge.live().store().responses() == 2).await;
    assert_eq!((edge.get("/a").await.body.as_str(), origin.reads()), ("a page", 2));
}

#[tokio::test]
async fn what_the_edge_refuses_by_itself_is_no_error_of_the_origin() {
    let origin = failing("404 Not Found", "").await;
    let rules = [405, 504].map(|code| rule(code, Some(("/pages/sorry", Some(200))), None)).to_vec();
    let mut config = ruled(origin.address, rules);
    config.sites[0].behaviors[0].methods = Methods::ReadOnly;
    config.sites[0].behaviors[0].viewer_controls = ViewerControls::Respect;
    let edge = Edge::start(config).await;
    let refused = edge.send(request(Method::POST, "/a")).await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(refused.cache_status(), "kubefront; detail=method-not-allowed");
    edge.get("/pages/sorry").await;
    let mut viewer = request(Method::GET, "/a");
    viewer.headers_mut().insert("cache-control", "only-if-cached".parse().expect("a value"));
    let refused = edge.send(viewer).await;
    assert_eq!(refused.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!((refused.cache_status(), origin.reads()), ("kubefront; detail=only-if-cached", 1));
}

#[tokio::test]
async fn an_error_of_which_nothing_is_said_is_kept_for_ten_seconds_and_never_longer_than_the_default() {
    for (status, default, kept_at_nine) in [
        ("404 Not Found", 100, true),
        ("405 Method Not Allowed", 100, true),
        ("410 Gone", 100, true),
        ("414 URI Too Long", 100, true),
        ("500 Internal Server Error", 100, true),
        ("501 Not Implemented", 100, true),
        ("502 Bad Gateway", 100, true),
        ("503 Service Unavailable", 100, true),
        ("504 Gateway Timeout", 100, true),
        ("503 Service Unavailable", 5, false),
        ("503 Service Unavailable", 0, false),
        ("400 Bad Request", 100, false),
        ("403 Forbidden", 100, false),
    ] {
        let origin = failing(status, "").await;
        let mut config = config(origin.address);
        config.sites[0].behaviors[0].ttl = Ttl { min: 0, default, max: 1_000, ..Ttl::default() };
        let edge = Edge::start(config).await;
        edge.get("/a").await;
        edge.skip(9);
        assert_eq!(edge.get("/a").await.body == "error 1", kept_at_nine, "{status} {default}");
        edge.skip(2);
        assert_ne!(edge.get("/a").await.body, "error 1", "{status} {default}");
    }
}
