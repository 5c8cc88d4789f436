//! What one look at the orders of a Distribution sees, and what the API says of them after it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crds::distribution::InvalidationCounters;
use crds::{Distribution, DistributionStatus, Invalidation};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use tokio::time::Instant;

use crate::edges::EdgeSeen;
use crate::names::DistributionKey;
use crate::slim;
use crate::stores::Stores;

/// What one look sees. The stores may be behind the API; what this process wrote is in them.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Which Distribution.
    pub key: DistributionKey,
    /// The Distribution, if there is one.
    pub distribution: Option<Arc<Distribution>>,
    /// Whether there is one that this release cannot read.
    pub unreadable: bool,
    /// The Invalidations that name it.
    pub invalidations: Vec<Arc<Invalidation>>,
    /// Its edge pods: those that the watch shows, and those of connected edges that the API has.
    pub pods: Vec<Arc<Pod>>,
    /// What its edges said since this process leads.
    pub edges: Vec<EdgeSeen>,
    /// When all this was looked at.
    pub at: Instant,
    /// The same moment for people.
    pub wall: Timestamp,
}

impl Observed {
    /// The Distribution's status.
    pub fn status(&self) -> Option<&DistributionStatus> {
        self.distribution.as_ref()?.status.as_ref()
    }

    /// The counters of its log, once it has any.
    pub fn counters(&self) -> Option<&InvalidationCounters> {
        self.status()?.invalidation.as_ref()
    }

    /// Takes what the API says stands, and lets the stores know.
    pub fn stands(&mut self, stores: &Stores, mut distribution: Distribution) {
        slim::meta(&mut distribution);
        stores.distributions.learn(distribution.clone());
        self.distribution = Some(Arc::new(distribution));
    }

    /// Takes what the API says of an Invalidation, and lets the stores know.
    pub fn knows(&mut self, stores: &Stores, invalidation: Invalidation) {
        let invalidation = learn(stores, invalidation);
        self.invalidations.retain(|it| it.metadata.name != invalidation.metadata.name);
        self.invalidations.push(Arc::new(invalidation));
    }

    /// Whether nothing is left of it.
    pub fn is_gone(&self) -> bool {
        self.distribution.is_none() && !self.unreadable && self.invalidations.is_empty()
    }

    /// The edges that are connected and whose pod is not known: once it was asked for, it is gone.
    pub fn unplaced(&self) -> impl Iterator<Item = &EdgeSeen> {
        let known: BTreeSet<_> = self.pods.iter().filter_map(|pod| pod.metadata.uid.as_deref()).collect();
        self.edges.iter().filter(move |edge| edge.connected && !known.contains(edge.uid.as_str()))
    }

    /// The Distribution's uid.
    pub fn own(&self) -> &str {
        self.distribution.as_ref().and_then(|it| it.metadata.uid.as_deref()).unwrap_or_default()
    }
}

/// Lets the stores know what the API says of an Invalidation; what they keep of it.
pub fn learn(stores: &Stores, mut invalidation: Invalidation) -> Invalidation {
    slim::meta(&mut invalidation);
    stores.invalidations.learn(invalidation.clone());
    invalidation
}
