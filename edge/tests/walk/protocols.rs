//! What viewers may speak, and what is refused before anything is looked up.

use bytes::Bytes;
use edge_contract::{Methods, Protocol};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::edge::{Edge, config, request};
use crate::origin::{Origin, Then};

/// A request over HTTP/2 with prior knowledge.
pub(crate) async fn over_http2(edge: &Edge, target: &str) -> Response<Incoming> {
    let stream = TcpStream::connect(edge.running.viewers).await.expect("accepts");
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("speaks HTTP/2");
    tokio::spawn(connection);
    let uri = format!("http://shop.test{target}");
    let request = Request::get(uri).body(Empty::<Bytes>::new()).expect("is one");
    sender.send_request(request).await.expect("there is a response")
}

#[tokio::test]
async fn http2_with_prior_knowledge_shares_the_port_and_the_store() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let miss = over_http2(&edge, "/a").await;
    assert_eq!((miss.status(), miss.version()), (StatusCode::OK, http::Version::HTTP_2));
    assert_eq!(miss.into_body().collect().await.expect("is whole").to_bytes(), "read 1");
    assert_eq!(edge.get("/a").await.body, "read 1");
}

#[tokio::test]
async fn many_streams_of_one_connection_are_served_at_once() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let stream = TcpStream::connect(edge.running.viewers).await.expect("accepts");
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    let streams = (0..100).map(|n| {
        let mut sender = sender.clone();
        async move {
            let uri = format!("http://shop.test/{n}");
            let request = Request::get(uri).body(Empty::<Bytes>::new()).expect("is one");
            sender.send_request(request).await.expect("there is a response").status()
        }
    });
    assert!(futures::future::join_all(streams).await.into_iter().all(|status| status == StatusCode::OK));
    assert_eq!(origin.reads(), 100);
}

#[tokio::test]
async fn a_protocol_that_is_not_allowed_is_not_spoken() {
    let origin = Origin::numbered("").await;
    let mut only_2 = config(origin.address);
    only_2.sites[0].protocols = vec![Protocol::HTTP2];
    let edge = Edge::start(only_2).await;
    assert_eq!(edge.raw("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await, "");
    assert_eq!(over_http2(&edge, "/a").await.status(), StatusCode::OK);
    let mut only_1 = config(origin.address);
    only_1.sites[0].protocols = vec![Protocol::HTTP1];
    let edge = Edge::start(only_1).await;
    assert_eq!(edge.raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, "");
    assert_eq!(edge.get("/a").await.status, StatusCode::OK);
}

#[tokio::test]
async fn nothing_that_a_body_holds_ends_the_watch_over_the_next_head() {
    for body in
        ["content-length: 1\r\ncontent-length: 1\r\n\r\nx", "transfer-encoding: chunked\r\n\r\n0\r\nx: y\nz: w\r\n\r\n"]
    {
        let origin = Origin::start(|_, mut exchange| async move {
            exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            Then::Close
        })
        .await;
        let edge = Edge::start(config(origin.address)).await;
        edge.raw(&format!("POST /a HTTP/1.1\r\nhost: a\r\n{body}GET /b HTTP/1.1\nhost: a\nconnection: close\n\n"))
            .await;
        assert!((1..=origin.reads()).all(|read| origin.seen(read).target != "/b"), "{body:?}");
    }
}

#[tokio::test]
async fn http_1_0_without_a_host_is_served_where_any_host_is() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let answer = edge.raw("GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("read 1"), "{answer}");
}

#[tokio::test]
async fn a_host_that_nobody_has_is_misdirected() {
    let origin = Origin::numbered("").await;
    let mut config = config(origin.address);
    config.sites[0].aliases = vec!["*.shop.test".into()];
    let edge = Edge::start(config).await;
    let answer = edge.raw("GET / HTTP/1.1\r\nhost: other.test\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
    let answer = edge.raw("GET / HTTP/1.1\r\nhost: A.Shop.Test.:8080\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn methods_that_a_behavior_does_not_let_through_are_refused_with_those_it_does() {
    let origin = Origin::numbered("").await;
    let mut config = config(origin.address);
    config.sites[0].behaviors[0].methods = Methods::ReadOnly;
    let edge = Edge::start(config).await;
    let purge = Method::from_bytes(b"PURGE").expect("a token");
    for method in [Method::POST, Method::OPTIONS, purge] {
        let reply = edge.send(request(method, "/a")).await;
        assert_eq!((reply.status, reply.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, Some("GET, HEAD")));
    }
    assert_eq!(origin.reads(), 0);
}

#[tokio::test]
async fn a_request_that_has_been_here_is_a_loop() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let mut looping = request(Method::GET, "/a");
    looping.headers_mut().insert("cdn-loop", "other, uid-of-shop".parse().expect("a value"));
    assert_eq!(edge.send(looping).await.status, StatusCode::LOOP_DETECTED);
}

#[tokio::test]
async fn a_distribution_that_is_switched_off_answers_nothing_and_fills_nothing() {
    let origin = Origin::numbered("").await;
    let mut config = config(origin.address);
    config.sites[0].enabled = false;
    let edge = Edge::start(config).await;
    assert_eq!(edge.get("/a").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(origin.reads(), 0);
}
