//! Spellings of paths that others read otherwise: what is matched, keyed and sent on is one path, or nothing at all.

use http::{Method, Request, StatusCode, Uri};

use crate::edge::{Edge, config, request};
use crate::origin::Origin;
use crate::protocols::over_http2;

/// Each behavior sends its own mark, and the origin tells who was sent what.
async fn edge(origin: &Origin) -> Edge {
    let mut config = config(origin.address);
    let site = &mut config.sites[0];
    let (origin, behavior) = (site.origins.remove(0), site.behaviors.remove(0));
    for (mark, pattern) in [("static", "/static/*"), ("css", "*.css"), ("rest", "*")] {
        let header = edge_contract::OriginHeader::plain("x-mark", mark);
        site.origins.push(edge_contract::Origin { name: mark.into(), headers: vec![header], ..origin.clone() });
        let (path_pattern, origin) = (pattern.into(), mark.into());
        site.behaviors.push(edge_contract::Behavior { path_pattern, origin, ..behavior.clone() });
    }
    Edge::start(config).await
}

async fn reflecting() -> Origin {
    Origin::start(|seen, exchange| async move {
        let mark = seen.header("x-mark").expect("every behavior has one").to_owned();
        exchange.respond("200 OK", "cache-control: max-age=60\r\n", &format!("{mark} {}", seen.target)).await
    })
    .await
}

/// Status, `Cache-Status` and body of the answer to a target that is sent as it stands here.
async fn ask(edge: &Edge, target: &str) -> (String, String, String) {
    let answer = edge.raw(&format!("GET {target} HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n")).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let cache = head.lines().find_map(|line| line.strip_prefix("cache-status: ")).unwrap_or_default().to_owned();
    (status, cache, body.to_owned())
}

/// `read_as`: the mark of the behavior that must match, and the path that must be keyed and sent.
async fn check(target: &str, read_as: Option<(&str, &str)>) {
    let origin = reflecting().await;
    let edge = edge(&origin).await;
    let (status, _, body) = ask(&edge, target).await;
    let Some((mark, path)) = read_as else {
        assert_eq!((status.as_str(), origin.reads()), ("400", 0), "{target}: {body}");
        return;
    };
    let expect = format!("{mark} {path}");
    assert_eq!((status.as_str(), body.as_str()), ("200", expect.as_str()), "{target}");
    let (_, cache, again) = ask(&edge, path).await;
    assert!(cache.starts_with("kubefront; hit"), "{target} is not stored as {path}: {cache}");
    assert_eq!((again.as_str(), origin.reads()), (expect.as_str(), 1), "{target}");
    // Nobody else is served what was asked for by it.
    for other in ["/account", "/static/account", "/account.css", "/"] {
        let (_, _, body) = ask(&edge, other).await;
        assert!(body.ends_with(&format!(" {other}")), "{target} is served for {other}: {body}");
    }
    over_another_protocol(&edge, target, &expect, path).await;
}

/// What begins with a `/` stands in `:path` as it is.
async fn over_another_protocol(edge: &Edge, target: &str, expect: &str, path: &str) {
    if !target.starts_with('/') || target.parse::<Uri>().is_err() {
        return;
    }
    let response = over_http2(edge, target).await;
    let reply = crate::edge::read(response).await.expect("the body is complete");
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::OK, expect), "{target} over HTTP/2 is not {path}");
    assert!(reply.cache_status().starts_with("kubefront; hit"), "{target}: {}", reply.cache_status());
}

#[tokio::test]
async fn a_separator_that_an_origin_may_know_is_a_character_to_all_three() {
    for (target, mark, path) in [
        ("/account;x.css", "css", "/account;x.css"),
        ("/account%3bx.css", "css", "/account%3Bx.css"),
        ("/account;/static/x", "rest", "/account;/static/x"),
        ("/static/...;/account", "static", "/static/...;/account"),
        ("/static/;../account", "static", "/static/;../account"),
        ("/account%2fx.css", "css", "/account%2Fx.css"),
        ("/static%2faccount", "rest", "/static%2Faccount"),
        ("/static/%2Faccount", "static", "/static/%2Faccount"),
        ("/account%5cx.css", "css", "/account%5Cx.css"),
        ("/account%0a.css", "css", "/account%0A.css"),
        ("/account%20.css", "css", "/account%20.css"),
        ("/account%23.css", "css", "/account%23.css"),
        ("/account%3f.css", "css", "/account%3F.css"),
        ("/account|x.css", "css", "/account%7Cx.css"),
        ("/account\"x.css", "css", "/account%22x.css"),
        ("/account/ä.css", "css", "/account/%C3%A4.css"),
    ] {
        check(target, Some((mark, path))).await;
    }
}

