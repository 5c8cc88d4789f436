//! What is coded, for whom, and what becomes of it with what it was made of.

use std::io::Read;

use edge_contract::{EdgeConfig, Scope};
use http::header::HeaderName;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;

use crate::edge::{Edge, config, request, until};
use crate::origin::Origin;

const HTML: &str = "content-type: text/html\r\netag: \"v\"\r\naccept-ranges: bytes\r\ncache-control: max-age=60\r\n";

fn text() -> String {
    "<p>hello</p>\n".repeat(1_000)
}

fn coding(origin: &Origin) -> EdgeConfig {
    let mut config = config(origin.address);
    config.sites[0].behaviors[0].compress = true;
    config
}

/// An origin with one long text under these fields, counted by its length: each read has one more letter.
async fn texts(fields: &'static str) -> Origin {
    Origin::start(move |seen, exchange| async move {
        let body = format!("{}{}", text(), "x".repeat(seen.number));
        exchange.respond("200 OK", fields, &body).await
    })
    .await
}

struct Coded {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Coded {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("is text"))
    }

    /// The body as it is without its coding.
    fn text(&self) -> String {
        let mut text = String::new();
        let decoded = match self.header("content-encoding") {
            None => (&self.bytes[..]).read_to_string(&mut text),
            Some("gzip") => flate2::read::GzDecoder::new(&self.bytes[..]).read_to_string(&mut text),
            Some("br") => brotli::Decompressor::new(&self.bytes[..], 4_096).read_to_string(&mut text),
            Some(other) => panic!("{other}"),
        };
        decoded.expect("is coded so");
        text
    }
}

async fn ask(edge: &Edge, method: Method, fields: &[(HeaderName, &str)]) -> Coded {
    let mut request = request(method, "/a");
    for (name, value) in fields {
        request.headers_mut().insert(name, value.parse().expect("a value"));
    }
    let (parts, body) = edge.open(request).await.into_parts();
    let bytes = body.collect().await.expect("is complete").to_bytes().to_vec();
    Coded { status: parts.status, headers: parts.headers, bytes }
}

async fn get(edge: &Edge, accepted: &str) -> Coded {
    ask(edge, Method::GET, &[(http::header::ACCEPT_ENCODING, accepted)]).await
}

async fn coded(edge: &Edge, times: u64) {
    until("it is coded", || edge.running.edge.coder.coded() == times).await;
}

#[tokio::test]
async fn what_is_stored_is_coded_once_for_all_who_accept_it() {
    let origin = texts(HTML).await;
    let edge = Edge::start(coding(&origin)).await;
    let first = get(&edge, "gzip, deflate, br").await;
    assert_eq!((first.header("content-encoding"), first.header("etag")), (None, Some("\"v\"")), "as it arrives");
    assert_eq!((first.header("vary"), first.bytes.len()), (Some("accept-encoding"), 13_001));
    coded(&edge, 1).await;
    for accepted in ["gzip, deflate, br", "br;q=1, gzip;q=0.5", "*"] {
        let hit = get(&edge, accepted).await;
        assert_eq!((hit.header("content-encoding"), hit.header("etag")), (Some("br"), Some("W/\"v\"")), "{accepted}");
        assert_eq!(hit.header("content-length"), Some(hit.bytes.len().to_string().as_str()));
        assert_eq!((hit.header("vary"), hit.header("accept-ranges")), (Some("accept-encoding"), None));
        assert!(hit.header("cache-status").is_some_and(|status| status.contains("hit")));
        assert_eq!((hit.text(), hit.bytes.len() < 1_000), (first.text(), true));
    }
    let head = ask(&edge, Method::HEAD, &[(http::header::ACCEPT_ENCODING, "br, gzip")]).await;
    assert_eq!((head.header("content-encoding"), head.bytes.len()), (Some("br"), 0));
    assert_eq!((origin.reads(), edge.running.edge.coder.coded(), edge.live().store().responses()), (1, 1, 1));
    assert_eq!(origin.seen(1).header("accept-encoding"), Some("br, gzip"));
}

