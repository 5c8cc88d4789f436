//! Origins that speak HTTP/2 without TLS, as whoever configures them says (RFC 9113 §3.3).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use edge_contract::{EdgeConfig, OriginTarget, Scheme};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, request};
use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;
use tokio::net::TcpListener;

use crate::edge::{Edge, config, read, with_body};
use crate::origin::Origin;

/// What an origin was sent: head, body and trailers.
type Seen = Arc<Mutex<Vec<(request::Parts, Vec<u8>, Option<HeaderMap>)>>>;

/// An origin that echoes what it is sent, with trailers; of `/cut` it sends less than it says.
struct Echo {
    address: SocketAddr,
    seen: Seen,
    connections: Arc<AtomicUsize>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("is bound");
        let (seen, connections) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
        let echo = Self { address, seen: Arc::clone(&seen), connections: Arc::clone(&connections) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(answer(request, respond, Arc::clone(&seen)));
                    }
                });
            }
        });
        echo
    }

    fn config(&self) -> EdgeConfig {
        h2c(self.address)
    }
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, seen: Seen) {
    let (head, mut body) = request.into_parts();
    let mut content = Vec::new();
    while let Some(Ok(piece)) = body.data().await {
        let _ = body.flow_control().release_capacity(piece.len());
        content.extend_from_slice(&piece);
    }
    let trailers = body.trailers().await.ok().flatten();
    let is_cut = head.uri.path() == "/cut";
    seen.lock().push((head, content.clone(), trailers));
    let response =
        Response::builder().header("cache-control", "max-age=60").header("content-length", content.len() + 4);
    let Ok(mut stream) = respond.send_response(response.body(()).expect("is one"), false) else { return };
    content.extend_from_slice(b"echo");
    let _ = stream.send_data(Bytes::from(content).slice(usize::from(is_cut)..), is_cut);
    if is_cut {
        return;
    }
    let _ = stream.send_trailers(HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]));
}

fn h2c(address: SocketAddr) -> EdgeConfig {
    let mut config = config(address);
    let (host, port) = (address.ip().to_string(), address.port());
    config.sites[0].origins[0].target = Some(OriginTarget::Address { scheme: Scheme::H2c, host, port });
    config
}

#[tokio::test]
async fn an_origin_is_asked_over_http2_by_one_connection_that_is_kept() {
    let origin = Echo::start().await;
    let edge = Edge::start(origin.config()).await;
    for path in ["/a?x=1", "/b", "/b"] {
        let reply = edge.get(path).await;
        assert_eq!((reply.status, reply.body.as_str()), (StatusCode::OK, "echo"));
    }
    assert_eq!(origin.connections.load(Ordering::Relaxed), 1);
    let seen = origin.seen.lock();
    assert_eq!(seen.len(), 2, "the second /b came from the store");
    let (head, body, _) = &seen[0];
    assert_eq!(head.uri, "http://app.test/a?x=1");
    assert!(body.is_empty());
    // RFC 9113 §8.2.2
    for absent in ["host", "connection", "transfer-encoding", "keep-alive"] {
        assert!(!head.headers.contains_key(absent), "{absent}");
    }
    assert_eq!(head.headers.get("te").map(HeaderValue::as_bytes), Some(&b"trailers"[..]));
    assert!(head.headers.contains_key("via") && head.headers.contains_key("cdn-loop"));
}

#[tokio::test]
async fn what_a_viewer_sends_comes_to_an_origin_of_http2_whole() {
    let origin = Echo::start().await;
    let edge = Edge::start(origin.config()).await;
    let content = "x".repeat(700_000);
    let body = Full::from(content.clone()).map_err(|never| match never {}).boxed();
    let mut upload = with_body(Method::POST, "/a", body);
    upload.headers_mut().insert("expect", HeaderValue::from_static("100-continue"));
    let reply = edge.send(upload).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.body.len(), content.len() + 4);
    let seen = origin.seen.lock();
    assert_eq!((seen[0].0.method.as_str(), seen[0].1.len()), ("POST", content.len()));
    assert!(!seen[0].0.headers.contains_key("expect"));
}

#[tokio::test]
async fn a_body_that_is_shorter_than_it_was_to_be_over_http2_is_never_stored() {
    let origin = Echo::start().await;
    let edge = Edge::start(origin.config()).await;
    for _ in 0..2 {
        let cut = edge.open(crate::edge::request(Method::GET, "/cut")).await;
        // Cut off, or an error where nothing of it was sent on yet.
        assert!(!read(cut).await.is_ok_and(|reply| reply.status == StatusCode::OK), "it is not taken for whole");
    }
    assert_eq!(origin.seen.lock().len(), 2);
}

#[tokio::test]
async fn an_origin_that_speaks_no_http2_is_a_bad_gateway() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(h2c(origin.address)).await;
    assert_eq!(edge.get("/a").await.status, StatusCode::BAD_GATEWAY);
}
