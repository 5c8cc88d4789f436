//! Bodies on their way through the edge: piece by piece, in both directions, and never more complete than they are.

use std::sync::Arc;

use bytes::Bytes;
use futures::channel::mpsc;
use futures::{SinkExt, StreamExt};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use crate::edge::{Edge, config, open, piece, read, request, until, with_body};
use crate::origin::{Door, Origin, Then};

/// A body that a test sends piece by piece.
fn pieces() -> (mpsc::Sender<&'static str>, http_body_util::combinators::BoxBody<Bytes, hyper::Error>) {
    let (sender, receiver) = mpsc::channel::<&'static str>(0);
    let frames = receiver.map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
    (sender, BodyExt::boxed(StreamBody::new(frames)))
}

#[tokio::test]
async fn an_upload_reaches_the_origin_while_it_is_being_sent() {
    let (half, whole) = (Door::closed(), Door::closed());
    let origin = {
        let half = half.clone();
        Origin::start(move |_, mut exchange| {
            let half = half.clone();
            async move {
                assert_eq!((exchange.read_line().await.as_str(), exchange.read(7).await), ("5", b"first\r\n".to_vec()));
                half.open();
                assert_eq!(
                    (exchange.read_line().await.as_str(), exchange.read(8).await),
                    ("6", b"second\r\n".to_vec())
                );
                assert_eq!((exchange.read_line().await.as_str(), exchange.read_line().await.as_str()), ("0", ""));
                exchange.respond("200 OK", "", "both").await
            }
        })
        .await
    };
    let edge = Edge::start(config(origin.address)).await;
    let (mut send, body) = pieces();
    let answer = edge.send(with_body(Method::PUT, "/a", body));
    let (answer, ()) = tokio::join!(answer, async {
        send.send("first").await.expect("is taken");
        half.pass().await;
        send.send("second").await.expect("is taken");
        drop(send);
        whole.open();
    });
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "both"));
    assert_eq!(origin.seen(1).header("transfer-encoding"), Some("chunked"));
}

#[tokio::test]
async fn an_origin_that_is_still_being_sent_a_body_is_not_late_with_its_answer() {
    let origin = Origin::start(|_, mut exchange| async move {
        for _ in 0..6 {
            assert_eq!((exchange.read_line().await.as_str(), exchange.read(7).await), ("5", b"piece\r\n".to_vec()));
        }
        assert_eq!((exchange.read_line().await.as_str(), exchange.read_line().await.as_str()), ("0", ""));
        exchange.respond("200 OK", "", "all").await
    })
    .await;
    let mut config = config(origin.address);
    config.sites[0].origins[0].response_timeout_ms = 200;
    let edge = Edge::start(config).await;
    let (mut send, body) = pieces();
    let (answer, ()) = tokio::join!(edge.send(with_body(Method::PUT, "/a", body)), async {
        // What takes time here is the upload itself: three times as long as an answer may take.
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(100));
        for _ in 0..6 {
            pace.tick().await;
            send.send("piece").await.expect("is taken");
        }
        drop(send);
    });
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "all"));
}

#[tokio::test]
async fn an_answer_that_is_not_stored_reaches_the_viewer_while_it_is_being_sent() {
    let door = Door::closed();
    let origin = {
        let door = door.clone();
        Origin::start(move |_, mut exchange| {
            let door = door.clone();
            async move {
                exchange.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
                door.pass().await;
                exchange.write("3\r\ndef\r\n0\r\n\r\n").await;
                Then::KeepAlive(exchange)
            }
        })
        .await
    };
    let edge = Edge::start(config(origin.address)).await;
    let mut body = edge.open(request(Method::POST, "/a")).await.into_body();
    assert_eq!(piece(&mut body).await, "abc");
    door.open();
    assert_eq!(piece(&mut body).await, "def");
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_origin_that_promises_more_than_it_sends_is_never_stored_and_never_looks_complete() {
    for lie in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\nshort",
    ] {
        let origin = Origin::start(move |_, mut exchange| async move {
            exchange.write(lie).await;
            Then::Close
        })
        .await;
        let edge = Edge::start(config(origin.address)).await;
        for _ in 0..2 {
            let response = open(edge.running.viewers, request(Method::GET, "/a")).await.expect("has a head");
            read(response).await.expect_err("is not complete");
        }
        assert_eq!((edge.live().store().responses(), origin.reads()), (0, 2), "{lie:?}");
        until("nothing is held", || edge.live().store().held() == 0).await;
    }
}

