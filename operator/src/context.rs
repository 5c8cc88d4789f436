//! What both reconcilers are given: the API, what is known of it, the edges, and what the operator was told to do.

use std::sync::Arc;

use arc_swap::ArcSwap;
use crds::{Distribution, Invalidation};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use tokio::sync::watch;

use crate::cluster::Cluster;
use crate::distribution::accept::Taken;
use crate::distribution::apply::{ToldEndpoints, ToldShields};
use crate::distribution::turns::Turns;
use crate::edges::Edges;
use crate::events::Events;
use crate::interests::Interests;
use crate::invalidation::Memories;
use crate::leader::Leadership;
use crate::metrics::Metrics;
use crate::names::{DISTRIBUTION_LABEL, DistributionKey, key_of};
use crate::reference_grant::ReferenceGrant;
use crate::server_side_apply::Writer;
use crate::settings::Settings;
use crate::surroundings;
use crate::table::{Group, Table};

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
    pub taken: Taken,
    /// The endpoints that edges were told last.
    pub told: ToldEndpoints,
    /// The edges before origins that edges were told of last.
    pub told_shields: ToldShields,
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

/// The objects that are watched, as last seen: look-ups by name or by [`Group`], never a walk over all of them.
///
/// They may lag behind the API, but not behind what this process wrote and [`Table::learn`]ed.
pub struct Stores {
    /// Distributions, by name, by their own group and by each alias that they want or hold.
    pub distributions: Table<Distribution>,
    /// Invalidations, by the Distribution that they name.
    pub invalidations: Table<Invalidation>,
    /// Edge pods, by their Distribution. Of their spec only what says where they run is kept.
    pub pods: Table<Pod>,
    /// Children.
    pub deployments: Table<Deployment>,
    /// Children.
    pub config_maps: Table<ConfigMap>,
    /// Children.
    pub service_accounts: Table<ServiceAccount>,
    /// Children.
    pub pod_disruption_budgets: Table<PodDisruptionBudget>,
    /// Children.
    pub network_policies: Table<NetworkPolicy>,
    /// All Services: origins among them, and children.
    pub services: Table<Service>,
    /// The endpoints behind each Service.
    pub endpoint_slices: Table<EndpointSlice>,
    /// All Ingresses: origins among them.
    pub ingresses: Table<Ingress>,
    /// What namespaces let others name.
    pub reference_grants: Table<ReferenceGrant>,
}

impl Context {
    /// Looks anew for what no watch shows of the cluster.
    pub async fn look_around(&self) {
        self.cluster.store(Arc::new(surroundings::look(&self.client, &self.settings).await));
    }

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

impl Stores {
    /// Returns once everything that is watched has been listed.
    pub async fn complete(&self) {
        let Self { distributions, invalidations, pods, deployments, config_maps, service_accounts, .. } = self;
        let Self { pod_disruption_budgets, network_policies, services, endpoint_slices, .. } = self;
        let Self { ingresses, reference_grants, .. } = self;
        tokio::join!(distributions.complete(), invalidations.complete(), pods.complete(), deployments.complete());
        tokio::join!(config_maps.complete(), service_accounts.complete(), pod_disruption_budgets.complete());
        tokio::join!(
            network_policies.complete(),
            services.complete(),
            endpoint_slices.complete(),
            ingresses.complete(),
            reference_grants.complete()
        );
    }
}

impl Default for Stores {
    fn default() -> Self {
        Self {
            distributions: Table::new(|distribution| {
                let held = distribution.status.iter().flat_map(|status| &status.aliases);
                let aliases = distribution.spec.aliases.iter().chain(held).cloned().map(Group::Alias);
                std::iter::once(Group::Distribution(key_of(distribution))).chain(aliases).collect()
            }),
            invalidations: Table::new(|invalidation| {
                let namespace = invalidation.namespace().unwrap_or_default();
                vec![Group::Distribution(DistributionKey::new(namespace, &invalidation.spec.distribution_ref.name))]
            }),
            pods: Table::new(by_label),
            deployments: Table::new(by_label),
            config_maps: Table::new(by_label),
            service_accounts: Table::new(by_label),
            pod_disruption_budgets: Table::new(by_label),
            network_policies: Table::new(by_label),
            services: Table::new(|service| {
                let itself = Group::Service(service.namespace().unwrap_or_default(), service.name_any());
                std::iter::once(itself).chain(by_label(service)).collect()
            }),
            endpoint_slices: Table::new(|slice| {
                let service = slice.labels().get("kubernetes.io/service-name").cloned();
                service.map(|name| Group::Service(slice.namespace().unwrap_or_default(), name)).into_iter().collect()
            }),
            ingresses: Table::new(|ingress| {
                vec![Group::Ingress(ingress.namespace().unwrap_or_default(), ingress.name_any())]
            }),
            reference_grants: Table::new(|grant| vec![Group::Grants(grant.namespace().unwrap_or_default())]),
        }
    }
}

fn by_label<K: ResourceExt>(object: &K) -> Vec<Group> {
    let of = object.labels().get(DISTRIBUTION_LABEL);
    let namespace = object.namespace().unwrap_or_default();
    of.map(|name| Group::Distribution(DistributionKey::new(namespace, name))).into_iter().collect()
}

#[cfg(test)]
pub mod testing;
