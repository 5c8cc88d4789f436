//! A viewer's HTTP/1 connection into requests, one after the other, and their responses.

use std::convert::Infallible;
use std::sync::Arc;

use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::activity::Patience;
use super::outbox::Outbox;
use super::socket::Socket;
use super::{Connection, HEAD_BYTES};
use crate::interim::Interim;
use crate::live::Phase;
use crate::respond::body::ViewerBody;
use crate::viewer::body::ViewerRequestBody;

const HEAD_FIELDS: usize = 128;
/// Bytes read from a viewer before they are passed on.
const READ_BUFFER: usize = 64 * 1024;

/// Serves a connection to its end.
pub(super) async fn speak(connection: &Connection, socket: Socket) -> Result<(), hyper::Error> {
    let outbox = socket.outbox();
    let service = service_fn(|request: Request<Incoming>| {
        let interim = if request.version() == Version::HTTP_11 { Interim::default() } else { Interim::closed() };
        let response = respond(connection, request, interim.clone());
        with_interim(interim, Arc::clone(&outbox), response)
    });
    let served = http1::Builder::new()
        // The watch below knows heads from idleness; the one of hyper does not.
        .header_read_timeout(None)
        .max_header_size(HEAD_BYTES)
        .max_headers(HEAD_FIELDS)
        .max_buf_size(READ_BUFFER)
        .serve_connection(TokioIo::new(socket), service);
    let mut served = std::pin::pin!(served);
    let mut closing = false;
    loop {
        tokio::select! {
            ended = served.as_mut() => return ended,
            _ = connection.watch(Patience::default()) => return Ok(()),
            () = connection.reached(Phase::Finishing), if !closing => {
                closing = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn respond(
    connection: &Connection,
    request: Request<Incoming>,
    interim: Interim,
) -> Result<Response<ViewerBody>, Infallible> {
    let request = request.map(ViewerRequestBody::Http1);
    let (answer, ended) = connection.respond(request, interim).await;
    let mut response = answer.response.map(|source| ViewerBody::new(source, Box::new(ended)));
    if answer.closes || connection.edge.live.phase() >= Phase::Draining {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Lets interim responses go ahead of the final one.
async fn with_interim<F: Future>(interim: Interim, outbox: Arc<Outbox>, response: F) -> F::Output {
    let mut response = std::pin::pin!(response);
    let response = loop {
        tokio::select! {
            // What the origin said first is told first.
            biased;
            head = interim.next() => outbox.put(&head),
            response = response.as_mut() => break response,
        }
    };
    for head in interim.close() {
        outbox.put(&head);
    }
    outbox.emptied().await;
    response
}