#[tokio::test]
async fn an_origin_that_resets_in_the_middle_of_a_body_is_never_stored_and_never_looks_complete() {
    let door = Door::closed();
    let origin = {
        let door = door.clone();
        Origin::start(move |_, mut exchange| {
            let door = door.clone();
            async move {
                exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc").await;
                door.pass().await;
                exchange.reset()
            }
        })
        .await
    };
    let edge = Edge::start(config(origin.address)).await;
    let mut response = edge.open(request(Method::GET, "/a")).await;
    assert_eq!(piece(response.body_mut()).await, "abc");
    door.open();
    read(response).await.expect_err("is not complete");
    assert_eq!((edge.live().store().responses(), origin.reads()), (0, 1));
}

#[tokio::test]
async fn a_body_that_comes_slowly_but_comes_is_whole() {
    let origin = Origin::start(|_, mut exchange| async move {
        exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n").await;
        // What takes time here is the body itself: three times as long as it may stand still.
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(100));
        for letter in ["a", "b", "c", "d", "e", "f"] {
            pace.tick().await;
            exchange.write(letter).await;
        }
        Then::KeepAlive(exchange)
    })
    .await;
    let mut config = config(origin.address);
    config.sites[0].origins[0].response_timeout_ms = 200;
    let edge = Edge::start(config).await;
    assert_eq!(edge.get("/a").await.body, "abcdef");
    assert_eq!((edge.get("/a").await.body.as_str(), origin.reads()), ("abcdef", 1));
}

