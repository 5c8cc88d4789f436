//! A replica of the operator, as far as edges know it: its channel on a port of this machine, with the authority that it shares
//! with the others.

use std::net::SocketAddr;
use std::sync::Arc;

use edge_contract::{Epoch, Head, PurgeOrder, Scope, SequenceNumber};
use futures::StreamExt;
use operator::authority::Authority;
use operator::edges::{self, Channel, EdgeSeen, Edges, PurgeLog, Reviewer};
use operator::leader::Leadership;
use operator::names::DistributionKey;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::{EPOCH, PATIENCE};

/// One replica, until it is stopped.
pub struct Replica {
    pub edges: Edges,
    pub address: SocketAddr,
    /// What edges are mounted to trust.
    pub bundle: Arc<str>,
    leadership: watch::Sender<Leadership>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Replica {
    pub async fn leading(api: &Api) -> Self {
        Self::on(SocketAddr::from(([127, 0, 0, 1], 0)), api, leads()).await
    }

    pub async fn following(api: &Api, leader: SocketAddr) -> Self {
        Self::on(SocketAddr::from(([127, 0, 0, 1], 0)), api, follows(leader)).await
    }

    /// A replica that leads, at an address where another one was.
    pub async fn in_place_of(before: Self, api: &Api) -> Self {
        before.stop.cancel();
        before.serving.await.expect("ends");
        Self::on(before.address, api, leads()).await
    }

    async fn on(address: SocketAddr, api: &Api, leadership: Leadership) -> Self {
        let authority = Authority::open(api.client(), "kubefront").await.expect("an authority");
        let listener = TcpListener::bind(address).await.expect("the port is free");
        let address = listener.local_addr().expect("is bound");
        let (leadership, watched) = watch::channel(leadership);
        let edges = Edges::new(watched);
        edges.certify_by(authority.issuer());
        tokio::spawn(edges.clone().follow_leadership());
        let tls = authority.server_config().expect("TLS");
        let channel = Channel::new(edges.clone(), Reviewer::new(api.client()), tls);
        let stop = CancellationToken::new();
        let serving = tokio::spawn(edges::serve(listener, channel, stop.clone()));
        let bundle = authority.bundle().borrow().clone();
        Self { edges, address, bundle, leadership, stop, serving }
    }

    /// It leads no longer; that one does.
    pub fn yields_to(&self, leader: SocketAddr) {
        self.leadership.send_replace(follows(leader));
    }

    /// What it knows of a pod's edge, of either Distribution.
    pub fn knows(&self, pod: &str) -> Option<EdgeSeen> {
        let seen = [distribution(), another()].map(|distribution| self.edges.snapshot(&distribution));
        seen.into_iter().flatten().find(|edge| edge.pod == pod)
    }

    /// Waits until it knows this of the edge.
    pub async fn sees(&self, pod: &str, what: &str, holds: impl Fn(&EdgeSeen) -> bool) -> EdgeSeen {
        let mut changed = Box::pin(self.edges.changed());
        let looking = async {
            loop {
                if let Some(seen) = self.knows(pod).filter(&holds) {
                    return seen;
                }
                changed.next().await.expect("the replica lives");
            }
        };
        let found = timeout(PATIENCE, looking).await;
        found.unwrap_or_else(|_| panic!("never seen: {what}; but {:?}", self.knows(pod)))
    }
}

pub fn distribution() -> DistributionKey {
    DistributionKey::new("default", "shop")
}

pub fn another() -> DistributionKey {
    DistributionKey::new("default", "blog")
}

/// A log of orders 1 to `sequence`, for these starts of edges.
pub fn log(sequence: SequenceNumber, admitted: &[&EdgeSeen]) -> Arc<PurgeLog> {
    let order = |sequence| PurgeOrder {
        epoch: EPOCH,
        sequence,
        uid: format!("order-{sequence}"),
        scopes: vec![Scope::Exact(format!("/{sequence}"))],
    };
    Arc::new(PurgeLog {
        epoch: EPOCH,
        orders: (1..=sequence).map(|sequence| Arc::new(order(sequence))).collect(),
        head: Head { epoch: EPOCH, sequence, floor: 0, flush: 0 },
        admitted: admitted.iter().map(|edge| (edge.boot_id.clone(), edge.hello_at)).collect(),
    })
}

/// Where an edge stands that has applied such a log.
pub fn applied(seen: &EdgeSeen) -> Option<(Epoch, SequenceNumber, Option<&str>)> {
    let position = seen.acknowledged.as_ref()?;
    Some((position.epoch, position.sequence, position.order_uid.as_deref()))
}

fn leads() -> Leadership {
    Leadership::Leading { since: operator::clock::monotonic() }
}

fn follows(leader: SocketAddr) -> Leadership {
    Leadership::Following { leader: Some(leader.to_string()) }
}