#[tokio::test]
async fn each_viewer_gets_what_it_accepts() {
    let origin = texts(HTML).await;
    let edge = Edge::start(coding(&origin)).await;
    let classes = [("gzip", Some("gzip")), ("br", Some("br")), ("gzip, br;q=0.1", Some("gzip")), ("identity", None)];
    for (accepted, _) in classes {
        get(&edge, accepted).await;
    }
    coded(&edge, 2).await;
    for (accepted, expect) in classes {
        let hit = get(&edge, accepted).await;
        assert_eq!(
            (hit.header("content-encoding"), hit.header("vary")),
            (expect, Some("accept-encoding")),
            "{accepted}"
        );
    }
    let plain = ask(&edge, Method::GET, &[]).await;
    assert_eq!((plain.header("content-encoding"), plain.header("etag")), (None, Some("\"v\"")));
    assert_eq!((origin.reads(), origin.seen(3).header("accept-encoding")), (3, Some("identity")));
}

#[tokio::test]
async fn a_condition_with_either_tag_is_answered_and_the_tag_that_is_shown_is_weak() {
    let origin = texts(HTML).await;
    let edge = Edge::start(coding(&origin)).await;
    get(&edge, "gzip").await;
    coded(&edge, 1).await;
    for tag in ["W/\"v\"", "\"v\""] {
        let fields = [(http::header::ACCEPT_ENCODING, "gzip"), (http::header::IF_NONE_MATCH, tag)];
        let reply = ask(&edge, Method::GET, &fields).await;
        assert_eq!((reply.status, reply.header("etag")), (StatusCode::NOT_MODIFIED, Some("W/\"v\"")), "{tag}");
        assert_eq!((reply.header("vary"), reply.header("content-encoding")), (Some("accept-encoding"), None));
    }
}

#[tokio::test]
async fn an_invalidation_removes_what_was_coded_with_what_it_was_made_of() {
    let origin = texts(HTML).await;
    let edge = Edge::start(coding(&origin)).await;
    edge.begin_log();
    for accepted in ["gzip", "br, gzip", "identity"] {
        get(&edge, accepted).await;
    }
    coded(&edge, 2).await;
    edge.order(2, vec![Scope::Exact("/a".into())]);
    assert_eq!((edge.live().store().responses(), edge.live().removed(2)), (0, 3));
    for (accepted, length) in [("gzip", 13_004), ("br, gzip", 13_005)] {
        assert_eq!(get(&edge, accepted).await.text().len(), length, "is read anew");
    }
    coded(&edge, 4).await;
    edge.order(3, vec![Scope::Prefix("/".into())]);
    assert_eq!(get(&edge, "gzip").await.text().len(), 13_006);
    coded(&edge, 5).await;
    edge.order(4, vec![Scope::Prefix("/".into())]);
    until("nothing is held", || edge.live().store().held() == 0).await;
}

