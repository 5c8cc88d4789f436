//! A request and an edge that stands before its origin into that edge's answer, by one try.
//!
//! Guarantees: connections are kept and balanced like those to origins, so an edge that takes none, or breaks off, is avoided for a while.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use edge_cache::tier::SIGN_OF_LIFE;
use edge_contract::Origin;
use http::{Request, Response};
use rustls::ClientConfig;

use super::attempt::{Again, Attempt};
use super::balance::Failing;
use super::body::{OriginBody, RequestBody};
use super::connect::Speaks;
use super::guard::Allowed;
use super::tls::Secured;
use super::{ForwardError, Forwarder};
use crate::interim::{Head, Interim};
use crate::peers::Peer;

/// For a connection to another edge: it is as near as an origin, and there is somebody else to ask.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// For a sign of life of one that has a connection: else it may be frozen, and take every viewer along for as long as an origin may think.
pub const HEARD_WITHIN: Duration = Duration::from_secs(3);

/// For how long a connection is kept that nobody uses: less long than the other side keeps it.
const KEEP_ALIVE: Duration = Duration::from_mins(1);

/// What came of one try.
pub struct AtEdge {
    /// What the edge answered, whatever it means.
    pub answer: Result<Response<OriginBody>, ForwardError>,
    /// Whether the same may be asked of somebody else: nothing of it was sent, or it is safe and has no body.
    pub is_repeatable: bool,
}

/// Whom to ask, and how.
#[derive(Clone, Copy)]
pub struct AskingEdge<'a> {
    /// The edge.
    pub peer: &'a Peer,
    /// What the connection is made with.
    pub client: &'a Arc<ClientConfig>,
    /// For its response head, once it has given a sign of life.
    pub within: Duration,
    /// Where the interim responses of the origin go.
    pub interim: &'a Interim,
}

impl Forwarder {
    /// Asks one edge.
    pub async fn at_edge(&self, asking: AskingEdge<'_>, request: Request<RequestBody>) -> AtEdge {
        let AskingEdge { peer, client, within, interim } = asking;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let limits = Origin {
            connect_timeout_ms: millis(CONNECT_WITHIN),
            response_timeout_ms: millis(within),
            keep_alive_ms: millis(KEEP_ALIVE),
            ..Origin::plain(&*peer.uid, "")
        };
        let secured = Some(Secured { name: peer.name.clone(), config: Arc::clone(client) });
        let (again, hop) = (Again::of(&request), Interim::default());
        // What may have been carried out is waited for, frozen or not: nobody else could be asked for it.
        let patience = again.as_ref().map(|_| HEARD_WITHIN);
        let (speaks, left, request) = (Speaks::Http1, within, Some(request));
        let mut attempt =
            Attempt { forwarder: self, origin: &limits, secured, speaks, interim: &hop, again, left, request };
        let answer = {
            let at = [Allowed::of_edge(peer)];
            let mut trying = std::pin::pin!(attempt.at(&at));
            heard(trying.as_mut(), &hop, interim, patience).await
        };
        for head in hop.close() {
            pass_on(&head, interim);
        }
        let Some((_, answer)) = answer else {
            self.balance.failed(peer.address, Failing::Unreachable, self.clock.now().monotonic);
            return AtEdge { answer: Err(ForwardError::HeadTimedOut(HEARD_WITHIN)), is_repeatable: true };
        };
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

/// Waits for an answer as long as there are signs of life, if somebody has patience at all; nothing where there is none in time.
async fn heard<F: Future>(
    mut trying: Pin<&mut F>,
    hop: &Interim,
    interim: &Interim,
    patience: Option<Duration>,
) -> Option<F::Output> {
    let mut silence = std::pin::pin!(tokio::time::sleep(patience.unwrap_or_default()));
    let mut is_heard = patience.is_none();
    loop {
        tokio::select! {
            biased;
            head = hop.next() => {
                is_heard = true;
                pass_on(&head, interim);
            }
            answer = trying.as_mut() => return Some(answer),
            () = silence.as_mut(), if !is_heard => return None,
        }
    }
}

/// What the other edge says of itself is no viewer's, and nor then is an origin's own word that it is still there.
fn pass_on(head: &Head, interim: &Interim) {
    if head.status != SIGN_OF_LIFE {
        interim.offer(head.status, &head.headers);
    }
}
