//! Origins that speak HTTP/2: what they are sent, and what reaches viewers of what they say (RFC 9113).

use bytes::Bytes;
use futures::future::poll_fn;
use h2::Reason;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Full};

use crate::edge::{Edge, Raw, until, with_body};
use crate::http2_origin::{Asked, Http2Origin, h2c, send};
use crate::origin::{Door, Origin};
use crate::streams::{Http2, piece, rest};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

fn status(code: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static(code))])
}

/// An origin that echoes what it is sent, with trailers.
async fn echo() -> Http2Origin {
    Http2Origin::start(|mut asked: Asked| async move {
        let (mut content, _) = asked.rest().await;
        content.extend_from_slice(b"echo");
        let fields = [("cache-control", "max-age=60"), ("content-length", &content.len().to_string())];
        let mut stream = asked.head(200, &fields);
        send_all(&mut stream, content.into()).await;
        stream.send_trailers(status("0")).expect("are sent");
    })
    .await
}

/// Sends a body without its end.
async fn send_all(stream: &mut h2::SendStream<Bytes>, mut body: Bytes) {
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let room = poll_fn(|cx| stream.poll_capacity(cx)).await.expect("is open").expect("is sound");
        stream.send_data(body.split_to(room.min(body.len())), false).expect("is taken");
    }
}

#[tokio::test]
async fn an_origin_is_asked_over_http2_by_one_connection_that_is_kept() {
    let origin = Http2Origin::start(|asked: Asked| async move {
        assert_eq!(asked.head.uri.authority().map(http::uri::Authority::as_str), Some("app.test"));
        assert_eq!(asked.head.uri.scheme_str(), Some("http"));
        // RFC 9113 §8.2.2
        for absent in ["host", "connection", "transfer-encoding", "keep-alive"] {
            assert_eq!(asked.header(absent), None, "{absent}");
        }
        assert_eq!(asked.header("te"), Some("trailers"));
        assert!(asked.header("via").is_some() && asked.header("cdn-loop").is_some());
        let said = asked.head.uri.path_and_query().expect("is there").as_str().to_owned();
        asked.answer(200, &[("cache-control", "max-age=60")], &said);
    })
    .await;
    let edge = Edge::start(origin.config()).await;
    for path in ["/a?x=1", "/b", "/b"] {
        let reply = edge.get(path).await;
        assert_eq!((reply.status, reply.body.as_str()), (StatusCode::OK, path));
        // RFC 9110 §7.6.3: as the answer was received, also where it is a stored one.
        assert_eq!(reply.header("via"), Some("2 kubefront"), "{path}");
    }
    assert_eq!((origin.connections(), origin.requests()), (1, 2), "the second /b came from the store");
}

#[tokio::test]
async fn a_connection_is_kept_for_as_long_as_the_origin_says() {
    let origin = echo().await;
    let mut config = origin.config();
    config.sites[0].origins[0].keep_alive_ms = 5_000;
    let edge = Edge::start(config).await;
    let pool = edge.running.edge.forwarder.pool();
    for (path, wait, connections) in [("/a", 0, 1), ("/b", 4, 1), ("/c", 4, 1), ("/d", 5, 2)] {
        edge.skip(wait);
        edge.get(path).await;
        assert_eq!(origin.connections(), connections, "{path}");
        until("the connection is kept", || pool.len() == 1).await;
    }
    edge.skip(5);
    edge.running.edge.forwarder.prune();
    assert!(pool.is_empty());
}

#[tokio::test]
async fn large_bodies_go_both_ways_as_they_were() {
    let origin = echo().await;
    let edge = Edge::start(origin.config()).await;
    let content: String = (0..3_000_000_u32).map(|n| char::from(b'a' + u8::try_from(n % 26).expect("small"))).collect();
    let body = Full::from(content.clone()).map_err(|never| match never {}).boxed();
    let reply = edge.send(with_body(Method::POST, "/a", body)).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(reply.body == content + "echo");
}

