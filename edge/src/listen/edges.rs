//! The door for other edges: connections on which both sides have proved themselves into requests, as [`super::http1`] reads them.
//!
//! Flow: a certificate comes → the port is opened → accept → TLS 1.3, both sides verified → whose edge it is → requests.
//! Guarantees: nobody gets a byte of HTTP through who does not hold a certificate of the operator's authority for an edge of a site that
//! this edge serves. Certificates and authorities are those that are known when a connection begins; once they are others, the next response
//! over it is the last. Limits, drain and patience are those of viewers' connections.
//! Errors: an address that cannot be listened on is tried again; until then other edges ask origins themselves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::activity::Activity;
use super::socket::Socket;
use super::{Asker, Connection, accept, http1};
use crate::edge::Edge;
use crate::live::Phase;
use crate::peers::proof::Credentials;

/// How long a port that is taken is left alone.
const LISTEN_AGAIN: Duration = Duration::from_secs(5);
/// How long an edge may take to prove itself.
const PROVEN_WITHIN: Duration = Duration::from_secs(5);

/// Where to listen, and how much.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// The address; port 0 is one that the system chooses.
    pub address: SocketAddr,
    /// How many connections are open at most.
    pub connections: usize,
    /// How long they may outlive the end of the edge.
    pub limit: Duration,
}

/// Answers other edges until this one finishes. Where it listens is said in `at`, once it does.
pub async fn run(edge: Arc<Edge>, door: Door, at: watch::Sender<Option<SocketAddr>>) {
    let (mut phases, permits) = (edge.live.phases(), Arc::new(Semaphore::new(door.connections)));
    let accepting = async {
        let listener = open(&edge, door.address).await;
        at.send_replace(listener.local_addr().ok());
        tracing::info!(address = ?*at.borrow(), "accepting other edges");
        loop {
            let (stream, peer, permit) = accept(&listener, &permits).await;
            tokio::spawn(connection(Arc::clone(&edge), stream, peer, permit));
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = phases.wait_for(|phase| *phase >= Phase::Finishing) => {}
    }
    super::finish(&edge, &permits, door.connections, door.limit).await;
}

/// Once there is something to prove oneself with.
async fn open(edge: &Edge, address: SocketAddr) -> TcpListener {
    let mut renewals = edge.live.peers().renewals();
    // The sender lives as long as the edge.
    let _ = renewals.wait_for(Option::is_some).await;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => {
                tracing::error!(%error, %address, "listening for other edges");
                tokio::time::sleep(LISTEN_AGAIN).await;
            }
        }
    }
}

async fn connection(edge: Arc<Edge>, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
    let _ = stream.set_nodelay(true);
    let Some(credentials) = edge.live.peers().credentials() else { return };
    let proving = TlsAcceptor::from(Arc::clone(&credentials.server)).accept(stream);
    let stream = match tokio::time::timeout(PROVEN_WITHIN, proving).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "somebody did not prove to be an edge"),
        Err(_) => return,
    };
    let Some(site) = whose(&edge, &stream) else {
        return tracing::warn!(%peer, "an edge of another Distribution is not answered");
    };
    let activity = Arc::new(Activity::accepted(edge.clock.now().monotonic));
    let socket = Socket::new(stream, Arc::clone(&activity), edge.clock.clone());
    let (asker, permit) = (Some(Asker { site, by: credentials }), Arc::new(permit));
    let connection = Connection { edge, activity, peer: peer.ip().to_canonical(), asker, _permit: permit };
    if let Some(Err(error)) = connection.until_cut(http1::speak(&connection, socket)).await {
        tracing::debug!(%peer, %error, "a connection of another edge ended");
    }
}

/// The id of the site of which it is an edge.
fn whose(edge: &Edge, stream: &TlsStream<TcpStream>) -> Option<Arc<str>> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    let sites = edge.live.sites()?;
    let table = sites.sites.iter().find(|table| Credentials::speaks_for(certificate, &table.site.id))?;
    Some(table.site.id.as_str().into())
}
