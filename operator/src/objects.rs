//! A resolved generation into the Kubernetes objects it is made of, one file for each kind.
//!
//! Guarantees: the same generation makes the same objects. **What a live edit changes lies in the `ConfigMap`, the Services
//! and the `NetworkPolicy` only**, never in a pod template: origins, behaviors, aliases and policies reach running edges over
//! their stream. Every field that is applied is one that is meant; whatever the API server adds is its own.

pub mod config_map;
pub mod deployment;
pub mod network_policy;
pub mod pod;
pub mod pod_disruption_budget;
pub mod service;
pub mod service_account;

use std::collections::BTreeMap;

use crds::Distribution;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::Resource;

use crate::distribution::resolved::Resolved;
use crate::names::{DISTRIBUTION_LABEL, LOCATION_LABEL};

/// The name of the port on which edges serve viewers.
const HTTP: &str = "http";

/// Where edges serve viewers. Above 1024, so that no pod needs a capability.
const HTTP_PORT: i32 = 8080;

/// The name of the port on which edges say how they are.
const ADMIN: &str = "admin";

/// Where edges say how they are.
const ADMIN_PORT: i32 = 9090;

/// The name of the port on which edges answer other edges of their Distribution. Every pod has it, whether one stands before an origin or
/// not: that may change at any time, and no pod is touched for it.
const EDGES: &str = "edges";

/// Name, labels and owner of an object that exists once.
fn metadata(resolved: &Resolved, name: String, location: Option<&str>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(resolved.key.namespace.clone()),
        labels: Some(labels(resolved, location)),
        owner_references: Some(vec![owner(resolved)]),
        ..ObjectMeta::default()
    }
}

/// The labels of every child and pod. None of them changes with a release: a label of a pod rolls it.
fn labels(resolved: &Resolved, location: Option<&str>) -> BTreeMap<String, String> {
    let common = [
        ("app.kubernetes.io/name", "kubefront-edge"),
        ("app.kubernetes.io/component", "edge"),
        ("app.kubernetes.io/part-of", "kubefront"),
        ("app.kubernetes.io/managed-by", "kubefront"),
        ("app.kubernetes.io/instance", &resolved.key.name),
    ];
    let mut labels: BTreeMap<_, _> =
        common.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    labels.extend(selected(resolved, location));
    labels
}

/// The labels by which pods are found: those of one location, or of the whole Distribution.
fn selected(resolved: &Resolved, location: Option<&str>) -> BTreeMap<String, String> {
    let distribution = (DISTRIBUTION_LABEL.to_owned(), resolved.key.name.clone());
    let location = location.map(|location| (LOCATION_LABEL.to_owned(), location.to_owned()));
    std::iter::once(distribution).chain(location).collect()
}

fn selector(resolved: &Resolved, location: Option<&str>) -> LabelSelector {
    LabelSelector { match_labels: Some(selected(resolved, location)), match_expressions: None }
}

/// Kubernetes removes every child with its Distribution; `--cascade=foreground` waits for them.
fn owner(resolved: &Resolved) -> OwnerReference {
    OwnerReference {
        api_version: Distribution::api_version(&()).into_owned(),
        kind: Distribution::kind(&()).into_owned(),
        name: resolved.key.name.clone(),
        uid: resolved.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