#[tokio::test]
async fn what_is_said_before_an_answer_reaches_viewers_of_either_version() {
    let origin = Http2Origin::start(|mut asked: Asked| async move {
        asked.say(103, &[("link", "</a.css>; rel=preload")]);
        asked.say(102, &[]);
        asked.answer(200, &[], "text");
    })
    .await;
    let edge = Edge::start(origin.config()).await;
    let mut viewer = Raw::to(edge.running.viewers).await;
    viewer.say("POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    assert_eq!(viewer.head().await, "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n");
    assert_eq!(viewer.head().await, "HTTP/1.1 102 Processing\r\n\r\n");
    assert!(viewer.rest().await.starts_with("HTTP/1.1 200 OK\r\n"));
    let mut viewer = Http2::of(&edge).await;
    let mut exchange = viewer.ask(Method::POST, "/a", &[], true).await;
    for status in [103, 102] {
        assert_eq!(exchange.interim().await.expect("comes").status().as_u16(), status);
    }
    assert_eq!(exchange.answer().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_origin_decides_whether_the_viewer_goes_on() {
    let door = Door::closed();
    let opens = door.clone();
    let origin = Http2Origin::start(move |mut asked: Asked| {
        let door = opens.clone();
        async move {
            assert_eq!(asked.header("expect"), Some("100-continue"));
            asked.say(102, &[]);
            door.pass().await;
            asked.say(100, &[]);
            let (body, _) = asked.rest().await;
            asked.answer(200, &[], std::str::from_utf8(&body).expect("is text"));
        }
    })
    .await;
    let edge = Edge::start(origin.config()).await;
    let mut viewer = Raw::to(edge.running.viewers).await;
    viewer
        .say("POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n")
        .await;
    assert_eq!(viewer.head().await, "HTTP/1.1 102 Processing\r\n\r\n");
    door.open();
    assert_eq!(viewer.head().await, CONTINUE);
    viewer.say("text").await;
    let answer = viewer.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("text"), "{answer}");
}

#[tokio::test]
async fn a_body_that_the_origin_does_not_want_is_never_asked_for_and_its_stream_is_reset() {
    let resets = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&resets);
    let origin = Http2Origin::start(move |mut asked: Asked| {
        let seen = std::sync::Arc::clone(&seen);
        async move {
            if asked.header("expect").is_none() {
                return asked.answer(200, &[], "");
            }
            let mut stream = asked.head(413, &[]);
            stream.send_data(Bytes::from_static(b"no more"), true).expect("is sent");
            let ended = asked.piece().await.expect("ends").expect_err("nothing of it comes");
            seen.lock().push(ended.reason());
        }
    })
    .await;
    let edge = Edge::start(origin.config()).await;
    let mut viewer = Http2::of(&edge).await;
    let fields = [("content-length", "4"), ("expect", "100-continue")];
    let mut exchange = viewer.ask(Method::POST, "/a", &fields, false).await;
    assert!(exchange.interim().await.is_none());
    let answer = exchange.answer().await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(rest(answer.into_body()).await.expect("is whole").0, "no more");
    until("the stream is reset", || *resets.lock() == [Some(Reason::CANCEL)]).await;
    assert!(viewer.serves("/b").await);
    assert_eq!(origin.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_knows_no_expectations_gets_the_body_after_a_second() {
    let origin = echo().await;
    let edge = Edge::start(origin.config()).await;
    let mut viewer = Raw::to(edge.running.viewers).await;
    let began = edge::clock::Clock::deadline(std::time::Duration::ZERO);
    viewer
        .say("POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n")
        .await;
    assert_eq!(viewer.head().await, CONTINUE);
    assert!(began.elapsed() >= std::time::Duration::from_secs(1));
    viewer.say("text").await;
    assert!(viewer.rest().await.contains("textecho"));
}

#[tokio::test]
async fn an_answer_begins_before_its_request_has_ended_and_both_go_on_to_their_trailers() {
    let origin = Http2Origin::start(|mut asked: Asked| async move {
        assert_eq!(asked.piece().await.expect("comes").expect("is sound"), "abc");
        let mut stream = asked.head(200, &[("content-type", "application/grpc"), ("trailer", "grpc-status")]);
        stream.send_data(Bytes::from_static(b"ABC"), false).expect("is sent");
        let (body, trailers) = asked.rest().await;
        assert_eq!(
            (body.as_slice(), trailers.expect("are there").get("x-sum").expect("is there").as_bytes()),
            (&b"def"[..], &b"6"[..])
        );
        stream.send_data(Bytes::from_static(b"DEF"), false).expect("is sent");
        stream.send_trailers(status("0")).expect("are sent");
    })
    .await;
    let edge = Edge::start(origin.config()).await;
    let mut viewer = Http2::of(&edge).await;
    let fields = [("content-type", "application/grpc"), ("te", "trailers"), ("trailer", "x-sum")];
    let mut call = viewer.ask(Method::POST, "/service/method", &fields, false).await;
    call.send("abc", false);
    let mut body = call.answer().await.into_body();
    assert_eq!(piece(&mut body).await.expect("comes").expect("is sound"), "ABC");
    call.send("def", false);
    let sum = HeaderMap::from_iter([(HeaderName::from_static("x-sum"), HeaderValue::from_static("6"))]);
    call.sending.send_trailers(sum).expect("are taken");
    let (rest, trailers) = rest(body).await.expect("is whole");
    assert_eq!((rest.as_str(), trailers), ("DEF", Some(status("0"))));
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_was_read_is_whole_though_its_stream_is_reset() {
    let origin = Http2Origin::start(|mut asked: Asked| async move {
        if asked.path() == "/other" {
            return asked.answer(200, &[], "the truth");
        }
        let mut stream = asked.head(413, &[("content-length", "5")]);
        stream.send_data(Bytes::from_static(b"large"), true).expect("is sent");
        // RFC 9113 §8.1: what is dropped here is reset with NO_ERROR.
    })
    .await;
    let edge = Edge::start(origin.config()).await;
    let body = Full::from("x".repeat(8 << 20)).map_err(|never| match never {}).boxed();
    let reply = edge.send(with_body(Method::POST, "/a", body)).await;
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "large"));
    assert_eq!(edge.get("/other").await.body, "the truth");
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn what_no_viewer_reads_any_more_is_reset_and_its_connection_goes_on() {
    let over = Door::closed();
    let ends = over.clone();
    let origin = Http2Origin::start(move |mut asked: Asked| {
        let over = ends.clone();
        async move {
            if asked.path() == "/other" {
                return asked.answer(200, &[], "the truth");
            }
            let mut stream = asked.head(200, &[]);
            assert!(send(&mut stream, Bytes::from(vec![b'x'; 64 << 20])).await.is_err(), "is never taken");
            if asked.reset().await == Reason::CANCEL {
                over.open();
            }
        }
    })
    .await;
    let edge = Edge::start(origin.config()).await;
    let mut viewer = Http2::of(&edge).await;
    let mut body = viewer.ask(Method::POST, "/a", &[], true).await.answer().await.into_body();
    piece(&mut body).await.expect("comes").expect("is sound");
    drop(body);
    tokio::time::timeout(crate::edge::PATIENCE, over.pass()).await.expect("the stream is reset");
    assert_eq!(edge.get("/other").await.body, "the truth");
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn a_body_that_is_shorter_than_it_was_to_be_over_http2_is_never_stored() {
    let origin = Http2Origin::start(|mut asked: Asked| async move {
        let mut stream = asked.head(200, &[("cache-control", "max-age=60"), ("content-length", "5")]);
        stream.send_data(Bytes::from_static(b"four"), true).expect("is sent");
    })
    .await;
    let edge = Edge::start(origin.config()).await;
    for _ in 0..2 {
        let cut = edge.open(crate::edge::request(Method::GET, "/cut")).await;
        // Cut off, or an error where nothing of it was sent on yet.
        assert!(!crate::edge::read(cut).await.is_ok_and(|reply| reply.status == StatusCode::OK));
    }
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn an_origin_that_speaks_no_http2_is_a_bad_gateway_that_says_so() {
    let origin = Origin::numbered("").await;
    let mut config = h2c(origin.address);
    config.sites[0].origins[0].attempts = 1;
    let edge = Edge::start(config).await;
    let reply = edge.get("/a").await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    assert_eq!(reply.cache_status(), "kubefront; fwd=uri-miss; detail=origin-not-http");
}
