//! Connections of viewers into requests, and the responses to them into bytes and a line in the log.
//!
//! Flow: accept → tell HTTP/1 from HTTP/2 by the first bytes → [`http1`] or [`http2`], within limits → [`serve`](crate::serve) → log.
//! Guarantees: a bounded number of connections, each with a bounded head, number of streams and patience. When the edge drains,
//! responses say so; when it finishes, what has begun is ended and nothing new begins.
//! Assumptions: one multi-threaded runtime with a thread for each core, one listening socket.

pub mod activity;
pub mod edges;
mod ending;
mod framing;
mod http1;
mod http2;
mod outbox;
mod socket;
mod switch;
mod wire;

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use edge_contract::Protocol;
use http::Request;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::edge::Edge;
use crate::interim::Interim;
use crate::live::Phase;
use crate::peers::proof::Credentials;
use crate::respond::Answer;
use crate::serve;
use crate::tier::answering;
use crate::viewer::Viewer;
use crate::viewer::body::ViewerRequestBody;
use activity::{Activity, Judgement, Patience};
use ending::Request as Ended;
use socket::Socket;

/// The largest head: what head policy allows, and room for it to say so itself.
const HEAD_BYTES: usize = 24 * 1024;
/// How long it may take to end connections that are not waited for any more.
const CUT_WITHIN: Duration = Duration::from_secs(1);
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
    finish(&edge, &permits, connections, limit).await;
}

/// Waits until all connections have ended; those that have not within `limit` are ended, and their requests logged.
async fn finish(edge: &Edge, permits: &Semaphore, connections: usize, limit: Duration) {
    let all = u32::try_from(connections).unwrap_or(u32::MAX);
    if tokio::time::timeout(limit, permits.acquire_many(all)).await.is_ok() {
        return;
    }
    tracing::warn!(open = connections - permits.available_permits(), "connections outlived the drain, and are cut");
    edge.live.enter(Phase::Cutting);
    if tokio::time::timeout(CUT_WITHIN, permits.acquire_many(all)).await.is_err() {
        tracing::error!(open = connections - permits.available_permits(), "connections outlived that, too");
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
    let peer = peer.ip().to_canonical();
    let connection = Connection { edge, activity, peer, asker: None, _permit: Arc::new(permit) };
    let spoken = tokio::select! {
        spoken = socket.spoken() => spoken,
        _ = connection.watch(Patience::default()) => return,
        () = connection.reached(Phase::Finishing) => return,
    };
    let Ok(protocol) = spoken else { return };
    if !connection.edge.live.sites().is_none_or(|sites| sites.speak(protocol)) {
        return;
    }
    let speaking = async {
        match protocol {
            Protocol::HTTP1 => http1::speak(&connection, socket).await.map_err(Into::into),
            Protocol::HTTP2 => http2::speak(&connection, socket).await.map_err(Into::into),
        }
    };
    let ended: Option<Result<(), Box<dyn Error + Send + Sync>>> = connection.until_cut(speaking).await;
    if let Some(Err(error)) = ended {
        tracing::debug!(peer = %connection.peer, error, "a viewer's connection ended");
    }
}

/// What all requests of a viewer's connection have in common.
#[derive(Clone)]
struct Connection {
    edge: Arc<Edge>,
    activity: Arc<Activity>,
    peer: IpAddr,
    /// Another edge.
    asker: Option<Asker>,
    /// Its place among all connections, until its last request has ended.
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Another edge, as it has proved to be one.
#[derive(Clone)]
struct Asker {
    /// The id of its site.
    site: Arc<str>,
    /// By what it was believed.
    by: Arc<Credentials>,
}

impl Connection {
    /// Returns when it has been idle or stalled for too long, and says which.
    async fn watch(&self, patience: Patience) -> Judgement {
        loop {
            match self.activity.judge(self.edge.clock.now().monotonic, &patience) {
                Judgement::Fine(left) => tokio::time::sleep(left).await,
                Judgement::Stalled => {
                    self.activity.gives_up();
                    return Judgement::Stalled;
                }
                Judgement::Idle => return Judgement::Idle,
            }
        }
    }

    /// Carries this out for as long as the edge waits for it; what it holds is let go of then.
    async fn until_cut<T>(&self, speaking: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            spoken = speaking => Some(spoken),
            () = self.reached(Phase::Cutting) => None,
        }
    }

    /// Returns when the edge has come so far in its life.
    async fn reached(&self, phase: Phase) {
        // The sender lives as long as the edge; should it not, there is nothing to go on for either.
        let _ = self.edge.live.phases().wait_for(|now| *now >= phase).await;
    }

    /// Whether the response that is about to be given is to be the last: the edge drains; or another edge is to prove itself anew, because
    /// what vouched for it does so no longer, or has been renewed. Else whoever asks often enough would be believed for ever.
    fn is_over(&self) -> bool {
        let (live, peers) = (&self.edge.live, self.edge.live.peers());
        let is_outdated = |asker: &Asker| peers.credentials().as_ref() != Some(&asker.by);
        live.phase() >= Phase::Draining || self.asker.as_ref().is_some_and(is_outdated)
    }

    /// Serves one request. What is said before its answer goes to `interim`.
    async fn respond(&self, request: Request<ViewerRequestBody>, interim: Interim) -> (Answer, Ended) {
        self.activity.request_begins();
        let viewer = Viewer { peer: self.peer, interim };
        let mut ended = Ended::begins(&self.edge, Arc::clone(&self.activity), &viewer, &request);
        let (answer, ask) = match &self.asker {
            None => serve::serve(&self.edge, &viewer, request).await,
            // Far more rarely than viewers, and with a larger future.
            Some(asker) => Box::pin(answering::serve(&self.edge, &asker.site, &viewer, request)).await,
        };
        ended.answered(&answer, ask.as_deref());
        (answer, ended)
    }
}
