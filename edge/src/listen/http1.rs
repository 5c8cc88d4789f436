//! A viewer's HTTP/1 connection into requests, one after the other, and their responses.

use std::convert::Infallible;
use std::sync::Arc;

use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;

use super::activity::Patience;
use super::outbox::Outbox;
use super::socket::Socket;
use super::switch::{Behind, Switch};
use super::{Connection, Ended, HEAD_BYTES};
use crate::interim::Interim;
use crate::live::Phase;
use crate::respond::Answer;
use crate::respond::body::ViewerBody;
use crate::tunnel::Tunnel;
use crate::viewer::body::ViewerRequestBody;

const HEAD_FIELDS: usize = 128;
/// Bytes read from a viewer before they are passed on.
const READ_BUFFER: usize = 64 * 1024;

/// The last wish on a connection for another protocol, and what has come of it.
struct Wish {
    /// The viewer's bytes, once hyper lets go of them: where a connection ends on which there was a wish, it leaves that to whoever heard it.
    stream: OnUpgrade,
    granted: Option<(Tunnel, Ended)>,
}

/// What the requests of a connection say of it.
struct Heard {
    switch: Arc<Switch>,
    wish: Mutex<Option<Wish>>,
}

/// Serves a connection to its end.
pub(super) async fn speak(connection: &Connection, socket: Socket) -> Result<(), hyper::Error> {
    let outbox = socket.outbox();
    let heard = Heard { switch: socket.switch(), wish: Mutex::default() };
    let service = service_fn(|request: Request<Incoming>| {
        let interim = if request.version() == Version::HTTP_11 { Interim::default() } else { Interim::closed() };
        let response = respond(connection, request, interim.clone(), &heard);
        with_interim(interim, Arc::clone(&outbox), response)
    });
    let served = http1::Builder::new()
        // The watch below knows heads from idleness; the one of hyper does not.
        .header_read_timeout(None)
        .max_header_size(HEAD_BYTES)
        .max_headers(HEAD_FIELDS)
        .max_buf_size(READ_BUFFER)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let mut served = std::pin::pin!(served);
    let mut closing = false;
    loop {
        tokio::select! {
            ended = served.as_mut() => break ended?,
            _ = connection.watch(Patience::default()) => return Ok(()),
            () = connection.reached(Phase::Finishing), if !closing => {
                closing = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
    let wish = heard.wish.lock().take();
    if let Some(wish) = wish {
        end(connection, wish).await;
    }
    Ok(())
}

/// What is left to do for a connection on which another protocol was wished for.
async fn end(connection: &Connection, wish: Wish) {
    let Ok(stream) = wish.stream.await else { return };
    let mut stream = TokioIo::new(stream);
    if let Some((tunnel, mut ended)) = wish.granted {
        let end = tunnel.run(stream).await;
        return ended.ends(0, end);
    }
    tokio::select! {
        _ = stream.shutdown() => {}
        _ = connection.watch(Patience::default()) => {}
    }
}

async fn respond(
    connection: &Connection,
    mut request: Request<Incoming>,
    interim: Interim,
    heard: &Heard,
) -> Result<Response<ViewerBody>, Infallible> {
    let wish = request.headers().contains_key(header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
    let request = request.map(ViewerRequestBody::Http1);
    let (mut answer, mut ended) = connection.respond(request, interim).await;
    let switched = answer.switched.take();
    heard.switch.answered(if switched.is_some() { Behind::OtherProtocol } else { Behind::Request });
    let Some(stream) = wish else { return Ok(closing(connection, answer, ended)) };
    let Some(switched) = switched else {
        *heard.wish.lock() = Some(Wish { stream, granted: None });
        return Ok(closing(connection, answer, ended));
    };
    let mut response = answer.response.map(|source| ViewerBody::new(source, Box::new(())));
    let headers = response.headers_mut();
    // RFC 9110 §7.8
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, switched.protocol.clone());
    let tunnel = Tunnel::to(switched);
    ended.follows(tunnel.moved());
    *heard.wish.lock() = Some(Wish { stream, granted: Some((tunnel, ended)) });
    Ok(response)
}

/// An ordinary response, with the word that it is the last where it is.
fn closing(connection: &Connection, answer: Answer, ended: Ended) -> Response<ViewerBody> {
    let mut response = answer.response.map(|source| ViewerBody::new(source, Box::new(ended)));
    if answer.closes || connection.is_over() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
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
