//! HTTP/2 stream by stream: a viewer that sees everything that comes on each of them, and says when it takes and gives bytes.

use std::future::poll_fn;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::edge::{Edge, PATIENCE};

/// Bytes that a viewer takes of each stream before it says that it takes more.
pub const WINDOW: u32 = 16 * 1024;

/// A viewer's connection.
pub struct Http2 {
    requests: SendRequest<Bytes>,
    pub connection: JoinHandle<Result<(), h2::Error>>,
}

/// A request that was sent, and what comes of it.
pub struct Exchange {
    pub response: ResponseFuture,
    pub sending: SendStream<Bytes>,
}

impl Http2 {
    pub async fn of(edge: &Edge) -> Self {
        let stream = TcpStream::connect(edge.running.viewers).await.expect("accepts");
        // Where a clock does not wait for anything, what the system holds back for a moment comes too late.
        stream.set_nodelay(true).expect("can be set");
        let (requests, connection) =
            Builder::new().initial_window_size(WINDOW).handshake(stream).await.expect("speaks HTTP/2");
        Self { requests, connection: tokio::spawn(connection) }
    }

    /// Sends a head; `ends` says that nothing follows it.
    pub async fn ask(&mut self, method: Method, path: &str, fields: &[(&str, &str)], ends: bool) -> Exchange {
        let mut request = Request::builder().method(method).uri(format!("http://shop.test{path}"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.requests = self.requests.clone().ready().await.expect("takes requests");
        let (response, sending) =
            self.requests.send_request(request.body(()).expect("is one"), ends).expect("takes a request");
        Exchange { response, sending }
    }

    /// Whether the connection serves a request.
    pub async fn serves(&mut self, path: &str) -> bool {
        let mut exchange = self.ask(Method::GET, path, &[], true).await;
        exchange.answer().await.status() == StatusCode::OK
    }
}

impl Exchange {
    /// The next interim response; none if the final one is there.
    pub async fn interim(&mut self) -> Option<Response<()>> {
        let interim = poll_fn(|cx| self.response.poll_informational(cx));
        tokio::time::timeout(PATIENCE, interim).await.expect("comes").transpose().expect("is sound")
    }

    pub async fn answer(&mut self) -> Response<RecvStream> {
        tokio::time::timeout(PATIENCE, &mut self.response).await.expect("comes").expect("is an answer")
    }

    pub fn send(&mut self, text: &'static str, ends: bool) {
        self.sending.send_data(Bytes::from_static(text.as_bytes()), ends).expect("is taken");
    }

    /// Waits until the edge ends the stream, and says how.
    pub async fn reset(&mut self) -> Reason {
        let reset = poll_fn(|cx| self.sending.poll_reset(cx));
        tokio::time::timeout(PATIENCE, reset).await.expect("comes").expect("is a reset")
    }
}

/// The next piece of a body, taken.
pub async fn piece(body: &mut RecvStream) -> Option<Result<String, h2::Error>> {
    let data = tokio::time::timeout(PATIENCE, body.data()).await.expect("comes")?;
    Some(data.map(|data| {
        body.flow_control().release_capacity(data.len()).expect("was taken");
        String::from_utf8(data.to_vec()).expect("is text")
    }))
}

/// A body to its end, and what stands behind it.
pub async fn rest(mut body: RecvStream) -> Result<(String, Option<HeaderMap>), h2::Error> {
    let mut text = String::new();
    while let Some(data) = piece(&mut body).await {
        text += &data?;
    }
    Ok((text, body.trailers().await?))
}
