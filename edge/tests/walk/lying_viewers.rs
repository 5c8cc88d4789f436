//! Viewers that lie, over HTTP/1: what they are told, that they are told nothing else, and that others are served.
//!
//! Each row is what a viewer writes; behind it comes a request for `/smuggled`, which no origin may ever see.

use edge_contract::{Methods, Ttl};
use http::StatusCode;

use crate::edge::{Edge, Raw, config};
use crate::origin::Origin;

/// More than lies in sockets on the way.
const SIZE: usize = 4 * 1024 * 1024;
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";

/// An origin that takes whole requests, and an edge that sends it whatever may pass.
async fn served() -> (Origin, Edge) {
    let origin = Origin::start(|seen, mut exchange| async move {
        if let Some(length) = seen.header("content-length").and_then(|length| length.parse().ok()) {
            exchange.read(length).await;
        }
        while seen.header("transfer-encoding").is_some() && !exchange.read_line().await.is_empty() {}
        exchange.respond("200 OK", "", "served").await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    (origin, edge)
}

/// The edge answers with this status, and that is all it ever says on this connection.
async fn check(edge: &Edge, written: &str, status: u16) {
    let shown = &written[..written.len().min(300)];
    let mut viewer = Raw::to(edge.running.viewers).await;
    viewer.say(format!("{written}{SMUGGLED}")).await;
    let head = viewer.head().await;
    assert_eq!(head.split(' ').nth(1), Some(status.to_string().as_str()), "{shown:?}: {head:?}");
    assert!(head.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{shown:?}: {head:?}");
    let rest = viewer.rest().await;
    assert!(!rest.contains("HTTP/1."), "{shown:?}: {rest:?}");
}

/// None of these lines may stand in a head.
async fn check_heads(edge: &Edge, heads: &[&str], status: u16) {
    for head in heads {
        check(edge, head, status).await;
    }
}

fn nothing_was_smuggled(origin: &Origin) {
    assert!((1..=origin.reads()).all(|read| origin.seen(read).target != "/smuggled"));
}

async fn others_are_served(edge: &Edge) {
    let reply = edge.get("/other").await;
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::OK, "served"));
}

#[tokio::test]
async fn a_request_line_is_one_or_is_refused() {
    let (origin, edge) = served().await;
    check_heads(
        &edge,
        &[
            "GET /\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.2\r\nhost: a\r\n\r\n",
            "GET / HTTP/2.0\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1 \r\nhost: a\r\n\r\n",
            "GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
            " GET / HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET\t/\tHTTP/1.1\r\nhost: a\r\n\r\n",
            "G@T / HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET /a\0b HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET a HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET ftp://a/ HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\nhost: a\r\n\r\n",
            "\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
            "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n",
            "GET /a%00b HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET /../a HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET /a%2f..%2fb HTTP/1.1\r\nhost: a\r\n\r\n",
            "\u{16}\u{3}\u{1}\0\u{5}hello",
        ],
        400,
    )
    .await;
    assert_eq!(origin.reads(), 0);
    others_are_served(&edge).await;
}

#[tokio::test]
async fn a_host_is_one_and_the_targets_or_is_refused() {
    let (origin, edge) = served().await;
    check_heads(
        &edge,
        &[
            "GET / HTTP/1.1\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nhost:\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nHOST: b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a, b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a@b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a:b\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a:99999\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: [::1\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: \u{fc}\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nhost: b\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nhost: a:81\r\n\r\n",
            "GET http://u@a/ HTTP/1.1\r\nhost: a\r\n\r\n",
        ],
        400,
    )
    .await;
    assert_eq!(origin.reads(), 0);
    others_are_served(&edge).await;
}

#[tokio::test]
async fn a_field_is_a_name_a_colon_and_a_value_or_is_refused() {
    let (origin, edge) = served().await;
    for line in [
        "x : y\r\n",
        "x y: z\r\n",
        ": y\r\n",
        "x\r\n",
        "x: y\0z\r\n",
        "x: y\rz\r\n",
        "x: y\r\r\n",
        "x: y\nz: w\r\n",
        "x: y\n",
        "x: y\r\n folded\r\n",
        "x: y\r\n\tfolded\r\n",
        " x: y\r\n",
        "x: y\u{7f}\r\n",
        "x(y): z\r\n",
        "\u{fc}: y\r\n",
    ] {
        for head in
            [format!("GET / HTTP/1.1\r\nhost: a\r\n{line}\r\n"), format!("GET / HTTP/1.1\r\n{line}host: a\r\n\r\n")]
        {
            check(&edge, &head, 400).await;
        }
    }
    assert_eq!(origin.reads(), 0);
    others_are_served(&edge).await;
}

#[tokio::test]
async fn a_body_has_one_length_or_is_refused() {
    let (origin, edge) = served().await;
    for (version, fields, status) in [
        ("1.1", "content-length: 1\r\ncontent-length: 2\r\n", 400),
        ("1.1", "content-length: 1\r\ncontent-length: 1\r\n", 400),
        ("1.1", "content-length: 1, 1\r\n", 400),
        ("1.1", "content-length: +1\r\n", 400),
        ("1.1", "content-length: -1\r\n", 400),
        ("1.1", "content-length: 0x1\r\n", 400),
        ("1.1", "content-length: 1 1\r\n", 400),
        ("1.1", "content-length:\r\n", 400),
        ("1.1", "content-length: 1\r\ntransfer-encoding: chunked\r\n", 400),
        ("1.1", "transfer-encoding: chunked\r\ncontent-length: 1\r\n", 400),
        ("1.1", "transfer-encoding: chunked\r\ncontent-length: 0\r\n", 400),
        // RFC 9112 §6.3: where the last coding is not `chunked`, no end can be found.
        ("1.1", "transfer-encoding: gzip\r\n", 400),
        ("1.1", "transfer-encoding: identity\r\n", 400),
        ("1.1", "transfer-encoding: xchunked\r\n", 400),
        ("1.1", "transfer-encoding: chunked;a=b\r\n", 400),
        ("1.1", "transfer-encoding: chunked, gzip\r\n", 400),
        ("1.1", "transfer-encoding:\r\n", 400),
        ("1.1", "transfer-encoding: gzip, chunked\r\n", 501),
        ("1.1", "transfer-encoding: chunked, chunked\r\n", 501),
        ("1.1", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", 501),
        ("1.1", "transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n", 501),
        ("1.0", "transfer-encoding: chunked\r\n", 400),
        ("1.0", "transfer-encoding: chunked\r\ncontent-length: 1\r\n", 400),
    ] {
        for body in ["", "1\r\nx\r\n0\r\n\r\n", "x"] {
            check(&edge, &format!("POST /a HTTP/{version}\r\nhost: a\r\n{fields}\r\n{body}"), status).await;
        }
    }
    let huge = format!("POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", u128::MAX);
    check(&edge, &huge, 400).await;
    nothing_was_smuggled(&origin);
    others_are_served(&edge).await;
}

#[tokio::test]
async fn chunks_that_are_none_end_the_request_and_the_connection() {
    let (origin, edge) = served().await;
    for chunks in [
        "5\r\nabcdefg\r\n0\r\n\r\n",
        "5\nabcde\r\n0\r\n\r\n",
        "5\r\nabcde\n0\r\n\r\n",
        "5\r\nabcde\r\n0\n\n",
        "5\r\nabcde\r\n0\r\nx: y\n\r\n",
        "+5\r\nabcde\r\n0\r\n\r\n",
        "-5\r\nabcde\r\n0\r\n\r\n",
        "0x5\r\nabcde\r\n0\r\n\r\n",
        " 5\r\nabcde\r\n0\r\n\r\n",
        "g\r\nabcde\r\n0\r\n\r\n",
        "\r\nabcde\r\n0\r\n\r\n",
        "5 5\r\nabcde\r\n0\r\n\r\n",
        "5;a\nb\r\nabcde\r\n0\r\n\r\n",
        "5;a\rb\r\nabcde\r\n0\r\n\r\n",
        "10000000000000005\r\nabcde\r\n0\r\n\r\n",
        "ffffffffffffffffffff\r\nabcde\r\n0\r\n\r\n",
        "5\r\nabcde\r\n0\r\nx y: z\r\n\r\n",
        "5\r\nabcde\r\n0\r\nx\r\n\r\n",
    ] {
        check(&edge, &format!("POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"), 400).await;
    }
    let extended = format!("5;{}\r\nabcde\r\n0\r\n\r\n", "x".repeat(20_000));
    let zeros = format!("{}5\r\nabcde\r\n0\r\n\r\n", "0".repeat(100_000));
    let trailing = format!("0\r\nx: {}\r\n\r\n", "y".repeat(30_000));
    for chunks in [extended, zeros, trailing] {
        check(&edge, &format!("POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"), 400).await;
    }
    nothing_was_smuggled(&origin);
    others_are_served(&edge).await;
}

#[tokio::test]
async fn a_head_has_a_measure() {
    let (origin, edge) = served().await;
    for length in [8_193, 9_000, 20_000, 30_000, 300_000] {
        let target = format!("/{}", "x".repeat(length - 1));
        check(&edge, &format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n"), 414).await;
        check(&edge, &format!("POST {target} HTTP/1.0\r\n\r\n"), 414).await;
    }
    for length in [20_500, 23_000, 30_000, 300_000] {
        check(&edge, &format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(length)), 431).await;
    }
    for count in [100, 110, 200, 5_000] {
        check(&edge, &format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(count)), 431).await;
    }
    assert_eq!(origin.reads(), 0);
    others_are_served(&edge).await;
}

#[tokio::test]
async fn what_is_odd_but_clear_is_served() {
    let (origin, edge) = served().await;
    let target = format!("/{}", "x".repeat(8_191));
    for written in [
        "GET / HTTP/1.1\r\nhost: a\r\n",
        "\r\nGET / HTTP/1.1\r\nhost: a\r\n",
        "GET / HTTP/1.1\r\nhost:a\r\n",
        "GET / HTTP/1.1\r\nHoSt: \t A.:80 \t\r\n",
        "GET http://a HTTP/1.1\r\nhost: a\r\n",
        "GET HTTP://A/ HTTP/1.1\r\nhost: a\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx:\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: \u{fc}\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n",
        "PURGE / HTTP/1.1\r\nhost: a\r\n",
        "get / HTTP/1.1\r\nhost: a\r\n",
        &format!("GET {target} HTTP/1.1\r\nhost: a\r\n"),
    ] {
        let answer = edge.raw(&format!("{written}connection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("served"), "{written:?}: {answer:?}");
    }
    for chunks in
        ["5\r\nabcde\r\n0\r\n\r\n", "00005;x=\"y\" \r\nabcde\r\n0;z\r\nx: y\r\n\r\n", "5 \r\nabcde\r\n000\r\n\r\n"]
    {
        let fields = "host: a\r\nTransfer-Encoding: Chunked\r\nconnection: close\r\n";
        let answer = edge.raw(&format!("POST / HTTP/1.1\r\n{fields}\r\n{chunks}")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("served"), "{chunks:?}: {answer:?}");
    }
    nothing_was_smuggled(&origin);
}

#[tokio::test]
async fn requests_that_were_sent_at_once_are_answered_in_turn() {
    let (origin, edge) = served().await;
    let post = "POST /b HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc\r\n";
    let chunked = "PUT /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let last = "GET /d HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = edge.raw(&format!("GET /a HTTP/1.1\r\nhost: a\r\n\r\n{post}{chunked}{last}{SMUGGLED}")).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 4, "{answer}");
    let targets: Vec<_> = (1..=origin.reads()).map(|read| origin.seen(read).target).collect();
    assert_eq!(targets, ["/a", "/b", "/c", "/d"]);
    assert_eq!(origin.seen(3).header("content-length"), None);
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_no_request() {
    let (origin, edge) = served().await;
    for begun in ["content-length: 10\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\na\r\nabc"] {
        let mut viewer = Raw::to(edge.running.viewers).await;
        viewer.say(format!("POST /cut HTTP/1.1\r\nhost: a\r\n{begun}")).await;
        origin.read_times(1).await;
        drop(viewer);
        others_are_served(&edge).await;
    }
}

#[tokio::test]
async fn a_method_has_a_meaning_here_or_is_refused() {
    let origin = Origin::numbered("").await;
    let mut config = config(origin.address);
    config.sites[0].behaviors[0].methods = Methods::ReadOptions;
    let edge = Edge::start(config).await;
    for (method, status) in
        [("GET", 200), ("HEAD", 200), ("OPTIONS", 200), ("POST", 405), ("PURGE", 405), ("get", 405), ("TRACE", 405)]
    {
        let answer = edge.raw(&format!("{method} / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method}: {answer}");
        assert_eq!(answer.contains("\r\nallow: GET, HEAD, OPTIONS\r\n"), status == 405, "{method}: {answer}");
    }
}

#[tokio::test]
async fn a_read_with_a_body_passes_only_where_nothing_is_shared() {
    for (max, status) in [(60, 400), (0, 200)] {
        let origin = Origin::start(|seen, mut exchange| async move {
            let length = seen.header("content-length").and_then(|length| length.parse().ok());
            let body = exchange.read(length.unwrap_or(0)).await;
            exchange.respond("200 OK", "", std::str::from_utf8(&body).expect("is text")).await
        })
        .await;
        let mut config = config(origin.address);
        config.sites[0].behaviors[0].ttl = Ttl { min: 0, default: 0, max, ..Ttl::default() };
        let edge = Edge::start(config).await;
        let asks = "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbody";
        let answer = edge.raw(asks).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(answer.ends_with("\r\n\r\nbody"), status == 200, "{answer}");
        assert_eq!(origin.reads(), usize::from(status == 200));
    }
}

#[tokio::test]
async fn a_viewer_that_is_still_sending_hears_why_nobody_reads_it() {
    let (origin, edge) = served().await;
    let mut refused = config(origin.address);
    refused.revision = 2;
    refused.sites[0].behaviors[0].methods = Methods::ReadOnly;
    edge.live().take_config(refused).expect("is sound");
    for (head, status) in [
        (format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {SIZE}\r\n\r\n"), 405),
        (format!("POST / HTTP/1.1\r\nhost: a\r\nhost: b\r\ncontent-length: {SIZE}\r\n\r\n"), 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: ".to_owned(), 431),
        ("GET /".to_owned(), 414),
    ] {
        let mut viewer = Raw::to(edge.running.viewers).await;
        viewer.say(&head).await;
        viewer.say("x".repeat(SIZE)).await;
        let answer = viewer.rest().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head:?}: {answer:?}");
    }
    assert_eq!(origin.reads(), 0);
}
