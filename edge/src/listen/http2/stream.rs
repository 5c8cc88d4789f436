//! One request of an HTTP/2 connection into its interim responses and its final one.
//!
//! Guarantees: a viewer that resets its stream before it is answered is not served any further. Whoever else waits for what it asked
//! for, and what the origin was asked to change, goes on. A request that was answered before all of it was read is not read to its
//! end: once nobody holds the stream any more, `h2` resets it with `NO_ERROR` (RFC 9113 §8.1).

use std::future::poll_fn;
use std::pin::{Pin, pin};

use bytes::Bytes;
use edge_cache::fields;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Request, Response, header};
use http_body::Body;

use super::head;
use super::sending::Sending;
use crate::cut_off::End;
use crate::interim::{Head, Interim};
use crate::listen::Connection;
use crate::viewer::body::ViewerRequestBody;

/// Serves it.
pub(super) async fn serve(connection: Connection, request: Request<RecvStream>, mut reply: SendResponse<Bytes>) {
    // RFC 9113 §8.1.1
    if fields::has_stray_space(request.headers()) {
        return reply.send_reset(Reason::PROTOCOL_ERROR);
    }
    let (method, interim) = (request.method().clone(), Interim::default());
    let (parts, content) = request.into_parts();
    let awaited = parts.headers.contains_key(header::EXPECT).then(|| interim.clone());
    let body = ViewerRequestBody::http2(content, head::length(&parts.headers), awaited);
    let response = pin!(connection.respond(Request::from_parts(parts, body), interim.clone()));
    let Some((answer, mut ended)) = with_interim(response, &interim, &mut reply).await else { return };
    let (head, source) = head::of_final(answer.response, &method, connection.edge.clock.now().wall).into_parts();
    let (is_whole, owed) = (source.is_end_stream(), head::length(&head.headers));
    match reply.send_response(Response::from_parts(head, ()), is_whole) {
        Ok(_) if is_whole => ended.ends(0, End::Complete),
        Ok(stream) => Sending { stream, source, ended, owed, sent: 0 }.run().await,
        Err(error) => {
            tracing::debug!(%error, "a response was not sent");
            reply.send_reset(Reason::INTERNAL_ERROR);
        }
    }
}

/// Lets interim responses go ahead of the final one (RFC 9113 §8.1). None: the viewer does not wait for it any more.
async fn with_interim<F: Future>(
    mut response: Pin<&mut F>,
    interim: &Interim,
    reply: &mut SendResponse<Bytes>,
) -> Option<F::Output> {
    loop {
        tokio::select! {
            // Nothing is sent on a stream that has ended, and what the origin said first is told first.
            biased;
            _ = poll_fn(|cx| reply.poll_reset(cx)) => return None,
            head = interim.next() => say(reply, head),
            response = response.as_mut() => {
                for head in interim.close() {
                    say(reply, head);
                }
                return Some(response);
            }
        }
    }
}

fn say(reply: &mut SendResponse<Bytes>, head: Head) {
    if let Err(error) = reply.send_informational(head::of_interim(head)) {
        tracing::debug!(%error, "an interim response was not sent");
    }
}
