//! What both reconcilers are given: the API, what is known of it, the edges, and what the operator was told to do.

use std::sync::Arc;

use arc_swap::ArcSwap;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tokio::sync::watch;

use crate::cluster::Cluster;
use crate::distribution::altered::Altered;
use crate::distribution::taken_numbers::TakenNumbers;
use crate::distribution::told_endpoints::ToldEndpoints;
use crate::distribution::told_origins::ToldOrigins;
use crate::distribution::told_shields::ToldShields;
use crate::distribution::turns::Turns;
use crate::edges::Edges;
use crate::events::Events;
use crate::interests::Interests;
use crate::invalidation::memory::Memories;
use crate::leader::Leadership;
use crate::metrics::Metrics;
use crate::server_side_apply::Writer;
use crate::settings::Settings;
use crate::stores::Stores;

/// What both reconcilers are given. It is the same for every key.
pub struct Context {
    /// The API, for reads that must be consistent and for writes. It does not retry: a reconcile is retried as a whole.
    pub client: kube::Client,
    /// The objects that are watched.
    pub stores: Stores,
    /// Who looks at which Services, Ingresses and grants.
    pub interests: Interests,
    /// The edges that dialled this process.
    pub edges: Edges,
    /// What is remembered of orders on their way.
    pub orders: Memories,
    /// The numbers that configurations were given last.
    pub taken: TakenNumbers,
    /// What the API made something else of than was planned.
    pub altered: Altered,
    /// The endpoints that edges were told last.
    pub told: ToldEndpoints,
    /// The edges before origins that edges were told of last.
    pub told_shields: ToldShields,
    /// What users were told of origins last.
    pub told_origins: ToldOrigins,
    /// Who replaces its pods for the operator's own sake.
    pub turns: Turns,
    /// The certificates that edges verify this operator by, as PEM.
    pub ca_bundle: watch::Receiver<Arc<str>>,
    /// The cluster around the operator.
    pub cluster: ArcSwap<Cluster>,
    /// Writes objects.
    pub writer: Writer,
    /// Tells users what happened.
    pub events: Events,
    /// Counts what is done.
    pub metrics: Metrics,
    /// Who leads, and since when. Reconciles run only while this process does.
    pub leadership: watch::Receiver<Leadership>,
    /// What the operator was told to do.
    pub settings: Arc<Settings>,
}

impl Context {
    /// Whether every edge has said that it trusts these certificates; only a leader that sees all edge pods knows.
    pub fn is_trusted(&self, bundle: &str) -> bool {
        let pods = &self.stores.pods;
        let all = || pods.groups().into_iter().flat_map(|group| pods.of(&group));
        // A pod that has ended for good trusts nobody any more.
        let is_over = |pod: &Pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            matches!(phase, Some("Failed" | "Succeeded"))
        };
        let uids = || all().filter(|pod| !is_over(pod)).filter_map(|pod| pod.uid()).collect();
        pods.is_complete() && self.edges.all_trust(bundle, &uids())
    }
}

#[cfg(test)]
pub mod testing;
