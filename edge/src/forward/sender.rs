//! An open connection into one that takes a request at a time, whichever version of HTTP is spoken over it.
//!
//! Over HTTP/2 there could be many at a time; there is one, so that whatever goes wrong with it concerns nobody else.
//! Assumptions: hyper tells nobody of interim responses that come over HTTP/2, and whoever misses them misses nothing that the final one
//! does not say (RFC 9110 §15.2); a body that waits for 100 (Continue) is sent at once.

use http::header::{HOST, TE, TRANSFER_ENCODING};
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version, header};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};

use tokio::task::JoinHandle;

use super::body::RequestBody;
use super::heads::Awaiting;

/// Sends requests over one connection, which ends with this: an origin that is given up holds nothing of a viewer's any longer.
#[derive(Debug)]
pub struct Sender {
    requests: Requests,
    connection: JoinHandle<()>,
}

/// Where requests go in.
#[derive(Debug)]
pub enum Requests {
    /// HTTP/1.1, whose response heads are followed: this says that one is to come.
    Http1(http1::SendRequest<RequestBody>, Awaiting),
    /// HTTP/2.
    Http2(http2::SendRequest<RequestBody>),
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Sender {
    /// Sends them over a connection that this task runs.
    pub fn over(connection: JoinHandle<()>, requests: Requests) -> Self {
        Self { requests, connection }
    }

    /// Sends a request; the error has it back if nothing of it was sent.
    pub async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        match &mut self.requests {
            Requests::Http1(requests, awaiting) => {
                awaiting.head();
                requests.try_send_request(request).await
            }
            Requests::Http2(requests) => requests.try_send_request(framed(request)).await,
        }
    }

    /// Waits until the next request can be sent, or never can.
    pub async fn ready(&mut self) -> hyper::Result<()> {
        match &mut self.requests {
            Requests::Http1(requests, _) => requests.ready().await,
            Requests::Http2(requests) => requests.ready().await,
        }
    }

    /// Whether it can be sent now.
    pub fn is_ready(&self) -> bool {
        match &self.requests {
            Requests::Http1(requests, _) => requests.is_ready(),
            Requests::Http2(requests) => requests.is_ready(),
        }
    }

    /// Whether it never can.
    pub fn is_closed(&self) -> bool {
        match &self.requests {
            Requests::Http1(requests, _) => requests.is_closed(),
            Requests::Http2(requests) => requests.is_closed(),
        }
    }
}

/// The same request as HTTP/2 says it: the host stands in `:authority` (RFC 9113 §8.3.1), the end of a body in its frames (§8.2.2).
fn framed(mut request: Request<RequestBody>) -> Request<RequestBody> {
    *request.version_mut() = Version::HTTP_2;
    if let Some(expectation) = request.body().expectation() {
        expectation.go_on();
    }
    let host = request.headers_mut().remove(HOST);
    for name in [TRANSFER_ENCODING, header::EXPECT] {
        request.headers_mut().remove(name);
    }
    // RFC 9110 §10.1.4: they are passed on. Some who speak gRPC ask for the word.
    request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let mut parts = Parts::default();
    if let Some(authority) = authority {
        (parts.scheme, parts.authority) = (Some(Scheme::HTTP), Some(authority));
        parts.path_and_query = request.uri().path_and_query().cloned().or_else(|| Some(PathAndQuery::from_static("/")));
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}
