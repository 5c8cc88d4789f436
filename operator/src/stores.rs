//! What the watches show, in a [`Table`] for each kind, and by what each is looked up.

use crds::{Distribution, Invalidation};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;

use crate::names::{DISTRIBUTION_LABEL, DistributionKey, key_of};
use crate::reference_grant::ReferenceGrant;
use crate::table::{Group, Table};

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
            distributions: Table::new(|distribution: &Distribution| {
                let held = distribution.status.iter().flat_map(|status| &status.aliases);
                let aliases = distribution.spec.aliases.iter().chain(held).cloned().map(Group::Alias);
                std::iter::once(Group::Distribution(key_of(distribution))).chain(aliases).collect()
            })
            .with_status_of_ours(),
            invalidations: Table::new(|invalidation: &Invalidation| {
                let namespace = invalidation.namespace().unwrap_or_default();
                vec![Group::Distribution(DistributionKey::new(namespace, &invalidation.spec.distribution_ref.name))]
            })
            .with_status_of_ours(),
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
