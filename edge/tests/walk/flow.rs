//! Bodies on the streams of HTTP/2, in both directions: who waits for whom, and what ends a stream and no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::future::poll_fn;
use h2::Reason;
use http::{HeaderMap, Method, StatusCode};

use crate::edge::{Edge, config, until};
use crate::origin::{Door, Origin, Then};
use crate::streams::{Http2, WINDOW, piece, rest};

/// More than the buffers of two sockets and an edge hold, and less than takes time.
const MUCH: usize = 64 << 20;
const BOUND: usize = 24 << 20;

#[tokio::test(start_paused = true)]
async fn of_what_a_viewer_does_not_take_an_edge_holds_little() {
    let (written, over) = (Arc::new(AtomicUsize::new(0)), Door::closed());
    let origin = {
        let (written, over) = (Arc::clone(&written), over.clone());
        Origin::start(move |_, mut exchange| {
            let (written, over) = (Arc::clone(&written), over.clone());
            async move {
                exchange.write("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
                let piece = vec![b'x'; 64 * 1024];
                while written.load(Ordering::Relaxed) < MUCH && exchange.write(&piece).await {
                    written.fetch_add(piece.len(), Ordering::Relaxed);
                }
                over.open();
                Then::Close
            }
        })
        .await
    };
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Http2::of(&edge).await;
    let mut body = viewer.ask(Method::POST, "/", &[], true).await.answer().await.into_body();
    let mut heard = 0;
    while heard < WINDOW as usize {
        heard += body.data().await.expect("comes").expect("is whole").len();
    }
    // Nothing more comes, for none of it was said to be taken: the origin is cut off with the viewer.
    while !over.is_open() {
        edge.skip(1);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    assert_eq!(heard, WINDOW as usize);
    assert!(written.load(Ordering::Relaxed) < BOUND, "{} bytes", written.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn of_what_an_origin_does_not_take_a_viewer_sends_little() {
    let origin = Origin::start(|seen, exchange| async move {
        if seen.target == "/soon" {
            return exchange.respond("200 OK", "", "").await;
        }
        std::future::pending().await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Http2::of(&edge).await;
    let mut upload = viewer.ask(Method::POST, "/", &[], false).await;
    let mut sent = 0;
    let answer = loop {
        upload.sending.reserve_capacity(64 * 1024);
        tokio::select! {
            answer = &mut upload.response => break answer.expect("is an answer"),
            room = poll_fn(|cx| upload.sending.poll_capacity(cx)) => {
                // The edge wants no more of it.
                let Some(Ok(room)) = room else { break (&mut upload.response).await.expect("is an answer") };
                upload.sending.send_data(Bytes::from(vec![b'x'; room]), sent > MUCH).expect("is taken");
                sent += room;
            }
        }
    };
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(sent < BOUND, "{sent} bytes");
    // RFC 9113 §8.1: the edge has answered, and asks for no more.
    let reset = poll_fn(|cx| upload.sending.poll_reset(cx)).await.expect("is said");
    assert_eq!(reset, h2::Reason::NO_ERROR);
    // What nobody read did not use up the connection's window.
    let mut next = viewer.ask(Method::POST, "/soon", &[("content-length", "4")], false).await;
    next.send("text", true);
    assert_eq!(next.answer().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_large_body_goes_both_ways_as_it_was() {
    const SIZE: usize = 3_000_000;
    let origin = Origin::start(|_, mut exchange| async move {
        let body = exchange.read(SIZE).await;
        exchange.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n")).await;
        exchange.write(body).await;
        Then::KeepAlive(exchange)
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Http2::of(&edge).await;
    let text: String = (0..SIZE).map(|n| char::from(b'a' + u8::try_from(n % 26).expect("is small"))).collect();
    let mut exchange = viewer.ask(Method::POST, "/a", &[("content-length", "3000000")], false).await;
    let mut unsent = Bytes::from(text.clone());
    while !unsent.is_empty() {
        exchange.sending.reserve_capacity(unsent.len());
        let room = poll_fn(|cx| exchange.sending.poll_capacity(cx)).await.expect("is open").expect("is sound");
        let piece = unsent.split_to(room.min(unsent.len()));
        exchange.sending.send_data(piece, unsent.is_empty()).expect("is taken");
    }
    let (answer, _) = rest(exchange.answer().await.into_body()).await.expect("is whole");
    assert!(answer == text);
}

#[tokio::test]
async fn an_answer_begins_before_its_request_has_ended_and_both_go_on() {
    let origin = Origin::start(|_, mut exchange| async move {
        assert_eq!((exchange.read_line().await.as_str(), exchange.read(5).await), ("3", b"abc\r\n".to_vec()));
        exchange
            .write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: grpc-status\r\n\r\n3\r\nABC\r\n")
            .await;
        assert_eq!((exchange.read_line().await.as_str(), exchange.read(5).await), ("3", b"def\r\n".to_vec()));
        exchange.write("3\r\nDEF\r\n").await;
        assert_eq!((exchange.read_line().await.as_str(), exchange.read_line().await.as_str()), ("0", "x-sum: 6"));
        assert_eq!(exchange.read_line().await, "");
        exchange.write("0\r\ngrpc-status: 0\r\n\r\n").await;
        Then::KeepAlive(exchange)
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Http2::of(&edge).await;
    let fields = [("content-type", "application/grpc"), ("te", "trailers"), ("trailer", "x-sum")];
    let mut call = viewer.ask(Method::POST, "/service/method", &fields, false).await;
    call.send("abc", false);
    let mut body = call.answer().await.into_body();
    assert_eq!(piece(&mut body).await.expect("comes").expect("is whole"), "ABC");
    call.send("def", false);
    assert_eq!(piece(&mut body).await.expect("comes").expect("is whole"), "DEF");
    let sum = HeaderMap::from_iter([("x-sum".parse().expect("a name"), "6".parse().expect("a value"))]);
    call.sending.send_trailers(sum).expect("is taken");
    let (text, trailers) = rest(body).await.expect("is whole");
    let status = trailers.as_ref().and_then(|fields| fields.get("grpc-status")).map(http::HeaderValue::as_bytes);
    assert_eq!((text.as_str(), status), ("", Some(&b"0"[..])));
}

#[tokio::test]
async fn a_body_that_breaks_off_resets_its_stream_and_no_other() {
    for (method, lie) in [
        (Method::GET, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort"),
        (Method::POST, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n"),
    ] {
        let door = Door::closed();
        let origin = {
            let door = door.clone();
            Origin::start(move |seen, mut exchange| {
                let door = door.clone();
                async move {
                    if seen.target == "/whole" {
                        return exchange.respond("200 OK", "", "").await;
                    }
                    exchange.write(lie).await;
                    door.pass().await;
                    Then::Close
                }
            })
            .await
        };
        let edge = Edge::start(config(origin.address)).await;
        let mut viewer = Http2::of(&edge).await;
        let mut body = viewer.ask(method, "/a", &[], true).await.answer().await.into_body();
        assert_eq!(piece(&mut body).await.expect("comes").expect("is sound"), "short");
        door.open();
        let error = rest(body).await.expect_err("is not complete");
        assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR), "{lie:?}");
        assert!(viewer.serves("/whole").await);
    }
}

#[tokio::test]
async fn a_viewer_that_resets_a_stream_ends_what_was_done_for_it_and_for_no_other() {
    let (gone, late) = (Arc::new(AtomicUsize::new(0)), Door::closed());
    let origin = {
        let (gone, late) = (Arc::clone(&gone), late.clone());
        Origin::start(move |seen, mut exchange| {
            let (gone, late) = (Arc::clone(&gone), late.clone());
            async move {
                if seen.target == "/late" {
                    late.pass().await;
                    return exchange.respond("200 OK", "", "late").await;
                }
                // What was given up never looks complete.
                assert_eq!(exchange.rest().await, b"");
                gone.fetch_add(1, Ordering::Relaxed);
                Then::Close
            }
        })
        .await
    };
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Http2::of(&edge).await;
    let mut other = viewer.ask(Method::GET, "/late", &[], true).await;
    origin.read_times(1).await;
    let stops = [(Method::OPTIONS, true, Reason::CANCEL), (Method::PUT, false, Reason::NO_ERROR)];
    for (number, (method, ends, reason)) in (1..).zip(stops) {
        let mut given_up = viewer.ask(method, "/a", &[], ends).await;
        origin.read_times(number + 1).await;
        given_up.sending.send_reset(reason);
        until("the origin hears of it", || gone.load(Ordering::Relaxed) == number).await;
    }
    late.open();
    assert_eq!(rest(other.answer().await.into_body()).await.expect("is whole").0, "late");
}

#[tokio::test]
async fn where_there_is_no_content_none_is_sent() {
    let origin = Origin::start(|seen, mut exchange| async move {
        let head = match seen.target.as_str() {
            "/none" => "HTTP/1.1 204 No Content\r\n\r\n",
            _ if seen.method == "HEAD" => "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\netag: \"v\"\r\ncontent-length: 4\r\n\r\ntext",
        };
        exchange.write(head).await;
        Then::KeepAlive(exchange)
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Http2::of(&edge).await;
    for (method, path, fields, status, length) in [
        (Method::HEAD, "/a", &[][..], 200, Some("4")),
        (Method::GET, "/none", &[], 204, None),
        (Method::GET, "/a", &[("if-none-match", "\"v\"")], 304, None),
        // The edge's own words have a length and are not sent either.
        (Method::HEAD, "/../a", &[], 400, Some("33")),
    ] {
        let answer = viewer.ask(method.clone(), path, fields, true).await.answer().await;
        let said = answer.headers().get("content-length").map(|length| length.to_str().expect("is text"));
        assert_eq!((answer.status().as_u16(), said), (status, length), "{method} {path}");
        assert!(answer.headers().contains_key("date"), "{method} {path}");
        assert!(answer.body().is_end_stream(), "{method} {path}");
    }
}
