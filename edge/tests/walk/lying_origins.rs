//! Origins that lie: what a viewer gets, what is stored of it, and what becomes of the connection.
//!
//! Each row is an answer to `/lie`. It is asked for twice, to see that nothing wrong is stored, and then something else, to see that the
//! connection is not used again and that others are served.

use std::fmt::Write;

use edge_contract::EdgeConfig;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};

use crate::edge::{Edge, config, open, read, request, until, with_body};
use crate::origin::{Door, Origin, Then};

/// What the origin does behind its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    Closes,
    Resets,
    /// It says nothing more, and waits.
    Waits,
}

/// What a viewer gets.
#[derive(Debug, PartialEq, Eq)]
enum Gets {
    /// A status, and a body to its end.
    Whole(u16, String),
    /// A body that breaks off; if it does so at once, there may be time to say so in a head.
    Broken,
}

fn whole(status: u16, body: &str) -> Gets {
    Gets::Whole(status, body.to_owned())
}

/// An origin that answers `/lie` with these bytes, and anything else with the truth.
async fn lying(answer: impl Into<Vec<u8>>, behind: Behind) -> Origin {
    let answer: std::sync::Arc<[u8]> = answer.into().into();
    Origin::start(move |seen, mut exchange| {
        let answer = std::sync::Arc::clone(&answer);
        async move {
            if seen.target != "/lie" {
                return exchange.respond("200 OK", "", "the truth").await;
            }
            exchange.write(answer).await;
            match behind {
                Behind::Closes => Then::Close,
                Behind::Resets => exchange.reset(),
                Behind::Waits => {
                    exchange.closed().await;
                    Then::Close
                }
            }
        }
    })
    .await
}

/// Each request reaches the origin once, and what stands still does so briefly.
fn once(origin: &Origin) -> EdgeConfig {
    let mut config = config(origin.address);
    config.sites[0].origins[0].attempts = 1;
    config.sites[0].origins[0].response_timeout_ms = 300;
    config
}

async fn ask(edge: &Edge, target: &str) -> Gets {
    let response = open(edge.running.viewers, request(Method::GET, target)).await.expect("there is a head");
    let status = response.status().as_u16();
    match read(response).await {
        Ok(reply) if reply.cache_status().ends_with("detail=origin-body") => Gets::Broken,
        Ok(reply) if status == 502 => {
            Gets::Whole(status, reply.cache_status().rsplit('=').next().unwrap_or_default().into())
        }
        Ok(reply) => Gets::Whole(status, reply.body),
        Err(_) => Gets::Broken,
    }
}

/// A lie that nobody may believe, whatever the origin does behind it.
async fn check(answer: impl Into<Vec<u8>>, behind: Behind, expect: Gets) {
    let answer = answer.into();
    let shown = String::from_utf8_lossy(&answer[..answer.len().min(200)]).into_owned();
    let origin = lying(answer, behind).await;
    let edge = Edge::start(once(&origin)).await;
    for reads in 1..=2 {
        assert_eq!(ask(&edge, "/lie").await, expect, "{shown:?}");
        assert_eq!(origin.reads(), reads, "nothing is stored of {shown:?}");
    }
    assert_eq!(ask(&edge, "/other").await, whole(200, "the truth"), "behind {shown:?}");
    assert_eq!(origin.seen(3).connection, 3, "each connection is used once: {shown:?}");
    assert_eq!(edge.live().store().responses(), 1);
}

/// For heads that are refused: the word for why.
async fn refused(answer: impl Into<Vec<u8>>, why: &str) {
    check(answer, Behind::Waits, whole(502, why)).await;
}

#[tokio::test]
async fn an_answer_with_more_than_one_idea_of_its_end_is_refused() {
    for fields in [
        "content-length: 5\r\ncontent-length: 5\r\n",
        "content-length: 5, 5\r\n",
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked, chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
    ] {
        refused(format!("HTTP/1.1 200 OK\r\n{fields}\r\n5\r\nabcde\r\n0\r\n\r\n"), "origin-framing").await;
    }
    for fields in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: -5\r\n",
        "content-length: +5\r\n",
        "content-length: 0x5\r\n",
        "content-length: 5 5\r\n",
        "content-length: \r\n",
        "content-length: 18446744073709551616\r\n",
    ] {
        refused(format!("HTTP/1.1 200 OK\r\n{fields}\r\nabcde"), "origin-not-http").await;
    }
    refused("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", "origin-not-http").await;
}

