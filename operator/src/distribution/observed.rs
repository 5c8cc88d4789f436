//! What one look at a Distribution sees: the steps after it decide on nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crds::Distribution;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use crate::child::ChildKind;
use crate::cluster::Cluster;
use crate::distribution::taken::Taken;
use crate::names::DistributionKey;
use crate::reference_grant::ReferenceGrant;

/// What one look at a Distribution sees. The steps after it see nothing else.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The Distribution itself, its status included.
    pub distribution: Arc<Distribution>,
    /// The last generation that was taken, as the `ConfigMap` keeps it; none before the first.
    pub taken: Option<Taken>,
    /// Services by namespace and name: at least those that the new spec or the last taken one names and that exist.
    pub services: BTreeMap<ServiceName, Arc<Service>>,
    /// What the other namespaces of those Services grant.
    pub grants: Vec<Arc<ReferenceGrant>>,
    /// Ingresses of the namespace by name: at least those that either spec names and that exist.
    pub ingresses: BTreeMap<String, Arc<Ingress>>,
    /// The `EndpointSlices` of those Services, and of the edges' own: they say where each edge runs.
    pub endpoint_slices: Vec<Arc<EndpointSlice>>,
    /// Other Distributions of the cluster that list one of this one's aliases, in their spec or their status.
    pub claims: Vec<Claim>,
    /// What exists of the children.
    pub children: Children,
    /// Pods of the namespace that carry this Distribution's label.
    pub pods: Vec<Arc<Pod>>,
    /// The certificates that edges verify the operator by, as PEM.
    pub ca_bundle: String,
    /// The cluster around all of it.
    pub cluster: Arc<Cluster>,
}

/// Namespace and name.
pub type ServiceName = (String, String);

/// Another Distribution's claim on an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The alias, as written.
    pub alias: String,
    /// Who claims it.
    pub by: DistributionKey,
    /// When that Distribution was created.
    pub created: Option<Time>,
    /// Whether its status lists the alias: it has it.
    pub holds: bool,
}

/// Live objects by name: every one that carries this Distribution's label, and **every one that has the name of a child
/// of the new spec or the last taken one, whoever owns it** — that is how a foreign object is found before it is written to.
#[derive(Clone, Debug, Default)]
pub struct Children {
    /// `ConfigMaps`.
    pub config_maps: BTreeMap<String, Arc<ConfigMap>>,
    /// Deployments.
    pub deployments: BTreeMap<String, Arc<Deployment>>,
    /// `NetworkPolicies`.
    pub network_policies: BTreeMap<String, Arc<NetworkPolicy>>,
    /// `PodDisruptionBudgets`.
    pub pod_disruption_budgets: BTreeMap<String, Arc<PodDisruptionBudget>>,
    /// `ServiceAccounts`.
    pub service_accounts: BTreeMap<String, Arc<ServiceAccount>>,
    /// Services.
    pub services: BTreeMap<String, Arc<Service>>,
    /// Those of the Deployments whose pod template is what the API made of the one that was applied last.
    pub altered: BTreeSet<String>,
}

impl Children {
    /// The metadata of all objects of one kind.
    pub fn metadata(&self, kind: ChildKind) -> Box<dyn Iterator<Item = &ObjectMeta> + '_> {
        match kind {
            ChildKind::ConfigMap => Box::new(self.config_maps.values().map(|object| &object.metadata)),
            ChildKind::Deployment => Box::new(self.deployments.values().map(|object| &object.metadata)),
            ChildKind::NetworkPolicy => Box::new(self.network_policies.values().map(|object| &object.metadata)),
            ChildKind::PodDisruptionBudget => {
                Box::new(self.pod_disruption_budgets.values().map(|object| &object.metadata))
            }
            ChildKind::Service => Box::new(self.services.values().map(|object| &object.metadata)),
            ChildKind::ServiceAccount => Box::new(self.service_accounts.values().map(|object| &object.metadata)),
        }
    }
}
