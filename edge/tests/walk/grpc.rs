//! Calls of gRPC, from viewers of HTTP/2 to origins that speak it without TLS: both directions at once, and how a call ends.

use std::future::poll_fn;
use std::net::SocketAddr;

use bytes::Bytes;
use edge_contract::{EdgeConfig, OriginTarget, Scheme};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::edge::{Edge, PATIENCE, config};
use crate::streams::{Exchange, Http2, piece, rest};

const CALL: [(&str, &str); 4] =
    [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "10S"), ("x-metadata", "a")];

/// An origin that is called, and answers each call by a script.
async fn called<F, A>(script: F) -> EdgeConfig
where
    F: Fn(Request<RecvStream>, SendResponse<Bytes>) -> A + Send + Sync + Copy + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(script(request, respond));
                }
            });
        }
    });
    h2c(address)
}

fn h2c(address: SocketAddr) -> EdgeConfig {
    let mut config = config(address);
    let (host, port) = (address.ip().to_string(), address.port());
    config.sites[0].origins[0].target = Some(OriginTarget::Address { scheme: Scheme::H2c, host, port });
    config
}

fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
}

fn text(bytes: &str) -> Bytes {
    Bytes::copy_from_slice(bytes.as_bytes())
}

async fn call(viewer: &mut Http2) -> Exchange {
    viewer.ask(Method::POST, "/shop.Cart/Watch", &CALL, false).await
}

/// Answers each piece of the call with itself, and its trailers with a status.
async fn echo(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let (head, mut body) = request.into_parts();
    for (name, value) in CALL {
        assert_eq!(head.headers.get(name).map(http::HeaderValue::as_bytes), Some(value.as_bytes()), "{name}");
    }
    let mut stream = respond.send_response(Response::new(()), false).expect("is sent");
    while let Some(Ok(message)) = body.data().await {
        body.flow_control().release_capacity(message.len()).expect("was taken");
        stream.send_data(message, false).expect("is sent");
    }
    let sent = body.trailers().await.expect("is whole").unwrap_or_default();
    let status = if sent.contains_key("x-sum") { "0" } else { "3" };
    stream.send_trailers(fields(&[("grpc-status", status), ("grpc-message", "done")])).expect("is sent");
}

#[tokio::test]
async fn both_sides_of_a_call_stream_at_once_and_end_with_their_trailers() {
    let edge = Edge::start(called(echo).await).await;
    let mut viewer = Http2::of(&edge).await;
    let mut call = call(&mut viewer).await;
    let answer = call.answer().await;
    assert_eq!(answer.status(), StatusCode::OK, "before anything of the call was sent");
    let mut body = answer.into_body();
    for message in ["a", "bc", "def"] {
        call.send(message, false);
        assert_eq!(piece(&mut body).await.expect("comes").expect("is whole"), message);
    }
    call.sending.send_trailers(fields(&[("x-sum", "6")])).expect("is taken");
    let (left, trailers) = rest(body).await.expect("is whole");
    assert_eq!((left.as_str(), trailers), ("", Some(fields(&[("grpc-status", "0"), ("grpc-message", "done")]))));
}

#[tokio::test]
async fn an_answer_of_trailers_alone_is_one() {
    let edge = Edge::start(
        called(|_, mut respond| async move {
            let mut refusal = Response::new(());
            *refusal.headers_mut() = fields(&[("content-type", "application/grpc"), ("grpc-status", "5")]);
            respond.send_response(refusal, true).expect("is sent");
        })
        .await,
    )
    .await;
    let mut viewer = Http2::of(&edge).await;
    let mut call = call(&mut viewer).await;
    call.send("a", true);
    let answer = call.answer().await;
    assert_eq!((answer.status(), &answer.headers()["grpc-status"]), (StatusCode::OK, &"5".parse().expect("a value")));
    assert!(answer.body().is_end_stream() && !answer.headers().contains_key("content-length"));
}

#[tokio::test]
async fn a_call_that_its_viewer_gives_up_is_given_up_at_the_origin() {
    let (told, mut hears) = mpsc::unbounded_channel();
    let told: &'static _ = Box::leak(Box::new(told));
    let waits = move |request: Request<RecvStream>, mut respond: SendResponse<Bytes>| async move {
        let _body = request.into_body();
        let mut stream = respond.send_response(Response::new(()), false).expect("is sent");
        stream.send_data(text("a"), false).expect("is sent");
        let _ = poll_fn(|cx| stream.poll_reset(cx)).await;
        told.send(()).expect("is heard");
    };
    let edge = Edge::start(called(waits).await).await;
    let mut viewer = Http2::of(&edge).await;
    let mut call = call(&mut viewer).await;
    let mut body = call.answer().await.into_body();
    assert_eq!(piece(&mut body).await.expect("comes").expect("is whole"), "a");
    call.sending.send_reset(Reason::CANCEL);
    // Of its stream or, where that is all that is on it, of its connection.
    tokio::time::timeout(PATIENCE, hears.recv()).await.expect("in time").expect("is told");
}

#[tokio::test]
async fn a_call_that_the_origin_breaks_off_never_looks_complete() {
    let breaks = |_, mut respond: SendResponse<Bytes>| async move {
        let mut stream = respond.send_response(Response::new(()), false).expect("is sent");
        stream.send_data(text("a"), false).expect("is sent");
        stream.send_reset(Reason::INTERNAL_ERROR);
    };
    let edge = Edge::start(called(breaks).await).await;
    let mut viewer = Http2::of(&edge).await;
    let mut call = call(&mut viewer).await;
    call.send("a", true);
    let answer = tokio::time::timeout(PATIENCE, &mut call.response).await.expect("comes");
    // What came may be lost with the stream it came on, but the end is never a good one.
    let is_broken = match answer {
        Ok(answer) if answer.status() == StatusCode::OK => rest(answer.into_body()).await.is_err(),
        Ok(answer) => answer.status() == StatusCode::BAD_GATEWAY,
        Err(_) => true,
    };
    assert!(is_broken);
}