#[tokio::test]
async fn what_is_no_response_head_is_refused() {
    for line in [
        "hello, world",
        "<html>it works</html>",
        "ICY 200 OK",
        "HTTP/2 200",
        "HTTP/1.2 200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 abc OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1  200 OK",
        " HTTP/1.1 200 OK",
        "\r\nHTTP/1.1 200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1",
    ] {
        refused(format!("{line}\r\ncontent-length: 2\r\n\r\nok"), "origin-not-http").await;
    }
    for status in ["600", "999", "101"] {
        refused(format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok"), "origin-framing").await;
    }
}

#[tokio::test]
async fn a_head_that_some_readers_would_read_otherwise_is_refused() {
    for lines in [
        "x y: 1\r\n",
        "x : 1\r\n",
        ": 1\r\n",
        "x\r\n",
        "x(y): 1\r\n",
        "\u{fc}: 1\r\n",
        "x: 1\0\r\n",
        "x: 1\r2\r\n",
        "x: 1\u{7f}\r\n",
        "x: 1\nset-cookie: a=b\r\n",
        "x: 1\r\n folded\r\n",
        " led: 1\r\n",
        "x: 1\n",
    ] {
        refused(format!("HTTP/1.1 200 OK\r\n{lines}content-length: 2\r\n\r\nok"), "origin-not-http").await;
    }
    refused("HTTP/1.1 200 OK\ncontent-length: 2\n\nok", "origin-not-http").await;
}

#[tokio::test]
async fn a_head_without_measure_is_refused() {
    let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 2\r\n\r\nok", "x".repeat(1024 * 1024));
    refused(large, "origin-head-too-large").await;
    let mut many = String::from("HTTP/1.1 200 OK\r\n");
    (0..1_000).for_each(|n| write!(many, "x-{n}: y\r\n").expect("is written"));
    refused(format!("{many}content-length: 2\r\n\r\nok"), "origin-head-too-large").await;
}

#[tokio::test]
async fn a_body_that_ends_before_its_end_is_cut_off_for_the_viewer_too() {
    for body in [
        "content-length: 100\r\n\r\nabcde",
        "transfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n",
        "transfer-encoding: chunked\r\n\r\n64\r\nabcde",
        "transfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n",
        "transfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\nx: y\r\n",
    ] {
        for behind in [Behind::Closes, Behind::Waits, Behind::Resets] {
            check(format!("HTTP/1.1 200 OK\r\n{body}"), behind, Gets::Broken).await;
        }
    }
}

#[tokio::test]
async fn a_body_whose_chunks_are_no_chunks_is_cut_off() {
    for chunks in [
        "5\r\nabcdef\r\n0\r\n\r\n",
        "5\nabcde\n0\n\n",
        "+5\r\nabcde\r\n0\r\n\r\n",
        "-5\r\nabcde\r\n0\r\n\r\n",
        "0x5\r\nabcde\r\n0\r\n\r\n",
        " 5\r\nabcde\r\n0\r\n\r\n",
        "g\r\nabcde\r\n0\r\n\r\n",
        "\r\nabcde\r\n0\r\n\r\n",
        "10000000000000005\r\nabcde\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nabcde\r\n0\r\n\r\n",
        "5;x\nabcde\r\n0\r\n\r\n",
        "5\r\nabcde\r\n0\r\nx y: z\r\n\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
        check(answer, Behind::Waits, Gets::Broken).await;
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_a_bad_gateway_or_a_gateway_timeout() {
    for begun in
        ["", "HTTP/1.1", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", "HTTP/1.1 103 X\r\n\r\n"]
    {
        for behind in [Behind::Closes, Behind::Resets] {
            check(begun, behind, whole(502, "origin-reset")).await;
        }
        let origin = lying(begun, Behind::Waits).await;
        let edge = Edge::start(once(&origin)).await;
        let reply = edge.get("/lie").await;
        assert_eq!(reply.status, StatusCode::GATEWAY_TIMEOUT, "{begun:?}");
        assert!(reply.cache_status().ends_with("detail=origin-timeout"), "{}", reply.cache_status());
        assert_eq!(ask(&edge, "/other").await, whole(200, "the truth"));
        assert_eq!(origin.seen(2).connection, 2);
    }
}

#[tokio::test]
async fn what_was_not_asked_for_is_refused_or_not_stored() {
    check("HTTP/1.1 304 Not Modified\r\netag: \"v\"\r\n\r\n", Behind::Waits, whole(502, "origin-304-unasked")).await;
    let part = "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-1/9\r\ncontent-length: 2\r\n\r\nok";
    let origin = lying(part, Behind::Closes).await;
    let edge = Edge::start(once(&origin)).await;
    for reads in 1..=2 {
        ask(&edge, "/lie").await;
        assert_eq!((origin.reads(), edge.live().store().responses()), (reads, 0));
    }
}

#[tokio::test]
async fn bytes_that_no_length_speaks_of_are_nobodys() {
    let evil = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    for (answer, gets) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", whole(200, "ok")),
        ("HTTP/1.1 204 No Content\r\n\r\n", whole(204, "")),
        ("HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\n", whole(204, "")),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", whole(200, "ok")),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", whole(404, "")),
    ] {
        let origin = lying(format!("{answer}{evil}"), Behind::Waits).await;
        let edge = Edge::start(once(&origin)).await;
        assert_eq!(ask(&edge, "/lie").await, gets, "{answer:?}");
        assert_eq!(ask(&edge, "/other").await, whole(200, "the truth"), "{answer:?}");
        assert_eq!(origin.seen(2).connection, 2, "{answer:?}");
    }
}

#[tokio::test]
async fn dates_that_are_none_harm_nobody() {
    for (fields, reads) in [
        ("date: yesterday\r\n", 1),
        ("date: Thu, 99 Foo 2026 99:99:99 GMT\r\nlast-modified: -1\r\n", 1),
        ("last-modified: \u{fc}\r\nage: -1\r\n", 1),
        ("age: 99999999999999999999\r\ncache-control: max-age=10\r\n", 2),
        ("expires: 0\r\n", 2),
        ("expires: soon\r\n", 2),
        ("date: soon\r\nexpires: later\r\n", 2),
    ] {
        let origin = Origin::numbered(fields).await;
        let edge = Edge::start(once(&origin)).await;
        for _ in 0..2 {
            assert_eq!(edge.get("/a").await.status, StatusCode::OK, "{fields:?}");
        }
        assert_eq!(origin.reads(), reads, "{fields:?}");
    }
}

#[tokio::test]
async fn an_origin_that_varies_by_anything_is_stored_a_bounded_number_of_times() {
    let origin = Origin::start(|seen, exchange| async move {
        let fields = format!("vary: x-{}\r\ncache-control: max-age=0\r\netag: \"{0}\"\r\n", seen.number);
        exchange.respond("200 OK", &fields, "varied").await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    for reads in 1..=200 {
        assert_eq!(edge.get("/a").await.body, "varied");
        assert_eq!(origin.reads(), reads);
    }
    assert!(edge.live().store().responses() <= 64, "{}", edge.live().store().responses());
}

#[tokio::test]
async fn a_304_about_something_else_is_asked_again_whole() {
    for validator in
        ["etag: \"other\"\r\n", "etag: W/\"other\"\r\n", "last-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"]
    {
        let origin = Origin::start(move |seen, exchange| async move {
            match seen.number {
                1 => exchange.respond("200 OK", "etag: \"v\"\r\ncache-control: max-age=10\r\n", "old").await,
                2 => exchange.respond("304 Not Modified", validator, "").await,
                _ => exchange.respond("200 OK", "etag: \"other\"\r\n", "new").await,
            }
        })
        .await;
        let edge = Edge::start(config(origin.address)).await;
        assert_eq!(edge.get("/a").await.body, "old");
        edge.skip(11);
        let reply = edge.get("/a").await;
        assert_eq!((reply.body.as_str(), reply.header("etag")), ("new", Some("\"other\"")), "{validator:?}");
        assert_eq!(origin.seen(3).header("if-none-match"), None);
    }
}

#[tokio::test]
async fn a_body_without_an_end_is_stored_for_nobody_and_read_no_further_than_to_its_last_viewer() {
    let gone = Door::closed();
    let origin = {
        let gone = gone.clone();
        Origin::start(move |seen, mut exchange| {
            let gone = gone.clone();
            async move {
                if seen.target == "/other" {
                    return exchange.respond("200 OK", "", "the truth").await;
                }
                exchange.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
                let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
                while exchange.write(&chunk).await {}
                gone.open();
                Then::Close
            }
        })
        .await
    };
    let edge = Edge::with(&["--cache-memory", "1048576"], config(origin.address)).await;
    let mut body = edge.open(request(Method::GET, "/lie")).await.into_body();
    for _ in 0..100 {
        crate::edge::piece(&mut body).await;
    }
    assert_eq!(edge.get("/other").await.body, "the truth");
    drop(body);
    tokio::time::timeout(crate::edge::PATIENCE, gone.pass()).await.expect("the origin's connection is closed");
    until("nothing of it is held", || edge.live().store().responses() <= 1).await;
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_was_read_reaches_the_viewer() {
    let upload = || {
        let body = Full::from("x".repeat(8 * 1024 * 1024)).map_err(|never| match never {}).boxed();
        with_body(Method::POST, "/lie", body)
    };
    for behind in [Behind::Waits, Behind::Closes] {
        let answer = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 5\r\nconnection: close\r\n\r\nlarge";
        let origin = lying(answer, behind).await;
        let edge = Edge::start(once(&origin)).await;
        let reply = edge.send(upload()).await;
        assert_eq!((reply.status, reply.body.as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "large"), "{behind:?}");
        assert_eq!(ask(&edge, "/other").await, whole(200, "the truth"));
        assert_eq!(origin.seen(2).connection, 2);
    }
}