#[tokio::test]
async fn bytes_behind_the_promised_length_are_nobodys_and_end_the_connection() {
    let origin = Origin::start(|seen, mut exchange| async move {
        if seen.number == 1 {
            exchange
                .write(
                    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nexactHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
                )
                .await;
            exchange.closed().await;
            return Then::Close;
        }
        exchange.respond("200 OK", "", "good").await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    assert_eq!(edge.get("/a").await.body, "exact");
    assert_eq!(edge.get("/b").await.body, "good");
    assert_eq!(origin.seen(2).connection, 2);
    assert_eq!(edge.get("/a").await.body, "exact");
}

#[tokio::test]
async fn a_body_where_there_is_none_is_nobodys_and_ends_the_connection() {
    for (method, head) in [
        (Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 42"),
        (Method::POST, "HTTP/1.1 204 No Content"),
        (Method::POST, "HTTP/1.1 304 Not Modified\r\ncontent-length: 42"),
    ] {
        let origin = Origin::start(move |seen, mut exchange| async move {
            if seen.number == 1 {
                exchange.write(format!("{head}\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")).await;
                exchange.closed().await;
                return Then::Close;
            }
            exchange.respond("200 OK", "", "good").await
        })
        .await;
        let edge = Edge::start(config(origin.address)).await;
        assert_eq!(edge.send(request(method, "/a")).await.body, "", "{head}");
        assert_eq!(edge.get("/b").await.body, "good", "{head}");
        assert_eq!(origin.seen(2).connection, 2, "{head}");
    }
}

#[tokio::test]
async fn a_body_that_ends_with_its_connection_is_whole() {
    let origin = Origin::start(|_, mut exchange| async move {
        exchange.write("HTTP/1.1 200 OK\r\n\r\nuntil the end").await;
        Then::Close
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    assert_eq!(edge.get("/a").await.body, "until the end");
    assert_eq!(edge.get("/a").await.header("content-length"), Some("13"));
}

#[tokio::test]
async fn an_answer_with_two_ideas_of_its_end_is_refused() {
    let origin = Origin::start(|_, mut exchange| async move {
        exchange
            .write("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            .await;
        Then::KeepAlive(exchange)
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let reply = edge.get("/a").await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{reply:?}");
}

#[tokio::test]
async fn a_switch_of_protocols_that_nobody_asked_for_is_refused() {
    let origin = Origin::start(|_, mut exchange| async move {
        exchange.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n").await;
        Then::Close
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    for method in [Method::GET, Method::POST] {
        let answer = edge.raw(&format!("{method} /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    }
}

#[tokio::test]
async fn a_status_without_content_has_no_length() {
    for (head, status) in [
        ("204 No Content\r\ncontent-length: 5", "204"),
        ("304 Not Modified\r\ncontent-length: 5\r\netag: \"v\"", "304"),
    ] {
        let origin = Origin::start(move |_, mut exchange| async move {
            exchange.write(format!("HTTP/1.1 {head}\r\n\r\n")).await;
            Then::KeepAlive(exchange)
        })
        .await;
        let edge = Edge::start(config(origin.address)).await;
        // GET is stored where it can be; OPTIONS passes.
        for method in ["GET", "GET", "OPTIONS"] {
            let asked = format!("{method} /a HTTP/1.1\r\nhost: a\r\nif-none-match: \"v\"\r\nconnection: close\r\n\r\n");
            let answer = edge.raw(&asked).await.to_ascii_lowercase();
            if method == "OPTIONS" || status == "204" {
                assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{method}: {answer}");
                assert!(!answer.contains("content-length"), "{method}: {answer}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_reaches_the_origin_whatever_the_method() {
    for method in ["GET", "DELETE", "POST"] {
        let origin = Origin::start(|seen, mut exchange| async move {
            let framing = seen.header("transfer-encoding").map(ToOwned::to_owned);
            let chunk = if framing.is_some() {
                (exchange.read_line().await, exchange.read(7).await)
            } else {
                Default::default()
            };
            let said = format!("{framing:?} {} {}", chunk.0, String::from_utf8_lossy(&chunk.1).trim_end());
            exchange.respond("200 OK", "connection: close\r\n", &said).await;
            Then::Close
        })
        .await;
        let mut uncached = config(origin.address);
        uncached.sites[0].behaviors[0].ttl =
            edge_contract::Ttl { min: 0, default: 0, max: 0, ..edge_contract::Ttl::default() };
        let edge = Edge::start(uncached).await;
        let head =
            format!("{method} /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n");
        let answer = edge.raw(&format!("{head}5\r\nhello\r\n0\r\n\r\n")).await;
        assert!(answer.ends_with("Some(\"chunked\") 5 hello"), "{method}: {answer}");
    }
}

#[tokio::test]
async fn a_large_upload_comes_back_as_it_was() {
    const SIZE: usize = 3_000_000;
    let origin = Origin::start(|_, mut exchange| async move {
        let body = exchange.read(SIZE).await;
        exchange.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n")).await;
        exchange.write(body).await;
        Then::KeepAlive(exchange)
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let sent: String = (0..SIZE).map(|n| char::from(b'a' + u8::try_from(n % 26).expect("is small"))).collect();
    let body = http_body_util::Full::from(sent.clone()).map_err(|never| match never {}).boxed();
    let reply = edge.send(with_body(Method::POST, "/a", body)).await;
    assert!(reply.body == sent);
}

#[tokio::test]
async fn trailers_reach_the_viewer_from_the_fill_and_from_the_store() {
    let origin = Origin::start(|_, mut exchange| async move {
        exchange.write("HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n").await;
        Then::KeepAlive(exchange)
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    for _ in 0..2 {
        // HTTP/2 has room for trailers whatever the length says.
        let body = crate::protocols::over_http2(&edge, "/a").await.into_body();
        let collected = body.collect().await.expect("is whole");
        let sum = collected.trailers().and_then(|trailers| trailers.get("x-sum").cloned());
        assert_eq!(
            (sum.as_ref().map(http::HeaderValue::as_bytes), collected.to_bytes()),
            (Some(&b"6"[..]), "abc".into())
        );
    }
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn a_viewer_that_leaves_in_the_middle_of_its_upload_ends_the_origins_request_too() {
    let (origin, gone) = Origin::left(|mut exchange| async move {
        exchange.read_line().await;
        exchange
    })
    .await;
    let edge = Arc::new(Edge::start(config(origin.address)).await);
    let (mut send, body) = pieces();
    let sending = tokio::spawn({
        let edge = Arc::clone(&edge);
        async move { open(edge.running.viewers, with_body(Method::PUT, "/a", body)).await.map(drop) }
    });
    send.send("first").await.expect("is taken");
    origin.read_times(1).await;
    sending.abort();
    drop(send);
    tokio::time::timeout(crate::edge::PATIENCE, gone.pass()).await.expect("the origin hears of it");
}
