//! Connections of viewers into requests, and the responses to them into bytes and a line in the log.
//!
//! Flow: accept → tell HTTP/1 from HTTP/2 by the first bytes → hyper, within limits → [`serve`](crate::serve) → log.
//! Guarantees: a bounded number of connections, each with a bounded head, number of streams and patience. When the edge drains,
//! responses say so; when it finishes, what has begun is ended and nothing new begins.
//! Assumptions: one multi-threaded runtime with a thread for each core, one listening socket.

pub mod activity;
mod ending;
mod framing;
mod outbox;
mod socket;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use edge_contract::Protocol;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::edge::Edge;
use crate::interim::Interim;
use crate::live::Phase;
use crate::respond::body::ViewerBody;
use crate::serve;
use crate::viewer::Viewer;
use crate::viewer::body::ViewerRequestBody;
use activity::{Activity, Judgement, Patience};
use ending::Request as Ended;
use outbox::Outbox;
use socket::Socket;

/// The largest head: what head policy allows, and room for it to say so itself.
const HEAD_BYTES: usize = 24 * 1024;
const HEAD_FIELDS: usize = 128;
/// Bytes read from a viewer before they are passed on.
const READ_BUFFER: usize = 64 * 1024;
/// HTTP/2: streams at a time, bytes on their way in and out, streams reset before they were answered.
const STREAMS: u32 = 128;
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const SEND_BUFFER: usize = 256 * 1024;
const RESETS: usize = 32;
/// How long to wait before accepting again when the machine cannot open another socket.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(50);

/// Accepts until the edge finishes; returns once every connection has ended or `limit` has passed after that.
pub async fn run(edge: Arc<Edge>, listener: TcpListener, connections: usize, limit: Duration) {
    let permits = Arc::new(Semaphore::new(connections));
    let mut phases = edge.live.phases();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            _ = phases.wait_for(|phase| *phase >= Phase::Finishing) => break,
        };
        let (stream, peer, permit) = accepted;
        tokio::spawn(connection(Arc::clone(&edge), stream, peer, permit));
    }
    drop(listener);
    let all = u32::try_from(connections).unwrap_or(u32::MAX);
    if tokio::time::timeout(limit, permits.acquire_many(all)).await.is_err() {
        tracing::warn!(open = connections - permits.available_permits(), "connections outlived the drain");
    }
}

async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        // Beyond the bound, viewers wait in the system's queue.
        let Ok(permit) = Arc::clone(permits).acquire_owned().await else { continue };
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(OUT_OF_SOCKETS).await;
            }
        }
    }
}

async fn connection(edge: Arc<Edge>, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
    // A response is written whole; waiting to fill a packet only delays it. Failing to say so costs nothing else.
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity::accepted(edge.clock.now().monotonic));
    let mut socket = Socket::new(stream, Arc::clone(&activity), edge.clock.clone());
    let spoken = tokio::select! {
        spoken = socket.spoken() => spoken,
        _ = watch(&edge, &activity, Patience::default()) => return,
        () = finishing(&edge) => return,
    };
    let Ok(protocol) = spoken else { return };
    if !edge.live.sites().is_none_or(|sites| sites.speak(protocol)) {
        return;
    }
    let peer = peer.ip().to_canonical();
    let result = match protocol {
        Protocol::HTTP1 => speak_http1(&edge, socket, peer, &activity).await,
        Protocol::HTTP2 => speak_http2(&edge, socket, peer, &activity).await,
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "a viewer's connection ended");
    }
    drop(permit);
}

async fn speak_http1(
    edge: &Arc<Edge>,
    socket: Socket,
    peer: IpAddr,
    activity: &Arc<Activity>,
) -> Result<(), hyper::Error> {
    let outbox = socket.outbox();
    let service = service_fn(|request: Request<Incoming>| {
        let interim = if request.version() == Version::HTTP_11 { Interim::default() } else { Interim::closed() };
        let response =
            respond(Arc::clone(edge), Viewer { peer, interim: interim.clone() }, Arc::clone(activity), request);
        with_interim(interim, Arc::clone(&outbox), response)
    });
    let connection = http1::Builder::new()
        // The watch below knows heads from idleness; the one of hyper does not.
        .header_read_timeout(None)
        .max_header_size(HEAD_BYTES)
        .max_headers(HEAD_FIELDS)
        .max_buf_size(READ_BUFFER)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = std::pin::pin!(connection);
    let mut closing = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            _ = watch(edge, activity, Patience::default()) => return Ok(()),
            () = finishing(edge), if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn speak_http2(
    edge: &Arc<Edge>,
    socket: Socket,
    peer: IpAddr,
    activity: &Arc<Activity>,
) -> Result<(), hyper::Error> {
    activity.multiplexes();
    let service = service_fn(|request| {
        let viewer = Viewer { peer, interim: Interim::closed() };
        respond(Arc::clone(edge), viewer, Arc::clone(activity), request)
    });
    let connection = http2::Builder::new(TokioExecutor::new())
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
    let mut connection: Pin<&mut _> = std::pin::pin!(connection);
    let (mut told, mut closing) = (edge.live.phase() >= Phase::Draining, false);
    let (mut patience, mut asked_to_go) = (Patience::default(), false);
    loop {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            judged = watch(edge, activity, patience) => {
                // A viewer that has nothing to wait for goes when it is asked to; one that stays holds back bytes of its own.
                if judged == Judgement::Stalled || asked_to_go {
                    return Ok(());
                }
                (asked_to_go, closing) = (true, true);
                patience.idle = patience.write;
                activity.asked_to_go(edge.clock.now().monotonic);
                connection.as_mut().graceful_shutdown();
            }
            // One that was open when draining began is told to go elsewhere at once; one that came later is served meanwhile.
            () = reached(edge, Phase::Draining), if !told => {
                (told, closing) = (true, true);
                connection.as_mut().graceful_shutdown();
            }
            () = finishing(edge), if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Returns when a connection has been idle or stalled for too long, and says which.
async fn watch(edge: &Edge, activity: &Activity, patience: Patience) -> Judgement {
    loop {
        match activity.judge(edge.clock.now().monotonic, &patience) {
            Judgement::Fine(left) => tokio::time::sleep(left).await,
            over => return over,
        }
    }
}

async fn finishing(edge: &Edge) {
    reached(edge, Phase::Finishing).await;
}

async fn reached(edge: &Edge, phase: Phase) {
    // The sender lives as long as the edge; should it not, there is nothing to go on for either.
    let _ = edge.live.phases().wait_for(|now| *now >= phase).await;
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
    interim.close();
    outbox.emptied().await;
    response
}

async fn respond(
    edge: Arc<Edge>,
    viewer: Viewer,
    activity: Arc<Activity>,
    request: Request<Incoming>,
) -> Result<Response<ViewerBody>, Infallible> {
    activity.request_begins();
    let mut ended = Ended::begins(&edge, activity, &viewer, &request);
    let version = request.version();
    let (answer, ask) = serve::serve(&edge, &viewer, request.map(ViewerRequestBody::Hyper)).await;
    ended.answered(&answer, ask.as_deref());
    let closes = answer.closes || edge.live.phase() >= Phase::Draining;
    let mut response = answer.response.map(|source| ViewerBody::new(source, Box::new(ended)));
    if closes && version <= Version::HTTP_11 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
