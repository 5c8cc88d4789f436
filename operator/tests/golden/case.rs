//! The documents of one input file into a look at a cluster, and a plan into that cluster once it is carried out.
//!
//! Beside Kubernetes objects a file may hold `kind: Taken` (the last taken generation), `kind: Claim` (another Distribution's
//! claim on an alias), `kind: Told` (what the operator is told of the cluster) and `kind: Show` (kinds of objects to print in full).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crds::Distribution;
use edge_contract::{Epoch, Walls};
use k8s_openapi::Metadata;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use operator::child::ChildKind;
use operator::cluster::{Channel, Cluster, EdgeImage};
use operator::distribution::observed::{Children, Claim, Observed};
use operator::distribution::plan::Plan;
use operator::distribution::resolved::Resolved;
use operator::distribution::taken::Taken;
use operator::holds::holds;
use operator::names::DistributionKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One input file.
pub struct Case {
    /// The look at its cluster.
    pub observed: Observed,
    /// Kinds of planned objects to print in full.
    pub shows: Vec<String>,
}

type ByName<K> = BTreeMap<String, Arc<K>>;

impl Case {
    /// Reads a file.
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("is there");
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let of = |kind: &str| documents.iter().filter(|one| one["kind"] == kind).cloned().collect::<Vec<_>>();
        let distribution: Distribution = parse(of("Distribution").pop().expect("holds a Distribution"), path);
        let near = distribution.metadata.namespace.clone();
        let is_near = |object: &Value| object["metadata"]["namespace"].as_str() == near.as_deref();
        let children = Children {
            config_maps: by_name(of("ConfigMap"), path),
            deployments: by_name(of("Deployment"), path),
            network_policies: by_name(of("NetworkPolicy"), path),
            pod_disruption_budgets: by_name(of("PodDisruptionBudget"), path),
            service_accounts: by_name(of("ServiceAccount"), path),
            services: by_name(of("Service").into_iter().filter(is_near).collect(), path),
            altered: BTreeSet::new(),
        };
        let services = of("Service").into_iter().map(|one| Arc::new(parse::<Service>(one, path)));
        let slices = of("EndpointSlice").into_iter().map(|one| Arc::new(parse(one, path)));
        let observed = Observed {
            distribution: Arc::new(distribution),
            taken: of("Taken").pop().map(|taken| parse::<Taken>(taken, path)),
            services: services.map(|service| (key_of(&service), service)).collect(),
            grants: of("ReferenceGrant").into_iter().map(|one| Arc::new(parse(one, path))).collect(),
            ingresses: by_name::<Ingress>(of("Ingress"), path),
            endpoint_slices: slices.collect(),
            claims: of("Claim").iter().map(claim).collect(),
            children,
            pods: of("Pod").into_iter().map(|one| Arc::new(parse(one, path))).collect(),
            ca_bundle: "-----BEGIN CERTIFICATE-----\n".into(),
            cluster: Arc::new(told(&of("Told").pop().unwrap_or_default(), cluster())),
        };
        let shows = of("Show").into_iter().flat_map(|show| parse::<Vec<String>>(show["objects"].clone(), path));
        Self { observed, shows: shows.collect() }
    }

    /// The cluster once a plan is carried out and every pod it asks for runs.
    pub fn carry_out(&mut self, plan: &Plan, resolved: &Resolved) {
        let children = &mut self.observed.children;
        for gone in &plan.prune {
            match gone.kind {
                ChildKind::ConfigMap => drop(children.config_maps.remove(&gone.name)),
                ChildKind::Deployment => drop(children.deployments.remove(&gone.name)),
                ChildKind::NetworkPolicy => drop(children.network_policies.remove(&gone.name)),
                ChildKind::PodDisruptionBudget => drop(children.pod_disruption_budgets.remove(&gone.name)),
                ChildKind::Service => drop(children.services.remove(&gone.name)),
                ChildKind::ServiceAccount => drop(children.service_accounts.remove(&gone.name)),
            }
        }
        put(&mut children.service_accounts, std::slice::from_ref(&plan.service_account));
        put(&mut children.config_maps, &[plan.configuration.config_map(Epoch(1), 1)]);
        put(&mut children.network_policies, plan.network_policy.as_slice());
        put(&mut children.services, &plan.services);
        put(&mut children.pod_disruption_budgets, &plan.pod_disruption_budgets);
        let run: Vec<_> = plan.deployments.iter().cloned().map(running).collect();
        put(&mut children.deployments, &run);
        self.observed.taken = Some(Taken { generation: resolved.generation, spec: resolved.spec.clone() });
    }

    /// Objects that a plan would write or remove.
    pub fn left_to_do(&self, plan: &Plan) -> Vec<String> {
        let children = &self.observed.children;
        let config_map = plan.configuration.config_map(Epoch(1), 1);
        [
            unlike(&children.service_accounts, std::slice::from_ref(&plan.service_account)),
            unlike(&children.config_maps, std::slice::from_ref(&config_map)),
            unlike(&children.network_policies, plan.network_policy.as_slice()),
            unlike(&children.services, &plan.services),
            unlike(&children.pod_disruption_budgets, &plan.pod_disruption_budgets),
            unlike(&children.deployments, &plan.deployments),
            plan.held_back.iter().map(|held_back| held_back.deployment.clone()).collect(),
            plan.prune.iter().map(|child| child.name.clone()).collect(),
        ]
        .concat()
    }
}

