//! What comes behind a body, in both directions and between both protocols.

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::edge::{Edge, config};
use crate::fleet::{Fleet, shielded};
use crate::origin::{Origin, Then};

const SUMMED: &str = "HTTP/1.1 200 OK\r\ntrailer: x-sum, set-cookie, connection\r\ntransfer-encoding: chunked\r\n\r\n\
    3\r\nabc\r\n0\r\nx-sum: 6\r\nset-cookie: a=b\r\nconnection: x\r\n\r\n";

async fn summing() -> Origin {
    Origin::start(|_, mut exchange| async move {
        exchange.write(SUMMED).await;
        Then::KeepAlive(exchange)
    })
    .await
}

/// Says what stands behind the chunk of a request.
async fn listening() -> Origin {
    Origin::start(|_, mut exchange| async move {
        let mut said = String::new();
        while !said.ends_with("\n\n") {
            said += &exchange.read_line().await;
            said += "\n";
        }
        exchange.respond("200 OK", "", &said).await
    })
    .await
}

#[tokio::test]
async fn the_trailers_of_an_answer_reach_a_viewer_of_http_1_that_takes_them() {
    let origin = summing().await;
    let edge = Edge::start(config(origin.address)).await;
    for (method, te, ending) in [
        ("POST", "te: trailers\r\n", "3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n"),
        ("POST", "", "3\r\nabc\r\n0\r\n\r\n"),
        ("GET", "te: trailers\r\n", "3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n"),
    ] {
        let asks = format!("{method} /a HTTP/1.1\r\nhost: a\r\n{te}connection: close\r\n\r\n");
        let answer = edge.raw(&asks).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(ending), "{answer}");
    }
    // What is stored has a length, and no room behind it.
    let answer = edge.raw("GET /a HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("\r\ncontent-length: 3\r\n") && answer.ends_with("\r\n\r\nabc"), "{answer}");
    assert_eq!(origin.reads(), 3);
}

#[tokio::test]
async fn the_trailers_of_an_answer_that_are_fit_reach_a_viewer_of_http_2() {
    let origin = summing().await;
    let edge = Edge::start(config(origin.address)).await;
    for _ in 0..2 {
        let collected = crate::protocols::over_http2(&edge, "/a").await.into_body().collect().await.expect("is whole");
        let expect = HeaderMap::from_iter([("x-sum".parse().expect("a name"), "6".parse().expect("a value"))]);
        assert_eq!(collected.trailers(), Some(&expect));
    }
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn the_trailers_of_a_request_reach_the_origin_without_those_that_are_not_fit() {
    let origin = listening().await;
    let edge = Edge::start(config(origin.address)).await;
    let head = "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-sum, host\r\nconnection: close\r\n\r\n";
    let answer = edge.raw(&format!("{head}3\r\nabc\r\n0\r\nx-sum: 6\r\nhost: b\r\n\r\n")).await;
    assert!(answer.ends_with("3\nabc\n0\nx-sum: 6\n\n"), "{answer}");
    let answer = edge.raw(&format!("{head}3\r\nabc\r\n0\r\nhost: b\r\n\r\n")).await;
    assert!(answer.ends_with("3\nabc\n0\n\n"), "{answer}");
}

#[tokio::test]
async fn the_trailers_of_a_request_over_http_2_reach_an_origin_of_http_1() {
    let origin = listening().await;
    let edge = Edge::start(config(origin.address)).await;
    let stream = TcpStream::connect(edge.running.viewers).await.expect("accepts");
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("speaks HTTP/2");
    tokio::spawn(connection);
    let trailers = HeaderMap::from_iter([("x-sum".parse().expect("a name"), "6".parse().expect("a value"))]);
    let frames = [Frame::data(Bytes::from_static(b"abc")), Frame::trailers(trailers)].map(Ok::<_, hyper::Error>);
    let body = StreamBody::new(futures::stream::iter(frames));
    let request = Request::post("http://shop.test/a").header("trailer", "x-sum").body(body).expect("is one");
    let response = sender.send_request(request).await.expect("answers");
    let said = response.into_body().collect().await.expect("is whole").to_bytes();
    assert_eq!(said, "3\nabc\n0\nx-sum: 6\n\n");
}

#[tokio::test]
async fn the_trailers_of_an_answer_pass_an_edge_before_the_origin_while_it_arrives() {
    let origin = summing().await;
    let fleet = Fleet::start(1, 2, &shielded(origin.address)).await;
    for (n, method) in ["POST", "GET"].into_iter().enumerate() {
        let asks = format!("{method} /{n} HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: close\r\n\r\n");
        let answer = fleet.far(0).raw(&asks).await;
        assert!(answer.contains("detail=shield") && answer.ends_with("3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n"), "{answer}");
    }
    // What that edge has stored has a length when it hands it on, and no room behind it (RFC 9110 §6.5.1).
    let answer = fleet.far(1).raw("GET /1 HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("detail=shield") && answer.ends_with("\r\n\r\nabc"), "{answer}");
    assert_eq!(origin.reads(), 2);
}

#[tokio::test]
async fn the_trailers_of_a_request_pass_an_edge_before_the_origin() {
    let origin = listening().await;
    let fleet = Fleet::start(1, 1, &shielded(origin.address)).await;
    let head = "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-sum, host\r\nconnection: close\r\n\r\n";
    let answer = fleet.far(0).raw(&format!("{head}3\r\nabc\r\n0\r\nx-sum: 6\r\nhost: b\r\n\r\n")).await;
    assert!(answer.contains("detail=shield") && answer.ends_with("3\nabc\n0\nx-sum: 6\n\n"), "{answer}");
}
