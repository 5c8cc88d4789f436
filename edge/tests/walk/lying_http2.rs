//! Viewers that lie, over HTTP/2: what becomes of their streams, and that other streams and connections are served.

use edge_contract::Methods;
use http::StatusCode;

use crate::edge::{Edge, config};
use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, Heard, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    literal,
};
use crate::origin::Origin;

/// RFC 9113 §7.
const NO_ERROR: u32 = 0;
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;

type Fields<'a> = Vec<(&'a str, &'a str)>;

/// A sound request, and whatever else is in it.
fn get<'a>(more: &[(&'a str, &'a str)]) -> Fields<'a> {
    let sound = [(":method", "GET"), (":scheme", "http"), (":authority", "shop.test"), (":path", "/a")];
    sound.iter().chain(more).copied().collect()
}

/// A sound request with another value of one field, or without it.
fn get_with<'a>(name: &str, value: Option<&'a str>) -> Fields<'a> {
    let with = |(known, sound): (&'a str, &'a str)| match value {
        _ if known != name => Some((known, sound)),
        Some(value) => Some((known, value)),
        None => None,
    };
    get(&[]).into_iter().filter_map(with).collect()
}

async fn check(edge: &Edge, fields: &[(&str, &str)], expect: Heard) {
    let mut viewer = Frames::to(edge.running.viewers).await;
    viewer.headers(1, END_STREAM, fields).await;
    assert_eq!(viewer.heard(1).await, expect, "{fields:?}");
    // Whatever it was, it concerned that stream alone.
    viewer.headers(3, END_STREAM, &get(&[])).await;
    assert_eq!(viewer.heard(3).await, Heard::Status(200), "behind {fields:?}");
}

async fn served() -> (Origin, Edge) {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    (origin, edge)
}