/// The cluster as an operator is told of it: the namespaces to look after, and the cluster's own networks.
fn told(document: &Value, plain: Cluster) -> Cluster {
    let texts = |field: &str| {
        let listed = document[field].as_array().into_iter().flatten();
        listed.filter_map(|text| text.as_str()).map(str::to_owned).collect::<Vec<_>>()
    };
    let cluster_networks = texts("networks").iter().map(|text| text.parse().expect("a network")).collect();
    Cluster { watched: texts("namespaces"), walls: Walls { cluster_networks, ..plain.walls }, ..plain }
}

fn key_of(service: &Service) -> (String, String) {
    (service.metadata.namespace.clone().unwrap_or_default(), name_of(service))
}

fn parse<T: DeserializeOwned>(document: Value, path: &Path) -> T {
    serde_json::from_value(document).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn by_name<K: DeserializeOwned + Metadata<Ty = ObjectMeta>>(documents: Vec<Value>, path: &Path) -> ByName<K> {
    let objects = documents.into_iter().map(|document| parse::<K>(document, path));
    objects.map(|object| (name_of(&object), Arc::new(object))).collect()
}

fn name_of<K: Metadata<Ty = ObjectMeta>>(object: &K) -> String {
    object.metadata().name.clone().unwrap_or_default()
}

fn put<K: Clone + Metadata<Ty = ObjectMeta>>(live: &mut ByName<K>, planned: &[K]) {
    live.extend(planned.iter().map(|object| (name_of(object), Arc::new(object.clone()))));
}

fn unlike<K: Serialize + Metadata<Ty = ObjectMeta>>(live: &ByName<K>, planned: &[K]) -> Vec<String> {
    let is_left = |object: &&K| live.get(&name_of(*object)).is_none_or(|live| !holds(&**live, *object));
    planned.iter().filter(is_left).map(name_of).collect()
}

fn running(mut deployment: Deployment) -> Deployment {
    let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    deployment.status = Some(DeploymentStatus { replicas, updated_replicas: replicas, ..DeploymentStatus::default() });
    deployment
}

fn claim(document: &Value) -> Claim {
    let text = |field: &str| document[field].as_str().unwrap_or_default().to_owned();
    Claim {
        alias: text("alias"),
        by: DistributionKey::new(text("namespace"), text("name")),
        created: text("created").parse().ok().map(Time),
        holds: document["holds"] == true,
    }
}

/// The cluster around every case.
fn cluster() -> Cluster {
    Cluster {
        domain: "cluster.local".into(),
        watched: vec![],
        walls: Walls {
            api_servers: [([10, 96, 0, 1], 443).into(), ([192, 168, 0, 10], 6443).into()].into(),
            ..Walls::default()
        },
        edge: EdgeImage { name: "registry.example.com/kubefront/edge:1.0.0".into(), pull_policy: None },
        channel: Channel {
            address: "kubefront-operator.kubefront-system.svc:8443".into(),
            namespace: "kubefront-system".into(),
            pod_labels: [("app.kubernetes.io/name".to_owned(), "kubefront-operator".to_owned())].into(),
            port: 8443,
        },
    }
}
