//! The stores and the edges' answers into [`Observed`], and what must be read consistently from the API itself.
//!
//! Reads here carry no resourceVersion, so what they return was so after they began.

use std::sync::Arc;

use crds::{Distribution, Invalidation};
use edge_contract::{Epoch, Sequence};
use futures::future::join_all;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use tokio::time::Instant;

use super::memory::{Expected, Memory, Place};
use super::observed::Observed;
use super::order;
use super::plan::progress::Sights;
use super::witness::{Probe, Sighting};
use crate::causes::chain;
use crate::clock;
use crate::context::Context;
use crate::counters::{Holder, Log};
use crate::edges::EdgeSeen;
use crate::names::{DISTRIBUTION_LABEL, DistributionKey, edge};
use crate::table::Group;

/// Where kubelets renew their Leases.
const NODE_LEASES: &str = "kube-node-lease";

/// The taint by which an administrator says that a Node is down for certain.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// What could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Distribution.
    #[error("could not read the Distribution")]
    ReadDistribution(#[source] kube::Error),
    /// An Invalidation.
    #[error("could not read Invalidation {0}")]
    ReadInvalidation(String, #[source] kube::Error),
    /// Who must apply an order.
    #[error("could not list the edge pods")]
    ListPods(#[source] kube::Error),
    /// Who must apply an order.
    #[error("could not list the EndpointSlices of the edges")]
    ListEndpoints(#[source] kube::Error),
    /// A pod that says nothing.
    #[error("could not read pod {0}")]
    ReadPod(String, #[source] kube::Error),
    /// The Node of a pod that says nothing.
    #[error("could not read Node {0} and its Lease")]
    ReadNode(String, #[source] kube::Error),
}

/// Looks at the stores and at what the edges said, and asks the API about pods that say nothing.
pub async fn observe(context: &Context, key: &DistributionKey, memory: &mut Memory) -> Result<Observed, Error> {
    let mut observed = look(context, key);
    // The watch is behind, or the pod is gone: where it runs must be known before its hello is kept.
    let unplaced: Vec<EdgeSeen> = observed.unplaced().cloned().collect();
    for edge in unplaced {
        observed.pods.extend(pod(&context.client, &key.namespace, &edge.pod, &edge.uid).await?.map(Arc::new));
    }
    memory.take_in(&observed);
    let suspects = Sights::new(&observed, memory).suspects(&observed);
    let (probes, later) = memory.witness.due(&suspects, observed.at);
    memory.wake(later, "a silent edge is asked after");
    for seen in probe(&context.client, key, probes).await {
        match seen {
            Ok((sighting, began, ended)) => memory.witness.learn(sighting, began, ended),
            // It stays suspect and is asked after again. Orders go to the others meanwhile.
            Err(error) => tracing::warn!(%key, error = chain(&error), "a silent edge could not be asked after"),
        }
    }
    Ok(observed)
}

fn look(context: &Context, key: &DistributionKey) -> Observed {
    let group = Group::Distribution(key.clone());
    let stores = &context.stores;
    Observed {
        key: key.clone(),
        distribution: stores.distributions.find(&key.namespace, &key.name),
        unreadable: stores.distributions.unreadable(&key.namespace, &key.name).is_some(),
        invalidations: stores.invalidations.of(&group),
        pods: stores.pods.of(&group),
        edges: context.edges.snapshot(key),
        at: clock::monotonic(),
        wall: clock::wall(),
    }
}

/// Reads who must apply the orders that were just accepted, and whether the starts that just said hello may get their first
/// head.
pub async fn expect(context: &Context, observed: &mut Observed, memory: &mut Memory) -> Result<(), Error> {
    let unlisted = memory.orders.values().any(|order| order.expected.is_none());
    let kept = |observed: &Observed, edge: &EdgeSeen| {
        let members = observed.status().map_or(&[][..], |status| &status.members);
        members.iter().any(|member| member.pod_uid == edge.uid)
    };
    let calls = |edge: &&EdgeSeen| edge.connected && !memory.has_admitted(edge) && kept(observed, edge);
    let called: Vec<EdgeSeen> = observed.edges.iter().filter(calls).cloned().collect();
    if observed.distribution.is_none() || !unlisted && called.is_empty() {
        return Ok(());
    }
    let began = clock::monotonic();
    let fresh = if unlisted {
        let (expected, fresh) = expected(&context.client, &observed.key).await?;
        memory.expect(&Arc::new(expected), began);
        fresh
    } else {
        distribution(&context.client, &observed.key).await?
    };
    let Some(fresh) = fresh else {
        observed.distribution = None;
        return Ok(());
    };
    observed.stands(&context.stores, fresh);
    match settled(observed) {
        Some(from) => memory.admit(called.iter().filter(|edge| kept(observed, edge)), began, from),
        None => memory.wake(Some(observed.at), "numbers were taken meanwhile"),
    }
    Ok(())
}

/// The counter, if everything up to it is settled.
fn settled(observed: &Observed) -> Option<Sequence> {
    let counters = observed.counters()?;
    let holders: Vec<Holder> = observed.invalidations.iter().map(|it| order::holder(it)).collect();
    let settled = Log::new(counters, observed.own(), &holders).is_settled();
    settled.then_some(Sequence { epoch: Epoch(counters.epoch), number: counters.sequence })
}

/// The Distribution as it is now.
pub async fn distribution(client: &Client, key: &DistributionKey) -> Result<Option<Distribution>, Error> {
    let api: Api<Distribution> = Api::namespaced(client.clone(), &key.namespace);
    api.get_opt(&key.name).await.map_err(Error::ReadDistribution)
}

/// An Invalidation as it is now; nothing if there is none of that name.
pub async fn invalidation(client: &Client, namespace: &str, name: &str) -> Result<Option<Invalidation>, Error> {
    let api: Api<Invalidation> = Api::namespaced(client.clone(), namespace);
    api.get_opt(name).await.map_err(|error| Error::ReadInvalidation(name.to_owned(), error))
}

/// A pod as it is now; nothing if there is none of that name and uid.
pub async fn pod(client: &Client, namespace: &str, name: &str, uid: &str) -> Result<Option<Pod>, Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let found = api.get_opt(name).await.map_err(|error| Error::ReadPod(name.to_owned(), error))?;
    Ok(found.filter(|pod| pod.metadata.uid.as_deref() == Some(uid)))
}

/// Every pod that may serve, and the Distribution with those who said hello: all read after this began.
pub async fn expected(client: &Client, key: &DistributionKey) -> Result<(Expected, Option<Distribution>), Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &key.namespace);
    let of_this = ListParams::default().labels(&format!("{DISTRIBUTION_LABEL}={}", key.name));
    let (pods, held, distribution) =
        tokio::join!(pods.list(&of_this), endpoints(client, key), distribution(client, key));
    let (pods, held, distribution) = (pods.map_err(Error::ListPods)?, held?, distribution?);
    let mut expected: Expected = held;
    for pod in pods {
        let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()) else { continue };
        expected.insert(pod.uid().unwrap_or_default(), Place { pod: pod.name_any(), node });
    }
    let members = distribution.iter().filter_map(|it| it.status.as_ref()).flat_map(|status| &status.members);
    for member in members {
        let place = Place { pod: member.pod.clone(), node: member.node.clone() };
        expected.insert(member.pod_uid.clone(), place);
    }
    Ok((expected, distribution))
}

/// The pods that the `EndpointSlices` of the edges' Service hold.
async fn endpoints(client: &Client, key: &DistributionKey) -> Result<Expected, Error> {
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), &key.namespace);
    let of_edges = ListParams::default().labels(&format!("kubernetes.io/service-name={}", edge(&key.name)));
    let slices = slices.list(&of_edges).await.map_err(Error::ListEndpoints)?;
    let endpoints = slices.items.into_iter().flat_map(|slice| slice.endpoints);
    let held = endpoints.filter_map(|endpoint| {
        let node = endpoint.node_name.unwrap_or_default();
        let target = endpoint.target_ref?;
        Some((target.uid?, Place { pod: target.name.unwrap_or_default(), node }))
    });
    Ok(held.collect())
}

