//! A request and an edge that stands before its origin into that edge's answer, by one try.
//!
//! Guarantees: connections are kept and balanced like those to origins, so an edge that takes none, or breaks off, is avoided for a while.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use edge_contract::Origin;
use http::{Request, Response};
use rustls::ClientConfig;

use super::attempt::{Again, Attempt};
use super::body::{OriginBody, RequestBody};
use super::connect::Speaks;
use super::guard::Allowed;
use super::tls::Secured;
use super::{ForwardError, Forwarder};
use crate::interim::Interim;
use crate::peers::Peer;
use crate::tier::CONNECT_WITHIN;

/// For how long a connection is kept that nobody uses: less long than the other side keeps it.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// What came of one try.
pub struct AtEdge {
    /// What the edge answered, whatever it means.
    pub answer: Result<Response<OriginBody>, ForwardError>,
    /// Whether the same may be asked of somebody else: nothing of it was sent, or it is safe and has no body.
    pub is_repeatable: bool,
}

impl Forwarder {
    /// Asks one edge.
    pub async fn at_edge(
        &self,
        peer: &Peer,
        client: &Arc<ClientConfig>,
        head_within: Duration,
        request: Request<RequestBody>,
        interim: &Interim,
    ) -> AtEdge {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let limits = Origin {
            connect_timeout_ms: millis(CONNECT_WITHIN),
            response_timeout_ms: millis(head_within),
            keep_alive_ms: millis(KEEP_ALIVE),
            ..Origin::plain(&*peer.uid, "")
        };
        let secured = Some(Secured { name: peer.name.clone(), config: Arc::clone(client) });
        let again = Again::of(&request);
        let (speaks, request) = (Speaks::Http1, Some(request));
        let mut attempt = Attempt { forwarder: self, origin: &limits, secured, speaks, interim, again, request };
        let (_, answer) = attempt.at(&[Allowed::of_edge(peer)]).await;
        AtEdge { answer, is_repeatable: attempt.request.is_some() }
    }

    /// Whether it failed a moment ago.
    pub fn is_avoided(&self, address: SocketAddr, now: Duration) -> bool {
        self.balance.avoids(address, now)
    }

    /// How many requests of this edge it has not yet answered to their end.
    pub fn outstanding(&self, address: SocketAddr) -> usize {
        self.balance.outstanding(address)
    }
}
