//! A viewer's HTTP/2 connection into requests, many at a time, and their responses.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::activity::{Judgement, Patience};
use super::socket::Socket;
use super::{Connection, HEAD_BYTES};
use crate::interim::Interim;
use crate::live::Phase;
use crate::respond::body::ViewerBody;
use crate::viewer::body::ViewerRequestBody;

/// Streams at a time, bytes on their way in and out, streams reset before they were answered.
const STREAMS: u32 = 128;
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const SEND_BUFFER: usize = 256 * 1024;
const RESETS: usize = 32;

/// Serves a connection to its end.
pub(super) async fn speak(connection: &Connection, socket: Socket) -> Result<(), hyper::Error> {
    let Connection { edge, activity, .. } = connection;
    activity.multiplexes();
    let service = service_fn(|request| respond(connection.clone(), request));
    let served = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .serve_connection(TokioIo::new(socket), service);
    let mut served: Pin<&mut _> = std::pin::pin!(served);
    let (mut told, mut closing) = (edge.live.phase() >= Phase::Draining, false);
    let (mut patience, mut asked_to_go) = (Patience::default(), false);
    loop {
        tokio::select! {
            ended = served.as_mut() => return ended,
            judged = connection.watch(patience) => {
                // A viewer that has nothing to wait for goes when it is asked to; one that stays holds back bytes of its own.
                if judged == Judgement::Stalled || asked_to_go {
                    return Ok(());
                }
                (asked_to_go, closing) = (true, true);
                patience.idle = patience.write;
                activity.asked_to_go(edge.clock.now().monotonic);
                served.as_mut().graceful_shutdown();
            }
            // One that was open when draining began is told to go elsewhere at once; one that came later is served meanwhile.
            () = connection.reached(Phase::Draining), if !told => {
                (told, closing) = (true, true);
                served.as_mut().graceful_shutdown();
            }
            () = connection.reached(Phase::Finishing), if !closing => {
                closing = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn respond(connection: Connection, request: Request<Incoming>) -> Result<Response<ViewerBody>, Infallible> {
    let (answer, ended) = connection.respond(request.map(ViewerRequestBody::Hyper), Interim::closed()).await;
    Ok(answer.response.map(|source| ViewerBody::new(source, Box::new(ended))))
}
