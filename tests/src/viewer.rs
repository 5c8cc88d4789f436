//! One request into the response a viewer got: status, fields and body, over a connection of its own.
#![expect(clippy::missing_panics_doc, reason = "a test's means fail by panicking, and say why when they do")]

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// What a viewer got.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub fields: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Seen {
    /// A header field as text, empty if it is not there.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether the edge answered from its store (RFC 9211 §2.1).
    pub fn is_hit(&self) -> bool {
        self.field("cache-status").contains("; hit")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Nobody answered the connection.
    #[error("connect: {0}")]
    Connect(#[source] std::io::Error),
    /// The connection ended before the response did, or was no HTTP.
    #[error("exchange: {0}")]
    Exchange(#[from] hyper::Error),
    /// It took longer than a viewer waits.
    #[error("no response within 20 s")]
    Late(#[from] tokio::time::error::Elapsed),
}

/// GET over HTTP/1.1.
pub async fn get(address: SocketAddr, host: &str, path: &str) -> Result<Seen, Failed> {
    let request = Request::builder().method(Method::GET).uri(path).header("host", host).body(Full::default());
    ask(address, request.expect("the request is legal")).await
}

/// One request over an HTTP/1.1 connection of its own.
pub async fn ask(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<Seen, Failed> {
    let exchange = async {
        let stream = TcpStream::connect(address).await.map_err(Failed::Connect)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let seen = collect(sender.send_request(request).await?).await;
        connection.abort();
        seen
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), exchange).await?
}

/// GET over HTTP/2 with prior knowledge (RFC 9113 §3.3).
pub async fn get_h2(address: SocketAddr, authority: &str, path: &str) -> Result<Seen, Failed> {
    let stream = TcpStream::connect(address).await.map_err(Failed::Connect)?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::builder().uri(format!("http://{authority}{path}")).body(Full::<Bytes>::default());
    let seen = collect(sender.send_request(request.expect("the request is legal")).await?).await;
    connection.abort();
    seen
}

async fn collect(response: http::Response<hyper::body::Incoming>) -> Result<Seen, Failed> {
    let (head, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Seen { status: head.status, fields: head.headers, body })
}
