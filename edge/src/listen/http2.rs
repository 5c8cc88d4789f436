//! A viewer's HTTP/2 connection into streams, each served by a task of its own (RFC 9113).
//!
//! Flow: settings → streams, as they come → [`stream`]; beside them a watch over idleness, pings, and the end of the edge.
//! Guarantees: what one connection can make this edge hold is bounded: streams, heads, bytes on their way in and out, and streams that
//! are reset in vain.
//! Assumptions: the `h2` crate sees to frames, their compression and flow control, and ends streams whose requests are malformed
//! (§8.1.1), but for what [`head`] looks at and trailers that hold pseudo-header fields, which it drops without a word.

mod head;
mod sending;
mod stream;

use std::time::Duration;

use bytes::Bytes;
use h2::server::{self, Builder};
use h2::{Ping, PingPong};

use super::activity::{Judgement, Patience};
use super::socket::Socket;
use super::{Connection, HEAD_BYTES};
use crate::live::Phase;

/// Streams at a time, bytes on their way in and out, streams reset before they were answered.
const STREAMS: u32 = 128;
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const SEND_BUFFER: usize = 256 * 1024;
const RESETS: usize = 32;
/// How often a viewer is asked whether it is still there, and how long its answer may take.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// Serves a connection to its end.
pub(super) async fn speak(connection: &Connection, socket: Socket) -> Result<(), h2::Error> {
    let Connection { edge, activity, .. } = connection;
    activity.multiplexes();
    let (mut told, mut closing) = (edge.live.phase() >= Phase::Draining, false);
    let mut streams = tokio::select! {
        shaken = limits().handshake(socket) => shaken?,
        _ = connection.watch(Patience::default()) => return Ok(()),
    };
    let mut fallen_silent = std::pin::pin!(fallen_silent(streams.ping_pong()));
    let (mut patience, mut asked_to_go) = (Patience::default(), false);
    loop {
        tokio::select! {
            ended = serve(connection, &mut streams) => return ended,
            () = fallen_silent.as_mut() => return Ok(()),
            judged = connection.watch(patience) => {
                // A viewer that has nothing to wait for goes when it is asked to.
                if judged == Judgement::Stalled || asked_to_go {
                    return Ok(());
                }
                (asked_to_go, closing) = (true, true);
                patience.idle = patience.write;
                activity.asked_to_go(edge.clock.now().monotonic);
                streams.graceful_shutdown();
            }
            // One that was open when draining began is told to go elsewhere at once; one that came later is served meanwhile.
            () = connection.reached(Phase::Draining), if !told => {
                (told, closing) = (true, true);
                streams.graceful_shutdown();
            }
            () = connection.reached(Phase::Finishing), if !closing => {
                closing = true;
                streams.graceful_shutdown();
            }
        }
    }
}

fn limits() -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(Some(RESETS))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER);
    builder
}

/// Takes streams until no more may come and those there are have ended. Dropped in between, it loses none.
async fn serve(connection: &Connection, streams: &mut server::Connection<Socket, Bytes>) -> Result<(), h2::Error> {
    while let Some(accepted) = streams.accept().await {
        let (request, reply) = accepted?;
        tokio::spawn(stream::serve(connection.clone(), request, reply));
    }
    Ok(())
}

/// Returns when a viewer does not answer pings any more (RFC 9113 §6.7).
async fn fallen_silent(pings: Option<PingPong>) {
    let Some(mut pings) = pings else { return std::future::pending().await };
    loop {
        tokio::time::sleep(PING_EVERY).await;
        match tokio::time::timeout(PONG_WITHIN, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            // The connection has ended, and says so itself.
            Ok(Err(_)) => return std::future::pending().await,
            Err(_) => return,
        }
    }
}