#[tokio::test]
async fn whoever_asks_for_a_range_gets_parts_of_the_plain_bytes() {
    let origin = texts(HTML).await;
    let edge = Edge::start(coding(&origin)).await;
    get(&edge, "gzip").await;
    coded(&edge, 1).await;
    let fields = [(http::header::ACCEPT_ENCODING, "gzip"), (http::header::RANGE, "bytes=0-4")];
    let ranged = ask(&edge, Method::GET, &fields).await;
    assert_eq!((ranged.header("content-encoding"), ranged.header("etag")), (None, Some("\"v\"")));
    assert_eq!(origin.seen(2).header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn a_304_makes_a_coded_response_fresh_and_is_asked_for_by_the_tag_of_the_origin() {
    let origin = Origin::start(|seen, exchange| async move {
        match seen.header("if-none-match") {
            Some("\"v\"") => {
                exchange
                    .respond("304 Not Modified", "etag: \"v\"\r\ncache-control: max-age=60\r\nx-new: 1\r\n", "")
                    .await
            }
            _ => exchange.respond("200 OK", HTML, &text()).await,
        }
    })
    .await;
    let edge = Edge::start(coding(&origin)).await;
    get(&edge, "gzip").await;
    coded(&edge, 1).await;
    edge.skip(61);
    for _ in 0..2 {
        let fresh = get(&edge, "gzip").await;
        assert_eq!((fresh.header("content-encoding"), fresh.header("x-new")), (Some("gzip"), Some("1")));
        assert_eq!((fresh.text(), fresh.header("etag")), (text(), Some("W/\"v\"")));
        assert_eq!(fresh.header("content-length"), Some(fresh.bytes.len().to_string().as_str()));
    }
    assert_eq!((origin.reads(), edge.running.edge.coder.coded()), (2, 1));
}

#[tokio::test]
async fn a_304_that_forbids_transformation_ends_what_was_coded() {
    let origin = Origin::start(|seen, exchange| async move {
        let leave = "content-type: text/html\r\netag: \"v\"\r\ncache-control: max-age=60, no-transform\r\n";
        match (seen.number, seen.header("if-none-match")) {
            (1, _) => exchange.respond("200 OK", HTML, &text()).await,
            (_, Some(_)) => exchange.respond("304 Not Modified", leave, "").await,
            _ => exchange.respond("200 OK", leave, &text()).await,
        }
    })
    .await;
    let edge = Edge::start(coding(&origin)).await;
    get(&edge, "gzip").await;
    coded(&edge, 1).await;
    edge.skip(61);
    let plain = get(&edge, "gzip").await;
    assert_eq!((plain.header("content-encoding"), plain.text(), origin.reads()), (None, text(), 3));
}

#[tokio::test]
async fn what_the_origin_coded_itself_is_stored_as_it_came() {
    let origin = Origin::start(|seen, exchange| async move {
        let told = seen.header("accept-encoding").unwrap_or_default().to_owned();
        let fields = "content-type: text/html\r\ncontent-encoding: br\r\netag: \"v-br\"\r\nvary: Accept-Encoding\r\n";
        exchange.respond("200 OK", fields, &format!("{told} {}", "packed ".repeat(1_000))).await
    })
    .await;
    let edge = Edge::start(coding(&origin)).await;
    for _ in 0..2 {
        let reply = get(&edge, "gzip, br").await;
        assert_eq!((reply.header("content-encoding"), reply.header("etag")), (Some("br"), Some("\"v-br\"")));
        assert_eq!(reply.headers.get_all("vary").iter().collect::<Vec<_>>(), ["Accept-Encoding"]);
        assert!(reply.bytes.starts_with(b"br, gzip packed "));
    }
    assert_eq!((origin.reads(), edge.running.edge.coder.coded()), (1, 0));
}

#[tokio::test]
async fn what_is_not_worth_it_or_not_wanted_is_left_alone() {
    let short = Origin::numbered("content-type: text/html\r\n").await;
    let image = texts("content-type: image/png\r\n").await;
    let left = texts("content-type: text/html\r\ncache-control: max-age=60, no-transform\r\n").await;
    let secret = texts("content-type: text/html\r\ncache-control: no-store\r\n").await;
    for origin in [&short, &image, &left, &secret] {
        let edge = Edge::start(coding(origin)).await;
        for _ in 0..2 {
            let reply = get(&edge, "gzip, br").await;
            assert_eq!((reply.header("content-encoding"), reply.header("vary")), (None, None));
        }
    }
    let off = texts(HTML).await;
    let edge = Edge::start(config(off.address)).await;
    for accepted in ["br", "gzip", "identity"] {
        let reply = get(&edge, accepted).await;
        assert_eq!((reply.header("content-encoding"), reply.header("vary")), (None, None));
    }
    assert_eq!((off.reads(), off.seen(1).header("accept-encoding")), (1, Some("identity")));
}