#[tokio::test]
async fn an_escape_of_what_needs_none_is_that_character_to_all_three() {
    for (target, mark, path) in [
        ("/%61ccount", "rest", "/account"),
        ("/%41ccount", "rest", "/Account"),
        ("/account%2ecss", "css", "/account.css"),
        ("/account%2Ecss", "css", "/account.css"),
        ("/%73tatic/x", "static", "/static/x"),
        ("/%53tatic/x", "rest", "/Static/x"),
        ("/static/%7e%2D%5f", "static", "/static/~-_"),
        ("/static/%c3%A4", "static", "/static/%C3%A4"),
        // Once, and no more.
        ("/static/%252e%252e%252faccount", "static", "/static/%252e%252e%252faccount"),
        ("/%2561ccount", "rest", "/%2561ccount"),
        ("/static/%", "static", "/static/%25"),
        ("/static/%2", "static", "/static/%252"),
        ("/static/%zz", "static", "/static/%25zz"),
    ] {
        check(target, Some((mark, path))).await;
    }
}

#[tokio::test]
async fn dot_segments_are_gone_for_all_three() {
    for (target, mark, path) in [
        ("/account/%2e%2e/x", "rest", "/x"),
        ("/account/.%2E/static/x", "static", "/static/x"),
        ("/static/../account", "rest", "/account"),
        ("/account/../static/x", "static", "/static/x"),
        ("/static/.", "static", "/static/"),
        ("/static/%2e", "static", "/static/"),
        ("/static/x/..", "static", "/static/"),
        ("/static/..", "rest", "/"),
        ("/static/x/%2e%2e/%2e%2e", "rest", "/"),
        ("/account/..", "rest", "/"),
        ("/account/./x.css", "css", "/account/x.css"),
        ("/static/.../account", "static", "/static/.../account"),
        ("/static/..account", "static", "/static/..account"),
    ] {
        check(target, Some((mark, path))).await;
    }
}

#[tokio::test]
async fn empty_segments_stay() {
    for (target, mark, path) in [
        ("//account", "rest", "//account"),
        ("//static/x", "rest", "//static/x"),
        ("//shop.test/static/x", "rest", "//shop.test/static/x"),
        ("/static//account", "static", "/static//account"),
        ("/static//", "static", "/static//"),
        ("/account//../static/x", "rest", "/account/static/x"),
    ] {
        check(target, Some((mark, path))).await;
    }
}

#[tokio::test]
async fn a_query_decides_no_behavior() {
    for (target, mark, path) in [
        ("/account?.css", "rest", "/account?.css"),
        ("/account?/../static/x", "rest", "/account?/../static/x"),
        ("/account?", "rest", "/account?"),
        ("/account??x.css", "rest", "/account??x.css"),
        ("/account?x=%2e%2E%00\\", "rest", "/account?x=%2e%2E%00%5C"),
        ("/static/x?/../../account", "static", "/static/x?/../../account"),
        ("/account.css?a=b", "css", "/account.css?a=b"),
    ] {
        check(target, Some((mark, path))).await;
    }
}

#[tokio::test]
async fn a_target_with_a_host_names_the_same_path() {
    for (target, mark, path) in [
        ("http://shop.test/static/../account", "rest", "/account"),
        ("http://SHOP.test/%73tatic/x", "static", "/static/x"),
        ("https://shop.test/account", "rest", "/account"),
        ("http://shop.test", "rest", "/"),
        ("http://shop.test?x=/static/x", "rest", "/?x=/static/x"),
        ("http://shop.test//static/x", "rest", "//static/x"),
    ] {
        check(target, Some((mark, path))).await;
    }
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_read_in_none() {
    for target in [
        "/static/..%2Faccount",
        "/static/..%2faccount",
        "/static/%2e%2e%2Faccount",
        "/static/.%2e%5caccount",
        "/static/x%2f..%2faccount",
        "/static/%2e%2faccount",
        "/static/account%2f..",
        "/static/..%5Caccount",
        // Many servers of Java take `;` and what follows off a segment before they look at it.
        "/static/..;/account",
        "/static/..;x=y/account",
        "/static/%2e%2e;/account",
        "/static/..%3b/account",
        "/static/.;/account",
        "/account/..;",
        "/static/x%2f..;%2faccount",
        "/account%00.css",
        "/%00",
        "/account\\x.css",
        "/static\\..\\account",
        "/..",
        "/../account",
        "/static/../../account",
        "/%2e%2e/account",
        "/account x.css",
        "/account\tx.css",
        "/account<x>.css",
        // A fragment is for the viewer alone (RFC 3986 §3.5).
        "/account#x.css",
        "/account?a#/static/x",
        "/static/x#/../../account",
        "/account#",
        "account.css",
        "?x.css",
        "*",
        "shop.test:80",
        "http://other.test/account",
        "http://shop.test:81/account",
        "http://user@shop.test/account",
        "ftp://shop.test/account",
        "http:///account",
    ] {
        check(target, None).await;
    }
}

#[tokio::test]
async fn a_write_is_sent_on_by_the_path_that_it_was_matched_by() {
    let origin = reflecting().await;
    let edge = edge(&origin).await;
    for (target, expect) in
        [("/static/%2e%2e/account?a=%2e", "rest /account?a=%2e"), ("/%73tatic/x", "static /static/x")]
    {
        assert_eq!(edge.send(request(Method::POST, target)).await.body, expect);
    }
    let refused: Request<_> = request(Method::POST, "/static/..%2faccount");
    assert_eq!(edge.send(refused).await.status, StatusCode::BAD_REQUEST);
}