#[tokio::test]
async fn a_malformed_request_is_a_stream_error() {
    let (origin, edge) = served().await;
    let pseudo_last =
        [(":method", "GET"), (":scheme", "http"), ("x", "y"), (":authority", "shop.test"), (":path", "/a")];
    for fields in [
        get_with(":method", None),
        get_with(":scheme", None),
        get_with(":path", None),
        get_with(":path", Some("")),
        get_with(":authority", Some("a b")),
        get(&[(":path", "/b")]),
        get(&[(":method", "GET")]),
        get(&[(":authority", "shop.test")]),
        get(&[(":status", "200")]),
        get(&[(":protocol", "websocket")]),
        pseudo_last.to_vec(),
        get(&[("connection", "close")]),
        get(&[("keep-alive", "5")]),
        get(&[("proxy-connection", "close")]),
        get(&[("transfer-encoding", "chunked")]),
        get(&[("upgrade", "h2c")]),
        get(&[("te", "gzip")]),
        get(&[("content-length", "5")]),
        get(&[("content-length", "0, 0")]),
        // RFC 9113 §8.2.1
        get(&[("x", " y")]),
        get(&[("x", "y\t")]),
        vec![(":method", "CONNECT"), (":scheme", "http"), (":authority", "shop.test:80"), (":path", "/a")],
    ] {
        check(&edge, &fields, Heard::Reset(PROTOCOL_ERROR)).await;
    }
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn a_request_that_is_not_fit_is_refused_on_its_stream_alone() {
    let (origin, edge) = served().await;
    let crumbs = |count: usize| get(&vec![("cookie", "a=b"); count]);
    let long = format!("/{}", "x".repeat(8_192));
    let large = "x".repeat(20_480);
    for (fields, status) in [
        (get_with(":authority", None), 400),
        (get_with(":authority", Some("u@shop.test")), 400),
        (get_with(":path", Some("*")), 400),
        (get_with(":path", Some("/../a")), 400),
        (get_with(":path", Some("/a%00")), 400),
        // What follows `#` is gone before the edge sees it: matched, keyed and sent on is `/a`.
        (get_with(":path", Some("/a#b")), 200),
        (get_with(":scheme", Some("ftp")), 400),
        (get(&[("host", "other.test")]), 400),
        (get(&[("host", "shop.test"), ("host", "shop.test")]), 400),
        (vec![(":method", "CONNECT"), (":authority", "shop.test:80")], 400),
        (get_with(":path", Some(&long)), 414),
        (get(&[("x", &large)]), 431),
        (get(&vec![("x", "y"); 101]), 431),
        (get(&[("expect", "miracles")]), 417),
        (get(&[("cdn-loop", "uid-of-shop")]), 508),
        (get_with(":method", Some("TRACE")), 405),
        (get(&[("host", "shop.test")]), 200),
        ([&get_with(":authority", None)[..], &[("host", "shop.test")]].concat(), 200),
        (get(&[("te", "trailers")]), 200),
        (get(&[("content-length", "0")]), 200),
        (crumbs(150), 200),
    ] {
        check(&edge, &fields, Heard::Status(status)).await;
    }
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn a_head_beyond_measure_is_refused_and_others_are_served() {
    let (_origin, edge) = served().await;
    let larger = "x".repeat(60_000);
    let mut viewer = Frames::to(edge.running.viewers).await;
    viewer.headers(1, END_STREAM, &get(&[("x", &larger)])).await;
    assert!(matches!(viewer.heard(1).await, Heard::Status(431) | Heard::Reset(_) | Heard::GoAway(_)));
    assert_eq!(edge.get("/a").await.status, StatusCode::OK);
}

#[tokio::test]
async fn crumbs_of_a_cookie_are_one_field_to_the_origin() {
    let (origin, edge) = served().await;
    let mut viewer = Frames::to(edge.running.viewers).await;
    let post = [&get_with(":method", Some("POST"))[..], &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")]].concat();
    viewer.headers(1, END_STREAM, &post).await;
    assert_eq!(viewer.heard(1).await, Heard::Status(200));
    let seen = origin.seen(2);
    let cookies: Vec<_> =
        seen.headers.iter().filter(|(name, _)| name == "cookie").map(|(_, value)| value.as_str()).collect();
    assert_eq!(cookies, ["a=1; b=2"]);
}

#[tokio::test]
async fn a_body_is_as_long_as_its_head_says() {
    let origin = Origin::start(|seen, mut exchange| async move {
        if seen.target == "/a" {
            return exchange.respond("200 OK", "", "").await;
        }
        exchange.closed().await;
        crate::origin::Then::Close
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    for (sent, flags) in [("abc", END_STREAM), ("abcdef", 0), ("abcdef", END_STREAM)] {
        let mut viewer = Frames::to(edge.running.viewers).await;
        let post = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "a"),
            (":path", "/body"),
            ("content-length", "5"),
        ];
        viewer.headers(1, 0, &post).await;
        viewer.write(DATA, flags, 1, sent.as_bytes()).await;
        let heard = viewer.heard(1).await;
        assert!(matches!(heard, Heard::Reset(PROTOCOL_ERROR)), "{sent:?}: {heard:?}");
        viewer.headers(3, END_STREAM, &get(&[])).await;
        assert_eq!(viewer.heard(3).await, Heard::Status(200), "{sent:?}");
    }
    // Where answers are shared, a body has no meaning.
    let mut viewer = Frames::to(edge.running.viewers).await;
    viewer.headers(1, 0, &get(&[])).await;
    viewer.write(DATA, END_STREAM, 1, b"body").await;
    assert_eq!(viewer.heard(1).await, Heard::Status(400));
}

/// Frames that end the connection, and the error code that says so.
#[tokio::test]
async fn what_breaks_the_protocol_ends_the_connection_and_no_other() {
    let (origin, edge) = served().await;
    let block: Vec<u8> = get(&[]).iter().flat_map(|(name, value)| literal(name, value)).collect();
    let frames: [(u8, u8, u32, &[u8], u32); 18] = [
        (DATA, END_STREAM, 0, b"x", PROTOCOL_ERROR),
        (DATA, END_STREAM, 1, b"x", PROTOCOL_ERROR),
        (HEADERS, END_STREAM | END_HEADERS, 0, &block, PROTOCOL_ERROR),
        (HEADERS, END_STREAM | END_HEADERS, 2, &block, PROTOCOL_ERROR),
        (HEADERS, END_STREAM | END_HEADERS, 1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff], COMPRESSION_ERROR),
        // RFC 9113 §5.4.1 lets a stream error be one of the connection.
        (HEADERS, END_STREAM | END_HEADERS, 1, &literal(":unknown", "x"), PROTOCOL_ERROR),
        (HEADERS, END_STREAM | END_HEADERS, 1, &literal("X-Upper", "y"), PROTOCOL_ERROR),
        (HEADERS, END_STREAM | END_HEADERS, 1, &literal("x y", "z"), PROTOCOL_ERROR),
        (HEADERS, END_STREAM | END_HEADERS, 1, &literal("x", "y\r\nz"), PROTOCOL_ERROR),
        (HEADERS, END_STREAM | END_HEADERS, 1, &literal("x", "y\0z"), PROTOCOL_ERROR),
        (CONTINUATION, END_HEADERS, 1, &block, PROTOCOL_ERROR),
        (RST_STREAM, 0, 1, &[0; 4], PROTOCOL_ERROR),
        (RST_STREAM, 0, 0, &[0; 4], PROTOCOL_ERROR),
        (RST_STREAM, 0, 1, &[0; 3], FRAME_SIZE_ERROR),
        (SETTINGS, 0, 1, &[], PROTOCOL_ERROR),
        (SETTINGS, 0, 0, &[0; 5], FRAME_SIZE_ERROR),
        (WINDOW_UPDATE, 0, 0, &[0; 4], PROTOCOL_ERROR),
        (WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff], FLOW_CONTROL_ERROR),
    ];
    for (kind, flags, stream, payload, code) in frames {
        let mut viewer = Frames::to(edge.running.viewers).await;
        viewer.write(kind, flags, stream, payload).await;
        let heard = viewer.heard(1).await;
        // Which of its errors a library names is its own affair.
        assert!(
            matches!(heard, Heard::GoAway(said) if said == code || said == PROTOCOL_ERROR),
            "{heard:?} {kind} {flags} {stream} {payload:?}"
        );
        assert_eq!(edge.get("/a").await.status, StatusCode::OK);
    }
    // Between HEADERS and their CONTINUATION there may be nothing else.
    let mut viewer = Frames::to(edge.running.viewers).await;
    viewer.write(HEADERS, END_STREAM, 1, &block[..10]).await;
    viewer.write(PRIORITY, 0, 3, &[0; 5]).await;
    assert_eq!(viewer.heard(1).await, Heard::GoAway(PROTOCOL_ERROR));
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn a_viewer_that_resets_all_that_it_asks_for_is_sent_away() {
    let (_origin, edge) = served().await;
    let mut viewer = Frames::to(edge.running.viewers).await;
    for stream in (1..2_000).step_by(2) {
        viewer.headers(stream, END_STREAM, &get(&[])).await;
        viewer.write(RST_STREAM, 0, stream, &8_u32.to_be_bytes()).await;
    }
    assert!(matches!(viewer.heard(0).await, Heard::GoAway(ENHANCE_YOUR_CALM) | Heard::Nothing));
    assert_eq!(edge.get("/a").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_head_that_goes_on_without_end_is_cut_off() {
    let (_origin, edge) = served().await;
    let mut viewer = Frames::to(edge.running.viewers).await;
    let block: Vec<u8> = get(&[]).iter().flat_map(|(name, value)| literal(name, value)).collect();
    viewer.write(HEADERS, END_STREAM, 1, &block).await;
    for _ in 0..10_000 {
        viewer.write(CONTINUATION, 0, 1, &literal("x", &"y".repeat(1_000))).await;
    }
    assert!(matches!(viewer.heard(1).await, Heard::GoAway(_) | Heard::Nothing));
    assert_eq!(edge.get("/a").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refusal_does_not_wait_for_the_body_and_the_connection_goes_on() {
    let origin = Origin::numbered("").await;
    let mut config = config(origin.address);
    config.sites[0].behaviors[0].methods = Methods::ReadOnly;
    let edge = Edge::start(config).await;
    let mut viewer = Frames::to(edge.running.viewers).await;
    viewer.headers(1, 0, &get_with(":method", Some("POST"))).await;
    assert_eq!(viewer.heard(1).await, Heard::Status(405));
    assert!(!viewer.body(1).await.is_empty());
    // RFC 9113 §8.1
    assert_eq!(viewer.heard(1).await, Heard::Reset(NO_ERROR));
    for _ in 0..20 {
        viewer.write(DATA, 0, 1, &[0; 16_384]).await;
    }
    viewer.headers(3, END_STREAM, &get(&[])).await;
    assert_eq!(viewer.heard(3).await, Heard::Status(200));
}
