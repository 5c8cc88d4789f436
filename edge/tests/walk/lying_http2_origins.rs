//! Origins that lie over HTTP/2: what a viewer gets, what is stored of it, and what becomes of the connection.
//!
//! Each row is what comes on the stream of the first two requests. They ask for the same, to see that nothing wrong is stored, and then
//! something else is asked for, to see over which connection.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Method, StatusCode};
use parking_lot::Mutex;
use tokio::net::TcpListener;

use crate::edge::{Edge, open, read, request};
use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, literal,
};
use crate::http2_origin::h2c;

/// A frame: its kind, flags and payload.
type Frame = (u8, u8, Vec<u8>);

/// Whether the connection is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Kept,
    Left,
}

/// What a viewer gets.
#[derive(Debug, PartialEq, Eq)]
enum Gets {
    /// An answer, and a body to its end.
    Whole(u16, &'static str),
    /// 502 with this detail.
    Bad(&'static str),
    /// A body that breaks off; if it does so at once, there may be time to say so in a head.
    Broken,
}
use Gets::{Bad, Broken, Whole};
use Then::{Kept, Left};

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

/// A head that nothing follows.
fn alone(fields: &[(&str, &str)]) -> Vec<Frame> {
    vec![(HEADERS, END_HEADERS | END_STREAM, block(fields))]
}

/// A head, and this body to its end.
fn with(fields: &[(&str, &str)], body: &str) -> Vec<Frame> {
    vec![(HEADERS, END_HEADERS, block(fields)), (DATA, END_STREAM, body.into())]
}

/// An origin that answers so many requests with these frames, others with the truth, and tells over which connections it was asked.
async fn lying(frames: Vec<Frame>, times: usize) -> (SocketAddr, Arc<Mutex<Vec<usize>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let (address, asked) = (listener.local_addr().expect("is bound"), Arc::new(Mutex::new(Vec::new())));
    let (log, frames) = (Arc::clone(&asked), Arc::new(frames));
    tokio::spawn(async move {
        for connection in 1.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            let (log, frames) = (Arc::clone(&log), Arc::clone(&frames));
            tokio::spawn(async move {
                let mut edge = Frames::of(stream).await;
                while let Some(stream) = edge.asked().await {
                    let number = {
                        let mut log = log.lock();
                        log.push(connection);
                        log.len()
                    };
                    if number > times {
                        for (kind, flags, payload) in with(&[(":status", "200")], "the truth") {
                            edge.write(kind, flags, stream, &payload).await;
                        }
                        continue;
                    }
                    for (kind, flags, payload) in frames.iter() {
                        let of = if matches!(*kind, GOAWAY | SETTINGS) { 0 } else { stream };
                        edge.write(*kind, *flags, of, payload).await;
                    }
                }
            });
        }
    });
    (address, asked)
}

async fn ask(edge: &Edge, method: Method, target: &str) -> (u16, Option<String>, String) {
    let response = open(edge.running.viewers, request(method, target)).await.expect("there is a head");
    let status = response.status().as_u16();
    match read(response).await {
        Ok(reply) => {
            let detail = reply.cache_status().rsplit_once("detail=").map(|(_, detail)| detail.to_owned());
            (status, detail, reply.body)
        }
        Err(_) => (status, Some("cut".into()), String::new()),
    }
}

#[track_caller]
fn compare((status, detail, body): (u16, Option<String>, String), expect: &Gets, what: &[Frame]) {
    match expect {
        Whole(expected, text) => assert_eq!((status, body.as_str()), (*expected, *text), "{what:?}"),
        Bad(expected) => assert_eq!((status, detail.as_deref()), (502, Some(*expected)), "{what:?}"),
        Broken => assert!(matches!(detail.as_deref(), Some("cut" | "origin-body")), "{status} {detail:?} {what:?}"),
    }
}

async fn check(method: Method, frames: Vec<Frame>, expect: Gets, then: Then) {
    let (address, asked) = lying(frames.clone(), 2).await;
    let mut config = h2c(address);
    config.sites[0].origins[0].attempts = 1;
    config.sites[0].origins[0].response_timeout_ms = 300;
    let edge = Edge::start(config).await;
    for _ in 0..2 {
        compare(ask(&edge, method.clone(), "/lie").await, &expect, &frames);
    }
    compare(ask(&edge, Method::GET, "/other").await, &Whole(200, "the truth"), &frames);
    let connections = asked.lock().clone();
    let last = match then {
        Kept => 1,
        Left => 3,
    };
    assert_eq!((connections.len(), connections.last()), (3, Some(&last)), "{frames:?}");
}

#[tokio::test]
async fn a_head_that_is_malformed_is_a_bad_gateway_and_its_connection_is_left() {
    let not_http = "origin-not-http";
    for (fields, detail) in [
        (&[][..], not_http),
        (&[("x", "y")], not_http),
        (&[("x", "y"), (":status", "200")], not_http),
        (&[(":status", "200"), (":status", "200")], not_http),
        (&[(":status", "20")], not_http),
        (&[(":status", "2000")], not_http),
        (&[(":status", "600")], "origin-framing"),
        (&[(":status", "101")], "origin-framing"),
        // RFC 9113 §8.2.2
        (&[(":status", "200"), ("connection", "close")], not_http),
        (&[(":status", "200"), ("keep-alive", "5")], not_http),
        (&[(":status", "200"), ("proxy-connection", "close")], not_http),
        (&[(":status", "200"), ("transfer-encoding", "chunked")], not_http),
        (&[(":status", "200"), ("upgrade", "h2c")], not_http),
        // §8.2.1
        (&[(":status", "200"), ("X-Upper", "y")], not_http),
        (&[(":status", "200"), ("x y", "z")], not_http),
        (&[(":status", "200"), ("x", "y\r\nz: 1")], not_http),
        (&[(":status", "200"), ("x", "y\0")], not_http),
        (&[(":status", "200"), ("x", " y")], "origin-framing"),
        (&[(":status", "200"), ("x", "y\t")], "origin-framing"),
        (&[(":status", "103"), ("x", "y ")], "origin-framing"),
        (&[(":status", "200"), (":unknown", "x")], not_http),
        // §8.1.1
        (&[(":status", "200"), ("content-length", "5")], not_http),
        (&[(":status", "200"), ("content-length", "-5")], not_http),
        (&[(":status", "200"), ("content-length", "0"), ("content-length", "1")], not_http),
        (&[(":status", "200"), ("content-length", "0"), ("content-length", "0")], "origin-framing"),
        // §8.1: an interim response ends no stream.
        (&[(":status", "103")], not_http),
    ] {
        check(Method::GET, alone(fields), Bad(detail), Left).await;
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_its_head_says_breaks_off_and_its_connection_is_left() {
    let five = [(":status", "200"), ("content-length", "5"), ("cache-control", "max-age=60")];
    for body in ["four", "sixsix"] {
        check(Method::GET, with(&five, body), Broken, Left).await;
    }
    let then = |frame: Frame| [with(&five[..1], "").drain(..1).collect::<Vec<_>>(), vec![frame]].concat();
    for frame in [
        // Trailers that do not end the stream, or hold what no field may.
        (HEADERS, END_HEADERS, block(&[("x", "y")])),
        (HEADERS, END_HEADERS | END_STREAM, block(&[("x", " y")])),
        (HEADERS, END_HEADERS | END_STREAM, block(&[("connection", "close")])),
        (WINDOW_UPDATE, 0, vec![0; 4]),
        (PRIORITY, 0, vec![0; 3]),
        (CONTINUATION, END_HEADERS, block(&[("x", "y")])),
    ] {
        check(Method::GET, then(frame), Broken, Left).await;
    }
}

#[tokio::test]
async fn a_body_that_is_reset_breaks_off_whatever_the_reason_is_called() {
    for reason in [0_u32, 2, 7, 8] {
        let mut frames = with(&[(":status", "200"), ("cache-control", "max-age=60")], "");
        frames[1] = (DATA, 0, b"begun".to_vec());
        frames.push((RST_STREAM, 0, reason.to_be_bytes().to_vec()));
        check(Method::GET, frames, Broken, Kept).await;
    }
}

#[tokio::test]
async fn what_can_have_no_content_has_none() {
    // Where a length is said, it is that of something else. Nobody has put a condition that a 304 could answer.
    check(Method::POST, alone(&[(":status", "204"), ("content-length", "5")]), Whole(204, ""), Kept).await;
    check(Method::POST, alone(&[(":status", "304"), ("content-length", "5")]), Whole(304, ""), Left).await;
    check(Method::HEAD, alone(&[(":status", "200"), ("content-length", "5")]), Whole(200, ""), Kept).await;
    for status in ["204", "304"] {
        let (address, _) = lying(with(&[(":status", status)], "more"), 1).await;
        let edge = Edge::start(h2c(address)).await;
        let (_, _, body) = ask(&edge, Method::POST, "/lie").await;
        assert_eq!(body, "", "{status}");
    }
}

#[tokio::test]
async fn an_origin_that_says_nothing_is_waited_for_as_long_as_its_time_and_its_connection_goes_on() {
    let (address, asked) = lying(Vec::new(), 1).await;
    let mut config = h2c(address);
    config.sites[0].origins[0].response_timeout_ms = 300;
    let edge = Edge::start(config).await;
    let reply = edge.get("/lie").await;
    assert_eq!(reply.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(reply.cache_status().ends_with("detail=origin-timeout"), "{}", reply.cache_status());
    assert_eq!(edge.get("/other").await.body, "the truth");
    assert!(asked.lock().iter().all(|connection| *connection == 1));
}

#[tokio::test]
async fn a_head_beyond_measure_is_a_bad_gateway() {
    let (fit, large) = ("x".repeat(16_000), "x".repeat(15_000));
    check(Method::POST, with(&[(":status", "200"), ("x", &fit)], "text"), Whole(200, "text"), Kept).await;
    // More than 64 KiB in many fields, in one frame and its continuations.
    let fields: Vec<(&str, &str)> = std::iter::once((":status", "200")).chain([("x", large.as_str()); 6]).collect();
    let all = block(&fields);
    let mut pieces = all.chunks(16_000).map(<[u8]>::to_vec);
    let mut frames = vec![(HEADERS, END_STREAM, pieces.next().expect("is one"))];
    frames.extend(pieces.map(|piece| (CONTINUATION, 0, piece)));
    let last = frames.last_mut().expect("is one");
    last.1 |= END_HEADERS;
    check(Method::GET, frames, Bad("origin-not-http"), Left).await;
}

#[tokio::test]
async fn what_ends_a_connection_is_a_bad_gateway_and_the_next_one_is_asked() {
    for frames in [
        vec![(HEADERS, END_HEADERS | END_STREAM, vec![0xff; 6])],
        vec![(DATA, END_STREAM, b"x".to_vec())],
        vec![(SETTINGS, 0, vec![0; 5])],
    ] {
        check(Method::GET, frames, Bad("origin-not-http"), Left).await;
    }
    // Not an error of ours, and none that says that nothing was done.
    let leaves = vec![(GOAWAY, 0, [1_u32.to_be_bytes(), 2_u32.to_be_bytes()].concat())];
    let (address, _) = lying(leaves, 1).await;
    let mut config = h2c(address);
    config.sites[0].origins[0].response_timeout_ms = 300;
    config.sites[0].origins[0].attempts = 1;
    let edge = Edge::start(config).await;
    assert!(edge.send(request(Method::POST, "/lie")).await.status.is_server_error());
    assert_eq!(edge.get("/other").await.body, "the truth");
}
