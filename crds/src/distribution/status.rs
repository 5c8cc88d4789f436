//! What the operator says of a Distribution, and the counters it keeps there.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a Distribution has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DistributionStatus {
    /// The generation this status is about; -1 until an operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The generation that serves: an older one where the newest cannot be taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programmed_generation: Option<i64>,
    /// Where viewers reach it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub addresses: Vec<Address>,
    /// The aliases that this Distribution holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub aliases: Vec<String>,
    /// The number of the newest configuration that was made for the edges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_revision: Option<u64>,
    /// The `contentVersion` whose order is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_version: Option<String>,
    /// Edges of all locations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edges: Option<EdgesStatus>,
    /// Edges by location.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub locations: Vec<LocationStatus>,
    /// The purge log's counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalidation: Option<InvalidationCounters>,
    /// Edge pods that said hello and are not proved stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub members: Vec<Member>,
    /// Accepted, `ResolvedRefs`, `AliasesHeld`, `OriginsHealthy`, Programmed, Ready, Reconciling and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Where viewers reach a Distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Address {
    /// What kind of address it is.
    #[serde(rename = "type")]
    pub type_: AddressType,
    /// The name or address.
    pub value: String,
}

/// Kinds of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AddressType {
    /// A name in the cluster's own DNS.
    ClusterDNS,
    /// A host name of a load balancer.
    Hostname,
    /// An address of a load balancer.
    IP,
}

/// Edges of all locations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EdgesStatus {
    /// How many there should be.
    pub desired: u32,
    /// How many pods are Ready.
    pub ready: u32,
    /// How many serve the newest configuration.
    pub acknowledged: u32,
    /// Acknowledged of desired, for people: `4/4`.
    pub summary: String,
}

/// Edges of one location.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocationStatus {
    /// The location's name.
    pub name: String,
    /// How many there should be.
    pub desired: u32,
    /// How many pods are Ready.
    pub ready: u32,
    /// How many serve the newest configuration.
    pub acknowledged: u32,
}

/// The purge log's counters. They are the operator's memory: do not edit them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvalidationCounters {
    /// The life of the counters: random, new whenever their memory was lost.
    pub epoch: u64,
    /// The last number that was given to an order.
    pub sequence: u64,
    /// At or below it, numbers may belong to no order any more: edges that had not applied them drop everything.
    pub floor: u64,
    /// What edges began to read before this number is dropped, whatever its path.
    pub flush: u64,
    /// Numbers that were taken last, until they are known to stand on the objects that took them; those of a changed
    /// `contentVersion` until every edge has applied them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub pending: Vec<PendingOrder>,
}

/// A number that is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingOrder {
    /// The uid of the object that took it: an Invalidation's, or the Distribution's own for its `contentVersion`.
    pub uid: String,
    /// The name of the Invalidation; absent for the Distribution's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The number; 0 while a changed `contentVersion` waits for its generation to serve.
    pub sequence: u64,
    /// The `contentVersion` that the order is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_version: Option<String>,
}

/// An edge pod that said hello.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The pod's uid.
    #[serde(rename = "podUID")]
    pub pod_uid: String,
    /// The pod's name.
    pub pod: String,
    /// The node it runs on, once known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
}
