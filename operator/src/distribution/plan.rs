//! A resolved generation into what is to be done: objects to apply, objects to remove, sites, endpoints and shields to
//! send.
//!
//! Guarantees: the same look at the same world makes the same plan, so specific that carrying it out makes no choices. Only
//! objects that the Distribution controls are ever removed, and none while no generation can serve.

mod endpoints;
mod new_mounts;
mod print;
mod prune;
mod roll;
mod shields;

use std::collections::{BTreeMap, BTreeSet};

use edge_contract::{Before, EdgeConfig, Epoch, ShieldEdge, Site};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::Serialize;

pub use endpoints::{OriginEndpoints, without_endpoints};
pub use prune::Prune;
pub use roll::{HeldBack, Progress, Release, Turn, Upgrade, is_rolling, progress};

use crate::child::{ChildKind, is_owned};
use crate::compile;
use crate::distribution::observed::Observed;
use crate::distribution::resolved::Resolved;
use crate::holds::seal;
use crate::names;
use crate::objects::{config_map, deployment, network_policy, pod, pod_disruption_budget, service, service_account};

/// What is to be done. Fields stand in the order in which they are carried out: what pods need before pods, what is told to
/// edges last, removal at the end.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Who the edges are.
    pub service_account: ServiceAccount,
    /// What the edges are to serve; it becomes the `ConfigMap` once it has its number.
    pub configuration: Configuration,
    /// Who may speak with the edges; absent where its name belongs to somebody else.
    pub network_policy: Option<NetworkPolicy>,
    /// Where viewers come in.
    pub services: Vec<Service>,
    /// How many edges may go at a time.
    pub pod_disruption_budgets: Vec<PodDisruptionBudget>,
    /// What runs the edges: those whose turn it is.
    pub deployments: Vec<Deployment>,
    /// Locations whose new pod template waits for other pods.
    pub held_back: Vec<HeldBack>,
    /// Where pods are to be asked, by origin, for every origin that is a Service.
    pub endpoints: BTreeMap<String, OriginEndpoints>,
    /// Which edges stand before origins, by location, for every location that an origin names.
    pub shields: BTreeMap<String, Vec<ShieldEdge>>,
    /// Children that no plan has any more.
    pub prune: Vec<Prune>,
}

/// What the edges are to serve, yet without a number.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// The sites of the configuration.
    pub sites: Vec<Site>,
    /// Tells these sites from others: a new revision is due where the live `ConfigMap` has another one.
    pub fingerprint: String,
    /// What edges that start with it wait for: paths of mounted files.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub new_mounts: BTreeSet<String>,
    /// What pods start with in which those cannot be.
    #[serde(skip)]
    pub before: Option<Box<Before>>,
    /// The certificates that the operator is verified by, as PEM.
    pub ca_bundle: String,
    /// What the `ConfigMap` keeps as the last taken generation.
    #[serde(skip)]
    pub resolved: Resolved,
}

/// How far what only the operator wants of the pods has come: what the Distribution's turn is asked for by.
pub fn upgrade(observed: &Observed, resolved: &Resolved) -> Upgrade {
    let sites = [compile::site(resolved)];
    let planned = deployments(observed, resolved, &sites);
    roll::upgrade(&planned, &roll::as_planned(&planned, &observed.children))
}

/// Plans a generation.
pub fn plan(observed: &Observed, resolved: &Resolved, turn: &Turn) -> Plan {
    let sites = vec![compile::site(resolved)];
    let planned = deployments(observed, resolved, &sites);
    let live = &roll::as_planned(&planned, &observed.children);
    let shields = shields::of_sites(&sites, &observed.pods);
    let there = written(observed, resolved);
    let new_mounts = new_mounts::new_mounts(&sites, there.as_ref(), roll::is_through(&planned, live));
    let not_with = pod::mounts::volume(&sites).map(|volume| pod::mounts::id(&volume)).unwrap_or_default();
    let configuration = Configuration {
        before: new_mounts::before(&new_mounts, there).map(|config| Box::new(Before { not_with, config })),
        new_mounts,
        fingerprint: compile::fingerprint(&sites),
        sites,
        ca_bundle: observed.ca_bundle.clone(),
        resolved: resolved.clone(),
    };
    let places = || resolved.locations.iter().map(|location| location.name.as_str());
    let services = std::iter::once(service::over_all(resolved))
        .chain(places().map(|location| service::of_location(resolved, location)));
    let budgets = places().map(|location| pod_disruption_budget::build(resolved, location));
    let policy = [network_policy::build(resolved, &observed.cluster)].into_iter();
    let (deployments, held_back) = roll::in_turn(planned, live, turn);
    Plan {
        service_account: seal(service_account::build(resolved)),
        configuration,
        network_policy: ours(ChildKind::NetworkPolicy, policy, resolved).into_iter().next(),
        services: ours(ChildKind::Service, services, resolved),
        pod_disruption_budgets: ours(ChildKind::PodDisruptionBudget, budgets, resolved),
        deployments,
        held_back,
        endpoints: endpoints::of_services(observed, resolved),
        shields,
        prune: prune::unplanned(observed, resolved),
    }
}

impl Configuration {
    /// The configuration under the number that it was given.
    pub fn numbered(&self, epoch: Epoch, revision: u64) -> EdgeConfig {
        EdgeConfig { new_mounts: self.new_mounts.clone(), ..EdgeConfig::of(epoch, revision, self.sites.clone()) }
    }

    /// The `ConfigMap` of the configuration under the number that it was given.
    pub fn config_map(&self, epoch: Epoch, revision: u64) -> ConfigMap {
        let configuration = EdgeConfig { before: self.before.clone(), ..self.numbered(epoch, revision) };
        seal(config_map::build(&self.resolved, configuration, &self.ca_bundle))
    }

    /// Whether this very configuration has a number already, as the live `ConfigMap` has it.
    pub fn is_numbered_in(&self, live: &ConfigMap) -> Option<(Epoch, u64)> {
        let there = config_map::configuration(live)?;
        let is_same = live.metadata.annotations.as_ref()?.get(names::FINGERPRINT_ANNOTATION)? == &self.fingerprint
            && there.sites == self.sites;
        is_same.then_some((there.epoch, there.revision))
    }
}

/// The configuration that edges start from now, if there is one of ours.
fn written(observed: &Observed, resolved: &Resolved) -> Option<EdgeConfig> {
    let live = observed.children.config_maps.get(&names::edge(&resolved.key.name))?;
    config_map::configuration(live).filter(|_| is_owned(&live.metadata, &resolved.uid))
}

/// What runs the edges, whether its turn has come or not.
fn deployments(observed: &Observed, resolved: &Resolved, sites: &[Site]) -> Vec<Deployment> {
    let mounts = pod::mounts::volume(sites);
    let build = |location| deployment::build(resolved, location, &observed.cluster, mounts.as_ref());
    let deployments = resolved.locations.iter().map(build);
    ours(ChildKind::Deployment, deployments, resolved)
}

/// Those of a kind whose names are free or ours, sealed.
fn ours<K>(kind: ChildKind, objects: impl Iterator<Item = K>, resolved: &Resolved) -> Vec<K>
where
    K: Serialize + k8s_openapi::Metadata<Ty = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta>,
{
    let is_free = |object: &K| {
        let name = object.metadata().name.clone().unwrap_or_default();
        !resolved.foreign.contains(&(kind, name))
    };
    objects.filter(is_free).map(seal).collect()
}