/// What these reads show, and when each began and ended.
pub async fn probe(
    client: &Client,
    key: &DistributionKey,
    probes: Vec<Probe>,
) -> Vec<Result<(Sighting, Instant, Instant), Error>> {
    let reads = probes.into_iter().map(async |probe| {
        let began = clock::monotonic();
        let sighting = sight(client, key, probe).await?;
        Ok((sighting, began, clock::monotonic()))
    });
    join_all(reads).await
}

async fn sight(client: &Client, key: &DistributionKey, probe: Probe) -> Result<Sighting, Error> {
    match probe {
        Probe::Pod { uid, pod: name } => {
            let runs = pod(client, &key.namespace, &name, &uid).await?.map(|pod| runs(&pod));
            Ok(Sighting::Pod { uid, runs })
        }
        Probe::Node(name) => node(client, name).await,
        Probe::Endpoints => Ok(Sighting::Endpoints(endpoints(client, key).await?.into_keys().collect())),
    }
}

async fn node(client: &Client, name: String) -> Result<Sighting, Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    let leases: Api<Lease> = Api::namespaced(client.clone(), NODE_LEASES);
    let read = tokio::try_join!(nodes.get_opt(&name), leases.get_opt(&name));
    let (node, lease) = read.map_err(|error| Error::ReadNode(name.clone(), error))?;
    let taints = |node: Node| node.spec.and_then(|spec| spec.taints).unwrap_or_default();
    let in_service = node.is_some_and(|node| taints(node).iter().all(|taint| taint.key != OUT_OF_SERVICE));
    let renewal = lease.and_then(|lease| lease.spec?.renew_time).map(|time| time.0.to_string());
    Ok(Sighting::Node { node: name, renewal, in_service })
}

/// Whether the kubelet reports a container of the pod that runs.
fn runs(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    let kinds = [&status.init_container_statuses, &status.container_statuses, &status.ephemeral_container_statuses];
    let mut containers = kinds.into_iter().flatten().flatten();
    containers.any(|container| container.state.as_ref().is_some_and(|state| state.running.is_some()))
}
